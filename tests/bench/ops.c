/* SPDX-License-Identifier: Apache-2.0 */
/* ops: the kinds of layers of layers.h, and linear layers on (B,T,C), each alone in shapes of the
 * examples and in a larger one: forward, and forward with backward, without compression. A line has
 * all that peer_ops.py needs to do the same in PyTorch. */
#include "bench.h"

#include <nncf/nncf.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NDIM = 6, MAX_LAYERS = 3 };

typedef enum kind {
    ACTIVATION, /* value: which */
    PRELU, /* a slope a channel */
    CONCAT,
    MULTIPLY,
    SUM,
    SOFTMAX,
    UPSAMPLE, /* value: kind; stride: factor */
    TRANSPOSED,
    POOL, /* value: kind */
    DROPOUT,
    LAYER_NORM,
    GROUP_NORM,
    EMBEDDING, /* groups: words; out: their size */
    MATMUL, /* value: is the second factor transposed? */
    HEADS,
    LINEAR,
    ATTENTION /* x, other and other once more: queries, keys, values; causal */
} kind;

typedef struct op_case {
    kind kind;
    int32_t value;
    const char *layer, *net; /* names */
    int64_t x[4], other[4]; /* sizes, 0 at the end */
    int64_t out; /* channels or features of the output */
    int32_t kernel, stride, groups; /* groups: heads of attention, too */
    int32_t padding, padding_end; /* of pools and transposed convolutions */
    bool ceil;
} op_case;

/* clang-format off */
#define ACTIVATION_CASES(name, which)                                                              \
    {ACTIVATION, which, name, "segmentation", .x = {16, 8, 64, 64}},                               \
    {ACTIVATION, which, name, "larger", .x = {16, 32, 112, 112}}

