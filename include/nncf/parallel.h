/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file parallel.h
 * @brief Data parallel training: several processes (ranks), or several threads with a replica of
 * the model each, work on parts of one batch. docs/guide_parallel.md shows both.
 *
 * The library sends nothing by itself. The host adds up gradients, which nncf_model_get_gradient()
 * lists in an order that is the same everywhere; where the library has statistics of a batch
 * (ranges of quantizers, batch norm) it calls the host's nncf_collective_params::all_reduce.
 * Masks follow from weights and noise from counters, so that ranks agree on them without a word.
 *
 * Every rank makes the same calls in the same order, with the same seed, config and weights.
 */
#ifndef NNCF_PARALLEL_H
#define NNCF_PARALLEL_H

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/layer.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

NNCF_BEGIN_DECLS

/** How the values of all ranks are combined: one of NNCF_REDUCE_.... @since 0.1 */
typedef int32_t nncf_reduction;
/** Reductions of nncf_collective_params::all_reduce. @since 0.1 */
enum {
    /** their sum */
    NNCF_REDUCE_SUM = 0,
    /** the smallest */
    NNCF_REDUCE_MIN = 1,
    /** the largest */
    NNCF_REDUCE_MAX = 2,
    NNCF_REDUCE_SENTINEL = 0x7fffffff
};

/** Set of NNCF_COLLECTIVE_...: what else is computed over all ranks. @since 0.1 */
typedef int32_t nncf_collective_flags;
/** Bits of nncf_collective_flags. @since 0.1 */
enum {
    /**
     * batch norm normalizes with the statistics of all ranks' batches (SyncBatchNorm), as one
     * process would with the whole batch: one all_reduce a layer in forward, and one in backward.
     * Default: each rank with those of its own part. While ranges are initialized and batch norm is
     * adapted, statistics are always those of all ranks
     */
    NNCF_COLLECTIVE_SYNC_BATCH_NORM = 1,
    NNCF_COLLECTIVE_SENTINEL = 0x7fffffff
};

/** @brief The ranks, and how values get from one to another. @since 0.1 */
typedef struct nncf_collective_params {
    /** NNCF_PARAMS(nncf_collective_params) */
    size_t struct_size;
    /** this one, counted from 0 */
    int32_t rank;
    /** how many there are, at least 1 */
    int32_t size;
    /**
     * Replace each of `count` values by the sum, the smallest or the largest (`reduction`) of the
     * values that the ranks have in its place, and return 0; anything else means that this failed,
     * and makes the call NNCF_E_CALLBACK. It returns when it is done, and leaves the same bits with
     * every rank. `dtype` is NNCF_F32, NNCF_I64 or NNCF_F64. It runs on the thread of the call.
     */
    int32_t (*all_reduce)(
        void *user, void *values, size_t count, nncf_dtype dtype, nncf_reduction reduction);
    /** first argument of all_reduce */
    void *user;
    /** NNCF_COLLECTIVE_... or-ed */
    nncf_collective_flags flags;
    /** must be 0 */
    int32_t reserved;
} nncf_collective_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_collective_params_init(nncf_collective_params *params, size_t struct_size);

/**
 * @brief Make a model one of several ranks.
 *
 * From then on nncf_compression_ctrl_init_step() merges what the ranks have observed: the ranges
 * are those that one process would find in the batches of all ranks, bit for bit, and image counts
 * of a config are those of all ranks. Batch norm follows `flags`, dropout drops what one process
 * would drop in the whole batch (nncf_model_set_first_row()). Nothing else is sent: gradients are
 * the host's.
 *
 * When all_reduce has failed every later call that needs it fails, too, without calling it, until
 * this function is called again. What was computed is then of no use: end the run and begin with
 * the last snapshot.
 * @param model the model; what forwards have kept is dropped
 * @param params nullable: a single process again; the struct is copied
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_STATE initialization is under way, or a batch of replicas, or
 * the model is a replica; NNCF_E_UNSUPPORTED the model is binarized, or has replicas and batch norm
 * is to be synchronized
 * @par Ownership `user` stays the caller's, and must outlive the model's use of it.
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_set_collective(
    nncf_model *model, const nncf_collective_params *params, nncf_error *err);

/**
 * @brief Where the rows (first dimension) of this rank or replica begin in the whole batch: what
 * dropout drops depends on it.
 * @param model the model
 * @param row at least 0; -1 (default): the number of parts before (of the ranks before, then the
 * model's, then those of the replicas) times the rows that the layer is given, which is right where
 * all parts have the same number
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_set_first_row(nncf_model *model, int64_t row, nncf_error *err);

/**
 * @name Gradients
 * The list begins with what backward finishes first: it goes through the layers from the last that
 * was registered to the first; of a layer it has weight, bias and batch norm, then its mask logits
 * and ranges. Weights of tied layers stand once, with the layer that was registered first. So a
 * host packs and sends the beginning of the list while backward still works on the rest. (Call
 * nncf_compression_ctrl_loss_backward() before backward then.)
 * @{
 */

