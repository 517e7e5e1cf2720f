/* SPDX-License-Identifier: Apache-2.0 */
#include "random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static uint64_t seed = 20211, process_state = 20211;

void fx_random_seed_of(int argc, char **argv)
{
    const char *given = getenv("NNCF_TEST_SEED");
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--seed=", 7) == 0)
            given = argv[i] + 7;
    if (given)
        seed = strtoull(given, NULL, 10);
    process_state = seed;
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
}

uint64_t fx_random_seed(void)
{
    return seed;
}

void fx_random_reset(uint64_t state)
{
    process_state = state;
}

uint32_t fx_random32(void)
{
    return (uint32_t)(fx_next(&process_state) >> 32);
}
