/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing pruned filters, in this order:
 * 1. which filters go: the controller's masks, or those of a snapshot's text (removed.c); whether
 * they can;
 * 2. a list of the arrays that become smaller, with the indices that stay; the host makes place for
 * each (callback `resize`). So far nothing has changed;
 * 3. contents move, layers and quantizers get their new sizes, the callback `moved` runs. Nothing
 * fails from here on.
 */
#include "controller/shrink.h"

#include "base/alloc.h"
#include "base/error.h"
#include "controller/ctrl.h"
#include "controller/pruning.h"
#include "controller/removed.h"
#include "controller/sparsity.h"
#include "graph/layout.h"
#include "graph/model.h"
#include "pruning/clusters.h"
#include "quantization/layer_compression.h"
#include "quantization/observer.h"
#include "quantization/quantizer.h"
#include "sparsity/structure.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>
#include <nncf/shrink.h>

#include <string.h>

enum { MOST_ARRAYS = 7 };

/* One layer: how many channels it keeps, and which. */
typedef struct layer_plan {
    int64_t inputs, outputs;
    /* NULL: all of them */
    int64_t *kept_inputs, *kept_outputs;
} layer_plan;

typedef struct shrink {
    nncf_compression_ctrl *ctrl;
    nncf_shrink_params params;
    /* [n_layers] */
    layer_plan *layers;
    /* 0, 1, 2 ...; then the storage of both */
    int64_t *indices;
    /* those of the host, then from `own` on the controller's parameters */
    nncf_shrink_array *arrays;
    size_t n_arrays, own;
    /* [n_arrays] */
    struct {
        int64_t shape[NNCF__MAX_WEIGHT_NDIM], new_shape[NNCF__MAX_WEIGHT_NDIM];
        const int64_t *kept[NNCF__MAX_WEIGHT_NDIM];
    } * axes;
} shrink;

/* ---- moving elements ---- */

/* The place, before, of element i of the new shape. */
static size_t place_of(const nncf_shrink_array *a, size_t i)
{
    size_t place = 0, stride = 1;
    for (int32_t axis = a->ndim; axis-- > 0;) {
        const size_t n = (size_t)a->new_shape[axis];
        place += (size_t)a->kept[axis][i % n] * stride;
        stride *= (size_t)a->shape[axis];
        i /= n;
    }
    return place;
}

static size_t count_of(int32_t ndim, const int64_t *shape)
{
    size_t count = 1;
    for (int32_t i = 0; i < ndim; i++)
        count *= (size_t)shape[i];
    return count;
}

/* In ascending order, so that it may be in place: a place is never below its element's. */
static void gather(const nncf_shrink_array *a, const float *from, float *to)
{
    const size_t count = count_of(a->ndim, a->new_shape), row = (size_t)a->new_shape[a->ndim - 1];
    for (size_t i = 0; from && to && i < count; i += row) {
        const int64_t *kept = a->kept[a->ndim - 1];
        const float *line = from + place_of(a, i) - (size_t)kept[0];
        for (size_t j = 0; j < row; j++)
            to[i + j] = line[kept[j]];
    }
}

static void gather_bits(const nncf_shrink_array *a, uint8_t *bits)
{
    const size_t count = count_of(a->ndim, a->new_shape);
    for (size_t i = 0; i < count; i++) {
        const size_t from = place_of(a, i);
        const uint8_t bit = (uint8_t)(1u << i % 8);
        if (bits[from / 8] >> from % 8 & 1)
            bits[i / 8] |= bit;
        else
            bits[i / 8] &= (uint8_t)~bit;
    }
    if (count % 8)
        bits[count / 8] &= (uint8_t)((1u << count % 8) - 1);
}

nncf_status nncf_shrink_gather(
    const nncf_shrink_array *array, const float *from, float *to, nncf_error *err)
{
    if (!array || !from || !to || array->ndim < 1 || array->ndim > NNCF__MAX_WEIGHT_NDIM ||
        !array->shape || !array->new_shape || !array->kept)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "nncf_shrink_gather: array must be what a callback got, from and to not NULL");
    gather(array, from, to);
    return NNCF_OK;
}

