/* SPDX-License-Identifier: Apache-2.0 */
/* What pruned filters mean for the arrays of a layer: their weights, bias, gamma and beta are 0. */
#ifndef NNCF__PRUNING_APPLY_H
#define NNCF__PRUNING_APPLY_H

#include "graph/model.h"
#include "quantization/layer_compression.h"

#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* values[n] of the weight's elements from `begin` on: 0 where the filter is pruned. */
void nncf__filters_clear(const nncf_layer *layer, size_t begin, size_t n, float *values);
/* The same of a mask's bits, `begin` a multiple of 8. */
void nncf__filters_clear_bits(const nncf_layer *layer, size_t begin, size_t n, uint8_t *bits);
/* The bias that a forward uses: the layer's, or a copy with zeros that the layer has place for. In
 * the thread of the call. */
const float *nncf__kept_bias(const nncf_layer *layer);

/* Is filter c pruned? */
static inline bool nncf__filter_is_pruned(const nncf_layer *layer, size_t c)
{
    const nncf__layer_compression *p = layer->compression;
    return p && p->filters && !p->filters[c];
}

/* Which filters have gamma and beta 0; NULL: none. */
static inline const uint8_t *nncf__norm_filters(const nncf_layer *layer)
{
    const nncf__layer_compression *p = layer->compression;
    return p && p->prunes_norm ? p->filters : NULL;
}

#endif
