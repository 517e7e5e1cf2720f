/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batch norm as other programs have it, and backward of what eval mode computes. Gradients against
 * central differences in float nets of all three algorithms; of nets of codes against the closed
 * form y = gamma zhat + beta, so d gamma = sum r (y - beta) / gamma; statistics by hand in double.
 * Each test fails where its flag or mode has no effect: batch and running statistics differ much.
 */
#include "support/fixture.h"
#include "support/pass.h"

static const int64_t planes[4] = {4, 4, 6, 5}, rows[4] = {8, 6, 1, 1};
static const struct {
    fx_block block;
    const int64_t *in;
} nets[] = {
    {{.scope = "N/Conv2d[a]",
         .in_channels = 4,
         .out_channels = 6,
         .kernel = {3, 3},
         .padding = {1, 1},
         .bias = true,
         .batch_norm = true,
         .activation = NNCF_ACTIVATION_SILU},
        planes},
    {{.scope = "N/Conv2d[a]",
         .in_channels = 4,
         .out_channels = 4,
         .groups = 4,
         .kernel = {3, 3},
         .padding = {1, 1},
         .bias = true,
         .batch_norm = true},
        planes},
    {{.scope = "N/Linear[a]",
         .in_channels = 6,
         .out_channels = 5,
         .linear = true,
         .bias = true,
         .batch_norm = true,
         .activation = NNCF_ACTIVATION_TANH},
        rows},
};
enum { NETS = sizeof nets / sizeof *nets };

static void make(fx_pass *p, int net, int32_t flags, const char *config, int32_t mode)
{
    fx_block block = nets[net].block;
    block.norm_flags = flags;
    if (config)
        block.activation = NNCF_ACTIVATION_NONE;
    fx_pass_make(
        p, &block, nets[net].in, NULL, config, fx_new_context(NULL, 2, 0, 9), 17 + (uint64_t)net);
    ck_assert_int_eq(nncf_model_set_mode(p->model, mode, NULL), NNCF_OK);
}

static void initialize(fx_pass *p)
{
    int32_t more = 1;
    for (;;) {
        ck_assert_int_eq(nncf_compression_ctrl_init_step(p->ctrl, &more, NULL), NNCF_OK);
        if (!more)
            return;
        fx_pass_forward(p);
    }
}

/* ---- gradients ---- */

static double loss_of(fx_pass *p)
{
    double loss = 0;
    fx_pass_forward(p);
    for (size_t i = 0; i < fx_count(p->out); i++)
        loss += (double)p->r[i] * (double)p->y[i];
    return loss;
}

/* Some elements of an array; its gradient was added to 0. */
static void check_differences(
    fx_pass *p, const char *what, float *x, const float *gradient, size_t n)
{
    const size_t stride = n > 12 ? n / 12 : 1;
    for (size_t i = 0; i < n; i += stride) {
        const float kept = x[i];
        const double step = 0.01;
        x[i] = (float)((double)kept + step);
        const double above = loss_of(p);
        x[i] = (float)((double)kept - step);
        const double below = loss_of(p);
        x[i] = kept;
        const double want = (above - below) / (2 * step);
        ck_assert_msg(fabs((double)gradient[i] - want) <= 2e-3 * (1 + fabs(want)),
            "%s[%zu]: %.9g, differences say %.9g", what, i, (double)gradient[i], want);
    }
}

static void check_gradients(fx_pass *p)
{
    const size_t c = (size_t)p->k.out_channels;
    fx_pass_forward(p);
    fx_pass_backward(p, true);
    check_differences(p, "x", p->x, p->dx, fx_count(p->in));
    check_differences(p, "weight", p->k.w, p->k.dw, p->k.weights);
    check_differences(p, "gamma", p->k.gamma, p->k.dgamma, c);
    check_differences(p, "beta", p->k.beta, p->k.dbeta, c);
    check_differences(p, "bias", p->k.b, p->k.db, c);
}

START_TEST(gradients_of_a_frozen_norm_are_those_of_differences)
{
    fx_pass p;
    make(&p, _i, NNCF_BATCH_NORM_FROZEN, NULL, NNCF_MODE_TRAIN);
    check_gradients(&p);
    fx_pass_free(&p);
}
END_TEST

