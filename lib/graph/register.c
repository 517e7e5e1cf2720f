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
#include "graph/kind_info.h"
#include "graph/model.h"
#include "graph/ops.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Of batch norm, as PyTorch's. */
#define DEFAULT_MOMENTUM 0.1f
#define NORM_FLAGS                                                                                 \
    (NNCF_BATCH_NORM_FROZEN | NNCF_BATCH_NORM_BIASED_RUNNING | NNCF_BATCH_NORM_INVERSE_MOMENTUM |  \
        NNCF_BATCH_NORM_UNBIASED)
/* Of leaky relu, as PyTorch's. */
#define DEFAULT_SLOPE 0.01f

/* Parameter names are the scope with a suffix, and a snapshot takes names of up to 1024 bytes. */
enum { MAX_SCOPE = 960, MAX_LAYERS = 1 << 20, MAX_INPUTS = 65536 };
/* Sizes of one dimension, and weights of one layer: generous, and far from any overflow of 64-bit
 * arithmetic. */
#define MAX_SIZE   ((int64_t)1 << 31)
#define MAX_WEIGHT ((size_t)1 << 32)

typedef nncf__register_common common;

/* What any scope must be; `what` says which, `where` is the layer's if that is known. */
static nncf_status check_name(
    const char *scope, const char *what, const char *where, nncf_error *err)
{
    size_t length = strlen(scope);
    if (length > MAX_SCOPE)
        return nncf__fail(err, NNCF_E_LIMIT, where, "%s has %zu bytes, at most %d are allowed",
            what, length, MAX_SCOPE);
    for (const char *c = scope; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return nncf__fail(err, NNCF_E_ARG, where, "%s has a control character at byte %zu",
                what, (size_t)(c - scope));
    }
    if (!nncf__utf8_valid(scope)) /* it becomes a name in snapshots and statistics */
        return nncf__fail(
            err, NNCF_E_ARG, where, "%s is not UTF-8; give the layer one that is", what);
    return NNCF_OK;
}

static nncf_status check_scope(const char *scope, nncf_error *err)
{
    if (!scope || !*scope)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "the layer has no scope; give it one, such as \"Net/Conv2d[conv1]\"");
    return check_name(scope, "the scope", NULL, err);
}

