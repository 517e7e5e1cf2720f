/* SPDX-License-Identifier: Apache-2.0 */
/* Activations as integer codes, a byte each. */
#ifndef NNCF__EXEC_CODES_H
#define NNCF__EXEC_CODES_H

#include "kernels/kernels.h"
#include "kernels/operand.h"
#include "quantization/quantizer.h"

#include <nncf/model.h>

#include <stddef.h>
#include <stdint.h>

/* Type of the codes that a quantizer stores in bytes: NNCF_U8 or NNCF_S8; NNCF_F32: it cannot now
 * (or is NULL). */
int32_t nncf__quantizer_dtype(const nncf__quantizer *quantizer);
int32_t nncf__quantizer_zero(const nncf__quantizer *quantizer);
/* Codes of a quantizer as what a product reads. */
nncf__operand nncf__codes_operand(const nncf__quantizer *quantizer, const void *data);
/* Whose codes reach a layer through its registered edge, or NULL. */
const nncf__quantizer *nncf__layer_feeding_quantizer(const nncf_layer *layer, size_t input);
/* The type of codes that may arrive there, and may leave; NNCF_F32: none. Floats may always. */
int32_t nncf__layer_input_dtype(const nncf_layer *layer, size_t input);
int32_t nncf__layer_output_dtype(const nncf_layer *layer);
/* An output: floats, or codes of the layer's output quantizer. */
typedef struct nncf__output {
    void *data;
    int32_t dtype;
} nncf__output;
/* Floats [offset, offset + count) of x: where they lie, or what the codes stand for, written to
 * `room`. */
const float *nncf__floats_of(
    const nncf__kernels *k, const nncf__operand *x, size_t offset, size_t count, float *room);

#endif
