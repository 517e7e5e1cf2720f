/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers as nodes. A layer is a chain of stages: what it computes, batch norm, a sum's quantizer
 * before its activation, activation, output quantizer. The value of the last one is named by the
 * layer's base name (or the graph output's name), the others by the base name with
 * "::" and a suffix.
 *
 * Names are unique by construction. The model's input and outputs have the requested names. A base
 * name is the layer's scope, or the scope with "::layerN" (its index) if the scope contains "::",
 * or if the base name, with or without a suffix, could be the name of the input or an output. So a
 * base name with "::" ends in its own layer's "::layerN", which no suffix does: two names are equal
 * only for one layer and one suffix.
 */
#include "base/error.h"
#include "controller/ctrl.h"
#include "exec/kind.h"
#include "formats/deploy/check.h"
#include "formats/deploy/fold.h"
#include "formats/onnx/export.h"
#include "graph/kind_info.h"
#include "graph/model.h"
#include "pruning/apply.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/layers.h>
#include <nncf/model.h>
#include <nncf/onnx.h>

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum stage {
    STAGE_PRODUCT,
    STAGE_NORM,
    STAGE_PRE_QUANTIZER,
    STAGE_ACTIVATION,
    STAGE_QUANTIZER,
    N_STAGES
};
static const char *const stage_names[N_STAGES] = {
    "product", "norm", "pre", "activation", "quantized"};

static_assert(
    (int)NNCF__ONNX_INPUTS >= (int)NNCF__MAX_INPUTS, "a node has place for a layer's inputs");

/* One layer on its way. */
typedef struct chain {
    const nncf_layer *layer;
    char *base_name;
    bool has[N_STAGES];
    char *final_name;
    /* what the stages so far made */
    char *value;
} chain;

static nncf_status refuse(nncf__onnx_builder *b, const nncf_layer *layer, const char *why)
{
    return nncf__fail(b->err, NNCF_E_UNSUPPORTED, layer->scope, "%s", why);
}

/* The name for the output of a stage. */
static char *stage_name(nncf__onnx_builder *b, const chain *c, enum stage stage)
{
    for (int later = (int)stage + 1; later < N_STAGES; later++)
        if (c->has[later])
            return nncf__onnx_printf(b, "%s::%s", c->base_name, stage_names[stage]);
    return c->final_name;
}

static nncf__quantizer *quantizer(const nncf_layer *layer, enum nncf__quantizer_slot slot)
{
    return layer->compression ? nncf__layer_quantizer(layer->compression, slot) : NULL;
}

/* ---- shapes ---- */

/* A linear layer over the last of several dimensions, (N,T,C). */
static bool multiplies_last(const nncf_layer *layer, const nncf__onnx_value *x)
{
    return layer->kind == NNCF__LINEAR && x->ndim != 2 &&
        (x->ndim != 4 ||
            (x->shape[3] == layer->in_channels && (x->shape[1] != 1 || x->shape[2] != 1)));
}

/* Where the channels of a quantizer lie: of what is made row by row in the last dimension. */
static int32_t channel_axis(const nncf_layer *layer, const nncf__onnx_value *x, int32_t ndim)
{
    const bool rows = multiplies_last(layer, x) || layer->kind == NNCF__LAYER_NORM ||
        layer->kind == NNCF__EMBEDDING || layer->kind == NNCF__SOFTMAX;
    return rows && ndim > 2 ? ndim - 1 : 1;
}

/* Has it the form of an operator that a host runs? */
static bool is_operator(const nncf_layer *layer)
{
    return layer->kind == NNCF__OPERATOR || layer->kind == NNCF__LAYER_NORM ||
        layer->kind == NNCF__EMBEDDING || layer->kind == NNCF__MATMUL ||
        layer->kind == NNCF__PRELU || layer->kind == NNCF__GROUP_NORM || layer->kind == NNCF__HEADS;
}

