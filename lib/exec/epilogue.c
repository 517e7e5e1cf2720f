/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Activation quantizers to codes, and after an activation (products without batch norm): what
 * layers that the library runs end with.
 */
#include "exec/quantize.h"

#include "exec/activate.h"
#include "exec/binarize.h"
#include "exec/call.h"
#include "exec/channels.h"
#include "exec/map_reduce.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "quantization/quantizer.h"

#include <nncf/context.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <string.h>

/* A fake-quantizer alone is an epilogue that changes nothing before it. */
static void to_codes_segment(const nncf__map_reduce *pass, size_t channel, size_t offset,
    size_t count, float *scratch, double *sums)
{
    const nncf__epilogue e = nncf__line(1, 0, nncf__fq_of(pass->quantizer, channel));
    float zero = (float)nncf__quantizer_zero(pass->quantizer);
    (void)scratch;
    sums[5] += (double)pass->k->epilogue_codes(
        count, pass->in[0] + offset, pass->codes + offset, &e, zero);
}

void nncf__layer_quantize_to_codes(nncf_context *context, nncf__quantizer *quantizer,
    const nncf__planes *planes, const float *x, uint8_t *y)
{
    if (quantizer->binarizer) {
        nncf__binarize_to_codes(context, quantizer, planes, x, y);
        return;
    }
    nncf__quantizer_refresh(quantizer);
    nncf__quantize_start(quantizer, planes);
    nncf__map_reduce pass = {.planes = *planes,
        .segment = to_codes_segment,
        .on_result = nncf__quantize_record,
        .quantizer = quantizer,
        .in = {x, NULL},
        .codes = y};
    nncf__map_reduce_run(context, &pass);
}

/* ---- passes that make a layer's output, and back ---- */

void nncf__output_forward(const nncf__call *call, const float *z, nncf__segment_fn *segment)
{
    const nncf__block *b = call->block;
    nncf_context *context = call->layer->model->context;
    nncf__quantizer *output = b->quantizers[NNCF__OF_OUTPUT];
    const bool codes = call->y.dtype != NNCF_F32;
    nncf__map_reduce pass = {.planes = b->out_planes,
        .by_channel = b->fq_by_channel,
        .segment = segment,
        .on_result = nncf__quantize_record,
        .quantizer = output,
        .call = call,
        .in = {z, NULL},
        .out = {codes ? NULL : call->y.data, NULL},
        .codes = codes ? call->y.data : NULL};
    if (output && !b->observes_output) {
        nncf__quantizer_refresh(output);
        nncf__quantize_start(output, &b->out_planes);
    }
    nncf__map_reduce_run(context, &pass);
    if (b->observes_output)
        nncf__layer_observe(context, output, &b->out_planes, call->y.data);
}

void nncf__output_backward(const nncf__call *call, float *da, float *db, nncf__segment_fn *segment)
{
    const nncf__block *b = call->block;
    nncf__map_reduce pass = {.planes = b->out_planes,
        .by_channel = b->fq_by_channel,
        .segment = segment,
        .on_result = nncf__quantize_add_gradient,
        .quantizer = b->quantizers[NNCF__OF_OUTPUT],
        .call = call,
        .out = {da, db},
        .grad = call->dy};
    nncf__map_reduce_run(call->layer->model->context, &pass);
}

/* ---- codes that are read as floats ---- */

const float *nncf__floats_of(
    const nncf__kernels *k, const nncf__qtensor *x, size_t offset, size_t count, float *scratch)
{
    if (x->dtype == NNCF_F32)
        return (const float *)x->data + offset;
    const nncf__dequant how = nncf__dequant_of(x, 0, false);
    k->dequantize(count, (const uint8_t *)x->data + offset, scratch, &how);
    return scratch;
}

/* ---- the epilogue of a layer without batch norm ---- */

static void epilogue_segment(const nncf__map_reduce *pass, size_t channel, size_t offset,
    size_t count, float *scratch, double *sums)
{
    (void)scratch;
    const nncf__block *b = pass->call->block;
    const nncf__epilogue e = nncf__block_epilogue(b, channel);
    if (pass->codes) {
        float zero = (float)nncf__quantizer_zero(pass->quantizer);
        sums[5] += (double)nncf__activate_codes(
            b, pass->k, count, pass->in[0] + offset, pass->codes + offset, &e, zero);
        return;
    }
    sums[5] += (double)nncf__activate_forward(
        b, pass->k, count, pass->in[0] + offset, pass->out[0] + offset, &e);
}

void nncf__epilogue_forward(const nncf__call *call, const float *z)
{
    const nncf__block *b = call->block;
    const bool quantizes = b->quantizers[NNCF__OF_OUTPUT] && !b->observes_output;
    if (call->layer->activation != NNCF_ACTIVATION_NONE || quantizes) {
        nncf__output_forward(call, z, epilogue_segment);
        return;
    }
    float *y = call->y.data;
    if (z != y)
        memcpy(y, z, nncf__planes_count(&b->out_planes) * sizeof *y);
    if (b->observes_output)
        nncf__layer_observe(
            call->layer->model->context, b->quantizers[NNCF__OF_OUTPUT], &b->out_planes, y);
}

static void epilogue_backward_segment(const nncf__map_reduce *pass, size_t channel, size_t offset,
    size_t count, float *scratch, double *sums)
{
    (void)scratch;
    const nncf__block *b = pass->call->block;
    const nncf__epilogue e = nncf__block_epilogue(b, channel);
    nncf__activate_backward(b, pass->k, count, pass->in[0] + offset, pass->grad + offset,
        pass->out[0] + offset, &e, sums);
}

/* Where batch norm leaves its own. */
static void keep_sums(const nncf__map_reduce *pass, size_t channel, const double *sums)
{
    memcpy(nncf__channels_of(pass->call->layer).sums + 5 * channel, sums, 3 * sizeof *sums);
}

void nncf__epilogue_backward(
    const nncf__call *call, const float *z, const float *dy, float *da, bool adds_later)
{
    const nncf__block *b = call->block;
    nncf__map_reduce pass = {.planes = b->out_planes,
        .by_channel = b->fq_by_channel,
        .segment = epilogue_backward_segment,
        .on_result = adds_later ? keep_sums : nncf__quantize_add_gradient,
        .quantizer = b->quantizers[NNCF__OF_OUTPUT],
        .call = call,
        .in = {z, NULL},
        .out = {da, NULL},
        .grad = dy};
    nncf__map_reduce_run(call->layer->model->context, &pass);
}

void nncf__epilogue_add_gradients(const nncf__call *call)
{
    nncf__quantizer *output = call->block->quantizers[NNCF__OF_OUTPUT];
    const double *sums = nncf__channels_of(call->layer).sums;
    const nncf__planes *p = &call->block->out_planes;
    for (size_t c = 0; output && c < output->channels; c++)
        nncf__quantizer_add_gradient(
            output, c, sums + 5 * c, nncf__quantizer_elements(output, p->c, p->hw));
}
