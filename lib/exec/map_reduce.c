/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over a tensor. What is added to what, and in which order, follows from the shape alone:
 * by channel, the planes of a channel are taken in the order of the images by one worker; otherwise
 * the tensor is cut into at most MAX_SLOTS slices and their sums are added in the order of the
 * slices. So any number of threads gives the same bits. Sums live on the stack, because the calls
 * that come here must not fail.
 */
#include "exec/map_reduce.h"

#include "base/pool.h"
#include "graph/block.h"
#include "kernels/kernels.h"

#include <nncf/context.h>

#include <math.h>

enum { MAX_SLOTS = 256, MIN_SLICE = 16384, SMALL_PLANE = 16, COLUMN_GROUP = 64 };

typedef struct pass_job {
    const nncf__map_reduce *pass;
    nncf_context *context;
    size_t first_channel;
    /* of the slices */
    size_t slice, total;
    double (*slots)[NNCF__MAP_REDUCE_SUMS];
} pass_job;

static void clear(const nncf__map_reduce *pass, double *sums)
{
    for (int i = 0; i < NNCF__MAP_REDUCE_SUMS; i++)
        sums[i] = 0;
    if (pass->extremes) {
        sums[0] = (double)INFINITY;
        sums[1] = -(double)INFINITY;
    }
}

static void channel_chunk(void *arg, size_t chunk, size_t worker)
{
    const pass_job *job = arg;
    const nncf__planes *p = &job->pass->planes;
    size_t c = job->first_channel + chunk;
    float *scratch = nncf__scratch(job->context, worker);
    clear(job->pass, job->slots[chunk]);
    for (size_t n = 0; n < p->n; n++)
        job->pass->segment(job->pass, c, (n * p->c + c) * p->hw, p->hw, scratch, job->slots[chunk]);
}

static void slice_chunk(void *arg, size_t chunk, size_t worker)
{
    const pass_job *job = arg;
    size_t offset = chunk * job->slice, left = job->total - offset;
    clear(job->pass, job->slots[chunk]);
    job->pass->segment(job->pass, 0, offset, left < job->slice ? left : job->slice,
        nncf__scratch(job->context, worker), job->slots[chunk]);
}

static size_t slice_of(size_t total)
{
    size_t slice = (total + MAX_SLOTS - 1) / MAX_SLOTS;
    return slice < MIN_SLICE ? MIN_SLICE : (slice + 63) / 64 * 64;
}

size_t nncf__map_reduce_length(const nncf__planes *planes, bool by_channel)
{
    return by_channel ? planes->hw : slice_of(nncf__planes_count(planes));
}

static void run_slices(nncf_context *context, nncf__map_reduce *pass)
{
    double slots[MAX_SLOTS][NNCF__MAP_REDUCE_SUMS], sums[NNCF__MAP_REDUCE_SUMS];
    pass_job job = {.pass = pass,
        .context = context,
        .total = nncf__planes_count(&pass->planes),
        .slots = slots};
    if (job.total == 0)
        return;
    job.slice = slice_of(job.total);
    size_t count = (job.total + job.slice - 1) / job.slice;
    nncf__parallel(context, count, slice_chunk, &job);
    clear(pass, sums);
    for (size_t i = 0; i < count; i++) {
        if (pass->extremes) {
            sums[0] = fmin(sums[0], slots[i][0]);
            sums[1] = fmax(sums[1], slots[i][1]);
            continue;
        }
        for (int j = 0; j < NNCF__MAP_REDUCE_SUMS; j++)
            sums[j] += slots[i][j];
    }
    if (pass->on_result)
        pass->on_result(pass, 0, sums);
}

void nncf__map_reduce_run(nncf_context *context, nncf__map_reduce *pass)
{
    pass->k = nncf__kernels_of(context);
    if (!pass->by_channel) {
        run_slices(context, pass);
        return;
    }
    double slots[MAX_SLOTS][NNCF__MAP_REDUCE_SUMS];
    pass_job job = {.pass = pass, .context = context, .slots = slots};
    for (size_t first = 0; first < pass->planes.c; first += MAX_SLOTS) {
        size_t left = pass->planes.c - first, count = left < MAX_SLOTS ? left : MAX_SLOTS;
        job.first_channel = first;
        nncf__parallel(context, count, channel_chunk, &job);
        for (size_t i = 0; pass->on_result && i < count; i++)
            pass->on_result(pass, first + i, slots[i]);
    }
}

typedef struct sums_job {
    const nncf__kernels *k;
    const nncf__planes *planes;
    const float *x;
    double *sums;
} sums_job;

static void sums_chunk(void *arg, size_t chunk, size_t worker)
{
    const sums_job *job = arg;
    const nncf__planes *p = job->planes;
    size_t first = chunk * COLUMN_GROUP,
           end = first + COLUMN_GROUP < p->c ? first + COLUMN_GROUP : p->c;
    (void)worker;
    for (size_t c = first; c < end; c++)
        job->sums[c] = 0;
    for (size_t n = 0; n < p->n && p->hw == 1; n++)
        for (size_t c = first; c < end; c++)
            job->sums[c] += (double)job->x[n * p->c + c];
    for (size_t n = 0; n < p->n && p->hw > 1; n++) {
        for (size_t c = first; c < end; c++) {
            const float *x = job->x + (n * p->c + c) * p->hw;
            if (p->hw < SMALL_PLANE) { /* calling a kernel would cost more than the sum */
                for (size_t i = 0; i < p->hw; i++)
                    job->sums[c] += (double)x[i];
                continue;
            }
            double sums[2] = {0, 0};
            job->k->sum_and_squares(p->hw, x, sums);
            job->sums[c] += sums[0];
        }
    }
}

void nncf__channel_sums(
    nncf_context *context, const nncf__planes *planes, const float *x, double *sums)
{
    sums_job job = {.k = nncf__kernels_of(context), .planes = planes, .x = x, .sums = sums};
    nncf__parallel(context, (planes->c + COLUMN_GROUP - 1) / COLUMN_GROUP, sums_chunk, &job);
}
