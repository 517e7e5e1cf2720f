/* SPDX-License-Identifier: Apache-2.0 */
/* Weight gradients: dot products of rows of pixels. */
#ifndef NNCF__GEMM_WEIGHT_GRADIENT_H
#define NNCF__GEMM_WEIGHT_GRADIENT_H

#include "gemm/pack.h"

#include <nncf/context.h>

#include <stddef.h>

typedef struct nncf__weight_product {
    /* the same pixels; dz has one tap */
    nncf__pixel_map x, dz;
    /* (dz channels, x channels, taps) */
    float *dst;
} nncf__weight_product;

/* Bytes of scratch that each worker needs; SIZE_MAX: too many. It depends on no pointer. */
size_t nncf__weight_product_scratch(const nncf_context *context, const nncf__weight_product *p);
void nncf__weight_product_run(nncf_context *context, const nncf__weight_product *p);

#endif
