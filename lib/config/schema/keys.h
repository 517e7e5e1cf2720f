/* SPDX-License-Identifier: Apache-2.0 */
/* The table of every key that an algorithm may have. Private to config/. */
#ifndef NNCF__CONFIG_SCHEMA_KEYS_H
#define NNCF__CONFIG_SCHEMA_KEYS_H

#include "config/canonical.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nncf__key_type {
    /* the algorithm's name */
    NNCF__KEY_ALGORITHM,
    /* an object whose keys are entries "section.key" */
    NNCF__KEY_SECTION,
    /* double */
    NNCF__KEY_NUMBER,
    /* int32_t or int64_t */
    NNCF__KEY_INTEGER,
    /* true, false -> 1, 0 in an int32_t */
    NNCF__KEY_FLAG,
    /* false, true -> codes[0], codes[1] in an int32_t */
    NNCF__KEY_CODED_FLAG,
    /* one of `words` -> first_code + its index in an int32_t */
    NNCF__KEY_WORD,
    /* a text or texts -> nncf__strings */
    NNCF__KEY_SCOPES,
    /* const double * and, at count_offset, size_t */
    NNCF__KEY_NUMBERS,
    /* any text; no field */
    NNCF__KEY_TEXT,
    /* an object, or an array of them, whose keys are entries "section.key" of a nncf__range_rule */
    NNCF__KEY_RANGES,
    /* scope_overrides */
    NNCF__KEY_OVERRIDES,
    /* [[bits, scope], ...] */
    NNCF__KEY_BITWIDTHS,
    /* scopes whose activations are signed */
    NNCF__KEY_SIGNS,
    /* an array whose elements are a text or an array of texts: const nncf__strings * and, at
     * count_offset, size_t */
    NNCF__KEY_LISTS,
    /* any value: it belongs to an algorithm that is not supported yet */
    NNCF__KEY_ANY
};

enum {
    /* min itself is not allowed */
    NNCF__KEY_OPEN_MIN = 1,
    /* max itself is not allowed */
    NNCF__KEY_OPEN_MAX = 2,
    /* also sets the field at offset_2; keys that set one of them directly win */
    NNCF__KEY_FAN_OUT = 4,
    /* when the key is absent the field keeps `fallback`, and a dump leaves the key out */
    NNCF__KEY_NO_DEFAULT = 8,
    /* an empty list is an error */
    NNCF__KEY_NOT_EMPTY = 16,
    /* a dump shows it as the file has it, if the file has it */
    NNCF__KEY_AS_WRITTEN = 32,
    /* how NNCF 1.0 to 1.2 write the one range rule */
    NNCF__KEY_RULE_OF_1_0 = 64,
    /* how later releases write the range rules */
    NNCF__KEY_RULES_OF_1_3 = 128,
    /* the field is one of nncf__range_rule */
    NNCF__KEY_RULE = 256,
    /* only the default is supported: `unsupported` applies to any other value */
    NNCF__KEY_DEFAULT_ONLY = 512
};

#define NNCF__NO_FIELD ((size_t)-1)

/* Releases as in nncf__config_setup; this is the last JSON dialect. */
enum { NNCF__RELEASE_LAST = 21700 };

typedef struct nncf__later_default {
    int32_t from;
    double value;
} nncf__later_default;

typedef struct nncf__key {
    /* within the algorithm: "params.power" */
    const char *path;
    /* 1 << nncf__algorithm_kind, or-ed */
    uint32_t algorithms;
    /* 1 << nncf__schedule_kind for which it matters; 0: all */
    uint32_t schedules;
    int32_t type, flags;
    /* releases that have it; to 0: 2.17 still has it */
    int32_t from, to;
    /* of numbers, and of each number in a list */
    double min, max;
    /* space separated */
    const char *words;
    /* releases of the words; NULL: all are as old as the key */
    const int32_t *words_from;
    int32_t first_code;
    int32_t codes[2];
    /* default; codes for words */
    double fallback;
    /* defaults of later releases, oldest first, ended by from 0; nullable */
    const nncf__later_default *later;
    const double *fallback_list;
    size_t fallback_count;
    /* in nncf__algorithm, or nncf__range_rule */
    size_t offset, offset_2, count_offset;
    /* of the field */
    size_t size;
    /* canonical path of the key that this is another name of; dumps use that one */
    const char *alias_of;
    /* where 2.17 has it, if not at `path`; "": nowhere */
    const char *latest;
    /* valid, but a controller is rejected: why */
    const char *unsupported;
    /* valid, but changes nothing here: why; logged */
    const char *no_effect;
    /* one line */
    const char *help;
} nncf__key;

enum { NNCF__MAX_KEYS = 192, NNCF__MAX_LIST = 4096 /* numbers, range rules */ };

/* The keys in the order of a dump: those of one section are adjacent. */
const nncf__key *nncf__config_keys(size_t *count);
/* The key with a canonical path for a kind of algorithm, or NULL. */
const nncf__key *nncf__config_key(int32_t kind, const char *path);
/* Default of a key in a release. */
double nncf__config_default(const nncf__key *key, int32_t release);

typedef struct nncf__algorithm_name {
    const char *name;
    /* nncf__algorithm_kind */
    int32_t kind;
    int32_t from, to;
    /* false: the config loads, but a controller is rejected */
    bool is_supported;
} nncf__algorithm_name;
const nncf__algorithm_name *nncf__config_algorithm_names(size_t *count);

/* NNCF's keys at the root. Everything else there is the training program's. */
enum nncf__root_kind {
    /* evidence for the release only */
    NNCF__ROOT_OTHER,
    NNCF__ROOT_DIALECT,
    NNCF__ROOT_DEVICE,
    NNCF__ROOT_SETUP,
    NNCF__ROOT_SCOPES,
    NNCF__ROOT_MULTIPLIER
};
typedef struct nncf__root_key {
    const char *key;
    /* nncf__root_kind */
    int32_t kind;
    int32_t from, to;
    /* that are allowed; NULL: anything */
    const char *words;
    const char *help;
    /* as in nncf__key */
    const char *no_effect, *unsupported;
} nncf__root_key;
const nncf__root_key *nncf__config_root_keys(size_t *count);

/* Word number `index` of a space separated list; false past the end. */
bool nncf__config_word(const char *words, size_t index, char *out, size_t capacity);
/* Which of the words a text is; -1: none. */
int32_t nncf__config_word_index(const char *words, const char *text);

#endif
