/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file checkpoint.h
 * @brief Snapshots: one safetensors file with the caller's tensors and the controller's state.
 *
 * The file is an ordinary safetensors file: the caller's tensors under the caller's names, the
 * controller's under the names of nncf_parameter plus "nncf." names, and in `__metadata__` the
 * library and format version, the canonical config with its SHA-256, the schedule's and step
 * counters, the seed, a CRC-32C of the header and of every tensor, and whatever the caller adds.
 * docs/snapshots.md describes it all.
 *
 * Memory: an open snapshot holds its tensors once (at most 7 bytes a tensor more than the file).
 * They are read, not mapped: a file that another program truncates would kill a process that maps
 * it. Nothing is allocated from a size that was not compared with the file's.
 */
#ifndef NNCF_CHECKPOINT_H
#define NNCF_CHECKPOINT_H

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/tensor.h>

NNCF_BEGIN_DECLS

/** An opened snapshot. Opaque. @since 0.1 */
typedef struct nncf_checkpoint nncf_checkpoint;

/** @brief A tensor and its name. Passed in arrays, so frozen. @since 0.1 */
typedef struct nncf_checkpoint_tensor {
    /** unique in the file, 1..1024 bytes of UTF-8, not beginning with "nncf." or "__" */
    const char *name;
    /** C order */
    nncf_tensor tensor;
} nncf_checkpoint_tensor;

/** @brief A pair of texts for `__metadata__`. Passed in arrays, so frozen. @since 0.1 */
typedef struct nncf_checkpoint_text {
    /** unique, not beginning with "nncf." */
    const char *key;
    /** UTF-8 */
    const char *value;
} nncf_checkpoint_text;

/** @brief What else goes into a snapshot, and where it goes. @since 0.1 */
typedef struct nncf_checkpoint_save_params {
    /** NNCF_PARAMS(nncf_checkpoint_save_params) */
    size_t struct_size;
    /** pairs for `__metadata__` */
    const nncf_checkpoint_text *texts;
    /** length of texts */
    size_t n_texts;
    /** Nullable: an opened snapshot. Those of its tensors and texts that are neither the caller's
       nor the controller's are written as well, so that a program keeps what it does not know. */
    const nncf_checkpoint *carry;
    /** Instead of a path: takes all `size` bytes and returns 0; anything else: a failure. Called a
       few times, in the order of the file. */
    int32_t (*write)(void *user, const void *data, size_t size);
    /** first argument of write */
    void *user;
    /**
     * 1, with a path: what was at path stays, as "<path>.previous" (a hard link); at every moment
     * there is a whole snapshot at path. Default 0
     */
    int32_t keep_previous;
    /** must be 0 */
    int32_t reserved;
} nncf_checkpoint_save_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_checkpoint_save_params_init(
    nncf_checkpoint_save_params *params, size_t struct_size);

/**
 * @brief Write a snapshot: to a temporary file in the same folder, fsync, rename, fsync of the
 * folder. On failure the old file is still there, and the temporary one is not; only when the
 * folder cannot be synced at the end is the new file in place, and the message says so.
 * @param ctrl nullable: its state is saved too
 * @param path file to write, or NULL and nncf_checkpoint_save_params::write; what is there already
 * must be a regular file, not a link or a device; the new file has its mode, and its owner and
 * group as far as the process may set them
 * @param tensors the caller's tensors (weights, batch norm, optimizer state), n_tensors of them
 * @param n_tensors length of tensors
 * @param params nullable
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_IO (os_errno set), NNCF_E_STATE the controller's model is gone,
 * NNCF_E_ARG, NNCF_E_NOMEM, NNCF_E_CALLBACK write reported a failure
 * @par Threads the tensors must not change during the call.
 * @since 0.1
 */
NNCF_API nncf_status nncf_checkpoint_save(const nncf_compression_ctrl *ctrl, const char *path,
    const nncf_checkpoint_tensor *tensors, size_t n_tensors,
    const nncf_checkpoint_save_params *params, nncf_error *err);

/** @brief A snapshot that does not come from a file. @since 0.1 */
typedef struct nncf_checkpoint_open_params {
    /** NNCF_PARAMS(nncf_checkpoint_open_params) */
    size_t struct_size;
    /** Puts up to `size` bytes into data, sets n_read to their number (0: the end) and returns 0;
       anything else: a failure. */
    int32_t (*read)(void *user, void *data, size_t size, size_t *n_read);
    /** first argument of read */
    void *user;
    /** bytes that read will deliver; memory is allocated for no more than these */
    uint64_t size;
} nncf_checkpoint_open_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_checkpoint_open_params_init(
    nncf_checkpoint_open_params *params, size_t struct_size);

