/* SPDX-License-Identifier: Apache-2.0 */
/* The values of a graph by name, and its nodes in their order. A value is freed after its last
 * reader, so that the memory is that of the widest place of the network. */
#include "formats/onnx/evaluate.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/int_math.h"
#include "formats/onnx/export.h"
#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/tensor.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct evaluation {
    nncf__onnx_builder *builder;
    /* of a node: as many as any has */
    nncf__onnx_array **operands;
    size_t n_operands;
    /* sorted by name */
    nncf__onnx_array *values;
    size_t n_values;
} evaluation;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const nncf__onnx_array *)a)->name, ((const nncf__onnx_array *)b)->name);
}

static nncf__onnx_array *find(const evaluation *e, const char *name)
{
    const nncf__onnx_array key = {.name = name};
    return bsearch(&key, e->values, e->n_values, sizeof key, by_name);
}

static void count_use(const evaluation *e, const char *name)
{
    nncf__onnx_array *value = *name ? find(e, name) : NULL;
    if (value)
        value->uses++;
}

/* Names of the input, of constants and of what nodes make; and how often each is read. */
static void list_values(evaluation *e, const nncf_tensor *input)
{
    const nncf__onnx_builder *b = e->builder;
    nncf__onnx_array *v = e->values;
    *v = (nncf__onnx_array){
        .name = b->input.name, .ndim = input->ndim, .data = input->data, .borrowed = true};
    v->count = 1;
    for (int32_t i = 0; i < input->ndim; i++) {
        v->shape[i] = input->shape[i];
        v->count *= (size_t)input->shape[i];
    }
    for (size_t i = 0; i < b->n_tensors; i++)
        *++v = (nncf__onnx_array){.name = b->tensors[i]->name, .tensor = b->tensors[i]};
    for (size_t i = 0; i < b->n_nodes; i++)
        *++v = (nncf__onnx_array){.name = b->nodes[i]->output[0]};
    qsort(e->values, e->n_values, sizeof *e->values, by_name);
    for (size_t i = 0; i < b->n_nodes; i++)
        for (size_t j = 0; j < b->nodes[i]->n_input; j++)
            count_use(e, b->nodes[i]->input[j]);
    for (size_t i = 0; i < b->model->n_layers; i++) { /* check.c looks at these */
        const nncf_layer *l = b->model->layers[i];
        if (b->values[i].name)
            count_use(e, b->values[i].name);
        if (l->n_inputs > 0)
            count_use(e, b->values[l->inputs[0]->index].name);
        else
            count_use(e, b->input.name);
    }
}

/* Floats of an initializer, of whatever type it is. */
static nncf_status read_constant(evaluation *e, nncf__onnx_array *v)
{
    const Nncf__Onnx__TensorProto *t = v->tensor;
    const uintptr_t at = (uintptr_t)t->raw_data.data, first = (uintptr_t)e->builder->sources;
    const bool made =
        at >= first && at < first + e->builder->n_sources * sizeof *e->builder->sources;
    v->ndim = (int32_t)t->n_dims;
    v->count = 1;
    for (size_t i = 0; i < t->n_dims; i++) {
        v->shape[i] = t->dims[i];
        v->count *= (size_t)t->dims[i];
    }
    if (t->data_type == NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT && !made && v->count > 0) {
        v->data = (float *)(void *)t->raw_data.data;
        v->borrowed = true;
        return NNCF_OK;
    }
    v->data = nncf__calloc(e->builder->context, v->count ? v->count : 1, sizeof *v->data);
    if (!v->data)
        return NNCF_E_NOMEM;
    if (made) {
        nncf__onnx_source_values((const nncf__onnx_source *)(const void *)t->raw_data.data,
            t->data_type == NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__INT8, v->data);
        return NNCF_OK;
    }
    for (size_t i = 0; i < v->count; i++) {
        int64_t wide;
        switch (t->data_type) {
        case NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
            memcpy(&wide, t->raw_data.data + i * sizeof wide, sizeof wide);
            v->data[i] = (float)wide;
            break;
        case NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__INT8:
            v->data[i] = (float)(int8_t)t->raw_data.data[i];
            break;
        default:
            v->data[i] = (float)t->raw_data.data[i];
        }
    }
    return NNCF_OK;
}

