/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every gradient. Without quantizers and masks: central differences of the library's own forward.
 * With them the forward is a staircase, so the oracle is the closed form of the straight-through
 * estimator, computed in double by the loops in support/oracle.h (whose smooth part the first test
 * ties to central differences as well).
 */
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"
#include "sparsity/rb.h"
#include "support/fixture.h"
#include "support/oracle.h"
#include "support/pass.h"

#include <stdbool.h>

typedef struct block_case {
    fx_block block;
    int64_t in[4];
} block_case;

static const block_case cases[] = {
    {{.scope = "n/a",
         .in_channels = 3,
         .out_channels = 4,
         .kernel = {3, 3},
         .padding = {1, 1},
         .bias = true},
        {2, 3, 6, 5}},
    {{.scope = "n/a",
         .in_channels = 4,
         .out_channels = 6,
         .kernel = {3, 3},
         .stride = {2, 2},
         .padding = {1, 1},
         .groups = 2,
         .batch_norm = true},
        {3, 4, 7, 6}},
    {{.scope = "n/a",
         .in_channels = 6,
         .out_channels = 6,
         .kernel = {3, 3},
         .padding = {1, 1},
         .groups = 6,
         .batch_norm = true,
         .activation = NNCF_ACTIVATION_RELU6},
        {2, 6, 7, 7}},
    {{.scope = "n/a",
         .in_channels = 2,
         .out_channels = 4,
         .kernel = {3, 2},
         .padding = {2, 0},
         .dilation = {2, 2},
         .bias = true,
         .activation = NNCF_ACTIVATION_RELU},
        {3, 2, 6, 7}},
    {{.scope = "n/a",
         .in_channels = 8,
         .out_channels = 5,
         .batch_norm = true,
         .bias = true,
         .activation = NNCF_ACTIVATION_RELU6},
        {4, 8, 3, 3}},
    {{.scope = "n/a", .in_channels = 10, .out_channels = 6, .linear = true, .bias = true},
        {5, 10, 1, 1}},
    {{.scope = "n/a",
         .in_channels = 10,
         .out_channels = 6,
         .linear = true,
         .batch_norm = true,
         .activation = NNCF_ACTIVATION_RELU},
        {9, 10, 1, 1}},
    /* columns, which are multiplied as rows */
    {{.scope = "n/a",
         .in_channels = 3,
         .out_channels = 4,
         .kernel = {3, 1},
         .stride = {2, 1},
         .padding = {2, 0},
         .bias = true},
        {2, 3, 11, 1}},
};
enum { N_CASES = sizeof cases / sizeof *cases };

/* A block, its input, and the weights of the loss sum(r * y). */
/* With a config a second layer reads the first, so that the first one's output is quantized. */
static void make_rig(fx_pass *g, const block_case *c, const char *config, uint64_t seed)
{
    const fx_block next = {.scope = "n/next",
        .in_channels = c->block.out_channels,
        .out_channels = 2,
        .linear = c->block.linear};
    fx_pass_make(
        g, &c->block, c->in, config ? &next : NULL, config, fx_new_context(NULL, 2, 0, seed), seed);
}

static double loss(fx_pass *g)
{
    double sum = 0;
    fx_pass_forward(g);
    for (size_t i = 0; i < fx_count(g->out); i++)
        sum += (double)g->r[i] * (double)g->y[i];
    return sum;
}

/* Which outputs pass the activation on: between two points with the same set the loss is smooth. */
static void actives(const fx_pass *g, char *set)
{
    for (size_t i = 0; i < fx_count(g->out); i++)
        set[i] = g->y[i] > 0 && g->y[i] < 6;
}

/*
 * Central differences. Without an activation the step is 2^-7: the third derivative of batch norm
 * costs about 1e-4 of the gradient, rounding of the loss in float less. With one it is 2^-10,
 * because entries with a kink between the two ends say nothing and are left out (at most one in
 * four may be); rounding then costs about 1e-3. Tolerance 4e-3 * (1 + the largest gradient).
 */
