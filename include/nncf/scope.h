/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scope.h
 * @brief Scopes, the names of layers, and the patterns by which a config selects them.
 */
#ifndef NNCF_SCOPE_H
#define NNCF_SCOPE_H

#include <nncf/base.h>

NNCF_BEGIN_DECLS

/**
 * @brief Does a scope match a pattern of `ignored_scopes` or `target_scopes`, as a given release of
 * NNCF matches them?
 *
 * Before 2.0 both are split at "/". The pattern matches when its elements are the first elements of
 * the scope, or of the scope with leading elements dropped (the first of what remains then loses
 * its [field]); so a block's scope matches everything inside the block and a class name matches
 * every module of that class. `NNCFConv2d` in the scope equals `Conv2d` in the pattern, and so do
 * the other classes that the release wraps (1.3: Conv1d, 1.4: Embedding, 1.6: EmbeddingBag). 2.0
 * and later require equal strings. From 1.2 on a pattern with `{re}` in it is a regular expression
 * (PCRE2, which reads what Python's re reads) that may match anywhere in the scope.
 * @param scope the scope
 * @param pattern the pattern
 * @param release major * 10000 + minor * 100 + patch: 10301 is 1.3.1
 * @param[out] matches 1 or 0
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_CONFIG the regular expression is not valid; NNCF_E_LIMIT it
 * takes too long, or scope or pattern has more than 4096 bytes, which no scope of a model and no
 * text of a config has; NNCF_E_NOMEM
 * @par Threads any.
 * @since 0.1
 */
NNCF_API nncf_status nncf_scope_matches(
    const char *scope, const char *pattern, int32_t release, int32_t *matches, nncf_error *err);

NNCF_END_DECLS
#endif
