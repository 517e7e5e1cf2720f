/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the table of keys says, for people and for editors:
 *   config_doc doc FILE    docs/config.md with the part between its two markers made anew
 *   config_doc schema      the JSON Schema (draft 7)
 * To stdout. A test compares both with what is in the tree.
 */
#include "base/strings.h"
#include "config/canonical.h"
#include "config/read/messages.h"
#include "config/schema/keys.h"
#include "config/schema/release.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIT(kind) (1u << (kind))
static const uint32_t sparsity =
    BIT(NNCF__RB_SPARSITY) | BIT(NNCF__MAGNITUDE_SPARSITY) | BIT(NNCF__CONST_SPARSITY);
static const uint32_t quantizing = BIT(NNCF__QUANTIZATION) | BIT(NNCF__BINARIZATION);
static const uint32_t pruning = BIT(NNCF__FILTER_PRUNING);
static const uint32_t distillation = BIT(NNCF__DISTILLATION);
static const uint32_t accuracy = BIT(NNCF__ACCURACY_AWARE);

static const nncf__key *keys;
static size_t n_keys;

static const char *name_of(int32_t kind)
{
    static const char *const names[] = {"", "rb_sparsity", "magnitude_sparsity", "const_sparsity",
        "quantization", "filter_pruning", "binarization", "knowledge_distillation",
        "accuracy_aware_training"};
    return names[kind];
}

static void put_releases(int32_t from, int32_t to)
{
    char first[NNCF__RELEASE_TEXT], last[NNCF__RELEASE_TEXT];
    nncf__config_release_text(from, first);
    nncf__config_release_text(to, last);
    if (to == 0)
        printf("%s+", first);
    else if (strcmp(first, last) == 0)
        printf("%s", first);
    else
        printf("%s to %s", first, last);
}

/* ---- for people ---- */

static void put_default_value(const nncf__key *key, double value)
{
    char text[NNCF__DOUBLE_TEXT], word[64] = "";
    switch (key->type) {
    case NNCF__KEY_FLAG:
        printf("%s", value < 0 ? "none" : value > 0 ? "true" : "false");
        break;
    case NNCF__KEY_CODED_FLAG:
        printf("none");
        break;
    case NNCF__KEY_WORD:
        if ((key->flags & NNCF__KEY_NO_DEFAULT) ||
            !nncf__config_word(key->words, (size_t)(value - key->first_code), word, sizeof(word)))
            printf("none");
        else
            printf("%s", word);
        break;
    default:
        printf("%s", value < 0 ? "none" : nncf__format_double(value, text));
        break;
    }
}

static void put_default(const nncf__key *key)
{
    char text[NNCF__RELEASE_TEXT], number[NNCF__DOUBLE_TEXT];
    if (key->type == NNCF__KEY_NUMBERS && key->fallback_list) {
        printf("[");
        for (size_t i = 0; i < key->fallback_count; i++)
            printf("%s%s", i > 0 ? ", " : "", nncf__format_double(key->fallback_list[i], number));
        printf("]");
        return;
    }
    if (key->alias_of || key->offset == NNCF__NO_FIELD || key->type == NNCF__KEY_SCOPES ||
        key->type == NNCF__KEY_NUMBERS || key->type == NNCF__KEY_LISTS ||
        (key->flags & NNCF__KEY_FAN_OUT))
        return;
    put_default_value(key, key->fallback);
    for (const nncf__later_default *later = key->later; later && later->from; later++) {
        printf("; %s: ", nncf__config_release_text(later->from, text));
        put_default_value(key, later->value);
    }
}

static void put_cell(const char *text)
{
    for (; *text; text++)
        printf(*text == '|' ? "\\|" : "%c", *text);
}

static void put_meaning(const nncf__key *key)
{
    if (key->alias_of)
        printf("as `%s`", key->alias_of);
    else
        put_cell(key->help ? key->help : "");
    if (key->unsupported)
        printf(". **Not yet**: %s", key->unsupported);
    if (key->no_effect)
        printf(". No effect here: %s", key->no_effect);
    if (key->latest && *key->latest)
        printf(". In 2.17 `%s`", key->latest);
    else if (key->latest)
        printf(". Not in 2.17");
}

