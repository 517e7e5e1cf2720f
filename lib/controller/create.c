/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A controller's life. Creation first does everything that can fail (prepare), then attaches the
 * controller to the model and makes the first masks and weight ranges. A model that is destroyed
 * first detaches its controller, which can then only be destroyed. And the list of trained
 * parameters.
 */
#include "base/alloc.h"
#include "base/collective.h"
#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "controller/allocate.h"
#include "controller/bias_correction.h"
#include "controller/ctrl.h"
#include "controller/init.h"
#include "controller/sparsity.h"
#include "controller/stages.h"
#include "controller/update.h"
#include "controller/usage_checks.h"
#include "graph/layout.h"
#include "graph/model.h"
#include "sparsity/magnitude.h"
#include "sparsity/masked_layers.h"

#include <nncf/base.h>
#include <nncf/config.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>

#include <math.h>
#include <string.h>

static void free_ctrl(nncf_compression_ctrl *ctrl)
{
    nncf_context *context = ctrl->context;
    bool owns_context = ctrl->owns_context;
    nncf__precision_destroy(ctrl);
    nncf__ctrl_free_allocated(ctrl);
    nncf__optimizer_free(ctrl, &ctrl->optimizer);
    nncf__free(context, ctrl->canonical_config);
    nncf__free(context, ctrl->weight_values);
    nncf__bias_free(ctrl);
    nncf__free(context, ctrl->layers);
    nncf__free(context, ctrl);
    if (owns_context)
        nncf_context_destroy(context);
}

/* compression_lr_multiplier of the algorithm that a parameter belongs to. */
static void set_multipliers(const nncf_compression_ctrl *ctrl, const nncf__algorithm *algorithm)
{
    for (size_t i = 0; i < ctrl->n_parameters && algorithm->kind != NNCF__DISTILLATION; i++) {
        const bool of_quantizer = ctrl->parameters[i].kind != NNCF_PARAMETER_MASK_LOGIT;
        if (of_quantizer ==
            (algorithm->kind == NNCF__QUANTIZATION || algorithm->kind == NNCF__BINARIZATION))
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
    nncf_status status = nncf__config_check_supported(config, err);
    if (status == NNCF_OK)
        status = nncf__ctrl_allocate(ctrl, config, err);
    if (status != NNCF_OK)
        return status;
    nncf__config_canonical(config, &text);
    nncf__text_append(&text, "", 0); /* an empty text is a text too */
    if (text.failed) {
        nncf__text_free(&text);
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a controller");
    }
    ctrl->canonical_config = text.data;
    const nncf__masked_layers layers = nncf__ctrl_masked_layers(ctrl);
    if ((ctrl->sparsity_kind == NNCF__MAGNITUDE_SPARSITY &&
            nncf__magnitude_reserve(&layers) != NNCF_OK) ||
        nncf__init_reserve(ctrl) != NNCF_OK || nncf__bias_reserve(ctrl) != NNCF_OK)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a controller");
    size_t count;
    const nncf__algorithm *algorithms = nncf__config_algorithms(config, &count);
    for (size_t i = 0; i < count; i++) {
        nncf__init_take_adaptation(ctrl, &algorithms[i]);
        set_multipliers(ctrl, &algorithms[i]);
        if (algorithms[i].kind == NNCF__DISTILLATION) {
            ctrl->has_distillation = true;
            ctrl->distillation = algorithms[i].distillation;
        }
    }
    return NNCF_OK;
}

static void detach(nncf_compression_ctrl *ctrl);

static nncf_status create(
    nncf_model *model, const nncf_config *config, nncf_compression_ctrl **ctrl, nncf_error *err)
{
    if (!model || !config || !ctrl)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "nncf_compression_ctrl_create: model, config and ctrl must not be NULL");
    if (model->ctrl)
        return nncf__fail(
            err, NNCF_E_STATE, NULL, "the model has a controller already; destroy that one first");
    if (model->replica)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the model is a replica, whose controller is gone: destroy it, and make another of the "
            "model once that has a controller");
    if (model->n_layers == 0)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the model has no layers; register them with nncf_model_add_...() first");
    nncf__model_pull_weights(model);
    nncf_compression_ctrl *c = nncf__calloc(model->context, 1, sizeof *c);
    if (!c)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a controller");
    c->context = model->context;
    c->model = model;
    c->n_layers = model->n_layers;
    c->threshold = (double)NAN;
    c->gradient_factor = 1;
    nncf_status status = prepare(c, config, err);
    if (status == NNCF_OK && nncf__has_ranks(&model->collective) && nncf__ctrl_binarizes(c))
        status = nncf__fail(err, NNCF_E_UNSUPPORTED, "binarization",
            "binarization on %d ranks: each would take its scales from its own first batch; train "
            "in one process",
            (int)model->collective.params.size);
    if (status != NNCF_OK) {
        free_ctrl(c);
        return status;
    }

    model->ctrl = c;
    model->detach = detach;
    for (size_t i = 0; i < c->n_layers; i++) {
        model->layers[i]->compression = &c->layers[i];
        nncf__layer_forget(model->layers[i]);
    }
    nncf__stages_apply(c);
    nncf__ctrl_make_masks(c);
    nncf__init_weights(c);
    nncf__ctrl_update_frozen(c);
    *ctrl = c;
    return NNCF_OK;
}