static const op_case cases[] = {
    ACTIVATION_CASES("leaky_relu", NNCF_ACTIVATION_LEAKY_RELU),
    ACTIVATION_CASES("sigmoid", NNCF_ACTIVATION_SIGMOID),
    ACTIVATION_CASES("tanh", NNCF_ACTIVATION_TANH),
    ACTIVATION_CASES("hard_swish", NNCF_ACTIVATION_HARD_SWISH),
    ACTIVATION_CASES("hard_sigmoid", NNCF_ACTIVATION_HARD_SIGMOID),
    ACTIVATION_CASES("silu", NNCF_ACTIVATION_SILU),
    {ACTIVATION, NNCF_ACTIVATION_GELU, "gelu", "gpt", .x = {16, 64, 512}},
    {ACTIVATION, NNCF_ACTIVATION_GELU, "gelu", "larger", .x = {8, 256, 3072}},
    {ACTIVATION, NNCF_ACTIVATION_GELU_TANH, "gelu_tanh", "gpt", .x = {16, 64, 512}},
    {ACTIVATION, NNCF_ACTIVATION_GELU_TANH, "gelu_tanh", "larger", .x = {8, 256, 3072}},
    ACTIVATION_CASES("elu", NNCF_ACTIVATION_ELU),
    ACTIVATION_CASES("mish", NNCF_ACTIVATION_MISH),
    {PRELU, 0, "prelu", "segmentation", .x = {16, 8, 64, 64}},
    {PRELU, 0, "prelu", "larger", .x = {16, 32, 112, 112}},
    {CONCAT, 0, "concat", "detection", .x = {16, 32, 8, 8}, .other = {16, 64, 8, 8}},
    {CONCAT, 0, "concat", "segmentation", .x = {16, 16, 64, 64}, .other = {16, 8, 64, 64}},
    {CONCAT, 0, "concat", "larger", .x = {16, 32, 112, 112}, .other = {16, 32, 112, 112}},
    {MULTIPLY, 0, "multiply", "segmentation", .x = {16, 8, 64, 64}, .other = {16, 8, 64, 64}},
    {MULTIPLY, 0, "multiply", "larger", .x = {16, 32, 112, 112}, .other = {16, 32, 112, 112}},
    {MULTIPLY, 0, "multiply_channels", "segmentation", .x = {16, 8, 64, 64}, .other = {16, 8, 1, 1}},
    {MULTIPLY, 0, "multiply_channels", "larger", .x = {16, 96, 56, 56}, .other = {16, 96, 1, 1}},
    {SUM, 0, "sum", "gpt", .x = {16, 64, 128}, .other = {16, 64, 128}},
    {SUM, 0, "sum", "larger", .x = {8, 256, 768}, .other = {8, 256, 768}},
    {SOFTMAX, 0, "softmax", "gpt", .x = {16, 4, 64, 64}},
    {SOFTMAX, 0, "softmax", "larger", .x = {4, 12, 256, 256}},
    {UPSAMPLE, NNCF_UPSAMPLE_NEAREST, "upsample_nearest", "detection", .x = {16, 32, 4, 4}, .stride = 2},
    {UPSAMPLE, NNCF_UPSAMPLE_NEAREST, "upsample_nearest", "segmentation", .x = {16, 16, 32, 32}, .stride = 2},
    {UPSAMPLE, NNCF_UPSAMPLE_NEAREST, "upsample_nearest", "larger", .x = {8, 64, 56, 56}, .stride = 2},
    {UPSAMPLE, NNCF_UPSAMPLE_BILINEAR, "upsample_bilinear", "segmentation", .x = {16, 16, 32, 32}, .stride = 2},
    {UPSAMPLE, NNCF_UPSAMPLE_BILINEAR, "upsample_bilinear", "larger", .x = {8, 64, 56, 56}, .stride = 2},
    {TRANSPOSED, 0, "conv_transpose2d", "segmentation", .x = {16, 32, 16, 16}, .out = 16, .kernel = 2, .stride = 2},
    {TRANSPOSED, 0, "conv_transpose2d", "larger", .x = {8, 64, 56, 56}, .out = 32, .kernel = 4, .stride = 2, .padding = 1},
    {POOL, NNCF_POOL_MAX, "max_pool", "detection", .x = {16, 32, 16, 16}, .kernel = 2, .stride = 2},
    {POOL, NNCF_POOL_MAX, "max_pool", "segmentation", .x = {16, 8, 64, 64}, .kernel = 2, .stride = 2},
    {POOL, NNCF_POOL_MAX, "max_pool", "larger", .x = {16, 64, 112, 112}, .kernel = 3, .stride = 2, .padding = 1},
    {POOL, NNCF_POOL_MAX, "max_pool_one_sided", "detection", .x = {16, 32, 16, 16}, .kernel = 2, .stride = 1, .padding_end = 1},
    {POOL, NNCF_POOL_MAX, "max_pool_one_sided", "larger", .x = {16, 32, 112, 112}, .kernel = 2, .stride = 1, .padding_end = 1},
    {POOL, NNCF_POOL_MAX, "max_pool_ceil", "segmentation", .x = {16, 8, 64, 64}, .kernel = 3, .stride = 2, .ceil = true},
    {POOL, NNCF_POOL_MAX, "max_pool_ceil", "larger", .x = {16, 64, 112, 112}, .kernel = 3, .stride = 2, .ceil = true},
    {POOL, NNCF_POOL_AVERAGE, "average_pool", "segmentation", .x = {16, 8, 64, 64}, .kernel = 2, .stride = 2},
    {POOL, NNCF_POOL_AVERAGE, "average_pool", "larger", .x = {16, 64, 112, 112}, .kernel = 3, .stride = 2, .padding = 1},
    {DROPOUT, 0, "dropout", "gpt", .x = {16, 64, 128}},
    {DROPOUT, 0, "dropout", "larger", .x = {8, 256, 768}},
    {LAYER_NORM, 0, "layer_norm", "gpt", .x = {16, 64, 128}},
    {LAYER_NORM, 0, "layer_norm", "larger", .x = {8, 256, 768}},
    {GROUP_NORM, 0, "group_norm", "segmentation", .x = {16, 16, 32, 32}, .groups = 4},
    {GROUP_NORM, 0, "group_norm", "larger", .x = {8, 64, 56, 56}, .groups = 8},
    {EMBEDDING, 0, "embedding", "gpt", .x = {16, 64, 2}, .out = 128, .groups = 160},
    {EMBEDDING, 0, "embedding", "larger", .x = {8, 256}, .out = 768, .groups = 8192},
    {MATMUL, 1, "matmul_transposed", "gpt", .x = {16, 4, 64, 32}, .other = {16, 4, 64, 32}},
    {MATMUL, 1, "matmul_transposed", "larger", .x = {4, 12, 256, 64}, .other = {4, 12, 256, 64}},
    {MATMUL, 0, "matmul", "gpt", .x = {16, 4, 64, 64}, .other = {16, 4, 64, 32}},
    {MATMUL, 0, "matmul", "larger", .x = {4, 12, 256, 256}, .other = {4, 12, 256, 64}},
    {HEADS, 0, "heads", "gpt", .x = {16, 64, 128}, .groups = 4},
    {HEADS, 0, "heads", "larger", .x = {8, 256, 768}, .groups = 12},
    {LINEAR, 0, "linear", "gpt", .x = {16, 64, 128}, .out = 128},
    {LINEAR, 0, "linear", "gpt", .x = {16, 64, 128}, .out = 512},
    {LINEAR, 0, "linear", "gpt", .x = {16, 64, 512}, .out = 128},
    {LINEAR, 0, "linear", "larger", .x = {8, 256, 768}, .out = 3072},
    {ATTENTION, 0, "attention", "gpt", .x = {16, 4, 64, 32}, .other = {16, 4, 64, 32}},
    {ATTENTION, 0, "attention", "larger", .x = {4, 12, 256, 64}, .other = {4, 12, 256, 64}},
};
/* clang-format on */

