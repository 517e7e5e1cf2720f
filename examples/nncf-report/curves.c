/* SPDX-License-Identifier: Apache-2.0 */
/* Sections of whole runs: the summary, curves over epochs, times, tables. */
#include "page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct json_object *last(const lines *l)
{
    return l->count > 0 ? l->items[l->count - 1] : NULL;
}

static double best(const lines *l, const char *key)
{
    double *values = get_column(l, key), highest = NAN;
    for (size_t i = 0; i < l->count; i++)
        if (!(values[i] <= highest))
            highest = isfinite(values[i]) ? values[i] : highest;
    free(values);
    return highest;
}

/* Of the last epoch that has one. */
static double latest(const lines *l, const char *key)
{
    for (size_t i = l->count; i-- > 0;)
        if (isfinite(get_number(l->items[i], key)))
            return get_number(l->items[i], key);
    return NAN;
}

/* ---- the summary ---- */

static void text_row(FILE *file, const report *all, const char *what, const char *key)
{
    fprintf(file, "<tr><th>%s</th>", what);
    for (size_t i = 0; i < all->count; i++) {
        const char *text = get_text(all->runs[i].run, key);
        fputs("<td class=\"text\">", file);
        html(file, text != NULL ? text : "–");
        fputs("</td>", file);
    }
    fputs("</tr>\n", file);
}

enum summary {
    TRAINED,
    BEST,
    LAST,
    FLOAT,
    DIFFERENCE,
    TARGET,
    ZEROS,
    BYTES_FLOAT,
    BYTES,
    SMALLER,
    STEP,
    MEMORY
};

static double summary_of(const record *r, enum summary what)
{
    struct json_object *end = last(&r->epochs), *statistics = get(end, "statistics");
    const double bytes_float = get_number(statistics, "bytes_float"),
                 bytes = get_number(statistics, "bytes_compressed");
    switch (what) {
    case TRAINED:
        return (double)r->epochs.count;
    case BEST:
        return best(&r->epochs, "test_top1");
    case LAST:
        return latest(&r->epochs, "test_top1");
    case FLOAT:
        return latest(&r->baseline, "test_top1");
    case DIFFERENCE:
        return latest(&r->epochs, "test_top1") - latest(&r->baseline, "test_top1");
    case TARGET:
        return !(get_number(statistics, "sparsified_layers") > 0.0)
            ? (double)NAN
            : 100.0 * get_number(end, "sparsity_target");
    case ZEROS:
        return !(get_number(statistics, "sparsified_layers") > 0.0)
            ? (double)NAN
            : 100.0 * get_number(end, "sparsity_actual");
    case BYTES_FLOAT:
        return bytes_float;
    case BYTES:
        return bytes;
    case SMALLER:
        return bytes_float / bytes;
    case STEP:
        return 1e3 * get_number(end, "step_seconds_median");
    case MEMORY:
        return get_number(end, "peak_rss_bytes") / 1048576.0;
    default:
        return NAN;
    }
}

void page_summary(FILE *file, const report *all)
{
    static const struct {
        const char *what, *format;
    } rows[] = {[TRAINED] = {"epochs trained", "%.0f"},
        [BEST] = {"top-1 of the test images, best epoch", "%.2f %%"},
        [LAST] = {"top-1, last epoch", "%.2f %%"},
        [FLOAT] = {"top-1 of the FP32 run, last epoch", "%.2f %%"},
        [DIFFERENCE] = {"difference, points", "%+.2f"},
        [TARGET] = {"sparsity, target", "%.2f %%"},
        [ZEROS] = {"sparsity, actual", "%.2f %%"},
        [BYTES_FLOAT] = {"bytes as float32", "%.0f"},
        [BYTES] = {"bytes compressed", "%.0f"},
        [SMALLER] = {"times smaller", "%.2f"},
        [STEP] = {"ms a step, median of the last epoch", "%.1f"},
        [MEMORY] = {"peak memory, MiB", "%.0f"}};
    fputs("<h1>Runs of nncf-classification</h1>\n<div class=\"wide\"><table "
          "id=\"summary\"><tr><th></th>",
        file);
    page_run_headings(file, all);
    fputs("</tr>\n", file);
    text_row(file, all, "model", "model");
    text_row(file, all, "data set", "dataset");
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        fprintf(file, "<tr><th>%s</th>", rows[k].what);
        for (size_t i = 0; i < all->count; i++)
            page_cell(file, summary_of(&all->runs[i], (enum summary)k), rows[k].format);
        fputs("</tr>\n", file);
    }
    text_row(file, all, "machine and library", "machine");
    fputs("</table></div>\n", file);
}

