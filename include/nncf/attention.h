/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file attention.h
 * @brief Multi-head attention in one call (Vaswani et al. 2017): registered as the layers that it
 * consists of, run forward and backward as a whole or layer by layer.
 *
 * y = out(merge(dropout(softmax(factor q k^T)) v)), where q, k and v are linear layers of what is
 * read, taken apart into heads. Each of them is a layer as any other: configs name it by its scope,
 * q, k, v and the softmax have a quantizer each, and exports, snapshots and plans know nothing of
 * the attention. docs/guide_attention.md is a program that uses it.
 */
#ifndef NNCF_ATTENTION_H
#define NNCF_ATTENTION_H

#include <nncf/base.h>
#include <nncf/layer.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

NNCF_BEGIN_DECLS

/** A layer of an attention: one of NNCF_ATTENTION_.... @since 0.1 */
typedef int32_t nncf_attention_part;
/**
 * The layers of an attention. B stands for any number of sizes in front, Tq and Tk for the lengths
 * of queries and of keys, D for features / heads. In brackets: what their scopes end in. @since 0.1
 */
enum {
    /** linear: queries, (B,Tq,features) [Linear[q]] */
    NNCF_ATTENTION_Q = 0,
    /** linear: keys, (B,Tk,features) [Linear[k]] */
    NNCF_ATTENTION_K = 1,
    /** linear: values, (B,Tk,features) [Linear[v]] */
    NNCF_ATTENTION_V = 2,
    /** linear: the output, (B,Tq,features) [Linear[out]] */
    NNCF_ATTENTION_OUT = 3,
    /** (B,heads,Tq,D) [transpose_0] */
    NNCF_ATTENTION_Q_HEADS = 4,
    /** (B,heads,Tk,D) [transpose_1] */
    NNCF_ATTENTION_K_HEADS = 5,
    /** (B,heads,Tk,D) [transpose_2] */
    NNCF_ATTENTION_V_HEADS = 6,
    /** matrix product: factor q k^T, (B,heads,Tq,Tk) [matmul_0] */
    NNCF_ATTENTION_SCORES = 7,
    /** (B,heads,Tq,Tk) [softmax_0] */
    NNCF_ATTENTION_SOFTMAX = 8,
    /** (B,heads,Tq,Tk) [dropout_0] */
    NNCF_ATTENTION_DROPOUT = 9,
    /** matrix product: softmax v, (B,heads,Tq,D) [matmul_1] */
    NNCF_ATTENTION_MIXED = 10,
    /** heads together, (B,Tq,features) [transpose_3] */
    NNCF_ATTENTION_MERGED = 11,
    /** length of arrays that parts are indices of */
    NNCF_ATTENTION_CAPACITY = 16,
    NNCF_ATTENTION_SENTINEL = 0x7fffffff
};

/** @brief A multi-head attention. Arrays of four are indexed by NNCF_ATTENTION_Q, K, V and OUT.
 * @since 0.1 */
typedef struct nncf_attention_params {
    /** NNCF_PARAMS(nncf_attention_params) */
    size_t struct_size;
    /** required, "Net/MultiheadAttention[attn]": the layers' scopes begin with it; copied */
    const char *scope;
    /** by part: what its scope ends in, after a slash, where that is not the default; copied */
    const char *names[NNCF_ATTENTION_CAPACITY];
    /**
     * required but the last, (features, in): `in` is features, of keys key_features, of values
     * value_features. Without the last there is no layer NNCF_ATTENTION_OUT
     */
    float *weight[4];
    /** same shapes, added to; nullable each */
    float *weight_grad[4];
    /** (features); nullable each */
    float *bias[4];
    /** (features), added to; nullable each */
    float *bias_grad[4];
    /** size of queries' last dimension, and of the output's; required */
    int64_t features;
    /** size of the last dimension of what the keys are made from; default: features */
    int64_t key_features;
    /** of what the values are made from; default: features */
    int64_t value_features;
    /** divides features; required */
    int32_t heads;
    /**
     * 1: the first of weight, weight_grad, bias and bias_grad have q, k and v one after the other,
     * (3 features, features) and (3 features), as in PyTorch's in_proj_weight; the next two are
     * NULL. Three layers nevertheless, with a mask and a quantizer each
     */
    int32_t packed;
    /** 1: query i sees keys 0 to i + Tk - Tq (nncf_softmax_params) */
    int32_t causal;
    /** probability for elements of the softmax, 0 to less than 1; 0: no layer
     * NNCF_ATTENTION_DROPOUT */
    float dropout;
    /** of the scores; 0: 1 / sqrt(features / heads) */
    float factor;
    /**
     * tensors that a call reads. 1: x, of which q, k and v are made; 2: queries, and what k and v
     * are made from (cross attention); 3: one for each. Default: n_inputs, or 1 where that is 0
     */
    int32_t n_x;
    /** n_x layers; copied */
    nncf_layer *const *inputs;
    /** n_x; 0: reads the model's input */
    size_t n_inputs;
} nncf_attention_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_attention_params_init(nncf_attention_params *params, size_t struct_size);

