/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over a tensor on all threads, with sums whose order does not depend on them. */
#ifndef NNCF__EXEC_MAP_REDUCE_H
#define NNCF__EXEC_MAP_REDUCE_H

#include "exec/call.h"
#include "graph/block.h"
#include "kernels/kernels.h"
#include "quantization/quantizer.h"

#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NNCF__MAP_REDUCE_SUMS = 6 };

typedef struct nncf__map_reduce nncf__map_reduce;
/* Work on `count` elements from `offset`, add to sums. Called from any thread; `scratch` is this
 * worker's scratch. */
typedef void nncf__segment_fn(const nncf__map_reduce *pass, size_t channel, size_t offset,
    size_t count, float *scratch, double *sums);
struct nncf__map_reduce {
    nncf__planes planes;
    /* segments lie within one plane, and sums are delivered for each channel */
    bool by_channel;
    /* sums[0] is a minimum and sums[1] a maximum */
    bool extremes;
    nncf__segment_fn *segment;
    /* Nullable. Called in the caller's thread, channel 0, 1, ... (or once with channel 0). */
    void (*on_result)(const nncf__map_reduce *pass, size_t channel, const double *sums);
    /* What segment and on_result work with; map_reduce.c does not look at it. */
    const nncf__kernels *k;
    nncf__quantizer *quantizer;
    const nncf__call *call;
    const float *in[2];
    float *out[2];
    /* the output as codes, then out[0] is not looked at */
    uint8_t *codes;
    const float *grad;
};
/* Elements of the largest segment. */
size_t nncf__map_reduce_length(const nncf__planes *planes, bool by_channel);
/* Allocates nothing and cannot fail. */
void nncf__map_reduce_run(nncf_context *context, nncf__map_reduce *pass);
/* sums[c] = sum of channel c, in double, overwritten. */
void nncf__channel_sums(
    nncf_context *context, const nncf__planes *planes, const float *x, double *sums);

#endif
