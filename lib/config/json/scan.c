/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict JSON (RFC 8259) with places and limits, read once: what is valid becomes nodes with
 * values. Also rejected is what other parsers accept: duplicate keys, NaN, Infinity, single quotes,
 * NUL in texts, control characters, lone surrogates, leading zeros, trailing text. Time is in
 * proportion to the text (times the logarithm of an object's size), memory to the number of values,
 * which has a limit.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "config/json/document.h"

#include <nncf/base.h>
#include <nncf/config.h>
#include <nncf/context.h>

#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct scanner {
    nncf__document *document;
    nncf_error *err;
    size_t pos;
    /* innermost open object or array */
    uint32_t container;
    size_t n_keys;
    /* bytes of document->keys */
    size_t keys_used;
    /* "C", whatever the process's is */
    locale_t locale;
    /* the present one, decoded */
    char text[NNCF__MAX_CONFIG_STRING + 4];
} scanner;

static nncf_status fail(scanner *s, nncf_status status, size_t offset, const char *format, ...)
    NNCF_PRINTF(4, 5);
static nncf_status fail(scanner *s, nncf_status status, size_t offset, const char *format, ...)
{
    char message[400], path[NNCF__PATH_TEXT] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    nncf__source_location place = nncf__config_location(s->document, offset);
    if (s->document->n_nodes > 0)
        nncf__config_node_path(s->document, s->container, path);
    return nncf__fail_at(s->err, status, &place, path, "%s", message);
}

static nncf_status out_of_memory(scanner *s)
{
    return nncf__fail(s->err, NNCF_E_NOMEM, s->document->name, "out of memory");
}

/* The byte at pos; -1 at the end. */
static int peek(const scanner *s)
{
    return s->pos < s->document->size ? (unsigned char)s->document->text[s->pos] : -1;
}

static void skip_space(scanner *s)
{
    int c;
    while ((c = peek(s)) == ' ' || c == '\t' || c == '\n' || c == '\r')
        s->pos++;
}

/* What stands at pos, for messages. */
static const char *found(const scanner *s, char out[24])
{
    int c = peek(s);
    if (c < 0)
        snprintf(out, 24, "the end of the text");
    else if (c > ' ' && c < 0x7f)
        snprintf(out, 24, "'%c'", c);
    else
        snprintf(out, 24, "byte 0x%02x", (unsigned)c);
    return out;
}

static nncf_status unexpected(scanner *s, const char *expected)
{
    char what[24];
    found(s, what);
    switch (peek(s)) {
    case '\'':
        return fail(s, NNCF_E_PARSE, s->pos, "expected %s, found '; texts stand in double quotes",
            expected);
    case '#':
        return fail(s, NNCF_E_PARSE, s->pos,
            "expected %s, found #; comments begin with // or stand in /* */", expected);
    case -1:
        if (s->document->n_nodes > 0) {
            nncf__source_location open =
                nncf__config_location(s->document, s->document->nodes[s->container].offset);
            return fail(s, NNCF_E_PARSE, s->pos,
                "expected %s, found the end of the text: the %s that begins in line %d, column %d "
                "is not "
                "closed",
                expected,
                s->document->nodes[s->container].type == NNCF_CONFIG_ARRAY ? "array" : "object",
                (int)open.line, (int)open.column);
        }
        break;
    default:
        break;
    }
    return fail(s, NNCF_E_PARSE, s->pos, "expected %s, found %s", expected, what);
}

