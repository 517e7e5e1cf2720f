/* SPDX-License-Identifier: Apache-2.0 */
/* Configs that load: syntax, meaning, paths, dumps, memory. Those that do not: test_config_bad.c.
 */
#include "base/text.h"
#include "config/config.h"
#include "context/context.h"
#include "support/context.h"
#include "support/runner.h"

#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>

/* A text of the golden folder; freed by the caller. */
static char *read_golden(const char *name, size_t *size)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/%s", NNCF_GOLDEN_DIR, name);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    char *text = calloc(1, 1 << 16);
    *size = fread(text, 1, (1 << 16) - 1, file);
    fclose(file);
    return text;
}

/* The JSON block of NNCF's own document, as it stands there. */
static char *read_seed(size_t *size)
{
    char *text = read_golden("configuration-file.md", size);
    char *begin = strstr(text, "```yaml\n");
    ck_assert_ptr_nonnull(begin);
    begin += strlen("```yaml\n");
    char *end = strstr(begin, "\n```");
    ck_assert_ptr_nonnull(end);
    *size = (size_t)(end - begin);
    memmove(text, begin, *size);
    text[*size] = '\0';
    return text;
}

static nncf_config *parse(const char *text)
{
    nncf_config *config = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status =
        nncf_config_parse(NULL, "test.json", text, strlen(text), NULL, &config, &err);
    ck_assert_msg(status == NNCF_OK, "%s: %s\n%s", nncf_status_name(status), err.message, text);
    return config;
}

static char *canonical(const nncf_config *config)
{
    nncf_context *context = NULL;
    ck_assert_int_eq(nncf__context_default(&context, NULL), NNCF_OK);
    nncf__text text = {.context = context};
    nncf__config_canonical(config, &text);
    ck_assert(!text.failed);
    char *copy = calloc(1, text.length + 1);
    memcpy(copy, text.data, text.length);
    nncf__text_free(&text);
    nncf_context_destroy(context);
    return copy;
}

static char *dump(const nncf_config *config)
{
    size_t needed = 0, again = 0;
    ck_assert_int_eq(nncf_config_dump(config, NULL, 0, &needed, NULL), NNCF_E_BUFFER);
    char *text = malloc(needed);
    ck_assert_int_eq(nncf_config_dump(config, text, needed, &again, NULL), NNCF_OK);
    ck_assert_uint_eq(again, needed);
    ck_assert_uint_eq(strlen(text) + 1, needed);
    return text;
}

/* The effective config says the same as the config, and is a fixed point. */
static void check_round_trip(const nncf_config *config)
{
    char *first = dump(config);
    nncf_config *again = parse(first);
    char *second = dump(again), *canonical_1 = canonical(config), *canonical_2 = canonical(again);
    ck_assert_str_eq(canonical_1, canonical_2);
    ck_assert_str_eq(first, second);
    free(first);
    free(second);
    free(canonical_1);
    free(canonical_2);
    nncf_config_destroy(again);
}

/* ---- meaning ---- */

