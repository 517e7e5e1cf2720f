/* SPDX-License-Identifier: Apache-2.0 */
/* `compression` -> canonical form, key by key through the table, in file order. */
#include "config/document.h"
#include "config/keys.h"

#include <stdio.h>
#include <string.h>

nncf_status nncf__reader_fail(const nncf__reader *r, nncf_status status, uint32_t node, bool at_key, const char *format,
                              ...)
{
    const nncf__document *d = &r->config->document;
    char path[NNCF__PATH_TEXT], message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    nncf__config_node_path(d, node, path);
    nncf__place place = nncf__config_place(d, at_key ? d->nodes[node].key_offset : d->nodes[node].offset);
    return nncf__fail_at(r->err, status, &place, path, "%s: %s", path, message);
}

static nncf_status no_memory(const nncf__reader *r)
{
    return nncf__fail(r->err, NNCF_E_NOMEM, r->config->document.name, "out of memory");
}

static nncf_status wrong_value(const nncf__reader *r, const nncf__key *key, uint32_t node)
{
    const nncf__document *d = &r->config->document;
    char value[NNCF__EXPLAIN_TEXT], allowed[NNCF__EXPLAIN_TEXT], hint[NNCF__EXPLAIN_TEXT] = "";
    if (key->type == NNCF__KEY_WORD && d->nodes[node].type == NNCF_CONFIG_STRING) {
        nncf__nearest n = {.wanted = d->nodes[node].text};
        char word[64];
        for (size_t i = 0; nncf__config_word(key->words, i, word, sizeof(word)); i++)
            nncf__nearest_consider(&n, word);
        nncf__explain_nearest(hint, &n);
    }
    return nncf__reader_fail(r, NNCF_E_CONFIG, node, false, "found %s; allowed: %s%s",
                             nncf__explain_value(d, node, value), nncf__explain_allowed(key, allowed), hint);
}

/* ---- which row a key is ---- */

static uint32_t kind_bit(const nncf__reader *r)
{
    return 1u << r->algorithm->kind;
}

/* Does "section.key" (or "key") equal a row's path? */
static bool path_equals(const char *path, const char *section, const char *key)
{
    size_t length = strlen(section);
    if (length > 0) {
        if (strncmp(path, section, length) != 0 || path[length] != '.')
            return false;
        path += length + 1;
    }
    return strcmp(path, key) == 0 && !strchr(key, '.');
}

static const nncf__key *find_row(const nncf__reader *r, const char *section, const char *key)
{
    size_t count;
    const nncf__key *rows = nncf__config_keys(&count);
    for (size_t i = 0; i < count; i++)
        if ((rows[i].algorithms & kind_bit(r)) && path_equals(rows[i].path, section, key))
            return &rows[i];
    return NULL;
}

/* The part of a row's path behind its section, when the row stands in that section itself. */
static const char *name_in_section(const nncf__key *row, const char *section)
{
    size_t length = strlen(section);
    const char *name = row->path;
    if (length > 0) {
        if (strncmp(name, section, length) != 0 || name[length] != '.')
            return NULL;
        name += length + 1;
    }
    return strchr(name, '.') ? NULL : name;
}

static nncf_status unknown_key(const nncf__reader *r, const char *section, uint32_t node)
{
    const char *key = r->config->document.nodes[node].key;
    char hint[NNCF__EXPLAIN_TEXT] = "", allowed[NNCF__EXPLAIN_TEXT] = "";
    size_t count;
    const nncf__key *rows = nncf__config_keys(&count);
    const nncf__key *elsewhere = NULL, *others = NULL;
    nncf__nearest n = {.wanted = key};
    for (size_t i = 0; i < count; i++) {
        if (rows[i].refused)
            continue;
        const char *last = strrchr(rows[i].path, '.');
        last = last ? last + 1 : rows[i].path;
        if (!(rows[i].algorithms & kind_bit(r))) {
            if (path_equals(rows[i].path, section, key))
                others = &rows[i];
            continue;
        }
        const char *name = name_in_section(&rows[i], section);
        if (name) {
            nncf__nearest_consider(&n, name);
            if (!rows[i].another && !(rows[i].flags & NNCF__KEY_ONLY_DEFAULT))
                nncf__explain(allowed, "%s%s", allowed[0] ? ", " : "", name);
        } else if (strcmp(last, key) == 0 && !elsewhere) {
            elsewhere = &rows[i];
        }
    }
    if (elsewhere) {
        const char *last = strrchr(elsewhere->path, '.');
        if (last)
            nncf__explain(hint, "; it belongs into \"%.*s\"", (int)(last - elsewhere->path), elsewhere->path);
        else
            nncf__explain(hint, "; it belongs beside \"algorithm\"");
    } else if (others) {
        nncf__explain(hint, "; it is not a key of %s", r->algorithm->name);
    } else {
        nncf__explain_nearest(hint, &n);
    }
    return nncf__reader_fail(r, NNCF_E_CONFIG, node, true, "unknown key%s%s Allowed here: %s", hint,
                             hint[0] && hint[strlen(hint) - 1] == '?' ? "" : ".", allowed[0] ? allowed : "nothing");
}

