/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replicas: parts of a batch on threads of the host, each with a replica. Against one model that
 * gets the whole batch, against the same parts one after the other, and against gradients that are
 * whole numbers.
 */
#include "parallel/net.h"

#include <pthread.h>

enum { PARTS = 3, MOST = 1 << 14 };

typedef struct job {
    net_pass *pass;
    uint64_t batch;
    bool backward;
} job;

static void *work(void *arg)
{
    const job *j = arg;
    net_forward(j->pass, j->batch);
    if (j->backward)
        net_backward(j->pass, j->batch);
    return NULL;
}

/* The model and its replicas, and what runs on each. */
typedef struct team {
    net n;
    nncf_model *replica[PARTS - 1];
    net_pass pass[PARTS];
    bool threads;
} team;

static nncf_context *new_context(int32_t threads)
{
    return fx_new_context(NULL, threads, NNCF_ISA_BEST, 42);
}

static void make_team(team *t, const char *config, int flags, bool threads)
{
    nncf_error err = NNCF_ERROR_INIT;
    const int64_t rows = NET_BATCH / PARTS;
    memset(t, 0, sizeof *t);
    t->threads = threads;
    net_make(&t->n, new_context(1), config, flags);
    for (int i = 0; i < PARTS; i++) {
        if (i > 0)
            ck_assert_msg(
                nncf_model_create_replica(t->n.model, NULL, &t->replica[i - 1], &err) == NNCF_OK,
                "%s", err.message);
        net_pass_make(&t->pass[i], i ? t->replica[i - 1] : t->n.model, i * rows, rows);
    }
}

static void free_team(team *t)
{
    for (int i = 0; i < PARTS; i++) {
        net_pass_free(&t->pass[i]);
        if (i > 0)
            nncf_model_destroy(t->replica[i - 1]);
    }
    net_free(&t->n);
}

static void run_batch(team *t, uint64_t batch, bool backward)
{
    nncf_error err = NNCF_ERROR_INIT;
    job jobs[PARTS];
    pthread_t thread[PARTS];
    ck_assert_msg(nncf_model_begin_replicas(t->n.model, &err) == NNCF_OK, "%s", err.message);
    for (int i = PARTS - 1; i >= 0; i--) {
        jobs[i] = (job){&t->pass[i], batch, backward};
        if (!t->threads)
            work(&jobs[i]);
        else
            ck_assert_int_eq(pthread_create(&thread[i], NULL, work, &jobs[i]), 0);
    }
    for (int i = 0; i < PARTS && t->threads; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    ck_assert_msg(nncf_model_end_replicas(t->n.model, &err) == NNCF_OK, "%s", err.message);
}

static void init_team(team *t)
{
    int32_t more;
    uint64_t batch = 100;
    while (nncf_compression_ctrl_init_step(t->n.ctrl, &more, NULL) == NNCF_OK && more)
        run_batch(t, batch++, false);
    ck_assert_int_eq(more, 0);
}

static void init_alone(net *n, net_pass *p)
{
    int32_t more;
    uint64_t batch = 100;
    while (nncf_compression_ctrl_init_step(n->ctrl, &more, NULL) == NNCF_OK && more)
        net_forward(p, batch++);
    ck_assert_int_eq(more, 0);
}

static size_t gradients(const nncf_model *model, float values[MOST])
{
    const size_t count = nncf_model_get_gradient_count(model);
    nncf_gradient g = {NNCF_PARAMS(nncf_gradient)};
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(nncf_model_get_gradient(model, i, &g, NULL), NNCF_OK);
        n += g.count;
    }
    ck_assert_uint_le(n, MOST);
    ck_assert_int_eq(nncf_model_pack_gradients(model, 0, count, values, NULL), NNCF_OK);
    return n;
}

static double far(const float *a, const float *b, size_t n, double factor)
{
    double most = 0, largest = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)a[i] * factor - (double)b[i]));
        largest = fmax(largest, fabs((double)b[i]));
    }
    ck_assert(largest > 0);
    return most / largest;
}

#define INIT                                                                                       \
    "{\"algorithm\": \"quantization\", \"initializer\": {\"range\": {\"num_init_samples\": 24, "   \
    "\"type\": \"percentile\", \"params\": {\"min_percentile\": 1, \"max_percentile\": 99}}}}"

