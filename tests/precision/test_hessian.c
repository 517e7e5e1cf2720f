/* SPDX-License-Identifier: Apache-2.0 */
/* Hutchinson's traces against the diagonal of the dense Hessian, which is the second differences of
 * the loss, computed in double by plain loops of another program's making. */
#include "lenet.h"
#include "precision/hessian.h"

/* ---- the loss in double, without a line of the library ---- */

static void convolve(
    int in, int side, int out, int kernel, const double *x, const double *w, double *y)
{
    const int size = side - kernel + 1;
    for (int o = 0; o < out; o++)
        for (int r = 0; r < size; r++)
            for (int c = 0; c < size; c++) {
                double sum = 0;
                for (int i = 0; i < in; i++)
                    for (int u = 0; u < kernel; u++)
                        for (int v = 0; v < kernel; v++)
                            sum += x[(i * side + r + u) * side + c + v] *
                                w[((o * in + i) * kernel + u) * kernel + v];
                y[(o * size + r) * size + c] = tanh(sum);
            }
}

static void multiply(int in, int out, const double *x, const double *w, double *y)
{
    for (int o = 0; o < out; o++) {
        y[o] = 0;
        for (int i = 0; i < in; i++)
            y[o] += x[i] * w[o * in + i];
    }
}

static double loss_of_image(const double *x, int32_t label, double *const w[N_WEIGHTS])
{
    double a[N_1], b[N_2], c[N_3], d[HIDDEN], e[CLASSES], sum = 0;
    convolve(1, SIDE, C1, 5, x, w[0], a);
    for (int i = 0; i < C1; i++)
        for (int r = 0; r < P1; r++)
            for (int s = 0; s < P1; s++) {
                const double *at = a + (i * S1 + 2 * r) * S1 + 2 * s;
                b[(i * P1 + r) * P1 + s] = (at[0] + at[1] + at[S1] + at[S1 + 1]) / 4;
            }
    convolve(C1, P1, C2, 3, b, w[1], c);
    multiply(N_3, HIDDEN, c, w[2], d);
    for (int i = 0; i < HIDDEN; i++)
        d[i] = tanh(d[i]);
    multiply(HIDDEN, CLASSES, d, w[3], e);
    for (int i = 0; i < CLASSES; i++)
        sum += exp(e[i] - e[label]);
    return log(sum);
}

static double loss_of(const lenet *n, double *const w[N_WEIGHTS])
{
    double sum = 0, x[N_X];
    for (int i = 0; i < IMAGES; i++) {
        for (int j = 0; j < N_X; j++)
            x[j] = (double)n->x[i * N_X + j];
        sum += loss_of_image(x, n->labels[i], w);
    }
    return sum / IMAGES;
}

static double *in_double(const fx_block *k)
{
    double *w = fx_alloc(k->weights, sizeof(double));
    for (size_t i = 0; i < k->weights; i++)
        w[i] = (double)k->w[i];
    return w;
}

/* The losses with h more, and h less, of element i of weight k. */
static void losses_beside(
    const lenet *n, double *w[N_WEIGHTS], int k, size_t i, double h, double loss[2])
{
    const double at = w[k][i];
    w[k][i] = at + h;
    loss[0] = loss_of(n, w);
    w[k][i] = at - h;
    loss[1] = loss_of(n, w);
    w[k][i] = at;
}

/* Images times the mean square of the gradient, by first differences. */
static void dense_squares(const lenet *n, double traces[N_WEIGHTS])
{
    const double h = 1e-4;
    double *w[N_WEIGHTS];
    for (int k = 0; k < N_WEIGHTS; k++)
        w[k] = in_double(&n->k[k]);
    for (int k = 0; k < N_WEIGHTS; k++) {
        traces[k] = 0;
        for (size_t i = 0; i < n->k[k].weights; i++) {
            double loss[2];
            losses_beside(n, w, k, i, h, loss);
            const double slope = (loss[0] - loss[1]) / (2 * h);
            traces[k] += IMAGES * slope * slope / (double)n->k[k].weights;
        }
    }
    for (int k = 0; k < N_WEIGHTS; k++)
        free(w[k]);
}

/* The mean of each block's diagonal. */
static void dense_traces(const lenet *n, double traces[N_WEIGHTS])
{
    const double h = 1e-3;
    double *w[N_WEIGHTS];
    for (int k = 0; k < N_WEIGHTS; k++) {
        w[k] = in_double(&n->k[k]);
    }
    const double middle = loss_of(n, w);
    for (int k = 0; k < N_WEIGHTS; k++) {
        traces[k] = 0;
        for (size_t i = 0; i < n->k[k].weights; i++) {
            double loss[2];
            losses_beside(n, w, k, i, h, loss);
            traces[k] += (loss[0] - 2 * middle + loss[1]) / (h * h) / (double)n->k[k].weights;
        }
    }
    for (int k = 0; k < N_WEIGHTS; k++)
        free(w[k]);
}

/* ---- the estimator ---- */

