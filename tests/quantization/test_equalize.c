/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cross-layer equalization: the model computes what it did, ranges of both channels become the root
 * of their product, and few bits per tensor lose less.
 */
#include "support/fixture.h"

#include <stdbool.h>

enum { N = 2, CIN = 4, MID = 8, LAST = 6, SIDE = 8, CLASSES = 5, MOST = N * MID * SIDE * SIDE };

/* Conv with batch norm and relu, depthwise with batch norm and leaky relu, 1x1 conv with bias and
 * relu, max pool, prelu, linear. */
typedef struct rig {
    fx_context c;
    nncf_model *model;
    fx_block a, b, d, l;
    nncf_layer *pool, *prelu;
    float slopes[LAST], slope_grads[LAST];
} rig;

/* A context that keeps what is logged for information, too. */
static void open_context(fx_context *c)
{
    memset(c, 0, sizeof *c);
    const nncf_context_params params = {NNCF_PARAMS(nncf_context_params), FX_MEMORY(&c->memory),
        .log = fx_log, .log_user = c, .n_threads = 1, .log_level = NNCF_LOG_INFO};
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &c->context, NULL), NNCF_OK);
}

static void fill_norm(fx_block *k, uint64_t *state)
{
    for (int64_t i = 0; i < k->out_channels; i++) {
        k->gamma[i] = 1 + 0.5f * (float)fx_uniform(state);
        k->beta[i] = 0.3f * (float)fx_uniform(state);
        k->mean[i] = 0.5f * (float)fx_uniform(state);
        k->var[i] = 1 + 0.8f * (float)fx_uniform(state);
    }
}

/* Channels of very different sizes, which what follows makes up for: batch norm and the next
 * layer. */
static void unbalance(rig *r)
{
    for (int c = 0; c < MID; c++) {
        const float factor = powf(10, (float)(c % 4) - 1.5f);
        for (int i = 0; i < CIN * 9; i++)
            r->a.w[c * CIN * 9 + i] *= factor;
        r->a.mean[c] *= factor;
        r->a.var[c] *= factor * factor;
        for (int i = 0; i < 9; i++)
            r->b.w[c * 9 + i] *= c % 3 ? 1 : 20.0f;
        r->b.gamma[c] *= c % 3 ? 1 : 1 / 20.0f;
        for (int o = 0; o < LAST; o++)
            r->d.w[o * MID + c] *= c % 2 ? 5 : 0.2f;
    }
}

static void open_rig(rig *r, int32_t first_activation)
{
    uint64_t state = 17;
    nncf_error err = NNCF_ERROR_INIT;
    memset(r, 0, sizeof *r);
    open_context(&r->c);
    ck_assert_int_eq(nncf_model_create(r->c.context, &r->model, NULL), NNCF_OK);
    r->a = (fx_block){.scope = "Net/Conv2d[a]",
        .in_channels = CIN,
        .out_channels = MID,
        .kernel = {3, 3},
        .padding = {1, 1},
        .batch_norm = true,
        .activation = first_activation};
    r->b = (fx_block){.scope = "Net/Conv2d[b]",
        .in_channels = MID,
        .out_channels = MID,
        .groups = MID,
        .kernel = {3, 3},
        .padding = {1, 1},
        .batch_norm = true,
        .activation = NNCF_ACTIVATION_LEAKY_RELU};
    r->d = (fx_block){.scope = "Net/Conv2d[d]",
        .in_channels = MID,
        .out_channels = LAST,
        .kernel = {1, 1},
        .bias = true,
        .activation = NNCF_ACTIVATION_RELU};
    r->l = (fx_block){.scope = "Net/Linear[l]",
        .in_channels = LAST * 16,
        .out_channels = CLASSES,
        .linear = true,
        .bias = true};
    fx_register(r->model, &r->a, NULL, &state);
    fx_register(r->model, &r->b, r->a.layer, &state);
    fx_register(r->model, &r->d, r->b.layer, &state);
    const nncf_pool2d_params pool = {NNCF_PARAMS(nncf_pool2d_params), .scope = "Net/MaxPool2d[p]",
        .kind = NNCF_POOL_MAX, .kernel = {2, 2}, .inputs = &r->d.layer, .n_inputs = 1};
    ck_assert_int_eq(nncf_model_add_pool2d(r->model, &pool, &r->pool, &err), NNCF_OK);
    for (int i = 0; i < LAST; i++)
        r->slopes[i] = 0.1f * (float)i;
    const nncf_prelu_params prelu = {NNCF_PARAMS(nncf_prelu_params), .scope = "Net/PReLU[q]",
        .weight = r->slopes, .weight_grad = r->slope_grads, .count = LAST, .inputs = &r->pool,
        .n_inputs = 1};
    ck_assert_int_eq(nncf_model_add_prelu(r->model, &prelu, &r->prelu, &err), NNCF_OK);
    fx_register(r->model, &r->l, r->prelu, &state);
    fill_norm(&r->a, &state);
    fill_norm(&r->b, &state);
    unbalance(r);
    nncf_model_set_mode(r->model, NNCF_MODE_EVAL, NULL);
}

