/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a layer for a host that brings kernels. */
#include "base/alloc.h"
#include "base/error.h"
#include "controller/ctrl.h"
#include "controller/usage_checks.h"
#include "controller/weight.h"
#include "exec/binarize.h"
#include "exec/check.h"
#include "exec/gradients.h"
#include "exec/map_reduce.h"
#include "exec/quantize.h"
#include "exec/run.h"
#include "exec/strided.h"
#include "graph/kind_info.h"
#include "graph/layout.h"
#include "graph/model.h"
#include "graph/seen.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/layer.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stdint.h>

static nncf_status is_null(const char *name, nncf_error *err)
{
    return nncf__fail(err, NNCF_E_ARG, NULL, "%s is NULL", name);
}

/* ---- weights ---- */

static nncf_status check_weight(
    const nncf_layer *layer, const float *data, const char *name, nncf_error *err)
{
    if (layer->weight_count == 0)
        return nncf__fail(err, NNCF_E_ARG, NULL, "the layer has no weight");
    if (data && (uintptr_t)data % _Alignof(float) != 0)
        return nncf__fail(err, NNCF_E_ARG, NULL, "%s is not aligned as floats are", name);
    return data ? NNCF_OK : is_null(name, err);
}

/* For a layer with a layout: the model's workspace of a weight, in the order of weight_shape. */
static nncf_status reserve_ordered(nncf_layer *layer, nncf_error *err)
{
    nncf__buffer *dw = &layer->model->dw;
    const size_t bytes = layer->has_layout ? layer->weight_count * sizeof(float) : 0;
    if (dw->capacity < bytes &&
        nncf__grow(layer->model->context, &dw->data, &dw->capacity, bytes) != NNCF_OK)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a weight in another order");
    return NNCF_OK;
}

static nncf_status compress_weight(nncf_layer *layer, float *weight, nncf_error *err)
{
    nncf_status status = check_weight(layer, weight, "weight", err);
    if (status == NNCF_OK)
        status = reserve_ordered(layer, err);
    if (status != NNCF_OK)
        return status;
    float *ordered = layer->has_layout ? layer->model->dw.data : weight;
    if (layer->compression)
        nncf__usage_forward(layer->compression->ctrl);
    nncf__layer_pull_weight(layer);
    nncf__weight_forward(layer, layer->model->mode, ordered);
    if (layer->has_layout)
        nncf__layer_scatter(layer, ordered, weight);
    nncf__weight_used(layer);
    layer->by_host = true;
    return NNCF_OK;
}

nncf_status nncf_layer_compress_weight(nncf_layer *layer, float *weight, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    nncf_status status = !layer ? NNCF_E_ARG : compress_weight(layer, weight, &reason);
    return nncf__layer_report(layer, "nncf_layer_compress_weight", status, &reason, err);
}

static nncf_status compress_weight_backward(nncf_layer *layer, const float *grad, nncf_error *err)
{
    nncf_status status = check_weight(layer, grad, "grad", err);
    if (status == NNCF_OK)
        status = nncf__weight_check_backward(layer, err);
    if (status == NNCF_OK)
        status = reserve_ordered(layer, err);
    if (status != NNCF_OK)
        return status;
    if (layer->has_layout) {
        nncf__layer_gather(layer, grad, layer->model->dw.data);
        grad = layer->model->dw.data;
    }
    nncf__layer_pull_weight(layer);
    nncf__layer_pull_gradient(layer);
    nncf__gradients_clear_weight(layer);
    nncf__weight_backward(layer, grad);
    nncf__layer_push_gradient(layer);
    if (layer->compression)
        nncf__usage_backward(layer->compression->ctrl, layer);
    return NNCF_OK;
}

nncf_status nncf_layer_compress_weight_backward(
    nncf_layer *layer, const float *grad, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    nncf_status status = !layer ? NNCF_E_ARG : compress_weight_backward(layer, grad, &reason);
    return nncf__layer_report(layer, "nncf_layer_compress_weight_backward", status, &reason, err);
}

/* ---- activations ---- */

/* An end of a layer's block. */
typedef struct part {
    nncf_layer *layer;
    bool input;
} part;

static nncf__quantizer *quantizer_of(const part *p)
{
    return nncf__layer_active(
        p->layer->compression, p->input ? NNCF__SLOT_INPUT : NNCF__SLOT_OUTPUT);
}

/* Is it known of how many channels the input consists? Not with a weight of one dimension. */
static bool knows_channels(const part *p)
{
    const nncf_layer *layer = p->layer;
    return p->input && layer->weight_count > 0 && layer->op != NNCF_OP_EMBEDDING &&
        layer->in_channels > 0;
}

