/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan: which layer gets a mask, and which of its slots get a quantizer with which parameters.
 * The rules select insertion points of the graph; here they become slots of layers.
 * Nothing is allocated for any mask or quantizer.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "config/config.h"
#include "graph/kind_info.h"
#include "graph/layout.h"
#include "graph/model.h"
#include "placement/placement.h"
#include "pruning/clusters.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer_create.h"

#include <nncf/base.h>
#include <nncf/config.h>
#include <nncf/context.h>
#include <nncf/model.h>

#include <stdlib.h>
#include <string.h>

/* Elements of a weight in a row that belong to one output channel. */
static size_t run_of(const nncf_layer *layer)
{
    size_t run = 1;
    for (int32_t i = layer->weight_axis + 1; i < layer->weight_ndim; i++)
        run *= (size_t)layer->weight_shape[i];
    return run;
}

nncf__quantizer_request nncf__placement_request(
    const nncf_layer *layer, const nncf__planned *planned, enum nncf__quantizer_slot slot)
{
    return (nncf__quantizer_request){.layer = layer,
        .group = slot == NNCF__SLOT_WEIGHT ? NNCF__GROUP_WEIGHTS : NNCF__GROUP_ACTIVATIONS,
        .name_suffix = nncf__quantizer_name_suffixes[slot],
        .channels = (size_t)planned->channels,
        .run = planned->rule.params.group_size > 0 ? (size_t)planned->rule.params.group_size
                                                   : run_of(layer),
        .sign = planned->sign};
}

/* ---- the config: what this release does ---- */

static bool is_sparsity(const nncf__algorithm *a)
{
    return a->kind == NNCF__RB_SPARSITY || a->kind == NNCF__MAGNITUDE_SPARSITY ||
        a->kind == NNCF__CONST_SPARSITY;
}

static nncf_status take_algorithm(
    struct nncf__placement *p, const nncf__algorithm_scopes *a, nncf_error *err)
{
    if (a->algorithm->kind == NNCF__DISTILLATION) /* a loss: no layer is changed */
        return NNCF_OK;
    const nncf__algorithm_scopes **kind = is_sparsity(a->algorithm) ? &p->sparsity
        : a->algorithm->kind == NNCF__QUANTIZATION || a->algorithm->kind == NNCF__BINARIZATION
        ? &p->quantization
        : a->algorithm->kind == NNCF__FILTER_PRUNING ? &p->pruning
                                                     : NULL;
    if (!kind)
        return nncf__fail(err, NNCF_E_UNSUPPORTED, a->algorithm->name,
            "compression[%zu]: %s is not in this release; it has rb_sparsity, magnitude_sparsity, "
            "const_sparsity, filter_pruning, quantization, binarization and "
            "knowledge_distillation",
            a->index, a->algorithm->name);
    if (*kind && kind == &p->sparsity)
        return nncf__fail(err, NNCF_E_CONFIG, a->algorithm->name,
            "compression[%zu]: %s, but %s is there already; a model takes one sparsity algorithm",
            a->index, a->algorithm->name, (*kind)->algorithm->name);
    if (*kind && (*kind)->algorithm->kind == a->algorithm->kind)
        return nncf__fail(err, NNCF_E_CONFIG, a->algorithm->name,
            "compression[%zu]: a second %s; a model takes one", a->index, a->algorithm->name);
    if (*kind)
        return nncf__fail(err, NNCF_E_UNSUPPORTED, a->algorithm->name,
            "compression[%zu]: %s, but %s is there already; a model takes binarization or "
            "quantization",
            a->index, a->algorithm->name, (*kind)->algorithm->name);
    *kind = a;
    return NNCF_OK;
}

static bool binarizes(const struct nncf__placement *p)
{
    return p->quantization && p->quantization->algorithm->kind == NNCF__BINARIZATION;
}

