/* SPDX-License-Identifier: Apache-2.0 */
/* Weight gradients: dot products of rows of pixels, or panels of channels. */
#ifndef NNCF__GEMM_WEIGHT_GRADIENT_H
#define NNCF__GEMM_WEIGHT_GRADIENT_H

#include "base/int_math.h"
#include "gemm/pack.h"

#include <nncf/context.h>

#include <stddef.h>
#include <stdint.h>

typedef struct nncf__weight_product {
    /* the same pixels; dz has one tap */
    nncf__pixel_map x, dz;
    /* (dz channels, x channels, taps) */
    float *dst;
    /* Edges of blocks, dz channels times x channels at one tap, and of which of them the gradient
     * is wanted, the others' being 0: those of a block's taps side by side, kept_row to the next dz
     * channels, kept_column to the next x channels. kept NULL: of all. Sums that are wanted have
     * the bits that they have with all, as long as `block` is the same. */
    int64_t block, kept_row, kept_column;
    const uint8_t *kept;
} nncf__weight_product;

/* Of all chunks' sums, unless one needs more; of what is packed for all. */
enum { NNCF__WEIGHT_SUM_BYTES = 8 << 20 };

/* Into how many parts, at most, the pixels are cut that are summed apart: of `sums` bytes each. */
static inline int64_t nncf__weight_chunks(int64_t sums)
{
    enum { MOST = 16 };
    return min_i(MOST, max_i(1, NNCF__WEIGHT_SUM_BYTES / sums));
}

/* Bytes of scratch that each worker needs; SIZE_MAX: too many. It depends on no pointer. */
size_t nncf__weight_product_scratch(const nncf_context *context, const nncf__weight_product *p);
void nncf__weight_product_run(nncf_context *context, const nncf__weight_product *p);

#endif
