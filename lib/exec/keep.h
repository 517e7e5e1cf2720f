/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kinds without weights compute floats, z, that an output quantizer may follow: where z goes, and
 * what follows it. With a quantizer z is kept for backward, or where y takes no floats.
 */
#ifndef NNCF__EXEC_KEEP_H
#define NNCF__EXEC_KEEP_H

#include "exec/call.h"
#include "exec/quantize.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"

#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* After the needs of the kind's own passes are filled in. */
static inline void nncf__keep_prepare(nncf__block *b)
{
    const bool has_output = b->quantizers[NNCF__OF_OUTPUT];
    b->keeps_z = has_output && (b->keeps || b->key.y_dtype != NNCF_F32);
    b->keeps_state = b->keeps_state || has_output;
    b->forward.z = b->keeps_z ? nncf__planes_count(&b->out_planes) * sizeof(float) : 0;
}

static inline float *nncf__keep_z(const nncf__call *call)
{
    return call->block->keeps_z ? call->layer->now.z.data : call->y.data;
}

/* y from z. */
static inline void nncf__keep_forward(const nncf__call *call, const float *z)
{
    nncf__epilogue_forward(call, z);
}

/* dy becomes the gradient of z. */
static inline void nncf__keep_backward(const nncf__call *call)
{
    if (call->block->quantizers[NNCF__OF_OUTPUT])
        nncf__epilogue_backward(call, call->layer->now.z.data, call->dy, call->dy, false);
}

/* Copy count floats from offset of x, or what its codes stand for. */
static inline void nncf__copy_floats(
    const nncf__kernels *k, const nncf__qtensor *x, size_t offset, size_t count, float *to)
{
    const float *from = nncf__floats_of(k, x, offset, count, to);
    if (from != to)
        memcpy(to, from, count * sizeof *to);
}

/* y = x * factor; y may be x */
static inline void nncf__scale_floats(
    const nncf__kernels *k, size_t n, const float *x, float factor, float *y)
{
    const nncf__epilogue e = nncf__line(factor, 0, NULL);
    k->epilogue_forward(n, x, y, &e);
}

/* Bytes of scratch for `count` floats of input i, where it is codes. */
static inline size_t nncf__code_floats(const nncf__block *b, size_t i, size_t count)
{
    return b->x[i].dtype == NNCF_F32 ? 0 : count * sizeof(float);
}

#endif
