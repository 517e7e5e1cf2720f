/* SPDX-License-Identifier: Apache-2.0 */
/* Registered layers and their edges. Buffers of the caller are borrowed, workspace belongs to the
 * layer. */
#ifndef NNCF__GRAPH_MODEL_H
#define NNCF__GRAPH_MODEL_H

#include "base/collective.h"
#include "graph/block.h"
#include "graph/ops.h"
#include "graph/seen.h"

#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What each of them is, stands in graph/kind_info.c; how it runs, in exec/kinds.c. */
enum nncf__layer_kind {
    NNCF__CONV2D = 1,
    NNCF__LINEAR,
    NNCF__ADD,
    NNCF__POOL2D,
    NNCF__ACTIVATION,
    NNCF__CONCAT,
    NNCF__MULTIPLY,
    NNCF__SOFTMAX,
    /* stride is its factor */
    NNCF__UPSAMPLE,
    NNCF__LAYER_NORM,
    NNCF__EMBEDDING,
    NNCF__MATMUL,
    /* its weight has the output channels second; output padding is in attributes */
    NNCF__CONV_TRANSPOSE2D,
    /* its slopes are norm.weight */
    NNCF__PRELU,
    NNCF__DROPOUT,
    NNCF__GROUP_NORM,
    /* how many they are is in groups */
    NNCF__HEADS,
    /* run by the host; nncf_layer.op is its kind */
    NNCF__OPERATOR,
    NNCF__KIND_COUNT
};

/* NNCF_MODE_... */
enum { NNCF__MODE_COUNT = NNCF_MODE_TUNE + 1 };

/* A parameter of an operator that the host runs, as nncf_op_params.constants; data NULL: none. */
typedef struct nncf__op_constant {
    const float *data;
    int32_t ndim;
    int64_t shape[NNCF_MAX_NDIM];
} nncf__op_constant;

/* What the host declares about an operator that it runs itself, for export. */
typedef struct nncf__op_attributes {
    int32_t kernel[3], stride[3], padding[3], padding_end[3], output_padding[3], dilation[3];
    int32_t axis, flags;
    float alpha, eps;
    nncf__op_constant constants[2];
    int64_t sizes[2 * NNCF_MAX_NDIM];
    size_t n_sizes;
} nncf__op_attributes;

/* A growable buffer of a layer; see nncf__grow(). */
typedef struct nncf__buffer {
    void *data;
    /* bytes */
    size_t capacity;
} nncf__buffer;

/* RB: how the mask of the last forward in train mode was made (controller/weight.c; 0: no such
 * forward), in which step, and whether a forward in eval mode followed. */
typedef struct nncf__used_mask {
    int32_t mask;
    bool in_eval;
    int64_t step;
} nncf__used_mask;

/* What one use of a layer keeps between forward and backward (see uses.c); filled by exec/. */
typedef struct nncf__use {
    /* compressed weight */
    nncf__buffer wq;
    /* quantized own input, codes or floats */
    nncf__buffer xq;
    /* product before batch norm, kept for backward */
    nncf__buffer z;
    /* per-channel constants */
    nncf__buffer channel;
    /* forward ran in this mode, which allows a backward, with the shapes below */
    int32_t mode;
    bool ready_for_backward;
    /* (n, c, h, w) of that forward's input and output */
    int64_t batch_shape[4], batch_out[4];
    /* rows of its matrices, where a causal softmax depends on them */
    int64_t matrix_rows;
    /* dropout: counts the random numbers */
    uint64_t drop;
    /* of that input's elements: all of them, or some */
    uint64_t mark;
    /* spent: backward ran */
    bool whole, spent;
    nncf__used_mask used;
} nncf__use;

/* How the host keeps a weight (layout.h). */
typedef struct nncf__weight_layout {
    /* the host's; nncf_layer has copies */
    float *weight, *weight_grad;
    /* of the sizes of weight_shape, in elements; where the weight's first element is; elements from
     * the first to the last in memory */
    int64_t strides[NNCF__MAX_WEIGHT_NDIM], first;
    size_t span;
} nncf__weight_layout;

struct nncf__layer_compression; /* quantization/layer_compression.h */
struct nncf__replica; /* parallel/replicas.h */
struct nncf__replicas;

struct nncf_layer {
    nncf_model *model;
    size_t index;
    char *scope;
    /* nncf__layer_kind */
    int32_t kind;
    /* NNCF_OP_... */
    int32_t op;
    int32_t activation;
    /* resolved */
    float activation_alpha;
    /* nullable */
    char *norm_scope, *activation_scope;

