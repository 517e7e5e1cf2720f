/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantization in stages. A quantizer whose stage has not begun waits: layers run as if it were not
 * there (nncf__layer_active()), its parameters are frozen. Which ones wait is a function of the
 * epoch, so snapshots need nothing for it. When a stage begins all ranges are initialized again, as
 * in NNCF: the weights have moved since.
 */
#include "controller/stages.h"

#include "base/error.h"
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "controller/init.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>

#include <math.h>

/* NNCF's staged worker: the rate falls as the rest of the way to the power of 2.1. */
#define DROP_POWER 2.1

static double start_of(const nncf_compression_ctrl *ctrl, bool of_weight)
{
    return of_weight ? ctrl->stages.weights_start : ctrl->stages.activations_start;
}

static bool has_begun(const nncf_compression_ctrl *ctrl, bool of_weight, int64_t epoch)
{
    return !ctrl->stages.staged || (double)epoch >= start_of(ctrl, of_weight);
}

void nncf__stages_apply(nncf_compression_ctrl *ctrl)
{
    bool changed = false;
    for (size_t i = 0; i < ctrl->n_layers; i++)
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
            nncf__quantizer *q = nncf__layer_quantizer(&ctrl->layers[i], j);
            const bool waits =
                q && (nncf__ctrl_measuring(ctrl) || !has_begun(ctrl, q->is_weight, ctrl->epoch));
            if (!q || q->waits == waits)
                continue;
            q->waits = waits;
            changed = true;
        }
    /* a layer's block depends on the quantizers of those that it reads, too */
    for (size_t i = 0; changed && i < ctrl->n_layers; i++)
        nncf__layer_forget(ctrl->model->layers[i]);
}

void nncf__stages_freeze(nncf_compression_ctrl *ctrl)
{
    size_t at = 0; /* parameters are listed layer by layer, slot by slot */
    for (size_t i = 0; i < ctrl->n_layers; i++)
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
            const nncf__quantizer *q = nncf__layer_own_quantizer(&ctrl->layers[i], j);
            if (!q || !q->waits || (q->binarizer && q->is_weight)) /* nothing of that is trained */
                continue;
            while (at < ctrl->n_parameters && ctrl->parameters[at].data != q->bound)
                at++;
            for (size_t k = 0; k < (q->length || q->binarizer ? 2u : 1u) && at < ctrl->n_parameters;
                 k++)
                ctrl->parameters[at++].frozen = 1;
        }
}

static bool begins_in(double start, int64_t epoch)
{
    return (double)epoch >= start && (double)(epoch - 1) < start;
}

bool nncf__stages_begin(const nncf_compression_ctrl *ctrl, int64_t epoch)
{
    return ctrl->stages.staged && epoch > 0 &&
        (begins_in(ctrl->stages.activations_start, epoch) ||
            begins_in(ctrl->stages.weights_start, epoch));
}

nncf_status nncf__stages_reserve(nncf_compression_ctrl *ctrl, int64_t epoch, nncf_error *err)
{
    if (!nncf__stages_begin(ctrl, epoch) || nncf__init_observers(ctrl) == NNCF_OK)
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for the ranges of the next stage");
}

void nncf__stages_enter(nncf_compression_ctrl *ctrl)
{
    nncf__stages_apply(ctrl);
    if (!nncf__stages_begin(ctrl, ctrl->epoch))
        return;
    for (size_t i = 0; i < ctrl->n_layers; i++)
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
            nncf__quantizer *q = nncf__layer_quantizer(&ctrl->layers[i], j);
            if (q)
                q->kept = false;
        }
    ctrl->init_phase = NNCF__PHASE_PENDING;
    ctrl->init_begun = ctrl->init_images = 0;
    ctrl->only_ranges = true;
}

nncf_status nncf__stages_check_initialized(
    const nncf_compression_ctrl *ctrl, const char *call, nncf_error *err)
{
    if (!ctrl->only_ranges || ctrl->init_phase != NNCF__PHASE_PENDING || !nncf__init_wanted(ctrl))
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_STATE, "params",
        "%s: a stage of quantization begins with epoch %lld, and its ranges are not known yet: run "
        "the nncf_compression_ctrl_init_step() loop after nncf_compression_ctrl_epoch_step()",
        call, (long long)ctrl->epoch);
}

nncf_status nncf__stages_check_complete(
    const nncf_compression_ctrl *ctrl, const char *call, nncf_error *err)
{
    for (size_t i = 0; i < ctrl->n_layers; i++)
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
            const nncf__quantizer *q = nncf__layer_quantizer(&ctrl->layers[i], j);
            if (q && q->waits)
                return nncf__fail(err, NNCF_E_STATE, q->name,
                    "%s: %s are quantized from epoch %g on (params.%s_quant_start_epoch), and this "
                    "is epoch %lld: train on, or set it to 0",
                    call, q->is_weight ? "weights" : "activations", start_of(ctrl, q->is_weight),
                    q->is_weight ? "weights" : "activations", (long long)ctrl->epoch);
        }
    return nncf__stages_check_initialized(ctrl, call, err);
}

int32_t nncf__stages_level(const nncf_compression_ctrl *ctrl, int64_t epoch)
{
    const bool weights = has_begun(ctrl, true, epoch), activations = has_begun(ctrl, false, epoch);
    return weights && activations ? NNCF_COMPRESSION_FULL
        : weights || activations  ? NNCF_COMPRESSION_PARTIAL
                                  : NNCF_COMPRESSION_NONE;
}

/* ---- what the training loop reads ---- */

/* The share of the rate that is left at an epoch. */
static double factor_at(const nncf__stages *s, double epoch)
{
    if (!s->staged || s->lr_drop_start < 0 || epoch < s->lr_drop_start)
        return 1;
    const double left = s->lr_drop_start + s->lr_drop_epochs - epoch;
    return left > 0 ? pow(left / s->lr_drop_epochs, DROP_POWER) : 0;
}

static nncf_status get_stage(
    const nncf_compression_ctrl *ctrl, double part_of_epoch, nncf_stage *stage, nncf_error *err)
{
    nncf_status status = nncf__ctrl_check(ctrl, "nncf_compression_ctrl_get_stage", err);
    if (status != NNCF_OK)
        return status;
    if (!(part_of_epoch >= 0 && part_of_epoch <= 1))
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "nncf_compression_ctrl_get_stage: part_of_epoch is %g; it must be from 0 to 1",
            part_of_epoch);
    const nncf__stages *s = &ctrl->stages;
    const double epoch = (double)ctrl->epoch + part_of_epoch;
    nncf_stage r = {.staged = s->staged,
        .weights = has_begun(ctrl, true, ctrl->epoch),
        .activations = has_begun(ctrl, false, ctrl->epoch),
        .initialization_needed = ctrl->init_phase != NNCF__PHASE_DONE && nncf__init_wanted(ctrl),
        .batch_multiplier = s->staged ? s->batch_multiplier : 1,
        .weight_decay_off = s->staged && s->no_decay_start >= 0 && epoch > s->no_decay_start,
        .lr_factor = factor_at(s, epoch),
        .base_lr = s->staged ? s->base_lr : -1,
        .weight_decay = s->staged ? s->base_wd : -1};
    return nncf__result_give(stage, &r, sizeof r, "nncf_stage", err);
}

nncf_status nncf_compression_ctrl_get_stage(
    const nncf_compression_ctrl *ctrl, double part_of_epoch, nncf_stage *stage, nncf_error *err)
{
    return get_stage(ctrl, part_of_epoch, stage, err);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_stage, )
