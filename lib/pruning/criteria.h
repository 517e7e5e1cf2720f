/* SPDX-License-Identifier: Apache-2.0 */
/* Importance of the filters of a weight: docs/formulas.md, "Filter pruning". */
#ifndef NNCF__PRUNING_CRITERIA_H
#define NNCF__PRUNING_CRITERIA_H

#include <nncf/context.h>

#include <stddef.h>
#include <stdint.h>

/* A weight whose filters are judged: (inputs, filters, run), of most kinds (1, filters, run). */
typedef struct nncf__filters {
    const float *weight;
    size_t inputs, count, run;
} nncf__filters;

/* sqrt(sum of squares) over all of the weight. */
double nncf__filters_norm(const nncf__filters *filters);
/* importance[count] of the weight times `scale`; kind: nncf__filter_importance. The same bits for
 * any number of threads. */
void nncf__filters_importance(nncf_context *context, const nncf__filters *filters, int32_t kind,
    double scale, float *importance);
/* How many of `total` filters go at a rate in 0..1: what is left is a multiple of 8, rounded up. */
size_t nncf__filters_pruned(size_t total, double rate);
/* Sorts in ascending order. */
void nncf__filters_sort(float *values, size_t count);
/* keep[i] = importance[i] >= threshold; returns how many are kept. */
size_t nncf__filters_keep(const float *importance, size_t count, float threshold, uint8_t *keep);

#endif
