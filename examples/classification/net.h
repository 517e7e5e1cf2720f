/* SPDX-License-Identifier: Apache-2.0 */
/* A network of registered layers, and the small machine that runs it forward and backward.
 *
 * The sample owns all buffers: parameters, their gradients, activations, gradients of activations.
 * The library is given pointers. Layers are added in an order in which each reads only earlier
 * ones, and run in that order. */
#ifndef CLASSIFICATION_NET_H
#define CLASSIFICATION_NET_H

#include "app.h"

enum { NET_INPUT = -1 /* "reads the network's input" */ };

/* How a weight begins. Biases begin at 0, batch norm at 1 and 0, as torchvision's models. */
enum net_init {
    NET_INIT_KAIMING, /* normal, deviation sqrt(2 / (out_channels * kernel area)) (He et al. 2015,
                         "fan out") */
    NET_INIT_NORMAL, /* normal, deviation 0.01 */
    NET_INIT_UNIFORM /* weight and bias uniform in +-1/sqrt(fan in): what PyTorch's layers do by
                        themselves */
};

/* An array of parameters (grad set) or of state that is saved with them (grad NULL: batch norm's
 * running statistics).
 */
typedef struct net_tensor {
    char *name; /* PyTorch's name: "features.0.0.weight" */
    float *data, *grad;
    bool replaced; /* by arrays that are freed by themselves; else they are in the net's arena */
    int64_t shape[4];
    int ndim;
    size_t count;
} net_tensor;

typedef struct net_layer_spec {
    const char *scope; /* NNCF's: "MobileNetV2/Sequential[features]/Sequential[0]/Conv2d[0]" */
    const char *name; /* PyTorch's: "features.0.0" */
    const char *batch_norm; /* PyTorch's name of the batch norm; NULL: none */
    int input; /* a node, or NET_INPUT */
    int activation; /* NNCF_ACTIVATION_... */
    int64_t out; /* channels or features */
    int kernel, stride, padding; /* convolution only; square. stride 0 means 1 */
    bool depthwise; /* groups = channels */
    bool bias;
    enum net_init init;
} net_layer_spec;

typedef struct net net;

/* `sample` is the shape of one input, (1, channels, height, width). */
nncf_status net_create(
    nncf_context *context, const int64_t sample[4], uint64_t seed, net **out, nncf_error *err);
void net_destroy(net *n);

/* Each returns the new node's index. The first failure is kept, what follows does nothing, and
 * net_finish() reports: so a model can be written down as a plain list of layers. */
int net_add_conv(net *n, const net_layer_spec *spec);
int net_add_linear(net *n, const net_layer_spec *spec);
int net_add_sum(net *n, const char *scope, int a, int b, int activation);
int net_add_pool(
    net *n, const char *scope, int input, int kind, int kernel, int stride, int padding);
/* Channels of a node's output (features of a linear layer). */
int64_t net_channels(const net *n, int node);
nncf_status net_finish(net *n, nncf_error *err);

nncf_model *net_model(net *n);
/* All parameters and buffers, in the order of registration. */
const net_tensor *net_tensors(const net *n, size_t *count);
/* PyTorch's name of the layer with that scope, or NULL. */
const char *net_module_name(const net *n, const char *scope);
/* Scope of the layer of which these `length` bytes are PyTorch's name, or NULL. */
const char *net_scope(const net *n, const char *module, size_t length);
int64_t net_outputs(const net *n); /* classes */
/* The tensor with that data is these arrays now, of that shape; the ones before are freed. */
void net_replace(net *n, const float *before, float *data, float *grad, const int64_t *shape);
/* Layers have other channels than before: outputs have other sizes. */
nncf_status net_resized(net *n, nncf_error *err);

/* x has `count` samples. The logits, (count, classes), are the net's until the next call. */
nncf_status net_forward(
    net *n, const float *x, int64_t count, const float **logits, nncf_error *err);
/* The same while ranges are initialized, which nothing follows: outputs are floats, and each is
 * gone with its last reader. */
nncf_status net_observe(net *n, const float *x, int64_t count, nncf_error *err);
/* Where the gradient of the loss for the logits goes before net_backward(). NULL when there is no
 * memory. */
float *net_logits_grad(net *n);
/* Backward of the last net_forward(), from the same x. Adds to the tensors' gradients. */
nncf_status net_backward(net *n, const float *x, nncf_error *err);
void net_zero_grad(net *n);

#endif