/* A call of one layer: its tensors, and where their shapes are. */
typedef struct stage {
    nncf_layer *layer;
    nncf_tensor x[2], y, dy, dx[2];
    size_t n_x;
    bool wants_dx;
    int64_t shapes[3][MAX_NDIM];
} stage;

typedef struct op {
    nncf_model *model;
    stage stages[MAX_LAYERS];
    size_t n_stages;
    float *arrays[32]; /* all that is to be freed */
    size_t n_arrays;
    nncf_status status;
    nncf_error err;
} op;

static int ndim_of(const int64_t sizes[4])
{
    int n = 0;
    while (n < 4 && sizes[n] > 0)
        n++;
    return n;
}

static float *array(op *o, size_t n, float bound)
{
    float *a = bench_floats(n);
    bench_fill(a, n, o->n_arrays, -bound, bound);
    o->arrays[o->n_arrays++] = a;
    return a;
}

static nncf_tensor tensor(op *o, int32_t ndim, const int64_t *shape, float *data)
{
    size_t n = 1;
    for (int32_t i = 0; i < ndim; i++)
        n *= (size_t)shape[i];
    return (nncf_tensor){
        .data = data != NULL ? data : array(o, n, 2), .ndim = ndim, .shape = shape};
}

/* A stage for the layer that was registered last, with inputs of its own where `data` has none. */
static stage *add_stage(op *o, nncf_layer *layer, const int64_t *const sizes[2], size_t n_x,
    float *const data[2], float *dy)
{
    stage *s = &o->stages[o->n_stages++];
    s->layer = layer;
    s->n_x = n_x;
    s->wants_dx = true;
    for (size_t i = 0; i < n_x; i++) {
        const int ndim = ndim_of(sizes[i]);
        memcpy(s->shapes[i], sizes[i], (size_t)ndim * sizeof **sizes);
        s->x[i] = tensor(o, ndim, s->shapes[i], data[i]);
        s->dx[i] = tensor(o, ndim, s->shapes[i], NULL);
    }
    int32_t ndim = 0;
    o->status =
        nncf_layer_get_output_shape(layer, s->x, n_x, s->shapes[2], MAX_NDIM, &ndim, &o->err);
    if (o->status == NNCF_OK) {
        s->y = tensor(o, ndim, s->shapes[2], NULL);
        s->dy = tensor(o, ndim, s->shapes[2], dy);
    }
    return s;
}

static nncf_layer *add_matmul(op *o, const char *scope, int32_t transposed)
{
    const nncf_matmul_params p = {
        NNCF_PARAMS(nncf_matmul_params), .scope = scope, .transpose_b = transposed};
    nncf_layer *layer = NULL;
    o->status = nncf_model_add_matmul(o->model, &p, &layer, &o->err);
    return layer;
}

