/* SPDX-License-Identifier: Apache-2.0 */
/*
 * High biases are absorbed by the next layer: the model computes what it did, activations lose the
 * constant, biases are those of the formula, and what cannot be done exactly is left alone.
 */
#include "support/fixture.h"

#include <stdbool.h>

enum { N = 2, CIN = 3, A = 6, B = 5, SIDE = 6, HALF = 3, CLASSES = 4 };
enum { MOST = N * A * SIDE * SIDE };

/* Conv with batch norm and padding; relu, its own or a layer's; max pool; 1x1 conv with batch norm
 * and relu; linear over its planes. */
typedef struct rig {
    fx_context c;
    nncf_model *model;
    fx_block a, b, l;
    nncf_layer *relu, *pool;
    float ya[MOST];
} rig;

typedef struct kind {
    int32_t activation, padding;
    bool relu_layer, bias;
} kind;

static void open_rig(rig *r, const kind *k)
{
    uint64_t state = 23;
    memset(r, 0, sizeof *r);
    const nncf_context_params params = {NNCF_PARAMS(nncf_context_params), FX_MEMORY(&r->c.memory),
        .log = fx_log, .log_user = &r->c, .n_threads = 1, .log_level = NNCF_LOG_INFO};
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &r->c.context, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_create(r->c.context, &r->model, NULL), NNCF_OK);
    r->a = (fx_block){.scope = "Net/Conv2d[a]",
        .in_channels = CIN,
        .out_channels = A,
        .kernel = {3, 3},
        .padding = {1, 1},
        .batch_norm = true,
        .activation = k->activation};
    r->b = (fx_block){.scope = "Net/Conv2d[b]",
        .in_channels = A,
        .out_channels = B,
        .kernel = {1 + 2 * k->padding, 1 + 2 * k->padding},
        .padding = {k->padding, k->padding},
        .batch_norm = true,
        .bias = k->bias,
        .activation = NNCF_ACTIVATION_RELU};
    r->l = (fx_block){.scope = "Net/Linear[l]",
        .in_channels = B * HALF * HALF,
        .out_channels = CLASSES,
        .linear = true,
        .bias = true};
    fx_register(r->model, &r->a, NULL, &state);
    nncf_layer *last = r->a.layer;
    if (k->relu_layer) {
        const nncf_activation_params p = {NNCF_PARAMS(nncf_activation_params),
            .scope = "Net/ReLU[r]", .activation = NNCF_ACTIVATION_RELU, .inputs = &last,
            .n_inputs = 1};
        ck_assert_int_eq(nncf_model_add_activation(r->model, &p, &r->relu, NULL), NNCF_OK);
        last = r->relu;
    }
    const nncf_pool2d_params pool = {NNCF_PARAMS(nncf_pool2d_params), .scope = "Net/MaxPool2d[p]",
        .kind = NNCF_POOL_MAX, .kernel = {2, 2}, .inputs = &last, .n_inputs = 1};
    ck_assert_int_eq(nncf_model_add_pool2d(r->model, &pool, &r->pool, NULL), NNCF_OK);
    fx_register(r->model, &r->b, r->pool, &state);
    fx_register(r->model, &r->l, r->b.layer, &state);
    /* what batch norm gives stays within 3 deviations of beta */
    for (int i = 0; i < A; i++) {
        r->a.gamma[i] = (i % 2 ? -0.4f : 0.3f) * (1 + (float)i / 4);
        r->a.beta[i] = i % 3 == 2 ? 0.1f : 2.5f + (float)i;
        r->a.mean[i] = 0.1f;
        r->a.var[i] = 4;
    }
    for (int i = 0; i < B; i++) {
        r->b.gamma[i] = 0.2f;
        r->b.beta[i] = i == 1 ? 3 : 0.2f;
        r->b.var[i] = 900;
    }
    nncf_model_set_mode(r->model, NNCF_MODE_EVAL, NULL);
}

static void close_rig(rig *r)
{
    nncf_model_destroy(r->model);
    fx_release(&r->a);
    fx_release(&r->b);
    fx_release(&r->l);
    fx_close(&r->c);
}

static void forward(rig *r, float y[N * CLASSES])
{
    static float x[MOST], u[MOST], v[MOST];
    const int64_t in[4] = {N, CIN, SIDE, SIDE}, a[4] = {N, A, SIDE, SIDE},
                  p[4] = {N, A, HALF, HALF}, b[4] = {N, B, HALF, HALF},
                  flat[4] = {N, B * HALF * HALF, 1, 1}, out[4] = {N, CLASSES, 1, 1};
    fx_fill_from(x, N * CIN * SIDE * SIDE, 21);
    fx_layer_forward(r->a.layer, x, in, r->ya, a);
    memcpy(v, r->ya, sizeof v);
    if (r->relu)
        fx_layer_forward(r->relu, r->ya, a, v, a);
    fx_layer_forward(r->pool, v, a, u, p);
    fx_layer_forward(r->b.layer, u, p, v, b);
    fx_layer_forward(r->l.layer, v, flat, y, out);
}

