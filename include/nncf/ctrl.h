/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ctrl.h
 * @brief The controller: what a config does to a model, stepped by the caller's training loop.
 *
 * In a training loop: initialize (quantizer ranges from a few batches); per batch forward, loss,
 * nncf_compression_ctrl_loss_backward(), backward, optimizer over the caller's parameters and
 * nncf_compression_ctrl_get_parameter(), nncf_compression_ctrl_step(); after each epoch
 * nncf_compression_ctrl_epoch_step(), then statistics and snapshot.
 *
 * Common training-loop mistakes are logged once each as warnings: the loss never requested,
 * epoch_step never called, step before initialization ended, parameters with gradients that never
 * move.
 *
 * Threads: one thread at a time for a controller and its model.
 */
#ifndef NNCF_CTRL_H
#define NNCF_CTRL_H

#include <nncf/base.h>
#include <nncf/config.h>
#include <nncf/model.h>

NNCF_BEGIN_DECLS

/** Opaque. @since 0.1 */
typedef struct nncf_compression_ctrl nncf_compression_ctrl;

/**
 * @brief Apply a config to a model.
 *
 * Decides which weights are masked and quantized and where activation quantizers are inserted, sets
 * the sparsity level of epoch 0, and initializes the weight quantizers. A config without algorithms
 * gives a controller that changes nothing: plain training. All unmatched scope patterns are
 * reported together, each with the nearest registered scope: as warnings in the log, or as an
 * error, as nncf_config_params::scopes selects.
 * @param model with all of its layers
 * @param config the config
 * @param[out] ctrl destroy before the model. A model has at most one controller at a time
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_STATE the model has a controller already or no layers; NNCF_E_UNSUPPORTED
 * the config uses what this release does not support, or a quantizer where a layer cannot have one;
 * NNCF_E_CONFIG scopes without a match, or a bad regular expression; NNCF_E_LIMIT a regular
 * expression takes too long; NNCF_E_ARG; NNCF_E_NOMEM. The model is then as before
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_create(
    nncf_model *model, const nncf_config *config, nncf_compression_ctrl **ctrl, nncf_error *err);

/**
 * @brief Destroy a controller; its model computes plainly afterwards. NULL is fine.
 * @param ctrl nullable
 * @since 0.1
 */
NNCF_API void nncf_compression_ctrl_destroy(nncf_compression_ctrl *ctrl);

/**
 * @brief Initialization: call repeatedly, and while `more` is 1 run one forward of every layer over
 * a batch.
 *
 * `while (nncf_compression_ctrl_init_step(ctrl, &more, &err) == NNCF_OK && more)
 * forward(next_batch());`
 * is the whole loop. The first batches set the ranges of activation quantizers (`num_init_steps` of
 * them, or as many as contain `num_init_samples` images; of several range rules the longest). In
 * these forwards quantizers of activations observe and pass their input on; masks are
 * deterministic; batch norm uses batch statistics in train mode and running ones in eval mode, and
 * changes neither. The call after the last batch sets the ranges. Ranges that were never
 * initialized (and not loaded) start at scale 1.
 *
 * Then, with `batchnorm_adaptation` in the config, further batches recompute the running statistics
 * of batch norm, with active masks and quantizers: first `num_bn_forget_steps` at momentum 0.9,
 * then the requested number at each layer's momentum. The loop is the same; the last call sets
 * `more` to 0.
 *
 * An image is a row of the batch dimension; a batch counts as many as the largest of the forwards
 * in it. Nothing is kept for backward meanwhile. Order-statistic rules (percentile,
 * mean_percentile, threesigma) are exact up to 4096 elements (per channel: 512 each); beyond that
 * they are estimated from a fixed-size histogram, with the error stated in docs/formulas.md.
 * @param ctrl the controller
 * @param[out] more 1: run one batch and call again. 0: done
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_STATE a quantizer received no data in the last batch, or no layer ran
 * (did every layer run forward?); NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_init_step(
    nncf_compression_ctrl *ctrl, int32_t *more, nncf_error *err);

/**
 * @brief Backward of the compression loss: its gradient is added to the gradients of the mask
 * logits. Call once a step, and add the loss to the reported one.
 *
 * The loss is ((active / total - (1 - level)) / 0.05)^2 over all RB-sparsified layers together, of
 * the present mask logits; 0 without rb_sparsity and after the freeze.
 * @param ctrl the controller
 * @param[out] loss nullable
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_STATE the model is gone
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_loss_backward(
    nncf_compression_ctrl *ctrl, double *loss, nncf_error *err);

/** Order of calls in the training loop: one of NNCF_ORDER_.... @since 0.1 */
typedef int32_t nncf_order;
/** Where step and epoch_step stand in the training loop. @since 0.1 */
enum {
    /** step after each batch, epoch_step after each epoch: NNCF 1.0 to 1.5, the default */
    NNCF_ORDER_AFTER = 0,
    /** step before each batch, epoch_step before each epoch: NNCF 1.6 and later */
    NNCF_ORDER_BEFORE = 1,
    NNCF_ORDER_SENTINEL = 0x7fffffff
};

