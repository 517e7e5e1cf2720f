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
 * configs select by it (scope.h).
 *
 * Edges: `inputs` lists the layers whose outputs this layer reads. A layer without inputs reads the
 * model's input (or something that the library does not see); where the config has inputs
 * quantized, a convolution, linear layer or operator of the host gets a quantizer of its own for
 * it. In front of other kinds register NNCF_OP_INPUT. A layer that no registered layer reads is an
 * output; outputs are quantized where the config says so (`quantize_outputs`; in NNCF 1.0 they
 * are). The config's release decides all other insertion points; nncf_plan_create() lists them.
 */
#ifndef NNCF_MODEL_H
#define NNCF_MODEL_H

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/layer.h>
#include <nncf/tensor.h>

NNCF_BEGIN_DECLS

/** Opaque. @since 0.1 */
typedef struct nncf_model nncf_model;

/** Activation of a layer: one of NNCF_ACTIVATION_.... @since 0.1 */
typedef int32_t nncf_activation;
/** What follows the product, batch norm or sum of a layer, or is a layer of its own. @since 0.1 */
enum {
    /** nothing */
    NNCF_ACTIVATION_NONE = 0,
    /** max(x, 0) */
    NNCF_ACTIVATION_RELU = 1,
    /** min(max(x, 0), 6) */
    NNCF_ACTIVATION_RELU6 = 2,
    /** x > 0 ? x : alpha x; alpha is activation_alpha, default 0.01 */
    NNCF_ACTIVATION_LEAKY_RELU = 3,
    /** 1 / (1 + exp(-x)) */
    NNCF_ACTIVATION_SIGMOID = 4,
    /** tanh(x) */
    NNCF_ACTIVATION_TANH = 5,
    /** x min(max(x + 3, 0), 6) / 6 */
    NNCF_ACTIVATION_HARD_SWISH = 6,
    /** min(max(x + 3, 0), 6) / 6 */
    NNCF_ACTIVATION_HARD_SIGMOID = 7,
    /** x / (1 + exp(-x)), also called swish */
    NNCF_ACTIVATION_SILU = 8,
    /** x Phi(x) = x (1 + erf(x / sqrt(2))) / 2 */
    NNCF_ACTIVATION_GELU = 9,
    /** x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 */
    NNCF_ACTIVATION_GELU_TANH = 10,
    /** x > 0 ? x : alpha (exp(x) - 1); alpha is activation_alpha, default 1 */
    NNCF_ACTIVATION_ELU = 11,
    /** x tanh(log(1 + exp(x))) */
    NNCF_ACTIVATION_MISH = 12,
    NNCF_ACTIVATION_SENTINEL = 0x7fffffff
};

/** Mode of a model: one of NNCF_MODE_.... @since 0.1 */
typedef int32_t nncf_mode;
/** How forward runs. @since 0.1 */
enum {
    /** batch statistics, running ones updated, RB masks sampled, backward possible (default) */
    NNCF_MODE_TRAIN = 0,
    /** running statistics, deterministic masks, nothing kept for backward */
    NNCF_MODE_EVAL = 1,
    /**
     * computes what EVAL does, and keeps what backward needs: for fine-tuning with frozen batch
     * norms and masks, and for gradients of a finished network. Ranges, weights, gamma and beta get
     * gradients, and mask logits those of the mask that was used, unless they are frozen
     */
    NNCF_MODE_TUNE = 2,
    NNCF_MODE_SENTINEL = 0x7fffffff
};

/** What training keeps: one of NNCF_MEMORY_.... @since 0.1 */
typedef int32_t nncf_memory_policy;
/** Products of forward that backward needs again. Results have the same bits. @since 0.1 */
enum {
    /** what is fastest (default) */
    NNCF_MEMORY_FAST = 0,
    /** a product of 8-bit codes that batch norm follows is computed again in backward instead of
     * kept: depthwise ones on every CPU, others where integer kernels run them. The rest is kept */
    NNCF_MEMORY_SMALL = 1,
    NNCF_MEMORY_SENTINEL = 0x7fffffff
};