/* ---- values ---- */

static void *field(const nncf__reader *r, size_t offset)
{
    return (char *)r->algorithm + offset;
}

static bool in_range(const nncf__key *key, double value)
{
    if (value < key->min || (value == key->min && (key->flags & NNCF__KEY_OPEN_MIN)))
        return false;
    return value < key->max || (value == key->max && !(key->flags & NNCF__KEY_OPEN_MAX));
}

static bool is_number(const nncf__node *node)
{
    return node->type == NNCF_CONFIG_INT || (node->type == NNCF_CONFIG_DOUBLE && !node->big);
}

uint32_t nncf__reader_given(const nncf__reader *r, size_t offset)
{
    size_t count;
    const nncf__key *rows = nncf__config_keys(&count);
    for (size_t i = 0; i < count; i++)
        if (r->given[i] && !(rows[i].flags & NNCF__KEY_SPREAD) && rows[i].offset == offset)
            return r->given[i];
    return 0;
}

static void store_int(void *to, size_t size, int64_t value)
{
    int32_t narrow = (int32_t)value;
    if (size == sizeof(narrow))
        memcpy(to, &narrow, sizeof(narrow));
    else
        memcpy(to, &value, sizeof(value));
}

/* A key that sets a group's field directly wins over one that is spread from the algorithm's level, whichever comes
 * first. */
static void store_code(const nncf__reader *r, const nncf__key *key, int64_t code)
{
    if (!(key->flags & NNCF__KEY_SPREAD)) {
        store_int(field(r, key->offset), key->size, code);
        return;
    }
    if (nncf__reader_given(r, key->offset) == 0)
        store_int(field(r, key->offset), key->size, code);
    if (nncf__reader_given(r, key->offset_2) == 0)
        store_int(field(r, key->offset_2), key->size, code);
}

static nncf_status read_word(const nncf__reader *r, const nncf__key *key, uint32_t index)
{
    const nncf__node *node = &r->config->document.nodes[index];
    char word[64], allowed[NNCF__EXPLAIN_TEXT];
    if (node->type != NNCF_CONFIG_STRING)
        return wrong_value(r, key, index);
    for (size_t i = 0; nncf__config_word(key->words, i, word, sizeof(word)); i++) {
        if (strcmp(word, node->text) == 0) {
            store_code(r, key, key->first_code + (int64_t)i);
            return NNCF_OK;
        }
    }
    for (size_t i = 0; nncf__config_word(key->later_words, i, word, sizeof(word)); i++)
        if (strcmp(word, node->text) == 0)
            return nncf__reader_fail(r, NNCF_E_UNSUPPORTED, index, false,
                                     "\"%s\" is valid in NNCF 1.2 and later; this release has %s", word,
                                     nncf__explain_allowed(key, allowed));
    return wrong_value(r, key, index);
}

