/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors against what a layer takes; err (nullable) says the tensor, what it is, what is wanted.
 */
#ifndef NNCF__EXEC_CHECK_H
#define NNCF__EXEC_CHECK_H

#include "graph/block.h"
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
/* The shapes of a call of these inputs, with the channels of every activation quantizer checked. */
nncf_status nncf__layer_shapes(const nncf_layer *layer, const nncf_tensor *x, size_t n_x,
    nncf__shapes *shapes, nncf_error *err);
/* What messages call input i of n: "x", or "x[i]". */
const char *nncf__input_name(size_t i, size_t n);
/* A valid tensor of that shape, which is `view` as (n, c, h, w). */
nncf_status nncf__layer_check_shape(const nncf__named *x, int32_t codes, const nncf__shape *shape,
    const int64_t view[4], nncf_error *err);
/* "(2,3,8,8)" */
enum { NNCF__SHAPE_TEXT = NNCF_MAX_NDIM * 21 + 4 };
const char *nncf__shape_text(const int64_t *shape, int32_t ndim, char text[NNCF__SHAPE_TEXT]);

#endif
