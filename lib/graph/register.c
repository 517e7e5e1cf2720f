/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registration. Everything is checked and allocated on a layer of its own before the model changes,
 * so that an error leaves the model unchanged. Spatial sizes are unknown here; channels are known,
 * and are checked along the edges.
 */
#include "graph/register.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/strings.h"
#include "graph/index.h"
#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <math.h>
#include <string.h>

/* Parameter names are the scope with a suffix, and a snapshot takes names of up to 1024 bytes. */
enum { MAX_SCOPE = 960, MAX_LAYERS = 1 << 20 };
/* Sizes of one dimension, and weights of one layer: generous, and far from any overflow of 64-bit
 * arithmetic. */
#define MAX_SIZE   ((int64_t)1 << 31)
#define MAX_WEIGHT ((size_t)1 << 32)

typedef nncf__register_common common;

static const char *shown(const char *scope)
{
    return scope ? scope : "";
}

/* What any scope must be. `where` names the layer. */
static nncf_status check_name(const char *scope, const char *where, nncf_error *err)
{
    size_t length = strlen(scope);
    if (length > MAX_SCOPE)
        return nncf__fail(err, NNCF_E_LIMIT, where,
            "the scope has %zu bytes, at most %d are allowed", length, MAX_SCOPE);
    for (const char *c = scope; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return nncf__fail(err, NNCF_E_ARG, NULL,
                "the scope has a control character at byte %zu", (size_t)(c - scope));
    }
    if (!nncf__utf8_valid(scope)) /* it becomes a name in snapshots and statistics */
        return nncf__fail(err, NNCF_E_ARG, NULL, "the scope is not UTF-8; give it one that is");
    return NNCF_OK;
}

static nncf_status check_scope(const nncf_model *model, const char *scope, nncf_error *err)
{
    if (!scope || !*scope)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "the layer has no scope; give it one, such as \"Net/Conv2d[conv1]\"");
    nncf_status status = check_name(scope, scope, err);
    if (status != NNCF_OK)
        return status;
    const nncf_layer *taken = nncf_model_find_layer(model, scope);
    if (taken)
        return nncf__fail(err, NNCF_E_ARG, scope,
            "the scope is taken by layer %zu; every layer needs a scope of its own", taken->index);
    return NNCF_OK;
}

static nncf_status check_inputs(const nncf_model *model, const common *c, nncf_error *err)
{
    if (c->n_inputs > 0 && !c->inputs)
        return nncf__fail(
            err, NNCF_E_ARG, c->scope, "n_inputs is %zu but inputs is NULL", c->n_inputs);
    if (c->kind == NNCF__OPERATOR && c->n_inputs > 65536)
        return nncf__fail(
            err, NNCF_E_LIMIT, c->scope, "%zu inputs, at most 65536 are allowed", c->n_inputs);
    if (c->kind == NNCF__ADD && c->n_inputs != 0 && c->n_inputs != 2)
        return nncf__fail(err, NNCF_E_ARG, c->scope,
            "a sum has two inputs, or none when edges are left out; not %zu", c->n_inputs);
    if (c->kind != NNCF__ADD && c->kind != NNCF__OPERATOR && c->n_inputs > 1)
        return nncf__fail(err, NNCF_E_ARG, c->scope,
            "this kind of layer has at most one input, not %zu", c->n_inputs);
    for (size_t i = 0; i < c->n_inputs; i++) {
        const nncf_layer *input = c->inputs[i];
        if (!input)
            return nncf__fail(err, NNCF_E_ARG, c->scope,
                "inputs[%zu] is NULL; leave it out for the model's input", i);
        /* looked up instead of followed: a layer of a model that is gone must not be read */
        if (!nncf__index_has(&model->index, input))
            return nncf__fail(
                err, NNCF_E_ARG, c->scope, "inputs[%zu] is not a layer of this model", i);
    }
    return NNCF_OK;
}