START_TEST(gradients_in_tune_mode_are_those_of_differences)
{
    fx_pass p;
    make(&p, _i, 0, NULL, NNCF_MODE_TUNE);
    check_gradients(&p);
    fx_pass_free(&p);
}
END_TEST

/* The variance's derivative has another divisor, too. */
START_TEST(gradients_of_an_unbiased_norm_are_those_of_differences)
{
    fx_pass p;
    make(&p, _i, NNCF_BATCH_NORM_UNBIASED, NULL, NNCF_MODE_TRAIN);
    check_gradients(&p);
    fx_pass_free(&p);
}
END_TEST

/* ---- values ---- */

static bool is_frozen_as(const fx_pass *p, const float *y)
{
    const float var = 0.8f; /* fx_register() */
    for (int64_t c = 0; c < p->k.out_channels; c++)
        if (p->k.var[c] != var)
            return false;
    return memcmp(p->y, y, fx_count(p->out) * sizeof *y) == 0;
}

START_TEST(a_frozen_norm_and_tune_mode_compute_what_eval_mode_does)
{
    fx_pass p, frozen;
    make(&p, _i, 0, NULL, NNCF_MODE_EVAL);
    fx_pass_forward(&p);
    float *want = fx_alloc(fx_count(p.out), sizeof *want);
    memcpy(want, p.y, fx_count(p.out) * sizeof *want);
    ck_assert_int_eq(nncf_model_set_mode(p.model, NNCF_MODE_TUNE, NULL), NNCF_OK);
    fx_pass_forward(&p);
    ck_assert(is_frozen_as(&p, want));
    make(&frozen, _i, NNCF_BATCH_NORM_FROZEN, NULL, NNCF_MODE_TRAIN);
    fx_pass_forward(&frozen);
    ck_assert(is_frozen_as(&frozen, want));
    /* and their backward is the same */
    fx_pass_backward(&p, true);
    fx_pass_backward(&frozen, true);
    ck_assert_mem_eq(p.dx, frozen.dx, fx_count(p.in) * sizeof *p.dx);
    ck_assert_mem_eq(p.k.dw, frozen.k.dw, p.k.weights * sizeof *p.k.dw);
    ck_assert_int_eq(nncf_model_set_mode(p.model, NNCF_MODE_TRAIN, NULL), NNCF_OK);
    fx_pass_forward(&p);
    ck_assert(!is_frozen_as(&p, want));
    free(want);
    fx_pass_free(&p);
    fx_pass_free(&frozen);
}
END_TEST

/* Products of codes: z is their integer sum, made again or kept. */
START_TEST(gamma_and_beta_of_codes_have_the_gradients_of_the_closed_form)
{
    const int net = _i % NETS;
    const bool tune = _i / NETS % 2, small = _i / NETS / 2;
    fx_pass p;
    make(&p, net, tune ? 0 : NNCF_BATCH_NORM_FROZEN, FX_CONFIG(FX_INT8), NNCF_MODE_EVAL);
    if (small)
        ck_assert_int_eq(nncf_model_set_memory_policy(p.model, NNCF_MEMORY_SMALL, NULL), NNCF_OK);
    initialize(&p);
    ck_assert_int_eq(
        nncf_model_set_mode(p.model, tune ? NNCF_MODE_TUNE : NNCF_MODE_TRAIN, NULL), NNCF_OK);
    fx_pass_forward(&p);
    fx_pass_backward(&p, true);
    const size_t c = (size_t)p.k.out_channels, hw = (size_t)(p.out[2] * p.out[3]);
    for (size_t i = 0; i < c; i++) {
        double gamma = 0, beta = 0;
        const double inv_std = 1 / sqrt((double)p.k.var[i] + 1e-5);
        for (size_t j = 0; j < (size_t)p.out[0] * hw; j++) {
            const size_t at = (j / hw * c + i) * hw + j % hw;
            const double r = (double)p.r[at];
            gamma += r * ((double)p.y[at] - (double)p.k.beta[i]) / (double)p.k.gamma[i];
            beta += r;
        }
        ck_assert_double_eq_tol((double)p.k.dgamma[i], gamma, 1e-4 * (1 + fabs(gamma)));
        ck_assert_double_eq_tol((double)p.k.dbeta[i], beta, 1e-5 * (1 + fabs(beta)));
        const double bias = beta * (double)p.k.gamma[i] * inv_std;
        ck_assert_double_eq_tol((double)p.k.db[i], bias, 1e-5 * (1 + fabs(bias)));
    }
    fx_pass_free(&p);
}
END_TEST

