/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binary products: every table that this CPU can run against plain loops over values 0, 1 and -1,
 * 1; convolutions of bits against the naive loops over such floats, and bit by bit against the same
 * product of codes. Sizes around tiles and words, padding, groups, strides, dilation, threads.
 */
#include "base/context.h"
#include "base/pool.h"
#include "conv/conv2d.h"
#include "kernels/binary.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"
#include "support/context.h"
#include "support/guard.h"
#include "support/random.h"
#include "support/require.h"
#include "support/runner.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MR_MAX = NNCF__BINARY_MR_MAX, NR_MAX = NNCF__BINARY_NR_MAX };

static uint32_t below(uint32_t n)
{
    return fx_random32() % n;
}

static uint64_t word(int density)
{
    uint64_t w = 0;
    for (int i = 0; i < 64; i++)
        w |= (uint64_t)(below(100) < (uint32_t)density) << i;
    return w;
}

/* The sum of products of the values that the bits stand for. */
static int64_t sum_of(const nncf__binary_kernels *k, size_t n_words, const uint64_t *pixels,
    const uint64_t *weights, size_t i, size_t j)
{
    int64_t sum = 0;
    for (size_t q = 0; q < n_words; q++)
        for (int bit = 0; bit < 64; bit++) {
            const int x = (int)(pixels[q * k->mr + i] >> bit & 1),
                      w = weights[q * k->nr + j] >> bit & 1 ? 1 : -1;
            sum += x * w;
        }
    return sum;
}

static void check_table(const nncf__binary_kernels *k, size_t n_words, int density)
{
    uint64_t *pixels, *weights;
    ck_assert_int_eq(posix_memalign((void **)&pixels, 64, (n_words * k->mr + 1) * 8), 0);
    ck_assert_int_eq(posix_memalign((void **)&weights, 64, (n_words * k->nr + 1) * 8), 0);
    for (size_t i = 0; i < n_words * k->mr; i++)
        pixels[i] = word(density);
    for (size_t i = 0; i < n_words * k->nr; i++)
        weights[i] = word(density == 100 ? 100 * (int)below(2) : 50);
    _Alignas(64) int32_t start[MR_MAX];
    _Alignas(64) float tile[MR_MAX * NR_MAX];
    float scale[NR_MAX], bias[NR_MAX], sums[NR_MAX][MR_MAX], z[NR_MAX][MR_MAX + 8];
    for (size_t j = 0; j < NR_MAX; j++) {
        scale[j] = ldexpf((float)(1 + below(1000)), -12);
        bias[j] = j % 3 ? (float)below(100) - 50.0f : -0.0f;
    }
    k->starts(n_words, pixels, start);
    for (size_t j = 0; j < k->nr; j++)
        for (size_t i = 0; i < k->mr; i++)
            sums[j][i] = (float)sum_of(k, n_words, pixels, weights, i, j);
    for (size_t used = 1; used <= k->nr; used++) {
        for (size_t j = 0; j < NR_MAX; j++)
            for (size_t i = 0; i < MR_MAX + 8; i++)
                z[j][i] = 1234.0f;
        k->micro(n_words, pixels, weights, used, start, tile);
        k->micro_store(n_words, pixels, weights, used, start, scale, bias, &z[0][3], MR_MAX + 8);
        for (size_t j = 0; j < NR_MAX; j++)
            for (size_t i = 0; i < MR_MAX + 8; i++) {
                if (j >= used || i < 3 || i - 3 >= k->mr) {
                    REQUIRE(z[j][i] == 1234.0f, "%s writes outside", k->name);
                    continue;
                }
                const float sum = sums[j][i - 3], want = sum * scale[j] + bias[j];
                REQUIRE(memcmp(&z[j][i], &want, sizeof want) == 0,
                    "%s: words %zu used %zu (%zu, %zu): %.9g, not %.9g", k->name, n_words, used,
                    i - 3, j, (double)z[j][i], (double)want);
                REQUIRE(tile[j * k->mr + i - 3] == sum, "%s: tile", k->name);
            }
    }
    free(pixels);
    free(weights);
}

