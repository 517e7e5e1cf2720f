/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels in blocks of 16, included once by each isa_*.c. ref.c defines what they compute
 * and why; this file must give its bits. Every kernel is a block function for m lanes, which the
 * loop calls with m = 16 for the body and with what is left for the tail. A block reads all its
 * inputs before it writes, so in-place needs no care.
 */
#include "kernels/isa.h"
#include "kernels/philox.h"
#include "kernels/sigmoid.h"
#include "kernels/vec_exp.h"
#include "simd/vec.h"

#include <math.h>

/* Prefetch from x[i + AHEAD] on: the hardware's prefetch ends with each page. Beyond the end of an
 * array it has no effect. */
enum { AHEAD = 1024 };

INLINE void fetch_ahead(const float *x, size_t i)
{
    __builtin_prefetch((const void *)((uintptr_t)x + (i + AHEAD) * sizeof *x));
}

/* ---- quantizer ---- */

typedef struct quantizer {
    vf scale, low, high, x_low, x_high;
} quantizer;

INLINE quantizer quantizer_load(const nncf__fq *q)
{
    return (quantizer){
        vf_set(q->scale), vf_set(q->low), vf_set(q->high), vf_set(q->x_low), vf_set(q->x_high)};
}

INLINE vf clamp(vf x, vf low, vf high)
{
    return vf_max(low, vf_min(high, x));
}

/* Clamping before rounding is the same, low and high being integers, and keeps the argument within
 * reach of the magic number. */
INLINE vf fake_quantize(vf x, const quantizer *q)
{
    const vf magic = vf_set(ROUND_MAGIC);
    vf code = clamp(vf_div(x, q->scale), q->low, q->high);
    return vf_mul(vf_sub(vf_add(code, magic), magic), q->scale);
}

/* The byte of round(code) + zero. */
INLINE void store_code(uint8_t *y, vf code, vf zero, size_t m)
{
    vf_store_low_bytes(y, vf_add(vf_add(code, vf_set(ROUND_MAGIC)), zero), m);
}

INLINE vm outside_of(vf x, const quantizer *q)
{
    return vm_or(vf_less(x, q->x_low), vf_less(q->x_high, x));
}

INLINE void fq_forward_block(const float *x, float *y, const quantizer *q, vc *count, size_t m)
{
    vf v = vf_load(x, m);
    *count = vc_add(*count, vm_live(outside_of(v, q), m));
    vf_store(y, fake_quantize(v, q), m);
}

static int64_t fq_forward(size_t n, const float *x, float *y, const nncf__fq *fq)
{
    const quantizer q = quantizer_load(fq);
    vc count = vc_zero();
    BLOCKS(n, fq_forward_block(x + i, y + i, &q, &count, m));
    return vc_total(count);
}

/* Terms of sums for four blocks: added in float before they are widened, which costs more than the
 * sum. Rare ones are widened block by block. */
typedef struct terms {
    vf inside[4], gradient[4], product[4];
} terms;

INLINE terms terms_zero(void)
{
    terms t;
    for (int b = 0; b < 4; b++)
        t.inside[b] = t.gradient[b] = t.product[b] = vf_set(0.0f);
    return t;
}

/* Codes are not clamped: they are within their range where x is, and elsewhere there is no term. */
INLINE vf fq_gradient(vf x, vf dy, const quantizer *q, vf *inside, vd sum[3], size_t m)
{
    const vf quotient = vf_div(x, q->scale);
    vm above = vf_less(q->x_high, x), below = vf_less(x, q->x_low), outside = vm_or(above, below);
    *inside = vf_live(vf_drop(outside, vf_mul(dy, vf_sub(vf_round(quotient), quotient))), m);
    /* Clipping is rare, mostly at one end, and a zero added would change nothing. */
    if (vm_any(above))
        vd_sum(&sum[1], vf_keep(above, dy), m);
    if (vm_any(below))
        vd_sum(&sum[2], vf_keep(below, dy), m);
    return vf_drop(outside, dy);
}

