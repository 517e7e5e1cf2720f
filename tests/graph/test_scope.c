/* SPDX-License-Identifier: Apache-2.0 */
/* Scope matching against what NNCF's own functions answered. */
#include "base/regex.h"
#include "graph/model.h"
#include "graph/scope.h"
#include "support/fixture.h"

static int32_t matches(const char *scope, const char *pattern, int32_t release)
{
    nncf_error err = NNCF_ERROR_INIT;
    int32_t answer = -1;
    ck_assert_msg(
        nncf_scope_matches(scope, pattern, release, &answer, &err) == NNCF_OK, "%s", err.message);
    ck_assert(answer == 0 || answer == 1);
    return answer;
}

static int32_t matches_in_1_1(const char *scope, const char *pattern)
{
    return matches(scope, pattern, 10100);
}

static int matches_any(const char *scope, json_object *patterns, int32_t release)
{
    if (json_object_is_type(patterns, json_type_string))
        return matches(scope, json_object_get_string(patterns), release);
    for (size_t i = 0; patterns && i < json_object_array_length(patterns); i++) {
        if (matches(scope, json_object_get_string(json_object_array_get_idx(patterns, i)), release))
            return 1;
    }
    return 0;
}

static const struct {
    const char *name;
    int32_t number;
} releases[] = {{"v1.0", 10000}, {"v1.1", 10100}, {"v1.2", 10200}, {"v1.3", 10300},
    {"v1.3.1", 10301}, {"v1.4.1", 10401}, {"v1.5.0", 10500}, {"v1.6.0", 10600}, {"v1.7.0", 10700},
    {"v1.7.1", 10701}, {"v2.0.0", 20000}, {"v2.4.0", 20400}, {"v2.19.0", 21900}};
enum { N_RELEASES = sizeof releases / sizeof *releases };

START_TEST(scopes_match_as_in_every_release_of_nncf)
{
    json_object *root = fx_golden("scope_cases.json"), *cases = fx_get(root, "cases");
    size_t n = json_object_array_length(cases), ran = 0, yes = 0;
    for (size_t i = 0; i < n; i++) {
        json_object *c = json_object_array_get_idx(cases, i), *expected = fx_get(c, "matches");
        ck_assert_int_eq(
            json_object_object_length(expected), N_RELEASES); /* no column is left out */
        for (size_t j = 0; j < N_RELEASES; j++) {
            json_object *want = fx_get(expected, releases[j].name);
            ck_assert_ptr_nonnull(want);
            ck_assert_msg(matches_any(fx_string(c, "scope"), fx_get(c, "pattern"),
                              releases[j].number) == json_object_get_boolean(want),
                "case %s, %s", fx_string(c, "id"), releases[j].name);
            ran++;
            yes += json_object_get_boolean(want) != 0;
        }
    }
    printf("scope_cases.json: %zu cases, %zu answers, %zu of them yes\n", n, ran, yes);
    ck_assert_uint_eq(ran, 37 * N_RELEASES);
    json_object_put(root);
}
END_TEST

/* What Python's patterns in real configs use. */
START_TEST(regular_expressions_match_as_in_python)
{
    const char conv[] = "ResNet/Sequential[layer2]/BasicBlock[0]/NNCFConv2d[conv1]";
    ck_assert_int_eq(matches(conv, "{re}BasicBlock\\[\\d+\\]", 10200), 1);
    ck_assert_int_eq(matches(conv, "{re}^(?!.*conv1).*", 10200), 0); /* lookahead */
    ck_assert_int_eq(matches(conv, "{re}^(?!.*conv2).*$", 10200), 1);
    ck_assert_int_eq(matches(conv, "{re}layer2.*?conv1", 20000), 1);
    ck_assert_int_eq(matches(conv, "{re}(?P<block>BasicBlock)\\[0\\]", 20000), 1);
    ck_assert_int_eq(matches(conv, "{re}resnet", 10301), 0);
    ck_assert_int_eq(matches(conv, "{re}(?i)resnet", 10301), 1);
    ck_assert_int_eq(matches(conv, "Res{re}Net", 10301), 1); /* the mark goes, wherever it stands */
    ck_assert_int_eq(matches(conv, "{re}", 10100), 0); /* plain text to 1.0 and 1.1 */
    ck_assert_int_eq(matches("Net/Caf\xc3\xa9[a]", "{re}Caf\\w\\[a", 20000), 1);

    nncf_error err = NNCF_ERROR_INIT;
    int32_t answer = 7;
    ck_assert_int_eq(nncf_scope_matches(conv, "{re}*", 10200, &answer, &err), NNCF_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, "not a regular expression"));
    ck_assert_int_eq(
        nncf_scope_matches(conv, "{re}BasicBlock[0", 20000, &answer, &err), NNCF_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, "\\["));
    /* work is bounded */
    const char many[] =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
    ck_assert_int_eq(nncf_scope_matches(many, "{re}^(a+)+$", 20000, &answer, &err), NNCF_E_LIMIT);
    ck_assert_int_eq(nncf_scope_matches(NULL, "a", 10100, &answer, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_scope_matches("a", "a", -1, &answer, NULL), NNCF_E_ARG);
    ck_assert_int_eq(answer, 7);
}
END_TEST

