/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions and linear layers. */
#ifndef NNCF__EXEC_PRODUCT_H
#define NNCF__EXEC_PRODUCT_H

#include "conv/conv2d.h"
#include "exec/codes.h"
#include "kernels/operand.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What running a layer takes, in bytes: blocks of its own, and the most that it wants of what all
 * layers share. */
typedef struct nncf__needs {
    bool train;
    size_t z, xq, wq, channels;
    size_t work, dw;
    /* of each worker; SIZE_MAX: too much */
    size_t scratch;
} nncf__needs;
/* For a convolution or linear layer whose quantizers are initialized, and whose input is codes
 * where it may be. */
void nncf__product_needs(
    const nncf_layer *layer, const int64_t in[4], const int64_t out[4], nncf__needs *needs);

/* Does backward of a product need what forward left in the layer, besides the compressed weight? */
bool nncf__product_keeps(const nncf_layer *layer);
/* Does backward look at the elements of x? */
bool nncf__layer_reads_x(const nncf_layer *layer);
/* The convolution that a product is, of inputs and outputs of these shapes. */
nncf__conv2d nncf__product_shape(
    const nncf_layer *layer, const int64_t in[4], const int64_t out[4]);
nncf_status nncf__product_forward(nncf_layer *layer, const nncf__operand *x, const int64_t in[4],
    const int64_t out[4], const nncf__output *y);
nncf_status nncf__product_backward(nncf_layer *layer, const nncf__operand *x, const int64_t in[4],
    const int64_t out[4], float *dy, float *dx);

#endif