/* The shape of a layer's output, as exec/ has it; -1 is open and stays so. */
static nncf_status set_shape(
    nncf__onnx_builder *b, const nncf_layer *layer, const nncf__onnx_value *x, nncf__onnx_value *y)
{
    const nncf__kind *kind = nncf__kind_of(layer);
    if (is_operator(layer) || layer->kind == NNCF__CONCAT) {
        nncf__onnx_operator_shape(b, layer, x, y);
        return NNCF_OK;
    }
    if (multiplies_last(layer, x)) {
        y->ndim = x->ndim;
        memcpy(y->shape, x->shape, sizeof y->shape);
        y->shape[y->ndim - 1] = layer->out_channels;
        return NNCF_OK;
    }
    int64_t in[4] = {x->shape[0], x->shape[1], 1, 1};
    for (int32_t i = 2; i < x->ndim && i < 4; i++)
        in[i] = x->shape[i];
    memcpy(y->shape, x->shape, sizeof y->shape);
    memcpy(y->shape, in, sizeof in);
    y->ndim = kind->out_ndim ? kind->out_ndim : x->ndim;
    if (kind->out_shape && kind->out_shape(layer, in, y->shape, NULL) != NNCF_OK)
        return nncf__fail(b->err, NNCF_E_SHAPE, layer->scope,
            "the kernel is larger than its input: input_shape is too small for this model");
    /* those that pass channels on mean the last dimension with them, unless they read planes */
    const bool passes = nncf__kind_info_of(layer->kind)->passes_channels,
               is_second = y->ndim == 2 || kind->out_ndim == 4;
    if (layer->out_channels > 0 && (!passes || (y->shape[1] < 0 && is_second)))
        y->shape[1] = layer->out_channels;
    return NNCF_OK;
}

/* ---- what reads the model's input ---- */

static bool needs_planes(const nncf_layer *layer)
{
    return layer->kind != NNCF__OPERATOR && nncf__kind_of(layer)->out_ndim == 4;
}

static nncf_status check_edges(nncf__onnx_builder *b, size_t *n_readers, size_t *n_outputs)
{
    const nncf_model *m = b->model;
    const nncf_layer *first = NULL;
    *n_readers = *n_outputs = 0;
    for (size_t i = 0; i < m->n_layers; i++) {
        const nncf_layer *l = m->layers[i];
        *n_outputs += l->n_consumers == 0;
        if (l->n_inputs > 0)
            continue;
        if (l->op == NNCF_OP_INPUT && *n_readers > 0)
            return refuse(b, l, "is a second input: a model with one input is exported");
        if (nncf__kind_of(l)->n_inputs > 1)
            return refuse(b, l,
                "the layer was registered without its inputs: an export needs the edges between "
                "layers");
        if (l->n_consumers == 0 && m->n_layers > 1)
            return refuse(b, l,
                "the layer is connected to no other: an export needs the edges between layers");
        if (first && l->in_channels > 0 && first->in_channels > 0 &&
            l->in_channels != first->in_channels)
            return nncf__fail(b->err, NNCF_E_UNSUPPORTED, l->scope,
                "reads %lld channels of the model's input, but %s reads %lld: a model with one "
                "input is "
                "exported, and edges between layers must be registered",
                (long long)l->in_channels, first->scope, (long long)first->in_channels);
        first = first ? first : l;
        ++*n_readers;
    }
    if (*n_readers > 1 && *n_outputs > 1)
        return nncf__fail(b->err, NNCF_E_UNSUPPORTED, first->scope,
            "%zu layers read the model's input and %zu are outputs: some edges between layers seem "
            "to be "
            "missing, and an export needs them",
            *n_readers, *n_outputs);
    return NNCF_OK;
}

/* ---- names ---- */

static nncf_status make_outputs(nncf__onnx_builder *b, size_t n_outputs)
{
    const nncf_model *m = b->model;
    b->outputs = nncf__onnx_alloc(b, n_outputs * sizeof *b->outputs);
    for (size_t i = 0; i < m->n_layers && !b->failed; i++) {
        const nncf_layer *l = m->layers[i];
        if (l->n_consumers > 0)
            continue;
        if (n_outputs > 1 && strcmp(l->scope, b->params.input_name) == 0)
            return nncf__fail(b->err, NNCF_E_ARG, "input_name",
                "the model's input and its output of layer %s would both be named \"%s\": give "
                "another "
                "input_name",
                l->scope, l->scope);
        b->outputs[b->n_outputs++] =
            nncf__onnx_printf(b, "%s", n_outputs > 1 ? l->scope : b->params.output_name);
    }
    return NNCF_OK; /* no memory: reported at the end */
}

/* Could a value of the layer, its base_name or that with a suffix, bear this name of the model's
 * input or an output? The values of a layer whose result is an output all have suffixes. */
static bool clashes(const nncf_layer *layer, const char *base_name, const char *name)
{
    const size_t n = strlen(base_name);
    return strncmp(base_name, name, n) == 0 &&
        ((name[n] == '\0' && layer->n_consumers > 0) || strncmp(name + n, "::", 2) == 0);
}

