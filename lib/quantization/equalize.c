/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cross-layer equalization (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization
 * and Bias Correction", section 4.1). Between two layers of weights W (output channel i) and V
 * (input channel i) with an f for which f(s x) = s f(x), s > 0, channel i may be divided by s_i in
 * the first and multiplied in the second. With r and t the largest magnitudes of both channels,
 * s_i = sqrt(r_i / t_i) makes both sqrt(r_i t_i), which gives one scale for all channels the most
 * codes. The paper folds batch norms before. Here they stay, for training, but W takes over what
 * they multiply with, f_i = gamma_i / sqrt(var_i + eps): r is that of f_i W_i, and afterwards f_i
 * is 1 or -1.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "graph/kind_info.h"
#include "graph/layout.h"
#include "graph/model.h"
#include "quantization/layer_pairs.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/equalize.h>
#include <nncf/layer.h>
#include <nncf/model.h>

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MOST_ROUNDS = 1000, DEFAULT_ROUNDS = 20 };
/* Factors this near to 1 in all channels end the rounds. */
#define CLOSE 1e-3

typedef struct pair {
    nncf_layer *first, *second;
} pair;

/* ---- which layers ---- */

/* Is f(s x) = s f(x) for s > 0, in each channel on its own? */
static bool is_homogeneous(int32_t activation)
{
    return activation == NNCF_ACTIVATION_NONE || activation == NNCF_ACTIVATION_RELU ||
        activation == NNCF_ACTIVATION_LEAKY_RELU;
}

static bool passes(const nncf_layer *layer)
{
    switch (layer->op) {
    case NNCF_OP_RELU:
    case NNCF_OP_LEAKY_RELU:
    case NNCF_OP_PRELU:
    case NNCF_OP_DROPOUT:
    case NNCF_OP_MAX_POOL:
    case NNCF_OP_AVERAGE_POOL:
    case NNCF_OP_ADAPTIVE_AVERAGE_POOL:
    case NNCF_OP_INTERPOLATE:
        return layer->n_inputs == 1 &&
            (!nncf__layer_has_activation(layer) || is_homogeneous(layer->activation));
    default:
        return false;
    }
}

static bool is_relu6(const nncf_layer *layer)
{
    return layer->op == NNCF_OP_RELU6 || layer->activation == NNCF_ACTIVATION_RELU6;
}

/* Does another layer read the same buffer, though not registered as tied? */
static bool shares_buffer(const nncf_layer *layer)
{
    const nncf_model *model = layer->model;
    const float *own = layer->has_layout ? layer->layout.weight : layer->weight;
    for (size_t i = 0; i < model->n_layers; i++) {
        const nncf_layer *other = model->layers[i];
        if (other != layer && (other->has_layout ? other->layout.weight : other->weight) == own)
            return true;
    }
    return false;
}

/* Why no weight of this layer may be scaled; NULL: it may. */
static const char *why_fixed(const nncf_layer *layer)
{
    return layer->tied_to || layer->n_tied > 0 || shares_buffer(layer)
        ? "its weight is shared between layers"
        : nncf__layer_is_by_host(layer) ? "the host runs it, and may add what is not registered"
        : layer->n_uses > 1             ? "it is used several times"
        : layer->weight_axis != 0       ? "its weight has the output channels second"
                                        : NULL;
}

static const char *why_not_first(const nncf_layer *layer)
{
    const char *why = why_fixed(layer);
    if (why)
        return why;
    if (is_relu6(layer))
        return "its relu6 cuts off at 6, whatever the scale: train with relu, as the paper does";
    if (!is_homogeneous(layer->activation))
        return "its activation is not proportional to its input";
    if (layer->has_batch_norm && !layer->batch_norm.weight)
        return "its batch norm has no weight that could be scaled";
    return NULL;
}

/* Can it read channels of `first` one by one? */
static const char *why_not_second(const nncf_layer *layer, const nncf_layer *first)
{
    const char *why = why_fixed(layer);
    return why ? why : nncf__pair_why_not_by_channel(layer, first);
}

