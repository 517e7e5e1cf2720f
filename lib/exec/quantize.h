/* SPDX-License-Identifier: Apache-2.0 */
/* Activation quantizers and what stands before them. */
#ifndef NNCF__EXEC_QUANTIZE_H
#define NNCF__EXEC_QUANTIZE_H

#include "exec/codes.h"
#include "exec/map_reduce.h"
#include "kernels/kernels.h"
#include "quantization/quantizer.h"

#include <nncf/context.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The quantizer's constants for a channel. */
static inline const nncf__fq *nncf__fq_of(const nncf__quantizer *quantizer, size_t channel)
{
    return quantizer ? &quantizer->fq[quantizer->channels > 1 ? channel : 0] : NULL;
}
/* y = quantizer(x); NULL: a copy; observing: see x and copy. Refreshes, and records how much was
 * clipped. y may be x.
 */
void nncf__layer_quantize(nncf_context *context, nncf__quantizer *quantizer,
    const nncf__planes *planes, const float *x, float *y);
/* The same to codes, for a quantizer that has a type for them. */
void nncf__layer_quantize_to_codes(nncf_context *context, nncf__quantizer *quantizer,
    const nncf__planes *planes, const float *x, uint8_t *y);
/* dx from dy; adds to the quantizer's gradient. dx may be dy. */
void nncf__layer_quantize_backward(nncf_context *context, nncf__quantizer *quantizer,
    const nncf__planes *planes, const float *x, const float *dy, float *dx);
/* Let an observing quantizer see x. */
void nncf__layer_observe(
    nncf_context *context, nncf__quantizer *quantizer, const nncf__planes *planes, const float *x);
/* Constants of what follows batch norm in this layer, for channel c: activation and output
 * quantizer (unless it is observing); scale 1, shift 0. */
nncf__epilogue nncf__layer_epilogue(
    const nncf_layer *layer, const nncf__quantizer *output, size_t channel);
/* The layer's output quantizer, or NULL. */
nncf__quantizer *nncf__layer_output_quantizer(const nncf_layer *layer);
/* y = quantizer(activation(z)) and its backward; y may be z (but not as codes) and da may be dy.
 * What comes of the quantizer's gradient is added at once, or kept in nncf__channels until
 * ..._add_gradients, when nothing can fail any more. */
void nncf__epilogue_forward(
    nncf_layer *layer, const nncf__planes *planes, const float *z, const nncf__output *y);
void nncf__epilogue_backward(nncf_layer *layer, const nncf__planes *planes, const float *z,
    const float *dy, float *da, bool adds_later);
void nncf__epilogue_add_gradients(nncf_layer *layer);

#endif
