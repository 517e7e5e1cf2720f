/* SPDX-License-Identifier: Apache-2.0 */
/* A network of any shape as a list of layers, with the buffers that they need, and the machine that
 * runs it forward and backward. Layers are the library's, but for a mean over any axis and for
 * channels that move, which are run here and registered as operators of the host.
 *
 * Each function that adds a layer returns its number, which later layers read. The first failure is
 * kept, what follows does nothing, and graph_finish() reports it: so a model can be written down as
 * a plain list. All tensors have the samples in their first dimension. */
#ifndef EXAMPLES_GRAPH_H
#define EXAMPLES_GRAPH_H

#include "app.h"

enum { GRAPH_INPUT = -1, GRAPH_READS = 2, GRAPH_NDIM = 6 };

/* An array that is trained (grad set), or saved with the others (grad NULL). */
typedef struct graph_array {
    char *name; /* "<scope>.weight" */
    float *data, *grad;
    int64_t shape[4];
    int ndim;
    size_t count;
} graph_array;

typedef struct graph graph;

/* `sample`: the input's shape with 1 as the first size. `dtype`: NNCF_F32, or NNCF_I32 for ids. */
nncf_status graph_create(nncf_context *context, int32_t dtype, int ndim, const int64_t *sample,
    uint64_t seed, graph **out, nncf_error *err);
void graph_destroy(graph *g);

typedef struct graph_conv_spec {
    int64_t out;
    int kernel, stride; /* square; padded so that stride 1 keeps the size */
    bool one_row; /* the kernel and the padding are along the last dimension only */
    nncf_activation activation;
    float alpha; /* slope of leaky relu */
    bool batch_norm; /* else a bias */
} graph_conv_spec;
int graph_conv(graph *g, const char *scope, int x, graph_conv_spec spec);
/* Over the last dimension, or over all of a picture (N,C,H,W); weights are normal with that
 * deviation, biases 0. */
int graph_linear(
    graph *g, const char *scope, int x, int64_t out, nncf_activation activation, double deviation);
int graph_embedding(
    graph *g, const char *scope, int x, int64_t words, int64_t size, double deviation);
int graph_layer_norm(graph *g, const char *scope, int x);
int graph_sum(graph *g, const char *scope, int a, int b);
int graph_concat(graph *g, const char *scope, int a, int b);
int graph_max_pool(graph *g, const char *scope, int x, int rows, int columns);
int graph_upsample(graph *g, const char *scope, int x, int factor);

typedef struct graph_attention_spec {
    int heads;
    bool causal;
    double deviation, out_deviation; /* of the weights of q, k and v, and of the last layer */
} graph_attention_spec;
/* Multi-head attention of a sequence (N,T,C), with its linear layers. */
int graph_attention(graph *g, const char *scope, int x, graph_attention_spec spec);
/* Run here: over axis 2 or later. */
int graph_mean(graph *g, const char *scope, int x, int axis);
/* Run here: (N,H,W,C) to (N,C,H,W). */
int graph_channels_first(graph *g, const char *scope, int x);

/* The last layer added is the output. */
nncf_status graph_finish(graph *g, nncf_error *err);
nncf_model *graph_model(graph *g);
int32_t graph_input_dtype(const graph *g);
graph_array *graph_arrays(const graph *g, size_t *count);
/* Shape of the output of a layer (GRAPH_INPUT: of the input; -2: of the last one) for n samples;
 * returns how many dimensions it has. */
int graph_shape(const graph *g, int node, int64_t n, int64_t shape[GRAPH_NDIM]);

/* x has n samples; *y is the graph's until the next call. */
nncf_status graph_forward(graph *g, const void *x, int64_t n, const float **y, nncf_error *err);
/* Where the gradient for the output of the last graph_forward() goes before graph_backward(). */
float *graph_output_grad(graph *g);
/* Adds to the arrays' gradients. x as in graph_forward(). */
nncf_status graph_backward(graph *g, const void *x, nncf_error *err);
void graph_zero_grad(graph *g);

#endif
