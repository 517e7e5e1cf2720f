/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes of what the host's operators make, as far as they are known before the file meets an input
 * (-1: open). A shape that cannot be is found by the check of golden tensors, or by the engine. */
#include "exec/window.h"
#include "formats/onnx/export.h"
#include "graph/model.h"

#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stdint.h>
#include <string.h>

/* -1 is open, and stands for what no tensor has, too. */
static int64_t times(int64_t a, int64_t b)
{
    return a < 0 || b < 0 || (b > 0 && a > INT64_MAX / b) ? -1 : a * b;
}

static void window_shape(const nncf_layer *l, const nncf__onnx_value *x, nncf__onnx_value *y)
{
    const nncf__op_attributes *a = &l->attributes;
    const int n = x->ndim - 2;
    const bool pool = l->op == NNCF_OP_MAX_POOL || l->op == NNCF_OP_AVERAGE_POOL,
               transposed = l->op >= NNCF_OP_CONV_TRANSPOSE1D && l->op <= NNCF_OP_CONV_TRANSPOSE3D;
    if (n < 1 || n > 3 || (!pool && l->weight_ndim != x->ndim))
        return; /* refused later */
    for (int i = 0; i < n; i++) {
        const int64_t kernel =
                          pool ? nncf__onnx_of_window(a->kernel, n, i, 1) : l->weight_shape[2 + i],
                      stride = nncf__onnx_of_window(a->stride, n, i, pool ? kernel : 1),
                      dilation = nncf__onnx_of_window(a->dilation, n, i, 1), in = x->shape[2 + i],
                      begin = nncf__onnx_of_window(a->padding, n, i, 0),
                      end = begin + nncf__onnx_of_window(a->padding_end, n, i, 0);
        const nncf__window w = {kernel, stride, dilation, begin, end, a->flags & NNCF_OP_FLAG_CEIL};
        y->shape[2 + i] = in < 0 ? -1
            : !transposed        ? nncf__window_count(&w, in)
                                 : (in - 1) * stride + dilation * (kernel - 1) + 1 - begin - end +
                nncf__onnx_of_window(a->output_padding, n, i, 0);
    }
    if (!pool)
        y->shape[1] = l->out_channels;
}

/* Of two operands that are broadcast, or of two matrices but for their last `keep` dimensions. */
static void broadcast_shape(
    const nncf__onnx_value *a, const nncf__onnx_value *b, nncf__onnx_value *y)
{
    y->ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
    for (int32_t i = 0; i < y->ndim; i++) {
        const int32_t j = i - (y->ndim - a->ndim), k = i - (y->ndim - b->ndim);
        const int64_t m = j < 0 ? 1 : a->shape[j], n = k < 0 ? 1 : b->shape[k];
        y->shape[i] = m == 1 ? n : n == 1 || m > 0 ? m : n;
    }
}

static void reshape_shape(
    const nncf__op_attributes *a, const nncf__onnx_value *x, nncf__onnx_value *y)
{
    int64_t all = 1, known = 1;
    y->ndim = (int32_t)a->n_sizes;
    for (int32_t i = 0; i < x->ndim; i++)
        all = times(all, x->shape[i]);
    for (int32_t i = 0; i < y->ndim; i++) {
        y->shape[i] = a->sizes[i] != 0 ? a->sizes[i] : i < x->ndim ? x->shape[i] : -1;
        if (a->sizes[i] != -1)
            known = times(known, y->shape[i]);
    }
    for (int32_t i = 0; i < y->ndim; i++)
        if (a->sizes[i] == -1)
            y->shape[i] = all > 0 && known > 0 ? all / known : -1;
}

static void mean_shape(const nncf_layer *l, const nncf__onnx_value *x, nncf__onnx_value *y)
{
    const nncf__op_attributes *a = &l->attributes;
    y->ndim = 0;
    for (int32_t i = 0; i < x->ndim; i++) {
        bool averaged = a->n_sizes == 0 && (a->axis == i || a->axis == i - x->ndim);
        for (size_t j = 0; j < a->n_sizes; j++)
            averaged = averaged || a->sizes[j] == i || a->sizes[j] == i - x->ndim;
        if (!averaged || a->flags & NNCF_OP_FLAG_KEEP_DIMS)
            y->shape[y->ndim++] = averaged ? 1 : x->shape[i];
    }
}

static void flatten_shape(const nncf_layer *l, const nncf__onnx_value *x, nncf__onnx_value *y)
{
    const int32_t axis = l->attributes.axis > 0 ? l->attributes.axis
        : l->attributes.axis < 0                ? l->attributes.axis + x->ndim
                                                : 1;
    if (axis < 1 || axis >= x->ndim)
        return; /* refused later */
    y->ndim = axis + 1;
    for (int32_t i = axis + 1; i < x->ndim; i++)
        y->shape[axis] = times(y->shape[axis], x->shape[i]);
}

