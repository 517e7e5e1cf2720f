/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels of smooth.def: the reference against the formulas in double with libm's functions,
 * over the floats; every ISA against the reference, bit for bit, at every length up to three
 * vectors, unaligned, in place, between guard pages, with NaN, infinities and denormals.
 */
#include "kernels/kernels.h"
#include "kernels/smooth.h"
#include "support/guard.h"
#include "support/random.h"
#include "support/require.h"
#include "support/runner.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <nncf/context.h>
#include <nncf/model.h>

enum { LONGEST = 3 * 16 + 5, KINDS = NNCF_ACTIVATION_MISH + 1 };

#define ALPHA 0.3f

/* ---- the formulas, in double ---- */

static double phi(double x)
{
    return exp(-x * x / 2) / sqrt(2 * acos(-1.0));
}

static double upper(double x) /* Phi(x), exact in the tail */
{
    return erfc(-x / sqrt(2.0)) / 2;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double value(int kind, double x)
{
    const double a = (double)ALPHA;
    switch (kind) {
    case NNCF_ACTIVATION_RELU:
        return fmax(x, 0);
    case NNCF_ACTIVATION_RELU6:
        return fmin(fmax(x, 0), 6);
    case NNCF_ACTIVATION_LEAKY_RELU:
        return x > 0 ? x : a * x;
    case NNCF_ACTIVATION_SIGMOID:
        return sigmoid(x);
    case NNCF_ACTIVATION_TANH:
        return tanh(x);
    case NNCF_ACTIVATION_HARD_SWISH:
        return x * fmin(fmax(x + 3, 0), 6) / 6;
    case NNCF_ACTIVATION_HARD_SIGMOID:
        return fmin(fmax(x + 3, 0), 6) / 6;
    case NNCF_ACTIVATION_SILU:
        return x * sigmoid(x);
    case NNCF_ACTIVATION_GELU:
        return x * upper(x);
    case NNCF_ACTIVATION_GELU_TANH: /* (1 + tanh(u)) / 2 = sigmoid(2 u) */
        return x * sigmoid(2 * sqrt(2 / acos(-1.0)) * (x + 0.044715 * x * x * x));
    case NNCF_ACTIVATION_ELU:
        return x > 0 ? x : a * expm1(x);
    case NNCF_ACTIVATION_MISH:
        return x * tanh(x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)));
    default:
        return x;
    }
}

static double derivative(int kind, double x)
{
    const double a = (double)ALPHA, s = sigmoid(x), r = sqrt(2 / acos(-1.0));
    double t;
    switch (kind) {
    case NNCF_ACTIVATION_RELU:
        return x > 0;
    case NNCF_ACTIVATION_RELU6:
        return x > 0 && x < 6;
    case NNCF_ACTIVATION_LEAKY_RELU:
        return x > 0 ? 1 : a;
    case NNCF_ACTIVATION_SIGMOID:
        return s * sigmoid(-x);
    case NNCF_ACTIVATION_TANH:
        return 1 / (cosh(x) * cosh(x));
    case NNCF_ACTIVATION_HARD_SWISH:
        return x < -3 ? 0 : x > 3 ? 1 : x / 3 + 0.5;
    case NNCF_ACTIVATION_HARD_SIGMOID:
        return x > -3 && x < 3 ? 1.0 / 6 : 0;
    case NNCF_ACTIVATION_SILU:
        return s + x * s * sigmoid(-x);
    case NNCF_ACTIVATION_GELU:
        return upper(x) + x * phi(x);
    case NNCF_ACTIVATION_GELU_TANH:
        t = 2 * r * (x + 0.044715 * x * x * x);
        return sigmoid(t) + x * sigmoid(t) * sigmoid(-t) * 2 * r * (1 + 3 * 0.044715 * x * x);
    case NNCF_ACTIVATION_ELU:
        return x > 0 ? 1 : a * exp(x);
    case NNCF_ACTIVATION_MISH:
        t = tanh(x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)));
        return t + x * (1 - t * t) * s;
    default:
        return 1;
    }
}

