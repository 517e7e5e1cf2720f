/* SPDX-License-Identifier: Apache-2.0 */
/* The table of every key that may stand in an algorithm. Private to config/. */
#ifndef NNCF__CONFIG_KEYS_H
#define NNCF__CONFIG_KEYS_H

#include "config/document.h"

enum nncf__key_type {
    NNCF__KEY_ALGORITHM,  /* the algorithm's name */
    NNCF__KEY_SECTION,    /* an object whose keys are rows "section.key" */
    NNCF__KEY_NUMBER,     /* double */
    NNCF__KEY_INTEGER,    /* int32_t or int64_t */
    NNCF__KEY_FLAG,       /* true, false -> 1, 0 in an int32_t */
    NNCF__KEY_CODED_FLAG, /* false, true -> codes[0], codes[1] in an int32_t */
    NNCF__KEY_WORD,       /* one of `words` -> first_code + its index in an int32_t */
    NNCF__KEY_SCOPES,     /* a text or texts -> nncf__strings */
    NNCF__KEY_NUMBERS     /* const double * and, at count_offset, size_t */
};

enum {
    NNCF__KEY_OPEN_MIN = 1,     /* min itself is not allowed */
    NNCF__KEY_OPEN_MAX = 2,     /* max itself is not allowed */
    NNCF__KEY_SPREAD = 4,       /* also sets the field at offset_2; keys that set one of them directly win */
    NNCF__KEY_NO_DEFAULT = 8,   /* when the key is absent the field keeps `fallback`, and a dump leaves the key out */
    NNCF__KEY_NOT_EMPTY = 16,   /* an empty list is an error */
    NNCF__KEY_ONLY_DEFAULT = 32 /* valid NNCF, but this release has the default only; no field */
};

#define NNCF__NO_FIELD ((size_t)-1)

typedef struct nncf__key {
    const char *path;    /* within the algorithm: "params.power" */
    uint32_t algorithms; /* 1 << nncf__algorithm_kind, or-ed */
    uint32_t schedules;  /* 1 << nncf__schedule_kind for which it matters; 0: all */
    int32_t type, flags;
    double min, max;         /* of numbers, and of each number in a list */
    const char *words;       /* space separated */
    const char *later_words; /* of later NNCF releases: answered with NNCF_E_UNSUPPORTED */
    int32_t first_code;
    int32_t codes[2];
    double fallback; /* default; codes for words */
    const double *fallback_list;
    size_t fallback_count;
    size_t offset, offset_2, count_offset; /* in nncf__algorithm */
    size_t size;                           /* of the field */
    const char *another; /* canonical path, when this is another name of that key; dumps use that one */
    const char *since;   /* first NNCF release that has it */
    const char *refused; /* this release does not read it: what to do instead. "" when there is nothing */
    const char *help;    /* one line; for keys that are read */
} nncf__key;

enum { NNCF__MAX_KEYS = 128 };

/* The rows, in the order of a dump: the keys of one section stand together. */
const nncf__key *nncf__config_keys(size_t *count);

typedef struct nncf__algorithm_name {
    const char *name;
    int32_t kind;        /* 0: not in this release */
    const char *since;   /* NNCF release */
    const char *refused; /* why not, what instead */
} nncf__algorithm_name;
const nncf__algorithm_name *nncf__config_algorithm_names(size_t *count);

/* NNCF keys of later releases that stand outside of `compression` and change what it does: worth a warning. */
typedef struct nncf__root_key {
    const char *key, *note;
} nncf__root_key;
const nncf__root_key *nncf__config_root_keys(size_t *count);

/* Reading one algorithm (read.c), then the rules between its keys (rules.c). */
typedef struct nncf__reader {
    nncf_config *config;
    nncf_error *err;
    nncf__algorithm *algorithm;
    uint32_t node;                  /* of the algorithm */
    uint32_t given[NNCF__MAX_KEYS]; /* node that gave the row, 0: it is absent */
} nncf__reader;

/* Fail with the place and path of a node's value, or of its key. */
nncf_status nncf__reader_fail(const nncf__reader *reader, nncf_status status, uint32_t node, bool at_key,
                              const char *format, ...) NNCF_PRINTF(5, 6);
/* Node that set the field at `offset` of nncf__algorithm, 0 when it is a default. */
uint32_t nncf__reader_given(const nncf__reader *reader, size_t offset);
nncf_status nncf__config_check_rules(nncf__reader *reader);

/* explain.c: texts for messages. */
enum { NNCF__EXPLAIN_TEXT = 320 };
/* Append to out; what does not fit is cut. */
void nncf__explain(char out[NNCF__EXPLAIN_TEXT], const char *format, ...) NNCF_PRINTF(2, 3);
/* A value as the file has it; returns out. */
const char *nncf__explain_value(const nncf__document *document, uint32_t node, char out[NNCF__EXPLAIN_TEXT]);
/* What a row allows; returns out. */
const char *nncf__explain_allowed(const nncf__key *key, char out[NNCF__EXPLAIN_TEXT]);
/* Word number `index` of a space separated list; false past the end. */
bool nncf__config_word(const char *words, size_t index, char *out, size_t capacity);

/* Of the words considered, the nearest to what is wanted, if it is near enough to be meant. */
typedef struct nncf__nearest {
    const char *wanted;
    char best[64]; /* "": none */
    unsigned distance;
} nncf__nearest;
void nncf__nearest_consider(nncf__nearest *nearest, const char *word);
/* Append "; did you mean ...?" if there is one. */
void nncf__explain_nearest(char out[NNCF__EXPLAIN_TEXT], const nncf__nearest *nearest);

#endif
