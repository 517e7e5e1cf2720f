/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions against the naive loops: random shapes around tile sizes, integer codes exactly,
 * every level, any number of threads, guard pages, special values. `--bench` measures layer shapes.
 */
#include "base/pool.h"
#include "conv/conv2d.h"
#include "kernel_check.h"
#include "kernels/qtensor.h"
#include "support/context.h"
#include "support/conv_run.h"

#include "conv_bench.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct problem {
    nncf__conv2d s;
    size_t n_x, n_w, n_z;
    float *x, *w, *z, *bias, *dz, *dx, *dw; /* z: as dz, dx as x, dw as w */
    float step_x, *step_w;
    size_t n_steps_w;
    /* w as codes; signed without zero points, or unsigned with one for each scale */
    uint8_t *w_codes;
    bool has_zeros;
    int32_t w_dtype, *zero_w;
} problem;

/* more: of the padding below and on the right. */
static bool shape_padded(nncf__conv2d *s, int64_t more_h, int64_t more_w)
{
    int64_t h = s->h + 2 * s->pad_h + more_h - ((s->kernel_h - 1) * s->dilation_h + 1);
    int64_t w = s->w + 2 * s->pad_w + more_w - ((s->kernel_w - 1) * s->dilation_w + 1);
    if (h < 0 || w < 0)
        return false;
    s->out_h = h / s->stride_h + 1;
    s->out_w = w / s->stride_w + 1;
    return true;
}

static bool shape_finish(nncf__conv2d *s)
{
    return shape_padded(s, 0, 0);
}

static void problem_make(problem *p, const nncf__conv2d *s)
{
    *p = (problem){.s = *s};
    p->n_x = (size_t)(s->n * s->c_in * s->h * s->w);
    p->n_w = (size_t)(s->c_out * (s->c_in / s->groups) * s->kernel_h * s->kernel_w);
    p->n_z = (size_t)(s->n * s->c_out * s->out_h * s->out_w);
    p->x = guard_alloc(p->n_x);
    p->w = guard_alloc(p->n_w);
    p->z = guard_alloc(p->n_z);
    p->dz = guard_alloc(p->n_z);
    p->dx = guard_alloc(p->n_x);
    p->dw = guard_alloc(p->n_w);
    p->bias = guard_alloc((size_t)s->c_out);
    p->step_w = guard_alloc((size_t)s->c_out);
    p->w_codes = guard_bytes(p->n_w);
    p->zero_w = calloc((size_t)s->c_out, sizeof *p->zero_w);
    guard_fill(p->x, p->n_x);
    guard_fill(p->w, p->n_w);
    guard_fill(p->dz, p->n_z);
    guard_fill(p->bias, (size_t)s->c_out);
}

static void problem_free(problem *p)
{
    guard_free(p->x, p->n_x);
    guard_free(p->w, p->n_w);
    guard_free(p->z, p->n_z);
    guard_free(p->dz, p->n_z);
    guard_free(p->dx, p->n_x);
    guard_free(p->dw, p->n_w);
    guard_free(p->bias, (size_t)p->s.c_out);
    guard_free(p->step_w, (size_t)p->s.c_out);
    guard_free_bytes(p->w_codes, p->n_w);
    free(p->zero_w);
}

/* Codes of both signs up to the limits; everything at them when `worst`. Where a byte does not hold
 * all of those of w, they are 256 around zero, which each scale has elsewhere. */
static void problem_codes(
    problem *p, bool per_channel, int x_low, int x_high, int w_limit, bool worst)
{
    p->n_steps_w = per_channel ? (size_t)p->s.c_out : 1;
    p->step_x = 0.0173f;
    for (size_t i = 0; i < p->n_steps_w; i++)
        p->step_w[i] = 0.001f * (1.0f + (float)(i % 7) / 3.0f);
    for (size_t i = 0; i < p->n_x; i++) {
        int q = worst ? x_high : x_low + (int)(fx_random32() % (uint32_t)(x_high - x_low + 1));
        p->x[i] = (float)q * p->step_x;
    }
    const size_t row = p->n_w / (size_t)p->s.c_out;
    const bool fits = w_limit <= 127;
    p->w_dtype = fits || fx_random32() % 4 ? NNCF_S8 : NNCF_U8;
    const int lowest = p->w_dtype == NNCF_S8 ? -128 : 0;
    p->has_zeros = !fits;
    for (size_t i = 0; i < p->n_steps_w; i++)
        p->zero_w[i] = fits ? 0 : lowest + (worst ? 255 - w_limit : (int32_t)(fx_random32() % 256));
    for (size_t i = 0; i < p->n_w; i++) {
        const size_t channel = per_channel ? i / row : 0;
        const int low = fits ? -w_limit : lowest - p->zero_w[channel],
                  high = fits ? w_limit : low + 255;
        const int q = worst ? w_limit : low + (int)(fx_random32() % (uint32_t)(high - low + 1));
        p->w_codes[i] = (uint8_t)(q + p->zero_w[channel]);
        p->w[i] = (float)q * p->step_w[channel];
    }
}

