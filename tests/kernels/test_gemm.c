/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels behind the products (gemm_...) against the reference bit for bit, microkernels
 * against integer sums, and which of BLIS's microkernels is taken. */
#include "gemm/microkernel.h"
#include "kernel_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- against the reference ---- */

/* Random floats with a NaN, infinities, both zeros and a denormal among them. */
static float *special_floats(kernel_check *t, size_t n)
{
    static const float special[] = {NAN, INFINITY, -0.0f, 0.0f, 1e-42f};
    float *x = kc_floats(t, n);
    for (size_t i = 0; i < n / 50; i++)
        x[fx_random32() % n] = special[fx_random32() % COUNT(special)];
    return x;
}

enum { MAX_SEGMENTS = 12, SOURCE = 200 };

/* What a gather is called with: segments of a plane, some of them padding. */
typedef struct gather_shape {
    size_t channels, n_segments, stride, n_src, n_dst;
    int64_t step, plane;
    nncf__segment pieces[MAX_SEGMENTS];
} gather_shape;

/* Lengths up to `longest`; where `ends` is set, the source's last element is often read, too. */
static gather_shape random_gather(size_t longest, bool ends)
{
    gather_shape s = {.channels = kc_any(0, 5), .n_segments = kc_any(0, MAX_SEGMENTS)};
    s.step = (int64_t)kc_any(1, 3);
    s.plane = (int64_t)kc_any(1, 300);
    s.n_src = (s.channels ? s.channels - 1 : 0) * (size_t)s.plane + SOURCE;
    size_t at = 0;
    for (size_t i = 0; i < s.n_segments; i++) {
        const size_t length = ends && i % 5 == 0 ? 32 : kc_any(1, longest),
                     reach = (length - 1) * (size_t)s.step + 1;
        const int64_t src =
            (int64_t)(ends && fx_random32() % 3 == 0 ? SOURCE - reach : kc_any(0, SOURCE - reach));
        s.pieces[i] = (nncf__segment){
            .src = fx_random32() % 4 ? src : -1, .dst = (int32_t)at, .length = (int32_t)length};
        at += length + kc_any(0, 2);
    }
    s.stride = at + kc_any(0, 9);
    s.n_dst = (s.channels + 1) * (s.stride + 1);
    return s;
}

static void gather(kernel_check *t)
{
    const gather_shape s = random_gather(t->round % 3 ? 34 : 5, false);
    const float *src = special_floats(t, s.n_src);
    kc_output(t, s.n_dst * sizeof(float));
    CALL_BOTH(t,
        k->gemm_gather(
            s.channels, src, s.plane, s.step, s.n_segments, s.pieces, kc_out(t, 0), s.stride));
    kc_compare(t, KC_BITS, 0);
}

static void gather_bytes(kernel_check *t)
{
    const gather_shape s = random_gather(t->round % 3 ? 51 : 5, true);
    const uint8_t *src = kc_bytes(t, s.n_src);
    const nncf__dequant as = {.flip = t->round % 2 ? 0x80 : 0,
        .offset = (float)kc_any(0, 255),
        .scale = t->round % 5 ? 1.0f : 0.0173f};
    kc_output(t, s.n_dst * sizeof(float));
    CALL_BOTH(t,
        k->gemm_gather_bytes(
            s.channels, src, s.plane, s.step, s.n_segments, s.pieces, &as, kc_out(t, 0), s.stride));
    kc_compare(t, KC_BITS, 0);
}

/* All lengths: the round is the length. */
static void quantize_inplace(kernel_check *t)
{
    const size_t n = (size_t)t->round + 1;
    const float step = 0.37f / (float)n;
    float *x = kc_floats(t, n);
    for (size_t i = 0; i < n; i++)
        x[i] = i % 9 == 8 ? -0.0f : (float)((int)(fx_random32() % 511) - 255) * step;
    kc_output_from(t, x, n * sizeof *x);
    CALL_BOTH(t, k->gemm_quantize_inplace(n, kc_out(t, 0), 1.0f / step));
    kc_compare(t, KC_BITS, 0);
}