/* ---- curves ---- */

/* Lines of a chart, and what they own. */
typedef struct curves {
    chart_line lines[3 * MOST_RUNS + MOST_RUNS];
    double *owned[2 * (3 * MOST_RUNS + MOST_RUNS)];
    char *names[3 * MOST_RUNS + MOST_RUNS];
    size_t count;
} curves;

static void add(curves *c, const char *who, const char *what, int style, bool thin, const lines *l,
    const char *key, double factor)
{
    chart_line *to = &c->lines[c->count];
    double *x = get_column(l, "epoch"), *y = get_column(l, key);
    size_t size;
    bool any = false;
    for (size_t i = 0; i < l->count; i++) {
        y[i] *= factor;
        any = any || isfinite(y[i]);
    }
    if (!any) {
        free(x);
        free(y);
        return;
    }
    FILE *name = need(open_memstream(&c->names[c->count], &size));
    fprintf(name, "%s%s%s", who, who[0] != '\0' ? ": " : "", what);
    fclose(name);
    *to = (chart_line){.name = need(c->names[c->count]),
        .style = style,
        .thin = thin,
        .count = l->count,
        .x = x,
        .y = y};
    c->owned[2 * c->count] = x;
    c->owned[2 * c->count + 1] = y;
    c->count++;
}

/* Do epochs have the same accuracy in both? */
static bool same_run(const lines *a, const lines *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        struct json_object *x = get(a->items[i], "test_top1"), *y = get(b->items[i], "test_top1");
        same = json_object_equal(x, y) != 0;
    }
    return same;
}

/* The runs' FP32 runs, each once; not where the page has the run itself. */
static void add_baselines(curves *c, const report *all, const char *key)
{
    for (size_t i = 0; i < all->count; i++) {
        const lines *own = &all->runs[i].baseline;
        bool known = own->count == 0;
        for (size_t k = 0; k < i && !known; k++) {
            const lines *other = &all->runs[k].baseline;
            known = same_run(other, own);
        }
        for (size_t k = 0; k < all->count && !known; k++)
            known = same_run(&all->runs[k].epochs, own);
        if (!known)
            add(c, "FP32", "the run that the weights are from", STYLE_BASELINE, false, own, key,
                1.0);
    }
}

static void show(FILE *file, curves *c, const char *title, const char *y_label, double low)
{
    if (c->count > 0)
        chart_lines(file,
            &(chart){.title = title,
                .x_label = "epoch",
                .y_label = y_label,
                .y_low = low,
                .y_high = NAN,
                .lines = c->lines,
                .count = c->count});
    for (size_t i = 0; i < c->count; i++) {
        free(c->owned[2 * i]);
        free(c->owned[2 * i + 1]);
        free(c->names[i]);
    }
    *c = (curves){0};
}

void page_curves(FILE *file, const report *all)
{
    curves c = {0};
    fputs("<h2>Accuracy and loss</h2>\n<div class=\"charts\">\n", file);
    for (size_t i = 0; i < all->count; i++) {
        const record *r = &all->runs[i];
        add(&c, r->label, "test", (int)i, false, &r->epochs, "test_top1", 1.0);
        add(&c, r->label, "training", (int)i, true, &r->epochs, "train_top1", 1.0);
    }
    add_baselines(&c, all, "test_top1");
    show(file, &c, "Top-1 accuracy", "percent", NAN);
    for (size_t i = 0; i < all->count; i++) {
        const record *r = &all->runs[i];
        add(&c, r->label, "test", (int)i, false, &r->epochs, "test_loss", 1.0);
        add(&c, r->label, "training", (int)i, true, &r->epochs, "ce_loss", 1.0);
    }
    add_baselines(&c, all, "ce_loss");
    show(file, &c, "Cross entropy (FP32: training)", "loss", NAN);
    for (size_t i = 0; i < all->count; i++)
        if (best(&all->runs[i].epochs, "compression_loss") > 0.0)
            add(&c, all->runs[i].label, "compression loss", (int)i, false, &all->runs[i].epochs,
                "compression_loss", 1.0);
    show(file, &c, "Compression loss", "loss", NAN);
    for (size_t i = 0; i < all->count; i++)
        add(&c, all->runs[i].label, "learning rate", (int)i, false, &all->runs[i].epochs, "lr",
            1.0);
    show(file, &c, "Learning rate (of the weights)", "rate", NAN);
    for (size_t i = 0; i < all->count; i++) {
        const record *r = &all->runs[i];
        if (!(best(&r->epochs, "sparsity_target") > 0.0))
            continue;
        add(&c, r->label, "actual", (int)i, false, &r->epochs, "sparsity_actual", 100.0);
        add(&c, r->label, "target", (int)i, true, &r->epochs, "sparsity_target", 100.0);
    }
    show(file, &c, "Sparsity of the sparsified layers", "percent", 0.0);
    fputs("</div>\n", file);
}

