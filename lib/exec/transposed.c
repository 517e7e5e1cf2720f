/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transposed convolutions (Dumoulin and Visin 2016, chapter 4). One is the input gradient of a
 * convolution, block->conv, whose output is x and whose input is z, with the same weight: (out, in
 * / groups, kh, kw) there is (in, out / groups, kh, kw) here. So forward is that gradient, dx the
 * convolution of dz, and dw the weight gradient with x and dz exchanged. Products of floats: codes
 * become the floats that they stand for.
 */
#include "exec/transposed.h"

#include "base/error.h"
#include "base/int_math.h"
#include "base/pool.h"
#include "conv/conv2d.h"
#include "exec/call.h"
#include "exec/chunks.h"
#include "exec/keep.h"
#include "exec/quantize.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"
#include "pruning/apply.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

static nncf__qtensor floats(const float *data)
{
    return (nncf__qtensor){.data = data, .dtype = NNCF_F32};
}

/* ---- preparation ---- */

void nncf__transposed_prepare(const nncf_layer *layer, nncf__block *b)
{
    const int64_t *in = b->key.in, *out = b->out;
    b->conv = nncf__conv2d_as_rows((nncf__conv2d){.n = in[0],
        .c_in = out[1],
        .h = out[2],
        .w = out[3],
        .c_out = in[1],
        .out_h = in[2],
        .out_w = in[3],
        .kernel_h = layer->kernel[0],
        .kernel_w = layer->kernel[1],
        .stride_h = layer->stride[0],
        .stride_w = layer->stride[1],
        .pad_h = layer->padding[0],
        .pad_w = layer->padding[1],
        .dilation_h = layer->dilation[0],
        .dilation_w = layer->dilation[1],
        .groups = layer->groups});
    b->is_transposed = true;
    b->widens_input = b->x[0].dtype != NNCF_F32;
}

size_t nncf__transposed_forward_scratch(const nncf_context *context, const nncf__block *b)
{
    return nncf__conv2d_backward_input_scratch(context, &b->conv);
}

size_t nncf__transposed_backward_scratch(
    const nncf_context *context, const nncf__block *b, bool dx, bool dw)
{
    const nncf__qtensor none = floats(NULL);
    const size_t x = dx ? nncf__conv2d_forward_scratch(context, &b->conv, &none, &none) : 0,
                 w = dw ? nncf__conv2d_backward_weight_scratch(context, &b->conv, &none) : 0;
    return max_size(x, w);
}

/* ---- passes over floats ---- */

typedef struct rows_job {
    const nncf__kernels *k;
    const nncf__qtensor *x;
    const float *bias;
    float *to;
    /* rows of `length`, and which of the `channels` a row is of */
    size_t rows, length, channels;
} rows_job;

static void widen_chunk(void *arg, size_t chunk, size_t worker)
{
    const rows_job *j = arg;
    const size_t each = nncf__chunk_rows(j->length);
    (void)worker;
    for (size_t r = chunk * each; r < (chunk + 1) * each && r < j->rows; r++)
        nncf__copy_floats(j->k, j->x, r * j->length, j->length, j->to + r * j->length);
}

static void bias_chunk(void *arg, size_t chunk, size_t worker)
{
    const rows_job *j = arg;
    const size_t each = nncf__chunk_rows(j->length);
    (void)worker;
    for (size_t r = chunk * each; r < (chunk + 1) * each && r < j->rows; r++) {
        const nncf__epilogue e = nncf__line(1, j->bias[r % j->channels], NULL);
        float *row = j->to + r * j->length;
        j->k->epilogue_forward(j->length, row, row, &e);
    }
}

static void run(const nncf__call *call, const nncf__planes *planes, rows_job *job,
    void (*chunk)(void *arg, size_t chunk, size_t worker))
{
    nncf_context *context = call->layer->model->context;
    job->k = nncf__kernels_of(context);
    job->rows = planes->n * planes->c;
    job->length = planes->hw;
    job->channels = planes->c;
    nncf__parallel(context, nncf__chunk_count(job->rows, job->length), chunk, job);
}

void nncf__transposed_widen(const nncf__call *call)
{
    rows_job job = {.x = &call->x[0], .to = call->layer->now.xq.data};
    run(call, &call->block->in_planes, &job, widen_chunk);
}

/* ---- products ---- */

void nncf__transposed_forward(
    const nncf__call *call, const nncf__qtensor *x, const nncf__qtensor *w, float *z)
{
    const nncf_layer *layer = call->layer;
    nncf__conv2d_backward_input(layer->model->context, &call->block->conv, w, x->data, z);
    if (layer->bias) {
        rows_job job = {.bias = nncf__kept_bias(layer), .to = z};
        run(call, &call->block->out_planes, &job, bias_chunk);
    }
}

void nncf__transposed_backward(
    const nncf__call *call, const nncf__qtensor *x, const nncf__qtensor *w, float *dx, float *dw)
{
    nncf_context *context = call->layer->model->context;
    const nncf__conv2d *s = &call->block->conv;
    const nncf__qtensor dz = floats(call->dy);
    if (dw)
        nncf__conv2d_backward_weight(context, s, &dz, x->data, dw);
    if (dx)
        nncf__conv2d_forward(context, s, &dz, w, NULL, dx);
}