INLINE void add_quantizer_sums(const nncf__fq *fq, const vd sum[3], double sums[3])
{
    sums[0] += (double)fq->scale * vd_total(sum[0].p);
    for (int k = 1; k < 3; k++)
        sums[k] += vd_total(sum[k].p);
}

static void fq_backward(
    size_t n, const float *x, const float *dy, float *dx, const nncf__fq *fq, double sums[3])
{
    const quantizer q = quantizer_load(fq);
    vd sum[3] = {vd_zero(), vd_zero(), vd_zero()};
    BLOCKS_OF_FOUR(n,
        vf_store(dx + i,
            fq_gradient(vf_load(x + i, m), vf_load(dy + i, m), &q, &t.inside[b], sum, m), m),
        vd_sum_four(&sum[0], t.inside));
    add_quantizer_sums(fq, sum, sums);
}

/* ---- batch norm, activation, quantizer ---- */

INLINE void sum_and_squares_block(const float *z, vd sum[2], size_t m)
{
    vd v = vd_from(vf_load(z, m));
    sum[0] = vd_add(sum[0], v);
    sum[1] = vd_add_square(sum[1], v);
}

static void sum_and_squares(size_t n, const float *z, double sums[2])
{
    vd sum[2] = {vd_zero(), vd_zero()};
    BLOCKS(n, (fetch_ahead(z, i), sum_and_squares_block(z + i, sum, m)));
    for (int k = 0; k < 2; k++)
        sums[k] += vd_total(sum[k].p);
}

typedef struct epilogue {
    vf scale, shift, act_low, act_high;
    quantizer q; /* only with a quantizer */
    vm no_activation;
} epilogue;

/*
 * What an epilogue's loop need not look at. PLAIN: no quantizer. LINEAR: a quantizer, and no
 * activation. CLIPPED: x_low <= act_low and x_high < act_high: nothing is below the range, and what
 * reaches act_high is above it. WITHIN: x_low <= act_low and act_high <= x_high: nothing is
 * outside. ANY: none of these; it is right for all that have a quantizer (sums_rest).
 */
enum { PLAIN, LINEAR, CLIPPED, WITHIN, ANY };

static int kind_of_epilogue(const nncf__epilogue *e)
{
    if (!e->fq)
        return PLAIN;
    if (e->act_low == -INFINITY && e->act_high == INFINITY)
        return LINEAR;
    if (e->act_low == -INFINITY || !(e->act_low >= e->fq->x_low))
        return ANY;
    return e->act_high <= e->fq->x_high ? WITHIN : CLIPPED;
}

/* loop(kind, ...), the kind known when compiling. */
#define OF_KIND(e, loop, ...)                                                                      \
    do {                                                                                           \
        switch (kind_of_epilogue(e)) {                                                             \
        case PLAIN:                                                                                \
            loop(PLAIN, __VA_ARGS__);                                                              \
            break;                                                                                 \
        case LINEAR:                                                                               \
            loop(LINEAR, __VA_ARGS__);                                                             \
            break;                                                                                 \
        case CLIPPED:                                                                              \
            loop(CLIPPED, __VA_ARGS__);                                                            \
            break;                                                                                 \
        case WITHIN:                                                                               \
            loop(WITHIN, __VA_ARGS__);                                                             \
            break;                                                                                 \
        default:                                                                                   \
            loop(ANY, __VA_ARGS__);                                                                \
        }                                                                                          \
    } while (0)

INLINE epilogue epilogue_load(const nncf__epilogue *e, bool quantized)
{
    epilogue v = {.scale = vf_set(e->scale),
        .shift = vf_set(e->shift),
        .act_low = vf_set(e->act_low),
        .act_high = vf_set(e->act_high)};
    if (quantized)
        v.q = quantizer_load(e->fq);
    v.no_activation = vm_first(e->act_low == -INFINITY && e->act_high == INFINITY ? LANES : 0);
    return v;
}

