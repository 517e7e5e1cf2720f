/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer that runs several times in a step: each use has a workspace of its own, and the layer
 * holds that of the selected one. Selecting exchanges them; nothing else of the library knows that
 * there are others.
 */
#include "graph/uses.h"

#include "base/alloc.h"
#include "base/error.h"
#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/layer.h>

enum { MAX_USES = 65536 };

void nncf__use_free(nncf__use *use, nncf_context *context)
{
    void *parts[] = {use->wq.data, use->xq.data, use->z.data, use->channel.data};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        nncf__free(context, parts[i]);
}

void nncf__uses_free(nncf_layer *layer, nncf_context *context)
{
    for (size_t i = 0; i < layer->n_uses; i++)
        if (i != layer->use)
            nncf__use_free(&layer->uses[i], context);
    nncf__free(context, layer->uses);
    layer->uses = NULL;
    layer->n_uses = layer->use = 0;
}

static nncf_status set_uses(nncf_layer *layer, size_t n, nncf_error *err)
{
    nncf_context *context = layer->model->context;
    nncf__use *uses = NULL;
    if (n == 0 || n > MAX_USES)
        return nncf__fail(err, n ? NNCF_E_LIMIT : NNCF_E_ARG, NULL,
            "n is %zu; a layer has 1 to %d uses", n, MAX_USES);
    if (n > 1 && !(uses = nncf__calloc(context, n, sizeof *uses)))
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for %zu uses", n);
    nncf__uses_free(layer, context);
    layer->uses = uses;
    layer->n_uses = uses ? n : 0;
    nncf__layer_drop_state(layer);
    return NNCF_OK;
}

nncf_status nncf_layer_set_uses(nncf_layer *layer, size_t n, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    if (!layer)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_layer_set_uses: layer is NULL");
    return nncf__report(layer->model->context, "nncf_layer_set_uses", layer->scope,
        set_uses(layer, n, &reason), &reason, err);
}

static nncf_status select_use(nncf_layer *layer, size_t use, nncf_error *err)
{
    const size_t n = layer->n_uses ? layer->n_uses : 1;
    if (use >= n)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "use is %zu; the layer has %zu: say how many there are with nncf_layer_set_uses()", use,
            n);
    if (use != layer->use) {
        layer->uses[layer->use] = layer->now;
        layer->now = layer->uses[use];
        layer->use = use;
    }
    return NNCF_OK;
}

nncf_status nncf_layer_select_use(nncf_layer *layer, size_t use, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    if (!layer)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_layer_select_use: layer is NULL");
    return nncf__report(layer->model->context, "nncf_layer_select_use", layer->scope,
        select_use(layer, use, &reason), &reason, err);
}
