/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that a model will need, before anything is allocated: shapes are propagated along the
 * registered edges, every layer is prepared as its calls will prepare it, and the bytes of the
 * blocks are added up.
 */
#include "exec/memory.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/int_math.h"
#include "base/pool.h"
#include "exec/block.h"
#include "exec/check.h"
#include "exec/codes.h"
#include "exec/gradients.h"
#include "exec/kind.h"
#include "exec/run.h"
#include "graph/block.h"
#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/layer.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <string.h>

typedef struct flow {
    /* of each layer's output */
    int64_t (*shapes)[NNCF_MAX_NDIM];
    int32_t *ndims;
    const nncf_tensor *inputs;
    /* the input that the next layer without inputs gets */
    size_t n_inputs, next;
} flow;

/* The inputs of a layer, as tensors without data. */
static nncf_status inputs_of(
    flow *f, const nncf_layer *layer, nncf_tensor x[NNCF__MAX_INPUTS], nncf_error *err)
{
    if (layer->n_inputs == 0) {
        if (f->n_inputs > 1 && f->next >= f->n_inputs)
            return nncf__fail(
                err, NNCF_E_ARG, NULL, "more layers without inputs than shapes were given");
        const nncf_tensor *input = &f->inputs[f->n_inputs == 1 ? 0 : f->next++];
        for (size_t i = 0; i < NNCF__MAX_INPUTS; i++)
            x[i] = *input;
        return NNCF_OK;
    }
    for (size_t i = 0; i < NNCF__MAX_INPUTS; i++) {
        const size_t from = layer->inputs[i < layer->n_inputs ? i : 0]->index;
        x[i] = (nncf_tensor){.ndim = f->ndims[from], .shape = f->shapes[from]};
    }
    return NNCF_OK;
}

/* Of a shape that run.c accepts: the bytes of a few such tensors fit 64 bits, those of all layers
 * together need not. */
static uint64_t count_of(const int64_t shape[4])
{
    return (uint64_t)(shape[0] * shape[1] * shape[2] * shape[3]);
}

/* ---- what a layer takes ---- */

/* Of two passes, or of two layers: buffers are as large as the largest wants them. */
static void take_larger(nncf__needs *most, const nncf__needs *needs)
{
    most->channels = max_size(most->channels, needs->channels);
    most->wq = max_size(most->wq, needs->wq);
    most->xq = max_size(most->xq, needs->xq);
    most->z = max_size(most->z, needs->z);
    most->work = max_size(most->work, needs->work);
    most->dw = max_size(most->dw, needs->dw);
    most->dx = max_size(most->dx, needs->dx);
    most->scratch = max_size(most->scratch, needs->scratch);
}

/* The forms in which a layer may be run: while ranges are initialized; after that with floats, and
 * with codes wherever there are some. */
enum form { OBSERVING, FLOATS, CODES, N_FORMS };

/* z_as_floats: what is kept of products where no codes are passed on. */
static nncf__needs needs_of(
    const nncf_layer *layer, const nncf__shapes *shapes, int32_t mode, size_t *z_as_floats)
{
    nncf__needs most = {0};
    *z_as_floats = 0;
    for (int form = OBSERVING; form < N_FORMS; form++) {
        int32_t x_dtype[NNCF__MAX_INPUTS] = {NNCF_F32}, y_dtype = NNCF_F32;
        for (size_t i = 0; i < shapes->n && form == CODES; i++)
            x_dtype[i] = nncf__layer_input_dtype_then(layer, i);
        if (form == CODES)
            y_dtype = nncf__layer_output_dtype_then(layer);
        nncf__block_key key = nncf__block_key_of(layer, shapes, x_dtype, y_dtype);
        key.mode = mode;
        nncf__block_key_set_observing(&key, form == OBSERVING);
        nncf__block block;
        nncf__block_prepare(layer, &key, &block);
        if (form == FLOATS) {
            *z_as_floats = block.forward.z;
            block.forward.z = 0;
        }
        take_larger(&most, &block.forward);
        if (block.keeps) /* without the gradient of the model's input */
            take_larger(&most, &block.backward[layer->n_inputs > 0]);
        if (block.keeps && layer->n_inputs > 0)
            most.dx = nncf__gradients_bytes(layer, shapes);
    }
    *z_as_floats = max_size(*z_as_floats, most.z);
    return most;
}

/* ---- sums ---- */

/* The sums, and whether one of them did not fit. */
typedef struct sums {
    nncf_memory m;
    bool wrapped;
} sums;

static void add(sums *s, uint64_t *sum, uint64_t bytes)
{
    s->wrapped = s->wrapped || *sum > UINT64_MAX - bytes;
    *sum += bytes;
}

static void add_block(sums *s, uint64_t *kind, size_t bytes)
{
    add(s, kind, bytes);
    if (bytes > 0)
        add(s, &s->m.library, nncf__alloc_bytes(bytes));
}

static void add_parameters(sums *s, const nncf_layer *layer)
{
    const uint64_t channels = (uint64_t)layer->out_channels,
                   weights = layer->tied_to ? 0 : layer->weight_count;
    const nncf_batch_norm_params *bn = &layer->batch_norm;
    uint64_t arrays = 2; /* running statistics */
    const uint64_t norms = (uint64_t)((layer->norm.weight != NULL) + (layer->norm.bias != NULL) +
        (layer->norm.weight_grad != NULL) + (layer->norm.bias_grad != NULL));
    add(s, &s->m.parameters, sizeof(float) * norms * (uint64_t)layer->norm.size);
    if (layer->weight_count == 0)
        return;
    add(s, &s->m.parameters,
        sizeof(float) *
            (weights * (layer->weight_grad ? 2 : 1) +
                channels * (uint64_t)((layer->bias != NULL) + (layer->bias_grad != NULL))));
    arrays += (uint64_t)((bn->weight != NULL) + (bn->bias != NULL) + (bn->weight_grad != NULL) +
        (bn->bias_grad != NULL));
    if (layer->has_batch_norm)
        add(s, &s->m.parameters, sizeof(float) * channels * arrays);
}