INLINE void activate(vf v, float *y, const epilogue *e, bool quantized, vc *count, size_t m)
{
    vf a = clamp(v, e->act_low, e->act_high);
    if (quantized) {
        *count = vc_add(*count, vm_live(outside_of(a, &e->q), m));
        a = fake_quantize(a, &e->q);
    }
    vf_store(y, a, m);
}

INLINE int64_t epilogue_forward_loop(
    size_t n, const float *z, float *y, const nncf__epilogue *constants, bool quantized)
{
    const epilogue e = epilogue_load(constants, quantized);
    vc count = vc_zero();
    BLOCKS(n,
        (fetch_ahead(z, i),
            activate(vf_add(vf_mul(vf_load(z + i, m), e.scale), e.shift), y + i, &e, quantized,
                &count, m)));
    return vc_total(count);
}

static int64_t epilogue_forward(size_t n, const float *z, float *y, const nncf__epilogue *e)
{
    return e->fq ? epilogue_forward_loop(n, z, y, e, true)
                 : epilogue_forward_loop(n, z, y, e, false);
}

/* Strictly between the activation's limits. */
INLINE vm within_activation(vf v, const epilogue *e)
{
    return vm_and(vf_less(e->act_low, v), vf_less(v, e->act_high));
}

/* Has the activation, if there is one, a slope there? */
INLINE vm passes(vf v, const epilogue *e)
{
    return vm_or(e->no_activation, within_activation(v, e));
}

INLINE vf activate_gradient(
    vf v, vf dy, const epilogue *e, bool quantized, vf *inside, vd sum[3], size_t m)
{
    if (quantized)
        dy = fq_gradient(clamp(v, e->act_low, e->act_high), dy, &e->q, inside, sum, m);
    return vf_keep(passes(v, e), dy);
}

INLINE vf epilogue_gradient(vf v, const float *dy, const epilogue *e, bool quantized, vf mean,
    terms *t, int b, vd sum[5], size_t m)
{
    vf g = activate_gradient(
        vf_add(vf_mul(v, e->scale), e->shift), vf_load(dy, m), e, quantized, &t->inside[b], sum, m);
    t->gradient[b] = vf_live(g, m);
    t->product[b] = vf_live(vf_mul(g, vf_sub(v, mean)), m);
    return g;
}

INLINE void epilogue_sum(vd sum[5], const terms *t, bool quantized)
{
    if (quantized)
        vd_sum_four(&sum[0], t->inside);
    vd_sum_four(&sum[3], t->gradient);
    vd_sum_four(&sum[4], t->product);
}

INLINE void add_epilogue_sums(
    const nncf__epilogue *e, float inv_std, const vd sum[5], double sums[5])
{
    if (e->fq)
        add_quantizer_sums(e->fq, sum, sums);
    sums[3] += vd_total(sum[3].p);
    sums[4] += (double)inv_std * vd_total(sum[4].p);
}

INLINE void epilogue_backward_loop(size_t n, const float *z, const float *dy, float *da,
    const nncf__epilogue *constants, bool quantized, float mean, float inv_std, double sums[5])
{
    const epilogue e = epilogue_load(constants, quantized);
    const vf mean_v = vf_set(mean);
    vd sum[5] = {vd_zero(), vd_zero(), vd_zero(), vd_zero(), vd_zero()};
    BLOCKS_OF_FOUR(n,
        vf_store(da + i,
            epilogue_gradient(vf_load(z + i, m), dy + i, &e, quantized, mean_v, &t, b, sum, m), m),
        epilogue_sum(sum, &t, quantized));
    add_epilogue_sums(constants, inv_std, sum, sums);
}

