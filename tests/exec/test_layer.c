/* SPDX-License-Identifier: Apache-2.0 */
/* Running layers forward: against an oracle in double, exact integers, same bits for any thread
 * count, errors, memory.
 */
#include "base/alloc.h"
#include "exec/codes.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"
#include "support/fixture.h"
#include "support/oracle.h"

typedef struct block_case {
    fx_block block;
    int64_t in[4];
} block_case;

/* Stride, padding, dilation, groups, depthwise, linear, batch norm over planes of 1, 9 and many
 * elements. */
static const block_case cases[] = {
    {{.scope = "a", .in_channels = 3, .out_channels = 5, .kernel = {3, 3}, .padding = {1, 1}},
        {2, 3, 7, 6}},
    {{.scope = "b",
         .in_channels = 4,
         .out_channels = 6,
         .kernel = {3, 3},
         .stride = {2, 2},
         .padding = {1, 1},
         .groups = 2,
         .bias = true,
         .activation = NNCF_ACTIVATION_RELU},
        {3, 4, 9, 8}},
    {{.scope = "c",
         .in_channels = 6,
         .out_channels = 6,
         .kernel = {3, 3},
         .padding = {1, 1},
         .groups = 6,
         .batch_norm = true,
         .activation = NNCF_ACTIVATION_RELU6},
        {2, 6, 8, 8}},
    {{.scope = "d",
         .in_channels = 2,
         .out_channels = 4,
         .kernel = {3, 2},
         .padding = {2, 0},
         .dilation = {2, 2},
         .batch_norm = true,
         .bias = true},
        {3, 2, 6, 7}},
    {{.scope = "e",
         .in_channels = 8,
         .out_channels = 5,
         .batch_norm = true,
         .activation = NNCF_ACTIVATION_RELU6},
        {4, 8, 3, 3}},
    {{.scope = "f", .in_channels = 12, .out_channels = 7, .linear = true, .bias = true},
        {5, 12, 1, 1}},
    {{.scope = "g",
         .in_channels = 12,
         .out_channels = 7,
         .linear = true,
         .batch_norm = true,
         .activation = NNCF_ACTIVATION_RELU},
        {6, 12, 1, 1}},
    {{.scope = "h",
         .in_channels = 3,
         .out_channels = 4,
         .kernel = {1, 1},
         .stride = {2, 3},
         .bias = true},
        {1, 3, 5, 5}},
    /* columns, which are multiplied as rows */
    {{.scope = "i",
         .in_channels = 4,
         .out_channels = 6,
         .kernel = {3, 1},
         .stride = {2, 1},
         .padding = {3, 0},
         .dilation = {2, 1},
         .bias = true},
        {2, 4, 21, 1}},
    {{.scope = "j",
         .in_channels = 6,
         .out_channels = 6,
         .kernel = {3, 1},
         .padding = {1, 0},
         .groups = 6,
         .batch_norm = true},
        {2, 6, 19, 1}},
};
enum { N_CASES = sizeof cases / sizeof *cases };

