/* SPDX-License-Identifier: Apache-2.0 */
/* Configs of every dialect against the canonical form that the tables ask for:
 * tests/golden/configs/dialects_*.cases.
 */
#include "base/text.h"
#include "config/config.h"
#include "context/context.h"
#include "support/runner.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { CASE_TEXT = 4096, LINES = 8 };

typedef struct kase {
    char name[160], config[CASE_TEXT], canonical[CASE_TEXT];
    char dialect[16], setup[80], curve[8], not_yet[160], adaptation[40], patterns[200];
    char ranges[LINES][200], overrides[LINES][200];
    int n_ranges, n_overrides; /* -1: not said */
} kase;

/* Lines of the canonical form stand together; line breaks and indentation do not count. */
static void add_line(char *text, const char *line, const char *end_of_line)
{
    size_t used = strlen(text);
    ck_assert_uint_lt(used + strlen(line) + 2, CASE_TEXT);
    sprintf(text + used, "%s%s", line, end_of_line);
}

static void add_expectation(kase *k, const char *line)
{
    char word[32], rest[200] = "";
    ck_assert_int_ge(sscanf(line, "@%31s %199[^\n]", word, rest), 1);
    if (strcmp(word, "dialect") == 0)
        snprintf(k->dialect, sizeof(k->dialect), "%s", rest);
    else if (strcmp(word, "setup") == 0)
        snprintf(k->setup, sizeof(k->setup), "%s", rest);
    else if (strcmp(word, "curve") == 0)
        snprintf(k->curve, sizeof(k->curve), "%s", rest);
    else if (strcmp(word, "not_yet") == 0)
        snprintf(k->not_yet, sizeof(k->not_yet), "%s", rest);
    else if (strcmp(word, "adaptation") == 0)
        snprintf(k->adaptation, sizeof(k->adaptation), "%s", rest);
    else if (strcmp(word, "patterns") == 0)
        snprintf(k->patterns, sizeof(k->patterns), "%s", rest);
    else if (strcmp(word, "overrides") == 0 && k->n_overrides < LINES)
        snprintf(k->overrides[k->n_overrides++], sizeof(k->overrides[0]), "%s", rest);
    else if (strcmp(word, "ranges") == 0 && k->n_ranges < LINES) {
        k->n_ranges = k->n_ranges < 0 ? 0 : k->n_ranges;
        snprintf(k->ranges[k->n_ranges++], sizeof(k->ranges[0]), "%s", rest);
    } else
        ck_abort_msg("unknown expectation: %s", line);
}

static void split_release(int32_t release, char out[16])
{
    if (release % 100)
        snprintf(out, 16, "%d.%d.%d", (int)release / 10000, (int)release / 100 % 100,
            (int)release % 100);
    else
        snprintf(out, 16, "%d.%d", (int)release / 10000, (int)release / 100 % 100);
}

static void describe_rule(const nncf__range_rule *rule, char out[200])
{
    static const char *const kinds[] = {"none", "min_max", "mean_min_max", "threesigma",
        "percentile", "mean_percentile", "mixed_min_max", "lsq"};
    static const char *const groups[] = {"", " weights", " activations"};
    int used = snprintf(out, 200, "%s", kinds[rule->kind]);
    if (rule->kind != NNCF__RANGE_NONE) {
        used += snprintf(out + used, 200 - (size_t)used, " %s %lld%s",
            rule->n_steps >= 0 ? "steps" : "samples",
            (long long)(rule->n_steps >= 0 ? rule->n_steps : rule->n_samples), groups[rule->group]);
        ck_assert((rule->n_steps >= 0) != (rule->n_samples >= 0));
    }
    for (size_t i = 0; i < rule->target_scopes.count; i++)
        used += snprintf(out + used, 200 - (size_t)used, " for %s", rule->target_scopes.items[i]);
    for (size_t i = 0; i < rule->ignored_scopes.count; i++)
        used += snprintf(out + used, 200 - (size_t)used, " not %s", rule->ignored_scopes.items[i]);
}

static void describe_override(const nncf__override *o, char out[200])
{
    static const char *const groups[] = {"any", "weights", "activations"};
    static const char *const modes[] = {"", "", " symmetric", " asymmetric"},
                             *const signs[] = {"", "", " unsigned", " signed"};
    static const char *const channels[] = {"", "", " per_tensor", " per_channel"};
    int used = snprintf(out, 200, "%s %s", o->scope, groups[o->group]);
    if (o->bits)
        used += snprintf(out + used, 200 - (size_t)used, " %d", (int)o->bits);
    used += snprintf(out + used, 200 - (size_t)used, "%s%s%s", modes[o->mode + 2],
        signs[o->sign + 2], channels[o->per_channel + 2]);
    if (o->group_size != NNCF__NOT_OVERRIDDEN)
        snprintf(out + used, 200 - (size_t)used, " groups %d", (int)o->group_size);
}