/* ---- what can be removed ---- */

static bool changes(const shrink *s, const nncf_layer *layer)
{
    const layer_plan *p = &s->layers[layer->index];
    return p->inputs != layer->in_channels || p->outputs != layer->out_channels;
}

static nncf_status check_clusters(const shrink *s, nncf_error *err)
{
    const nncf__clusters *c = &s->ctrl->pruning->clusters;
    for (size_t i = 0; i < c->count; i++) {
        const nncf__cluster *cluster = &c->items[i];
        if (!cluster->keep || cluster->kept == (size_t)cluster->size || !cluster->stays.text)
            continue;
        return nncf__fail(err, NNCF_E_UNSUPPORTED, cluster->stays.at->scope,
            "pruned filters reach this layer, and cannot be removed: %s. Set prune_batch_norms "
            "where that is the reason, or leave the layers before it out with ignored_scopes",
            cluster->stays.text);
    }
    return NNCF_OK;
}

static nncf_status check_layer(const shrink *s, const nncf_layer *layer, nncf_error *err)
{
    const nncf__layer_compression *c = &s->ctrl->layers[layer->index];
    if (layer->weight_count == 0)
        return NNCF_OK;
    if (layer->has_layout)
        return nncf__fail(err, NNCF_E_UNSUPPORTED, layer->scope,
            "its weight has a layout (nncf_layer_set_weight_layout()), and would need another one: "
            "register the layer without, or leave it and what feeds it out with ignored_scopes");
    if (layer->uses)
        return nncf__fail(err, NNCF_E_UNSUPPORTED, layer->scope,
            "it has several uses (nncf_layer_set_uses()): leave it and what feeds it out with "
            "ignored_scopes");
    if (c->weight_quantizer && c->weight_quantizer->params.group_size > 0)
        return nncf__fail(err, NNCF_E_UNSUPPORTED, layer->scope,
            "its weight has one range for groups of inputs (group_size), which would lose some: "
            "override group_size with 0 for this scope, or leave what feeds it out with "
            "ignored_scopes");
    return NNCF_OK;
}

/* ---- the list ---- */

static const int64_t *all_of(const shrink *s, const int64_t *kept)
{
    return kept ? kept : s->indices; /* which begins with 0, 1, 2 ... */
}

static void add_array(shrink *s, nncf_layer *layer, nncf_array array, float *data, float *grad,
    int32_t ndim, const int64_t *shape)
{
    const layer_plan *p = &s->layers[layer->index];
    const size_t i = s->n_arrays++;
    nncf_shrink_array *a = &s->arrays[i];
    const bool is_weight = array == NNCF_ARRAY_WEIGHT;
    const int32_t out = is_weight ? layer->weight_axis : 0, in = layer->weight_axis ? 0 : 1;
    for (int32_t axis = 0; axis < ndim; axis++) {
        const bool is_out = axis == out, is_in = is_weight && axis == in && layer->groups == 1;
        const int64_t *kept = is_out ? p->kept_outputs : is_in ? p->kept_inputs : NULL;
        s->axes[i].shape[axis] = shape[axis];
        s->axes[i].new_shape[axis] = !kept ? shape[axis] : is_out ? p->outputs : p->inputs;
        s->axes[i].kept[axis] = all_of(s, kept);
    }
    *a = (nncf_shrink_array){NNCF_PARAMS(nncf_shrink_array), .layer = layer, .array = array,
        .ndim = ndim, .data = data, .grad = grad, .shape = s->axes[i].shape,
        .new_shape = s->axes[i].new_shape, .kept = s->axes[i].kept, .new_data = data,
        .new_grad = grad};
}

