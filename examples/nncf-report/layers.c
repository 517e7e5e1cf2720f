/* SPDX-License-Identifier: Apache-2.0 */
/* Sections of layers: sparsity and ranges over epochs, histograms of weights, bytes. */
#include "page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHOWN_PANELS = 12, /* the others are in a part that opens */
    SHOWN_ROWS = 16
};

/* ---- layers of all runs ---- */

typedef struct scope {
    const char *name; /* the record's */
    double weights;
    size_t place;
} scope;

/* Those with the most weights first. */
typedef struct scopes {
    scope *items;
    size_t count;
} scopes;

static struct json_object *last(const lines *l)
{
    return l->count > 0 ? l->items[l->count - 1] : NULL;
}

static struct json_object *layers_of(struct json_object *line)
{
    struct json_object *statistics = get(line, "statistics"),
                       *layers = get(statistics != NULL ? statistics : line, "layers");
    return json_object_is_type(layers, json_type_array) ? layers : NULL;
}

static int compare(const void *a, const void *b)
{
    const scope *x = a, *y = b;
    return x->weights != y->weights ? (x->weights < y->weights) - (x->weights > y->weights)
                                    : (x->place > y->place) - (x->place < y->place);
}

/* Scopes of the last lines' layers, each once. */
static scopes all_scopes(const report *all, bool weights)
{
    scopes s = {0};
    for (size_t i = 0; i < all->count; i++) {
        struct json_object *layers =
            layers_of(last(weights ? &all->runs[i].weights : &all->runs[i].epochs));
        const size_t n = layers != NULL ? json_object_array_length(layers) : 0;
        for (size_t k = 0; k < n; k++) {
            const char *name = get_text(json_object_array_get_idx(layers, k), "scope");
            bool known = name == NULL;
            for (size_t j = 0; j < s.count && !known; j++)
                known = strcmp(s.items[j].name, name) == 0;
            if (known)
                continue;
            const double count = get_number(get_layer(last(&all->runs[i].weights), name), "count");
            s.items = need(realloc(s.items, (s.count + 1) * sizeof *s.items));
            s.items[s.count] = (scope){name, isfinite(count) ? count : 0.0, s.count};
            s.count++;
        }
    }
    if (s.count > 0)
        qsort(s.items, s.count, sizeof *s.items, compare);
    return s;
}

/* PyTorch's name of the layer where a run has it, else the scope; until the next call. */
static const char *name_of(const report *all, const char *of)
{
    static char module[256];
    for (size_t i = 0; i < all->count; i++) {
        const char *name = get_text(get_layer(last(&all->runs[i].weights), of), "name");
        if (name != NULL) {
            const char *suffix = strstr(name, ".weight");
            snprintf(module, sizeof module, "%.*s",
                (int)(suffix != NULL ? (size_t)(suffix - name) : strlen(name)), name);
            return module;
        }
    }
    return of;
}

/* Panels are collected, since the first ones are shown and the rest opens. */
static void panel_begin(FILE *file, size_t shown)
{
    if (shown == 0)
        fputs("<div class=\"panels\">\n", file);
    if (shown == SHOWN_PANELS)
        fputs("</div><details><summary>the other layers</summary><div class=\"panels\">\n", file);
}

static void panels_end(FILE *file, size_t shown)
{
    if (shown > 0)
        fputs(shown > SHOWN_PANELS ? "</div></details>\n" : "</div>\n", file);
}

static void legend(FILE *file, const report *all)
{
    if (all->count < 2)
        return;
    fputs("<ul class=\"legend\">", file);
    for (size_t i = 0; i < all->count; i++) {
        fputs("<li>", file);
        chart_key(file, (int)i, false);
        html(file, all->runs[i].label);
        fputs("</li>", file);
    }
    fputs("</ul>\n", file);
}

/* ---- values over epochs ---- */

/* A number of a layer in an epoch's statistics. */
typedef double (*layer_value)(struct json_object *layer);

static double sparsity(struct json_object *layer)
{
    return json_object_get_boolean(get(layer, "sparsified")) ? 100.0 * get_number(layer, "sparsity")
                                                             : (double)NAN;
}

static double weight_range(struct json_object *layer)
{
    return get_number(get(layer, "weight"), "scale");
}

static double input_range(struct json_object *layer)
{
    return get_number(get(layer, "input"), "scale");
}

static double output_range(struct json_object *layer)
{
    return get_number(get(layer, "output"), "scale");
}

