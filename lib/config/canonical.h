/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical form that algorithms read: types. Dialects are resolved: one meaning per field,
 * every default filled in. */
#ifndef NNCF__CONFIG_CANONICAL_H
#define NNCF__CONFIG_CANONICAL_H

#include <stddef.h>
#include <stdint.h>

enum nncf__algorithm_kind {
    NNCF__RB_SPARSITY = 1,
    NNCF__MAGNITUDE_SPARSITY,
    NNCF__CONST_SPARSITY,
    NNCF__QUANTIZATION,
    NNCF__FILTER_PRUNING,
    NNCF__BINARIZATION,
    NNCF__DISTILLATION,
    /* no algorithm: the root's accuracy_aware_training, whose keys are in the same table */
    NNCF__ACCURACY_AWARE,
    /* of later releases, whose keys are not in the table */
    NNCF__OTHER_ALGORITHM
};
enum nncf__schedule_kind {
    NNCF__EXPONENTIAL = 1,
    NNCF__POLYNOMIAL,
    NNCF__MULTISTEP,
    NNCF__ADAPTIVE
};
/* What is masked together: single weights, blocks of output times input channels, all but N of M
 * input channels. */
enum nncf__structure_kind { NNCF__UNSTRUCTURED = 0, NNCF__BLOCKS = 1, NNCF__N_OF_M = 2 };
enum nncf__importance_kind { NNCF__NORMED_ABS = 0, NNCF__ABS = 1 };
enum nncf__filter_importance { NNCF__FILTER_L2 = 0, NNCF__FILTER_L1, NNCF__FILTER_MEDIAN };
enum nncf__pruning_schedule_kind {
    NNCF__PRUNING_BASELINE = 0,
    NNCF__PRUNING_EXPONENTIAL,
    NNCF__PRUNING_WITH_BIAS
};
enum nncf__quantizer_mode { NNCF__SYMMETRIC = 0, NNCF__ASYMMETRIC = 1 };
enum nncf__range_kind {
    NNCF__RANGE_NONE = 0,
    NNCF__MIN_MAX,
    NNCF__MEAN_MIN_MAX,
    NNCF__THREESIGMA,
    NNCF__PERCENTILE,
    NNCF__MEAN_PERCENTILE,
    /* v2.1+: weights min_max, activations mean_min_max */
    NNCF__MIXED_MIN_MAX,
    /* an extension: from the mean magnitude (Esser et al. 2020) */
    NNCF__RANGE_LSQ
};
/* How a symmetric range is trained: NNCF's gradient, or that of a learned step size. */
enum nncf__range_gradient { NNCF__GRADIENT_NNCF = 0, NNCF__GRADIENT_LSQ = 1 };
/* How a weight is binarized: by the mean of its magnitudes of an output channel, or of all. */
enum nncf__binary_kind { NNCF__BINARY_NONE = 0, NNCF__BINARY_XNOR = 1, NNCF__BINARY_DOREFA = 2 };
enum nncf__sign { NNCF__SIGN_AUTO = -1, NNCF__UNSIGNED = 0, NNCF__SIGNED = 1 };
/* Polynomial schedule: init + (target - init) x^power (1.0-1.3), or target - (target - init) (1 -
 * x)^power (1.4+). */
