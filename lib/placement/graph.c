/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From registered layers to operators as NNCF's graph has them: a convolution that was registered
 * with batch norm and activation is three of them, each with the scope that configs call it by;
 * hard swish is a sum, a ReLU6 and a product. Layers are registered after those that feed them, so
 * the order of registration is one in which inputs come first.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "graph/kind_info.h"
#include "graph/model.h"
#include "graph/ops.h"
#include "graph/scope.h"
#include "placement/placement.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>

#include <stdio.h>
#include <string.h>

enum { PARTS = 4, SCOPE_CAPACITY = 1200 }; /* registration allows scopes of up to 960 bytes */

bool nncf__op_named(const nncf__op *op, const char *name)
{
    return strlen(name) == op->name_length && memcmp(op->name, name, op->name_length) == 0;
}

static bool is_convolution(int32_t op)
{
    return op >= NNCF_OP_CONV1D && op <= NNCF_OP_CONV_TRANSPOSE3D;
}

/* ---- scopes ---- */

/* The module's scope with NNCF's class: "Net/Conv2d[a]" -> "Net/NNCFConv2d[a]". */
static void wrap(const char *scope, size_t length, int32_t release, char capacity[SCOPE_CAPACITY])
{
    char own[SCOPE_CAPACITY];
    snprintf(own, sizeof own, "%.*s", (int)length, scope);
    size_t parent = nncf__scope_parent(own), at = parent ? parent + 1 : 0;
    size_t class_length = strcspn(own + at, "[");
    if (own[at + class_length] == '[' && nncf__scope_class_wrapped(own + at, class_length, release))
        snprintf(capacity, SCOPE_CAPACITY, "%.*sNNCF%.1100s", (int)at, own, own + at);
    else
        snprintf(capacity, SCOPE_CAPACITY, "%s", own);
}

/*
 * Fill in module, scope and name of an operator. `scope` is an operator's ("Net/ReLU[a]/RELU_1") or
 * a module's; of the latter the operator is the first call.
 */
static bool name_op(
    nncf_context *context, nncf__op *op, const char *scope, const char *name, int32_t release)
{
    char module[SCOPE_CAPACITY], whole[SCOPE_CAPACITY];
    size_t length = 0, at = nncf__scope_operator(scope, &length);
    if (at > 0 && op->is_module &&
        (length != strlen(name) || memcmp(scope + at - 1, name, length) != 0))
        at = 0; /* "Net/conv_1" names a module here */
    if (at > 0) {
        wrap(scope, at > 1 ? at - 2 : 0, release, module);
        snprintf(whole, sizeof whole, "%.900s%s%.280s", module, at > 1 ? "/" : "", scope + at - 1);
    } else {
        wrap(scope, strlen(scope), op->is_module ? release : 0, module);
        snprintf(whole, sizeof whole, "%.1100s/%s_0", module, name);
    }
    op->module = nncf__strdup(context, module);
    op->scope = nncf__strdup(context, whole);
    if (!op->module || !op->scope)
        return false;
    op->name = name;
    op->name_length = strlen(name);
    if (at > 0) { /* the caller's name: it distinguishes + from torch.add */
        op->name = strrchr(op->scope, '/') ? strrchr(op->scope, '/') + 1 : op->scope;
        op->name_length = length;
    }
    return true;
}

/* A part of a layer that has no scope of its own: its class stands for it, in the block that it
 * shares with the layer.
 */
static void sibling(const nncf_layer *layer, const char *class_name, char capacity[SCOPE_CAPACITY])
{
    size_t length, at = nncf__scope_operator(layer->scope, &length);
    size_t parent = at > 1 ? at - 2 : at == 1 ? 0 : nncf__scope_parent(layer->scope);
    if (parent == 0)
        snprintf(capacity, SCOPE_CAPACITY, "%s", layer->scope);
    else
        snprintf(capacity, SCOPE_CAPACITY, "%.*s/%s", (int)parent, layer->scope, class_name);
}

static const char input_scope[] = "/nncf_model_input_";

/* The number of an input that the caller registered by NNCF's name; SIZE_MAX: none below `most`. */
static size_t input_number(const nncf_layer *layer, size_t most)
{
    const char *digits = layer->scope + sizeof input_scope - 1;
    size_t number = 0;
    if (layer->op != NNCF_OP_INPUT ||
        strncmp(layer->scope, input_scope, sizeof input_scope - 1) != 0 || !*digits)
        return SIZE_MAX;
    for (; *digits >= '0' && *digits <= '9' && number < most; digits++)
        number = 10 * number + (size_t)(*digits - '0');
    return *digits || number >= most ? SIZE_MAX : number;
}

