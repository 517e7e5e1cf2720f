/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file checkpoint.h
 * @brief Snapshots: one safetensors file with the caller's tensors and the controller's state.
 *
 * The file is an ordinary safetensors file: the caller's tensors under the caller's names, the controller's under the
 * names of nncf_parameter plus "nncf." names, and in `__metadata__` the format version, the canonical config, counters
 * and whatever the caller adds.
 */
#ifndef NNCF_CHECKPOINT_H
#define NNCF_CHECKPOINT_H

#include <nncf/base.h>
#include <nncf/compression.h>
#include <nncf/tensor.h>

NNCF_BEGIN_DECLS

/** An opened snapshot. Opaque. @since 0.1 */
typedef struct nncf_checkpoint nncf_checkpoint;

/** @brief A tensor and its name. Passed in arrays, so frozen. @since 0.1 */
typedef struct nncf_checkpoint_tensor {
    const char *name;   /**< unique in the file, 1..1024 bytes of UTF-8, not beginning with "nncf." or "__" */
    nncf_tensor tensor; /**< C order */
} nncf_checkpoint_tensor;

/** @brief A pair of texts for `__metadata__`. Passed in arrays, so frozen. @since 0.1 */
typedef struct nncf_checkpoint_text {
    const char *key;   /**< unique, not beginning with "nncf." */
    const char *value; /**< UTF-8 */
} nncf_checkpoint_text;

/**
 * @brief Write a snapshot: to a temporary file in the same folder, fsync, rename, fsync of the folder. On failure the
 * old file is still there, and the temporary one is not; only when the folder cannot be synced at the end is the new
 * file in place, and the message says so.
 * @param ctrl     nullable: its state is saved too
 * @param path     file to write; what is there already must be a regular file, not a link or a device
 * @param tensors  the caller's tensors (weights, batch norm, optimizer state), n_tensors of them
 * @param texts    nullable, n_texts pairs
 * @param[out] err nullable
 * @par Threads: nobody may change the tensors meanwhile.
 * @par Errors NNCF_E_IO (os_errno set), NNCF_E_ARG, NNCF_E_NOMEM. @since 0.1
 */
NNCF_API nncf_status nncf_checkpoint_save(const nncf_compression_ctrl *ctrl, const char *path,
                                          const nncf_checkpoint_tensor *tensors, size_t n_tensors,
                                          const nncf_checkpoint_text *texts, size_t n_texts, nncf_error *err);

/**
 * @brief Open a snapshot and check all of its header. Any safetensors file opens, also one that this library did not
 * write.
 * @param context nullable
 * @par Errors NNCF_E_IO; NNCF_E_FORMAT damaged or not safetensors; NNCF_E_VERSION written by a newer library;
 * NNCF_E_NOMEM; NNCF_E_ARG.
 * @since 0.1
 */
NNCF_API nncf_status nncf_checkpoint_open(nncf_context *context, const char *path, nncf_checkpoint **checkpoint,
                                          nncf_error *err);
/** @brief Close a snapshot; views from it end. NULL is fine. @since 0.1 */
NNCF_API void nncf_checkpoint_close(nncf_checkpoint *checkpoint);

/** @brief Number of tensors, the controller's included; 0 for NULL. @since 0.1 */
NNCF_API size_t nncf_checkpoint_count(const nncf_checkpoint *checkpoint);
/** @brief Name of tensor `index` (file order); NULL past the end. Borrowed. @since 0.1 */
NNCF_API const char *nncf_checkpoint_name(const nncf_checkpoint *checkpoint, size_t index);
/**
 * @brief A view of a tensor's bytes and shape; both are borrowed until close; read only.
 * @return NNCF_OK; NNCF_E_NOTFOUND; NNCF_E_DTYPE an element type that nncf_tensor does not have; NNCF_E_LIMIT more than
 * NNCF_MAX_NDIM dimensions; NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_checkpoint_get(const nncf_checkpoint *checkpoint, const char *name, nncf_tensor *tensor);
/** @brief A text of `__metadata__`, or NULL. Borrowed. @since 0.1 */
NNCF_API const char *nncf_checkpoint_text_get(const nncf_checkpoint *checkpoint, const char *key);

/**
 * @brief Copy tensors out of a snapshot: every one of `tensors` is filled from the tensor of its name.
 *
 * All names, types and shapes are checked first; if any is missing or different nothing is copied and the message names
 * them.
 * @par Errors NNCF_E_NOTFOUND, NNCF_E_SHAPE, NNCF_E_DTYPE, NNCF_E_ARG. @since 0.1
 */
NNCF_API nncf_status nncf_checkpoint_read(const nncf_checkpoint *checkpoint, const nncf_checkpoint_tensor *tensors,
                                          size_t n_tensors, nncf_error *err);

/**
 * @brief Put a controller into the state that was saved: logits, masks, ranges, counters, schedulers. Initialization is
 * not run again.
 *
 * The config must be the same in its canonical `compression` part; otherwise the message says so and nothing is
 * changed.
 * @par Errors NNCF_E_CONFIG another config; NNCF_E_NOTFOUND the snapshot has no controller's state, or lacks tensors;
 * NNCF_E_SHAPE; NNCF_E_DTYPE; NNCF_E_FORMAT counters that make no sense; NNCF_E_STATE the model is gone; NNCF_E_NOMEM;
 * NNCF_E_ARG.
 * @since 0.1
 */
NNCF_API nncf_status nncf_checkpoint_restore(const nncf_checkpoint *checkpoint, nncf_compression_ctrl *ctrl,
                                             nncf_error *err);

NNCF_END_DECLS
#endif
