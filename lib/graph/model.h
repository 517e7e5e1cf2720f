/* SPDX-License-Identifier: Apache-2.0 */
/* Registered layers and their edges. Buffers of the caller are borrowed, workspace belongs to the
 * layer. */
#ifndef NNCF__GRAPH_MODEL_H
#define NNCF__GRAPH_MODEL_H

#include "graph/block.h"
#include "graph/ops.h"

#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nncf__layer_kind {
    NNCF__CONV2D = 1,
    NNCF__LINEAR,
    NNCF__ADD,
    NNCF__POOL2D,
    /* run by the host; nncf_layer.op is its kind */
    NNCF__OPERATOR
};

/* What the host declares about an operator that it runs itself, for export. */
typedef struct nncf__op_attributes {
    int32_t kernel[3], stride[3], padding[3], output_padding[3], dilation[3];
    int32_t axis;
    float alpha;
} nncf__op_attributes;

/* A growable buffer of a layer; see nncf__grow(). */
typedef struct nncf__buffer {
    void *data;
    /* bytes */
    size_t capacity;
} nncf__buffer;

struct nncf__layer_compression; /* quantization/layer_compression.h */

struct nncf_layer {
    nncf_model *model;
    size_t index;
    char *scope;
    /* nncf__layer_kind */
    int32_t kind;
    /* NNCF_OP_... */
    int32_t op;
    int32_t activation;
    /* nullable */
    char *norm_scope, *activation_scope;

    /* conv2d and linear (kernel 1x1, stride 1, no padding, one group) */
    float *weight, *weight_grad, *bias, *bias_grad;
    int64_t in_channels, out_channels, groups;
    /* pool2d uses the first three too */
    int64_t kernel[2], stride[2], padding[2], dilation[2];
    int64_t weight_shape[NNCF__MAX_WEIGHT_NDIM];
    /* 0: no weight */
    int32_t weight_ndim;
    /* of the output channels: 0, of a transposed convolution 1 */
    int32_t weight_axis;
    /* 0: no weight */
    size_t weight_count;
    bool has_batch_norm;
    /* eps and momentum resolved */
    nncf_batch_norm_params batch_norm;

    int32_t pool_kind;
    /* NNCF__OPERATOR */
    nncf__op_attributes attributes;

    nncf_layer **inputs;
    size_t n_inputs;
    /* registered layers that read this one */
    size_t n_consumers;

    /* NULL: plain */
    struct nncf__layer_compression *compression;

    /* Prepared for the train and the eval mode (NNCF_MODE_...), and how often that was done. */
    nncf__block blocks[2];
    uint64_t preparations;

    /* Workspace, filled by exec/. */
    /* compressed weight */
    nncf__buffer wq;
    /* quantized own input, codes or floats */
    nncf__buffer xq;
    /* product before batch norm, kept for backward */
    nncf__buffer z;
    /* per-channel constants */
    nncf__buffer channel;
    /* forward ran in train mode with the shape below */
    bool ready_for_backward;
    /* (n, c, h, w) of that forward's input */
    int64_t batch_shape[4];
    struct {
        /* of that input's elements: all of them, or some */
        uint64_t mark;
        /* spent: backward ran */
        bool whole, spent;
    } state;
};

/* Layers by scope and by address; see graph/index.h. */
typedef struct nncf__layer_index {
    /* mask + 1 slots each, in one block that begins with by_scope; NULL: no layers */
    nncf_layer **by_scope, **by_address;
    size_t mask;
} nncf__layer_index;

struct nncf_model {
    nncf_context *context;
    bool owns_context;
    nncf_layer **layers;
    size_t n_layers, layers_capacity;
    nncf__layer_index index;
    /* NNCF_MODE_... */
    int32_t mode;
    /* attached controller */
    nncf_compression_ctrl *ctrl;
    /* called when the model is destroyed before its controller */
    void (*detach)(nncf_compression_ctrl *ctrl);
    /* shared by the layers within one call; dw: gradient of a compressed weight */
    nncf__buffer work, dw;
};

/* A controller came, went, or is another now: what was prepared and what forward kept belongs to
 * the one before. */
void nncf__layer_forget(nncf_layer *layer);

/* model.c: free a layer that is in no model's list (any more). NULL is fine. */
void nncf__layer_free(nncf_context *context, nncf_layer *layer);

/* The registered layer whose scope is nearest to `pattern` by edit distance, for messages; NULL
 * when nothing is near.
 */
const nncf_layer *nncf__model_nearest(const nncf_model *model, const char *pattern);

#endif