static void check_setup(const kase *k, const nncf__config_setup *setup)
{
    static const char *const setups[] = {"pattern", "propagation"},
                             *const devices[] = {"ANY", "CPU", "GPU", "VPU", "NONE"};
    static const char *const rules[] = {"prefix", "exact"},
                             *const checks[] = {"warn", "strict", "off"};
    char text[80], release[16];
    split_release(setup->release, release);
    ck_assert_msg(strcmp(release, k->dialect) == 0, "%s: read as %s", k->name, release);
    snprintf(text, sizeof(text), "%s %s %s %s", setups[setup->setup], devices[setup->device],
        rules[setup->scope_rule], checks[setup->scope_check]);
    ck_assert_msg(!k->setup[0] || strcmp(text, k->setup) == 0, "%s: %s", k->name, text);
}

static void check_first_algorithm(const kase *k, const nncf__algorithm *a)
{
    char text[200];
    if (k->curve[0])
        ck_assert_msg((a->schedule.curve == NNCF__CURVE_EASE_OUT) == (strcmp(k->curve, "out") == 0),
            "%s", k->name);
    if (k->adaptation[0]) {
        snprintf(text, sizeof(text), "%lld %lld", (long long)a->bn_adaptation_steps,
            (long long)a->bn_adaptation_samples);
        ck_assert_msg(strcmp(text, k->adaptation) == 0, "%s: %s", k->name, text);
    }
    if (k->patterns[0]) {
        int used = 0;
        text[0] = '\0';
        for (size_t i = 0; i < a->n_patterns; i++)
            for (size_t j = 0; j < a->patterns[i].count; j++)
                used += snprintf(text + used, sizeof(text) - (size_t)used, "%s%s",
                    j > 0       ? "+"
                        : i > 0 ? " "
                                : "",
                    a->patterns[i].items[j]);
        ck_assert_msg(strcmp(text, k->patterns) == 0, "%s: %s", k->name, text);
    }
    if (k->n_ranges == 1 && strcmp(k->ranges[0], "none") == 0) {
        ck_assert_int_eq(a->range_kind, NNCF__RANGE_NONE);
    } else if (k->n_ranges >= 0) {
        ck_assert_msg(a->n_ranges == (size_t)k->n_ranges, "%s: %zu rules", k->name, a->n_ranges);
        for (int i = 0; i < k->n_ranges; i++) {
            describe_rule(&a->ranges[i], text);
            ck_assert_msg(strcmp(text, k->ranges[i]) == 0, "%s: %s", k->name, text);
        }
    }
    ck_assert_msg(
        a->n_overrides == (size_t)k->n_overrides, "%s: %zu overrides", k->name, a->n_overrides);
    for (int i = 0; i < k->n_overrides; i++) {
        describe_override(&a->overrides[i], text);
        ck_assert_msg(strcmp(text, k->overrides[i]) == 0, "%s: %s", k->name, text);
    }
}

static char *canonical(const nncf_config *config)
{
    nncf_context *context = NULL;
    ck_assert_int_eq(nncf__context_default(&context, NULL), NNCF_OK);
    nncf__text text = {.context = context};
    nncf__config_canonical(config, &text);
    ck_assert(!text.failed);
    char *copy = strdup(text.data);
    nncf__text_free(&text);
    nncf_context_destroy(context);
    return copy;
}

/* The effective config is read as the same config. */
static void check_dump(const kase *k, const nncf_config *config, const char *expected)
{
    static char text[1 << 16];
    nncf_config *again = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_config_dump(config, text, sizeof(text), NULL, NULL), NNCF_OK);
    nncf_status status = nncf_config_parse(NULL, "dump", text, strlen(text), NULL, &again, &err);
    ck_assert_msg(status == NNCF_OK, "%s: %s\n%s", k->name, err.message, text);
    char *actual = canonical(again);
    ck_assert_msg(
        strcmp(actual, expected) == 0, "%s: the dump says\n%s\nnot\n%s", k->name, actual, expected);
    free(actual);
    nncf_config_destroy(again);
}

static bool same_levels(const nncf__schedule_params *a, const nncf__schedule_params *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == NNCF__MULTISTEP)
        return a->n_levels == b->n_levels && a->n_multistep == b->n_multistep &&
            memcmp(a->multistep_levels, b->multistep_levels, a->n_levels * sizeof(double)) == 0 &&
            memcmp(a->multistep_steps, b->multistep_steps, a->n_multistep * sizeof(double)) == 0;
    return a->init == b->init && a->target == b->target && a->steps == b->steps &&
        a->power == b->power && (a->kind != NNCF__POLYNOMIAL || a->curve == b->curve);
}

