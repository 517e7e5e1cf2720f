/* SPDX-License-Identifier: Apache-2.0 */
#include "zoo.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void zoo_name(char out[ZOO_NAME], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    ck_assert_int_lt(vsnprintf(out, ZOO_NAME, format, args), ZOO_NAME);
    va_end(args);
}

zoo *zoo_new_in(nncf_context *context, bool fused)
{
    zoo *z = calloc(1, sizeof *z);
    z->fused = fused;
    z->weight = calloc(ZOO_WEIGHTS, sizeof(float));
    ck_assert_int_eq(nncf_model_create(context, &z->model, NULL), NNCF_OK);
    return z;
}

zoo *zoo_new(bool fused)
{
    return zoo_new_in(NULL, fused);
}

float *zoo_weight(zoo *z, int64_t count)
{
    float *weight = z->weight + z->used;
    z->used += (size_t)count;
    ck_assert_uint_le(z->used, ZOO_WEIGHTS);
    weight[0] = 1;
    return weight;
}

void zoo_free(zoo *z)
{
    nncf_model_destroy(z->model);
    free(z->weight);
    free(z);
}

node zoo_op(zoo *z, int32_t op, const char *scope, size_t n, const node *inputs)
{
    nncf_error err = NNCF_ERROR_INIT;
    node layer = NULL;
    nncf_op_params p = {
        NNCF_PARAMS(nncf_op_params), .scope = scope, .op = op, .inputs = inputs, .n_inputs = n};
    ck_assert_msg(
        nncf_model_add_op(z->model, &p, &layer, &err) == NNCF_OK, "%s: %s", err.where, err.message);
    return layer;
}

node zoo_unary(zoo *z, int32_t op, const char *scope, node input)
{
    return zoo_op(z, op, scope, input != NULL, &input);
}

node zoo_add_conv(zoo *z, const zoo_conv *c, node input)
{
    nncf_error err = NNCF_ERROR_INIT;
    node layer = NULL;
    const int32_t groups = c->groups ? c->groups : 1;
    float *weight = zoo_weight(z, c->out * (c->in / groups) * c->kernel * c->kernel);
    nncf_batch_norm_params bn = {NNCF_PARAMS(nncf_batch_norm_params), .running_mean = z->stat,
        .running_var = z->stat, .scope = c->norm};
    if (z->fused) {
        nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = c->scope,
            .weight = weight, .in_channels = c->in, .out_channels = c->out,
            .kernel = {c->kernel, c->kernel}, .groups = groups,
            .activation = !c->activation            ? NNCF_ACTIVATION_NONE
                : c->activation_op == NNCF_OP_RELU6 ? NNCF_ACTIVATION_RELU6
                                                    : NNCF_ACTIVATION_RELU,
            .activation_scope = c->activation, .batch_norm = c->norm ? &bn : NULL, .inputs = &input,
            .n_inputs = input != NULL};
        ck_assert_msg(nncf_model_add_conv2d(z->model, &p, &layer, &err) == NNCF_OK, "%s: %s",
            err.where, err.message);
        return layer;
    }
    const int64_t shape[4] = {c->out, c->in / groups, c->kernel, c->kernel};
    nncf_op_params p = {NNCF_PARAMS(nncf_op_params), .scope = c->scope, .op = NNCF_OP_CONV2D,
        .weight_ndim = 4, .weight_shape = shape, .weight = weight, .groups = groups,
        .inputs = &input, .n_inputs = input != NULL};
    ck_assert_msg(
        nncf_model_add_op(z->model, &p, &layer, &err) == NNCF_OK, "%s: %s", err.where, err.message);
    if (c->norm)
        layer = zoo_unary(z, NNCF_OP_BATCH_NORM, c->norm, layer);
    return c->activation ? zoo_unary(z, c->activation_op, c->activation, layer) : layer;
}

node zoo_sum(zoo *z, const char *scope, const char *activation, node a, node b)
{
    nncf_error err = NNCF_ERROR_INIT;
    const node inputs[] = {a, b};
    node layer = NULL;
    if (!z->fused) {
        layer = zoo_op(z, NNCF_OP_ADD, scope, 2, inputs);
        return activation ? zoo_unary(z, NNCF_OP_RELU, activation, layer) : layer;
    }
    nncf_sum_params p = {NNCF_PARAMS(nncf_sum_params), .scope = scope,
        .activation = activation ? NNCF_ACTIVATION_RELU : NNCF_ACTIVATION_NONE,
        .activation_scope = activation, .inputs = inputs, .n_inputs = 2};
    ck_assert_msg(nncf_model_add_sum(z->model, &p, &layer, &err) == NNCF_OK, "%s: %s", err.where,
        err.message);
    return layer;
}

