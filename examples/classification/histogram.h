/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLASSIFICATION_HISTOGRAM_H
#define CLASSIFICATION_HISTOGRAM_H

#include "app.h"

enum { HISTOGRAM_BINS = 64 };

/* Bins of equal width between the lowest and the highest value; 0 always lies between them. */
typedef struct histogram {
    double low, high;
    int64_t counts[HISTOGRAM_BINS]; /* of values that are not 0, and finite */
    int64_t count, zeros; /* all values; those that are 0 */
    double sum, sum_of_squares;
} histogram;

/* Of n values. kept: bit i % 8 of byte i / 8 is 0 where a mask makes value i zero; NULL: no mask.
 */
void histogram_make(const float *values, size_t n, const uint8_t *kept, histogram *h);
/* Limits of bin i: from histogram_edge(h, i) to histogram_edge(h, i + 1). */
double histogram_edge(const histogram *h, int i);

#endif
