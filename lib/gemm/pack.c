/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packing: pixels and weights into the panels that microkernels read. Patches are gathered here,
 * from the image, each time they are needed: no column buffer is ever written to memory.
 *
 * Pixels that are floats and become codes: a value is float(q * scale) with |q| <= 255, so value *
 * (1 / scale) differs from q by at most |q| * 3 * 2^-24 < 2^-14 and rounding gives q. A true
 * division is not needed.
 */
#include "gemm/pack.h"

#include "base/int_math.h"
#include "gemm/microkernel.h"
#include "gemm/spans.h"
#include "kernels/kernels.h"

#include <string.h>

void nncf__pixel_map_flatten(nncf__pixel_map *g)
{
    if (!nncf__taps_are_identity(&g->taps))
        return;
    /* Rows follow each other at the source, which has them all, and at the destination: the image
     * is one row. The pixel map of an input gradient may have more rows than dz: those are under no
     * window. */
    if (g->rows > 1 && g->rows <= g->src_h && g->step_x == 1 && g->step_y == 1 &&
        g->cols == g->src_w && g->dst_row == g->cols * g->dst_col) {
        g->cols *= g->rows;
        g->src_w = g->cols;
        g->src_h = g->rows = 1;
    }
    /* Images of one pixel (linear layers): the batch is one row. */
    if (g->rows == 1 && g->cols == 1 && g->n > 1) {
        g->cols = g->n;
        g->n = 1;
        g->step_x = g->src_image;
        g->dst_col = g->dst_image;
        g->src_w = (g->cols - 1) * g->step_x + 1;
        g->src_h = 1;
    }
}

/* Panels of mr pixels, `panel` elements apart: the next pixel's lane, and where its panel begins.
 */
typedef struct writer {
    nncf__segment *segments;
    size_t n;
    int64_t mr, panel, lane, begin;
} writer;

static void advance(writer *out, int64_t pixels)
{
    out->lane += pixels;
    if (out->lane == out->mr) {
        out->lane = 0;
        out->begin += out->panel;
    }
}

/* `length` pixels from `src` on, cut where panels end; src < 0: zeros. */
static void emit(writer *out, int64_t src, int64_t length, int64_t step)
{
    while (length > 0) {
        const int64_t part = min_i(length, out->mr - out->lane);
        out->segments[out->n++] = (nncf__segment){
            .src = src, .dst = (int32_t)(out->begin + out->lane), .length = (int32_t)part};
        advance(out, part);
        length -= part;
        if (src >= 0)
            src += part * step;
    }
}

/* Zeros, pixels from `src` on, zeros: a row in one panel, as most are. */
static void emit_row(writer *out, int64_t zeros, int64_t src, int64_t length, int64_t more_zeros)
{
    nncf__segment *to = out->segments + out->n;
    const int64_t at = out->begin + out->lane, end = at + zeros + length;
    if (zeros > 0)
        *to++ = (nncf__segment){.src = -1, .dst = (int32_t)at, .length = (int32_t)zeros};
    if (length > 0)
        *to++ =
            (nncf__segment){.src = src, .dst = (int32_t)(at + zeros), .length = (int32_t)length};
    if (more_zeros > 0)
        *to++ = (nncf__segment){.src = -1, .dst = (int32_t)end, .length = (int32_t)more_zeros};
    out->n = (size_t)(to - out->segments);
    advance(out, zeros + length + more_zeros);
}

static int64_t ceil_div(int64_t a, int64_t b) /* b > 0, a of any sign */
{
    return a > 0 ? (a + b - 1) / b : -(-a / b);
}

size_t nncf__segments_source(const nncf__pixel_map *g, const nncf__tap *tap, int64_t first,
    int64_t last, int64_t mr, int64_t panel, nncf__segment *segments)
{
    writer out = {.segments = segments, .mr = mr, .panel = panel};
    int64_t plane = g->rows * g->cols, image = first / plane, row = first % plane / g->cols,
            col = first % g->cols;
    /* Columns whose source lies inside a row of the image. */
    int64_t inside_low = max_i(0, ceil_div(-tap->x, g->step_x));
    int64_t inside_high = min_i(g->cols, ceil_div(g->src_w - tap->x, g->step_x));
    for (int64_t p = first; p < last;) {
        int64_t length = min_i(g->cols - col, last - p), end = col + length;
        int64_t y = row * g->step_y + tap->y;
        if (y < 0 || y >= g->src_h || inside_low >= inside_high) {
            emit(&out, -1, length, 0);
        } else {
            const int64_t low = min_i(max_i(inside_low, col), end),
                          high = max_i(min_i(inside_high, end), low),
                          src = image * g->src_image + y * g->src_w + low * g->step_x + tap->x;
            if (out.lane + length <= mr) {
                emit_row(&out, low - col, src, high - low, end - high);
            } else {
                emit(&out, -1, low - col, 0);
                emit(&out, src, high - low, g->step_x);
                emit(&out, -1, end - high, 0);
            }
        }
        p += length;
        col = 0;
        if (++row == g->rows) {
            row = 0;
            image++;
        }
    }
    return out.n;
}

