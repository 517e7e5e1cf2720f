/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The integer kernels on vectors of 4 * LANES bytes; int8.c defines what they compute. Included by
 * int8_avx512vnni.c, int8_avx512vbmi.c, int8_avx512vnni256.c and int8_avxvnni.c, which define the
 * width (INT8_512 or not), the table's name, and the instruction DOT: acc[i] += the sum over k =
 * 0..3 of a[4 i + k] * b[4 i + k], a unsigned, b signed; by int8_avx2.c (INT8_WIDENED), where even
 * and odd elements of a and b are multiplied as numbers of 16 bits; and by int8_dotprod.c and
 * int8_i8mm.c (INT8_NEON), where a vector is a pair of NEON's, and a may be signed: then OFFSET is
 * 128.
 */
#include "kernels/int8.h"

#ifdef INT8_NEON
#include <arm_neon.h>
#else
#include <immintrin.h>
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { QUAD = NNCF__INT8_QUAD };
#ifndef OFFSET
#define OFFSET 0
#endif

#if defined(INT8_NEON)
typedef struct vec {
    int32x4_t low, high;
} vec;
enum { LANES = 8, NR = 6 };
/* byte - OFFSET, modulo 256 */
INLINE int32x4_t load_four(const uint8_t *from)
{
    const uint8x16_t x = vld1q_u8(from);
    return vreinterpretq_s32_u8(OFFSET ? veorq_u8(x, vdupq_n_u8(OFFSET)) : x);
}
INLINE vec vec_load(const uint8_t *from)
{
    return (vec){load_four(from), load_four(from + 16)};
}
INLINE vec vec_set(int32_t x)
{
    return (vec){vdupq_n_s32(x), vdupq_n_s32(x)};
}
INLINE vec vec_multiply_add(vec x, vec a, vec b)
{
    return (vec){vmlaq_s32(x.low, a.low, b.low), vmlaq_s32(x.high, a.high, b.high)};
}
typedef struct vecf {
    float32x4_t low, high;
} vecf;
INLINE vecf to_float(vec x)
{
    return (vecf){vcvtq_f32_s32(x.low), vcvtq_f32_s32(x.high)};
}
INLINE vec words_load(const void *from)
{
    return (vec){vld1q_s32(from), vld1q_s32((const int32_t *)from + 4)};
}
INLINE vecf floats_load(const float *from)
{
    return (vecf){vld1q_f32(from), vld1q_f32(from + 4)};
}
INLINE vecf floats_set(float x)
{
    return (vecf){vdupq_n_f32(x), vdupq_n_f32(x)};
}
INLINE vecf scaled(vecf x, vecf scale, vecf bias)
{
    return (vecf){vaddq_f32(vmulq_f32(x.low, scale.low), bias.low),
        vaddq_f32(vmulq_f32(x.high, scale.high), bias.high)};
}
INLINE void store(float *to, vecf x)
{
    vst1q_f32(to, x.low);
    vst1q_f32(to + 4, x.high);
}
INLINE void store_past_caches(float *to, vecf x)
{
    store(to, x);
}
#elif defined(INT8_512)
typedef __m512i vec;
enum { LANES = 16, NR = 12 };
INLINE vec vec_load(const void *from)
{
    return _mm512_load_si512(from);
}
INLINE vec vec_set(int32_t x)
{
    return _mm512_set1_epi32(x);
}
INLINE vec vec_multiply_add(vec x, vec a, vec b)
{
    return _mm512_add_epi32(x, _mm512_mullo_epi32(a, b));
}
typedef __m512 vecf;
INLINE vecf to_float(vec x)
{
    return _mm512_cvtepi32_ps(x);
}
INLINE vec words_load(const void *from)
{
    return _mm512_load_si512(from);
}
INLINE vecf floats_load(const float *from)
{
    return _mm512_loadu_ps(from);
}
INLINE vecf floats_set(float x)
{
    return _mm512_set1_ps(x);
}
INLINE vecf scaled(vecf x, vecf scale, vecf bias)
{
    return _mm512_add_ps(_mm512_mul_ps(x, scale), bias);
}
INLINE void store(float *to, vecf x)
{
    _mm512_storeu_ps(to, x);
}
INLINE void store_past_caches(float *to, vecf x)
{
    _mm512_stream_ps(to, x);
}
#else
typedef __m256i vec;
#ifdef INT8_WIDENED
enum { LANES = 8, NR = 4 };
#else
enum { LANES = 8, NR = 6 };
#endif
INLINE vec vec_load(const void *from)
{
    return _mm256_load_si256(from);
}
INLINE vec vec_set(int32_t x)
{
    return _mm256_set1_epi32(x);
}
INLINE vec vec_multiply_add(vec x, vec a, vec b)
{
    return _mm256_add_epi32(x, _mm256_mullo_epi32(a, b));
}
typedef __m256 vecf;
INLINE vecf to_float(vec x)
{
    return _mm256_cvtepi32_ps(x);
}
INLINE vec words_load(const void *from)
{
    return _mm256_load_si256(from);
}
INLINE vecf floats_load(const float *from)
{
    return _mm256_loadu_ps(from);
}
INLINE vecf floats_set(float x)
{
    return _mm256_set1_ps(x);
}
INLINE vecf scaled(vecf x, vecf scale, vecf bias)
{
    return _mm256_add_ps(_mm256_mul_ps(x, scale), bias);
}
INLINE void store(float *to, vecf x)
{
    _mm256_storeu_ps(to, x);
}
INLINE void store_past_caches(float *to, vecf x)
{
    _mm256_stream_ps(to, x);
}
#endif

