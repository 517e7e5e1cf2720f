/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays of floats between two pages that may not be touched: the array ends at the second one, or
 * begins behind the first one. Random numbers with a seed that is printed. */
#ifndef NNCF_TESTS_SUPPORT_GUARD_H
#define NNCF_TESTS_SUPPORT_GUARD_H

#include "runner.h"

#include <check.h>
#include <stddef.h>
#include <stdint.h>

/* Of the seed that is printed. */
uint32_t guard_random(void);

/* What main() of a program with seeds returns: --seed=N, else a fixed one. */
int guard_run(Suite *suite, int argc, char **argv);

float *guard_alloc(size_t n);

void guard_free(float *x, size_t n);

/* The same for bytes. */
uint8_t *guard_bytes(size_t n);

void guard_free_bytes(uint8_t *x, size_t n);

/* Numbers around 1, of either sign. */
void guard_fill(float *x, size_t n);

#endif
