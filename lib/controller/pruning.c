/* SPDX-License-Identifier: Apache-2.0 */
/* The masks of filters of a controller. */
#include "controller/pruning.h"

#include "base/alloc.h"
#include "base/error.h"
#include "controller/ctrl.h"
#include "controller/warnings.h"
#include "graph/model.h"
#include "placement/placement.h"
#include "pruning/clusters.h"
#include "pruning/level.h"
#include "pruning/masks.h"
#include "pruning/work.h"
#include "quantization/layer_compression.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>

#include <string.h>

static nncf_status no_memory(nncf_error *err)
{
    return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for the masks of filters");
}

nncf_status nncf__ctrl_start_pruning(
    nncf_compression_ctrl *ctrl, struct nncf__placement *placement, nncf_error *err)
{
    const nncf__pruning_params *params = &placement->pruning->algorithm->pruning;
    ctrl->pruning = nncf__calloc(ctrl->context, 1, sizeof *ctrl->pruning);
    if (!ctrl->pruning)
        return no_memory(err);
    nncf_status status = nncf__pruning_start(
        ctrl->pruning, params, &placement->clusters, placement->setup->input_size, err);
    for (size_t i = 0; i < ctrl->n_layers && status == NNCF_OK; i++) {
        nncf__layer_compression *c = &ctrl->layers[i];
        const nncf_layer *layer = ctrl->model->layers[i];
        const size_t n = (size_t)layer->out_channels;
        if (!ctrl->pruning->clusters.pruned[i])
            continue;
        c->filters = nncf__alloc(ctrl->context, n);
        c->kept_bias = layer->bias ? nncf__calloc(ctrl->context, n, sizeof *c->kept_bias) : NULL;
        if (!c->filters || (layer->bias && !c->kept_bias))
            return no_memory(err);
        memset(c->filters, 1, n);
        c->prunes_norm = params->norms && layer->has_batch_norm;
        c->passes_gradient = !params->zero_grad;
    }
    if (status == NNCF_OK && ctrl->pruning->clusters.n_filters == 0)
        nncf__log(ctrl->context, NNCF_LOG_WARNING,
            "filter_pruning prunes no layer of this model: nncf_plan_create() says why");
    return status;
}

static void free_filters(nncf_compression_ctrl *ctrl)
{
    for (size_t i = 0; ctrl->layers && i < ctrl->n_layers; i++) {
        nncf__free(ctrl->context, ctrl->layers[i].filters);
        nncf__free(ctrl->context, ctrl->layers[i].kept_bias);
        ctrl->layers[i].filters = NULL;
        ctrl->layers[i].kept_bias = NULL;
        ctrl->layers[i].prunes_norm = false;
    }
}

void nncf__ctrl_free_pruning(nncf_compression_ctrl *ctrl)
{
    free_filters(ctrl);
    if (ctrl->pruning)
        nncf__pruning_free(ctrl->pruning);
    nncf__free(ctrl->context, ctrl->pruning);
    ctrl->pruning = NULL;
}

/* From the clusters to the layers. */
static void give_masks(nncf_compression_ctrl *ctrl)
{
    const nncf__clusters *clusters = &ctrl->pruning->clusters;
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        uint8_t *to = ctrl->layers[i].filters;
        for (size_t j = 0; to && j < clusters->outputs[i].count; j++) {
            const nncf__cluster *cluster = nncf__cluster_of(clusters, i, j);
            if (cluster->keep)
                memcpy(to, cluster->keep, (size_t)cluster->size);
            to += cluster->size;
        }
    }
}

static void set_epoch(nncf_compression_ctrl *ctrl)
{
    nncf__pruning *p = ctrl->pruning;
    if (p->by_hand) {
        p->frozen = true;
        return;
    }
    p->level = nncf__pruning_level(&p->params, ctrl->epoch);
    p->frozen = nncf__pruning_frozen(&p->params, ctrl->epoch);
}

/* Masks for the level. */
static void make_masks(nncf_compression_ctrl *ctrl)
{
    nncf__pruning *p = ctrl->pruning;
    if (!nncf__pruning_make_masks(p))
        nncf__log(ctrl->context, NNCF_LOG_WARNING,
            "filter_pruning cannot remove %g of the operations: it prunes as much as it may; more "
            "layers can be pruned with prune_first_conv and prune_downsample_convs",
            p->level);
    give_masks(ctrl);
}

void nncf__ctrl_prune(nncf_compression_ctrl *ctrl)
{
    if (!ctrl->pruning || ctrl->pruning->removed)
        return;
    set_epoch(ctrl);
    make_masks(ctrl);
}

void nncf__ctrl_prune_to(nncf_compression_ctrl *ctrl, double level)
{
    ctrl->pruning->level = level;
    ctrl->pruning->by_hand = ctrl->pruning->frozen = true;
    make_masks(ctrl);
}

bool nncf__ctrl_prune_epoch(nncf_compression_ctrl *ctrl)
{
    if (!ctrl->pruning || ctrl->pruning->removed)
        return false;
    if (ctrl->pruning->frozen) {
        set_epoch(ctrl);
        return false;
    }
    nncf__ctrl_prune(ctrl);
    return true;
}

void nncf__ctrl_filters_restored(nncf_compression_ctrl *ctrl)
{
    nncf__pruning *p = ctrl->pruning;
    if (!p || p->removed)
        return;
    set_epoch(ctrl);
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        const uint8_t *from = ctrl->layers[i].filters;
        for (size_t j = 0; from && j < p->clusters.outputs[i].count; j++) {
            nncf__cluster *cluster = nncf__cluster_of(&p->clusters, i, j);
            if (cluster->keep)
                memcpy(cluster->keep, from, (size_t)cluster->size);
            from += cluster->size;
        }
    }
    for (size_t i = 0; i < p->clusters.count; i++) {
        nncf__cluster *cluster = &p->clusters.items[i];
        if (!cluster->keep)
            continue;
        cluster->kept = 0;
        for (size_t j = 0; j < (size_t)cluster->size; j++)
            cluster->kept += cluster->keep[j];
    }
    give_masks(ctrl); /* layers of one cluster agree, whatever was read */
}

void nncf__ctrl_work(const nncf_compression_ctrl *ctrl, nncf__work *before, nncf__work *left)
{
    nncf__pruning *p = ctrl->pruning;
    *before = *left = (nncf__work){0};
    if (!p)
        return;
    nncf__pixels_of(ctrl->model, p->input_size, p->pixels);
    nncf__work_of(&p->clusters, p->pixels, false, before);
    nncf__work_of(&p->clusters, p->pixels, true, left);
    if (p->removed)
        *before = (nncf__work){p->before[0], p->before[1], p->before[2]};
}

void nncf__ctrl_end_pruning(nncf_compression_ctrl *ctrl, char *removed)
{
    nncf__pruning *p = ctrl->pruning;
    free_filters(ctrl);
    nncf__free(ctrl->context, p->removed);
    p->removed = removed;
    for (size_t i = 0; i < p->clusters.count; i++) {
        nncf__cluster *cluster = &p->clusters.items[i];
        if (cluster->keep)
            cluster->size = (int64_t)cluster->kept;
        cluster->keep = NULL;
        cluster->kept = (size_t)cluster->size;
    }
    for (size_t i = 0; i < ctrl->n_layers; i++)
        p->clusters.pruned[i] = false;
    p->clusters.n_filters = 0;
    set_epoch(ctrl);
    p->frozen = true;
}
