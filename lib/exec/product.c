/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolution and linear layers. Forward in train mode keeps what backward cannot get elsewhere:
 * the compressed weight, the quantized own input (as codes where it has them), and z, the product
 * before batch norm, activation and output quantizer (only when one of them follows). Everything
 * that can fail happens before the first byte of the caller's is written.
 */
#include "exec/product.h"

#include "base/alloc.h"
#include "base/pool.h"
#include "controller/weight.h"
#include "conv/conv2d.h"
#include "exec/batch_norm.h"
#include "exec/codes.h"
#include "exec/map_reduce.h"
#include "exec/quantize.h"
#include "exec/run.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "kernels/operand.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <string.h>

nncf__conv2d nncf__product_shape(const nncf_layer *l, const int64_t in[4], const int64_t out[4])
{
    return (nncf__conv2d){.n = in[0],
        .c_in = in[1],
        .h = in[2],
        .w = in[3],
        .c_out = out[1],
        .out_h = out[2],
        .out_w = out[3],
        .kernel_h = l->kernel[0],
        .kernel_w = l->kernel[1],
        .stride_h = l->stride[0],
        .stride_w = l->stride[1],
        .pad_h = l->padding[0],
        .pad_w = l->padding[1],
        .dilation_h = l->dilation[0],
        .dilation_w = l->dilation[1],
        .groups = l->groups};
}

static size_t elements(const nncf__planes *p)
{
    return p->n * p->c * p->hw;
}

static bool compresses_weight(const nncf_layer *layer)
{
    const nncf__layer_compression *c = layer->compression;
    return c && (c->mask_kind != NNCF__MASK_NONE || c->weight_quantizer);
}

static nncf__quantizer *input_quantizer(const nncf_layer *layer)
{
    return layer->compression ? layer->compression->input_quantizer : NULL;
}

/* Something stands between the product and the output. */
static bool has_epilogue(const nncf_layer *layer)
{
    return layer->has_batch_norm || layer->activation != NNCF_ACTIVATION_NONE ||
        nncf__layer_output_quantizer(layer);
}

static nncf_status grow(nncf_layer *layer, nncf__buffer *buffer, size_t bytes)
{
    return nncf__grow(layer->model->context, &buffer->data, &buffer->capacity, bytes);
}

/* Bytes of the quantized own input. */
static size_t own_input_bytes(const nncf__quantizer *input, const nncf__planes *in)
{
    return elements(in) * (nncf__quantizer_dtype(input) == NNCF_F32 ? sizeof(float) : 1);
}

/* The own input as it is used, from where nncf__product_forward() put it. */
static nncf__operand own_input(const nncf_layer *layer, const nncf__quantizer *input)
{
    if (nncf__quantizer_dtype(input) != NNCF_F32)
        return nncf__codes_operand(input, layer->xq.data);
    return (nncf__operand){.data = layer->xq.data};
}

/* Do the values that this quantizer made have codes that a product of codes may be made of? */
static bool gives_codes(const nncf__quantizer *q)
{
    return q && !q->observing && q->params.bits <= 8;
}

/* Fill in the steps when both operands are multiples of one. */
static void set_steps(const nncf_layer *layer, nncf__operand *x, nncf__operand *w)
{
    const nncf__layer_compression *c = layer->compression;
    if (!c || !gives_codes(c->incoming_quantizer) || !gives_codes(c->weight_quantizer) ||
        c->incoming_quantizer->channels != 1)
        return;
    const nncf__quantizer *wq = c->weight_quantizer;
    float *steps = nncf__channels_of(layer).weight_scale;
    for (size_t i = 0; i < wq->channels; i++)
        steps[i] = wq->fq[i].scale;
    w->scale = steps;
    w->n_scales = wq->channels;
    w->code_max = nncf__quantizer_code_max(wq);
    if (x->dtype == NNCF_F32) {
        x->scale = &c->incoming_quantizer->fq[0].scale;
        x->n_scales = 1;
    }
}

/* What is done to the channels of a depthwise block. */
static nncf__channel_hooks forward_hooks(const nncf__planes *out, nncf__norm *norm)
{
    return (nncf__channel_hooks){.arg = norm,
        .scratch = nncf__batch_norm_scratch(out),
        .group = nncf__batch_norm_forward_channels};
}

