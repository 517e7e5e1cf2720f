/* SPDX-License-Identifier: Apache-2.0 */
/* eps and momentum of 0, which a zero-initialized struct cannot ask for: explicit_zeros can. The
 * values are those of two samples, 1 and 3, by hand: mean 2, biased variance 1, unbiased 2. */
#include "support/fixture.h"

typedef struct rig {
    fx_context c;
    nncf_model *model;
    nncf_layer *layer;
    float weight, mean, var, y[2];
} rig;

static void open_rig(rig *r, nncf_batch_norm_params *bn)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_linear_params p;
    memset(r, 0, sizeof *r);
    r->weight = 1;
    r->mean = 10;
    r->var = 4;
    bn->running_mean = &r->mean;
    bn->running_var = &r->var;
    nncf_linear_params_init(&p, sizeof p);
    p.scope = "Net/Linear[a]";
    p.weight = &r->weight;
    p.in_features = p.out_features = 1;
    p.batch_norm = bn;
    fx_open(&r->c, 1, 0);
    ck_assert_int_eq(nncf_model_create(r->c.context, &r->model, NULL), NNCF_OK);
    ck_assert_msg(
        nncf_model_add_linear(r->model, &p, &r->layer, &err) == NNCF_OK, "%s", err.message);
}

static void close_rig(rig *r)
{
    nncf_model_destroy(r->model);
    fx_close(&r->c);
}

static void forward(rig *r)
{
    static const int64_t shape[2] = {2, 1};
    float data[2] = {1, 3};
    const nncf_tensor x = {.data = data, .ndim = 2, .shape = shape};
    nncf_tensor y = {.data = r->y, .ndim = 2, .shape = shape};
    ck_assert_int_eq(nncf_layer_forward(r->layer, &x, 1, &y, NULL), NNCF_OK);
}

START_TEST(momentum_0_freezes_the_running_statistics)
{
    rig r;
    nncf_batch_norm_params bn;
    nncf_batch_norm_params_init(&bn, sizeof bn);
    bn.momentum = 0;
    open_rig(&r, &bn);
    for (int i = 0; i < 3; i++)
        forward(&r);
    ck_assert(r.mean == 10 && r.var == 4);
    /* batch statistics normalize all the same */
    ck_assert_double_eq_tol((double)r.y[1], 1 / sqrt(1 + 1e-5), 1e-6);
    close_rig(&r);
}
END_TEST

START_TEST(eps_0_normalizes_by_the_variance_alone)
{
    rig r;
    nncf_batch_norm_params bn;
    nncf_batch_norm_params_init(&bn, sizeof bn);
    bn.eps = 0;
    open_rig(&r, &bn);
    forward(&r);
    ck_assert(r.y[0] == -1 && r.y[1] == 1);
    ck_assert_double_eq_tol((double)r.mean, 0.9 * 10 + 0.1 * 2, 1e-5);
    ck_assert_double_eq_tol((double)r.var, 0.9 * 4 + 0.1 * 2, 1e-5);
    close_rig(&r);
}
END_TEST

START_TEST(zeros_of_a_zero_initialized_struct_are_the_defaults)
{
    rig r, s;
    nncf_batch_norm_params zeros = {NNCF_PARAMS(nncf_batch_norm_params)}, all;
    nncf_batch_norm_params_init(&all, sizeof all);
    open_rig(&r, &zeros);
    open_rig(&s, &all);
    forward(&r);
    forward(&s);
    ck_assert(r.y[0] == s.y[0] && r.y[1] == s.y[1] && r.mean == s.mean && r.var == s.var);
    ck_assert(r.y[1] < 1 && r.mean != 10); /* eps is not 0, and momentum is not */
    close_rig(&r);
    close_rig(&s);
}
END_TEST

START_TEST(values_out_of_bounds_are_refused)
{
    static const struct {
        float eps, momentum;
        int32_t explicit_zeros, flags;
        const char *says;
    } bad[] = {{-1e-5f, 0.1f, 1, 0, "eps is -1e-05"}, {(float)INFINITY, 0.1f, 1, 0, "eps is inf"},
        {0, -0.1f, 1, 0, "momentum is -0.1"}, {0, 1.5f, 1, 0, "momentum is 1.5"},
        {0, 0.1f, 2, 0, "explicit_zeros must be 0 or 1"},
        {0, 0.1f, 1, 16, "flags NNCF_BATCH_NORM_..."}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nncf_error err = NNCF_ERROR_INIT;
        nncf_model *model;
        nncf_layer *layer;
        float weight = 1, mean = 0, var = 1;
        nncf_batch_norm_params bn = {NNCF_PARAMS(nncf_batch_norm_params), .running_mean = &mean,
            .running_var = &var, .eps = bad[i].eps, .momentum = bad[i].momentum,
            .explicit_zeros = bad[i].explicit_zeros, .flags = bad[i].flags};
        const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "a",
            .weight = &weight, .in_features = 1, .out_features = 1, .batch_norm = &bn};
        ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_model_add_linear(model, &p, &layer, &err), NNCF_E_ARG);
        ck_assert_msg(strstr(err.message, bad[i].says) != NULL, "%zu: %s", i, err.message);
        nncf_model_destroy(model);
    }
}
END_TEST

FX_MAIN("batch norm", momentum_0_freezes_the_running_statistics,
    eps_0_normalizes_by_the_variance_alone, zeros_of_a_zero_initialized_struct_are_the_defaults,
    values_out_of_bounds_are_refused)