/* ---- times ---- */

static const char *const parts[] = {
    "data", "forward", "loss", "backward", "optimizer", "controller"};
enum { PARTS = sizeof parts / sizeof *parts };

/* Mean milliseconds of a part in all steps of the record. */
static double part_of(const record *r, const char *part)
{
    double seconds = 0.0, steps = 0.0;
    for (size_t i = 0; i < r->epochs.count; i++) {
        const double n = get_number(r->epochs.items[i], "steps");
        seconds += n * get_number(get(r->epochs.items[i], "step_seconds"), part);
        steps += n;
    }
    return 1e3 * seconds / steps;
}

void page_times(FILE *file, const report *all)
{
    double whole[MOST_RUNS] = {0}, longest = 0.0;
    for (size_t i = 0; i < all->count; i++) {
        for (size_t k = 0; k < PARTS; k++)
            whole[i] += part_of(&all->runs[i], parts[k]);
        longest = fmax(longest, whole[i]);
    }
    fputs(
        "<h2>Time of a training step</h2>\n<p class=\"soft\">Mean milliseconds over all epochs. "
        "data: waiting for the batch; controller: compression loss and the controller's step.</p>\n"
        "<div class=\"wide\"><table id=\"times\"><tr><th>part</th><th "
        "class=\"text\">run</th><th>ms</th>"
        "<th>share</th><th></th></tr>\n",
        file);
    for (size_t k = 0; k <= PARTS; k++)
        for (size_t i = 0; i < all->count; i++) {
            const double ms = k < PARTS ? part_of(&all->runs[i], parts[k]) : whole[i];
            fprintf(file, "<tr><td>%s</td><td class=\"text\">",
                i > 0           ? ""
                    : k < PARTS ? parts[k]
                                : "all");
            html(file, all->runs[i].label);
            fputs("</td>", file);
            page_cell(file, ms, "%.3f");
            page_cell(file, 100.0 * ms / whole[i], "%.1f %%");
            fputs("<td class=\"bars\">", file);
            chart_bar(file, ms / longest, (int)i);
            fputs("</td></tr>\n", file);
        }
    fputs("</table></div>\n", file);
}

/* ---- tables ---- */

void page_epochs(FILE *file, const report *all)
{
    static const struct {
        const char *key, *format;
    } columns[] = {{"epoch", "%.0f"}, {"lr", "%.3g"}, {"ce_loss", "%.4f"}, {"test_loss", "%.4f"},
        {"compression_loss", "%.4f"}, {"train_top1", "%.2f"}, {"test_top1", "%.2f"},
        {"test_top5", "%.2f"}, {"sparsity_target", "%.4f"}, {"sparsity_actual", "%.4f"},
        {"step_seconds_median", "%.5f"}, {"train_seconds", "%.2f"}, {"test_seconds", "%.2f"}};
    enum { N = sizeof columns / sizeof *columns };
    fputs("<h2>Figures of each epoch</h2>\n", file);
    for (size_t i = 0; i < all->count; i++) {
        const record *r = &all->runs[i];
        fputs("<details><summary>", file);
        html(file, r->label);
        fprintf(file, "</summary><div class=\"wide\"><table id=\"epochs-%zu\"><tr>", i);
        for (size_t k = 0; k < N; k++)
            fprintf(file, "<th>%s</th>", columns[k].key);
        fputs("</tr>\n", file);
        for (size_t e = 0; e < r->epochs.count; e++) {
            fputs("<tr>", file);
            for (size_t k = 0; k < N; k++)
                page_cell(file, get_number(r->epochs.items[e], columns[k].key), columns[k].format);
            fputs("</tr>\n", file);
        }
        fputs("</table></div></details>\n", file);
    }
}
