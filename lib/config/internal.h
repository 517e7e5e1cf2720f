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

struct nncf__block;

/* Where the values of an algorithm come from. Rows are those of the table of keys. */
typedef struct nncf__key_sources {
    /* of the algorithm */
    uint32_t node;
    /* [row] node that gave it; 0: none */
    uint32_t *given;
    /* [row] node of another key that set the row's field; 0: none */
    uint32_t *via;
    /* [rule] the same for each range rule; NULL: the rule is not one of the file */
    uint32_t **rule_given;
    /* of them: those of overrides come behind */
    size_t n_rules;
    /* the range rule is written as in NNCF 1.0 to 1.2 */
    bool flat;
} nncf__key_sources;

/* Something valid that this release does not do: a controller is refused. */
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
    /* node; 0: there is none */
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
    /* by the caller; 0: none */
    int32_t wanted_release;
    /* nncf__scope_check by the caller; -1: none */
    int32_t wanted_check;
    /* The caller's for each mistake, nullable; how many it was told. */
    void (*report)(void *user, const nncf_error *error);
    void *report_user;
    size_t n_reported;
    /* whose key decided the dialect; 0: none */
    uint32_t release_node;
    uint32_t device_node, setup_node, multiplier_node;
    /* while it is read: the budget of its regular expressions */
    nncf__regex_work *regexes;
    /* that the budget is used up was said */
    bool regexes_told;
    struct nncf__block *blocks;
};

/* config.c: memory that nncf_config_destroy() gives back. */
void *nncf__config_arena_alloc(nncf_config *config, size_t size);

/* Free that memory. */
void nncf__config_arena_free(nncf_config *config);

/* Take note of something that is not there yet. */
void nncf__config_add_unsupported(nncf_config *config, uint32_t node, const char *what);
/* Log a line about a node's key. */
void nncf__config_log_key(
    nncf_config *config, int32_t level, uint32_t node, const char *message, const char *detail);

/* root.c: the training program's batch_size, 1 where it is none. */
int64_t nncf__config_batch_size(const nncf_config *config);

#endif
