/* SPDX-License-Identifier: Apache-2.0 */
/* Rules between the keys of an algorithm: what is checked across keys, and what depends on the
 * dialect. */
#include "config/read/rules.h"

#include "base/error.h"
#include "base/strings.h"
#include "config/canonical.h"
#include "config/internal.h"
#include "config/json/document.h"
#include "config/read/fields.h"
#include "config/read/overrides.h"
#include "config/read/reader.h"
#include "config/schema/keys.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define OFFSET(member) offsetof(nncf__algorithm, member)

/* A key without effect under this schedule is no error in NNCF, but probably unintended.
 */
static void warn_about_idle_keys(const nncf__reader *r)
{
    const nncf__document *d = &r->config->document;
    size_t count;
    const nncf__key *keys = nncf__config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        if (!r->given[i] || keys[i].schedules == 0 ||
            (keys[i].schedules & 1u << r->algorithm->schedule.kind))
            continue;
        char path[NNCF__PATH_TEXT];
        nncf__source_location place = nncf__config_location(d, d->nodes[r->given[i]].key_offset);
        nncf__log(r->config->context, NNCF_LOG_WARNING,
            "%s:%d:%d: %s: has no effect with this schedule", d->name, (int)place.line,
            (int)place.column, nncf__config_node_path(d, r->given[i], path));
    }
}

static nncf_status check_levels(const nncf__reader *r)
{
    const nncf__schedule_params *p = &r->algorithm->schedule;
    uint32_t init = nncf__reader_given(r, OFFSET(schedule.init));
    uint32_t target = nncf__reader_given(r, OFFSET(schedule.target));
    if (p->init <= p->target)
        return NNCF_OK;
    char init_text[NNCF__DOUBLE_TEXT], target_text[NNCF__DOUBLE_TEXT];
    return nncf__reader_fail(r, NNCF_E_CONFIG, init ? init : target, false,
        "sparsity_init %s%s is above sparsity_target %s%s, but the level only rises; lower "
        "sparsity_init or raise sparsity_target",
        nncf__format_double(p->init, init_text), init ? "" : " (the default)",
        nncf__format_double(p->target, target_text), target ? "" : " (the default)");
}

/* NNCF divides by the epoch of arrival; from 1.4 on not where it is 0. */
static nncf_status check_arrival(const nncf__reader *r)
{
    const nncf__schedule_params *p = &r->algorithm->schedule;
    uint32_t steps = nncf__reader_given(r, OFFSET(schedule.steps));
    if (p->kind == NNCF__ADAPTIVE || p->steps > 0 || r->config->setup.release >= 10400)
        return NNCF_OK;
    return nncf__reader_fail(r, NNCF_E_CONFIG, steps, false,
        "found 0; allowed: a number greater than 0, or from NNCF 1.4 on (nncf_dialect) 0 for the "
        "final level from the start");
}

static nncf_status check_multistep(nncf__reader *r)
{
    nncf__schedule_params *p = &r->algorithm->schedule;
    uint32_t steps = nncf__reader_given(r, OFFSET(schedule.multistep_steps));
    uint32_t levels = nncf__reader_given(r, OFFSET(schedule.multistep_levels));
    if (p->n_levels != p->n_multistep + 1) {
        uint32_t node = levels ? levels : steps;
        return nncf__reader_fail(r, NNCF_E_CONFIG, node, false,
            "%zu level%s%s for %zu step%s%s; there must be %zu, one for the time before the first "
            "step and one from each step on",
            p->n_levels, p->n_levels == 1 ? "" : "s", levels ? "" : " (the default)",
            p->n_multistep, p->n_multistep == 1 ? "" : "s", steps ? "" : " (the default)",
            p->n_multistep + 1);
    }
    if (p->n_multistep == 0)
        return NNCF_OK;
    /* NNCF sorts the steps, and not the levels with them. Insertion sort: lists are short and
     * mostly sorted. Before 1.4 the level of epoch 0 was the first, whatever the steps. */
    const double earliest = r->config->setup.release < 10400 ? 1 : 0;
    double *sorted = nncf__config_arena_alloc(r->config, p->n_multistep * sizeof(*sorted));
    if (!sorted)
        return nncf__fail(r->err, NNCF_E_NOMEM, r->config->document.name, "out of memory");
    for (size_t i = 0; i < p->n_multistep; i++) {
        const double step = p->multistep_steps[i] > earliest ? p->multistep_steps[i] : earliest;
        size_t j = i;
        for (; j > 0 && sorted[j - 1] > step; j--)
            sorted[j] = sorted[j - 1];
        sorted[j] = step;
    }
    p->multistep_steps = sorted;
    return NNCF_OK;
}

