/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file layers.h
 * @brief Registration of the layers that the library runs besides convolutions, linear layers, sums
 * and pools (model.h). docs/layers.md lists all of them with what they read.
 */
#ifndef NNCF_LAYERS_H
#define NNCF_LAYERS_H

#include <nncf/base.h>
#include <nncf/layer.h>
#include <nncf/model.h>

NNCF_BEGIN_DECLS

/** @brief An activation as a layer of its own. x has any shape. @since 0.1 */
typedef struct nncf_activation_params {
    /** NNCF_PARAMS(nncf_activation_params) */
    size_t struct_size;
    /** required, unique in the model; copied */
    const char *scope;
    /** NNCF_ACTIVATION_..., not none; required */
    nncf_activation activation;
    /** slope of leaky relu, factor of elu; 0: their default, 0.01 and 1 */
    float activation_alpha;
    /** at most one; copied */
    nncf_layer *const *inputs;
    /** 0: reads the model's input */
    size_t n_inputs;
} nncf_activation_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_activation_params_init(nncf_activation_params *params, size_t struct_size);

/** @brief Tensors one after the other along the channels, the second dimension. @since 0.1 */
typedef struct nncf_concat_params {
    /** NNCF_PARAMS(nncf_concat_params) */
    size_t struct_size;
    /** required, unique in the model; copied */
    const char *scope;
    /** 2 to 8 layers; copied */
    nncf_layer *const *inputs;
    /** required */
    size_t n_inputs;
} nncf_concat_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_concat_params_init(nncf_concat_params *params, size_t struct_size);

/** @brief Elementwise product of two tensors of one shape, or of (N,C,...) and one value a
 * channel, (N,C) or (N,C,1,1): squeeze and excite. @since 0.1 */
typedef struct nncf_multiply_params {
    /** NNCF_PARAMS(nncf_multiply_params) */
    size_t struct_size;
    /** required, unique in the model; copied */
    const char *scope;
    /** two layers, or none when edges are left out; copied */
    nncf_layer *const *inputs;
    /** 2 or 0 */
    size_t n_inputs;
} nncf_multiply_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_multiply_params_init(nncf_multiply_params *params, size_t struct_size);

/** @brief Softmax over the last dimension. @since 0.1 */
typedef struct nncf_softmax_params {
    /** NNCF_PARAMS(nncf_softmax_params) */
    size_t struct_size;
    /** required, unique in the model; copied */
    const char *scope;
    /**
     * 1: in matrices (..., m, n), n >= m, row i uses columns 0 to i + n - m; the others become 0:
     * attention to what came before
     */
    int32_t causal;
    /** must be 0 */
    int32_t reserved;
    /** at most one; copied */
    nncf_layer *const *inputs;
    /** 0: reads the model's input */
    size_t n_inputs;
} nncf_softmax_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_softmax_params_init(nncf_softmax_params *params, size_t struct_size);

/** Kind of upsampling: one of NNCF_UPSAMPLE_.... @since 0.1 */
typedef int32_t nncf_upsample_kind;
/** Kinds of upsampling. @since 0.1 */
enum {
    /** y[i] = x[i / factor], rounded down */
    NNCF_UPSAMPLE_NEAREST = 0,
    /** between the two nearest in each direction, pixels being areas: PyTorch's default */
    NNCF_UPSAMPLE_BILINEAR = 1,
    /** bilinear with the corner pixels of both planes aligned (align_corners) */
    NNCF_UPSAMPLE_BILINEAR_ALIGNED = 2,
    NNCF_UPSAMPLE_SENTINEL = 0x7fffffff
};

