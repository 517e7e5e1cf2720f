/* SPDX-License-Identifier: Apache-2.0 */
/* The machine layer of vec_elementwise.h for NEON (Advanced SIMD), which every AArch64 CPU has.
 * What each name means: vec.h. */
#ifndef NNCF__SIMD_VEC_NEON_H
#define NNCF__SIMD_VEC_NEON_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MASKED_ACCESS 0
#define PARTS         4
#define HAS_PICK      0
#define WIDTH         4
#define REGISTERS     32
typedef float32x4_t nf;
typedef uint32x4_t nm; /* all bits of a lane */
typedef struct nd {
    float64x2_t low, high;
} nd;
typedef uint32x4_t nc; /* a lane counts to 2^32: planes of up to 2^36 elements */
typedef uint64x2_t nq;

INLINE nf nf_set(float x)
{
    return vdupq_n_f32(x);
}
INLINE nf nf_load(const float *p)
{
    return vld1q_f32(p);
}
INLINE void nf_store(float *p, nf x)
{
    vst1q_f32(p, x);
}
INLINE void nf_store_lanes(float *p, nf x, size_t first, size_t n)
{
    float lane[WIDTH];
    vst1q_f32(lane, x);
    memcpy(p + first, lane + first, n * sizeof *p);
}
/* No store past the caches: stnp is a hint that no intrinsic has. */
INLINE void nf_stream(float *p, nf x)
{
    vst1q_f32(p, x);
}
INLINE void streams_end(void)
{
}
INLINE nm nm_first(size_t m)
{
    static const uint32_t lane[WIDTH] = {0, 1, 2, 3};
    return vcltq_u32(vld1q_u32(lane), vdupq_n_u32((uint32_t)m));
}
/* The lower four of eight bytes. */
INLINE nf bytes_cut(uint8x8_t x, uint32_t flip)
{
    const uint16x8_t words = vmovl_u8(veor_u8(x, vdup_n_u8((uint8_t)flip)));
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(words)));
}
INLINE nf nf_bytes(const uint8_t *p, uint32_t flip)
{
    uint32_t four;
    memcpy(&four, p, sizeof four);
    return bytes_cut(vreinterpret_u8_u32(vdup_n_u32(four)), flip);
}
INLINE nf nf_second_bytes(const uint8_t *p, int upper, uint32_t flip)
{
    const uint8x8_t pairs = vld1_u8(p);
    return bytes_cut(upper ? vuzp2_u8(pairs, pairs) : vuzp1_u8(pairs, pairs), flip);
}
INLINE void nf_store_low_bytes(uint8_t *p, nf x)
{
    const uint16x4_t words = vmovn_u32(vreinterpretq_u32_f32(x));
    const uint32_t four =
        vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(words, words))), 0);
    memcpy(p, &four, sizeof four);
}
INLINE nf nf_add(nf a, nf b)
{
    return vaddq_f32(a, b);
}
INLINE nf nf_sub(nf a, nf b)
{
    return vsubq_f32(a, b);
}
INLINE nf nf_mul(nf a, nf b)
{
    return vmulq_f32(a, b);
}
INLINE nf nf_multiply_add(nf a, nf b, nf c)
{
    return vfmaq_f32(c, a, b);
}
INLINE nf nf_div(nf a, nf b)
{
    return vdivq_f32(a, b);
}
INLINE nf nf_round(nf x)
{
    return vrndnq_f32(x);
}
INLINE nf nf_sqrt(nf x)
{
    return vsqrtq_f32(x);
}
INLINE nm nf_less(nf a, nf b)
{
    return vcltq_f32(a, b);
}
INLINE nf nf_select(nm m, nf a, nf b)
{
    return vbslq_f32(m, a, b);
}
/* Not fmin and fmax, which give NaN wherever there is one. */
INLINE nf nf_min(nf a, nf b)
{
    return nf_select(vcltq_f32(a, b), a, b);
}
INLINE nf nf_max(nf a, nf b)
{
    return nf_select(vcgtq_f32(a, b), a, b);
}
INLINE nf nf_minus_abs(nf x)
{
    return vnegq_f32(vabsq_f32(x));
}
INLINE float nf_highest(nf x)
{
    return vmaxvq_f32(x);
}
INLINE nf nf_power(nf t)
{
    return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(t), 23));
}
INLINE nf nf_keep(nm m, nf x)
{
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x), m));
}
INLINE nf nf_drop(nm m, nf x)
{
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(x), m));
}
INLINE nm nm_or(nm a, nm b)
{
    return vorrq_u32(a, b);
}
INLINE nm nm_and(nm a, nm b)
{
    return vandq_u32(a, b);
}
INLINE nm nm_bits(unsigned bits)
{
    static const uint32_t bit[WIDTH] = {1, 2, 4, 8};
    return vtstq_u32(vdupq_n_u32(bits), vld1q_u32(bit));
}
INLINE unsigned nm_mask(nm m)
{
    static const uint32_t bit[WIDTH] = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(m, vld1q_u32(bit)));
}
INLINE int nm_any(nm m)
{
    return vmaxvq_u32(m) != 0;
}
INLINE nc nc_zero(void)
{
    return vdupq_n_u32(0);
}
INLINE nc nc_add(nc c, nm m)
{
    return vsubq_u32(c, m);
}
INLINE int64_t nc_total(nc c)
{
    return (int64_t)vaddlvq_u32(c);
}
INLINE nd nd_zero(void)
{
    return (nd){vdupq_n_f64(0), vdupq_n_f64(0)};
}
INLINE nd nd_from(nf x)
{
    return (nd){vcvt_f64_f32(vget_low_f32(x)), vcvt_high_f64_f32(x)};
}
INLINE nd nd_add(nd a, nd b)
{
    return (nd){vaddq_f64(a.low, b.low), vaddq_f64(a.high, b.high)};
}
INLINE nd nd_add_square(nd sum, nd x)
{
    return (nd){vfmaq_f64(sum.low, x.low, x.low), vfmaq_f64(sum.high, x.high, x.high)};
}
INLINE double vd_total(const nd part[PARTS])
{
    const nd a = nd_add(part[0], part[2]), b = nd_add(part[1], part[3]), four = nd_add(a, b);
    return vaddvq_f64(vaddq_f64(four.low, four.high));
}
INLINE nq nq_set(uint32_t x)
{
    return vdupq_n_u64(x);
}
INLINE nq nq_blocks(void)
{
    return vcombine_u64(vcreate_u64(0), vcreate_u64(1));
}
INLINE nq nq_add(nq a, nq b)
{
    return vaddq_u64(a, b);
}
INLINE nq nq_xor(nq a, nq b)
{
    return veorq_u64(a, b);
}
INLINE nq nq_mul(nq a, nq b)
{
    return vmull_u32(vmovn_u64(a), vmovn_u64(b));
}
INLINE nq nq_high(nq a)
{
    return vshrq_n_u64(a, 32);
}
INLINE nf nf_uniform(nq words)
{
    const uint32x4_t upper = vshrq_n_u32(vreinterpretq_u32_u64(words), 8);
    return vmulq_f32(vcvtq_f32_u32(upper), vdupq_n_f32(0x1p-24f));
}
INLINE void nq_uniform(nq x0, nq x1, nq x2, nq x3, float *u)
{
    const nq a = vsliq_n_u64(x0, x1, 32), b = vsliq_n_u64(x2, x3, 32);
    nf_store(u, nf_uniform(vzip1q_u64(a, b)));
    nf_store(u + WIDTH, nf_uniform(vzip2q_u64(a, b)));
}

typedef uint32x4_t nw;
INLINE nw nw_zero(void)
{
    return vdupq_n_u32(0);
}
INLINE nw nw_mark(nw x, nm m, uint32_t bit)
{
    return vorrq_u32(x, vandq_u32(m, vdupq_n_u32(bit)));
}
INLINE void nw_store(uint32_t *p, nw x)
{
    vst1q_u32(p, x);
}

#endif
