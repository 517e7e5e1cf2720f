/* SPDX-License-Identifier: Apache-2.0 */
/* A quantizer: its parameters, ranges, observed extremes and gradients. */
#ifndef NNCF__QUANTIZATION_QUANTIZER_H
#define NNCF__QUANTIZATION_QUANTIZER_H

#include "config/canonical.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"

#include <nncf/context.h>
#include <nncf/tensor.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct nncf__quantizer {
    /* sign resolved to 0 or 1 once initialized */
    nncf__quantizer_params params;
    bool is_weight;
    /* what hawq may choose, 1 << bits or-ed; 0: anything */
    uint32_t allowed_bits;
    /* nncf__sign as configured; each initialization decides params.sign again */
    int32_t wanted_sign;
    /* how its range is found; without scopes */
    nncf__range_rule rule;
    /* what that needs beside the extremes; NULL: nothing, or the time is over */
    struct nncf__observer *observer;
    /* the range is from data or a snapshot */
    bool initialized;
    /* the range is that of an earlier stage: initialization leaves it */
    bool kept;
    /* initialization: record the values, change nothing */
    bool observing;
    /* while observing: has enough, passes values on */
    bool done;
    /* its stage has not begun (controller/stages.c): layers run as if it were not there */
    bool waits;
    /* 1, or one an output channel (weights), input channel (activations) */
    size_t channels;
    /* of a weight: so many elements in a row belong to a channel, the next ones to the next */
    size_t run;
    /* names of the parameters `bound` and `length`, as in nncf_parameter; the latter asymmetric
     * only */
    char *name;
    char *length_name;
    /* [channels]: the range's largest magnitude (symmetric; NNCF's parameter "scale"), or its lower
     * end (asymmetric; "input_low") */
    float *bound, *bound_grad;
    /* [channels]: the range's length (asymmetric; "input_range"); NULL when symmetric */
    float *length, *length_grad;
    /* with params.logarithm magnitude and length are logarithms of what they are otherwise; read
     * them by nncf__quantizer_bound() and _length() */
    /* [channels], from the above by nncf__quantizer_refresh() */
    nncf__fq *fq;
    /* [channels], as products read them: fq[c].scale; the code of 0, which is 0 unless codes are
     * stored from the lowest of their type on */
    float *scales;
    int32_t *zero_points;
    /* running min, max over everything; {inf, -inf}: nothing seen */
    float observed[2];
    /* [channels][2], the same by channel; NULL when there is one channel */
    float *observed_channels;
    /* one bit: where values come from; NULL: a quantizer as above. Of a weight, scales are set by
     * controller/weight.c; of activations bound is the logarithm of the scale */
    struct nncf__binarizer *binarizer;
    /* NULL, or the quantizer whose parameters this one has, too: names, range, gradients. What it
     * observes and the constants of a forward are its own */
    struct nncf__quantizer *leader;
    /* how many have this one's */
    size_t n_followers;
    /* elements seen in the present batch */
    int64_t observed_count;
    /* of the last forward */
    int64_t clipped, total;
} nncf__quantizer;

/* Type of the codes that a quantizer stores in bytes: NNCF_U8 or NNCF_S8; NNCF_F32: it stores none.
 * Activations have codes only where one scale serves all, weights where one serves an output
 * channel: groups are multiplied as floats. An undecided sign counts as signed.
 * Integer kernels want weights that are signed. While it observes it makes no codes at all. */
static inline int32_t nncf__quantizer_dtype(const nncf__quantizer *quantizer)
{
    if ((quantizer->channels != 1 && !quantizer->is_weight) || quantizer->params.bits > 8 ||
        quantizer->params.group_size > 0)
        return NNCF_F32;
    if (quantizer->is_weight && (quantizer->length || quantizer->params.bits < 8))
        return NNCF_S8;
    return quantizer->length || quantizer->params.sign == NNCF__UNSIGNED ? NNCF_U8 : NNCF_S8;
}