#define STAGED                                                                                     \
    "{\"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"range\": "            \
    "{\"num_init_samples\": 24}}, \"params\": {\"activations_quant_start_epoch\": 0, "             \
    "\"weights_quant_start_epoch\": 1}}}"

#define STAGED_PERCENTILES                                                                         \
    "{\"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"range\": "            \
    "{\"num_init_samples\": 24, \"type\": \"percentile\", \"params\": {\"min_percentile\": 1, "    \
    "\"max_percentile\": 99}}}, \"params\": {\"activations_quant_start_epoch\": 0, "               \
    "\"weights_quant_start_epoch\": 1}}}"

#define PRUNED                                                                                     \
    "{\"nncf_dialect\": \"1.3\", \"compression\": [{\"algorithm\": \"filter_pruning\", "           \
    "\"params\": {"                                                                                \
    "\"pruning_init\": 0.4, \"pruning_target\": 0.4, \"prune_first_conv\": true}}, "               \
    "{\"algorithm\": "                                                                             \
    "\"quantization\", \"initializer\": {\"range\": {\"num_init_samples\": 24}}}]}"

/* No batch norm, and products of codes: ranges and outputs have the bits of the whole batch;
 * gradients are sums of other parts. */
START_TEST(parts_of_a_batch_are_the_batch)
{
    static float together[MOST], alone[MOST];
    /* stages: in the first of them only activations are quantized */
    const char *config = _i == 0 ? FX_CONFIG(FX_RB ", " INIT) : _i == 1 ? STAGED : PRUNED;
    team t;
    net n;
    net_pass p;
    make_team(&t, config, NET_PLAIN, true);
    init_team(&t);
    net_make(&n, new_context(2), config, NET_PLAIN);
    net_pass_make(&p, n.model, 0, NET_BATCH);
    init_alone(&n, &p);
    if (_i == 2)
        ck_assert_int_eq(nncf_compression_ctrl_shrink(t.n.ctrl, NULL, NULL), NNCF_E_STATE);
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(n.ctrl); i++) {
        const nncf_parameter a = fx_parameter_at(n.ctrl, i), b = fx_parameter_at(t.n.ctrl, i);
        ck_assert_msg(memcmp(a.data, b.data, a.count * sizeof(float)) == 0, "%s", a.name);
    }
    for (uint64_t step = 0; step < 3; step++) {
        net_zero_grad(&t.n);
        net_zero_grad(&n);
        run_batch(&t, step, true);
        net_forward(&p, step);
        net_backward(&p, step);
        for (int i = 0; i < PARTS; i++)
            ck_assert(memcmp(t.pass[i].y[NET_LAYERS - 1],
                          p.y[NET_LAYERS - 1] + t.pass[i].first * NET_CLASSES,
                          (size_t)(t.pass[i].rows * NET_CLASSES) * sizeof(float)) == 0);
        const size_t count = gradients(n.model, alone);
        ck_assert_uint_eq(gradients(t.n.model, together), count);
        ck_assert_double_lt(far(together, alone, count, 1.0 / PARTS), 1e-5);
        ck_assert_int_eq(nncf_compression_ctrl_step(n.ctrl, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_compression_ctrl_step(t.n.ctrl, NULL), NNCF_OK);
        if (_i == 1) { /* a stage begins with an initialization */
            ck_assert_int_eq(nncf_compression_ctrl_epoch_step(n.ctrl, NULL), NNCF_OK);
            ck_assert_int_eq(nncf_compression_ctrl_epoch_step(t.n.ctrl, NULL), NNCF_OK);
            init_alone(&n, &p);
            init_team(&t);
        }
    }
    net_pass_free(&p);
    net_free(&n);
    free_team(&t);
}
END_TEST

