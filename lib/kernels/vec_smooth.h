/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels of smooth.def in blocks of 16, included once by each smooth_*.c. smooth.c defines
 * what they compute and why; this file must give its bits. A block reads all its inputs before it
 * writes.
 */
#include "kernels/smooth.h"
#include "kernels/vec_exp.h"
#include "simd/vec.h"

#include <nncf/model.h>

#include <math.h>

INLINE vf clamp(vf x, vf low, vf high)
{
    return vf_max(low, vf_min(high, x));
}

/* x < 0 ? x : -x */
INLINE vf minus_abs(vf x)
{
    const vf zero = vf_set(0.0f);
    return vf_select(vf_less(x, zero), x, vf_sub(zero, x));
}

/* a x + b */
INLINE vf line(vf a, vf x, float b)
{
    return vf_add(vf_mul(a, x), vf_set(b));
}

typedef struct exp_pair {
    vf e, less_one;
} exp_pair;

INLINE exp_pair exp_both(vf a)
{
    const vf e = exp_negative(a);
    vf q = line(vf_set(NNCF__EXP_Q4), a, NNCF__EXP_Q3);
    q = line(q, a, NNCF__EXP_Q2);
    q = line(q, a, NNCF__EXP_Q1);
    q = line(q, a, NNCF__EXP_Q0);
    return (exp_pair){e,
        vf_select(vf_less(a, vf_set(-0.34375f)), vf_sub(e, vf_set(1.0f)),
            vf_add(vf_mul(vf_mul(a, a), q), a))};
}

typedef struct normal {
    vf distribution, density;
} normal;

INLINE normal normal_of(vf x)
{
    const vf one = vf_set(1.0f), zero = vf_set(0.0f), magic = vf_set(NNCF__TAIL_MAGIC);
    const vm negative = vf_less(x, zero);
    vf a = vf_select(negative, vf_sub(zero, x), x);
    a = vf_min(a, vf_set(NNCF__TAIL_LIMIT));
    const vf h = vf_sub(vf_add(a, magic), magic);
    const vf r = vf_mul(vf_mul(vf_sub(h, a), vf_add(h, a)), vf_set(0.5f));
    vf near = line(r, vf_set(1.0f / 24), NNCF__ONE_SIXTH);
    near = line(near, r, 0.5f);
    near = line(near, r, 1.0f);
    near = line(near, r, 1.0f);
    const vf e = vf_mul(exp_negative(vf_mul(vf_mul(h, h), vf_set(-0.5f))), near);
    const vf u = vf_div(one, line(a, vf_set(NNCF__TAIL_P), 1.0f));
    vf tail = line(vf_set(NNCF__TAIL_C9), u, NNCF__TAIL_C8);
    tail = line(tail, u, NNCF__TAIL_C7);
    tail = line(tail, u, NNCF__TAIL_C6);
    tail = line(tail, u, NNCF__TAIL_C5);
    tail = line(tail, u, NNCF__TAIL_C4);
    tail = line(tail, u, NNCF__TAIL_C3);
    tail = line(tail, u, NNCF__TAIL_C2);
    tail = line(tail, u, NNCF__TAIL_C1);
    tail = line(tail, u, NNCF__TAIL_C0);
    tail = vf_mul(vf_mul(tail, u), e);
    return (normal){
        vf_select(negative, tail, vf_sub(one, tail)), vf_mul(e, vf_set(NNCF__INV_SQRT_2PI))};
}

typedef struct mish_parts {
    vf n, d, slope;
} mish_parts;

INLINE mish_parts mish_split(vf x)
{
    const vf one = vf_set(1.0f), two = vf_set(2.0f);
    const vm negative = vf_less(x, vf_set(0.0f));
    const vf e = exp_negative(minus_abs(x)), square = vf_mul(e, e);
    mish_parts m;
    m.n = vf_select(negative, vf_mul(e, vf_add(e, two)), vf_add(one, vf_mul(two, e)));
    m.d = vf_add(m.n, vf_select(negative, two, vf_mul(two, square)));
    m.slope = vf_mul(vf_mul(vf_set(4.0f), vf_add(e, one)), vf_select(negative, e, square));
    return m;
}

INLINE vf hard_sigmoid(vf x)
{
    return vf_mul(
        clamp(vf_add(x, vf_set(3.0f)), vf_set(0.0f), vf_set(6.0f)), vf_set(NNCF__ONE_SIXTH));
}

