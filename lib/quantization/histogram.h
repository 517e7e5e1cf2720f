/* SPDX-License-Identifier: Apache-2.0 */
/* Histograms of constant size for range rules by order. */
#ifndef NNCF__QUANTIZATION_HISTOGRAM_H
#define NNCF__QUANTIZATION_HISTOGRAM_H

#include "base/collective.h"
#include "config/canonical.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value at place k (from 0) of n finite ones in ascending order. Reorders: elements before k
 * are not greater, elements after it are not less. Linear for every order: *looks (nullable) grows
 * by how often an element was looked at, at most 41 n in all. */
float nncf__ranked(float *v, size_t n, size_t k, uint64_t *looks);

typedef struct nncf__histogram {
    /* 1 << sub_bits bins an octave */
    int32_t sub_bits;
    /* biased exponent of the highest octave */
    int32_t top;
    /* finite elements seen */
    uint64_t count;
    /* of those in bins: exact zeros */
    uint64_t zeros;
    /* [capacity]: all elements, until they are too many */
    float *values;
    size_t capacity;
    /* elements are in the bins */
    bool spilled;
    /* [nncf__histogram_bins()] */
    uint64_t *bins;
} nncf__histogram;

size_t nncf__histogram_bins(int32_t sub_bits);
/* With sub_bits, values, capacity and bins set. */
void nncf__histogram_clear(nncf__histogram *histogram);
/* Not finite elements are left out. */
void nncf__histogram_add(nncf__histogram *histogram, size_t n, const float *x);
/* Would n more elements be kept as they are? */
bool nncf__histogram_fits(const nncf__histogram *histogram, size_t n);
/* Add what is in `from` (of equal sub_bits), whose octaves may move. */
void nncf__histogram_merge(nncf__histogram *histogram, nncf__histogram *from);
/* The same, but kept as they are if all fit: what one histogram of all elements would be. */
void nncf__histogram_join(nncf__histogram *histogram, nncf__histogram *from);
/* What one histogram of the elements of all ranks would be. */
nncf_status nncf__histogram_reduce(
    nncf_context *context, nncf__collective *ranks, nncf__histogram *histogram);
/* By rule threesigma, percentile, mean_percentile or lsq (of which this is the mean magnitude, as
 * -m..m or 0..m). Kept values are reordered or used up: clear
 * before the next use. False: nothing to go by. */
bool nncf__histogram_range(
    nncf__histogram *histogram, const nncf__range_rule *rule, double range[2]);
/* The same of an array, exactly; `values` is used up. */
bool nncf__range_of_values(const nncf__range_rule *rule, float *values, size_t n, double range[2]);

#endif