/* ---- sparsity ---- */

/* Keys of another structure are no error: a warning, as of keys of another schedule. */
static void warn_about_structure_keys(const nncf__reader *r)
{
    const nncf__structure *p = &r->algorithm->structure;
    const struct {
        size_t offset;
        int32_t kind;
    } keys[] = {{OFFSET(structure.block_size), NNCF__BLOCKS}, {OFFSET(structure.n), NNCF__N_OF_M},
        {OFFSET(structure.m), NNCF__N_OF_M}};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const uint32_t node = nncf__reader_given(r, keys[i].offset);
        char path[NNCF__PATH_TEXT];
        if (!node || p->kind == keys[i].kind)
            continue;
        const nncf__document *d = &r->config->document;
        const nncf__source_location place = nncf__config_location(d, d->nodes[node].key_offset);
        nncf__log(r->config->context, NNCF_LOG_WARNING,
            "%s:%d:%d: %s: has no effect with this structure", d->name, (int)place.line,
            (int)place.column, nncf__config_node_path(d, node, path));
    }
}

/* The highest level of the schedule. */
static double highest_level(const nncf__schedule_params *p)
{
    double highest = p->target;
    if (p->kind != NNCF__MULTISTEP)
        return highest;
    highest = 0;
    for (size_t i = 0; i < p->n_levels; i++)
        highest = fmax(highest, p->multistep_levels[i]);
    return highest;
}

static nncf_status check_structure(const nncf__reader *r)
{
    const nncf__structure *p = &r->algorithm->structure;
    const nncf__schedule_params *schedule = &r->algorithm->schedule;
    char level[NNCF__DOUBLE_TEXT];
    warn_about_structure_keys(r);
    if (p->kind != NNCF__N_OF_M)
        return NNCF_OK;
    const uint32_t n = nncf__reader_given(r, OFFSET(structure.n)),
                   m = nncf__reader_given(r, OFFSET(structure.m));
    if (p->n >= p->m)
        return nncf__reader_fail(r, NNCF_E_CONFIG, n ? n : m, false,
            "n is %d%s and m is %d%s; fewer weights must be kept than a group has", (int)p->n,
            n ? "" : " (the default)", (int)p->m, m ? "" : " (the default)");
    const double highest = highest_level(schedule), most = 1 - (double)p->n / (double)p->m;
    const size_t offset = schedule->kind == NNCF__MULTISTEP ? OFFSET(schedule.multistep_levels)
                                                            : OFFSET(schedule.target);
    const uint32_t target = nncf__reader_given(r, offset);
    if (highest > most + NNCF__LEVEL_SLACK)
        return nncf__reader_fail(r, NNCF_E_CONFIG,
            target ? target : nncf__reader_given(r, OFFSET(structure.kind)), false,
            "the level %s%s is above 1 - n / m: of %d weights %d are always kept; lower it, or n",
            nncf__format_double(highest, level), target ? "" : " (the default)", (int)p->m,
            (int)p->n);
    return NNCF_OK;
}

/* Up to 1.3 the level approaches the target as x^power; 1.4 to 1.6 have `concave` for that, and
 * from 1.7 on the word means the opposite. */
static void resolve_curve(const nncf__reader *r)
{
    nncf__algorithm *a = r->algorithm;
    bool rises_late =
        a->concave == -1 || (r->config->setup.release < 10700 ? a->concave == 1 : a->concave == 0);
    a->schedule.curve = rises_late ? NNCF__CURVE_EASE_IN : NNCF__CURVE_EASE_OUT;
}

/* ---- initializers ---- */

/* Adaptation of running statistics: before 1.6 only if the config requests it; later quantization
 * has 2000 samples by default. */
static void resolve_adaptation(const nncf__reader *r)
{
    nncf__algorithm *a = r->algorithm;
    int32_t release = r->config->setup.release;
    uint32_t section = nncf__reader_given_at(r, "initializer.batchnorm_adaptation");
    bool has_steps = nncf__reader_given(r, OFFSET(bn_adaptation_steps)) != 0;
    bool has_samples = nncf__reader_given(r, OFFSET(bn_adaptation_samples)) != 0;
    bool is_empty = !section || r->config->document.nodes[section].count == 0;
    if (has_samples) {
        a->bn_adaptation_steps = -1;
    } else if (!has_steps && release >= 10600 && a->kind == NNCF__QUANTIZATION &&
        (is_empty || release >= 20000)) {
        a->bn_adaptation_samples = 2000;
        a->bn_adaptation_steps = -1;
        if (release < 20000)
            a->bn_forget_samples = 1000;
    }
    if (has_steps && section && !nncf__reader_given(r, OFFSET(bn_forget_steps)) && release < 10600)
        a->bn_forget_steps = 5;
}

