/* SPDX-License-Identifier: Apache-2.0 */
/* What kernels are called with: quantizers and activations, and random values around their edges
 * and ties, and specials. */
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

enum { FINITE_QUANTIZERS = 12 }; /* the last one reaches to -infinity */

static nncf__fq quantizer(int which)
{
    static const struct {
        float step, low, high;
    } table[] = {{0.0078125f, -128, 127}, {0.0371f, -127, 127}, {6.0f / 255.0f, 0, 255},
        {0.31f, -8, 7}, {0.013f, -57, 198}, {1.0f, 0, 3}, {3.1e-5f, -32768, 32767}, {0.5f, -255, 0},
        {1.9e-38f, -128, 127}, {1e36f, -127, 127}, {0x1p-9f, -4194304, 4194304}, {0.1f, -1, 0},
        {3e36f, -128, 20}};
    size_t i = (size_t)which % (sizeof table / sizeof table[0]);
    return (nncf__fq){table[i].step, table[i].low, table[i].high, table[i].low * table[i].step,
        table[i].high * table[i].step};
}

/* Activations: none, those that there are, and limits around the quantizer's range, which decide
 * what a kernel need not look at. */
static nncf__epilogue epilogue(int which, const nncf__fq *q)
{
    enum { ACTIVATIONS = 9 };
    const float below = nextafterf(q->x_low, -INFINITY), above = nextafterf(q->x_high, INFINITY);
    const float act[ACTIVATIONS][2] = {{-INFINITY, INFINITY}, {0, INFINITY}, {0, 6},
        {q->x_low, q->x_high}, {below, q->x_high}, {q->x_low, above}, {-INFINITY, q->x_high},
        {fabsf(2 * q->x_high), INFINITY}, {q->x_low, nextafterf(q->x_high, -INFINITY)}};
    const float *limits = act[which % ACTIVATIONS];
    nncf__epilogue e = {1.0f, 0.0f, limits[0], limits[1], which / ACTIVATIONS % 2 ? q : NULL};
    if (which / ACTIVATIONS / 2 % 2) {
        e.scale = uniform(-2.0f, 2.0f);
        e.shift = uniform(-1.0f, 1.0f) * 20.0f * q->scale;
    }
    return e;
}
#define N_EPILOGUES 36

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