static double constant(float beta, float gamma)
{
    return fmax(0, (double)beta - 3 * fabs((double)gamma));
}

static const kind kinds[] = {{NNCF_ACTIVATION_RELU, 0, false, true},
    {NNCF_ACTIVATION_RELU, 0, false, false}, {NNCF_ACTIVATION_NONE, 0, true, true}};
enum { KINDS = sizeof kinds / sizeof *kinds };

START_TEST(the_model_computes_the_same)
{
    rig r;
    float before[N * CLASSES], after[N * CLASSES], ya[MOST];
    size_t n = 0;
    open_rig(&r, &kinds[_i]);
    forward(&r, before);
    memcpy(ya, r.ya, sizeof ya);
    ck_assert_int_eq(nncf_model_absorb_biases(r.model, &n, NULL), NNCF_OK);
    ck_assert_uint_eq(n, 4 + 1); /* of a, and channel 1 of b */
    forward(&r, after);
    for (int i = 0; i < N * CLASSES; i++)
        ck_assert_double_eq_tol(
            (double)before[i], (double)after[i], 1e-5 * (1 + fabs((double)before[i])));
    /* and its activations are smaller by the constants */
    for (int i = 0; i < MOST; i++) {
        const int ch = i / (SIDE * SIDE) % A;
        const double c = constant(ch % 3 == 2 ? 0.1f : 2.5f + (float)ch, r.a.gamma[ch]);
        ck_assert_double_eq_tol((double)ya[i] - (double)r.ya[i], c, 1e-5);
        ck_assert(c == 0 || r.ya[i] > 0);
    }
    /* there is nothing left */
    ck_assert_int_eq(nncf_model_absorb_biases(r.model, &n, NULL), NNCF_OK);
    ck_assert_uint_le(n, 5); /* rounding of beta */
    for (int i = 0; i < A; i++)
        ck_assert_double_le(constant(r.a.beta[i], r.a.gamma[i]), 1e-6);
    close_rig(&r);
}
END_TEST

START_TEST(biases_are_those_of_the_formula)
{
    rig r;
    float beta[A], bias[B] = {0}, mean[B], last[CLASSES];
    open_rig(&r, &kinds[_i]);
    memcpy(beta, r.a.beta, sizeof beta);
    if (kinds[_i].bias)
        memcpy(bias, r.b.b, sizeof bias);
    memcpy(mean, r.b.mean, sizeof mean);
    memcpy(last, r.l.b, sizeof last);
    const double c1 = constant(r.b.beta[1], r.b.gamma[1]);
    ck_assert_int_eq(nncf_model_absorb_biases(r.model, NULL, NULL), NNCF_OK);
    for (int i = 0; i < A; i++)
        ck_assert_double_eq_tol((double)r.a.beta[i],
            (double)beta[i] - constant(beta[i], r.a.gamma[i]), 1e-6 * (double)beta[i]);
    for (int o = 0; o < B; o++) {
        double sum = 0;
        for (int i = 0; i < A; i++)
            sum += (double)r.b.w[o * A + i] * constant(beta[i], r.a.gamma[i]);
        if (kinds[_i].bias)
            ck_assert_double_eq_tol((double)r.b.b[o], (double)bias[o] + sum, 1e-5);
        ck_assert_double_eq_tol(
            (double)r.b.mean[o], (double)mean[o] - (kinds[_i].bias ? 0 : sum), 1e-5);
    }
    for (int o = 0; o < CLASSES; o++) { /* of a whole plane */
        double sum = 0;
        for (int i = HALF * HALF; i < 2 * HALF * HALF; i++)
            sum += (double)r.l.w[o * B * HALF * HALF + i] * c1;
        ck_assert_double_eq_tol((double)r.l.b[o], (double)last[o] + sum, 1e-5);
    }
    close_rig(&r);
}
END_TEST

