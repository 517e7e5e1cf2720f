/* SPDX-License-Identifier: Apache-2.0 */
/* Quantizers created and destroyed: names, arrays, the state before any range is known. */
#include "quantization/quantizer_create.h"

#include "base/alloc.h"
#include "base/error.h"
#include "binarization/binarizer.h"
#include "config/canonical.h"
#include "graph/model.h"
#include "quantization/observer.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <stdio.h>
#include <string.h>

const char *const nncf__quantizer_name_suffixes[NNCF__N_SLOTS] = {".pre_ops.weight_quantizer",
    ".input_quantizer", ".activation_quantizer", ".pre_activation_quantizer"};

/* Groups divide the inputs of each output channel, which lie one after the other. */
static nncf_status check_groups(const nncf_layer *layer, int32_t size, nncf_error *err)
{
    const size_t inputs = layer->weight_count / (size_t)layer->weight_shape[0];
    if (layer->weight_axis != 0)
        return nncf__fail(err, NNCF_E_UNSUPPORTED, layer->scope,
            "group_size %d: the inputs of an output channel do not lie one after the other in this "
            "weight; override group_size with 0 for this scope",
            (int)size);
    if (inputs % (size_t)size != 0)
        return nncf__fail(err, NNCF_E_UNSUPPORTED, layer->scope,
            "group_size %d does not divide the %zu inputs of an output channel; override "
            "group_size "
            "for this scope (0: none)",
            (int)size, inputs);
    return NNCF_OK;
}

nncf_status nncf__quantizer_check(
    const nncf__quantizer_request *request, const nncf__quantizer_rule *rule, nncf_error *err)
{
    const nncf__quantizer_params *params = &rule->params;
    const nncf__range_rule *range = &rule->range;
    const char *group = request->group == NNCF__GROUP_WEIGHTS ? "weights" : "activations";
    if (params->binary)
        return NNCF_OK;
    if (params->bits < 2 || params->bits > 8)
        return nncf__fail(err, NNCF_E_UNSUPPORTED, request->layer->scope,
            "%s of %d bits: this release quantizes to 2..8 bits", group, (int)params->bits);
    if (params->mode != NNCF__SYMMETRIC && params->mode != NNCF__ASYMMETRIC)
        return nncf__fail(err, NNCF_E_UNSUPPORTED, request->layer->scope,
            "%s: the mode must be symmetric or asymmetric", group);
    if (params->mode == NNCF__ASYMMETRIC &&
        (params->gradient == NNCF__GRADIENT_LSQ || range->kind == NNCF__RANGE_LSQ))
        return nncf__fail(err, NNCF_E_UNSUPPORTED, request->layer->scope,
            "%s are asymmetric, and a learned step size (%s) has no offset: set their mode to "
            "symmetric, or override it for this scope",
            group,
            params->gradient == NNCF__GRADIENT_LSQ ? "range_gradient lsq"
                                                   : "initializer.range.type lsq");
    if (params->logarithm && params->gradient == NNCF__GRADIENT_LSQ)
        return nncf__fail(err, NNCF_E_UNSUPPORTED, request->layer->scope,
            "%s: logarithm_scale trains the logarithm of a range, and range_gradient lsq its step: "
            "set one of them",
            group);
    if (params->group_size > 0)
        return check_groups(request->layer, params->group_size, err);
    if (params->per_channel && request->channels == 0)
        return nncf__fail(err, NNCF_E_UNSUPPORTED, request->layer->scope,
            "%s per channel: how many channels the tensor has is not known from what is "
            "registered; %s, or override per_channel for this scope",
            group,
            request->layer->op == NNCF_OP_QUANTIZER ? "set nncf_quantizer_params.channels"
                                                    : "register the layers before this one");
    return NNCF_OK;
}

static void free_parameters(nncf_context *context, const nncf__quantizer *q)
{
    void *parts[] = {q->name, q->length_name, q->bound, q->bound_grad, q->length, q->length_grad};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        nncf__free(context, parts[i]);
}

void nncf__quantizer_share(
    nncf_context *context, nncf__quantizer *quantizer, nncf__quantizer *leader)
{
    free_parameters(context, quantizer);
    quantizer->name = leader->name;
    quantizer->length_name = leader->length_name;
    quantizer->bound = leader->bound;
    quantizer->bound_grad = leader->bound_grad;
    quantizer->length = leader->length;
    quantizer->length_grad = leader->length_grad;
    quantizer->leader = leader;
    leader->n_followers++;
    nncf__quantizer_follow(quantizer);
}

void nncf__quantizer_destroy(nncf_context *context, nncf__quantizer *quantizer)
{
    nncf__quantizer *q = quantizer;
    if (!q)
        return;
    nncf__observer_destroy(context, q);
    nncf__binarizer_destroy(context, q->binarizer);
    if (!q->leader)
        free_parameters(context, q);
    void *parts[] = {q->fq, q->scales, q->zero_points, q->observed_channels};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        nncf__free(context, parts[i]);
    nncf__free(context, q);
}

