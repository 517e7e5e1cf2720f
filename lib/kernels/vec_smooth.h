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

INLINE vf exp2_negative(vf q)
{
    const vf magic = vf_set(NNCF__EXP_MAGIC), t = vf_add(q, magic);
    const vf r = vf_sub(q, vf_sub(t, magic));
    vf p = line(vf_set(NNCF__EXP2_P5), r, NNCF__EXP2_P4);
    p = line(p, r, NNCF__EXP2_P3);
    p = line(p, r, NNCF__EXP2_P2);
    p = line(p, r, NNCF__EXP2_P1);
    return vf_mul(line(p, r, 1.0f), vf_power(t));
}

INLINE vf exp_fast(vf a)
{
    return exp2_negative(vf_max(vf_set(NNCF__EXP2_LIMIT), vf_mul(a, vf_set(NNCF__LOG2_E))));
}

typedef struct normal {
    vf b, e, tail;
} normal;

INLINE normal normal_of(vf x)
{
    normal g;
    g.b = vf_max(vf_set(NNCF__TAIL_LIMIT), vf_minus_abs(x));
    g.e = exp2_negative(vf_mul(vf_mul(g.b, g.b), vf_set(NNCF__MINUS_HALF_LOG2_E)));
    vf n = vf_add(g.b, vf_set(NNCF__TAIL_N2));
    n = line(n, g.b, NNCF__TAIL_N1);
    n = line(n, g.b, NNCF__TAIL_N0);
    vf d = line(vf_set(NNCF__TAIL_D4), g.b, NNCF__TAIL_D3);
    d = line(d, g.b, NNCF__TAIL_D2);
    d = line(d, g.b, NNCF__TAIL_D1);
    d = line(d, g.b, NNCF__TAIL_D0);
    g.tail = vf_div(vf_mul(g.e, n), d);
    return g;
}

typedef struct mish_parts {
    vf n, d, slope;
} mish_parts;

