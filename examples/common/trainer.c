/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer.h"
#include "adam.h"
#include "metrics.h"
#include "settings.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct run {
    task *t;
    /* command line; 0 and NULL: the config's, or none */
    const char *config_path, *data, *out, *weights, *onnx, *strip;
    int64_t threads, seed;
    double lr;
    bool plan;
    /* config */
    int64_t epochs, steps, batch_size, warmup;
    adam_rates rates;
    nncf_context *context;
    nncf_config *config;
    graph *g;
    nncf_compression_ctrl *ctrl;
    adam *optimizer;
    void *x;
    int64_t done; /* steps */
    double *wall, *cpu; /* seconds of each step of an epoch */
    double scores[TASK_SCORES];
} run;

static void on_log(void *user, nncf_log_level level, const char *line)
{
    if (level <= NNCF_LOG_WARNING)
        fprintf(stderr, "%s: %s\n", ((const task *)user)->name, line);
}

static const char usage[] =
    "  --config FILE       NNCF config; its keys epochs, steps_per_epoch, batch_size and "
    "optimizer\n"
    "                      (base_lr, weight_decay, mask_lr, warmup_steps, max_norm) are the "
    "loop's\n"
    "  --data PATH         data, where they are not in their usual place\n"
    "  --out DIR           metrics.jsonl and weights.safetensors go there\n"
    "  --weights FILE      start from such weights\n"
    "  --export-onnx FILE  write the model at the end, as ONNX\n"
    "  --strip FILE        and as codes and scales (safetensors)\n"
    "  --epochs N, --steps N, --batch-size N, --seed N, --threads N, --lr X  go before the config\n"
    "  --plan              print where masks and quantizers go, and train nothing\n"
    "  --help\n";

enum wish { RUN, DONE, WRONG };

static enum wish parse_options(run *r, int argc, char **argv)
{
    static const struct option known[] = {{"config", 1, NULL, 'c'}, {"data", 1, NULL, 'd'},
        {"out", 1, NULL, 'o'}, {"weights", 1, NULL, 'w'}, {"export-onnx", 1, NULL, 'x'},
        {"strip", 1, NULL, 'z'}, {"epochs", 1, NULL, 'e'}, {"steps", 1, NULL, 's'},
        {"batch-size", 1, NULL, 'b'}, {"seed", 1, NULL, 'r'}, {"threads", 1, NULL, 't'},
        {"lr", 1, NULL, 'l'}, {"plan", 0, NULL, 'p'}, {"help", 0, NULL, 'h'}, {0}};
    const struct {
        int option;
        const char **text;
        int64_t *number;
    } to[] = {{'c', &r->config_path, NULL}, {'d', &r->data, NULL}, {'o', &r->out, NULL},
        {'w', &r->weights, NULL}, {'x', &r->onnx, NULL}, {'z', &r->strip, NULL},
        {'e', NULL, &r->epochs}, {'s', NULL, &r->steps}, {'b', NULL, &r->batch_size},
        {'r', NULL, &r->seed}, {'t', NULL, &r->threads}};
    int c;
    optind = 1;
    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c == 'h') {
            printf("usage: %s --config FILE [options]\n%s\n%s", argv[0], r->t->about, usage);
            return DONE;
        }
        if (c == '?')
            return WRONG;
        r->plan = r->plan || c == 'p';
        if (c == 'l' && !((r->lr = strtod(optarg, NULL)) > 0.0)) {
            fprintf(stderr, "%s: --lr takes a number above 0, not \"%s\"\n", argv[0], optarg);
            return WRONG;
        }
        for (size_t i = 0; i < sizeof to / sizeof *to; i++) {
            char *end = "";
            if (to[i].option != c)
                continue;
            if (to[i].text != NULL)
                *to[i].text = optarg;
            else if ((*to[i].number = strtoll(optarg, &end, 10)) < 0 || end == optarg || *end) {
                fprintf(stderr, "%s: \"%s\" is not a whole number\n", argv[0], optarg);
                return WRONG;
            }
        }
    }
    if (optind < argc || r->config_path == NULL) {
        fprintf(stderr, "%s: %s; --help lists the options\n", argv[0],
            optind < argc ? "takes options only" : "needs --config FILE");
        return WRONG;
    }
    return RUN;
}