/** Set of NNCF_BATCH_NORM_...: what a batch norm does otherwise than PyTorch's. @since 0.1 */
typedef int32_t nncf_batch_norm_flags;
/** Bits of nncf_batch_norm_flags; n is the number of values a channel. @since 0.1 */
enum {
    /** running statistics in train mode too, and nothing changes them, `batchnorm_adaptation`
     * neither. Gamma and beta are trained if they have gradients */
    NNCF_BATCH_NORM_FROZEN = 1,
    /** the running variance gets the biased one, sum / n; default sum / (n - 1) */
    NNCF_BATCH_NORM_BIASED_RUNNING = 2,
    /** momentum is the weight of the old running statistics, as in Keras and Caffe: new = momentum
     * old + (1 - momentum) batch; its default is then 0.9 */
    NNCF_BATCH_NORM_INVERSE_MOMENTUM = 4,
    /** normalizes with the unbiased variance, sum / (n - 1), as darknet */
    NNCF_BATCH_NORM_UNBIASED = 8,
    NNCF_BATCH_NORM_SENTINEL = 0x7fffffff
};

/**
 * @brief Batch norm over the channels of a layer's output (Ioffe and Szegedy 2015, algorithm 1),
 * biased variance to normalize, unbiased for the running one, as PyTorch; `flags` has other
 * conventions. All arrays have one float a channel. @since 0.1
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
    /** at least 0; default 1e-5 */
    float eps;
    /** weight of the new batch in the running statistics, 0 to 1; default 0.1. See
     * NNCF_BATCH_NORM_INVERSE_MOMENTUM */
    float momentum;
    /**
     * of its module, "Net/BatchNorm2d[bn1]", for configs that name it; copied. Default: its class
     * in the layer's block, "Net/BatchNorm2d"
     */
    const char *scope;
    /**
     * 1: eps and momentum mean what they say, 0 included (momentum 0 freezes the running
     * statistics); nncf_batch_norm_params_init() sets it. 0: in both, 0 stands for the default
     */
    int32_t explicit_zeros;
    /** NNCF_BATCH_NORM_... or-ed */
    nncf_batch_norm_flags flags;
} nncf_batch_norm_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 *
 * With it 0 is a legal eps and momentum: explicit_zeros is set.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_batch_norm_params_init(nncf_batch_norm_params *params, size_t struct_size);

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
    nncf_activation activation;
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
    /** slope of leaky relu, factor of elu; 0: their default, 0.01 and 1 */
    float activation_alpha;
    /** must be 0 */
    int32_t reserved;
    /** rows below and columns on the right beyond `padding`, or fewer, down to -padding; default 0
     */
    int32_t padding_end[2];
    /**
     * a layer whose weight this one reads too, with the same buffers and shape: one mask, one
     * quantizer (those that the config has for that layer), gradients of both are added up.
     * Default: a weight of its own
     */
    nncf_layer *tied_to;
} nncf_conv2d_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_conv2d_params_init(nncf_conv2d_params *params, size_t struct_size);

/** @brief y = x w^T + b with optional batch norm and activation. x is (..., in) of two or more
 * dimensions, or (N,C,H,W) with C*H*W = in, which is flattened. @since 0.1
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
    nncf_activation activation;
    /** slope of leaky relu, factor of elu; 0: their default, 0.01 and 1 */
    float activation_alpha;
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
    /**
     * a layer whose weight this one reads too, with the same buffers and shape: one mask, one
     * quantizer (those that the config has for that layer), gradients of both are added up.
     * Default: a weight of its own
     */
    nncf_layer *tied_to;
} nncf_linear_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_linear_params_init(nncf_linear_params *params, size_t struct_size);

/** @brief Elementwise sum of two tensors of one shape, then an activation: a residual connection.
 * @since 0.1 */
typedef struct nncf_sum_params {
    /** NNCF_PARAMS(nncf_sum_params) */
    size_t struct_size;
    /** required, unique in the model; copied */
    const char *scope;
    /** NNCF_ACTIVATION_...; default none */
    nncf_activation activation;
    /** slope of leaky relu, factor of elu; 0: their default, 0.01 and 1 */
    float activation_alpha;
    /** two layers, or none when edges are left out; copied */
    nncf_layer *const *inputs;
    /** 2 or 0 */
    size_t n_inputs;
    /**
     * of the activation's module or operator, "Net/ReLU[relu]/RELU_0"; copied. Default: its class
     * in the layer's block, "Net/ReLU"
     */
    const char *activation_scope;
} nncf_sum_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_sum_params_init(nncf_sum_params *params, size_t struct_size);