static nncf__qtensor operand_x(const problem *p)
{
    return (nncf__qtensor){.data = p->x,
        .scale = p->step_x > 0 ? &p->step_x : NULL,
        .n_scales = p->step_x > 0 ? 1 : 0};
}

static nncf__qtensor operand_w(const problem *p)
{
    if (p->step_x <= 0)
        return (nncf__qtensor){.data = p->w};
    return (nncf__qtensor){.data = p->w_codes,
        .dtype = p->w_dtype,
        .scale = p->step_w,
        .zero_point = p->has_zeros ? p->zero_w : NULL,
        .n_scales = p->n_steps_w};
}

static float *absolute(const float *x, size_t n)
{
    float *y = malloc((n + 1) * sizeof *y);
    for (size_t i = 0; i < n; i++)
        y[i] = fabsf(x[i]);
    return y;
}

static void describe(const problem *p, char *text, size_t size)
{
    const nncf__conv2d *s = &p->s;
    snprintf(text, size, "n%d c%d %dx%d -> c%d %dx%d k%dx%d s%dx%d p%dx%d d%dx%d g%d", (int)s->n,
        (int)s->c_in, (int)s->h, (int)s->w, (int)s->c_out, (int)s->out_h, (int)s->out_w,
        (int)s->kernel_h, (int)s->kernel_w, (int)s->stride_h, (int)s->stride_w, (int)s->pad_h,
        (int)s->pad_w, (int)s->dilation_h, (int)s->dilation_w, (int)s->groups);
}

/* |d| <= 2 k eps sum|a||b|, element by element. */
static void assert_close(const problem *p, const char *what, const float *got, const float *want,
    const float *sums, size_t n, double k)
{
    char text[160];
    describe(p, text, sizeof text);
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - (double)want[i]),
               limit = 2 * (k + 2) * FLT_EPSILON * (double)sums[i];
        REQUIRE(d <= limit, "%s %s [%zu]: %g, expected %g, |d| %g > %g", what, text, i,
            (double)got[i], (double)want[i], d, limit);
    }
}

static void check_floats(const problem *p, nncf_context *c)
{
    const nncf__conv2d *s = &p->s;
    size_t most = p->n_x > p->n_z ? p->n_x : p->n_z;
    most = most > p->n_w ? most : p->n_w;
    float *want = malloc(most * sizeof *want), *sums = malloc(most * sizeof *sums);
    float *ax = absolute(p->x, p->n_x), *aw = absolute(p->w, p->n_w),
          *adz = absolute(p->dz, p->n_z);
    float *ab = absolute(p->bias, (size_t)s->c_out);
    nncf__qtensor x = {.data = p->x}, w = {.data = p->w}, abs_x = {.data = ax},
                  abs_w = {.data = aw};
    double taps = (double)(s->kernel_h * s->kernel_w), in_group = (double)(s->c_in / s->groups);

    nncf__conv2d_forward_ref(s, &x, &w, p->bias, want);
    nncf__conv2d_forward_ref(s, &abs_x, &abs_w, ab, sums);
    ck_assert_int_eq(conv_forward(c, s, &x, &w, p->bias, p->z), NNCF_OK);
    assert_close(p, "forward", p->z, want, sums, p->n_z, taps * in_group);

    nncf__conv2d_backward_input_ref(s, &w, p->dz, want);
    nncf__conv2d_backward_input_ref(s, &abs_w, adz, sums);
    ck_assert_int_eq(conv_backward_input(c, s, &w, p->dz, p->dx), NNCF_OK);
    assert_close(
        p, "backward_input", p->dx, want, sums, p->n_x, taps * (double)(s->c_out / s->groups));

    nncf__conv2d_backward_weight_ref(s, &x, p->dz, want);
    nncf__conv2d_backward_weight_ref(s, &abs_x, adz, sums);
    ck_assert_int_eq(conv_backward_weight(c, s, &x, p->dz, p->dw), NNCF_OK);
    assert_close(
        p, "backward_weight", p->dw, want, sums, p->n_w, (double)(s->n * s->out_h * s->out_w));
    free(want);
    free(sums);
    free(ax);
    free(aw);
    free(adz);
    free(ab);
}

static void check_codes(const problem *p, nncf_context *c, const float *bias)
{
    char text[160];
    describe(p, text, sizeof text);
    float *want = malloc(p->n_z * sizeof *want);
    nncf__qtensor x = operand_x(p), w = operand_w(p);
    nncf__conv2d_forward_ref(&p->s, &x, &w, bias, want);
    memset(p->z, 0xff, p->n_z * sizeof *p->z);
    ck_assert_int_eq(conv_forward(c, &p->s, &x, &w, bias, p->z), NNCF_OK);
    for (size_t i = 0; i < p->n_z; i++)
        REQUIRE(memcmp(&p->z[i], &want[i], sizeof(float)) == 0,
            "codes %s [%zu]: %.9g, expected %.9g", text, i, (double)p->z[i], (double)want[i]);
    free(want);
}

static int64_t pick(const int64_t *from, size_t n)
{
    return from[fx_random32() % n];
}

