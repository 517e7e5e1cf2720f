/* SPDX-License-Identifier: Apache-2.0 */
#include "record.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void *need(void *p)
{
    if (p == NULL) {
        fputs("nncf-report: no memory\n", stderr);
        exit(1);
    }
    return p;
}

struct json_object *get(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    if (object == NULL || !json_object_is_type(object, json_type_object))
        return NULL;
    json_object_object_get_ex(object, key, &value);
    return value;
}

double get_number(struct json_object *object, const char *key)
{
    struct json_object *value = get(object, key);
    return json_object_is_type(value, json_type_double) || json_object_is_type(value, json_type_int)
        ? json_object_get_double(value)
        : (double)NAN;
}

const char *get_text(struct json_object *object, const char *key)
{
    struct json_object *value = get(object, key);
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

double *get_column(const lines *l, const char *key)
{
    double *values = need(calloc(l->count + 1, sizeof *values));
    for (size_t i = 0; i < l->count; i++)
        values[i] = get_number(l->items[i], key);
    return values;
}

struct json_object *get_layer(struct json_object *line, const char *scope)
{
    struct json_object *statistics = get(line, "statistics"),
                       *layers = get(statistics != NULL ? statistics : line, "layers");
    if (!json_object_is_type(layers, json_type_array))
        return NULL;
    for (size_t i = 0; i < json_object_array_length(layers); i++) {
        struct json_object *layer = json_object_array_get_idx(layers, i);
        const char *own = get_text(layer, "scope");
        if (own != NULL && strcmp(own, scope) == 0)
            return layer;
    }
    return NULL;
}

static void add(lines *l, struct json_object *line)
{
    l->items = need(realloc(l->items, (l->count + 1) * sizeof(*l->items)));
    l->items[l->count++] = json_object_get(line);
}

static void put(struct json_object **to, struct json_object *value)
{
    json_object_put(*to);
    *to = json_object_get(value);
}

/* One line into its place; false: it is none of a record. */
static bool take(record *r, struct json_object *line)
{
    const char *kind = get_text(line, "kind");
    if (kind == NULL)
        return false;
    if (strcmp(kind, "run") == 0)
        put(&r->run, line);
    else if (strcmp(kind, "config") == 0)
        put(&r->config, get(line, "values"));
    else if (isfinite(get_number(line, "epoch"))) {
        if (strcmp(kind, "baseline") == 0)
            add(&r->baseline, line);
        else if (strcmp(kind, "epoch") == 0)
            add(&r->epochs, line);
        else if (strcmp(kind, "weights") == 0)
            add(&r->weights, line);
    }
    return true; /* other kinds may come in later versions */
}

static bool read_lines(FILE *file, record *r)
{
    char *text = NULL;
    size_t room = 0, number = 0;
    ssize_t length;
    bool good = true;
    while (good && (length = getline(&text, &room, file)) > 0) {
        enum json_tokener_error error;
        number++;
        if (text[strspn(text, " \r\n")] == '\0')
            continue;
        struct json_object *line = json_tokener_parse_verbose(text, &error);
        if (line == NULL && text[length - 1] != '\n')
            break; /* the last line of a run that is being written */
        good = line != NULL && take(r, line);
        if (!good)
            fprintf(stderr, "nncf-report: %s:%zu: is no line of a record: %s\n", r->path, number,
                line != NULL ? "it has no \"kind\"" : json_tokener_error_desc(error));
        json_object_put(line);
    }
    free(text);
    return good;
}

bool record_read(const char *path, record *r)
{
    struct stat st;
    FILE *file;
    char *name = NULL;
    size_t size;
    *r = (record){0};
    if (stat(path, &st) != 0) {
        fprintf(stderr, "nncf-report: %s: %s\n", path, strerror(errno));
        return false;
    }
    FILE *to = need(open_memstream(&name, &size));
    fprintf(to, "%s%s", path,
        !S_ISDIR(st.st_mode)                ? ""
            : path[strlen(path) - 1] == '/' ? "record.jsonl"
                                            : "/record.jsonl");
    fclose(to);
    r->path = need(name);
    if ((file = fopen(r->path, "r")) == NULL) {
        fprintf(stderr,
            "nncf-report: %s: %s; a run's folder is what nncf-classification was given by --out\n",
            r->path, strerror(errno));
        return false;
    }
    bool good = read_lines(file, r);
    fclose(file);
    if (good && r->epochs.count == 0) {
        fprintf(stderr, "nncf-report: %s: no epoch has been trained yet\n", r->path);
        good = false;
    }
    if (good && r->run == NULL) {
        fprintf(stderr, "nncf-report: %s: has no line of kind \"run\"\n", r->path);
        good = false;
    }
    return good;
}

static void lines_clear(lines *l)
{
    for (size_t i = 0; i < l->count; i++)
        json_object_put(l->items[i]);
    free(l->items);
}

void record_clear(record *r)
{
    lines_clear(&r->baseline);
    lines_clear(&r->epochs);
    lines_clear(&r->weights);
    json_object_put(r->run);
    json_object_put(r->config);
    free(r->path);
    free(r->label);
    *r = (record){0};
}

/* "results/int8/record.jsonl" -> "int8" */
static char *folder_of(const char *path)
{
    const char *end = strrchr(path, '/'), *begin = end;
    if (end == NULL)
        return need(strdup(path));
    while (begin > path && begin[-1] != '/')
        begin--;
    return begin == end || *begin == '.' ? need(strdup(path))
                                         : need(strndup(begin, (size_t)(end - begin)));
}

void report_label(report *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->runs[i].label);
        all->runs[i].label = folder_of(all->runs[i].path);
    }
    for (size_t i = 0; i < all->count; i++) {
        bool twice = false;
        for (size_t k = 0; k < all->count; k++)
            twice = twice || (k != i && strcmp(all->runs[k].label, all->runs[i].label) == 0);
        for (size_t k = i; twice && k < all->count; k++)
            if (k != i && strcmp(all->runs[k].label, all->runs[i].label) == 0) {
                free(all->runs[k].label);
                all->runs[k].label = need(strdup(all->runs[k].path));
            }
        if (twice) {
            free(all->runs[i].label);
            all->runs[i].label = need(strdup(all->runs[i].path));
        }
    }
}
