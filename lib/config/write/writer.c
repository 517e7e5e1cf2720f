/* SPDX-License-Identifier: Apache-2.0 */
/* Writes JSON: brackets and commas, nodes of a document, fields of the canonical form. */
#include "config/write/writer.h"

#include "base/strings.h"
#include "base/text.h"
#include "config/canonical.h"
#include "config/internal.h"
#include "config/json/document.h"
#include "config/schema/keys.h"

#include <nncf/config.h>

#include <string.h>

void nncf__put(nncf__writer *w, const char *text)
{
    nncf__text_append(w->text, text, strlen(text));
}

static void put_line(nncf__writer *w)
{
    if (!w->pretty || w->one_line)
        return;
    nncf__put(w, "\n");
    for (int i = 0; i < w->depth; i++)
        nncf__put(w, "    ");
}

void nncf__put_string(nncf__writer *w, const char *text)
{
    nncf__text_json_string(w->text, text);
}

/* What precedes a member or element: comma, line break, key. */
void nncf__put_item(nncf__writer *w, const char *key)
{
    if (!w->first)
        nncf__put(w, w->pretty && w->one_line ? ", " : ",");
    w->first = false;
    put_line(w);
    if (key) {
        nncf__put_string(w, key);
        nncf__put(w, w->pretty ? ": " : ":");
    }
}

void nncf__put_open(nncf__writer *w, const char *bracket)
{
    nncf__put(w, bracket);
    w->depth++;
    w->first = true;
}

void nncf__put_close(nncf__writer *w, const char *bracket)
{
    w->depth--;
    if (!w->first)
        put_line(w);
    w->first = false;
    nncf__put(w, bracket);
}

void nncf__put_double(nncf__writer *w, double value)
{
    char text[NNCF__DOUBLE_TEXT];
    nncf__put(w, nncf__format_double(value, text));
}

/* ---- the caller's part: scalars as they are written ---- */

/* [1, 3, 224, 224] reads better on one line. */
static bool is_all_scalars(const nncf__document *d, const nncf__node *array)
{
    for (uint32_t i = array->first_child; i != 0; i = d->nodes[i].next)
        if (d->nodes[i].type > NNCF_CONFIG_DOUBLE)
            return false;
    return true;
}

void nncf__put_node(nncf__writer *w, const nncf__document *d, uint32_t index)
{
    const nncf__node *node = &d->nodes[index];
    bool is_object = node->type == NNCF_CONFIG_OBJECT;
    if (!is_object && node->type != NNCF_CONFIG_ARRAY) {
        nncf__text_append(w->text, d->text + node->offset, node->length);
        return;
    }
    nncf__put_open(w, is_object ? "{" : "[");
    w->one_line = !is_object && is_all_scalars(d, node);
    for (uint32_t i = node->first_child; i != 0; i = d->nodes[i].next) {
        nncf__put_item(w, d->nodes[i].key);
        nncf__put_node(w, d, i);
    }
    nncf__put_close(w, is_object ? "}" : "]");
    w->one_line = false;
}

/* ---- the canonical part ---- */

int64_t nncf__load_int(const void *base, const nncf__key *key)
{
    const char *at = (const char *)base + key->offset;
    int32_t narrow;
    int64_t wide;
    if (key->size == sizeof(narrow)) {
        memcpy(&narrow, at, sizeof(narrow));
        return narrow;
    }
    memcpy(&wide, at, sizeof(wide));
    return wide;
}

static void put_scopes(nncf__writer *w, const nncf__strings *strings)
{
    nncf__put_open(w, "[");
    for (size_t i = 0; i < strings->count; i++) {
        nncf__put_item(w, NULL);
        nncf__put_string(w, strings->items[i]);
    }
    nncf__put_close(w, "]");
}

static void put_numbers(nncf__writer *w, const double *values, size_t count)
{
    nncf__put_open(w, "[");
    w->one_line = true;
    for (size_t i = 0; i < count; i++) {
        nncf__put_item(w, NULL);
        nncf__put_double(w, values[i]);
    }
    nncf__put_close(w, "]");
    w->one_line = false;
}

static void put_word(nncf__writer *w, const void *base, const nncf__key *key)
{
    /* Without initialization no kind of range is stored: its number of steps or samples is 0. */
    char word[64] = "";
    int64_t index = nncf__load_int(base, key) - key->first_code;
    if (index < 0 || !nncf__config_word(key->words, (size_t)index, word, sizeof(word)))
        (void)nncf__config_word(key->words, 0, word, sizeof(word));
    nncf__put_string(w, word);
}

void nncf__put_field(nncf__writer *w, const void *base, const nncf__key *key)
{
    const char *at = (const char *)base + (key->offset == NNCF__NO_FIELD ? 0 : key->offset);
    double number;
    const double *numbers;
    size_t count;
    switch (key->type) {
    case NNCF__KEY_NUMBER:
        memcpy(&number, at, sizeof(number));
        nncf__put_double(w, number);
        break;
    case NNCF__KEY_INTEGER:
        nncf__text_printf(w->text, "%lld", (long long)nncf__load_int(base, key));
        break;
    case NNCF__KEY_FLAG:
        nncf__put(w, nncf__load_int(base, key) ? "true" : "false");
        break;
    case NNCF__KEY_CODED_FLAG:
        nncf__put(w, nncf__load_int(base, key) == key->codes[1] ? "true" : "false");
        break;
    case NNCF__KEY_WORD:
        put_word(w, base, key);
        break;
    case NNCF__KEY_SCOPES:
        put_scopes(w, (const nncf__strings *)(const void *)at);
        break;
    default:
        memcpy(&numbers, at, sizeof(numbers));
        memcpy(&count, (const char *)base + key->count_offset, sizeof(count));
        put_numbers(w, numbers, count);
        break;
    }
}
