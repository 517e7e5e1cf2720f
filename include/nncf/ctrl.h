/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ctrl.h
 * @brief The controller: what a config does to a model, stepped by the caller's training loop.
 *
 * In a training loop: initialize (quantizer ranges from a few batches); per batch clear gradients
 * (yours, and nncf_compression_ctrl_zero_grad()), forward, loss,
 * nncf_compression_ctrl_loss_backward(), backward, optimizer over the caller's parameters and
 * nncf_compression_ctrl_get_parameter(), nncf_compression_ctrl_step(); after each epoch
 * nncf_compression_ctrl_epoch_step(), then statistics and snapshot.
 *
 * Common training-loop mistakes are logged once each as warnings: loss, step or epoch_step never
 * called, training without initialization, parameters with gradients that never move, masks that
 * do not come near the level.
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
 * @return NNCF_OK; NNCF_E_STATE the model has a controller already, has no layers, or is a replica;
 * NNCF_E_UNSUPPORTED the config uses what this release does not support, or a quantizer where a
 * layer cannot have one; NNCF_E_CONFIG scopes without a match, or a bad regular expression;
 * NNCF_E_LIMIT a regular expression takes too long; NNCF_E_ARG; NNCF_E_NOMEM. It is then as before
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

/** What nncf_compression_ctrl_precision_step() wants next, in `more`. @since 0.1 */
enum {
    /** the bits are chosen, or there is nothing to choose */
    NNCF_PRECISION_DONE = 0,
    /** forward, the loss and backward over a batch */
    NNCF_PRECISION_NEW_BATCH = 1,
    /** the same again, over the batch of the call before */
    NNCF_PRECISION_SAME_BATCH = 2,
    NNCF_PRECISION_SENTINEL = 0x7fffffff
};
/**
 * @brief Choose the bits of quantizers by sensitivity (`initializer.precision` of type `hawq`):
 * call repeatedly, before nncf_compression_ctrl_init_step(), and while `more` is not 0 run forward,
 * the loss and backward of every layer over a batch.
 *
 * `while (nncf_compression_ctrl_precision_step(ctrl, &more, &err) == NNCF_OK && more)
 * pass(more == NNCF_PRECISION_NEW_BATCH ? next_batch() : same_batch());`
 * is the whole loop, without an optimizer. Between two calls the weights are moved along random
 * signs, by 1 % of their root mean square, and their gradients are cleared before a pass; the call
 * reads the gradients that came. Meanwhile all quantizers are left out, masks are deterministic,
 * running statistics of batch norm stay and dropout repeats itself. Each call puts the weights back
 * bit for bit before it moves them elsewhere or ends; so does a call that fails, whose batch then
 * begins again, nncf_compression_ctrl_stop_precision(), and the end of the controller or model.
 *
 * From the central differences follows the trace of the loss's Hessian for each weight
 * (Hutchinson); the estimates end at `tolerance` or after `iter_number` random vectors, each over
 * `num_data_points` images in whole batches. With `traces: "fisher"` no weight moves: the squares
 * of the gradients, one pass a batch, give traces of the empirical Fisher information. The weights
 * then get bits: docs/formulas.md, "Bit widths". Snapshots hold them. The loss is the caller's own,
 * a mean over the batch; nothing of the library's is added to it. Any mode that allows a backward
 * will do; NNCF_MODE_TUNE measures what inference computes. A pass is one of a float model: it
 * takes the memory of that. With several ranks average the gradients before each call, which counts
 * the images of all ranks.
 * @param ctrl the controller
 * @param[out] more NNCF_PRECISION_...
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_STATE no layer ran, no gradient came, one is not finite, a weight was
 * changed, or the second batch has another size; initialization is under way; criterion `host`
 * without a function; NNCF_E_CONFIG no choice is cheap enough for `compression_ratio`;
 * NNCF_E_LIMIT too many choices; NNCF_E_CALLBACK all_reduce has failed; NNCF_E_NOMEM; NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_precision_step(
    nncf_compression_ctrl *ctrl, int32_t *more, nncf_error *err);
/**
 * @brief Give up nncf_compression_ctrl_precision_step(): the weights get their values back, bit for
 * bit, and the next call begins again. Nothing if no loop is under way.
 * @param ctrl the controller
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_STATE the model is gone
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_stop_precision(
    nncf_compression_ctrl *ctrl, nncf_error *err);
/**
 * @brief Set what bits cost, for `initializer.precision.criterion` "host": milliseconds that were
 * measured on the machine that will run the model, energy, or anything else that adds up.
 *
 * `compression_ratio` is then the cost of 8 bits everywhere over that of the chosen bits, summed
 * over the layers with a quantized weight.
 * @param ctrl the controller
 * @param cost runs in the thread of nncf_compression_ctrl_precision_step(), often, and must be a
 * function of its arguments; above 0. `activation_bits` are those of what the layer reads (those of
 * the weight if it is not quantized). It must not call a function that changes controller or model
 * NULL: none, and precision_step() is refused until there is one again
 * @param user is passed on
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_STATE the config has no `hawq`, or the model is gone
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_set_precision_cost(nncf_compression_ctrl *ctrl,
    double (*cost)(
        void *user, const nncf_layer *layer, int32_t weight_bits, int32_t activation_bits),
    void *user, nncf_error *err);
/**
 * @brief The chosen bits, and what they were chosen by, as a table for people or as one JSON
 * object.
 *
 * Of each weight: average trace with its standard error, bits, squared error with these bits, and
 * products of an image. The object also has `bitwidth_per_scope`, which with `type` "manual" in a
 * config gives the same bits again. Traces are null where the bits came from a snapshot.
 * @param ctrl the controller
 * @param form NNCF_FORM_TEXT or NNCF_FORM_JSON
 * @param[out] buffer at most `capacity` bytes with the final NUL; may be NULL when capacity is 0
 * @param capacity bytes of buffer
 * @param[out] needed nullable; bytes that the whole text takes, NUL included
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_BUFFER capacity too small (what fits is there, with a NUL); NNCF_E_NOMEM;
 * NNCF_E_ARG; NNCF_E_STATE the config has no `hawq`, bits are not chosen yet, or the model is gone
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_format_precision(const nncf_compression_ctrl *ctrl,
    nncf_form form, char *buffer, size_t capacity, size_t *needed, nncf_error *err);

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
 * With `initializer.bias_correction` the call that sets the ranges also writes into the caller's
 * arrays: the bias of each layer whose weight is quantized, or the running mean of its batch norm
 * where it has no bias, gives up what the quantized weight adds on average (docs/formulas.md, "Few
 * bits").
 *
 * A config may set ranges from 0 batches: in the dialects 1.0 to 1.2 one without `initializer`,
 * in 1.3.1 and 1.4 one whose `initializer` has no `range`. Then `more` is 0 at once (unless
 * `batchnorm_adaptation` takes batches), and ranges of activations stay 1. nncf_config_explain()
 * shows the number, or no `range` at all.
 *
 * An image is a row of the batch dimension; a batch counts as many as the largest of the forwards
 * in it. Nothing is kept for backward meanwhile. Order-statistic rules (percentile,
 * mean_percentile, threesigma) are exact up to 4096 elements (per channel: 512 each); beyond that
 * they are estimated from a fixed-size histogram, with the error stated in docs/formulas.md.
 * @param ctrl the controller
 * @param[out] more 1: run one batch and call again. 0: done
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_STATE a quantizer received no data in the last batch, or no layer ran
 * (did every layer run forward?), here or on another rank; NNCF_E_CALLBACK and NNCF_E_NOMEM (only
 * with nncf_model_set_collective()): end the run; NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_init_step(
    nncf_compression_ctrl *ctrl, int32_t *more, nncf_error *err);

/**
 * @brief Backward of the compression loss: its gradient is added to the gradients of the mask
 * logits. Call once a step, and add the loss to the reported one.
 *
 * The loss is ((active / total - (1 - level)) / 0.05)^2 over all RB-sparsified layers together, of
 * the present mask logits; 0 without rb_sparsity and after the freeze. With
 * `weights.oscillation_damping` another one is added, and its gradient to those of the weights
 * (docs/formulas.md, "Few bits"): call it after the backward of all layers then.
 * @param ctrl the controller
 * @param[out] loss nullable
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_STATE the model is gone
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_loss_backward(
    nncf_compression_ctrl *ctrl, double *loss, nncf_error *err);

/**
 * @brief What the caller's gradients are, in units of the loss's: a program that computes minus the
 * gradient, summed over the batch, has the factor -batch; the default is 1.
 *
 * Gradients that the library passes on (of weights, ranges and mask logits) are multiples of the
 * caller's dy anyway. The one that it makes itself, of nncf_compression_ctrl_loss_backward(), is
 * multiplied by the factor; the loss that is returned is not.
 * nncf_compression_ctrl_update() divides by it. It may be set again at any time, as
 * for a smaller last batch; snapshots do not hold it.
 * @param ctrl the controller
 * @param factor finite, not 0
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_STATE the model is gone
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_set_gradient_factor(
    nncf_compression_ctrl *ctrl, double factor, nncf_error *err);

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
 *
 * With `weights.oscillation_freezing` it looks at the weights' codes, and writes weights that it
 * has frozen: their value is code times scale, whatever the optimizer has made of them.
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

/**
 * @brief Set the compression rate, which the schedule sets otherwise: the sparsity level of
 * magnitude_sparsity and rb_sparsity, or, without them, the part that filter_pruning prunes. The
 * schedule rests from now on, and the compression level is NNCF_COMPRESSION_FULL.
 *
 * Masks of magnitude_sparsity and filter_pruning are made at once, and stay until the rate is set
 * again; they do not follow the weights in nncf_compression_ctrl_epoch_step() any more. With
 * rb_sparsity the loss moves the masks to the new level. Snapshots hold it.
 * nncf_accuracy_aware_report() says which rate to set.
 * @param ctrl the controller
 * @param rate 0 or more, below 1
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_STATE no algorithm has a rate, the pruned filters were
 * removed, the masks of rb_sparsity are frozen, during initialization, or the model is gone;
 * NNCF_E_NOMEM. Nothing is changed then
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_set_compression_rate(
    nncf_compression_ctrl *ctrl, double rate, nncf_error *err);

/**
 * @brief Number of warnings so far: what looks like a mistake in the training loop, reported once
 * each.
 *
 * A loss, a step or an epoch_step that is never called, or called before the first batch; masks
 * that do not move towards the level, parameters or weights that do not change although they have
 * gradients (as when a buffer has moved), weights without gradients, ranges that are empty, not
 * finite, above 1e6 or 1e6 times the weights, running variances of 0 in eval mode, inputs of
 * another width than the layer's, epochs of another length than the schedule's. Each is a line of
 * NNCF_LOG_WARNING in the context's log, too; this is for hosts without one: look once an epoch.
 * Nothing that is computed depends on it.
 * @param ctrl nullable
 * @return the number; 0 for NULL
 * @since 0.1
 */