/** What a gradient belongs to: one of NNCF_GRADIENT_OF_.... @since 0.1 */
typedef int32_t nncf_gradient_kind;
/** Kinds of nncf_gradient. @since 0.1 */
enum {
    /** the registered weight */
    NNCF_GRADIENT_OF_WEIGHT = 1,
    /** the registered bias */
    NNCF_GRADIENT_OF_BIAS = 2,
    /** gamma of batch, layer or group norm; slopes of a prelu */
    NNCF_GRADIENT_OF_NORM_WEIGHT = 3,
    /** beta of batch, layer or group norm */
    NNCF_GRADIENT_OF_NORM_BIAS = 4,
    /** mask logits or a range: what nncf_compression_ctrl_get_parameter() lists */
    NNCF_GRADIENT_OF_PARAMETER = 5,
    NNCF_GRADIENT_OF_SENTINEL = 0x7fffffff
};

/** @brief A gradient buffer of a model or of its controller. @since 0.1 */
typedef struct nncf_gradient {
    /** NNCF_PARAMS(nncf_gradient) */
    size_t struct_size;
    /** whose it is; borrowed */
    nncf_layer *layer;
    /** of NNCF_GRADIENT_OF_PARAMETER: its name, as nncf_parameter::name; else the layer's scope;
     * borrowed */
    const char *name;
    /** where the values begin; borrowed, or the caller's own buffer */
    float *data;
    /** how many values; what nncf_model_pack_gradients() writes for it */
    size_t count;
    /** NNCF_GRADIENT_OF_... */
    nncf_gradient_kind kind;
    /** 1: they do not lie one after the other (row_stride of nncf_weight_layout_params) */
    int32_t has_gaps;
} nncf_gradient;
/**
 * @brief Set up a record for its first use: `struct_size`, and zeros.
 * @param[out] result nullable
 * @param struct_size sizeof *result: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_gradient_init(nncf_gradient *result, size_t struct_size);

/**
 * @brief Number of gradient buffers: those that were registered, and those of the controller.
 * Changes when a layer is added, or a controller made or destroyed.
 * @param model nullable
 * @return the number; 0 for NULL
 * @since 0.1
 */
NNCF_API size_t nncf_model_get_gradient_count(const nncf_model *model);
/**
 * @brief Gradient `index` of the list.
 * @param model the model
 * @param index counted from 0
 * @param[in,out] gradient its struct_size must be set
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_NOTFOUND past the end; NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_get_gradient(
    const nncf_model *model, size_t index, nncf_gradient *gradient, nncf_error *err);
/**
 * @brief Copy some gradients into one array, one after the other.
 * @param model the model
 * @param first of the list
 * @param n how many
 * @param[out] values as many floats as these have together
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG, also where the list has less
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_pack_gradients(
    const nncf_model *model, size_t first, size_t n, float *values, nncf_error *err);
/**
 * @brief Replace gradients by those of an array, multiplied: after a sum over `size` ranks whose
 * losses are means over their own parts, the factor is 1.0 / size.
 * @param model the model
 * @param first of the list
 * @param n how many
 * @param values as nncf_model_pack_gradients() wrote them, or the sum of such
 * @param factor finite; the products are rounded to float once
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG, also where the list has less
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_unpack_gradients(
    nncf_model *model, size_t first, size_t n, const float *values, double factor, nncf_error *err);
/** @} */

