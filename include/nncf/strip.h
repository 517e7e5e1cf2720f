/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file strip.h
 * @brief The deployable model: one safetensors file with what inference needs and nothing else.
 *
 * Masks are applied, quantized weights are integer codes with scales, batch norm is folded when
 * asked, ranges of activations are there, and training state is not. docs/snapshots.md describes
 * names and types; any safetensors reader reads the file.
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
     * 1: batch norm goes into the weight's scales (or the float weight) and the bias; codes stay
     * what they are, and scales may become negative. Default 0: its four arrays
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

/** @brief What came of it. @since 0.1 */
typedef struct nncf_strip_report {
    /** NNCF_PARAMS(nncf_strip_report) */
    size_t struct_size;
    /** elements of all weights */
    int64_t weights;
    /** of these, how many are 0 after mask and quantizer */
    int64_t zeros;
    /** all registered parameters and running statistics as float32 */
    uint64_t bytes_float;
    /** weights in the file: codes, masks, scales, zero points */
    uint64_t bytes_weights;
    /** the file */
    uint64_t bytes_file;
} nncf_strip_report;

/**
 * @brief Write the deployable model, replacing the file as nncf_checkpoint_save() does.
 *
 * The weights are those of forward in eval mode, bit for bit: code times scale, in float, is what
 * forward multiplies with. The model's mode stays what it is.
 * @param ctrl of the model; its ranges must be initialized or loaded where it quantizes
 * @param path file to write
 * @param params nullable: all defaults
 * @param[out] report nullable; its struct_size must be set
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_STATE the model is gone, or a quantizer was never initialized;
 * NNCF_E_UNSUPPORTED a weight that its mask keeps, a bias, a range, a number of batch norm, or what
 * that is folded into is not finite, or a running variance is not above -eps; and those of
 * nncf_checkpoint_save()
 * @par Memory the stored form of all weights at once, and one weight as float.
 * @par Threads one thread at a time for a controller and its model.
 * @since 0.1
 */
NNCF_API nncf_status nncf_strip_save(const nncf_compression_ctrl *ctrl, const char *path,
    const nncf_strip_params *params, nncf_strip_report *report, nncf_error *err);

NNCF_END_DECLS
#endif