static nncf_status check_inputs(const nncf_model *model, const common *c, nncf_error *err)
{
    if (c->n_inputs > 0 && !c->inputs)
        return nncf__fail(
            err, NNCF_E_ARG, c->scope, "n_inputs is %zu but inputs is NULL", c->n_inputs);
    if (c->n_inputs > MAX_INPUTS)
        return nncf__fail(err, NNCF_E_LIMIT, c->scope, "%zu inputs, at most %d are allowed",
            c->n_inputs, MAX_INPUTS);
    /* an operator that the host runs may have fewer than it could: register_op.c */
    const size_t n = nncf__op_info_of(c->op)->max_inputs;
    if (!nncf__kind_info_of(c->kind)->run_by_host && n != NNCF__ANY_INPUTS && c->n_inputs != 0 &&
        c->n_inputs != n) {
        if (n == 1)
            return nncf__fail(err, NNCF_E_ARG, c->scope,
                "this kind of layer has at most one input, not %zu", c->n_inputs);
        return nncf__fail(err, NNCF_E_ARG, c->scope,
            "this kind of layer has %zu inputs, or none when edges are left out; not %zu", n,
            c->n_inputs);
    }
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

static nncf_status check_alpha(const common *c, nncf_error *err)
{
    const bool has =
        c->activation == NNCF_ACTIVATION_LEAKY_RELU || c->activation == NNCF_ACTIVATION_ELU;
    if (!isfinite(c->alpha) || (!has && c->alpha != 0))
        return nncf__fail(err, NNCF_E_ARG, c->scope,
            has ? "activation_alpha is %g, it must be finite"
                : "activation_alpha is %g, but only leaky relu and elu have one; leave it 0",
            (double)c->alpha);
    return NNCF_OK;
}

static nncf_status check_common(const nncf_model *model, const common *c, nncf_error *err)
{
    if (model->ctrl)
        return nncf__fail(err, NNCF_E_STATE, c->scope,
            "a controller was made for this model already; register all layers before it");
    const nncf_layer *taken = nncf_model_find_layer(model, c->scope);
    if (taken)
        return nncf__fail(err, NNCF_E_ARG, c->scope,
            "the scope is taken by layer %zu; every layer needs a scope of its own", taken->index);
    if (!nncf__op_info_of(c->op))
        return nncf__fail(
            err, NNCF_E_ARG, c->scope, "op is %d, not one of NNCF_OP_...", (int)c->op);
    nncf_status status = check_inputs(model, c, err);
    if (status == NNCF_OK && c->activation_scope)
        status = check_name(c->activation_scope, "activation_scope", c->scope, err);
    if (status != NNCF_OK)
        return status;
    if (c->activation < NNCF_ACTIVATION_NONE || c->activation > NNCF_ACTIVATION_MISH)
        return nncf__fail(err, NNCF_E_ARG, c->scope,
            "activation is %d, not one of NNCF_ACTIVATION_...", (int)c->activation);
    if ((status = check_alpha(c, err)) != NNCF_OK)
        return status;
    if (model->n_layers >= MAX_LAYERS)
        return nncf__fail(err, NNCF_E_LIMIT, c->scope, "a model has at most %d layers", MAX_LAYERS);
    return NNCF_OK;
}

/* A new layer with all that the kinds have in common; not yet in the model. */
static nncf_status begin(nncf_model *model, const common *c, nncf_layer **layer, nncf_error *err)
{
    nncf_layer *l = nncf__calloc(model->context, 1, sizeof *l);
    if (!l)
        return nncf__fail(err, NNCF_E_NOMEM, c->scope, "no memory for a layer");
    l->model = model;
    l->kind = c->kind;
    l->op = c->op;
    l->activation = c->activation;
    l->activation_alpha = c->alpha != 0               ? c->alpha
        : c->activation == NNCF_ACTIVATION_LEAKY_RELU ? DEFAULT_SLOPE
        : c->activation == NNCF_ACTIVATION_ELU        ? 1
                                                      : 0;
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
static nncf_status commit(nncf_model *model, nncf_layer *l, nncf_status status, nncf_error *err)
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
    l->memory = model->memory;
    l->gradients = model->gradients;
    model->layers[model->n_layers++] = l;
    nncf__index_add(&model->index, l);
    for (size_t i = 0; i < l->n_inputs; i++)
        l->inputs[i]->n_consumers++;
    if (l->tied_to)
        l->tied_to->n_tied++;
    return NNCF_OK;
}

/* Floats of the caller must be where floats can be, and a gradient is no parameter: backward would
 * add it to what is trained. */
static nncf_status check_arrays(const nncf_layer *l, nncf_error *err)
{
    const nncf_batch_norm_params *bn = &l->batch_norm;
    const struct {
        const char *name;
        const float *data;
    } arrays[] = {{"weight", l->weight}, {"weight_grad", l->weight_grad}, {"bias", l->bias},
        {"bias_grad", l->bias_grad}, {"batch_norm->weight", bn->weight},
        {"batch_norm->weight_grad", bn->weight_grad}, {"batch_norm->bias", bn->bias},
        {"batch_norm->bias_grad", bn->bias_grad}, {"weight", l->norm.weight},
        {"weight_grad", l->norm.weight_grad}, {"bias", l->norm.bias},
        {"bias_grad", l->norm.bias_grad}, {"batch_norm->running_mean", bn->running_mean},
        {"batch_norm->running_var", bn->running_var}};
    enum { PAIRED = 12 }; /* of a parameter and its gradient */
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if ((uintptr_t)arrays[i].data % _Alignof(float) != 0)
            return nncf__fail(err, NNCF_E_ARG, l->scope,
                "%s is not aligned as floats are, to %zu bytes", arrays[i].name, _Alignof(float));
    for (size_t i = 0; i < PAIRED; i += 2)
        if (arrays[i].data && arrays[i].data == arrays[i + 1].data)
            return nncf__fail(err, NNCF_E_ARG, l->scope,
                "%s and %s are one array: give the gradient a buffer of its own, or NULL",
                arrays[i].name, arrays[i + 1].name);
    return NNCF_OK;
}

/* The weight of `to` is that of l: registered alike. */
static nncf_status tie(nncf_layer *l, nncf_layer *to, nncf_error *err)
{
    if (!to)
        return NNCF_OK;
    if (!nncf__index_has(&l->model->index, to))
        return nncf__fail(err, NNCF_E_ARG, l->scope, "tied_to is not a layer of this model");
    to = nncf__weight_owner(to);
    bool alike = l->weight_ndim == to->weight_ndim && l->weight_axis == to->weight_axis;
    for (int32_t i = 0; alike && i < l->weight_ndim; i++)
        alike = l->weight_shape[i] == to->weight_shape[i];
    if (l->weight_ndim == 0 || !alike)
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "tied_to is %s, whose weight has another shape: one weight is read by both", to->scope);
    if (to->has_layout)
        return nncf__fail(err, NNCF_E_UNSUPPORTED, l->scope,
            "tied_to is %s, whose weight has a layout (nncf_layer_set_weight_layout()): a tied "
            "weight lies in the library's order",
            to->scope);
    if ((l->model->gradients | to->gradients) & NNCF_GRADIENT_WRITE_PARAMETERS)
        return nncf__fail(err, NNCF_E_UNSUPPORTED, l->scope,
            "tied_to is %s, and NNCF_GRADIENT_WRITE_PARAMETERS is set: each of the two would write "
            "over the other's gradient",
            to->scope);
    if ((l->attributes.flags ^ to->attributes.flags) & NNCF_OP_FLAG_KERNEL_TURNED)
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "tied_to is %s, and one of the two turns its kernel: an export has one weight for both",
            to->scope);
    if (l->weight != to->weight || l->weight_grad != to->weight_grad)
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "tied_to is %s, but weight%s is another buffer than that layer's", to->scope,
            l->weight != to->weight ? "" : "_grad");
    l->tied_to = to;
    return NNCF_OK;
}