/* Two samples, 1 and 3: mean 2, biased variance 1, unbiased 2; before them 10 and 4. */
START_TEST(running_statistics_and_variance_are_as_the_flags_say)
{
    static const struct {
        int32_t flags;
        float momentum;
        double mean, var, y;
    } cases[] = {
        {0, 0.25f, 8, 3.5, 1},
        {NNCF_BATCH_NORM_BIASED_RUNNING, 0.25f, 8, 3.25, 1},
        {NNCF_BATCH_NORM_INVERSE_MOMENTUM, 0.25f, 4, 2.5, 1},
        {NNCF_BATCH_NORM_INVERSE_MOMENTUM, 0, 9.2, 3.8, 1},
        {NNCF_BATCH_NORM_INVERSE_MOMENTUM | NNCF_BATCH_NORM_BIASED_RUNNING, 0.25f, 4, 1.75, 1},
        {NNCF_BATCH_NORM_UNBIASED, 0.25f, 8, 3.5, 0.70710678},
        {NNCF_BATCH_NORM_UNBIASED | NNCF_BATCH_NORM_BIASED_RUNNING, 0.25f, 8, 3.25, 0.70710678},
        {NNCF_BATCH_NORM_FROZEN, 0.25f, 10, 4, -3.5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static const int64_t shape[2] = {2, 1};
        float data[2] = {1, 3}, out[2], weight = 1, mean = 10, var = 4;
        const nncf_tensor x = {.data = data, .ndim = 2, .shape = shape};
        nncf_tensor y = {.data = out, .ndim = 2, .shape = shape};
        nncf_model *model;
        nncf_layer *layer;
        const nncf_batch_norm_params bn = {NNCF_PARAMS(nncf_batch_norm_params),
            .running_mean = &mean, .running_var = &var, .eps = 1e-12f,
            .momentum = cases[i].momentum, .flags = cases[i].flags};
        const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "N/a",
            .weight = &weight, .in_features = 1, .out_features = 1, .batch_norm = &bn};
        ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_model_add_linear(model, &p, &layer, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_forward(layer, &x, 1, &y, NULL), NNCF_OK);
        ck_assert_double_eq_tol((double)mean, cases[i].mean, 1e-6);
        ck_assert_double_eq_tol((double)var, cases[i].var, 1e-6);
        ck_assert_double_eq_tol((double)out[1], cases[i].y, 1e-6);
        nncf_model_destroy(model);
    }
}
END_TEST

START_TEST(batch_norm_adaptation_leaves_a_frozen_norm_alone)
{
    static const char config[] =
        "{\"nncf_dialect\": \"1.4\", \"input_info\": {\"sample_size\": [1, 4, 6, 5]}, "
        "\"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"range\": "
        "{\"num_init_samples\": 4}, \"batchnorm_adaptation\": {\"num_bn_adaptation_samples\": "
        "8}}}}";
    const float before = 0.8f;
    fx_pass p;
    make(&p, 0, _i ? NNCF_BATCH_NORM_FROZEN : 0, config, NNCF_MODE_TRAIN);
    initialize(&p);
    for (int c = 0; c < 6; c++)
        ck_assert_int_eq(p.k.var[c] == before, _i);
    fx_pass_free(&p);
}
END_TEST

/* ---- the mode ---- */

