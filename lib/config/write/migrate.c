/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A config in the words of NNCF 2.17. What other releases take for granted is written out, so that
 * the later defaults do not change the meaning; what 2.17 has no words for becomes a comment.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/strings.h"
#include "base/text.h"
#include "config/canonical.h"
#include "config/internal.h"
#include "config/json/document.h"
#include "config/schema/keys.h"
#include "config/write/writer.h"

#include <nncf/base.h>
#include <nncf/config.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { MAX_PAIRS = 64 };

/* A key of one algorithm: where 2.17 has it, and its value as JSON. */
typedef struct pair {
    const char *path;
    nncf__text value;
} pair;

typedef struct migration {
    const nncf_config *config;
    /* the comments at the top */
    nncf__text *notes;
    /* values that have no place: counted only */
    nncf__text dropped;
    pair pairs[MAX_PAIRS];
    size_t n_pairs;
    /* samples of a batch */
    int64_t batch;
    /* no memory */
    bool failed;
} migration;

static void note(migration *m, const char *path, const char *text)
{
    nncf__text_printf(m->notes, "// %s: %s\n", path, text);
}

/* A scope may hold line breaks, with which a comment would end. */
static void note_scope(migration *m, const char *scope, const char *text)
{
    nncf__text_append(m->notes, "// ", 3);
    nncf__text_json_string(m->notes, scope);
    nncf__text_printf(m->notes, ": %s\n", text);
}

/* A writer for the value of a new pair. Several keys may have become one. */
static nncf__writer add_pair(migration *m, const char *path)
{
    nncf__writer w = {.text = &m->dropped};
    bool is_taken = false;
    for (size_t i = 0; i < m->n_pairs; i++)
        is_taken |= strcmp(m->pairs[i].path, path) == 0;
    if (is_taken) {
        note(m, path, "stands for several keys; only the first is kept");
    } else if (m->n_pairs < MAX_PAIRS) { /* never reached: no algorithm has that many keys */
        pair *p = &m->pairs[m->n_pairs++];
        *p = (pair){.path = path, .value = {.context = m->config->context}};
        w.text = &p->value;
    }
    return w;
}

/* ---- scopes ---- */

/* Classes that NNCF wraps under a name of its own. */
static bool is_wrapped_class(const char *element, size_t length)
{
    static const char *const names[] = {"Conv1d", "Conv2d", "Conv3d", "Linear", "ConvTranspose2d",
        "ConvTranspose3d", "Embedding", "EmbeddingBag"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == length && memcmp(names[i], element, length) == 0)
            return true;
    return false;
}

/*
 * Until 1.7 a pattern matched where its elements stood at the beginning of a scope, or of a scope
 * with leading elements dropped, whose new first element lost its [field]. As a regular expression:
 * from the beginning of an element, up to the end of one; the first element without brackets may
 * have any.
 */
static void put_pattern(nncf__text *out, const char *scope)
{
    nncf__text_printf(out, "{re}(^|/)");
    for (const char *element = scope; *element;) {
        size_t length = strcspn(element, "/"), class_length = strcspn(element, "[/");
        if (is_wrapped_class(element, class_length))
            nncf__text_printf(out, "(NNCF)?");
        for (size_t i = 0; i < length; i++) {
            if (!isalnum((unsigned char)element[i]) && element[i] != '_' &&
                (unsigned char)element[i] < 0x80)
                nncf__text_append(out, "\\", 1);
            nncf__text_append(out, element + i, 1);
        }
        if (element == scope && class_length == length)
            nncf__text_printf(out, "(\\[[^]]*\\])?");
        element += length;
        if (*element == '/') {
            nncf__text_append(out, "/", 1);
            element++;
        }
    }
    nncf__text_printf(out, "(/|$)");
}

static void put_scope(nncf__writer *w, migration *m, const char *scope)
{
    char pattern[NNCF__MAX_CONFIG_STRING + 1];
    const bool is_expression =
        m->config->setup.release >= 10200 && strstr(scope, "{re}"); /* plain text before 1.2 */
    if (m->config->setup.scope_rule == NNCF__SCOPES_EXACT || is_expression) {
        nncf__put_string(w, scope);
        return;
    }
    nncf__text out = nncf__text_into(pattern, sizeof(pattern));
    put_pattern(&out, scope);
    if (out.length < sizeof(pattern)) {
        nncf__put_string(w, pattern);
        return;
    }
    note_scope(m, scope,
        "is too long for a regular expression; it is copied, and matches a whole name only");
    nncf__put_string(w, scope);
}

