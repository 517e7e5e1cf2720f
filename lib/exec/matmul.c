/* SPDX-License-Identifier: Apache-2.0 */
/* Batched products of two activations, y = factor op(a) op(b), op being nothing or a transposition,
 * and their gradients. Codes become floats when they are packed. */
#include "exec/matmul.h"

#include "base/int_math.h"
#include "exec/call.h"
#include "exec/keep.h"
#include "gemm/matrix_product.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/qtensor.h"

#include <nncf/context.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the layer has for one product: stored matrices of one tensor each. */
typedef struct stored {
    nncf__qtensor data;
    int64_t rows, columns;
} stored;

static stored input(const nncf__block *b, int i, const void *data)
{
    const int64_t *shape = b->key.shapes.in[i];
    stored s = {b->x[i], shape[1], shape[2]};
    s.data.data = data;
    return s;
}

static stored output(const nncf__block *b, const float *data)
{
    return (stored){{.data = data, .dtype = NNCF_F32}, b->out[1], b->out[2]};
}

static nncf__matrix matrix(const stored *s, bool turned)
{
    return (nncf__matrix){.src = s->data, .stride = s->columns, .turned = turned};
}

/* factor op(a) op(b), each stored matrix turned or not. */
static nncf__matrix_product product(
    const nncf__call *call, const stored *a, bool turns_a, const stored *b, bool turns_b, float *to)
{
    const int64_t m = turns_a ? a->columns : a->rows, k = turns_a ? a->rows : a->columns,
                  n = turns_b ? b->rows : b->columns;
    return (nncf__matrix_product){.m = m,
        .n = n,
        .k = k,
        .a = matrix(a, turns_a),
        .b = matrix(b, turns_b),
        .factor = call->layer->factor,
        .c = to,
        .c_stride = n,
        .batch = (int64_t)call->block->out_planes.n,
        .a_step = m * k,
        .b_step = k * n,
        .c_step = m * n};
}

static nncf__matrix_product forward_product(const nncf__call *call, float *z)
{
    const stored a = input(call->block, 0, call->x[0].data),
                 b = input(call->block, 1, call->x[1].data);
    return product(
        call, &a, call->layer->transposes[0] != 0, &b, call->layer->transposes[1] != 0, z);
}

/* Of op(a) it is dy op(b)^T, of op(b) op(a)^T dy; a factor that is stored transposed has the
 * transposed of that. */
static nncf__matrix_product gradient(const nncf__call *call, int i)
{
    const bool turned[2] = {call->layer->transposes[0] != 0, call->layer->transposes[1] != 0};
    const stored a = input(call->block, 0, call->x[0].data),
                 b = input(call->block, 1, call->x[1].data), dy = output(call->block, call->dy);
    float *to = call->dx[i];
    if (i == 0)
        return turned[0] ? product(call, &b, turned[1], &dy, true, to)
                         : product(call, &dy, false, &b, !turned[1], to);
    return turned[1] ? product(call, &dy, true, &a, turned[0], to)
                     : product(call, &a, !turned[0], &dy, false, to);
}

void nncf__matmul_prepare(const nncf_layer *layer, nncf__block *b)
{
    const nncf_context *context = layer->model->context;
    const nncf__call call = {.block = b, .layer = (nncf_layer *)(uintptr_t)layer};
    const nncf__matrix_product y = forward_product(&call, NULL);
    b->forward.scratch = nncf__matrix_product_scratch(context, &y);
    for (int i = 0; i < 2; i++) {
        const nncf__matrix_product dx = gradient(&call, i);
        b->backward[1].scratch =
            max_size(b->backward[1].scratch, nncf__matrix_product_scratch(context, &dx));
    }
    b->reads_x = true;
    nncf__keep_prepare(b);
}

void nncf__matmul_forward(const nncf__call *call)
{
    float *z = nncf__keep_z(call);
    const nncf__matrix_product p = forward_product(call, z);
    nncf__matrix_product_run(call->layer->model->context, &p);
    nncf__keep_forward(call, z);
}

void nncf__matmul_backward(const nncf__call *call)
{
    nncf__keep_backward(call);
    for (int i = 0; i < 2 && call->dx[0]; i++) {
        const nncf__matrix_product p = gradient(call, i);
        nncf__matrix_product_run(call->layer->model->context, &p);
    }
}
