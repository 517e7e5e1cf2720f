/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the kinds of layers. */
#include "exec/add.h"
#include "exec/kind.h"
#include "exec/pool2d.h"
#include "exec/product.h"
#include "graph/model.h"

#include <nncf/model.h>

static const nncf__kind kinds[] = {
    [NNCF__CONV2D] = {.name = "conv2d",
        .n_inputs = 1,
        .out_ndim = 4,
        .out_shape = nncf__conv2d_out_shape,
        .prepare = nncf__product_prepare,
        .forward = nncf__product_forward,
        .backward = nncf__product_backward},
    [NNCF__LINEAR] = {.name = "linear",
        .n_inputs = 1,
        .out_ndim = 2,
        .flattens = true,
        .out_shape = nncf__linear_out_shape,
        .prepare = nncf__product_prepare,
        .forward = nncf__product_forward,
        .backward = nncf__product_backward},
    [NNCF__ADD] = {.name = "add",
        .n_inputs = 2,
        .prepare = nncf__add_prepare,
        .forward = nncf__add_forward,
        .backward = nncf__add_backward},
    [NNCF__POOL2D] = {.name = "pool2d",
        .n_inputs = 1,
        .out_ndim = 4,
        .out_shape = nncf__pool_out_shape,
        .passes_codes = nncf__pool_passes_codes,
        .prepare = nncf__pool_prepare,
        .forward = nncf__pool_forward,
        .backward = nncf__pool_backward},
    /* the host runs it, with the parts of byo.c */
    [NNCF__OPERATOR] = {.name = "other", .n_inputs = 1, .out_ndim = 4},
};

const nncf__kind *nncf__kind_of(const nncf_layer *layer)
{
    return &kinds[layer->kind];
}
