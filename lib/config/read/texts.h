/* SPDX-License-Identifier: Apache-2.0 */
/* Values that are texts or lists of texts: scopes and names of operators. Private to config/. */
#ifndef NNCF__CONFIG_READ_TEXTS_H
#define NNCF__CONFIG_READ_TEXTS_H

#include "config/canonical.h"
#include "config/read/reader.h"
#include "config/schema/keys.h"

#include <nncf/base.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Check the regular expression in a scope (the node's key, or its text), if it has one.
 */
nncf_status nncf__read_scope_pattern(const nncf__reader *r, uint32_t node, bool is_key);
nncf_status nncf__read_scopes(
    const nncf__reader *r, const nncf__key *key, uint32_t node, nncf__strings *out);
/* A list of such lists. */
nncf_status nncf__read_lists(const nncf__reader *r, const nncf__key *key, uint32_t node,
    const nncf__strings **out, size_t *count);

#endif