static void close_rig(rig *r)
{
    nncf_model_destroy(r->model);
    fx_block *blocks[] = {&r->a, &r->b, &r->d, &r->l};
    for (size_t i = 0; i < 4; i++)
        fx_release(blocks[i]);
    fx_close(&r->c);
}

static void forward(rig *r, float y[N * CLASSES])
{
    static float x[MOST], u[MOST], v[MOST];
    const int64_t in[4] = {N, CIN, SIDE, SIDE}, mid[4] = {N, MID, SIDE, SIDE},
                  last[4] = {N, LAST, SIDE, SIDE}, half[4] = {N, LAST, 4, 4},
                  flat[4] = {N, LAST * 16, 1, 1}, out[4] = {N, CLASSES, 1, 1};
    fx_fill_from(x, N * CIN * SIDE * SIDE, 21);
    fx_layer_forward(r->a.layer, x, in, u, mid);
    fx_layer_forward(r->b.layer, u, mid, v, mid);
    fx_layer_forward(r->d.layer, v, mid, u, last);
    fx_layer_forward(r->pool, u, last, v, half);
    fx_layer_forward(r->prelu, v, half, u, half);
    fx_layer_forward(r->l.layer, u, flat, y, out);
}

static double furthest(const float *a, const float *b)
{
    double far = 0, most = 0;
    for (int i = 0; i < N * CLASSES; i++) {
        far = fmax(far, fabs((double)a[i] - (double)b[i]));
        most = fmax(most, fabs((double)b[i]));
    }
    return far / most;
}

/* The largest magnitude of `runs` runs of `length`, `step` apart. */
static double largest(const float *w, int runs, int length, int step)
{
    double most = 0;
    for (int r = 0; r < runs; r++)
        for (int i = 0; i < length; i++)
            most = fmax(most, fabs((double)w[r * step + i]));
    return most;
}

/* Of output channel c of the first, and of input channel c of the second, for each pair. */
static void ranges_of(const rig *r, int pair, int c, double range[2])
{
    const int row = LAST * 16;
    range[0] = pair == 0 ? largest(r->a.w + c * CIN * 9, 1, CIN * 9, 0)
        : pair == 1      ? largest(r->b.w + c * 9, 1, 9, 0)
                         : largest(r->d.w + c * MID, 1, MID, 0);
    range[1] = pair == 0 ? largest(r->b.w + c * 9, 1, 9, 0)
        : pair == 1      ? largest(r->d.w + c, LAST, 1, MID)
                         : largest(r->l.w + c * 16, CLASSES, 16, row);
}

START_TEST(the_model_computes_the_same)
{
    float before[N * CLASSES], after[N * CLASSES];
    size_t pairs = 0;
    rig r;
    open_rig(&r, NNCF_ACTIVATION_RELU);
    forward(&r, before);
    ck_assert_int_eq(nncf_model_equalize(r.model, 0, &pairs, NULL), NNCF_OK);
    ck_assert_uint_eq(pairs, 3);
    forward(&r, after);
    ck_assert_double_lt(furthest(after, before), 3e-6);
    close_rig(&r);
}
END_TEST

/* Batches' own statistics: eps counts a little more or less. */
START_TEST(train_mode_differs_by_eps_only)
{
    float before[N * CLASSES], after[N * CLASSES];
    rig r;
    open_rig(&r, NNCF_ACTIVATION_RELU);
    nncf_model_set_mode(r.model, NNCF_MODE_TRAIN, NULL);
    forward(&r, before);
    ck_assert_int_eq(nncf_model_equalize(r.model, 0, NULL, NULL), NNCF_OK);
    forward(&r, after);
    ck_assert_double_lt(furthest(after, before), 1e-2);
    close_rig(&r);
}
END_TEST