static void put_scopes(nncf__writer *w, migration *m, const nncf__strings *scopes)
{
    nncf__put_open(w, "[");
    for (size_t i = 0; i < scopes->count; i++) {
        nncf__put_item(w, NULL);
        put_scope(w, m, scopes->items[i]);
    }
    nncf__put_close(w, "]");
}

static void add_scopes(migration *m, const char *path, const nncf__strings *scopes)
{
    if (scopes->count == 0)
        return;
    nncf__writer w = add_pair(m, path);
    put_scopes(&w, m, scopes);
}

/* ---- one value each ---- */

static void add_word(migration *m, const char *path, const char *word)
{
    nncf__writer w = add_pair(m, path);
    nncf__put_string(&w, word);
}

static void add_flag(migration *m, const char *path, bool value)
{
    nncf__writer w = add_pair(m, path);
    nncf__put(&w, value ? "true" : "false");
}

static void add_integer(migration *m, const char *path, int64_t value)
{
    nncf__writer w = add_pair(m, path);
    nncf__text_printf(w.text, "%lld", (long long)value);
}

static int64_t samples_of(const migration *m, int64_t steps)
{
    return steps > INT64_MAX / m->batch ? INT64_MAX : steps * m->batch;
}

/* ---- quantization ---- */

static void put_rule(nncf__writer *w, migration *m, const nncf__range_rule *rule, bool with_scopes)
{
    static const char *const kinds[] = {"min_max", "min_max", "mean_min_max", "threesigma",
        "percentile", "mean_percentile", "mixed_min_max", "lsq"};
    static const char *const groups[] = {"", "weights", "activations"};
    int64_t samples = rule->n_steps >= 0 ? samples_of(m, rule->n_steps) : rule->n_samples;
    nncf__put_open(w, "{");
    nncf__put_item(w, "num_init_samples");
    nncf__text_printf(w->text, "%lld", (long long)(rule->kind == NNCF__RANGE_NONE ? 0 : samples));
    nncf__put_item(w, "type");
    nncf__put_string(w, kinds[rule->kind]);
    if (rule->kind == NNCF__PERCENTILE || rule->kind == NNCF__MEAN_PERCENTILE) {
        nncf__put_item(w, "params");
        nncf__put_open(w, "{");
        nncf__put_item(w, "min_percentile");
        nncf__put_double(w, rule->min_percentile);
        nncf__put_item(w, "max_percentile");
        nncf__put_double(w, rule->max_percentile);
        nncf__put_close(w, "}");
    }
    if (with_scopes && rule->target_scopes.count > 0) {
        nncf__put_item(w, "target_scopes");
        put_scopes(w, m, &rule->target_scopes);
    }
    if (with_scopes && rule->ignored_scopes.count > 0) {
        nncf__put_item(w, "ignored_scopes");
        put_scopes(w, m, &rule->ignored_scopes);
    }
    if (with_scopes && rule->group != NNCF__GROUP_ANY) {
        nncf__put_item(w, "target_quantizer_group");
        nncf__put_string(w, groups[rule->group]);
    }
    nncf__put_close(w, "}");
}

static void add_ranges(migration *m, size_t index)
{
    const nncf__algorithm *a = &m->config->algorithms[index];
    size_t n = m->config->sources[index].n_rules;
    nncf__writer w = add_pair(m, "initializer.range");
    const nncf__range_rule none = {.kind = NNCF__RANGE_NONE};
    bool is_single = n == 1 && a->ranges[0].target_scopes.count == 0 &&
        a->ranges[0].ignored_scopes.count == 0 && a->ranges[0].group == NNCF__GROUP_ANY;
    if (n == 0 || is_single) {
        put_rule(&w, m, n == 0 ? &none : &a->ranges[0], false);
        return;
    }
    nncf__put_open(&w, "[");
    for (size_t i = 0; i < n; i++) {
        nncf__put_item(&w, NULL);
        put_rule(&w, m, &a->ranges[i], true);
    }
    nncf__put_close(&w, "]");
}

