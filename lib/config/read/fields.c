/* SPDX-License-Identifier: Apache-2.0 */
#include "config/read/fields.h"

#include "config/canonical.h"
#include "config/internal.h"
#include "config/json/document.h"
#include "config/read/messages.h"
#include "config/read/reader.h"
#include "config/read/texts.h"
#include "config/schema/keys.h"

#include <nncf/base.h>
#include <nncf/config.h>
#include <nncf/context.h>

#include <string.h>

static uint32_t kind_bit(const nncf__reader *r)
{
    return 1u << r->algorithm->kind;
}

/* Is a path in the table "section.key" (or "key")? */
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

static const nncf__key *find_key(const nncf__reader *r, const char *section, const char *key)
{
    size_t count;
    const nncf__key *keys = nncf__config_keys(&count);
    for (size_t i = 0; i < count; i++)
        if ((keys[i].algorithms & kind_bit(r)) && path_equals(keys[i].path, section, key))
            return &keys[i];
    return NULL;
}

/* The last part of a key's path if the key is a member of the section, else NULL. */
static const char *name_in_section(const nncf__key *key, const char *section)
{
    size_t length = strlen(section);
    const char *name = key->path;
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

/* Messages are short: they cannot list every key. */
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
    const nncf__key *keys = nncf__config_keys(&count);
    const nncf__key *elsewhere = NULL, *others = NULL;
    nncf__nearest n = {.wanted = key};
    for (size_t i = 0; i < count; i++) {
        const char *last = strrchr(keys[i].path, '.');
        last = last ? last + 1 : keys[i].path;
        if (!(keys[i].algorithms & kind_bit(r))) {
            if (path_equals(keys[i].path, section, key))
                others = &keys[i];
            continue;
        }
        const char *name = name_in_section(&keys[i], section);
        if (name) {
            nncf__nearest_consider(&n, name);
            if (is_of_release(r, &keys[i]))
                list_name(allowed, name);
        } else if (strcmp(last, key) == 0 && !elsewhere) {
            elsewhere = &keys[i];
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

static void store_int(void *to, size_t size, int64_t value)
{
    int32_t narrow = (int32_t)value;
    if (size == sizeof(narrow))
        memcpy(to, &narrow, sizeof(narrow));
    else
        memcpy(to, &value, sizeof(value));
}

static void set_defaults(const nncf__reader *r, bool of_rule)
{
    size_t count;
    const nncf__key *keys = nncf__config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        const nncf__key *key = &keys[i];
        if (!(key->algorithms & kind_bit(r)) || key->offset == NNCF__NO_FIELD || key->alias_of ||
            (key->flags & NNCF__KEY_FAN_OUT) || ((key->flags & NNCF__KEY_RULE) != 0) != of_rule)
            continue;
        double value = nncf__config_default(key, r->config->setup.release);
        if (key->type == NNCF__KEY_NUMBER) {
            memcpy(field(r, key->offset), &value, sizeof(double));
        } else if (key->type == NNCF__KEY_NUMBERS) {
            memcpy(field(r, key->offset), &key->fallback_list, sizeof(const double *));
            memcpy(field(r, key->count_offset), &key->fallback_count, sizeof(size_t));
        } else if (key->type != NNCF__KEY_SCOPES && key->type != NNCF__KEY_LISTS) {
            store_int(field(r, key->offset), key->size, (int64_t)value);
        }
    }
}

void nncf__read_defaults(const nncf__reader *r)
{
    set_defaults(r, false);
}

void nncf__read_rule_defaults(const nncf__reader *r, nncf__range_rule *rule)
{
    nncf__reader inner = *r;
    inner.base = rule;
    set_defaults(&inner, true);
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

/* Record that `node` set a field, at the key that the field belongs to. */
static void note_set_by(const nncf__reader *r, size_t offset, uint32_t node)
{
    size_t count;
    const nncf__key *keys = nncf__config_keys(&count);
    for (size_t i = 0; i < count; i++)
        if ((keys[i].algorithms & kind_bit(r)) && keys[i].offset == offset && !keys[i].alias_of &&
            !(keys[i].flags & (NNCF__KEY_FAN_OUT | NNCF__KEY_RULE)))
            r->source->set_by[i] = node;
}

/* A key that sets a group's field directly takes precedence over a key of the algorithm that sets
 * the fields of both groups, in any order. */
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
        note_set_by(r, offsets[i], node);
    }
}

static nncf_status read_word(const nncf__reader *r, const nncf__key *key, uint32_t index)
{
    const nncf__node *node = &r->config->document.nodes[index];
    const int32_t word = node->type == NNCF_CONFIG_STRING
        ? nncf__config_word_index(key->words, nncf__value_text(node))
        : -1;
    /* a name that no PyTorch release knows, in configs of 1.7's TensorFlow beta */
    if (word < 0 && node->type == NNCF_CONFIG_STRING &&
        strcmp(nncf__value_text(node), "minmax_percentile") == 0)
        return nncf__reader_fail(r, NNCF_E_CONFIG, index, false,
            "\"minmax_percentile\" is of NNCF's TensorFlow beta of 1.7: the mean of the samples' "
            "extremes, outliers left out; the nearest here is \"mean_percentile\"");
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

/* ---- ranges ---- */

/* Check the percentiles of a rule against each other. */
static nncf_status check_percentiles(
    const nncf__reader *r, const nncf__range_rule *rule, uint32_t object)
{
    if (rule->kind != NNCF__PERCENTILE && rule->kind != NNCF__MEAN_PERCENTILE)
        return NNCF_OK;
    size_t count;
    const nncf__key *keys = nncf__config_keys(&count);
    bool has_min = false, has_max = false;
    for (size_t i = 0; i < count; i++) {
        if (!r->given[i] || keys[i].offset == NNCF__NO_FIELD)
            continue;
        has_min |= keys[i].offset == offsetof(nncf__range_rule, min_percentile);
        has_max |= keys[i].offset == offsetof(nncf__range_rule, max_percentile);
    }
    if (r->config->setup.release < 10600 && !(has_min && has_max))
        return nncf__reader_fail(r, NNCF_E_CONFIG, object, false,
            "\"percentile\" takes min_percentile and max_percentile, which have no default before "
            "NNCF 1.6; add them");
    if (!(rule->min_percentile < rule->max_percentile))
        return nncf__reader_fail(
            r, NNCF_E_CONFIG, object, false, "min_percentile must be below max_percentile");
    return NNCF_OK;
}

/* The keys of the object are entries "initializer.range.key". */
nncf_status nncf__read_rule(nncf__reader *r, uint32_t object, const char *scope)
{
    uint32_t *given, *outer_given = r->given;
    void *outer_base = r->base;
    nncf__range_rule *rule = nncf__reader_add_rule(r, scope ? NULL : &given);
    if (!rule)
        return nncf__reader_no_memory(r);
    uint32_t scratch[NNCF__MAX_KEYS] = {0};
    if (scope)
        given = scratch; /* a dump shows such a rule with its override */
    nncf__read_rule_defaults(r, rule);
    r->base = rule;
    r->given = given;
    nncf_status status = nncf__read_members(r, "initializer.range", object);
    if (status == NNCF_OK)
        status = check_percentiles(r, rule, object);
    uint32_t steps = nncf__reader_given(r, offsetof(nncf__range_rule, n_steps));
    uint32_t samples = nncf__reader_given(r, offsetof(nncf__range_rule, n_samples));
    if (status == NNCF_OK && steps && samples)
        status = nncf__reader_fail(r, NNCF_E_CONFIG, samples > steps ? samples : steps, true,
            "num_init_steps counts batches and num_init_samples samples; keep one of the two");
    r->base = outer_base;
    r->given = outer_given;
    if (status != NNCF_OK)
        return status;
    if (steps)
        rule->n_samples = -1;
    if (samples)
        rule->n_steps = -1;
    if (scope) {
        const char **items = nncf__config_arena_alloc(r->config, sizeof(*items));
        if (!items)
            return nncf__reader_no_memory(r);
        items[0] = scope;
        rule->target_scopes = (nncf__strings){.items = items, .count = 1};
    }
    return NNCF_OK;
}

static nncf_status read_ranges(nncf__reader *r, const nncf__key *key, uint32_t index)
{
    const nncf__document *d = nncf__reader_document(r);
    const nncf__node *node = &d->nodes[index];
    r->has_range = true;
    if (node->type == NNCF_CONFIG_OBJECT)
        return nncf__read_rule(r, index, NULL);
    if (node->type != NNCF_CONFIG_ARRAY)
        return nncf__reader_wrong_value(r, key, index);
    if (node->count > NNCF__MAX_LIST)
        return nncf__reader_fail(r, NNCF_E_LIMIT, index, false,
            "found %u rules; at most %d are allowed", (unsigned)node->count, NNCF__MAX_LIST);
    nncf_status first = NNCF_OK;
    for (uint32_t child = node->first_child; child != 0; child = d->nodes[child].next) {
        bool is_object = d->nodes[child].type == NNCF_CONFIG_OBJECT;
        nncf_status status =
            is_object ? nncf__read_rule(r, child, NULL) : nncf__reader_wrong_value(r, key, child);
        if (!nncf__config_continue_after_error(r->config, status, &first))
            break;
    }
    return first;
}

/* ---- keys ---- */

static nncf_status read_value(nncf__reader *r, const nncf__key *key, uint32_t index)
{
    const nncf__node *node = &r->config->document.nodes[index];
    switch (key->type) {
    case NNCF__KEY_SECTION:
        if (node->type != NNCF_CONFIG_OBJECT)
            return nncf__reader_wrong_value(r, key, index);
        return nncf__read_members(r, key->path, index);
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
        return read_ranges(r, key, index);
    case NNCF__KEY_LISTS:
        return nncf__read_lists(r, key, index, field(r, key->offset), field(r, key->count_offset));
    default: /* the name, values kept as written, and keys that overrides.c reads */
        return NNCF_OK;
    }
}

/* Log a key without effect; record one that is not supported. */
static void note_limits(nncf__reader *r, const nncf__key *key, uint32_t index)
{
    const nncf__node *node = &r->config->document.nodes[index];
    bool is_default =
        node->type == NNCF_CONFIG_BOOL && nncf__value_flag(node) == (key->fallback != 0);
    if (key->no_effect)
        nncf__config_log_key(
            r->config, NNCF_LOG_INFO, index, "has no effect here: ", key->no_effect);
    if (key->unsupported && !((key->flags & NNCF__KEY_DEFAULT_ONLY) && is_default))
        nncf__config_add_unsupported(r->config, index, key->unsupported);
}

static nncf_status read_member(nncf__reader *r, const char *section, uint32_t index)
{
    const nncf__document *d = &r->config->document;
    size_t count;
    const nncf__key *keys = nncf__config_keys(&count),
                    *key = find_key(r, section, d->nodes[index].key);
    if (!key)
        return unknown_key(r, section, index);
    bool has_field = key->offset != NNCF__NO_FIELD && !(key->flags & NNCF__KEY_FAN_OUT);
    uint32_t duplicate = has_field ? nncf__reader_given(r, key->offset) : 0;
    if (duplicate) {
        char path[NNCF__PATH_TEXT];
        return nncf__reader_fail(r, NNCF_E_CONFIG, index, true,
            "says the same as %s; keep one of the two", nncf__config_node_path(d, duplicate, path));
    }
    r->given[key - keys] = index;
    nncf_status status = read_value(r, key, index);
    if (status == NNCF_OK)
        note_limits(r, key, index);
    return status;
}

nncf_status nncf__read_members(nncf__reader *r, const char *section, uint32_t object)
{
    const nncf__document *d = &r->config->document;
    nncf_status first = NNCF_OK;
    for (uint32_t child = d->nodes[object].first_child; child != 0; child = d->nodes[child].next)
        if (!nncf__config_continue_after_error(r->config, read_member(r, section, child), &first))
            break;
    return first;
}
