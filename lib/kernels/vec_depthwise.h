/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of depthwise_padded.c and depthwise_lanes.c in vectors; included once by
 * vec_depthwise_3x3.h. ref_products.h defines what they compute. */
#ifndef NNCF__KERNELS_VEC_DEPTHWISE_H
#define NNCF__KERNELS_VEC_DEPTHWISE_H

#include "simd/vec.h"

/* ---- depthwise ---- */

/* Where lines are written past the caches, rows are whole lines. */
INLINE void put(float *z, vf x, size_t m, bool stream)
{
    if (m != LANES) {
        vf_store(z, x, m);
    } else if (stream) {
        EACH(k)
        nf_stream(z + k * WIDTH, x.p[k]);
    } else {
        vf_store(z, x, LANES);
    }
}

/* Is it three rows of three taps, `row` floats apart, and does the next row of the output lie one
 * or two of these on? */
INLINE int three_by_three(size_t in_step, size_t n_taps, const int64_t *offsets)
{
    if (n_taps != 9)
        return 0;
    int64_t row = offsets[3] - offsets[0];
    for (int t = 3; t < 9; t++)
        if (offsets[t] != offsets[t % 3] + t / 3 * row)
            return 0;
    return (int64_t)in_step == row ? 1 : (int64_t)in_step == 2 * row ? 2 : 0;
}

/* The compiler may not see through this pointer: else it carries one for every row, more than there
 * are registers. */
#define KEEP(pointer) __asm__("" : "+r"(pointer))

enum { BLOCK_ROWS = PARTS == 1 ? 7 : 2 };

/* n rows of the output at once: a row of the source is loaded once for all of them. Terms are added
 * in the order of the taps, as everywhere. */
INLINE void depthwise_rows(int n, int stride, size_t cols, const float *in, const int64_t *offsets,
    const float *w, vf scale, vf bias, float *z, size_t z_step, bool stream)
{
    const int64_t row = offsets[3] - offsets[0];
    vf factor[9];
#pragma GCC unroll 9
    for (int t = 0; t < 9; t++)
        factor[t] = vf_set(w[t]);
    for (size_t x = 0; x < cols; x += LANES) {
        vf sum[BLOCK_ROWS];
        const float *from = in + x;
#pragma GCC unroll 8
        for (int r = 0; r < n; r++)
            sum[r] = vf_set(0.0f);
#pragma GCC unroll 16
        for (int i = 0; i < (n - 1) * stride + 3; i++, from += row) {
            KEEP(from);
            vf v[3];
#pragma GCC unroll 3
            for (int t = 0; t < 3; t++)
                v[t] = vf_load(from + offsets[t], LANES);
#pragma GCC unroll 8
            for (int r = 0; r < n; r++)
                if (i >= r * stride && i < r * stride + 3)
#pragma GCC unroll 3
                    for (int t = 0; t < 3; t++)
                        sum[r] = vf_add(sum[r], vf_mul(factor[(i - r * stride) * 3 + t], v[t]));
        }
        size_t m = cols - x < LANES ? cols - x : LANES;
#pragma GCC unroll 8
        for (int r = 0; r < n; r++)
            put(z + (size_t)r * z_step + x, vf_add(vf_mul(sum[r], scale), bias), m, stream);
    }
}

INLINE void depthwise_plane(int stride, size_t rows, size_t cols, const float *in, size_t in_step,
    const int64_t *offsets, const float *w, vf scale, vf bias, float *z, size_t z_step, bool stream)
{
    size_t y = 0;
    for (; y + BLOCK_ROWS <= rows; y += BLOCK_ROWS)
        depthwise_rows(BLOCK_ROWS, stride, cols, in + y * in_step, offsets, w, scale, bias,
            z + y * z_step, z_step, stream);
#if PARTS == 1
    for (; y + 3 <= rows; y += 3)
        depthwise_rows(3, stride, cols, in + y * in_step, offsets, w, scale, bias, z + y * z_step,
            z_step, stream);
#endif
    for (; y < rows; y++)
        depthwise_rows(1, stride, cols, in + y * in_step, offsets, w, scale, bias, z + y * z_step,
            z_step, stream);
}

