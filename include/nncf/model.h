/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file model.h
 * @brief The caller's network as the library sees it: registered layers with buffers, scopes and
 * edges.
 *
 * The library never owns weights. A layer is registered with pointers to the caller's weight, bias
 * and gradient buffers, which must stay valid and in place as long as the model. Gradients of
 * parameters are added to the gradient buffers, so the caller clears them once a step; a NULL
 * gradient buffer means that the gradient is not needed.
 *
 * A scope names a layer as NNCF does, `MobileNetV2/Sequential[features]/Sequential[0]/Conv2d[0]`;
 * configs select by it.
 *
 * Edges: `inputs` lists the layers whose outputs this layer reads. A layer without inputs reads the
 * model's input (or something that the library does not see) and gets a quantizer of its own for
 * it, where the config has inputs quantized. A layer that no registered layer reads is an output;
 * outputs are quantized where the config says so
 * (`quantize_outputs`; in NNCF 1.0 they are). The config's release decides all other insertion
 * points; nncf_plan_create() lists them.
 */
#ifndef NNCF_MODEL_H
#define NNCF_MODEL_H

#include <nncf/base.h>
#include <nncf/context.h>

NNCF_BEGIN_DECLS

/** Opaque. @since 0.1 */
typedef struct nncf_model nncf_model;
/** A registered layer, owned by its model. @since 0.1 */
typedef struct nncf_layer nncf_layer;

/** What follows the convolution, batch norm or sum of a layer. @since 0.1 */
enum {
    /** nothing */
    NNCF_ACTIVATION_NONE = 0,
    /** max(x, 0) */
    NNCF_ACTIVATION_RELU = 1,
    /** min(max(x, 0), 6) */
    NNCF_ACTIVATION_RELU6 = 2,
    NNCF_ACTIVATION_SENTINEL = 0x7fffffff
};

/** How forward runs. @since 0.1 */
enum {
    /** batch statistics, running ones updated, RB masks sampled, backward possible (default) */
    NNCF_MODE_TRAIN = 0,
    /** running statistics, deterministic masks, nothing kept for backward */
    NNCF_MODE_EVAL = 1,
    NNCF_MODE_SENTINEL = 0x7fffffff
};

/**
 * @brief Batch norm over the channels of a layer's output (Ioffe and Szegedy 2015, algorithm 1),
 * biased variance to normalize, unbiased for the running one, as PyTorch. All arrays have one float
 * a channel. @since 0.1
 */
typedef struct nncf_batch_norm_params {
    /** NNCF_PARAMS(nncf_batch_norm_params) */
    size_t struct_size;
    /** gamma; NULL: 1 */
    float *weight;
    /** beta; NULL: 0 */
    float *bias;
    /** added to; nullable */
    float *weight_grad;
    /** added to; nullable */
    float *bias_grad;
    /** required; updated by forward in train mode */
    float *running_mean;
    /** required */
    float *running_var;
    /** default 1e-5 */
    float eps;
    /** weight of the new batch in the running statistics; default 0.1 */
    float momentum;
    /**
     * of its module, "Net/BatchNorm2d[bn1]", for configs that name it; copied. Default: its class
     * in the layer's block, "Net/BatchNorm2d"
     */
    const char *scope;
} nncf_batch_norm_params;

/** @brief A 2-d convolution with optional batch norm and activation. x is (N,C,H,W), zero padding.
 * @since 0.1 */
typedef struct nncf_conv2d_params {
    /** NNCF_PARAMS(nncf_conv2d_params) */
    size_t struct_size;
    /** required, unique in the model; copied */
    const char *scope;
    /** (out_channels, in_channels / groups, kernel[0], kernel[1]), required */
    float *weight;
    /** same shape, added to; nullable */
    float *weight_grad;
    /** (out_channels); nullable */
    float *bias;
    /** (out_channels), added to; nullable */
    float *bias_grad;
    /** required */
    int64_t in_channels;
    /** required */
    int64_t out_channels;
    /** height, width; required */
    int32_t kernel[2];
    /** default 1 */
    int32_t stride[2];
    /** rows above and below, columns left and right; default 0 */
    int32_t padding[2];
    /** default 1 */
    int32_t dilation[2];
    /** default 1; = in_channels: depthwise */
    int32_t groups;
    /** NNCF_ACTIVATION_...; default none */
    int32_t activation;
    /** nullable; the struct is copied, its arrays are not */
    const nncf_batch_norm_params *batch_norm;
    /** layers that feed this one, at most one here; copied */
    nncf_layer *const *inputs;
    /** 0: reads the model's input */
    size_t n_inputs;
    /**
     * of the activation's module or operator, "Net/ReLU[relu]/RELU_0"; copied. Default: its class
     * in the layer's block, "Net/ReLU"
     */
    const char *activation_scope;
} nncf_conv2d_params;

