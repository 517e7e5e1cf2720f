/* SPDX-License-Identifier: Apache-2.0 */
/* The machine layer of vec_elementwise.h for AVX2. What each name means: vec.h. */
#ifndef NNCF__SIMD_VEC_AVX2_H
#define NNCF__SIMD_VEC_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MASKED_ACCESS 1
#define PARTS         2
#define HAS_PICK      0
#define WIDTH         8
#define REGISTERS     16
typedef __m256 nf;
typedef __m256 nm; /* all bits of a lane */
typedef struct nd {
    __m256d low, high;
} nd;
typedef __m256i nc; /* a lane counts to 2^31: planes of up to 2^35 elements */
typedef __m256i nq;

/* m ones, then zeros, starting at [8 - m]. */
static const int32_t first_lanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

INLINE nf nf_set(float x)
{
    return _mm256_set1_ps(x);
}
INLINE nf nf_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
INLINE void nf_store(float *p, nf x)
{
    _mm256_storeu_ps(p, x);
}
INLINE void nf_stream(float *p, nf x)
{
    _mm256_stream_ps(p, x);
}
INLINE void streams_end(void)
{
    _mm_sfence();
}
INLINE nm nm_first(size_t m)
{
    return _mm256_castsi256_ps(
        _mm256_loadu_si256((const __m256i *)(const void *)(first_lanes + WIDTH - m)));
}
INLINE nf nf_load_first(const float *p, size_t m)
{
    return _mm256_maskload_ps(p, _mm256_castps_si256(nm_first(m)));
}
/* By parts: a masked store is tens of operations on some CPUs. */
INLINE void nf_store_first(float *p, nf x, size_t m)
{
    if (m >= WIDTH) {
        _mm256_storeu_ps(p, x);
        return;
    }
    __m128 part = _mm256_castps256_ps128(x);
    if (m & 4) {
        _mm_storeu_ps(p, part);
        part = _mm256_extractf128_ps(x, 1);
        p += 4;
    }
    if (m & 2) {
        _mm_storel_pi((__m64 *)(void *)p, part);
        part = _mm_movehl_ps(part, part);
        p += 2;
    }
    if (m & 1)
        _mm_store_ss(p, part);
}
INLINE void nf_store_lanes(float *p, nf x, size_t first, size_t n)
{
    _mm256_maskstore_ps(
        p, _mm256_castps_si256(_mm256_andnot_ps(nm_first(first), nm_first(first + n))), x);
}
INLINE nf bytes_cut(__m256i x, uint32_t flip)
{
    return _mm256_cvtepi32_ps(_mm256_xor_si256(x, _mm256_set1_epi32((int)flip)));
}
INLINE nf nf_bytes(const uint8_t *p, uint32_t flip)
{
    return bytes_cut(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)), flip);
}
/* The first m < 8 bytes, the others 0: of two loads that overlap, what both have is the same. */
INLINE uint64_t few_bytes(const uint8_t *p, size_t m)
{
    uint32_t a = 0, b = 0;
    uint16_t c, d;
    if (m >= 4) {
        memcpy(&a, p, sizeof a);
        memcpy(&b, p + m - 4, sizeof b);
        return a | (uint64_t)b << (8 * (m - 4));
    }
    if (m < 2)
        return m == 1 ? p[0] : 0;
    memcpy(&c, p, sizeof c);
    memcpy(&d, p + m - 2, sizeof d);
    return c | (uint64_t)d << (8 * (m - 2));
}
/* Bytes 0, 2, 4 and 6 as the lowest four. */
INLINE uint64_t even_bytes(uint64_t x)
{
    x &= 0x00ff00ff00ff00ffu;
    x = (x | x >> 8) & 0x0000ffff0000ffffu;
    return (x | x >> 16) & 0xffffffffu;
}
INLINE nf nf_bytes_first(const uint8_t *p, size_t m, uint32_t flip)
{
    uint8_t part[WIDTH];
    uint64_t x;
    if (m >= WIDTH)
        return nf_bytes(p, flip);
    x = few_bytes(p, m);
    memcpy(part, &x, sizeof part);
    return nf_bytes(part, flip);
}
INLINE nf nf_second_bytes(const uint8_t *p, int upper, uint32_t flip)
{
    __m256i pairs = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
    return bytes_cut(_mm256_and_si256(_mm256_srl_epi32(pairs, _mm_cvtsi32_si128(8 * upper)),
                         _mm256_set1_epi32(255)),
        flip);
}
INLINE void nf_store_low_bytes_of_two(uint8_t *p, nf x, nf y)
{
    const nf low = _mm256_castsi256_ps(_mm256_set1_epi32(255));
    const __m256i words = _mm256_packus_epi32(
        _mm256_castps_si256(_mm256_and_ps(x, low)), _mm256_castps_si256(_mm256_and_ps(y, low)));
    /* four of x, four of y, the other four of x, of y */
    const __m128i bytes =
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((__m128i *)(void *)p, _mm_shuffle_epi32(bytes, 0xd8));
}
INLINE nf nf_second_bytes_first(const uint8_t *p, size_t m, uint32_t flip)
{
    uint8_t part[WIDTH];
    uint64_t x = 0, last;
    if (m > 4) { /* the last four are odd ones of eight bytes that end with them */
        memcpy(&x, p, sizeof x);
        memcpy(&last, p + 2 * m - 1 - sizeof last, sizeof last);
        x = even_bytes(x) | even_bytes(last >> 8) << (8 * (m - 4));
    } else {
        for (size_t i = 0; i < m; i++)
            x |= (uint64_t)p[2 * i] << (8 * i);
    }
    memcpy(part, &x, sizeof part);
    return nf_bytes(part, flip);
}
INLINE nf nf_add(nf a, nf b)
{
    return _mm256_add_ps(a, b);
}
INLINE nf nf_sub(nf a, nf b)
{
    return _mm256_sub_ps(a, b);
}
INLINE nf nf_mul(nf a, nf b)
{
    return _mm256_mul_ps(a, b);
}
INLINE nf nf_multiply_add(nf a, nf b, nf c)
{
    return _mm256_fmadd_ps(a, b, c);
}
INLINE nf nf_div(nf a, nf b)
{
    return _mm256_div_ps(a, b);
}
INLINE nf nf_round(nf x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
INLINE nf nf_sqrt(nf x)
{
    return _mm256_sqrt_ps(x);
}
INLINE nf nf_min(nf a, nf b)
{
    return _mm256_min_ps(a, b);
}
INLINE nf nf_max(nf a, nf b)
{
    return _mm256_max_ps(a, b);
}
INLINE nf nf_minus_abs(nf x)
{
    return _mm256_or_ps(x, _mm256_set1_ps(-0.0f));
}
INLINE float nf_highest(nf x)
{
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
INLINE nf nf_power(nf t)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(t), 23));
}
INLINE nm nf_less(nf a, nf b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
INLINE nf nf_select(nm m, nf a, nf b)
{
    return _mm256_blendv_ps(b, a, m);
}
INLINE nf nf_keep(nm m, nf x)
{
    return _mm256_and_ps(m, x);
}
INLINE nf nf_drop(nm m, nf x)
{
    return _mm256_andnot_ps(m, x);
}
INLINE nm nm_or(nm a, nm b)
{
    return _mm256_or_ps(a, b);
}
INLINE nm nm_and(nm a, nm b)
{
    return _mm256_and_ps(a, b);
}
INLINE nm nm_bits(unsigned bits)
{
    __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_castsi256_ps(
        _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)bits), lane), lane));
}
INLINE unsigned nm_mask(nm m)
{
    return (unsigned)_mm256_movemask_ps(m);
}
INLINE int nm_any(nm m)
{
    return _mm256_movemask_ps(m) != 0;
}
INLINE nc nc_zero(void)
{
    return _mm256_setzero_si256();
}
INLINE nc nc_add(nc c, nm m)
{
    return _mm256_sub_epi32(c, _mm256_castps_si256(m));
}
INLINE int64_t nc_total(nc c)
{
    int32_t lane[8];
    int64_t total = 0;
    _mm256_storeu_si256((__m256i *)(void *)lane, c);
    for (int i = 0; i < 8; i++)
        total += lane[i];
    return total;
}
INLINE nd nd_zero(void)
{
    return (nd){_mm256_setzero_pd(), _mm256_setzero_pd()};
}
INLINE nd nd_from(nf x)
{
    return (nd){
        _mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1))};
}
INLINE nd nd_add(nd a, nd b)
{
    return (nd){_mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high)};
}
INLINE nd nd_add_square(nd sum, nd x)
{
    return (nd){_mm256_fmadd_pd(x.low, x.low, sum.low), _mm256_fmadd_pd(x.high, x.high, sum.high)};
}
INLINE double vd_total(const nd part[PARTS])
{
    __m256d four = _mm256_add_pd(
        _mm256_add_pd(part[0].low, part[1].low), _mm256_add_pd(part[0].high, part[1].high));
    __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}
