/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Depthwise convolution on small planes: a row of 2, 4 or 7 pixels would leave most of a vector idle. Sixteen channels
 * are transposed instead, so that a vector holds one pixel of each; the border of zeros is there as in depthwise.c.
 */
#include "kernels/depthwise.h"

#include <string.h>

enum { LANES = 16, SMALL_SIDE = 12, SMALL_FLOATS = 64 * 1024, TASK_FLOATS = 32 * 1024 };

static int64_t min_i(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_i(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

bool nncf__depthwise_is_small(const nncf__conv2d *s)
{
    /* Both planes, and x with its border. */
    int64_t rows = (s->out_h - 1) * s->stride_h + (s->kernel_h - 1) * s->dilation_h + 1;
    int64_t cols = (s->out_w - 1) * s->stride_w + (s->kernel_w - 1) * s->dilation_w + 1;
    return s->w <= SMALL_SIDE && s->out_w <= SMALL_SIDE && rows * cols * LANES <= SMALL_FLOATS &&
           s->h * s->w * LANES <= SMALL_FLOATS && s->out_h * s->out_w * LANES <= SMALL_FLOATS;
}

typedef struct job {
    const nncf__depthwise *d;
    const nncf_context *context;
    const nncf__kernels *k;
    int64_t rows, cols;                        /* a source plane with its border */
    int64_t blocks, units, units_per_task;     /* of sixteen channels; of images and blocks */
    int64_t plain_at, bordered_at, results_at; /* floats in scratch */
    int64_t offsets[NNCF__DEPTHWISE_TAPS];
} job;

/* Per-channel numbers of one block. */
typedef struct lanes {
    float w[NNCF__DEPTHWISE_TAPS * LANES];
    float scale[LANES], bias[LANES];
} lanes;

static void load_lanes(const job *j, int64_t c0, int64_t used, lanes *l)
{
    const nncf__depthwise *d = j->d;
    const nncf__stencil *v = &d->stencil;
    for (int64_t i = 0; i < LANES; i++) {
        l->scale[i] = 1.0f;
        l->bias[i] = -0.0f; /* x + -0 is x, for +0 and -0 too */
    }
    memset(l->w, 0, (size_t)(v->n_taps * LANES) * sizeof *l->w);
    for (int64_t i = 0; i < used; i++) {
        float codes[NNCF__DEPTHWISE_TAPS];
        const float *w = d->w + (c0 + i) * v->n_taps;
        if (d->step_w) {
            float step = d->step_w[d->n_steps_w > 1 ? c0 + i : 0];
            memcpy(codes, w, (size_t)v->n_taps * sizeof *w);
            j->k->gemm_codes((size_t)v->n_taps, codes, 1.0f / step);
            l->scale[i] = *d->step_x * step;
            w = codes;
        }
        if (d->bias)
            l->bias[i] = d->bias[c0 + i];
        for (int64_t t = 0; t < v->n_taps; t++)
            l->w[t * LANES + i] = w[v->taps[t].weight];
    }
}

/* Planes c0.. of an image, transposed and with their border, which is zero already. */
static void load_source(const job *j, int64_t image, int64_t c0, int64_t used, float *scratch)
{
    const nncf__depthwise *d = j->d;
    const nncf__stencil *v = &d->stencil;
    float *plain = scratch + j->plain_at, *bordered = scratch + j->bordered_at;
    int64_t n = v->src_h * v->src_w, first = (image * d->s->c_in + c0) * n;
    const float *planes = d->dz;
    float inverse = 0.0f;
    if (d->product == NNCF__BACKWARD_INPUT) {
        planes += first;
    } else if (d->x->dtype != NNCF_F32) { /* the place of results is still free */
        const nncf__piece all = {.src = 0, .dst = 0, .length = (int32_t)(used * n)};
        j->k->gemm_gather_bytes(1, (const uint8_t *)d->x->data + first, 0, 1, 1, &all, &d->bytes,
                                scratch + j->results_at, 0);
        planes = scratch + j->results_at;
    } else {
        planes = (const float *)d->x->data + first;
        inverse = nncf__depthwise_inverse(d);
    }
    j->k->gemm_transpose((size_t)used, (size_t)n, planes, n, plain, LANES);
    if (inverse > 0)
        j->k->gemm_codes((size_t)(n * LANES), plain, inverse);
    int64_t y0 = max_i(0, v->low_y), y1 = min_i(v->src_h, j->rows + v->low_y);
    int64_t x0 = max_i(0, v->low_x), x1 = min_i(v->src_w, j->cols + v->low_x);
    for (int64_t y = y0; y < y1 && x0 < x1; y++)
        memcpy(bordered + ((y - v->low_y) * j->cols + x0 - v->low_x) * LANES, plain + (y * v->src_w + x0) * LANES,
               (size_t)((x1 - x0) * LANES) * sizeof *plain);
}

static float *clean_scratch(const job *j, size_t worker)
{
    float *scratch = nncf__scratch(j->context, worker);
    memset(scratch + j->bordered_at, 0, (size_t)(j->rows * j->cols * LANES) * sizeof *scratch);
    return scratch;
}

/* Forward and input gradient. */
static void pixels_task(void *arg, size_t chunk, size_t worker)
{
    const job *j = arg;
    const nncf__depthwise *d = j->d;
    const nncf__stencil *v = &d->stencil;
    const nncf__conv2d *s = d->s;
    bool forward = d->product == NNCF__FORWARD;
    int64_t height = forward ? s->out_h : s->h, width = forward ? s->out_w : s->w, pixels = height * width;
    int64_t apart_y = forward ? 1 : s->stride_h, apart_x = forward ? 1 : s->stride_w;
    float *scratch = clean_scratch(j, worker), *results = scratch + j->results_at;
    lanes l;
    int64_t first = (int64_t)chunk * j->units_per_task, last = min_i(first + j->units_per_task, j->units);
    for (int64_t unit = first; unit < last; unit++) {
        /* Images of a block follow each other: its weights are loaded once. */
        int64_t block = unit / s->n, n = unit % s->n, c0 = block * LANES, used = min_i(LANES, s->c_in - c0);
        if (unit == first || n == 0)
            load_lanes(j, c0, used, &l);
        load_source(j, n, c0, used, scratch);
        for (int64_t p = 0; p < v->n_phases; p++) {
            const nncf__phase *phase = &v->phases[p];
            int64_t a = p / apart_x, b = p % apart_x, t = phase->first_tap;
            if (phase->rows > 0 && phase->cols > 0)
                j->k->depthwise_lanes_forward((size_t)phase->rows, (size_t)phase->cols, scratch + j->bordered_at,
                                              (size_t)(v->step_y * j->cols * LANES), (size_t)(v->step_x * LANES),
                                              (size_t)phase->n_taps, j->offsets + t, l.w + t * LANES, l.scale, l.bias,
                                              results + (a * width + b) * LANES, (size_t)(apart_y * width * LANES),
                                              (size_t)(apart_x * LANES));
        }
        j->k->gemm_transpose((size_t)pixels, (size_t)used, results, LANES, d->out + (n * s->c_in + c0) * pixels,
                             (size_t)pixels);
    }
}

/* All images of a block, in order: the sums depend on the shape alone. */
static void weight_task(void *arg, size_t chunk, size_t worker)
{
    const job *j = arg;
    const nncf__depthwise *d = j->d;
    const nncf__stencil *v = &d->stencil;
    const nncf__conv2d *s = d->s;
    float *scratch = clean_scratch(j, worker), *dz = scratch + j->results_at;
    double sums[NNCF__DEPTHWISE_TAPS][LANES];
    memset(sums, 0, (size_t)v->n_taps * sizeof sums[0]);
    int64_t c0 = (int64_t)chunk * LANES, used = min_i(LANES, s->c_in - c0), pixels = s->out_h * s->out_w;
    for (int64_t n = 0; n < s->n; n++) {
        load_source(j, n, c0, used, scratch);
        j->k->gemm_transpose((size_t)used, (size_t)pixels, d->dz + (n * s->c_in + c0) * pixels, pixels, dz, LANES);
        j->k->depthwise_lanes_weight((size_t)s->out_h, (size_t)s->out_w, scratch + j->bordered_at,
                                     (size_t)(v->step_y * j->cols * LANES), (size_t)(v->step_x * LANES),
                                     (size_t)v->n_taps, j->offsets, dz, sums);
    }
    for (int64_t i = 0; i < used; i++)
        for (int64_t t = 0; t < v->n_taps; t++)
            d->out[(c0 + i) * v->n_taps + v->taps[t].weight] = (float)sums[t][i];
}

nncf_status nncf__depthwise_small_run(nncf_context *context, const nncf__depthwise *d)
{
    const nncf__conv2d *s = d->s;
    const nncf__stencil *v = &d->stencil;
    job j = {.d = d, .context = context, .k = nncf__k(context)};
    j.rows = (v->grid_rows - 1) * v->step_y + v->high_y - v->low_y + 1;
    j.cols = (v->grid_cols - 1) * v->step_x + v->high_x - v->low_x + 1;
    for (int64_t t = 0; t < v->n_taps; t++)
        j.offsets[t] = ((v->taps[t].y - v->low_y) * j.cols + v->taps[t].x - v->low_x) * LANES;
    int64_t most = max_i(s->h * s->w, s->out_h * s->out_w) * LANES;
    j.bordered_at = most;
    j.results_at = j.bordered_at + j.rows * j.cols * LANES;
    nncf_status status = nncf__scratch_reserve(context, (size_t)(j.results_at + most) * sizeof(float));
    if (status)
        return status;
    j.blocks = (s->c_in + LANES - 1) / LANES;
    j.units = j.blocks * s->n;
    double work = 20.0 * (double)(j.units * most);
    if (d->product == NNCF__BACKWARD_WEIGHT) {
        nncf__gemm_parallel(context, work, (size_t)j.blocks, weight_task, &j);
        return NNCF_OK;
    }
    j.units_per_task = max_i(1, TASK_FLOATS / most);
    int64_t tasks = (j.units + j.units_per_task - 1) / j.units_per_task;
    nncf__gemm_parallel(context, work, (size_t)tasks, pixels_task, &j);
    return NNCF_OK;
}