/** Set of NNCF_OP_FLAG_...: what an operator of the host does otherwise than usual. @since 0.1 */
typedef int32_t nncf_op_flags;
/** Bits of nncf_op_flags. @since 0.1 */
enum {
    /** gelu by tanh(sqrt(2 / pi) (x + 0.044715 x^3)) instead of erf */
    NNCF_OP_FLAG_GELU_TANH = 1,
    /** pools: one more window where pixels are left over at the end (ceil_mode) */
    NNCF_OP_FLAG_CEIL = 2,
    /** average pool: padding does not count (count_include_pad = False) */
    NNCF_OP_FLAG_EXCLUDE_PADDING = 4,
    /** mean: what is averaged stays as a dimension of 1 (keepdim) */
    NNCF_OP_FLAG_KEEP_DIMS = 8,
    /** interpolate: copies the nearest pixel, y[i] = x[i / factor]; default bilinear, half pixel */
    NNCF_OP_FLAG_NEAREST = 16,
    /** matmul: the last two dimensions of the second input are exchanged, x y^T */
    NNCF_OP_FLAG_TRANSPOSE_SECOND = 32,
    /**
     * convolution in the sense of mathematics: the host turns its kernel by 180 degrees, as KANN
     * does; an export writes it turned. Masks and ranges do not mind
     */
    NNCF_OP_FLAG_KERNEL_TURNED = 64,
    NNCF_OP_FLAG_SENTINEL = 0x7fffffff
};

/** Kind of pooling: one of NNCF_POOL_.... @since 0.1 */
typedef int32_t nncf_pool_kind;
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
    nncf_pool_kind kind;
    /** required but for the global kind */
    int32_t kernel[2];
    /** default: the kernel */
    int32_t stride[2];
    /** rows above and below, columns left and right; at most half the kernel; default 0 */
    int32_t padding[2];
    /**
     * of windows: NNCF_OP_FLAG_CEIL, one more window where pixels are left over at the end, unless
     * it would begin in the padding there; NNCF_OP_FLAG_EXCLUDE_PADDING, an average counts only
     * pixels. What a window has beyond the padding never counts
     */
    nncf_op_flags flags;
    /** at most one; copied */
    nncf_layer *const *inputs;
    /** 0: reads the model's input */
    size_t n_inputs;
    /**
     * rows below and columns on the right beyond `padding`, or fewer, down to -padding: darknet's
     * maxpool of 2 with stride 1 has padding 0 and 1 here. Each side less than the kernel; default
     * 0
     */
    int32_t padding_end[2];
} nncf_pool2d_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_pool2d_params_init(nncf_pool2d_params *params, size_t struct_size);

/**
 * @brief An operator that the host runs with kernels of the host: a node of the graph for quantizer
 * placement, and a layer for nncf_layer_compress_weight(), nncf_layer_quantize_input() and
 * nncf_layer_quantize_output(). @since 0.1
 *
 * What the members from `kernel` on say is for nncf_onnx_export(), which has a form for each kind
 * but NNCF_OP_OTHER and NNCF_OP_OPAQUE; training does not need it.
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
    nncf_op_kind op;
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
    /** of a convolution, where = in_channels is depthwise, and of group norm; default 1 */
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
    /** likewise; of a pool default: the kernel; of interpolate the factors of height and width, in
     * [1] and [2] */
    int32_t stride[3];
    /** likewise */
    int32_t padding[3];
    /** likewise */
    int32_t output_padding[3];
    /** likewise */
    int32_t dilation[3];
    /**
     * of concat and flatten (0: 1), softmax and layer norm (0: the last one; the norm is over this
     * and all later ones), mean; negative: from the end
     */
    int32_t axis;
    /** of elu (0: 1) and NNCF_OP_LEAKY_RELU (0: 0.01); the slope of a prelu without constants; what
     * NNCF_OP_PAD fills in */
    float alpha;
    /** must be 0 */
    int32_t reserved;
    /**
     * parameters that are not compressed, floats: of prelu its slopes (1 or one a channel), of
     * layer norm and group norm weight and bias, of add, sub, mul and div with one input the second
     * operand, which is broadcast (a table of places as GPT-2's, a factor). Shapes are copied, data
     * is read by an export; data NULL: none
     */
    const nncf_tensor *constants;
    /** 0 to 2 */
    size_t n_constants;
    /**
     * of reshape the output's sizes (0: as the input's, -1: what is left), of transpose which
     * dimension of the input each of the output is, of pad what is added before each dimension
     * and then after each, of mean the dimensions if there are several, of adaptive pools the
     * output's; copied
     */
    const int64_t *sizes;
    /** 0 to 2 NNCF_MAX_NDIM */
    size_t n_sizes;
    /** of a pool or convolution: what is padded at the end beyond `padding`, as darknet's maxpool
     */
    int32_t padding_end[3];
    /** of layer norm and group norm; default 1e-5 */
    float eps;
    /** NNCF_OP_FLAG_... */
    nncf_op_flags flags;
    /** must be 0 */
    int32_t reserved2;
    /**
     * a layer whose weight this one reads too, with the same buffers and shape: one mask, one
     * quantizer (those that the config has for that layer), gradients of both are added up.
     * Default: a weight of its own
     */
    nncf_layer *tied_to;
} nncf_op_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_op_params_init(nncf_op_params *params, size_t struct_size);

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
 * @brief Register a layer that the library runs.
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
NNCF_API nncf_status nncf_model_add_sum(
    nncf_model *model, const nncf_sum_params *params, nncf_layer **layer, nncf_error *err);
