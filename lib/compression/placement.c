/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which layer gets a mask, and where quantizers stand: NNCF's pattern mode as of v1.1. A weight quantizer for every
 * convolution and linear layer; an activation quantizer behind every convolution, linear layer and sum (with its batch
 * norm and activation) and behind average pools, unless nobody registered reads it; a quantizer on the input of the
 * layers that read the model's input. Max pools pass on the codes of what feeds them.
 */
#include "compression/compression.h"

#include <stdio.h>
#include <string.h>

typedef struct plan {
    struct nncf_compression_ctrl *ctrl;
    const nncf__algorithm *sparsity, *quantization; /* nullable */
    int32_t release;                                /* of the config's dialect */
    nncf_error *err;
} plan;

static nncf_status out_of_memory(const plan *p, const nncf_layer *layer)
{
    return nncf__fail(p->err, NNCF_E_NOMEM, layer->scope, "no memory for masks and quantizers");
}

/* ---- the config: what this release does, and patterns that match nothing ---- */

static bool is_sparsity(const nncf__algorithm *a)
{
    return a->kind == NNCF__RB_SPARSITY || a->kind == NNCF__MAGNITUDE_SPARSITY || a->kind == NNCF__CONST_SPARSITY;
}

static nncf_status take_algorithm(plan *p, size_t index, const nncf__algorithm *a)
{
    if (is_sparsity(a)) {
        if (p->sparsity)
            return nncf__fail(p->err, NNCF_E_CONFIG, a->name,
                              "compression[%zu]: %s, but %s is there already; a model takes one sparsity algorithm",
                              index, a->name, p->sparsity->name);
        p->sparsity = a;
        return NNCF_OK;
    }
    if (a->kind == NNCF__QUANTIZATION) {
        if (p->quantization)
            return nncf__fail(p->err, NNCF_E_CONFIG, a->name,
                              "compression[%zu]: a second quantization; a model takes one", index);
        p->quantization = a;
        return NNCF_OK;
    }
    return nncf__fail(p->err, NNCF_E_UNSUPPORTED, a->name,
                      "compression[%zu]: %s is not in this release; it has rb_sparsity, magnitude_sparsity, "
                      "const_sparsity and quantization",
                      index, a->name);
}

static void warn_unmatched(const plan *p, size_t index, const char *key, const nncf__strings *patterns)
{
    const nncf_model *model = p->ctrl->model;
    for (size_t i = 0; i < patterns->count; i++) {
        bool matched = false;
        for (size_t j = 0; j < model->n_layers && !matched; j++)
            matched = nncf_scope_matches(model->layers[j]->scope, patterns->items[i]) != 0;
        if (matched)
            continue;
        const nncf_layer *nearest = nncf__model_nearest(model, patterns->items[i]);
        nncf__log(p->ctrl->context, NNCF_LOG_WARNING,
                  "compression[%zu].%s[%zu]: \"%s\" matches no registered layer%s%s%s", index, key, i,
                  patterns->items[i], nearest ? "; the nearest scope is \"" : "", nearest ? nearest->scope : "",
                  nearest ? "\"" : "");
    }
}

enum { SCOPE_ROOM = 1024 }; /* registration takes scopes of 960 bytes */

/*
 * An activation quantizer is asked for by the module of the last operation before it, as NNCF does: to ignore a
 * convolution is to leave its weight alone, while the quantizer behind its ReLU stays; to ignore the block is to lose
 * both. Registration names that module only by the block it shares with the layer, so its class stands for it.
 */
static const char *last_module(const nncf_layer *layer, char scope[SCOPE_ROOM])
{
    const char *module = layer->activation == NNCF_ACTIVATION_RELU6  ? "ReLU6"
                         : layer->activation == NNCF_ACTIVATION_RELU ? "ReLU"
                         : layer->has_batch_norm                     ? "BatchNorm2d"
                                                                     : NULL;
    const char *end = strrchr(layer->scope, '/');
    if (!module || !end)
        return layer->scope;
    snprintf(scope, SCOPE_ROOM, "%.*s/%s", (int)(end - layer->scope), layer->scope, module);
    return scope;
}

