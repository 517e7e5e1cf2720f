/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan and a controller for which there is no memory, at every allocation: NNCF_E_NOMEM, no word
 * of anything else, nothing is left behind, and the next try succeeds with the same plan.
 */
#include "support/fixture.h"
#include "support/zoo.h"

/* Branches that meet in a sum and in a join, operators that quantizers pass, and one that they do
 * not. */
static void small_graph(zoo *z)
{
    const zoo_conv stem = {.scope = "Net/Conv2d[stem]",
                       .norm = "Net/BatchNorm2d[bn]",
                       .activation = "Net/ReLU[relu]",
                       .activation_op = NNCF_OP_RELU,
                       .in = 3,
                       .out = 4,
                       .kernel = 3},
                   left = {.scope = "Net/Conv2d[left]", .in = 4, .out = 4, .kernel = 1},
                   right = {.scope = "Net/Conv2d[right]",
                       .activation = "Net/RELU_1",
                       .activation_op = NNCF_OP_RELU,
                       .in = 4,
                       .out = 4,
                       .kernel = 1},
                   last = {.scope = "Net/Conv2d[last]", .in = 8, .out = 4, .kernel = 1};
    node x = zoo_add_conv(z, &stem, NULL);
    x = zoo_pool(z, NNCF_POOL_MAX, "Net/MaxPool2d[pool]", x);
    node a = zoo_add_conv(z, &left, x), b = zoo_add_conv(z, &right, x);
    node sum = zoo_sum(z, "Net/__add___0", "Net/RELU_2", a, b);
    const node both[] = {sum, b};
    x = zoo_op(z, NNCF_OP_CONCAT, "Net/cat_0", 2, both);
    x = zoo_add_conv(z, &last, x);
    x = zoo_unary(z, NNCF_OP_SOFTMAX, "Net/softmax_0", x);
    zoo_linear(z, "Net/Linear[fc]", 4, 5, x);
}

static const char *const configs[] = {
    "{\"nncf_dialect\": \"1.1\", \"compression\": [{\"algorithm\": \"rb_sparsity\", "
    "\"ignored_scopes\": "
    "[\"Net/Conv2d[stem]\"]}, {\"algorithm\": \"quantization\", \"weights\": {\"per_channel\": "
    "true, \"mode\": "
    "\"asymmetric\"}, \"initializer\": {\"num_init_steps\": 1, \"type\": \"threesigma\"}}]}",
    "{\"nncf_dialect\": \"1.3\", \"compression\": {\"algorithm\": \"quantization\", "
    "\"initializer\": {\"range\": "
    "{\"type\": \"percentile\", \"min_percentile\": 1, \"max_percentile\": 99, \"num_init_steps\": "
    "1}}, "
    "\"ignored_scopes\": [\"{re}.*stem.*\"]}}",
    "{\"nncf_dialect\": \"1.7\", \"target_device\": \"CPU\", \"ignored_scopes\": "
    "[\"{re}.*left.*\"], "
    "\"target_scopes\": "
    "[\"{re}Net/.*\"], \"compression\": [{\"algorithm\": \"magnitude_sparsity\"}, {\"algorithm\": "
    "\"quantization\", "
    "\"scope_overrides\": {\"Net/Conv2d[last]\": {\"bits\": 4}}, \"initializer\": {\"range\": "
    "[{\"type\": "
    "\"mean_min_max\", \"num_init_samples\": 1, \"target_scopes\": [\"{re}.*last.*\"]}, {\"type\": "
    "\"min_max\", "
    "\"num_init_samples\": 1, \"ignored_scopes\": [\"{re}.*last.*\"]}]}}]}",
    "{\"nncf_dialect\": \"2.4\", \"target_device\": \"VPU\", \"compression\": [{\"algorithm\": "
    "\"const_sparsity\"}, "
    "{\"algorithm\": \"quantization\"}]}",
    "{\"nncf_dialect\": \"2.4\", \"target_device\": \"TRIAL\", \"compression\": {\"algorithm\": "
    "\"quantization\", "
    "\"activations\": {\"mode\": \"asymmetric\"}}}"};
enum { CONFIGS = sizeof configs / sizeof *configs };