static nncf__conv2d random_shape(int kind)
{
    static const int64_t channels[] = {1, 2, 3, 5, 6, 7, 8, 11, 12, 13, 16, 17, 24, 31, 33, 48},
                         sides[] = {1, 2, 3, 4, 5, 7, 8, 11, 15, 16, 17, 20, 33},
                         kernels[] = {1, 1, 2, 3, 3, 5}, images[] = {1, 2, 3, 5};
    for (;;) {
        nncf__conv2d s = {.n = pick(images, COUNT(images)),
            .c_in = pick(channels, COUNT(channels)),
            .c_out = pick(channels, COUNT(channels)),
            .h = pick(sides, COUNT(sides)),
            .w = pick(sides, COUNT(sides)),
            .kernel_h = pick(kernels, COUNT(kernels)),
            .kernel_w = pick(kernels, COUNT(kernels)),
            .stride_h = 1 + fx_random32() % 3,
            .stride_w = 1 + fx_random32() % 3,
            .pad_h = fx_random32() % 3,
            .pad_w = fx_random32() % 3,
            .dilation_h = 1 + fx_random32() % 2,
            .dilation_w = 1 + fx_random32() % 2,
            .groups = 1};
        if (kind == 1) { /* 1x1, the bulk of a MobileNet */
            s.kernel_h = s.kernel_w = s.stride_h = s.stride_w = 1;
            s.pad_h = s.pad_w = 0;
        } else if (kind == 2) { /* linear */
            s.h = s.w = s.kernel_h = s.kernel_w = s.stride_h = s.stride_w = 1;
            s.pad_h = s.pad_w = 0;
            s.c_in *= 1 + fx_random32() % 20;
            s.n *= 1 + fx_random32() % 20;
        } else if (kind == 3) { /* depthwise */
            s.groups = s.c_out = s.c_in;
        } else if (kind == 4) { /* grouped */
            s.groups = 2 + fx_random32() % 3;
            s.c_in = s.groups * (1 + fx_random32() % 5);
            s.c_out = s.groups * (1 + fx_random32() % 20);
        }
        const bool one_sided = kind != 2 && fx_random32() % 3 == 0;
        const int64_t more_h = one_sided ? max_i(-s.pad_h, (int64_t)(fx_random32() % 4) - 1) : 0,
                      more_w = one_sided ? max_i(-s.pad_w, (int64_t)(fx_random32() % 4) - 1) : 0;
        if (shape_finish(&s) && shape_padded(&s, more_h, more_w))
            return s;
    }
}

static const int32_t levels[] = {
    NNCF_ISA_REFERENCE, NNCF_ISA_PORTABLE, NNCF_ISA_AVX2, NNCF_ISA_AVX512, NNCF_ISA_NEON};

START_TEST(floats_of_random_shapes_are_near_the_oracle)
{
    nncf_context *c = fx_new_context(NULL, 1 + _i % 2, levels[_i], 0);
    for (int i = 0; i < sweep_rounds(150, 12); i++) {
        nncf__conv2d s = random_shape(i % 5);
        problem p;
        problem_make(&p, &s);
        check_floats(&p, c);
        problem_free(&p);
    }
    nncf_context_destroy(c);
}
END_TEST

START_TEST(codes_of_random_shapes_are_exact)
{
    nncf_context *c = fx_new_context(NULL, 1 + _i % 2, levels[_i], 0);
    for (int i = 0; i < sweep_rounds(150, 12); i++) {
        nncf__conv2d s = random_shape(i % 5);
        problem p;
        problem_make(&p, &s);
        problem_codes(&p, i % 2, i % 3 ? 0 : -128, i % 3 ? 255 : 127, i % 7 ? 127 : 255, false);
        check_codes(&p, c, i % 4 ? p.bias : NULL);
        problem_free(&p);
    }
    nncf_context_destroy(c);
}
END_TEST

/* x in bytes, of either sign and with any zero point: forward with codes is the exact product,
 * forward with plain weights and the weight gradient have the bits that the floats give. */
