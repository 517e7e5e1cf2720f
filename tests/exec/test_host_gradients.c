/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gradients as a host has them: of another sign and scale, added to where the library writes, and
 * written where it adds. A factor of a power of two scales every gradient exactly, so that the two
 * conventions are compared bit by bit; the gradient that the library makes itself, and sums, are
 * compared with their formulas.
 */
#include "support/fixture.h"
#include "support/pass.h"
#include "support/rig.h"

enum { MOST = 4096 };

static const int64_t in[4] = {3, 4, 6, 5};
static const fx_block conv = {.scope = "Net/Conv2d[a]",
    .in_channels = 4,
    .out_channels = 6,
    .kernel = {3, 3},
    .padding = {1, 1},
    .activation = NNCF_ACTIVATION_RELU,
    .batch_norm = true};
static const fx_block reader = {.scope = "Net/Conv2d[b]", .in_channels = 6, .out_channels = 3};
#define RB_INT8 FX_CONFIG(FX_RB "," FX_INT8)

/* ---- sign and factor ---- */

/* A step from ranges that one batch set, of a host whose gradients are `scale` times the loss's. */
static void step(fx_pass *p, float scale, double factor, double *loss)
{
    int32_t more = 1;
    fx_pass_make(p, &conv, in, &reader, RB_INT8, fx_new_context(NULL, 2, 0, 11), 3);
    if (factor != 1)
        ck_assert_int_eq(nncf_compression_ctrl_set_gradient_factor(p->ctrl, factor, NULL), NNCF_OK);
    for (; more;) {
        ck_assert_int_eq(nncf_compression_ctrl_init_step(p->ctrl, &more, NULL), NNCF_OK);
        fx_pass_forward(p);
        ck_assert_int_eq(
            nncf_layer_forward(p->next.layer, &p->ty.t, 1, &p->tafter.t, NULL), NNCF_OK);
    }
    for (size_t i = 0; i < fx_count(p->out); i++)
        p->r[i] *= scale;
    *loss = fx_loss(p->ctrl);
    fx_pass_forward(p);
    fx_pass_backward(p, true);
}

static void check_scaled(const char *what, const float *a, const float *b, size_t n, float scale)
{
    bool moved = false;
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(b[i] == scale * a[i], "%s[%zu]: %.9g, not %.9g times %.9g", what, i,
            (double)b[i], (double)scale, (double)a[i]);
        moved = moved || a[i] != 0;
    }
    ck_assert_msg(moved, "%s has no gradient", what);
}

/* Without the factor the logits' gradients are those of dy times -8 plus once the loss's. */
START_TEST(all_gradients_are_the_factor_times_the_losses)
{
    static const float scales[] = {-8, 0.25f, -1};
    const float scale = scales[_i];
    fx_pass plain, host;
    double loss[2];
    step(&plain, 1, 1, &loss[0]);
    step(&host, scale, (double)scale, &loss[1]);
    ck_assert_double_eq(loss[0], loss[1]);
    ck_assert_double_gt(loss[0], 0);
    check_scaled("dx", plain.dx, host.dx, fx_count(in), scale);
    check_scaled("weight", plain.k.dw, host.k.dw, plain.k.weights, scale);
    check_scaled("gamma", plain.k.dgamma, host.k.dgamma, 6, scale);
    check_scaled("beta", plain.k.dbeta, host.k.dbeta, 6, scale);
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(plain.ctrl); i++) {
        const nncf_parameter a = fx_parameter_at(plain.ctrl, i), b = fx_parameter_at(host.ctrl, i);
        if (strncmp(a.name, "Net/Conv2d[a]", 13) == 0)
            check_scaled(a.name, a.grad, b.grad, a.count, scale);
    }
    fx_pass_free(&plain);
    fx_pass_free(&host);
}
END_TEST