static char *make_base_name(nncf__onnx_builder *b, const nncf_layer *layer)
{
    char *base_name = nncf__onnx_printf(b, "%s", layer->scope);
    bool clash = base_name && strstr(base_name, "::");
    for (;;) {
        clash = clash || b->failed || clashes(layer, base_name, b->params.input_name);
        for (size_t i = 0; i < b->n_outputs && !clash; i++)
            clash = clashes(layer, base_name, b->outputs[i]);
        if (!clash || b->failed)
            return base_name;
        base_name = nncf__onnx_printf(
            b, "%s::layer%zu", base_name, layer->index); /* ends: it outgrows the names */
        clash = false;
    }
}

static nncf_status set_input(nncf__onnx_builder *b)
{
    const nncf_onnx_params *p = &b->params;
    const nncf_layer *reader = NULL, *planes = NULL;
    for (size_t i = 0; i < b->model->n_layers; i++) {
        const nncf_layer *l = b->model->layers[i];
        if (l->n_inputs > 0)
            continue;
        reader = l;
        planes = needs_planes(l) ? l : planes;
    }
    const bool given = p->input_shape[2] || p->input_shape[3];
    const int32_t ndim = p->input_ndim ? p->input_ndim
        : planes                       ? 4
        : p->golden_input              ? p->golden_input->ndim
        : given                        ? 4
                                       : 2;
    const bool any =
        is_operator(reader) || nncf__kind_of(reader)->shapes || nncf__layer_is_by_host(reader);
    if ((any ? ndim < 2 || ndim > NNCF_MAX_NDIM : ndim != 2 && ndim != 4) || (planes && ndim != 4))
        return nncf__fail(b->err, NNCF_E_ARG, "input_ndim", "input_ndim is %d; %s", (int)ndim,
            planes    ? "this model takes 4 dimensions"
                : any ? "at least 2 are needed"
                      : "it must be 2 or 4");
    b->input = (nncf__onnx_value){.ndim = ndim, .name = nncf__onnx_printf(b, "%s", p->input_name)};
    for (int32_t i = 4; i < ndim; i++)
        b->input.shape[i] = -1;
    for (int32_t i = 0; i < 4; i++) {
        if (p->input_shape[i] < 0 || (i >= ndim && p->input_shape[i] > 0))
            return nncf__fail(b->err, NNCF_E_ARG, "input_shape", "input_shape[%d] is %lld", (int)i,
                (long long)p->input_shape[i]);
        if (p->input_shape[i] > INT32_MAX) /* sizes of windows are computed from it */
            return nncf__fail(b->err, NNCF_E_LIMIT, "input_shape",
                "input_shape[%d] is %lld, at most %d is allowed", (int)i,
                (long long)p->input_shape[i], (int)INT32_MAX);
        b->input.shape[i] = p->input_shape[i] > 0 ? p->input_shape[i] : -1;
    }
    int64_t *channels = &b->input.shape[1];
    const int64_t wanted = planes           ? planes->in_channels
        : ndim == 2 && !is_operator(reader) ? reader->in_channels
                                            : 0;
    if (wanted > 0 && *channels > 0 && *channels != wanted)
        return nncf__fail(b->err, NNCF_E_SHAPE, reader->scope,
            "input_shape[1] is %lld, but the layer reads %lld", (long long)*channels,
            (long long)wanted);
    if (wanted > 0)
        *channels = wanted;
    return NNCF_OK;
}

/* ---- stages ---- */

static void pair(
    nncf__onnx_builder *b, Nncf__Onnx__NodeProto *node, const char *name, const int64_t values[2])
{
    nncf__onnx_attribute_ints(b, node, name, values, 2);
}

static void put_window(nncf__onnx_builder *b, Nncf__Onnx__NodeProto *node, const nncf_layer *l)
{
    const int64_t pads[4] = {
        l->padding[0], l->padding[1], l->padding_after[0], l->padding_after[1]};
    pair(b, node, "kernel_shape", l->kernel);
    pair(b, node, "strides", l->stride);
    nncf__onnx_attribute_ints(b, node, "pads", pads, 4);
}

/* (N,C), with ones after it or not, as ndim dimensions: (N,C), (N,C,1,1). `i`: of which input. */
static char *put_planes(nncf__onnx_builder *b, const chain *c, char *x, int32_t ndim, size_t i)
{
    static const int64_t shape[NNCF_MAX_NDIM] = {0, 0, 1, 1, 1, 1, 1, 1}; /* 0: as the input's */
    const int64_t n = ndim;
    char *planes = nncf__onnx_printf(b, "%s::planes%zu", c->base_name, i);
    char *name = nncf__onnx_tensor(b, nncf__onnx_printf(b, "%s::shape%zu", c->base_name, i),
        NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__INT64, &n, 1, shape, (size_t)ndim * sizeof *shape);
    Nncf__Onnx__NodeProto *node = nncf__onnx_node(b, "Reshape", planes);
    nncf__onnx_input(b, node, x);
    nncf__onnx_input(b, node, name);
    return planes;
}

