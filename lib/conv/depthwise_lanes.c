/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Depthwise convolution on small planes: a row of 2, 4 or 7 pixels would leave most of a vector
 * idle. Sixteen channels are transposed instead, so that a vector holds one pixel of each; the
 * border of zeros is there as in depthwise_padded.c.
 */
#include "base/int_math.h"
#include "conv/conv2d.h"
#include "conv/depthwise.h"
#include "kernels/kernels.h"

#include <nncf/tensor.h>

#include <string.h>

enum { LANES = 16, SMALL_SIDE = 12, SMALL_FLOATS = 64 * 1024 };

bool nncf__depthwise_is_lanes(const nncf__conv2d *s)
{
    /* Both planes, and x with its border. */
    int64_t rows = (s->out_h - 1) * s->stride_h + (s->kernel_h - 1) * s->dilation_h + 1;
    int64_t cols = (s->out_w - 1) * s->stride_w + (s->kernel_w - 1) * s->dilation_w + 1;
    return s->w <= SMALL_SIDE && s->out_w <= SMALL_SIDE && rows * cols * LANES <= SMALL_FLOATS &&
        s->h * s->w * LANES <= SMALL_FLOATS && s->out_h * s->out_w * LANES <= SMALL_FLOATS;
}

/* Per-channel numbers of a group. */
typedef struct lanes {
    float scale[LANES], bias[LANES];
    /* (taps, LANES) */
    float w[];
} lanes;

static int64_t unit(const nncf__conv2d *s)
{
    (void)s;
    return LANES;
}

static int64_t plan(nncf__depthwise *d, int64_t group)
{
    const nncf__conv2d *s = d->s;
    const nncf__stencil *v = &d->stencil;
    nncf__depthwise_layout *l = &d->layout;
    (void)group; /* one unit */
    l->rows = (v->map_rows - 1) * v->step_y + v->high_y - v->low_y + 1;
    l->cols = (v->map_cols - 1) * v->step_x + v->high_x - v->low_x + 1;
    for (int64_t t = 0; t < v->n_taps; t++)
        l->offsets[t] = ((v->taps[t].y - v->low_y) * l->cols + v->taps[t].x - v->low_x) * LANES;
    int64_t most = max_i(s->h * s->w, s->out_h * s->out_w) * LANES;
    l->bordered_at = most;
    l->results_at = l->bordered_at + l->rows * l->cols * LANES;
    l->lanes_at = l->results_at + most;
    /* double sums, or what `lanes` says */
    return l->lanes_at +
        (d->product == NNCF__BACKWARD_WEIGHT ? v->n_taps * LANES * 2 : (v->n_taps + 2) * LANES);
}

static void load_lanes(const nncf__depthwise *d, const nncf__depthwise_task *task)
{
    const nncf__stencil *v = &d->stencil;
    lanes *l = (lanes *)(void *)(task->scratch + d->layout.lanes_at);
    for (int64_t i = 0; i < LANES; i++) { /* lanes that are no channel */
        l->scale[i] = 1.0f;
        l->bias[i] = 0.0f;
    }
    memset(l->w, 0, (size_t)(v->n_taps * LANES) * sizeof *l->w);
    for (int64_t c = task->first; c < task->end; c++) {
        float w[NNCF__DEPTHWISE_TAPS];
        int64_t i = c - task->first;
        nncf__depthwise_weights(d, c, w);
        l->scale[i] = nncf__depthwise_scale(d, c);
        l->bias[i] = nncf__depthwise_bias(d, c);
        for (int64_t t = 0; t < v->n_taps; t++)
            l->w[t * LANES + i] = w[t];
    }
}

static double (*sums_of(const nncf__depthwise *d, const nncf__depthwise_task *task))[LANES]
{
    return (double(*)[LANES])(void *)(task->scratch + d->layout.lanes_at);
}

static void begin(const nncf__depthwise *d, const nncf__depthwise_task *task)
{
    const nncf__depthwise_layout *l = &d->layout;
    memset(task->scratch + l->bordered_at, 0, (size_t)(l->rows * l->cols * LANES) * sizeof(float));
    if (d->product == NNCF__BACKWARD_WEIGHT)
        memset(sums_of(d, task), 0, (size_t)d->stencil.n_taps * sizeof(double[LANES]));
    else
        load_lanes(d, task);
}