size_t nncf__segments_destination(
    const nncf__pixel_map *g, int64_t first, int64_t last, nncf__segment *segments)
{
    /* Where rows follow each other, cut at images only. */
    int64_t rows = g->rows, cols = g->cols;
    if (g->dst_row == cols * g->dst_col) {
        cols *= rows;
        rows = 1;
    }
    size_t n = 0;
    int64_t plane = rows * cols, image = first / plane, row = first % plane / cols,
            col = first % cols;
    for (int64_t p = first; p < last;) {
        int64_t length = min_i(cols - col, last - p);
        segments[n++] =
            (nncf__segment){.src = image * g->dst_image + row * g->dst_row + col * g->dst_col,
                .dst = (int32_t)(p - first),
                .length = (int32_t)length};
        p += length;
        col = 0;
        if (++row == rows) {
            row = 0;
            image++;
        }
    }
    return n;
}

void nncf__segments_of_panels(const nncf__pixel_map *g, int64_t first, int64_t last, int64_t mr,
    size_t *starts, nncf__segment *segments)
{
    size_t n = 0, panel = 0;
    for (int64_t p = first; p < last; p += mr) {
        starts[panel++] = n;
        n += nncf__segments_destination(g, p, min_i(p + mr, last), segments + n);
    }
    starts[panel] = n;
}

void nncf__gather(const nncf__kernels *k, const nncf__pixel_map *g, int64_t c, int64_t n_c,
    size_t n, const nncf__segment *segments, float *to, int64_t stride)
{
    const nncf__qtensor *src = &g->src;
    if (!nncf__qtensor_is_codes(src)) {
        k->gemm_gather((size_t)n_c, (const float *)src->data + c * g->src_plane, g->src_plane,
            g->step_x, n, segments, to, (size_t)stride);
        return;
    }
    const int64_t at_once = src->n_scales > 1 ? 1 : n_c;
    for (int64_t i = 0; i < n_c; i += at_once) {
        const nncf__dequant how = nncf__dequant_of(src, c + i, g->as_integers);
        k->gemm_gather_bytes((size_t)at_once, (const uint8_t *)src->data + (c + i) * g->src_plane,
            g->src_plane, g->step_x, n, segments, &how, to + i * stride, (size_t)stride);
    }
}

void nncf__pack_pixels(const nncf__microkernel *m, const nncf__pixel_map *g, int64_t first,
    int64_t last, int64_t k0, int64_t k1, nncf__segment *segments, float *panels)
{
    const float inverse =
        g->as_integers && !nncf__qtensor_is_codes(&g->src) ? 1.0f / g->src.scale[0] : 0.0f;
    enum {
        GROUP = 16
    }; /* channels that stay in the first-level cache between gathering and rounding */
    int64_t n_panels = (last - first + m->mr - 1) / m->mr, panel = (k1 - k0) * m->mr;
    for (int64_t k = k0; k < k1;) {
        int64_t t = k / g->channels, c = k % g->channels, n_c = min_i(g->channels - c, k1 - k);
        const nncf__tap tap = nncf__taps_at(&g->taps, t);
        size_t n = nncf__segments_source(g, &tap, first, last, m->mr, panel, segments);
        if ((last - first) % m->mr) /* idle lanes of the last panel */
            segments[n++] = (nncf__segment){.src = -1,
                .dst = (int32_t)((n_panels - 1) * panel + (last - first) % m->mr),
                .length = (int32_t)(m->mr - (last - first) % m->mr)};
        for (int64_t i = 0; i < n_c; i += GROUP) {
            int64_t count = min_i(GROUP, n_c - i);
            float *to = panels + (k - k0 + i) * m->mr;
            nncf__gather(m->k, g, c + i, count, n, segments, to, m->mr);
            for (int64_t j = 0; inverse > 0 && j < n_panels; j++)
                m->k->gemm_quantize_inplace((size_t)(count * m->mr), to + j * panel, inverse);
        }
        k += n_c;
    }
}

