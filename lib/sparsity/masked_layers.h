/* SPDX-License-Identifier: Apache-2.0 */
/* The layers of a model with their masks: what the sparsity algorithms work on. */
#ifndef NNCF__SPARSITY_MASKED_LAYERS_H
#define NNCF__SPARSITY_MASKED_LAYERS_H

#include "config/canonical.h"
#include "quantization/layer_compression.h"

#include <nncf/context.h>
#include <nncf/model.h>

#include <stddef.h>

/* Borrows everything. */
typedef struct nncf__masked_layers {
    nncf_context *context;
    /* [count] each; layers without a mask are among them */
    nncf_layer *const *layers;
    nncf__layer_compression *masks;
    size_t count;
    /* of magnitude masks */
    nncf__structure structure;
} nncf__masked_layers;

#endif