/* Floats of both signs from 2^-20 to `most`, 97 in 98 left out. */
static float next_of(float x, float most)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits += 9973;
    memcpy(&x, &bits, sizeof x);
    return fabsf(x) <= most ? x : x > 0 ? -0x1p-20f : 0;
}

/* Both forms of gelu have an argument of exp that is rounded: further out their error is relative
 * to these. */
static double least_of(int kind)
{
    return kind == NNCF_ACTIVATION_GELU_TANH ? 0x1p-10
        : kind == NNCF_ACTIVATION_GELU       ? 0x1p-20
                                             : 0x1p-60;
}

/* Relative, to at least the value above; and of derivatives, which change their sign,
 * relative to at least 1/8. */
static void measure(int kind, double *forward, double *backward)
{
    const nncf__smooth_kernels *k = nncf__smooth_kernels_get(NNCF_ISA_REFERENCE);
    const float one = 1;
    *forward = *backward = 0;
    for (float x = 0x1p-20f; x != 0; x = next_of(x, 40)) {
        float y, d;
        k->activate(kind, ALPHA, 1, &x, &y);
        k->activate_backward(kind, ALPHA, 1, &x, &one, &d);
        const double want = value(kind, (double)x), slope = derivative(kind, (double)x);
        *forward = fmax(*forward, fabs((double)y - want) / fmax(fabs(want), least_of(kind)));
        *backward = fmax(*backward, fabs((double)d - slope) / fmax(fabs(slope), 0.125));
    }
}

START_TEST(activations_are_those_of_libm)
{
    double forward, backward;
    measure(_i, &forward, &backward);
    printf("activation %d: largest error %.2e, derivative %.2e\n", _i, forward, backward);
    /* hard sigmoid and hard swish cancel next to -3, where x + 3 is exact */
    ck_assert_double_le(forward, 1e-6);
    ck_assert_double_le(backward, 1e-6);
}
END_TEST

/* Where PyTorch's gelu is 0, as 1 + erf() is. */
START_TEST(gelu_has_its_tail)
{
    const nncf__smooth_kernels *k = nncf__smooth_kernels_get(NNCF_ISA_REFERENCE);
    double largest = 0;
    for (float x = -4; x >= -12.9f; x -= 0x1p-10f) {
        float y;
        k->activate(NNCF_ACTIVATION_GELU, ALPHA, 1, &x, &y);
        const double want = value(NNCF_ACTIVATION_GELU, (double)x);
        largest = fmax(largest, fabs((double)y - want) / fabs(want));
    }
    printf("gelu from -12.9 to -4: largest error %.2e\n", largest);
    ck_assert_double_le(largest, 2e-5);
}
END_TEST

START_TEST(activations_keep_nan_and_ends)
{
    const nncf__smooth_kernels *k = nncf__smooth_kernels_get(NNCF_ISA_REFERENCE);
    const float x[] = {NAN, 3e38f, -3e38f, 0, INFINITY}, one[] = {1, 1, 1, 1, 1};
    float y[5], d[5];
    k->activate(_i, ALPHA, 5, x, y);
    k->activate_backward(_i, ALPHA, 5, x, one, d);
    ck_assert(isnan(y[0]));
    for (int i = 1; i < 4; i++) {
        const double want = value(_i, (double)x[i]);
        ck_assert_msg(fabs((double)y[i] - want) <= 1e-6 * fabs(want), "f(%g) = %g, not %g",
            (double)x[i], (double)y[i], want);
        ck_assert_msg(
            isfinite(d[i]) && fabsf(d[i]) <= 1, "f'(%g) = %g", (double)x[i], (double)d[i]);
    }
    ck_assert(y[4] == INFINITY || (double)y[4] == value(_i, 1e30));
}
END_TEST

