/* SPDX-License-Identifier: Apache-2.0 */
/* An activation and its output quantizer, in one pass. Keeps nothing: backward reads x again.
 * Inputs that are codes become floats in a worker's scratch, a segment at a time. */
#include "exec/activation.h"

#include "exec/activate.h"
#include "exec/call.h"
#include "exec/map_reduce.h"
#include "exec/quantize.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "quantization/quantizer.h"

#include <nncf/context.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stddef.h>
#include <stdint.h>

void nncf__activation_prepare(const nncf_layer *layer, nncf__block *b)
{
    const nncf__needs needs = {.scratch = b->x[0].dtype == NNCF_F32
            ? 0
            : nncf__map_reduce_length(&b->in_planes, b->fq_by_channel) * sizeof(float)};
    (void)layer;
    b->forward = b->backward[1] = needs;
    b->reads_x = true;
    if (b->quantizers[NNCF__OF_OUTPUT]) /* without dx: only for the range's gradient */
        b->backward[0] = needs;
}

static void forward_segment(const nncf__map_reduce *pass, size_t channel, size_t offset,
    size_t count, float *scratch, double *sums)
{
    const nncf__block *b = pass->call->block;
    const nncf__epilogue e = nncf__block_epilogue(b, channel);
    const float *x = nncf__floats_of(pass->k, &pass->call->x[0], offset, count, scratch);
    if (pass->codes)
        sums[5] += (double)nncf__activate_codes(b, pass->k, count, x, pass->codes + offset, &e,
            (float)nncf__quantizer_zero(pass->quantizer));
    else
        sums[5] += (double)nncf__activate_forward(b, pass->k, count, x, pass->out[0] + offset, &e);
}

void nncf__activation_forward(const nncf__call *call)
{
    nncf__output_forward(call, NULL, forward_segment);
}

static void backward_segment(const nncf__map_reduce *pass, size_t channel, size_t offset,
    size_t count, float *scratch, double *sums)
{
    const nncf__block *b = pass->call->block;
    const nncf__epilogue e = nncf__block_epilogue(b, channel);
    const float *x = nncf__floats_of(pass->k, &pass->call->x[0], offset, count, scratch);
    nncf__activate_backward(
        b, pass->k, count, x, pass->grad + offset, pass->out[0] + offset, &e, sums);
}

void nncf__activation_backward(const nncf__call *call)
{
    /* the gradient of a range is wanted also when dx is not: dy serves as workspace */
    float *dx = call->dx[0] ? call->dx[0] : call->dy;
    if (call->dx[0] || call->block->quantizers[NNCF__OF_OUTPUT])
        nncf__output_backward(call, dx, NULL, backward_segment);
}
