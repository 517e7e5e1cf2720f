/* SPDX-License-Identifier: Apache-2.0 */
/* MobileNetV2 as NNCF's sample of 1.0 had it and as torchvision has it, ResNet-18 and ResNet-50 of
 * torchvision. */
#include "models.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char models_names[] = "mobilenetv2 mobilenet_v2 resnet18 resnet50";

enum { NAME = 200, MOST = 26000000 }; /* ResNet-50 has 25.5 million weights */

typedef struct builder {
    nncf_model *model;
    float *weight, *statistics;
    nncf_status status; /* of the first call that failed; nothing is added after it */
    nncf_error *err;
} builder;

typedef struct block {
    char scope[NAME], norm[NAME], activation[NAME]; /* activation "": none */
    int32_t kind; /* NNCF_ACTIVATION_... */
    int64_t in, out;
    int32_t kernel, groups;
} block;

static void name(char out[NAME], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(out, NAME, format, args);
    va_end(args);
}

/* Each layer has its own: a plan tells layers that share a buffer. */
static float *next_weight(builder *b, int64_t count)
{
    float *weight = b->weight;
    b->weight += count;
    return weight;
}

/* Convolution, batch norm and activation, as one layer. */
static nncf_layer *add_block(builder *b, const block *d, nncf_layer *input)
{
    nncf_layer *layer = NULL;
    const nncf_batch_norm_params norm = {NNCF_PARAMS(nncf_batch_norm_params),
        .running_mean = b->statistics, .running_var = b->statistics, .scope = d->norm};
    const nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = d->scope,
        .weight = next_weight(b, d->out * (d->in / d->groups) * d->kernel * d->kernel),
        .in_channels = d->in, .out_channels = d->out, .kernel = {d->kernel, d->kernel},
        .groups = d->groups, .batch_norm = &norm,
        .activation = d->activation[0] ? d->kind : NNCF_ACTIVATION_NONE,
        .activation_scope = d->activation[0] ? d->activation : NULL, .inputs = &input,
        .n_inputs = input != NULL};
    if (b->status == NNCF_OK)
        b->status = nncf_model_add_conv2d(b->model, &p, &layer, b->err);
    return layer;
}

static nncf_layer *add_sum(
    builder *b, const char *scope, const char *activation, nncf_layer *first, nncf_layer *second)
{
    nncf_layer *layer = NULL, *const inputs[] = {first, second};
    const nncf_sum_params p = {NNCF_PARAMS(nncf_sum_params), .scope = scope,
        .activation = activation ? NNCF_ACTIVATION_RELU : NNCF_ACTIVATION_NONE,
        .activation_scope = activation, .inputs = inputs, .n_inputs = 2};
    if (b->status == NNCF_OK)
        b->status = nncf_model_add_sum(b->model, &p, &layer, b->err);
    return layer;
}

static nncf_layer *add_pool(builder *b, int32_t kind, const char *scope, nncf_layer *input)
{
    nncf_layer *layer = NULL;
    const int32_t kernel = kind == NNCF_POOL_MAX ? 2 : 0;
    const nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = scope, .kind = kind,
        .kernel = {kernel, kernel}, .inputs = &input, .n_inputs = 1};
    if (b->status == NNCF_OK)
        b->status = nncf_model_add_pool2d(b->model, &p, &layer, b->err);
    return layer;
}

static void add_linear(builder *b, const char *scope, int64_t in, int64_t out, nncf_layer *input)
{
    nncf_layer *layer = NULL;
    const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = scope,
        .weight = next_weight(b, in * out), .in_features = in, .out_features = out,
        .inputs = &input, .n_inputs = 1};
    if (b->status == NNCF_OK)
        b->status = nncf_model_add_linear(b->model, &p, &layer, b->err);
}

/* ---- MobileNetV2 ---- */

/* Part `index` of a Sequential: torchvision wraps its three modules, NNCF's sample lists them all.
 */
