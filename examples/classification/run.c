/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"
#include "models.h"
#include "reference.h"
#include "search.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_log(void *user, int32_t level, const char *line)
{
    const run *r = user;
    if (level == NNCF_LOG_ERROR && strncmp(line, "nncf_", 5) == 0)
        return; /* "call: message" of a refused call, which is printed from its record */
    const char *kind = level == NNCF_LOG_ERROR ? "error"
        : level == NNCF_LOG_WARNING            ? "warning"
                                               : "libnncf";
    fprintf(r->errors, "%s: %s\n", kind, line);
}

static nncf_status open_context(run *r, nncf_error *err)
{
    nncf_context_params params = {NNCF_PARAMS(nncf_context_params), .seed = r->set.seed,
        .n_threads = (int32_t)(r->opts->threads > 256 ? 257 : r->opts->threads), .log = on_log,
        .log_user = r, .log_level = r->opts->verbose ? NNCF_LOG_INFO : NNCF_LOG_WARNING};
    return nncf_context_create(NNCF_API_VERSION, &params, &r->context, err);
}

static nncf_status open_loader(run *r, const dataset *data, bool train, loader **l, nncf_error *err)
{
    const loader_settings settings = {.batch_size = r->set.batch_size,
        .channels = (int)r->set.sample_size[1],
        .size = (int)r->set.sample_size[2],
        .workers = (int)r->set.workers,
        .seed = r->set.seed,
        .train = train,
        .train_samples = r->opts->train_samples};
    return loader_create(data, &settings, l, err);
}

/* What is to be told of the data, once. */
static void print_notes(const run *r, dataset *d)
{
    for (char *line = d->notes; line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n');
        fprintf(r->errors, "warning: %.*s\n", (int)(end - line), line);
        line = end + 1;
    }
    free(d->notes);
    d->notes = NULL;
}

static nncf_status open_set(run *r, bool train, dataset **d, nncf_error *err)
{
    const train_settings *s = &r->set;
    nncf_status status = dataset_open(s->dataset, s->data_dir, train, d, err);
    if (status != NNCF_OK)
        return status;
    print_notes(r, *d);
    status = dataset_check(*d, s->num_classes, s->sample_size[1], err);
    return status == NNCF_OK ? dataset_check_files(*d, r->errors, err) : status;
}

/* Classes mean what they meant to the weights. */
static nncf_status take_classes(run *r, const char *path, nncf_error *err)
{
    dataset *const sets[] = {r->train_data, r->test_data};
    nncf_status status = NNCF_OK;
    for (size_t i = 0; path != NULL && r->state.classes != NULL && status == NNCF_OK && i < 2;
         i++) {
        status = dataset_take_classes(sets[i], r->state.classes, path, err);
        if (status == NNCF_OK)
            status = dataset_check(sets[i], r->set.num_classes, r->set.sample_size[1], err);
        if (i > 0) /* said once */
            print_notes(r, sets[i]);
    }
    return status;
}

/* The files of --predict, as if they were to be tested. */
static nncf_status open_images(run *r, nncf_error *err)
{
    const train_settings *s = &r->set;
    nncf_status status = s->sample_size[1] != 3
        ? app_fail(err, NNCF_E_CONFIG, "input_sample_size",
              "--predict reads pictures in colour, and the model takes %lld channel%s",
              (long long)s->sample_size[1], s->sample_size[1] == 1 ? "" : "s")
        : dataset_of_files(
              s->dataset, s->data_dir, r->opts->images, r->opts->n_images, &r->test_data, err);
    return status == NNCF_OK ? open_loader(r, r->test_data, false, &r->test_loader, err) : status;
}

static nncf_status open_data(run *r, nncf_error *err)
{
    if (r->opts->images != NULL)
        return open_images(r, err);
    nncf_status status = open_set(r, false, &r->test_data, err);
    if (status == NNCF_OK)
        status = open_loader(r, r->test_data, false, &r->test_loader, err);
    /* To initialize quantizers, training images are needed even when nothing is trained. */
    if (status == NNCF_OK)
        status = open_set(r, true, &r->train_data, err);
    if (status == NNCF_OK)
        status = open_loader(r, r->train_data, true, &r->train_loader, err);
    return status;
}

/* const_sparsity keeps the zeros of the file that training starts from, and a test is of the model
 * that was trained. Other algorithms start from the weights under the masks too, as in NNCF. */
