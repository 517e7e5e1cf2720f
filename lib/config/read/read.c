/* SPDX-License-Identifier: Apache-2.0 */
/* `compression` -> canonical form, key by key through the table, in file order. */
#include "base/error.h"
#include "base/regex.h"
#include "config/config.h"
#include "config/json/document.h"
#include "config/schema/keys.h"

#include <nncf/base.h>
#include <nncf/config.h>
#include <nncf/context.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

nncf_status nncf__reader_fail(
    const nncf__reader *r, nncf_status status, uint32_t node, bool at_key, const char *format, ...)
{
    const nncf__document *d = &r->config->document;
    char path[NNCF__PATH_TEXT], message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    nncf__config_node_path(d, node, path);
    nncf__source_location place =
        nncf__config_location(d, at_key ? d->nodes[node].key_offset : d->nodes[node].offset);
    nncf_config *config = r->config;
    if (!config->report)
        return nncf__fail_at(r->err, status, &place, path, "%s: %s", path, message);
    nncf_error error = NNCF_ERROR_INIT;
    (void)nncf__fail_at(&error, status, &place, path, "%s: %s", path, message);
    if (config->n_reported++ == 0)
        (void)nncf__result_copy(r->err, &error, sizeof(error));
    config->report(config->report_user, &error);
    return status;
}

bool nncf__config_continue_after_error(
    const nncf_config *config, nncf_status status, nncf_status *first)
{
    enum { MOST = 64 };
    bool is_mistake = status == NNCF_E_CONFIG || status == NNCF_E_LIMIT;
    if (*first == NNCF_OK || (status != NNCF_OK && !is_mistake))
        *first = status;
    return status == NNCF_OK || (is_mistake && config->report && config->n_reported < MOST);
}

nncf_status nncf__reader_no_memory(const nncf__reader *r)
{
    return nncf__fail(r->err, NNCF_E_NOMEM, r->config->document.name, "out of memory");
}