INLINE vf depthwise_sum(const float *in, size_t n_taps, const int64_t *offsets, const float *w)
{
    vf sum = vf_set(0.0f);
#pragma GCC unroll 4
    for (size_t t = 0; t < n_taps; t++)
        sum = vf_add(sum, vf_mul(vf_set(w[t]), vf_load(in + offsets[t], LANES)));
    return sum;
}

static void depthwise_forward(size_t rows, size_t cols, const float *in, size_t in_step,
    size_t n_taps, const int64_t *offsets, const float *w, float scale, float bias, float *z,
    size_t z_step, bool stream)
{
    const vf factor = vf_set(scale), shift = vf_set(bias);
    switch (three_by_three(in_step, n_taps, offsets)) {
    case 1:
        depthwise_plane(1, rows, cols, in, in_step, offsets, w, factor, shift, z, z_step, stream);
        return;
    case 2:
        depthwise_plane(2, rows, cols, in, in_step, offsets, w, factor, shift, z, z_step, stream);
        return;
    default:
        break;
    }
    for (size_t y = 0; y < rows; y++, in += in_step, z += z_step)
        for (size_t x = 0; x < cols; x += LANES) {
            vf sum = depthwise_sum(in + x, n_taps, offsets, w);
            put(z + x, vf_add(vf_mul(sum, factor), shift), cols - x < LANES ? cols - x : LANES,
                stream);
        }
}

#define ZIP_LOW(l, d)  ((l) % 2 * WIDTH + (l) / 2)
#define ZIP_HIGH(l, d) ((l) % 2 * WIDTH + WIDTH / 2 + (l) / 2)

/* Sixteen of each, alternating: two vectors, of which `count` floats are wanted. */
INLINE void put_pairs(float *z, vf even, vf odd, size_t count, bool stream)
{
    vf pair[2];
    EACH(k)
    {
        square_row a, b, low, high;
        memcpy(&a, &even.p[k], sizeof a);
        memcpy(&b, &odd.p[k], sizeof b);
        low = SHUFFLE(a, b, INDEX(ZIP_LOW, 0));
        high = SHUFFLE(a, b, INDEX(ZIP_HIGH, 0));
        memcpy(&pair[2 * k / PARTS].p[2 * k % PARTS], &low, sizeof low);
        memcpy(&pair[(2 * k + 1) / PARTS].p[(2 * k + 1) % PARTS], &high, sizeof high);
    }
    put(z, pair[0], count < LANES ? count : LANES, stream);
    if (count > LANES)
        put(z + LANES, pair[1], count < 2 * LANES ? count - LANES : LANES, stream);
}

INLINE void pair_rows(size_t rows, size_t cols, const float *in, size_t in_step, size_t n_even,
    size_t n_odd, const int64_t *offsets, const float *w, float *z, size_t z_step, bool stream)
{
    for (size_t y = 0; y < rows; y++, in += in_step, z += z_step)
        for (size_t x = 0; x < cols; x += 2 * LANES) {
            vf even = depthwise_sum(in + x / 2, n_even, offsets, w);
            vf odd = depthwise_sum(in + x / 2, n_odd, offsets + n_even, w + n_even);
            put_pairs(z + x, even, odd, cols - x < 2 * LANES ? cols - x : 2 * LANES, stream);
        }
}

static void depthwise_pairs(size_t rows, size_t cols, const float *in, size_t in_step,
    size_t n_even, size_t n_odd, const int64_t *offsets, const float *w, float *z, size_t z_step,
    bool stream)
{
    /* The input gradient of 3 x 3 at stride 2 and padding 1. */
    if (n_even == 1 && n_odd == 2)
        pair_rows(rows, cols, in, in_step, 1, 2, offsets, w, z, z_step, stream);
    else if (n_even == 2 && n_odd == 4)
        pair_rows(rows, cols, in, in_step, 2, 4, offsets, w, z, z_step, stream);
    else
        pair_rows(rows, cols, in, in_step, n_even, n_odd, offsets, w, z, z_step, stream);
}

/* m <= WIDTH floats of as many that may all be read; zeros for the others, which may be anything.
 */
INLINE nf load_live_part(const float *x, size_t m)
{
#if MASKED_ACCESS
    return nf_load_part(x, m);
#else
    return m == WIDTH ? nf_load(x) : nf_keep(nm_first(m), nf_load(x));
#endif
}