START_TEST(forward_equals_the_oracle)
{
    uint64_t state = 1 + (uint64_t)_i;
    fx_block k = cases[_i].block;
    const int64_t *in = cases[_i].in;
    int64_t out[4];
    nncf_model *model;
    nncf_context *context = fx_new_context(NULL, 2, 0, 0);
    ck_assert_int_eq(nncf_model_create(context, &model, NULL), NNCF_OK);
    fx_register(model, &k, NULL, &state);
    fx_output_shape(&k, in, out);
    size_t ni = fx_count(in), no = fx_count(out), c = (size_t)out[1], count = no / c;
    float *x = fx_alloc(ni, sizeof *x), *y = fx_alloc(no, sizeof *y);
    fx_fill(x, ni, 2, &state);
    fx_tensor tx, ty;
    fx_view(&tx, x, k.linear ? 2 : 4, in);
    fx_view(&ty, y, k.linear ? 2 : 4, out);
    int64_t shape[NNCF_MAX_NDIM];
    int32_t ndim;
    ck_assert_int_eq(
        nncf_layer_get_output_shape(k.layer, &tx.t, 1, shape, NNCF_MAX_NDIM, &ndim, NULL), NNCF_OK);
    ck_assert_int_eq(ndim, k.linear ? 2 : 4);
    ck_assert_mem_eq(shape, out, (size_t)ndim * sizeof *shape);

    for (int eval = 1; eval >= 0; eval--) { /* eval first: training moves the running statistics */
        fx_oracle o = fx_oracle_make(&k, in, x);
        o.eval = eval != 0;
        fx_oracle_forward(&o, NULL, 0);
        float mean_before = k.mean[0], var_before = k.var[0];
        ck_assert_int_eq(
            nncf_model_set_mode(model, eval ? NNCF_MODE_EVAL : NNCF_MODE_TRAIN, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_forward(k.layer, &tx.t, 1, &ty.t, NULL), NNCF_OK);
        fx_assert_near("y", y, o.y, no, 3e-6);
        if (k.activation == NNCF_ACTIVATION_RELU6 && !eval) {
            size_t ends[2] = {0, 0};
            for (size_t i = 0; i < no; i++) {
                ends[0] += y[i] == 0;
                ends[1] += y[i] == 6;
            }
            ck_assert(ends[0] > 0 && ends[1] > 0);
        }
        if (eval || !k.batch_norm) {
            ck_assert(k.mean[0] == mean_before && k.var[0] == var_before);
        } else {
            double n = (double)count, want = 0.9 * (double)mean_before + 0.1 * o.mean[0];
            ck_assert_double_eq_tol((double)k.mean[0], want, 1e-6);
            want = 0.9 * (double)var_before + 0.1 * o.var[0] * n / (n - 1);
            ck_assert_double_eq_tol((double)k.var[0], want, 1e-6);
        }
        fx_oracle_free(&o);
    }
    nncf_model_destroy(model);
    nncf_context_destroy(context);
    fx_release(&k);
    free(x);
    free(y);
}
END_TEST

START_TEST(linear_takes_images_as_rows)
{
    uint64_t state = 5;
    fx_block k = {.scope = "l", .in_channels = 12, .out_channels = 3, .linear = true};
    nncf_model *model;
    float x[24], y2[6], y4[6];
    fx_tensor tx, ty;
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    fx_register(model, &k, NULL, &state);
    fx_fill(x, 24, 1, &state);
    fx_view(&ty, y2, 2, (const int64_t[4]){2, 3, 1, 1});
    fx_view(&tx, x, 2, (const int64_t[4]){2, 12, 1, 1});
    ck_assert_int_eq(nncf_layer_forward(k.layer, &tx.t, 1, &ty.t, NULL), NNCF_OK);
    fx_view(&tx, x, 4, (const int64_t[4]){2, 3, 2, 2});
    fx_view(&ty, y4, 4, (const int64_t[4]){2, 3, 1, 1}); /* (n, c, 1, 1) is (n, c) */
    ck_assert_int_eq(nncf_layer_forward(k.layer, &tx.t, 1, &ty.t, NULL), NNCF_OK);
    ck_assert_mem_eq(y2, y4, sizeof y2);
    nncf_model_destroy(model);
    fx_release(&k);
}
END_TEST

static nncf_layer *add_pool(nncf_model *model, const nncf_pool2d_params *p)
{
    nncf_layer *layer = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(nncf_model_add_pool2d(model, p, &layer, &err) == NNCF_OK, "%s", err.message);
    return layer;
}

enum { MAP_N = 2, MAP_C = 3, MAP_H = 5, MAP_W = 6, MAP = MAP_N * MAP_C * MAP_H * MAP_W };
static const int64_t map_shape[4] = {MAP_N, MAP_C, MAP_H, MAP_W};

START_TEST(a_global_pool_is_the_mean)
{
    static float x[MAP], y[MAP_N * MAP_C];
    nncf_model *model;
    fx_tensor tx, ty;
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    fx_fill_from(x, MAP, 9);
    nncf_layer *all =
        add_pool(model, &(nncf_pool2d_params){NNCF_PARAMS(nncf_pool2d_params), .scope = "all"});
    fx_view(&tx, x, 4, map_shape);
    fx_view(&ty, y, 4, (const int64_t[4]){MAP_N, MAP_C, 1, 1});
    ck_assert_int_eq(nncf_layer_forward(all, &tx.t, 1, &ty.t, NULL), NNCF_OK);
    for (int p = 0; p < MAP_N * MAP_C; p++) {
        double sum = 0;
        for (int i = 0; i < MAP_H * MAP_W; i++)
            sum += (double)x[p * MAP_H * MAP_W + i];
        ck_assert_double_eq_tol((double)y[p], sum / (MAP_H * MAP_W), 1e-7);
    }
    nncf_model_destroy(model);
}
END_TEST

/* _i is the kind of pool. */
START_TEST(a_window_pool_equals_loops)
{
    static float x[MAP], y[2 * MAP];
    nncf_model *model;
    fx_tensor tx, ty;
    int64_t shape[NNCF_MAX_NDIM], oh = 3, ow = 7;
    int32_t ndim;
    const nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = "pool", .kind = _i,
        .kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 1}};
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    fx_fill_from(x, MAP, 9);
    nncf_layer *pool = add_pool(model, &p);
    fx_view(&tx, x, 4, map_shape);
    ck_assert_int_eq(
        nncf_layer_get_output_shape(pool, &tx.t, 1, shape, NNCF_MAX_NDIM, &ndim, NULL), NNCF_OK);
    ck_assert_int_eq(shape[2], oh);
    ck_assert_int_eq(shape[3], ow);
    fx_view(&ty, y, 4, shape);
    ck_assert_int_eq(nncf_layer_forward(pool, &tx.t, 1, &ty.t, NULL), NNCF_OK);
    for (int64_t at = 0; at < MAP_N * MAP_C * oh * ow; at++) {
        const int64_t plane = at / (oh * ow), i0 = at / ow % oh * 2 - 1, j0 = at % ow - 1;
        double sum = 0, max = -INFINITY;
        for (int64_t i = i0; i < i0 + 3; i++)
            for (int64_t j = j0; j < j0 + 2; j++)
                if (i >= 0 && i < MAP_H && j >= 0 && j < MAP_W) {
                    sum += (double)x[(plane * MAP_H + i) * MAP_W + j];
                    max = fmax(max, (double)x[(plane * MAP_H + i) * MAP_W + j]);
                }
        ck_assert_double_eq_tol((double)y[at], _i == NNCF_POOL_MAX ? max : sum / 6, 1e-7);
    }
    nncf_model_destroy(model);
}
END_TEST

