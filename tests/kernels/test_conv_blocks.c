/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolutions whose weight has blocks of zeros, which products skip, against the same convolutions
 * without that knowledge and against the naive loops. Whole numbers make all sums exact, so that
 * every level must give the same bits; with other floats the built-in microkernel does, too.
 */
#include "base/int_math.h"
#include "conv/conv2d.h"
#include "kernel_check.h"
#include "kernels/qtensor.h"
#include "support/context.h"
#include "support/conv_run.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int32_t levels[] = {
    NNCF_ISA_REFERENCE, NNCF_ISA_PORTABLE, NNCF_ISA_AVX2, NNCF_ISA_AVX512, NNCF_ISA_NEON};

static const nncf__conv2d shapes[] = {
    {.n = 2,
        .c_in = 40,
        .h = 9,
        .w = 7,
        .c_out = 37,
        .kernel_h = 3,
        .kernel_w = 3,
        .stride_h = 1,
        .stride_w = 1,
        .pad_h = 1,
        .pad_w = 1,
        .groups = 1},
    {.n = 1,
        .c_in = 96,
        .h = 12,
        .w = 11,
        .c_out = 64,
        .kernel_h = 3,
        .kernel_w = 3,
        .stride_h = 1,
        .stride_w = 1,
        .pad_h = 1,
        .pad_w = 1,
        .groups = 1},
    {.n = 3,
        .c_in = 33,
        .h = 8,
        .w = 9,
        .c_out = 48,
        .kernel_h = 3,
        .kernel_w = 3,
        .stride_h = 2,
        .stride_w = 2,
        .pad_h = 1,
        .pad_w = 1,
        .groups = 1},
    {.n = 2,
        .c_in = 64,
        .h = 21,
        .w = 21,
        .c_out = 50,
        .kernel_h = 1,
        .kernel_w = 1,
        .stride_h = 1,
        .stride_w = 1,
        .groups = 1},
    {.n = 17,
        .c_in = 100,
        .h = 1,
        .w = 1,
        .c_out = 70,
        .kernel_h = 1,
        .kernel_w = 1,
        .stride_h = 1,
        .stride_w = 1,
        .groups = 1},
    /* linear layers: k in several parts, of x, of dz, of rows; groups of few and of many */
    {.n = 37,
        .c_in = 1100,
        .h = 1,
        .w = 1,
        .c_out = 90,
        .kernel_h = 1,
        .kernel_w = 1,
        .stride_h = 1,
        .stride_w = 1,
        .groups = 1},
    {.n = 19,
        .c_in = 70,
        .h = 1,
        .w = 1,
        .c_out = 1030,
        .kernel_h = 1,
        .kernel_w = 1,
        .stride_h = 1,
        .stride_w = 1,
        .groups = 1},
    {.n = 530,
        .c_in = 66,
        .h = 1,
        .w = 1,
        .c_out = 130,
        .kernel_h = 1,
        .kernel_w = 1,
        .stride_h = 1,
        .stride_w = 1,
        .groups = 1},
    {.n = 21,
        .c_in = 60,
        .h = 1,
        .w = 1,
        .c_out = 44,
        .kernel_h = 1,
        .kernel_w = 1,
        .stride_h = 1,
        .stride_w = 1,
        .groups = 2},
    {.n = 40,
        .c_in = 240,
        .h = 1,
        .w = 1,
        .c_out = 360,
        .kernel_h = 1,
        .kernel_w = 1,
        .stride_h = 1,
        .stride_w = 1,
        .groups = 12},
    {.n = 2,
        .c_in = 60,
        .h = 7,
        .w = 6,
        .c_out = 44,
        .kernel_h = 3,
        .kernel_w = 2,
        .stride_h = 1,
        .stride_w = 1,
        .pad_h = 1,
        .groups = 2},
    {.n = 1,
        .c_in = 700,
        .h = 5,
        .w = 5,
        .c_out = 26,
        .kernel_h = 1,
        .kernel_w = 1,
        .stride_h = 1,
        .stride_w = 1,
        .groups = 1},
};
static const int64_t blocks[] = {16, 12, 4, 7, 24, 32};
enum { SHAPES = sizeof shapes / sizeof *shapes, BLOCKS = sizeof blocks / sizeof *blocks };

typedef struct problem {
    nncf__conv2d s;
    size_t n_x, n_w, n_z, n_kept;
    float *x, *w, *dz, *bias;
    uint8_t *kept, *codes;
    /* of each weight */
    uint8_t *weight_kept;
} problem;

/* Whole numbers of few bits, or any floats. */
static void fill(float *x, size_t n, bool whole)
{
    for (size_t i = 0; i < n; i++)
        x[i] = whole ? (float)((int)(fx_random32() % 15) - 7)
                     : (float)(fx_random32() >> 8) * 0x1p-23f - 1.0f;
}

