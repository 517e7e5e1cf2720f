/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small network with every kind of layer that the export knows, on public headers only: strided
 * and depthwise convolutions with batch norm, a residual sum, every pool, two linear layers.
 * Weights and images are pseudo-random.
 */
#ifndef ONNX_FIXTURE_H
#define ONNX_FIXTURE_H

#include <nncf/nncf.h>

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ON_LAYERS = 12,
    ON_BATCH = 16,
    ON_IMAGE = 2 * 12 * 12,
    ON_CLASSES = 5,
    ON_WEIGHT_LAYERS = 6
};

typedef struct on_net {
    nncf_context *context;
    nncf_config *config;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    nncf_layer *layers[ON_LAYERS];
    int n_layers;
    int inputs[ON_LAYERS][2]; /* -1: the model's input, or no second one */
    float *buffers[64];
    size_t n_buffers;
    float *values[ON_LAYERS]; /* outputs */
    int64_t shapes[ON_LAYERS][4];
    int32_t ndims[ON_LAYERS];
    float images[ON_BATCH * ON_IMAGE];
    int64_t image_shape[4]; /* of all of them */
    int32_t image_ndim;
    bool sized; /* the export is told the image's size */
    bool plain_norm; /* batch norm without gamma and beta */
    uint64_t random;
} on_net;

/* An LCG (Knuth's constants), top bits, in [-1, 1). */
static inline double on_uniform(on_net *n)
{
    n->random = n->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(n->random >> 11) * 0x1p-52 - 1;
}

static inline float *on_floats(on_net *n, size_t count, double scale, double offset)
{
    float *x = calloc(count, sizeof *x);
    if (!x)
        abort();
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(offset + scale * on_uniform(n));
    n->buffers[n->n_buffers++] = x;
    return x;
}

static inline void on_must(nncf_status status, const nncf_error *err)
{
    if (status != NNCF_OK) {
        fprintf(stderr, "%s: %s\n", nncf_status_name(status), err->message);
        abort();
    }
}

static inline void on_conv(on_net *n, int i, const char *scope, int input, int64_t in, int64_t out,
    int kernel, int stride, int padding, int groups, int activation, bool norm, bool bias)
{
    nncf_error err = NNCF_ERROR_INIT;
    const size_t weights = (size_t)(out * (in / groups) * kernel * kernel);
    nncf_batch_norm_params bn = {NNCF_PARAMS(nncf_batch_norm_params)};
    if (norm && !n->plain_norm) { /* a gamma that is negative and one that is 0, as training may
                                     leave them */
        bn.weight = on_floats(n, (size_t)out, 0.5, 1);
        bn.weight[0] = -0.75f;
        bn.weight[1] = 0;
        bn.bias = on_floats(n, (size_t)out, 0.5, 0.3);
    }
    if (norm) {
        bn.running_mean = on_floats(n, (size_t)out, 0.1, 0);
        bn.running_var = on_floats(n, (size_t)out, 0.4, 0.8);
    }
    const nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = scope,
        .weight = on_floats(n, weights, 1.5 * sqrt((double)out / (double)weights), 0),
        .bias = bias ? on_floats(n, (size_t)out, 0.2, 0) : NULL, .in_channels = in,
        .out_channels = out, .kernel = {kernel, kernel}, .stride = {stride, stride},
        .padding = {padding, padding}, .groups = groups, .activation = activation,
        .batch_norm = norm ? &bn : NULL, .inputs = input < 0 ? NULL : &n->layers[input],
        .n_inputs = input < 0 ? 0 : 1};
    on_must(nncf_model_add_conv2d(n->model, &p, &n->layers[i], &err), &err);
    n->inputs[i][0] = input;
    n->n_layers = i + 1;
}

static inline void on_pool(
    on_net *n, int i, const char *scope, int input, int kind, int kernel, int stride, int padding)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = scope, .kind = kind,
        .kernel = {kernel, kernel}, .stride = {stride, stride}, .padding = {padding, padding},
        .inputs = input < 0 ? NULL : &n->layers[input], .n_inputs = input < 0 ? 0 : 1};
    on_must(nncf_model_add_pool2d(n->model, &p, &n->layers[i], &err), &err);
    n->inputs[i][0] = input;
    n->n_layers = i + 1;
}

