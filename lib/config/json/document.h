/* SPDX-License-Identifier: Apache-2.0 */
/* A config's text as a tree in which every key and value knows its place. Private to config/. */
#ifndef NNCF__CONFIG_JSON_DOCUMENT_H
#define NNCF__CONFIG_JSON_DOCUMENT_H

#include "base/error.h"

#include <nncf/base.h>
#include <nncf/config.h>
#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NNCF__MAX_CONFIG_SIZE = 1 << 20,
    NNCF__MAX_CONFIG_DEPTH = 32,
    NNCF__MAX_CONFIG_STRING = 4096,
    NNCF__MAX_CONFIG_KEYS = 100000,
    NNCF__MAX_CONFIG_VALUES = 1 << 17,
    /* longer paths are cut in messages */
    NNCF__PATH_TEXT = 160
};

/* Nodes are identified by their index. 0 is the root; the root is no child or sibling, so 0 also
 * means "none". */
typedef struct nncf__node {
    /* the value in the text, brackets and quotes included */
    uint32_t offset, length;
    /* opening quote of the key; members of objects only */
    uint32_t key_offset;
    uint32_t parent, next, first_child, last_child;
    /* index of the first one in the document's `in_order` and `by_key`, after scanning */
    uint32_t children;
    /* of them */
    uint32_t count;
    /* among the parent's children */
    uint32_t index;
    /* NNCF_CONFIG_... */
    uint8_t type;
    /* an integer beyond int64, kept as a double */
    bool big;
    /* decoded; NULL for the root and elements of arrays */
    const char *key;
    /* of a scalar but null: json-c's object; nncf__value_...() */
    void *value;
} nncf__node;

/* For every NNCF__LINE_START_BYTES bytes of the text: the line at that place and where it begins.
 */
enum { NNCF__LINE_START_BYTES = 1024 };
typedef struct nncf__line_start {
    uint32_t line, start;
} nncf__line_start;

typedef struct nncf__document {
    nncf_context *context;
    /* of the file, for messages */
    char *name;
    /* comments blanked; NUL after `size` bytes */
    char *text;
    size_t size;
    /* [size / NNCF__LINE_START_BYTES + 1] */
    nncf__line_start *line_starts;
    /* decoded keys one after the other */
    char *keys;
    nncf__node *nodes;
    uint32_t n_nodes, nodes_capacity;
    /* Children of each container side by side, in the file's order, and those of objects also
     * sorted by key: nodes. */
    uint32_t *in_order, *by_key;
    /* in both */
    uint32_t n_placed;
} nncf__document;

/* comments.c: check that the text is UTF-8 and turn comments and trailing commas into spaces;
 * newlines stay. */
nncf_status nncf__config_blank_comments(nncf__document *document, nncf_error *err);
/* scan.c: check that the rest is strict JSON within the limits, and create the nodes and their
 * values. */
nncf_status nncf__config_scan(nncf__document *document, nncf_error *err);

/* values.c: the value of a node. False: no memory. */
bool nncf__value_set_text(nncf__node *node, const char *text, size_t length);
bool nncf__value_set_integer(nncf__node *node, int64_t value);
bool nncf__value_set_number(nncf__node *node, double value);
bool nncf__value_set_flag(nncf__node *node, bool value);
void nncf__value_free(nncf__node *node);
/* Of a NNCF_CONFIG_STRING; _INT; _DOUBLE or _INT; _BOOL. */
const char *nncf__value_text(const nncf__node *node);
int64_t nncf__value_integer(const nncf__node *node);
double nncf__value_number(const nncf__node *node);
bool nncf__value_flag(const nncf__node *node);

/* path.c */
/* Fill line_starts; newlines must not move afterwards. False: no memory. */
bool nncf__config_index_lines(nncf__document *document);
nncf__source_location nncf__config_location(const nncf__document *document, size_t offset);
/* Bytes of a UTF-8 text up to a limit, whole characters only. */
size_t nncf__config_cut(const char *text, size_t limit);
/* "compression[0].params.power"; returns out. */
char *nncf__config_node_path(
    const nncf__document *document, uint32_t node, char out[NNCF__PATH_TEXT]);
uint32_t nncf__config_find_key(
    const nncf__document *document, uint32_t object, const char *key); /* 0: none */
/* Node at a caller's path. NNCF_E_ARG: malformed. NNCF_E_NOTFOUND: no such node; *node is then the
 * nearest enclosing one. */
nncf_status nncf__config_find_path(
    const nncf__document *document, const char *path, uint32_t *node);

#endif