/* The command line goes before the config. */
static nncf_status read_int(const run *r, const char *key, int64_t *value, nncf_error *err)
{
    return *value > 0 ? NNCF_OK : settings_int(r->config, key, 1, value, err);
}

static nncf_status read_config(run *r, nncf_error *err)
{
    const struct {
        const char *key;
        double highest, *value;
    } numbers[] = {{"optimizer.base_lr", 1.0, &r->rates.lr},
        {"optimizer.weight_decay", 1.0, &r->rates.weight_decay},
        {"optimizer.mask_lr", 10.0, &r->rates.mask_lr},
        {"optimizer.max_norm", 1e9, &r->rates.max_norm}};
    nncf_status status = nncf_config_load(r->context, r->config_path, NULL, &r->config, err);
    r->rates = (adam_rates){.lr = 1e-3, .mask_lr = 0.03};
    if (status == NNCF_OK)
        status = read_int(r, "epochs", &r->epochs, err);
    if (status == NNCF_OK)
        status = read_int(r, "steps_per_epoch", &r->steps, err);
    if (status == NNCF_OK)
        status = read_int(r, "batch_size", &r->batch_size, err);
    if (status == NNCF_OK)
        status = settings_int(r->config, "optimizer.warmup_steps", 0, &r->warmup, err);
    for (size_t i = 0; status == NNCF_OK && i < sizeof numbers / sizeof *numbers; i++)
        status = settings_double(
            r->config, numbers[i].key, 0.0, numbers[i].highest, numbers[i].value, err);
    r->rates.lr = r->lr > 0.0 ? r->lr : r->rates.lr;
    r->epochs = r->epochs > 0 ? r->epochs : 1;
    r->steps = r->steps > 0 ? r->steps : 100;
    r->batch_size = r->batch_size > 0 ? r->batch_size : 16;
    return status;
}

