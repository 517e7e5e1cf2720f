/* SPDX-License-Identifier: Apache-2.0 */
/* What the config says about one quantizer: lists, overrides, range rules. On canonical forms made by hand: every
 * dialect ends in one. */
#include "comp_fixture.h"

#define A "Net/Block[0]/Conv2d[conv]"
#define B "Net/Block[1]/Conv2d[conv]"
#define LIST(...)                                                                                                      \
    {                                                                                                                  \
        (const char *[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)                          \
    }

enum { N = NNCF__NOT_OVERRIDDEN };

static nncf__quantizer_rule rule_of(const nncf__algorithm *a, int32_t group, const char *scope)
{
    nncf__quantizer_rule rule;
    nncf__quantizer_rule_of(a, group, scope, &rule);
    return rule;
}

START_TEST(overrides_win_member_by_member)
{
    const nncf__override overrides[] = {
        {.scope = "Net/Block[0]", .bits = 4, .mode = NNCF__ASYMMETRIC, .sign = N, .per_channel = N},
        {.scope = A, .group = NNCF__GROUP_WEIGHTS, .bits = 2, .mode = N, .sign = NNCF__SIGNED, .per_channel = 1},
        {.scope = "Net/Nothing", .bits = 3, .mode = N, .sign = N, .per_channel = N},
        {.scope = A, .bits = 0, .mode = N, .sign = N, .per_channel = 0}};
    const nncf__algorithm a = {.kind = NNCF__QUANTIZATION,
                               .weights = {8, NNCF__SYMMETRIC, NNCF__SIGN_AUTO, 0},
                               .activations = {7, NNCF__SYMMETRIC, NNCF__UNSIGNED, 1},
                               .overrides = overrides,
                               .n_overrides = 4};
    nncf__quantizer_rule r = rule_of(&a, NNCF__GROUP_WEIGHTS, A);
    ck_assert(r.params.bits == 2 && r.params.mode == NNCF__ASYMMETRIC && r.params.sign == NNCF__SIGNED);
    ck_assert_int_eq(r.params.per_channel, 0);
    ck_assert_int_eq(r.override_index, 3);
    r = rule_of(&a, NNCF__GROUP_ACTIVATIONS, A);
    ck_assert(r.params.bits == 4 && r.params.mode == NNCF__ASYMMETRIC && r.params.sign == NNCF__UNSIGNED);
    ck_assert_int_eq(r.params.per_channel, 0);
    r = rule_of(&a, NNCF__GROUP_ACTIVATIONS, B);
    ck_assert(r.params.bits == 7 && r.params.per_channel == 1);
    ck_assert_int_eq(r.override_index, -1);
}
END_TEST

START_TEST(ranges_of_the_last_rule_that_fits)
{
    const nncf__range_rule ranges[] = {
        {.kind = NNCF__MIXED_MIN_MAX, .n_steps = -1, .n_samples = 256},
        {.kind = NNCF__PERCENTILE,
         .group = NNCF__GROUP_ACTIVATIONS,
         .n_steps = 3,
         .n_samples = -1,
         .min_percentile = 1,
         .max_percentile = 99,
         .target_scopes = LIST("Net/Block[0]", "Net/Block[1]"),
         .ignored_scopes = LIST(B)},
        {.kind = NNCF__THREESIGMA, .n_steps = 0, .n_samples = -1, .target_scopes = LIST("Net/Block[7]")}};
    nncf__algorithm a = {.kind = NNCF__QUANTIZATION, .ranges = ranges, .n_ranges = 3};
    nncf__quantizer_rule r = rule_of(&a, NNCF__GROUP_ACTIVATIONS, A);
    ck_assert(r.range.kind == NNCF__PERCENTILE && r.range_index == 1 && r.range.n_steps == 3);
    ck_assert_double_eq(r.range.max_percentile, 99);
    r = rule_of(&a, NNCF__GROUP_ACTIVATIONS, B);
    ck_assert(r.range.kind == NNCF__MEAN_MIN_MAX && r.range_index == 0 && r.range.n_samples == 256);
    r = rule_of(&a, NNCF__GROUP_WEIGHTS, A);
    ck_assert(r.range.kind == NNCF__MIN_MAX && r.range_index == 0);
    r = rule_of(&a, NNCF__GROUP_WEIGHTS, "Net/Block[7]/Linear[fc]"); /* no batches: no initialization */
    ck_assert(r.range.kind == NNCF__RANGE_NONE && r.range_index == 2);
    a.ranges++;
    a.n_ranges = 1; /* none fits */
    r = rule_of(&a, NNCF__GROUP_ACTIVATIONS, "Net/Linear[fc]");
    ck_assert(r.range.kind == NNCF__RANGE_NONE && r.range_index == -1);
    a.n_ranges = 0; /* the algorithm's own */
    a.range_kind = NNCF__MIN_MAX;
    a.num_init_steps = 5;
    r = rule_of(&a, NNCF__GROUP_WEIGHTS, A);
    ck_assert(r.range.kind == NNCF__MIN_MAX && r.range.n_steps == 5 && r.range_index == -1);
}
END_TEST

START_TEST(lists_of_algorithm_and_group)
{
    enum { W = NNCF__GROUP_WEIGHTS, X = NNCF__GROUP_ACTIVATIONS };
    nncf__algorithm a = {.kind = NNCF__QUANTIZATION, .ignored_scopes = LIST(A)};
    for (int32_t release = 10000; release <= 20400; release += 10400) {
        ck_assert(!nncf__quantizer_wanted(&a, release, W, A) && nncf__quantizer_wanted(&a, release, X, B));
    }
    /* a target silences the ignored lists from 1.3 on */
    a.target_scopes = (nncf__strings)LIST("Net/Block[0]");
    ck_assert(!nncf__quantizer_wanted(&a, 10100, W, A));
    ck_assert(nncf__quantizer_wanted(&a, 10300, W, A) && !nncf__quantizer_wanted(&a, 10300, W, B));
    /* a group's lists are for that group */
    a.target_scopes = (nncf__strings){0};
    a.activation_ignored_scopes = (nncf__strings)LIST(B);
    ck_assert(!nncf__quantizer_wanted(&a, 10300, X, B) && nncf__quantizer_wanted(&a, 10300, W, B));
    ck_assert(!nncf__quantizer_wanted(&a, 10300, W, A) && !nncf__quantizer_wanted(&a, 10300, X, A));
    a.weight_target_scopes = (nncf__strings)LIST(A);
    ck_assert(nncf__quantizer_wanted(&a, 10300, W, A) && !nncf__quantizer_wanted(&a, 10300, W, B));
    ck_assert(!nncf__quantizer_wanted(&a, 10300, X, A));
    /* sparsity: both lists, in every release */
    a.target_scopes = (nncf__strings)LIST("Net/Block[0]", B);
    ck_assert(!nncf__algorithm_considers(&a, A) && nncf__algorithm_considers(&a, B));
    ck_assert(!nncf__algorithm_considers(&a, "Net/Linear[fc]"));
}
END_TEST

static nncf_status create(nncf_context *context, const nncf_layer *layer, size_t channels,
                          nncf__quantizer_params params, nncf__quantizer **q, nncf_error *err)
{
    const nncf__quantizer_rule rule = {.params = params};
    const nncf__quantizer_wish wish = {.layer = layer,
                                       .group = NNCF__GROUP_ACTIVATIONS,
                                       .stem = ".activation_quantizer",
                                       .channels = channels,
                                       .sign = NNCF__UNSIGNED};
    return nncf__quantizer_create(context, &wish, &rule, q, err);
}

START_TEST(creation)
{
    cf_context c;
    nncf_model *model;
    nncf__quantizer *q = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    cf_open(&c, 1, 0);
    ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
    cf_layer l = cf_conv(model, A, 4, 2, 1, NULL, NULL);
    const nncf__quantizer_params fine = {3, NNCF__ASYMMETRIC, NNCF__SIGN_AUTO, 1};
    ck_assert_int_eq(create(c.context, l.layer, 5, fine, &q, &err), NNCF_OK);
    ck_assert_uint_eq(q->channels, 5);
    ck_assert_str_eq(q->name, A ".activation_quantizer.input_low");
    ck_assert_str_eq(q->range_name, A ".activation_quantizer.input_range");
    ck_assert_float_eq(q->range[4], 1); /* no negative value is expected */
    ck_assert_float_eq(q->fq[4].high, 7);
    nncf__quantizer_destroy(c.context, q);
    q = NULL;
    const nncf__quantizer_params bad[] = {
        {9, NNCF__SYMMETRIC, NNCF__SIGN_AUTO, 0}, {1, NNCF__SYMMETRIC, 0, 0}, {8, 2, 0, 0}};
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(create(c.context, l.layer, 5, bad[i], &q, &err), NNCF_E_UNSUPPORTED);
    ck_assert_int_eq(create(c.context, l.layer, 0, fine, &q, &err), NNCF_E_UNSUPPORTED);
    ck_assert_str_eq(err.where, A);
    ck_assert_ptr_nonnull(strstr(err.message, "register the layers before"));
    ck_assert_ptr_null(q);
    nncf_model_destroy(model);
    cf_layer_free(&l);
    cf_close(&c);
}
END_TEST

CF_MAIN("quantizer_rules", overrides_win_member_by_member, ranges_of_the_last_rule_that_fits,
        lists_of_algorithm_and_group, creation)
