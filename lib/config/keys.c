/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line a key. The dialect is that of NNCF 1.0 and 1.1, with the pure renames of later releases; keys that only
 * later releases know have a line too, so that a user is told that and not "unknown key".
 */
#include "config/keys.h"

#include <assert.h>
#include <math.h>

#define RB    (1u << NNCF__RB_SPARSITY)
#define MAG   (1u << NNCF__MAGNITUDE_SPARSITY)
#define CONST (1u << NNCF__CONST_SPARSITY)
#define QUANT (1u << NNCF__QUANTIZATION)
#define SPARS (RB | MAG)
#define ALL   (RB | MAG | CONST | QUANT)

#define EXP    (1u << NNCF__EXPONENTIAL)
#define POLY   (1u << NNCF__POLYNOMIAL)
#define MULTI  (1u << NNCF__MULTISTEP)
#define ADAPT  (1u << NNCF__ADAPTIVE)
#define RISING (EXP | POLY | ADAPT)

#define FIELD(member)   .offset = offsetof(nncf__algorithm, member), .size = sizeof(((nncf__algorithm *)0)->member)
#define FIELD_2(member) .offset_2 = offsetof(nncf__algorithm, member)
#define LIST(values, n) .offset = offsetof(nncf__algorithm, values), .count_offset = offsetof(nncf__algorithm, n)
#define NO_FIELD        .offset = NNCF__NO_FIELD

/* A key of a later release; `what` says what to write instead. */
#define LATER(key_path, kinds, release, what)                                                                          \
    {                                                                                                                  \
        .path = (key_path), .algorithms = (kinds), .since = (release), .refused = (what), NO_FIELD                     \
    }
/* A flag of the dialect of which this release has one value only. */
#define ONLY(key_path, kinds, release, value, text)                                                                    \
    {                                                                                                                  \
        .path = (key_path), .algorithms = (kinds), .since = (release), .type = NNCF__KEY_FLAG,                         \
        .flags = NNCF__KEY_ONLY_DEFAULT, .fallback = (value), .help = (text), NO_FIELD                                 \
    }
/* The same for lists: empty ones only. */
#define ONLY_EMPTY(key_path, kinds, release, text)                                                                     \
    {                                                                                                                  \
        .path = (key_path), .algorithms = (kinds), .since = (release), .type = NNCF__KEY_SCOPES,                       \
        .flags = NNCF__KEY_ONLY_DEFAULT, .help = (text), NO_FIELD                                                      \
    }

static const double default_steps[] = {90};
static const double default_levels[] = {0.1, 0.5};

static const char schedule_words[] = "exponential polynomial multistep adaptive";
static const char importance_words[] = "normed_abs abs";
static const char range_words[] = "min_max";
static const char later_range_words[] = "threesigma mean_min_max percentile mean_percentile mixed_min_max";
static const char mode_words[] = "symmetric asymmetric";

