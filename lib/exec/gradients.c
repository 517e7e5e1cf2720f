/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kinds of layers write the gradients of their inputs and add to those of parameters. A host may
 * want either the other way: then gradients of inputs are made in a buffer of the model's and
 * added, and gradients of parameters are cleared before the layer adds to them. So no kind knows.
 */
#include "exec/gradients.h"

#include "base/error.h"
#include "base/pool.h"
#include "exec/call.h"
#include "exec/chunks.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/layer.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <string.h>

/* ---- gradients of inputs ---- */

static size_t count_of(const int64_t shape[4])
{
    return (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
}

size_t nncf__gradients_bytes(const nncf_layer *layer, const nncf__shapes *shapes)
{
    const bool adds = layer->shares_dx || (layer->gradients & NNCF_GRADIENT_ADD_DX);
    size_t count = 0;
    for (size_t i = 0; i < shapes->n && adds; i++)
        count += count_of(shapes->in[i]);
    return count * sizeof(float);
}

void nncf__gradients_start(nncf__call *call, const nncf_tensor *dx)
{
    const nncf__shapes *s = &call->block->key.shapes;
    float *to = call->layer->model->dx.data;
    for (size_t i = 0; dx && i < s->n; i++) {
        const bool adds = call->layer->gradients & NNCF_GRADIENT_ADD_DX;
        call->dx[i] = adds ? to : dx[i].data;
        to += adds ? count_of(s->in[i]) : 0;
    }
}

typedef struct add_job {
    const nncf__kernels *k;
    size_t count;
    const float *x;
    float *y;
} add_job;

static void add_chunk(void *arg, size_t chunk, size_t worker)
{
    const add_job *job = arg;
    const size_t begin = chunk * NNCF__CHUNK_ELEMENTS, left = job->count - begin;
    (void)worker;
    job->k->accumulate(
        left < NNCF__CHUNK_ELEMENTS ? left : NNCF__CHUNK_ELEMENTS, job->x + begin, job->y + begin);
}

void nncf__gradients_add(nncf_context *context, size_t count, const float *x, float *y)
{
    add_job job = {.k = nncf__kernels_of(context), .count = count, .x = x, .y = y};
    nncf__parallel(
        context, (count + NNCF__CHUNK_ELEMENTS - 1) / NNCF__CHUNK_ELEMENTS, add_chunk, &job);
}

void nncf__gradients_finish(const nncf__call *call, const nncf_tensor *dx)
{
    const nncf__shapes *s = &call->block->key.shapes;
    if (!dx || !(call->layer->gradients & NNCF_GRADIENT_ADD_DX))
        return;
    for (size_t i = 0; i < s->n; i++)
        nncf__gradients_add(
            call->layer->model->context, count_of(s->in[i]), call->dx[i], dx[i].data);
}

/* ---- gradients of parameters ---- */

static void clear(float *gradient, size_t count)
{
    if (gradient)
        memset(gradient, 0, count * sizeof *gradient);
}

void nncf__gradients_clear_weight(const nncf_layer *layer)
{
    if (layer->gradients & NNCF_GRADIENT_WRITE_PARAMETERS)
        clear(layer->weight_grad, layer->weight_count);
}

void nncf__gradients_clear(const nncf_layer *layer)
{
    const size_t channels = (size_t)layer->out_channels;
    if (!(layer->gradients & NNCF_GRADIENT_WRITE_PARAMETERS))
        return;
    nncf__gradients_clear_weight(layer);
    if (layer->weight_count > 0)
        clear(layer->bias_grad, channels);
    if (layer->has_batch_norm) {
        clear(layer->batch_norm.weight_grad, channels);
        clear(layer->batch_norm.bias_grad, channels);
    }
    clear(layer->norm.weight_grad, (size_t)layer->norm.size);
    clear(layer->norm.bias_grad, (size_t)layer->norm.size);
}

/* ---- the host's choice ---- */

static nncf_status check_flags(nncf_gradient_flags flags, nncf_error *err)
{
    const nncf_gradient_flags all = NNCF_GRADIENT_ADD_DX | NNCF_GRADIENT_WRITE_PARAMETERS;
    return flags & ~all
        ? nncf__fail(err, NNCF_E_ARG, NULL, "flags is %d, no set of NNCF_GRADIENT_...", (int)flags)
        : NNCF_OK;
}

/* Each reader of a tied weight adds its part. */
static nncf_status check_tied(const nncf_layer *layer, nncf_gradient_flags flags, nncf_error *err)
{
    if (!(flags & NNCF_GRADIENT_WRITE_PARAMETERS) || (!layer->tied_to && layer->n_tied == 0))
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_UNSUPPORTED, layer->scope,
        "NNCF_GRADIENT_WRITE_PARAMETERS: the weight is tied to that of another layer, and each of "
        "the two would write over the other's gradient: clear it once a step, and add");
}

nncf_status nncf_layer_set_gradient_flags(
    nncf_layer *layer, nncf_gradient_flags flags, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    if (!layer)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_layer_set_gradient_flags: layer is NULL");
    nncf_status status = check_flags(flags, &reason);
    if (status == NNCF_OK)
        status = check_tied(layer, flags, &reason);
    if (status == NNCF_OK)
        layer->gradients = flags;
    return nncf__report(
        layer->model->context, "nncf_layer_set_gradient_flags", layer->scope, status, &reason, err);
}

nncf_status nncf_model_set_gradient_flags(
    nncf_model *model, nncf_gradient_flags flags, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    if (!model)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_model_set_gradient_flags: model is NULL");
    nncf_status status = check_flags(flags, &reason);
    for (size_t i = 0; i < model->n_layers && status == NNCF_OK; i++)
        status = check_tied(model->layers[i], flags, &reason);
    if (status == NNCF_OK) {
        model->gradients = flags;
        for (size_t i = 0; i < model->n_layers; i++)
            model->layers[i]->gradients = flags;
    }
    return nncf__report(
        model->context, "nncf_model_set_gradient_flags", NULL, status, &reason, err);
}