enum { MR = 2 * LANES };

/* ---- microkernel ---- */

/* What DOT multiplies: quads of LANES pixels, and one quad of weights for all of them. */
#ifdef INT8_WIDENED
enum { WEIGHT_BYTES = 2 };
typedef struct operand {
    vec even, odd;
} operand;
INLINE operand pixels_load(const uint8_t *from)
{
    const vec x = vec_load(from);
    return (operand){_mm256_and_si256(x, _mm256_set1_epi16(0xff)), _mm256_srli_epi16(x, 8)};
}
INLINE operand weights_load(const int8_t *from)
{
    int32_t even, odd;
    memcpy(&even, from, sizeof even);
    memcpy(&odd, from + sizeof even, sizeof odd);
    return (operand){vec_set(even), vec_set(odd)};
}
INLINE operand operand_of_ones(void)
{
    return (operand){vec_set(0x10001), vec_set(0x10001)};
}
#else
enum { WEIGHT_BYTES = 1 };
typedef vec operand;
INLINE operand pixels_load(const uint8_t *from)
{
    return vec_load(from);
}
INLINE operand weights_load(const int8_t *from)
{
    int32_t quad;
    memcpy(&quad, from, sizeof quad);
    return vec_set(quad);
}
INLINE operand operand_of_ones(void)
{
    return vec_set(0x1010101);
}
#endif

/* Of a panel of weights. */
enum { QUAD_BYTES = NR * QUAD * WEIGHT_BYTES };

INLINE void add_quad(const uint8_t *pixels, const int8_t *weights, int n, vec low[NR], vec high[NR])
{
    const operand p0 = pixels_load(pixels), p1 = pixels_load(pixels + LANES * QUAD);
#pragma GCC unroll 12
    for (int j = 0; j < n; j++) {
        const operand w = weights_load(weights + QUAD * WEIGHT_BYTES * j);
        DOT(low[j], p0, w);
        DOT(high[j], p1, w);
    }
}

#ifdef INT8_WIDENED
/* Two quads of bytes: products of 8 bits are added in pairs, and those of both quads, in 16 bits.
 */
