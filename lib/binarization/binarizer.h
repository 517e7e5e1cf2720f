/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binarization (docs/formulas.md, "Binarization"). A weight becomes its sign times the mean of its
 * magnitudes, an activation 0 or one scale, by a threshold a channel. Both are quantizers of one
 * bit: a quantizer that has a binarizer takes its values from here.
 */
#ifndef NNCF__BINARIZATION_BINARIZER_H
#define NNCF__BINARIZATION_BINARIZER_H

#include <nncf/base.h>
#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>

typedef struct nncf__binarizer {
    /* nncf__binary_kind */
    int32_t kind;
    /* ---- of activations; a weight has none of it ---- */
    /* the scale is from data or a snapshot; until then it is 1 */
    bool scale_known;
    /* it was not found in a batch, which was logged */
    bool warned;
    size_t channels;
    char *threshold_name;
    /* [channels], trained: thresholds in units of the scale are sigmoid of it */
    float *threshold, *threshold_grad;
    /* [channels]: above it is 1; by nncf__binarizer_refresh() */
    float *limits;
    /* of a backward: the gradient of the scale so far */
    double of_scale;
} nncf__binarizer;

/* channels 0: of a weight. The name is the binarizer's from then on, whatever happens. NULL: no
 * memory. */
nncf__binarizer *nncf__binarizer_create(
    nncf_context *context, int32_t kind, size_t channels, char *threshold_name);
/* NULL is fine. */
void nncf__binarizer_destroy(nncf_context *context, nncf__binarizer *binarizer);

/* The scale that is trained as its logarithm; limits from it. */
float nncf__binarizer_refresh(nncf__binarizer *binarizer, float log_scale);

/* The scale that a batch of activations gives: the least of the largest thousandth of them (of
 * one at least). Allocates nothing. */
float nncf__binarizer_scale_of(size_t n, const float *x);

/* From the sums of kernel binarize_backward: the gradient of channel c's threshold is added; that
 * of the scale is kept, and returned for its logarithm by _end. */
void nncf__binarizer_gradient_begin(nncf__binarizer *binarizer);
void nncf__binarizer_add_gradient(nncf__binarizer *binarizer, size_t channel, const double sums[2]);
double nncf__binarizer_gradient_end(const nncf__binarizer *binarizer, float scale);

#endif