INLINE vf sigmoid(vf x)
{
    const sigmoid_parts s = sigmoid_split(x);
    return vf_div(s.p, s.d);
}

INLINE vf activation(int32_t kind, vf alpha, vf x)
{
    const vf zero = vf_set(0.0f), one = vf_set(1.0f);
    const vm negative = vf_less(x, zero);
    switch (kind) {
    case NNCF_ACTIVATION_RELU:
        return vf_drop(negative, x);
    case NNCF_ACTIVATION_RELU6:
        return clamp(x, zero, vf_set(6.0f));
    case NNCF_ACTIVATION_LEAKY_RELU:
        return vf_select(negative, vf_mul(x, alpha), x);
    case NNCF_ACTIVATION_SIGMOID:
        return sigmoid(x);
    case NNCF_ACTIVATION_TANH: {
        const exp_pair e = exp_both(vf_mul(minus_abs(x), vf_set(2.0f)));
        return vf_div(vf_select(negative, e.less_one, vf_sub(zero, e.less_one)), vf_add(e.e, one));
    }
    case NNCF_ACTIVATION_HARD_SWISH:
        return vf_mul(x, hard_sigmoid(x));
    case NNCF_ACTIVATION_HARD_SIGMOID:
        return hard_sigmoid(x);
    case NNCF_ACTIVATION_SILU:
        return vf_mul(x, sigmoid(x));
    case NNCF_ACTIVATION_GELU:
        return vf_mul(x, normal_of(x).distribution);
    case NNCF_ACTIVATION_GELU_TANH:
        return vf_mul(x,
            sigmoid(vf_mul(x, line(vf_mul(x, x), vf_set(NNCF__GELU_TANH_C1), NNCF__GELU_TANH_C0))));
    case NNCF_ACTIVATION_ELU:
        return vf_select(negative, vf_mul(exp_both(x).less_one, alpha), x);
    case NNCF_ACTIVATION_MISH: {
        const mish_parts m = mish_split(x);
        return vf_mul(x, vf_div(m.n, m.d));
    }
    default:
        return x;
    }
}

INLINE vf slope(int32_t kind, vf alpha, vf x)
{
    const vf zero = vf_set(0.0f), one = vf_set(1.0f);
    const vm positive = vf_less(zero, x);
    switch (kind) {
    case NNCF_ACTIVATION_RELU:
        return vf_keep(positive, one);
    case NNCF_ACTIVATION_RELU6:
        return vf_keep(vm_and(positive, vf_less(x, vf_set(6.0f))), one);
    case NNCF_ACTIVATION_LEAKY_RELU:
        return vf_select(positive, one, alpha);
    case NNCF_ACTIVATION_SIGMOID: {
        const sigmoid_parts s = sigmoid_split(x);
        return vf_div(vf_mul(s.p, s.q), vf_mul(s.d, s.d));
    }
    case NNCF_ACTIVATION_TANH: {
        const vf e = exp_negative(vf_mul(minus_abs(x), vf_set(2.0f))), d = vf_add(e, one);
        return vf_div(vf_mul(vf_set(4.0f), e), vf_mul(d, d));
    }
    case NNCF_ACTIVATION_HARD_SWISH:
        return vf_drop(vf_less(x, vf_set(-3.0f)),
            vf_select(vf_less(vf_set(3.0f), x), one, line(x, vf_set(1.0f / 3), 0.5f)));
    case NNCF_ACTIVATION_HARD_SIGMOID:
        return vf_keep(
            vm_and(vf_less(vf_set(-3.0f), x), vf_less(x, vf_set(3.0f))), vf_set(NNCF__ONE_SIXTH));
    case NNCF_ACTIVATION_SILU: {
        const sigmoid_parts s = sigmoid_split(x);
        return vf_mul(vf_div(s.p, s.d), line(x, vf_div(s.q, s.d), 1.0f));
    }
    case NNCF_ACTIVATION_GELU: {
        const normal g = normal_of(x);
        return vf_add(vf_mul(x, g.density), g.distribution);
    }
    case NNCF_ACTIVATION_GELU_TANH: {
        const vf c = clamp(x, vf_set(-NNCF__GELU_TANH_LIMIT), vf_set(NNCF__GELU_TANH_LIMIT)),
                 square = vf_mul(c, c);
        const sigmoid_parts s =
            sigmoid_split(vf_mul(c, line(square, vf_set(NNCF__GELU_TANH_C1), NNCF__GELU_TANH_C0)));
        const vf t = line(square, vf_set(NNCF__GELU_TANH_3C1), NNCF__GELU_TANH_C0);
        return vf_mul(vf_div(s.p, s.d), line(vf_mul(c, t), vf_div(s.q, s.d), 1.0f));
    }
    case NNCF_ACTIVATION_ELU:
        return vf_select(positive, one, vf_mul(exp_negative(x), alpha));
    case NNCF_ACTIVATION_MISH: {
        const mish_parts m = mish_split(x);
        return vf_add(vf_mul(x, vf_div(m.slope, vf_mul(m.d, m.d))), vf_div(m.n, m.d));
    }
    default:
        return one;
    }
}

