/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolution and linear layers. Forward in train mode keeps what backward cannot get elsewhere:
 * the compressed weight, the quantized own input (as codes where it has them), and z, the product
 * before batch norm, activation and output quantizer (only when one of them follows). All buffers
 * are reserved before (exec/block.c).
 */
#include "exec/product.h"

#include "base/int_math.h"
#include "binarization/binarizer.h"
#include "controller/bias_correction.h"
#include "controller/weight.h"
#include "conv/conv2d.h"
#include "exec/batch_norm.h"
#include "exec/batch_norm_tiles.h"
#include "exec/binarize.h"
#include "exec/call.h"
#include "exec/channels.h"
#include "exec/input_range.h"
#include "exec/map_reduce.h"
#include "exec/quantize.h"
#include "exec/transposed.h"
#include "exec/window.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"
#include "pruning/apply.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

nncf__conv2d nncf__product_shape(const nncf_layer *l, const int64_t in[4], const int64_t out[4])
{
    return nncf__conv2d_as_rows((nncf__conv2d){.n = in[0],
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
        .groups = l->groups});
}

/* ---- preparation ---- */

static bool compresses_weight(const nncf_layer *layer)
{
    const nncf__layer_compression *c = nncf__weight_owner(layer)->compression;
    return c && (nncf__layer_masks(c) || nncf__layer_active(c, NNCF__SLOT_WEIGHT));
}

/* Codes wherever the quantizer has some; else the floats that mask and quantizer make, if there are
 * any. */
static void prepare_weight(const nncf_layer *layer, nncf__block *b)
{
    const nncf__layer_compression *c = nncf__weight_owner(layer)->compression;
    const nncf__quantizer *quantizer = b->quantizers[NNCF__OF_WEIGHT];
    const bool quantizes = nncf__block_quantizes(b, NNCF__OF_WEIGHT),
               has_codes =
                   quantizer && !b->is_transposed && nncf__quantizer_dtype(quantizer) != NNCF_F32,
               masks = c && nncf__layer_masks(c);
    b->weight_form = NNCF__WEIGHT_MASTER;
    b->weight = (nncf__qtensor){.dtype = NNCF_F32};
    if (quantizes && has_codes) {
        b->weight_form = NNCF__WEIGHT_CODES;
        b->weight = nncf__quantizer_codes(quantizer);
    } else if (quantizes || masks) {
        b->weight_form = has_codes ? NNCF__WEIGHT_SHARED : NNCF__WEIGHT_FLOATS;
    }
}

/* The input that the product reads. Floats that a quantizer of one scale made become codes on the
 * way where the weight is codes. */
static void prepare_input(nncf__block *b)
{
    const nncf__quantizer *input = b->quantizers[NNCF__OF_INPUT],
                          *source = b->quantizers[NNCF__OF_SOURCE];
    b->used_x = b->x[0];
    b->quantizes_input = input && !b->observes_input;
    if (b->is_transposed) {
        b->used_x = (nncf__qtensor){.dtype = NNCF_F32};
        return;
    }
    if (b->quantizes_input && nncf__quantizer_dtype(input) != NNCF_F32) {
        b->used_x = nncf__quantizer_codes(input);
    } else if (nncf__block_quantizes(b, NNCF__OF_SOURCE) &&
        nncf__quantizer_dtype(source) != NNCF_F32) {
        b->used_x.scale = source->scales;
        b->used_x.n_scales = 1;
    }
}

/* Bits give the sums that codes give, but a backward needs codes. */
static void prepare_bits(const nncf_context *context, nncf__block *b)
{
    const nncf__quantizer *input = b->quantizers[NNCF__OF_INPUT],
                          *weight = b->quantizers[NNCF__OF_WEIGHT];
    b->by_bits = !b->keeps && !b->by_channel && b->quantizes_input && input->binarizer &&
        b->weight_form == NNCF__WEIGHT_CODES && weight->binarizer &&
        b->key.x_dtype[0] == NNCF_F32 && nncf__conv2d_bits_fit(context, &b->conv);
    if (b->by_bits)
        b->weight_form = NNCF__WEIGHT_SIGNS;
}

