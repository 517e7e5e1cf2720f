/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference of the kernels of smooth.def, one element at a time, and which table an ISA has.
 * vec_smooth.h repeats these operations in this order.
 */
#include "kernels/smooth.h"

#include "kernels/ref_sums.h"
#include "kernels/sigmoid.h"

#include <nncf/context.h>
#include <nncf/model.h>

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#ifdef NNCF__HAVE_PORTABLE
extern const nncf__smooth_kernels nncf__smooth_portable;
#endif
#ifdef NNCF__HAVE_AVX2
extern const nncf__smooth_kernels nncf__smooth_avx2;
#endif
#ifdef NNCF__HAVE_AVX512
extern const nncf__smooth_kernels nncf__smooth_avx512;
#endif
#ifdef NNCF__HAVE_NEON
extern const nncf__smooth_kernels nncf__smooth_neon;
#endif

/* x for NaN */
static float clamp(float x, float low, float high)
{
    x = high < x ? high : x;
    return low > x ? low : x;
}

/* exp(a) and exp(a) - 1 for a <= 0; the latter without cancellation near 0. */
typedef struct exp_pair {
    float e, less_one;
} exp_pair;

static exp_pair exp_both(float a)
{
    const float e = nncf__exp_negative(a);
    /* within ln 2 / 2 of 0 the polynomial of nncf__exp_negative() is that of a itself */
    float q = NNCF__EXP_Q4;
    q = q * a + NNCF__EXP_Q3;
    q = q * a + NNCF__EXP_Q2;
    q = q * a + NNCF__EXP_Q1;
    q = q * a + NNCF__EXP_Q0;
    return (exp_pair){e, a < -0.34375f ? e - 1.0f : (a * a) * q + a};
}

static float exp2_negative(float q)
{
    const float t = q + NNCF__EXP_MAGIC, r = q - (t - NNCF__EXP_MAGIC);
    float p = NNCF__EXP2_P5 * r + NNCF__EXP2_P4;
    p = p * r + NNCF__EXP2_P3;
    p = p * r + NNCF__EXP2_P2;
    p = p * r + NNCF__EXP2_P1;
    return (p * r + 1.0f) * nncf__exp_power(t);
}

/* exp(a) for a <= 0, NaN for NaN; less accurate than nncf__exp_negative() */
static float exp_fast(float a)
{
    const float q = a * NNCF__LOG2_E;
    return exp2_negative(NNCF__EXP2_LIMIT > q ? NNCF__EXP2_LIMIT : q);
}

/* b = -|x|, no further out than where e = exp(-b^2 / 2) becomes 0; tail = Phi(b). */
typedef struct normal {
    float b, e, tail;
} normal;

static normal normal_of(float x)
{
    normal g = {.b = -fabsf(x)};
    g.b = NNCF__TAIL_LIMIT > g.b ? NNCF__TAIL_LIMIT : g.b;
    g.e = exp2_negative((g.b * g.b) * NNCF__MINUS_HALF_LOG2_E);
    const float n = ((g.b + NNCF__TAIL_N2) * g.b + NNCF__TAIL_N1) * g.b + NNCF__TAIL_N0;
    float d = NNCF__TAIL_D4 * g.b + NNCF__TAIL_D3;
    d = d * g.b + NNCF__TAIL_D2;
    d = d * g.b + NNCF__TAIL_D1;
    d = d * g.b + NNCF__TAIL_D0;
    g.tail = (g.e * n) / d;
    return g;
}

/* tanh(softplus(x)) = n / d, and its derivative e_part / d^2, from e = exp(-|x|). */
typedef struct mish_parts {
    float n, d, slope;
} mish_parts;

static mish_parts mish_split(float x)
{
    const float e = nncf__exp_negative(x < 0.0f ? x : 0.0f - x);
    mish_parts m;
    m.n = x < 0.0f ? e * (e + 2.0f) : 1.0f + 2.0f * e;
    m.d = m.n + (x < 0.0f ? 2.0f : 2.0f * (e * e));
    m.slope = (4.0f * (e + 1.0f)) * (x < 0.0f ? e : e * e);
    return m;
}

static float hard_sigmoid(float x)
{
    return clamp(x + 3.0f, 0.0f, 6.0f) * NNCF__ONE_SIXTH;
}

