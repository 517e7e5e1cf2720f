/* SPDX-License-Identifier: Apache-2.0 */
/* Weights without a gradient are compressed or left as they are, as the host wants, and it is said
 * in the log and in the plan. */
#include "base/context.h"
#include "support/fixture.h"

enum { SIZE = 4, COUNT = SIZE * SIZE };
#define CONFIG FX_CONFIG(FX_MAGNITUDE "," FX_INT8)

/* a is trained, b is frozen. */
typedef struct net {
    fx_context c;
    nncf_model *model;
    nncf_layer *layers[2];
    float weight[2][COUNT], gradient[COUNT];
} net;

static void net_open(net *n, int32_t policy)
{
    static const char *const scopes[] = {"N/Linear[a]", "N/Linear[b]"};
    uint64_t state = 3;
    memset(n, 0, sizeof *n);
    fx_open(&n->c, 1, 0);
    n->c.context->params.log_level = NNCF_LOG_INFO;
    ck_assert_int_eq(nncf_model_create(n->c.context, &n->model, NULL), NNCF_OK);
    for (int i = 0; i < 2; i++) {
        const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = scopes[i],
            .weight = n->weight[i], .weight_grad = i == 0 ? n->gradient : NULL, .in_features = SIZE,
            .out_features = SIZE, .inputs = &n->layers[0], .n_inputs = (size_t)i};
        fx_fill(n->weight[i], COUNT, 1, &state);
        ck_assert_int_eq(nncf_model_add_linear(n->model, &p, &n->layers[i], NULL), NNCF_OK);
    }
    ck_assert_int_eq(nncf_model_set_frozen_policy(n->model, policy, NULL), NNCF_OK);
}

static void net_close(net *n)
{
    nncf_model_destroy(n->model);
    fx_close(&n->c);
}

static const char *const log_lines[] = {NULL,
    "N/Linear[b]: its weight has no gradient, and is compressed without being trained to it",
    "N/Linear[b]: its weight has no gradient, and is left as it is"};

START_TEST(frozen_weights_are_treated_as_the_policy_says)
{
    const int32_t policy = _i;
    const bool left = policy == NNCF_FROZEN_LEAVE;
    float weight[COUNT];
    net n;
    net_open(&n, policy);
    nncf_compression_ctrl *ctrl = fx_ctrl(n.model, CONFIG);
    ck_assert_int_eq(log_lines[policy] && !strstr(n.c.log, log_lines[policy]), false);
    ck_assert_ptr_null(strstr(n.c.log, "N/Linear[a]: its weight"));
    const nncf_statistics s = fx_statistics(ctrl);
    ck_assert_uint_eq(s.sparsified_layers, left ? 1 : 2);
    ck_assert_uint_eq(s.weight_quantizers, left ? 1 : 2);
    ck_assert_uint_eq(s.activation_quantizers, 1);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(nncf_layer_compress_weight(n.layers[i], weight, NULL), NNCF_OK);
        const bool same = memcmp(weight, n.weight[i], sizeof weight) == 0;
        ck_assert_int_eq(same, i == 1 && left);
    }
    /* the warning of the default is about what nobody has chosen */
    ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(strstr(n.c.complaints, "it cannot be trained") != NULL, policy == 0);
    ck_assert_int_eq(nncf_model_set_frozen_policy(n.model, NNCF_FROZEN_WARN, NULL), NNCF_E_STATE);
    nncf_compression_ctrl_destroy(ctrl);
    net_close(&n);
}
END_TEST

START_TEST(a_plan_has_a_line_for_what_is_left)
{
    static const char line[] = "N/Linear[b]  weight  float          its weight has no gradient\n";
    char text[4096], json[8192];
    const bool left = _i == NNCF_FROZEN_LEAVE;
    nncf_plan *plan;
    net n;
    net_open(&n, _i);
    nncf_config *config = fx_config(n.c.context, CONFIG);
    ck_assert_int_eq(nncf_plan_create(n.model, config, &plan, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_TEXT, text, sizeof text, NULL, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_JSON, json, sizeof json, NULL, NULL), NNCF_OK);
    ck_assert_msg((strstr(text, line) != NULL) == left, "%s", text);
    ck_assert_ptr_nonnull(strstr(
        json, left ? "],\"left\":[\"N/Linear[b]\"],\"floats\":[],\"masks\":1" : "],\"left\":[],"));
    nncf_plan_destroy(plan);
    nncf_config_destroy(config);
    net_close(&n);
}
END_TEST

START_TEST(unknown_policies_are_refused)
{
    nncf_error err = NNCF_ERROR_INIT;
    net n;
    net_open(&n, NNCF_FROZEN_WARN);
    ck_assert_int_eq(nncf_model_set_frozen_policy(n.model, 3, &err), NNCF_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "policy is 3"));
    ck_assert_int_eq(nncf_model_set_frozen_policy(n.model, -1, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_set_frozen_policy(NULL, 0, &err), NNCF_E_ARG);
    net_close(&n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("frozen");
    TCase *tc = fx_case(suite, "weights", 30);
    tcase_add_loop_test(tc, frozen_weights_are_treated_as_the_policy_says, 0, 3);
    tcase_add_loop_test(tc, a_plan_has_a_line_for_what_is_left, 0, 3);
    tcase_add_test(tc, unknown_policies_are_refused);
    return fx_main(suite);
}