static inline void on_transposed(
    on_net *n, int i, const char *scope, int input, int64_t in, int64_t out, bool norm)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_batch_norm_params bn = {NNCF_PARAMS(nncf_batch_norm_params),
        .weight = on_floats(n, (size_t)out, 0.5, 1), .bias = on_floats(n, (size_t)out, 0.5, 0.3),
        .running_mean = on_floats(n, (size_t)out, 0.1, 0),
        .running_var = on_floats(n, (size_t)out, 0.4, 0.8)};
    const int32_t groups = norm ? 1 : 2;
    const nncf_conv_transpose2d_params p = {NNCF_PARAMS(nncf_conv_transpose2d_params),
        .scope = scope, .weight = on_floats(n, (size_t)(in * out / groups * 9), 0.4, 0),
        .bias = on_floats(n, (size_t)out, 0.2, 0), .in_channels = in, .out_channels = out,
        .kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}, .output_padding = {norm, norm},
        .groups = groups, .activation = norm ? NNCF_ACTIVATION_RELU : NNCF_ACTIVATION_NONE,
        .batch_norm = norm ? &bn : NULL, .inputs = &n->layers[input], .n_inputs = 1};
    on_must(nncf_model_add_conv_transpose2d(n->model, &p, &n->layers[i], &err), &err);
    n->inputs[i][0] = input;
    n->n_layers = i + 1;
}

static inline void on_linear(
    on_net *n, int i, const char *scope, int input, int64_t in, int64_t out, int activation)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = scope,
        .weight = on_floats(n, (size_t)(in * out), 1.5 / sqrt((double)in), 0),
        .bias = on_floats(n, (size_t)out, 0.3, 0), .in_features = in, .out_features = out,
        .activation = activation, .inputs = input < 0 ? NULL : &n->layers[input],
        .n_inputs = input < 0 ? 0 : 1};
    on_must(nncf_model_add_linear(n->model, &p, &n->layers[i], &err), &err);
    n->inputs[i][0] = input;
    n->n_layers = i + 1;
}

/* Inputs -1: registered without them. */
static inline void on_add(
    on_net *n, int i, const char *scope, int first, int second, int activation)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *const pair[2] = {
        n->layers[first < 0 ? 0 : first], n->layers[second < 0 ? 0 : second]};
    const nncf_sum_params p = {NNCF_PARAMS(nncf_sum_params), .scope = scope,
        .activation = activation, .inputs = first < 0 ? NULL : pair, .n_inputs = first < 0 ? 0 : 2};
    on_must(nncf_model_add_sum(n->model, &p, &n->layers[i], &err), &err);
    n->inputs[i][0] = first;
    n->inputs[i][1] = second;
    n->n_layers = i + 1;
}

static inline nncf_tensor on_view(
    const on_net *n, int node, float *images, int64_t batch, int64_t shape[4])
{
    const int64_t *from = node < 0 ? n->image_shape : n->shapes[node];
    memcpy(shape, from, 4 * sizeof *shape);
    shape[0] = batch;
    return (nncf_tensor){.data = node < 0 ? images : n->values[node],
        .dtype = NNCF_F32,
        .ndim = node < 0 ? n->image_ndim : n->ndims[node],
        .shape = shape};
}

static inline void on_forward(on_net *n, float *images, int64_t batch)
{
    for (int i = 0; i < n->n_layers; i++) {
        int64_t shapes[2][4];
        nncf_tensor x[2];
        nncf_error err = NNCF_ERROR_INIT;
        for (int j = 0; j < 2; j++)
            x[j] = on_view(n, n->inputs[i][n->inputs[i][1] >= 0 ? j : 0], images, batch, shapes[j]);
        on_must(nncf_layer_get_output_shape(n->layers[i], x, n->inputs[i][1] >= 0 ? 2 : 1,
                    n->shapes[i], 4, &n->ndims[i], NULL),
            &err);
        nncf_tensor y = {
            .data = n->values[i], .dtype = NNCF_F32, .ndim = n->ndims[i], .shape = n->shapes[i]};
        on_must(nncf_layer_forward(n->layers[i], x, n->inputs[i][1] >= 0 ? 2 : 1, &y, NULL), &err);
    }
}

/* Pools and a convolution that are padded on one side, and round up: as YOLO's tiny nets and
 * SqueezeNet have them. */