static void release(const evaluation *e, nncf__onnx_array *v)
{
    if (v->uses > 0 && --v->uses > 0)
        return;
    if (!v->borrowed)
        nncf__free(e->builder->context, v->data);
    v->data = NULL;
}

static nncf_status run_node(evaluation *e, size_t i)
{
    nncf__onnx_builder *b = e->builder;
    const Nncf__Onnx__NodeProto *node = b->nodes[i];
    nncf__onnx_step step = {.builder = b, .node = node, .layer = b->owners[i], .x = e->operands};
    nncf_status status = NNCF_OK;
    memset((void *)e->operands, 0, e->n_operands * sizeof *e->operands);
    step.y = find(e, node->output[0]);
    for (size_t j = 0; j < node->n_input && status == NNCF_OK; j++) {
        if (!*node->input[j])
            continue;
        nncf__onnx_array *x = step.x[j] = find(e, node->input[j]);
        if (!x || !step.y)
            return nncf__fail(b->err, NNCF_E_INTERNAL, node->name, "%s: no value", node->name);
        if (x->tensor && !x->data)
            status = read_constant(e, x);
        step.y->opaque = step.y->opaque || x->opaque;
    }
    step.y->opaque = step.y->opaque || strcmp(node->op_type, "Opaque") == 0;
    if (status == NNCF_OK && !step.y->opaque)
        status = nncf__onnx_run(&step);
    for (size_t j = 0; j < node->n_input; j++)
        if (step.x[j])
            release(e, step.x[j]);
    return status == NNCF_E_NOMEM
        ? nncf__fail(b->err, NNCF_E_NOMEM, NULL, "no memory for the check of the export")
        : status;
}

/* The layer is whole. */
static void leave(const evaluation *e, const nncf_layer *layer, nncf__onnx_visit visit, void *arg)
{
    const nncf__onnx_builder *b = e->builder;
    nncf__onnx_array *x =
        find(e, layer->n_inputs > 0 ? b->values[layer->inputs[0]->index].name : b->input.name);
    nncf__onnx_array *y = find(e, b->values[layer->index].name);
    if (!x || !y)
        return;
    visit(arg, layer, x, y);
    release(e, x);
    release(e, y);
}

/* The output, out of the values. */
static void take_output(evaluation *e, nncf__onnx_array *output)
{
    nncf__onnx_array *v = find(e, e->builder->outputs[0]);
    *output = v ? *v : (nncf__onnx_array){.opaque = true};
    if (output->opaque)
        output->data = NULL;
    else if (v)
        v->data = NULL;
}

nncf_status nncf__onnx_evaluate(nncf__onnx_builder *b, const nncf_tensor *input,
    nncf__onnx_visit visit, void *arg, nncf__onnx_array *output)
{
    evaluation e = {.builder = b, .n_values = 1 + b->n_tensors + b->n_nodes};
    nncf_status status = NNCF_OK;
    size_t node = 0;
    e.n_operands = NNCF__ONNX_INPUTS;
    for (size_t i = 0; i < b->n_nodes; i++)
        e.n_operands = max_size(e.n_operands, b->nodes[i]->n_input);
    e.values = nncf__calloc(b->context, e.n_values, sizeof *e.values);
    e.operands = nncf__calloc(b->context, e.n_operands, sizeof *e.operands);
    if (!e.values || !e.operands) {
        nncf__free(b->context, e.values);
        nncf__free(b->context, (void *)e.operands);
        return nncf__fail(b->err, NNCF_E_NOMEM, NULL, "no memory for the check of the export");
    }
    list_values(&e, input);
    count_use(&e, b->outputs[0]);
    for (size_t i = 0; i < b->model->n_layers && status == NNCF_OK; i++) {
        const nncf_layer *layer = b->model->layers[i];
        for (; node < b->n_nodes && b->owners[node] == layer && status == NNCF_OK; node++)
            status = run_node(&e, node);
        if (status == NNCF_OK)
            leave(&e, layer, visit, arg);
    }
    if (status == NNCF_OK)
        take_output(&e, output);
    for (size_t i = 0; i < e.n_values; i++)
        if (!e.values[i].borrowed)
            nncf__free(b->context, e.values[i].data);
    nncf__free(b->context, e.values);
    nncf__free(b->context, (void *)e.operands);
    return status;
}