/** @copydoc nncf_model_add_conv2d */
NNCF_API nncf_status nncf_model_add_pool2d(
    nncf_model *model, const nncf_pool2d_params *params, nncf_layer **layer, nncf_error *err);

/**
 * @brief Register an operator that the host runs itself.
 *
 * nncf_layer_forward(), nncf_layer_backward() and nncf_layer_get_output_shape() on it return
 * NNCF_E_UNSUPPORTED; everything else works as on any layer. Weights are masked and quantized per
 * tensor or per output channel: the first size of a weight, of a transposed convolution the second.
 * @copydetails nncf_model_add_conv2d
 */
NNCF_API nncf_status nncf_model_add_op(
    nncf_model *model, const nncf_op_params *params, nncf_layer **layer, nncf_error *err);

/**
 * @brief Train, eval or tune, for every later forward.
 * @param model the model
 * @param mode NNCF_MODE_...
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_set_mode(nncf_model *model, nncf_mode mode, nncf_error *err);
/**
 * @brief The mode that was set last; -1 for NULL.
 * @param model nullable
 * @return NNCF_MODE_...; -1 for NULL
 * @since 0.1
 */
NNCF_API nncf_mode nncf_model_get_mode(const nncf_model *model);

/**
 * @brief What training keeps for backward, for the layers of a model and those added later.
 *
 * Between forward and backward it makes the layers' state void, as a new controller does: the next
 * backward needs another forward. nncf_model_get_memory() goes by the policy. What is allocated
 * already stays allocated: set it before the first step.
 * @param model the model
 * @param policy NNCF_MEMORY_FAST or NNCF_MEMORY_SMALL
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_set_memory_policy(
    nncf_model *model, nncf_memory_policy policy, nncf_error *err);
/**
 * @brief The policy that was set last.
 * @param model nullable
 * @return NNCF_MEMORY_FAST or NNCF_MEMORY_SMALL; -1 for NULL
 * @since 0.1
 */
NNCF_API nncf_memory_policy nncf_model_get_memory_policy(const nncf_model *model);

/** What a config does to frozen weights: one of NNCF_FROZEN_.... @since 0.1 */
typedef int32_t nncf_frozen_policy;
/** Frozen weights are those that were registered without weight_grad. @since 0.1 */
enum {
    /** compressed as all others, though never trained to it; a warning at the first step says so
     * (default; NNCF does the same for int8 and const sparsity) */
    NNCF_FROZEN_WARN = 0,
    /** the same, as the host's choice: no warning, a line of level info for each */
    NNCF_FROZEN_COMPRESS = 1,
    /** neither masked nor quantized: a line of level info for each, and one of the plan. Quantizers
     * of activations stay */
    NNCF_FROZEN_LEAVE = 2,
    NNCF_FROZEN_SENTINEL = 0x7fffffff
};
/**
 * @brief What the next controller, or plan, does with the weights that have no gradient. A config's
 * `ignored_scopes` leave out single ones.
 * @param model the model
 * @param policy NNCF_FROZEN_...
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_STATE the model has a controller
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_set_frozen_policy(
    nncf_model *model, nncf_frozen_policy policy, nncf_error *err);

/**
 * @brief How backward stores gradients (nncf_layer_set_gradient_flags()), for the layers of a model
 * and those added later.
 * @param model the model
 * @param flags NNCF_GRADIENT_... or-ed; default 0
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_UNSUPPORTED gradients of a tied weight would be written:
 * nothing is changed
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_set_gradient_flags(
    nncf_model *model, nncf_gradient_flags flags, nncf_error *err);

/**
 * @brief Number of registered layers; 0 for NULL.
 * @param model nullable
 * @return the number; 0 for NULL
 * @since 0.1
 */
NNCF_API size_t nncf_model_get_layer_count(const nncf_model *model);
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

