/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attention as a whole: to the bit what its layers compute when a host registers and runs them
 * one by one, plain and quantized, with dropout, over steps; gradients against central differences;
 * buffers and memory to the byte. test_torch_attention.c has PyTorch's numbers.
 */
#include "attention_rig.h"
#include "base/context.h"
#include "graph/model.h"
#include "support/guard.h"

static const options cases[] = {
    {.n_x = 1, .out = true},
    {.n_x = 1, .out = true, .causal = true, .packed = true},
    {.n_x = 1, .out = false, .factor = 0.3f},
    {.n_x = 2, .out = true, .packed = true},
    {.n_x = 2, .out = true, .causal = true, .own_names = true},
    {.n_x = 3, .out = true},
    {.n_x = 1, .out = true, .dropout = 0.3f, .causal = true},
    {.n_x = 1, .out = true, .fed = true, .packed = true},
    {.n_x = 1, .out = true, .config = INT8_LEGACY},
    {.n_x = 1, .out = true, .causal = true, .config = INT8_PROPAGATION},
    {.n_x = 1, .out = true, .fed = true, .dropout = 0.2f, .config = INT8_PROPAGATION},
    {.n_x = 3, .out = false, .config = INT8_PROPAGATION},
    {.n_x = 1, .out = true, .fed = true, .config = FX_CONFIG(FX_RB "," FX_INT8)},
};
enum { CASES = sizeof cases / sizeof *cases };

