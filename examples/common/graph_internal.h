/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXAMPLES_GRAPH_INTERNAL_H
#define EXAMPLES_GRAPH_INTERNAL_H

#include "graph.h"

enum graph_kind { GRAPH_LIBRARY, GRAPH_COPY, GRAPH_PERMUTE, GRAPH_MEAN };

typedef struct graph_node {
    nncf_layer *layer;
    enum graph_kind kind; /* who runs it, and what */
    int reads[GRAPH_READS], n_reads;
    int64_t shape[GRAPH_NDIM]; /* the first size: samples */
    int ndim;
    size_t count; /* elements of a sample */
    int32_t dtype; /* of y */
    void *y;
    float *raw; /* of the host's operators: before the quantizer */
    float *grad;
    bool has_grad; /* in this backward */
    bool read_by_host;
    int64_t order[GRAPH_NDIM]; /* GRAPH_PERMUTE */
    int axis; /* GRAPH_MEAN */
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
    nncf_status status;
    nncf_error error;
};

#endif