/**
 * @brief Open a snapshot and check all of its header. Any safetensors file opens, also one that
 * this library did not write.
 * @param context nullable
 * @param path file to read, or NULL and nncf_checkpoint_open_params::read
 * @param params nullable
 * @param[out] checkpoint close with nncf_checkpoint_close()
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_IO; NNCF_E_FORMAT damaged or not safetensors; NNCF_E_VERSION written by a
 * newer library; NNCF_E_CALLBACK read reported a failure; NNCF_E_NOMEM; NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_checkpoint_open(nncf_context *context, const char *path,
    const nncf_checkpoint_open_params *params, nncf_checkpoint **checkpoint, nncf_error *err);

/**
 * @brief Close a snapshot; views from it end. NULL is fine.
 * @param checkpoint nullable
 * @since 0.1
 */
NNCF_API void nncf_checkpoint_close(nncf_checkpoint *checkpoint);

/**
 * @brief Number of tensors, the controller's included; 0 for NULL.
 * @param checkpoint nullable
 * @return the number; 0 for NULL
 * @since 0.1
 */
NNCF_API size_t nncf_checkpoint_get_tensor_count(const nncf_checkpoint *checkpoint);
/**
 * @brief Name of tensor `index` (file order); NULL past the end. Borrowed.
 * @param checkpoint nullable
 * @param index counted from 0
 * @return borrowed; NULL past the end
 * @since 0.1
 */
NNCF_API const char *nncf_checkpoint_get_tensor_name(
    const nncf_checkpoint *checkpoint, size_t index);
/**
 * @brief A view of a tensor's bytes and shape; both are borrowed until close; read only.
 * @param checkpoint an open snapshot
 * @param name name of the tensor
 * @param[out] tensor the view
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_NOTFOUND; NNCF_E_DTYPE an element type that nncf_tensor does not have;
 * NNCF_E_LIMIT more than NNCF_MAX_NDIM dimensions; NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_checkpoint_get_tensor(
    const nncf_checkpoint *checkpoint, const char *name, nncf_tensor *tensor, nncf_error *err);
/**
 * @brief A text of `__metadata__`, or NULL. Borrowed.
 * @param checkpoint an open snapshot
 * @param key the key
 * @return borrowed; NULL when there is none
 * @since 0.1
 */
NNCF_API const char *nncf_checkpoint_get_text(const nncf_checkpoint *checkpoint, const char *key);

/**
 * @brief Copy tensors out of a snapshot: every one of `tensors` is filled from the tensor of its
 * name.
 *
 * All names, types and shapes are checked first; if any is missing or different nothing is copied,
 * the message names as many as it holds, and the log (level error) all of them.
 * @param checkpoint an open snapshot
 * @param tensors filled from the tensors of their names
 * @param n_tensors length of tensors
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_NOTFOUND, NNCF_E_SHAPE, NNCF_E_DTYPE, NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_checkpoint_read(const nncf_checkpoint *checkpoint,
    const nncf_checkpoint_tensor *tensors, size_t n_tensors, nncf_error *err);

/** @brief What nncf_checkpoint_restore() took over and what it did not. @since 0.1 */
typedef struct nncf_checkpoint_restore_report {
    /** NNCF_PARAMS(nncf_checkpoint_restore_report) */
    size_t struct_size;
    /** layers whose mask is the snapshot's */
    size_t masks_taken;
    /** sparsified layers for which it has none */
    size_t masks_fresh;
    /** masks of the snapshot that no layer takes: their zeros are lost */
    size_t masks_left;
    /** quantizers whose range is the snapshot's */
    size_t quantizers_taken;
    /** quantizers for which it has none */
    size_t quantizers_fresh;
    /** quantizers of the snapshot whose range no quantizer takes */
    size_t quantizers_left;
    /** 1: the ranges of activations that are missing come from batches, so the
       nncf_compression_ctrl_init_step() loop is to run. The ranges that were taken stay. */
    int32_t initialization_needed;
    /** 0 */
    int32_t reserved;
} nncf_checkpoint_restore_report;
/**
 * @brief Set up a record for its first use: `struct_size`, and zeros.
 * @param[out] result nullable
 * @param struct_size sizeof *result: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_checkpoint_restore_report_init(
    nncf_checkpoint_restore_report *result, size_t struct_size);

/** @brief How to restore. @since 0.1 */
typedef struct nncf_checkpoint_restore_params {
    /** NNCF_PARAMS(nncf_checkpoint_restore_params) */
    size_t struct_size;
    /**
     * 1: continue although the config differs in its canonical `compression` part; each difference
     * is a warning in the log. What both configs have is taken over by name: masks, logits, ranges;
     * and the counters. The present config decides the rest: the sparsity level follows its
     * schedule at the saved epoch, and bits and initializers are its own. Masks of const and
     * magnitude sparsity also come from logits of rb_sparsity, by the threshold of eval mode.
     *
     * For what the snapshot does not have: const_sparsity keeps the zeros that the weights have now
     * (so read them first), magnitude sparsity recomputes its masks, rb_sparsity begins with all
     * weights, ranges of weights are found at once and those of activations by initialization. Each
     * of these, and what of the snapshot nothing takes, is a warning in the log and a count in the
     * report. A magnitude mask that was taken stays until the next epoch_step. Default 0: refuse.
     */
    int32_t accept_config;
    /** must be 0 */
    int32_t reserved;
} nncf_checkpoint_restore_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_checkpoint_restore_params_init(
    nncf_checkpoint_restore_params *params, size_t struct_size);