static void transpose(kernel_check *t)
{
    static const size_t widths[] = {4, 6, 8, 12, 16, 32};
    const size_t width = widths[fx_random32() % COUNT(widths)], rows = kc_any(0, width),
                 n = kc_any(0, 70), stride = n + kc_any(0, 5);
    const float *src = special_floats(t, (rows ? rows - 1 : 0) * stride + n + 1);
    kc_output(t, (n * width + 1) * sizeof(float));
    CALL_BOTH(t, k->gemm_transpose(rows, n, src + 1, (int64_t)stride, kc_out(t, 0), width));
    kc_compare(t, KC_BITS, 0);
}

/* The sides of a tile: v values of s lines. */
static size_t tile_size(size_t *v, size_t *s)
{
    *v = 8 * kc_any(1, 4);
    *s = kc_any(1, 12);
    return *v * *s;
}

static void accumulate_f64(kernel_check *t)
{
    size_t v, s;
    const size_t n = tile_size(&v, &s);
    const float *tile = kc_floats(t, n);
    kc_output(t, n * sizeof(double));
    for (int add = 0; add < 2; add++)
        CALL_BOTH(t, k->gemm_accumulate_f64(n, tile, kc_out(t, 0), add));
    kc_compare(t, KC_BITS, 0);
}

static void to_f32(kernel_check *t)
{
    size_t v, s;
    const size_t n = tile_size(&v, &s);
    const double *sum = kc_doubles(t, n);
    kc_output(t, n * sizeof(float));
    CALL_BOTH(t, k->gemm_to_f32(n, sum, kc_out(t, 0)));
    kc_compare(t, KC_BITS, 0);
}

static void store(kernel_check *t)
{
    size_t v, s, n_segments = 0, lane = 0;
    const size_t n = tile_size(&v, &s);
    const int64_t step = (int64_t)kc_any(1, 3), z_stride = (int64_t)kc_any(v * 4, v * 4 + 9);
    const float *tile = kc_floats(t, n), *scale = kc_floats(t, s), *bias = kc_floats(t, s);
    nncf__segment pieces[32];
    while (lane < v && (t->round % 4 || n_segments == 0)) {
        const size_t length = t->round % 4 ? kc_any(1, v - lane) : v;
        pieces[n_segments++] = (nncf__segment){
            .src = (int64_t)lane * step + 2, .dst = (int32_t)lane, .length = (int32_t)length};
        lane += length + kc_any(0, 1);
    }
    kc_output(t, (size_t)z_stride * s * sizeof(float));
    CALL_BOTH(t,
        k->gemm_store(v, s, tile, scale, bias, kc_out(t, 0), z_stride, step, pieces, n_segments));
    kc_compare(t, KC_BITS, 0);
}

/* ---- against integer sums ---- */

/* Every code of every step comes back: the packers rely on it. */
START_TEST(quantizing_gives_the_code_back)
{
    const nncf__kernels *k = nncf__kernels_get(_i);
    for (int i = 0; i < sweep_rounds(2000, 100); i++) {
        float step = ldexpf(1.0f + (float)(fx_random32() >> 8) * 0x1p-24f, (int)kc_any(0, 80) - 60),
              x[511];
        for (int q = -255; q <= 255; q++)
            x[q + 255] = (float)q * step;
        k->gemm_quantize_inplace(511, x, 1.0f / step);
        for (int q = -255; q <= 255; q++)
            REQUIRE(x[q + 255] == (float)q, "%d * %a gives code %g", q, (double)step,
                (double)x[q + 255]);
    }
}
END_TEST

/* Floats have the same bits wherever they stand: one by one and in a block. */
static void dots(kernel_check *t)
{
    const size_t n = 16 * kc_any(0, 9), n_a = kc_any(1, 9), n_b = kc_any(1, 19);
    const size_t stride_a = n + kc_any(0, 9), stride_b = n + kc_any(0, 9),
                 stride = n_b + kc_any(0, 3);
    const float *a = kc_floats(t, (n_a - 1) * stride_a + n),
                *b = kc_floats(t, (n_b - 1) * stride_b + n);
    kc_output(t, n_a * stride * sizeof(float));
    CALL_NEW(t,
        k->gemm_dots(n, a, (int64_t)stride_a, n_a, b, (int64_t)stride_b, n_b, NULL, kc_out(t, 0),
            (int64_t)stride, false));
    for (size_t row = 0; row < n_a; row++)
        for (size_t col = 0; col < n_b; col++)
            t->tested->gemm_dots(n, a + row * stride_a, 0, 1, b + col * stride_b, 0, 1, NULL,
                (float *)t->out[0].want + row * stride + col, 1, false);
    kc_compare(t, KC_BITS, 0);
}