/* The arrays by name; of a compressed run's file only the weights are taken. */
static nncf_status weights_file(run *r, const char *path, bool save, nncf_error *err)
{
    size_t n;
    const graph_array *arrays = graph_arrays(r->g, &n);
    nncf_checkpoint_tensor *items = calloc(n + 1, sizeof *items);
    nncf_checkpoint *file = NULL;
    nncf_status status;
    if (items == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a list of weights");
    for (size_t i = 0; i < n; i++)
        items[i] = (nncf_checkpoint_tensor){arrays[i].name,
            {.data = arrays[i].data, .ndim = arrays[i].ndim, .shape = arrays[i].shape}};
    if (save) {
        status = nncf_checkpoint_save(r->ctrl, path, items, n, NULL, err);
    } else {
        status = nncf_checkpoint_open(r->context, path, NULL, &file, err);
        if (status == NNCF_OK)
            status = nncf_checkpoint_read(file, items, n, err);
        nncf_checkpoint_close(file);
    }
    free(items);
    return status;
}

/* Ranges of the quantizers from the first training batches. */
static nncf_status initialize(run *r, nncf_error *err)
{
    int32_t more = 0;
    nncf_status status;
    for (int64_t i = 0; (status = nncf_compression_ctrl_init_step(r->ctrl, &more, err)) == NNCF_OK;
         i++) {
        const float *y;
        if (!more)
            break;
        status = r->t->train_batch(r->t, i, r->batch_size, r->x, err);
        if (status != NNCF_OK ||
            (status = graph_forward(r->g, r->x, r->batch_size, &y, err)) != NNCF_OK)
            break;
    }
    return status;
}

static int64_t golden_samples(const run *r)
{
    return r->t->golden > 0 ? r->t->golden : 4;
}

static nncf_status open_run(run *r, nncf_error *err)
{
    const nncf_context_params params = {NNCF_PARAMS(nncf_context_params), .log = on_log,
        .log_user = r->t, .n_threads = (int32_t)r->threads, .seed = (uint64_t)r->seed};
    nncf_status status = nncf_context_create(NNCF_API_VERSION, &params, &r->context, err);
    if (status == NNCF_OK)
        status = read_config(r, err);
    if (status == NNCF_OK)
        status = r->t->open(r->t, r->config, r->data, (uint64_t)r->seed, r->context, &r->g, err);
    if (status == NNCF_OK && r->weights != NULL)
        status = weights_file(r, r->weights, false, err);
    if (status == NNCF_OK)
        status = nncf_compression_ctrl_create(graph_model(r->g), r->config, &r->ctrl, err);
    if (status == NNCF_OK)
        status = adam_create(r->g, r->ctrl, &r->rates, &r->optimizer, err);
    if (status != NNCF_OK)
        return status;
    r->x = app_bytes(r->t->input_size *
        (size_t)(r->batch_size > golden_samples(r) ? r->batch_size : golden_samples(r)));
    r->wall = calloc((size_t)r->steps, sizeof *r->wall);
    r->cpu = calloc((size_t)r->steps, sizeof *r->cpu);
    if (r->x == NULL || r->wall == NULL || r->cpu == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a batch");
    return initialize(r, err);
}

static void close_run(run *r)
{
    adam_destroy(r->optimizer);
    nncf_compression_ctrl_destroy(r->ctrl);
    graph_destroy(r->g);
    if (r->t->state != NULL)
        r->t->close(r->t);
    nncf_config_destroy(r->config);
    nncf_context_destroy(r->context);
    free(r->x);
    free(r->wall);
    free(r->cpu);
}

/* Up to 1 over the first steps, then a half cosine down to a twentieth. */
static double rate_factor(const run *r)
{
    const double total = (double)(r->epochs * r->steps), at = (double)r->done;
    const double warm = r->warmup > 0 ? (at + 1.0) / (double)r->warmup : 1.0;
    const double cosine = 0.525 + 0.475 * cos(3.14159265358979 * at / total);
    return warm < 1.0 ? warm * cosine : cosine;
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static nncf_status train_step(run *r, double *loss, nncf_error *err)
{
    const float *y;
    double compression_loss = 0.0;
    graph_zero_grad(r->g);
    nncf_status status = nncf_compression_ctrl_zero_grad(r->ctrl, err);
    if (status == NNCF_OK)
        status = graph_forward(r->g, r->x, r->batch_size, &y, err);
    if (status != NNCF_OK)
        return status;
    *loss = r->t->loss(r->t, r->batch_size, y, graph_output_grad(r->g));
    status = nncf_compression_ctrl_loss_backward(r->ctrl, &compression_loss, err);
    if (status == NNCF_OK)
        status = graph_backward(r->g, r->x, err);
    if (status == NNCF_OK)
        status = adam_step(r->optimizer, rate_factor(r), err);
    if (status == NNCF_OK)
        status = nncf_compression_ctrl_step(r->ctrl, err);
    if (status == NNCF_OK && !isfinite(*loss))
        status = app_fail(err, NNCF_E_STATE, NULL,
            "the loss is not a number any more, in step %lld", (long long)r->done);
    r->done++;
    return status;
}

static nncf_status test(run *r, nncf_error *err)
{
    nncf_status status = nncf_model_set_mode(graph_model(r->g), NNCF_MODE_EVAL, err);
    for (int64_t i = 0, n; status == NNCF_OK; i++) {
        const float *y;
        status = r->t->test_batch(r->t, i, r->batch_size, r->x, &n, err);
        if (status != NNCF_OK || n == 0)
            break;
        if ((status = graph_forward(r->g, r->x, n, &y, err)) == NNCF_OK)
            status = r->t->score(r->t, n, y, err);
    }
    if (status == NNCF_OK)
        status = r->t->take_scores(r->t, r->scores, err);
    nncf_model_set_mode(graph_model(r->g), NNCF_MODE_TRAIN, NULL);
    return status;
}

/* A row for a person, a line for programs. */
static nncf_status report(const run *r, int64_t epoch, double loss, nncf_error *err)
{
    nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
    char *path = NULL;
    FILE *file = NULL;
    nncf_status status = nncf_compression_ctrl_get_statistics(r->ctrl, &s, err);
    const double wall = metrics_median(r->wall, (size_t)r->steps),
                 cpu = metrics_median(r->cpu, (size_t)r->steps);
    if (status != NNCF_OK)
        return status;
    printf("epoch %lld  loss %.4f", (long long)epoch, loss);
    for (int i = 0; i < TASK_SCORES && r->t->scores[i] != NULL; i++)
        printf("  %s %.4f", r->t->scores[i], r->scores[i]);
    printf("  sparsity %.3f  %.1f ms a step, %.1f of CPU\n", s.sparsity, 1e3 * wall, 1e3 * cpu);
    fflush(stdout);
    if (r->out == NULL)
        return NNCF_OK;
    if ((path = app_format("%s/metrics.jsonl", r->out)) == NULL ||
        (file = fopen(path, epoch == 0 ? "w" : "a")) == NULL) {
        status = app_fail_errno(err, path, "open");
        free(path);
        return status;
    }
    fprintf(file, "{\"epoch\": %lld, \"loss\": %.9g", (long long)epoch, loss);
    for (int i = 0; i < TASK_SCORES && r->t->scores[i] != NULL; i++)
        fprintf(file, ", \"%s\": %.9g", r->t->scores[i], r->scores[i]);
    fprintf(file,
        ", \"sparsity\": %.9g, \"bytes_float\": %llu, \"bytes_compressed\": %llu, "
        "\"step_seconds_median\": %.9g, \"step_cpu_seconds_median\": %.9g}\n",
        s.sparsity, (unsigned long long)s.bytes_float, (unsigned long long)s.bytes_compressed, wall,
        cpu);
    if (fclose(file) != 0)
        status = app_fail_errno(err, path, "write");
    free(path);
    return status;
}

static nncf_status train(run *r, nncf_error *err)
{
    for (int64_t epoch = 0; epoch < r->epochs; epoch++) {
        double sum = 0.0;
        nncf_status status = NNCF_OK;
        for (int64_t i = 0; i < r->steps && status == NNCF_OK; i++) {
            double loss = 0.0;
            status = r->t->train_batch(r->t, r->done, r->batch_size, r->x, err);
            if (status != NNCF_OK)
                break;
            const double wall = app_seconds(), cpu = cpu_seconds();
            status = train_step(r, &loss, err);
            r->wall[i] = app_seconds() - wall;
            r->cpu[i] = cpu_seconds() - cpu;
            sum += loss;
        }
        if (status == NNCF_OK)
            status = test(r, err);
        if (status == NNCF_OK)
            status = report(r, epoch, sum / (double)r->steps, err);
        if (status == NNCF_OK)
            status = nncf_compression_ctrl_epoch_step(r->ctrl, err);
        if (status != NNCF_OK)
            return status;
    }
    return NNCF_OK;
}

/* The model with the first validation samples and what the network makes of them, which the library
 * compares with the file's nodes before it writes them, and check_onnx.py with an engine. */
static nncf_status export_onnx(run *r, nncf_error *err)
{
    const float *y;
    int64_t x_shape[GRAPH_NDIM], y_shape[GRAPH_NDIM];
    int64_t n;
    nncf_status status = r->t->test_batch(r->t, 0, golden_samples(r), r->x, &n, err);
    if (status == NNCF_OK)
        status = graph_forward(r->g, r->x, n, &y, err);
    if (status != NNCF_OK)
        return status;
    nncf_tensor input = {.data = r->x, .shape = x_shape},
                output = {.data = (void *)(uintptr_t)y, .shape = y_shape};
    nncf_onnx_params params = {NNCF_PARAMS(nncf_onnx_params), .graph_name = r->t->name,
        .golden_input = &input, .golden_output = &output};
    input.ndim = graph_shape(r->g, GRAPH_INPUT, n, x_shape);
    output.ndim = graph_shape(r->g, -2, n, y_shape);
    params.input_ndim = input.ndim;
    for (int i = 1; i < input.ndim && i < 4; i++)
        params.input_shape[i] = x_shape[i];
    /* The file takes ids as floats. */
    const size_t count = (size_t)n * r->t->input_size / sizeof(float);
    float *floats = app_floats(count);
    if (floats == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for an export");
    const bool ids = graph_input_dtype(r->g) == NNCF_I32;
    for (size_t i = 0; i < count; i++)
        floats[i] = ids ? (float)((const int32_t *)r->x)[i] : ((const float *)r->x)[i];
    input.data = floats;
    status = nncf_onnx_export(r->ctrl, r->onnx, &params, err);
    free(floats);
    if (status == NNCF_OK)
        printf("exported to %s, with %lld samples\n", r->onnx, (long long)n);
    return status;
}

static nncf_status strip(const run *r, nncf_error *err)
{
    const nncf_strip_params params = {NNCF_PARAMS(nncf_strip_params), .sparse = 1};
    nncf_strip_report report = {NNCF_PARAMS(nncf_strip_report)};
    const nncf_status status = nncf_strip_save(r->ctrl, r->strip, &params, &report, err);
    if (status == NNCF_OK)
        printf("stripped to %s: %llu bytes, as floats %llu\n", r->strip,
            (unsigned long long)report.bytes_file, (unsigned long long)report.bytes_float);
    return status;
}

static nncf_status print_plan(run *r, nncf_error *err)
{
    nncf_plan *plan = NULL;
    char *text = NULL;
    size_t size = 0;
    nncf_status status = nncf_plan_create(graph_model(r->g), r->config, &plan, err);
    if (status == NNCF_OK) {
        nncf_plan_format(plan, NNCF_FORM_TEXT, NULL, 0, &size, NULL);
        if ((text = malloc(size)) == NULL)
            status = app_fail(err, NNCF_E_NOMEM, NULL, "no memory for the plan");
        else
            status = nncf_plan_format(plan, NNCF_FORM_TEXT, text, size, NULL, err);
    }
    if (status == NNCF_OK)
        fputs(text, stdout);
    free(text);
    nncf_plan_destroy(plan);
    return status;
}

static nncf_status finish(run *r, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    char *path;
    if (r->out != NULL) {
        if ((path = app_format("%s/weights.safetensors", r->out)) == NULL)
            return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a path");
        status = weights_file(r, path, true, err);
        free(path);
    }
    if (status == NNCF_OK)
        status = nncf_model_set_mode(graph_model(r->g), NNCF_MODE_EVAL, err);
    if (status == NNCF_OK && r->t->show != NULL)
        status = r->t->show(r->t, r->g, stdout, err);
    if (status == NNCF_OK && r->strip != NULL)
        status = strip(r, err);
    return status == NNCF_OK && r->onnx != NULL ? export_onnx(r, err) : status;
}

int trainer_main(task *t, int argc, char **argv)
{
    nncf_error err = NNCF_ERROR_INIT;
    run r = {.t = t};
    nncf_status status = NNCF_OK;
    switch (parse_options(&r, argc, argv)) {
    case DONE:
        return 0;
    case WRONG:
        return 2;
    case RUN:
        break;
    }
    if (r.out != NULL)
        status = app_make_dirs(r.out, &err);
    if (status == NNCF_OK)
        status = open_run(&r, &err);
    if (status == NNCF_OK && r.plan) {
        status = print_plan(&r, &err);
    } else if (status == NNCF_OK) {
        status = train(&r, &err);
        if (status == NNCF_OK)
            status = finish(&r, &err);
    }
    close_run(&r);
    if (status != NNCF_OK)
        fprintf(stderr, "%s: %s\n", t->name, err.message);
    return status == NNCF_OK ? 0 : 1;
}
