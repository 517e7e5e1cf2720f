/* SPDX-License-Identifier: Apache-2.0 */
#include "config/read/texts.h"

#include "base/regex.h"
#include "config/canonical.h"
#include "config/internal.h"
#include "config/json/document.h"
#include "config/read/reader.h"
#include "config/schema/keys.h"

#include <nncf/base.h>
#include <nncf/config.h>

#include <string.h>

/* A text, or an array of texts. `empty`: the error for an empty text; NULL: it is allowed. */
static nncf_status read_texts(const nncf__reader *r, const nncf__key *key, uint32_t index,
    const char *empty, nncf__strings *out)
{
    const nncf__document *d = nncf__reader_document(r);
    const nncf__node *node = &d->nodes[index];
    bool single = node->type == NNCF_CONFIG_STRING;
    if (!single && node->type != NNCF_CONFIG_ARRAY)
        return nncf__reader_wrong_value(r, key, index);
    size_t count = single ? 1 : node->count;
    const char **items =
        nncf__config_arena_alloc(r->config, (count > 0 ? count : 1) * sizeof(*items));
    if (!items)
        return nncf__reader_no_memory(r);
    uint32_t child = single ? index : node->first_child;
    for (size_t i = 0; i < count; i++, child = d->nodes[child].next) {
        if (d->nodes[child].type != NNCF_CONFIG_STRING)
            return nncf__reader_wrong_value(r, key, child);
        if (empty && nncf__value_text(&d->nodes[child])[0] == '\0')
            return nncf__reader_fail(r, NNCF_E_CONFIG, child, false, "%s", empty);
        items[i] = nncf__value_text(&d->nodes[child]);
    }
    *out = (nncf__strings){.items = items, .count = count};
    return NNCF_OK;
}

nncf_status nncf__read_scope_pattern(const nncf__reader *r, uint32_t index, bool is_key)
{
    nncf_config *config = r->config;
    const nncf__node *node = &config->document.nodes[index];
    char why[NNCF__REGEX_WHY];
    nncf__regex *regex = NULL;
    if (config->setup.release < 10200 ||
        !strstr(is_key ? node->key : nncf__value_text(node), "{re}") ||
        config->regex_limit_reported)
        return NNCF_OK;
    if (!config->regexes)
        config->regexes = nncf__regex_begin(config->context);
    if (!config->regexes)
        return nncf__reader_no_memory(r);
    nncf_status status = nncf__regex_of_scope(
        config->regexes, is_key ? node->key : nncf__value_text(node), &regex, why);
    nncf__regex_free(regex);
    if (status == NNCF_E_NOMEM)
        return nncf__reader_no_memory(r);
    config->regex_limit_reported = status == NNCF_E_LIMIT;
    return status == NNCF_OK ? NNCF_OK : nncf__reader_fail(r, status, index, is_key, "%s", why);
}

static bool is_empty_array(const nncf__reader *r, uint32_t index)
{
    const nncf__node *node = &nncf__reader_document(r)->nodes[index];
    return node->type == NNCF_CONFIG_ARRAY && node->count == 0;
}

nncf_status nncf__read_scopes(
    const nncf__reader *r, const nncf__key *key, uint32_t index, nncf__strings *out)
{
    if (is_empty_array(r, index) && (key->flags & NNCF__KEY_NOT_EMPTY))
        return nncf__reader_fail(r, NNCF_E_CONFIG, index, false,
            "an empty array selects no layer at all; leave the key out to select every layer");
    nncf_status status =
        read_texts(r, key, index, "an empty scope matches no layer; remove it", out);
    const nncf__document *d = nncf__reader_document(r);
    bool single = d->nodes[index].type == NNCF_CONFIG_STRING;
    uint32_t child = status != NNCF_OK ? 0 : single ? index : d->nodes[index].first_child;
    for (; child != 0; child = single ? 0 : d->nodes[child].next)
        if (!nncf__config_continue_after_error(
                r->config, nncf__read_scope_pattern(r, child, false), &status))
            break;
    return status;
}

static nncf_status read_list(
    const nncf__reader *r, const nncf__key *key, uint32_t index, nncf__strings *out)
{
    if (is_empty_array(r, index))
        return nncf__reader_wrong_value(r, key, index);
    return read_texts(r, key, index, NULL, out);
}

nncf_status nncf__read_lists(const nncf__reader *r, const nncf__key *key, uint32_t index,
    const nncf__strings **out, size_t *count)
{
    const nncf__document *d = nncf__reader_document(r);
    const nncf__node *node = &d->nodes[index];
    if (node->type != NNCF_CONFIG_ARRAY)
        return nncf__reader_wrong_value(r, key, index);
    nncf__strings *lists =
        nncf__config_arena_alloc(r->config, (node->count > 0 ? node->count : 1) * sizeof(*lists));
    if (!lists)
        return nncf__reader_no_memory(r);
    size_t n = 0;
    for (uint32_t i = node->first_child; i != 0; i = d->nodes[i].next) {
        nncf_status status = read_list(r, key, i, &lists[n++]);
        if (status != NNCF_OK)
            return status;
    }
    *out = lists;
    *count = n;
    return NNCF_OK;
}
