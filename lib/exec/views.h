/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes of the kinds that read more than planes: tensors of any number of dimensions as (n, c, h,
 * w), and the shape of the output. What kind.h wants of `shapes`. */
#ifndef NNCF__EXEC_VIEWS_H
#define NNCF__EXEC_VIEWS_H

#include "graph/block.h"

#include <nncf/base.h>
#include <nncf/model.h>

/* (d0, d1, the rest): activations, sums, dropout; all inputs of one shape, which is the output's */
nncf_status nncf__elementwise_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err);
/* (all but the last, the last): softmax, layer norm */
nncf_status nncf__prelu_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err);
nncf_status nncf__group_norm_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err);
nncf_status nncf__rows_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err);
/* The same with out_channels for the last; or (n, c, h, w) flattened where that fits */
nncf_status nncf__linear_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err);
/* (d0, d1, the rest), in which d1 differs and is added up */
nncf_status nncf__concat_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err);
/* As elementwise, but the second may have one value a channel */
nncf_status nncf__multiply_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err);
/* (count): token ids; the output has their size as one more dimension */
nncf_status nncf__embedding_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err);
/* (..., m, k) and (..., k, n), each possibly transposed */
nncf_status nncf__matmul_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err);
/* (images, T, heads, D) and (images, heads, T, D) */
nncf_status nncf__heads_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err);

#endif
