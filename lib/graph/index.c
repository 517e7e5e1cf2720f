/* SPDX-License-Identifier: Apache-2.0 */
/* Two tables of open addressing with linear probing, at most half full, in one block of memory. */
#include "graph/index.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/strings.h"

#include <stdint.h>
#include <string.h>

static size_t place_of_address(const nncf__layer_index *index, const nncf_layer *layer)
{
    /* the lowest bits are those of the alignment; a product mixes upwards only */
    const uint64_t product = (uint64_t)((uintptr_t)layer >> 6) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(product >> 32) & index->mask;
}

void nncf__index_add(nncf__layer_index *index, nncf_layer *layer)
{
    size_t i = (size_t)nncf__hash_text(layer->scope) & index->mask;
    while (index->by_scope[i])
        i = (i + 1) & index->mask;
    index->by_scope[i] = layer;
    for (i = place_of_address(index, layer); index->by_address[i];)
        i = (i + 1) & index->mask;
    index->by_address[i] = layer;
}

void nncf__index_clear(nncf__layer_index *index)
{
    for (size_t i = 0; i <= index->mask; i++)
        index->by_scope[i] = index->by_address[i] = NULL;
}

bool nncf__index_reserve(nncf__layer_index *index, nncf_context *context, size_t capacity)
{
    const nncf__layer_index old = *index;
    size_t slots;
    if (!nncf__mul(capacity, 4, &slots))
        return false;
    nncf_layer **block = nncf__calloc(context, slots, sizeof(nncf_layer *));
    if (!block)
        return false;
    *index = (nncf__layer_index){block, block + slots / 2, slots / 2 - 1};
    for (size_t i = 0; old.by_scope && i <= old.mask; i++)
        if (old.by_scope[i])
            nncf__index_add(index, old.by_scope[i]);
    nncf__free(context, (void *)old.by_scope);
    return true;
}

nncf_layer *nncf__index_find(const nncf__layer_index *index, const char *scope)
{
    if (!index->by_scope)
        return NULL;
    size_t i = (size_t)nncf__hash_text(scope) & index->mask;
    while (index->by_scope[i] && strcmp(index->by_scope[i]->scope, scope) != 0)
        i = (i + 1) & index->mask;
    return index->by_scope[i];
}

bool nncf__index_has(const nncf__layer_index *index, const nncf_layer *layer)
{
    if (!index->by_address)
        return false;
    size_t i = place_of_address(index, layer);
    while (index->by_address[i] && index->by_address[i] != layer)
        i = (i + 1) & index->mask;
    return index->by_address[i] != NULL;
}
