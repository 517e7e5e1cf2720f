/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The distribution of a stream of floats, in constant memory. As long as the elements fit they are
 * stored, and all results are exact. From then on they are counted in bins that follow the layout
 * of floats: OCTAVES octaves below the largest magnitude, 1 << sub_bits bins of equal width in
 * each, for either sign, and one bin for all that is smaller. At a larger magnitude the octaves
 * move up and the lowest fall into that bin. What is in the bins depends on the elements alone, not
 * on their order or on the division of work, so histograms can be added and any number of threads
 * gives the same result.
 *
 * A result from bins lies in the bin of the exact result: off by less than 2^-sub_bits of itself,
 * and by fewer places in the order than that bin has elements.
 */
#include "quantization/histogram.h"

#include "base/alloc.h"
#include "base/collective.h"
#include "config/canonical.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/parallel.h>
#include <nncf/tensor.h>

#include <float.h>
#include <math.h>
#include <string.h>

/* FINITE: the largest exponent of a number. */
enum { OCTAVES = 24, MANTISSA_BITS = 23, FINITE = 0xfe };
#define MAD_FACTOR                                                                                 \
    1.4826 /* of a normal distribution: standard deviation / median absolute deviation */

/* ---- values ---- */

static void swap(float *a, float *b)
{
    float t = *a;
    *a = *b;
    *b = t;
}

/* Bits that order as the values do; for finite values. */
static uint32_t key_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

/* A part of an array that holds the wanted place: elements low to high, both included. */
typedef struct part {
    size_t low, high;
} part;

/* Cut at the median of three and keep the side of place k (Hoare 1961). */
static void cut_by_pivot(float *v, part *p, size_t k)
{
    size_t i = p->low, j = p->high, middle = p->low + (p->high - p->low) / 2;
    if (v[middle] < v[i])
        swap(&v[middle], &v[i]);
    if (v[j] < v[i])
        swap(&v[j], &v[i]);
    if (v[j] < v[middle])
        swap(&v[j], &v[middle]);
    const float pivot = v[middle];
    for (;;) {
        while (v[i] < pivot)
            i++;
        while (pivot < v[j])
            j--;
        if (i >= j)
            break;
        swap(&v[i++], &v[j--]);
    }
    if (k <= j)
        p->high = j;
    else
        p->low = j + 1;
}

/* Cut by one bit of the keys, those above which are alike, and keep the side of place k. */
static void cut_by_bit(float *v, part *p, size_t k, uint32_t bit)
{
    size_t ones = p->low; /* the first of them */
    for (size_t i = p->low; i <= p->high; i++)
        if (!(key_of(v[i]) & bit))
            swap(&v[i], &v[ones++]);
    if (k < ones)
        p->high = ones - 1;
    else
        p->low = ones;
}

/* Pivots need about three looks at each element. There are orders for which they need as many as
 * there are elements: then the 32 bits of the keys decide. */
enum { PIVOT_LOOKS = 8 };

float nncf__ranked(float *v, size_t n, size_t k, uint64_t *looks)
{
    part p = {0, n - 1};
    uint64_t done = 0;
    while (p.low < p.high && done < PIVOT_LOOKS * (uint64_t)n) {
        done += p.high - p.low + 1;
        cut_by_pivot(v, &p, k);
    }
    for (uint32_t bit = 0x80000000u; bit && p.low < p.high; bit >>= 1) {
        done += p.high - p.low + 1;
        cut_by_bit(v, &p, k, bit);
    }
    if (looks)
        *looks += done;
    return v[k];
}

/* Linear between the two places around percent / 100 * (n - 1), as numpy does. */
static double percentile_of(float *v, size_t n, double percent)
{
    const double place = percent / 100 * (double)(n - 1);
    const size_t k = (size_t)place;
    const double low = (double)nncf__ranked(v, n, k, NULL);
    double high = low;
    for (size_t i = k + 1; i < n; i++)
        high = i == k + 1 ? (double)v[i] : fmin(high, (double)v[i]);
    return low + (high - low) * (place - (double)k);
}

static float median_of(float *v, size_t n)
{
    float high = nncf__ranked(v, n, n / 2, NULL), low = high;
    if (n % 2 == 0)
        low = nncf__ranked(v, n, n / 2 - 1, NULL);
    return (low + high) / 2;
}

