/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 1x1 convolutions over few pixels, whose threads take some channels of all pixels. Input gradients
 * have output channels in the lanes of vectors, those of many pixels have not: whole numbers are
 * summed exactly, with any other float an image must have the bits that it has in a large batch,
 * whatever the number of threads. Forward products of codes are exact.
 */
#include "conv/conv2d.h"
#include "kernel_check.h"
#include "kernels/qtensor.h"
#include "support/context.h"
#include "support/conv_run.h"
#include "support/require.h"

#include <nncf/tensor.h>

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Packed pixels of so many bytes are no longer few. */
enum { MANY_BYTES = 1 << 20 };

static const int32_t levels[] = {
    NNCF_ISA_REFERENCE, NNCF_ISA_PORTABLE, NNCF_ISA_AVX2, NNCF_ISA_AVX512, NNCF_ISA_NEON};

/* Whole panels of channels and parts of one; whole tiles of pixels and not; several blocks of k. */
static const struct {
    int64_t n, c_in, h, w, c_out, stride;
} shapes[] = {{1, 160, 7, 7, 96, 1}, {2, 96, 7, 7, 600, 1}, {1, 70, 14, 14, 48, 1},
    {1, 33, 5, 4, 20, 1}, {3, 40, 3, 6, 530, 1}, {1, 64, 13, 13, 24, 2}, {1, 1, 4, 4, 3, 1}};

typedef struct problem {
    nncf__conv2d s;
    size_t n_w, n_dz, n_dx;
    float *w, *dz, *dx;
} problem;

static void problem_make(problem *p, size_t shape, int64_t n)
{
    p->s = (nncf__conv2d){.n = n,
        .c_in = shapes[shape].c_in,
        .h = shapes[shape].h,
        .w = shapes[shape].w,
        .c_out = shapes[shape].c_out,
        .out_h = (shapes[shape].h - 1) / shapes[shape].stride + 1,
        .out_w = (shapes[shape].w - 1) / shapes[shape].stride + 1,
        .kernel_h = 1,
        .kernel_w = 1,
        .stride_h = shapes[shape].stride,
        .stride_w = shapes[shape].stride,
        .dilation_h = 1,
        .dilation_w = 1,
        .groups = 1};
    const nncf__conv2d *s = &p->s;
    p->n_w = (size_t)(s->c_out * s->c_in);
    p->n_dz = (size_t)(s->n * s->c_out * s->out_h * s->out_w);
    p->n_dx = (size_t)(s->n * s->c_in * s->h * s->w);
    p->w = guard_alloc(p->n_w);
    p->dz = guard_alloc(p->n_dz);
    p->dx = guard_alloc(p->n_dx);
    guard_fill(p->w, p->n_w);
    guard_fill(p->dz, p->n_dz);
}

static void problem_free(const problem *p)
{
    guard_free(p->w, p->n_w);
    guard_free(p->dz, p->n_dz);
    guard_free(p->dx, p->n_dx);
}

/* As many images as are not few pixels. */
static int64_t many_images(size_t shape)
{
    const int64_t step = shapes[shape].stride, h = (shapes[shape].h - 1) / step + 1,
                  w = (shapes[shape].w - 1) / step + 1,
                  bytes = h * w * shapes[shape].c_out * (int64_t)sizeof(float);
    return shapes[shape].n + MANY_BYTES / bytes;
}

static void run(const problem *p, const nncf__qtensor *w, int32_t isa, int32_t threads)
{
    nncf_context *c = fx_new_context(NULL, threads, isa, 0);
    memset(p->dx, 0xff, p->n_dx * sizeof *p->dx);
    ck_assert_int_eq(conv_backward_input(c, &p->s, w, p->dz, p->dx), NNCF_OK);
    nncf_context_destroy(c);
}