/* Integer sums are exact, and what lies between rows is left alone. */
static void check_dots(const nncf__kernels *k, size_t n, size_t n_a, size_t n_b)
{
    size_t stride_a = n + kc_any(0, 9), stride_b = n + kc_any(0, 9), stride = n_b + kc_any(0, 3);
    size_t size_a = (n_a - 1) * stride_a + n, size_b = (n_b - 1) * stride_b + n,
           size = n_a * stride;
    float *a = guard_alloc(size_a), *b = guard_alloc(size_b), *sums = guard_alloc(size);
    const nncf__dots_fetch fetch = {(int64_t)kc_any(0, 9999) - 5000, kc_any(0, 1), 2};
    for (size_t i = 0; i < size_a; i++)
        a[i] = (float)((int)(fx_random32() % 511) - 255);
    for (size_t i = 0; i < size_b; i++)
        b[i] = (float)((int)(fx_random32() % 255) - 127);
    for (size_t i = 0; i < size; i++)
        sums[i] = -7.5f;
    for (int add = 0; add < 2; add++)
        k->gemm_dots(n, a, (int64_t)stride_a, n_a, b, (int64_t)stride_b, n_b, add ? &fetch : NULL,
            sums, (int64_t)stride, add);
    for (size_t i = 0; i < size; i++) {
        size_t row = i / stride, col = i % stride;
        int64_t sum = 0;
        for (size_t p = 0; p < n && col < n_b; p++)
            sum += (int64_t)a[row * stride_a + p] * (int64_t)b[col * stride_b + p];
        float want = col < n_b ? (float)(2 * sum) : -7.5f;
        REQUIRE(sums[i] == want, "dots %zu, %zu x %zu, [%zu]: %g, expected %g", n, n_a, n_b, i,
            (double)sums[i], (double)want);
    }
    guard_free(a, size_a);
    guard_free(b, size_b);
    guard_free(sums, size);
}

START_TEST(dots_of_codes_are_integer_sums)
{
    const nncf__kernels *k = nncf__kernels_get(_i);
    for (size_t n_a = 1; n_a <= 9; n_a++)
        for (size_t n_b = 1; n_b <= 19; n_b++)
            check_dots(k, 16 * kc_any(0, 9), n_a, n_b);
}
END_TEST

/* Panels of codes as a microkernel reads them: k steps of v values and of s lines. */
typedef struct panels {
    int64_t k, v, s, used;
    float *values, *lines;
    /* which rows of values; NULL: as they come */
    uint16_t *rows;
} panels;

/* listed: of several times as many rows of values. */
static panels draw_panels(const nncf__microkernel *m, int64_t k, bool listed)
{
    panels p = {.k = k, .v = m->mr, .s = m->nr};
    const size_t n_v = (size_t)((listed ? 3 * k + 1 : k) * p.v), n_s = (size_t)(k * p.s);
    if (listed)
        p.rows = malloc((size_t)(k + 1) * sizeof *p.rows);
    for (int64_t i = 0; listed && i < k; i++)
        p.rows[i] = (uint16_t)(3 * i + (int64_t)kc_any(0, 3));
    p.used = fx_random32() % 2 ? p.s : (int64_t)kc_any(1, (size_t)p.s);
    p.values = aligned_alloc(64, (n_v * 4 + NNCF__PANEL_SLACK + 63) / 64 * 64);
    p.lines = aligned_alloc(64, (n_s * 4 + NNCF__PANEL_SLACK + 63) / 64 * 64);
    for (size_t i = 0; i < n_v; i++)
        p.values[i] = (float)((int)(fx_random32() % 511) - 255);
    for (size_t i = 0; i < n_s; i++)
        p.lines[i] = (float)((int)(fx_random32() % 255) - 127);
    return p;
}

