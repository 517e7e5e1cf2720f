/* SPDX-License-Identifier: Apache-2.0 */
/* The rows behind the products (gemm_...) against the reference rows bit for bit, micro-kernels
 * against integer sums, and which of BLIS's micro-kernels is taken. */
#include "gemm/microkernel.h"
#include "kernels/kernels.h"
#include "support/require.h"

#include "product_rows.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Some rows of random values with a NaN, an infinity and both zeros among them. */
static void fill(float *x, size_t n)
{
    static const float special[] = {NAN, INFINITY, -0.0f, 0.0f, 1e-42f};
    guard_fill(x, n);
    for (size_t i = 0; i < n / 50; i++)
        x[guard_random() % n] = special[guard_random() % COUNT(special)];
}

START_TEST(gather)
{
    const nncf__kernels *k = nncf__kernels_get(levels[_i]), *r = reference();
    for (int round = 0; round < sweep_rounds(400, 60); round++) {
        size_t channels = any(0, 5), n_segments = any(0, 12), at = 0;
        int64_t step = (int64_t)any(1, 3), plane = (int64_t)any(1, 300);
        size_t n_src = (channels ? channels - 1 : 0) * (size_t)plane + 200;
        nncf__segment pieces[12];
        for (size_t i = 0; i < n_segments; i++) {
            size_t length = any(1, 1 + (round % 3 ? 33 : 4)),
                   reach = (length - 1) * (size_t)step + 1;
            pieces[i] =
                (nncf__segment){.src = guard_random() % 4 ? (int64_t)any(0, 200 - reach) : -1,
                    .dst = (int32_t)at,
                    .length = (int32_t)length};
            at += length + any(0, 2);
        }
        size_t stride = at + any(0, 9), n_dst = (channels + 1) * (stride + 1);
        float *src = guard_alloc(n_src), *got = guard_alloc(n_dst),
              *want = malloc(n_dst * sizeof *want);
        fill(src, n_src);
        memset(got, 0x55, n_dst * sizeof *got);
        memset(want, 0x55, n_dst * sizeof *want);
        k->gemm_gather(channels, src, plane, step, n_segments, pieces, got, stride);
        r->gemm_gather(channels, src, plane, step, n_segments, pieces, want, stride);
        assert_bits("gemm_gather", got, want, n_dst * sizeof *got);
        guard_free(src, n_src);
        guard_free(got, n_dst);
        free(want);
    }
}
END_TEST

START_TEST(gather_bytes)
{
    const nncf__kernels *k = nncf__kernels_get(levels[_i]), *r = reference();
    for (int round = 0; round < sweep_rounds(600, 60); round++) {
        size_t channels = any(0, 5), n_segments = any(0, 12), at = 0;
        int64_t step = (int64_t)any(1, 3), plane = (int64_t)any(1, 300);
        size_t reach = 0, n_src = (channels ? channels - 1 : 0) * (size_t)plane + 200;
        nncf__segment pieces[12];
        for (size_t i = 0; i < n_segments; i++) {
            size_t length = i % 5 ? any(1, 1 + (round % 3 ? 50 : 4)) : 32;
            reach = (length - 1) * (size_t)step + 1;
            /* Both ends of the source, too. */
            int64_t src =
                guard_random() % 3 ? (int64_t)any(0, 200 - reach) : (int64_t)(200 - reach);
            pieces[i] = (nncf__segment){.src = guard_random() % 4 ? src : -1,
                .dst = (int32_t)at,
                .length = (int32_t)length};
            at += length + any(0, 2);
        }
        size_t stride = at + any(0, 9), n_dst = (channels + 1) * (stride + 1);
        const nncf__bytes as = {.flip = round % 2 ? 0x80 : 0,
            .offset = (float)any(0, 255),
            .scale = round % 5 ? 1.0f : 0.0173f};
        uint8_t *src = guard_bytes(n_src);
        float *got = guard_alloc(n_dst), *want = malloc(n_dst * sizeof *want);
        for (size_t i = 0; i < n_src; i++)
            src[i] = (uint8_t)guard_random();
        memset(got, 0x55, n_dst * sizeof *got);
        memset(want, 0x55, n_dst * sizeof *want);
        k->gemm_gather_bytes(channels, src, plane, step, n_segments, pieces, &as, got, stride);
        r->gemm_gather_bytes(channels, src, plane, step, n_segments, pieces, &as, want, stride);
        assert_bits("gemm_gather_bytes", got, want, n_dst * sizeof *got);
        guard_free_bytes(src, n_src);
        guard_free(got, n_dst);
        free(want);
    }
}
END_TEST

