/* SPDX-License-Identifier: Apache-2.0 */
/* Random values that kernels are called with: around a quantizer's edges and ties, and specials. */
#ifndef KERNEL_VALUES_H
#define KERNEL_VALUES_H

#include "kernels/kernels.h"
#include "support/random.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static float uniform(float low, float high)
{
    return low + (high - low) * ((float)(fx_random32() >> 8) * 0x1p-24f);
}

static float any_bits(void)
{
    uint32_t bits = fx_random32();
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

enum { PLAIN, EDGES, SPECIALS, N_MODES }; /* EDGES: all finite, so that sums mean something */

static float value(const nncf__fq *q, int mode)
{
    uint32_t kind = mode == PLAIN ? 99 : fx_random32() % 16;
    float edge, tie = (floorf(uniform(q->low, q->high)) + 0.5f) * q->scale;
    switch (kind) {
    case 0:
        return fx_random32() % 2 ? 0.0f : -0.0f;
    case 1:
        return uniform(-1.0f, 1.0f) * 1e-39f;
    case 2:
        return tie;
    case 3:
        return nextafterf(tie, fx_random32() % 2 ? INFINITY : -INFINITY);
    case 4:
        edge = fx_random32() % 2 ? q->x_low : q->x_high;
        return fx_random32() % 2 ? edge
                                 : nextafterf(edge, fx_random32() % 2 ? INFINITY : -INFINITY);
    case 5:
        return uniform(-1.0f, 1.0f) * q->scale;
    case 6:
        return mode == SPECIALS ? (fx_random32() % 2 ? INFINITY : -INFINITY) : 3e9f;
    case 7:
        return mode == SPECIALS ? (fx_random32() % 2 ? any_bits() : NAN) : -3e9f;
    default:
        return uniform(1.1f * q->x_low - q->scale, 1.1f * q->x_high + q->scale);
    }
}

static float gradient(int mode)
{
    uint32_t kind = mode == PLAIN ? 99 : fx_random32() % 24;
    if (kind == 0)
        return fx_random32() % 2 ? 0.0f : -0.0f;
    if (kind == 1)
        return uniform(-1.0f, 1.0f) * 1e-40f;
    if (kind == 2 && mode == SPECIALS)
        return any_bits();
    return uniform(-2.0f, 2.0f);
}

static float logit(int mode)
{
    uint32_t kind = mode == PLAIN ? 99 : fx_random32() % 16;
    switch (kind) {
    case 0:
        return fx_random32() % 2 ? 0.0f : -0.0f;
    case 1:
        return uniform(-1.0f, 1.0f) * 1e-7f;
    case 2:
        return uniform(-100.0f, 100.0f);
    case 3:
        return nextafterf(
            fx_random32() % 2 ? 87.3f : -87.3f, fx_random32() % 2 ? 1000.0f : -1000.0f);
    case 4:
        return fx_random32() % 2 ? 3e38f : -3e38f;
    case 5:
        return mode == SPECIALS ? any_bits() : 1e-40f;
    case 6:
        return mode == SPECIALS ? (fx_random32() % 2 ? INFINITY : -INFINITY) : 4.59512f;
    case 7:
        return mode == SPECIALS ? NAN : -4.59512f;
    default:
        return uniform(-6.0f, 6.0f);
    }
}

static float noise(int mode)
{
    uint32_t kind = mode == PLAIN ? 99 : fx_random32() % 16;
    switch (kind) {
    case 0:
        return 0.0f;
    case 1:
        return 1.0f - 0x1p-24f;
    case 2:
        return 1e-6f * uniform(0.0f, 2.0f);
    case 3:
        return 1.0f - 1e-6f * uniform(0.0f, 2.0f);
    case 4:
        return mode == SPECIALS ? any_bits() : 0.5f;
    default:
        return uniform(0.0f, 1.0f);
    }
}

#endif
