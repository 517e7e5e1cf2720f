/* SPDX-License-Identifier: Apache-2.0 */
/* NNCF's keys at the root: device, placement, scopes. Everything else there is the training
 * program's. */
#include "config/read/root.h"

#include "base/error.h"
#include "base/strings.h"
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
#include <nncf/context.h>

#include <string.h>

static const nncf__root_key *root_key(const char *name)
{
    size_t count;
    const nncf__root_key *keys = nncf__config_root_keys(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(keys[i].key, name) == 0)
            return &keys[i];
    return NULL;
}

/* Index of the word that the key is set to; -1: the key is absent. */
static nncf_status read_word(
    nncf_config *config, const char *name, int32_t *index, uint32_t *node, nncf_error *err)
{
    const nncf__document *d = &config->document;
    *index = -1;
    *node = nncf__config_find_key(d, 0, name);
    if (!*node)
        return NNCF_OK;
    const nncf__node *n = &d->nodes[*node];
    nncf__reader r = {.config = config, .err = err};
    nncf__key key = {.type = NNCF__KEY_WORD, .words = root_key(name)->words};
    if (n->type == NNCF_CONFIG_STRING)
        *index = nncf__config_word_index(key.words, nncf__value_text(n));
    return *index >= 0 ? NNCF_OK : nncf__reader_wrong_value(&r, &key, *node);
}

static nncf_status read_device(nncf_config *config, nncf_error *err)
{
    static const int32_t hw[] = {NNCF__DEVICE_CPU, NNCF__DEVICE_GPU, NNCF__DEVICE_VPU};
    static const int32_t devices[] = {NNCF__DEVICE_ANY, NNCF__DEVICE_CPU, NNCF__DEVICE_GPU,
        NNCF__DEVICE_VPU, NNCF__DEVICE_NONE, NNCF__DEVICE_NONE, NNCF__DEVICE_VPU, NNCF__DEVICE_CPU};
    nncf__config_setup *setup = &config->setup;
    int32_t index;
    uint32_t node;
    setup->setup = setup->release >= 10500 ? NNCF__SETUP_PROPAGATION : NNCF__SETUP_PATTERN;
    nncf_status status = NNCF_OK;
    if (!nncf__config_continue_after_error(
            config, read_word(config, "hw_config_type", &index, &node, err), &status))
        return status;
    if (index >= 0) {
        setup->device = hw[index];
        setup->setup = NNCF__SETUP_PROPAGATION;
        config->device_node = config->setup_node = node;
    }
    if (!nncf__config_continue_after_error(
            config, read_word(config, "target_device", &index, &node, err), &status))
        return status;
    if (index >= 0) {
        setup->device = devices[index];
        setup->setup = NNCF__SETUP_PROPAGATION;
        config->device_node = node;
    }
    if (!nncf__config_continue_after_error(
            config, read_word(config, "quantizer_setup_type", &index, &node, err), &status))
        return status;
    if (index >= 0) {
        setup->setup = index == 0 ? NNCF__SETUP_PATTERN : NNCF__SETUP_PROPAGATION;
        config->setup_node = node;
    }
    return status;
}

static nncf_status read_scopes(
    nncf_config *config, const char *name, nncf__strings *out, nncf_error *err)
{
    nncf__reader r = {.config = config, .err = err};
    nncf__key key = {.type = NNCF__KEY_SCOPES, .path = name};
    uint32_t node = nncf__config_find_key(&config->document, 0, name);
    if (!node)
        return NNCF_OK;
    if (config->setup.release < 10300) {
        nncf__config_log_key(config, NNCF_LOG_WARNING, node, "read by NNCF 1.3 and later only; ",
            "write it into each algorithm");
        return NNCF_OK;
    }
    return nncf__read_scopes(&r, &key, node, out);
}

static nncf_status read_multiplier(nncf_config *config, nncf_error *err)
{
    const nncf__document *d = &config->document;
    nncf__reader r = {.config = config, .err = err};
    static const nncf__key key = {.type = NNCF__KEY_NUMBER, .max = 1e30};
    uint32_t node = nncf__config_find_key(d, 0, "compression_lr_multiplier");
    if (!node)
        return NNCF_OK;
    const nncf__node *n = &d->nodes[node];
    if ((n->type != NNCF_CONFIG_INT && n->type != NNCF_CONFIG_DOUBLE) ||
        nncf__value_number(n) < 0 || nncf__value_number(n) > key.max)
        return nncf__reader_wrong_value(&r, &key, node);
    config->setup.lr_multiplier = nncf__value_number(n);
    config->multiplier_node = node;
    return NNCF_OK;
}

/* ---- accuracy_aware_training ---- */