/* ---- for the operators ---- */

nncf_status nncf__onnx_make(nncf__onnx_step *step, int32_t ndim, const int64_t *shape)
{
    nncf__onnx_array *y = step->y;
    size_t bytes;
    y->ndim = ndim;
    y->count = 1;
    for (int32_t i = 0; i < ndim; i++) {
        y->shape[i] = shape[i];
        if (shape[i] < 1)
            return nncf__onnx_misfit(
                step, "size %d of its output is %lld", (int)i, (long long)shape[i]);
        if (!nncf__mul(y->count, (size_t)shape[i], &y->count))
            return NNCF_E_NOMEM;
    }
    if (!nncf__mul(y->count, sizeof *y->data, &bytes))
        return NNCF_E_NOMEM;
    y->data = nncf__calloc(step->builder->context, y->count ? y->count : 1, sizeof *y->data);
    return y->data ? NNCF_OK : NNCF_E_NOMEM;
}

nncf_status nncf__onnx_misfit(const nncf__onnx_step *step, const char *format, ...)
{
    char text[256], x[NNCF_MAX_NDIM * 21 + 4];
    size_t n = 0;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const nncf__onnx_array *first = step->x[0];
    const nncf_layer *layer = step->layer;
    x[n++] = '(';
    for (int32_t i = 0; i < first->ndim; i++)
        n +=
            (size_t)snprintf(x + n, sizeof x - n, i ? ",%lld" : "%lld", (long long)first->shape[i]);
    snprintf(x + n, sizeof x - n, ")");
    return nncf__fail(step->builder->err, NNCF_E_SHAPE, layer->scope,
        "%s: %s; the registered graph hands it %s of %s. Does the host run something in front of "
        "it that is not registered?",
        layer->scope, text, x, layer->n_inputs > 0 ? layer->inputs[0]->scope : "the model's input");
}

static const Nncf__Onnx__AttributeProto *attribute(const nncf__onnx_step *step, const char *name)
{
    for (size_t i = 0; i < step->node->n_attribute; i++)
        if (strcmp(step->node->attribute[i]->name, name) == 0)
            return step->node->attribute[i];
    return NULL;
}

int64_t nncf__onnx_int(const nncf__onnx_step *step, const char *name, int64_t otherwise)
{
    const Nncf__Onnx__AttributeProto *a = attribute(step, name);
    return a ? a->i : otherwise;
}

float nncf__onnx_float(const nncf__onnx_step *step, const char *name, float otherwise)
{
    const Nncf__Onnx__AttributeProto *a = attribute(step, name);
    return a ? a->f : otherwise;
}

bool nncf__onnx_is(const nncf__onnx_step *step, const char *name, const char *value)
{
    const Nncf__Onnx__AttributeProto *a = attribute(step, name);
    return a && a->s.len == strlen(value) && memcmp(a->s.data, value, a->s.len) == 0;
}

size_t nncf__onnx_ints(
    const nncf__onnx_step *step, const char *name, int64_t *values, size_t capacity)
{
    const Nncf__Onnx__AttributeProto *a = attribute(step, name);
    const size_t n = a ? a->n_ints : 0;
    for (size_t i = 0; i < n && i < capacity; i++)
        values[i] = a->ints[i];
    return n;
}
