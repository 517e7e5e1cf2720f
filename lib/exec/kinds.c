/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the kinds of layers. */
#include "exec/activation.h"
#include "exec/add.h"
#include "exec/concat.h"
#include "exec/dropout.h"
#include "exec/embedding.h"
#include "exec/group_norm.h"
#include "exec/heads.h"
#include "exec/kind.h"
#include "exec/matmul.h"
#include "exec/multiply.h"
#include "exec/normalize.h"
#include "exec/pool2d.h"
#include "exec/prelu.h"
#include "exec/product.h"
#include "exec/softmax.h"
#include "exec/transposed.h"
#include "exec/upsample.h"
#include "exec/views.h"
#include "graph/model.h"

#include <nncf/model.h>

static const nncf__kind kinds[] = {
    [NNCF__CONV2D] = {.n_inputs = 1,
        .out_ndim = 4,
        .out_shape = nncf__conv2d_out_shape,
        .prepare = nncf__product_prepare,
        .forward = nncf__product_forward,
        .backward = nncf__product_backward,
        .z_is_work = true},
    [NNCF__CONV_TRANSPOSE2D] = {.n_inputs = 1,
        .out_ndim = 4,
        .out_shape = nncf__transposed_out_shape,
        .prepare = nncf__product_prepare,
        .forward = nncf__product_forward,
        .backward = nncf__product_backward,
        .z_is_work = true},
    [NNCF__LINEAR] = {.n_inputs = 1,
        .out_ndim = 2,
        .out_shape = nncf__linear_out_shape,
        .shapes = nncf__linear_shapes,
        .prepare = nncf__product_prepare,
        .forward = nncf__product_forward,
        .backward = nncf__product_backward,
        .z_is_work = true},
    [NNCF__ADD] = {.n_inputs = 2,
        .shapes = nncf__elementwise_shapes,
        .same_gradients = true,
        .prepare = nncf__add_prepare,
        .forward = nncf__add_forward,
        .backward = nncf__add_backward},
    [NNCF__ACTIVATION] = {.n_inputs = 1,
        .shapes = nncf__elementwise_shapes,
        .prepare = nncf__activation_prepare,
        .forward = nncf__activation_forward,
        .backward = nncf__activation_backward},
    [NNCF__CONCAT] = {.n_inputs = NNCF__ANY_INPUTS,
        .shapes = nncf__concat_shapes,
        .prepare = nncf__concat_prepare,
        .forward = nncf__concat_forward,
        .backward = nncf__concat_backward},
    [NNCF__MULTIPLY] = {.n_inputs = 2,
        .shapes = nncf__multiply_shapes,
        .prepare = nncf__multiply_prepare,
        .forward = nncf__multiply_forward,
        .backward = nncf__multiply_backward},
    [NNCF__SOFTMAX] = {.n_inputs = 1,
        .shapes = nncf__rows_shapes,
        .prepare = nncf__softmax_prepare,
        .forward = nncf__softmax_forward,
        .backward = nncf__softmax_backward},
    [NNCF__UPSAMPLE] = {.n_inputs = 1,
        .out_ndim = 4,
        .out_shape = nncf__upsample_out_shape,
        .prepare = nncf__upsample_prepare,
        .forward = nncf__upsample_forward,
        .backward = nncf__upsample_backward},
    [NNCF__PRELU] = {.n_inputs = 1,
        .shapes = nncf__prelu_shapes,
        .prepare = nncf__prelu_prepare,
        .forward = nncf__prelu_forward,
        .backward = nncf__prelu_backward},
    [NNCF__DROPOUT] = {.n_inputs = 1,
        .shapes = nncf__elementwise_shapes,
        .prepare = nncf__dropout_prepare,
        .forward = nncf__dropout_forward,
        .backward = nncf__dropout_backward},
    [NNCF__GROUP_NORM] = {.n_inputs = 1,
        .shapes = nncf__group_norm_shapes,
        .prepare = nncf__group_norm_prepare,
        .forward = nncf__group_norm_forward,
        .backward = nncf__group_norm_backward},
    [NNCF__HEADS] = {.n_inputs = 1,
        .shapes = nncf__heads_shapes,
        .prepare = nncf__heads_prepare,
        .forward = nncf__heads_forward,
        .backward = nncf__heads_backward},
    [NNCF__LAYER_NORM] = {.n_inputs = 1,
        .shapes = nncf__rows_shapes,
        .prepare = nncf__layer_norm_prepare,
        .forward = nncf__layer_norm_forward,
        .backward = nncf__layer_norm_backward},
    [NNCF__EMBEDDING] = {.n_inputs = 1,
        .shapes = nncf__embedding_shapes,
        .reads_ids = true,
        .prepare = nncf__embedding_prepare,
        .forward = nncf__embedding_forward,
        .backward = nncf__embedding_backward},
    [NNCF__MATMUL] = {.n_inputs = 2,
        .shapes = nncf__matmul_shapes,
        .prepare = nncf__matmul_prepare,
        .forward = nncf__matmul_forward,
        .backward = nncf__matmul_backward},
    [NNCF__POOL2D] = {.n_inputs = 1,
        .out_ndim = 4,
        .out_shape = nncf__pool_out_shape,
        .prepare = nncf__pool_prepare,
        .forward = nncf__pool_forward,
        .backward = nncf__pool_backward},
    /* the host runs it, with the parts of byo.c */
    [NNCF__OPERATOR] = {.n_inputs = 1, .out_ndim = 4},
};

const nncf__kind *nncf__kind_of(const nncf_layer *layer)
{
    return &kinds[layer->kind];
}