static void put_override(
    nncf__writer *w, migration *m, const nncf__override *o, const nncf__range_rule *rule)
{
    nncf__put_open(w, "{");
    if (o->bits) {
        nncf__put_item(w, "bits");
        nncf__text_printf(w->text, "%d", (int)o->bits);
    }
    if (o->mode != NNCF__NOT_OVERRIDDEN) {
        nncf__put_item(w, "mode");
        nncf__put_string(w, o->mode == NNCF__ASYMMETRIC ? "asymmetric" : "symmetric");
    }
    if (o->sign != NNCF__NOT_OVERRIDDEN) {
        nncf__put_item(w, "signed");
        nncf__put(w, o->sign == NNCF__SIGNED ? "true" : "false");
    }
    if (o->per_channel != NNCF__NOT_OVERRIDDEN) {
        nncf__put_item(w, "per_channel");
        nncf__put(w, o->per_channel ? "true" : "false");
    }
    if (o->group_size != NNCF__NOT_OVERRIDDEN) {
        nncf__put_item(w, "group_size");
        nncf__text_printf(w->text, "%d", (int)o->group_size);
    }
    if (rule) {
        nncf__put_item(w, "initializer");
        nncf__put_open(w, "{");
        nncf__put_item(w, "range");
        put_rule(w, m, rule, false);
        nncf__put_close(w, "}");
    }
    nncf__put_close(w, "}");
}

/* Scopes that were there already; open addressing, half full at the most. */
typedef struct scope_table {
    const char **slots;
    size_t mask;
} scope_table;

/* Was it there already? */
static bool add_to_table(scope_table *table, const char *scope)
{
    size_t i = (size_t)nncf__hash_text(scope) & table->mask;
    for (; table->slots[i]; i = (i + 1) & table->mask)
        if (strcmp(table->slots[i], scope) == 0)
            return true;
    table->slots[i] = scope;
    return false;
}

/* The rule that belongs to an override; NULL: none. They follow in the same order after the
 * rules of the file, and share the text of the scope. */
static const nncf__range_rule *take_rule(
    const nncf__algorithm *a, const nncf__override *o, size_t *next)
{
    if (*next >= a->n_ranges || a->ranges[*next].target_scopes.items[0] != o->scope)
        return NULL;
    return &a->ranges[(*next)++];
}

/* scope_overrides and the scopes of signs; the bits that are given by hand have a key of their own.
 * An override of 1.x is one of both groups. */
static void add_overrides(migration *m, size_t index, const char *path, int32_t group, size_t count)
{
    const nncf__algorithm *a = &m->config->algorithms[index];
    size_t next_rule = m->config->sources[index].n_rules;
    scope_table table = {.mask = 15};
    nncf__writer w = {0};
    while (table.mask < 2 * count)
        table.mask = 2 * table.mask + 1;
    table.slots =
        count > 0 ? nncf__calloc(m->config->context, table.mask + 1, sizeof(*table.slots)) : NULL;
    if (!table.slots) {
        m->failed |= count > 0;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const nncf__override *o = &a->overrides[i];
        const nncf__range_rule *rule = take_rule(a, o, &next_rule);
        if (o->group != NNCF__GROUP_ANY && o->group != group)
            continue;
        if (add_to_table(&table, o->scope)) {
            note_scope(m, o->scope, "several overrides of one scope; only the first is kept");
            continue;
        }
        if (!w.text) {
            w = add_pair(m, path);
            nncf__put_open(&w, "{");
        }
        nncf__put_item(&w, NULL);
        put_scope(&w, m, o->scope);
        nncf__put(&w, ":");
        put_override(&w, m, o, rule);
    }
    if (w.text)
        nncf__put_close(&w, "}");
    nncf__free(m->config->context, table.slots);
}

static void add_group(migration *m, const char *const paths[6], const nncf__quantizer_params *q,
    int32_t given, const nncf__strings *ignored, const nncf__strings *targets)
{
    const nncf_config *config = m->config;
    bool all =
        config->setup.setup == NNCF__SETUP_PATTERN || config->setup.device == NNCF__DEVICE_NONE;
    if (all || (given & NNCF__GIVEN_BITS))
        add_integer(m, paths[0], q->bits);
    if (all || (given & NNCF__GIVEN_MODE))
        add_word(m, paths[1], q->mode == NNCF__ASYMMETRIC ? "asymmetric" : "symmetric");
    if (q->sign != NNCF__SIGN_AUTO)
        add_flag(m, paths[2], q->sign == NNCF__SIGNED);
    if (all || (given & NNCF__GIVEN_PER_CHANNEL))
        add_flag(m, paths[3], q->per_channel != 0);
    add_scopes(m, paths[4], ignored);
    add_scopes(m, paths[5], targets);
}