static float activation(int32_t kind, float alpha, float x)
{
    nncf__sigmoid_parts s;
    exp_pair e;
    mish_parts m;
    normal g;
    switch (kind) {
    case NNCF_ACTIVATION_RELU:
        return x < 0.0f ? 0.0f : x;
    case NNCF_ACTIVATION_RELU6:
        return clamp(x, 0.0f, 6.0f);
    case NNCF_ACTIVATION_LEAKY_RELU:
        return x < 0.0f ? x * alpha : x;
    case NNCF_ACTIVATION_SIGMOID:
        s = nncf__sigmoid_split(x);
        return s.p / s.d;
    case NNCF_ACTIVATION_TANH:
        e = exp_both((x < 0.0f ? x : 0.0f - x) * 2.0f);
        return (x < 0.0f ? e.less_one : 0.0f - e.less_one) / (e.e + 1.0f);
    case NNCF_ACTIVATION_HARD_SWISH:
        return x * hard_sigmoid(x);
    case NNCF_ACTIVATION_HARD_SIGMOID:
        return hard_sigmoid(x);
    case NNCF_ACTIVATION_SILU:
        s = nncf__sigmoid_split(x);
        return x * (s.p / s.d);
    case NNCF_ACTIVATION_GELU:
        g = normal_of(x);
        return (0.0f > x ? 0.0f : x) + g.b * g.tail;
    case NNCF_ACTIVATION_GELU_TANH:
        s = nncf__sigmoid_split(x * ((x * x) * NNCF__GELU_TANH_C1 + NNCF__GELU_TANH_C0));
        return x * (s.p / s.d);
    case NNCF_ACTIVATION_ELU:
        return x < 0.0f ? exp_both(x).less_one * alpha : x;
    case NNCF_ACTIVATION_MISH:
        m = mish_split(x);
        return x * (m.n / m.d);
    default:
        return x;
    }
}

static float slope(int32_t kind, float alpha, float x)
{
    nncf__sigmoid_parts s;
    mish_parts m;
    normal g;
    float c, t;
    switch (kind) {
    case NNCF_ACTIVATION_RELU:
        return x > 0.0f ? 1.0f : 0.0f;
    case NNCF_ACTIVATION_RELU6:
        return x > 0.0f && x < 6.0f ? 1.0f : 0.0f;
    case NNCF_ACTIVATION_LEAKY_RELU:
        return x > 0.0f ? 1.0f : alpha;
    case NNCF_ACTIVATION_SIGMOID:
        t = exp_fast(-fabsf(x));
        return t / ((t + 1.0f) * (t + 1.0f));
    case NNCF_ACTIVATION_TANH:
        t = exp_fast(-fabsf(x) * 2.0f);
        return (4.0f * t) / ((t + 1.0f) * (t + 1.0f));
    case NNCF_ACTIVATION_HARD_SWISH:
        t = x * (1.0f / 3) + 0.5f;
        return x < -3.0f ? 0.0f : x > 3.0f ? 1.0f : t;
    case NNCF_ACTIVATION_HARD_SIGMOID:
        return x > -3.0f && x < 3.0f ? NNCF__ONE_SIXTH : 0.0f;
    case NNCF_ACTIVATION_SILU:
        s = nncf__sigmoid_split(x);
        return (s.p / s.d) * (x * (s.q / s.d) + 1.0f);
    case NNCF_ACTIVATION_GELU:
        g = normal_of(x);
        t = (g.b * NNCF__INV_SQRT_2PI) * g.e + g.tail;
        return x < 0.0f ? t : 1.0f - t;
    case NNCF_ACTIVATION_GELU_TANH:
        c = clamp(x, -NNCF__GELU_TANH_LIMIT, NNCF__GELU_TANH_LIMIT);
        s = nncf__sigmoid_split(c * ((c * c) * NNCF__GELU_TANH_C1 + NNCF__GELU_TANH_C0));
        t = (c * c) * NNCF__GELU_TANH_3C1 + NNCF__GELU_TANH_C0;
        return (s.p / s.d) * ((c * t) * (s.q / s.d) + 1.0f);
    case NNCF_ACTIVATION_ELU:
        return x > 0.0f ? 1.0f : nncf__exp_negative(x) * alpha;
    case NNCF_ACTIVATION_MISH:
        m = mish_split(x);
        return x * (m.slope / (m.d * m.d)) + m.n / m.d;
    default:
        return 1.0f;
    }
}

static void activate(int32_t kind, float alpha, size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = activation(kind, alpha, x[i]);
}

static void activate_backward(
    int32_t kind, float alpha, size_t n, const float *x, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i++)
        dx[i] = dy[i] * slope(kind, alpha, x[i]);
}

static void activate_both(
    int32_t kind, float alpha, size_t n, const float *x, float *y, float *slopes)
{
    for (size_t i = 0; i < n; i++) {
        slopes[i] = slope(kind, alpha, x[i]);
        y[i] = activation(kind, alpha, x[i]);
    }
}

static void sum_not_positive(size_t n, const float *x, const float *dy, double sum[1])
{
    grouped lanes = {.lane = {0}};
    for (size_t i = 0; i < n; i++)
        grouped_add(&lanes, i, x[i] > 0.0f ? 0.0f : x[i] * dy[i]);
    grouped_add_to(&lanes, sum);
}

