/* SPDX-License-Identifier: Apache-2.0 */
/* Products of 8-bit codes on integer instructions: forward of convolutions and linear layers. */
#ifndef NNCF__GEMM_INT8_PRODUCT_H
#define NNCF__GEMM_INT8_PRODUCT_H

#include "gemm/pack.h"

#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether a product is run here: both operands are 8-bit codes, those of the weights signed and
 * without zero points; the context has integer kernels; and for this shape they are faster than
 * those of floats. The sums are the same bits either way: exact, rounded once to float, then scale,
 * then bias.
 */
bool nncf__int8_product_fits(const nncf_context *context, const nncf__pixel_product *p);
/* As nncf__pixel_product_scratch() and nncf__pixel_product_run(), which call these. */
size_t nncf__int8_product_scratch(const nncf_context *context, const nncf__pixel_product *p);
void nncf__int8_product_run(nncf_context *context, const nncf__pixel_product *p);

#endif