enum nncf__curve { NNCF__CURVE_EASE_IN = 0, NNCF__CURVE_EASE_OUT = 1 };
enum nncf__level_mode { NNCF__LEVEL_GLOBAL = 0, NNCF__LEVEL_LOCAL = 1 };
enum {
    NNCF__GIVEN_BITS = 1,
    NNCF__GIVEN_MODE = 2,
    NNCF__GIVEN_SIGN = 4,
    NNCF__GIVEN_PER_CHANNEL = 8
};
/* Weights with half of the codes, so that 8-bit products do not saturate on old processors. */
enum nncf__overflow_fix {
    NNCF__OVERFLOW_ENABLE = 0,
    NNCF__OVERFLOW_DISABLE = 1,
    NNCF__OVERFLOW_FIRST_LAYER_ONLY = 2
};
enum nncf__preset { NNCF__PRESET_PERFORMANCE = 0, NNCF__PRESET_MIXED = 1 };
enum nncf__quantizer_group {
    NNCF__GROUP_ANY = 0,
    NNCF__GROUP_WEIGHTS = 1,
    NNCF__GROUP_ACTIVATIONS = 2
};
enum nncf__distillation_type { NNCF__DISTILL_MSE = 0, NNCF__DISTILL_SOFTMAX = 1 };
enum nncf__accuracy_mode { NNCF__EARLY_EXIT = 1, NNCF__ADAPTIVE_LEVEL = 2 };
/* How activation quantizers are placed: docs/config.md. */
enum nncf__setup { NNCF__SETUP_PATTERN = 0, NNCF__SETUP_PROPAGATION = 1 };
enum nncf__device {
    NNCF__DEVICE_ANY = 0,
    NNCF__DEVICE_CPU,
    NNCF__DEVICE_GPU,
    NNCF__DEVICE_VPU,
    NNCF__DEVICE_NONE
};
/* Matching of scopes: v1.x by whole elements from any place, v2.x equality or {re}. */
enum nncf__scope_rule { NNCF__SCOPES_PREFIX = 0, NNCF__SCOPES_EXACT = 1 };
/* A pattern that matches no layer: v1.x silent (we warn), v2.4+ an error. */
enum nncf__scope_check { NNCF__SCOPES_WARN = 0, NNCF__SCOPES_STRICT = 1, NNCF__SCOPES_OFF = 2 };
/* Releases as major * 10000 + minor * 100 + patch: 20400 is 2.4. 1.1 is the dialect of a config
 * whose keys do not imply another one. */
enum { NNCF__RELEASE_1_1 = 10100 };

typedef struct nncf__strings {
    /* borrowed from the config */
    const char **items;
    size_t count;
} nncf__strings;

typedef struct nncf__schedule_params {
    /* nncf__schedule_kind */
    int32_t kind;
    double init, target;
    /* sparsity_steps: epoch of arrival, > 0 */
    double steps;
    /* sparsity_training_steps: epoch of the freeze */
    double training_steps;
    /* polynomial */
    double power;
    /* adaptive */
    double patience, step, eps;
    /* sorted, n_multistep of them; borrowed */
    const double *multistep_steps;
    /* n_multistep + 1 */
    const double *multistep_levels;
    size_t n_multistep;
    /* n_multistep + 1 */
    size_t n_levels;
    /* polynomial: nncf__curve */
    int32_t curve;
    /* polynomial: the level moves with every step, not epoch */
    int32_t update_per_optimizer_step;
    /* for that; 0: counted in the first epoch */
    int64_t steps_per_epoch;
} nncf__schedule_params;

/* magnitude_sparsity: an extension of libnncf */
typedef struct nncf__structure {
    /* nncf__structure_kind */
    int32_t kind;
    /* blocks: of their edges */
    int32_t block_size;
    /* N:M: of m weights at most n are kept */
    int32_t n, m;
} nncf__structure;

/* A level that 1 - n / m differs from by no more is that: decimals seldom are. */
#define NNCF__LEVEL_SLACK 1e-3

/* filter_pruning */
typedef struct nncf__pruning_params {
    /* nncf__pruning_schedule_kind */
    int32_t schedule;
    /* nncf__filter_importance */
    int32_t importance;
    double init, target;
    /* share of the operations to remove, in place of `target`; -1: absent */
    double flops_target;
    /* epochs without pruning, and epochs from its begin to its end */
    double num_init_steps, steps;
    /* one ranking over all layers */
    int32_t all_weights;
    /* layers that it would leave out otherwise */
    int32_t first, last, downsample;
    /* gamma and beta of pruned filters are 0, too */
    int32_t norms;
    /* pruned filters get no gradient */
    int32_t zero_grad;
    /* interlayer_ranking_type: 0 unweighted */
    int32_t ranking;
    /* the last epoch of a rising schedule is steps - 1 (1.7 on), not steps */
    int32_t counts_from_zero;
} nncf__pruning_params;

typedef struct nncf__quantizer_params {
    int32_t bits;
    /* nncf__quantizer_mode */
    int32_t mode;
    /* nncf__sign */
    int32_t sign;
    /* 0, 1 */
    int32_t per_channel;
    /* of weights: one range for so many consecutive inputs of an output channel; 0: none */
    int32_t group_size;
    /* nncf__binary_kind; then the rest is 1 bit, symmetric */
    int32_t binary;
    /* nncf__range_gradient */
    int32_t gradient;
    /* 1: the scale is rounded to a power of two */
    int32_t power_of_two;
    /* 1: the logarithm of the range is trained */
    int32_t logarithm;
} nncf__quantizer_params;

