/* SPDX-License-Identifier: Apache-2.0 */
/* step: a whole training step, as examples/classification makes it: forward, loss, backward,
 * optimizer over all parameters, the controller's step. eval: a forward in eval mode. Images and
 * labels are random; the quantizers' ranges are initialized first. */
#include "bench.h"

#include "../../examples/classification/metrics.h"
#include "../../examples/classification/models.h"
#include "../../examples/classification/optimizer.h"

#include <nncf/nncf.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 1000, PARTS = 4 };

static const char *const part_names[PARTS] = {"forward", "loss", "backward", "update"};

typedef struct training {
    nncf_context *context;
    nncf_config *config;
    net *network;
    nncf_compression_ctrl *ctrl;
    optimizer_settings settings;
    optimizer *opt;
    int64_t batch;
    float *x;
    int32_t *labels;
    double loss;
    bench_times step, parts[PARTS];
} training;

static nncf_status open_config(const bench_options *o, training *t, nncf_error *err)
{
    if (o->config != NULL)
        return nncf_config_load(t->context, o->config, NULL, &t->config, err);
    return nncf_config_parse(t->context, "none", "{}", 2, NULL, &t->config, err);
}

static nncf_status keep_to_budget(const bench_options *o, training *t, nncf_error *err)
{
    int64_t shape[4] = {o->batch, 3, o->image, o->image};
    const nncf_tensor x = {.ndim = 4, .shape = shape};
    return nncf_model_set_memory_budget(net_model(t->network), &x, 1, (uint64_t)o->budget, err);
}

static nncf_status open_model(const bench_options *o, training *t, nncf_error *err)
{
    const train_settings settings = {
        .model = {.name = o->model, .width_mult = 1.0, .stem_stride = 2},
        .sample_size = {1, 3, o->image, o->image},
        .num_classes = CLASSES,
        .seed = 1};
    nncf_status status = models_build(t->config, t->context, &settings, &t->network, err);
    if (status == NNCF_OK)
        status = nncf_model_set_memory_policy(net_model(t->network), o->memory, err);
    if (status == NNCF_OK)
        status = nncf_compression_ctrl_create(net_model(t->network), t->config, &t->ctrl, err);
    if (status == NNCF_OK && o->budget > 0)
        status = keep_to_budget(o, t, err);
    if (status == NNCF_OK)
        status = optimizer_create(&t->settings, t->network, t->ctrl, t->context, &t->opt, err);
    return status;
}

static nncf_status open_data(const bench_options *o, training *t, nncf_error *err)
{
    size_t count = (size_t)(o->batch * 3 * o->image * o->image);
    t->batch = o->batch;
    t->x = bench_floats(count);
    bench_fill(
        t->x, count, 1, -2.0f, 2.0f); /* about what images are after the usual normalization */
    t->labels = calloc((size_t)o->batch, sizeof *t->labels);
    t->step.at = calloc((size_t)o->runs, sizeof(double));
    bool complete = t->labels != NULL && t->step.at != NULL;
    for (int i = 0; i < PARTS; i++)
        complete = (t->parts[i].at = calloc((size_t)o->runs, sizeof(double))) != NULL && complete;
    if (!complete)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a batch");
    for (int64_t i = 0; i < o->batch; i++)
        t->labels[i] = (int32_t)(i * 7919 % CLASSES);
    return NNCF_OK;
}

