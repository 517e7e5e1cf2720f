/* SPDX-License-Identifier: Apache-2.0 */
/* Allocates what the plan (placement/decide.c) contains: masks, quantizers, the list of parameters.
 */
#include "controller/allocate.h"

#include "base/alloc.h"
#include "base/error.h"
#include "binarization/binarizer.h"
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "controller/pruning.h"
#include "graph/model.h"
#include "placement/placement.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"
#include "quantization/quantizer_create.h"
#include "sparsity/schedule.h"
#include "sparsity/structure.h"

#include <nncf/base.h>
#include <nncf/config.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>

#include <string.h>

typedef struct maker {
    nncf_compression_ctrl *ctrl;
    const struct nncf__placement *placement;
    nncf_error *err;
} maker;

static nncf_status out_of_memory(const maker *m, const nncf_layer *layer)
{
    return nncf__fail(m->err, NNCF_E_NOMEM, layer->scope, "no memory for masks and quantizers");
}

static char *name_of(const maker *m, const nncf_layer *layer, const char *suffix)
{
    size_t n = strlen(layer->scope), k = strlen(suffix);
    char *name = nncf__alloc(m->ctrl->context, n + k + 1);
    if (name) {
        memcpy(name, layer->scope, n);
        memcpy(name + n, suffix, k + 1);
    }
    return name;
}

/* ---- masks and quantizers ---- */

static nncf_status make_quantizers(const maker *m, size_t i)
{
    nncf__layer_compression *c = &m->ctrl->layers[i];
    nncf__quantizer **const slots[NNCF__N_SLOTS] = {&c->weight_quantizer, &c->input_quantizer,
        &c->output_quantizer, &c->pre_activation_quantizer};
    nncf_status status = NNCF_OK;
    for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS && status == NNCF_OK; j++) {
        const nncf__planned *planned = &m->placement->layers[i].quantizers[j];
        if (!planned->present)
            continue;
        const nncf__quantizer_request request =
            nncf__placement_request(m->ctrl->model->layers[i], planned, j);
        status =
            nncf__quantizer_create(m->ctrl->context, &request, &planned->rule, slots[j], m->err);
    }
    return status;
}

/* Those that share a range with another: it was made for an earlier layer or slot. */
static void share_quantizers(const maker *m)
{
    for (size_t i = 0; i < m->ctrl->n_layers; i++)
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
            const nncf__planned *planned = &m->placement->layers[i].quantizers[j];
            if (planned->present && planned->shared)
                nncf__quantizer_share(m->ctrl->context,
                    nncf__layer_quantizer(&m->ctrl->layers[i], j),
                    nncf__layer_quantizer(&m->ctrl->layers[planned->leader], planned->leader_slot));
        }
}

static nncf_status make_mask(const maker *m, size_t i)
{
    nncf_context *context = m->ctrl->context;
    const nncf_layer *layer = m->ctrl->model->layers[i];
    nncf__layer_compression *c = &m->ctrl->layers[i];
    if (!m->placement->layers[i].masked)
        return NNCF_OK;
    if (m->placement->sparsity->algorithm->kind == NNCF__RB_SPARSITY) {
        c->mask_kind = NNCF__MASK_RB;
        c->logit_name = name_of(m, layer, ".pre_ops.mask");
        return c->logit_name ? NNCF_OK : out_of_memory(m, layer);
    }
    c->mask_kind = NNCF__MASK_BITS;
    c->bits = nncf__calloc(context, (layer->weight_count + 7) / 8, 1);
    if (!c->bits)
        return out_of_memory(m, layer);
    memset(c->bits, 0xff, layer->weight_count / 8);
    for (size_t j = layer->weight_count / 8 * 8; j < layer->weight_count; j++)
        c->bits[j / 8] |= (uint8_t)(1u << (j % 8));
    if (m->placement->sparsity->algorithm->structure.kind == NNCF__BLOCKS) {
        c->block_size = m->placement->sparsity->algorithm->structure.block_size;
        const nncf__blocks blocks = nncf__blocks_of(layer, (size_t)c->block_size);
        c->blocks = nncf__calloc(context, nncf__blocks_count(&blocks), 1);
        if (!c->blocks)
            return out_of_memory(m, layer);
        nncf__structure_find_blocks(layer, c);
    }
    return NNCF_OK;
}

/* Floats, whole lines. */
static size_t logits_capacity(const nncf_layer *layer)
{
    enum { LINE = 16 };
    return (layer->weight_count + LINE - 1) / LINE * LINE;
}

/* The logits of all layers, and their gradients, are one block: that may lie in huge pages, which
 * passes over small arrays of their own would miss. */
