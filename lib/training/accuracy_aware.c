/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accuracy_aware_training. The rules are those of NNCF's training_loop.py and runner.py; there they
 * are a loop that calls the training program, here each report of the program is one transition.
 * docs/formulas.md has the rules and the differences.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "config/canonical.h"
#include "config/config.h"
#include "controller/ctrl.h"
#include "controller/rate.h"

#include <nncf/accuracy_aware.h>
#include <nncf/base.h>
#include <nncf/config.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* NNCF's, of the loop's constructor. */
#define DEFAULT_MAXIMAL_RATE 0.95

enum phase {
    /* the algorithm's own schedule; the whole training with early_exit */
    PHASE_INITIAL = 0,
    PHASE_SEARCH = 1,
    PHASE_STOPPED = 2
};

/* What a resumed training goes on with. */
typedef struct search_state {
    enum phase phase;
    /* reports, all epochs, and those at the present rate */
    int64_t reports, epochs, epochs_at_rate;
    /* of the present rate; -INFINITY: none */
    double best;
    /* of the search; the last is the direction of its last change, 0: none so far */
    double rate, step, lr_factor, direction;
    /* of the snapshot that is the best one; NaN: there is none */
    double saved_rate, saved_metric;
} search_state;

struct nncf_accuracy_aware {
    nncf_context *context;
    nncf_compression_ctrl *ctrl;
    nncf__accuracy_params params;
    double least_metric, minimal_rate, maximal_rate;
    search_state now;
};

/* ---- state as a text ---- */

#define STATE_FORMAT  "nncf-accuracy-aware 1 %d %lld %lld %lld"
#define STATE_DOUBLES 7

static void state_doubles(search_state *s, double *all[STATE_DOUBLES])
{
    double *const members[STATE_DOUBLES] = {&s->best, &s->rate, &s->step, &s->lr_factor,
        &s->direction, &s->saved_rate, &s->saved_metric};
    memcpy(all, members, sizeof members);
}

/* Numbers by their bits: exact, and independent of the locale. */
static void put_state(const search_state *state, nncf__text *text)
{
    search_state s = *state;
    double *all[STATE_DOUBLES];
    state_doubles(&s, all);
    nncf__text_printf(text, STATE_FORMAT, (int)s.phase, (long long)s.reports, (long long)s.epochs,
        (long long)s.epochs_at_rate);
    for (int i = 0; i < STATE_DOUBLES; i++) {
        uint64_t bits;
        memcpy(&bits, all[i], sizeof bits);
        nncf__text_printf(text, " %016llx", (unsigned long long)bits);
    }
}

/* As they come about: reports are one more than epochs, and metrics were finite. */
static bool makes_sense(const search_state *s)
{
    const int64_t most = INT64_C(1) << 53;
    return s->reports <= most && s->epochs == (s->reports > 0 ? s->reports - 1 : 0) &&
        s->epochs_at_rate >= 0 && s->epochs_at_rate <= s->epochs && s->best < (double)INFINITY &&
        s->rate >= 0 && s->rate < 1 && s->step > 0 && s->step <= 1 && s->lr_factor > 0 &&
        s->lr_factor <= 1 && (s->direction == 0 || fabs(s->direction) == 1) &&
        (isnan(s->saved_rate)
                ? isnan(s->saved_metric)
                : s->saved_rate >= 0 && s->saved_rate < 1 && isfinite(s->saved_metric));
}

static bool read_state(const char *text, search_state *state)
{
    search_state s = {.phase = PHASE_INITIAL};
    double *all[STATE_DOUBLES];
    long long counts[3];
    int phase, length = 0;
    if (sscanf(text, STATE_FORMAT "%n", &phase, &counts[0], &counts[1], &counts[2], &length) != 4 ||
        phase < PHASE_INITIAL || phase > PHASE_STOPPED)
        return false;
    s.phase = (enum phase)phase;
    s.reports = counts[0];
    s.epochs = counts[1];
    s.epochs_at_rate = counts[2];
    state_doubles(&s, all);
    for (int i = 0; i < STATE_DOUBLES; i++) {
        unsigned long long bits;
        int more = 0;
        if (sscanf(text + length, " %16llx%n", &bits, &more) != 1)
            return false;
        const uint64_t exact = bits;
        memcpy(all[i], &exact, sizeof exact);
        length += more;
    }
    if (text[length] != '\0' || !makes_sense(&s))
        return false;
    *state = s;
    return true;
}