static nncf_layer *add_mobilenet_part(
    builder *b, bool sample, const char *parent, int index, const block *d, nncf_layer *x)
{
    block full = *d;
    char own[NAME];
    const int base = sample ? 3 * index : 0;
    if (sample)
        name(own, "%s", parent);
    else
        name(own, "%s/ConvBNReLU[%d]", parent, index);
    name(full.scope, "%s/Conv2d[%d]", own, base);
    name(full.norm, "%s/BatchNorm2d[%d]", own, base + 1);
    name(full.activation, "%s/ReLU6[%d]", own, base + 2);
    full.kind = NNCF_ACTIVATION_RELU6;
    return add_block(b, &full, x);
}

static nncf_layer *add_inverted_residual(builder *b, bool sample, const char *own, int64_t in,
    int64_t out, int expansion, bool adds, nncf_layer *x)
{
    char parent[NAME], sum[NAME];
    const int64_t hidden = in * expansion;
    nncf_layer *const input = x;
    int index = 0;
    name(parent, "%s/Sequential[conv]", own);
    const block expand = {.in = in, .out = hidden, .kernel = 1, .groups = 1};
    const block depthwise = {.in = hidden, .out = hidden, .kernel = 3, .groups = (int32_t)hidden};
    block project = {.in = hidden, .out = out, .kernel = 1, .groups = 1};
    if (expansion > 1)
        x = add_mobilenet_part(b, sample, parent, index++, &expand, x);
    x = add_mobilenet_part(b, sample, parent, index++, &depthwise, x);
    index = sample ? 3 * index : index;
    name(project.scope, "%s/Conv2d[%d]", parent, index);
    name(project.norm, "%s/BatchNorm2d[%d]", parent, index + 1);
    x = add_block(b, &project, x);
    name(sum, "%s/__add___0", own);
    return adds ? add_sum(b, sum, NULL, input, x) : x;
}

static void build_mobilenet_v2(builder *b, bool sample)
{
    static const int stages[7][3] = {{1, 16, 1}, {6, 24, 2}, {6, 32, 3}, {6, 64, 4}, {6, 96, 3},
        {6, 160, 3}, {6, 320, 1}}; /* expansion, channels, blocks */
    static const char features[] = "MobileNetV2/Sequential[features]";
    const block first = {.in = 3, .out = 32, .kernel = 3, .groups = 1};
    const block last = {.in = 320, .out = 1280, .kernel = 1, .groups = 1};
    char own[NAME];
    int64_t in = 32;
    int at = 1;
    name(own, "%s/Sequential[0]", features);
    nncf_layer *x = add_mobilenet_part(b, sample, sample ? own : features, 0, &first, NULL);
    for (int i = 0; i < 7; i++) {
        for (int j = 0; j < stages[i][2]; j++, at++) {
            name(own, "%s/InvertedResidual[%d]", features, at);
            x = add_inverted_residual(b, sample, own, in, stages[i][1], stages[i][0], j > 0, x);
            in = stages[i][1];
        }
    }
    name(own, "%s/Sequential[18]", features);
    x = add_mobilenet_part(b, sample, sample ? own : features, sample ? 0 : 18, &last, x);
    if (sample) {
        x = add_pool(b, NNCF_POOL_MEAN_COLUMNS, "MobileNetV2/mean_0", x);
        x = add_pool(b, NNCF_POOL_MEAN_ROWS, "MobileNetV2/mean_1", x);
    } else {
        x = add_pool(b, NNCF_POOL_GLOBAL_AVERAGE, "MobileNetV2/adaptive_avg_pool2d_0", x);
    }
    add_linear(b, "MobileNetV2/Sequential[classifier]/Linear[1]", 1280, 1000, x);
}

/* ---- ResNet ---- */

