/* SPDX-License-Identifier: Apache-2.0 */
/* The controller's life: made, stepped, destroyed. Initialization is in init.c. */
#include "controller/ctrl.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "controller/init.h"
#include "controller/layer_compression.h"
#include "controller/usage_checks.h"
#include "controller/weight.h"
#include "graph/model.h"
#include "placement/make.h"
#include "quantization/quantizer.h"
#include "sparsity/magnitude.h"
#include "sparsity/rb.h"
#include "sparsity/schedule.h"

#include <nncf/base.h>
#include <nncf/compression.h>
#include <nncf/config.h>
#include <nncf/context.h>
#include <nncf/model.h>

#include <math.h>
#include <string.h>

enum { N_QUANTIZERS = NNCF__N_SLOTS };

/* Philox keys: one a layer, unrelated for neighbouring seeds (the finalizer of splitmix64, Steele
 * et al. 2014). */
static uint64_t mixed(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t nncf__ctrl_noise_key(const nncf_compression_ctrl *ctrl, const nncf_layer *layer)
{
    return mixed(mixed(ctrl->context->params.seed) + (uint64_t)layer->index);
}

static bool has_schedule(const nncf_compression_ctrl *ctrl)
{
    return ctrl->sparsity_kind == NNCF__RB_SPARSITY ||
        ctrl->sparsity_kind == NNCF__MAGNITUDE_SPARSITY;
}

/* Masks stop: RB at its epoch; a constant mask never moved; a magnitude mask follows its weights in
 * every epoch. */
static void update_frozen(nncf_compression_ctrl *ctrl)
{
    ctrl->frozen = ctrl->sparsity_kind == NNCF__CONST_SPARSITY ||
        (ctrl->sparsity_kind == NNCF__RB_SPARSITY && nncf__schedule_frozen(&ctrl->schedule));
    for (size_t i = 0; i < ctrl->n_parameters; i++)
        ctrl->parameters[i].frozen =
            ctrl->frozen && ctrl->parameters[i].kind == NNCF_PARAMETER_MASK_LOGIT;
}

static void make_masks(nncf_compression_ctrl *ctrl)
{
    if (ctrl->sparsity_kind == NNCF__RB_SPARSITY)
        nncf__rb_start(ctrl);
    else if (ctrl->sparsity_kind == NNCF__MAGNITUDE_SPARSITY)
        nncf__magnitude_mask(ctrl);
    for (size_t i = 0; ctrl->sparsity_kind == NNCF__CONST_SPARSITY && i < ctrl->n_layers; i++)
        nncf__const_mask(ctrl, i);
}

/* A constant mask with no zero in it, over *total weights. */
static bool masks_nothing(const nncf_compression_ctrl *ctrl, int64_t *total)
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

void nncf__masks_renew(nncf_compression_ctrl *ctrl)
{
    int64_t total;
    if (ctrl->protocol.resumed || ctrl->protocol.trained || ctrl->step > 0 || ctrl->epoch > 0)
        return;
    if (ctrl->sparsity_kind == NNCF__MAGNITUDE_SPARSITY || masks_nothing(ctrl, &total))
        make_masks(ctrl);
}

/* ---- creation and destruction ---- */

static void free_ctrl(nncf_compression_ctrl *ctrl)
{
    nncf_context *context = ctrl->context;
    bool owns_context = ctrl->owns_context;
    nncf__placement_free(ctrl);
    nncf__free(context, ctrl->layers);
    nncf__free(context, ctrl->canonical_config);
    nncf__free(context, ctrl->weight_values);
    nncf__free(context, ctrl);
    if (owns_context)
        nncf_context_destroy(context);
}

/* compression_lr_multiplier of the algorithm that a parameter belongs to. */
static void set_multipliers(const nncf_compression_ctrl *ctrl, const nncf__algorithm *algorithm)
{
    for (size_t i = 0; i < ctrl->n_parameters; i++) {
        const bool of_quantizer = ctrl->parameters[i].kind != NNCF_PARAMETER_MASK_LOGIT;
        if (of_quantizer == (algorithm->kind == NNCF__QUANTIZATION))
            ctrl->parameters[i].lr_multiplier = algorithm->lr_multiplier;
    }
}

/* Everything that can fail. */
static nncf_status prepare(nncf_compression_ctrl *ctrl, const nncf_config *config, nncf_error *err)
{
    nncf__text text = {.context = ctrl->context};
    ctrl->layers = nncf__calloc(ctrl->context, ctrl->n_layers, sizeof *ctrl->layers);
    if (!ctrl->layers)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a controller");
    nncf_status status = nncf_config_check_supported(config, err);
    if (status == NNCF_OK)
        status = nncf__placement_make(ctrl, config, err);
    if (status != NNCF_OK)
        return status;
    nncf__config_canonical(config, &text);
    nncf__text_append(&text, "", 0); /* an empty text is a text too */
    if (text.failed) {
        nncf__text_free(&text);
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a controller");
    }
    ctrl->canonical_config = text.data;
    if ((ctrl->sparsity_kind == NNCF__MAGNITUDE_SPARSITY &&
            nncf__magnitude_reserve(ctrl) != NNCF_OK) ||
        nncf__init_reserve(ctrl) != NNCF_OK)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a controller");
    size_t count;
    const nncf__algorithm *algorithms = nncf__config_algorithms(config, &count);
    for (size_t i = 0; i < count; i++) {
        nncf__init_take_adaptation(ctrl, &algorithms[i]);
        set_multipliers(ctrl, &algorithms[i]);
    }
    return NNCF_OK;
}

static void detach(nncf_compression_ctrl *ctrl);

nncf_status nncf_compression_ctrl_create(
    nncf_model *model, const nncf_config *config, nncf_compression_ctrl **ctrl, nncf_error *err)
{
    if (!model || !config || !ctrl)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "nncf_compression_ctrl_create: model, config and ctrl must not be NULL");
    if (model->ctrl)
        return nncf__fail(
            err, NNCF_E_STATE, NULL, "the model has a controller already; destroy that one first");
    if (model->n_layers == 0)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the model has no layers; register them with nncf_model_add_...() first");
    nncf_compression_ctrl *c = nncf__calloc(model->context, 1, sizeof *c);
    if (!c)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a controller");
    c->context = model->context;
    c->model = model;
    c->n_layers = model->n_layers;
    c->threshold = (double)NAN;
    nncf_status status = prepare(c, config, err);
    if (status != NNCF_OK) {
        free_ctrl(c);
        return status;
    }

    model->ctrl = c;
    model->detach = detach;
    for (size_t i = 0; i < c->n_layers; i++) {
        model->layers[i]->compression = &c->layers[i];
        model->layers[i]->ready_for_backward = false;
    }
    make_masks(c);
    nncf__init_weights(c);
    update_frozen(c);
    *ctrl = c;
    return NNCF_OK;
}