static inline void on_one_sided(on_net *n)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_conv2d_params conv = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[0]",
        .weight = on_floats(n, 6 * 2 * 3 * 3, 0.4, 0), .bias = on_floats(n, 6, 0.2, 0),
        .in_channels = 2, .out_channels = 6, .kernel = {3, 3}, .stride = {2, 2},
        .padding_end = {1, 1}, .activation = NNCF_ACTIVATION_LEAKY_RELU};
    on_must(nncf_model_add_conv2d(n->model, &conv, &n->layers[0], &err), &err);
    n->inputs[0][0] = -1;
    const nncf_pool2d_params pools[3] = {
        {NNCF_PARAMS(nncf_pool2d_params), .scope = "Net/MaxPool2d[0]", .kind = NNCF_POOL_MAX,
            .kernel = {2, 2}, .stride = {1, 1}, .padding_end = {1, 1}, .inputs = &n->layers[0],
            .n_inputs = 1},
        {NNCF_PARAMS(nncf_pool2d_params), .scope = "Net/MaxPool2d[1]", .kind = NNCF_POOL_MAX,
            .kernel = {3, 3}, .stride = {2, 2}, .flags = NNCF_OP_FLAG_CEIL, .inputs = &n->layers[1],
            .n_inputs = 1},
        {NNCF_PARAMS(nncf_pool2d_params), .scope = "Net/AvgPool2d[0]", .kind = NNCF_POOL_AVERAGE,
            .kernel = {2, 3}, .stride = {2, 2}, .padding = {0, 1}, .padding_end = {1, -1},
            .flags = NNCF_OP_FLAG_CEIL | NNCF_OP_FLAG_EXCLUDE_PADDING, .inputs = &n->layers[2],
            .n_inputs = 1}};
    for (int i = 0; i < 3; i++) {
        on_must(nncf_model_add_pool2d(n->model, &pools[i], &n->layers[1 + i], &err), &err);
        n->inputs[1 + i][0] = i;
    }
    on_linear(n, 4, "Net/Linear[0]", 3, 6 * 2 * 2, ON_CLASSES, NNCF_ACTIVATION_NONE);
}

static const char *const on_scopes[ON_LAYERS] = {"Net/Block[a]/Conv2d[0]", "Net/Block[b]/Conv2d[0]",
    "Net/Block[b]/Conv2d[1]", "Net/__add___0", "Net/MaxPool2d[0]", "Net/Block[c]/Conv2d[0]",
    "Net/AvgPool2d[0]", "Net/mean_0", "Net/mean_1", "Net/AdaptiveAvgPool2d[0]", "Net/Linear[0]",
    "Net/Linear[1]"};

/* Scopes that clash with the export's own names, or would after whatever is done to them; and names
 * of the input and the output beside them. The last layer is the model's output. */