static bool keeps_zeros(const run *r)
{
    bool keeps = r->opts->eval;
    for (size_t i = 0; i < nncf_config_get_algorithm_count(r->config); i++)
        keeps =
            keeps || strcmp(nncf_config_get_algorithm_name(r->config, i), "const_sparsity") == 0;
    return keeps;
}

/* Rate and weight decay of `params`, where `optimizer` has none; and the factor of the gradients
 * that are summed over batches. */
static nncf_status take_stage(run *r, nncf_error *err)
{
    nncf_stage s = {NNCF_PARAMS(nncf_stage)};
    nncf_status status = nncf_compression_ctrl_get_stage(r->ctrl, 0, &s, err);
    if (status != NNCF_OK || !s.staged)
        return status;
    optimizer_settings *o = &r->set.optimizer;
    if (s.base_lr >= 0 &&
        nncf_config_get_type(r->config, "optimizer.base_lr", NULL, NULL) != NNCF_OK)
        o->base_lr = s.base_lr;
    if (s.weight_decay >= 0 &&
        nncf_config_get_type(r->config, "optimizer.weight_decay", NULL, NULL) != NNCF_OK)
        o->weight_decay = s.weight_decay;
    return s.batch_multiplier > 1
        ? nncf_compression_ctrl_set_gradient_factor(r->ctrl, 1.0 / s.batch_multiplier, err)
        : NNCF_OK;
}

/* Weights go in before the controller is made: it takes the ranges of the weight quantizers from
 * them. */
static nncf_status open_model(run *r, nncf_error *err)
{
    nncf_status status = models_build(r->config, r->context, &r->set, &r->network, err);
    if (status == NNCF_OK && r->set.weights_are_placeholder)
        fprintf(r->errors,
            "warning: \"weights\" is an example's placeholder: starting from random weights\n");
    char *classes = NULL;
    if (status == NNCF_OK && r->set.weights != NULL)
        status = snapshot_load_weights(
            r->context, r->set.weights, r->network, keeps_zeros(r), r->errors, &classes, err);
    if (status == NNCF_OK)
        status = nncf_model_set_memory_policy(net_model(r->network), r->opts->memory, err);
    if (status == NNCF_OK)
        status = nncf_compression_ctrl_create(net_model(r->network), r->config, &r->ctrl, err);
    if (status == NNCF_OK)
        status = take_stage(r, err);
    if (status == NNCF_OK && !r->opts->eval)
        status = optimizer_create(&r->set.optimizer, r->network, r->ctrl, r->context, &r->opt, err);
    if (status != NNCF_OK) {
        free(classes);
        return status;
    }
    r->lr = schedule_make(&r->set.schedule, r->set.epochs);
    r->state = (run_state){.epoch = 0, .best_top1 = -1.0, .test_top1 = 0.0, .seed = r->set.seed};
    /* Weights that are trained further may be of other classes. */
    r->state.classes = r->opts->eval && (classes != NULL || r->train_data == NULL)
        ? classes
        : dataset_classes_text(r->train_data);
    if (r->state.classes != classes)
        free(classes);
    for (size_t i = 0; r->opt != NULL && i < r->opt->n_parameters; i++)
        if (!r->opt->parameters[i].trained)
            fprintf(r->errors,
                "warning: no pattern of optimizer.parameter_groups finds %s: it is not trained\n",
                r->opt->parameters[i].alias);
    if (r->set.resume != NULL)
        status = snapshot_resume(r->context, r->set.resume, r->network, r->ctrl, r->opt, &r->lr,
            &r->state, r->opts->accept_config, r->errors, err);
    return status == NNCF_OK && r->train_data != NULL
        ? take_classes(r, r->set.resume != NULL ? r->set.resume : r->set.weights, err)
        : status;
}

