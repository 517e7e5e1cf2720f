/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums of whole floats and of their squares: every ISA, any cut into rows, against a loop in
 * 128-bit integers. Codes at their worst up to the longest k, where doubles would round.
 */
#include "kernels/exact_sums.h"
#include "kernels/kernels.h"
#include "support/random.h"
#include "support/runner.h"

#include <nncf/context.h>

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

enum { MOST = 3000 };

static const int32_t isas[] = {
    NNCF_ISA_REFERENCE, NNCF_ISA_PORTABLE, NNCF_ISA_AVX2, NNCF_ISA_AVX512};

static void same_as_wide(const nncf__exact_sums *s, const float *z, size_t n)
{
    int64_t sum = 0;
    wide squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (int64_t)z[i];
        squares += (wide)(uint64_t)((int64_t)z[i] * (int64_t)z[i]);
    }
    ck_assert_int_eq(s->sum, sum);
    ck_assert(((wide)s->high << 32) + s->low == squares);
    ck_assert(s->beyond[0] == 0 && s->beyond[1] == 0);
}

/* Rows of these lengths, one after the other, by every ISA; the means of all are the same bits. */
static void check_rows(const float *z, size_t n, size_t row)
{
    double expected[2];
    nncf__exact_sums ref = {0};
    nncf__exact_sums_ref(n, z, &ref);
    same_as_wide(&ref, z, n);
    nncf__exact_sums_means(&ref, (double)n, expected);
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        const nncf__kernels *k = nncf__kernels_get(isas[i]);
        nncf__exact_sums s = {0}, parts = {0};
        double means[2];
        for (size_t at = 0; k && at < n; at += row) {
            nncf__exact_sums one = {0};
            nncf__exact_sums_row(k, at + row < n ? row : n - at, z + at, &s);
            nncf__exact_sums_row(k, at + row < n ? row : n - at, z + at, &one);
            nncf__exact_sums_add(&parts, &one);
        }
        if (!k)
            continue;
        same_as_wide(&s, z, n);
        same_as_wide(&parts, z, n);
        nncf__exact_sums_means(&parts, (double)n, means);
        ck_assert(memcmp(means, expected, sizeof means) == 0);
    }
}

static const size_t lengths[] = {1, 15, 16, 17, 63, 64, 65, 1000, MOST};

/* Sums of k products of codes, from the usual to the worst: 255 * -128 each. */
START_TEST(sums_and_squares_are_exact)
{
    static float z[MOST];
    static const int32_t ks[] = {1, 9, 27, 96, 514, 576, 4608, 8192, 32768};
    const int32_t k = ks[_i];
    for (int worst = 0; worst < 3; worst++)
        for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
            const int64_t most = (int64_t)k * 255 * 128;
            for (size_t i = 0; i < lengths[l]; i++)
                z[i] = worst == 2 ? (float)-most
                    : worst       ? (float)(i % 2 ? most : -most + (int64_t)(i % 7))
                            : (float)((int64_t)(fx_random32() % (uint32_t)(2 * most + 1)) - most);
            check_rows(z, lengths[l], lengths[l]);
            check_rows(z, lengths[l], 37);
        }
}
END_TEST

/* Around 2^53, where the fast way ends: one value more decides. */
START_TEST(squares_about_2_53_are_exact)
{
    static float z[MOST];
    for (size_t n = 30; n < 36; n++)
        for (int less = -1; less <= 1; less++) {
            for (size_t i = 0; i < n; i++)
                z[i] = 16777216.0f; /* 2^24: 32 squares are 2^53 */
            z[n - 1] = (float)(1 + less);
            check_rows(z, n, n);
        }
}
END_TEST

START_TEST(what_no_quantizer_made_is_not_lost)
{
    float z[20];
    double means[2];
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        const nncf__kernels *k = nncf__kernels_get(isas[i]);
        if (!k)
            continue;
        for (int j = 0; j < 20; j++)
            z[j] = (float)j;
        z[3] = NAN;
        nncf__exact_sums s = {0};
        nncf__exact_sums_row(k, 20, z, &s);
        nncf__exact_sums_means(&s, 20, means);
        ck_assert(isnan(means[0]) && isnan(means[1]));
        z[3] = 0x1p40f;
        s = (nncf__exact_sums){0};
        nncf__exact_sums_row(k, 20, z, &s);
        nncf__exact_sums_means(&s, 20, means);
        ck_assert_double_eq_tol(means[0], (0x1p40 + 187) / 20, 1e-3);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("exact_sums");
    TCase *tcase = fx_case(suite, "sums", 120);
    tcase_add_loop_test(tcase, sums_and_squares_are_exact, 0, 9);
    tcase_add_test(tcase, squares_about_2_53_are_exact);
    tcase_add_test(tcase, what_no_quantizer_made_is_not_lost);
    return fx_main(suite);
}
