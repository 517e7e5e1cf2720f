/* SPDX-License-Identifier: Apache-2.0 */
/* The effective config, and its canonical `compression` part, as JSON. */
#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "config/internal.h"
#include "config/json/document.h"
#include "config/schema/keys.h"
#include "config/schema/release.h"
#include "config/write/writer.h"

#include <nncf/base.h>
#include <nncf/config.h>

#include <string.h>

/* Is the key, or another name of it, in the file? `given` belongs to the algorithm or rule. */
static bool is_given(const nncf__key *keys, size_t n_keys, size_t k, const uint32_t *given)
{
    if (given[k])
        return true;
    for (size_t i = 0; i < n_keys; i++)
        if (given[i] && keys[k].offset != NNCF__NO_FIELD && keys[i].offset == keys[k].offset)
            return true;
    return false;
}

/* In propagation mode the device decides what the config leaves open: a default written out would
 * override it. */
bool nncf__is_for_device(const nncf_config *config, const nncf__key *key)
{
    return config->setup.setup == NNCF__SETUP_PROPAGATION &&
        config->setup.device != NNCF__DEVICE_NONE && !(key->flags & NNCF__KEY_AS_WRITTEN) &&
        (strncmp(key->path, "weights.", 8) == 0 || strncmp(key->path, "activations.", 12) == 0);
}

uint32_t nncf__written_node(const nncf_config *config, size_t index, size_t k)
{
    const uint32_t *given = config->sources[index].given;
    size_t count;
    const nncf__key *keys = nncf__config_keys(&count);
    for (size_t i = 0; i < count && !given[k]; i++)
        if (given[i] && keys[i].alias_of && strcmp(keys[i].alias_of, keys[k].path) == 0)
            return given[i];
    return given[k];
}

/* A key that the dialect does not have yet has a field nevertheless; it is not shown unless it was
 * set. */
bool nncf__is_shown(const nncf_config *config, size_t index, size_t k)
{
    const nncf__algorithm *a = &config->algorithms[index];
    const nncf__key_sources *source = &config->sources[index];
    size_t count;
    const nncf__key *keys = nncf__config_keys(&count), *key = &keys[k];
    if (!(key->algorithms & 1u << a->kind) || key->alias_of || key->type == NNCF__KEY_SECTION ||
        (key->flags & (NNCF__KEY_FAN_OUT | NNCF__KEY_RULE)))
        return false;
    if (key->flags & NNCF__KEY_AS_WRITTEN)
        return nncf__written_node(config, index, k) != 0;
    if (key->flags & (NNCF__KEY_RULE_OF_1_0 | NNCF__KEY_RULES_OF_1_3))
        return source->legacy_rule == ((key->flags & NNCF__KEY_RULE_OF_1_0) != 0);
    if (key->type == NNCF__KEY_ALGORITHM)
        return true;
    if (key->offset == NNCF__NO_FIELD)
        return false;
    if (key->schedules != 0 && !(key->schedules & 1u << a->schedule.kind))
        return false;
    bool is_set = source->set_by[k] || is_given(keys, count, k, source->given);
    int32_t release =
        config->setup.release < NNCF__RELEASE_1_1 ? NNCF__RELEASE_1_1 : config->setup.release;
    if (!is_set && (key->from > release || nncf__is_for_device(config, key)))
        return false;
    if (!(key->flags & NNCF__KEY_NO_DEFAULT))
        return true;
    if (key->type == NNCF__KEY_SCOPES)
        return ((const nncf__strings *)(const void *)((const char *)a + key->offset))->count > 0;
    if (key->type == NNCF__KEY_NUMBER)
        return is_set;
    int64_t value = nncf__load_int(a, key);
    if (key->type ==
        NNCF__KEY_INTEGER) /* 0 too if it was set: an absent key may mean another value */
        return value >= 0 && (is_set || value != (int64_t)key->fallback);
    return value != (int64_t)key->fallback;
}

