/* SPDX-License-Identifier: Apache-2.0 */
/* Products of 8-bit codes whose pixels are rows of neighbours: forward of linear layers. */
#ifndef NNCF__GEMM_INT8_ROWS_H
#define NNCF__GEMM_INT8_ROWS_H

#include "gemm/pack.h"

#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>

/* Whether the channels of a pixel are neighbours, at the source and at the destination. */
bool nncf__int8_rows_fit(const nncf__pixel_product *p);
/* For int8_product.c, of products that it fits. The same bits as there. */
size_t nncf__int8_rows_scratch(const nncf_context *context, const nncf__pixel_product *p);
void nncf__int8_rows_run(nncf_context *context, const nncf__pixel_product *p);

#endif
