/* SPDX-License-Identifier: Apache-2.0 */
/* Running a graph. Every output and every gradient of one has a buffer of its own. */
#include "graph_internal.h"

#include <stdlib.h>
#include <string.h>

/* A view of what a layer reads or writes; `shape` has room for it. */
static nncf_tensor view(const graph *g, int node, const void *input, int64_t shape[GRAPH_NDIM])
{
    nncf_tensor t = {.shape = shape};
    t.ndim = graph_shape(g, node, g->batch, shape);
    t.data = node == GRAPH_INPUT ? (void *)(uintptr_t)input /* layers only read it */
                                 : g->nodes[node].y;
    t.dtype = node == GRAPH_INPUT ? g->input_dtype : g->nodes[node].dtype;
    return t;
}

/* Buffers of an attention for so many samples; `work` is one for all, the largest. */
static nncf_status reserve_attention(
    graph *g, graph_node *node, size_t capacity, bool grown, nncf_error *err)
{
    int64_t shape[GRAPH_NDIM];
    const nncf_tensor x = {
        .ndim = graph_shape(g, node->reads[0], (int64_t)capacity, shape), .shape = shape};
    nncf_attention *a = node->attention;
    size_t work;
    if (a->kept != NULL && !grown)
        return NNCF_OK;
    free(a->kept);
    a->kept = NULL;
    const nncf_status status =
        nncf_attention_get_sizes(a, &x, 1, NULL, NULL, &a->kept_size, &work, err);
    if (status != NNCF_OK)
        return status;
    a->kept = app_bytes(a->kept_size);
    if (work > g->work_size) {
        free(g->work);
        g->work_size = work;
        g->work = app_bytes(work);
    }
    return a->kept != NULL && g->work != NULL
        ? NNCF_OK
        : app_fail(err, NNCF_E_NOMEM, NULL, "no memory for %zu samples", capacity);
}

/* Buffers for n samples. Outputs that are few distinct values are kept as codes, a byte an element,
 * unless they are read here. */
static nncf_status reserve(graph *g, int64_t n, nncf_error *err)
{
    const size_t capacity = (size_t)(n > g->capacity ? n : g->capacity);
    const bool grown = (int64_t)capacity != g->capacity;
    nncf_status status = NNCF_OK;
    g->capacity = 0; /* until all is there */
    for (int i = 0; i < g->n_nodes; i++) {
        graph_node *node = &g->nodes[i];
        const bool codes = !node->by_host && !node->read_by_host && i + 1 < g->n_nodes;
        const int32_t dtype = codes ? nncf_layer_get_output_dtype(node->layer) : NNCF_F32;
        const size_t count = node->count * capacity;
        if (node->y == NULL || grown || dtype != node->dtype) {
            free(node->y);
            node->dtype = dtype;
            node->y = dtype == NNCF_F32 ? (void *)app_floats(count) : app_bytes(count);
        }
        if (node->grad == NULL || grown) {
            free(node->grad);
            node->grad = app_floats(count);
        }
        if (node->by_host && (node->raw == NULL || grown)) {
            free(node->raw);
            node->raw = app_floats(count);
        }
        if (node->y == NULL || node->grad == NULL || (node->by_host && node->raw == NULL))
            return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for %lld samples", (long long)n);
        if (node->attention != NULL &&
            (status = reserve_attention(g, node, capacity, grown, err)) != NNCF_OK)
            return status;
    }
    for (int k = 0; k < GRAPH_READS; k++) {
        if (g->scratch[k] != NULL && !grown)
            continue;
        free(g->scratch[k]);
        if ((g->scratch[k] = app_floats(g->largest * capacity)) == NULL)
            return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for %lld samples", (long long)n);
    }
    g->capacity = (int64_t)capacity;
    return NNCF_OK;
}

/* Mean over an axis of x, or its gradient: dy / length to each. */
static void mean(const graph_node *node, const int64_t *x_shape, int x_ndim, const float *from,
    float *to, bool back)
{
    size_t outer = 1, inner = 1;
    const size_t length = (size_t)x_shape[node->axis];
    for (int i = 0; i < node->axis; i++)
        outer *= (size_t)x_shape[i];
    for (int i = node->axis + 1; i < x_ndim; i++)
        inner *= (size_t)x_shape[i];
    const float share = 1.0f / (float)length;
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < inner; i++) {
            float sum = 0.0f;
            for (size_t k = 0; k < length; k++) {
                const size_t at = (o * length + k) * inner + i;
                if (back)
                    to[at] = from[o * inner + i] * share;
                else
                    sum += from[at];
            }
            if (!back)
                to[o * inner + i] = sum * share;
        }
}

