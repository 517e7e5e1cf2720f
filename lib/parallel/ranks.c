/* SPDX-License-Identifier: Apache-2.0 */
/* A model that is one of several ranks: which one, what ranks average, whether they are in step. */
#include "base/alloc.h"
#include "base/collective.h"
#include "base/error.h"
#include "controller/ctrl.h"
#include "graph/layout.h"
#include "graph/model.h"
#include "parallel/replicas.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>
#include <nncf/parallel.h>
#include <nncf/tensor.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- which one ---- */

static nncf_status check_collective(
    const nncf_model *model, const nncf_collective_params *p, nncf_error *err)
{
    if (p->size < 1 || p->rank < 0 || p->rank >= p->size)
        return nncf__fail(err, NNCF_E_ARG, NULL, "rank is %d of %d: ranks are counted from 0",
            (int)p->rank, (int)p->size);
    if (p->size > 1 && !p->all_reduce)
        return nncf__fail(
            err, NNCF_E_ARG, NULL, "all_reduce is NULL, and there are %d ranks", (int)p->size);
    if (p->flags & ~NNCF_COLLECTIVE_SYNC_BATCH_NORM)
        return nncf__fail(
            err, NNCF_E_ARG, NULL, "flags is %d, no set of NNCF_COLLECTIVE_...", (int)p->flags);
    if (p->reserved != 0)
        return nncf__fail(err, NNCF_E_ARG, NULL, "reserved is %d, it must be 0", (int)p->reserved);
    if (model->replica)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the model is a replica: call this on the model that has the controller");
    if (model->replicas && model->replicas->running)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "a batch of replicas is under way: call nncf_model_end_replicas() first");
    if (p->size > 1 && model->n_replicas > 0 && (p->flags & NNCF_COLLECTIVE_SYNC_BATCH_NORM))
        return nncf__fail(err, NNCF_E_UNSUPPORTED, NULL,
            "the model has replicas, which normalize their parts on their own: leave out "
            "NNCF_COLLECTIVE_SYNC_BATCH_NORM, or let the context's threads work on each call");
    if (p->size > 1 && nncf__ctrl_binarizes(model->ctrl))
        return nncf__fail(err, NNCF_E_UNSUPPORTED, NULL,
            "the model is binarized: each rank would take its scales from its own first batch; "
            "train in one process");
    if (model->ctrl && nncf__ctrl_initializing(model->ctrl))
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "initialization is under way: call this before its first "
            "nncf_compression_ctrl_init_step(), or after it");
    return NNCF_OK;
}

static nncf_status set_collective(
    nncf_model *model, const nncf_collective_params *params, nncf_error *err)
{
    nncf_collective_params p = {.struct_size = sizeof p};
    nncf_status status = NNCF_OK;
    if (!model)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_model_set_collective: model is NULL");
    if (params)
        status = nncf__params_copy(&p, sizeof p, params, "nncf_collective_params", err);
    if (p.size == 0)
        p.size = 1;
    if (status == NNCF_OK)
        status = check_collective(model, &p, err);
    if (status != NNCF_OK)
        return status;
    model->collective = (nncf__collective){.params = p};
    for (size_t i = 0; i < model->n_layers; i++)
        nncf__layer_forget(model->layers[i]);
    return NNCF_OK;
}

nncf_status nncf_model_set_collective(
    nncf_model *model, const nncf_collective_params *params, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = set_collective(model, params, &reason);
    return nncf__report(
        model ? model->context : NULL, "nncf_model_set_collective", NULL, status, &reason, err);
}

nncf_status nncf_model_set_first_row(nncf_model *model, int64_t row, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    nncf_status status = NNCF_OK;
    if (!model)
        status = nncf__fail(&reason, NNCF_E_ARG, NULL, "nncf_model_set_first_row: model is NULL");
    else if (row < -1)
        status = nncf__fail(&reason, NNCF_E_ARG, NULL,
            "row is %lld; it is counted from 0, and -1 stands for rank times rows", (long long)row);
    else
        model->first_row = row;
    return nncf__report(
        model ? model->context : NULL, "nncf_model_set_first_row", NULL, status, &reason, err);
}

/* ---- averages ---- */

static void move_statistics(nncf_model *model, double *values, double factor, bool back)
{
    for (size_t i = 0; i < model->n_layers; i++) {
        const nncf_layer *l = model->layers[i];
        float *arrays[] = {l->batch_norm.running_mean, l->batch_norm.running_var};
        for (size_t a = 0; l->has_batch_norm && a < 2; a++)
            for (int64_t c = 0; c < l->out_channels; c++, values++)
                if (back)
                    arrays[a][c] = (float)(*values * factor);
                else
                    *values = (double)arrays[a][c];
    }
}

static nncf_status average_statistics(nncf_model *model, nncf_error *err)
{
    if (!model)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_model_average_statistics: model is NULL");
    nncf__collective *ranks = &model->collective;
    size_t count = 0;
    for (size_t i = 0; i < model->n_layers; i++)
        if (model->layers[i]->has_batch_norm)
            count += 2 * (size_t)model->layers[i]->out_channels;
    if (!nncf__has_ranks(ranks) || count == 0)
        return NNCF_OK;
    double *values = nncf__calloc(model->context, count, sizeof *values);
    if (!values)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for running statistics");
    move_statistics(model, values, 1, false);
    const nncf_status status = nncf__all_reduce(ranks, values, count, NNCF_F64, NNCF_REDUCE_SUM);
    if (status == NNCF_OK)
        move_statistics(model, values, 1 / (double)ranks->params.size, true);
    nncf__free(model->context, values);
    return nncf__collective_check(ranks, "running statistics", err);
}