/* (N,C) as (N,C,1,1), or (N,C,H,W) as (N,C*H*W), where the layer wants it. */
static char *as_wanted(nncf__onnx_builder *b, const chain *c, const nncf__onnx_value *x)
{
    const nncf_layer *layer = c->layer;
    if (nncf__kind_info_of(layer->kind)->flattens && x->ndim == 4) {
        char *flat = nncf__onnx_printf(b, "%s::flat", c->base_name);
        Nncf__Onnx__NodeProto *node = nncf__onnx_node(b, "Flatten", flat);
        nncf__onnx_input(b, node, x->name);
        nncf__onnx_attribute_int(b, node, "axis", 1);
        return flat;
    }
    return needs_planes(layer) && x->ndim == 2 ? put_planes(b, c, x->name, 4, 0) : x->name;
}

/* Input i of several, which a forward takes as (N,C) or (N,C,1,1), with the first one's rank. */
static char *as_first(nncf__onnx_builder *b, const chain *c, size_t i)
{
    const nncf__onnx_value *first = &b->values[c->layer->inputs[0]->index],
                           *x = &b->values[c->layer->inputs[i]->index];
    return x->ndim == first->ndim || first->ndim < 2 ? x->name
                                                     : put_planes(b, c, x->name, first->ndim, i);
}

static bool is_folded(const nncf__onnx_builder *b, const nncf_layer *layer)
{
    return b->params.fold_batch_norm && nncf__folds_batch_norm(layer);
}

/* Factor and shift of a batch norm that is folded. */
static nncf_status fold(
    nncf__onnx_builder *b, const nncf_layer *layer, float **factor, float **shift)
{
    const size_t n = (size_t)layer->out_channels;
    double *wide = nncf__onnx_alloc(b, 2 * n * sizeof *wide);
    *factor = nncf__onnx_alloc(b, n * sizeof **factor);
    *shift = nncf__onnx_alloc(b, n * sizeof **shift);
    if (b->failed)
        return NNCF_E_NOMEM; /* reported at the end */
    nncf_status status = nncf__fold_batch_norm(layer, wide, wide + n, b->err);
    for (size_t c = 0; c < n; c++) {
        (*factor)[c] = (float)wide[c];
        (*shift)[c] = (float)wide[n + c];
    }
    return status;
}

/* ---- kinds of layers ---- */

/* An operator of a weight: y = op(x, weight, bias). Its attributes are left to the caller. */
static nncf_status put_product(
    nncf__onnx_builder *b, chain *c, const char *op, Nncf__Onnx__NodeProto **out)
{
    const nncf_layer *l = c->layer;
    float *factor = NULL, *shift = NULL;
    nncf_status status = nncf__check_numbers(l, b->err);
    if (status == NNCF_OK && is_folded(b, l))
        status = fold(b, l, &factor, &shift);
    if (status != NNCF_OK)
        return status;
    char *weight = nncf__onnx_weight(b, l, c->base_name, factor, &status);
    if (status != NNCF_OK)
        return status;
    char *output = stage_name(b, c, STAGE_PRODUCT);
    Nncf__Onnx__NodeProto *node = *out = nncf__onnx_node(b, op, output);
    nncf__onnx_input(b, node, c->value);
    nncf__onnx_input(b, node, weight);
    const float *bias = shift ? shift : nncf__kept_bias(l);
    if (bias)
        nncf__onnx_input(b, node,
            nncf__onnx_tensor(b, nncf__onnx_printf(b, "%s::bias", c->base_name),
                NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, &l->out_channels, 1, bias,
                (size_t)l->out_channels * sizeof *bias));
    c->value = output;
    return NNCF_OK;
}

static nncf_status put_conv(
    nncf__onnx_builder *b, chain *c, const char *op, Nncf__Onnx__NodeProto **node)
{
    nncf_status status = put_product(b, c, op, node);
    if (status != NNCF_OK)
        return status;
    put_window(b, *node, c->layer);
    pair(b, *node, "dilations", c->layer->dilation);
    nncf__onnx_attribute_int(b, *node, "group", c->layer->groups);
    return NNCF_OK;
}