static const nncf__key keys[] = {
    {.path = "algorithm",
     .algorithms = ALL,
     .type = NNCF__KEY_ALGORITHM,
     .since = "1.0",
     NO_FIELD,
     .help = "name of the algorithm"},
    {.path = "ignored_scopes",
     .algorithms = ALL,
     .type = NNCF__KEY_SCOPES,
     .since = "1.0",
     FIELD(ignored_scopes),
     .help = "layers or blocks that the algorithm leaves alone"},
    {.path = "target_scopes",
     .algorithms = ALL,
     .type = NNCF__KEY_SCOPES,
     .flags = NNCF__KEY_NO_DEFAULT | NNCF__KEY_NOT_EMPTY,
     .since = "1.1",
     FIELD(target_scopes),
     .help = "layers or blocks that the algorithm is applied to; absent: all"},

    /* Sparsity. Levels, bounds and defaults: NNCF 1.0's BaseSparsityScheduler and its heirs. */
    {.path = "weight_importance",
     .algorithms = MAG,
     .type = NNCF__KEY_WORD,
     .words = importance_words,
     .first_code = NNCF__NORMED_ABS,
     .fallback = NNCF__NORMED_ABS,
     .since = "1.0",
     FIELD(importance),
     .help = "what a weight is worth: |w|, or |w| over the norm of its layer"},
    {.path = "params", .algorithms = RB | MAG | CONST, .type = NNCF__KEY_SECTION, .since = "1.0", NO_FIELD},
    {.path = "params.schedule",
     .algorithms = RB,
     .type = NNCF__KEY_WORD,
     .words = schedule_words,
     .first_code = NNCF__EXPONENTIAL,
     .fallback = NNCF__EXPONENTIAL,
     .since = "1.0",
     FIELD(schedule.kind),
     .help = "how the level rises with the epochs"},
    {.path = "params.schedule",
     .algorithms = MAG,
     .type = NNCF__KEY_WORD,
     .words = schedule_words,
     .first_code = NNCF__EXPONENTIAL,
     .fallback = NNCF__POLYNOMIAL,
     .since = "1.0",
     FIELD(schedule.kind),
     .help = "how the level rises with the epochs"},
    {.path = "params.sparsity_init",
     .algorithms = SPARS,
     .schedules = RISING,
     .type = NNCF__KEY_NUMBER,
     .flags = NNCF__KEY_OPEN_MAX,
     .max = 1,
     .since = "1.0",
     FIELD(schedule.init),
     .help = "level of epoch 0"},
    {.path = "params.sparsity_target",
     .algorithms = SPARS,
     .schedules = RISING,
     .type = NNCF__KEY_NUMBER,
     .flags = NNCF__KEY_OPEN_MAX,
     .max = 1,
     .fallback = 0.5,
     .since = "1.0",
     FIELD(schedule.target),
     .help = "final level"},
    {.path = "params.sparsity_steps",
     .algorithms = SPARS,
     .schedules = EXP | POLY,
     .type = NNCF__KEY_NUMBER,
     .flags = NNCF__KEY_OPEN_MIN,
     .max = INFINITY,
     .fallback = 90,
     .since = "1.0",
     FIELD(schedule.steps),
     .help = "epoch in which the final level is reached"},
    {.path = "params.sparsity_training_steps",
     .algorithms = SPARS,
     .type = NNCF__KEY_NUMBER,
     .max = INFINITY,
     .fallback = 100,
     .since = "1.0",
     FIELD(schedule.training_steps),
     .help = "epoch from which an RB mask is frozen"},
    {.path = "params.power",
     .algorithms = SPARS,
     .schedules = POLY,
     .type = NNCF__KEY_NUMBER,
     .flags = NNCF__KEY_OPEN_MIN,
     .max = INFINITY,
     .fallback = 0.9,
     .since = "1.0",
     FIELD(schedule.power),
     .help = "exponent of the polynomial"},
    {.path = "params.steps",
     .algorithms = SPARS,
     .schedules = MULTI,
     .type = NNCF__KEY_NUMBERS,
     .flags = NNCF__KEY_OPEN_MIN,
     .max = INFINITY,
     .fallback_list = default_steps,
     .fallback_count = 1,
     .since = "1.0",
     LIST(schedule.multistep_steps, schedule.n_multistep),
     .help = "epochs at which the level changes"},
    {.path = "params.sparsity_levels",
     .algorithms = SPARS,
     .schedules = MULTI,
     .type = NNCF__KEY_NUMBERS,
     .flags = NNCF__KEY_OPEN_MAX | NNCF__KEY_NOT_EMPTY,
     .max = 1,
     .fallback_list = default_levels,
     .fallback_count = 2,
     .since = "1.0",
     LIST(schedule.multistep_levels, schedule.n_levels),
     .help = "levels before, between and after the steps"},
    {.path = "params.patience",
     .algorithms = SPARS,
     .schedules = ADAPT,
     .type = NNCF__KEY_NUMBER,
     .min = 1,
     .max = INFINITY,
     .fallback = 1,
     .since = "1.0",
     FIELD(schedule.patience),
     .help = "epochs at the level before it rises"},
    {.path = "params.step",
     .algorithms = SPARS,
     .schedules = ADAPT,
     .type = NNCF__KEY_NUMBER,
     .flags = NNCF__KEY_OPEN_MIN,
     .max = 1,
     .fallback = 0.05,
     .since = "1.0",
     FIELD(schedule.step),
     .help = "by how much the level rises"},
    {.path = "params.eps",
     .algorithms = SPARS,
     .schedules = ADAPT,
     .type = NNCF__KEY_NUMBER,
     .flags = NNCF__KEY_OPEN_MAX,
     .max = 1,
     .fallback = 0.03,
     .since = "1.0",
     FIELD(schedule.eps),
     .help = "how far below the level still counts as being there"},
    {.path = "params.multistep_steps",
     .algorithms = SPARS,
     .schedules = MULTI,
     .type = NNCF__KEY_NUMBERS,
     .flags = NNCF__KEY_OPEN_MIN,
     .max = INFINITY,
     .another = "params.steps",
     .since = "1.3",
     LIST(schedule.multistep_steps, schedule.n_multistep)},
    {.path = "params.multistep_sparsity_levels",
     .algorithms = SPARS,
     .schedules = MULTI,
     .type = NNCF__KEY_NUMBERS,
     .flags = NNCF__KEY_OPEN_MAX | NNCF__KEY_NOT_EMPTY,
     .max = 1,
     .another = "params.sparsity_levels",
     .since = "1.3",
     LIST(schedule.multistep_levels, schedule.n_levels)},
    {.path = "params.weight_importance",
     .algorithms = MAG,
     .type = NNCF__KEY_WORD,
     .words = importance_words,
     .first_code = NNCF__NORMED_ABS,
     .another = "weight_importance",
     .since = "1.3.1",
     FIELD(importance)},
    ONLY("params.update_mask_on_forward", MAG, "1.0", 0, "masks change with the level and at epoch ends only"),
    ONLY("params.check_sparsity_masks", SPARS, "1.0", 0, "masks are not checked in training"),

    /* Quantization. Keys at the algorithm's level that became keys of groups in 1.1 set the groups. */
    {.path = "quantize_inputs",
     .algorithms = QUANT,
     .type = NNCF__KEY_FLAG,
     .fallback = 1,
     .since = "1.0",
     FIELD(quantize_inputs),
     .help = "quantize the model's input too"},
    ONLY("quantize_outputs", QUANT, "1.1", 0, "the model's outputs stay as they are"),
    {.path = "bits",
     .algorithms = QUANT,
     .type = NNCF__KEY_INTEGER,
     .flags = NNCF__KEY_SPREAD,
     .min = 2,
     .max = 8,
     .since = "1.0",
     FIELD(weights.bits),
     FIELD_2(activations.bits),
     .help = "bits of weights and activations"},
    {.path = "symmetric",
     .algorithms = QUANT,
     .type = NNCF__KEY_CODED_FLAG,
     .flags = NNCF__KEY_SPREAD,
     .codes = {NNCF__ASYMMETRIC, NNCF__SYMMETRIC},
     .since = "1.0",
     FIELD(weights.mode),
     FIELD_2(activations.mode),
     .help = "symmetric ranges for weights and activations"},
    {.path = "signed_activations",
     .algorithms = QUANT,
     .type = NNCF__KEY_CODED_FLAG,
     .flags = NNCF__KEY_SPREAD,
     .codes = {NNCF__SIGN_AUTO, NNCF__SIGNED}, /* false is the default of 1.0: its initializer decides */
     .since = "1.0",
     FIELD(activations.sign),
     FIELD_2(activations.sign),
     .help = "signed codes for all activations; false: as the data are"},
    {.path = "per_channel",
     .algorithms = QUANT,
     .type = NNCF__KEY_FLAG,
     .flags = NNCF__KEY_SPREAD,
     .since = "1.1",
     FIELD(weights.per_channel),
     FIELD_2(weights.per_channel),
     .help = "one range an output channel of each weight"},
    ONLY_EMPTY("signed_activation_scopes", QUANT, "1.0", "signs are decided by the data"),
    ONLY_EMPTY("quantizable_subgraph_patterns", QUANT, "1.1", "the library's own patterns are used"),
    {.path = "initializer", .algorithms = QUANT, .type = NNCF__KEY_SECTION, .since = "1.0", NO_FIELD},
    {.path = "initializer.num_init_steps",
     .algorithms = QUANT,
     .type = NNCF__KEY_INTEGER,
     .max = 1000000,
     .fallback = 1,
     .since = "1.0",
     FIELD(num_init_steps),
     .help = "batches from which ranges are taken; 0: none"},
    {.path = "initializer.type",
     .algorithms = QUANT,
     .type = NNCF__KEY_WORD,
     .words = range_words,
     .later_words = later_range_words,
     .first_code = NNCF__MIN_MAX,
     .fallback = NNCF__MIN_MAX,
     .since = "1.0",
     FIELD(range_kind),
     .help = "how ranges are taken"},
#define GROUP(group, what)                                                                                             \
    {.path = #group, .algorithms = QUANT, .type = NNCF__KEY_SECTION, .since = "1.1", NO_FIELD},                        \
        {.path = #group ".bits",                                                                                       \
         .algorithms = QUANT,                                                                                          \
         .type = NNCF__KEY_INTEGER,                                                                                    \
         .min = 2,                                                                                                     \
         .max = 8,                                                                                                     \
         .fallback = 8,                                                                                                \
         .since = "1.1",                                                                                               \
         FIELD(group.bits),                                                                                            \
         .help = "bits of " what},                                                                                     \
        {.path = #group ".mode",                                                                                       \
         .algorithms = QUANT,                                                                                          \
         .type = NNCF__KEY_WORD,                                                                                       \
         .words = mode_words,                                                                                          \
         .first_code = NNCF__SYMMETRIC,                                                                                \
         .fallback = NNCF__SYMMETRIC,                                                                                  \
         .since = "1.1",                                                                                               \
         FIELD(group.mode),                                                                                            \
         .help = "ranges of " what},                                                                                   \
        {.path = #group ".signed",                                                                                     \
         .algorithms = QUANT,                                                                                          \
         .type = NNCF__KEY_CODED_FLAG,                                                                                 \
         .flags = NNCF__KEY_NO_DEFAULT,                                                                                \
         .codes = {NNCF__UNSIGNED, NNCF__SIGNED},                                                                      \
         .fallback = NNCF__SIGN_AUTO,                                                                                  \
         .since = "1.1",                                                                                               \
         FIELD(group.sign),                                                                                            \
         .help = "sign of the codes of " what "; absent: as the data are"},                                            \
    {                                                                                                                  \
        .path = #group ".per_channel", .algorithms = QUANT, .type = NNCF__KEY_FLAG, .since = "1.1",                    \
        FIELD(group.per_channel), .help = "one range a channel of " what                                               \
    }
    GROUP(weights, "weights"),
    LATER("weights.ignored_scopes", QUANT, "1.3", "use ignored_scopes of the algorithm"),
    LATER("weights.target_scopes", QUANT, "1.3", "use target_scopes of the algorithm"),
    GROUP(activations, "activations"),
    ONLY_EMPTY("activations.signed_scope", QUANT, "1.1", "signs are decided by the data"),
    LATER("activations.ignored_scopes", QUANT, "1.3", "use ignored_scopes of the algorithm"),
    LATER("activations.target_scopes", QUANT, "1.3", "use target_scopes of the algorithm"),
    LATER("activations.unified_scale_ops", QUANT, "1.7", ""),
    LATER("activations.linked_quantizer_scopes", QUANT, "1.5", ""),

    /* Later dialects. */
    LATER("params.sparsity_target_epoch", SPARS, "1.4", "use sparsity_steps, which means the same"),
    LATER("params.sparsity_freeze_epoch", SPARS, "1.4", "use sparsity_training_steps, which means the same"),
    LATER("params.concave", SPARS, "1.4", "the polynomial schedule here is that of NNCF 1.0 to 1.3"),
    LATER("params.update_per_optimizer_step", SPARS, "1.4", "levels change with the epochs here"),
    LATER("params.steps_per_epoch", SPARS, "1.4", "levels change with the epochs here"),
    LATER("params.sparsity_level_setting_mode", SPARS, "1.5", "one level for the whole network is what there is here"),
    LATER("sparsity_init", SPARS, "1.6", "put sparsity_init into params"),
    LATER("initializer", RB | MAG | CONST, "1.4", "remove it: batch norm adaptation is not needed here"),
    LATER("compression_lr_multiplier", ALL, "2.0", "give the compression parameters their own rate in the optimizer"),
    LATER("accuracy_aware_training", ALL, "2.0", ""),
    LATER("validate_scopes", ALL, "2.6", "scopes without a match are reported in the log here"),
    LATER("initializer.range", QUANT, "1.3", "put num_init_steps and type into initializer itself"),
    LATER("initializer.precision", QUANT, "1.3", "use weights.bits and activations.bits"),
    LATER("initializer.batchnorm_adaptation", QUANT, "1.4", "remove it"),
    LATER("params", QUANT, "1.4", "staged quantization is not in this release: remove it"),
    LATER("scope_overrides", QUANT, "1.2", ""),
    LATER("disable_function_quantization_hooks", QUANT, "1.2", "remove it: there are no functions to hook here"),
    LATER("export_to_onnx_standard_ops", QUANT, "1.3.1", "remove it"),
    LATER("linked_quantizer_scopes", QUANT, "1.5", ""),
    LATER("unified_scale_ops", QUANT, "1.7", ""),
    LATER("disable_saturation_fix", QUANT, "1.7", "remove it"),
    LATER("overflow_fix", QUANT, "2.1", "remove it"),
    LATER("preset", QUANT, "2.1", "use weights.mode and activations.mode"),
};

static_assert(sizeof(keys) / sizeof(keys[0]) <= NNCF__MAX_KEYS, "raise NNCF__MAX_KEYS");

const nncf__key *nncf__config_keys(size_t *count)
{
    *count = sizeof(keys) / sizeof(keys[0]);
    return keys;
}

const nncf__algorithm_name *nncf__config_algorithm_names(size_t *count)
{
    static const char other[] = "this release has rb_sparsity, magnitude_sparsity, const_sparsity and quantization";
    static const nncf__algorithm_name names[] = {
        {"rb_sparsity", NNCF__RB_SPARSITY, "1.0", NULL},
        {"magnitude_sparsity", NNCF__MAGNITUDE_SPARSITY, "1.0", NULL},
        {"const_sparsity", NNCF__CONST_SPARSITY, "1.0", NULL},
        {"quantization", NNCF__QUANTIZATION, "1.0", NULL},
        {"binarization", 0, "1.1", other},
        {"filter_pruning", 0, "1.3", other},
        {"knowledge_distillation", 0, "2.0", other},
        {"movement_sparsity", 0, "2.4", other},
        {"experimental_quantization", 0, "2.4", other},
        {"bootstrapNAS", 0, "2.4", other},
    };
    *count = sizeof(names) / sizeof(names[0]);
    return names;
}

const nncf__root_key *nncf__config_root_keys(size_t *count)
{
    static const nncf__root_key root_keys[] = {
        {"ignored_scopes", "write it into each algorithm"},
        {"target_scopes", "write it into each algorithm"},
        {"hw_config_type", "quantizers are placed as NNCF 1.0 and 1.1 place them"},
        {"quantizer_setup_type", "quantizers are placed as NNCF 1.0 and 1.1 place them"},
        {"target_device", "quantizers are placed as NNCF 1.0 and 1.1 place them"},
        {"compression_lr_multiplier", "give the compression parameters their own rate in the optimizer"},
        {"accuracy_aware_training", "the training loop is the program's own"},
    };
    *count = sizeof(root_keys) / sizeof(root_keys[0]);
    return root_keys;
}
