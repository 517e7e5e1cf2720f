/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical form that algorithms read. Dialects are gone by now: one meaning a field, every default filled in. */
#ifndef NNCF__CONFIG_H
#define NNCF__CONFIG_H

#include "base/base.h"

#include <nncf/config.h>

enum nncf__algorithm_kind {
    NNCF__RB_SPARSITY = 1,
    NNCF__MAGNITUDE_SPARSITY,
    NNCF__CONST_SPARSITY,
    NNCF__QUANTIZATION,
    NNCF__FILTER_PRUNING,
    NNCF__BINARIZATION,
    NNCF__OTHER_ALGORITHM /* of later releases: no table of its keys here */
};
enum nncf__schedule_kind { NNCF__EXPONENTIAL = 1, NNCF__POLYNOMIAL, NNCF__MULTISTEP, NNCF__ADAPTIVE };
enum nncf__importance_kind { NNCF__NORMED_ABS = 0, NNCF__ABS = 1 };
enum nncf__quantizer_mode { NNCF__SYMMETRIC = 0, NNCF__ASYMMETRIC = 1 };
enum nncf__range_kind {
    NNCF__RANGE_NONE = 0,
    NNCF__MIN_MAX,
    NNCF__MEAN_MIN_MAX,
    NNCF__THREESIGMA,
    NNCF__PERCENTILE,
    NNCF__MEAN_PERCENTILE,
    NNCF__MIXED_MIN_MAX /* v2.1+: weights min_max, activations mean_min_max */
};
enum nncf__sign { NNCF__SIGN_AUTO = -1, NNCF__UNSIGNED = 0, NNCF__SIGNED = 1 };
/* Polynomial schedule: init + (target - init) x^power (1.0-1.3), or target - (target - init) (1 - x)^power (1.4+). */
enum nncf__curve { NNCF__CURVE_EASE_IN = 0, NNCF__CURVE_EASE_OUT = 1 };
enum nncf__level_mode { NNCF__LEVEL_GLOBAL = 0, NNCF__LEVEL_LOCAL = 1 };
enum { NNCF__GIVEN_BITS = 1, NNCF__GIVEN_MODE = 2, NNCF__GIVEN_SIGN = 4, NNCF__GIVEN_PER_CHANNEL = 8 };
/* Weights with half of the codes, so that 8-bit products do not saturate on old processors. */
enum nncf__overflow_fix { NNCF__OVERFLOW_ENABLE = 0, NNCF__OVERFLOW_DISABLE = 1, NNCF__OVERFLOW_FIRST_LAYER_ONLY = 2 };
enum nncf__preset { NNCF__PRESET_PERFORMANCE = 0, NNCF__PRESET_MIXED = 1 };
enum nncf__quantizer_group { NNCF__GROUP_ANY = 0, NNCF__GROUP_WEIGHTS = 1, NNCF__GROUP_ACTIVATIONS = 2 };
/* Where activation quantizers stand: config-dialects.md 7.1 and 7.2. */
enum nncf__setup { NNCF__SETUP_PATTERN = 0, NNCF__SETUP_PROPAGATION = 1 };
enum nncf__device { NNCF__DEVICE_ANY = 0, NNCF__DEVICE_CPU, NNCF__DEVICE_GPU, NNCF__DEVICE_VPU, NNCF__DEVICE_NONE };
/* Matching of scopes: v1.x by whole elements from any place, v2.x equality or {re}. */
enum nncf__scope_rule { NNCF__SCOPES_PREFIX = 0, NNCF__SCOPES_EXACT = 1 };
/* A pattern that matches no layer: v1.x silent (we warn), v2.4+ an error. */
enum nncf__scope_check { NNCF__SCOPES_WARN = 0, NNCF__SCOPES_STRICT = 1, NNCF__SCOPES_OFF = 2 };
/* Releases as major * 10000 + minor * 100 + patch: the seed's dialect is 10100 (1.1), 20400 is 2.4. */
enum { NNCF__RELEASE_SEED = 10100 };

typedef struct nncf__strings {
    const char **items; /* borrowed from the config */
    size_t count;
} nncf__strings;

typedef struct nncf__schedule_params {
    int32_t kind; /* nncf__schedule_kind */
    double init, target;
    double steps;                   /* sparsity_steps: epoch of arrival, > 0 */
    double training_steps;          /* sparsity_training_steps: epoch of the freeze */
    double power;                   /* polynomial */
    double patience, step, eps;     /* adaptive */
    const double *multistep_steps;  /* sorted, n_multistep of them; borrowed */
    const double *multistep_levels; /* n_multistep + 1 */
    size_t n_multistep;
    size_t n_levels;                   /* n_multistep + 1 */
    int32_t curve;                     /* polynomial: nncf__curve */
    int32_t update_per_optimizer_step; /* polynomial: the level moves with every step, not epoch */
    int64_t steps_per_epoch;           /* for that; 0: counted in the first epoch */
} nncf__schedule_params;