/* Channels, the last dimension, before the pixels, or back. */
static void channels_first(const int64_t *x_shape, const float *from, float *to, bool back)
{
    const size_t pixels = (size_t)(x_shape[1] * x_shape[2]), channels = (size_t)x_shape[3],
                 count = (size_t)x_shape[0] * pixels * channels;
    for (size_t first = 0; first < count; first += pixels * channels)
        for (size_t c = 0; c < channels; c++)
            for (size_t p = 0; p < pixels; p++) {
                const size_t apart = first + c * pixels + p, together = first + p * channels + c;
                to[back ? together : apart] = from[back ? apart : together];
            }
}

/* What the host's operators do, or their gradient for x. */
static void run_here(
    const graph_node *node, const nncf_tensor *x, const float *from, float *to, bool back)
{
    if (node->axis > 0)
        mean(node, x->shape, x->ndim, from, to, back);
    else
        channels_first(x->shape, from, to, back);
}

static nncf_status node_forward(graph *g, int i, const void *x, nncf_error *err)
{
    graph_node *node = &g->nodes[i];
    int64_t shapes[GRAPH_READS + 1][GRAPH_NDIM];
    nncf_tensor in[GRAPH_READS], y = view(g, i, NULL, shapes[GRAPH_READS]), raw = y;
    for (int k = 0; k < node->n_reads; k++)
        in[k] = view(g, node->reads[k], x, shapes[k]);
    if (node->attention != NULL)
        return nncf_attention_forward(node->attention, in, 1, &y, err);
    if (!node->by_host)
        return nncf_layer_forward(node->layer, in, (size_t)node->n_reads, &y, err);
    run_here(node, &in[0], in[0].data, node->raw, false);
    raw.data = node->raw;
    return nncf_layer_quantize_output(node->layer, &raw, &y, err); /* a copy if there is none */
}

nncf_status graph_forward(graph *g, const void *x, int64_t n, const float **y, nncf_error *err)
{
    nncf_status status = reserve(g, n, err);
    g->batch = n;
    for (int i = 0; i < g->n_nodes && status == NNCF_OK; i++)
        status = node_forward(g, i, x, err);
    *y = g->nodes[g->n_nodes - 1].y;
    return status;
}

float *graph_output_grad(graph *g)
{
    return g->nodes[g->n_nodes - 1].grad;
}

static nncf_status node_backward(graph *g, int i, const void *x, nncf_error *err)
{
    graph_node *node = &g->nodes[i];
    int64_t shapes[GRAPH_READS + 1][GRAPH_NDIM];
    nncf_tensor in[GRAPH_READS], dx[GRAPH_READS], dy = view(g, i, NULL, shapes[GRAPH_READS]), raw;
    const bool wanted = node->reads[0] != GRAPH_INPUT;
    nncf_status status;
    dy.data = node->grad;
    dy.dtype = NNCF_F32;
    for (int k = 0; k < node->n_reads; k++) {
        in[k] = view(g, node->reads[k], x, shapes[k]);
        dx[k] = in[k];
        dx[k].dtype = NNCF_F32;
        if (!wanted)
            continue;
        const graph_node *from = &g->nodes[node->reads[k]];
        const bool second = k > 0 && node->reads[k] == node->reads[0];
        dx[k].data = from->has_grad || second ? g->scratch[k] : from->grad;
    }
    if (node->attention != NULL) {
        node->attention->work = g->work;
        node->attention->work_size = g->work_size;
        status = nncf_attention_backward(node->attention, in, 1, &dy, wanted ? dx : NULL, err);
    } else if (!node->by_host) {
        status = nncf_layer_backward(
            node->layer, in, (size_t)node->n_reads, &dy, wanted ? dx : NULL, err);
    } else {
        raw = dy;
        raw.data = node->raw;
        status = nncf_layer_quantize_output_backward(node->layer, &raw, &dy, &dy, err);
        if (status == NNCF_OK && wanted)
            run_here(node, &in[0], node->grad, dx[0].data, true);
    }
    for (int k = 0; k < node->n_reads && wanted && status == NNCF_OK; k++) {
        graph_node *from = &g->nodes[node->reads[k]];
        if (from->has_grad)
            for (size_t e = 0, count = from->count * (size_t)g->batch; e < count; e++)
                from->grad[e] += g->scratch[k][e];
        from->has_grad = true;
    }
    return status;
}

nncf_status graph_backward(graph *g, const void *x, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    for (int i = 0; i < g->n_nodes; i++)
        g->nodes[i].has_grad = i + 1 == g->n_nodes;
    for (int i = g->n_nodes - 1; i >= 0 && status == NNCF_OK; i--)
        if (g->nodes[i].has_grad)
            status = node_backward(g, i, x, err);
    return status;
}

void graph_zero_grad(graph *g)
{
    for (size_t i = 0; i < g->n_arrays; i++)
        if (g->arrays[i].grad != NULL)
            memset(g->arrays[i].grad, 0, g->arrays[i].count * sizeof(float));
}
