/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pixels of a channel, counted over the images of a batch, cut into spans: the rows that sums
 * run over. The cut depends on the shape alone, so sums that are added span by span, in their
 * order, have the same bits whoever made them. Large planes are cut into equal parts; of small ones
 * a span is several, whole.
 */
#ifndef NNCF__GEMM_SPANS_H
#define NNCF__GEMM_SPANS_H

#include "base/int_math.h"

#include <stdbool.h>
#include <stdint.h>

/* SMALL_PLANE: below it planes are joined: calling a kernel for each would cost more than the work.
 */
enum { NNCF__SPAN_PIXELS = 1024, NNCF__SPAN_SMALL_PLANE = 100, NNCF__SPAN_JOINED_PIXELS = 512 };

typedef struct nncf__spans {
    /* of a channel, in all images */
    int64_t n_pixels;
    /* pixels after which the cut begins again, and spans of so many */
    int64_t period, per_period;
    /* pixels of a span; the last of a period may have fewer */
    int64_t length;
    int64_t count;
} nncf__spans;

static inline nncf__spans nncf__spans_of(int64_t images, int64_t plane)
{
    nncf__spans s = {.n_pixels = images * plane, .period = plane};
    if (plane < NNCF__SPAN_SMALL_PLANE) {
        s.period = s.n_pixels;
        s.length = min_i(images, max_i(1, NNCF__SPAN_JOINED_PIXELS / plane)) * plane;
    } else {
        /* whole vectors but for the last */
        s.length = min_i(plane, round_up(div_ceil(plane, div_ceil(plane, NNCF__SPAN_PIXELS)), 64));
    }
    s.per_period = div_ceil(s.period, s.length);
    s.count = s.n_pixels / s.period * s.per_period;
    return s;
}

static inline int64_t nncf__span_first(const nncf__spans *s, int64_t i)
{
    return i / s->per_period * s->period + i % s->per_period * s->length;
}

static inline int64_t nncf__span_end(const nncf__spans *s, int64_t i)
{
    return min_i(nncf__span_first(s, i) + s->length, (i / s->per_period + 1) * s->period);
}

#endif
