/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integer exactness: a forward product of codes is the int64 sum, rounded once to float, times the
 * steps, plus the bias. Random codes and the worst ones, k from 1 to 8192 and around every edge of
 * a block of k, every instruction set, BLIS's micro-kernels and our own, 1 to 4 threads: no
 * difference in any bit. That levels and threads agree follows.
 *
 * Which micro-kernel runs: BLIS's where the panel is full (24 channels) and k is long; our own
 * where the panel is narrow (11 channels), where k is short, and where the level is below what
 * BLIS's configuration needs.
 */
#include "conv/conv2d.h"
#include "kernel_check.h"
#include "kernels/qtensor.h"
#include "support/conv_run.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct codes {
    nncf__conv2d s;
    size_t n_x, n_w, n_z;
    int32_t *x, *w; /* zero points subtracted */
    int32_t *w_zero; /* of each channel; NULL: 0 */
    float step_x, *step_w, *bias, *want;
} codes;

enum { RANDOM, RANDOM_ENDS, ALL_SAME, HALVES, N_PATTERNS };

/* x in [low, high], w in [-limit, limit], or where that are more than a byte holds, in 256 codes
 * that begin at another one for each channel: anything; ends of the range only; all at the end, so
 * that sums are as long as they can be, of either sign; the first half up to the end and the second
 * half back to zero. */
static void fill(codes *c, int pattern, int low, int high, int limit)
{
    int far = -low > high ? low : high;
    for (int64_t i = 0; i < c->s.c_out && limit > 127; i++) {
        if (!c->w_zero)
            c->w_zero = malloc((size_t)c->s.c_out * sizeof *c->w_zero);
        c->w_zero[i] = i % 3 == 0 ? 0 : i % 3 == 1 ? 255 : (int)(fx_random32() % 256);
    }
    for (size_t i = 0; i < c->n_x; i++) {
        uint32_t r = fx_random32();
        c->x[i] = pattern == RANDOM  ? low + (int)(r % (uint32_t)(high - low + 1))
            : pattern == RANDOM_ENDS ? (r % 2 ? low : high)
                                     : far;
    }
    size_t row = c->n_w / (size_t)c->s.c_out;
    for (size_t i = 0; i < c->n_w; i++) {
        uint32_t r = fx_random32();
        bool negative = pattern == HALVES ? i % row >= row / 2 : i / row % 2;
        const int w_low = c->w_zero ? -c->w_zero[i / row] : -limit,
                  w_high = c->w_zero ? w_low + 255 : limit;
        c->w[i] = pattern == RANDOM  ? (int)(r % (uint32_t)(w_high - w_low + 1)) + w_low
            : pattern == RANDOM_ENDS ? (r % 2 ? w_high : w_low)
                                     : (negative ? w_low : w_high);
    }
}

static int64_t sum_at(const codes *c, int64_t n, int64_t oc, int64_t oy, int64_t ox)
{
    const nncf__conv2d *s = &c->s;
    int64_t in_group = s->c_in / s->groups, group = oc / (s->c_out / s->groups), sum = 0;
    for (int64_t i = 0; i < in_group; i++)
        for (int64_t ky = 0; ky < s->kernel_h; ky++)
            for (int64_t kx = 0; kx < s->kernel_w; kx++) {
                int64_t y = oy * s->stride_h - s->pad_h + ky, x = ox * s->stride_w - s->pad_w + kx;
                if (y >= 0 && y < s->h && x >= 0 && x < s->w)
                    sum += (int64_t)
                               c->x[((n * s->c_in + group * in_group + i) * s->h + y) * s->w + x] *
                        c->w[((oc * in_group + i) * s->kernel_h + ky) * s->kernel_w + kx];
            }
    return sum;
}

static void expect(codes *c)
{
    const nncf__conv2d *s = &c->s;
    float *want = c->want;
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t oc = 0; oc < s->c_out; oc++)
            for (int64_t oy = 0; oy < s->out_h; oy++)
                for (int64_t ox = 0; ox < s->out_w; ox++)
                    *want++ =
                        (float)sum_at(c, n, oc, oy, ox) * (c->step_x * c->step_w[oc]) + c->bias[oc];
}