/* Check tensors of one shape, any number of dimensions; the second one is the channel, but the
 * input of a linear layer is flattened first, as its forward does. */
static nncf_status check_tensors(const part *p, const nncf__named *tensors, size_t n_tensors,
    nncf__planes *planes, nncf_error *err)
{
    const nncf_layer *layer = p->layer;
    const nncf_tensor *x = tensors[0].tensor;
    size_t count = 0;
    if (layer->op == NNCF_OP_WEIGHT)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "this is a weight alone, which has no activations: add a quantizer with "
            "nncf_model_add_quantizer()");
    if (layer->op == NNCF_OP_QUANTIZER && p->input)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "this is a quantizer alone: it is run by nncf_layer_quantize_output() and its "
            "backward");
    for (size_t i = 0; i < n_tensors; i++) {
        nncf_status status = nncf__layer_check_tensor(&tensors[i], NNCF_F32, &count, err);
        if (status == NNCF_OK)
            status = nncf__layer_check_same(&tensors[i], &tensors[0], err);
        if (status != NNCF_OK)
            return status;
    }
    planes->n = (size_t)x->shape[0];
    planes->c = x->ndim > 1 ? (size_t)x->shape[1] : 1;
    planes->hw = count / planes->n / planes->c;
    const nncf__quantizer *quantizer = quantizer_of(p);
    if (p->input && nncf__kind_info_of(layer->kind)->flattens && quantizer &&
        quantizer->params.per_channel)
        *planes = (nncf__planes){planes->n, count / planes->n, 1};
    /* a host may have its channels anywhere, and flatten what it likes: what is left is the number
     * of elements */
    if (knows_channels(p) && count % (size_t)layer->in_channels != 0)
        return nncf__fail(err, NNCF_E_SHAPE, NULL,
            "x has %zu elements, which the %lld channels that the layer reads "
            "do not divide",
            count, (long long)layer->in_channels);
    return nncf__layer_check_channels(quantizer, "x", (int64_t)planes->c, err);
}

/* Two arrays may be one and the same, but not overlap otherwise: the passes go in any order. */
static nncf_status check_overlap(
    const nncf__named *a, const nncf__named *b, const nncf__planes *p, nncf_error *err)
{
    uintptr_t i = (uintptr_t)a->tensor->data, j = (uintptr_t)b->tensor->data,
              bytes = p->n * p->c * p->hw * sizeof(float);
    if (i == j || i >= j + bytes || j >= i + bytes)
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_ARG, NULL, "%s and %s overlap in memory, and are not one array",
        a->name, b->name);
}

static nncf_status forward(const part *p, const nncf_tensor *x, nncf_tensor *y, nncf_error *err)
{
    const nncf__named tensors[] = {{"x", x}, {"y", y}};
    nncf__planes planes;
    if (!x || !y)
        return is_null(!x ? "x" : "y", err);
    nncf_status status = check_tensors(p, tensors, 2, &planes, err);
    if (status == NNCF_OK)
        status = check_overlap(&tensors[0], &tensors[1], &planes, err);
    if (status != NNCF_OK)
        return status;
    nncf_layer *layer = p->layer;
    const bool seen = layer->model->mode == NNCF_MODE_EVAL &&
        !(layer->model->ctrl && nncf__ctrl_initializing(layer->model->ctrl));
    const size_t count = nncf__planes_count(&planes);
    layer->by_host = true;
    if (layer->compression && knows_channels(p))
        nncf__usage_width(layer->compression->ctrl, layer, x);
    if (seen && p->input) /* y may be x */
        nncf__seen_take(&layer->seen[0], count, x->data);
    nncf__ctrl_count_samples(layer->model->ctrl, (int64_t)planes.n);
    if (quantizer_of(p) && quantizer_of(p)->binarizer)
        nncf__binarize_start(layer, quantizer_of(p), &planes, x->data);
    nncf__layer_quantize(layer->model->context, quantizer_of(p), &planes, x->data, y->data);
    if (seen && !p->input)
        nncf__seen_take(&layer->seen[1], count, y->data);
    return NNCF_OK;
}