START_TEST(ranges_of_both_channels_become_equal)
{
    double range[2], before = 0;
    rig r;
    open_rig(&r, NNCF_ACTIVATION_RELU);
    for (int c = 0; c < MID; c++) {
        ranges_of(&r, 0, c, range);
        before = fmax(before, fabs(log(range[0] / range[1])));
    }
    ck_assert_double_gt(before, 2);
    ck_assert_int_eq(nncf_model_equalize(r.model, 1000, NULL, NULL), NNCF_OK);
    for (int pair = 0; pair < 3; pair++)
        for (int c = 0; c < (pair == 2 ? LAST : MID); c++) {
            ranges_of(&r, pair, c, range);
            ck_assert_msg(fabs(log(range[0] / range[1])) < 4e-3, "pair %d, channel %d: %g and %g",
                pair, c, range[0], range[1]);
        }
    close_rig(&r);
}
END_TEST

/* The last pair in one round, which nothing follows: the closed form. */
START_TEST(one_round_is_the_formula)
{
    double range[2], s[LAST];
    float bias[LAST], w[LAST * MID];
    rig r;
    open_rig(&r, NNCF_ACTIVATION_RELU);
    for (int c = 0; c < LAST; c++) { /* what the pair before leaves of the first weight is not known
                                        here: take its result as the start */
        bias[c] = r.d.b[c];
        ranges_of(&r, 2, c, range);
    }
    ck_assert_int_eq(nncf_model_equalize(r.model, 1000, NULL, NULL), NNCF_OK);
    for (int c = 0; c < LAST; c++) /* now out of balance again, this pair alone */
        for (int i = 0; i < MID; i++)
            r.d.w[c * MID + i] *= (float)(1 + c);
    memcpy(w, r.d.w, sizeof w);
    memcpy(bias, r.d.b, sizeof bias);
    for (int c = 0; c < LAST; c++) {
        ranges_of(&r, 2, c, range);
        s[c] = sqrt(range[0] / range[1]);
    }
    /* the pairs before see larger columns of the second weight, so make them no pairs */
    nncf_model *model;
    fx_block d = r.d, l = r.l;
    ck_assert_int_eq(nncf_model_create(r.c.context, &model, NULL), NNCF_OK);
    const nncf_conv2d_params conv = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[d]",
        .weight = d.w, .weight_grad = d.dw, .bias = d.b, .bias_grad = d.db, .in_channels = MID,
        .out_channels = LAST, .kernel = {1, 1}, .activation = NNCF_ACTIVATION_RELU};
    ck_assert_int_eq(nncf_model_add_conv2d(model, &conv, &d.layer, NULL), NNCF_OK);
    const nncf_linear_params linear = {NNCF_PARAMS(nncf_linear_params), .scope = "Net/Linear[l]",
        .weight = l.w, .weight_grad = l.dw, .in_features = LAST * 16, .out_features = CLASSES,
        .inputs = &d.layer, .n_inputs = 1};
    ck_assert_int_eq(nncf_model_add_linear(model, &linear, &l.layer, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_equalize(model, 1, NULL, NULL), NNCF_OK);
    for (int c = 0; c < LAST; c++) {
        ck_assert_double_eq_tol((double)r.d.b[c], (double)bias[c] / s[c], 1e-6);
        for (int i = 0; i < MID; i++)
            ck_assert_double_eq_tol((double)r.d.w[c * MID + i], (double)w[c * MID + i] / s[c],
                1e-6 * fabs((double)w[c * MID + i]));
        ranges_of(&r, 2, c, range);
        ck_assert_double_eq_tol(range[0], range[1], 1e-6 * range[1]);
    }
    nncf_model_destroy(model);
    close_rig(&r);
}
END_TEST

/* Weights of 5 bits, one scale each. */
static double quantized_error(rig *r, const float *exact)
{
    float y[N * CLASSES];
    int32_t more;
    nncf_compression_ctrl *ctrl = fx_ctrl(r->model,
        "{\"nncf_dialect\": \"1.7\", \"target_device\": \"NONE\", \"compression\": {\"algorithm\": "
        "\"quantization\", \"quantize_inputs\": false, \"weights\": {\"bits\": 5}, "
        "\"activations\": {\"ignored_scopes\": [\"Net\"]}, \"initializer\": "
        "{\"batchnorm_adaptation\": {\"num_bn_adaptation_samples\": 0}}}}");
    ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 0);
    forward(r, y);
    nncf_compression_ctrl_destroy(ctrl);
    return furthest(y, exact);
}