/* NNCF builds it, but a masked weight is minus the scale then, no zero. */
static nncf_status check_alone(const struct nncf__placement *p, nncf_error *err)
{
    const nncf__algorithm_scopes *other = p->sparsity ? p->sparsity : p->pruning;
    if (!binarizes(p) || !other)
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_UNSUPPORTED, "binarization",
        "compression[%zu]: binarization with %s: a binary weight has no zero for a mask; leave "
        "one of them out",
        p->quantization->index, other->algorithm->name);
}

/* ---- signs ---- */

/* Operators whose output has no negative values, as far as the graph shows. */
static void find_non_negative(const nncf__op_graph *graph, bool *non_negative)
{
    for (size_t i = 0; i < graph->count; i++) {
        const nncf__op *op = &graph->ops[i];
        switch (op->op) {
        case NNCF_OP_RELU:
        case NNCF_OP_RELU6:
        case NNCF_OP_SIGMOID:
        case NNCF_OP_HARD_SIGMOID:
        case NNCF_OP_SOFTMAX:
            non_negative[i] = true;
            break;
        case NNCF_OP_MAX_POOL:
        case NNCF_OP_AVERAGE_POOL:
        case NNCF_OP_ADAPTIVE_AVERAGE_POOL:
        case NNCF_OP_MEAN:
        case NNCF_OP_FLATTEN:
        case NNCF_OP_RESHAPE:
        case NNCF_OP_TRANSPOSE:
        case NNCF_OP_PAD:
        case NNCF_OP_DROPOUT:
        case NNCF_OP_INTERPOLATE:
        case NNCF_OP_CONCAT:
            non_negative[i] = op->n_inputs > 0;
            for (size_t j = 0; j < op->n_inputs; j++)
                non_negative[i] = non_negative[i] && non_negative[op->inputs[j]];
            break;
        default:
            non_negative[i] = false;
        }
    }
}

/* ---- parameters on a device ---- */

static bool allows(const nncf__quantizer_params *given, int32_t mask, const nncf__device_choice *c)
{
    return (!(mask & NNCF__GIVEN_BITS) || given->bits == c->bits) &&
        (!(mask & NNCF__GIVEN_MODE) || given->mode == c->mode) &&
        (!(mask & NNCF__GIVEN_PER_CHANNEL) || given->per_channel == c->per_channel);
}

/* The bits of all choices that differ in nothing else. */
static uint32_t bits_like(
    const nncf__quantizer_params *params, const nncf__device_choice *choices, size_t n)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < n; i++)
        if (choices[i].mode == params->mode && choices[i].per_channel == params->per_channel)
            bits |= 1u << choices[i].bits;
    return bits;
}

/* The device's first choice that agrees with what the config sets. If none agrees the config takes
 * precedence, with a warning. */
static void choose(struct nncf__placement *p, nncf__planned *planned,
    const nncf__device_choice *choices, size_t n, const char *scope)
{
    nncf__quantizer_params *params = &planned->rule.params;
    for (size_t i = 0; i < n; i++) {
        if (!allows(params, planned->given, &choices[i]))
            continue;
        params->bits = choices[i].bits;
        params->mode = choices[i].mode;
        params->per_channel = choices[i].per_channel;
        if (!planned->rule.bits_overridden && p->setup->device != NNCF__DEVICE_NONE)
            planned->rule.allowed_bits = bits_like(params, choices, n);
        return;
    }
    if (n > 0)
        nncf__log(p->context, NNCF_LOG_WARNING,
            "%s: the device has no quantizer of %d bits, %s, per %s; the config's is used", scope,
            (int)params->bits, params->mode == NNCF__SYMMETRIC ? "symmetric" : "asymmetric",
            params->per_channel ? "channel" : "tensor");
}

/* ---- from insertion points to slots ---- */

