/* SPDX-License-Identifier: Apache-2.0 */
/* Later dialects: what does not load, the caller's choice of a dialect, explanations, migrations,
 * memory. */
#include "bad_config.h"
#include "config/config.h"
#include "support/context.h"

#include "support/require.h"
#include "support/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- what does not load ---- */

#define QUANT(more)     "{\"compression\": {\"algorithm\": \"quantization\",\n" more "}}"
#define MAG(more)       "{\"compression\": {\"algorithm\": \"magnitude_sparsity\",\n" more "}}"
#define DISTILL(more)   "{\"compression\": {\"algorithm\": \"knowledge_distillation\",\n" more "}}"
#define ACCURACY(value) "{\"accuracy_aware_training\": " value "}"
#define C               "compression."

static const bad wrong[] = {
    {"{\"compression\": {\"algorithm\": \"filter_prunning\"}}", NNCF_E_CONFIG, 1, 31, C "algorithm",
        "did you mean \"filter_pruning\"?"},
    {QUANT("\"initializer\": {\"range\": 3}"), NNCF_E_CONFIG, 2, 26, C "initializer.range",
        "found 3; allowed: an object { \"type\": ... }, or an array of such objects"},
    {QUANT("\"initializer\": {\"range\": [3]}"), NNCF_E_CONFIG, 2, 27, C "initializer.range[0]",
        "found 3; allowed"},
    {QUANT("\"initializer\": {\"range\": {\"num_init_sample\": 3}}"), NNCF_E_CONFIG, 2, 27,
        C "initializer.range.num_init_sample", "did you mean \"num_init_samples\"?"},
    {QUANT("\"initializer\": {\"range\": {\"type\": \"mean_max\"}}"), NNCF_E_CONFIG, 2, 35,
        C "initializer.range.type", "found \"mean_max\"; allowed: \"min_max\", \"mean_min_max\""},
    {QUANT("\"initializer\": {\"range\": {\"num_init_steps\": 1, \"num_init_samples\": 9}}"),
        NNCF_E_CONFIG, 2, 48, C "initializer.range.num_init_samples",
        "num_init_steps counts batches and num_init_samples samples"},
    {QUANT("\"initializer\": {\"num_init_steps\": 1, \"range\": {}}"), NNCF_E_CONFIG, 2, 17,
        C "initializer.num_init_steps", "says the same as initializer.range"},
    {QUANT("\"initializer\": {\"range\": {\"type\": \"percentile\", \"min_percentile\": 1}}"),
        NNCF_E_CONFIG, 2, 26, C "initializer.range",
        "takes min_percentile and max_percentile, which have no default before NNCF 1.6"},
    {QUANT("\"initializer\": {\"range\": {\"type\": \"percentile\", \"min_percentile\": 9, "
           "\"max_percentile\": 5}}"),
        NNCF_E_CONFIG, 2, 26, C "initializer.range", "min_percentile must be below max_percentile"},
    {QUANT("\"initializer\": {\"range\": {\"params\": {\"max_percentile\": 101}}}"), NNCF_E_CONFIG,
        2, 56, C "initializer.range.params.max_percentile",
        "found 101; allowed: a number from 0 to 100"},
    {QUANT("\"initializer\": {\"range\": [{\"target_quantizer_group\": \"weight\"}]}"),
        NNCF_E_CONFIG, 2, 54, C "initializer.range[0].target_quantizer_group",
        "did you mean \"weights\"?"},
    {QUANT("\"initializer\": {\"precision\": {\"bitwidth_per_scope\": [[4]]}}"), NNCF_E_CONFIG, 2,
        54, C "initializer.precision.bitwidth_per_scope[0]",
        "allowed: an array of pairs [bits, \"scope\"]"},
    {QUANT("\"initializer\": {\"precision\": {\"bitwidth_per_scope\": [[1, \"A\"]]}}"),
        NNCF_E_CONFIG, 2, 55, C "initializer.precision.bitwidth_per_scope[0][0]",
        "found 1; allowed: an integer from 2 to 8"},
    {QUANT("\"initializer\": {\"precision\": {\"bits\": 4}}"), NNCF_E_CONFIG, 2, 39,
        C "initializer.precision.bits", "allowed: an array of numbers"},
    {QUANT("\"initializer\": {\"precision\": {\"type\": \"hawk\"}}"), NNCF_E_CONFIG, 2, 39,
        C "initializer.precision.type", "did you mean \"hawq\"?"},
    {QUANT("\"scope_overrides\": {\"A\": {\"bit\": 4}}"), NNCF_E_CONFIG, 2, 27,
        C "scope_overrides.A.bit", "unknown key; did you mean \"bits\"?"},
    {QUANT("\"scope_overrides\": {\"A\": {\"bits\": 9}}"), NNCF_E_CONFIG, 2, 35,
        C "scope_overrides.A.bits", "found 9; allowed: an integer from 2 to 8"},
    {QUANT("\"weights\": {\"group_size\": 65537}"), NNCF_E_CONFIG, 2, 27, C "weights.group_size",
        "found 65537; allowed: an integer from 0 to 65536"},
    {QUANT("\"weights\": {\"group_size\": true}"), NNCF_E_CONFIG, 2, 27, C "weights.group_size",
        "allowed: an integer from 0 to 65536"},
    {QUANT("\"weights\": {\"range_gradient\": \"lsg\"}"), NNCF_E_CONFIG, 2, 31,
        C "weights.range_gradient", "lsq"},
    {QUANT("\"weights\": {\"oscillation_freezing\": 1.5}"), NNCF_E_CONFIG, 2, 37,
        C "weights.oscillation_freezing", "found 1.5"},
    {QUANT("\"weights\": {\"oscillation_momentum\": 0}"), NNCF_E_CONFIG, 2, 37,
        C "weights.oscillation_momentum", "found 0"},
    {QUANT("\"weights\": {\"oscillation_freezing_init\": 0}"), NNCF_E_CONFIG, 2, 42,
        C "weights.oscillation_freezing_init", "found 0"},
    {QUANT("\"weights\": {\"oscillation_epochs\": -1}"), NNCF_E_CONFIG, 2, 35,
        C "weights.oscillation_epochs", "found -1"},
    {QUANT("\"activations\": {\"power_of_two\": 1}"), NNCF_E_CONFIG, 2, 33,
        C "activations.power_of_two", "true, false"},
    {QUANT("\"activations\": {\"group_size\": 8}"), NNCF_E_CONFIG, 2, 17,
        C "activations.group_size", "unknown key"},
    {QUANT("\"scope_overrides\": {\"A\": {\"group_size\": -1}}"), NNCF_E_CONFIG, 2, 41,
        C "scope_overrides.A.group_size", "found -1; allowed: an integer from 0 to 65536"},
    {QUANT("\"scope_overrides\": {\"activations\": {\"A\": {\"group_size\": 8}}}"), NNCF_E_CONFIG,
        2, 43, C "scope_overrides.activations.A.group_size", "group_size is of weights"},
    {QUANT("\"scope_overrides\": {\"A\": 4}"), NNCF_E_CONFIG, 2, 26, C "scope_overrides.A",
        "found 4; allowed: an object"},
    {QUANT("\"scope_overrides\": {\"weights\": {\"A\": {\"mode\": \"odd\"}}}"), NNCF_E_CONFIG, 2,
        47, C "scope_overrides.weights.A.mode", "allowed: \"symmetric\", \"asymmetric\""},
    /* patterns that are no regular expressions, wherever scopes stand */
    {QUANT("\"ignored_scopes\": [\"A\", \"{re}(unclosed\"]"), NNCF_E_CONFIG, 2, 25,
        C "ignored_scopes[1]",
        "\"(unclosed\" is not a regular expression: missing closing parenthesis (at byte 9 of it)"},
    {QUANT("\"target_scopes\": \"{re}*\""), NNCF_E_CONFIG, 2, 18, C "target_scopes",
        "is not a regular expression"},
    {QUANT("\"weights\": {\"ignored_scopes\": [\"{re}a[\"]}"), NNCF_E_CONFIG, 2, 32,
        C "weights.ignored_scopes[0]", "in a scope [ and ] are written \\\\[ and \\\\]"},
    {QUANT("\"initializer\": {\"range\": [{\"target_scopes\": \"{re}(\"}]}"), NNCF_E_CONFIG, 2, 45,
        C "initializer.range[0].target_scopes", "is not a regular expression"},
    {QUANT("\"scope_overrides\": {\"A\": {}, \"{re}+\": {\"bits\": 4}}"), NNCF_E_CONFIG, 2, 30,
        C "scope_overrides.\"{re}+\"", "is not a regular expression"},
    {QUANT("\"scope_overrides\": {\"weights\": {\"{re}+\": {}}}"), NNCF_E_CONFIG, 2, 33,
        C "scope_overrides.weights.\"{re}+\"", "is not a regular expression"},
    {QUANT("\"initializer\": {\"precision\": {\"bitwidth_per_scope\": [[4, \"{re})\"]]}}"),
        NNCF_E_CONFIG, 2, 58, C "initializer.precision.bitwidth_per_scope[0][1]",
        "is not a regular expression"},
    {QUANT("\"activations\": {\"signed_scope\": \"{re}[\", \"ignored_scopes\": \"{re}a\"}"),
        NNCF_E_CONFIG, 2, 33, C "activations.signed_scope", "is not a regular expression"},
    {"{\"nncf_dialect\": \"1.3\", \"ignored_scopes\": \"{re}(\",\n\"compression\": []}",
        NNCF_E_CONFIG, 1, 43, "ignored_scopes", "is not a regular expression"},
    {QUANT("\"overflow_fix\": \"first_layer\""), NNCF_E_CONFIG, 2, 17, C "overflow_fix",
        "did you mean \"first_layer_only\"?"},
    {QUANT("\"overflow_fix\": \"disable\", \"disable_saturation_fix\": true"), NNCF_E_CONFIG, 2, 28,
        C "disable_saturation_fix", "says the same as compression.overflow_fix"},
    {QUANT("\"preset\": \"accuracy\""), NNCF_E_CONFIG, 2, 11, C "preset",
        "allowed: \"performance\", \"mixed\""},
    {QUANT("\"quantizable_subgraph_patterns\": [[]]"), NNCF_E_CONFIG, 2, 35,
        C "quantizable_subgraph_patterns[0]",
        "found an empty array; allowed: an array, each element a name"},
    {QUANT("\"activations\": {\"unified_scale_ops\": [[1]]}"), NNCF_E_CONFIG, 2, 40,
        C "activations.unified_scale_ops[0][0]", "found 1"},
    {QUANT("\"unified_scale_ops\": [], \"activations\": {\"unified_scale_ops\": []}"),
        NNCF_E_CONFIG, 2, 42, C "activations.unified_scale_ops",
        "says the same as compression.unified_scale_ops"},
    {MAG("\"sparsity_init\": 0.2, \"params\": {\"sparsity_init\": 0.1}"), NNCF_E_CONFIG, 2, 34,
        C "params.sparsity_init", "says the same as compression.sparsity_init"},
    {MAG("\"params\": {\"sparsity_steps\": 3, \"sparsity_target_epoch\": 3}"), NNCF_E_CONFIG, 2, 33,
        C "params.sparsity_target_epoch", "says the same as compression.params.sparsity_steps"},
    {MAG("\"params\": {\"sparsity_level_setting_mode\": \"layer\"}"), NNCF_E_CONFIG, 2, 43,
        C "params.sparsity_level_setting_mode", "allowed: \"global\", \"local\""},
    {MAG("\"params\": {\"steps_per_epoch\": 0}"), NNCF_E_CONFIG, 2, 31, C "params.steps_per_epoch",
        "allowed: an integer"},
    {MAG("\"initializer\": {\"batchnorm_adaptation\": {\"num_bn_adaptation_samples\": -1}}"),
        NNCF_E_CONFIG, 2, 71, C "initializer.batchnorm_adaptation.num_bn_adaptation_samples",
        "found -1; allowed: an integer from 0"},
    {"{\"compression\": {\"algorithm\": \"filter_pruning\",\n\"params\": {\"pruning_target\": 2}}}",
        NNCF_E_CONFIG, 2, 30, C "params.pruning_target",
        "found 2; allowed: a number from 0 to less than 1"},
    {"{\"compression\": {\"algorithm\": \"binarization\",\n\"mode\": \"xor\"}}", NNCF_E_CONFIG, 2,
        9, C "mode", "did you mean \"xnor\"?"},
    {"{\"target_device\": \"cpu\",\n\"compression\": {\"algorithm\": \"const_sparsity\"}}",
        NNCF_E_CONFIG, 1, 19, "target_device", "found \"cpu\"; allowed: \"ANY\", \"CPU\""},
    {"{\"hw_config_type\": \"CPU\",\n\"compression\": {\"algorithm\": \"const_sparsity\"}}",
        NNCF_E_CONFIG, 1, 20, "hw_config_type", "allowed: \"cpu\", \"gpu\", \"vpu\""},
    {DISTILL("\"scale\": 2"), NNCF_E_CONFIG, 1, 17, "compression", "\"type\" is missing"},
    {DISTILL("\"type\": \"mse\", \"temperature\": 2"), NNCF_E_CONFIG, 2, 16, C "temperature",
        "mse has no temperature"},
    {DISTILL("\"type\": \"softmax\", \"temperature\": 0"), NNCF_E_CONFIG, 2, 35, C "temperature",
        "found 0; allowed: a number greater than 0"},
    {DISTILL("\"type\": \"kl\""), NNCF_E_CONFIG, 2, 9, C "type", "allowed: \"mse\", \"softmax\""},
    {DISTILL("\"type\": \"mse\", \"ignored_scopes\": []"), NNCF_E_CONFIG, 2, 16, C "ignored_scopes",
        "unknown key"},
    {ACCURACY("{}"), NNCF_E_CONFIG, 1, 29, "accuracy_aware_training", "\"mode\" is missing"},
    {ACCURACY("[]"), NNCF_E_CONFIG, 1, 29, "accuracy_aware_training", "found an empty array"},
    {ACCURACY("{\"mode\": \"early_stop\"}"), NNCF_E_CONFIG, 1, 38, "accuracy_aware_training.mode",
        "\"early_exit\", \"adaptive_compression_level\""},
    {ACCURACY("{\"mode\": \"early_exit\", \"params\": {\"maximal_total_epoch\": 3}}"),
        NNCF_E_CONFIG, 1, 63, "accuracy_aware_training.params.maximal_total_epoch",
        "did you mean \"maximal_total_epochs\"?"},
    {ACCURACY("{\"mode\": \"early_exit\", \"params\": {\"patience_epochs\": -3}}"), NNCF_E_CONFIG,
        1, 82, "accuracy_aware_training.params.patience_epochs", "found -3"},
    {ACCURACY("{\"mode\": \"early_exit\", \"params\": {\"maximal_relative_accuracy_degradation\": "
              "1, \"maximal_absolute_accuracy_degradation\": 1}}"),
        NNCF_E_CONFIG, 1, 107,
        "accuracy_aware_training.params.maximal_absolute_accuracy_degradation",
        "keep one of the two"},
    {"{\"nncf_dialect\": \"3.0\"}", NNCF_E_CONFIG, 1, 18, "nncf_dialect", "\"1.0\" to \"2.17\""},
    {"{\"nncf_dialect\": 1.1}", NNCF_E_CONFIG, 1, 18, "nncf_dialect", "found 1.1; allowed"},
    {"{\"compression_lr_multiplier\": -1,\n\"compression\": []}", NNCF_E_CONFIG, 1, 31,
        "compression_lr_multiplier", "found -1"},
};

