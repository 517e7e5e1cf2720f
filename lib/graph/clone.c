/* SPDX-License-Identifier: Apache-2.0 */
/* A layer is copied as a struct; what it owns, and where it points into its model, is made again.
 */
#include "graph/clone.h"

#include "base/alloc.h"
#include "graph/index.h"
#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/layer.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <string.h>

static bool copy_text(nncf_context *context, const char *from, char **to)
{
    const size_t n = from ? strlen(from) + 1 : 0;
    *to = n > 0 ? nncf__alloc(context, n) : NULL;
    if (*to)
        memcpy(*to, from, n);
    return n == 0 || *to;
}

static bool copy_floats(nncf_context *context, const float *from, size_t n, float **to)
{
    *to = from ? nncf__alloc(context, n * sizeof **to) : NULL;
    if (*to)
        memcpy(*to, from, n * sizeof **to);
    return !from || *to;
}

/* What nncf__layer_free() gives back; all of it is set, so that it can be called after a failure.
 */
static bool own(nncf_context *context, const nncf_layer *from, nncf_layer *l)
{
    bool ok = copy_text(context, from->scope, &l->scope);
    ok = copy_text(context, from->norm_scope, &l->norm_scope) && ok;
    ok = copy_text(context, from->activation_scope, &l->activation_scope) && ok;
    if (l->has_layout) {
        ok = copy_floats(context, from->weight, from->weight_count, &l->weight) && ok;
        ok = copy_floats(context, from->weight_grad, from->weight_count, &l->weight_grad) && ok;
    }
    l->inputs = NULL;
    if (from->n_inputs > 0)
        l->inputs = nncf__calloc(context, from->n_inputs, sizeof *l->inputs);
    return ok && (from->n_inputs == 0 || l->inputs);
}

/* Layers read layers that were registered before. */
static nncf_status clone_layer(nncf_model *clone, const nncf_layer *from)
{
    nncf_layer *l = nncf__alloc(clone->context, sizeof *l);
    if (!l)
        return NNCF_E_NOMEM;
    *l = *from;
    l->model = clone;
    l->compression = NULL;
    l->uses = NULL;
    l->n_uses = l->use = 0;
    l->now = (nncf__use){0};
    memset(l->blocks, 0, sizeof l->blocks);
    l->preparations = 0;
    const bool ok = own(clone->context, from, l) &&
        (from->n_uses == 0 || nncf_layer_set_uses(l, from->n_uses, NULL) == NNCF_OK);
    if (!ok) {
        nncf__layer_free(clone->context, l);
        return NNCF_E_NOMEM;
    }
    for (size_t i = 0; i < from->n_inputs; i++)
        l->inputs[i] = clone->layers[from->inputs[i]->index];
    if (from->tied_to)
        l->tied_to = clone->layers[from->tied_to->index];
    clone->layers[clone->n_layers++] = l;
    nncf__index_add(&clone->index, l);
    return NNCF_OK;
}

nncf_status nncf__model_clone(const nncf_model *model, nncf_context *context, nncf_model **clone)
{
    nncf_model *m = nncf__calloc(context, 1, sizeof *m);
    if (!m)
        return NNCF_E_NOMEM;
    m->context = context;
    m->mode = model->mode;
    m->memory = model->memory;
    m->gradients = model->gradients;
    m->frozen_policy = model->frozen_policy;
    m->first_row = -1;
    m->layers_capacity = model->layers_capacity;
    m->layers = nncf__calloc(context, m->layers_capacity, sizeof *m->layers);
    nncf_status status = m->layers && nncf__index_reserve(&m->index, context, m->layers_capacity)
        ? NNCF_OK
        : NNCF_E_NOMEM;
    for (size_t i = 0; i < model->n_layers && status == NNCF_OK; i++)
        status = clone_layer(m, model->layers[i]);
    if (status == NNCF_OK)
        *clone = m;
    else
        nncf_model_destroy(m);
    return status;
}
