/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of pixel_product.c and depthwise.c in vectors; included once by vec_elementwise.h,
 * that is once an ISA. ref_products.h defines what they compute. */
#ifndef NNCF__KERNELS_VEC_PRODUCTS_H
#define NNCF__KERNELS_VEC_PRODUCTS_H

#include "simd/vec.h"

#include "kernels/vec_micro.h"

/* ---- moving floats ---- */

typedef float square_row __attribute__((vector_size(4 * WIDTH)));
#ifdef __clang__
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int square_index __attribute__((vector_size(4 * WIDTH)));
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (square_index){__VA_ARGS__})
#endif

#define MOVE(to, from, count) memcpy((to), (from), (count) * sizeof(float))

INLINE square_row load_first(const float *src, size_t m)
{
    square_row r;
#if MASKED_ACCESS
    nf part = nf_load_first(src, m);
    memcpy(&r, &part, sizeof r);
#else
    float part[WIDTH] = {0};
    MOVE(part, src, m);
    memcpy(&r, part, sizeof r);
#endif
    return r;
}

INLINE void store_first(float *dst, const square_row *row, size_t m)
{
#if MASKED_ACCESS
    nf part;
    memcpy(&part, row, sizeof part);
    nf_store_first(dst, part, m);
#else
    MOVE(dst, row, m);
#endif
}

/* Short runs by two moves that overlap: no loop, nothing outside the run is touched. */
INLINE void copy_run(float *to, const float *from, size_t n)
{
    if (n >= 16) {
        for (size_t i = 0; i + 16 < n; i += 16)
            vf_store(to + i, vf_load(from + i, LANES), LANES);
        vf_store(to + n - 16, vf_load(from + n - 16, LANES), LANES);
#if MASKED_ACCESS && WIDTH == 16
    } else {
        nf_store_first(to, nf_load_first(from, n), n);
    }
#else
    } else if (n >= 8) {
        MOVE(to, from, 8);
        MOVE(to + n - 8, from + n - 8, 8);
    } else if (n >= 4) {
        MOVE(to, from, 4);
        MOVE(to + n - 4, from + n - 4, 4);
    } else if (n >= 2) {
        MOVE(to, from, 2);
        to[n - 1] = from[n - 1];
    } else if (n == 1) {
        to[0] = from[0];
    }
#endif
}

#define EVEN(l, d)    2 * (l) + ((l) < WIDTH / 2 ? 0 : 1)
#define FOUR(f, l, d) f(l, d), f(l + 1, d), f(l + 2, d), f(l + 3, d)
#if WIDTH == 16
#define INDEX(f, d) FOUR(f, 0, d), FOUR(f, 4, d), FOUR(f, 8, d), FOUR(f, 12, d)
#elif WIDTH == 8
#define INDEX(f, d) FOUR(f, 0, d), FOUR(f, 4, d)
#else
#define INDEX(f, d) FOUR(f, 0, d)
#endif

/* WIDTH of every second float: the second vector begins one float early, so as to end with the last
 * that is wanted. */
INLINE void copy_second(float *to, const float *from)
{
    square_row a, b;
    MOVE(&a, from, WIDTH);
    MOVE(&b, from + WIDTH - 1, WIDTH);
    a = SHUFFLE(a, b, INDEX(EVEN, 0));
    MOVE(to, &a, WIDTH);
}

#if WIDTH == 8
typedef float four_floats __attribute__((vector_size(16)));
typedef int four_places __attribute__((vector_size(16)));

/* Four of them. */
INLINE void copy_second_of_four(float *to, const float *from)
{
    four_floats a, b;
    MOVE(&a, from, 4);
    MOVE(&b, from + 3, 4);
#ifdef __clang__
    a = __builtin_shufflevector(a, b, 0, 2, 5, 7);
#else
    a = __builtin_shuffle(a, b, (four_places){0, 2, 5, 7});
#endif
    MOVE(to, &a, 4);
}
#endif