static nncf_status add(nncf_model *model, const nncf__registration *kind, const void *copy,
    const common *c, nncf_layer **layer, nncf_error *err)
{
    nncf_layer *l = NULL;
    nncf_status status = check_common(model, c, err);
    if (status == NNCF_OK)
        status = begin(model, c, &l, err);
    if (status == NNCF_OK) {
        status = kind->fill(l, copy, err);
        if (status == NNCF_OK)
            status = check_arrays(l, err);
        if (status == NNCF_OK)
            status = tie(l, c->tied_to, err);
        status = commit(model, l, status, err);
    }
    if (status == NNCF_OK)
        *layer = l;
    return status;
}

nncf_status nncf__register(nncf_model *model, const nncf__registration *kind, const void *params,
    void *copy, nncf_layer **layer, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    common c = {.scope = NULL};
    const char *scope = NULL;
    nncf_status status = !model || !params || !layer
        ? nncf__fail(
              &reason, NNCF_E_ARG, NULL, "%s: model, params and layer must not be NULL", kind->call)
        : nncf__params_copy(copy, kind->params_size, params, kind->params_name, &reason);
    if (status == NNCF_OK) {
        kind->common(copy, &c);
        status = check_scope(c.scope, &reason);
    }
    if (status == NNCF_OK) {
        scope = c.scope;
        status = add(model, kind, copy, &c, layer, &reason);
    }
    return nncf__report(model ? model->context : NULL, kind->call, scope, status, &reason, err);
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

nncf_status nncf__register_check_pair(
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
    if ((bn->explicit_zeros != 0 && bn->explicit_zeros != 1) || (bn->flags & ~NORM_FLAGS))
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "nncf_batch_norm_params: explicit_zeros must be 0 or 1, flags NNCF_BATCH_NORM_...");
    if (!bn->explicit_zeros) {
        const bool inverse = bn->flags & NNCF_BATCH_NORM_INVERSE_MOMENTUM;
        bn->eps = bn->eps == 0 ? NNCF__DEFAULT_EPS : bn->eps;
        if (bn->momentum == 0)
            bn->momentum = inverse ? 1 - DEFAULT_MOMENTUM : DEFAULT_MOMENTUM;
    }
    if (!(bn->eps >= 0) || !isfinite(bn->eps))
        return nncf__fail(err, NNCF_E_ARG, l->scope, "batch_norm->eps is %g, it must be at least 0",
            (double)bn->eps);
    if (!(bn->momentum >= 0 && bn->momentum <= 1))
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "batch_norm->momentum is %g, it must be in [0, 1]", (double)bn->momentum);
    if (bn->scope) {
        status = check_name(bn->scope, "batch_norm->scope", l->scope, err);
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

nncf_status nncf__register_check_channels(nncf_layer *l, nncf_error *err)
{
    const nncf_layer *a = l->n_inputs > 0 ? l->inputs[0] : NULL,
                     *b = l->n_inputs > 1 ? l->inputs[1] : NULL;
    int64_t made = a ? a->out_channels : 0;
    const nncf__kind_info *kind = nncf__kind_info_of(l->kind);
    if (kind->passes_channels) {
        if (b && made && b->out_channels && made != b->out_channels)
            return nncf__fail(err, NNCF_E_ARG, l->scope,
                "the inputs differ: %s has %lld channels, %s has %lld", a->scope, (long long)made,
                b->scope, (long long)b->out_channels);
        l->in_channels = l->out_channels = made ? made : b ? b->out_channels : 0;
        return NNCF_OK;
    }
    if (!made)
        return NNCF_OK;
    if (kind->flattens && !nncf__layer_is_flat(a)) {
        if (l->in_channels % made != 0)
            return nncf__fail(err, NNCF_E_ARG, l->scope,
                "in_features is %lld, which is not a multiple of the %lld channels of its input %s",
                (long long)l->in_channels, (long long)made, a->scope);
        return NNCF_OK;
    }
    if (l->in_channels != made)
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "%s is %lld, but its input %s has %lld channels",
            kind->flattens ? "in_features" : "in_channels", (long long)l->in_channels, a->scope,
            (long long)made);
    return NNCF_OK;
}

