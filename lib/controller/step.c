/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The training loop's calls: loss, step and epoch_step. A loop calls step and epoch_step after a
 * batch or an epoch (NNCF_ORDER_AFTER) or before it (NNCF_ORDER_BEFORE). In the second order the
 * first call of each begins batch 0 or epoch 0 and counts nothing; which calls came before is the
 * state ctrl->loop.
 */
#include "controller/step.h"

#include "base/error.h"
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "controller/init.h"
#include "controller/pruning.h"
#include "controller/sparsity.h"
#include "controller/stages.h"
#include "controller/usage_checks.h"
#include "controller/warnings.h"
#include "controller/weight.h"
#include "graph/layout.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"
#include "sparsity/magnitude.h"
#include "sparsity/masked_layers.h"
#include "sparsity/rb.h"
#include "sparsity/schedule.h"
#include "sparsity/structure.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>

#include <math.h>

/* What each call adds to ctrl->loop and takes from it. */
enum loop_call { CALL_STEP, CALL_EPOCH_STEP };
static const struct {
    uint32_t adds, removes;
} transitions[] = {
    [CALL_STEP] = {NNCF__LOOP_STEPPED | NNCF__LOOP_IN_EPOCH, NNCF__LOOP_EPOCH_FRESH},
    [CALL_EPOCH_STEP] = {NNCF__LOOP_EPOCH_STEPPED | NNCF__LOOP_EPOCH_FRESH, NNCF__LOOP_IN_EPOCH},
};

/* Make the transition; returns the state before it. */
static uint32_t advance(nncf_compression_ctrl *ctrl, enum loop_call call)
{
    const uint32_t before = ctrl->loop;
    ctrl->loop = (before & ~transitions[call].removes) | transitions[call].adds;
    return before;
}

static void warn_uninitialized(nncf_compression_ctrl *ctrl)
{
    if (ctrl->init_phase == NNCF__PHASE_DONE ||
        nncf__usage_warned(ctrl, NNCF__WARN_UNINITIALIZED) || !nncf__init_wanted(ctrl))
        return;
    (void)nncf__usage_first(ctrl, NNCF__WARN_UNINITIALIZED);
    nncf__warn(ctrl,
        "training without initialization: the ranges of activation quantizers are 1; run the "
        "nncf_compression_ctrl_init_step() loop first, or restore a snapshot");
}

/* A constant mask without a zero: most likely the sparse weights were loaded too late. */
static void warn_dense(nncf_compression_ctrl *ctrl)
{
    int64_t total;
    if (nncf__usage_first(ctrl, NNCF__WARN_DENSE) && nncf__ctrl_masks_nothing(ctrl, &total))
        nncf__warn(ctrl,
            "const_sparsity keeps the zeros of the weights that it starts from, and there is none "
            "among %lld: load "
            "the sparse weights before the controller is made, or restore their snapshot",
            (long long)total);
}

/* Oscillations (Nagel et al. 2022, "Overcoming Oscillations in Quantization-Aware Training",
 * section 4.1): weights are drawn to what they are quantized to. */
static double damp(nncf_compression_ctrl *ctrl)
{
    const double factor = nncf__ramp_at(&ctrl->damping, ctrl->epoch);
    double sum = 0;
    for (size_t i = 0; factor > 0 && i < ctrl->n_layers; i++) {
        nncf_layer *layer = ctrl->model->layers[i];
        const nncf__quantizer *q = nncf__layer_active(&ctrl->layers[i], NNCF__SLOT_WEIGHT);
        if (!q || q->observing || q->binarizer)
            continue;
        nncf__layer_pull_weight(layer);
        nncf__layer_pull_gradient(layer);
        sum += nncf__weight_damp(layer, factor * ctrl->gradient_factor);
        nncf__layer_push_gradient(layer);
    }
    return factor * sum;
}

/* The same paper, section 4.2. */
static void freeze(nncf_compression_ctrl *ctrl)
{
    ctrl->freezing.threshold = nncf__ramp_at(&ctrl->freezing_threshold, ctrl->epoch);
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        nncf_layer *layer = ctrl->model->layers[i];
        const nncf__quantizer *q = nncf__layer_active(&ctrl->layers[i], NNCF__SLOT_WEIGHT);
        if (!ctrl->layers[i].oscillation || !q || q->observing)
            continue;
        nncf__weight_freeze(layer);
        nncf__layer_push_weight(layer);
    }
}