/* ---- names ---- */

static char *name_of(const plan *p, const nncf_layer *layer, const char *suffix)
{
    size_t n = strlen(layer->scope), m = strlen(suffix);
    char *name = nncf__alloc(p->ctrl->context, n + m + 1);
    if (name) {
        memcpy(name, layer->scope, n);
        memcpy(name + n, suffix, m + 1);
    }
    return name;
}

/* ---- places ---- */

/* `scope` is what asks for it, and what the config's rules are matched with. */
static nncf_status make_quantizer(const plan *p, const nncf_layer *layer, int32_t group, const char *scope,
                                  int64_t channels, int32_t sign, const char *stem, nncf__quantizer **out)
{
    const nncf__quantizer_wish wish = {
        .layer = layer, .group = group, .stem = stem, .channels = (size_t)channels, .sign = sign};
    nncf__quantizer_rule rule;
    nncf__quantizer_rule_of(p->quantization, group, scope, &rule);
    return nncf__quantizer_create(p->ctrl->context, &wish, &rule, out, p->err);
}

static bool has_output_quantizer(const nncf_layer *layer, bool quantize_outputs)
{
    if (layer->n_consumers == 0 && !quantize_outputs) /* an output of the model: left as it is */
        return false;
    return layer->kind != NNCF__POOL2D || layer->pool_kind != NNCF_POOL_MAX;
}

/* Does x reach the layer as the model received it? Max pools do not stand in the way, every other layer does. */
static bool reads_model_input(const nncf_layer *layer)
{
    while (layer->n_inputs == 1) {
        layer = layer->inputs[0];
        if (layer->kind != NNCF__POOL2D || layer->pool_kind != NNCF_POOL_MAX)
            return false;
    }
    return layer->n_inputs == 0;
}

/* Can its output be negative, as far as registration tells? */
static bool may_be_negative(const nncf_layer *layer)
{
    for (;;) {
        if (layer->activation != NNCF_ACTIVATION_NONE)
            return false;
        if (layer->kind != NNCF__POOL2D || layer->n_inputs == 0)
            return true;
        layer = layer->inputs[0];
    }
}

static nncf_status place_quantizers(const plan *p, size_t i)
{
    const nncf__algorithm *a = p->quantization;
    nncf_layer *layer = p->ctrl->model->layers[i];
    nncf__layer_compression *c = &p->ctrl->layers[i];
    char room[SCOPE_ROOM];
    const char *behind = last_module(layer, room);
    nncf_status status = NNCF_OK;
    if (layer->weight_count > 0 && nncf__quantizer_wanted(a, p->release, NNCF__GROUP_WEIGHTS, layer->scope))
        status = make_quantizer(p, layer, NNCF__GROUP_WEIGHTS, layer->scope, layer->out_channels, NNCF__SIGNED,
                                ".pre_ops.weight_quantizer", &c->weight_quantizer);
    if (status == NNCF_OK && a->quantize_inputs && layer->weight_count > 0 && reads_model_input(layer) &&
        nncf__quantizer_wanted(a, p->release, NNCF__GROUP_ACTIVATIONS, layer->scope))
        status = make_quantizer(p, layer, NNCF__GROUP_ACTIVATIONS, layer->scope, layer->in_channels, NNCF__SIGNED,
                                ".input_quantizer", &c->input_quantizer);
    if (status == NNCF_OK && has_output_quantizer(layer, a->quantize_outputs) &&
        nncf__quantizer_wanted(a, p->release, NNCF__GROUP_ACTIVATIONS, behind))
        status = make_quantizer(p, layer, NNCF__GROUP_ACTIVATIONS, behind, layer->out_channels,
                                may_be_negative(layer) ? NNCF__SIGNED : NNCF__UNSIGNED, ".activation_quantizer",
                                &c->output_quantizer);
    return status;
}

