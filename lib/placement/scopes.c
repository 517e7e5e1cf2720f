/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The config's lists of scopes, matched as the dialect's release does. Each algorithm has its own
 * lists. A weight is looked up by its module, with NNCF's class (to 1.2 by torch's too, before the
 * module was wrapped); an activation quantizer by the last operator before it: to 1.1 by that
 * operator's module, from 1.2 on as "module/operator_k"; an input quantizer from 1.3 on by the
 * empty scope. From 2.0 on everything is looked up as "module/operator_k".
 *
 * From 1.3 on targets of a quantization silence its ignored lists.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/regex.h"
#include "config/config.h"
#include "graph/model.h"
#include "graph/scope.h"
#include "placement/placement.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer_create.h"

#include <nncf/base.h>
#include <nncf/config.h>
#include <nncf/context.h>
#include <nncf/model.h>

#include <stdio.h>
#include <string.h>

enum { V1_1 = 10100, V1_2 = 10200, V1_3 = 10300, V1_4 = 10400, V2_0 = 20000 };

/* ---- making and freeing ---- */

static nncf_status make_list(nncf__placement_scopes *s, nncf__scope_set *set,
    const nncf__strings *strings, const char *where, nncf_error *err)
{
    *set = (nncf__scope_set){.context = s->context,
        .work = s->work,
        .release = s->setup->release,
        .exact = s->setup->scope_rule == NNCF__SCOPES_EXACT,
        .items = strings->items,
        .count = strings->count};
    return nncf__scope_set_make(set, where, err);
}

static const char *const list_names[NNCF__LISTS] = {"target_scopes", "ignored_scopes",
    "weights.target_scopes", "weights.ignored_scopes", "activations.target_scopes",
    "activations.ignored_scopes", "scope_overrides"};

static nncf_status make_ranges(
    nncf__placement_scopes *s, nncf__algorithm_scopes *a, nncf_error *err)
{
    const nncf__algorithm *alg = a->algorithm;
    nncf_status status = NNCF_OK;
    char where[80];
    a->range_targets = nncf__calloc(s->context, alg->n_ranges + 1, sizeof *a->range_targets);
    a->range_ignored = nncf__calloc(s->context, alg->n_ranges + 1, sizeof *a->range_ignored);
    if (!a->range_targets || !a->range_ignored)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for lists of scopes");
    for (size_t i = 0; i < alg->n_ranges && status == NNCF_OK; i++) {
        snprintf(where, sizeof where, "compression[%zu].initializer.range[%zu]", a->index, i);
        status = make_list(s, &a->range_targets[i], &alg->ranges[i].target_scopes, where, err);
        if (status == NNCF_OK)
            status = make_list(s, &a->range_ignored[i], &alg->ranges[i].ignored_scopes, where, err);
    }
    return status;
}

static nncf_status make_algorithm(
    nncf__placement_scopes *s, nncf__algorithm_scopes *a, nncf_error *err)
{
    const nncf__algorithm *alg = a->algorithm;
    nncf_status status = NNCF_OK;
    char where[80];
    a->override_scopes = nncf__calloc(s->context, alg->n_overrides + 1, sizeof *a->override_scopes);
    if (!a->override_scopes)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for lists of scopes");
    for (size_t i = 0; i < alg->n_overrides; i++)
        a->override_scopes[i] = alg->overrides[i].scope;
    const nncf__strings overrides = {a->override_scopes, alg->n_overrides}, none = {NULL, 0};
    const nncf__strings *lists[NNCF__LISTS] = {/* 1.0 knows no targets */
        s->setup->release < V1_1 ? &none : &alg->target_scopes, &alg->ignored_scopes,
        &alg->weight_target_scopes, &alg->weight_ignored_scopes, &alg->activation_target_scopes,
        &alg->activation_ignored_scopes, &overrides};
    for (int i = 0; i < NNCF__LISTS && status == NNCF_OK; i++) {
        snprintf(where, sizeof where, "compression[%zu].%s", a->index, list_names[i]);
        status = make_list(s, &a->lists[i], lists[i], where, err);
    }
    return status == NNCF_OK ? make_ranges(s, a, err) : status;
}

