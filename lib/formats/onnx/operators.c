/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operators that the host runs as nodes of ONNX, by what was registered of them. Each has a shape,
 * as far as it is known (-1: open), and one node or a few.
 */
#include "base/error.h"
#include "formats/onnx/export.h"
#include "graph/model.h"
#include "graph/ops.h"

#include <nncf/base.h>
#include <nncf/layers.h>
#include <nncf/model.h>
#include <nncf/onnx.h>
#include <nncf/tensor.h>

#include <stdarg.h>
#include <string.h>

#define INT64 NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__INT64
#define FLOAT NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT

/* An operator on its way. */
typedef struct emission {
    nncf__onnx_builder *b;
    const nncf_layer *l;
    const char *base;
    /* the first input, quantized where the operator has a quantizer for it; and what it is */
    char *x;
    const nncf__onnx_value *in;
    char *output;
} emission;

static nncf_status refuse(const emission *e, const char *why)
{
    return nncf__fail(e->b->err, NNCF_E_UNSUPPORTED, e->l->scope, "%s: %s", e->l->scope, why);
}

static char *inner(const emission *e, const char *suffix)
{
    return nncf__onnx_printf(e->b, "%s::%s", e->base, suffix);
}

static char *input(const emission *e, size_t i)
{
    return i == 0 ? e->x : e->b->values[e->l->inputs[i]->index].name;
}

static bool has(const emission *e, int32_t flag)
{
    return (e->l->attributes.flags & flag) != 0;
}

/* A node; its inputs follow, up to a NULL. */
static Nncf__Onnx__NodeProto *node(const emission *e, const char *op, char *output, ...)
{
    Nncf__Onnx__NodeProto *n = nncf__onnx_node(e->b, op, output);
    va_list args;
    va_start(args, output);
    for (char *x = va_arg(args, char *); x; x = va_arg(args, char *))
        nncf__onnx_input(e->b, n, x);
    va_end(args);
    return n;
}

static char *scalar(const emission *e, const char *suffix, float value)
{
    return nncf__onnx_scalar(e->b, inner(e, suffix), value);
}

static char *ints(const emission *e, const char *suffix, const int64_t *values, size_t count)
{
    const int64_t n = (int64_t)count;
    int64_t *copy = nncf__onnx_alloc(e->b, count * sizeof *copy);
    if (!copy)
        return NULL;
    memcpy(copy, values, count * sizeof *copy);
    return nncf__onnx_tensor(e->b, inner(e, suffix), INT64, &n, 1, copy, count * sizeof *copy);
}

static char *floats(
    const emission *e, const char *suffix, const float *values, const int64_t *shape, size_t ndim)
{
    size_t count = 1;
    for (size_t i = 0; i < ndim; i++)
        count *= (size_t)shape[i];
    return nncf__onnx_tensor(
        e->b, inner(e, suffix), FLOAT, shape, ndim, values, count * sizeof *values);
}

/* A dimension, counted from the end if negative; 0, which holds the images, means `otherwise`. */
static int64_t axis_of(const emission *e, int64_t otherwise)
{
    const int64_t axis = e->l->attributes.axis ? e->l->attributes.axis : otherwise;
    return axis < 0 ? axis + e->in->ndim : axis;
}

static nncf_status check_axis(const emission *e, int64_t axis)
{
    if (axis >= 1 && axis < e->in->ndim)
        return NNCF_OK;
    return nncf__fail(e->b->err, NNCF_E_UNSUPPORTED, e->l->scope,
        "%s: axis is %d, but its input has %d dimensions, of which the first holds the images",
        e->l->scope, (int)(axis < 0 ? axis - e->in->ndim : axis), (int)e->in->ndim);
}

/* ---- windows ---- */

static nncf_status check_spatial(const emission *e, int n)
{
    if (n >= 1 && n <= 3)
        return NNCF_OK;
    return nncf__fail(e->b->err, NNCF_E_UNSUPPORTED, e->l->scope,
        "%s: reads one to three dimensions after images and channels, but its input has %d",
        e->l->scope, (int)e->in->ndim);
}

