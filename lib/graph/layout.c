/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layout is a stride for each size of the weight and the place of its first element. Elements are
 * visited in the order of weight_shape, so the layer's copy is read and written from front to back.
 */
#include "graph/layout.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/error.h"
#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/layer.h>
#include <nncf/model.h>

#include <stdint.h>
#include <string.h>

/* ---- copies ---- */

/* The host's place of element i of the weight. */
static int64_t place_of(const nncf_layer *layer, size_t i)
{
    int64_t at = layer->layout.first;
    for (int32_t d = layer->weight_ndim - 1; d >= 0; d--) {
        const size_t size = (size_t)layer->weight_shape[d];
        at += (int64_t)(i % size) * layer->layout.strides[d];
        i /= size;
    }
    return at;
}

/* Row by row of the last size. */
static void copy(const nncf_layer *layer, float *weight, float *host, bool to_host)
{
    const int32_t last = layer->weight_ndim - 1;
    const size_t row = (size_t)layer->weight_shape[last];
    const int64_t stride = layer->layout.strides[last];
    for (size_t i = 0; i < layer->weight_count; i += row) {
        float *at = host + place_of(layer, i);
        for (size_t j = 0; j < row && to_host; j++)
            at[(int64_t)j * stride] = weight[i + j];
        for (size_t j = 0; j < row && !to_host; j++)
            weight[i + j] = at[(int64_t)j * stride];
    }
}

void nncf__layer_gather(const nncf_layer *layer, const float *host, float *weight)
{
    copy(layer, weight, (float *)(uintptr_t)host, false);
}

void nncf__layer_scatter(const nncf_layer *layer, const float *weight, float *host)
{
    copy(layer, (float *)(uintptr_t)weight, host, true);
}

void nncf__layer_pull_weight(const nncf_layer *layer)
{
    if (layer->has_layout)
        nncf__layer_gather(layer, layer->layout.weight, layer->weight);
}

void nncf__model_pull_weights(const nncf_model *model)
{
    for (size_t i = 0; i < model->n_layers; i++)
        nncf__layer_pull_weight(model->layers[i]);
}

void nncf__layer_pull_gradient(const nncf_layer *layer)
{
    if (layer->has_layout && layer->weight_grad)
        nncf__layer_gather(layer, layer->layout.weight_grad, layer->weight_grad);
}

void nncf__layer_push_gradient(const nncf_layer *layer)
{
    if (layer->has_layout && layer->weight_grad)
        nncf__layer_scatter(layer, layer->weight_grad, layer->layout.weight_grad);
}

void nncf__layer_push_weight(const nncf_layer *layer)
{
    if (layer->has_layout)
        nncf__layer_scatter(layer, layer->weight, layer->layout.weight);
}

size_t nncf__layer_place(const nncf_layer *layer, size_t i)
{
    return layer->has_layout ? (size_t)place_of(layer, i) : i;
}

const float *nncf__layer_host_weight(const nncf_layer *layer)
{
    return layer->has_layout ? layer->layout.weight : layer->weight;
}

size_t nncf__layer_host_span(const nncf_layer *layer)
{
    return layer->has_layout ? layer->layout.span : layer->weight_count;
}

/* ---- a layout ---- */

/* The sizes of the weight from the outermost in memory to the innermost. */
static void order_of(const nncf_layer *layer, int32_t order, int32_t dims[NNCF__MAX_WEIGHT_NDIM])
{
    const int32_t n = layer->weight_ndim;
    int32_t at = 0;
    dims[0] = 0;
    if (n < 2) /* a vector */
        return;
    if (order != NNCF_WEIGHT_RSCK)
        dims[at++] = 0;
    if (order == NNCF_WEIGHT_KCRS)
        dims[at++] = 1;
    for (int32_t d = 2; d < n; d++)
        dims[at++] = d;
    if (order != NNCF_WEIGHT_KCRS)
        dims[at++] = 1;
    if (order == NNCF_WEIGHT_RSCK)
        dims[at++] = 0;
}

static nncf_status make_layout(const nncf_layer *layer, const nncf_weight_layout_params *p,
    nncf__weight_layout *layout, nncf_error *err)
{
    int32_t dims[NNCF__MAX_WEIGHT_NDIM] = {0};
    const int32_t n = layer->weight_ndim;
    size_t stride = 1;
    order_of(layer, p->order, dims);
    layout->first = 0;
    layout->span = 1;
    for (int32_t i = n - 1; i >= 0; i--) {
        const int32_t d = dims[i];
        const size_t size = (size_t)layer->weight_shape[d];
        if (i == 0 && p->row_stride != 0) {
            if (p->row_stride < (int64_t)stride)
                return nncf__fail(err, NNCF_E_ARG, NULL,
                    "row_stride is %lld, a row of the weight has %zu elements",
                    (long long)p->row_stride, stride);
            stride = (size_t)p->row_stride;
        }
        size_t reach;
        if (!nncf__mul(stride, size, &reach) || reach > INT64_MAX / sizeof(float))
            return nncf__fail(err, NNCF_E_LIMIT, NULL,
                "row_stride is %lld: the weight would be larger than memory",
                (long long)p->row_stride);
        layout->strides[d] = (int64_t)stride;
        layout->span += stride * (size - 1);
        if (d >= 2 && p->turned) { /* from its last element back */
            layout->first += (int64_t)(stride * (size - 1));
            layout->strides[d] = -(int64_t)stride;
        }
        stride = reach;
    }
    return NNCF_OK;
}