nncf_status nncf__scopes_make(nncf__placement_scopes *scopes, nncf_context *context,
    const nncf_config *config, nncf_error *err)
{
    const nncf__algorithm *algorithms = nncf__config_algorithms(config, &scopes->count);
    scopes->context = context;
    scopes->setup = nncf__config_setup_of(config);
    scopes->algorithms = nncf__calloc(context, scopes->count + 1, sizeof *scopes->algorithms);
    scopes->work = nncf__regex_begin(context);
    if (!scopes->algorithms || !scopes->work)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for lists of scopes");
    nncf_status status = make_list(
        scopes, &scopes->root_ignored, &scopes->setup->ignored_scopes, "ignored_scopes", err);
    if (status == NNCF_OK)
        status = make_list(
            scopes, &scopes->root_targets, &scopes->setup->target_scopes, "target_scopes", err);
    for (size_t i = 0; i < scopes->count && status == NNCF_OK; i++) {
        scopes->algorithms[i].algorithm = &algorithms[i];
        scopes->algorithms[i].index = i;
        status = make_algorithm(scopes, &scopes->algorithms[i], err);
    }
    return status;
}

void nncf__scopes_free(nncf__placement_scopes *scopes)
{
    if (!scopes->context)
        return;
    for (size_t i = 0; scopes->algorithms && i < scopes->count; i++) {
        nncf__algorithm_scopes *a = &scopes->algorithms[i];
        for (int j = 0; j < NNCF__LISTS; j++)
            nncf__scope_set_free(&a->lists[j]);
        for (size_t j = 0; a->algorithm && j < a->algorithm->n_ranges; j++) {
            if (a->range_targets)
                nncf__scope_set_free(&a->range_targets[j]);
            if (a->range_ignored)
                nncf__scope_set_free(&a->range_ignored[j]);
        }
        nncf__free(scopes->context, a->override_scopes);
        nncf__free(scopes->context, a->range_targets);
        nncf__free(scopes->context, a->range_ignored);
    }
    nncf__free(scopes->context, scopes->algorithms);
    nncf__scope_set_free(&scopes->root_ignored);
    nncf__scope_set_free(&scopes->root_targets);
    nncf__regex_end(scopes->work);
    scopes->context = NULL;
}

/* ---- asking ---- */

/* Is the result a match? A search that failed is recorded and reported at the end. */
static bool is_yes(nncf__placement_scopes *s, int answer, const char *scope)
{
    if (answer == NNCF__REGEX_LIMIT && !s->too_long)
        s->too_long = scope;
    s->no_memory |= answer == NNCF__REGEX_NOMEM;
    return answer > 0;
}

static bool ask(nncf__placement_scopes *s, const nncf__scope_set *set, const char *scope)
{
    return is_yes(s, nncf__scope_set_matches(set, scope, NULL), scope);
}

/* A host may call its layers as it likes: a pattern that is the registered scope, letter by letter,
 * means it. */
static bool is_registered_name(const nncf__scope_set *set, const nncf__op *op)
{
    enum { NAMES_OF_A_STEP = 8 };
    if (!nncf__regex_charge(set->work, set->count / NAMES_OF_A_STEP))
        return false; /* the next call reports it */
    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->items[i], op->layer->scope) == 0)
            return true;
    }
    return false;
}

/* Does the list speak of a module's weight? */
static bool ask_module(nncf__placement_scopes *s, const nncf__scope_set *set, const nncf__op *op)
{
    if (set->count == 0)
        return false;
    if (ask(s, set, s->setup->release >= V2_0 ? op->scope : op->module) ||
        is_registered_name(set, op))
        return true;
    return s->setup->release < V1_3 && ask(s, set, op->layer->scope);
}