static void make(codes *c, const nncf__conv2d *shape)
{
    *c = (codes){.s = *shape, .step_x = 0.0371f};
    nncf__conv2d *s = &c->s;
    s->out_h = (s->h + 2 * s->pad_h - s->kernel_h) / s->stride_h + 1;
    s->out_w = (s->w + 2 * s->pad_w - s->kernel_w) / s->stride_w + 1;
    s->dilation_h = s->dilation_w = 1;
    c->n_x = (size_t)(s->n * s->c_in * s->h * s->w);
    c->n_w = (size_t)(s->c_out * (s->c_in / s->groups) * s->kernel_h * s->kernel_w);
    c->n_z = (size_t)(s->n * s->c_out * s->out_h * s->out_w);
    c->x = malloc(c->n_x * sizeof *c->x);
    c->w = malloc(c->n_w * sizeof *c->w);
    c->want = malloc(c->n_z * sizeof *c->want);
    c->step_w = malloc((size_t)s->c_out * sizeof *c->step_w);
    c->bias = malloc((size_t)s->c_out * sizeof *c->bias);
    for (int64_t i = 0; i < s->c_out; i++) {
        c->step_w[i] = 0.001f * (1.0f + (float)(i % 7) / 3.0f);
        c->bias[i] = (float)i - 3.7f;
    }
}

static void destroy(codes *c)
{
    free(c->x);
    free(c->w);
    free(c->w_zero);
    free(c->want);
    free(c->step_w);
    free(c->bias);
}

/* x as floats, as unsigned and as signed bytes; `zero` fits the range that fill() was given. */
static void compare(const codes *c, nncf_context *context, int low, const char *what)
{
    float *x = malloc(c->n_x * sizeof *x), *z = malloc(c->n_z * sizeof *z);
    uint8_t *bytes = malloc(c->n_x), *w = malloc(c->n_w);
    const size_t row = c->n_w / (size_t)c->s.c_out, n_out = (size_t)c->s.c_out;
    int32_t *w_zero = calloc(n_out, sizeof *w_zero);
    for (int form = 0; form < (c->w_zero ? 4 : 3); form++) {
        /* the last form: those of weights with zero points are unsigned, too */
        const int lowest = form < 3 ? -128 : 0;
        nncf__qtensor ow = {.data = w,
            .dtype = form < 3 ? NNCF_S8 : NNCF_U8,
            .scale = c->step_w,
            .zero_point = c->w_zero ? w_zero : NULL,
            .n_scales = n_out};
        for (size_t i = 0; i < n_out; i++)
            w_zero[i] = c->w_zero ? c->w_zero[i] + lowest : 0;
        for (size_t i = 0; i < c->n_w; i++)
            w[i] = (uint8_t)(c->w[i] + w_zero[i / row]);
        const int32_t zero = form > 0 ? (form == 2 ? -128 : 0) - low : 0;
        nncf__qtensor ox = {.data = x, .scale = &c->step_x, .n_scales = 1};
        if (form > 0) { /* the lowest code is byte 0, or -128 */
            ox.data = bytes;
            ox.dtype = form == 2 ? NNCF_S8 : NNCF_U8;
            ox.zero_point = &zero;
        }
        for (size_t i = 0; i < c->n_x; i++) {
            x[i] = (float)c->x[i] * c->step_x;
            bytes[i] = (uint8_t)(c->x[i] + zero);
        }
        memset(z, 0xff, c->n_z * sizeof *z);
        ck_assert_int_eq(conv_forward(context, &c->s, &ox, &ow, c->bias, z), NNCF_OK);
        for (size_t i = 0; i < c->n_z; i++)
            REQUIRE(memcmp(&z[i], &c->want[i], sizeof *z) == 0,
                "%s, form %d, k %d, [%zu]: %.9g, expected %.9g", what, form, (int)row, i,
                (double)z[i], (double)c->want[i]);
    }
    free(x);
    free(w);
    free(w_zero);
    free(z);
    free(bytes);
}

static const struct {
    const char *blis; /* BLIS_ARCH_TYPE; NULL: our choice */
    int32_t isa;
} engines[] = {{NULL, NNCF_ISA_REFERENCE}, {NULL, NNCF_ISA_PORTABLE},
    {"generic", NNCF_ISA_PORTABLE}, {NULL, NNCF_ISA_AVX2}, {"haswell", NNCF_ISA_AVX2},
    {"zen3", NNCF_ISA_AVX2}, {NULL, NNCF_ISA_AVX512}, {"haswell", NNCF_ISA_AVX512},
    {NULL, NNCF_ISA_NEON}};

