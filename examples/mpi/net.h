/* SPDX-License-Identifier: Apache-2.0 */
/* A small convolutional net and pictures that are made up: what the example trains. */
#ifndef MPI_NET_H
#define MPI_NET_H

#include <nncf/nncf.h>

#include <stdint.h>

enum { CHANNELS = 3, SIDE = 16, CLASSES = 10, LAYERS = 6, ARRAYS = 6 };

typedef struct node {
    nncf_layer *layer;
    int64_t shape[4]; /* of what it writes; shape[0] is the rows of this net */
    float *y, *dy; /* what it writes, and the gradient for it */
    int64_t weights, channels;
    /* weight, bias (of the last layer), gamma, beta, running mean and variance; 0 where there is
     * none; the first four have gradients */
    float *array[ARRAYS], *grad[4];
} node;

typedef struct net {
    nncf_model *model;
    node node[LAYERS];
    int64_t rows, in_shape[4];
    int64_t mean_rows; /* rows of this process, over which the loss is a mean */
    float *x;
    int *label;
} net;

/* For so many rows; the same weights in each process. The first failure is in err. */
nncf_status net_create(net *n, nncf_context *context, int64_t rows, int64_t width, nncf_error *err);
/* A replica of a net's model, with inputs and outputs of its own; destroyed before the net. */
nncf_status net_create_replica(net *replica, const net *of, nncf_error *err);
void net_destroy(net *n);
/* Row `first` and those after it, of batch `batch`. */
void net_read(net *n, int64_t batch, int64_t first);
nncf_status net_forward(net *n, nncf_error *err);
/* Cross-entropy, this net's share of the mean over the process's rows, and its gradient. */
double net_loss(net *n);
/* Of one layer, the last first. */
nncf_status net_backward(net *n, int layer, nncf_error *err);
void net_zero_grad(net *n);
void net_update(net *n, float rate);
/* All arrays for a snapshot: at most LAYERS * ARRAYS; returns how many. */
size_t net_tensors(net *n, nncf_checkpoint_tensor *tensors);

#endif