typedef struct nncf__quantizer_params {
    int32_t bits;
    int32_t mode;        /* nncf__quantizer_mode */
    int32_t sign;        /* nncf__sign */
    int32_t per_channel; /* 0, 1 */
} nncf__quantizer_params;

/* One rule for ranges; of several the last one whose scopes and group fit a quantizer counts. */
typedef struct nncf__range_rule {
    int32_t kind;                                /* nncf__range_kind */
    int32_t group;                               /* nncf__quantizer_group */
    int64_t n_steps;                             /* batches to look at; -1: n_samples says it */
    int64_t n_samples;                           /* images to look at, in whole batches; -1: n_steps says it */
    double min_percentile, max_percentile;       /* percentile, mean_percentile */
    nncf__strings target_scopes, ignored_scopes; /* target_scopes.count 0 = all */
} nncf__range_rule;

/* scope_overrides, bitwidth_per_scope: in file order, later ones win, member by member. */
enum { NNCF__NOT_OVERRIDDEN = -2 };
typedef struct nncf__override {
    const char *scope;
    int32_t group;                   /* nncf__quantizer_group */
    int32_t bits;                    /* 0: not overridden */
    int32_t mode, sign, per_channel; /* NNCF__NOT_OVERRIDDEN */
} nncf__override;

/* One pattern of quantizable_subgraph_patterns: a chain of operator names. */
typedef struct nncf__pattern {
    nncf__strings operators;
} nncf__pattern;

typedef struct nncf__algorithm {
    int32_t kind;                                /* nncf__algorithm_kind */
    const char *name;                            /* canonical, static */
    nncf__strings ignored_scopes, target_scopes; /* target_scopes.count 0 = all */
    /* sparsity */
    nncf__schedule_params schedule;
    int32_t importance; /* nncf__importance_kind */
    int32_t concave; /* params.concave as it counts in the dialect, resolved into schedule.curve; -1: there is none */
    int32_t level_mode; /* nncf__level_mode */
    /* quantization */
    nncf__quantizer_params weights, activations;
    int32_t weights_given,
        activations_given;   /* NNCF__GIVEN_..., or-ed: what the config says; the rest a device decides */
    int32_t quantize_inputs; /* default 1 (v1.1, the later release of the seed's dialect) */
    int32_t range_kind; /* nncf__range_kind: NNCF__RANGE_NONE when there is no initializer, or num_init_steps is 0 */
    int64_t num_init_steps;
    nncf__strings weight_target_scopes, weight_ignored_scopes;         /* of the group `weights` */
    nncf__strings activation_target_scopes, activation_ignored_scopes; /* of the group `activations` */
    int32_t quantize_outputs;
    const nncf__range_rule *ranges; /* n_ranges; borrowed */
    size_t n_ranges;
    const nncf__override *overrides; /* n_overrides; borrowed */
    size_t n_overrides;
    const nncf__pattern *patterns; /* n_patterns; borrowed */
    size_t n_patterns;
    /* initializer.batchnorm_adaptation: batches (or -1 and samples) over which running statistics are taken anew */
    int64_t bn_adaptation_steps, bn_adaptation_samples, bn_forget_steps;
    int64_t bn_forget_samples; /* as bn_adaptation_samples: -1: bn_forget_steps says it */
    int32_t preset;            /* nncf__preset; resolved into `activations` already */
    int32_t overflow_fix;      /* nncf__overflow_fix */
    int32_t validate_scopes;   /* 1; 0: a pattern without a match is no error (2.6+) */
    double lr_multiplier;      /* of this algorithm's parameters: its own key, or the root's */
} nncf__algorithm;

/* What holds for all algorithms of a config. */
typedef struct nncf__config_setup {
    int32_t release;                             /* of the dialect, see NNCF__RELEASE_SEED */
    int32_t setup;                               /* nncf__setup */
    int32_t device;                              /* nncf__device */
    int32_t scope_rule;                          /* nncf__scope_rule */
    int32_t scope_check;                         /* nncf__scope_check */
    nncf__strings ignored_scopes, target_scopes; /* at the root: no algorithm sees those layers */
    double lr_multiplier;                        /* compression_lr_multiplier, 1 */
} nncf__config_setup;

/* NNCF_E_UNSUPPORTED naming the first thing in the config that the library cannot do yet. */
nncf_status nncf__config_check_supported(const nncf_config *config, nncf_error *err);
const nncf__config_setup *nncf__config_setup_of(const nncf_config *config);
/* Algorithms in file order; borrowed from the config. */
const nncf__algorithm *nncf__config_algorithms(const nncf_config *config, size_t *count);
/* Line of the entry of algorithm `algorithm`, or of what the keys `steps` lead to in it, as far as the file has them
 * (*taken of them; nullable). Its path goes to `out`. */
int32_t nncf__config_origin(const nncf_config *config, size_t algorithm, const char *const *steps, size_t n_steps,
                            char *out, size_t room, size_t *taken);
/* The canonical `compression` part as JSON text (keys sorted by the table, defaults in): what a snapshot compares.
 * Append to text. */
void nncf__config_canonical(const nncf_config *config, nncf__text *text);

#endif