/* Less than AHEAD_LEAST lies in the second-level cache since it was written, or near it. */
enum { AHEAD_LEAST = 1 << 20 };

void nncf__ahead_start(nncf__ahead *a, const nncf__pixel_map *g, int64_t first, int64_t last,
    int64_t k0, int64_t k1, int64_t turns)
{
    *a = (nncf__ahead){.g = g};
    if (first >= last || k0 >= k1 || g->src_plane < NNCF__SPAN_SMALL_PLANE ||
        (nncf__taps_count(&g->taps) == 1 && g->step_x > 1))
        return;
    const int64_t plane = g->rows * g->cols, size = (int64_t)nncf__qtensor_element_size(&g->src);
    if (g->n * g->src_image * size <= AHEAD_LEAST)
        return;
    const int64_t images = (last - 1) / plane - first / plane + 1,
                  lines = (last - first) * g->step_x * g->step_y * size / NNCF__LINE_BYTES + images;
    *a = (nncf__ahead){.g = g,
        .first = first,
        .last = last,
        .k = k0,
        .k_end = k1,
        .image = first / plane,
        .lines_a_turn = div_ceil(lines * (k1 - k0), turns)};
}

/* The bytes of the next image in a channel, or in the next channel, that the pixels read; a tap's
 * shift included, ends of rows not looked at. False: there are none. */
static bool next_run(nncf__ahead *a)
{
    const nncf__pixel_map *g = a->g;
    const int64_t plane = g->rows * g->cols, size = (int64_t)nncf__qtensor_element_size(&g->src);
    if (a->image * plane >= a->last) {
        a->image = a->first / plane;
        a->k++;
    }
    if (a->k >= a->k_end)
        return false;
    const nncf__tap tap = nncf__taps_at(&g->taps, a->k / g->channels);
    const int64_t p0 = max_i(a->first - a->image * plane, 0),
                  p1 = min_i(a->last - a->image * plane, plane) - 1,
                  from = (p0 / g->cols * g->step_y + tap.y) * g->src_w + p0 % g->cols * g->step_x,
                  to = (p1 / g->cols * g->step_y + tap.y) * g->src_w + p1 % g->cols * g->step_x + 1;
    const char *channel = (const char *)g->src.data +
        (a->image * g->src_image + a->k % g->channels * g->src_plane) * size;
    a->at = channel + max_i(from, 0) * size;
    a->end = channel + min_i(to, g->src_h * g->src_w) * size;
    a->image++;
    return true;
}

void nncf__ahead_fetch(nncf__ahead *a)
{
    for (int64_t n = a->lines_a_turn; n > 0;) {
        const char *at = a->at, *end = a->end;
        for (; at < end && n > 0; at += NNCF__LINE_BYTES, n--)
            __builtin_prefetch(at, 0, 2);
        a->at = at;
        if (at >= end && !next_run(a)) {
            a->lines_a_turn = 0;
            return;
        }
    }
}

/* Elements [i, i + n) of rows out0 .. out0 + used - 1 of a weight, side by side in panels of nr. */
static void transpose_rows(const nncf__microkernel *m, const nncf__weights *w, int64_t out0,
    int64_t used, int64_t i, int64_t n, float *panel)
{
    enum { STRIP = 96 };
    const int64_t first = out0 * w->out_stride + i;
    if (!nncf__qtensor_is_codes(&w->src)) {
        m->k->gemm_transpose((size_t)used, (size_t)n, (const float *)w->src.data + first,
            w->out_stride, panel, (size_t)m->nr);
        return;
    }
    _Alignas(64) float rows[STRIP * NNCF__TILE_EDGE_MAX];
    const uint8_t *codes = (const uint8_t *)w->src.data + first;
    for (int64_t at = 0; at < n; at += STRIP) {
        const int64_t part = min_i(STRIP, n - at);
        for (int64_t j = 0; j < used; j++) {
            const nncf__dequant how = nncf__dequant_of(&w->src, out0 + j, w->as_integers);
            m->k->dequantize((size_t)part, codes + j * w->out_stride + at, rows + j * STRIP, &how);
        }
        m->k->gemm_transpose(
            (size_t)used, (size_t)part, rows, STRIP, panel + at * m->nr, (size_t)m->nr);
    }
}