static int hex_digit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Four hexadecimal digits at pos, or -1. */
static int32_t hex4(const scanner *s, size_t pos)
{
    int32_t value = 0;
    for (size_t i = pos; i < pos + 4; i++) {
        int digit = i < s->document->size ? hex_digit((unsigned char)s->document->text[i]) : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static size_t put_utf8(int32_t c, char out[4])
{
    uint32_t u = (uint32_t)c;
    if (u < 0x80) {
        out[0] = (char)u;
        return 1;
    }
    size_t length = u < 0x800 ? 2 : u < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length - 1; i > 0; i--, u >>= 6)
        out[i] = (char)(0x80 | (u & 0x3f));
    out[0] = (char)(lead[length] | u);
    return length;
}

/* The escape whose backslash is at pos: its bytes go to out. */
static nncf_status scan_escape(scanner *s, char out[4], size_t *length)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    size_t start = s->pos++;
    int c = peek(s);
    const char *name = c > 0 ? strchr(names, c) : NULL;
    if (name) {
        out[0] = values[name - names];
        *length = 1;
        s->pos++;
        return NNCF_OK;
    }
    if (c != 'u')
        return fail(s, NNCF_E_PARSE, start,
            "unknown escape in a text; allowed: \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u0000");
    int32_t code = hex4(s, s->pos + 1);
    if (code < 0)
        return fail(s, NNCF_E_PARSE, start, "\\u wants four hexadecimal digits");
    s->pos += 5;
    if (code >= 0xd800 && code <= 0xdfff) {
        int32_t low = code < 0xdc00 && s->pos + 1 < s->document->size &&
                s->document->text[s->pos] == '\\' && s->document->text[s->pos + 1] == 'u'
            ? hex4(s, s->pos + 2)
            : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return fail(s, NNCF_E_PARSE, start,
                "\\u%04x is half of a surrogate pair; the other half is missing", (unsigned)code);
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        s->pos += 6;
    }
    if (code == 0)
        return fail(s, NNCF_E_PARSE, start, "\\u0000 is not allowed: texts end in NUL in C");
    *length = put_utf8(code, out);
    return NNCF_OK;
}

/* A text, pos at its opening quote. Decoded to out, which can hold the longest one or the
 * text as it is written. */
static nncf_status scan_string(scanner *s, char *out, size_t *decoded)
{
    size_t start = s->pos++, total = 0;
    for (;;) {
        int c = peek(s);
        char bytes[4];
        size_t length = 1;
        if (c < 0 || c == '\n' || c == '\r')
            return fail(s, NNCF_E_PARSE, start,
                "the text that begins here is not closed on its line; add a \" (a line "
                "break in a text is written \\n)");
        if (c < 0x20)
            return fail(s, NNCF_E_PARSE, s->pos,
                "control character 0x%02x in a text; write it \\u%04x", (unsigned)c, (unsigned)c);
        if (c == '"')
            break;
        if (c == '\\') {
            nncf_status status = scan_escape(s, bytes, &length);
            if (status != NNCF_OK)
                return status;
        } else {
            bytes[0] = (char)c;
            s->pos++;
        }
        memcpy(out + total, bytes, length);
        total += length;
        if (total > NNCF__MAX_CONFIG_STRING)
            return fail(s, NNCF_E_LIMIT, start, "the text is longer than %d bytes",
                NNCF__MAX_CONFIG_STRING);
    }
    s->pos++;
    out[total] = '\0';
    *decoded = total;
    return NNCF_OK;
}

static size_t skip_digits(scanner *s)
{
    size_t start = s->pos;
    while (peek(s) >= '0' && peek(s) <= '9')
        s->pos++;
    return s->pos - start;
}

/* The double nearest to the number at `start`. */
static nncf_status keep_double(scanner *s, uint32_t index, size_t start)
{
    const char *text = s->document->text + start;
    const size_t length = s->pos - start;
    const double value = strtod_l(text, NULL, s->locale);
    if (!isfinite(value)) {
        s->container = index;
        return fail(s, NNCF_E_PARSE, start,
            "the number %.*s is out of range: its magnitude is above 1.8e308",
            length < 40 ? (int)length : 40, text);
    }
    return nncf__value_set_number(&s->document->nodes[index], value) ? NNCF_OK : out_of_memory(s);
}

static nncf_status keep_integer(scanner *s, uint32_t index, size_t start)
{
    const long long value = strtoll_l(s->document->text + start, NULL, 10, s->locale);
    return nncf__value_set_integer(&s->document->nodes[index], value) ? NNCF_OK : out_of_memory(s);
}

