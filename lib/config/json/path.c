/* SPDX-License-Identifier: Apache-2.0 */
/* Between nodes, their paths, and lines and columns. */
#include "base/alloc.h"
#include "base/error.h"
#include "config/json/document.h"

#include <nncf/base.h>
#include <nncf/config.h>

#include <stdio.h>
#include <string.h>

/* Continue counting from `from` to `to`. */
static nncf__line_start count_lines(
    const nncf__document *document, nncf__line_start known, size_t from, size_t to)
{
    for (size_t i = from; i < to && i < document->size; i++)
        if (document->text[i] == '\n')
            known = (nncf__line_start){.line = known.line + 1, .start = (uint32_t)i + 1};
    return known;
}

bool nncf__config_index_lines(nncf__document *document)
{
    const size_t count = document->size / NNCF__LINE_START_BYTES + 1;
    document->line_starts = nncf__calloc(document->context, count, sizeof(*document->line_starts));
    if (!document->line_starts)
        return false;
    document->line_starts[0] = (nncf__line_start){.line = 1, .start = 0};
    for (size_t i = 1; i < count; i++)
        document->line_starts[i] = count_lines(document, document->line_starts[i - 1],
            (i - 1) * NNCF__LINE_START_BYTES, i * NNCF__LINE_START_BYTES);
    return true;
}

nncf__source_location nncf__config_location(const nncf__document *document, size_t offset)
{
    const size_t i = (offset < document->size ? offset : document->size) / NNCF__LINE_START_BYTES;
    const nncf__line_start known =
        count_lines(document, document->line_starts[i], i * NNCF__LINE_START_BYTES, offset);
    return (nncf__source_location){.file = document->name,
        .offset = offset,
        .line = (int32_t)known.line,
        .column = (int32_t)(offset - known.start) + 1};
}

size_t nncf__config_cut(const char *text, size_t limit)
{
    size_t length = strnlen(text, limit);
    while (length == limit && length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
        limit = --length;
    return length;
}

static bool is_plain(const char *key)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-$";
    return *key && key[strspn(key, plain)] == '\0';
}

/* Append ".key", quoted where needed. */
static void add_key(char out[NNCF__PATH_TEXT], const char *key)
{
    size_t used = strlen(out);
    if (used > 0 && used + 1 < NNCF__PATH_TEXT)
        out[used++] = '.';
    bool quoted = !is_plain(key);
    if (quoted && used + 1 < NNCF__PATH_TEXT)
        out[used++] = '"';
    size_t length = nncf__config_cut(key, NNCF__PATH_TEXT);
    for (size_t i = 0; i < length; i++) {
        bool escaped = quoted && (key[i] == '"' || key[i] == '\\');
        bool begins = ((unsigned char)key[i] & 0xc0) != 0x80;
        if (used + (begins ? 6 : 2) >
            NNCF__PATH_TEXT) /* whole characters only, then the quote and NUL */
            break;
        if (escaped)
            out[used++] = '\\';
        out[used++] = key[i];
    }
    if (quoted && used + 1 < NNCF__PATH_TEXT)
        out[used++] = '"';
    out[used] = '\0';
}

char *nncf__config_node_path(
    const nncf__document *document, uint32_t node, char out[NNCF__PATH_TEXT])
{
    uint32_t chain[NNCF__MAX_CONFIG_DEPTH + 1];
    size_t depth = 0;
    for (uint32_t i = node; i != 0 && depth < sizeof(chain) / sizeof(chain[0]);
         i = document->nodes[i].parent)
        chain[depth++] = i;
    out[0] = '\0';
    while (depth > 0) {
        const nncf__node *n = &document->nodes[chain[--depth]];
        if (n->key) {
            add_key(out, n->key);
        } else {
            size_t used = strlen(out);
            snprintf(out + used, NNCF__PATH_TEXT - used, "[%u]", (unsigned)n->index);
        }
    }
    return out;
}

/* How a key and a element of `length` bytes, which may hold backslash escapes if it is quoted,
 * stand in order. */
static int compare_key(const char *key, const char *element, size_t length, bool quoted)
{
    for (size_t i = 0; i < length; i++, key++) {
        if (quoted && element[i] == '\\')
            i++;
        if (*key != element[i])
            return (unsigned char)*key < (unsigned char)element[i] ? -1 : 1;
    }
    return *key == '\0' ? 0 : 1;
}

static uint32_t find_member(const nncf__document *document, uint32_t object, const char *element,
    size_t length, bool quoted)
{
    const nncf__node *node = &document->nodes[object];
    if (node->type != NNCF_CONFIG_OBJECT)
        return 0;
    const uint32_t *by_key = document->by_key + node->children;
    size_t low = 0, high = node->count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        const int order = compare_key(document->nodes[by_key[middle]].key, element, length, quoted);
        if (order == 0)
            return by_key[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

uint32_t nncf__config_find_key(const nncf__document *document, uint32_t object, const char *key)
{
    return find_member(document, object, key, strlen(key), false);
}

static uint32_t find_element(const nncf__document *document, uint32_t array, uint64_t index)
{
    const nncf__node *node = &document->nodes[array];
    if (node->type != NNCF_CONFIG_ARRAY || index >= node->count)
        return 0;
    return document->in_order[node->children + index];
}

/* One element of a path: a key, a quoted key, or [index]. */
typedef struct element {
    const char *key;
    size_t length;
    bool quoted, is_index;
    uint64_t index;
} element;

/* Read the element at *path and step past it and its separator. */
static bool next_element(const char **path, element *out)
{
    const char *p = *path;
    memset(out, 0, sizeof(*out));
    if (*p == '[') {
        size_t digits = strspn(++p, "0123456789");
        if (digits == 0 || digits > 9 || p[digits] != ']')
            return false;
        out->is_index = true;
        for (size_t i = 0; i < digits; i++)
            out->index = out->index * 10 + (uint64_t)(p[i] - '0');
        p += digits + 1;
    } else if (*p == '"') {
        out->quoted = true;
        out->key = ++p;
        while (*p && *p != '"')
            p += *p == '\\' && p[1] ? 2 : 1;
        if (*p != '"')
            return false;
        out->length = (size_t)(p++ - out->key);
    } else {
        out->key = p;
        out->length = strcspn(p, "./[");
        if (out->length == 0)
            return false;
        p += out->length;
    }
    if (*p == '.' || *p == '/') {
        p++;
        if (*p == '\0' || *p == '[')
            return false;
    } else if (*p != '\0' && *p != '[') {
        return false;
    }
    *path = p;
    return true;
}

nncf_status nncf__config_find_path(const nncf__document *document, const char *path, uint32_t *node)
{
    uint32_t at = 0;
    nncf_status status = NNCF_OK;
    *node = 0;
    while (*path) {
        element s;
        if (!next_element(&path, &s))
            return NNCF_E_ARG;
        if (status != NNCF_OK)
            continue; /* the rest of the path is still checked */
        uint32_t child = s.is_index ? find_element(document, at, s.index)
                                    : find_member(document, at, s.key, s.length, s.quoted);
        if (child == 0)
            status = NNCF_E_NOTFOUND;
        else
            *node = at = child;
    }
    return status;
}