/* In the library's order, of a weight with a layout and of its gradient; they are there already. */
static void add_copies(sums *s, const nncf_layer *layer)
{
    const size_t bytes = layer->has_layout ? layer->weight_count * sizeof(float) : 0;
    add_block(s, &s->m.weights, bytes);
    add_block(s, &s->m.weights, layer->weight_grad ? bytes : 0);
}

/* One layer: its shape into f, its needs into s and (what is shared) into the largest. */
static nncf_status add_layer(
    flow *f, const nncf_layer *layer, int32_t mode, nncf__needs *largest, sums *s, nncf_error *err)
{
    nncf_tensor x[NNCF__MAX_INPUTS];
    nncf__shapes shapes;
    nncf_status status = inputs_of(f, layer, x, err);
    if (status == NNCF_OK)
        status = nncf__layer_shapes(layer, x, nncf__layer_input_count(layer), &shapes, err);
    if (status != NNCF_OK)
        return status;
    f->ndims[layer->index] = shapes.y.ndim;
    memcpy(f->shapes[layer->index], shapes.y.size, sizeof shapes.y.size);
    size_t z_as_floats;
    const nncf__needs needs = needs_of(layer, &shapes, mode, &z_as_floats);
    if (needs.scratch == SIZE_MAX)
        return NNCF_E_NOMEM;
    take_larger(largest, &needs);
    for (size_t use = 0; use < (layer->n_uses ? layer->n_uses : 1); use++) {
        add_block(s, &s->m.activations, needs.z);
        add(s, &s->m.activations_as_floats, z_as_floats);
        add_block(s, &s->m.inputs, needs.xq);
        add_block(s, &s->m.weights, needs.wq);
        add_block(s, &s->m.channels, needs.channels);
    }
    add_copies(s, layer);
    add_parameters(s, layer);
    const size_t bytes = nncf__layer_output_dtype_then(layer) == NNCF_F32 ? sizeof(float) : 1;
    add(s, &s->m.outputs_as_floats, count_of(shapes.out) * sizeof(float));
    add(s, &s->m.outputs, count_of(shapes.out) * bytes);
    return NNCF_OK;
}

static nncf_status add_shared(const nncf_context *context, const nncf__needs *largest, sums *s)
{
    const size_t threads = (size_t)context->params.n_threads;
    size_t scratch;
    if (!nncf__scratch_size(context, largest->scratch, &scratch))
        return NNCF_E_NOMEM;
    add_block(s, &s->m.work, largest->work);
    add_block(s, &s->m.work, largest->dw);
    add_block(s, &s->m.work, largest->dx);
    for (size_t i = 0; i < threads && scratch > 0; i++)
        add_block(s, &s->m.scratch, scratch);
    if (scratch > 0)
        add_block(s, &s->m.scratch, threads * sizeof(void *));
    return NNCF_OK;
}

nncf_status nncf__model_memory(nncf_model *model, const nncf_tensor *inputs, size_t n_inputs,
    int32_t mode, nncf_memory *memory, nncf_error *err)
{
    if (!model || !inputs || n_inputs == 0 || !memory ||
        (mode != NNCF_MODE_TRAIN && mode != NNCF_MODE_EVAL && mode != NNCF_MODE_TUNE))
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "nncf_model_get_memory: model, inputs and memory must not be NULL, mode is "
            "NNCF_MODE_...");
    nncf_context *context = model->context;
    const size_t n = model->n_layers;
    sums s = {.m = {NNCF_PARAMS(nncf_memory)}};
    nncf__needs largest = {0};
    flow f = {.shapes = nncf__calloc(context, n + 1, sizeof *f.shapes),
        .ndims = nncf__calloc(context, n + 1, sizeof *f.ndims),
        .inputs = inputs,
        .n_inputs = n_inputs};
    nncf_status status =
        f.shapes && f.ndims ? NNCF_OK : nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for shapes");
    for (size_t i = 0; i < n && status == NNCF_OK; i++) {
        nncf_error why = NNCF_ERROR_INIT;
        status = add_layer(&f, model->layers[i], mode, &largest, &s, &why);
        status = nncf__report(NULL, "", model->layers[i]->scope, status, &why, err);
    }
    if (status == NNCF_OK && n_inputs > 1 && f.next != n_inputs)
        status = nncf__fail(err, NNCF_E_ARG, NULL,
            "%zu shapes were given, but %zu layers have no inputs", n_inputs, f.next);
    nncf__free(context, f.shapes);
    nncf__free(context, f.ndims);
    if (status != NNCF_OK)
        return status;
    if (add_shared(context, &largest, &s) != NNCF_OK)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "%s", nncf_status_message(NNCF_E_NOMEM));
    if (s.wrapped)
        return nncf__fail(err, NNCF_E_LIMIT, NULL,
            "the bytes of this model with these inputs do not fit 64 bits; ask with a smaller "
            "batch");
    return nncf__result_give(memory, &s.m, sizeof s.m, "nncf_memory", err);
}

nncf_status nncf_model_get_memory(nncf_model *model, const nncf_tensor *inputs, size_t n_inputs,
    int32_t mode, nncf_memory *memory, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = nncf__model_memory(model, inputs, n_inputs, mode, memory, &reason);
    return nncf__report(
        model ? model->context : NULL, "nncf_model_get_memory", NULL, status, &reason, err);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_memory, )