INLINE void add_narrow_pair(
    const uint8_t *pixels, const int8_t *weights, int n, vec low[NR], vec high[NR])
{
    const vec ones = _mm256_set1_epi16(1);
    const vec a0 = vec_load(pixels), a1 = vec_load(pixels + LANES * QUAD),
              b0 = vec_load(pixels + MR * QUAD), b1 = vec_load(pixels + (MR + LANES) * QUAD);
#pragma GCC unroll 4
    for (int j = 0; j < n; j++) {
        int32_t first, second;
        memcpy(&first, weights + QUAD * j, sizeof first);
        memcpy(&second, weights + QUAD * (NR + j), sizeof second);
        const vec wa = vec_set(first), wb = vec_set(second),
                  low_sums =
                      _mm256_add_epi16(_mm256_maddubs_epi16(a0, wa), _mm256_maddubs_epi16(b0, wb)),
                  high_sums =
                      _mm256_add_epi16(_mm256_maddubs_epi16(a1, wa), _mm256_maddubs_epi16(b1, wb));
        ADD(low[j], _mm256_madd_epi16(low_sums, ones));
        ADD(high[j], _mm256_madd_epi16(high_sums, ones));
    }
}

/* All pairs of quads of a panel that `narrow` has seen. */
INLINE void add_pairs(size_t n_pairs, const uint16_t *list, const uint8_t *pixels,
    const int8_t *weights, int n, vec low[NR], vec high[NR])
{
    size_t i = 0;
    const size_t n_narrow = *list++;
    for (; i < n_narrow; i++)
        add_narrow_pair(pixels + 2 * MR * QUAD * (size_t)list[i],
            weights + 2 * QUAD_BYTES * (size_t)list[i], n, low, high);
    for (; i < n_pairs; i++) {
        const uint8_t *p = pixels + 2 * MR * QUAD * (size_t)list[i];
        const int8_t *w = weights + 2 * QUAD_BYTES * (size_t)list[i];
        add_quad(p, w, n, low, high);
        add_quad(p + MR * QUAD, w + QUAD_BYTES, n, low, high);
    }
}

/* So much times 255 fits 16 bits. */
enum { NARROW_MOST = INT16_MAX / UINT8_MAX };

/* In which channels do the positive weights, or the negative ones, of four that are added in 16
 * bits add up to more than NARROW_MOST? Those are a0 a1 b0 b1, and a2 a3 b2 b3, in the order 0 2
 * 1 3. Each sign alone: pixels of the other may be 0. */
INLINE vec beyond(vec a, vec b)
{
    const vec zero = _mm256_setzero_si256(), most = _mm256_set1_epi16(NARROW_MOST);
    vec above = _mm256_add_epi16(_mm256_max_epi16(a, zero), _mm256_max_epi16(b, zero)),
        below = _mm256_sub_epi16(
            zero, _mm256_add_epi16(_mm256_min_epi16(a, zero), _mm256_min_epi16(b, zero)));
    above = _mm256_add_epi16(above, _mm256_shuffle_epi32(above, 0xb1));
    below = _mm256_add_epi16(below, _mm256_shuffle_epi32(below, 0xb1));
    return _mm256_cmpgt_epi16(_mm256_max_epi16(above, below), most);
}

static void narrow(size_t n_quads, void *weights, uint16_t *list)
{
    /* of each channel of two: bytes 0 2 1 3 in their order */
    const vec order = _mm256_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15, 0, 2,
        1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    const size_t n_pairs = n_quads / 2;
    char *at = weights;
    uint16_t *first = list + 1, *last = list + 1 + n_pairs;
    for (size_t pair = 0; pair < n_pairs; pair++, at += 2 * QUAD_BYTES) {
        const vec a = vec_load(at), b = vec_load(at + QUAD_BYTES), over = beyond(a, b);
        if (!_mm256_testz_si256(over, over)) {
            *--last = (uint16_t)pair;
            continue;
        }
        *first++ = (uint16_t)pair;
        /* channels 0 1 of a, of b, then 2 3; then a, b */
        const vec bytes = _mm256_shuffle_epi8(_mm256_packs_epi16(a, b), order);
        _mm256_store_si256((__m256i *)(void *)at, _mm256_permute4x64_epi64(bytes, 0xd8));
    }
    *list = (uint16_t)(first - list - 1);
}
#define NARROW_PAIRS narrow
#else
#define NARROW_PAIRS NULL
#endif