nncf_status nncf__reader_wrong_value(const nncf__reader *r, const nncf__key *key, uint32_t node)
{
    const nncf__document *d = &r->config->document;
    char value[NNCF__EXPLAIN_TEXT], allowed[NNCF__EXPLAIN_TEXT], hint[NNCF__EXPLAIN_TEXT] = "";
    if (key->type == NNCF__KEY_WORD && d->nodes[node].type == NNCF_CONFIG_STRING) {
        nncf__nearest n = {.wanted = nncf__value_text(&d->nodes[node])};
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

static bool is_of_release(const nncf__reader *r, const nncf__key *key)
{
    int32_t release = r->config->setup.release;
    return key->from <= release && (key->to == 0 || release <= key->to) &&
        key->type != NNCF__KEY_ALGORITHM;
}

/* Messages are short: not every key has room. */
static void list_name(char out[NNCF__EXPLAIN_TEXT], const char *name)
{
    enum { LONGEST = 70 };
    size_t used = strlen(out);
    if (used > LONGEST && strcmp(out + used - 3, "...") != 0)
        nncf__explain(out, ", ...");
    else if (used <= LONGEST)
        nncf__explain(out, "%s%s", used > 0 ? ", " : "", name);
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
            if (is_of_release(r, &rows[i]))
                list_name(allowed, name);
        } else if (strcmp(last, key) == 0 && !elsewhere) {
            elsewhere = &rows[i];
        }
    }
    if (elsewhere) {
        const char *last = strrchr(elsewhere->path, '.');
        if (last)
            nncf__explain(
                hint, "; it belongs into \"%.*s\"", (int)(last - elsewhere->path), elsewhere->path);
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
    return (char *)r->base + offset;
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
        if (r->given[i] && !(rows[i].flags & NNCF__KEY_FAN_OUT) && rows[i].offset == offset)
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

/* Take note that `node` set the field of the row that has it of its own. */
static void note_via(const nncf__reader *r, size_t offset, uint32_t node)
{
    size_t count;
    const nncf__key *rows = nncf__config_keys(&count);
    for (size_t i = 0; i < count; i++)
        if ((rows[i].algorithms & kind_bit(r)) && rows[i].offset == offset && !rows[i].another &&
            !(rows[i].flags & (NNCF__KEY_FAN_OUT | NNCF__KEY_RULE)))
            r->source->via[i] = node;
}

/* A key that sets a group's field directly wins over one that is spread from the algorithm's level,
 * whichever comes first. */
static void store_code(const nncf__reader *r, const nncf__key *key, uint32_t node, int64_t code)
{
    if (key->offset == NNCF__NO_FIELD)
        return;
    if (!(key->flags & NNCF__KEY_FAN_OUT)) {
        store_int(field(r, key->offset), key->size, code);
        return;
    }
    const size_t offsets[] = {key->offset, key->offset_2};
    for (size_t i = 0; i < 2; i++) {
        if (nncf__reader_given(r, offsets[i]) != 0)
            continue;
        store_int(field(r, offsets[i]), key->size, code);
        note_via(r, offsets[i], node);
    }
}

static nncf_status read_word(const nncf__reader *r, const nncf__key *key, uint32_t index)
{
    const nncf__node *node = &r->config->document.nodes[index];
    const int32_t word = node->type == NNCF_CONFIG_STRING
        ? nncf__config_word_index(key->words, nncf__value_text(node))
        : -1;
    if (word < 0)
        return nncf__reader_wrong_value(r, key, index);
    store_code(r, key, index, key->first_code + word);
    return NNCF_OK;
}

static nncf_status read_numbers(const nncf__reader *r, const nncf__key *key, uint32_t index)
{
    const nncf__document *d = &r->config->document;
    const nncf__node *node = &d->nodes[index];
    if (node->type != NNCF_CONFIG_ARRAY || (node->count == 0 && (key->flags & NNCF__KEY_NOT_EMPTY)))
        return nncf__reader_wrong_value(r, key, index);
    if (node->count > NNCF__MAX_LIST)
        return nncf__reader_fail(r, NNCF_E_LIMIT, index, false,
            "found %u numbers; at most %d are allowed", (unsigned)node->count, NNCF__MAX_LIST);
    double *values =
        nncf__config_arena_alloc(r->config, (node->count > 0 ? node->count : 1) * sizeof(*values));
    if (!values)
        return nncf__reader_no_memory(r);
    size_t i = 0;
    for (uint32_t child = node->first_child; child != 0; child = d->nodes[child].next) {
        if (!is_number(&d->nodes[child]) || !in_range(key, nncf__value_number(&d->nodes[child]))) {
            nncf__key element = *key;
            element.type = NNCF__KEY_NUMBER;
            return nncf__reader_wrong_value(r, &element, child);
        }
        values[i++] = nncf__value_number(&d->nodes[child]);
    }
    if (key->offset == NNCF__NO_FIELD)
        return NNCF_OK;
    memcpy(field(r, key->offset), &(const double *){values}, sizeof(const double *));
    memcpy(field(r, key->count_offset), &i, sizeof(i));
    return NNCF_OK;
}

static nncf_status read_flag(const nncf__reader *r, const nncf__key *key, uint32_t index)
{
    const nncf__node *node = &r->config->document.nodes[index];
    if (node->type != NNCF_CONFIG_BOOL)
        return nncf__reader_wrong_value(r, key, index);
    bool value = nncf__value_flag(node);
    store_code(r, key, index, key->type == NNCF__KEY_CODED_FLAG ? key->codes[value] : value);
    return NNCF_OK;
}

static nncf_status read_scalar(const nncf__reader *r, const nncf__key *key, uint32_t index)
{
    const nncf__node *node = &r->config->document.nodes[index];
    bool is_right = key->type == NNCF__KEY_NUMBER ? is_number(node) : node->type == NNCF_CONFIG_INT;
    if (!is_right || !in_range(key, nncf__value_number(node)))
        return nncf__reader_wrong_value(r, key, index);
    if (key->type == NNCF__KEY_INTEGER)
        store_code(r, key, index, nncf__value_integer(node));
    else if (key->offset != NNCF__NO_FIELD)
        memcpy(field(r, key->offset), &(double){nncf__value_number(node)}, sizeof(double));
    return NNCF_OK;
}

static nncf_status read_value(nncf__reader *r, const nncf__key *key, uint32_t index)
{
    const nncf__node *node = &r->config->document.nodes[index];
    switch (key->type) {
    case NNCF__KEY_SECTION:
        if (node->type != NNCF_CONFIG_OBJECT)
            return nncf__reader_wrong_value(r, key, index);
        return nncf__reader_members(r, key->path, index);
    case NNCF__KEY_NUMBER:
    case NNCF__KEY_INTEGER:
        return read_scalar(r, key, index);
    case NNCF__KEY_FLAG:
    case NNCF__KEY_CODED_FLAG:
        return read_flag(r, key, index);
    case NNCF__KEY_WORD:
        return read_word(r, key, index);
    case NNCF__KEY_SCOPES:
        return nncf__read_scopes(r, key, index, field(r, key->offset));
    case NNCF__KEY_NUMBERS:
        return read_numbers(r, key, index);
    case NNCF__KEY_TEXT:
        return node->type == NNCF_CONFIG_STRING ? NNCF_OK : nncf__reader_wrong_value(r, key, index);
    case NNCF__KEY_RANGES:
        return nncf__read_ranges(r, key, index);
    case NNCF__KEY_PATTERNS:
        return nncf__read_patterns(r, key, index);
    default: /* the name, what stays as it is, and what rules.c reads in an order of its own */
        return NNCF_OK;
    }
}

/* Valid, but without effect, or without code. */
static void note_limits(nncf__reader *r, const nncf__key *key, uint32_t index)
{
    const nncf__node *node = &r->config->document.nodes[index];
    bool is_default =
        node->type == NNCF_CONFIG_BOOL && nncf__value_flag(node) == (key->fallback != 0);
    if (key->no_effect)
        nncf__config_log_key(
            r->config, NNCF_LOG_INFO, index, "has no effect here: ", key->no_effect);
    if (key->unsupported && key->type != NNCF__KEY_PATTERNS &&
        !((key->flags & NNCF__KEY_ODD) && is_default))
        nncf__config_add_unsupported(r->config, index, key->unsupported);
}

static nncf_status read_member(nncf__reader *r, const char *section, uint32_t index)
{
    const nncf__document *d = &r->config->document;
    size_t count;
    const nncf__key *rows = nncf__config_keys(&count),
                    *key = find_row(r, section, d->nodes[index].key);
    if (!key)
        return unknown_key(r, section, index);
    bool has_field = key->offset != NNCF__NO_FIELD && !(key->flags & NNCF__KEY_FAN_OUT);
    uint32_t twin = has_field ? nncf__reader_given(r, key->offset) : 0;
    if (twin) {
        char path[NNCF__PATH_TEXT];
        return nncf__reader_fail(r, NNCF_E_CONFIG, index, true,
            "says the same as %s; keep one of the two", nncf__config_node_path(d, twin, path));
    }
    r->given[key - rows] = index;
    nncf_status status = read_value(r, key, index);
    if (status == NNCF_OK)
        note_limits(r, key, index);
    return status;
}

nncf_status nncf__reader_members(nncf__reader *r, const char *section, uint32_t object)
{
    const nncf__document *d = &r->config->document;
    nncf_status first = NNCF_OK;
    for (uint32_t child = d->nodes[object].first_child; child != 0; child = d->nodes[child].next)
        if (!nncf__config_continue_after_error(r->config, read_member(r, section, child), &first))
            break;
    return first;
}

/* ---- algorithms ---- */

static void set_defaults(const nncf__reader *r, bool of_rule)
{
    size_t count;
    const nncf__key *rows = nncf__config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        const nncf__key *key = &rows[i];
        if (!(key->algorithms & kind_bit(r)) || key->offset == NNCF__NO_FIELD || key->another ||
            (key->flags & NNCF__KEY_FAN_OUT) || ((key->flags & NNCF__KEY_RULE) != 0) != of_rule)
            continue;
        double value = nncf__config_default(key, r->config->setup.release);
        if (key->type == NNCF__KEY_NUMBER) {
            memcpy(field(r, key->offset), &value, sizeof(double));
        } else if (key->type == NNCF__KEY_NUMBERS) {
            memcpy(field(r, key->offset), &key->fallback_list, sizeof(const double *));
            memcpy(field(r, key->count_offset), &key->fallback_count, sizeof(size_t));
        } else if (key->type != NNCF__KEY_SCOPES && key->type != NNCF__KEY_PATTERNS) {
            store_int(field(r, key->offset), key->size, (int64_t)value);
        }
    }
}

void nncf__reader_rule_defaults(const nncf__reader *r, nncf__range_rule *rule)
{
    nncf__reader inner = *r;
    inner.base = rule;
    set_defaults(&inner, true);
}

/* Double the room; contents are kept. */
static void *more_room(const nncf__reader *r, const void *old, size_t *capacity, size_t size)
{
    size_t wanted = *capacity > 0 ? 2 * *capacity : 4;
    void *more = nncf__config_arena_alloc(r->config, wanted * size);
    if (more && *capacity > 0)
        memcpy(more, old, *capacity * size);
    if (more)
        *capacity = wanted;
    return more;
}

nncf__range_rule *nncf__reader_add_rule(nncf__reader *r, uint32_t **given)
{
    if (r->n_rules == r->rules_capacity) {
        size_t capacity = r->rules_capacity;
        nncf__range_rule *rules = more_room(r, r->rules, &capacity, sizeof(*rules));
        uint32_t **rule_given =
            more_room(r, r->source->rule_given, &r->rules_capacity, sizeof(*rule_given));
        if (!rules || !rule_given)
            return NULL;
        r->rules = rules;
        r->source->rule_given = rule_given;
    }
    if (given) {
        *given = nncf__config_arena_alloc(r->config, NNCF__MAX_KEYS * sizeof(**given));
        if (!*given)
            return NULL;
        r->source->rule_given[r->n_rules] = *given;
    }
    return &r->rules[r->n_rules++];
}

nncf__override *nncf__reader_add_override(nncf__reader *r)
{
    if (r->n_overrides == r->overrides_capacity) {
        nncf__override *overrides =
            more_room(r, r->overrides, &r->overrides_capacity, sizeof(*overrides));
        if (!overrides)
            return NULL;
        r->overrides = overrides;
    }
    nncf__override *o = &r->overrides[r->n_overrides++];
    *o = (nncf__override){.mode = -2, .sign = -2, .per_channel = -2};
    return o;
}

static nncf_status read_name(
    const nncf__reader *r, uint32_t index, const nncf__algorithm_name **out)
{
    const nncf__node *node = &r->config->document.nodes[index];
    char value[NNCF__EXPLAIN_TEXT], allowed[NNCF__EXPLAIN_TEXT] = "", hint[NNCF__EXPLAIN_TEXT] = "";
    size_t count;
    const nncf__algorithm_name *names = nncf__config_algorithm_names(&count);
    nncf__nearest n = {.wanted = node->type == NNCF_CONFIG_STRING ? nncf__value_text(node) : ""};
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i].name, n.wanted) == 0) {
            *out = &names[i];
            return NNCF_OK;
        }
        nncf__nearest_consider(&n, names[i].name);
        if (names[i].is_there)
            nncf__explain(allowed, "%s\"%s\"", allowed[0] ? ", " : "", names[i].name);
    }
    nncf__explain_nearest(hint, &n);
    return nncf__reader_fail(r, NNCF_E_CONFIG, index, false, "found %s; allowed: %s%s",
        nncf__explain_value(&r->config->document, index, value), allowed, hint);
}

