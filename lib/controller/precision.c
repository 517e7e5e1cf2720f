/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bit widths by sensitivity. The caller's loop runs forward and backward of the float model on
 * weights that precision/hessian.c moves; then bits are chosen (precision/choose.c) and activations
 * follow their weights (precision/groups.c). While it runs all quantizers wait, masks are
 * deterministic, running statistics stay and dropout repeats itself, so that two passes over a
 * batch differ in the weights only.
 */
#include "controller/precision.h"

#include "base/alloc.h"
#include "base/collective.h"
#include "base/error.h"
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "controller/init.h"
#include "controller/stages.h"
#include "controller/weight.h"
#include "graph/layout.h"
#include "graph/model.h"
#include "precision/choose.h"
#include "precision/groups.h"
#include "precision/hessian.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>

#include <math.h>
#include <string.h>

/* ---- life ---- */

nncf_status nncf__precision_create(
    nncf_compression_ctrl *ctrl, const nncf__algorithm *quantization, int32_t release)
{
    if (!quantization || quantization->precision.kind != NNCF__PRECISION_HAWQ)
        return NNCF_OK;
    ctrl->precision = nncf__calloc(ctrl->context, 1, sizeof *ctrl->precision);
    if (!ctrl->precision)
        return NNCF_E_NOMEM;
    ctrl->precision->params = quantization->precision;
    ctrl->precision->params.bits = NULL; /* the config may go */
    ctrl->precision->bits = nncf__precision_widths(&quantization->precision, release);
    ctrl->precision->hessian.context = ctrl->context;
    return NNCF_OK;
}

void nncf__precision_destroy(nncf_compression_ctrl *ctrl)
{
    nncf__precision *p = ctrl->precision;
    if (!p)
        return;
    nncf__hessian_end(&p->hessian);
    nncf__free(ctrl->context, p->weights);
    nncf__free(ctrl->context, p);
    ctrl->precision = NULL;
}

nncf_status nncf__precision_check_idle(
    const nncf_compression_ctrl *ctrl, const char *call, nncf_error *err)
{
    if (!nncf__ctrl_measuring(ctrl))
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_STATE, "initializer.precision",
        "%s: bits are being chosen, and the weights are perturbed meanwhile: run the "
        "nncf_compression_ctrl_precision_step() loop to its end, or give it up with "
        "nncf_compression_ctrl_stop_precision()",
        call);
}

nncf_status nncf__precision_check_chosen(
    const nncf_compression_ctrl *ctrl, const char *call, nncf_error *err)
{
    const nncf_status status = nncf__precision_check_idle(ctrl, call, err);
    if (status != NNCF_OK || !ctrl->precision || ctrl->precision->phase == NNCF__PRECISION_CHOSEN)
        return status;
    return nncf__fail(err, NNCF_E_STATE, "initializer.precision",
        "%s: the config has bits chosen by hawq, which was not done yet: run the "
        "nncf_compression_ctrl_precision_step() loop first, or restore a snapshot",
        call);
}

int64_t nncf__precision_is_chosen(const nncf_compression_ctrl *ctrl)
{
    return ctrl->precision && ctrl->precision->phase == NNCF__PRECISION_CHOSEN;
}

const char *nncf__precision_estimates(const nncf__precision *precision)
{
    return precision->params.traces == NNCF__TRACES_FISHER ? "mean squares of gradients"
                                                           : "random vectors";
}

bool nncf__precision_allows(
    const nncf_compression_ctrl *ctrl, const struct nncf__quantizer *quantizer, int32_t bits)
{
    const uint32_t fixed = 1u << quantizer->params.bits;
    const uint32_t allowed = quantizer->allowed_bits != 0 ? quantizer->allowed_bits
        : ctrl->precision                                 ? ctrl->precision->bits | fixed
                                                          : fixed;
    return bits >= NNCF__LEAST_BITS && bits <= NNCF__MOST_BITS && ((allowed >> bits) & 1u);
}

void nncf__precision_restored(nncf_compression_ctrl *ctrl, bool chosen)
{
    nncf__precision *p = ctrl->precision;
    p->phase = chosen ? NNCF__PRECISION_CHOSEN : NNCF__PRECISION_PENDING;
    p->n_weights = 0; /* what was measured here is not of them */
    p->iterations = 0;
}