/**
 * @brief Running means and variances of all batch norms become their averages over the ranks: where
 * ranks normalize on their own (without NNCF_COLLECTIVE_SYNC_BATCH_NORM) theirs differ. Call it on
 * every rank before evaluation and before a snapshot. With one rank it does nothing.
 * @param model the model
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_CALLBACK all_reduce has failed; NNCF_E_NOMEM (only on the first call);
 * NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_average_statistics(nncf_model *model, nncf_error *err);

/**
 * @brief Check that all ranks are in step: weights, biases, norms, mask logits, ranges, what is
 * known of oscillating weights, and the counters of the controller have the same bits everywhere
 * (running statistics are left out). Cheap enough for every epoch: the ranks exchange a checksum a
 * layer.
 * @param model the model
 * @param[out] err nullable; where is the first layer that differs
 * @return NNCF_OK, also with one rank; NNCF_E_STATE they differ; NNCF_E_CALLBACK; NNCF_E_NOMEM;
 * NNCF_E_ARG. The result is the same on every rank
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_check_ranks(nncf_model *model, nncf_error *err);

/**
 * @name Replicas
 * A batch that is divided among threads of the host, as KANN's kann_mt does: each thread runs
 * forward and backward of its rows on a replica. A replica has the weights, masks and ranges of its
 * model, and activations and gradients of its own. All other calls are made on the model, by one
 * thread.
 * @{
 */

/**
 * @brief Make a replica of a model that has its controller.
 *
 * Its layers have the scopes and the order of the model's; nncf_layer_forward() and all that
 * belongs to a step (nncf_layer_backward(), those with kernels of the host) run on them while
 * other threads run the model and other replicas. Calls that change a model or need a controller
 * are refused or do not see it. Its gradients are listed by nncf_model_get_gradient(), and hold the
 * sums of its own part only until nncf_model_end_replicas(). Batch norm normalizes each part on its
 * own, also while ranges are initialized and where the model is one of several ranks
 * (nncf_model_set_collective(), without NNCF_COLLECTIVE_SYNC_BATCH_NORM): there gradients and
 * statistics are those of all parts of the rank, and then go to the other ranks. Give every rank as
 * many replicas.
 * @param model with its controller; not a replica
 * @param context of its own: a context serves one thread at a time; with the model's seed, and one
 * thread, since the replicas run side by side; nullable: the replica makes itself one like that
 * @param[out] replica destroy it (nncf_model_destroy()) before the controller and the model
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_STATE the model has no controller, is a replica, or initialization is
 * under way; NNCF_E_UNSUPPORTED the model is one of several ranks with synchronized batch norm;
 * NNCF_E_ARG, also for a context that is the model's or has another seed; NNCF_E_NOMEM
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_create_replica(
    nncf_model *model, nncf_context *context, nncf_model **replica, nncf_error *err);
/**
 * @brief Before the threads start with a batch: replicas get the state of the model and of its
 * controller (mode, step, ranges, running statistics), and cleared gradients.
 * @param model the model, whose own gradients stay as they are
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_STATE the model has no replicas, or the last batch was not ended;
 * NNCF_E_NOMEM; NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_begin_replicas(nncf_model *model, nncf_error *err);
/**
 * @brief When all threads are done: gradients of the replicas are added to the model's, in the
 * order in which replicas were made, so that the result does not depend on the threads; running
 * statistics become the averages over model and replicas, and while ranges are initialized what
 * replicas have observed is merged.
 *
 * If the model's part and those of the replicas have the same number of rows, and each gradient is
 * of a mean over its own part, multiply the gradients of the step by 1 / (replicas + 1), or the
 * loss by it. All of them must have run, the model too.
 * @param model the model
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_STATE no batch is under way, or initialization continued; NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_model_end_replicas(nncf_model *model, nncf_error *err);
/** @} */

NNCF_END_DECLS
#endif