static nncf_status scan_number(scanner *s, uint32_t index)
{
    nncf__node *node = &s->document->nodes[index];
    size_t start = s->pos;
    bool negative = peek(s) == '-';
    if (negative)
        s->pos++;
    size_t digits_start = s->pos, digits = skip_digits(s);
    if (digits == 0) {
        if (peek(s) == 'I')
            return fail(s, NNCF_E_PARSE, start, "-Infinity is not JSON; numbers are finite");
        return fail(
            s, NNCF_E_PARSE, start, "a number wants a digit before anything else (0.5, not .5)");
    }
    if (digits > 1 && s->document->text[digits_start] == '0')
        return fail(s, NNCF_E_PARSE, start, "a number must not begin with 0: %.*s",
            digits < 40 ? (int)digits : 40, s->document->text + digits_start);
    node->type = NNCF_CONFIG_INT;
    if (peek(s) == '.') {
        s->pos++;
        node->type = NNCF_CONFIG_DOUBLE;
        if (skip_digits(s) == 0)
            return fail(s, NNCF_E_PARSE, start,
                "a number wants a digit behind its point (5.0 or 5, not 5.)");
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->pos++;
        node->type = NNCF_CONFIG_DOUBLE;
        if (peek(s) == '+' || peek(s) == '-')
            s->pos++;
        if (skip_digits(s) == 0)
            return fail(s, NNCF_E_PARSE, start, "a number wants digits behind its e");
    }
    if (peek(s) == 'x' || peek(s) == 'X')
        return fail(
            s, NNCF_E_PARSE, start, "hexadecimal numbers are not JSON; write it in decimals");
    if (node->type == NNCF_CONFIG_INT) {
        static const char max[] = "9223372036854775807", min[] = "9223372036854775808";
        int order = memcmp(
            s->document->text + digits_start, negative ? min : max, digits < 19 ? digits : 19);
        node->big = digits > 19 || (digits == 19 && order > 0);
        if (node->big)
            node->type = NNCF_CONFIG_DOUBLE;
    }
    return node->type == NNCF_CONFIG_INT ? keep_integer(s, index, start)
                                         : keep_double(s, index, start);
}

static nncf_status scan_word(scanner *s, nncf__node *node)
{
    static const struct {
        const char *word;
        /* -1: not JSON */
        int32_t type;
        /* then */
        const char *message;
    } words[] = {
        {"true", NNCF_CONFIG_BOOL, NULL},
        {"false", NNCF_CONFIG_BOOL, NULL},
        {"null", NNCF_CONFIG_NULL, NULL},
        {"NaN", -1, "NaN is not JSON; numbers are finite"},
        {"Infinity", -1, "Infinity is not JSON; numbers are finite"},
        {"True", -1, "True is not JSON; write true"},
        {"False", -1, "False is not JSON; write false"},
        {"None", -1, "None is not JSON; write null"},
    };
    const char *text = s->document->text + s->pos;
    size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i].word) != length || memcmp(text, words[i].word, length) != 0)
            continue;
        if (words[i].type < 0)
            return fail(s, NNCF_E_PARSE, s->pos, "%s", words[i].message);
        node->type = (uint8_t)words[i].type;
        s->pos += length;
        if (node->type == NNCF_CONFIG_BOOL && !nncf__value_set_flag(node, text[0] == 't'))
            return out_of_memory(s);
        return NNCF_OK;
    }
    if (length > 0)
        return fail(s, NNCF_E_PARSE, s->pos,
            "expected a value, found %.*s; texts stand in double quotes",
            length < 60 ? (int)length : 60, text);
    return unexpected(s, "a value");
}

/* A larger array in place of `old`, the new part zero; NULL: no memory, and `old` stays. */
static void *enlarge(nncf_context *context, void *old, size_t count, size_t capacity, size_t size)
{
    void *more = nncf__calloc(context, capacity, size);
    if (!more)
        return NULL;
    if (old)
        memcpy(more, old, count * size);
    nncf__free(context, old);
    return more;
}

/* Double the capacity of the nodes and of the arrays of as many elements. */
static bool grow(nncf__document *d)
{
    const uint32_t capacity = d->nodes_capacity > 0 ? d->nodes_capacity * 2 : 64;
    nncf__node *nodes = enlarge(d->context, d->nodes, d->n_nodes, capacity, sizeof(*nodes));
    if (!nodes)
        return false;
    d->nodes = nodes;
    uint32_t *in_order = enlarge(d->context, d->in_order, d->n_placed, capacity, sizeof(*in_order));
    if (!in_order)
        return false;
    d->in_order = in_order;
    uint32_t *by_key = enlarge(d->context, d->by_key, d->n_placed, capacity, sizeof(*by_key));
    if (!by_key)
        return false;
    d->by_key = by_key;
    d->nodes_capacity = capacity;
    return true;
}

