/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers a channel that a layer keeps from forward to backward, in layer->now.channel. */
#ifndef NNCF__EXEC_CHANNELS_H
#define NNCF__EXEC_CHANNELS_H

#include "graph/model.h"

#include <stddef.h>
#include <stdint.h>

/* What several threads add to in a forward without z. */
typedef struct nncf__channel_totals {
    /* as nncf__exact_sums */
    _Atomic int64_t sum;
    _Atomic uint64_t low, high;
    _Atomic int64_t clipped;
} nncf__channel_totals;

typedef struct nncf__channels {
    /* [c][5], as epilogue_backward; forward uses [c][0] for clipped counts */
    double *sums;
    /* [c] */
    nncf__channel_totals *totals;
    /* in the same place, [c][3]: backward of batch norm over all ranks has the sums [3] and [4] of
     * all of them there, and how many values a channel has */
    double *of_ranks;
    /* [c] each: a = z * scale + shift; zhat = (z - mean) * inv_std; gain is the scale of batch norm
     * alone, where z is sums of codes */
    float *scale, *shift, *mean, *inv_std, *gain;
} nncf__channels;

static inline size_t nncf__channels_bytes(size_t channels)
{
    return channels * (5 * sizeof(double) + sizeof(nncf__channel_totals) + 5 * sizeof(float));
}

static inline nncf__channels nncf__channels_of(const nncf_layer *layer)
{
    const size_t c = (size_t)layer->out_channels;
    nncf__channels s = {.sums = layer->now.channel.data};
    s.of_ranks = s.sums + 5 * c;
    s.totals = (nncf__channel_totals *)(void *)s.of_ranks;
    s.scale = (float *)(void *)(s.totals + c);
    s.shift = s.scale + c;
    s.mean = s.shift + c;
    s.inv_std = s.mean + c;
    s.gain = s.inv_std + c;
    return s;
}

#endif