static nncf_status check_accuracy(const nncf__reader *r, uint32_t node)
{
    const uint32_t relative =
        nncf__reader_given(r, offsetof(nncf__algorithm, accuracy.relative_drop));
    const uint32_t absolute =
        nncf__reader_given(r, offsetof(nncf__algorithm, accuracy.absolute_drop));
    nncf__accuracy_params *p = &r->algorithm->accuracy;
    if (p->mode == 0)
        return nncf__reader_fail(r, NNCF_E_CONFIG, node, false,
            "\"mode\" is missing; allowed: early_exit, adaptive_compression_level");
    if (relative && absolute)
        return nncf__reader_fail(r, NNCF_E_CONFIG, relative > absolute ? relative : absolute, true,
            "the metric may fall by a part or by an amount; keep one of the two");
    p->is_absolute = absolute != 0;
    return NNCF_OK;
}

static nncf_status read_accuracy(nncf_config *config, nncf_error *err)
{
    const nncf__document *d = &config->document;
    const uint32_t node = nncf__config_find_key(d, 0, "accuracy_aware_training");
    char value[NNCF__EXPLAIN_TEXT];
    if (!node)
        return NNCF_OK;
    nncf__key_sources *source = nncf__config_arena_alloc(config, sizeof *source);
    nncf__algorithm *a = nncf__config_arena_alloc(config, sizeof *a);
    uint32_t *given = nncf__config_arena_alloc(config, 2 * NNCF__MAX_KEYS * sizeof *given);
    nncf__reader r = {
        .config = config, .err = err, .algorithm = a, .base = a, .source = source, .given = given};
    if (!source || !a || !given)
        return nncf__reader_no_memory(&r);
    if (d->nodes[node].type != NNCF_CONFIG_OBJECT)
        return nncf__reader_fail(&r, NNCF_E_CONFIG, node, false,
            "found %s; allowed: an object { \"mode\": ..., \"params\": { ... } }",
            nncf__explain_value(d, node, value));
    a->kind = NNCF__ACCURACY_AWARE;
    a->name = "accuracy_aware_training";
    *source = (nncf__key_sources){.node = node, .given = given, .set_by = given + NNCF__MAX_KEYS};
    nncf__read_defaults(&r);
    nncf_status status = nncf__read_members(&r, "", node);
    if (status == NNCF_OK)
        status = check_accuracy(&r, node);
    if (status == NNCF_OK)
        config->setup.accuracy = a->accuracy;
    return status;
}

/* Height and width of the model's first input, where the config says its shape (N, C, H, W). */
static void read_input_size(nncf_config *config)
{
    const nncf__document *d = &config->document;
    uint32_t node = nncf__config_find_key(d, 0, "input_info");
    int64_t sizes[4];
    size_t n = 0;
    if (node && d->nodes[node].type == NNCF_CONFIG_ARRAY)
        node = d->nodes[node].first_child;
    if (node && d->nodes[node].type == NNCF_CONFIG_OBJECT)
        node = nncf__config_find_key(d, node, "sample_size");
    else
        node = nncf__config_find_key(d, 0, "input_sample_size");
    if (!node || d->nodes[node].type != NNCF_CONFIG_ARRAY)
        return;
    for (uint32_t i = d->nodes[node].first_child; i != 0 && n < 4; i = d->nodes[i].next) {
        if (d->nodes[i].type != NNCF_CONFIG_INT)
            return;
        sizes[n++] = nncf__value_integer(&d->nodes[i]);
    }
    for (int i = 0; i < 2 && d->nodes[node].count == 4; i++)
        if (sizes[2 + i] > 0 && sizes[2 + i] <= INT32_MAX)
            config->setup.input_size[i] = sizes[2 + i];
}

/* ---- keys in the wrong place ---- */

static bool is_algorithm_name(const nncf__node *node)
{
    size_t count;
    const nncf__algorithm_name *names = nncf__config_algorithm_names(&count);
    for (size_t i = 0; node->type == NNCF_CONFIG_STRING && i < count; i++)
        if (strcmp(names[i].name, nncf__value_text(node)) == 0)
            return true;
    return false;
}

/* Does the type of the value fit the key, which is no section? The training program's own `mode` or
 * `weights` does not. */
static bool is_like_value(const nncf__key *key, const nncf__node *node)
{
    switch (key->type) {
    case NNCF__KEY_NUMBER:
    case NNCF__KEY_INTEGER:
        return node->type == NNCF_CONFIG_INT || node->type == NNCF_CONFIG_DOUBLE;
    case NNCF__KEY_FLAG:
    case NNCF__KEY_CODED_FLAG:
        return node->type == NNCF_CONFIG_BOOL;
    case NNCF__KEY_WORD:
        return node->type == NNCF_CONFIG_STRING &&
            nncf__config_word_index(key->words, nncf__value_text(node)) >= 0;
    case NNCF__KEY_SCOPES:
    case NNCF__KEY_SIGNS:
        return node->type == NNCF_CONFIG_STRING || node->type == NNCF_CONFIG_ARRAY;
    case NNCF__KEY_RANGES:
    case NNCF__KEY_OVERRIDES:
        return node->type == NNCF_CONFIG_OBJECT;
    default:
        return node->type == NNCF_CONFIG_ARRAY;
    }
}

/* Does a value at the root fit a key of an algorithm, or a section with such keys?
 */