static nncf_status put_conv2d(nncf__onnx_builder *b, chain *c)
{
    Nncf__Onnx__NodeProto *node;
    return put_conv(b, c, "Conv", &node);
}

static nncf_status put_conv_transpose2d(nncf__onnx_builder *b, chain *c)
{
    Nncf__Onnx__NodeProto *node;
    const int32_t *more = c->layer->attributes.output_padding;
    const int64_t output_padding[2] = {more[1], more[2]};
    nncf_status status = put_conv(b, c, "ConvTranspose", &node);
    if (status == NNCF_OK)
        pair(b, node, "output_padding", output_padding);
    return status;
}

static nncf_status put_linear(nncf__onnx_builder *b, chain *c)
{
    Nncf__Onnx__NodeProto *node;
    nncf_status status = put_product(b, c, "Gemm", &node);
    if (status == NNCF_OK)
        nncf__onnx_attribute_int(b, node, "transB", 1);
    return status;
}

static void put_norm(nncf__onnx_builder *b, chain *c)
{
    const nncf_layer *l = c->layer;
    const nncf_batch_norm_params *bn = &l->batch_norm;
    static const char *const suffixes[4] = {"gamma", "beta", "mean", "var"};
    const float *arrays[4] = {bn->weight, bn->bias, bn->running_mean, bn->running_var};
    char *output = stage_name(b, c, STAGE_NORM);
    Nncf__Onnx__NodeProto *node = nncf__onnx_node(b, "BatchNormalization", output);
    nncf__onnx_input(b, node, c->value);
    for (int i = 0; i < 4; i++) {
        const float *values = arrays[i];
        const uint8_t *filters = i < 2 ? nncf__norm_filters(l) : NULL;
        if (!values || filters) { /* gamma 1, beta 0 */
            float *made = nncf__onnx_alloc(b, (size_t)l->out_channels * sizeof *made);
            for (int64_t j = 0; made && j < l->out_channels; j++)
                made[j] = filters && !filters[j] ? 0.0f : values ? values[j] : i == 0 ? 1.0f : 0.0f;
            values = made;
        }
        nncf__onnx_input(b, node,
            nncf__onnx_tensor(b, nncf__onnx_printf(b, "%s::%s", c->base_name, suffixes[i]),
                NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, &l->out_channels, 1, values,
                (size_t)l->out_channels * sizeof *values));
    }
    nncf__onnx_attribute_float(b, node, "epsilon", bn->eps);
    c->value = output;
}

static nncf_status put_pool(nncf__onnx_builder *b, chain *c)
{
    const nncf_layer *l = c->layer;
    const char *op;
    switch (l->pool_kind) {
    case NNCF_POOL_GLOBAL_AVERAGE:
        op = "GlobalAveragePool";
        break;
    case NNCF_POOL_AVERAGE:
        op = "AveragePool";
        break;
    case NNCF_POOL_MAX:
        op = "MaxPool";
        break;
    case NNCF_POOL_MEAN_ROWS:
    case NNCF_POOL_MEAN_COLUMNS:
        op = "ReduceMean";
        break;
    default:
        return refuse(b, l, "this kind of pooling has no form in the export yet");
    }
    char *output = stage_name(b, c, STAGE_PRODUCT);
    Nncf__Onnx__NodeProto *node = nncf__onnx_node(b, op, output);
    nncf__onnx_input(b, node, c->value);
    if (l->pool_kind == NNCF_POOL_MEAN_ROWS ||
        l->pool_kind == NNCF_POOL_MEAN_COLUMNS) { /* dimensions are kept: the operator's default */
        const int64_t axis = l->pool_kind == NNCF_POOL_MEAN_ROWS ? 2 : 3;
        nncf__onnx_attribute_ints(b, node, "axes", &axis, 1);
    } else if (l->pool_kind != NNCF_POOL_GLOBAL_AVERAGE) {
        put_window(b, node, l);
    }
    if (l->pool_kind == NNCF_POOL_AVERAGE)
        nncf__onnx_attribute_int(b, node, "count_include_pad", !l->exclude_padding);
    if (l->ceil_mode)
        nncf__onnx_attribute_int(b, node, "ceil_mode", 1);
    c->value = output;
    return NNCF_OK;
}

/* A node of all inputs, with the first one's rank. */
static Nncf__Onnx__NodeProto *put_joined(nncf__onnx_builder *b, chain *c, const char *op)
{
    char *output = stage_name(b, c, STAGE_PRODUCT), *inputs[NNCF__ONNX_INPUTS];
    for (size_t i = 0; i < c->layer->n_inputs; i++)
        inputs[i] = as_first(b, c, i); /* its node comes before */
    Nncf__Onnx__NodeProto *node = nncf__onnx_node(b, op, output);
    for (size_t i = 0; i < c->layer->n_inputs; i++)
        nncf__onnx_input(b, node, inputs[i]);
    c->value = output;
    return node;
}

