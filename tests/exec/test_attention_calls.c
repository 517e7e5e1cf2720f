/* SPDX-License-Identifier: Apache-2.0 */
/* Attentions that run several times, in replicas, and that are refused. */
#include "attention_rig.h"
#include "graph/model.h"

/* ---- several of them ---- */

/* Two uses with a buffer each. */
START_TEST(uses_have_their_own_buffers)
{
    static rig r, once;
    nncf_error err = NNCF_ERROR_INIT;
    open_rig(&r, (options){.n_x = 1, .out = true}, false);
    open_rig(&once, r.o, false);
    nncf_attention uses[2] = {r.a, r.a};
    uses[1].kept = fx_alloc(r.a.kept_size, 1);
    for (int i = 0; i < PARTS; i++)
        if (r.a.layers[i])
            ck_assert_int_eq(nncf_layer_set_uses(r.a.layers[i], 2, NULL), NNCF_OK);
    for (int k = 0; k < 4; k++) { /* forward 0, forward 1, backward 1, backward 0 */
        const int use = k == 1 || k == 2;
        nncf_tensor x = x_tensor(&r, 0, r.x[use]), y = x_tensor(&r, 0, r.y),
                    dy = x_tensor(&r, 0, r.dy), dx = x_tensor(&r, 0, r.dx[use]);
        for (int i = 0; i < PARTS; i++)
            if (r.a.layers[i])
                ck_assert_int_eq(nncf_layer_select_use(r.a.layers[i], (size_t)use, NULL), NNCF_OK);
        fx_fill_from(r.dy, MOST_ROWS, (uint64_t)use + 1);
        const nncf_status status = k < 2
            ? nncf_attention_forward(&uses[use], &x, 1, &y, &err)
            : nncf_attention_backward(&uses[use], &x, 1, &dy, &dx, &err);
        ck_assert_msg(status == NNCF_OK, "%s", err.message);
    }
    for (int use = 1; use >= 0; use--) {
        float keep[MOST_ROWS];
        memcpy(keep, once.x[0], sizeof keep);
        memcpy(once.x[0], once.x[use], sizeof keep);
        fx_fill_from(once.dy, MOST_ROWS, (uint64_t)use + 1);
        forward(&once), backward(&once);
        memcpy(once.x[0], keep, sizeof keep);
        same("gradients of a use", use, once.dx[0], r.dx[use], sizeof keep);
    }
    same("gradients of weights", 0, once.dw, r.dw, sizeof r.dw);
    free(uses[1].kept);
    close_rig(&r), close_rig(&once);
}
END_TEST

