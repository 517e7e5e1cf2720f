/* SPDX-License-Identifier: Apache-2.0 */
/* Creating and destroying a model; what all registrations share. The kinds of layers are in
 * register.c. */
#include "graph/model.h"

#include "base/alloc.h"
#include "base/error.h"
#include "context/context.h"
#include "graph/index.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>

nncf_status nncf_model_create(nncf_context *context, nncf_model **model, nncf_error *err)
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
    *model = m;
    return NNCF_OK;
}

void nncf__layer_forget(nncf_layer *layer)
{
    for (size_t i = 0; i < sizeof layer->blocks / sizeof *layer->blocks; i++)
        layer->blocks[i].kind = NULL;
    layer->ready_for_backward = false;
}

void nncf__layer_free(nncf_context *context, nncf_layer *layer)
{
    if (!layer)
        return;
    nncf__buffer *buffers[] = {&layer->wq, &layer->xq, &layer->z, &layer->channel};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        nncf__free(context, buffers[i]->data);
    nncf__free(context, layer->inputs);
    nncf__free(context, layer->scope);
    nncf__free(context, layer->norm_scope);
    nncf__free(context, layer->activation_scope);
    nncf__free(context, layer);
}

void nncf_model_destroy(nncf_model *model)
{
    if (!model)
        return;
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
    nncf__free(context, model);
    if (owns_context)
        nncf_context_destroy(context);
}

nncf_status nncf_model_set_mode(nncf_model *model, int32_t mode, nncf_error *err)
{
    if (!model)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_model_set_mode: model is NULL");
    if (mode != NNCF_MODE_TRAIN && mode != NNCF_MODE_EVAL)
        return nncf__fail(err, NNCF_E_ARG, NULL, "mode is %d, none of NNCF_MODE_...", (int)mode);
    model->mode = mode;
    return NNCF_OK;
}

int32_t nncf_model_get_mode(const nncf_model *model)
{
    return model ? model->mode : -1;
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