static void free_panels(panels *p)
{
    free(p->values);
    free(p->lines);
    free(p->rows);
}

static int64_t integer_sum(const panels *p, int64_t s, int64_t v)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < p->k; i++)
        sum += (int64_t)p->values[(p->rows ? p->rows[i] : i) * p->v + v] *
            (int64_t)p->lines[i * p->s + s];
    return sum;
}

/* c = the product of the panels, and c += the same again, by BLIS's microkernel or ours. */
static void check_microkernel(const nncf__microkernel *m, int64_t depth)
{
    panels p = draw_panels(m, depth, false);
    const size_t tile = (size_t)(p.v * p.s);
    float *c = guard_alloc(tile);
    for (size_t i = 0; i < tile; i++)
        c[i] = NAN; /* must be written, not multiplied by zero */
    for (int add = 0; add < 2; add++)
        m->run(m, p.k, p.values, p.lines, p.used, c, add);
    for (int64_t s = 0; s < p.used; s++)
        for (int64_t v = 0; v < p.v; v++) {
            const float want = (float)(2 * integer_sum(&p, s, v));
            REQUIRE(c[s * p.v + v] == want, "k %d, tile (%d, %d): %g, expected %g", (int)depth,
                (int)v, (int)s, (double)c[s * p.v + v], (double)want);
        }
    guard_free(c, tile);
    free_panels(&p);
}

/* Depths of the rounds: each short one, and a long one. */
static int64_t depth_of(int round)
{
    return round <= 40 ? round : 250;
}

/* The tile is what the library thinks it is. */
static void tile(kernel_check *t)
{
    int32_t sides[2] = {0};
    nncf__microkernel m;
    CALL_NEW(t, k->gemm_tile(sides));
    nncf__microkernel_builtin(t->tested, &m);
    REQUIRE(sides[0] == m.mr && sides[1] == m.nr, "%s: a tile of %d x %d", t->tested->name,
        (int)sides[0], (int)sides[1]);
    REQUIRE(
        m.mr <= NNCF__TILE_EDGE_MAX && m.nr <= NNCF__TILE_EDGE_MAX && m.mr * m.nr <= NNCF__TILE_MAX,
        "%s: the tile is too large", t->tested->name);
}

static void check_micro(kernel_check *t, bool listed)
{
    nncf__microkernel m;
    nncf__microkernel_builtin(t->tested, &m);
    panels p = draw_panels(&m, depth_of(t->round), listed);
    kc_output(t, (size_t)(p.used * p.v) * sizeof(float));
    for (int64_t i = 0; i < p.used * p.v; i++) {
        ((float *)t->out[0].want)[i] = (float)(2 * integer_sum(&p, i / p.v, i % p.v));
        ((float *)t->out[0].got)[i] = NAN; /* must be written, not multiplied by zero */
    }
    for (int add = 0; add < 2; add++)
        if (listed)
            CALL_NEW(t,
                k->gemm_micro_rows(
                    (size_t)p.k, p.values, p.rows, p.lines, (size_t)p.used, kc_out(t, 0), add));
        else
            CALL_NEW(t,
                k->gemm_micro((size_t)p.k, p.values, p.lines, (size_t)p.used, kc_out(t, 0), add));
    kc_compare(t, KC_VALUES, 0);
    free_panels(&p);
}

static void micro(kernel_check *t)
{
    check_micro(t, false);
}

static void micro_rows(kernel_check *t)
{
    check_micro(t, true);
}