/** @brief y = x w^T + b with optional batch norm and activation. x is (N,in) or (N,C,H,W) with
 * C*H*W = in. @since 0.1
 */
typedef struct nncf_linear_params {
    /** NNCF_PARAMS(nncf_linear_params) */
    size_t struct_size;
    /** required, unique in the model; copied */
    const char *scope;
    /** (out_features, in_features), required */
    float *weight;
    /** same shape, added to; nullable */
    float *weight_grad;
    /** (out_features); nullable */
    float *bias;
    /** (out_features), added to; nullable */
    float *bias_grad;
    /** required */
    int64_t in_features;
    /** required */
    int64_t out_features;
    /** NNCF_ACTIVATION_...; default none */
    int32_t activation;
    /** must be 0 */
    int32_t padding;
    /** nullable */
    const nncf_batch_norm_params *batch_norm;
    /** at most one; copied */
    nncf_layer *const *inputs;
    /** 0: reads the model's input */
    size_t n_inputs;
    /**
     * of the activation's module or operator, "Net/ReLU[relu]/RELU_0"; copied. Default: its class
     * in the layer's block, "Net/ReLU"
     */
    const char *activation_scope;
} nncf_linear_params;

/** @brief Elementwise sum of two tensors of one shape, then an activation: a residual connection.
 * @since 0.1 */
typedef struct nncf_add_params {
    /** NNCF_PARAMS(nncf_add_params) */
    size_t struct_size;
    /** required, unique in the model; copied */
    const char *scope;
    /** NNCF_ACTIVATION_...; default none */
    int32_t activation;
    /** must be 0 */
    int32_t padding;
    /** two layers, or none when edges are left out; copied */
    nncf_layer *const *inputs;
    /** 2 or 0 */
    size_t n_inputs;
    /**
     * of the activation's module or operator, "Net/ReLU[relu]/RELU_0"; copied. Default: its class
     * in the layer's block, "Net/ReLU"
     */
    const char *activation_scope;
} nncf_add_params;

/** Kinds of pooling. @since 0.1 */
enum {
    /** (N,C,H,W) -> (N,C,1,1); a quantizer may follow it */
    NNCF_POOL_GLOBAL_AVERAGE = 0,
    /** padding counts as zeros in the average, as PyTorch's default; a quantizer may follow it */
    NNCF_POOL_AVERAGE = 1,
    /** padding never wins; passes on its producer's quantizer */
    NNCF_POOL_MAX = 2,
    /** mean over H: (N,C,H,W) -> (N,C,1,W), torch's mean(2); a quantizer may follow it */
    NNCF_POOL_MEAN_ROWS = 3,
    /** mean over W: (N,C,H,W) -> (N,C,H,1), torch's mean(3); a quantizer may follow it */
    NNCF_POOL_MEAN_COLUMNS = 4,
    NNCF_POOL_SENTINEL = 0x7fffffff
};

/** @brief 2-d pooling. @since 0.1 */
typedef struct nncf_pool2d_params {
    /** NNCF_PARAMS(nncf_pool2d_params) */
    size_t struct_size;
    /** required, unique in the model; copied */
    const char *scope;
    /** NNCF_POOL_... */
    int32_t kind;
    /** required but for the global kind */
    int32_t kernel[2];
    /** default: the kernel */
    int32_t stride[2];
    /** at most half the kernel; default 0 */
    int32_t padding[2];
    /** must be 0 */
    int32_t reserved;
    /** at most one; copied */
    nncf_layer *const *inputs;
    /** 0: reads the model's input */
    size_t n_inputs;
} nncf_pool2d_params;

/**
 * Kinds of operators. Those that the library runs itself have a registration of their own
 * (nncf_model_add_conv2d() and so on); nncf_model_add_op() takes all of them. In brackets: what
 * NNCF calls the operator in scopes. @since 0.1
 */
