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

#include <math.h>
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

/* Windows of a row whose maxima are searched at a time, of which a vector has some; the most taps
 * that a byte can count; the widest window that is searched on vectors, which lets a line hold what
 * COLUMNS windows see at a stride of 2. */
enum { COLUMNS = 64, SOME = 16, MOST_TAPS = 256, MOST_WIDE = 64, LINE = 2 * COLUMNS + MOST_WIDE };

static int64_t ceil_div(int64_t a, int64_t b) /* b > 0, a of any sign */
{
    return a > 0 ? (a + b - 1) / b : -(-a / b);
}

/* What windows of a plane's row have in common. */
typedef struct window_row {
    int64_t w, kernel, stride, padding;
    /* rows of the plane: where the windows begin, which may be above it; what is there of them */
    int64_t top, y0, y1;
} window_row;

static window_row row_of(const pool_job *job, int64_t oy)
{
    const int64_t top = oy * job->stride[0] - job->layer->padding[0];
    return (window_row){.w = job->w,
        .kernel = job->kernel[1],
        .stride = job->stride[1],
        .padding = job->layer->padding[1],
        .top = top,
        .y0 = max_i(top, 0),
        .y1 = min_i(top + job->kernel[0], job->h)};
}

/* Floats: a NaN wins, as it would in PyTorch. */
#define NAME(part)    floats_##part
#define ELEMENT       float
#define NUMBER        int32_t
#define LOWEST        (-INFINITY)
#define GREATER(v, b) (((v) > (b)) | (((v) != (v)) & ((b) == (b))))
#include "exec/pool2d_maxima.h"

#define NAME(part)    unsigned_##part
#define ELEMENT       uint8_t
#define NUMBER        uint8_t
#define LOWEST        0
#define GREATER(v, b) ((v) > (b))
#include "exec/pool2d_maxima.h"

#define NAME(part)    signed_##part
#define ELEMENT       int8_t
#define NUMBER        uint8_t
#define LOWEST        INT8_MIN
#define GREATER(v, b) ((v) > (b))
#include "exec/pool2d_maxima.h"

static float average(const float *x, int64_t width, const window *r)
{
    double sum = 0;
    for (int64_t i = r->y0; i < r->y1; i++)
        for (int64_t j = r->x0; j < r->x1; j++)
            sum += (double)x[i * width + j];
    return (float)(sum / (double)r->counted);
}

/* Codes are compared as they are, since they grow with their values, where a byte can count the
 * taps. */
static bool compares_codes(const pool_job *job)
{
    return nncf__qtensor_is_codes(job->x) && job->layer->pool_kind == NNCF_POOL_MAX &&
        job->kernel[0] * job->kernel[1] <= MOST_TAPS;
}

static void find_codes(const pool_job *job, const window_row *r, const uint8_t *code, int64_t ox,
    int64_t n, const int32_t place[MOST_TAPS], uint8_t best[COLUMNS], int32_t at[COLUMNS])
{
    uint8_t tap[COLUMNS];
    if (job->x->dtype == NNCF_S8)
        signed_maxima(r, (const int8_t *)code, ox, n, r->kernel, (int8_t *)best, tap);
    else
        unsigned_maxima(r, code, ox, n, r->kernel, best, tap);
    for (int64_t o = 0; o < n; o++)
        at[o] = place[tap[o]];
}

/* A plane of maxima, of floats or (x is NULL) of codes: their values, or the codes where they are,
 * or their gradients to where they are; two of the three are NULL. */
static void max_plane(const pool_job *job, const float *x, const uint8_t *code, float *y,
    uint8_t *codes, const float *dy, float *dx)
{
    float best[COLUMNS];
    uint8_t best_code[COLUMNS];
    /* from the corner of the window, which may be outside of the plane */
    int32_t at[COLUMNS], place[MOST_TAPS];
    const int64_t stride = job->stride[1];
    for (int64_t t = 0; !x && t < job->kernel[0] * job->kernel[1]; t++)
        place[t] = (int32_t)(t / job->kernel[1] * job->w + t % job->kernel[1]);
    for (int64_t oy = 0; oy < job->out_h; oy++) {
        const window_row r = row_of(job, oy);
        for (int64_t ox = 0; ox < job->out_w; ox += COLUMNS) {
            const int64_t n = min_i(COLUMNS, job->out_w - ox), to = oy * job->out_w + ox,
                          corner = (oy * job->stride[0] - job->layer->padding[0]) * job->w +
                ox * stride - job->layer->padding[1];
            if (x)
                floats_maxima(&r, x, ox, n, job->w, best, at);
            else
                find_codes(job, &r, code, ox, n, place, best_code, at);
            if (y)
                memcpy(y + to, best, (size_t)n * sizeof *y);
            if (codes && !x)
                memcpy(codes + to, best_code, (size_t)n);
            for (int64_t o = 0; codes && x && o < n; o++)
                codes[to + o] = code[corner + o * stride + at[o]];
            for (int64_t o = 0; dx && o < n; o++)
                dx[corner + o * stride + at[o]] += dy[to + o];
        }
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
        max_plane(job, x, NULL, y, NULL, NULL, NULL);
        return;
    }
    for (int64_t oy = 0; oy < job->out_h; oy++) {
        for (int64_t ox = 0; ox < job->out_w; ox++) {
            window r = window_of(job, oy, ox);
            *y++ = average(x, job->w, &r);
        }
    }
}

static void backward_plane(
    const pool_job *job, const float *x, const uint8_t *code, const float *dy, float *dx)
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
        max_plane(job, x, code, NULL, NULL, dy, dx);
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
        const uint8_t *code =
            nncf__qtensor_is_codes(job->x) ? (const uint8_t *)job->x->data + p * in : NULL;
        const bool by_code = compares_codes(job) && !job->y;
        const float *x =
            looks && !by_code ? nncf__floats_of(job->k, job->x, p * in, in, scratch) : NULL;
        if (job->dx)
            backward_plane(job, x, code, job->dy + p * out, job->dx + p * in);
        else if (job->codes)
            max_plane(job, x, code, NULL, job->codes + p * out, NULL, NULL);
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
