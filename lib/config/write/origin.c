/* SPDX-License-Identifier: Apache-2.0 */
/* Which part of the file a decision comes from, for plans. */
#include "config/config.h"
#include "config/internal.h"
#include "config/json/document.h"

#include <nncf/config.h>

#include <stdio.h>

int32_t nncf__config_origin(const nncf_config *config, size_t algorithm, const char *const *steps,
    size_t n_steps, char *out, size_t capacity, size_t *taken)
{
    const nncf__document *d = &config->document;
    char path[NNCF__PATH_TEXT];
    uint32_t node =
        algorithm < config->n_algorithms ? config->sources[algorithm].node : config->compression;
    size_t n = 0;
    for (; n < n_steps; n++) { /* as far as the file has them */
        if (d->nodes[node].type != NNCF_CONFIG_OBJECT)
            break;
        uint32_t next = nncf__config_find_key(d, node, steps[n]);
        if (next == 0)
            break;
        node = next;
    }
    if (taken)
        *taken = n;
    snprintf(out, capacity, "%s", nncf__config_node_path(d, node, path));
    return nncf__config_location(
        d, d->nodes[node].key ? d->nodes[node].key_offset : d->nodes[node].offset)
        .line;
}