/* Everything about the model is as without the loop. */
static void leave(nncf_compression_ctrl *ctrl, enum nncf__precision_phase phase)
{
    nncf__hessian_end(&ctrl->precision->hessian);
    ctrl->precision->phase = phase;
    nncf__stages_apply(ctrl);
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        nncf__layer_forget(ctrl->model->layers[i]);
        ctrl->model->layers[i]->drop_backwards = 0;
    }
    for (size_t i = 0; i < ctrl->n_parameters; i++)
        memset(ctrl->parameters[i].grad, 0, ctrl->parameters[i].count * sizeof(float));
}

/* ---- what is measured ---- */

static uint32_t choices_of(const nncf__precision *p, const nncf__quantizer *q)
{
    return q->allowed_bits != 0 ? q->allowed_bits : p->bits;
}

/* Has the weight bits to choose from? */
static bool is_chosen_for(const nncf__precision *p, const nncf__quantizer *q)
{
    const uint32_t choices = q ? choices_of(p, q) : 0;
    return (choices & (choices - 1)) != 0;
}

static nncf_status begin(nncf_compression_ctrl *ctrl, nncf_error *err)
{
    nncf__precision *p = ctrl->precision;
    nncf_layer **layers = nncf__calloc(ctrl->context, ctrl->n_layers + 1, sizeof *layers);
    size_t count = 0;
    if (!layers)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for the traces");
    nncf__init_renew(ctrl);
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        nncf_layer *layer = ctrl->model->layers[i];
        if (!is_chosen_for(p, ctrl->layers[i].weight_quantizer))
            continue;
        if (layer->weight_grad)
            layers[count++] = layer;
        else
            nncf__log(ctrl->context, NNCF_LOG_WARNING,
                "%s: its weight has no gradient, so hawq does not choose its bits, which are %d",
                layer->scope, (int)ctrl->layers[i].weight_quantizer->params.bits);
    }
    p->hessian = (nncf__hessian){.context = ctrl->context,
        .tolerance = p->params.tolerance,
        .most_iterations = (int64_t)fmin(fmax(p->params.iterations, 1), 1e9),
        .points = (int64_t)fmin(p->params.points, 1e12),
        .factor = ctrl->gradient_factor,
        .fisher = p->params.traces == NNCF__TRACES_FISHER};
    nncf_status status = NNCF_OK;
    if (count == 0) {
        nncf__log(ctrl->context, NNCF_LOG_WARNING,
            "initializer.precision: there is nothing to choose, since the device has one width for "
            "every weight: for others set target_device \"VPU\", or \"NONE\" and the widths in "
            "bits");
        p->phase = NNCF__PRECISION_CHOSEN;
    } else if ((status = nncf__hessian_start(&p->hessian, layers, count)) != NNCF_OK) {
        nncf__fail(err, status, NULL, "no memory for the traces");
    } else {
        p->phase = NNCF__PRECISION_MEASURING;
        nncf__stages_apply(ctrl);
        for (size_t i = 0; i < ctrl->n_layers; i++)
            nncf__layer_forget(ctrl->model->layers[i]);
    }
    nncf__free(ctrl->context, layers);
    return status;
}

/* Before each pass: the same random numbers as in the one before. */
static void prepare_pass(nncf_compression_ctrl *ctrl)
{
    ctrl->batch_images = 0;
    for (size_t i = 0; i < ctrl->n_layers; i++)
        ctrl->model->layers[i]->drop_backwards = 0;
}

/* ---- the choice ---- */

typedef struct chooser {
    nncf_compression_ctrl *ctrl;
    nncf__groups groups;
    nncf__choice choice;
    /* [groups.count] bits; [choice.count]: of a chosen weight, its member; [groups.count]: of a
     * member that is a weight, its operations */
    int32_t *bits;
    size_t *members;
    double *operations;
    uint32_t *allowed;
    double *traces;
    double (*errors)[NNCF__MOST_BITS + 1];
} chooser;

/* Products of an image, by the shapes of the last forward. A layer that the host runs itself has
 * none: its weights, each once. */
static double operations_of(const nncf_layer *layer)
{
    const int64_t *in = layer->now.batch_shape, *out = layer->now.batch_out;
    const bool transposed = layer->kind == NNCF__CONV_TRANSPOSE2D;
    const int64_t places = transposed ? in[2] * in[3] : out[2] * out[3];
    const bool known =
        !nncf__layer_is_by_host(layer) && places > 0 && layer->op != NNCF_OP_EMBEDDING;
    return (double)layer->weight_count * (known ? (double)places : 1) *
        (double)(layer->n_uses > 0 ? layer->n_uses : 1);
}

