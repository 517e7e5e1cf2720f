/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules of filter pruning. Level e holds during epoch e, counted from 0. */
#include "pruning/level.h"

#include "config/canonical.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

double nncf__pruning_target(const nncf__pruning_params *p)
{
    return p->flops_target >= 0 ? p->flops_target : p->target;
}

/*
 * y of y^(1/8) - c y + c - 1 = 0 that is not 1, for c > 1/8: the left side is c - 1 < 0 at 0, rises
 * to its maximum at (8 c)^(-8/7), and falls to 0 at 1.
 */
static double solve(double c)
{
    double low = 0, high = pow(8 * c, -8.0 / 7.0);
    for (int i = 0; i < 200; i++) {
        const double y = (low + high) / 2;
        if (pow(y, 0.125) - c * y + c - 1 < 0)
            low = y;
        else
            high = y;
    }
    return (low + high) / 2;
}

/*
 * level(x) = a y^x + b, x from 0 to 1, with level(0) = init, level(1) = target and level(1/8) =
 * 3/4 target. NNCF 1.3 to 1.6 leave init out of the second equation, so that their curve ends
 * elsewhere (docs/config.md).
 */
static double with_bias(double init, double target, double x)
{
    const double c = (0.75 * target - init) / (target - init), y = solve(c),
                 a = (target - init) / (y - 1);
    return a * pow(y, x) + init - a;
}

double nncf__pruning_level(const nncf__pruning_params *p, int64_t epoch)
{
    const double e = (double)epoch - p->num_init_steps, target = nncf__pruning_target(p),
                 last = p->counts_from_zero ? p->steps - 1 : p->steps;
    if (e < 0)
        return 0;
    if (p->schedule == NNCF__PRUNING_BASELINE || e >= last || target <= p->init)
        return target;
    if (p->schedule == NNCF__PRUNING_EXPONENTIAL) {
        const double k = log((1 - target) / (1 - p->init)) / last;
        return fmin(target, 1 - (1 - p->init) * exp(k * e));
    }
    return fmin(target, with_bias(p->init, target, e / last));
}

bool nncf__pruning_frozen(const nncf__pruning_params *p, int64_t epoch)
{
    return (double)epoch >=
        p->num_init_steps + (p->schedule == NNCF__PRUNING_BASELINE ? 0 : p->steps);
}