/** @brief The result of nncf_model_get_memory(), in bytes. @since 0.1 */
typedef struct nncf_memory {
    /** NNCF_PARAMS(nncf_memory) */
    size_t struct_size;
    /** all that the library allocates to run the layers: the six below, and 64 bytes for each
     * allocation */
    uint64_t library;
    /** products that are kept for backward, by the model's policy (nncf_model_set_memory_policy())
     */
    uint64_t activations;
    /** quantized inputs of the layers that read the model's input */
    uint64_t inputs;
    /** compressed weights: codes of a byte with their scales where quantized, else floats; copies
     * of weights with a layout (nncf_layer_set_weight_layout()) and of their gradients */
    uint64_t weights;
    /** constants and sums a channel */
    uint64_t channels;
    /** workspace that the layers share, the gradient of a compressed weight among it, and with
     * NNCF_GRADIENT_ADD_DX the gradients of the inputs of a layer */
    uint64_t work;
    /** of the context's threads, together */
    uint64_t scratch;
    /**
     * the caller's: all layers' outputs, of the types that nncf_layer_get_output_dtype() returns
     * once ranges are initialized
     */
    uint64_t outputs;
    /** the caller's: the same all in floats, as while ranges are initialized */
    uint64_t outputs_as_floats;
    /** the caller's: registered weights, biases, batch norm, and their gradients */
    uint64_t parameters;
    /**
     * what `activations` are for a host that passes floats on where it might pass codes: products
     * of floats are kept, whatever the policy
     */
    uint64_t activations_as_floats;
} nncf_memory;
/**
 * @brief Set up a record for its first use: `struct_size`, and zeros.
 * @param[out] result nullable
 * @param struct_size sizeof *result: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_memory_init(nncf_memory *result, size_t struct_size);

/**
 * @brief What forward and backward of a model will need, without running them: to choose a batch
 * that fits.
 *
 * Allocates nothing that stays, and changes nothing. A controller that is attached counts with what
 * it will do to the layers; its own parameters are there already, and not in the sums. In train
 * and tune mode the sums are for a step without the gradient of the model's input; in eval mode for
 * a model that has not been trained before (a trained one uses what training has left). What the
 * library has allocated already is not subtracted. The sums are for a host that passes codes on
 * wherever it can; one that passes floats needs activations_as_floats in place of activations.
 * Scratch is enough for a host that passes floats on where it might pass codes, and may then be
 * more than codes need. All sums are for tensors in C order: with others (nncf_tensor) come copies
 * of those of one call, the largest.
 * @param model the model
 * @param inputs shapes of what the layers without registered inputs read, in their order; a single
 * one is for all of them; only ndim and shape are read
 * @param n_inputs length of inputs
 * @param mode NNCF_MODE_...
 * @param[out] memory struct_size must be set
 * @param[out] err nullable; where is the scope of a layer whose input has a wrong shape
 * @return NNCF_OK; NNCF_E_SHAPE, also for a batch whose tensors have more than 2^48 elements;
 * NNCF_E_LIMIT the bytes of all layers do not fit 64 bits; NNCF_E_UNSUPPORTED the host runs one of
 * the layers; NNCF_E_ARG; NNCF_E_NOMEM
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_get_memory(nncf_model *model, const nncf_tensor *inputs,
    size_t n_inputs, nncf_mode mode, nncf_memory *memory, nncf_error *err);

/**
 * @brief Choose what training keeps for backward, so that a step needs no more than some bytes.
 *
 * Products are made again in backward instead of kept (NNCF_MEMORY_SMALL), in as few layers as it
 * takes: those with the shortest product come first, which lose the least time for a byte. The
 * results have the same bits. Without a controller no product can be made again. Layers that are
 * added later are NNCF_MEMORY_FAST, which is what nncf_model_get_memory_policy() returns then;
 * nncf_model_set_memory_policy() undoes the choice. As with that function, the next backward needs
 * another forward, and what is allocated already stays allocated.
 * @param model the model, with its controller
 * @param inputs as in nncf_model_get_memory()
 * @param n_inputs length of inputs
 * @param bytes upper limit of nncf_memory.library in NNCF_MODE_TRAIN
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_LIMIT it does not fit with every product made again, and the message says
 * how much that needs; NNCF_E_ARG, NNCF_E_SHAPE, NNCF_E_NOMEM as nncf_model_get_memory(). After an
 * error the choice is the one from before
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_set_memory_budget(
    nncf_model *model, const nncf_tensor *inputs, size_t n_inputs, uint64_t bytes, nncf_error *err);

NNCF_END_DECLS
#endif