INLINE void copy_strided(float *to, const float *from, size_t n, int64_t step)
{
    if (step == 2 && n >= WIDTH) {
        for (size_t i = 0; i + WIDTH < n; i += WIDTH)
            copy_second(to + i, from + 2 * i);
        copy_second(to + n - WIDTH, from + 2 * (n - WIDTH));
        return;
    }
#if WIDTH == 8
    if (step == 2 && n >= 4) {
        copy_second_of_four(to, from);
        copy_second_of_four(to + n - 4, from + 2 * (n - 4));
        return;
    }
#endif
#if MASKED_ACCESS
    if (step == 2 && n > 0) {
        square_row a = load_first(from, 2 * n - 1 < WIDTH ? 2 * n - 1 : WIDTH), b = {0};
        if (2 * n > WIDTH)
            b = load_first(from + WIDTH - 1, 2 * n - WIDTH);
        a = SHUFFLE(a, b, INDEX(EVEN, 0));
        store_first(to, &a, n);
        return;
    }
#endif
    for (size_t i = 0; i < n; i++)
        to[i] = from[(int64_t)i * step];
}

/* One segment of every channel: its length is the same for all, so it is looked at once. */
INLINE void copy_part(size_t n_channels, const float *src, int64_t channel_stride, float *dst,
    size_t dst_stride, size_t n)
{
    for (size_t c = 0; c < n_channels; c++)
        copy_run(dst + c * dst_stride, src + (int64_t)c * channel_stride, n);
}

static void copy_segment(size_t n_channels, const float *src, int64_t channel_stride, float *dst,
    size_t dst_stride, size_t n)
{
    switch (n) { /* constants: the copy is a few moves */
    case 32:
        copy_part(n_channels, src, channel_stride, dst, dst_stride, 32);
        return;
    case 16:
        copy_part(n_channels, src, channel_stride, dst, dst_stride, 16);
        return;
    case 8:
        copy_part(n_channels, src, channel_stride, dst, dst_stride, 8);
        return;
    case 4:
        copy_part(n_channels, src, channel_stride, dst, dst_stride, 4);
        return;
    default:
        copy_part(n_channels, src, channel_stride, dst, dst_stride, n);
    }
}

/* Padding: mostly one float, beside a row. */
INLINE void zero_part(size_t n_channels, float *dst, size_t dst_stride, size_t n)
{
    if (n == 1)
        for (size_t c = 0; c < n_channels; c++)
            dst[c * dst_stride] = 0.0f;
#if MASKED_ACCESS
    else if (n < WIDTH)
        for (size_t c = 0; c < n_channels; c++)
            nf_store_first(dst + c * dst_stride, nf_set(0.0f), n);
#endif
    else
        for (size_t c = 0; c < n_channels; c++)
            memset(dst + c * dst_stride, 0, n * sizeof *dst);
}

static void gemm_gather(size_t n_channels, const float *src, int64_t channel_stride, int64_t step,
    size_t n_segments, const nncf__segment *segments, float *dst, size_t dst_stride)
{
    for (size_t j = 0; j < n_segments; j++) {
        size_t n = (size_t)segments[j].length;
        float *to = dst + segments[j].dst;
        if (segments[j].src < 0)
            zero_part(n_channels, to, dst_stride, n);
        else if (step == 1)
            copy_segment(n_channels, src + segments[j].src, channel_stride, to, dst_stride, n);
        else
            for (size_t c = 0; c < n_channels; c++)
                copy_strided(to + c * dst_stride,
                    src + segments[j].src + (int64_t)c * channel_stride, n, step);
    }
}

/* Bytes: one vector of WIDTH at a time, the last one overlaps the one before. */
INLINE nf scale_bytes(nf x, const nncf__dequant *b)
{
    return nf_mul(nf_sub(x, nf_set(b->offset)), nf_set(b->scale));
}

INLINE void widen_run(float *to, const uint8_t *from, size_t n, const nncf__dequant *b)
{
    if (n >= WIDTH) {
        for (size_t i = 0; i + WIDTH < n; i += WIDTH)
            nf_store(to + i, scale_bytes(nf_bytes(from + i, b->flip), b));
        nf_store(to + n - WIDTH, scale_bytes(nf_bytes(from + n - WIDTH, b->flip), b));
        return;
    }
#if MASKED_ACCESS
    nf_store_first(to, scale_bytes(nf_bytes_first(from, n, b->flip), b), n);
#else
    for (size_t i = 0; i < n; i++)
        to[i] = ((float)(from[i] ^ b->flip) - b->offset) * b->scale;
#endif
}

