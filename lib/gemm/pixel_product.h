/* SPDX-License-Identifier: Apache-2.0 */
/* Products over pixels: forward and input gradient of convolutions. */
#ifndef NNCF__GEMM_PIXEL_PRODUCT_H
#define NNCF__GEMM_PIXEL_PRODUCT_H

#include "gemm/pack.h"

#include <nncf/context.h>

#include <stddef.h>
#include <stdint.h>

typedef struct nncf__pixel_product {
    nncf__pixel_map map;
    nncf__weights weights;
    /* nullable, n_out */
    const float *bias;
    float *dst;
    /* stride of output channels */
    int64_t dst_plane;
} nncf__pixel_product;

/* Bytes of scratch that each worker needs; SIZE_MAX: too many. It does not depend on pointers,
 * strides of the source and values. */
size_t nncf__pixel_product_scratch(const nncf_context *context, const nncf__pixel_product *p);
void nncf__pixel_product_run(nncf_context *context, const nncf__pixel_product *p);

#endif