/* Which of a group's algorithms have the row, if not all. */
static void put_algorithms(const nncf__key *key, uint32_t group)
{
    bool first = true;
    for (int32_t kind = NNCF__RB_SPARSITY; kind <= NNCF__BINARIZATION; kind++) {
        if (!(key->algorithms & group & BIT(kind)) || (key->algorithms & group) == group)
            continue;
        printf("%s%s", first ? "" : ", ", name_of(kind));
        first = false;
    }
}

static void put_row(const nncf__key *key, uint32_t group)
{
    char allowed[NNCF__EXPLAIN_TEXT];
    printf("| `%s` | ", key->path);
    put_algorithms(key, group);
    printf(" | ");
    put_releases(key->from, key->to);
    printf(" | ");
    put_default(key);
    printf(" | ");
    if (key->type == NNCF__KEY_ANY || key->type == NNCF__KEY_ALGORITHM)
        printf("any");
    else
        put_cell(nncf__explain_allowed(key, allowed));
    printf(" | ");
    put_meaning(key);
    printf(" |\n");
}

static bool is_common(const nncf__key *key)
{
    return (key->algorithms & pruning && key->algorithms & sparsity) ||
        strncmp(key->path, "initializer.batchnorm_adaptation", 32) == 0;
}

static void put_group(const char *title, uint32_t group, bool common)
{
    printf("\n### %s\n| key | only for | NNCF | default | allowed | meaning "
           "|\n|---|---|---|---|---|---|\n",
        title);
    for (size_t i = 0; i < n_keys; i++) {
        bool is_repeated = false; /* a row of each `initializer` */
        for (size_t j = 0; j < i; j++)
            is_repeated |= common && strcmp(keys[j].path, keys[i].path) == 0;
        if ((keys[i].algorithms & group) && is_common(&keys[i]) == common && !is_repeated)
            put_row(&keys[i], common ? 0 : group);
    }
}

static void put_keys(void)
{
    size_t count;
    const nncf__root_key *root = nncf__config_root_keys(&count);
    printf("\n### At the root\n| key | NNCF | allowed | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < count; i++) {
        printf("| `%s` | ", root[i].key);
        if (root[i].kind == NNCF__ROOT_SCOPES)
            printf("1.3+");
        else if (root[i].from)
            put_releases(root[i].from, root[i].to);
        printf(" | %s | %s%s%s |\n", root[i].words ? root[i].words : "", root[i].help,
            root[i].no_effect ? ". No effect here: " : "",
            root[i].no_effect ? root[i].no_effect : "");
    }
    put_group("Every algorithm", sparsity | quantizing | pruning, true);
    put_group("rb_sparsity, magnitude_sparsity, const_sparsity", sparsity, false);
    put_group("quantization, binarization", quantizing, false);
    put_group("filter_pruning", pruning, false);
    put_group("knowledge_distillation", distillation, false);
    put_group("accuracy_aware_training", accuracy, false);
    const nncf__algorithm_name *names = nncf__config_algorithm_names(&count);
    printf("\n### Algorithms\n| algorithm | NNCF | here |\n|---|---|---|\n");
    for (size_t i = 0; i < count; i++) {
        printf("| %s | ", names[i].name);
        put_releases(names[i].from, names[i].to);
        printf(" | %s |\n",
            names[i].is_supported ? "yes"
                : names[i].kind == NNCF__OTHER_ALGORITHM
                ? "loads unchecked; no controller yet"
                : "loads and is checked; no controller yet");
    }
    printf("\n");
}

static int put_doc(const char *path)
{
    static const char begin[] = "<!-- generated: begin -->\n", end[] = "<!-- generated: end -->\n";
    static char text[1 << 20];
    FILE *file = fopen(path, "r");
    if (!file)
        return 1;
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[size] = '\0';
    const char *first = strstr(text, begin), *last = strstr(text, end);
    if (!first || !last)
        return 1;
    printf("%.*s", (int)(first - text + (ptrdiff_t)strlen(begin)), text);
    put_keys();
    printf("%s", last);
    return 0;
}

/* ---- for editors ---- */

static int depth;

static void put_line(bool first)
{
    printf("%s\n%*s", first ? "" : ",", depth * 2, "");
}

static void put_text(const char *text)
{
    putchar('"');
    for (; *text; text++)
        printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    putchar('"');
}

