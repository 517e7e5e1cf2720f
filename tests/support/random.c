/* SPDX-License-Identifier: Apache-2.0 */
#include "random.h"

uint64_t fx_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

double fx_uniform(uint64_t *state)
{
    return (double)(fx_next(state) >> 11) * 0x1p-52 - 1;
}

void fx_fill(float *x, size_t n, double scale, uint64_t *state)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(scale * fx_uniform(state));
}

void fx_fill_from(float *x, size_t n, uint64_t seed)
{
    fx_fill(x, n, 1, &seed);
}
