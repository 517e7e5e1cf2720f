/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Selection by rank in orders that are made to be slow: the value is right, and the elements looked
 * at, which are counted, stay in proportion to their number. (Masks by magnitude are made from
 * counts, in two passes whatever the weights are: test_magnitude.c.)
 */
#include "quantization/histogram.h"
#include "support/fixture.h"

#include <float.h>
#include <stdbool.h>

enum { N = 20000 };

typedef void order(float *v, size_t n);

static void equal(float *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = -0.25f;
}

static void rising(float *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = (float)i - (float)(n / 3);
}

static void falling(float *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = (float)(n - i);
}

static void organ_pipe(float *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = (float)(i < n / 2 ? i : n - i);
}

static void few_values(float *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = (float)(i * 7919 % 5) - 2;
}

static void all_but_one(float *v, size_t n)
{
    equal(v, n);
    v[n / 2] = FLT_MAX;
}

static void denormals(float *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = (float)(i * 7919 % n) * FLT_TRUE_MIN * (i % 2 ? 1.0f : -1.0f);
}

static void signed_zeros(float *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = i % 3 ? 0.0f : -0.0f;
}

static void wide(float *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = ldexpf(i % 2 ? 1.0f : -1.0f, (int)(i * 31 % 250) - 125);
}

static void shuffled(float *v, size_t n)
{
    uint64_t seed = 5;
    for (size_t i = 0; i < n; i++)
        v[i] = (float)(fx_next(&seed) % 1000003) - 500000;
}

/*
 * An adversary for pivots (McIlroy 1999, "A hostile adversary for quicksort"): values are decided
 * while a selection by the median of three compares them, always so that as little as possible is
 * learnt. Elements are the numbers of values; what is not decided is larger than what is.
 */
typedef struct adversary {
    int value[N], undecided, decided, candidate;
} adversary;

static bool is_less(adversary *a, int x, int y)
{
    if (a->value[x] == a->undecided && a->value[y] == a->undecided)
        a->value[x == a->candidate ? x : y] = a->decided++;
    if (a->value[x] == a->undecided)
        a->candidate = x;
    else if (a->value[y] == a->undecided)
        a->candidate = y;
    return a->value[x] < a->value[y];
}

static void exchange(int *a, int *b)
{
    int t = *a;
    *a = *b;
    *b = t;
}

static void against_pivots(float *v, size_t n)
{
    static adversary a;
    static int at[N];
    a = (adversary){.undecided = (int)n};
    for (int i = 0; i < (int)n; i++) {
        a.value[i] = a.undecided;
        at[i] = i;
    }
    size_t low = 0, high = n - 1, k = n / 2;
    while (low < high) {
        size_t i = low, j = high, middle = low + (high - low) / 2;
        if (is_less(&a, at[middle], at[low]))
            exchange(&at[middle], &at[low]);
        if (is_less(&a, at[high], at[low]))
            exchange(&at[high], &at[low]);
        if (is_less(&a, at[high], at[middle]))
            exchange(&at[high], &at[middle]);
        const int pivot = at[middle];
        for (;;) {
            while (is_less(&a, at[i], pivot))
                i++;
            while (is_less(&a, pivot, at[j]))
                j--;
            if (i >= j)
                break;
            exchange(&at[i++], &at[j--]);
        }
        if (k <= j)
            high = j;
        else
            low = j + 1;
    }
    for (size_t i = 0; i < n; i++)
        v[i] = (float)a.value[i];
}

static order *const orders[] = {equal, rising, falling, organ_pipe, few_values, all_but_one,
    denormals, signed_zeros, wide, shuffled, against_pivots};

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static uint64_t check_rank(int which, const float *given, const float *sorted, size_t n, size_t k)
{
    static float v[N];
    uint64_t looks = 0;
    memcpy(v, given, n * sizeof *v);
    const float got = nncf__ranked(v, n, k, &looks);
    ck_assert_msg(got == sorted[k], "order %d: place %zu of %zu is %a, should be %a", which, k, n,
        (double)got, (double)sorted[k]);
    ck_assert_msg(looks <= 41 * n, "order %d: place %zu of %zu took %llu looks", which, k, n,
        (unsigned long long)looks);
    for (size_t i = 0; i < n; i++)
        if (i < k ? v[i] > got : v[i] < got)
            ck_abort_msg("order %d: element %zu is on the wrong side of place %zu", which, i, k);
    qsort(v, n, sizeof *v, compare); /* none is lost */
    for (size_t i = 0; i < n; i++)
        if (v[i] != sorted[i])
            ck_abort_msg("order %d: element %zu has changed", which, i);
    return looks;
}

START_TEST(selection_is_linear_in_every_order)
{
    static const size_t counts[] = {1, 2, 3, 4, 5, 16, 17, 100, 1023, N};
    static float given[N], sorted[N];
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        const size_t n = counts[c], places[] = {0, n / 1000, n / 4, n / 2, n - 1 - n / 1000, n - 1};
        orders[_i](given, n);
        memcpy(sorted, given, n * sizeof *sorted);
        qsort(sorted, n, sizeof *sorted, compare);
        for (size_t i = 0; i < sizeof places / sizeof *places; i++)
            check_rank(_i, given, sorted, n, places[i]);
        for (size_t k = 0; n <= 100 && k < n; k++)
            check_rank(_i, given, sorted, n, k);
    }
}
END_TEST

/* Pivots alone would look at each element N / 4 times here; the bits of the keys end that. In a
 * random order they are not needed. */
START_TEST(pivots_give_up_where_they_must)
{
    static float given[N], sorted[N];
    for (int hostile = 0; hostile < 2; hostile++) {
        (hostile ? against_pivots : shuffled)(given, N);
        memcpy(sorted, given, sizeof sorted);
        qsort(sorted, N, sizeof *sorted, compare);
        uint64_t looks = check_rank(hostile, given, sorted, N, N / 2);
        if (hostile)
            ck_assert_uint_gt(looks, 8 * N);
        else
            ck_assert_uint_lt(looks, 6 * N);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("selection");
    TCase *tests = fx_case(suite, "selection", 120);
    tcase_add_loop_test(
        tests, selection_is_linear_in_every_order, 0, (int)(sizeof orders / sizeof *orders));
    tcase_add_test(tests, pivots_give_up_where_they_must);
    return fx_main(suite);
}