/* L = ((kept / n - (1 - level)) / 0.05)^2, kept's derivative that of the sigmoid. */
START_TEST(the_compression_losss_gradient_has_the_factor)
{
    static const double factors[] = {1, -64, 3};
    fx_rig r;
    fx_rig_make(&r, &conv, FX_CONFIG(FX_RB));
    ck_assert_int_eq(nncf_compression_ctrl_set_gradient_factor(r.ctrl, factors[_i], NULL), NNCF_OK);
    const nncf_parameter p = fx_parameter(r.ctrl, "Net/Conv2d[a].pre_ops.mask");
    ck_assert_double_eq_tol(fx_loss(r.ctrl), 4, 1e-9); /* level 0.1, nothing masked */
    const double s = 1 / (1 + exp(-(double)p.data[0])), n = (double)p.count;
    const double want = factors[_i] * 2 * 0.1 / 0.05 / 0.05 / n * s * (1 - s);
    for (size_t i = 0; i < p.count; i++)
        ck_assert_double_eq_tol((double)p.grad[i], want, 1e-5 * fabs(want));
    fx_rig_free(&r);
}
END_TEST

/* A host whose gradients point downhill, and are added: its masks come to the level only if the
 * library knows. */
START_TEST(masks_of_a_host_that_adds_minus_gradients_follow_the_level)
{
    fx_rig r;
    fx_rig_make(&r, &conv, FX_CONFIG(FX_RB));
    const nncf_parameter p = fx_parameter(r.ctrl, "Net/Conv2d[a].pre_ops.mask");
    uint64_t state = 2;
    for (size_t i = 0; i < p.count; i++)
        p.data[i] = (float)(0.2 * fx_uniform(&state) + 0.1);
    const double before = fx_statistics(r.ctrl).sparsity;
    if (_i)
        ck_assert_int_eq(nncf_compression_ctrl_set_gradient_factor(r.ctrl, -1, NULL), NNCF_OK);
    for (int step = 0; step < 80; step++) {
        ck_assert_int_eq(nncf_compression_ctrl_zero_grad(r.ctrl, NULL), NNCF_OK);
        fx_loss(r.ctrl);
        for (size_t i = 0; i < p.count; i++)
            p.data[i] += 0.02f * p.grad[i];
        ck_assert_int_eq(nncf_compression_ctrl_step(r.ctrl, NULL), NNCF_OK);
    }
    const double level = fx_statistics(r.ctrl).sparsity_target,
                 after = fx_statistics(r.ctrl).sparsity;
    ck_assert_double_gt(before, level + 0.1);
    if (_i)
        ck_assert_double_eq_tol(after, level, 0.02);
    else
        ck_assert_double_gt(after, before);
    ck_assert_int_eq(strstr(r.host.complaints, "set_gradient_factor") != NULL, !_i);
    fx_rig_free(&r);
}
END_TEST

/* ---- added, and written ---- */

static nncf_tensor tensor(float *data, const int64_t *shape, int32_t ndim)
{
    return (nncf_tensor){.data = data, .ndim = ndim, .shape = shape};
}

/* What was there, in floats that are not 0. */
static void fill(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(i % 7) - 2.5f;
}

static void check_added(const float *got, const float *written, size_t n, int times)
{
    for (size_t i = 0; i < n; i++) {
        float want = (float)(i % 7) - 2.5f;
        for (int j = 0; j < times; j++)
            want += written[i];
        ck_assert_msg(got[i] == want, "dx[%zu] is %.9g, not %.9g", i, (double)got[i], (double)want);
    }
}

START_TEST(dx_is_added_to_where_the_layer_says_so)
{
    float written[360];
    fx_pass p;
    fx_pass_make(&p, &conv, in, &reader, RB_INT8, fx_new_context(NULL, 2, 0, 11), 3);
    fx_pass_forward(&p);
    fx_pass_backward(&p, true);
    memcpy(written, p.dx, sizeof written);
    ck_assert_int_eq(nncf_layer_set_gradient_flags(p.k.layer, NNCF_GRADIENT_ADD_DX, NULL), NNCF_OK);
    fill(p.dx, fx_count(in));
    fx_pass_forward(&p);
    fx_pass_backward(&p, true);
    check_added(p.dx, written, fx_count(in), 1);
    /* chosen anew between forward and backward */
    fill(p.dx, fx_count(in));
    fx_pass_forward(&p);
    ck_assert_int_eq(nncf_layer_set_gradient_flags(p.k.layer, 0, NULL), NNCF_OK);
    fx_pass_backward(&p, true);
    ck_assert_mem_eq(p.dx, written, sizeof written);
    fx_pass_free(&p);
}
END_TEST