static void epilogue_backward(size_t n, const float *z, const float *dy, float *da,
    const nncf__epilogue *e, float mean, float inv_std, double sums[5])
{
    if (e->fq)
        epilogue_backward_loop(n, z, dy, da, e, true, mean, inv_std, sums);
    else
        epilogue_backward_loop(n, z, dy, da, e, false, mean, inv_std, sums);
}

INLINE void batch_norm_backward_block(
    const float *z, const float *da, float *dz, vf k0, vf k1, vf k2, size_t m)
{
    vf line = vf_add(vf_mul(k1, vf_load(z, m)), k2);
    vf_store(dz, vf_add(vf_mul(k0, vf_load(da, m)), line), m);
}

static void batch_norm_backward(
    size_t n, const float *z, const float *da, float *dz, float k0, float k1, float k2)
{
    const vf a = vf_set(k0), b = vf_set(k1), c = vf_set(k2);
    BLOCKS(n, batch_norm_backward_block(z + i, da + i, dz + i, a, b, c, m));
}

/* Of the first m lanes of a machine vector of a block: terms, and the lanes outside of the
 * quantizer's range. Codes are not clamped: they are within their range where x is, and elsewhere
 * no term. */
INLINE void sums_terms(int what, size_t m, const float *z, const float *dy, const epilogue *e,
    nf mean, nf *inside, nf *gradient, nf *product, nm *outside)
{
    const nf x = nf_load_part(z, m);
    const nf v = nf_add(nf_mul(x, e->scale.p[0]), e->shift.p[0]);
    const nm live = nm_first(m);
    nf g = nf_load_part(dy, m), a = v;
    if (what == CLIPPED) /* above act_high there is no term */
        a = nf_max(e->act_low.p[0], v);
    else if (what != LINEAR)
        a = nf_max(e->act_low.p[0], nf_min(e->act_high.p[0], v));
    if (what != PLAIN) {
        const nf quotient = nf_div(a, e->q.scale.p[0]);
        *inside = nf_mul(g, nf_sub(nf_round(quotient), quotient));
        if (what != WITHIN) {
            *outside = nf_less(e->q.x_high.p[0], a);
            if (what != CLIPPED)
                *outside = nm_or(*outside, nf_less(a, e->q.x_low.p[0]));
            *inside = nf_drop(*outside, *inside);
            g = nf_drop(*outside, g);
        }
        if (m < WIDTH)
            *inside = nf_keep(live, *inside);
    }
    if (what == CLIPPED) /* what is not below act_high is above the range */
        g = nf_keep(nf_less(e->act_low.p[0], v), g);
    else if (what != LINEAR) {
        nm passing = nm_and(nf_less(e->act_low.p[0], v), nf_less(v, e->act_high.p[0]));
        if (what != WITHIN)
            passing = nm_or(passing, e->no_activation.p[0]);
        g = nf_keep(passing, g);
    }
    *gradient = g;
    *product = nf_mul(g, nf_sub(x, mean));
    if (m < WIDTH)
        *product = nf_keep(live, *product);
}

/* Sums [1] and [2], of the lanes outside, which are rare. */
INLINE void sums_outside(int what, size_t m, const float *z, const float *dy, const epilogue *e,
    nm outside, vd sum[5], int k)
{
    const nf g = nf_load_part(dy, m);
    if (!nm_any(outside))
        return;
    if (what == CLIPPED) {
        sum[1].p[k] = nd_add(sum[1].p[k], nd_from(nf_keep(outside, g)));
        return;
    }
    const nf v = nf_add(nf_mul(nf_load_part(z, m), e->scale.p[0]), e->shift.p[0]),
             a = nf_max(e->act_low.p[0], nf_min(e->act_high.p[0], v));
    sum[1].p[k] = nd_add(sum[1].p[k], nd_from(nf_keep(nf_less(e->q.x_high.p[0], a), g)));
    sum[2].p[k] = nd_add(sum[2].p[k], nd_from(nf_keep(nf_less(a, e->q.x_low.p[0]), g)));
}