static nncf_status read_scopes(const nncf__reader *r, const nncf__key *key, uint32_t index)
{
    const nncf__document *d = &r->config->document;
    const nncf__node *node = &d->nodes[index];
    bool single = node->type == NNCF_CONFIG_STRING;
    if (!single && node->type != NNCF_CONFIG_ARRAY)
        return wrong_value(r, key, index);
    size_t count = single ? 1 : node->count;
    if (key->flags & NNCF__KEY_ONLY_DEFAULT) {
        if (count == 0)
            return NNCF_OK;
        return nncf__reader_fail(r, NNCF_E_UNSUPPORTED, index, false,
                                 "valid in NNCF %s, but this release takes an empty array only: %s", key->since,
                                 key->help);
    }
    if (count == 0 && (key->flags & NNCF__KEY_NOT_EMPTY))
        return nncf__reader_fail(r, NNCF_E_CONFIG, index, false,
                                 "an empty array selects no layer at all; leave the key out to select every layer");
    const char **items = nncf__config_keep(r->config, (count > 0 ? count : 1) * sizeof(*items));
    if (!items)
        return no_memory(r);
    uint32_t child = single ? index : node->first_child;
    for (size_t i = 0; i < count; i++, child = d->nodes[child].next) {
        if (d->nodes[child].type != NNCF_CONFIG_STRING)
            return wrong_value(r, key, child);
        const char *scope = d->nodes[child].text;
        if (scope[0] == '\0')
            return nncf__reader_fail(r, NNCF_E_CONFIG, child, false, "an empty scope matches no layer; remove it");
        if (strncmp(scope, "{re}", 4) == 0)
            return nncf__reader_fail(r, NNCF_E_UNSUPPORTED, child, false,
                                     "regular expressions ({re}) came with NNCF 1.2; this release matches scopes as "
                                     "NNCF 1.0 and 1.1 do: write the first elements of the scope, or a class name");
        items[i] = scope;
    }
    nncf__strings *strings = field(r, key->offset);
    strings->items = items;
    strings->count = count;
    return NNCF_OK;
}

static nncf_status read_numbers(const nncf__reader *r, const nncf__key *key, uint32_t index)
{
    enum { LONGEST = 4096 };
    const nncf__document *d = &r->config->document;
    const nncf__node *node = &d->nodes[index];
    if (node->type != NNCF_CONFIG_ARRAY || (node->count == 0 && (key->flags & NNCF__KEY_NOT_EMPTY)))
        return wrong_value(r, key, index);
    if (node->count > LONGEST)
        return nncf__reader_fail(r, NNCF_E_LIMIT, index, false, "found %u numbers; at most %d are allowed",
                                 (unsigned)node->count, LONGEST);
    double *values = nncf__config_keep(r->config, (node->count > 0 ? node->count : 1) * sizeof(*values));
    if (!values)
        return no_memory(r);
    size_t i = 0;
    for (uint32_t child = node->first_child; child != 0; child = d->nodes[child].next) {
        if (!is_number(&d->nodes[child]) || !in_range(key, d->nodes[child].number)) {
            nncf__key element = *key;
            element.type = NNCF__KEY_NUMBER;
            return wrong_value(r, &element, child);
        }
        values[i++] = d->nodes[child].number;
    }
    memcpy(field(r, key->offset), &(const double *){values}, sizeof(const double *));
    memcpy(field(r, key->count_offset), &i, sizeof(i));
    return NNCF_OK;
}

static nncf_status read_flag(const nncf__reader *r, const nncf__key *key, uint32_t index)
{
    const nncf__node *node = &r->config->document.nodes[index];
    if (node->type != NNCF_CONFIG_BOOL)
        return wrong_value(r, key, index);
    bool value = node->integer != 0;
    if (key->type == NNCF__KEY_CODED_FLAG) {
        store_code(r, key, key->codes[value]);
    } else if (!(key->flags & NNCF__KEY_ONLY_DEFAULT)) {
        store_code(r, key, value);
    } else if (value != (key->fallback != 0)) {
        return nncf__reader_fail(r, NNCF_E_UNSUPPORTED, index, false,
                                 "valid in NNCF %s, but this release has %s only: %s", key->since,
                                 value ? "false" : "true", key->help);
    }
    return NNCF_OK;
}

static nncf_status read_members(nncf__reader *r, const char *section, uint32_t object);

static nncf_status read_value(nncf__reader *r, const nncf__key *key, uint32_t index)
{
    const nncf__node *node = &r->config->document.nodes[index];
    switch (key->type) {
    case NNCF__KEY_ALGORITHM:
        return NNCF_OK;
    case NNCF__KEY_SECTION:
        if (node->type != NNCF_CONFIG_OBJECT)
            return wrong_value(r, key, index);
        return read_members(r, key->path, index);
    case NNCF__KEY_NUMBER:
        if (!is_number(node) || !in_range(key, node->number))
            return wrong_value(r, key, index);
        memcpy(field(r, key->offset), &node->number, sizeof(double));
        return NNCF_OK;
    case NNCF__KEY_INTEGER:
        if (node->type != NNCF_CONFIG_INT || !in_range(key, node->number))
            return wrong_value(r, key, index);
        store_code(r, key, node->integer);
        return NNCF_OK;
    case NNCF__KEY_FLAG:
    case NNCF__KEY_CODED_FLAG:
        return read_flag(r, key, index);
    case NNCF__KEY_WORD:
        return read_word(r, key, index);
    case NNCF__KEY_SCOPES:
        return read_scopes(r, key, index);
    default:
        return read_numbers(r, key, index);
    }
}

