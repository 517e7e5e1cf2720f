/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batched products of two activations, y = factor op(a) op(b), op being nothing or a transposition.
 * Each is a convolution (conv/conv2d.h): with b (k, n) as it is, a is the weight of one pixel row
 * of n pixels and k channels; with b transposed, b is the weight of a linear layer that reads the
 * rows of a. A transposed a is turned in the workspace. Codes become floats there, too.
 */
#include "exec/matmul.h"

#include "base/int_math.h"
#include "conv/conv2d.h"
#include "exec/call.h"
#include "exec/keep.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"

#include <nncf/context.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One product of the batch. */
typedef struct product {
    size_t m, k, n;
    nncf__conv2d conv;
    nncf__qtensor plain;
} product;

static product product_of(const nncf_layer *layer, const nncf__block *b)
{
    const int64_t *a = b->key.shapes.in[0];
    const int64_t m = a[layer->transposes[0] ? 2 : 1], k = a[layer->transposes[0] ? 1 : 2],
                  n = b->out[2];
    product p = {(size_t)m, (size_t)k, (size_t)n,
        {.n = 1,
            .c_in = k,
            .h = 1,
            .w = n,
            .c_out = m,
            .out_h = 1,
            .out_w = n,
            .kernel_h = 1,
            .kernel_w = 1,
            .stride_h = 1,
            .stride_w = 1,
            .dilation_h = 1,
            .dilation_w = 1,
            .groups = 1},
        {.dtype = NNCF_F32}};
    if (layer->transposes[1]) {
        p.conv.n = m;
        p.conv.w = p.conv.out_w = 1;
        p.conv.c_out = n;
    }
    return p;
}

/* Floats of workspace: a copy of each factor that is codes or turned, and a gradient to be turned.
 */
static size_t work_of(const nncf_layer *layer, const nncf__block *b, const product *p)
{
    const bool turned = layer->transposes[0];
    return ((turned || b->x[0].dtype != NNCF_F32 ? p->m * p->k : 0) +
               (turned && b->x[0].dtype != NNCF_F32 ? p->m * p->k : 0) +
               (b->x[1].dtype != NNCF_F32 ? p->k * p->n : 0) + (turned ? p->m * p->k : 0)) *
        sizeof(float);
}

void nncf__matmul_prepare(const nncf_layer *layer, nncf__block *b)
{
    const nncf_context *context = layer->model->context;
    const product p = product_of(layer, b);
    b->forward = b->backward[1] = (nncf__needs){.work = work_of(layer, b, &p)};
    b->forward.scratch = nncf__conv2d_forward_scratch(context, &p.conv, &p.plain, &p.plain);
    b->backward[1].scratch = max_size(nncf__conv2d_backward_input_scratch(context, &p.conv),
        nncf__conv2d_backward_weight_scratch(context, &p.conv, &p.plain));
    b->reads_x = true;
    nncf__keep_prepare(b);
}

/* to (columns, rows) from (rows, columns) */
static void turn(size_t rows, size_t columns, const float *from, float *to)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            to[j * rows + i] = from[i * columns + j];
}

/* Both factors of a product in floats, a (m, k); returns what is left of the workspace. */
static float *factors(
    const nncf__call *call, const product *p, size_t at, float *work, const float *in[2])
{
    const nncf_layer *layer = call->layer;
    const nncf__kernels *k = nncf__kernels_of(layer->model->context);
    const size_t counts[2] = {p->m * p->k, p->k * p->n};
    for (int i = 0; i < 2; i++) {
        in[i] = nncf__floats_of(k, &call->x[i], at * counts[i], counts[i], work);
        if (in[i] == work)
            work += counts[i];
    }
    if (layer->transposes[0]) {
        turn(p->k, p->m, in[0], work);
        in[0] = work;
        work += counts[0];
    }
    return work;
}

static void scale(const nncf__call *call, size_t n, float *x)
{
    if (call->layer->factor != 1)
        nncf__scale_floats(
            nncf__kernels_of(call->layer->model->context), n, x, call->layer->factor, x);
}

static nncf__qtensor tensor(const float *data)
{
    return (nncf__qtensor){.data = data, .dtype = NNCF_F32};
}

void nncf__matmul_forward(const nncf__call *call)
{
    const product p = product_of(call->layer, call->block);
    nncf_context *context = call->layer->model->context;
    const bool linear = call->layer->transposes[1];
    float *z = nncf__keep_z(call);
    for (size_t i = 0; i < call->block->out_planes.n; i++) {
        const float *in[2];
        factors(call, &p, i, call->layer->model->work.data, in);
        const nncf__qtensor x = tensor(in[linear ? 0 : 1]), w = tensor(in[linear ? 1 : 0]);
        nncf__conv2d_forward(context, &p.conv, &x, &w, NULL, z + i * p.m * p.n);
    }
    scale(call, nncf__planes_count(&call->block->out_planes), z);
    nncf__keep_forward(call, z);
}

void nncf__matmul_backward(const nncf__call *call)
{
    const product p = product_of(call->layer, call->block);
    nncf_context *context = call->layer->model->context;
    const bool linear = call->layer->transposes[1], turned = call->layer->transposes[0];
    nncf__keep_backward(call);
    if (!call->dx[0])
        return;
    scale(call, nncf__planes_count(&call->block->out_planes), call->dy);
    for (size_t i = 0; i < call->block->out_planes.n; i++) {
        const float *in[2], *dz = call->dy + i * p.m * p.n;
        float *rest = factors(call, &p, i, call->layer->model->work.data, in);
        float *da = turned ? rest : call->dx[0] + i * p.m * p.k, *db = call->dx[1] + i * p.k * p.n;
        const nncf__qtensor x = tensor(in[linear ? 0 : 1]), w = tensor(in[linear ? 1 : 0]);
        nncf__conv2d_backward_input(context, &p.conv, &w, dz, linear ? da : db);
        nncf__conv2d_backward_weight(context, &p.conv, &x, dz, linear ? db : da);
        if (turned)
            turn(p.m, p.k, da, call->dx[0] + i * p.m * p.k);
    }
}