/* Planes of a group, transposed and with their border, which is zero already. */
static void load_source(
    const nncf__depthwise *d, const nncf__depthwise_task *task, int64_t image, const float *dz)
{
    const nncf__stencil *v = &d->stencil;
    const nncf__depthwise_layout *l = &d->layout;
    float *plain = task->scratch, *bordered = plain + l->bordered_at,
          *results = plain + l->results_at;
    int64_t n = v->src_h * v->src_w, first = (image * d->s->c_in + task->first) * n,
            used = task->end - task->first;
    const float *planes = dz;
    float inverse = 0.0f;
    if (d->product == NNCF__BACKWARD_INPUT) {
        /* from dz */
    } else if (d->x->dtype != NNCF_F32) { /* the place of results is still free */
        const nncf__segment all = {.src = 0, .dst = 0, .length = (int32_t)(used * n)};
        d->k->gemm_gather_bytes(
            1, (const uint8_t *)d->x->data + first, 0, 1, 1, &all, &d->x_codes, results, 0);
        planes = results;
    } else {
        planes = (const float *)d->x->data + first;
        inverse = d->product == NNCF__FORWARD ? nncf__depthwise_inverse(d) : 0.0f;
    }
    d->k->gemm_transpose((size_t)used, (size_t)n, planes, n, plain, LANES);
    if (inverse > 0)
        d->k->gemm_quantize_inplace((size_t)(n * LANES), plain, inverse);
    int64_t y0 = max_i(0, v->low_y), y1 = min_i(v->src_h, l->rows + v->low_y);
    int64_t x0 = max_i(0, v->low_x), x1 = min_i(v->src_w, l->cols + v->low_x);
    for (int64_t y = y0; y < y1 && x0 < x1; y++)
        memcpy(bordered + ((y - v->low_y) * l->cols + x0 - v->low_x) * LANES,
            plain + (y * v->src_w + x0) * LANES, (size_t)((x1 - x0) * LANES) * sizeof *plain);
}

/* Forward and input gradient. */
static void pixels(const nncf__depthwise *d, const nncf__depthwise_task *task, int64_t n)
{
    const nncf__stencil *v = &d->stencil;
    const nncf__conv2d *s = d->s;
    const nncf__depthwise_layout *l = &d->layout;
    const lanes *channel = (const lanes *)(const void *)(task->scratch + l->lanes_at);
    bool forward = d->product == NNCF__FORWARD;
    int64_t height = forward ? s->out_h : s->h, width = forward ? s->out_w : s->w,
            count = height * width;
    int64_t apart_y = forward ? 1 : s->stride_h, apart_x = forward ? 1 : s->stride_w;
    float *results = task->scratch + l->results_at;
    for (int64_t p = 0; p < v->n_phases; p++) {
        const nncf__phase *phase = &v->phases[p];
        int64_t a = p / apart_x, b = p % apart_x, t = phase->first_tap;
        if (phase->rows > 0 && phase->cols > 0)
            d->k->depthwise_lanes_forward((size_t)phase->rows, (size_t)phase->cols,
                task->scratch + l->bordered_at, (size_t)(v->step_y * l->cols * LANES),
                (size_t)(v->step_x * LANES), (size_t)phase->n_taps, l->offsets + t,
                channel->w + t * LANES, channel->scale, channel->bias,
                results + (a * width + b) * LANES, (size_t)(apart_y * width * LANES),
                (size_t)(apart_x * LANES));
    }
    d->k->gemm_transpose((size_t)count, (size_t)(task->end - task->first), results, LANES,
        nncf__depthwise_plane(task, n, task->first, count), (size_t)count);
}

static void planes(const nncf__depthwise *d, const nncf__depthwise_task *task, int64_t n, int64_t c,
    int64_t end_c, const float *dz)
{
    const nncf__conv2d *s = d->s;
    const nncf__stencil *v = &d->stencil;
    const nncf__depthwise_layout *l = &d->layout;
    int64_t count = s->out_h * s->out_w;
    (void)c; /* the group's first and last */
    (void)end_c;
    load_source(d, task, n, dz);
    if (d->product != NNCF__BACKWARD_WEIGHT) {
        pixels(d, task, n);
        return;
    }
    float *gradient = task->scratch + l->results_at;
    d->k->gemm_transpose(
        (size_t)(task->end - task->first), (size_t)count, dz, count, gradient, LANES);
    d->k->depthwise_lanes_weight((size_t)s->out_h, (size_t)s->out_w, task->scratch + l->bordered_at,
        (size_t)(v->step_y * l->cols * LANES), (size_t)(v->step_x * LANES), (size_t)v->n_taps,
        l->offsets, gradient, sums_of(d, task));
}

static void end(const nncf__depthwise *d, const nncf__depthwise_task *task)
{
    const nncf__stencil *v = &d->stencil;
    for (int64_t c = task->first; c < task->end && d->product == NNCF__BACKWARD_WEIGHT; c++)
        for (int64_t t = 0; t < v->n_taps; t++)
            d->out[c * v->n_taps + v->taps[t].weight] = (float)sums_of(d, task)[t][c - task->first];
}

const nncf__depthwise_algo nncf__depthwise_lanes = {unit, LANES, plan, begin, planes, end};