static nncf_layer *add_residual(builder *b, const char *own, bool bottleneck, int64_t in,
    int64_t width, bool projects, nncf_layer *x)
{
    const int n = bottleneck ? 3 : 2;
    const int64_t out = bottleneck ? 4 * width : width;
    nncf_layer *y = x, *shortcut = x;
    for (int i = 0; i < n; i++) {
        block d = {.kind = NNCF_ACTIVATION_RELU, .groups = 1};
        name(d.scope, "%s/Conv2d[conv%d]", own, i + 1);
        name(d.norm, "%s/BatchNorm2d[bn%d]", own, i + 1);
        if (i + 1 < n)
            name(d.activation, "%s/ReLU[relu]/RELU_%d", own, i);
        d.in = i == 0 ? in : width;
        d.out = i + 1 == n ? out : width;
        d.kernel = bottleneck && i != 1 ? 1 : 3;
        y = add_block(b, &d, y);
    }
    if (projects) {
        block d = {.in = in, .out = out, .kernel = 1, .groups = 1};
        name(d.scope, "%s/Sequential[downsample]/Conv2d[0]", own);
        name(d.norm, "%s/Sequential[downsample]/BatchNorm2d[1]", own);
        shortcut = add_block(b, &d, x);
    }
    char sum[NAME], activation[NAME];
    name(sum, "%s/__iadd___0", own);
    name(activation, "%s/ReLU[relu]/RELU_%d", own, n - 1);
    return add_sum(b, sum, activation, y, shortcut);
}

static void build_resnet(builder *b, bool deep)
{
    static const int repeats[2][4] = {{2, 2, 2, 2}, {3, 4, 6, 3}};
    const block stem = {"ResNet/Conv2d[conv1]", "ResNet/BatchNorm2d[bn1]",
        "ResNet/ReLU[relu]/RELU_0", NNCF_ACTIVATION_RELU, 3, 64, 7, 1};
    nncf_layer *x = add_block(b, &stem, NULL);
    x = add_pool(b, NNCF_POOL_MAX, "ResNet/MaxPool2d[maxpool]/max_pool2d_0", x);
    int64_t in = 64;
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < repeats[deep][i]; j++) {
            const int64_t width = (int64_t)64 << i, out = deep ? 4 * width : width;
            char own[NAME];
            name(own, "ResNet/Sequential[layer%d]/%s[%d]", i + 1,
                deep ? "Bottleneck" : "BasicBlock", j);
            x = add_residual(b, own, deep, in, width, j == 0 && (i > 0 || in != out), x);
            in = out;
        }
    }
    x = add_pool(
        b, NNCF_POOL_GLOBAL_AVERAGE, "ResNet/AdaptiveAvgPool2d[avgpool]/adaptive_avg_pool2d_0", x);
    add_linear(b, "ResNet/Linear[fc]", in, 1000, x);
}

nncf_status models_create(nncf_context *context, const char *model_name, nncf_model **model,
    float **weight, nncf_error *err)
{
    builder b = {.err = err};
    nncf_model *made = NULL;
    float *buffer = calloc(MOST + 2048, sizeof(*buffer)); /* pages that nobody touches */
    b.status = buffer ? nncf_model_create(context, &made, err) : NNCF_E_NOMEM;
    b.model = made;
    b.weight = buffer;
    b.statistics = buffer + MOST;
    if (strcmp(model_name, "mobilenetv2") == 0)
        build_mobilenet_v2(&b, true);
    else if (strcmp(model_name, "mobilenet_v2") == 0)
        build_mobilenet_v2(&b, false);
    else if (strcmp(model_name, "resnet18") == 0)
        build_resnet(&b, false);
    else if (strcmp(model_name, "resnet50") == 0)
        build_resnet(&b, true);
    else
        b.status = NNCF_E_NOTFOUND;
    if (b.status != NNCF_OK) {
        nncf_model_destroy(made);
        free(buffer);
        return b.status;
    }
    *model = made;
    *weight = buffer;
    return NNCF_OK;
}