START_TEST(wrong_configs_of_later_dialects_are_refused)
{
    bad_check(&wrong[_i], (size_t)_i);
}
END_TEST

/* ---- the caller's choice ---- */

static nncf_config *parse_as(const char *text, const char *dialect, int32_t scopes)
{
    const nncf_config_params params = {
        NNCF_PARAMS(nncf_config_params), .dialect = dialect, .scopes = scopes};
    nncf_config *config = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status =
        nncf_config_parse(NULL, "test.json", text, strlen(text), &params, &config, &err);
    ck_assert_msg(status == NNCF_OK, "%s", err.message);
    return config;
}

START_TEST(the_callers_dialect_wins)
{
    static const char text[] =
        "{\"nncf_dialect\": \"2.4\", \"compression\": {\"algorithm\": \"magnitude_sparsity\", "
        "\"params\": {\"schedule\": \"polynomial\"}}}";
    static const struct {
        const char *dialect, *is;
        int32_t curve, rule, check;
    } cases[] = {{NULL, "2.4", NNCF__CURVE_EASE_OUT, NNCF__SCOPES_EXACT, NNCF__SCOPES_STRICT},
        {"1.1", "1.1", NNCF__CURVE_EASE_IN, NNCF__SCOPES_PREFIX, NNCF__SCOPES_WARN},
        {"1.0", "1.0", NNCF__CURVE_EASE_IN, NNCF__SCOPES_PREFIX, NNCF__SCOPES_WARN},
        {"v1.3.2", "1.3.2", NNCF__CURVE_EASE_IN, NNCF__SCOPES_PREFIX, NNCF__SCOPES_WARN},
        {"1.6", "1.6", NNCF__CURVE_EASE_OUT, NNCF__SCOPES_PREFIX, NNCF__SCOPES_WARN},
        {"2.3", "2.3", NNCF__CURVE_EASE_OUT, NNCF__SCOPES_EXACT, NNCF__SCOPES_WARN},
        {"2.17", "2.17", NNCF__CURVE_EASE_OUT, NNCF__SCOPES_EXACT, NNCF__SCOPES_STRICT}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t count;
        nncf_config *config = parse_as(text, cases[i].dialect, NNCF_SCOPES_BY_DIALECT);
        const nncf__config_setup *setup = nncf__config_setup_of(config);
        ck_assert_str_eq(nncf_config_get_dialect(config), cases[i].is);
        ck_assert_int_eq(nncf__config_algorithms(config, &count)->schedule.curve, cases[i].curve);
        ck_assert_int_eq(setup->scope_rule, cases[i].rule);
        ck_assert_int_eq(setup->scope_check, cases[i].check);
        nncf_config_destroy(config);
    }
    nncf_config *config = parse_as(text, NULL, NNCF_SCOPES_OFF);
    ck_assert_int_eq(nncf__config_setup_of(config)->scope_check, NNCF__SCOPES_OFF);
    nncf_config_destroy(config);
    config = parse_as(text, "1.1", NNCF_SCOPES_STRICT);
    ck_assert_int_eq(nncf__config_setup_of(config)->scope_check, NNCF__SCOPES_STRICT);
    nncf_config_destroy(config);
}
END_TEST