/** @brief Planes made larger by whole factors. x is (N,C,H,W). @since 0.1 */
typedef struct nncf_upsample_params {
    /** NNCF_PARAMS(nncf_upsample_params) */
    size_t struct_size;
    /** required, unique in the model; copied */
    const char *scope;
    /** NNCF_UPSAMPLE_... */
    nncf_upsample_kind kind;
    /** of height and width, at least 1; required */
    int32_t factor[2];
    /** must be 0 */
    int32_t reserved;
    /** at most one; copied */
    nncf_layer *const *inputs;
    /** 0: reads the model's input */
    size_t n_inputs;
} nncf_upsample_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_upsample_params_init(nncf_upsample_params *params, size_t struct_size);

/** @brief Normalizes each row (the last dimension) by its mean and biased variance, as PyTorch
 * does. @since 0.1 */
typedef struct nncf_layer_norm_params {
    /** NNCF_PARAMS(nncf_layer_norm_params) */
    size_t struct_size;
    /** required, unique in the model; copied */
    const char *scope;
    /** size of the last dimension; required */
    int64_t size;
    /** (size); NULL: 1 */
    float *weight;
    /** (size), added to; nullable */
    float *weight_grad;
    /** (size); NULL: 0 */
    float *bias;
    /** (size), added to; nullable */
    float *bias_grad;
    /** default 1e-5 */
    float eps;
    /** must be 0 */
    int32_t reserved;
    /** at most one; copied */
    nncf_layer *const *inputs;
    /** 0: reads the model's input */
    size_t n_inputs;
} nncf_layer_norm_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_layer_norm_params_init(nncf_layer_norm_params *params, size_t struct_size);

/** @brief Looks up rows of a weight by token ids. x is NNCF_I32 of any shape, without a gradient; y
 * has the rows' size as one more dimension. @since 0.1 */
typedef struct nncf_embedding_params {
    /** NNCF_PARAMS(nncf_embedding_params) */
    size_t struct_size;
    /** required, unique in the model; copied */
    const char *scope;
    /** (words, size), required */
    float *weight;
    /** same shape, added to; nullable */
    float *weight_grad;
    /** rows of the weight; required */
    int64_t words;
    /** floats in a row; required */
    int64_t size;
    /** at most one; copied */
    nncf_layer *const *inputs;
    /** 0: reads the model's input */
    size_t n_inputs;
    /**
     * a layer whose weight this one reads too, with the same buffers and shape: one mask, one
     * quantizer (those that the config has for that layer), gradients of both are added up.
     * Default: a weight of its own
     */
    nncf_layer *tied_to;
} nncf_embedding_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_embedding_params_init(nncf_embedding_params *params, size_t struct_size);

/** @brief y = factor a b for the matrices of two activations, (..., m, k) and (..., k, n):
 * attention. @since 0.1 */
typedef struct nncf_matmul_params {
    /** NNCF_PARAMS(nncf_matmul_params) */
    size_t struct_size;
    /** required, unique in the model; copied */
    const char *scope;
    /** 1: x[0] is (..., k, m) */
    int32_t transpose_a;
    /** 1: x[1] is (..., n, k) */
    int32_t transpose_b;
    /** default 1 */
    float factor;
    /** must be 0 */
    int32_t reserved;
    /** two layers, or none when edges are left out; copied */
    nncf_layer *const *inputs;
    /** 2 or 0 */
    size_t n_inputs;
} nncf_matmul_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_matmul_params_init(nncf_matmul_params *params, size_t struct_size);

/**
 * @brief A transposed 2-d convolution, the gradient of a convolution for its input, with optional
 * batch norm and activation. x is (N,C,H,W); height and width of y are (in - 1) stride - 2 padding
 * + dilation (kernel - 1) + 1 + output_padding. @since 0.1
 */