/* The sums fill the register file: 24 + 3 of 32 (NEON: + 6), 12 + 3 of 16 (widened: 8 + 8; narrow:
 * 8, four of pixels, two of weights, two of sums in 16 bits). n is known when compiling. */
INLINE void sums_of(size_t n_quads, const uint8_t *pixels, const int8_t *weights, int n,
    const nncf__int8_scaling *scaling, vec low[NR], vec high[NR])
{
#pragma GCC unroll 12
    for (int j = 0; j < n; j++)
        low[j] = high[j] = vec_set(scaling->start[j]);
    size_t q = 0;
#ifdef INT8_WIDENED
    if (scaling->narrow) {
        q = n_quads / 2 * 2;
        add_pairs(n_quads / 2, scaling->narrow, pixels, weights, n, low, high);
    }
#endif
    for (; q < n_quads; q++)
        add_quad(pixels + MR * QUAD * q, weights + QUAD_BYTES * q, n, low, high);
    if (scaling->factor) {
        const vec v0 = words_load(scaling->values), v1 = words_load(scaling->values + LANES);
#pragma GCC unroll 12
        for (int j = 0; j < n; j++) {
            const vec factor = vec_set(scaling->factor[j]);
            low[j] = vec_multiply_add(low[j], factor, v0);
            high[j] = vec_multiply_add(high[j], factor, v1);
        }
    }
}

static void values(size_t n_quads, const uint8_t *pixels, int32_t start, int32_t *to)
{
    const operand ones = operand_of_ones();
    vec low = vec_set(start + (int32_t)n_quads * QUAD * OFFSET), high = low;
    for (size_t q = 0; q < n_quads; q++, pixels += MR * QUAD) {
        DOT(low, pixels_load(pixels), ones);
        DOT(high, pixels_load(pixels + LANES * QUAD), ones);
    }
    memcpy(to, &low, sizeof low);
    memcpy(to + LANES, &high, sizeof high);
}

INLINE void micro_tile(size_t n_quads, const uint8_t *pixels, const int8_t *weights, int n,
    const nncf__int8_scaling *scaling, float *tile)
{
    vec low[NR], high[NR];
    sums_of(n_quads, pixels, weights, n, scaling, low, high);
#pragma GCC unroll 12
    for (int j = 0; j < n; j++, tile += MR) {
        store(tile, to_float(low[j]));
        store(tile + LANES, to_float(high[j]));
    }
}

INLINE void micro_scaled(size_t n_quads, const uint8_t *pixels, const int8_t *weights, int n,
    const nncf__int8_scaling *scaling, float *z, int64_t z_stride, bool stream)
{
    vec low[NR], high[NR];
    sums_of(n_quads, pixels, weights, n, scaling, low, high);
#pragma GCC unroll 12
    for (int j = 0; j < n; j++, z += z_stride) {
        const vecf scale = floats_set(scaling->scale[j]), bias = floats_set(scaling->bias[j]),
                   a = scaled(to_float(low[j]), scale, bias),
                   b = scaled(to_float(high[j]), scale, bias);
        if (stream) {
            store_past_caches(z, a);
            store_past_caches(z + LANES, b);
        } else {
            store(z, a);
            store(z + LANES, b);
        }
    }
}

#define CASE(n, call)                                                                              \
    case n:                                                                                        \
        call(n);                                                                                   \
        break;
#ifdef INT8_512
#define WIDE_CASES(call)                                                                           \
    CASE(12, call) CASE(11, call) CASE(10, call) CASE(9, call) CASE(8, call) CASE(7, call)
