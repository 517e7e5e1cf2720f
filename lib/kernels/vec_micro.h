/* SPDX-License-Identifier: Apache-2.0 */
/* The microkernel of products of floats, in vectors; included once by vec_products.h, that is once
 * an ISA. ref_products.h defines what it computes. */
#ifndef NNCF__KERNELS_VEC_MICRO_H
#define NNCF__KERNELS_VEC_MICRO_H

#include "simd/vec.h"

enum { TILE_S = REGISTERS == 32 ? 12 : 6, TILE_V = 2 * WIDTH };

static void gemm_tile(int32_t tile[2])
{
    tile[0] = TILE_V;
    tile[1] = TILE_S;
}

/* How far ahead rows of the pixels' panel are fetched. Panels lie one after the other, so that the
 * next one's first rows are there when it begins: what the processor fetches by itself comes late
 * then. With vectors of four floats a row takes long enough. */
enum { MICRO_AHEAD = WIDTH >= 8 ? 16 : 0 };

INLINE void fetch_row(const float *row)
{
    for (int i = 0; i < TILE_V; i += 16)
        __builtin_prefetch(row + i);
}

INLINE void micro_step(const float *row, const float *b, int s, nf low[TILE_S], nf high[TILE_S])
{
    nf a0 = nf_load(row), a1 = nf_load(row + WIDTH);
#pragma GCC unroll 12
    for (int j = 0; j < s; j++) {
        nf factor = nf_set(b[j]);
        low[j] = nf_multiply_add(a0, factor, low[j]);
        high[j] = nf_multiply_add(a1, factor, high[j]);
    }
}

/* What is added to the sums, and where they go: rows of a tile, which are fetched meanwhile. One by
 * one, as a core has a dozen lines or so on their way, and rows of panels have to wait then. Both
 * are nullable. */
typedef struct micro_rows {
    const float *c, *z;
    int64_t z_stride;
} micro_rows;

/* The sums fill the register file: 24 + 3 of 32, 12 + 3 of 16. s is known when compiling: a narrow
 * panel, the last one of a product, costs what it holds. So is whether there is a list of rows. */
INLINE void micro_sums(size_t k, const float *a, const uint16_t *rows, bool listed, const float *b,
    int s, micro_rows of_tile, nf low[TILE_S], nf high[TILE_S])
{
    enum { STEPS = 2 }; /* from one row of the tile to the next */
    /* few channels are multiplied faster than lines come; of a list the end is not known */
    const bool fetches = !listed && MICRO_AHEAD > 0 && 2 * s >= TILE_S;
#pragma GCC unroll 12
    for (int j = 0; j < s; j++)
        low[j] = high[j] = nf_set(0.0f);
    size_t p = 0;
    /* so few terms are done before a line is there */
    const size_t fetching = k < (size_t)(STEPS * TILE_S) ? 0 : (size_t)(STEPS * s);
    for (; p < fetching; b += STEPS * TILE_S) {
        if (of_tile.c) {
            fetch_row(of_tile.c);
            of_tile.c += TILE_V;
        }
        if (of_tile.z) {
            for (int i = 0; i < TILE_V; i += 16)
                __builtin_prefetch(of_tile.z + i, 1);
            __builtin_prefetch(of_tile.z + TILE_V - 1, 1);
            of_tile.z += of_tile.z_stride;
        }
#pragma GCC unroll 2
        for (int i = 0; i < STEPS; i++, p++) {
            const float *row = a + (listed ? (size_t)rows[p] : p) * TILE_V;
            if (fetches)
                fetch_row(row + MICRO_AHEAD * TILE_V);
            micro_step(row, b + i * TILE_S, s, low, high);
        }
    }
    for (; p < k; p++, b += TILE_S) {
        const float *row = a + (listed ? (size_t)rows[p] : p) * TILE_V;
        if (fetches)
            fetch_row(row + MICRO_AHEAD * TILE_V);
        micro_step(row, b, s, low, high);
    }
}

