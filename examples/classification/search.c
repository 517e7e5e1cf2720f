/* SPDX-License-Identifier: Apache-2.0 */
#include "search.h"
#include "reference.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What a snapshot holds of it: when the optimizer restarted, at which rate, the library's text. */
static nncf_status keep_state(run *r, nncf_error *err)
{
    char text[512];
    const nncf_status status =
        nncf_accuracy_aware_get_state(r->search.handle, text, sizeof text, NULL, err);
    if (status != NNCF_OK)
        return status;
    free(r->state.search);
    r->state.search =
        app_format("%" PRId64 " %.17g %s", r->search.restarted, r->search.lr_factor, text);
    return r->state.search != NULL
        ? NNCF_OK
        : app_fail(err, NNCF_E_NOMEM, NULL, "no memory for the state of the search");
}

static const char *read_state(run *r)
{
    int length = 0;
    if (r->state.search == NULL ||
        sscanf(r->state.search, "%" SCNd64 " %lf %n", &r->search.restarted, &r->search.lr_factor,
            &length) != 2)
        return NULL;
    return r->state.search + length;
}

nncf_status search_open(run *r, nncf_error *err)
{
    nncf_accuracy_aware_params p = {NNCF_PARAMS(nncf_accuracy_aware_params)};
    accuracy a;
    r->search.lr_factor = 1.0;
    if (nncf_config_get_type(r->config, "accuracy_aware_training", NULL, NULL) != NNCF_OK)
        return NNCF_OK;
    progress_note(&r->progress, "testing the network before compression");
    nncf_status status = run_test(r, r->reference, r->opts->max_steps, &a, err);
    progress_clear(&r->progress);
    if (status != NNCF_OK)
        return status;
    p.uncompressed_metric = metrics_top1(&a);
    p.state = read_state(r);
    status = nncf_accuracy_aware_create(r->ctrl, r->config, &p, &r->search.handle, err);
    if (status != NNCF_OK)
        return status;
    fprintf(r->output, "accuracy before compression: %.2f %%\n", p.uncompressed_metric);
    /* a resumed run carries out the decision that its last epoch led to */
    if (r->state.epoch > 0)
        return search_report(r, r->state.test_top1, err);
    status = run_test(r, r->network, r->opts->max_steps, &a, err);
    return status == NNCF_OK ? search_report(r, metrics_top1(&a), err) : status;
}

void search_close(run *r)
{
    nncf_accuracy_aware_destroy(r->search.handle);
    r->search.handle = NULL;
}

/* The weights, masks and ranges of the best snapshot; epochs and accuracies go on. */
static nncf_status restore_best(run *r, nncf_error *err)
{
    char *path = run_snapshot_path(r, "best");
    const run_state kept = r->state;
    nncf_status status =
        path == NULL ? app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a path") : NNCF_OK;
    r->state.classes = r->state.search = NULL;
    if (status == NNCF_OK)
        status = snapshot_resume(r->context, path, r->network, r->ctrl, r->opt, &r->lr, &r->state,
            false, r->errors, err);
    free(r->state.classes);
    free(r->state.search);
    r->state = kept;
    free(path);
    return status;
}

static void print_decision(const run *r, const nncf_accuracy_aware_decision *d)
{
    if (d->stop)
        fprintf(r->output, "accuracy-aware training ends after %lld epochs at sparsity %.4f: %s\n",
            (long long)d->epochs, d->compression_rate,
            d->criterion_met ? "the accuracy is within the limit"
                             : "the accuracy is below the limit");
    else if (d->set_rate)
        fprintf(r->output, "next sparsity %.4f%s, learning rate times %.4g\n", d->compression_rate,
            d->restore_best ? " from the best snapshot" : "", d->lr_factor);
}

nncf_status search_report(run *r, double top1, nncf_error *err)
{
    nncf_accuracy_aware_decision d = {NNCF_PARAMS(nncf_accuracy_aware_decision)};
    nncf_status status = nncf_accuracy_aware_report(r->search.handle, top1, &d, err);
    if (status == NNCF_OK && d.save_best) {
        r->state.best_top1 = top1;
        status = run_save_snapshot(r, "best", err);
    }
    if (status == NNCF_OK && d.restore_best)
        status = restore_best(r, err);
    if (status == NNCF_OK && d.set_rate)
        status = nncf_compression_ctrl_set_compression_rate(r->ctrl, d.compression_rate, err);
    if (status != NNCF_OK)
        return status;
    if (d.reset_optimizer) {
        optimizer_restart(r->opt);
        r->lr = schedule_make(&r->set.schedule, r->set.epochs);
        r->search.restarted = r->state.epoch;
        r->search.lr_factor = d.lr_factor;
    }
    if (d.stop && d.restore_best) {
        r->state.test_top1 = d.best_metric;
        r->statistics = (nncf_statistics){0}; /* to be taken again */
    }
    r->search.over = d.stop;
    print_decision(r, &d);
    return keep_state(r, err);
}

double search_factor(const run *r, int64_t epoch)
{
    return r->search.lr_factor * schedule_factor(&r->lr, epoch - r->search.restarted);
}
