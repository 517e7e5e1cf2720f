/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of binarization, on the vectors of vec.h; included by vec_elementwise.h. */

/* Sums are of -|x|, an operation less for each. */
INLINE void sum_abs_block(const float *x, vd *sum, size_t m)
{
    vd_sum(sum, vf_minus_abs(vf_load(x, m)), m);
}

static void sum_abs(size_t n, const float *x, double sum[1])
{
    vd total = vd_zero();
    BLOCKS(n, (fetch_ahead(x, i), sum_abs_block(x + i, &total, m)));
    sum[0] -= vd_total(total.p);
}

static void binarize(size_t n, const float *x, float t, float above, float below, float *y)
{
    const vf limit = vf_set(t), high = vf_set(above), low = vf_set(below);
    BLOCKS(n, vf_store(y + i, vf_select(vf_less(limit, vf_load(x + i, m)), high, low), m));
}

static void binarize_codes(
    size_t n, const float *x, float t, int32_t above, int32_t below, uint8_t *y)
{
    const vf limit = vf_set(t), high = vf_set((float)above + ROUND_MAGIC),
             low = vf_set((float)below + ROUND_MAGIC);
    BLOCKS(n,
        (fetch_ahead(x, i),
            vf_store_low_bytes(y + i, vf_select(vf_less(limit, vf_load(x + i, m)), high, low), m)));
}

typedef struct binarizer {
    vf t, scale, zero, one;
} binarizer;

INLINE vf binarize_gradient(
    vf x, vf dy, const binarizer *b, vf *of_scale, vf *of_threshold, size_t m)
{
    const vm above = vf_less(b->scale, x), below = vf_less(x, b->zero);
    const vf y = vf_keep(vf_less(b->t, x), b->scale),
             error = vf_select(above, b->one, vf_div(vf_sub(y, x), b->scale));
    *of_scale = vf_live(vf_mul(dy, error), m);
    *of_threshold = vf_live(vf_keep(vm_and(vf_less(b->zero, x), vf_less(x, b->scale)), dy), m);
    return vf_drop(vm_or(above, below), dy);
}

static void binarize_backward(
    size_t n, const float *x, const float *dy, float limit, float scale, float *dx, double sums[2])
{
    const binarizer constants = {vf_set(limit), vf_set(scale), vf_set(0.0f), vf_set(1.0f)};
    vd sum[2] = {vd_zero(), vd_zero()};
    BLOCKS_OF_FOUR(n,
        vf_store(dx + i,
            binarize_gradient(
                vf_load(x + i, m), vf_load(dy + i, m), &constants, &t.inside[b], &t.gradient[b], m),
            m),
        (vd_sum_four(&sum[0], t.inside), vd_sum_four(&sum[1], t.gradient)));
    for (int k = 0; k < 2; k++)
        sums[k] += vd_total(sum[k].p);
}

INLINE uint64_t signs_block(const float *x, bool wants_sum, vd *sum, size_t m)
{
    const vf v = vf_load(x, m);
    if (wants_sum)
        vd_sum(sum, vf_minus_abs(v), m);
    return vm_mask(vf_less(vf_set(0.0f), v));
}

INLINE void signs_loop(size_t n, const float *x, uint64_t *words, bool wants_sum, vd *total)
{
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t word = 0;
        for (size_t b = 0; b < 64; b += LANES) {
            fetch_ahead(x, i + b);
            word |= signs_block(x + i + b, wants_sum, total, LANES) << b;
        }
        words[i / 64] = word;
    }
    if (i < n)
        words[i / 64] = 0;
    for (size_t b = 0; i + b < n; b += LANES)
        words[i / 64] |=
            signs_block(x + i + b, wants_sum, total, n - i - b < LANES ? n - i - b : LANES) << b;
}

static void signs(size_t n, const float *x, uint64_t *words, double sum[1])
{
    vd total = vd_zero();
    if (!sum) {
        signs_loop(n, x, words, false, &total);
        return;
    }
    signs_loop(n, x, words, true, &total);
    sum[0] -= vd_total(total.p);
}

/* Bits of up to 32 channels: bit c of each lane. */
INLINE void bits_block(const float *x, size_t n_channels, int64_t channel_stride, const float *t,
    uint32_t to[LANES], size_t m)
{
    nw bits[PARTS];
    EACH(k)
    bits[k] = nw_zero();
    for (size_t c = 0; c < n_channels; c++, x += channel_stride) {
        const vm above = vf_less(vf_set(t[c]), vf_load(x, m));
        EACH(k)
        bits[k] = nw_mark(bits[k], above.p[k], 1u << c);
    }
    EACH(k)
    nw_store(to + k * WIDTH, bits[k]);
}

INLINE void binarize_bits_block(const float *x, size_t n_channels, int64_t channel_stride,
    const float *t, uint64_t *words, size_t m)
{
    uint32_t low[LANES], high[LANES] = {0};
    bits_block(x, n_channels < 32 ? n_channels : 32, channel_stride, t, low, m);
    if (n_channels > 32)
        bits_block(x + 32 * channel_stride, n_channels - 32, channel_stride, t + 32, high, m);
    for (size_t i = 0; i < m; i++)
        words[i] = low[i] | (uint64_t)high[i] << 32;
}

static void binarize_bits(size_t n, size_t n_channels, const float *x, int64_t channel_stride,
    const float *t, uint64_t *words)
{
    BLOCKS(n, binarize_bits_block(x + i, n_channels, channel_stride, t, words + i, m));
}
