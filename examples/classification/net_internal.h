/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by net_build.c, which makes a network, and net_run.c, which runs it. */
#ifndef CLASSIFICATION_NET_INTERNAL_H
#define CLASSIFICATION_NET_INTERNAL_H

#include "net.h"

typedef struct net_node {
    nncf_layer *layer; /* the model's */
    char *module; /* PyTorch's name; NULL for sums and pooling */
    int inputs[2];
    int n_inputs;
    int64_t sample[NNCF_MAX_NDIM]; /* shape of the output for one sample */
    int64_t shape[NNCF_MAX_NDIM]; /* the same for the batch at hand */
    int32_t ndim;
    size_t count; /* floats of one sample's output */
    void *y; /* output; room for `capacity` samples of the type below */
    int32_t dtype; /* floats, or the codes that the layer can write since its quantizer is
                      initialized */
    float *grad; /* gradient of the loss for y, while backward needs it; from the pool */
} net_node;

/* A gradient buffer. Few are in use at once; those that are not are used again. */
typedef struct net_buffer {
    float *data;
    size_t count;
    bool used;
} net_buffer;

struct net {
    nncf_model *model;
    int64_t sample[4];
    uint64_t seed;
    net_node *nodes;
    int n_nodes, room_nodes;
    net_tensor *tensors;
    app_arena arrays; /* of the tensors */
    size_t n_tensors, room_tensors;
    net_buffer *pool; /* room for one a node and two more: more can never be in use */
    int n_pool;
    int64_t capacity; /* samples that the outputs have room for */
    int64_t batch; /* samples of the last forward */
    nncf_status status; /* of building */
    nncf_error error;
};

/* Output tensor of a node (or the input) for the batch at hand. */
nncf_tensor net__view(const net *n, int node, const float *input, int64_t input_shape[4]);

#endif
