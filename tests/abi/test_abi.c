/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that were built against an older or a newer release of the headers, played with
 * struct_size. Linked with the shared library, as they would be. */
#include "support/runner.h"
#include <check.h>

#include <nncf/nncf.h>
#include <stdlib.h>
#include <string.h>

/* A parameter struct of a later release: two more members. */
typedef struct newer_context_params {
    nncf_context_params known;
    uint64_t later[2];
} newer_context_params;

typedef struct newer_statistics {
    nncf_statistics known;
    uint64_t later[2];
} newer_statistics;

static nncf_status create_with(newer_context_params *p, nncf_error *err)
{
    nncf_context *context = NULL;
    nncf_status status = nncf_context_create(NNCF_API_VERSION, &p->known, &context, err);
    ck_assert((status == NNCF_OK) == (context != NULL));
    nncf_context_destroy(context);
    return status;
}

START_TEST(header_and_library_have_one_version)
{
    ck_assert_uint_eq(nncf_version_number(), NNCF_API_VERSION);
}
END_TEST

START_TEST(another_major_version_is_refused)
{
    nncf_context *context = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(
        nncf_context_create(NNCF_API_VERSION + (1u << 16), NULL, &context, &err), NNCF_E_VERSION);
    ck_assert_ptr_null(context);
    ck_assert_int_eq(err.status, NNCF_E_VERSION);
    ck_assert_str_ne(err.message, "");
}
END_TEST

START_TEST(older_params_are_taken)
{
    /* only struct_size and seed: what follows must not be read */
    newer_context_params p;
    memset(&p, 0xA5, sizeof p);
    p.known.struct_size = offsetof(nncf_context_params, n_threads);
    p.known.seed = 1;
    ck_assert_int_eq(create_with(&p, NULL), NNCF_OK);
}
END_TEST

START_TEST(newer_params_are_taken_where_unused)
{
    newer_context_params p = {.known = {.struct_size = sizeof p}};
    ck_assert_int_eq(create_with(&p, NULL), NNCF_OK);
}
END_TEST

START_TEST(newer_params_are_refused_where_used)
{
    newer_context_params p = {.known = {.struct_size = sizeof p}, .later = {0, (uint64_t)1 << 56}};
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(create_with(&p, &err), NNCF_E_ARG);
    ck_assert_str_ne(err.message, "");
}
END_TEST

START_TEST(params_without_a_size_are_refused)
{
    newer_context_params p = {.known = {.seed = 1}};
    ck_assert_int_eq(create_with(&p, NULL), NNCF_E_ARG);
}
END_TEST

START_TEST(older_error_records_are_not_overrun)
{
    /* a record that ends before `message`: nothing may be written behind its end */
    nncf_error err;
    nncf_context *context = NULL;
    memset(&err, 0x5A, sizeof err);
    err.struct_size = offsetof(nncf_error, message);
    ck_assert_int_eq(nncf_context_create(0, NULL, &context, &err), NNCF_E_VERSION);
    ck_assert_int_eq(err.status, NNCF_E_VERSION);
    for (size_t i = 0; i < sizeof err.message; i++)
        ck_assert_int_eq(err.message[i], 0x5A);
}
END_TEST

/* A model of one layer with a controller, for the result structs. */
typedef struct fixture {
    float weight[4];
    nncf_model *model;
    nncf_config *config;
    nncf_compression_ctrl *ctrl;
} fixture;

static fixture f;

static void setup(void)
{
    static const char text[] = "{\"compression\": {\"algorithm\": \"magnitude_sparsity\"}}";
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *layer = NULL;
    memset(&f, 0, sizeof f);
    ck_assert_msg(
        nncf_config_parse(NULL, NULL, text, strlen(text), NULL, &f.config, &err) == NNCF_OK, "%s",
        err.message);
    ck_assert_int_eq(nncf_model_create(NULL, &f.model, &err), NNCF_OK);
    ck_assert_msg(
        nncf_model_add_linear(f.model,
            &(nncf_linear_params){NNCF_PARAMS(nncf_linear_params), .scope = "Net/Linear[fc]",
                .weight = f.weight, .in_features = 2, .out_features = 2},
            &layer, &err) == NNCF_OK,
        "%s", err.message);
    ck_assert_msg(nncf_compression_ctrl_create(f.model, f.config, &f.ctrl, &err) == NNCF_OK, "%s",
        err.message);
}