static void check_bytes(const problem *p, nncf_context *c, bool is_signed)
{
    char text[160];
    describe(p, text, sizeof text);
    uint8_t *bytes = guard_bytes(p->n_x);
    const int32_t zero = (int32_t)(fx_random32() % 256) - (is_signed ? 128 : 0);
    const int low = is_signed ? -128 : 0;
    for (size_t i = 0; i < p->n_x; i++) {
        int q = fx_random32() % 8 ? (int)(fx_random32() % 256) + low
            : fx_random32() % 2   ? zero
                                  : low + 255;
        bytes[i] = (uint8_t)q;
        p->x[i] = (float)(q - zero) * p->step_x;
    }
    nncf__qtensor x = operand_x(p), w = operand_w(p), plain_x = {.data = p->x},
                  plain_w = {.data = p->w};
    nncf__qtensor b = {.data = bytes,
        .scale = &p->step_x,
        .n_scales = 1,
        .dtype = is_signed ? NNCF_S8 : NNCF_U8,
        .zero_point = &zero};
    size_t most = p->n_z > p->n_w ? p->n_z : p->n_w;
    most = most > p->n_x ? most : p->n_x;
    float *want = malloc(most * sizeof *want);

    nncf__conv2d_forward_ref(&p->s, &b, &w, p->bias, want);
    ck_assert_int_eq(conv_forward(c, &p->s, &b, &w, p->bias, p->z), NNCF_OK);
    REQUIRE(memcmp(p->z, want, p->n_z * sizeof *want) == 0,
        "codes in bytes %s: not the exact product", text);
    ck_assert_int_eq(conv_forward(c, &p->s, &x, &w, p->bias, p->z), NNCF_OK);
    REQUIRE(memcmp(p->z, want, p->n_z * sizeof *want) == 0,
        "codes in floats %s: not the exact product", text);

    ck_assert_int_eq(conv_forward(c, &p->s, &plain_x, &plain_w, p->bias, want), NNCF_OK);
    ck_assert_int_eq(conv_forward(c, &p->s, &b, &plain_w, p->bias, p->z), NNCF_OK);
    REQUIRE(memcmp(p->z, want, p->n_z * sizeof *want) == 0,
        "bytes times floats %s: not the bits of floats", text);

    ck_assert_int_eq(conv_forward(c, &p->s, &plain_x, &w, p->bias, p->z), NNCF_OK);
    REQUIRE(memcmp(p->z, want, p->n_z * sizeof *want) == 0,
        "floats times codes %s: not the bits of floats", text);

    ck_assert_int_eq(conv_backward_input(c, &p->s, &plain_w, p->dz, want), NNCF_OK);
    ck_assert_int_eq(conv_backward_input(c, &p->s, &w, p->dz, p->dx), NNCF_OK);
    REQUIRE(memcmp(p->dx, want, p->n_x * sizeof *want) == 0,
        "dx from codes %s: not the bits of floats", text);

    ck_assert_int_eq(conv_backward_weight(c, &p->s, &plain_x, p->dz, want), NNCF_OK);
    ck_assert_int_eq(conv_backward_weight(c, &p->s, &b, p->dz, p->dw), NNCF_OK);
    REQUIRE(memcmp(p->dw, want, p->n_w * sizeof *want) == 0,
        "dw from bytes %s: not the bits of floats", text);
    free(want);
    guard_free_bytes(bytes, p->n_x);
}

START_TEST(bytes_of_random_shapes_are_exact)
{
    nncf_context *c = fx_new_context(NULL, 1 + _i % 2, levels[_i], 0);
    for (int i = 0; i < sweep_rounds(250, 15); i++) {
        nncf__conv2d s = random_shape(i % 5);
        problem p;
        problem_make(&p, &s);
        problem_codes(&p, i % 3, 0, 255, i % 4 < 2 ? 127 : 255, false);
        check_bytes(&p, c, i % 2);
        problem_free(&p);
    }
    nncf_context_destroy(c);
}
END_TEST

/* Rows that are multiplied where they lie, copied or widened; several panels and blocks. */
START_TEST(bytes_of_linear_layers_are_exact)
{
    nncf_context *c = fx_new_context(NULL, 1 + _i % 2, levels[_i], 0);
    static const int64_t in[] = {1, 2, 3, 4, 5, 6, 127, 128, 2048}, out[] = {1, 31, 33, 70},
                         rows[] = {1, 11, 25, 600};
    for (size_t i = 0; i < COUNT(in) * COUNT(out) * COUNT(rows); i++) {
        nncf__conv2d s = {.n = rows[i / COUNT(out) % COUNT(rows)],
            .c_in = in[i / COUNT(out) / COUNT(rows)],
            .h = 1,
            .w = 1,
            .c_out = out[i % COUNT(out)],
            .kernel_h = 1,
            .kernel_w = 1,
            .stride_h = 1,
            .stride_w = 1,
            .dilation_h = 1,
            .dilation_w = 1,
            .groups = 1};
        if (s.n * s.c_in * s.c_out > 3000000)
            continue;
        problem p;
        shape_finish(&s);
        problem_make(&p, &s);
        problem_codes(&p, i % 3, 0, 255, i % 5 < 2 ? 255 : 127, false);
        check_bytes(&p, c, i % 2);
        problem_free(&p);
    }
    nncf_context_destroy(c);
}
END_TEST

/* Long sums: several blocks of k, the worst codes, and the length where 32-bit sums would overflow.
 */
START_TEST(long_sums_of_codes_are_exact)
{
    nncf_context *c = fx_new_context(NULL, 2, levels[_i], 0);
    static const struct {
        int64_t c_in, kernel;
    } sums[] = {{256, 1}, {257, 1}, {258, 1}, {384, 1}, {385, 1}, {518, 1}, {519, 1}, {64, 3},
        {911, 3}, {8192, 1}};
    for (size_t i = 0; i < COUNT(sums); i++)
        for (int variant = 0; variant < 4; variant++) {
            nncf__conv2d s = {.n = 1,
                .c_in = sums[i].c_in,
                .h = 5,
                .w = 9,
                .c_out = 14,
                .kernel_h = sums[i].kernel,
                .kernel_w = sums[i].kernel,
                .stride_h = 1,
                .stride_w = 1,
                .dilation_h = 1,
                .dilation_w = 1,
                .groups = 1};
            problem p;
            shape_finish(&s);
            problem_make(&p, &s);
            problem_codes(&p, variant & 1, 0, 255, variant & 1 ? 127 : 255, variant & 2);
            check_codes(&p, c, p.bias);
            problem_free(&p);
        }
    nncf__conv2d s = {.n = 3,
        .c_in = 70001,
        .h = 1,
        .w = 1,
        .c_out = 3,
        .kernel_h = 1,
        .kernel_w = 1,
        .stride_h = 1,
        .stride_w = 1,
        .dilation_h = 1,
        .dilation_w = 1,
        .groups = 1};
    problem p;
    shape_finish(&s);
    problem_make(&p, &s);
    problem_codes(&p, false, 0, 255, 255, true);
    check_codes(&p, c, NULL);
    problem_free(&p);
    nncf_context_destroy(c);
}
END_TEST