nncf_status run_open(const options *o, FILE *output, FILE *errors, run *r, nncf_error *err)
{
    nncf_status status;
    *r = (run){.opts = o, .output = output, .errors = errors};
    status = nncf_config_load(NULL, o->config, NULL, &r->config, err);
    if (status == NNCF_OK)
        status = settings_read(r->config, o, &r->set, err);
    if (status == NNCF_OK)
        settings_warn_unknown(r->config, errors);
    if (status == NNCF_OK && o->eval && r->set.weights == NULL && r->set.resume == NULL)
        status = app_fail(err, NNCF_E_ARG, "--eval", "say with --resume or --weights what to test");
    if (status == NNCF_OK)
        status = open_context(r, err);
    if (status == NNCF_OK)
        status = open_data(r, err);
    if (status == NNCF_OK)
        status = open_model(r, err);
    if (status == NNCF_OK && !o->eval)
        status = reference_open(r, err);
    if (status == NNCF_OK) {
        r->name = settings_run_name(r->config, r->set.model.name, r->test_data->name);
        if (r->name == NULL)
            status = app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a name");
    }
    if (status != NNCF_OK) {
        run_close(r);
        return status;
    }
    r->progress = progress_make(output, isatty(fileno(output)) == 1, r->set.print_freq);
    return NNCF_OK;
}

void run_close(run *r)
{
    watch_close(r->watch);
    search_close(r);
    reference_close(r);
    optimizer_destroy(r->opt);
    nncf_compression_ctrl_destroy(r->ctrl);
    net_destroy(r->network);
    loader_destroy(r->train_loader);
    loader_destroy(r->test_loader);
    dataset_destroy(r->train_data);
    dataset_destroy(r->test_data);
    nncf_context_destroy(r->context);
    settings_clear(&r->set);
    nncf_config_destroy(r->config);
    free(r->state.classes);
    free(r->state.search);
    free(r->layers);
    free(r->name);
    free(r->log_dir);
    free(r->snapshot_dir);
    free(r->metrics_path);
    free(r->statistics_path);
    *r = (run){0};
}

nncf_status run_initialize(run *r, nncf_error *err)
{
    int32_t more = 0;
    bool told = false;
    nncf_status status = run_choose_bits(r, err);
    if (status != NNCF_OK)
        return status;
    nncf_model_set_mode(net_model(r->network), NNCF_MODE_TRAIN, NULL);
    loader_start(r->train_loader, 0);
    while ((status = nncf_compression_ctrl_init_step(r->ctrl, &more, NULL)) == NNCF_OK && more) {
        const batch *b;
        if (!told)
            progress_note(&r->progress, "initializing ranges");
        told = true;
        status = loader_next(r->train_loader, &b, err);
        if (status == NNCF_OK && b == NULL) { /* more batches are wanted than an epoch has */
            loader_start(r->train_loader, 0);
            status = loader_next(r->train_loader, &b, err);
        }
        if (status == NNCF_OK)
            status = net_observe(r->network, b->x, b->count, err);
        if (status != NNCF_OK) {
            progress_clear(&r->progress);
            return status;
        }
    }
    progress_clear(&r->progress);
    return status == NNCF_OK ? NNCF_OK
                             : app_fail_step(err, status, "initialization of the quantizers");
}

nncf_status run_test(run *r, net *n, int64_t max_batches, accuracy *a, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    *a = (accuracy){0};
    nncf_model_set_mode(net_model(n), NNCF_MODE_EVAL, NULL);
    loader_start(r->test_loader, 0);
    for (int64_t i = 0; max_batches == 0 || i < max_batches; i++) {
        const batch *b;
        const float *logits;
        status = loader_next(r->test_loader, &b, err);
        if (status == NNCF_OK && b == NULL)
            break;
        if (status == NNCF_OK)
            status = net_forward(n, b->x, b->count, &logits, err);
        if (status != NNCF_OK)
            break;
        metrics_count(a, logits, b->labels, b->count, net_outputs(n));
        a->loss += (double)b->count *
            metrics_cross_entropy(logits, b->labels, b->count, net_outputs(n), NULL);
    }
    if (n == r->network)
        nncf_model_set_mode(net_model(n), NNCF_MODE_TRAIN, NULL);
    return status;
}

nncf_status run_eval(run *r, nncf_error *err)
{
    accuracy a;
    nncf_status status = run_initialize(r, err); /* of a snapshot: what it has no ranges for */
    if (status == NNCF_OK)
        status = run_test(r, r->network, r->opts->max_steps, &a, err);
    if (status != NNCF_OK)
        return status;
    fprintf(r->output, "%s: %lld images, top-1 %.2f %%, top-5 %.2f %%, CE loss %.4f\n", r->name,
        (long long)a.count, metrics_top1(&a), metrics_top5(&a), a.loss / (double)a.count);
    return NNCF_OK;
}
