/* SPDX-License-Identifier: Apache-2.0 */
/* The effective config, and its canonical `compression` part, as JSON. */
#include "config/document.h"
#include "config/keys.h"

#include <string.h>

typedef struct writer {
    nncf__text *text;
    bool pretty;
    int depth;
    bool first; /* nothing stands in the open bracket yet */
    bool flat;  /* inside an array of scalars: all on one line */
} writer;

static void put(writer *w, const char *text)
{
    nncf__text_append(w->text, text, strlen(text));
}

static void put_line(writer *w)
{
    if (!w->pretty || w->flat)
        return;
    put(w, "\n");
    for (int i = 0; i < w->depth; i++)
        put(w, "    ");
}

static void put_string(writer *w, const char *text)
{
    put(w, "\"");
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            nncf__text_printf(w->text, "\\%c", *c);
        else if ((unsigned char)*c < 0x20)
            nncf__text_printf(w->text, "\\u%04x", (unsigned)*c);
        else
            nncf__text_append(w->text, c, 1);
    }
    put(w, "\"");
}

/* What stands in front of a member or element. */
static void put_item(writer *w, const char *key)
{
    if (!w->first)
        put(w, w->pretty && w->flat ? ", " : ",");
    w->first = false;
    put_line(w);
    if (key) {
        put_string(w, key);
        put(w, w->pretty ? ": " : ":");
    }
}

static void open_bracket(writer *w, const char *bracket)
{
    put(w, bracket);
    w->depth++;
    w->first = true;
}

static void close_bracket(writer *w, const char *bracket)
{
    w->depth--;
    if (!w->first)
        put_line(w);
    w->first = false;
    put(w, bracket);
}

static void put_double(writer *w, double value)
{
    char text[NNCF__DOUBLE_TEXT];
    put(w, nncf__format_double(value, text));
}

/* ---- the caller's part: scalars as they are written ---- */

/* [1, 3, 224, 224] reads better on one line. */
static bool is_flat(const nncf__document *d, const nncf__node *array)
{
    for (uint32_t i = array->first_child; i != 0; i = d->nodes[i].next)
        if (d->nodes[i].type > NNCF_CONFIG_DOUBLE)
            return false;
    return true;
}

static void put_node(writer *w, const nncf__document *d, uint32_t index)
{
    const nncf__node *node = &d->nodes[index];
    bool is_object = node->type == NNCF_CONFIG_OBJECT;
    if (!is_object && node->type != NNCF_CONFIG_ARRAY) {
        nncf__text_append(w->text, d->text + node->offset, node->length);
        return;
    }
    open_bracket(w, is_object ? "{" : "[");
    w->flat = !is_object && is_flat(d, node);
    for (uint32_t i = node->first_child; i != 0; i = d->nodes[i].next) {
        put_item(w, d->nodes[i].key);
        put_node(w, d, i);
    }
    close_bracket(w, is_object ? "}" : "]");
    w->flat = false;
}

/* ---- the canonical part ---- */

static int64_t load_int(const nncf__algorithm *a, const nncf__key *key)
{
    const char *at = (const char *)a + key->offset;
    int32_t narrow;
    int64_t wide;
    if (key->size == sizeof(narrow)) {
        memcpy(&narrow, at, sizeof(narrow));
        return narrow;
    }
    memcpy(&wide, at, sizeof(wide));
    return wide;
}

static void put_scopes(writer *w, const nncf__strings *strings)
{
    open_bracket(w, "[");
    for (size_t i = 0; i < strings->count; i++) {
        put_item(w, NULL);
        put_string(w, strings->items[i]);
    }
    close_bracket(w, "]");
}

static void put_numbers(writer *w, const double *values, size_t count)
{
    open_bracket(w, "[");
    w->flat = true;
    for (size_t i = 0; i < count; i++) {
        put_item(w, NULL);
        put_double(w, values[i]);
    }
    close_bracket(w, "]");
    w->flat = false;
}