static void concat_shape(const nncf__onnx_builder *b, const nncf_layer *l, nncf__onnx_value *y)
{
    int32_t axis = l->attributes.axis ? l->attributes.axis : 1;
    axis += axis < 0 ? y->ndim : 0;
    for (size_t i = 1; axis > 0 && axis < y->ndim && i < l->n_inputs; i++) {
        const int64_t more = b->values[l->inputs[i]->index].shape[axis];
        y->shape[axis] = y->shape[axis] < 0 || more < 0 ? -1 : y->shape[axis] + more;
    }
}

/* Of heads apart or together (exec/heads.c). */
static void heads_shape(const nncf_layer *l, const nncf__onnx_value *x, nncf__onnx_value *y)
{
    const int32_t n = x->ndim;
    memcpy(y->shape, x->shape, sizeof y->shape);
    y->ndim = n + (l->merges ? -1 : 1);
    if (n < 2 + l->merges || y->ndim > NNCF_MAX_NDIM)
        return; /* refused later */
    if (l->merges) {
        const int64_t d = x->shape[n - 1];
        y->shape[n - 3] = x->shape[n - 2];
        y->shape[n - 2] = d < 0 ? -1 : d * l->groups;
        return;
    }
    const int64_t c = x->shape[n - 1];
    y->shape[n - 2] = l->groups;
    y->shape[n - 1] = x->shape[n - 2];
    y->shape[n] = c < 0 ? -1 : c / l->groups;
}

void nncf__onnx_operator_shape(const nncf__onnx_builder *b, const nncf_layer *l,
    const nncf__onnx_value *x, nncf__onnx_value *y)
{
    const nncf__op_attributes *a = &l->attributes;
    const nncf__onnx_value *second = l->n_inputs > 1 ? &b->values[l->inputs[1]->index] : x;
    y->ndim = x->ndim;
    memcpy(y->shape, x->shape, sizeof y->shape);
    if (l->kind == NNCF__HEADS) {
        heads_shape(l, x, y);
        return;
    }
    if ((l->op >= NNCF_OP_CONV1D && l->op <= NNCF_OP_CONV_TRANSPOSE3D) ||
        l->op == NNCF_OP_MAX_POOL || l->op == NNCF_OP_AVERAGE_POOL)
        window_shape(l, x, y);
    switch (l->op) {
    case NNCF_OP_LINEAR:
    case NNCF_OP_FUNCTIONAL_LINEAR:
        y->shape[y->ndim - 1] = l->weight_count > 0 ? l->weight_shape[0] : second->shape[0];
        break;
    case NNCF_OP_EMBEDDING:
        if (y->ndim < NNCF_MAX_NDIM)
            y->shape[y->ndim++] = l->weight_shape[1];
        break;
    case NNCF_OP_ADD:
    case NNCF_OP_SUB:
    case NNCF_OP_MUL:
    case NNCF_OP_DIV:
        if (a->constants[0].data) {
            nncf__onnx_value constant = {.ndim = a->constants[0].ndim};
            memcpy(constant.shape, a->constants[0].shape, sizeof constant.shape);
            broadcast_shape(x, &constant, y);
        } else {
            broadcast_shape(x, second, y);
        }
        break;
    case NNCF_OP_MATMUL:
        broadcast_shape(x, second, y);
        if (x->ndim >= 2 && second->ndim >= 2) {
            y->shape[y->ndim - 2] = x->shape[x->ndim - 2];
            y->shape[y->ndim - 1] =
                second->shape[second->ndim - (a->flags & NNCF_OP_FLAG_TRANSPOSE_SECOND ? 2 : 1)];
        }
        break;
    case NNCF_OP_CONCAT:
        concat_shape(b, l, y);
        break;
    case NNCF_OP_MEAN:
        mean_shape(l, x, y);
        break;
    case NNCF_OP_ADAPTIVE_AVERAGE_POOL:
        for (int32_t i = 2; i < y->ndim; i++)
            y->shape[i] = 1;
        break;
    case NNCF_OP_FLATTEN:
        flatten_shape(l, x, y);
        break;
    case NNCF_OP_RESHAPE:
        if (a->n_sizes > 0 && a->n_sizes <= NNCF_MAX_NDIM)
            reshape_shape(a, x, y);
        break;
    case NNCF_OP_TRANSPOSE:
        for (size_t i = 0; i < a->n_sizes && a->n_sizes == (size_t)x->ndim; i++)
            y->shape[i] = x->shape[a->sizes[i]];
        break;
    case NNCF_OP_PAD:
        for (int32_t i = 0; i < x->ndim && a->n_sizes == 2 * (size_t)x->ndim; i++)
            if (x->shape[i] >= 0)
                y->shape[i] += a->sizes[i] + a->sizes[x->ndim + i];
        break;
    case NNCF_OP_INTERPOLATE:
        for (int i = 0; i < 2 && y->ndim == 4; i++)
            y->shape[2 + i] = times(y->shape[2 + i], a->stride[1 + i] > 0 ? a->stride[1 + i] : 1);
        break;
    case NNCF_OP_OPAQUE: /* only its number of dimensions is taken to be its input's */
        for (int32_t i = 1; i < y->ndim; i++)
            y->shape[i] = i == 1 && l->out_channels > 0 ? l->out_channels : -1;
        break;
    default:
        break;
    }
}