/* Blocks are kept with a probability of `density` percent. Those of 12, 4 and 24 are numbered as a
 * transposed convolution's. */
static problem make(const nncf__conv2d *shape, int64_t block, uint32_t density, bool whole)
{
    problem p = {.s = *shape};
    nncf__conv2d *s = &p.s;
    s->dilation_h = s->dilation_w = 1;
    s->out_h = (s->h + 2 * s->pad_h - s->kernel_h) / s->stride_h + 1;
    s->out_w = (s->w + 2 * s->pad_w - s->kernel_w) / s->stride_w + 1;
    s->blocks_are_turned = block % 16 != 0 && block % 2 == 0;
    const int64_t taps = s->kernel_h * s->kernel_w, in = s->c_in / s->groups,
                  out = s->c_out / s->groups, along = div_ceil(in, block);
    p.n_x = (size_t)(s->n * s->c_in * s->h * s->w);
    p.n_w = (size_t)(s->c_out * in * taps);
    p.n_z = (size_t)(s->n * s->c_out * s->out_h * s->out_w);
    p.n_kept = (size_t)(s->groups * div_ceil(out, block) * along * taps);
    p.x = guard_alloc(p.n_x);
    p.w = guard_alloc(p.n_w);
    p.dz = guard_alloc(p.n_z);
    p.bias = guard_alloc((size_t)s->c_out);
    p.kept = guard_bytes(p.n_kept);
    p.codes = guard_bytes(p.n_w);
    p.weight_kept = malloc(p.n_w);
    fill(p.x, p.n_x, whole);
    fill(p.w, p.n_w, whole);
    fill(p.dz, p.n_z, whole);
    fill(p.bias, (size_t)s->c_out, whole);
    for (size_t i = 0; i < p.n_kept; i++)
        p.kept[i] = fx_random32() % 100 < density;
    for (int64_t o = 0; o < s->c_out; o++)
        for (int64_t i = 0; i < in; i++)
            for (int64_t t = 0; t < taps; t++) {
                const int64_t at = (o * in + i) * taps + t,
                              row = o / out * div_ceil(out, block) + o % out / block;
                const int64_t number = s->blocks_are_turned
                    ? i / block * s->groups * div_ceil(out, block) + row
                    : row * along + i / block;
                p.weight_kept[at] = p.kept[number * taps + t];
                if (!p.weight_kept[at])
                    p.w[at] = at % 3 ? 0.0f : -0.0f;
                p.codes[at] = (uint8_t)(int8_t)p.w[at];
            }
    s->block = block;
    s->kept_blocks = p.kept;
    return p;
}

static void free_problem(problem *p)
{
    guard_free(p->x, p->n_x);
    guard_free(p->w, p->n_w);
    guard_free(p->dz, p->n_z);
    guard_free(p->bias, (size_t)p->s.c_out);
    guard_free_bytes(p->kept, p->n_kept);
    guard_free_bytes(p->codes, p->n_w);
    free(p->weight_kept);
}

/* The same convolution, whose blocks nobody knows of. */
static nncf__conv2d dense(const problem *p)
{
    nncf__conv2d s = p->s;
    s.block = 0;
    s.kept_blocks = NULL;
    return s;
}

/* Bits; but that -0 and 0 are alike. */
static void assert_same(
    const problem *p, const char *what, const float *got, const float *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        REQUIRE(got[i] == want[i] || (isnan(got[i]) && isnan(want[i])),
            "%s, c%d -> c%d, k%d, block %d [%zu]: %.9g, expected %.9g", what, (int)p->s.c_in,
            (int)p->s.c_out, (int)p->s.kernel_h, (int)p->s.block, i, (double)got[i],
            (double)want[i]);
}