typedef struct on_naming {
    const char *scopes[ON_LAYERS], *input, *output;
} on_naming;
static const on_naming on_namings[] = {
    {{"output", "input", "output::weight", "output::layer0", "a", "a::weight", "a::layer4",
         "input::layer1", "N", "a:", "output::layer0::weight", "nncf"},
        NULL, NULL},
    {{"a", "a::layer0", "a::weight::codes::x", "a::weight", "x", "x::product", "x::layer4", "y",
         "y::", "::", "::weight", "output"},
        "a::weight::codes", NULL},
    {{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"}, "l::input::codes", "l::weight"},
    {{"Conv", "Relu", "Gemm", "Add", "Conv/Conv", "Conv/Relu", "x/Add", "x", "x/Add/Add",
         "QuantizeLinear", "x/Add/Add/Add", "input"},
        NULL, "x/Add/Add::product"},
};
enum { ON_NAMINGS = sizeof on_namings / sizeof *on_namings };

/* A model without layers; allocator as the context's parameters say (nullable). */
static inline void on_begin(on_net *n, const char *config, const nncf_context_params *params)
{
    nncf_error err = NNCF_ERROR_INIT;
    static const int64_t image[4] = {ON_BATCH, 2, 12, 12};
    memset(n, 0, sizeof *n);
    n->random = 7;
    memcpy(n->image_shape, image, sizeof image);
    n->image_ndim = 4;
    for (int i = 0; i < ON_LAYERS; i++) {
        n->inputs[i][1] = -1;
        n->values[i] = on_floats(n, (size_t)ON_BATCH * 4 * 24 * 24, 0, 0);
    }
    for (size_t i = 0; i < sizeof n->images / sizeof *n->images; i++)
        n->images[i] = (float)(1.5 * on_uniform(n));
    on_must(nncf_context_create(NNCF_API_VERSION, params, &n->context, &err), &err);
    on_must(nncf_config_parse(n->context, "case", config, strlen(config), NULL, &n->config, &err),
        &err);
    on_must(nncf_model_create(n->context, &n->model, &err), &err);
}

/* The controller. `initialize`: run the quantizers' initialization, and then forward in eval mode
 * over the images. */
static inline void on_start(on_net *n, bool initialize)
{
    nncf_error err = NNCF_ERROR_INIT;
    int32_t more = 0;
    on_must(nncf_compression_ctrl_create(n->model, n->config, &n->ctrl, &err), &err);
    on_must(nncf_model_set_mode(n->model, NNCF_MODE_EVAL, NULL), &err);
    if (!initialize)
        return;
    for (;;) {
        on_must(nncf_compression_ctrl_init_step(n->ctrl, &more, NULL), &err);
        on_forward(n, n->images, ON_BATCH); /* the last one is with the ranges in place */
        if (!more)
            break;
    }
}

static inline void on_create_named(on_net *n, const char *const scopes[ON_LAYERS],
    const char *config, const nncf_context_params *params, bool initialize)
{
    on_begin(n, config, params);
    on_conv(n, 0, scopes[0], -1, 2, 8, 3, 1, 1, 1, NNCF_ACTIVATION_RELU6, true, false);
    on_conv(n, 1, scopes[1], 0, 8, 8, 3, 1, 1, 8, NNCF_ACTIVATION_RELU, true, true);
    on_conv(n, 2, scopes[2], 1, 8, 8, 1, 1, 0, 1, NNCF_ACTIVATION_NONE, true, false);
    on_add(n, 3, scopes[3], 0, 2, NNCF_ACTIVATION_NONE);
    on_pool(n, 4, scopes[4], 3, NNCF_POOL_MAX, 3, 2, 1);
    on_conv(n, 5, scopes[5], 4, 8, 16, 3, 2, 1, 2, NNCF_ACTIVATION_RELU, false, true);
    on_pool(n, 6, scopes[6], 5, NNCF_POOL_AVERAGE, 2, 1, 1);
    on_pool(n, 7, scopes[7], 6, NNCF_POOL_MEAN_COLUMNS, 0, 0, 0);
    on_pool(n, 8, scopes[8], 7, NNCF_POOL_MEAN_ROWS, 0, 0, 0);
    on_pool(n, 9, scopes[9], 8, NNCF_POOL_GLOBAL_AVERAGE, 0, 0, 0);
    on_linear(n, 10, scopes[10], 9, 16, 12, NNCF_ACTIVATION_RELU);
    on_linear(n, 11, scopes[11], 10, 12, ON_CLASSES, NNCF_ACTIVATION_NONE);
    on_start(n, initialize);
}

static inline void on_create(
    on_net *n, const char *config, const nncf_context_params *params, bool initialize)
{
    on_create_named(n, on_scopes, config, params, initialize);
}

static inline void on_destroy(on_net *n)
{
    nncf_compression_ctrl_destroy(n->ctrl);
    nncf_model_destroy(n->model);
    nncf_config_destroy(n->config);
    nncf_context_destroy(n->context);
    for (size_t i = 0; i < n->n_buffers; i++)
        free(n->buffers[i]);
}

/* Export with the images and the outputs of the last forward; names NULL: the default ones. */
static inline nncf_status on_export_named(const on_net *n, const char *path, int32_t format,
    int32_t fold, const char *input, const char *output, nncf_error *err)
{
    const int last = n->n_layers - 1;
    const nncf_tensor x = {.data = (void *)(uintptr_t)n->images,
        .dtype = NNCF_F32,
        .ndim = n->image_ndim,
        .shape = n->image_shape};
    nncf_tensor y = {.data = n->values[last],
        .dtype = NNCF_F32,
        .ndim = n->ndims[last],
        .shape = n->shapes[last]};
    const int64_t *size = n->image_shape;
    const nncf_onnx_params params = {NNCF_PARAMS(nncf_onnx_params), .format = format,
        .input_shape = {0, n->sized ? size[1] : 0, n->sized ? size[2] : 0, n->sized ? size[3] : 0},
        .fold_batch_norm = fold, .input_name = input, .output_name = output, .golden_input = &x,
        .golden_output = &y};
    return nncf_onnx_export(n->ctrl, path, &params, err);
}

static inline nncf_status on_export(
    const on_net *n, const char *path, int32_t format, int32_t fold, nncf_error *err)
{
    return on_export_named(n, path, format, fold, NULL, NULL, err);
}

/* ---- other models ---- */

/* Vectors in: a linear layer, its features as planes of one pixel for a convolution, a sum of
 * vectors. */
static inline void on_vectors(on_net *n)
{
    n->image_ndim = 2;
    n->image_shape[1] = 6;
    n->image_shape[2] = n->image_shape[3] = 1;
    on_linear(n, 0, "Net/Linear[0]", -1, 6, 8, NNCF_ACTIVATION_RELU6);
    on_linear(n, 1, "Net/Linear[1]", 0, 8, 8, NNCF_ACTIVATION_NONE);
    on_add(n, 2, "Net/__add___0", 0, 1, NNCF_ACTIVATION_RELU);
    n->plain_norm = true;
    on_conv(n, 3, "Net/Conv2d[0]", 2, 8, 12, 1, 1, 0, 1, NNCF_ACTIVATION_RELU, true, true);
    on_pool(n, 4, "Net/MaxPool2d[0]", 3, NNCF_POOL_MAX, 1, 1, 0);
    on_linear(n, 5, "Net/Linear[2]", 4, 12, ON_CLASSES, NNCF_ACTIVATION_NONE);
}

/* Planes in, that a pool reads first; a sum with an activation; planes flattened for a linear
 * layer. */
static inline void on_planes(on_net *n)
{
    on_pool(n, 0, "Net/MaxPool2d[0]", -1, NNCF_POOL_MAX, 2, 2, 0);
    on_conv(n, 1, "Net/Conv2d[0]", 0, 2, 8, 3, 1, 1, 1, NNCF_ACTIVATION_NONE, false, false);
    on_conv(n, 2, "Net/Conv2d[1]", 1, 8, 8, 3, 1, 1, 1, NNCF_ACTIVATION_NONE, false, true);
    on_add(n, 3, "Net/__add___0", 1, 2, NNCF_ACTIVATION_RELU);
    on_conv(n, 4, "Net/Conv2d[2]", 3, 8, 4, 3, 2, 1, 1, NNCF_ACTIVATION_RELU, true, false);
    on_linear(n, 5, "Net/Linear[0]", 4, 4 * 3 * 3, ON_CLASSES, NNCF_ACTIVATION_NONE);
}

static inline void on_activation(on_net *n, int i, const char *scope, int input, int activation)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_activation_params p = {NNCF_PARAMS(nncf_activation_params), .scope = scope,
        .activation = activation, .inputs = &n->layers[input], .n_inputs = 1};
    on_must(nncf_model_add_activation(n->model, &p, &n->layers[i], &err), &err);
    n->inputs[i][0] = input;
    n->n_layers = i + 1;
}

/* Activations from `first` on: of a convolution, and as layers of their own; one of a sum. */
static inline void on_activations(on_net *n, int first)
{
    static const char *const scopes[10] = {"Net/Conv2d[0]", "Net/Act[0]/f_0", "Net/Conv2d[1]",
        "Net/Act[1]/f_0", "Net/Conv2d[2]", "Net/Act[2]/f_0", "Net/Conv2d[3]", "Net/Act[3]/f_0",
        "Net/Conv2d[4]", "Net/Act[4]/f_0"};
    for (int i = 0; i < 5; i++) {
        const int activation = first + i;
        on_conv(n, 2 * i, scopes[2 * i], 2 * i - 1, i == 0 ? 2 : 6, 6, 3, 1, 1, 1, activation,
            i % 2 == 0, true);
        on_activation(n, 2 * i + 1, scopes[2 * i + 1], 2 * i, activation);
    }
    on_add(n, 10, "Net/__add___0", 9, 8, first);
    on_linear(n, 11, "Net/Linear[0]", 10, 6 * 12 * 12, ON_CLASSES, first + 1);
}

static inline void on_smooth_a(on_net *n)
{
    on_activations(n, NNCF_ACTIVATION_LEAKY_RELU);
}

static inline void on_smooth_b(on_net *n)
{
    on_activations(n, NNCF_ACTIVATION_SILU);
}

/* Layers without parameters of their own. */
#define ON_PLAIN(kind)                                                                             \
    static inline void on_##kind(on_net *n, int i, const char *scope, int first, int second)       \
    {                                                                                              \
        nncf_error err = NNCF_ERROR_INIT;                                                          \
        nncf_layer *const read[2] = {n->layers[first], n->layers[second < 0 ? 0 : second]};        \
        const nncf_##kind##_params p = {NNCF_PARAMS(nncf_##kind##_params), .scope = scope,         \
            .inputs = read, .n_inputs = second < 0 ? 1 : 2};                                       \
        on_must(nncf_model_add_##kind(n->model, &p, &n->layers[i], &err), &err);                   \
        n->inputs[i][0] = first;                                                                   \
        n->inputs[i][1] = second;                                                                  \
        n->n_layers = i + 1;                                                                       \
    }
ON_PLAIN(concat)
ON_PLAIN(multiply)
ON_PLAIN(softmax)

static inline void on_upsample(on_net *n, int i, const char *scope, int input, int kind)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_upsample_params p = {NNCF_PARAMS(nncf_upsample_params), .scope = scope, .kind = kind,
        .factor = {2, 2}, .inputs = &n->layers[input], .n_inputs = 1};
    on_must(nncf_model_add_upsample(n->model, &p, &n->layers[i], &err), &err);
    n->inputs[i][0] = input;
    n->n_layers = i + 1;
}