static nncf_status backward(
    const part *p, const nncf_tensor *x, const nncf_tensor *dy, nncf_tensor *dx, nncf_error *err)
{
    const nncf__named tensors[] = {{"x", x}, {"dy", dy}, {"dx", dx}};
    nncf__planes planes;
    if (!x || !dy || !dx)
        return is_null(!x ? "x" : !dy ? "dy" : "dx", err);
    nncf_status status = check_tensors(p, tensors, 3, &planes, err);
    if (status == NNCF_OK)
        status = check_overlap(&tensors[2], &tensors[1], &planes, err);
    if (status == NNCF_OK)
        status = check_overlap(&tensors[2], &tensors[0], &planes, err);
    if (status != NNCF_OK)
        return status;
    nncf_model *model = p->layer->model;
    const size_t count = nncf__planes_count(&planes);
    /* in place it replaces dy */
    const bool adds = (p->layer->gradients & NNCF_GRADIENT_ADD_DX) && dx->data != dy->data;
    if (adds && model->dx.capacity < count * sizeof(float) &&
        nncf__grow(model->context, &model->dx.data, &model->dx.capacity, count * sizeof(float)) !=
            NNCF_OK)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a gradient");
    float *made = adds ? model->dx.data : dx->data;
    nncf__layer_quantize_backward(
        model->context, quantizer_of(p), &planes, x->data, dy->data, made);
    if (adds)
        nncf__gradients_add(model->context, count, made, dx->data);
    return NNCF_OK;
}

/* With tensors in any order. */
static nncf_status forward_in_order(
    const part *p, const nncf_tensor *x, nncf_tensor *y, nncf_error *err)
{
    if (!x || !y || (!nncf__is_strided(x, 1) && !nncf__is_strided(y, 1)))
        return forward(p, x, y, err);
    nncf__strided s = {.model = p->layer->model};
    nncf__strided_add(&s, x, 1, NNCF__READS);
    nncf__strided_add(&s, y, 1, NNCF__WRITES);
    nncf_status status = nncf__strided_begin(&s, err);
    if (status == NNCF_OK)
        status = forward(p, &s.used[0], &s.used[1], err);
    if (status == NNCF_OK)
        nncf__strided_end(&s);
    return status;
}

static nncf_status backward_in_order(
    const part *p, const nncf_tensor *x, const nncf_tensor *dy, nncf_tensor *dx, nncf_error *err)
{
    const bool adds = p->layer->gradients & NNCF_GRADIENT_ADD_DX;
    if (!x || !dy || !dx ||
        (!nncf__is_strided(x, 1) && !nncf__is_strided(dy, 1) && !nncf__is_strided(dx, 1)))
        return backward(p, x, dy, dx, err);
    nncf__strided s = {.model = p->layer->model};
    nncf__strided_add(&s, x, 1, NNCF__READS);
    nncf__strided_add(&s, dy, 1, NNCF__READS);
    nncf__strided_add(&s, dx, 1, adds ? NNCF__READS | NNCF__WRITES : NNCF__WRITES);
    nncf_status status = nncf__strided_begin(&s, err);
    if (status == NNCF_OK)
        status = backward(p, &s.used[0], &s.used[1], &s.used[2], err);
    if (status == NNCF_OK)
        nncf__strided_end(&s);
    return status;
}

nncf_status nncf_layer_quantize_input(
    nncf_layer *layer, const nncf_tensor *x, nncf_tensor *y, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    nncf_status status =
        !layer ? NNCF_E_ARG : forward_in_order(&(part){layer, true}, x, y, &reason);
    return nncf__layer_report(layer, "nncf_layer_quantize_input", status, &reason, err);
}

nncf_status nncf_layer_quantize_output(
    nncf_layer *layer, const nncf_tensor *x, nncf_tensor *y, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    nncf_status status =
        !layer ? NNCF_E_ARG : forward_in_order(&(part){layer, false}, x, y, &reason);
    return nncf__layer_report(layer, "nncf_layer_quantize_output", status, &reason, err);
}

nncf_status nncf_layer_quantize_input_backward(nncf_layer *layer, const nncf_tensor *x,
    const nncf_tensor *dy, nncf_tensor *dx, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    nncf_status status =
        !layer ? NNCF_E_ARG : backward_in_order(&(part){layer, true}, x, dy, dx, &reason);
    return nncf__layer_report(layer, "nncf_layer_quantize_input_backward", status, &reason, err);
}

nncf_status nncf_layer_quantize_output_backward(nncf_layer *layer, const nncf_tensor *x,
    const nncf_tensor *dy, nncf_tensor *dx, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    nncf_status status =
        !layer ? NNCF_E_ARG : backward_in_order(&(part){layer, false}, x, dy, dx, &reason);
    return nncf__layer_report(layer, "nncf_layer_quantize_output_backward", status, &reason, err);
}
