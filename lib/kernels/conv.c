/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions and linear layers as products over a batch. */
#include "kernels/kernels.h"

nncf_status nncf__conv2d_forward(nncf_context *context, const nncf__conv2d *s, const nncf__operand *x,
                                 const nncf__operand *w, const float *bias, float *z)
{
    (void)context;
    nncf__conv2d_forward_ref(s, x, w, bias, z);
    return NNCF_OK;
}

nncf_status nncf__conv2d_backward_input(nncf_context *context, const nncf__conv2d *s, const float *w, const float *dz,
                                        float *dx)
{
    (void)context;
    nncf__conv2d_backward_input_ref(s, w, dz, dx);
    return NNCF_OK;
}

nncf_status nncf__conv2d_backward_weight(nncf_context *context, const nncf__conv2d *s, const float *x, const float *dz,
                                         float *dw)
{
    (void)context;
    nncf__conv2d_backward_weight_ref(s, x, dz, dw);
    return NNCF_OK;
}

const char *nncf__gemm_describe(const nncf_context *context)
{
    (void)context;
    return "none";
}
