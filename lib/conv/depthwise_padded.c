/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Depthwise convolution plane by plane. Rows of a plane are copied into scratch with their border
 * of zeros (and rounded to codes there), so that the inner loops have neither branches nor edges:
 * an output row is a sum of shifted input rows. With a stride, the copy puts columns of the same
 * remainder side by side, so that shifted rows are contiguous for every stride. The input gradient
 * is the same thing on dz, for each remainder of the input pixel separately (see conv2d.c).
 */
#include "base/int_math.h"
#include "conv/conv2d.h"
#include "conv/depthwise.h"
#include "kernels/kernels.h"

#include <nncf/tensor.h>

#include <string.h>

enum { MAX_STRIDE = NNCF__DEPTHWISE_STRIDE };
enum { STRIP_FLOATS = 32 * 1024, ROWS_FLOATS = 512, AHEAD = 8192, OVERREAD = 16 };

static int64_t unit(const nncf__conv2d *s)
{
    (void)s;
    return 1;
}

static int64_t plan(nncf__depthwise *d, int64_t group)
{
    const nncf__stencil *v = &d->stencil;
    const nncf__conv2d *s = d->s;
    nncf__depthwise_layout *l = &d->layout;
    int64_t span = (v->map_cols - 1) * v->step_x + v->high_x - v->low_x + 1;
    l->column_length = (span + v->step_x - 1) / v->step_x;
    l->row_length = l->column_length * v->step_x;
    for (int64_t t = 0; t < v->n_taps; t++) {
        int64_t x = v->taps[t].x - v->low_x;
        l->offsets[t] = (v->taps[t].y - v->low_y) * l->row_length +
            x % v->step_x * l->column_length + x / v->step_x;
    }
    /* Source column of place i of remainder q: i * step_x + q + low_x. */
    for (int64_t q = 0; q < v->step_x; q++) {
        int64_t first = q + v->low_x, start = first < 0 ? (-first + v->step_x - 1) / v->step_x : 0;
        int64_t end = v->src_w > first ? (v->src_w - first + v->step_x - 1) / v->step_x : 0;
        end = min_i(end, l->column_length);
        if (start < end)
            l->segments[l->n_segments++] = (nncf__segment){.src = start * v->step_x + first,
                .dst = (int32_t)(q * l->column_length + start),
                .length = (int32_t)(end - start)};
    }
    int64_t reach = v->high_y - v->low_y + 1;
    l->strip_rows = max_i(1, (STRIP_FLOATS / l->row_length - reach) / v->step_y + 1);
    l->strip_rows = min_i(l->strip_rows, v->map_rows);
    l->weights_at =
        round_up(((l->strip_rows - 1) * v->step_y + reach) * l->row_length + OVERREAD, 16);
    l->spare_at = l->weights_at + round_up(group * v->n_taps, 16);
    if (d->product == NNCF__BACKWARD_WEIGHT) /* double lanes */
        return l->spare_at + group * v->n_taps * 32;
    if (d->product == NNCF__BACKWARD_INPUT) /* rows to be interleaved */
        return l->spare_at + l->strip_rows * (s->w + s->stride_w);
    return l->spare_at;
}

static float *weights_of(const nncf__depthwise *d, const nncf__depthwise_task *t, int64_t c)
{
    return t->scratch + d->layout.weights_at + (c - t->first) * d->stencil.n_taps;
}

static double (*lanes_of(const nncf__depthwise *d, const nncf__depthwise_task *t, int64_t c))[16]
{
    return (double(*)[16])(void *)(t->scratch + d->layout.spare_at) +
        (c - t->first) * d->stencil.n_taps;
}

static void begin(const nncf__depthwise *d, const nncf__depthwise_task *t)
{
    /* what rows read past their end, too */
    memset(t->scratch, 0, (size_t)d->layout.weights_at * sizeof *t->scratch);
    if (d->product == NNCF__BACKWARD_WEIGHT)
        memset(lanes_of(d, t, t->first), 0,
            (size_t)((t->end - t->first) * d->stencil.n_taps) * sizeof(double[16]));
    for (int64_t c = t->first; c < t->end && d->product != NNCF__BACKWARD_WEIGHT; c++)
        nncf__depthwise_weights(d, c, weights_of(d, t, c));
}

/* A plane that copy_strip reads. */
typedef struct source {
    const char *plane;
    /* bytes */
    int64_t element;
    /* 0, or what floats are multiplied by to give codes */
    float inverse;
    /* one of the planes of x or dz as they lie there: then c and n say which */
    bool in_memory;
    int64_t n, c;
} source;

