/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax over the last dimension. Keeps nothing but what an output quantizer reads: backward makes
 * the row again, where its gradient goes. */
#include "exec/softmax.h"

#include "base/pool.h"
#include "exec/call.h"
#include "exec/chunks.h"
#include "exec/keep.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "kernels/smooth.h"

#include <nncf/context.h>
#include <nncf/model.h>

#include <stddef.h>
#include <string.h>

typedef struct softmax_job {
    const nncf__call *call;
    const nncf__kernels *k;
    const nncf__smooth_kernels *s;
    nncf_context *context;
    size_t rows, length;
    /* causal: rows of a matrix; 0: of all, every column takes part */
    size_t matrix;
    float *z;
} softmax_job;

void nncf__softmax_prepare(const nncf_layer *layer, nncf__block *b)
{
    const size_t length = b->in_planes.c;
    (void)layer;
    b->forward.scratch = nncf__code_floats(b, 0, length);
    b->backward[1].scratch = b->forward.scratch;
    b->reads_x = true;
    nncf__keep_prepare(b);
}

/* Columns of row r that take part. */
static size_t columns_of(const softmax_job *job, size_t r)
{
    return job->matrix ? r % job->matrix + 1 + (job->length - job->matrix) : job->length;
}

/* Rows from r on that one call of a kernel may take: all floats, and of one matrix where each has a
 * column more than the one before. */
static size_t rows_at_once(const softmax_job *job, size_t r, size_t end)
{
    const size_t left = job->matrix ? job->matrix - r % job->matrix : end - r;
    if (job->call->x[0].dtype != NNCF_F32)
        return 1;
    return left < end - r ? left : end - r;
}

static void chunk_of(void *arg, size_t chunk, size_t worker)
{
    const softmax_job *job = arg;
    const size_t length = job->length, group = nncf__chunk_rows(length);
    const size_t end = (chunk + 1) * group < job->rows ? (chunk + 1) * group : job->rows;
    const size_t growth = job->matrix ? 1 : 0;
    float *scratch = nncf__scratch(job->context, worker);
    for (size_t r = chunk * group, count; r < end; r += count) {
        const size_t at = r * length, n = columns_of(job, r);
        count = rows_at_once(job, r, end);
        const float *x = nncf__floats_of(job->k, &job->call->x[0], at, count * length, scratch);
        float *to = (job->z ? job->z : job->call->dx[0]) + at;
        if (job->z)
            job->s->softmax(count, n, growth, length, x, to);
        else
            job->s->softmax_backward(count, n, growth, length, x, job->call->dy + at, to);
        for (size_t i = 0; i < count && job->matrix; i++)
            memset(to + i * length + n + i, 0, (length - n - i) * sizeof *to);
    }
}

static void run(const nncf__call *call, float *z)
{
    nncf_context *context = call->layer->model->context;
    softmax_job job = {.call = call,
        .k = nncf__kernels_of(context),
        .s = nncf__smooth_of(context),
        .context = context,
        .rows = call->block->in_planes.n,
        .length = call->block->in_planes.c,
        .z = z};
    if (call->layer->causal) {
        const nncf__shape *x = &call->block->key.shapes.x[0];
        job.matrix = (size_t)x->size[x->ndim - 2];
    }
    nncf__parallel(context, nncf__chunk_count(job.rows, job.length), chunk_of, &job);
}

void nncf__softmax_forward(const nncf__call *call)
{
    float *z = nncf__keep_z(call);
    run(call, z);
    nncf__keep_forward(call, z);
}

void nncf__softmax_backward(const nncf__call *call)
{
    nncf__keep_backward(call);
    if (call->dx[0])
        run(call, NULL);
}