nncf_status nncf__register_check_groups(const nncf_layer *l, nncf_error *err)
{
    const bool in = l->in_channels % l->groups != 0;
    if (!in && l->out_channels % l->groups == 0)
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_ARG, l->scope, "groups is %lld, which does not divide %s (%lld)",
        (long long)l->groups, in ? "in_channels" : "out_channels",
        (long long)(in ? l->in_channels : l->out_channels));
}

/* padding[2] is checked; `more` is what the end has beyond it. */
static nncf_status fill_padding_end(nncf_layer *l, const int32_t more[2], nncf_error *err)
{
    for (int i = 0; i < 2; i++) {
        l->padding_after[i] = l->padding[i] + more[i];
        if (l->padding_after[i] < 0)
            return nncf__fail(err, NNCF_E_ARG, l->scope,
                "padding_end[%d] is %d, with padding %lld less than nothing", i, (int)more[i],
                (long long)l->padding[i]);
    }
    return NNCF_OK;
}

nncf_status nncf__register_window_weight(nncf_layer *l, int64_t first, int64_t second,
    const nncf_batch_norm_params *batch_norm, nncf_error *err)
{
    nncf_status status;
    l->weight_ndim = 4;
    l->weight_shape[0] = first;
    l->weight_shape[1] = second;
    l->weight_shape[2] = l->kernel[0];
    l->weight_shape[3] = l->kernel[1];
    if ((status = nncf__register_weight_count(l, err)) != NNCF_OK ||
        (status = nncf__register_batch_norm(l, batch_norm, err)) != NNCF_OK)
        return status;
    return nncf__register_check_channels(l, err);
}

