/* SPDX-License-Identifier: Apache-2.0 */
/* A config's memory, and the notes that reading leaves for others. */
#include "config/internal.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/error.h"
#include "config/json/document.h"

#include <nncf/base.h>
#include <nncf/config.h>
#include <nncf/context.h>

struct nncf__arena_chunk {
    struct nncf__arena_chunk *next;
    /* of data */
    size_t used, capacity;
    _Alignas(16) unsigned char data[];
};

void *nncf__config_arena_alloc(nncf_config *config, size_t size)
{
    enum { USUAL = 4096, ALIGNMENT = 16 };
    struct nncf__arena_chunk *chunk = config->arena;
    size_t total;
    if (!nncf__add(size, ALIGNMENT - 1, &size))
        return NULL;
    size -= size % ALIGNMENT;
    if (!chunk || chunk->capacity - chunk->used < size) {
        const size_t capacity = size > USUAL ? size : USUAL;
        chunk = nncf__add(capacity, sizeof(*chunk), &total)
            ? nncf__calloc(config->context, 1, total)
            : NULL;
        if (!chunk)
            return NULL;
        chunk->capacity = capacity;
        chunk->next = config->arena;
        config->arena = chunk;
    }
    chunk->used += size;
    return chunk->data + chunk->used - size;
}

void nncf__config_arena_free(nncf_config *config)
{
    while (config->arena) {
        struct nncf__arena_chunk *next = config->arena->next;
        nncf__free(config->context, config->arena);
        config->arena = next;
    }
}

void nncf__config_log_key(
    nncf_config *config, int32_t level, uint32_t node, const char *message, const char *detail)
{
    const nncf__document *d = &config->document;
    char path[NNCF__PATH_TEXT];
    nncf__source_location place = nncf__config_location(
        d, d->nodes[node].key ? d->nodes[node].key_offset : d->nodes[node].offset);
    nncf__log(config->context, level, "%s:%d:%d: %s: %s%s", d->name, (int)place.line,
        (int)place.column, nncf__config_node_path(d, node, path), message, detail);
}

void nncf__config_add_unsupported(nncf_config *config, uint32_t node, const char *what)
{
    if (config->n_unsupported < NNCF__MAX_UNSUPPORTED)
        config->unsupported[config->n_unsupported++] =
            (nncf__unsupported){.node = node, .what = what};
}

int64_t nncf__config_batch_size(const nncf_config *config)
{
    const nncf__document *d = &config->document;
    const uint32_t node = nncf__config_find_key(d, 0, "batch_size");
    const int64_t size =
        node && d->nodes[node].type == NNCF_CONFIG_INT ? nncf__value_integer(&d->nodes[node]) : 1;
    return size > 0 ? size : 1;
}