INLINE void sum_four(nd *sum, const nf t[4])
{
    *sum = nd_add(*sum, nd_from(nf_add(nf_add(t[0], t[1]), nf_add(t[2], t[3]))));
}

/* The terms of up to 64 elements, one part of the lanes after the other: then they stay in
 * registers. n is 64 when compiling, or less. */
INLINE void sums_group(
    int what, size_t n, const float *z, const float *dy, const epilogue *e, nf mean, vd sum[5])
{
    for (int k = 0; k < PARTS; k++) {
        nf inside[4], gradient[4], product[4];
        nm outside[4];
#pragma GCC unroll 4
        for (int b = 0; b < 4; b++) {
            const size_t i = (size_t)(b * LANES + k * WIDTH);
            inside[b] = gradient[b] = product[b] = nf_set(0.0f);
            outside[b] = nm_first(0);
            if (i + WIDTH <= n)
                sums_terms(what, WIDTH, z + i, dy + i, e, mean, &inside[b], &gradient[b],
                    &product[b], &outside[b]);
            else if (i < n)
                sums_terms(what, n - i, z + i, dy + i, e, mean, &inside[b], &gradient[b],
                    &product[b], &outside[b]);
        }
        if (what != PLAIN)
            sum_four(&sum[0].p[k], inside);
        sum_four(&sum[3].p[k], gradient);
        sum_four(&sum[4].p[k], product);
        if (what == PLAIN || what == WITHIN ||
            !nm_any(nm_or(nm_or(outside[0], outside[1]), nm_or(outside[2], outside[3]))))
            continue;
#pragma GCC unroll 4
        for (int b = 0; b < 4; b++) {
            const size_t i = (size_t)(b * LANES + k * WIDTH);
            if (i < n)
                sums_outside(
                    what, i + WIDTH <= n ? WIDTH : n - i, z + i, dy + i, e, outside[b], sum, k);
        }
    }
}

/* Fewer than 64 elements; a function of its own, which all variants share. */
static void sums_rest(size_t n, const float *z, const float *dy, const epilogue *e, bool quantized,
    vf mean, vd sum[5])
{
    if (quantized)
        sums_group(ANY, n, z, dy, e, mean.p[0], sum);
    else
        sums_group(PLAIN, n, z, dy, e, mean.p[0], sum);
}

INLINE void epilogue_sums_loop(int what, size_t n, const float *z, const float *dy,
    const nncf__epilogue *constants, float mean, float inv_std, double sums[5])
{
    enum { GROUP = 4 * LANES };
    const epilogue e = epilogue_load(constants, what != PLAIN);
    const vf mean_v = vf_set(mean);
    vd sum[5] = {vd_zero(), vd_zero(), vd_zero(), vd_zero(), vd_zero()};
    for (; n >= GROUP; n -= GROUP, z += GROUP, dy += GROUP) {
#pragma GCC unroll 4
        for (size_t b = 0; b < GROUP; b += LANES) {
            fetch_ahead(z, b);
            fetch_ahead(dy, b);
        }
        sums_group(what, GROUP, z, dy, &e, mean_v.p[0], sum);
    }
    if (n > 0)
        sums_rest(n, z, dy, &e, what != PLAIN, mean_v, sum);
    add_epilogue_sums(constants, inv_std, sum, sums);
}

static void epilogue_sums(size_t n, const float *z, const float *dy, const nncf__epilogue *e,
    float mean, float inv_std, double sums[5])
{
    OF_KIND(e, epilogue_sums_loop, n, z, dy, e, mean, inv_std, sums);
}