static bool is_sparsity(int32_t kind)
{
    return kind == NNCF__RB_SPARSITY || kind == NNCF__MAGNITUDE_SPARSITY ||
        kind == NNCF__CONST_SPARSITY;
}

static nncf_status check_combination(
    const nncf__reader *r, uint32_t index, const nncf__algorithm_name *name)
{
    for (size_t i = 0; i < r->config->n_algorithms; i++) {
        const nncf__algorithm *other = &r->config->algorithms[i];
        if (strcmp(other->name, name->name) == 0)
            return nncf__reader_fail(r, NNCF_E_CONFIG, index, false,
                "\"%s\" stands here a second time; keep one", name->name);
        if (is_sparsity(other->kind) && is_sparsity(name->kind))
            return nncf__reader_fail(r, NNCF_E_CONFIG, index, false,
                "\"%s\" cannot go together with \"%s\": both would mask the same weights; keep "
                "one sparsity algorithm",
                name->name, other->name);
    }
    return NNCF_OK;
}

/* No key "algorithm": the one that was meant to be it is named, where a key looks like it. */
static nncf_status fail_without_algorithm(const nncf__reader *r, uint32_t node)
{
    const nncf__document *d = &r->config->document;
    for (uint32_t child = d->nodes[node].first_child; child != 0; child = d->nodes[child].next) {
        nncf__nearest n = {.wanted = d->nodes[child].key};
        nncf__nearest_consider(&n, "algorithm");
        if (n.best[0])
            return nncf__reader_fail(
                r, NNCF_E_CONFIG, child, true, "unknown key; did you mean \"algorithm\"?");
    }
    return nncf__reader_fail(r, NNCF_E_CONFIG, node, false,
        "the key \"algorithm\" is missing; add it, for example \"algorithm\": \"rb_sparsity\"");
}

