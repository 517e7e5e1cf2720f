/* SPDX-License-Identifier: Apache-2.0 */
/* Activation quantizers, and the activation before them. */
#ifndef NNCF__EXEC_QUANTIZE_H
#define NNCF__EXEC_QUANTIZE_H

#include "exec/call.h"
#include "exec/map_reduce.h"
#include "graph/block.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"
#include "quantization/quantizer.h"

#include <nncf/context.h>

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* The epilogue x * scale + shift, then the quantizer if there is one. */
static inline nncf__epilogue nncf__line(float scale, float shift, const nncf__fq *fq)
{
    return (nncf__epilogue){scale, shift, -INFINITY, INFINITY, fq};
}

/* y = quantizer(x); NULL: a copy; observing: record x and copy. Refreshes, and counts how much was
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
/* An observing quantizer records x. */
void nncf__layer_observe(
    nncf_context *context, nncf__quantizer *quantizer, const nncf__planes *planes, const float *x);
/* What passes of a quantizer begin and end with: the counts of what is clipped, from sums[5], and
 * the gradient of a scale. The latter two are called once with the sums over all segments for a
 * per-tensor quantizer, and once a channel for a per-channel one. quantizer is nullable. */
void nncf__quantize_start(nncf__quantizer *quantizer, const nncf__planes *planes);
void nncf__quantize_record(const nncf__map_reduce *pass, size_t channel, const double *sums);
void nncf__quantize_add_gradient(const nncf__map_reduce *pass, size_t channel, const double *sums);

/* ---- epilogue.c ---- */

/* Floats [offset, offset + count) of x: where they lie, or what the codes stand for, written to
 * `scratch`. */
const float *nncf__floats_of(
    const nncf__kernels *k, const nncf__qtensor *x, size_t offset, size_t count, float *scratch);
/*
 * One pass that makes the call's y, out[0], or codes where y is codes: `segment` does the work and
 * adds to sums[5] how much the output quantizer clipped, which is recorded; an observing quantizer
 * sees y then. z (nullable) is in[0].
 */
void nncf__output_forward(const nncf__call *call, const float *z, nncf__segment_fn *segment);
/* The pass back from dy, grad, to da and db, out: `segment` adds the sums of the output quantizer's
 * gradient, which is added then. */
void nncf__output_backward(const nncf__call *call, float *da, float *db, nncf__segment_fn *segment);
/* y = quantizer(activation(z)) of a layer without batch norm, y being the call's; z may be y (but
 * not as codes). */
void nncf__epilogue_forward(const nncf__call *call, const float *z);
/* Its backward: da from dy; da may be dy. The quantizer's gradient is added at once,
 * or kept in nncf__channels until ..._add_gradients. */
void nncf__epilogue_backward(
    const nncf__call *call, const float *z, const float *dy, float *da, bool adds_later);
void nncf__epilogue_add_gradients(const nncf__call *call);

#endif
