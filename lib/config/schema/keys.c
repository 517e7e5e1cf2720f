/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One entry per key of any release from 1.0 to 2.17: name, type, bounds, default, first and last
 * release, and where it moved. The canonical name of a key that was renamed is its oldest one. The
 * entries are in keys_*.def.
 */
#include "config/schema/keys.h"

#include "config/canonical.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define RB       (1u << NNCF__RB_SPARSITY)
#define MAG      (1u << NNCF__MAGNITUDE_SPARSITY)
#define CONST    (1u << NNCF__CONST_SPARSITY)
#define QUANT    (1u << NNCF__QUANTIZATION)
#define PRUNE    (1u << NNCF__FILTER_PRUNING)
#define BINARY   (1u << NNCF__BINARIZATION)
#define DISTILL  (1u << NNCF__DISTILLATION)
#define ACCURACY (1u << NNCF__ACCURACY_AWARE)
#define SPARS    (RB | MAG)
#define QB       (QUANT | BINARY)
#define ALL      (RB | MAG | CONST | QUANT | PRUNE | BINARY)

#define EXP    (1u << NNCF__EXPONENTIAL)
#define POLY   (1u << NNCF__POLYNOMIAL)
#define MULTI  (1u << NNCF__MULTISTEP)
#define ADAPT  (1u << NNCF__ADAPTIVE)
#define RISING (EXP | POLY | ADAPT)

#define FIELD(member)                                                                              \
    .offset = offsetof(nncf__algorithm, member), .size = sizeof(((nncf__algorithm *)0)->member)
#define FIELD_2(member) .offset_2 = offsetof(nncf__algorithm, member)
#define LIST(values, n)                                                                            \
    .offset = offsetof(nncf__algorithm, values), .count_offset = offsetof(nncf__algorithm, n)
#define NO_FIELD .offset = NNCF__NO_FIELD

#define OF_RULE(member)                                                                            \
    .offset = offsetof(nncf__range_rule, member), .size = sizeof(((nncf__range_rule *)0)->member)
#define RULE(member)          .flags = NNCF__KEY_RULE, OF_RULE(member)
#define RULE_OPTIONAL(member) .flags = NNCF__KEY_RULE | NNCF__KEY_NO_DEFAULT, OF_RULE(member)
#define RULE_LIST(member)     RULE_OPTIONAL(member)

#define SECTION            .type = NNCF__KEY_SECTION, NO_FIELD
#define NUMBER(low, high)  .type = NNCF__KEY_NUMBER, .min = (low), .max = (high)
#define INTEGER(low, high) .type = NNCF__KEY_INTEGER, .min = (low), .max = (high)
#define WORDS(list, releases, first)                                                               \
    .type = NNCF__KEY_WORD, .words = (list), .words_from = (releases), .first_code = (first)
#define WORD(list, first)       WORDS(list, NULL, first)
#define CODED(code_0, code_1)   .type = NNCF__KEY_CODED_FLAG, .codes = {(code_0), (code_1)}
#define DEFAULT_ONLY_AS_WRITTEN (NNCF__KEY_DEFAULT_ONLY | NNCF__KEY_AS_WRITTEN)

static const double default_steps[] = {90};
static const double default_levels[] = {0.1, 0.5};

static const char schedule_words[] = "exponential polynomial multistep adaptive";
static const char importance_words[] = "normed_abs abs";
static const char structure_words[] = "unstructured block n:m";
static const char filter_words[] = "L2 L1 geometric_median";
static const char pruning_words[] = "baseline exponential exponential_with_bias";
static const char level_words[] = "global local";
static const char range_words[] =
    "min_max mean_min_max threesigma percentile mean_percentile mixed_min_max lsq";
/* lsq is an extension, which no release has */
static const int32_t range_words_from[] = {10000, 10300, 10200, 10301, 10700, 20100, 10000};
static const int32_t precision_words_from[] = {10300, 10300, 10600};
static const char mode_words[] = "early_exit adaptive_compression_level";

static const nncf__later_default quantize_inputs_defaults[] = {{10100, 1}, {0, 0}};
static const nncf__later_default quantize_outputs_defaults[] = {{10100, 0}, {0, 0}};
static const nncf__later_default concave_defaults[] = {{10400, 0}, {10700, 1}, {0, 0}};
static const nncf__later_default pruning_defaults[] = {{20100, NNCF__PRUNING_EXPONENTIAL}, {0, 0}};
static const nncf__later_default prune_norms_defaults[] = {{10600, 1}, {0, 0}};
static const nncf__later_default steps_defaults[] = {{10600, -1}, {0, 0}};
static const nncf__later_default samples_defaults[] = {{10600, 256}, {0, 0}};
static const nncf__later_default points_defaults[] = {{10500, 1000}, {10600, 100}, {0, 0}};
static const nncf__later_default iterations_defaults[] = {{10500, 500}, {10600, 200}, {0, 0}};
static const nncf__later_default tolerance_defaults[] = {{10600, 1e-4}, {0, 0}};
static const nncf__later_default range_defaults[] = {
    {10300, NNCF__MEAN_MIN_MAX}, {20100, NNCF__MIXED_MIN_MAX}, {0, 0}};