static nncf_status place_mask(const plan *p, size_t i)
{
    nncf_context *context = p->ctrl->context;
    const nncf_layer *layer = p->ctrl->model->layers[i];
    nncf__layer_compression *c = &p->ctrl->layers[i];
    if (layer->weight_count == 0 || !nncf__algorithm_considers(p->sparsity, layer->scope))
        return NNCF_OK;
    if (p->sparsity->kind == NNCF__RB_SPARSITY) {
        c->mask_kind = NNCF__MASK_RB;
        c->logit_name = name_of(p, layer, ".pre_ops.mask");
        c->logit = nncf__calloc(context, layer->weight_count, sizeof *c->logit);
        c->logit_grad = nncf__calloc(context, layer->weight_count, sizeof *c->logit_grad);
        return c->logit_name && c->logit && c->logit_grad ? NNCF_OK : out_of_memory(p, layer);
    }
    c->mask_kind = NNCF__MASK_BITS;
    c->bits = nncf__calloc(context, (layer->weight_count + 7) / 8, 1);
    if (!c->bits)
        return out_of_memory(p, layer);
    memset(c->bits, 0xff, layer->weight_count / 8);
    for (size_t j = layer->weight_count / 8 * 8; j < layer->weight_count; j++)
        c->bits[j / 8] |= (uint8_t)(1u << (j % 8));
    return NNCF_OK;
}

/* The quantizer that made the codes which a layer reads: its own, or its producer's, seen through max pools. */
static nncf__quantizer *incoming_of(const struct nncf_compression_ctrl *ctrl, const nncf_layer *layer)
{
    const nncf__layer_compression *c = &ctrl->layers[layer->index];
    if (c->input_quantizer)
        return c->input_quantizer;
    while (layer->n_inputs == 1) {
        layer = layer->inputs[0];
        c = &ctrl->layers[layer->index];
        if (c->output_quantizer)
            return c->output_quantizer;
        if (layer->kind != NNCF__POOL2D || layer->pool_kind != NNCF_POOL_MAX)
            return NULL;
    }
    return NULL;
}

/* ---- the parameters' list ---- */

static nncf_parameter *list(struct nncf_compression_ctrl *ctrl, int32_t kind, const char *name, float *data,
                            float *grad, size_t count)
{
    nncf_parameter *parameter = &ctrl->parameters[ctrl->n_parameters++];
    *parameter = (nncf_parameter){
        NNCF_PARAMS(nncf_parameter), .name = name, .data = data, .grad = grad, .count = count, .kind = kind,
        .lr_multiplier = 1};
    return parameter;
}

static nncf_status list_parameters(const plan *p)
{
    struct nncf_compression_ctrl *ctrl = p->ctrl;
    /* a layer has at most its logits and three quantizers of two */
    ctrl->parameters = nncf__calloc(ctrl->context, 7 * ctrl->n_layers, sizeof *ctrl->parameters);
    if (!ctrl->parameters)
        return nncf__fail(p->err, NNCF_E_NOMEM, NULL, "no memory for a controller");
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        const nncf__layer_compression *c = &ctrl->layers[i];
        if (c->mask_kind == NNCF__MASK_RB)
            list(ctrl, NNCF_PARAMETER_MASK_LOGIT, c->logit_name, c->logit, c->logit_grad,
                 ctrl->model->layers[i]->weight_count);
        for (int j = 0; j < 3; j++) {
            const nncf__quantizer *q = nncf__layer_quantizer(c, j);
            if (!q)
                continue;
            list(ctrl, q->range ? NNCF_PARAMETER_INPUT_LOW : NNCF_PARAMETER_SCALE, q->name, q->scale, q->scale_grad,
                 q->channels);
            if (q->range)
                list(ctrl, NNCF_PARAMETER_INPUT_RANGE, q->range_name, q->range, q->range_grad, q->channels);
        }
    }
    return NNCF_OK;
}