/* The same bits with 1, 2, 3 and 4 threads, and when run twice. */
START_TEST(threads_change_nothing)
{
    static const int64_t shapes[][6] = {/* n, c_in, side, c_out, kernel, stride */
        {4, 24, 28, 96, 1, 1}, {8, 3, 33, 17, 3, 2}, {16, 70, 4, 150, 1, 1}, {3, 96, 15, 96, 3, 1},
        {3, 96, 16, 96, 3, 2}, {40, 600, 1, 100, 1, 1}, {2, 64, 14, 64, 3, 1},
        {16, 150, 7, 30, 1, 1}, {2, 20, 40, 200, 1, 1}};
    for (size_t i = 0; i < COUNT(shapes); i++) {
        const int64_t *v = shapes[i];
        nncf__conv2d s = {v[0], v[1], v[2], v[2], v[3], 0, 0, v[4], v[4], v[5], v[5], v[4] / 2,
            v[4] / 2, 1, 1, 1, false, 0, NULL, false};
        if (i == 3 || i == 4)
            s.groups = s.c_in;
        shape_finish(&s);
        problem p;
        problem_make(&p, &s);
        nncf__qtensor x = {.data = p.x}, w = {.data = p.w};
        float *first[3] = {malloc(p.n_z * 4), malloc(p.n_x * 4), malloc(p.n_w * 4)};
        for (int32_t threads = 1; threads <= 5; threads += sweep_rounds(1, 4)) {
            nncf_context *c = fx_new_context(NULL, threads == 5 ? 2 : threads, levels[_i], 0);
            ck_assert_int_eq(conv_forward(c, &s, &x, &w, p.bias, p.z), NNCF_OK);
            ck_assert_int_eq(conv_backward_input(c, &s, &w, p.dz, p.dx), NNCF_OK);
            ck_assert_int_eq(conv_backward_weight(c, &s, &x, p.dz, p.dw), NNCF_OK);
            if (threads == 1) {
                memcpy(first[0], p.z, p.n_z * 4);
                memcpy(first[1], p.dx, p.n_x * 4);
                memcpy(first[2], p.dw, p.n_w * 4);
            }
            ck_assert_msg(
                memcmp(first[0], p.z, p.n_z * 4) == 0, "forward %zu, %d threads", i, threads);
            ck_assert_msg(memcmp(first[1], p.dx, p.n_x * 4) == 0, "backward_input %zu, %d threads",
                i, threads);
            ck_assert_msg(memcmp(first[2], p.dw, p.n_w * 4) == 0, "backward_weight %zu, %d threads",
                i, threads);
            nncf_context_destroy(c);
        }
        for (int j = 0; j < 3; j++)
            free(first[j]);
        problem_free(&p);
    }
}
END_TEST

/* The naive loops multiply dz by padding, too, which need not be done: element e of dw, where dz
 * has one special value. */
static bool only_by_padding(const nncf__conv2d *s, size_t e, size_t special)
{
    const int64_t taps = s->kernel_h * s->kernel_w, plane = s->out_h * s->out_w,
                  tap = (int64_t)e % taps, at = (int64_t)special,
                  y = at % plane / s->out_w * s->stride_h + tap / s->kernel_w * s->dilation_h -
        s->pad_h,
                  x = at % s->out_w * s->stride_w + tap % s->kernel_w * s->dilation_w - s->pad_w;
    return (int64_t)e / (taps * (s->c_in / s->groups)) == at / plane % s->c_out &&
        (y < 0 || y >= s->h || x < 0 || x >= s->w);
}