/* The sums of an earlier part of k. */
INLINE void tile_add(int s, const float *c, nf low[TILE_S], nf high[TILE_S])
{
#pragma GCC unroll 12
    for (int j = 0; j < s; j++, c += TILE_V) {
        low[j] = nf_add(nf_load(c), low[j]);
        high[j] = nf_add(nf_load(c + WIDTH), high[j]);
    }
}

INLINE void tile_put(int s, nf low[TILE_S], nf high[TILE_S], float *c, bool add)
{
    if (add)
        tile_add(s, c, low, high);
#pragma GCC unroll 12
    for (int j = 0; j < s; j++, c += TILE_V) {
        nf_store(c, low[j]);
        nf_store(c + WIDTH, high[j]);
    }
}

INLINE void micro_tile(size_t k, const float *a, const uint16_t *rows, bool listed, const float *b,
    int s, float *c, bool add)
{
    nf low[TILE_S], high[TILE_S];
    micro_sums(k, a, rows, listed, b, s, (micro_rows){.c = add ? c : NULL}, low, high);
    tile_put(s, low, high, c, add);
}

INLINE void micro_store(size_t k, const float *a, const uint16_t *rows, bool listed, const float *b,
    int s, const float *c, const float *scale, const float *bias, float *z, int64_t z_stride,
    bool stream)
{
    nf low[TILE_S], high[TILE_S];
    micro_sums(k, a, rows, listed, b, s,
        (micro_rows){.c = c, .z = stream ? NULL : z, .z_stride = z_stride}, low, high);
    if (c)
        tile_add(s, c, low, high);
#pragma GCC unroll 12
    for (int j = 0; j < s; j++) {
        nf factor = nf_set(scale[j]), offset = nf_set(bias[j]);
        low[j] = nf_add(nf_mul(low[j], factor), offset);
        high[j] = nf_add(nf_mul(high[j], factor), offset);
    }
#pragma GCC unroll 12
    for (int j = 0; j < s; j++, z += z_stride) {
        if (stream) {
            nf_stream(z, low[j]);
            nf_stream(z + WIDTH, high[j]);
        } else {
            nf_store(z, low[j]);
            nf_store(z + WIDTH, high[j]);
        }
    }
}

/* Adds k rows of a, `step` apart, times rows of b as they lie: four from one pointer, as there are
 * not enough for all. */
INLINE void rows_sums(size_t k, int64_t step, const float *a, const float *b, int64_t b_stride,
    int s, nf low[TILE_S], nf high[TILE_S])
{
    const float *four[(TILE_S + 3) / 4];
#pragma GCC unroll 3
    for (int j = 0; j < (s + 3) / 4; j++)
        four[j] = b + 4 * j * b_stride;
    for (size_t p = 0; p < k; p++, a += step * TILE_V) {
        nf a0 = nf_load(a), a1 = nf_load(a + WIDTH);
#pragma GCC unroll 12
        for (int j = 0; j < s; j++) {
            nf factor = nf_set(four[j / 4][j % 4 * b_stride + (int64_t)p]);
            low[j] = nf_multiply_add(a0, factor, low[j]);
            high[j] = nf_multiply_add(a1, factor, high[j]);
        }
    }
}

INLINE void rows_store(size_t k, const float *a, const float *b, int64_t b_stride, int s,
    const float *c, float factor, const float *bias, float *z, int64_t z_stride)
{
    nf low[TILE_S], high[TILE_S], times = nf_set(factor);
#pragma GCC unroll 12
    for (int j = 0; j < s; j++)
        low[j] = high[j] = nf_set(0.0f);
    rows_sums(k, 1, a, b, b_stride, s, low, high);
    if (c)
        tile_add(s, c, low, high);
#pragma GCC unroll 12
    for (int j = 0; j < s; j++, z += z_stride) {
        low[j] = nf_mul(low[j], times);
        high[j] = nf_mul(high[j], times);
        if (bias) {
            low[j] = nf_add(low[j], nf_load(bias));
            high[j] = nf_add(high[j], nf_load(bias + WIDTH));
        }
        nf_store(z, low[j]);
        nf_store(z + WIDTH, high[j]);
    }
}