static nncf_status read_algorithm(nncf_config *config, uint32_t node, nncf_error *err)
{
    const nncf__document *d = &config->document;
    nncf__algorithm *algorithm = &config->algorithms[config->n_algorithms];
    nncf__key_sources *source = &config->sources[config->n_algorithms];
    *algorithm = (nncf__algorithm){0}; /* one that was wrong may have been here */
    *source = (nncf__key_sources){0};
    nncf__reader r = {
        .config = config, .err = err, .algorithm = algorithm, .base = algorithm, .source = source};
    char value[NNCF__EXPLAIN_TEXT];
    if (d->nodes[node].type != NNCF_CONFIG_OBJECT)
        return nncf__reader_fail(&r, NNCF_E_CONFIG, node, false,
            "found %s; an algorithm is an object: { \"algorithm\": ... }",
            nncf__explain_value(d, node, value));
    uint32_t name_node = nncf__config_find_key(d, node, "algorithm");
    if (!name_node)
        return fail_without_algorithm(&r, node);
    const nncf__algorithm_name *name = NULL;
    nncf_status status = read_name(&r, name_node, &name);
    if (status == NNCF_OK)
        status = check_combination(&r, name_node, name);
    if (status != NNCF_OK)
        return status;
    algorithm->kind = name->kind;
    algorithm->name = name->name;
    source->node = node;
    source->given = nncf__config_arena_alloc(config, 2 * NNCF__MAX_KEYS * sizeof(*source->given));
    if (!source->given)
        return nncf__reader_no_memory(&r);
    source->via = source->given + NNCF__MAX_KEYS;
    r.given = source->given;
    if (!name->is_there)
        nncf__config_add_unsupported(config, name_node, "the algorithm");
    set_defaults(&r, false);
    if (name->kind != NNCF__OTHER_ALGORITHM) {
        status = nncf__reader_members(&r, "", node);
        if (status == NNCF_OK)
            status = nncf__config_check_rules(&r);
        else if (config->report) /* these do not depend on the others */
            (void)nncf__config_continue_after_error(
                config, nncf__config_read_overrides(&r), &status);
    }
    if (name->kind == NNCF__QUANTIZATION && algorithm->quantize_outputs &&
        config->setup.setup == NNCF__SETUP_PROPAGATION) {
        const uint32_t key = nncf__config_find_key(d, node, "quantize_outputs");
        nncf__config_add_unsupported(config, key ? key : name_node,
            "quantized outputs where quantizers are placed by propagation");
    }
    if (status == NNCF_OK)
        config->n_algorithms++;
    return status;
}