START_TEST(few_bits_per_tensor_lose_less)
{
    float exact[N * CLASSES];
    rig r;
    open_rig(&r, NNCF_ACTIVATION_RELU);
    forward(&r, exact);
    const double before = quantized_error(&r, exact);
    ck_assert_int_eq(nncf_model_equalize(r.model, 0, NULL, NULL), NNCF_OK);
    const double after = quantized_error(&r, exact);
    ck_assert_msg(after < before / 3, "%g, not much less than %g", after, before);
    close_rig(&r);
}
END_TEST

/* A pair that is left alone has its bits, and is named with the reason. */
START_TEST(relu6_is_left_alone_by_name)
{
    float w[MID * CIN * 9];
    size_t pairs = 0;
    rig r;
    open_rig(&r, NNCF_ACTIVATION_RELU6);
    memcpy(w, r.a.w, sizeof w);
    ck_assert_int_eq(nncf_model_equalize(r.model, 0, &pairs, NULL), NNCF_OK);
    ck_assert_uint_eq(pairs, 2);
    ck_assert_mem_eq(w, r.a.w, sizeof w);
    ck_assert_msg(
        strstr(r.c.log, "Net/Conv2d[a] is not equalized: its relu6 cuts off at 6") != NULL, "%s",
        r.c.log);
    ck_assert_msg(
        strstr(r.c.log, "Net/Linear[l] is not equalized: no registered layer reads its output") !=
            NULL,
        "%s", r.c.log);
    close_rig(&r);
}
END_TEST