static nncf_status put_sum(nncf__onnx_builder *b, chain *c)
{
    put_joined(b, c, "Add");
    return NNCF_OK;
}

static void put_activation(nncf__onnx_builder *b, chain *c, enum stage stage)
{
    char *output = stage_name(b, c, stage);
    nncf__onnx_activation(
        b, c->layer->activation, c->layer->activation_alpha, c->base_name, c->value, output);
    c->value = output;
}

static nncf_status put_own_activation(nncf__onnx_builder *b, chain *c)
{
    put_activation(b, c, STAGE_PRODUCT);
    return NNCF_OK;
}

static nncf_status put_concat(nncf__onnx_builder *b, chain *c)
{
    nncf__onnx_attribute_int(b, put_joined(b, c, "Concat"), "axis", 1);
    return NNCF_OK;
}

/* A second factor (N,C) gets ones for the planes that it is spread over. */
static nncf_status put_multiply(nncf__onnx_builder *b, chain *c)
{
    put_joined(b, c, "Mul");
    return NNCF_OK;
}

/* (m, n): 0 where row i may use a column, the lowest float elsewhere, which makes exp() 0 there.
 * One for all layers of these sizes. */
static nncf_status causal_mask(
    nncf__onnx_builder *b, const chain *c, const nncf__onnx_value *x, char **mask)
{
    const int64_t m = x->ndim >= 2 ? x->shape[x->ndim - 2] : -1, n = x->shape[x->ndim - 1];
    if (m < 1 || n < m || m > INT32_MAX / n)
        return refuse(b, c->layer,
            "a causal softmax needs a constant of the last two sizes of its input, which are not "
            "known: give nncf_onnx_params.input_shape");
    *mask = b->mask;
    if (b->mask && b->mask_shape[0] == m && b->mask_shape[1] == n)
        return NNCF_OK;
    float *values = nncf__onnx_alloc(b, (size_t)(m * n) * sizeof *values);
    for (int64_t i = 0; values && i < m; i++)
        for (int64_t k = i + n - m + 1; k < n; k++)
            values[i * n + k] = -FLT_MAX;
    b->mask_shape[0] = m;
    b->mask_shape[1] = n;
    *mask = b->mask = nncf__onnx_tensor(b, nncf__onnx_printf(b, "%s::mask", c->base_name),
        NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, b->mask_shape, 2, values,
        (size_t)(m * n) * sizeof *values);
    return NNCF_OK;
}

static nncf_status put_softmax(nncf__onnx_builder *b, chain *c)
{
    if (c->layer->causal) {
        const nncf_layer *l = c->layer;
        char *mask = NULL, *masked = nncf__onnx_printf(b, "%s::masked", c->base_name);
        nncf_status status =
            causal_mask(b, c, l->n_inputs > 0 ? &b->values[l->inputs[0]->index] : &b->input, &mask);
        if (status != NNCF_OK)
            return status;
        Nncf__Onnx__NodeProto *add = nncf__onnx_node(b, "Add", masked);
        nncf__onnx_input(b, add, c->value);
        nncf__onnx_input(b, add, mask);
        c->value = masked;
    }
    char *output = stage_name(b, c, STAGE_PRODUCT);
    Nncf__Onnx__NodeProto *node = nncf__onnx_node(b, "Softmax", output);
    nncf__onnx_input(b, node, c->value);
    nncf__onnx_attribute_int(b, node, "axis", -1);
    c->value = output;
    return NNCF_OK;
}

static nncf_status put_upsample(nncf__onnx_builder *b, chain *c)
{
    char *output = stage_name(b, c, STAGE_PRODUCT);
    nncf__onnx_resize(b, c->base_name, c->value, c->layer->stride, c->layer->upsample_kind, output);
    c->value = output;
    return NNCF_OK;
}

static nncf_status put_as_operator(nncf__onnx_builder *b, chain *c)
{
    const nncf_layer *l = c->layer;
    const nncf__onnx_value *x = l->n_inputs > 0 ? &b->values[l->inputs[0]->index] : &b->input;
    char *output = stage_name(b, c, STAGE_PRODUCT);
    nncf_status status = nncf__check_numbers(l, b->err);
    if (status == NNCF_OK)
        status = nncf__onnx_operator(b, l, c->base_name, c->value, x, output);
    c->value = output;
    return status;
}