static char *name_of(nncf_context *context, const nncf__quantizer_request *request, const char *end)
{
    size_t n = strlen(request->layer->scope) + strlen(request->name_suffix) + strlen(end) + 1;
    char *name = nncf__alloc(context, n);
    if (name)
        snprintf(name, n, "%s%s%s", request->layer->scope, request->name_suffix, end);
    return name;
}

/* A threshold for each channel of the input. Names of their own: a range is no scale of these. */
static bool make_binarizer(
    nncf_context *context, const nncf__quantizer_request *request, nncf__quantizer *q)
{
    char *threshold = q->is_weight ? NULL : name_of(context, request, ".threshold");
    q->binarizer = nncf__binarizer_create(
        context, q->params.binary, q->is_weight ? 0 : request->channels, threshold);
    return q->binarizer != NULL;
}

static const char *first_name(const nncf__quantizer *q)
{
    return q->params.binary                  ? q->is_weight ? ".binary" : ".log_scale"
        : q->params.mode == NNCF__ASYMMETRIC ? ".input_low"
        : q->params.logarithm                ? ".log_range"
                                             : ".scale";
}

static bool fill(nncf_context *context, const nncf__quantizer_request *request, nncf__quantizer *q)
{
    const bool asymmetric = q->params.mode == NNCF__ASYMMETRIC;
    q->name = name_of(context, request, first_name(q));
    q->bound = nncf__calloc(context, q->channels, sizeof *q->bound);
    q->bound_grad = nncf__calloc(context, q->channels, sizeof *q->bound_grad);
    q->fq = nncf__calloc(context, q->channels, sizeof *q->fq);
    q->scales = nncf__calloc(context, q->channels, sizeof *q->scales);
    q->zero_points = nncf__calloc(context, q->channels, sizeof *q->zero_points);
    if (!q->name || !q->bound || !q->bound_grad || !q->fq || !q->scales || !q->zero_points)
        return false;
    if (q->channels > 1 &&
        !(q->observed_channels = nncf__calloc(context, q->channels, 2 * sizeof(float))))
        return false;
    if (asymmetric) {
        q->length_name =
            name_of(context, request, q->params.logarithm ? ".log_range" : ".input_range");
        q->length = nncf__calloc(context, q->channels, sizeof *q->length);
        q->length_grad = nncf__calloc(context, q->channels, sizeof *q->length_grad);
        if (!q->length_name || !q->length || !q->length_grad)
            return false;
    }
    if (q->params.binary) { /* the scale is 1, its logarithm 0 */
        if (!make_binarizer(context, request, q))
            return false;
        for (size_t c = 0; c < q->channels; c++)
            q->scales[c] = 1;
        q->initialized = true;
        nncf__quantizer_refresh(q);
        return true;
    }
    /* before any initialization: scale 1; asymmetric -1..1 where negative values are expected */
    const bool negative = q->params.sign != NNCF__UNSIGNED;
    const float range = asymmetric && negative ? 2.0f : 1.0f,
                parameter = q->params.logarithm ? nncf__range_logarithm(range) : range;
    for (size_t c = 0; c < q->channels; c++) {
        q->bound[c] = !asymmetric ? parameter : negative ? -1.0f : 0.0f;
        if (asymmetric)
            q->length[c] = parameter;
    }
    nncf__quantizer_observe_begin(q);
    nncf__quantizer_refresh(q);
    return true;
}

nncf_status nncf__quantizer_create(nncf_context *context, const nncf__quantizer_request *request,
    const nncf__quantizer_rule *rule, nncf__quantizer **quantizer, nncf_error *err)
{
    nncf__quantizer *q = nncf__calloc(context, 1, sizeof *q);
    if (q) {
        q->params = rule->params;
        q->is_weight = request->group == NNCF__GROUP_WEIGHTS;
        q->wanted_sign = rule->params.sign;
        q->allowed_bits = rule->allowed_bits;
        if (q->params.sign == NNCF__SIGN_AUTO)
            q->params.sign = request->sign;
        q->rule = rule->range;
        q->rule.target_scopes = q->rule.ignored_scopes = (nncf__strings){0}; /* the config may go */
        q->channels = rule->params.per_channel ? request->channels : 1;
        q->run = rule->params.per_channel ? request->run : request->layer->weight_count;
    }
    if (!q || !fill(context, request, q) || nncf__observer_create(context, q) != NNCF_OK) {
        nncf__quantizer_destroy(context, q);
        return nncf__fail(
            err, NNCF_E_NOMEM, request->layer->scope, "no memory for masks and quantizers");
    }
    *quantizer = q;
    return NNCF_OK;
}