static source source_x(const nncf__depthwise *d, int64_t n, int64_t c)
{
    const nncf__stencil *v = &d->stencil;
    int64_t element = d->x->dtype == NNCF_F32 ? (int64_t)sizeof(float) : 1;
    int64_t plane = n * d->s->c_in + c;
    return (source){.plane = (const char *)d->x->data + plane * v->src_h * v->src_w * element,
        .element = element,
        .inverse = d->product == NNCF__FORWARD ? nncf__depthwise_inverse(d) : 0.0f,
        .in_memory = true,
        .n = n,
        .c = c};
}

/* Where byte `offset` of a plane is, and of what follows it in the order of the work. */
static uintptr_t ahead(
    const nncf__depthwise *d, const nncf__depthwise_task *t, const source *from, int64_t offset)
{
    int64_t size = d->stencil.src_h * d->stencil.src_w * from->element, width = t->end - t->first;
    uintptr_t plane = (uintptr_t)from->plane;
    if (offset >= size) {
        int64_t now = from->c - t->first, then = now + offset / size;
        plane += (uintptr_t)(then / width * d->s->c_in * size + (then % width - now) * size);
        offset %= size;
    }
    return plane + (uintptr_t)offset;
}

/*
 * Rows of the plane that rows [first, first + count) of the map see. Where the strip is all of it
 * its border is the same for every plane, and is zeroed by begin() once. Some rows at a time;
 * meanwhile what is needed a little later is on its way, and so is `soon` (nullable), as many rows
 * of the output as the strip is for: memory's pages are short, and the hardware's own prefetch ends
 * with each.
 */
static void copy_strip(const nncf__depthwise *d, const nncf__depthwise_task *t, const source *from,
    int64_t first, int64_t count, const float *soon)
{
    const nncf__stencil *v = &d->stencil;
    const nncf__depthwise_layout *l = &d->layout;
    int64_t top = first * v->step_y + v->low_y,
            bottom = (first + count - 1) * v->step_y + v->high_y + 1;
    int64_t low = min_i(max_i(top, 0), bottom), high = max_i(min_i(bottom, v->src_h), low);
    if (l->strip_rows < v->map_rows)
        memset(t->scratch, 0, (size_t)((bottom - top) * l->row_length) * sizeof *t->scratch);
    int64_t rows_at_once = max_i(1, ROWS_FLOATS / v->src_w), row_bytes = v->src_w * from->element;
    int64_t soon_bytes = count * d->s->out_w * (int64_t)sizeof(float), fetched = 0;
    for (int64_t row = low, n; row < high; row += n) {
        n = min_i(rows_at_once, high - row);
        const char *rows = from->plane + row * row_bytes;
        float *to = t->scratch + (row - top) * l->row_length;
        if (from->in_memory)
            nncf__fetch(ahead(d, t, from, row * row_bytes + AHEAD), n * row_bytes);
        if (soon) {
            int64_t until = soon_bytes * (row + n - low) / (high - low);
            nncf__fetch((uintptr_t)soon + (uintptr_t)fetched, until - fetched);
            fetched = until;
        }
        if (from->element == 1)
            d->k->gemm_gather_bytes((size_t)n, (const uint8_t *)rows, v->src_w, v->step_x,
                l->n_segments, l->segments, &d->x_codes, to, (size_t)l->row_length);
        else
            d->k->gemm_gather((size_t)n, (const float *)(const void *)rows, v->src_w, v->step_x,
                l->n_segments, l->segments, to, (size_t)l->row_length);
        if (from->inverse > 0)
            d->k->gemm_quantize_inplace((size_t)(n * l->row_length), to, from->inverse);
    }
}

static void forward_plane(
    const nncf__depthwise *d, const nncf__depthwise_task *t, int64_t n, int64_t c)
{
    const nncf__conv2d *s = d->s;
    const nncf__stencil *v = &d->stencil;
    const nncf__depthwise_layout *l = &d->layout;
    const source from = source_x(d, n, c);
    const float scale = nncf__depthwise_scale(d, c), bias = nncf__depthwise_bias(d, c);
    float *z = nncf__depthwise_plane(t, n, c, s->out_h * s->out_w);
    for (int64_t y = 0; y < s->out_h; y += l->strip_rows) {
        int64_t rows = min_i(l->strip_rows, s->out_h - y);
        copy_strip(d, t, &from, y, rows, NULL);
        d->k->depthwise_forward((size_t)rows, (size_t)s->out_w, t->scratch,
            (size_t)(v->step_y * l->row_length), (size_t)v->n_taps, l->offsets, weights_of(d, t, c),
            scale, bias, z + y * s->out_w, (size_t)s->out_w, d->stream);
    }
}

/* Columns of stride_w phases, computed apart, into rows of the plane. */
static void interleave(const nncf__conv2d *s, const float *const from[MAX_STRIDE],
    const nncf__phase *p, int64_t row, float *to)
{
    for (int64_t b = 0; b < s->stride_w; b++)
        for (int64_t i = 0; i < p[b].cols; i++)
            to[i * s->stride_w + b] = from[b][row * p[b].cols + i];
}

