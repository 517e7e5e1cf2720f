/* SPDX-License-Identifier: Apache-2.0 */
/* The networks of host.h: together they have every operator that an export has a form for. */
#ifndef ONNX_HOST_NETS_H
#define ONNX_HOST_NETS_H

#include "host.h"

#define ONE(a)                                                                                     \
    {                                                                                              \
        a, OH_NONE, OH_NONE                                                                        \
    }
#define TWO(a, b)                                                                                  \
    {                                                                                              \
        a, b, OH_NONE                                                                              \
    }

/* As darknet's: leaky, one-sided pool, a turned kernel, route and upsample. */
static const oh_node oh_detector[] = {
    {.scope = "Net/Conv2d[0]",
        .op = NNCF_OP_CONV2D,
        .in = ONE(OH_INPUT),
        .weight = {8, 2, 3, 3},
        .padding = 1},
    {.scope = "Net/BatchNorm2d[0]", .op = NNCF_OP_BATCH_NORM, .in = ONE(0)},
    {.scope = "Net/LeakyReLU[0]", .op = NNCF_OP_PRELU, .in = ONE(1), .alpha = 0.1f},
    {.scope = "Net/MaxPool2d[0]", .op = NNCF_OP_MAX_POOL, .in = ONE(2), .kernel = 2},
    {.scope = "Net/Conv2d[1]",
        .op = NNCF_OP_CONV2D,
        .in = ONE(3),
        .weight = {12, 8, 3, 3},
        .padding = 1,
        .bias = true,
        .flags = NNCF_OP_FLAG_KERNEL_TURNED},
    {.scope = "Net/Hardswish[0]", .op = NNCF_OP_HSWISH, .in = ONE(4)},
    {.scope = "Net/MaxPool2d[1]",
        .op = NNCF_OP_MAX_POOL,
        .in = ONE(5),
        .kernel = 2,
        .stride = 1,
        .padding_end = 1},
    {.scope = "Net/Conv2d[2]",
        .op = NNCF_OP_CONV2D,
        .in = ONE(6),
        .weight = {6, 4, 1, 1},
        .groups = 3,
        .bias = true},
    {.scope = "Net/Upsample[0]",
        .op = NNCF_OP_INTERPOLATE,
        .in = ONE(7),
        .stride = 2,
        .flags = NNCF_OP_FLAG_NEAREST},
    {.scope = "Net/cat_0", .op = NNCF_OP_CONCAT, .in = TWO(8, 2)},
    {.scope = "Net/Conv2d[3]",
        .op = NNCF_OP_CONV2D,
        .in = ONE(9),
        .weight = {5, 14, 3, 3},
        .stride = 2,
        .bias = true},
    {.scope = "Net/AvgPool2d[0]",
        .op = NNCF_OP_AVERAGE_POOL,
        .in = ONE(10),
        .kernel = 2,
        .stride = 2,
        .padding = 1,
        .flags = NNCF_OP_FLAG_EXCLUDE_PADDING},
    {.scope = "Net/ConvTranspose2d[0]",
        .op = NNCF_OP_CONV_TRANSPOSE2D,
        .in = ONE(11),
        .weight = {5, 4, 3, 3},
        .stride = 2,
        .padding = 1,
        .output_padding = 1,
        .bias = true},
    {.scope = "Net/Upsample[1]", .op = NNCF_OP_INTERPOLATE, .in = ONE(12), .stride = 2},
    {.scope = "Net/sigmoid_0", .op = NNCF_OP_SIGMOID, .in = ONE(13)},
};