/* The sum of whole numbers at pixel (y, x) of channel c of image n. */
static int64_t sum_at(const problem *p, int64_t n, int64_t c, int64_t y, int64_t x)
{
    const nncf__conv2d *s = &p->s;
    int64_t sum = 0;
    if (y % s->stride_h || x % s->stride_w)
        return 0;
    for (int64_t o = 0; o < s->c_out; o++)
        sum += (int64_t)p->w[o * s->c_in + c] *
            (int64_t)p->dz[((n * s->c_out + o) * s->out_h + y / s->stride_h) * s->out_w +
                x / s->stride_w];
    return sum;
}

/* A third of the shapes is enough for each level of a quick run. */
static bool is_left_out(size_t shape, int level)
{
    return (shape + (size_t)level) % (size_t)sweep_rounds(1, 3) != 0;
}

START_TEST(sums_of_whole_numbers_are_exact)
{
    for (size_t i = 0; i < COUNT(shapes); i++) {
        if (is_left_out(i, _i))
            continue;
        problem p;
        problem_make(&p, i, shapes[i].n);
        for (size_t k = 0; k < p.n_w; k++)
            p.w[k] = (float)(fx_random32() % 33) - 16;
        for (size_t k = 0; k < p.n_dz; k++)
            p.dz[k] = (float)(fx_random32() % 65) - 32;
        run(&p, &(nncf__qtensor){.data = p.w}, levels[_i], 1 + (int32_t)i % 3);
        const float *dx = p.dx;
        for (int64_t n = 0; n < p.s.n; n++)
            for (int64_t c = 0; c < p.s.c_in; c++)
                for (int64_t y = 0; y < p.s.h; y++)
                    for (int64_t x = 0; x < p.s.w; x++, dx++)
                        REQUIRE(*dx == (float)sum_at(&p, n, c, y, x),
                            "shape %zu, image %d, channel %d, (%d, %d): %g", i, (int)n, (int)c,
                            (int)y, (int)x, (double)*dx);
        problem_free(&p);
    }
}
END_TEST

START_TEST(a_large_batch_and_threads_change_no_bits)
{
    for (size_t i = 0; i < COUNT(shapes); i++) {
        if (is_left_out(i, _i))
            continue;
        problem few, many;
        problem_make(&few, i, shapes[i].n);
        problem_make(&many, i, many_images(i));
        memcpy(many.w, few.w, few.n_w * sizeof *few.w);
        memcpy(many.dz, few.dz, few.n_dz * sizeof *few.dz);
        const nncf__qtensor w = {.data = few.w};
        run(&many, &w, levels[_i], 2);
        for (int32_t threads = 1; threads <= 4; threads += sweep_rounds(1, 3)) {
            run(&few, &w, levels[_i], threads);
            REQUIRE(memcmp(few.dx, many.dx, few.n_dx * sizeof *few.dx) == 0,
                "shape %zu, %d threads", i, (int)threads);
        }
        problem_free(&few);
        problem_free(&many);
    }
}
END_TEST

/* A scale for all weights, or one an output channel of the layer. */
START_TEST(codes_are_the_floats_that_they_stand_for)
{
    for (size_t i = 0; i < 2 * COUNT(shapes); i += (size_t)sweep_rounds(1, 3)) {
        problem p;
        problem_make(&p, i / 2, shapes[i / 2].n);
        const bool per_channel = i % 2;
        int8_t *codes = malloc(p.n_w);
        float *scales = malloc((size_t)p.s.c_out * sizeof *scales),
              *want = malloc(p.n_dx * sizeof *want);
        for (int64_t o = 0; o < p.s.c_out; o++)
            scales[o] = 0.001f * (1.0f + (float)(o % 7) / 3.0f);
        for (size_t k = 0; k < p.n_w; k++) {
            const int code = (int)(fx_random32() % 255) - 127;
            codes[k] = (int8_t)code;
            p.w[k] = (float)code * scales[per_channel ? k / (size_t)p.s.c_in : 0];
        }
        run(&p, &(nncf__qtensor){.data = p.w}, levels[_i], 2);
        memcpy(want, p.dx, p.n_dx * sizeof *want);
        run(&p,
            &(nncf__qtensor){.data = codes,
                .dtype = NNCF_S8,
                .scale = scales,
                .n_scales = per_channel ? (size_t)p.s.c_out : 1},
            levels[_i], 2);
        REQUIRE(memcmp(p.dx, want, p.n_dx * sizeof *want) == 0, "shape %zu", i / 2);
        free(codes);
        free(scales);
        free(want);
        problem_free(&p);
    }
}
END_TEST