static nncf__planned *plan_at(struct nncf__placement *p, size_t op, int32_t slot)
{
    nncf__planned *planned = &p->layers[p->graph.ops[op].layer->index].quantizers[slot];
    *planned = (nncf__planned){.present = true, .op = op, .sign = NNCF__SIGNED};
    planned->given =
        nncf__scopes_rule(&p->scopes, p->quantization, &p->graph.ops[op], slot, &planned->rule);
    /* hawq's bits replace those of the groups; an override's stay */
    if (p->quantization->algorithm->precision.kind == NNCF__PRECISION_HAWQ) {
        if (planned->rule.bits_overridden)
            planned->rule.allowed_bits = 1u << planned->rule.params.bits;
        else
            planned->given &= ~(int32_t)NNCF__GIVEN_BITS;
    }
    return planned;
}

/* Channels of what comes out of an operator. */
static int64_t channels_of(const nncf__op *op)
{
    return op->part == NNCF__PART_INPUT ? op->layer->in_channels : op->layer->out_channels;
}

/* Which slot of its layer follows this operator? */
static nncf_status place_behind(
    const struct nncf__placement *p, size_t i, int32_t *slot, nncf_error *err)
{
    const nncf__op *op = &p->graph.ops[i];
    const nncf_layer *layer = op->layer;
    const nncf__kind_info *kind = nncf__kind_info_of(layer->kind);
    if (op->part == NNCF__PART_INPUT) {
        if (kind->quantizes_input) {
            *slot = NNCF__SLOT_INPUT;
            return NNCF_OK;
        }
        if (nncf__layer_passes_codes(layer) &&
            !p->layers[layer->index].quantizers[NNCF__SLOT_OUTPUT].present) {
            /* its output consists of elements of its input: the quantizer may as well follow it */
            *slot = NNCF__SLOT_OUTPUT;
            return NNCF_OK;
        }
        return nncf__fail(err, NNCF_E_UNSUPPORTED, layer->scope,
            "a quantizer stands on the input of this layer, which does not quantize its input; "
            "register "
            "what feeds it (NNCF_OP_INPUT for the model's input)");
    }
    if (i == p->graph.last[layer->index]) {
        *slot = NNCF__SLOT_OUTPUT;
        return NNCF_OK;
    }
    if (op->part == NNCF__PART_CORE && kind->quantizes_before_activation) {
        *slot = NNCF__SLOT_PRE_ACTIVATION;
        return NNCF_OK;
    }
    return nncf__fail(err, NNCF_E_UNSUPPORTED, layer->scope,
        "a quantizer stands behind %s, in the middle of this layer; register what follows it as a "
        "layer "
        "of its own",
        op->scope);
}

static nncf_status place_activation(struct nncf__placement *p, size_t i,
    const nncf__insertion_point *point, bool non_negative, nncf_error *err)
{
    const nncf__op *op = &p->graph.ops[i];
    int32_t slot = NNCF__SLOT_OUTPUT;
    if (op->part == NNCF__PART_INNER) {
        nncf__log(p->context, NNCF_LOG_INFO,
            "%s: NNCF has a quantizer inside of this operator, behind its ReLU6, which is left "
            "out; register its "
            "parts to have it",
            op->layer->scope);
        return NNCF_OK;
    }
    if (!nncf__scopes_take_activation(&p->scopes, p->quantization, op, NNCF__SLOT_OUTPUT) &&
        p->setup->setup == NNCF__SETUP_PATTERN)
        return NNCF_OK;
    if (op->op == NNCF_OP_INPUT &&
        !p->quantization->algorithm->quantize_inputs) /* propagation has not looked at this */
        return NNCF_OK;
    nncf_status status = place_behind(p, i, &slot, err);
    if (status != NNCF_OK)
        return status;
    nncf__planned *planned = plan_at(p, i, slot);
    planned->sign = non_negative ? NNCF__UNSIGNED : NNCF__SIGNED;
    planned->channels = channels_of(op);
    planned->group = point->group;
    choose(p, planned, point->choices, point->n_choices, op->scope);
    return NNCF_OK;
}