/* n is known when compiling for the tiles that are common. */
static void copy_row(float *to, const float *from, int64_t n)
{
    if (n == 12)
        memcpy(to, from, 12 * sizeof *to);
    else if (n == 6)
        memcpy(to, from, 6 * sizeof *to);
    else
        memcpy(to, from, (size_t)n * sizeof *to);
}

/* Output channels are rows of neighbouring (channel, tap): transpose a strip, then put its rows
 * where k, taps outermost, wants them. */
static void pack_contiguous(
    const nncf__microkernel *m, const nncf__weights *w, int64_t out0, int64_t used, float *panel)
{
    enum { STRIP = 96 };
    int64_t nr = m->nr, n_taps = nncf__taps_count(&w->taps), k = w->channels * n_taps;
    if (n_taps == 1) {
        transpose_rows(m, w, out0, used, 0, k, panel);
        return;
    }
    _Alignas(64) float strip[STRIP * NNCF__TILE_EDGE_MAX];
    for (int64_t i = 0; i < k; i += STRIP) {
        int64_t n = min_i(STRIP, k - i), c = i / n_taps, t = i % n_taps;
        transpose_rows(m, w, out0, used, i, n, strip);
        for (int64_t r = 0; r < n; r++) {
            copy_row(panel + (t * w->channels + c) * nr, strip + r * nr, nr);
            if (++t == n_taps) {
                t = 0;
                c++;
            }
        }
    }
}

static void copy_strided(const float *from, int64_t stride, int64_t n, float *to)
{
    if (stride == 1)
        copy_row(to, from, n);
    else
        for (int64_t i = 0; i < n; i++)
            to[i] = from[i * stride];
}

static void dequantize_strided(
    const uint8_t *from, int64_t stride, int64_t n, const nncf__dequant *how, float *to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = ((float)(from[i * stride] ^ how->flip) - how->offset) * how->scale;
}

/* Channel c of output channels out0 .. out0 + used - 1, all taps, to its places in their panel. */
static void pack_channel(const nncf__microkernel *m, const nncf__weights *w, int64_t c,
    int64_t out0, int64_t used, const nncf__dequant *how, float *panel)
{
    const nncf__taps_axis *y = &w->taps.y, *x = &w->taps.x;
    const int64_t first = c * w->k_stride + out0 * w->out_stride;
    float *to = panel + c * m->nr;
    for (int64_t i = 0; i < y->n; i++)
        for (int64_t j = 0; j < x->n; j++, to += w->channels * m->nr) {
            const int64_t at = first + (y->index + i * y->index_step) * w->taps.kernel_w +
                x->index + j * x->index_step;
            if (how)
                dequantize_strided((const uint8_t *)w->src.data + at, w->out_stride, used, how, to);
            else
                copy_strided((const float *)w->src.data + at, w->out_stride, used, to);
            for (int64_t r = used; r < m->nr; r++)
                to[r] = 0.0f;
        }
}

/* Some channels of a panel, whose rows lie `step` apart, as neighbours. */
static void copy_rows(
    const float *from, int64_t step, int64_t n, int64_t used, int64_t nr, float *to)
{
    enum { USUAL = 12 };
    if (used == USUAL && nr == USUAL) {
        for (int64_t i = 0; i < n; i++)
            memcpy(to + i * USUAL, from + i * step, USUAL * sizeof *to);
        return;
    }
    for (int64_t i = 0; i < n; i++, to += nr) {
        copy_row(to, from + i * step, used);
        for (int64_t r = used; r < nr; r++)
            to[r] = 0.0f;
    }
}

/* Of codes, a few lines of which are floats for a while. */
enum { LINE_CODES = 4096, LINES = 8 };

/* One tap: the output channels of a channel are neighbours. Several channels at a time, which lie
 * side by side in a panel. */