static nncf_status read_members(nncf__reader *r, const char *section, uint32_t object)
{
    const nncf__document *d = &r->config->document;
    size_t count;
    const nncf__key *rows = nncf__config_keys(&count);
    for (uint32_t child = d->nodes[object].first_child; child != 0; child = d->nodes[child].next) {
        const nncf__key *key = find_row(r, section, d->nodes[child].key);
        if (!key)
            return unknown_key(r, section, child);
        if (key->refused)
            return nncf__reader_fail(r, NNCF_E_UNSUPPORTED, child, true,
                                     "a key of NNCF %s and later; this release reads NNCF 1.0 and 1.1 configs%s%s",
                                     key->since, key->refused[0] ? ": " : "", key->refused);
        bool has_field = key->offset != NNCF__NO_FIELD && !(key->flags & NNCF__KEY_SPREAD);
        uint32_t twin = has_field ? nncf__reader_given(r, key->offset) : 0;
        if (twin) {
            char path[NNCF__PATH_TEXT];
            return nncf__reader_fail(r, NNCF_E_CONFIG, child, true, "says the same as %s; keep one of the two",
                                     nncf__config_node_path(d, twin, path));
        }
        r->given[key - rows] = child;
        nncf_status status = read_value(r, key, child);
        if (status != NNCF_OK)
            return status;
    }
    return NNCF_OK;
}

/* ---- algorithms ---- */

static void set_defaults(const nncf__reader *r)
{
    size_t count;
    const nncf__key *rows = nncf__config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        const nncf__key *key = &rows[i];
        if (!(key->algorithms & kind_bit(r)) || key->offset == NNCF__NO_FIELD || key->another ||
            (key->flags & NNCF__KEY_SPREAD))
            continue;
        if (key->type == NNCF__KEY_NUMBER) {
            memcpy(field(r, key->offset), &key->fallback, sizeof(double));
        } else if (key->type == NNCF__KEY_NUMBERS) {
            memcpy(field(r, key->offset), &key->fallback_list, sizeof(const double *));
            memcpy(field(r, key->count_offset), &key->fallback_count, sizeof(size_t));
        } else if (key->type != NNCF__KEY_SCOPES) {
            store_int(field(r, key->offset), key->size, (int64_t)key->fallback);
        }
    }
}

static nncf_status read_name(const nncf__reader *r, uint32_t index, const nncf__algorithm_name **out)
{
    const nncf__node *node = &r->config->document.nodes[index];
    char value[NNCF__EXPLAIN_TEXT], allowed[NNCF__EXPLAIN_TEXT] = "", hint[NNCF__EXPLAIN_TEXT] = "";
    size_t count;
    const nncf__algorithm_name *names = nncf__config_algorithm_names(&count);
    nncf__nearest n = {.wanted = node->type == NNCF_CONFIG_STRING ? node->text : ""};
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i].name, n.wanted) == 0) {
            if (names[i].kind == 0)
                return nncf__reader_fail(r, NNCF_E_UNSUPPORTED, index, false,
                                         "\"%s\" is an algorithm of NNCF %s and later; %s", names[i].name,
                                         names[i].since, names[i].refused);
            *out = &names[i];
            return NNCF_OK;
        }
        if (names[i].kind != 0) {
            nncf__nearest_consider(&n, names[i].name);
            nncf__explain(allowed, "%s\"%s\"", allowed[0] ? ", " : "", names[i].name);
        }
    }
    nncf__explain_nearest(hint, &n);
    return nncf__reader_fail(r, NNCF_E_CONFIG, index, false, "found %s; allowed: %s%s",
                             nncf__explain_value(&r->config->document, index, value), allowed, hint);
}

static nncf_status check_combination(const nncf__reader *r, uint32_t index, const nncf__algorithm_name *name)
{
    for (size_t i = 0; i < r->config->n_algorithms; i++) {
        const nncf__algorithm *other = &r->config->algorithms[i];
        if (other->kind == name->kind)
            return nncf__reader_fail(r, NNCF_E_CONFIG, index, false, "\"%s\" stands here a second time; keep one",
                                     name->name);
        if (other->kind != NNCF__QUANTIZATION && name->kind != NNCF__QUANTIZATION)
            return nncf__reader_fail(r, NNCF_E_CONFIG, index, false,
                                     "\"%s\" cannot go together with \"%s\": both would mask the same weights; keep "
                                     "one sparsity algorithm",
                                     name->name, other->name);
    }
    return NNCF_OK;
}