NNCF_API size_t nncf_compression_ctrl_get_warning_count(const nncf_compression_ctrl *ctrl);
/**
 * @brief Text of warning `index`, in the order in which they were reported; NULL past the end.
 * @param ctrl nullable
 * @param index counted from 0
 * @return at most 511 bytes; valid until the controller is destroyed; NULL past the end
 * @since 0.1
 */
NNCF_API const char *nncf_compression_ctrl_get_warning(
    const nncf_compression_ctrl *ctrl, size_t index);

/** Kind of a parameter: one of NNCF_PARAMETER_.... @since 0.1 */
typedef int32_t nncf_parameter_kind;
/** Kinds of nncf_parameter. @since 0.1 */
enum {
    /**
     * rb_sparsity: one logit for each weight. It starts at 4.6 (probability 0.99), and the weight
     * is masked in eval mode where it is not above 0; needs a far higher rate than weights
     * (docs/guide_compress.md)
     */
    NNCF_PARAMETER_MASK_LOGIT = 1,
    /** range of a symmetric quantizer; only its magnitude counts, a negative one means the same */
    NNCF_PARAMETER_SCALE = 2,
    /** lower end of the range of an asymmetric quantizer */
    NNCF_PARAMETER_INPUT_LOW = 3,
    /** length of that range; only its magnitude counts */
    NNCF_PARAMETER_INPUT_RANGE = 4,
    /** binarization: the logarithm of the scale of a layer's binary input; 0 until the first batch
     */
    NNCF_PARAMETER_LOG_SCALE = 5,
    /**
     * binarization: one for each channel of a layer's input, of which the sigmoid is the threshold
     * in units of the scale
     */
    NNCF_PARAMETER_THRESHOLD = 6,
    /** `logarithm_scale`: the natural logarithm of what NNCF_PARAMETER_SCALE or
     * NNCF_PARAMETER_INPUT_RANGE is without it */
    NNCF_PARAMETER_LOG_RANGE = 7,
    NNCF_PARAMETER_SENTINEL = 0x7fffffff
};

