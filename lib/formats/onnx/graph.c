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
#include "exec/window.h"
#include "formats/deploy/check.h"
#include "formats/deploy/fold.h"
#include "formats/onnx/export.h"
#include "graph/model.h"
#include "graph/ops.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/model.h>
#include <nncf/onnx.h>

#include <math.h>
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

static bool is_mean(const nncf_layer *layer)
{
    return layer->kind == NNCF__POOL2D &&
        (layer->pool_kind == NNCF_POOL_MEAN_ROWS || layer->pool_kind == NNCF_POOL_MEAN_COLUMNS);
}

/* Is dimension 2 + i averaged to one value? */
static bool is_averaged(const nncf_layer *layer, int i)
{
    return layer->kind == NNCF__POOL2D &&
        (layer->pool_kind == NNCF_POOL_GLOBAL_AVERAGE ||
            layer->pool_kind == (i == 0 ? NNCF_POOL_MEAN_ROWS : NNCF_POOL_MEAN_COLUMNS));
}

/* The shape of a layer's output, as lib/layer has it; -1 is open and stays so. */
static nncf_status set_shape(
    nncf__onnx_builder *b, const nncf_layer *layer, const nncf__onnx_value *x, nncf__onnx_value *y)
{
    const int32_t ndim = nncf__kind_of(layer)->out_ndim;
    y->ndim = ndim ? ndim : x->ndim;
    y->shape[0] = x->shape[0];
    y->shape[1] = layer->out_channels > 0 ? layer->out_channels : x->shape[1];
    for (int i = 0; i < 2; i++) {
        int64_t in = x->ndim == 4 ? x->shape[2 + i] : 1,
                dilation = layer->kind == NNCF__CONV2D ? layer->dilation[i] : 1;
        y->shape[2 + i] = is_averaged(layer, i) ? 1
            : layer->kind == NNCF__ADD || is_mean(layer) || in < 0
            ? in
            : nncf__window_count(
                  in, layer->kernel[i], layer->stride[i], layer->padding[i], dilation);
        if (y->ndim == 4 && y->shape[2 + i] == 0)
            return nncf__fail(b->err, NNCF_E_SHAPE, layer->scope,
                "the kernel is larger than its input: input_shape is too small for this model");
    }
    return NNCF_OK;
}

/* ---- what reads the model's input ---- */