static double cost_of_bits(const chooser *c, const int32_t *bits)
{
    const nncf__precision *p = c->ctrl->precision;
    double cost = 0;
    for (size_t i = 0; i < c->groups.count; i++) {
        const nncf__member *m = &c->groups.members[i];
        if (!m->quantizer->is_weight)
            continue;
        const int32_t weight = bits[i],
                      activation = m->source != SIZE_MAX ? bits[m->source] : weight;
        if (p->params.criterion == NNCF__CRITERION_BYTES)
            cost += ceil((double)m->layer->weight_count * weight / 8);
        else if (p->params.criterion == NNCF__CRITERION_HOST)
            cost += p->cost(p->user, m->layer, weight, activation);
        else
            cost += c->operations[i] * (weight > activation ? weight : activation);
    }
    return cost;
}

/* All bits for those of the chosen weights; false: they are not possible. */
static bool follow(chooser *c, const int32_t *chosen)
{
    for (size_t i = 0; i < c->groups.count; i++)
        c->bits[i] = c->groups.members[i].quantizer->params.bits;
    for (size_t i = 0; i < c->choice.count; i++)
        c->bits[c->members[i]] = chosen[i];
    return nncf__groups_follow(
        &c->groups, c->ctrl->precision->params.mode == NNCF__ASSIGN_STRICT, c->bits);
}

static double cost(void *user, const int32_t *chosen)
{
    chooser *c = user;
    return follow(c, chosen) ? cost_of_bits(c, c->bits) : (double)NAN;
}

static void free_chooser(chooser *c)
{
    nncf_context *context = c->ctrl->context;
    nncf__groups_free(&c->groups);
    nncf__free(context, c->bits);
    nncf__free(context, c->members);
    nncf__free(context, c->operations);
    nncf__free(context, c->allowed);
    nncf__free(context, c->traces);
    nncf__free(context, c->errors);
    nncf__free(context, c->choice.chosen);
}

static nncf_status make_chooser(chooser *c, nncf_error *err)
{
    nncf_compression_ctrl *ctrl = c->ctrl;
    nncf_context *context = ctrl->context;
    const size_t n = ctrl->precision->hessian.count;
    nncf_status status =
        nncf__groups_find(&c->groups, context, ctrl->model->layers, ctrl->layers, ctrl->n_layers);
    if (status == NNCF_OK) {
        c->bits = nncf__calloc(context, c->groups.count + 1, sizeof *c->bits);
        c->operations = nncf__calloc(context, c->groups.count + 1, sizeof *c->operations);
        c->members = nncf__calloc(context, n + 1, sizeof *c->members);
        c->allowed = nncf__calloc(context, n + 1, sizeof *c->allowed);
        c->traces = nncf__calloc(context, n + 1, sizeof *c->traces);
        c->errors = nncf__calloc(context, n + 1, sizeof *c->errors);
        c->choice.chosen = nncf__calloc(context, n + 1, sizeof *c->choice.chosen);
        if (!c->bits || !c->operations || !c->members || !c->allowed || !c->traces || !c->errors ||
            !c->choice.chosen)
            status = NNCF_E_NOMEM;
    }
    if (status != NNCF_OK)
        return nncf__fail(err, status, NULL, "no memory for choosing bits");
    for (size_t i = 0; i < c->groups.count; i++)
        if (c->groups.members[i].quantizer->is_weight)
            c->operations[i] = operations_of(c->groups.members[i].layer);
    return NNCF_OK;
}

/* The widths that any quantizer may have on the device; the config's where there is no list. */
static void take_widths(chooser *c)
{
    uint32_t set = 0;
    bool listed = true;
    for (size_t i = 0; i < c->groups.count; i++) {
        const nncf__quantizer *q = c->groups.members[i].quantizer;
        set |= q->allowed_bits;
        listed = listed && (!q->is_weight || q->allowed_bits != 0);
    }
    if (!listed)
        set |= c->ctrl->precision->bits;
    for (int32_t b = NNCF__LEAST_BITS; b <= NNCF__MOST_BITS; b++)
        if ((set >> b) & 1u)
            c->choice.bits[c->choice.n_bits++] = b;
}

/* Of each traced weight: member, trace, and what each width would change. The weights are as they
 * were before. */
