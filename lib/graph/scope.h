/* SPDX-License-Identifier: Apache-2.0 */
/* Scopes and the patterns that select them. */
#ifndef NNCF__GRAPH_SCOPE_H
#define NNCF__GRAPH_SCOPE_H

#include "base/regex.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A list of patterns, ready for use. All lists of a call share one budget. */
typedef struct nncf__scope_set {
    nncf_context *context;
    /* borrowed */
    nncf__regex_work *work;
    int32_t release;
    /* the rule of 2.0 and later */
    bool exact;
    /* borrowed */
    const char *const *items;
    nncf__regex **regexes;
    size_t count;
} nncf__scope_set;
/* Compile the patterns of a set in which everything but `regexes` is filled in; `where` names the
 * list. NNCF_E_CONFIG: a bad regular expression, NNCF_E_LIMIT: too many of them; the set is empty
 * then. */
nncf_status nncf__scope_set_make(nncf__scope_set *set, const char *where, nncf_error *err);
/* A zeroed one is fine. */
void nncf__scope_set_free(nncf__scope_set *set);
/* Does a pattern match? 1, 0, NNCF__REGEX_LIMIT (the budget is used up) or NNCF__REGEX_NOMEM.
 * *which (nullable) is the index, unless 0. */
int nncf__scope_set_matches(const nncf__scope_set *set, const char *scope, size_t *which);
int nncf__scope_set_matches_one(const nncf__scope_set *set, size_t i, const char *scope);
/* Does that release wrap modules of this class ("Conv2d" becomes "NNCFConv2d")? */
bool nncf__scope_class_wrapped(const char *class_name, size_t length, int32_t release);

#endif
