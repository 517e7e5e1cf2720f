/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nets of the layers of docs/layers.md, one as detectors and segmentation have it (upsampling,
 * concatenation, squeeze and excite), one as a UNet has it (transposed convolutions) and one as
 * transformers have it (embedding, layer norm, attention over (B,T,C), a tied embedding): gradients
 * against central differences, memory as predicted, floats and codes to the same bits, quantizers
 * where they belong.
 */
#include "base/context.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"
#include "support/fixture.h"

#include <stdbool.h>

enum { NODES = 24, READS = 3, ARRAYS = 32 };

typedef struct node {
    nncf_layer *layer;
    /* nodes that it reads; -1: the model's input */
    int from[READS];
    size_t n;
    int64_t shape[NNCF_MAX_NDIM];
    int32_t ndim, dtype;
    size_t count;
    float *y, *dy;
} node;

typedef struct net {
    nncf_context *context;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    node nodes[NODES];
    int n_nodes;
    /* floats, or ids */
    void *x;
    int64_t x_shape[4];
    int32_t x_ndim, x_dtype;
    size_t x_count;
    /* parameters and their gradients */
    float *w[ARRAYS], *dw[ARRAYS];
    size_t counts[ARRAYS];
    int n_arrays;
    float *r;
    uint64_t state;
} net;

static float *parameter(net *n, size_t count, double scale, float **grad)
{
    const int i = n->n_arrays++;
    ck_assert_int_lt(i, ARRAYS);
    n->counts[i] = count;
    n->w[i] = fx_alloc(count, sizeof(float));
    *grad = n->dw[i] = fx_alloc(count, sizeof(float));
    fx_fill(n->w[i], count, scale, &n->state);
    return n->w[i];
}

static nncf_tensor output_of(net *n, int i)
{
    if (i < 0)
        return (nncf_tensor){
            .data = n->x, .dtype = n->x_dtype, .ndim = n->x_ndim, .shape = n->x_shape};
    node *k = &n->nodes[i];
    return (nncf_tensor){.data = k->y, .dtype = k->dtype, .ndim = k->ndim, .shape = k->shape};
}

/* Where a layer is registered: its node, and the layers that it reads. */
typedef struct place {
    node *k;
    int index;
    nncf_layer *inputs[READS];
    size_t n_inputs;
    char scope[48];
} place;

static place begin(net *n, const char *name, size_t count, const int *from)
{
    place p = {.k = &n->nodes[n->n_nodes], .index = n->n_nodes};
    ck_assert_int_lt(n->n_nodes, NODES);
    snprintf(p.scope, sizeof p.scope, "Net/%s[%d]", name, n->n_nodes);
    p.k->n = count;
    for (size_t i = 0; i < count; i++) {
        p.k->from[i] = from[i];
        if (from[i] >= 0)
            p.inputs[p.n_inputs++] = n->nodes[from[i]].layer;
    }
    return p;
}

static int finish(net *n, const place *p, nncf_status status, const nncf_error *err)
{
    node *k = p->k;
    nncf_tensor x[READS];
    nncf_error why = NNCF_ERROR_INIT;
    ck_assert_msg(status == NNCF_OK, "%s", err->message);
    for (size_t i = 0; i < k->n; i++)
        x[i] = output_of(n, k->from[i]);
    status =
        nncf_layer_get_output_shape(k->layer, x, k->n, k->shape, NNCF_MAX_NDIM, &k->ndim, &why);
    ck_assert_msg(status == NNCF_OK, "%s", why.message);
    k->count = 1;
    for (int32_t i = 0; i < k->ndim; i++)
        k->count *= (size_t)k->shape[i];
    k->y = fx_alloc(k->count, sizeof(float));
    k->dy = fx_alloc(k->count, sizeof(float));
    n->n_nodes++;
    return p->index;
}