static nncf__hessian hessian_of(lenet *n, int64_t iterations)
{
    nncf__hessian h = {
        .context = n->host.context, .most_iterations = iterations, .points = IMAGES, .factor = 1};
    nncf_layer *layers[N_WEIGHTS];
    for (int i = 0; i < N_WEIGHTS; i++)
        layers[i] = n->k[i].layer;
    ck_assert_int_eq(nncf__hessian_start(&h, layers, N_WEIGHTS), NNCF_OK);
    return h;
}

static void estimate(lenet *n, nncf__hessian *h)
{
    enum nncf__hessian_next next = NNCF__HESSIAN_NEW_BATCH;
    nncf_error err = NNCF_ERROR_INIT;
    nncf__hessian_perturb(h, 1);
    while (next != NNCF__HESSIAN_DONE) {
        lenet_pass(n);
        ck_assert_msg(nncf__hessian_step(h, IMAGES, &next, &err) == NNCF_OK, "%s", err.message);
    }
}

/* Away from where it began, so that the gradient is small beside the curvature. */
static void train(lenet *n, int steps)
{
    for (int i = 0; i < steps; i++) {
        lenet_zero_grad(n);
        lenet_pass(n);
        for (int k = 0; k < N_WEIGHTS; k++)
            for (size_t j = 0; j < n->k[k].weights; j++)
                n->k[k].w[j] -= 0.1f * n->k[k].dw[j];
    }
}

/* With 1000 vectors the errors are those of chance: within four standard errors of the truth, and
 * these fall as the root of their number. */
START_TEST(traces_are_those_of_the_dense_hessian)
{
    static const int64_t numbers[] = {10, 100, 1000};
    double exact[N_WEIGHTS], last[N_WEIGHTS];
    lenet n;
    lenet_open(&n, NULL, false);
    train(&n, 20);
    dense_traces(&n, exact);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        nncf__hessian h = hessian_of(&n, numbers[i]);
        estimate(&n, &h);
        ck_assert_int_eq(h.iterations, numbers[i]);
        for (int k = 0; k < N_WEIGHTS; k++) {
            double error;
            const double trace = nncf__hessian_trace(&h, (size_t)k, &error);
            printf(
                "%-20s %4d vectors: trace %.6f, dense %.6f, off by %5.2f %%, standard error %.2f "
                "%%\n",
                n.k[k].scope, (int)numbers[i], trace, exact[k], 100 * fabs(trace / exact[k] - 1),
                100 * error / exact[k]);
            ck_assert_double_gt(exact[k], 0);
            ck_assert_double_le(fabs(trace - exact[k]), 4 * error + 1e-3 * exact[k]);
            if (i == 2)
                ck_assert_double_lt(error, 0.05 * exact[k]);
            if (i > 0)
                ck_assert_double_lt(error, 0.6 * last[k]);
            last[k] = error;
        }
        nncf__hessian_end(&h);
    }
    lenet_close(&n);
}
END_TEST

/* One pass a batch, over weights that stay as they are, a zero's sign too. */
START_TEST(squares_are_those_of_the_gradient)
{
    double exact[N_WEIGHTS], error;
    int passes = 0;
    lenet n;
    lenet_open(&n, NULL, false);
    train(&n, 3);
    n.k[1].w[5] = -0.0f;
    dense_squares(&n, exact);
    nncf__hessian h = hessian_of(&n, 3);
    nncf__hessian_end(&h);
    h.fisher = true;
    nncf_layer *layers[N_WEIGHTS];
    for (int i = 0; i < N_WEIGHTS; i++)
        layers[i] = n.k[i].layer;
    ck_assert_int_eq(nncf__hessian_start(&h, layers, N_WEIGHTS), NNCF_OK);
    h.factor = -2;
    enum nncf__hessian_next next = NNCF__HESSIAN_NEW_BATCH;
    nncf__hessian_perturb(&h, 1);
    for (; next != NNCF__HESSIAN_DONE; passes++) {
        ck_assert_int_eq(next, NNCF__HESSIAN_NEW_BATCH);
        ck_assert(signbit(n.k[1].w[5]));
        lenet_pass(&n);
        for (int k = 0; k < N_WEIGHTS; k++)
            for (size_t i = 0; i < n.k[k].weights; i++)
                n.k[k].dw[i] *= -2;
        ck_assert_int_eq(nncf__hessian_step(&h, IMAGES, &next, NULL), NNCF_OK);
    }
    ck_assert_int_eq(passes, 3);
    for (int k = 0; k < N_WEIGHTS; k++) {
        ck_assert_double_eq_tol(
            nncf__hessian_trace(&h, (size_t)k, &error), exact[k], 1e-4 * exact[k]);
        ck_assert_double_le(error, 1e-7 * exact[k]); /* one batch, three times */
    }
    nncf__hessian_end(&h);
    lenet_close(&n);
}
END_TEST

/* On a quadratic form the central difference has no error but rounding: for a layer without an
 * activation and the loss |y|^2 / 2 the Hessian's diagonal is the mean of x^2, block by block. */