/* A sum and a product of two inputs, of 20000 elements, which take more than one chunk. */
START_TEST(both_gradients_are_added_and_may_be_one_array)
{
    enum { COUNT = 20000 };
    static const int64_t shape[2] = {100, 200};
    float *a[7];
    uint64_t state = 6;
    nncf_model *model;
    nncf_layer *layer;
    for (int i = 0; i < 7; i++) {
        a[i] = fx_alloc(COUNT, sizeof(float));
        fx_fill(a[i], COUNT, 1, &state);
    }
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    const nncf_sum_params sum = {NNCF_PARAMS(nncf_sum_params), .scope = "N/layer"};
    const nncf_multiply_params product = {NNCF_PARAMS(nncf_multiply_params), .scope = "N/layer"};
    ck_assert_int_eq(_i ? nncf_model_add_multiply(model, &product, &layer, NULL)
                        : nncf_model_add_sum(model, &sum, &layer, NULL),
        NNCF_OK);
    nncf_tensor x[2] = {tensor(a[0], shape, 2), tensor(a[_i ? 0 : 1], shape, 2)},
                dx[2] = {tensor(a[2], shape, 2), tensor(a[3], shape, 2)},
                y = tensor(a[4], shape, 2), dy = tensor(a[5], shape, 2);
    memcpy(a[6], a[5], COUNT * sizeof(float));
    ck_assert_int_eq(nncf_layer_forward(layer, x, 2, &y, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_backward(layer, x, 2, &dy, dx, NULL), NNCF_OK);
    float *written = a[2];
    ck_assert_mem_eq(a[2], a[3], COUNT * sizeof(float)); /* x + y: dy; x x: dy x */
    ck_assert_int_eq(nncf_model_set_gradient_flags(model, NNCF_GRADIENT_ADD_DX, NULL), NNCF_OK);
    fill(a[3], COUNT);
    dx[0] = dx[1];
    memcpy(a[5], a[6], COUNT * sizeof(float));
    ck_assert_int_eq(nncf_layer_forward(layer, x, 2, &y, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_backward(layer, x, 2, &dy, dx, NULL), NNCF_OK);
    check_added(a[3], written, COUNT, 2);
    for (int i = 0; i < 7; i++)
        free(a[i]);
    nncf_model_destroy(model);
}
END_TEST

/* Without a quantizer dx is dy, and with one what is clipped has no gradient. */
START_TEST(quantizers_of_a_host_add_to_dx_unless_it_is_dy)
{
    float x[24], dy[24], written[24], dx[24];
    static const int64_t shape[4] = {2, 4, 3, 1};
    uint64_t state = 8;
    fx_rig r;
    fx_rig_make(&r, &conv, FX_CONFIG(FX_INT8));
    fx_fill(x, 24, 2, &state);
    fx_fill(dy, 24, 1, &state);
    nncf_tensor tx = tensor(x, shape, 4), tdy = tensor(dy, shape, 4),
                td = tensor(written, shape, 4);
    ck_assert_int_eq(nncf_layer_quantize_input_backward(r.k.layer, &tx, &tdy, &td, NULL), NNCF_OK);
    ck_assert_mem_ne(written, dy, sizeof dy);
    ck_assert_int_eq(nncf_model_set_gradient_flags(r.model, NNCF_GRADIENT_ADD_DX, NULL), NNCF_OK);
    td.data = dx;
    fill(dx, 24);
    ck_assert_int_eq(nncf_layer_quantize_input_backward(r.k.layer, &tx, &tdy, &td, NULL), NNCF_OK);
    check_added(dx, written, 24, 1);
    fill(dx, 24);
    static const int64_t out[4] = {2, 6, 2, 1};
    tx.shape = tdy.shape = td.shape = out;
    ck_assert_int_eq(nncf_layer_quantize_output_backward(r.k.layer, &tx, &tdy, &td, NULL), NNCF_OK);
    check_added(dx, dy, 24, 1);
    tx.shape = tdy.shape = shape;
    ck_assert_int_eq(nncf_layer_quantize_input_backward(r.k.layer, &tx, &tdy, &tdy, NULL), NNCF_OK);
    ck_assert_mem_eq(dy, written, sizeof dy);
    fx_rig_free(&r);
}
END_TEST

START_TEST(gradients_of_parameters_are_written_where_the_layer_says_so)
{
    const fx_block with_bias = {.scope = "Net/Conv2d[a]",
        .in_channels = 4,
        .out_channels = 6,
        .kernel = {3, 3},
        .bias = true,
        .batch_norm = true};
    float want[3][MOST];
    fx_pass p;
    fx_pass_make(&p, &with_bias, in, NULL, RB_INT8, fx_new_context(NULL, 2, 0, 11), 3);
    float *const all[] = {p.k.dw, p.k.dgamma, p.k.dbeta, p.k.db};
    const size_t count[] = {p.k.weights, 6, 6, 6};
    fx_pass_forward(&p);
    fx_pass_backward(&p, false);
    for (int i = 0; i < 3; i++)
        memcpy(want[i], all[i], count[i] * sizeof(float));
    ck_assert_int_eq(
        nncf_layer_set_gradient_flags(p.k.layer, NNCF_GRADIENT_WRITE_PARAMETERS, NULL), NNCF_OK);
    for (int i = 0; i < 4; i++)
        fill(all[i], count[i]);
    fx_pass_forward(&p);
    fx_pass_backward(&p, false);
    for (int i = 0; i < 3; i++)
        ck_assert_mem_eq(want[i], all[i], count[i] * sizeof(float));
    for (size_t i = 0; i < 6; i++) /* batch norm takes the bias away */
        ck_assert_double_lt(fabs((double)p.k.db[i]), 1e-3);
    fx_pass_free(&p);
}
END_TEST

START_TEST(a_hosts_weight_gradient_is_written_where_the_layer_says_so)
{
    float weight[216], grad[216];
    uint64_t state = 5;
    fx_rig r;
    fx_rig_make(&r, &conv, FX_CONFIG(FX_MAGNITUDE));
    fx_fill(grad, 216, 1, &state);
    fill(r.k.dw, r.k.weights);
    ck_assert_int_eq(
        nncf_model_set_gradient_flags(r.model, NNCF_GRADIENT_WRITE_PARAMETERS, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(r.k.layer, weight, NULL), NNCF_OK);
    for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(nncf_layer_compress_weight_backward(r.k.layer, grad, NULL), NNCF_OK);
        for (size_t i = 0; i < r.k.weights; i++)
            ck_assert(r.k.dw[i] == (weight[i] == 0 ? 0 : grad[i]));
    }
    fx_rig_free(&r);
}
END_TEST

START_TEST(layer_norm_and_linear_write_their_gradients)
{
    enum { ROWS = 5, SIZE = 8 };
    static const int64_t shape[2] = {ROWS, SIZE};
    float x[ROWS * SIZE], y[ROWS * SIZE], r[ROWS * SIZE], dy[ROWS * SIZE], w[SIZE * SIZE],
        gradient[2][SIZE * SIZE], bias[2][SIZE], want[SIZE * SIZE];
    uint64_t state = 4;
    nncf_model *model;
    nncf_layer *layer;
    fx_fill(x, ROWS * SIZE, 1, &state);
    fx_fill(r, ROWS * SIZE, 1, &state);
    fx_fill(w, SIZE * SIZE, 1, &state);
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_model_set_gradient_flags(model, NNCF_GRADIENT_WRITE_PARAMETERS, NULL), NNCF_OK);
    const nncf_layer_norm_params norm = {NNCF_PARAMS(nncf_layer_norm_params), .scope = "N/layer",
        .size = SIZE, .weight = w, .weight_grad = gradient[0], .bias = bias[1],
        .bias_grad = bias[0]};
    const nncf_linear_params linear = {NNCF_PARAMS(nncf_linear_params), .scope = "N/layer",
        .in_features = SIZE, .out_features = SIZE, .weight = w, .weight_grad = gradient[0],
        .bias = bias[1], .bias_grad = bias[0]};
    fx_fill(bias[1], SIZE, 1, &state);
    ck_assert_int_eq(_i ? nncf_model_add_linear(model, &linear, &layer, NULL)
                        : nncf_model_add_layer_norm(model, &norm, &layer, NULL),
        NNCF_OK);
    nncf_tensor tx = tensor(x, shape, 2), ty = tensor(y, shape, 2), tdy = tensor(dy, shape, 2);
    for (int again = 0; again < 2; again++) {
        fill(gradient[0], SIZE * SIZE);
        fill(bias[0], SIZE);
        memcpy(dy, r, sizeof dy);
        ck_assert_int_eq(nncf_layer_forward(layer, &tx, 1, &ty, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_backward(layer, &tx, 1, &tdy, NULL, NULL), NNCF_OK);
        for (int c = 0; c < SIZE; c++) {
            double sum = 0;
            for (int i = 0; i < ROWS; i++)
                sum += (double)r[i * SIZE + c];
            ck_assert_double_eq_tol((double)bias[0][c], sum, 1e-5);
        }
        if (again)
            ck_assert_mem_eq(gradient[0], want, _i ? sizeof want : SIZE * sizeof(float));
        memcpy(want, gradient[0], sizeof want);
    }
    nncf_model_destroy(model);
}
END_TEST

/* ---- refusals ---- */

START_TEST(a_factor_of_0_and_unknown_flags_are_refused)
{
    static const double bad[] = {0, (double)NAN, (double)INFINITY};
    nncf_error err = NNCF_ERROR_INIT;
    fx_rig r;
    fx_rig_make(&r, &conv, FX_CONFIG(FX_RB));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(
            nncf_compression_ctrl_set_gradient_factor(r.ctrl, bad[i], &err), NNCF_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "it must be finite and not 0"));
    ck_assert_int_eq(nncf_layer_set_gradient_flags(r.k.layer, 4, &err), NNCF_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "flags is 4"));
    ck_assert_int_eq(nncf_model_set_gradient_flags(r.model, -1, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_layer_set_gradient_flags(NULL, 0, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_set_gradient_flags(NULL, 0, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_compression_ctrl_set_gradient_factor(NULL, 1, &err), NNCF_E_ARG);
    fx_rig_free(&r);
}
END_TEST

/* Two readers of one weight would write over each other's gradient. */
START_TEST(gradients_of_tied_weights_are_not_written)
{
    float w[16], dw[16];
    uint64_t state = 1;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_model *model;
    nncf_layer *a, *b;
    fx_fill(w, 16, 1, &state);
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "N/a", .weight = w,
        .weight_grad = dw, .in_features = 4, .out_features = 4};
    const int32_t writes = NNCF_GRADIENT_WRITE_PARAMETERS;
    ck_assert_int_eq(nncf_model_add_linear(model, &p, &a, NULL), NNCF_OK);
    p.scope = "N/b";
    p.tied_to = a;
    ck_assert_int_eq(nncf_layer_set_gradient_flags(a, writes, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_linear(model, &p, &b, &err), NNCF_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "over the other's gradient"));
    /* the new one would have the model's */
    ck_assert_int_eq(nncf_model_set_gradient_flags(model, writes, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_set_gradient_flags(a, 0, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_linear(model, &p, &b, &err), NNCF_E_UNSUPPORTED);
    ck_assert_int_eq(nncf_model_set_gradient_flags(model, 0, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_linear(model, &p, &b, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_set_gradient_flags(a, writes, &err), NNCF_E_UNSUPPORTED);
    ck_assert_int_eq(nncf_layer_set_gradient_flags(b, writes, &err), NNCF_E_UNSUPPORTED);
    ck_assert_int_eq(nncf_model_set_gradient_flags(model, writes, &err), NNCF_E_UNSUPPORTED);
    ck_assert_int_eq(nncf_model_set_gradient_flags(model, NNCF_GRADIENT_ADD_DX, &err), NNCF_OK);
    nncf_model_destroy(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("host_gradients");
    TCase *tc = fx_case(suite, "factor", 60);
    tcase_add_loop_test(tc, all_gradients_are_the_factor_times_the_losses, 0, 3);
    tcase_add_loop_test(tc, the_compression_losss_gradient_has_the_factor, 0, 3);
    tcase_add_loop_test(tc, masks_of_a_host_that_adds_minus_gradients_follow_the_level, 0, 2);
    tc = fx_case(suite, "flags", 60);
    tcase_add_test(tc, dx_is_added_to_where_the_layer_says_so);
    tcase_add_loop_test(tc, both_gradients_are_added_and_may_be_one_array, 0, 2);
    tcase_add_test(tc, quantizers_of_a_host_add_to_dx_unless_it_is_dy);
    tcase_add_test(tc, gradients_of_parameters_are_written_where_the_layer_says_so);
    tcase_add_test(tc, a_hosts_weight_gradient_is_written_where_the_layer_says_so);
    tcase_add_loop_test(tc, layer_norm_and_linear_write_their_gradients, 0, 2);
    tcase_add_test(tc, gradients_of_tied_weights_are_not_written);
    tcase_add_test(tc, a_factor_of_0_and_unknown_flags_are_refused);
    return fx_main(suite);
}
