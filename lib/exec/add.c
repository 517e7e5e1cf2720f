/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise sum, activation, output quantizer. Both inputs get the same gradient. Keeps nothing:
 * backward adds anew. Inputs that are codes become floats in a worker's scratch, a piece at a time.
 */
#include "exec/add.h"

#include "base/alloc.h"
#include "base/pool.h"
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

#include <math.h>
#include <string.h>

/* Scratch for the floats of both inputs. */
static nncf_status reserve(nncf_context *context, const nncf__map_reduce *walk)
{
    size_t floats = 0;
    for (int i = 0; i < 2; i++)
        floats += walk->codes_in[i].dtype == NNCF_F32 ? 0 : nncf__map_reduce_length(walk);
    return floats == 0 ? NNCF_OK : nncf__scratch_reserve(context, floats * sizeof(float));
}

static void inputs_of(
    const nncf__map_reduce *walk, size_t offset, size_t count, float *room, const float *in[2])
{
    for (int i = 0; i < 2; i++) {
        in[i] = nncf__floats_of(walk->k, &walk->codes_in[i], offset, count, room);
        if (in[i] == room)
            room += count;
    }
}

static void forward_piece(const nncf__map_reduce *walk, size_t channel, size_t offset, size_t count,
    float *room, double *sums)
{
    nncf__epilogue e = nncf__layer_epilogue(walk->layer, walk->quantizer, channel);
    const float *in[2];
    inputs_of(walk, offset, count, room, in);
    if (walk->codes)
        sums[5] += (double)walk->k->add_codes(count, in[0], in[1], walk->codes + offset, &e,
            (float)nncf__quantizer_zero(walk->quantizer));
    else
        sums[5] += (double)walk->k->add_forward(count, in[0], in[1], walk->out[0] + offset, &e);
}

static void forward_result(const nncf__map_reduce *walk, size_t channel, const double *sums)
{
    (void)channel;
    if (walk->quantizer)
        walk->quantizer->clipped += (int64_t)sums[5];
}

/* ---- with a quantizer in front of the activation: step by step ---- */

static nncf__quantizer *pre_activation_quantizer(const nncf_layer *layer)
{
    return layer->compression ? layer->compression->pre_activation_quantizer : NULL;
}

static void sum_piece(const nncf__map_reduce *walk, size_t channel, size_t offset, size_t count,
    float *room, double *sums)
{
    const nncf__epilogue plain = {.scale = 1, .act_low = -INFINITY, .act_high = INFINITY};
    const float *in[2];
    (void)channel;
    (void)sums;
    inputs_of(walk, offset, count, room, in);
    walk->k->add_forward(count, in[0], in[1], walk->out[0] + offset, &plain);
}

/* The plain sum into layer->z, which gets room for `times` such tensors. */
static nncf_status sum_into_z(
    nncf_layer *layer, const nncf__operand x[2], const nncf__planes *planes, size_t times)
{
    nncf_context *context = layer->model->context;
    const size_t bytes = times * planes->n * planes->c * planes->hw * sizeof(float);
    nncf__map_reduce walk = {.planes = *planes, .piece = sum_piece, .layer = layer, .codes_in = x};
    nncf_status status = nncf__grow(context, &layer->z.data, &layer->z.capacity, bytes);
    if (status == NNCF_OK)
        status = reserve(context, &walk);
    if (status != NNCF_OK)
        return status;
    walk.out[0] = layer->z.data;
    nncf__map_reduce_run(context, &walk);
    return NNCF_OK;
}

static nncf_status forward_in_steps(
    nncf_layer *layer, const nncf__operand x[2], const nncf__planes *planes, const nncf__output *y)
{
    layer->ready_for_backward = false;
    nncf_status status = sum_into_z(layer, x, planes, 1);
    if (status != NNCF_OK)
        return status;
    nncf__layer_quantize(layer->model->context, pre_activation_quantizer(layer), planes,
        layer->z.data, layer->z.data);
    nncf__epilogue_forward(layer, planes, layer->z.data, y);
    layer->ready_for_backward =
        layer->model->mode == NNCF_MODE_TRAIN && !nncf__layer_observing(layer);
    return NNCF_OK;
}

