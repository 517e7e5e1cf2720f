/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random numbers and masks of RB sparsity, a part of vec_elementwise.h: 16 lanes at a time; ref.c
 * defines the result.
 */

/* The words live in the lower halves of 64-bit lanes, where the products want them; what the upper
 * halves hold is never looked at. 128 uniforms a call, several vectors of blocks at a time: the
 * rounds of one are a chain, in which each waits for the last. */
#define PHILOX_GROUP  128
#define PHILOX_CHAINS (REGISTERS == 32 ? 4 : 2)

typedef struct philox {
    nq keys[NNCF__PHILOX_ROUNDS][2], counter_low, counter_high;
    uint32_t first;
} philox;

INLINE void philox_start(philox *r, uint32_t first, uint64_t key, uint64_t counter)
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    r->first = first;
    r->counter_low = nq_set((uint32_t)counter);
    r->counter_high = nq_set((uint32_t)(counter >> 32));
    for (int round = 0; round < NNCF__PHILOX_ROUNDS; round++) {
        r->keys[round][0] = nq_set(k0);
        r->keys[round][1] = nq_set(k1);
        k0 += NNCF__PHILOX_W0;
        k1 += NNCF__PHILOX_W1;
    }
}

/* Those of elements i to i + 127; i is a multiple of 4. */
INLINE void philox_group(const philox *r, size_t i, float *u)
{
    const nq m0 = nq_set(NNCF__PHILOX_M0), m1 = nq_set(NNCF__PHILOX_M1);
    const uint32_t first = r->first + (uint32_t)(i / 4);
    for (int k = 0; k < PHILOX_GROUP; k += PHILOX_CHAINS * 2 * WIDTH) {
        nq x0[PHILOX_CHAINS], x1[PHILOX_CHAINS], x2[PHILOX_CHAINS], x3[PHILOX_CHAINS];
        for (int j = 0; j < PHILOX_CHAINS; j++) {
            x0[j] = nq_add(nq_set(first + (uint32_t)(k + j * 2 * WIDTH) / 4), nq_blocks());
            x1[j] = nq_set(0);
            x2[j] = r->counter_low;
            x3[j] = r->counter_high;
        }
        for (int round = 0; round < NNCF__PHILOX_ROUNDS; round++)
            for (int j = 0; j < PHILOX_CHAINS; j++) {
                nq a = nq_mul(x0[j], m0), b = nq_mul(x2[j], m1);
                x0[j] = nq_xor(nq_xor(nq_high(b), x1[j]), r->keys[round][0]);
                x1[j] = b;
                x2[j] = nq_xor(nq_xor(nq_high(a), x3[j]), r->keys[round][1]);
                x3[j] = a;
            }
        for (int j = 0; j < PHILOX_CHAINS; j++)
            nq_uniform(x0[j], x1[j], x2[j], x3[j], u + k + j * 2 * WIDTH);
    }
}

static void philox_uniform(size_t n, uint32_t first, uint64_t key, uint64_t counter, float *u)
{
    philox r;
    size_t i = 0;
    philox_start(&r, first, key, counter);
    for (; i + PHILOX_GROUP <= n; i += PHILOX_GROUP)
        philox_group(&r, i, u + i);
    if (i < n) {
        float last[PHILOX_GROUP];
        philox_group(&r, i, last);
        memcpy(u + i, last, (n - i) * sizeof *u);
    }
}

/* ---- RB sparsity ---- */

INLINE vm sigmoid_over_half(vf s)
{
    sigmoid_parts f = sigmoid_split(s);
    return vf_less(vf_set(0.5f), vf_div(f.p, f.d));
}

INLINE vf clamp_uniform(vf u)
{
    return clamp(u, vf_set(1e-6f), vf_set(1.0f - 1e-6f));
}