static void check_differences(fx_pass *g, const char *what, float *p, const float *grad, size_t n)
{
    const bool kinks = g->k.activation != NNCF_ACTIVATION_NONE;
    const float h = kinks ? 0x1p-10f : 0x1p-7f;
    const double tolerance = 4e-3;
    double largest = 0;
    size_t skipped = 0, count = fx_count(g->out);
    char *up_set = fx_alloc(count, 1), *down_set = fx_alloc(count, 1);
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)grad[i]));
    ck_assert_double_gt(largest, 0);
    for (size_t i = 0; i < n; i++) {
        float keep = p[i];
        p[i] = keep + h;
        double up = loss(g), step = (double)p[i];
        actives(g, up_set);
        p[i] = keep - h;
        double down = loss(g);
        actives(g, down_set);
        step -= (double)p[i];
        p[i] = keep;
        if (kinks && memcmp(up_set, down_set, count) != 0) {
            skipped++;
            continue;
        }
        double got = (up - down) / step;
        ck_assert_msg(fabs(got - (double)grad[i]) <= tolerance * (1 + largest),
            "%s[%zu]: gradient %.7g, differences %.7g", what, i, (double)grad[i], got);
    }
    ck_assert_msg(4 * skipped <= n, "%s: %zu of %zu left out", what, skipped, n);
    free(up_set);
    free(down_set);
}

START_TEST(gradients_equal_central_differences)
{
    fx_pass g;
    make_rig(&g, &cases[_i], NULL, 21 + (uint64_t)_i);
    size_t c = (size_t)g.out[1];
    loss(&g);
    fx_pass_backward(&g, true);
    check_differences(&g, "x", g.x, g.dx, fx_count(g.in));
    check_differences(&g, "weight", g.k.w, g.k.dw, g.k.weights);
    if (g.k.bias)
        check_differences(&g, "bias", g.k.b, g.k.db, c);
    if (g.k.batch_norm) {
        check_differences(&g, "gamma", g.k.gamma, g.k.dgamma, c);
        check_differences(&g, "beta", g.k.beta, g.k.dbeta, c);
    }
    fx_pass_free(&g);
}
END_TEST

/* Against the oracle in double: tighter, and it proves the oracle that the quantized tests lean on.
 */
START_TEST(plain_equals_the_oracle)
{
    fx_pass g;
    make_rig(&g, &cases[_i], NULL, 31 + (uint64_t)_i);
    size_t c = (size_t)g.out[1];
    loss(&g);
    fx_pass_backward(&g, true);
    fx_oracle o = fx_oracle_make(&g.k, g.in, g.x);
    fx_oracle_forward(&o, NULL, 0);
    fx_oracle_backward(&o, g.r);
    fx_assert_near("dx", g.dx, o.dx, fx_count(g.in), 1e-5);
    fx_assert_near("dw", g.k.dw, o.dw, g.k.weights, 1e-5);
    if (g.k.bias)
        fx_assert_near("db", g.k.db, o.db, c, 1e-5);
    if (g.k.batch_norm) {
        fx_assert_near("dgamma", g.k.dgamma, o.dgamma, c, 1e-5);
        fx_assert_near("dbeta", g.k.dbeta, o.dbeta, c, 1e-5);
    }
    /* gradients are added to, so that the same batch once more doubles them */
    float first = g.k.dw[0];
    loss(&g);
    fx_pass_backward(&g, false);
    ck_assert(g.k.dw[0] == first + first);
    fx_oracle_free(&o);
    fx_pass_free(&g);
}
END_TEST

static void initialize(fx_pass *g)
{
    int32_t more;
    while (nncf_compression_ctrl_init_step(g->ctrl, &more, NULL) == NNCF_OK && more) {
        int64_t shape[4];
        loss(g);
        fx_output_shape(&g->next, g->out, shape);
        float *y = fx_alloc(fx_count(shape), sizeof *y);
        fx_tensor ty;
        ck_assert_int_eq(nncf_layer_forward(g->next.layer, &g->ty.t, 1,
                             fx_view(&ty, y, g->k.linear ? 2 : 4, shape), NULL),
            NNCF_OK);
        free(y);
    }
}

static fx_quantizer seen(const nncf__quantizer *q)
{
    if (!q)
        return (fx_quantizer){0};
    return fx_symmetric((double)q->bound[0], q->params.sign == NNCF__SIGNED, q->is_weight);
}

/* The masks of this step, from the published formula; sets the slope that a logit's gradient is
 * made with. */
static void masks(const fx_pass *g, fx_oracle *o, double *slope)
{
    const nncf__layer_compression *c = g->k.layer->compression;
    float *u = fx_alloc(g->k.weights, sizeof *u);
    nncf__kernels_get(NNCF_ISA_REFERENCE)
        ->philox_uniform(
            g->k.weights, 0, nncf__rb_noise_key(g->k.layer), (uint64_t)g->ctrl->step, u);
    for (size_t i = 0; i < g->k.weights; i++) {
        double v = fmin(fmax((double)u[i], 1e-6), 1 - 1e-6),
               z = (double)c->logit[i] + log(v / (1 - v)), p = 1 / (1 + exp(-z));
        o->mask[i] = p > 0.5;
        slope[i] = p * (1 - p);
    }
    free(u);
}

