/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of each kind of operator: its name in scopes, its inputs, its weight. */
#include "graph/ops.h"

#include <nncf/model.h>

#include <string.h>

static const nncf__op_info infos[NNCF__OP_COUNT] = {
    [NNCF_OP_OTHER] = {"other", NNCF__ANY_INPUTS, 0, 0, 0},
    [NNCF_OP_INPUT] = {"nncf_model_input", 0, 0, 0, 0},
    [NNCF_OP_CONV1D] = {"conv1d", 1, 3, 3, 0},
    [NNCF_OP_CONV2D] = {"conv2d", 1, 4, 4, 0},
    [NNCF_OP_CONV3D] = {"conv3d", 1, 5, 5, 0},
    [NNCF_OP_CONV_TRANSPOSE1D] = {"conv_transpose1d", 1, 3, 3, 1},
    [NNCF_OP_CONV_TRANSPOSE2D] = {"conv_transpose2d", 1, 4, 4, 1},
    [NNCF_OP_CONV_TRANSPOSE3D] = {"conv_transpose3d", 1, 5, 5, 1},
    [NNCF_OP_LINEAR] = {"linear", 1, 2, 2, 0},
    [NNCF_OP_FUNCTIONAL_LINEAR] = {"linear", 2, 0, 2, 0},
    [NNCF_OP_EMBEDDING] = {"embedding", 1, 2, 2, 0},
    [NNCF_OP_BATCH_NORM] = {"batch_norm", 1, 0, 0, 0},
    [NNCF_OP_LAYER_NORM] = {"layer_norm", 1, 0, 0, 0},
    [NNCF_OP_RELU] = {"RELU", 1, 0, 0, 0},
    [NNCF_OP_RELU6] = {"hardtanh", 1, 0, 0, 0},
    [NNCF_OP_HSWISH] = {"hswish", 1, 0, 0, 0},
    [NNCF_OP_SIGMOID] = {"sigmoid", 1, 0, 0, 0},
    [NNCF_OP_TANH] = {"tanh", 1, 0, 0, 0},
    [NNCF_OP_GELU] = {"gelu", 1, 0, 0, 0},
    [NNCF_OP_ELU] = {"elu", 1, 0, 0, 0},
    [NNCF_OP_PRELU] = {"prelu", 1, 0, 0, 0},
    [NNCF_OP_SOFTMAX] = {"softmax", 1, 0, 0, 0},
    [NNCF_OP_ADD] = {"__add__", 2, 0, 0, 0},
    [NNCF_OP_SUB] = {"__sub__", 2, 0, 0, 0},
    [NNCF_OP_MUL] = {"__mul__", 2, 0, 0, 0},
    [NNCF_OP_DIV] = {"__truediv__", 2, 0, 0, 0},
    [NNCF_OP_MATMUL] = {"matmul", 2, 0, 0, 0},
    [NNCF_OP_CONCAT] = {"cat", NNCF__ANY_INPUTS, 0, 0, 0},
    [NNCF_OP_MEAN] = {"mean", 1, 0, 0, 0},
    [NNCF_OP_MAX_POOL] = {"max_pool2d", 1, 0, 0, 0},
    [NNCF_OP_AVERAGE_POOL] = {"avg_pool2d", 1, 0, 0, 0},
    [NNCF_OP_ADAPTIVE_AVERAGE_POOL] = {"adaptive_avg_pool2d", 1, 0, 0, 0},
    [NNCF_OP_FLATTEN] = {"flatten", 1, 0, 0, 0},
    [NNCF_OP_RESHAPE] = {"view", 1, 0, 0, 0},
    [NNCF_OP_TRANSPOSE] = {"transpose", 1, 0, 0, 0},
    [NNCF_OP_PAD] = {"pad", 1, 0, 0, 0},
    [NNCF_OP_DROPOUT] = {"dropout", 1, 0, 0, 0},
    [NNCF_OP_INTERPOLATE] = {"interpolate", 1, 0, 0, 0},
    [NNCF_OP_OPAQUE] = {"opaque", NNCF__ANY_INPUTS, 0, 0, 0},
    [NNCF_OP_LEAKY_RELU] = {"leaky_relu", 1, 0, 0, 0},
    [NNCF_OP_SILU] = {"silu", 1, 0, 0, 0},
    [NNCF_OP_MISH] = {"mish", 1, 0, 0, 0},
    [NNCF_OP_HARD_SIGMOID] = {"hardsigmoid", 1, 0, 0, 0},
    [NNCF_OP_GROUP_NORM] = {"group_norm", 1, 0, 0, 0},
    [NNCF_OP_WEIGHT] = {"weight", 0, 1, NNCF__MAX_WEIGHT_NDIM, 0},
    [NNCF_OP_QUANTIZER] = {"quantizer", 0, 0, 0, 0},
};

const nncf__op_info *nncf__op_info_of(int32_t op)
{
    return op >= 0 && op < NNCF__OP_COUNT && infos[op].name ? &infos[op] : NULL;
}

/* Where the last element of a scope begins. Slashes inside brackets belong to a field's name. */
static const char *last_element(const char *scope)
{
    const char *last = scope;
    int depth = 0;
    for (const char *c = scope; *c; c++) {
        depth += (*c == '[') - (*c == ']');
        if (*c == '/' && depth <= 0)
            last = c + 1;
    }
    return last;
}

size_t nncf__scope_operator(const char *scope, size_t *length)
{
    const char *element = last_element(scope), *end = element + strlen(element), *digits = end;
    while (digits > element && digits[-1] >= '0' && digits[-1] <= '9')
        digits--;
    if (digits == end || digits - element < 2 || digits[-1] != '_' ||
        memchr(element, '[', (size_t)(end - element)))
        return 0;
    *length = (size_t)(digits - 1 - element);
    return (size_t)(element - scope) + 1; /* never 0: position + 1 */
}

size_t nncf__scope_parent(const char *scope)
{
    const char *element = last_element(scope);
    return element == scope ? 0 : (size_t)(element - scope) - 1;
}

static const struct {
    int32_t op;
    const char *class_name;
} activations[] = {[NNCF_ACTIVATION_RELU] = {NNCF_OP_RELU, "ReLU"},
    [NNCF_ACTIVATION_RELU6] = {NNCF_OP_RELU6, "ReLU6"},
    [NNCF_ACTIVATION_LEAKY_RELU] = {NNCF_OP_LEAKY_RELU, "LeakyReLU"},
    [NNCF_ACTIVATION_SIGMOID] = {NNCF_OP_SIGMOID, "Sigmoid"},
    [NNCF_ACTIVATION_TANH] = {NNCF_OP_TANH, "Tanh"},
    [NNCF_ACTIVATION_HARD_SWISH] = {NNCF_OP_HSWISH, "Hardswish"},
    [NNCF_ACTIVATION_HARD_SIGMOID] = {NNCF_OP_HARD_SIGMOID, "Hardsigmoid"},
    [NNCF_ACTIVATION_SILU] = {NNCF_OP_SILU, "SiLU"},
    [NNCF_ACTIVATION_GELU] = {NNCF_OP_GELU, "GELU"},
    [NNCF_ACTIVATION_GELU_TANH] = {NNCF_OP_GELU, "GELU"},
    [NNCF_ACTIVATION_ELU] = {NNCF_OP_ELU, "ELU"},
    [NNCF_ACTIVATION_MISH] = {NNCF_OP_MISH, "Mish"}};

int32_t nncf__op_of_activation(int32_t activation)
{
    return activations[activation].op;
}

const char *nncf__class_of_activation(int32_t activation)
{
    return activations[activation].class_name;
}