/* Outputs, gradients and what is trained, step by step. */
START_TEST(whole_is_its_layers)
{
    static rig a, b;
    open_rig(&a, cases[_i], false);
    open_rig(&b, cases[_i], true);
    ck_assert_uint_eq(nncf_model_get_layer_count(a.model), nncf_model_get_layer_count(b.model));
    for (size_t i = 0; i < nncf_model_get_layer_count(a.model); i++)
        ck_assert_str_eq(nncf_layer_get_scope(nncf_model_get_layer(a.model, i)),
            nncf_layer_get_scope(nncf_model_get_layer(b.model, i)));
    init(&a), init(&b);
    for (int k = 0; k < 3; k++) {
        step(&a, (uint64_t)k + 1), step(&b, (uint64_t)k + 1);
        same("outputs", _i, a.y, b.y, sizeof a.y);
        same("gradients of inputs", _i, a.dx, b.dx, sizeof a.dx);
        same("gradients of weights", _i, a.dw, b.dw, sizeof a.dw);
        same("gradients of biases", _i, a.db, b.db, sizeof a.db);
        same("gradients behind", _i, a.feed_dw, b.feed_dw, sizeof a.feed_dw);
        same("weights", _i, a.w, b.w, sizeof a.w);
    }
    for (size_t i = 0; a.ctrl && i < nncf_compression_ctrl_get_parameter_count(a.ctrl); i++) {
        const nncf_parameter p = fx_parameter_at(a.ctrl, i), q = fx_parameter_at(b.ctrl, i);
        ck_assert_str_eq(p.name, q.name);
        same(p.name, _i, p.data, q.data, p.count * sizeof *p.data);
    }
    ck_assert_int_eq(nncf_model_set_mode(a.model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_set_mode(b.model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    forward(&a), forward(&b);
    same("outputs in eval mode", _i, a.y, b.y, sizeof a.y);
    close_rig(&a), close_rig(&b);
}
END_TEST

/* Each of q, k, v and the softmax has its quantizer, and what is between passes them on. */
START_TEST(each_part_has_its_quantizer)
{
    static rig r;
    nncf_plan *plan;
    nncf_config *config;
    char text[8192];
    open_rig(&r, (options){.n_x = 1, .out = true, .dropout = 0.1f}, false);
    config = fx_config(r.c.context, INT8_PROPAGATION);
    ck_assert_int_eq(nncf_plan_create(r.model, config, &plan, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_TEXT, text, sizeof text, NULL, NULL), NNCF_OK);
    static const char *const wanted[] = {"Linear[q]", "Linear[k]", "Linear[v]", "softmax_0"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        bool found = false;
        for (const char *line = text; line; line = strchr(line, '\n')) {
            line += *line == '\n';
            const char *end = strchr(line, '\n'), *scope = strstr(line, wanted[i]),
                       *output = strstr(line, "output");
            found = found || (end && scope && scope < end && output && output < end);
        }
        ck_assert_msg(found, "no output quantizer of %s:\n%s", wanted[i], text);
    }
    nncf_plan_destroy(plan);
    nncf_config_destroy(config);
    close_rig(&r);
}
END_TEST

/* ---- gradients ---- */

static double loss(rig *r)
{
    double sum = 0;
    forward(r);
    for (size_t i = 0; i < x_count(r, 0); i++)
        sum += (double)r->y[i] * (double)r->gradients[0][i];
    return sum;
}

static void check(rig *r, const char *what, float *values, const float *gradient, size_t n)
{
    const float h = 1e-2f;
    for (size_t i = 0; i < n; i++) {
        const float old = values[i];
        values[i] = old + h;
        const double above = loss(r);
        values[i] = old - h;
        const double below = loss(r), wanted = (above - below) / (2 * (double)h);
        values[i] = old;
        ck_assert_msg(fabs(wanted - (double)gradient[i]) < 2e-3 * (1 + fabs(wanted)),
            "%s[%zu] is %g, differences say %g", what, i, (double)gradient[i], wanted);
    }
}

START_TEST(gradients_are_those_of_differences)
{
    static rig r;
    open_rig(&r, cases[_i], false);
    fx_fill_from(r.gradients[0], MOST_ROWS, 9);
    memcpy(r.dy, r.gradients[0], sizeof r.dy);
    forward(&r);
    backward(&r);
    check(&r, "w", r.w, r.dw, WEIGHTS * 4);
    check(&r, "b", r.b, r.db, C * 4);
    for (int i = 0; i < r.o.n_x; i++)
        check(&r, "x", r.x[i], r.dx[i], x_count(&r, i));
    close_rig(&r);
}
END_TEST

/* With NNCF_GRADIENT_ADD_DX everything is added to what is there; without dx there is none; and
 * with NNCF_GRADIENT_WRITE_PARAMETERS the host need not clear. */
START_TEST(flags_of_the_host_count)
{
    static rig a, b;
    const options o = {.n_x = 2, .out = true};
    nncf_error err = NNCF_ERROR_INIT;
    open_rig(&a, o, false), open_rig(&b, o, false);
    ck_assert_int_eq(nncf_model_set_gradient_flags(
                         b.model, NNCF_GRADIENT_ADD_DX | NNCF_GRADIENT_WRITE_PARAMETERS, NULL),
        NNCF_OK);
    for (int i = 0; i < 4 * WEIGHTS; i++)
        b.dw[i] = 7;
    for (size_t i = 0; i < MOST_ROWS; i++)
        b.dx[0][i] = b.dx[1][i] = 1;
    fx_fill_from(a.dy, MOST_ROWS, 3), fx_fill_from(b.dy, MOST_ROWS, 3);
    forward(&a), forward(&b), backward(&a), backward(&b);
    same("gradients of weights", 0, a.dw, b.dw, sizeof a.dw);
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < x_count(&a, k); i++)
            ck_assert_double_eq_tol((double)b.dx[k][i], 1 + (double)a.dx[k][i], 1e-5);
    for (int i = 0; i < PARTS; i++)
        if (b.a.layers[i])
            ck_assert_int_eq(
                b.a.layers[i]->gradients, NNCF_GRADIENT_ADD_DX | NNCF_GRADIENT_WRITE_PARAMETERS);
    fx_fill_from(b.dy, MOST_ROWS, 3);
    forward(&b);
    const nncf_tensor x[2] = {x_tensor(&b, 0, b.x[0]), x_tensor(&b, 1, b.x[1])};
    nncf_tensor dy = x_tensor(&b, 0, b.dy);
    ck_assert_msg(
        nncf_attention_backward(&b.a, x, 2, &dy, NULL, &err) == NNCF_OK, "%s", err.message);
    same("gradients of weights without dx", 0, a.dw, b.dw, sizeof a.dw);
    close_rig(&a), close_rig(&b);
}
END_TEST

/* ---- buffers ---- */

/* Exactly the bytes that were asked for, with a guard page behind them. */
START_TEST(buffers_are_as_large_as_said)
{
    static rig r;
    open_rig(&r, cases[_i], false);
    void *kept = r.a.kept, *work = r.a.work;
    const size_t sizes[2] = {r.a.kept_size / sizeof(float), r.a.work_size / sizeof(float)};
    r.a.kept = guard_alloc(sizes[0]);
    r.a.work = guard_alloc(sizes[1]);
    init(&r);
    step(&r, 1);
    guard_free(r.a.kept, sizes[0]), guard_free(r.a.work, sizes[1]);
    r.a.kept = kept;
    r.a.work = work;
    close_rig(&r);
}
END_TEST

/* Predicted to the byte, with the gradients that are added up. */
START_TEST(memory_is_predicted)
{
    static rig r;
    nncf_memory m = {NNCF_PARAMS(nncf_memory)};
    open_rig(&r, (options){.n_x = 1, .out = true, .fed = true}, false);
    const nncf_tensor in = x_tensor(&r, 0, r.input);
    ck_assert_int_eq(nncf_model_get_memory(r.model, &in, 1, NNCF_MODE_TRAIN, &m, NULL), NNCF_OK);
    const size_t before = r.c.memory.bytes;
    step(&r, 1);
    ck_assert_uint_eq(r.c.memory.bytes - before, m.library);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("attention");
    TCase *t = fx_case(suite, "attention", 60);
    tcase_add_loop_test(t, whole_is_its_layers, 0, CASES);
    tcase_add_test(t, each_part_has_its_quantizer);
    tcase_add_loop_test(t, gradients_are_those_of_differences, 0, 6);
    tcase_add_test(t, flags_of_the_host_count);
    tcase_add_loop_test(t, buffers_are_as_large_as_said, 0, CASES);
    tcase_add_test(t, memory_is_predicted);
    return fx_main(suite);
}
