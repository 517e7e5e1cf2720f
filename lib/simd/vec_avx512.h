/* SPDX-License-Identifier: Apache-2.0 */
/* The machine layer of vec_elementwise.h for AVX-512 F, BW, DQ, VL. What each name means: vec.h.
 */
#ifndef NNCF__SIMD_VEC_AVX512_H
#define NNCF__SIMD_VEC_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define MASKED_ACCESS 1
#define PARTS         1
#define HAS_PICK      1 /* nf_pick: any lanes of two vectors */
#define WIDTH         16
#define REGISTERS     32
typedef __m512 nf;
typedef __mmask16 nm;
typedef struct nd {
    __m512d low, high;
} nd;
typedef int64_t nc;
typedef __m512i nq;
typedef __m512i ni;

INLINE nf nf_set(float x)
{
    return _mm512_set1_ps(x);
}
INLINE nf nf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
INLINE void nf_store(float *p, nf x)
{
    _mm512_storeu_ps(p, x);
}
INLINE void nf_stream(float *p, nf x)
{
    _mm512_stream_ps(p, x);
}
INLINE void streams_end(void)
{
    _mm_sfence();
}
INLINE nm nm_first(size_t m)
{
    return (nm)((1u << m) - 1);
}
INLINE nf nf_load_first(const float *p, size_t m)
{
    return _mm512_maskz_loadu_ps(nm_first(m), p);
}
INLINE void nf_store_first(float *p, nf x, size_t m)
{
    _mm512_mask_storeu_ps(p, nm_first(m), x);
}
INLINE void nf_store_lanes(float *p, nf x, size_t first, size_t n)
{
    _mm512_mask_storeu_ps(p, (nm)(nm_first(n) << first), x);
}
/* p[2 i] = lane i, i < n; what lies between is left alone. */
INLINE void nf_store_second(float *p, nf x, size_t n)
{
    const __m512i low = _mm512_setr_epi32(0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0);
    const nm second = 0x5555;
    _mm512_mask_storeu_ps(p, second & nm_first(n < 8 ? 2 * n : 16), _mm512_permutexvar_ps(low, x));
    if (n > 8)
        _mm512_mask_storeu_ps(p + 16, second & nm_first(2 * n - 16),
            _mm512_permutexvar_ps(_mm512_add_epi32(low, _mm512_set1_epi32(8)), x));
}
INLINE nf bytes_cut(__m512i x, uint32_t flip)
{
    return _mm512_cvtepi32_ps(_mm512_xor_si512(x, _mm512_set1_epi32((int)flip)));
}
INLINE nf nf_bytes(const uint8_t *p, uint32_t flip)
{
    return bytes_cut(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)), flip);
}
INLINE nf nf_bytes_first(const uint8_t *p, size_t m, uint32_t flip)
{
    return bytes_cut(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(nm_first(m), p)), flip);
}
INLINE nf nf_second_bytes(const uint8_t *p, int upper, uint32_t flip)
{
    __m512i pairs = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));
    return bytes_cut(_mm512_and_si512(_mm512_srl_epi32(pairs, _mm_cvtsi32_si128(8 * upper)),
                         _mm512_set1_epi32(255)),
        flip);
}
INLINE void nf_store_low_bytes(uint8_t *p, nf x)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(_mm512_castps_si512(x)));
}
INLINE nf nf_load_where(nm m, const float *p)
{
    return _mm512_maskz_loadu_ps(m, p);
}
INLINE nf nf_bytes_where(nm m, const uint8_t *p, uint32_t flip)
{
    return bytes_cut(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(m, p)), flip);
}
INLINE nf nf_second_bytes_where(nm m, const uint8_t *p, uint32_t flip)
{
    uint32_t every = m; /* its bits at even places */
    every = (every | every << 8) & 0x00ff00ffu;
    every = (every | every << 4) & 0x0f0f0f0fu;
    every = (every | every << 2) & 0x33333333u;
    every = (every | every << 1) & 0x55555555u;
    return bytes_cut(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi8(every, p)), flip);
}
/* Lane i of m: lane i - 1 of x, lane 0: lane 15 of first; lane i + 1 of x, lane 15: lane 0 of last.
 * +0 outside m. */
INLINE nf nf_up(nm m, nf x, nf first)
{
    return _mm512_castsi512_ps(
        _mm512_maskz_alignr_epi32(m, _mm512_castps_si512(x), _mm512_castps_si512(first), 15));
}
INLINE nf nf_down(nm m, nf x, nf last)
{
    return _mm512_castsi512_ps(
        _mm512_maskz_alignr_epi32(m, _mm512_castps_si512(last), _mm512_castps_si512(x), 1));
}
/* 0, 2, 4 .. and shift, in lanes below `first`; the same of the second vector in those from there
 * on. */