START_TEST(a_mask_of_tune_mode_is_that_of_eval_mode_and_its_logits_get_gradients)
{
    fx_pass p;
    make(&p, 0, 0, FX_CONFIG(FX_RB), NNCF_MODE_EVAL);
    const nncf_parameter logits = fx_parameter(p.ctrl, "N/Conv2d[a].pre_ops.mask");
    for (size_t i = 0; i < logits.count; i++)
        logits.data[i] = i % 3 ? 0.1f : -0.1f;
    fx_pass_forward(&p);
    float *want = fx_alloc(fx_count(p.out), sizeof *want);
    memcpy(want, p.y, fx_count(p.out) * sizeof *want);
    ck_assert_int_eq(nncf_model_set_mode(p.model, NNCF_MODE_TUNE, NULL), NNCF_OK);
    for (int again = 0; again < 2; again++) {
        fx_pass_forward(&p);
        ck_assert_mem_eq(p.y, want, fx_count(p.out) * sizeof *want);
        fx_pass_backward(&p, true);
    }
    bool moved = false;
    for (size_t i = 0; i < logits.count; i++) {
        ck_assert(i % 3 || p.k.dw[i] == 0);
        moved = moved || logits.grad[i] != 0;
    }
    ck_assert(moved);
    free(want);
    fx_pass_free(&p);
}
END_TEST

static void check_refused(fx_pass *p, int32_t forward, int32_t backward, const char *says)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_model_set_mode(p->model, forward, NULL), NNCF_OK);
    fx_pass_forward(p);
    ck_assert_int_eq(nncf_model_set_mode(p->model, backward, NULL), NNCF_OK);
    memcpy(p->dy, p->r, fx_count(p->out) * sizeof(float));
    ck_assert_int_eq(
        nncf_layer_backward(p->k.layer, &p->tx.t, 1, &p->tdy.t, NULL, &err), NNCF_E_STATE);
    ck_assert_msg(strstr(err.message, says) != NULL, "%s", err.message);
    ck_assert_mem_eq(p->dy, p->r, fx_count(p->out) * sizeof(float));
}

START_TEST(backward_in_another_mode_than_forward_is_refused)
{
    fx_pass p;
    make(&p, _i, 0, NULL, NNCF_MODE_TRAIN);
    check_refused(&p, NNCF_MODE_TUNE, NNCF_MODE_TRAIN, "was in tune mode");
    check_refused(&p, NNCF_MODE_TRAIN, NNCF_MODE_TUNE, "was in train mode");
    check_refused(&p, NNCF_MODE_TRAIN, NNCF_MODE_EVAL, "or NNCF_MODE_TUNE for what eval mode");
    check_refused(&p, NNCF_MODE_EVAL, NNCF_MODE_TUNE, "there is no forward");
    fx_pass_free(&p);
}
END_TEST

START_TEST(one_value_a_channel_is_enough_for_running_statistics)
{
    static const int64_t one[4] = {1, 6, 1, 1};
    fx_block block = nets[2].block;
    fx_pass p;
    block.norm_flags = _i ? 0 : NNCF_BATCH_NORM_FROZEN;
    fx_pass_make(&p, &block, one, NULL, NULL, fx_new_context(NULL, 1, 0, 9), 3);
    if (_i)
        ck_assert_int_eq(nncf_model_set_mode(p.model, NNCF_MODE_TUNE, NULL), NNCF_OK);
    fx_pass_forward(&p);
    fx_pass_backward(&p, true);
    fx_pass_free(&p);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("norm_conventions");
    TCase *tc = fx_case(suite, "gradients", 60);
    tcase_add_loop_test(tc, gradients_of_a_frozen_norm_are_those_of_differences, 0, NETS);
    tcase_add_loop_test(tc, gradients_in_tune_mode_are_those_of_differences, 0, NETS);
    tcase_add_loop_test(tc, gradients_of_an_unbiased_norm_are_those_of_differences, 0, NETS);
    tcase_add_loop_test(
        tc, gamma_and_beta_of_codes_have_the_gradients_of_the_closed_form, 0, 4 * NETS);
    tc = fx_case(suite, "values", 60);
    tcase_add_loop_test(tc, a_frozen_norm_and_tune_mode_compute_what_eval_mode_does, 0, NETS);
    tcase_add_test(tc, running_statistics_and_variance_are_as_the_flags_say);
    tcase_add_loop_test(tc, batch_norm_adaptation_leaves_a_frozen_norm_alone, 0, 2);
    tc = fx_case(suite, "mode", 60);
    tcase_add_test(tc, a_mask_of_tune_mode_is_that_of_eval_mode_and_its_logits_get_gradients);
    tcase_add_loop_test(tc, backward_in_another_mode_than_forward_is_refused, 0, NETS);
    tcase_add_loop_test(tc, one_value_a_channel_is_enough_for_running_statistics, 0, 2);
    return fx_main(suite);
}