START_TEST(what_is_not_exact_is_left_alone)
{
    static const struct {
        kind kind;
        const char *why;
    } cases[] = {{{NNCF_ACTIVATION_RELU, 1, false, true}, "pads with zeros"},
        {{NNCF_ACTIVATION_RELU6, 0, false, true}, "no relu"},
        {{NNCF_ACTIVATION_LEAKY_RELU, 0, false, true}, "no relu"},
        {{NNCF_ACTIVATION_NONE, 0, false, true}, "no relu follows"}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        rig r;
        float beta[A], bias[B];
        size_t n = 0;
        open_rig(&r, &cases[k].kind);
        memcpy(beta, r.a.beta, sizeof beta);
        memcpy(bias, r.b.b, sizeof bias);
        ck_assert_int_eq(nncf_model_absorb_biases(r.model, &n, NULL), NNCF_OK);
        ck_assert_uint_eq(n, 1); /* of b */
        ck_assert_mem_eq(beta, r.a.beta, sizeof beta);
        ck_assert_mem_eq(bias, r.b.b, sizeof bias);
        ck_assert_msg(strstr(r.c.log, cases[k].why) != NULL, "%zu: %s", k, r.c.log);
        close_rig(&r);
    }
}
END_TEST

START_TEST(depthwise_layers_have_channels_of_their_own)
{
    enum { CHANNELS = 3, OUT = 6 };
    fx_context c;
    nncf_model *model;
    uint64_t state = 5;
    float x[CHANNELS * 9], y[CHANNELS * 9], before[OUT], after[OUT];
    const int64_t in[4] = {1, CHANNELS, 3, 3}, out[4] = {1, OUT, 1, 1};
    fx_open(&c, 1, 1);
    ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
    fx_block a = {.scope = "N/Conv2d[a]",
                 .in_channels = CHANNELS,
                 .out_channels = CHANNELS,
                 .kernel = {1, 1},
                 .batch_norm = true,
                 .activation = NNCF_ACTIVATION_RELU},
             d = {.scope = "N/Conv2d[d]",
                 .in_channels = CHANNELS,
                 .out_channels = OUT,
                 .kernel = {3, 3},
                 .groups = CHANNELS,
                 .bias = true};
    fx_register(model, &a, NULL, &state);
    fx_register(model, &d, a.layer, &state);
    for (int i = 0; i < CHANNELS; i++) {
        a.gamma[i] = 0.1f;
        a.beta[i] = 1 + (float)i;
        a.var[i] = 4;
    }
    nncf_model_set_mode(model, NNCF_MODE_EVAL, NULL);
    fx_fill(x, CHANNELS * 9, 1, &state);
    for (int i = 0; i < 2; i++) {
        size_t n = 0;
        fx_layer_forward(a.layer, x, in, y, in);
        fx_layer_forward(d.layer, y, in, i ? after : before, out);
        ck_assert_int_eq(nncf_model_absorb_biases(model, &n, NULL), NNCF_OK);
        ck_assert(i || n == CHANNELS);
    }
    for (int i = 0; i < OUT; i++)
        ck_assert_double_eq_tol((double)before[i], (double)after[i], 1e-5);
    nncf_model_destroy(model);
    fx_release(&a);
    fx_release(&d);
    fx_close(&c);
}
END_TEST

START_TEST(wrong_calls_change_nothing)
{
    rig r;
    nncf_error err = NNCF_ERROR_INIT;
    size_t n = 77;
    ck_assert_int_eq(nncf_model_absorb_biases(NULL, &n, &err), NNCF_E_ARG);
    open_rig(&r, &kinds[0]);
    float beta[A];
    memcpy(beta, r.a.beta, sizeof beta);
    r.l.w[3] = NAN; /* of the last pair: the first one is checked before */
    r.l.w[HALF * HALF] = INFINITY;
    ck_assert_int_eq(nncf_model_absorb_biases(r.model, &n, &err), NNCF_E_UNSUPPORTED);
    ck_assert_str_eq(err.where, "Net/Linear[l]");
    r.l.w[3] = r.l.w[HALF * HALF] = 1;
    r.a.gamma[2] = NAN;
    ck_assert_int_eq(nncf_model_absorb_biases(r.model, &n, &err), NNCF_E_UNSUPPORTED);
    ck_assert_str_eq(err.where, "Net/Conv2d[a]");
    r.a.gamma[2] = 1;
    nncf_compression_ctrl *ctrl = fx_ctrl(r.model, FX_CONFIG(FX_INT8));
    ck_assert_int_eq(nncf_model_absorb_biases(r.model, &n, &err), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "controller"));
    nncf_compression_ctrl_destroy(ctrl);
    ck_assert_uint_eq(n, 77);
    ck_assert_mem_eq(beta, r.a.beta, sizeof beta);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("absorb");
    TCase *tc = fx_case(suite, "absorb", 60);
    tcase_add_loop_test(tc, the_model_computes_the_same, 0, KINDS);
    tcase_add_loop_test(tc, biases_are_those_of_the_formula, 0, KINDS);
    tcase_add_test(tc, what_is_not_exact_is_left_alone);
    tcase_add_test(tc, depthwise_layers_have_channels_of_their_own);
    tcase_add_test(tc, wrong_calls_change_nothing);
    return fx_main(suite);
}