static void put_windows(const emission *e, Nncf__Onnx__NodeProto *to, bool pool, bool dilated)
{
    const nncf__op_attributes *a = &e->l->attributes;
    int64_t kernel[3], stride[3], dilation[3], pads[6];
    const int n = e->in->ndim - 2;
    for (int i = 0; i < n; i++) {
        kernel[i] = pool ? nncf__onnx_of_window(a->kernel, n, i, 1) : e->l->weight_shape[2 + i];
        stride[i] = nncf__onnx_of_window(a->stride, n, i, pool ? kernel[i] : 1);
        dilation[i] = nncf__onnx_of_window(a->dilation, n, i, 1);
        pads[i] = nncf__onnx_of_window(a->padding, n, i, 0);
        pads[n + i] = pads[i] + nncf__onnx_of_window(a->padding_end, n, i, 0);
    }
    nncf__onnx_attribute_ints(e->b, to, "kernel_shape", kernel, (size_t)n);
    nncf__onnx_attribute_ints(e->b, to, "strides", stride, (size_t)n);
    nncf__onnx_attribute_ints(e->b, to, "pads", pads, 2 * (size_t)n);
    if (dilated)
        nncf__onnx_attribute_ints(e->b, to, "dilations", dilation, (size_t)n);
}

static nncf_status put_pool(const emission *e, const char *op)
{
    nncf_status status = check_spatial(e, e->in->ndim - 2);
    if (status != NNCF_OK)
        return status;
    const bool average = strcmp(op, "AveragePool") == 0;
    for (int i = 0; i < e->in->ndim - 2; i++)
        if (e->l->attributes.kernel[2 - i] == 0)
            return refuse(e, "say its kernel");
        else if (average && e->l->attributes.dilation[2 - i] > 1)
            return refuse(e, "an average pool with dilation has no form");
    Nncf__Onnx__NodeProto *to = node(e, op, e->output, e->x, NULL);
    put_windows(e, to, true, !average);
    if (average)
        nncf__onnx_attribute_int(
            e->b, to, "count_include_pad", !has(e, NNCF_OP_FLAG_EXCLUDE_PADDING));
    if (has(e, NNCF_OP_FLAG_CEIL))
        nncf__onnx_attribute_int(e->b, to, "ceil_mode", 1);
    return NNCF_OK;
}

static nncf_status put_convolution(const emission *e, bool transposed)
{
    const nncf_layer *l = e->l;
    nncf_status status = check_spatial(e, e->in->ndim - 2);
    if (status == NNCF_OK && e->in->ndim != l->weight_ndim)
        status = refuse(e, "its weight has another number of dimensions than its input");
    if (status != NNCF_OK)
        return status;
    char *weight = nncf__onnx_weight(e->b, l, e->base, NULL, &status);
    if (status != NNCF_OK)
        return status;
    Nncf__Onnx__NodeProto *to =
        node(e, transposed ? "ConvTranspose" : "Conv", e->output, e->x, weight, NULL);
    if (l->bias)
        nncf__onnx_input(e->b, to, floats(e, "bias", l->bias, &l->out_channels, 1));
    put_windows(e, to, false, true);
    nncf__onnx_attribute_int(e->b, to, "group", l->groups);
    if (transposed) {
        int64_t more[3];
        const int n = e->in->ndim - 2;
        for (int i = 0; i < n; i++)
            more[i] = nncf__onnx_of_window(l->attributes.output_padding, n, i, 0);
        nncf__onnx_attribute_ints(e->b, to, "output_padding", more, (size_t)n);
    }
    return NNCF_OK;
}

/* ---- products ---- */