typedef struct nncf_conv_transpose2d_params {
    /** NNCF_PARAMS(nncf_conv_transpose2d_params) */
    size_t struct_size;
    /** required, unique in the model; copied */
    const char *scope;
    /** (in_channels, out_channels / groups, kernel[0], kernel[1]), required */
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
    /** rows and columns that are left out on each side of the output; default 0 */
    int32_t padding[2];
    /** of them, as many stay below and on the right; less than stride or dilation; default 0 */
    int32_t output_padding[2];
    /** default 1 */
    int32_t dilation[2];
    /** default 1 */
    int32_t groups;
    /** NNCF_ACTIVATION_...; default none */
    nncf_activation activation;
    /** slope of leaky relu, factor of elu; 0: their default, 0.01 and 1 */
    float activation_alpha;
    /** must be 0 */
    int32_t reserved;
    /** nullable; the struct is copied, its arrays are not */
    const nncf_batch_norm_params *batch_norm;
    /**
     * of the activation's module or operator, "Net/ReLU[relu]/RELU_0"; copied. Default: its class
     * in the layer's block, "Net/ReLU"
     */
    const char *activation_scope;
    /** at most one; copied */
    nncf_layer *const *inputs;
    /** 0: reads the model's input */
    size_t n_inputs;
    /**
     * a layer whose weight this one reads too, with the same buffers and shape: one mask, one
     * quantizer (those that the config has for that layer), gradients of both are added up.
     * Default: a weight of its own
     */
    nncf_layer *tied_to;
} nncf_conv_transpose2d_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_conv_transpose2d_params_init(
    nncf_conv_transpose2d_params *params, size_t struct_size);

/** @brief y = x > 0 ? x : slope x with learned slopes (He et al. 2015), one or one a channel, the
 * second dimension, as PyTorch has it. x has any shape. NNCF does not quantize the slopes. @since
 * 0.1 */
typedef struct nncf_prelu_params {
    /** NNCF_PARAMS(nncf_prelu_params) */
    size_t struct_size;
    /** required, unique in the model; copied */
    const char *scope;
    /** (count), the slopes; required */
    float *weight;
    /** (count), added to; nullable */
    float *weight_grad;
    /** 1, or the channels; required */
    int64_t count;
    /** at most one; copied */
    nncf_layer *const *inputs;
    /** 0: reads the model's input */
    size_t n_inputs;
} nncf_prelu_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_prelu_params_init(nncf_prelu_params *params, size_t struct_size);

/**
 * @brief In train mode each element becomes 0 with probability p, and the others are divided by 1 -
 * p; in eval and tune mode, and while ranges are initialized, it does nothing. x has any shape.
 *
 * The random numbers are a function of the context's seed, the layer, the step
 * (nncf_compression_ctrl_step()), how many backwards of the layer ran in that step, the use that is
 * selected, and the element. So a second forward before a backward has the same ones, as gradient
 * checkpointing needs it, and training that is resumed continues with those that it would have had.
 * Without a controller backwards are counted from the registration. @since 0.1
 */
typedef struct nncf_dropout_params {
    /** NNCF_PARAMS(nncf_dropout_params) */
    size_t struct_size;
    /** required, unique in the model; copied */
    const char *scope;
    /** 0 to less than 1 */
    float p;
    /** must be 0 */
    int32_t reserved;
    /** at most one; copied */
    nncf_layer *const *inputs;
    /** 0: reads the model's input */
    size_t n_inputs;
} nncf_dropout_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_dropout_params_init(nncf_dropout_params *params, size_t struct_size);

/** @brief Normalizes the channels of an image in groups, each by its mean and biased variance (Wu
 * and He 2018), as PyTorch does. x is (N,C,...). @since 0.1 */
typedef struct nncf_group_norm_params {
    /** NNCF_PARAMS(nncf_group_norm_params) */
    size_t struct_size;
    /** required, unique in the model; copied */
    const char *scope;
    /** second size of x; required */
    int64_t channels;
    /** (channels); NULL: 1 */
    float *weight;
    /** (channels), added to; nullable */
    float *weight_grad;
    /** (channels); NULL: 0 */
    float *bias;
    /** (channels), added to; nullable */
    float *bias_grad;
    /** divides the channels; 1: all at once, = channels: instance norm; required */
    int32_t groups;
    /** default 1e-5 */
    float eps;
    /** at most one; copied */
    nncf_layer *const *inputs;
    /** 0: reads the model's input */
    size_t n_inputs;
} nncf_group_norm_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_group_norm_params_init(nncf_group_norm_params *params, size_t struct_size);