INLINE void epilogue_dz_block(int what, const float *z, const float *dy, float *dz,
    const epilogue *e, vf k0, vf k1, vf k2, size_t m)
{
    const vf x = vf_load(z, m), v = vf_add(vf_mul(x, e->scale), e->shift);
    vf g = vf_load(dy, m);
    if (what == LINEAR) {
        g = vf_drop(outside_of(v, &e->q), g);
    } else if (what == ANY) {
        g = vf_drop(outside_of(clamp(v, e->act_low, e->act_high), &e->q), g);
        g = vf_keep(passes(v, e), g);
    } else if (what == CLIPPED) { /* what is not below act_high is above the range */
        g = vf_drop(vf_less(e->q.x_high, v), vf_keep(vf_less(e->act_low, v), g));
    } else if (what == WITHIN) {
        g = vf_keep(within_activation(v, e), g);
    } else {
        g = vf_keep(passes(v, e), g);
    }
    vf_store(dz, vf_add(vf_mul(k0, g), vf_add(vf_mul(k1, x), k2)), m);
}

INLINE void epilogue_dz_loop(int what, size_t n, const float *z, const float *dy, float *dz,
    const nncf__epilogue *constants, float k0, float k1, float k2)
{
    const epilogue e = epilogue_load(constants, what != PLAIN);
    const vf a = vf_set(k0), b = vf_set(k1), c = vf_set(k2);
    BLOCKS(n,
        (fetch_ahead(z, i), fetch_ahead(dy, i),
            epilogue_dz_block(what, z + i, dy + i, dz + i, &e, a, b, c, m)));
}

static void epilogue_dz(size_t n, const float *z, const float *dy, float *dz,
    const nncf__epilogue *e, float k0, float k1, float k2)
{
    OF_KIND(e, epilogue_dz_loop, n, z, dy, dz, e, k0, k1, k2);
}

INLINE int64_t add_forward_loop(size_t n, const float *a, const float *b, float *y,
    const nncf__epilogue *constants, bool quantized)
{
    const epilogue e = epilogue_load(constants, quantized);
    vc count = vc_zero();
    BLOCKS(n,
        (fetch_ahead(a, i), fetch_ahead(b, i),
            activate(
                vf_add(vf_load(a + i, m), vf_load(b + i, m)), y + i, &e, quantized, &count, m)));
    return vc_total(count);
}

static int64_t add_forward(
    size_t n, const float *a, const float *b, float *y, const nncf__epilogue *e)
{
    return e->fq ? add_forward_loop(n, a, b, y, e, true) : add_forward_loop(n, a, b, y, e, false);
}

INLINE void add_backward_block(const float *a, const float *b, const float *dy, float *dx,
    const epilogue *e, bool quantized, vf *inside, vd sum[3], size_t m)
{
    vf v = vf_add(vf_load(a, m), vf_load(b, m));
    vf_store(dx, activate_gradient(v, vf_load(dy, m), e, quantized, inside, sum, m), m);
}

INLINE void add_backward_loop(size_t n, const float *x, const float *y, const float *dy, float *dx,
    const nncf__epilogue *constants, bool quantized, double sums[3])
{
    const epilogue e = epilogue_load(constants, quantized);
    vd sum[3] = {vd_zero(), vd_zero(), vd_zero()};
    BLOCKS_OF_FOUR(n,
        (fetch_ahead(x, i), fetch_ahead(y, i), fetch_ahead(dy, i),
            add_backward_block(x + i, y + i, dy + i, dx + i, &e, quantized, &t.inside[b], sum, m)),
        if (quantized) vd_sum_four(&sum[0], t.inside));
    if (quantized)
        add_quantizer_sums(constants->fq, sum, sums);
}

static void add_backward(size_t n, const float *a, const float *b, const float *dy, float *dx,
    const nncf__epilogue *e, double sums[3])
{
    if (e->fq)
        add_backward_loop(n, a, b, dy, dx, e, true, sums);
    else
        add_backward_loop(n, a, b, dy, dx, e, false, sums);
}

/* ---- codes in bytes ---- */

