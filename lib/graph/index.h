/* SPDX-License-Identifier: Apache-2.0 */
/* A model's layers by scope and by address, so that registering a layer costs the same in a model
 * of any size; private to this folder. */
#ifndef NNCF__GRAPH_INDEX_H
#define NNCF__GRAPH_INDEX_H

#include "graph/model.h"

#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>

/* Reserve space for `capacity` layers, a power of two; the contents stay. False: no memory, and
 * nothing changed. */
bool nncf__index_reserve(nncf__layer_index *index, nncf_context *context, size_t capacity);
/* Add a layer whose scope is not in it; space must be reserved. */
void nncf__index_add(nncf__layer_index *index, nncf_layer *layer);
/* Without layers; the space stays reserved. */
void nncf__index_clear(nncf__layer_index *index);
/* NULL: no layer of that scope. */
nncf_layer *nncf__index_find(const nncf__layer_index *index, const char *scope);
/* Is it in there? The pointer is compared, and never followed. */
bool nncf__index_has(const nncf__layer_index *index, const nncf_layer *layer);

#endif
