/* SPDX-License-Identifier: Apache-2.0 */
/*
 * High biases are absorbed (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization
 * and Bias Correction", section 4.1.3). What batch norm gives to a relu is taken for normal with
 * mean beta and deviation |gamma|, so that all but a 740th of it is above c = beta - 3 |gamma|.
 * Where c > 0 relu(z - c) = relu(z) - c for those, and the next layer V can have the constant: beta
 * loses c, and the bias after V gains V c. Activations then have the range that they use.
 */
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

/* Deviations below the mean. */
#define DEVIATIONS 3.0

/* ---- which layers ---- */

static bool has_padding(const nncf_layer *layer)
{
    bool some = false;
    for (int i = 0; i < 2; i++)
        some = some || layer->padding[i] != 0 || layer->padding_after[i] != 0;
    return some;
}

static const char *why_not_first(const nncf_layer *layer)
{
    return !layer->has_batch_norm ? "no batch norm says how its output is distributed"
        : !layer->batch_norm.weight || !layer->batch_norm.bias
        ? "its batch norm has no weight or no bias"
        : nncf__layer_is_by_host(layer) ? "the host runs it, and may add what is not registered"
        : layer->n_uses > 1             ? "it is used several times"
        : layer->activation != NNCF_ACTIVATION_NONE && layer->activation != NNCF_ACTIVATION_RELU
        ? "its activation is no relu"
        : NULL;
}

static const char *why_not_second(const nncf_layer *layer, const nncf_layer *first)
{
    return nncf__layer_is_by_host(layer) ? "the host runs it, and may add what is not registered"
        : layer->n_uses > 1              ? "it is used several times"
        : layer->weight_axis != 0        ? "its weight has the output channels second"
        : has_padding(layer)             ? "it pads with zeros, which would have to be constants"
        : !layer->bias && !layer->has_batch_norm ? "it has neither bias nor batch norm"
                                                 : nncf__pair_why_not_by_channel(layer, first);
}

/* Does a constant pass a layer, from what is not negative? */
static bool passes_constant(const nncf_layer *layer, bool rectified)
{
    switch (layer->op) {
    case NNCF_OP_RELU:
    case NNCF_OP_MAX_POOL: /* its padding is never the largest */
        return layer->n_inputs == 1 && !nncf__layer_has_activation(layer);
    case NNCF_OP_ADAPTIVE_AVERAGE_POOL:
    case NNCF_OP_INTERPOLATE:
        return layer->n_inputs == 1 && rectified && !nncf__layer_has_activation(layer);
    default:
        return false;
    }
}

static nncf_layer *find_second(const nncf_layer *first, const char **why)
{
    bool rectified = first->activation == NNCF_ACTIVATION_RELU;
    if ((*why = why_not_first(first)))
        return NULL;
    for (const nncf_layer *from = first;;) {
        nncf_layer *reader = nncf__pair_reader(from);
        *why = !reader ? "not one registered layer reads its output" : NULL;
        if (!reader)
            return NULL;
        if (nncf__pair_has_weight(reader)) {
            *why = rectified ? why_not_second(reader, first) : "no relu follows it";
            return *why ? NULL : reader;
        }
        if (!passes_constant(reader, rectified)) {
            *why = "what reads its output does not pass constants on";
            return NULL;
        }
        rectified = rectified || reader->op == NNCF_OP_RELU;
        from = reader;
    }
}

/* ---- numbers ---- */

/* What channel i is always above. */
static double constant_of(const nncf_layer *first, size_t i)
{
    const nncf_batch_norm_params *bn = &first->batch_norm;
    const double c = (double)bn->bias[i] - DEVIATIONS * fabs((double)bn->weight[i]);
    return c > 0 ? c : 0;
}

/* What the second layer makes of the constants in its output channel o. */
static double shift_of(const nncf_layer *first, const nncf_layer *second, size_t o)
{
    const size_t out = (size_t)second->out_channels, row = second->weight_count / out,
                 channels = (size_t)first->out_channels;
    const float *w = second->weight + o * row;
    double sum = 0;
    if (second->groups > 1) { /* depthwise */
        for (size_t k = 0; k < row; k++)
            sum += (double)w[k];
        return sum * constant_of(first, o / (out / (size_t)second->groups));
    }
    for (size_t k = 0; k < row; k++)
        sum += (double)w[k] * constant_of(first, k / (row / channels));
    return sum;
}

