/* SPDX-License-Identifier: Apache-2.0 */
/* Products over pixels: forward and input gradient of convolutions. */
#ifndef NNCF__GEMM_PIXEL_PRODUCT_H
#define NNCF__GEMM_PIXEL_PRODUCT_H

#include "gemm/pack.h"

#include <nncf/context.h>

#include <stddef.h>

/* Bytes of scratch that each worker needs; SIZE_MAX: too many. They depend on the shape, on what of
 * the operands is codes, has scales and has zero points, and on the context; not on data and
 * values. */
size_t nncf__pixel_product_scratch(const nncf_context *context, const nncf__pixel_product *p);
void nncf__pixel_product_run(nncf_context *context, const nncf__pixel_product *p);

#endif