/* One panel with a line of each run that has values; false: no run has. */
static bool values_panel(FILE *file, const report *all, const char *of, const char *note,
    layer_value value, const char *y_label, double low, double high, size_t shown)
{
    chart_line run_lines[MOST_RUNS];
    double *owned[2 * MOST_RUNS];
    size_t n = 0;
    for (size_t i = 0; i < all->count; i++) {
        const lines *l = &all->runs[i].epochs;
        double *x = get_column(l, "epoch"), *y = get_column(l, "epoch");
        bool any = false;
        for (size_t e = 0; e < l->count; e++) {
            y[e] = value(get_layer(l->items[e], of));
            any = any || isfinite(y[e]);
        }
        owned[2 * n] = x;
        owned[2 * n + 1] = y;
        if (!any) {
            free(x);
            free(y);
            continue;
        }
        run_lines[n++] = (chart_line){
            .name = all->runs[i].label, .style = (int)i, .count = l->count, .x = x, .y = y};
    }
    if (n > 0) {
        panel_begin(file, shown);
        chart_lines(file,
            &(chart){.title = name_of(all, of),
                .note = note,
                .x_label = "epoch",
                .y_label = y_label,
                .y_low = low,
                .y_high = high,
                .panel = true,
                .lines = run_lines,
                .count = n});
    }
    for (size_t i = 0; i < 2 * n; i++)
        free(owned[i]);
    return n > 0;
}

void page_sparsity(FILE *file, const report *all)
{
    scopes s = all_scopes(all, false);
    size_t shown = 0;
    bool any = false;
    for (size_t i = 0; i < all->count; i++)
        any = any ||
            get_number(get(last(&all->runs[i].epochs), "statistics"), "sparsified_layers") > 0.0;
    if (any) {
        fputs(
            "<h2>Sparsity of each layer</h2>\n<p class=\"soft\">Percent of a layer's weights that "
            "its mask makes zero. Layers with the most weights come first.</p>\n",
            file);
        legend(file, all);
        for (size_t i = 0; i < s.count; i++)
            shown += values_panel(
                file, all, s.items[i].name, NULL, sparsity, "percent", 0.0, 100.0, shown);
        panels_end(file, shown);
    }
    free(s.items);
}

void page_ranges(FILE *file, const report *all)
{
    static const struct {
        const char *note;
        layer_value value;
    } slots[] = {{"weight", weight_range}, {"input", input_range}, {"output", output_range}};
    scopes s = all_scopes(all, false);
    size_t shown = 0;
    for (size_t i = 0; i < s.count; i++)
        for (size_t k = 0; k < sizeof slots / sizeof *slots; k++) {
            bool any = false; /* is there such a quantizer? */
            for (size_t j = 0; j < all->count; j++)
                any = any ||
                    isfinite(
                        slots[k].value(get_layer(last(&all->runs[j].epochs), s.items[i].name)));
            if (any && shown == 0) {
                fputs("<h2>Ranges of the quantizers</h2>\n<p class=\"soft\">The trained range over "
                      "the epochs (NNCF's scale; asymmetric: the length of the range; per channel: "
                      "the largest).</p>\n",
                    file);
                legend(file, all);
            }
            if (any)
                shown += values_panel(file, all, s.items[i].name, slots[k].note, slots[k].value,
                    "range", NAN, NAN, shown);
        }
    panels_end(file, shown);
    free(s.items);
}

/* ---- histograms ---- */

static void describe(FILE *to, struct json_object *layer)
{
    char text[32];
    const double bits = get_number(layer, "bits"), levels = get_number(layer, "grid_levels"),
                 low = get_number(layer, "grid_low"), high = get_number(layer, "grid_high"),
                 channels = get_number(layer, "grid_channels");
    if (levels > 1.0) {
        fprintf(to, "%.0f bits, step %s", bits, shortly((high - low) / (levels - 1.0), text));
        if (channels > 1.0)
            fprintf(to, " (widest of %.0f channels)", channels);
    } else {
        fputs("not quantized", to);
    }
    fprintf(to, "; %.1f %% zeros", 100.0 * get_number(layer, "zeros") / get_number(layer, "count"));
}

static void histogram_panel(FILE *file, const report *all, const char *of, size_t shown)
{
    bins all_bins[MOST_RUNS];
    double *owned[MOST_RUNS];
    char *notes[MOST_RUNS] = {0};
    size_t n = 0;
    for (size_t i = 0; i < all->count; i++) {
        struct json_object *layer = get_layer(last(&all->runs[i].weights), of),
                           *counts = get(layer, "counts");
        size_t size,
            count =
                json_object_is_type(counts, json_type_array) ? json_object_array_length(counts) : 0;
        if (count == 0)
            continue;
        owned[n] = need(calloc(count, sizeof(double)));
        for (size_t k = 0; k < count; k++)
            owned[n][k] = json_object_get_double(json_object_array_get_idx(counts, k));
        const double levels = get_number(layer, "grid_levels");
        all_bins[n] = (bins){.name = all->runs[i].label,
            .style = (int)i,
            .low = get_number(layer, "low"),
            .high = get_number(layer, "high"),
            .counts = owned[n],
            .count = count,
            .grid_low = levels > 1.0 ? get_number(layer, "grid_low") : 0.0,
            .grid_high = levels > 1.0 ? get_number(layer, "grid_high") : 0.0,
            .grid_levels = levels};
        FILE *to = need(open_memstream(&notes[n], &size));
        describe(to, layer);
        fclose(to);
        need(notes[n++]);
    }
    if (n > 0) {
        panel_begin(file, shown);
        chart_histograms(file, name_of(all, of), (const char *const *)notes, all_bins, n);
    }
    for (size_t i = 0; i < n; i++) {
        free(owned[i]);
        free(notes[i]);
    }
}