/** @brief A trainable array of the controller's, for the caller's optimizer. @since 0.1 */
typedef struct nncf_parameter {
    /** NNCF_PARAMS(nncf_parameter) */
    size_t struct_size;
    /**
     * "<scope>.pre_ops.mask", ".pre_ops.weight_quantizer.scale", ".activation_quantizer.scale",
     * ".input_quantizer.scale", ".pre_activation_quantizer.scale" (of a sum); asymmetric quantizers
     * end in ".input_low" and ".input_range"; with `logarithm_scale` ".log_range" takes the place
     * of ".scale" and ".input_range"; binary inputs have ".input_quantizer.log_scale" and
     * ".input_quantizer.threshold"; borrowed
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
    /**
     * 1: do not update it (mask logits from epoch `sparsity_training_steps` on; ranges before the
     * stage of their quantizer)
     */
    int32_t frozen;
    /**
     * multiply the learning rate by it: the config's `compression_lr_multiplier`, else 1. NNCF
     * multiplies the gradient, which has no effect with adaptive optimizers
     */
    double lr_multiplier;
} nncf_parameter;
/**
 * @brief Set up a record for its first use: `struct_size`, and zeros.
 * @param[out] result nullable
 * @param struct_size sizeof *result: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_parameter_init(nncf_parameter *result, size_t struct_size);

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

/**
 * @brief Set a function that runs for each layer whose mask stays as it is from now on: an
 * optimizer can then clear what it has kept for masked weights, with nncf_layer_clear_masked().
 *
 * With magnitude_sparsity and filter_pruning that is when masks are recomputed, at the end of
 * nncf_compression_ctrl_epoch_step() (with a schedule by steps also of
 * nncf_compression_ctrl_step()); with rb_sparsity once, when they are frozen: before that they are
 * random. A restored snapshot calls it for no layer: the caller restores its optimizer, too.
 * @param ctrl the controller
 * @param changed nullable: nothing is called. It runs in the thread of the call; it may read
 * anything of the layer, and must not call a function that changes controller or model
 * @param user is passed on
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_STATE the model is gone
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_set_mask_callback(nncf_compression_ctrl *ctrl,
    void (*changed)(void *user, const nncf_layer *layer), void *user, nncf_error *err);

/** Optimizer of nncf_compression_ctrl_update(): one of NNCF_OPTIMIZER_.... @since 0.1 */
typedef int32_t nncf_optimizer;
/** Rules of nncf_compression_ctrl_update(). @since 0.1 */
enum {
    /** p -= rate m, m = momentum m + g: SGD of PyTorch, without dampening */
    NNCF_OPTIMIZER_SGD = 0,
    /** Kingma and Ba 2015, algorithm 1: Adam of PyTorch */
    NNCF_OPTIMIZER_ADAM = 1,
    NNCF_OPTIMIZER_SENTINEL = 0x7fffffff
};
/** @brief A step of the optimizer. docs/guide_host.md has a table of rates. @since 0.1 */
typedef struct nncf_update_params {
    /** NNCF_PARAMS(nncf_update_params) */
    size_t struct_size;
    /** NNCF_OPTIMIZER_... */
    nncf_optimizer optimizer;
    /** must be 0 */
    int32_t reserved;
    /** rate of ranges; default 0.001, with Adam 0.0001; negative: they stay as they are */
    double range_lr;
    /** rate of mask logits; default 0.02 times their number, with Adam 0.01; negative: they stay as
     * they are */
    double logit_lr;
    /** of SGD, below 1; default 0 */
    double momentum;
    /** of Adam, below 1; default 0.9 */
    double beta1;
    /** of Adam, below 1; default 0.999 */
    double beta2;
    /** of Adam; default 1e-8 */
    double eps;
} nncf_update_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_update_params_init(nncf_update_params *params, size_t struct_size);
/**
 * @brief A step of an optimizer over the controller's parameters, in place of one of the caller's
 * over nncf_compression_ctrl_get_parameter(): after backward, before nncf_compression_ctrl_step().
 *
 * Frozen parameters are left out, rates are multiplied by lr_multiplier, and gradients are divided
 * by the factor of nncf_compression_ctrl_set_gradient_factor(). Gradients are not cleared. The
 * first call allocates what SGD with momentum (a float for each parameter) or Adam (two) keeps;
 * snapshots hold it, and training resumes bit-identically. A call with another optimizer begins
 * with zeros.
 * @param ctrl the controller
 * @param params nullable: SGD with default rates
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_STATE during initialization, or when the model is gone;
 * NNCF_E_NOMEM. Nothing is changed then
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_update(
    nncf_compression_ctrl *ctrl, const nncf_update_params *params, nncf_error *err);

/**
 * @brief Where training in stages is: what the config's `params` say for the present moment.
 *
 * With `params` quantizers begin to work in a later epoch (`activations_quant_start_epoch`,
 * `weights_quant_start_epoch`): until then layers run as if there were none. When a stage begins,
 * all ranges are initialized again: after each nncf_compression_ctrl_epoch_step() run the
 * nncf_compression_ctrl_init_step() loop, which ends at once where nothing is to be done. The other
 * members are for the caller's optimizer; the library does nothing with them.
 * @since 0.1
 */
