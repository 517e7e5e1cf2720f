/* SPDX-License-Identifier: Apache-2.0 */
/* Sparsity levels by epoch. Formulas: docs/formulas.md, "Schedules". Level e holds during epoch e, counted from 0. */
#include "compression/compression.h"

#include <math.h>

double nncf__schedule_level(const nncf__schedule_params *params, int64_t epoch)
{
    const double init = params->init, target = params->target, e = (double)epoch;
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

void nncf__schedule_start(nncf__schedule *schedule, const nncf__schedule_params *params)
{
    schedule->params = *params;
    schedule->epoch = 0;
    schedule->bad_epochs = 0;
    schedule->level = nncf__schedule_level(params, 0);
}

void nncf__schedule_epoch_step(nncf__schedule *schedule, double current_sparsity)
{
    const nncf__schedule_params *p = &schedule->params;
    schedule->epoch++;
    if (p->kind != NNCF__ADAPTIVE) {
        schedule->level = nncf__schedule_level(p, schedule->epoch);
        return;
    }
    /* NNCF advances its step counter here, so that its adaptive schedule never freezes; ours counts epochs (D10) */
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
    if (p->kind == NNCF__MULTISTEP) /* levels may come down again: arrived means the last of them */
        return p->n_multistep == 0 || (double)schedule->epoch >= p->multistep_steps[p->n_multistep - 1];
    return schedule->level >= p->target;
}