START_TEST(a_sum_adds_and_activates)
{
    static float x[MAP], b[MAP], y[MAP];
    nncf_model *model;
    nncf_layer *add;
    nncf_error err = NNCF_ERROR_INIT;
    fx_tensor tx[2], ty;
    const nncf_sum_params p = {
        NNCF_PARAMS(nncf_sum_params), .scope = "add", .activation = NNCF_ACTIVATION_RELU};
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    fx_fill_from(x, MAP, 9);
    fx_fill_from(b, MAP, 10);
    ck_assert_int_eq(nncf_model_add_sum(model, &p, &add, &err), NNCF_OK);
    fx_view(&tx[0], x, 4, map_shape);
    fx_view(&tx[1], b, 4, map_shape);
    nncf_tensor pair[2] = {tx[0].t, tx[1].t};
    fx_view(&ty, y, 4, map_shape);
    ck_assert_int_eq(nncf_layer_forward(add, pair, 2, &ty.t, NULL), NNCF_OK);
    for (int i = 0; i < MAP; i++)
        ck_assert(y[i] == fmaxf(x[i] + b[i], 0));
    nncf_model_destroy(model);
}
END_TEST

/* ---- a quantized net of three products, a sum and pools ---- */

typedef struct net {
    nncf_context *context;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    fx_block stem, depthwise, point, classifier;
    nncf_layer *add, *pool;
    fx_tensor t[7];
    float *x, *buffers[7];
    nncf_tensor *v[7];
} net;

enum { BATCH = 2, SIDE = 10, WIDTH = 12, CLASSES = 5 };

static void make_net(net *n, fx_memory *memory, int threads, int isa, const char *config)
{
    uint64_t state = 77;
    nncf_error err = NNCF_ERROR_INIT;
    *n = (net){.stem = {.scope = "net/stem",
                   .in_channels = 3,
                   .out_channels = WIDTH,
                   .kernel = {3, 3},
                   .padding = {1, 1},
                   .batch_norm = true,
                   .activation = NNCF_ACTIVATION_RELU6},
        .depthwise = {.scope = "net/depthwise",
            .in_channels = WIDTH,
            .out_channels = WIDTH,
            .kernel = {3, 3},
            .padding = {1, 1},
            .groups = WIDTH,
            .batch_norm = true,
            .activation = NNCF_ACTIVATION_RELU6},
        .point = {.scope = "net/point",
            .in_channels = WIDTH,
            .out_channels = WIDTH,
            .batch_norm = true},
        .classifier = {.scope = "net/classifier",
            .in_channels = WIDTH,
            .out_channels = CLASSES,
            .linear = true,
            .bias = true}};
    n->context = fx_new_context(memory, threads, isa, 3);
    ck_assert_int_eq(nncf_model_create(n->context, &n->model, NULL), NNCF_OK);
    fx_register(n->model, &n->stem, NULL, &state);
    fx_register(n->model, &n->depthwise, n->stem.layer, &state);
    fx_register(n->model, &n->point, n->depthwise.layer, &state);
    nncf_layer *both[2] = {n->stem.layer, n->point.layer};
    nncf_sum_params ap = {
        NNCF_PARAMS(nncf_sum_params), .scope = "net/add", .inputs = both, .n_inputs = 2};
    ck_assert_msg(nncf_model_add_sum(n->model, &ap, &n->add, &err) == NNCF_OK, "%s", err.message);
    n->pool = add_pool(n->model,
        &(nncf_pool2d_params){NNCF_PARAMS(nncf_pool2d_params), .scope = "net/pool",
            .inputs = &n->add, .n_inputs = 1});
    fx_register(n->model, &n->classifier, n->pool, &state);
    if (config)
        n->ctrl = fx_ctrl(n->model, config);
    const int64_t shapes[7][4] = {{BATCH, 3, SIDE, SIDE}, {BATCH, WIDTH, SIDE, SIDE},
        {BATCH, WIDTH, SIDE, SIDE}, {BATCH, WIDTH, SIDE, SIDE}, {BATCH, WIDTH, SIDE, SIDE},
        {BATCH, WIDTH, 1, 1}, {BATCH, CLASSES, 1, 1}};
    for (int i = 0; i < 7; i++) {
        n->buffers[i] = fx_alloc(fx_count(shapes[i]), sizeof(float));
        n->v[i] = fx_view(&n->t[i], n->buffers[i], i == 6 ? 2 : 4, shapes[i]);
    }
    fx_fill(n->buffers[0], fx_count(shapes[0]), 1, &state);
}

