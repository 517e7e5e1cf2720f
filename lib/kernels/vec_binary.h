/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The binary kernels on vectors of LANES words; binary.c defines what they compute. Included by one
 * file an ISA, which defines BINARY_TABLE, BINARY_NAME and one of BINARY_512, BINARY_256,
 * BINARY_NEON; none of them: in the vector types of gcc and clang.
 *
 * AVX-512 counts the bits of a word in one instruction. The others count those of each byte, add
 * bytes for up to RUN words, and then the eight bytes of each word.
 */
#include "kernels/binary.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(BINARY_NEON)
#include <arm_neon.h>
#elif defined(BINARY_512) || defined(BINARY_256)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

/* Bytes count to 8 for each word: 31 of them fit. */
enum { RUN = 31 };

#if defined(BINARY_512)
typedef __m512i vec;
enum { LANES = 8, MR = 16, NR = 12 };
INLINE vec vec_zero(void)
{
    return _mm512_setzero_si512();
}
INLINE vec vec_load(const uint64_t *from)
{
    return _mm512_loadu_si512(from);
}
INLINE vec vec_set(uint64_t x)
{
    return _mm512_set1_epi64((int64_t)x);
}
INLINE vec vec_add(vec a, vec b)
{
    return _mm512_add_epi64(a, b);
}
INLINE vec count_both(vec n, vec a, vec b)
{
    return _mm512_add_epi64(n, _mm512_popcnt_epi64(_mm512_and_si512(a, b)));
}
#elif defined(BINARY_256)
typedef __m256i vec;
enum { LANES = 4, MR = 8, NR = 4 };
INLINE vec vec_zero(void)
{
    return _mm256_setzero_si256();
}
INLINE vec vec_load(const uint64_t *from)
{
    return _mm256_loadu_si256((const void *)from);
}
INLINE vec vec_set(uint64_t x)
{
    return _mm256_set1_epi64x((int64_t)x);
}
INLINE vec vec_add(vec a, vec b)
{
    return _mm256_add_epi64(a, b);
}
/* The bits of each nibble by table. */
INLINE vec count_both(vec n, vec a, vec b)
{
    const vec table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2,
                  1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4),
              nibble = _mm256_set1_epi8(15), x = _mm256_and_si256(a, b);
    const vec low = _mm256_shuffle_epi8(table, _mm256_and_si256(x, nibble)),
              high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), nibble));
    return _mm256_add_epi8(n, _mm256_add_epi8(low, high));
}
INLINE vec bytes_added(vec n)
{
    return _mm256_sad_epu8(n, _mm256_setzero_si256());
}
#elif defined(BINARY_NEON)
typedef uint64x2_t vec;
enum { LANES = 2, MR = 8, NR = 4 };
INLINE vec vec_zero(void)
{
    return vdupq_n_u64(0);
}
INLINE vec vec_load(const uint64_t *from)
{
    return vld1q_u64(from);
}
INLINE vec vec_set(uint64_t x)
{
    return vdupq_n_u64(x);
}
INLINE vec vec_add(vec a, vec b)
{
    return vaddq_u64(a, b);
}
INLINE vec count_both(vec n, vec a, vec b)
{
    const uint8x16_t bits = vcntq_u8(vreinterpretq_u8_u64(vandq_u64(a, b)));
    return vreinterpretq_u64_u8(vaddq_u8(vreinterpretq_u8_u64(n), bits));
}
INLINE vec bytes_added(vec n)
{
    return vpaddlq_u32(vpaddlq_u16(vpaddlq_u8(vreinterpretq_u8_u64(n))));
}
#else
typedef uint64_t vec __attribute__((vector_size(16)));
enum { LANES = 2, MR = 8, NR = 2 };
INLINE vec vec_zero(void)
{
    return (vec){0, 0};
}
INLINE vec vec_load(const uint64_t *from)
{
    vec x;
    memcpy(&x, from, sizeof x);
    return x;
}
INLINE vec vec_set(uint64_t x)
{
    return (vec){x, x};
}
INLINE vec vec_add(vec a, vec b)
{
    return a + b;
}
/* Pairs, then nibbles, then bytes. */
INLINE vec count_both(vec n, vec a, vec b)
{
    const vec pair = vec_set(0x5555555555555555u), nibble = vec_set(0x3333333333333333u),
              byte = vec_set(0x0f0f0f0f0f0f0f0fu);
    vec x = a & b;
    x -= (x >> 1) & pair;
    x = (x & nibble) + ((x >> 2) & nibble);
    return n + ((x + (x >> 4)) & byte);
}
INLINE vec bytes_added(vec n)
{
    const vec bytes = vec_set(0x00ff00ff00ff00ffu);
    n = (n & bytes) + ((n >> 8) & bytes);
    n += n >> 16;
    return (n + (n >> 32)) & vec_set(0xffff);
}
#endif

enum { PARTS = MR / LANES };

/* n[j][p]: the bits that pixels of part p and weight j have in common. How many weights: known when
 * compiling. */