/* x w^T + b on any number of dimensions; w is in the file as it is registered, and turned there. */
nncf_status nncf__onnx_linear(nncf__onnx_builder *b, const nncf_layer *l, const char *base, char *x,
    const nncf__onnx_value *in, char *output)
{
    const emission e = {b, l, base, x, in, output};
    static const int64_t exchanged[2] = {1, 0};
    nncf_status status = NNCF_OK;
    if (l->bias && l->out_channels < 1)
        return refuse(&e, "it has a bias, but its channels are not known: say `channels`");
    char *weight = l->weight_count > 0 ? nncf__onnx_weight(b, l, base, NULL, &status)
                                       : b->values[l->inputs[1]->index].name;
    if (status != NNCF_OK)
        return status;
    char *turned = inner(&e, "weight_turned"), *product = l->bias ? inner(&e, "matmul") : output;
    Nncf__Onnx__NodeProto *to = node(&e, "Transpose", turned, weight, NULL);
    nncf__onnx_attribute_ints(b, to, "perm", exchanged, 2);
    node(&e, "MatMul", product, x, turned, NULL);
    if (l->bias)
        node(&e, "Add", output, product, floats(&e, "bias", l->bias, &l->out_channels, 1), NULL);
    return NNCF_OK;
}

static nncf_status put_embedding(const emission *e)
{
    nncf_status status;
    char *table = nncf__onnx_weight(e->b, e->l, e->base, NULL, &status);
    if (status != NNCF_OK)
        return status;
    char *ids = inner(e, "ids");
    nncf__onnx_attribute_int(e->b, node(e, "Cast", ids, e->x, NULL), "to", INT64);
    node(e, "Gather", e->output, table, ids, NULL);
    return NNCF_OK;
}

static nncf_status put_matmul(const emission *e)
{
    char *second = input(e, 1);
    if (e->in->ndim < 2 || e->b->values[e->l->inputs[1]->index].ndim < 2)
        return refuse(e, "it reads matrices, and an input has one dimension");
    if (has(e, NNCF_OP_FLAG_TRANSPOSE_SECOND)) {
        const nncf__onnx_value *v = &e->b->values[e->l->inputs[1]->index];
        int64_t order[NNCF_MAX_NDIM];
        for (int32_t i = 0; i < v->ndim; i++)
            order[i] = i < v->ndim - 2 ? i : i == v->ndim - 2 ? v->ndim - 1 : v->ndim - 2;
        char *turned = inner(e, "second_turned");
        nncf__onnx_attribute_ints(
            e->b, node(e, "Transpose", turned, second, NULL), "perm", order, (size_t)v->ndim);
        second = turned;
    }
    node(e, "MatMul", e->output, e->x, second, NULL);
    return NNCF_OK;
}

/* ---- norms and activations ---- */

static nncf_status put_batch_norm(const emission *e)
{
    const nncf_batch_norm_params *bn = &e->l->batch_norm;
    static const char *const names[4] = {"gamma", "beta", "mean", "var"};
    const float *arrays[4] = {bn->weight, bn->bias, bn->running_mean, bn->running_var};
    const int64_t channels = e->l->out_channels;
    if (!bn->running_mean || channels < 1)
        return refuse(e, "it was registered without batch_norm, or its channels are not known");
    Nncf__Onnx__NodeProto *to = node(e, "BatchNormalization", e->output, e->x, NULL);
    for (int i = 0; i < 4; i++) {
        const float *values = arrays[i];
        if (!values) { /* gamma 1, beta 0 */
            float *made = nncf__onnx_alloc(e->b, (size_t)channels * sizeof *made);
            for (int64_t j = 0; made && j < channels; j++)
                made[j] = i == 0 ? 1.0f : 0.0f;
            values = made;
        }
        nncf__onnx_input(e->b, to, floats(e, names[i], values, &channels, 1));
    }
    nncf__onnx_attribute_float(e->b, to, "epsilon", bn->eps);
    return NNCF_OK;
}

