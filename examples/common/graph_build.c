/* SPDX-License-Identifier: Apache-2.0 */
/* Making a graph: arrays, their first values, registration with the library. */
#include "graph_internal.h"
#include "rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

nncf_status graph_create(nncf_context *context, int32_t dtype, int ndim, const int64_t *sample,
    uint64_t seed, graph **out, nncf_error *err)
{
    nncf_status status;
    graph *g = calloc(1, sizeof *g);
    if (g == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a network");
    g->input_dtype = dtype;
    g->input_ndim = ndim;
    memcpy(g->input_shape, sample, (size_t)ndim * sizeof *sample);
    g->seed = seed;
    g->error = (nncf_error)NNCF_ERROR_INIT;
    if ((status = nncf_model_create(context, &g->model, err)) != NNCF_OK) {
        free(g);
        return status;
    }
    *out = g;
    return NNCF_OK;
}

void graph_destroy(graph *g)
{
    if (g == NULL)
        return;
    nncf_model_destroy(g->model);
    for (int i = 0; i < g->n_nodes; i++) {
        free(g->nodes[i].y);
        free(g->nodes[i].raw);
        free(g->nodes[i].grad);
        if (g->nodes[i].attention != NULL)
            free(g->nodes[i].attention->kept);
        free(g->nodes[i].attention);
    }
    for (size_t i = 0; i < g->n_arrays; i++) {
        free(g->arrays[i].name);
        free(g->arrays[i].data);
        free(g->arrays[i].grad);
    }
    free(g->nodes);
    free(g->arrays);
    free(g->work);
    for (int i = 0; i < GRAPH_READS; i++)
        free(g->scratch[i]);
    free(g);
}

static void no_memory(graph *g, const char *scope)
{
    if (g->status == NNCF_OK)
        g->status = app_fail(&g->error, NNCF_E_NOMEM, scope, "%s: no memory", scope);
}

int graph_shape(const graph *g, int node, int64_t n, int64_t shape[GRAPH_NDIM])
{
    const int at = node == -2 ? g->n_nodes - 1 : node;
    const int ndim = at == GRAPH_INPUT ? g->input_ndim : g->nodes[at].ndim;
    memcpy(shape, at == GRAPH_INPUT ? g->input_shape : g->nodes[at].shape,
        (size_t)ndim * sizeof *shape);
    shape[0] = n;
    return ndim;
}

/* An array of `ndim` sizes, filled with `value` or, with a deviation, at random. NULL: failed. */
static graph_array *add_array(graph *g, const char *scope, const char *suffix, bool trained,
    int ndim, const int64_t *shape, float value, double deviation)
{
    graph_array *a;
    if (g->status != NNCF_OK)
        return NULL;
    if (g->n_arrays == g->room_arrays) {
        const size_t room = g->room_arrays == 0 ? 32 : 2 * g->room_arrays;
        graph_array *grown = realloc(g->arrays, room * sizeof *grown);
        if (grown == NULL) {
            no_memory(g, scope);
            return NULL;
        }
        g->arrays = grown;
        g->room_arrays = room;
    }
    a = &g->arrays[g->n_arrays];
    *a = (graph_array){.ndim = ndim, .count = 1};
    for (int i = 0; i < ndim; i++) {
        a->shape[i] = shape[i];
        a->count *= (size_t)shape[i];
    }
    g->n_arrays++;
    a->name = app_format("%s.%s", scope, suffix);
    a->data = app_floats(a->count);
    a->grad = trained ? app_floats(a->count) : NULL;
    if (a->name == NULL || a->data == NULL || (trained && a->grad == NULL)) {
        no_memory(g, scope);
        return NULL;
    }
    rng r = rng_make(g->seed, RNG_INIT, g->n_arrays, 0);
    for (size_t i = 0; i < a->count; i++)
        a->data[i] = deviation > 0.0 ? (float)(deviation * rng_normal(&r)) : value;
    return a;
}

/* The pointers of an array, which stay where they are when the list grows. */
typedef struct pointers {
    float *data, *grad;
} pointers;

static pointers add(graph *g, const char *scope, const char *suffix, bool trained, int ndim,
    const int64_t *shape, float value, double deviation)
{
    const graph_array *a = add_array(g, scope, suffix, trained, ndim, shape, value, deviation);
    return a != NULL ? (pointers){a->data, a->grad} : (pointers){0};
}

/* Room for one more node that reads a and, unless it is GRAPH_INPUT, b. NULL: failed. */
static graph_node *new_node(graph *g, const char *scope, int a, int b)
{
    graph_node *node;
    if (g->status != NNCF_OK)
        return NULL;
    if (g->n_nodes == g->room_nodes) {
        const int room = g->room_nodes == 0 ? 32 : 2 * g->room_nodes;
        graph_node *grown = realloc(g->nodes, (size_t)room * sizeof *grown);
        if (grown == NULL) {
            no_memory(g, scope);
            return NULL;
        }
        g->nodes = grown;
        g->room_nodes = room;
    }
    node = &g->nodes[g->n_nodes];
    *node = (graph_node){.reads = {a, b}, .n_reads = b == GRAPH_INPUT ? 1 : 2};
    return node;
}

/* The registered layer becomes a node, if there was no failure. */
static int finish_node(graph *g, graph_node *node, nncf_status status)
{
    if (g->status == NNCF_OK && status == NNCF_OK && !node->by_host) {
        int64_t shapes[GRAPH_READS][GRAPH_NDIM];
        nncf_tensor x[GRAPH_READS] = {{0}};
        for (int i = 0; i < node->n_reads; i++) {
            x[i].ndim = graph_shape(g, node->reads[i], 1, shapes[i]);
            x[i].shape = shapes[i];
        }
        node->ndim = x[0].ndim;
        if (node->attention != NULL) /* as wide as what it reads */
            memcpy(node->shape, shapes[0], sizeof node->shape);
        else
            status = nncf_layer_get_output_shape(node->layer, x, (size_t)node->n_reads, node->shape,
                GRAPH_NDIM, &node->ndim, &g->error);
    }
    if (g->status == NNCF_OK)
        g->status = status;
    if (g->status != NNCF_OK)
        return 0;
    node->count = 1;
    for (int i = 1; i < node->ndim; i++)
        node->count *= (size_t)node->shape[i];
    g->largest = node->count > g->largest ? node->count : g->largest;
    for (int i = 0; i < node->n_reads; i++)
        if (node->by_host && node->reads[i] != GRAPH_INPUT)
            g->nodes[node->reads[i]].read_by_host = true;
    return g->n_nodes++;
}

/* The layers that a new one reads, for its registration. */
typedef struct edges {
    nncf_layer *layer[GRAPH_READS];
    size_t count;
} edges;

static edges edges_of(const graph *g, int a, int b)
{
    edges e = {{NULL, NULL}, 0};
    if (g->status == NNCF_OK && a != GRAPH_INPUT)
        e.layer[e.count++] = g->nodes[a].layer;
    if (g->status == NNCF_OK && b != GRAPH_INPUT)
        e.layer[e.count++] = g->nodes[b].layer;
    return e;
}

static int64_t size_of(const graph *g, int x, int from_end)
{
    int64_t shape[GRAPH_NDIM];
    if (g->status != NNCF_OK)
        return 8; /* nobody will see it */
    const int ndim = graph_shape(g, x, 1, shape);
    return from_end > 0 ? shape[ndim - from_end] : shape[1];
}

int graph_conv(graph *g, const char *scope, int x, graph_conv_spec spec)
{
    const edges e = edges_of(g, x, GRAPH_INPUT);
    const int rows = spec.one_row ? 1 : spec.kernel;
    const int64_t in = size_of(g, x, 0), shape[4] = {spec.out, in, rows, spec.kernel};
    const double deviation = sqrt(2.0 / (double)(in * rows * spec.kernel));
    graph_node *node = new_node(g, scope, x, GRAPH_INPUT);
    const pointers w = add(g, scope, "weight", true, 4, shape, 0.0f, deviation);
    pointers bias = {0}, gamma = {0}, beta = {0}, mean = {0}, var = {0};
    if (spec.batch_norm) {
        gamma = add(g, scope, "norm.weight", true, 1, shape, 1.0f, 0.0);
        beta = add(g, scope, "norm.bias", true, 1, shape, 0.0f, 0.0);
        mean = add(g, scope, "norm.running_mean", false, 1, shape, 0.0f, 0.0);
        var = add(g, scope, "norm.running_var", false, 1, shape, 1.0f, 0.0);
    } else {
        bias = add(g, scope, "bias", true, 1, shape, 0.0f, 0.0);
    }
    if (g->status != NNCF_OK)
        return 0;
    const nncf_batch_norm_params norm = {NNCF_PARAMS(nncf_batch_norm_params), .weight = gamma.data,
        .weight_grad = gamma.grad, .bias = beta.data, .bias_grad = beta.grad,
        .running_mean = mean.data, .running_var = var.data};
    return finish_node(g, node,
        nncf_model_add_conv2d(g->model,
            &(nncf_conv2d_params){NNCF_PARAMS(nncf_conv2d_params), .scope = scope, .weight = w.data,
                .weight_grad = w.grad, .bias = bias.data, .bias_grad = bias.grad, .in_channels = in,
                .out_channels = spec.out, .kernel = {rows, spec.kernel},
                .stride = {spec.stride, spec.stride}, .padding = {rows / 2, spec.kernel / 2},
                .activation = spec.activation, .activation_alpha = spec.alpha,
                .batch_norm = spec.batch_norm ? &norm : NULL, .inputs = e.layer,
                .n_inputs = e.count},
            &node->layer, &g->error));
}

/* Elements of a row; a picture is one row. */
static int64_t features_of(const graph *g, int x)
{
    int64_t shape[GRAPH_NDIM];
    const bool picture = g->status == NNCF_OK && graph_shape(g, x, 1, shape) == 4;
    return picture ? shape[1] * shape[2] * shape[3] : size_of(g, x, 1);
}

int graph_linear(
    graph *g, const char *scope, int x, int64_t out, nncf_activation activation, double deviation)
{
    const edges e = edges_of(g, x, GRAPH_INPUT);
    const int64_t in = features_of(g, x), shape[2] = {out, in};
    graph_node *node = new_node(g, scope, x, GRAPH_INPUT);
    const pointers w = add(g, scope, "weight", true, 2, shape, 0.0f, deviation),
                   b = add(g, scope, "bias", true, 1, shape, 0.0f, 0.0);
    if (g->status != NNCF_OK)
        return 0;
    return finish_node(g, node,
        nncf_model_add_linear(g->model,
            &(nncf_linear_params){NNCF_PARAMS(nncf_linear_params), .scope = scope, .weight = w.data,
                .weight_grad = w.grad, .bias = b.data, .bias_grad = b.grad, .in_features = in,
                .out_features = out, .activation = activation, .inputs = e.layer,
                .n_inputs = e.count},
            &node->layer, &g->error));
}

int graph_embedding(
    graph *g, const char *scope, int x, int64_t words, int64_t size, double deviation)
{
    const edges e = edges_of(g, x, GRAPH_INPUT);
    const int64_t shape[2] = {words, size};
    graph_node *node = new_node(g, scope, x, GRAPH_INPUT);
    const pointers w = add(g, scope, "weight", true, 2, shape, 0.0f, deviation);
    if (g->status != NNCF_OK)
        return 0;
    return finish_node(g, node,
        nncf_model_add_embedding(g->model,
            &(nncf_embedding_params){NNCF_PARAMS(nncf_embedding_params), .scope = scope,
                .weight = w.data, .weight_grad = w.grad, .words = words, .size = size,
                .inputs = e.layer, .n_inputs = e.count},
            &node->layer, &g->error));
}

int graph_layer_norm(graph *g, const char *scope, int x)
{
    const edges e = edges_of(g, x, GRAPH_INPUT);
    const int64_t size = size_of(g, x, 1);
    graph_node *node = new_node(g, scope, x, GRAPH_INPUT);
    const pointers w = add(g, scope, "norm.weight", true, 1, &size, 1.0f, 0.0),
                   b = add(g, scope, "norm.bias", true, 1, &size, 0.0f, 0.0);
    if (g->status != NNCF_OK)
        return 0;
    return finish_node(g, node,
        nncf_model_add_layer_norm(g->model,
            &(nncf_layer_norm_params){NNCF_PARAMS(nncf_layer_norm_params), .scope = scope,
                .size = size, .weight = w.data, .weight_grad = w.grad, .bias = b.data,
                .bias_grad = b.grad, .inputs = e.layer, .n_inputs = e.count},
            &node->layer, &g->error));
}

int graph_sum(graph *g, const char *scope, int a, int b)
{
    const edges e = edges_of(g, a, b);
    graph_node *node = new_node(g, scope, a, b);
    if (node == NULL)
        return 0;
    return finish_node(g, node,
        nncf_model_add_sum(g->model,
            &(nncf_sum_params){NNCF_PARAMS(nncf_sum_params), .scope = scope, .inputs = e.layer,
                .n_inputs = e.count},
            &node->layer, &g->error));
}

int graph_concat(graph *g, const char *scope, int a, int b)
{
    const edges e = edges_of(g, a, b);
    graph_node *node = new_node(g, scope, a, b);
    if (node == NULL)
        return 0;
    return finish_node(g, node,
        nncf_model_add_concat(g->model,
            &(nncf_concat_params){NNCF_PARAMS(nncf_concat_params), .scope = scope,
                .inputs = e.layer, .n_inputs = e.count},
            &node->layer, &g->error));
}

int graph_max_pool(graph *g, const char *scope, int x, int rows, int columns)
{
    const edges e = edges_of(g, x, GRAPH_INPUT);
    graph_node *node = new_node(g, scope, x, GRAPH_INPUT);
    if (node == NULL)
        return 0;
    return finish_node(g, node,
        nncf_model_add_pool2d(g->model,
            &(nncf_pool2d_params){NNCF_PARAMS(nncf_pool2d_params), .scope = scope,
                .kind = NNCF_POOL_MAX, .kernel = {rows, columns}, .inputs = e.layer,
                .n_inputs = e.count},
            &node->layer, &g->error));
}

int graph_upsample(graph *g, const char *scope, int x, int factor)
{
    const edges e = edges_of(g, x, GRAPH_INPUT);
    graph_node *node = new_node(g, scope, x, GRAPH_INPUT);
    if (node == NULL)
        return 0;
    return finish_node(g, node,
        nncf_model_add_upsample(g->model,
            &(nncf_upsample_params){NNCF_PARAMS(nncf_upsample_params), .scope = scope,
                .kind = NNCF_UPSAMPLE_NEAREST, .factor = {factor, factor}, .inputs = e.layer,
                .n_inputs = e.count},
            &node->layer, &g->error));
}

int graph_attention(graph *g, const char *scope, int x, graph_attention_spec spec)
{
    static const char *const names[4] = {"q", "k", "v", "proj"};
    const edges e = edges_of(g, x, GRAPH_INPUT);
    const int64_t width = size_of(g, x, 1), shape[2] = {width, width};
    graph_node *node = new_node(g, scope, x, GRAPH_INPUT);
    nncf_attention_params p = {NNCF_PARAMS(nncf_attention_params), .scope = scope,
        .names[NNCF_ATTENTION_OUT] = "Linear[proj]", .features = width, .heads = spec.heads,
        .causal = spec.causal, .inputs = e.layer, .n_inputs = e.count};
    for (int i = 0; i < 4; i++) {
        char *array_scope = app_format("%s/Linear[%s]", scope, names[i]);
        if (array_scope == NULL)
            no_memory(g, scope);
        const pointers w = add(g, array_scope, "weight", true, 2, shape, 0.0f,
                           i < 3 ? spec.deviation : spec.out_deviation),
                       b = add(g, array_scope, "bias", true, 1, shape, 0.0f, 0.0);
        p.weight[i] = w.data;
        p.weight_grad[i] = w.grad;
        p.bias[i] = b.data;
        p.bias_grad[i] = b.grad;
        free(array_scope);
    }
    if (g->status != NNCF_OK)
        return 0;
    if ((node->attention = calloc(1, sizeof *node->attention)) == NULL) {
        no_memory(g, scope);
        return 0;
    }
    node->attention->struct_size = sizeof *node->attention;
    const nncf_status status = nncf_model_add_attention(g->model, &p, node->attention, &g->error);
    node->layer = node->attention->layers[NNCF_ATTENTION_OUT];
    g->n_nodes += status != NNCF_OK; /* so that it is freed */
    return finish_node(g, node, status);
}

/* An operator that is run here: the library places quantizers around it and exports it. */
int graph_mean(graph *g, const char *scope, int x, int axis)
{
    const edges e = edges_of(g, x, GRAPH_INPUT);
    int64_t shape[GRAPH_NDIM];
    graph_node *node = new_node(g, scope, x, GRAPH_INPUT);
    if (node == NULL)
        return 0;
    node->by_host = true;
    node->axis = axis;
    node->ndim = graph_shape(g, x, 1, shape) - 1;
    for (int i = 0; i < node->ndim; i++)
        node->shape[i] = shape[i < axis ? i : i + 1];
    return finish_node(g, node,
        nncf_model_add_op(g->model,
            &(nncf_op_params){NNCF_PARAMS(nncf_op_params), .scope = scope, .op = NNCF_OP_MEAN,
                .axis = axis, .inputs = e.layer, .n_inputs = e.count},
            &node->layer, &g->error));
}

int graph_channels_first(graph *g, const char *scope, int x)
{
    static const int64_t from[4] = {0, 3, 1, 2};
    const edges e = edges_of(g, x, GRAPH_INPUT);
    int64_t shape[GRAPH_NDIM];
    graph_node *node = new_node(g, scope, x, GRAPH_INPUT);
    if (node == NULL)
        return 0;
    node->by_host = true;
    node->ndim = graph_shape(g, x, 1, shape);
    for (int i = 0; i < 4; i++)
        node->shape[i] = shape[from[i]];
    return finish_node(g, node,
        nncf_model_add_op(g->model,
            &(nncf_op_params){NNCF_PARAMS(nncf_op_params), .scope = scope, .op = NNCF_OP_TRANSPOSE,
                .sizes = from, .n_sizes = 4, .inputs = e.layer, .n_inputs = e.count},
            &node->layer, &g->error));
}

nncf_status graph_finish(graph *g, nncf_error *err)
{
    if (g->status != NNCF_OK)
        *err = g->error;
    return g->status;
}

nncf_model *graph_model(graph *g)
{
    return g->model;
}

int32_t graph_input_dtype(const graph *g)
{
    return g->input_dtype;
}

graph_array *graph_arrays(const graph *g, size_t *count)
{
    *count = g->n_arrays;
    return g->arrays;
}