typedef struct nncf_stage {
    /** NNCF_PARAMS(nncf_stage) */
    size_t struct_size;
    /** 1: the config has `params`, or binarizes; 0: the rest says what holds without */
    int32_t staged;
    /** 1: weights are quantized in this epoch */
    int32_t weights;
    /** 1: activations are quantized in this epoch */
    int32_t activations;
    /** 1: run the nncf_compression_ctrl_init_step() loop before training continues */
    int32_t initialization_needed;
    /** batches whose gradients are summed before a step of the optimizer; 1 */
    int32_t batch_multiplier;
    /** 1: no weight decay any more (`disable_wd_start_epoch`) */
    int32_t weight_decay_off;
    /**
     * multiply the learning rate by it: with e = epoch + part_of_epoch, ((start + duration - e) /
     * duration)^2.1 from `lr_poly_drop_start_epoch` on, 1 before, 0 after the duration
     */
    double lr_factor;
    /** the config's `base_lr`; negative: it has none */
    double base_lr;
    /** the config's `base_wd`; negative: it has none */
    double weight_decay;
} nncf_stage;
/**
 * @brief Set up a record for its first use: `struct_size`, and zeros.
 * @param[out] result nullable
 * @param struct_size sizeof *result: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_stage_init(nncf_stage *result, size_t struct_size);
/**
 * @brief Where training in stages is.
 * @param ctrl the controller
 * @param part_of_epoch what of the present epoch is over, from 0 to 1: batches trained / batches
 * @param[in,out] stage its struct_size must be set
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_STATE the model is gone
 * @since 0.1
 */
