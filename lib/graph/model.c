/* SPDX-License-Identifier: Apache-2.0 */
/* Creating and destroying a model; what all registrations share. The kinds of layers are in
 * register.c. */
#include "graph/model.h"

#include "base/alloc.h"
#include "base/error.h"
#include "context/context.h"
#include "graph/index.h"
#include "graph/uses.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>

static nncf_status create(nncf_context *context, nncf_model **model, nncf_error *err)
{
    if (!model)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_model_create: model must not be NULL");
    nncf_context *own = NULL;
    if (!context) {
        nncf_status status = nncf__context_default(&own, err);
        if (status != NNCF_OK)
            return status;
        context = own;
    }
    nncf_model *m = nncf__calloc(context, 1, sizeof *m);
    if (!m) {
        nncf_context_destroy(own);
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a model");
    }
    m->context = context;
    m->owns_context = own != NULL;
    m->mode = NNCF_MODE_TRAIN;
    m->first_row = -1;
    *model = m;
    return NNCF_OK;
}

nncf_status nncf_model_create(nncf_context *context, nncf_model **model, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = create(context, model, &reason);
    return nncf__report(context, "nncf_model_create", NULL, status, &reason, err);
}

void nncf__layer_forget(nncf_layer *layer)
{
    for (size_t i = 0; i < sizeof layer->blocks / sizeof *layer->blocks; i++)
        layer->blocks[i].kind = NULL;
    nncf__layer_drop_state(layer);
    layer->now.used = (nncf__used_mask){0};
    for (size_t i = 0; i < layer->n_uses; i++)
        layer->uses[i].used = (nncf__used_mask){0};
}

static void empty(nncf__use *use, nncf_context *context)
{
    nncf__use_free(use, context);
    use->wq = use->xq = use->z = use->channel = (nncf__buffer){0};
}

void nncf__layer_forget_all(nncf_layer *layer)
{
    nncf__layer_forget(layer);
    empty(&layer->now, layer->model->context);
    for (size_t i = 0; i < layer->n_uses; i++)
        if (i != layer->use)
            empty(&layer->uses[i], layer->model->context);
}

void nncf__layer_drop_state(nncf_layer *layer)
{
    layer->now.ready_for_backward = false;
    for (size_t i = 0; i < layer->n_uses; i++)
        layer->uses[i].ready_for_backward = false;
}

void nncf__layer_free(nncf_context *context, nncf_layer *layer)
{
    if (!layer)
        return;
    nncf__uses_free(layer, context);
    nncf__use_free(&layer->now, context);
    if (layer->has_layout) {
        nncf__free(context, layer->weight);
        nncf__free(context, layer->weight_grad);
    }
    nncf__free(context, layer->inputs);
    nncf__free(context, layer->scope);
    nncf__free(context, layer->norm_scope);
    nncf__free(context, layer->activation_scope);
    nncf__free(context, layer);
}

void nncf__model_truncate(nncf_model *model, size_t n)
{
    if (n == model->n_layers)
        return;
    while (model->n_layers > n) {
        nncf_layer *layer = model->layers[--model->n_layers];
        for (size_t i = 0; i < layer->n_inputs; i++)
            layer->inputs[i]->n_consumers--;
        if (layer->tied_to)
            layer->tied_to->n_tied--;
        nncf__layer_free(model->context, layer);
    }
    nncf__index_clear(&model->index);
    for (size_t i = 0; i < n; i++)
        nncf__index_add(&model->index, model->layers[i]);
}

void nncf_model_destroy(nncf_model *model)
{
    if (!model)
        return;
    if (model->release)
        model->release(model);
    if (model->ctrl)
        model->detach(model->ctrl); /* may take over the context that the model owns */
    nncf_context *context = model->context;
    bool owns_context = model->owns_context;
    for (size_t i = 0; i < model->n_layers; i++)
        nncf__layer_free(context, model->layers[i]);
    nncf__free(context, model->layers);
    nncf__free(context, (void *)model->index.by_scope);
    nncf__free(context, model->work.data);
    nncf__free(context, model->dw.data);
    nncf__free(context, model->dx.data);
    nncf__free(context, model->ordered.data);
    nncf__free(context, model);
    if (owns_context)
        nncf_context_destroy(context);
}

