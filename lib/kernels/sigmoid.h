/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The logistic function in float, without libm, so that masks agree on every ISA.
 * vec_elementwise.h repeats these operations in this order on vectors; the tests compare the two
 * over the floats and this one with double-precision exp().
 *
 * With e = exp(-|s|) the function and its complement are fractions over the same denominator, both
 * free of cancellation: sigmoid(s) = p / d, 1 - sigmoid(s) = q / d, where {p, q} = {1, e} and d = 1
 * + e. Comparisons and the straight-through derivative are made from p, q and d, which saves
 * divisions.
 */
#ifndef NNCF__KERNELS_SIGMOID_H
#define NNCF__KERNELS_SIGMOID_H

#include <stdint.h>
#include <string.h>

/* exp(a), a = k ln 2 + r, |r| <= ln 2 / 2 (Cody and Waite's reduction: the high part has 15 bits,
 * so k * high is exact), exp(r) = 1 + r + r^2 Q(r), Q minimax of degree 4: relative error 3.1e-9
 * before rounding. */
#define NNCF__LOG2_E   0x1.715476p+0f
#define NNCF__LN2_HIGH 0x1.62e4p-1f
#define NNCF__LN2_LOW  0x1.7f7d1cp-20f
#define NNCF__EXP_Q0   0x1.fffffcp-2f
#define NNCF__EXP_Q1   0x1.555492p-3f
#define NNCF__EXP_Q2   0x1.5558f2p-5f
#define NNCF__EXP_Q3   0x1.123a2p-7f
#define NNCF__EXP_Q4   0x1.6a23dp-10f
/* 1.5 * 2^23 + 127: adding it rounds to an integer k, half to even, and leaves k + 127 in the
 * lowest mantissa bits, from where a shift by 23 makes 2^k. */
#define NNCF__EXP_MAGIC 12583039.0f
/* exp(-87.3) is the last one well above the smallest normal float; further out the function is 0
 * or 1. */
#define NNCF__EXP_LIMIT (-87.3f)

/* 2^k of t = k + NNCF__EXP_MAGIC, k in -127..0; 0 for -127 */
static inline float nncf__exp_power(float t)
{
    uint32_t bits;
    float power;
    memcpy(&bits, &t, sizeof bits);
    bits <<= 23;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* exp(a) for a <= 0, 0 below NNCF__EXP_LIMIT, NaN for NaN */
static inline float nncf__exp_negative(float a)
{
    float t = a * NNCF__LOG2_E + NNCF__EXP_MAGIC;
    float k = t - NNCF__EXP_MAGIC;
    float r = (a - k * NNCF__LN2_HIGH) - k * NNCF__LN2_LOW;
    float q = NNCF__EXP_Q4;
    q = q * r + NNCF__EXP_Q3;
    q = q * r + NNCF__EXP_Q2;
    q = q * r + NNCF__EXP_Q1;
    q = q * r + NNCF__EXP_Q0;
    float y = ((r * r) * q + r) + 1.0f;
    return a < NNCF__EXP_LIMIT ? 0.0f : y * nncf__exp_power(t);
}

/* The largest s whose sigmoid, rounded, is not above 0.5. */
#define NNCF__SIGMOID_HALF 0x1.8p-24f

typedef struct nncf__sigmoid_parts {
    /* sigmoid(s) = p / d, 1 - sigmoid(s) = q / d */
    float p, q, d;
} nncf__sigmoid_parts;

static inline nncf__sigmoid_parts nncf__sigmoid_split(float s)
{
    nncf__sigmoid_parts parts;
    float e = nncf__exp_negative(s > 0.0f ? -s : s);
    parts.p = s < 0.0f ? e : 1.0f;
    parts.q = s < 0.0f ? 1.0f : e;
    parts.d = 1.0f + e;
    return parts;
}

static inline float nncf__sigmoid(float s)
{
    nncf__sigmoid_parts parts = nncf__sigmoid_split(s);
    return parts.p / parts.d;
}

#endif