static nncf_status make_logits(const maker *m)
{
    nncf_compression_ctrl *ctrl = m->ctrl;
    size_t total = 0;
    for (size_t i = 0; i < ctrl->n_layers; i++)
        if (ctrl->layers[i].mask_kind == NNCF__MASK_RB)
            total += logits_capacity(ctrl->model->layers[i]);
    if (total == 0)
        return NNCF_OK;
    ctrl->logits = nncf__calloc(ctrl->context, 2 * total, sizeof *ctrl->logits);
    if (!ctrl->logits)
        return nncf__fail(m->err, NNCF_E_NOMEM, NULL, "no memory for masks");
    float *at = ctrl->logits;
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        nncf__layer_compression *c = &ctrl->layers[i];
        if (c->mask_kind != NNCF__MASK_RB)
            continue;
        c->logit = at;
        c->logit_grad = at + total;
        at += logits_capacity(ctrl->model->layers[i]);
    }
    return NNCF_OK;
}

/* ---- the parameters' list ---- */

static nncf_parameter *list(nncf_compression_ctrl *ctrl, int32_t kind, const char *name,
    float *data, float *grad, size_t count)
{
    nncf_parameter *parameter = &ctrl->parameters[ctrl->n_parameters++];
    *parameter = (nncf_parameter){NNCF_PARAMS(nncf_parameter), .name = name, .data = data,
        .grad = grad, .count = count, .kind = kind, .lr_multiplier = 1};
    return parameter;
}

static nncf_status list_parameters(const maker *m)
{
    nncf_compression_ctrl *ctrl = m->ctrl;
    /* a layer has at most its logits and four quantizers of two */
    ctrl->parameters = nncf__calloc(
        ctrl->context, (1 + 2 * NNCF__N_SLOTS) * ctrl->n_layers, sizeof *ctrl->parameters);
    if (!ctrl->parameters)
        return nncf__fail(m->err, NNCF_E_NOMEM, NULL, "no memory for a controller");
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        const nncf__layer_compression *c = &ctrl->layers[i];
        if (c->mask_kind == NNCF__MASK_RB)
            list(ctrl, NNCF_PARAMETER_MASK_LOGIT, c->logit_name, c->logit, c->logit_grad,
                ctrl->model->layers[i]->weight_count);
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
            const nncf__quantizer *q = nncf__layer_own_quantizer(c, j);
            if (!q || (q->binarizer && q->is_weight)) /* its scale is not trained */
                continue;
            if (q->binarizer) {
                list(ctrl, NNCF_PARAMETER_LOG_SCALE, q->name, q->bound, q->bound_grad, 1);
                list(ctrl, NNCF_PARAMETER_THRESHOLD, q->binarizer->threshold_name,
                    q->binarizer->threshold, q->binarizer->threshold_grad, q->binarizer->channels);
                continue;
            }
            const bool logarithm = q->params.logarithm == 1;
            list(ctrl,
                q->length       ? NNCF_PARAMETER_INPUT_LOW
                    : logarithm ? NNCF_PARAMETER_LOG_RANGE
                                : NNCF_PARAMETER_SCALE,
                q->name, q->bound, q->bound_grad, q->channels);
            if (q->length)
                list(ctrl, logarithm ? NNCF_PARAMETER_LOG_RANGE : NNCF_PARAMETER_INPUT_RANGE,
                    q->length_name, q->length, q->length_grad, q->channels);
        }
    }
    return NNCF_OK;
}

/* ---- all of it ---- */

static nncf_status take_schedule(const maker *m)
{
    nncf_compression_ctrl *ctrl = m->ctrl;
    const nncf__algorithm *sparsity = m->placement->sparsity->algorithm;
    nncf__schedule_params params = sparsity->schedule;
    ctrl->sparsity_kind = sparsity->kind;
    ctrl->importance = sparsity->importance;
    ctrl->level_mode = sparsity->level_mode;
    ctrl->structure = sparsity->structure;
    if (sparsity->kind == NNCF__CONST_SPARSITY)
        return NNCF_OK;
    if (params.kind == NNCF__MULTISTEP) { /* the config need not outlive the controller */
        size_t n = params.n_multistep;
        ctrl->multistep = nncf__calloc(ctrl->context, 2 * n + 1, sizeof *ctrl->multistep);
        if (!ctrl->multistep)
            return nncf__fail(m->err, NNCF_E_NOMEM, NULL, "no memory for a controller");
        if (n > 0)
            memcpy(ctrl->multistep, params.multistep_steps, n * sizeof(double));
        memcpy(ctrl->multistep + n, params.multistep_levels, (n + 1) * sizeof(double));
        params.multistep_steps = ctrl->multistep;
        params.multistep_levels = ctrl->multistep + n;
    }
    nncf__schedule_start(&ctrl->schedule, &params);
    return NNCF_OK;
}