INLINE void counts_of(
    size_t n_words, const uint64_t *pixels, const uint64_t *weights, int n, vec total[NR][PARTS])
{
#pragma GCC unroll 12
    for (int j = 0; j < n; j++)
#pragma GCC unroll 4
        for (int p = 0; p < PARTS; p++)
            total[j][p] = vec_zero();
#if defined(BINARY_512)
    for (size_t k = 0; k < n_words; k++, pixels += MR, weights += NR) {
        const vec a = vec_load(pixels), b = vec_load(pixels + LANES);
#pragma GCC unroll 12
        for (int j = 0; j < n; j++) {
            const vec w = vec_set(weights[j]);
            total[j][0] = count_both(total[j][0], a, w);
            total[j][1] = count_both(total[j][1], b, w);
        }
    }
#else
    while (n_words > 0) {
        const size_t run = n_words < RUN ? n_words : RUN;
        vec bytes[NR][PARTS];
#pragma GCC unroll 4
        for (int j = 0; j < n; j++)
#pragma GCC unroll 4
            for (int p = 0; p < PARTS; p++)
                bytes[j][p] = vec_zero();
        for (size_t k = 0; k < run; k++, pixels += MR, weights += NR) {
            vec x[PARTS];
#pragma GCC unroll 4
            for (int p = 0; p < PARTS; p++)
                x[p] = vec_load(pixels + p * LANES);
#pragma GCC unroll 4
            for (int j = 0; j < n; j++) {
                const vec w = vec_set(weights[j]);
#pragma GCC unroll 4
                for (int p = 0; p < PARTS; p++)
                    bytes[j][p] = count_both(bytes[j][p], x[p], w);
            }
        }
#pragma GCC unroll 4
        for (int j = 0; j < n; j++)
#pragma GCC unroll 4
            for (int p = 0; p < PARTS; p++)
                total[j][p] = vec_add(total[j][p], bytes_added(bytes[j][p]));
        n_words -= run;
    }
#endif
}

#if defined(BINARY_512)
typedef __m512 vecf;
INLINE vecf sums_of(const vec total[PARTS], const int32_t *start)
{
    const __m512i n = _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi64_epi32(total[0])),
        _mm512_cvtepi64_epi32(total[1]), 1);
    return _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_loadu_si512(start), _mm512_add_epi32(n, n)));
}
INLINE void store_sums(const vec total[PARTS], const int32_t *start, float *to)
{
    _mm512_storeu_ps(to, sums_of(total, start));
}
INLINE void store_scaled(
    const vec total[PARTS], const int32_t *start, float scale, float bias, float *to)
{
    const vecf z = _mm512_mul_ps(sums_of(total, start), _mm512_set1_ps(scale));
    _mm512_storeu_ps(to, _mm512_add_ps(z, _mm512_set1_ps(bias)));
}
#else
INLINE void store_sums(const vec total[PARTS], const int32_t *start, float *to)
{
    uint64_t n[MR];
    memcpy(n, total, sizeof n);
    for (int i = 0; i < MR; i++)
        to[i] = (float)(start[i] + 2 * (int32_t)n[i]);
}
INLINE void store_scaled(
    const vec total[PARTS], const int32_t *start, float scale, float bias, float *to)
{
    float sums[MR];
    store_sums(total, start, sums);
    for (int i = 0; i < MR; i++)
        to[i] = sums[i] * scale + bias;
}
#endif

INLINE void micro_tile(size_t n_words, const uint64_t *pixels, const uint64_t *weights, int n,
    const int32_t *start, float *tile)
{
    vec total[NR][PARTS];
    counts_of(n_words, pixels, weights, n, total);
#pragma GCC unroll 12
    for (int j = 0; j < n; j++, tile += MR)
        store_sums(total[j], start, tile);
}

INLINE void micro_scaled(size_t n_words, const uint64_t *pixels, const uint64_t *weights, int n,
    const int32_t *start, const float *scale, const float *bias, float *z, int64_t z_stride)
{
    vec total[NR][PARTS];
    counts_of(n_words, pixels, weights, n, total);
#pragma GCC unroll 12
    for (int j = 0; j < n; j++, z += z_stride)
        store_scaled(total[j], start, scale[j], bias[j], z);
}

static void starts(size_t n_words, const uint64_t *pixels, int32_t *start)
{
    memset(start, 0, MR * sizeof *start);
    for (size_t k = 0; k < n_words; k++, pixels += MR) {
#if defined(BINARY_512)
        const __m256i low = _mm512_cvtepi64_epi32(_mm512_popcnt_epi64(vec_load(pixels))),
                      high = _mm512_cvtepi64_epi32(_mm512_popcnt_epi64(vec_load(pixels + LANES)));
        const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
        _mm512_storeu_si512(start, _mm512_sub_epi32(_mm512_loadu_si512(start), both));
#else
#pragma GCC unroll 4
        for (int p = 0; p < PARTS; p++) {
            const vec x = vec_load(pixels + p * LANES),
                      n = bytes_added(count_both(vec_zero(), x, x));
            uint64_t counts[LANES];
            memcpy(counts, &n, sizeof counts);
            for (int i = 0; i < LANES; i++)
                start[p * LANES + i] -= (int32_t)counts[i];
        }
#endif
    }
}