static nncf_status loss_backward(nncf_compression_ctrl *ctrl, double *loss, nncf_error *err)
{
    double value = 0;
    nncf_status status = nncf__ctrl_check(ctrl, "nncf_compression_ctrl_loss_backward", err);
    if (status != NNCF_OK)
        return status;
    nncf__usage_loss(ctrl);
    if (ctrl->sparsity_kind == NNCF__RB_SPARSITY && !ctrl->frozen) {
        const nncf__masked_layers layers = nncf__ctrl_masked_layers(ctrl);
        nncf__rb_sums sums;
        value = nncf__rb_loss(&layers, ctrl->schedule.level, ctrl->gradient_factor, &sums);
        if (sums.count > 0)
            nncf__usage_density(ctrl, sums.kept / sums.count, sums.probability / sums.sampled);
    }
    if (ctrl->damping.last > 0)
        value += damp(ctrl);
    if (loss)
        *loss = value;
    return NNCF_OK;
}

nncf_status nncf_compression_ctrl_loss_backward(
    nncf_compression_ctrl *ctrl, double *loss, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = loss_backward(ctrl, loss, &reason);
    return nncf__report(ctrl ? ctrl->context : NULL, "nncf_compression_ctrl_loss_backward", NULL,
        status, &reason, err);
}

static nncf_status set_gradient_factor(nncf_compression_ctrl *ctrl, double factor, nncf_error *err)
{
    nncf_status status = nncf__ctrl_check(ctrl, "nncf_compression_ctrl_set_gradient_factor", err);
    if (status == NNCF_OK && !(isfinite(factor) && factor != 0))
        status = nncf__fail(err, NNCF_E_ARG, NULL,
            "factor is %g; it must be finite and not 0: 1, or -batch for minus the sum over the "
            "batch",
            factor);
    if (status == NNCF_OK)
        ctrl->gradient_factor = factor;
    return status;
}

nncf_status nncf_compression_ctrl_set_gradient_factor(
    nncf_compression_ctrl *ctrl, double factor, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = set_gradient_factor(ctrl, factor, &reason);
    return nncf__report(ctrl ? ctrl->context : NULL, "nncf_compression_ctrl_set_gradient_factor",
        NULL, status, &reason, err);
}

nncf_status nncf__ctrl_check_running(
    const nncf_compression_ctrl *ctrl, const char *call, nncf_error *err)
{
    nncf_status status = nncf__ctrl_check(ctrl, call, err);
    if (status == NNCF_OK)
        status = nncf__precision_check_chosen(ctrl, call, err);
    if (status != NNCF_OK || !nncf__ctrl_initializing(ctrl))
        return status;
    return nncf__fail(err, NNCF_E_STATE, NULL,
        "%s: initialization is under way: call nncf_compression_ctrl_init_step() until it sets "
        "more to 0, with one forward over a batch in each round",
        call);
}

static nncf_status set_order(nncf_compression_ctrl *ctrl, int32_t order, nncf_error *err)
{
    nncf_status status = nncf__ctrl_check(ctrl, "nncf_compression_ctrl_set_order", err);
    if (status != NNCF_OK)
        return status;
    if (order != NNCF_ORDER_AFTER && order != NNCF_ORDER_BEFORE)
        return nncf__fail(err, NNCF_E_ARG, NULL, "order is %d, none of NNCF_ORDER_...", (int)order);
    if (ctrl->step > 0 || ctrl->epoch > 0 ||
        (ctrl->loop & (NNCF__LOOP_STEPPED | NNCF__LOOP_EPOCH_STEPPED)))
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "training has begun: set the order before the first step or epoch_step, and before a "
            "snapshot is restored");
    ctrl->order = order;
    return NNCF_OK;
}

nncf_status nncf_compression_ctrl_set_order(
    nncf_compression_ctrl *ctrl, int32_t order, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = set_order(ctrl, order, &reason);
    return nncf__report(
        ctrl ? ctrl->context : NULL, "nncf_compression_ctrl_set_order", NULL, status, &reason, err);
}