static bool threesigma_of(float *v, size_t n, double range[2])
{
    size_t left = 0;
    for (size_t i = 0; i < n; i++) /* zeros carry no information about the width of the rest */
        if (v[i] != 0)
            v[left++] = v[i];
    if (left == 0)
        return false;
    const float median = median_of(v, left);
    for (size_t i = 0; i < left; i++)
        v[i] = fabsf(v[i] - median);
    const double width = 3 * MAD_FACTOR * (double)median_of(v, left);
    range[0] = (double)median - width;
    range[1] = (double)median + width;
    return true;
}

static size_t keep_finite(float *v, size_t n)
{
    size_t left = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(v[i]))
            v[left++] = v[i];
    return left;
}

/* -m..m with the mean magnitude m, or 0..m where nothing is negative. */
static bool mean_magnitude(double sum, uint64_t n, bool negative, double range[2])
{
    range[1] = sum / (double)n;
    range[0] = negative ? -range[1] : 0;
    return true;
}

static bool magnitude_of(const float *v, size_t n, double range[2])
{
    double sum = 0;
    bool negative = false;
    for (size_t i = 0; i < n; i++) {
        sum += fabs((double)v[i]);
        negative = negative || v[i] < 0;
    }
    return mean_magnitude(sum, n, negative, range);
}

bool nncf__range_of_values(const nncf__range_rule *rule, float *values, size_t n, double range[2])
{
    n = keep_finite(values, n);
    if (n == 0)
        return false;
    if (rule->kind == NNCF__RANGE_LSQ)
        return magnitude_of(values, n, range);
    if (rule->kind == NNCF__THREESIGMA)
        return threesigma_of(values, n, range);
    range[0] = percentile_of(values, n, rule->min_percentile);
    range[1] = percentile_of(values, n, rule->max_percentile);
    return true;
}

/* ---- bins ---- */

static size_t half(const nncf__histogram *h) /* bins of one sign */
{
    return (size_t)OCTAVES << h->sub_bits;
}

size_t nncf__histogram_bins(int32_t sub_bits)
{
    return 2 * ((size_t)OCTAVES << sub_bits) + 1;
}

void nncf__histogram_clear(nncf__histogram *h)
{
    h->top = OCTAVES - 1;
    h->count = h->zeros = 0;
    h->spilled = h->capacity == 0;
    memset(h->bins, 0, nncf__histogram_bins(h->sub_bits) * sizeof *h->bins);
}

/* Move the octaves up so that `top` is the highest. */
static void lift(nncf__histogram *h, int32_t top)
{
    const size_t n = half(h);
    size_t by = (size_t)(top - h->top) << h->sub_bits;
    by = by < n ? by : n;
    for (int sign = 0; sign < 2; sign++) {
        uint64_t *bins = h->bins + (size_t)sign * n;
        for (size_t i = 0; i < by; i++)
            h->bins[2 * n] += bins[i];
        memmove(bins, bins + by, (n - by) * sizeof *bins);
        memset(bins + (n - by), 0, by * sizeof *bins);
    }
    h->top = top;
}

static void count(nncf__histogram *h, float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const int32_t exponent = (int32_t)(bits >> MANTISSA_BITS & 0xff);
    const size_t n = half(h);
    if (exponent == 0xff) /* not finite */
        return;
    if (exponent > h->top)
        lift(h, exponent);
    const int32_t octave = exponent - (h->top - OCTAVES + 1);
    const size_t sub = bits >> (MANTISSA_BITS - h->sub_bits) & ((1u << h->sub_bits) - 1);
    h->count++;
    h->zeros += x == 0;
    if (octave < 0 || x == 0)
        h->bins[2 * n]++;
    else
        h->bins[(bits >> 31) * n + ((size_t)octave << h->sub_bits) + sub]++;
}

static void spill(nncf__histogram *h)
{
    const size_t n = (size_t)h->count;
    h->spilled = true;
    h->count = h->zeros = 0;
    for (size_t i = 0; i < n; i++)
        count(h, h->values[i]);
}

bool nncf__histogram_fits(const nncf__histogram *h, size_t n)
{
    return !h->spilled && n <= h->capacity - (size_t)h->count;
}

void nncf__histogram_add(nncf__histogram *h, size_t n, const float *x)
{
    if (nncf__histogram_fits(h, n)) {
        for (size_t i = 0; i < n; i++)
            if (isfinite(x[i]))
                h->values[h->count++] = x[i];
        return;
    }
    if (!h->spilled)
        spill(h);
    for (size_t i = 0; i < n; i++)
        count(h, x[i]);
}

