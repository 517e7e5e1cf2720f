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

static int64_t load_int(const void *base, const nncf__key *key)
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

static void put_word(writer *w, const void *base, const nncf__key *key)
{
    /* No initialization keeps no kind of range; a number of steps or samples of 0 says it. */
    char word[64] = "";
    int64_t index = load_int(base, key) - key->first_code;
    if (index < 0 || !nncf__config_word(key->words, (size_t)index, word, sizeof(word)))
        (void)nncf__config_word(key->words, 0, word, sizeof(word));
    put_string(w, word);
}

static void put_field(writer *w, const void *base, const nncf__key *key)
{
    const char *at = (const char *)base + (key->offset == NNCF__NO_FIELD ? 0 : key->offset);
    double number;
    const double *numbers;
    size_t count;
    switch (key->type) {
    case NNCF__KEY_NUMBER:
        memcpy(&number, at, sizeof(number));
        put_double(w, number);
        break;
    case NNCF__KEY_INTEGER:
        nncf__text_printf(w->text, "%lld", (long long)load_int(base, key));
        break;
    case NNCF__KEY_FLAG:
        put(w, load_int(base, key) ? "true" : "false");
        break;
    case NNCF__KEY_CODED_FLAG:
        put(w, load_int(base, key) == key->codes[1] ? "true" : "false");
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

/* Is the row, or another name of it, in the file? `given` belongs to the base. */
static bool is_given(const nncf__key *rows, size_t n_rows, size_t row, const uint32_t *given)
{
    if (given[row])
        return true;
    for (size_t i = 0; i < n_rows; i++)
        if (given[i] && rows[row].offset != NNCF__NO_FIELD && rows[i].offset == rows[row].offset)
            return true;
    return false;
}

/* In propagation mode the device decides what the config leaves open: to write the default would be to decide it. */
static bool is_for_device(const nncf_config *config, const nncf__key *key)
{
    return config->setup.setup == NNCF__SETUP_PROPAGATION && config->setup.device != NNCF__DEVICE_NONE &&
           (strncmp(key->path, "weights.", 8) == 0 || strncmp(key->path, "activations.", 12) == 0);
}

/* A key that the dialect does not have yet has a field all the same, but nobody asked for it. */
static bool is_shown(const nncf_config *config, size_t index, size_t row)
{
    const nncf__algorithm *a = &config->algorithms[index];
    const nncf__source *source = &config->sources[index];
    size_t count;
    const nncf__key *rows = nncf__config_keys(&count), *key = &rows[row];
    if (!(key->algorithms & 1u << a->kind) || key->another || key->type == NNCF__KEY_SECTION ||
        (key->flags & (NNCF__KEY_SPREAD | NNCF__KEY_RULE)))
        return false;
    if (key->flags & NNCF__KEY_AS_WRITTEN)
        return source->given[row] != 0;
    if (key->flags & (NNCF__KEY_FLAT | NNCF__KEY_NOT_FLAT))
        return source->flat == ((key->flags & NNCF__KEY_FLAT) != 0);
    if (key->type == NNCF__KEY_ALGORITHM)
        return true;
    if (key->offset == NNCF__NO_FIELD)
        return false;
    if (key->schedules != 0 && !(key->schedules & 1u << a->schedule.kind))
        return false;
    bool is_said = source->via[row] || is_given(rows, count, row, source->given);
    int32_t release = config->setup.release < NNCF__RELEASE_SEED ? NNCF__RELEASE_SEED : config->setup.release;
    if (!is_said && (key->from > release || is_for_device(config, key)))
        return false;
    if (!(key->flags & NNCF__KEY_NO_DEFAULT))
        return true;
    if (key->type == NNCF__KEY_SCOPES)
        return ((const nncf__strings *)(const void *)((const char *)a + key->offset))->count > 0;
    int64_t value = load_int(a, key);
    return value != (int64_t)key->fallback && !(key->type == NNCF__KEY_INTEGER && value < 0);
}

static bool is_shown_in_rule(const nncf__range_rule *rule, const nncf__algorithm *a, const nncf__key *key)
{
    if (!(key->flags & NNCF__KEY_RULE) || !(key->algorithms & 1u << a->kind) || key->another)
        return false;
    if (key->type == NNCF__KEY_NUMBER)
        return rule->kind == NNCF__PERCENTILE || rule->kind == NNCF__MEAN_PERCENTILE;
    if (key->type == NNCF__KEY_SCOPES)
        return ((const nncf__strings *)(const void *)((const char *)rule + key->offset))->count > 0;
    int64_t value = load_int(rule, key);
    return key->type == NNCF__KEY_INTEGER ? value >= 0 : !(key->flags & NNCF__KEY_NO_DEFAULT) || value != 0;
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

static void put_rules(writer *w, const nncf_config *config, size_t index)
{
    static const char section[] = "initializer.range.";
    const nncf__algorithm *a = &config->algorithms[index];
    size_t count;
    const nncf__key *rows = nncf__config_keys(&count);
    open_bracket(w, "[");
    for (size_t i = 0; i < config->sources[index].n_rules; i++) { /* those of overrides are shown there */
        char open[64] = "";
        put_item(w, NULL);
        open_bracket(w, "{");
        for (size_t row = 0; row < count; row++) {
            if (!is_shown_in_rule(&a->ranges[i], a, &rows[row]))
                continue;
            put_item(w, enter_section(w, rows[row].path + sizeof(section) - 1, open));
            put_field(w, &a->ranges[i], &rows[row]);
        }
        (void)enter_section(w, "", open);
        close_bracket(w, "}");
    }
    close_bracket(w, "]");
}

static void put_algorithm(writer *w, const nncf_config *config, size_t index)
{
    const nncf__algorithm *a = &config->algorithms[index];
    const nncf__source *source = &config->sources[index];
    size_t count;
    const nncf__key *rows = nncf__config_keys(&count);
    char open[64] = "";
    if (a->kind == NNCF__OTHER_ALGORITHM || a->kind == NNCF__FILTER_PRUNING || a->kind == NNCF__BINARIZATION) {
        put_node(w, &config->document, source->node);
        return;
    }
    open_bracket(w, "{");
    for (size_t i = 0; i < count; i++) {
        if (!is_shown(config, index, i))
            continue;
        put_item(w, enter_section(w, rows[i].path, open));
        if (rows[i].type == NNCF__KEY_ALGORITHM)
            put_string(w, a->name);
        else if (rows[i].flags & NNCF__KEY_AS_WRITTEN)
            put_node(w, &config->document, source->given[i]);
        else if (rows[i].type == NNCF__KEY_RANGES)
            put_rules(w, config, index);
        else
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
        put_algorithm(w, config, i);
    }
    close_bracket(w, "]");
}

/* What an absent key of the root means in a dialect that has it; NULL: it has not. */
static const char *setup_default(const nncf_config *config, const char *key)
{
    int32_t release = config->setup.release;
    if (strcmp(key, "target_device") == 0 && release >= 10500 && config->device_node == 0)
        return "ANY";
    if (strcmp(key, "quantizer_setup_type") == 0 && release >= 10500 && release < 10700 && config->setup_node == 0)
        return "propagation_based";
    return NULL;
}

/* The dialect, and the root's keys that are not there. */
static void put_setup(writer *w, const nncf_config *config)
{
    static const char *const keys[] = {"target_device", "quantizer_setup_type"};
    char release[NNCF__RELEASE_TEXT];
    put_item(w, "nncf_dialect");
    put_string(w, nncf__config_release_text(config->setup.release, release));
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (!setup_default(config, keys[i]))
            continue;
        put_item(w, keys[i]);
        put_string(w, setup_default(config, keys[i]));
    }
}

/* In the seed's dialect there is nothing but the algorithms. Elsewhere the same keys mean something else, so the
 * dialect is part of the text. */
void nncf__config_canonical(const nncf_config *config, nncf__text *text)
{
    static const char *const keys[] = {"hw_config_type", "target_device", "quantizer_setup_type",
                                       "ignored_scopes", "target_scopes", "compression_lr_multiplier"};
    writer w = {.text = text};
    if (config->setup.release == NNCF__RELEASE_SEED && config->setup.setup == NNCF__SETUP_PATTERN) {
        put_compression(&w, config);
        return;
    }
    char release[NNCF__RELEASE_TEXT];
    open_bracket(&w, "{");
    put_item(&w, "nncf_dialect");
    put_string(&w, nncf__config_release_text(config->setup.release, release));
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        uint32_t node = nncf__config_find_key(&config->document, 0, keys[i]);
        const char *fallback = setup_default(config, keys[i]);
        if (!node && !fallback)
            continue;
        put_item(&w, keys[i]);
        if (node)
            put_node(&w, &config->document, node);
        else
            put_string(&w, fallback);
    }
    put_item(&w, "compression");
    put_compression(&w, config);
    close_bracket(&w, "}");
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
        if (strcmp(d->nodes[i].key, "nncf_dialect") == 0)
            continue;
        if (i == config->compression && (config->n_algorithms > 0 || nncf__config_find_key(d, 0, "nncf_dialect")))
            put_setup(&w, config);
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
