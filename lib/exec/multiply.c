/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise product; the second factor may be one value a channel, as squeeze and excite has it.
 * Keeps nothing but what an output quantizer reads: backward multiplies again. */
#include "exec/multiply.h"

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

#include <stdbool.h>
#include <stddef.h>

/* Rows of `length` elements: planes where the second factor is one value each. */
typedef struct multiply_job {
    const nncf__call *call;
    const nncf__kernels *k;
    const nncf__smooth_kernels *s;
    nncf_context *context;
    size_t total, length, rows;
    bool by_channel;
    float *z;
} multiply_job;

static bool is_by_channel(const nncf__block *b)
{
    const int64_t *second = b->key.shapes.in[1];
    return second[2] * second[3] == 1 && b->in_planes.hw > 1;
}

static size_t length_of(const nncf__block *b)
{
    return is_by_channel(b) ? b->in_planes.hw : NNCF__CHUNK_ELEMENTS;
}

void nncf__multiply_prepare(const nncf_layer *layer, nncf__block *b)
{
    const size_t length = length_of(b);
    (void)layer;
    const nncf__needs needs = {
        .scratch = nncf__code_floats(b, 0, length) + nncf__code_floats(b, 1, length)};
    b->forward = b->backward[0] = b->backward[1] = needs;
    b->reads_x = true;
    nncf__keep_prepare(b);
}

/* Row r of both factors; of the second one value where it is by channel. */
static size_t row_of(const multiply_job *job, size_t r, float *scratch, const float *in[2])
{
    const size_t at = r * job->length, left = job->total - at;
    const size_t count = left < job->length ? left : job->length;
    in[0] = nncf__floats_of(job->k, &job->call->x[0], at, count, scratch);
    if (in[0] == scratch)
        scratch += count;
    in[1] = job->by_channel ? nncf__floats_of(job->k, &job->call->x[1], r, 1, scratch)
                            : nncf__floats_of(job->k, &job->call->x[1], at, count, scratch);
    return count;
}

static void forward_row(const multiply_job *job, size_t r, float *scratch)
{
    const float *in[2];
    const size_t count = row_of(job, r, scratch, in);
    float *z = job->z + r * job->length;
    if (job->by_channel)
        nncf__scale_floats(job->k, count, in[0], in[1][0], z);
    else
        job->s->multiply(count, in[0], in[1], z);
}

static void backward_row(const multiply_job *job, size_t r, float *scratch)
{
    const float *in[2], *dy = job->call->dy + r * job->length;
    float *const *dx = job->call->dx;
    const size_t count = row_of(job, r, scratch, in);
    if (job->by_channel) {
        double sums[2] = {0, 0};
        nncf__scale_floats(job->k, count, dy, in[1][0], dx[0] + r * job->length);
        job->s->normalize_sums(count, in[0], dy, 0, 1, NULL, sums);
        dx[1][r] = (float)sums[1];
        return;
    }
    job->s->multiply(count, dy, in[1], dx[0] + r * job->length);
    job->s->multiply(count, dy, in[0], dx[1] + r * job->length);
}

static void chunk_of(void *arg, size_t chunk, size_t worker)
{
    const multiply_job *job = arg;
    const size_t group = nncf__chunk_rows(job->length), first = chunk * group;
    float *scratch = nncf__scratch(job->context, worker);
    for (size_t r = first; r < first + group && r < job->rows; r++)
        if (job->z)
            forward_row(job, r, scratch);
        else
            backward_row(job, r, scratch);
}

static void run(const nncf__call *call, float *z)
{
    const nncf__block *b = call->block;
    nncf_context *context = call->layer->model->context;
    multiply_job job = {.call = call,
        .k = nncf__kernels_of(context),
        .s = nncf__smooth_of(context),
        .context = context,
        .total = nncf__planes_count(&b->in_planes),
        .length = length_of(b),
        .by_channel = is_by_channel(b),
        .z = z};
    job.rows = (job.total + job.length - 1) / job.length;
    nncf__parallel(context, nncf__chunk_count(job.rows, job.length), chunk_of, &job);
}

void nncf__multiply_forward(const nncf__call *call)
{
    float *z = nncf__keep_z(call);
    run(call, z);
    nncf__keep_forward(call, z);
}

void nncf__multiply_backward(const nncf__call *call)
{
    nncf__keep_backward(call);
    if (call->dx[0])
        run(call, NULL);
}