/* Whether z is made again for each pass over it. Without a backward that is one pass, or two. */
static bool makes_z_again(const nncf_context *context, const nncf__block *b)
{
    if (b->by_channel) /* of a group of channels, in scratch; codes in bytes alone make it again */
        return b->conv.only_sums && nncf__qtensor_is_codes(&b->used_x) && b->keeps && b->wants_dw &&
            b->key.memory == NNCF_MEMORY_SMALL;
    return !b->across_ranks && !b->by_bits && nncf__batch_norm_tiles_fit(context, b) &&
        (!b->keeps || b->key.memory == NNCF_MEMORY_SMALL);
}

static size_t forward_scratch(const nncf_context *context, const nncf__block *b, size_t norm)
{
    const nncf__channel_hooks hooks = {.scratch = norm, .local_z = b->makes_z_again};
    if (b->is_transposed)
        return max_size(norm, nncf__transposed_forward_scratch(context, b));
    if (b->by_channel)
        return nncf__conv2d_forward_channels_scratch(
            context, &b->conv, &b->used_x, &b->weight, &hooks);
    if (b->by_bits)
        return max_size(norm, nncf__conv2d_forward_bits_scratch(context, &b->conv));
    return max_size(norm,
        b->makes_z_again ? nncf__batch_norm_tiles_scratch(context, b)
                         : nncf__conv2d_forward_scratch(context, &b->conv, &b->used_x, &b->weight));
}

static size_t backward_scratch(
    const nncf_context *context, const nncf__block *b, size_t norm, bool dx)
{
    const nncf__channel_hooks hooks = {.scratch = norm, .local_z = b->makes_z_again};
    if (b->is_transposed)
        return max_size(norm, nncf__transposed_backward_scratch(context, b, dx, b->wants_dw));
    if (b->by_channel && (dx || b->wants_dw))
        return nncf__conv2d_backward_channels_scratch(
            context, &b->conv, &b->used_x, &b->weight, &hooks, dx, b->wants_dw);
    if (b->makes_z_again)
        norm = max_size(norm, nncf__batch_norm_tiles_scratch(context, b));
    if (b->wants_dw)
        norm = max_size(norm, nncf__conv2d_backward_weight_scratch(context, &b->conv, &b->used_x));
    return dx ? max_size(norm, nncf__conv2d_backward_input_scratch(context, &b->conv)) : norm;
}

/* Does the product of bits find the scales itself, reading the weight once? Of one output channel
 * each, that is. Else the pass that finds the scale leaves the signs. */
static bool makes_scales(const nncf__block *b)
{
    return b->by_bits && b->quantizers[NNCF__OF_WEIGHT]->channels > 1;
}

static size_t signs_bytes(const nncf__block *b, size_t weight_count)
{
    return makes_scales(b) ? 0 : (weight_count + 63) / 64 * sizeof(uint64_t);
}

static float *binary_scales(const nncf__call *call)
{
    char *wq = call->layer->now.wq.data;
    return (float *)(void *)(wq + signs_bytes(call->block, call->layer->weight_count));
}

static size_t bits_bytes(const nncf__block *b)
{
    return b->in_planes.n * (size_t)nncf__conv2d_bits_words(&b->conv) * b->in_planes.hw *
        sizeof(uint64_t);
}

