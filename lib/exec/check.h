/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors against what a layer takes; err (nullable) says the tensor, what it is, what is wanted.
 */
#ifndef NNCF__EXEC_CHECK_H
#define NNCF__EXEC_CHECK_H

#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stddef.h>
#include <stdint.h>

/* A tensor and what the call names it. */
typedef struct nncf__named {
    const char *name;
    const nncf_tensor *tensor;
} nncf__named;

/* Every rule of nncf_tensor but for the shape's meaning. Elements are floats, or of the type
 * `codes`. *count (nullable): elements. */
nncf_status nncf__layer_check_tensor(
    const nncf__named *x, int32_t codes, size_t *count, nncf_error *err);
/* The same shape as another tensor. */
nncf_status nncf__layer_check_same(const nncf__named *x, const nncf__named *like, nncf_error *err);
/* A valid tensor of that shape; (n, c) stands for (n, c, 1, 1). */
nncf_status nncf__layer_check_as(
    const nncf__named *x, int32_t codes, const int64_t shape[4], nncf_error *err);
/* May this quantizer (or none) work on a tensor of so many channels? Its arrays have as many
 * elements as it has. */
nncf_status nncf__layer_check_channels(
    const nncf__quantizer *quantizer, const char *tensor, int64_t channels, nncf_error *err);
/* Shape of the input as (n, c, h, w): (n, c) counts as (n, c, 1, 1), and a linear layer flattens.
 */
nncf_status nncf__layer_input_shape(
    const nncf_layer *layer, const nncf__named *x, int64_t shape[4], nncf_error *err);
/* The shapes of a sum's two inputs are the same. */
nncf_status nncf__layer_check_second(
    const nncf_layer *layer, const nncf_tensor x[2], nncf_error *err);
/* Shapes of input and output, with the channels of every activation quantizer. */
nncf_status nncf__layer_shapes(
    const nncf_layer *layer, const nncf__named *x, int64_t in[4], int64_t out[4], nncf_error *err);

#endif