static void unhook(nncf_compression_ctrl *ctrl)
{
    nncf_model *model = ctrl->model;
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        model->layers[i]->compression = NULL;
        model->layers[i]->ready_for_backward =
            false; /* what forward kept belongs to the compressed layer */
    }
    model->ctrl = NULL;
    ctrl->model = NULL;
}

static void detach(nncf_compression_ctrl *ctrl)
{
    nncf_model *model = ctrl->model;
    unhook(ctrl);
    if (model->owns_context) { /* the controller's memory came from it */
        model->owns_context = false;
        ctrl->owns_context = true;
    }
}

void nncf_compression_ctrl_destroy(nncf_compression_ctrl *ctrl)
{
    if (!ctrl)
        return;
    if (ctrl->model) {
        nncf__usage_end(ctrl);
        unhook(ctrl);
    }
    free_ctrl(ctrl);
}

/* ---- the training loop ---- */

static void warn_uninitialized(nncf_compression_ctrl *ctrl)
{
    if (ctrl->warned || ctrl->init_done || !nncf__init_wanted(ctrl))
        return;
    ctrl->warned = true;
    nncf__log(ctrl->context, NNCF_LOG_WARNING,
        "training without initialization: the scales of activation quantizers are 1; run the "
        "nncf_compression_ctrl_init_step() loop first, or restore a snapshot");
}

/* A constant mask that masks nothing: most likely the zeros were to come from weights that were
 * loaded too late. */