/* A new layer with all that the kinds have in common; not yet in the model. */
nncf_status nncf__register_begin(
    nncf_model *model, const common *c, nncf_layer **layer, nncf_error *err)
{
    if (model->ctrl)
        return nncf__fail(err, NNCF_E_STATE, shown(c->scope),
            "a controller was made for this model already; register all layers before it");
    nncf_status status = check_scope(model, c->scope, err);
    if (status == NNCF_OK)
        status = check_inputs(model, c, err);
    if (status != NNCF_OK)
        return status;
    if (c->activation_scope && (status = check_name(c->activation_scope, c->scope, err)) != NNCF_OK)
        return status;
    if (c->activation < NNCF_ACTIVATION_NONE || c->activation > NNCF_ACTIVATION_RELU6)
        return nncf__fail(err, NNCF_E_ARG, c->scope,
            "activation is %d, not one of NNCF_ACTIVATION_...", (int)c->activation);
    if (model->n_layers >= MAX_LAYERS)
        return nncf__fail(err, NNCF_E_LIMIT, c->scope, "a model has at most %d layers", MAX_LAYERS);

    nncf_layer *l = nncf__calloc(model->context, 1, sizeof *l);
    if (!l)
        return nncf__fail(err, NNCF_E_NOMEM, c->scope, "no memory for a layer");
    l->model = model;
    l->kind = c->kind;
    l->op = c->op;
    l->activation = c->activation;
    l->scope = nncf__strdup(model->context, c->scope);
    l->inputs = c->n_inputs ? nncf__calloc(model->context, c->n_inputs, sizeof *l->inputs) : NULL;
    if (c->activation_scope)
        l->activation_scope = nncf__strdup(model->context, c->activation_scope);
    if (!l->scope || (c->n_inputs && !l->inputs) || (c->activation_scope && !l->activation_scope)) {
        nncf__layer_free(model->context, l);
        return nncf__fail(err, NNCF_E_NOMEM, c->scope, "no memory for a layer");
    }
    for (size_t i = 0; i < c->n_inputs; i++)
        l->inputs[i] = c->inputs[i];
    l->n_inputs = c->n_inputs;
    *layer = l;
    return NNCF_OK;
}

/* Into the model with it, or free it when something was wrong. */
nncf_status nncf__register_commit(
    nncf_model *model, nncf_layer *l, nncf_status status, nncf_layer **layer, nncf_error *err)
{
    if (status == NNCF_OK && model->n_layers == model->layers_capacity) {
        size_t capacity = model->layers_capacity ? 2 * model->layers_capacity : 64;
        nncf_layer **layers = nncf__calloc(model->context, capacity, sizeof *layers);
        if (layers && nncf__index_reserve(&model->index, model->context, capacity)) {
            if (model->n_layers)
                memcpy(layers, model->layers, model->n_layers * sizeof *layers);
            nncf__free(model->context, model->layers);
            model->layers = layers;
            model->layers_capacity = capacity;
        } else {
            nncf__free(model->context, layers);
            status = nncf__fail(err, NNCF_E_NOMEM, l->scope, "no memory for a layer");
        }
    }
    if (status != NNCF_OK) {
        nncf__layer_free(model->context, l);
        return status;
    }
    l->index = model->n_layers;
    model->layers[model->n_layers++] = l;
    nncf__index_add(&model->index, l);
    for (size_t i = 0; i < l->n_inputs; i++)
        l->inputs[i]->n_consumers++;
    *layer = l;
    return NNCF_OK;
}

/* A size that must be in low..MAX_SIZE. */
nncf_status nncf__register_check_size(
    const nncf_layer *l, const char *name, int64_t value, int64_t low, nncf_error *err)
{
    if (value < low)
        return nncf__fail(err, NNCF_E_ARG, l->scope, "%s is %lld, it must be at least %lld", name,
            (long long)value, (long long)low);
    if (value > MAX_SIZE)
        return nncf__fail(err, NNCF_E_LIMIT, l->scope, "%s is %lld, at most %lld is allowed", name,
            (long long)value, (long long)MAX_SIZE);
    return NNCF_OK;
}

static nncf_status check_pair(
    const nncf_layer *l, const char *name, const int64_t value[2], int64_t low, nncf_error *err)
{
    char text[32];
    nncf_status status = NNCF_OK;
    for (int i = 0; i < 2 && status == NNCF_OK; i++) {
        size_t n = strlen(name);
        memcpy(text, name, n);
        memcpy(text + n, i ? "[1]" : "[0]", 4);
        status = nncf__register_check_size(l, text, value[i], low, err);
    }
    return status;
}