/* by_ref: against the naive loops, else against products that skip nothing. */
static void check(const problem *p, nncf_context *c, bool by_ref)
{
    const nncf__conv2d all = dense(p);
    nncf__conv2d unmasked = p->s; /* blocks of weights have one order of sums, others another */
    unmasked.kept_blocks = NULL;
    const nncf__qtensor x = {.data = p->x}, w = {.data = p->w};
    const size_t most = max_size(p->n_x, max_size(p->n_z, p->n_w));
    float *want = malloc(most * sizeof *want), *z = guard_alloc(p->n_z), *dx = guard_alloc(p->n_x),
          *dw = guard_alloc(p->n_w);
    if (by_ref)
        nncf__conv2d_forward_ref(&all, &x, &w, p->bias, want);
    else
        ck_assert_int_eq(conv_forward(c, &all, &x, &w, p->bias, want), NNCF_OK);
    ck_assert_int_eq(conv_forward(c, &p->s, &x, &w, p->bias, z), NNCF_OK);
    assert_same(p, "forward", z, want, p->n_z);
    if (by_ref)
        nncf__conv2d_backward_input_ref(&all, &w, p->dz, want);
    else
        ck_assert_int_eq(conv_backward_input(c, &all, &w, p->dz, want), NNCF_OK);
    ck_assert_int_eq(conv_backward_input(c, &p->s, &w, p->dz, dx), NNCF_OK);
    assert_same(p, "backward_input", dx, want, p->n_x);
    if (by_ref)
        nncf__conv2d_backward_weight_ref(&all, &x, p->dz, want);
    else
        ck_assert_int_eq(conv_backward_weight(c, &unmasked, &x, p->dz, want), NNCF_OK);
    for (size_t i = 0; i < p->n_w; i++)
        dw[i] = NAN; /* must be written */
    ck_assert_int_eq(conv_backward_weight(c, &p->s, &x, p->dz, dw), NNCF_OK);
    for (size_t i = 0; i < p->n_w; i++)
        if (!p->weight_kept[i]) {
            REQUIRE(!isnan(dw[i]), "dw [%zu] is not written", i);
            dw[i] = want[i] = 0;
        }
    assert_same(p, "backward_weight", dw, want, p->n_w);
    guard_free(z, p->n_z);
    guard_free(dx, p->n_x);
    guard_free(dw, p->n_w);
    free(want);
}

START_TEST(whole_numbers_are_exact)
{
    static const uint32_t densities[] = {0, 25, 60, 100};
    for (int threads = sweep_rounds(1, 2); threads <= 2; threads++) {
        nncf_context *c = fx_new_context(NULL, threads, levels[_i], 0);
        for (size_t i = 0; i < SHAPES; i++)
            for (size_t b = 0; b < BLOCKS; b++) {
                if ((i + b + (size_t)_i) % (size_t)sweep_rounds(1, 6))
                    continue;
                problem p = make(&shapes[i], blocks[b], densities[(i + b) % 4], true);
                check(&p, c, true);
                free_problem(&p);
            }
        nncf_context_destroy(c);
    }
}
END_TEST

/* The bits of a product that skips nothing: sums over k run in the same order and parts. BLIS's
 * microkernels are not the portable level's. */
START_TEST(floats_have_the_bits_of_the_dense_product)
{
    nncf_context *c = fx_new_context(NULL, 2, NNCF_ISA_PORTABLE, 0);
    for (size_t i = 0; i < SHAPES; i += (size_t)sweep_rounds(1, 4)) {
        problem p = make(&shapes[i], 16, 25, false);
        check(&p, c, false);
        free_problem(&p);
    }
    nncf_context_destroy(c);
}
END_TEST

static bool is_linear(const nncf__conv2d *s)
{
    return s->h * s->w == 1 && s->kernel_h * s->kernel_w == 1;
}

/* Linear layers have microkernels of their own at each level, with one order of sums. */
START_TEST(linear_layers_have_the_bits_of_the_dense_product)
{
    static const uint32_t densities[] = {0, 25, 60, 100};
    for (int32_t threads = 1; threads <= 3; threads += 2) {
        nncf_context *c = fx_new_context(NULL, threads, levels[_i], 0);
        for (size_t i = 0; i < SHAPES; i++)
            for (size_t b = 0; b < BLOCKS; b += (size_t)sweep_rounds(1, 3)) {
                if (!is_linear(&shapes[i]))
                    continue;
                problem p = make(&shapes[i], blocks[b], densities[(i + b) % 4], false);
                check(&p, c, false);
                free_problem(&p);
            }
        nncf_context_destroy(c);
    }
}
END_TEST

/* An input that no output channel reads, an output that has no weight. */
START_TEST(linear_layers_do_not_see_what_nobody_reads)
{
    nncf_context *c = fx_new_context(NULL, 2, levels[_i], 0);
    for (size_t k = 0; k < SHAPES; k++) {
        if (!is_linear(&shapes[k]) || shapes[k].groups > 1)
            continue;
        problem p = make(&shapes[k], 16, 100, true);
        const nncf__conv2d *s = &p.s;
        const int64_t along = div_ceil(s->c_in, 16);
        const nncf__qtensor x = {.data = p.x}, w = {.data = p.w};
        float *z = guard_alloc(p.n_z);
        for (int64_t o = 0; o < s->c_out; o++) {
            p.kept[o / 16 * along + 1] = 0;
            memset(p.w + o * s->c_in + 16, 0, 16 * sizeof(float));
        }
        for (int64_t n = 0; n < s->n; n++)
            p.x[n * s->c_in + 17] = NAN;
        ck_assert_int_eq(conv_forward(c, s, &x, &w, p.bias, z), NNCF_OK);
        for (size_t i = 0; i < p.n_z; i++)
            REQUIRE(isfinite(z[i]), "z [%zu]", i);
        guard_free(z, p.n_z);
        free_problem(&p);
    }
    nncf_context_destroy(c);
}
END_TEST

