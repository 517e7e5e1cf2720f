/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What registration, placement and formats need to know about a kind of layer: one row each in
 * graph/kind_info.c. How a layer of a kind is run stands in exec/kinds.c. Code outside of these two
 * and of the export's table does not compare a layer's kind with a name.
 */
#ifndef NNCF__GRAPH_KIND_INFO_H
#define NNCF__GRAPH_KIND_INFO_H

#include "base/text.h"
#include "graph/model.h"

#include <nncf/model.h>

#include <stdbool.h>
#include <stdint.h>

typedef struct nncf__kind_info {
    /* in stripped models */
    const char *name;
    /* the host runs it: exec/ has only its parts, and its name is that of its operator */
    bool run_by_host;
    /* in_channels and out_channels are those of its inputs, which must agree */
    bool passes_channels;
    /* (n, c, h, w) is read as (n, c * h * w) */
    bool flattens;
    /* its activation is its operator, and nothing that follows it */
    bool is_activation;
    /* may a quantizer stand on its input? */
    bool quantizes_input;
    /* may one stand between its operator and its activation? */
    bool quantizes_before_activation;
    /* Does a tensor (n, c), or one with h = w = 1, come out of it? NULL: not known. */
    bool (*is_flat)(const nncf_layer *layer);
    /* Does the output consist of elements of its input, so that codes stay codes? NULL: no. */
    bool (*passes_codes)(const nncf_layer *layer);
    /* What the arrays of nncf_layer.norm are called in stripped models and messages. NULL: there is
     * none. */
    const char *arrays[2];
    /* Append what a stripped model says of the layer besides what all kinds have in common:
     * members of a JSON object, a comma before each. NULL: nothing. */
    void (*write_attributes)(const nncf_layer *layer, nncf__text *text);
} nncf__kind_info;

/* nncf__layer_kind */
const nncf__kind_info *nncf__kind_info_of(int32_t kind);

/* Does an activation follow what the layer computes? */
static inline bool nncf__layer_has_activation(const nncf_layer *layer)
{
    return layer->activation != NNCF_ACTIVATION_NONE &&
        !nncf__kind_info_of(layer->kind)->is_activation;
}

/* Can codes pass through the layer? */
static inline bool nncf__layer_passes_codes(const nncf_layer *layer)
{
    bool (*passes)(const nncf_layer *) = nncf__kind_info_of(layer->kind)->passes_codes;
    return passes && passes(layer);
}

/* Does a tensor (n, c), or one with h = w = 1, come out of the layer, as far as is known? */
static inline bool nncf__layer_is_flat(const nncf_layer *layer)
{
    bool (*is_flat)(const nncf_layer *) = nncf__kind_info_of(layer->kind)->is_flat;
    return is_flat && is_flat(layer);
}

#endif