static void add_quantization(migration *m, size_t index)
{
    static const char *const weights[] = {"weights.bits", "weights.mode", "weights.signed",
        "weights.per_channel", "weights.ignored_scopes", "weights.target_scopes"};
    static const char *const activations[] = {"activations.bits", "activations.mode",
        "activations.signed", "activations.per_channel", "activations.ignored_scopes",
        "activations.target_scopes"};
    static const char *const fixes[] = {"enable", "disable", "first_layer_only"};
    const nncf__algorithm *a = &m->config->algorithms[index];
    int32_t release = m->config->setup.release;
    size_t by_hand = 0;
    uint32_t bits =
        m->config->sources[index]
            .given[nncf__config_key(a->kind, "initializer.precision.bitwidth_per_scope") -
                nncf__config_keys(&by_hand)];
    by_hand = bits ? m->config->document.nodes[bits].count : 0;
    if (release >= 20100)
        add_word(m, "preset", a->preset == NNCF__PRESET_MIXED ? "mixed" : "performance");
    add_flag(m, "quantize_inputs", a->quantize_inputs != 0);
    add_flag(m, "quantize_outputs", a->quantize_outputs != 0);
    add_word(m, "overflow_fix", release < 10700 ? "disable" : fixes[a->overflow_fix]);
    add_ranges(m, index);
    add_group(m, weights, &a->weights, a->weights_given, &a->weight_ignored_scopes,
        &a->weight_target_scopes);
    if (a->weights.group_size > 0)
        add_integer(m, "weights.group_size", a->weights.group_size);
    add_group(m, activations, &a->activations, a->activations_given, &a->activation_ignored_scopes,
        &a->activation_target_scopes);
    add_overrides(
        m, index, "scope_overrides.weights", NNCF__GROUP_WEIGHTS, a->n_overrides - by_hand);
    add_overrides(
        m, index, "scope_overrides.activations", NNCF__GROUP_ACTIVATIONS, a->n_overrides - by_hand);
    if (by_hand > 0 && release < 20000)
        note(m, "initializer.precision.bitwidth_per_scope",
            "scopes are copied; 2.x names quantizers otherwise");
}

/* ---- sparsity, and what all have ---- */

/* Rows whose values 2.17 takes as they are; the others are added by hand. */
static bool is_plain(const nncf__key *key)
{
    static const char *const by_hand[] = {"algorithm", "ignored_scopes", "target_scopes",
        "params.concave", "compression_lr_multiplier", "validate_scopes"};
    for (size_t i = 0; i < sizeof(by_hand) / sizeof(by_hand[0]); i++)
        if (strcmp(by_hand[i], key->path) == 0)
            return false;
    return strncmp(key->path, "initializer.batchnorm_adaptation", 32) != 0;
}

static void add_rows(migration *m, size_t index)
{
    const nncf__algorithm *a = &m->config->algorithms[index];
    const nncf__key_sources *source = &m->config->sources[index];
    size_t count;
    const nncf__key *keys = nncf__config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        const nncf__key *key = &keys[i];
        bool as_written = (key->flags & NNCF__KEY_AS_WRITTEN) != 0;
        bool is_quantization = a->kind == NNCF__QUANTIZATION;
        if (!nncf__is_shown(m->config, index, i) || !is_plain(key) ||
            (is_quantization && !as_written))
            continue;
        const char *path = key->latest ? key->latest : key->path;
        if (key->type == NNCF__KEY_OVERRIDES || key->type == NNCF__KEY_SIGNS)
            continue; /* add_overrides() */
        if (!*path) {
            note(m, key->path, "has no place in 2.17");
            continue;
        }
        nncf__writer w = add_pair(m, path);
        if (as_written)
            nncf__put_node(&w, &m->config->document, nncf__written_node(m->config, index, i));
        else
            nncf__put_field(&w, a, key);
    }
    for (size_t i = 0; i < count; i++) /* flags that change nothing here do so elsewhere */
        if (source->given[i] && keys[i].no_effect && keys[i].type == NNCF__KEY_FLAG &&
            keys[i].latest)
            note(m, keys[i].path, "has no place in 2.17");
        else if (source->given[i] && keys[i].no_effect && keys[i].type == NNCF__KEY_FLAG) {
            nncf__writer w = add_pair(m, keys[i].path);
            nncf__put_node(&w, &m->config->document, source->given[i]);
        }
}