/* The bias, or where there is none the running mean, after that. */
static float *shifted(nncf_layer *second, size_t o, double shift, double *value)
{
    float *at = second->bias ? &second->bias[o] : &second->batch_norm.running_mean[o];
    *value = (double)*at + (second->bias ? shift : -shift);
    return at;
}

static size_t channels_of(const nncf_layer *first)
{
    size_t count = 0;
    for (size_t i = 0; i < (size_t)first->out_channels; i++)
        count += constant_of(first, i) > 0;
    return count;
}

/* Before anything is changed: no layer's batch norm or bias is an input of another pair's. */
static nncf_status check_pair(const nncf_layer *first, nncf_layer *second, nncf_error *err)
{
    for (size_t i = 0; i < (size_t)first->out_channels; i++)
        if (!isfinite(first->batch_norm.weight[i]) || !isfinite(first->batch_norm.bias[i]))
            return nncf__fail(err, NNCF_E_UNSUPPORTED, first->scope,
                "%s: batch norm's weight or bias of channel %zu is not finite", first->scope, i);
    const bool some = channels_of(first) > 0;
    for (size_t o = 0; some && o < (size_t)second->out_channels; o++) {
        double value;
        shifted(second, o, shift_of(first, second, o), &value);
        if (!isfinite((float)value))
            return nncf__fail(err, NNCF_E_UNSUPPORTED, second->scope,
                "%s: a weight or bias of output channel %zu is not finite, or would not be",
                second->scope, o);
    }
    return NNCF_OK;
}

static size_t absorb_pair(nncf_layer *first, nncf_layer *second)
{
    const size_t count = channels_of(first);
    for (size_t o = 0; count > 0 && o < (size_t)second->out_channels; o++) {
        double value;
        float *at = shifted(second, o, shift_of(first, second, o), &value);
        *at = (float)value;
    }
    for (size_t i = 0; i < (size_t)first->out_channels; i++)
        first->batch_norm.bias[i] =
            (float)((double)first->batch_norm.bias[i] - constant_of(first, i));
    return count;
}

/* ---- the call ---- */

static nncf_status absorb(nncf_model *model, size_t *n_channels, nncf_error *err)
{
    if (!model)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_model_absorb_biases: model is NULL");
    if (model->ctrl || model->replica)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "nncf_model_absorb_biases: %s: absorb biases before the model's controller is created",
            model->replica ? "the model is a replica" : "the model has a controller");
    nncf__model_pull_weights(model);
    size_t pairs = 0, count = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < model->n_layers; i++) {
            nncf_layer *first = model->layers[i];
            const char *why;
            if (!nncf__pair_has_weight(first))
                continue;
            nncf_layer *second = find_second(first, &why);
            if (!second && pass == 0)
                nncf__log(model->context, NNCF_LOG_INFO, "%s: no biases are absorbed: %s",
                    first->scope, why);
            if (!second)
                continue;
            nncf_status status = pass == 0 ? check_pair(first, second, err) : NNCF_OK;
            if (status != NNCF_OK)
                return status;
            pairs += (size_t)pass;
            count += pass ? absorb_pair(first, second) : 0;
        }
    for (size_t i = 0; i < model->n_layers; i++) /* what forwards kept is of other numbers */
        nncf__layer_drop_state(model->layers[i]);
    nncf__log(model->context, NNCF_LOG_INFO, "biases of %zu channels are absorbed, in %zu pairs",
        count, pairs);
    if (n_channels)
        *n_channels = count;
    return NNCF_OK;
}

nncf_status nncf_model_absorb_biases(nncf_model *model, size_t *n_channels, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = absorb(model, n_channels, &reason);
    return nncf__report(
        model ? model->context : NULL, "nncf_model_absorb_biases", NULL, status, &reason, err);
}