/* A quantizer that the host placed: no rule looks at it, only the config's scopes. */
static void place_by_hand(struct nncf__placement *p, size_t i)
{
    const nncf__op *op = &p->graph.ops[i];
    if (nncf__scopes_take_activation(&p->scopes, p->quantization, op, NNCF__SLOT_OUTPUT))
        plan_at(p, i, NNCF__SLOT_OUTPUT)->channels = op->layer->out_channels;
}

static nncf_status place_points(struct nncf__placement *p, const nncf__insertion_point *points,
    const bool *non_negative, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    for (size_t i = 0; i < p->graph.count && status == NNCF_OK; i++) {
        const nncf__op *op = &p->graph.ops[i];
        if (op->op == NNCF_OP_QUANTIZER)
            place_by_hand(p, i);
        else if (points[i].after)
            status = place_activation(p, i, &points[i], non_negative[i], err);
        if (status == NNCF_OK && points[i].input &&
            nncf__scopes_take_activation(&p->scopes, p->quantization, op, NNCF__SLOT_INPUT))
            plan_at(p, i, NNCF__SLOT_INPUT)->channels = op->layer->in_channels;
    }
    return status;
}

/* Run the rule that the config selects, and place its insertion points. */
static nncf_status place_activations(struct nncf__placement *p, nncf_error *err)
{
    const size_t n = p->graph.count + 1;
    nncf__insertion_point *points = nncf__calloc(p->context, n, sizeof *points);
    bool *flags = nncf__calloc(p->context, n, sizeof *flags);
    nncf_status status = NNCF_OK;
    if (!points || !flags) {
        status = nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for placing quantizers");
    } else if (p->setup->setup == NNCF__SETUP_PATTERN) {
        status = nncf__place_by_patterns(
            &p->graph, p->quantization->algorithm, p->setup->release, points, err);
    } else {
        for (size_t i = 0; i < p->graph.count; i++)
            flags[i] = nncf__scopes_ignore(&p->scopes, p->quantization, &p->graph.ops[i]);
        status = nncf__place_by_propagation(
            &p->graph, p->setup->device, p->setup->release, flags, points, err);
    }
    if (status == NNCF_OK) {
        find_non_negative(&p->graph, flags);
        status = place_points(p, points, flags, err);
    }
    if (status == NNCF_OK)
        status = nncf__placement_share_ranges(p, err);
    nncf__free(p->context, points);
    nncf__free(p->context, flags);
    return status;
}

/* A set of constants a group, as the config says, or else the host of a weight placed by hand. */
static void take_groups(nncf__planned *planned, const nncf_layer *layer)
{
    nncf__quantizer_params *params = &planned->rule.params;
    if (params->group_size == 0)
        params->group_size = layer->weight_group;
    if (params->group_size == 0)
        return;
    params->per_channel = 1;
    planned->channels = (int64_t)(layer->weight_count / (size_t)params->group_size);
}

/* Binarization is of 2d convolutions: the weight, and the input by a threshold a channel. */
static void place_binary(struct nncf__placement *p)
{
    const int32_t kind = p->quantization->algorithm->binary;
    for (size_t i = 0; i < p->model->n_layers; i++) {
        const nncf_layer *layer = p->model->layers[i];
        const size_t core = p->graph.first[i];
        const nncf__op *op = &p->graph.ops[core];
        if (layer->weight_count == 0 || op->op != NNCF_OP_CONV2D || !op->is_module ||
            !nncf__scopes_take_weight(&p->scopes, p->quantization, op))
            continue;
        const nncf__planned input = {.present = true,
            .op = core,
            .sign = NNCF__UNSIGNED,
            .channels = layer->in_channels,
            .rule = {.params = {.bits = 1, .sign = NNCF__UNSIGNED, .binary = kind},
                .range = {.kind = NNCF__RANGE_NONE, .n_samples = -1},
                .override_index = -1}};
        nncf__planned weight = input;
        weight.sign = weight.rule.params.sign = NNCF__SIGNED;
        weight.channels = layer->weight_shape[layer->weight_axis];
        weight.rule.params.per_channel = kind == NNCF__BINARY_XNOR;
        p->layers[i].quantizers[NNCF__SLOT_INPUT] = input;
        if (!layer->tied_to)
            p->layers[i].quantizers[NNCF__SLOT_WEIGHT] = weight;
    }
}