static void add_common(migration *m, size_t index)
{
    static const char samples[] = "initializer.batchnorm_adaptation.num_bn_adaptation_samples";
    const nncf__algorithm *a = &m->config->algorithms[index];
    if (a->bn_adaptation_steps >= 0 &&
        (a->kind == NNCF__QUANTIZATION || a->bn_adaptation_steps > 0))
        add_integer(m, samples, samples_of(m, a->bn_adaptation_steps));
    else if (a->bn_adaptation_samples >= 0)
        add_integer(m, samples, a->bn_adaptation_samples);
    if (a->bn_forget_steps > 0 || a->bn_forget_samples > 0)
        note(m, "initializer.batchnorm_adaptation", "2.17 forgets no statistics first");
    add_scopes(m, "ignored_scopes", &a->ignored_scopes);
    add_scopes(m, "target_scopes", &a->target_scopes);
    if (m->config->setup.scope_check != NNCF__SCOPES_STRICT &&
        a->ignored_scopes.count + a->target_scopes.count > 0)
        add_flag(m, "validate_scopes", false);
    if (a->lr_multiplier != 1 && a->lr_multiplier != m->config->setup.lr_multiplier) {
        nncf__writer w = add_pair(m, "compression_lr_multiplier");
        nncf__put_double(&w, a->lr_multiplier);
    }
}

/* ---- putting it together ---- */

/* Members at `prefix` ("" or "params."): first the values, then the sections in the order in which
 * they come up. */
static void put_members(nncf__writer *w, const migration *m, const char *prefix)
{
    size_t length = strlen(prefix);
    for (size_t i = 0; i < m->n_pairs; i++) {
        const char *path = m->pairs[i].path;
        if (strncmp(path, prefix, length) != 0 || strchr(path + length, '.'))
            continue;
        nncf__put_item(w, path + length);
        nncf__text_append(w->text, m->pairs[i].value.data ? m->pairs[i].value.data : "null",
            m->pairs[i].value.length);
    }
    for (size_t i = 0; i < m->n_pairs; i++) {
        const char *path = m->pairs[i].path;
        if (strncmp(path, prefix, length) != 0)
            continue;
        const char *dot = strchr(path + length, '.');
        if (!dot)
            continue;
        char section[NNCF__PATH_TEXT], name[NNCF__PATH_TEXT];
        snprintf(section, sizeof(section), "%.*s", (int)(dot + 1 - path), path);
        bool is_done = false;
        for (size_t j = 0; j < i; j++)
            is_done |= strncmp(m->pairs[j].path, section, strlen(section)) == 0;
        if (is_done)
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)(dot - path - (ptrdiff_t)length), path + length);
        nncf__put_item(w, name);
        nncf__put_open(w, "{");
        put_members(w, m, section);
        nncf__put_close(w, "}");
    }
}

static void put_algorithm(nncf__writer *w, migration *m, size_t index)
{
    const nncf__algorithm *a = &m->config->algorithms[index];
    const nncf__key_sources *source = &m->config->sources[index];
    if (a->kind == NNCF__OTHER_ALGORITHM || a->kind == NNCF__BINARIZATION) {
        nncf__put_node(w, &m->config->document, source->node);
        note(m, a->name, "is copied as it is");
        return;
    }
    if (a->kind == NNCF__DISTILLATION) { /* the same since 2.0 */
        nncf__put_node(w, &m->config->document, source->node);
        return;
    }
    m->n_pairs = 0;
    add_word(m, "algorithm", a->name);
    add_rows(m, index);
    if (a->kind == NNCF__QUANTIZATION)
        add_quantization(m, index);
    else if (a->kind != NNCF__CONST_SPARSITY && a->schedule.kind == NNCF__POLYNOMIAL)
        add_flag(m, "params.concave", a->schedule.curve == NNCF__CURVE_EASE_OUT);
    add_common(m, index);
    nncf__put_open(w, "{");
    put_members(w, m, "");
    nncf__put_close(w, "}");
    for (size_t i = 0; i < m->n_pairs; i++) {
        m->failed |= m->pairs[i].value.failed;
        nncf__text_free(&m->pairs[i].value);
    }
}