nncf_status nncf__register_batch_norm(
    nncf_layer *l, const nncf_batch_norm_params *params, nncf_error *err)
{
    nncf_batch_norm_params *bn = &l->batch_norm;
    if (!params)
        return NNCF_OK;
    nncf_status status = nncf__params_copy(bn, sizeof *bn, params, "nncf_batch_norm_params", err);
    if (status != NNCF_OK)
        return status;
    if (!bn->running_mean || !bn->running_var)
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "batch_norm->%s is NULL; batch norm needs running_mean and running_var",
            bn->running_mean ? "running_var" : "running_mean");
    if ((bn->weight_grad && !bn->weight) || (bn->bias_grad && !bn->bias))
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "batch_norm->%s_grad is given, but batch_norm->%s is NULL",
            bn->weight_grad && !bn->weight ? "weight" : "bias",
            bn->weight_grad && !bn->weight ? "weight" : "bias");
    bn->eps = bn->eps == 0 ? 1e-5f : bn->eps;
    bn->momentum = bn->momentum == 0 ? 0.1f : bn->momentum;
    if (!(bn->eps > 0) || !isfinite(bn->eps))
        return nncf__fail(err, NNCF_E_ARG, l->scope, "batch_norm->eps is %g, it must be above 0",
            (double)bn->eps);
    if (!(bn->momentum > 0 && bn->momentum <= 1))
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "batch_norm->momentum is %g, it must be in (0, 1]", (double)bn->momentum);
    if (bn->scope) {
        status = check_name(bn->scope, l->scope, err);
        if (status != NNCF_OK)
            return status;
        l->norm_scope = nncf__strdup(l->model->context, bn->scope);
        if (!l->norm_scope)
            return nncf__fail(err, NNCF_E_NOMEM, l->scope, "no memory for a layer");
        bn->scope = NULL; /* ours is kept */
    }
    l->has_batch_norm = true;
    return NNCF_OK;
}

/* weight_count from the shape. */
nncf_status nncf__register_weight_count(nncf_layer *l, nncf_error *err)
{
    size_t count = 1;
    for (int32_t i = 0; i < l->weight_ndim; i++) {
        if (!nncf__mul(count, (size_t)l->weight_shape[i], &count) || count > MAX_WEIGHT)
            return nncf__fail(
                err, NNCF_E_LIMIT, l->scope, "the weight has more than 2^32 elements");
    }
    if (!l->weight)
        return nncf__fail(
            err, NNCF_E_ARG, l->scope, "weight is NULL; the layer needs its %zu floats", count);
    if (l->bias_grad && !l->bias)
        return nncf__fail(err, NNCF_E_ARG, l->scope, "bias_grad is given, but bias is NULL");
    l->weight_count = count;
    return NNCF_OK;
}

/* Does a (N,C) tensor, or one with H = W = 1, come out of it? */
static bool is_flat(const nncf_layer *l)
{
    if (l->kind == NNCF__ADD && l->n_inputs)
        return is_flat(l->inputs[0]);
    return l->kind == NNCF__LINEAR ||
        (l->kind == NNCF__POOL2D && l->pool_kind == NNCF_POOL_GLOBAL_AVERAGE);
}

/* in_channels against what the producer makes; sums and pools pass channels on. 0: not known. */
static nncf_status check_channels(nncf_layer *l, nncf_error *err)
{
    const nncf_layer *a = l->n_inputs > 0 ? l->inputs[0] : NULL,
                     *b = l->n_inputs > 1 ? l->inputs[1] : NULL;
    int64_t made = a ? a->out_channels : 0;
    if (l->kind == NNCF__ADD || l->kind == NNCF__POOL2D) {
        if (b && made && b->out_channels && made != b->out_channels)
            return nncf__fail(err, NNCF_E_ARG, l->scope,
                "the sum's inputs differ: %s has %lld channels, %s has %lld", a->scope,
                (long long)made, b->scope, (long long)b->out_channels);
        l->in_channels = l->out_channels = made ? made : b ? b->out_channels : 0;
        return NNCF_OK;
    }
    if (!made)
        return NNCF_OK;
    if (l->kind == NNCF__LINEAR && !is_flat(a)) {
        if (l->in_channels % made != 0)
            return nncf__fail(err, NNCF_E_ARG, l->scope,
                "in_features is %lld, which is not a multiple of the %lld channels of its input %s",
                (long long)l->in_channels, (long long)made, a->scope);
        return NNCF_OK;
    }
    if (l->in_channels != made)
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "%s is %lld, but its input %s has %lld channels",
            l->kind == NNCF__LINEAR ? "in_features" : "in_channels", (long long)l->in_channels,
            a->scope, (long long)made);
    return NNCF_OK;
}

