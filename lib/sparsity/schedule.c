/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sparsity levels by epoch. Formulas: docs/formulas.md, "Schedules". Level e holds during epoch e,
 * counted from 0; a schedule by optimizer steps counts in fractions of epochs.
 */
#include "sparsity/schedule.h"

#include "config/canonical.h"

#include <math.h>

/* The level at `e` epochs from the start. */
static double level_at(const nncf__schedule_params *params, double e)
{
    const double init = params->init, target = params->target;
    switch (params->kind) {
    case NNCF__EXPONENTIAL: { /* the density falls by the same factor in every epoch */
        if (e >= params->steps)
            return target;
        double k = -log((1 - target) / (1 - init)) / params->steps;
        return fmin(target, 1 - (1 - init) * exp(-k * e));
    }
    case NNCF__POLYNOMIAL:
        if (e >= params->steps)
            return target;
        if (params->curve == NNCF__CURVE_EASE_OUT)
            return target - (target - init) * pow(1 - e / params->steps, params->power);
        return init + (target - init) * pow(e / params->steps, params->power);
    case NNCF__MULTISTEP: {
        size_t i = 0;
        while (i < params->n_multistep && params->multistep_steps[i] <= e)
            i++;
        return params->multistep_levels[i];
    }
    default: /* adaptive: depends on what happens */
        return init;
    }
}

double nncf__schedule_level(const nncf__schedule_params *params, int64_t epoch)
{
    return level_at(params, (double)epoch);
}

bool nncf__schedule_by_steps(const nncf__schedule_params *params)
{
    return params->kind == NNCF__POLYNOMIAL && params->update_per_optimizer_step;
}

void nncf__schedule_start(nncf__schedule *schedule, const nncf__schedule_params *params)
{
    schedule->params = *params;
    schedule->epoch = 0;
    schedule->bad_epochs = 0;
    schedule->by_hand = false;
    schedule->step = 0;
    schedule->steps_per_epoch = nncf__schedule_by_steps(params) ? params->steps_per_epoch : 0;
    schedule->level = nncf__schedule_level(params, 0);
}

/* Where the schedule is. An epoch that is longer than it should be waits at its end. */
void nncf__schedule_refresh(nncf__schedule *schedule)
{
    double within = 0;
    if (schedule->by_hand)
        return;
    if (nncf__schedule_by_steps(&schedule->params) && schedule->steps_per_epoch > 0)
        within = fmin((double)schedule->step / (double)schedule->steps_per_epoch, 1);
    if (schedule->params.kind != NNCF__ADAPTIVE)
        schedule->level = level_at(&schedule->params, (double)schedule->epoch + within);
}

bool nncf__schedule_step(nncf__schedule *schedule)
{
    const double before = schedule->level;
    schedule->step++;
    if (nncf__schedule_by_steps(&schedule->params))
        nncf__schedule_refresh(schedule);
    return schedule->level != before;
}

void nncf__schedule_epoch_step(nncf__schedule *schedule, double current_sparsity)
{
    const nncf__schedule_params *p = &schedule->params;
    const int64_t steps = schedule->step;
    schedule->step = 0;
    if (nncf__schedule_by_steps(p) && schedule->steps_per_epoch == 0 && steps > 0) {
        schedule->steps_per_epoch =
            steps; /* as NNCF does: an epoch that only counts the steps, then epoch 0 begins */
        return;
    }
    schedule->epoch++;
    if (p->kind != NNCF__ADAPTIVE || schedule->by_hand) {
        nncf__schedule_refresh(schedule);
        return;
    }
    /* NNCF advances its step counter here, so that its adaptive schedule never freezes; ours counts
     * epochs (D10) */
    if (current_sparsity >= schedule->level - p->eps)
        schedule->bad_epochs++;
    if (schedule->bad_epochs >= p->patience) {
        schedule->bad_epochs = 0;
        schedule->level = fmin(schedule->level + p->step, p->target);
    }
}

bool nncf__schedule_frozen(const nncf__schedule *schedule)
{
    return (double)schedule->epoch >= schedule->params.training_steps;
}

bool nncf__schedule_arrived(const nncf__schedule *schedule)
{
    const nncf__schedule_params *p = &schedule->params;
    if (schedule->by_hand)
        return true;
    if (p->kind == NNCF__MULTISTEP) /* levels may fall again: only the last one is the target */
        return p->n_multistep == 0 ||
            (double)schedule->epoch >= p->multistep_steps[p->n_multistep - 1];
    return schedule->level >= p->target;
}