static void pack_lines(const nncf__microkernel *m, const nncf__weights *w, int64_t c0, int64_t c1,
    int64_t out0, int64_t n_out, float *const panels[])
{
    _Alignas(64) float lines[LINE_CODES];
    const bool is_codes = nncf__qtensor_is_codes(&w->src);
    const int64_t size = (int64_t)nncf__qtensor_element_size(&w->src),
                  width = nncf__panel_width(m, w), at_once = min_i(LINES, LINE_CODES / n_out);
    for (int64_t c = c0, n; c < c1; c += n) {
        n = min_i(at_once, c1 - c);
        const char *from = (const char *)w->src.data + (c * w->k_stride + out0) * size,
                   *next = from + n * w->k_stride * size;
        for (int64_t k = 0; k < min_i(n, c1 - c - n); k++)
            for (int64_t i = 0; i < n_out * size; i += NNCF__LINE_BYTES)
                __builtin_prefetch(next + k * w->k_stride * size + i);
        const float *values = (const float *)(const void *)from;
        for (int64_t k = 0; is_codes && k < n; k++) {
            const nncf__dequant how = nncf__dequant_of(&w->src, c + k, w->as_integers);
            m->k->dequantize(
                (size_t)n_out, (const uint8_t *)from + k * w->k_stride, lines + k * n_out, &how);
            values = lines;
        }
        for (int64_t out = 0, p = 0; out < n_out; out += width, p++)
            copy_rows(values + out, is_codes ? n_out : w->k_stride, n, min_i(width, n_out - out),
                m->nr, panels[p] + c * m->nr);
    }
}

void nncf__pack_weight_channels(const nncf__microkernel *m, const nncf__weights *w, int64_t c0,
    int64_t c1, int64_t panel0, int64_t n_panels, float *const panels[])
{
    const bool is_codes = nncf__qtensor_is_codes(&w->src);
    const int64_t size = (int64_t)nncf__qtensor_element_size(&w->src),
                  width = nncf__panel_width(m, w), out0 = panel0 * width,
                  n_out = min_i(n_panels * width, w->n_out - out0),
                  bytes = n_out * w->out_stride * size;
    if (w->out_stride == 1 && n_out <= LINE_CODES) {
        pack_lines(m, w, c0, c1, out0, n_out, panels);
        return;
    }
    for (int64_t c = c0; c < c1; c++) {
        const nncf__dequant how =
            is_codes ? nncf__dequant_of(&w->src, c, w->as_integers) : (nncf__dequant){0};
        const char *next =
            (const char *)w->src.data + ((c + 1) * w->k_stride + out0 * w->out_stride) * size;
        for (int64_t i = 0; c + 1 < c1 && i < bytes; i += NNCF__LINE_BYTES)
            __builtin_prefetch(next + i);
        for (int64_t p = 0; p < n_panels; p++)
            pack_channel(m, w, c, out0 + p * width, min_i(width, n_out - p * width),
                is_codes ? &how : NULL, panels[p]);
    }
}

void nncf__pack_weights(
    const nncf__microkernel *m, const nncf__weights *w, int64_t out0, float *panel)
{
    pack_contiguous(m, w, out0, min_i(nncf__panel_width(m, w), w->n_out - out0), panel);
}

bool nncf__transpose_words(const nncf__kernels *k, const void *rows, int64_t stride, int64_t length,
    int64_t n_rows, int64_t width, void *to)
{
    enum { WORD = 4 };
    if ((uintptr_t)rows % WORD != 0 || stride % WORD != 0 || length % WORD != 0)
        return false;
    /* the kernel moves floats, whatever their bits are */
    k->gemm_transpose(
        (size_t)n_rows, (size_t)(length / WORD), rows, stride / WORD, to, (size_t)width);
    return true;
}

static int32_t sum_of(const int8_t *row, int64_t n)
{
    int32_t sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += row[i];
    return sum;
}

void nncf__weight_starts(const nncf__weights *w, int64_t first, int64_t n, int32_t shift,
    int32_t *start, int32_t *factor)
{
    const int8_t *row = (const int8_t *)w->src.data + first * w->out_stride;
    const int64_t length = w->channels * nncf__taps_count(&w->taps);
    for (int64_t i = 0; i < n; i++, row += w->out_stride) {
        start[i] = shift == 0 ? 0 : shift * sum_of(row, length);
        if (w->src.zero_point)
            factor[i] = -w->src.zero_point[w->src.n_scales > 1 ? first + i : 0];
    }
}

void nncf__pixel_product_scaling(
    const nncf__pixel_product *p, int64_t first, int64_t end, float *scale, float *bias)
{
    const nncf__weights *w = &p->weights;
    for (int64_t i = first; i < end; i++) {
        scale[i] = w->as_integers && !p->only_sums
            ? p->map.src.scale[0] * nncf__qtensor_scale(&w->src, i)
            : 1.0f;
        bias[i] =
            p->bias && !p->only_sums ? p->bias[i] : -0.0f; /* x + -0 is x, for +0 and -0 too */
    }
}