static void text_of(const nncf_plan *plan, char *text, size_t capacity)
{
    ck_assert_int_eq(nncf_plan_format(plan, NNCF_FORM_TEXT, text, capacity, NULL, NULL), NNCF_OK);
}

START_TEST(no_memory_at_any_allocation_leaves_nothing)
{
    const bool fused = _i % 2;
    const char *config_text = configs[_i / 2];
    fx_context c;
    static char wanted[20000], got[20000];
    fx_open(&c, 1, 0);
    zoo *z = zoo_new_in(c.context, fused);
    small_graph(z);
    nncf_config *config = fx_config(NULL, config_text);
    nncf_error err = NNCF_ERROR_INIT;
    nncf_plan *plan = NULL;
    nncf_compression_ctrl *ctrl = NULL;
    ck_assert_msg(nncf_plan_create(z->model, config, &plan, &err) == NNCF_OK, "%s: %s", err.where,
        err.message);
    text_of(plan, wanted, sizeof wanted);
    nncf_plan_destroy(plan);
    size_t failures = 0;
    for (int making = 0; making < 2; making++) { /* the plan, the controller */
        nncf_status status = NNCF_E_NOMEM;
        for (size_t n = 1; status != NNCF_OK; n++, failures++) {
            plan = NULL;
            ctrl = NULL;
            c.memory.fail_at = c.memory.calls + n;
            status = making ? nncf_compression_ctrl_create(z->model, config, &ctrl, &err)
                            : nncf_plan_create(z->model, config, &plan, &err);
            c.memory.fail_at = 0;
            if (status == NNCF_OK)
                break;
            ck_assert_msg(
                status == NNCF_E_NOMEM, "allocation %zu: %d %s", n, (int)status, err.message);
            ck_assert(!plan && !ctrl);
            ck_assert_ptr_nonnull(strstr(err.message, "memory"));
        }
        if (!making)
            text_of(plan, got, sizeof got);
        nncf_plan_destroy(plan);
        nncf_compression_ctrl_destroy(ctrl);
    }
    ck_assert_str_eq(got, wanted);
    ck_assert_uint_gt(failures, 40);
    nncf_config_destroy(config);
    zoo_free(z);
    fx_close(&c); /* nothing is left */
}
END_TEST

START_TEST(plan_refuses_wrong_calls)
{
    nncf_model *model;
    nncf_plan *plan = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    char text[8];
    size_t needed;
    nncf_config *config = fx_config(NULL, configs[0]);
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_plan_create(NULL, config, &plan, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_plan_create(model, NULL, &plan, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_plan_create(model, config, NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_plan_create(model, config, &plan, &err), NNCF_E_STATE); /* no layers */
    ck_assert_ptr_null(plan);
    ck_assert_int_eq(
        nncf_plan_format(NULL, NNCF_FORM_TEXT, text, sizeof text, &needed, NULL), NNCF_E_ARG);
    ck_assert_int_eq(
        nncf_plan_format(NULL, NNCF_FORM_JSON, text, sizeof text, &needed, NULL), NNCF_E_ARG);
    nncf_plan_destroy(NULL);
    fx_layer l = fx_add_conv(model, "Net/Conv2d[a]", 2, 2, 1, NULL, NULL);
    ck_assert_int_eq(nncf_plan_create(model, config, &plan, &err), NNCF_OK);
    ck_assert_int_eq(nncf_plan_format(plan, NNCF_FORM_JSON, NULL, 4, &needed, NULL), NNCF_E_ARG);
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_JSON, text, sizeof text, &needed, NULL), NNCF_E_BUFFER);
    ck_assert_uint_gt(needed, sizeof text);
    nncf_plan_destroy(plan);
    nncf_config_destroy(config);
    nncf_model_destroy(model);
    fx_layer_free(&l);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("placement_memory");
    TCase *tcase = fx_case(suite, "placement_memory", 120);
    tcase_add_loop_test(tcase, no_memory_at_any_allocation_leaves_nothing, 0, 2 * CONFIGS);
    tcase_add_test(tcase, plan_refuses_wrong_calls);
    return fx_main(suite);
}
