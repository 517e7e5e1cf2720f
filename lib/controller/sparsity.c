/* SPDX-License-Identifier: Apache-2.0 */
/* The masks of a controller: made, renewed, frozen, counted. The algorithms are in sparsity/. */
#include "controller/sparsity.h"

#include "config/canonical.h"
#include "controller/ctrl.h"
#include "controller/pruning.h"
#include "controller/stages.h"
#include "controller/weight.h"
#include "graph/layout.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "sparsity/magnitude.h"
#include "sparsity/masked_layers.h"
#include "sparsity/rb.h"
#include "sparsity/schedule.h"
#include "sparsity/structure.h"

#include <nncf/base.h>
#include <nncf/ctrl.h>

nncf__masked_layers nncf__ctrl_masked_layers(const nncf_compression_ctrl *ctrl)
{
    return (nncf__masked_layers){
        ctrl->context, ctrl->model->layers, ctrl->layers, ctrl->n_layers, ctrl->structure};
}

void nncf__ctrl_magnitude_mask(nncf_compression_ctrl *ctrl)
{
    const nncf__masked_layers layers = nncf__ctrl_masked_layers(ctrl);
    ctrl->threshold =
        nncf__magnitude_mask(&layers, ctrl->schedule.level, ctrl->importance, ctrl->level_mode);
}

void nncf__ctrl_tell_masks(const nncf_compression_ctrl *ctrl)
{
    for (size_t i = 0; i < ctrl->n_layers && ctrl->mask_changed; i++)
        if (nncf__layer_masks(&ctrl->layers[i]))
            ctrl->mask_changed(ctrl->mask_user, ctrl->model->layers[i]);
}

/* Masks stop: RB at its epoch; a constant mask never moved; a magnitude mask follows its weights in
 * every epoch. */
void nncf__ctrl_update_frozen(nncf_compression_ctrl *ctrl)
{
    ctrl->frozen = ctrl->sparsity_kind == NNCF__CONST_SPARSITY ||
        (ctrl->sparsity_kind == NNCF__RB_SPARSITY && nncf__schedule_frozen(&ctrl->schedule));
    for (size_t i = 0; i < ctrl->n_parameters; i++)
        ctrl->parameters[i].frozen =
            ctrl->frozen && ctrl->parameters[i].kind == NNCF_PARAMETER_MASK_LOGIT;
    nncf__stages_freeze(ctrl);
}

void nncf__ctrl_make_masks(nncf_compression_ctrl *ctrl)
{
    const nncf__masked_layers layers = nncf__ctrl_masked_layers(ctrl);
    nncf__ctrl_prune(ctrl);
    if (ctrl->sparsity_kind == NNCF__RB_SPARSITY)
        nncf__rb_start(&layers);
    else if (ctrl->sparsity_kind == NNCF__MAGNITUDE_SPARSITY)
        nncf__ctrl_magnitude_mask(ctrl);
    for (size_t i = 0; ctrl->sparsity_kind == NNCF__CONST_SPARSITY && i < ctrl->n_layers; i++)
        nncf__const_mask(&layers, i);
}

bool nncf__ctrl_masks_nothing(const nncf_compression_ctrl *ctrl, int64_t *total)
{
    *total = 0;
    if (ctrl->sparsity_kind != NNCF__CONST_SPARSITY)
        return false;
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        nncf__weight_stats stats;
        if (ctrl->layers[i].mask_kind == NNCF__MASK_NONE)
            continue;
        nncf__weight_stats_of(ctrl->model->layers[i], &stats);
        if (stats.kept < (int64_t)ctrl->model->layers[i]->weight_count)
            return false;
        *total += stats.kept;
    }
    return true;
}

void nncf__ctrl_renew_masks(nncf_compression_ctrl *ctrl)
{
    int64_t total;
    if (ctrl->usage.resumed || ctrl->usage.trained || ctrl->step > 0 || ctrl->epoch > 0)
        return;
    nncf__ctrl_prune(ctrl);
    if (ctrl->sparsity_kind == NNCF__MAGNITUDE_SPARSITY || nncf__ctrl_masks_nothing(ctrl, &total))
        nncf__ctrl_make_masks(ctrl);
}

nncf_status nncf__ctrl_check_structure(
    const nncf_compression_ctrl *ctrl, const char *call, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    if (ctrl->structure.kind != NNCF__N_OF_M)
        return NNCF_OK;
    nncf__model_pull_weights(ctrl->model);
    for (size_t i = 0; status == NNCF_OK && i < ctrl->n_layers; i++)
        status = nncf__structure_check(
            &ctrl->structure, ctrl->model->layers[i], &ctrl->layers[i], call, err);
    return status;
}

double nncf__ctrl_sparsity(const nncf_compression_ctrl *ctrl)
{
    double kept = 0, total = 0;
    if (ctrl->sparsity_kind == NNCF__RB_SPARSITY) {
        const nncf__masked_layers layers = nncf__ctrl_masked_layers(ctrl);
        nncf__rb_sums sums;
        nncf__rb_count(&layers, &sums);
        kept = sums.kept;
        total = sums.count;
    } else {
        for (size_t i = 0; i < ctrl->n_layers; i++) {
            nncf__weight_stats stats;
            if (ctrl->layers[i].mask_kind == NNCF__MASK_NONE)
                continue;
            nncf__weight_stats_of(ctrl->model->layers[i], &stats);
            kept += (double)stats.kept;
            total += (double)ctrl->model->layers[i]->weight_count;
        }
    }
    return total > 0 ? 1 - kept / total : 0;
}