static bool is_like_key(const nncf__document *d, const nncf__key *key, uint32_t node)
{
    if (key->type != NNCF__KEY_SECTION)
        return is_like_value(key, &d->nodes[node]);
    size_t count, length = strlen(key->path);
    const nncf__key *keys = nncf__config_keys(&count);
    uint32_t child = d->nodes[node].type == NNCF_CONFIG_OBJECT ? d->nodes[node].first_child : 0;
    for (int looked = 0; child != 0 && looked < 32; child = d->nodes[child].next, looked++)
        for (size_t i = 0; i < count; i++)
            if (strncmp(keys[i].path, key->path, length) == 0 && keys[i].path[length] == '.' &&
                strcmp(keys[i].path + length + 1, d->nodes[child].key) == 0 &&
                (keys[i].type == NNCF__KEY_SECTION || is_like_value(&keys[i], &d->nodes[child])))
                return true;
    return false;
}

static bool belongs_to_algorithm(const nncf__document *d, uint32_t node)
{
    size_t count;
    const nncf__key *keys = nncf__config_keys(&count);
    if (root_key(d->nodes[node].key))
        return false;
    /* a program's own `type`, `scale` or `mode` is no sign of a key that went astray */
    const uint32_t common_words = 1u << NNCF__DISTILLATION | 1u << NNCF__ACCURACY_AWARE;
    for (size_t i = 0; i < count; i++)
        if (strcmp(keys[i].path, d->nodes[node].key) == 0 && keys[i].type != NNCF__KEY_ALGORITHM &&
            (keys[i].algorithms & ~common_words) && is_like_key(d, &keys[i], node))
            return true;
    return false;
}

/* Edit distance of at most `most`, found without a table for words of other lengths. */
static bool is_near(const char *key, const char *word, size_t most)
{
    size_t n = strnlen(key, 64), m = strlen(word);
    return n + most >= m && m + most >= n && nncf__edit_distance(key, word) <= most;
}

/* An algorithm outside of "compression" is an error. Other keys of algorithms may be the training
 * program's own: log those.
 */
static nncf_status check_places(nncf_config *config, nncf_error *err)
{
    enum { MOST_LINES = 16 };
    const nncf__document *d = &config->document;
    nncf__reader r = {.config = config, .err = err};
    nncf_status first = NNCF_OK;
    size_t count;
    int n_lines = 0;
    const nncf__root_key *keys = nncf__config_root_keys(&count);
    for (uint32_t i = d->nodes[0].first_child; i != 0; i = d->nodes[i].next) {
        const char *key = d->nodes[i].key, *line = NULL;
        for (size_t k = 0; k < count; k++)
            if (keys[k].no_effect && strcmp(key, keys[k].key) == 0)
                nncf__config_log_key(
                    config, NNCF_LOG_INFO, i, "has no effect here: ", keys[k].no_effect);
        if (is_algorithm_name(&d->nodes[i]) && is_near(key, "algorithm", 2)) {
            nncf_status status = nncf__reader_fail(&r, NNCF_E_CONFIG, i, true,
                "no algorithm is read here; put it and its keys into \"compression\": { "
                "\"algorithm\": \"%s\", ... }",
                nncf__value_text(&d->nodes[i]));
            if (!nncf__config_continue_after_error(config, status, &first))
                return first;
        } else if (config->compression == 0 && is_near(key, "compression", 2)) {
            line = "did you mean \"compression\"? As it stands nothing is compressed";
        } else if (belongs_to_algorithm(d, i)) {
            line = "has no effect here; it belongs into \"compression\", beside \"algorithm\"";
        }
        if (line && n_lines++ < MOST_LINES)
            nncf__config_log_key(config, NNCF_LOG_WARNING, i, line, "");
    }
    if (n_lines > MOST_LINES)
        nncf__log(config->context, NNCF_LOG_WARNING, "%s: %d more keys at the root are like those",
            d->name, n_lines - MOST_LINES);
    return first;
}

nncf_status nncf__config_read_root(nncf_config *config, nncf_error *err)
{
    nncf__config_setup *setup = &config->setup;
    setup->lr_multiplier = 1;
    setup->scope_rule = setup->release >= 20000 ? NNCF__SCOPES_EXACT : NNCF__SCOPES_PREFIX;
    setup->scope_check = setup->release >= 20400 ? NNCF__SCOPES_STRICT : NNCF__SCOPES_WARN;
    read_input_size(config);
    nncf_status first = NNCF_OK;
    if (nncf__config_continue_after_error(config, check_places(config, err), &first) &&
        nncf__config_continue_after_error(config, read_device(config, err), &first) &&
        nncf__config_continue_after_error(
            config, read_scopes(config, "ignored_scopes", &setup->ignored_scopes, err), &first) &&
        nncf__config_continue_after_error(
            config, read_scopes(config, "target_scopes", &setup->target_scopes, err), &first) &&
        nncf__config_continue_after_error(config, read_multiplier(config, err), &first))
        (void)nncf__config_continue_after_error(config, read_accuracy(config, err), &first);
    return first;
}