static void add_row(shrink *s, nncf_layer *layer, nncf_array array, float *data, float *grad)
{
    if (data && s->layers[layer->index].kept_outputs)
        add_array(s, layer, array, data, grad, 1, &layer->out_channels);
}

static void add_arrays(shrink *s, nncf_layer *layer)
{
    const layer_plan *p = &s->layers[layer->index];
    const nncf_batch_norm_params *bn = &layer->batch_norm;
    if (layer->weight_count > 0 && (p->kept_inputs || p->kept_outputs))
        add_array(s, layer, NNCF_ARRAY_WEIGHT, layer->weight, layer->weight_grad,
            layer->weight_ndim, layer->weight_shape);
    add_row(s, layer, NNCF_ARRAY_BIAS, layer->bias, layer->bias_grad);
    if (layer->has_batch_norm || layer->op == NNCF_OP_BATCH_NORM) {
        add_row(s, layer, NNCF_ARRAY_NORM_WEIGHT, bn->weight, bn->weight_grad);
        add_row(s, layer, NNCF_ARRAY_NORM_BIAS, bn->bias, bn->bias_grad);
        add_row(s, layer, NNCF_ARRAY_RUNNING_MEAN, bn->running_mean, NULL);
        add_row(s, layer, NNCF_ARRAY_RUNNING_VAR, bn->running_var, NULL);
    }
    if (layer->kind == NNCF__PRELU && layer->norm.size > 1)
        add_row(s, layer, NNCF_ARRAY_SLOPE, layer->norm.weight, layer->norm.weight_grad);
}

/* Of the controller: mask logits, and ranges per channel. */
static void add_parameter(shrink *s, nncf_layer *layer, nncf_parameter *p)
{
    const nncf__layer_compression *c = &s->ctrl->layers[layer->index];
    const nncf__quantizer *in = c->input_quantizer;
    const layer_plan *plan = &s->layers[layer->index];
    const bool is_logit = p->data == c->logit,
               is_in = in && (p->data == in->bound || p->data == in->length);
    const int64_t *kept = is_in ? plan->kept_inputs : plan->kept_outputs;
    const int64_t count = (int64_t)p->count;
    if (is_logit ? !plan->kept_inputs && !plan->kept_outputs : p->count == 1 || !kept)
        return;
    if (is_logit) {
        add_array(
            s, layer, NNCF_ARRAY_WEIGHT, p->data, p->grad, layer->weight_ndim, layer->weight_shape);
    } else {
        const size_t i = s->n_arrays;
        add_array(s, layer, NNCF_ARRAY_BIAS, p->data, p->grad, 1, &count);
        s->axes[i].new_shape[0] = is_in ? plan->inputs : plan->outputs;
        s->axes[i].kept[0] = kept;
    }
    s->arrays[s->n_arrays - 1].array = NNCF_ARRAY_PARAMETER;
}

/* Parameters are in the order of the layers. */
static void add_parameters(shrink *s)
{
    nncf_compression_ctrl *ctrl = s->ctrl;
    s->own = s->n_arrays;
    for (size_t i = 0, at = 0; i < ctrl->n_parameters; i++) {
        nncf_parameter *p = &ctrl->parameters[i];
        for (bool found = false; !found; at += !found) {
            const nncf__layer_compression *c = &ctrl->layers[at];
            found = c->logit && p->data == c->logit;
            for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
                const nncf__quantizer *q = nncf__layer_quantizer(c, j);
                found = found || (q && (p->data == q->bound || p->data == q->length));
            }
        }
        add_parameter(s, ctrl->model->layers[at], p);
    }
}

static int64_t inputs_of(const nncf__clusters *c, const nncf_layer *layer, int64_t outputs)
{
    if (layer->weight_count == 0 && layer->in_channels == layer->out_channels)
        return outputs;
    return layer->groups > 1 && layer->weight_count > 0 && outputs != layer->out_channels
        ? outputs
        : nncf__kept_inputs(c, layer);
}