void nncf__histogram_merge(nncf__histogram *h, nncf__histogram *from)
{
    if (!h->spilled)
        spill(h);
    if (!from->spilled)
        spill(from);
    if (h->top < from->top)
        lift(h, from->top);
    else if (from->top < h->top)
        lift(from, h->top);
    for (size_t i = 0; i < nncf__histogram_bins(h->sub_bits); i++)
        h->bins[i] += from->bins[i];
    h->count += from->count;
    h->zeros += from->zeros;
}

void nncf__histogram_join(nncf__histogram *h, nncf__histogram *from)
{
    if (from->spilled || !nncf__histogram_fits(h, (size_t)from->count))
        nncf__histogram_merge(h, from);
    else
        nncf__histogram_add(h, (size_t)from->count, from->values);
}

/* Each rank writes its elements after those of the ranks before it, into zeros, and the sum is all
 * of them. (A zero may lose its sign.) `counts` has one for each rank. */
static nncf_status join_values(
    nncf_context *context, nncf__collective *ranks, nncf__histogram *h, const int64_t *counts)
{
    int64_t total = 0, before = 0;
    for (int32_t r = 0; r < ranks->params.size; r++) {
        before = r == ranks->params.rank ? total : before;
        total += counts[r];
    }
    const size_t n = (size_t)total;
    float *values = nncf__calloc(context, n, sizeof *values);
    if (n > 0 && !values)
        return NNCF_E_NOMEM;
    if (h->count > 0)
        memcpy(values + before, h->values, (size_t)h->count * sizeof *values);
    const nncf_status status = nncf__all_reduce(ranks, values, n, NNCF_F32, NNCF_REDUCE_SUM);
    if (status == NNCF_OK && n > 0)
        memcpy(h->values, values, n * sizeof *values);
    if (status == NNCF_OK)
        h->count = (uint64_t)n;
    nncf__free(context, values);
    return status;
}

/* Counts of bins with the octaves of the rank that has the highest. */
static nncf_status join_bins(nncf__collective *ranks, nncf__histogram *h)
{
    if (!h->spilled)
        spill(h);
    int64_t top = h->top, sums[2] = {(int64_t)h->count, (int64_t)h->zeros};
    nncf_status status = nncf__all_reduce(ranks, &top, 1, NNCF_I64, NNCF_REDUCE_MAX);
    if (status == NNCF_OK && (top < h->top || top > FINITE))
        status = nncf__all_reduce_is_wrong(ranks);
    if (status == NNCF_OK && top > h->top)
        lift(h, (int32_t)top);
    if (status == NNCF_OK)
        status = nncf__all_reduce(
            ranks, h->bins, nncf__histogram_bins(h->sub_bits), NNCF_I64, NNCF_REDUCE_SUM);
    if (status == NNCF_OK)
        status = nncf__all_reduce(ranks, sums, 2, NNCF_I64, NNCF_REDUCE_SUM);
    h->count = (uint64_t)sums[0];
    h->zeros = (uint64_t)sums[1];
    return status;
}

nncf_status nncf__histogram_reduce(
    nncf_context *context, nncf__collective *ranks, nncf__histogram *h)
{
    const size_t size = (size_t)ranks->params.size;
    /* of each rank: its elements, or -1 where they are in bins */
    int64_t *counts = nncf__calloc(context, size, sizeof *counts);
    uint64_t total = 0;
    bool spilled = false;
    if (!counts)
        return NNCF_E_NOMEM;
    const int64_t own = h->spilled ? -1 : (int64_t)h->count;
    counts[ranks->params.rank] = own;
    nncf_status status = nncf__all_reduce(ranks, counts, size, NNCF_I64, NNCF_REDUCE_SUM);
    if (status == NNCF_OK && counts[ranks->params.rank] != own)
        status = nncf__all_reduce_is_wrong(ranks);
    for (size_t r = 0; r < size && status == NNCF_OK; r++) {
        if (counts[r] < -1 || counts[r] > (int64_t)h->capacity)
            status = nncf__all_reduce_is_wrong(ranks);
        spilled = spilled || counts[r] < 0;
        total += counts[r] < 0 ? 0 : (uint64_t)counts[r];
    }
    if (status == NNCF_OK)
        status = spilled || total > h->capacity ? join_bins(ranks, h)
                                                : join_values(context, ranks, h, counts);
    nncf__free(context, counts);
    return status;
}