/**
 * @brief Set where the loop calls nncf_compression_ctrl_step() and
 * nncf_compression_ctrl_epoch_step().
 *
 * With NNCF_ORDER_BEFORE the first call of either does not move on: epoch 0 and batch 0 begin with
 * it. Levels, masks and noise of each batch are then the same as in a loop of the other order. A
 * loop that uses the other order is detected at its first batch and logged as a warning. The order
 * is not part of a snapshot: set it again before restoring one.
 * @param ctrl the controller
 * @param order NNCF_ORDER_...
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_STATE training has begun, or the model is gone
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_set_order(
    nncf_compression_ctrl *ctrl, nncf_order order, nncf_error *err);

/**
 * @brief After the optimizer's step of each batch (or before each batch, see
 * nncf_compression_ctrl_set_order()): counts the step, which gives the next one its own random
 * masks, and moves a schedule by optimizer steps.
 * @param ctrl the controller
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_STATE during initialization, or when the model is gone
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_step(nncf_compression_ctrl *ctrl, nncf_error *err);

/**
 * @brief After each epoch (or before, see nncf_compression_ctrl_set_order()): next sparsity level,
 * new magnitude masks, freeze when due.
 * @param ctrl the controller
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_STATE; NNCF_E_NOMEM
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_epoch_step(nncf_compression_ctrl *ctrl, nncf_error *err);

/** Kind of a parameter: one of NNCF_PARAMETER_.... @since 0.1 */
typedef int32_t nncf_parameter_kind;
/** Kinds of nncf_parameter. @since 0.1 */
enum {
    /** RB sparsity: one a weight */
    NNCF_PARAMETER_MASK_LOGIT = 1,
    /** range of a symmetric quantizer */
    NNCF_PARAMETER_SCALE = 2,
    /** asymmetric quantizer */
    NNCF_PARAMETER_INPUT_LOW = 3,
    /** asymmetric quantizer */
    NNCF_PARAMETER_INPUT_RANGE = 4,
    NNCF_PARAMETER_SENTINEL = 0x7fffffff
};

/** @brief A trainable array of the controller's, for the caller's optimizer. @since 0.1 */
typedef struct nncf_parameter {
    /** NNCF_PARAMS(nncf_parameter) */
    size_t struct_size;
    /**
     * "<scope>.pre_ops.mask", ".pre_ops.weight_quantizer.scale", ".activation_quantizer.scale",
     * ".input_quantizer.scale", ".pre_activation_quantizer.scale" (of a sum); asymmetric quantizers
     * end in ".input_low" and ".input_range"; borrowed
     */
    const char *name;
    /** to be updated in place by the optimizer; borrowed */
    float *data;
    /** added to by backward and loss; cleared by nncf_compression_ctrl_zero_grad(); borrowed */
    float *grad;
    /** floats in data and in grad */
    size_t count;
    /** NNCF_PARAMETER_... */
    nncf_parameter_kind kind;
    /** 1: leave it alone (mask logits from `sparsity_training_steps` epochs on) */
    int32_t frozen;
    /**
     * factor on the learning rate: the config's `compression_lr_multiplier`, else 1. NNCF puts it
     * on the gradient, which adaptive optimizers divide out again; on the rate it works with all
     */
    double lr_multiplier;
} nncf_parameter;

/**
 * @brief Number of parameters; constant over a controller's life; 0 for NULL.
 * @param ctrl nullable
 * @return the number; 0 for NULL
 * @since 0.1
 */
NNCF_API size_t nncf_compression_ctrl_get_parameter_count(const nncf_compression_ctrl *ctrl);
/**
 * @brief Parameter `index`. data, grad and count are constant over the controller's life; `frozen`
 * may change at epoch_step.
 * @param ctrl the controller
 * @param index counted from 0
 * @param[in,out] parameter its struct_size must be set
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_NOTFOUND past the end; NNCF_E_ARG; NNCF_E_STATE the model is gone
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_get_parameter(
    const nncf_compression_ctrl *ctrl, size_t index, nncf_parameter *parameter, nncf_error *err);
/**
 * @brief Clear the gradients of all the controller's parameters.
 * @param ctrl the controller
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_STATE the model is gone
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_zero_grad(nncf_compression_ctrl *ctrl, nncf_error *err);

/** Compression level: one of NNCF_COMPRESSION_.... @since 0.1 */
typedef int32_t nncf_compression_level;
/** Compression levels, for choosing a best snapshot. @since 0.1 */
enum {
    /** nothing compressed yet */
    NNCF_COMPRESSION_NONE = 0,
    /** the schedule has not arrived */
    NNCF_COMPRESSION_PARTIAL = 1,
    /** the final level, or nothing scheduled */
    NNCF_COMPRESSION_FULL = 2,
    NNCF_COMPRESSION_SENTINEL = 0x7fffffff
};