/* The one rule of 1.0 to 1.2: without the section, and with num_init_steps 0, there is no
 * initialization. */
static nncf_status resolve_legacy_rule(nncf__reader *r)
{
    nncf__algorithm *a = r->algorithm;
    nncf__range_rule *rule = nncf__reader_add_rule(r, NULL);
    if (!rule)
        return nncf__reader_no_memory(r);
    nncf__read_rule_defaults(r, rule);
    if (!r->has_initializer)
        a->num_init_steps = 0;
    rule->n_steps = a->num_init_steps;
    rule->n_samples = -1;
    rule->kind = a->num_init_steps > 0 ? a->range_kind : NNCF__RANGE_NONE;
    r->source->legacy_rule = true;
    return NNCF_OK;
}

/* The keys of 1.0 to 1.2 in a dialect that has `range`: the rest of the rule has the defaults of
 * that dialect. */
static nncf_status translate_legacy_rule(nncf__reader *r, uint32_t steps, uint32_t type)
{
    nncf__algorithm *a = r->algorithm;
    uint32_t *given;
    nncf__range_rule *rule = nncf__reader_add_rule(r, &given);
    if (!rule)
        return nncf__reader_no_memory(r);
    size_t count;
    const nncf__key *keys = nncf__config_keys(&count);
    nncf__read_rule_defaults(r, rule);
    if (steps) {
        rule->n_steps = a->num_init_steps;
        rule->n_samples = -1;
        given[nncf__config_key(a->kind, "initializer.range.num_init_steps") - keys] = steps;
    }
    if (type) {
        rule->kind = a->range_kind;
        given[nncf__config_key(a->kind, "initializer.range.type") - keys] = type;
    }
    return NNCF_OK;
}

static nncf_status resolve_ranges(nncf__reader *r)
{
    int32_t release = r->config->setup.release;
    uint32_t steps = nncf__reader_given_at(r, "initializer.num_init_steps"),
             type = nncf__reader_given_at(r, "initializer.type");
    r->has_initializer = nncf__reader_given_at(r, "initializer") != 0;
    if (r->has_range) {
        if (steps || type)
            return nncf__reader_fail(r, NNCF_E_CONFIG, steps ? steps : type, true,
                "says the same as initializer.range; keep one of the two");
        return NNCF_OK;
    }
    if (release < 10300)
        return resolve_legacy_rule(r);
    if (steps || type)
        return translate_legacy_rule(r, steps, type);
    if (r->has_initializer && release >= 10301 && release < 10500)
        return NNCF_OK; /* these releases ignore an initializer without a range */
    nncf__range_rule *rule = nncf__reader_add_rule(r, NULL);
    if (!rule)
        return nncf__reader_no_memory(r);
    nncf__read_rule_defaults(r, rule);
    return NNCF_OK;
}

/* Set the fields that summarize all rules: the number of batches and a kind.
 */
static void summarize_ranges(const nncf__reader *r)
{
    nncf__algorithm *a = r->algorithm;
    const int64_t batch = nncf__config_batch_size(r->config);
    if (r->source->legacy_rule) {
        a->range_kind = r->rules[0].kind;
        return;
    }
    a->range_kind = NNCF__RANGE_NONE;
    a->num_init_steps = 0;
    for (size_t i = 0; i < r->n_rules; i++) {
        nncf__range_rule *rule = &r->rules[i];
        int64_t steps = rule->n_steps >= 0
            ? rule->n_steps
            : rule->n_samples / batch + (rule->n_samples % batch != 0);
        if (steps == 0)
            continue;
        if (a->range_kind == NNCF__RANGE_NONE)
            a->range_kind = rule->kind;
        if (steps > a->num_init_steps)
            a->num_init_steps = steps;
    }
    for (size_t i = 0; i < r->n_rules; i++)
        if (r->rules[i].n_steps == 0 || r->rules[i].n_samples == 0)
            r->rules[i].kind = NNCF__RANGE_NONE;
}

/* ---- quantizers ---- */

static int32_t given_mask(const nncf__reader *r, const char *group)
{
    static const char *const names[] = {"bits", "mode", "signed", "per_channel"};
    size_t count;
    const nncf__key *keys = nncf__config_keys(&count);
    int32_t mask = 0;
    for (int i = 0; i < 4; i++) {
        char path[64];
        snprintf(path, sizeof(path), "%s.%s", group, names[i]);
        const nncf__key *key = nncf__config_key(r->algorithm->kind, path);
        if (r->given[key - keys] || r->source->set_by[key - keys])
            mask |= 1 << i;
    }
    return mask;
}