node zoo_pool(zoo *z, int32_t kind, const char *scope, node input)
{
    static const int32_t ops[] = {NNCF_OP_ADAPTIVE_AVERAGE_POOL, NNCF_OP_AVERAGE_POOL,
        NNCF_OP_MAX_POOL, NNCF_OP_MEAN, NNCF_OP_MEAN};
    nncf_error err = NNCF_ERROR_INIT;
    node layer = NULL;
    if (!z->fused)
        return zoo_unary(z, ops[kind], scope, input);
    const int32_t kernel = kind == NNCF_POOL_AVERAGE || kind == NNCF_POOL_MAX ? 2 : 0;
    nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = scope, .kind = kind,
        .kernel = {kernel, kernel}, .inputs = &input, .n_inputs = input != NULL};
    ck_assert_msg(nncf_model_add_pool2d(z->model, &p, &layer, &err) == NNCF_OK, "%s: %s", err.where,
        err.message);
    return layer;
}

node zoo_linear(zoo *z, const char *scope, int64_t in, int64_t out, node input)
{
    nncf_error err = NNCF_ERROR_INIT;
    node layer = NULL;
    float *weight = zoo_weight(z, in * out);
    if (z->fused) {
        nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = scope, .weight = weight,
            .in_features = in, .out_features = out, .inputs = &input, .n_inputs = input != NULL};
        ck_assert_msg(nncf_model_add_linear(z->model, &p, &layer, &err) == NNCF_OK, "%s: %s",
            err.where, err.message);
        return layer;
    }
    const int64_t shape[2] = {out, in};
    nncf_op_params p = {NNCF_PARAMS(nncf_op_params), .scope = scope, .op = NNCF_OP_LINEAR,
        .weight_ndim = 2, .weight_shape = shape, .weight = weight, .inputs = &input,
        .n_inputs = input != NULL};
    ck_assert_msg(
        nncf_model_add_op(z->model, &p, &layer, &err) == NNCF_OK, "%s: %s", err.where, err.message);
    return layer;
}

node zoo_flatten(zoo *z, int32_t op, const char *scope, node input)
{
    return z->fused ? input : zoo_unary(z, op, scope, input);
}

node zoo_mobilenet_block(zoo *z, enum zoo_mobilenet form, const char *parent, int index, int64_t in,
    int64_t out, int32_t kernel, int32_t groups, node input)
{
    char own[ZOO_NAME], scope[ZOO_NAME], norm[ZOO_NAME], activation[ZOO_NAME];
    const int base = form == ZOO_SEED ? 3 * index : 0;
    if (form == ZOO_SEED)
        zoo_name(own, "%s", parent);
    else
        zoo_name(own, "%s/%s[%d]", parent,
            form == ZOO_TORCHVISION ? "Conv2dNormActivation" : "ConvBNReLU", index);
    zoo_name(scope, "%s/Conv2d[%d]", own, base);
    zoo_name(norm, "%s/BatchNorm2d[%d]", own, base + 1);
    zoo_name(activation, "%s/ReLU6[%d]", own, base + 2);
    const zoo_conv c = {scope, norm, activation, NNCF_OP_RELU6, in, out, kernel, groups};
    return zoo_add_conv(z, &c, input);
}