/* Over the dimensions from `axis` (default: the last one) on; in operators that every opset has. */
static nncf_status put_layer_norm(const emission *e)
{
    const nncf__op_attributes *a = &e->l->attributes;
    const int64_t axis = axis_of(e, -1);
    nncf_status status = check_axis(e, axis);
    int64_t axes[NNCF_MAX_NDIM];
    size_t n = 0;
    if (status != NNCF_OK)
        return status;
    for (int64_t i = axis; i < e->in->ndim; i++)
        axes[n++] = i;
    char *mean = inner(e, "mean"), *centered = inner(e, "centered"), *squares = inner(e, "squares"),
         *variance = inner(e, "variance"), *sum = inner(e, "sum"), *root = inner(e, "root"),
         *last[3] = {e->output, e->output, e->output};
    const bool scaled = a->constants[0].data, shifted = a->constants[1].data;
    if (scaled || shifted)
        last[0] = inner(e, "normalized");
    if (shifted)
        last[1] = scaled ? inner(e, "scaled") : last[0];
    nncf__onnx_attribute_ints(e->b, node(e, "ReduceMean", mean, e->x, NULL), "axes", axes, n);
    node(e, "Sub", centered, e->x, mean, NULL);
    node(e, "Mul", squares, centered, centered, NULL);
    nncf__onnx_attribute_ints(
        e->b, node(e, "ReduceMean", variance, squares, NULL), "axes", axes, n);
    node(e, "Add", sum, variance, scalar(e, "eps", a->eps), NULL);
    node(e, "Sqrt", root, sum, NULL);
    node(e, "Div", last[0], centered, root, NULL);
    if (scaled)
        node(e, "Mul", last[1], last[0],
            floats(e, "gamma", a->constants[0].data, a->constants[0].shape,
                (size_t)a->constants[0].ndim),
            NULL);
    if (shifted)
        node(e, "Add", last[2], last[1],
            floats(e, "beta", a->constants[1].data, a->constants[1].shape,
                (size_t)a->constants[1].ndim),
            NULL);
    return NNCF_OK;
}

/* One number a channel, along the second dimension. */
static char *channel_floats(const emission *e, const char *suffix, const nncf__op_constant *c)
{
    int64_t shape[NNCF_MAX_NDIM] = {c->shape[0]};
    const size_t after = (size_t)(e->in->ndim > 2 ? e->in->ndim - 2 : 0);
    for (size_t i = 0; i < after; i++)
        shape[1 + i] = 1;
    return floats(e, suffix, c->data, shape, 1 + after);
}

/* As groups side by side and back; then weight and bias of each channel. */
static nncf_status put_group_norm(const emission *e)
{
    const nncf__op_attributes *a = &e->l->attributes;
    const int64_t groups[3] = {0, e->l->groups, -1}, axis = 2;
    int64_t back[NNCF_MAX_NDIM];
    int open = 0;
    if (e->in->ndim < 2)
        return refuse(e, "it reads (N,C,...)");
    for (int32_t i = 0; i < e->in->ndim; i++) {
        back[i] = i == 0 ? 0 : e->in->shape[i];
        open += i > 0 && e->in->shape[i] < 0; /* -1: what is left, which one size may be */
    }
    if (open > 1)
        return refuse(e,
            "it needs the sizes of its input, which are not known: give "
            "nncf_onnx_params.input_shape");
    const bool scaled = a->constants[0].data, shifted = a->constants[1].data;
    if ((scaled && a->constants[0].ndim != 1) || (shifted && a->constants[1].ndim != 1))
        return refuse(e, "its weight and bias must be one a channel");
    char *grouped = inner(e, "grouped"), *mean = inner(e, "mean"), *centered = inner(e, "centered"),
         *squares = inner(e, "squares"), *variance = inner(e, "variance"), *sum = inner(e, "sum"),
         *root = inner(e, "root"), *normalized = inner(e, "normalized"),
         *last[3] = {e->output, e->output, e->output};
    if (scaled || shifted)
        last[0] = inner(e, "as_input");
    if (shifted)
        last[1] = scaled ? inner(e, "scaled") : last[0];
    node(e, "Reshape", grouped, e->x, ints(e, "group_sizes", groups, 3), NULL);
    nncf__onnx_attribute_ints(e->b, node(e, "ReduceMean", mean, grouped, NULL), "axes", &axis, 1);
    node(e, "Sub", centered, grouped, mean, NULL);
    node(e, "Mul", squares, centered, centered, NULL);
    nncf__onnx_attribute_ints(
        e->b, node(e, "ReduceMean", variance, squares, NULL), "axes", &axis, 1);
    node(e, "Add", sum, variance, scalar(e, "eps", a->eps), NULL);
    node(e, "Sqrt", root, sum, NULL);
    node(e, "Div", normalized, centered, root, NULL);
    node(e, "Reshape", last[0], normalized, ints(e, "sizes", back, (size_t)e->in->ndim), NULL);
    if (scaled)
        node(e, "Mul", last[1], last[0], channel_floats(e, "gamma", &a->constants[0]), NULL);
    if (shifted)
        node(e, "Add", last[2], last[1], channel_floats(e, "beta", &a->constants[1]), NULL);
    return NNCF_OK;
}