static nncf_status fill_conv2d(nncf_layer *l, const nncf_conv2d_params *p, nncf_error *err)
{
    nncf_status status;
    l->weight = p->weight;
    l->weight_grad = p->weight_grad;
    l->bias = p->bias;
    l->bias_grad = p->bias_grad;
    l->in_channels = p->in_channels;
    l->out_channels = p->out_channels;
    l->groups = p->groups ? p->groups : 1;
    for (int i = 0; i < 2; i++) {
        l->kernel[i] = p->kernel[i];
        l->stride[i] = p->stride[i] ? p->stride[i] : 1;
        l->padding[i] = p->padding[i];
        l->dilation[i] = p->dilation[i] ? p->dilation[i] : 1;
    }
    if ((status = nncf__register_check_size(l, "in_channels", l->in_channels, 1, err)) != NNCF_OK ||
        (status = nncf__register_check_size(l, "out_channels", l->out_channels, 1, err)) !=
            NNCF_OK ||
        (status = nncf__register_check_size(l, "groups", l->groups, 1, err)) != NNCF_OK ||
        (status = check_pair(l, "kernel", l->kernel, 1, err)) != NNCF_OK ||
        (status = check_pair(l, "stride", l->stride, 1, err)) != NNCF_OK ||
        (status = check_pair(l, "padding", l->padding, 0, err)) != NNCF_OK ||
        (status = check_pair(l, "dilation", l->dilation, 1, err)) != NNCF_OK)
        return status;
    if (l->in_channels % l->groups != 0 || l->out_channels % l->groups != 0)
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "groups is %lld, which does not divide %s (%lld)", (long long)l->groups,
            l->in_channels % l->groups ? "in_channels" : "out_channels",
            (long long)(l->in_channels % l->groups ? l->in_channels : l->out_channels));
    l->weight_ndim = 4;
    l->weight_shape[0] = l->out_channels;
    l->weight_shape[1] = l->in_channels / l->groups;
    l->weight_shape[2] = l->kernel[0];
    l->weight_shape[3] = l->kernel[1];
    if ((status = nncf__register_weight_count(l, err)) != NNCF_OK ||
        (status = nncf__register_batch_norm(l, p->batch_norm, err)) != NNCF_OK)
        return status;
    return check_channels(l, err);
}

nncf_status nncf_model_add_conv2d(
    nncf_model *model, const nncf_conv2d_params *params, nncf_layer **layer, nncf_error *err)
{
    nncf_conv2d_params p;
    nncf_layer *l;
    if (!model || !params || !layer)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "nncf_model_add_conv2d: model, params and layer must not be NULL");
    nncf_status status = nncf__params_copy(&p, sizeof p, params, "nncf_conv2d_params", err);
    if (status != NNCF_OK)
        return status;
    const common c = {NNCF__CONV2D, NNCF_OP_CONV2D, p.scope, p.activation, p.activation_scope,
        p.inputs, p.n_inputs};
    if ((status = nncf__register_begin(model, &c, &l, err)) != NNCF_OK)
        return status;
    return nncf__register_commit(model, l, fill_conv2d(l, &p, err), layer, err);
}

static nncf_status fill_linear(nncf_layer *l, const nncf_linear_params *p, nncf_error *err)
{
    nncf_status status;
    if (p->reserved != 0)
        return nncf__fail(err, NNCF_E_ARG, l->scope, "nncf_linear_params: reserved must be 0");
    l->weight = p->weight;
    l->weight_grad = p->weight_grad;
    l->bias = p->bias;
    l->bias_grad = p->bias_grad;
    l->in_channels = p->in_features;
    l->out_channels = p->out_features;
    l->groups = 1;
    for (int i = 0; i < 2; i++)
        l->kernel[i] = l->stride[i] = l->dilation[i] = 1;
    if ((status = nncf__register_check_size(l, "in_features", l->in_channels, 1, err)) != NNCF_OK ||
        (status = nncf__register_check_size(l, "out_features", l->out_channels, 1, err)) != NNCF_OK)
        return status;
    l->weight_ndim = 2;
    l->weight_shape[0] = l->out_channels;
    l->weight_shape[1] = l->in_channels;
    if ((status = nncf__register_weight_count(l, err)) != NNCF_OK ||
        (status = nncf__register_batch_norm(l, p->batch_norm, err)) != NNCF_OK)
        return status;
    return check_channels(l, err);
}

nncf_status nncf_model_add_linear(
    nncf_model *model, const nncf_linear_params *params, nncf_layer **layer, nncf_error *err)
{
    nncf_linear_params p;
    nncf_layer *l;
    if (!model || !params || !layer)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "nncf_model_add_linear: model, params and layer must not be NULL");
    nncf_status status = nncf__params_copy(&p, sizeof p, params, "nncf_linear_params", err);
    if (status != NNCF_OK)
        return status;
    const common c = {NNCF__LINEAR, NNCF_OP_LINEAR, p.scope, p.activation, p.activation_scope,
        p.inputs, p.n_inputs};
    if ((status = nncf__register_begin(model, &c, &l, err)) != NNCF_OK)
        return status;
    return nncf__register_commit(model, l, fill_linear(l, &p, err), layer, err);
}

