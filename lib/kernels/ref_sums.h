/* SPDX-License-Identifier: Apache-2.0 */
/* How reference kernels add: lanes in double, and the fixed tree. */
#ifndef NNCF__KERNELS_REF_SUMS_H
#define NNCF__KERNELS_REF_SUMS_H

#include <stddef.h>
#include <string.h>

#define LANES 16

/* The fixed tree, then one addition to what is there. */
static inline void lanes_add_to(double lane[LANES], double *sum)
{
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] += lane[i + half];
    *sum += lane[0];
}

/* Lanes whose terms are added in float first, four at a time: those of elements i, i + 16, i + 32,
 * i + 48 of each 64. Starts zeroed; flush when all n terms are in. */
typedef struct grouped {
    double lane[LANES];
    float group[4][LANES];
} grouped;

static inline void grouped_flush(grouped *s)
{
    for (int i = 0; i < LANES; i++)
        s->lane[i] +=
            (double)((s->group[0][i] + s->group[1][i]) + (s->group[2][i] + s->group[3][i]));
    memset(s->group, 0, sizeof s->group);
}

static inline void grouped_add(grouped *s, size_t i, float term)
{
    s->group[i / LANES % 4][i % LANES] = term;
    if (i % (4 * (size_t)LANES) == 4 * (size_t)LANES - 1)
        grouped_flush(s);
}

static inline void grouped_add_to(grouped *s, double *sum)
{
    grouped_flush(s); /* of zeros it changes nothing */
    lanes_add_to(s->lane, sum);
}

#endif