#else
#define WIDE_CASES(call)
#endif
#ifdef INT8_WIDENED
#define MORE_CASES(call)
#else
#define MORE_CASES(call) CASE(6, call) CASE(5, call)
#endif
#define EACH_WIDTH(used, call)                                                                     \
    switch (used) {                                                                                \
        WIDE_CASES(call)                                                                           \
        MORE_CASES(call)                                                                           \
        CASE(4, call) CASE(3, call) CASE(2, call) CASE(1, call) default : break;                   \
    }

static void micro(size_t n_quads, const uint8_t *pixels, const void *weights, size_t used,
    const nncf__int8_scaling *scaling, float *tile)
{
#define TILE(n) micro_tile(n_quads, pixels, weights, n, scaling, tile)
    EACH_WIDTH(used, TILE)
#undef TILE
}

static void micro_store(size_t n_quads, const uint8_t *pixels, const void *weights, size_t used,
    const nncf__int8_scaling *scaling, float *z, int64_t z_stride, bool stream)
{
#define SCALED(n) micro_scaled(n_quads, pixels, weights, n, scaling, z, z_stride, stream)
    EACH_WIDTH(used, SCALED)
#undef SCALED
}

/* ---- rows ---- */

/* Widened words are pairs, of which one instruction multiplies both: there are registers for more
 * rows than pixels. */
#ifdef INT8_WIDENED
enum { ROWS_NR = 6 };
#else
enum { ROWS_NR = NR };
#define DOT_WORD DOT
#endif

INLINE void rows_tile(size_t n_words, const char *x, int64_t x_stride, int n, const char *panel,
    const nncf__int8_scaling *scaling, float *c, int64_t c_stride)
{
    vec low[ROWS_NR], high[ROWS_NR];
    const char *row[ROWS_NR];
#pragma GCC unroll 12
    for (int i = 0; i < n; i++) {
        low[i] = words_load(scaling->start);
        high[i] = words_load(scaling->start + LANES);
        row[i] = x + i * x_stride;
    }
    for (size_t w = 0; w < n_words; w++, panel += MR * NNCF__INT8_WORD) {
        const vec w0 = words_load(panel), w1 = words_load(panel + LANES * NNCF__INT8_WORD);
#pragma GCC unroll 12
        for (int i = 0; i < n; i++) {
            int32_t word;
            memcpy(&word, row[i] + w * sizeof word, sizeof word);
            const vec words = vec_set(word);
            DOT_WORD(low[i], words, w0);
            DOT_WORD(high[i], words, w1);
        }
    }
    if (scaling->factor) {
        const vec f0 = words_load(scaling->factor), f1 = words_load(scaling->factor + LANES);
#pragma GCC unroll 12
        for (int i = 0; i < n; i++) {
            const vec value = vec_set(scaling->values[i]);
            low[i] = vec_multiply_add(low[i], value, f0);
            high[i] = vec_multiply_add(high[i], value, f1);
        }
    }
    const vecf scale0 = floats_load(scaling->scale), scale1 = floats_load(scaling->scale + LANES),
               bias0 = floats_load(scaling->bias), bias1 = floats_load(scaling->bias + LANES);
#pragma GCC unroll 12
    for (int i = 0; i < n; i++, c += c_stride) {
        store(c, scaled(to_float(low[i]), scale0, bias0));
        store(c + LANES, scaled(to_float(high[i]), scale1, bias1));
    }
}

static void rows(size_t n_words, const void *x, int64_t x_stride, size_t used, const void *panel,
    const nncf__int8_scaling *scaling, float *c, int64_t c_stride)
{
#define ROWS(n) rows_tile(n_words, x, x_stride, n, panel, scaling, c, c_stride)
    switch (used) {
        WIDE_CASES(ROWS)
        CASE(6, ROWS)
        CASE(5, ROWS)
        CASE(4, ROWS)
        CASE(3, ROWS)
        CASE(2, ROWS)
        CASE(1, ROWS)
    default:
        break;
    }
#undef ROWS
}