/* Nothing in eval mode: its readers read what it reads. An output of the model needs a node. */
static nncf_status put_dropout(nncf__onnx_builder *b, chain *c)
{
    if (c->layer->n_consumers > 0 || c->has[STAGE_QUANTIZER])
        return NNCF_OK;
    char *output = stage_name(b, c, STAGE_PRODUCT);
    nncf__onnx_input(b, nncf__onnx_node(b, "Identity", output), c->value);
    c->value = output;
    return NNCF_OK;
}

static nncf_status put_matmul(nncf__onnx_builder *b, chain *c)
{
    const nncf_layer *l = c->layer;
    const nncf__onnx_value *x = l->n_inputs > 0 ? &b->values[l->inputs[0]->index] : &b->input;
    char *output = stage_name(b, c, STAGE_PRODUCT);
    char *product = l->factor == 1 ? output : nncf__onnx_printf(b, "%s::unscaled", c->base_name);
    if (l->transposes[0])
        return refuse(b, l, "a transposed first factor has no form in the export yet");
    nncf_status status = nncf__onnx_operator(b, l, c->base_name, c->value, x, product);
    if (l->factor != 1) {
        Nncf__Onnx__NodeProto *node = nncf__onnx_node(b, "Mul", output);
        nncf__onnx_input(b, node, product);
        nncf__onnx_input(b, node,
            nncf__onnx_scalar(b, nncf__onnx_printf(b, "%s::factor", c->base_name), l->factor));
    }
    c->value = output;
    return status;
}

/* Each puts the operator of a kind of layer, without batch norm, activation and quantizers. NULL:
 * the kind has no form in the export. */
static nncf_status (*const put_kind[NNCF__KIND_COUNT])(nncf__onnx_builder *b, chain *c) = {
    [NNCF__CONV2D] = put_conv2d,
    [NNCF__CONV_TRANSPOSE2D] = put_conv_transpose2d,
    [NNCF__LINEAR] = put_linear,
    [NNCF__ADD] = put_sum,
    [NNCF__POOL2D] = put_pool,
    [NNCF__ACTIVATION] = put_own_activation,
    [NNCF__CONCAT] = put_concat,
    [NNCF__MULTIPLY] = put_multiply,
    [NNCF__SOFTMAX] = put_softmax,
    [NNCF__UPSAMPLE] = put_upsample,
    [NNCF__LAYER_NORM] = put_as_operator,
    [NNCF__EMBEDDING] = put_as_operator,
    [NNCF__MATMUL] = put_matmul,
    [NNCF__PRELU] = put_as_operator,
    [NNCF__DROPOUT] = put_dropout,
    [NNCF__GROUP_NORM] = put_as_operator,
    [NNCF__HEADS] = put_as_operator,
};

static nncf_status put_main(nncf__onnx_builder *b, chain *c, const nncf__onnx_value *x)
{
    const nncf_layer *l = c->layer;
    nncf_status status = NNCF_OK;
    nncf__quantizer *own = quantizer(l, NNCF__SLOT_INPUT);
    c->value = multiplies_last(l, x) ? x->name : as_wanted(b, c, x);
    if (own && l->weight_count == 0 && l->n_inputs > 1)
        return refuse(
            b, l, "a quantizer on the inputs of this kind of layer has no form in the export yet");
    if (own) {
        char *base_name = nncf__onnx_printf(b, "%s::input", c->base_name);
        const int32_t ndim = l->kind == NNCF__OPERATOR || multiplies_last(l, x)
            ? x->ndim
            : nncf__kind_of(l)->out_ndim;
        c->value = nncf__onnx_quantize(
            b, l, own, c->value, channel_axis(l, x, ndim), ndim, base_name, base_name, &status);
        if (status != NNCF_OK)
            return status;
    }
    if (l->kind == NNCF__OPERATOR || multiplies_last(l, x)) {
        char *output = stage_name(b, c, STAGE_PRODUCT);
        if (l->kind == NNCF__LINEAR && l->has_batch_norm)
            return refuse(
                b, l, "batch norm after a linear layer over rows has no form in the export yet");
        status = nncf__check_numbers(l, b->err);
        if (status == NNCF_OK)
            status = (l->kind == NNCF__OPERATOR ? nncf__onnx_operator : nncf__onnx_linear)(
                b, l, c->base_name, c->value, x, output);
        c->value = output;
        return status;
    }
    return put_kind[l->kind](b, c);
}