/* Upsampling both ways, concatenation, squeeze and excite, softmax. */
static inline void on_detector(on_net *n)
{
    on_conv(n, 0, "Net/Conv2d[0]", -1, 2, 6, 3, 1, 1, 1, NNCF_ACTIVATION_SILU, true, false);
    on_pool(n, 1, "Net/MaxPool2d[0]", 0, NNCF_POOL_MAX, 2, 2, 0);
    on_conv(n, 2, "Net/Conv2d[1]", 1, 6, 4, 3, 1, 1, 1, NNCF_ACTIVATION_LEAKY_RELU, true, false);
    on_upsample(n, 3, "Net/interpolate_0", 2, NNCF_UPSAMPLE_NEAREST);
    on_concat(n, 4, "Net/cat_0", 0, 3);
    on_upsample(n, 5, "Net/interpolate_1", 2, NNCF_UPSAMPLE_BILINEAR);
    on_pool(n, 6, "Net/AdaptiveAvgPool2d[0]", 4, NNCF_POOL_GLOBAL_AVERAGE, 0, 0, 0);
    on_linear(n, 7, "Net/Linear[0]", 6, 10, 10, NNCF_ACTIVATION_HARD_SIGMOID);
    on_multiply(n, 8, "Net/__mul___0", 4, 7);
    on_concat(n, 9, "Net/cat_1", 8, 5);
    on_linear(n, 10, "Net/Linear[1]", 9, 14 * 12 * 12, ON_CLASSES, NNCF_ACTIVATION_NONE);
    on_softmax(n, 11, "Net/softmax_0", 10, -1);
}