static nncf_layer *add_softmax(op *o, const char *scope, int32_t causal)
{
    const nncf_softmax_params p = {
        NNCF_PARAMS(nncf_softmax_params), .scope = scope, .causal = causal};
    nncf_layer *layer = NULL;
    o->status = nncf_model_add_softmax(o->model, &p, &layer, &o->err);
    return layer;
}

/* softmax(q k^T) v; the factor is left out on both sides, as dy may be written over. */
static void add_attention(op *o, const op_case *c)
{
    const int64_t scores[4] = {c->x[0], c->x[1], c->x[2], c->other[2]};
    const int64_t *const first[2] = {c->x, c->other}, *const second[2] = {scores, NULL},
                         *const third[2] = {scores, c->other};
    float *const own[2] = {NULL, NULL};
    nncf_layer *layers[3] = {add_matmul(o, "N/matmul_0", 1), NULL, NULL};
    if (o->status == NNCF_OK)
        layers[1] = add_softmax(o, "N/softmax_0", 1);
    if (o->status == NNCF_OK)
        layers[2] = add_matmul(o, "N/matmul_1", 0);
    if (o->status != NNCF_OK)
        return;
    stage *a = add_stage(o, layers[0], first, 2, own, NULL);
    float *const weights[2] = {a->y.data, NULL};
    stage *b = add_stage(o, layers[1], second, 1, weights, NULL);
    float *const factors[2] = {b->y.data, NULL};
    stage *y = add_stage(o, layers[2], third, 2, factors, NULL);
    b->dy.data = y->dx[0].data;
    a->dy.data = b->dx[0].data;
}