/* The tile of sums is on its way while they are made. */
INLINE void rows_runs(size_t n_runs, const nncf__segment *runs, int64_t step, const float *a,
    const float *b, int64_t b_stride, int s, float *c, bool add)
{
    nf low[TILE_S], high[TILE_S];
#pragma GCC unroll 12
    for (int j = 0; j < s; j++) {
        low[j] = high[j] = nf_set(0.0f);
        __builtin_prefetch(c + j * TILE_V, 1);
        __builtin_prefetch(c + j * TILE_V + WIDTH, 1);
    }
    for (size_t r = 0; r < n_runs; r++)
        rows_sums((size_t)runs[r].length, step, a + runs[r].src * TILE_V, b + runs[r].dst, b_stride,
            s, low, high);
    tile_put(s, low, high, c, add);
}

#if REGISTERS == 32
#define WIDE_CASES(what)                                                                           \
    case 12:                                                                                       \
        what(12) case 11 : what(11) case 10 : what(10) case 9 : what(9) case 8 : what(8) case 7    \
            : what(7)
#else
#define WIDE_CASES(what)
#endif
#define EACH_WIDTH(used, what)                                                                     \
    switch (used) {                                                                                \
        WIDE_CASES(what)                                                                           \
    case 6:                                                                                        \
        what(6) case 5 : what(5) case 4 : what(4) case 3 : what(3) case 2 : what(2) case 1         \
            : what(1) default : return;                                                            \
    }

static void gemm_micro(size_t k, const float *a, const float *b, size_t used, float *c, bool add)
{
#define TILE(s)                                                                                    \
    micro_tile(k, a, NULL, false, b, s, c, add);                                                   \
    return;
    EACH_WIDTH(used, TILE)
#undef TILE
}

static void gemm_micro_store(size_t k, const float *a, const float *b, size_t used, const float *c,
    const float *scale, const float *bias, float *z, int64_t z_stride, bool stream)
{
#define STORE(s)                                                                                   \
    micro_store(k, a, NULL, false, b, s, c, scale, bias, z, z_stride, stream);                     \
    return;
    EACH_WIDTH(used, STORE)
#undef STORE
}

static void gemm_micro_rows(
    size_t k, const float *a, const uint16_t *rows, const float *b, size_t used, float *c, bool add)
{
#define TILE(s)                                                                                    \
    micro_tile(k, a, rows, true, b, s, c, add);                                                    \
    return;
    EACH_WIDTH(used, TILE)
#undef TILE
}

static void gemm_micro_rows_store(size_t k, const float *a, const uint16_t *rows, const float *b,
    size_t used, const float *c, const float *scale, const float *bias, float *z, int64_t z_stride,
    bool stream)
{
#define STORE(s)                                                                                   \
    micro_store(k, a, rows, true, b, s, c, scale, bias, z, z_stride, stream);                      \
    return;
    EACH_WIDTH(used, STORE)
#undef STORE
}

static void gemm_rows(size_t k, const float *a, const float *b, int64_t b_stride, size_t used,
    const float *c, float factor, const float *bias, float *z, int64_t z_stride)
{
#define ROWS(s)                                                                                    \
    rows_store(k, a, b, b_stride, s, c, factor, bias, z, z_stride);                                \
    return;
    EACH_WIDTH(used, ROWS)
#undef ROWS
}

static void gemm_rows_runs(size_t n_runs, const nncf__segment *runs, int64_t step, const float *a,
    const float *b, int64_t b_stride, size_t used, float *c, bool add)
{
#define RUNS(s)                                                                                    \
    rows_runs(n_runs, runs, step, a, b, b_stride, s, c, add);                                      \
    return;
    EACH_WIDTH(used, RUNS)
#undef RUNS
}

static void gemm_streams_end(void)
{
    streams_end();
}

#endif