/* ---- all of it ---- */

static nncf_status take_schedule(const plan *p)
{
    struct nncf_compression_ctrl *ctrl = p->ctrl;
    nncf__schedule_params params = p->sparsity->schedule;
    ctrl->sparsity_kind = p->sparsity->kind;
    ctrl->importance = p->sparsity->importance;
    ctrl->level_mode = p->sparsity->level_mode;
    if (p->sparsity->kind == NNCF__CONST_SPARSITY)
        return NNCF_OK;
    if (params.kind == NNCF__MULTISTEP) { /* the config need not outlive the controller */
        size_t n = params.n_multistep;
        ctrl->multistep = nncf__calloc(ctrl->context, 2 * n + 1, sizeof *ctrl->multistep);
        if (!ctrl->multistep)
            return nncf__fail(p->err, NNCF_E_NOMEM, NULL, "no memory for a controller");
        if (n > 0)
            memcpy(ctrl->multistep, params.multistep_steps, n * sizeof(double));
        memcpy(ctrl->multistep + n, params.multistep_levels, (n + 1) * sizeof(double));
        params.multistep_steps = ctrl->multistep;
        params.multistep_levels = ctrl->multistep + n;
    }
    nncf__schedule_start(&ctrl->schedule, &params);
    return NNCF_OK;
}

nncf_status nncf__placement_make(struct nncf_compression_ctrl *ctrl, const nncf_config *config, nncf_error *err)
{
    plan p = {.ctrl = ctrl, .release = nncf__config_setup_of(config)->release, .err = err};
    size_t count;
    const nncf__algorithm *algorithms = nncf__config_algorithms(config, &count);
    nncf_status status = NNCF_OK;
    for (size_t i = 0; i < count && status == NNCF_OK; i++)
        status = take_algorithm(&p, i, &algorithms[i]);
    if (status == NNCF_OK && p.sparsity)
        status = take_schedule(&p);
    for (size_t i = 0; i < ctrl->n_layers && status == NNCF_OK; i++) {
        if (p.sparsity)
            status = place_mask(&p, i);
        if (status == NNCF_OK && p.quantization)
            status = place_quantizers(&p, i);
    }
    if (status == NNCF_OK)
        status = list_parameters(&p);
    if (status != NNCF_OK)
        return status;

    for (size_t i = 0; i < ctrl->n_layers; i++) {
        ctrl->layers[i].ctrl = ctrl;
        if (ctrl->model->layers[i]->weight_count > 0)
            ctrl->layers[i].incoming_quantizer = incoming_of(ctrl, ctrl->model->layers[i]);
    }
    if (p.quantization) {
        ctrl->has_quantization = true;
    }
    for (size_t i = 0; i < count; i++) {
        warn_unmatched(&p, i, "ignored_scopes", &algorithms[i].ignored_scopes);
        warn_unmatched(&p, i, "target_scopes", &algorithms[i].target_scopes);
    }
    return NNCF_OK;
}

void nncf__placement_free(struct nncf_compression_ctrl *ctrl)
{
    for (size_t i = 0; ctrl->layers && i < ctrl->n_layers; i++) {
        nncf__layer_compression *c = &ctrl->layers[i];
        nncf__free(ctrl->context, c->logit_name);
        nncf__free(ctrl->context, c->logit);
        nncf__free(ctrl->context, c->logit_grad);
        nncf__free(ctrl->context, c->bits);
        for (int j = 0; j < 3; j++)
            nncf__quantizer_destroy(ctrl->context, nncf__layer_quantizer(c, j));
    }
    nncf__free(ctrl->context, ctrl->parameters);
    nncf__free(ctrl->context, ctrl->multistep);
}