static nncf_status read_algorithm(nncf_config *config, uint32_t node, nncf_error *err)
{
    const nncf__document *d = &config->document;
    nncf__algorithm *algorithm = &config->algorithms[config->n_algorithms];
    nncf__reader r = {.config = config, .err = err, .algorithm = algorithm, .node = node};
    char value[NNCF__EXPLAIN_TEXT];
    if (d->nodes[node].type != NNCF_CONFIG_OBJECT)
        return nncf__reader_fail(&r, NNCF_E_CONFIG, node, false,
                                 "found %s; an algorithm is an object: { \"algorithm\": ... }",
                                 nncf__explain_value(d, node, value));
    uint32_t name_node = nncf__config_find_key(d, node, "algorithm");
    if (!name_node)
        return nncf__reader_fail(&r, NNCF_E_CONFIG, node, false,
                                 "the key \"algorithm\" is missing; add it, for example \"algorithm\": "
                                 "\"rb_sparsity\"");
    const nncf__algorithm_name *name = NULL;
    nncf_status status = read_name(&r, name_node, &name);
    if (status == NNCF_OK)
        status = check_combination(&r, name_node, name);
    if (status != NNCF_OK)
        return status;
    algorithm->kind = name->kind;
    algorithm->name = name->name;
    set_defaults(&r);
    status = read_members(&r, "", node);
    if (status == NNCF_OK)
        status = nncf__config_check_rules(&r);
    if (status == NNCF_OK)
        config->n_algorithms++;
    return status;
}

static void warn_about_key(nncf_config *config, uint32_t node, const char *message, const char *detail)
{
    const nncf__document *d = &config->document;
    nncf__place place = nncf__config_place(d, d->nodes[node].key_offset);
    nncf__log(config->context, NNCF_LOG_WARNING, "%s:%d:%d: %s: %s%s", d->name, (int)place.line, (int)place.column,
              d->nodes[node].key, message, detail);
}

/* Keys at the root are the caller's, but some are misplaced NNCF keys, or `compression` with a slip of the pen: that
 * would silently be another training. */
static void warn_about_root(nncf_config *config)
{
    const nncf__document *d = &config->document;
    size_t count;
    const nncf__root_key *keys = nncf__config_root_keys(&count);
    for (uint32_t i = d->nodes[0].first_child; i != 0; i = d->nodes[i].next) {
        const char *key = d->nodes[i].key;
        for (size_t k = 0; k < count; k++)
            if (strcmp(key, keys[k].key) == 0)
                warn_about_key(config, i, "a key of later NNCF releases, which this release does not read; ",
                               keys[k].note);
        if (config->compression == 0 && nncf__edit_distance(key, "compression") <= 2)
            warn_about_key(config, i, "did you mean \"compression\"? As it stands nothing is compressed", "");
    }
}

nncf_status nncf__config_read(nncf_config *config, nncf_error *err)
{
    config->setup = (nncf__config_setup){.release = NNCF__RELEASE_SEED, .lr_multiplier = 1};
    const nncf__document *d = &config->document;
    config->compression = nncf__config_find_key(d, 0, "compression");
    warn_about_root(config);
    if (config->compression == 0)
        return NNCF_OK;
    const nncf__node *node = &d->nodes[config->compression];
    nncf__reader r = {.config = config, .err = err, .node = config->compression};
    char value[NNCF__EXPLAIN_TEXT];
    if (node->type != NNCF_CONFIG_ARRAY && node->type != NNCF_CONFIG_OBJECT)
        return nncf__reader_fail(&r, NNCF_E_CONFIG, config->compression, false,
                                 "found %s; allowed: an object { \"algorithm\": ... }, or an array of such objects",
                                 nncf__explain_value(d, config->compression, value));
    if (node->count == 0)
        return NNCF_OK;
    size_t count = node->type == NNCF_CONFIG_ARRAY ? node->count : 1;
    config->algorithms = nncf__config_keep(config, count * sizeof(nncf__algorithm));
    if (!config->algorithms)
        return no_memory(&r);
    if (node->type == NNCF_CONFIG_OBJECT)
        return read_algorithm(config, config->compression, err);
    for (uint32_t i = node->first_child; i != 0; i = d->nodes[i].next) {
        nncf_status status = read_algorithm(config, i, err);
        if (status != NNCF_OK)
            return status;
    }
    return NNCF_OK;
}