/* Runs of a panel, `step` apart, times rows that lie apart; and the same again. */
static void rows_runs(kernel_check *t)
{
    nncf__microkernel m;
    nncf__microkernel_builtin(t->tested, &m);
    const int64_t step = (int64_t)kc_any(1, 3);
    panels p = draw_panels(&m, 3 * depth_of(t->round) + 1, false);
    nncf__segment runs[MAX_SEGMENTS];
    size_t n_runs = 0;
    int64_t lines = 0;
    while (n_runs < MAX_SEGMENTS && kc_any(0, 9) > 0) {
        const int64_t length = (int64_t)kc_any(0, (size_t)((p.k - 1) / step)) + 1;
        runs[n_runs++] =
            (nncf__segment){.src = (int64_t)kc_any(0, (size_t)(p.k - 1 - (length - 1) * step)),
                .dst = (int32_t)lines,
                .length = (int32_t)length};
        lines += length + (int64_t)kc_any(0, 3);
    }
    const int64_t stride = lines + (int64_t)kc_any(0, 9);
    const size_t n_b = (size_t)((p.used - 1) * stride + lines);
    float *b = guard_alloc(n_b);
    for (size_t i = 0; i < n_b; i++)
        b[i] = (float)((int)(fx_random32() % 15) - 7);
    kc_output(t, (size_t)(p.used * p.v) * sizeof(float));
    for (int64_t i = 0; i < p.used * p.v; i++) {
        int64_t sum = 0;
        for (const nncf__segment *r = runs; r < runs + n_runs; r++)
            for (int64_t j = 0; j < r->length; j++)
                sum += (int64_t)p.values[(r->src + j * step) * p.v + i % p.v] *
                    (int64_t)b[i / p.v * stride + r->dst + j];
        ((float *)t->out[0].want)[i] = (float)(2 * sum);
        ((float *)t->out[0].got)[i] = NAN; /* must be written, not multiplied by zero */
    }
    for (int add = 0; add < 2; add++)
        CALL_NEW(t,
            k->gemm_rows_runs(
                n_runs, runs, step, p.values, b, stride, (size_t)p.used, kc_out(t, 0), add));
    kc_compare(t, KC_VALUES, 0);
    guard_free(b, n_b);
    free_panels(&p);
}

/* Integer sums, with those of an earlier part of k half of the time, times a power of two, plus
 * whole numbers: exact. What lies between planes is left alone. */
static void check_micro_store(kernel_check *t, bool listed)
{
    nncf__microkernel m;
    nncf__microkernel_builtin(t->tested, &m);
    panels p = draw_panels(&m, depth_of(t->round), listed);
    float scale[NNCF__TILE_EDGE_MAX], bias[NNCF__TILE_EDGE_MAX];
    for (int64_t s = 0; s < p.used; s++) {
        scale[s] = ldexpf(1.0f, (int)kc_any(0, 4) - 2);
        bias[s] = (float)kc_any(0, 100);
    }
    const bool stream = fx_random32() % 2, adds = fx_random32() % 2;
    _Alignas(64) float earlier[NNCF__TILE_MAX];
    for (int64_t i = 0; i < NNCF__TILE_MAX; i++)
        earlier[i] = (float)kc_any(0, 1000);
    const int64_t stride = stream ? p.v + 16 * (int64_t)kc_any(0, 2) : p.v + (int64_t)kc_any(0, 9);
    const size_t offset = stream ? 0 : kc_any(0, 5), n = (size_t)(p.used * stride) + offset;
    float *z = aligned_alloc(64, (n * 4 + 63) / 64 * 64);
    for (size_t i = 0; i < n; i++)
        z[i] = -7.5f;
    const float *before = adds ? earlier : NULL;
    if (listed)
        CALL_NEW(t,
            k->gemm_micro_rows_store((size_t)p.k, p.values, p.rows, p.lines, (size_t)p.used, before,
                scale, bias, z + offset, stride, stream));
    else
        CALL_NEW(t,
            k->gemm_micro_store((size_t)p.k, p.values, p.lines, (size_t)p.used, before, scale, bias,
                z + offset, stride, stream));
    t->tested->gemm_streams_end();
    for (size_t i = 0; i < n; i++) {
        const int64_t at = (int64_t)i - (int64_t)offset, s = at / stride, v = at % stride;
        const bool between = at < 0 || v >= p.v;
        const float first = !between && adds ? earlier[s * p.v + v] : 0.0f,
                    want = between ? -7.5f
                                   : (first + (float)integer_sum(&p, s, v)) * scale[s] + bias[s];
        REQUIRE(z[i] == want, "%s: micro_store, k %d, [%zu]: %g, expected %g", t->tested->name,
            (int)p.k, i, (double)z[i], (double)want);
    }
    free(z);
    free_panels(&p);
}

static void micro_store(kernel_check *t)
{
    check_micro_store(t, false);
}