static nncf_status fill_conv2d(nncf_layer *l, const void *params, nncf_error *err)
{
    const nncf_conv2d_params *p = params;
    nncf_status status;
    if (p->reserved != 0)
        return nncf__fail(err, NNCF_E_ARG, l->scope, "nncf_conv2d_params: reserved must be 0");
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
        (status = nncf__register_check_pair(l, "kernel", l->kernel, 1, err)) != NNCF_OK ||
        (status = nncf__register_check_pair(l, "stride", l->stride, 1, err)) != NNCF_OK ||
        (status = nncf__register_check_pair(l, "padding", l->padding, 0, err)) != NNCF_OK ||
        (status = fill_padding_end(l, p->padding_end, err)) != NNCF_OK ||
        (status = nncf__register_check_pair(l, "dilation", l->dilation, 1, err)) != NNCF_OK)
        return status;
    if ((status = nncf__register_check_groups(l, err)) != NNCF_OK)
        return status;
    return nncf__register_window_weight(
        l, l->out_channels, l->in_channels / l->groups, p->batch_norm, err);
}

static void conv2d_common(const void *params, common *c)
{
    const nncf_conv2d_params *p = params;
    *c = (common){NNCF__CONV2D, NNCF_OP_CONV2D, p->scope, p->activation, p->activation_scope,
        p->inputs, p->n_inputs, p->activation_alpha, p->tied_to};
}

nncf_status nncf_model_add_conv2d(
    nncf_model *model, const nncf_conv2d_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_conv2d",
        .params_name = "nncf_conv2d_params",
        .params_size = sizeof(nncf_conv2d_params),
        .common = conv2d_common,
        .fill = fill_conv2d};
    nncf_conv2d_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

static nncf_status fill_linear(nncf_layer *l, const void *params, nncf_error *err)
{
    const nncf_linear_params *p = params;
    nncf_status status;
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
    return nncf__register_check_channels(l, err);
}

static void linear_common(const void *params, common *c)
{
    const nncf_linear_params *p = params;
    *c = (common){NNCF__LINEAR, NNCF_OP_LINEAR, p->scope, p->activation, p->activation_scope,
        p->inputs, p->n_inputs, p->activation_alpha, p->tied_to};
}

nncf_status nncf_model_add_linear(
    nncf_model *model, const nncf_linear_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_linear",
        .params_name = "nncf_linear_params",
        .params_size = sizeof(nncf_linear_params),
        .common = linear_common,
        .fill = fill_linear};
    nncf_linear_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

static void sum_common(const void *params, common *c)
{
    const nncf_sum_params *p = params;
    *c = (common){NNCF__ADD, NNCF_OP_ADD, p->scope, p->activation, p->activation_scope, p->inputs,
        p->n_inputs, p->activation_alpha, NULL};
}

nncf_status nncf_model_add_sum(
    nncf_model *model, const nncf_sum_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_sum",
        .params_name = "nncf_sum_params",
        .params_size = sizeof(nncf_sum_params),
        .common = sum_common,
        .fill = nncf__register_plain};
    nncf_sum_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