    /* conv2d and linear (kernel 1x1, stride 1, no padding, one group) */
    float *weight, *weight_grad, *bias, *bias_grad;
    int64_t in_channels, out_channels, groups;
    /* pool2d uses the first three too */
    int64_t kernel[2], stride[2], padding[2], dilation[2];
    /* below and right: padding and what the host adds there */
    int64_t padding_after[2];
    /* whose weight it reads, which is not tied itself; NULL: its own, and so many read it too */
    nncf_layer *tied_to;
    size_t n_tied;
    int64_t weight_shape[NNCF__MAX_WEIGHT_NDIM];
    /* 0: no weight */
    int32_t weight_ndim;
    /* of the output channels: 0, of a transposed convolution 1 */
    int32_t weight_axis;
    /* by hand: group_size where the config gives none; 0: none */
    int32_t weight_group;
    /* 0: no weight */
    size_t weight_count;
    /* weight and weight_grad are copies in the order of weight_shape */
    bool has_layout;
    nncf__weight_layout layout;
    bool has_batch_norm;
    /* eps and momentum resolved */
    nncf_batch_norm_params batch_norm;

    int32_t pool_kind, upsample_kind;
    /* of a pool */
    bool ceil_mode, exclude_padding;
    /* parameters that are not compressed: of layer norm, group norm and prelu */
    struct {
        /* of each array: of a row, of channels; 0: of another kind */
        int64_t size;
        float *weight, *weight_grad, *bias, *bias_grad;
        float eps;
    } norm;
    /* dropout: the probability; backwards that ran in that step of the controller */
    float dropped;
    int64_t drop_step;
    uint64_t drop_backwards;
    /* heads: together again */
    bool merges;
    /* softmax */
    bool causal;
    /* matmul: of both inputs; what the product is multiplied with */
    int32_t transposes[2];
    float factor;
    /* NNCF__OPERATOR */
    nncf__op_attributes attributes;
    /* of another kind: the host runs it all the same, with the parts of byo.c */
    bool by_host;
    /* in eval mode: what it last read, and made; for formats/onnx/check.c */
    nncf__seen seen[2];

    nncf_layer **inputs;
    size_t n_inputs;
    /* registered layers that read this one */
    size_t n_consumers;

    /* NULL: plain */
    struct nncf__layer_compression *compression;

    /* NNCF_MEMORY_FAST or NNCF_MEMORY_SMALL: whether products are kept for backward */
    int32_t memory;
    /* NNCF_GRADIENT_..., or-ed */
    int32_t gradients;
    /* part of an attention that runs its backward with NNCF_GRADIENT_ADD_DX in any case */
    bool shares_dx;

    /* Prepared for each mode (NNCF_MODE_...), and how often that was done. */
    nncf__block blocks[NNCF__MODE_COUNT];
    uint64_t preparations;

    /* Of the use that is selected, number `use`; the others wait in uses[n_uses]. NULL: one use. */
    nncf__use now;
    nncf__use *uses;
    size_t n_uses, use;
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
    /* NNCF_MEMORY_..., NNCF_GRADIENT_...: of layers that are added */
    int32_t memory, gradients;
    /* NNCF_FROZEN_... */
    int32_t frozen_policy;
    /* attached controller */
    nncf_compression_ctrl *ctrl;
    /* the ranks; where the rows of this one begin, -1: after those of the ranks before */
    nncf__collective collective;
    int64_t first_row;
    /* parallel/replicas.c: of a replica; of a model that has some; called before the model, or the
     * controller that its replicas share, is destroyed; all nullable */
    struct nncf__replica *replica;
    struct nncf__replicas *replicas;
    size_t n_replicas;
    void (*release)(nncf_model *model);
    /* called when the model is destroyed before its controller */
    void (*detach)(nncf_compression_ctrl *ctrl);
    /* shared by the layers within one call; dw: gradient of a compressed weight; dx: gradients of
     * inputs that are added to the host's */
    nncf__buffer work, dw, dx;
    /* tensors of a call in C order (exec/strided.c) */
    nncf__buffer ordered;
};

/* A controller came, went, or is another now: what was prepared and what forward kept belongs to
 * the one before. */
void nncf__layer_forget(nncf_layer *layer);

/* The same, and its buffers are given back: it has other sizes now. */
void nncf__layer_forget_all(nncf_layer *layer);

/* What forwards kept is of no use any more: a backward must be refused. */
void nncf__layer_drop_state(nncf_layer *layer);

/* Does the host compute what the layer makes? */
static inline bool nncf__layer_is_by_host(const nncf_layer *layer)
{
    return layer->kind == NNCF__OPERATOR || layer->by_host;
}

/* The layer that mask, quantizer and statistics of the weight belong to. */
static inline nncf_layer *nncf__weight_owner(const nncf_layer *layer)
{
    return layer->tied_to ? layer->tied_to : (nncf_layer *)(uintptr_t)layer;
}

/* model.c: free a layer that is in no model's list (any more). NULL is fine. */
void nncf__layer_free(nncf_context *context, nncf_layer *layer);

/* Take the layers from number n on, which no other part of the library knows yet, out of a model,
 * and free them. */
void nncf__model_truncate(nncf_model *model, size_t n);

/* The registered layer whose scope is nearest to `pattern` by edit distance, for messages; NULL
 * when nothing is near.
 */
const nncf_layer *nncf__model_nearest(const nncf_model *model, const char *pattern);

#endif