/* Sums of what layers read are those of all parts. */
START_TEST(biases_are_corrected_by_the_whole_batch)
{
    static const char config[] =
        FX_CONFIG("{\"algorithm\": \"quantization\", \"weights\": {\"bits\": 3}, \"initializer\": "
                  "{\"num_init_steps\": 1, \"bias_correction\": {\"num_samples\": 20}}}");
    team t;
    net n;
    net_pass p;
    size_t changed = 0;
    make_team(&t, config, NET_PLAIN, true);
    net_make(&n, new_context(2), config, NET_PLAIN);
    net_pass_make(&p, n.model, 0, NET_BATCH);
    for (int i = 0; i < NET_BLOCKS; i++)
        for (int64_t o = 0; n.block[i].b && o < n.block[i].out_channels; o++)
            n.block[i].b[o] = t.n.block[i].b[o] = 0.25f;
    init_team(&t);
    init_alone(&n, &p);
    for (int i = 0; i < NET_BLOCKS; i++)
        for (int64_t o = 0; n.block[i].b && o < n.block[i].out_channels; o++) {
            ck_assert_float_eq_tol(n.block[i].b[o], t.n.block[i].b[o], 1e-6f);
            changed += fabsf(n.block[i].b[o] - 0.25f) > 1e-4f;
        }
    ck_assert_uint_gt(changed, 4);
    net_pass_free(&p);
    net_free(&n);
    free_team(&t);
}
END_TEST

/* A whole training: with batch norm, dropout, masks that move, ranges that are trained. */
static size_t train(bool threads, const char *config, float values[MOST])
{
    enum { STEPS = 8 };
    team t;
    size_t n = 0;
    make_team(&t, config, 0, threads);
    init_team(&t);
    for (int step = 0; step < STEPS; step++) {
        net_zero_grad(&t.n);
        fx_loss(t.n.ctrl);
        run_batch(&t, (uint64_t)step, true);
        net_update(&t.n, 0.01f);
        ck_assert_int_eq(nncf_compression_ctrl_step(t.n.ctrl, NULL), NNCF_OK);
        if (step % 3 == 2)
            ck_assert_int_eq(nncf_compression_ctrl_epoch_step(t.n.ctrl, NULL), NNCF_OK);
    }
    for (int i = 0; i < NET_BLOCKS; i++) {
        const fx_block *k = &t.n.block[i];
        memcpy(values + n, k->w, k->weights * sizeof(float));
        n += k->weights;
        memcpy(values + n, k->mean, (size_t)k->out_channels * sizeof(float));
        n += (size_t)k->out_channels;
        memcpy(values + n, k->var, (size_t)k->out_channels * sizeof(float));
        n += (size_t)k->out_channels;
    }
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(t.n.ctrl); i++) {
        const nncf_parameter p = fx_parameter_at(t.n.ctrl, i);
        ck_assert_uint_le(n + p.count, MOST);
        memcpy(values + n, p.data, p.count * sizeof(float));
        n += p.count;
    }
    ck_assert_uint_eq(nncf_compression_ctrl_get_warning_count(t.n.ctrl), 0);
    free_team(&t);
    return n;
}

START_TEST(threads_change_no_bit)
{
    static float a[MOST], b[MOST];
    const char *config = _i ? FX_CONFIG(FX_MAGNITUDE ", " FX_INT8) : FX_CONFIG(FX_RB ", " FX_INT8);
    const size_t n = train(true, config, a);
    ck_assert_uint_eq(train(false, config, b), n);
    ck_assert(memcmp(a, b, n * sizeof *a) == 0);
}
END_TEST