/* What is migrated says itself that it is of 2.17, and the same algorithms rise to the same levels.
 */
static void check_migration(const kase *k, const nncf_config *config)
{
    static char text[1 << 16];
    nncf_config *migrated = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    size_t count, same;
    ck_assert_int_eq(nncf_config_migrate(config, text, sizeof(text), NULL, NULL), NNCF_OK);
    nncf_status status =
        nncf_config_parse(NULL, "migrated", text, strlen(text), NULL, &migrated, &err);
    ck_assert_msg(status == NNCF_OK, "%s: %s\n%s", k->name, err.message, text);
    ck_assert_msg(strcmp(nncf_config_get_dialect(migrated), "2.17") == 0, "%s: %s\n%s", k->name,
        nncf_config_get_dialect(migrated), text);
    const nncf__algorithm *before = nncf__config_algorithms(config, &count);
    const nncf__algorithm *after = nncf__config_algorithms(migrated, &same);
    ck_assert_uint_eq(count, same);
    for (size_t i = 0; i < count; i++) {
        ck_assert_str_eq(before[i].name, after[i].name);
        ck_assert_msg(
            same_levels(&before[i].schedule, &after[i].schedule), "%s:\n%s", k->name, text);
        ck_assert_int_eq(before[i].weights.group_size, after[i].weights.group_size);
        for (size_t j = 0; j < before[i].n_overrides && j < after[i].n_overrides; j++)
            ck_assert_int_eq(before[i].overrides[j].group_size, after[i].overrides[j].group_size);
    }
    nncf_config_destroy(migrated);
}

static void check_case(const kase *k)
{
    nncf_config *config = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status =
        nncf_config_parse(NULL, "case.json", k->config, strlen(k->config), NULL, &config, &err);
    ck_assert_msg(status == NNCF_OK, "%s: %s", k->name, err.message);
    char *actual = canonical(config);
    ck_assert_msg(
        strcmp(actual, k->canonical) == 0, "%s:\n%s\nis not\n%s", k->name, actual, k->canonical);
    check_setup(k, nncf__config_setup_of(config));
    size_t count;
    const nncf__algorithm *a = nncf__config_algorithms(config, &count);
    ck_assert_uint_eq(count, nncf_config_get_algorithm_count(config));
    if (count > 0)
        check_first_algorithm(k, a);
    status = nncf_config_check_supported(config, &err);
    ck_assert_msg((status == NNCF_OK) == (k->not_yet[0] == '\0'), "%s: %s", k->name, err.message);
    if (k->not_yet[0]) {
        ck_assert_int_eq(status, NNCF_E_UNSUPPORTED);
        ck_assert_msg(strcmp(err.where, k->not_yet) == 0, "%s: %s", k->name, err.message);
        ck_assert_ptr_nonnull(strstr(err.message, ": not supported yet: "));
    }
    check_dump(k, config, actual);
    check_migration(k, config);
    free(actual);
    nncf_config_destroy(config);
}

/* Check every case of a file; returns how many there are. */
static int check_file(const char *name)
{
    char path[600], line[1000];
    static kase k;
    int n = 0;
    enum { BEFORE, CONFIG, EXPECTED } part = BEFORE;
    snprintf(path, sizeof(path), "%s/configs/%s", NNCF_GOLDEN_DIR, name);
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "=== ", 4) == 0) {
            if (part == EXPECTED)
                check_case(&k);
            memset(&k, 0, sizeof(k));
            k.n_ranges = -1;
            snprintf(k.name, sizeof(k.name), "%.150s", line + 4);
            part = CONFIG;
            n++;
        } else if (part == CONFIG && strcmp(line, "---") == 0) {
            part = EXPECTED;
        } else if (part == CONFIG) {
            add_line(k.config, line, "\n");
        } else if (part == EXPECTED && line[0] == '@') {
            add_expectation(&k, line);
        } else if (part == EXPECTED) {
            add_line(k.canonical, line + strspn(line, " "), "");
        }
    }
    fclose(file);
    ck_assert_int_eq(part, EXPECTED);
    check_case(&k);
    return n;
}

START_TEST(sparsity_of_every_dialect_has_its_canonical_form)
{
    ck_assert_int_ge(check_file("dialects_sparsity.cases"), 28);
}
END_TEST

START_TEST(quantization_of_every_dialect_has_its_canonical_form)
{
    ck_assert_int_ge(check_file("dialects_quantization.cases"), 33);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_dialects");
    TCase *tests = fx_case(suite, "config_dialects", 120);
    tcase_add_test(tests, sparsity_of_every_dialect_has_its_canonical_form);
    tcase_add_test(tests, quantization_of_every_dialect_has_its_canonical_form);
    return fx_main(suite);
}
