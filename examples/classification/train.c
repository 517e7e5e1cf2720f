/* SPDX-License-Identifier: Apache-2.0 */
/* The training loop: per batch forward, loss, backward, optimizer, controller's step; after the
 * epoch statistics, test, best, snapshots, all with the sparsity level that the epoch was trained
 * with. The controller's epoch step, which makes the masks of the next level, comes when the next
 * epoch begins; so a snapshot is what was tested, and the step is owed when a run resumes from it.
 */
#include "reference.h"
#include "run.h"
#include "search.h"
#include "shrink.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What is summed up over an epoch. */
typedef struct epoch_sums {
    accuracy accuracy;
    double compression_loss;
    int64_t steps;
    double *seconds; /* of each step */
    epoch_times times;
} epoch_sums;

/* classes.txt: names in the order of their numbers, where the data has any. */
static nncf_status write_classes(const run *r, nncf_error *err)
{
    const dataset *d = r->train_data;
    nncf_status status = NNCF_OK;
    if (d->classes == NULL)
        return NNCF_OK;
    char *path = app_format("%s/classes.txt", r->log_dir);
    FILE *file = path != NULL ? fopen(path, "w") : NULL;
    if (path == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a path");
    for (int32_t i = 0; file != NULL && i < d->n_classes; i++)
        fprintf(file, "%s\n", d->classes[i]);
    const bool written = file != NULL && !ferror(file);
    if (file == NULL || fclose(file) != 0 || !written)
        status = app_fail_errno(err, path, "write");
    free(path);
    return status;
}

/* --out DIR holds everything. Otherwise snapshots go to checkpoint_save_dir, and logs to a folder
 * of their own below log_dir, named after the run and the time: as NNCF does. */
static nncf_status make_output(run *r, nncf_error *err)
{
    const train_settings *s = &r->set;
    nncf_status status;
    if (r->opts->out != NULL) {
        r->log_dir = app_copy(r->opts->out);
    } else {
        char stamp[32];
        struct tm local;
        time_t now = time(NULL);
        localtime_r(&now, &local);
        strftime(stamp, sizeof stamp, "%Y-%m-%d__%H-%M-%S", &local);
        r->log_dir =
            app_format("%s/%s/%s", s->log_dir != NULL ? s->log_dir : "runs", r->name, stamp);
    }
    r->snapshot_dir =
        app_copy(s->checkpoint_save_dir != NULL ? s->checkpoint_save_dir : r->log_dir);
    if (r->log_dir == NULL || r->snapshot_dir == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a path");
    r->metrics_path = app_format("%s/metrics.jsonl", r->log_dir);
    r->statistics_path = app_format("%s/statistics.txt", r->log_dir);
    if (r->metrics_path == NULL || r->statistics_path == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a path");
    if ((status = app_make_dirs(r->log_dir, err)) != NNCF_OK)
        return status;
    if ((status = app_make_dirs(r->snapshot_dir, err)) != NNCF_OK)
        return status;
    if (r->state.epoch == 0)
        remove(r->statistics_path);
    if ((status = write_classes(r, err)) != NNCF_OK)
        return status;
    return metrics_keep_before(r->metrics_path, r->state.epoch, err);
}

/* The rate of the first of the network's parameters that is trained at all: what a person calls
 * "the" rate. */
static double shown_rate(const run *r, double factor)
{
    for (size_t i = 0; i < r->opt->n_parameters; i++)
        if (r->opt->parameters[i].trained)
            return r->opt->parameters[i].lr * factor;
    return 0.0;
}

/* What the config's `params` say for a batch: of `count` batches of the epoch. */
typedef struct moment {
    nncf_stage stage;
    /* gradients are complete after this batch */
    bool complete;
} moment;

static nncf_status moment_of(const run *r, int64_t at, int64_t count, moment *m, nncf_error *err)
{
    m->stage = (nncf_stage){NNCF_PARAMS(nncf_stage)};
    nncf_status status =
        nncf_compression_ctrl_get_stage(r->ctrl, (double)at / (double)count, &m->stage, err);
    const int64_t sum = status == NNCF_OK ? m->stage.batch_multiplier : 1;
    m->complete = (at + 1) % sum == 0 || at + 1 == count;
    return status;
}

/* The time since `*since` goes to a part of the step, and the clock is set. */
static void count_time(epoch_sums *sums, enum step_part part, double *since)
{
    const double now = app_seconds();
    sums->times.parts[part] += now - *since;
    *since = now;
}

static nncf_status train_step(run *r, const batch *b, const moment *m, double factor,
    double *ce_loss, double *compression_loss, epoch_sums *sums, nncf_error *err)
{
    accuracy *a = &sums->accuracy;
    double clock = app_seconds();
    const float *logits;
    float *grad;
    int64_t classes = net_outputs(r->network);
    nncf_status status;
    if ((status = net_forward(r->network, b->x, b->count, &logits, err)) != NNCF_OK)
        return status;
    count_time(sums, STEP_FORWARD, &clock);
    if ((grad = net_logits_grad(r->network)) == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for gradients: make the batch smaller");
    *ce_loss = metrics_cross_entropy(logits, b->labels, b->count, classes, grad);
    metrics_count(a, logits, b->labels, b->count, classes);
    a->loss += *ce_loss * (double)b->count;
    double distillation_loss = 0.0;
    if (reference_teaches(r) &&
        (status = reference_teach(r, b, logits, grad, &distillation_loss, err)) != NNCF_OK)
        return status;
    for (int64_t i = 0; m->stage.batch_multiplier > 1 && i < b->count * classes; i++)
        grad[i] /= (float)m->stage.batch_multiplier;
    count_time(sums, STEP_LOSS, &clock);
    if ((status = nncf_compression_ctrl_loss_backward(r->ctrl, compression_loss, err)) != NNCF_OK)
        return status;
    *compression_loss += distillation_loss;
    count_time(sums, STEP_CONTROLLER, &clock);
    if ((status = net_backward(r->network, b->x, err)) != NNCF_OK)
        return status;
    count_time(sums, STEP_BACKWARD, &clock);
    if (!m->complete)
        return NNCF_OK;
    if ((status = optimizer_step(
             r->opt, factor * m->stage.lr_factor, !m->stage.weight_decay_off, err)) != NNCF_OK)
        return status;
    count_time(sums, STEP_OPTIMIZER, &clock);
    status = nncf_compression_ctrl_step(r->ctrl, err);
    count_time(sums, STEP_CONTROLLER, &clock);
    return status;
}

/* `limit` steps at most. */
static nncf_status train_epoch(
    run *r, int64_t limit, double factor, epoch_sums *sums, nncf_error *err)
{
    loader_start(r->train_loader, r->state.epoch);
    net_zero_grad(r->network); /* from here on the optimizer clears what it has taken */
    nncf_compression_ctrl_zero_grad(r->ctrl, NULL);
    while (sums->steps < limit) {
        const batch *b;
        moment m;
        double started = app_seconds(), clock = started, ce_loss = 0.0, compression_loss = 0.0;
        nncf_status status = loader_next(r->train_loader, &b, err);
        count_time(sums, STEP_DATA, &clock);
        if (status == NNCF_OK && b == NULL)
            break;
        if (status == NNCF_OK)
            status = moment_of(r, sums->steps, limit, &m, err);
        if (status == NNCF_OK)
            status = train_step(r, b, &m, factor, &ce_loss, &compression_loss, sums, err);
        if (status != NNCF_OK)
            return status;
        if (!isfinite(ce_loss + compression_loss))
            return app_fail(err, NNCF_E_STATE, NULL,
                "the loss became infinite or not a number in step %lld of epoch %lld: try a lower "
                "base_lr",
                (long long)sums->steps, (long long)r->state.epoch);
        sums->compression_loss += compression_loss;
        sums->seconds[sums->steps++] = app_seconds() - started;
        const step_report report = {.step = sums->steps,
            .lr = shown_rate(r, factor * m.stage.lr_factor),
            .ce_loss = ce_loss,
            .mean_ce_loss = sums->accuracy.loss / (double)sums->accuracy.count,
            .compression_loss = compression_loss,
            .top1 = metrics_top1(&sums->accuracy),
            .top5 = metrics_top5(&sums->accuracy),
            .step_seconds = sums->seconds[sums->steps - 1]};
        progress_step(&r->progress, &report);
        watch_step(r, &report);
    }
    return NNCF_OK;
}

char *run_snapshot_path(const run *r, const char *which)
{
    return app_format("%s/%s_%s.safetensors", r->snapshot_dir, r->name, which);
}

nncf_status run_save_snapshot(const run *r, const char *which, nncf_error *err)
{
    char *path = run_snapshot_path(r, which);
    nncf_status status;
    if (path == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a path");
    status = snapshot_save(path, r->set.model.name, r->network, r->opt, &r->lr, &r->state, err);
    free(path);
    return status;
}

/* r->state.epoch is the next epoch already: "epoch_5" is the state after five epochs. */
static nncf_status save_snapshots(const run *r, bool best, nncf_error *err)
{
    nncf_status status = run_save_snapshot(r, "last", err);
    if (status == NNCF_OK && best)
        status = run_save_snapshot(r, "best", err);
    if (status == NNCF_OK && r->state.epoch % r->set.save_freq == 0) {
        char *dir = app_format("%s/intermediate_checkpoints", r->snapshot_dir);
        char *path = app_format("%s/intermediate_checkpoints/epoch_%lld.safetensors",
            r->snapshot_dir, (long long)r->state.epoch);
        if (dir == NULL || path == NULL)
            status = app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a path");
        if (status == NNCF_OK)
            status = app_make_dirs(dir, err);
        if (status == NNCF_OK)
            status =
                snapshot_save(path, r->set.model.name, r->network, r->opt, &r->lr, &r->state, err);
        free(dir);
        free(path);
    }
    return status;
}

/* From this epoch on the model is the one without pruned filters. */
static nncf_status shrink(run *r, nncf_error *err)
{
    nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
    nncf_status status = nncf_compression_ctrl_get_statistics(r->ctrl, &s, NULL);
    if (status != NNCF_OK)
        return app_fail_step(err, status, "statistics");
    if (s.filters == 0)
        return app_fail(err, NNCF_E_CONFIG, "--shrink-epoch", "the config has no filter_pruning");
    if (s.pruned_layers == 0) /* a resumed run had done it already */
        return NNCF_OK;
    if ((status = shrink_network(r->ctrl, r->network, r->opt, NULL, err)) != NNCF_OK)
        return status;
    fprintf(r->output,
        "removed %lld of %lld filters; parameters %lld -> %lld, operations %lld -> %lld\n",
        (long long)(s.filters - s.filters_left), (long long)s.filters,
        (long long)s.parameters_before, (long long)s.parameters_left, (long long)s.flops,
        (long long)s.flops_left);
    return NNCF_OK;
}

/* Before the first batch of an epoch that follows another one: its level and masks. */
static nncf_status step_epoch(run *r, nncf_error *err)
{
    nncf_status status = nncf_compression_ctrl_epoch_step(r->ctrl, NULL);
    if (status != NNCF_OK)
        return app_fail_step(err, status, "nncf_compression_ctrl_epoch_step");
    if (r->opts->shrink_epoch > 0 && r->state.epoch >= r->opts->shrink_epoch &&
        (status = shrink(r, err)) != NNCF_OK)
        return status;
    optimizer_refresh(r->opt);
    return run_initialize(r, err); /* where a stage of quantization begins: its ranges */
}

/* Is the resumed controller still in the epoch that was trained last? */
static nncf_status epoch_is_over(const run *r, bool *over, nncf_error *err)
{
    nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
    nncf_status status = nncf_compression_ctrl_get_statistics(r->ctrl, &s, NULL);
    if (status != NNCF_OK)
        return app_fail_step(err, status, "statistics");
    *over = s.epoch + 1 == r->state.epoch;
    return NNCF_OK;
}

/* After the last batch of an epoch. */
static nncf_status finish_epoch(run *r, epoch_sums *sums, double factor, bool last, nncf_error *err)
{
    nncf_statistics statistics = {NNCF_PARAMS(nncf_statistics)};
    epoch_metrics m = {
        .epoch = r->state.epoch, .lr = shown_rate(r, factor), .test_top1 = NAN, .test_top5 = NAN};
    const bool searching = r->search.handle != NULL; /* which needs each test, and saves the best */
    bool tested = last || searching || (r->state.epoch + 1) % r->set.test_every_n_epochs == 0,
         best = false;
    nncf_status status = nncf_compression_ctrl_get_statistics(r->ctrl, &statistics, NULL);
    if (status != NNCF_OK)
        return app_fail_step(err, status, "statistics");
    if ((status = report_statistics(r, m.epoch, err)) != NNCF_OK)
        return status;
    r->statistics = statistics;
    sums->times.test_loss = NAN;
    if (tested) {
        const double begin = app_seconds();
        accuracy a;
        progress_note(&r->progress, "testing");
        if ((status = run_test(r, r->network, r->opts->max_steps, &a, err)) != NNCF_OK)
            return status;
        m.test_top1 = r->state.test_top1 = metrics_top1(&a);
        m.test_top5 = metrics_top5(&a);
        sums->times.test = app_seconds() - begin;
        sums->times.test_loss = a.loss / (double)a.count;
        schedule_observe(&r->lr, m.test_top1);
        /* A dense early epoch is more accurate than the sparse ones after it, and not what was
         * asked for. */
        best = !searching && statistics.compression_level == NNCF_COMPRESSION_FULL &&
            m.test_top1 > r->state.best_top1;
        if (best)
            r->state.best_top1 = m.test_top1;
    }
    m.ce_loss = sums->accuracy.loss / (double)sums->accuracy.count;
    m.compression_loss = sums->compression_loss / (double)sums->steps;
    m.train_top1 = metrics_top1(&sums->accuracy);
    m.sparsity_target = statistics.sparsity_target;
    m.sparsity_actual = statistics.sparsity;
    m.step_seconds_median = metrics_median(sums->seconds, (size_t)sums->steps);
    m.peak_rss_bytes = app_peak_rss_bytes();
    sums->times.steps = sums->steps;
    sums->times.train_top5 = metrics_top5(&sums->accuracy);
    if ((status = watch_epoch(r, &m, &sums->times, err)) != NNCF_OK)
        return status;
    r->state.epoch++;
    if ((status = save_snapshots(r, best, err)) != NNCF_OK)
        return status;
    progress_end_epoch(&r->progress, &m, sums->times.train_top5);
    status = metrics_append(r->metrics_path, &m, err);
    return status == NNCF_OK && searching ? search_report(r, m.test_top1, err) : status;
}

static nncf_status train_epochs(run *r, double *seconds, nncf_error *err)
{
    int64_t batches = loader_batches(r->train_loader), taken = 0, most = r->opts->max_steps;
    bool over = false; /* an epoch, whose step has not been made */
    nncf_status status = epoch_is_over(r, &over, err);
    if (status != NNCF_OK)
        return status;
    if ((status = search_open(r, err)) != NNCF_OK)
        return status;
    over = over || (r->search.handle != NULL && r->state.epoch > 0);
    while (!r->search.over && r->state.epoch < r->set.epochs && (most == 0 || taken < most)) {
        epoch_sums sums = {.seconds = seconds};
        int64_t left = most > 0 ? most - taken : INT64_MAX, limit = left < batches ? left : batches;
        int64_t after = (r->set.epochs - r->state.epoch - 1) * batches;
        double factor = search_factor(r, r->state.epoch);
        if (over && (status = step_epoch(r, err)) != NNCF_OK)
            return status;
        over = true;
        if (after > left - limit)
            after = left - limit;
        progress_begin_epoch(&r->progress, r->state.epoch, r->set.epochs, limit, after);
        const double begin = app_seconds();
        if ((status = train_epoch(r, limit, factor, &sums, err)) != NNCF_OK)
            return status;
        sums.times.train = app_seconds() - begin;
        taken += sums.steps;
        status = finish_epoch(r, &sums, factor,
            r->state.epoch + 1 == r->set.epochs || (most > 0 && taken == most), err);
        if (status != NNCF_OK)
            return status;
    }
    return NNCF_OK;
}

static void print_first_lines(const run *r)
{
    long long steps = (long long)loader_batches(r->train_loader),
              samples = (long long)r->opts->train_samples;
    fprintf(r->output, "%s\n", r->name);
    if (samples > 0 && (size_t)samples < r->train_data->count)
        fprintf(r->output, "%lld of ", samples);
    fprintf(r->output, "%zu images an epoch, %lld step%s of %lld; %zu test images; seed %llu\n",
        r->train_data->count, steps, steps == 1 ? "" : "s", (long long)r->set.batch_size,
        r->test_data->count, (unsigned long long)r->set.seed);
    if (r->train_data->count < (size_t)r->set.batch_size)
        fputs("that is less than a batch: images are drawn again until it is full\n", r->output);
    if (r->opts->max_steps > 0)
        fprintf(r->output,
            "--max-steps %lld: training ends after so many steps, a test after so many batches\n",
            (long long)r->opts->max_steps);
    fflush(r->output);
}

nncf_status run_train(run *r, nncf_error *err)
{
    double *seconds;
    char *baseline;
    nncf_status status = make_output(r, err);
    if (status == NNCF_OK) {
        baseline = report_baseline_path(r);
        status = watch_open(r, baseline, err);
        free(baseline);
    }
    if (status == NNCF_OK)
        status = run_initialize(r, err); /* of a snapshot: what it has no ranges for */
    if (status != NNCF_OK)
        return status;
    print_first_lines(r);
    seconds = malloc((size_t)loader_batches(r->train_loader) * sizeof *seconds);
    if (seconds == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for the times of the steps");
    status = train_epochs(r, seconds, err);
    free(seconds);
    progress_clear(&r->progress);
    return status == NNCF_OK ? report_summary(r, err) : status;
}
