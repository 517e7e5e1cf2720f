/* SPDX-License-Identifier: Apache-2.0 */
/* Integer arithmetic of sizes and tiles. */
#ifndef NNCF__BASE_INT_MATH_H
#define NNCF__BASE_INT_MATH_H

#include <stddef.h>
#include <stdint.h>

static inline int64_t min_i(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t max_i(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* How many parts of b make a, the last of which may be shorter; a itself, up to whole ones. */
static inline int64_t div_ceil(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static inline int64_t round_up(int64_t a, int64_t b)
{
    return div_ceil(a, b) * b;
}

#endif
