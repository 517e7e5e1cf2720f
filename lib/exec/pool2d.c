/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pooling. Averages are made in double and may be followed by a quantizer, so z (small) is kept for
 * it; the maximum is looked for anew in backward, with ties going to the first, row by row.
 */
#include "exec/pool2d.h"

#include "base/alloc.h"
#include "base/pool.h"
#include "exec/codes.h"
#include "exec/map_reduce.h"
#include "exec/quantize.h"
#include "exec/run.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "kernels/operand.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <math.h>
#include <string.h>

enum { CHUNK_ELEMENTS = 16384 };

typedef struct pool_job {
    const nncf_layer *layer;
    const nncf__kernels *k;
    /* n * c; planes in a chunk */
    size_t planes, group;
    int64_t h, w, out_h, out_w;
    /* the layer's; a mean over rows or columns has windows as long as they are */
    int64_t kernel[2], stride[2];
    nncf_context *context;
    const nncf__operand *x;
    const float *dy;
    float *y, *dx;
    /* of a maximum: y is codes, those of x */
    uint8_t *codes;
} pool_job;

/* The part of window (oy, ox) that lies on the plane: rows y0..y1-1, columns x0..x1-1. */
typedef struct window {
    int64_t y0, y1, x0, x1;
} window;

static window window_of(const pool_job *job, int64_t oy, int64_t ox)
{
    const nncf_layer *l = job->layer;
    int64_t y = oy * job->stride[0] - l->padding[0], x = ox * job->stride[1] - l->padding[1];
    window r = {y, y + job->kernel[0], x, x + job->kernel[1]};
    r.y0 = r.y0 < 0 ? 0 : r.y0;
    r.x0 = r.x0 < 0 ? 0 : r.x0;
    r.y1 = r.y1 > job->h ? job->h : r.y1;
    r.x1 = r.x1 > job->w ? job->w : r.x1;
    return r;
}

/* Index of the maximum of a window; the first of equals; a NaN wins, as it would in PyTorch. */
static int64_t argmax(const float *x, int64_t width, const window *r)
{
    int64_t best = r->y0 * width + r->x0;
    for (int64_t i = r->y0; i < r->y1; i++) {
        for (int64_t j = r->x0; j < r->x1; j++) {
            int64_t at = i * width + j;
            if (x[at] > x[best] || (isnan(x[at]) && !isnan(x[best])))
                best = at;
        }
    }
    return best;
}

static float average(const float *x, int64_t width, const window *r, double divisor)
{
    double sum = 0;
    for (int64_t i = r->y0; i < r->y1; i++)
        for (int64_t j = r->x0; j < r->x1; j++)
            sum += (double)x[i * width + j];
    return (float)(sum / divisor);
}

/* Where the maxima are: the code there is theirs too. */
static void max_codes(const pool_job *job, const float *x, const uint8_t *code, uint8_t *y)
{
    for (int64_t oy = 0; oy < job->out_h; oy++) {
        for (int64_t ox = 0; ox < job->out_w; ox++) {
            window r = window_of(job, oy, ox);
            *y++ = code[argmax(x, job->w, &r)];
        }
    }
}

static void forward_plane(const pool_job *job, const float *x, float *y)
{
    const nncf_layer *l = job->layer;
    const double divisor = (double)(job->kernel[0] * job->kernel[1]);
    if (l->pool_kind == NNCF_POOL_GLOBAL_AVERAGE) {
        double sums[2] = {0, 0};
        job->k->sum_and_squares((size_t)(job->h * job->w), x, sums);
        y[0] = (float)(sums[0] / (double)(job->h * job->w));
        return;
    }
    for (int64_t oy = 0; oy < job->out_h; oy++) {
        for (int64_t ox = 0; ox < job->out_w; ox++) {
            window r = window_of(job, oy, ox);
            *y++ = l->pool_kind == NNCF_POOL_MAX ? x[argmax(x, job->w, &r)]
                                                 : average(x, job->w, &r, divisor);
        }
    }
}

static void backward_plane(const pool_job *job, const float *x, const float *dy, float *dx)
{
    const nncf_layer *l = job->layer;
    const float share = (float)(1 / (double)(job->kernel[0] * job->kernel[1]));
    const size_t count = (size_t)(job->h * job->w);
    if (l->pool_kind == NNCF_POOL_GLOBAL_AVERAGE) {
        float g = (float)((double)dy[0] / (double)count);
        for (size_t i = 0; i < count; i++)
            dx[i] = g;
        return;
    }
    memset(dx, 0, count * sizeof *dx);
    for (int64_t oy = 0; oy < job->out_h; oy++) {
        for (int64_t ox = 0; ox < job->out_w; ox++, dy++) {
            window r = window_of(job, oy, ox);
            if (l->pool_kind == NNCF_POOL_MAX) {
                dx[argmax(x, job->w, &r)] += *dy;
                continue;
            }
            for (int64_t i = r.y0; i < r.y1; i++)
                for (int64_t j = r.x0; j < r.x1; j++)
                    dx[i * job->w + j] += *dy * share;
        }
    }
}