/* Does the list match a quantizer after an operator, or on a module's input? */
static bool ask_activation(
    nncf__placement_scopes *s, const nncf__scope_set *set, const nncf__op *op, int32_t slot)
{
    if (set->count == 0)
        return false;
    if (slot == NNCF__SLOT_INPUT && op->part != NNCF__PART_INPUT)
        return s->setup->release >= V1_3 ? ask(s, set, "") : ask_module(s, set, op);
    if (s->setup->release >= V1_2)
        return ask(s, set, op->scope) ||
            (op->part == NNCF__PART_CORE && is_registered_name(set, op));
    return ask(s, set, op->module) ||
        (op->part == NNCF__PART_CORE && ask(s, set, op->layer->scope));
}

static bool by_lists(const nncf__placement_scopes *s, bool is_quantization, size_t n_targets,
    bool targeted, bool ignored)
{
    if (is_quantization && s->setup->release >= V1_3 && n_targets > 0)
        return targeted;
    return (n_targets == 0 || targeted) && !ignored;
}

bool nncf__scopes_take_weight(
    nncf__placement_scopes *scopes, const nncf__algorithm_scopes *a, const nncf__op *op)
{
    const nncf__scope_set *l = a->lists;
    const bool quantization = a->algorithm->kind == NNCF__QUANTIZATION;
    if (ask_module(scopes, &scopes->root_ignored, op) ||
        (scopes->root_targets.count > 0 && !ask_module(scopes, &scopes->root_targets, op)))
        return false;
    bool targeted = ask_module(scopes, &l[NNCF__LIST_TARGETS], op);
    bool ignored = ask_module(scopes, &l[NNCF__LIST_IGNORED], op);
    size_t n_targets = l[NNCF__LIST_TARGETS].count;
    if (quantization) {
        targeted = targeted || ask_module(scopes, &l[NNCF__LIST_WEIGHT_TARGETS], op);
        ignored = ignored || ask_module(scopes, &l[NNCF__LIST_WEIGHT_IGNORED], op);
        n_targets += l[NNCF__LIST_WEIGHT_TARGETS].count;
    }
    return by_lists(scopes, quantization, n_targets, targeted, ignored);
}

bool nncf__scopes_take_activation(nncf__placement_scopes *scopes, const nncf__algorithm_scopes *a,
    const nncf__op *op, int32_t slot)
{
    const nncf__scope_set *l = a->lists;
    bool targeted = ask_activation(scopes, &l[NNCF__LIST_TARGETS], op, slot) ||
        ask_activation(scopes, &l[NNCF__LIST_ACTIVATION_TARGETS], op, slot);
    bool ignored = ask_activation(scopes, &l[NNCF__LIST_IGNORED], op, slot) ||
        ask_activation(scopes, &l[NNCF__LIST_ACTIVATION_IGNORED], op, slot);
    return by_lists(scopes, true,
        l[NNCF__LIST_TARGETS].count + l[NNCF__LIST_ACTIVATION_TARGETS].count, targeted, ignored);
}

bool nncf__scopes_ignore(
    nncf__placement_scopes *scopes, const nncf__algorithm_scopes *a, const nncf__op *op)
{
    if (scopes->setup->release < V1_4) /* propagation did not look at them yet */
        return false;
    return !nncf__scopes_take_activation(scopes, a, op, NNCF__SLOT_OUTPUT);
}

/* ---- parameters of one quantizer ---- */

/* Names that overrides and range rules may call a quantizer by: its module, its operator, and
 * NNCF's name for it. */
typedef struct quantizer_names {
    /* NULL: it has none of that kind */
    const char *names[4];
    char id[1300];
} quantizer_names;

static void name_quantizer(quantizer_names *n, const nncf__op *op, int32_t slot)
{
    n->names[0] = op->scope;
    n->names[1] = n->names[2] = n->names[3] = NULL;
    if (slot == NNCF__SLOT_WEIGHT || (slot == NNCF__SLOT_INPUT && op->part != NNCF__PART_INPUT)) {
        snprintf(n->id, sizeof n->id, "%smodule_%s", op->module,
            slot == NNCF__SLOT_WEIGHT ? "weight" : "input");
        n->names[1] = op->module;
        n->names[2] = n->id;
    }
    if (op->part == NNCF__PART_CORE)
        n->names[3] = op->layer->scope;
}