/* The layer of a case that is one layer. */
static nncf_layer *add_layer(op *o, const op_case *c)
{
    nncf_layer *layer = NULL;
    nncf_model *m = o->model;
    nncf_error *e = &o->err;
    const int64_t last = c->x[ndim_of(c->x) - 1], channels = c->x[1];
    switch (c->kind) {
    case ACTIVATION: {
        const nncf_activation_params p = {
            NNCF_PARAMS(nncf_activation_params), .scope = "N/a", .activation = c->value};
        o->status = nncf_model_add_activation(m, &p, &layer, e);
        break;
    }
    case PRELU: {
        const nncf_prelu_params p = {NNCF_PARAMS(nncf_prelu_params), .scope = "N/PReLU[a]",
            .weight = array(o, (size_t)channels, 0.3f),
            .weight_grad = array(o, (size_t)channels, 0), .count = channels};
        o->status = nncf_model_add_prelu(m, &p, &layer, e);
        break;
    }
    case CONCAT: { /* which needs to be told what it reads */
        nncf_layer *inputs[2];
        for (int i = 0; i < 2; i++) {
            const nncf_activation_params p = {NNCF_PARAMS(nncf_activation_params),
                .scope = i == 0 ? "N/a" : "N/b", .activation = NNCF_ACTIVATION_RELU};
            if ((o->status = nncf_model_add_activation(m, &p, &inputs[i], e)) != NNCF_OK)
                return NULL;
        }
        const nncf_concat_params p = {
            NNCF_PARAMS(nncf_concat_params), .scope = "N/cat_0", .inputs = inputs, .n_inputs = 2};
        o->status = nncf_model_add_concat(m, &p, &layer, e);
        break;
    }
    case MULTIPLY: {
        const nncf_multiply_params p = {NNCF_PARAMS(nncf_multiply_params), .scope = "N/__mul___0"};
        o->status = nncf_model_add_multiply(m, &p, &layer, e);
        break;
    }
    case SUM: {
        const nncf_sum_params p = {NNCF_PARAMS(nncf_sum_params), .scope = "N/__add___0"};
        o->status = nncf_model_add_sum(m, &p, &layer, e);
        break;
    }
    case SOFTMAX:
        layer = add_softmax(o, "N/softmax_0", 0);
        break;
    case UPSAMPLE: {
        const nncf_upsample_params p = {NNCF_PARAMS(nncf_upsample_params),
            .scope = "N/interpolate_0", .kind = c->value, .factor = {c->stride, c->stride}};
        o->status = nncf_model_add_upsample(m, &p, &layer, e);
        break;
    }
    case TRANSPOSED: {
        const size_t n = (size_t)(channels * c->out * c->kernel * c->kernel);
        const nncf_conv_transpose2d_params p = {NNCF_PARAMS(nncf_conv_transpose2d_params),
            .scope = "N/ConvTranspose2d[a]", .weight = array(o, n, 0.1f),
            .weight_grad = array(o, n, 0), .bias = array(o, (size_t)c->out, 0.1f),
            .bias_grad = array(o, (size_t)c->out, 0), .in_channels = channels,
            .out_channels = c->out, .kernel = {c->kernel, c->kernel},
            .stride = {c->stride, c->stride}, .padding = {c->padding, c->padding}};
        o->status = nncf_model_add_conv_transpose2d(m, &p, &layer, e);
        break;
    }
    case POOL: {
        const nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = "N/pool2d_0",
            .kind = c->value, .kernel = {c->kernel, c->kernel}, .stride = {c->stride, c->stride},
            .padding = {c->padding, c->padding}, .padding_end = {c->padding_end, c->padding_end},
            .flags = c->ceil ? NNCF_OP_FLAG_CEIL : 0};
        o->status = nncf_model_add_pool2d(m, &p, &layer, e);
        break;
    }
    case DROPOUT: {
        const nncf_dropout_params p = {
            NNCF_PARAMS(nncf_dropout_params), .scope = "N/dropout_0", .p = 0.1f};
        o->status = nncf_model_add_dropout(m, &p, &layer, e);
        break;
    }
    case LAYER_NORM: {
        const size_t n = (size_t)last;
        const nncf_layer_norm_params p = {NNCF_PARAMS(nncf_layer_norm_params),
            .scope = "N/LayerNorm[a]", .size = last, .weight = array(o, n, 1),
            .weight_grad = array(o, n, 0), .bias = array(o, n, 1), .bias_grad = array(o, n, 0)};
        o->status = nncf_model_add_layer_norm(m, &p, &layer, e);
        break;
    }
    case GROUP_NORM: {
        const size_t n = (size_t)channels;
        const nncf_group_norm_params p = {NNCF_PARAMS(nncf_group_norm_params),
            .scope = "N/GroupNorm[a]", .channels = channels, .groups = c->groups,
            .weight = array(o, n, 1), .weight_grad = array(o, n, 0), .bias = array(o, n, 1),
            .bias_grad = array(o, n, 0)};
        o->status = nncf_model_add_group_norm(m, &p, &layer, e);
        break;
    }
    case EMBEDDING: {
        const size_t n = (size_t)(c->groups * c->out);
        const nncf_embedding_params p = {NNCF_PARAMS(nncf_embedding_params),
            .scope = "N/Embedding[a]", .words = c->groups, .size = c->out, .weight = array(o, n, 1),
            .weight_grad = array(o, n, 0)};
        o->status = nncf_model_add_embedding(m, &p, &layer, e);
        break;
    }
    case HEADS: {
        const nncf_heads_params p = {
            NNCF_PARAMS(nncf_heads_params), .scope = "N/heads_0", .heads = c->groups};
        o->status = nncf_model_add_heads(m, &p, &layer, e);
        break;
    }
    case LINEAR: {
        const size_t n = (size_t)(last * c->out);
        const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "N/Linear[a]",
            .in_features = last, .out_features = c->out, .weight = array(o, n, 0.1f),
            .weight_grad = array(o, n, 0), .bias = array(o, (size_t)c->out, 0.1f),
            .bias_grad = array(o, (size_t)c->out, 0)};
        o->status = nncf_model_add_linear(m, &p, &layer, e);
        break;
    }
    default:
        layer = add_matmul(o, "N/matmul_0", c->value);
    }
    return layer;
}