/* ---- rows ---- */

static void fill(float *x, size_t n)
{
    static const float special[] = {NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-41f, -1e-41f, 3e38f,
        -3e38f, 3, -3, 6, 88, -88, -87.3f};
    guard_fill(x, n);
    for (size_t i = 0; i < n; i++) {
        const uint32_t draw = fx_random32() % 64;
        x[i] *= draw % 8 == 0 ? 20.0f : 2.0f;
        if (draw < sizeof special / sizeof *special)
            x[i] = special[draw];
    }
}

/* Arrays of one call. */
typedef struct arrays {
    float *a, *b, *w, *y, *z;
    double sums[2];
} arrays;

typedef void run(const nncf__smooth_kernels *k, size_t n, int i, arrays *t);

static void run_activate(const nncf__smooth_kernels *k, size_t n, int i, arrays *t)
{
    k->activate(i, ALPHA, n, t->a, t->y);
    k->activate(i, ALPHA, n, t->z, t->z);
}

static void run_activate_backward(const nncf__smooth_kernels *k, size_t n, int i, arrays *t)
{
    k->activate_backward(i, ALPHA, n, t->a, t->b, t->y);
    k->activate_backward(i, ALPHA, n, t->a, t->z, t->z);
}

static void run_activate_both(const nncf__smooth_kernels *k, size_t n, int i, arrays *t)
{
    const float *x = t->a;
    if (n % 2 == 0) /* in place */
        x = memcpy(t->y, t->a, n * sizeof *t->y);
    k->activate_both(i, ALPHA, n, x, t->y, t->z);
}

static void run_sum_not_positive(const nncf__smooth_kernels *k, size_t n, int i, arrays *t)
{
    (void)i;
    k->sum_not_positive(n, t->a, t->b, t->sums);
}

static void run_multiply(const nncf__smooth_kernels *k, size_t n, int i, arrays *t)
{
    (void)i;
    k->multiply(n, t->a, t->b, t->y);
    k->multiply(n, t->a, t->z, t->z);
}

static void run_softmax(const nncf__smooth_kernels *k, size_t n, int i, arrays *t)
{
    const size_t rows = i == 0 ? 1 : i == 1 ? 3 : 11, growth = i == 2, stride = n / rows;
    if (stride <= rows * growth) /* longest rows are shorter than the stride, or as long */
        return;
    k->softmax(rows, stride - (rows - 1) * growth, growth, stride, t->a, t->y);
    k->softmax(rows, stride - (rows - 1) * growth, growth, stride, t->z, t->z);
}

static void run_softmax_backward(const nncf__smooth_kernels *k, size_t n, int i, arrays *t)
{
    const size_t rows = i == 0 ? 1 : i == 1 ? 3 : 11, growth = i == 2, stride = n / rows;
    if (stride > rows * growth)
        k->softmax_backward(rows, stride - (rows - 1) * growth, growth, stride, t->a, t->b, t->y);
}

static void run_normalize(const nncf__smooth_kernels *k, size_t n, int i, arrays *t)
{
    k->normalize(n, t->a, 0.3f, 1.7f, i % 2 ? t->w : NULL, i / 2 % 2 ? t->b : NULL, t->y);
    k->normalize(n, t->z, 0.3f, 1.7f, t->w, t->b, t->z);
}

static void run_normalize_sums(const nncf__smooth_kernels *k, size_t n, int i, arrays *t)
{
    k->normalize_sums(n, t->a, t->b, 0.3f, 1.7f, i % 2 ? t->w : NULL, t->sums);
}

static void run_normalize_dx(const nncf__smooth_kernels *k, size_t n, int i, arrays *t)
{
    k->normalize_dx(n, t->a, t->b, i % 2 ? t->w : NULL, 0.7f, -0.2f, 0.1f, t->y);
    k->normalize_dx(n, t->a, t->z, t->w, 0.7f, -0.2f, 0.1f, t->z);
}

