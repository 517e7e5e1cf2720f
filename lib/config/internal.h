/* SPDX-License-Identifier: Apache-2.0 */
/* struct nncf_config: the document, what reading it yields, and where each value comes from.
 * Private to config/. */
#ifndef NNCF__CONFIG_INTERNAL_H
#define NNCF__CONFIG_INTERNAL_H

#include "base/regex.h"
#include "config/canonical.h"
#include "config/json/document.h"

#include <nncf/base.h>
#include <nncf/config.h>
#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nncf__arena_chunk;

/* Where the values of an algorithm come from. Indices are those of the table of keys. */
typedef struct nncf__key_sources {
    /* of the algorithm */
    uint32_t node;
    /* [key] node of the key; 0: absent */
    uint32_t *given;
    /* [key] node of another key that set the key's field; 0: none */
    uint32_t *set_by;
    /* [rule] `given` of each range rule; NULL: the rule is not in the file */
    uint32_t **rule_given;
    /* without those of overrides, which follow */
    size_t n_rules;
    /* the range rule is written as in NNCF 1.0 to 1.2 */
    bool legacy_rule;
} nncf__key_sources;

/* Something valid that this library does not support: a controller is rejected. */
typedef struct nncf__unsupported {
    uint32_t node;
    /* static */
    const char *what;
} nncf__unsupported;
enum { NNCF__MAX_UNSUPPORTED = 64 };

struct nncf_config {
    nncf_context *context;
    bool owns_context;
    nncf__document document;
    /* node; 0: none */
    uint32_t compression;
    nncf__config_setup setup;
    nncf__algorithm *algorithms;
    /* [n_algorithms] */
    nncf__key_sources *sources;
    size_t n_algorithms;
    nncf__unsupported unsupported[NNCF__MAX_UNSUPPORTED];
    size_t n_unsupported;
    /* setup.release as text */
    char dialect[16];
    /* set by the caller; 0: none */
    int32_t wanted_release;
    /* nncf__scope_check set by the caller; -1: none */
    int32_t wanted_check;
    /* The caller's callback for each error, nullable; how many errors it got. */
    int32_t (*report)(void *user, const nncf_error *error);
    void *user;
    /* report returned nonzero: it is not called again */
    bool report_stopped;
    size_t n_reported;
    /* the key that decided the dialect; 0: none */
    uint32_t release_node;
    uint32_t device_node, setup_node, multiplier_node;
    /* while it is read: the budget of its regular expressions */
    nncf__regex_work *regexes;
    /* the error "budget used up" was reported */
    bool regex_limit_reported;
    struct nncf__arena_chunk *arena;
};

/* config.c: memory that nncf_config_destroy() gives back. */
void *nncf__config_arena_alloc(nncf_config *config, size_t size);

/* Free that memory. */
void nncf__config_arena_free(nncf_config *config);

/* Record something that is not supported yet. */
void nncf__config_add_unsupported(nncf_config *config, uint32_t node, const char *what);
/* Log a message with the place of a node's key. */
void nncf__config_log_key(
    nncf_config *config, int32_t level, uint32_t node, const char *message, const char *detail);

/* The training program's batch_size; 1 if absent or invalid. */
int64_t nncf__config_batch_size(const nncf_config *config);

#endif