START_TEST(compressed_equals_the_oracle)
{
    static const char *const configs[] = {
        FX_CONFIG(FX_INT8), FX_CONFIG(FX_RB), FX_CONFIG(FX_RB ", " FX_INT8)};
    enum { N_CONFIGS = 3 };
    fx_pass g;
    uint64_t state = 91 + (uint64_t)_i;
    make_rig(&g, &cases[_i / N_CONFIGS], configs[_i % N_CONFIGS], 41 + (uint64_t)_i);
    initialize(&g);
    size_t c = (size_t)g.out[1];
    const nncf__layer_compression *lc = g.k.layer->compression;
    ck_assert_ptr_nonnull(lc);
    /* some elements outside each range, so that those gradients are there too */
    nncf__quantizer *quantizers[] = {
        lc->weight_quantizer, lc->input_quantizer, lc->output_quantizer};
    for (int i = 0; i < 3; i++)
        if (quantizers[i])
            quantizers[i]->bound[0] *= 0.8f;
    for (size_t i = 0; lc->logit && i < g.k.weights; i++)
        lc->logit[i] = (float)fx_uniform(&state) * 2;
    nncf_compression_ctrl_zero_grad(g.ctrl, NULL);
    loss(&g);
    fx_pass_backward(&g, true);

    fx_oracle o = fx_oracle_make(&g.k, g.in, g.x);
    double *slope = fx_alloc(g.k.weights, sizeof *slope);
    if (lc->logit)
        masks(&g, &o, slope);
    o.weight = seen(lc->weight_quantizer);
    o.input = seen(lc->input_quantizer);
    o.output = seen(lc->output_quantizer);
    ck_assert_int_eq(o.output.on, _i % N_CONFIGS != 1);
    fx_oracle_forward(&o, g.y, 2e-3);
    fx_assert_near("y", g.y, o.y, fx_count(g.out), 1e-5);
    fx_oracle_backward(&o, g.r);
    fx_assert_near("dx", g.dx, o.dx, fx_count(g.in), 2e-5);
    fx_assert_near("dw", g.k.dw, o.dw, g.k.weights, 2e-5);
    if (g.k.bias)
        fx_assert_near("db", g.k.db, o.db, c, 2e-5);
    if (g.k.batch_norm) {
        fx_assert_near("dgamma", g.k.dgamma, o.dgamma, c, 2e-5);
        fx_assert_near("dbeta", g.k.dbeta, o.dbeta, c, 2e-5);
    }
    if (lc->logit) {
        for (size_t i = 0; i < g.k.weights; i++)
            slope[i] *= o.dwq[i] * o.w[i];
        fx_assert_near("logit", lc->logit_grad, slope, g.k.weights, 2e-5);
    }
    double scales[] = {o.weight_scale_grad, o.input_scale_grad, o.output_scale_grad};
    for (int i = 0; i < 3; i++) {
        if (!quantizers[i])
            continue;
        fx_assert_near("scale", quantizers[i]->bound_grad, &scales[i], 1, 2e-5);
        ck_assert(quantizers[i]->clipped > 0 || quantizers[i] != lc->input_quantizer);
    }
    if (lc->input_quantizer) { /* the input's scale has a gradient also where dx is not wanted */
        lc->input_quantizer->bound_grad[0] = 0;
        loss(&g);
        fx_pass_backward(&g, false);
        fx_assert_near("scale without dx", lc->input_quantizer->bound_grad, &scales[1], 1, 2e-5);
    }
    free(slope);
    fx_oracle_free(&o);
    fx_pass_free(&g);
}
END_TEST