bool nncf__is_shown_in_rule(
    const nncf__range_rule *rule, const nncf__algorithm *a, const nncf__key *key)
{
    if (!(key->flags & NNCF__KEY_RULE) || !(key->algorithms & 1u << a->kind) || key->alias_of)
        return false;
    if (key->type == NNCF__KEY_NUMBER)
        return rule->kind == NNCF__PERCENTILE || rule->kind == NNCF__MEAN_PERCENTILE;
    if (key->type == NNCF__KEY_SCOPES)
        return ((const nncf__strings *)(const void *)((const char *)rule + key->offset))->count > 0;
    int64_t value = nncf__load_int(rule, key);
    return key->type == NNCF__KEY_INTEGER ? value >= 0
                                          : !(key->flags & NNCF__KEY_NO_DEFAULT) || value != 0;
}

/* Close and open brackets so that `path`'s section is the innermost open one; `open` is the section
 * before. */
static const char *enter_section(nncf__writer *w, const char *path, char open[64])
{
    size_t length = strlen(open);
    while (length > 0 && (strncmp(path, open, length) != 0 || path[length] != '.')) {
        char *dot = strrchr(open, '.');
        *(dot ? dot : open) = '\0';
        length = strlen(open);
        nncf__put_close(w, "}");
    }
    const char *name = path + (length > 0 ? length + 1 : 0);
    for (const char *dot; (dot = strchr(name, '.')); name = dot + 1) {
        size_t end = (size_t)(dot - path);
        memcpy(open, path, end);
        open[end] = '\0';
        nncf__put_item(w, open + (name - path));
        nncf__put_open(w, "{");
    }
    return name;
}

static void put_rules(nncf__writer *w, const nncf_config *config, size_t index)
{
    static const char section[] = "initializer.range.";
    const nncf__algorithm *a = &config->algorithms[index];
    size_t count;
    const nncf__key *keys = nncf__config_keys(&count);
    nncf__put_open(w, "[");
    for (size_t i = 0; i < config->sources[index].n_rules;
         i++) { /* those of overrides are shown there */
        char open[64] = "";
        nncf__put_item(w, NULL);
        nncf__put_open(w, "{");
        for (size_t k = 0; k < count; k++) {
            if (!nncf__is_shown_in_rule(&a->ranges[i], a, &keys[k]))
                continue;
            nncf__put_item(w, enter_section(w, keys[k].path + sizeof(section) - 1, open));
            nncf__put_field(w, &a->ranges[i], &keys[k]);
        }
        (void)enter_section(w, "", open);
        nncf__put_close(w, "}");
    }
    nncf__put_close(w, "]");
}

static void put_algorithm(nncf__writer *w, const nncf_config *config, size_t index)
{
    const nncf__algorithm *a = &config->algorithms[index];
    const nncf__key_sources *source = &config->sources[index];
    size_t count;
    const nncf__key *keys = nncf__config_keys(&count);
    char open[64] = "";
    if (a->kind == NNCF__OTHER_ALGORITHM || a->kind == NNCF__BINARIZATION) {
        nncf__put_node(w, &config->document, source->node);
        return;
    }
    nncf__put_open(w, "{");
    for (size_t i = 0; i < count; i++) {
        if (!nncf__is_shown(config, index, i))
            continue;
        nncf__put_item(w, enter_section(w, keys[i].path, open));
        if (keys[i].type == NNCF__KEY_ALGORITHM)
            nncf__put_string(w, a->name);
        else if (keys[i].flags & NNCF__KEY_AS_WRITTEN)
            nncf__put_node(w, &config->document, nncf__written_node(config, index, i));
        else if (keys[i].type == NNCF__KEY_RANGES)
            put_rules(w, config, index);
        else
            nncf__put_field(w, a, &keys[i]);
    }
    (void)enter_section(w, "", open);
    nncf__put_close(w, "}");
}

static void put_compression(nncf__writer *w, const nncf_config *config)
{
    nncf__put_open(w, "[");
    for (size_t i = 0; i < config->n_algorithms; i++) {
        nncf__put_item(w, NULL);
        put_algorithm(w, config, i);
    }
    nncf__put_close(w, "]");
}