nncf_status nncf_accuracy_aware_get_state(const nncf_accuracy_aware *search, char *buffer,
    size_t capacity, size_t *needed, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    nncf_status status = NNCF_OK;
    if (!search || (!buffer && capacity > 0)) {
        status = nncf__fail(&reason, NNCF_E_ARG, NULL, "%s is NULL", search ? "buffer" : "search");
    } else {
        nncf__text text = nncf__text_into(buffer, capacity);
        put_state(&search->now, &text);
        status = nncf__text_finish(&text, buffer, capacity, needed, &reason);
    }
    return nncf__report(search ? search->context : NULL, "nncf_accuracy_aware_get_state", NULL,
        status, &reason, err);
}

/* ---- transitions ---- */

static bool has_saved(const search_state *s)
{
    return !isnan(s->saved_rate);
}

static void save_best(nncf_accuracy_aware *a, double metric, nncf_accuracy_aware_decision *d)
{
    a->now.saved_rate = nncf__ctrl_rate(a->ctrl);
    a->now.saved_metric = metric;
    d->save_best = 1;
}

/* The search restores the highest rate that meets the criterion, so no other one is kept. Before
 * the search, and with early_exit, a model that is compressed as requested, if no metric before was
 * higher, whatever the compression: that is NNCF's rule. */
static void consider_saving(
    nncf_accuracy_aware *a, double metric, bool is_full, nncf_accuracy_aware_decision *d)
{
    const search_state *s = &a->now;
    const double rate = nncf__ctrl_rate(a->ctrl);
    if (!is_full || metric < s->best)
        return;
    if (a->params.mode == NNCF__EARLY_EXIT)
        save_best(a, metric, d);
    else if (metric >= a->least_metric &&
        (!has_saved(s) || rate > s->saved_rate ||
            (rate == s->saved_rate && metric > s->saved_metric)))
        save_best(a, metric, d);
}

/* `met`: of the model as it is now. */
static void stop(nncf_accuracy_aware *a, bool met, bool restore, nncf_accuracy_aware_decision *d)
{
    a->now.phase = PHASE_STOPPED;
    d->stop = 1;
    d->restore_best = restore && has_saved(&a->now) && !d->save_best;
    d->criterion_met = d->restore_best ? a->now.saved_metric >= a->least_metric : met;
    d->compression_rate = d->restore_best ? a->now.saved_rate : nncf__ctrl_rate(a->ctrl);
}

/* A step of the search: to another rate, or not yet. False: there is none to go to. */
static bool next_rate(nncf_accuracy_aware *a, bool force, nncf_accuracy_aware_decision *d)
{
    search_state *s = &a->now;
    const bool met = s->best >= a->least_metric;
    const double direction = met ? 1 : -1;
    if (s->epochs_at_rate < a->params.patience_epochs && !met && !force)
        return true;
    if (s->direction != 0 && s->direction != direction) {
        s->step *= a->params.step_reduction;
        s->lr_factor *= a->params.lr_reduction;
    }
    const double rate = s->rate + direction * s->step;
    s->direction = direction;
    if (rate < a->minimal_rate || rate > a->maximal_rate)
        return false;
    s->rate = rate;
    s->epochs_at_rate = 0;
    s->best = -(double)INFINITY;
    d->restore_best = has_saved(s) && !d->save_best;
    d->set_rate = 1;
    d->reset_optimizer = 1;
    return true;
}

static void search_on(nncf_accuracy_aware *a, bool met, bool force, nncf_accuracy_aware_decision *d)
{
    if (a->now.step < a->params.least_step || a->now.epochs >= a->params.total_epochs ||
        !next_rate(a, force, d))
        stop(a, met, true, d);
}