/* One rule for ranges. The last rule whose scopes and group fit a quantizer applies. */
typedef struct nncf__range_rule {
    /* nncf__range_kind */
    int32_t kind;
    /* nncf__quantizer_group */
    int32_t group;
    /* batches to observe; -1: n_samples counts */
    int64_t n_steps;
    /* images to observe, in whole batches; -1: n_steps counts */
    int64_t n_samples;
    /* percentile, mean_percentile */
    double min_percentile, max_percentile;
    /* target_scopes.count 0 = all */
    nncf__strings target_scopes, ignored_scopes;
} nncf__range_rule;

/* scope_overrides, bitwidth_per_scope: in file order, later ones win, member by member. */
enum { NNCF__NOT_OVERRIDDEN = -2 };
/* Which quantizer of the scope is meant: bitwidth_per_scope may say so. */
enum nncf__override_place {
    NNCF__PLACE_ANY = 0,
    NNCF__PLACE_WEIGHT,
    NNCF__PLACE_INPUT,
    NNCF__PLACE_OUTPUT,
    NNCF__PLACE_PRE_ACTIVATION
};
typedef struct nncf__override {
    const char *scope;
    /* nncf__quantizer_group */
    int32_t group;
    /* 0: not overridden */
    int32_t bits;
    /* NNCF__NOT_OVERRIDDEN */
    int32_t mode, sign, per_channel, group_size;
    /* nncf__override_place */
    int32_t place;
} nncf__override;

/* `params` of quantization and binarization: training in stages. Epochs are counted from 0, and may
 * be fractions. */
typedef struct nncf__stages {
    /* 0: no params, all quantizers work from the start; the rest does not matter */
    int32_t staged;
    /* batches whose gradients the host adds up */
    int32_t batch_multiplier;
    /* the first epoch in which the quantizers work */
    double activations_start, weights_start;
    /* where the rate begins to fall, negative: nowhere; how long it falls */
    double lr_drop_start, lr_drop_epochs;
    /* after that there is no weight decay; negative: it stays */
    double no_decay_start;
    /* of the host's optimizer; negative: not given */
    double base_lr, base_wd;
} nncf__stages;

/* knowledge_distillation */
typedef struct nncf__distillation_params {
    /* nncf__distillation_type; -1: absent */
    int32_t type;
    double scale, temperature;
} nncf__distillation_params;

/* accuracy_aware_training */
typedef struct nncf__accuracy_params {
    /* nncf__accuracy_mode; 0: absent */
    int32_t mode;
    /* how far the metric may fall: in percent of the uncompressed one, or by so much */
    double relative_drop, absolute_drop;
    /* 1: absolute_drop counts */
    int32_t is_absolute;
    int64_t initial_epochs, patience_epochs, total_epochs;
    double initial_step, step_reduction, lr_reduction, least_step;
} nncf__accuracy_params;
/* What chooses bits: bitwidth_per_scope, sensitivity, or a learner, which is refused. */
enum nncf__precision_kind {
    NNCF__PRECISION_NONE = 0,
    NNCF__PRECISION_MANUAL,
    NNCF__PRECISION_HAWQ,
    NNCF__PRECISION_AUTOQ
};
/* How the bits of activations follow: the least that fits, or one for all side by side. */
enum nncf__assignment_mode { NNCF__ASSIGN_LIBERAL = 0, NNCF__ASSIGN_STRICT = 1 };
/* What compression_ratio is of: operations times bits (NNCF), bytes of weights, the host's cost. */
enum nncf__precision_criterion {
    NNCF__CRITERION_COMPLEXITY = 0,
    NNCF__CRITERION_BYTES,
    NNCF__CRITERION_HOST
};

/* Traces of what: the loss's Hessian (NNCF), or the empirical Fisher information. */
enum nncf__precision_traces { NNCF__TRACES_HESSIAN = 0, NNCF__TRACES_FISHER = 1 };

