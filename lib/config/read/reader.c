/* SPDX-License-Identifier: Apache-2.0 */
#include "config/read/reader.h"

#include "base/error.h"
#include "config/canonical.h"
#include "config/internal.h"
#include "config/json/document.h"
#include "config/read/messages.h"
#include "config/schema/keys.h"

#include <nncf/base.h>
#include <nncf/config.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

nncf_status nncf__reader_fail(
    const nncf__reader *r, nncf_status status, uint32_t node, bool at_key, const char *format, ...)
{
    const nncf__document *d = &r->config->document;
    char path[NNCF__PATH_TEXT], message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    nncf__config_node_path(d, node, path);
    nncf__source_location place =
        nncf__config_location(d, at_key ? d->nodes[node].key_offset : d->nodes[node].offset);
    nncf_config *config = r->config;
    if (!config->report)
        return nncf__fail_at(r->err, status, &place, path, "%s: %s", path, message);
    nncf_error error = NNCF_ERROR_INIT;
    (void)nncf__fail_at(&error, status, &place, path, "%s: %s", path, message);
    if (config->n_reported++ == 0)
        (void)nncf__result_copy(r->err, &error, sizeof(error));
    if (!config->report_stopped)
        config->report_stopped = config->report(config->user, &error) != 0;
    return status;
}

bool nncf__config_continue_after_error(
    const nncf_config *config, nncf_status status, nncf_status *first)
{
    enum { MOST = 64 };
    bool is_mistake = status == NNCF_E_CONFIG || status == NNCF_E_LIMIT;
    if (*first == NNCF_OK || (status != NNCF_OK && !is_mistake))
        *first = status;
    return status == NNCF_OK ||
        (is_mistake && config->report && !config->report_stopped && config->n_reported < MOST);
}

nncf_status nncf__reader_no_memory(const nncf__reader *r)
{
    return nncf__fail(r->err, NNCF_E_NOMEM, r->config->document.name, "out of memory");
}

nncf_status nncf__reader_wrong_value(const nncf__reader *r, const nncf__key *key, uint32_t node)
{
    const nncf__document *d = &r->config->document;
    char value[NNCF__EXPLAIN_TEXT], allowed[NNCF__EXPLAIN_TEXT], hint[NNCF__EXPLAIN_TEXT] = "";
    if (key->type == NNCF__KEY_WORD && d->nodes[node].type == NNCF_CONFIG_STRING) {
        nncf__nearest n = {.wanted = nncf__value_text(&d->nodes[node])};
        char word[64];
        for (size_t i = 0; nncf__config_word(key->words, i, word, sizeof(word)); i++)
            nncf__nearest_consider(&n, word);
        nncf__explain_nearest(hint, &n);
    }
    return nncf__reader_fail(r, NNCF_E_CONFIG, node, false, "found %s; allowed: %s%s",
        nncf__explain_value(d, node, value), nncf__explain_allowed(key, allowed), hint);
}

uint32_t nncf__reader_given(const nncf__reader *r, size_t offset)
{
    size_t count;
    const nncf__key *keys = nncf__config_keys(&count);
    for (size_t i = 0; i < count; i++)
        if (r->given[i] && !(keys[i].flags & NNCF__KEY_FAN_OUT) && keys[i].offset == offset)
            return r->given[i];
    return 0;
}

uint32_t nncf__reader_given_at(const nncf__reader *r, const char *path)
{
    size_t count;
    const nncf__key *keys = nncf__config_keys(&count),
                    *key = nncf__config_key(r->algorithm->kind, path);
    return key ? r->given[key - keys] : 0;
}

/* Double the capacity; contents are kept. */
static void *grow(const nncf__reader *r, const void *old, size_t *capacity, size_t size)
{
    size_t wanted = *capacity > 0 ? 2 * *capacity : 4;
    void *more = nncf__config_arena_alloc(r->config, wanted * size);
    if (more && *capacity > 0)
        memcpy(more, old, *capacity * size);
    if (more)
        *capacity = wanted;
    return more;
}

nncf__range_rule *nncf__reader_add_rule(nncf__reader *r, uint32_t **given)
{
    if (r->n_rules == r->rules_capacity) {
        size_t capacity = r->rules_capacity;
        nncf__range_rule *rules = grow(r, r->rules, &capacity, sizeof(*rules));
        uint32_t **rule_given =
            grow(r, r->source->rule_given, &r->rules_capacity, sizeof(*rule_given));
        if (!rules || !rule_given)
            return NULL;
        r->rules = rules;
        r->source->rule_given = rule_given;
    }
    if (given) {
        *given = nncf__config_arena_alloc(r->config, NNCF__MAX_KEYS * sizeof(**given));
        if (!*given)
            return NULL;
        r->source->rule_given[r->n_rules] = *given;
    }
    return &r->rules[r->n_rules++];
}

nncf__override *nncf__reader_add_override(nncf__reader *r)
{
    if (r->n_overrides == r->overrides_capacity) {
        nncf__override *overrides =
            grow(r, r->overrides, &r->overrides_capacity, sizeof(*overrides));
        if (!overrides)
            return NULL;
        r->overrides = overrides;
    }
    nncf__override *o = &r->overrides[r->n_overrides++];
    *o = (nncf__override){.mode = -2, .sign = -2, .per_channel = -2, .group_size = -2};
    return o;
}