static nncf_status set_mode(nncf_model *model, int32_t mode, nncf_error *err)
{
    if (!model)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_model_set_mode: model is NULL");
    if (mode != NNCF_MODE_TRAIN && mode != NNCF_MODE_EVAL && mode != NNCF_MODE_TUNE)
        return nncf__fail(err, NNCF_E_ARG, NULL, "mode is %d, none of NNCF_MODE_...", (int)mode);
    model->mode = mode;
    return NNCF_OK;
}

nncf_status nncf_model_set_mode(nncf_model *model, int32_t mode, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = set_mode(model, mode, &reason);
    return nncf__report(
        model ? model->context : NULL, "nncf_model_set_mode", NULL, status, &reason, err);
}

int32_t nncf_model_get_mode(const nncf_model *model)
{
    return model ? model->mode : -1;
}

static nncf_status set_frozen_policy(nncf_model *model, int32_t policy, nncf_error *err)
{
    if (!model)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_model_set_frozen_policy: model is NULL");
    if (policy < NNCF_FROZEN_WARN || policy > NNCF_FROZEN_LEAVE)
        return nncf__fail(
            err, NNCF_E_ARG, NULL, "policy is %d, none of NNCF_FROZEN_...", (int)policy);
    if (model->ctrl)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the model has a controller, which has decided that: call this before it is made");
    model->frozen_policy = policy;
    return NNCF_OK;
}

nncf_status nncf_model_set_frozen_policy(nncf_model *model, int32_t policy, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = set_frozen_policy(model, policy, &reason);
    return nncf__report(
        model ? model->context : NULL, "nncf_model_set_frozen_policy", NULL, status, &reason, err);
}

static nncf_status set_memory_policy(nncf_model *model, int32_t policy, nncf_error *err)
{
    if (!model)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_model_set_memory_policy: model is NULL");
    if (policy != NNCF_MEMORY_FAST && policy != NNCF_MEMORY_SMALL)
        return nncf__fail(
            err, NNCF_E_ARG, NULL, "policy is %d, none of NNCF_MEMORY_...", (int)policy);
    model->memory = policy;
    for (size_t i = 0; i < model->n_layers; i++) {
        nncf_layer *layer = model->layers[i];
        if (layer->memory == policy)
            continue;
        layer->memory = policy;
        nncf__layer_forget(layer);
    }
    return NNCF_OK;
}

nncf_status nncf_model_set_memory_policy(nncf_model *model, int32_t policy, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = set_memory_policy(model, policy, &reason);
    return nncf__report(
        model ? model->context : NULL, "nncf_model_set_memory_policy", NULL, status, &reason, err);
}

int32_t nncf_model_get_memory_policy(const nncf_model *model)
{
    return model ? model->memory : -1;
}

size_t nncf_model_get_layer_count(const nncf_model *model)
{
    return model ? model->n_layers : 0;
}

nncf_layer *nncf_model_get_layer(const nncf_model *model, size_t index)
{
    return model && index < model->n_layers ? model->layers[index] : NULL;
}

nncf_layer *nncf_model_find_layer(const nncf_model *model, const char *scope)
{
    if (!model || !scope)
        return NULL;
    return nncf__index_find(&model->index, scope);
}

const char *nncf_layer_get_scope(const nncf_layer *layer)
{
    return layer ? layer->scope : NULL;
}

int32_t nncf_layer_get_op(const nncf_layer *layer)
{
    return layer ? layer->op : -1;
}

size_t nncf_layer_get_input_count(const nncf_layer *layer)
{
    return layer ? layer->n_inputs : 0;
}

nncf_layer *nncf_layer_get_input(const nncf_layer *layer, size_t index)
{
    return layer && index < layer->n_inputs ? layer->inputs[index] : NULL;
}