enum {
    /** something that quantizers pass by; named by its scope */
    NNCF_OP_OTHER = 0,
    /** an input of the model, for several layers that read it [nncf_model_input] */
    NNCF_OP_INPUT = 1,
    /** weight (out, in / groups, k) [conv1d] */
    NNCF_OP_CONV1D = 2,
    /** weight (out, in / groups, kh, kw) [conv2d] */
    NNCF_OP_CONV2D = 3,
    /** weight (out, in / groups, kd, kh, kw) [conv3d] */
    NNCF_OP_CONV3D = 4,
    /** weight (in, out / groups, k) [conv_transpose1d] */
    NNCF_OP_CONV_TRANSPOSE1D = 5,
    /** weight (in, out / groups, kh, kw) [conv_transpose2d] */
    NNCF_OP_CONV_TRANSPOSE2D = 6,
    /** weight (in, out / groups, kd, kh, kw) [conv_transpose3d] */
    NNCF_OP_CONV_TRANSPOSE3D = 7,
    /** weight (out, in) [linear] */
    NNCF_OP_LINEAR = 8,
    /**
     * one whose weight (out, in) no module holds: an activation to NNCF; may be left out where a
     * second input brings it [linear]
     */
    NNCF_OP_FUNCTIONAL_LINEAR = 9,
    /** weight (words, size) [embedding] */
    NNCF_OP_EMBEDDING = 10,
    /** [batch_norm] */
    NNCF_OP_BATCH_NORM = 11,
    /** [layer_norm] */
    NNCF_OP_LAYER_NORM = 12,
    /** [RELU] */
    NNCF_OP_RELU = 13,
    /** [hardtanh] */
    NNCF_OP_RELU6 = 14,
    /** x relu6(x + 3) / 6; NNCF sees its parts; here a quantizer may only follow it */
    NNCF_OP_HSWISH = 15,
    /** [sigmoid] */
    NNCF_OP_SIGMOID = 16,
    /** [tanh] */
    NNCF_OP_TANH = 17,
    /** [gelu] */
    NNCF_OP_GELU = 18,
    /** [elu] */
    NNCF_OP_ELU = 19,
    /** [prelu] */
    NNCF_OP_PRELU = 20,
    /** [softmax] */
    NNCF_OP_SOFTMAX = 21,
    /** + [__add__, __iadd__]; by the scope [add] it is torch.add, which pattern mode passes by */
    NNCF_OP_ADD = 22,
    /** [__sub__] */
    NNCF_OP_SUB = 23,
    /** [__mul__, __rmul__, __imul__; mul] */
    NNCF_OP_MUL = 24,
    /** [__truediv__] */
    NNCF_OP_DIV = 25,
    /** matmul and bmm [matmul] */
    NNCF_OP_MATMUL = 26,
    /** along the channels unless `channels` says more [cat] */
    NNCF_OP_CONCAT = 27,
    /** [mean] */
    NNCF_OP_MEAN = 28,
    /** [max_pool2d] */
    NNCF_OP_MAX_POOL = 29,
    /** [avg_pool2d] */
    NNCF_OP_AVERAGE_POOL = 30,
    /** to a given size, 1 x 1 included [adaptive_avg_pool2d] */
    NNCF_OP_ADAPTIVE_AVERAGE_POOL = 31,
    /** [flatten] */
    NNCF_OP_FLATTEN = 32,
    /** view and reshape [view] */
    NNCF_OP_RESHAPE = 33,
    /** transpose and permute [transpose] */
    NNCF_OP_TRANSPOSE = 34,
    /** [pad] */
    NNCF_OP_PAD = 35,
    /** [dropout] */
    NNCF_OP_DROPOUT = 36,
    /** linear; register others as NNCF_OP_OTHER [interpolate] */
    NNCF_OP_INTERPOLATE = 37,
    NNCF_OP_SENTINEL = 0x7fffffff
};

/**
 * @brief An operator that the host runs with kernels of the host: a node of the graph for quantizer
 * placement, and a layer for nncf_layer_compress_weight(), nncf_layer_quantize_input() and
 * nncf_layer_quantize_output(). @since 0.1
 *
 * What the members from `kernel` on say is kept for an export; the library computes nothing with
 * it, and nncf_export_onnx() of this release refuses operators that the host runs.
 */
