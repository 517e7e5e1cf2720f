/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file accuracy_aware.h
 * @brief Accuracy-aware training: the config says how far the metric may fall, and the caller's
 * training loop learns, epoch by epoch, at which compression rate to continue.
 *
 * The loop is the caller's, as everywhere:
 *
 *     nncf_accuracy_aware_create(ctrl, config, &params, &search, &err);
 *     for (;;) {
 *         nncf_accuracy_aware_report(search, validate(), &decision, &err);
 *         if (decision.save_best)
 *             save the snapshot that is restored below, over the last one
 *         if (decision.restore_best)
 *             restore it
 *         if (decision.set_rate)
 *             nncf_compression_ctrl_set_compression_rate(ctrl, decision.compression_rate, &err);
 *         if (decision.reset_optimizer)
 *             restart the optimizer and the learning rate's schedule, at decision.lr_factor
 *             times the learning rate of the beginning
 *         if (decision.stop)
 *             break;
 *         train an epoch, with nncf_compression_ctrl_epoch_step() as usual
 *     }
 *
 * The first report comes before the first epoch, after initialization. Modes and rules are those
 * of NNCF (training_loop.py of 2.17); docs/formulas.md has them, and where they differ.
 */
#ifndef NNCF_ACCURACY_AWARE_H
#define NNCF_ACCURACY_AWARE_H

#include <nncf/base.h>
#include <nncf/config.h>
#include <nncf/ctrl.h>

NNCF_BEGIN_DECLS

/** Opaque. @since 0.1 */
typedef struct nncf_accuracy_aware nncf_accuracy_aware;

/** @brief What the config does not say. @since 0.1 */
typedef struct nncf_accuracy_aware_params {
    /** NNCF_PARAMS(nncf_accuracy_aware_params) */
    size_t struct_size;
    /** metric of the model before compression, in the unit of those that are reported; higher is
     * better */
    double uncompressed_metric;
    /** rates that the search may try; default 0 and 0.95 */
    double minimal_compression_rate;
    /** below 1; 0: the default. With structure n:m of magnitude_sparsity no rate above 1 - n / m is
     * tried */
    double maximal_compression_rate;
    /** nullable: text of nncf_accuracy_aware_get_state(): the search continues from there. The
     * controller is restored from the snapshot of the same moment first */
    const char *state;
} nncf_accuracy_aware_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_accuracy_aware_params_init(
    nncf_accuracy_aware_params *params, size_t struct_size);

/** @brief What the loop does next, in the order of the members. @since 0.1 */
typedef struct nncf_accuracy_aware_decision {
    /** NNCF_PARAMS(nncf_accuracy_aware_decision) */
    size_t struct_size;
    /** 1: save a snapshot now, over the best one */
    int32_t save_best;
    /** 1: restore the best one; there is one then */
    int32_t restore_best;
    /** 1: set the rate, after restoring */
    int32_t set_rate;
    /** 1: restart the optimizer, with the learning rate of the beginning times lr_factor */
    int32_t reset_optimizer;
    /** 1: no further epoch */
    int32_t stop;
    /** 1: what is there after this decision is compressed as the config requests and meets the
     * criterion; counts when stop is 1 */
    int32_t criterion_met;
    /** of the next epoch, or of the result */
    double compression_rate;
    /** of the learning rate, at most 1 */
    double lr_factor;
    /** the reported metric minus the least that is tolerated */
    double budget;
    /** metric and compression rate of the best snapshot; NaN: there is none */
    double best_metric;
    /** its compression rate */
    double best_compression_rate;
    /** epochs so far */
    int64_t epochs;
} nncf_accuracy_aware_decision;
/**
 * @brief Set up a record for its first use: `struct_size`, and zeros.
 * @param[out] result nullable
 * @param struct_size sizeof *result: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_accuracy_aware_decision_init(
    nncf_accuracy_aware_decision *result, size_t struct_size);

/**
 * @brief Begin what `accuracy_aware_training` of the config says.
 * @param ctrl lives longer
 * @param config that of the controller; only read
 * @param params what the config does not say
 * @param[out] search destroy with nncf_accuracy_aware_destroy()
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_CONFIG the config has no accuracy_aware_training; NNCF_E_UNSUPPORTED it
 * searches for a compression rate, and no algorithm has one that can be searched for
 * (magnitude_sparsity has, and filter_pruning); NNCF_E_FORMAT the state is none; NNCF_E_STATE the
 * model is gone; NNCF_E_ARG; NNCF_E_NOMEM
 * @par Threads as for the controller.
 * @since 0.1
 */
NNCF_API nncf_status nncf_accuracy_aware_create(nncf_compression_ctrl *ctrl,
    const nncf_config *config, const nncf_accuracy_aware_params *params,
    nncf_accuracy_aware **search, nncf_error *err);
/**
 * @brief Destroy it. NULL is fine.
 * @param search nullable
 * @since 0.1
 */
NNCF_API void nncf_accuracy_aware_destroy(nncf_accuracy_aware *search);

/**
 * @brief Report the metric: once before the first epoch, then after each, with what validation
 * gives for the model as it is now.
 * @param search the search
 * @param metric finite; higher is better. For a loss report minus the loss, with a maximal absolute
 * degradation in the config
 * @param[out] decision its struct_size must be set
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_STATE the last decision was to stop, or its compression rate
 * was not set, or the model is gone. Nothing is changed then
 * @since 0.1
 */
NNCF_API nncf_status nncf_accuracy_aware_report(nncf_accuracy_aware *search, double metric,
    nncf_accuracy_aware_decision *decision, nncf_error *err);

/**
 * @brief The state as a text, for a training that is to be resumed: put it among the texts of a
 * snapshot (nncf_checkpoint_save_params::texts) that is saved after the decision was carried out.
 * @param search the search
 * @param[out] buffer at most `capacity` bytes with the final NUL; may be NULL when capacity is 0
 * @param capacity bytes of buffer
 * @param[out] needed nullable; bytes that the whole text takes, NUL included
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_BUFFER capacity too small; NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_accuracy_aware_get_state(const nncf_accuracy_aware *search, char *buffer,
    size_t capacity, size_t *needed, nncf_error *err);

NNCF_END_DECLS
#endif