/* ---- packing ---- */

#if defined(INT8_NEON)
typedef uint8x16_t bytes; /* of MR pixels of one channel */
INLINE bytes bytes_set(uint8_t x)
{
    return vdupq_n_u8(x);
}
INLINE bytes bytes_flip(bytes x, uint8_t flip)
{
    return veorq_u8(x, bytes_set(flip));
}
INLINE bytes bytes_load(const uint8_t *from)
{
    return vld1q_u8(from);
}
/* Every second of 31. */
INLINE bytes second_load(const uint8_t *from)
{
    return vcombine_u8(vmovn_u16(vreinterpretq_u16_u8(bytes_load(from))),
        vshrn_n_u16(vreinterpretq_u16_u8(bytes_load(from + 15)), 8));
}
INLINE void interleave(const bytes c[QUAD], uint8_t *to)
{
    vst4q_u8(to, ((uint8x16x4_t){{c[0], c[1], c[2], c[3]}}));
}
#elif defined(INT8_512)
typedef __m256i bytes;
INLINE bytes bytes_set(uint8_t x)
{
    return _mm256_set1_epi8((char)x);
}
INLINE bytes bytes_flip(bytes x, uint8_t flip)
{
    return _mm256_xor_si256(x, bytes_set(flip));
}
INLINE bytes bytes_load(const uint8_t *from)
{
    return _mm256_loadu_si256((const void *)from);
}
/* Four channels of 32 pixels to 32 quads. */
INLINE void interleave(const bytes c[QUAD], uint8_t *to)
{
    const __m256i l = _mm256_unpacklo_epi8(c[0], c[1]), h = _mm256_unpackhi_epi8(c[0], c[1]),
                  m = _mm256_unpacklo_epi8(c[2], c[3]), n = _mm256_unpackhi_epi8(c[2], c[3]);
    /* four quads of pixels 0, 4, 8, 12 on, and of those 16 on */
    const __m256i q0 = _mm256_unpacklo_epi16(l, m), q1 = _mm256_unpackhi_epi16(l, m),
                  q2 = _mm256_unpacklo_epi16(h, n), q3 = _mm256_unpackhi_epi16(h, n);
    __m256i *out = (__m256i *)(void *)to;
    _mm256_store_si256(out, _mm256_permute2x128_si256(q0, q1, 0x20));
    _mm256_store_si256(out + 1, _mm256_permute2x128_si256(q2, q3, 0x20));
    _mm256_store_si256(out + 2, _mm256_permute2x128_si256(q0, q1, 0x31));
    _mm256_store_si256(out + 3, _mm256_permute2x128_si256(q2, q3, 0x31));
}
#else
typedef __m128i bytes;
INLINE bytes bytes_set(uint8_t x)
{
    return _mm_set1_epi8((char)x);
}
INLINE bytes bytes_flip(bytes x, uint8_t flip)
{
    return _mm_xor_si128(x, bytes_set(flip));
}
INLINE bytes bytes_load(const uint8_t *from)
{
    return _mm_loadu_si128((const void *)from);
}
/* Every second of 31. */
INLINE bytes second_load(const uint8_t *from)
{
    const __m128i low = bytes_load(from), high = bytes_load(from + 15);
    return _mm_packus_epi16(_mm_and_si128(low, _mm_set1_epi16(0xff)), _mm_srli_epi16(high, 8));
}
INLINE void interleave(const bytes c[QUAD], uint8_t *to)
{
    const __m128i l = _mm_unpacklo_epi8(c[0], c[1]), h = _mm_unpackhi_epi8(c[0], c[1]),
                  m = _mm_unpacklo_epi8(c[2], c[3]), n = _mm_unpackhi_epi8(c[2], c[3]);
    __m128i *out = (__m128i *)(void *)to;
    _mm_store_si128(out, _mm_unpacklo_epi16(l, m));
    _mm_store_si128(out + 1, _mm_unpackhi_epi16(l, m));
    _mm_store_si128(out + 2, _mm_unpacklo_epi16(h, n));
    _mm_store_si128(out + 3, _mm_unpackhi_epi16(h, n));
}
#endif