/* z of codes, whose scales are 1: the sums of integers, plus the bias. */
static void check_products_of_codes(size_t shape, int32_t isa, int32_t threads)
{
    enum { ZERO = 93 };
    problem p;
    problem_make(&p, shape, shapes[shape].n);
    const nncf__conv2d *s = &p.s;
    const int32_t zero = ZERO;
    const float one = 1;
    const int64_t plane = s->out_h * s->out_w;
    uint8_t *x = malloc(p.n_dx);
    int8_t *w = malloc(p.n_w);
    float *bias = malloc((size_t)s->c_out * sizeof *bias);
    for (size_t i = 0; i < p.n_dx; i++)
        x[i] = (uint8_t)fx_random32();
    for (size_t i = 0; i < p.n_w; i++)
        w[i] = (int8_t)((int)(fx_random32() % 255) - 127);
    for (int64_t o = 0; o < s->c_out; o++)
        bias[o] = (float)(o % 5);
    nncf_context *c = fx_new_context(NULL, threads, isa, 0);
    ck_assert_int_eq(
        conv_forward(c, s,
            &(nncf__qtensor){
                .data = x, .dtype = NNCF_U8, .scale = &one, .n_scales = 1, .zero_point = &zero},
            &(nncf__qtensor){.data = w, .dtype = NNCF_S8, .scale = &one, .n_scales = 1}, bias,
            p.dz),
        NNCF_OK);
    nncf_context_destroy(c);
    for (size_t i = 0; i < p.n_dz; i++) {
        const int64_t pixel = (int64_t)i % plane, o = (int64_t)i / plane % s->c_out,
                      n = (int64_t)i / plane / s->c_out,
                      at = pixel / s->out_w * s->stride_h * s->w + pixel % s->out_w * s->stride_w;
        int64_t sum = o % 5;
        for (int64_t k = 0; k < s->c_in; k++)
            sum += (int64_t)(x[(n * s->c_in + k) * s->h * s->w + at] - zero) * w[o * s->c_in + k];
        REQUIRE(p.dz[i] == (float)sum, "shape %zu, %d threads [%zu]: %g, expected %g", shape,
            (int)threads, i, (double)p.dz[i], (double)sum);
    }
    free(x);
    free(w);
    free(bias);
    problem_free(&p);
}

START_TEST(products_of_codes_are_exact)
{
    for (size_t i = 0; i < COUNT(shapes); i++) {
        if (is_left_out(i, _i))
            continue;
        for (int32_t threads = 1; threads <= 4; threads += sweep_rounds(1, 3))
            check_products_of_codes(i, levels[_i], threads);
    }
}
END_TEST

int main(int argc, char **argv)
{
    Suite *s = suite_create("few_pixels");
    TCase *t = fx_case(s, "few_pixels", 300);
    for (int i = 0; i < (int)COUNT(levels); i++) {
        if (!nncf__kernels_get(levels[i])) /* this machine has it not */
            continue;
        tcase_add_loop_test(t, sums_of_whole_numbers_are_exact, i, i + 1);
        tcase_add_loop_test(t, a_large_batch_and_threads_change_no_bits, i, i + 1);
        tcase_add_loop_test(t, products_of_codes_are_exact, i, i + 1);
        tcase_add_loop_test(t, codes_are_the_floats_that_they_stand_for, i, i + 1);
    }
    fx_random_seed_of(argc, argv);
    return fx_main(s);
}