INLINE ni ni_every_second(int first, int shift)
{
    const ni lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    ni index = _mm512_add_epi32(_mm512_add_epi32(lane, lane), _mm512_set1_epi32(shift));
    return _mm512_mask_add_epi32(index, _mm512_cmpge_epi32_mask(lane, _mm512_set1_epi32(first)),
        index, _mm512_set1_epi32(WIDTH - 2 * first));
}
/* From lane `first` on of both vectors, one of each in turn. */
INLINE ni ni_zip(int first)
{
    return _mm512_add_epi32(
        _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0),
        _mm512_set1_epi32(first));
}
/* Lane i: lane index[i] % 16 of a, or of b where index[i] is 16 or more; +0 outside m. */
INLINE nf nf_pick(nm m, nf a, nf b, ni index)
{
    return _mm512_maskz_permutex2var_ps(m, a, index, b);
}
INLINE nf nf_second_bytes_first(const uint8_t *p, size_t m, uint32_t flip)
{
    __m512i pairs =
        _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi8((__mmask32)((1ull << (2 * m - 1)) - 1), p));
    return bytes_cut(_mm512_and_si512(pairs, _mm512_set1_epi32(255)), flip);
}
INLINE nf nf_add(nf a, nf b)
{
    return _mm512_add_ps(a, b);
}
INLINE nf nf_sub(nf a, nf b)
{
    return _mm512_sub_ps(a, b);
}
INLINE nf nf_mul(nf a, nf b)
{
    return _mm512_mul_ps(a, b);
}
INLINE nf nf_multiply_add(nf a, nf b, nf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
INLINE nf nf_div(nf a, nf b)
{
    return _mm512_div_ps(a, b);
}
/* vrndscaleps is two operations, too, but both of one port. */
INLINE nf nf_round(nf x)
{
    const nf magic = nf_set(ROUND_MAGIC);
    return _mm512_sub_ps(_mm512_add_ps(x, magic), magic);
}
INLINE nf nf_sqrt(nf x)
{
    return _mm512_sqrt_ps(x);
}
INLINE nf nf_min(nf a, nf b)
{
    return _mm512_min_ps(a, b);
}
INLINE nf nf_max(nf a, nf b)
{
    return _mm512_max_ps(a, b);
}
INLINE nf nf_minus_abs(nf x)
{
    return _mm512_or_ps(x, _mm512_set1_ps(-0.0f));
}
INLINE float nf_highest(nf x)
{
    return _mm512_reduce_max_ps(x);
}
INLINE nf nf_power(nf t)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(t), 23));
}
INLINE nm nf_less(nf a, nf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
INLINE nf nf_select(nm m, nf a, nf b)
{
    return _mm512_mask_blend_ps(m, b, a);
}
INLINE nf nf_keep(nm m, nf x)
{
    return _mm512_maskz_mov_ps(m, x);
}
INLINE nf nf_drop(nm m, nf x)
{
    return _mm512_maskz_mov_ps((nm)~m, x);
}
INLINE nm nm_or(nm a, nm b)
{
    return (nm)(a | b);
}
INLINE nm nm_and(nm a, nm b)
{
    return (nm)(a & b);
}
INLINE nm nm_bits(unsigned bits)
{
    return (nm)bits;
}
INLINE unsigned nm_mask(nm m)
{
    return m;
}
INLINE int nm_any(nm m)
{
    return m != 0;
}
INLINE nc nc_zero(void)
{
    return 0;
}
INLINE nc nc_add(nc c, nm m)
{
    return c + __builtin_popcount(m);
}
INLINE int64_t nc_total(nc c)
{
    return c;
}
INLINE nd nd_zero(void)
{
    return (nd){_mm512_setzero_pd(), _mm512_setzero_pd()};
}
INLINE nd nd_from(nf x)
{
    return (nd){
        _mm512_cvtps_pd(_mm512_castps512_ps256(x)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1))};
}
INLINE nd nd_add(nd a, nd b)
{
    return (nd){_mm512_add_pd(a.low, b.low), _mm512_add_pd(a.high, b.high)};
}
INLINE nd nd_add_square(nd sum, nd x)
{
    return (nd){_mm512_fmadd_pd(x.low, x.low, sum.low), _mm512_fmadd_pd(x.high, x.high, sum.high)};
}
INLINE double vd_total(const nd part[PARTS])
{
    __m512d eight = _mm512_add_pd(part[0].low, part[0].high);
    __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(eight), _mm512_extractf64x4_pd(eight, 1));
    __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}
INLINE nq nq_set(uint32_t x)
{
    return _mm512_set1_epi64((long long)x);
}
INLINE nq nq_blocks(void)
{
    return _mm512_set_epi64(7, 3, 6, 2, 5, 1, 4, 0);
}
INLINE nq nq_add(nq a, nq b)
{
    return _mm512_add_epi64(a, b);
}
INLINE nq nq_xor(nq a, nq b)
{
    return _mm512_xor_si512(a, b);
}
INLINE nq nq_mul(nq a, nq b)
{
    return _mm512_mul_epu32(a, b);
}
INLINE nq nq_high(nq a)
{
    return _mm512_srli_epi64(a, 32);
}
INLINE nf nf_uniform(nq words)
{
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_srli_epi32(words, 8)), _mm512_set1_ps(0x1p-24f));
}
INLINE void nq_uniform(nq x0, nq x1, nq x2, nq x3, float *u)
{
    __m512i a = _mm512_mask_blend_epi32(0xaaaa, x0, _mm512_slli_epi64(x1, 32));
    __m512i b = _mm512_mask_blend_epi32(0xaaaa, x2, _mm512_slli_epi64(x3, 32));
    nf_store(u, nf_uniform(_mm512_unpacklo_epi64(a, b)));
    nf_store(u + WIDTH, nf_uniform(_mm512_unpackhi_epi64(a, b)));
}

typedef __m512i nw;
INLINE nw nw_zero(void)
{
    return _mm512_setzero_si512();
}
INLINE nw nw_mark(nw x, nm m, uint32_t bit)
{
    return _mm512_mask_or_epi32(x, m, x, _mm512_set1_epi32((int)bit));
}
INLINE void nw_store(uint32_t *p, nw x)
{
    _mm512_storeu_si512(p, x);
}

#endif
