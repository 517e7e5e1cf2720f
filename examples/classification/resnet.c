/* SPDX-License-Identifier: Apache-2.0 */
/* ResNet-18 and ResNet-50 (He et al. 2015) with torchvision's scopes and parameter names; as there,
 * a stage of ResNet-50 strides in the 3x3 convolution of its first block. `stem_stride` 1 is the
 * usual change for images of about 32x32: a 3x3 first convolution without stride and no max
 * pooling. `width_mult` scales the channels of every convolution, to multiples of 8. */
#include "models.h"

#include <stdio.h>

static int add_conv(net *n, const char *block_scope, const char *block_name, const char *conv,
    const char *conv_name, const char *batch_norm, net_layer_spec spec)
{
    char scope[128], name[64], norm[64];
    snprintf(scope, sizeof scope, "%s/%s", block_scope, conv);
    snprintf(name, sizeof name, "%s.%s", block_name, conv_name);
    snprintf(norm, sizeof norm, "%s.%s", block_name, batch_norm);
    spec.scope = scope;
    spec.name = name;
    spec.batch_norm = norm;
    spec.init = NET_INIT_KAIMING;
    return net_add_conv(n, &spec);
}

static int64_t scale_channels(int64_t channels, double width_mult)
{
    int64_t scaled = (int64_t)((double)channels * width_mult + 4.0) / 8 * 8;
    return scaled < 8 ? 8 : scaled;
}

/* 1x1 where the block changes the shape, else the block's own input. */
static int add_shortcut(
    net *n, const char *scope, const char *name, int64_t channels, int stride, int input)
{
    if (stride == 1 && net_channels(n, input) == channels)
        return input;
    return add_conv(n, scope, name, "Sequential[downsample]/Conv2d[0]", "downsample.0",
        "downsample.1",
        (net_layer_spec){.input = input, .out = channels, .kernel = 1, .stride = stride});
}

static int add_basic_block(
    net *n, const model_settings *m, int stage, int index, int stride, int input)
{
    int64_t channels = scale_channels((int64_t)32 << stage, m->width_mult);
    char scope[80], name[32], sum[112];
    int shortcut, x;
    snprintf(scope, sizeof scope, "ResNet/Sequential[layer%d]/BasicBlock[%d]", stage, index);
    snprintf(name, sizeof name, "layer%d.%d", stage, index);
    snprintf(sum, sizeof sum, "%s/__iadd___0", scope);
    x = add_conv(n, scope, name, "Conv2d[conv1]", "conv1", "bn1",
        (net_layer_spec){.input = input,
            .out = channels,
            .kernel = 3,
            .stride = stride,
            .padding = 1,
            .activation = NNCF_ACTIVATION_RELU});
    x = add_conv(n, scope, name, "Conv2d[conv2]", "conv2", "bn2",
        (net_layer_spec){.input = x, .out = channels, .kernel = 3, .padding = 1});
    shortcut = add_shortcut(n, scope, name, channels, stride, input);
    return net_add_sum(n, sum, x, shortcut, NNCF_ACTIVATION_RELU);
}

static int add_bottleneck(
    net *n, const model_settings *m, int stage, int index, int stride, int input)
{
    int64_t width = scale_channels((int64_t)32 << stage, m->width_mult), channels = 4 * width;
    char scope[80], name[32], sum[112];
    int shortcut, x;
    snprintf(scope, sizeof scope, "ResNet/Sequential[layer%d]/Bottleneck[%d]", stage, index);
    snprintf(name, sizeof name, "layer%d.%d", stage, index);
    snprintf(sum, sizeof sum, "%s/__iadd___0", scope);
    x = add_conv(n, scope, name, "Conv2d[conv1]", "conv1", "bn1",
        (net_layer_spec){
            .input = input, .out = width, .kernel = 1, .activation = NNCF_ACTIVATION_RELU});
    x = add_conv(n, scope, name, "Conv2d[conv2]", "conv2", "bn2",
        (net_layer_spec){.input = x,
            .out = width,
            .kernel = 3,
            .stride = stride,
            .padding = 1,
            .activation = NNCF_ACTIVATION_RELU});
    x = add_conv(n, scope, name, "Conv2d[conv3]", "conv3", "bn3",
        (net_layer_spec){.input = x, .out = channels, .kernel = 1});
    shortcut = add_shortcut(n, scope, name, channels, stride, input);
    return net_add_sum(n, sum, x, shortcut, NNCF_ACTIVATION_RELU);
}

typedef int add_block_fn(
    net *n, const model_settings *m, int stage, int index, int stride, int input);

static void build(net *n, const model_settings *m, int64_t num_classes, const int blocks[4],
    add_block_fn *add_block)
{
    bool small = m->stem_stride == 1;
    int x = net_add_conv(n,
        &(net_layer_spec){.scope = "ResNet/Conv2d[conv1]",
            .name = "conv1",
            .batch_norm = "bn1",
            .input = NET_INPUT,
            .out = scale_channels(64, m->width_mult),
            .kernel = small ? 3 : 7,
            .stride = (int)m->stem_stride,
            .padding = small ? 1 : 3,
            .activation = NNCF_ACTIVATION_RELU,
            .init = NET_INIT_KAIMING});
    if (!small)
        x = net_add_pool(n, "ResNet/MaxPool2d[maxpool]", x, NNCF_POOL_MAX, 3, 2, 1);
    for (int stage = 1; stage <= 4; stage++)
        for (int i = 0; i < blocks[stage - 1]; i++)
            x = add_block(n, m, stage, i, stage > 1 && i == 0 ? 2 : 1, x);
    x = net_add_pool(n, "ResNet/AdaptiveAvgPool2d[avgpool]", x, NNCF_POOL_GLOBAL_AVERAGE, 0, 0, 0);
    net_add_linear(n,
        &(net_layer_spec){.scope = "ResNet/Linear[fc]",
            .name = "fc",
            .input = x,
            .out = num_classes,
            .bias = true,
            .init = NET_INIT_UNIFORM});
}

void resnet18_build(net *n, const model_settings *m, int64_t num_classes)
{
    build(n, m, num_classes, (const int[]){2, 2, 2, 2}, add_basic_block);
}

void resnet50_build(net *n, const model_settings *m, int64_t num_classes)
{
    build(n, m, num_classes, (const int[]){3, 4, 6, 3}, add_bottleneck);
}