/* A tensor of slopes, one or one a channel. */
static nncf_status put_prelu(const emission *e)
{
    const nncf__op_constant *slope = &e->l->attributes.constants[0];
    if (slope->ndim != 1)
        return refuse(e, "its slopes must be one, or one a channel");
    node(e, "PRelu", e->output, e->x, channel_floats(e, "slope", slope), NULL);
    return NNCF_OK;
}

/* ---- shapes ---- */

static nncf_status put_concat(const emission *e)
{
    const size_t n = e->l->n_inputs;
    const int64_t axis = axis_of(e, 1);
    nncf_status status = check_axis(e, axis);
    if (status != NNCF_OK)
        return status;
    Nncf__Onnx__NodeProto *to = node(e, "Concat", e->output, NULL);
    char **inputs = nncf__onnx_alloc(e->b, n * sizeof *inputs);
    if (!to || !inputs)
        return NNCF_OK; /* no memory: reported at the end */
    to->input = inputs; /* more than a node has place for */
    for (size_t i = 0; i < n; i++)
        nncf__onnx_input(e->b, to, input(e, i));
    nncf__onnx_attribute_int(e->b, to, "axis", axis);
    return NNCF_OK;
}

static nncf_status put_mean(const emission *e)
{
    const nncf__op_attributes *a = &e->l->attributes;
    const int64_t axis = axis_of(e, 0);
    const bool several = a->n_sizes > 0;
    if (!several && axis == 0)
        return refuse(e, "say over which dimension it averages: axis, or several in sizes");
    for (size_t i = 0; i < (several ? a->n_sizes : 1); i++) {
        const int64_t at = several ? a->sizes[i] : axis;
        nncf_status status = check_axis(e, several && at < 0 ? at + e->in->ndim : at);
        if (status != NNCF_OK)
            return status;
    }
    Nncf__Onnx__NodeProto *to = node(e, "ReduceMean", e->output, e->x, NULL);
    nncf__onnx_attribute_ints(
        e->b, to, "axes", several ? a->sizes : &axis, several ? a->n_sizes : 1);
    nncf__onnx_attribute_int(e->b, to, "keepdims", has(e, NNCF_OP_FLAG_KEEP_DIMS));
    return NNCF_OK;
}

/* Heads of attention: (..., T, C) by (..., T, heads, D) to (..., heads, T, D), or back. */
static nncf_status put_heads(const emission *e)
{
    const bool merges = e->l->merges;
    const int32_t n = e->in->ndim + (merges ? 0 : 1); /* with the heads */
    const size_t reshaped = (size_t)(merges ? n - 1 : n);
    int64_t order[NNCF_MAX_NDIM], sizes[NNCF_MAX_NDIM] = {0}; /* 0: as the input's */
    if (n < 3 || n > NNCF_MAX_NDIM)
        return refuse(e, "its input has too few or too many dimensions");
    for (int32_t i = 0; i < n; i++)
        order[i] = i;
    order[n - 3] = n - 2;
    order[n - 2] = n - 3;
    if (!merges)
        sizes[n - 2] = e->l->groups;
    sizes[reshaped - 1] = -1;
    char *apart = inner(e, "apart"), *shape = ints(e, "sizes", sizes, reshaped);
    if (!merges)
        node(e, "Reshape", apart, e->x, shape, NULL);
    nncf__onnx_attribute_ints(e->b,
        node(e, "Transpose", merges ? apart : e->output, merges ? e->x : apart, NULL), "perm",
        order, (size_t)n);
    if (merges)
        node(e, "Reshape", e->output, apart, shape, NULL);
    return NNCF_OK;
}