/* NaN and infinity reach exactly the outputs that the naive loops say. */
START_TEST(special_values_pass)
{
    nncf_context *c = fx_new_context(NULL, 1, levels[_i], 0);
    for (int i = 0; i < sweep_rounds(60, 6); i++) {
        nncf__conv2d s = random_shape(i % 5);
        problem p;
        problem_make(&p, &s);
        const float special[] = {NAN, INFINITY, -INFINITY};
        p.x[fx_random32() % p.n_x] = special[i % 3];
        p.w[fx_random32() % p.n_w] = special[(i + 1) % 3];
        const size_t at_dz = fx_random32() % p.n_z;
        p.dz[at_dz] = special[i / 3 % 3];
        size_t most = p.n_x > p.n_z ? p.n_x : p.n_z;
        most = most > p.n_w ? most : p.n_w;
        float *want = malloc(most * sizeof *want);
        nncf__qtensor x = {.data = p.x}, w = {.data = p.w};
        for (int pass = 0; pass < 3; pass++) {
            const float *got = pass == 0 ? p.z : pass == 1 ? p.dx : p.dw;
            size_t n = pass == 0 ? p.n_z : pass == 1 ? p.n_x : p.n_w;
            if (pass == 0) {
                nncf__conv2d_forward_ref(&s, &x, &w, p.bias, want);
                ck_assert_int_eq(conv_forward(c, &s, &x, &w, p.bias, p.z), NNCF_OK);
            } else if (pass == 1) {
                nncf__conv2d_backward_input_ref(&s, &w, p.dz, want);
                ck_assert_int_eq(conv_backward_input(c, &s, &w, p.dz, p.dx), NNCF_OK);
            } else {
                nncf__conv2d_backward_weight_ref(&s, &x, p.dz, want);
                ck_assert_int_eq(conv_backward_weight(c, &s, &x, p.dz, p.dw), NNCF_OK);
            }
            char text[160];
            describe(&p, text, sizeof text);
            for (size_t e = 0; e < n; e++)
                REQUIRE((pass == 2 && only_by_padding(&s, e, at_dz)) ||
                        (isnan(got[e]) == isnan(want[e]) && isinf(got[e]) == isinf(want[e]) &&
                            (!isinf(want[e]) || got[e] == want[e])),
                    "pass %d %s [%zu]: %g, expected %g", pass, text, e, (double)got[e],
                    (double)want[e]);
        }
        free(want);
        problem_free(&p);
    }
    /* A NaN among codes, in one and in several blocks of k, reaches its pixel and no other. */
    for (int64_t k = 100; k <= 1000; k += 900) {
        nncf__conv2d s = {1, k, 3, 3, 5, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, false, 0, NULL, false};
        shape_finish(&s);
        problem p;
        problem_make(&p, &s);
        problem_codes(&p, false, 0, 255, 127, false);
        p.x[7 * 9 + 4] = NAN;
        nncf__qtensor x = operand_x(&p), w = operand_w(&p);
        ck_assert_int_eq(conv_forward(c, &s, &x, &w, p.bias, p.z), NNCF_OK);
        for (size_t e = 0; e < p.n_z; e++)
            ck_assert_int_eq(isnan(p.z[e]) != 0, e % 9 == 4);
        problem_free(&p);
    }
    nncf_context_destroy(c);
}
END_TEST

/* Kernels and strides beyond what the depthwise loops take, planes cut into strips, many taps; at
 * the end narrow images whose last rows or columns are under no window. */
START_TEST(extraordinary_shapes_are_near_the_oracle)
{
    static const nncf__conv2d shapes[] = {
        {1, 3, 40, 40, 3, 0, 0, 13, 13, 1, 1, 6, 6, 1, 1, 3, false, 0, NULL, false},
        {2, 2, 30, 30, 2, 0, 0, 3, 3, 5, 5, 1, 1, 1, 1, 2, false, 0, NULL, false},
        {1, 2, 300, 400, 2, 0, 0, 3, 3, 1, 1, 1, 1, 1, 1, 2, false, 0, NULL, false},
        {1, 2, 301, 299, 2, 0, 0, 3, 3, 2, 2, 1, 1, 1, 1, 2, false, 0, NULL, false},
        {1, 2, 300, 200, 2, 0, 0, 5, 5, 3, 2, 2, 1, 2, 1, 2, false, 0, NULL, false},
        {1, 3, 20, 20, 4, 0, 0, 9, 8, 2, 1, 4, 3, 1, 2, 1, false, 0, NULL, false},
        {2, 4, 7, 9, 3, 0, 0, 1, 1, 2, 3, 0, 0, 1, 1, 1, false, 0, NULL, false},
        {1, 4, 5, 5, 3, 0, 0, 5, 5, 1, 1, 9, 9, 1, 1, 1, false, 0, NULL, false},
        {1, 70, 25, 24, 140, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, false, 0, NULL, false},
        {2, 200, 9, 9, 24, 0, 0, 3, 3, 1, 1, 1, 1, 1, 1, 1, false, 0, NULL, false},
        {1, 12, 3, 1000, 8, 0, 0, 3, 3, 1, 1, 1, 1, 1, 1, 1, false, 0, NULL, false},
        {1, 2, 6, 70000, 2, 0, 0, 3, 3, 2, 2, 1, 1, 1, 1, 2, false, 0, NULL, false},
        {1, 300, 4, 4, 1100, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, false, 0, NULL, false},
        {2, 20, 40, 42, 170, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, false, 0, NULL, false},
        {1, 9, 64, 32, 7, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, false, 0, NULL, false},
        {5, 24, 1, 1, 36, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 4, false, 0, NULL, false},
        {13, 34, 1, 1, 23, 0, 0, 1, 1, 3, 3, 1, 1, 1, 1, 1, false, 0, NULL, false},
        {5, 17, 1, 1, 6, 0, 0, 1, 1, 1, 3, 0, 1, 1, 1, 1, false, 0, NULL, false},
        {1, 1, 8, 1, 2, 0, 0, 3, 1, 2, 2, 0, 0, 1, 1, 1, false, 0, NULL, false},
        {3, 7, 24, 1, 9, 0, 0, 4, 1, 5, 5, 1, 0, 4, 1, 1, false, 0, NULL, false},
        {2, 4, 1, 8, 5, 0, 0, 1, 3, 2, 2, 0, 0, 1, 1, 1, false, 0, NULL, false},
        {2, 6, 10, 1, 4, 0, 0, 3, 1, 9, 1, 0, 0, 1, 1, 2, false, 0, NULL, false},
        {2, 130, 10, 11, 70, 0, 0, 3, 3, 2, 2, 1, 1, 1, 1, 1, false, 0, NULL, false},
        {1, 800, 5, 4, 70, 0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 1, false, 0, NULL, false},
        {2, 600, 12, 11, 20, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, false, 0, NULL, false},
        {2, 64, 1, 120, 128, 0, 3, 1, 1, 1, 1, 0, 0, 1, 1, 1, false, 0, NULL, false},
    };
    nncf_context *c = fx_new_context(NULL, 2, levels[_i], 0);
    for (size_t i = 0; i < COUNT(shapes); i++) {
        if ((levels[_i] == NNCF_ISA_REFERENCE && i % 4) ||
            (i + (size_t)_i) % (size_t)sweep_rounds(1, 4))
            continue; /* naive against naive: a few will do */
        nncf__conv2d s = shapes[i]; /* instead of the output's size more padding, at its end */
        ck_assert(shape_padded(&s, s.out_h, s.out_w));
        problem p;
        problem_make(&p, &s);
        check_floats(&p, c);
        problem_codes(&p, i % 2, 0, 255, 127, false);
        check_codes(&p, c, p.bias);
        check_bytes(&p, c, i % 2);
        problem_free(&p);
    }
    nncf_context_destroy(c);
}
END_TEST