typedef struct nncf_op_params {
    /** NNCF_PARAMS(nncf_op_params) */
    size_t struct_size;
    /**
     * required, unique; a module's, "Net/Conv1d[a]", or an operator's as NNCF names it,
     * "Net/Block[0]/__add___0"; copied
     */
    const char *scope;
    /** NNCF_OP_... */
    int32_t op;
    /** 0: no weight */
    int32_t weight_ndim;
    /** weight_ndim sizes, in PyTorch's order; copied */
    const int64_t *weight_shape;
    /** required where the kind has a weight */
    float *weight;
    /** same shape, added to; nullable */
    float *weight_grad;
    /** nullable; the library does not touch it */
    float *bias;
    /** nullable; the same */
    float *bias_grad;
    /** of a convolution; default 1; = in_channels: depthwise */
    int64_t groups;
    /**
     * second size of the output, for quantizers per channel. Default: what the weight says, else as
     * the input has; 0 where that is not known
     */
    int64_t channels;
    /** layers that feed this one, in order; copied */
    nncf_layer *const *inputs;
    /** 0: reads the model's input, or edges are left out */
    size_t n_inputs;
    /** of NNCF_OP_BATCH_NORM; nullable */
    const nncf_batch_norm_params *batch_norm;
    /** of a pool; depth, height, width: the last ones count */
    int32_t kernel[3];
    /** likewise */
    int32_t stride[3];
    /** likewise */
    int32_t padding[3];
    /** likewise */
    int32_t output_padding[3];
    /** likewise */
    int32_t dilation[3];
    /** of concat, softmax, mean, flatten */
    int32_t axis;
    /** of elu */
    float alpha;
    /** must be 0 */
    int32_t reserved;
} nncf_op_params;

/**
 * @brief Make an empty model.
 * @param context nullable: the model then makes itself a default one
 * @param[out] model destroy with nncf_model_destroy() after its controller
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG, NNCF_E_NOMEM
 * @par Threads any; a model and what belongs to it is used by one thread at a time.
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_create(nncf_context *context, nncf_model **model, nncf_error *err);

/**
 * @brief Destroy a model and its layers; the caller's buffers are left alone. NULL is fine.
 *
 * Destroy its controller first. If one is still attached it is detached: only
 * nncf_compression_ctrl_destroy() may be called on it afterwards (every other call on it returns
 * NNCF_E_STATE, NaN or 0).
 * @param model nullable
 * @since 0.1
 */
NNCF_API void nncf_model_destroy(nncf_model *model);

/**
 * @brief Register a convolution, linear layer, sum or pooling, that the library runs.
 * @param model the model
 * @param params the layer; all required members must be set
 * @param[out] layer the new layer, owned by the model
 * @param[out] err nullable; where is the scope
 * @return NNCF_OK; NNCF_E_ARG a member is missing or out of bounds, the scope is taken;
 * NNCF_E_STATE a controller was already made for this model; NNCF_E_LIMIT; NNCF_E_NOMEM. The model
 * is then as before
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_add_conv2d(
    nncf_model *model, const nncf_conv2d_params *params, nncf_layer **layer, nncf_error *err);
/** @copydoc nncf_model_add_conv2d */
NNCF_API nncf_status nncf_model_add_linear(
    nncf_model *model, const nncf_linear_params *params, nncf_layer **layer, nncf_error *err);
/** @copydoc nncf_model_add_conv2d */
NNCF_API nncf_status nncf_model_add_add(
    nncf_model *model, const nncf_add_params *params, nncf_layer **layer, nncf_error *err);
/** @copydoc nncf_model_add_conv2d */
NNCF_API nncf_status nncf_model_add_pool2d(
    nncf_model *model, const nncf_pool2d_params *params, nncf_layer **layer, nncf_error *err);

/**
 * @brief Register an operator that the host runs itself.
 *
 * nncf_layer_forward(), nncf_layer_backward() and nncf_layer_output_shape() on it return
 * NNCF_E_UNSUPPORTED; everything else works as on any layer. Weights are masked and quantized per
 * tensor or per output channel: the first size of a weight, of a transposed convolution the second.
 * @copydetails nncf_model_add_conv2d
 */
NNCF_API nncf_status nncf_model_add_op(
    nncf_model *model, const nncf_op_params *params, nncf_layer **layer, nncf_error *err);

