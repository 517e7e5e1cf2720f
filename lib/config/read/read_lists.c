/* SPDX-License-Identifier: Apache-2.0 */
/* Values that are more than one number or word: scopes, range rules, overrides, patterns. */
#include "base/regex.h"
#include "config/config.h"
#include "config/json/document.h"
#include "config/schema/keys.h"

#include <nncf/base.h>
#include <nncf/config.h>

#include <string.h>

static const nncf__document *document_of(const nncf__reader *r)
{
    return &r->config->document;
}

/* A text, or an array of texts; NULL for `empty`: the empty text is one, else what is wrong with
 * it. */
static nncf_status read_texts(const nncf__reader *r, const nncf__key *key, uint32_t index,
    const char *empty, nncf__strings *out)
{
    const nncf__document *d = document_of(r);
    const nncf__node *node = &d->nodes[index];
    bool single = node->type == NNCF_CONFIG_STRING;
    if (!single && node->type != NNCF_CONFIG_ARRAY)
        return nncf__reader_wrong_value(r, key, index);
    size_t count = single ? 1 : node->count;
    const char **items =
        nncf__config_arena_alloc(r->config, (count > 0 ? count : 1) * sizeof(*items));
    if (!items)
        return nncf__reader_no_memory(r);
    uint32_t child = single ? index : node->first_child;
    for (size_t i = 0; i < count; i++, child = d->nodes[child].next) {
        if (d->nodes[child].type != NNCF_CONFIG_STRING)
            return nncf__reader_wrong_value(r, key, child);
        if (empty && nncf__value_text(&d->nodes[child])[0] == '\0')
            return nncf__reader_fail(r, NNCF_E_CONFIG, child, false, "%s", empty);
        items[i] = nncf__value_text(&d->nodes[child]);
    }
    *out = (nncf__strings){.items = items, .count = count};
    return NNCF_OK;
}

nncf_status nncf__read_scope_pattern(const nncf__reader *r, uint32_t index, bool is_key)
{
    nncf_config *config = r->config;
    const nncf__node *node = &config->document.nodes[index];
    char why[NNCF__REGEX_WHY];
    nncf__regex *regex = NULL;
    if (config->setup.release < 10200 ||
        !strstr(is_key ? node->key : nncf__value_text(node), "{re}") || config->regexes_told)
        return NNCF_OK;
    if (!config->regexes)
        config->regexes = nncf__regex_begin(config->context);
    if (!config->regexes)
        return nncf__reader_no_memory(r);
    nncf_status status = nncf__regex_of_scope(
        config->regexes, is_key ? node->key : nncf__value_text(node), &regex, why);
    nncf__regex_free(regex);
    if (status == NNCF_E_NOMEM)
        return nncf__reader_no_memory(r);
    config->regexes_told = status == NNCF_E_LIMIT;
    return status == NNCF_OK ? NNCF_OK : nncf__reader_fail(r, status, index, is_key, "%s", why);
}

static bool is_empty_array(const nncf__reader *r, uint32_t index)
{
    const nncf__node *node = &document_of(r)->nodes[index];
    return node->type == NNCF_CONFIG_ARRAY && node->count == 0;
}

nncf_status nncf__read_scopes(
    const nncf__reader *r, const nncf__key *key, uint32_t index, nncf__strings *out)
{
    if (is_empty_array(r, index) && (key->flags & NNCF__KEY_NOT_EMPTY))
        return nncf__reader_fail(r, NNCF_E_CONFIG, index, false,
            "an empty array selects no layer at all; leave the key out to select every layer");
    nncf_status status =
        read_texts(r, key, index, "an empty scope matches no layer; remove it", out);
    const nncf__document *d = document_of(r);
    bool single = d->nodes[index].type == NNCF_CONFIG_STRING;
    uint32_t child = status != NNCF_OK ? 0 : single ? index : d->nodes[index].first_child;
    for (; child != 0; child = single ? 0 : d->nodes[child].next)
        if (!nncf__config_continue_after_error(
                r->config, nncf__read_scope_pattern(r, child, false), &status))
            break;
    return status;
}

/* ---- ranges ---- */

