/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bring your own kernels: a host that runs plain convolutions of its own between the library's
 * parts gets the same loss and the same gradients as nncf_layer_forward() and
 * nncf_layer_backward().
 */
#include "support/fixture.h"
#include "support/oracle.h"

/* conv 3x3 -> ReLU -> conv 1x1, compressed; registered once with the activation (ours) and once
 * without (the host's).
 */
typedef struct twin {
    nncf_context *context;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    fx_block a, b;
} twin;

enum { N = 2, H = 6, W = 5, CI = 3, CM = 6, CO = 4 };
static const int64_t s0[4] = {N, CI, H, W}, s1[4] = {N, CM, H, W}, s2[4] = {N, CO, H, W};

static void make_twin(twin *t, bool host, const char *config)
{
    uint64_t state = 15;
    *t = (twin){.a = {.scope = "net/a",
                    .in_channels = CI,
                    .out_channels = CM,
                    .kernel = {3, 3},
                    .padding = {1, 1},
                    .activation = host ? NNCF_ACTIVATION_NONE : NNCF_ACTIVATION_RELU},
        .b = {.scope = "net/b", .in_channels = CM, .out_channels = CO}};
    t->context = fx_new_context(NULL, 2, 0, 5);
    ck_assert_int_eq(nncf_model_create(t->context, &t->model, NULL), NNCF_OK);
    fx_register(t->model, &t->a, NULL, &state);
    fx_register(t->model, &t->b, t->a.layer, &state);
    if (config)
        t->ctrl = fx_ctrl(t->model, config);
}

static void drop_twin(twin *t)
{
    nncf_compression_ctrl_destroy(t->ctrl);
    nncf_model_destroy(t->model);
    nncf_context_destroy(t->context);
    fx_release(&t->a);
    fx_release(&t->b);
}

/* The host's kernels: double loops between float arrays. */
static void host_conv(const fx_block *k, const int64_t in[4], const int64_t out[4], const float *x,
    const float *w, float *z)
{
    double *dx = fx_alloc(fx_count(in), sizeof *dx), *dw = fx_alloc(k->weights, sizeof *dw),
           *dz = fx_alloc(fx_count(out), sizeof *dz);
    for (size_t i = 0; i < fx_count(in); i++)
        dx[i] = (double)x[i];
    for (size_t i = 0; i < k->weights; i++)
        dw[i] = (double)w[i];
    fx_conv(k, in, out, dx, dw, NULL, dz, NULL, NULL, NULL);
    for (size_t i = 0; i < fx_count(out); i++)
        z[i] = (float)dz[i];
    free(dx);
    free(dw);
    free(dz);
}

static void host_conv_backward(const fx_block *k, const int64_t in[4], const int64_t out[4],
    const float *x, const float *w, const float *dz, float *dx, float *dw)
{
    size_t ni = fx_count(in), no = fx_count(out);
    double *v[5] = {fx_alloc(ni, 8), fx_alloc(k->weights, 8), fx_alloc(no, 8), fx_alloc(ni, 8),
        fx_alloc(k->weights, 8)};
    for (size_t i = 0; i < ni; i++)
        v[0][i] = (double)x[i];
    for (size_t i = 0; i < k->weights; i++)
        v[1][i] = (double)w[i];
    for (size_t i = 0; i < no; i++)
        v[2][i] = (double)dz[i];
    fx_conv(k, in, out, v[0], v[1], NULL, NULL, v[2], v[3], v[4]);
    for (size_t i = 0; i < ni; i++)
        dx[i] = (float)v[3][i];
    for (size_t i = 0; i < k->weights; i++)
        dw[i] = (float)v[4][i];
    for (int i = 0; i < 5; i++)
        free(v[i]);
}

typedef struct pass {
    float x[N * CI * H * W], xq[N * CI * H * W], z[N * CM * H * W], y[N * CM * H * W],
        out[N * CO * H * W];
    float wa[CM * CI * 9], wb[CO * CM], dx[N * CI * H * W], dy[N * CM * H * W],
        dout[N * CO * H * W];
    fx_tensor tx, txq, tz, ty, tout, tdx, tdy, tdout;
} pass;

static pass *make_pass(void)
{
    uint64_t state = 4;
    pass *p = fx_alloc(1, sizeof *p);
    fx_fill(p->x, fx_count(s0), 1.2, &state);
    fx_view(&p->tx, p->x, 4, s0), fx_view(&p->txq, p->xq, 4, s0), fx_view(&p->tz, p->z, 4, s1),
        fx_view(&p->ty, p->y, 4, s1);
    fx_view(&p->tout, p->out, 4, s2), fx_view(&p->tdx, p->dx, 4, s0),
        fx_view(&p->tdy, p->dy, 4, s1);
    fx_view(&p->tdout, p->dout, 4, s2);
    return p;
}

/* loss = sum(out^2) / 2 */
static double loss_of(pass *p)
{
    double sum = 0;
    for (size_t i = 0; i < fx_count(s2); i++) {
        sum += (double)p->out[i] * (double)p->out[i] / 2;
        p->dout[i] = p->out[i];
    }
    return sum;
}