nncf_status nncf_compression_ctrl_create(
    nncf_model *model, const nncf_config *config, nncf_compression_ctrl **ctrl, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = create(model, config, ctrl, &reason);
    return nncf__report(
        model ? model->context : NULL, "nncf_compression_ctrl_create", NULL, status, &reason, err);
}

static void unhook(nncf_compression_ctrl *ctrl)
{
    nncf_model *model = ctrl->model;
    if (model->release) /* its replicas have this controller's masks and ranges */
        model->release(model);
    nncf__precision_destroy(ctrl); /* weights that are perturbed get their values back */
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        model->layers[i]->compression = NULL;
        nncf__layer_forget(model->layers[i]);
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

nncf_status nncf__ctrl_check(const nncf_compression_ctrl *ctrl, const char *call, nncf_error *err)
{
    if (!ctrl)
        return nncf__fail(err, NNCF_E_ARG, NULL, "%s: ctrl is NULL", call);
    if (!ctrl->model)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "%s: the controller's model was destroyed; only nncf_compression_ctrl_destroy() is "
            "allowed now",
            call);
    return NNCF_OK;
}

/* ---- parameters ---- */

size_t nncf_compression_ctrl_get_parameter_count(const nncf_compression_ctrl *ctrl)
{
    return ctrl && ctrl->model ? ctrl->n_parameters : 0;
}

nncf_status nncf_compression_ctrl_get_parameter(
    const nncf_compression_ctrl *ctrl, size_t index, nncf_parameter *parameter, nncf_error *err)
{
    nncf_status status = nncf__ctrl_check(ctrl, "nncf_compression_ctrl_get_parameter", err);
    if (status != NNCF_OK)
        return status;
    if (index >= ctrl->n_parameters)
        return nncf__fail(err, NNCF_E_NOTFOUND, NULL, "parameter %zu: the controller has %zu",
            index, ctrl->n_parameters);
    return nncf__result_give(
        parameter, &ctrl->parameters[index], sizeof *parameter, "nncf_parameter", err);
}

static nncf_status zero_grad(nncf_compression_ctrl *ctrl, nncf_error *err)
{
    nncf_status status = nncf__ctrl_check(ctrl, "nncf_compression_ctrl_zero_grad", err);
    if (status != NNCF_OK)
        return status;
    for (size_t i = 0; i < ctrl->n_parameters; i++)
        memset(ctrl->parameters[i].grad, 0, ctrl->parameters[i].count * sizeof(float));
    return NNCF_OK;
}

nncf_status nncf_compression_ctrl_zero_grad(nncf_compression_ctrl *ctrl, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = zero_grad(ctrl, &reason);
    return nncf__report(
        ctrl ? ctrl->context : NULL, "nncf_compression_ctrl_zero_grad", NULL, status, &reason, err);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_parameter, )