nncf_status nncf_compression_ctrl_set_mask_callback(nncf_compression_ctrl *ctrl,
    void (*changed)(void *user, const nncf_layer *layer), void *user, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status =
        nncf__ctrl_check(ctrl, "nncf_compression_ctrl_set_mask_callback", &reason);
    if (status == NNCF_OK) {
        ctrl->mask_changed = changed;
        ctrl->mask_user = user;
    }
    return nncf__report(ctrl ? ctrl->context : NULL, "nncf_compression_ctrl_set_mask_callback",
        NULL, status, &reason, err);
}

static nncf_status step(nncf_compression_ctrl *ctrl, nncf_error *err)
{
    nncf_status status = nncf__ctrl_check_running(ctrl, "nncf_compression_ctrl_step", err);
    if (status == NNCF_OK)
        status = nncf__stages_check_initialized(ctrl, "nncf_compression_ctrl_step", err);
    if (status != NNCF_OK)
        return status;
    nncf__model_pull_weights(ctrl->model);
    warn_uninitialized(ctrl);
    warn_dense(ctrl);
    nncf__usage_step(ctrl);
    if (ctrl->freezing.threshold > 0)
        freeze(ctrl);
    /* called before its batch, the first step of all, or of an epoch, begins batch 0, not 1 */
    const uint32_t state = advance(ctrl, CALL_STEP);
    const bool before = ctrl->order == NNCF_ORDER_BEFORE,
               first = before && !(state & NNCF__LOOP_STEPPED),
               first_of_epoch = before && (state & NNCF__LOOP_EPOCH_FRESH);
    ctrl->step += first ? 0 : 1;
    if (nncf__ctrl_has_schedule(ctrl) && !first_of_epoch && nncf__schedule_step(&ctrl->schedule) &&
        ctrl->sparsity_kind == NNCF__MAGNITUDE_SPARSITY) {
        nncf__ctrl_magnitude_mask(ctrl);
        nncf__ctrl_tell_masks(ctrl);
    }
    return NNCF_OK;
}

nncf_status nncf_compression_ctrl_step(nncf_compression_ctrl *ctrl, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = step(ctrl, &reason);
    return nncf__report(
        ctrl ? ctrl->context : NULL, "nncf_compression_ctrl_step", NULL, status, &reason, err);
}

/* A schedule by optimizer steps knows, or has counted, how many steps an epoch has. Each epoch of
 * another length is logged, the first is kept as a warning. */
static void warn_epoch_length(nncf_compression_ctrl *ctrl)
{
    static const char text[] =
        "epoch %lld had %lld steps, the schedule was made for %lld (steps_per_epoch): the level %s";
    const nncf__schedule *s = &ctrl->schedule;
    if (!nncf__schedule_by_steps(&s->params) || s->steps_per_epoch <= 0 ||
        s->step == s->steps_per_epoch)
        return;
    const char *effect = s->step < s->steps_per_epoch ? "jumps to that of the next epoch"
                                                      : "has waited at the epoch's end";
    const long long epoch = ctrl->epoch, steps = s->step, wanted = s->steps_per_epoch;
    if (nncf__usage_first(ctrl, NNCF__WARN_EPOCH_LENGTH))
        nncf__warn(ctrl, text, epoch, steps, wanted, effect);
    else
        nncf__log(ctrl->context, NNCF_LOG_WARNING, text, epoch, steps, wanted, effect);
}