static void pool_chunk(void *arg, size_t chunk, size_t worker)
{
    const pool_job *job = arg;
    size_t in = (size_t)(job->h * job->w), out = (size_t)(job->out_h * job->out_w);
    float *room = nncf__scratch(job->context, worker);
    for (size_t p = chunk * job->group; p < (chunk + 1) * job->group && p < job->planes; p++) {
        const bool looks = !job->dx ||
            job->layer->pool_kind == NNCF_POOL_MAX; /* gradients of averages need no x */
        const float *x = looks ? nncf__floats_of(job->k, job->x, p * in, in, room) : NULL;
        if (job->dx)
            backward_plane(job, x, job->dy + p * out, job->dx + p * in);
        else if (job->codes)
            max_codes(job, x, (const uint8_t *)job->x->data + p * in, job->codes + p * out);
        else
            forward_plane(job, x, job->y + p * out);
    }
}

/* Codes become floats a plane at a time. */
static nncf_status reserve(const pool_job *job)
{
    return job->x->dtype == NNCF_F32
        ? NNCF_OK
        : nncf__scratch_reserve(job->context, (size_t)(job->h * job->w) * sizeof(float));
}

static void run(pool_job *job)
{
    job->k = nncf__kernels_of(job->context);
    job->group = CHUNK_ELEMENTS / (size_t)(job->h * job->w);
    job->group = job->group < 1 ? 1 : job->group;
    nncf__parallel(job->context, (job->planes + job->group - 1) / job->group, pool_chunk, job);
}

static pool_job job_of(
    const nncf_layer *layer, const int64_t in[4], const int64_t out[4], const nncf__operand *x)
{
    pool_job job = {.layer = layer,
        .context = layer->model->context,
        .planes = (size_t)(in[0] * in[1]),
        .h = in[2],
        .w = in[3],
        .out_h = out[2],
        .out_w = out[3],
        .x = x};
    for (int i = 0; i < 2; i++) {
        job.kernel[i] = layer->kernel[i];
        job.stride[i] = layer->stride[i];
    }
    if (layer->pool_kind == NNCF_POOL_MEAN_ROWS || layer->pool_kind == NNCF_POOL_MEAN_COLUMNS) {
        job.kernel[0] = layer->pool_kind == NNCF_POOL_MEAN_ROWS ? in[2] : 1;
        job.kernel[1] = layer->pool_kind == NNCF_POOL_MEAN_COLUMNS ? in[3] : 1;
        job.stride[0] = job.stride[1] = 1;
    }
    return job;
}

nncf_status nncf__pool_forward(nncf_layer *layer, const nncf__operand *x, const int64_t in[4],
    const int64_t out[4], const nncf__output *y)
{
    const nncf__planes planes = nncf__planes_of(out);
    nncf_context *context = layer->model->context;
    const bool keep = layer->model->mode == NNCF_MODE_TRAIN && !nncf__layer_observing(layer);
    const bool has_output = nncf__layer_output_quantizer(layer), codes = y->dtype != NNCF_F32;
    /* also where y has no room for the floats that the quantizer sees */
    const bool keep_z = has_output && (keep || codes);
    pool_job job = job_of(layer, in, out, x);
    layer->ready_for_backward = false;
    nncf_status status = reserve(&job);
    if (status == NNCF_OK && keep_z)
        status = nncf__grow(context, &layer->z.data, &layer->z.capacity,
            planes.n * planes.c * planes.hw * sizeof(float));
    if (status != NNCF_OK)
        return status;
    if (codes && !has_output)
        job.codes = y->data;
    else
        job.y = keep_z ? layer->z.data : y->data;
    run(&job);
    if (!job.codes)
        nncf__epilogue_forward(layer, &planes, job.y, y);
    layer->ready_for_backward = keep;
    return NNCF_OK;
}

nncf_status nncf__pool_backward(nncf_layer *layer, const nncf__operand *x, const int64_t in[4],
    const int64_t out[4], float *dy, float *dx)
{
    const nncf__planes planes = nncf__planes_of(out);
    const nncf__quantizer *output = nncf__layer_output_quantizer(layer);
    pool_job job = job_of(layer, in, out, x);
    nncf_status status = reserve(&job);
    if (status != NNCF_OK)
        return status;
    if (output)
        nncf__epilogue_backward(layer, &planes, layer->z.data, dy, dy, false);
    if (dx) {
        job.dy = dy;
        job.dx = dx;
        run(&job);
    }
    return NNCF_OK;
}