static void decide(nncf_accuracy_aware *a, double metric, nncf_accuracy_aware_decision *d)
{
    search_state *s = &a->now;
    nncf_statistics statistics = {NNCF_PARAMS(nncf_statistics)};
    const bool adaptive = a->params.mode == NNCF__ADAPTIVE_LEVEL;
    const bool first = s->reports++ == 0;
    s->epochs += first ? 0 : 1;
    s->epochs_at_rate += first ? 0 : 1;
    s->best = fmax(s->best, metric);
    const bool is_full =
        nncf_compression_ctrl_get_statistics(a->ctrl, &statistics, NULL) == NNCF_OK &&
        statistics.compression_level == NNCF_COMPRESSION_FULL;
    const bool met = is_full && metric >= a->least_metric;
    consider_saving(a, metric, is_full, d);
    if (s->phase == PHASE_SEARCH) {
        search_on(a, met, false, d);
        return;
    }
    const int64_t most = adaptive ? a->params.initial_epochs : a->params.total_epochs;
    if (!met && s->epochs < most)
        return;
    if (!adaptive) {
        stop(a, met, true, d);
        return;
    }
    s->phase = PHASE_SEARCH;
    s->rate = nncf__ctrl_rate(a->ctrl);
    s->best = metric;
    search_on(a, met, true, d);
}

/* ---- calls ---- */

static nncf_status check_rate(const nncf_accuracy_aware *a, nncf_error *err)
{
    const double rate = nncf__ctrl_rate(a->ctrl);
    if (a->now.phase != PHASE_SEARCH || (nncf__ctrl_rate_by_hand(a->ctrl) && rate == a->now.rate))
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_STATE, NULL,
        "the compression rate is %g; the last decision was %g: call "
        "nncf_compression_ctrl_set_compression_rate() where set_rate is 1, after restoring",
        rate, a->now.rate);
}

static nncf_status report(nncf_accuracy_aware *search, double metric,
    nncf_accuracy_aware_decision *decision, nncf_error *err)
{
    if (!search)
        return nncf__fail(err, NNCF_E_ARG, NULL, "search is NULL");
    nncf_status status = nncf__ctrl_check(search->ctrl, "nncf_accuracy_aware_report", err);
    if (status == NNCF_OK && search->now.phase == PHASE_STOPPED)
        status = nncf__fail(err, NNCF_E_STATE, NULL, "the last decision was to stop");
    if (status == NNCF_OK && !isfinite(metric))
        status = nncf__fail(err, NNCF_E_ARG, NULL,
            "metric is %g; report a finite number, for a training that diverged a low one", metric);
    if (status == NNCF_OK)
        status = check_rate(search, err);
    if (status != NNCF_OK)
        return status;
    const search_state before = search->now;
    nncf_accuracy_aware_decision d = {.struct_size = sizeof d};
    decide(search, metric, &d);
    d.lr_factor = search->now.lr_factor;
    d.budget = metric - search->least_metric;
    d.best_metric = search->now.saved_metric;
    d.best_compression_rate = search->now.saved_rate;
    d.epochs = search->now.epochs;
    if (!d.stop)
        d.compression_rate =
            search->now.phase == PHASE_SEARCH ? search->now.rate : nncf__ctrl_rate(search->ctrl);
    status = nncf__result_give(decision, &d, sizeof d, "nncf_accuracy_aware_decision", err);
    if (status != NNCF_OK)
        search->now = before;
    return status;
}

nncf_status nncf_accuracy_aware_report(nncf_accuracy_aware *search, double metric,
    nncf_accuracy_aware_decision *decision, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = report(search, metric, decision, &reason);
    return nncf__report(
        search ? search->context : NULL, "nncf_accuracy_aware_report", NULL, status, &reason, err);
}

static nncf_status check_config(
    const nncf_compression_ctrl *ctrl, const nncf__accuracy_params *p, nncf_error *err)
{
    if (p->mode == 0)
        return nncf__fail(err, NNCF_E_CONFIG, "accuracy_aware_training",
            "the config has no accuracy_aware_training at its root; add { \"mode\": "
            "\"early_exit\", \"params\": { \"maximal_total_epochs\": 10 } }");
    const bool prunes = ctrl->pruning != NULL,
               searches = prunes ? ctrl->sparsity_kind == 0
                                 : ctrl->sparsity_kind == NNCF__MAGNITUDE_SPARSITY;
    if (p->mode == NNCF__ADAPTIVE_LEVEL && !searches)
        return nncf__fail(err, NNCF_E_UNSUPPORTED, "accuracy_aware_training.mode",
            "adaptive_compression_level searches for the rate of magnitude_sparsity or of "
            "filter_pruning, and the config has %s; use early_exit",
            prunes ? "sparsity as well" : "neither");
    return NNCF_OK;
}

