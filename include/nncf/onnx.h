/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file onnx.h
 * @brief A compressed model as an ONNX file that other engines run.
 *
 * What is written is the registered graph in eval mode: masks applied, weights quantized, batch
 * norm with its running statistics. The batch dimension is "N". Values are named by the scopes of
 * their layers ("Net/Conv2d[a]"), what lies inside a layer and its constants by the scope, "::" and
 * what they are ("Net/Conv2d[a]::weight"). The model's input and its output bear the names of the
 * params; of several outputs each bears its layer's scope. All names are unique whatever the layers
 * are called: one whose scope contains "::", or whose names would be those of the input or of an
 * output, has "::layerN" (its number) after its scope in the file. Two forms:
 *
 * - NNCF_ONNX_QDQ: weights as 8-bit codes and a DequantizeLinear (one scale, or one an output
 * channel), activation quantizers as QuantizeLinear and DequantizeLinear. Standard operators only;
 * every engine reads it. Codes of fewer than 8 bits are stored in 8, with a Clip before
 * QuantizeLinear where the range is narrower than the type's.
 * - NNCF_ONNX_FAKE_QUANTIZE: FakeQuantize of the domain org.openvinotoolkit, as NNCF's own export
 * has it. Weights are floats that lie on the grid already. OpenVINO reads it, ONNX Runtime does not
 * know the operator.
 *
 * Metadata of the file: "nncf.library", "nncf.rounding" (half to even), "nncf.format",
 * "nncf.config_digest", and where the caller gave some, golden input and output (see
 * nncf_onnx_params), so that whoever receives the file can check that an engine computes what
 * training computed.
 */
#ifndef NNCF_ONNX_H
#define NNCF_ONNX_H

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/ctrl.h>
#include <nncf/tensor.h>

NNCF_BEGIN_DECLS

/** Form of an export: one of NNCF_ONNX_.... @since 0.1 */
typedef int32_t nncf_onnx_format;
/** Forms of an export. @since 0.1 */
enum {
    /** QuantizeLinear and DequantizeLinear (default) */
    NNCF_ONNX_QDQ = 0,
    /** OpenVINO's FakeQuantize */
    NNCF_ONNX_FAKE_QUANTIZE = 1,
    NNCF_ONNX_SENTINEL = 0x7fffffff
};

/** @brief How to export; zero means the default everywhere. @since 0.1 */
typedef struct nncf_onnx_params {
    /** NNCF_PARAMS(nncf_onnx_params) */
    size_t struct_size;
    /** NNCF_ONNX_QDQ or NNCF_ONNX_FAKE_QUANTIZE */
    nncf_onnx_format format;
    /** of the standard operators, 13 to 17; default 13 */
    int32_t opset;
    /** 1: batch norm goes into the weight's scales and the bias. Codes stay what they are, but a
     * weight with one scale gets one a channel, and engines round the bias. Default 0: as trained,
     * a node of its own. */
    int32_t fold_batch_norm;
    /** 2 or 4; default: what the layers that read the model's input take, 2 for linear ones */
    int32_t input_ndim;
    /**
     * (N, channels, height, width); 0: not fixed, which is what the first should be; channels are
     * known from the layers and need not be given
     */
    int64_t input_shape[4];
    /** default "input" */
    const char *input_name;
    /** default "output", not input_name; of several outputs each bears its layer's scope */
    const char *output_name;
    /** default "nncf" */
    const char *graph_name;
    /** further metadata, n_texts pairs; keys not beginning with "nncf."; nullable */
    const nncf_checkpoint_text *texts;
    /** pairs in texts */
    size_t n_texts;
    /** a small batch, float, C order, finite; nullable */
    const nncf_tensor *golden_input;
    /**
     * what forward in eval mode made of it; required with golden_input. Only for a model with one
     * output
     */
    const nncf_tensor *golden_output;
    /** With path NULL: takes all `size` bytes and returns 0; anything else: a failure, after which
     * it is not called again. Called many times, in the order of the file, with up to 16 KiB, or
     * more where a single array or text has more. */
    int32_t (*write)(void *user, const void *data, size_t size);
    /** first argument of write */
    void *user;
} nncf_onnx_params;

/**
 * @brief Write the model as an ONNX file: to a temporary file in the same folder, fsync, rename, as
 * nncf_checkpoint_save() does, with the same guarantees; or to `params->write`.
 *
 * Weights are made while they are written: the memory that the export takes while it runs, and
 * gives back, is about 11 KB a layer whatever the weights' size (MobileNetV2 0.7 MB, for files of 4
 * and 14 MB), and golden tensors once more as base64. No file needs to be in memory as a whole.
 *
 * Refused, with the reason and the layer: a graph without edges; a kind of layer or activation that
 * has no ONNX form here; a file above 2 GiB; a weight that its mask keeps, a bias, range or number
 * of batch norm that is not finite, or is not after folding; a running variance that is not above
 * -eps; as QDQ, activations with a range a channel. Every other quantizer that the library trains
 * is exported.
 * @param ctrl of the model; its ranges must be initialized or loaded. A config without algorithms
 * gives a plain model
 * @param path file to write; NULL: `write` of the params takes what it would hold
 * @param params nullable: all defaults
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_STATE the model is gone, or ranges were not initialized;
 * NNCF_E_UNSUPPORTED; NNCF_E_LIMIT; NNCF_E_SHAPE; NNCF_E_DTYPE; NNCF_E_ARG; NNCF_E_IO;
 * NNCF_E_CALLBACK write reported a failure; NNCF_E_NOMEM. Built without ONNX (Meson option `onnx`)
 * it always returns NNCF_E_UNSUPPORTED
 * @par Threads one thread at a time for a controller and its model. The model's mode stays what it
 * is.
 * @since 0.1
 */
NNCF_API nncf_status nncf_onnx_export(const nncf_compression_ctrl *ctrl, const char *path,
    const nncf_onnx_params *params, nncf_error *err);

NNCF_END_DECLS
#endif