/* The pixels of one panel: those of segments [0, n). */
typedef struct panel_source {
    const nncf__int8_source *of;
    const nncf__segment *segments;
    size_t n;
#ifdef INT8_512
    /* What one load gives: lanes; the bytes that these read, where every second one is wanted; and
     * what is added to a channel's address. That is the same for rows that lie next to each other
     * in the image, but for its edges: they are one part. */
    size_t n_parts;
    struct {
        __mmask32 lanes;
        __mmask64 second;
        int64_t offset;
    } parts[MR];
#endif
} panel_source;

#ifdef INT8_512
/* Bit i becomes bit 2 * i. */
INLINE uint64_t spread(uint64_t bits)
{
    bits = (bits | bits << 16) & 0x0000ffff0000ffff;
    bits = (bits | bits << 8) & 0x00ff00ff00ff00ff;
    bits = (bits | bits << 4) & 0x0f0f0f0f0f0f0f0f;
    bits = (bits | bits << 2) & 0x3333333333333333;
    return (bits | bits << 1) & 0x5555555555555555;
}
#endif

static void prepare(panel_source *s)
{
#ifdef INT8_512
    const int64_t step = s->of->step;
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        const nncf__segment *segment = &s->segments[i];
        const uint32_t lane = (uint32_t)segment->dst % MR,
                       lanes = UINT32_MAX >> (MR - segment->length) << lane;
        const int64_t offset = segment->src - (int64_t)lane * step;
        if (segment->src < 0)
            continue;
        if (n > 0 && s->parts[n - 1].offset == offset) {
            s->parts[n - 1].lanes |= lanes;
        } else {
            s->parts[n].lanes = lanes;
            s->parts[n++].offset = offset;
        }
    }
    for (size_t i = 0; i < n; i++)
        s->parts[i].second = step == 2 ? spread(s->parts[i].lanes) : 0;
    s->n_parts = n;
#else
    (void)s;
#endif
}

INLINE bytes gather(const panel_source *s, const uint8_t *channel)
{
    const nncf__int8_source *of = s->of;
#ifdef INT8_512
    if (of->step == 1) {
        bytes row = bytes_set(of->zero);
        for (size_t i = 0; i < s->n_parts; i++) {
            /* lanes outside of the mask are not read */
            const __mmask32 lanes = s->parts[i].lanes;
            const bytes part = _mm256_maskz_loadu_epi8(lanes, channel + s->parts[i].offset);
            row = _mm256_mask_mov_epi8(row, lanes, bytes_flip(part, of->flip));
        }
        return row;
    }
    if (of->step == 2) {
        bytes row = bytes_set(of->zero);
        for (size_t i = 0; i < s->n_parts; i++) {
            const __m512i part =
                _mm512_maskz_loadu_epi8(s->parts[i].second, channel + s->parts[i].offset);
            row = _mm256_mask_mov_epi8(
                row, s->parts[i].lanes, bytes_flip(_mm512_cvtepi16_epi8(part), of->flip));
        }
        return row;
    }
#else
    if (of->step == 2 && s->n == 1 && s->segments->length == MR && s->segments->src >= 0)
        return bytes_flip(second_load(channel + s->segments->src), of->flip);
#endif
    _Alignas(sizeof(bytes)) uint8_t row[MR];
    memset(row, of->zero, sizeof row);
    for (size_t i = 0; i < s->n; i++) {
        const nncf__segment *segment = &s->segments[i];
        const uint8_t *from = channel + segment->src;
        uint8_t *to = row + segment->dst % MR;
        for (int32_t j = 0; segment->src >= 0 && j < segment->length; j++)
            to[j] = from[j * of->step] ^ of->flip;
    }
    return bytes_load(row);
}

