/* SPDX-License-Identifier: Apache-2.0 */
/* Writes JSON, for dumps, explanations and migrations. Private to config/. */
#ifndef NNCF__CONFIG_WRITE_WRITER_H
#define NNCF__CONFIG_WRITE_WRITER_H

#include "base/text.h"
#include "config/canonical.h"
#include "config/json/document.h"
#include "config/schema/keys.h"

#include <nncf/config.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct nncf__writer {
    nncf__text *text;
    bool pretty;
    int depth;
    /* the open bracket is empty so far */
    bool first;
    /* inside an array of scalars */
    bool one_line;
} nncf__writer;

void nncf__put(nncf__writer *w, const char *text);
void nncf__put_string(nncf__writer *w, const char *text);
void nncf__put_double(nncf__writer *w, double value);
/* Write what precedes a member or element: comma, line break, key. */
void nncf__put_item(nncf__writer *w, const char *key);
void nncf__put_open(nncf__writer *w, const char *bracket);
void nncf__put_close(nncf__writer *w, const char *bracket);
/* A value of the file, scalars as they are written. */
void nncf__put_node(nncf__writer *w, const nncf__document *d, uint32_t index);
/* The field of a key, in an algorithm or a range rule. */
void nncf__put_field(nncf__writer *w, const void *base, const nncf__key *key);
int64_t nncf__load_int(const void *base, const nncf__key *key);

/* dump.c: which keys a dump of an algorithm shows. */
bool nncf__is_for_device(const nncf_config *config, const nncf__key *key);
bool nncf__is_shown(const nncf_config *config, size_t index, size_t k);
/* The value of key k, which is kept as written, or that of an alias of it; 0: there is none. */
uint32_t nncf__written_node(const nncf_config *config, size_t index, size_t k);
bool nncf__is_shown_in_rule(
    const nncf__range_rule *rule, const nncf__algorithm *a, const nncf__key *key);
/* The value of an absent root key in the present dialect; NULL: the dialect has no such key. */
const char *nncf__setup_default(const nncf_config *config, const char *key);

#endif
