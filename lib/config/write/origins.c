/* SPDX-License-Identifier: Apache-2.0 */
/* Where each value of the effective config comes from. */
#include "base/error.h"
#include "base/text.h"
#include "config/canonical.h"
#include "config/internal.h"
#include "config/json/document.h"
#include "config/schema/keys.h"
#include "config/schema/release.h"
#include "config/write/writer.h"

#include <nncf/base.h>
#include <nncf/config.h>

#include <stdio.h>
#include <string.h>

enum origin_kind { FROM_FILE, FROM_ANOTHER_KEY, FROM_DEFAULT, FROM_DEVICE, FROM_CALLER };

/* Writes one value after another. */
typedef struct listing {
    const nncf_config *config;
    nncf__writer w;
    bool json;
} listing;

/* One value: a field of `base`, else a node of the file, else a word; none of them: the device
 * decides. */
typedef struct entry {
    const char *path;
    const void *base;
    const nncf__key *field;
    uint32_t value;
    const char *word;
    /* origin_kind */
    int32_t kind;
    /* that sets it; 0: none */
    uint32_t node;
} entry;

static void put_value(nncf__text *text, const listing *l, const entry *e, const char *none)
{
    nncf__writer w = {.text = text};
    if (e->kind == FROM_DEVICE)
        nncf__put(&w, none);
    else if (e->field)
        nncf__put_field(&w, e->base, e->field);
    else if (e->value)
        nncf__put_node(&w, &l->config->document, e->value);
    else
        nncf__put_string(&w, e->word);
}

static void put_text_entry(listing *l, const entry *e)
{
    const nncf__document *d = &l->config->document;
    char path[NNCF__PATH_TEXT], release[NNCF__RELEASE_TEXT];
    nncf__text *text = l->w.text;
    const size_t begin = text->length;
    nncf__text_printf(text, "%s = ", e->path);
    put_value(text, l, e, "?");
    const size_t width = text->length - begin;
    nncf__text_printf(text, "%*s  # ", width < 70 ? (int)(70 - width) : 0, "");
    if (e->kind == FROM_FILE)
        nncf__text_printf(
            text, "line %d\n", (int)nncf__config_location(d, d->nodes[e->node].offset).line);
    else if (e->kind == FROM_ANOTHER_KEY)
        nncf__text_printf(text, "line %d, from %s\n",
            (int)nncf__config_location(d, d->nodes[e->node].offset).line,
            nncf__config_node_path(d, e->node, path));
    else if (e->kind == FROM_DEFAULT)
        nncf__text_printf(text, "default of NNCF %s\n",
            nncf__config_release_text(l->config->setup.release, release));
    else
        nncf__text_printf(
            text, "%s\n", e->kind == FROM_DEVICE ? "left to the device" : "set by the caller");
}

static void put_json_entry(listing *l, const entry *e)
{
    static const char *const origins[] = {"file", "translated", "default", "device", "caller"};
    const nncf__document *d = &l->config->document;
    nncf__writer *w = &l->w;
    char path[NNCF__PATH_TEXT], release[NNCF__RELEASE_TEXT];
    nncf__put_item(w, NULL);
    nncf__put_open(w, "{");
    nncf__put_item(w, "path");
    nncf__put_string(w, e->path);
    nncf__put_item(w, "value");
    put_value(w->text, l, e, "null");
    nncf__put_item(w, "origin");
    nncf__put_string(w, origins[e->kind]);
    if (e->node) {
        nncf__source_location place = nncf__config_location(d, d->nodes[e->node].offset);
        nncf__put_item(w, "key");
        nncf__put_string(w, nncf__config_node_path(d, e->node, path));
        nncf__put_item(w, "line");
        nncf__text_printf(w->text, "%d", (int)place.line);
        nncf__put_item(w, "column");
        nncf__text_printf(w->text, "%d", (int)place.column);
    } else if (e->kind == FROM_DEFAULT) {
        nncf__put_item(w, "release");
        nncf__put_string(w, nncf__config_release_text(l->config->setup.release, release));
    }
    nncf__put_close(w, "}");
}

/* A value that the node `e.node` of the file sets, or a default. */
static void add(listing *l, entry e)
{
    char path[NNCF__PATH_TEXT];
    if (e.kind == FROM_FILE && !e.node)
        e.kind = FROM_DEFAULT;
    else if (e.kind == FROM_FILE &&
        strcmp(nncf__config_node_path(&l->config->document, e.node, path), e.path) != 0)
        e.kind = FROM_ANOTHER_KEY;
    if (l->json)
        put_json_entry(l, &e);
    else
        put_text_entry(l, &e);
}

/* A word that the caller may have set. */
static void add_setting(
    listing *l, const char *path, const char *word, uint32_t node, bool of_caller)
{
    add(l,
        (entry){.path = path,
            .word = word,
            .node = of_caller ? 0 : node,
            .kind = of_caller ? FROM_CALLER : FROM_FILE});
}

/* Node that set a key's field. */
static uint32_t origin_of(
    const nncf__key *keys, size_t n_keys, size_t k, const uint32_t *given, const uint32_t *set_by)
{
    if (given[k])
        return given[k];
    for (size_t i = 0; i < n_keys; i++)
        if (given[i] && keys[k].offset != NNCF__NO_FIELD && !(keys[i].flags & NNCF__KEY_FAN_OUT) &&
            keys[i].offset == keys[k].offset)
            return given[i];
    return set_by ? set_by[k] : 0;
}

static void add_node(listing *l, const char *path, uint32_t node)
{
    add(l, (entry){.path = path, .value = node, .node = node});
}