/** @brief Totals over the model. Computed from the present logits, masks and weights. @since 0.1 */
typedef struct nncf_statistics {
    /** NNCF_PARAMS(nncf_statistics) */
    size_t struct_size;
    /** epochs stepped */
    int64_t epoch;
    /** steps stepped */
    int64_t step;
    /** NNCF_COMPRESSION_... of the epoch just trained: call before or after epoch_step alike */
    nncf_compression_level compression_level;
    /** masks are frozen */
    int32_t frozen;
    /** level of the present epoch, 0..1 */
    double sparsity_target;
    /** zeros / weights over the sparsified layers' weights */
    double sparsity;
    /** zeros / parameters over all registered parameters, biases and batch norm too */
    double sparsity_model;
    /** RB: mean of sigmoid(logit); NaN without RB */
    double mean_mask_probability;
    /** importance at or below which weights are masked; NaN without magnitude sparsity */
    double magnitude_threshold;
    /** layers with a mask */
    size_t sparsified_layers;
    /** their weights */
    int64_t sparsified_weights;
    /** floats of all registered parameters */
    int64_t parameters;
    /** how many */
    size_t weight_quantizers;
    /** how many, those of inputs not counted */
    size_t activation_quantizers;
    /** how many */
    size_t input_quantizers;
    /** registered parameters as float32 */
    uint64_t bytes_float;
    /**
     * the deployable form: codes at their bits, scales, the rest float32; sparse weights as a bit
     * mask plus the non-zeros where that is smaller
     */
    uint64_t bytes_compressed;
} nncf_statistics;

/**
 * @brief Fill in the totals.
 * @param ctrl the controller
 * @param[out] statistics its struct_size must be set
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_STATE the model is gone
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_get_statistics(
    const nncf_compression_ctrl *ctrl, nncf_statistics *statistics, nncf_error *err);

/** @brief One layer's statistics. @since 0.1 */
typedef struct nncf_layer_statistics {
    /** NNCF_PARAMS(nncf_layer_statistics) */
    size_t struct_size;
    /** borrowed from the model */
    const char *scope;
    /** of the weight */
    int64_t shape[5];
    /** of the weight, 2 to 5; 0: the layer has no weight */
    int32_t ndim;
    /** 1: has a mask */
    int32_t sparsified;
    /** zeros / weights */
    double sparsity;
    /** weights / weights of all sparsified layers; 0 when not sparsified */
    double weight_share;
    /** 0: the weight is not quantized */
    int32_t weight_bits;
    /** 1: signed */
    int32_t weight_signed;
    /** range of the weight's codes: scale of the quantizer (largest, if per channel) */
    double weight_scale;
    /** share of the weights outside the quantizer's range */
    double weight_clipped;
    /** quantizer of the layer's own input; 0: none */
    int32_t input_bits;
    /** quantizer of the output; 0: none. One before a sum's activation is not included */
    int32_t output_bits;
    /** scale, or range when asymmetric */
    double input_scale;
    /** scale, or range when asymmetric */
    double output_scale;
    /** 1: signed */
    int32_t input_signed;
    /** 1: signed */
    int32_t output_signed;
    /** share of the last forward's elements outside the range; NaN before one */
    double input_clipped;
    /** share of the last forward's elements outside the range; NaN before one */
    double output_clipped;
} nncf_layer_statistics;

/**
 * @brief Statistics of layer `index` of the model.
 * @param ctrl the controller
 * @param index counted from 0
 * @param[out] statistics its struct_size must be set
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_NOTFOUND; NNCF_E_ARG; NNCF_E_STATE the model is gone
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_get_layer_statistics(const nncf_compression_ctrl *ctrl,
    size_t index, nncf_layer_statistics *statistics, nncf_error *err);

/**
 * @brief The statistics as a table for people, or as one JSON object.
 * @param ctrl the controller
 * @param form NNCF_FORM_TEXT or NNCF_FORM_JSON
 * @param[out] buffer at most `capacity` bytes with the final NUL; may be NULL when capacity is 0
 * @param capacity bytes of buffer
 * @param[out] needed nullable; bytes that the whole text takes, NUL included
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_BUFFER capacity too small (what fits is there, with a NUL); NNCF_E_NOMEM;
 * NNCF_E_ARG; NNCF_E_STATE the model is gone
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_format_statistics(const nncf_compression_ctrl *ctrl,
    nncf_form form, char *buffer, size_t capacity, size_t *needed, nncf_error *err);

NNCF_END_DECLS
#endif
