/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A document becomes the canonical form, in this order:
 * 1. detect.c determines the dialect;
 * 2. root.c reads NNCF's keys at the root into `config->setup`;
 * 3. for each algorithm, in file order: the name, then defaults of the dialect, then every key
 *    through the table (fields.c, texts.c), then what involves several keys (rules.c, overrides.c).
 * After an error reading continues only where the caller has a `report` callback.
 */
#include "config/read/read.h"

#include "base/regex.h"
#include "config/canonical.h"
#include "config/internal.h"
#include "config/json/document.h"
#include "config/read/detect.h"
#include "config/read/fields.h"
#include "config/read/messages.h"
#include "config/read/overrides.h"
#include "config/read/reader.h"
#include "config/read/root.h"
#include "config/read/rules.h"
#include "config/schema/keys.h"
#include "config/schema/release.h"

#include <nncf/base.h>
#include <nncf/config.h>

#include <string.h>

/* Where a name is not of the dialect: the releases that have it. */
static void explain_release(
    char out[NNCF__EXPLAIN_TEXT], const nncf__algorithm_name *name, int32_t release)
{
    const bool later = name->from > release, earlier = name->to != 0 && name->to < release;
    const int32_t of = later ? name->from : name->to;
    if (later || earlier)
        nncf__explain(
            out, later ? " (%d.%d+)" : " (until %d.%d)", (int)(of / 10000), (int)(of / 100 % 100));
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
        nncf__explain(allowed, "%s\"%s\"", allowed[0] ? ", " : "", names[i].name);
        explain_release(allowed, &names[i], r->config->setup.release);
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

/* No key "algorithm": name a key that looks like a misspelling of it. */
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
    *algorithm = (nncf__algorithm){0}; /* an invalid algorithm may have used the slot */
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
    source->set_by = source->given + NNCF__MAX_KEYS;
    r.given = source->given;
    if (!name->is_supported)
        nncf__config_add_unsupported(config, name_node, "the algorithm");
    nncf__read_defaults(&r);
    if (name->kind != NNCF__OTHER_ALGORITHM) {
        status = nncf__read_members(&r, "", node);
        if (status == NNCF_OK)
            status = nncf__config_check_rules(&r);
        else if (config->report) /* overrides do not depend on the other keys */
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
    /* An algorithm may occur once only, so one slot for each name is enough, and one for an invalid
     * entry. */
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
            config->algorithms[i].kind != NNCF__DISTILLATION &&
            config->algorithms[i].kind != NNCF__OTHER_ALGORITHM)
            config->setup.scope_check = NNCF__SCOPES_OFF;
    nncf__regex_end(config->regexes);
    config->regexes = NULL;
    nncf__config_release_text(config->setup.release, config->dialect);
    if (config->wanted_check >= 0)
        config->setup.scope_check = config->wanted_check;
    return status;
}