static double ours_forward(twin *t, pass *p)
{
    ck_assert_int_eq(nncf_layer_forward(t->a.layer, &p->tx.t, 1, &p->ty.t, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_forward(t->b.layer, &p->ty.t, 1, &p->tout.t, NULL), NNCF_OK);
    return loss_of(p);
}

static double host_forward(twin *t, pass *p)
{
    ck_assert_int_eq(nncf_layer_quantize_input(t->a.layer, &p->tx.t, &p->txq.t, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(t->a.layer, p->wa, NULL), NNCF_OK);
    host_conv(&t->a, s0, s1, p->xq, p->wa, p->z);
    for (size_t i = 0; i < fx_count(s1); i++)
        p->z[i] = p->z[i] > 0 ? p->z[i] : 0;
    ck_assert_int_eq(nncf_layer_quantize_output(t->a.layer, &p->tz.t, &p->ty.t, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(t->b.layer, p->wb, NULL), NNCF_OK);
    host_conv(&t->b, s1, s2, p->y, p->wb, p->out);
    return loss_of(p);
}

static void host_backward(twin *t, pass *p)
{
    float dwa[CM * CI * 9], dwb[CO * CM], keep[CO * CM];
    host_conv_backward(&t->b, s1, s2, p->y, p->wb, p->dout, p->dy, dwb);
    memcpy(keep, dwb, sizeof keep);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(t->b.layer, dwb, NULL), NNCF_OK);
    ck_assert_mem_eq(dwb, keep, sizeof keep); /* the host's gradient is left alone */
    ck_assert_int_eq(
        nncf_layer_quantize_output_backward(t->a.layer, &p->tz.t, &p->tdy.t, &p->tdy.t, NULL),
        NNCF_OK);
    for (size_t i = 0; i < fx_count(s1); i++)
        p->dy[i] = p->z[i] > 0 ? p->dy[i] : 0;
    host_conv_backward(&t->a, s0, s1, p->xq, p->wa, p->dy, p->dx, dwa);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(t->a.layer, dwa, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_layer_quantize_input_backward(t->a.layer, &p->tx.t, &p->tdx.t, &p->tdx.t, NULL),
        NNCF_OK);
}

static void assert_same(const char *what, const float *a, const float *b, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)a[i]));
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)a[i] - (double)b[i]) <= 1e-5 * (0.1 + largest),
            "%s[%zu]: ours %.8g, the host's %.8g", what, i, (double)a[i], (double)b[i]);
}