static nncf_status check_kind(nncf__onnx_builder *b, const nncf_layer *l)
{
    if (!nncf__kind_info_of(l->kind)->run_by_host && !put_kind[l->kind])
        return nncf__fail(b->err, NNCF_E_UNSUPPORTED, l->scope,
            "%s: a layer of this kind (%s) has no form in the export yet", l->scope,
            nncf__kind_info_of(l->kind)->name);
    return NNCF_OK;
}

/* `output`: its name as an output of the model, or NULL. */
static nncf_status put_layer(nncf__onnx_builder *b, const nncf_layer *layer, char *output)
{
    const nncf__onnx_value *x =
        layer->n_inputs > 0 ? &b->values[layer->inputs[0]->index] : &b->input;
    nncf__onnx_value *y = &b->values[layer->index];
    chain c = {.layer = layer, .base_name = make_base_name(b, layer)};
    b->owner = layer;
    c.final_name = output ? output : c.base_name;
    c.has[STAGE_PRODUCT] = true;
    c.has[STAGE_NORM] = layer->has_batch_norm && !is_folded(b, layer);
    c.has[STAGE_PRE_QUANTIZER] = quantizer(layer, NNCF__SLOT_PRE_ACTIVATION) != NULL;
    c.has[STAGE_ACTIVATION] = nncf__layer_has_activation(layer);
    c.has[STAGE_QUANTIZER] = quantizer(layer, NNCF__SLOT_OUTPUT) != NULL;
    nncf_status status = check_kind(b, layer);
    if (status == NNCF_OK)
        status = set_shape(b, layer, x, y);
    for (int32_t i = 0; i < y->ndim; i++)
        if (y->shape[i] > INT32_MAX) /* of no tensor: open, so that no size overflows */
            y->shape[i] = -1;
    if (status == NNCF_OK)
        status = put_main(b, &c, x);
    if (status == NNCF_OK && c.has[STAGE_NORM])
        put_norm(b, &c);
    if (status == NNCF_OK && c.has[STAGE_PRE_QUANTIZER])
        c.value = nncf__onnx_quantize(b, layer, quantizer(layer, NNCF__SLOT_PRE_ACTIVATION),
            c.value, 1, y->ndim, nncf__onnx_printf(b, "%s::in_front", c.base_name),
            stage_name(b, &c, STAGE_PRE_QUANTIZER), &status);
    if (status == NNCF_OK && c.has[STAGE_ACTIVATION])
        put_activation(b, &c, STAGE_ACTIVATION);
    if (status == NNCF_OK && c.has[STAGE_QUANTIZER])
        c.value = nncf__onnx_quantize(b, layer, quantizer(layer, NNCF__SLOT_OUTPUT), c.value,
            channel_axis(layer, x, y->ndim), y->ndim,
            nncf__onnx_printf(b, "%s::output", c.base_name), c.final_name, &status);
    y->name = c.value;
    return status;
}

nncf_status nncf__onnx_graph(nncf__onnx_builder *b, Nncf__Onnx__GraphProto *graph)
{
    const nncf_model *m = b->model;
    size_t n_readers, n_outputs;
    nncf_status status = check_edges(b, &n_readers, &n_outputs);
    if (status == NNCF_OK)
        status = set_input(b);
    if (status == NNCF_OK)
        status = make_outputs(b, n_outputs);
    if (status != NNCF_OK)
        return status;
    graph->input = nncf__onnx_alloc(b, sizeof *graph->input);
    graph->output = nncf__onnx_alloc(b, n_outputs * sizeof *graph->output);
    for (size_t i = 0; i < m->n_layers && !b->failed; i++) {
        const nncf_layer *l = m->layers[i];
        if ((status = put_layer(b, l, l->n_consumers == 0 ? b->outputs[graph->n_output] : NULL)) !=
            NNCF_OK)
            break;
        if (l->n_consumers == 0)
            graph->output[graph->n_output++] = nncf__onnx_value_info(b, &b->values[i]);
    }
    if (b->failed)
        return nncf__fail(b->err, NNCF_E_NOMEM, NULL, "no memory for the export");
    if (status != NNCF_OK)
        return status;
    graph->input[0] = nncf__onnx_value_info(b, &b->input);
    graph->n_input = 1;
    graph->name = nncf__onnx_printf(b, "%s", b->params.graph_name);
    graph->node = b->nodes;
    graph->n_node = b->n_nodes;
    graph->initializer = b->tensors;
    graph->n_initializer = b->n_tensors;
    return b->failed ? nncf__fail(b->err, NNCF_E_NOMEM, NULL, "no memory for the export") : NNCF_OK;
}