/* One linear layer, whole numbers: gradients are those of a plain loop, to the bit. */
START_TEST(sums_of_whole_numbers_are_exact)
{
    enum { IN = 5, OUT = 3, ROWS = 4 };
    float w[OUT * IN] = {0}, dw[OUT * IN] = {0}, b[OUT] = {0}, db[OUT] = {0};
    float x[PARTS][ROWS * IN], y[ROWS * OUT], dy[PARTS][ROWS * OUT];
    double want[OUT * IN] = {0}, want_bias[OUT] = {0};
    nncf_context *context = new_context(1), *other[PARTS - 1];
    nncf_model *model[PARTS];
    nncf_layer *layer;
    nncf_error err = NNCF_ERROR_INIT;
    uint64_t state = 1;
    ck_assert_int_eq(nncf_model_create(context, &model[0], NULL), NNCF_OK);
    const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "a", .weight = w,
        .weight_grad = dw, .bias = b, .bias_grad = db, .in_features = IN, .out_features = OUT};
    ck_assert_int_eq(nncf_model_add_linear(model[0], &p, &layer, NULL), NNCF_OK);
    nncf_compression_ctrl *ctrl = fx_ctrl(model[0], "{}");
    for (int i = 1; i < PARTS; i++) {
        other[i - 1] = new_context(2);
        ck_assert_msg(nncf_model_create_replica(model[0], other[i - 1], &model[i], &err) == NNCF_OK,
            "%s", err.message);
        ck_assert_ptr_nonnull(nncf_model_find_layer(model[i], "a"));
    }
    for (int round = 1; round <= 2; round++) { /* the second adds to the first */
        ck_assert_int_eq(nncf_model_begin_replicas(model[0], NULL), NNCF_OK);
        for (int i = 0; i < PARTS; i++) {
            for (int j = 0; j < ROWS * IN; j++)
                x[i][j] = (float)(fx_next(&state) % 201) - 100;
            for (int j = 0; j < ROWS * OUT; j++)
                dy[i][j] = (float)(fx_next(&state) % 201) - 100;
            for (int r = 0; r < ROWS; r++)
                for (int o = 0; o < OUT; o++) {
                    want_bias[o] += (double)dy[i][r * OUT + o];
                    for (int k = 0; k < IN; k++)
                        want[o * IN + k] += (double)dy[i][r * OUT + o] * (double)x[i][r * IN + k];
                }
            nncf_layer *l = nncf_model_get_layer(model[i], 0);
            const nncf_tensor tx = {.data = x[i], .ndim = 2, .shape = (int64_t[]){ROWS, IN}};
            nncf_tensor ty = {.data = y, .ndim = 2, .shape = (int64_t[]){ROWS, OUT}};
            nncf_tensor td = {.data = dy[i], .ndim = 2, .shape = (int64_t[]){ROWS, OUT}};
            ck_assert_int_eq(nncf_layer_forward(l, &tx, 1, &ty, NULL), NNCF_OK);
            ck_assert_int_eq(nncf_layer_backward(l, &tx, 1, &td, NULL, NULL), NNCF_OK);
        }
        ck_assert_int_eq(nncf_model_end_replicas(model[0], NULL), NNCF_OK);
        for (int j = 0; j < OUT * IN; j++)
            ck_assert((double)dw[j] == want[j]);
        for (int j = 0; j < OUT; j++)
            ck_assert((double)db[j] == want_bias[j]);
    }
    for (int i = 1; i < PARTS; i++) {
        nncf_model_destroy(model[i]);
        nncf_context_destroy(other[i - 1]);
    }
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model[0]);
    nncf_context_destroy(context);
}
END_TEST

