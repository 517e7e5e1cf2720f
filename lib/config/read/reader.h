/* SPDX-License-Identifier: Apache-2.0 */
/* What everything that reads a part of `compression` shares: errors with their place, which keys
 * are given, growing lists. Private to config/. */
#ifndef NNCF__CONFIG_READ_READER_H
#define NNCF__CONFIG_READ_READER_H

#include "base/error.h"
#include "config/canonical.h"
#include "config/internal.h"
#include "config/json/document.h"
#include "config/schema/keys.h"

#include <nncf/base.h>
#include <nncf/config.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reading one algorithm (read.c), then the rules between its keys (rules.c). */
typedef struct nncf__reader {
    nncf_config *config;
    nncf_error *err;
    nncf__algorithm *algorithm;
    /* of the algorithm */
    nncf__key_sources *source;
    /* what the keys' offsets refer to: the algorithm, or a range rule */
    void *base;
    /* [key], of base: node of the key; 0: absent */
    uint32_t *given;
    nncf__range_rule *rules;
    nncf__override *overrides;
    size_t n_rules, rules_capacity, n_overrides, overrides_capacity;
    bool has_initializer, has_range;
} nncf__reader;

static inline const nncf__document *nncf__reader_document(const nncf__reader *reader)
{
    return &reader->config->document;
}

/* Fail with the place and path of a node's value, or of its key. */
nncf_status nncf__reader_fail(const nncf__reader *reader, nncf_status status, uint32_t node,
    bool at_key, const char *format, ...) NNCF_PRINTF(5, 6);
nncf_status nncf__reader_wrong_value(
    const nncf__reader *reader, const nncf__key *key, uint32_t node);
nncf_status nncf__reader_no_memory(const nncf__reader *reader);
/* Does reading continue after a step that returned `status`? Yes after success, and after an error
 * in the config if the caller has a report callback. *first, NNCF_OK at the beginning, becomes the
 * first error. */
bool nncf__config_continue_after_error(
    const nncf_config *config, nncf_status status, nncf_status *first);
/* Node that set the field at `offset` of nncf__algorithm, 0 when it is a default. */
uint32_t nncf__reader_given(const nncf__reader *reader, size_t offset);
/* Node that holds the key with that path; 0: it is absent. */
uint32_t nncf__reader_given_at(const nncf__reader *reader, const char *path);
/* Append one; NULL: no memory. */
nncf__range_rule *nncf__reader_add_rule(nncf__reader *reader, uint32_t **given);
nncf__override *nncf__reader_add_override(nncf__reader *reader);

#endif
