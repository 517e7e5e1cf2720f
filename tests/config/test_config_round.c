/* SPDX-License-Identifier: Apache-2.0 */
/* Dump, load, dump: every config of the tests and examples, in its own dialect and in others. */
#include "fuzz/config_target.h"
#include "support/runner.h"

#include <check.h>
#include <dirent.h>

static nncf_context *context;

static void open_context(void)
{
    const nncf_context_params params = {NNCF_PARAMS(nncf_context_params), .n_threads = 1};
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &context, NULL), NNCF_OK);
}

static void close_context(void)
{
    nncf_context_destroy(context);
}

/* It loads as it is; where it loads as another release too, it goes round there. Returns how often
 * it loaded. */
static int check_text(const char *name, const char *text)
{
    static const char *const dialects[] = {
        NULL, "1.0", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "2.0", "2.4", "2.17"};
    int n = 0;
    for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++) {
        const nncf_config_params params = {NNCF_PARAMS(nncf_config_params), .dialect = dialects[i]};
        char why[CONFIG_TARGET_WHY];
        bool loads;
        bool holds = config_target_holds(context, text, strlen(text), &params, &loads, why);
        ck_assert_msg(loads || dialects[i], "%s does not load", name);
        ck_assert_msg(
            holds, "%s, dialect %s: %s", name, dialects[i] ? dialects[i] : "of its keys", why);
        n += loads;
    }
    return n;
}

static char *read_file(const char *path)
{
    enum { MOST = 1 << 16 };
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    char *text = calloc(1, MOST);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_lt(fread(text, 1, MOST - 1, file), MOST - 1);
    fclose(file);
    return text;
}