static void place_weights(struct nncf__placement *p)
{
    for (size_t i = 0; i < p->model->n_layers; i++) {
        const size_t core = p->graph.first[i];
        const nncf__op *op = &p->graph.ops[core];
        nncf__device_choice choices[NNCF__MAX_CHOICES];
        if (p->model->layers[i]->weight_count == 0 || p->model->layers[i]->tied_to)
            continue;
        if (op->is_module && p->sparsity)
            p->layers[i].masked = nncf__scopes_take_weight(&p->scopes, p->sparsity, op);
        if (!p->quantization)
            continue;
        if (op->is_module
                ? !nncf__scopes_take_weight(&p->scopes, p->quantization, op)
                : !nncf__scopes_take_activation(&p->scopes, p->quantization, op, NNCF__SLOT_OUTPUT))
            continue;
        nncf__planned *planned = plan_at(p, core, NNCF__SLOT_WEIGHT);
        planned->channels = op->layer->weight_shape[op->layer->weight_axis];
        if (p->setup->setup == NNCF__SETUP_PROPAGATION)
            choose(p, planned, choices, nncf__device_weights(p->setup->device, op, choices),
                op->module);
        take_groups(planned, op->layer);
    }
}

/* ---- filters ---- */

static nncf_status place_filters(struct nncf__placement *p, nncf_error *err)
{
    bool *allowed = nncf__calloc(p->context, p->model->n_layers + 1, sizeof *allowed);
    if (!allowed)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for placing quantizers");
    for (size_t i = 0; i < p->model->n_layers; i++) {
        const nncf__op *op = &p->graph.ops[p->graph.first[i]];
        allowed[i] = op->is_module && nncf__scopes_take_weight(&p->scopes, p->pruning, op) &&
            (p->model->layers[i]->weight_grad || p->model->frozen_policy != NNCF_FROZEN_LEAVE);
    }
    nncf_status status =
        nncf__clusters_make(&p->clusters, p->model, &p->pruning->algorithm->pruning, allowed, err);
    nncf__free(p->context, allowed);
    return status;
}

/* ---- what is impossible, or cannot be intended ---- */

static nncf_status check_quantizers(const struct nncf__placement *p, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    for (size_t i = 0; i < p->model->n_layers; i++) {
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS && status == NNCF_OK; j++) {
            const nncf__planned *planned = &p->layers[i].quantizers[j];
            const nncf__quantizer_request request =
                nncf__placement_request(p->model->layers[i], planned, j);
            if (planned->present)
                status = nncf__quantizer_check(&request, &planned->rule, err);
        }
    }
    return status;
}

static bool is_compressed(const struct nncf__placement *p, size_t i)
{
    return p->layers[i].masked || p->layers[i].quantizers[NNCF__SLOT_WEIGHT].present ||
        (p->clusters.pruned && p->clusters.pruned[i]);
}

static const float *end_of(const nncf_layer *layer)
{
    return nncf__layer_host_weight(layer) + nncf__layer_host_span(layer);
}

/* By the address of the weight, then in the order of registration. */
static int by_weight(const void *a, const void *b)
{
    const nncf_layer *const *x = a, *const *y = b;
    const uintptr_t i = (uintptr_t)nncf__layer_host_weight(*x),
                    j = (uintptr_t)nncf__layer_host_weight(*y);
    if (i != j)
        return i < j ? -1 : 1;
    return (*x)->index < (*y)->index ? -1 : 1;
}

