/* SPDX-License-Identifier: Apache-2.0 */
/* Products of matrices against sums in double: sizes around tiles and blocks, turned or not, gaps,
 * codes, batches, every ISA, any number of threads, guard pages, special values. */
#include "base/pool.h"
#include "gemm/matrix_product.h"
#include "kernel_check.h"
#include "support/context.h"
#include "support/guard.h"
#include "support/random.h"
#include "support/require.h"
#include "support/runner.h"

#include <nncf/nncf.h>

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const int32_t levels[] = {
    NNCF_ISA_REFERENCE, NNCF_ISA_PORTABLE, NNCF_ISA_AVX2, NNCF_ISA_AVX512, NNCF_ISA_NEON};

static int64_t any(int64_t low, int64_t high)
{
    return low + (int64_t)(fx_random32() % (uint32_t)(high - low + 1));
}

/* A product with arrays that end where memory does. */
typedef struct problem {
    nncf__matrix_product p;
    size_t n_a, n_b, n_c;
    float *a, *b, *c, *bias;
    /* what a and b stand for, or NULL */
    struct codes {
        uint8_t *bytes;
        float *scales;
        int32_t *zeros;
        size_t n, n_lines;
    } codes[2];
} problem;

static void problem_make(problem *t, int64_t m, int64_t n, int64_t k, int64_t batch, int how)
{
    const bool turned[2] = {how & 1, how & 2};
    const int64_t gap = how & 4 ? any(1, 9) : 0, a_lines = turned[0] ? k : m,
                  a_length = turned[0] ? m : k, b_lines = turned[1] ? n : k,
                  b_length = turned[1] ? k : n;
    *t = (problem){.p = {.m = m, .n = n, .k = k, .batch = batch, .factor = how & 8 ? 0.37f : 1.0f}};
    t->p.a = (nncf__matrix){.stride = a_length + gap, .turned = turned[0]};
    t->p.b = (nncf__matrix){.stride = b_length + gap, .turned = turned[1]};
    t->p.c_stride = n + gap;
    t->p.a_step = a_lines * t->p.a.stride;
    t->p.b_step = b_lines * t->p.b.stride;
    t->p.c_step = m * t->p.c_stride;
    /* what follows the last line is not there */
    t->n_a = (size_t)(batch * t->p.a_step - gap);
    t->n_b = (size_t)(batch * t->p.b_step - gap);
    t->n_c = (size_t)(batch * t->p.c_step - gap);
    t->a = guard_alloc(t->n_a);
    t->b = guard_alloc(t->n_b);
    t->c = guard_alloc(t->n_c);
    guard_fill(t->a, t->n_a);
    guard_fill(t->b, t->n_b);
    t->p.a.src.data = t->a;
    t->p.b.src.data = t->b;
    t->p.c = t->c;
    if (how & 16) {
        t->bias = guard_alloc((size_t)(batch * n));
        guard_fill(t->bias, (size_t)(batch * n));
        t->p.bias = t->bias;
    }
    t->codes[0] = (struct codes){.n = t->n_a, .n_lines = (size_t)(batch * a_lines)};
    t->codes[1] = (struct codes){.n = t->n_b, .n_lines = (size_t)(batch * b_lines)};
}

/* a or b becomes codes of the type, and the floats that they stand for. */
static void problem_codes(problem *t, int which, int32_t dtype, bool a_scale_a_line)
{
    struct codes *c = &t->codes[which];
    nncf__matrix *x = which ? &t->p.b : &t->p.a;
    float *floats = which ? t->b : t->a;
    c->bytes = guard_bytes(c->n);
    c->scales = calloc(c->n_lines, sizeof *c->scales);
    c->zeros = calloc(c->n_lines, sizeof *c->zeros);
    ck_assert(c->scales && c->zeros);
    for (size_t i = 0; i < c->n_lines; i++) {
        c->scales[i] = 0.01f * (1.0f + (float)(i % 5));
        c->zeros[i] = dtype == NNCF_U8 ? (int32_t)any(0, 255) : 0;
    }
    for (size_t i = 0; i < c->n; i++) {
        const size_t line = a_scale_a_line ? i / (size_t)x->stride : 0;
        c->bytes[i] = (uint8_t)fx_random32();
        const int32_t code = dtype == NNCF_S8 ? (int32_t)(int8_t)c->bytes[i] : c->bytes[i];
        floats[i] = (float)(code - c->zeros[line]) * c->scales[line];
    }
    x->src = (nncf__qtensor){.data = c->bytes,
        .dtype = dtype,
        .scale = c->scales,
        .zero_point = dtype == NNCF_U8 ? c->zeros : NULL,
        .n_scales = a_scale_a_line ? c->n_lines : 1};
}

