/* SPDX-License-Identifier: Apache-2.0 */
/* Configs side by side: what differs, and each as a whole. */
#include "page.h"

#include <stdlib.h>
#include <string.h>

/* Settings that may come from the command line, too, and are in the "run" line. */
static const char *const settings[] = {"name", "model", "dataset", "train_images",
    "steps_per_epoch", "batch_size", "epochs", "optimizer", "base_lr", "seed", "weights",
    "resumed_from", "library"};
enum { SETTINGS = sizeof settings / sizeof *settings };

static size_t length_of(const record *r)
{
    return json_object_is_type(r->config, json_type_array) ? json_object_array_length(r->config)
                                                           : 0;
}

/* Lives with the value. */
static const char *as_text(struct json_object *value)
{
    return json_object_to_json_string_ext(
        value, JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
}

/* The value at a path, as JSON; NULL: there is none. */
static const char *value_at(const record *r, const char *path)
{
    for (size_t i = 0; i < length_of(r); i++) {
        struct json_object *v = json_object_array_get_idx(r->config, i);
        const char *own = get_text(v, "path");
        if (own != NULL && strcmp(own, path) == 0)
            return as_text(get(v, "value"));
    }
    return NULL;
}

static const char *setting(const record *r, const char *key)
{
    struct json_object *v = get(r->run, key);
    return v != NULL ? as_text(v) : NULL;
}

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* A row where the runs differ. */
static size_t row(FILE *file, const report *all, const char *what, const char *path,
    const char *(*value)(const record *, const char *))
{
    bool differs = false;
    for (size_t i = 1; i < all->count; i++) /* what value() returns lives with the record */
        differs = differs || !same(value(&all->runs[0], path), value(&all->runs[i], path));
    if (!differs)
        return 0;
    fprintf(file, "<tr><td class=\"name\"><code>%s", what);
    html(file, path);
    fputs("</code></td>", file);
    for (size_t i = 0; i < all->count; i++) {
        const char *text = value(&all->runs[i], path);
        fputs("<td class=\"text\"><code>", file);
        html(file, text != NULL ? text : "–");
        fputs("</code></td>", file);
    }
    fputs("</tr>\n", file);
    return 1;
}

static void differences(FILE *file, const report *all)
{
    size_t n = 0;
    fputs("<div class=\"wide\"><table id=\"differences\"><tr><th>path</th>", file);
    page_run_headings(file, all);
    fputs("</tr>\n", file);
    for (size_t k = 0; k < SETTINGS; k++)
        n += row(file, all, "run: ", settings[k], setting);
    for (size_t i = 0; i < all->count; i++)
        for (size_t k = 0; k < length_of(&all->runs[i]); k++) {
            const char *path = get_text(json_object_array_get_idx(all->runs[i].config, k), "path");
            bool done = path == NULL;
            for (size_t j = 0; j < i && !done; j++) /* it was a row of an earlier run's paths */
                done = value_at(&all->runs[j], path) != NULL;
            if (!done)
                n += row(file, all, "", path, value_at);
        }
    if (n == 0)
        fprintf(
            file, "<tr><td colspan=\"%zu\">The configs are the same.</td></tr>", all->count + 1);
    fputs("</table></div>\n", file);
}

void page_configs(FILE *file, const report *all)
{
    fprintf(file, "<h2>Config%s</h2>\n", all->count > 1 ? "s: what differs" : "");
    if (all->count > 1)
        differences(file, all);
    for (size_t i = 0; i < all->count; i++) {
        fputs("<details><summary>the effective config of ", file);
        html(file, all->runs[i].label);
        fputs("</summary><div class=\"wide\"><table><tr><th>path</th><th class=\"text\">value</th>"
              "<th class=\"text\">from</th></tr>\n",
            file);
        for (size_t k = 0; k < length_of(&all->runs[i]); k++) {
            struct json_object *v = json_object_array_get_idx(all->runs[i].config, k);
            const char *path = get_text(v, "path"), *origin = get_text(v, "origin");
            fputs("<tr><td class=\"name\"><code>", file);
            html(file, path != NULL ? path : "");
            fputs("</code></td><td class=\"text\"><code>", file);
            html(file, as_text(get(v, "value")));
            fputs("</code></td><td class=\"text\">", file);
            html(file, origin != NULL ? origin : "");
            fputs("</td></tr>\n", file);
        }
        fputs("</table></div></details>\n", file);
    }
}
