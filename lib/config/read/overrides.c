/* SPDX-License-Identifier: Apache-2.0 */
#include "config/read/overrides.h"

#include "config/canonical.h"
#include "config/internal.h"
#include "config/json/document.h"
#include "config/read/fields.h"
#include "config/read/messages.h"
#include "config/read/reader.h"
#include "config/read/texts.h"
#include "config/schema/keys.h"

#include <nncf/base.h>
#include <nncf/config.h>

#include <string.h>

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
    const nncf__document *d = nncf__reader_document(r);
    const nncf__node *n = &d->nodes[node];
    char path[64] = "weights.";
    bool is_known = strcmp(n->key, "bits") == 0 || strcmp(n->key, "mode") == 0 ||
        strcmp(n->key, "signed") == 0 || strcmp(n->key, "per_channel") == 0 ||
        (strcmp(n->key, "group_size") == 0 && r->algorithm->kind == NNCF__QUANTIZATION);
    if (strcmp(n->key, "initializer") == 0)
        return NNCF_OK; /* read_override_rules() */
    if (!is_known) {
        nncf__nearest nearest = {.wanted = n->key};
        char hint[NNCF__EXPLAIN_TEXT] = "";
        static const char *const names[] = {
            "bits", "mode", "signed", "per_channel", "group_size", "initializer"};
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            nncf__nearest_consider(&nearest, names[i]);
        nncf__explain_nearest(hint, &nearest);
        return nncf__reader_fail(r, NNCF_E_CONFIG, node, true,
            "unknown key%s%s Allowed here: bits, mode, signed, per_channel, group_size, "
            "initializer",
            hint, hint[0] ? "" : ".");
    }
    const nncf__key *key = nncf__config_key(NNCF__QUANTIZATION, strcat(path, n->key));
    if (strcmp(n->key, "bits") == 0) {
        if (n->type != NNCF_CONFIG_INT || nncf__value_integer(n) < (int64_t)key->min ||
            nncf__value_integer(n) > (int64_t)key->max)
            return nncf__reader_wrong_value(r, key, node);
        o->bits = (int32_t)nncf__value_integer(n);
    } else if (strcmp(n->key, "group_size") == 0) {
        if (o->group == NNCF__GROUP_ACTIVATIONS)
            return nncf__reader_fail(r, NNCF_E_CONFIG, node, true,
                "group_size is of weights; activations have ranges per tensor or per channel");
        if (n->type != NNCF_CONFIG_INT || nncf__value_integer(n) < (int64_t)key->min ||
            nncf__value_integer(n) > (int64_t)key->max)
            return nncf__reader_wrong_value(r, key, node);
        o->group_size = (int32_t)nncf__value_integer(n);
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
    const nncf__document *d = nncf__reader_document(r);
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

/* `read` each scope of the overrides, with the group of those in "weights" and
 * "activations" (from 2.0 on). */
static nncf_status for_overrides(nncf__reader *r, uint32_t index,
    nncf_status (*read)(nncf__reader *r, uint32_t node, int32_t group))
{
    const nncf__document *d = nncf__reader_document(r);
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

static nncf_status read_overrides(nncf__reader *r, const nncf__key *key, uint32_t index)
{
    if (nncf__reader_document(r)->nodes[index].type != NNCF_CONFIG_OBJECT)
        return nncf__reader_wrong_value(r, key, index);
    return for_overrides(r, index, read_override);
}

/* {"initializer": {"range": {...}}}, or as 1.2 writes it {"initializer": {"num_init_steps": ...}}.
 */
static nncf_status read_override_rule(nncf__reader *r, uint32_t node, int32_t group)
{
    const nncf__document *d = nncf__reader_document(r);
    static const nncf__key object = {.type = NNCF__KEY_SECTION};
    uint32_t initializer = nncf__config_find_key(d, node, "initializer");
    if (!initializer)
        return NNCF_OK;
    if (d->nodes[initializer].type != NNCF_CONFIG_OBJECT)
        return nncf__reader_wrong_value(r, &object, initializer);
    uint32_t range = nncf__config_find_key(d, initializer, "range");
    if (range && d->nodes[range].type != NNCF_CONFIG_OBJECT)
        return nncf__reader_wrong_value(r, &object, range);
    nncf_status status = nncf__read_rule(r, range ? range : initializer, d->nodes[node].key);
    if (status == NNCF_OK)
        r->rules[r->n_rules - 1].group = group;
    return status;
}

static nncf_status read_override_rules(nncf__reader *r, uint32_t index)
{
    return for_overrides(r, index, read_override_rule);
}

/* How releases name one quantizer: "TargetType.OPERATOR_POST_HOOK scope" (1.5 to 1.7, before that
 * "InsertionType..."), "scope|WEIGHT" (2.0+). The last one is of libnncf, for the quantizer between
 * a sum and its activation. */
static const struct place_name {
    const char *text;
    bool is_front;
    int32_t place;
} place_names[] = {{"TargetType.OPERATION_WITH_WEIGHTS ", true, NNCF__PLACE_WEIGHT},
    {"TargetType.OPERATOR_POST_HOOK ", true, NNCF__PLACE_OUTPUT},
    {"TargetType.OPERATOR_PRE_HOOK ", true, NNCF__PLACE_INPUT},
    {"TargetType.PRE_LAYER_OPERATION ", true, NNCF__PLACE_INPUT},
    {"InsertionType.NNCF_MODULE_PRE_OP ", true, NNCF__PLACE_WEIGHT},
    {"InsertionType.OPERATOR_POST_HOOK ", true, NNCF__PLACE_OUTPUT},
    {"InsertionType.OPERATOR_PRE_HOOK ", true, NNCF__PLACE_INPUT},
    {"|WEIGHT", false, NNCF__PLACE_WEIGHT}, {"|INPUT", false, NNCF__PLACE_INPUT},
    {"|INPUT0", false, NNCF__PLACE_INPUT}, {"|OUTPUT", false, NNCF__PLACE_OUTPUT},
    {"|PRE_ACTIVATION", false, NNCF__PLACE_PRE_ACTIVATION}};

/* The scope without what names a place. */
static nncf_status take_place(nncf__reader *r, nncf__override *o, const char *text)
{
    const size_t length = strlen(text);
    o->scope = text;
    for (size_t i = 0; i < sizeof place_names / sizeof *place_names; i++) {
        const struct place_name *n = &place_names[i];
        const size_t width = strlen(n->text);
        if (width >= length ||
            strncmp(n->is_front ? text : text + length - width, n->text, width) != 0)
            continue;
        char *scope = nncf__config_arena_alloc(r->config, length - width + 1);
        if (!scope)
            return nncf__reader_no_memory(r);
        memcpy(scope, n->is_front ? text + width : text, length - width);
        scope[length - width] = '\0';
        o->scope = scope;
        o->place = n->place;
        break;
    }
    return NNCF_OK;
}

/* [[4, "scope"], ...]; some releases accept a third element, the group's name, and ignore it. */
static nncf_status read_bitwidths(nncf__reader *r, const nncf__key *key, uint32_t index)
{
    const nncf__document *d = nncf__reader_document(r);
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
        o->bits = (int32_t)nncf__value_integer(first);
        if ((status = take_place(r, o, nncf__value_text(second))) != NNCF_OK)
            return status;
    }
    return NNCF_OK;
}

static nncf_status read_signs(nncf__reader *r, const nncf__key *key, uint32_t index)
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

/* Later ones take precedence: signs of 1.0, then scope_overrides, then bitwidth_per_scope. */
nncf_status nncf__config_read_overrides(nncf__reader *r)
{
    typedef nncf_status read_fn(nncf__reader *, const nncf__key *, uint32_t);
    static const struct {
        const char *path;
        read_fn *read;
    } steps[] = {{"signed_activation_scopes", read_signs}, {"activations.signed_scope", read_signs},
        {"scope_overrides", read_overrides},
        {"initializer.precision.bitwidth_per_scope", read_bitwidths}};
    nncf_status first = NNCF_OK;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        uint32_t node = nncf__reader_given_at(r, steps[i].path);
        const nncf__key *key = nncf__config_key(r->algorithm->kind, steps[i].path);
        nncf_status status = node ? steps[i].read(r, key, node) : NNCF_OK;
        if (status == NNCF_OK && node && steps[i].read == read_overrides)
            status = read_override_rules(r, node);
        if (!nncf__config_continue_after_error(r->config, status, &first))
            break;
    }
    return first;
}