INLINE nq nq_set(uint32_t x)
{
    return _mm256_set1_epi64x((long long)x);
}
INLINE nq nq_blocks(void)
{
    return _mm256_set_epi64x(3, 1, 2, 0);
}
INLINE nq nq_add(nq a, nq b)
{
    return _mm256_add_epi64(a, b);
}
INLINE nq nq_xor(nq a, nq b)
{
    return _mm256_xor_si256(a, b);
}
INLINE nq nq_mul(nq a, nq b)
{
    return _mm256_mul_epu32(a, b);
}
INLINE nq nq_high(nq a)
{
    return _mm256_srli_epi64(a, 32);
}
INLINE nf nf_uniform(nq words)
{
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_srli_epi32(words, 8)), _mm256_set1_ps(0x1p-24f));
}
INLINE void nq_uniform(nq x0, nq x1, nq x2, nq x3, float *u)
{
    __m256i a = _mm256_blend_epi32(x0, _mm256_slli_epi64(x1, 32), 0xaa);
    __m256i b = _mm256_blend_epi32(x2, _mm256_slli_epi64(x3, 32), 0xaa);
    nf_store(u, nf_uniform(_mm256_unpacklo_epi64(a, b)));
    nf_store(u + WIDTH, nf_uniform(_mm256_unpackhi_epi64(a, b)));
}

typedef __m256i nw;
INLINE nw nw_zero(void)
{
    return _mm256_setzero_si256();
}
INLINE nw nw_mark(nw x, nm m, uint32_t bit)
{
    const nw bits = _mm256_and_si256(_mm256_castps_si256(m), _mm256_set1_epi32((int)bit));
    return _mm256_or_si256(x, bits);
}
INLINE void nw_store(uint32_t *p, nw x)
{
    _mm256_storeu_si256((__m256i *)(void *)p, x);
}

#endif
