/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads of attention: (..., T, heads, D), as a linear layer makes them, and (..., heads, T, D), as
 * products of matrices read them, exchanged by copies of D elements, floats or codes. Backward is
 * the way back.
 */
#include "exec/heads.h"

#include "base/error.h"
#include "base/pool.h"
#include "exec/call.h"
#include "exec/check.h"
#include "exec/chunks.h"
#include "exec/keep.h"
#include "exec/quantize.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

void nncf__heads_prepare(const nncf_layer *layer, nncf__block *b)
{
    (void)layer;
    nncf__keep_prepare(b);
}

/* (n, a, b, d) becomes (n, b, a, d). */
typedef struct heads_job {
    const nncf__kernels *k;
    size_t rows, a, b, d;
    /* from: floats or codes, of which floats are made unless `codes` is where codes go */
    const nncf__qtensor *from;
    float *to;
    uint8_t *codes;
} heads_job;

static void chunk_of(void *arg, size_t chunk, size_t worker)
{
    const heads_job *j = arg;
    const size_t each = nncf__chunk_rows(j->d), first = chunk * each;
    size_t b = first % j->b, a = first / j->b % j->a, n = first / j->b / j->a;
    (void)worker;
    for (size_t r = first; r < first + each && r < j->rows; r++) {
        const size_t at = ((n * j->b + b) * j->a + a) * j->d;
        if (j->codes)
            memcpy(j->codes + at, (const uint8_t *)j->from->data + r * j->d, j->d);
        else
            nncf__copy_floats(j->k, j->from, r * j->d, j->d, j->to + at);
        if (++b == j->b) {
            b = 0;
            if (++a == j->a) {
                a = 0;
                n++;
            }
        }
    }
}

/* `shape`: of what is read. */
static void run(const nncf__call *call, heads_job *job, const int64_t shape[4])
{
    nncf_context *context = call->layer->model->context;
    job->k = nncf__kernels_of(context);
    job->a = (size_t)shape[1];
    job->b = (size_t)shape[2];
    job->d = (size_t)shape[3];
    job->rows = (size_t)shape[0] * job->a * job->b;
    nncf__parallel(context, nncf__chunk_count(job->rows, job->d), chunk_of, job);
}

void nncf__heads_forward(const nncf__call *call)
{
    heads_job job = {.from = &call->x[0]};
    const bool codes = call->y.dtype != NNCF_F32 && !call->block->quantizers[NNCF__OF_OUTPUT];
    if (codes)
        job.codes = call->y.data;
    else
        job.to = nncf__keep_z(call);
    run(call, &job, call->block->key.in);
    if (!codes)
        nncf__keep_forward(call, job.to);
}

void nncf__heads_backward(const nncf__call *call)
{
    const nncf__qtensor dy = {.data = call->dy, .dtype = NNCF_F32};
    nncf__keep_backward(call);
    if (!call->dx[0])
        return;
    heads_job job = {.from = &dy, .to = call->dx[0]};
    run(call, &job, call->block->out);
}
