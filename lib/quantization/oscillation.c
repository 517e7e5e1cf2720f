/* SPDX-License-Identifier: Apache-2.0 */
#include "quantization/oscillation.h"

#include "base/alloc.h"

#include <nncf/context.h>

#include <math.h>
#include <string.h>

double nncf__ramp_at(const nncf__ramp *ramp, int64_t epoch)
{
    const double pi = 3.14159265358979323846;
    if (epoch >= ramp->epochs)
        return ramp->last;
    if (epoch <= 0)
        return ramp->first;
    return ramp->last +
        (ramp->first - ramp->last) * 0.5 * (1 + cos(pi * (double)epoch / (double)ramp->epochs));
}

nncf__oscillation *nncf__oscillation_create(nncf_context *context, size_t count)
{
    nncf__oscillation *o = nncf__calloc(context, 1, sizeof *o);
    if (!o)
        return NULL;
    o->values = nncf__calloc(context, count + 1, NNCF__OSCILLATION_VALUES * sizeof *o->values);
    o->turns = nncf__calloc(context, count + 1, sizeof *o->turns);
    if (!o->values || !o->turns) {
        nncf__oscillation_destroy(context, o);
        return NULL;
    }
    nncf__oscillation_restart(o, count);
    return o;
}

void nncf__oscillation_destroy(nncf_context *context, nncf__oscillation *oscillation)
{
    if (!oscillation)
        return;
    nncf__free(context, oscillation->values);
    nncf__free(context, oscillation->turns);
    nncf__free(context, oscillation);
}

void nncf__oscillation_restart(nncf__oscillation *oscillation, size_t count)
{
    oscillation->count = count;
    memset(oscillation->values, 0, NNCF__OSCILLATION_VALUES * count * sizeof *oscillation->values);
    memset(oscillation->turns, NNCF__TURN_UNSEEN, count);
}

static float clamped(const nncf__fq *fq, float code)
{
    return fminf(fmaxf(code, fq->low), fq->high);
}

/* One weight; its masked value is x. A code is a whole number, which floats hold exactly. */
static void observe(nncf__oscillation *o, const nncf__freezing *rule, size_t i, float x,
    const nncf__fq *fq, float *w)
{
    float *frequency = &o->values[i], *average = &o->values[o->count + i],
          *code = &o->values[2 * o->count + i];
    int8_t *turn = &o->turns[i];
    if (!isfinite(fq->scale))
        return;
    if (*turn == NNCF__TURN_FROZEN) { /* in codes: a scale that moves takes the value along */
        *w = clamped(fq, *code) * fq->scale;
        return;
    }
    const float now = clamped(fq, rintf(x / fq->scale)), momentum = (float)rule->momentum;
    if (!isfinite(x))
        return;
    if (*turn == NNCF__TURN_UNSEEN) {
        *code = *average = now;
        *turn = 0;
        return;
    }
    const int sign = (now > *code) - (now < *code);
    const float oscillates = sign != 0 && sign == -*turn ? 1 : 0;
    *frequency += momentum * (oscillates - *frequency);
    *average += momentum * (now - *average);
    *code = now;
    if (sign != 0)
        *turn = (int8_t)sign;
    if ((double)*frequency > rule->threshold) {
        *code = clamped(fq, rintf(*average));
        *turn = NNCF__TURN_FROZEN;
        *w = *code * fq->scale;
    }
}

void nncf__oscillation_observe(nncf__oscillation *oscillation, const nncf__freezing *rule,
    size_t begin, size_t n, const float *masked, const nncf__fq *fq, float *w)
{
    for (size_t i = 0; i < n; i++)
        if (masked[i] != 0 || w[i] == 0) /* else the mask made it 0 */
            observe(oscillation, rule, begin + i, masked[i], fq, &w[i]);
}

size_t nncf__oscillation_frozen(const nncf__oscillation *oscillation)
{
    size_t frozen = 0;
    for (size_t i = 0; i < oscillation->count; i++)
        frozen += oscillation->turns[i] == NNCF__TURN_FROZEN;
    return frozen;
}