static void drop_net(net *n)
{
    nncf_compression_ctrl_destroy(n->ctrl);
    nncf_model_destroy(n->model);
    nncf_context_destroy(n->context);
    fx_block *blocks[] = {&n->stem, &n->depthwise, &n->point, &n->classifier};
    for (int i = 0; i < 4; i++)
        fx_release(blocks[i]);
    for (int i = 0; i < 7; i++)
        free(n->buffers[i]);
}

static nncf_status forward_net(net *n)
{
    nncf_tensor pair[2] = {*n->v[1], *n->v[3]};
    nncf_status s;
    if ((s = nncf_layer_forward(n->stem.layer, n->v[0], 1, n->v[1], NULL)) ||
        (s = nncf_layer_forward(n->depthwise.layer, n->v[1], 1, n->v[2], NULL)) ||
        (s = nncf_layer_forward(n->point.layer, n->v[2], 1, n->v[3], NULL)) ||
        (s = nncf_layer_forward(n->add, pair, 2, n->v[4], NULL)) ||
        (s = nncf_layer_forward(n->pool, n->v[4], 1, n->v[5], NULL)))
        return s;
    return nncf_layer_forward(n->classifier.layer, n->v[5], 1, n->v[6], NULL);
}

static nncf_status backward_net(net *n)
{
    fx_tensor d[7], both;
    float *g[7];
    nncf_status s;
    for (int i = 0; i < 7; i++) {
        g[i] = fx_alloc(fx_count(n->t[i].shape), sizeof(float));
        fx_view(&d[i], g[i], n->t[i].t.ndim, n->t[i].shape);
    }
    float *second = fx_alloc(fx_count(n->t[1].shape), sizeof(float));
    fx_view(&both, second, 4, n->t[1].shape);
    for (size_t i = 0; i < fx_count(n->t[6].shape); i++)
        g[6][i] = (float)i * 0.1f - 0.4f;
    nncf_tensor pair[2] = {*n->v[1], *n->v[3]}, dpair[2] = {both.t, d[3].t};
    s = nncf_layer_backward(n->classifier.layer, n->v[5], 1, &d[6].t, &d[5].t, NULL);
    s = s ? s : nncf_layer_backward(n->pool, n->v[4], 1, &d[5].t, &d[4].t, NULL);
    s = s ? s : nncf_layer_backward(n->add, pair, 2, &d[4].t, dpair, NULL);
    s = s ? s : nncf_layer_backward(n->point.layer, n->v[2], 1, &d[3].t, &d[2].t, NULL);
    s = s ? s : nncf_layer_backward(n->depthwise.layer, n->v[1], 1, &d[2].t, &d[1].t, NULL);
    for (size_t i = 0; i < fx_count(n->t[1].shape); i++)
        g[1][i] += second[i];
    s = s ? s : nncf_layer_backward(n->stem.layer, n->v[0], 1, &d[1].t, NULL, NULL);
    for (int i = 0; i < 7; i++)
        free(g[i]);
    free(second);
    return s;
}

static void initialize(net *n)
{
    int32_t more = 0;
    while (nncf_compression_ctrl_init_step(n->ctrl, &more, NULL) == NNCF_OK && more)
        ck_assert_int_eq(forward_net(n), NNCF_OK);
}

