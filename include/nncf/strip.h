/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file strip.h
 * @brief The deployable model: one safetensors file with what inference needs and nothing else.
 *
 * Masks are applied, quantized weights are integer codes with scales (binarized ones bits with
 * scales and thresholds), batch norm is folded when asked, ranges of activations are there, and
 * training state is not. docs/snapshots.md describes names and types; any safetensors reader reads
 * the file.
 */
#ifndef NNCF_STRIP_H
#define NNCF_STRIP_H

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/ctrl.h>

NNCF_BEGIN_DECLS

/** @brief How to strip; zero means the default everywhere. @since 0.1 */
typedef struct nncf_strip_params {
    /** NNCF_PARAMS(nncf_strip_params) */
    size_t struct_size;
    /**
     * 1: fold batch norm into the weight's scales (or the float weight) and the bias; codes do not
     * change, and scales may become negative. Where the weight's scale is a power of two
     * (`power_of_two`) batch norm is stored all the same. Default 0: store the four arrays of batch
     * norm
     */
    int32_t fold_batch_norm;
    /**
     * 1: a weight with zeros is stored as a bit mask and its non-zeros where that is smaller.
     * Default 0
     */
    int32_t sparse;
    /** further metadata, n_texts pairs; keys not beginning with "nncf." or "strip."; nullable */
    const nncf_checkpoint_text *texts;
    /** pairs in texts */
    size_t n_texts;
} nncf_strip_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_strip_params_init(nncf_strip_params *params, size_t struct_size);

/** @brief The result of nncf_strip_save(): sizes before and after. @since 0.1 */
typedef struct nncf_strip_report {
    /** NNCF_PARAMS(nncf_strip_report) */
    size_t struct_size;
    /** elements of all weights */
    int64_t weights;
    /** of these, how many are 0 after mask and quantizer */
    int64_t zeros;
    /** size of all registered parameters and running statistics as float32 */
    uint64_t bytes_float;
    /** size of the weights in the file: codes, masks, scales, zero points */
    uint64_t bytes_weights;
    /** size of the file */
    uint64_t bytes_file;
} nncf_strip_report;
/**
 * @brief Set up a record for its first use: `struct_size`, and zeros.
 * @param[out] result nullable
 * @param struct_size sizeof *result: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_strip_report_init(nncf_strip_report *result, size_t struct_size);

/**
 * @brief Write the deployable model, replacing the file as nncf_checkpoint_save() does.
 *
 * The weights are those of forward in eval mode, bit for bit: forward multiplies by code times
 * scale, computed in float. The model's mode does not change.
 * @param ctrl of the model; its ranges must be initialized or loaded where it quantizes
 * @param path file to write
 * @param params nullable: all defaults
 * @param[out] report nullable; its struct_size must be set
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_STATE the model is gone, or a quantizer was never initialized;
 * NNCF_E_UNSUPPORTED an unmasked weight, a bias, a range, a batch norm parameter or a folded value
 * is not finite, or a running variance plus eps is not positive; and the errors of
 * nncf_checkpoint_save()
 * @par Memory the stored form of all weights at once, and one weight as float.
 * @par Threads one thread at a time for a controller and its model.
 * @since 0.1
 */
NNCF_API nncf_status nncf_strip_save(const nncf_compression_ctrl *ctrl, const char *path,
    const nncf_strip_params *params, nncf_strip_report *report, nncf_error *err);

NNCF_END_DECLS
#endif
