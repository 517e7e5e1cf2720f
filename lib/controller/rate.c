/* SPDX-License-Identifier: Apache-2.0 */
/* The compression rate, set by the caller in place of the schedule. Where the config has sparsity
 * and filter pruning, it is that of sparsity. */
#include "controller/rate.h"

#include "base/error.h"
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "controller/pruning.h"
#include "controller/sparsity.h"
#include "controller/step.h"
#include "graph/layout.h"
#include "graph/model.h"
#include "sparsity/magnitude.h"
#include "sparsity/masked_layers.h"

#include <nncf/base.h>
#include <nncf/ctrl.h>

bool nncf__ctrl_has_rate(const nncf_compression_ctrl *ctrl)
{
    return nncf__ctrl_has_schedule(ctrl) || (ctrl->pruning && !ctrl->pruning->removed);
}

double nncf__ctrl_rate(const nncf_compression_ctrl *ctrl)
{
    return nncf__ctrl_has_schedule(ctrl) || !ctrl->pruning ? ctrl->schedule.level
                                                           : ctrl->pruning->level;
}

bool nncf__ctrl_rate_by_hand(const nncf_compression_ctrl *ctrl)
{
    return nncf__ctrl_has_schedule(ctrl) || !ctrl->pruning ? ctrl->schedule.by_hand
                                                           : ctrl->pruning->by_hand;
}

double nncf__ctrl_highest_rate(const nncf_compression_ctrl *ctrl)
{
    const nncf__structure *of = &ctrl->structure;
    return of->kind == NNCF__N_OF_M ? 1 - (double)of->n / (double)of->m + NNCF__LEVEL_SLACK : 1;
}

static nncf_status check(nncf_compression_ctrl *ctrl, double rate, nncf_error *err)
{
    const nncf_status status =
        nncf__ctrl_check_running(ctrl, "nncf_compression_ctrl_set_compression_rate", err);
    if (status != NNCF_OK)
        return status;
    if (!(rate >= 0 && rate < 1))
        return nncf__fail(
            err, NNCF_E_ARG, NULL, "the compression rate is %g; it must be in 0..1, below 1", rate);
    if (!nncf__ctrl_has_rate(ctrl))
        return nncf__fail(err, NNCF_E_STATE, NULL,
            ctrl->pruning ? "the pruned filters were removed: there is no compression rate any more"
                          : "the config has no algorithm with a compression rate: "
                            "magnitude_sparsity, rb_sparsity or filter_pruning");
    const nncf__structure *of = &ctrl->structure;
    if (rate > nncf__ctrl_highest_rate(ctrl))
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "the compression rate is %g, above %g: of %d weights %d are always kept (structure "
            "n:m)",
            rate, 1 - (double)of->n / (double)of->m, (int)of->m, (int)of->n);
    if (ctrl->frozen && nncf__ctrl_has_schedule(ctrl)) /* const_sparsity's are so from the start */
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the masks of rb_sparsity are frozen since epoch %g (sparsity_freeze_epoch)",
            ctrl->schedule.params.training_steps);
    return NNCF_OK;
}

static nncf_status set_rate(nncf_compression_ctrl *ctrl, double rate, nncf_error *err)
{
    nncf_status status = check(ctrl, rate, err);
    if (status != NNCF_OK)
        return status;
    const bool magnitude = ctrl->sparsity_kind == NNCF__MAGNITUDE_SPARSITY;
    if (magnitude) {
        const nncf__masked_layers layers = nncf__ctrl_masked_layers(ctrl);
        status = nncf__magnitude_reserve(&layers);
        if (status != NNCF_OK)
            return nncf__fail(err, status, NULL, "no memory for magnitude masks");
    }
    nncf__model_pull_weights(ctrl->model);
    ctrl->arrived_before = true;
    if (!nncf__ctrl_has_schedule(ctrl)) {
        nncf__ctrl_prune_to(ctrl, rate);
        nncf__ctrl_tell_masks(ctrl);
        return NNCF_OK;
    }
    ctrl->schedule.level = rate;
    ctrl->schedule.by_hand = true;
    if (magnitude) {
        nncf__ctrl_magnitude_mask(ctrl);
        nncf__ctrl_tell_masks(ctrl);
    }
    return NNCF_OK;
}

nncf_status nncf_compression_ctrl_set_compression_rate(
    nncf_compression_ctrl *ctrl, double rate, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = set_rate(ctrl, rate, &reason);
    return nncf__report(ctrl ? ctrl->context : NULL, "nncf_compression_ctrl_set_compression_rate",
        NULL, status, &reason, err);
}
