/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file shrink.h
 * @brief Removing pruned filters: the model becomes smaller, and training continues.
 *
 * `filter_pruning` sets filters to 0, which costs as much time as before. When the level has
 * arrived, nncf_compression_ctrl_shrink() takes the filters out, and with them the input channels
 * that read them: weights, biases, batch norms, quantizers per channel. The host moves its buffers,
 * and what its optimizer keeps of them, in a callback.
 *
 * Threads: as ctrl.h.
 */
#ifndef NNCF_SHRINK_H
#define NNCF_SHRINK_H

#include <nncf/base.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>

NNCF_BEGIN_DECLS

/** An array of a layer: one of NNCF_ARRAY_.... @since 0.1 */
typedef int32_t nncf_array;
/** Arrays that a shrink makes smaller. @since 0.1 */
enum {
    /** weight and weight_grad */
    NNCF_ARRAY_WEIGHT = 1,
    /** bias and bias_grad */
    NNCF_ARRAY_BIAS = 2,
    /** gamma and its gradient */
    NNCF_ARRAY_NORM_WEIGHT = 3,
    /** beta and its gradient */
    NNCF_ARRAY_NORM_BIAS = 4,
    /** running mean; it has no gradient */
    NNCF_ARRAY_RUNNING_MEAN = 5,
    /** running variance; it has no gradient */
    NNCF_ARRAY_RUNNING_VAR = 6,
    /** slopes of a PReLU and their gradient */
    NNCF_ARRAY_SLOPE = 7,
    /** a parameter of the controller, nncf_compression_ctrl_get_parameter(): its data, in place. Of
     * these only `moved` hears, for an optimizer that keeps something of them */
    NNCF_ARRAY_PARAMETER = 8,
    NNCF_ARRAY_SENTINEL = 0x7fffffff
};

/** @brief One array that becomes smaller. @since 0.1 */
typedef struct nncf_shrink_array {
    /** NNCF_PARAMS(nncf_shrink_array) */
    size_t struct_size;
    /** whose it is; until all arrays have moved the layer has its old sizes */
    nncf_layer *layer;
    /** NNCF_ARRAY_... */
    nncf_array array;
    /** 1 to 5 */
    int32_t ndim;
    /** the registered array, and its gradient (nullable) */
    float *data;
    /** nullable */
    float *grad;
    /** [ndim], before */
    const int64_t *shape;
    /** [ndim], after */
    const int64_t *new_shape;
    /** [ndim]: of each axis the new_shape[axis] indices that stay, ascending */
    const int64_t *const *kept;
    /**
     * set by `resize`: where the array is from now on; `data`, as it is when the callback begins:
     * in place, the kept elements move to the front. Else it does not overlap `data`
     */
    float *new_data;
    /** set by `resize`: the same of the gradient, which is cleared */
    float *new_grad;
} nncf_shrink_array;
/**
 * @brief Set up a record for its first use: `struct_size`, and zeros.
 * @param[out] result nullable
 * @param struct_size sizeof *result: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_shrink_array_init(nncf_shrink_array *result, size_t struct_size);

/**
 * @brief Copy what stays of an array of the old shape: the host's optimizer keeps such arrays.
 * @param array as a callback got it
 * @param from in the old shape
 * @param[out] to in the new shape; `from` itself is fine
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG
 * @par Threads any.
 * @since 0.1
 */
NNCF_API nncf_status nncf_shrink_gather(
    const nncf_shrink_array *array, const float *from, float *to, nncf_error *err);

/** @brief How to shrink. @since 0.1 */
typedef struct nncf_shrink_params {
    /** NNCF_PARAMS(nncf_shrink_params) */
    size_t struct_size;
    /**
     * nullable: all arrays stay where they are, with their kept elements in front. It runs for each
     * array before anything changes: allocate, set new_data and new_grad, return 0. It makes no
     * calls that change the controller or the model; those are found afterwards. Anything else
     * ends the call with NNCF_E_CALLBACK, and the model is as before; what the host has allocated
     * until then is the host's to free
     */
    int32_t (*resize)(void *user, nncf_shrink_array *array);
    /**
     * nullable; runs for each array, and each parameter of the controller that is smaller, after
     * all have their new contents: move what an optimizer keeps (nncf_shrink_gather()), free the
     * old arrays. The library reads these no more
     */
    void (*moved)(void *user, const nncf_shrink_array *array);
    /** passed on to both */
    void *user;
    /**
     * which filters go, in place of the controller's masks: the text "nncf.removed" of a snapshot
     * of the shrunk model, nncf_checkpoint_get_text(). A model that was registered whole is thus
     * made ready for that snapshot. Nullable
     */
    const char *removed;
} nncf_shrink_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_shrink_params_init(nncf_shrink_params *params, size_t struct_size);

/**
 * @brief Take the pruned filters out of the model.
 *
 * Afterwards layers have their new sizes everywhere: shapes, statistics, exports, snapshots. Masks
 * of filters are gone and `filter_pruning` has ended; sparsity and quantization continue. The
 * controller's parameters stay where they are, and `count` of those per channel is smaller: get
 * them again. A forward gives what the masked model gave: the same bits where products are of
 * codes, whose sums are exact; sums of floats have other roundings, since their order follows from
 * the sizes. Of an N:M mask that fitted before, weights are masked besides where channels that were
 * in two groups are in one now; the log says so. A backward needs another forward first.
 *
 * Every filter that goes must be 0 in what reads it, so that nothing is lost: without
 * `prune_batch_norms`, after a sigmoid, or where the host adds a bias, it is not. Outputs of the
 * model keep their channels.
 * @param ctrl of a config with filter_pruning
 * @param params nullable: in place
 * @param[out] err nullable; where is the scope of the layer that stands in the way
 * @return NNCF_OK; NNCF_E_STATE no filter_pruning, shrunk already, during initialization, with
 * replicas, the model is gone; NNCF_E_UNSUPPORTED a pruned filter is not 0 where it is read, or a
 * weight has a layout, groups of a quantizer, or several uses; NNCF_E_FORMAT, NNCF_E_SHAPE
 * `removed` is damaged, or of another model; NNCF_E_CALLBACK; NNCF_E_NOMEM; NNCF_E_ARG. The model
 * is then as before
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_shrink(
    nncf_compression_ctrl *ctrl, const nncf_shrink_params *params, nncf_error *err);

NNCF_END_DECLS
#endif