static nncf_status put_sized(const emission *e)
{
    const nncf__op_attributes *a = &e->l->attributes;
    switch (e->l->op) {
    case NNCF_OP_RESHAPE:
        if (a->n_sizes == 0 || a->n_sizes > NNCF_MAX_NDIM)
            return refuse(e, "say its sizes: 0 stands for the input's, -1 for what is left");
        node(e, "Reshape", e->output, e->x, ints(e, "sizes", a->sizes, a->n_sizes), NULL);
        return NNCF_OK;
    case NNCF_OP_TRANSPOSE:
        if (a->n_sizes != (size_t)e->in->ndim)
            return refuse(e, "say in sizes which dimension of its input each of its own is");
        nncf__onnx_attribute_ints(
            e->b, node(e, "Transpose", e->output, e->x, NULL), "perm", a->sizes, a->n_sizes);
        return NNCF_OK;
    default:
        if (a->n_sizes != 2 * (size_t)e->in->ndim)
            return refuse(e, "say in sizes what it adds in front of and after each dimension");
        node(e, "Pad", e->output, e->x, ints(e, "pads", a->sizes, a->n_sizes),
            scalar(e, "filling", a->alpha), NULL);
        return NNCF_OK;
    }
}

static nncf_status put_flatten(const emission *e)
{
    int64_t shape[NNCF_MAX_NDIM] = {0};
    const int64_t axis = axis_of(e, 1);
    nncf_status status = check_axis(e, axis);
    if (status != NNCF_OK)
        return status;
    shape[axis] = -1;
    node(e, "Reshape", e->output, e->x, ints(e, "sizes", shape, (size_t)axis + 1), NULL);
    return NNCF_OK;
}

void nncf__onnx_resize(nncf__onnx_builder *b, const char *base, char *x, const int64_t factors[2],
    int32_t upsample, char *output)
{
    const emission e = {.b = b, .base = base};
    const bool nearest = upsample == NNCF_UPSAMPLE_NEAREST;
    static const int64_t four = 4;
    float *scales = nncf__onnx_alloc(b, 4 * sizeof *scales);
    if (!scales)
        return; /* no memory: reported at the end */
    for (int i = 0; i < 4; i++)
        scales[i] = i < 2 ? 1 : (float)factors[i - 2];
    /* between: no region of interest */
    Nncf__Onnx__NodeProto *to = node(&e, "Resize", output, x, nncf__onnx_printf(b, "%s", ""),
        floats(&e, "scales", scales, &four, 1), NULL);
    nncf__onnx_attribute_text(b, to, "mode", nearest ? "nearest" : "linear");
    nncf__onnx_attribute_text(b, to, "coordinate_transformation_mode",
        nearest                                  ? "asymmetric"
            : upsample == NNCF_UPSAMPLE_BILINEAR ? "half_pixel"
                                                 : "align_corners");
    if (nearest)
        nncf__onnx_attribute_text(b, to, "nearest_mode", "floor");
}

static nncf_status put_interpolate(const emission *e)
{
    const int32_t *stride = e->l->attributes.stride;
    const int64_t factors[2] = {stride[1], stride[2]};
    if (e->in->ndim != 4 || factors[0] < 1 || factors[1] < 1)
        return refuse(e, "say in stride by which factors it enlarges (N,C,H,W)");
    nncf__onnx_resize(e->b, e->base, e->x, factors,
        has(e, NNCF_OP_FLAG_NEAREST) ? NNCF_UPSAMPLE_NEAREST : NNCF_UPSAMPLE_BILINEAR, e->output);
    return NNCF_OK;
}

static nncf_status put_adaptive_pool(const emission *e)
{
    const nncf__op_attributes *a = &e->l->attributes;
    for (size_t i = 0; i < a->n_sizes; i++)
        if (a->sizes[i] != 1)
            return refuse(e, "only 1 x 1 has a form: register an average pool");
    node(e, "GlobalAveragePool", e->output, e->x, NULL);
    return check_spatial(e, e->in->ndim - 2);
}