/* A weight with rows of a stride, tied readers, and a layer that runs twice. */
START_TEST(layouts_ties_and_uses_come_along)
{
    enum { IN = 3, ROWS = 2 };
    float w[12] = {1, 2, 3, 9, 4, 5, 6, 9, 7, 8, 9, 9}, dw[12] = {0};
    float v[9] = {1, 0, 2, 0, 1, 0, 3, 0, 1}, dv[9] = {0};
    float x[ROWS * IN] = {1, 2, 3, 4, 5, 6}, y[ROWS * IN], dy[ROWS * IN];
    nncf_context *context = new_context(1);
    nncf_model *model[2];
    nncf_layer *gaps, *owner, *tied;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_model_create(context, &model[0], NULL), NNCF_OK);
    nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "gaps", .weight = w,
        .weight_grad = dw, .in_features = IN, .out_features = IN};
    ck_assert_int_eq(nncf_model_add_linear(model[0], &p, &gaps, NULL), NNCF_OK);
    const nncf_weight_layout_params stride = {
        NNCF_PARAMS(nncf_weight_layout_params), .row_stride = 4};
    ck_assert_int_eq(nncf_layer_set_weight_layout(gaps, &stride, NULL), NNCF_OK);
    p.scope = "owner";
    p.weight = v;
    p.weight_grad = dv;
    ck_assert_int_eq(nncf_model_add_linear(model[0], &p, &owner, NULL), NNCF_OK);
    p.scope = "tied";
    p.tied_to = owner;
    ck_assert_int_eq(nncf_model_add_linear(model[0], &p, &tied, &err), NNCF_OK);
    ck_assert_int_eq(nncf_layer_set_uses(owner, 2, NULL), NNCF_OK);
    nncf_compression_ctrl *ctrl = fx_ctrl(model[0], "{}");
    ck_assert_int_eq(nncf_model_create_replica(model[0], NULL, &model[1], NULL), NNCF_OK);
    ck_assert_uint_eq(nncf_model_get_gradient_count(model[1]), 2);
    ck_assert_int_eq(nncf_model_begin_replicas(model[0], NULL), NNCF_OK);
    for (int m = 0; m < 2; m++)
        for (int i = 0; i < 4; i++) { /* owner twice */
            nncf_layer *l = nncf_model_get_layer(model[m], i < 3 ? (size_t)i : 1);
            const nncf_tensor tx = {.data = x, .ndim = 2, .shape = (int64_t[]){ROWS, IN}};
            nncf_tensor ty = {.data = y, .ndim = 2, .shape = (int64_t[]){ROWS, IN}};
            nncf_tensor td = {.data = dy, .ndim = 2, .shape = (int64_t[]){ROWS, IN}};
            for (int j = 0; j < ROWS * IN; j++)
                dy[j] = (float)(m + 1);
            ck_assert_int_eq(
                nncf_layer_select_use(l, i == 3, NULL), i == 3 || i < 3 ? NNCF_OK : NNCF_E_ARG);
            ck_assert_int_eq(nncf_layer_forward(l, &tx, 1, &ty, NULL), NNCF_OK);
            if (i == 0)
                ck_assert(y[0] == 1 * 1 + 2 * 2 + 3 * 3); /* the gaps are no weights */
            ck_assert_int_eq(nncf_layer_backward(l, &tx, 1, &td, NULL, NULL), NNCF_OK);
        }
    ck_assert(dv[0] == 3 * (1 + 4)); /* the model, whose owner ran twice and tied reader once */
    ck_assert_int_eq(nncf_model_end_replicas(model[0], NULL), NNCF_OK);
    /* columns' sums are 5, 7, 9; dy is 1 in the model, 2 in the replica */
    for (int o = 0; o < IN; o++) {
        ck_assert(dw[4 * o + 3] == 0);
        for (int k = 0; k < IN; k++) {
            ck_assert(dw[4 * o + k] == (float)((1 + 2) * (5 + 2 * k)));
            ck_assert(dv[3 * o + k] == (float)(3 * (1 + 2) * (5 + 2 * k)));
        }
    }
    nncf_model_destroy(model[1]);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model[0]);
    nncf_context_destroy(context);
}
END_TEST

/* ---- life ---- */

START_TEST(any_order_of_destruction_is_survived)
{
    team t;
    fx_memory memory = {0};
    for (int order = 0; order < 3; order++) {
        memset(&t, 0, sizeof t);
        net_make(
            &t.n, fx_new_context(&memory, 1, NNCF_ISA_BEST, 42), FX_CONFIG(FX_RB ", " FX_INT8), 0);
        for (int i = 0; i < PARTS - 1; i++)
            ck_assert_int_eq(
                nncf_model_create_replica(t.n.model, NULL, &t.replica[i], NULL), NNCF_OK);
        if (order == 0)
            nncf_model_destroy(t.replica[0]);
        nncf_compression_ctrl_destroy(t.n.ctrl);
        t.n.ctrl = NULL;
        if (order == 2)
            nncf_model_destroy(t.n.model);
        /* without its controller it computes plainly */
        net_pass_make(&t.pass[1], t.replica[1], 0, 4);
        net_forward(&t.pass[1], 1);
        net_pass_free(&t.pass[1]);
        nncf_model_destroy(t.replica[1]);
        if (order != 0)
            nncf_model_destroy(t.replica[0]);
        if (order == 2)
            t.n.model = NULL;
        net_free(&t.n);
        ck_assert_uint_eq(memory.live, 0);
        ck_assert_uint_eq(memory.mistakes, 0);
    }
}
END_TEST

START_TEST(no_memory_leaves_the_model_as_it_was)
{
    fx_memory memory = {0};
    net n;
    nncf_model *replica;
    net_make(&n, fx_new_context(&memory, 1, NNCF_ISA_BEST, 42), FX_CONFIG(FX_RB ", " INIT), 0);
    const size_t live = memory.live;
    size_t failures = 0;
    for (size_t at = 1;; at++) {
        memory.fail_at = memory.calls + at;
        const nncf_status status = nncf_model_create_replica(n.model, NULL, &replica, NULL);
        memory.fail_at = 0;
        if (status == NNCF_OK)
            break;
        ck_assert_int_eq(status, NNCF_E_NOMEM);
        failures++;
    }
    ck_assert_uint_gt(failures, 20);
    nncf_model_destroy(replica);
    ck_assert_uint_le(memory.live, live + 2); /* the list stays */
    net_free(&n);
    ck_assert_uint_eq(memory.live, 0);
}
END_TEST