/* Lower end of bin i of the positive half; half(h) gives the upper end of the last. */
static double edge(const nncf__histogram *h, size_t i)
{
    const uint32_t base = (uint32_t)(h->top - OCTAVES + 1) << MANTISSA_BITS;
    const uint32_t bits = base + ((uint32_t)i << (MANTISSA_BITS - h->sub_bits));
    float x;
    memcpy(&x, &bits, sizeof x);
    return isfinite(x) ? (double)x : (double)FLT_MAX;
}

typedef struct bin {
    double low, high;
    uint64_t count;
} bin;

/* Bin j of all, in ascending order; without exact zeros on request. */
static bin bin_at(const nncf__histogram *h, size_t j, bool skip_zeros)
{
    const size_t n = half(h);
    if (j < n)
        return (bin){-edge(h, n - j), -edge(h, n - 1 - j), h->bins[n + (n - 1 - j)]};
    if (j == n)
        return (bin){0, 0, h->bins[2 * n] - (skip_zeros ? h->zeros : 0)};
    return (bin){edge(h, j - n - 1), edge(h, j - n), h->bins[j - n - 1]};
}

/* Estimate of the value at place `rank`: elements are taken to lie evenly in their bin. */
static double value_at(const nncf__histogram *h, uint64_t rank, bool skip_zeros)
{
    uint64_t before = 0;
    double last = 0;
    for (size_t j = 0; j < nncf__histogram_bins(h->sub_bits); j++) {
        bin b = bin_at(h, j, skip_zeros);
        if (b.count == 0)
            continue;
        last = b.high;
        if (rank < before + b.count)
            return b.low + (b.high - b.low) * ((double)(rank - before) + 0.5) / (double)b.count;
        before += b.count;
    }
    return last;
}

/* How many of the elements that are not zero lie within `distance` of `centre`. */
static double mass_around(const nncf__histogram *h, double centre, double distance)
{
    double mass = 0;
    for (size_t j = 0; j < nncf__histogram_bins(h->sub_bits); j++) {
        bin b = bin_at(h, j, true);
        if (b.count == 0)
            continue;
        const double low = fmax(b.low, centre - distance), high = fmin(b.high, centre + distance);
        if (b.high > b.low)
            mass += low < high ? (double)b.count * (high - low) / (b.high - b.low) : 0;
        else
            mass += fabs(b.low - centre) <= distance ? (double)b.count : 0;
    }
    return mass;
}

static bool threesigma_of_bins(const nncf__histogram *h, double range[2])
{
    enum { HALVINGS = 64 };
    const uint64_t left = h->count - h->zeros;
    if (left == 0)
        return false;
    const double median = (value_at(h, (left - 1) / 2, true) + value_at(h, left / 2, true)) / 2;
    double low = 0, high = 2 * edge(h, half(h));
    for (int i = 0; i < HALVINGS; i++) {
        const double middle = low + (high - low) / 2;
        if (mass_around(h, median, middle) >= (double)left / 2)
            high = middle;
        else
            low = middle;
    }
    range[0] = median - 3 * MAD_FACTOR * high;
    range[1] = median + 3 * MAD_FACTOR * high;
    return true;
}

static double percentile_of_bins(const nncf__histogram *h, double percent)
{
    const double place = percent / 100 * (double)(h->count - 1);
    const uint64_t k = (uint64_t)place;
    const double low = value_at(h, k, false),
                 high = k + 1 < h->count ? value_at(h, k + 1, false) : low;
    return low + (high - low) * (place - (double)k);
}

/* Elements are taken to lie in the middle of their bin. */
static bool magnitude_of_bins(const nncf__histogram *h, double range[2])
{
    double sum = 0;
    bool negative = false;
    for (size_t j = 0; j < nncf__histogram_bins(h->sub_bits); j++) {
        const bin b = bin_at(h, j, false);
        sum += (double)b.count * fabs(b.low + b.high) / 2;
        negative = negative || (b.count > 0 && b.low < 0);
    }
    return mean_magnitude(sum, h->count, negative, range);
}

bool nncf__histogram_range(nncf__histogram *h, const nncf__range_rule *rule, double range[2])
{
    if (h->count == 0)
        return false;
    if (!h->spilled)
        return nncf__range_of_values(rule, h->values, (size_t)h->count, range);
    if (rule->kind == NNCF__THREESIGMA)
        return threesigma_of_bins(h, range);
    if (rule->kind == NNCF__RANGE_LSQ)
        return magnitude_of_bins(h, range);
    range[0] = percentile_of_bins(h, rule->min_percentile);
    range[1] = percentile_of_bins(h, rule->max_percentile);
    return true;
}