START_TEST(product_of_codes_is_exact)
{
    net n;
    make_net(&n, NULL, 2, 0, FX_CONFIG(FX_INT8));
    initialize(&n);
    ck_assert_int_eq(forward_net(&n), NNCF_OK);
    /* the classifier has nothing behind its product: its output is the exact sum of codes, times
     * both steps, plus bias
     */
    const nncf__layer_compression *c = n.classifier.layer->compression;
    const nncf__quantizer *source = nncf__layer_source(n.classifier.layer, 0).quantizer;
    ck_assert_ptr_nonnull(source);
    ck_assert_ptr_nonnull(c->weight_quantizer);
    float step_x = source->fq[0].scale, wq[CLASSES * WIDTH];
    ck_assert_int_eq(nncf_layer_compress_weight(n.classifier.layer, wq, NULL), NNCF_OK);
    for (size_t b = 0; b < BATCH; b++) {
        for (size_t o = 0; o < CLASSES; o++) {
            float step_w = c->weight_quantizer->fq[c->weight_quantizer->channels > 1 ? o : 0].scale;
            int64_t sum = 0;
            for (size_t i = 0; i < WIDTH; i++) {
                float x = n.buffers[5][b * WIDTH + i];
                ck_assert(fabsf(rintf(x / step_x) * step_x - x) == 0);
                sum += lrintf(x / step_x) * lrintf(wq[o * WIDTH + i] / step_w);
            }
            volatile float product = (float)sum * (step_x * step_w),
                           want = product + n.classifier.b[o];
            ck_assert_msg(n.buffers[6][b * CLASSES + o] == want,
                "y[%zu][%zu] is %.9g, should be %.9g", b, o, (double)n.buffers[6][b * CLASSES + o],
                (double)want);
        }
    }
    drop_net(&n);
}
END_TEST

/* There is no code for a NaN, but a training run that has one must show it. */
START_TEST(a_nan_among_quantized_weights_is_seen)
{
    static const char *const configs[] = {FX_CONFIG(FX_INT8),
        FX_CONFIG("{\"algorithm\": \"quantization\", \"weights\": {\"per_channel\": true}}"),
        FX_CONFIG("{\"algorithm\": \"quantization\", \"weights\": "
                  "{\"per_channel\": true, \"mode\": \"asymmetric\"}}")};
    enum { CHANNEL = 3 };
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        net n;
        make_net(&n, NULL, 2, 0, configs[i]);
        initialize(&n);
        float *w = &n.classifier.w[CHANNEL * WIDTH + 5], was = *w;
        for (int round = 0; round < 2; round++) {
            *w = round == 0 ? NAN : was;
            ck_assert_int_eq(forward_net(&n), NNCF_OK);
            int seen = 0;
            for (size_t b = 0; b < BATCH; b++)
                seen += isnan(n.buffers[6][b * CLASSES + CHANNEL]) != 0;
            ck_assert_int_eq(seen, round == 0 ? BATCH : 0);
        }
        drop_net(&n);
    }
}
END_TEST

/* Everything that a step makes, in one array. */
static size_t collect(const net *n, float *all)
{
    size_t at = 0;
    const fx_block *blocks[] = {&n->stem, &n->depthwise, &n->point, &n->classifier};
    for (int i = 1; i < 7; i++) {
        size_t count = fx_count(n->t[i].shape);
        memcpy(all + at, n->buffers[i], count * sizeof *all);
        at += count;
    }
    for (int i = 0; i < 4; i++) {
        const float *arrays[] = {
            blocks[i]->dgamma, blocks[i]->dbeta, blocks[i]->db, blocks[i]->mean, blocks[i]->var};
        memcpy(all + at, blocks[i]->dw, blocks[i]->weights * sizeof *all);
        at += blocks[i]->weights;
        for (int j = 0; j < 5; j++) {
            memcpy(all + at, arrays[j], (size_t)blocks[i]->out_channels * sizeof *all);
            at += (size_t)blocks[i]->out_channels;
        }
    }
    nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
    for (size_t i = 0;
         n->ctrl && nncf_compression_ctrl_get_parameter(n->ctrl, i, &p, NULL) == NNCF_OK; i++) {
        memcpy(all + at, p.grad, p.count * sizeof *all);
        at += p.count;
    }
    return at;
}

START_TEST(same_bits_for_any_thread_count)
{
    static const char *const configs[] = {NULL, FX_CONFIG(FX_INT8), FX_CONFIG(FX_RB ", " FX_INT8)};
    static float first[40000], all[40000];
    size_t count = 0;
    for (int threads = 1; threads <= 4; threads++) {
        net n;
        make_net(&n, NULL, threads, 0, configs[_i]);
        if (n.ctrl)
            initialize(&n);
        ck_assert_int_eq(forward_net(&n), NNCF_OK);
        ck_assert_int_eq(backward_net(&n), NNCF_OK);
        size_t got = collect(&n, threads == 1 ? first : all);
        ck_assert_uint_le(got, sizeof all / sizeof *all);
        if (threads == 1)
            count = got;
        else
            ck_assert_msg(got == count && memcmp(first, all, count * sizeof *all) == 0,
                "%d threads", threads);
        drop_net(&n);
    }
}
END_TEST

