/* SPDX-License-Identifier: Apache-2.0 */
/* The gradient buffers of a model and of its controller, in the order in which backward finishes
 * them. */
#include "parallel/gradient_list.h"

#include "base/error.h"
#include "binarization/binarizer.h"
#include "graph/layout.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/model.h>
#include <nncf/parallel.h>

#include <math.h>
#include <string.h>

static void put(nncf__layer_gradients *list, nncf_layer *layer, nncf_gradient_kind kind,
    float *data, size_t count)
{
    if (data && count > 0)
        list->items[list->count++] = (nncf_gradient){.struct_size = sizeof(nncf_gradient),
            .layer = layer,
            .name = layer->scope,
            .data = data,
            .count = count,
            .kind = kind};
}

static void put_parameter(
    nncf__layer_gradients *list, nncf_layer *layer, const char *name, float *data, size_t count)
{
    const size_t before = list->count;
    put(list, layer, NNCF_GRADIENT_OF_PARAMETER, data, count);
    if (list->count > before)
        list->items[before].name = name;
}

void nncf__layer_gradients_of(nncf_layer *l, nncf__layer_gradients *list)
{
    const nncf__layer_compression *c = l->compression;
    const size_t channels = (size_t)l->out_channels, size = (size_t)l->norm.size;
    list->count = 0;
    if (!l->tied_to) {
        put(list, l, NNCF_GRADIENT_OF_WEIGHT,
            l->has_layout ? l->layout.weight_grad : l->weight_grad, l->weight_count);
        if (list->count > 0)
            list->items[0].has_gaps = nncf__layer_host_span(l) != l->weight_count;
    }
    if (l->weight_count > 0)
        put(list, l, NNCF_GRADIENT_OF_BIAS, l->bias_grad, channels);
    if (l->has_batch_norm) {
        put(list, l, NNCF_GRADIENT_OF_NORM_WEIGHT, l->batch_norm.weight_grad, channels);
        put(list, l, NNCF_GRADIENT_OF_NORM_BIAS, l->batch_norm.bias_grad, channels);
    }
    put(list, l, NNCF_GRADIENT_OF_NORM_WEIGHT, l->norm.weight_grad, size);
    put(list, l, NNCF_GRADIENT_OF_NORM_BIAS, l->norm.bias_grad, size);
    if (!c)
        return;
    if (c->mask_kind == NNCF__MASK_RB)
        put_parameter(list, l, c->logit_name, c->logit_grad, l->weight_count);
    for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
        const nncf__quantizer *q = nncf__layer_own_quantizer(c, j);
        if (!q || (q->binarizer && q->is_weight)) /* its scale is not trained */
            continue;
        put_parameter(list, l, q->name, q->bound_grad, q->channels);
        put_parameter(list, l, q->length_name, q->length_grad, q->channels);
        if (q->binarizer)
            put_parameter(list, l, q->binarizer->threshold_name, q->binarizer->threshold_grad,
                q->binarizer->channels);
    }
}

/* ---- the calls ---- */

/* Gradients from `first` on; each call returns the next one, or NULL. */
typedef struct cursor {
    const nncf_model *model;
    /* layers that are left, the present one not counted */
    size_t left;
    nncf__layer_gradients list;
    size_t at;
} cursor;

static const nncf_gradient *next(cursor *c)
{
    while (c->at == c->list.count) {
        if (c->left == 0)
            return NULL;
        nncf__layer_gradients_of(c->model->layers[--c->left], &c->list);
        c->at = 0;
    }
    return &c->list.items[c->at++];
}

static const nncf_gradient *first_of(cursor *c, const nncf_model *model, size_t first)
{
    c->model = model;
    c->left = model->n_layers;
    c->at = c->list.count = 0;
    for (size_t i = 0; i < first; i++)
        if (!next(c))
            return NULL;
    return next(c);
}

size_t nncf_model_get_gradient_count(const nncf_model *model)
{
    nncf__layer_gradients list;
    size_t count = 0;
    for (size_t i = 0; model && i < model->n_layers; i++) {
        nncf__layer_gradients_of(model->layers[i], &list);
        count += list.count;
    }
    return count;
}

nncf_status nncf_model_get_gradient(
    const nncf_model *model, size_t index, nncf_gradient *gradient, nncf_error *err)
{
    cursor c;
    if (!model)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_model_get_gradient: model is NULL");
    const nncf_gradient *g = first_of(&c, model, index);
    if (!g)
        return nncf__fail(err, NNCF_E_NOTFOUND, NULL, "gradient %zu: the model has %zu", index,
            nncf_model_get_gradient_count(model));
    return nncf__result_give(gradient, g, sizeof *gradient, "nncf_gradient", err);
}

static nncf_status check_part(
    const nncf_model *model, size_t first, size_t n, const float *values, nncf_error *err)
{
    const size_t count = nncf_model_get_gradient_count(model);
    if (n > count || first > count - n)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "gradients %zu to %zu: the model has %zu; count anew when a controller was made", first,
            first + n, count);
    if (n > 0 && !values)
        return nncf__fail(err, NNCF_E_ARG, NULL, "values is NULL");
    return NNCF_OK;
}

static nncf_status pack(
    const nncf_model *model, size_t first, size_t n, float *values, nncf_error *err)
{
    cursor c;
    if (!model)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_model_pack_gradients: model is NULL");
    const nncf_status status = check_part(model, first, n, values, err);
    if (status != NNCF_OK || n == 0)
        return status;
    const nncf_gradient *g = first_of(&c, model, first);
    for (size_t i = 0; i < n; i++, g = next(&c)) {
        if (g->has_gaps)
            nncf__layer_gather(g->layer, g->data, values);
        else
            memcpy(values, g->data, g->count * sizeof *values);
        values += g->count;
    }
    return NNCF_OK;
}

nncf_status nncf_model_pack_gradients(
    const nncf_model *model, size_t first, size_t n, float *values, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = pack(model, first, n, values, &reason);
    return nncf__report(
        model ? model->context : NULL, "nncf_model_pack_gradients", NULL, status, &reason, err);
}

static void multiply(size_t n, const float *x, double factor, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)((double)x[i] * factor);
}

static nncf_status unpack(
    nncf_model *model, size_t first, size_t n, const float *values, double factor, nncf_error *err)
{
    cursor c;
    if (!model)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_model_unpack_gradients: model is NULL");
    if (!isfinite(factor))
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "factor is %g; it must be finite: 1 / size for the mean of a sum over ranks", factor);
    const nncf_status status = check_part(model, first, n, values, err);
    if (status != NNCF_OK || n == 0)
        return status;
    const nncf_gradient *g = first_of(&c, model, first);
    for (size_t i = 0; i < n; i++, g = next(&c)) {
        if (g->has_gaps) { /* by the layer's copy, which the next backward takes anew */
            multiply(g->count, values, factor, g->layer->weight_grad);
            nncf__layer_push_gradient(g->layer);
        } else {
            multiply(g->count, values, factor, g->data);
        }
        values += g->count;
    }
    return NNCF_OK;
}

nncf_status nncf_model_unpack_gradients(
    nncf_model *model, size_t first, size_t n, const float *values, double factor, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = unpack(model, first, n, values, factor, &reason);
    return nncf__report(
        model ? model->context : NULL, "nncf_model_unpack_gradients", NULL, status, &reason, err);
}