void page_weights(FILE *file, const report *all)
{
    scopes s = all_scopes(all, true);
    if (s.count > 0) {
        fputs("<h2>Weights and the grids of their quantizers</h2>\n<p class=\"soft\">Histograms of "
              "the weights under their masks after the last epoch, without the zeros. Upright "
              "lines: the quantizer's "
              "levels, or, where they are too close to be seen, the ends of its range; weights "
              "outside of them are clipped. Layers with the most weights come first.</p>\n",
            file);
        legend(file, all);
    }
    for (size_t i = 0; i < s.count; i++)
        histogram_panel(file, all, s.items[i].name, i);
    panels_end(file, s.count);
    free(s.items);
}

/* ---- bytes ---- */

/* Bytes that no weight takes: biases, batch norm, scales. */
static double rest(const record *r, const char *key)
{
    struct json_object *layers = layers_of(last(&r->weights));
    double bytes = get_number(get(last(&r->epochs), "statistics"), key);
    for (size_t i = 0; layers != NULL && i < json_object_array_length(layers); i++)
        bytes -= get_number(json_object_array_get_idx(layers, i), key);
    return bytes;
}

/* A row: a weight's, those of biases and the like for NULL. */
static void bytes_row(
    FILE *file, const report *all, const char *name, const char *of, double widest)
{
    double before = NAN, after[MOST_RUNS];
    for (size_t i = 0; i < all->count; i++) {
        struct json_object *layer = get_layer(last(&all->runs[i].weights), of != NULL ? of : "");
        const double own =
            of != NULL ? get_number(layer, "bytes_float") : rest(&all->runs[i], "bytes_float");
        before = isfinite(before) ? before : own;
        after[i] = of != NULL ? get_number(layer, "bytes_compressed")
                              : rest(&all->runs[i], "bytes_compressed");
    }
    fputs("<tr><td class=\"name\">", file);
    html(file, name);
    fputs("</td>", file);
    page_cell(file, before, "%.0f");
    for (size_t i = 0; i < all->count; i++) {
        struct json_object *layer = get_layer(last(&all->runs[i].weights), of != NULL ? of : "");
        const double bits = get_number(layer, "bits");
        page_cell(file, after[i], "%.0f");
        page_cell(file, bits > 0.0 ? bits : (double)NAN, "%.0f");
        page_cell(file, 100.0 * get_number(layer, "zeros") / get_number(layer, "count"), "%.1f %%");
    }
    fputs("<td class=\"bars\">", file);
    chart_bar(file, before / widest, -1);
    for (size_t i = 0; i < all->count; i++)
        chart_bar(file, after[i] / widest, (int)i);
    fputs("</td></tr>\n", file);
}

static void bytes_head(FILE *file, const report *all, const char *id)
{
    fprintf(file, "<div class=\"wide\"><table id=\"%s\"><tr><th>weight</th><th>float32</th>", id);
    for (size_t i = 0; i < all->count; i++) {
        fputs("<th>", file);
        html(file, all->runs[i].label);
        fputs("</th><th>bits</th><th>zeros</th>", file);
    }
    fputs("<th></th></tr>\n", file);
}

void page_bytes(FILE *file, const report *all)
{
    scopes s = all_scopes(all, true);
    const double widest = s.count > 0 ? 4.0 * s.items[0].weights : 1.0;
    if (s.count > 0) {
        fputs(
            "<h2>Bytes before and after</h2>\n<p class=\"soft\">After the last epoch; the largest "
            "weights come first. Codes at their bits, sparse weights as a bit mask and non-zeros "
            "where that is smaller. Bars, from the top: float32, then the runs in their "
            "order.</p>\n",
            file);
        bytes_head(file, all, "bytes");
        bytes_row(file, all, "biases, batch norm, ranges", NULL, widest);
        for (size_t i = 0; i < s.count; i++) {
            if (i == SHOWN_ROWS) {
                fputs("</table></div><details><summary>the other layers</summary>", file);
                bytes_head(file, all, "bytes-2");
            }
            bytes_row(file, all, name_of(all, s.items[i].name), s.items[i].name, widest);
        }
        fputs(s.count > SHOWN_ROWS ? "</table></div></details>\n" : "</table></div>\n", file);
    }
    free(s.items);
}