/* Of whole numbers: the gradient of a depthwise weight that reads (up, left) of where the output
 * is. */
static int64_t whole_sum(const problem *p, int64_t channel, int64_t up, int64_t left)
{
    const nncf__conv2d *s = &p->s;
    int64_t sum = 0;
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t i = 0; i < s->out_h; i++) {
            const int64_t plane = n * s->c_in + channel, y = i * s->stride_h + up;
            const int64_t dz = (plane * s->out_h + i) * s->out_w,
                          x = (plane * s->h + y) * s->w + left;
            for (int64_t j = 0; j < s->out_w && y >= 0 && y < s->h; j++)
                if (j * s->stride_w + left >= 0 && j * s->stride_w + left < s->w)
                    sum += (int64_t)p->dz[dz + j] * (int64_t)p->x[x + j * s->stride_w];
        }
    return sum;
}

/* Depthwise weight gradients of many images: exact, although the sums are longer than floats are.
 */
START_TEST(long_depthwise_sums_are_exact)
{
    static const nncf__conv2d shapes[] = {
        {40, 2, 64, 64, 2, 0, 0, 3, 3, 1, 1, 1, 1, 1, 1, 2, false, 0, NULL, false},
        {65, 2, 33, 33, 2, 0, 0, 3, 3, 2, 2, 1, 1, 1, 1, 2, false, 0, NULL, false},
        {300, 2, 7, 7, 2, 0, 0, 3, 3, 1, 1, 1, 1, 1, 1, 2, false, 0, NULL, false}};
    nncf_context *c = fx_new_context(NULL, 2, levels[_i], 0);
    for (size_t i = 0; i < COUNT(shapes); i++) {
        nncf__conv2d s = shapes[i];
        ck_assert(shape_finish(&s));
        problem p;
        problem_make(&p, &s);
        for (size_t j = 0; j < p.n_x; j++)
            p.x[j] = (float)(128 + fx_random32() % 128);
        for (size_t j = 0; j < p.n_z; j++)
            p.dz[j] = (float)(30 + fx_random32() % 31);
        const nncf__qtensor x = operand_x(&p);
        ck_assert_int_eq(conv_backward_weight(c, &s, &x, p.dz, p.dw), NNCF_OK);
        for (int64_t w = 0; w < 18; w++) {
            const int64_t sum = whole_sum(&p, w / 9, w % 9 / 3 - 1, w % 3 - 1);
            REQUIRE(p.dw[w] == (float)sum, "shape %zu, weight %d: %.0f, not %.0f", i, (int)w,
                (double)p.dw[w], (double)sum);
        }
        problem_free(&p);
    }
    nncf_context_destroy(c);
}
END_TEST

typedef struct short_memory {
    int64_t left; /* allocations that still succeed */
} short_memory;

static void *short_alloc(void *user, size_t size, size_t align)
{
    short_memory *m = user;
    void *p = NULL;
    return m->left-- > 0 && posix_memalign(&p, align, size) == 0 ? p : NULL;
}

static void short_free(void *user, void *ptr, size_t size)
{
    (void)user;
    (void)size;
    free(ptr);
}

/* Every allocation of a first call fails in turn: the status says so, the output is as before, the
 * next call works. */