/* Without dx the gradient of the input's range is another sum than with it. */
START_TEST(range_has_its_gradient_without_dx)
{
#define INPUT(keys)                                                                                \
    FX_CONFIG("{\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 1, "        \
              "\"type\": \"min_max\"}, \"weights\": {\"mode\": \"asymmetric\", \"per_channel\": "  \
              "true}, \"activations\": {" keys "}}")
    static const char *const configs[] = {INPUT("\"mode\": \"asymmetric\""),
        INPUT("\"mode\": \"asymmetric\", \"per_channel\": true"), INPUT("\"per_channel\": true"),
        INPUT("\"range_gradient\": \"lsq\", \"bits\": 4")};
    enum { N_CONFIGS = 4, MOST = 16 };
    fx_pass g;
    double bound[MOST], length[MOST];
    make_rig(&g, &cases[_i / N_CONFIGS], configs[_i % N_CONFIGS], 61 + (uint64_t)_i);
    initialize(&g);
    nncf__quantizer *q = g.k.layer->compression->input_quantizer;
    ck_assert_uint_le(q->channels, MOST);
    for (size_t c = 0; c < q->channels; c++) { /* so that some elements are outside */
        q->bound[c] *= 0.8f;
        if (q->length)
            q->length[c] *= 0.8f;
    }
    nncf_compression_ctrl_zero_grad(g.ctrl, NULL);
    loss(&g);
    fx_pass_backward(&g, true);
    ck_assert(q->clipped > 0);
    for (size_t c = 0; c < q->channels; c++) {
        bound[c] = (double)q->bound_grad[c];
        length[c] = q->length ? (double)q->length_grad[c] : 0;
    }
    nncf_compression_ctrl_zero_grad(g.ctrl, NULL);
    loss(&g);
    fx_pass_backward(&g, false);
    fx_assert_near("bound", q->bound_grad, bound, q->channels, 2e-5);
    if (q->length)
        fx_assert_near("length", q->length_grad, length, q->channels, 2e-5);
    fx_pass_free(&g);
}
END_TEST

/* ---- sums and pools ---- */

