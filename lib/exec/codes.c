/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Activations as integer codes, a byte each: which layers write them, who reads them, what they
 * stand for. A reader finds the quantizer through its registered edge, so a tensor needs to carry
 * nothing but its element type.
 */
#include "exec/codes.h"

#include "config/canonical.h"
#include "exec/quantize.h"
#include "exec/run.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "kernels/operand.h"
#include "quantization/quantizer.h"

#include <nncf/layer.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

int32_t nncf__quantizer_dtype(const nncf__quantizer *quantizer)
{
    if (!quantizer || quantizer->observing || quantizer->channels != 1 ||
        quantizer->params.bits > 8)
        return NNCF_F32;
    /* an undecided sign counts as signed, as in the quantizer itself */
    return quantizer->length || quantizer->params.sign == NNCF__UNSIGNED ? NNCF_U8 : NNCF_S8;
}

/* The byte of code 0. Asymmetric codes are stored from their lowest on. */
int32_t nncf__quantizer_zero(const nncf__quantizer *quantizer)
{
    return quantizer->length ? -(int32_t)quantizer->fq[0].low : 0;
}

nncf__operand nncf__codes_operand(const nncf__quantizer *quantizer, const void *data)
{
    return (nncf__operand){.data = data,
        .scale = &quantizer->fq[0].scale,
        .n_scales = 1,
        .dtype = nncf__quantizer_dtype(quantizer),
        .zero = nncf__quantizer_zero(quantizer)};
}

static bool passes_codes_on(const nncf_layer *layer)
{
    return layer->kind == NNCF__POOL2D && layer->pool_kind == NNCF_POOL_MAX;
}

const nncf__quantizer *nncf__layer_feeding_quantizer(const nncf_layer *layer, size_t input)
{
    for (size_t i = input; i < layer->n_inputs; i = 0) {
        layer = layer->inputs[i];
        if (layer->kind == NNCF__OPERATOR) /* the host writes what it computes as floats */
            return NULL;
        const nncf__quantizer *output = nncf__layer_output_quantizer(layer);
        if (output || !passes_codes_on(layer))
            return output;
    }
    return NULL;
}

int32_t nncf__layer_input_dtype(const nncf_layer *layer, size_t input)
{
    const nncf__quantizer *quantizer = nncf__layer_feeding_quantizer(layer, input);
    return quantizer && quantizer->initialized && !nncf__layer_observing(layer)
        ? nncf__quantizer_dtype(quantizer)
        : NNCF_F32;
}

int32_t nncf__layer_output_dtype(const nncf_layer *layer)
{
    const nncf__quantizer *output = nncf__layer_output_quantizer(layer);
    if (layer->kind == NNCF__OPERATOR)
        return NNCF_F32;
    if (!output)
        return passes_codes_on(layer) ? nncf__layer_input_dtype(layer, 0) : NNCF_F32;
    return output->initialized && !nncf__layer_observing(layer) ? nncf__quantizer_dtype(output)
                                                                : NNCF_F32;
}

int32_t nncf_layer_output_dtype(const nncf_layer *layer)
{
    return layer ? nncf__layer_output_dtype(layer) : NNCF_F32;
}

const float *nncf__floats_of(
    const nncf__kernels *k, const nncf__operand *x, size_t offset, size_t count, float *room)
{
    if (x->dtype == NNCF_F32)
        return (const float *)x->data + offset;
    const nncf__bytes bytes = nncf__bytes_of(x, false);
    k->dequantize(count, (const uint8_t *)x->data + offset, room, &bytes);
    return room;
}