static nncf_status plan(shrink *s, nncf_error *err)
{
    const nncf_compression_ctrl *ctrl = s->ctrl;
    const nncf__clusters *c = &ctrl->pruning->clusters;
    const size_t n = ctrl->n_layers, most = MOST_ARRAYS * n + ctrl->n_parameters;
    size_t total = 1, widest = 1;
    s->layers = nncf__calloc(ctrl->context, n, sizeof *s->layers);
    s->arrays = nncf__calloc(ctrl->context, most, sizeof *s->arrays);
    s->axes = nncf__calloc(ctrl->context, most, sizeof *s->axes);
    for (size_t i = 0; i < n; i++) {
        const nncf_layer *layer = ctrl->model->layers[i];
        const size_t in = (size_t)layer->in_channels, out = (size_t)layer->out_channels;
        total += in + out;
        widest = in > widest ? in : widest;
        widest = out > widest ? out : widest;
        for (int32_t axis = 0; axis < layer->weight_ndim; axis++)
            if ((size_t)layer->weight_shape[axis] > widest)
                widest = (size_t)layer->weight_shape[axis];
    }
    s->indices = nncf__calloc(ctrl->context, widest + total, sizeof *s->indices);
    if (!s->layers || !s->arrays || !s->axes || !s->indices)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory to remove filters");
    for (size_t i = 0; i < widest; i++)
        s->indices[i] = (int64_t)i;
    nncf_status status = NNCF_OK;
    int64_t *next = s->indices + widest;
    for (size_t i = 0; i < n && status == NNCF_OK; i++) {
        nncf_layer *layer = ctrl->model->layers[i];
        layer_plan *p = &s->layers[i];
        p->outputs = nncf__kept_outputs(c, layer);
        p->inputs = inputs_of(c, layer, p->outputs);
        if (p->outputs != layer->out_channels && !c->outputs[i].flat) {
            p->kept_outputs = next;
            nncf__list_kept_outputs(c, layer, next);
            next += p->outputs;
        }
        if (p->inputs != layer->in_channels && layer->n_inputs > 0) {
            p->kept_inputs = next;
            nncf__list_kept_inputs(c, layer, next);
            next += p->inputs;
        }
        if (changes(s, layer))
            status = check_layer(s, layer, err);
        if (status == NNCF_OK)
            add_arrays(s, layer);
    }
    if (status == NNCF_OK)
        add_parameters(s);
    return status;
}

static nncf_status ask_host(shrink *s, nncf_error *err)
{
    for (size_t i = 0; i < s->own && s->params.resize; i++) {
        nncf_shrink_array *a = &s->arrays[i];
        if (s->params.resize(s->params.user, a) != 0)
            return nncf__fail(
                err, NNCF_E_CALLBACK, a->layer->scope, "the resize callback reported a failure");
        if (!a->new_data != !a->data || (a->grad && !a->new_grad))
            return nncf__fail(err, NNCF_E_CALLBACK, a->layer->scope,
                "the resize callback left new_data or new_grad NULL, where there was an array");
    }
    return NNCF_OK;
}

/* ---- the change ---- */

static float **gradient_of(nncf_layer *layer, nncf_array array)
{
    nncf_batch_norm_params *bn = &layer->batch_norm;
    switch (array) {
    case NNCF_ARRAY_WEIGHT:
        return &layer->weight_grad;
    case NNCF_ARRAY_BIAS:
        return &layer->bias_grad;
    case NNCF_ARRAY_NORM_WEIGHT:
        return &bn->weight_grad;
    case NNCF_ARRAY_NORM_BIAS:
        return &bn->bias_grad;
    case NNCF_ARRAY_SLOPE:
        return &layer->norm.weight_grad;
    default:
        return NULL;
    }
}