zoo *zoo_mobilenet_v2(bool fused, enum zoo_mobilenet form)
{
    static const int settings[7][3] = {{1, 16, 1}, {6, 24, 2}, {6, 32, 3}, {6, 64, 4}, {6, 96, 3},
        {6, 160, 3}, {6, 320, 1}}; /* expansion, channels, repeats */
    static const char features[] = "MobileNetV2/Sequential[features]";
    zoo *z = zoo_new(fused);
    char parent[ZOO_NAME], scope[ZOO_NAME], norm[ZOO_NAME];
    int64_t in = 32;
    int at = 1;
    zoo_name(parent, "%s/Sequential[0]", features);
    node x =
        zoo_mobilenet_block(z, form, form == ZOO_SEED ? parent : features, 0, 3, 32, 3, 1, NULL);
    for (int i = 0; i < 7; i++) {
        for (int j = 0; j < settings[i][2]; j++, at++) {
            node input = x;
            int64_t hidden = in * settings[i][0], out = settings[i][1];
            int k = 0;
            zoo_name(parent, "%s/InvertedResidual[%d]/Sequential[conv]", features, at);
            if (settings[i][0] > 1)
                x = zoo_mobilenet_block(z, form, parent, k++, in, hidden, 1, 1, x);
            x = zoo_mobilenet_block(z, form, parent, k++, hidden, hidden, 3, (int32_t)hidden, x);
            k = form == ZOO_SEED ? 3 * k : k;
            zoo_name(scope, "%s/Conv2d[%d]", parent, k);
            zoo_name(norm, "%s/BatchNorm2d[%d]", parent, k + 1);
            const zoo_conv c = {scope, norm, NULL, 0, hidden, out, 1, 1};
            x = zoo_add_conv(z, &c, x);
            if (in == out && j > 0) {
                zoo_name(scope, "%s/InvertedResidual[%d]/__add___0", features, at);
                x = zoo_sum(z, scope, NULL, input, x);
            }
            in = out;
        }
    }
    zoo_name(parent, "%s/Sequential[18]", features);
    x = zoo_mobilenet_block(z, form, form == ZOO_SEED ? parent : features,
        form == ZOO_SEED ? 0 : 18, 320, 1280, 1, 1, x);
    if (form == ZOO_SEED) { /* x.mean(3).mean(2) */
        x = zoo_pool(z, NNCF_POOL_MEAN_COLUMNS, "MobileNetV2/mean_0", x);
        x = zoo_pool(z, NNCF_POOL_MEAN_ROWS, "MobileNetV2/mean_1", x);
    } else {
        x = zoo_pool(z, NNCF_POOL_GLOBAL_AVERAGE, "MobileNetV2/adaptive_avg_pool2d_0", x);
        x = zoo_flatten(z, NNCF_OP_FLATTEN, "MobileNetV2/flatten_0", x);
    }
    if (!z->fused)
        x = zoo_unary(
            z, NNCF_OP_DROPOUT, "MobileNetV2/Sequential[classifier]/Dropout[0]/dropout_0", x);
    zoo_linear(z, "MobileNetV2/Sequential[classifier]/Linear[1]", 1280, 1000, x);
    return z;
}

