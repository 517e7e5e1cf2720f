/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"
#include "run.h"
#include "tensorboard.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct watch {
    char *path; /* record.jsonl */
    tensorboard *events; /* NULL: not wanted */
    int64_t batches; /* of an epoch */
};

static const char *const part_names[STEP_PARTS] = {
    "data", "forward", "loss", "backward", "optimizer", "controller"};

/* ---- lines ---- */

static void put_number(FILE *file, const char *key, double value)
{
    fprintf(file, ", \"%s\": ", key);
    app_json_number(file, value);
}

static void put_integer(FILE *file, const char *key, int64_t value)
{
    fprintf(file, ", \"%s\": %lld", key, (long long)value);
}

static void put_text(FILE *file, const char *key, const char *text)
{
    fprintf(file, ", \"%s\": ", key);
    app_json_text(file, text);
}

/* JSON of the library on one line: line ends are between values only. */
static void put_json(FILE *file, const char *key, const char *json)
{
    fprintf(file, ", \"%s\": ", key);
    for (const char *p = json; *p != '\0'; p++) {
        if (*p != '\n')
            fputc(*p, file);
        else
            p += strspn(p + 1, " ");
    }
}

static char *config_text(const run *r, nncf_form form)
{
    size_t needed = 0;
    nncf_config_explain(r->config, form, NULL, 0, &needed, NULL);
    char *text = malloc(needed + 1);
    if (text != NULL && nncf_config_explain(r->config, form, text, needed, NULL, NULL) == NNCF_OK)
        return text;
    free(text);
    return NULL;
}

static void put_run(const run *r, FILE *file)
{
    const train_settings *s = &r->set;
    fputs("{\"kind\": \"run\", \"version\": 1", file);
    put_text(file, "name", r->name);
    put_text(file, "library", nncf_version_string());
    put_text(file, "machine", nncf_context_get_description(r->context));
    put_text(file, "model", s->model.name);
    put_text(file, "dataset", r->train_data->name);
    put_integer(file, "train_images", (int64_t)r->train_data->count);
    put_integer(file, "test_images", (int64_t)r->test_data->count);
    put_integer(file, "steps_per_epoch", loader_batches(r->train_loader));
    put_integer(file, "batch_size", s->batch_size);
    put_integer(file, "epochs", s->epochs);
    put_text(file, "optimizer", s->optimizer.type == OPTIMIZER_SGD ? "sgd" : "adam");
    put_number(file, "base_lr", s->optimizer.base_lr);
    fprintf(file, ", \"seed\": %llu", (unsigned long long)s->seed);
    if (s->weights != NULL)
        put_text(file, "weights", s->weights);
    if (s->resume != NULL)
        put_text(file, "resumed_from", s->resume);
    fputs("}\n", file);
}

/* The lines of a metrics.jsonl; metrics_read_top1() has found them to be objects, or will. */
static nncf_status put_baseline(FILE *file, const char *path, nncf_error *err)
{
    FILE *from = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    if (from == NULL)
        return app_fail_errno(err, path, "open");
    while ((length = getline(&line, &room, from)) > 0) {
        if (line[length - 1] == '\n')
            line[--length] = '\0';
        if (length > 1 && line[0] == '{')
            fprintf(file, "{\"kind\": \"baseline\", %s\n", line + 1);
    }
    free(line);
    fclose(from);
    return NNCF_OK;
}

static nncf_status append(const watch *w, FILE **file, nncf_error *err)
{
    *file = fopen(w->path, "a");
    return *file != NULL ? NNCF_OK : app_fail_errno(err, w->path, "open");
}

static nncf_status finish(const watch *w, FILE *file, nncf_error *err)
{
    const bool written = !ferror(file);
    return fclose(file) == 0 && written ? NNCF_OK : app_fail_errno(err, w->path, "write");
}

/* ---- the beginning ---- */

/* The effective config as TensorBoard shows text: a block of Markdown. */
static nncf_status show_config(const run *r, nncf_error *err)
{
    char *text = config_text(r, NNCF_FORM_TEXT), *block = NULL;
    size_t size;
    FILE *file = text != NULL ? open_memstream(&block, &size) : NULL;
    if (file != NULL) {
        fputs("    ", file);
        for (const char *p = text; *p != '\0'; p++) {
            fputc(*p, file);
            if (*p == '\n' && p[1] != '\0')
                fputs("    ", file);
        }
    }
    free(text);
    if (file == NULL || fclose(file) != 0)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for the config's text");
    tensorboard_text(r->watch->events, "config", r->state.epoch * r->watch->batches, block);
    free(block);
    return tensorboard_flush(r->watch->events, err);
}

