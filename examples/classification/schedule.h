/* SPDX-License-Identifier: Apache-2.0 */
/* Learning-rate schedules: what all rates are multiplied by in an epoch. */
#ifndef CLASSIFICATION_SCHEDULE_H
#define CLASSIFICATION_SCHEDULE_H

#include "settings.h"

typedef struct schedule {
    const schedule_settings *settings;
    int64_t epochs;
    /* plateau only: the others are functions of the epoch */
    double plateau_factor, plateau_best;
    int64_t plateau_bad;
} schedule;

schedule schedule_make(const schedule_settings *settings, int64_t epochs);
/* The factor of epoch `epoch`, counted from 0. */
double schedule_factor(const schedule *s, int64_t epoch);
/* After an epoch: its test top-1 in percent, for plateau. */
void schedule_observe(schedule *s, double top1);

#endif