static inline void on_layer_norm(on_net *n, int i, const char *scope, int input, int64_t size)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_layer_norm_params p = {NNCF_PARAMS(nncf_layer_norm_params), .scope = scope,
        .size = size, .weight = on_floats(n, (size_t)size, 0.5, 1),
        .bias = on_floats(n, (size_t)size, 0.3, 0), .inputs = &n->layers[input], .n_inputs = 1};
    on_must(nncf_model_add_layer_norm(n->model, &p, &n->layers[i], &err), &err);
    n->inputs[i][0] = input;
    n->n_layers = i + 1;
}

static inline void on_matmul(
    on_net *n, int i, const char *scope, int first, int second, int transposed, float factor)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *const read[2] = {n->layers[first], n->layers[second]};
    const nncf_matmul_params p = {NNCF_PARAMS(nncf_matmul_params), .scope = scope,
        .transpose_b = transposed, .factor = factor, .inputs = read, .n_inputs = 2};
    on_must(nncf_model_add_matmul(n->model, &p, &n->layers[i], &err), &err);
    n->inputs[i][0] = first;
    n->inputs[i][1] = second;
    n->n_layers = i + 1;
}

/* A UNet of one step. */
static inline void on_unet(on_net *n)
{
    on_conv(n, 0, "Net/Conv2d[0]", -1, 2, 6, 3, 1, 1, 1, NNCF_ACTIVATION_RELU, true, false);
    on_pool(n, 1, "Net/MaxPool2d[0]", 0, NNCF_POOL_MAX, 2, 2, 0);
    on_conv(n, 2, "Net/Conv2d[1]", 1, 6, 8, 3, 1, 1, 1, NNCF_ACTIVATION_RELU, true, false);
    on_transposed(n, 3, "Net/ConvTranspose2d[0]", 2, 8, 6, true);
    on_concat(n, 4, "Net/cat_0", 0, 3);
    on_conv(n, 5, "Net/Conv2d[2]", 4, 12, 6, 1, 1, 0, 1, NNCF_ACTIVATION_NONE, false, true);
    on_transposed(n, 6, "Net/ConvTranspose2d[1]", 5, 6, 4, false);
    on_linear(n, 7, "Net/Linear[0]", 6, 4 * 23 * 23, ON_CLASSES, NNCF_ACTIVATION_NONE);
}

/* Slopes; a norm in groups; a dropout. */
static inline void on_prelu(on_net *n, int i, const char *scope, int input, int64_t count)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_prelu_params p = {NNCF_PARAMS(nncf_prelu_params), .scope = scope,
        .weight = on_floats(n, (size_t)count, 0.5, 0.1), .count = count,
        .inputs = &n->layers[input], .n_inputs = 1};
    on_must(nncf_model_add_prelu(n->model, &p, &n->layers[i], &err), &err);
    n->inputs[i][0] = input;
    n->n_layers = i + 1;
}

static inline void on_group_norm(
    on_net *n, int i, const char *scope, int input, int64_t channels, int groups)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_group_norm_params p = {NNCF_PARAMS(nncf_group_norm_params), .scope = scope,
        .channels = channels, .weight = on_floats(n, (size_t)channels, 0.5, 1),
        .bias = on_floats(n, (size_t)channels, 0.3, 0), .groups = groups,
        .inputs = &n->layers[input], .n_inputs = 1};
    on_must(nncf_model_add_group_norm(n->model, &p, &n->layers[i], &err), &err);
    n->inputs[i][0] = input;
    n->n_layers = i + 1;
}

