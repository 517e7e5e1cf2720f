/* SPDX-License-Identifier: Apache-2.0 */
/* Running a network. Outputs are all kept, since backward reads them as inputs; gradients of
 * outputs live only from the first consumer's backward to the producer's own, in a few buffers that
 * are used again and again. */
#include "net_internal.h"

#include <stdlib.h>
#include <string.h>

nncf_tensor net__view(const net *n, int node, const float *input, int64_t input_shape[4])
{
    nncf_tensor t = {.dtype = NNCF_F32};
    if (node == NET_INPUT) {
        memcpy(input_shape, n->sample, sizeof n->sample);
        input_shape[0] = n->batch > 0 ? n->batch : 1;
        t.data = (void *)(uintptr_t)input; /* layers only read it */
        t.ndim = 4;
        t.shape = input_shape;
    } else {
        t.data = n->nodes[node].y;
        t.dtype = n->nodes[node].dtype;
        t.ndim = n->nodes[node].ndim;
        t.shape = n->nodes[node].shape;
    }
    return t;
}

/* Outputs with room for `count` samples. Those that are few distinct values are kept as codes, a
 * byte an element. */
static nncf_status reserve(net *n, int64_t count, nncf_error *err)
{
    const int64_t capacity = count > n->capacity ? count : n->capacity;
    for (int i = 0; i < n->n_nodes; i++) {
        net_node *node = &n->nodes[i];
        const int32_t dtype = nncf_layer_get_output_dtype(node->layer);
        const size_t elements = node->count * (size_t)capacity;
        if (node->y != NULL && dtype == node->dtype && capacity == n->capacity)
            continue;
        free(node->y);
        node->dtype = dtype;
        node->y = dtype == NNCF_F32 ? app_floats(elements) : app_bytes(elements);
        if (node->y == NULL) {
            n->capacity = 0;
            return app_fail(err, NNCF_E_NOMEM, nncf_layer_get_scope(node->layer),
                "no memory for the outputs of %lld samples: make the batch smaller",
                (long long)count);
        }
    }
    n->capacity = capacity;
    return NNCF_OK;
}

static nncf_status node_forward(net *n, int i, const float *x, nncf_error *err)
{
    net_node *node = &n->nodes[i];
    int64_t input_shape[4];
    nncf_tensor in[2], y = net__view(n, i, NULL, NULL);
    for (int k = 0; k < node->n_inputs; k++)
        in[k] = net__view(n, node->inputs[k], x, input_shape);
    return nncf_layer_forward(node->layer, in, (size_t)node->n_inputs, &y, err);
}

nncf_status net_forward(
    net *n, const float *x, int64_t count, const float **logits, nncf_error *err)
{
    nncf_status status = reserve(n, count, err);
    if (status != NNCF_OK)
        return status;
    n->batch = count;
    for (int i = 0; i < n->n_nodes; i++)
        n->nodes[i].shape[0] = count;
    for (int i = 0; i < n->n_nodes && status == NNCF_OK; i++)
        status = node_forward(n, i, x, err);
    if (status != NNCF_OK)
        return status;
    *logits = n->nodes[n->n_nodes - 1].y;
    return NNCF_OK;
}

/* The smallest free buffer that is large enough, else the largest free one made larger, else a new
 * one. In the second step of training the same requests come in the same order, so all are served
 * from what is there. */
static float *pool_take(net *n, size_t count)
{
    net_buffer *best = NULL;
    for (int i = 0; i < n->n_pool; i++) {
        net_buffer *b = &n->pool[i];
        if (b->used)
            continue;
        if (best == NULL ||
            (best->count < count ? b->count > best->count
                                 : b->count >= count && b->count < best->count))
            best = b;
    }
    if (best == NULL) {
        best = &n->pool[n->n_pool++];
        *best = (net_buffer){0};
    }
    if (best->count < count) {
        free(best->data);
        best->data = app_floats(count);
        best->count = best->data != NULL ? count : 0;
        if (best->data == NULL)
            return NULL;
    }
    best->used = true;
    return best->data;
}

static void pool_give(net *n, const float *data)
{
    for (int i = 0; i < n->n_pool; i++)
        if (n->pool[i].data == data)
            n->pool[i].used = false;
}