static void run_normalize_parameters(const nncf__smooth_kernels *k, size_t n, int i, arrays *t)
{
    const float statistics[][2] = {{0.3f, 1.7f}, {-0.2f, 0.9f}};
    float *dweight = i % 3 == 1 ? NULL : t->y, *dbias = i % 3 == 2 ? NULL : t->z;
    if (i < 3) /* or two rows, the second at the end */
        k->normalize_parameters(1, n, t->a, t->b, n, statistics, dweight, dbias);
    else
        k->normalize_parameters(2, n / 2, t->a, t->b, n - n / 2, statistics, dweight, dbias);
}

static const struct {
    const char *name;
    run *run;
    int variants;
} rows[] = {
    {"activate", run_activate, KINDS},
    {"activate_backward", run_activate_backward, KINDS},
    {"activate_both", run_activate_both, KINDS},
    {"sum_not_positive", run_sum_not_positive, 1},
    {"multiply", run_multiply, 1},
    {"softmax", run_softmax, 3},
    {"softmax_backward", run_softmax_backward, 3},
    {"normalize", run_normalize, 4},
    {"normalize_sums", run_normalize_sums, 2},
    {"normalize_dx", run_normalize_dx, 2},
    {"normalize_parameters", run_normalize_parameters, 6},
};
enum { ROWS = sizeof rows / sizeof *rows };