/* A correction before weights are quantized would be of other weights. */
static nncf_status check_stages(
    const nncf_compression_ctrl *ctrl, const nncf__stages *stages, nncf_error *err)
{
    if (ctrl->bias_samples <= 0 || !stages->staged || stages->weights_start <= 0)
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_UNSUPPORTED, "initializer.bias_correction",
        "initializer.bias_correction goes with weights that are quantized from the start, and here "
        "they are from epoch %g on: set params.weights_quant_start_epoch to 0, or leave it out",
        stages->weights_start);
}

/* What freezing keeps of a weight that is trained. */
static nncf_status make_oscillation(const maker *m, size_t i)
{
    const nncf_layer *layer = m->ctrl->model->layers[i];
    nncf__layer_compression *c = &m->ctrl->layers[i];
    if (m->ctrl->freezing.threshold == 0 || !c->weight_quantizer ||
        c->weight_quantizer->binarizer || layer->tied_to || !layer->weight_grad)
        return NNCF_OK;
    c->oscillation = nncf__oscillation_create(m->ctrl->context, layer->weight_count);
    return c->oscillation ? NNCF_OK : out_of_memory(m, layer);
}

static nncf_status make_all(const maker *m)
{
    nncf_compression_ctrl *ctrl = m->ctrl;
    nncf_status status = m->placement->sparsity ? take_schedule(m) : NNCF_OK;
    for (size_t i = 0; i < ctrl->n_layers && status == NNCF_OK; i++) {
        status = make_mask(m, i);
        if (status == NNCF_OK)
            status = make_quantizers(m, i);
        if (status == NNCF_OK)
            status = make_oscillation(m, i);
    }
    if (status == NNCF_OK)
        status = make_logits(m);
    if (status == NNCF_OK)
        share_quantizers(m);
    return status == NNCF_OK ? list_parameters(m) : status;
}

nncf_status nncf__ctrl_allocate(
    nncf_compression_ctrl *ctrl, const nncf_config *config, nncf_error *err)
{
    struct nncf__placement placement;
    nncf_status status = nncf__placement_decide(&placement, ctrl->model, config, err);
    if (status != NNCF_OK)
        return status;
    const maker m = {.ctrl = ctrl, .placement = &placement, .err = err};
    const bool quantizes = placement.quantization != NULL;
    const nncf__algorithm *quantization = quantizes ? placement.quantization->algorithm : NULL;
    const nncf__stages stages = quantizes ? quantization->stages : (nncf__stages){0};
    ctrl->bias_samples = quantizes ? quantization->bias_samples : 0;
    if (quantizes) {
        const int64_t epochs = quantization->oscillation_epochs;
        ctrl->damping = (nncf__ramp){quantization->damping_init, quantization->damping, epochs};
        ctrl->freezing = (nncf__freezing){quantization->freezing, quantization->freezing_momentum};
        ctrl->freezing_threshold =
            (nncf__ramp){quantization->freezing_init, quantization->freezing, epochs};
    }
    status = check_stages(ctrl, &stages, err);
    if (status == NNCF_OK)
        status = make_all(&m);
    if (status == NNCF_OK && placement.pruning)
        status = nncf__ctrl_start_pruning(ctrl, &placement, err);
    if (status == NNCF_OK &&
        nncf__precision_create(ctrl, quantization, placement.setup->release) != NNCF_OK)
        status = nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a controller");
    nncf__placement_clear(&placement);
    if (status != NNCF_OK)
        return status;

    for (size_t i = 0; i < ctrl->n_layers; i++)
        ctrl->layers[i].ctrl = ctrl;
    ctrl->has_quantization = quantizes;
    ctrl->stages = stages;
    return NNCF_OK;
}

void nncf__ctrl_free_allocated(nncf_compression_ctrl *ctrl)
{
    for (size_t i = 0; ctrl->layers && i < ctrl->n_layers; i++) {
        nncf__layer_compression *c = &ctrl->layers[i];
        nncf__free(ctrl->context, c->logit_name);
        nncf__free(ctrl->context, c->bits);
        nncf__free(ctrl->context, c->blocks);
        nncf__oscillation_destroy(ctrl->context, c->oscillation);
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++)
            nncf__quantizer_destroy(ctrl->context, nncf__layer_quantizer(c, j));
    }
    nncf__ctrl_free_pruning(ctrl);
    nncf__free(ctrl->context, ctrl->logits);
    nncf__free(ctrl->context, ctrl->parameters);
    nncf__free(ctrl->context, ctrl->multistep);
}
