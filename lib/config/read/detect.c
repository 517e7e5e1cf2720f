/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which release a config was written for. Each key has a first and a last release; the dialect is
 * the oldest release that has all the keys, but at least 1.1 if 1.1 has them.
 */
#include "config/read/detect.h"

#include "config/canonical.h"
#include "config/internal.h"
#include "config/json/document.h"
#include "config/read/messages.h"
#include "config/read/overrides.h"
#include "config/read/reader.h"
#include "config/schema/keys.h"
#include "config/schema/release.h"

#include <nncf/base.h>
#include <nncf/config.h>
#include <nncf/context.h>

#include <stdio.h>
#include <string.h>

/* ---- what the keys imply ---- */

typedef struct evidence {
    const nncf_config *config;
    /* of the algorithm */
    int32_t kind;
    int32_t lowest, highest;
    uint32_t lowest_node, highest_node;
} evidence;

static void consider(evidence *e, int32_t from, int32_t to, uint32_t node)
{
    if (from > e->lowest) {
        e->lowest = from;
        e->lowest_node = node;
    }
    if (to != 0 && to < e->highest) {
        e->highest = to;
        e->highest_node = node;
    }
}

static bool is_operator(const char *element)
{
    static const char *const names[] = {
        "conv1d_", "conv2d_", "conv3d_", "linear_", "batch_norm_", "conv_transpose2d_"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t length = strlen(names[i]);
        if (strncmp(element, names[i], length) == 0 && element[length] != '\0' &&
            element[length + strspn(element + length, "0123456789")] == '\0')
            return true;
    }
    return false;
}

/* Regular expressions exist from 1.2 on. Only 2.0 and later name a convolution as an operator
 * inside of its wrapped module. */
static void consider_scope(evidence *e, uint32_t node)
{
    const nncf__node *n = &e->config->document.nodes[node];
    if (n->type != NNCF_CONFIG_STRING)
        return;
    if (strstr(nncf__value_text(n), "{re}"))
        consider(e, 10200, 0, node);
    const char *last = strrchr(nncf__value_text(n), '/');
    if (last && strstr(nncf__value_text(n), "/NNCF") && is_operator(last + 1))
        consider(e, 20000, 0, node);
}

static void consider_word(evidence *e, const nncf__key *key, uint32_t node)
{
    const nncf__node *n = &e->config->document.nodes[node];
    if (n->type != NNCF_CONFIG_STRING || !key->words_from)
        return;
    const int32_t word = nncf__config_word_index(key->words, nncf__value_text(n));
    if (word >= 0)
        consider(e, key->words_from[word], 0, node);
}

static void consider_members(evidence *e, const char *section, uint32_t object);

static void consider_value(evidence *e, const nncf__key *key, uint32_t node)
{
    const nncf__document *d = &e->config->document;
    const nncf__node *n = &d->nodes[node];
    bool is_array = n->type == NNCF_CONFIG_ARRAY, is_object = n->type == NNCF_CONFIG_OBJECT;
    consider(e, key->from, key->to, node);
    switch (key->type) {
    case NNCF__KEY_WORD:
        consider_word(e, key, node);
        break;
    case NNCF__KEY_SCOPES:
        consider_scope(e, node);
        for (uint32_t i = is_array ? n->first_child : 0; i != 0; i = d->nodes[i].next)
            consider_scope(e, i);
        break;
    case NNCF__KEY_SECTION:
        if (is_object)
            consider_members(e, key->path, node);
        break;
    case NNCF__KEY_RANGES:
        if (is_object)
            consider_members(e, key->path, node);
        for (uint32_t i = is_array ? n->first_child : 0; i != 0; i = d->nodes[i].next) {
            consider(e, 10500, 0, i);
            if (d->nodes[i].type == NNCF_CONFIG_OBJECT)
                consider_members(e, key->path, i);
        }
        break;
    case NNCF__KEY_OVERRIDES:
        for (uint32_t i = is_object ? n->first_child : 0; i != 0; i = d->nodes[i].next) {
            if (nncf__is_override_group(d, i))
                consider(e, 20000, 0, i);
            else
                consider(e, 10200, 10799, i);
        }
        break;
    default:
        break;
    }
}

static void consider_members(evidence *e, const char *section, uint32_t object)
{
    const nncf__document *d = &e->config->document;
    char path[128];
    for (uint32_t i = d->nodes[object].first_child; i != 0; i = d->nodes[i].next) {
        if (snprintf(path, sizeof(path), "%s%s%s", section, *section ? "." : "", d->nodes[i].key) >=
            (int)sizeof(path))
            continue;
        const nncf__key *key = nncf__config_key(e->kind, path);
        if (key && (!strchr(d->nodes[i].key, '.')))
            consider_value(e, key, i);
    }
}