START_TEST(wrong_calls_are_refused)
{
    nncf_error err = NNCF_ERROR_INIT;
    team t;
    nncf_model *other;
    int32_t more;
    make_team(&t, FX_CONFIG(FX_INT8), 0, false);
    ck_assert_int_eq(nncf_model_end_replicas(t.n.model, &err), NNCF_E_STATE);
    ck_assert_int_eq(nncf_model_begin_replicas(t.n.model, &err), NNCF_OK);
    ck_assert_int_eq(nncf_model_begin_replicas(t.n.model, &err), NNCF_E_STATE);
    ck_assert_int_eq(nncf_model_create_replica(t.n.model, NULL, &other, &err), NNCF_E_STATE);
    ck_assert_int_eq(nncf_model_end_replicas(t.n.model, &err), NNCF_OK);
    ck_assert_int_eq(nncf_model_create_replica(t.replica[0], NULL, &other, &err), NNCF_E_STATE);
    ck_assert_int_eq(nncf_model_begin_replicas(t.replica[0], &err), NNCF_E_STATE);
    ck_assert_int_eq(nncf_model_create_replica(t.n.model, t.n.context, &other, &err), NNCF_E_ARG);
    nncf_context *seeded = fx_new_context(NULL, 1, NNCF_ISA_BEST, 43);
    ck_assert_int_eq(nncf_model_create_replica(t.n.model, seeded, &other, &err), NNCF_E_ARG);
    nncf_context_destroy(seeded);
    ck_assert_int_eq(nncf_model_create_replica(NULL, NULL, &other, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_create_replica(t.n.model, NULL, NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_begin_replicas(NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_end_replicas(NULL, &err), NNCF_E_ARG);
    const nncf_collective_params p = {NNCF_PARAMS(nncf_collective_params), .size = 1};
    ck_assert_int_eq(nncf_model_set_collective(t.replica[0], &p, &err), NNCF_E_STATE);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(t.n.ctrl, &more, &err), NNCF_OK);
    ck_assert_int_eq(nncf_model_create_replica(t.n.model, NULL, &other, &err), NNCF_E_STATE);
    /* a part that did not run is not noticed, but no part at all is */
    ck_assert_int_eq(nncf_model_begin_replicas(t.n.model, &err), NNCF_OK);
    ck_assert_int_eq(nncf_model_end_replicas(t.n.model, &err), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(t.n.ctrl, &more, &err), NNCF_E_STATE);
    free_team(&t);
    net n;
    net_make(&n, new_context(1), NULL, 0);
    ck_assert_int_eq(nncf_model_create_replica(n.model, NULL, &other, &err), NNCF_E_STATE);
    net_free(&n);
}
END_TEST

/* What replicas observe is of the batch with which they began. */
START_TEST(initialization_waits_for_the_end_of_a_batch)
{
    static float before[MOST], after[MOST];
    nncf_error err = NNCF_ERROR_INIT;
    team t;
    int32_t more;
    make_team(&t, STAGED_PERCENTILES, 0, false);
    init_team(&t);
    net_zero_grad(&t.n);
    run_batch(&t, 0, true);
    ck_assert_int_eq(nncf_compression_ctrl_step(t.n.ctrl, NULL), NNCF_OK);
    const size_t count = gradients(t.n.model, before);
    /* a stage begins in the middle: histograms are made that replicas do not have */
    ck_assert_int_eq(nncf_model_begin_replicas(t.n.model, &err), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(t.n.ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(t.n.ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 1);
    for (int i = 1; i < PARTS; i++)
        net_forward(&t.pass[i], 1);
    ck_assert_int_eq(nncf_model_end_replicas(t.n.model, &err), NNCF_E_STATE);
    ck_assert_msg(strstr(err.message, "initialization continued"), "%s", err.message);
    ck_assert_uint_eq(gradients(t.n.model, after), count);
    ck_assert(memcmp(before, after, count * sizeof(float)) == 0);
    /* the batch is over; the next one is as any other */
    run_batch(&t, 100, false);
    init_team(&t);
    free_team(&t);
}
END_TEST

/* Its gradients and statistics are its own: a controller of it would outlive them. */
START_TEST(a_replica_gets_no_controller)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_compression_ctrl *ctrl = NULL;
    team t;
    make_team(&t, FX_CONFIG(FX_INT8), 0, false);
    nncf_config *config = fx_config(t.n.context, FX_CONFIG(FX_INT8));
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(
            nncf_compression_ctrl_create(t.replica[0], config, &ctrl, &err), NNCF_E_STATE);
        ck_assert_msg(strstr(err.message, i ? "replica" : "already"), "%s", err.message);
        ck_assert_ptr_null(ctrl);
        nncf_compression_ctrl_destroy(t.n.ctrl);
        t.n.ctrl = NULL;
    }
    nncf_config_destroy(config);
    free_team(&t);
}
END_TEST

#define HAWQ                                                                                       \
    "{\"nncf_dialect\": \"1.5\", \"quantizer_setup_type\": \"pattern_based\", \"compression\": "   \
    "{\"algorithm\": \"quantization\", \"initializer\": {\"range\": {\"num_init_samples\": 24}, "  \
    "\"precision\": {\"type\": \"hawq\", \"bits\": [2, 4, 8], \"iter_number\": 2, "                \
    "\"num_data_points\": 12, \"tolerance\": 0}}}}"

/* While bits are chosen replicas, too, leave running statistics alone, and dropout drops the same
 * in both passes over a batch. What the model has run before makes no difference. */
START_TEST(bits_are_chosen_with_the_state_left_alone)
{
    team t;
    nncf_error err = NNCF_ERROR_INIT;
    int32_t more = 0;
    uint64_t batch = 0;
    float mean[NET_WIDTH], var[NET_WIDTH];
    bool dropped[PARTS][NET_WIDTH * 4 * NET_BATCH / PARTS];
    const size_t n = (size_t)net_count(3, NET_BATCH / PARTS);
    make_team(&t, HAWQ, 0, _i == 1);
    const fx_block *k = &t.n.block[0];
    memcpy(mean, k->mean, sizeof mean);
    memcpy(var, k->var, sizeof var);
    int passes = 0;
    while (nncf_compression_ctrl_precision_step(t.n.ctrl, &more, &err) == NNCF_OK && more) {
        size_t drops = 0;
        batch += more == NNCF_PRECISION_NEW_BATCH;
        run_batch(&t, batch, true);
        for (int i = 0; i < PARTS; i++)
            for (size_t j = 0; j < n; j++) {
                const bool drop = t.pass[i].y[3][j] == 0;
                if (more == NNCF_PRECISION_SAME_BATCH)
                    ck_assert_int_eq(drop, dropped[i][j]);
                dropped[i][j] = drop;
                drops += drop;
            }
        ck_assert_uint_gt(drops, 0);
        ck_assert_uint_lt(drops, PARTS * n);
        ck_assert_mem_eq(k->mean, mean, sizeof mean);
        ck_assert_mem_eq(k->var, var, sizeof var);
        passes++;
    }
    ck_assert_msg(more == NNCF_PRECISION_DONE, "%s", err.message);
    ck_assert_int_eq(passes, 4); /* 12 images are one batch of all parts: 2 vectors, 2 passes */
    init_team(&t);
    free_team(&t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("replicas");
    TCase *tests = fx_case(suite, "replicas", 120);
    tcase_add_loop_test(tests, parts_of_a_batch_are_the_batch, 0, 3);
    tcase_add_test(tests, biases_are_corrected_by_the_whole_batch);
    tcase_add_loop_test(tests, threads_change_no_bit, 0, 2);
    tcase_add_test(tests, sums_of_whole_numbers_are_exact);
    tcase_add_test(tests, layouts_ties_and_uses_come_along);
    tcase_add_test(tests, any_order_of_destruction_is_survived);
    tcase_add_test(tests, no_memory_leaves_the_model_as_it_was);
    tcase_add_test(tests, wrong_calls_are_refused);
    tcase_add_test(tests, initialization_waits_for_the_end_of_a_batch);
    tcase_add_test(tests, a_replica_gets_no_controller);
    tcase_add_loop_test(tests, bits_are_chosen_with_the_state_left_alone, 0, 2);
    return fx_main(suite);
}
