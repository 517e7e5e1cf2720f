/* SPDX-License-Identifier: Apache-2.0 */
/* A library without PCRE2: expressions are refused where they stand, and plain scopes match. */
#include "support/runner.h"

#include <check.h>
#include <nncf/nncf.h>
#include <stdlib.h>
#include <string.h>

static nncf_status parse(const char *text, nncf_error *err)
{
    nncf_config *config = NULL;
    nncf_status status = nncf_config_parse(NULL, "a.json", text, strlen(text), NULL, &config, err);
    ck_assert((config != NULL) == (status == NNCF_OK));
    nncf_config_destroy(config);
    return status;
}

START_TEST(an_expression_in_a_config_is_refused)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(parse("{ \"compression\": { \"algorithm\": \"quantization\",\n"
                           "  \"ignored_scopes\": [\"Net/a\", \"{re}.*fc\"] } }",
                         &err),
        NNCF_E_UNSUPPORTED);
    ck_assert_int_eq(err.line, 2);
    ck_assert_str_eq(err.where, "compression.ignored_scopes[1]");
    ck_assert_ptr_nonnull(strstr(err.message, "a.json:2:"));
    ck_assert_ptr_nonnull(strstr(err.message, "-Dpcre2=enabled"));
}
END_TEST

START_TEST(an_expression_matches_nothing)
{
    nncf_error err = NNCF_ERROR_INIT;
    int32_t matches = 7;
    ck_assert_int_eq(
        nncf_scope_matches("Net/fc", "{re}fc", 21700, &matches, &err), NNCF_E_UNSUPPORTED);
    ck_assert_int_eq(matches, 7);
}
END_TEST

START_TEST(plain_scopes_match)
{
    nncf_error err = NNCF_ERROR_INIT;
    int32_t matches = 7;
    ck_assert_int_eq(nncf_scope_matches("Net/fc", "Net/fc", 21700, &matches, &err), NNCF_OK);
    ck_assert_int_eq(matches, 1);
    ck_assert_int_eq(nncf_scope_matches("Net/fc", "Net/f", 21700, &matches, &err), NNCF_OK);
    ck_assert_int_eq(matches, 0);
    ck_assert_int_eq(parse("{ \"compression\": { \"algorithm\": \"quantization\","
                           "  \"ignored_scopes\": [\"Net/a\"] } }",
                         &err),
        NNCF_OK);
    /* before 1.2 there were no expressions: it is a plain text */
    ck_assert_int_eq(nncf_scope_matches("Net/fc", "{re}fc", 10100, &matches, &err), NNCF_OK);
    ck_assert_int_eq(matches, 0);
}
END_TEST

FX_MAIN("config without PCRE2", an_expression_in_a_config_is_refused, an_expression_matches_nothing,
    plain_scopes_match)