/**
 * @brief The layers of an attention, and the buffers that it is run with. It owns neither; it can
 * be copied. An attention that runs several times in a step (nncf_layer_set_uses()) needs a buffer
 * `kept` for each.
 * @since 0.1
 */
typedef struct nncf_attention {
    /** NNCF_PARAMS(nncf_attention) */
    size_t struct_size;
    /** by part; NULL: there is none */
    nncf_layer *layers[NNCF_ATTENTION_CAPACITY];
    /** tensors that a call reads */
    int32_t n_x;
    /** must be 0 */
    int32_t reserved;
    /**
     * the caller's, aligned as floats are: outputs of all layers but the last, written by forward
     * and read by backward
     */
    void *kept;
    /** bytes */
    size_t kept_size;
    /** the caller's, aligned as floats are: gradients, within backward; several attentions may
     * share it. NULL is fine for forward */
    void *work;
    /** bytes */
    size_t work_size;
} nncf_attention;
/**
 * @brief Set up a record for its first use: `struct_size`, and zeros.
 * @param[out] attention nullable
 * @param struct_size sizeof *attention: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_attention_init(nncf_attention *attention, size_t struct_size);

/**
 * @brief Register all layers of a multi-head attention, in the order in which they run.
 * @param model the model
 * @param params the attention; all required members must be set
 * @param[out] attention its layers, owned by the model; no buffers
 * @param[out] err nullable; where is the scope of the attention, or of the layer that was refused
 * @return NNCF_OK; NNCF_E_ARG a member is missing or out of bounds, a scope is taken; NNCF_E_STATE
 * a controller was already made for this model; NNCF_E_LIMIT; NNCF_E_NOMEM. The model is then as
 * before
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_add_attention(nncf_model *model,
    const nncf_attention_params *params, nncf_attention *attention, nncf_error *err);

/**
 * @brief The same attention in another model that has layers of the same scopes: in a replica
 * (parallel.h).
 * @param model the other model
 * @param of an attention
 * @param[out] attention the layers of `model`; no buffers
 * @param[out] err nullable; where is the scope that was not found
 * @return NNCF_OK; NNCF_E_NOTFOUND; NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_find_attention(
    const nncf_model *model, const nncf_attention *of, nncf_attention *attention, nncf_error *err);

/**
 * @brief Shape of an attention's output, and the bytes of its buffers, for inputs of the given
 * shapes. Allocates nothing.
 *
 * Buffers of that size suffice whether layers are quantized or not.
 * @param attention its layers
 * @param x the inputs, as in nncf_attention_forward(); only ndim and shape are read
 * @param n_x length of x
 * @param[out] shape nullable; the sizes of y, of NNCF_MAX_NDIM elements
 * @param[out] ndim nullable; how many sizes there are
 * @param[out] kept nullable; bytes of `kept`
 * @param[out] work nullable; bytes of `work`
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_SHAPE an input does not fit a layer; NNCF_E_LIMIT the bytes do not fit a
 * size_t; NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_attention_get_sizes(const nncf_attention *attention, const nncf_tensor *x,
    size_t n_x, int64_t *shape, int32_t *ndim, size_t *kept, size_t *work, nncf_error *err);

/**
 * @brief Forward of all layers: the same bits as nncf_layer_forward() of one after the other.
 * Between them they write codes where they can (nncf_layer_get_output_dtype()).
 * @param attention layers and buffers; `kept` is written
 * @param x the inputs, (B,T,C), floats or the codes that the feeding layer wrote
 * @param n_x length of x: nncf_attention.n_x
 * @param[out] y the output, as of nncf_layer_forward() of the last layer; must overlap neither x
 * nor the buffers
 * @param[out] err nullable; where is the scope of the layer that was refused
 * @return NNCF_OK; NNCF_E_BUFFER `kept` is too small; else as nncf_layer_forward() of a layer
 * @since 0.1
 */
NNCF_API nncf_status nncf_attention_forward(const nncf_attention *attention, const nncf_tensor *x,
    size_t n_x, nncf_tensor *y, nncf_error *err);

/**
 * @brief Backward of the last forward, through all layers: the same bits as nncf_layer_backward()
 * of one after the other, from the last to the first.
 *
 * What is read by several of v, k and q gets the sum of their gradients, added in this order.
 * nncf_layer_set_gradient_flags() counts for q, k and v, and for all parameters; gradients between
 * the layers are always written.
 * @param attention layers and buffers; `kept` as the forward left it, `work` is written
 * @param x the same inputs, with the same contents and types, as in forward
 * @param n_x length of x
 * @param[in,out] dy gradient of the loss for y, in floats; its contents are undefined afterwards
 * @param[out] dx an array of n_x tensors of floats that receive the gradients for x; NULL if they
 * are not needed; must overlap neither dy nor x, nor each other, nor the buffers
 * @param[out] err nullable; where is the scope of the layer that was refused
 * @return NNCF_OK; NNCF_E_BUFFER a buffer is too small; else as nncf_layer_backward() of a layer:
 * those after it have added to their gradients then
 * @since 0.1
 */
NNCF_API nncf_status nncf_attention_backward(const nncf_attention *attention, const nncf_tensor *x,
    size_t n_x, nncf_tensor *dy, nncf_tensor *dx, nncf_error *err);

NNCF_END_DECLS
#endif