/* The layer that a layer can be equalized with; NULL: none, and why. */
static nncf_layer *find_second(const nncf_layer *first, const char **why, const nncf_layer **at)
{
    nncf_layer *reader = NULL;
    *at = first;
    if ((*why = why_not_first(first)))
        return NULL;
    for (const nncf_layer *from = first;; from = reader) {
        *at = from;
        *why = from->n_consumers == 0 ? "no registered layer reads its output"
                                      : "several layers read its output";
        if (!(reader = nncf__pair_reader(from)))
            return NULL;
        *at = reader;
        if (nncf__pair_has_weight(reader)) {
            *why = why_not_second(reader, first);
            return *why ? NULL : reader;
        }
        *why = is_relu6(reader)
            ? "it cuts off at 6, whatever the scale: train with relu, as the paper does"
            : "its output is not proportional to its input, channel by channel";
        if (!passes(reader))
            return NULL;
    }
}

/* ---- channels of weights ---- */

/* An input channel of a weight: runs of `length` elements, `step` apart, from `begin` on. */
typedef struct columns {
    size_t begin, length, step, count;
} columns;

static columns input_channel(const nncf_layer *layer, const nncf_layer *first, size_t i)
{
    const size_t out = (size_t)layer->out_channels, row = layer->weight_count / out;
    if (nncf__pair_is_depthwise(layer)) {
        const size_t rows = out / (size_t)layer->groups;
        return (columns){i * rows * row, rows * row, 0, 1};
    }
    const size_t length = row / (size_t)first->out_channels;
    return (columns){i * length, length, row, out};
}

static columns output_channel(const nncf_layer *layer, size_t i)
{
    const size_t row = layer->weight_count / (size_t)layer->out_channels;
    return (columns){i * row, row, 0, 1};
}

static double largest(const nncf_layer *layer, columns c)
{
    double most = 0;
    for (size_t r = 0; r < c.count; r++)
        for (size_t i = 0; i < c.length; i++)
            most = fmax(most, fabs((double)layer->weight[c.begin + r * c.step + i]));
    return most;
}

static void multiply(nncf_layer *layer, columns c, double factor)
{
    for (size_t r = 0; r < c.count; r++)
        for (size_t i = 0; i < c.length; i++) {
            float *w = &layer->weight[c.begin + r * c.step + i];
            *w = (float)((double)*w * factor);
        }
}

/* ---- one channel ---- */

/* What batch norm multiplies with; 1: there is none. */
static double norm_factor(const nncf_layer *layer, size_t i)
{
    const nncf_batch_norm_params *bn = &layer->batch_norm;
    return layer->has_batch_norm
        ? fabs((double)bn->weight[i]) / sqrt((double)bn->running_var[i] + (double)bn->eps)
        : 1;
}

/* What stands for a channel beside its weights. */
typedef struct channel {
    float bias, gamma, beta, mean, var;
} channel;

/* For weights that are multiplied with k, and an output that is divided by s. */
static channel scaled(const nncf_layer *layer, size_t i, double k, double s)
{
    const nncf_batch_norm_params *bn = &layer->batch_norm;
    channel c = {.bias = layer->bias ? (float)((double)layer->bias[i] * k) : 0};
    if (!layer->has_batch_norm)
        return c;
    const double var = (double)bn->running_var[i], eps = (double)bn->eps;
    c.mean = (float)((double)bn->running_mean[i] * k);
    c.var = (float)(var * k * k);
    /* eps stays: gamma makes up for it, so that eval mode computes the same */
    c.gamma = (float)((double)bn->weight[i] / (k * s) * sqrt(((double)c.var + eps) / (var + eps)));
    c.beta = bn->bias ? (float)((double)bn->bias[i] / s) : 0;
    return c;
}

static bool is_finite(const channel *c)
{
    return isfinite(c->bias) && isfinite(c->gamma) && isfinite(c->beta) && isfinite(c->mean) &&
        isfinite(c->var);
}

static void store(nncf_layer *layer, size_t i, const channel *c)
{
    const nncf_batch_norm_params *bn = &layer->batch_norm;
    if (layer->bias)
        layer->bias[i] = c->bias;
    if (!layer->has_batch_norm)
        return;
    bn->running_mean[i] = c->mean;
    bn->running_var[i] = c->var;
    bn->weight[i] = c->gamma;
    if (bn->bias)
        bn->bias[i] = c->beta;
}

/* How far from 1 the factor was. Channels of zeros, and what would not be finite, stay. */
static double equalize_channel(const pair *p, size_t i)
{
    const columns out = output_channel(p->first, i), in = input_channel(p->second, p->first, i);
    const double f = norm_factor(p->first, i), r = largest(p->first, out) * f,
                 t = largest(p->second, in), s = sqrt(r / t);
    if (!(r > 0 && t > 0 && isfinite(s) && s > 0))
        return 0;
    const channel c = scaled(p->first, i, f / s, s);
    if (!is_finite(&c))
        return 0;
    multiply(p->first, out, f / s);
    multiply(p->second, in, s);
    store(p->first, i, &c);
    return fabs(log(s));
}