NNCF_API nncf_status nncf_compression_ctrl_get_stage(
    const nncf_compression_ctrl *ctrl, double part_of_epoch, nncf_stage *stage, nncf_error *err);

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
    /** the present epoch, counted from 0 */
    int64_t epoch;
    /** steps so far, in all epochs */
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
    /** number of weights in these layers */
    int64_t sparsified_weights;
    /** number of floats in all registered parameters */
    int64_t parameters;
    /** number of quantizers of weights */
    size_t weight_quantizers;
    /** number of quantizers of activations, those of inputs not counted */
    size_t activation_quantizers;
    /** number of quantizers of layers' own inputs */
    size_t input_quantizers;
    /** size of the registered parameters as float32 */
    uint64_t bytes_float;
    /**
     * the deployable form: codes at their bits, scales, the rest float32; sparse weights as a bit
     * mask plus the non-zeros where that is smaller
     */
    uint64_t bytes_compressed;
    /** filter_pruning: level of the present epoch, 0..1: of the filters, or of the operations with
     * pruning_flops_target */
    double pruning_level;
    /** convolutions whose filters are pruned together or alone; 0 after a shrink */
    size_t pruned_layers;
    /** filters of all convolutions, as the model was registered; 0 without filter_pruning, as all
     * that follows */
    int64_t filters;
    /** those that are not pruned */
    int64_t filters_left;
    /** parameters without pruned filters and the inputs that read them: what
     * nncf_compression_ctrl_shrink() leaves */
    int64_t parameters_left;
    /** parameters before that, also after it */
    int64_t parameters_before;
    /** multiplications and additions of convolutions and linear layers for one image; 0: sizes of
     * planes are not known, as without `input_info` in the config and before the first forward */
    int64_t flops;
    /** the same without pruned filters */
    int64_t flops_left;
    /** weights that `weights.oscillation_freezing` has frozen */
    int64_t frozen_weights;
} nncf_statistics;
/**
 * @brief Set up a record for its first use: `struct_size`, and zeros.
 * @param[out] result nullable
 * @param struct_size sizeof *result: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_statistics_init(nncf_statistics *result, size_t struct_size);

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
    /** range of the weight (NNCF's `scale`, or `input_range`; the largest, if per channel) */
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
    /** filters that filter_pruning may prune in this layer; 0: none */
    int64_t filters;
    /** those that it keeps at present */
    int64_t filters_left;
} nncf_layer_statistics;
/**
 * @brief Set up a record for its first use: `struct_size`, and zeros.
 * @param[out] result nullable
 * @param struct_size sizeof *result: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_layer_statistics_init(nncf_layer_statistics *result, size_t struct_size);

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