#define CASE(n, call)                                                                              \
    case n:                                                                                        \
        call(n);                                                                                   \
        break;
#ifdef BINARY_512
#define WIDE_CASES(call)                                                                           \
    CASE(12, call)                                                                                 \
    CASE(11, call)                                                                                 \
    CASE(10, call) CASE(9, call) CASE(8, call) CASE(7, call) CASE(6, call) CASE(5, call)
#else
#define WIDE_CASES(call)
#endif
#if defined(BINARY_512) || defined(BINARY_256) || defined(BINARY_NEON)
#define MORE_CASES(call) CASE(4, call) CASE(3, call)
#else
#define MORE_CASES(call)
#endif
#define EACH_WIDTH(used, call)                                                                     \
    switch (used) {                                                                                \
        WIDE_CASES(call)                                                                           \
        MORE_CASES(call)                                                                           \
        CASE(2, call) CASE(1, call) default : break;                                               \
    }

static void micro(size_t n_words, const uint64_t *pixels, const uint64_t *weights, size_t used,
    const int32_t *start, float *tile)
{
#define TILE(n) micro_tile(n_words, pixels, weights, n, start, tile)
    EACH_WIDTH(used, TILE)
#undef TILE
}

static void micro_store(size_t n_words, const uint64_t *pixels, const uint64_t *weights,
    size_t used, const int32_t *start, const float *scale, const float *bias, float *z,
    int64_t z_stride)
{
#define SCALED(n) micro_scaled(n_words, pixels, weights, n, start, scale, bias, z, z_stride)
    EACH_WIDTH(used, SCALED)
#undef SCALED
}

#if defined(BINARY_512)
/* Lane l has the 72 bits of channels 8 l to 8 l + 7: bytes 9 l to 9 l + 7, and byte 9 l + 8 in
 * `last`. Shifted by the tap, that tap's are every ninth bit from 0 to 63. */
#define NINE(l) ((l)*0x0909090909090909)
#define PART_TAP(tap)                                                                              \
    to[(tap)*tap_stride] = _cvtmask64_u64(                                                         \
        _mm512_bitshuffle_epi64_mask(_mm512_shrdi_epi64(first, last, tap), every_ninth));
static void part_nine(
    size_t n_words, const uint64_t *bits, uint64_t *to, int64_t word_stride, int64_t tap_stride)
{
    const __m512i lane = _mm512_setr_epi64(
                      0, NINE(1), NINE(2), NINE(3), NINE(4), NINE(5), NINE(6), NINE(7)),
                  bytes = _mm512_add_epi8(lane, _mm512_set1_epi64(0x0706050403020100)),
                  ninth_byte = _mm512_add_epi8(lane, _mm512_set1_epi8(8)),
                  every_ninth = _mm512_set1_epi64(0x3f362d241b120900);
    for (size_t w = 0; w < n_words; w++, bits += 9, to += word_stride) {
        const __m512i eight = _mm512_loadu_si512(bits),
                      rest = _mm512_castsi128_si512(_mm_loadl_epi64((const void *)(bits + 8))),
                      first = _mm512_permutex2var_epi8(eight, bytes, rest),
                      last = _mm512_permutex2var_epi8(eight, ninth_byte, rest);
        PART_TAP(0)
        PART_TAP(1)
        PART_TAP(2) PART_TAP(3) PART_TAP(4) PART_TAP(5) PART_TAP(6) PART_TAP(7) PART_TAP(8)
    }
}
#undef PART_TAP
#undef NINE
#else
/* Eight bits, nine apart and from bit 0 on, become neighbours: times 2^(56 - 8 c) bit 9 c comes
 * to 56 + c. What other bits of the factor make of it is lower, or gone, and no two meet. */
INLINE uint64_t every_ninth(uint64_t bits)
{
    return (bits & 0x8040201008040201u) * 0x0101010101010101u >> 56;
}

static void part_nine(
    size_t n_words, const uint64_t *bits, uint64_t *to, int64_t word_stride, int64_t tap_stride)
{
    for (size_t w = 0; w < n_words; w++, bits += 9, to += word_stride)
#pragma GCC unroll 9
        for (int tap = 0; tap < 9; tap++) {
            uint64_t word = 0;
#pragma GCC unroll 8
            for (int c = 0; c < 64; c += 8) {
                const int at = 9 * c + tap, shift = at % 64;
                const uint64_t from = shift == 0
                    ? bits[at / 64]
                    : bits[at / 64] >> shift | bits[at / 64 + 1] << (64 - shift);
                word |= every_ninth(from) << c;
            }
            to[tap * tap_stride] = word;
        }
}
#endif

const nncf__binary_kernels BINARY_TABLE = {
    BINARY_NAME, MR, NR, starts, micro, micro_store, part_nine};