INLINE void rb_forward_block(const float *w, const float *s, const float *u, float *y, size_t m)
{
    fetch_ahead(w, 0);
    fetch_ahead(s, 0);
    sigmoid_parts f = sigmoid_split(vf_load(s, m));
    vm keep = vf_less(f.q, vf_mul(clamp_uniform(vf_load(u, m)), f.d));
    vf_store(y, vf_keep(keep, vf_load(w, m)), m);
}

static void rb_forward(size_t n, const float *w, const float *s, const float *u, float *y)
{
    BLOCKS(n, rb_forward_block(w + i, s + i, u + i, y + i, m));
}

INLINE void rb_backward_block(
    const float *g, const float *w, const float *s, const float *u, float *dw, float *ds, size_t m)
{
    fetch_ahead(w, 0);
    fetch_ahead(s, 0);
    fetch_ahead(dw, 0);
    fetch_ahead(ds, 0);
    sigmoid_parts f = sigmoid_split(vf_load(s, m));
    vf v = clamp_uniform(vf_load(u, m)), gi = vf_load(g, m), old_dw = vf_load(dw, m),
       old_ds = vf_load(ds, m);
    vf a = vf_mul(f.p, v), b = vf_mul(f.q, vf_sub(vf_set(1.0f), v)), sum = vf_add(a, b);
    vf t = vf_div(vf_mul(a, b), vf_mul(sum, sum));
    vm keep = vf_less(f.q, vf_mul(v, f.d));
    vf new_ds = vf_add(old_ds, vf_mul(vf_mul(gi, vf_load(w, m)), t));
    vf_store(ds, new_ds, m);
    vf_store(dw, vf_add(old_dw, vf_keep(keep, gi)), m);
}

static void rb_backward(
    size_t n, const float *g, const float *w, const float *s, const float *u, float *dw, float *ds)
{
    BLOCKS(n, rb_backward_block(g + i, w + i, s + i, u + i, dw + i, ds + i, m));
}

INLINE void rb_forward_eval_block(const float *w, const float *s, float *y, size_t m)
{
    vm keep = sigmoid_over_half(vf_load(s, m));
    vf_store(y, vf_keep(keep, vf_load(w, m)), m);
}

static void rb_forward_eval(size_t n, const float *w, const float *s, float *y)
{
    BLOCKS(n, rb_forward_eval_block(w + i, s + i, y + i, m));
}

INLINE void rb_count_block(const float *s, vc *count, vd *sum, size_t m)
{
    fetch_ahead(s, 0);
    sigmoid_parts f = sigmoid_split(vf_load(s, m));
    vf p = vf_div(f.p, f.d);
    *count = vc_add(*count, vm_live(vf_less(vf_set(0.5f), p), m));
    vd_sum(sum, p, m);
}

static void rb_count(size_t n, const float *s, double sums[2])
{
    vc count = vc_zero();
    vd sum = vd_zero();
    BLOCKS(n, rb_count_block(s + i, &count, &sum, m));
    sums[0] += (double)vc_total(count); /* whole numbers: any order gives the same */
    sums[1] += vd_total(sum.p);
}

static int64_t rb_kept(size_t n, const float *s)
{
    const vf half = vf_set(NNCF__SIGMOID_HALF);
    vc count = vc_zero();
    BLOCKS(n,
        (fetch_ahead(s, i), count = vc_add(count, vm_live(vf_less(half, vf_load(s + i, m)), m))));
    return vc_total(count);
}

INLINE void rb_loss_backward_block(const float *s, vf c, float *ds, size_t m)
{
    fetch_ahead(s, 0);
    fetch_ahead(ds, 0);
    sigmoid_parts f = sigmoid_split(vf_load(s, m));
    vf t = vf_div(vf_mul(f.p, f.q), vf_mul(f.d, f.d));
    vf_store(ds, vf_add(vf_load(ds, m), vf_mul(c, t)), m);
}

static void rb_loss_backward(size_t n, const float *s, float c, float *ds)
{
    const vf factor = vf_set(c);
    BLOCKS(n, rb_loss_backward_block(s + i, factor, ds + i, m));
}