/* A loop for each kind: the kind is known when it is compiled. */
#define ACTIVATIONS(CASE)                                                                          \
    CASE(NNCF_ACTIVATION_NONE)                                                                     \
    CASE(NNCF_ACTIVATION_RELU)                                                                     \
    CASE(NNCF_ACTIVATION_RELU6)                                                                    \
    CASE(NNCF_ACTIVATION_LEAKY_RELU)                                                               \
    CASE(NNCF_ACTIVATION_SIGMOID)                                                                  \
    CASE(NNCF_ACTIVATION_TANH)                                                                     \
    CASE(NNCF_ACTIVATION_HARD_SWISH)                                                               \
    CASE(NNCF_ACTIVATION_HARD_SIGMOID)                                                             \
    CASE(NNCF_ACTIVATION_SILU)                                                                     \
    CASE(NNCF_ACTIVATION_GELU)                                                                     \
    CASE(NNCF_ACTIVATION_GELU_TANH)                                                                \
    CASE(NNCF_ACTIVATION_ELU)                                                                      \
    CASE(NNCF_ACTIVATION_MISH)

static void activate(int32_t kind, float alpha, size_t n, const float *x, float *y)
{
    const vf a = vf_set(alpha);
    switch (kind) {
#define CASE(value)                                                                                \
    case value:                                                                                    \
        BLOCKS(n, vf_store(y + i, activation(value, a, vf_load(x + i, m)), m));                    \
        break;
        ACTIVATIONS(CASE)
#undef CASE
    default:
        break;
    }
}

static void activate_backward(
    int32_t kind, float alpha, size_t n, const float *x, const float *dy, float *dx)
{
    const vf a = vf_set(alpha);
    switch (kind) {
#define CASE(value)                                                                                \
    case value:                                                                                    \
        BLOCKS(n,                                                                                  \
            vf_store(dx + i, vf_mul(vf_load(dy + i, m), slope(value, a, vf_load(x + i, m))), m));  \
        break;
        ACTIVATIONS(CASE)
#undef CASE
    default:
        break;
    }
}

/* What both have in common is computed once, where the compiler sees it: gelu's distribution. */
INLINE void activate_both_block(
    int32_t kind, vf alpha, const float *x, float *y, float *slopes, size_t m)
{
    const vf v = vf_load(x, m);
    vf_store(slopes, slope(kind, alpha, v), m);
    vf_store(y, activation(kind, alpha, v), m);
}

static void activate_both(
    int32_t kind, float alpha, size_t n, const float *x, float *y, float *slopes)
{
    const vf a = vf_set(alpha);
    switch (kind) {
#define CASE(value)                                                                                \
    case value:                                                                                    \
        BLOCKS(n, activate_both_block(value, a, x + i, y + i, slopes + i, m));                     \
        break;
        ACTIVATIONS(CASE)
#undef CASE
    default:
        break;
    }
}

static void multiply(size_t n, const float *a, const float *b, float *y)
{
    BLOCKS(n, vf_store(y + i, vf_mul(vf_load(a + i, m), vf_load(b + i, m)), m));
}

/* ---- rows ---- */

INLINE vf highest_of(vf highest, const float *x, size_t m)
{
    const vf v = vf_load(x, m);
    return vf_max(m == LANES ? v : vf_select(vm_first(m), v, vf_set(-INFINITY)), highest);
}