static void prepare_needs(const nncf_layer *layer, nncf__block *b)
{
    const nncf_context *context = layer->model->context;
    const nncf__quantizer *input = b->quantizers[NNCF__OF_INPUT];
    const size_t in = nncf__planes_count(&b->in_planes), weight = layer->weight_count;
    const size_t z = nncf__planes_count(&b->out_planes) * sizeof(float);
    const size_t norm = layer->has_batch_norm ? nncf__batch_norm_scratch(&b->out_planes) : 0;
    b->forward = (nncf__needs){.channels = nncf__channels_bytes(b->out_planes.c),
        .wq = b->weight_form == NNCF__WEIGHT_CODES
            ? nncf__weight_codes_size(b->quantizers[NNCF__OF_WEIGHT], weight)
            : b->weight_form == NNCF__WEIGHT_SIGNS
            ? signs_bytes(b, weight) + b->quantizers[NNCF__OF_WEIGHT]->channels * sizeof(float)
            : b->weight_form == NNCF__WEIGHT_FLOATS ? weight * sizeof(float)
                                                    : 0,
        .dw = b->weight_form == NNCF__WEIGHT_SHARED ? weight * sizeof(float) : 0,
        .xq = !b->quantizes_input && !b->widens_input ? 0
            : b->by_bits                              ? bits_bytes(b)
            : b->used_x.dtype == NNCF_F32             ? in * sizeof(float)
                                                      : in,
        .z = b->keeps_z ? z : 0,
        .work = b->keeps_z || b->makes_z_again || b->key.y_dtype == NNCF_F32 ? 0 : z,
        .scratch = forward_scratch(context, b, norm)};
    const bool by_weight = nncf__input_range_fits(b);
    for (int dx = 0; dx < 2; dx++)
        b->backward[dx] = (nncf__needs){.channels = b->forward.channels,
            .dw = b->wants_dw || (by_weight && !dx) ? weight * sizeof(float) : 0,
            .work = b->makes_z_again && !b->by_channel ? nncf__batch_norm_tiles_work(b) : 0,
            .scratch = backward_scratch(context, b, norm, dx || (input && !by_weight))};
    if (input) /* the gradient of its range is made from dx, or from x, which its terms replace */
        b->backward[0].work = max_size(b->backward[0].work, in * sizeof(float));
    if (by_weight)
        b->backward[0].scratch =
            max_size(b->backward[0].scratch, nncf__input_range_scratch(context, b));
}

/* Masked in blocks, the weight has blocks of zeros. Which they are may change between two calls. A
 * tied layer with another number of groups has blocks of its own, whose numbers are others. */
static void prepare_blocks(const nncf_layer *layer, nncf__block *b)
{
    const nncf_layer *owner = nncf__weight_owner(layer);
    const nncf__layer_compression *c = owner->compression;
    if (!c || !c->blocks)
        return;
    b->conv.block = c->block_size;
    b->conv.blocks_are_turned = b->is_transposed;
    if (layer->groups == owner->groups)
        b->conv.kept_blocks = c->blocks;
}

void nncf__product_prepare(const nncf_layer *layer, nncf__block *b)
{
    if (layer->kind == NNCF__CONV_TRANSPOSE2D)
        nncf__transposed_prepare(layer, b);
    else
        b->conv = nncf__product_shape(layer, b->key.in, b->out);
    prepare_blocks(layer, b);
    nncf__batch_norm_prepare(layer, b);
    b->by_channel = layer->has_batch_norm && !b->is_transposed && !b->across_ranks &&
        nncf__conv2d_by_channel(layer->model->context, &b->conv);
    b->compresses = compresses_weight(layer);
    b->wants_dw = layer->weight_grad || b->compresses;
    prepare_weight(layer, b);
    prepare_input(b);
    b->conv.only_sums = layer->has_batch_norm && nncf__product_is_codes(&b->used_x, &b->weight);
    prepare_bits(layer->model->context, b);
    b->makes_z_again = makes_z_again(layer->model->context, b);
    b->has_epilogue = layer->has_batch_norm || layer->activation != NNCF_ACTIVATION_NONE ||
        b->quantizers[NNCF__OF_OUTPUT];
    b->keeps_z = b->keeps && b->has_epilogue && !b->makes_z_again;
    b->keeps_state = b->has_epilogue || b->quantizers[NNCF__OF_INPUT] || b->widens_input;
    b->reads_x = b->wants_dw || b->makes_z_again || b->quantizers[NNCF__OF_INPUT];
    prepare_needs(layer, b);
}

/* ---- a call ---- */

/* The input as the product reads it. */
static nncf__qtensor used_x(const nncf__call *call)
{
    nncf__qtensor x = call->block->used_x;
    x.data = call->block->quantizes_input || call->block->widens_input ? call->layer->now.xq.data
                                                                       : call->x[0].data;
    return x;
}

