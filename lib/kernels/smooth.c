/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference of the kernels of smooth.def, one element at a time, and which table an ISA has.
 * vec_smooth.h repeats these operations in this order.
 */
#include "kernels/smooth.h"

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

#define LANES 16

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

/* Phi(x) and the density phi(x) of the normal distribution. */
typedef struct normal {
    float distribution, density;
} normal;

static normal normal_of(float x)
{
    const float p[] = {NNCF__TAIL_C0, NNCF__TAIL_C1, NNCF__TAIL_C2, NNCF__TAIL_C3, NNCF__TAIL_C4,
        NNCF__TAIL_C5, NNCF__TAIL_C6, NNCF__TAIL_C7, NNCF__TAIL_C8};
    float a = x < 0.0f ? 0.0f - x : x;
    a = a < NNCF__TAIL_LIMIT ? a : NNCF__TAIL_LIMIT; /* x NaN: whatever, its user multiplies by x */
    /* a = h + l, h of 11 bits: exp(-a^2 / 2) = exp(-h^2 / 2) exp(-(a - h)(a + h) / 2), of which the
     * first has an exact argument and the second a small one */
    const float h = (a + NNCF__TAIL_MAGIC) - NNCF__TAIL_MAGIC;
    const float r = ((h - a) * (h + a)) * 0.5f;
    const float near = ((((r * (1.0f / 24) + NNCF__ONE_SIXTH) * r + 0.5f) * r) + 1.0f) * r + 1.0f;
    const float e = nncf__exp_negative((h * h) * -0.5f) * near;
    const float u = 1.0f / (a * NNCF__TAIL_P + 1.0f);
    float tail = NNCF__TAIL_C9;
    for (int i = 8; i >= 0; i--)
        tail = tail * u + p[i];
    tail = (tail * u) * e;
    return (normal){x < 0.0f ? tail : 1.0f - tail, e * NNCF__INV_SQRT_2PI};
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
        return x * normal_of(x).distribution;
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
        s = nncf__sigmoid_split(x);
        return (s.p * s.q) / (s.d * s.d);
    case NNCF_ACTIVATION_TANH:
        t = nncf__exp_negative((x < 0.0f ? x : 0.0f - x) * 2.0f);
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
        return x * g.density + g.distribution;
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

static void multiply(size_t n, const float *a, const float *b, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] * b[i];
}

/* ---- rows ---- */

static double lanes_total(double lane[LANES])
{
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

static void softmax(size_t n, const float *x, float *y)
{
    double lane[LANES] = {0};
    float highest = -INFINITY;
    for (size_t i = 0; i < n; i++)
        highest = x[i] > highest ? x[i] : highest;
    for (size_t i = 0; i < n; i++) {
        y[i] = nncf__exp_negative(x[i] - highest);
        lane[i % LANES] += (double)y[i];
    }
    const float inverse = (float)(1 / lanes_total(lane));
    for (size_t i = 0; i < n; i++)
        y[i] = y[i] * inverse;
}

static void softmax_backward(size_t n, const float *y, const float *dy, float *dx)
{
    double lane[LANES] = {0};
    for (size_t i = 0; i < n; i++)
        lane[i % LANES] += (double)(y[i] * dy[i]);
    const float sum = (float)lanes_total(lane);
    for (size_t i = 0; i < n; i++)
        dx[i] = y[i] * (dy[i] - sum);
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
    double lane[2][LANES] = {{0}};
    for (size_t i = 0; i < n; i++) {
        const float g = weighted(dy[i], weight, i);
        lane[0][i % LANES] += (double)g;
        lane[1][i % LANES] += (double)(g * ((x[i] - mean) * inv_std));
    }
    for (int k = 0; k < 2; k++)
        sums[k] += lanes_total(lane[k]);
}

static void normalize_dx(size_t n, const float *x, const float *dy, const float *weight, float k0,
    float k1, float k2, float *dx)
{
    for (size_t i = 0; i < n; i++)
        dx[i] = k0 * weighted(dy[i], weight, i) + (k1 * x[i] + k2);
}

static void normalize_parameters(size_t n, const float *x, const float *dy, float mean,
    float inv_std, float *dweight, float *dbias)
{
    for (size_t i = 0; i < n && dweight; i++)
        dweight[i] += dy[i] * ((x[i] - mean) * inv_std);
    for (size_t i = 0; i < n && dbias; i++)
        dbias[i] += dy[i];
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