static nncf_status put_header(const run *r, const char *baseline, nncf_error *err)
{
    FILE *file;
    char *config = config_text(r, NNCF_FORM_JSON);
    if (config == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for the config's text");
    nncf_status status = append(r->watch, &file, err);
    if (status == NNCF_OK) {
        put_run(r, file);
        fputs("{\"kind\": \"config\"", file);
        put_json(file, "values", config);
        fputs("}\n", file);
        if (baseline != NULL)
            status = put_baseline(file, baseline, err);
        if (status == NNCF_OK)
            status = finish(r->watch, file, err);
        else
            fclose(file);
    }
    free(config);
    return status;
}

nncf_status watch_open(run *r, const char *baseline, nncf_error *err)
{
    watch *w = r->watch = calloc(1, sizeof *w);
    nncf_status status = NNCF_OK;
    if (w == NULL || (w->path = app_format("%s/record.jsonl", r->log_dir)) == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a path");
    w->batches = loader_batches(r->train_loader);
    status = metrics_keep_before(w->path, r->state.epoch, err);
    if (status == NNCF_OK)
        status = put_header(r, baseline, err);
    if (status == NNCF_OK && r->opts->tensorboard != NULL)
        status = tensorboard_open(
            r->opts->tensorboard, r->state.epoch * w->batches + 1, &w->events, err);
    return status == NNCF_OK && w->events != NULL ? show_config(r, err) : status;
}

void watch_close(watch *w)
{
    if (w == NULL)
        return;
    tensorboard_close(w->events);
    free(w->path);
    free(w);
}

/* ---- steps and epochs ---- */

void watch_step(run *r, const step_report *step)
{
    tensorboard *t = r->watch->events;
    const int64_t now = r->state.epoch * r->watch->batches + step->step;
    if (t == NULL || step->step % r->set.print_freq != 0)
        return;
    tensorboard_scalar(t, "step/ce_loss", now, step->ce_loss);
    tensorboard_scalar(t, "step/compression_loss", now, step->compression_loss);
    tensorboard_scalar(t, "step/learning_rate", now, step->lr);
    tensorboard_scalar(t, "step/milliseconds", now, 1e3 * step->step_seconds);
}

/* Ends of a weight's range, and its number of codes; of the channel with the widest range. */
typedef struct grid {
    double low, high;
    int64_t levels, channels;
} grid;

/* The controller's parameter "<scope>.pre_ops.weight_quantizer.<what>"; count 0: there is none. */
static nncf_parameter range_of(const run *r, const char *scope, const char *what)
{
    const size_t length = strlen(scope), n = nncf_compression_ctrl_get_parameter_count(r->ctrl);
    static const char middle[] = ".pre_ops.weight_quantizer.";
    nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
    for (size_t i = 0; i < n; i++) {
        if (nncf_compression_ctrl_get_parameter(r->ctrl, i, &p, NULL) == NNCF_OK &&
            strncmp(p.name, scope, length) == 0 &&
            strncmp(p.name + length, middle, sizeof middle - 1) == 0 &&
            strcmp(p.name + length + sizeof middle - 1, what) == 0)
            return p;
    }
    return (nncf_parameter){NNCF_PARAMS(nncf_parameter)};
}

static grid grid_of(const run *r, const nncf_layer_statistics *s)
{
    const nncf_parameter scale = range_of(r, s->scope, "scale"),
                         low = range_of(r, s->scope, "input_low"),
                         range = range_of(r, s->scope, "input_range"),
                         logarithm = range_of(r, s->scope, "log_range");
    const bool is_symmetric = low.count == 0, is_log = logarithm.count > 0;
    const nncf_parameter *p = is_log ? &logarithm : is_symmetric ? &scale : &range;
    double extent = 0;
    size_t widest = 0;
    for (size_t i = 0; i < p->count; i++) {
        const double x = is_log ? exp((double)p->data[i]) : fabs((double)p->data[i]);
        if (i > 0 && !(x > extent))
            continue;
        extent = x;
        widest = i;
    }
    if (p->count == 0)
        return (grid){0};
    grid g = {.channels = (int64_t)p->count, .levels = (int64_t)1 << s->weight_bits};
    if (is_symmetric) { /* signed weights do without the lowest code: docs/formulas.md */
        g.low = s->weight_signed ? -extent : 0.0;
        g.high = extent;
        g.levels -= s->weight_signed;
    } else if (low.count > widest) {
        g.low = fmin((double)low.data[widest], 0.0);
        g.high = fmax((double)low.data[widest] + extent, 0.0);
    }
    return g;
}

/* Bytes of the weight as nncf_statistics.bytes_compressed counts them, without its scales. */
static int64_t packed_bytes(const nncf_layer_statistics *s, int64_t count, int64_t zeros)
{
    const int64_t bits = s->weight_bits > 0 ? s->weight_bits : 32, left = count - zeros,
                  dense = (count * bits + 7) / 8, sparse = (count + 7) / 8 + (left * bits + 7) / 8;
    return (s->sparsified || s->filters > 0) && sparse < dense ? sparse : dense;
}

static void put_weight(FILE *file, const net_tensor *t, const nncf_layer_statistics *s,
    const grid *g, const histogram *h, int64_t packed)
{
    fputs("{\"scope\": ", file);
    app_json_text(file, s->scope);
    put_text(file, "name", t->name);
    put_integer(file, "count", h->count);
    put_integer(file, "zeros", h->zeros);
    put_integer(file, "bytes_float", h->count * (int64_t)sizeof(float));
    put_integer(file, "bytes_compressed", packed);
    put_integer(file, "bits", s->weight_bits);
    if (g->levels > 0) {
        put_number(file, "grid_low", g->low);
        put_number(file, "grid_high", g->high);
        put_integer(file, "grid_levels", g->levels);
        put_integer(file, "grid_channels", g->channels);
    }
    put_number(file, "low", h->low);
    put_number(file, "high", h->high);
    fputs(", \"counts\": [", file);
    for (int i = 0; i < HISTOGRAM_BINS; i++)
        fprintf(file, "%s%lld", i > 0 ? "," : "", (long long)h->counts[i]);
    fputs("]}", file);
}

/* The weight of a layer: a line's element, and TensorBoard's histogram. */
static nncf_status watch_weight(const run *r, const net_tensor *t, const nncf_layer_statistics *s,
    int64_t now, FILE *file, nncf_error *err)
{
    const nncf_layer *layer = nncf_model_find_layer(net_model(r->network), s->scope);
    const size_t n_bytes = (t->count + 7) / 8;
    uint8_t *kept = malloc(n_bytes);
    nncf_status status = kept != NULL
        ? nncf_layer_get_mask(layer, kept, n_bytes, err)
        : app_fail(err, NNCF_E_NOMEM, s->scope, "no memory to look at a weight");
    if (status == NNCF_OK) {
        histogram h;
        char *tag = app_format("weights/%s", t->name);
        const grid g = s->weight_bits > 0 ? grid_of(r, s) : (grid){0};
        histogram_make(t->data, t->count, kept, &h);
        put_weight(file, t, s, &g, &h, packed_bytes(s, h.count, h.zeros));
        if (tag != NULL)
            tensorboard_histogram(r->watch->events, tag, now, &h);
        free(tag);
    }
    free(kept);
    return status;
}

static const net_tensor *weight_of(const run *r, const char *scope)
{
    size_t n;
    const net_tensor *tensors = net_tensors(r->network, &n);
    const char *module = net_module_name(r->network, scope);
    const size_t length = module != NULL ? strlen(module) : 0;
    for (size_t i = 0; module != NULL && i < n; i++)
        if (strncmp(tensors[i].name, module, length) == 0 &&
            strcmp(tensors[i].name + length, ".weight") == 0)
            return &tensors[i];
    return NULL;
}

static nncf_status put_weights(
    const run *r, int64_t epoch, int64_t now, FILE *file, nncf_error *err)
{
    nncf_layer_statistics s = {NNCF_PARAMS(nncf_layer_statistics)};
    nncf_status status = NNCF_OK;
    bool first = true;
    fprintf(file, "{\"epoch\": %lld, \"kind\": \"weights\", \"layers\": [", (long long)epoch);
    for (size_t i = 0; status == NNCF_OK &&
         nncf_compression_ctrl_get_layer_statistics(r->ctrl, i, &s, NULL) == NNCF_OK;
         i++) {
        const net_tensor *t = weight_of(r, s.scope);
        if (t == NULL)
            continue;
        fputs(first ? "" : ", ", file);
        first = false;
        status = watch_weight(r, t, &s, now, file, err);
    }
    fputs("]}\n", file);
    return status;
}

static char *statistics_json(const run *r)
{
    size_t needed = 0;
    nncf_compression_ctrl_format_statistics(r->ctrl, NNCF_FORM_JSON, NULL, 0, &needed, NULL);
    char *text = malloc(needed + 1);
    if (text != NULL &&
        nncf_compression_ctrl_format_statistics(
            r->ctrl, NNCF_FORM_JSON, text, needed, NULL, NULL) == NNCF_OK)
        return text;
    free(text);
    return NULL;
}

static nncf_status put_epoch(
    const run *r, const epoch_metrics *m, const epoch_times *times, FILE *file, nncf_error *err)
{
    char *statistics = statistics_json(r);
    if (statistics == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for the statistics");
    fprintf(file, "{\"epoch\": %lld, \"kind\": \"epoch\"", (long long)m->epoch);
    metrics_write(file, m);
    put_number(file, "train_top5", times->train_top5);
    put_number(file, "test_loss", times->test_loss);
    put_integer(file, "steps", times->steps);
    put_number(file, "train_seconds", times->train);
    put_number(file, "test_seconds", times->test);
    for (int i = 0; i < STEP_PARTS; i++) {
        fprintf(file, "%s\"%s\": ", i == 0 ? ", \"step_seconds\": {" : ", ", part_names[i]);
        app_json_number(file, times->parts[i] / (double)times->steps);
    }
    fputc('}', file);
    put_json(file, "statistics", statistics);
    fputs("}\n", file);
    free(statistics);
    return NNCF_OK;
}

/* ---- TensorBoard's view of an epoch ---- */

static void show(const run *r, const char *tag, int64_t now, double value)
{
    if (isfinite(value))
        tensorboard_scalar(r->watch->events, tag, now, value);
}

static void show_named(const run *r, const char *group, const char *name, int64_t now, double value)
{
    char *tag = app_format("%s/%s", group, name);
    if (tag != NULL)
        show(r, tag, now, value);
    free(tag);
}

static void show_parameters(const run *r, int64_t now)
{
    const size_t n = nncf_compression_ctrl_get_parameter_count(r->ctrl);
    nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
    for (size_t i = 0; i < n; i++) {
        if (nncf_compression_ctrl_get_parameter(r->ctrl, i, &p, NULL) != NNCF_OK)
            continue;
        double largest = 0.0;
        if (p.kind == NNCF_PARAMETER_MASK_LOGIT) {
            histogram h;
            char *tag = app_format("logits/%s", p.name);
            histogram_make(p.data, p.count, NULL, &h);
            if (tag != NULL)
                tensorboard_histogram(r->watch->events, tag, now, &h);
            free(tag);
            continue;
        }
        for (size_t k = 0; k < p.count; k++)
            largest = fmax(largest, fabs((double)p.data[k]));
        show_named(r, "ranges", p.name, now, largest);
    }
}

static void show_epoch(const run *r, const epoch_metrics *m, const epoch_times *times, int64_t now)
{
    nncf_layer_statistics s = {NNCF_PARAMS(nncf_layer_statistics)};
    if (r->watch->events == NULL)
        return;
    show(r, "epoch/ce_loss", now, m->ce_loss);
    show(r, "epoch/compression_loss", now, m->compression_loss);
    show(r, "epoch/test_loss", now, times->test_loss);
    show(r, "epoch/train_top1", now, m->train_top1);
    show(r, "epoch/test_top1", now, m->test_top1);
    show(r, "epoch/test_top5", now, m->test_top5);
    show(r, "sparsity/target", now, m->sparsity_target);
    show(r, "sparsity/actual", now, m->sparsity_actual);
    for (int i = 0; i < STEP_PARTS; i++)
        show_named(r, "milliseconds_of_a_step", part_names[i], now,
            1e3 * times->parts[i] / (double)times->steps);
    for (size_t i = 0; nncf_compression_ctrl_get_layer_statistics(r->ctrl, i, &s, NULL) == NNCF_OK;
         i++)
        if (s.sparsified)
            show_named(r, "sparsity_of_layers", s.scope, now, s.sparsity);
    show_parameters(r, now);
}

nncf_status watch_epoch(run *r, const epoch_metrics *m, const epoch_times *times, nncf_error *err)
{
    const int64_t now = m->epoch * r->watch->batches + times->steps;
    FILE *file;
    nncf_status status = append(r->watch, &file, err);
    if (status != NNCF_OK)
        return status;
    nncf_model_set_mode(net_model(r->network), NNCF_MODE_EVAL, NULL);
    status = put_epoch(r, m, times, file, err);
    if (status == NNCF_OK)
        status = put_weights(r, m->epoch, now, file, err);
    nncf_model_set_mode(net_model(r->network), NNCF_MODE_TRAIN, NULL);
    if (status != NNCF_OK) {
        fclose(file);
        return status;
    }
    if ((status = finish(r->watch, file, err)) != NNCF_OK)
        return status;
    show_epoch(r, m, times, now);
    return tensorboard_flush(r->watch->events, err);
}
