/* SPDX-License-Identifier: Apache-2.0 */
/* Sums and products of sizes, checked for overflow. */
#ifndef NNCF__BASE_CHECKED_H
#define NNCF__BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>

bool nncf__mul(size_t a, size_t b, size_t *out); /* false on overflow, then *out is untouched */
bool nncf__add(size_t a, size_t b, size_t *out);

#endif