nncf_status nncf_model_average_statistics(nncf_model *model, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = average_statistics(model, &reason);
    return nncf__report(
        model ? model->context : NULL, "nncf_model_average_statistics", NULL, status, &reason, err);
}

/* ---- in step? ---- */

/* FNV-1a, a float at a time. */
static uint64_t add_floats(uint64_t hash, const float *values, size_t count)
{
    for (size_t i = 0; values && i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        hash = (hash ^ bits) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static uint64_t add_bytes(uint64_t hash, const void *bytes, size_t count)
{
    const uint8_t *b = bytes;
    for (size_t i = 0; b && i < count; i++)
        hash = (hash ^ b[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t add_oscillation(uint64_t hash, const nncf__oscillation *o)
{
    hash = add_floats(hash, o->values, NNCF__OSCILLATION_VALUES * o->count);
    hash = add_bytes(hash, o->turns, o->count);
    return (hash ^ (uint64_t)o->bits) * UINT64_C(0x100000001b3);
}

/* All that is trained of a layer, its mask, and what is known of weights that oscillate. */
static int64_t checksum(nncf_layer *l)
{
    const nncf__layer_compression *c = l->compression;
    const size_t channels = (size_t)l->out_channels, size = (size_t)l->norm.size;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    nncf__layer_pull_weight(l);
    hash = add_floats(hash, l->weight, l->weight_count);
    hash = add_floats(hash, l->weight_count ? l->bias : NULL, channels);
    if (l->has_batch_norm) {
        hash = add_floats(hash, l->batch_norm.weight, channels);
        hash = add_floats(hash, l->batch_norm.bias, channels);
    }
    hash = add_floats(hash, l->norm.weight, size);
    hash = add_floats(hash, l->norm.bias, size);
    if (c && c->mask_kind == NNCF__MASK_RB)
        hash = add_floats(hash, c->logit, l->weight_count);
    if (c && c->mask_kind == NNCF__MASK_BITS)
        hash = add_bytes(hash, c->bits, (l->weight_count + 7) / 8);
    if (c && c->filters)
        hash = add_bytes(hash, c->filters, channels);
    if (c && c->oscillation)
        hash = add_oscillation(hash, c->oscillation);
    for (enum nncf__quantizer_slot j = 0; c && j < NNCF__N_SLOTS; j++) {
        const nncf__quantizer *q = nncf__layer_quantizer(c, j);
        if (!q)
            continue;
        hash = add_floats(hash, q->bound, q->channels);
        hash = add_floats(hash, q->length, q->channels);
        hash = (hash ^ (uint64_t)q->params.sign) * UINT64_C(0x100000001b3);
        hash = (hash ^ (uint64_t)q->params.bits) * UINT64_C(0x100000001b3);
    }
    return (int64_t)(hash & INT64_MAX);
}

/* The largest and, negated, the smallest of each: alike where both are. */
static nncf_status compare(nncf_model *model, int64_t *sums, size_t n, nncf_error *err)
{
    nncf__collective *ranks = &model->collective;
    for (size_t i = 0; i < n; i++)
        sums[n + i] = -sums[i];
    if (nncf__all_reduce(ranks, sums, 2 * n, NNCF_I64, NNCF_REDUCE_MAX) != NNCF_OK)
        return nncf__collective_check(ranks, "checksums", err);
    for (size_t i = 0; i < model->n_layers; i++)
        if (sums[i] != -sums[n + i])
            return nncf__fail(err, NNCF_E_STATE, model->layers[i]->scope,
                "%s: parameters, mask, ranges or frozen weights are not the same on all ranks; "
                "give all the same start, and the same averaged gradients",
                model->layers[i]->scope);
    for (size_t i = model->n_layers; i < n; i++)
        if (sums[i] != -sums[n + i])
            return nncf__fail(err, NNCF_E_STATE, NULL,
                "the ranks are not in the same epoch and step, or their contexts have different "
                "seeds");
    return NNCF_OK;
}

static nncf_status check_ranks(nncf_model *model, nncf_error *err)
{
    if (!model)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_model_check_ranks: model is NULL");
    if (!nncf__has_ranks(&model->collective))
        return NNCF_OK;
    const nncf_compression_ctrl *ctrl = model->ctrl;
    const size_t n = model->n_layers + 3;
    int64_t *sums = nncf__calloc(model->context, n, 2 * sizeof *sums);
    if (!sums)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for checksums");
    for (size_t i = 0; i < model->n_layers; i++)
        sums[i] = checksum(model->layers[i]);
    sums[n - 3] = ctrl ? ctrl->epoch : 0;
    sums[n - 2] = ctrl ? ctrl->step : 0;
    sums[n - 1] = (int64_t)(model->context->params.seed & INT64_MAX);
    const nncf_status status = compare(model, sums, n, err);
    nncf__free(model->context, sums);
    return status;
}

nncf_status nncf_model_check_ranks(nncf_model *model, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = check_ranks(model, &reason);
    return nncf__report(
        model ? model->context : NULL, "nncf_model_check_ranks", NULL, status, &reason, err);
}