static bool needs_planes(const nncf_layer *layer)
{
    return layer->kind == NNCF__CONV2D || layer->kind == NNCF__POOL2D;
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
        if (l->kind == NNCF__ADD)
            return refuse(b, l,
                "the sum was registered without its inputs: an export needs the edges between "
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
    const bool given =
        p->input_shape[0] || p->input_shape[1] || p->input_shape[2] || p->input_shape[3];
    const int32_t ndim = p->input_ndim ? p->input_ndim : planes || given ? 4 : 2;
    if ((ndim != 2 && ndim != 4) || (planes && ndim != 4))
        return nncf__fail(b->err, NNCF_E_ARG, "input_ndim", "input_ndim is %d; %s", (int)ndim,
            planes ? "this model takes 4 dimensions" : "it must be 2 or 4");
    b->input = (nncf__onnx_value){.ndim = ndim, .name = nncf__onnx_printf(b, "%s", p->input_name)};
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
    const int64_t wanted = planes ? planes->in_channels : ndim == 2 ? reader->in_channels : 0;
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
    const int64_t pads[4] = {l->padding[0], l->padding[1], l->padding[0], l->padding[1]};
    pair(b, node, "kernel_shape", l->kernel);
    pair(b, node, "strides", l->stride);
    nncf__onnx_attribute_ints(b, node, "pads", pads, 4);
}

/* (N,C) as (N,C,1,1), or (N,C,H,W) as (N,C*H*W), where the layer wants it. */
static char *as_wanted(nncf__onnx_builder *b, const chain *c, const nncf__onnx_value *x)
{
    const nncf_layer *layer = c->layer;
    if (layer->kind == NNCF__LINEAR && x->ndim == 4) {
        char *flat = nncf__onnx_printf(b, "%s::flat", c->base_name);
        Nncf__Onnx__NodeProto *node = nncf__onnx_node(b, "Flatten", flat);
        nncf__onnx_input(b, node, x->name);
        nncf__onnx_attribute_int(b, node, "axis", 1);
        return flat;
    }
    if (needs_planes(layer) && x->ndim == 2) {
        static const int64_t shape[4] = {0, 0, 1, 1}; /* 0: as the input has it */
        const int64_t four = 4;
        char *planes = nncf__onnx_printf(b, "%s::planes", c->base_name);
        char *name = nncf__onnx_tensor(b, nncf__onnx_printf(b, "%s::shape", c->base_name),
            NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__INT64, &four, 1, shape, sizeof shape);
        Nncf__Onnx__NodeProto *node = nncf__onnx_node(b, "Reshape", planes);
        nncf__onnx_input(b, node, x->name);
        nncf__onnx_input(b, node, name);
        return planes;
    }
    return x->name;
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

static nncf_status put_product(nncf__onnx_builder *b, chain *c)
{
    const nncf_layer *l = c->layer;
    const bool conv = l->kind == NNCF__CONV2D;
    float *factor = NULL, *shift = NULL;
    nncf_status status = nncf__check_numbers(l, b->err);
    if (status == NNCF_OK && l->has_batch_norm && b->params.fold_batch_norm)
        status = fold(b, l, &factor, &shift);
    if (status != NNCF_OK)
        return status;
    char *weight = nncf__onnx_weight(b, l, c->base_name, factor, &status);
    if (status != NNCF_OK)
        return status;
    char *output = stage_name(b, c, STAGE_PRODUCT);
    Nncf__Onnx__NodeProto *node = nncf__onnx_node(b, conv ? "Conv" : "Gemm", output);
    nncf__onnx_input(b, node, c->value);
    nncf__onnx_input(b, node, weight);
    const float *bias = shift ? shift : l->bias;
    if (bias)
        nncf__onnx_input(b, node,
            nncf__onnx_tensor(b, nncf__onnx_printf(b, "%s::bias", c->base_name),
                NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, &l->out_channels, 1, bias,
                (size_t)l->out_channels * sizeof *bias));
    if (conv) {
        put_window(b, node, l);
        pair(b, node, "dilations", l->dilation);
        nncf__onnx_attribute_int(b, node, "group", l->groups);
    } else {
        nncf__onnx_attribute_int(b, node, "transB", 1);
    }
    c->value = output;
    return NNCF_OK;
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
        if (!values) { /* gamma 1, beta 0 */
            float *made = nncf__onnx_alloc(b, (size_t)l->out_channels * sizeof *made);
            for (int64_t j = 0; made && j < l->out_channels; j++)
                made[j] = i == 0 ? 1.0f : 0.0f;
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
    if (is_mean(l)) { /* dimensions are kept: the operator's default */
        const int64_t axis = l->pool_kind == NNCF_POOL_MEAN_ROWS ? 2 : 3;
        nncf__onnx_attribute_ints(b, node, "axes", &axis, 1);
    } else if (l->pool_kind != NNCF_POOL_GLOBAL_AVERAGE) {
        put_window(b, node, l);
    }
    if (l->pool_kind == NNCF_POOL_AVERAGE)
        nncf__onnx_attribute_int(b, node, "count_include_pad", 1);
    c->value = output;
    return NNCF_OK;
}

static nncf_status put_activation(nncf__onnx_builder *b, chain *c)
{
    const nncf_layer *l = c->layer;
    char *output = stage_name(b, c, STAGE_ACTIVATION);
    Nncf__Onnx__NodeProto *node;
    switch (l->activation) {
    case NNCF_ACTIVATION_RELU:
        node = nncf__onnx_node(b, "Relu", output);
        nncf__onnx_input(b, node, c->value);
        break;
    case NNCF_ACTIVATION_RELU6:
        node = nncf__onnx_node(b, "Clip", output);
        nncf__onnx_input(b, node, c->value);
        nncf__onnx_input(
            b, node, nncf__onnx_scalar(b, nncf__onnx_printf(b, "%s::zero", c->base_name), 0));
        nncf__onnx_input(
            b, node, nncf__onnx_scalar(b, nncf__onnx_printf(b, "%s::six", c->base_name), 6));
        break;
    default:
        return refuse(b, l, "this activation has no form in the export yet");
    }
    c->value = output;
    return NNCF_OK;
}

static nncf_status put_main(nncf__onnx_builder *b, chain *c, const nncf__onnx_value *x)
{
    const nncf_layer *l = c->layer;
    nncf_status status = NNCF_OK;
    nncf__quantizer *own = quantizer(l, NNCF__SLOT_INPUT);
    c->value = as_wanted(b, c, x);
    if (own && l->weight_count == 0)
        return refuse(
            b, l, "a quantizer on the input of this kind of layer has no form in the export yet");
    if (own) {
        char *base_name = nncf__onnx_printf(b, "%s::input", c->base_name);
        c->value = nncf__onnx_quantize(
            b, l, own, c->value, l->kind == NNCF__LINEAR ? 2 : 4, base_name, base_name, &status);
        if (status != NNCF_OK)
            return status;
    }
    switch (l->kind) {
    case NNCF__CONV2D:
    case NNCF__LINEAR:
        return put_product(b, c);
    case NNCF__POOL2D:
        return put_pool(b, c);
    case NNCF__ADD: {
        char *output = stage_name(b, c, STAGE_PRODUCT);
        Nncf__Onnx__NodeProto *node = nncf__onnx_node(b, "Add", output);
        nncf__onnx_input(b, node, b->values[l->inputs[0]->index].name);
        nncf__onnx_input(b, node, b->values[l->inputs[1]->index].name);
        c->value = output;
        return NNCF_OK;
    }
    default:
        return NNCF_E_INTERNAL; /* check_kind() let it through */
    }
}

/* Before any other check of the layer: kernels of operators that the host runs may be zeros. */
static nncf_status check_kind(nncf__onnx_builder *b, const nncf_layer *l)
{
    if (l->kind == NNCF__OPERATOR)
        return nncf__fail(b->err, NNCF_E_UNSUPPORTED, l->scope,
            "%s: an operator that the host runs (%s) has no form in the export yet; the layers "
            "that the "
            "library runs have",
            l->scope, nncf__op_info_of(l->op) ? nncf__op_info_of(l->op)->name : "?");
    if (l->kind == NNCF__POOL2D && l->pool_kind > NNCF_POOL_MEAN_COLUMNS)
        return refuse(b, l, "this kind of pooling has no form in the export yet");
    return NNCF_OK;
}

/* `output`: its name as an output of the model, or NULL. */
static nncf_status put_layer(nncf__onnx_builder *b, const nncf_layer *layer, char *output)
{
    const nncf__onnx_value *x =
        layer->n_inputs > 0 ? &b->values[layer->inputs[0]->index] : &b->input;
    nncf__onnx_value *y = &b->values[layer->index];
    chain c = {.layer = layer, .base_name = make_base_name(b, layer)};
    c.final_name = output ? output : c.base_name;
    c.has[STAGE_PRODUCT] = true;
    c.has[STAGE_NORM] = layer->has_batch_norm && !b->params.fold_batch_norm;
    c.has[STAGE_PRE_QUANTIZER] = quantizer(layer, NNCF__SLOT_PRE_ACTIVATION) != NULL;
    c.has[STAGE_ACTIVATION] = layer->activation != NNCF_ACTIVATION_NONE;
    c.has[STAGE_QUANTIZER] = quantizer(layer, NNCF__SLOT_OUTPUT) != NULL;
    nncf_status status = check_kind(b, layer);
    if (status == NNCF_OK)
        status = set_shape(b, layer, x, y);
    if (status == NNCF_OK)
        status = put_main(b, &c, x);
    if (status == NNCF_OK && c.has[STAGE_NORM])
        put_norm(b, &c);
    if (status == NNCF_OK && c.has[STAGE_PRE_QUANTIZER])
        c.value = nncf__onnx_quantize(b, layer, quantizer(layer, NNCF__SLOT_PRE_ACTIVATION),
            c.value, y->ndim, nncf__onnx_printf(b, "%s::in_front", c.base_name),
            stage_name(b, &c, STAGE_PRE_QUANTIZER), &status);
    if (status == NNCF_OK && c.has[STAGE_ACTIVATION])
        status = put_activation(b, &c);
    if (status == NNCF_OK && c.has[STAGE_QUANTIZER])
        c.value = nncf__onnx_quantize(b, layer, quantizer(layer, NNCF__SLOT_OUTPUT), c.value,
            y->ndim, nncf__onnx_printf(b, "%s::output", c.base_name), c.final_name, &status);
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