START_TEST(sum_gives_both_inputs_the_same)
{
    enum { N = 2 * 3 * 4 * 4 };
    uint64_t state = 3;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    fx_block a = {.scope = "n/a", .in_channels = 3, .out_channels = 3},
             b = {.scope = "n/b", .in_channels = 3, .out_channels = 3},
             end = {.scope = "n/end", .in_channels = 3, .out_channels = 3};
    nncf_layer *add;
    const int64_t s[4] = {2, 3, 4, 4};
    static float x[N], ya[N], yb[N], y[N], out[N], r[N], dy[N], da[N], db[N];
    fx_tensor tx, ta, tb, ty, to, tda, tdb, tdy;
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    fx_register(model, &a, NULL, &state);
    fx_register(model, &b, NULL, &state);
    nncf_layer *both[] = {a.layer, b.layer};
    nncf_sum_params p = {NNCF_PARAMS(nncf_sum_params), .scope = "n/add",
        .activation = NNCF_ACTIVATION_RELU, .inputs = both, .n_inputs = 2};
    ck_assert_msg(nncf_model_add_sum(model, &p, &add, &err) == NNCF_OK, "%s", err.message);
    fx_register(model, &end, add, &state);
    ctrl = fx_ctrl(model, FX_CONFIG(FX_INT8));
    fx_fill(x, N, 1, &state);
    fx_fill(r, N, 1, &state);
    fx_view(&tx, x, 4, s), fx_view(&ta, ya, 4, s), fx_view(&tb, yb, 4, s), fx_view(&ty, y, 4, s),
        fx_view(&to, out, 4, s);
    fx_view(&tda, da, 4, s), fx_view(&tdb, db, 4, s), fx_view(&tdy, dy, 4, s);
    nncf_tensor pair[] = {ta.t, tb.t}, dpair[] = {tda.t, tdb.t};
    nncf__quantizer *q = NULL;
    for (int32_t more = 1; more;) {
        ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_OK);
        if (!more && !q) { /* once more, with the range made smaller */
            q = add->compression->output_quantizer;
            ck_assert_ptr_nonnull(q);
            q->bound[0] *= 0.7f;
        }
        ck_assert_int_eq(nncf_layer_forward(a.layer, &tx.t, 1, &ta.t, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_forward(b.layer, &tx.t, 1, &tb.t, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_forward(add, pair, 2, &ty.t, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_forward(end.layer, &ty.t, 1, &to.t, NULL), NNCF_OK);
    }
    memcpy(dy, r, sizeof dy);
    ck_assert_int_eq(nncf_layer_backward(add, pair, 2, &tdy.t, dpair, NULL), NNCF_OK);
    fx_quantizer oracle = seen(q);
    double scale_grad = 0;
    size_t adopted = 0;
    for (int i = 0; i < N; i++) {
        float z = ya[i] + yb[i]; /* as the library adds */
        double v = fx_activate(NNCF_ACTIVATION_RELU, (double)z), want = fx_quantize(&oracle, v);
        /* z is the library's; its code is v / step in float, which errs by 128 * 2^-23 steps */
        if (fx_tie_distance(&oracle, v) < 3e-5 &&
            fabs(fabs((double)y[i] - want) - oracle.step) < 1e-6) {
            want = (double)y[i];
            adopted++;
        }
        ck_assert_double_eq_tol((double)y[i], want, 1e-6);
        double g = fx_quantize_backward(&oracle, v, (double)y[i], (double)r[i], &scale_grad);
        g = z > 0 ? g : 0;
        ck_assert(da[i] == (float)g && db[i] == (float)g);
    }
    ck_assert_uint_le(adopted, fx_at_most(N, 2 * 3e-5));
    ck_assert_double_eq_tol((double)q->bound_grad[0], scale_grad, 1e-5 * (1 + fabs(scale_grad)));
    float with = q->bound_grad[0]; /* and without dx */
    q->bound_grad[0] = 0;
    memcpy(dy, r, sizeof dy);
    ck_assert_int_eq(nncf_layer_backward(add, pair, 2, &tdy.t, NULL, NULL), NNCF_OK);
    ck_assert(q->bound_grad[0] == with);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_release(&a);
    fx_release(&b);
    fx_release(&end);
}
END_TEST

/* Apart, as one array, and in place of dy; _i: with an activation. */
START_TEST(a_sums_gradients_may_be_one_array_or_dy)
{
    enum { N = 40000 };
    uint64_t state = 4;
    nncf_model *model;
    nncf_layer *add;
    const int64_t s[4] = {4, N / 4};
    float *all = calloc(6 * N, sizeof *all);
    float *x[2] = {all, all + N}, *y = all + 2 * N, *dy = all + 3 * N,
          *d[2] = {all + 4 * N, all + 5 * N};
    fx_tensor tx[2], ty, tdy, td[2];
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    const nncf_sum_params p = {NNCF_PARAMS(nncf_sum_params), .scope = "n/add",
        .activation = _i ? NNCF_ACTIVATION_RELU : NNCF_ACTIVATION_NONE};
    ck_assert_int_eq(nncf_model_add_sum(model, &p, &add, NULL), NNCF_OK);
    fx_fill(x[0], 2 * N, 1, &state);
    fx_view(&tx[0], x[0], 2, s), fx_view(&tx[1], x[1], 2, s), fx_view(&ty, y, 2, s),
        fx_view(&tdy, dy, 2, s);
    const nncf_tensor in[2] = {tx[0].t, tx[1].t};
    ck_assert_int_eq(nncf_layer_forward(add, in, 2, &ty.t, NULL), NNCF_OK);
    for (int shared = 0; shared < 3; shared++) {
        float *const to[3][2] = {{d[0], d[1]}, {d[0], d[0]}, {dy, dy}};
        uint64_t of_dy = 9;
        fx_fill(dy, N, 1, &of_dy);
        fx_view(&td[0], to[shared][0], 2, s), fx_view(&td[1], to[shared][1], 2, s);
        nncf_tensor out[2] = {td[0].t, td[1].t};
        ck_assert_int_eq(nncf_layer_backward(add, in, 2, &tdy.t, out, NULL), NNCF_OK);
        of_dy = 9;
        fx_fill(y, N, 1, &of_dy); /* what dy was */
        for (int i = 0; i < N; i++)
            for (int k = 0; k < 2; k++)
                ck_assert(to[shared][k][i] == (_i && x[0][i] + x[1][i] <= 0 ? 0 : y[i]));
    }
    /* added to, dy would be counted twice */
    nncf_tensor out[2] = {tdy.t, td[0].t};
    ck_assert_int_eq(nncf_layer_set_gradient_flags(add, NNCF_GRADIENT_ADD_DX, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_backward(add, in, 2, &tdy.t, out, NULL), NNCF_E_ARG);
    nncf_model_destroy(model);
    free(all);
}
END_TEST

enum { POOLS = 7 };

/* Central differences with a step that does not change the order of a window's elements (they are
 * 0.01 apart). */
START_TEST(pool_gradients_equal_central_differences)
{
    enum { H = 6, W = 5, C = 2, N = C * H * W };
    static const struct {
        int32_t kind, flags, end[2];
    } pools[] = {{.kind = NNCF_POOL_GLOBAL_AVERAGE}, {.kind = NNCF_POOL_AVERAGE},
        {.kind = NNCF_POOL_MAX}, {NNCF_POOL_AVERAGE, NNCF_OP_FLAG_CEIL, {0, 0}},
        {NNCF_POOL_MAX, NNCF_OP_FLAG_CEIL, {-1, 0}},
        {NNCF_POOL_AVERAGE, NNCF_OP_FLAG_CEIL | NNCF_OP_FLAG_EXCLUDE_PADDING, {1, -1}},
        {NNCF_POOL_AVERAGE, NNCF_OP_FLAG_EXCLUDE_PADDING, {-1, 0}}};
    ck_assert_uint_eq(sizeof pools / sizeof *pools, POOLS);
    const int kind = pools[_i].kind;
    uint64_t state = 8;
    nncf_model *model;
    nncf_layer *pool;
    nncf_error err = NNCF_ERROR_INIT;
    float x[N], y[N * 2], r[N * 2], dy[N * 2], dx[N];
    fx_tensor tx, ty, tdy, tdx;
    nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = "p", .kind = kind};
    if (kind != NNCF_POOL_GLOBAL_AVERAGE) {
        p.kernel[0] = 3, p.kernel[1] = 2;
        p.stride[0] = 2, p.stride[1] = 1;
        p.padding[0] = 1, p.padding[1] = 1;
        p.flags = pools[_i].flags;
        memcpy(p.padding_end, pools[_i].end, sizeof p.padding_end);
    }
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    ck_assert_msg(nncf_model_add_pool2d(model, &p, &pool, &err) == NNCF_OK, "%s", err.message);
    for (int i = 0; i < N; i++)
        x[i] = (float)(i * 37 % N) * 0.01f;
    fx_fill(r, N * 2, 1, &state);
    const int64_t in[4] = {1, C, H, W};
    int64_t out[NNCF_MAX_NDIM];
    int32_t ndim;
    fx_view(&tx, x, 4, in);
    fx_view(&tdx, dx, 4, in);
    ck_assert_int_eq(
        nncf_layer_get_output_shape(pool, &tx.t, 1, out, NNCF_MAX_NDIM, &ndim, NULL), NNCF_OK);
    fx_view(&ty, y, 4, out);
    fx_view(&tdy, dy, 4, out);
    ck_assert_int_eq(nncf_layer_forward(pool, &tx.t, 1, &ty.t, NULL), NNCF_OK);
    memcpy(dy, r, sizeof dy);
    ck_assert_int_eq(nncf_layer_backward(pool, &tx.t, 1, &tdy.t, &tdx.t, NULL), NNCF_OK);
    for (int i = 0; i < N; i++) {
        double sums[2] = {0, 0}, h = 0x1p-8;
        float keep = x[i];
        for (int side = 0; side < 2; side++) {
            x[i] = keep + (side ? 1 : -1) * (float)h;
            ck_assert_int_eq(nncf_layer_forward(pool, &tx.t, 1, &ty.t, NULL), NNCF_OK);
            for (size_t j = 0; j < fx_count(ty.shape); j++)
                sums[side] += (double)r[j] * (double)y[j];
        }
        x[i] = keep;
        ck_assert_double_eq_tol((double)dx[i], (sums[1] - sums[0]) / (2 * h), 1e-4);
    }
    if (kind == NNCF_POOL_MAX && p.flags == 0) { /* ties: the first one gets it all */
        memset(x, 0, sizeof x);
        ck_assert_int_eq(nncf_layer_forward(pool, &tx.t, 1, &ty.t, NULL), NNCF_OK);
        for (size_t i = 0; i < fx_count(ty.shape); i++)
            dy[i] = 1;
        ck_assert_int_eq(nncf_layer_backward(pool, &tx.t, 1, &tdy.t, &tdx.t, NULL), NNCF_OK);
        /* rows -1..1, columns -1..0 and 0..1: both begin at element 0 of the plane */
        ck_assert(dx[0] == 2 && dx[1] == 1 && dx[W] == 2);
    }
    nncf_model_destroy(model);
}
END_TEST

/* Rows of many windows with equal values, infinities and NaNs: the first of the largest, in the
 * order of the window, is the maximum, and gets the gradient; a NaN is larger than all. */
START_TEST(a_maximum_is_the_first_of_equals)
{
    enum { H = 7, W = 150, N = H * W, OUT = H * (W + 1) }; /* a column is padded more */
    const float values[] = {-INFINITY, -1, -0.0f, 0.0f, 2, 2, NAN, -INFINITY};
    const int32_t stride = 1 + _i;
    static float x[N], y[OUT], dy[OUT], dx[N], want[N];
    uint64_t state = 5;
    nncf_model *model;
    nncf_layer *pool;
    fx_tensor tx, ty, tdy, tdx;
    int64_t out[NNCF_MAX_NDIM];
    int32_t ndim;
    for (int i = 0; i < N; i++)
        x[i] = i / W < 3 ? -INFINITY : values[fx_next(&state) % 8];
    const nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = "p",
        .kind = NNCF_POOL_MAX, .kernel = {3, 3}, .stride = {stride, stride}, .padding = {1, 1},
        .padding_end = {0, 1}};
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_pool2d(model, &p, &pool, NULL), NNCF_OK);
    const int64_t in[4] = {1, 1, H, W};
    fx_view(&tx, x, 4, in), fx_view(&tdx, dx, 4, in);
    ck_assert_int_eq(
        nncf_layer_get_output_shape(pool, &tx.t, 1, out, NNCF_MAX_NDIM, &ndim, NULL), NNCF_OK);
    fx_view(&ty, y, 4, out), fx_view(&tdy, dy, 4, out);
    ck_assert_int_le(out[2] * out[3], OUT);
    fx_fill(dy, OUT, 1, &state);
    memset(want, 0, sizeof want);
    ck_assert_int_eq(nncf_layer_forward(pool, &tx.t, 1, &ty.t, NULL), NNCF_OK);
    for (int64_t o = 0; o < out[2] * out[3]; o++) {
        const int64_t top = o / out[3] * stride - 1, left = o % out[3] * stride - 1;
        int64_t best = -1;
        for (int64_t i = top < 0 ? 0 : top; i < top + 3 && i < H; i++)
            for (int64_t j = left < 0 ? 0 : left; j < left + 3 && j < W; j++)
                if (best < 0 || x[i * W + j] > x[best] || (isnan(x[i * W + j]) && !isnan(x[best])))
                    best = i * W + j;
        ck_assert(isnan(x[best]) ? isnan(y[o]) : memcmp(&y[o], &x[best], sizeof *y) == 0);
        want[best] += dy[o];
    }
    ck_assert_int_eq(nncf_layer_backward(pool, &tx.t, 1, &tdy.t, &tdx.t, NULL), NNCF_OK);
    for (int i = 0; i < N; i++)
        ck_assert(dx[i] == want[i]);
    nncf_model_destroy(model);
}
END_TEST

