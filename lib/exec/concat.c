/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors one after the other along the channels. Keeps nothing. */
#include "exec/concat.h"

#include "base/pool.h"
#include "exec/call.h"
#include "exec/keep.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"

#include <nncf/context.h>
#include <nncf/model.h>

#include <stddef.h>
#include <string.h>

typedef struct concat_job {
    const nncf__call *call;
    const nncf__kernels *k;
    float *z;
} concat_job;

void nncf__concat_prepare(const nncf_layer *layer, nncf__block *b)
{
    (void)layer;
    nncf__keep_prepare(b);
}

/* What one image gets from input i: `count` floats from `from` of the input, at `to` of the output.
 */
typedef struct part {
    size_t i, from, to, count;
} part;

/* Chunks are the inputs of an image, image after image. */
static part part_of(const nncf__block *b, size_t chunk)
{
    const nncf__shapes *s = &b->key.shapes;
    const size_t n = chunk / s->n, hw = b->out_planes.hw;
    part p = {.i = chunk % s->n, .to = n * b->out_planes.c * hw};
    for (size_t j = 0; j < p.i; j++)
        p.to += (size_t)s->in[j][1] * hw;
    p.count = (size_t)s->in[p.i][1] * hw;
    p.from = n * p.count;
    return p;
}

static void forward_chunk(void *arg, size_t chunk, size_t worker)
{
    const concat_job *job = arg;
    const part p = part_of(job->call->block, chunk);
    (void)worker;
    nncf__copy_floats(job->k, &job->call->x[p.i], p.from, p.count, job->z + p.to);
}

static void backward_chunk(void *arg, size_t chunk, size_t worker)
{
    const concat_job *job = arg;
    const nncf__call *call = job->call;
    const part p = part_of(call->block, chunk);
    (void)worker;
    memcpy(call->dx[p.i] + p.from, call->dy + p.to, p.count * sizeof(float));
}

static void run(const nncf__call *call, nncf__chunk_fn *chunk, float *z)
{
    nncf_context *context = call->layer->model->context;
    concat_job job = {call, nncf__kernels_of(context), z};
    nncf__parallel(context, call->block->out_planes.n * call->block->key.shapes.n, chunk, &job);
}

void nncf__concat_forward(const nncf__call *call)
{
    float *z = nncf__keep_z(call);
    run(call, forward_chunk, z);
    nncf__keep_forward(call, z);
}

void nncf__concat_backward(const nncf__call *call)
{
    nncf__keep_backward(call);
    if (call->dx[0])
        run(call, backward_chunk, NULL);
}