/* What an absent key of the root means in a dialect that has it; NULL: it has not. */
const char *nncf__setup_default(const nncf_config *config, const char *key)
{
    int32_t release = config->setup.release;
    if (strcmp(key, "target_device") == 0 && release >= 10500 && config->device_node == 0)
        return "ANY";
    if (strcmp(key, "quantizer_setup_type") == 0 && release >= 10500 && release < 10700 &&
        config->setup_node == 0)
        return "propagation_based";
    return NULL;
}

static void put_dialect(nncf__writer *w, const nncf_config *config)
{
    char release[NNCF__RELEASE_TEXT];
    nncf__put_item(w, "nncf_dialect");
    nncf__put_string(w, nncf__config_release_text(config->setup.release, release));
}

/* In front of `compression`: what of the root is not in the file. Without algorithms the keys alone
 * still determine the dialect, unless the caller set it. */
static void put_setup(nncf__writer *w, const nncf_config *config)
{
    static const char *const keys[] = {"target_device", "quantizer_setup_type"};
    if (config->n_algorithms == 0 && !config->wanted_release)
        return;
    if (!nncf__config_find_key(&config->document, 0, "nncf_dialect"))
        put_dialect(w, config);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (!nncf__setup_default(config, keys[i]))
            continue;
        nncf__put_item(w, keys[i]);
        nncf__put_string(w, nncf__setup_default(config, keys[i]));
    }
}

/* In the dialect 1.1 there is nothing but the algorithms. Elsewhere the same keys mean something
 * else, so the dialect is part of the text. */
void nncf__config_canonical(const nncf_config *config, nncf__text *text)
{
    static const char *const keys[] = {"hw_config_type", "target_device", "quantizer_setup_type",
        "ignored_scopes", "target_scopes", "compression_lr_multiplier"};
    nncf__writer w = {.text = text};
    if (config->setup.release == NNCF__RELEASE_1_1 && config->setup.setup == NNCF__SETUP_PATTERN) {
        put_compression(&w, config);
        return;
    }
    char release[NNCF__RELEASE_TEXT];
    nncf__put_open(&w, "{");
    nncf__put_item(&w, "nncf_dialect");
    nncf__put_string(&w, nncf__config_release_text(config->setup.release, release));
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        uint32_t node = nncf__config_find_key(&config->document, 0, keys[i]);
        const char *fallback = nncf__setup_default(config, keys[i]);
        if (!node && !fallback)
            continue;
        nncf__put_item(&w, keys[i]);
        if (node)
            nncf__put_node(&w, &config->document, node);
        else
            nncf__put_string(&w, fallback);
    }
    nncf__put_item(&w, "compression");
    put_compression(&w, config);
    nncf__put_close(&w, "}");
}

nncf_status nncf_config_dump(
    const nncf_config *config, char *buffer, size_t capacity, size_t *needed, nncf_error *err)
{
    if (!config)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_config_dump: config is NULL");
    const nncf__document *d = &config->document;
    nncf__text text = nncf__text_into(buffer, capacity);
    nncf__writer w = {.text = &text, .pretty = true};
    nncf__put_open(&w, "{");
    for (uint32_t i = d->nodes[0].first_child; i != 0; i = d->nodes[i].next) {
        if (strcmp(d->nodes[i].key, "nncf_dialect") == 0) {
            put_dialect(&w, config);
            continue;
        }
        if (i == config->compression)
            put_setup(&w, config);
        nncf__put_item(&w, d->nodes[i].key);
        if (i == config->compression)
            put_compression(&w, config);
        else
            nncf__put_node(&w, d, i);
    }
    if (config->compression == 0) {
        put_setup(&w, config);
        nncf__put_item(&w, "compression");
        put_compression(&w, config);
    }
    nncf__put_close(&w, "}");
    nncf__put(&w, "\n");
    return nncf__text_finish(&text, buffer, capacity, needed, err);
}