static void put_words(const char *words)
{
    char word[64];
    printf("\"enum\": [");
    for (size_t i = 0; nncf__config_word(words, i, word, sizeof(word)); i++) {
        printf("%s", i > 0 ? ", " : "");
        put_text(word);
    }
    printf("]");
}

static void put_bounds(const nncf__key *key)
{
    char number[NNCF__DOUBLE_TEXT];
    printf(", \"%s\": %s", key->flags & NNCF__KEY_OPEN_MIN ? "exclusiveMinimum" : "minimum",
        nncf__format_double(key->min, number));
    if (!isinf(key->max))
        printf(", \"%s\": %s", key->flags & NNCF__KEY_OPEN_MAX ? "exclusiveMaximum" : "maximum",
            nncf__format_double(key->max, number));
}

static void put_type(int32_t kind, const nncf__key *key);

/* {"type": "object", "properties": {...}} of the rows of a section. */
static void put_object(int32_t kind, const char *section)
{
    size_t length = strlen(section);
    bool first = true;
    printf("{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {");
    depth++;
    for (size_t i = 0; i < n_keys; i++) {
        const nncf__key *key = &keys[i];
        if (!(key->algorithms & BIT(kind)) || strncmp(key->path, section, length) != 0)
            continue;
        const char *name = key->path + length;
        if (length > 0 && *name++ != '.')
            continue;
        if (strchr(name, '.'))
            continue;
        put_line(first);
        first = false;
        put_text(name);
        printf(": ");
        put_type(kind, key);
    }
    depth--;
    printf("}}");
}

static void put_description(const nncf__key *key)
{
    char text[512], from[NNCF__RELEASE_TEXT], to[NNCF__RELEASE_TEXT];
    snprintf(text, sizeof(text), "%s%s (NNCF %s%s%s)", key->alias_of ? "the same as " : "",
        key->alias_of   ? key->alias_of
            : key->help ? key->help
                        : "",
        nncf__config_release_text(key->from, from), key->to ? " to " : " and later",
        key->to ? nncf__config_release_text(key->to, to) : "");
    printf("\"description\": ");
    put_text(text);
}

static void put_type(int32_t kind, const nncf__key *key)
{
    static const char scopes[] =
        "\"anyOf\": [{\"type\": \"string\", \"minLength\": 1}, {\"type\": \"array\", "
        "\"items\": {\"type\": \"string\", \"minLength\": 1}%s}]";
    switch (key->type) {
    case NNCF__KEY_SECTION:
        put_object(kind, key->path);
        return;
    case NNCF__KEY_RANGES:
        printf("{\"anyOf\": [");
        put_object(kind, key->path);
        printf(", {\"type\": \"array\", \"items\": ");
        put_object(kind, key->path);
        printf("}]}");
        return;
    default:
        break;
    }
    printf("{");
    put_description(key);
    if (key->type != NNCF__KEY_ANY)
        printf(", ");
    switch (key->type) {
    case NNCF__KEY_ALGORITHM:
        printf("\"const\": \"%s\"", name_of(kind));
        break;
    case NNCF__KEY_NUMBER:
    case NNCF__KEY_INTEGER:
        printf("\"type\": \"%s\"", key->type == NNCF__KEY_NUMBER ? "number" : "integer");
        put_bounds(key);
        break;
    case NNCF__KEY_FLAG:
    case NNCF__KEY_CODED_FLAG:
        printf("\"type\": \"boolean\"");
        break;
    case NNCF__KEY_WORD:
        put_words(key->words);
        break;
    case NNCF__KEY_SCOPES:
    case NNCF__KEY_SIGNS:
        printf(scopes, key->flags & NNCF__KEY_NOT_EMPTY ? ", \"minItems\": 1" : "");
        break;
    case NNCF__KEY_NUMBERS:
        printf("\"type\": \"array\"%s, \"items\": {\"type\": \"number\"",
            key->flags & NNCF__KEY_NOT_EMPTY ? ", \"minItems\": 1" : "");
        put_bounds(key);
        printf("}");
        break;
    case NNCF__KEY_TEXT:
        printf("\"type\": \"string\"");
        break;
    case NNCF__KEY_OVERRIDES:
        printf("\"type\": \"object\", \"additionalProperties\": {\"type\": \"object\"}");
        break;
    case NNCF__KEY_BITWIDTHS:
        printf("\"type\": \"array\", \"items\": {\"type\": \"array\", \"minItems\": 2, "
               "\"maxItems\": 2, \"items\": "
               "[{\"type\": \"integer\", \"minimum\": 2, \"maximum\": 8}, {\"type\": \"string\", "
               "\"minLength\": 1}]}");
        break;
    case NNCF__KEY_LISTS:
        printf("\"type\": \"array\", \"items\": {\"anyOf\": [{\"type\": \"string\"}, {\"type\": "
               "\"array\", \"minItems\": "
               "1, \"items\": {\"type\": \"string\"}}]}");
        break;
    default:
        break;
    }
    printf("}");
}

