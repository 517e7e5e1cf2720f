/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a weight by numbers of words. The compressed weight, in floats, is kept for backward,
 * which needs only its mask and quantizer; numbers are checked before (exec/run.c). */
#include "exec/embedding.h"

#include "base/pool.h"
#include "controller/weight.h"
#include "exec/call.h"
#include "exec/keep.h"
#include "graph/block.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"

#include <nncf/context.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { CHUNK_ROWS = 64, CHUNK_COLUMNS = 32 };

typedef struct embedding_job {
    const int32_t *ids;
    size_t rows, size;
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
    if (b->wants_dw)
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
    const size_t first = chunk * CHUNK_COLUMNS;
    const size_t end = first + CHUNK_COLUMNS < job->size ? first + CHUNK_COLUMNS : job->size;
    (void)worker;
    for (size_t r = 0; r < job->rows; r++) {
        float *dw = job->dw + (size_t)job->ids[r] * job->size;
        for (size_t j = first; j < end; j++)
            dw[j] += job->dz[r * job->size + j];
    }
}

static embedding_job job_of(const nncf__call *call)
{
    return (embedding_job){.ids = call->x[0].data,
        .rows = call->block->out_planes.n,
        .size = call->block->out_planes.c};
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
    embedding_job job = job_of(call);
    nncf__keep_backward(call);
    if (!call->block->wants_dw)
        return;
    job.dz = call->dy;
    job.dw = layer->model->dw.data;
    memset(job.dw, 0, layer->weight_count * sizeof(float));
    nncf__parallel(layer->model->context, (job.size + CHUNK_COLUMNS - 1) / CHUNK_COLUMNS,
        backward_chunk, &job);
    nncf__weight_backward(layer, job.dw);
}