static void teardown(void)
{
    nncf_compression_ctrl_destroy(f.ctrl);
    nncf_model_destroy(f.model);
    nncf_config_destroy(f.config);
}

START_TEST(older_results_are_not_overrun)
{
    nncf_statistics s;
    memset(&s, 0x5A, sizeof s);
    s.struct_size = offsetof(nncf_statistics, sparsity_target);
    ck_assert_int_eq(nncf_compression_ctrl_get_statistics(f.ctrl, &s, NULL), NNCF_OK);
    ck_assert_uint_eq(s.struct_size, offsetof(nncf_statistics, sparsity_target));
    ck_assert_int_eq(s.epoch, 0);
    for (size_t i = offsetof(nncf_statistics, sparsity_target); i < sizeof s; i++)
        ck_assert_int_eq(((const unsigned char *)&s)[i], 0x5A);
}
END_TEST

START_TEST(newer_results_are_filled_as_far_as_known)
{
    /* members that this release does not know stay as the caller initialized them */
    newer_statistics s = {.known = {.struct_size = sizeof s}, .later = {7, 8}};
    ck_assert_int_eq(nncf_compression_ctrl_get_statistics(f.ctrl, &s.known, NULL), NNCF_OK);
    ck_assert_uint_eq(s.known.struct_size, sizeof s);
    ck_assert_int_eq(s.known.parameters, 4);
    ck_assert_uint_eq(s.later[0], 7);
    ck_assert_uint_eq(s.later[1], 8);
}
END_TEST

START_TEST(results_without_a_size_are_refused)
{
    nncf_statistics s = {0};
    ck_assert_int_eq(nncf_compression_ctrl_get_statistics(f.ctrl, &s, NULL), NNCF_E_ARG);
}
END_TEST

START_TEST(tensor_flags_are_refused)
{
    int64_t shape[2] = {1, 2};
    float x[2] = {1.0f, 2.0f}, y[2] = {5.0f, 5.0f};
    nncf_tensor in = {.data = x, .ndim = 2, .shape = shape},
                out = {.data = y, .ndim = 2, .shape = shape};
    nncf_layer *layer = nncf_model_get_layer(f.model, 0);
    in.reserved[1] = 1;
    ck_assert_int_eq(nncf_layer_forward(layer, &in, 1, &out, NULL), NNCF_E_ARG);
    in.reserved[1] = 0;
    out.device = 1;
    ck_assert_int_eq(nncf_layer_forward(layer, &in, 1, &out, NULL), NNCF_E_ARG);
    ck_assert(y[0] == 5.0f && y[1] == 5.0f);
    out.device = 0;
    ck_assert_int_eq(nncf_layer_forward(layer, &in, 1, &out, NULL), NNCF_OK);
    ck_assert(y[0] == 0.0f && y[1] == 0.0f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("abi");
    TCase *params = fx_case(suite, "params", 60), *results = fx_case(suite, "results", 60);
    tcase_add_test(params, header_and_library_have_one_version);
    tcase_add_test(params, another_major_version_is_refused);
    tcase_add_test(params, older_params_are_taken);
    tcase_add_test(params, newer_params_are_taken_where_unused);
    tcase_add_test(params, newer_params_are_refused_where_used);
    tcase_add_test(params, params_without_a_size_are_refused);
    tcase_add_test(params, older_error_records_are_not_overrun);
    tcase_add_checked_fixture(results, setup, teardown);
    tcase_add_test(results, older_results_are_not_overrun);
    tcase_add_test(results, newer_results_are_filled_as_far_as_known);
    tcase_add_test(results, results_without_a_size_are_refused);
    tcase_add_test(results, tensor_flags_are_refused);
    return fx_main(suite);
}
