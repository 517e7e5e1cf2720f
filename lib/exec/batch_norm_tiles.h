/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A product of codes with batch norm, activation and quantizer whose z is not stored: it is made
 * again, tile by tile, for each pass over it. Forward in train mode makes it for the statistics,
 * which are exact sums, and for the output; backward for the sums of the gradient, and for dz. The
 * bits are those of nncf__batch_norm_forward() and nncf__batch_norm_backward() with a z that is
 * stored.
 */
#ifndef NNCF__EXEC_BATCH_NORM_TILES_H
#define NNCF__EXEC_BATCH_NORM_TILES_H

#include "exec/call.h"
#include "graph/block.h"
#include "kernels/qtensor.h"

#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>

/* Whether it can be done for the block's product; its scratch, for either pass; what backward needs
 * of model->work. */
bool nncf__batch_norm_tiles_fit(const nncf_context *context, const nncf__block *block);
size_t nncf__batch_norm_tiles_scratch(const nncf_context *context, const nncf__block *block);
size_t nncf__batch_norm_tiles_work(const nncf__block *block);

/* x and w: what the product reads. The call's y from them. */
void nncf__batch_norm_tiles_forward(
    const nncf__call *call, const nncf__qtensor *x, const nncf__qtensor *w);
/* dz in place of the call's dy; the sums stay for nncf__batch_norm_add_gradients(). */
void nncf__batch_norm_tiles_backward(
    const nncf__call *call, const nncf__qtensor *x, const nncf__qtensor *w);

#endif
