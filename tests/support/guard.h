/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays between two pages that may not be touched: the array ends at the second one, or begins
 * behind the first one. */
#ifndef NNCF_TESTS_SUPPORT_GUARD_H
#define NNCF_TESTS_SUPPORT_GUARD_H

#include <stddef.h>
#include <stdint.h>

/* n floats, not filled. */
float *guard_alloc(size_t n);
void guard_free(float *x, size_t n);

uint8_t *guard_bytes(size_t n);
void guard_free_bytes(uint8_t *x, size_t n);

/* Random numbers around 1, of either sign (fx_random32()). */
void guard_fill(float *x, size_t n);

#endif
