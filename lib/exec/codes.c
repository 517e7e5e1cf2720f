/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Activations as integer codes, a byte each: which layers write them, who reads them, what they
 * stand for. A reader finds the quantizer through its registered edge; what a tensor states of
 * scale and zero point is compared with it.
 */
#include "exec/codes.h"

#include "controller/ctrl.h"
#include "graph/kind_info.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/layer.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

/* Does the output of a layer consist of elements of its input, in some order, some of them zero?
 * The host may run it, and then writes floats. */
static bool passes_values_on(const nncf_layer *layer)
{
    switch (layer->op) {
    case NNCF_OP_MAX_POOL:
    case NNCF_OP_RELU:
    case NNCF_OP_FLATTEN:
    case NNCF_OP_RESHAPE:
    case NNCF_OP_TRANSPOSE:
        return layer->n_inputs == 1;
    default:
        return false;
    }
}

static bool is_run_by_host(const nncf_layer *layer)
{
#ifdef NNCF__WITHOUT_KERNELS
    (void)layer;
    return true;
#else
    return nncf__kind_info_of(layer->kind)->run_by_host;
#endif
}

nncf__source nncf__layer_source(const nncf_layer *layer, size_t input)
{
    bool as_bytes = true;
    nncf__quantizer *input_quantizer = nncf__layer_active(layer->compression, NNCF__SLOT_INPUT);
    if (input_quantizer)
        return (nncf__source){input_quantizer, false};
    while (input < layer->n_inputs) {
        layer = layer->inputs[input];
        const nncf__layer_compression *c = layer->compression;
        as_bytes = as_bytes && !is_run_by_host(layer);
        nncf__quantizer *output = nncf__layer_active(c, NNCF__SLOT_OUTPUT),
                        *inner = nncf__layer_active(c, NNCF__SLOT_PRE_ACTIVATION);
        if (output)
            return (nncf__source){output, as_bytes};
        if (inner && layer->activation == NNCF_ACTIVATION_RELU)
            return (nncf__source){inner, false};
        if (!passes_values_on(layer))
            break;
        as_bytes = as_bytes && nncf__layer_passes_codes(layer);
        input = 0;
    }
    return (nncf__source){NULL, false};
}

const nncf__quantizer *nncf__layer_output_source(const nncf_layer *layer)
{
    const nncf__quantizer *output = nncf__layer_active(layer->compression, NNCF__SLOT_OUTPUT);
    return output ? output : nncf__layer_source(layer, 0).quantizer;
}

/* NNCF_F32: no bytes. */
static int32_t bytes_of(const nncf__quantizer *quantizer, bool then)
{
    if (!quantizer || (!then && (quantizer->observing || !quantizer->initialized)))
        return NNCF_F32;
    return nncf__quantizer_dtype(quantizer);
}

static int32_t input_dtype(const nncf_layer *layer, size_t input, bool then)
{
    const nncf__source source = nncf__layer_source(layer, input);
    return source.as_bytes ? bytes_of(source.quantizer, then) : (int32_t)NNCF_F32;
}

static int32_t output_dtype(const nncf_layer *layer, bool then)
{
    const nncf__quantizer *output = nncf__layer_active(layer->compression, NNCF__SLOT_OUTPUT);
    if (is_run_by_host(layer))
        return NNCF_F32;
    if (output)
        return bytes_of(output, then);
    return nncf__layer_passes_codes(layer) ? input_dtype(layer, 0, then) : (int32_t)NNCF_F32;
}

/* While the controller initializes, quantizers observe, pass values through, and make no codes. */
static bool observing(const nncf_layer *layer)
{
    return layer->model->ctrl && nncf__ctrl_initializing(layer->model->ctrl);
}

int32_t nncf__layer_input_dtype(const nncf_layer *layer, size_t input)
{
    return observing(layer) ? (int32_t)NNCF_F32 : input_dtype(layer, input, false);
}

int32_t nncf__layer_output_dtype(const nncf_layer *layer)
{
    return observing(layer) ? (int32_t)NNCF_F32 : output_dtype(layer, false);
}

int32_t nncf__layer_input_dtype_then(const nncf_layer *layer, size_t input)
{
    return input_dtype(layer, input, true);
}

int32_t nncf__layer_output_dtype_then(const nncf_layer *layer)
{
    return output_dtype(layer, true);
}

int32_t nncf_layer_get_output_dtype(const nncf_layer *layer)
{
    return layer ? nncf__layer_output_dtype(layer) : NNCF_F32;
}