static void micro_rows_store(kernel_check *t)
{
    check_micro_store(t, true);
}

/* The same of rows that lie apart, times one factor, with a bias of the columns, or in place. */
static void rows(kernel_check *t)
{
    nncf__microkernel m;
    nncf__microkernel_builtin(t->tested, &m);
    panels p = draw_panels(&m, depth_of(t->round), false);
    const bool adds = fx_random32() % 2, in_place = adds && fx_random32() % 2;
    const float factor = ldexpf(1.0f, (int)kc_any(0, 4) - 2);
    const int64_t b_stride = p.k + (int64_t)kc_any(0, 9),
                  stride = in_place ? p.v : p.v + (int64_t)kc_any(0, 9);
    const size_t n_b = (size_t)((p.used - 1) * b_stride + p.k),
                 n = (size_t)((p.used - 1) * stride + p.v);
    float *b = guard_alloc(n_b), *z = guard_alloc(n);
    float bias[NNCF__TILE_EDGE_MAX], earlier[NNCF__TILE_MAX];
    const bool has_bias = fx_random32() % 2;
    for (int64_t s = 0; s < p.used; s++)
        for (int64_t i = 0; i < p.k; i++)
            b[s * b_stride + i] = p.lines[i * p.s + s];
    for (int64_t i = 0; i < NNCF__TILE_EDGE_MAX; i++)
        bias[i] = (float)kc_any(0, 100);
    for (int64_t i = 0; i < NNCF__TILE_MAX; i++)
        earlier[i] = (float)kc_any(0, 1000);
    for (size_t i = 0; i < n; i++)
        z[i] = in_place ? earlier[i] : -7.5f;
    CALL_NEW(t,
        k->gemm_rows((size_t)p.k, p.values, b, b_stride, (size_t)p.used,
            in_place   ? z
                : adds ? earlier
                       : NULL,
            factor, has_bias ? bias : NULL, z, stride));
    for (size_t i = 0; i < n; i++) {
        const int64_t s = (int64_t)i / stride, v = (int64_t)i % stride;
        const float first = v < p.v && adds ? earlier[s * p.v + v] : 0.0f,
                    want = v >= p.v
            ? -7.5f
            : (first + (float)integer_sum(&p, s, v)) * factor + (has_bias ? bias[v] : 0.0f);
        REQUIRE(z[i] == want, "%s: rows, k %d, [%zu]: %g, expected %g", t->tested->name, (int)p.k,
            i, (double)z[i], (double)want);
    }
    guard_free(b, n_b);
    guard_free(z, n);
    free_panels(&p);
}

static char log_text[1024];

static void log_line(void *user, int32_t level, const char *line)
{
    (void)user;
    (void)level;
    snprintf(log_text + strlen(log_text), sizeof log_text - strlen(log_text), "%s\n", line);
}

static nncf_context *context_at(int32_t isa)
{
    nncf_context *c = NULL;
    nncf_context_params params = {
        .struct_size = sizeof params, .max_isa = isa, .n_threads = 1, .log = log_line};
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &c, NULL), NNCF_OK);
    return c;
}

START_TEST(microkernels_of_a_context_give_integer_sums)
{
    for (int i = 0; i < kc_isas(); i++) {
        nncf_context *c = context_at(kc_isa(i)->isa);
        nncf__microkernel m;
        nncf__microkernel_get(c, &m);
        ck_assert(m.mr <= NNCF__TILE_EDGE_MAX && m.nr <= NNCF__TILE_EDGE_MAX &&
            m.mr * m.nr <= NNCF__TILE_MAX);
        for (int64_t k = 0; k <= 40; k++)
            check_microkernel(&m, k);
        check_microkernel(&m, 250);
        nncf_context_destroy(c);
    }
}
END_TEST

/* What BLIS_ARCH_TYPE may hold: every test is a process of its own, so BLIS has not been called
 * before. */
static const struct {
    const char *value, *expected; /* NULL: our own choice */
    bool warns;
} settings[] = {{NULL, NULL, false}, {"haswell", "haswell", false}, {"zen3", "zen3", false},
    {"6", "zen3", false}, {"generic", "generic", false}, {"skx", "skx", false},
    {"nonsense", NULL, true}, {"99", NULL, true}, {"-1", NULL, true}, {"13", NULL, true},
    {"", NULL, true}, {"3x", NULL, true}, {"penryn", "penryn", false}};