/**
 * @brief Put a controller into the state that was saved: logits, masks, ranges, counters,
 * schedulers. Initialization is not run again.
 *
 * The config must be the same in its canonical `compression` part, unless
 * nncf_checkpoint_restore_params::accept_config says otherwise; else the message says what
 * differs, by key path, and nothing is changed. What does not fit into the message is in the log
 * (level error).
 * @param checkpoint an open snapshot
 * @param ctrl of a model with the same layers
 * @param params nullable
 * @param[out] report nullable: filled on success; its struct_size must be set
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_CONFIG another config; NNCF_E_NOTFOUND the snapshot has no controller's
 * state, lacks tensors, or with accept_config is of another model; NNCF_E_SHAPE; NNCF_E_DTYPE;
 * NNCF_E_FORMAT counters that make no sense; NNCF_E_STATE the model is gone; NNCF_E_NOMEM;
 * NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_checkpoint_restore(const nncf_checkpoint *checkpoint,
    nncf_compression_ctrl *ctrl, const nncf_checkpoint_restore_params *params,
    nncf_checkpoint_restore_report *report, nncf_error *err);

/**
 * @brief Names of the tensors in a snapshot that belong neither to `tensors` nor to the controller.
 * @param checkpoint an open snapshot
 * @param ctrl nullable
 * @param tensors the caller's tensors; each has a name
 * @param n_tensors length of tensors
 * @param[out] names nullable; the first `capacity` names in file order; borrowed from the snapshot
 * @param capacity length of names
 * @param[out] count how many there are
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_STATE the controller's model is gone; NNCF_E_NOMEM
 * @since 0.1
 */
NNCF_API nncf_status nncf_checkpoint_get_unknown_names(const nncf_checkpoint *checkpoint,
    const nncf_compression_ctrl *ctrl, const nncf_checkpoint_tensor *tensors, size_t n_tensors,
    const char **names, size_t capacity, size_t *count, nncf_error *err);

/** Result of a search by name: one of NNCF_MATCH_.... @since 0.1 */
typedef int32_t nncf_match_state;
/** What nncf_checkpoint_load_weights() did with a tensor. @since 0.1 */
enum {
    /** its values are the file's */
    NNCF_MATCH_LOADED = 0,
    /** no tensor of the file has that name */
    NNCF_MATCH_MISSING = 1,
    /** the one that has it is of another shape */
    NNCF_MATCH_SHAPE = 2,
    /** the one that has it is of a type that is not converted */
    NNCF_MATCH_TYPE = 3,
    /** several have it, none of them exactly */
    NNCF_MATCH_AMBIGUOUS = 4,
    NNCF_MATCH_SENTINEL = 0x7fffffff
};

/** @brief Load result of one tensor. Passed in arrays, so frozen. @since 0.1 */
typedef struct nncf_checkpoint_match {
    /** its name in the file, borrowed from the snapshot; NULL: missing */
    const char *source;
    /** NNCF_MATCH_... */
    nncf_match_state state;
    /** 0 */
    int32_t reserved;
} nncf_checkpoint_match;