static float **data_of(nncf_layer *layer, nncf_array array)
{
    nncf_batch_norm_params *bn = &layer->batch_norm;
    switch (array) {
    case NNCF_ARRAY_WEIGHT:
        return &layer->weight;
    case NNCF_ARRAY_BIAS:
        return &layer->bias;
    case NNCF_ARRAY_NORM_WEIGHT:
        return &bn->weight;
    case NNCF_ARRAY_NORM_BIAS:
        return &bn->bias;
    case NNCF_ARRAY_RUNNING_MEAN:
        return &bn->running_mean;
    case NNCF_ARRAY_RUNNING_VAR:
        return &bn->running_var;
    default:
        return &layer->norm.weight;
    }
}

static const nncf_shrink_array *array_of(const shrink *s, const nncf_parameter *p)
{
    for (size_t i = s->own; i < s->n_arrays; i++)
        if (s->arrays[i].data == p->data)
            return &s->arrays[i];
    return NULL;
}

/* What the library's own optimizer keeps, in the order of the parameters. */
static void shrink_optimizer(const shrink *s)
{
    const nncf_compression_ctrl *ctrl = s->ctrl;
    float *const rows[] = {ctrl->optimizer.first, ctrl->optimizer.second};
    for (size_t r = 0; r < 2; r++) {
        size_t from = 0, to = 0;
        for (size_t i = 0; i < ctrl->n_parameters && rows[r]; i++) {
            const nncf_parameter *p = &ctrl->parameters[i];
            const nncf_shrink_array *a = array_of(s, p);
            const size_t count = a ? count_of(a->ndim, a->new_shape) : p->count;
            if (a)
                gather(a, rows[r] + from, rows[r] + from);
            memmove(rows[r] + to, rows[r] + from, count * sizeof(float));
            from += p->count;
            to += count;
        }
    }
}

static void move_arrays(const shrink *s)
{
    for (size_t i = 0; i < s->n_arrays; i++) {
        const nncf_shrink_array *a = &s->arrays[i];
        const nncf__layer_compression *c = &s->ctrl->layers[a->layer->index];
        gather(a, a->data, a->new_data);
        if (a->new_grad)
            memset(a->new_grad, 0, count_of(a->ndim, a->new_shape) * sizeof *a->new_grad);
        if (a->array == NNCF_ARRAY_WEIGHT && c->bits)
            gather_bits(a, c->bits);
        if (a->array == NNCF_ARRAY_PARAMETER)
            continue;
        float **grad = gradient_of(a->layer, a->array);
        *data_of(a->layer, a->array) = a->new_data;
        if (grad)
            *grad = a->new_grad;
    }
}

static void resize_layer(const shrink *s, nncf_layer *layer)
{
    const layer_plan *p = &s->layers[layer->index];
    if (layer->weight_count > 0) {
        const int32_t in = layer->weight_axis ? 0 : 1;
        if (layer->groups > 1 && p->kept_outputs)
            layer->groups = p->outputs; /* depthwise */
        else if (layer->groups == 1 && p->kept_inputs)
            layer->weight_shape[in] = p->inputs;
        if (p->kept_outputs)
            layer->weight_shape[layer->weight_axis] = p->outputs;
        layer->weight_count = count_of(layer->weight_ndim, layer->weight_shape);
    }
    if (layer->kind == NNCF__PRELU && layer->norm.size > 1 && p->kept_outputs)
        layer->norm.size = p->outputs;
    layer->in_channels = p->inputs;
    layer->out_channels = p->outputs;
}

static void resize_quantizer(
    nncf_context *context, nncf__quantizer *q, const int64_t *kept, int64_t count)
{
    if (!q)
        return;
    if (q->channels > 1 && kept) {
        for (size_t i = 0; q->observed_channels && i < (size_t)count; i++)
            memmove(q->observed_channels + 2 * i, q->observed_channels + 2 * (size_t)kept[i],
                2 * sizeof(float));
        nncf__observer_shrink(context, q, (size_t)count);
        q->channels = (size_t)count;
    }
    nncf__quantizer_refresh(q);
}