/* Every second byte: see copy_second about the end. */
INLINE void widen_strided(
    float *to, const uint8_t *from, size_t n, int64_t step, const nncf__dequant *b)
{
    if (step == 2 && n > WIDTH) {
        for (size_t i = 0; i + WIDTH < n; i += WIDTH)
            nf_store(to + i, scale_bytes(nf_second_bytes(from + 2 * i, 0, b->flip), b));
        nf_store(to + n - WIDTH,
            scale_bytes(nf_second_bytes(from + 2 * (n - WIDTH) - 1, 1, b->flip), b));
        return;
    }
#if MASKED_ACCESS
    if (step == 2 && n > 0) {
        nf_store_first(to, scale_bytes(nf_second_bytes_first(from, n, b->flip), b), n);
        return;
    }
#endif
    for (size_t i = 0; i < n; i++)
        to[i] = ((float)(from[(int64_t)i * step] ^ b->flip) - b->offset) * b->scale;
}

INLINE void widen_part(size_t n_channels, const uint8_t *src, int64_t channel_stride, float *dst,
    size_t dst_stride, size_t n, const nncf__dequant *b)
{
    for (size_t c = 0; c < n_channels; c++)
        widen_run(dst + c * dst_stride, src + (int64_t)c * channel_stride, n, b);
}

static void gemm_gather_bytes(size_t n_channels, const uint8_t *src, int64_t channel_stride,
    int64_t step, size_t n_segments, const nncf__segment *segments, const nncf__dequant *bytes,
    float *dst, size_t dst_stride)
{
    const nncf__dequant b = *bytes;
    for (size_t j = 0; j < n_segments; j++) {
        size_t n = (size_t)segments[j].length;
        const uint8_t *from = src + segments[j].src;
        float *to = dst + segments[j].dst;
        if (segments[j].src < 0)
            zero_part(n_channels, to, dst_stride, n);
        else if (step != 1)
            for (size_t c = 0; c < n_channels; c++)
                widen_strided(to + c * dst_stride, from + (int64_t)c * channel_stride, n, step, &b);
        else if (n == 2 * WIDTH) /* a panel's width, known when compiling */
            widen_part(n_channels, from, channel_stride, to, dst_stride, 2 * WIDTH, &b);
        else
            widen_part(n_channels, from, channel_stride, to, dst_stride, n, &b);
    }
}

INLINE vf round_codes(vf x, vf inverse)
{
    const vf magic = vf_set(ROUND_MAGIC);
    return vf_sub(vf_add(vf_mul(x, inverse), magic), magic);
}

static void gemm_quantize_inplace(size_t n, float *x, float inverse)
{
    const vf factor = vf_set(inverse);
    BLOCKS(n, vf_store(x + i, round_codes(vf_load(x + i, m), factor), m));
}

/* ---- transposition: squares of WIDTH ---- */

/* Swap blocks of d x d: lane l of the upper row keeps l where bit d of l is clear, else takes lane
 * l - d of the lower row; the lower row takes l + d of the upper row where the bit is clear. */
#define UPPER(l, d) ((l) & (d) ? WIDTH + (l) - (d) : (l))
#define LOWER(l, d) ((l) & (d) ? WIDTH + (l) : (l) + (d))
#define SWAP_BLOCKS(r, d)                                                                          \
    _Pragma("GCC unroll 16") for (int i = 0; i < WIDTH; i++) if (!(i & (d)))                       \
    {                                                                                              \
        square_row upper = (r)[i], lower = (r)[i + (d)];                                           \
        (r)[i] = SHUFFLE(upper, lower, INDEX(UPPER, d));                                           \
        (r)[i + (d)] = SHUFFLE(upper, lower, INDEX(LOWER, d));                                     \
    }

