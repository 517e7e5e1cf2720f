/* SPDX-License-Identifier: Apache-2.0 */
#include "schedule.h"

#include <math.h>

schedule schedule_make(const schedule_settings *settings, int64_t epochs)
{
    return (schedule){settings, epochs, 1.0, -INFINITY, 0};
}

double schedule_factor(const schedule *s, int64_t epoch)
{
    const schedule_settings *p = s->settings;
    int64_t passed = 0;
    switch (p->type) {
    case SCHEDULE_STEP:
        return pow(p->gamma, (double)(epoch / p->step));
    case SCHEDULE_MULTISTEP:
        /* A step listed twice drops twice. The drop comes with the epoch of that index, as in
         * NNCF 1.0 to 1.2; from 1.3 on it came one epoch later. */
        for (size_t i = 0; i < p->n_steps; i++)
            passed += p->steps[i] <= epoch;
        return pow(p->gamma, (double)passed);
    case SCHEDULE_POLY:
        return epoch >= s->epochs ? 0.0 : pow(1.0 - (double)epoch / (double)s->epochs, p->power);
    case SCHEDULE_EXP:
        return pow(p->gamma, (double)epoch);
    case SCHEDULE_PLATEAU:
        break;
    }
    return s->plateau_factor;
}

void schedule_observe(schedule *s, double top1)
{
    if (s->settings->type != SCHEDULE_PLATEAU)
        return;
    if (top1 > s->plateau_best + s->settings->threshold) {
        s->plateau_best = top1;
        s->plateau_bad = 0;
    } else if (++s->plateau_bad > s->settings->patience) {
        s->plateau_factor *= s->settings->gamma;
        s->plateau_bad = 0;
    }
}
