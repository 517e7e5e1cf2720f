/* SPDX-License-Identifier: Apache-2.0 */
/* Products of 8-bit codes on integer instructions: forward of convolutions and linear layers. */
#ifndef NNCF__GEMM_INT8_PRODUCT_H
#define NNCF__GEMM_INT8_PRODUCT_H

#include "gemm/pixel_product.h"

#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>

/*
 * Is this the way to make the product? Both operands are bytes, the weights signed; this CPU has
 * integer kernels; and for this shape they are faster than those of floats. The sums are the same
 * bits either way: exact, rounded once to float, then scale, then bias.
 */
bool nncf__int8_product_fits(const nncf_context *context, const nncf__pixel_product *p);
/* As those of nncf__pixel_product. */
size_t nncf__int8_product_scratch(const nncf_context *context, const nncf__pixel_product *p);
void nncf__int8_product_run(nncf_context *context, const nncf__pixel_product *p);

#endif