static void pool_give_all(net *n)
{
    for (int i = 0; i < n->n_pool; i++)
        n->pool[i].used = false;
    for (int i = 0; i < n->n_nodes; i++)
        n->nodes[i].grad = NULL;
}

float *net_logits_grad(net *n)
{
    net_node *last = &n->nodes[n->n_nodes - 1];
    if (last->grad == NULL)
        last->grad = pool_take(n, last->count * (size_t)n->batch);
    return last->grad;
}

/* A consumer's gradient for a node's output: the first is kept, later ones are added to it. */
static void hand_over(net *n, net_node *producer, float *dx)
{
    if (producer->grad == NULL) {
        producer->grad = dx;
        return;
    }
    for (size_t i = 0, count = producer->count * (size_t)n->batch; i < count; i++)
        producer->grad[i] += dx[i];
    pool_give(n, dx);
}

static nncf_status node_backward(net *n, net_node *node, const float *x, nncf_error *err)
{
    int64_t input_shape[4];
    nncf_tensor in[2], dx[2],
        dy = {.data = node->grad, .dtype = NNCF_F32, .ndim = node->ndim, .shape = node->shape};
    bool wanted = node->inputs[0] != NET_INPUT;
    nncf_status status;
    for (int k = 0; k < node->n_inputs; k++) {
        in[k] = net__view(n, node->inputs[k], x, input_shape);
        dx[k] = in[k];
        dx[k].dtype = NNCF_F32;
        if (wanted &&
            (dx[k].data = pool_take(n, n->nodes[node->inputs[k]].count * (size_t)n->batch)) == NULL)
            return app_fail(err, NNCF_E_NOMEM, nncf_layer_get_scope(node->layer),
                "no memory for gradients: make the batch smaller");
    }
    status =
        nncf_layer_backward(node->layer, in, (size_t)node->n_inputs, &dy, wanted ? dx : NULL, err);
    if (status != NNCF_OK)
        return status;
    pool_give(n, node->grad);
    node->grad = NULL;
    for (int k = 0; wanted && k < node->n_inputs; k++)
        hand_over(n, &n->nodes[node->inputs[k]], dx[k].data);
    return NNCF_OK;
}

/* The inputs of a node that no later node reads. */
static void give_inputs(net *n, int i)
{
    for (int k = 0; k < n->nodes[i].n_inputs; k++) {
        const int input = n->nodes[i].inputs[k];
        bool read = input == NET_INPUT;
        for (int j = i + 1; j < n->n_nodes && !read; j++)
            for (int l = 0; l < n->nodes[j].n_inputs; l++)
                read = read || n->nodes[j].inputs[l] == input;
        if (!read) {
            pool_give(n, n->nodes[input].y);
            n->nodes[input].y = NULL;
        }
    }
}

nncf_status net_observe(net *n, const float *x, int64_t count, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    n->batch = count;
    n->capacity = 0;
    for (int i = 0; i < n->n_nodes; i++) {
        free(n->nodes[i].y);
        n->nodes[i].y = NULL;
        n->nodes[i].dtype = NNCF_F32;
        n->nodes[i].shape[0] = count;
    }
    for (int i = 0; i < n->n_nodes && status == NNCF_OK; i++) {
        net_node *node = &n->nodes[i];
        node->y = pool_take(n, node->count * (size_t)count);
        status = node->y != NULL
            ? node_forward(n, i, x, err)
            : app_fail(err, NNCF_E_NOMEM, nncf_layer_get_scope(node->layer),
                  "no memory for the outputs of %lld samples: make the batch smaller",
                  (long long)count);
        give_inputs(n, i);
    }
    for (int i = 0; i < n->n_nodes; i++)
        n->nodes[i].y = NULL;
    pool_give_all(n);
    return status;
}

nncf_status net_backward(net *n, const float *x, nncf_error *err)
{
    for (int i = n->n_nodes - 1; i >= 0; i--) {
        nncf_status status;
        if (n->nodes[i].grad == NULL)
            continue;
        if ((status = node_backward(n, &n->nodes[i], x, err)) != NNCF_OK) {
            pool_give_all(n);
            return status;
        }
    }
    return NNCF_OK;
}

void net_zero_grad(net *n)
{
    for (size_t i = 0; i < n->n_tensors; i++)
        if (n->tensors[i].grad != NULL)
            memset(n->tensors[i].grad, 0, n->tensors[i].count * sizeof(float));
}
