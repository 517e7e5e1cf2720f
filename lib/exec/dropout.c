/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dropout (Srivastava et al. 2014), inverted: what stays is divided by 1 - p in training. What is
 * dropped follows from Philox numbers of (seed, layer; step, backwards in it, use; element), which
 * backward makes again: nothing is kept but their counter. Elements are counted in the whole batch,
 * of which a rank has some rows.
 */
#include "exec/dropout.h"

#include "base/pool.h"
#include "controller/ctrl.h"
#include "exec/call.h"
#include "exec/chunks.h"
#include "exec/keep.h"
#include "exec/quantize.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "sparsity/rb.h"

#include <nncf/context.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Elements whose numbers are made at a time; a multiple of the four that Philox makes at once. */
enum { BLOCK = 1024 };

/* Not in tune mode, which computes what eval mode does. */
static bool drops(const nncf__block *b, const nncf_layer *layer)
{
    return b->keeps && b->key.mode == NNCF_MODE_TRAIN && layer->dropped > 0;
}

void nncf__dropout_prepare(const nncf_layer *layer, nncf__block *b)
{
    b->forward.scratch = nncf__code_floats(b, 0, BLOCK);
    b->keeps_state = drops(b, layer); /* the counter */
    nncf__keep_prepare(b);
}

typedef struct dropout_job {
    const nncf__call *call;
    const nncf__kernels *k;
    nncf_context *context;
    size_t count;
    uint64_t key, counter;
    /* of the whole batch's elements, the first that is here */
    uint64_t first;
    /* p; 1 / (1 - p) */
    float p, factor;
    bool drops;
    /* forward: out */
    float *z;
} dropout_job;

/* y = dropped or scaled x; y may be x. */
static void drop(const dropout_job *job, size_t at, size_t n, const float *x, float *y)
{
    float numbers[BLOCK + 4];
    const uint64_t first = job->first + at;
    const size_t skipped = (size_t)(first % 4); /* four are made at once */
    job->k->philox_uniform(n + skipped, (uint32_t)(first / 4), job->key, job->counter, numbers);
    const float *u = numbers + skipped;
    for (size_t i = 0; i < n; i++)
        y[i] = u[i] < job->p ? 0 : x[i] * job->factor;
}

static void chunk_of(void *arg, size_t chunk, size_t worker)
{
    const dropout_job *job = arg;
    float *scratch = nncf__scratch(job->context, worker);
    for (size_t at = chunk * NNCF__CHUNK_ELEMENTS;
         at < (chunk + 1) * NNCF__CHUNK_ELEMENTS && at < job->count; at += BLOCK) {
        const size_t n = job->count - at < BLOCK ? job->count - at : BLOCK;
        const float *x =
            job->z ? nncf__floats_of(job->k, &job->call->x[0], at, n, scratch) : job->call->dy + at;
        float *to = (job->z ? job->z : job->call->dx[0]) + at;
        if (job->drops)
            drop(job, at, n, x, to);
        else
            memcpy(to, x, n * sizeof *to);
    }
}

/* Rows of the tensor, whatever the layer's view of it. The parts of a rank follow each other: its
 * model's, then those of its replicas, whose `rank` counts parts. */
static uint64_t first_element(const nncf__call *call)
{
    const nncf_model *model = call->layer->model;
    const uint64_t rows = (uint64_t)call->block->key.shapes.x[0].size[0],
                   count = nncf__planes_count(&call->block->in_planes);
    const uint64_t part = (uint64_t)model->collective.params.rank * (model->n_replicas + 1);
    const uint64_t row = model->first_row >= 0 ? (uint64_t)model->first_row : part * rows;
    return rows > 0 ? row * (count / rows) : 0;
}

static void run(const nncf__call *call, float *z)
{
    const nncf_layer *layer = call->layer;
    nncf_context *context = layer->model->context;
    dropout_job job = {.call = call,
        .k = nncf__kernels_of(context),
        .context = context,
        .count = nncf__planes_count(&call->block->in_planes),
        .key = nncf__rb_noise_key(layer),
        .counter = layer->now.drop,
        .first = first_element(call),
        .p = layer->dropped,
        .factor = (float)(1 / (1 - (double)layer->dropped)),
        .drops = drops(call->block, layer),
        .z = z};
    nncf__parallel(context, nncf__chunk_count(job.count, 1), chunk_of, &job);
}

/* Forwards of a use have the same numbers until a backward of the layer, or the next step. */
static uint64_t counter_of(nncf_layer *layer)
{
    const nncf_compression_ctrl *ctrl = layer->model->ctrl;
    const int64_t step = ctrl ? ctrl->step : 0;
    if (step != layer->drop_step) {
        layer->drop_step = step;
        layer->drop_backwards = 0;
    }
    return ((uint64_t)step << 40) + (layer->drop_backwards << 16) + layer->use;
}

void nncf__dropout_forward(const nncf__call *call)
{
    float *z = nncf__keep_z(call);
    if (call->block->keeps)
        call->layer->now.drop = counter_of(call->layer);
    run(call, z);
    nncf__keep_forward(call, z);
}

void nncf__dropout_backward(const nncf__call *call)
{
    nncf__keep_backward(call);
    if (call->dx[0])
        run(call, NULL);
    call->layer->drop_backwards++;
}
