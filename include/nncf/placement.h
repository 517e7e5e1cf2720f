/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file placement.h
 * @brief Placement by hand: for a host without a graph of operators, a weight or a quantizer of
 * activations exactly where the host wants it, and nothing else.
 *
 * No edges are needed, and no placement algorithm looks at what is added here. The config decides
 * the rest, by scope: whether the weight is masked, whether it and the activation are quantized
 * (`ignored_scopes`, `target_scopes`), bits, modes, initializers, overrides. Scopes may be any
 * names. Controller, plan, statistics, snapshots and nncf_strip_save() treat both as layers; the
 * host runs all operators. nncf_onnx_export() refuses such a model: a file needs the graph.
 *
 * A model may hold these and layers with edges at once.
 */
#ifndef NNCF_PLACEMENT_H
#define NNCF_PLACEMENT_H

#include <nncf/base.h>
#include <nncf/layer.h>
#include <nncf/model.h>

NNCF_BEGIN_DECLS

/** @brief A weight that the host uses as it likes. @since 0.1 */
typedef struct nncf_weight_params {
    /** NNCF_PARAMS(nncf_weight_params) */
    size_t struct_size;
    /** required, unique; copied */
    const char *scope;
    /** required; the product of the sizes of shape, in C order */
    float *weight;
    /** same shape, added to; nullable */
    float *weight_grad;
    /** ndim sizes; copied */
    const int64_t *shape;
    /** 1 to 5 */
    int32_t ndim;
    /** the dimension that counts output channels, for quantizers per channel; default 0 */
    int32_t channel_axis;
    /** quantizers have a range for so many consecutive elements of an output channel, unless the
     * config's `group_size` says otherwise; 0: none */
    int32_t group_size;
    /** must be 0 */
    int32_t reserved;
} nncf_weight_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_weight_params_init(nncf_weight_params *params, size_t struct_size);

/** @brief A quantizer of activations. @since 0.1 */
typedef struct nncf_quantizer_params {
    /** NNCF_PARAMS(nncf_quantizer_params) */
    size_t struct_size;
    /** required, unique; copied */
    const char *scope;
    /** second size of the tensors, for a quantizer per channel; 0: not known */
    int64_t channels;
} nncf_quantizer_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_quantizer_params_init(nncf_quantizer_params *params, size_t struct_size);

/**
 * @brief Add a weight, for nncf_layer_compress_weight() and
 * nncf_layer_compress_weight_backward().
 *
 * All other calls that run a layer refuse it.
 * @param model the model
 * @param params the weight; all required members must be set
 * @param[out] layer owned by the model
 * @param[out] err nullable; where is the scope
 * @return NNCF_OK; NNCF_E_ARG a member is missing or out of bounds, the scope is taken;
 * NNCF_E_STATE a controller was already made for this model; NNCF_E_LIMIT; NNCF_E_NOMEM. The model
 * is then as before
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_add_weight(
    nncf_model *model, const nncf_weight_params *params, nncf_layer **layer, nncf_error *err);
/**
 * @brief Add a quantizer of activations, for nncf_layer_quantize_output() and
 * nncf_layer_quantize_output_backward().
 *
 * With `quantization` in the config it exists unless the config's scopes leave it out; then, and
 * without a controller, the calls copy. All other calls that run a layer refuse it. One tensor in
 * several places needs one quantizer; several tensors need one each, since each has its range.
 * @param model the model
 * @param params the quantizer; all required members must be set
 * @param[out] layer owned by the model
 * @param[out] err nullable; where is the scope
 * @return as nncf_model_add_weight()
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_add_quantizer(
    nncf_model *model, const nncf_quantizer_params *params, nncf_layer **layer, nncf_error *err);

NNCF_END_DECLS
#endif
