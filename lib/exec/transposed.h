/* SPDX-License-Identifier: Apache-2.0 */
/* Transposed convolutions: the parts in which product.c takes them otherwise. */
#ifndef NNCF__EXEC_TRANSPOSED_H
#define NNCF__EXEC_TRANSPOSED_H

#include "exec/call.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/qtensor.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* block->conv, the convolution whose gradients they are; and what is read, floats always. */
void nncf__transposed_prepare(const nncf_layer *layer, nncf__block *block);
/* Of each worker, as nncf__conv2d_..._scratch(). */
size_t nncf__transposed_forward_scratch(const nncf_context *context, const nncf__block *block);
size_t nncf__transposed_backward_scratch(
    const nncf_context *context, const nncf__block *block, bool dx, bool dw);
/* An input that is codes becomes floats, in layer->now.xq. */
void nncf__transposed_widen(const nncf__call *call);
/* z = product of x and w + bias */
void nncf__transposed_forward(
    const nncf__call *call, const nncf__qtensor *x, const nncf__qtensor *w, float *z);
/* dx and dw (NULL: not wanted) from the call's dy, which is dz here. */
void nncf__transposed_backward(
    const nncf__call *call, const nncf__qtensor *x, const nncf__qtensor *w, float *dx, float *dw);

#endif