zoo *zoo_mobilenet_v2_test(bool fused)
{
    static const int settings[7][4] = {{1, 16, 1, 1}, {6, 24, 2, 1}, {6, 32, 3, 2}, {6, 64, 4, 2},
        {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    zoo *z = zoo_new(fused);
    const zoo_conv stem = {"MobileNetV2/Conv2d[conv1]", "MobileNetV2/BatchNorm2d[bn1]",
        "MobileNetV2/RELU_0", NNCF_OP_RELU, 3, 32, 3, 1};
    node x = zoo_add_conv(z, &stem, NULL);
    int64_t in = 32;
    for (int i = 0, at = 0; i < 7; i++) {
        for (int j = 0; j < settings[i][2]; j++, at++) {
            const int64_t hidden = in * settings[i][0], out = settings[i][1];
            const bool same_size = j > 0 || settings[i][3] == 1;
            char block[ZOO_NAME], s[8][ZOO_NAME];
            zoo_name(block, "MobileNetV2/Sequential[layers]/Block[%d]", at);
            for (int k = 0; k < 3; k++) {
                zoo_name(s[2 * k], "%s/Conv2d[conv%d]", block, k + 1);
                zoo_name(s[2 * k + 1], "%s/BatchNorm2d[bn%d]", block, k + 1);
            }
            zoo_name(s[6], "%s/RELU_0", block);
            zoo_name(s[7], "%s/RELU_1", block);
            const zoo_conv a = {s[0], s[1], s[6], NNCF_OP_RELU, in, hidden, 1, 1};
            const zoo_conv b = {s[2], s[3], s[7], NNCF_OP_RELU, hidden, hidden, 3, (int32_t)hidden};
            const zoo_conv c = {s[4], s[5], NULL, 0, hidden, out, 1, 1};
            node y = zoo_add_conv(z, &c, zoo_add_conv(z, &b, zoo_add_conv(z, &a, x)));
            if (same_size) {
                node shortcut = x;
                zoo_name(s[0], "%s/Sequential[shortcut]/Conv2d[0]", block);
                zoo_name(s[1], "%s/Sequential[shortcut]/BatchNorm2d[1]", block);
                const zoo_conv d = {s[0], s[1], NULL, 0, in, out, 1, 1};
                if (in != out)
                    shortcut = zoo_add_conv(z, &d, x);
                zoo_name(s[0], "%s/__add___0", block);
                y = zoo_sum(z, s[0], NULL, y, shortcut);
            }
            x = y;
            in = out;
        }
    }
    const zoo_conv last = {"MobileNetV2/Conv2d[conv2]", "MobileNetV2/BatchNorm2d[bn2]",
        "MobileNetV2/RELU_1", NNCF_OP_RELU, 320, 1280, 1, 1};
    x = zoo_add_conv(z, &last, x);
    x = zoo_pool(z, NNCF_POOL_AVERAGE, "MobileNetV2/avg_pool2d_0", x);
    x = zoo_flatten(z, NNCF_OP_RESHAPE, "MobileNetV2/view_0", x);
    zoo_linear(z, "MobileNetV2/Linear[linear]", 1280, 10, x);
    return z;
}

node zoo_resnet_block(zoo *z, enum zoo_resnet form, const char *parent, bool bottleneck, int64_t in,
    int64_t width, bool projects, node x)
{
    const bool own = form != ZOO_RESNET_TORCHVISION;
    const int n = bottleneck ? 3 : 2;
    const int64_t out = bottleneck ? 4 * width : width;
    char s[ZOO_NAME], norm[ZOO_NAME], activation[ZOO_NAME];
    const char *relu = form == ZOO_RESNET_TORCHVISION ? "ReLU[relu]/" : "";
    node y = x, shortcut = x;
    for (int i = 0; i < n; i++) {
        zoo_name(s, "%s/Conv2d[conv%d]", parent, i + 1);
        zoo_name(norm, "%s/BatchNorm2d[bn%d]", parent, i + 1);
        zoo_name(activation, "%s/%sRELU_%d", parent, relu, i);
        const zoo_conv c = {s, norm, i + 1 < n ? activation : NULL, NNCF_OP_RELU,
            i == 0 ? in : width, i + 1 == n ? out : width, bottleneck && i != 1 ? 1 : 3, 1};
        y = zoo_add_conv(z, &c, y);
    }
    if (projects) {
        zoo_name(s, "%s/Sequential[%s]/Conv2d[0]", parent, own ? "shortcut" : "downsample");
        zoo_name(norm, "%s/Sequential[%s]/BatchNorm2d[1]", parent, own ? "shortcut" : "downsample");
        const zoo_conv c = {s, norm, NULL, 0, in, out, 1, 1};
        shortcut = zoo_add_conv(z, &c, x);
    }
    zoo_name(s, "%s/__iadd___0", parent);
    zoo_name(activation, "%s/%sRELU_%d", parent, relu, n - 1);
    return zoo_sum(z, s, activation, y, shortcut);
}

zoo *zoo_resnet(bool fused, enum zoo_resnet form, bool deep)
{
    static const int repeats[2][4] = {{2, 2, 2, 2}, {3, 4, 6, 3}};
    zoo *z = zoo_new(fused);
    const bool torchvision = form == ZOO_RESNET_TORCHVISION;
    const zoo_conv stem = {"ResNet/Conv2d[conv1]", "ResNet/BatchNorm2d[bn1]",
        torchvision ? "ResNet/ReLU[relu]/RELU_0" : "ResNet/RELU_0", NNCF_OP_RELU, 3, 64, 7, 1};
    node x = zoo_add_conv(z, &stem, NULL);
    if (torchvision || form == ZOO_RESNET_OWN_POOLED)
        x = zoo_pool(z, NNCF_POOL_MAX, "ResNet/MaxPool2d[maxpool]/max_pool2d_0", x);
    int64_t in = 64;
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < repeats[deep][i]; j++) {
            const int64_t width = (int64_t)64 << i, out = deep ? 4 * width : width;
            char parent[ZOO_NAME];
            zoo_name(parent, "ResNet/Sequential[layer%d]/%s[%d]", i + 1,
                deep ? "Bottleneck" : "BasicBlock", j);
            x = zoo_resnet_block(
                z, form, parent, deep, in, width, j == 0 && (i > 0 || in != out), x);
            in = out;
        }
    }
    if (form == ZOO_RESNET_OWN)
        x = zoo_pool(z, NNCF_POOL_AVERAGE, "ResNet/avg_pool2d_0", x);
    else
        x = zoo_pool(z, NNCF_POOL_GLOBAL_AVERAGE,
            "ResNet/AdaptiveAvgPool2d[avgpool]/adaptive_avg_pool2d_0", x);
    x = zoo_flatten(z, NNCF_OP_FLATTEN, "ResNet/flatten_0", x);
    zoo_linear(z, !torchvision ? "ResNet/Linear[linear]" : "ResNet/Linear[fc]", in, 1000, x);
    return z;
}