static bool same(float a, float b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

static void compare(int row, int isa, size_t n, int variant)
{
    arrays t[2];
    const nncf__smooth_kernels *k[] = {
        nncf__smooth_kernels_get(NNCF_ISA_REFERENCE), nncf__smooth_kernels_get(isa)};
    arrays from = {guard_alloc(n), guard_alloc(n), guard_alloc(n), guard_alloc(n), guard_alloc(n),
        {0.5, -0.25}};
    fill(from.a, n), fill(from.b, n), fill(from.w, n), fill(from.y, n), fill(from.z, n);
    for (int i = 0; i < 2; i++) {
        t[i] = from;
        t[i].y = guard_alloc(n);
        t[i].z = guard_alloc(n);
        memcpy(t[i].y, from.y, n * sizeof(float));
        memcpy(t[i].z, from.z, n * sizeof(float));
        rows[row].run(k[i], n, variant, &t[i]);
    }
    for (size_t i = 0; i < n; i++)
        REQUIRE(same(t[0].y[i], t[1].y[i]) && same(t[0].z[i], t[1].z[i]),
            "%s %d, isa %d, n %zu, element %zu: %a and %a, %a and %a", rows[row].name, variant, isa,
            n, i, (double)t[0].y[i], (double)t[1].y[i], (double)t[0].z[i], (double)t[1].z[i]);
    for (int i = 0; i < 2; i++)
        REQUIRE((isnan(t[0].sums[i]) && isnan(t[1].sums[i])) || t[0].sums[i] == t[1].sums[i],
            "%s, isa %d, n %zu: sums %a and %a", rows[row].name, isa, n, t[0].sums[i],
            t[1].sums[i]);
    for (int i = 0; i < 2; i++) {
        guard_free(t[i].y, n);
        guard_free(t[i].z, n);
    }
    guard_free(from.a, n), guard_free(from.b, n), guard_free(from.w, n), guard_free(from.y, n),
        guard_free(from.z, n);
}

START_TEST(every_isa_gives_the_references_bits)
{
    for (int isa = NNCF_ISA_PORTABLE; isa <= NNCF_ISA_NEON; isa++) {
        if (!nncf__kernels_get(isa))
            continue;
        ck_assert_str_ne(nncf__smooth_kernels_get(isa)->name, "reference");
        for (size_t n = 0; n <= 3200; n += n < LONGEST ? 1 : 257)
            for (int variant = 0; variant < rows[_i].variants; variant++)
                compare(_i, isa, n, variant);
    }
}
END_TEST

START_TEST(every_kernel_has_a_row)
{
    static const char *const names[] = {
#define NNCF_KERNEL(name, result, args) #name,
#include "kernels/smooth.def"
#undef NNCF_KERNEL
    };
    ck_assert_uint_eq(sizeof names / sizeof *names, ROWS);
    for (int i = 0; i < ROWS; i++)
        ck_assert_str_eq(names[i], rows[i].name);
}
END_TEST

/* Against plain loops in double. */
START_TEST(rows_are_those_of_double)
{
    enum { N = 37 };
    const nncf__smooth_kernels *k = nncf__smooth_kernels_get(NNCF_ISA_REFERENCE);
    uint64_t state = 5;
    float x[N], dy[N], w[N], b[N], y[N], dx[N], dw[N], db[N];
    const float statistics[][2] = {{0.3f, 1.7f}, {0.3f, 1.7f}};
    double total = 0, e[N], dot = 0, sums[2] = {1, 2}, want[2] = {1, 2}, negative = 3,
           want_negative = 3;
    fx_fill(x, N, 4, &state), fx_fill(dy, N, 1, &state), fx_fill(w, N, 1, &state),
        fx_fill(b, N, 1, &state);
    for (int i = 0; i < N; i++)
        total += e[i] = exp((double)x[i]);
    k->softmax(1, N, 0, N, x, y);
    for (int i = 0; i < N; i++) {
        ck_assert_double_eq_tol((double)y[i], e[i] / total, 6e-7 * e[i] / total);
        dot += e[i] / total * (double)dy[i];
    }
    k->softmax_backward(1, N, 0, N, x, dy, dx);
    for (int i = 0; i < N; i++)
        ck_assert_double_eq_tol((double)dx[i], e[i] / total * ((double)dy[i] - dot), 1e-6);
    k->normalize(N, x, 0.3f, 1.7f, w, b, y);
    k->normalize_sums(N, x, dy, 0.3f, 1.7f, w, sums);
    memset(dw, 0, sizeof dw);
    memset(db, 0, sizeof db);
    k->normalize_parameters(2, N, x, dy, 0, statistics, dw, db);
    k->normalize_dx(N, x, dy, w, 0.5f, 0.25f, -1, dx);
    for (int i = 0; i < N; i++) {
        const double h = ((double)x[i] - 0.3) * 1.7, g = (double)dy[i] * (double)w[i];
        want[0] += g;
        want[1] += g * h;
        ck_assert_double_eq_tol((double)y[i], h * (double)w[i] + (double)b[i], 2e-6);
        ck_assert_double_eq_tol((double)dw[i], 2 * (double)dy[i] * h, 3e-6);
        ck_assert_double_eq_tol((double)db[i], 2 * (double)dy[i], 1e-6);
        want_negative += x[i] > 0 ? 0 : (double)x[i] * (double)dy[i];
        ck_assert_double_eq_tol((double)dx[i], 0.5 * g + 0.25 * (double)x[i] - 1, 1e-6);
    }
    k->sum_not_positive(N, x, dy, &negative);
    ck_assert_double_eq_tol(negative, want_negative, 1e-5);
    ck_assert_double_eq_tol(sums[0], want[0], 1e-5);
    ck_assert_double_eq_tol(sums[1], want[1], 1e-5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smooth");
    TCase *tests = fx_case(suite, "smooth", 120);
    tcase_add_loop_test(tests, activations_are_those_of_libm, 0, KINDS);
    tcase_add_test(tests, gelu_has_its_tail);
    tcase_add_loop_test(tests, activations_keep_nan_and_ends, 0, KINDS);
    tcase_add_loop_test(tests, every_isa_gives_the_references_bits, 0, ROWS);
    tcase_add_test(tests, every_kernel_has_a_row);
    tcase_add_test(tests, rows_are_those_of_double);
    return fx_main(suite);
}