static nncf_status epoch_step(nncf_compression_ctrl *ctrl, nncf_error *err)
{
    nncf_status status = nncf__ctrl_check_running(ctrl, "nncf_compression_ctrl_epoch_step", err);
    if (status == NNCF_OK && ctrl->sparsity_kind == NNCF__MAGNITUDE_SPARSITY) {
        const nncf__masked_layers layers = nncf__ctrl_masked_layers(ctrl);
        status = nncf__magnitude_reserve(&layers);
        if (status != NNCF_OK)
            nncf__fail(err, status, NULL, "no memory for magnitude masks");
    }
    if (status == NNCF_OK)
        status = nncf__stages_reserve(ctrl, ctrl->epoch + 1, err);
    if (status != NNCF_OK)
        return status;
    nncf__model_pull_weights(ctrl->model);
    nncf__usage_epoch_step(ctrl);
    const bool before = ctrl->order == NNCF_ORDER_BEFORE;
    const uint32_t state = advance(ctrl, CALL_EPOCH_STEP);
    if (before &&
        !(state & NNCF__LOOP_EPOCH_STEPPED)) { /* epoch 0 begins; its level is set already */
        ctrl->loop |= state & NNCF__LOOP_IN_EPOCH;
        return NNCF_OK;
    }
    if (before && (state & NNCF__LOOP_IN_EPOCH)) /* the batch that the last step() began */
        ctrl->schedule.step++;
    ctrl->epoch++;
    nncf__stages_enter(ctrl);
    if (nncf__ctrl_has_schedule(ctrl)) {
        bool adaptive = ctrl->schedule.params.kind == NNCF__ADAPTIVE;
        warn_epoch_length(ctrl);
        ctrl->arrived_before = nncf__schedule_arrived(&ctrl->schedule);
        nncf__schedule_epoch_step(&ctrl->schedule, adaptive ? nncf__ctrl_sparsity(ctrl) : 0);
    }
    /* masks of a level that the caller set stay, as NNCF freezes them */
    const bool new_masks =
        ctrl->sparsity_kind == NNCF__MAGNITUDE_SPARSITY && !ctrl->schedule.by_hand;
    if (new_masks)
        nncf__ctrl_magnitude_mask(ctrl);
    const bool pruned = nncf__ctrl_prune_epoch(ctrl);
    const bool moved = !ctrl->frozen;
    nncf__ctrl_update_frozen(ctrl);
    if (moved && ctrl->frozen)
        nncf__usage_frozen(ctrl, nncf__ctrl_sparsity(ctrl));
    if (pruned || new_masks || (moved && ctrl->frozen))
        nncf__ctrl_tell_masks(ctrl);
    return NNCF_OK;
}

nncf_status nncf_compression_ctrl_epoch_step(nncf_compression_ctrl *ctrl, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = epoch_step(ctrl, &reason);
    return nncf__report(ctrl ? ctrl->context : NULL, "nncf_compression_ctrl_epoch_step", NULL,
        status, &reason, err);
}

nncf_status nncf__ctrl_restored(nncf_compression_ctrl *ctrl)
{
    if (!ctrl->model)
        return NNCF_E_STATE;
    ctrl->loop &= ~(uint32_t)NNCF__LOOP_IN_EPOCH;
    if (ctrl->init_phase != NNCF__PHASE_DONE)
        ctrl->init_phase = NNCF__PHASE_PENDING;
    ctrl->adaptation.forget.begun = ctrl->adaptation.forget.images = 0;
    ctrl->adaptation.adapt.begun = ctrl->adaptation.adapt.images = 0;
    ctrl->usage.resumed = true;
    for (size_t i = 0; i < ctrl->n_layers; i++)
        nncf__structure_find_blocks(ctrl->model->layers[i], &ctrl->layers[i]);
    if (nncf__ctrl_has_schedule(ctrl)) {
        nncf__schedule *s = &ctrl->schedule;
        nncf__schedule_refresh(s); /* an adaptive level was read: it depends on what happened */
        ctrl->arrived_before = nncf__schedule_arrived(s);
        if (s->params.kind != NNCF__ADAPTIVE && !s->by_hand) {
            if (s->epoch > 0) {
                nncf__schedule before = *s;
                before.epoch--;
                before.level = nncf__schedule_level(&s->params, before.epoch);
                ctrl->arrived_before = nncf__schedule_arrived(&before);
            }
        }
    }
    nncf__ctrl_filters_restored(ctrl);
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        nncf__layer_drop_state(ctrl->model->layers[i]);
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
            nncf__quantizer *q = nncf__layer_quantizer(&ctrl->layers[i], j);
            if (!q)
                continue;
            q->observing = false;
            nncf__quantizer_refresh(q);
            nncf__quantizer_follow(q);
        }
    }
    nncf__stages_apply(ctrl);
    ctrl->only_ranges =
        ctrl->init_phase != NNCF__PHASE_DONE && nncf__stages_begin(ctrl, ctrl->epoch);
    nncf__ctrl_update_frozen(ctrl);
    return NNCF_OK;
}