/**
 * @brief Train or eval, for every later forward.
 * @param model the model
 * @param mode NNCF_MODE_TRAIN or NNCF_MODE_EVAL
 * @return NNCF_OK; NNCF_E_ARG.
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_set_mode(nncf_model *model, int32_t mode);
/**
 * @brief NNCF_MODE_TRAIN or NNCF_MODE_EVAL; -1 for NULL.
 * @param model nullable
 * @return NNCF_MODE_TRAIN or NNCF_MODE_EVAL; -1 for NULL
 * @since 0.1
 */
NNCF_API int32_t nncf_model_get_mode(const nncf_model *model);

/**
 * @brief Number of registered layers; 0 for NULL.
 * @param model nullable
 * @return the number; 0 for NULL
 * @since 0.1
 */
NNCF_API size_t nncf_model_layer_count(const nncf_model *model);
/**
 * @brief Layer `index` in the order of registration; NULL past the end. Borrowed.
 * @param model nullable
 * @param index counted from 0
 * @return borrowed; NULL past the end
 * @since 0.1
 */
NNCF_API nncf_layer *nncf_model_get_layer(const nncf_model *model, size_t index);
/**
 * @brief The layer of that scope, or NULL. Borrowed.
 * @param model nullable
 * @param scope the scope that it was registered with
 * @return borrowed; NULL when there is none
 * @since 0.1
 */
NNCF_API nncf_layer *nncf_model_find_layer(const nncf_model *model, const char *scope);
/**
 * @brief NNCF_OP_... of a layer, however it was registered; -1 for NULL.
 * @param layer nullable
 * @return NNCF_OP_...; -1 for NULL
 * @since 0.1
 */
NNCF_API int32_t nncf_layer_op(const nncf_layer *layer);
/**
 * @brief Number of layers that feed this one; 0 for NULL.
 * @param layer nullable
 * @return the number; 0 for NULL
 * @since 0.1
 */
NNCF_API size_t nncf_layer_input_count(const nncf_layer *layer);
/**
 * @brief The layer that feeds input `index`; NULL past the end. Borrowed.
 * @param layer nullable
 * @param index counted from 0
 * @return borrowed; NULL past the end
 * @since 0.1
 */
NNCF_API nncf_layer *nncf_layer_get_input(const nncf_layer *layer, size_t index);
/**
 * @brief Scope of a layer; borrowed; NULL for NULL.
 * @param layer nullable
 * @return borrowed; NULL for NULL
 * @since 0.1
 */
NNCF_API const char *nncf_layer_scope(const nncf_layer *layer);

/**
 * @brief Does a scope match a pattern of `ignored_scopes`, as NNCF 1.0 and 1.1 match them?
 *
 * Both are split at "/". The pattern matches when its elements are the first elements of the scope,
 * or of the scope with leading elements dropped (the first of what remains then loses its [field]);
 * so a block's scope matches everything inside the block and a class name matches every module of
 * that class. `NNCFConv2d` in the scope equals `Conv2d` in the pattern.
 * @param scope the scope
 * @param pattern the pattern
 * @return 1 or 0 (also for NULL, and when either has more than 4096 bytes, which no scope of a
 * model and no text of a config has)
 * @par Threads any.
 * @since 0.1
 */
NNCF_API int32_t nncf_scope_matches(const char *scope, const char *pattern);

/**
 * @brief The same as a given release of NNCF answers.
 *
 * Releases before 2.0 match as nncf_scope_matches() does, with the classes that the release wraps
 * (1.3: Conv1d, 1.4: Embedding, 1.6: EmbeddingBag besides those of 1.1); 2.0 and later require
 * equal strings. From 1.2 on a pattern with `{re}` in it is a regular expression (PCRE2, which
 * reads what Python's re reads) that may match anywhere in the scope.
 * @param scope the scope
 * @param pattern the pattern
 * @param release major * 10000 + minor * 100 + patch: 10301 is 1.3.1
 * @param[out] matches 1 or 0
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_CONFIG the regular expression is none; NNCF_E_LIMIT it takes
 * too long, or scope or pattern has more than 4096 bytes; NNCF_E_NOMEM
 * @par Threads any.
 * @since 0.1
 */
NNCF_API nncf_status nncf_scope_matches_release(
    const char *scope, const char *pattern, int32_t release, int32_t *matches, nncf_error *err);

NNCF_END_DECLS
#endif