/* Every test is a process of its own, so BLIS has not been called before. */
static nncf_context *engine_context(int i, int32_t threads)
{
    if (engines[i].blis)
        setenv("BLIS_ARCH_TYPE", engines[i].blis, 1);
    else
        unsetenv("BLIS_ARCH_TYPE");
    nncf_context *c = NULL;
    nncf_context_params params = {
        .struct_size = sizeof params, .max_isa = engines[i].isa, .n_threads = threads};
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &c, NULL), NNCF_OK);
    return c;
}

/* Ranges of x: unsigned; signed; asymmetric with all codes below zero; around the middle. */
static const struct {
    int low, high, limit;
} ranges[] = {{0, 255, 127}, {-128, 127, 127}, {-255, 0, 255}, {0, 255, 255}, {-100, 155, 128}};

static void run_shape(
    const nncf__conv2d *shape, nncf_context *context, size_t first_range, const char *what)
{
    for (int pattern = 0; pattern < N_PATTERNS; pattern++) {
        size_t r = (first_range + (size_t)pattern) % COUNT(ranges);
        codes c;
        make(&c, shape);
        fill(&c, pattern, ranges[r].low, ranges[r].high, ranges[r].limit);
        expect(&c);
        compare(&c, context, ranges[r].low, what);
        destroy(&c);
    }
}

START_TEST(inner_products_of_codes_are_exact)
{
    nncf_context *contexts[4] = {NULL};
    for (int32_t t = 0; t < 4; t++)
        contexts[t] = engine_context(_i, t + 1);
    static const int64_t lengths[] = {1, 2, 3, 7, 16, 27, 64, 127, 128, 129, 130, 255, 256, 257,
        258, 259, 260, 383, 384, 385, 388, 512, 516, 517, 518, 519, 520, 768, 769, 1028, 1036, 1037,
        1152, 2047, 2048, 2049, 4096, 4607, 8191, 8192};
    size_t stride = (size_t)sweep_rounds(1, 5);
    for (size_t i = (size_t)_i % stride; i < COUNT(lengths); i += stride) {
        nncf_context *context = contexts[i / stride % 4];
        nncf__conv2d s = {.n = 1, .c_in = lengths[i], .h = 1, .w = 37, .c_out = 24, .groups = 1};
        s.kernel_h = s.kernel_w = s.stride_h = s.stride_w = 1;
        run_shape(&s, context, i, "full panels");
        s.c_out = 11;
        s.w = 35;
        run_shape(&s, context, i, "a narrow panel");
        s.w = 1; /* linear */
        s.n = 9;
        run_shape(&s, context, i, "linear");
    }
    for (int t = 0; t < 4; t++)
        nncf_context_destroy(contexts[t]);
}
END_TEST

START_TEST(convolutions_of_codes_are_exact)
{
    static const struct {
        int64_t n, c_in, h, w, c_out, kernel, stride, pad, groups;
    } shapes[] = {
        {2, 58, 9, 11, 28, 3, 1, 1, 1},
        {1, 130, 8, 9, 13, 3, 2, 1, 1},
        {2, 3, 23, 34, 32, 7, 2, 3, 1},
        {2, 18, 28, 28, 18, 3, 1, 1, 18},
        {2, 5, 29, 30, 5, 11, 1, 5, 5},
        {2, 33, 7, 7, 33, 3, 2, 1, 33},
    };
    for (int32_t threads = 1; threads <= 4; threads += sweep_rounds(1, 3)) {
        nncf_context *context = engine_context(_i, threads);
        for (size_t i = 0; i < COUNT(shapes); i++) {
            nncf__conv2d s = {
                .n = shapes[i].n, .c_in = shapes[i].c_in, .h = shapes[i].h, .w = shapes[i].w};
            s.c_out = shapes[i].c_out;
            s.kernel_h = s.kernel_w = shapes[i].kernel;
            s.stride_h = s.stride_w = shapes[i].stride;
            s.pad_h = s.pad_w = shapes[i].pad;
            s.groups = shapes[i].groups;
            run_shape(&s, context, (size_t)threads, "convolution");
        }
        nncf_context_destroy(context);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("exact");
    TCase *t = fx_case(s, "exact", 300);
    for (int i = 0; i < (int)COUNT(engines); i++) {
        if (!nncf__kernels_get(engines[i].isa)) /* this machine has it not */
            continue;
        tcase_add_loop_test(t, inner_products_of_codes_are_exact, i, i + 1);
        tcase_add_loop_test(t, convolutions_of_codes_are_exact, i, i + 1);
    }
    return s;
}

int main(int argc, char **argv)
{
    fx_random_seed_of(argc, argv);
    return fx_main(suite());
}
