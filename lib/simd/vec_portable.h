/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine layer of vec_elementwise.h in the vector types of gcc and clang, four floats wide:
 * SSE2 on x86-64, NEON or whatever the baseline has elsewhere. Intrinsics only where compilers do
 * not find the instruction. What each name means: vec.h.
 */
#ifndef NNCF__SIMD_VEC_PORTABLE_H
#define NNCF__SIMD_VEC_PORTABLE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define MASKED_ACCESS 0
#define PARTS         4
#define HAS_PICK      0
#define WIDTH         4
#define REGISTERS     16
typedef float nf __attribute__((vector_size(16)));
typedef int32_t nm __attribute__((vector_size(16))); /* all bits of a lane */
typedef double double2 __attribute__((vector_size(16)));
typedef struct nd {
    double2 low, high;
} nd;
typedef nm nc; /* a lane counts to 2^31: planes of up to 2^35 elements */
typedef uint64_t nq __attribute__((vector_size(16)));

INLINE nf nf_set(float x)
{
    return (nf){x, x, x, x};
}
INLINE nf nf_load(const float *p)
{
    nf x;
    memcpy(&x, p, sizeof x);
    return x;
}
INLINE void nf_store(float *p, nf x)
{
    memcpy(p, &x, sizeof x);
}
INLINE void nf_store_lanes(float *p, nf x, size_t first, size_t n)
{
    memcpy(p + first, (const char *)&x + first * sizeof *p, n * sizeof *p);
}
INLINE void nf_stream(float *p, nf x)
{
    nf_store(p, x);
}
INLINE void streams_end(void)
{
}
INLINE nm nm_first(size_t m)
{
    int32_t count = (int32_t)m;
    return (nm){0, 1, 2, 3} < (nm){count, count, count, count};
}
INLINE nf nf_bytes(const uint8_t *p, uint32_t flip)
{
    const int32_t f = (int32_t)flip;
    const nm x = {p[0], p[1], p[2], p[3]};
    return __builtin_convertvector(x ^ (nm){f, f, f, f}, nf);
}
INLINE nf nf_second_bytes(const uint8_t *p, int upper, uint32_t flip)
{
    const int32_t f = (int32_t)flip;
    const nm x = {p[upper], p[2 + upper], p[4 + upper], p[6 + upper]};
    return __builtin_convertvector(x ^ (nm){f, f, f, f}, nf);
}
INLINE void nf_store_low_bytes(uint8_t *p, nf x)
{
    nm bits = (nm)x;
    for (int i = 0; i < WIDTH; i++)
        p[i] = (uint8_t)bits[i];
}
INLINE nf nf_add(nf a, nf b)
{
    return a + b;
}
INLINE nf nf_sub(nf a, nf b)
{
    return a - b;
}
INLINE nf nf_mul(nf a, nf b)
{
    return a * b;
}
INLINE nf nf_multiply_add(nf a, nf b, nf c)
{
    return a * b + c;
}
INLINE nf nf_div(nf a, nf b)
{
    return a / b;
}
INLINE nf nf_round(nf x)
{
    const nf magic = nf_set(ROUND_MAGIC);
    return x + magic - magic;
}
INLINE nf nf_sqrt(nf x)
{
#ifdef __SSE2__
    return _mm_sqrt_ps(x);
#else
    return (nf){
        __builtin_sqrtf(x[0]), __builtin_sqrtf(x[1]), __builtin_sqrtf(x[2]), __builtin_sqrtf(x[3])};
#endif
}
INLINE nm nf_less(nf a, nf b)
{
    return a < b;
}
INLINE nf nf_select(nm m, nf a, nf b)
{
    return (nf)(((nm)a & m) | ((nm)b & ~m));
}
INLINE nf nf_min(nf a, nf b)
{
#ifdef __SSE2__
    return _mm_min_ps(a, b);
#else
    return nf_select(a < b, a, b);
#endif
}
INLINE nf nf_max(nf a, nf b)
{
#ifdef __SSE2__
    return _mm_max_ps(a, b);
#else
    return nf_select(a > b, a, b);
#endif
}
INLINE nf nf_minus_abs(nf x)
{
    return (nf)((nm)x | (nm){INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN});
}
INLINE float nf_highest(nf x)
{
    const float a = x[0] > x[1] ? x[0] : x[1], b = x[2] > x[3] ? x[2] : x[3];
    return a > b ? a : b;
}
INLINE nf nf_power(nf t)
{
    return (nf)((nm)t << 23);
}
INLINE nf nf_keep(nm m, nf x)
{
    return (nf)((nm)x & m);
}
INLINE nf nf_drop(nm m, nf x)
{
    return (nf)((nm)x & ~m);
}
INLINE nm nm_or(nm a, nm b)
{
    return a | b;
}
INLINE nm nm_and(nm a, nm b)
{
    return a & b;
}
INLINE nm nm_bits(unsigned bits)
{
    int32_t b = (int32_t)bits;
    return ((nm){b, b, b, b} & (nm){1, 2, 4, 8}) != 0;
}
INLINE unsigned nm_mask(nm m)
{
#ifdef __SSE2__
    return (unsigned)_mm_movemask_ps((nf)m);
#else
    const nm bits = m & (nm){1, 2, 4, 8};
    return (unsigned)(bits[0] | bits[1] | bits[2] | bits[3]);
#endif
}
INLINE int nm_any(nm m)
{
#ifdef __SSE2__
    return _mm_movemask_ps((nf)m) != 0;
#else
    nq two = (nq)m;
    return (two[0] | two[1]) != 0;
#endif
}
INLINE nc nc_zero(void)
{
    return (nc){0, 0, 0, 0};
}
INLINE nc nc_add(nc c, nm m)
{
    return c - m;
}
INLINE int64_t nc_total(nc c)
{
    return (int64_t)c[0] + c[1] + c[2] + c[3];
}
INLINE nd nd_zero(void)
{
    return (nd){{0, 0}, {0, 0}};
}
INLINE nd nd_from(nf x)
{
#ifdef __SSE2__
    return (nd){_mm_cvtps_pd(x), _mm_cvtps_pd(_mm_movehl_ps(x, x))};
#else
    return (nd){{(double)x[0], (double)x[1]}, {(double)x[2], (double)x[3]}};
#endif
}
INLINE nd nd_add(nd a, nd b)
{
    return (nd){a.low + b.low, a.high + b.high};
}
INLINE nd nd_add_square(nd sum, nd x)
{
    return (nd){sum.low + x.low * x.low, sum.high + x.high * x.high};
}
INLINE double vd_total(const nd part[PARTS])
{
    double2 low = (part[0].low + part[2].low) + (part[1].low + part[3].low);
    double2 high = (part[0].high + part[2].high) + (part[1].high + part[3].high);
    double2 two = low + high;
    return two[0] + two[1];
}
INLINE nq nq_set(uint32_t x)
{
    return (nq){x, x};
}
INLINE nq nq_blocks(void)
{
    return (nq){0, 1};
}
INLINE nq nq_add(nq a, nq b)
{
    return a + b;
}
INLINE nq nq_xor(nq a, nq b)
{
    return a ^ b;
}
INLINE nq nq_mul(nq a, nq b)
{
#ifdef __SSE2__
    return (nq)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
    return (a & 0xffffffffu) * (b & 0xffffffffu);
#endif
}
INLINE nq nq_high(nq a)
{
    return a >> 32;
}
/* Lane 0 has the words of one block of four, lane 1 those of the next. */
INLINE void nq_uniform(nq x0, nq x1, nq x2, nq x3, float *u)
{
    for (int i = 0; i < 2; i++) {
        nm words = {(int32_t)((uint32_t)x0[i] >> 8), (int32_t)((uint32_t)x1[i] >> 8),
            (int32_t)((uint32_t)x2[i] >> 8), (int32_t)((uint32_t)x3[i] >> 8)};
        nf_store(u + WIDTH * i, __builtin_convertvector(words, nf) * 0x1p-24f);
    }
}

typedef uint32_t nw __attribute__((vector_size(16)));
INLINE nw nw_zero(void)
{
    return (nw){0, 0, 0, 0};
}
INLINE nw nw_mark(nw x, nm m, uint32_t bit)
{
    return x | ((nw)m & (nw){bit, bit, bit, bit});
}
INLINE void nw_store(uint32_t *p, nw x)
{
    memcpy(p, &x, sizeof x);
}

#endif
