/* SPDX-License-Identifier: Apache-2.0 */
/* The public calls that run a layer: every argument is checked here, before anything is touched. */
#include "layer/layer.h"

#include <string.h>

bool nncf__layer_observing(const nncf_layer *layer)
{
    const struct nncf_compression_ctrl *ctrl = layer->model->ctrl;
    return ctrl && ctrl->initializing;
}

/* 1..NNCF_MAX_NDIM sizes >= 1 whose floats can be addressed. */
static nncf_status check_shape(const nncf_tensor *t, size_t *count)
{
    size_t n = 1, bytes;
    if (t->ndim < 1 || t->ndim > NNCF_MAX_NDIM)
        return NNCF_E_SHAPE;
    if (!t->shape)
        return NNCF_E_ARG;
    for (int32_t i = 0; i < t->ndim; i++) {
        if (t->shape[i] < 1 || (uint64_t)t->shape[i] > SIZE_MAX || !nncf__mul(n, (size_t)t->shape[i], &n))
            return NNCF_E_SHAPE;
    }
    if (!nncf__mul(n, sizeof(double), &bytes) || bytes > PTRDIFF_MAX)
        return NNCF_E_SHAPE;
    *count = n;
    return NNCF_OK;
}

static bool c_order(const nncf_tensor *t)
{
    int64_t expected = 1;
    for (int32_t i = t->ndim - 1; i >= 0; i--) {
        if (t->shape[i] != 1 && t->strides[i] != expected)
            return false;
        expected *= t->shape[i];
    }
    return true;
}

nncf_status nncf__layer_check_tensor(const nncf_tensor *t, int32_t codes, size_t *count)
{
    size_t n;
    if (!t || t->flags != 0 || t->reserved[0] != 0 || t->reserved[1] != 0)
        return NNCF_E_ARG;
    if (t->dtype != NNCF_F32 && t->dtype != codes)
        return NNCF_E_DTYPE;
    nncf_status status = check_shape(t, &n);
    if (status != NNCF_OK)
        return status;
    size_t alignment = t->dtype == NNCF_F32 ? _Alignof(float) : 1;
    if (!t->data || (uintptr_t)t->data % alignment != 0 || (t->strides && !c_order(t)))
        return NNCF_E_ARG;
    if (count)
        *count = n;
    return NNCF_OK;
}

nncf_status nncf__layer_input_shape(const nncf_layer *layer, const nncf_tensor *x, int64_t shape[4])
{
    size_t count;
    nncf_status status = check_shape(x, &count);
    if (status != NNCF_OK)
        return status;
    if (layer->kind == NNCF__OPERATOR) /* the host runs it */
        return NNCF_E_UNSUPPORTED;
    if (x->ndim != 2 && x->ndim != 4)
        return NNCF_E_SHAPE;
    int64_t s[4] = {x->shape[0], x->shape[1], x->ndim == 4 ? x->shape[2] : 1, x->ndim == 4 ? x->shape[3] : 1};
    if (layer->kind == NNCF__LINEAR) {
        s[1] = s[1] * s[2] * s[3];
        s[2] = s[3] = 1;
    }
    if ((layer->kind == NNCF__LINEAR || layer->kind == NNCF__CONV2D) && s[1] != layer->in_channels)
        return NNCF_E_SHAPE;
    memcpy(shape, s, sizeof s);
    return NNCF_OK;
}

/* Size of one dimension after a window; 0: the window does not fit. */
static int64_t window_count(int64_t size, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation)
{
    int64_t padded = size + 2 * padding, reach = dilation * (kernel - 1) + 1;
    return padded < reach ? 0 : (padded - reach) / stride + 1;
}

static nncf_status output_shape(const nncf_layer *layer, const int64_t in[4], int64_t out[4])
{
    int64_t s[4] = {in[0], in[1], in[2], in[3]};
    if (layer->kind == NNCF__LINEAR) {
        s[1] = layer->out_channels;
    } else if (layer->kind == NNCF__POOL2D && layer->pool_kind == NNCF_POOL_GLOBAL_AVERAGE) {
        s[2] = s[3] = 1;
    } else if (layer->kind == NNCF__POOL2D && layer->pool_kind == NNCF_POOL_MEAN_ROWS) {
        s[2] = 1;
    } else if (layer->kind == NNCF__POOL2D && layer->pool_kind == NNCF_POOL_MEAN_COLUMNS) {
        s[3] = 1;
    } else if (layer->kind != NNCF__ADD) {
        for (int i = 0; i < 2; i++) {
            int64_t dilation = layer->kind == NNCF__CONV2D ? layer->dilation[i] : 1;
            s[2 + i] = window_count(in[2 + i], layer->kernel[i], layer->stride[i], layer->padding[i], dilation);
            if (s[2 + i] < 1)
                return NNCF_E_SHAPE;
        }
        if (layer->kind == NNCF__CONV2D)
            s[1] = layer->out_channels;
    }
    nncf_tensor t = {.ndim = 4, .shape = s};
    size_t count; /* padding can make the output larger than the input */
    nncf_status status = check_shape(&t, &count);
    if (status == NNCF_OK)
        memcpy(out, s, sizeof s);
    return status;
}