/* What the percentiles of a rule must be together. */
static nncf_status check_percentiles(
    const nncf__reader *r, const nncf__range_rule *rule, uint32_t object)
{
    if (rule->kind != NNCF__PERCENTILE && rule->kind != NNCF__MEAN_PERCENTILE)
        return NNCF_OK;
    size_t count;
    const nncf__key *rows = nncf__config_keys(&count);
    bool has_min = false, has_max = false;
    for (size_t i = 0; i < count; i++) {
        if (!r->given[i] || rows[i].offset == NNCF__NO_FIELD)
            continue;
        has_min |= rows[i].offset == offsetof(nncf__range_rule, min_percentile);
        has_max |= rows[i].offset == offsetof(nncf__range_rule, max_percentile);
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

/* One rule: the object's keys are rows "initializer.range.key". */
static nncf_status read_rule(nncf__reader *r, uint32_t object, const char *scope)
{
    uint32_t *given, *outer_given = r->given;
    void *outer_base = r->base;
    nncf__range_rule *rule = nncf__reader_add_rule(r, scope ? NULL : &given);
    if (!rule)
        return nncf__reader_no_memory(r);
    uint32_t scratch[NNCF__MAX_KEYS] = {0};
    if (scope)
        given = scratch; /* such a rule is shown with its override */
    nncf__reader_rule_defaults(r, rule);
    r->base = rule;
    r->given = given;
    nncf_status status = nncf__reader_members(r, "initializer.range", object);
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

nncf_status nncf__read_ranges(nncf__reader *r, const nncf__key *key, uint32_t index)
{
    const nncf__document *d = document_of(r);
    const nncf__node *node = &d->nodes[index];
    r->has_range = true;
    if (node->type == NNCF_CONFIG_OBJECT)
        return read_rule(r, index, NULL);
    if (node->type != NNCF_CONFIG_ARRAY)
        return nncf__reader_wrong_value(r, key, index);
    if (node->count > NNCF__MAX_LIST)
        return nncf__reader_fail(r, NNCF_E_LIMIT, index, false,
            "found %u rules; at most %d are allowed", (unsigned)node->count, NNCF__MAX_LIST);
    nncf_status first = NNCF_OK;
    for (uint32_t child = node->first_child; child != 0; child = d->nodes[child].next) {
        bool is_object = d->nodes[child].type == NNCF_CONFIG_OBJECT;
        nncf_status status =
            is_object ? read_rule(r, child, NULL) : nncf__reader_wrong_value(r, key, child);
        if (!nncf__config_continue_after_error(r->config, status, &first))
            break;
    }
    return first;
}

/* ---- overrides ---- */

bool nncf__is_override_group(const nncf__document *d, uint32_t node)
{
    const nncf__node *n = &d->nodes[node];
    if (n->type != NNCF_CONFIG_OBJECT ||
        (strcmp(n->key, "weights") != 0 && strcmp(n->key, "activations") != 0))
        return false;
    for (uint32_t i = n->first_child; i != 0; i = d->nodes[i].next)
        if (d->nodes[i].type != NNCF_CONFIG_OBJECT)
            return false;
    return true;
}

static nncf_status read_override_member(nncf__reader *r, nncf__override *o, uint32_t node)
{
    const nncf__document *d = document_of(r);
    const nncf__node *n = &d->nodes[node];
    char path[64] = "weights.";
    bool is_known = strcmp(n->key, "bits") == 0 || strcmp(n->key, "mode") == 0 ||
        strcmp(n->key, "signed") == 0 || strcmp(n->key, "per_channel") == 0;
    if (strcmp(n->key, "initializer") == 0)
        return NNCF_OK; /* nncf__read_override_rules() */
    if (!is_known) {
        nncf__nearest nearest = {.wanted = n->key};
        char hint[NNCF__EXPLAIN_TEXT] = "";
        static const char *const names[] = {"bits", "mode", "signed", "per_channel", "initializer"};
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            nncf__nearest_consider(&nearest, names[i]);
        nncf__explain_nearest(hint, &nearest);
        return nncf__reader_fail(r, NNCF_E_CONFIG, node, true,
            "unknown key%s%s Allowed here: bits, mode, signed, per_channel, initializer", hint,
            hint[0] ? "" : ".");
    }
    const nncf__key *key = nncf__config_key(NNCF__QUANTIZATION, strcat(path, n->key));
    if (strcmp(n->key, "bits") == 0) {
        if (n->type != NNCF_CONFIG_INT || nncf__value_integer(n) < (int64_t)key->min ||
            nncf__value_integer(n) > (int64_t)key->max)
            return nncf__reader_wrong_value(r, key, node);
        o->bits = (int32_t)nncf__value_integer(n);
    } else if (strcmp(n->key, "mode") == 0) {
        if (n->type != NNCF_CONFIG_STRING ||
            (strcmp(nncf__value_text(n), "symmetric") != 0 &&
                strcmp(nncf__value_text(n), "asymmetric") != 0))
            return nncf__reader_wrong_value(r, key, node);
        o->mode = nncf__value_text(n)[0] == 's' ? NNCF__SYMMETRIC : NNCF__ASYMMETRIC;
    } else {
        if (n->type != NNCF_CONFIG_BOOL)
            return nncf__reader_wrong_value(r, key, node);
        if (n->key[0] == 's')
            o->sign = nncf__value_flag(n) ? NNCF__SIGNED : NNCF__UNSIGNED;
        else
            o->per_channel = nncf__value_flag(n) ? 1 : 0;
    }
    return NNCF_OK;
}

static nncf_status read_override(nncf__reader *r, uint32_t node, int32_t group)
{
    const nncf__document *d = document_of(r);
    static const nncf__key object = {.type = NNCF__KEY_SECTION};
    if (d->nodes[node].type != NNCF_CONFIG_OBJECT)
        return nncf__reader_wrong_value(r, &object, node);
    nncf__override *o = nncf__reader_add_override(r);
    if (!o)
        return nncf__reader_no_memory(r);
    o->scope = d->nodes[node].key;
    o->group = group;
    nncf_status first = NNCF_OK;
    if (!nncf__config_continue_after_error(
            r->config, nncf__read_scope_pattern(r, node, true), &first))
        return first;
    for (uint32_t i = d->nodes[node].first_child; i != 0; i = d->nodes[i].next)
        if (!nncf__config_continue_after_error(r->config, read_override_member(r, o, i), &first))
            break;
    return first;
}

static int32_t group_of(const char *key)
{
    return strcmp(key, "weights") == 0 ? NNCF__GROUP_WEIGHTS : NNCF__GROUP_ACTIVATIONS;
}

/* Call read for each scope of the overrides, those in "weights" and "activations" (from 2.0 on)
 * with their group. */
static nncf_status for_overrides(nncf__reader *r, uint32_t index,
    nncf_status (*read)(nncf__reader *r, uint32_t node, int32_t group))
{
    const nncf__document *d = document_of(r);
    nncf_status first = NNCF_OK;
    for (uint32_t i = d->nodes[index].first_child; i != 0; i = d->nodes[i].next) {
        if (!nncf__is_override_group(d, i)) {
            if (!nncf__config_continue_after_error(r->config, read(r, i, NNCF__GROUP_ANY), &first))
                return first;
            continue;
        }
        for (uint32_t j = d->nodes[i].first_child; j != 0; j = d->nodes[j].next)
            if (!nncf__config_continue_after_error(
                    r->config, read(r, j, group_of(d->nodes[i].key)), &first))
                return first;
    }
    return first;
}

nncf_status nncf__read_overrides(nncf__reader *r, const nncf__key *key, uint32_t index)
{
    if (document_of(r)->nodes[index].type != NNCF_CONFIG_OBJECT)
        return nncf__reader_wrong_value(r, key, index);
    return for_overrides(r, index, read_override);
}

/* {"initializer": {"range": {...}}}, or as 1.2 wrote it {"initializer": {"num_init_steps": ...}}.
 */
static nncf_status read_override_rule(nncf__reader *r, uint32_t node, int32_t group)
{
    const nncf__document *d = document_of(r);
    static const nncf__key object = {.type = NNCF__KEY_SECTION};
    uint32_t initializer = nncf__config_find_key(d, node, "initializer");
    if (!initializer)
        return NNCF_OK;
    if (d->nodes[initializer].type != NNCF_CONFIG_OBJECT)
        return nncf__reader_wrong_value(r, &object, initializer);
    uint32_t range = nncf__config_find_key(d, initializer, "range");
    if (range && d->nodes[range].type != NNCF_CONFIG_OBJECT)
        return nncf__reader_wrong_value(r, &object, range);
    nncf_status status = read_rule(r, range ? range : initializer, d->nodes[node].key);
    if (status == NNCF_OK)
        r->rules[r->n_rules - 1].group = group;
    return status;
}

nncf_status nncf__read_override_rules(nncf__reader *r, uint32_t index)
{
    return for_overrides(r, index, read_override_rule);
}

/* [[4, "scope"], ...]; some releases took a third element, the group's name, which is left unread
 * there too. */
nncf_status nncf__read_bitwidths(nncf__reader *r, const nncf__key *key, uint32_t index)
{
    const nncf__document *d = document_of(r);
    const nncf__key *bits = nncf__config_key(NNCF__QUANTIZATION, "weights.bits");
    static const nncf__key scope = {.type = NNCF__KEY_SCOPES};
    if (d->nodes[index].type != NNCF_CONFIG_ARRAY)
        return nncf__reader_wrong_value(r, key, index);
    for (uint32_t i = d->nodes[index].first_child; i != 0; i = d->nodes[i].next) {
        if (d->nodes[i].type != NNCF_CONFIG_ARRAY || d->nodes[i].count != 2)
            return nncf__reader_wrong_value(r, key, i);
        const nncf__node *first = &d->nodes[d->nodes[i].first_child],
                         *second = &d->nodes[first->next];
        if (first->type != NNCF_CONFIG_INT || nncf__value_integer(first) < (int64_t)bits->min ||
            nncf__value_integer(first) > (int64_t)bits->max)
            return nncf__reader_wrong_value(r, bits, d->nodes[i].first_child);
        if (second->type != NNCF_CONFIG_STRING || nncf__value_text(second)[0] == '\0')
            return nncf__reader_wrong_value(r, &scope, first->next);
        nncf_status status = nncf__read_scope_pattern(r, first->next, false);
        if (status != NNCF_OK)
            return status;
        nncf__override *o = nncf__reader_add_override(r);
        if (!o)
            return nncf__reader_no_memory(r);
        o->scope = nncf__value_text(second);
        o->bits = (int32_t)nncf__value_integer(first);
    }
    return NNCF_OK;
}

nncf_status nncf__read_signs(nncf__reader *r, const nncf__key *key, uint32_t index)
{
    nncf__strings scopes = {0};
    nncf_status status = nncf__read_scopes(r, key, index, &scopes);
    for (size_t i = 0; i < scopes.count && status == NNCF_OK; i++) {
        nncf__override *o = nncf__reader_add_override(r);
        if (!o)
            return nncf__reader_no_memory(r);
        o->scope = scopes.items[i];
        o->group = NNCF__GROUP_ACTIVATIONS;
        o->sign = NNCF__SIGNED;
    }
    return status;
}

/* ---- patterns ---- */

static nncf_status read_pattern(
    const nncf__reader *r, const nncf__key *key, uint32_t index, nncf__pattern *out)
{
    if (is_empty_array(r, index))
        return nncf__reader_wrong_value(r, key, index);
    return read_texts(r, key, index, NULL, &out->operators);
}

nncf_status nncf__read_patterns(nncf__reader *r, const nncf__key *key, uint32_t index)
{
    const nncf__document *d = document_of(r);
    const nncf__node *node = &d->nodes[index];
    if (node->type != NNCF_CONFIG_ARRAY)
        return nncf__reader_wrong_value(r, key, index);
    nncf__pattern *patterns = nncf__config_arena_alloc(
        r->config, (node->count > 0 ? node->count : 1) * sizeof(*patterns));
    if (!patterns)
        return nncf__reader_no_memory(r);
    size_t count = 0;
    for (uint32_t i = node->first_child; i != 0; i = d->nodes[i].next) {
        nncf_status status = read_pattern(r, key, i, &patterns[count++]);
        if (status != NNCF_OK)
            return status;
    }
    if (key->offset != NNCF__NO_FIELD) {
        r->algorithm->patterns = patterns;
        r->algorithm->n_patterns = count;
    } else if (count > 0 && key->unsupported) {
        nncf__config_add_unsupported(r->config, index, key->unsupported);
    }
    return NNCF_OK;
}