/* Many blocks' worth of elements, so that the sums of several workers meet. */
START_TEST(sums_over_many_blocks_have_the_same_bits)
{
    enum { N = 99996 }; /* whole images of the stem's three channels */
    static float x[N], dy[N], dx[N];
    uint64_t state = 8;
    float first = 0;
    fx_tensor tx, ty, tdx;
    const int64_t s[4] = {1, N, 1, 1};
    fx_view(&tx, x, 2, s), fx_view(&ty, dy, 2, s), fx_view(&tdx, dx, 2, s);
    for (int threads = 1; threads <= 4; threads++) {
        net n;
        state = 8;
        fx_fill(x, N, 1.5, &state);
        fx_fill(dy, N, 1, &state);
        make_net(&n, NULL, threads, 0, FX_CONFIG(FX_INT8));
        initialize(&n);
        nncf__quantizer *q = n.stem.layer->compression->input_quantizer;
        ck_assert_int_eq(nncf_layer_quantize_input(n.stem.layer, &tx.t, &tdx.t, NULL), NNCF_OK);
        int64_t outside = 0;
        for (int i = 0; i < N; i++)
            outside += x[i] < q->fq[0].x_low || x[i] > q->fq[0].x_high;
        ck_assert_int_eq(q->clipped, outside);
        ck_assert_int_gt(outside, 0);
        ck_assert_int_eq(
            nncf_layer_quantize_input_backward(n.stem.layer, &tx.t, &ty.t, &tdx.t, NULL), NNCF_OK);
        fx_quantizer oracle = fx_symmetric((double)q->bound[0], true, false);
        double grad = 0;
        for (int i = 0; i < N; i++)
            fx_quantize_backward(
                &oracle, (double)x[i], fx_quantize(&oracle, (double)x[i]), (double)dy[i], &grad);
        ck_assert_double_eq_tol((double)q->bound_grad[0], grad, 1e-4 * (1 + fabs(grad)));
        /* gradients that cancel leave nothing but rounding, which shows the order of the sums */
        for (int i = 0; i < N; i++)
            dy[i] = (float)(i < N / 2 ? pow(10, 12 * fx_uniform(&(uint64_t){(uint64_t)i}))
                                      : -(double)dy[N - 1 - i]);
        for (int i = N / 2; i < N; i++)
            x[i] = x[N - 1 - i];
        q->bound_grad[0] = 0;
        ck_assert_int_eq(
            nncf_layer_quantize_input_backward(n.stem.layer, &tx.t, &ty.t, &tdx.t, NULL), NNCF_OK);
        if (threads == 1)
            first = q->bound_grad[0];
        ck_assert(first != 0 && q->bound_grad[0] == first);
        drop_net(&n);
    }
}
END_TEST

START_TEST(quantized_forward_has_the_same_bits_at_every_level)
{
    float want[BATCH * CLASSES];
    int32_t levels[] = {
        NNCF_ISA_REFERENCE, NNCF_ISA_PORTABLE, NNCF_ISA_AVX2, NNCF_ISA_AVX512, NNCF_ISA_NEON};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (!nncf__kernels_get(levels[i]))
            continue;
        net n;
        make_net(&n, NULL, 2, levels[i], FX_CONFIG(FX_RB ", " FX_INT8));
        initialize(&n);
        /* initialization runs float products, which may differ in the last bit: give every level
         * the same ranges */
        nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
        for (size_t j = 0; nncf_compression_ctrl_get_parameter(n.ctrl, j, &p, NULL) == NNCF_OK; j++)
            for (size_t e = 0; p.kind == NNCF_PARAMETER_SCALE && e < p.count; e++)
                p.data[e] = rintf(p.data[e] * 1024) / 1024;
        ck_assert_int_eq(forward_net(&n), NNCF_OK);
        if (i == 0)
            memcpy(want, n.buffers[6], sizeof want);
        ck_assert_msg(memcmp(want, n.buffers[6], sizeof want) == 0, "level %d", levels[i]);
        drop_net(&n);
    }
}
END_TEST

