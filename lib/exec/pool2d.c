/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pooling. Averages are made in double and may be followed by a quantizer, so z (small) is kept for
 * it; backward searches the maximum again, with ties going to the first, row by row.
 */
#include "exec/pool2d.h"

#include "base/int_math.h"
#include "base/pool.h"
#include "exec/call.h"
#include "exec/chunks.h"
#include "exec/keep.h"
#include "exec/quantize.h"
#include "exec/window.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Codes become floats a plane at a time. */
void nncf__pool_prepare(const nncf_layer *layer, nncf__block *b)
{
    const nncf__needs needs = {.scratch = nncf__code_floats(b, 0, b->in_planes.hw)};
    b->reads_x = layer->pool_kind == NNCF_POOL_MAX;
    b->forward = b->backward[0] = b->backward[1] = needs;
    nncf__keep_prepare(b);
}

typedef struct pool_job {
    const nncf_layer *layer;
    const nncf__kernels *k;
    /* n * c; planes in a chunk */
    size_t planes;
    int64_t h, w, out_h, out_w;
    /* the layer's; a mean over rows or columns has windows as long as they are */
    int64_t kernel[2], stride[2];
    nncf_context *context;
    const nncf__qtensor *x;
    const float *dy;
    float *y, *dx;
    /* of a maximum: y is codes, those of x */
    uint8_t *codes;
} pool_job;

/* The part of window (oy, ox) that lies on the plane: rows y0..y1-1, columns x0..x1-1; and how many
 * pixels an average is divided by. */
typedef struct window {
    int64_t y0, y1, x0, x1, counted;
} window;

static window window_of(const pool_job *job, int64_t oy, int64_t ox)
{
    const nncf_layer *l = job->layer;
    int64_t y = oy * job->stride[0] - l->padding[0], x = ox * job->stride[1] - l->padding[1];
    window r = {.y0 = max_i(y, 0),
        .y1 = min_i(y + job->kernel[0], job->h),
        .x0 = max_i(x, 0),
        .x1 = min_i(x + job->kernel[1], job->w)};
    /* all but what lies beyond the padding, after a window that rounding up added */
    r.counted = l->exclude_padding ? (r.y1 - r.y0) * (r.x1 - r.x0)
                                   : (min_i(y + job->kernel[0], job->h + l->padding_after[0]) - y) *
            (min_i(x + job->kernel[1], job->w + l->padding_after[1]) - x);
    return r;
}

/* Windows of a row whose maxima are searched at a time. */
enum { COLUMNS = 64 };

static int64_t ceil_div(int64_t a, int64_t b) /* b > 0, a of any sign */
{
    return a > 0 ? (a + b - 1) / b : -(-a / b);
}

/* n maxima from window (oy, ox) on, and where they are: the first of equals; a NaN wins, as it
 * would in PyTorch. Tap by tap, in the order of a window's elements, without a branch: which of two
 * is larger cannot be predicted. */
static void find_maxima(const pool_job *job, const float *x, int64_t oy, int64_t ox, int64_t n,
    float best[COLUMNS], int64_t at[COLUMNS])
{
    const int64_t stride = job->stride[1], padding = job->layer->padding[1];
    for (int64_t o = 0; o < n; o++) {
        const window r = window_of(job, oy, ox + o);
        at[o] = r.y0 * job->w + r.x0;
        best[o] = x[at[o]];
    }
    const window rows = window_of(job, oy, ox);
    for (int64_t i = rows.y0; i < rows.y1; i++)
        for (int64_t j = -padding; j < job->kernel[1] - padding; j++) {
            const int64_t first = max_i(ceil_div(-j, stride) - ox, 0),
                          last = min_i(ceil_div(job->w - j, stride) - ox, n),
                          begin = i * job->w + j + ox * stride;
            for (int64_t o = first; o < last; o++) {
                const int64_t place = begin + o * stride;
                const float v = x[place], b = best[o];
                const bool better = (v > b) | ((v != v) & (b == b));
                best[o] = better ? v : b;
                at[o] ^= (at[o] ^ place) & -(int64_t)better;
            }
        }
}

static float average(const float *x, int64_t width, const window *r)
{
    double sum = 0;
    for (int64_t i = r->y0; i < r->y1; i++)
        for (int64_t j = r->x0; j < r->x1; j++)
            sum += (double)x[i * width + j];
    return (float)(sum / (double)r->counted);
}

/* A plane of maxima: their values, or the codes where they are, or their gradients to where they
 * are; two of the three are NULL. */