static bool speaks_of(
    nncf__placement_scopes *s, const nncf__scope_set *set, size_t i, const quantizer_names *n)
{
    for (int j = 0; j < 4; j++) {
        if (n->names[j] && is_yes(s, nncf__scope_set_matches_one(set, i, n->names[j]), n->names[0]))
            return true;
    }
    return false;
}

static bool any_speaks_of(
    nncf__placement_scopes *s, const nncf__scope_set *set, const quantizer_names *n)
{
    for (size_t i = 0; i < set->count && !s->too_long; i++) {
        if (speaks_of(s, set, i, n))
            return true;
    }
    return false;
}

static void take_range(nncf__placement_scopes *s, const nncf__algorithm_scopes *a,
    const quantizer_names *names, int32_t group, nncf__quantizer_rule *rule)
{
    const nncf__algorithm *alg = a->algorithm;
    nncf__range_rule *r = &rule->range;
    *r = (nncf__range_rule){
        .kind = NNCF__RANGE_NONE, .n_samples = -1}; /* where no rule fits, no initialization */
    for (size_t i = 0; i < alg->n_ranges && !s->too_long; i++) {
        const nncf__range_rule *candidate = &alg->ranges[i];
        if ((candidate->group != NNCF__GROUP_ANY && candidate->group != group) ||
            (a->range_targets[i].count > 0 && !any_speaks_of(s, &a->range_targets[i], names)) ||
            any_speaks_of(s, &a->range_ignored[i], names))
            continue;
        *r = *candidate;
    }
    if (r->n_steps == 0 || (r->n_steps < 0 && r->n_samples <= 0))
        r->kind = NNCF__RANGE_NONE;
    if (r->kind == NNCF__MIXED_MIN_MAX)
        r->kind = group == NNCF__GROUP_WEIGHTS ? NNCF__MIN_MAX : NNCF__MEAN_MIN_MAX;
}

static int32_t override(const nncf__override *o, nncf__quantizer_params *params)
{
    int32_t given = 0;
    if (o->bits != 0) {
        params->bits = o->bits;
        given |= NNCF__GIVEN_BITS;
    }
    if (o->mode != NNCF__NOT_OVERRIDDEN) {
        params->mode = o->mode;
        given |= NNCF__GIVEN_MODE;
    }
    if (o->sign != NNCF__NOT_OVERRIDDEN) {
        params->sign = o->sign;
        given |= NNCF__GIVEN_SIGN;
    }
    if (o->per_channel != NNCF__NOT_OVERRIDDEN) {
        params->per_channel = o->per_channel;
        given |= NNCF__GIVEN_PER_CHANNEL;
    }
    if (o->group_size != NNCF__NOT_OVERRIDDEN)
        params->group_size = o->group_size;
    return given;
}

/* An output of an operator is also what stands between a sum and its activation. */
static bool fits_place(const nncf__override *o, int32_t slot)
{
    static const int32_t slots[] = {[NNCF__PLACE_WEIGHT] = NNCF__SLOT_WEIGHT,
        [NNCF__PLACE_INPUT] = NNCF__SLOT_INPUT,
        [NNCF__PLACE_OUTPUT] = NNCF__SLOT_OUTPUT,
        [NNCF__PLACE_PRE_ACTIVATION] = NNCF__SLOT_PRE_ACTIVATION};
    return o->place == NNCF__PLACE_ANY || slots[o->place] == slot ||
        (o->place == NNCF__PLACE_OUTPUT && slot == NNCF__SLOT_PRE_ACTIVATION);
}

