/* SPDX-License-Identifier: Apache-2.0 */
/* Weight gradients: dot products of rows of pixels. */
#ifndef NNCF__GEMM_WEIGHT_GRADIENT_H
#define NNCF__GEMM_WEIGHT_GRADIENT_H

#include "gemm/pack.h"

#include <nncf/base.h>
#include <nncf/context.h>

typedef struct nncf__weight_product {
    /* the same pixels; dz has one tap */
    nncf__pixel_map x, dz;
    /* (dz channels, x channels, taps) */
    float *dst;
} nncf__weight_product;

nncf_status nncf__weight_product_run(nncf_context *context, const nncf__weight_product *p);

#endif