static void add_field(listing *l, const char *path, const void *base, const nncf__key *key,
    uint32_t node, bool for_device)
{
    add(l,
        (entry){.path = path,
            .base = base,
            .field = key,
            .node = node,
            .kind = for_device ? FROM_DEVICE : FROM_FILE});
}

static void join(char out[NNCF__PATH_TEXT], const char *head, const char *tail)
{
    size_t used = strlen(head), more = strlen(tail);
    if (used + more + 2 > NNCF__PATH_TEXT)
        more = NNCF__PATH_TEXT - used - 2;
    memmove(out, head, used);
    out[used] = '.';
    memcpy(out + used + 1, tail, more);
    out[used + 1 + more] = '\0';
}

static void add_rules(listing *l, size_t index, const char *prefix)
{
    static const char section[] = "initializer.range";
    const nncf__algorithm *a = &l->config->algorithms[index];
    const nncf__key_sources *source = &l->config->sources[index];
    uint32_t nothing[NNCF__MAX_KEYS] = {0};
    size_t count;
    const nncf__key *keys = nncf__config_keys(&count);
    for (size_t i = 0; i < source->n_rules; i++) {
        const uint32_t *given = source->rule_given[i] ? source->rule_given[i] : nothing;
        for (size_t k = 0; k < count; k++) {
            char name[NNCF__PATH_TEXT], path[NNCF__PATH_TEXT];
            if (!nncf__is_shown_in_rule(&a->ranges[i], a, &keys[k]))
                continue;
            /* a single rule is written without its index */
            if (source->n_rules > 1)
                snprintf(name, sizeof(name), "%s[%zu]%s", section, i,
                    keys[k].path + sizeof(section) - 1);
            else
                snprintf(name, sizeof(name), "%s", keys[k].path);
            join(path, prefix, name);
            add_field(
                l, path, &a->ranges[i], &keys[k], origin_of(keys, count, k, given, NULL), false);
        }
    }
}

static void add_algorithm(listing *l, size_t index)
{
    const nncf__algorithm *a = &l->config->algorithms[index];
    const nncf__key_sources *source = &l->config->sources[index];
    char prefix[NNCF__PATH_TEXT], path[NNCF__PATH_TEXT];
    size_t count;
    const nncf__key *keys = nncf__config_keys(&count);
    nncf__config_node_path(&l->config->document, source->node, prefix);
    if (a->kind == NNCF__OTHER_ALGORITHM || a->kind == NNCF__BINARIZATION) {
        add_node(l, prefix, source->node);
        return;
    }
    for (size_t k = 0; k < count; k++) {
        uint32_t node = origin_of(keys, count, k, source->given, source->set_by);
        bool is_applicable =
            (keys[k].algorithms & 1u << a->kind) && keys[k].type != NNCF__KEY_SECTION;
        bool for_device = is_applicable && !node && nncf__is_for_device(l->config, &keys[k]) &&
            !keys[k].alias_of && keys[k].offset != NNCF__NO_FIELD &&
            !(keys[k].flags & NNCF__KEY_NO_DEFAULT);
        if (!for_device && !nncf__is_shown(l->config, index, k))
            continue;
        join(path, prefix, keys[k].path);
        if (keys[k].type == NNCF__KEY_ALGORITHM)
            add(l, (entry){.path = path, .word = a->name, .node = node});
        else if (keys[k].type == NNCF__KEY_RANGES)
            add_rules(l, index, prefix);
        else if (keys[k].flags & NNCF__KEY_AS_WRITTEN)
            add_node(l, path, nncf__written_node(l->config, index, k));
        else
            add_field(l, path, a, &keys[k], node, for_device);
    }
}

static void add_setup(listing *l)
{
    static const char *const keys[] = {"target_device", "quantizer_setup_type"};
    static const char *const rules[] = {"prefix", "exact"},
                             *const checks[] = {"warn", "strict", "off"};
    const nncf_config *config = l->config;
    bool has_check = config->wanted_check >= 0;
    add_setting(
        l, "nncf_dialect", config->dialect, config->release_node, config->wanted_release != 0);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (nncf__setup_default(config, keys[i]))
            add_setting(l, keys[i], nncf__setup_default(config, keys[i]), 0, false);
    add_setting(l, "(scopes match)", rules[config->setup.scope_rule], 0, false);
    add_setting(l, "(scopes without a match)", checks[config->setup.scope_check], 0, has_check);
}

nncf_status nncf_config_explain(const nncf_config *config, int32_t form, char *buffer,
    size_t capacity, size_t *needed, nncf_error *err)
{
    if (!config)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_config_explain: config is NULL");
    nncf_status status = nncf__text_check_form(form, err);
    if (status != NNCF_OK)
        return status;
    const nncf__document *d = &config->document;
    nncf__text text = nncf__text_into(buffer, capacity);
    listing l = {
        .config = config, .w = {.text = &text, .pretty = true}, .json = form == NNCF_FORM_JSON};
    if (l.json)
        nncf__put_open(&l.w, "[");
    if (config->n_algorithms > 0)
        add_setup(&l);
    for (uint32_t i = d->nodes[0].first_child; i != 0; i = d->nodes[i].next) {
        char path[NNCF__PATH_TEXT];
        if (i == config->compression || strcmp(d->nodes[i].key, "nncf_dialect") == 0)
            continue;
        add_node(&l, nncf__config_node_path(d, i, path), i);
    }
    for (size_t i = 0; i < config->n_algorithms; i++)
        add_algorithm(&l, i);
    if (l.json) {
        nncf__put_close(&l.w, "]");
        nncf__put(&l.w, "\n");
    }
    nncf__text_append(&text, "", 0);
    return nncf__text_finish(&text, buffer, capacity, needed, err);
}