static void open_op(op *o, nncf_context *context, const op_case *c)
{
    float *const own[2] = {NULL, NULL};
    const int64_t *const sizes[2] = {c->x, c->other};
    *o = (op){.err = NNCF_ERROR_INIT};
    o->status = nncf_model_create(context, &o->model, &o->err);
    if (o->status == NNCF_OK && c->kind == ATTENTION) {
        add_attention(o, c);
        return;
    }
    nncf_layer *layer = o->status == NNCF_OK ? add_layer(o, c) : NULL;
    if (o->status != NNCF_OK)
        return;
    stage *s = add_stage(o, layer, sizes, c->other[0] > 0 ? 2 : 1, own, NULL);
    if (c->kind == SUM) /* one array for all gradients, as PyTorch has it */
        s->dx[0].data = s->dx[1].data = s->dy.data;
    if (c->kind != EMBEDDING)
        return;
    int32_t *ids = s->x[0].data;
    s->wants_dx = false;
    s->x[0].dtype = NNCF_I32;
    for (int64_t i = 0, n = c->x[0] * c->x[1] * (c->x[2] > 0 ? c->x[2] : 1); i < n; i++)
        ids[i] = (int32_t)(i * 7919 % c->groups);
}

static void close_op(op *o)
{
    nncf_model_destroy(o->model);
    for (size_t i = 0; i < o->n_arrays; i++)
        free(o->arrays[i]);
}

static void run_forward(void *arg)
{
    op *o = arg;
    for (size_t i = 0; i < o->n_stages && o->status == NNCF_OK; i++) {
        stage *s = &o->stages[i];
        o->status = nncf_layer_forward(s->layer, s->x, s->n_x, &s->y, &o->err);
    }
}

/* What a training step does; some layers keep state for one backward only. */
static void run_both(void *arg)
{
    op *o = arg;
    run_forward(o);
    for (size_t i = o->n_stages; i-- > 0 && o->status == NNCF_OK;) {
        stage *s = &o->stages[i];
        o->status = nncf_layer_backward(
            s->layer, s->x, s->n_x, &s->dy, s->wants_dx ? s->dx : NULL, &o->err);
    }
}

static void put_sizes(const char *key, const int64_t sizes[4])
{
    double values[4];
    const int n = ndim_of(sizes);
    for (int i = 0; i < n; i++)
        values[i] = (double)sizes[i];
    json_numbers(key, values, (size_t)n);
}

static void print(
    const bench_options *options, const op_case *c, const char *pass, const bench_contender *k)
{
    json_begin("ops");
    json_text("who", "nncf");
    json_text("layer", c->layer);
    json_text("net", c->net);
    json_text("pass", pass);
    json_int("threads", options->threads);
    put_sizes("x", c->x);
    put_sizes("other", c->other);
    json_int("out", c->out);
    json_int("kernel", c->kernel);
    json_int("stride", c->stride);
    json_int("padding", c->padding);
    json_int("padding_end", c->padding_end);
    json_int("ceil", c->ceil);
    json_int("groups", c->groups);
    json_times(&k->times);
    json_end();
}

int ops_mode(const bench_options *options)
{
    enum { CASES = sizeof cases / sizeof *cases };
    const nncf_context_params params = {
        NNCF_PARAMS(nncf_context_params), .seed = 1, .n_threads = (int32_t)options->threads};
    nncf_context *context = NULL;
    nncf_status status = nncf_context_create(NNCF_API_VERSION, &params, &context, NULL);
    for (size_t i = 0; i < CASES && status == NNCF_OK; i++) {
        op o;
        if (strstr(cases[i].layer, options->only) == NULL ||
            (options->quick && strcmp(cases[i].net, "larger") == 0))
            continue;
        open_op(&o, context, &cases[i]);
        bench_contender k[2] = {{.who = "forward", .run = run_forward, .arg = &o},
            {.who = "both", .run = run_both, .arg = &o}};
        if (o.status == NNCF_OK)
            bench_contest(options, k, 2);
        for (int j = 0; j < 2 && o.status == NNCF_OK; j++)
            print(options, &cases[i], k[j].who, &k[j]);
        if ((status = o.status) != NNCF_OK)
            fprintf(stderr, "nncf-bench: %s: %s\n", cases[i].layer, o.err.message);
        bench_times_free(k, 2);
        close_op(&o);
    }
    nncf_context_destroy(context);
    return status == NNCF_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