bool nncf__quantizer_fits(const nncf__quantizer *quantizer, int64_t channels)
{
    return !quantizer || !quantizer->params.per_channel || quantizer->channels == (size_t)channels;
}

/* Every activation quantizer of the layer against the tensor that it works on. */
static nncf_status check_channels(const nncf_layer *layer, const int64_t in[4], const int64_t out[4])
{
    const nncf__layer_compression *c = layer->compression;
    const bool fits =
        !c || (nncf__quantizer_fits(c->input_quantizer, in[1]) && nncf__quantizer_fits(c->pre_quantizer, out[1]) &&
               nncf__quantizer_fits(c->output_quantizer, out[1]));
    return fits ? NNCF_OK : NNCF_E_SHAPE;
}

nncf_status nncf_layer_output_shape(const nncf_layer *layer, const nncf_tensor *x, int64_t *shape, int32_t *ndim)
{
    int64_t in[4], out[4];
    if (!layer || !x || !shape || !ndim)
        return NNCF_E_ARG;
    nncf_status status = nncf__layer_input_shape(layer, x, in);
    if (status != NNCF_OK || (status = output_shape(layer, in, out)) != NNCF_OK ||
        (status = check_channels(layer, in, out)) != NNCF_OK)
        return status;
    *ndim = layer->kind == NNCF__LINEAR ? 2 : layer->kind == NNCF__ADD ? x->ndim : 4;
    memcpy(shape, out, (size_t)*ndim * sizeof *shape);
    return NNCF_OK;
}

/* A valid tensor of that shape; (n, c) stands for (n, c, 1, 1). */
static nncf_status check_as(const nncf_tensor *t, int32_t codes, const int64_t shape[4])
{
    nncf_status status = nncf__layer_check_tensor(t, codes, NULL);
    if (status != NNCF_OK)
        return status;
    if (t->ndim != 2 && t->ndim != 4)
        return NNCF_E_SHAPE;
    for (int i = 0; i < 4; i++)
        if ((i < t->ndim ? t->shape[i] : 1) != shape[i])
            return NNCF_E_SHAPE;
    return NNCF_OK;
}

static size_t element_size(const nncf_tensor *t)
{
    return t->dtype == NNCF_F32 ? sizeof(float) : 1;
}

static bool overlap(const nncf_tensor *a, const int64_t a_shape[4], const nncf_tensor *b, const int64_t b_shape[4])
{
    uintptr_t i = (uintptr_t)a->data, j = (uintptr_t)b->data;
    uintptr_t m = (uintptr_t)(a_shape[0] * a_shape[1] * a_shape[2] * a_shape[3]) * element_size(a);
    uintptr_t n = (uintptr_t)(b_shape[0] * b_shape[1] * b_shape[2] * b_shape[3]) * element_size(b);
    return i < j + n && j < i + m;
}

static size_t input_count(const nncf_layer *layer)
{
    return layer->kind == NNCF__ADD ? 2 : 1;
}

/* Check the inputs and y (or dy), which may be of the type y_codes, and work out both shapes. */
static nncf_status check_pair(const nncf_layer *layer, const nncf_tensor *x, const nncf_tensor *y, int32_t y_codes,
                              int64_t in[4], int64_t out[4])
{
    nncf_status status = nncf__layer_check_tensor(x, nncf__layer_input_dtype(layer, 0), NULL);
    if (status != NNCF_OK || (status = nncf__layer_input_shape(layer, x, in)) != NNCF_OK)
        return status;
    if (input_count(layer) == 2 && (status = check_as(&x[1], nncf__layer_input_dtype(layer, 1), in)) != NNCF_OK)
        return status;
    if ((status = output_shape(layer, in, out)) != NNCF_OK || (status = check_as(y, y_codes, out)) != NNCF_OK)
        return status;
    /* a maximum has no codes of its own: those of its input, or none */
    if (y->dtype != NNCF_F32 && !nncf__layer_output_quantizer(layer) && x->dtype != y->dtype)
        return NNCF_E_DTYPE;
    for (size_t i = 0; i < input_count(layer); i++)
        if (overlap(&x[i], in, y, out))
            return NNCF_E_ARG;
    return check_channels(layer, in, out);
}

