/* SPDX-License-Identifier: Apache-2.0 */
/* Range rules that need more than the extremes of all batches. Private to compression/. */
#ifndef NNCF__COMPRESSION_OBSERVER_H
#define NNCF__COMPRESSION_OBSERVER_H

#include "compression/compression.h"

/* ---- histogram.c ---- */

/* The value at place k (from 0) of n finite ones in ascending order. Reorders: what stands before k is not greater,
 * what stands behind it is not less. Linear for every order: *looks (nullable) grows by how often an element was looked
 * at, at most 41 n in all. */
float nncf__ranked(float *v, size_t n, size_t k, uint64_t *looks);

typedef struct nncf__histogram {
    int32_t sub_bits; /* 1 << sub_bits bins an octave */
    int32_t top;      /* biased exponent of the highest octave */
    uint64_t count;   /* finite elements seen */
    uint64_t zeros;   /* of those in bins: exact zeros */
    float *values;    /* [room]: all elements, until they are too many */
    size_t room;
    bool spilled;   /* elements are in the bins */
    uint64_t *bins; /* [nncf__histogram_bins()] */
} nncf__histogram;

size_t nncf__histogram_bins(int32_t sub_bits);
/* With sub_bits, values, room and bins set. */
void nncf__histogram_clear(nncf__histogram *histogram);
/* Not finite elements are left out. */
void nncf__histogram_add(nncf__histogram *histogram, size_t n, const float *x);
/* Would n more elements be kept as they are? */
bool nncf__histogram_fits(const nncf__histogram *histogram, size_t n);
/* Add what is in `from` (of equal sub_bits), whose octaves may move. */
void nncf__histogram_merge(nncf__histogram *histogram, nncf__histogram *from);
/* By rule threesigma, percentile or mean_percentile. Kept values are reordered or used up: clear before the next use.
 * False: nothing to go by. */
bool nncf__histogram_range(nncf__histogram *histogram, const nncf__range_rule *rule, double range[2]);
/* The same of an array, exactly; `values` is used up. */
bool nncf__range_of_values(const nncf__range_rule *rule, float *values, size_t n, double range[2]);

/* ---- observer.c: between the batches of an initialization ---- */

struct nncf__observer {
    double *sums;                /* [channels][2] over the batches: mean_min_max, mean_percentile */
    int64_t batches;             /* in the sums */
    nncf__histogram *histograms; /* [channels], NULL for mean_min_max */
    float *ranges;               /* [channels][2]: the outcome */
};

/* What rule->kind needs beside the quantizer's own extremes; none for min_max and for weights. */
nncf_status nncf__observer_create(nncf_context *context, nncf__quantizer *quantizer);
void nncf__observer_destroy(nncf_context *context, nncf__quantizer *quantizer);
/* Before the first batch, and behind each one. */
void nncf__observer_begin(nncf__quantizer *quantizer);
void nncf__observer_end_batch(nncf__quantizer *quantizer);
/* ranges[channels][2] by the rule. */
const float *nncf__observer_ranges(nncf__quantizer *quantizer);

#endif
