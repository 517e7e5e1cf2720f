/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions and linear layers. */
#ifndef NNCF__EXEC_PRODUCT_H
#define NNCF__EXEC_PRODUCT_H

#include "conv/conv2d.h"
#include "exec/call.h"
#include "graph/block.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <stdint.h>

/* The convolution that a product is, of inputs and outputs of these shapes. */
nncf__conv2d nncf__product_shape(
    const nncf_layer *layer, const int64_t in[4], const int64_t out[4]);

void nncf__product_prepare(const nncf_layer *layer, nncf__block *block);
void nncf__product_forward(const nncf__call *call);
void nncf__product_backward(const nncf__call *call);

#endif