INLINE mish_parts mish_split(vf x)
{
    const vf one = vf_set(1.0f), two = vf_set(2.0f);
    const vm negative = vf_less(x, vf_set(0.0f));
    const vf e = exp_negative(vf_minus_abs(x)), square = vf_mul(e, e);
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
        const exp_pair e = exp_both(vf_mul(vf_minus_abs(x), vf_set(2.0f)));
        return vf_div(vf_select(negative, e.less_one, vf_sub(zero, e.less_one)), vf_add(e.e, one));
    }
    case NNCF_ACTIVATION_HARD_SWISH:
        return vf_mul(x, hard_sigmoid(x));
    case NNCF_ACTIVATION_HARD_SIGMOID:
        return hard_sigmoid(x);
    case NNCF_ACTIVATION_SILU:
        return vf_mul(x, sigmoid(x));
    case NNCF_ACTIVATION_GELU: {
        const normal g = normal_of(x);
        return vf_add(vf_max(zero, x), vf_mul(g.b, g.tail));
    }
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
        const vf e = exp_fast(vf_minus_abs(x)), d = vf_add(e, one);
        return vf_div(e, vf_mul(d, d));
    }
    case NNCF_ACTIVATION_TANH: {
        const vf e = exp_fast(vf_mul(vf_minus_abs(x), vf_set(2.0f))), d = vf_add(e, one);
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
        const vf below = vf_add(vf_mul(vf_mul(g.b, vf_set(NNCF__INV_SQRT_2PI)), g.e), g.tail);
        return vf_select(vf_less(x, zero), below, vf_sub(one, below));
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

/* Terms of two sums for four blocks. */
typedef struct terms {
    vf first[4], second[4];
} terms;

INLINE terms terms_zero(void)
{
    terms t;
    for (int b = 0; b < 4; b++)
        t.first[b] = t.second[b] = vf_set(0.0f);
    return t;
}

static void sum_not_positive(size_t n, const float *x, const float *dy, double sum[1])
{
    const vf zero = vf_set(0.0f);
    vd lanes = vd_zero();
    BLOCKS_OF_FOUR(n,
        t.first[b] = vf_drop(
            vf_less(zero, vf_load(x + i, m)), vf_mul(vf_load(x + i, m), vf_load(dy + i, m))),
        vd_sum_four(&lanes, t.first));
    sum[0] += vd_total(lanes.p);
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

INLINE vf exp_block(const float *x, vf highest, float *y, size_t m)
{
    const vf e = exp_fast(vf_sub(vf_load(x, m), highest));
    vf_store(y, e, m);
    return vf_live(e, m);
}

INLINE float highest_in(size_t n, const float *x)
{
    vf highest = vf_set(-INFINITY);
    BLOCKS(n, highest = highest_of(highest, x + i, m));
    return vf_highest(highest);
}

/* Rows of a softmax that are made together, step by step: each step of a row waits for the one
 * before, and a short row is over before another can begin. More floats than these would leave the
 * first-level cache in between. */
enum { TOGETHER = 8, FLOATS_TOGETHER = 1024 };

INLINE size_t rows_together(size_t left, size_t longest)
{
    size_t most = longest < FLOATS_TOGETHER ? FLOATS_TOGETHER / longest : 1;
    most = most < TOGETHER ? most : TOGETHER;
    return left < most ? left : most;
}

INLINE double exp_row(size_t n, const float *x, float row_highest, float *y)
{
    const vf highest = vf_set(row_highest);
    vd sum = vd_zero();
    BLOCKS_OF_FOUR(n, t.first[b] = exp_block(x + i, highest, y + i, m), vd_sum_four(&sum, t.first));
    return vd_total(sum.p);
}

static void softmax(size_t rows, size_t n, size_t growth, size_t stride, const float *x, float *y)
{
    float of_row[TOGETHER];
    size_t count;
    for (size_t from = 0; from < rows; from += count, x += count * stride, y += count * stride) {
        const size_t first = n + from * growth;
        count = rows_together(rows - from, n + (rows - 1) * growth);
        for (size_t r = 0; r < count; r++)
            of_row[r] = highest_in(first + r * growth, x + r * stride);
        for (size_t r = 0; r < count; r++)
            of_row[r] =
                (float)(1 / exp_row(first + r * growth, x + r * stride, of_row[r], y + r * stride));
        for (size_t r = 0; r < count; r++) {
            const vf inverse = vf_set(of_row[r]);
            float *to = y + r * stride;
            BLOCKS(first + r * growth, vf_store(to + i, vf_mul(vf_load(to + i, m), inverse), m));
        }
    }
}

INLINE void softmax_terms(
    const float *x, const float *dy, vf highest, float *e, terms *t, int b, size_t m)
{
    t->first[b] = exp_block(x, highest, e, m);
    t->second[b] = vf_mul(t->first[b], vf_load(dy, m));
}

INLINE void exp_row_sums(
    size_t n, const float *x, const float *dy, float row_highest, float *e, double sums[2])
{
    const vf highest = vf_set(row_highest);
    vd sum[2] = {vd_zero(), vd_zero()};
    BLOCKS_OF_FOUR(n, softmax_terms(x + i, dy + i, highest, e + i, &t, b, m),
        (vd_sum_four(&sum[0], t.first), vd_sum_four(&sum[1], t.second)));
    for (int k = 0; k < 2; k++)
        sums[k] = vd_total(sum[k].p);
}

static void softmax_backward(
    size_t rows, size_t n, size_t growth, size_t stride, const float *x, const float *dy, float *dx)
{
    float highest[TOGETHER];
    double sums[TOGETHER][2];
    size_t count;
    for (size_t from = 0; from < rows;
         from += count, x += count * stride, dy += count * stride, dx += count * stride) {
        const size_t first = n + from * growth;
        count = rows_together(rows - from, n + (rows - 1) * growth);
        for (size_t r = 0; r < count; r++)
            highest[r] = highest_in(first + r * growth, x + r * stride);
        for (size_t r = 0; r < count; r++)
            exp_row_sums(first + r * growth, x + r * stride, dy + r * stride, highest[r],
                dx + r * stride, sums[r]);
        for (size_t r = 0; r < count; r++) {
            const vf inverse = vf_set((float)(1 / sums[r][0])),
                     mean = vf_set((float)(sums[r][1] / sums[r][0]));
            const float *from_dy = dy + r * stride;
            float *to = dx + r * stride;
            BLOCKS(first + r * growth,
                vf_store(to + i,
                    vf_mul(
                        vf_mul(vf_load(to + i, m), inverse), vf_sub(vf_load(from_dy + i, m), mean)),
                    m));
        }
    }
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

INLINE void normalize_terms(const float *x, vf g, vf mean, vf inv_std, terms *t, int b, size_t m)
{
    t->first[b] = vf_live(g, m);
    t->second[b] = vf_live(vf_mul(g, normalized(x, mean, inv_std, m)), m);
}

static void normalize_sums(size_t n, const float *x, const float *dy, float mean, float inv_std,
    const float *weight, double sums[2])
{
    const vf m0 = vf_set(mean), s = vf_set(inv_std);
    vd sum[2] = {vd_zero(), vd_zero()};
    BLOCKS_OF_FOUR(n,
        normalize_terms(x + i, weighted(vf_load(dy + i, m), weight, i, m), m0, s, &t, b, m),
        (vd_sum_four(&sum[0], t.first), vd_sum_four(&sum[1], t.second)));
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

/* The sums of m columns stay in registers. */
INLINE void normalize_columns(size_t rows, const float *x, const float *dy, size_t stride,
    const float statistics[][2], float *dweight, float *dbias, size_t m)
{
    vf w = dweight ? vf_load(dweight, m) : vf_set(0.0f), b = dbias ? vf_load(dbias, m) : w;
    for (size_t r = 0; r < rows; r++) {
        const vf g = vf_load(dy + r * stride, m);
        const float *s = statistics[r];
        w = vf_add(w, vf_mul(g, normalized(x + r * stride, vf_set(s[0]), vf_set(s[1]), m)));
        b = vf_add(b, g);
    }
    if (dweight)
        vf_store(dweight, w, m);
    if (dbias)
        vf_store(dbias, b, m);
}

static void normalize_parameters(size_t rows, size_t n, const float *x, const float *dy,
    size_t stride, const float statistics[][2], float *dweight, float *dbias)
{
    BLOCKS(n,
        normalize_columns(rows, x + i, dy + i, stride, statistics, dweight ? dweight + i : NULL,
            dbias ? dbias + i : NULL, m));
}

/* Every kernel of smooth.def must exist above: a missing one does not compile. */
#define NNCF_KERNEL(name, result, args) name,
extern const nncf__smooth_kernels SMOOTH_TABLE;
const nncf__smooth_kernels SMOOTH_TABLE = {
    SMOOTH_NAME,
#include "kernels/smooth.def"
};
#undef NNCF_KERNEL