static void put_algorithm_names(void)
{
    size_t count;
    const nncf__algorithm_name *names = nncf__config_algorithm_names(&count);
    for (size_t i = 0; i < count; i++)
        printf("%s\"%s\"", i > 0 ? ", " : "", names[i].name);
}

static void put_entry(void)
{
    size_t count;
    const nncf__algorithm_name *names = nncf__config_algorithm_names(&count);
    printf("{\"type\": \"object\", \"required\": [\"algorithm\"], \"properties\": {\"algorithm\": "
           "{\"enum\": [");
    put_algorithm_names();
    printf("]}}, \"allOf\": [");
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (names[i].kind == NNCF__OTHER_ALGORITHM)
            continue;
        put_line(first);
        first = false;
        printf(
            "{\"if\": {\"properties\": {\"algorithm\": {\"const\": \"%s\"}}}, \"then\": {\"$ref\": "
            "\"#/definitions/%s\"}}",
            names[i].name, names[i].name);
    }
    printf("]}");
}

static void put_root_properties(void)
{
    size_t count;
    const nncf__root_key *root = nncf__config_root_keys(&count);
    for (size_t i = 0; i < count; i++) {
        put_line(i == 0);
        put_text(root[i].key);
        if (strcmp(root[i].key, name_of(NNCF__ACCURACY_AWARE)) == 0) {
            printf(": {\"$ref\": \"#/definitions/%s\"}", root[i].key);
            continue;
        }
        printf(": {\"description\": ");
        put_text(root[i].help);
        if (root[i].words) {
            printf(", ");
            put_words(root[i].words);
        } else if (root[i].kind == NNCF__ROOT_DIALECT) {
            printf(", \"type\": \"string\"");
        } else if (root[i].kind == NNCF__ROOT_MULTIPLIER) {
            printf(", \"type\": \"number\", \"minimum\": 0");
        } else if (root[i].kind == NNCF__ROOT_SCOPES) {
            printf(", \"type\": [\"string\", \"array\"]");
        }
        printf("}");
    }
    put_line(false);
    printf("\"algorithm\": {\"description\": \"of the training program; NNCF's belongs into "
           "compression\", \"not\": "
           "{\"enum\": [");
    put_algorithm_names();
    printf("]}}");
}

static int put_schema(void)
{
    depth = 1;
    printf("{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n  \"title\": \"NNCF "
           "config\",\n"
           "  \"description\": \"Configs of NNCF 1.0 to 2.17 as libnncf reads them. Made by "
           "tests/tools/config_doc.c.\",\n"
           "  \"type\": \"object\",\n  \"properties\": {");
    depth++;
    put_root_properties();
    put_line(false);
    printf("\"compression\": {\"anyOf\": [{\"type\": \"array\", \"items\": {\"$ref\": "
           "\"#/definitions/entry\"}}, "
           "{\"type\": \"object\", \"maxProperties\": 0}, {\"$ref\": \"#/definitions/entry\"}]}\n  "
           "},\n"
           "  \"definitions\": {");
    put_line(true);
    printf("\"entry\": ");
    depth++;
    put_entry();
    for (int32_t kind = NNCF__RB_SPARSITY; kind < NNCF__OTHER_ALGORITHM; kind++) {
        depth--;
        put_line(false);
        printf("\"%s\": ", name_of(kind));
        depth++;
        put_object(kind, "");
    }
    printf("\n  }\n}\n");
    return 0;
}

int main(int argc, char **argv)
{
    keys = nncf__config_keys(&n_keys);
    if (argc == 3 && strcmp(argv[1], "doc") == 0)
        return put_doc(argv[2]);
    if (argc == 2 && strcmp(argv[1], "schema") == 0)
        return put_schema();
    fprintf(stderr, "usage: config_doc doc FILE | schema\n");
    return 2;
}
