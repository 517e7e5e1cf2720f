/* SPDX-License-Identifier: Apache-2.0 */
#include "histogram.h"

#include <math.h>

static float value_at(const float *values, const uint8_t *kept, size_t i)
{
    return kept == NULL || (kept[i / 8] >> i % 8 & 1) ? values[i] : 0.0f;
}

double histogram_edge(const histogram *h, int i)
{
    return h->low + (h->high - h->low) * i / HISTOGRAM_BINS;
}

void histogram_make(const float *values, size_t n, const uint8_t *kept, histogram *h)
{
    *h = (histogram){.count = (int64_t)n};
    for (size_t i = 0; i < n; i++) {
        const double x = value_at(values, kept, i);
        if (!isfinite(x))
            continue;
        h->low = x < h->low ? x : h->low;
        h->high = x > h->high ? x : h->high;
        h->sum += x;
        h->sum_of_squares += x * x;
    }
    if (h->low == h->high) /* all are 0 */
        h->high = 1.0;
    const double scale = HISTOGRAM_BINS / (h->high - h->low);
    for (size_t i = 0; i < n; i++) {
        const double x = value_at(values, kept, i);
        if (x == 0.0) {
            h->zeros++;
        } else if (isfinite(x)) {
            const int bin = (int)((x - h->low) * scale);
            h->counts[bin < HISTOGRAM_BINS ? bin : HISTOGRAM_BINS - 1]++;
        }
    }
}