/* The same of 16. */
INLINE vf load_live(const float *x, size_t m)
{
    vf r;
    EACH(k)
    r.p[k] = load_live_part(x + k * WIDTH, part_count(m, k));
    return r;
}

/* terms of taps 3 * row .. 3 * row + 2 */
INLINE void add_row(nf sum[9], int row, nf g, const nf v[3])
{
#pragma GCC unroll 3
    for (int t = 0; t < 3; t++)
        sum[3 * row + t] = nf_add(sum[3 * row + t], nf_mul(g, v[t]));
}

INLINE void load_three(nf v[3], const float *in, const int64_t *offsets, size_t m)
{
#pragma GCC unroll 3
    for (int t = 0; t < 3; t++)
        v[t] = load_live_part(in + offsets[t], m);
}

/* Three by three on the columns of one machine vector, down the rows: a row of the source is loaded
 * once and meets the gradients of up to three rows, which stay in registers, as the sums do. */
INLINE void weight_column(int stride, size_t rows, size_t m, const float *in, int64_t row,
    const int64_t *offsets, const float *dz, size_t dz_step, nf sum[9])
{
    nf v[3], g = nf_load_part(dz, m), above = g, before;
    load_three(v, in, offsets, m);
    add_row(sum, 0, g, v);
    if (stride == 2) {
        for (size_t y = 0;;) {
            load_three(v, in + row, offsets, m);
            add_row(sum, 1, g, v);
            load_three(v, in += 2 * row, offsets, m);
            add_row(sum, 2, g, v);
            if (++y == rows)
                return;
            g = nf_load_part(dz += dz_step, m);
            add_row(sum, 0, g, v);
        }
    }
    load_three(v, in += row, offsets, m);
    if (rows > 1) {
        g = nf_load_part(dz += dz_step, m);
        add_row(sum, 0, g, v);
    }
    add_row(sum, 1, above, v);
    before = above;
    above = g;
    for (size_t y = 2; y < rows; y++) {
        load_three(v, in += row, offsets, m);
        g = nf_load_part(dz += dz_step, m);
        add_row(sum, 0, g, v);
        add_row(sum, 1, above, v);
        add_row(sum, 2, before, v);
        before = above;
        above = g;
    }
    load_three(v, in += row, offsets, m);
    if (rows > 1) {
        add_row(sum, 1, above, v);
        add_row(sum, 2, before, v);
        load_three(v, in + row, offsets, m);
        add_row(sum, 2, above, v);
    } else {
        add_row(sum, 2, before, v);
    }
}

INLINE void lanes_add(const vf *sum, size_t n_taps, double (*lanes)[16])
{
    for (size_t t = 0; t < n_taps; t++) {
        float lane[LANES];
        vf_store(lane, sum[t], LANES);
        for (size_t i = 0; i < LANES; i++)
            lanes[t][i] += (double)lane[i];
    }
}

INLINE void weight_columns(int stride, size_t rows, size_t cols, const float *in,
    const int64_t *offsets, const float *dz, size_t dz_step, double (*lanes)[16])
{
    const int64_t row = offsets[3] - offsets[0];
    vf sum[9];
    EACH(k)
    {
        nf part[9];
#pragma GCC unroll 9
        for (int t = 0; t < 9; t++)
            part[t] = nf_set(0.0f);
        size_t x = (size_t)k * WIDTH;
        for (; x + WIDTH <= cols; x += LANES)
            weight_column(stride, rows, WIDTH, in + x, row, offsets, dz + x, dz_step, part);
        if (x < cols)
            weight_column(stride, rows, cols - x, in + x, row, offsets, dz + x, dz_step, part);
#pragma GCC unroll 9
        for (int t = 0; t < 9; t++)
            sum[t].p[k] = part[t];
    }
    lanes_add(sum, 9, lanes);
}

/* Any one tap. */
INLINE void weight_tap(size_t rows, size_t cols, const float *in, size_t in_step, const float *dz,
    size_t dz_step, double (*lanes)[16])
{
    vf sum = vf_set(0.0f);
    for (size_t x = 0; x < cols; x += LANES) {
        size_t m = cols - x < LANES ? cols - x : LANES;
        for (size_t y = 0; y < rows; y++)
            sum = vf_add(
                sum, vf_mul(vf_load(dz + y * dz_step + x, m), load_live(in + y * in_step + x, m)));
    }
    lanes_add(&sum, 1, lanes);
}