static void problem_free(problem *t)
{
    guard_free(t->a, t->n_a);
    guard_free(t->b, t->n_b);
    guard_free(t->c, t->n_c);
    if (t->bias)
        guard_free(t->bias, (size_t)(t->p.batch * t->p.n));
    for (int i = 0; i < 2; i++) {
        if (t->codes[i].bytes)
            guard_free_bytes(t->codes[i].bytes, t->codes[i].n);
        free(t->codes[i].scales);
        free(t->codes[i].zeros);
    }
}

enum { UNTOUCHED = 0x5a };

static void run(nncf_context *c, const problem *t)
{
    memset(t->c, UNTOUCHED, t->n_c * sizeof *t->c);
    ck_assert_int_eq(nncf__scratch_reserve(c, nncf__matrix_product_scratch(c, &t->p)), NNCF_OK);
    nncf__matrix_product_run(c, &t->p);
}

static float *copy(const float *x, size_t n)
{
    float *to = malloc(n * sizeof *to);
    ck_assert_ptr_nonnull(to);
    return memcpy(to, x, n * sizeof *to);
}

/* An element of a or b as what it stands for. */
static double at(const nncf__matrix *x, const float *data, int64_t row, int64_t column)
{
    return (double)data[x->turned ? column * x->stride + row : row * x->stride + column];
}

static void check_against_sums(const problem *t)
{
    const nncf__matrix_product *p = &t->p;
    for (int64_t i = 0; i < p->batch; i++)
        for (int64_t r = 0; r < p->m; r++)
            for (int64_t c = 0; c < p->c_stride; c++) {
                const size_t to = (size_t)(i * p->c_step + r * p->c_stride + c);
                if (c >= p->n) {
                    uint32_t bits = 0;
                    if (to < t->n_c)
                        memcpy(&bits, t->c + to, sizeof bits);
                    REQUIRE(to >= t->n_c || bits == UINT32_C(0x5a5a5a5a), "a gap is written to");
                    continue;
                }
                double sum = 0, size = 0;
                for (int64_t k = 0; k < p->k; k++) {
                    const double term = at(&p->a, t->a + i * p->a_step, r, k) *
                        at(&p->b, t->b + i * p->b_step, k, c);
                    sum += term;
                    size += fabs(term);
                }
                const double bias = p->bias ? (double)p->bias[i * p->n + c] : 0;
                const double want = sum * (double)p->factor + bias,
                             bound = (double)FLT_EPSILON *
                    ((2.0 * (double)p->k + 4.0) * size * (double)p->factor + 2.0 * fabs(bias));
                REQUIRE(fabs((double)t->c[to] - want) <= bound,
                    "(%d, %d, %d) x %d: %g at (%d, %d) of %d instead of %g", (int)p->m, (int)p->n,
                    (int)p->k, (int)p->batch, (double)t->c[to], (int)r, (int)c, (int)i, want);
            }
}

/* Sizes of tiles, and one more and less; k of one and of several blocks. */
static int64_t size_around_tiles(void)
{
    static const int64_t sizes[] = {1, 2, 5, 6, 7, 11, 12, 13, 15, 16, 17, 31, 32, 33, 48, 97, 130};
    return sizes[fx_random32() % COUNT(sizes)];
}

static int64_t depth_around_blocks(void)
{
    static const int64_t sizes[] = {1, 3, 4, 8, 31, 64, 65, 511, 512, 513, 700, 1025};
    return sizes[fx_random32() % COUNT(sizes)];
}

static void random_problem(problem *t, int round)
{
    const bool many = round % 4 == 3;
    problem_make(t, size_around_tiles(), size_around_tiles(),
        many ? any(1, 70) : depth_around_blocks(), many ? any(2, 19) : any(1, 2), round % 32);
}

START_TEST(floats_are_near_the_sums)
{
    nncf_context *c = fx_new_context(NULL, 2, levels[_i], 0);
    for (int round = 0; round < 2 * sweep_rounds(96, 32); round++) {
        problem t;
        random_problem(&t, round);
        run(c, &t);
        check_against_sums(&t);
        problem_free(&t);
    }
    nncf_context_destroy(c);
}
END_TEST

