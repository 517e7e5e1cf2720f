/* SPDX-License-Identifier: Apache-2.0 */
/* A convolution as a block calls it: reserve what its plan says, then run. */
#ifndef NNCF_TESTS_CONV_RUN_H
#define NNCF_TESTS_CONV_RUN_H

#include "base/pool.h"
#include "conv/conv2d.h"
#include "kernels/qtensor.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <stddef.h>

static inline nncf_status conv_forward(nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w, const float *bias, float *z)
{
    nncf_status status =
        nncf__scratch_reserve(context, nncf__conv2d_forward_scratch(context, s, x, w));
    if (status == NNCF_OK)
        nncf__conv2d_forward(context, s, x, w, bias, z);
    return status;
}

static inline nncf_status conv_backward_input(nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *w, const float *dz, float *dx)
{
    nncf_status status =
        nncf__scratch_reserve(context, nncf__conv2d_backward_input_scratch(context, s));
    if (status == NNCF_OK)
        nncf__conv2d_backward_input(context, s, w, dz, dx);
    return status;
}

static inline nncf_status conv_backward_weight(nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const float *dz, float *dw)
{
    nncf_status status =
        nncf__scratch_reserve(context, nncf__conv2d_backward_weight_scratch(context, s, x));
    if (status == NNCF_OK)
        nncf__conv2d_backward_weight(context, s, x, dz, dw);
    return status;
}

static inline nncf_status conv_forward_channels(nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w, const float *bias, float *z,
    const nncf__channel_hooks *after)
{
    nncf_status status = nncf__scratch_reserve(
        context, nncf__conv2d_forward_channels_scratch(context, s, x, w, after));
    if (status == NNCF_OK)
        nncf__conv2d_forward_channels(context, s, x, w, bias, z, after);
    return status;
}

static inline nncf_status conv_backward_channels(nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w, const nncf__channel_hooks *before, float *dx,
    float *dw)
{
    nncf_status status = nncf__scratch_reserve(context,
        nncf__conv2d_backward_channels_scratch(context, s, x, w, before, dx != NULL, dw != NULL));
    if (status == NNCF_OK)
        nncf__conv2d_backward_channels(context, s, x, w, before, dx, dw);
    return status;
}

#endif
