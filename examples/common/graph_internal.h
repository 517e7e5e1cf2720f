/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXAMPLES_GRAPH_INTERNAL_H
#define EXAMPLES_GRAPH_INTERNAL_H

#include "graph.h"

typedef struct graph_node {
    nncf_layer *layer;
    nncf_attention *attention; /* NULL, or what ends in the layer; `work` is the graph's */
    bool by_host; /* run here: a mean, or channels moved */
    int reads[GRAPH_READS], n_reads;
    int64_t shape[GRAPH_NDIM]; /* the first size: samples */
    int ndim;
    size_t count; /* elements of a sample */
    int32_t dtype; /* of y */
    void *y;
    float *raw; /* of what is run here: before the quantizer */
    float *grad;
    bool has_grad; /* in this backward */
    bool read_by_host;
    int axis; /* of a mean; 0: channels become the second dimension */
} graph_node;

struct graph {
    nncf_model *model;
    uint64_t seed;
    int32_t input_dtype;
    int input_ndim;
    int64_t input_shape[GRAPH_NDIM];
    graph_node *nodes;
    int n_nodes, room_nodes;
    graph_array *arrays;
    size_t n_arrays, room_arrays;
    int64_t batch, capacity; /* samples of the last forward; that there is room for */
    float *scratch[GRAPH_READS]; /* a further reader's gradients, before they are added */
    size_t largest; /* elements of a sample, over all nodes */
    void *work; /* of attentions */
    size_t work_size;
    nncf_status status;
    nncf_error error;
};

#endif