/* Counted up, a window may be larger than the plane by less than a stride, as in PyTorch: (2 - 3 +
 * 2 - 1) / 2 + 1 = 1 of them. */
START_TEST(a_pool_counted_up_takes_what_there_is)
{
    static const int64_t in[4] = {1, 1, 2, 3}, out[4] = {1, 1, 1, 1};
    float x[6] = {1, 5, 2, 4, 3, 9}, dx[6], y = 0, dy = 6;
    nncf_model *model;
    nncf_layer *pool;
    nncf_error err = NNCF_ERROR_INIT;
    fx_tensor tx, ty, tdy, tdx;
    const bool average = _i % 2;
    nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = "p",
        .kind = average ? NNCF_POOL_AVERAGE : NNCF_POOL_MAX, .kernel = {3, 3}, .stride = {2, 2},
        .flags = NNCF_OP_FLAG_CEIL};
    if (_i >= 2) /* by a stride it is too large */
        p.kernel[0] = 4;
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_pool2d(model, &p, &pool, NULL), NNCF_OK);
    fx_view(&tx, x, 4, in);
    fx_view(&ty, &y, 4, out);
    fx_view(&tdy, &dy, 4, out);
    fx_view(&tdx, dx, 4, in);
    const nncf_status status = nncf_layer_forward(pool, &tx.t, 1, &ty.t, &err);
    if (_i >= 2) {
        ck_assert_int_eq(status, NNCF_E_SHAPE);
    } else {
        ck_assert_msg(status == NNCF_OK, "%s", err.message);
        ck_assert_float_eq(y, average ? 4 : 9);
        ck_assert_int_eq(nncf_layer_backward(pool, &tx.t, 1, &tdy.t, &tdx.t, NULL), NNCF_OK);
        for (int i = 0; i < 6; i++)
            ck_assert_float_eq_tol(dx[i], average ? 1 : i == 5 ? 6 : 0, 1e-6f);
    }
    nncf_model_destroy(model);
}
END_TEST