/* How a panel's pixels lie: in a line of MR, in one part of some lanes, anyhow. */
enum form { LINE, ONE_PART, ANY_FORM };

INLINE enum form form_of(panel_source *s)
{
    if (s->n == 1 && s->segments->length == MR && s->segments->src >= 0 && s->of->step == 1)
        return LINE;
    prepare(s);
#ifdef INT8_512
    if (s->n_parts == 1 && s->of->step == 1)
        return ONE_PART;
#endif
    return ANY_FORM;
}

INLINE bytes channel_row(const panel_source *s, const uint8_t *channel, enum form form)
{
    if (form == LINE)
        return bytes_flip(bytes_load(channel), s->of->flip);
#ifdef INT8_512
    if (form == ONE_PART)
        return _mm256_mask_blend_epi8(s->parts[0].lanes, bytes_set(s->of->zero),
            bytes_flip(_mm256_maskz_loadu_epi8(s->parts[0].lanes, channel), s->of->flip));
#endif
    return gather(s, channel);
}

/* Four channels, `n` of which are there. */
INLINE void pack_quad(
    const panel_source *s, const uint8_t *channel, size_t n, enum form form, uint8_t *to)
{
    bytes rows[QUAD];
#pragma GCC unroll 4
    for (size_t i = 0; i < QUAD; i++, channel += s->of->channel_stride) {
        /* each channel is a page of its own, which no prefetcher follows */
        if (form != ANY_FORM)
            __builtin_prefetch((const void *)((uintptr_t)channel + 8 * MR));
        rows[i] = i < n ? channel_row(s, channel, form) : bytes_set(s->of->zero);
    }
    interleave(rows, to);
}

INLINE void pack_panel(const panel_source *s, size_t n_channels, enum form form, uint8_t *to)
{
    const uint8_t *channel = s->of->src + (form == LINE ? s->segments->src : 0);
#ifdef INT8_512
    if (form == ONE_PART)
        channel += s->parts[0].offset;
#endif
    size_t c = 0;
    for (; c + QUAD <= n_channels; c += QUAD, to += MR * QUAD) {
        pack_quad(s, channel, QUAD, form, to);
        channel += QUAD * s->of->channel_stride;
    }
    if (c < n_channels)
        pack_quad(s, channel, n_channels - c, form, to);
}

static void pack(size_t n_channels, const nncf__int8_source *source, size_t n_panels,
    uint8_t *panels, size_t panel_stride)
{
    panel_source s = {.of = source, .segments = source->segments};
    const nncf__segment *end = source->segments + source->n_segments;
    for (size_t p = 0; p < n_panels; p++, panels += panel_stride, s.segments += s.n) {
        for (s.n = 0; s.segments + s.n < end && (size_t)s.segments[s.n].dst < (p + 1) * MR;)
            s.n++;
        switch (form_of(&s)) { /* known when compiling from there on */
        case LINE:
            pack_panel(&s, n_channels, LINE, panels);
            break;
        case ONE_PART:
            pack_panel(&s, n_channels, ONE_PART, panels);
            break;
        default:
            pack_panel(&s, n_channels, ANY_FORM, panels);
        }
    }
}

#ifdef DEPTHWISE
#include "kernels/vec_int8_depthwise.h"
#else
#define DEPTHWISE NULL
#endif
#ifdef DEPTHWISE_BYTES
#include "kernels/vec_int8_depthwise_bytes.h"
#else
#define DEPTHWISE_BYTES NULL
#endif

const nncf__int8_kernels INT8_TABLE = {INT8_NAME, MR, NR, OFFSET, WEIGHT_BYTES, pack, NARROW_PAIRS,
    values, micro, micro_store, ROWS_NR, rows, DEPTHWISE, DEPTHWISE_BYTES};
