/* SPDX-License-Identifier: Apache-2.0 */
/* The tables: of layers after each epoch into statistics.txt, and at the end what was reached. */
#include "run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static char *statistics_text(const run *r)
{
    size_t needed = 0;
    char *text;
    nncf_compression_ctrl_format_statistics(r->ctrl, NNCF_FORM_TEXT, NULL, 0, &needed, NULL);
    text = malloc(needed + 1);
    if (text != NULL &&
        nncf_compression_ctrl_format_statistics(
            r->ctrl, NNCF_FORM_TEXT, text, needed, NULL, NULL) != NNCF_OK) {
        free(text);
        text = NULL;
    }
    return text;
}

nncf_status report_statistics(run *r, int64_t epoch, nncf_error *err)
{
    FILE *file;
    char *text;
    bool written;
    if (nncf_config_get_algorithm_count(r->config) == 0)
        return NNCF_OK;
    if ((text = statistics_text(r)) == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for the statistics");
    if ((file = fopen(r->statistics_path, "a")) == NULL) {
        free(text);
        return app_fail_errno(err, r->statistics_path, "open");
    }
    fprintf(file, "epoch %lld\n%s\n", (long long)epoch, text);
    free(r->layers);
    r->layers = text;
    written = !ferror(file);
    return fclose(file) == 0 && written ? NNCF_OK
                                        : app_fail_errno(err, r->statistics_path, "write");
}

char *report_baseline_path(const run *r)
{
    const char *slash;
    char *path;
    if (r->opts->baseline_metrics != NULL)
        return app_copy(r->opts->baseline_metrics);
    if (r->set.weights == NULL)
        return NULL;
    slash = strrchr(r->set.weights, '/');
    path = app_format(
        "%.*smetrics.jsonl", slash != NULL ? (int)(slash - r->set.weights + 1) : 0, r->set.weights);
    if (path != NULL && app_is_file(path))
        return path;
    free(path);
    return NULL;
}

static void percent_row(FILE *file, const char *what, double before, double after)
{
    char texts[2][24];
    const double values[2] = {before, after};
    for (int i = 0; i < 2; i++)
        snprintf(texts[i], sizeof texts[i], values[i] >= 0.0 ? "%.2f %%" : "-", values[i]);
    fprintf(file, "%-28s %14s %14s", what, texts[0], texts[1]);
    if (before >= 0.0 && after >= 0.0)
        fprintf(file, "   %+.2f points", after - before);
    fputc('\n', file);
}

static bool snapshot_exists(const run *r, const char *which)
{
    char *path = app_format("%s/%s_%s.safetensors", r->snapshot_dir, r->name, which);
    bool exists = path != NULL && app_is_file(path);
    free(path);
    return exists;
}

/* Where things are: the snapshots that there are. A best one may lie there from a run before this.
 */
static void print_places(const run *r)
{
    bool last = snapshot_exists(r, "last"),
         best = r->state.best_top1 >= 0.0 && snapshot_exists(r, "best");
    fputc('\n', r->output);
    if (r->state.best_top1 < 0.0)
        fputs("no epoch reached the final sparsity level, so there is no best snapshot yet\n",
            r->output);
    if (last || best)
        fprintf(r->output, "snapshot%s %s/%s_%s.safetensors\n", last && best ? "s" : "",
            r->snapshot_dir, r->name,
            last && best ? "{last,best}"
                : last   ? "last"
                         : "best");
    fprintf(r->output, "metrics %s\n", r->metrics_path);
}

nncf_status report_summary(const run *r, nncf_error *err)
{
    nncf_statistics s = r->statistics;
    double best = NAN, last = NAN;
    char *path;
    nncf_status status = NNCF_OK;
    if (nncf_config_get_algorithm_count(r->config) == 0) {
        print_places(r);
        return NNCF_OK;
    }
    if ((path = report_baseline_path(r)) != NULL)
        status = metrics_read_top1(path, &best, &last, err);
    free(path);
    if (status != NNCF_OK)
        return status;
    if (s.struct_size == 0) { /* resumed at its end: no epoch was left to train */
        s = (nncf_statistics){NNCF_PARAMS(nncf_statistics)};
        if ((status = nncf_compression_ctrl_get_statistics(r->ctrl, &s, NULL)) != NNCF_OK)
            return app_fail_step(err, status, "statistics");
    }
    if (r->opts->verbose) {
        char *text = r->layers == NULL ? statistics_text(r) : NULL;
        if (r->layers != NULL || text != NULL)
            fprintf(r->output, "\n%s", r->layers != NULL ? r->layers : text);
        free(text);
    }
    fprintf(r->output, "\n%-28s %14s %14s\n", "", "FP32", "compressed");
    /* The best epoch of a compressed run is one at the final level; a run that did not get there
     * has none. */
    percent_row(
        r->output, "top-1, best epoch", best, r->state.best_top1 < 0.0 ? NAN : r->state.best_top1);
    percent_row(r->output, "top-1, last epoch", last, r->state.test_top1);
    if (s.sparsified_layers > 0) {
        fprintf(r->output, "%-28s %14s %14.4f\n", "sparsity target", "-", s.sparsity_target);
        fprintf(r->output, "%-28s %14s %14.4f   of %lld weights in %lld layers\n",
            "sparsity actual", "-", s.sparsity, (long long)s.sparsified_weights,
            (long long)s.sparsified_layers);
    }
    fprintf(
        r->output, "%-28s %14s %14lld\n", "weight quantizers", "-", (long long)s.weight_quantizers);
    fprintf(r->output, "%-28s %14s %14lld   and %lld of inputs\n", "activation quantizers", "-",
        (long long)s.activation_quantizers, (long long)s.input_quantizers);
    fprintf(r->output, "%-28s %14lld %14lld   %.1f times smaller\n", "bytes",
        (long long)s.bytes_float, (long long)s.bytes_compressed,
        (double)s.bytes_float / (double)s.bytes_compressed);
    print_places(r);
    return NNCF_OK;
}