/** @brief Heads of attention apart, (..., T, C) to (..., heads, T, C / heads), or together again.
 * Copies; quantizers pass it by, and codes stay codes. @since 0.1 */
typedef struct nncf_heads_params {
    /** NNCF_PARAMS(nncf_heads_params) */
    size_t struct_size;
    /** required, unique in the model; copied */
    const char *scope;
    /** at least 1; required */
    int32_t heads;
    /** 1: x is (..., heads, T, D), and y (..., T, heads D) */
    int32_t merge;
    /** at most one; copied */
    nncf_layer *const *inputs;
    /** 0: reads the model's input */
    size_t n_inputs;
} nncf_heads_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_heads_params_init(nncf_heads_params *params, size_t struct_size);

/** @copydoc nncf_model_add_conv2d */
NNCF_API nncf_status nncf_model_add_activation(
    nncf_model *model, const nncf_activation_params *params, nncf_layer **layer, nncf_error *err);
/** @copydoc nncf_model_add_conv2d */
NNCF_API nncf_status nncf_model_add_concat(
    nncf_model *model, const nncf_concat_params *params, nncf_layer **layer, nncf_error *err);
/** @copydoc nncf_model_add_conv2d */
NNCF_API nncf_status nncf_model_add_multiply(
    nncf_model *model, const nncf_multiply_params *params, nncf_layer **layer, nncf_error *err);
/** @copydoc nncf_model_add_conv2d */
NNCF_API nncf_status nncf_model_add_softmax(
    nncf_model *model, const nncf_softmax_params *params, nncf_layer **layer, nncf_error *err);
/** @copydoc nncf_model_add_conv2d */
NNCF_API nncf_status nncf_model_add_upsample(
    nncf_model *model, const nncf_upsample_params *params, nncf_layer **layer, nncf_error *err);
/** @copydoc nncf_model_add_conv2d */
NNCF_API nncf_status nncf_model_add_layer_norm(
    nncf_model *model, const nncf_layer_norm_params *params, nncf_layer **layer, nncf_error *err);
/** @copydoc nncf_model_add_conv2d */
NNCF_API nncf_status nncf_model_add_embedding(
    nncf_model *model, const nncf_embedding_params *params, nncf_layer **layer, nncf_error *err);
/** @copydoc nncf_model_add_conv2d */
NNCF_API nncf_status nncf_model_add_matmul(
    nncf_model *model, const nncf_matmul_params *params, nncf_layer **layer, nncf_error *err);

/** @copydoc nncf_model_add_conv2d */
NNCF_API nncf_status nncf_model_add_conv_transpose2d(nncf_model *model,
    const nncf_conv_transpose2d_params *params, nncf_layer **layer, nncf_error *err);

/** @copydoc nncf_model_add_conv2d */
NNCF_API nncf_status nncf_model_add_prelu(
    nncf_model *model, const nncf_prelu_params *params, nncf_layer **layer, nncf_error *err);
/** @copydoc nncf_model_add_conv2d */
NNCF_API nncf_status nncf_model_add_dropout(
    nncf_model *model, const nncf_dropout_params *params, nncf_layer **layer, nncf_error *err);
/** @copydoc nncf_model_add_conv2d */
NNCF_API nncf_status nncf_model_add_group_norm(
    nncf_model *model, const nncf_group_norm_params *params, nncf_layer **layer, nncf_error *err);
/** @copydoc nncf_model_add_conv2d */
NNCF_API nncf_status nncf_model_add_heads(
    nncf_model *model, const nncf_heads_params *params, nncf_layer **layer, nncf_error *err);

NNCF_END_DECLS
#endif