START_TEST(replicas_have_it_too)
{
    static rig r;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_model *replica;
    nncf_attention found = {NNCF_PARAMS(nncf_attention)};
    float y[MOST_ROWS];
    open_rig(&r, (options){.n_x = 1, .out = true}, false);
    forward(&r);
    r.ctrl = fx_ctrl(r.model, "{}");
    nncf_context *own = fx_new_context(NULL, 1, 0, 5);
    ck_assert_msg(
        nncf_model_create_replica(r.model, own, &replica, &err) == NNCF_OK, "%s", err.message);
    ck_assert_int_eq(nncf_model_begin_replicas(r.model, NULL), NNCF_OK);
    ck_assert_msg(
        nncf_model_find_attention(replica, &r.a, &found, &err) == NNCF_OK, "%s", err.message);
    ck_assert_int_eq(found.n_x, 1);
    ck_assert_ptr_null(found.kept);
    found.kept = r.a.kept;
    found.kept_size = r.a.kept_size;
    nncf_tensor x = x_tensor(&r, 0, r.x[0]), ty = x_tensor(&r, 0, y);
    ck_assert_msg(nncf_attention_forward(&found, &x, 1, &ty, &err) == NNCF_OK, "%s", err.message);
    same("outputs of a replica", 0, y, r.y, x_count(&r, 0) * sizeof *y);
    nncf_model_destroy(replica);
    nncf_context_destroy(own);
    ck_assert_int_eq(nncf_model_create(r.c.context, &replica, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_find_attention(replica, &r.a, &found, &err), NNCF_E_NOTFOUND);
    ck_assert_str_eq(err.where, "Net/Attention[a]/Linear[q]");
    nncf_model_destroy(replica);
    close_rig(&r);
}
END_TEST

/* ---- refusals ---- */

static rig bad;

static nncf_status add_params(const nncf_attention_params *p, nncf_error *err)
{
    nncf_attention a = {NNCF_PARAMS(nncf_attention)};
    return nncf_model_add_attention(bad.model, p, &a, err);
}

START_TEST(bad_parameters_are_refused)
{
    open_rig(&bad, (options){.n_x = 1, .out = true}, false);
    const size_t layers = nncf_model_get_layer_count(bad.model);
    nncf_attention_params good = params_of(&bad);
    good.scope = "Net/other";
    nncf_layer *q = bad.a.layers[NNCF_ATTENTION_Q], *inputs[4] = {q, q, q, q};
    uint32_t nan_bits = 0x7fc00000;
    float not_a_number;
    memcpy(&not_a_number, &nan_bits, sizeof not_a_number);
#define REFUSED(wanted, text, place, ...)                                                          \
    do {                                                                                           \
        nncf_error err = NNCF_ERROR_INIT;                                                          \
        nncf_attention_params p = good;                                                            \
        __VA_ARGS__;                                                                               \
        ck_assert_int_eq(add_params(&p, &err), wanted);                                            \
        ck_assert_msg(strstr(err.message, text) != NULL, "%s: not \"%s\"", err.message, text);     \
        ck_assert_str_eq(err.where, place);                                                        \
        ck_assert_uint_eq(nncf_model_get_layer_count(bad.model), layers);                          \
    } while (0)
    REFUSED(NNCF_E_ARG, "has no scope", "", p.scope = NULL);
    REFUSED(NNCF_E_ARG, "features is 8 and heads is 3", "Net/other", p.heads = 3);
    REFUSED(NNCF_E_ARG, "heads is 0", "Net/other", p.heads = 0);
    REFUSED(NNCF_E_ARG, "features is 0", "Net/other", p.features = 0);
    REFUSED(NNCF_E_ARG, "causal is 2", "Net/other", p.causal = 2);
    REFUSED(NNCF_E_ARG, "packed is -1", "Net/other", p.packed = -1);
    REFUSED(NNCF_E_ARG, "dropout is 1", "Net/other", p.dropout = 1);
    REFUSED(NNCF_E_ARG, "factor is nan", "Net/other", p.factor = not_a_number);
    REFUSED(NNCF_E_ARG, "n_x is 4", "Net/other", p.n_x = 4);
    REFUSED(NNCF_E_ARG, "n_inputs is 4", "Net/other", p.inputs = inputs, p.n_inputs = 4);
    REFUSED(NNCF_E_ARG, "inputs is NULL", "Net/other", p.n_inputs = 1);
    REFUSED(
        NNCF_E_ARG, "n_x is 1, but n_inputs is 2", "Net/other", p.inputs = inputs, p.n_inputs = 2);
    REFUSED(NNCF_E_ARG, "for two n_x is 2", "Net/other", p.key_features = p.value_features = 4);
    REFUSED(NNCF_E_ARG, "for two n_x is 3", "Net/other", p.n_x = 2, p.key_features = 4);
    REFUSED(NNCF_E_ARG, "packed is 1, so key_features", "Net/other", p.packed = 1, p.n_x = 3,
        p.key_features = 4);
    REFUSED(NNCF_E_ARG, "packed is 1, so weight[0]", "Net/other", p.packed = 1);
    REFUSED(NNCF_E_ARG, "weight[NNCF_ATTENTION_OUT] is NULL", "Net/other",
        p.weight[NNCF_ATTENTION_OUT] = NULL);
    REFUSED(NNCF_E_ARG, "names[12]", "Net/other", p.names[12] = "Linear[x]");
    REFUSED(NNCF_E_ARG, "names[1] is empty", "Net/other", p.names[1] = "");
    /* by a layer: those before it are gone again */
    REFUSED(NNCF_E_ARG, "weight is NULL", "Net/other/Linear[v]", p.weight[NNCF_ATTENTION_V] = NULL);
    REFUSED(NNCF_E_ARG, "bias_grad is given", "Net/other/Linear[out]",
        p.bias[NNCF_ATTENTION_OUT] = NULL);
    REFUSED(NNCF_E_ARG, "the scope is taken", "Net/other/Linear[k]",
        p.names[NNCF_ATTENTION_V_HEADS] = "Linear[k]", p.names[NNCF_ATTENTION_Q] = "Linear[k]");
    REFUSED(NNCF_E_ARG, "the scope is taken", "Net/Attention[a]/Linear[q]",
        p.scope = "Net/Attention[a]");
    inputs[0] = (nncf_layer *)&bad;
    REFUSED(NNCF_E_ARG, "inputs[0] is not a layer of this model", "Net/other/Linear[q]",
        p.inputs = inputs, p.n_inputs = 1);
    inputs[0] = q;
    REFUSED(NNCF_E_LIMIT, "more than 2^32 elements", "Net/other/Linear[q]", p.packed = 1,
        p.weight[1] = p.weight[2] = p.weight_grad[1] = p.weight_grad[2] = NULL,
        p.bias[1] = p.bias[2] = p.bias_grad[1] = p.bias_grad[2] = NULL, p.features = 1 << 20);
    for (size_t i = 0; i < layers; i++) /* the index is whole */
        ck_assert_ptr_eq(nncf_model_find_layer(
                             bad.model, nncf_layer_get_scope(nncf_model_get_layer(bad.model, i))),
            nncf_model_get_layer(bad.model, i));
    ck_assert_ptr_null(nncf_model_find_layer(bad.model, "Net/other/Linear[q]"));
    ck_assert_uint_eq(q->n_consumers, 1);
    ck_assert_int_eq(add_params(&good, NULL), NNCF_OK);
    close_rig(&bad);
}
END_TEST

START_TEST(bad_calls_are_refused)
{
    open_rig(&bad, (options){.n_x = 1, .out = true}, false);
    const nncf_attention good = bad.a;
    nncf_tensor x = x_tensor(&bad, 0, bad.x[0]), y = x_tensor(&bad, 0, bad.y),
                dy = x_tensor(&bad, 0, bad.dy), dx = x_tensor(&bad, 0, bad.dx[0]);
    static const int64_t wrong[3] = {B, TK, C + 1};
    size_t n_x = 1;
#define WRONG(wanted, text, call, ...)                                                             \
    do {                                                                                           \
        nncf_error err = NNCF_ERROR_INIT;                                                          \
        nncf_attention a = good;                                                                   \
        nncf_tensor *at_x = &x, *at_y = &y, *at_dy = &dy, *at_dx = &dx;                            \
        __VA_ARGS__;                                                                               \
        ck_assert_int_eq(call, wanted);                                                            \
        ck_assert_msg(strstr(err.message, text) != NULL, "%s: not \"%s\"", err.message, text);     \
        (void)at_x, (void)at_y, (void)at_dy, (void)at_dx;                                          \
        x.shape = x_shape(&bad, 0), y.data = bad.y, dx.data = bad.dx[0], n_x = 1;                  \
        y.ndim = dy.ndim = 3;                                                                      \
    } while (0)
#define FORWARD  nncf_attention_forward(&a, at_x, n_x, at_y, &err)
#define BACKWARD nncf_attention_backward(&a, at_x, n_x, at_dy, at_dx, &err)
    WRONG(NNCF_E_ARG, "n_x is 2; the attention reads 1", FORWARD, n_x = 2);
    WRONG(NNCF_E_ARG, "x is NULL", FORWARD, at_x = NULL);
    WRONG(NNCF_E_ARG, "y is NULL", FORWARD, at_y = NULL);
    WRONG(NNCF_E_ARG, "kept is NULL", FORWARD, a.kept = NULL);
    WRONG(NNCF_E_ARG, "kept is not aligned", FORWARD, a.kept = (char *)a.kept + 1);
    WRONG(NNCF_E_BUFFER, "kept_size is", FORWARD, a.kept_size--);
    WRONG(NNCF_E_ARG, "kept and y overlap", FORWARD, y.data = (char *)a.kept + 64);
    /* the sizes behind the three are not looked at */
    WRONG(NNCF_E_SHAPE, "", FORWARD, y.ndim = 1 << 24);
    WRONG(NNCF_E_SHAPE, "", FORWARD, y.ndim = -1);
    WRONG(NNCF_E_ARG, "layers[0] is NULL", FORWARD, a.layers[0] = NULL);
    WRONG(NNCF_E_ARG, "another kind of layer: Net/Attention[a]/matmul_0", FORWARD,
        a.layers[0] = a.layers[NNCF_ATTENTION_SCORES]);
    WRONG(NNCF_E_ARG, "layers[13] is of no part", FORWARD, a.layers[13] = a.layers[0]);
    WRONG(NNCF_E_ARG, "n_x is 4", FORWARD, a.n_x = 4);
    WRONG(NNCF_E_ARG, "nncf_attention: struct_size is 3", FORWARD, a.struct_size = 3);
    WRONG(NNCF_E_SHAPE, "", FORWARD, x.shape = wrong);
    WRONG(NNCF_E_STATE, "there is no forward", BACKWARD, (void)0);
    forward(&bad);
    WRONG(NNCF_E_ARG, "work is NULL", BACKWARD, a.work = NULL);
    WRONG(NNCF_E_BUFFER, "work_size is", BACKWARD, a.work_size--);
    WRONG(NNCF_E_ARG, "kept and work overlap", BACKWARD, a.work = a.kept,
        a.work_size = a.kept_size = (size_t)1 << 20);
    WRONG(NNCF_E_ARG, "work and dx overlap", BACKWARD, dx.data = (char *)a.work + 64);
    WRONG(NNCF_E_ARG, "dy is NULL", BACKWARD, at_dy = NULL);
    for (int i = 0; i < 4 * WEIGHTS; i++)
        ck_assert_float_eq(bad.dw[i], 0);
    WRONG(NNCF_OK, "", BACKWARD, (void)0);
    ck_assert_int_eq(bad.c.errors, 19);
    ck_assert_int_eq(nncf_attention_forward(NULL, &x, 1, &y, NULL), NNCF_E_ARG);
    ck_assert_int_eq(
        nncf_attention_get_sizes(NULL, &x, 1, NULL, NULL, NULL, NULL, NULL), NNCF_E_ARG);
    close_rig(&bad);
}
END_TEST

/* Any allocation of a registration may fail: nothing is left of it. */
START_TEST(no_memory_leaves_no_layer)
{
    fx_context c;
    nncf_model *model;
    static rig r;
    r.o = (options){.n_x = 1, .out = true, .dropout = 0.5f};
    const nncf_attention_params p = params_of(&r);
    nncf_attention a = {NNCF_PARAMS(nncf_attention)};
    fx_open(&c, 1, 1);
    ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
    nncf_status status = NNCF_E_NOMEM;
    size_t failures = 0;
    for (size_t i = 1; status != NNCF_OK; i++) {
        c.memory.fail_at = c.memory.calls + i;
        status = nncf_model_add_attention(model, &p, &a, NULL);
        c.memory.fail_at = 0;
        if (status == NNCF_OK)
            break;
        ck_assert_int_eq(status, NNCF_E_NOMEM);
        ck_assert_uint_eq(nncf_model_get_layer_count(model), 0);
        ck_assert_ptr_null(a.layers[0]);
        failures++;
    }
    ck_assert_uint_gt(failures, 30);
    ck_assert_uint_eq(nncf_model_get_layer_count(model), PARTS);
    nncf_model_destroy(model);
    fx_close(&c);
}
END_TEST

FX_MAIN("attention_calls", uses_have_their_own_buffers, replicas_have_it_too,
    bad_parameters_are_refused, bad_calls_are_refused, no_memory_leaves_no_layer)
