/* SPDX-License-Identifier: Apache-2.0 */
/* Products over pixels: forward and input gradient of convolutions. */
#ifndef NNCF__GEMM_PIXEL_PRODUCT_H
#define NNCF__GEMM_PIXEL_PRODUCT_H

#include "gemm/pack.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <stdint.h>

typedef struct nncf__pixel_product {
    nncf__pixel_map grid;
    nncf__weights weights;
    /* 0: floats; else codes, which a grid of bytes gives by itself */
    float step_x;
    /* nullable, n_s */
    const float *bias;
    float *dst;
    /* stride of output channels */
    int64_t dst_plane;
} nncf__pixel_product;

nncf_status nncf__pixel_product_run(nncf_context *context, const nncf__pixel_product *p);
/* Only the scratch: then the run cannot fail. For calls of several products, none of which may be
 * done alone. */
nncf_status nncf__pixel_product_reserve(nncf_context *context, const nncf__pixel_product *p);

#endif