/* ---- what has no form ---- */

static nncf_status put_opaque(const emission *e)
{
    if (e->b->params.opaque != NNCF_ONNX_OPAQUE_NODE)
        return refuse(e,
            "NNCF_OP_OPAQUE has no form; params->opaque writes a node of the domain \"nncf\" for "
            "it, which engines need an extension for");
    Nncf__Onnx__NodeProto *to = node(e, "Opaque", e->output, NULL);
    char **inputs = nncf__onnx_alloc(e->b, (e->l->n_inputs + 1) * sizeof *inputs),
         *domain = nncf__onnx_printf(e->b, "%s", NNCF__ONNX_OPAQUE_DOMAIN);
    if (!to || !inputs || !domain)
        return NNCF_OK; /* no memory: reported at the end */
    to->domain = domain;
    to->input = inputs;
    nncf__onnx_input(e->b, to, e->x);
    for (size_t i = 1; i < e->l->n_inputs; i++)
        nncf__onnx_input(e->b, to, input(e, i));
    nncf__onnx_attribute_text(e->b, to, "scope", e->l->scope);
    e->b->has_opaque = true;
    return NNCF_OK;
}

/* ---- all of them ---- */

/* The activation that an operator is, or NNCF_ACTIVATION_NONE. */
static int32_t activation_of(const nncf_layer *l)
{
    switch (l->op) {
    case NNCF_OP_RELU:
        return NNCF_ACTIVATION_RELU;
    case NNCF_OP_RELU6:
        return NNCF_ACTIVATION_RELU6;
    case NNCF_OP_LEAKY_RELU:
        return NNCF_ACTIVATION_LEAKY_RELU;
    case NNCF_OP_PRELU:
        return l->attributes.constants[0].data ? NNCF_ACTIVATION_NONE : NNCF_ACTIVATION_LEAKY_RELU;
    case NNCF_OP_ELU:
        return NNCF_ACTIVATION_ELU;
    case NNCF_OP_SIGMOID:
        return NNCF_ACTIVATION_SIGMOID;
    case NNCF_OP_TANH:
        return NNCF_ACTIVATION_TANH;
    case NNCF_OP_HARD_SIGMOID:
        return NNCF_ACTIVATION_HARD_SIGMOID;
    case NNCF_OP_HSWISH:
        return NNCF_ACTIVATION_HARD_SWISH;
    case NNCF_OP_SILU:
        return NNCF_ACTIVATION_SILU;
    case NNCF_OP_GELU:
        return l->attributes.flags & NNCF_OP_FLAG_GELU_TANH ? NNCF_ACTIVATION_GELU_TANH
                                                            : NNCF_ACTIVATION_GELU;
    case NNCF_OP_MISH:
        return NNCF_ACTIVATION_MISH;
    default:
        return NNCF_ACTIVATION_NONE;
    }
}

static float alpha_of(const nncf_layer *l)
{
    const float otherwise = l->op == NNCF_OP_LEAKY_RELU ? 0.01f : l->op == NNCF_OP_ELU ? 1.0f : 0;
    return l->attributes.alpha != 0 ? l->attributes.alpha : otherwise;
}

static const char *pair_name(int32_t op)
{
    switch (op) {
    case NNCF_OP_ADD:
        return "Add";
    case NNCF_OP_SUB:
        return "Sub";
    case NNCF_OP_MUL:
        return "Mul";
    case NNCF_OP_DIV:
        return "Div";
    default:
        return NULL;
    }
}

