/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which products are made again in backward, so that a step fits a number of bytes.
 *
 * Making a product again takes k multiplications for each element that is not kept, where k is the
 * length of an output channel's weights. So the layers with the smallest k come first, whatever
 * their shapes: the choice is a largest k, and the smallest one that fits is taken.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/int_math.h"
#include "exec/memory.h"
#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <inttypes.h>
#include <stdint.h>

typedef struct search {
    nncf_model *model;
    const nncf_tensor *inputs;
    size_t n_inputs;
    /* of the last choice */
    uint64_t bytes;
} search;

/* 0: no product; the output channels of what the host runs need not be known. */
static int64_t k_of(const nncf_layer *layer)
{
    return layer->weight_count > 0 && layer->out_channels > 0
        ? (int64_t)layer->weight_count / layer->out_channels
        : 0;
}

/* Layers with a k up to the largest make their product again; the bytes that all need then. */
static nncf_status choose(search *s, int64_t largest, nncf_error *err)
{
    nncf_memory memory;
    nncf_memory_init(&memory, sizeof memory);
    for (size_t i = 0; i < s->model->n_layers; i++) {
        nncf_layer *layer = s->model->layers[i];
        layer->memory = k_of(layer) <= largest ? NNCF_MEMORY_SMALL : NNCF_MEMORY_FAST;
    }
    const nncf_status status =
        nncf__model_memory(s->model, s->inputs, s->n_inputs, NNCF_MODE_TRAIN, &memory, err);
    s->bytes = memory.library;
    return status;
}

static nncf_status search_smallest(search *s, uint64_t bytes, nncf_error *err)
{
    int64_t low = -1, high = 0;
    for (size_t i = 0; i < s->model->n_layers; i++)
        high = max_i(high, k_of(s->model->layers[i]));
    nncf_status status = choose(s, low, err);
    if (status != NNCF_OK || s->bytes <= bytes)
        return status;
    status = choose(s, high, err);
    if (status == NNCF_OK && s->bytes > bytes)
        return nncf__fail(err, NNCF_E_LIMIT, NULL,
            "bytes is %" PRIu64 ", but a step needs %" PRIu64 " with every product made again",
            bytes, s->bytes);
    /* low does not fit, high does */
    while (status == NNCF_OK && high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        status = choose(s, middle, err);
        if (s->bytes <= bytes)
            high = middle;
        else
            low = middle;
    }
    return status == NNCF_OK ? choose(s, high, err) : status;
}

static nncf_status set_budget(
    nncf_model *model, const nncf_tensor *inputs, size_t n_inputs, uint64_t bytes, nncf_error *err)
{
    if (!model || !inputs || n_inputs == 0)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "nncf_model_set_memory_budget: model and inputs must not be NULL, n_inputs not 0");
    int32_t *before = nncf__calloc(model->context, model->n_layers + 1, sizeof *before);
    if (!before)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for the policies of layers");
    for (size_t i = 0; i < model->n_layers; i++)
        before[i] = model->layers[i]->memory;
    search s = {.model = model, .inputs = inputs, .n_inputs = n_inputs};
    const nncf_status status = search_smallest(&s, bytes, err);
    for (size_t i = 0; i < model->n_layers; i++) {
        nncf_layer *layer = model->layers[i];
        if (status != NNCF_OK)
            layer->memory = before[i];
        else if (layer->memory != before[i])
            nncf__layer_forget(layer);
    }
    if (status == NNCF_OK)
        model->memory = NNCF_MEMORY_FAST;
    nncf__free(model->context, before);
    return status;
}

nncf_status nncf_model_set_memory_budget(
    nncf_model *model, const nncf_tensor *inputs, size_t n_inputs, uint64_t bytes, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = set_budget(model, inputs, n_inputs, bytes, &reason);
    return nncf__report(
        model ? model->context : NULL, "nncf_model_set_memory_budget", NULL, status, &reason, err);
}
