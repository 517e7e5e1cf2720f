/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers: splitmix64. A state of its own for each use, so that a test draws the same. */
#ifndef NNCF_TESTS_SUPPORT_RANDOM_H
#define NNCF_TESTS_SUPPORT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

uint64_t fx_next(uint64_t *state);

/* Uniform in [-1, 1). */
double fx_uniform(uint64_t *state);

void fx_fill(float *x, size_t n, double scale, uint64_t *state);

/* Uniform in [-1, 1), of a seed. */
void fx_fill_from(float *x, size_t n, uint64_t seed);

/* ---- one generator a process ---- */

/* The seed: --seed=N, else NNCF_TEST_SEED of the environment, else a fixed one; it is printed. */
void fx_random_seed_of(int argc, char **argv);
uint64_t fx_random_seed(void);

/* From here on as if that had been the seed. */
void fx_random_reset(uint64_t state);
uint32_t fx_random32(void);

#endif
