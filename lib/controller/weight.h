/* SPDX-License-Identifier: Apache-2.0 */
/* The compressed weight: mask, then fake-quantize; and its backward. */
#ifndef NNCF__CONTROLLER_WEIGHT_H
#define NNCF__CONTROLLER_WEIGHT_H

#include "kernels/qtensor.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <stddef.h>
#include <stdint.h>

/* wq = fake_quantize(mask(weight)), as in this mode (NNCF_MODE_...); refreshes the weight
 * quantizer. Without compression a copy. */
void nncf__weight_forward(nncf_layer *layer, int32_t mode, float *wq);
/*
 * The same weight as codes, for a quantizer that has some (nncf__quantizer_dtype()): a buffer of
 * that size takes them, and the scales and zero points that they were made with. The scale of a
 * channel with a NaN, for which there is no code, is NaN, so that it is seen.
 */
size_t nncf__weight_codes_size(const nncf__quantizer *quantizer, size_t weight_count);
void nncf__weight_forward_codes(nncf_layer *layer, int32_t mode, void *buffer);
/* What is in the buffer. */
nncf__qtensor nncf__weight_codes_at(const nncf__quantizer *quantizer, void *buffer);
/* Observe the codes, and hold those that are frozen: the weight is written. */
void nncf__weight_freeze(nncf_layer *layer);
/* The scales of a weight with a binarizer, [channels]: what there is of it beside its signs. signs
 * (nullable): if it has one scale, bit i % 64 of signs[i / 64] becomes whether weight i is above 0;
 * what is after the last is 0. */
void nncf__weight_binary_scales(nncf_layer *layer, float *scales, uint64_t *signs);
/* Add to weight_grad (if any), logit_grad, scale gradients; from the gradient of wq, in the model's
 * mode. */
void nncf__weight_backward(nncf_layer *layer, const float *dwq);
/* Record the mask of this step and mode: a weight was given out for training, and its gradient
 * will follow. */
void nncf__weight_used(nncf_layer *layer);
/* NNCF_E_STATE: nncf__weight_backward() would use another mask than forward did. */
nncf_status nncf__weight_check_backward(const nncf_layer *layer, nncf_error *err);
/* Counts of a weight after the deterministic mask. */
typedef struct nncf__weight_stats {
    /* elements that the mask lets through */
    int64_t kept;
    /* elements that are masked, or zero without the mask */
    int64_t zeros;
    /* elements outside the quantizer's range */
    int64_t clipped;
} nncf__weight_stats;
void nncf__weight_stats_of(const nncf_layer *layer, nncf__weight_stats *stats);
/* ranges[channels][2] of the masked weight, channels as the layer's weight quantizer has them. */
void nncf__weight_ranges(const nncf_layer *layer, float *ranges);
/* The masked weight of one channel of those. */
void nncf__weight_values(const nncf_layer *layer, size_t channel, float *values);

/* Of a weight with a quantizer: the squared norm of what it changes, after the deterministic mask.
 */
double nncf__weight_error(const nncf_layer *layer);
/* Of a weight with a quantizer that works: the sum of (q - w)^2 over what is inside of the range,
 * after the deterministic mask, q being what the quantizer makes of w; and `factor` times its
 * gradient, with q as a constant, is added to the weight's (nullable). */
double nncf__weight_damp(nncf_layer *layer, double factor);

#endif