/* A registered layer and the place in it. */
static bool is_there(const nncf__override *o, const nncf__op *op, int32_t slot)
{
    return o->place != NNCF__PLACE_ANY && strcmp(o->scope, op->layer->scope) == 0 &&
        !(o->place == NNCF__PLACE_OUTPUT && slot == NNCF__SLOT_PRE_ACTIVATION);
}

int32_t nncf__scopes_rule(nncf__placement_scopes *scopes, const nncf__algorithm_scopes *a,
    const nncf__op *op, int32_t slot, nncf__quantizer_rule *rule)
{
    const nncf__algorithm *alg = a->algorithm;
    const int32_t group =
        slot == NNCF__SLOT_WEIGHT && op->is_module ? NNCF__GROUP_WEIGHTS : NNCF__GROUP_ACTIVATIONS;
    int32_t given = group == NNCF__GROUP_WEIGHTS ? alg->weights_given : alg->activations_given;
    if (group == NNCF__GROUP_ACTIVATIONS &&
        alg->preset == NNCF__PRESET_MIXED) /* says the mode of activations */
        given |= NNCF__GIVEN_MODE;
    *rule = (nncf__quantizer_rule){
        .params = group == NNCF__GROUP_WEIGHTS ? alg->weights : alg->activations,
        .override_index = -1};
    quantizer_names names;
    name_quantizer(&names, op, slot);
    for (size_t i = 0; i < alg->n_overrides && !scopes->too_long; i++) {
        const nncf__override *o = &alg->overrides[i];
        if ((o->group != NNCF__GROUP_ANY && o->group != group) || !fits_place(o, slot) ||
            (!speaks_of(scopes, &a->lists[NNCF__LIST_OVERRIDES], i, &names) &&
                !is_there(o, op, slot)))
            continue;
        rule->override_index = (int64_t)i;
        given |= override(o, &rule->params);
        rule->bits_overridden = rule->bits_overridden || o->bits > 0;
    }
    if (group != NNCF__GROUP_WEIGHTS)
        rule->params.group_size = 0;
    take_range(scopes, a, &names, group, rule);
    return given;
}

/* ---- patterns that match nothing ---- */

typedef struct check {
    nncf__placement_scopes *scopes;
    const nncf__op_graph *graph;
    const nncf_model *model;
    size_t found;
    char first[160];
} check;

/* Note which patterns mean this operator, its module, or a quantizer of either. What is not
 * answered counts as a match: the caller looks at the budget. */
static void note_matches(const nncf__scope_set *set, const nncf__op *op, bool *matched)
{
    quantizer_names weight, input;
    name_quantizer(&weight, op, NNCF__SLOT_WEIGHT);
    name_quantizer(&input, op, NNCF__SLOT_INPUT);
    const char *const names[] = {
        op->scope, op->module, weight.names[2], input.names[2], weight.names[3]};
    const size_t count = set->exact ? 1 : sizeof names / sizeof *names;
    for (size_t i = 0; i < set->count; i++) {
        if (!matched[i] && set->items[i][0] != 0)
            matched[i] = strcmp(set->items[i], op->layer->scope) == 0;
        for (size_t k = 0; k < count && !matched[i] && set->items[i][0] != 0; k++)
            matched[i] = names[k] && nncf__scope_set_matches_one(set, i, names[k]) != 0;
    }
}

/* A line for each pattern, up to a number; and what is nearest for the first ones, since to find
 * that takes time in proportion to the number of layers. */
static void report_pattern(check *c, const nncf__scope_set *set, size_t i, const char *where)
{
    enum { MOST_LINES = 64, MOST_NEAREST = 16 };
    const bool strict = c->scopes->setup->scope_check == NNCF__SCOPES_STRICT;
    const nncf_layer *nearest =
        c->found < MOST_NEAREST ? nncf__model_nearest(c->model, set->items[i]) : NULL;
    if (c->found == 0)
        snprintf(c->first, sizeof c->first, "\"%.60s\"%s%.70s%s", set->items[i],
            nearest ? " (nearest: \"" : "", nearest ? nearest->scope : "", nearest ? "\")" : "");
    if (c->found++ < MOST_LINES)
        nncf__log(c->scopes->context, strict ? NNCF_LOG_ERROR : NNCF_LOG_WARNING,
            "%s[%zu]: \"%s\" matches no registered layer%s%s%s", where, i, set->items[i],
            nearest ? "; the nearest scope is \"" : "", nearest ? nearest->scope : "",
            nearest ? "\"" : "");
    else if (c->found == MOST_LINES + 1)
        nncf__log(c->scopes->context, strict ? NNCF_LOG_ERROR : NNCF_LOG_WARNING,
            "%s[%zu]: \"%s\" and perhaps more match no registered layer; only the first %d are "
            "named",
            where, i, set->items[i], MOST_LINES);
}