/* Are codes stored from the lowest of their type on, and 0 anywhere? Else around 0, where those of
 * weights of fewer than 8 bits fit in every mode. */
static inline bool nncf__quantizer_has_zeros(const nncf__quantizer *quantizer)
{
    return quantizer->length && !(quantizer->is_weight && quantizer->params.bits < 8);
}

/* What a quantizer with such codes stores; data is left open. */
static inline nncf__qtensor nncf__quantizer_codes(const nncf__quantizer *quantizer)
{
    return (nncf__qtensor){.dtype = nncf__quantizer_dtype(quantizer),
        .scale = quantizer->scales,
        .zero_point = nncf__quantizer_has_zeros(quantizer) ? quantizer->zero_points : NULL,
        .n_scales = quantizer->channels};
}

/* The code of 0 of a tensor with one scale; it moves with the range. */
static inline int32_t nncf__quantizer_zero(const nncf__quantizer *quantizer)
{
    return quantizer->zero_points[0];
}

/* The quantizer's constants for a channel. */
static inline const nncf__fq *nncf__fq_of(const nncf__quantizer *quantizer, size_t channel)
{
    return quantizer ? &quantizer->fq[quantizer->channels > 1 ? channel : 0] : NULL;
}

/* Of channel c: the largest magnitude, or the lower end if asymmetric; the length. Not of binary
 * ones. */
float nncf__quantizer_bound(const nncf__quantizer *quantizer, size_t c);
float nncf__quantizer_length(const nncf__quantizer *quantizer, size_t c);
/* The parameter of a range with params.logarithm; it is finite if the range is. */
float nncf__range_logarithm(float range);
/* Recompute fq, scales and zero points from the range, which the optimizer moves. Call once at the
 * start of each forward that uses it. */
void nncf__quantizer_refresh(nncf__quantizer *quantizer);
/* Constants from a range, for tests and refresh (docs/formulas.md, "Quantizer"). */
void nncf__fq_symmetric(
    const nncf__quantizer_params *params, bool is_weight, float largest, nncf__fq *fq);
void nncf__fq_asymmetric(
    const nncf__quantizer_params *params, float low, float length, nncf__fq *fq);
/* Take over what belongs to the parameters of the leader, after these changed. Without a leader it
 * does nothing. */
void nncf__quantizer_follow(nncf__quantizer *quantizer);
/* Set the range from the observed minimum and maximum of each channel, ranges[channels][2] (rule
 * min_max). A sign that the config leaves open is decided: one for all channels. An asymmetric
 * range is at least 1 % of the widest channel's. False: some channel gave no range (empty, all
 * zero, not finite); its range is 1. */
bool nncf__quantizer_set_ranges(nncf__quantizer *quantizer, const float *ranges);
/* Forget what was observed. */
void nncf__quantizer_observe_begin(nncf__quantizer *quantizer);
/* ranges[channels][2] of what was observed. */
const float *nncf__quantizer_observed(const nncf__quantizer *quantizer);
/* Record x (n, c, hw), for the rules that need more than the extremes.
 * observer.c. */
void nncf__quantizer_observe(nncf_context *context, nncf__quantizer *quantizer, size_t n, size_t c,
    size_t hw, const float *x);
/* Add sums of fq_backward (inside, above, below) to the gradient of channel c. elements: how many
 * share its scale, of a weight or of one image. */
void nncf__quantizer_add_gradient(
    nncf__quantizer *quantizer, size_t channel, const double sums[3], size_t elements);
/* What dy of an element above, and below, is to be multiplied by so that sums[0] has their share of
 * the gradient, and sums[1] and sums[2] may be 0. Of an asymmetric range that is the gradient of
 * its length; that of its lower end is sums[1] + sums[2]. */
void nncf__quantizer_outside(const nncf__quantizer *quantizer, size_t channel, float outside[2]);
/* Elements of one image that share a scale. */
static inline size_t nncf__quantizer_elements(const nncf__quantizer *quantizer, size_t c, size_t hw)
{
    return c * hw / quantizer->channels;
}

#endif