static void resolve_preset(const nncf__reader *r)
{
    nncf__algorithm *a = r->algorithm;
    size_t count;
    const nncf__key *keys = nncf__config_keys(&count),
                    *mode = nncf__config_key(a->kind, "activations.mode");
    uint32_t preset = nncf__reader_given_at(r, "preset");
    if (a->preset != NNCF__PRESET_MIXED || r->given[mode - keys] || r->source->set_by[mode - keys])
        return;
    a->activations.mode = NNCF__ASYMMETRIC;
    r->source->set_by[mode - keys] = preset;
}

/* Without a type bits are as bitwidth_per_scope has them, as with "manual". */
static nncf_status resolve_precision(nncf__reader *r)
{
    nncf__precision_params *p = &r->algorithm->precision;
    const uint32_t type = nncf__reader_given_at(r, "initializer.precision.type"),
                   bits = nncf__reader_given_at(r, "initializer.precision.bits");
    if (!type)
        p->kind = NNCF__PRECISION_NONE;
    if (p->kind == NNCF__PRECISION_AUTOQ)
        nncf__config_add_unsupported(
            r->config, type, "AutoQ, a learner that evaluates hundreds of networks; use \"hawq\"");
    if (p->kind != NNCF__PRECISION_HAWQ)
        return NNCF_OK;
    if (r->algorithm->kind == NNCF__BINARIZATION)
        nncf__config_add_unsupported(r->config, type, "bit widths of binarization");
    for (size_t i = 0; i < p->n_bits; i++)
        if (!(p->bits[i] >= 2 && p->bits[i] <= 8 && p->bits[i] == floor(p->bits[i])))
            return nncf__reader_fail(r, NNCF_E_CONFIG, bits, false,
                "found %g among the bits; allowed with hawq: integers from 2 to 8", p->bits[i]);
    return NNCF_OK;
}

/* Binarization takes the keys of quantization, and NNCF looks at none of these. */
static void warn_about_quantizer_keys(const nncf__reader *r)
{
    static const char *const sections[] = {"weights", "activations", "initializer.range",
        "initializer.precision", "initializer.num_init_steps", "initializer.type",
        "scope_overrides"};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        const uint32_t node = nncf__reader_given_at(r, sections[i]);
        if (node)
            nncf__config_log_key(r->config, NNCF_LOG_WARNING, node, "has no effect here: ",
                "binarization has one bit, and finds its scale in the first batch");
    }
}