static void input_rows(const nncf__depthwise *d, const nncf__depthwise_task *t, const float *w,
    int64_t first, int64_t count, float *dx)
{
    const nncf__conv2d *s = d->s;
    const nncf__depthwise_layout *l = &d->layout;
    float *spare = t->scratch + l->spare_at;
    for (int64_t a = 0; a < s->stride_h; a++) {
        const nncf__phase *p = &d->stencil.phases[a * s->stride_w];
        int64_t rows = min_i(count, p->rows - first);
        if (rows <= 0)
            continue;
        if (s->stride_w == 2) {
            d->k->depthwise_pairs((size_t)rows, (size_t)s->w, t->scratch, (size_t)l->row_length,
                (size_t)p[0].n_taps, (size_t)p[1].n_taps, l->offsets + p->first_tap,
                w + p->first_tap, dx + (first * s->stride_h + a) * s->w,
                (size_t)(s->stride_h * s->w), d->stream);
            continue;
        }
        const float *from[MAX_STRIDE];
        for (int64_t b = 0; b < s->stride_w; b++) {
            bool direct = s->stride_w == 1;
            float *to = direct
                ? dx + (first * s->stride_h + a) * s->w
                : spare + b * l->strip_rows * ((s->w + s->stride_w - 1) / s->stride_w);
            from[b] = to;
            if (p[b].cols > 0)
                d->k->depthwise_forward((size_t)rows, (size_t)p[b].cols, t->scratch,
                    (size_t)l->row_length, (size_t)p[b].n_taps, l->offsets + p[b].first_tap,
                    w + p[b].first_tap, 1.0f, -0.0f, to,
                    (size_t)(direct ? s->stride_h * s->w : p[b].cols), direct && d->stream);
        }
        for (int64_t i = 0; s->stride_w > 1 && i < rows; i++)
            interleave(s, from, p, i, dx + ((first + i) * s->stride_h + a) * s->w);
    }
}

static void input_plane(
    const nncf__depthwise *d, const nncf__depthwise_task *t, int64_t n, int64_t c, const float *dz)
{
    const nncf__conv2d *s = d->s;
    const source from = {.plane = (const char *)dz,
        .element = sizeof *dz,
        .in_memory = !d->dz_is_hot,
        .n = n,
        .c = c};
    float *dx = nncf__depthwise_plane(t, n, c, s->h * s->w);
    for (int64_t y = 0; y < d->stencil.map_rows; y += d->layout.strip_rows) {
        int64_t rows = min_i(d->layout.strip_rows, d->stencil.map_rows - y);
        copy_strip(d, t, &from, y, rows, NULL);
        input_rows(d, t, weights_of(d, t, c), y, rows, dx);
    }
}

static void weight_plane(
    const nncf__depthwise *d, const nncf__depthwise_task *t, int64_t n, int64_t c, const float *dz)
{
    const nncf__conv2d *s = d->s;
    const nncf__stencil *v = &d->stencil;
    const nncf__depthwise_layout *l = &d->layout;
    const source from = source_x(d, n, c);
    for (int64_t y = 0; y < s->out_h; y += l->strip_rows) {
        int64_t rows = min_i(l->strip_rows, s->out_h - y);
        const float *strip = dz + y * s->out_w;
        copy_strip(d, t, &from, y, rows, d->dz_is_hot ? NULL : strip);
        d->k->depthwise_weight((size_t)rows, (size_t)s->out_w, t->scratch,
            (size_t)(v->step_y * l->row_length), (size_t)v->n_taps, l->offsets, strip,
            (size_t)s->out_w, lanes_of(d, t, c));
    }
}

static void planes(const nncf__depthwise *d, const nncf__depthwise_task *t, int64_t n, int64_t c,
    int64_t end_c, const float *dz)
{
    (void)end_c; /* one channel */
    if (d->product == NNCF__FORWARD)
        forward_plane(d, t, n, c);
    else if (d->product == NNCF__BACKWARD_INPUT)
        input_plane(d, t, n, c, dz);
    else
        weight_plane(d, t, n, c, dz);
}

static void end(const nncf__depthwise *d, const nncf__depthwise_task *t)
{
    const nncf__stencil *v = &d->stencil;
    for (int64_t c = t->first; c < t->end && d->product == NNCF__BACKWARD_WEIGHT; c++) {
        double(*sums)[16] = lanes_of(d, t, c);
        for (int64_t i = 0; i < v->n_taps; i++)
            d->out[c * v->n_taps + v->taps[i].weight] = nncf__depthwise_total(sums[i]);
    }
}

const nncf__depthwise_algo nncf__depthwise_padded = {unit, INT64_MAX, plan, begin, planes, end};
