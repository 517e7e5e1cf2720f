/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preparation: from a layer, shapes and types to a block. A layer keeps the last block of each
 * mode, so a loop prepares in its first steps and then only compares. What can change between two
 * calls (the mode, initialization, a quantizer's sign) is part of the key; a controller that comes
 * or goes drops the blocks (nncf__layer_forget()).
 */
#include "exec/block.h"

#include "base/alloc.h"
#include "base/pool.h"
#include "controller/ctrl.h"
#include "exec/activate.h"
#include "exec/codes.h"
#include "exec/gradients.h"
#include "exec/kind.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/qtensor.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <math.h>
#include <string.h>

/* ---- keys ---- */

static void find_quantizers(
    const nncf_layer *layer, nncf__quantizer *quantizers[NNCF__BLOCK_QUANTIZERS])
{
    const nncf__layer_compression *c = layer->compression;
    memset(quantizers, 0, NNCF__BLOCK_QUANTIZERS * sizeof(nncf__quantizer *));
    if (c) {
        quantizers[NNCF__OF_WEIGHT] =
            nncf__layer_active(nncf__weight_owner(layer)->compression, NNCF__SLOT_WEIGHT);
        quantizers[NNCF__OF_INPUT] = nncf__layer_active(c, NNCF__SLOT_INPUT);
        quantizers[NNCF__OF_OUTPUT] = nncf__layer_active(c, NNCF__SLOT_OUTPUT);
        quantizers[NNCF__OF_PRE_ACTIVATION] = nncf__layer_active(c, NNCF__SLOT_PRE_ACTIVATION);
    }
    for (size_t i = 0; i < nncf__layer_input_count(layer); i++)
        quantizers[NNCF__OF_SOURCE + i] = nncf__layer_source(layer, i).quantizer;
}

static uint32_t state_of(const nncf__quantizer *q)
{
    return !q ? 0
              : NNCF__STATE_PRESENT | (q->observing ? NNCF__STATE_OBSERVES : 0u) |
            (q->initialized ? NNCF__STATE_INITIALIZED : 0u) |
            (nncf__quantizer_has_zeros(q) ? NNCF__STATE_ZEROS : 0u) |
            (uint32_t)nncf__quantizer_dtype(q) << NNCF__STATE_DTYPE;
}

static bool is_observing(const nncf_layer *layer)
{
    return layer->model->ctrl && nncf__ctrl_initializing(layer->model->ctrl);
}

static int32_t adapting(const nncf_layer *layer)
{
    const nncf_compression_ctrl *ctrl = layer->model->ctrl;
    return ctrl && nncf__ctrl_adapting(ctrl) ? (int32_t)ctrl->init_phase : 0;
}

nncf__block_key nncf__block_key_of(const nncf_layer *layer, const nncf__shapes *shapes,
    const int32_t x_dtype[NNCF__MAX_INPUTS], int32_t y_dtype)
{
    const nncf_context *context = layer->model->context;
    nncf__quantizer *quantizers[NNCF__BLOCK_QUANTIZERS];
    nncf__block_key key = {.shapes = *shapes,
        .y_dtype = y_dtype,
        .mode = layer->model->mode,
        .observing = is_observing(layer),
        .adapting = adapting(layer),
        .memory = layer->memory,
        .kernels = context->kernels,
        .n_threads = context->params.n_threads};
    memcpy(key.in, shapes->in[0], sizeof key.in);
    memcpy(key.x_dtype, x_dtype, sizeof key.x_dtype);
    find_quantizers(layer, quantizers);
    for (int i = 0; i < NNCF__BLOCK_QUANTIZERS; i++)
        key.states[i] = state_of(quantizers[i]);
    return key;
}

void nncf__block_key_set_observing(nncf__block_key *key, bool observing)
{
    key->observing = observing;
    key->adapting = 0;
    for (int i = 0; i < NNCF__BLOCK_QUANTIZERS; i++) {
        if (!key->states[i])
            continue;
        key->states[i] &= ~(uint32_t)(NNCF__STATE_OBSERVES | NNCF__STATE_INITIALIZED);
        key->states[i] |= observing ? NNCF__STATE_OBSERVES : NNCF__STATE_INITIALIZED;
    }
}

/* ---- blocks ---- */

static nncf__epilogue epilogue_of(const nncf_layer *layer, const nncf__block *b)
{
    nncf__epilogue e = {.scale = 1, .shift = 0, .act_low = -INFINITY, .act_high = INFINITY};
    if (layer->activation != NNCF_ACTIVATION_NONE && !b->smooth)
        e.act_low = 0;
    if (layer->activation == NNCF_ACTIVATION_RELU6)
        e.act_high = 6;
    if (b->quantizers[NNCF__OF_OUTPUT] && !b->observes_output)
        e.fq = b->quantizers[NNCF__OF_OUTPUT]->fq;
    return e;
}

static bool same_shapes(const nncf__shapes *a, const nncf__shapes *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

void nncf__block_prepare(const nncf_layer *layer, const nncf__block_key *key, nncf__block *b)
{
    const int64_t *out = key->shapes.out;
    *b = (nncf__block){.key = *key,
        .kind = nncf__kind_of(layer),
        .in_planes = nncf__planes_of(key->in),
        .out_planes = nncf__planes_of(out)};
    memcpy(b->out, out, sizeof b->out);
    find_quantizers(layer, b->quantizers);
    b->observes_output = key->states[NNCF__OF_OUTPUT] & NNCF__STATE_OBSERVES;
    b->observes_input = key->states[NNCF__OF_INPUT] & NNCF__STATE_OBSERVES;
    b->keeps = key->mode != NNCF_MODE_EVAL && !key->observing;
    for (size_t i = 0; i < key->shapes.n; i++) {
        b->x[i] = (nncf__qtensor){.dtype = NNCF_F32};
        if (key->x_dtype[i] != NNCF_F32 && !b->kind->reads_ids)
            b->x[i] = nncf__quantizer_codes(b->quantizers[NNCF__OF_SOURCE + i]);
    }
    b->smooth = nncf__activation_is_smooth(layer->activation) ? layer->activation : 0;
    b->alpha = layer->activation_alpha;
    b->epilogue = epilogue_of(layer, b);
    b->fq_by_channel = b->epilogue.fq && b->quantizers[NNCF__OF_OUTPUT]->channels > 1;
    b->kind->prepare(layer, b);
}

const nncf__block *nncf__block_current(const nncf_layer *layer)
{
    const nncf__block *b = &layer->blocks[layer->model->mode];
    const nncf_context *context = layer->model->context;
    if (!b->kind || b->key.observing != is_observing(layer) || b->key.adapting != adapting(layer) ||
        b->key.memory != layer->memory || b->key.kernels != context->kernels ||
        b->key.n_threads != context->params.n_threads)
        return NULL;
    for (int i = 0; i < NNCF__BLOCK_QUANTIZERS; i++)
        if (b->key.states[i] != state_of(b->quantizers[i]))
            return NULL;
    return b;
}

const nncf__block *nncf__block_get(nncf_layer *layer, const nncf__shapes *shapes,
    const int32_t x_dtype[NNCF__MAX_INPUTS], int32_t y_dtype)
{
    const nncf__block *current = nncf__block_current(layer);
    nncf__block *slot = &layer->blocks[layer->model->mode];
    if (current && same_shapes(&current->key.shapes, shapes) &&
        memcmp(current->key.x_dtype, x_dtype, sizeof current->key.x_dtype) == 0 &&
        current->key.y_dtype == y_dtype)
        return current;
    const nncf__block_key key = nncf__block_key_of(layer, shapes, x_dtype, y_dtype);
    nncf__block_prepare(layer, &key, slot);
    layer->preparations++;
    return slot;
}

/* ---- memory ---- */

static nncf_status reserve(nncf_layer *layer, const nncf__needs *needs, size_t work)
{
    nncf_model *model = layer->model;
    const struct {
        nncf__buffer *buffer;
        size_t bytes;
    } wanted[] = {{&layer->now.channel, needs->channels}, {&layer->now.wq, needs->wq},
        {&layer->now.xq, needs->xq}, {&layer->now.z, needs->z}, {&model->work, work},
        {&model->dw, needs->dw}, {&model->dx, needs->dx}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        nncf__buffer *b = wanted[i].buffer;
        if (wanted[i].bytes > b->capacity &&
            nncf__grow(model->context, &b->data, &b->capacity, wanted[i].bytes) != NNCF_OK)
            return NNCF_E_NOMEM;
    }
    return needs->scratch > 0 ? nncf__scratch_reserve(model->context, needs->scratch) : NNCF_OK;
}

nncf_status nncf__block_reserve_forward(nncf_layer *layer, const nncf__block *block)
{
    /* what an earlier training step has left in z serves as workspace, too */
    const size_t work = block->forward.work;
    const bool has_work = block->kind->z_is_work && layer->now.z.capacity >= work;
    return reserve(layer, &block->forward, has_work ? 0 : work);
}

nncf_status nncf__block_reserve_backward(nncf_layer *layer, const nncf__block *block, bool dx)
{
    nncf__needs needs = block->backward[dx];
    needs.dx = dx ? nncf__gradients_bytes(layer, &block->key.shapes) : 0;
    return reserve(layer, &needs, needs.work);
}