static nncf_status put(const emission *e)
{
    const nncf_layer *l = e->l;
    nncf_status status;
    if (l->kind == NNCF__HEADS)
        return put_heads(e);
    if (activation_of(l) != NNCF_ACTIVATION_NONE) {
        nncf__onnx_activation(e->b, activation_of(l), alpha_of(l), e->base, e->x, e->output);
        return NNCF_OK;
    }
    if (pair_name(l->op)) {
        const nncf__op_constant *c = &l->attributes.constants[0];
        char *second =
            c->data ? floats(e, "constant", c->data, c->shape, (size_t)c->ndim) : input(e, 1);
        node(e, pair_name(l->op), e->output, e->x, second, NULL);
        return NNCF_OK;
    }
    switch (l->op) {
    case NNCF_OP_CONV1D:
    case NNCF_OP_CONV2D:
    case NNCF_OP_CONV3D:
        return put_convolution(e, false);
    case NNCF_OP_CONV_TRANSPOSE1D:
    case NNCF_OP_CONV_TRANSPOSE2D:
    case NNCF_OP_CONV_TRANSPOSE3D:
        return put_convolution(e, true);
    case NNCF_OP_LINEAR:
    case NNCF_OP_FUNCTIONAL_LINEAR:
        return nncf__onnx_linear(e->b, l, e->base, e->x, e->in, e->output);
    case NNCF_OP_EMBEDDING:
        return put_embedding(e);
    case NNCF_OP_BATCH_NORM:
        return put_batch_norm(e);
    case NNCF_OP_LAYER_NORM:
        return put_layer_norm(e);
    case NNCF_OP_GROUP_NORM:
        return put_group_norm(e);
    case NNCF_OP_PRELU:
        return put_prelu(e);
    case NNCF_OP_SOFTMAX:
        if ((status = check_axis(e, axis_of(e, -1))) == NNCF_OK)
            nncf__onnx_attribute_int(
                e->b, node(e, "Softmax", e->output, e->x, NULL), "axis", axis_of(e, -1));
        return status;
    case NNCF_OP_MATMUL:
        return put_matmul(e);
    case NNCF_OP_CONCAT:
        return put_concat(e);
    case NNCF_OP_MEAN:
        return put_mean(e);
    case NNCF_OP_MAX_POOL:
        return put_pool(e, "MaxPool");
    case NNCF_OP_AVERAGE_POOL:
        return put_pool(e, "AveragePool");
    case NNCF_OP_ADAPTIVE_AVERAGE_POOL:
        return put_adaptive_pool(e);
    case NNCF_OP_FLATTEN:
        return put_flatten(e);
    case NNCF_OP_RESHAPE:
    case NNCF_OP_TRANSPOSE:
    case NNCF_OP_PAD:
        return put_sized(e);
    case NNCF_OP_INTERPOLATE:
        return put_interpolate(e);
    case NNCF_OP_INPUT:
    case NNCF_OP_DROPOUT:
        node(e, "Identity", e->output, e->x, NULL);
        return NNCF_OK;
    case NNCF_OP_OPAQUE:
        return put_opaque(e);
    default:
        return nncf__fail(e->b->err, NNCF_E_UNSUPPORTED, l->scope,
            "%s: what NNCF_OP_OTHER computes is not known (operator \"%s\"): register it as what "
            "it is, or as NNCF_OP_OPAQUE",
            l->scope, nncf__op_info_of(l->op)->name);
    }
}

static nncf_status check_inputs(const emission *e)
{
    const nncf_layer *l = e->l;
    const size_t most = nncf__op_info_of(l->op)->max_inputs,
                 least = (l->op == NNCF_OP_FUNCTIONAL_LINEAR && l->weight_count > 0) ||
            (pair_name(l->op) && l->attributes.constants[0].data)
        ? 1
        : most == NNCF__ANY_INPUTS || most < 2 ? most > 0
                                               : most;
    if (least > 1 && l->n_inputs < least)
        return nncf__fail(e->b->err, NNCF_E_UNSUPPORTED, l->scope,
            "%s reads %zu tensors, but was registered with %zu inputs: an export needs the edges",
            l->scope, least, l->n_inputs);
    if (l->op == NNCF_OP_CONCAT && l->n_inputs == 0)
        return refuse(e, "a concatenation was registered without its inputs");
    return NNCF_OK;
}

nncf_status nncf__onnx_operator(nncf__onnx_builder *b, const nncf_layer *l, const char *base,
    char *x, const nncf__onnx_value *in, char *output)
{
    const emission e = {b, l, base, x, in, output};
    nncf_status status = check_inputs(&e);
    return status == NNCF_OK ? put(&e) : status;
}