INLINE void transpose_square(square_row r[WIDTH])
{
#if WIDTH == 16
    SWAP_BLOCKS(r, 8)
#endif
#if WIDTH >= 8
    SWAP_BLOCKS(r, 4)
#endif
    SWAP_BLOCKS(r, 2)
    SWAP_BLOCKS(r, 1)
}

/* `rows` rows of n <= WIDTH neighbours; `count` lanes of each column are wanted: known when
 * compiling but for odd tiles, as is n but for short rows. */
INLINE void move_square(const float *src, int64_t row_stride, size_t rows, size_t n, float *dst,
    size_t width, size_t count)
{
    square_row r[WIDTH];
#pragma GCC unroll 16
    for (size_t i = 0; i < WIDTH; i++) {
        if (i >= rows)
            r[i] = (square_row){0};
        else if (n == WIDTH)
            memcpy(&r[i], src + (int64_t)i * row_stride, sizeof r[i]);
        else
            r[i] = load_first(src + (int64_t)i * row_stride, n);
    }
    transpose_square(r);
#pragma GCC unroll 16
    for (size_t i = 0; i < WIDTH; i++)
        if (i < n) {
            if (count == WIDTH)
                MOVE(dst + i * width, &r[i], WIDTH);
            else if (count == 12 % WIDTH || count == 6 % WIDTH || count == 4 % WIDTH)
                MOVE(dst + i * width, &r[i], count % WIDTH);
            else
                store_first(dst + i * width, &r[i], count);
        }
}

INLINE void move_strip(const float *src, int64_t row_stride, size_t rows, size_t n, float *dst,
    size_t width, size_t count)
{
    if (n < WIDTH) {
        if (n > 0)
            move_square(src, row_stride, rows, n, dst, width, count);
        return;
    }
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH)
        move_square(src + i, row_stride, rows, WIDTH, dst + i * width, width, count);
    if (i < n) /* the last square overlaps the one before */
        move_square(
            src + n - WIDTH, row_stride, rows, WIDTH, dst + (n - WIDTH) * width, width, count);
}

static void transpose_strip(const float *src, int64_t row_stride, size_t rows, size_t n, float *dst,
    size_t width, size_t count)
{
    if (rows == WIDTH && count == WIDTH)
        move_strip(src, row_stride, WIDTH, n, dst, width, WIDTH);
    else if (count == WIDTH)
        move_strip(src, row_stride, rows, n, dst, width, WIDTH);
#if WIDTH == 16
    else if (count == 12)
        move_strip(src, row_stride, rows, n, dst, width, 12);
#endif
#if WIDTH >= 8
    else if (count == 6)
        move_strip(src, row_stride, rows, n, dst, width, 6);
    else if (count == 4)
        move_strip(src, row_stride, rows, n, dst, width, 4);
#endif
    else
        move_strip(src, row_stride, rows, n, dst, width, count);
}

static void gemm_transpose(
    size_t rows, size_t n, const float *src, int64_t row_stride, float *dst, size_t width)
{
    for (size_t r = 0; r < width; r += WIDTH) {
        if (width - r < WIDTH && r > 0) /* overlap here, too */
            r = width - WIDTH;
        size_t count = width < WIDTH ? width : WIDTH;
        size_t used = rows <= r ? 0 : rows - r < count ? rows - r : count;
        transpose_strip(src + (int64_t)r * row_stride, row_stride, used, n, dst + r, width, count);
    }
}

/* ---- dot products ---- */

/* Sums fill the register file: 4 x 6, or 4 x 4 where rows of b are left over, of 32 vectors; 3 x 4
 * of 16. */
enum { DOTS_A = WIDTH == 16 ? 4 : 3, DOTS_B = WIDTH == 16 ? 6 : 4, DOTS_FEW = 4 };

/* Rows i and i + d, folded in halves of d, become one. */
#define FOLD(r, d)                                                                                 \
    _Pragma("GCC unroll 8") for (int i = 0; i < (d); i++)                                          \
    {                                                                                              \
        square_row upper = (r)[i], lower = (r)[i + (d)];                                           \
        (r)[i] = SHUFFLE(upper, lower, INDEX(UPPER, d)) + SHUFFLE(upper, lower, INDEX(LOWER, d));  \
    }