/** Handling of masks in a file: one of NNCF_MASKS_.... @since 0.1 */
typedef int32_t nncf_mask_policy;
/** What nncf_checkpoint_load_weights() does with the sparsity masks in a file. @since 0.1 */
enum {
    /** Masked weights are loaded as 0: the model that the file's owner evaluated. A const_sparsity
       controller that is made from them keeps these zeros. */
    NNCF_MASKS_APPLY = 0,
    /** Weights are loaded as they are stored, as NNCF loads them where no algorithm takes the
       masks; the log (level warning) says for how many. */
    NNCF_MASKS_LEAVE = 1,
    NNCF_MASKS_SENTINEL = 0x7fffffff
};

/** @brief How nncf_checkpoint_load_weights() loads. @since 0.1 */
typedef struct nncf_checkpoint_load_params {
    /** NNCF_PARAMS(nncf_checkpoint_load_params) */
    size_t struct_size;
    /**
     * nullable: receives the first `capacity` names of tensors that no entry of `tensors` asked
     * for, in file order; the names are borrowed from the snapshot
     */
    const char **unexpected_names;
    /** length of unexpected_names */
    size_t capacity;
    /** NNCF_MASKS_...; default NNCF_MASKS_APPLY */
    nncf_mask_policy masks;
    /** must be 0 */
    int32_t reserved;
} nncf_checkpoint_load_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_checkpoint_load_params_init(
    nncf_checkpoint_load_params *params, size_t struct_size);

/** @brief Counts of nncf_checkpoint_load_weights(). @since 0.1 */
typedef struct nncf_checkpoint_load_report {
    /** NNCF_PARAMS(nncf_checkpoint_load_report) */
    size_t struct_size;
    /** tensors whose values are the file's */
    size_t loaded;
    /** tensors that the file does not have */
    size_t missing;
    /** tensors that the file has in another shape */
    size_t wrong_shape;
    /** tensors that the file has in a type that is not converted */
    size_t wrong_type;
    /** tensors that several of the file match, none of them exactly */
    size_t ambiguous;
    /** tensors of the file that no entry asked for; PyTorch's num_batches_tracked is not counted */
    size_t unexpected;
    /** weights that were loaded with the zeros of their masks */
    size_t masks_applied;
    /** weights that have a mask in the file and were loaded without it */
    size_t masks_left;
} nncf_checkpoint_load_report;
/**
 * @brief Set up a record for its first use: `struct_size`, and zeros.
 * @param[out] result nullable
 * @param struct_size sizeof *result: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_checkpoint_load_report_init(
    nncf_checkpoint_load_report *result, size_t struct_size);

/**
 * @brief Fill tensors from a third-party safetensors file, by name, as NNCF's samples load
 * `weights`.
 *
 * Names are compared part by part ("." between parts). Parts "module" and "nncf_module", which
 * wrappers add, do not count. A name that begins with a scope stands for the fields of the scope:
 * "ResNet/Sequential[layer1]/BasicBlock[0]/Conv2d[conv1].weight" is torchvision's
 * "layer1.0.conv1.weight". If that finds nothing, "pre_ops.N.op" counts as "operation". F64, F16
 * and BF16 are converted to F32. Tensors that are not loaded keep their values.
 *
 * From a stripped model (strip.h) weights come as the floats of eval mode: codes times scales,
 * zeros where they were stored sparsely. From a snapshot of a sparse training they come with its
 * zeros: masks of magnitude and const sparsity, the logits of rb_sparsity by the threshold of eval
 * mode, and in files of NNCF's `binary_mask`. nncf_checkpoint_read() gives the stored values.
 *
 * Order of a next stage: load the weights, make the controller, restore the snapshot if more than
 * weights is to come over, run initialization. docs/snapshots.md lists what each pair of stages has
 * in common.
 * @param checkpoint an open snapshot
 * @param tensors the caller's tensors; those that are found are overwritten
 * @param n_tensors length of tensors
 * @param params nullable
 * @param[out] matches nullable, n_tensors of them
 * @param[out] report nullable; its struct_size must be set
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_NOTFOUND no tensor could be loaded; NNCF_E_ARG; NNCF_E_NOMEM; for tensors
 * that make no sense as nncf_checkpoint_save(); NNCF_E_FORMAT a stripped model whose tensors are
 * not what it says. Nothing is changed if it fails
 * @since 0.1
 */
NNCF_API nncf_status nncf_checkpoint_load_weights(const nncf_checkpoint *checkpoint,
    const nncf_checkpoint_tensor *tensors, size_t n_tensors,
    const nncf_checkpoint_load_params *params, nncf_checkpoint_match *matches,
    nncf_checkpoint_load_report *report, nncf_error *err);

NNCF_END_DECLS
#endif
