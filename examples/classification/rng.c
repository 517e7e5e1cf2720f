/* SPDX-License-Identifier: Apache-2.0 */
#include "rng.h"

#include <math.h>

static const double two_pi = 6.283185307179586476925;

/* A bijection of 64 bits in which every input bit reaches every output bit: the finalizer of
 * Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014), with Stafford's
 * variant 13 of the constants. */
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static const uint64_t golden =
    UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / golden ratio: consecutive counters far apart */

rng rng_make(uint64_t seed, enum rng_stream stream, uint64_t a, uint64_t b)
{
    rng r = {mix(seed + golden), 0};
    r.key = mix(r.key ^ ((uint64_t)stream * golden));
    r.key = mix(r.key + (a + 1) * golden);
    r.key = mix(r.key ^ ((b + 1) * golden));
    return r;
}

uint64_t rng_next(rng *r)
{
    return mix(r->key + golden * ++r->counter);
}

double rng_uniform(rng *r)
{
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

double rng_between(rng *r, double lo, double hi)
{
    return lo + (hi - lo) * rng_uniform(r);
}

uint64_t rng_below(rng *r, uint64_t n)
{
    /* Draws above the last whole multiple of n are thrown away: no remainder is favoured. */
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, u;
    do
        u = rng_next(r);
    while (u >= limit);
    return u % n;
}

double rng_normal(rng *r)
{
    /* Box and Muller (1958); 1 - u is in (0,1], so the logarithm is finite. One of the pair is
     * thrown away: the number of draws then does not depend on what was drawn before. */
    double radius = sqrt(-2.0 * log(1.0 - rng_uniform(r)));
    return radius * cos(two_pi * rng_uniform(r));
}