/* All configs of a folder; returns how many. */
static int check_folder(const char *folder)
{
    int n = 0;
    DIR *entries = opendir(folder);
    ck_assert_msg(entries != NULL, "cannot open %s", folder);
    for (struct dirent *entry; (entry = readdir(entries));) {
        char path[1000];
        const char *dot = strrchr(entry->d_name, '.');
        if (!dot || strcmp(dot, ".json") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        char *text = read_file(path);
        (void)check_text(entry->d_name, text);
        free(text);
        n++;
    }
    closedir(entries);
    return n;
}

START_TEST(golden_configs_survive_dump_and_load)
{
    ck_assert_int_ge(check_folder(NNCF_GOLDEN_DIR "/configs"), 7);
}
END_TEST

START_TEST(example_configs_survive_dump_and_load)
{
    ck_assert_int_ge(check_folder(NNCF_GOLDEN_DIR "/../../examples/configs"), 6);
}
END_TEST

START_TEST(configs_of_all_cases_survive_dump_and_load)
{
    static const char *const files[] = {NNCF_GOLDEN_DIR "/configs/dialects_sparsity.cases",
        NNCF_GOLDEN_DIR "/configs/dialects_quantization.cases"};
    int n = 0;
    for (size_t i = 0; i < 2; i++) {
        char *text = read_file(files[i]);
        for (char *at = strstr(text, "\n=== "); at;) {
            char *begin = strchr(at + 1, '\n'), *end = strstr(at, "\n---");
            ck_assert(begin && end);
            *begin = *end = 0;
            (void)check_text(at + 5, begin + 1);
            at = strstr(end + 1, "\n=== ");
            n++;
        }
        free(text);
    }
    ck_assert_int_ge(n, 61);
}
END_TEST

/* What the sweep and the fuzzer found, and what has no algorithm to keep the dialect for. */
START_TEST(odd_configs_survive_dump_and_load)
{
    static const char *const cases[] = {
        "{}",
        "{\"a\": 1}",
        "{\"nncf_dialect\": \"2.4\"}",
        "{\"nncf_dialect\": \"2.4\", \"compression\": []}",
        "{\"compression\": {}, \"nncf_dialect\": \"1.5\", \"target_device\": \"GPU\"}",
        "{\"target_device\": \"CPU\"}",
        "{\"hw_config_type\": \"vpu\", \"a\": []}",
        "{\"quantizer_setup_type\": \"pattern_based\", \"ignored_scopes\": [\"A\"]}",
        "{\"compression\": {\"algorithm\": \"quantization\"}, \"nncf_dialect\": \"2.17\"}",
        "{\"nncf_dialect\": \"1.4\", \"compression\": {\"algorithm\": \"quantization\", "
        "\"linked_quantizer_scopes\": [\"A\"]}}",
        "{\"nncf_dialect\": \"1.7\", \"compression\": {\"algorithm\": \"quantization\", "
        "\"unified_scale_ops\": [\"B\", [\"C\", \"D\"]]}}",
        "{\"compression\": {\"algorithm\": \"quantization\", \"signed_activation_scopes\": "
        "[\"a\\nb\", \"a\\nb\"]}}",
        /* 0 is something else than absent */
        "{\"nncf_dialect\": \"2.8\", \"compression\": {\"algorithm\": \"quantization\", "
        "\"initializer\": {"
        "\"batchnorm_adaptation\": {\"num_bn_adaptation_steps\": 0, \"num_bn_forget_steps\": 7}}}}",
        /* plain text in 1.0 and 1.1 */
        "{\"nncf_dialect\": \"1.1\", \"compression\": {\"algorithm\": \"const_sparsity\", "
        "\"ignored_scopes\": "
        "[\"{re}[\"]}}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_int_gt(check_text(cases[i], cases[i]), 1);
}
END_TEST

/* Scopes as long as they may be become expressions where those are not longer than a text may be.
 */
/* Of a value that is kept as it is written, too. */
START_TEST(an_alias_is_written_as_what_it_stands_for)
{
    static const struct {
        const char *alias, *key, *path;
    } cases[] = {
        {"{\"nncf_dialect\": \"1.5\", \"compression\": {\"algorithm\": \"quantization\", "
         "\"linked_quantizer_scopes\": [[\"A\", \"B\"]]}}",
            "{\"nncf_dialect\": \"1.5\", \"compression\": {\"algorithm\": \"quantization\", "
            "\"activations\": {\"linked_quantizer_scopes\": [[\"A\", \"B\"]]}}}",
            "compression.activations.linked_quantizer_scopes = [[\"A\",\"B\"]]"},
        {"{\"nncf_dialect\": \"2.4\", \"compression\": {\"algorithm\": \"quantization\", "
         "\"unified_scale_ops\": [[\"A\", \"B\"]]}}",
            "{\"nncf_dialect\": \"2.4\", \"compression\": {\"algorithm\": \"quantization\", "
            "\"activations\": {\"unified_scale_ops\": [[\"A\", \"B\"]]}}}",
            "compression.activations.unified_scale_ops = [[\"A\",\"B\"]]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[CONFIG_TARGET_WHY] = "";
        nncf_config *alias = config_target_parse(context, cases[i].alias, "the alias", why),
                    *key = config_target_parse(context, cases[i].key, "the key", why);
        ck_assert_msg(alias && key, "%s", why);
        char *texts[] = {config_target_canonical(context, alias),
            config_target_canonical(context, key),
            config_target_text(alias, nncf_config_migrate, "migrate", why),
            config_target_text(key, nncf_config_migrate, "migrate", why),
            config_target_text(alias, config_target_explain_text, "explain", why)};
        ck_assert_str_eq(texts[0], texts[1]);
        ck_assert_str_eq(texts[2], texts[3]);
        ck_assert_msg(strstr(texts[4], cases[i].path) != NULL, "%s", texts[4]);
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
            free(texts[k]);
        nncf_config_destroy(alias);
        nncf_config_destroy(key);
    }
}
END_TEST

START_TEST(long_scopes_survive_migration)
{
    static const char *const elements[] = {"Conv2d/", "a/", "[", "A[b]/"};
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++) {
        for (size_t size = 1000; size <= 4096; size += 516) {
            static char text[5000];
            size_t used = (size_t)sprintf(
                text, "{\"compression\": {\"algorithm\": \"rb_sparsity\", \"ignored_scopes\": [\"");
            for (size_t k = 0; k < size; k++)
                text[used++] = elements[i][k % strlen(elements[i])];
            strcpy(text + used, "\"]}}");
            ck_assert_int_gt(check_text("a long scope", text), 5);
        }
    }
}
END_TEST

/* The dialect is said where it was said, and kept where the caller said it. */
START_TEST(dialect_is_kept_without_algorithms)
{
    static const struct {
        const char *text, *dialect, *dump;
    } cases[] = {
        {"{\"nncf_dialect\": \"2.4\", \"a\": 1}", NULL,
            "{\n    \"nncf_dialect\": \"2.4\",\n    \"a\": 1,\n    \"compression\": []\n}\n"},
        {"{\"a\": 1}", "1.3.1",
            "{\n    \"a\": 1,\n    \"nncf_dialect\": \"1.3.1\",\n    \"compression\": []\n}\n"},
        {"{\"a\": 1}", NULL, "{\n    \"a\": 1,\n    \"compression\": []\n}\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const nncf_config_params params = {
            NNCF_PARAMS(nncf_config_params), .dialect = cases[i].dialect};
        nncf_config *config = NULL;
        char dump[300];
        ck_assert_int_eq(nncf_config_parse(context, "t", cases[i].text, strlen(cases[i].text),
                             &params, &config, NULL),
            NNCF_OK);
        ck_assert_int_eq(nncf_config_dump(config, dump, sizeof dump, NULL, NULL), NNCF_OK);
        ck_assert_str_eq(dump, cases[i].dump);
        nncf_config_destroy(config);
    }
    /* a key of NNCF is wrong without `compression` too, so that the dump, which has one, loads */
    nncf_error err = NNCF_ERROR_INIT;
    nncf_config *config = NULL;
    const char wrong[] = "{\"target_device\": \"TPU\"}";
    ck_assert_int_eq(
        nncf_config_parse(context, "t", wrong, strlen(wrong), NULL, &config, &err), NNCF_E_CONFIG);
    ck_assert_str_eq(err.where, "target_device");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_round");
    TCase *tests = fx_case(suite, "config_round", 120);
    tcase_add_checked_fixture(tests, open_context, close_context);
    tcase_add_test(tests, golden_configs_survive_dump_and_load);
    tcase_add_test(tests, example_configs_survive_dump_and_load);
    tcase_add_test(tests, configs_of_all_cases_survive_dump_and_load);
    tcase_add_test(tests, odd_configs_survive_dump_and_load);
    tcase_add_test(tests, an_alias_is_written_as_what_it_stands_for);
    tcase_add_test(tests, long_scopes_survive_migration);
    tcase_add_test(tests, dialect_is_kept_without_algorithms);
    return fx_main(suite);
}