INLINE void activate_to_code(
    int what, vf v, uint8_t *y, const epilogue *e, vf zero, vc *count, size_t m)
{
    vf a = what == LINEAR ? v : clamp(v, e->act_low, e->act_high);
    vf code = vf_min(vf_div(a, e->q.scale), e->q.high); /* a NaN becomes `high` */
    if (what == LINEAR || what == ANY)
        code = vf_max(code, e->q.low);
    if (what != WITHIN) {
        vm outside = vf_less(e->q.x_high, a);
        if (what != CLIPPED)
            outside = vm_or(vf_less(a, e->q.x_low), outside);
        *count = vc_add(*count, vm_live(outside, m));
    }
    store_code(y, code, zero, m);
}

INLINE int64_t epilogue_codes_loop(
    int what, size_t n, const float *z, uint8_t *y, const nncf__epilogue *constants, float zero)
{
    const epilogue e = epilogue_load(constants, true);
    const vf zero_v = vf_set(zero);
    vc count = vc_zero();
    BLOCKS(n,
        (fetch_ahead(z, i),
            activate_to_code(what, vf_add(vf_mul(vf_load(z + i, m), e.scale), e.shift), y + i, &e,
                zero_v, &count, m)));
    return vc_total(count);
}

static int64_t epilogue_codes(
    size_t n, const float *z, uint8_t *y, const nncf__epilogue *e, float zero)
{
    switch (kind_of_epilogue(e)) {
    case LINEAR:
        return epilogue_codes_loop(LINEAR, n, z, y, e, zero);
    case CLIPPED:
        return epilogue_codes_loop(CLIPPED, n, z, y, e, zero);
    case WITHIN:
        return epilogue_codes_loop(WITHIN, n, z, y, e, zero);
    default:
        return epilogue_codes_loop(ANY, n, z, y, e, zero);
    }
}

static int64_t add_codes(size_t n, const float *a, const float *b, uint8_t *y,
    const nncf__epilogue *constants, float zero)
{
    const epilogue e = epilogue_load(constants, true);
    const vf zero_v = vf_set(zero);
    vc count = vc_zero();
    BLOCKS(n,
        (fetch_ahead(a, i), fetch_ahead(b, i),
            activate_to_code(
                ANY, vf_add(vf_load(a + i, m), vf_load(b + i, m)), y + i, &e, zero_v, &count, m)));
    return vc_total(count);
}

INLINE vf value_of_code(const uint8_t *x, uint32_t flip, vf offset, vf scale, size_t m)
{
    return vf_mul(vf_sub(vf_load_bytes(x, flip, m), offset), scale);
}

static void dequantize(size_t n, const uint8_t *x, float *y, const nncf__dequant *bytes)
{
    const vf offset = vf_set(bytes->offset), scale = vf_set(bytes->scale);
    BLOCKS(n, vf_store(y + i, value_of_code(x + i, bytes->flip, offset, scale, m), m));
}

/* ---- small ones ---- */

INLINE void min_max_block(const float *x, vf *low, vf *high, size_t m)
{
    vf v = vf_load(x, m);
    vm live = vm_first(m);
    *low = vf_min(m == LANES ? v : vf_select(live, v, *low), *low);
    *high = vf_max(m == LANES ? v : vf_select(live, v, *high), *high);
}

static void min_max(size_t n, const float *x, float range[2])
{
    vf low = vf_set(range[0]), high = vf_set(range[1]);
    float lows[LANES], highs[LANES];
    BLOCKS(n, min_max_block(x + i, &low, &high, m));
    vf_store(lows, low, LANES);
    vf_store(highs, high, LANES);
    for (int k = 1; k < LANES; k++) {
        lows[0] = lows[k] < lows[0] ? lows[k] : lows[0];
        highs[0] = highs[k] > highs[0] ? highs[k] : highs[0];
    }
    range[0] = lows[0] + 0.0f;
    range[1] = highs[0] + 0.0f;
}

static void accumulate(size_t n, const float *x, float *y)
{
    BLOCKS(n, vf_store(y + i, vf_add(vf_load(y + i, m), vf_load(x + i, m)), m));
}

