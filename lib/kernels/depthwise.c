/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Depthwise convolution, directly: a product per channel would be one row high. Rows of a plane are copied into scratch
 * with their border of zeros (and rounded to codes there), so that the inner loops have neither branches nor edges:
 * an output row is a sum of shifted input rows. With a stride, the copy puts columns of the same remainder side by
 * side, so that shifted rows are contiguous for every stride. The input gradient is the same thing on dz, for each
 * remainder of the input pixel separately (see conv.c).
 */
#include "kernels/depthwise.h"

#include <math.h>
#include <string.h>

enum { MAX_STRIDE = NNCF__DEPTHWISE_STRIDE, MAX_TAPS = NNCF__DEPTHWISE_TAPS };
enum { STRIP_FLOATS = 32 * 1024, TASK_FLOATS = 32 * 1024 };

static int64_t min_i(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_i(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* 255 * 255 * 121 < 2^24: sums of codes are exact in float. */
bool nncf__depthwise_fits(const nncf__conv2d *s)
{
    return s->groups > 1 && s->groups == s->c_in && s->groups == s->c_out && s->stride_h <= MAX_STRIDE &&
           s->stride_w <= MAX_STRIDE && s->kernel_h * s->kernel_w <= MAX_TAPS;
}

/* ---- stencils ---- */

static void find_reach(nncf__stencil *v)
{
    v->low_y = v->high_y = v->taps[0].y;
    v->low_x = v->high_x = v->taps[0].x;
    for (int64_t t = 1; t < v->n_taps; t++) {
        v->low_y = min_i(v->low_y, v->taps[t].y);
        v->high_y = max_i(v->high_y, v->taps[t].y);
        v->low_x = min_i(v->low_x, v->taps[t].x);
        v->high_x = max_i(v->high_x, v->taps[t].x);
    }
}

static void stencil_forward(nncf__stencil *v, const nncf__conv2d *s)
{
    *v = (nncf__stencil){.src_h = s->h,
                         .src_w = s->w,
                         .step_y = s->stride_h,
                         .step_x = s->stride_w,
                         .grid_rows = s->out_h,
                         .grid_cols = s->out_w,
                         .n_phases = 1,
                         .n_taps = s->kernel_h * s->kernel_w};
    v->phases[0] = (nncf__phase){s->out_h, s->out_w, 0, v->n_taps};
    for (int64_t t = 0; t < v->n_taps; t++)
        v->taps[t] = (nncf__tap){.y = t / s->kernel_w * s->dilation_h - s->pad_h,
                                 .x = t % s->kernel_w * s->dilation_w - s->pad_w,
                                 .weight = t};
    find_reach(v);
}

static void stencil_backward(nncf__stencil *v, const nncf__conv2d *s)
{
    *v = (nncf__stencil){.src_h = s->out_h,
                         .src_w = s->out_w,
                         .step_y = 1,
                         .step_x = 1,
                         .grid_rows = (s->h + s->stride_h - 1) / s->stride_h,
                         .grid_cols = (s->w + s->stride_w - 1) / s->stride_w};
    for (int64_t a = 0; a < s->stride_h; a++)
        for (int64_t b = 0; b < s->stride_w; b++) {
            nncf__phase *p = &v->phases[v->n_phases++];
            p->rows = s->h > a ? (s->h - a + s->stride_h - 1) / s->stride_h : 0;
            p->cols = s->w > b ? (s->w - b + s->stride_w - 1) / s->stride_w : 0;
            p->first_tap = v->n_taps;
            for (int64_t ky = 0; ky < s->kernel_h; ky++)
                for (int64_t kx = 0; kx < s->kernel_w; kx++) {
                    int64_t y = a + s->pad_h - ky * s->dilation_h, x = b + s->pad_w - kx * s->dilation_w;
                    if (y % s->stride_h == 0 && x % s->stride_w == 0)
                        v->taps[v->n_taps++] =
                            (nncf__tap){.y = y / s->stride_h, .x = x / s->stride_w, .weight = ky * s->kernel_w + kx};
                }
            p->n_taps = v->n_taps - p->first_tap;
        }
    find_reach(v);
}

/* ---- planes in strips ---- */

typedef struct job {
    const nncf__depthwise *d;
    const nncf_context *context;
    const nncf__kernels *k;
    int64_t column_length, row_length; /* columns of one remainder; a row of scratch */
    int64_t strip_rows, strip_floats;  /* grid rows at a time; scratch for them */
    int64_t offsets[MAX_TAPS];         /* of the taps, in scratch */
    nncf__piece pieces[MAX_STRIDE];    /* of one row */
    size_t n_pieces;
    int64_t planes_per_task;
    int64_t spare_at; /* floats behind the strip */
} job;

static void plan_strips(job *j)
{
    const nncf__stencil *v = &j->d->stencil;
    int64_t span = (v->grid_cols - 1) * v->step_x + v->high_x - v->low_x + 1;
    j->column_length = (span + v->step_x - 1) / v->step_x;
    j->row_length = j->column_length * v->step_x;
    for (int64_t t = 0; t < v->n_taps; t++) {
        int64_t x = v->taps[t].x - v->low_x;
        j->offsets[t] = (v->taps[t].y - v->low_y) * j->row_length + x % v->step_x * j->column_length + x / v->step_x;
    }
    /* Source column of place i of remainder q: i * step_x + q + low_x. */
    for (int64_t q = 0; q < v->step_x; q++) {
        int64_t first = q + v->low_x, start = first < 0 ? (-first + v->step_x - 1) / v->step_x : 0;
        int64_t end = v->src_w > first ? (v->src_w - first + v->step_x - 1) / v->step_x : 0;
        end = min_i(end, j->column_length);
        if (start < end)
            j->pieces[j->n_pieces++] = (nncf__piece){.src = start * v->step_x + first,
                                                     .dst = (int32_t)(q * j->column_length + start),
                                                     .length = (int32_t)(end - start)};
    }
    int64_t reach = v->high_y - v->low_y + 1;
    j->strip_rows = max_i(1, (STRIP_FLOATS / j->row_length - reach) / v->step_y + 1);
    j->strip_rows = min_i(j->strip_rows, v->grid_rows);
    j->strip_floats = ((j->strip_rows - 1) * v->step_y + reach) * j->row_length;
}

/* Rows of the plane that grid rows [first, first + count) see. Where the strip is the whole grid its border is the same
 * for every plane, and is zeroed by the caller once. */
static void copy_strip(const job *j, const void *planes, bool is_bytes, int64_t plane, int64_t first, int64_t count,
                       float inverse, float *strip)
{
    const nncf__stencil *v = &j->d->stencil;
    int64_t top = first * v->step_y + v->low_y, bottom = (first + count - 1) * v->step_y + v->high_y + 1;
    int64_t low = min_i(max_i(top, 0), bottom), high = max_i(min_i(bottom, v->src_h), low);
    size_t floats = (size_t)((bottom - top) * j->row_length);
    if (j->strip_rows < v->grid_rows)
        memset(strip, 0, floats * sizeof *strip);
    int64_t at = (plane * v->src_h + low) * v->src_w;
    float *to = strip + (low - top) * j->row_length;
    if (is_bytes)
        j->k->gemm_gather_bytes((size_t)(high - low), (const uint8_t *)planes + at, v->src_w, v->step_x, j->n_pieces,
                                j->pieces, &j->d->bytes, to, (size_t)j->row_length);
    else
        j->k->gemm_gather((size_t)(high - low), (const float *)planes + at, v->src_w, v->step_x, j->n_pieces, j->pieces,
                          to, (size_t)j->row_length);
    if (inverse > 0)
        j->k->gemm_codes(floats, strip, inverse);
}

/* Weights of a channel in the order of the view's taps, as codes when there are steps. */
static void channel_weights(const job *j, int64_t channel, float *w)
{
    const float *from = j->d->w + channel * j->d->stencil.n_taps;
    for (int64_t t = 0; t < j->d->stencil.n_taps; t++)
        w[t] = from[j->d->stencil.taps[t].weight];
    if (j->d->step_w)
        j->k->gemm_codes((size_t)j->d->stencil.n_taps, w, 1.0f / j->d->step_w[j->d->n_steps_w > 1 ? channel : 0]);
}

static float *clean_strip(const job *j, size_t worker)
{
    float *strip = nncf__scratch(j->context, worker);
    memset(strip, 0, (size_t)j->spare_at * sizeof *strip); /* what rows read past their end, too */
    return strip;
}

static void forward_task(void *arg, size_t chunk, size_t worker)
{
    const job *j = arg;
    const nncf__conv2d *s = j->d->s;
    const nncf__stencil *v = &j->d->stencil;
    float *strip = clean_strip(j, worker), w[MAX_TAPS];
    int64_t first = (int64_t)chunk * j->planes_per_task, last = min_i(first + j->planes_per_task, s->n * s->c_in);
    float inverse = nncf__depthwise_inverse(j->d);
    for (int64_t plane = first; plane < last; plane++) {
        int64_t c = plane % s->c_in;
        channel_weights(j, c, w);
        float scale = j->d->step_x ? *j->d->step_x * j->d->step_w[j->d->n_steps_w > 1 ? c : 0] : 1.0f;
        float bias = j->d->bias ? j->d->bias[c] : -0.0f; /* x + -0 is x, for +0 and -0 too */
        for (int64_t y = 0; y < s->out_h; y += j->strip_rows) {
            int64_t rows = min_i(j->strip_rows, s->out_h - y);
            copy_strip(j, j->d->x->data, j->d->x->dtype != NNCF_F32, plane, y, rows, inverse, strip);
            j->k->depthwise_forward((size_t)rows, (size_t)s->out_w, strip, (size_t)(v->step_y * j->row_length),
                                    (size_t)v->n_taps, j->offsets, w, scale, bias,
                                    j->d->out + (plane * s->out_h + y) * s->out_w, (size_t)s->out_w);
        }
    }
}

/* Columns of stride_w phases, computed apart, into rows of the plane. */
static void interleave(const nncf__conv2d *s, const float *const from[MAX_STRIDE], const nncf__phase *p, int64_t row,
                       float *to)
{
    if (s->stride_w == 2) {
        const float *even = from[0] + row * p[0].cols, *odd = from[1] + row * p[1].cols;
        for (int64_t i = 0; i < p[1].cols; i++) {
            to[2 * i] = even[i];
            to[2 * i + 1] = odd[i];
        }
        if (p[0].cols > p[1].cols)
            to[2 * p[1].cols] = even[p[1].cols];
        return;
    }
    for (int64_t b = 0; b < s->stride_w; b++)
        for (int64_t i = 0; i < p[b].cols; i++)
            to[i * s->stride_w + b] = from[b][row * p[b].cols + i];
}

static void backward_rows(const job *j, const float *strip, const float *w, int64_t first, int64_t count, float *dx,
                          float *spare)
{
    const nncf__conv2d *s = j->d->s;
    const nncf__stencil *v = &j->d->stencil;
    for (int64_t a = 0; a < s->stride_h; a++) {
        const nncf__phase *p = &v->phases[a * s->stride_w];
        int64_t rows = min_i(count, p->rows - first);
        if (rows <= 0)
            continue;
        const float *from[MAX_STRIDE];
        for (int64_t b = 0; b < s->stride_w; b++) {
            bool direct = s->stride_w == 1;
            float *to = direct ? dx + (first * s->stride_h + a) * s->w
                               : spare + b * j->strip_rows * ((s->w + s->stride_w - 1) / s->stride_w);
            from[b] = to;
            if (p[b].cols > 0)
                j->k->depthwise_forward((size_t)rows, (size_t)p[b].cols, strip, (size_t)j->row_length,
                                        (size_t)p[b].n_taps, j->offsets + p[b].first_tap, w + p[b].first_tap, 1.0f,
                                        -0.0f, to, (size_t)(direct ? s->stride_h * s->w : p[b].cols));
        }
        for (int64_t i = 0; s->stride_w > 1 && i < rows; i++)
            interleave(s, from, p, i, dx + ((first + i) * s->stride_h + a) * s->w);
    }
}

static void backward_input_task(void *arg, size_t chunk, size_t worker)
{
    const job *j = arg;
    const nncf__conv2d *s = j->d->s;
    const nncf__stencil *v = &j->d->stencil;
    float *strip = clean_strip(j, worker), w[MAX_TAPS];
    int64_t first = (int64_t)chunk * j->planes_per_task, last = min_i(first + j->planes_per_task, s->n * s->c_in);
    for (int64_t plane = first; plane < last; plane++) {
        channel_weights(j, plane % s->c_in, w);
        for (int64_t y = 0; y < v->grid_rows; y += j->strip_rows) {
            int64_t rows = min_i(j->strip_rows, v->grid_rows - y);
            copy_strip(j, j->d->dz, false, plane, y, rows, 0.0f, strip);
            backward_rows(j, strip, w, y, rows, j->d->out + plane * s->h * s->w, strip + j->spare_at);
        }
    }
}

static void weight_plane(const job *j, int64_t plane, float *strip, double (*lanes)[16])
{
    const nncf__conv2d *s = j->d->s;
    const nncf__stencil *v = &j->d->stencil;
    for (int64_t y = 0; y < s->out_h; y += j->strip_rows) {
        int64_t rows = min_i(j->strip_rows, s->out_h - y);
        copy_strip(j, j->d->x->data, j->d->x->dtype != NNCF_F32, plane, y, rows, 0.0f, strip);
        j->k->depthwise_weight((size_t)rows, (size_t)s->out_w, strip, (size_t)(v->step_y * j->row_length),
                               (size_t)v->n_taps, j->offsets, j->d->dz + (plane * s->out_h + y) * s->out_w,
                               (size_t)s->out_w, lanes);
    }
}

/* All images of some channels, in order: the sums depend on the shape alone. Neighbouring channels go together because
 * their planes are neighbours in memory. */
static void backward_weight_task(void *arg, size_t chunk, size_t worker)
{
    const job *j = arg;
    const nncf__conv2d *s = j->d->s;
    const nncf__stencil *v = &j->d->stencil;
    float *strip = clean_strip(j, worker);
    double(*lanes)[16] = (double(*)[16])(void *)(strip + j->spare_at);
    int64_t first = (int64_t)chunk * j->planes_per_task, last = min_i(first + j->planes_per_task, s->c_in);
    memset(lanes, 0, (size_t)((last - first) * v->n_taps) * sizeof *lanes);
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t c = first; c < last; c++)
            weight_plane(j, n * s->c_in + c, strip, lanes + (c - first) * v->n_taps);
    for (int64_t c = first; c < last; c++)
        for (int64_t t = 0; t < v->n_taps; t++) {
            double *sum = lanes[(c - first) * v->n_taps + t];
            for (int half = 8; half > 0; half /= 2)
                for (int i = 0; i < half; i++)
                    sum[i] += sum[i + half];
            j->d->out[c * v->n_taps + v->taps[t].weight] = (float)sum[0];
        }
}

float nncf__depthwise_inverse(const nncf__depthwise *d)
{
    return d->step_x && d->x->dtype == NNCF_F32 ? 1.0f / *d->step_x : 0.0f;
}

static nncf_status run(nncf_context *context, const nncf__depthwise *d)
{
    if (nncf__depthwise_is_small(d->s))
        return nncf__depthwise_small_run(context, d);
    enum { OVERREAD = 16 };
    static nncf__chunk_fn *const tasks[] = {forward_task, backward_input_task, backward_weight_task};
    const nncf__conv2d *s = d->s;
    job j = {.d = d, .context = context, .k = nncf__k(context)};
    plan_strips(&j);
    j.spare_at = (j.strip_floats + OVERREAD + 15) / 16 * 16;
    bool weights = d->product == NNCF__BACKWARD_WEIGHT;
    int64_t planes = weights ? s->c_in : s->n * s->c_in, plane = max_i(s->h * s->w, s->out_h * s->out_w);
    j.planes_per_task = max_i(1, min_i(TASK_FLOATS / plane, planes / (4 * max_i(1, context->params.n_threads))));
    /* Rows to be interleaved; or double lanes. */
    int64_t spare = weights ? j.planes_per_task * d->stencil.n_taps * 32 : j.strip_rows * (s->w + s->stride_w);
    nncf_status status = nncf__scratch_reserve(context, (size_t)(j.spare_at + spare) * sizeof(float));
    if (status)
        return status;
    int64_t n_tasks = (planes + j.planes_per_task - 1) / j.planes_per_task;
    nncf__gemm_parallel(context, 16.0 * (double)(s->n * s->c_in) * (double)plane, (size_t)n_tasks, tasks[d->product],
                        &j);
    return NNCF_OK;
}

nncf_status nncf__depthwise_forward(nncf_context *context, const nncf__conv2d *s, const nncf__operand *x,
                                    const nncf__operand *w, const float *bias, float *z)
{
    bool codes = x->step && w->step;
    nncf__depthwise d = {.s = s,
                         .x = x,
                         .w = w->data,
                         .bias = bias,
                         .step_x = codes ? x->step : NULL,
                         .step_w = codes ? w->step : NULL,
                         .n_steps_w = w->n_steps,
                         .out = z,
                         .product = NNCF__FORWARD};
    if (x->dtype != NNCF_F32)
        d.bytes = nncf__bytes_of(x, codes);
    stencil_forward(&d.stencil, s);
    return run(context, &d);
}

nncf_status nncf__depthwise_backward_input(nncf_context *context, const nncf__conv2d *s, const float *w,
                                           const float *dz, float *dx)
{
    nncf__depthwise d = {.s = s, .w = w, .dz = dz, .out = dx, .product = NNCF__BACKWARD_INPUT};
    stencil_backward(&d.stencil, s);
    return run(context, &d);
}

nncf_status nncf__depthwise_backward_weight(nncf_context *context, const nncf__conv2d *s, const nncf__operand *x,
                                            const float *dz, float *dw)
{
    nncf__depthwise d = {.s = s, .x = x, .dz = dz, .out = dw, .product = NNCF__BACKWARD_WEIGHT};
    if (x->dtype != NNCF_F32)
        d.bytes = nncf__bytes_of(x, false);
    stencil_forward(&d.stencil, s);
    return run(context, &d);
}