static nncf_status read_compression(nncf_config *config, nncf_error *err)
{
    const nncf__document *d = &config->document;
    if (config->compression == 0)
        return NNCF_OK;
    const nncf__node *node = &d->nodes[config->compression];
    nncf__reader r = {.config = config, .err = err};
    char value[NNCF__EXPLAIN_TEXT];
    if (node->type != NNCF_CONFIG_ARRAY && node->type != NNCF_CONFIG_OBJECT)
        return nncf__reader_fail(&r, NNCF_E_CONFIG, config->compression, false,
            "found %s; allowed: an object { \"algorithm\": ... }, or an array of such objects",
            nncf__explain_value(d, config->compression, value));
    if (node->count == 0)
        return NNCF_OK;
    /* No algorithm may stand here twice, so that there is never more than one of each; and room for
     * a wrong one. */
    size_t n_names, count = node->type == NNCF_CONFIG_ARRAY ? node->count : 1;
    (void)nncf__config_algorithm_names(&n_names);
    count = count < n_names + 1 ? count : n_names + 1;
    config->algorithms = nncf__config_arena_alloc(config, count * sizeof(nncf__algorithm));
    config->sources = nncf__config_arena_alloc(config, count * sizeof(nncf__key_sources));
    if (!config->algorithms || !config->sources)
        return nncf__reader_no_memory(&r);
    if (node->type == NNCF_CONFIG_OBJECT)
        return read_algorithm(config, config->compression, err);
    nncf_status first = NNCF_OK;
    for (uint32_t i = node->first_child; i != 0; i = d->nodes[i].next)
        if (!nncf__config_continue_after_error(config, read_algorithm(config, i, err), &first))
            break;
    return first;
}

nncf_status nncf__config_read(nncf_config *config, nncf_error *err)
{
    const nncf__document *d = &config->document;
    config->compression = nncf__config_find_key(d, 0, "compression");
    nncf_status status = nncf__config_detect(config, err);
    if (status == NNCF_OK &&
        nncf__config_continue_after_error(config, nncf__config_read_root(config, err), &status))
        (void)nncf__config_continue_after_error(config, read_compression(config, err), &status);
    for (size_t i = 0; i < config->n_algorithms && status == NNCF_OK; i++)
        if (!config->algorithms[i].validate_scopes &&
            config->algorithms[i].kind != NNCF__OTHER_ALGORITHM)
            config->setup.scope_check = NNCF__SCOPES_OFF;
    nncf__regex_end(config->regexes);
    config->regexes = NULL;
    nncf__config_release_text(config->setup.release, config->dialect);
    if (config->wanted_check >= 0)
        config->setup.scope_check = config->wanted_check;
    return status;
}