#define READ(...)                                                                                  \
    sizeof((const int[]){__VA_ARGS__}) / sizeof(int), (const int[])                                \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define ADD(kind, name, reads, ...)                                                                \
    do {                                                                                           \
        nncf_error err = NNCF_ERROR_INIT;                                                          \
        place p = begin(n, name, reads);                                                           \
        nncf_##kind##_params params = {NNCF_PARAMS(nncf_##kind##_params), __VA_ARGS__};            \
        params.scope = p.scope;                                                                    \
        params.inputs = p.inputs;                                                                  \
        params.n_inputs = p.n_inputs;                                                              \
        return finish(n, &p, nncf_model_add_##kind(n->model, &params, &p.k->layer, &err), &err);   \
    } while (0)

static int conv(net *n, int from, int64_t in, int64_t out, int32_t kernel, int32_t activation)
{
    float *grad, *bias_grad, *w = parameter(n, (size_t)(in * out * kernel * kernel), 0.6, &grad),
                             *b = parameter(n, (size_t)out, 0.3, &bias_grad);
    ADD(conv2d, "Conv2d", READ(from), .weight = w, .weight_grad = grad, .bias = b,
        .bias_grad = bias_grad, .in_channels = in, .out_channels = out, .kernel = {kernel, kernel},
        .padding = {kernel / 2, kernel / 2}, .activation = activation);
}

static int transposed(net *n, int from, int64_t in, int64_t out, int32_t kernel, int32_t padding,
    int32_t groups, int32_t activation)
{
    float *grad, *bias_grad,
        *w = parameter(n, (size_t)(in * out / groups * kernel * kernel), 0.6, &grad),
        *b = parameter(n, (size_t)out, 0.3, &bias_grad);
    ADD(conv_transpose2d, "ConvTranspose2d", READ(from), .weight = w, .weight_grad = grad,
        .bias = b, .bias_grad = bias_grad, .in_channels = in, .out_channels = out,
        .kernel = {kernel, kernel}, .stride = {2, 2}, .padding = {padding, padding},
        .output_padding = {kernel % 2, kernel % 2}, .groups = groups, .activation = activation);
}

static int prelu(net *n, int from, int64_t count)
{
    float *grad, *w = parameter(n, (size_t)count, 0.25, &grad);
    for (int64_t i = 0; i < count; i++)
        w[i] += 0.75f; /* small kinks */
    ADD(prelu, "PReLU", READ(from), .weight = w, .weight_grad = grad, .count = count);
}

static int group_norm(net *n, int from, int64_t channels, int32_t groups)
{
    float *grad, *bias_grad, *w = parameter(n, (size_t)channels, 1, &grad),
                             *b = parameter(n, (size_t)channels, 0.3, &bias_grad);
    ADD(group_norm, "GroupNorm", READ(from), .channels = channels, .weight = w, .weight_grad = grad,
        .bias = b, .bias_grad = bias_grad, .groups = groups);
}

static int linear(net *n, int from, int64_t in, int64_t out, int32_t activation)
{
    float *grad, *bias_grad, *w = parameter(n, (size_t)(in * out), 0.6, &grad),
                             *b = parameter(n, (size_t)out, 0.3, &bias_grad);
    ADD(linear, "Linear", READ(from), .weight = w, .weight_grad = grad, .bias = b,
        .bias_grad = bias_grad, .in_features = in, .out_features = out, .activation = activation);
}

/* With the weight of an embedding, which is parameter 0. */
static int tied(net *n, int from, int embedding, int64_t in, int64_t out)
{
    float *bias_grad, *b = parameter(n, (size_t)out, 0.3, &bias_grad);
    ADD(linear, "Linear", READ(from), .weight = n->w[0], .weight_grad = n->dw[0], .bias = b,
        .bias_grad = bias_grad, .in_features = in, .out_features = out,
        .tied_to = n->nodes[embedding].layer);
}

static int activation(net *n, int from, int32_t kind)
{
    ADD(activation, "Act", READ(from), .activation = kind);
}

static int upsample(net *n, int from, int32_t kind)
{
    ADD(upsample, "Upsample", READ(from), .kind = kind, .factor = {2, 2});
}

static int concat(net *n, int a, int b, int c)
{
    ADD(concat, "Cat", READ(a, b, c), .scope = NULL);
}

static int multiply(net *n, int a, int b)
{
    ADD(multiply, "Mul", READ(a, b), .scope = NULL);
}

static int add(net *n, int a, int b)
{
    ADD(sum, "Add", READ(a, b), .scope = NULL);
}

static int pool(net *n, int from, int32_t kind)
{
    const int32_t k = kind == NNCF_POOL_GLOBAL_AVERAGE ? 0 : 2;
    ADD(pool2d, "Pool", READ(from), .kind = kind, .kernel = {k, k});
}

static int embedding(net *n, int64_t words, int64_t size)
{
    float *grad, *w = parameter(n, (size_t)(words * size), 1, &grad);
    ADD(embedding, "Embedding", READ(-1), .weight = w, .weight_grad = grad, .words = words,
        .size = size);
}

static int layer_norm(net *n, int from, int64_t size)
{
    float *grad, *bias_grad, *w = parameter(n, (size_t)size, 1, &grad),
                             *b = parameter(n, (size_t)size, 0.3, &bias_grad);
    ADD(layer_norm, "LayerNorm", READ(from), .size = size, .weight = w, .weight_grad = grad,
        .bias = b, .bias_grad = bias_grad);
}

static int matmul(net *n, int a, int b, int32_t transpose_b, float factor)
{
    ADD(matmul, "MatMul", READ(a, b), .transpose_b = transpose_b, .factor = factor);
}

static int heads(net *n, int from, int32_t merge)
{
    ADD(heads, "Heads", READ(from), .heads = 2, .merge = merge);
}

static int softmax(net *n, int from)
{
    ADD(softmax, "Softmax", READ(from), .causal = 1);
}

/* ---- the nets ---- */

enum { C = 6, T = 5, B = 2, WORDS = 11 };

static void make_detector(net *n)
{
    const int64_t shape[4] = {2, 3, 8, 8};
    memcpy(n->x_shape, shape, sizeof shape);
    n->x_ndim = 4;
    n->x_dtype = NNCF_F32;
    n->x_count = 2 * 3 * 8 * 8;
    n->x = fx_alloc(n->x_count, sizeof(float));
    fx_fill(n->x, n->x_count, 1, &n->state);
    const int stem = conv(n, -1, 3, 4, 3, NNCF_ACTIVATION_SILU);
    const int down = pool(n, stem, NNCF_POOL_AVERAGE);
    const int deep = conv(n, down, 4, 5, 3, NNCF_ACTIVATION_LEAKY_RELU);
    const int near = upsample(n, deep, NNCF_UPSAMPLE_NEAREST);
    const int smooth = upsample(n, deep, NNCF_UPSAMPLE_BILINEAR);
    const int all = concat(n, near, stem, smooth);
    const int mean = pool(n, all, NNCF_POOL_GLOBAL_AVERAGE);
    const int squeeze = linear(n, mean, 14, 14, NNCF_ACTIVATION_SIGMOID);
    const int excited = multiply(n, all, squeeze);
    const int head = conv(n, excited, 14, 3, 1, NNCF_ACTIVATION_NONE);
    activation(n, head, NNCF_ACTIVATION_MISH);
}

static void make_unet(net *n)
{
    const int64_t shape[4] = {2, 3, 8, 8};
    memcpy(n->x_shape, shape, sizeof shape);
    n->x_ndim = 4;
    n->x_dtype = NNCF_F32;
    n->x_count = 2 * 3 * 8 * 8;
    n->x = fx_alloc(n->x_count, sizeof(float));
    fx_fill(n->x, n->x_count, 1, &n->state);
    const int stem = conv(n, -1, 3, 4, 3, NNCF_ACTIVATION_SILU);
    const int down = pool(n, stem, NNCF_POOL_AVERAGE);
    const int deep = conv(n, down, 4, 6, 3, NNCF_ACTIVATION_SILU);
    const int up = transposed(n, deep, 6, 4, 2, 0, 1, NNCF_ACTIVATION_TANH);
    const int other = transposed(n, deep, 6, 4, 3, 1, 2, NNCF_ACTIVATION_NONE);
    const int all = concat(n, up, stem, other);
    const int norm = group_norm(n, all, 12, 3);
    const int slopes = prelu(n, norm, 12);
    const int head = conv(n, slopes, 12, 3, 1, NNCF_ACTIVATION_NONE);
    transposed(n, head, 3, 3, 3, 1, 3, NNCF_ACTIVATION_SIGMOID);
}

static void make_transformer(net *n)
{
    const int64_t shape[4] = {B, T, 0, 0};
    memcpy(n->x_shape, shape, sizeof shape);
    n->x_ndim = 2;
    n->x_dtype = NNCF_I32;
    n->x_count = (size_t)B * T;
    int32_t *ids = n->x = fx_alloc(n->x_count, sizeof(int32_t));
    for (size_t i = 0; i < n->x_count; i++)
        ids[i] = (int32_t)(fx_next(&n->state) % WORDS);
    const int words = embedding(n, WORDS, C);
    const int norm = layer_norm(n, words, C);
    const int q = linear(n, norm, C, C, NNCF_ACTIVATION_NONE);
    const int k = linear(n, norm, C, C, NNCF_ACTIVATION_NONE);
    const int v = linear(n, norm, C, C, NNCF_ACTIVATION_NONE);
    const int qs = heads(n, q, 0);
    const int ks = heads(n, k, 0);
    const int scores = matmul(n, qs, ks, 1, 0.4f);
    const int attention = softmax(n, scores);
    const int vs = heads(n, v, 0);
    const int mixed = heads(n, matmul(n, attention, vs, 0, 1), 1);
    const int projected = linear(n, mixed, C, C, NNCF_ACTIVATION_NONE);
    const int first = add(n, words, projected);
    const int second_norm = layer_norm(n, first, C);
    const int hidden = linear(n, second_norm, C, 2 * C, NNCF_ACTIVATION_GELU);
    const int back = linear(n, hidden, 2 * C, C, NNCF_ACTIVATION_NONE);
    const int second = add(n, first, back);
    tied(n, second, words, C, WORDS);
}

static void (*const makers[])(net *n) = {make_detector, make_transformer, make_unet};
enum { NETS = sizeof makers / sizeof *makers };

static net *new_net(int kind, fx_memory *memory, const char *config)
{
    net *n = fx_alloc(1, sizeof *n);
    nncf_error err = NNCF_ERROR_INIT;
    n->state = 11 + (uint64_t)kind;
    n->context = fx_new_context(memory, 2, NNCF_ISA_BEST, 3);
    ck_assert_int_eq(nncf_model_create(n->context, &n->model, NULL), NNCF_OK);
    makers[kind](n);
    const size_t last = n->nodes[n->n_nodes - 1].count;
    n->r = fx_alloc(last, sizeof(float));
    fx_fill(n->r, last, 1, &n->state);
    if (config) {
        nncf_config *parsed = fx_config(n->context, config);
        ck_assert_msg(nncf_compression_ctrl_create(n->model, parsed, &n->ctrl, &err) == NNCF_OK,
            "%s", err.message);
        nncf_config_destroy(parsed);
    }
    return n;
}

static void free_net(net *n)
{
    nncf_compression_ctrl_destroy(n->ctrl);
    nncf_model_destroy(n->model);
    nncf_context_destroy(n->context);
    for (int i = 0; i < n->n_nodes; i++) {
        free(n->nodes[i].y);
        free(n->nodes[i].dy);
    }
    for (int i = 0; i < n->n_arrays; i++) {
        free(n->w[i]);
        free(n->dw[i]);
    }
    free(n->r);
    free(n->x);
    free(n);
}

static void forward(net *n, bool codes)
{
    for (int i = 0; i < n->n_nodes; i++) {
        node *k = &n->nodes[i];
        nncf_tensor x[READS];
        nncf_error err = NNCF_ERROR_INIT;
        for (size_t j = 0; j < k->n; j++)
            x[j] = output_of(n, k->from[j]);
        k->dtype = codes ? nncf_layer_get_output_dtype(k->layer) : NNCF_F32;
        nncf_tensor y = output_of(n, i);
        ck_assert_msg(
            nncf_layer_forward(k->layer, x, k->n, &y, &err) == NNCF_OK, "%s", err.message);
    }
}

/* The gradient of sum(r y) of the last layer's y. */
static void backward(net *n)
{
    float *scratch[READS] = {NULL};
    for (int i = 0; i < n->n_nodes; i++)
        memset(n->nodes[i].dy, 0, n->nodes[i].count * sizeof(float));
    for (int i = 0; i < n->n_arrays; i++)
        memset(n->dw[i], 0, n->counts[i] * sizeof(float));
    node *last = &n->nodes[n->n_nodes - 1];
    memcpy(last->dy, n->r, last->count * sizeof(float));
    for (int i = n->n_nodes - 1; i >= 0; i--) {
        node *k = &n->nodes[i];
        nncf_tensor x[READS], dx[READS], dy = output_of(n, i);
        nncf_error err = NNCF_ERROR_INIT;
        dy.data = k->dy;
        dy.dtype = NNCF_F32;
        for (size_t j = 0; j < k->n; j++) {
            x[j] = dx[j] = output_of(n, k->from[j]);
            const size_t count = k->from[j] < 0 ? n->x_count : n->nodes[k->from[j]].count;
            dx[j].data = scratch[j] = fx_alloc(count, sizeof(float));
            dx[j].dtype = NNCF_F32;
        }
        const bool wanted = k->from[0] >= 0;
        ck_assert_msg(
            nncf_layer_backward(k->layer, x, k->n, &dy, wanted ? dx : NULL, &err) == NNCF_OK, "%s",
            err.message);
        for (size_t j = 0; j < k->n; j++) {
            node *to = wanted ? &n->nodes[k->from[j]] : NULL;
            for (size_t e = 0; to && e < to->count; e++)
                to->dy[e] += scratch[j][e];
            free(scratch[j]);
        }
    }
}

static double loss(net *n)
{
    const node *last = &n->nodes[n->n_nodes - 1];
    double sum = 0;
    forward(n, false);
    for (size_t i = 0; i < last->count; i++)
        sum += (double)n->r[i] * (double)last->y[i];
    return sum;
}

/* A step of 2^-8: third derivatives cost about 1e-4 of the largest gradient, rounding less. Leaky
 * relu has a kink: a few may lie on it. */
START_TEST(gradients_equal_central_differences)
{
    net *n = new_net(_i, NULL, NULL);
    size_t checked = 0, off = 0;
    loss(n);
    backward(n);
    for (int i = 0; i < n->n_arrays; i++) {
        double largest = 0;
        for (size_t j = 0; j < n->counts[i]; j++)
            largest = fmax(largest, fabs((double)n->dw[i][j]));
        ck_assert_double_gt(largest, 0);
        for (size_t j = 0; j < n->counts[i]; j += 1 + n->counts[i] / 16) {
            const float keep = n->w[i][j], h = 0x1p-8f;
            n->w[i][j] = keep + h;
            double difference = loss(n);
            n->w[i][j] = keep - h;
            difference = (difference - loss(n)) / (2 * (double)h);
            n->w[i][j] = keep;
            checked++;
            off += fabs(difference - (double)n->dw[i][j]) <= 4e-3 * (1 + largest) ? 0 : 1;
        }
    }
    ck_assert_uint_gt(checked, 60);
    ck_assert_msg(off * 50 <= checked, "%zu of %zu gradients are off", off, checked);
    free_net(n);
}
END_TEST

#define PROPAGATION                                                                                \
    "{\"nncf_dialect\": \"1.7\", \"target_device\": \"NONE\", \"input_info\": {\"sample_size\": "  \
    "[1, 3, 8, 8]}, \"compression\": {\"algorithm\": \"quantization\", \"initializer\": "          \
    "{\"range\": {\"num_init_samples\": 2, \"type\": \"min_max\"}, \"batchnorm_adaptation\": "     \
    "{\"num_bn_adaptation_samples\": 0}}}}"

static const char *const configs[] = {
    NULL, FX_CONFIG(FX_INT8), FX_CONFIG(FX_RB "," FX_INT8), PROPAGATION};
enum { CONFIGS = sizeof configs / sizeof *configs };

static void initialize(net *n)
{
    for (int32_t more = n->ctrl != NULL; more;) {
        ck_assert_int_eq(nncf_compression_ctrl_init_step(n->ctrl, &more, NULL), NNCF_OK);
        if (more)
            forward(n, false);
    }
}

/* The gradients' bits with codes are those with floats; nothing is prepared or allocated any more
 * in the second step of each form. */
START_TEST(codes_and_floats_give_the_same)
{
    net *n = new_net(_i / CONFIGS, NULL, configs[_i % CONFIGS]);
    float *want[ARRAYS];
    size_t codes = 0;
    initialize(n);
    forward(n, false);
    backward(n);
    for (int i = 0; i < n->n_arrays; i++) {
        want[i] = fx_alloc(n->counts[i], sizeof(float));
        memcpy(want[i], n->dw[i], n->counts[i] * sizeof(float));
    }
    forward(n, true);
    backward(n);
    for (int i = 0; i < n->n_arrays; i++) {
        for (size_t j = 0; j < n->counts[i]; j++)
            ck_assert_msg(isfinite(want[i][j]) && want[i][j] == n->dw[i][j],
                "parameter %d, %zu: %a and %a", i, j, (double)want[i][j], (double)n->dw[i][j]);
        free(want[i]);
    }
    for (int i = 0; i < n->n_nodes; i++)
        codes += n->nodes[i].dtype != NNCF_F32;
    ck_assert_int_eq(codes > 0, _i % CONFIGS != 0);
    free_net(n);
}
END_TEST

START_TEST(memory_is_as_predicted)
{
    fx_memory c = {0};
    nncf_memory m = {NNCF_PARAMS(nncf_memory)};
    nncf_error err = NNCF_ERROR_INIT;
    const int32_t mode = _i % 2 ? NNCF_MODE_EVAL : NNCF_MODE_TRAIN;
    net *n = new_net(_i / 2 / CONFIGS, &c, configs[_i / 2 % CONFIGS]);
    const nncf_tensor x = output_of(n, -1);
    const size_t before = c.bytes;
    ck_assert_msg(
        nncf_model_get_memory(n->model, &x, 1, mode, &m, &err) == NNCF_OK, "%s", err.message);
    ck_assert_int_eq(nncf_model_set_mode(n->model, mode, NULL), NNCF_OK);
    initialize(n);
    for (int step = 0; step < 4; step++) {
        const size_t calls = c.calls;
        uint64_t prepared[NODES];
        for (int i = 0; i < n->n_nodes; i++)
            prepared[i] = n->nodes[i].layer->preparations;
        if (step != 1) /* 0: floats, 1 and 2: codes, 3: codes again */
            forward(n, step > 0);
        else
            forward(n, true);
        if (mode == NNCF_MODE_TRAIN)
            backward(n);
        for (int i = 0; step > 1 && i < n->n_nodes; i++)
            ck_assert_uint_eq(n->nodes[i].layer->preparations, prepared[i]);
        if (step > 1)
            ck_assert_uint_eq(c.calls, calls);
    }
    ck_assert_msg(c.bytes - before == m.library, "%zu bytes, %zu were predicted",
        (size_t)c.bytes - before, (size_t)m.library);
    free_net(n);
    ck_assert_uint_eq(c.live, 0);
}
END_TEST

/* Token ids are no activations; the embedding's weight is a weight; both factors of a product are
 * quantized, each by its own. */
START_TEST(quantizers_stand_where_they_belong)
{
    net *n = new_net(1, NULL, PROPAGATION);
    const nncf__layer_compression *c[NODES];
    for (int i = 0; i < n->n_nodes; i++)
        c[i] = n->nodes[i].layer->compression;
    ck_assert_ptr_null(c[0]->input_quantizer);
    ck_assert_ptr_nonnull(c[0]->weight_quantizer);
    for (int i = 2; i <= 4; i++) { /* q, k, v */
        ck_assert_ptr_nonnull(c[i]->output_quantizer);
        for (int j = 2; j < i; j++)
            ck_assert_ptr_ne(c[i]->output_quantizer, c[j]->output_quantizer);
    }
    ck_assert_ptr_nonnull(c[8]->output_quantizer); /* softmax */
    free_net(n);
}
END_TEST

/* ---- refusals ---- */

static void refused(nncf_status got, nncf_status want, const nncf_error *err, const char *words)
{
    ck_assert_msg(got == want, "%s: %s", nncf_status_name(got), err->message);
    ck_assert_msg(strstr(err->message, words), "\"%s\" is not in \"%s\"", words, err->message);
}

START_TEST(wrong_ids_are_refused)
{
    net *n = new_net(1, NULL, NULL);
    nncf_error err = NNCF_ERROR_INIT;
    nncf_tensor x = output_of(n, -1), y = output_of(n, 0), dy = y, dx = x;
    int32_t *ids = n->x;
    nncf_layer *layer = n->nodes[0].layer;
    const float keep = n->nodes[0].y[0];
    ids[3] = WORDS;
    refused(nncf_layer_forward(layer, &x, 1, &y, &err), NNCF_E_ARG, &err, "x has 11 at 3");
    ids[3] = -1;
    refused(nncf_layer_forward(layer, &x, 1, &y, &err), NNCF_E_ARG, &err, "words 0 to 10");
    ck_assert(n->nodes[0].y[0] == keep);
    ids[3] = 0;
    x.dtype = NNCF_F32;
    refused(nncf_layer_forward(layer, &x, 1, &y, &err), NNCF_E_DTYPE, &err, "NNCF_I32");
    x.dtype = NNCF_I32;
    ck_assert_int_eq(nncf_layer_forward(layer, &x, 1, &y, &err), NNCF_OK);
    dy.data = n->nodes[0].dy;
    refused(nncf_layer_backward(layer, &x, 1, &dy, &dx, &err), NNCF_E_ARG, &err, "no gradient");
    free_net(n);
}
END_TEST

START_TEST(wrong_shapes_are_refused)
{
    net *n = new_net(1, NULL, NULL), *d = new_net(0, NULL, NULL);
    nncf_error err = NNCF_ERROR_INIT;
    int64_t wrong[3] = {B, T, C + 1}, fewer[3] = {B, T, T}, shape[NNCF_MAX_NDIM];
    int32_t ndim;
    nncf_tensor x[3] = {output_of(n, 2), output_of(n, 3)};
    x[0].shape = wrong;
    refused(nncf_layer_get_output_shape(n->nodes[1].layer, x, 1, shape, 8, &ndim, &err),
        NNCF_E_SHAPE, &err, "the layer reads 6 values a row");
    refused(nncf_layer_get_output_shape(n->nodes[2].layer, x, 1, shape, 8, &ndim, &err),
        NNCF_E_SHAPE, &err, "the layer reads 6 features");
    refused(nncf_layer_get_output_shape(n->nodes[7].layer, x, 2, shape, 8, &ndim, &err),
        NNCF_E_SHAPE, &err, "x[0] is (2,5,7) and x[1] (2,5,6) transposed");
    x[0].shape = fewer;
    refused(nncf_layer_get_output_shape(n->nodes[13].layer, x, 2, shape, 8, &ndim, &err),
        NNCF_E_SHAPE, &err, "x[1] is (2,5,6), but x[0] is (2,5,5)");
    nncf_tensor planes[3] = {output_of(d, 3), output_of(d, 0), output_of(d, 1)};
    refused(nncf_layer_get_output_shape(d->nodes[5].layer, planes, 3, shape, 8, &ndim, &err),
        NNCF_E_SHAPE, &err, "only the second size, channels, may differ");
    refused(nncf_layer_get_output_shape(d->nodes[5].layer, planes, 2, shape, 8, &ndim, &err),
        NNCF_E_ARG, &err, "reads 3 tensors");
    refused(nncf_layer_get_output_shape(d->nodes[8].layer, planes, 2, shape, 8, &ndim, &err),
        NNCF_E_SHAPE, &err, "the same shape, or (2,5) and then ones");
    free_net(n);
    free_net(d);
}
END_TEST

/* As many rows of as many columns: but which columns a row uses depends on the matrix. */
START_TEST(a_causal_softmax_goes_back_through_its_matrices)
{
    enum { COUNT = 2 * 4 * 8 };
    float x[COUNT], y[COUNT], dy[COUNT], dx[COUNT];
    const int64_t two[3] = {2, 4, 8}, one[3] = {1, 8, 8};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_model *model;
    nncf_layer *layer;
    uint64_t state = 4;
    fx_fill(x, COUNT, 1, &state);
    fx_fill(dy, COUNT, 1, &state);
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    const nncf_softmax_params p = {
        NNCF_PARAMS(nncf_softmax_params), .scope = "Net/softmax_0", .causal = 1};
    ck_assert_int_eq(nncf_model_add_softmax(model, &p, &layer, &err), NNCF_OK);
    nncf_tensor tx = {.data = x, .ndim = 3, .shape = two}, ty = tx, tdy = tx, tdx = tx;
    ty.data = y;
    tdy.data = dy;
    tdx.data = dx;
    ck_assert_int_eq(nncf_layer_forward(layer, &tx, 1, &ty, &err), NNCF_OK);
    tx.shape = tdy.shape = tdx.shape = one;
    refused(nncf_layer_backward(layer, &tx, 1, &tdy, &tdx, &err), NNCF_E_SHAPE, &err,
        "matrices of 8 rows, and of 4 in the last forward");
    tx.shape = tdy.shape = tdx.shape = two;
    ck_assert_int_eq(nncf_layer_backward(layer, &tx, 1, &tdy, &tdx, &err), NNCF_OK);
    nncf_model_destroy(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("layer_nets");
    TCase *tests = fx_case(suite, "layer_nets", 60);
    tcase_add_loop_test(tests, gradients_equal_central_differences, 0, NETS);
    tcase_add_loop_test(tests, codes_and_floats_give_the_same, 0, NETS * CONFIGS);
    tcase_add_loop_test(tests, memory_is_as_predicted, 0, 2 * NETS * CONFIGS);
    tcase_add_test(tests, quantizers_stand_where_they_belong);
    tcase_add_test(tests, wrong_ids_are_refused);
    tcase_add_test(tests, wrong_shapes_are_refused);
    tcase_add_test(tests, a_causal_softmax_goes_back_through_its_matrices);
    return fx_main(suite);
}