/* A block of a transformer with two heads: ids, layer norm, attention, gelu. */
static const oh_node oh_transformer[] = {
    {.scope = "Net/Embedding[wte]",
        .op = NNCF_OP_EMBEDDING,
        .in = ONE(OH_INPUT),
        .weight = {20, 8}},
    {.scope = "Net/LayerNorm[0]",
        .op = NNCF_OP_LAYER_NORM,
        .in = ONE(0),
        .constants = true,
        .sizes = {[9] = 8}},
    {.scope = "Net/Linear[q]", .op = NNCF_OP_LINEAR, .in = ONE(1), .weight = {8, 8}, .bias = true},
    {.scope = "Net/Linear[k]", .op = NNCF_OP_LINEAR, .in = ONE(1), .weight = {8, 8}, .bias = true},
    {.scope = "Net/Linear[v]", .op = NNCF_OP_LINEAR, .in = ONE(1), .weight = {8, 8}, .bias = true},
    {.scope = "Net/view_0", .op = NNCF_OP_RESHAPE, .in = ONE(2), .sizes = {-1, 6, 2, 4}},
    {.scope = "Net/view_1", .op = NNCF_OP_RESHAPE, .in = ONE(3), .sizes = {-1, 6, 2, 4}},
    {.scope = "Net/view_2", .op = NNCF_OP_RESHAPE, .in = ONE(4), .sizes = {-1, 6, 2, 4}},
    {.scope = "Net/transpose_0",
        .op = NNCF_OP_TRANSPOSE,
        .in = ONE(5),
        .sizes = {0, 2, 1, 3, [9] = 4}},
    {.scope = "Net/transpose_1",
        .op = NNCF_OP_TRANSPOSE,
        .in = ONE(6),
        .sizes = {0, 2, 1, 3, [9] = 4}},
    {.scope = "Net/transpose_2",
        .op = NNCF_OP_TRANSPOSE,
        .in = ONE(7),
        .sizes = {0, 2, 1, 3, [9] = 4}},
    {.scope = "Net/matmul_0",
        .op = NNCF_OP_MATMUL,
        .in = TWO(8, 9),
        .flags = NNCF_OP_FLAG_TRANSPOSE_SECOND},
    {.scope = "Net/softmax_0", .op = NNCF_OP_SOFTMAX, .in = ONE(11)},
    {.scope = "Net/matmul_1", .op = NNCF_OP_MATMUL, .in = TWO(12, 10)},
    {.scope = "Net/transpose_3",
        .op = NNCF_OP_TRANSPOSE,
        .in = ONE(13),
        .sizes = {0, 2, 1, 3, [9] = 4}},
    {.scope = "Net/view_3", .op = NNCF_OP_RESHAPE, .in = ONE(14), .sizes = {-1, 6, 8}},
    {.scope = "Net/Linear[proj]", .op = NNCF_OP_LINEAR, .in = ONE(15), .weight = {8, 8}},
    {.scope = "Net/__add___0", .op = NNCF_OP_ADD, .in = TWO(16, 0)},
    {.scope = "Net/Linear[fc]",
        .op = NNCF_OP_LINEAR,
        .in = ONE(17),
        .weight = {16, 8},
        .bias = true},
    {.scope = "Net/gelu_0", .op = NNCF_OP_GELU, .in = ONE(18), .flags = NNCF_OP_FLAG_GELU_TANH},
    {.scope = "Net/Linear[fcproj]",
        .op = NNCF_OP_LINEAR,
        .in = ONE(19),
        .weight = {8, 16},
        .bias = true},
    {.scope = "Net/flatten_0", .op = NNCF_OP_FLATTEN, .in = ONE(20)},
    {.scope = "Net/Linear[head]",
        .op = NNCF_OP_LINEAR,
        .in = ONE(21),
        .weight = {7, 48},
        .bias = true},
    {.scope = "Net/softmax_1", .op = NNCF_OP_SOFTMAX, .in = ONE(22)},
};