static void put_field(writer *w, const nncf__algorithm *a, const nncf__key *key)
{
    const char *at = (const char *)a + (key->offset == NNCF__NO_FIELD ? 0 : key->offset);
    char word[64] = "";
    double number;
    const double *numbers;
    size_t count;
    switch (key->type) {
    case NNCF__KEY_ALGORITHM:
        put_string(w, a->name);
        break;
    case NNCF__KEY_NUMBER:
        memcpy(&number, at, sizeof(number));
        put_double(w, number);
        break;
    case NNCF__KEY_INTEGER:
        nncf__text_printf(w->text, "%lld", (long long)load_int(a, key));
        break;
    case NNCF__KEY_FLAG:
        put(w, load_int(a, key) ? "true" : "false");
        break;
    case NNCF__KEY_CODED_FLAG:
        put(w, load_int(a, key) == key->codes[1] ? "true" : "false");
        break;
    case NNCF__KEY_WORD:
        /* No initialization keeps no kind of range; num_init_steps 0 says it. */
        if (!nncf__config_word(key->words, (size_t)(load_int(a, key) - key->first_code), word, sizeof(word)))
            (void)nncf__config_word(key->words, 0, word, sizeof(word));
        put_string(w, word);
        break;
    case NNCF__KEY_SCOPES:
        put_scopes(w, (const nncf__strings *)(const void *)at);
        break;
    default:
        memcpy(&numbers, at, sizeof(numbers));
        memcpy(&count, (const char *)a + key->count_offset, sizeof(count));
        put_numbers(w, numbers, count);
        break;
    }
}

static bool is_shown(const nncf__algorithm *a, const nncf__key *key)
{
    if (!(key->algorithms & 1u << a->kind) || key->refused || key->another ||
        (key->flags & (NNCF__KEY_SPREAD | NNCF__KEY_ONLY_DEFAULT)) || key->type == NNCF__KEY_SECTION)
        return false;
    if (key->schedules != 0 && !(key->schedules & 1u << a->schedule.kind))
        return false;
    if (!(key->flags & NNCF__KEY_NO_DEFAULT))
        return true;
    if (key->type == NNCF__KEY_SCOPES)
        return ((const nncf__strings *)(const void *)((const char *)a + key->offset))->count > 0;
    return load_int(a, key) != (int64_t)key->fallback;
}

/* Close and open brackets so that `path`'s section is the innermost open one; `open` is the section before. */
static const char *enter_section(writer *w, const char *path, char open[64])
{
    size_t length = strlen(open);
    while (length > 0 && (strncmp(path, open, length) != 0 || path[length] != '.')) {
        char *dot = strrchr(open, '.');
        *(dot ? dot : open) = '\0';
        length = strlen(open);
        close_bracket(w, "}");
    }
    const char *name = path + (length > 0 ? length + 1 : 0);
    for (const char *dot; (dot = strchr(name, '.')); name = dot + 1) {
        size_t end = (size_t)(dot - path);
        memcpy(open, path, end);
        open[end] = '\0';
        put_item(w, open + (name - path));
        open_bracket(w, "{");
    }
    return name;
}

static void put_algorithm(writer *w, const nncf__algorithm *a)
{
    size_t count;
    const nncf__key *rows = nncf__config_keys(&count);
    char open[64] = "";
    open_bracket(w, "{");
    for (size_t i = 0; i < count; i++) {
        if (!is_shown(a, &rows[i]))
            continue;
        const char *name = enter_section(w, rows[i].path, open);
        put_item(w, name);
        put_field(w, a, &rows[i]);
    }
    (void)enter_section(w, "", open);
    close_bracket(w, "}");
}

static void put_compression(writer *w, const nncf_config *config)
{
    open_bracket(w, "[");
    for (size_t i = 0; i < config->n_algorithms; i++) {
        put_item(w, NULL);
        put_algorithm(w, &config->algorithms[i]);
    }
    close_bracket(w, "]");
}

void nncf__config_canonical(const nncf_config *config, nncf__text *text)
{
    writer w = {.text = text};
    put_compression(&w, config);
}

nncf_status nncf_config_dump(const nncf_config *config, char *buffer, size_t capacity, size_t *needed)
{
    if (!config)
        return NNCF_E_ARG;
    const nncf__document *d = &config->document;
    nncf__text text = {.context = config->context};
    writer w = {.text = &text, .pretty = true};
    open_bracket(&w, "{");
    for (uint32_t i = d->nodes[0].first_child; i != 0; i = d->nodes[i].next) {
        put_item(&w, d->nodes[i].key);
        if (i == config->compression)
            put_compression(&w, config);
        else
            put_node(&w, d, i);
    }
    if (config->compression == 0) {
        put_item(&w, "compression");
        put_compression(&w, config);
    }
    close_bracket(&w, "}");
    put(&w, "\n");
    return nncf__text_deliver(&text, buffer, capacity, needed);
}