static const nncf__key keys[] = {
    {.path = "algorithm",
        .algorithms = ALL | DISTILL,
        .type = NNCF__KEY_ALGORITHM,
        .from = 10000,
        NO_FIELD,
        .help = "its name"},
    {.path = "ignored_scopes",
        .algorithms = ALL,
        .type = NNCF__KEY_SCOPES,
        .from = 10000,
        FIELD(ignored_scopes),
        .help = "layers or blocks that the algorithm does not change"},
    {.path = "target_scopes",
        .algorithms = ALL,
        .type = NNCF__KEY_SCOPES,
        .flags = NNCF__KEY_NO_DEFAULT | NNCF__KEY_NOT_EMPTY,
        .from = 10100,
        FIELD(target_scopes),
        .help = "layers or blocks that the algorithm is applied to; absent: all"},
#include "config/schema/keys_adaptation.def"

#include "config/schema/keys_sparsity.def"

#include "config/schema/keys_quantization.def"

#include "config/schema/keys_other.def"

#include "config/schema/keys_training.def"
};

static_assert(sizeof(keys) / sizeof(keys[0]) <= NNCF__MAX_KEYS, "raise NNCF__MAX_KEYS");

const nncf__key *nncf__config_keys(size_t *count)
{
    *count = sizeof(keys) / sizeof(keys[0]);
    return keys;
}

const nncf__key *nncf__config_key(int32_t kind, const char *path)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if ((keys[i].algorithms & 1u << kind) && strcmp(keys[i].path, path) == 0)
            return &keys[i];
    return NULL;
}

double nncf__config_default(const nncf__key *key, int32_t release)
{
    double value = key->fallback;
    for (const nncf__later_default *later = key->later;
         later && later->from != 0 && later->from <= release; later++)
        value = later->value;
    return value;
}

const nncf__algorithm_name *nncf__config_algorithm_names(size_t *count)
{
    static const nncf__algorithm_name names[] = {
        {"rb_sparsity", NNCF__RB_SPARSITY, 10000, 0, true},
        {"magnitude_sparsity", NNCF__MAGNITUDE_SPARSITY, 10000, 0, true},
        {"const_sparsity", NNCF__CONST_SPARSITY, 10000, 0, true},
        {"quantization", NNCF__QUANTIZATION, 10000, 0, true},
        {"filter_pruning", NNCF__FILTER_PRUNING, 10300, 0, true},
        {"binarization", NNCF__BINARIZATION, 10100, 20999, true},
        {"knowledge_distillation", NNCF__DISTILLATION, 20000, 0, true},
        {"movement_sparsity", NNCF__OTHER_ALGORITHM, 20400, 0, false},
        {"experimental_quantization", NNCF__OTHER_ALGORITHM, 20400, 0, false},
        {"bootstrapNAS", NNCF__OTHER_ALGORITHM, 20400, 0, false},
    };
    *count = sizeof(names) / sizeof(names[0]);
    return names;
}

const nncf__root_key *nncf__config_root_keys(size_t *count)
{
    static const nncf__root_key root_keys[] = {
        {.key = "nncf_dialect",
            .kind = NNCF__ROOT_DIALECT,
            .from = 0,
            .help = "the release to read the config as"},
        {.key = "hw_config_type",
            .kind = NNCF__ROOT_DEVICE,
            .from = 10300,
            .to = 10401,
            .words = "cpu gpu vpu",
            .help = "quantizers are placed for that device, by propagation"},
        {.key = "target_device",
            .kind = NNCF__ROOT_DEVICE,
            .from = 10500,
            .words = "ANY CPU GPU VPU NONE TRIAL NPU CPU_SPR",
            .help = "quantizers are placed for that device"},
        {.key = "quantizer_setup_type",
            .kind = NNCF__ROOT_SETUP,
            .from = 10500,
            .to = 10699,
            .words = "pattern_based propagation_based",
            .help = "how quantizers are placed"},
        {.key = "ignored_scopes",
            .kind = NNCF__ROOT_SCOPES,
            .from = 0,
            .help = "layers that no algorithm sees"},
        {.key = "target_scopes",
            .kind = NNCF__ROOT_SCOPES,
            .from = 0,
            .help = "the only layers that algorithms see"},
        {.key = "compression_lr_multiplier",
            .kind = NNCF__ROOT_MULTIPLIER,
            .from = 20000,
            .help = "factor for the learning rate of the algorithms' own parameters"},
        {.key = "accuracy_aware_training",
            .from = 20100,
            .help = "a search for the compression that the accuracy allows, see below"},
        {.key = "input_sample_size",
            .from = 10000,
            .to = 10199,
            .help = "shape of the model's input"},
        {.key = "input_info", .from = 10200, .help = "shape and type of the model's inputs"},
        {.key = "disable_shape_matching", .from = 10300, .help = "read by no release"},
    };
    *count = sizeof(root_keys) / sizeof(root_keys[0]);
    return root_keys;
}

bool nncf__config_word(const char *words, size_t index, char *out, size_t capacity)
{
    for (; words && *words; words += strspn(words, " ")) {
        size_t length = strcspn(words, " ");
        if (index-- == 0) {
            snprintf(out, capacity, "%.*s", (int)length, words);
            return true;
        }
        words += length;
    }
    return false;
}

int32_t nncf__config_word_index(const char *words, const char *text)
{
    const size_t length = strlen(text);
    for (int32_t i = 0; words && *words; words += strspn(words, " "), i++) {
        const size_t width = strcspn(words, " ");
        if (width == length && memcmp(words, text, length) == 0)
            return i;
        words += width;
    }
    return -1;
}