static void warn_dense(nncf_compression_ctrl *ctrl)
{
    int64_t total;
    if (ctrl->dense_checked)
        return;
    ctrl->dense_checked = true;
    if (masks_nothing(ctrl, &total))
        nncf__log(ctrl->context, NNCF_LOG_WARNING,
            "const_sparsity keeps the zeros of the weights that it starts from, and there is none "
            "among %lld: load "
            "the sparse weights before the controller is made, or restore their snapshot",
            (long long)total);
}

double nncf_compression_ctrl_loss(nncf_compression_ctrl *ctrl)
{
    if (!ctrl || !ctrl->model)
        return (double)NAN;
    nncf__usage_loss(ctrl);
    if (ctrl->sparsity_kind != NNCF__RB_SPARSITY || ctrl->frozen)
        return 0;
    return nncf__rb_loss(ctrl);
}

/* Training calls are for a controller with a model, and not for the time of its initialization. */
static nncf_status check_running(nncf_compression_ctrl *ctrl, const char *call)
{
    if (ctrl->model && ctrl->initializing)
        nncf__usage_early_step(ctrl, call);
    return ctrl->model && !ctrl->initializing ? NNCF_OK : NNCF_E_STATE;
}

nncf_status nncf_compression_ctrl_set_order(nncf_compression_ctrl *ctrl, int32_t order)
{
    if (!ctrl || (order != NNCF_ORDER_AFTER && order != NNCF_ORDER_BEFORE))
        return NNCF_E_ARG;
    if (!ctrl->model || ctrl->step > 0 || ctrl->epoch > 0 || ctrl->step_begun || ctrl->epoch_begun)
        return NNCF_E_STATE;
    ctrl->order = order;
    return NNCF_OK;
}

nncf_status nncf_compression_ctrl_step(nncf_compression_ctrl *ctrl)
{
    if (!ctrl)
        return NNCF_E_ARG;
    nncf_status status = check_running(ctrl, "nncf_compression_ctrl_step()");
    if (status != NNCF_OK)
        return status;
    warn_uninitialized(ctrl);
    warn_dense(ctrl);
    nncf__usage_step(ctrl);
    ctrl->stepped = true;
    /* called before its batch, a step that is the first of all, or of an epoch, is batch 0, not 1
     */
    const bool before = ctrl->order == NNCF_ORDER_BEFORE, first = before && !ctrl->step_begun,
               first_of_epoch = before && ctrl->epoch_fresh;
    ctrl->step_begun = true;
    ctrl->epoch_fresh = false;
    ctrl->step += first ? 0 : 1;
    if (has_schedule(ctrl) && !first_of_epoch && nncf__schedule_step(&ctrl->schedule) &&
        ctrl->sparsity_kind == NNCF__MAGNITUDE_SPARSITY)
        nncf__magnitude_mask(ctrl);
    return NNCF_OK;
}