/* ---- masked and quantized weights ---- */

INLINE void rb_codes_block(const float *w, const float *s, const float *u, uint8_t *y,
    const quantizer *q, vf zero, vc *clipped, vc *finite, size_t m)
{
    fetch_ahead(w, 0);
    fetch_ahead(s, 0);
    sigmoid_parts f = sigmoid_split(vf_load(s, m));
    vm keep = vf_less(f.q, vf_mul(clamp_uniform(vf_load(u, m)), f.d));
    vf v = vf_keep(keep, vf_load(w, m));
    *clipped = vc_add(*clipped, vm_live(outside_of(v, q), m));
    *finite = vc_add(*finite, vm_live(vf_less(v, vf_set(INFINITY)), m));
    vf code = vf_max(vf_min(vf_div(v, q->scale), q->high), q->low); /* a NaN becomes `high` */
    store_code(y, code, zero, m);
}

/* Of masked weights, one of which is a NaN or infinite. */
static int64_t rb_nans(size_t n, const float *w, const float *s, const float *u)
{
    float y[LANES];
    int64_t nans = 0;
    for (size_t i = 0; i < n; i += LANES) {
        const size_t m = n - i < LANES ? n - i : LANES;
        rb_forward(m, w + i, s + i, u + i, y);
        for (size_t k = 0; k < m; k++)
            nans += y[k] != y[k];
    }
    return nans;
}

static int64_t rb_codes(size_t n, const float *w, const float *s, const float *u, uint8_t *y,
    const nncf__fq *fq, float zero, int64_t *nans)
{
    const quantizer q = quantizer_load(fq);
    const vf zero_v = vf_set(zero);
    vc clipped = vc_zero(), finite = vc_zero();
    BLOCKS(n, rb_codes_block(w + i, s + i, u + i, y + i, &q, zero_v, &clipped, &finite, m));
    if (vc_total(finite) < (int64_t)n)
        *nans += rb_nans(n, w, s, u);
    return vc_total(clipped);
}

/* fq_gradient() of the masked weight, then rb_backward_block() of what it lets through. */
INLINE void rb_quantized_backward_block(const float *g, const float *w, const float *s,
    const float *u, float *dw, float *ds, const quantizer *q, vf *inside, vd sum[3], size_t m)
{
    fetch_ahead(w, 0);
    fetch_ahead(s, 0);
    fetch_ahead(dw, 0);
    fetch_ahead(ds, 0);
    sigmoid_parts f = sigmoid_split(vf_load(s, m));
    vf v = clamp_uniform(vf_load(u, m)), wi = vf_load(w, m), old_dw = vf_load(dw, m),
       old_ds = vf_load(ds, m);
    vm keep = vf_less(f.q, vf_mul(v, f.d));
    vf gi = fq_gradient(vf_keep(keep, wi), vf_load(g, m), q, inside, sum, m);
    vf a = vf_mul(f.p, v), b = vf_mul(f.q, vf_sub(vf_set(1.0f), v)), total = vf_add(a, b);
    vf t = vf_div(vf_mul(a, b), vf_mul(total, total));
    vf_store(ds, vf_add(old_ds, vf_mul(vf_mul(gi, wi), t)), m);
    vf_store(dw, vf_add(old_dw, vf_keep(keep, gi)), m);
}

static void rb_quantized_backward(size_t n, const float *g, const float *w, const float *s,
    const float *u, float *dw, float *ds, const nncf__fq *fq, double sums[3])
{
    const quantizer q = quantizer_load(fq);
    vd sum[3] = {vd_zero(), vd_zero(), vd_zero()};
    BLOCKS_OF_FOUR(n,
        rb_quantized_backward_block(
            g + i, w + i, s + i, u + i, dw + i, ds + i, &q, &t.inside[b], sum, m),
        vd_sum_four(&sum[0], t.inside));
    add_quantizer_sums(fq, sum, sums);
}