START_TEST(codes_are_the_floats_that_they_stand_for)
{
    nncf_context *c = fx_new_context(NULL, 2, levels[_i], 0);
    for (int round = 0; round < sweep_rounds(96, 32); round++) {
        problem t;
        random_problem(&t, round);
        const int which = (int)(fx_random32() % 3); /* or both */
        for (int i = 0; i < 2; i++)
            if (which == i || which == 2)
                problem_codes(&t, i, round % 2 ? NNCF_S8 : NNCF_U8, round % 3 > 0);
        run(c, &t);
        check_against_sums(&t);
        float *of_codes = copy(t.c, t.n_c);
        t.p.a.src = (nncf__qtensor){.data = t.a};
        t.p.b.src = (nncf__qtensor){.data = t.b};
        run(c, &t);
        ck_assert_msg(memcmp(of_codes, t.c, t.n_c * sizeof *t.c) == 0, "round %d", round);
        free(of_codes);
        problem_free(&t);
    }
    nncf_context_destroy(c);
}
END_TEST

START_TEST(threads_change_nothing)
{
    for (int round = 0; round < sweep_rounds(32, 16); round++) {
        problem t;
        problem_make(&t, any(1, 300), any(1, 300), depth_around_blocks(),
            round % 4 ? 1 : any(2, 12), round % 32);
        float *first = NULL;
        for (int32_t threads = 1; threads <= 4; threads++) {
            nncf_context *c = fx_new_context(NULL, threads, levels[_i], 0);
            run(c, &t);
            if (first == NULL)
                first = copy(t.c, t.n_c);
            ck_assert_msg(memcmp(first, t.c, t.n_c * sizeof *t.c) == 0, "round %d, %d threads",
                round, (int)threads);
            nncf_context_destroy(c);
        }
        free(first);
        problem_free(&t);
    }
}
END_TEST

/* A NaN or an infinity stays in its row of a, its column of b. */
START_TEST(special_values_stay_in_their_place)
{
    nncf_context *c = fx_new_context(NULL, 2, levels[_i], 0);
    for (int round = 0; round < 32; round++) {
        const int64_t m = any(2, 20), n = any(2, 40), k = any(1, 40);
        const int64_t row = any(0, m - 1), column = any(0, n - 1), depth = any(0, k - 1);
        problem t;
        problem_make(&t, m, n, k, 1, round % 4);
        const nncf__matrix *a = &t.p.a, *b = &t.p.b;
        t.a[a->turned ? depth * a->stride + row : row * a->stride + depth] =
            round & 4 ? NAN : INFINITY;
        t.b[b->turned ? column * b->stride + depth : depth * b->stride + column] =
            round & 8 ? NAN : -INFINITY;
        run(c, &t);
        for (int64_t r = 0; r < m; r++)
            for (int64_t j = 0; j < n; j++)
                REQUIRE((isfinite(t.c[r * t.p.c_stride + j]) != 0) == (r != row && j != column),
                    "row %zu, column %zu", (size_t)r, (size_t)j);
        problem_free(&t);
    }
    nncf_context_destroy(c);
}
END_TEST

/* By hand: (1 2; 3 4) (5 6; 7 8) = (19 22; 43 50). */
START_TEST(a_small_product)
{
    static const float a[] = {1, 2, 3, 4}, b[] = {5, 6, 7, 8}, turned[] = {5, 7, 6, 8},
                       want[] = {19, 22, 43, 50};
    nncf_context *c = fx_new_context(NULL, 1, levels[_i], 0);
    for (int i = 0; i < 2; i++) {
        float y[4] = {0};
        const nncf__matrix_product p = {.m = 2,
            .n = 2,
            .k = 2,
            .a = {.src = {.data = a}, .stride = 2},
            .b = {.src = {.data = i ? turned : b}, .stride = 2, .turned = i},
            .factor = 1,
            .c = y,
            .c_stride = 2,
            .batch = 1};
        ck_assert_int_eq(nncf__scratch_reserve(c, nncf__matrix_product_scratch(c, &p)), NNCF_OK);
        nncf__matrix_product_run(c, &p);
        for (int j = 0; j < 4; j++)
            ck_assert(y[j] == want[j]);
    }
    nncf_context_destroy(c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("matrix_product");
    TCase *t = fx_case(s, "matrix_product", 300);
    for (int i = 0; i < (int)COUNT(levels); i++) {
        if (!nncf__kernels_get(levels[i])) /* this machine has it not */
            continue;
        tcase_add_loop_test(t, a_small_product, i, i + 1);
        tcase_add_loop_test(t, floats_are_near_the_sums, i, i + 1);
        tcase_add_loop_test(t, codes_are_the_floats_that_they_stand_for, i, i + 1);
        tcase_add_loop_test(t, threads_change_nothing, i, i + 1);
        tcase_add_loop_test(t, special_values_stay_in_their_place, i, i + 1);
    }
    return s;
}

int main(int argc, char **argv)
{
    fx_random_seed_of(argc, argv);
    return fx_main(suite());
}