START_TEST(codes)
{
    const nncf__kernels *k = nncf__kernels_get(levels[_i]), *r = reference();
    for (size_t n = 1; n <= 70; n++) {
        float *got = guard_alloc(n), *want = malloc(n * sizeof *want), step = 0.37f / (float)n;
        for (size_t i = 0; i < n; i++)
            want[i] = got[i] =
                i % 9 == 8 ? -0.0f : (float)((int)(guard_random() % 511) - 255) * step;
        k->gemm_quantize_inplace(n, got, 1.0f / step);
        r->gemm_quantize_inplace(n, want, 1.0f / step);
        assert_bits("gemm_quantize_inplace", got, want, n * sizeof *got);
        guard_free(got, n);
        free(want);
    }
    /* Every code of every step comes back: the packers rely on it. */
    for (int i = 0; i < sweep_rounds(2000, 100); i++) {
        float step = ldexpf(1.0f + (float)(guard_random() >> 8) * 0x1p-24f, (int)any(0, 80) - 60),
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

START_TEST(transpose)
{
    const nncf__kernels *k = nncf__kernels_get(levels[_i]), *r = reference();
    static const size_t widths[] = {4, 6, 8, 12, 16, 32};
    for (int round = 0; round < sweep_rounds(600, 60); round++) {
        size_t width = widths[guard_random() % COUNT(widths)], rows = any(0, width), n = any(0, 70);
        int64_t stride = (int64_t)(n + any(0, 5));
        size_t n_src = (rows ? rows - 1 : 0) * (size_t)stride + n + 1, n_dst = n * width + 1;
        float *src = guard_alloc(n_src), *got = guard_alloc(n_dst),
              *want = malloc(n_dst * sizeof *want);
        fill(src, n_src);
        got[n_dst - 1] = want[n_dst - 1] = 7;
        k->gemm_transpose(rows, n, src + 1, stride, got, width);
        r->gemm_transpose(rows, n, src + 1, stride, want, width);
        assert_bits("gemm_transpose", got, want, n_dst * sizeof *got);
        guard_free(src, n_src);
        guard_free(got, n_dst);
        free(want);
    }
}
END_TEST

START_TEST(tiles)
{
    const nncf__kernels *k = nncf__kernels_get(levels[_i]), *r = reference();
    for (int round = 0; round < sweep_rounds(300, 60); round++) {
        size_t v = 8 * any(1, 4), s = any(1, 12), n = v * s, n_segments = 0, lane = 0;
        int64_t step = (int64_t)any(1, 3), z_stride = (int64_t)any(v * 4, v * 4 + 9);
        float tile[NNCF__TILE_MAX], back[NNCF__TILE_MAX], want_back[NNCF__TILE_MAX], scale[16],
            bias[16];
        double got_sum[NNCF__TILE_MAX], want_sum[NNCF__TILE_MAX];
        guard_fill(tile, n);
        guard_fill(scale, s);
        guard_fill(bias, s);
        for (int add = 0; add < 2; add++) {
            k->gemm_accumulate_f64(n, tile, got_sum, add);
            r->gemm_accumulate_f64(n, tile, want_sum, add);
        }
        assert_bits("gemm_accumulate_f64", got_sum, want_sum, n * sizeof *got_sum);
        k->gemm_to_f32(n, got_sum, back);
        r->gemm_to_f32(n, got_sum, want_back);
        assert_bits("gemm_to_f32", back, want_back, n * sizeof *back);

        nncf__segment pieces[32];
        while (lane < v && (round % 4 || n_segments == 0)) {
            size_t length = round % 4 ? any(1, v - lane) : v;
            pieces[n_segments++] = (nncf__segment){
                .src = (int64_t)lane * step + 2, .dst = (int32_t)lane, .length = (int32_t)length};
            lane += length + any(0, 1);
        }
        size_t n_z = (size_t)z_stride * s;
        float *got = guard_alloc(n_z), *want = malloc(n_z * sizeof *want);
        memset(got, 0x55, n_z * sizeof *got);
        memset(want, 0x55, n_z * sizeof *want);
        k->gemm_store(v, s, tile, scale, bias, got, z_stride, step, pieces, n_segments);
        r->gemm_store(v, s, tile, scale, bias, want, z_stride, step, pieces, n_segments);
        assert_bits("gemm_store", got, want, n_z * sizeof *got);
        guard_free(got, n_z);
        free(want);
    }
}
END_TEST

/* A row of the products without a check above fails here. */
START_TEST(every_row_has_a_check)
{
    static const char *const names[] = {
#define NNCF_KERNEL(name, result, args) #name,
#include "kernels/kernels.def"
#undef NNCF_KERNEL
    };
    static const char *const checked[] = {"gemm_tile", "gemm_micro", "gemm_micro_store",
        "gemm_streams_end", "gemm_gather", "gemm_gather_bytes", "gemm_quantize_inplace",
        "gemm_transpose", "gemm_dots", "gemm_accumulate_f64", "gemm_to_f32", "gemm_store"};
    for (size_t i = 0; i < COUNT(names); i++) {
        bool found = strncmp(names[i], "gemm_", 5) != 0;
        for (size_t c = 0; c < COUNT(checked); c++)
            found = found || strcmp(checked[c], names[i]) == 0;
        ck_assert_msg(found, "the row %s has no check in test_gemm.c", names[i]);
    }
}
END_TEST

/* ---- micro-kernels ---- */

/* Integer sums are exact, what lies between rows is left alone, and floats have the same bits
 * wherever they stand. */
static void check_dots(const nncf__kernels *k, size_t n, size_t n_a, size_t n_b)
{
    size_t stride_a = n + any(0, 9), stride_b = n + any(0, 9), stride = n_b + any(0, 3);
    size_t size_a = (n_a - 1) * stride_a + n, size_b = (n_b - 1) * stride_b + n,
           size = n_a * stride;
    float *a = guard_alloc(size_a), *b = guard_alloc(size_b), *sums = guard_alloc(size), one[2];
    const nncf__dots_fetch fetch = {(int64_t)any(0, 9999) - 5000, any(0, 1), 2};
    for (size_t i = 0; i < size_a; i++)
        a[i] = (float)((int)(guard_random() % 511) - 255);
    for (size_t i = 0; i < size_b; i++)
        b[i] = (float)((int)(guard_random() % 255) - 127);
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
    guard_fill(a, size_a);
    guard_fill(b, size_b);
    k->gemm_dots(n, a, (int64_t)stride_a, n_a, b, (int64_t)stride_b, n_b, NULL, sums,
        (int64_t)stride, false);
    for (int i = 0; i < 5; i++) {
        size_t row = any(0, n_a - 1), col = any(0, n_b - 1);
        k->gemm_dots(n, a + row * stride_a, 0, 1, b + col * stride_b, 0, 1, NULL, one, 1, false);
        assert_bits("gemm_dots, one by one,", one, sums + row * stride + col, sizeof *one);
    }
    guard_free(a, size_a);
    guard_free(b, size_b);
    guard_free(sums, size);
}

START_TEST(dots)
{
    const nncf__kernels *k = _i < 0 ? reference() : nncf__kernels_get(levels[_i]);
    for (size_t n_a = 1; n_a <= 9; n_a++)
        for (size_t n_b = 1; n_b <= 19; n_b++)
            check_dots(k, 16 * any(0, 9), n_a, n_b);
}
END_TEST

/* Integer sums times a power of two, plus whole numbers: exact. What lies between planes is left
 * alone. */
static void check_micro_store(
    const nncf__microkernel *m, int64_t k, const float *pv, const float *ps, int64_t used)
{
    float scale[NNCF__SIDE_MAX], bias[NNCF__SIDE_MAX];
    for (int64_t s = 0; s < used; s++) {
        scale[s] = ldexpf(1.0f, (int)any(0, 4) - 2);
        bias[s] = (float)any(0, 100);
    }
    bool stream = guard_random() % 2;
    int64_t stride = stream ? m->v + 16 * (int64_t)any(0, 2) : m->v + (int64_t)any(0, 9);
    size_t offset = stream ? 0 : any(0, 5), n = (size_t)(used * stride) + offset;
    float *z = aligned_alloc(64, (n * 4 + 63) / 64 * 64);
    for (size_t i = 0; i < n; i++)
        z[i] = -7.5f;
    m->k->gemm_micro_store(
        (size_t)k, pv, ps, (size_t)used, scale, bias, z + offset, stride, stream);
    m->k->gemm_streams_end();
    for (size_t i = 0; i < n; i++) {
        int64_t at = (int64_t)i - (int64_t)offset, s = at / stride, v = at % stride, sum = 0;
        bool between = at < 0 || v >= m->v;
        for (int64_t j = 0; !between && j < k; j++)
            sum += (int64_t)pv[j * m->v + v] * (int64_t)ps[j * m->s + s];
        float want = between ? -7.5f : (float)sum * scale[s] + bias[s];
        REQUIRE(z[i] == want, "micro_store, k %d, [%zu]: %g, expected %g", (int)k, i, (double)z[i],
            (double)want);
    }
    free(z);
}

/* c = panel products and c += the same again, against integer sums; then the row that scales and
 * stores. */
static void check_micro(const nncf__microkernel *m, int64_t k)
{
    int64_t used = guard_random() % 2 ? m->s : (int64_t)any(1, (size_t)m->s);
    size_t n_v = (size_t)(k * m->v), n_s = (size_t)(k * m->s), tile = (size_t)(m->v * m->s);
    float *pv = aligned_alloc(64, (n_v * 4 + NNCF__PANEL_SLACK + 63) / 64 * 64);
    float *ps = aligned_alloc(64, (n_s * 4 + NNCF__PANEL_SLACK + 63) / 64 * 64);
    float *c = guard_alloc(tile);
    for (size_t i = 0; i < n_v; i++)
        pv[i] = (float)((int)(guard_random() % 511) - 255);
    for (size_t i = 0; i < n_s; i++)
        ps[i] = (float)((int)(guard_random() % 255) - 127);
    for (int add = 0; add < 2; add++) {
        for (size_t i = 0; i < tile; i++)
            c[i] = add ? c[i] : NAN; /* must be written, not multiplied by zero */
        m->run(m, k, pv, ps, used, c, add);
    }
    for (int64_t s = 0; s < used; s++)
        for (int64_t v = 0; v < m->v; v++) {
            int64_t sum = 0;
            for (int64_t i = 0; i < k; i++)
                sum += (int64_t)pv[i * m->v + v] * (int64_t)ps[i * m->s + s];
            REQUIRE(c[s * m->v + v] == (float)(2 * sum), "k %d, tile (%d, %d): %g, expected %g",
                (int)k, (int)v, (int)s, (double)c[s * m->v + v], (double)(2 * sum));
        }
    if (m->has_builtin)
        check_micro_store(m, k, pv, ps, used);
    free(pv);
    free(ps);
    guard_free(c, tile);
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

START_TEST(micro_kernels)
{
    for (size_t i = 0; i < COUNT(levels); i++) {
        if (!nncf__kernels_get(levels[i]))
            continue;
        nncf_context *c = context_at(levels[i]);
        nncf__microkernel m;
        nncf__microkernel_get(c, &m);
        ck_assert(m.v <= NNCF__SIDE_MAX && m.s <= NNCF__SIDE_MAX && m.v * m.s <= NNCF__TILE_MAX);
        for (int64_t k = 0; k <= 40; k++)
            check_micro(&m, k);
        check_micro(&m, 250);
        nncf_context_destroy(c);
    }
}
END_TEST

/* Our own at every level, whatever BLIS has: the reference row is naive. */
START_TEST(own_micro_kernels)
{
    static const int32_t all[] = {
        NNCF_ISA_REFERENCE, NNCF_ISA_PORTABLE, NNCF_ISA_AVX2, NNCF_ISA_AVX512};
    for (size_t i = 0; i < COUNT(all); i++) {
        const nncf__kernels *k = nncf__kernels_get(all[i]);
        if (!k)
            continue;
        nncf__microkernel m;
        nncf__microkernel_builtin(k, &m);
        for (int64_t depth = 0; depth <= 20; depth++)
            check_micro(&m, depth);
        check_micro(&m, 250);
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

START_TEST(blis_configurations)
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
        check_micro(&m, k);
    nncf_context_destroy(c);
}
END_TEST

/* A ceiling below what BLIS needs: our own micro-kernel. */
START_TEST(ceiling)
{
    setenv("BLIS_ARCH_TYPE", "skx", 1);
    nncf_context *low = context_at(NNCF_ISA_AVX2);
    ck_assert_str_eq(nncf__gemm_describe(low), "none");
    nncf__microkernel m;
    nncf__microkernel_get(low, &m);
    ck_assert_int_eq(m.v, 16);
    ck_assert_int_eq(m.s, 6);
    nncf_context_destroy(low);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("gemm");
    TCase *t = fx_case(s, "gemm", 120);
    const int n = levels_here();
    tcase_add_loop_test(t, gather, 0, n);
    tcase_add_loop_test(t, gather_bytes, 0, n);
    tcase_add_loop_test(t, codes, 0, n);
    tcase_add_loop_test(t, transpose, 0, n);
    tcase_add_loop_test(t, tiles, 0, n);
    tcase_add_loop_test(t, dots, -1, n);
    tcase_add_test(t, every_row_has_a_check);
    tcase_add_test(t, own_micro_kernels);
    tcase_add_test(t, micro_kernels);
    if (nncf__kernels_get(NNCF_ISA_AVX512)) {
        if (strcmp(nncf__blis_describe(), "none") != 0) /* built without it: nothing to choose */
            tcase_add_loop_test(t, blis_configurations, 0, (int)COUNT(settings));
        tcase_add_test(t, ceiling);
    }
    return s;
}

int main(int argc, char **argv)
{
    return guard_run(suite(), argc, argv);
}