/* One dimension: elu, prelu, a gate, differences and quotients, padding, ceil. */
static const oh_node oh_signal[] = {
    {.scope = "Net/pad_0",
        .op = NNCF_OP_PAD,
        .in = ONE(OH_INPUT),
        .sizes = {0, 0, 1, 0, 0, 2, [9] = 6},
        .alpha = 0.5f},
    {.scope = "Net/Conv1d[0]",
        .op = NNCF_OP_CONV1D,
        .in = ONE(0),
        .weight = {6, 3, 3},
        .stride = 2,
        .bias = true},
    {.scope = "Net/ELU[0]", .op = NNCF_OP_ELU, .in = ONE(1), .alpha = 0.7f},
    {.scope = "Net/AvgPool1d[0]",
        .op = NNCF_OP_AVERAGE_POOL,
        .in = ONE(2),
        .kernel = 2,
        .flags = NNCF_OP_FLAG_CEIL | NNCF_OP_FLAG_EXCLUDE_PADDING},
    {.scope = "Net/PReLU[0]",
        .op = NNCF_OP_PRELU,
        .in = ONE(3),
        .constants = true,
        .sizes = {[9] = 6}},
    {.scope = "Net/Conv1d[1]",
        .op = NNCF_OP_CONV1D,
        .in = ONE(4),
        .weight = {6, 6, 1},
        .bias = true},
    {.scope = "Net/sigmoid_0", .op = NNCF_OP_SIGMOID, .in = ONE(5)},
    {.scope = "Net/__mul___0", .op = NNCF_OP_MUL, .in = TWO(4, 6)},
    {.scope = "Net/__sub___0", .op = NNCF_OP_SUB, .in = TWO(7, 5)},
    {.scope = "Net/softmax_0", .op = NNCF_OP_SOFTMAX, .in = ONE(5), .axis = 1},
    {.scope = "Net/__truediv___0", .op = NNCF_OP_DIV, .in = TWO(8, 9)},
    {.scope = "Net/ConvTranspose1d[0]",
        .op = NNCF_OP_CONV_TRANSPOSE1D,
        .in = ONE(10),
        .weight = {6, 4, 3},
        .stride = 2},
    {.scope = "Net/tanh_0", .op = NNCF_OP_TANH, .in = ONE(11)},
    {.scope = "Net/mean_0", .op = NNCF_OP_MEAN, .in = ONE(12), .axis = 2},
    {.scope = "Net/dropout_0", .op = NNCF_OP_DROPOUT, .in = ONE(13)},
    {.scope = "Net/Linear[0]", .op = NNCF_OP_LINEAR, .in = ONE(14), .weight = {5, 4}, .bias = true},
};

/* Three dimensions. */
static const oh_node oh_volume[] = {
    {.scope = "Net/nncf_model_input_0", .op = NNCF_OP_INPUT, .in = ONE(OH_INPUT)},
    {.scope = "Net/Conv3d[0]",
        .op = NNCF_OP_CONV3D,
        .in = ONE(0),
        .weight = {6, 2, 3, 3, 3},
        .padding = 1,
        .bias = true},
    {.scope = "Net/gelu_0", .op = NNCF_OP_GELU, .in = ONE(1)},
    {.scope = "Net/MaxPool3d[0]", .op = NNCF_OP_MAX_POOL, .in = ONE(2), .kernel = 2, .stride = 2},
    {.scope = "Net/ConvTranspose3d[0]",
        .op = NNCF_OP_CONV_TRANSPOSE3D,
        .in = ONE(3),
        .weight = {6, 4, 2, 2, 2},
        .stride = 2,
        .bias = true},
    {.scope = "Net/relu6_0", .op = NNCF_OP_RELU6, .in = ONE(4)},
    {.scope = "Net/mean_0",
        .op = NNCF_OP_MEAN,
        .in = ONE(5),
        .axis = 2,
        .flags = NNCF_OP_FLAG_KEEP_DIMS},
    {.scope = "Net/AdaptiveAvgPool3d[0]", .op = NNCF_OP_ADAPTIVE_AVERAGE_POOL, .in = ONE(6)},
    {.scope = "Net/view_0", .op = NNCF_OP_RESHAPE, .in = ONE(7), .sizes = {-1, 4}},
    {.scope = "Net/Linear[0]", .op = NNCF_OP_LINEAR, .in = ONE(8), .weight = {5, 4}, .bias = true},
};