/* a, and two layers that read it: b, and a sum of both. */
START_TEST(what_several_layers_read_is_left_alone)
{
    fx_context c;
    nncf_model *model;
    nncf_layer *sum;
    size_t pairs = 7;
    open_context(&c);
    ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
    fx_layer a = fx_add_conv(model, "Net/Conv2d[a]", 4, 4, 1, NULL, NULL),
             b = fx_add_conv(model, "Net/Conv2d[b]", 4, 4, 1, NULL, a.layer);
    nncf_layer *const both[] = {a.layer, b.layer};
    const nncf_sum_params p = {
        NNCF_PARAMS(nncf_sum_params), .scope = "Net/__add___0", .inputs = both, .n_inputs = 2};
    ck_assert_int_eq(nncf_model_add_sum(model, &p, &sum, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_equalize(model, 0, &pairs, NULL), NNCF_OK);
    ck_assert_uint_eq(pairs, 0);
    ck_assert_msg(
        strstr(c.log, "Net/Conv2d[a] is not equalized: several layers read its output") != NULL,
        "%s", c.log);
    ck_assert_msg(strstr(c.log,
                      "Net/Conv2d[b] is not equalized: Net/__add___0: its output is not "
                      "proportional") != NULL,
        "%s", c.log);
    nncf_model_destroy(model);
    fx_layer_free(&a);
    fx_layer_free(&b);
    fx_close(&c);
}
END_TEST

/* The host's weight is (in, out), and stays so. */
START_TEST(other_layouts_are_equalized_in_place)
{
    enum { IN = 5, OUT = 6, TO = 3 };
    float w[2][IN * OUT], v[2][OUT * TO], grad[IN * OUT], other[OUT * TO], s[OUT];
    for (int turned = 0; turned < 2; turned++) {
        fx_context c;
        nncf_model *model;
        nncf_layer *first, *second;
        fx_fill_from(w[0], IN * OUT, 3);
        fx_fill_from(v[turned], OUT * TO, 4);
        for (int o = 0; o < OUT; o++)
            for (int i = 0; i < IN; i++)
                w[1][i * OUT + o] = w[0][o * IN + i];
        fx_open(&c, 1, 2);
        ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
        const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "Net/Linear[a]",
            .weight = w[turned], .weight_grad = grad, .in_features = IN, .out_features = OUT};
        ck_assert_int_eq(nncf_model_add_linear(model, &p, &first, NULL), NNCF_OK);
        const nncf_weight_layout_params layout = {
            NNCF_PARAMS(nncf_weight_layout_params), .order = NNCF_WEIGHT_RSCK};
        if (turned)
            ck_assert_int_eq(nncf_layer_set_weight_layout(first, &layout, NULL), NNCF_OK);
        const nncf_linear_params q = {NNCF_PARAMS(nncf_linear_params), .scope = "Net/Linear[b]",
            .weight = v[turned], .weight_grad = other, .in_features = OUT, .out_features = TO,
            .inputs = &first, .n_inputs = 1};
        ck_assert_int_eq(nncf_model_add_linear(model, &q, &second, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_model_equalize(model, 0, NULL, NULL), NNCF_OK);
        if (!turned) {
            for (int o = 0; o < OUT; o++)
                s[o] = w[0][o * IN];
        } else {
            for (int o = 0; o < OUT; o++)
                ck_assert_float_eq(w[1][o], s[o]);
            ck_assert_mem_eq(v[0], v[1], sizeof v[0]);
        }
        nncf_model_destroy(model);
        fx_close(&c);
    }
}
END_TEST

/* Two layers that read one buffer, and are not registered as tied. */
START_TEST(a_shared_buffer_is_left_alone)
{
    enum { IN = 4 };
    float w[IN * IN], grad[IN * IN], before[IN * IN];
    fx_context c;
    nncf_model *model;
    nncf_layer *first, *second;
    size_t pairs = 7;
    fx_fill_from(w, IN * IN, 3);
    memcpy(before, w, sizeof w);
    open_context(&c);
    ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
    nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "Net/Linear[a]", .weight = w,
        .weight_grad = grad, .in_features = IN, .out_features = IN};
    ck_assert_int_eq(nncf_model_add_linear(model, &p, &first, NULL), NNCF_OK);
    p.scope = "Net/Linear[b]";
    p.inputs = &first;
    p.n_inputs = 1;
    ck_assert_int_eq(nncf_model_add_linear(model, &p, &second, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_equalize(model, 0, &pairs, NULL), NNCF_OK);
    ck_assert_uint_eq(pairs, 0);
    ck_assert_mem_eq(w, before, sizeof w);
    ck_assert_msg(
        strstr(c.log, "Net/Linear[a] is not equalized: its weight is shared") != NULL, "%s", c.log);
    nncf_model_destroy(model);
    fx_close(&c);
}
END_TEST

START_TEST(wrong_calls_change_nothing)
{
    nncf_error err = NNCF_ERROR_INIT;
    float w[MID * CIN * 9];
    rig r;
    open_rig(&r, NNCF_ACTIVATION_RELU);
    memcpy(w, r.a.w, sizeof w);
    ck_assert_int_eq(nncf_model_equalize(NULL, 0, NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_equalize(r.model, 1001, NULL, &err), NNCF_E_ARG);
    nncf_compression_ctrl *ctrl = fx_ctrl(r.model, FX_CONFIG(FX_INT8));
    ck_assert_int_eq(nncf_model_equalize(r.model, 0, NULL, &err), NNCF_E_STATE);
    ck_assert_msg(
        strstr(err.message, "before its controller is created") != NULL, "%s", err.message);
    nncf_compression_ctrl_destroy(ctrl);
    r.l.w[3] = NAN;
    ck_assert_int_eq(nncf_model_equalize(r.model, 0, NULL, &err), NNCF_E_UNSUPPORTED);
    ck_assert_str_eq(err.where, "Net/Linear[l]");
    r.l.w[3] = 0;
    r.c.memory.fail_at = r.c.memory.calls + 1;
    ck_assert_int_eq(nncf_model_equalize(r.model, 0, NULL, &err), NNCF_E_NOMEM);
    ck_assert_mem_eq(w, r.a.w, sizeof w);
    close_rig(&r);
}
END_TEST

/* A channel of zeros has no range to give. */
START_TEST(channels_of_zeros_stay)
{
    rig r;
    open_rig(&r, NNCF_ACTIVATION_RELU);
    memset(r.a.w, 0, CIN * 9 * sizeof(float));
    const float gamma = r.a.gamma[0], mean = r.a.mean[0];
    ck_assert_int_eq(nncf_model_equalize(r.model, 1, NULL, NULL), NNCF_OK);
    ck_assert(r.a.gamma[0] == gamma && r.a.mean[0] == mean && r.a.w[0] == 0);
    close_rig(&r);
}
END_TEST

FX_MAIN("equalize", the_model_computes_the_same, train_mode_differs_by_eps_only,
    ranges_of_both_channels_become_equal, one_round_is_the_formula, few_bits_per_tensor_lose_less,
    relu6_is_left_alone_by_name, what_several_layers_read_is_left_alone,
    other_layouts_are_equalized_in_place, a_shared_buffer_is_left_alone, wrong_calls_change_nothing,
    channels_of_zeros_stay)
