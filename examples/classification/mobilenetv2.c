/* SPDX-License-Identifier: Apache-2.0 */
/* MobileNetV2 (Sandler et al. 2018), with the scopes of the model class in NNCF's sample and the
 * parameter names of torchvision's mobilenet_v2, so that configs and weights of either fit.
 * `stem_stride` 1 and not 2 is for images of about 32x32: with 2 the last blocks would see a single
 * pixel. There is no dropout before the classifier (torchvision has 0.2): quantization and masks
 * regularize enough in the short runs of a sample. */
#include "models.h"

#include <stdio.h>

#define ROOT     "MobileNetV2/"
#define FEATURES ROOT "Sequential[features]/"

/* The nearest multiple of 8, but not less than 90 % of what was asked for. */
static int64_t round_channels(double channels)
{
    int64_t rounded = (int64_t)(channels + 4.0) / 8 * 8;
    if (rounded < 8)
        rounded = 8;
    return (double)rounded < 0.9 * channels ? rounded + 8 : rounded;
}

typedef struct block {
    int index; /* in Sequential[features] */
    int64_t expand; /* factor */
    int64_t channels; /* of the output */
    int stride;
} block;

/* Convolution `position` of a block, counted as torchvision does: it keeps expand and depthwise in
 * a Sequential each (conv.0.0, conv.0.1), NNCF's class has all in one (Conv2d[0], BatchNorm2d[1],
 * ReLU6[2], Conv2d[3], ...). */
static int add_block_conv(net *n, const block *b, int position, net_layer_spec spec)
{
    char scope[128], name[64], batch_norm[64];
    bool project = spec.activation == NNCF_ACTIVATION_NONE;
    snprintf(scope, sizeof scope, FEATURES "InvertedResidual[%d]/Sequential[conv]/Conv2d[%d]",
        b->index, 3 * position);
    snprintf(name, sizeof name, project ? "features.%d.conv.%d" : "features.%d.conv.%d.0", b->index,
        position);
    if (project)
        snprintf(batch_norm, sizeof batch_norm, "features.%d.conv.%d", b->index, position + 1);
    else
        snprintf(batch_norm, sizeof batch_norm, "features.%d.conv.%d.1", b->index, position);
    spec.scope = scope;
    spec.name = name;
    spec.batch_norm = batch_norm;
    spec.init = NET_INIT_KAIMING;
    return net_add_conv(n, &spec);
}

static int add_block(net *n, const block *b, int input)
{
    int64_t in = net_channels(n, input), hidden = in * b->expand;
    int x = input, position = 0;
    if (b->expand != 1)
        x = add_block_conv(n, b, position++,
            (net_layer_spec){
                .input = x, .out = hidden, .kernel = 1, .activation = NNCF_ACTIVATION_RELU6});
    x = add_block_conv(n, b, position++,
        (net_layer_spec){.input = x,
            .out = hidden,
            .kernel = 3,
            .stride = b->stride,
            .padding = 1,
            .depthwise = true,
            .activation = NNCF_ACTIVATION_RELU6});
    x = add_block_conv(
        n, b, position, (net_layer_spec){.input = x, .out = b->channels, .kernel = 1});
    if (b->stride == 1 && in == b->channels) {
        char scope[96];
        snprintf(scope, sizeof scope, FEATURES "InvertedResidual[%d]/__add___0", b->index);
        x = net_add_sum(n, scope, input, x, NNCF_ACTIVATION_NONE);
    }
    return x;
}

void mobilenetv2_build(net *n, const model_settings *m, int64_t num_classes)
{
    static const struct {
        int expand, channels, count, stride;
    } stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1},
        {6, 160, 3, 2}, {6, 320, 1, 1}};
    int index = 1;
    int x = net_add_conv(n,
        &(net_layer_spec){.scope = FEATURES "Sequential[0]/Conv2d[0]",
            .name = "features.0.0",
            .batch_norm = "features.0.1",
            .input = NET_INPUT,
            .out = round_channels(32.0 * m->width_mult),
            .kernel = 3,
            .stride = (int)m->stem_stride,
            .padding = 1,
            .activation = NNCF_ACTIVATION_RELU6,
            .init = NET_INIT_KAIMING});
    for (size_t s = 0; s < sizeof stages / sizeof *stages; s++)
        for (int i = 0; i < stages[s].count; i++) {
            block b = {index++, stages[s].expand,
                round_channels(stages[s].channels * m->width_mult), i == 0 ? stages[s].stride : 1};
            x = add_block(n, &b, x);
        }
    x = net_add_conv(n,
        &(net_layer_spec){.scope = FEATURES "Sequential[18]/Conv2d[0]",
            .name = "features.18.0",
            .batch_norm = "features.18.1",
            .input = x,
            .out = round_channels(1280.0 * (m->width_mult > 1.0 ? m->width_mult : 1.0)),
            .kernel = 1,
            .activation = NNCF_ACTIVATION_RELU6,
            .init = NET_INIT_KAIMING});
    x = net_add_pool(n, ROOT "mean_0", x, NNCF_POOL_MEAN_COLUMNS, 0, 0,
        0); /* x.mean(3).mean(2), as NNCF's sample */
    x = net_add_pool(n, ROOT "mean_1", x, NNCF_POOL_MEAN_ROWS, 0, 0, 0);
    net_add_linear(n,
        &(net_layer_spec){.scope = ROOT "Sequential[classifier]/Linear[1]",
            .name = "classifier.1",
            .input = x,
            .out = num_classes,
            .bias = true,
            .init = NET_INIT_NORMAL});
}