static void multiply(size_t n, const float *a, const float *b, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] * b[i];
}

/* ---- rows ---- */

static float highest_in(size_t n, const float *x)
{
    float highest = -INFINITY;
    for (size_t i = 0; i < n; i++)
        highest = x[i] > highest ? x[i] : highest;
    return highest;
}

static void softmax_row(size_t n, const float *x, float *y)
{
    const float highest = highest_in(n, x);
    grouped lanes = {.lane = {0}};
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        y[i] = exp_fast(x[i] - highest);
        grouped_add(&lanes, i, y[i]);
    }
    grouped_add_to(&lanes, &sum);
    const float inverse = (float)(1 / sum);
    for (size_t i = 0; i < n; i++)
        y[i] = y[i] * inverse;
}

static void softmax(size_t rows, size_t n, size_t growth, size_t stride, const float *x, float *y)
{
    for (size_t r = 0; r < rows; r++)
        softmax_row(n + r * growth, x + r * stride, y + r * stride);
}

static void softmax_backward_row(size_t n, const float *x, const float *dy, float *dx)
{
    const float highest = highest_in(n, x);
    grouped lanes[2] = {{.lane = {0}}, {.lane = {0}}};
    double sum[2] = {0, 0};
    for (size_t i = 0; i < n; i++) {
        dx[i] = exp_fast(x[i] - highest);
        grouped_add(&lanes[0], i, dx[i]);
        grouped_add(&lanes[1], i, dx[i] * dy[i]);
    }
    grouped_add_to(&lanes[0], &sum[0]);
    grouped_add_to(&lanes[1], &sum[1]);
    const float inverse = (float)(1 / sum[0]), mean = (float)(sum[1] / sum[0]);
    for (size_t i = 0; i < n; i++)
        dx[i] = (dx[i] * inverse) * (dy[i] - mean);
}

static void softmax_backward(
    size_t rows, size_t n, size_t growth, size_t stride, const float *x, const float *dy, float *dx)
{
    for (size_t r = 0; r < rows; r++)
        softmax_backward_row(n + r * growth, x + r * stride, dy + r * stride, dx + r * stride);
}

static float weighted(float x, const float *weight, size_t i)
{
    return weight ? x * weight[i] : x;
}

static void normalize(size_t n, const float *x, float mean, float inv_std, const float *weight,
    const float *bias, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = weighted((x[i] - mean) * inv_std, weight, i) + (bias ? bias[i] : 0.0f);
}

static void normalize_sums(size_t n, const float *x, const float *dy, float mean, float inv_std,
    const float *weight, double sums[2])
{
    grouped lanes[2] = {{.lane = {0}}, {.lane = {0}}};
    for (size_t i = 0; i < n; i++) {
        const float g = weighted(dy[i], weight, i);
        grouped_add(&lanes[0], i, g);
        grouped_add(&lanes[1], i, g * ((x[i] - mean) * inv_std));
    }
    for (int k = 0; k < 2; k++)
        grouped_add_to(&lanes[k], &sums[k]);
}

static void normalize_dx(size_t n, const float *x, const float *dy, const float *weight, float k0,
    float k1, float k2, float *dx)
{
    for (size_t i = 0; i < n; i++)
        dx[i] = k0 * weighted(dy[i], weight, i) + (k1 * x[i] + k2);
}

static void normalize_parameters(size_t rows, size_t n, const float *x, const float *dy,
    size_t stride, const float statistics[][2], float *dweight, float *dbias)
{
    for (size_t r = 0; r < rows; r++, x += stride, dy += stride) {
        for (size_t i = 0; i < n && dweight; i++)
            dweight[i] += dy[i] * ((x[i] - statistics[r][0]) * statistics[r][1]);
        for (size_t i = 0; i < n && dbias; i++)
            dbias[i] += dy[i];
    }
}

#define NNCF_KERNEL(name, result, args) name,
static const nncf__smooth_kernels reference = {
    "reference",
#include "kernels/smooth.def"
};
#undef NNCF_KERNEL

const nncf__smooth_kernels *nncf__smooth_kernels_get(int32_t isa)
{
    switch (isa) {
#ifdef NNCF__HAVE_PORTABLE
    case NNCF_ISA_PORTABLE:
        return &nncf__smooth_portable;
#endif
#ifdef NNCF__HAVE_AVX2
    case NNCF_ISA_AVX2:
        return &nncf__smooth_avx2;
#endif
#ifdef NNCF__HAVE_AVX512
    case NNCF_ISA_AVX512:
        return &nncf__smooth_avx512;
#endif
#ifdef NNCF__HAVE_NEON
    case NNCF_ISA_NEON:
        return &nncf__smooth_neon;
#endif
    default:
        return &reference;
    }
}