static void take_weights(chooser *c)
{
    nncf__precision *p = c->ctrl->precision;
    c->choice.count = p->hessian.count;
    for (size_t i = 0; i < p->hessian.count; i++) {
        nncf_layer *layer = p->hessian.traced[i].layer;
        nncf__sensitivity *s = &p->weights[i];
        nncf__quantizer *q = c->ctrl->layers[layer->index].weight_quantizer;
        const int32_t present = q->params.bits;
        while (c->groups.members[c->members[i]].quantizer != q)
            c->members[i]++;
        *s = (nncf__sensitivity){.layer = layer, .operations = c->operations[c->members[i]]};
        s->trace = nncf__hessian_trace(&p->hessian, i, &s->trace_error);
        for (size_t k = 0; k < c->choice.n_bits; k++) {
            q->params.bits = c->choice.bits[k];
            nncf__init_weight(c->ctrl, layer->index); /* a rule's range may depend on the bits */
            s->errors[q->params.bits] = nncf__weight_error(layer);
        }
        q->params.bits = present;
        nncf__init_weight(c->ctrl, layer->index);
        /* a device's list bounds the weight; without one all widths are its own */
        c->allowed[i] = q->allowed_bits != 0 ? q->allowed_bits : p->bits;
        c->traces[i] = s->trace;
        memcpy(c->errors[i], s->errors, sizeof s->errors);
    }
}

static void apply(chooser *c)
{
    nncf__precision *p = c->ctrl->precision;
    (void)follow(c, c->choice.chosen);
    for (size_t i = 0; i < c->groups.count; i++) {
        nncf__quantizer *q = c->groups.members[i].quantizer;
        q->params.bits = c->bits[i];
        nncf__quantizer_refresh(q);
    }
    nncf__init_weights(c->ctrl);
    p->metric = c->choice.metric;
    p->ratio = c->choice.achieved;
    p->least = c->choice.least;
    p->most = c->choice.most;
    p->iterations = p->hessian.iterations;
    p->n_weights = c->choice.count;
}

/* The weights are restored, the traces known. */
static nncf_status choose(nncf_compression_ctrl *ctrl, nncf_error *err)
{
    nncf__precision *p = ctrl->precision;
    chooser c = {.ctrl = ctrl};
    nncf__free(ctrl->context, p->weights);
    p->n_weights = 0;
    p->weights = nncf__calloc(ctrl->context, p->hessian.count + 1, sizeof *p->weights);
    nncf_status status = p->weights
        ? make_chooser(&c, err)
        : nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for choosing bits");
    if (status == NNCF_OK) {
        take_widths(&c);
        take_weights(&c);
        c.choice.context = ctrl->context;
        c.choice.traces = c.traces;
        c.choice.errors = (const double(*)[NNCF__MOST_BITS + 1]) c.errors;
        c.choice.allowed = c.allowed;
        c.choice.ratio = p->params.ratio;
        c.choice.cost = cost;
        c.choice.user = &c;
        for (size_t i = 0; i < c.groups.count; i++)
            c.bits[i] = NNCF__MOST_BITS;
        c.choice.full_cost = cost_of_bits(&c, c.bits);
        status = nncf__choose_bits(&c.choice, err);
    }
    if (status == NNCF_OK)
        apply(&c);
    free_chooser(&c);
    return status;
}

/* ---- the calls ---- */

static nncf_status check_call(
    const nncf_compression_ctrl *ctrl, const int32_t *more, const char *call, nncf_error *err)
{
    nncf_status status = nncf__ctrl_check(ctrl, call, err);
    if (status != NNCF_OK)
        return status;
    if (!more)
        return nncf__fail(err, NNCF_E_ARG, NULL, "%s: more is NULL", call);
    const nncf__precision *p = ctrl->precision;
    const bool begins = p && p->phase == NNCF__PRECISION_PENDING;
    if (!begins && !(p && p->phase == NNCF__PRECISION_MEASURING))
        return NNCF_OK;
    if (begins && nncf__ctrl_initializing(ctrl))
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "%s: initialization is under way; bits are chosen before it", call);
    if (p->params.criterion == NNCF__CRITERION_HOST && !p->cost)
        return nncf__fail(err, NNCF_E_STATE, "initializer.precision.criterion",
            "%s: criterion \"host\" needs a function that says what bits cost: set it with "
            "nncf_compression_ctrl_set_precision_cost()",
            call);
    return NNCF_OK;
}