static void max_plane(const pool_job *job, const float *x, float *y, const uint8_t *code,
    uint8_t *codes, const float *dy, float *dx)
{
    float best[COLUMNS];
    int64_t at[COLUMNS];
    for (int64_t oy = 0; oy < job->out_h; oy++)
        for (int64_t ox = 0; ox < job->out_w; ox += COLUMNS) {
            const int64_t n = min_i(COLUMNS, job->out_w - ox), to = oy * job->out_w + ox;
            find_maxima(job, x, oy, ox, n, best, at);
            if (y)
                memcpy(y + to, best, (size_t)n * sizeof *y);
            for (int64_t o = 0; codes && o < n; o++)
                codes[to + o] = code[at[o]];
            for (int64_t o = 0; dx && o < n; o++)
                dx[at[o]] += dy[to + o];
        }
}

static void forward_plane(const pool_job *job, const float *x, float *y)
{
    const nncf_layer *l = job->layer;
    if (l->pool_kind == NNCF_POOL_GLOBAL_AVERAGE) {
        double sums[2] = {0, 0};
        job->k->sum_and_squares((size_t)(job->h * job->w), x, sums);
        y[0] = (float)(sums[0] / (double)(job->h * job->w));
        return;
    }
    if (l->pool_kind == NNCF_POOL_MAX) {
        max_plane(job, x, y, NULL, NULL, NULL, NULL);
        return;
    }
    for (int64_t oy = 0; oy < job->out_h; oy++) {
        for (int64_t ox = 0; ox < job->out_w; ox++) {
            window r = window_of(job, oy, ox);
            *y++ = average(x, job->w, &r);
        }
    }
}

static void backward_plane(const pool_job *job, const float *x, const float *dy, float *dx)
{
    const nncf_layer *l = job->layer;
    const size_t count = (size_t)(job->h * job->w);
    if (l->pool_kind == NNCF_POOL_GLOBAL_AVERAGE) {
        float g = (float)((double)dy[0] / (double)count);
        for (size_t i = 0; i < count; i++)
            dx[i] = g;
        return;
    }
    memset(dx, 0, count * sizeof *dx);
    if (l->pool_kind == NNCF_POOL_MAX) {
        max_plane(job, x, NULL, NULL, NULL, dy, dx);
        return;
    }
    for (int64_t oy = 0; oy < job->out_h; oy++) {
        for (int64_t ox = 0; ox < job->out_w; ox++, dy++) {
            window r = window_of(job, oy, ox);
            const float share = (float)(1 / (double)r.counted);
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
    const size_t group = nncf__chunk_rows(in);
    float *scratch = nncf__scratch(job->context, worker);
    for (size_t p = chunk * group; p < (chunk + 1) * group && p < job->planes; p++) {
        const bool looks = !job->dx ||
            job->layer->pool_kind == NNCF_POOL_MAX; /* gradients of averages need no x */
        const float *x = looks ? nncf__floats_of(job->k, job->x, p * in, in, scratch) : NULL;
        if (job->dx)
            backward_plane(job, x, job->dy + p * out, job->dx + p * in);
        else if (job->codes)
            max_plane(job, x, NULL, (const uint8_t *)job->x->data + p * in, job->codes + p * out,
                NULL, NULL);
        else
            forward_plane(job, x, job->y + p * out);
    }
}

static void run(pool_job *job)
{
    job->k = nncf__kernels_of(job->context);
    const size_t chunks = nncf__chunk_count(job->planes, (size_t)(job->h * job->w));
    nncf__parallel(job->context, chunks, pool_chunk, job);
}

static pool_job job_of(const nncf__call *call)
{
    const nncf_layer *layer = call->layer;
    const int64_t *in = call->block->key.in, *out = call->block->out;
    pool_job job = {.layer = layer,
        .context = layer->model->context,
        .planes = (size_t)(in[0] * in[1]),
        .h = in[2],
        .w = in[3],
        .out_h = out[2],
        .out_w = out[3],
        .x = &call->x[0]};
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

void nncf__pool_forward(const nncf__call *call)
{
    const nncf__block *b = call->block;
    pool_job job = job_of(call);
    if (call->y.dtype != NNCF_F32 && !b->quantizers[NNCF__OF_OUTPUT])
        job.codes = call->y.data;
    else
        job.y = nncf__keep_z(call);
    run(&job);
    if (!job.codes)
        nncf__keep_forward(call, job.y);
}

void nncf__pool_backward(const nncf__call *call)
{
    pool_job job = job_of(call);
    nncf__keep_backward(call);
    if (call->dx[0]) {
        job.dy = call->dy;
        job.dx = call->dx[0];
        run(&job);
    }
}