static inline void on_dropout(on_net *n, int i, const char *scope, int input)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_dropout_params p = {NNCF_PARAMS(nncf_dropout_params), .scope = scope, .p = 0.5f,
        .inputs = &n->layers[input], .n_inputs = 1};
    on_must(nncf_model_add_dropout(n->model, &p, &n->layers[i], &err), &err);
    n->inputs[i][0] = input;
    n->n_layers = i + 1;
}

/* A block of a residual net as detectors with small batches have it. */
static inline void on_norms(on_net *n)
{
    n->sized = true;
    on_conv(n, 0, "Net/Conv2d[0]", -1, 2, 6, 3, 1, 1, 1, NNCF_ACTIVATION_NONE, false, true);
    on_group_norm(n, 1, "Net/GroupNorm[0]", 0, 6, 2);
    on_prelu(n, 2, "Net/PReLU[0]", 1, 6);
    on_dropout(n, 3, "Net/Dropout[0]", 2);
    on_conv(n, 4, "Net/Conv2d[1]", 3, 6, 6, 3, 2, 1, 1, NNCF_ACTIVATION_NONE, true, false);
    on_prelu(n, 5, "Net/PReLU[1]", 4, 1);
    on_linear(n, 6, "Net/Linear[0]", 5, 6 * 6 * 6, ON_CLASSES, NNCF_ACTIVATION_NONE);
    on_dropout(n, 7, "Net/Dropout[1]", 6);
}

/* A block of a transformer over (N,T,C). */
static inline void on_transformer(on_net *n)
{
    n->image_ndim = 3;
    n->image_shape[1] = 12;
    n->image_shape[2] = 24;
    n->image_shape[3] = 1;
    on_linear(n, 0, "Net/Linear[0]", -1, 24, 16, NNCF_ACTIVATION_NONE);
    on_layer_norm(n, 1, "Net/LayerNorm[0]", 0, 16);
    on_linear(n, 2, "Net/Linear[q]", 1, 16, 8, NNCF_ACTIVATION_NONE);
    on_linear(n, 3, "Net/Linear[k]", 1, 16, 8, NNCF_ACTIVATION_NONE);
    on_linear(n, 4, "Net/Linear[v]", 1, 16, 8, NNCF_ACTIVATION_NONE);
    on_matmul(n, 5, "Net/matmul_0", 2, 3, 1, 0.35f);
    on_softmax(n, 6, "Net/softmax_0", 5, -1);
    on_matmul(n, 7, "Net/matmul_1", 6, 4, 0, 1);
    on_linear(n, 8, "Net/Linear[1]", 7, 8, 16, NNCF_ACTIVATION_GELU);
    on_add(n, 9, "Net/__add___0", 0, 8, NNCF_ACTIVATION_NONE);
    on_layer_norm(n, 10, "Net/LayerNorm[1]", 9, 16);
    on_linear(n, 11, "Net/Linear[2]", 10, 16, ON_CLASSES, NNCF_ACTIVATION_NONE);
}

static inline void on_split(on_net *n, int i, const char *scope, int input, int heads, int merge)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_heads_params p = {NNCF_PARAMS(nncf_heads_params), .scope = scope, .heads = heads,
        .merge = merge, .inputs = &n->layers[input], .n_inputs = 1};
    on_must(nncf_model_add_heads(n->model, &p, &n->layers[i], &err), &err);
    n->inputs[i][0] = input;
    n->n_layers = i + 1;
}

/* Causal attention of two heads over (N,T,C). */
static inline void on_heads(on_net *n)
{
    nncf_error err = NNCF_ERROR_INIT;
    n->sized = true;
    n->image_ndim = 3;
    n->image_shape[1] = 12;
    n->image_shape[2] = 24;
    n->image_shape[3] = 0;
    on_linear(n, 0, "Net/Linear[0]", -1, 24, 16, NNCF_ACTIVATION_NONE);
    on_linear(n, 1, "Net/Linear[q]", 0, 16, 8, NNCF_ACTIVATION_NONE);
    on_linear(n, 2, "Net/Linear[k]", 0, 16, 8, NNCF_ACTIVATION_NONE);
    on_linear(n, 3, "Net/Linear[v]", 0, 16, 8, NNCF_ACTIVATION_NONE);
    on_split(n, 4, "Net/transpose_0", 1, 2, 0);
    on_split(n, 5, "Net/transpose_1", 2, 2, 0);
    on_split(n, 6, "Net/transpose_2", 3, 2, 0);
    on_matmul(n, 7, "Net/matmul_0", 4, 5, 1, 0.5f);
    const nncf_softmax_params p = {NNCF_PARAMS(nncf_softmax_params), .scope = "Net/softmax_0",
        .causal = 1, .inputs = &n->layers[7], .n_inputs = 1};
    on_must(nncf_model_add_softmax(n->model, &p, &n->layers[8], &err), &err);
    n->inputs[8][0] = 7;
    on_matmul(n, 9, "Net/matmul_1", 8, 6, 0, 1);
    on_split(n, 10, "Net/transpose_3", 9, 2, 1);
    on_linear(n, 11, "Net/Linear[1]", 10, 8, ON_CLASSES, NNCF_ACTIVATION_NONE);
}