/* All searches with the same budget share it, and so do plain comparisons and expressions that are
 * made. */
START_TEST(one_budget_for_all)
{
    static const char many[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
    nncf_context *context;
    char why[NNCF__REGEX_WHY];
    nncf__regex *slow = NULL, *plain = NULL;
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, NULL, &context, NULL), NNCF_OK);
    nncf__regex_work *work = nncf__regex_begin(context);
    ck_assert_int_eq(nncf__regex_of_scope(work, "Net/Conv2d[a]", &plain, why), NNCF_OK);
    ck_assert_ptr_null(plain); /* no mark */
    ck_assert_int_eq(nncf__regex_of_scope(work, "{re}(.*)(.*)(.*)[xyz]", &slow, why), NNCF_OK);
    ck_assert_int_eq(nncf__regex_of_scope(work, "{re}a", &plain, why), NNCF_OK);
    /* each search is some ten thousand steps: the budget lasts for many, and not for ever */
    int searches = 0;
    while (nncf__regex_search(work, slow, many) == 0)
        searches++;
    ck_assert_int_gt(searches, 100);
    ck_assert_int_lt(searches, NNCF__REGEX_STEPS / 10000);
    ck_assert(nncf__regex_exhausted(work));
    ck_assert_int_eq(nncf__regex_search(work, plain, many), NNCF__REGEX_LIMIT);
    nncf__regex *none = NULL;
    ck_assert_int_eq(nncf__regex_of_scope(work, "{re}b", &none, why), NNCF_E_LIMIT);
    ck_assert_ptr_null(none);
    const char *const patterns[] = {"Net"};
    nncf__scope_set set;
    set = (nncf__scope_set){
        .context = context, .work = work, .release = 10100, .items = patterns, .count = 1};
    ck_assert_int_eq(nncf__scope_set_make(&set, "here", NULL), NNCF_OK);
    ck_assert_int_eq(nncf__scope_set_matches(&set, "Net", NULL), NNCF__REGEX_LIMIT);
    nncf__scope_set_free(&set);
    nncf__regex_free(plain);
    nncf__regex_free(slow);
    nncf__regex_end(work);

    /* what it takes to hold them is bounded too: each of these is as large as an expression may be
     */
    enum { MOST = 4000 };
    static nncf__regex *large[MOST];
    nncf_status status = NNCF_OK;
    int made = 0;
    work = nncf__regex_begin(context);
    while (status == NNCF_OK && made < MOST) {
        status = nncf__regex_of_scope(work, "{re}((a{99}){99}){6}x", &large[made], why);
        made += status == NNCF_OK;
    }
    ck_assert_int_eq(status, NNCF_E_LIMIT);
    ck_assert_int_gt(made, 100);
    while (made > 0)
        nncf__regex_free(large[--made]);
    nncf__regex_end(work);
    nncf_context_destroy(context);
}
END_TEST

/* No memory is no matter of a limit. */
START_TEST(a_search_gives_its_memory_back)
{
    fx_memory counter = {0};
    nncf_context_params params = {
        NNCF_PARAMS(nncf_context_params), .n_threads = 1, FX_MEMORY(&counter)};
    nncf_context *context;
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &context, NULL), NNCF_OK);
    int answer = 0, n = 0, refused[2] = {0, 0};
    do {
        char why[NNCF__REGEX_WHY];
        nncf__regex *regex = NULL;
        counter.calls = 0;
        counter.fail_at = (size_t)++n;
        nncf__regex_work *work = nncf__regex_begin(context);
        nncf_status status =
            work ? nncf__regex_of_scope(work, "{re}^(a|b)+$", &regex, why) : NNCF_E_NOMEM;
        ck_assert_int_eq(status, regex ? NNCF_OK : NNCF_E_NOMEM);
        answer = regex ? nncf__regex_search(work, regex, "abababab") : NNCF__REGEX_NOMEM;
        refused[regex != NULL] += answer != 1;
        ck_assert(answer == 1 || answer == NNCF__REGEX_NOMEM);
        nncf__regex_free(regex);
        nncf__regex_end(work);
    } while (counter.calls >= (size_t)n);
    ck_assert_int_eq(answer, 1);
    ck_assert_int_gt(refused[0], 3);
    ck_assert_int_gt(refused[1], 0); /* in the search itself too */
    nncf_context_destroy(context);
    ck_assert_uint_eq(counter.live, 0);
    ck_assert_uint_eq(counter.mistakes, 0);
}
END_TEST