/* Share of the masked weights over the sparsified layers, for the adaptive schedule. */
static double current_sparsity(const nncf_compression_ctrl *ctrl)
{
    double kept = 0, total = 0;
    if (ctrl->sparsity_kind == NNCF__RB_SPARSITY) {
        double sums[3];
        nncf__rb_count(ctrl, sums);
        kept = sums[0];
        total = sums[2];
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

/* A schedule by optimizer steps was told, or has counted, how many there are. */
static void warn_epoch_length(const nncf_compression_ctrl *ctrl)
{
    const nncf__schedule *s = &ctrl->schedule;
    if (nncf__schedule_by_steps(&s->params) && s->steps_per_epoch > 0 &&
        s->step != s->steps_per_epoch)
        nncf__log(ctrl->context, NNCF_LOG_WARNING,
            "epoch %lld had %lld steps, the schedule was made for %lld (steps_per_epoch): the "
            "level %s",
            (long long)ctrl->epoch, (long long)s->step, (long long)s->steps_per_epoch,
            s->step < s->steps_per_epoch ? "jumps to that of the next epoch"
                                         : "has waited at the epoch's end");
}

nncf_status nncf_compression_ctrl_epoch_step(nncf_compression_ctrl *ctrl)
{
    if (!ctrl)
        return NNCF_E_ARG;
    nncf_status status = check_running(ctrl, "nncf_compression_ctrl_epoch_step()");
    if (status == NNCF_OK && ctrl->sparsity_kind == NNCF__MAGNITUDE_SPARSITY)
        status = nncf__magnitude_reserve(ctrl);
    if (status != NNCF_OK)
        return status;
    nncf__usage_epoch_step(ctrl);
    const bool before = ctrl->order == NNCF_ORDER_BEFORE, first = before && !ctrl->epoch_begun;
    ctrl->epoch_fresh = ctrl->epoch_begun = true;
    if (first) /* epoch 0 begins; its level is set already */
        return NNCF_OK;
    if (before && ctrl->stepped) /* the batch that the last step() began */
        ctrl->schedule.step++;
    ctrl->stepped = false;
    ctrl->epoch++;
    if (has_schedule(ctrl)) {
        bool adaptive = ctrl->schedule.params.kind == NNCF__ADAPTIVE;
        warn_epoch_length(ctrl);
        ctrl->arrived_before = nncf__schedule_arrived(&ctrl->schedule);
        nncf__schedule_epoch_step(&ctrl->schedule, adaptive ? current_sparsity(ctrl) : 0);
    }
    if (ctrl->sparsity_kind == NNCF__MAGNITUDE_SPARSITY)
        nncf__magnitude_mask(ctrl);
    const bool moved = !ctrl->frozen;
    update_frozen(ctrl);
    if (moved && ctrl->frozen)
        nncf__usage_frozen(ctrl, current_sparsity(ctrl));
    return NNCF_OK;
}

nncf_status nncf__ctrl_restored(nncf_compression_ctrl *ctrl)
{
    if (!ctrl->model)
        return NNCF_E_STATE;
    ctrl->stepped = false;
    ctrl->initializing = false;
    ctrl->adaptation.mode = 0;
    ctrl->adaptation.forget.begun = ctrl->adaptation.forget.images = 0;
    ctrl->adaptation.adapt.begun = ctrl->adaptation.adapt.images = 0;
    ctrl->protocol.resumed = true;
    if (has_schedule(ctrl)) {
        nncf__schedule *s = &ctrl->schedule;
        nncf__schedule_refresh(s); /* an adaptive level was read: it depends on what happened */
        ctrl->arrived_before = nncf__schedule_arrived(s);
        if (s->params.kind != NNCF__ADAPTIVE) {
            if (s->epoch > 0) {
                nncf__schedule before = *s;
                before.epoch--;
                before.level = nncf__schedule_level(&s->params, before.epoch);
                ctrl->arrived_before = nncf__schedule_arrived(&before);
            }
        }
    }
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        ctrl->model->layers[i]->ready_for_backward = false;
        for (int j = 0; j < N_QUANTIZERS; j++) {
            nncf__quantizer *q = nncf__layer_quantizer(&ctrl->layers[i], j);
            if (!q)
                continue;
            q->observing = false;
            nncf__quantizer_refresh(q);
        }
    }
    update_frozen(ctrl);
    return NNCF_OK;
}

/* ---- parameters ---- */

size_t nncf_compression_ctrl_parameter_count(const nncf_compression_ctrl *ctrl)
{
    return ctrl && ctrl->model ? ctrl->n_parameters : 0;
}

nncf_status nncf_compression_ctrl_get_parameter(
    const nncf_compression_ctrl *ctrl, size_t index, nncf_parameter *parameter)
{
    if (!ctrl || !parameter)
        return NNCF_E_ARG;
    if (!ctrl->model)
        return NNCF_E_STATE;
    if (index >= ctrl->n_parameters)
        return NNCF_E_NOTFOUND;
    return nncf__result_copy(parameter, &ctrl->parameters[index], sizeof *parameter);
}

nncf_status nncf_compression_ctrl_zero_grad(nncf_compression_ctrl *ctrl)
{
    if (!ctrl)
        return NNCF_E_ARG;
    if (!ctrl->model)
        return NNCF_E_STATE;
    for (size_t i = 0; i < ctrl->n_parameters; i++)
        memset(ctrl->parameters[i].grad, 0, ctrl->parameters[i].count * sizeof(float));
    return NNCF_OK;
}
