/* SPDX-License-Identifier: Apache-2.0 */
/* Range rules that need more than the extremes of all batches. */
#ifndef NNCF__QUANTIZATION_OBSERVER_H
#define NNCF__QUANTIZATION_OBSERVER_H

#include "config/canonical.h"
#include "quantization/histogram.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <stdbool.h>
#include <stdint.h>

struct nncf__observer {
    /* [channels][2] over the batches: mean_min_max, mean_percentile */
    double *sums;
    /* in the sums */
    int64_t batches;
    /* [channels], NULL for mean_min_max */
    nncf__histogram *histograms;
    /* [channels][2]: the outcome */
    float *ranges;
};

/* Ranges of batches that are averaged. */
static inline bool nncf__rule_is_mean(int32_t kind)
{
    return kind == NNCF__MEAN_MIN_MAX || kind == NNCF__MEAN_PERCENTILE;
}

/* What rule->kind needs beside the quantizer's own extremes; none for min_max and for weights. */
nncf_status nncf__observer_create(nncf_context *context, nncf__quantizer *quantizer);
void nncf__observer_destroy(nncf_context *context, nncf__quantizer *quantizer);
/* Only the first `channels` are left; nothing was observed so far. */
void nncf__observer_shrink(nncf_context *context, nncf__quantizer *quantizer, size_t channels);
/* Before the first batch, and after each one. */
void nncf__observer_begin(nncf__quantizer *quantizer);
void nncf__observer_end_batch(nncf__quantizer *quantizer);
/* ranges[channels][2] by the rule. */
const float *nncf__observer_ranges(nncf__quantizer *quantizer);

#endif