/* Codes on floating-point kernels and on integer ones: the same sums. */
START_TEST(codes_are_exact)
{
    const float step_x = 0.25f, step_w = 0.5f;
    for (int disable = 0; disable < 2; disable++) {
        nncf_context *c = NULL;
        nncf_context_params params = {.struct_size = sizeof params,
            .max_isa = levels[_i],
            .n_threads = 2,
            .disable_int8 = disable};
        ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &c, NULL), NNCF_OK);
        for (size_t i = 0; i < SHAPES; i += (size_t)sweep_rounds(1, 3)) {
            problem p = make(&shapes[i], blocks[i % BLOCKS], i % 4 == 3 ? 0 : 25, true);
            const nncf__conv2d all = dense(&p);
            uint8_t *bytes = guard_bytes(p.n_x);
            for (size_t j = 0; j < p.n_x; j++)
                bytes[j] = (uint8_t)(fx_random32() % 256);
            const nncf__qtensor
                x = {.data = bytes, .dtype = NNCF_U8, .scale = &step_x, .n_scales = 1},
                w = {.data = p.codes, .dtype = NNCF_S8, .scale = &step_w, .n_scales = 1};
            float *want = malloc(p.n_z * sizeof *want), *z = guard_alloc(p.n_z);
            nncf__conv2d_forward_ref(&all, &x, &w, p.bias, want);
            ck_assert_int_eq(conv_forward(c, &p.s, &x, &w, p.bias, z), NNCF_OK);
            assert_same(&p, "codes", z, want, p.n_z);
            guard_free(z, p.n_z);
            guard_free_bytes(bytes, p.n_x);
            free(want);
            free_problem(&p);
        }
        nncf_context_destroy(c);
    }
}
END_TEST

/* What a skipped block would have been multiplied by is not looked at: a channel of NaN, whose
 * weights are all masked. */
START_TEST(skipped_nan_is_not_seen)
{
    nncf_context *c = fx_new_context(NULL, 1, levels[_i], 0);
    problem p = make(&shapes[0], 4, 100, true);
    const nncf__conv2d *s = &p.s;
    const int64_t taps = s->kernel_h * s->kernel_w;
    const nncf__qtensor x = {.data = p.x}, w = {.data = p.w};
    float *z = guard_alloc(p.n_z), *dx = guard_alloc(p.n_x);
    for (int64_t n = 0; n < s->n; n++) /* input channels 8 to 11, output channels 4 to 7 */
        for (int64_t i = 0; i < s->h * s->w; i++)
            p.x[(n * s->c_in + 9) * s->h * s->w + i] = NAN;
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t i = 0; i < s->out_h * s->out_w; i++)
            p.dz[(n * s->c_out + 5) * s->out_h * s->out_w + i] = INFINITY;
    for (int64_t o = 0; o < s->c_out; o++)
        for (int64_t i = 0; i < s->c_in; i++)
            for (int64_t t = 0; t < taps; t++)
                if (i / 4 == 2 || o / 4 == 1)
                    p.w[(o * s->c_in + i) * taps + t] = 0;
    ck_assert_int_eq(conv_forward(c, s, &x, &w, p.bias, z), NNCF_OK);
    ck_assert_int_eq(conv_backward_input(c, s, &w, p.dz, dx), NNCF_OK);
    for (size_t i = 0; i < p.n_z; i++)
        REQUIRE(isfinite(z[i]), "z [%zu]", i);
    for (size_t i = 0; i < p.n_x; i++)
        REQUIRE(isfinite(dx[i]), "dx [%zu]", i);
    guard_free(z, p.n_z);
    guard_free(dx, p.n_x);
    free_problem(&p);
    nncf_context_destroy(c);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *s = suite_create("conv_blocks");
    TCase *t = fx_case(s, "conv_blocks", 300);
    for (int i = 0; i < (int)COUNT(levels); i++) {
        if (!nncf__kernels_get(levels[i])) /* this machine has it not */
            continue;
        tcase_add_loop_test(t, whole_numbers_are_exact, i, i + 1);
        tcase_add_loop_test(t, codes_are_exact, i, i + 1);
        if (levels[i] == NNCF_ISA_REFERENCE) /* its loops skip nothing */
            continue;
        tcase_add_loop_test(t, skipped_nan_is_not_seen, i, i + 1);
        tcase_add_loop_test(t, linear_layers_have_the_bits_of_the_dense_product, i, i + 1);
        tcase_add_loop_test(t, linear_layers_do_not_see_what_nobody_reads, i, i + 1);
    }
    tcase_add_test(t, floats_have_the_bits_of_the_dense_product);
    fx_random_seed_of(argc, argv);
    return fx_main(s);
}