/* A global average with a quantizer behind it: the gradient goes through the quantizer first. */
START_TEST(pool_gradient_passes_the_quantizer_first)
{
    enum { C = 4, HW = 9, N = 2 * C * HW };
    uint64_t state = 6;
    nncf_model *model;
    nncf_layer *pool;
    nncf_error err = NNCF_ERROR_INIT;
    fx_block a = {.scope = "n/a", .in_channels = C, .out_channels = C},
             end = {.scope = "n/end", .in_channels = C, .out_channels = 3, .linear = true};
    float x[N], ya[N], y[2 * C], out[6], dy[2 * C], dx[N];
    fx_tensor tx, ta, ty, to, tdy, tdx;
    const int64_t s[4] = {2, C, 3, 3}, pooled[4] = {2, C, 1, 1}, last[4] = {2, 3, 1, 1};
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    fx_register(model, &a, NULL, &state);
    nncf_pool2d_params p = {
        NNCF_PARAMS(nncf_pool2d_params), .scope = "n/pool", .inputs = &a.layer, .n_inputs = 1};
    ck_assert_msg(nncf_model_add_pool2d(model, &p, &pool, &err) == NNCF_OK, "%s", err.message);
    fx_register(model, &end, pool, &state);
    nncf_compression_ctrl *ctrl = fx_ctrl(model, FX_CONFIG(FX_INT8));
    fx_fill(x, N, 1, &state);
    fx_view(&tx, x, 4, s), fx_view(&ta, ya, 4, s), fx_view(&ty, y, 4, pooled),
        fx_view(&to, out, 2, last);
    fx_view(&tdy, dy, 4, pooled), fx_view(&tdx, dx, 4, s);
    nncf__quantizer *q = pool->compression->output_quantizer;
    ck_assert_ptr_nonnull(q);
    for (int32_t more = 1; more;) {
        ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_OK);
        if (!more)
            q->bound[0] *= 0.6f;
        ck_assert_int_eq(nncf_layer_forward(a.layer, &tx.t, 1, &ta.t, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_forward(pool, &ta.t, 1, &ty.t, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_forward(end.layer, &ty.t, 1, &to.t, NULL), NNCF_OK);
    }
    for (int i = 0; i < 2 * C; i++)
        dy[i] = 1 + (float)i;
    ck_assert_int_eq(nncf_layer_backward(pool, &ta.t, 1, &tdy.t, &tdx.t, NULL), NNCF_OK);
    fx_quantizer oracle = seen(q);
    double scale_grad = 0;
    for (int i = 0; i < 2 * C; i++) {
        double mean = 0;
        for (int j = 0; j < HW; j++)
            mean += (double)ya[i * HW + j] / HW;
        ck_assert_double_eq_tol((double)y[i], fx_quantize(&oracle, mean), 1e-6);
        double g = fx_quantize_backward(&oracle, mean, (double)y[i], 1 + (double)i, &scale_grad);
        for (int j = 0; j < HW; j++)
            ck_assert_double_eq_tol((double)dx[i * HW + j], g / HW, 1e-6);
    }
    ck_assert(q->clipped > 0);
    ck_assert_double_eq_tol((double)q->bound_grad[0], scale_grad, 1e-5 * (1 + fabs(scale_grad)));
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_release(&a);
    fx_release(&end);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gradients");
    TCase *tc = fx_case(suite, "gradients", 120);
    tcase_add_loop_test(tc, gradients_equal_central_differences, 0, N_CASES);
    tcase_add_loop_test(tc, plain_equals_the_oracle, 0, N_CASES);
    tcase_add_loop_test(tc, compressed_equals_the_oracle, 0, 3 * N_CASES);
    tcase_add_loop_test(tc, range_has_its_gradient_without_dx, 0, 4 * N_CASES);
    tcase_add_test(tc, sum_gives_both_inputs_the_same);
    tcase_add_loop_test(tc, a_sums_gradients_may_be_one_array_or_dy, 0, 2);
    tcase_add_loop_test(tc, pool_gradients_equal_central_differences, 0, POOLS);
    tcase_add_loop_test(tc, a_maximum_is_the_first_of_equals, 0, 3);
    tcase_add_loop_test(tc, a_pool_counted_up_takes_what_there_is, 0, 4);
    tcase_add_test(tc, pool_gradient_passes_the_quantizer_first);
    return fx_main(suite);
}