static nncf_status fill_pool2d(nncf_layer *l, const void *params, nncf_error *err)
{
    const nncf_pool2d_params *p = params;
    nncf_status status;
    if (p->kind < NNCF_POOL_GLOBAL_AVERAGE || p->kind > NNCF_POOL_MEAN_COLUMNS)
        return nncf__fail(
            err, NNCF_E_ARG, l->scope, "kind is %d, not one of NNCF_POOL_...", (int)p->kind);
    const bool whole = p->kind != NNCF_POOL_AVERAGE && p->kind != NNCF_POOL_MAX;
    const int32_t known = whole    ? 0
        : p->kind == NNCF_POOL_MAX ? NNCF_OP_FLAG_CEIL
                                   : NNCF_OP_FLAG_CEIL | NNCF_OP_FLAG_EXCLUDE_PADDING;
    if (p->flags & ~known)
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            whole ? "flags is %d; this pool has no windows: leave it 0"
                  : "flags is %d; a pool knows NNCF_OP_FLAG_CEIL, and an average "
                    "NNCF_OP_FLAG_EXCLUDE_PADDING",
            (int)p->flags);
    l->pool_kind = p->kind;
    l->ceil_mode = p->flags & NNCF_OP_FLAG_CEIL;
    l->exclude_padding = p->flags & NNCF_OP_FLAG_EXCLUDE_PADDING;
    for (int i = 0; i < 2; i++) {
        l->kernel[i] = p->kernel[i];
        l->stride[i] = p->stride[i] ? p->stride[i] : p->kernel[i];
        l->padding[i] = p->padding[i];
        l->dilation[i] = 1;
        if (whole && (p->kernel[i] || p->stride[i] || p->padding[i] || p->padding_end[i]))
            return nncf__fail(err, NNCF_E_ARG, l->scope,
                "this pool takes the whole plane, row or column: leave kernel, stride and padding "
                "0");
    }
    if (!whole) {
        if ((status = nncf__register_check_pair(l, "kernel", l->kernel, 1, err)) != NNCF_OK ||
            (status = nncf__register_check_pair(l, "stride", l->stride, 1, err)) != NNCF_OK ||
            (status = nncf__register_check_pair(l, "padding", l->padding, 0, err)) != NNCF_OK ||
            (status = fill_padding_end(l, p->padding_end, err)) != NNCF_OK)
            return status;
        for (int i = 0; i < 2; i++) {
            if (l->padding[i] > l->kernel[i] / 2)
                return nncf__fail(err, NNCF_E_ARG, l->scope,
                    "padding[%d] is %lld, more than half of the kernel (%lld)", i,
                    (long long)l->padding[i], (long long)l->kernel[i]);
            if (l->padding_after[i] >= l->kernel[i])
                return nncf__fail(err, NNCF_E_ARG, l->scope,
                    "padding[%d] and padding_end[%d] are %lld at the end, where a window of %lld "
                    "would lie beside all pixels",
                    i, i, (long long)l->padding_after[i], (long long)l->kernel[i]);
        }
    }
    return nncf__register_check_channels(l, err);
}

static void pool2d_common(const void *params, common *c)
{
    const nncf_pool2d_params *p = params;
    const int32_t op = p->kind == NNCF_POOL_MAX ? NNCF_OP_MAX_POOL
        : p->kind == NNCF_POOL_AVERAGE          ? NNCF_OP_AVERAGE_POOL
        : p->kind == NNCF_POOL_GLOBAL_AVERAGE   ? NNCF_OP_ADAPTIVE_AVERAGE_POOL
                                                : NNCF_OP_MEAN;
    *c = (common){
        NNCF__POOL2D, op, p->scope, NNCF_ACTIVATION_NONE, NULL, p->inputs, p->n_inputs, 0, NULL};
}

nncf_status nncf_model_add_pool2d(
    nncf_model *model, const nncf_pool2d_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_pool2d",
        .params_name = "nncf_pool2d_params",
        .params_size = sizeof(nncf_pool2d_params),
        .common = pool2d_common,
        .fill = fill_pool2d};
    nncf_pool2d_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_batch_norm_params, .eps = NNCF__DEFAULT_EPS, .momentum = DEFAULT_MOMENTUM,
    .explicit_zeros = 1)
NNCF__STRUCT_INIT(nncf_conv2d_params, .stride = {1, 1}, .dilation = {1, 1}, .groups = 1,
    .activation = NNCF_ACTIVATION_NONE)
NNCF__STRUCT_INIT(nncf_linear_params, .activation = NNCF_ACTIVATION_NONE)
NNCF__STRUCT_INIT(nncf_sum_params, .activation = NNCF_ACTIVATION_NONE)
NNCF__STRUCT_INIT(nncf_pool2d_params, .kind = NNCF_POOL_GLOBAL_AVERAGE)
