/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums of floats that are whole numbers, as products of codes are (|z| up to 2^31), and of their
 * squares: exact, so that they depend neither on the order of the values nor on how these are cut
 * into rows, on threads or on the ISA.
 */
#ifndef NNCF__KERNELS_EXACT_SUMS_H
#define NNCF__KERNELS_EXACT_SUMS_H

#include "kernels/kernels.h"

#include <stddef.h>
#include <stdint.h>

typedef struct nncf__exact_sums {
    int64_t sum;
    /* of the squares: high * 2^32 + low; each takes 2^32 of them */
    uint64_t low, high;
    /* what is no such number (a host's NaN, values that no quantizer made), and its squares: not
     * exact */
    double beyond[2];
} nncf__exact_sums;

static inline void nncf__exact_sums_add_square(nncf__exact_sums *s, uint64_t square)
{
    s->low += square & UINT32_MAX;
    s->high += square >> 32;
}

static inline void nncf__exact_sums_add(nncf__exact_sums *to, const nncf__exact_sums *from)
{
    to->sum += from->sum;
    to->low += from->low;
    to->high += from->high;
    for (int i = 0; i < 2; i++)
        to->beyond[i] += from->beyond[i];
}

/* One value after the other: what defines the result. */
static inline void nncf__exact_sums_ref(size_t n, const float *z, nncf__exact_sums *s)
{
    const float limit = 0x1p31f;
    for (size_t i = 0; i < n; i++) {
        if (!(z[i] > -limit && z[i] < limit)) {
            s->beyond[0] += (double)z[i];
            s->beyond[1] += (double)z[i] * (double)z[i];
            continue;
        }
        const int64_t whole = (int64_t)z[i];
        s->sum += whole;
        nncf__exact_sums_add_square(s, (uint64_t)(whole * whole));
    }
}

/*
 * The same at the speed of sum_and_squares, whose double sums are exact while the sum of squares
 * stays below 2^53: its terms are not negative, so a sum that ever came as far would still be there
 * at the end. The sum of the values is smaller than that of their squares.
 */
static inline void nncf__exact_sums_row(
    const nncf__kernels *k, size_t n, const float *z, nncf__exact_sums *s)
{
    double row[2] = {0, 0};
    k->sum_and_squares(n, z, row);
    if (!(row[1] < 0x1p53)) {
        nncf__exact_sums_ref(n, z, s);
        return;
    }
    s->sum += (int64_t)row[0];
    nncf__exact_sums_add_square(s, (uint64_t)row[1]);
}

/* The mean and the mean of the squares of `count` values: one formula for all ISAs. */
static inline void nncf__exact_sums_means(const nncf__exact_sums *s, double count, double means[2])
{
    /* the two parts in their one normal form */
    const uint64_t low = s->low & UINT32_MAX, high = s->high + (s->low >> 32);
    means[0] = ((double)s->sum + s->beyond[0]) / count;
    means[1] = ((double)high * 0x1p32 + (double)low + s->beyond[1]) / count;
}

#endif
