/* SPDX-License-Identifier: Apache-2.0 */
/* Sequences of bits are enumerated in NNCF's order: by the number of different bits, then the bits,
 * then the places where they change; the first of equal ones counts. */
#include "precision/choose.h"

#include "base/alloc.h"
#include "base/error.h"
#include "config/canonical.h"

#include <nncf/base.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define MOST_SEQUENCES 2e6

uint32_t nncf__precision_widths(const nncf__precision_params *params, int32_t release)
{
    uint32_t widths = 0;
    for (size_t i = 0; i < params->n_bits; i++)
        widths |= 1u << (unsigned)params->bits[i];
    if (widths == 0)
        widths = 1u << 4 | 1u << 8 | (release >= 10600 ? 1u << 2 : 0);
    return widths;
}

/* Weights by ascending trace; equal ones in the order in which they run. */
static void sort_by_trace(const nncf__choice *c, size_t *order)
{
    for (size_t i = 0; i < c->count; i++) {
        size_t j = i;
        for (; j > 0 && c->traces[order[j - 1]] > c->traces[i]; j--)
            order[j] = order[j - 1];
        order[j] = i;
    }
}

static int32_t nearest(uint32_t allowed, int32_t wanted)
{
    int32_t best = wanted;
    if (allowed == 0)
        return wanted;
    for (int32_t distance = NNCF__MOST_BITS, b = NNCF__LEAST_BITS; b <= NNCF__MOST_BITS; b++) {
        const int32_t d = b > wanted ? b - wanted : wanted - b;
        if (((allowed >> b) & 1u) && d <= distance) { /* the higher of two that are as near */
            distance = d;
            best = b;
        }
    }
    return best;
}

/* The next k of 0..n-1 in ascending order, by lexicographic order; false: there is none. */
static bool next_combination(size_t *items, size_t k, size_t n)
{
    size_t i = k;
    while (i > 0 && items[i - 1] == n - k + i - 1)
        i--;
    if (i == 0)
        return false;
    items[i - 1]++;
    for (; i < k; i++)
        items[i] = items[i - 1] + 1;
    return true;
}

static void first_combination(size_t *items, size_t k)
{
    for (size_t i = 0; i < k; i++)
        items[i] = i;
}

static double combinations(double n, double k)
{
    double product = 1;
    for (double i = 1; i <= k; i++)
        product *= (n - k + i) / i;
    return k > n ? 0 : product;
}

static double count_sequences(const nncf__choice *c)
{
    double sum = 0;
    for (size_t k = 1; k <= c->n_bits; k++)
        sum += combinations((double)c->n_bits, (double)k) *
            combinations((double)c->count - 1, (double)k - 1);
    return sum;
}

/* A sequence whose bits change behind the cuts. */
static void make_sequence(const nncf__choice *c, const size_t *order, const size_t *which,
    const size_t *cuts, size_t k, int32_t *bits)
{
    for (size_t i = 0, part = 0; i < c->count; i++) {
        while (part + 1 < k && i > cuts[part])
            part++;
        bits[order[i]] = nearest(c->allowed[order[i]], c->bits[which[part]]);
    }
}

static void consider(nncf__choice *c, const int32_t *bits)
{
    double metric = 0;
    const double cost = c->cost(c->user, bits);
    if (isnan(cost))
        return;
    const double ratio = c->full_cost / cost;
    for (size_t i = 0; i < c->count; i++)
        metric += c->traces[i] * c->errors[i][bits[i]];
    c->sequences++;
    c->least = fmin(c->least, ratio);
    c->most = fmax(c->most, ratio);
    if (ratio < c->ratio || !(metric < c->metric))
        return;
    c->metric = metric;
    c->achieved = ratio;
    memcpy(c->chosen, bits, c->count * sizeof *bits);
}

static void consider_all(nncf__choice *c, const size_t *order, int32_t *bits)
{
    size_t which[NNCF__MOST_BITS], cuts[NNCF__MOST_BITS];
    for (size_t k = 1; k <= c->n_bits && k <= c->count; k++) {
        first_combination(which, k);
        do {
            first_combination(cuts, k - 1);
            do {
                make_sequence(c, order, which, cuts, k, bits);
                consider(c, bits);
            } while (next_combination(cuts, k - 1, c->count - 1));
        } while (next_combination(which, k, c->n_bits));
    }
}

static nncf_status check(const nncf__choice *c, nncf_error *err)
{
    static const char place[] = "initializer.precision";
    if (c->sequences == 0)
        return nncf__fail(err, NNCF_E_CONFIG, place,
            "no choice of bits suits all quantizers that stand side by side: use "
            "bitwidth_assignment_mode \"liberal\"");
    if (!isfinite(c->metric))
        return nncf__fail(err, NNCF_E_CONFIG, "initializer.precision.compression_ratio",
            "compression_ratio %.4g is out of reach: with these bits it is from %.4g to %.4g",
            c->ratio, c->least, c->most);
    return NNCF_OK;
}

nncf_status nncf__choose_bits(nncf__choice *choice, nncf_error *err)
{
    if (count_sequences(choice) > MOST_SEQUENCES)
        return nncf__fail(err, NNCF_E_LIMIT, "initializer.precision.bits",
            "%zu widths for %zu weights are more than %g sequences: give fewer bits",
            choice->n_bits, choice->count, MOST_SEQUENCES);
    size_t *order = nncf__calloc(choice->context, choice->count + 1, sizeof *order);
    int32_t *bits = nncf__calloc(choice->context, choice->count + 1, sizeof *bits);
    choice->metric = choice->least = (double)INFINITY;
    choice->most = choice->achieved = 0;
    choice->sequences = 0;
    if (order && bits) {
        sort_by_trace(choice, order);
        consider_all(choice, order, bits);
    }
    const nncf_status status = order && bits
        ? check(choice, err)
        : nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for choosing bits");
    nncf__free(choice->context, order);
    nncf__free(choice->context, bits);
    return status;
}