INLINE void softmax_block(const float *x, vf highest, float *y, vd *sum, size_t m)
{
    const vf e = exp_negative(vf_sub(vf_load(x, m), highest));
    vd_sum(sum, e, m);
    vf_store(y, e, m);
}

static void softmax(size_t n, const float *x, float *y)
{
    vf best = vf_set(-INFINITY);
    vd sum = vd_zero();
    float lanes[LANES], highest = -INFINITY;
    BLOCKS(n, best = highest_of(best, x + i, m));
    vf_store(lanes, best, LANES);
    for (int i = 0; i < LANES; i++)
        highest = lanes[i] > highest ? lanes[i] : highest;
    best = vf_set(highest);
    BLOCKS(n, softmax_block(x + i, best, y + i, &sum, m));
    const vf inverse = vf_set((float)(1 / vd_total(sum.p)));
    BLOCKS(n, vf_store(y + i, vf_mul(vf_load(y + i, m), inverse), m));
}

static void softmax_backward(size_t n, const float *y, const float *dy, float *dx)
{
    vd sum = vd_zero();
    BLOCKS(n, vd_sum(&sum, vf_mul(vf_load(y + i, m), vf_load(dy + i, m)), m));
    const vf total = vf_set((float)vd_total(sum.p));
    BLOCKS(n, vf_store(dx + i, vf_mul(vf_load(y + i, m), vf_sub(vf_load(dy + i, m), total)), m));
}

INLINE vf weighted(vf x, const float *weight, size_t i, size_t m)
{
    return weight ? vf_mul(x, vf_load(weight + i, m)) : x;
}

INLINE vf normalized(const float *x, vf mean, vf inv_std, size_t m)
{
    return vf_mul(vf_sub(vf_load(x, m), mean), inv_std);
}

static void normalize(size_t n, const float *x, float mean, float inv_std, const float *weight,
    const float *bias, float *y)
{
    const vf m0 = vf_set(mean), s = vf_set(inv_std), zero = vf_set(0.0f);
    BLOCKS(n,
        vf_store(y + i,
            vf_add(weighted(normalized(x + i, m0, s, m), weight, i, m),
                bias ? vf_load(bias + i, m) : zero),
            m));
}

INLINE void normalize_sums_block(const float *x, vf g, vf mean, vf inv_std, vd sum[2], size_t m)
{
    vd_sum(&sum[0], g, m);
    vd_sum(&sum[1], vf_mul(g, normalized(x, mean, inv_std, m)), m);
}

static void normalize_sums(size_t n, const float *x, const float *dy, float mean, float inv_std,
    const float *weight, double sums[2])
{
    const vf m0 = vf_set(mean), s = vf_set(inv_std);
    vd sum[2] = {vd_zero(), vd_zero()};
    BLOCKS(
        n, normalize_sums_block(x + i, weighted(vf_load(dy + i, m), weight, i, m), m0, s, sum, m));
    for (int k = 0; k < 2; k++)
        sums[k] += vd_total(sum[k].p);
}

static void normalize_dx(size_t n, const float *x, const float *dy, const float *weight, float k0,
    float k1, float k2, float *dx)
{
    const vf a = vf_set(k0), b = vf_set(k1), c = vf_set(k2);
    BLOCKS(n,
        vf_store(dx + i,
            vf_add(vf_mul(a, weighted(vf_load(dy + i, m), weight, i, m)),
                vf_add(vf_mul(b, vf_load(x + i, m)), c)),
            m));
}

static void normalize_parameters(size_t n, const float *x, const float *dy, float mean,
    float inv_std, float *dweight, float *dbias)
{
    const vf m0 = vf_set(mean), s = vf_set(inv_std);
    if (dweight)
        BLOCKS(n,
            vf_store(dweight + i,
                vf_add(vf_load(dweight + i, m),
                    vf_mul(vf_load(dy + i, m), normalized(x + i, m0, s, m))),
                m));
    if (dbias)
        BLOCKS(n, vf_store(dbias + i, vf_add(vf_load(dbias + i, m), vf_load(dy + i, m)), m));
}

/* Every kernel of smooth.def must exist above: a missing one does not compile. */
#define NNCF_KERNEL(name, result, args) name,
extern const nncf__smooth_kernels SMOOTH_TABLE;
const nncf__smooth_kernels SMOOTH_TABLE = {
    SMOOTH_NAME,
#include "kernels/smooth.def"
};
#undef NNCF_KERNEL