static void depthwise_weight(size_t rows, size_t cols, const float *in, size_t in_step,
    size_t n_taps, const int64_t *offsets, const float *dz, size_t dz_step, double (*lanes)[16])
{
    int stride = rows > 0 && cols > 0 ? three_by_three(in_step, n_taps, offsets) : 0;
    if (stride == 1)
        weight_columns(1, rows, cols, in, offsets, dz, dz_step, lanes);
    else if (stride == 2)
        weight_columns(2, rows, cols, in, offsets, dz, dz_step, lanes);
    for (size_t t = 0; stride == 0 && t < n_taps; t++)
        weight_tap(rows, cols, in + offsets[t], in_step, dz, dz_step, lanes + t);
}

/* ---- depthwise, sixteen channels side by side: a vector is a pixel ---- */

INLINE void lanes_row(size_t cols, const float *in, size_t in_col, size_t n_taps,
    const int64_t *offsets, const float *w, vf scale, vf bias, float *z, size_t z_col)
{
    vf factor[9];
    bool in_registers = n_taps <= 9;
#pragma GCC unroll 9
    for (size_t t = 0; in_registers && t < n_taps; t++)
        factor[t] = vf_load(w + t * LANES, LANES);
    for (size_t x = 0; x < cols; x++, in += in_col, z += z_col) {
        vf sum = vf_set(0.0f);
#pragma GCC unroll 9
        for (size_t t = 0; t < n_taps; t++)
            sum = vf_add(sum,
                vf_mul(in_registers ? factor[t] : vf_load(w + t * LANES, LANES),
                    vf_load(in + offsets[t], LANES)));
        vf_store(z, vf_add(vf_mul(sum, scale), bias), LANES);
    }
}

static void depthwise_lanes_forward(size_t rows, size_t cols, const float *in, size_t in_row,
    size_t in_col, size_t n_taps, const int64_t *offsets, const float *w, const float *scale,
    const float *bias, float *z, size_t z_row, size_t z_col)
{
    const vf factor = vf_load(scale, LANES), shift = vf_load(bias, LANES);
    for (size_t y = 0; y < rows; y++, in += in_row, z += z_row) {
        if (n_taps == 9)
            lanes_row(cols, in, in_col, 9, offsets, w, factor, shift, z, z_col);
        else if (n_taps == 4)
            lanes_row(cols, in, in_col, 4, offsets, w, factor, shift, z, z_col);
        else if (n_taps == 2)
            lanes_row(cols, in, in_col, 2, offsets, w, factor, shift, z, z_col);
        else if (n_taps == 1)
            lanes_row(cols, in, in_col, 1, offsets, w, factor, shift, z, z_col);
        else
            lanes_row(cols, in, in_col, n_taps, offsets, w, factor, shift, z, z_col);
    }
}

INLINE void lanes_weight_taps(size_t rows, size_t cols, const float *in, size_t in_row,
    size_t in_col, size_t n_taps, const int64_t *offsets, const float *dz, double (*lanes)[16])
{
    vf sum[9];
#pragma GCC unroll 9
    for (size_t t = 0; t < n_taps; t++)
        sum[t] = vf_set(0.0f);
    for (size_t y = 0; y < rows; y++, in += in_row)
        for (size_t x = 0; x < cols; x++, dz += LANES) {
            vf g = vf_load(dz, LANES);
#pragma GCC unroll 9
            for (size_t t = 0; t < n_taps; t++)
                sum[t] = vf_add(sum[t], vf_mul(g, vf_load(in + x * in_col + offsets[t], LANES)));
        }
    lanes_add(sum, n_taps, lanes);
}

static void depthwise_lanes_weight(size_t rows, size_t cols, const float *in, size_t in_row,
    size_t in_col, size_t n_taps, const int64_t *offsets, const float *dz, double (*lanes)[16])
{
    size_t t = 0;
    for (; t + 9 <= n_taps; t += 9)
        lanes_weight_taps(rows, cols, in, in_row, in_col, 9, offsets + t, dz, lanes + t);
    for (; t < n_taps; t++)
        lanes_weight_taps(rows, cols, in, in_row, in_col, 1, offsets + t, dz, lanes + t);
}

#endif