static nncf_status backward_in_steps(nncf_layer *layer, const nncf__operand x[2],
    const nncf__planes *planes, const float *dy, float *da, float *db)
{
    nncf_context *context = layer->model->context;
    const size_t count = planes->n * planes->c * planes->hw;
    nncf_status status = sum_into_z(layer, x, planes, 2);
    if (status != NNCF_OK)
        return status;
    float *z = layer->z.data, *quantized = z + count;
    nncf__layer_quantize(context, pre_activation_quantizer(layer), planes, z, quantized);
    nncf__epilogue_backward(layer, planes, quantized, dy, da, false);
    nncf__layer_quantize_backward(context, pre_activation_quantizer(layer), planes, z, da, da);
    if (da != db)
        memcpy(db, da, count * sizeof *db);
    return NNCF_OK;
}

/* ---- in one pass ---- */

nncf_status nncf__add_forward(
    nncf_layer *layer, const nncf__operand x[2], const int64_t shape[4], const nncf__output *y)
{
    nncf__quantizer *output = nncf__layer_output_quantizer(layer);
    nncf_context *context = layer->model->context;
    bool observing = output && output->observing, codes = y->dtype != NNCF_F32;
    nncf__map_reduce walk = {.planes = nncf__planes_of(shape),
        .by_channel = output && output->channels > 1 && !observing,
        .piece = forward_piece,
        .quantizer = output,
        .layer = layer,
        .codes_in = x,
        .out = {codes ? NULL : y->data, NULL},
        .codes = codes ? y->data : NULL};
    if (pre_activation_quantizer(layer))
        return forward_in_steps(layer, x, &walk.planes, y);
    nncf_status status = reserve(context, &walk);
    layer->ready_for_backward = false;
    if (status != NNCF_OK)
        return status;
    if (output && !observing) {
        nncf__quantizer_refresh(output);
        output->clipped = 0;
        output->total = (int64_t)(walk.planes.n * walk.planes.c * walk.planes.hw);
        walk.on_result = forward_result;
    }
    nncf__map_reduce_run(context, &walk);
    if (observing)
        nncf__layer_observe(context, output, &walk.planes, y->data);
    layer->ready_for_backward =
        layer->model->mode == NNCF_MODE_TRAIN && !nncf__layer_observing(layer);
    return NNCF_OK;
}

static void backward_piece(const nncf__map_reduce *walk, size_t channel, size_t offset,
    size_t count, float *room, double *sums)
{
    nncf__epilogue e = nncf__layer_epilogue(walk->layer, walk->quantizer, channel);
    float *da = walk->out[0] + offset, *db = walk->out[1] + offset;
    const float *in[2];
    inputs_of(walk, offset, count, room, in);
    walk->k->add_backward(count, in[0], in[1], walk->grad + offset, da, &e, sums);
    if (da != db)
        memcpy(db, da, count * sizeof *db);
}

static void backward_result(const nncf__map_reduce *walk, size_t channel, const double *sums)
{
    nncf__quantizer_add_gradient(walk->quantizer, channel, sums);
}

nncf_status nncf__add_backward(nncf_layer *layer, const nncf__operand x[2], const int64_t shape[4],
    const float *dy, float *da, float *db)
{
    nncf__quantizer *output = nncf__layer_output_quantizer(layer);
    nncf__map_reduce walk = {.planes = nncf__planes_of(shape),
        .by_channel = output && output->channels > 1,
        .piece = backward_piece,
        .on_result = output ? backward_result : NULL,
        .quantizer = output,
        .layer = layer,
        .codes_in = x,
        .out = {da, db},
        .grad = dy};
    if (pre_activation_quantizer(layer))
        return backward_in_steps(layer, x, &walk.planes, dy, da, db);
    nncf_status status = reserve(layer->model->context, &walk);
    if (status == NNCF_OK)
        nncf__map_reduce_run(layer->model->context, &walk);
    return status;
}
