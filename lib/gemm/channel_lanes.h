/* SPDX-License-Identifier: Apache-2.0 */
/* Pixel products with output channels in the lanes of vectors: of few pixels. */
#ifndef NNCF__GEMM_CHANNEL_LANES_H
#define NNCF__GEMM_CHANNEL_LANES_H

#include "gemm/pack.h"

#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>

/* Is it made so, and faster? An answer changes no bits. */
bool nncf__channel_lanes_fit(const nncf_context *context, const nncf__pixel_product *p);
/* Bytes of scratch that nncf__channel_lanes_run needs. */
size_t nncf__channel_lanes_scratch(const nncf_context *context, const nncf__pixel_product *p);
/* p->dst = the product. */
void nncf__channel_lanes_run(nncf_context *context, const nncf__pixel_product *p);

#endif