nncf_status nncf_model_add_sum(
    nncf_model *model, const nncf_sum_params *params, nncf_layer **layer, nncf_error *err)
{
    nncf_sum_params p;
    nncf_layer *l;
    if (!model || !params || !layer)
        return nncf__fail(
            err, NNCF_E_ARG, NULL, "nncf_model_add_sum: model, params and layer must not be NULL");
    nncf_status status = nncf__params_copy(&p, sizeof p, params, "nncf_sum_params", err);
    if (status != NNCF_OK)
        return status;
    const common c = {
        NNCF__ADD, NNCF_OP_ADD, p.scope, p.activation, p.activation_scope, p.inputs, p.n_inputs};
    if ((status = nncf__register_begin(model, &c, &l, err)) != NNCF_OK)
        return status;
    status = p.reserved == 0
        ? check_channels(l, err)
        : nncf__fail(err, NNCF_E_ARG, l->scope, "nncf_sum_params: reserved must be 0");
    return nncf__register_commit(model, l, status, layer, err);
}

static nncf_status fill_pool2d(nncf_layer *l, const nncf_pool2d_params *p, nncf_error *err)
{
    nncf_status status;
    if (p->kind < NNCF_POOL_GLOBAL_AVERAGE || p->kind > NNCF_POOL_MEAN_COLUMNS)
        return nncf__fail(
            err, NNCF_E_ARG, l->scope, "kind is %d, not one of NNCF_POOL_...", (int)p->kind);
    if (p->reserved != 0)
        return nncf__fail(err, NNCF_E_ARG, l->scope, "nncf_pool2d_params: reserved must be 0");
    const bool whole = p->kind != NNCF_POOL_AVERAGE && p->kind != NNCF_POOL_MAX;
    l->pool_kind = p->kind;
    for (int i = 0; i < 2; i++) {
        l->kernel[i] = p->kernel[i];
        l->stride[i] = p->stride[i] ? p->stride[i] : p->kernel[i];
        l->padding[i] = p->padding[i];
        l->dilation[i] = 1;
        if (whole && (p->kernel[i] || p->stride[i] || p->padding[i]))
            return nncf__fail(err, NNCF_E_ARG, l->scope,
                "this pool takes the whole plane, row or column: leave kernel, stride and padding "
                "0");
    }
    if (!whole) {
        if ((status = check_pair(l, "kernel", l->kernel, 1, err)) != NNCF_OK ||
            (status = check_pair(l, "stride", l->stride, 1, err)) != NNCF_OK ||
            (status = check_pair(l, "padding", l->padding, 0, err)) != NNCF_OK)
            return status;
        for (int i = 0; i < 2; i++) {
            if (l->padding[i] > l->kernel[i] / 2)
                return nncf__fail(err, NNCF_E_ARG, l->scope,
                    "padding[%d] is %lld, more than half of the kernel (%lld)", i,
                    (long long)l->padding[i], (long long)l->kernel[i]);
        }
    }
    return check_channels(l, err);
}

nncf_status nncf_model_add_pool2d(
    nncf_model *model, const nncf_pool2d_params *params, nncf_layer **layer, nncf_error *err)
{
    nncf_pool2d_params p;
    nncf_layer *l;
    if (!model || !params || !layer)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "nncf_model_add_pool2d: model, params and layer must not be NULL");
    nncf_status status = nncf__params_copy(&p, sizeof p, params, "nncf_pool2d_params", err);
    if (status != NNCF_OK)
        return status;
    const int32_t op = p.kind == NNCF_POOL_MAX ? NNCF_OP_MAX_POOL
        : p.kind == NNCF_POOL_AVERAGE          ? NNCF_OP_AVERAGE_POOL
        : p.kind == NNCF_POOL_GLOBAL_AVERAGE   ? NNCF_OP_ADAPTIVE_AVERAGE_POOL
                                               : NNCF_OP_MEAN;
    const common c = {NNCF__POOL2D, op, p.scope, NNCF_ACTIVATION_NONE, NULL, p.inputs, p.n_inputs};
    if ((status = nncf__register_begin(model, &c, &l, err)) != NNCF_OK)
        return status;
    return nncf__register_commit(model, l, fill_pool2d(l, &p, err), layer, err);
}