static nncf_status add_node(scanner *s, const char *key, size_t key_offset, uint32_t *out)
{
    nncf__document *d = s->document;
    if (d->n_nodes >= NNCF__MAX_CONFIG_VALUES)
        return fail(
            s, NNCF_E_LIMIT, s->pos, "the config has more than %d values", NNCF__MAX_CONFIG_VALUES);
    if (d->n_nodes == d->nodes_capacity && !grow(d))
        return out_of_memory(s);
    uint32_t index = d->n_nodes++;
    nncf__node *node = &d->nodes[index];
    node->offset = (uint32_t)s->pos;
    node->key = key;
    node->key_offset = (uint32_t)key_offset;
    node->parent = s->container;
    if (index > 0) {
        nncf__node *parent = &d->nodes[s->container];
        node->index = parent->count++;
        if (parent->last_child)
            d->nodes[parent->last_child].next = index;
        else
            parent->first_child = index;
        parent->last_child = index;
    }
    *out = index;
    return NNCF_OK;
}

static bool after(const nncf__node *nodes, uint32_t a, uint32_t b)
{
    int order = strcmp(nodes[a].key, nodes[b].key);
    return order > 0 || (order == 0 && a > b);
}

static void sift_down(const nncf__node *nodes, uint32_t *heap, size_t i, size_t n)
{
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && after(nodes, heap[child + 1], heap[child]))
            child++;
        if (!after(nodes, heap[child], heap[i]))
            return;
        uint32_t swap = heap[i];
        heap[i] = heap[child];
        heap[child] = swap;
    }
}

/* Sort the keys and look at neighbours: no input makes this slow (a heap sort, since qsort() may
 * allocate). */
static nncf_status check_duplicates(scanner *s, uint32_t object)
{
    nncf__document *d = s->document;
    const size_t n = d->nodes[object].count;
    uint32_t *heap = d->by_key + d->nodes[object].children;
    for (size_t i = n / 2; i-- > 0;)
        sift_down(d->nodes, heap, i, n);
    for (size_t end = n > 0 ? n - 1 : 0; end > 0; end--) {
        uint32_t swap = heap[0];
        heap[0] = heap[end];
        heap[end] = swap;
        sift_down(d->nodes, heap, 0, end);
    }
    uint32_t duplicate = 0, first = 0;
    for (size_t i = 1; i < n; i++) {
        if (strcmp(d->nodes[heap[i - 1]].key, d->nodes[heap[i]].key) == 0 &&
            (!duplicate || heap[i] < duplicate)) {
            duplicate = heap[i];
            first = heap[i - 1];
        }
    }
    if (!duplicate)
        return NNCF_OK;
    nncf__source_location place = nncf__config_location(d, d->nodes[first].key_offset);
    s->container = duplicate;
    return fail(s, NNCF_E_PARSE, d->nodes[duplicate].key_offset,
        "the key \"%.*s\" stands here a second time; the first is in line %d, column %d: keep one",
        (int)nncf__config_cut(d->nodes[duplicate].key, 100), d->nodes[duplicate].key,
        (int)place.line, (int)place.column);
}

/* All children of a container are there: note them where they are found by number and, of an
 * object, by key. */
static nncf_status close_container(scanner *s, uint32_t index)
{
    nncf__document *d = s->document;
    nncf__node *node = &d->nodes[index];
    node->children = d->n_placed;
    for (uint32_t i = node->first_child; i != 0; i = d->nodes[i].next, d->n_placed++)
        d->in_order[d->n_placed] = d->by_key[d->n_placed] = i;
    return node->type == NNCF_CONFIG_OBJECT ? check_duplicates(s, index) : NNCF_OK;
}

/* A key and its colon. */
static nncf_status scan_key(scanner *s, const char **key, size_t *key_offset)
{
    nncf__document *d = s->document;
    int c = peek(s);
    if (c != '"') {
        const char *text = d->text + s->pos;
        size_t length = c > 0
            ? strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
            : 0;
        if (length > 0)
            return fail(s, NNCF_E_PARSE, s->pos, "a key must stand in double quotes: \"%.*s\"",
                length < 60 ? (int)length : 60, text);
        return unexpected(s, "a key in double quotes");
    }
    if (++s->n_keys > NNCF__MAX_CONFIG_KEYS)
        return fail(
            s, NNCF_E_LIMIT, s->pos, "the config has more than %d keys", NNCF__MAX_CONFIG_KEYS);
    *key_offset = s->pos;
    *key = d->keys + s->keys_used;
    size_t length;
    nncf_status status = scan_string(s, d->keys + s->keys_used, &length);
    if (status != NNCF_OK)
        return status;
    s->keys_used += length + 1;
    skip_space(s);
    if (peek(s) != ':')
        return unexpected(s, "':' behind the key");
    s->pos++;
    skip_space(s);
    return NNCF_OK;
}