/* Activations that are their own operators. */
static const oh_node oh_units[] = {
    {.scope = "Net/Linear[0]", .op = NNCF_OP_LINEAR, .in = ONE(OH_INPUT), .weight = {8, 6}},
    {.scope = "Net/leaky_relu_0", .op = NNCF_OP_LEAKY_RELU, .in = ONE(0)},
    {.scope = "Net/Linear[1]", .op = NNCF_OP_LINEAR, .in = ONE(1), .weight = {8, 8}},
    {.scope = "Net/silu_0", .op = NNCF_OP_SILU, .in = ONE(2)},
    {.scope = "Net/Linear[2]", .op = NNCF_OP_LINEAR, .in = ONE(3), .weight = {8, 8}},
    {.scope = "Net/mish_0", .op = NNCF_OP_MISH, .in = ONE(4)},
    {.scope = "Net/Linear[3]", .op = NNCF_OP_LINEAR, .in = ONE(5), .weight = {5, 8}},
    {.scope = "Net/hardsigmoid_0", .op = NNCF_OP_HARD_SIGMOID, .in = ONE(6)},
};

/* Constants as second operands: places of words as GPT-2's, factors, means, one number a word. */
static const oh_node oh_places[] = {
    {.scope = "Net/Embedding[wte]",
        .op = NNCF_OP_EMBEDDING,
        .in = ONE(OH_INPUT),
        .weight = {20, 8}},
    {.scope = "Net/__add___0", .op = NNCF_OP_ADD, .in = ONE(0), .constants = true, .sizes = {6, 8}},
    {.scope = "Net/Linear[0]", .op = NNCF_OP_LINEAR, .in = ONE(1), .weight = {8, 8}, .bias = true},
    {.scope = "Net/__mul___0", .op = NNCF_OP_MUL, .in = ONE(2), .constants = true, .sizes = {8}},
    {.scope = "Net/Linear[1]", .op = NNCF_OP_LINEAR, .in = ONE(3), .weight = {8, 8}},
    {.scope = "Net/__sub___0", .op = NNCF_OP_SUB, .in = ONE(4), .constants = true, .sizes = {1}},
    {.scope = "Net/__truediv___0",
        .op = NNCF_OP_DIV,
        .in = ONE(5),
        .constants = true,
        .sizes = {1, 6, 1}},
    {.scope = "Net/__add___1", .op = NNCF_OP_ADD, .in = TWO(6, 1)},
    {.scope = "Net/Linear[2]", .op = NNCF_OP_LINEAR, .in = ONE(7), .weight = {7, 8}},
};

#define OH_NET(table, ...)                                                                         \
    {                                                                                              \
        .nodes = table, .n_nodes = sizeof table / sizeof *table, __VA_ARGS__                       \
    }
static const oh_net oh_nets[] = {OH_NET(oh_detector, .ndim = 4, .shape = {4, 2, 12, 12}),
    OH_NET(oh_transformer, .ndim = 2, .shape = {8, 6}, .words = 20),
    OH_NET(oh_signal, .ndim = 3, .shape = {8, 3, 20}),
    OH_NET(oh_volume, .ndim = 5, .shape = {8, 2, 4, 4, 4}),
    OH_NET(oh_units, .ndim = 2, .shape = {8, 6}),
    OH_NET(oh_places, .ndim = 2, .shape = {8, 6}, .words = 20)};
static const char *const oh_names[] = {
    "detector", "transformer", "signal", "volume", "units", "places"};
enum { OH_NETS = sizeof oh_nets / sizeof *oh_nets };

#undef ONE
#undef TWO
#endif