static double equalize_pair(const pair *p)
{
    double most = 0;
    for (size_t i = 0; i < (size_t)p->first->out_channels; i++)
        most = fmax(most, equalize_channel(p, i));
    return most;
}

/* ---- the call ---- */

static nncf_status check(const nncf_model *model, int32_t rounds, nncf_error *err)
{
    if (!model)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_model_equalize: model is NULL");
    if (rounds < 0 || rounds > MOST_ROUNDS)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "nncf_model_equalize: rounds is %d; it must be from 1 to %d, or 0 for %d", (int)rounds,
            MOST_ROUNDS, DEFAULT_ROUNDS);
    if (model->ctrl || model->replica)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "nncf_model_equalize: %s: equalize the model before its controller is created",
            model->replica ? "the model is a replica" : "the model has a controller");
    return NNCF_OK;
}

/* A weight that is not finite has no range; nothing has changed yet. */
static nncf_status check_weights(const pair *pairs, size_t count, nncf_error *err)
{
    for (size_t i = 0; i < 2 * count; i++) {
        const nncf_layer *layer = i % 2 ? pairs[i / 2].second : pairs[i / 2].first;
        for (size_t k = 0; k < layer->weight_count; k++)
            if (!isfinite(layer->weight[k]))
                return nncf__fail(err, NNCF_E_UNSUPPORTED, layer->scope,
                    "%s: weight[%zu] is %g, which is not finite", layer->scope, k,
                    (double)layer->weight[k]);
    }
    return NNCF_OK;
}

static size_t find_pairs(nncf_model *model, pair *pairs)
{
    size_t count = 0;
    for (size_t i = 0; i < model->n_layers; i++) {
        nncf_layer *first = model->layers[i];
        const char *why;
        const nncf_layer *at;
        if (!nncf__pair_has_weight(first))
            continue;
        nncf_layer *second = find_second(first, &why, &at);
        if (second)
            pairs[count++] = (pair){first, second};
        else
            nncf__log(model->context, is_relu6(at) ? NNCF_LOG_WARNING : NNCF_LOG_INFO,
                "%s is not equalized: %s%s%s", first->scope, at == first ? "" : at->scope,
                at == first ? "" : ": ", why);
    }
    return count;
}

/* The host's arrays of weights in another order. */
static void push_weights(const pair *pairs, size_t count)
{
    for (size_t i = 0; i < 2 * count; i++) {
        nncf_layer *layer = i % 2 ? pairs[i / 2].second : pairs[i / 2].first;
        if (layer->has_layout)
            nncf__layer_scatter(layer, layer->weight, layer->layout.weight);
    }
}

static nncf_status equalize(nncf_model *model, int32_t rounds, size_t *n_pairs, nncf_error *err)
{
    nncf_status status = check(model, rounds, err);
    if (status != NNCF_OK)
        return status;
    pair *pairs = nncf__calloc(model->context, model->n_layers + 1, sizeof *pairs);
    if (!pairs)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for the pairs of layers");
    nncf__model_pull_weights(model);
    const size_t count = find_pairs(model, pairs);
    status = check_weights(pairs, count, err);
    double most = INFINITY;
    int32_t done = 0;
    for (; status == NNCF_OK && done < (rounds ? rounds : DEFAULT_ROUNDS) && most > CLOSE; done++) {
        most = 0;
        for (size_t i = 0; i < count; i++)
            most = fmax(most, equalize_pair(&pairs[i]));
    }
    if (status == NNCF_OK) {
        push_weights(pairs, count);
        for (size_t i = 0; i < model->n_layers; i++) /* what forwards kept is of other weights */
            nncf__layer_drop_state(model->layers[i]);
        nncf__log(model->context, NNCF_LOG_INFO, "%zu pairs of layers are equalized, %d rounds",
            count, (int)done);
        if (n_pairs)
            *n_pairs = count;
    }
    nncf__free(model->context, pairs);
    return status;
}

nncf_status nncf_model_equalize(nncf_model *model, int32_t rounds, size_t *n_pairs, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = equalize(model, rounds, n_pairs, &reason);
    return nncf__report(
        model ? model->context : NULL, "nncf_model_equalize", NULL, status, &reason, err);
}