static void resize_quantizers(const shrink *s, size_t i)
{
    nncf_context *context = s->ctrl->context;
    const nncf_layer *layer = s->ctrl->model->layers[i];
    nncf__layer_compression *c = &s->ctrl->layers[i];
    const layer_plan *p = &s->layers[i];
    if (c->weight_quantizer) {
        nncf__quantizer *q = c->weight_quantizer;
        size_t run = 1;
        for (int32_t axis = layer->weight_axis + 1; axis < layer->weight_ndim; axis++)
            run *= (size_t)layer->weight_shape[axis];
        if (q->params.group_size == 0)
            q->run = q->params.per_channel ? run : layer->weight_count;
        resize_quantizer(context, q, p->kept_outputs, p->outputs);
    }
    resize_quantizer(context, c->input_quantizer, p->kept_inputs, p->inputs);
    resize_quantizer(context, c->output_quantizer, p->kept_outputs, p->outputs);
    resize_quantizer(context, c->pre_activation_quantizer, p->kept_outputs, p->outputs);
}

static void resize_parameters(const shrink *s)
{
    for (size_t i = 0; i < s->ctrl->n_parameters; i++) {
        const nncf_shrink_array *a = array_of(s, &s->ctrl->parameters[i]);
        if (a)
            s->ctrl->parameters[i].count = count_of(a->ndim, a->new_shape);
    }
}

/* The groups of an N:M mask are of the channels that are left: one that was N:M stays so. */
static void trim_masks(const nncf_compression_ctrl *ctrl)
{
    size_t masked = 0;
    for (size_t i = 0; i < ctrl->n_layers; i++)
        masked += nncf__structure_trim(&ctrl->structure, ctrl->model->layers[i], &ctrl->layers[i]);
    if (masked > 0)
        nncf__log(ctrl->context, NNCF_LOG_WARNING,
            "nncf_compression_ctrl_shrink: %zu more weights are masked, since of the input "
            "channels that are left others are neighbours, of which %d:%d keeps fewer; outputs "
            "change by them: train on",
            masked, (int)ctrl->structure.n, (int)ctrl->structure.m);
}

static void change(const shrink *s, char *removed)
{
    nncf_compression_ctrl *ctrl = s->ctrl;
    nncf__work before, left;
    const bool was_n_of_m = ctrl->structure.kind == NNCF__N_OF_M &&
        nncf__ctrl_check_structure(ctrl, "nncf_compression_ctrl_shrink", NULL) == NNCF_OK;
    nncf__ctrl_work(ctrl, &before, &left);
    ctrl->pruning->before[0] = before.filters;
    ctrl->pruning->before[1] = before.parameters;
    ctrl->pruning->before[2] = before.flops;
    shrink_optimizer(s);
    move_arrays(s);
    for (size_t i = 0; i < ctrl->n_layers; i++)
        resize_layer(s, ctrl->model->layers[i]);
    if (was_n_of_m)
        trim_masks(ctrl);
    for (size_t i = 0; i < ctrl->n_layers; i++)
        nncf__structure_find_blocks(ctrl->model->layers[i], &ctrl->layers[i]);
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        resize_quantizers(s, i);
        if (ctrl->layers[i].oscillation) /* frozen ones stay where they are, and are free again */
            nncf__oscillation_restart(
                ctrl->layers[i].oscillation, ctrl->model->layers[i]->weight_count);
    }
    resize_parameters(s);
    nncf__ctrl_end_pruning(ctrl, removed);
    for (size_t i = 0; i < ctrl->n_layers; i++)
        nncf__layer_forget_all(ctrl->model->layers[i]);
    for (size_t i = 0; i < s->n_arrays && s->params.moved; i++)
        s->params.moved(s->params.user, &s->arrays[i]);
}

/* ---- the call ---- */

