/* SPDX-License-Identifier: Apache-2.0 */
/* The gradients of one layer; private to this folder. */
#ifndef NNCF__PARALLEL_GRADIENT_LIST_H
#define NNCF__PARALLEL_GRADIENT_LIST_H

#include "quantization/layer_compression.h"

#include <nncf/layer.h>
#include <nncf/parallel.h>

#include <stddef.h>

/* Weight, bias, of batch norm and of another norm two each, logits, two of a quantizer. */
enum { NNCF__MOST_GRADIENTS = 7 + 2 * NNCF__N_SLOTS };

typedef struct nncf__layer_gradients {
    nncf_gradient items[NNCF__MOST_GRADIENTS];
    size_t count;
} nncf__layer_gradients;

/* Those that there are, in the order of the list. */
void nncf__layer_gradients_of(nncf_layer *layer, nncf__layer_gradients *list);

#endif
