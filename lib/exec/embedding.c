/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a weight by numbers of words. The compressed weight, in floats, is kept for backward,
 * which needs only its mask and quantizer; numbers are checked before (exec/run.c). Without a
 * controller's compression gradients are added where the host wants them, so that backward costs as
 * much as there are words in x, not in the layer. */
#include "exec/embedding.h"

#include "base/pool.h"
#include "controller/weight.h"
#include "exec/call.h"
#include "exec/keep.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "quantization/layer_compression.h"

#include <nncf/context.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { CHUNK_ROWS = 64, CHUNK_COLUMNS = 32, WIDE_COLUMNS = 128 };

typedef struct embedding_job {
    const nncf__kernels *k;
    const int32_t *ids;
    size_t rows, size, columns;
    const float *weight, *dz;
    float *z, *dw;
} embedding_job;

void nncf__embedding_prepare(const nncf_layer *layer, nncf__block *b)
{
    const nncf__layer_compression *c = nncf__weight_owner(layer)->compression;
    const size_t weight = layer->weight_count * sizeof(float);
    b->compresses =
        c && (c->mask_kind != NNCF__MASK_NONE || nncf__layer_active(c, NNCF__SLOT_WEIGHT));
    b->wants_dw = layer->weight_grad || b->compresses;
    b->forward.wq = b->compresses ? weight : 0;
    if (b->wants_dw && c)
        b->backward[0].dw = b->backward[1].dw = weight;
    b->reads_x = b->wants_dw;
    nncf__keep_prepare(b);
}

static void forward_chunk(void *arg, size_t chunk, size_t worker)
{
    const embedding_job *job = arg;
    (void)worker;
    for (size_t r = chunk * CHUNK_ROWS; r < (chunk + 1) * CHUNK_ROWS && r < job->rows; r++)
        memcpy(job->z + r * job->size, job->weight + (size_t)job->ids[r] * job->size,
            job->size * sizeof(float));
}

/* A few columns of all rows: a word's gradients are added in the order of the rows. */
static void backward_chunk(void *arg, size_t chunk, size_t worker)
{
    const embedding_job *job = arg;
    const size_t first = chunk * job->columns, left = job->size - first,
                 count = left < job->columns ? left : job->columns;
    (void)worker;
    for (size_t r = 0; r < job->rows; r++)
        job->k->accumulate(count, job->dz + r * job->size + first,
            job->dw + (size_t)job->ids[r] * job->size + first);
}

static embedding_job job_of(const nncf__call *call)
{
    const size_t size = call->block->out_planes.c;
    return (embedding_job){.k = nncf__kernels_of(call->layer->model->context),
        .ids = call->x[0].data,
        .rows = call->block->out_planes.n,
        .size = size,
        .columns = size < 4 * WIDE_COLUMNS ? CHUNK_COLUMNS : WIDE_COLUMNS};
}

void nncf__embedding_forward(const nncf__call *call)
{
    const nncf__block *b = call->block;
    nncf_layer *layer = call->layer;
    embedding_job job = job_of(call);
    job.weight = layer->weight;
    if (b->compresses) {
        nncf__weight_forward(layer, b->key.mode, layer->now.wq.data);
        job.weight = layer->now.wq.data;
        if (b->keeps)
            nncf__weight_used(layer);
    }
    job.z = nncf__keep_z(call);
    nncf__parallel(
        layer->model->context, (job.rows + CHUNK_ROWS - 1) / CHUNK_ROWS, forward_chunk, &job);
    nncf__keep_forward(call, job.z);
}

void nncf__embedding_backward(const nncf__call *call)
{
    nncf_layer *layer = call->layer;
    const nncf_layer *owner = nncf__weight_owner(layer);
    embedding_job job = job_of(call);
    nncf__keep_backward(call);
    if (!call->block->wants_dw)
        return;
    job.dz = call->dy;
    job.dw = owner->compression ? layer->model->dw.data : owner->weight_grad;
    if (!job.dw)
        return;
    if (owner->compression)
        memset(job.dw, 0, layer->weight_count * sizeof(float));
    nncf__parallel(
        layer->model->context, (job.size + job.columns - 1) / job.columns, backward_chunk, &job);
    if (owner->compression)
        nncf__weight_backward(layer, job.dw);
}
