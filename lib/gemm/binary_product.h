/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products of pixels that are 0 or 1, stored as bits, and weights that are the signs of floats, on
 * the binary kernels (kernels/binary.h). The sums are those of the products of codes 0, 1 and -1,
 * 1, and so are their bits after scales and bias.
 */
#ifndef NNCF__GEMM_BINARY_PRODUCT_H
#define NNCF__GEMM_BINARY_PRODUCT_H

#include "gemm/pack.h"

#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NNCF__BITS_OF_WORD = 64 };

/* Words of so many channels. */
static inline int64_t nncf__words_of(int64_t channels)
{
    return (channels + NNCF__BITS_OF_WORD - 1) / NNCF__BITS_OF_WORD;
}

typedef struct nncf__binary_product {
    /* As a product of codes, but: map.src.data are words of 64 channels, (words, src_h, src_w) in
     * each image; map.channels, src_image and src_plane count words; weights.src has scales only.
     */
    nncf__pixel_product p;
    /* (n_out, weights.channels, taps): its signs are the weights; a sign is 1 above 0. NULL: they
     * are bits already, from bit `first_sign` of signs[0] on in the same order, without gaps */
    const float *w;
    const uint64_t *signs;
    int64_t first_sign;
    /* nullable, with w only: where scales of output channels are written first, the means of their
     * |w|; then weights.src.scale is this. While a panel is in a cache they cost little. */
    float *scales;
} nncf__binary_product;

/* Has the context kernels, and is no number too large for them? Of shapes only. */
bool nncf__binary_product_fits(const nncf_context *context, const nncf__binary_product *b);
/* Bytes of scratch that each worker needs; SIZE_MAX: too many. A function of shape and context. */
size_t nncf__binary_product_scratch(const nncf_context *context, const nncf__binary_product *b);
void nncf__binary_product_run(nncf_context *context, const nncf__binary_product *b);

#endif