/* Inputs have numbers, as NNCF gives them: those of layers without inputs, in their order, what the
 * caller's inputs left. */
typedef struct input_names {
    /* [most] */
    bool *taken;
    size_t next;
} input_names;

static bool name_part(nncf_context *context, nncf__op *op, input_names *inputs, int32_t release)
{
    const nncf_layer *layer = op->layer;
    const char *own = NULL, *class_name = NULL, *name = nncf__op_info_of(op->op)->name;
    char capacity[SCOPE_CAPACITY];
    switch (op->part) {
    case NNCF__PART_INPUT:
        while (inputs->taken[inputs->next])
            inputs->next++;
        snprintf(capacity, sizeof capacity, "%s%zu", input_scope, inputs->next++);
        own = capacity;
        break;
    case NNCF__PART_CORE:
        own = layer->scope;
        break;
    case NNCF__PART_NORM:
        own = layer->norm_scope;
        class_name = layer->op == NNCF_OP_CONV2D || layer->op == NNCF_OP_CONV_TRANSPOSE2D
            ? "BatchNorm2d"
            : layer->op == NNCF_OP_CONV3D || layer->op == NNCF_OP_CONV_TRANSPOSE3D ? "BatchNorm3d"
                                                                                   : "BatchNorm1d";
        break;
    case NNCF__PART_ACTIVATION:
        own = layer->activation_scope;
        class_name = nncf__class_of_activation(layer->activation);
        break;
    default:
        own = NULL;
        class_name = op->op == NNCF_OP_ADD ? "hswish_add" : "hswish_relu6";
    }
    if (!own) {
        sibling(layer, class_name, capacity);
        own = capacity;
    }
    return name_op(context, op, own, name, release);
}

/* ---- operators ---- */

static nncf__op *append(nncf__op_graph *graph, const nncf_layer *layer, int32_t op, int32_t part)
{
    nncf__op *o = &graph->ops[graph->count++];
    *o = (nncf__op){.op = op, .part = part, .layer = layer};
    if (part == NNCF__PART_CORE) {
        o->is_module = layer->weight_count > 0 && op != NNCF_OP_FUNCTIONAL_LINEAR;
        o->is_depthwise =
            is_convolution(op) && layer->groups > 1 && layer->groups == layer->in_channels;
    }
    return o;
}

/* Does the layer read one tensor, so that its input is known without being registered? */
static bool has_unknown_input(const nncf_layer *layer)
{
    /* numbers of words are no activations */
    return layer->n_inputs == 0 && layer->op != NNCF_OP_EMBEDDING &&
        nncf__op_info_of(layer->op)->max_inputs == 1;
}

/* Edges as (from, to), in the order of the operators that read. */
typedef struct edge_list {
    size_t *from, *to;
    size_t count;
} edge_list;

static void add_edge(edge_list *edges, size_t from, size_t to)
{
    edges->from[edges->count] = from;
    edges->to[edges->count++] = to;
}

static void expand(nncf__op_graph *graph, edge_list *edges, const nncf_layer *layer)
{
    size_t unknown = SIZE_MAX, core;
    if (has_unknown_input(layer)) {
        unknown = graph->count;
        append(graph, layer, NNCF_OP_INPUT, NNCF__PART_INPUT);
    }
    if (layer->op == NNCF_OP_HSWISH) { /* x * relu6(x + 3) / 6 */
        size_t source = unknown != SIZE_MAX ? unknown
            : layer->n_inputs               ? graph->last[layer->inputs[0]->index]
                                            : 0;
        size_t sum = graph->count;
        append(graph, layer, NNCF_OP_ADD, NNCF__PART_INNER);
        append(graph, layer, NNCF_OP_RELU6, NNCF__PART_INNER);
        core = graph->count;
        append(graph, layer, NNCF_OP_MUL, NNCF__PART_CORE);
        add_edge(edges, source, sum);
        add_edge(edges, sum, sum + 1);
        add_edge(edges, source, core);
        add_edge(edges, sum + 1, core);
    } else {
        core = graph->count;
        append(graph, layer, layer->op, NNCF__PART_CORE);
        if (unknown != SIZE_MAX)
            add_edge(edges, unknown, core);
        for (size_t i = 0; i < layer->n_inputs; i++)
            add_edge(edges, graph->last[layer->inputs[i]->index], core);
    }
    graph->first[layer->index] = core;
    if (layer->has_batch_norm) {
        append(graph, layer, NNCF_OP_BATCH_NORM, NNCF__PART_NORM);
        add_edge(edges, graph->count - 2, graph->count - 1);
    }
    if (nncf__layer_has_activation(layer)) {
        append(graph, layer, nncf__op_of_activation(layer->activation), NNCF__PART_ACTIVATION);
        add_edge(edges, graph->count - 2, graph->count - 1);
    }
    graph->last[layer->index] = graph->count - 1;
}