static nncf__channel_hooks backward_hooks(const nncf__planes *out, nncf__norm *norm)
{
    return (nncf__channel_hooks){.arg = norm,
        .scratch = nncf__batch_norm_scratch(out),
        .group = nncf__batch_norm_backward_sums,
        .dz = nncf__batch_norm_backward_dz};
}

/* Is the rest of the layer done channel by channel, with the product? */
static bool by_channel(const nncf_layer *layer, const nncf__conv2d *shape)
{
    return layer->has_batch_norm && nncf__conv2d_by_channel(layer->model->context, shape);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Scratch of forward, and of backward where dx or dw is wanted. */
static size_t forward_scratch(const nncf_layer *layer, const nncf__conv2d *shape,
    const nncf__operand *x, const nncf__operand *w, const nncf__planes *out)
{
    const nncf_context *context = layer->model->context;
    return by_channel(layer, shape)
        ? nncf__conv2d_forward_channels_scratch(context, shape, x, w, nncf__batch_norm_scratch(out))
        : nncf__conv2d_forward_scratch(context, shape, x, w);
}

static size_t backward_scratch(const nncf_layer *layer, const nncf__conv2d *shape,
    const nncf__operand *x, const nncf__planes *out, bool wants_dx, bool wants_dw)
{
    const nncf_context *context = layer->model->context;
    if (!wants_dx && !wants_dw)
        return 0;
    if (by_channel(layer, shape))
        return nncf__conv2d_backward_channels_scratch(
            context, shape, x, nncf__batch_norm_scratch(out), wants_dx, wants_dw);
    return larger(wants_dw ? nncf__conv2d_backward_weight_scratch(context, shape, x) : 0,
        wants_dx ? nncf__conv2d_backward_input_scratch(context, shape) : 0);
}

/* Where the product goes: kept, or into y, or, where that takes only codes, into work space. */
static nncf_status find_z(
    nncf_layer *layer, bool keep, size_t count, const nncf__output *y, float **z)
{
    const size_t bytes = count * sizeof(float);
    nncf__buffer *buffer = &layer->z;
    if (!keep && y->dtype == NNCF_F32) {
        *z = y->data;
        return NNCF_OK;
    }
    if (!keep &&
        layer->z.capacity < bytes) /* what an earlier training step has left there serves too */
        buffer = &layer->model->work;
    nncf_status status = grow(layer, buffer, bytes);
    *z = buffer->data;
    return status;
}

/* z, and y from it. A depthwise block is done channel by channel: its z is read back before it
 * leaves the caches. */
static nncf_status multiply(nncf_layer *layer, const nncf__conv2d *shape, const nncf__operand *x,
    const nncf__operand *w, const nncf__planes *planes, float *z, const nncf__output *y)
{
    nncf_context *context = layer->model->context;
    nncf_status status =
        nncf__scratch_reserve(context, forward_scratch(layer, shape, x, w, planes));
    if (status != NNCF_OK)
        return status;
    if (by_channel(layer, shape)) {
        nncf__norm norm = nncf__batch_norm_forward_start(layer, planes, z, y);
        const nncf__channel_hooks hooks = forward_hooks(planes, &norm);
        nncf__conv2d_forward_channels(context, shape, x, w, layer->bias, z, &hooks);
        nncf__batch_norm_forward_finish(&norm);
        return NNCF_OK;
    }
    nncf__conv2d_forward(context, shape, x, w, layer->bias, z);
    if (layer->has_batch_norm)
        nncf__batch_norm_forward(layer, planes, z, y);
    else
        nncf__epilogue_forward(layer, planes, z, y);
    return NNCF_OK;
}

nncf_status nncf__product_forward(nncf_layer *layer, const nncf__operand *x, const int64_t in[4],
    const int64_t out[4], const nncf__output *y)
{
    nncf_context *context = layer->model->context;
    const nncf__planes in_planes = nncf__planes_of(in), out_planes = nncf__planes_of(out);
    nncf__quantizer *input = input_quantizer(layer);
    const bool quantizes = input && !input->observing, compresses = compresses_weight(layer);
    const bool keep = layer->model->mode == NNCF_MODE_TRAIN && !nncf__layer_observing(layer);
    nncf_status status;
    float *z;

    layer->ready_for_backward = false; /* what it kept is overwritten from here on */
    if ((status = nncf__channels_reserve(layer, &out_planes)) != NNCF_OK)
        return status;
    if (compresses &&
        (status = grow(layer, &layer->wq, layer->weight_count * sizeof(float))) != NNCF_OK)
        return status;
    if (quantizes &&
        (status = grow(layer, &layer->xq, own_input_bytes(input, &in_planes))) != NNCF_OK)
        return status;
    if ((status = find_z(layer, keep && has_epilogue(layer), elements(&out_planes), y, &z)) !=
        NNCF_OK)
        return status;

    nncf__operand xo = *x, wo = {.data = layer->weight};
    if (compresses) {
        if ((status = nncf__weight_forward(layer, layer->wq.data)) != NNCF_OK)
            return status;
        wo.data = layer->wq.data;
        if (keep)
            nncf__weight_used(layer);
    }
    if (quantizes) {
        if (nncf__quantizer_dtype(input) != NNCF_F32)
            nncf__layer_quantize_to_codes(context, input, &in_planes, x->data, layer->xq.data);
        else
            nncf__layer_quantize(context, input, &in_planes, x->data, layer->xq.data);
        xo = own_input(layer, input);
    }
    set_steps(layer, &xo, &wo);
    const nncf__conv2d shape = nncf__product_shape(layer, in, out);
    if ((status = multiply(layer, &shape, &xo, &wo, &out_planes, z, y)) != NNCF_OK)
        return status;
    if (input && !quantizes)
        nncf__layer_observe(context, input, &in_planes, x->data);
    layer->ready_for_backward = keep;
    return NNCF_OK;
}

/* The gradient of the compressed weight goes where it is wanted. */
static bool wants_weight_gradient(const nncf_layer *layer)
{
    return layer->weight_grad || compresses_weight(layer);
}

bool nncf__product_keeps(const nncf_layer *layer)
{
    return has_epilogue(layer) || input_quantizer(layer);
}

bool nncf__layer_reads_x(const nncf_layer *layer)
{
    if (layer->kind == NNCF__POOL2D)
        return layer->pool_kind == NNCF_POOL_MAX;
    return wants_weight_gradient(layer) || input_quantizer(layer);
}

/* Through all that follows the product, and the product: dx and dw (NULL: not wanted) from dy. */
static void multiply_backward(nncf_layer *layer, const nncf__conv2d *shape, const nncf__operand *x,
    const float *w, const nncf__planes *planes, float *dy, float *dx, float *dw)
{
    nncf_context *context = layer->model->context;
    if (by_channel(layer, shape) && (dx || dw)) {
        nncf__norm norm = nncf__batch_norm_backward_start(
            layer, planes, layer->z.data, dy, layer->bias_grad != NULL);
        const nncf__channel_hooks hooks = backward_hooks(planes, &norm);
        nncf__conv2d_backward_channels(context, shape, x, w, &hooks, dx, dw);
        return;
    }
    if (layer->has_batch_norm)
        nncf__batch_norm_backward(layer, planes, layer->z.data, dy);
    else if (has_epilogue(layer))
        nncf__epilogue_backward(layer, planes, layer->z.data, dy, dy, true);
    if (dw)
        nncf__conv2d_backward_weight(context, shape, x, dy, dw);
    if (dx)
        nncf__conv2d_backward_input(context, shape, w, dy, dx);
}

nncf_status nncf__product_backward(nncf_layer *layer, const nncf__operand *x, const int64_t in[4],
    const int64_t out[4], float *dy, float *dx)
{
    nncf_model *model = layer->model;
    nncf_context *context = model->context;
    const nncf__planes in_planes = nncf__planes_of(in), out_planes = nncf__planes_of(out);
    nncf__quantizer *input = input_quantizer(layer);
    const bool compresses = compresses_weight(layer), wants_dw = wants_weight_gradient(layer);
    const nncf__conv2d shape = nncf__product_shape(layer, in, out);
    const float *used_w = compresses ? layer->wq.data : layer->weight;
    nncf_status status;

    if ((status = nncf__channels_reserve(layer, &out_planes)) != NNCF_OK)
        return status;
    if (wants_dw &&
        (status = grow(layer, &model->dw, layer->weight_count * sizeof(float))) != NNCF_OK)
        return status;
    if (input && !dx) { /* the gradient of the input's scale is made from it */
        if ((status = grow(layer, &model->work, elements(&in_planes) * sizeof(float))) != NNCF_OK)
            return status;
        dx = model->work.data;
    }

    const nncf__operand used_x = input ? own_input(layer, input) : *x;
    if ((status = nncf__scratch_reserve(context,
             backward_scratch(layer, &shape, &used_x, &out_planes, dx != NULL, wants_dw))) !=
        NNCF_OK)
        return status;
    multiply_backward(
        layer, &shape, &used_x, used_w, &out_planes, dy, dx, wants_dw ? model->dw.data : NULL);
    if (compresses) {
        if ((status = nncf__weight_backward(layer, model->dw.data)) != NNCF_OK)
            return status;
    } else if (layer->weight_grad) {
        nncf__kernels_of(context)->accumulate(
            layer->weight_count, model->dw.data, layer->weight_grad);
    }
    if (input)
        nncf__layer_quantize_backward(context, input, &in_planes, x->data, dx, dx);
    if (layer->has_batch_norm)
        nncf__batch_norm_add_gradients(layer, &out_planes);
    else if (has_epilogue(layer))
        nncf__epilogue_add_gradients(layer);
    if (layer->bias_grad) {
        double *sums = nncf__channels_of(layer).sums;
        nncf__channel_sums(context, &out_planes, dy, sums);
        for (size_t c = 0; c < out_planes.c; c++)
            layer->bias_grad[c] += (float)sums[c];
    }
    return NNCF_OK;
}

void nncf__product_needs(
    const nncf_layer *layer, const int64_t in[4], const int64_t out[4], nncf__needs *needs)
{
    const nncf__planes in_planes = nncf__planes_of(in), out_planes = nncf__planes_of(out);
    const nncf__quantizer *input = input_quantizer(layer),
                          *output = nncf__layer_output_quantizer(layer);
    const nncf__quantizer *feeding = input ? input : nncf__layer_feeding_quantizer(layer, 0);
    const size_t z = elements(&out_planes) * sizeof(float),
                 weight = layer->weight_count * sizeof(float);
    const nncf__conv2d shape = nncf__product_shape(layer, in, out);
    const nncf__quantizer *wq = layer->compression ? layer->compression->weight_quantizer : NULL;
    static const float scale = 1; /* any: scratch does not depend on it */

    needs->channels = nncf__channels_bytes(&out_planes);
    needs->wq = compresses_weight(layer) ? weight : 0;
    needs->xq = input ? own_input_bytes(input, &in_planes) : 0;
    needs->z = needs->train && has_epilogue(layer) ? z : 0;
    needs->work = needs->train ? (input ? elements(&in_planes) * sizeof(float) : 0)
                               : (nncf__quantizer_dtype(output) != NNCF_F32 ? z : 0);
    needs->dw = needs->train && wants_weight_gradient(layer) ? weight : 0;
    if (layer->has_batch_norm)
        needs->scratch = larger(needs->scratch, nncf__batch_norm_scratch(&out_planes));
    /* nobody asks for the gradient of the model's input, but the scale of its quantizer needs it */
    const bool wants_dx = needs->train && (layer->n_inputs > 0 || input);
    /* with floats, as while ranges are initialized; with floats that become codes on the way; with
     * codes */
    enum { FLOATS, ROUNDED, CODES, FORMS };
    const int32_t dtype = nncf__quantizer_dtype(feeding);
    nncf__operand x = {0}, w = {0};
    for (int form = FLOATS; form < FORMS; form++) {
        if (form == ROUNDED && input) /* its own input is in codes already */
            continue;
        if (form != FLOATS && dtype != NNCF_F32)
            x = (nncf__operand){
                .scale = &scale, .n_scales = 1, .dtype = form == CODES ? dtype : (int32_t)NNCF_F32};
        if (x.scale && gives_codes(wq))
            w = (nncf__operand){
                .scale = &scale, .n_scales = 1, .code_max = nncf__quantizer_code_max(wq)};
        needs->scratch =
            larger(needs->scratch, forward_scratch(layer, &shape, &x, &w, &out_planes));
        needs->scratch = larger(needs->scratch,
            backward_scratch(layer, &shape, &x, &out_planes, wants_dx, needs->dw > 0));
    }
}