/* `initializer.precision` */
typedef struct nncf__precision_params {
    /* nncf__precision_kind */
    int32_t kind;
    /* nncf__assignment_mode, nncf__precision_criterion, nncf__precision_traces */
    int32_t mode, criterion, traces;
    /* n_bits, as the config has them; none: the release's default; borrowed */
    const double *bits;
    size_t n_bits;
    /* images for one estimate, estimates, the change at which they end */
    double points, iterations, tolerance;
    double ratio;
} nncf__precision_params;

typedef struct nncf__algorithm {
    /* nncf__algorithm_kind */
    int32_t kind;
    /* canonical, static */
    const char *name;
    /* target_scopes.count 0 = all */
    nncf__strings ignored_scopes, target_scopes;
    /* sparsity */
    nncf__schedule_params schedule;
    /* nncf__importance_kind */
    int32_t importance;
    /* params.concave as the dialect defines it, resolved into schedule.curve; -1: absent
     */
    int32_t concave;
    /* nncf__level_mode */
    int32_t level_mode;
    nncf__structure structure;
    /* quantization */
    nncf__quantizer_params weights, activations;
    /* NNCF__GIVEN_..., or-ed: what the config sets; the device decides the rest */
    int32_t weights_given, activations_given;
    /* default 1 (from 1.1 on) */
    int32_t quantize_inputs;
    /* nncf__range_kind: NNCF__RANGE_NONE when there is no initializer, or num_init_steps is 0 */
    int32_t range_kind;
    int64_t num_init_steps;
    /* of the group `weights` */
    nncf__strings weight_target_scopes, weight_ignored_scopes;
    /* of the group `activations` */
    nncf__strings activation_target_scopes, activation_ignored_scopes;
    int32_t quantize_outputs;
    /* n_ranges; borrowed */
    const nncf__range_rule *ranges;
    size_t n_ranges;
    /* n_overrides; borrowed */
    const nncf__override *overrides;
    size_t n_overrides;
    /* quantizable_subgraph_patterns: chains of operator names; n_patterns; borrowed */
    const nncf__strings *patterns;
    size_t n_patterns;
    /* activations.unified_scale_ops: operators whose outputs have one range; n_unified; borrowed */
    const nncf__strings *unified;
    size_t n_unified;
    /* initializer.batchnorm_adaptation: batches (or -1 and samples) over which running statistics
     * are recomputed */
    int64_t bn_adaptation_steps, bn_adaptation_samples, bn_forget_steps;
    /* as bn_adaptation_samples; -1: bn_forget_steps counts */
    int64_t bn_forget_samples;
    /* initializer.bias_correction: images, 0: none */
    int64_t bias_samples;
    /* weights.oscillation_damping and _damping_init: factor of that loss, 0: none; in epoch 0 */
    double damping, damping_init;
    /* weights.oscillation_freezing, _freezing_init and _momentum: the frequency above which weights
     * are frozen, 0: none; in epoch 0; what a step counts in it */
    double freezing, freezing_init, freezing_momentum;
    /* weights.oscillation_epochs: in which both go from the first to the last value, 0: constant */
    int64_t oscillation_epochs;
    /* nncf__preset; resolved into `activations` already */
    int32_t preset;
    /* nncf__overflow_fix */
    int32_t overflow_fix;
    /* 1; 0: a pattern without a match is no error (2.6+) */
    int32_t validate_scopes;
    /* of this algorithm's parameters: its own key, or the root's */
    double lr_multiplier;
    /* quantization, binarization */
    nncf__stages stages;
    nncf__distillation_params distillation;
    nncf__accuracy_params accuracy;
    nncf__pruning_params pruning;
    nncf__precision_params precision;
    /* binarization: nncf__binary_kind */
    int32_t binary;
} nncf__algorithm;

/* What holds for all algorithms of a config. */
typedef struct nncf__config_setup {
    /* of the dialect, see NNCF__RELEASE_1_1 */
    int32_t release;
    /* nncf__setup */
    int32_t setup;
    /* nncf__device */
    int32_t device;
    /* nncf__scope_rule */
    int32_t scope_rule;
    /* nncf__scope_check */
    int32_t scope_check;
    /* at the root: no algorithm sees those layers */
    nncf__strings ignored_scopes, target_scopes;
    /* compression_lr_multiplier, 1 */
    double lr_multiplier;
    /* mode 0: absent */
    nncf__accuracy_params accuracy;
    /* of the model's first input by input_info or input_sample_size: height and width; 0: not known
     */
    int64_t input_size[2];
} nncf__config_setup;

#endif