/* to[l] = the sum of row l: whichever row it is, its lanes are added in the same order. */
INLINE void fold_square(square_row r[WIDTH], float *to)
{
#if WIDTH == 16
    FOLD(r, 8)
#endif
#if WIDTH >= 8
    FOLD(r, 4)
#endif
    FOLD(r, 2)
    FOLD(r, 1)
    MOVE(to, &r[0], WIDTH);
}

/* n_b and fetches are known when compiling. Rows that are not there are given as the last one, and
 * dropped. */
INLINE void dots_tile(size_t k, const float *const a[DOTS_A], const float *const b[DOTS_B], int n_b,
    bool fetches, int64_t ahead, float sums[2 * WIDTH])
{
    nf s[DOTS_A * DOTS_B];
#pragma GCC unroll 24
    for (int i = 0; i < DOTS_A * n_b; i++)
        s[i] = nf_set(0.0f);
    for (size_t p = 0; p < k; p += WIDTH) {
        nf x[DOTS_A];
#pragma GCC unroll 4
        for (int i = 0; i < DOTS_A; i++) {
            x[i] = nf_load(a[i] + p);
            if (fetches)
                __builtin_prefetch(a[i] + p + ahead, 0, 2);
        }
#pragma GCC unroll 6
        for (int j = 0; j < n_b; j++) {
            nf y = nf_load(b[j] + p);
#pragma GCC unroll 4
            for (int i = 0; i < DOTS_A; i++)
                s[i * n_b + j] = nf_multiply_add(x[i], y, s[i * n_b + j]);
        }
    }
#pragma GCC unroll 4
    for (int first = 0; first < DOTS_A * n_b; first += WIDTH) {
        square_row r[WIDTH];
#pragma GCC unroll 16
        for (int i = 0; i < WIDTH; i++) {
            if (first + i < DOTS_A * n_b)
                memcpy(&r[i], &s[first + i], sizeof r[i]);
            else
                r[i] = (square_row){0};
        }
        fold_square(r, sums + first);
    }
}

/* A strip of `used` <= n_b rows of b against all rows of a. */
INLINE void dots_strip(size_t k, const float *a, int64_t a_stride, size_t n_a, const float *b,
    int64_t b_stride, int n_b, size_t used, const nncf__dots_fetch *fetch, float *sums,
    int64_t sums_stride, bool add)
{
    const float *rows_a[DOTS_A], *rows_b[DOTS_B];
    for (int j = 0; j < n_b; j++)
        rows_b[j] = b + b_stride * ((size_t)j < used ? j : (int64_t)used - 1);
    for (size_t i = 0; i < n_a; i += DOTS_A) {
        size_t count = n_a - i < DOTS_A ? n_a - i : DOTS_A;
        for (size_t r = 0; r < DOTS_A; r++)
            rows_a[r] = a + a_stride * (int64_t)(i + (r < count ? r : count - 1));
        _Alignas(64) float tile[DOTS_A * DOTS_B + WIDTH];
        if (fetch && i / DOTS_A % fetch->of == fetch->turn)
            dots_tile(k, rows_a, rows_b, n_b, true, fetch->ahead, tile);
        else
            dots_tile(k, rows_a, rows_b, n_b, false, 0, tile);
        for (size_t r = 0; r < count; r++) {
            float *to = sums + (int64_t)(i + r) * sums_stride;
            const float *from = tile + r * (size_t)n_b;
            for (size_t j = 0; j < used; j++)
                to[j] = add ? to[j] + from[j] : from[j];
        }
    }
}

static void gemm_dots(size_t k, const float *a, int64_t a_stride, size_t n_a, const float *b,
    int64_t b_stride, size_t n_b, const nncf__dots_fetch *fetch, float *sums, int64_t sums_stride,
    bool add)
{
    for (size_t j = 0; j < n_b; fetch = NULL) {
        /* 16 rows are 6 + 6 + 4, 8 are 4 + 4: the others are rare. */
        size_t left = n_b - j, most = left % DOTS_B == 0 || left > 2 * DOTS_FEW ? DOTS_B : DOTS_FEW;
        size_t used = left < most ? left : most;
        const float *from = b + (int64_t)j * b_stride;
        if (most == DOTS_B)
            dots_strip(k, a, a_stride, n_a, from, b_stride, DOTS_B, used, fetch, sums + j,
                sums_stride, add);
        else
            dots_strip(k, a, a_stride, n_a, from, b_stride, DOTS_FEW, used, fetch, sums + j,
                sums_stride, add);
        j += used;
    }
}

