/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers a channel that a layer keeps from forward to backward, in layer->channel. */
#ifndef NNCF__EXEC_CHANNELS_H
#define NNCF__EXEC_CHANNELS_H

#include "graph/model.h"

#include <stddef.h>

typedef struct nncf__channels {
    /* [c][5], as epilogue_backward; forward uses [c][0] for clipped counts */
    double *sums;
    /* [c] each: a = z * scale + shift; zhat = (z - mean) * inv_std */
    float *scale, *shift, *mean, *inv_std;
} nncf__channels;

static inline size_t nncf__channels_bytes(size_t channels)
{
    return channels * (5 * sizeof(double) + 4 * sizeof(float));
}

static inline nncf__channels nncf__channels_of(const nncf_layer *layer)
{
    const size_t c = (size_t)layer->out_channels;
    nncf__channels s = {.sums = layer->channel.data};
    s.scale = (float *)(s.sums + 5 * c);
    s.shift = s.scale + c;
    s.mean = s.shift + c;
    s.inv_std = s.mean + c;
    return s;
}

#endif
