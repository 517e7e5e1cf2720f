/* SPDX-License-Identifier: Apache-2.0 */
/* Activations as nodes of the lowest opset; those that it has no operator for are products and sums
 * of others. */
#include "formats/onnx/export.h"

#include <nncf/model.h>

#include <stddef.h>
#include <stdint.h>

/* One layer's activation on its way. */
typedef struct chain {
    nncf__onnx_builder *b;
    const char *base_name;
    /* the last value gets it */
    char *output;
} chain;

/* A node of x and, where it is not NULL, a second input; its output has the suffix, NULL: it is the
 * activation's. */
static char *put(const chain *c, const char *op, char *x, char *second, const char *suffix)
{
    char *output = suffix ? nncf__onnx_printf(c->b, "%s::%s", c->base_name, suffix) : c->output;
    Nncf__Onnx__NodeProto *node = nncf__onnx_node(c->b, op, output);
    nncf__onnx_input(c->b, node, x);
    if (second)
        nncf__onnx_input(c->b, node, second);
    return output;
}

static char *constant(const chain *c, const char *suffix, float value)
{
    return nncf__onnx_scalar(c->b, nncf__onnx_printf(c->b, "%s::%s", c->base_name, suffix), value);
}

static char *put_with_alpha(const chain *c, const char *op, char *x, float alpha)
{
    Nncf__Onnx__NodeProto *node = nncf__onnx_node(c->b, op, c->output);
    nncf__onnx_input(c->b, node, x);
    nncf__onnx_attribute_float(c->b, node, "alpha", alpha);
    return c->output;
}

/* min(max(x / 6 + 1 / 2, 0), 1) */
static char *put_hard_sigmoid(const chain *c, char *x, const char *suffix)
{
    char *output = suffix ? nncf__onnx_printf(c->b, "%s::%s", c->base_name, suffix) : c->output;
    Nncf__Onnx__NodeProto *node = nncf__onnx_node(c->b, "HardSigmoid", output);
    nncf__onnx_input(c->b, node, x);
    nncf__onnx_attribute_float(c->b, node, "alpha", 1.0f / 6);
    nncf__onnx_attribute_float(c->b, node, "beta", 0.5f);
    return output;
}

/* x (erf(x / sqrt(2)) + 1) / 2 */
static void put_gelu(const chain *c, char *x)
{
    char *v = put(c, "Mul", x, constant(c, "gelu_root", 0.70710678f), "gelu_scaled");
    v = put(c, "Erf", v, NULL, "gelu_erf");
    v = put(c, "Add", v, constant(c, "gelu_one", 1), "gelu_sum");
    v = put(c, "Mul", v, x, "gelu_product");
    put(c, "Mul", v, constant(c, "gelu_half", 0.5f), NULL);
}

/* x sigmoid(x (c0 + c1 x^2)), which is the form with tanh */
static void put_gelu_tanh(const chain *c, char *x)
{
    char *v = put(c, "Mul", x, x, "gelu_square");
    v = put(c, "Mul", v, constant(c, "gelu_c1", 0.071354816f), "gelu_scaled");
    v = put(c, "Add", v, constant(c, "gelu_c0", 1.5957691f), "gelu_sum");
    v = put(c, "Mul", v, x, "gelu_argument");
    v = put(c, "Sigmoid", v, NULL, "gelu_sigmoid");
    put(c, "Mul", v, x, NULL);
}

void nncf__onnx_activation(nncf__onnx_builder *b, int32_t activation, float alpha,
    const char *base_name, char *x, char *output)
{
    const chain c = {b, base_name, output};
    switch (activation) {
    case NNCF_ACTIVATION_RELU:
        put(&c, "Relu", x, NULL, NULL);
        break;
    case NNCF_ACTIVATION_RELU6: {
        Nncf__Onnx__NodeProto *node = nncf__onnx_node(b, "Clip", output);
        nncf__onnx_input(b, node, x);
        nncf__onnx_input(b, node, constant(&c, "zero", 0));
        nncf__onnx_input(b, node, constant(&c, "six", 6));
        break;
    }
    case NNCF_ACTIVATION_LEAKY_RELU:
        put_with_alpha(&c, "LeakyRelu", x, alpha);
        break;
    case NNCF_ACTIVATION_ELU:
        put_with_alpha(&c, "Elu", x, alpha);
        break;
    case NNCF_ACTIVATION_SIGMOID:
        put(&c, "Sigmoid", x, NULL, NULL);
        break;
    case NNCF_ACTIVATION_TANH:
        put(&c, "Tanh", x, NULL, NULL);
        break;
    case NNCF_ACTIVATION_HARD_SIGMOID:
        put_hard_sigmoid(&c, x, NULL);
        break;
    case NNCF_ACTIVATION_HARD_SWISH:
        put(&c, "Mul", put_hard_sigmoid(&c, x, "hard_sigmoid"), x, NULL);
        break;
    case NNCF_ACTIVATION_SILU:
        put(&c, "Mul", put(&c, "Sigmoid", x, NULL, "sigmoid"), x, NULL);
        break;
    case NNCF_ACTIVATION_GELU:
        put_gelu(&c, x);
        break;
    case NNCF_ACTIVATION_GELU_TANH:
        put_gelu_tanh(&c, x);
        break;
    case NNCF_ACTIVATION_MISH: {
        char *v = put(&c, "Softplus", x, NULL, "softplus");
        v = put(&c, "Tanh", v, NULL, "tanh");
        put(&c, "Mul", v, x, NULL);
        break;
    }
    default:
        break;
    }
}
