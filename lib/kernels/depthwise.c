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
enum { STRIP_FLOATS = 32 * 1024, TASK_FLOATS = 32 * 1024, ROWS_FLOATS = 512, AHEAD = 8192 };

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
            /* Backwards: so that the source's rows and columns come in order. */
            for (int64_t ky = s->kernel_h - 1; ky >= 0; ky--)
                for (int64_t kx = s->kernel_w - 1; kx >= 0; kx--) {
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
    bool stream;      /* the output is larger than caches, and its rows are whole lines */
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

/* What copy_strip reads. */
typedef struct source {
    const void *planes;
    bool is_bytes;
    float inverse; /* 0, or what floats are multiplied by to give codes */
} source;

static source source_x(const nncf__depthwise *d, bool codes)
{
    return (source){d->x->data, d->x->dtype != NNCF_F32, codes ? nncf__depthwise_inverse(d) : 0.0f};
}

/* A prefetch may go beyond the end of memory: it is dropped there. */
static void fetch(uintptr_t from, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const void *)(from + (uintptr_t)i));
}

/*
 * Rows of the plane that grid rows [first, first + count) see. Where the strip is the whole grid its border is the same
 * for every plane, and is zeroed by the caller once. Some rows at a time; meanwhile what lies a little behind them is
 * on its way, and so is `soon` (nullable), as many rows of the output as the strip is for: memory's pages are short,
 * and the hardware's own prefetch ends with each.
 */
static void copy_strip(const job *j, const source *from, int64_t plane, int64_t first, int64_t count, float *strip,
                       const float *soon)
{
    const nncf__stencil *v = &j->d->stencil;
    int64_t top = first * v->step_y + v->low_y, bottom = (first + count - 1) * v->step_y + v->high_y + 1;
    int64_t low = min_i(max_i(top, 0), bottom), high = max_i(min_i(bottom, v->src_h), low);
    if (j->strip_rows < v->grid_rows)
        memset(strip, 0, (size_t)((bottom - top) * j->row_length) * sizeof *strip);
    int64_t rows_at_once = max_i(1, ROWS_FLOATS / v->src_w), element = from->is_bytes ? 1 : sizeof(float);
    int64_t soon_bytes = count * j->d->s->out_w * (int64_t)sizeof(float), fetched = 0;
    for (int64_t row = low, n; row < high; row += n) {
        n = min_i(rows_at_once, high - row);
        const char *rows = (const char *)from->planes + (plane * v->src_h + row) * v->src_w * element;
        float *to = strip + (row - top) * j->row_length;
        fetch((uintptr_t)rows + AHEAD, n * v->src_w * element);
        if (soon) {
            int64_t until = soon_bytes * (row + n - low) / (high - low);
            fetch((uintptr_t)soon + (uintptr_t)fetched, until - fetched);
            fetched = until;
        }
        if (from->is_bytes)
            j->k->gemm_gather_bytes((size_t)n, (const uint8_t *)rows, v->src_w, v->step_x, j->n_pieces, j->pieces,
                                    &j->d->bytes, to, (size_t)j->row_length);
        else
            j->k->gemm_gather((size_t)n, (const float *)(const void *)rows, v->src_w, v->step_x, j->n_pieces, j->pieces,
                              to, (size_t)j->row_length);
        if (from->inverse > 0)
            j->k->gemm_codes((size_t)(n * j->row_length), to, from->inverse);
    }
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
    const source from = source_x(j->d, true);
    for (int64_t plane = first; plane < last; plane++) {
        int64_t c = plane % s->c_in;
        channel_weights(j, c, w);
        float scale = j->d->step_x ? *j->d->step_x * j->d->step_w[j->d->n_steps_w > 1 ? c : 0] : 1.0f;
        float bias = j->d->bias ? j->d->bias[c] : -0.0f; /* x + -0 is x, for +0 and -0 too */
        for (int64_t y = 0; y < s->out_h; y += j->strip_rows) {
            int64_t rows = min_i(j->strip_rows, s->out_h - y);
            copy_strip(j, &from, plane, y, rows, strip, NULL);
            j->k->depthwise_forward((size_t)rows, (size_t)s->out_w, strip, (size_t)(v->step_y * j->row_length),
                                    (size_t)v->n_taps, j->offsets, w, scale, bias,
                                    j->d->out + (plane * s->out_h + y) * s->out_w, (size_t)s->out_w, j->stream);
        }
    }
    j->k->gemm_streams_end();
}

/* Columns of stride_w phases, computed apart, into rows of the plane. */
static void interleave(const nncf__conv2d *s, const float *const from[MAX_STRIDE], const nncf__phase *p, int64_t row,
                       float *to)
{
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
        if (s->stride_w == 2) {
            j->k->depthwise_pairs((size_t)rows, (size_t)s->w, strip, (size_t)j->row_length, (size_t)p[0].n_taps,
                                  (size_t)p[1].n_taps, j->offsets + p->first_tap, w + p->first_tap,
                                  dx + (first * s->stride_h + a) * s->w, (size_t)(s->stride_h * s->w), j->stream);
            continue;
        }
        const float *from[MAX_STRIDE];
        for (int64_t b = 0; b < s->stride_w; b++) {
            bool direct = s->stride_w == 1;
            float *to = direct ? dx + (first * s->stride_h + a) * s->w
                               : spare + b * j->strip_rows * ((s->w + s->stride_w - 1) / s->stride_w);
            from[b] = to;
            if (p[b].cols > 0)
                j->k->depthwise_forward((size_t)rows, (size_t)p[b].cols, strip, (size_t)j->row_length,
                                        (size_t)p[b].n_taps, j->offsets + p[b].first_tap, w + p[b].first_tap, 1.0f,
                                        -0.0f, to, (size_t)(direct ? s->stride_h * s->w : p[b].cols),
                                        direct && j->stream);
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
    const source from = {j->d->dz, false, 0.0f};
    for (int64_t plane = first; plane < last; plane++) {
        channel_weights(j, plane % s->c_in, w);
        for (int64_t y = 0; y < v->grid_rows; y += j->strip_rows) {
            int64_t rows = min_i(j->strip_rows, v->grid_rows - y);
            copy_strip(j, &from, plane, y, rows, strip, NULL);
            backward_rows(j, strip, w, y, rows, j->d->out + plane * s->h * s->w, strip + j->spare_at);
        }
    }
    j->k->gemm_streams_end();
}

static void weight_plane(const job *j, int64_t plane, float *strip, double (*lanes)[16])
{
    const nncf__conv2d *s = j->d->s;
    const nncf__stencil *v = &j->d->stencil;
    const source from = source_x(j->d, false);
    for (int64_t y = 0; y < s->out_h; y += j->strip_rows) {
        int64_t rows = min_i(j->strip_rows, s->out_h - y);
        const float *dz = j->d->dz + (plane * s->out_h + y) * s->out_w;
        copy_strip(j, &from, plane, y, rows, strip, dz);
        j->k->depthwise_weight((size_t)rows, (size_t)s->out_w, strip, (size_t)(v->step_y * j->row_length),
                               (size_t)v->n_taps, j->offsets, dz, (size_t)s->out_w, lanes);
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
    int64_t out_cols = d->product == NNCF__FORWARD ? s->out_w : s->w;
    int64_t out_rows = d->product == NNCF__FORWARD ? s->out_h : s->h;
    j.stream = s->n * s->c_in * out_rows * out_cols >= NNCF__STREAM_FLOATS && out_cols % 16 == 0 &&
               (uintptr_t)d->out % 64 == 0;
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