START_TEST(observing_changes_nothing)
{
    net n;
    int32_t more = 0;
    make_net(&n, NULL, 1, 0, FX_CONFIG(FX_RB ", " FX_INT8));
    float mean = n.stem.mean[0];
    ck_assert_int_eq(nncf_compression_ctrl_init_step(n.ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 1);
    ck_assert_int_eq(forward_net(&n), NNCF_OK);
    ck_assert(n.stem.mean[0] == mean);
    float dy[BATCH * CLASSES] = {1};
    fx_tensor d;
    fx_view(&d, dy, 2, n.t[6].shape);
    ck_assert_int_eq(
        nncf_layer_backward(n.classifier.layer, n.v[5], 1, &d.t, NULL, NULL), NNCF_E_STATE);
    float low = 0, high = 0;
    for (size_t i = 0; i < fx_count(n.t[1].shape); i++)
        high = fmaxf(high, n.buffers[1][i]);
    for (size_t i = 0; i < fx_count(n.t[0].shape); i++)
        low = fmaxf(low, fabsf(n.buffers[0][i]));
    ck_assert_int_eq(nncf_compression_ctrl_init_step(n.ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 0);
    ck_assert(fx_parameter(n.ctrl, "net/stem.activation_quantizer.scale").data[0] == high);
    ck_assert(fx_parameter(n.ctrl, "net/stem.input_quantizer.scale").data[0] == low);
    ck_assert_int_eq(forward_net(&n), NNCF_OK);
    ck_assert(n.stem.mean[0] != mean);
    drop_net(&n);
}
END_TEST

START_TEST(later_steps_allocate_nothing)
{
    fx_memory memory = {0};
    net n;
    make_net(&n, &memory, 2, 0, FX_CONFIG(FX_RB ", " FX_INT8));
    initialize(&n);
    ck_assert_int_eq(forward_net(&n), NNCF_OK);
    ck_assert_int_eq(backward_net(&n), NNCF_OK);
    size_t before = memory.calls;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(forward_net(&n), NNCF_OK);
        ck_assert_int_eq(backward_net(&n), NNCF_OK);
        ck_assert_int_eq(nncf_compression_ctrl_step(n.ctrl, NULL), NNCF_OK);
    }
    ck_assert_int_eq(nncf_model_set_mode(n.model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    ck_assert_int_eq(forward_net(&n), NNCF_OK);
    ck_assert_uint_eq(memory.calls, before);
    drop_net(&n);
    ck_assert_uint_eq(memory.live, 0);
}
END_TEST

START_TEST(no_memory_changes_nothing)
{
    float *before[7], means[WIDTH];
    fx_memory memory = {0};
    net n;
    int failures = 0;
    make_net(&n, &memory, 2, 0, FX_CONFIG(FX_INT8));
    for (int i = 0; i < 7; i++) {
        before[i] = fx_alloc(fx_count(n.t[i].shape), sizeof(float));
        if (i)
            fx_fill(n.buffers[i], fx_count(n.t[i].shape), 1, &(uint64_t){11});
        memcpy(before[i], n.buffers[i], fx_count(n.t[i].shape) * sizeof(float));
    }
    memcpy(means, n.stem.mean, sizeof means);
    for (;; failures++) {
        memory.fail_at = memory.calls + 1 + (size_t)failures;
        nncf_status status = nncf_layer_forward(n.stem.layer, n.v[0], 1, n.v[1], NULL);
        if (status == NNCF_OK)
            break;
        ck_assert_int_eq(status, NNCF_E_NOMEM);
        ck_assert_mem_eq(before[1], n.buffers[1], fx_count(n.t[1].shape) * sizeof(float));
        ck_assert_mem_eq(means, n.stem.mean, sizeof means);
        /* the layer is as if new, so that the next try meets every allocation again */
        nncf__buffer *buffers[] = {&n.stem.layer->now.wq, &n.stem.layer->now.xq,
            &n.stem.layer->now.z, &n.stem.layer->now.channel};
        for (int i = 0; i < 4; i++) {
            nncf__free(n.context, buffers[i]->data);
            *buffers[i] = (nncf__buffer){0};
        }
    }
    memory.fail_at = 0;
    ck_assert_int_ge(failures, 4);
    ck_assert_int_eq(forward_net(&n), NNCF_OK);
    drop_net(&n);
    ck_assert_uint_eq(memory.live, 0);
    for (int i = 0; i < 7; i++)
        free(before[i]);
}
END_TEST

/* Whatever fails in backward, no gradient is added to: not the output quantizer's either, which is
 * known first. */
START_TEST(no_memory_adds_no_gradient)
{
    const int64_t in[4] = {1, 4, 9, 9}, out[4] = {1, 6, 9, 9}, large[4] = {3, 4, 9, 9},
                  large_out[4] = {3, 6, 9, 9};
    const size_t no = fx_count(large_out);
    float *x = fx_alloc(fx_count(large), sizeof *x), *y = fx_alloc(no, sizeof *y),
          *dy = fx_alloc(no, sizeof *dy);
    uint64_t state = 9;
    fx_fill(x, fx_count(large), 1, &state);
    int failures = 0;
    for (nncf_status status = NNCF_E_NOMEM; status != NNCF_OK; failures++) {
        fx_block k = {.scope = "k",
            .in_channels = 4,
            .out_channels = 6,
            .kernel = {3, 3},
            .padding = {1, 1},
            .activation = NNCF_ACTIVATION_RELU};
        fx_block next = {.scope = "next", .in_channels = 6, .out_channels = 1};
        fx_memory memory = {0};
        fx_tensor tx, ty, tdy, tz;
        float z[3 * 9 * 9];
        int32_t more = 0;
        nncf_context *context = fx_new_context(&memory, 2, 0, 1);
        nncf_model *model;
        ck_assert_int_eq(nncf_model_create(context, &model, NULL), NNCF_OK);
        fx_register(model, &k, NULL, &state);
        fx_register(model, &next, k.layer, &state);
        nncf_compression_ctrl *ctrl = fx_ctrl(model, FX_CONFIG(FX_INT8));
        while (nncf_compression_ctrl_init_step(ctrl, &more, NULL) == NNCF_OK && more) {
            fx_view(&tx, x, 4, in), fx_view(&ty, y, 4, out),
                fx_view(&tz, z, 4, (int64_t[4]){1, 1, 9, 9});
            ck_assert_int_eq(nncf_layer_forward(k.layer, &tx.t, 1, &ty.t, NULL), NNCF_OK);
            ck_assert_int_eq(nncf_layer_forward(next.layer, &ty.t, 1, &tz.t, NULL), NNCF_OK);
        }
        fx_view(&tx, x, 4, large), fx_view(&ty, y, 4, large_out), fx_view(&tdy, dy, 4, large_out);
        ck_assert_int_eq(nncf_layer_forward(k.layer, &tx.t, 1, &ty.t, NULL), NNCF_OK);
        fx_fill(dy, no, 1, &state);
        memory.fail_at = memory.calls + 1 + (size_t)failures;
        status = nncf_layer_backward(k.layer, &tx.t, 1, &tdy.t, NULL, NULL);
        const nncf__layer_compression *c = k.layer->compression;
        const nncf__quantizer *all[] = {
            c->output_quantizer, c->weight_quantizer, c->input_quantizer};
        for (int i = 0; i < 3; i++)
            ck_assert(status == NNCF_OK || all[i]->bound_grad[0] == 0);
        for (size_t i = 0; i < k.weights; i++)
            ck_assert(status == NNCF_OK || k.dw[i] == 0);
        ck_assert(status == NNCF_E_NOMEM || all[0]->bound_grad[0] != 0);
        nncf_compression_ctrl_destroy(ctrl);
        nncf_model_destroy(model);
        nncf_context_destroy(context);
        fx_release(&k), fx_release(&next);
        ck_assert_uint_eq(memory.live, 0);
    }
    ck_assert_int_ge(failures, 3); /* dw, work space, scratch */
    free(x), free(y), free(dy);
}
END_TEST

/* A controller that comes between forward and backward must not make backward read what forward did
 * not keep. */
START_TEST(a_controller_between_forward_and_backward_is_refused)
{
    net n;
    make_net(&n, NULL, 1, 0, NULL);
    ck_assert_int_eq(forward_net(&n), NNCF_OK);
    n.ctrl = fx_ctrl(n.model, FX_CONFIG(FX_INT8));
    float dy[BATCH * CLASSES] = {1}, *g = fx_alloc(fx_count(n.t[1].shape), sizeof *g);
    fx_tensor d;
    fx_view(&d, dy, 2, n.t[6].shape);
    ck_assert_int_eq(
        nncf_layer_backward(n.classifier.layer, n.v[5], 1, &d.t, NULL, NULL), NNCF_E_STATE);
    fx_view(&d, g, 4, n.t[1].shape);
    ck_assert_int_eq(nncf_layer_backward(n.stem.layer, n.v[0], 1, &d.t, NULL, NULL), NNCF_E_STATE);
    free(g);
    drop_net(&n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("layer");
    TCase *tc = fx_case(suite, "forward", 120);
    tcase_add_loop_test(tc, forward_equals_the_oracle, 0, N_CASES);
    tcase_add_test(tc, linear_takes_images_as_rows);
    tcase_add_test(tc, a_global_pool_is_the_mean);
    tcase_add_loop_test(tc, a_window_pool_equals_loops, NNCF_POOL_AVERAGE, NNCF_POOL_MAX + 1);
    tcase_add_test(tc, a_sum_adds_and_activates);
    tcase_add_test(tc, product_of_codes_is_exact);
    tcase_add_test(tc, a_nan_among_quantized_weights_is_seen);
    tcase_add_loop_test(tc, same_bits_for_any_thread_count, 0, 3);
    tcase_add_test(tc, sums_over_many_blocks_have_the_same_bits);
    tcase_add_test(tc, quantized_forward_has_the_same_bits_at_every_level);
    tcase_add_test(tc, observing_changes_nothing);
    tcase_add_test(tc, later_steps_allocate_nothing);
    tcase_add_test(tc, no_memory_changes_nothing);
    tcase_add_test(tc, no_memory_adds_no_gradient);
    tcase_add_test(tc, a_controller_between_forward_and_backward_is_refused);
    return fx_main(suite);
}
