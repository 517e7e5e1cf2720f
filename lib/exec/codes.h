/* SPDX-License-Identifier: Apache-2.0 */
/* Activations as integer codes, a byte each: which layers write and read them. */
#ifndef NNCF__EXEC_CODES_H
#define NNCF__EXEC_CODES_H

#include "quantization/quantizer.h"

#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whose codes an input of a layer consists of. */
typedef struct nncf__source {
    /* one of the layer's own (that of its input), or a producer's; NULL: plain floats */
    nncf__quantizer *quantizer;
    /* a producer can write them as bytes; else they are floats, each a code
     * times the scale */
    bool as_bytes;
} nncf__source;
nncf__source nncf__layer_source(const nncf_layer *layer, size_t input);
/* Whose codes a layer writes where it writes any: its own quantizer, or that of its input. */
const nncf__quantizer *nncf__layer_output_source(const nncf_layer *layer);

/* The type of codes that the input, and the output, may have now; NNCF_F32: none. Floats are always
 * allowed. */
int32_t nncf__layer_input_dtype(const nncf_layer *layer, size_t input);
int32_t nncf__layer_output_dtype(const nncf_layer *layer);
/* The same once ranges are initialized. */
int32_t nncf__layer_input_dtype_then(const nncf_layer *layer, size_t input);
int32_t nncf__layer_output_dtype_then(const nncf_layer *layer);

#endif