START_TEST(a_quadratic_loss_gives_its_trace)
{
    enum { ROWS = 4, IN = 6, OUT = 3 };
    fx_context host;
    nncf_model *model;
    uint64_t state = 2;
    fx_block k = {.scope = "N/Linear[a]", .in_channels = IN, .out_channels = OUT, .linear = true};
    float x[ROWS * IN], y[ROWS * OUT];
    double exact = 0, error;
    fx_open(&host, 1, 9);
    ck_assert_int_eq(nncf_model_create(host.context, &model, NULL), NNCF_OK);
    fx_register(model, &k, NULL, &state);
    fx_fill(x, ROWS * IN, 1, &state);
    for (int i = 0; i < ROWS * IN; i++)
        exact += (double)x[i] * (double)x[i] / IN;
    nncf__hessian h = {.context = host.context, .most_iterations = 4000, .points = 1, .factor = -2};
    enum nncf__hessian_next next = NNCF__HESSIAN_NEW_BATCH;
    fx_tensor tx, ty;
    fx_view(&tx, x, 2, (int64_t[]){ROWS, IN, 1, 1});
    fx_view(&ty, y, 2, (int64_t[]){ROWS, OUT, 1, 1});
    ck_assert_int_eq(nncf__hessian_start(&h, &k.layer, 1), NNCF_OK);
    nncf__hessian_perturb(&h, 1);
    while (next != NNCF__HESSIAN_DONE) {
        ck_assert_int_eq(nncf_layer_forward(k.layer, &tx.t, 1, &ty.t, NULL), NNCF_OK);
        for (int i = 0; i < ROWS * OUT; i++)
            y[i] *= -2; /* the host's gradients: twice, and downhill */
        ck_assert_int_eq(nncf_layer_backward(k.layer, &tx.t, 1, &ty.t, NULL, NULL), NNCF_OK);
        ck_assert_int_eq(nncf__hessian_step(&h, ROWS, &next, NULL), NNCF_OK);
    }
    const double trace = nncf__hessian_trace(&h, 0, &error);
    ck_assert_double_lt(error, 0.02 * exact);
    ck_assert_double_le(fabs(trace - exact), 4 * error);
    nncf__hessian_end(&h);
    nncf_model_destroy(model);
    fx_release(&k);
    fx_close(&host);
}
END_TEST

/* Signs are a function of seed, layer, iteration and element: the same on any number of threads,
 * and they add up to nothing. */
START_TEST(signs_are_fair_and_repeat)
{
    lenet n;
    lenet_open(&n, NULL, false);
    nncf__hessian h = hessian_of(&n, 1);
    const size_t count = n.k[2].weights;
    float *before = fx_alloc(count, sizeof(float)), *first = fx_alloc(count, sizeof(float));
    memcpy(before, n.k[2].w, count * sizeof(float));
    long sums = 0;
    for (h.iterations = 0; h.iterations < 200; h.iterations++) {
        nncf__hessian_perturb(&h, 1);
        for (size_t i = 0; i < count; i++) {
            ck_assert_float_ne(n.k[2].w[i], before[i]);
            sums += n.k[2].w[i] > before[i] ? 1 : -1;
        }
        if (h.iterations == 7)
            memcpy(first, n.k[2].w, count * sizeof(float));
    }
    /* 512 * 200 signs: the standard deviation of their sum is 320 */
    ck_assert_int_lt(labs(sums), 4 * 320);
    h.iterations = 7;
    nncf__hessian_perturb(&h, 1);
    ck_assert_mem_eq(n.k[2].w, first, count * sizeof(float));
    nncf__hessian_perturb(&h, -1);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(n.k[2].w[i]<before[i], first[i]> before[i]);
    nncf__hessian_restore(&h);
    ck_assert_mem_eq(n.k[2].w, before, count * sizeof(float));
    nncf__hessian_end(&h);
    free(before);
    free(first);
    lenet_close(&n);
}
END_TEST

/* The change of the sum of the means ends it, as in NNCF. */
START_TEST(the_tolerance_ends_it)
{
    lenet n;
    lenet_open(&n, NULL, false);
    nncf__hessian h = hessian_of(&n, 500);
    h.tolerance = 0.02;
    estimate(&n, &h);
    ck_assert_int_gt(h.iterations, 1);
    ck_assert_int_lt(h.iterations, 200);
    /* the mean before the last estimate is what is left of it */
    double sum = 0, error;
    for (size_t i = 0; i < N_WEIGHTS; i++)
        sum += nncf__hessian_trace(&h, i, &error);
    ck_assert_double_eq_tol(sum, h.last, 1e-12 * fabs(sum));
    nncf__hessian_end(&h);
    lenet_close(&n);
}
END_TEST

FX_MAIN("hessian", traces_are_those_of_the_dense_hessian, squares_are_those_of_the_gradient,
    a_quadratic_loss_gives_its_trace, signs_are_fair_and_repeat, the_tolerance_ends_it)