/* Functions that engines approximate in their own ways: near, not the same codes. */
static void (*const on_smooth[])(on_net *n) = {on_smooth_a, on_smooth_b, on_detector,
    on_transformer, on_one_sided, on_unet, on_norms, on_heads};
enum { ON_SMOOTH = sizeof on_smooth / sizeof *on_smooth };

static void (*const on_models[])(on_net *n) = {on_vectors, on_planes};
enum { ON_MODELS = sizeof on_models / sizeof *on_models };

/* ---- configs ---- */

typedef struct on_case {
    const char *name, *config;
} on_case;

#define ON_QUANTIZATION(weights, activations)                                                      \
    "{\"algorithm\":\"quantization\",\"initializer\":{\"num_init_steps\":1,\"type\":\"min_max\"}," \
    "\"weights\":{" weights "},\"activations\":{" activations "}}"
#define ON_CONFIG(algorithms)                                                                      \
    "{\"input_info\":{\"sample_size\":[1,2,12,12]},\"compression\":[" algorithms "]}"

static const on_case on_cases[] = {
    {"plain", ON_CONFIG("")},
    {"magnitude",
        ON_CONFIG("{\"algorithm\":\"magnitude_sparsity\",\"params\":{\"schedule\":\"multistep\","
                  "\"steps\":[1],"
                  "\"sparsity_levels\":[0.5,0.6]}}")},
    {"int8", ON_CONFIG(ON_QUANTIZATION("\"bits\":8", "\"bits\":8"))},
    {"int8_per_channel",
        ON_CONFIG(ON_QUANTIZATION("\"bits\":8,\"per_channel\":true", "\"bits\":8"))},
    {"asymmetric",
        ON_CONFIG(ON_QUANTIZATION("\"mode\":\"asymmetric\"", "\"mode\":\"asymmetric\""))},
    {"asymmetric_per_channel",
        ON_CONFIG(ON_QUANTIZATION(
            "\"mode\":\"asymmetric\",\"per_channel\":true", "\"mode\":\"asymmetric\""))},
    {"int4", ON_CONFIG(ON_QUANTIZATION("\"bits\":4", "\"bits\":4"))},
    {"int4_per_channel",
        ON_CONFIG(ON_QUANTIZATION("\"bits\":4,\"per_channel\":true", "\"bits\":4"))},
    {"int4_asymmetric",
        ON_CONFIG(ON_QUANTIZATION(
            "\"bits\":4,\"mode\":\"asymmetric\"", "\"bits\":4,\"mode\":\"asymmetric\""))},
    {"int2_weights", ON_CONFIG(ON_QUANTIZATION("\"bits\":2", "\"bits\":8"))},
    {"int8_activations_per_channel",
        ON_CONFIG(ON_QUANTIZATION("\"bits\":8", "\"bits\":8,\"per_channel\":true"))},
    {"rb_int8",
        ON_CONFIG("{\"algorithm\":\"rb_sparsity\"}," ON_QUANTIZATION("\"bits\":8", "\"bits\":8"))},
};
/* Placement by propagation. */
#define ON_PROPAGATION                                                                             \
    "{\"nncf_dialect\":\"1.7\",\"target_device\":\"NONE\",\"input_info\":{\"sample_size\":[1,2,"   \
    "12,12]},"                                                                                     \
    "\"compression\":{\"algorithm\":\"quantization\",\"initializer\":{\"range\":{\"num_init_"      \
    "samples\":16,"                                                                                \
    "\"type\":\"min_max\"},\"batchnorm_adaptation\":{\"num_bn_adaptation_samples\":0}}}}"
static const char *const on_model_configs[] = {
    ON_CONFIG(""), ON_CONFIG(ON_QUANTIZATION("\"bits\":4", "\"bits\":4")), ON_PROPAGATION};
static const char *const on_smooth_configs[] = {
    ON_CONFIG(""), ON_CONFIG(ON_QUANTIZATION("\"bits\":8", "\"bits\":8")), ON_PROPAGATION};
enum { ON_MODEL_CONFIGS = sizeof on_model_configs / sizeof *on_model_configs };
enum {
    ON_CASES = sizeof on_cases / sizeof *on_cases,
    ON_NAMED_CASE = 6 /* int4: every kind of node is there */
};

#endif