/* inputs and consumers of every operator, in graph->edges. */
static void connect(nncf__op_graph *graph, const edge_list *edges)
{
    for (size_t i = 0; i < edges->count; i++) {
        graph->ops[edges->to[i]].n_inputs++;
        graph->ops[edges->from[i]].n_consumers++;
    }
    size_t *next = graph->edges;
    for (size_t i = 0; i < graph->count; i++) {
        nncf__op *op = &graph->ops[i];
        op->inputs = next;
        op->consumers = next + op->n_inputs;
        next += op->n_inputs + op->n_consumers;
        op->n_inputs = op->n_consumers = 0;
    }
    for (size_t i = 0; i < edges->count; i++) {
        nncf__op *to = &graph->ops[edges->to[i]], *from = &graph->ops[edges->from[i]];
        to->inputs[to->n_inputs++] = edges->from[i];
        from->consumers[from->n_consumers++] = edges->to[i];
    }
}

nncf_status nncf__op_graph_make(
    nncf__op_graph *graph, const nncf_model *model, int32_t release, nncf_error *err)
{
    nncf_context *context = model->context;
    size_t most_edges = 0;
    for (size_t i = 0; i < model->n_layers; i++)
        most_edges += model->layers[i]->n_inputs + 6;
    *graph = (nncf__op_graph){.context = context};
    edge_list edges = {0};
    const size_t most_inputs = model->n_layers + 1; /* one of them is always free */
    input_names inputs = {.taken = nncf__calloc(context, most_inputs, sizeof *inputs.taken)};
    graph->ops = nncf__calloc(context, model->n_layers * PARTS + 1, sizeof *graph->ops);
    graph->first = nncf__calloc(context, model->n_layers + 1, sizeof *graph->first);
    graph->last = nncf__calloc(context, model->n_layers + 1, sizeof *graph->last);
    graph->edges = nncf__calloc(context, 2 * most_edges + 1, sizeof *graph->edges);
    edges.from = nncf__calloc(context, most_edges + 1, sizeof *edges.from);
    edges.to = nncf__calloc(context, most_edges + 1, sizeof *edges.to);
    bool ok = graph->ops && graph->first && graph->last && graph->edges && edges.from && edges.to &&
        inputs.taken;
    for (size_t i = 0; ok && i < model->n_layers; i++)
        expand(graph, &edges, model->layers[i]);
    if (ok)
        connect(graph, &edges);
    for (size_t i = 0; ok && i < model->n_layers; i++) {
        const size_t number = input_number(model->layers[i], most_inputs);
        if (number != SIZE_MAX)
            inputs.taken[number] = true;
    }
    for (size_t i = 0; ok && i < graph->count; i++)
        ok = name_part(context, &graph->ops[i], &inputs, release);
    nncf__free(context, inputs.taken);
    nncf__free(context, edges.from);
    nncf__free(context, edges.to);
    if (!ok) {
        nncf__op_graph_free(graph);
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for placing quantizers");
    }
    return NNCF_OK;
}

void nncf__op_graph_free(nncf__op_graph *graph)
{
    for (size_t i = 0; graph->ops && i < graph->count; i++) {
        nncf__free(graph->context, graph->ops[i].scope);
        nncf__free(graph->context, graph->ops[i].module);
    }
    void *parts[] = {graph->ops, graph->first, graph->last, graph->edges};
    for (size_t i = 0; graph->context && i < sizeof parts / sizeof *parts; i++)
        nncf__free(graph->context, parts[i]);
    *graph = (nncf__op_graph){0};
}
