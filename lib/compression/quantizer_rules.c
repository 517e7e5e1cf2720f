/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the config says about one quantizer: is it wanted, with which parameters, its range from what. Lists are each
 * algorithm's own. Later lines win: of overrides member by member, of range rules the whole rule.
 */
#include "compression/compression.h"

/* First release that asks for each quantizer with a list of its group too, and where targets silence ignored lists. */
enum { RELEASE_GROUP_SCOPES = 10300 };

static bool in(const nncf__strings *patterns, const char *scope)
{
    return nncf__scope_matches_any(scope, patterns->items, patterns->count, NULL);
}

bool nncf__algorithm_considers(const nncf__algorithm *algorithm, const char *scope)
{
    return (algorithm->target_scopes.count == 0 || in(&algorithm->target_scopes, scope)) &&
           !in(&algorithm->ignored_scopes, scope);
}

bool nncf__quantizer_wanted(const nncf__algorithm *algorithm, int32_t release, int32_t group, const char *scope)
{
    const nncf__algorithm *a = algorithm;
    const bool weights = group == NNCF__GROUP_WEIGHTS;
    const nncf__strings *target = weights ? &a->weight_target_scopes : &a->activation_target_scopes;
    const nncf__strings *ignored = weights ? &a->weight_ignored_scopes : &a->activation_ignored_scopes;
    if (release < RELEASE_GROUP_SCOPES && target->count == 0 && ignored->count == 0)
        return nncf__algorithm_considers(a, scope);
    if (a->target_scopes.count > 0 || target->count > 0)
        return in(&a->target_scopes, scope) || in(target, scope);
    return !in(&a->ignored_scopes, scope) && !in(ignored, scope);
}

static bool group_fits(int32_t of_rule, int32_t group)
{
    return of_rule == NNCF__GROUP_ANY || of_rule == group;
}

static bool range_fits(const nncf__range_rule *rule, int32_t group, const char *scope)
{
    return group_fits(rule->group, group) && (rule->target_scopes.count == 0 || in(&rule->target_scopes, scope)) &&
           !in(&rule->ignored_scopes, scope);
}

static void take_range(const nncf__algorithm *a, int32_t group, const char *scope, nncf__quantizer_rule *rule)
{
    rule->range = (nncf__range_rule){.kind = a->range_kind, .n_steps = a->num_init_steps, .n_samples = -1};
    if (a->n_ranges > 0) /* where no rule fits there is no initialization */
        rule->range = (nncf__range_rule){.kind = NNCF__RANGE_NONE, .n_samples = -1};
    for (size_t i = 0; i < a->n_ranges; i++) {
        if (range_fits(&a->ranges[i], group, scope)) {
            rule->range = a->ranges[i];
            rule->range_index = (int64_t)i;
        }
    }
    nncf__range_rule *r = &rule->range;
    if (r->n_steps == 0 || (r->n_steps < 0 && r->n_samples <= 0))
        r->kind = NNCF__RANGE_NONE;
    if (r->kind == NNCF__MIXED_MIN_MAX)
        r->kind = group == NNCF__GROUP_WEIGHTS ? NNCF__MIN_MAX : NNCF__MEAN_MIN_MAX;
}

void nncf__quantizer_rule_of(const nncf__algorithm *algorithm, int32_t group, const char *scope,
                             nncf__quantizer_rule *rule)
{
    const nncf__algorithm *a = algorithm;
    *rule = (nncf__quantizer_rule){
        .params = group == NNCF__GROUP_WEIGHTS ? a->weights : a->activations, .override_index = -1, .range_index = -1};
    for (size_t i = 0; i < a->n_overrides; i++) {
        const nncf__override *o = &a->overrides[i];
        if (!group_fits(o->group, group) || !nncf__scope_matches_any(scope, &o->scope, 1, NULL))
            continue;
        rule->override_index = (int64_t)i;
        if (o->bits != 0)
            rule->params.bits = o->bits;
        if (o->mode != NNCF__NOT_OVERRIDDEN)
            rule->params.mode = o->mode;
        if (o->sign != NNCF__NOT_OVERRIDDEN)
            rule->params.sign = o->sign;
        if (o->per_channel != NNCF__NOT_OVERRIDDEN)
            rule->params.per_channel = o->per_channel;
    }
    take_range(a, group, scope, rule);
}