#include "kernels/vec_rb.h"

/* ---- stored masks ---- */

static void mask_forward(size_t n, const float *w, const uint8_t *bits, float *y)
{
    BLOCKS(n, vf_store(y + i, vf_keep(vm_load(bits, i, m), vf_load(w + i, m)), m));
}

INLINE void mask_backward_block(const float *g, vm keep, float *dw, size_t m)
{
    vf_store(dw, vf_add(vf_load(dw, m), vf_keep(keep, vf_load(g, m))), m);
}

static void mask_backward(size_t n, const float *g, const uint8_t *bits, float *dw)
{
    BLOCKS(n, mask_backward_block(g + i, vm_load(bits, i, m), dw + i, m));
}

/* ---- optimizers ---- */

typedef struct adam {
    vf beta1, beta2, keep1, keep2, eps, decay, rate, root;
    bool clears;
} adam;

INLINE void adam_block(const adam *a, float *data, float *grad, float *m, float *v, size_t left)
{
    fetch_ahead(data, 0);
    fetch_ahead(grad, 0);
    fetch_ahead(m, 0);
    fetch_ahead(v, 0);
    const vf x = vf_load(data, left), g = vf_add(vf_load(grad, left), vf_mul(a->decay, x)),
             mean = vf_add(vf_mul(a->beta1, vf_load(m, left)), vf_mul(a->keep1, g)),
             square = vf_add(vf_mul(a->beta2, vf_load(v, left)), vf_mul(vf_mul(a->keep2, g), g)),
             root = vf_add(vf_div(vf_sqrt(square), a->root), a->eps);
    vf_store(m, mean, left);
    vf_store(v, square, left);
    vf_store(data, vf_sub(x, vf_div(vf_mul(a->rate, mean), root)), left);
    if (a->clears)
        vf_store(grad, vf_set(0), left);
}

static void adam_step(
    size_t n, float *data, float *grad, float *mean, float *v, const nncf__adam *p)
{
    const adam a = {vf_set(p->beta1), vf_set(p->beta2), vf_set(p->keep1), vf_set(p->keep2),
        vf_set(p->eps), vf_set(p->decay), vf_set(p->rate), vf_set(p->root), p->clears};
    BLOCKS(n, adam_block(&a, data + i, grad + i, mean + i, v + i, m));
}

typedef struct sgd {
    vf decay, keep, take, rate;
    bool nesterov, clears;
} sgd;

INLINE void sgd_block(const sgd *s, float *data, float *grad, float *m, size_t left)
{
    const vf x = vf_load(data, left);
    vf g = vf_add(vf_load(grad, left), vf_mul(s->decay, x));
    if (m) {
        const vf mean = vf_add(vf_mul(s->keep, vf_load(m, left)), vf_mul(s->take, g));
        vf_store(m, mean, left);
        g = s->nesterov ? vf_add(g, vf_mul(s->keep, mean)) : mean;
    }
    vf_store(data, vf_sub(x, vf_mul(s->rate, g)), left);
    if (s->clears)
        vf_store(grad, vf_set(0), left);
}

static void sgd_step(size_t n, float *data, float *grad, float *momentum, const nncf__sgd *p)
{
    const sgd s = {vf_set(p->decay), vf_set(p->keep), vf_set(p->take), vf_set(p->rate), p->nesterov,
        p->clears};
    BLOCKS(n, sgd_block(&s, data + i, grad + i, momentum ? momentum + i : NULL, m));
}

#include "kernels/vec_binarize.h"
#include "kernels/vec_products.h"

/* Every kernel of kernels.def must exist above: a missing one does not compile. */
#define NNCF_KERNEL(name, result, args) name,
const nncf__kernels LEVEL_TABLE = {
    LEVEL_NAME,
    LEVEL_ISA,
#include "kernels/kernels.def"
};
#undef NNCF_KERNEL