/* The weight as the product reads it. */
static nncf__qtensor used_weight(const nncf__call *call)
{
    const nncf__block *b = call->block;
    nncf__qtensor w = b->weight;
    switch (b->weight_form) {
    case NNCF__WEIGHT_CODES:
        return nncf__weight_codes_at(b->quantizers[NNCF__OF_WEIGHT], call->layer->now.wq.data);
    case NNCF__WEIGHT_SIGNS:
        w.scale = binary_scales(call);
        break;
    case NNCF__WEIGHT_FLOATS:
        w.data = call->layer->now.wq.data;
        break;
    case NNCF__WEIGHT_SHARED:
        w.data = call->layer->model->dw.data;
        break;
    case NNCF__WEIGHT_MASTER:
        w.data = call->layer->weight;
    }
    return w;
}

/* Where the product goes: kept, or into y, or, where that takes only codes, into workspace or what
 * an earlier training step has left. */
static float *find_z(const nncf__call *call)
{
    const nncf__block *b = call->block;
    if (b->keeps_z)
        return call->layer->now.z.data;
    if (call->y.dtype == NNCF_F32)
        return call->y.data;
    return call->layer->now.z.capacity >= b->forward.work ? call->layer->now.z.data
                                                          : call->layer->model->work.data;
}

static void multiply_bits(
    const nncf__call *call, const nncf__qtensor *x, const nncf__qtensor *w, float *z)
{
    const nncf_layer *layer = call->layer;
    nncf__signs signs = {.bits = layer->now.wq.data};
    if (makes_scales(call->block))
        signs = (nncf__signs){
            .floats = nncf__weight_owner(layer)->weight, .scales = binary_scales(call)};
    nncf__conv2d_forward_bits(
        layer->model->context, &call->block->conv, x, w, &signs, layer->bias, z);
}

/* z, and y from it. A depthwise block is done channel by channel: its z is read back before it
 * leaves the caches. */
static void multiply(
    const nncf__call *call, const nncf__qtensor *x, const nncf__qtensor *w, float *z)
{
    const nncf__block *b = call->block;
    const nncf_layer *layer = call->layer;
    nncf_context *context = layer->model->context;
    if (b->by_channel) {
        nncf__norm norm = nncf__batch_norm_forward_start(call, x, w, z);
        const nncf__channel_hooks hooks = {.arg = &norm,
            .scratch = nncf__batch_norm_scratch(&b->out_planes),
            .local_z = b->makes_z_again,
            .group = nncf__batch_norm_forward_channels};
        nncf__conv2d_forward_channels(context, &b->conv, x, w, nncf__kept_bias(layer), z, &hooks);
        nncf__batch_norm_forward_finish(&norm);
        return;
    }
    if (b->makes_z_again) {
        nncf__batch_norm_tiles_forward(call, x, w);
        return;
    }
    if (b->is_transposed)
        nncf__transposed_forward(call, x, w, z);
    else if (b->by_bits)
        multiply_bits(call, x, w, z);
    else
        nncf__conv2d_forward(context, &b->conv, x, w, nncf__kept_bias(layer), z);
    if (layer->has_batch_norm)
        nncf__batch_norm_forward(call, x, w, z);
    else
        nncf__epilogue_forward(call, z);
}

void nncf__product_forward(const nncf__call *call)
{
    const nncf__block *b = call->block;
    nncf_layer *layer = call->layer;
    nncf_context *context = layer->model->context;
    nncf__quantizer *input = b->quantizers[NNCF__OF_INPUT];
    if (b->weight_form == NNCF__WEIGHT_CODES)
        nncf__weight_forward_codes(layer, b->key.mode, layer->now.wq.data);
    else if (b->weight_form == NNCF__WEIGHT_SIGNS && !makes_scales(b))
        nncf__weight_binary_scales(layer, binary_scales(call), layer->now.wq.data);
    else if (b->weight_form != NNCF__WEIGHT_MASTER && b->weight_form != NNCF__WEIGHT_SIGNS)
        nncf__weight_forward(layer, b->key.mode,
            b->weight_form == NNCF__WEIGHT_SHARED ? layer->model->dw.data : layer->now.wq.data);
    if (b->weight_form != NNCF__WEIGHT_MASTER && b->keeps)
        nncf__weight_used(layer);
    if (b->quantizes_input && input->binarizer)
        nncf__binarize_start(layer, input, &b->in_planes, call->x[0].data);
    if (b->by_bits)
        nncf__binarize_to_bits(
            context, input, &b->in_planes, b->conv.groups, call->x[0].data, layer->now.xq.data);
    else if (b->quantizes_input && b->used_x.dtype != NNCF_F32)
        nncf__layer_quantize_to_codes(
            context, input, &b->in_planes, call->x[0].data, layer->now.xq.data);
    else if (b->quantizes_input)
        nncf__layer_quantize(context, input, &b->in_planes, call->x[0].data, layer->now.xq.data);
    if (b->widens_input)
        nncf__transposed_widen(call);
    const nncf__qtensor x = used_x(call), w = used_weight(call);
    multiply(call, &x, &w, b->makes_z_again ? NULL : find_z(call));
    if (b->observes_input)
        nncf__layer_observe(context, input, &b->in_planes, call->x[0].data);
    if (b->key.observing && nncf__bias_observes(layer) && b->x[0].dtype == NNCF_F32)
        nncf__bias_observe(layer, &b->conv, call->x[0].data);
}