static nncf_status check_list(check *c, const nncf__scope_set *set, const char *where)
{
    if (set->count == 0)
        return NNCF_OK;
    bool *matched = nncf__calloc(c->scopes->context, set->count, sizeof *matched);
    if (!matched)
        return NNCF_E_NOMEM;
    for (size_t j = 0; j < c->graph->count && !nncf__regex_exhausted(set->work); j++)
        note_matches(set, &c->graph->ops[j], matched);
    for (size_t i = 0; i < set->count && !nncf__regex_exhausted(set->work); i++) {
        /* "" is the scope of the model's input */
        if (!matched[i] && !(set->regexes[i] && nncf__scope_set_matches_one(set, i, "") != 0))
            report_pattern(c, set, i, where);
    }
    nncf__free(c->scopes->context, matched);
    return NNCF_OK;
}

/* Could all questions be answered? */
static nncf_status check_answers(const nncf__placement_scopes *scopes, nncf_error *err)
{
    if (scopes->no_memory)
        return nncf__fail(err, NNCF_E_NOMEM, "compression", "no memory for a regular expression");
    if (scopes->too_long)
        return nncf__fail(err, NNCF_E_LIMIT, scopes->too_long,
            "the scope patterns of the config take too long on this model; the time was up at this "
            "scope. "
            "Write regular expressions without nested repeats, or fewer patterns");
    return NNCF_OK;
}

nncf_status nncf__scopes_check(nncf__placement_scopes *scopes, const nncf__op_graph *graph,
    const nncf_model *model, nncf_error *err)
{
    check c = {.scopes = scopes, .graph = graph, .model = model};
    const bool strict = scopes->setup->scope_check == NNCF__SCOPES_STRICT;
    char where[80];
    nncf_status status = check_answers(scopes, err);
    if (status != NNCF_OK || scopes->setup->scope_check == NNCF__SCOPES_OFF)
        return status;
    status = check_list(&c, &scopes->root_ignored, "ignored_scopes");
    if (status == NNCF_OK)
        status = check_list(&c, &scopes->root_targets, "target_scopes");
    for (size_t i = 0; i < scopes->count; i++) {
        for (int j = 0; j < NNCF__LISTS && status == NNCF_OK; j++) {
            snprintf(where, sizeof where, "compression[%zu].%s", i, list_names[j]);
            status = check_list(&c, &scopes->algorithms[i].lists[j], where);
        }
    }
    if (status != NNCF_OK)
        return nncf__fail(err, status, "compression", "no memory for a list of scopes");
    if (nncf__regex_exhausted(scopes->work)) {
        if (strict)
            return nncf__fail(err, NNCF_E_LIMIT, "compression",
                "there are too many scope patterns in the config to see which of them match no "
                "layer; "
                "use fewer, or NNCF_SCOPES_OFF");
        nncf__log(scopes->context, NNCF_LOG_WARNING,
            "compression: there are too many scope patterns to see which of them match no "
            "registered layer");
    }
    if (c.found == 0 || !strict)
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_CONFIG, "compression",
        "%zu scope pattern%s of the config match%s no registered layer; the first is %s; the log "
        "names %s",
        c.found, c.found == 1 ? "" : "s", c.found == 1 ? "es" : "", c.first,
        c.found > 64 ? "64" : "all");
}