static nncf_status scan_value(scanner *s, const char *key, size_t key_offset, int depth);

/* Members or elements, pos at the opening bracket. Recursion ends at the depth limit. */
static nncf_status scan_container(scanner *s, uint32_t index, int depth)
{
    nncf__document *d = s->document;
    bool is_object = d->nodes[index].type == NNCF_CONFIG_OBJECT;
    char close = is_object ? '}' : ']';
    uint32_t outer = s->container;
    nncf_status status;
    s->container = index;
    s->pos++;
    skip_space(s);
    if (peek(s) == close) {
        s->pos++;
        s->container = outer;
        return NNCF_OK;
    }
    for (;;) {
        const char *key = NULL;
        size_t key_offset = 0;
        if (is_object && (status = scan_key(s, &key, &key_offset)) != NNCF_OK)
            return status;
        if ((status = scan_value(s, key, key_offset, depth + 1)) != NNCF_OK)
            return status;
        skip_space(s);
        int c = peek(s);
        if (c == close)
            break;
        if (c != ',')
            return unexpected(s, is_object ? "',' or '}'" : "',' or ']'");
        s->pos++;
        skip_space(s);
    }
    s->pos++;
    if ((status = close_container(s, index)) != NNCF_OK)
        return status;
    s->container = outer;
    return NNCF_OK;
}

static nncf_status scan_value(scanner *s, const char *key, size_t key_offset, int depth)
{
    nncf__document *d = s->document;
    uint32_t index = 0;
    int c = peek(s);
    if ((c == '{' || c == '[') && depth > NNCF__MAX_CONFIG_DEPTH)
        return fail(s, NNCF_E_LIMIT, s->pos, "brackets are nested more than %d deep",
            NNCF__MAX_CONFIG_DEPTH);
    if (c < 0)
        return unexpected(s, "a value");
    nncf_status status = add_node(s, key, key_offset, &index);
    if (status != NNCF_OK)
        return status;
    nncf__node *node = &d->nodes[index]; /* valid until the next node is added */
    if (c == '{' || c == '[') {
        node->type = c == '{' ? NNCF_CONFIG_OBJECT : NNCF_CONFIG_ARRAY;
        status = scan_container(s, index, depth);
    } else if (c == '"') {
        size_t length;
        node->type = NNCF_CONFIG_STRING;
        status = scan_string(s, s->text, &length);
        if (status == NNCF_OK && !nncf__value_set_text(node, s->text, length))
            status = out_of_memory(s);
    } else if (c == '-' || c == '+' || c == '.' || (c >= '0' && c <= '9')) {
        status = scan_number(s, index);
    } else {
        status = scan_word(s, node);
    }
    if (status == NNCF_OK)
        d->nodes[index].length = (uint32_t)s->pos - d->nodes[index].offset;
    return status;
}

static nncf_status scan_text(scanner *s)
{
    nncf__document *document = s->document;
    /* A decoded key and its NUL are never longer than the key with its quotes. */
    document->keys = nncf__alloc(document->context, document->size + 1);
    if (!document->keys)
        return out_of_memory(s);
    skip_space(s);
    if (peek(s) < 0)
        return fail(s, NNCF_E_PARSE, s->pos, "the config is empty; at the least it is {}");
    nncf_status status = scan_value(s, NULL, 0, 1);
    if (status != NNCF_OK)
        return status;
    skip_space(s);
    if (peek(s) >= 0) {
        char what[24];
        return fail(s, NNCF_E_PARSE, s->pos,
            "nothing may follow the config's closing bracket; found %s", found(s, what));
    }
    if (document->nodes[0].type != NNCF_CONFIG_OBJECT)
        return fail(s, NNCF_E_CONFIG, document->nodes[0].offset, "a config is an object: { ... }");
    return NNCF_OK;
}

nncf_status nncf__config_scan(nncf__document *document, nncf_error *err)
{
    scanner s = {
        .document = document, .err = err, .locale = newlocale(LC_ALL_MASK, "C", (locale_t)0)};
    if (!s.locale)
        return out_of_memory(&s);
    nncf_status status = scan_text(&s);
    freelocale(s.locale);
    return status;
}