/* The inputs as the layers read them: floats, or codes and what they stand for. */
static void operands_of(const nncf_layer *layer, const nncf_tensor *x, nncf__operand operands[2])
{
    for (size_t i = 0; i < input_count(layer); i++) {
        if (x[i].dtype == NNCF_F32)
            operands[i] = (nncf__operand){.data = x[i].data};
        else
            operands[i] = nncf__codes_operand(nncf__layer_feeding_quantizer(layer, i), x[i].data);
    }
}

nncf_status nncf_layer_forward(nncf_layer *layer, const nncf_tensor *x, const nncf_tensor *y)
{
    int64_t in[4], out[4];
    nncf__operand operands[2];
    if (!layer || !x || !y)
        return NNCF_E_ARG;
    nncf_status status = check_pair(layer, x, y, nncf__layer_output_dtype(layer), in, out);
    if (status != NNCF_OK)
        return status;
    const nncf__output output = {y->data, y->dtype};
    operands_of(layer, x, operands);
    nncf__ctrl_saw_images(layer->model->ctrl, in[0]);
    if (layer->kind == NNCF__ADD)
        status = nncf__add_forward(layer, operands, in, &output);
    else if (layer->kind == NNCF__POOL2D)
        status = nncf__pool_forward(layer, operands, in, out, &output);
    else
        status = nncf__product_forward(layer, operands, in, out, &output);
    if (status == NNCF_OK)
        memcpy(layer->batch_shape, in, sizeof in);
    return status;
}

static nncf_status check_dx(const nncf_layer *layer, const nncf_tensor *x, const nncf_tensor *dy, const nncf_tensor *dx,
                            const int64_t in[4], const int64_t out[4])
{
    for (size_t i = 0; i < input_count(layer); i++) {
        int64_t shape[4];
        nncf_status status = nncf__layer_check_tensor(&dx[i], NNCF_F32, NULL);
        if (status != NNCF_OK || (status = nncf__layer_input_shape(layer, &dx[i], shape)) != NNCF_OK)
            return status;
        if (memcmp(shape, in, sizeof shape) != 0)
            return NNCF_E_SHAPE;
        if (overlap(&dx[i], in, dy, out))
            return NNCF_E_ARG;
        for (size_t j = 0; j < input_count(layer); j++)
            if (overlap(&dx[i], in, &x[j], in))
                return NNCF_E_ARG;
    }
    if (input_count(layer) == 2 && dx[0].data != dx[1].data && overlap(&dx[0], in, &dx[1], in))
        return NNCF_E_ARG;
    return NNCF_OK;
}

nncf_status nncf_layer_backward(nncf_layer *layer, const nncf_tensor *x, const nncf_tensor *dy, const nncf_tensor *dx)
{
    int64_t in[4], out[4];
    if (!layer || !x || !dy)
        return NNCF_E_ARG;
    nncf_status status = check_pair(layer, x, dy, NNCF_F32, in, out);
    if (status == NNCF_OK && dx)
        status = check_dx(layer, x, dy, dx, in, out);
    if (status != NNCF_OK)
        return status;
    /* in eval mode the masks of the forward could not be made again; while observing nothing was kept */
    if (!layer->ready_for_backward || layer->model->mode != NNCF_MODE_TRAIN || nncf__layer_observing(layer))
        return NNCF_E_STATE;
    if (memcmp(in, layer->batch_shape, sizeof in) != 0)
        return NNCF_E_SHAPE;
    nncf__operand operands[2];
    operands_of(layer, x, operands);
    if (layer->kind == NNCF__ADD) {
        if (!dx && !nncf__layer_output_quantizer(layer) && !(layer->compression && layer->compression->pre_quantizer))
            return NNCF_OK;
        /* the gradient of the scale is wanted also when dx is not: dy serves as work space */
        float *da = dx ? dx[0].data : dy->data, *db = dx ? dx[1].data : dy->data;
        return nncf__add_backward(layer, operands, in, dy->data, da, db);
    }
    if (layer->kind == NNCF__POOL2D)
        return nncf__pool_backward(layer, operands, in, out, dy->data, dx ? dx->data : NULL);
    return nncf__product_backward(layer, operands, in, out, dy->data, dx ? dx->data : NULL);
}
