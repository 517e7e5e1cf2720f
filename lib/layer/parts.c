/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a layer for a host that runs its own kernels. */
#include "layer/layer.h"

#include <string.h>

nncf_status nncf_layer_compress_weight(nncf_layer *layer, float *weight)
{
    if (!layer || !weight || layer->weight_count == 0)
        return NNCF_E_ARG;
    return nncf__weight_forward(layer, weight);
}

nncf_status nncf_layer_compress_weight_backward(nncf_layer *layer, const float *grad)
{
    if (!layer || !grad || layer->weight_count == 0)
        return NNCF_E_ARG;
    /* a copy, because nncf__weight_backward() works in place and the gradient is the host's */
    nncf__buffer *dw = &layer->model->dw;
    nncf_status status =
        nncf__grow(layer->model->context, &dw->data, &dw->capacity, layer->weight_count * sizeof(float));
    if (status != NNCF_OK)
        return status;
    memcpy(dw->data, grad, layer->weight_count * sizeof(float));
    return nncf__weight_backward(layer, dw->data);
}

/* Check tensors of one shape, any number of dimensions; the second one is the channel, but the input of a linear layer
 * is flattened first, as its forward does. */
static nncf_status same_shapes(const nncf_tensor *const *tensors, size_t n_tensors, const nncf__quantizer *quantizer,
                               bool flattens, nncf__planes *planes)
{
    const nncf_tensor *x = tensors[0];
    size_t count = 0;
    for (size_t i = 0; i < n_tensors; i++) {
        nncf_status status = nncf__layer_check_tensor(tensors[i], NNCF_F32, &count);
        if (status != NNCF_OK)
            return status;
        if (tensors[i]->ndim != x->ndim || memcmp(tensors[i]->shape, x->shape, (size_t)x->ndim * sizeof *x->shape) != 0)
            return NNCF_E_SHAPE;
    }
    planes->n = (size_t)x->shape[0];
    planes->c = x->ndim > 1 ? (size_t)x->shape[1] : 1;
    planes->hw = count / planes->n / planes->c;
    if (flattens && quantizer && quantizer->params.per_channel)
        *planes = (nncf__planes){planes->n, count / planes->n, 1};
    return nncf__quantizer_fits(quantizer, (int64_t)planes->c) ? NNCF_OK : NNCF_E_SHAPE;
}

/* Two arrays may be one and the same, but not overlap otherwise: the passes go in any order. */
static bool overlap_partly(const nncf_tensor *a, const nncf_tensor *b, const nncf__planes *p)
{
    uintptr_t i = (uintptr_t)a->data, j = (uintptr_t)b->data, bytes = p->n * p->c * p->hw * sizeof(float);
    return i != j && i < j + bytes && j < i + bytes;
}

static nncf_status forward(nncf_layer *layer, bool input, const nncf_tensor *x, const nncf_tensor *y)
{
    if (!layer || !x || !y)
        return NNCF_E_ARG;
    const nncf__layer_compression *c = layer->compression;
    nncf__quantizer *quantizer = !c ? NULL : input ? c->input_quantizer : c->output_quantizer;
    const bool flattens = input && layer->kind == NNCF__LINEAR;
    nncf__planes planes;
    nncf_status status = same_shapes((const nncf_tensor *[]){x, y}, 2, quantizer, flattens, &planes);
    if (status != NNCF_OK)
        return status;
    if (overlap_partly(x, y, &planes))
        return NNCF_E_ARG;
    nncf__ctrl_saw_images(layer->model->ctrl, (int64_t)planes.n);
    nncf__layer_quantize(layer->model->context, quantizer, &planes, x->data, y->data);
    return NNCF_OK;
}

static nncf_status backward(nncf_layer *layer, bool input, const nncf_tensor *x, const nncf_tensor *dy,
                            const nncf_tensor *dx)
{
    if (!layer || !x || !dy || !dx)
        return NNCF_E_ARG;
    const nncf__layer_compression *c = layer->compression;
    nncf__quantizer *quantizer = !c ? NULL : input ? c->input_quantizer : c->output_quantizer;
    const bool flattens = input && layer->kind == NNCF__LINEAR;
    nncf__planes planes;
    nncf_status status = same_shapes((const nncf_tensor *[]){x, dy, dx}, 3, quantizer, flattens, &planes);
    if (status != NNCF_OK)
        return status;
    if (overlap_partly(dx, dy, &planes) || overlap_partly(dx, x, &planes))
        return NNCF_E_ARG;
    nncf__layer_quantize_backward(layer->model->context, quantizer, &planes, x->data, dy->data, dx->data);
    return NNCF_OK;
}

nncf_status nncf_layer_quantize_input(nncf_layer *layer, const nncf_tensor *x, const nncf_tensor *y)
{
    return forward(layer, true, x, y);
}

nncf_status nncf_layer_quantize_output(nncf_layer *layer, const nncf_tensor *x, const nncf_tensor *y)
{
    return forward(layer, false, x, y);
}

nncf_status nncf_layer_quantize_input_backward(nncf_layer *layer, const nncf_tensor *x, const nncf_tensor *dy,
                                               const nncf_tensor *dx)
{
    return backward(layer, true, x, dy, dx);
}

nncf_status nncf_layer_quantize_output_backward(nncf_layer *layer, const nncf_tensor *x, const nncf_tensor *dy,
                                                const nncf_tensor *dx)
{
    return backward(layer, false, x, dy, dx);
}