START_TEST(same_loss_and_gradients)
{
    static const char *const configs[] = {NULL, FX_CONFIG(FX_RB), FX_CONFIG(FX_INT8),
        FX_CONFIG(FX_RB ", " FX_INT8), FX_CONFIG(FX_MAGNITUDE ", " FX_INT8)};
    twin ours, host;
    pass *p = make_pass(), *q = make_pass();
    make_twin(&ours, false, configs[_i]);
    make_twin(&host, true, configs[_i]);
    for (int32_t more = configs[_i] != NULL; more;) {
        ck_assert_int_eq(nncf_compression_ctrl_init_step(ours.ctrl, &more, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_compression_ctrl_init_step(host.ctrl, &more, NULL), NNCF_OK);
        if (more) {
            ours_forward(&ours, p);
            host_forward(&host, q);
        }
    }
    /* the ranges differ in the last bit, as the products do; then a code could: make them equal */
    nncf_parameter a = {NNCF_PARAMS(nncf_parameter)}, b = {NNCF_PARAMS(nncf_parameter)};
    uint64_t state = 2;
    for (size_t i = 0;
         configs[_i] && nncf_compression_ctrl_get_parameter(ours.ctrl, i, &a, NULL) == NNCF_OK;
         i++) {
        ck_assert_int_eq(nncf_compression_ctrl_get_parameter(host.ctrl, i, &b, NULL), NNCF_OK);
        ck_assert_str_eq(a.name, b.name);
        for (size_t j = 0; j < a.count; j++) {
            if (a.kind == NNCF_PARAMETER_MASK_LOGIT)
                a.data[j] = (float)fx_uniform(&state) * 2;
            else
                ck_assert_double_eq_tol((double)a.data[j], (double)b.data[j], 1e-5);
            if (a.kind == NNCF_PARAMETER_SCALE) /* some values outside */
                a.data[j] *= 0.8f;
            b.data[j] = a.data[j];
        }
    }
    double loss = ours_forward(&ours, p);
    ck_assert_double_eq_tol(loss, host_forward(&host, q), 1e-5 * loss);
    ck_assert_int_eq(
        nncf_layer_backward(ours.b.layer, &p->ty.t, 1, &p->tdout.t, &p->tdy.t, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_layer_backward(ours.a.layer, &p->tx.t, 1, &p->tdy.t, &p->tdx.t, NULL), NNCF_OK);
    host_backward(&host, q);
    assert_same("weight a", ours.a.dw, host.a.dw, ours.a.weights);
    assert_same("weight b", ours.b.dw, host.b.dw, ours.b.weights);
    assert_same("dx", p->dx, q->dx, fx_count(s0));
    for (size_t i = 0;
         configs[_i] && nncf_compression_ctrl_get_parameter(ours.ctrl, i, &a, NULL) == NNCF_OK;
         i++) {
        ck_assert_int_eq(nncf_compression_ctrl_get_parameter(host.ctrl, i, &b, NULL), NNCF_OK);
        assert_same(a.name, a.grad, b.grad, a.count);
    }
    drop_twin(&ours);
    drop_twin(&host);
    free(p);
    free(q);
}
END_TEST

START_TEST(the_mask_stays_for_a_step)
{
    twin t;
    float first[CM * CI * 9], second[CM * CI * 9];
    make_twin(&t, true, FX_CONFIG(FX_RB));
    nncf_parameter logits = fx_parameter(t.ctrl, "net/a.pre_ops.mask");
    for (size_t i = 0; i < logits.count; i++)
        logits.data[i] = 0;
    ck_assert_int_eq(nncf_layer_compress_weight(t.a.layer, first, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(t.a.layer, second, NULL), NNCF_OK);
    ck_assert_mem_eq(first, second, sizeof first);
    size_t zeros = 0;
    for (size_t i = 0; i < t.a.weights; i++)
        zeros += first[i] == 0;
    ck_assert_uint_gt(zeros, t.a.weights / 4);
    ck_assert_uint_lt(zeros, t.a.weights * 3 / 4);
    ck_assert_int_eq(nncf_compression_ctrl_step(t.ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(t.a.layer, second, NULL), NNCF_OK);
    ck_assert_mem_ne(first, second, sizeof first);
    drop_twin(&t);
}
END_TEST

START_TEST(parts_refuse_wrong_calls)
{
    twin t;
    pass *p = make_pass();
    nncf_layer *pool;
    nncf_pool2d_params pp = {NNCF_PARAMS(nncf_pool2d_params), .scope = "net/pool"};
    make_twin(&t, true, NULL);
    ck_assert_int_eq(nncf_model_add_pool2d(t.model, &pp, &pool, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(NULL, p->wa, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_layer_compress_weight(t.a.layer, NULL, NULL), NNCF_E_ARG);
    void *odd = (char *)p->wa + 1;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_layer_compress_weight(t.a.layer, odd, &err), NNCF_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, ": weight is not aligned as floats are"));
    ck_assert_int_eq(nncf_layer_compress_weight_backward(t.a.layer, odd, &err), NNCF_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, ": grad is not aligned as floats are"));
    ck_assert_int_eq(nncf_layer_compress_weight(pool, p->wa, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(pool, p->wa, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(t.a.layer, NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_layer_quantize_input(NULL, &p->tx.t, &p->txq.t, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_layer_quantize_input(t.a.layer, &p->tx.t, NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_layer_quantize_output(t.a.layer, &p->tx.t, &p->ty.t, NULL), NNCF_E_SHAPE);
    ck_assert_int_eq(
        nncf_layer_quantize_output_backward(t.a.layer, &p->ty.t, &p->tz.t, &p->tx.t, NULL),
        NNCF_E_SHAPE);
    ck_assert_int_eq(nncf_layer_quantize_input(t.a.layer, &p->tx.t, &p->txq.t, NULL),
        NNCF_OK); /* no quantizer: a copy */
    ck_assert_mem_eq(p->x, p->xq, sizeof p->x);
    ck_assert_int_eq(nncf_layer_quantize_input(t.a.layer, &p->tx.t, &p->tx.t, NULL), NNCF_OK);
    p->txq.t.dtype = NNCF_I32;
    ck_assert_int_eq(nncf_layer_quantize_input(t.a.layer, &p->tx.t, &p->txq.t, NULL), NNCF_E_DTYPE);
    fx_view(&p->txq, p->x + 3, 2, (const int64_t[4]){2, CI, 1, 1});
    fx_view(&p->tx, p->x, 2, (const int64_t[4]){2, CI, 1, 1});
    ck_assert_int_eq(nncf_layer_quantize_input(t.a.layer, &p->tx.t, &p->txq.t, NULL),
        NNCF_E_ARG); /* overlap in part */
    fx_view(&p->tx, p->x, 2, (const int64_t[4]){2, CI + 1, 1, 1});
    ck_assert_int_eq(nncf_layer_quantize_input(t.a.layer, &p->tx.t, &p->tx.t, NULL),
        NNCF_E_SHAPE); /* not the layer's */
    drop_twin(&t);
    free(p);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bring your own kernels");
    TCase *tc = fx_case(suite, "parts", 60);
    tcase_add_loop_test(tc, same_loss_and_gradients, 0, 5);
    tcase_add_test(tc, the_mask_stays_for_a_step);
    tcase_add_test(tc, parts_refuse_wrong_calls);
    return fx_main(suite);
}
