/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax over the last dimension. Keeps nothing but what an output quantizer reads: backward makes
 * the row again. */
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
    b->backward[1].scratch = b->forward.scratch + length * sizeof(float);
    b->reads_x = true;
    nncf__keep_prepare(b);
}

/* Columns of row r that take part. */
static size_t columns_of(const softmax_job *job, size_t r)
{
    return job->matrix ? r % job->matrix + 1 + (job->length - job->matrix) : job->length;
}

static void chunk_of(void *arg, size_t chunk, size_t worker)
{
    const softmax_job *job = arg;
    const size_t length = job->length, group = nncf__chunk_rows(length);
    float *scratch = nncf__scratch(job->context, worker);
    for (size_t r = chunk * group; r < (chunk + 1) * group && r < job->rows; r++) {
        const size_t at = r * length, n = columns_of(job, r);
        if (job->z) {
            const float *x = nncf__floats_of(job->k, &job->call->x[0], at, length, scratch);
            job->s->softmax(n, x, job->z + at);
            memset(job->z + at + n, 0, (length - n) * sizeof *job->z);
            continue;
        }
        const float *x = nncf__floats_of(job->k, &job->call->x[0], at, length, scratch + length);
        job->s->softmax(n, x, scratch);
        job->s->softmax_backward(n, scratch, job->call->dy + at, job->call->dx[0] + at);
        memset(job->call->dx[0] + at + n, 0, (length - n) * sizeof(float));
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