/* One step. Adds its times unless it is for warming up. */
static nncf_status train(training *t, bool warming, nncf_error *err)
{
    double at[PARTS + 1];
    const float *logits;
    float *grad;
    double compression_loss;
    nncf_status status;
    at[0] = bench_seconds();
    if ((status = net_forward(t->network, t->x, t->batch, &logits, err)) != NNCF_OK)
        return status;
    at[1] = bench_seconds();
    if ((grad = net_logits_grad(t->network)) == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for gradients");
    t->loss = metrics_cross_entropy(logits, t->labels, t->batch, CLASSES, grad);
    if ((status = nncf_compression_ctrl_loss_backward(t->ctrl, &compression_loss, err)) != NNCF_OK)
        return status;
    t->loss += compression_loss;
    at[2] = bench_seconds();
    if ((status = net_backward(t->network, t->x, err)) != NNCF_OK)
        return status;
    at[3] = bench_seconds();
    if ((status = optimizer_step(t->opt, 1.0, true, err)) != NNCF_OK)
        return status;
    if ((status = nncf_compression_ctrl_step(t->ctrl, err)) != NNCF_OK)
        return status;
    at[4] = bench_seconds();
    if (warming)
        return NNCF_OK;
    t->step.at[t->step.n++] = at[PARTS] - at[0];
    for (int i = 0; i < PARTS; i++)
        t->parts[i].at[t->parts[i].n++] = at[i + 1] - at[i];
    return NNCF_OK;
}

/* One forward in eval mode. */
static nncf_status evaluate(training *t, bool warming, nncf_error *err)
{
    const float *logits;
    double start = bench_seconds();
    nncf_status status = net_forward(t->network, t->x, t->batch, &logits, err);
    if (status == NNCF_OK && !warming)
        t->step.at[t->step.n++] = bench_seconds() - start;
    return status;
}

static nncf_status initialize(training *t, nncf_error *err)
{
    int32_t more = 0;
    nncf_status status;
    while ((status = nncf_compression_ctrl_init_step(t->ctrl, &more, NULL)) == NNCF_OK && more) {
        if ((status = net_observe(t->network, t->x, t->batch, err)) != NNCF_OK)
            return status;
    }
    return status == NNCF_OK ? NNCF_OK
                             : app_fail_step(err, status, "initialization of the quantizers");
}

static void print(const bench_options *o, const training *t, bool trains)
{
    json_begin(trains ? "step" : "eval");
    json_text("who", "nncf");
    json_text("what", o->config != NULL ? "compressed" : "dense");
    json_text("config", o->config != NULL ? o->config : "none");
    json_text("model", o->model);
    json_text("optimizer", o->optimizer);
    json_text("memory",
        o->budget > 0                        ? "budget"
            : o->memory == NNCF_MEMORY_SMALL ? "small"
                                             : "fast");
    json_int("batch", o->batch);
    json_int("image", o->image);
    json_int("threads", o->threads);
    json_text("library", nncf_context_get_description(t->context));
    json_times(&t->step);
    for (int i = 0; trains && i < PARTS; i++)
        json_number(part_names[i], bench_median(&t->parts[i]));
    if (trains)
        json_number("loss_value", t->loss);
    json_numbers("seconds", t->step.at, t->step.n);
    json_end();
}

static void on_log(void *user, int32_t level, const char *line)
{
    (void)user;
    (void)level;
    fprintf(stderr, "nncf-bench: %s\n", line);
}

static nncf_status run(const bench_options *o, training *t, bool trains, nncf_error *err)
{
    const nncf_context_params params = {NNCF_PARAMS(nncf_context_params), .seed = 1,
        .n_threads = (int32_t)o->threads, .log = on_log};
    bool adam = strcmp(o->optimizer, "adam") == 0;
    t->settings = (optimizer_settings){.type = adam ? OPTIMIZER_ADAM : OPTIMIZER_SGD,
        .base_lr = adam ? 1e-4 : 1e-2,
        .beta1 = 0.9,
        .beta2 = 0.999,
        .eps = 1e-8,
        .momentum = 0.9};
    nncf_status status = nncf_context_create(NNCF_API_VERSION, &params, &t->context, err);
    if (status == NNCF_OK)
        status = open_config(o, t, err);
    if (status == NNCF_OK)
        status = open_model(o, t, err);
    if (status == NNCF_OK)
        status = open_data(o, t, err);
    if (status == NNCF_OK)
        status = initialize(t, err);
    if (status == NNCF_OK && !trains)
        status = nncf_model_set_mode(net_model(t->network), NNCF_MODE_EVAL, err);
    for (int64_t i = 0; status == NNCF_OK && i < o->warmup + o->runs; i++)
        status = trains ? train(t, i < o->warmup, err) : evaluate(t, i < o->warmup, err);
    if (status == NNCF_OK)
        print(o, t, trains);
    if (status == NNCF_OK && trains) /* the library warns of training loops that forget it */
        status = nncf_compression_ctrl_epoch_step(t->ctrl, NULL);
    return status;
}

static int measure(const bench_options *o, bool trains)
{
    training t = {0};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status = run(o, &t, trains, &err);
    if (status != NNCF_OK)
        fprintf(stderr, "nncf-bench: %s\n", err.message);
    optimizer_destroy(t.opt);
    nncf_compression_ctrl_destroy(t.ctrl);
    net_destroy(t.network);
    nncf_config_destroy(t.config);
    nncf_context_destroy(t.context);
    free(t.x);
    free(t.labels);
    free(t.step.at);
    for (int i = 0; i < PARTS; i++)
        free(t.parts[i].at);
    return status == NNCF_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int step_mode(const bench_options *o)
{
    return measure(o, true);
}

int eval_mode(const bench_options *o)
{
    return measure(o, false);
}