START_TEST(no_memory_leaves_outputs_alone)
{
    for (int kind = 0; kind < 40; kind++)
        for (int pass = 0; pass < 3; pass++) {
            nncf__conv2d s = random_shape(kind % 5);
            if (kind % 8 == 7)
                s = (nncf__conv2d){
                    1, 2, 9, 9, 3, 0, 0, 33, 33, 2, 2, 16, 16, 1, 1, 1, false, 0, NULL, false};
            ck_assert(shape_finish(&s));
            problem p;
            problem_make(&p, &s);
            nncf__qtensor x = {.data = p.x}, w = {.data = p.w};
            float *out = pass == 0 ? p.z : pass == 1 ? p.dx : p.dw;
            size_t bytes = (pass == 0 ? p.n_z : pass == 1 ? p.n_x : p.n_w) * sizeof *out;
            float *before = malloc(bytes);
            memset(before, 0x55, bytes);
            nncf_status status = NNCF_E_NOMEM;
            for (int64_t good = 0; status != NNCF_OK; good++) {
                short_memory memory = {1000};
                nncf_context_params params = {.struct_size = sizeof params,
                    .n_threads = 2,
                    .alloc = short_alloc,
                    .free = short_free,
                    .alloc_user = &memory};
                nncf_context *c = NULL;
                ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &c, NULL), NNCF_OK);
                memcpy(out, before, bytes);
                for (int again = 0; again < 2; again++) {
                    memory.left = again ? 1000 : good;
                    nncf_status got = pass == 0 ? conv_forward(c, &s, &x, &w, p.bias, p.z)
                        : pass == 1             ? conv_backward_input(c, &s, &w, p.dz, p.dx)
                                                : conv_backward_weight(c, &s, &x, p.dz, p.dw);
                    if (again)
                        ck_assert_int_eq(got, NNCF_OK);
                    else
                        status = got;
                    if (got != NNCF_OK) {
                        ck_assert_int_eq(got, NNCF_E_NOMEM);
                        ck_assert(memcmp(out, before, bytes) == 0);
                    }
                }
                nncf_context_destroy(c);
                ck_assert_int_lt(good, 20);
            }
            free(before);
            problem_free(&p);
        }
}
END_TEST

/* A block asks before it has data, and keeps the answer while the optimizer moves the scales. */
START_TEST(plans_depend_on_no_value)
{
    static const int32_t dtypes[] = {NNCF_F32, NNCF_U8, NNCF_S8};
    for (int kind = 0; kind < 60; kind++) {
        nncf__conv2d s = random_shape(kind % 5);
        ck_assert(shape_finish(&s));
        problem p;
        problem_make(&p, &s);
        problem_codes(&p, kind % 2, 0, 255, 127, false);
        nncf_context *c = fx_new_context(NULL, 1 + kind % 3, levels[_i], 0);
        const float unused[2] = {1e-30f, NAN};
        for (size_t i = 0; i < COUNT(dtypes); i++) {
            nncf__qtensor x = operand_x(&p), w = operand_w(&p), no_x, no_w;
            x.dtype = dtypes[i];
            no_x = x, no_w = w;
            no_x.data = no_w.data = NULL;
            no_x.scale = &unused[0], no_w.scale = &unused[1];
            no_w.n_scales = 1;
            ck_assert_uint_eq(nncf__conv2d_forward_scratch(c, &s, &x, &w),
                nncf__conv2d_forward_scratch(c, &s, &no_x, &no_w));
            ck_assert_uint_eq(nncf__conv2d_backward_weight_scratch(c, &s, &x),
                nncf__conv2d_backward_weight_scratch(c, &s, &no_x));
        }
        ck_assert_ptr_null(nncf__scratch(c, 0)); /* asking takes nothing */
        nncf_context_destroy(c);
        problem_free(&p);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("conv");
    TCase *t = fx_case(s, "conv", 300);
    for (int i = 0; i < (int)COUNT(levels); i++) {
        if (!nncf__kernels_get(levels[i])) /* this machine has it not */
            continue;
        tcase_add_loop_test(t, floats_of_random_shapes_are_near_the_oracle, i, i + 1);
        tcase_add_loop_test(t, codes_of_random_shapes_are_exact, i, i + 1);
        tcase_add_loop_test(t, bytes_of_random_shapes_are_exact, i, i + 1);
        tcase_add_loop_test(t, bytes_of_linear_layers_are_exact, i, i + 1);
        tcase_add_loop_test(t, long_sums_of_codes_are_exact, i, i + 1);
        tcase_add_loop_test(t, threads_change_nothing, i, i + 1);
        tcase_add_loop_test(t, special_values_pass, i, i + 1);
        tcase_add_loop_test(t, extraordinary_shapes_are_near_the_oracle, i, i + 1);
        tcase_add_loop_test(t, long_depthwise_sums_are_exact, i, i + 1);
        tcase_add_loop_test(t, plans_depend_on_no_value, i, i + 1);
    }
    tcase_add_test(t, no_memory_leaves_outputs_alone);
    return s;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--bench") == 0)
        return bench(argc, argv);
    fx_random_seed_of(argc, argv);
    return fx_main(suite());
}