static nncf_status check_params(
    const nncf_layer *layer, const nncf_weight_layout_params *p, nncf_error *err)
{
    if (layer->weight_count == 0)
        return nncf__fail(err, NNCF_E_ARG, NULL, "the layer has no weight");
    if (layer->tied_to || layer->n_tied > 0)
        return nncf__fail(err, NNCF_E_UNSUPPORTED, NULL,
            "its weight is tied to that of another layer, and lies in the library's order for "
            "both");
    if (p->order < NNCF_WEIGHT_KCRS || p->order > NNCF_WEIGHT_KRSC)
        return nncf__fail(
            err, NNCF_E_ARG, NULL, "order is %d, none of NNCF_WEIGHT_...", (int)p->order);
    if (p->turned != 0 && p->turned != 1)
        return nncf__fail(err, NNCF_E_ARG, NULL, "turned is %d, it must be 0 or 1", (int)p->turned);
    if (p->turned && (layer->attributes.flags & NNCF_OP_FLAG_KERNEL_TURNED))
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "turned is 1, and the operator has NNCF_OP_FLAG_KERNEL_TURNED: the kernel would be "
            "turned twice; leave one of them out");
    if (layer->model->ctrl)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the model has a controller, whose masks and ranges are those of the weight before: "
            "call this before it is made");
    return NNCF_OK;
}

/* The layer's copies of weight and gradient. */
static nncf_status make_copies(nncf_layer *layer, nncf_error *err)
{
    nncf_context *context = layer->model->context;
    const size_t n = layer->weight_count;
    float *weight = nncf__calloc(context, n, sizeof *weight);
    float *gradient = layer->weight_grad ? nncf__calloc(context, n, sizeof *gradient) : NULL;
    if (!weight || (layer->weight_grad && !gradient)) {
        nncf__free(context, weight);
        nncf__free(context, gradient);
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a copy of the weight");
    }
    layer->layout.weight = layer->weight;
    layer->layout.weight_grad = layer->weight_grad;
    layer->weight = weight;
    layer->weight_grad = gradient;
    layer->has_layout = true;
    return NNCF_OK;
}

/* The host's buffers are used as they are again. */
static void drop_copies(nncf_layer *layer)
{
    nncf_context *context = layer->model->context;
    if (!layer->has_layout)
        return;
    nncf__free(context, layer->weight);
    nncf__free(context, layer->weight_grad);
    layer->weight = layer->layout.weight;
    layer->weight_grad = layer->layout.weight_grad;
    layer->has_layout = false;
}

/* Is each element where weight_shape says? The stride of a size of 1 is never used. */
static bool is_plain(const nncf_layer *layer, const nncf__weight_layout *layout)
{
    int64_t stride = 1;
    for (int32_t d = layer->weight_ndim - 1; d >= 0; d--) {
        if (layer->weight_shape[d] > 1 && layout->strides[d] != stride)
            return false;
        stride *= layer->weight_shape[d];
    }
    return true;
}

static nncf_status set_weight_layout(
    nncf_layer *layer, const nncf_weight_layout_params *params, nncf_error *err)
{
    nncf_weight_layout_params p = {NNCF_PARAMS(nncf_weight_layout_params)};
    nncf_status status = NNCF_OK;
    if (params)
        status = nncf__params_copy(&p, sizeof p, params, "nncf_weight_layout_params", err);
    if (status == NNCF_OK)
        status = check_params(layer, &p, err);
    nncf__weight_layout layout = layer->layout;
    if (status == NNCF_OK)
        status = make_layout(layer, &p, &layout, err);
    const bool plain = status == NNCF_OK && is_plain(layer, &layout);
    if (status == NNCF_OK && !plain && !layer->has_layout)
        status = make_copies(layer, err);
    if (status != NNCF_OK)
        return status;
    if (plain)
        drop_copies(layer);
    memcpy(layer->layout.strides, layout.strides, sizeof layout.strides);
    layer->layout.first = layout.first;
    layer->layout.span = layout.span;
    nncf__layer_forget(layer);
    return NNCF_OK;
}

nncf_status nncf_layer_set_weight_layout(
    nncf_layer *layer, const nncf_weight_layout_params *params, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    if (!layer)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_layer_set_weight_layout: layer is NULL");
    return nncf__report(layer->model->context, "nncf_layer_set_weight_layout", layer->scope,
        set_weight_layout(layer, params, &reason), &reason, err);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_weight_layout_params, )