static nncf_status read_params(
    const nncf_accuracy_aware_params *params, nncf_accuracy_aware_params *p, nncf_error *err)
{
    if (!params)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "params is NULL; uncompressed_metric has no default: the metric before compression");
    const nncf_status status =
        nncf__params_copy(p, sizeof *p, params, "nncf_accuracy_aware_params", err);
    if (status != NNCF_OK)
        return status;
    if (p->maximal_compression_rate == 0)
        p->maximal_compression_rate = DEFAULT_MAXIMAL_RATE;
    if (!isfinite(p->uncompressed_metric))
        return nncf__fail(err, NNCF_E_ARG, NULL, "uncompressed_metric is %g; it must be finite",
            p->uncompressed_metric);
    if (!(p->minimal_compression_rate >= 0 &&
            p->minimal_compression_rate <= p->maximal_compression_rate &&
            p->maximal_compression_rate < 1))
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "compression rates from %g to %g; they must be in 0..1, below 1, and rise",
            p->minimal_compression_rate, p->maximal_compression_rate);
    return NNCF_OK;
}

static nncf_status create(nncf_compression_ctrl *ctrl, const nncf_config *config,
    const nncf_accuracy_aware_params *params, nncf_accuracy_aware **search, nncf_error *err)
{
    nncf_accuracy_aware_params p;
    nncf_status status = nncf__ctrl_check(ctrl, "nncf_accuracy_aware_create", err);
    if (status == NNCF_OK && (!config || !search))
        status = nncf__fail(err, NNCF_E_ARG, NULL, "config and search must not be NULL");
    if (status == NNCF_OK)
        status = read_params(params, &p, err);
    if (status != NNCF_OK)
        return status;
    const nncf__accuracy_params *wanted = &nncf__config_setup_of(config)->accuracy;
    status = check_config(ctrl, wanted, err);
    if (status != NNCF_OK)
        return status;
    const double highest = nncf__ctrl_highest_rate(ctrl);
    if (wanted->mode == NNCF__ADAPTIVE_LEVEL && p.minimal_compression_rate > highest)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "minimal_compression_rate is %g, and no rate above %g can be set (structure n:m)",
            p.minimal_compression_rate, highest);
    search_state state = {.best = -(double)INFINITY,
        .rate = nncf__ctrl_rate(ctrl),
        .step = wanted->initial_step,
        .lr_factor = 1,
        .saved_rate = (double)NAN,
        .saved_metric = (double)NAN};
    if (p.state && !read_state(p.state, &state))
        return nncf__fail(
            err, NNCF_E_FORMAT, NULL, "state is none that nncf_accuracy_aware_get_state() wrote");
    nncf_accuracy_aware *a = nncf__calloc(ctrl->context, 1, sizeof *a);
    if (!a)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a search");
    *a = (nncf_accuracy_aware){.context = ctrl->context,
        .ctrl = ctrl,
        .params = *wanted,
        .least_metric = wanted->is_absolute
            ? p.uncompressed_metric - wanted->absolute_drop
            : p.uncompressed_metric * (1 - 0.01 * wanted->relative_drop),
        .minimal_rate = p.minimal_compression_rate,
        .maximal_rate = fmin(p.maximal_compression_rate, highest),
        .now = state};
    *search = a;
    return NNCF_OK;
}

nncf_status nncf_accuracy_aware_create(nncf_compression_ctrl *ctrl, const nncf_config *config,
    const nncf_accuracy_aware_params *params, nncf_accuracy_aware **search, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = create(ctrl, config, params, search, &reason);
    return nncf__report(
        ctrl ? ctrl->context : NULL, "nncf_accuracy_aware_create", NULL, status, &reason, err);
}

void nncf_accuracy_aware_destroy(nncf_accuracy_aware *search)
{
    if (search)
        nncf__free(search->context, search);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_accuracy_aware_params, .maximal_compression_rate = DEFAULT_MAXIMAL_RATE)
NNCF__STRUCT_INIT(nncf_accuracy_aware_decision, )
