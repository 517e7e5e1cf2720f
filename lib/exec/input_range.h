/* SPDX-License-Identifier: Apache-2.0 */
/* The gradient of the range of a product's own input, where that of the input is not wanted. */
#ifndef NNCF__EXEC_INPUT_RANGE_H
#define NNCF__EXEC_INPUT_RANGE_H

#include "exec/call.h"
#include "graph/block.h"
#include "kernels/qtensor.h"

#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>

/* Whether it is made without dx, for a block that is prepared otherwise. */
bool nncf__input_range_fits(const nncf__block *block);
/* Of each worker, as nncf__conv2d_..._scratch(). */
size_t nncf__input_range_scratch(const nncf_context *context, const nncf__block *block);
/* Adds to the quantizer's gradient; w is what forward multiplied with, and the call's dy is dz. The
 * model's buffers work, as large as x, and dw are overwritten. */
void nncf__input_range_backward(const nncf__call *call, const nncf__qtensor *w);

#endif