/* Images are those of all ranks; none if some rank has none, so that all refuse. */
static nncf_status agree(nncf_compression_ctrl *ctrl, nncf_error *err)
{
    nncf__collective *ranks = &ctrl->model->collective;
    int64_t sums[2] = {ctrl->batch_images <= 0, ctrl->batch_images};
    if (nncf__all_reduce(ranks, sums, 2, NNCF_I64, NNCF_REDUCE_SUM) != NNCF_OK)
        return nncf__collective_check(ranks, "the numbers of images", err);
    ctrl->batch_images = sums[0] > 0 ? 0 : sums[1];
    return NNCF_OK;
}

static nncf_status precision_step(nncf_compression_ctrl *ctrl, int32_t *more, nncf_error *err)
{
    nncf_status status = check_call(ctrl, more, "nncf_compression_ctrl_precision_step", err);
    if (status != NNCF_OK)
        return status;
    nncf__precision *p = ctrl->precision;
    enum nncf__hessian_next next = NNCF__HESSIAN_NEW_BATCH;
    if (!p || p->phase == NNCF__PRECISION_CHOSEN) {
        *more = NNCF_PRECISION_DONE;
        return NNCF_OK;
    }
    nncf__model_pull_weights(ctrl->model);
    if (p->phase == NNCF__PRECISION_PENDING) {
        status = begin(ctrl, err);
        if (status != NNCF_OK)
            return status;
        if (p->phase == NNCF__PRECISION_CHOSEN) {
            *more = NNCF_PRECISION_DONE;
            return NNCF_OK;
        }
        nncf__hessian_perturb(&p->hessian, 1);
    } else if (p->hessian.sign == 0) { /* after an error: the batch begins again */
        nncf__hessian_perturb(&p->hessian, 1);
    } else {
        status = agree(ctrl, err);
        if (status == NNCF_OK)
            status = nncf__hessian_step(&p->hessian, ctrl->batch_images, &next, err);
        else
            nncf__hessian_restore(&p->hessian);
        if (status != NNCF_OK)
            return status;
    }
    if (next == NNCF__HESSIAN_DONE) {
        status = choose(ctrl, err);
        leave(ctrl, status == NNCF_OK ? NNCF__PRECISION_CHOSEN : NNCF__PRECISION_PENDING);
        if (status != NNCF_OK)
            return status;
        nncf__log(ctrl->context, NNCF_LOG_INFO,
            "initializer.precision: bits of %zu weights chosen from %lld %s, ratio %.3f",
            p->n_weights, (long long)p->iterations, nncf__precision_estimates(p), p->ratio);
    }
    prepare_pass(ctrl);
    *more = (int32_t)next;
    return NNCF_OK;
}

nncf_status nncf_compression_ctrl_precision_step(
    nncf_compression_ctrl *ctrl, int32_t *more, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = precision_step(ctrl, more, &reason);
    return nncf__report(ctrl ? ctrl->context : NULL, "nncf_compression_ctrl_precision_step", NULL,
        status, &reason, err);
}

nncf_status nncf_compression_ctrl_stop_precision(nncf_compression_ctrl *ctrl, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status =
        nncf__ctrl_check(ctrl, "nncf_compression_ctrl_stop_precision", &reason);
    if (status == NNCF_OK && nncf__ctrl_measuring(ctrl))
        leave(ctrl, NNCF__PRECISION_PENDING);
    return nncf__report(ctrl ? ctrl->context : NULL, "nncf_compression_ctrl_stop_precision", NULL,
        status, &reason, err);
}

nncf_status nncf_compression_ctrl_set_precision_cost(nncf_compression_ctrl *ctrl,
    double (*cost_of)(
        void *user, const nncf_layer *layer, int32_t weight_bits, int32_t activation_bits),
    void *user, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    nncf_status status =
        nncf__ctrl_check(ctrl, "nncf_compression_ctrl_set_precision_cost", &reason);
    if (status == NNCF_OK && !ctrl->precision)
        status = nncf__fail(&reason, NNCF_E_STATE, "initializer.precision",
            "the config does not choose bits: initializer.precision.type is not \"hawq\"");
    if (status == NNCF_OK) {
        ctrl->precision->cost = cost_of;
        ctrl->precision->user = user;
    }
    return nncf__report(ctrl ? ctrl->context : NULL, "nncf_compression_ctrl_set_precision_cost",
        NULL, status, &reason, err);
}