static void warn_about_oscillation_keys(const nncf__reader *r)
{
    const nncf__algorithm *a = r->algorithm;
    const bool damps = a->damping > 0, freezes = a->freezing > 0, moves = a->oscillation_epochs > 0;
    const struct {
        uint32_t given;
        bool has_effect;
        const char *why;
    } keys[] = {{nncf__reader_given(r, OFFSET(freezing_momentum)), freezes,
                    "weights.oscillation_freezing, which it belongs to, is 0"},
        {nncf__reader_given(r, OFFSET(freezing_init)), freezes && moves,
            "weights.oscillation_freezing or weights.oscillation_epochs, which it belongs to, "
            "is 0"},
        {nncf__reader_given(r, OFFSET(damping_init)), damps && moves,
            "weights.oscillation_damping or weights.oscillation_epochs, which it belongs to, is 0"},
        {nncf__reader_given(r, OFFSET(oscillation_epochs)), damps || freezes || !moves,
            "weights.oscillation_damping and weights.oscillation_freezing, which it belongs to, "
            "are 0"}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (keys[i].given && !keys[i].has_effect)
            nncf__config_log_key(
                r->config, NNCF_LOG_WARNING, keys[i].given, "has no effect here: ", keys[i].why);
}

static nncf_status resolve_quantization(nncf__reader *r)
{
    nncf__algorithm *a = r->algorithm;
    nncf_status status = resolve_ranges(r);
    r->source->n_rules = r->n_rules;
    if (status == NNCF_OK)
        status = nncf__config_read_overrides(r);
    if (status != NNCF_OK)
        return status;
    summarize_ranges(r);
    resolve_preset(r);
    a->weights_given = given_mask(r, "weights");
    a->activations_given = given_mask(r, "activations");
    a->ranges = r->rules;
    a->n_ranges = r->n_rules;
    a->overrides = r->overrides;
    a->n_overrides = r->n_overrides;
    /* {} is no stage, as in NNCF */
    const uint32_t params = nncf__reader_given_at(r, "params");
    a->stages.staged = params && r->config->document.nodes[params].count > 0;
    status = resolve_precision(r);
    if (status != NNCF_OK)
        return status;
    if (a->kind == NNCF__BINARIZATION) { /* always in stages; keys of quantizers are idle */
        a->stages.staged = 1;
        warn_about_quantizer_keys(r);
        return NNCF_OK;
    }
    uint32_t overflow = nncf__reader_given(r, OFFSET(overflow_fix));
    if (overflow && a->overflow_fix != NNCF__OVERFLOW_DISABLE)
        nncf__config_log_key(r->config, NNCF_LOG_WARNING, overflow,
            "has no effect here: ", "weights use all their codes, as with \"disable\"");
    warn_about_oscillation_keys(r);
    return NNCF_OK;
}

/* NNCF refuses both, too. */
static nncf_status check_distillation(const nncf__reader *r)
{
    const nncf__distillation_params *p = &r->algorithm->distillation;
    const uint32_t temperature = nncf__reader_given(r, OFFSET(distillation.temperature));
    if (p->type < 0)
        return nncf__reader_fail(
            r, NNCF_E_CONFIG, r->source->node, false, "\"type\" is missing; allowed: mse, softmax");
    if (p->type == NNCF__DISTILL_MSE && temperature)
        return nncf__reader_fail(r, NNCF_E_CONFIG, temperature, true,
            "the loss mse has no temperature; remove it, or set \"type\" to softmax");
    return NNCF_OK;
}

/* ---- pruning ---- */

static nncf_status resolve_pruning(const nncf__reader *r)
{
    nncf__pruning_params *p = &r->algorithm->pruning;
    const bool by_flops = p->flops_target >= 0;
    const double final = by_flops ? p->flops_target : p->target;
    uint32_t init = nncf__reader_given(r, OFFSET(pruning.init)),
             target = nncf__reader_given(r, OFFSET(pruning.target)),
             flops = nncf__reader_given(r, OFFSET(pruning.flops_target)),
             ranking = nncf__reader_given(r, OFFSET(pruning.ranking));
    p->counts_from_zero = r->config->setup.release >= 10700;
    if (target && flops)
        return nncf__reader_fail(r, NNCF_E_CONFIG, flops, true,
            "pruning_target and pruning_flops_target exclude each other; keep one of the two");
    if (p->init > final)
        return nncf__reader_fail(r, NNCF_E_CONFIG, init, false,
            "pruning_init %g is above the target %g, but the level only rises; lower it", p->init,
            final);
    /* a curve with three quarters of the way after an eighth of the time: 1808.07471, section 3 */
    if (p->schedule == NNCF__PRUNING_WITH_BIAS && final > 0 && !(p->init < final * 5 / 7))
        return nncf__reader_fail(r, NNCF_E_CONFIG, init, false,
            "exponential_with_bias passes 3/4 of the target %g after 1/8 of the epochs, and with "
            "pruning_init %g there is no such curve; it must be below %g, or take \"exponential\"",
            final, p->init, final * 5 / 7);
    if (ranking && p->ranking != 0)
        nncf__config_add_unsupported(r->config, ranking,
            "learned ranking of filters, which trains the model many times; \"unweighted_ranking\" "
            "is there");
    return NNCF_OK;
}

nncf_status nncf__config_check_rules(nncf__reader *r)
{
    nncf__algorithm *a = r->algorithm;
    nncf_status status = NNCF_OK;
    switch (a->kind) {
    case NNCF__RB_SPARSITY:
    case NNCF__MAGNITUDE_SPARSITY:
        status = a->schedule.kind == NNCF__MULTISTEP ? check_multistep(r) : check_levels(r);
        if (status == NNCF_OK && a->schedule.kind != NNCF__MULTISTEP)
            status = check_arrival(r);
        if (status == NNCF_OK && a->kind == NNCF__MAGNITUDE_SPARSITY)
            status = check_structure(r);
        if (status == NNCF_OK) {
            resolve_curve(r);
            warn_about_idle_keys(r);
        }
        break;
    case NNCF__QUANTIZATION:
    case NNCF__BINARIZATION:
        status = resolve_quantization(r);
        break;
    case NNCF__DISTILLATION: /* without the keys that follow */
        return check_distillation(r);
    case NNCF__FILTER_PRUNING:
        status = resolve_pruning(r);
        break;
    default:
        break;
    }
    if (status != NNCF_OK)
        return status;
    resolve_adaptation(r);
    if (!nncf__reader_given(r, OFFSET(lr_multiplier)))
        a->lr_multiplier = r->config->setup.lr_multiplier;
    return NNCF_OK;
}
