/* SPDX-License-Identifier: Apache-2.0 */
/* Sparsity levels by epoch and step. */
#ifndef NNCF__SPARSITY_SCHEDULE_H
#define NNCF__SPARSITY_SCHEDULE_H

#include "config/canonical.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct nncf__schedule {
    /* arrays owned by the controller */
    nncf__schedule_params params;
    int64_t epoch;
    /* during the present epoch */
    double level;
    /* adaptive: good epochs counted towards patience */
    int32_t bad_epochs;
    /* the level was set by the caller: it stays */
    bool by_hand;
    /* steps made in the present epoch */
    int64_t step;
    /* by optimizer steps only: from the config, or counted; 0: unknown so far */
    int64_t steps_per_epoch;
} nncf__schedule;
void nncf__schedule_start(
    nncf__schedule *schedule, const nncf__schedule_params *params); /* level of epoch 0 */
void nncf__schedule_epoch_step(
    nncf__schedule *schedule, double current_sparsity); /* to the next epoch */
double nncf__schedule_level(
    const nncf__schedule_params *params, int64_t epoch); /* closed form; not adaptive */
/* Does the level move with every step? */
bool nncf__schedule_by_steps(const nncf__schedule_params *params);
/* A step was made. True: the level is another one. */
bool nncf__schedule_step(nncf__schedule *schedule);
/* The level by epoch and step; an adaptive one stays as it is. */
void nncf__schedule_refresh(nncf__schedule *schedule);
bool nncf__schedule_frozen(const nncf__schedule *schedule); /* epoch >= training_steps */
bool nncf__schedule_arrived(const nncf__schedule *schedule); /* the final level */

#endif