static void put_device(nncf__writer *w, migration *m)
{
    static const char *const devices[] = {"ANY", "CPU", "GPU", "NPU", "TRIAL"};
    const nncf__config_setup *setup = &m->config->setup;
    uint32_t node = nncf__config_find_key(&m->config->document, 0, "target_device");
    const char *device = devices[setup->device];
    bool has_quantization = false;
    for (size_t i = 0; i < m->config->n_algorithms; i++)
        has_quantization |= m->config->algorithms[i].kind == NNCF__QUANTIZATION;
    if (setup->setup == NNCF__SETUP_PATTERN)
        device = "TRIAL"; /* no device has a say: bits and modes are those of the config */
    if (setup->setup == NNCF__SETUP_PATTERN && has_quantization)
        note(m, "quantization",
            "2.17 has no placement by patterns: activation quantizers may stand elsewhere");
    if (node && strcmp(nncf__value_text(&m->config->document.nodes[node]), "CPU_SPR") == 0)
        device = "CPU_SPR";
    if (m->config->n_algorithms == 0)
        return;
    nncf__put_item(w, "target_device");
    nncf__put_string(w, device);
}

static void put_root(nncf__writer *w, migration *m)
{
    const nncf_config *config = m->config;
    const nncf__document *d = &config->document;
    static const char *const dropped[] = {
        "nncf_dialect", "hw_config_type", "quantizer_setup_type", "target_device"};
    nncf__put_item(w, "nncf_dialect"); /* the keys alone may fit earlier releases too */
    nncf__put_string(w, "2.17");
    for (uint32_t i = d->nodes[0].first_child; i != 0; i = d->nodes[i].next) {
        const char *key = d->nodes[i].key;
        bool is_dropped = false;
        for (size_t k = 0; k < sizeof(dropped) / sizeof(dropped[0]); k++)
            is_dropped |= strcmp(key, dropped[k]) == 0;
        if (is_dropped)
            continue;
        if (i == config->compression) {
            put_device(w, m);
            nncf__put_item(w, key);
            nncf__put_open(w, "[");
            for (size_t k = 0; k < config->n_algorithms; k++) {
                nncf__put_item(w, NULL);
                put_algorithm(w, m, k);
            }
            nncf__put_close(w, "]");
        } else if (strcmp(key, "input_sample_size") == 0 &&
            !nncf__config_find_key(d, 0, "input_info")) {
            nncf__put_item(w, "input_info");
            nncf__put_open(w, "{");
            nncf__put_item(w, "sample_size");
            nncf__put_node(w, d, i);
            nncf__put_close(w, "}");
        } else if (strcmp(key, "ignored_scopes") == 0 || strcmp(key, "target_scopes") == 0) {
            bool ignored = key[0] == 'i';
            nncf__put_item(w, key);
            put_scopes(
                w, m, ignored ? &config->setup.ignored_scopes : &config->setup.target_scopes);
        } else {
            nncf__put_item(w, key);
            nncf__put_node(w, d, i);
        }
    }
}

/* All of the text but the comments. */
static void put_config(migration *m, nncf__text *text)
{
    nncf__writer w = {.text = text, .pretty = true};
    if (!nncf__config_find_key(&m->config->document, 0, "batch_size") &&
        m->config->setup.release < 10600)
        note(m, "batch_size",
            "is not there: a batch is taken for one sample where steps become samples");
    nncf__put_open(&w, "{");
    put_root(&w, m);
    nncf__put_close(&w, "}");
    nncf__put(&w, "\n");
}

/* The comments come first and are known last, so that the text is made twice: once for the comments
 * alone. */
nncf_status nncf_config_migrate(
    const nncf_config *config, char *buffer, size_t capacity, size_t *needed, nncf_error *err)
{
    if (!config)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_config_migrate: config is NULL");
    migration *m = nncf__calloc(config->context, 1, sizeof(*m));
    if (!m)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a text");
    m->config = config;
    m->dropped = nncf__text_into(NULL, 0);
    m->batch = nncf__config_batch_size(config);
    nncf__text notes = {.context = config->context}, counted = nncf__text_into(NULL, 0);
    m->notes = &notes;
    put_config(m, &counted);
    nncf_status status = NNCF_OK;
    if (m->failed || notes.failed) {
        status = nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a text");
    } else {
        nncf__text text = nncf__text_into(buffer, capacity);
        nncf__text_printf(&text, "// NNCF %s, migrated to 2.17\n", config->dialect);
        nncf__text_append(&text, notes.data ? notes.data : "", notes.length);
        m->notes = &m->dropped;
        put_config(m, &text);
        text.failed |= m->failed;
        status = nncf__text_finish(&text, buffer, capacity, needed, err);
    }
    nncf__text_free(&notes);
    nncf__free(config->context, m);
    return status;
}