START_TEST(broken_callers_are_told)
{
    static const char *const dialects[] = {
        "", "3.0", "2.18", "1.8", "1", "1.", "1.1.", "1.1.x", "x", "1.100", "v", "0.9"};
    nncf_config *config = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_config_params params = {NNCF_PARAMS(nncf_config_params)};
    size_t needed;
    for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++) {
        params.dialect = dialects[i];
        ck_assert_int_eq(
            nncf_config_parse(NULL, NULL, "{}", 2, &params, &config, &err), NNCF_E_ARG);
        ck_assert_ptr_nonnull(strstr(err.message, "is no NNCF release with a JSON dialect"));
        ck_assert_int_eq(nncf_config_load(NULL, "none", &params, &config, &err), NNCF_E_ARG);
    }
    params.dialect = NULL;
    params.scopes = 4;
    ck_assert_int_eq(nncf_config_parse(NULL, NULL, "{}", 2, &params, &config, &err), NNCF_E_ARG);
    params.scopes = 0;
    params.reserved = 1;
    ck_assert_int_eq(nncf_config_parse(NULL, NULL, "{}", 2, &params, &config, &err), NNCF_E_ARG);
    params.struct_size = 1;
    ck_assert_int_eq(nncf_config_parse(NULL, NULL, "{}", 2, &params, &config, &err), NNCF_E_ARG);
    ck_assert_ptr_null(config);
    ck_assert_ptr_null(nncf_config_get_dialect(NULL));
    ck_assert_int_eq(nncf_config_check_supported(NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_config_explain(NULL, 0, NULL, 0, &needed, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_config_migrate(NULL, NULL, 0, &needed, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_config_parse(NULL, NULL, "{}", 2, NULL, &config, &err), NNCF_OK);
    ck_assert_int_eq(nncf_config_explain(config, 7, NULL, 0, &needed, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_config_check_supported(config, NULL), NNCF_OK);
    nncf_config_destroy(config);
}
END_TEST

/* ---- explanations ---- */

static const char sample[] =
    "{\n\"batch_size\": 10,\n\"target_device\": \"CPU\",\n\"compression\": [\n"
    "{\"algorithm\": \"rb_sparsity\",\n\"params\": {\"sparsity_target_epoch\": 4}},\n"
    "{\"algorithm\": \"quantization\",\n\"preset\": \"mixed\",\n\"weights\": {\"bits\": 4},\n"
    "\"initializer\": {\"range\": [{\"num_init_samples\": 9},\n{\"type\": \"min_max\"}]}}]}";

static char *explain(const nncf_config *config, int32_t form)
{
    size_t needed = 0;
    ck_assert_int_eq(nncf_config_explain(config, form, NULL, 0, &needed, NULL), NNCF_E_BUFFER);
    char *text = malloc(needed);
    ck_assert_int_eq(nncf_config_explain(config, form, text, needed, NULL, NULL), NNCF_OK);
    ck_assert_uint_eq(strlen(text) + 1, needed);
    return text;
}

/* The line that begins with `begin`, up to its end, blanks in front of # as one. */
static void find_line(const char *text, const char *begin, char out[200])
{
    const char *line = text;
    while (strncmp(line, begin, strlen(begin)) != 0) {
        line = strchr(line, '\n');
        ck_assert_msg(line != NULL && line[1], "no line begins with %s:\n%s", begin, text);
        line++;
    }
    const char *comment = strstr(line, "  # ");
    ck_assert_ptr_nonnull(comment);
    size_t length = (size_t)(comment - line);
    while (length > 0 && line[length - 1] == ' ')
        length--;
    snprintf(
        out, 200, "%.*s # %.*s", (int)length, line, (int)strcspn(comment + 4, "\n"), comment + 4);
}

START_TEST(every_value_has_an_origin)
{
    static const char *const lines[] = {
        "nncf_dialect = \"2.1\" # line 8, from compression[1].preset",
        "batch_size = 10 # line 2",
        "target_device = \"CPU\" # line 3",
        "compression[0].params.schedule = \"exponential\" # default of NNCF 2.1",
        ("compression[0].params.sparsity_steps = 4 # line 6, from "
         "compression[0].params.sparsity_target_epoch"),
        "compression[1].weights.bits = 4 # line 9",
        "compression[1].weights.mode = ? # left to the device",
        "compression[1].activations.bits = ? # left to the device",
        "compression[1].activations.mode = \"asymmetric\" # line 8, from compression[1].preset",
        "compression[1].initializer.range[0].num_init_samples = 9 # line 10",
        "compression[1].initializer.range[0].type = \"mixed_min_max\" # default of NNCF 2.1",
        "compression[1].initializer.range[1].num_init_samples = 256 # default of NNCF 2.1",
        "compression[1].initializer.range[1].type = \"min_max\" # line 11",
    };
    nncf_config *config = parse_as(sample, NULL, 0);
    char *text = explain(config, NNCF_FORM_TEXT);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char begin[100], line[200];
        snprintf(
            begin, sizeof(begin), "%.*s = ", (int)(strstr(lines[i], " = ") - lines[i]), lines[i]);
        find_line(text, begin, line);
        ck_assert_str_eq(line, lines[i]);
    }
    free(text);
    nncf_config_destroy(config);

    char line[200];
    config = parse_as(sample, "2.2", NNCF_SCOPES_OFF);
    text = explain(config, NNCF_FORM_TEXT);
    find_line(text, "nncf_dialect", line);
    ck_assert_str_eq(line, "nncf_dialect = \"2.2\" # set by the caller");
    find_line(text, "(scopes without", line);
    ck_assert_str_eq(line, "(scopes without a match) = \"off\" # set by the caller");
    free(text);
    nncf_config_destroy(config);
}
END_TEST

/* An array of objects, read with the library's own reader. */
START_TEST(explanations_are_json_that_reads_back)
{
    nncf_config *config = parse_as(sample, NULL, 0), *read = NULL;
    char *text = explain(config, NNCF_FORM_JSON);
    char *wrapped = malloc(strlen(text) + 20);
    sprintf(wrapped, "{\"list\": %s}", text);
    ck_assert_int_eq(
        nncf_config_parse(NULL, NULL, wrapped, strlen(wrapped), NULL, &read, NULL), NNCF_OK);
    size_t n = 0;
    int found = 0;
    ck_assert_int_eq(nncf_config_get_element_count(read, "list", &n, NULL), NNCF_OK);
    for (size_t i = 0; i < n; i++) {
        char path[60];
        const char *name, *origin;
        int64_t line = 0, value = 0;
        snprintf(path, sizeof(path), "list[%zu].path", i);
        ck_assert_int_eq(nncf_config_get_string(read, path, &name, NULL), NNCF_OK);
        snprintf(path, sizeof(path), "list[%zu].origin", i);
        ck_assert_int_eq(nncf_config_get_string(read, path, &origin, NULL), NNCF_OK);
        snprintf(path, sizeof(path), "list[%zu].line", i);
        (void)nncf_config_get_int(read, path, &line, NULL);
        snprintf(path, sizeof(path), "list[%zu].value", i);
        (void)nncf_config_get_int(read, path, &value, NULL);
        if (strcmp(name, "compression[0].params.sparsity_steps") == 0)
            found += strcmp(origin, "translated") == 0 && line == 6 && value == 4;
        else if (strcmp(name, "compression[0].params.sparsity_training_steps") == 0)
            found += strcmp(origin, "default") == 0 && line == 0 && value == 100;
        else if (strcmp(name, "compression[1].weights.bits") == 0)
            found += strcmp(origin, "file") == 0 && line == 9 && value == 4;
        else if (strcmp(name, "compression[1].weights.per_channel") == 0)
            found += strcmp(origin, "device") == 0;
    }
    ck_assert_int_eq(found, 4);
    free(text);
    free(wrapped);
    nncf_config_destroy(read);
    nncf_config_destroy(config);
}
END_TEST

/* Lines of a file near the limit of 1 MiB, some long, some empty: each place is what counting while
 * writing says. */
START_TEST(places_in_a_large_file_are_right)
{
    enum { MOST_KEYS = 40000 };
    const int n_keys = sweep_rounds(MOST_KEYS, MOST_KEYS / 4);
    const size_t room = 1 << 20;
    char *text = malloc(room), path[32];
    int32_t *lines = calloc(MOST_KEYS, sizeof(*lines)), line = 1;
    size_t used = (size_t)snprintf(text, room, "{"), needed = 0,
           *starts = calloc(MOST_KEYS, sizeof(*starts)), start = 0;
    for (int i = 0; i < n_keys; i++) {
        if (i % 7 != 3) /* else a line of several keys, */
            for (int n = i % 11 == 0 ? 3 : 1; n > 0; n--) { /* or empty lines */
                text[used++] = '\n';
                start = used;
                line++;
            }
        if (i % 5000 == 9) { /* a line longer than what lies between two marks */
            memset(text + used, ' ', 3000);
            used += 3000;
        }
        lines[i] = line;
        starts[i] = start;
        used += (size_t)snprintf(text + used, room - used, "\"k%d\": %d,", i, i % 10);
    }
    used += (size_t)snprintf(text + used, room - used, " // last\n\n}\n");
    ck_assert_uint_lt(used, room);
    nncf_config *config = parse_as(text, NULL, 0);
    ck_assert_int_eq(
        nncf_config_explain(config, NNCF_FORM_TEXT, NULL, 0, &needed, NULL), NNCF_E_BUFFER);
    char *explained = malloc(needed), *at = explained;
    ck_assert_int_eq(
        nncf_config_explain(config, NNCF_FORM_TEXT, explained, needed, NULL, NULL), NNCF_OK);
    for (int i = 0; i < n_keys; i++) {
        int key = -1, value = -1, said = -1;
        char *end = strchr(at, '\n');
        ck_assert_ptr_nonnull(end);
        *end = '\0'; /* sscanf() looks for the end of its text first */
        if (sscanf(at, "k%d = %d # line %d", &key, &value, &said) != 3 || key != i ||
            value != i % 10 || said != lines[i])
            ck_abort_msg("key %d of line %d: %.100s", i, (int)lines[i], at);
        at = end + 1;
    }
    for (int i = 0; i < n_keys; i += i % 5000 == 9 ? 1 : 307) {
        nncf_error err = NNCF_ERROR_INIT;
        snprintf(path, sizeof(path), "k%d", i);
        ck_assert_int_eq(nncf_config_set_error(config, path, NULL, &err), NNCF_E_CONFIG);
        ck_assert_int_eq(err.line, lines[i]);
        ck_assert_uint_eq(starts[i] + (uint64_t)err.column - 1, err.offset);
        ck_assert_int_eq(text[err.offset], '0' + i % 10);
    }
    nncf_config_destroy(config);
    free(explained);
    free(starts);
    free(lines);
    free(text);
}
END_TEST

/* ---- migrations ---- */

static nncf_config *migrate(const char *text, const char *dialect)
{
    nncf_config *config = parse_as(text, dialect, 0);
    size_t needed = 0;
    ck_assert_int_eq(nncf_config_migrate(config, NULL, 0, &needed, NULL), NNCF_E_BUFFER);
    char *migrated = malloc(needed);
    ck_assert_int_eq(nncf_config_migrate(config, migrated, needed, NULL, NULL), NNCF_OK);
    nncf_config_destroy(config);
    config = parse_as(migrated, NULL, 0);
    free(migrated);
    ck_assert_str_eq(nncf_config_get_dialect(config), "2.17"); /* it says so itself */
    return config;
}

START_TEST(what_is_migrated_means_the_same)
{
    size_t count;
    const char *text;
    nncf_config *config =
        migrate("{\"input_sample_size\": [1, 3, 8, 8], \"batch_size\": 20, \"epochs\": 7, "
                "\"compression\": ["
                "{\"algorithm\": \"magnitude_sparsity\", \"weight_importance\": \"abs\", "
                "\"ignored_scopes\": \"Net/Conv2d[a]\","
                " \"params\": {\"sparsity_init\": 0.1, \"sparsity_steps\": 6, \"power\": 2}},"
                "{\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 3}}]}",
            NULL);
    const nncf__algorithm *a = nncf__config_algorithms(config, &count);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(
        a[0].schedule.curve, NNCF__CURVE_EASE_IN); /* 2.17's own default is the other one */
    ck_assert(a[0].schedule.init == 0.1 && a[0].schedule.steps == 6 && a[0].schedule.power == 2);
    ck_assert_int_eq(a[0].importance, NNCF__ABS);
    ck_assert_uint_eq(a[0].ignored_scopes.count, 1);
    ck_assert_str_eq(
        a[0].ignored_scopes.items[0], "{re}(^|/)Net(\\[[^]]*\\])?/(NNCF)?Conv2d\\[a\\](/|$)");
    ck_assert_int_eq(a[0].bn_adaptation_steps, 0);
    ck_assert_int_eq(a[1].ranges[0].kind, NNCF__MIN_MAX); /* neither are these */
    ck_assert_int_eq(a[1].ranges[0].n_samples, 60);
    ck_assert_int_eq(a[1].bn_adaptation_samples, 0);
    ck_assert_int_eq(a[1].overflow_fix, NNCF__OVERFLOW_DISABLE);
    ck_assert_int_eq(
        a[1].weights_given, NNCF__GIVEN_BITS | NNCF__GIVEN_MODE | NNCF__GIVEN_PER_CHANNEL);
    ck_assert_int_eq(nncf__config_setup_of(config)->device, NNCF__DEVICE_NONE);
    ck_assert_int_eq(nncf_config_get_string(config, "target_device", &text, NULL), NNCF_OK);
    ck_assert_str_eq(text, "TRIAL");
    int64_t epochs = 0, size = 0;
    ck_assert_int_eq(nncf_config_get_int(config, "epochs", &epochs, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_config_get_int(config, "input_info.sample_size[2]", &size, NULL), NNCF_OK);
    ck_assert(epochs == 7 && size == 8);
    nncf_config_destroy(config);
}
END_TEST

START_TEST(overrides_are_migrated)
{
    size_t count;
    nncf_config *config = migrate(
        "{\"hw_config_type\": \"vpu\", \"batch_size\": 2, \"compression\": {\"algorithm\": "
        "\"quantization\", \"activations\": {\"mode\": \"asymmetric\"}, \"initializer\": "
        "{\"range\": {\"num_init_steps\": 0}}, \"scope_overrides\": {\"Linear\": {\"bits\": 4, "
        "\"initializer\": {\"range\": {\"num_init_steps\": 5, \"type\": \"threesigma\"}}}}}}",
        NULL);
    const nncf__algorithm *a = nncf__config_algorithms(config, &count);
    ck_assert_int_eq(nncf__config_setup_of(config)->device, NNCF__DEVICE_VPU);
    ck_assert_int_eq(a->ranges[0].kind, NNCF__RANGE_NONE);
    ck_assert_uint_eq(a->n_ranges, 3); /* one for each group */
    ck_assert_int_eq(a->ranges[1].kind, NNCF__THREESIGMA);
    ck_assert_int_eq(a->ranges[1].n_samples, 10);
    ck_assert_uint_eq(a->n_overrides, 2);
    ck_assert_str_eq(a->overrides[0].scope, "{re}(^|/)(NNCF)?Linear(\\[[^]]*\\])?(/|$)");
    ck_assert(a->overrides[0].bits == 4 && a->overrides[1].bits == 4);
    ck_assert(a->overrides[0].group == NNCF__GROUP_WEIGHTS &&
        a->overrides[1].group == NNCF__GROUP_ACTIVATIONS);
    ck_assert_int_eq(a->weights_given, 0);
    ck_assert_int_eq(a->activations_given, NNCF__GIVEN_MODE);
    nncf_config_destroy(config);
}
END_TEST

/* ---- memory ---- */

static const char large[] = "{\"compression_lr_multiplier\": 2, \"ignored_scopes\": [\"A\"], "
                            "\"compression\": [{\"algorithm\": "
                            "\"rb_sparsity\", "
                            "\"params\": {\"schedule\": \"multistep\", \"multistep_steps\": [4, "
                            "2], \"multistep_sparsity_levels\": [0, 0.1, "
                            "0.2]}}, "
                            "{\"algorithm\": \"quantization\", \"quantizable_subgraph_patterns\": "
                            "[[\"a\", \"b\"], \"c\"], \"initializer\": {"
                            "\"range\": [{\"target_scopes\": \"X\"}, {\"type\": \"min_max\"}], "
                            "\"precision\": {\"bitwidth_per_scope\": [[4, "
                            "\"Y\"]]}}"
                            ", \"scope_overrides\": {\"weights\": {\"Z\": {\"bits\": 2, "
                            "\"initializer\": {\"range\": {}}}}}}]}";

typedef nncf_status text_fn(const nncf_config *, char *, size_t, size_t *, nncf_error *);
static nncf_status explain_text(
    const nncf_config *config, char *buffer, size_t capacity, size_t *needed, nncf_error *err)
{
    return nncf_config_explain(config, NNCF_FORM_JSON, buffer, capacity, needed, err);
}

static nncf_status parse_and_use(nncf_context *context)
{
    static text_fn *const uses[] = {nncf_config_dump, explain_text, nncf_config_migrate};
    static char buffer[1 << 14];
    nncf_config *config = NULL;
    nncf_status status =
        nncf_config_parse(context, "large", large, strlen(large), NULL, &config, NULL);
    for (size_t i = 0; i < 3 && status == NNCF_OK; i++)
        status = uses[i](config, buffer, sizeof(buffer), NULL, NULL);
    nncf_config_destroy(config);
    return status;
}

START_TEST(every_failed_allocation_is_survived)
{
    fx_memory counter = {0};
    nncf_context *context = fx_new_context(&counter, 1, 0, 0);
    size_t live = counter.live, n = 0;
    nncf_status status;
    do {
        counter.calls = 0;
        counter.fail_at = ++n;
        status = parse_and_use(context);
        ck_assert_int_eq(status, counter.calls >= n ? NNCF_E_NOMEM : NNCF_OK);
        ck_assert_uint_eq(counter.live, live);
    } while (status != NNCF_OK);
    ck_assert_uint_gt(n, 30);
    nncf_context_destroy(context);
    ck_assert_uint_eq(counter.live, 0);
    ck_assert_uint_eq(counter.mistakes, 0);
}
END_TEST

/* Whatever the text is, it loads or says where it is wrong, and what loads can be explained and
 * migrated. */
static void use_any(nncf_context *context, const char *text, size_t size)
{
    static char buffer[1 << 14];
    nncf_config *config = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status = nncf_config_parse(context, "any", text, size, NULL, &config, &err);
    if (status == NNCF_OK) {
        ck_assert_int_eq(
            nncf_config_explain(config, NNCF_FORM_TEXT, buffer, sizeof(buffer), NULL, NULL),
            NNCF_OK);
        ck_assert_int_eq(nncf_config_migrate(config, buffer, sizeof(buffer), NULL, NULL), NNCF_OK);
        nncf_config_destroy(config);
    } else {
        ck_assert(status == NNCF_E_PARSE || status == NNCF_E_CONFIG);
        ck_assert(err.line >= 1 && err.column >= 1 && err.offset <= size);
    }
    static bad_reports reports;
    static int turn;
    if (turn++ % sweep_rounds(1, 10) == 0)
        bad_parse_all("any", text, size, status, &err, &reports);
}

START_TEST(cut_and_changed_texts_end_in_an_error_or_load)
{
    static const char bytes[] = "{}[],:\"\\0-e";
    const size_t size = sizeof(large) - 1;
    char changed[sizeof(large)];
    fx_memory counter = {0};
    nncf_context *context = fx_new_context(&counter, 1, 0, 0);
    use_any(context, large, size);
    for (size_t i = 0; i < size; i++) {
        use_any(context, large, i);
        for (size_t b = 0; b < sizeof(bytes); b++) {
            memcpy(changed, large, size);
            changed[i] = bytes[b];
            use_any(context, changed, size);
        }
        memcpy(changed, large, size); /* a byte removed */
        memmove(changed + i, changed + i + 1, size - i - 1);
        use_any(context, changed, size - 1);
    }
    nncf_context_destroy(context);
    ck_assert_uint_eq(counter.live, 0);
    ck_assert_uint_eq(counter.mistakes, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_later");
    TCase *tests = fx_case(suite, "config_later", 120);
    tcase_add_loop_test(tests, wrong_configs_of_later_dialects_are_refused, 0,
        (int)(sizeof(wrong) / sizeof(wrong[0])));
    tcase_add_test(tests, the_callers_dialect_wins);
    tcase_add_test(tests, broken_callers_are_told);
    tcase_add_test(tests, every_value_has_an_origin);
    tcase_add_test(tests, explanations_are_json_that_reads_back);
    tcase_add_test(tests, places_in_a_large_file_are_right);
    tcase_add_test(tests, what_is_migrated_means_the_same);
    tcase_add_test(tests, overrides_are_migrated);
    tcase_add_test(tests, every_failed_allocation_is_survived);
    tcase_add_test(tests, cut_and_changed_texts_end_in_an_error_or_load);
    return fx_main(suite);
}