START_TEST(the_seed_means_what_it_says)
{
    size_t size, count;
    char *text = read_seed(&size);
    nncf_config *config = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(nncf_config_parse(NULL, "seed", text, size, NULL, &config, &err) == NNCF_OK, "%s",
        err.message);
    free(text);
    ck_assert_uint_eq(nncf_config_get_algorithm_count(config), 2);
    ck_assert_str_eq(nncf_config_get_algorithm_name(config, 0), "rb_sparsity");
    ck_assert_str_eq(nncf_config_get_algorithm_name(config, 1), "quantization");
    ck_assert_ptr_null(nncf_config_get_algorithm_name(config, 2));

    const nncf__algorithm *a = nncf__config_algorithms(config, &count);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(a[0].kind, NNCF__RB_SPARSITY);
    ck_assert_int_eq(a[0].schedule.kind, NNCF__EXPONENTIAL);
    ck_assert(a[0].schedule.init == 0.01 && a[0].schedule.target == 0.52);
    ck_assert(a[0].schedule.steps == 5 && a[0].schedule.training_steps == 10);
    ck_assert(a[0].schedule.power == 0.9 && a[0].schedule.patience == 1);
    ck_assert(a[0].schedule.step == 0.05 && a[0].schedule.eps == 0.03);
    ck_assert_uint_eq(a[0].ignored_scopes.count, 1);
    ck_assert_str_eq(
        a[0].ignored_scopes.items[0], "MobileNetV2/Sequential[features]/Sequential[0]/Conv2d[0]");
    ck_assert_uint_eq(a[0].target_scopes.count, 0);

    ck_assert_int_eq(a[1].kind, NNCF__QUANTIZATION);
    ck_assert_int_eq(a[1].range_kind, NNCF__MIN_MAX);
    ck_assert_int_eq(a[1].num_init_steps, 1);
    ck_assert_int_eq(a[1].quantize_inputs, 1);
    ck_assert_uint_eq(a[1].ignored_scopes.count, 0);
    const nncf__quantizer_params *both[] = {&a[1].weights, &a[1].activations};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(both[i]->bits, 8);
        ck_assert_int_eq(both[i]->mode, NNCF__SYMMETRIC);
        ck_assert_int_eq(both[i]->sign, NNCF__SIGN_AUTO);
        ck_assert_int_eq(both[i]->per_channel, 0);
    }

    double lr = 0;
    int64_t batch = 0, step = 0;
    const char *type = NULL;
    ck_assert_int_eq(nncf_config_get_double(config, "optimizer.base_lr", &lr, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_config_get_int(config, "batch_size", &batch, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_config_get_string(config, "optimizer/type", &type, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_config_get_int(config, "optimizer.steps[2]", &step, NULL), NNCF_OK);
    ck_assert(lr == 0.001 && batch == 256 && step == 40);
    ck_assert_str_eq(type, "Adam");
    check_round_trip(config);
    nncf_config_destroy(config);
}
END_TEST

static const char *const golden_names[] = {"magnitude_defaults", "magnitude_multistep",
    "later_names", "adaptive", "quantization_1_0", "quantization_1_1", "plain_crlf"};

static void check_canonical(const nncf_config *config, const char *name)
{
    char file[100];
    size_t size;
    snprintf(file, sizeof(file), "configs/%s.canonical", name);
    char *expected = read_golden(file, &size), *actual = canonical(config);
    expected[strcspn(expected, "\n")] = '\0';
    ck_assert_str_eq(actual, expected);
    free(expected);
    free(actual);
}

START_TEST(golden_configs_have_their_canonical_form)
{
    for (size_t i = 0; i < sizeof(golden_names) / sizeof(golden_names[0]); i++) {
        char path[600];
        nncf_config *config = NULL;
        nncf_error err = NNCF_ERROR_INIT;
        snprintf(path, sizeof(path), "%s/configs/%s.json", NNCF_GOLDEN_DIR, golden_names[i]);
        ck_assert_msg(
            nncf_config_load(NULL, path, NULL, &config, &err) == NNCF_OK, "%s", err.message);
        check_canonical(config, golden_names[i]);
        check_round_trip(config);
        nncf_config_destroy(config);
    }
    size_t size;
    char *text = read_seed(&size);
    nncf_config *config = parse(text);
    check_canonical(config, "seed");
    nncf_config_destroy(config);
    free(text);
}
END_TEST

START_TEST(schedules_have_their_own_defaults)
{
    size_t count;
    nncf_config *config =
        parse("{\"compression\": {\"algorithm\": \"rb_sparsity\", \"params\": {}}}");
    const nncf__algorithm *a = nncf__config_algorithms(config, &count);
    ck_assert_int_eq(a->schedule.kind, NNCF__EXPONENTIAL);
    ck_assert(a->schedule.init == 0 && a->schedule.target == 0.5);
    ck_assert(a->schedule.steps == 90 && a->schedule.training_steps == 100);
    nncf_config_destroy(config);

    config = parse(
        "{\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"params\": {\"schedule\": "
        "\"multistep\"}}}");
    a = nncf__config_algorithms(config, &count);
    ck_assert_uint_eq(a->schedule.n_multistep, 1);
    ck_assert_uint_eq(a->schedule.n_levels, 2);
    ck_assert(a->schedule.multistep_steps[0] == 90);
    ck_assert(a->schedule.multistep_levels[0] == 0.1 && a->schedule.multistep_levels[1] == 0.5);
    nncf_config_destroy(config);

    /* No step at all: one level for ever. */
    config = parse(
        "{\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"params\": {\"schedule\": "
        "\"multistep\", \"steps\": [], \"sparsity_levels\": [0.3]}}}");
    a = nncf__config_algorithms(config, &count);
    ck_assert_uint_eq(a->schedule.n_multistep, 0);
    ck_assert(a->schedule.multistep_levels[0] == 0.3);
    check_round_trip(config);
    nncf_config_destroy(config);
}
END_TEST

START_TEST(initializer_gives_range_kind_and_steps)
{
    static const struct {
        const char *section;
        int32_t kind;
        int64_t steps;
    } cases[] = {{"", NNCF__RANGE_NONE, 0}, {", \"initializer\": {}", NNCF__MIN_MAX, 1},
        {", \"initializer\": {\"num_init_steps\": 7}", NNCF__MIN_MAX, 7},
        {", \"initializer\": {\"num_init_steps\": 0}", NNCF__RANGE_NONE, 0},
        {", \"initializer\": {\"num_init_steps\": 0, \"type\": \"min_max\"}", NNCF__RANGE_NONE, 0},
        {", \"initializer\": {\"type\": \"min_max\"}", NNCF__MIN_MAX, 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[200];
        size_t count;
        snprintf(text, sizeof(text), "{\"compression\": {\"algorithm\": \"quantization\"%s}}",
            cases[i].section);
        nncf_config *config = parse(text);
        const nncf__algorithm *a = nncf__config_algorithms(config, &count);
        ck_assert_int_eq(a->range_kind, cases[i].kind);
        ck_assert_int_eq(a->num_init_steps, cases[i].steps);
        check_round_trip(config);
        nncf_config_destroy(config);
    }
}
END_TEST

/* ---- syntax ---- */

START_TEST(syntax_that_is_accepted)
{
    /* Each text, and what `a` is in it as the dump writes it; NULL: there is no `a`. */
    static const char *const cases[][2] = {
        {"{}", NULL},
        {" \t\r\n{ } \n", NULL},
        {"{,}", NULL},
        {"{\"a\": [,]}", "[]"},
        {"{\"a\": [1,2,],}", "[1, 2]"},
        {"{\"a\": [1, // one\n 2 /* two */ , // end\n ]}", "[1, 2]"},
        {"// first\n{\"a\": 1} // last, without a newline", "1"},
        {"{\"a\": 1} /* 2 * 3 / 4 */", "1"},
        {"{\"a\": 1} /***/ /**/ /* * / ** // */", "1"},
        {"/* a // b */ {\"a\": 1}", "1"},
        {"// a /* b\n{\"a\": 1}", "1"},
        {"{\"a\": \"http://x/*y*/,]\"}", "\"http://x/*y*/,]\""},
        {"{\"a\": \"quote \\\" // no comment\"}", "\"quote \\\" // no comment\""},
        {"{\"a\": \"back\\\\\"} // comment", "\"back\\\\\""},
        {"{\"a\": \"\\u00e9\\ud83d\\ude00\\n\"}", "\"\\u00e9\\ud83d\\ude00\\n\""},
        {"{\"a\": \"\xc3\xa9 \xf0\x9f\x98\x80\"} // \xc3\xa9", "\"\xc3\xa9 \xf0\x9f\x98\x80\""},
        {"{\"a\": -0}", "-0"},
        {"{\"a\": 0.0}", "0.0"},
        {"{\"a\": 1E+2}", "1E+2"},
        {"{\"a\": -12.5e-3}", "-12.5e-3"},
        {"{\"a\": 1e-999}", "1e-999"},
        {"{\"a\": 99999999999999999999}", "99999999999999999999"},
        {"{\"a\": null}", "null"},
        {"{\"a\": true}", "true"},
        {"{\"a\": {}, \"compression\": []}", "{}"},
        {"{\"a\": 1, \"compression\": {}}", "1"},
        {"{\"a\": 1, \"b\": {\"a\": 2}}", "1"},
        {"{\r\n\"a\": 1, // c\r\n\"b\": 2\r\n}\r\n", "1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        nncf_config *config = parse(cases[i][0]);
        ck_assert_uint_eq(nncf_config_get_algorithm_count(config), 0);
        char *text = dump(config);
        if (cases[i][1]) {
            char wanted[100];
            snprintf(wanted, sizeof(wanted), "\"a\": %s", cases[i][1]);
            ck_assert_msg(strstr(text, wanted) != NULL, "%s gives %s", cases[i][0], text);
        }
        free(text);
        check_round_trip(config);
        nncf_config_destroy(config);
    }
}
END_TEST

START_TEST(sizes_up_to_the_limits)
{
    /* 32 brackets deep, a text of 4096 bytes, a file of exactly 1 MiB. */
    size_t size = 1 << 20;
    char *text = malloc(size);
    memset(text, ' ', size);
    text[0] = '{';
    memcpy(text + 10, "\"deep\":", 7);
    memset(text + 20, '[', 31);
    memset(text + 60, ']', 31);
    memcpy(text + 100, ",\"long\":\"", 9);
    memset(text + 109, 'x', 4096);
    memcpy(text + 109 + 4096, "\"}", 2);
    nncf_config *config = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(nncf_config_parse(NULL, NULL, text, size, NULL, &config, &err) == NNCF_OK, "%s",
        err.message);
    const char *value;
    ck_assert_int_eq(nncf_config_get_string(config, "long", &value, NULL), NNCF_OK);
    ck_assert_uint_eq(strlen(value), 4096);
    nncf_config_destroy(config);

    /* 100000 keys in one object, all different. */
    size_t used = (size_t)snprintf(text, size, "{");
    for (int i = 0; i < 100000; i++)
        used += (size_t)snprintf(
            text + used, size - used, "%s\"%x\":0", i ? "," : "", (unsigned)(i * 7919) & 0xfffff);
    used += (size_t)snprintf(text + used, size - used, "}");
    ck_assert_msg(nncf_config_parse(NULL, NULL, text, used, NULL, &config, &err) == NNCF_OK, "%s",
        err.message);
    size_t length;
    ck_assert_int_eq(nncf_config_get_element_count(config, "", &length, NULL), NNCF_OK);
    ck_assert_uint_eq(length, 100000);
    nncf_config_destroy(config);
    free(text);
}
END_TEST

/* ---- paths ---- */

/* ---- values by path ---- */

static const char values_text[] =
    "{\"b\": true, \"n\": null, \"i\": -7, \"d\": 2.5, \"s\": \"text\", \"big\": "
    "9223372036854775808, \"max\": 9223372036854775807, \"min\": -9223372036854775808,"
    "\"o\": {\"x.y\": 1, \"q\\\"\\\\\": 2, \"p/q\": 3, \"\": 4, \"deep\": [[1, 2], [3, "
    "{\"k\": 5}]]}}";

START_TEST(paths_are_found_or_refused)
{
    nncf_config *config = parse(values_text);
    static const struct {
        const char *path;
        nncf_status status;
        int32_t type;
    } cases[] = {
        {"", NNCF_OK, NNCF_CONFIG_OBJECT},
        {"b", NNCF_OK, NNCF_CONFIG_BOOL},
        {"n", NNCF_OK, NNCF_CONFIG_NULL},
        {"i", NNCF_OK, NNCF_CONFIG_INT},
        {"d", NNCF_OK, NNCF_CONFIG_DOUBLE},
        {"s", NNCF_OK, NNCF_CONFIG_STRING},
        {"\"s\"", NNCF_OK, NNCF_CONFIG_STRING},
        {"big", NNCF_OK, NNCF_CONFIG_DOUBLE},
        {"o", NNCF_OK, NNCF_CONFIG_OBJECT},
        {"o.deep", NNCF_OK, NNCF_CONFIG_ARRAY},
        {"o/deep", NNCF_OK, NNCF_CONFIG_ARRAY},
        {"o.deep[1][1].k", NNCF_OK, NNCF_CONFIG_INT},
        {"o/deep[1][1]/k", NNCF_OK, NNCF_CONFIG_INT},
        {"o.\"x.y\"", NNCF_OK, NNCF_CONFIG_INT},
        {"o.\"q\\\"\\\\\"", NNCF_OK, NNCF_CONFIG_INT},
        {"o.\"p/q\"", NNCF_OK, NNCF_CONFIG_INT},
        {"o.\"\"", NNCF_OK, NNCF_CONFIG_INT},
        {"o.\"deep\"[0]", NNCF_OK, NNCF_CONFIG_ARRAY},
        {"x", NNCF_E_NOTFOUND, -1},
        {"o.x", NNCF_E_NOTFOUND, -1},
        {"o.x.y", NNCF_E_NOTFOUND, -1},
        {"o.x.y[7].z", NNCF_E_NOTFOUND, -1},
        {"o.deep[2]", NNCF_E_NOTFOUND, -1},
        {"o.deep[999999999]", NNCF_E_NOTFOUND, -1},
        {"o[0]", NNCF_E_NOTFOUND, -1},
        {"i.x", NNCF_E_NOTFOUND, -1},
        {"s[0]", NNCF_E_NOTFOUND, -1},
        {"dee", NNCF_E_NOTFOUND, -1},
        {"o.dee", NNCF_E_NOTFOUND, -1},
        {".", NNCF_E_ARG, -1},
        {".b", NNCF_E_ARG, -1},
        {"b.", NNCF_E_ARG, -1},
        {"o..deep", NNCF_E_ARG, -1},
        {"o.deep[", NNCF_E_ARG, -1},
        {"o.deep[]", NNCF_E_ARG, -1},
        {"o.deep[-1]", NNCF_E_ARG, -1},
        {"o.deep[1", NNCF_E_ARG, -1},
        {"o.deep[9999999999]", NNCF_E_ARG, -1},
        {"o.deep.[0]", NNCF_E_ARG, -1},
        {"o.deep[0]x", NNCF_E_ARG, -1},
        {"o.\"x.y", NNCF_E_ARG, -1},
        {"\"o\"x", NNCF_E_ARG, -1},
        {"nowhere.[", NNCF_E_ARG, -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int32_t type = -1;
        nncf_status status = nncf_config_get_type(config, cases[i].path, &type, NULL);
        ck_assert_msg(
            status == cases[i].status, "%s gives %s", cases[i].path, nncf_status_name(status));
        ck_assert_int_eq(type, cases[i].type);
    }
    nncf_config_destroy(config);
}
END_TEST

START_TEST(values_are_read_as_their_type)
{
    nncf_config *config = parse(values_text);
    double d = -1;
    int64_t i = -1;
    int32_t b = -1;
    const char *s = NULL;
    ck_assert_int_eq(nncf_config_get_double(config, "d", &d, NULL), NNCF_OK);
    ck_assert(d == 2.5);
    ck_assert_int_eq(
        nncf_config_get_double(config, "i", &d, NULL), NNCF_OK); /* an int reads as a double too */
    ck_assert(d == -7);
    ck_assert_int_eq(nncf_config_get_double(config, "big", &d, NULL), NNCF_OK);
    ck_assert(d == 9223372036854775808.0);
    ck_assert_int_eq(nncf_config_get_int(config, "max", &i, NULL), NNCF_OK);
    ck_assert(i == INT64_MAX);
    ck_assert_int_eq(nncf_config_get_int(config, "min", &i, NULL), NNCF_OK);
    ck_assert(i == INT64_MIN);
    ck_assert_int_eq(nncf_config_get_bool(config, "b", &b, NULL), NNCF_OK);
    ck_assert_int_eq(b, 1);
    ck_assert_int_eq(nncf_config_get_string(config, "s", &s, NULL), NNCF_OK);
    ck_assert_str_eq(s, "text");
    nncf_config_destroy(config);
}
END_TEST

START_TEST(values_of_another_type_leave_the_output_alone)
{
    nncf_config *config = parse(values_text);
    double d = 0.5;
    int64_t i = 5;
    int32_t b = 3;
    const char *s = "default";
    size_t n = 77;
    ck_assert_int_eq(nncf_config_get_double(config, "s", &d, NULL), NNCF_E_CONFIG);
    ck_assert_int_eq(nncf_config_get_double(config, "x", &d, NULL), NNCF_E_NOTFOUND);
    ck_assert_int_eq(nncf_config_get_int(config, "d", &i, NULL), NNCF_E_CONFIG);
    ck_assert_int_eq(nncf_config_get_int(config, "big", &i, NULL), NNCF_E_CONFIG);
    ck_assert_int_eq(nncf_config_get_bool(config, "i", &b, NULL), NNCF_E_CONFIG);
    ck_assert_int_eq(nncf_config_get_string(config, "n", &s, NULL), NNCF_E_CONFIG);
    ck_assert_int_eq(nncf_config_get_element_count(config, "s", &n, NULL), NNCF_E_CONFIG);
    ck_assert(d == 0.5 && i == 5 && b == 3 && strcmp(s, "default") == 0 && n == 77);
    nncf_config_destroy(config);
}
END_TEST

START_TEST(lengths_and_keys_are_told)
{
    nncf_config *config = parse(values_text);
    const char *s = NULL;
    size_t n = 0;
    ck_assert_int_eq(nncf_config_get_element_count(config, "o.deep", &n, NULL), NNCF_OK);
    ck_assert_uint_eq(n, 2);
    ck_assert_int_eq(nncf_config_get_element_count(config, "", &n, NULL), NNCF_OK);
    ck_assert_uint_eq(n, 9);
    ck_assert_int_eq(nncf_config_get_key(config, "o", 1, &s, NULL), NNCF_OK);
    ck_assert_str_eq(s, "q\"\\");
    ck_assert_int_eq(nncf_config_get_key(config, "", 8, &s, NULL), NNCF_OK);
    ck_assert_str_eq(s, "o");
    ck_assert_int_eq(nncf_config_get_key(config, "o", 5, &s, NULL), NNCF_E_NOTFOUND);
    ck_assert_int_eq(nncf_config_get_key(config, "o.deep", 0, &s, NULL), NNCF_E_CONFIG);
    nncf_config_destroy(config);
}
END_TEST

START_TEST(broken_callers_are_told)
{
    nncf_config *config = parse("{\"a\": 1}");
    nncf_error err = NNCF_ERROR_INIT;
    double d;
    int64_t i;
    ck_assert_int_eq(nncf_config_get_double(NULL, "a", &d, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_config_get_double(config, NULL, &d, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_config_get_double(config, "a", NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_config_get_int(config, "a", NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_config_get_int(NULL, "a", &i, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_config_get_bool(config, "a", NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_config_get_string(config, "a", NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_config_get_element_count(config, "a", NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_config_get_key(config, "", 0, NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_config_get_type(config, "a", NULL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_config_dump(NULL, NULL, 0, NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_config_dump(config, NULL, 5, NULL, NULL), NNCF_E_ARG);
    ck_assert_uint_eq(nncf_config_get_algorithm_count(NULL), 0);
    ck_assert_ptr_null(nncf_config_get_algorithm_name(NULL, 0));
    nncf_config *other = NULL;
    ck_assert_int_eq(nncf_config_load(NULL, NULL, NULL, &other, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_config_load(NULL, "x", NULL, NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_config_parse(NULL, "x", NULL, 4, NULL, &other, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_config_parse(NULL, "x", "{}", 2, NULL, NULL, &err), NNCF_E_ARG);
    ck_assert_ptr_null(other);
    nncf_config_destroy(NULL);
    nncf_config_destroy(config);
}
END_TEST

START_TEST(complaints_of_the_caller)
{
    nncf_config *config = parse("{\n  \"optimizer\": {\n    \"base_lr\": -1\n  }\n}\n");
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_config_set_error(config, "optimizer.base_lr", "must be positive", &err),
        NNCF_E_CONFIG);
    ck_assert_str_eq(err.message, "test.json:3:16: optimizer.base_lr: must be positive");
    ck_assert_str_eq(err.where, "optimizer.base_lr");
    ck_assert_int_eq(err.line, 3);
    ck_assert_int_eq(err.column, 16);
    ck_assert_uint_eq(err.offset, 34);
    ck_assert_int_eq(err.status, NNCF_E_CONFIG);
    /* Absent: the nearest enclosing value. */
    ck_assert_int_eq(
        nncf_config_set_error(config, "optimizer.type", "is missing", &err), NNCF_E_CONFIG);
    ck_assert_str_eq(err.message, "test.json:2:16: optimizer.type: is missing");
    ck_assert_int_eq(nncf_config_set_error(config, "model", "is missing", &err), NNCF_E_CONFIG);
    ck_assert_str_eq(err.message, "test.json:1:1: model: is missing");
    ck_assert_int_eq(nncf_config_set_error(config, "", "is short", &err), NNCF_E_CONFIG);
    ck_assert_str_eq(err.message, "test.json:1:1: is short");
    ck_assert_int_eq(nncf_config_set_error(config, "a..b", "x", &err), NNCF_E_CONFIG);
    ck_assert_int_eq(nncf_config_set_error(config, "a", "x", NULL), NNCF_E_CONFIG);
    ck_assert_int_eq(nncf_config_set_error(NULL, NULL, NULL, &err), NNCF_E_CONFIG);
    nncf_config_destroy(config);
}
END_TEST

START_TEST(short_buffers_of_a_dump)
{
    nncf_config *config = parse("{\"a\": 1}");
    char *whole = dump(config), buffer[64];
    size_t needed;
    for (size_t capacity = 1; capacity <= strlen(whole); capacity++) {
        memset(buffer, '#', sizeof(buffer));
        ck_assert_int_eq(nncf_config_dump(config, buffer, capacity, &needed, NULL), NNCF_E_BUFFER);
        ck_assert_uint_eq(needed, strlen(whole) + 1);
        ck_assert_uint_eq(strlen(buffer), capacity - 1);
        ck_assert_int_eq(memcmp(buffer, whole, capacity - 1), 0);
        ck_assert_int_eq(buffer[capacity], '#');
    }
    ck_assert_str_eq(whole, "{\n    \"a\": 1,\n    \"compression\": []\n}\n");
    free(whole);
    nncf_config_destroy(config);
}
END_TEST

/* ---- warnings ---- */

typedef struct lines {
    char text[8][400];
    int count;
} lines;

static void collect(void *user, int32_t level, const char *line)
{
    lines *l = user;
    if (level == NNCF_LOG_WARNING && l->count < 8)
        snprintf(l->text[l->count++], sizeof(l->text[0]), "%s", line);
}

START_TEST(what_is_odd_but_valid_is_logged)
{
    static const struct {
        const char *text, *line;
    } cases[] = {
        {"{\"compresion\": []}", "c.json:1:2: compresion: did you mean \"compression\"?"},
        {"{\"compression\": {\"algorithm\": \"quantization\"},\n\"ignored_scopes\": []}",
            "c.json:2:1: ignored_scopes: read by NNCF 1.3 and later only"},
        {"{\"compression\": {\"algorithm\": \"rb_sparsity\", \"params\": {\n\"patience\": 3}}}",
            "c.json:2:1: compression.params.patience: has no effect with this schedule"},
        {"{\"compression\": {\"algorithm\": \"rb_sparsity\", \"params\": {\"schedule\": "
         "\"polynomial\"}}}",
            NULL},
        {"{\"compression\": [], \"epochs\": 3, \"decompression\": 4}", NULL},
        {"{\"compression\": {\"algorithm\": \"quantization\", \"weights\":\n"
         "{\"oscillation_momentum\": 0.1}}}",
            "c.json:2:2: compression.weights.oscillation_momentum: has no effect here: "
            "weights.oscillation_freezing, which it belongs to, is 0"},
        {"{\"compression\": {\"algorithm\": \"quantization\", \"weights\":\n"
         "{\"oscillation_damping_init\": 0.1, \"oscillation_damping\": 1}}}",
            "c.json:2:2: compression.weights.oscillation_damping_init: has no effect here"},
        {"{\"compression\": {\"algorithm\": \"quantization\", \"weights\":\n"
         "{\"oscillation_epochs\": 3}}}",
            "c.json:2:2: compression.weights.oscillation_epochs: has no effect here"},
        {"{\"compression\": {\"algorithm\": \"quantization\", \"weights\": "
         "{\"oscillation_epochs\": 3, \"oscillation_freezing\": 0.1, "
         "\"oscillation_freezing_init\": 0.5}}}",
            NULL},
        /* what belongs to an algorithm has no effect at the root, unless it is the program's own
           under that name */
        {"{\n\"initializer\": {\"num_init_steps\": 1}}",
            "c.json:2:1: initializer: has no effect here; it belongs into "
            "\"compression\", beside \"algorithm\""},
        {"{\"weights\": {\"bits\": 4}, \"compression\": {\"algorithm\": \"quantization\"}}",
            "c.json:1:2: weights: has no"},
        {"{\"activations\": {\"mode\": \"asymmetric\"}}",
            "c.json:1:2: activations: has no effect here"},
        {"{\"params\": {\"sparsity_target\": 0.5}}", "c.json:1:2: params: has no effect here"},
        {"{\"quantize_inputs\": false, \"compression\": []}",
            "c.json:1:2: quantize_inputs: has no effect here"},
        {"{\"scope_overrides\": {}}", "c.json:1:2: scope_overrides: has no effect here"},
        {"{\"sparsity_init\": 0.1}", "c.json:1:2: sparsity_init: has no effect here"},
        {"{\"preset\": \"mixed\"}", "c.json:1:2: preset: has no effect here"},
        {"{\"ignored_scopes\": []}", "c.json:1:2: ignored_scopes: read by NNCF 1.3 and later only"},
        {"{\"nncf_dialect\": \"2.4\", \"ignored_scopes\": []}", NULL},
        {"{\"weights\": \"fp32.safetensors\", \"mode\": \"train\", \"params\": {\"width\": 1}, "
         "\"initializer\": "
         "\"he\"}",
            NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        lines l = {.count = 0};
        nncf_context *context = NULL;
        nncf_context_params params = {
            NNCF_PARAMS(nncf_context_params), .n_threads = 1, .log = collect, .log_user = &l};
        ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &context, NULL), NNCF_OK);
        nncf_config *config = NULL;
        l.count = 0;
        ck_assert_int_eq(nncf_config_parse(context, "c.json", cases[i].text, strlen(cases[i].text),
                             NULL, &config, NULL),
            NNCF_OK);
        ck_assert_int_eq(l.count, cases[i].line ? 1 : 0);
        if (cases[i].line)
            ck_assert_msg(
                strncmp(l.text[0], cases[i].line, strlen(cases[i].line)) == 0, "%s", l.text[0]);
        nncf_config_destroy(config);
        nncf_context_destroy(context);
    }
}
END_TEST

/* ---- memory and threads ---- */

static nncf_status load_and_use(nncf_context *context, const char *path, nncf_error *err)
{
    nncf_config *config = NULL;
    nncf_status status = nncf_config_load(context, path, NULL, &config, err);
    if (status != NNCF_OK) {
        ck_assert_ptr_null(config);
        return status;
    }
    char buffer[4096];
    status = nncf_config_dump(config, buffer, sizeof(buffer), NULL, NULL);
    nncf_config_destroy(config);
    return status;
}

START_TEST(every_failed_allocation_is_survived)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/configs/magnitude_multistep.json", NNCF_GOLDEN_DIR);
    for (int persistent = 0; persistent < 2; persistent++) {
        fx_memory counter = {0};
        nncf_context *context = fx_new_context(&counter, 1, 0, 0);
        size_t live = counter.live, n = 0;
        nncf_status status;
        do {
            nncf_error err = NNCF_ERROR_INIT;
            counter.calls = 0;
            counter.fail_at = ++n;
            counter.fail_on = persistent;
            status = load_and_use(context, path, &err);
            ck_assert_int_eq(status, counter.calls >= n ? NNCF_E_NOMEM : NNCF_OK);
            ck_assert_uint_eq(counter.live, live);
        } while (status != NNCF_OK);
        ck_assert_uint_gt(n, 8);
        nncf_context_destroy(context);
        ck_assert_uint_eq(counter.live, 0);
        ck_assert_uint_eq(counter.mistakes, 0);
    }
}
END_TEST

static void *read_repeatedly(void *arg)
{
    const nncf_config *config = arg;
    for (int i = 0; i < 200; i++) {
        double lr = 0;
        const char *model = NULL;
        char buffer[8192];
        if (nncf_config_get_double(config, "optimizer.base_lr", &lr, NULL) != NNCF_OK ||
            lr != 0.001 || nncf_config_get_string(config, "model", &model, NULL) != NNCF_OK ||
            strcmp(model, "mobilenetv2") != 0 ||
            nncf_config_dump(config, buffer, sizeof(buffer), NULL, NULL) != NNCF_OK)
            return (void *)1;
    }
    return NULL;
}

START_TEST(many_threads_read_one_config)
{
    size_t size;
    char *text = read_seed(&size);
    nncf_config *config = parse(text);
    free(text);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_repeatedly, config), 0);
    for (int i = 0; i < 4; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        ck_assert_ptr_null(result);
    }
    nncf_config_destroy(config);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tests = fx_case(suite, "config", 120);
    tcase_add_test(tests, the_seed_means_what_it_says);
    tcase_add_test(tests, golden_configs_have_their_canonical_form);
    tcase_add_test(tests, schedules_have_their_own_defaults);
    tcase_add_test(tests, initializer_gives_range_kind_and_steps);
    tcase_add_test(tests, syntax_that_is_accepted);
    tcase_add_test(tests, sizes_up_to_the_limits);
    tcase_add_test(tests, paths_are_found_or_refused);
    tcase_add_test(tests, values_are_read_as_their_type);
    tcase_add_test(tests, values_of_another_type_leave_the_output_alone);
    tcase_add_test(tests, lengths_and_keys_are_told);
    tcase_add_test(tests, broken_callers_are_told);
    tcase_add_test(tests, complaints_of_the_caller);
    tcase_add_test(tests, short_buffers_of_a_dump);
    tcase_add_test(tests, what_is_odd_but_valid_is_logged);
    tcase_add_test(tests, every_failed_allocation_is_survived);
    tcase_add_test(tests, many_threads_read_one_config);
    return fx_main(suite);
}