START_TEST(sums_are_exact_integers_rounded_once)
{
    static const size_t lengths[] = {0, 1, 2, 18, 31, 32, 63, 70};
    for (size_t t = 0; nncf__binary_kernels_at(t); t++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
            for (int density = 0; density <= 100; density += 50)
                check_table(nncf__binary_kernels_at(t), lengths[i], density);
}
END_TEST

START_TEST(nine_taps_are_parted)
{
    enum { WORDS = 3, WORD_STRIDE = 2, TAP_STRIDE = 7, N = 8 * TAP_STRIDE + WORDS * WORD_STRIDE };
    for (size_t t = 0; nncf__binary_kernels_at(t); t++) {
        const nncf__binary_kernels *k = nncf__binary_kernels_at(t);
        uint64_t *bits = (uint64_t *)(void *)guard_alloc(2 * 9 * WORDS), to[N];
        for (size_t i = 0; i < 9 * WORDS; i++)
            bits[i] = word(50);
        for (size_t n = 0; n <= WORDS; n++) {
            for (size_t i = 0; i < N; i++)
                to[i] = 1234;
            k->part_nine(n, bits, to, WORD_STRIDE, TAP_STRIDE);
            size_t written = 0;
            for (size_t w = 0; w < n; w++)
                for (size_t tap = 0; tap < 9; tap++, written++)
                    for (size_t c = 0; c < 64; c++) {
                        const size_t at = (64 * w + c) * 9 + tap;
                        REQUIRE((to[w * WORD_STRIDE + tap * TAP_STRIDE] >> c & 1) ==
                                (bits[at / 64] >> at % 64 & 1),
                            "%s: word %zu, tap %zu, channel %zu", k->name, w, tap, c);
                    }
            for (size_t i = 0; i < N; i++)
                written += to[i] == 1234;
            ck_assert_msg(written == N, "%s writes elsewhere", k->name);
        }
        guard_free((float *)(void *)bits, 2 * 9 * WORDS);
    }
}
END_TEST

START_TEST(a_ceiling_on_the_isa_is_kept)
{
    ck_assert_ptr_null(nncf__binary_kernels_get(NNCF_ISA_REFERENCE));
    ck_assert_str_eq(nncf__binary_kernels_at(0)->name, "reference");
    ck_assert_str_eq(nncf__binary_kernels_get(NNCF_ISA_PORTABLE)->name, "portable");
    ck_assert_ptr_nonnull(nncf__binary_kernels_at(1));
    nncf_context *c = fx_new_context(NULL, 1, NNCF_ISA_REFERENCE, 1);
    ck_assert_ptr_null(c->binary);
    nncf_context_destroy(c);
}
END_TEST

/* ---- elementwise ---- */

static void check_rows(const nncf__kernels *k)
{
    enum { N = 45, CHANNELS = 70 };
    float x[N], dy[N], y[N], dx[N];
    uint8_t codes[N];
    const float t = 0.25f, scale = 1.5f;
    double sum[1] = {100}, want = 100, sums[2] = {7, 8}, of_scale = 7, of_threshold = 8;
    for (int i = 0; i < N; i++) {
        x[i] = i % 9 ? (float)(i * 17 % N - 20) / 8 : i % 2 ? t : -0.0f;
        dy[i] = (float)(i * 7 % 13 - 6);
    }
    x[3] = scale;
    k->sum_abs(N, x, sum);
    k->binarize(N, x, t, 3.0f, -4.0f, y);
    k->binarize_codes(N, x, t, 1, -1, codes);
    k->binarize_backward(N, x, dy, t, scale, dx, sums);
    for (int i = 0; i < N; i++) {
        const double v = (double)x[i], g = (double)dy[i], out = x[i] > t ? 1.5 : 0;
        want += fabs(v);
        ck_assert(y[i] == (x[i] > t ? 3.0f : -4.0f));
        ck_assert_int_eq((int8_t)codes[i], x[i] > t ? 1 : -1);
        ck_assert(dx[i] == (x[i] >= 0 && x[i] <= scale ? dy[i] : 0.0f));
        of_scale += g * (x[i] <= scale ? (out - v) / 1.5 : 1);
        of_threshold += x[i] > 0 && x[i] < scale ? g : 0;
    }
    ck_assert_double_eq_tol(sum[0], want, 1e-4);
    ck_assert_double_eq_tol(sums[0], of_scale, 1e-4);
    ck_assert_double_eq_tol(sums[1], of_threshold, 1e-9);
    /* what is not a number is not above a threshold, and shows in the gradients */
    const float odd[2] = {NAN, 1}, ones[2] = {1, 1};
    double of_nan[2] = {0, 0};
    k->binarize(2, odd, t, 1, 0, y);
    k->binarize_codes(2, odd, t, 1, 0, codes);
    k->binarize_backward(2, odd, ones, t, scale, dx, of_nan);
    ck_assert(y[0] == 0 && y[1] == 1 && codes[0] == 0 && codes[1] == 1);
    ck_assert(isnan(of_nan[0]) && of_nan[1] == 1);

    float planes[CHANNELS][N], limits[CHANNELS];
    uint64_t words[N + 1];
    for (size_t n_channels = 1; n_channels <= 64; n_channels++)
        for (size_t n = 0; n <= N; n += n_channels % 3 ? 11 : 1) {
            for (size_t c = 0; c < n_channels; c++) {
                limits[c] = (float)(c % 5) / 5;
                for (size_t i = 0; i < n; i++)
                    planes[c][i] = (float)((c * 31 + i * 17) % 23) / 23;
            }
            words[n] = 1234;
            k->binarize_bits(n, n_channels, planes[0], N, limits, words);
            ck_assert(words[n] == 1234);
            for (size_t i = 0; i < n; i++) {
                uint64_t above = 0;
                for (size_t c = 0; c < n_channels; c++)
                    above |= (uint64_t)(planes[c][i] > limits[c]) << c;
                ck_assert_uint_eq(words[i], above);
            }
        }
}

START_TEST(rows_equal_loops)
{
    for (int32_t isa = NNCF_ISA_REFERENCE; isa <= NNCF_ISA_NEON; isa++)
        if (nncf__kernels_get(isa))
            check_rows(nncf__kernels_get(isa));
}
END_TEST

/* ---- convolutions ---- */

/* Values of x, 0 and 1, as bytes and as bits; of w, -1 and 1, as floats and as codes. */
typedef struct problem {
    nncf__conv2d s;
    size_t n_x, n_w, n_z, n_words;
    uint8_t *x;
    uint64_t *bits, *sign_bits;
    float *signs, *scale_w, *bias, *z, *of_codes;
    int8_t *w;
    float scale_x;
    size_t n_scales;
} problem;

static problem make(const nncf__conv2d *s, bool per_channel)
{
    problem p = {.s = *s, .scale_x = 0.37f, .n_scales = per_channel ? (size_t)s->c_out : 1};
    const size_t plane = (size_t)(s->h * s->w), in_group = (size_t)(s->c_in / s->groups),
                 words = (size_t)nncf__conv2d_bits_words(s), of_group = words / (size_t)s->groups;
    p.n_x = (size_t)(s->n * s->c_in) * plane;
    p.n_w = (size_t)(s->c_out * s->kernel_h * s->kernel_w) * in_group;
    p.n_z = (size_t)(s->n * s->c_out * s->out_h * s->out_w);
    p.n_words = (size_t)s->n * words * plane;
    p.x = guard_bytes(p.n_x);
    p.w = (int8_t *)guard_bytes(p.n_w);
    p.bits = (uint64_t *)(void *)guard_alloc(2 * p.n_words);
    p.signs = guard_alloc(p.n_w);
    p.z = guard_alloc(p.n_z);
    p.of_codes = guard_alloc(p.n_z);
    p.bias = guard_alloc((size_t)s->c_out);
    p.scale_w = guard_alloc((size_t)s->c_out);
    memset(p.bits, 0, p.n_words * sizeof *p.bits);
    p.sign_bits = (uint64_t *)(void *)guard_alloc(2 * ((p.n_w + 63) / 64));
    memset(p.sign_bits, 0, (p.n_w + 63) / 64 * sizeof *p.sign_bits);
    for (size_t i = 0; i < p.n_x; i++) {
        const size_t n = i / plane / (size_t)s->c_in, c = i / plane % (size_t)s->c_in,
                     g = c / in_group, k = c % in_group;
        p.x[i] = (uint8_t)below(2);
        p.bits[(n * words + g * of_group + k / 64) * plane + i % plane] |= (uint64_t)p.x[i]
            << k % 64;
    }
    for (size_t i = 0; i < p.n_w; i++) {
        static const float values[] = {0.5f, -0.3f, 0.0f, -0.0f, 1e-40f, -INFINITY, NAN, 2};
        p.signs[i] = values[below(8)];
        p.w[i] = p.signs[i] > 0 ? 1 : -1;
        p.sign_bits[i / 64] |= (uint64_t)(p.w[i] > 0) << i % 64;
    }
    for (size_t i = 0; i < (size_t)s->c_out; i++) {
        p.scale_w[i] = ldexpf((float)(1 + below(1000)), -12);
        p.bias[i] = (float)below(100) - 50.0f;
    }
    return p;
}

static void free_problem(problem *p)
{
    guard_free_bytes(p->x, p->n_x);
    guard_free_bytes((uint8_t *)p->w, p->n_w);
    guard_free((float *)(void *)p->bits, 2 * p->n_words);
    guard_free(p->signs, p->n_w);
    guard_free((float *)(void *)p->sign_bits, 2 * ((p->n_w + 63) / 64));
    guard_free(p->z, p->n_z);
    guard_free(p->of_codes, p->n_z);
    guard_free(p->bias, (size_t)p->s.c_out);
    guard_free(p->scale_w, (size_t)p->s.c_out);
}

/* What an output is: the sum over its window. */
static float expected(const problem *p, size_t at, bool bias)
{
    const nncf__conv2d *s = &p->s;
    const int64_t i = (int64_t)at, x0 = i % s->out_w, y0 = i / s->out_w % s->out_h,
                  oc = i / (s->out_w * s->out_h) % s->c_out,
                  n = i / (s->out_w * s->out_h * s->c_out), in_group = s->c_in / s->groups,
                  g = oc / (s->c_out / s->groups);
    int64_t sum = 0;
    for (int64_t c = 0; c < in_group; c++)
        for (int64_t ky = 0; ky < s->kernel_h; ky++)
            for (int64_t kx = 0; kx < s->kernel_w; kx++) {
                const int64_t y = y0 * s->stride_h - s->pad_h + ky * s->dilation_h,
                              x = x0 * s->stride_w - s->pad_w + kx * s->dilation_w;
                if (y < 0 || y >= s->h || x < 0 || x >= s->w)
                    continue;
                sum += p->x[((n * s->c_in + g * in_group + c) * s->h + y) * s->w + x] *
                    p->w[((oc * in_group + c) * s->kernel_h + ky) * s->kernel_w + kx];
            }
    if (s->only_sums)
        return (float)sum;
    const float scale = p->scale_x * p->scale_w[p->n_scales > 1 ? oc : 0];
    return (float)sum * scale + (bias ? p->bias[oc] : -0.0f);
}

static void run_at(const problem *p, nncf_context *context, bool bias)
{
    const nncf__qtensor x = {.data = p->x, .dtype = NNCF_U8, .scale = &p->scale_x, .n_scales = 1},
                        w = {.data = p->w,
                            .dtype = NNCF_S8,
                            .scale = p->scale_w,
                            .n_scales = p->n_scales};
    nncf__qtensor bits = x, of_signs = w;
    bits.data = p->bits;
    of_signs.data = NULL;
    const size_t scratch = nncf__conv2d_forward_bits_scratch(context, &p->s),
                 of_codes = nncf__conv2d_forward_scratch(context, &p->s, &x, &w);
    ck_assert_int_eq(nncf__scratch_reserve(context, scratch > of_codes ? scratch : of_codes), 0);
    nncf__conv2d_forward(context, &p->s, &x, &w, bias ? p->bias : NULL, p->of_codes);
    for (int as_bits = 0; as_bits < 2; as_bits++) {
        const nncf__signs signs = {
            .floats = as_bits ? NULL : p->signs, .bits = as_bits ? p->sign_bits : NULL};
        for (size_t i = 0; i < p->n_z; i++)
            p->z[i] = 1234;
        nncf__conv2d_forward_bits(
            context, &p->s, &bits, &of_signs, &signs, bias ? p->bias : NULL, p->z);
        ck_assert_mem_eq(p->z, p->of_codes, p->n_z * sizeof *p->z);
    }
    for (size_t i = 0; i < p->n_z; i++) {
        const float want = expected(p, i, bias);
        REQUIRE(p->z[i] == want, "%s: z[%zu] is %g, not %g (seed %llu)",
            nncf_context_get_description(context), i, (double)p->z[i], (double)want,
            (unsigned long long)fx_random_seed());
    }
}

static void check_shape(nncf__conv2d s, bool per_channel, bool bias)
{
    s.out_h = (s.h + 2 * s.pad_h - (s.kernel_h - 1) * s.dilation_h - 1) / s.stride_h + 1;
    s.out_w = (s.w + 2 * s.pad_w - (s.kernel_w - 1) * s.dilation_w - 1) / s.stride_w + 1;
    problem p = make(&s, per_channel);
    for (int32_t isa = NNCF_ISA_PORTABLE; isa <= NNCF_ISA_NEON; isa++)
        for (int32_t threads = 1; threads <= 3; threads += 2) {
            nncf_context *c = fx_new_context(NULL, threads, isa, 1);
            run_at(&p, c, bias);
            nncf_context_destroy(c);
        }
    free_problem(&p);
}

START_TEST(convolutions_of_bits_equal_those_of_codes)
{
    static const struct {
        int64_t n, c_in, h, w, c_out, kernel_h, kernel_w, stride, pad, dilation, groups;
    } shapes[] = {{1, 64, 8, 8, 12, 3, 3, 1, 1, 1, 1}, {2, 65, 7, 5, 13, 3, 3, 1, 1, 1, 1},
        {1, 128, 9, 17, 25, 3, 3, 2, 1, 1, 1}, {3, 33, 6, 6, 5, 1, 1, 1, 0, 1, 1},
        {2, 96, 5, 5, 24, 1, 1, 2, 0, 1, 1}, {1, 96, 9, 9, 10, 3, 3, 1, 2, 2, 2},
        {2, 256, 4, 4, 8, 3, 3, 2, 1, 1, 4}, {1, 1, 5, 5, 3, 3, 3, 1, 1, 1, 1},
        {1, 63, 1, 1, 11, 1, 1, 1, 0, 1, 1}, {1, 40, 6, 33, 7, 1, 5, 1, 2, 1, 1},
        {1, 64, 5, 5, 4, 5, 5, 1, 4, 1, 1}, {1, 192, 3, 3, 12, 3, 3, 1, 1, 1, 1},
        {5, 70, 1, 1, 14, 1, 1, 1, 0, 1, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int variant = 0; variant < 4; variant++) {
            const nncf__conv2d s = {.n = shapes[i].n,
                .c_in = shapes[i].c_in,
                .h = shapes[i].h,
                .w = shapes[i].w,
                .c_out = shapes[i].c_out / shapes[i].groups * shapes[i].groups,
                .kernel_h = shapes[i].kernel_h,
                .kernel_w = shapes[i].kernel_w,
                .stride_h = shapes[i].stride,
                .stride_w = shapes[i].stride,
                .pad_h = shapes[i].kernel_h == 1 && shapes[i].pad ? 0 : shapes[i].pad,
                .pad_w = shapes[i].pad,
                .dilation_h = shapes[i].dilation,
                .dilation_w = shapes[i].dilation,
                .groups = shapes[i].groups,
                .only_sums = variant == 3};
            check_shape(s, variant != 1, variant == 2);
        }
}
END_TEST

START_TEST(random_convolutions_of_bits_equal_those_of_codes)
{
    const int rounds = sweep_rounds(60, 10);
    for (int i = 0; i < rounds; i++) {
        const int64_t groups = 1 + below(3);
        nncf__conv2d s = {.n = 1 + below(3),
            .c_in = groups * (1 + below(150)),
            .h = 1 + below(12),
            .w = 1 + below(40),
            .c_out = groups * (1 + below(28)),
            .kernel_h = 1 + below(3),
            .kernel_w = 1 + below(3),
            .stride_h = 1 + below(2),
            .stride_w = 1 + below(3),
            .pad_h = below(3),
            .pad_w = below(3),
            .dilation_h = 1 + below(2),
            .dilation_w = 1 + below(2),
            .groups = groups,
            .only_sums = below(4) == 0};
        if (s.h + 2 * s.pad_h <= (s.kernel_h - 1) * s.dilation_h ||
            s.w + 2 * s.pad_w <= (s.kernel_w - 1) * s.dilation_w)
            continue;
        check_shape(s, below(2), below(2));
    }
}
END_TEST

START_TEST(what_has_few_channels_stays_with_codes)
{
    nncf_context *c = fx_new_context(NULL, 1, NNCF_ISA_BEST, 1),
                 *plain = fx_new_context(NULL, 1, NNCF_ISA_REFERENCE, 1);
    nncf__conv2d s = {1, 31, 4, 4, 8, 4, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, false, 0, NULL, false};
    ck_assert(!nncf__conv2d_bits_fit(c, &s));
    s.c_in = 32;
    ck_assert(nncf__conv2d_bits_fit(c, &s) && !nncf__conv2d_bits_fit(plain, &s));
    nncf_context_destroy(c);
    nncf_context_destroy(plain);
}
END_TEST

int main(int argc, char **argv)
{
    fx_random_seed_of(argc, argv);
    Suite *suite = suite_create("binary");
    TCase *tcase = fx_case(suite, "kernels", 120);
    tcase_add_test(tcase, sums_are_exact_integers_rounded_once);
    tcase_add_test(tcase, nine_taps_are_parted);
    tcase_add_test(tcase, a_ceiling_on_the_isa_is_kept);
    tcase_add_test(tcase, rows_equal_loops);
    tcase_add_test(tcase, convolutions_of_bits_equal_those_of_codes);
    tcase_add_test(tcase, random_convolutions_of_bits_equal_those_of_codes);
    tcase_add_test(tcase, what_has_few_channels_stays_with_codes);
    return fx_main(suite);
}
