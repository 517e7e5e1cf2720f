/* SPDX-License-Identifier: Apache-2.0 */
/* Making a network: buffers, their first values, registration with the library. */
#include "net_internal.h"
#include "rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

nncf_status net_create(
    nncf_context *context, const int64_t sample[4], uint64_t seed, net **out, nncf_error *err)
{
    nncf_status status;
    net *n = calloc(1, sizeof *n);
    if (n == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a network");
    memcpy(n->sample, sample, sizeof n->sample);
    n->seed = seed;
    n->error = (nncf_error)NNCF_ERROR_INIT;
    status = nncf_model_create(context, &n->model, err);
    if (status != NNCF_OK) {
        free(n);
        return status;
    }
    *out = n;
    return NNCF_OK;
}

static void free_replaced(const net_tensor *t)
{
    if (!t->replaced)
        return;
    free(t->data);
    free(t->grad);
}

void net_destroy(net *n)
{
    if (n == NULL)
        return;
    nncf_model_destroy(n->model);
    for (int i = 0; i < n->n_nodes; i++) {
        free(n->nodes[i].module);
        free(n->nodes[i].y);
    }
    for (size_t i = 0; i < n->n_tensors; i++) {
        free(n->tensors[i].name);
        free_replaced(&n->tensors[i]);
    }
    app_arena_free(&n->arrays);
    for (int i = 0; i < n->n_pool; i++)
        free(n->pool[i].data);
    free(n->nodes);
    free(n->tensors);
    free(n->pool);
    free(n);
}

static void keep_failure(net *n, nncf_status status, const char *where)
{
    if (n->status == NNCF_OK && status != NNCF_OK) {
        n->status = status;
        if (n->error.status != status)
            app_fail_step(&n->error, status, where);
    }
}

/* A new tensor, or NULL. Pointers to its data stay where they are; the record itself may move with
 * the next one. */
static net_tensor *add_tensor(
    net *n, const char *module, const char *suffix, bool trained, int ndim, const int64_t *shape)
{
    net_tensor *t;
    if (n->n_tensors == n->room_tensors) {
        size_t room = n->room_tensors == 0 ? 64 : 2 * n->room_tensors;
        net_tensor *grown = realloc(n->tensors, room * sizeof *grown);
        if (grown == NULL)
            return NULL;
        n->tensors = grown;
        n->room_tensors = room;
    }
    t = &n->tensors[n->n_tensors];
    *t = (net_tensor){.ndim = ndim, .count = 1};
    for (int i = 0; i < ndim; i++) {
        t->shape[i] = shape[i];
        t->count *= (size_t)shape[i];
    }
    t->name = app_format("%s.%s", module, suffix);
    t->data = app_arena_floats(&n->arrays, t->count);
    t->grad = trained ? app_arena_floats(&n->arrays, t->count) : NULL;
    if (t->name == NULL || t->data == NULL || (trained && t->grad == NULL)) {
        free(t->name);
        return NULL;
    }
    n->n_tensors++;
    return t;
}

static void fill(net_tensor *t, float value)
{
    for (size_t i = 0; i < t->count; i++)
        t->data[i] = value;
}

static void fill_uniform(const net *n, net_tensor *t, double bound)
{
    rng r = rng_make(n->seed, RNG_INIT, n->n_tensors, 0);
    for (size_t i = 0; i < t->count; i++)
        t->data[i] = (float)rng_between(&r, -bound, bound);
}

static void fill_normal(const net *n, net_tensor *t, double deviation)
{
    rng r = rng_make(n->seed, RNG_INIT, n->n_tensors, 0);
    for (size_t i = 0; i < t->count; i++)
        t->data[i] = (float)(deviation * rng_normal(&r));
}

/* Weight, bias and batch norm of a layer; `shape` is the weight's. */
typedef struct layer_buffers {
    float *weight, *weight_grad, *bias, *bias_grad;
    nncf_batch_norm_params batch_norm;
} layer_buffers;

static bool add_batch_norm(net *n, const char *name, int64_t channels, nncf_batch_norm_params *p)
{
    net_tensor *t;
    *p = (nncf_batch_norm_params){NNCF_PARAMS(nncf_batch_norm_params)};
    if ((t = add_tensor(n, name, "weight", true, 1, &channels)) == NULL)
        return false;
    fill(t, 1.0f);
    p->weight = t->data;
    p->weight_grad = t->grad;
    if ((t = add_tensor(n, name, "bias", true, 1, &channels)) == NULL)
        return false;
    p->bias = t->data;
    p->bias_grad = t->grad;
    if ((t = add_tensor(n, name, "running_mean", false, 1, &channels)) == NULL)
        return false;
    p->running_mean = t->data;
    if ((t = add_tensor(n, name, "running_var", false, 1, &channels)) == NULL)
        return false;
    fill(t, 1.0f);
    p->running_var = t->data;
    return true;
}

static bool add_buffers(
    net *n, const net_layer_spec *spec, int ndim, const int64_t *shape, layer_buffers *b)
{
    net_tensor *t = add_tensor(n, spec->name, "weight", true, ndim, shape);
    double fan_in, fan_out;
    if (t == NULL)
        return false;
    fan_in = (double)t->count / (double)shape[0];
    fan_out = (double)t->count / (double)shape[1];
    if (spec->init == NET_INIT_KAIMING)
        fill_normal(n, t, sqrt(2.0 / fan_out));
    else if (spec->init == NET_INIT_NORMAL)
        fill_normal(n, t, 0.01);
    else
        fill_uniform(n, t, 1.0 / sqrt(fan_in));
    b->weight = t->data;
    b->weight_grad = t->grad;
    if (spec->bias) {
        if ((t = add_tensor(n, spec->name, "bias", true, 1, shape)) == NULL)
            return false;
        if (spec->init == NET_INIT_UNIFORM)
            fill_uniform(n, t, 1.0 / sqrt(fan_in));
        b->bias = t->data;
        b->bias_grad = t->grad;
    }
    return spec->batch_norm == NULL ||
        add_batch_norm(n, spec->batch_norm, shape[0], &b->batch_norm);
}

/* Room for one more node; NULL when there is none. */
static net_node *new_node(net *n, const char *module)
{
    net_node *node;
    if (n->n_nodes == n->room_nodes) {
        int room = n->room_nodes == 0 ? 64 : 2 * n->room_nodes;
        net_node *grown = realloc(n->nodes, (size_t)room * sizeof *grown);
        if (grown == NULL)
            return NULL;
        n->nodes = grown;
        n->room_nodes = room;
    }
    node = &n->nodes[n->n_nodes];
    *node = (net_node){.module = app_copy(module)};
    return module != NULL && node->module == NULL ? NULL : node;
}

/* The registered layer becomes a node: ask for the shape of its output. */
static int finish_node(net *n, net_node *node, const char *scope, int a, int b)
{
    int64_t shape[4];
    nncf_tensor x[2];
    nncf_status status;
    x[0] = net__view(n, a, NULL, shape);
    x[1] = x[0];
    node->inputs[0] = a;
    node->inputs[1] = b;
    node->n_inputs = b == NET_INPUT ? 1 : 2;
    status = nncf_layer_get_output_shape(
        node->layer, x, (size_t)node->n_inputs, node->sample, 4, &node->ndim, &n->error);
    if (status != NNCF_OK) {
        keep_failure(n, status, scope);
        free(node->module);
        return 0;
    }
    node->count = 1;
    for (int i = 0; i < node->ndim; i++)
        node->count *= (size_t)node->sample[i];
    memcpy(node->shape, node->sample, sizeof node->shape);
    return n->n_nodes++;
}

int64_t net_channels(const net *n, int node)
{
    if (n->status != NNCF_OK)
        return 8; /* nobody will see it */
    return node == NET_INPUT ? n->sample[1] : n->nodes[node].sample[1];
}

int net_add_conv(net *n, const net_layer_spec *spec)
{
    int64_t in = net_channels(n, spec->input);
    int64_t shape[4] = {spec->out, spec->depthwise ? 1 : in, spec->kernel, spec->kernel};
    layer_buffers b = {0};
    net_node *node;
    nncf_status status;
    if (n->status != NNCF_OK)
        return 0;
    if (!add_buffers(n, spec, 4, shape, &b) || (node = new_node(n, spec->name)) == NULL) {
        keep_failure(n, NNCF_E_NOMEM, spec->scope);
        return 0;
    }
    status = nncf_model_add_conv2d(n->model,
        &(nncf_conv2d_params){NNCF_PARAMS(nncf_conv2d_params), .scope = spec->scope,
            .weight = b.weight, .weight_grad = b.weight_grad, .bias = b.bias,
            .bias_grad = b.bias_grad, .in_channels = in, .out_channels = spec->out,
            .kernel = {spec->kernel, spec->kernel}, .stride = {spec->stride, spec->stride},
            .padding = {spec->padding, spec->padding}, .groups = spec->depthwise ? (int32_t)in : 1,
            .activation = spec->activation,
            .batch_norm = spec->batch_norm != NULL ? &b.batch_norm : NULL,
            .inputs = spec->input == NET_INPUT ? NULL : &n->nodes[spec->input].layer,
            .n_inputs = spec->input == NET_INPUT ? 0 : 1},
        &node->layer, &n->error);
    if (status != NNCF_OK) {
        keep_failure(n, status, spec->scope);
        free(node->module);
        return 0;
    }
    return finish_node(n, node, spec->scope, spec->input, NET_INPUT);
}

int net_add_linear(net *n, const net_layer_spec *spec)
{
    int64_t shape[2] = {spec->out, 1};
    layer_buffers b = {0};
    net_node *node;
    nncf_status status;
    if (n->status != NNCF_OK)
        return 0;
    shape[1] = spec->input == NET_INPUT ? n->sample[1] * n->sample[2] * n->sample[3]
                                        : (int64_t)n->nodes[spec->input].count;
    if (!add_buffers(n, spec, 2, shape, &b) || (node = new_node(n, spec->name)) == NULL) {
        keep_failure(n, NNCF_E_NOMEM, spec->scope);
        return 0;
    }
    status = nncf_model_add_linear(n->model,
        &(nncf_linear_params){NNCF_PARAMS(nncf_linear_params), .scope = spec->scope,
            .weight = b.weight, .weight_grad = b.weight_grad, .bias = b.bias,
            .bias_grad = b.bias_grad, .in_features = shape[1], .out_features = spec->out,
            .activation = spec->activation,
            .batch_norm = spec->batch_norm != NULL ? &b.batch_norm : NULL,
            .inputs = spec->input == NET_INPUT ? NULL : &n->nodes[spec->input].layer,
            .n_inputs = spec->input == NET_INPUT ? 0 : 1},
        &node->layer, &n->error);
    if (status != NNCF_OK) {
        keep_failure(n, status, spec->scope);
        free(node->module);
        return 0;
    }
    return finish_node(n, node, spec->scope, spec->input, NET_INPUT);
}

int net_add_sum(net *n, const char *scope, int a, int b, int activation)
{
    nncf_layer *inputs[2];
    net_node *node;
    nncf_status status;
    if (n->status != NNCF_OK)
        return 0;
    if ((node = new_node(n, NULL)) == NULL) {
        keep_failure(n, NNCF_E_NOMEM, scope);
        return 0;
    }
    inputs[0] = n->nodes[a].layer;
    inputs[1] = n->nodes[b].layer;
    status = nncf_model_add_sum(n->model,
        &(nncf_sum_params){NNCF_PARAMS(nncf_sum_params), .scope = scope, .activation = activation,
            .inputs = inputs, .n_inputs = 2},
        &node->layer, &n->error);
    if (status != NNCF_OK) {
        keep_failure(n, status, scope);
        return 0;
    }
    return finish_node(n, node, scope, a, b);
}

int net_add_pool(
    net *n, const char *scope, int input, int kind, int kernel, int stride, int padding)
{
    net_node *node;
    nncf_status status;
    if (n->status != NNCF_OK)
        return 0;
    if ((node = new_node(n, NULL)) == NULL) {
        keep_failure(n, NNCF_E_NOMEM, scope);
        return 0;
    }
    status = nncf_model_add_pool2d(n->model,
        &(nncf_pool2d_params){NNCF_PARAMS(nncf_pool2d_params), .scope = scope, .kind = kind,
            .kernel = {kernel, kernel}, .stride = {stride, stride}, .padding = {padding, padding},
            .inputs = input == NET_INPUT ? NULL : &n->nodes[input].layer,
            .n_inputs = input == NET_INPUT ? 0 : 1},
        &node->layer, &n->error);
    if (status != NNCF_OK) {
        keep_failure(n, status, scope);
        return 0;
    }
    return finish_node(n, node, scope, input, NET_INPUT);
}

void net_replace(net *n, const float *before, float *data, float *grad, const int64_t *shape)
{
    for (size_t i = 0; i < n->n_tensors; i++) {
        net_tensor *t = &n->tensors[i];
        if (t->data != before)
            continue;
        free_replaced(t);
        t->data = data;
        t->grad = grad;
        t->replaced = true;
        t->count = 1;
        for (int d = 0; d < t->ndim; d++) {
            t->shape[d] = shape[d];
            t->count *= (size_t)shape[d];
        }
        return;
    }
}

nncf_status net_resized(net *n, nncf_error *err)
{
    const int64_t batch = n->batch;
    nncf_status status = NNCF_OK;
    n->batch = 0; /* shapes of one sample */
    n->capacity = 0;
    for (int i = 0; i < n->n_nodes && status == NNCF_OK; i++) {
        net_node *node = &n->nodes[i];
        int64_t shape[4];
        nncf_tensor x[2];
        for (int k = 0; k < node->n_inputs; k++)
            x[k] = net__view(n, node->inputs[k], NULL, shape);
        free(node->y);
        node->y = NULL;
        status = nncf_layer_get_output_shape(
            node->layer, x, (size_t)node->n_inputs, node->sample, 4, &node->ndim, err);
        node->count = 1;
        for (int d = 0; d < node->ndim; d++)
            node->count *= (size_t)node->sample[d];
        memcpy(node->shape, node->sample, sizeof node->shape);
    }
    n->batch = batch;
    return status;
}

nncf_status net_finish(net *n, nncf_error *err)
{
    if (n->status == NNCF_OK) {
        n->pool = calloc((size_t)n->n_nodes + 2, sizeof *n->pool);
        if (n->pool == NULL)
            return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a network");
        return NNCF_OK;
    }
    *err = n->error;
    return n->status;
}

nncf_model *net_model(net *n)
{
    return n->model;
}

const net_tensor *net_tensors(const net *n, size_t *count)
{
    *count = n->n_tensors;
    return n->tensors;
}

const char *net_module_name(const net *n, const char *scope)
{
    for (int i = 0; i < n->n_nodes; i++)
        if (n->nodes[i].module != NULL &&
            strcmp(nncf_layer_get_scope(n->nodes[i].layer), scope) == 0)
            return n->nodes[i].module;
    return NULL;
}

const char *net_scope(const net *n, const char *module, size_t length)
{
    for (int i = 0; i < n->n_nodes; i++) {
        const char *of = n->nodes[i].module;
        if (of != NULL && strlen(of) == length && memcmp(of, module, length) == 0)
            return nncf_layer_get_scope(n->nodes[i].layer);
    }
    return NULL;
}

int64_t net_outputs(const net *n)
{
    return n->nodes[n->n_nodes - 1].sample[1];
}
