/* SPDX-License-Identifier: Apache-2.0 */
/* Masks of filters, read from a file: one byte for each filter, 0 or 1. */
#include "formats/checkpoint/filters.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "controller/ctrl.h"
#include "controller/shrink.h"
#include "formats/checkpoint/state.h"
#include "formats/safetensors/safetensors.h"
#include "formats/safetensors/tensors.h"
#include "graph/model.h"
#include "pruning/clusters.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/tensor.h>

#include <string.h>

nncf_status nncf__filters_find(const nncf_checkpoint *c, const nncf_compression_ctrl *ctrl,
    const nncf__entry ***masks, nncf_error *err)
{
    nncf__text name = {.context = ctrl->context};
    const nncf__entry **all = nncf__calloc(ctrl->context, ctrl->n_layers, sizeof *all);
    for (size_t i = 0; all && i < ctrl->n_layers && !name.failed; i++) {
        const nncf_layer *layer = ctrl->model->layers[i];
        if (!ctrl->layers[i].filters)
            continue;
        name.length = 0;
        nncf__text_printf(&name, NNCF__FILTERS_FRONT "%s" NNCF__FILTERS_END, layer->scope);
        const nncf__entry *e = name.failed ? NULL : nncf__checkpoint_find(c, name.data);
        if (e && e->dtype == NNCF_U8 && e->ndim == 1 && e->shape[0] == layer->out_channels)
            all[i] = e;
    }
    const bool failed = !all || name.failed;
    nncf__text_free(&name);
    if (failed) {
        nncf__free(ctrl->context, all);
        return nncf__fail(err, NNCF_E_NOMEM, c->path, "out of memory");
    }
    *masks = all;
    return NNCF_OK;
}

/* What the first layer of a cluster has. */
static const uint8_t *first_of(
    const nncf_compression_ctrl *ctrl, const nncf__entry *const *masks, size_t cluster)
{
    const nncf__clusters *clusters = &ctrl->pruning->clusters;
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        const uint8_t *at = masks[i] ? masks[i]->data : NULL;
        for (size_t j = 0; at && j < clusters->outputs[i].count; j++) {
            if (clusters->outputs[i].clusters[j] == cluster)
                return at;
            at += nncf__cluster_of(clusters, i, j)->size;
        }
    }
    return NULL;
}

static nncf_status check_layer(const nncf_checkpoint *c, const nncf_compression_ctrl *ctrl,
    const nncf__entry *const *masks, size_t i, nncf_error *err)
{
    const nncf__clusters *clusters = &ctrl->pruning->clusters;
    const nncf__entry *e = masks[i];
    const uint8_t *at = e ? e->data : NULL;
    for (size_t j = 0; at && j < clusters->outputs[i].count; j++) {
        const nncf__cluster *cluster = nncf__cluster_of(clusters, i, j);
        const size_t n = (size_t)cluster->size;
        const uint8_t *first = first_of(ctrl, masks, clusters->outputs[i].clusters[j]);
        size_t kept = 0;
        for (size_t k = 0; k < n; k++) {
            if (at[k] > 1)
                return nncf__fail(err, NNCF_E_FORMAT, e->name,
                    "%s: \"%.64s\" is no mask of filters: it has a %d", c->path, e->name,
                    (int)at[k]);
            kept += at[k];
        }
        if (kept == 0 || (cluster->keep && first && memcmp(at, first, n) != 0))
            return nncf__fail(err, NNCF_E_FORMAT, e->name,
                kept == 0 ? "%s: \"%.64s\" keeps no filter"
                          : "%s: \"%.64s\" keeps other filters than the layers that it goes with",
                c->path, e->name);
        at += n;
    }
    return NNCF_OK;
}

nncf_status nncf__filters_check(const nncf_checkpoint *c, const nncf_compression_ctrl *ctrl,
    const nncf__entry *const *masks, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    for (size_t i = 0; ctrl->pruning && i < ctrl->n_layers && status == NNCF_OK; i++)
        if (masks[i])
            status = check_layer(c, ctrl, masks, i, err);
    return status;
}

/* Does the file have masks of filters? */
static bool has_masks(const nncf_checkpoint *c)
{
    const size_t front = sizeof NNCF__FILTERS_FRONT - 1, end = sizeof NNCF__FILTERS_END - 1;
    for (size_t i = 0; i < c->n_entries; i++) {
        const char *name = c->entries[i].name;
        const size_t n = strlen(name);
        if (n > front + end && strncmp(name, NNCF__FILTERS_FRONT, front) == 0 &&
            strcmp(name + n - end, NNCF__FILTERS_END) == 0)
            return true;
    }
    return false;
}

bool nncf__filters_take(
    const nncf_checkpoint *c, nncf_compression_ctrl *ctrl, const nncf__entry *const *masks)
{
    const bool removed = nncf_checkpoint_get_text(c, NNCF__REMOVED) != NULL,
               prunes = ctrl->pruning && ctrl->pruning->clusters.n_filters > 0;
    size_t wanted = 0, found = 0;
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        wanted += ctrl->layers[i].filters != NULL;
        found += masks[i] != NULL;
    }
    if (removed)
        return true;
    if (!prunes) {
        if (has_masks(c))
            nncf__log(ctrl->context, NNCF_LOG_WARNING,
                "%s: its masks of filters are not taken over, and filters come over as stored: "
                "remove the pruned ones first, with nncf_compression_ctrl_shrink()",
                c->path);
        return false;
    }
    if (found < wanted || nncf__filters_check(c, ctrl, masks, NULL) != NNCF_OK) {
        nncf__log(ctrl->context, NNCF_LOG_WARNING,
            "%s has masks of filters for %zu of %zu layers: all are made anew, for the level of "
            "epoch %lld",
            c->path, found, wanted, (long long)ctrl->epoch);
        return false;
    }
    for (size_t i = 0; i < ctrl->n_layers; i++)
        if (masks[i])
            memcpy(ctrl->layers[i].filters, masks[i]->data,
                (size_t)ctrl->model->layers[i]->out_channels);
    return true;
}