/* ---- tiles ---- */

static void gemm_accumulate_f64(size_t n, const float *tile, double *sum, bool add)
{
    if (add)
        for (size_t i = 0; i < n; i++)
            sum[i] += (double)tile[i];
    else
        for (size_t i = 0; i < n; i++)
            sum[i] = (double)tile[i];
}

static void gemm_to_f32(size_t n, const double *sum, float *tile)
{
    for (size_t i = 0; i < n; i++)
        tile[i] = (float)sum[i];
}

/* Lanes [first, first + n) of WIDTH sums, scaled, of each row: straight from registers, as what has
 * just been stored in parts could not be loaded at once. */
INLINE void store_lanes(size_t s, size_t v, const float *tile, const float *scale,
    const float *bias, float *z, int64_t z_stride, size_t first, size_t n)
{
    for (size_t j = 0; j < s; j++, tile += v, z += z_stride) {
        nf x = nf_add(nf_mul(nf_load(tile), nf_set(scale[j])), nf_set(bias[j]));
        if (n == WIDTH)
            nf_store(z, x);
        else
            nf_store_lanes(z, x, first, n);
    }
}

#if MASKED_ACCESS && WIDTH == 16
static void store_second(size_t v, size_t s, const float *tile, const float *scale,
    const float *bias, float *z, int64_t z_stride, const nncf__segment *segments, size_t n_segments)
{
    for (size_t j = 0; j < s; j++, tile += v, z += z_stride) {
        const nf factor = nf_set(scale[j]), offset = nf_set(bias[j]);
        for (size_t p = 0; p < n_segments; p++) {
            float *to = z + segments[p].src;
            const float *from = tile + segments[p].dst;
            const size_t n = (size_t)segments[p].length;
            for (size_t i = 0; i < n; i += WIDTH) {
                const size_t m = n - i < WIDTH ? n - i : WIDTH;
                const nf x = nf_load_first(from + i, m);
                nf_store_second(to + 2 * i, nf_add(nf_mul(x, factor), offset), m);
            }
        }
    }
}
#endif

static void store_strided(size_t v, size_t s, const float *tile, const float *scale,
    const float *bias, float *z, int64_t z_stride, int64_t step, const nncf__segment *segments,
    size_t n_segments)
{
    for (size_t j = 0; j < s; j++, tile += v, z += z_stride)
        for (size_t p = 0; p < n_segments; p++) {
            float *to = z + segments[p].src;
            const float *from = tile + segments[p].dst;
            for (int64_t i = 0; i < segments[p].length; i++)
                to[i * step] = from[i] * scale[j] + bias[j];
        }
}

static void gemm_store(size_t v, size_t s, const float *tile, const float *scale, const float *bias,
    float *z, int64_t z_stride, int64_t step, const nncf__segment *segments, size_t n_segments)
{
#if MASKED_ACCESS && WIDTH == 16
    if (step == 2) {
        store_second(v, s, tile, scale, bias, z, z_stride, segments, n_segments);
        return;
    }
#endif
    if (step != 1 || v % WIDTH) {
        store_strided(v, s, tile, scale, bias, z, z_stride, step, segments, n_segments);
        return;
    }
    for (size_t p = 0; p < n_segments; p++) {
        size_t first = (size_t)segments[p].dst, end = first + (size_t)segments[p].length;
        for (size_t i = first / WIDTH * WIDTH; i < end; i += WIDTH) {
            size_t low = first > i ? first - i : 0, high = end - i < WIDTH ? end - i : WIDTH;
            store_lanes(s, v, tile + i, scale, bias,
                z + segments[p].src + ((int64_t)i - (int64_t)first), z_stride, low, high - low);
        }
    }
}

#include "kernels/vec_depthwise_3x3.h"

#endif
