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
#include "exec/window.h"
#include "graph/model.h"

#include <nncf/model.h>

/* -Dkernels=disabled: shapes are known, and the host runs every kind. */
#ifdef NNCF__WITHOUT_KERNELS
#define RUNS(name) .prepare = NULL
#else
#define RUNS(name)                                                                                 \
    .prepare = nncf__##name##_prepare, .forward = nncf__##name##_forward,                          \
    .backward = nncf__##name##_backward
#endif

static const nncf__kind kinds[] = {
    [NNCF__CONV2D] = {.n_inputs = 1,
        .out_ndim = 4,
        .out_shape = nncf__conv2d_out_shape,
        RUNS(product),
        .z_is_work = true},
    [NNCF__CONV_TRANSPOSE2D] = {.n_inputs = 1,
        .out_ndim = 4,
        .out_shape = nncf__transposed_out_shape,
        RUNS(product),
        .z_is_work = true},
    [NNCF__LINEAR] = {.n_inputs = 1,
        .out_ndim = 2,
        .out_shape = nncf__linear_out_shape,
        .shapes = nncf__linear_shapes,
        RUNS(product),
        .z_is_work = true},
    [NNCF__ADD] = {.n_inputs = 2,
        .shapes = nncf__elementwise_shapes,
        .same_gradients = true,
        RUNS(add)},
    [NNCF__ACTIVATION] = {.n_inputs = 1, .shapes = nncf__elementwise_shapes, RUNS(activation)},
    [NNCF__CONCAT] = {.n_inputs = NNCF__ANY_INPUTS, .shapes = nncf__concat_shapes, RUNS(concat)},
    [NNCF__MULTIPLY] = {.n_inputs = 2, .shapes = nncf__multiply_shapes, RUNS(multiply)},
    [NNCF__SOFTMAX] = {.n_inputs = 1, .shapes = nncf__rows_shapes, RUNS(softmax)},
    [NNCF__UPSAMPLE] = {.n_inputs = 1,
        .out_ndim = 4,
        .out_shape = nncf__upsample_out_shape,
        RUNS(upsample)},
    [NNCF__PRELU] = {.n_inputs = 1, .shapes = nncf__prelu_shapes, RUNS(prelu)},
    [NNCF__DROPOUT] = {.n_inputs = 1, .shapes = nncf__elementwise_shapes, RUNS(dropout)},
    [NNCF__GROUP_NORM] = {.n_inputs = 1, .shapes = nncf__group_norm_shapes, RUNS(group_norm)},
    [NNCF__HEADS] = {.n_inputs = 1, .shapes = nncf__heads_shapes, RUNS(heads)},
    [NNCF__LAYER_NORM] = {.n_inputs = 1, .shapes = nncf__rows_shapes, RUNS(layer_norm)},
    [NNCF__EMBEDDING] = {.n_inputs = 1,
        .shapes = nncf__embedding_shapes,
        .reads_ids = true,
        RUNS(embedding)},
    [NNCF__MATMUL] = {.n_inputs = 2, .shapes = nncf__matmul_shapes, RUNS(matmul)},
    [NNCF__POOL2D] = {.n_inputs = 1, .out_ndim = 4, .out_shape = nncf__pool_out_shape, RUNS(pool)},
    /* the host runs it, with the parts of byo.c */
    [NNCF__OPERATOR] = {.n_inputs = 1, .out_ndim = 4},
};

const nncf__kind *nncf__kind_of(const nncf_layer *layer)
{
    return &kinds[layer->kind];
}
