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
 * "nncf.config_digest", "nncf.checked" ("golden": the file was compared with golden_output; "no"),
 * and where the caller gave some, golden input and output (see nncf_onnx_params), so that whoever
 * receives the file can check that an engine computes what training computed.
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

/** How NNCF_OP_OPAQUE is handled: one of NNCF_ONNX_OPAQUE_.... @since 0.1 */
typedef int32_t nncf_onnx_opaque;
/** How NNCF_OP_OPAQUE is handled. @since 0.1 */
enum {
    /** the export is refused and names it (default) */
    NNCF_ONNX_OPAQUE_REFUSE = 0,
    /** a node "Opaque" of the domain "nncf", version 1, with the attribute "scope": an engine needs
     * an extension that knows it. Its output has as many dimensions as its input: an operator that
     * changes their number cannot be described. What is computed from it is not compared, and
     * nncf.checked is "no" */
    NNCF_ONNX_OPAQUE_NODE = 1,
    NNCF_ONNX_OPAQUE_SENTINEL = 0x7fffffff
};

/** @brief How to export; zero means the default everywhere. @since 0.1 */
typedef struct nncf_onnx_params {
    /** NNCF_PARAMS(nncf_onnx_params) */
    size_t struct_size;
    /** NNCF_ONNX_QDQ or NNCF_ONNX_FAKE_QUANTIZE */
    nncf_onnx_format format;
    /** version of the standard operators, 13 to 17; default 13 */
    int32_t opset;
    /** 1: fold batch norm into the weight's scales and the bias. Codes do not change, but a weight
     * with one scale gets one per channel, and engines round the bias. Where the weight's
     * scale is a power of two (`power_of_two`) batch norm stays a node. Default 0: a node of its
     * own, as trained. */
    int32_t fold_batch_norm;
    /**
     * number of dimensions of the model's input. Default: 4 if a layer reads planes from it, else
     * golden_input's, else 4 if input_shape gives a third size, else 2. Allowed: 4 for planes; 2 to
     * 8 where the reader takes any number; else 2 or 4
     */
    int32_t input_ndim;
    /**
     * (N, channels, height, width), or the first four of more; 0: not fixed, which is what the
     * first should be; channels are known from the layers and need not be given
     */
    int64_t input_shape[4];
    /** default "input"; not the scope of a layer but NNCF_OP_INPUT's */
    const char *input_name;
    /** default "output", not input_name, nor the scope of another layer than the output; of several
     * outputs each bears its layer's scope */
    const char *output_name;
    /** default "nncf" */
    const char *graph_name;
    /** further metadata, n_texts pairs; keys not beginning with "nncf."; nullable */
    const nncf_checkpoint_text *texts;
    /** pairs in texts */
    size_t n_texts;
    /** a small batch, float, finite, of 2 dimensions or more, with token ids as floats; of strides
     * without gaps the file gets C order. Nullable, but required where the host runs a layer
     * itself, unless `unchecked` */
    const nncf_tensor *golden_input;
    /**
     * the output of the host's forward in eval mode for golden_input, and required with it. Only
     * for a model with one output. The file is compared with it
     */
    const nncf_tensor *golden_output;
    /** With path NULL: takes all `size` bytes and returns 0; anything else: a failure, after which
     * it is not called again. Called many times, in the order of the file, with up to 16 KiB, or
     * more where a single array or text has more. */
    int32_t (*write)(void *user, const void *data, size_t size);
    /** first argument of write */
    void *user;
    /**
     * largest difference from golden_output that is allowed, as a part of its largest magnitude.
     * Default 0: 1e-3; or with quantizers, where a value at a tie may get the next code, at most
     * one output in 8 that is off by more than 0.01, if the layers, too, have made what the host
     * showed of them (see nncf_onnx_export())
     */
    float tolerance;
    /** 1: do not compare the file with what the host computes */
    int32_t unchecked;
    /** NNCF_ONNX_OPAQUE_... */
    nncf_onnx_opaque opaque;
    /** must be 0 */
    int32_t reserved;
} nncf_onnx_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_onnx_params_init(nncf_onnx_params *params, size_t struct_size);

/**
 * @brief Write the model as an ONNX file, after checking that it is the host's model: to a
 * temporary file in the same folder, fsync, rename, as nncf_checkpoint_save() does, with the same
 * guarantees; or to `params->write`.
 *
 * Weights are made while they are written: the memory that the export takes while it runs, and
 * gives back, is about 11 KB a layer whatever the weights' size (MobileNetV2 0.7 MB, for files of 4
 * and 14 MB), and golden tensors once more as base64. No file needs to be in memory as a whole.
 *
 * Checked: with golden tensors the file's nodes are run on golden_input (of a larger batch its
 * first 8 samples, if they agree) by plain loops, before anything is written. Shapes that do not
 * fit, and an output that is not golden_output, are refused with the layer after which the
 * registered graph and the host part: something is run that was not registered (a pool, an
 * activation), or registered otherwise than it is run (a kernel turned by 180 degrees). Which layer
 * it is shows from what the host last gave to nncf_layer_forward() or nncf_layer_quantize_...() in
 * eval mode, so its forward of golden_input comes last before the export. Where the host runs a
 * layer itself and no golden tensors are given, only `unchecked` exports. The check takes memory
 * for the widest place of the network, and gives it back.
 *
 * A layer that the host runs has a form by what nncf_op_params say of it: every NNCF_OP_... but
 * NNCF_OP_OTHER and NNCF_OP_OPAQUE; interpolation by whole factors, adaptive pools to 1 x 1.
 * NNCF_OP_EMBEDDING reads the ids as floats.
 *
 * Refused, with the reason and the layer: a graph without edges; a kind of layer or activation that
 * has no ONNX form here; a file above 2 GiB; an unmasked weight, a bias, a range or a parameter of
 * batch norm, layer norm or prelu that is not finite, also after folding; a running variance that
 * is not above -eps; as QDQ, activations with one range per channel. Every other quantizer that the
 * library trains is exported.
 * @param ctrl of the model; its ranges must be initialized or loaded. A config without algorithms
 * gives a plain model
 * @param path file to write; NULL: `write` of the params takes what it would hold
 * @param params nullable: all defaults
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_STATE the model is gone, ranges were not initialized, the graph does not
 * compute golden_output, or only the host knows what it computes; NNCF_E_UNSUPPORTED; NNCF_E_LIMIT;
 * NNCF_E_SHAPE; NNCF_E_DTYPE; NNCF_E_ARG; NNCF_E_IO; NNCF_E_CALLBACK write reported a failure;
 * NNCF_E_NOMEM. Built without ONNX (Meson option `onnx`) it always returns NNCF_E_UNSUPPORTED
 * @par Threads one thread at a time for a controller and its model. The model's mode stays what it
 * is.
 * @since 0.1
 */
NNCF_API nncf_status nncf_onnx_export(const nncf_compression_ctrl *ctrl, const char *path,
    const nncf_onnx_params *params, nncf_error *err);

NNCF_END_DECLS
#endif