/* Weights that the host does not train, as it wants them. */
static void treat_frozen(struct nncf__placement *p)
{
    const bool leave = p->model->frozen_policy == NNCF_FROZEN_LEAVE;
    for (size_t i = 0; i < p->model->n_layers && p->model->frozen_policy != NNCF_FROZEN_WARN; i++) {
        const nncf_layer *layer = p->model->layers[i];
        if (layer->weight_grad || !is_compressed(p, i))
            continue;
        if (leave) {
            p->layers[i].left = true;
            p->layers[i].masked = false;
            p->layers[i].quantizers[NNCF__SLOT_WEIGHT].present = false;
        }
        nncf__log(p->context, NNCF_LOG_INFO, "%s: its weight has no gradient, and is %s",
            layer->scope, leave ? "left as it is" : "compressed without being trained to it");
    }
}

/* Two layers with one weight buffer: each would have a mask or a range of its own, and one would
 * use what the other's compression makes of it. */
static nncf_status check_pair(const nncf_layer *a, const nncf_layer *b, nncf_error *err)
{
    return nncf__fail(err, NNCF_E_UNSUPPORTED, b->scope,
        "its weight lies in the same memory as that of %s, and each of the two would be compressed "
        "on its own: register it with tied_to where both read one weight, or leave one out with "
        "ignored_scopes",
        a->scope);
}

static nncf_status check_shared_weights(const struct nncf__placement *p, nncf_error *err)
{
    size_t count = 0;
    const nncf_layer **layers = nncf__calloc(p->context, p->model->n_layers + 1, sizeof *layers);
    if (!layers)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for placing quantizers");
    for (size_t i = 0; i < p->model->n_layers; i++)
        if (p->model->layers[i]->weight && is_compressed(p, i)) /* a plan needs no buffers */
            layers[count++] = p->model->layers[i];
    qsort(layers, count, sizeof *layers, by_weight);
    nncf_status status = NNCF_OK;
    for (size_t i = 1, widest = 0; i < count && status == NNCF_OK; i++) {
        const float *end = end_of(layers[widest]);
        if (nncf__layer_host_weight(layers[i]) < end)
            status = check_pair(layers[widest], layers[i], err);
        if (end_of(layers[i]) > end) /* it reaches further than those before */
            widest = i;
    }
    nncf__free(p->context, layers);
    return status;
}

nncf_status nncf__placement_decide(struct nncf__placement *placement, const nncf_model *model,
    const nncf_config *config, nncf_error *err)
{
    struct nncf__placement *p = placement;
    *p = (struct nncf__placement){
        .context = model->context, .model = model, .setup = nncf__config_setup_of(config)};
    p->layers = nncf__calloc(p->context, model->n_layers + 1, sizeof *p->layers);
    nncf_status status = p->layers
        ? nncf__op_graph_make(&p->graph, model, p->setup->release, err)
        : nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for placing quantizers");
    if (status == NNCF_OK)
        status = nncf__scopes_make(&p->scopes, p->context, config, err);
    for (size_t i = 0; i < p->scopes.count && status == NNCF_OK; i++)
        status = take_algorithm(p, &p->scopes.algorithms[i], err);
    if (status == NNCF_OK)
        status = check_alone(p, err);
    if (status == NNCF_OK && binarizes(p)) {
        place_binary(p);
    } else if (status == NNCF_OK) {
        place_weights(p);
        if (p->quantization)
            status = place_activations(p, err);
    }
    if (status == NNCF_OK && p->pruning)
        status = place_filters(p, err);
    if (status == NNCF_OK)
        status = nncf__scopes_check(&p->scopes, &p->graph, model, err);
    if (status == NNCF_OK)
        treat_frozen(p);
    if (status == NNCF_OK)
        status = check_quantizers(p, err);
    if (status == NNCF_OK)
        status = check_shared_weights(p, err);
    if (status != NNCF_OK)
        nncf__placement_clear(p);
    return status;
}

void nncf__placement_clear(struct nncf__placement *placement)
{
    nncf__scopes_free(&placement->scopes);
    nncf__op_graph_free(&placement->graph);
    nncf__clusters_free(&placement->clusters);
    nncf__free(placement->context, placement->layers);
    placement->layers = NULL;
}