static void consider_algorithm(evidence *e, uint32_t node)
{
    const nncf__document *d = &e->config->document;
    uint32_t name = nncf__config_find_key(d, node, "algorithm");
    if (!name || d->nodes[name].type != NNCF_CONFIG_STRING)
        return;
    size_t count;
    const nncf__algorithm_name *names = nncf__config_algorithm_names(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i].name, nncf__value_text(&d->nodes[name])) != 0)
            continue;
        consider(e, names[i].from, names[i].to, name);
        e->kind = names[i].kind;
        if (names[i].kind != NNCF__OTHER_ALGORITHM)
            consider_members(e, "", node);
    }
}

static void consider_root(evidence *e)
{
    const nncf__document *d = &e->config->document;
    size_t count;
    const nncf__root_key *keys = nncf__config_root_keys(&count);
    for (size_t i = 0; i < count; i++) {
        uint32_t node = nncf__config_find_key(d, 0, keys[i].key);
        if (!node || keys[i].from == 0)
            continue;
        consider(e, keys[i].from, keys[i].to, node);
        const char *value =
            d->nodes[node].type == NNCF_CONFIG_STRING ? nncf__value_text(&d->nodes[node]) : "";
        if (strcmp(keys[i].key, "target_device") == 0) {
            if (strcmp(value, "TRIAL") == 0)
                consider(e, 10600, 0, node);
            else if (strcmp(value, "NPU") == 0 || strcmp(value, "CPU_SPR") == 0)
                consider(e, 20500, 0, node);
        }
    }
}

static nncf_status read_dialect_key(nncf_config *config, uint32_t node, nncf_error *err)
{
    const nncf__node *n = &config->document.nodes[node];
    nncf__reader r = {.config = config, .err = err};
    char value[NNCF__EXPLAIN_TEXT];
    config->setup.release =
        n->type == NNCF_CONFIG_STRING ? nncf__config_release_of(nncf__value_text(n)) : 0;
    config->release_node = node;
    if (config->setup.release == 0)
        return nncf__reader_fail(&r, NNCF_E_CONFIG, node, false,
            "found %s; allowed: a release of NNCF with a JSON dialect, \"1.0\" to \"2.17\"",
            nncf__explain_value(&config->document, node, value));
    return NNCF_OK;
}

nncf_status nncf__config_detect(nncf_config *config, nncf_error *err)
{
    const nncf__document *d = &config->document;
    if (config->wanted_release) {
        config->setup.release = config->wanted_release;
        return NNCF_OK;
    }
    uint32_t dialect_key = nncf__config_find_key(d, 0, "nncf_dialect");
    if (dialect_key)
        return read_dialect_key(config, dialect_key, err);

    evidence e = {.config = config, .highest = NNCF__RELEASE_LAST + 99};
    consider_root(&e);
    uint32_t node = config->compression;
    if (node && d->nodes[node].type == NNCF_CONFIG_OBJECT)
        consider_algorithm(&e, node);
    else if (node && d->nodes[node].type == NNCF_CONFIG_ARRAY)
        for (uint32_t i = d->nodes[node].first_child; i != 0; i = d->nodes[i].next)
            consider_algorithm(&e, i);
    if (e.lowest <= 10000 && e.highest < 10100) {
        config->setup.release = 10000;
        config->release_node = e.highest_node;
        return NNCF_OK;
    }
    config->setup.release = e.lowest > NNCF__RELEASE_1_1 ? e.lowest : NNCF__RELEASE_1_1;
    config->release_node = e.lowest > NNCF__RELEASE_1_1 ? e.lowest_node : 0;
    if (e.lowest > e.highest && e.lowest_node && e.highest_node) {
        char path[NNCF__PATH_TEXT], from[NNCF__RELEASE_TEXT], to[NNCF__RELEASE_TEXT],
            detail[NNCF__EXPLAIN_TEXT] = "";
        nncf__explain(detail, "came with NNCF %s, but %s went after %s: read as NNCF %s",
            nncf__config_release_text(e.lowest, from),
            nncf__config_node_path(d, e.highest_node, path),
            nncf__config_release_text(e.highest, to), from);
        nncf__config_log_key(config, NNCF_LOG_INFO, e.lowest_node, detail, "");
    }
    return NNCF_OK;
}
