/* SPDX-License-Identifier: Apache-2.0 */
/* Activations that are binarized: the passes of exec/quantize.h for quantizers with a binarizer. */
#ifndef NNCF__EXEC_BINARIZE_H
#define NNCF__EXEC_BINARIZE_H

#include "graph/block.h"
#include "quantization/quantizer.h"

#include <nncf/context.h>
#include <nncf/model.h>

#include <stdint.h>

/* The first forward of a training: the scale is that of x. Nothing where it is known, or the model
 * is in another mode. */
void nncf__binarize_start(const nncf_layer *layer, nncf__quantizer *quantizer,
    const nncf__planes *planes, const float *x);
/* y is 0 or the scale; y may be x */
void nncf__binarize(nncf_context *context, nncf__quantizer *quantizer, const nncf__planes *planes,
    const float *x, float *y);
/* codes 0 and 1 */
void nncf__binarize_to_codes(nncf_context *context, nncf__quantizer *quantizer,
    const nncf__planes *planes, const float *x, uint8_t *y);
/* bits, as nncf__conv2d_forward_bits() reads them, of so many groups of channels */
void nncf__binarize_to_bits(nncf_context *context, nncf__quantizer *quantizer,
    const nncf__planes *planes, int64_t groups, const float *x, uint64_t *y);
/* dx from dy; adds to the gradients of scale and thresholds. dx may be dy. */
void nncf__binarize_backward(nncf_context *context, nncf__quantizer *quantizer,
    const nncf__planes *planes, const float *x, const float *dy, float *dx);

#endif