/* Through all that follows the product, and the product: dx and dw (NULL: not wanted) from dy. */
static void multiply_backward(
    const nncf__call *call, const nncf__qtensor *x, const nncf__qtensor *w, float *dx, float *dw)
{
    const nncf__block *b = call->block;
    nncf_layer *layer = call->layer;
    nncf_context *context = layer->model->context;
    if (b->by_channel && (dx || dw)) {
        nncf__norm norm =
            nncf__batch_norm_backward_start(call, layer->now.z.data, layer->bias_grad != NULL);
        const nncf__channel_hooks hooks = {.arg = &norm,
            .scratch = nncf__batch_norm_scratch(&b->out_planes),
            .local_z = b->makes_z_again,
            .group = nncf__batch_norm_backward_sums,
            .dz = nncf__batch_norm_backward_dz};
        nncf__conv2d_backward_channels(context, &b->conv, x, w, &hooks, dx, dw);
        return;
    }
    if (b->makes_z_again)
        nncf__batch_norm_tiles_backward(call, x, w);
    else if (layer->has_batch_norm)
        nncf__batch_norm_backward(call, layer->now.z.data);
    else if (b->has_epilogue)
        nncf__epilogue_backward(call, layer->now.z.data, call->dy, call->dy, true);
    if (b->is_transposed) {
        nncf__transposed_backward(call, x, w, dx, dw);
        return;
    }
    if (dw)
        nncf__conv2d_backward_weight(context, &b->conv, x, call->dy, dw);
    if (dx)
        nncf__conv2d_backward_input(context, &b->conv, w, call->dy, dx);
}

/* What the sums of batch norm or epilogue become. */
static void add_gradients(const nncf__call *call)
{
    const nncf__block *b = call->block;
    nncf_layer *layer = call->layer;
    if (layer->has_batch_norm)
        nncf__batch_norm_add_gradients(call);
    else if (b->has_epilogue)
        nncf__epilogue_add_gradients(call);
    if (layer->bias_grad) {
        double *sums = nncf__channels_of(layer).sums;
        nncf__channel_sums(layer->model->context, &b->out_planes, call->dy, sums);
        for (size_t c = 0; c < b->out_planes.c; c++)
            layer->bias_grad[c] += nncf__filter_is_pruned(layer, c) ? 0 : (float)sums[c];
    }
}

void nncf__product_backward(const nncf__call *call)
{
    const nncf__block *b = call->block;
    nncf_layer *layer = call->layer;
    nncf_model *model = layer->model;
    nncf__quantizer *input = b->quantizers[NNCF__OF_INPUT];
    float *dx = call->dx[0], *dw = b->wants_dw ? model->dw.data : NULL;
    const nncf__qtensor x = used_x(call), w = used_weight(call);
    const bool by_weight = !dx && nncf__input_range_fits(b);
    if (input && !dx && !by_weight)
        dx = model->work.data;
    multiply_backward(call, &x, &w, dx, dw);
    if (dw)
        nncf__weight_backward(layer, dw);
    if (by_weight)
        nncf__input_range_backward(call, &w);
    else if (input)
        nncf__layer_quantize_backward(
            model->context, input, &b->in_planes, call->x[0].data, dx, dx);
    add_gradients(call);
}
