/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of messages: what was found, what is allowed, what was probably meant. */
#ifndef NNCF__CONFIG_READ_MESSAGES_H
#define NNCF__CONFIG_READ_MESSAGES_H

#include "base/error.h"
#include "config/json/document.h"
#include "config/schema/keys.h"

#include <stdint.h>

enum { NNCF__EXPLAIN_TEXT = 320 };
/* Append to out; what does not fit is cut. */
void nncf__explain(char out[NNCF__EXPLAIN_TEXT], const char *format, ...) NNCF_PRINTF(2, 3);
/* A value as written in the file; returns out. */
const char *nncf__explain_value(
    const nncf__document *document, uint32_t node, char out[NNCF__EXPLAIN_TEXT]);
/* What a key allows; returns out. */
const char *nncf__explain_allowed(const nncf__key *key, char out[NNCF__EXPLAIN_TEXT]);

/* Of the words considered, the nearest to what is wanted, if it is near enough to be meant. */
typedef struct nncf__nearest {
    const char *wanted;
    /* "": none */
    char best[64];
    unsigned distance;
} nncf__nearest;
void nncf__nearest_consider(nncf__nearest *nearest, const char *word);
/* Append "; did you mean ...?" if there is one. */
void nncf__explain_nearest(char out[NNCF__EXPLAIN_TEXT], const nncf__nearest *nearest);

#endif