START_TEST(short_scopes_match_as_in_nncf)
{
    int32_t answer = 7;
    ck_assert_int_eq(nncf_scope_matches(NULL, "a", 10100, &answer, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_scope_matches("a", NULL, 10100, &answer, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_scope_matches("a", "a", 10100, NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(answer, 7);
    ck_assert_int_eq(matches_in_1_1("", ""), 1);
    ck_assert_int_eq(matches_in_1_1("Net/Conv2d[a]", "Net/Conv2d[a]/"), 0);
    ck_assert_int_eq(
        matches_in_1_1("Net/Conv2d[a]", "Conv2d[a]"), 0); /* the first element lost its field */
    ck_assert_int_eq(matches_in_1_1("Net/Conv2d[a]", "Conv2d"), 1);
    ck_assert_int_eq(matches_in_1_1("Net/NNCFConv3d[a]", "Net/Conv3d[a]"), 1);
    ck_assert_int_eq(matches_in_1_1("Net/NNCFConv2dX[a]", "Net/Conv2dX[a]"), 0);
    ck_assert_int_eq(matches_in_1_1("A/A/B", "A/B"), 1);
    ck_assert_int_eq(matches_in_1_1("A", "A/B"), 0);
    const char *const patterns[] = {"X", "{re}nothing", "Conv2d"};
    nncf_context *context;
    nncf__scope_set set;
    size_t which = 9;
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, NULL, &context, NULL), NNCF_OK);
    nncf__regex_work *work = nncf__regex_begin(context);
    set = (nncf__scope_set){
        .context = context, .work = work, .release = 10200, .items = patterns, .count = 3};
    ck_assert_int_eq(nncf__scope_set_make(&set, "here", NULL), NNCF_OK);
    ck_assert_int_eq(nncf__scope_set_matches(&set, "Net/Conv2d[a]", &which), 1);
    ck_assert_uint_eq(which, 2);
    ck_assert_int_eq(nncf__scope_set_matches(&set, "Net/Linear[a]", NULL), 0);
    nncf__scope_set_free(&set);
    nncf__regex_end(work);
    nncf_context_destroy(context);
}
END_TEST

/* Texts that elements are compared in from any place may not be longer than a config's; up to there
 * all is answered. */
START_TEST(texts_beyond_4096_bytes_are_refused)
{
    enum { MOST = 4096 };
    static char scope[MOST + 2], pattern[MOST + 2];
    nncf_error err = NNCF_ERROR_INIT;
    int32_t answer = 7;
    for (size_t i = 0; i < MOST; i++)
        scope[i] = pattern[i] = i % 2 ? '/' : 'a';
    scope[MOST - 1] = 'b'; /* the last of 2048 elements is "ab" */
    pattern[MOST / 2] = 0; /* 1024 elements and an empty one, which is nowhere */
    ck_assert_int_eq(matches(scope, pattern, 10100), 0);
    pattern[MOST / 2 - 1] = 0;
    ck_assert_int_eq(matches(scope, pattern, 10100), 1);
    ck_assert_int_eq(matches_in_1_1(scope, pattern), 1);
    ck_assert_int_eq(matches(scope, scope, 20000), 1);
    strcpy(scope + MOST, "c");
    for (int32_t release = 10000; release <= 20000; release += 10000) {
        ck_assert_int_eq(nncf_scope_matches(scope, pattern, release, &answer, &err), NNCF_E_LIMIT);
        ck_assert_ptr_nonnull(strstr(err.message, "the scope is longer than 4096 bytes"));
        ck_assert_int_eq(nncf_scope_matches(pattern, scope, release, &answer, &err), NNCF_E_LIMIT);
        ck_assert_ptr_nonnull(strstr(err.message, "the pattern is longer than 4096 bytes"));
    }
    ck_assert_int_eq(answer, 7);
}
END_TEST

START_TEST(the_nearest_scope_is_found)
{
    nncf_model *model;
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    ck_assert_ptr_null(nncf__model_nearest(model, "anything"));
    fx_layer a = fx_add_conv(
        model, "MobileNetV2/Sequential[features]/Sequential[0]/Conv2d[0]", 1, 1, 1, NULL, NULL);
    fx_layer b = fx_add_conv(
        model, "MobileNetV2/Sequential[features]/Sequential[18]/Conv2d[0]", 1, 1, 1, NULL, NULL);
    const char typo[] = "MobileNetV2/Sequential[features]/Sequental[18]/Conv2d[0]";
    ck_assert_ptr_eq(nncf__model_nearest(model, typo), b.layer);
    ck_assert_ptr_null(nncf__model_nearest(model, "ResNet"));
    nncf_model_destroy(model);
    fx_layer_free(&a);
    fx_layer_free(&b);
}
END_TEST

FX_MAIN("scope", scopes_match_as_in_every_release_of_nncf, regular_expressions_match_as_in_python,
    one_budget_for_all, a_search_gives_its_memory_back, short_scopes_match_as_in_nncf,
    texts_beyond_4096_bytes_are_refused, the_nearest_scope_is_found)
