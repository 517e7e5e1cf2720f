/* SPDX-License-Identifier: Apache-2.0 */
/* A config's text as a tree in which every key and value knows its place. Private to config/. */
#ifndef NNCF__CONFIG_DOCUMENT_H
#define NNCF__CONFIG_DOCUMENT_H

#include "base/regex.h"
#include "config/config.h"

enum {
    NNCF__MAX_CONFIG_SIZE = 1 << 20,
    NNCF__MAX_CONFIG_DEPTH = 32,
    NNCF__MAX_CONFIG_STRING = 4096,
    NNCF__MAX_CONFIG_KEYS = 100000,
    NNCF__MAX_CONFIG_VALUES = 1 << 17,
    NNCF__PATH_TEXT = 160 /* longer paths are cut in messages */
};

/* Nodes are named by their index; 0 is the root, and as nobody's child or sibling also "none". */
typedef struct nncf__node {
    uint32_t offset, length; /* the value in the text, brackets and quotes included */
    uint32_t key_offset;     /* opening quote of the key; members of objects only */
    uint32_t parent, next, first_child, last_child;
    uint32_t children; /* where they begin in the document's `in_order` and `by_key`, once all are there */
    uint32_t count;    /* of them */
    uint32_t index;    /* among the parent's children */
    uint8_t type;      /* NNCF_CONFIG_... */
    bool big;          /* an integer beyond int64, kept as a double */
    const char *key;   /* decoded; NULL for the root and elements of arrays */
    void *value;       /* of a scalar but null: json-c's object; nncf__value_...() */
} nncf__node;

/* Every so many bytes of the text, the line there and where it begins: a place is found from the mark before it. */
enum { NNCF__LINE_MARK_BYTES = 1024 };
typedef struct nncf__line_mark {
    uint32_t line, start;
} nncf__line_mark;

typedef struct nncf__document {
    nncf_context *context;
    char *name; /* of the file, for messages */
    char *text; /* comments blanked; NUL after `size` bytes */
    size_t size;
    nncf__line_mark *marks; /* [size / NNCF__LINE_MARK_BYTES + 1] */
    char *keys;             /* decoded keys one after the other */
    nncf__node *nodes;
    uint32_t n_nodes, nodes_capacity;
    /* Children of each container side by side, in the file's order, and those of objects also sorted by key: nodes. */
    uint32_t *in_order, *by_key;
    uint32_t n_placed; /* in both */
} nncf__document;

/* Memory that lives as long as its config. */
struct nncf__block;

/* Where the values of an algorithm come from. Rows are those of the table of keys. */
typedef struct nncf__source {
    uint32_t node;         /* of the algorithm */
    uint32_t *given;       /* [row] node that gave it; 0: none */
    uint32_t *via;         /* [row] node of another key that set the row's field; 0: none */
    uint32_t **rule_given; /* [rule] the same for each range rule; NULL: the rule is not one of the file */
    size_t n_rules;        /* of them: those of overrides come behind */
    bool flat;             /* the range rule is written as in NNCF 1.0 to 1.2 */
} nncf__source;

/* Something valid that this release does not do: a controller is refused. */
typedef struct nncf__not_yet {
    uint32_t node;
    const char *what; /* static */
} nncf__not_yet;
enum { NNCF__MAX_NOT_YET = 64 };

struct nncf_config {
    nncf_context *context;
    bool owns_context;
    nncf__document document;
    uint32_t compression; /* node; 0: there is none */
    nncf__config_setup setup;
    nncf__algorithm *algorithms;
    nncf__source *sources; /* [n_algorithms] */
    size_t n_algorithms;
    nncf__not_yet not_yet[NNCF__MAX_NOT_YET];
    size_t n_not_yet;
    char dialect[16];       /* setup.release as text */
    int32_t wanted_release; /* by the caller; 0: none */
    int32_t wanted_check;   /* nncf__scope_check by the caller; -1: none */
    /* The caller's for each mistake, nullable; how many it was told. */
    void (*report)(void *user, const nncf_error *error);
    void *report_user;
    size_t n_reported;
    uint32_t release_node; /* whose key decided the dialect; 0: none */
    uint32_t device_node, setup_node, multiplier_node;
    nncf__regex_work *regexes; /* while it is read: the budget of its regular expressions */
    bool regexes_told;         /* that the budget is used up was said */
    struct nncf__block *blocks;
};

/* comments.c: check that the text is UTF-8 and turn comments and trailing commas into spaces; newlines stay. */
nncf_status nncf__config_blank_comments(nncf__document *document, nncf_error *err);
/* scan.c: check that what is left is strict JSON within the limits, and make the nodes and their values. */
nncf_status nncf__config_scan(nncf__document *document, nncf_error *err);

/* json.c: the value of a node. False: no memory. */
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
/* Make the marks of the lines; newlines stay where they are from then on. False: no memory. */
bool nncf__config_mark_lines(nncf__document *document);
nncf__place nncf__config_place(const nncf__document *document, size_t offset);
/* Bytes of a UTF-8 text up to a limit, whole characters only. */
size_t nncf__config_cut(const char *text, size_t limit);
/* "compression[0].params.power"; returns out. */
char *nncf__config_node_path(const nncf__document *document, uint32_t node, char out[NNCF__PATH_TEXT]);
uint32_t nncf__config_find_key(const nncf__document *document, uint32_t object, const char *key); /* 0: none */
/* Node at a caller's path: NNCF_E_ARG when it is malformed, NNCF_E_NOTFOUND when there is none; then *node is the
 * nearest enclosing one. */
nncf_status nncf__config_find_path(const nncf__document *document, const char *path, uint32_t *node);

/* root.c: the training program's batch_size, 1 where it is none. */
int64_t nncf__config_batch_size(const nncf_config *config);

/* config.c: memory that nncf_config_destroy() gives back. */
void *nncf__config_keep(nncf_config *config, size_t size);

/* Take note of something that is not there yet. */
void nncf__config_add_not_yet(nncf_config *config, uint32_t node, const char *what);
/* Log a line about a node's key. */
void nncf__config_log_key(nncf_config *config, int32_t level, uint32_t node, const char *message, const char *detail);

/* read.c: `compression` -> canonical form. */
nncf_status nncf__config_read(nncf_config *config, nncf_error *err);

#endif
