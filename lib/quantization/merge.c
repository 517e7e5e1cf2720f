/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extremes and counts do not depend on who saw an element, so what is merged is what one process
 * with the whole batch would have observed, bit for bit.
 */
#include "quantization/merge.h"

#include "base/collective.h"
#include "quantization/histogram.h"
#include "quantization/observer.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/parallel.h>
#include <nncf/tensor.h>

#include <math.h>
#include <stddef.h>

/* [channels][2], where nncf__quantizer_observed() reads them. */
static float *extremes(nncf__quantizer *q)
{
    return q->observed_channels ? q->observed_channels : q->observed;
}

nncf_status nncf__quantizer_reduce(
    nncf_context *context, nncf__collective *ranks, nncf__quantizer *q)
{
    const struct nncf__observer *o = q->observer;
    float *seen = extremes(q);
    if (!nncf__has_ranks(ranks))
        return NNCF_OK;
    for (size_t c = 0; c < q->channels; c++)
        seen[2 * c] = -seen[2 * c]; /* the smallest as the largest of what is negated */
    nncf_status status = nncf__all_reduce(ranks, seen, 2 * q->channels, NNCF_F32, NNCF_REDUCE_MAX);
    for (size_t c = 0; c < q->channels; c++)
        seen[2 * c] = -seen[2 * c];
    for (size_t c = 0; o && o->histograms && c < q->channels && status == NNCF_OK; c++)
        status = nncf__histogram_reduce(context, ranks, &o->histograms[c]);
    return status;
}

static void join_extremes(float *seen, const float *from, size_t channels)
{
    for (size_t c = 0; c < channels; c++) {
        seen[2 * c] = fminf(seen[2 * c], from[2 * c]);
        seen[2 * c + 1] = fmaxf(seen[2 * c + 1], from[2 * c + 1]);
    }
}

void nncf__quantizer_join(nncf__quantizer *q, nncf__quantizer *from)
{
    join_extremes(extremes(q), extremes(from), q->channels);
    for (size_t c = 0; q->observer && q->observer->histograms && c < q->channels; c++)
        nncf__histogram_join(&q->observer->histograms[c], &from->observer->histograms[c]);
    q->observed_count += from->observed_count;
}