START_TEST(blis_arch_type_chooses_the_microkernel)
{
    const char *value = settings[_i].value;
    if (value)
        setenv("BLIS_ARCH_TYPE", value, 1);
    else
        unsetenv("BLIS_ARCH_TYPE");
    nncf_context *c = context_at(NNCF_ISA_BEST);
    const char *text = nncf__gemm_describe(c);
    ck_assert_ptr_nonnull(strstr(text, settings[_i].expected ? settings[_i].expected : "skx"));
    ck_assert_msg(
        (strstr(log_text, "BLIS_ARCH_TYPE") != NULL) == settings[_i].warns, "log: %s", log_text);
    /* The caller's environment is as it was. */
    const char *now = getenv("BLIS_ARCH_TYPE");
    ck_assert_ptr_eq(value ? now : NULL, now);
    if (value)
        ck_assert_str_eq(now, value);
    nncf__microkernel m;
    nncf__microkernel_get(c, &m);
    for (int64_t k = 1; k < 300; k += 7)
        check_microkernel(&m, k);
    nncf_context_destroy(c);
}
END_TEST

/* A ceiling below what BLIS needs: our own micro-kernel. */
START_TEST(an_isa_below_blis_takes_our_microkernel)
{
    setenv("BLIS_ARCH_TYPE", "skx", 1);
    nncf_context *low = context_at(NNCF_ISA_AVX2);
    ck_assert_str_eq(nncf__gemm_describe(low), "none");
    nncf__microkernel m;
    nncf__microkernel_get(low, &m);
    ck_assert_int_eq(m.mr, 16);
    ck_assert_int_eq(m.nr, 6);
    nncf_context_destroy(low);
}
END_TEST

static const kc_case cases[] = {
    {"gemm_gather", gather, 400, 60},
    {"gemm_gather_bytes", gather_bytes, 600, 60},
    {"gemm_quantize_inplace", quantize_inplace, 70, 70},
    {"gemm_transpose", transpose, 600, 60},
    {"gemm_accumulate_f64", accumulate_f64, 300, 60},
    {"gemm_to_f32", to_f32, 300, 60},
    {"gemm_store", store, 300, 60},
    {"gemm_dots", dots, 171, 171},
    {"gemm_rows_runs", rows_runs, 41, 120},
    {"gemm_tile", tile, 1, 1},
    {"gemm_micro", micro, 42, 42},
    {"gemm_micro_store", micro_store, 42, 42},
    {"gemm_micro_rows", micro_rows, 42, 42},
    {"gemm_micro_rows_store", micro_rows_store, 42, 42},
    {"gemm_rows", rows, 42, 42},
    {"gemm_streams_end", micro_store, 42, 42},
};

/* The reference of the microkernels is no reference above: it gives integer sums, too. */
START_TEST(reference_gives_integer_sums)
{
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int round = 0; round < 42; round++)
            if (strncmp(cases[i].kernel, "gemm_micro", 10) == 0 || cases[i].check == rows ||
                cases[i].check == tile)
                kc_run(&cases[i], kc_reference(), round);
}
END_TEST

static void more(TCase *tests)
{
    kc_add_isa_test(tests, quantizing_gives_the_code_back, false);
    kc_add_isa_test(tests, dots_of_codes_are_integer_sums, true);
    tcase_add_test(tests, reference_gives_integer_sums);
    tcase_add_test(tests, microkernels_of_a_context_give_integer_sums);
    if (nncf__kernels_get(NNCF_ISA_AVX512)) {
        /* built without BLIS there is nothing to choose */
        if (strcmp(nncf__blis_describe(), "none") != 0)
            tcase_add_loop_test(
                tests, blis_arch_type_chooses_the_microkernel, 0, (int)COUNT(settings));
        tcase_add_test(tests, an_isa_below_blis_takes_our_microkernel);
    }
}

int main(int argc, char **argv)
{
    return kc_main(argc, argv, "gemm_", cases, COUNT(cases), more);
}