static nncf_status check_state(const nncf_compression_ctrl *ctrl, nncf_error *err)
{
    if (!ctrl->pruning)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the config has no filter_pruning, so that there is no filter to remove");
    if (ctrl->pruning->removed)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the pruned filters were removed already; a model can be shrunk once");
    if (nncf__ctrl_initializing(ctrl))
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "initialization is under way: call nncf_compression_ctrl_init_step() until it sets "
            "more to 0");
    if (ctrl->model->n_replicas > 0)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the model has replicas, with all its filters: destroy them, and make others after "
            "this call");
    return nncf__precision_check_idle(ctrl, "nncf_compression_ctrl_shrink", err);
}

/* Has the host called what makes the list wrong, from its callback? */
static nncf_status check_same(
    const nncf_compression_ctrl *ctrl, const char *removed, nncf_error *err)
{
    char *now = NULL;
    nncf_status status = nncf__ctrl_check(ctrl, "nncf_compression_ctrl_shrink", err);
    if (status == NNCF_OK)
        status = check_state(ctrl, err);
    if (status == NNCF_OK)
        status = nncf__removed_write(ctrl, &now, err);
    if (status == NNCF_OK && strcmp(now, removed) != 0)
        status = nncf__fail(err, NNCF_E_CALLBACK, NULL,
            "the resize callback has made other masks of filters: make no calls that change the "
            "controller from there");
    nncf__free(ctrl->context, now);
    return status;
}

static nncf_status run(shrink *s, nncf_error *err)
{
    char *removed = NULL;
    nncf_status status = check_clusters(s, err);
    if (status == NNCF_OK)
        status = plan(s, err);
    if (status == NNCF_OK)
        status = nncf__removed_write(s->ctrl, &removed, err);
    if (status == NNCF_OK)
        status = ask_host(s, err);
    if (status == NNCF_OK && s->params.resize)
        status = check_same(s->ctrl, removed, err);
    if (status == NNCF_OK)
        change(s, removed);
    else
        nncf__free(s->ctrl->context, removed);
    void *parts[] = {s->layers, s->arrays, s->axes, s->indices};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        nncf__free(s->ctrl->context, parts[i]);
    return status;
}

/* With the masks that a text says, and those from before if it fails. */
static nncf_status run_as(shrink *s, nncf_error *err)
{
    nncf_compression_ctrl *ctrl = s->ctrl;
    nncf__clusters *c = &ctrl->pruning->clusters;
    uint8_t *before = nncf__alloc(ctrl->context, c->n_filters + 1);
    if (!before)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory to remove filters");
    memcpy(before, c->keep, c->n_filters);
    nncf_status status = nncf__removed_read(ctrl, s->params.removed, err);
    if (status == NNCF_OK)
        status = run(s, err);
    if (status != NNCF_OK) {
        memcpy(c->keep, before, c->n_filters);
        nncf__removed_count(c);
    }
    nncf__free(ctrl->context, before);
    return status;
}

static nncf_status shrink_model(
    nncf_compression_ctrl *ctrl, const nncf_shrink_params *params, nncf_error *err)
{
    shrink s = {.ctrl = ctrl, .params = {NNCF_PARAMS(nncf_shrink_params)}};
    nncf_status status = nncf__ctrl_check(ctrl, "nncf_compression_ctrl_shrink", err);
    if (status == NNCF_OK && params)
        status = nncf__params_copy(&s.params, sizeof s.params, params, "nncf_shrink_params", err);
    if (status == NNCF_OK)
        status = check_state(ctrl, err);
    if (status != NNCF_OK)
        return status;
    nncf__model_pull_weights(ctrl->model);
    return s.params.removed ? run_as(&s, err) : run(&s, err);
}

nncf_status nncf_compression_ctrl_shrink(
    nncf_compression_ctrl *ctrl, const nncf_shrink_params *params, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = shrink_model(ctrl, params, &reason);
    return nncf__report(
        ctrl ? ctrl->context : NULL, "nncf_compression_ctrl_shrink", NULL, status, &reason, err);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_shrink_array, )
NNCF__STRUCT_INIT(nncf_shrink_params, )
