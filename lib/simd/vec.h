/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vectors of 16 floats for vec_elementwise.h, made of PARTS machine vectors of WIDTH floats. 16 on
 * every ISA, because the sums have 16 lanes. The file that includes this names its machine layer in
 * MACHINE; that one defines
 *
 * - REGISTERS: how many vectors the register file holds, 16 or 32.
 * - nf, nm, nd, nc, nq: WIDTH floats; a mask of as many lanes; as many doubles; a counter a lane;
 *   WIDTH / 2 uint64.
 * - nf_min(a, b), nf_max(a, b): a < b ? a : b, a > b ? a : b; for NaN and for equals the second
 *   operand, as minps.
 * - nf_multiply_add(a, b, c): a b + c, fused where there is an instruction; in products of floats
 *   only, which are not EXACT.
 * - nf_round(x): to an integer, half to even, |x| <= 2^22; the sign of a zero is not defined.
 * - nf_keep(m, x), nf_drop(m, x): m ? x : +0, m ? +0 : x.
 * - nf_minus_abs(x): -|x|, of NaN some NaN.
 * - nf_highest(x): the greatest lane; none is NaN; of zeros any.
 * - nf_power(t): t's bits shifted left by 23; see sigmoid.h.
 * - nf_load_first, nf_store_first: the first m <= WIDTH lanes, nothing else is touched; the others
 *   load as +0. Only where MASKED_ACCESS is 1.
 * - nf_store_lanes(p, x, first, n): n lanes from the first on, to p + first; nothing else.
 * - nf_stream: a store past the caches, where the machine has one; p is aligned to the vector.
 *   streams_end(): other threads see what was stored so.
 * - nf_bytes(p, flip): WIDTH bytes, each xor flip, as floats; nf_bytes_first: only the first m are
 *   read.
 * - nf_second_bytes(p, upper, flip): the same of the lower or upper (as numbers in memory) bytes of
 *   WIDTH pairs.
 * - nf_load_where(m, p): lanes of m from p + lane; nothing else is read; +0 in the others. Only
 *   where HAS_PICK is 1.
 * - nf_bytes_where(m, p, flip), nf_second_bytes_where: the same of bytes p[lane], p[2 * lane] as
 *   floats; the others: as a byte of 0.
 * - nf_store_low_bytes: the lowest byte of each lane's bits; nf_store_low_bytes_of_two: of two
 *   vectors, where PARTS is 2.
 * - nf_second_bytes_first(p, m, flip): m > 0 of every second byte from p[0] on; no other.
 * - nm_bits: lane i is set where bit i is. nm_mask: its inverse.
 * - nw: WIDTH uint32. nw_mark(x, m, bit): x | bit in lanes of m. nw_zero, nw_store.
 * - nd_add_square(sum, x): sum + x * x of what was a float: an exact product, so that it may be
 *   fused.
 * - nd_from: the doubles, lanes in order: first half in low, second half in high.
 * - vd_total: the fixed tree of kernels.def over all 16 lanes.
 * - nq_mul: 64-bit products of the lower halves; nq_high: a >> 32. Upper halves may hold garbage
 *   elsewhere.
 * - nq_blocks, nq_uniform: lane numbering and output of Philox blocks, so that the words are in
 *   order.
 *
 * Where HAS_PICK is 1, and WIDTH 16, lanes can be moved, too, by lane numbers (ni):
 *
 * - nf_up(m, x, first), nf_down(m, x, last): lane i - 1 or i + 1 of x; beyond it lane 15 of first,
 *   lane 0 of last.
 * - nf_pick(m, a, b, index): any lanes of two vectors; +0 outside m. ni_every_second, ni_zip: such
 *   an index.
 *
 * Names not listed do what they say. No other fused multiply-add: not every ISA could give its
 * bits.
 */
#ifndef NNCF__SIMD_VEC_H
#define NNCF__SIMD_VEC_H

#include <stdbool.h>
#include <string.h>

/* With a sanitizer's checks inlined into every operation a file would take minutes to compile.
 * There is no undefined arithmetic in floats; what matters, the memory that rows touch, stays under
 * watch. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(SANITIZED) || defined(__SANITIZE_ADDRESS__)
#define INLINE static inline __attribute__((no_sanitize("undefined")))
#else
#define INLINE static inline __attribute__((always_inline))
#endif
#define LANES 16

/* 1.5 * 2^23: adding and subtracting it rounds to an integer, half to even, for |x| <= 2^22, and
 * makes -0 a +0. After the addition the lowest bits are those of the integer. */
#define ROUND_MAGIC 12582912.0f

#include MACHINE

typedef struct vf {
    nf p[PARTS];
} vf;
typedef struct vm {
    nm p[PARTS];
} vm;
typedef struct vd {
    nd p[PARTS];
} vd;
typedef struct vc {
    nc p[PARTS];
} vc;

/* PARTS is 1, 2 or 4: the loops vanish. */
#define EACH(k) for (int k = 0; k < PARTS; k++)

#define BINARY(name, type, part, a_type, b_type)                                                   \
    INLINE type name(a_type a, b_type b)                                                           \
    {                                                                                              \
        type r;                                                                                    \
        EACH(k)                                                                                    \
        r.p[k] = part(a.p[k], b.p[k]);                                                             \
        return r;                                                                                  \
    }
BINARY(vf_add, vf, nf_add, vf, vf)
BINARY(vf_sub, vf, nf_sub, vf, vf)
BINARY(vf_mul, vf, nf_mul, vf, vf)
BINARY(vf_div, vf, nf_div, vf, vf)
BINARY(vf_min, vf, nf_min, vf, vf)
BINARY(vf_max, vf, nf_max, vf, vf)
BINARY(vf_less, vm, nf_less, vf, vf)
BINARY(vf_keep, vf, nf_keep, vm, vf)
BINARY(vf_drop, vf, nf_drop, vm, vf)
BINARY(vm_or, vm, nm_or, vm, vm)
BINARY(vm_and, vm, nm_and, vm, vm)
BINARY(vc_add, vc, nc_add, vc, vm)
BINARY(vd_add, vd, nd_add, vd, vd)
BINARY(vd_add_square, vd, nd_add_square, vd, vd)
#undef BINARY

INLINE vf vf_set(float x)
{
    vf r;
    EACH(k)
    r.p[k] = nf_set(x);
    return r;
}

INLINE vf vf_sqrt(vf x)
{
    vf r;
    EACH(k)
    r.p[k] = nf_sqrt(x.p[k]);
    return r;
}

INLINE vf vf_round(vf x)
{
    vf r;
    EACH(k)
    r.p[k] = nf_round(x.p[k]);
    return r;
}

INLINE vf vf_minus_abs(vf x)
{
    vf r;
    EACH(k)
    r.p[k] = nf_minus_abs(x.p[k]);
    return r;
}

INLINE float vf_highest(vf x)
{
    nf highest = x.p[0];
    for (int k = 1; k < PARTS; k++)
        highest = nf_max(x.p[k], highest);
    return nf_highest(highest);
}

INLINE vf vf_select(vm m, vf a, vf b)
{
    vf r;
    EACH(k)
    r.p[k] = nf_select(m.p[k], a.p[k], b.p[k]);
    return r;
}

INLINE vf vf_power(vf t)
{
    vf r;
    EACH(k)
    r.p[k] = nf_power(t.p[k]);
    return r;
}

/* a b + c, fused where there is an instruction: not the same bits at every level. */
INLINE vf vf_multiply_add(vf a, vf b, vf c)
{
    vf r;
    EACH(k)
    r.p[k] = nf_multiply_add(a.p[k], b.p[k], c.p[k]);
    return r;
}

/* How many of part k's lanes are among the first m of all. */
INLINE size_t part_count(size_t m, int k)
{
    size_t start = (size_t)k * WIDTH;
    return m <= start ? 0 : m - start >= WIDTH ? WIDTH : m - start;
}

/* Blocks are of m lanes: 16, known when compiling, in the body of a row, fewer in its last block. A
 * machine without masked access goes through a padded copy. */
#if MASKED_ACCESS
INLINE vf vf_load(const float *x, size_t m)
{
    vf r;
    EACH(k)
    r.p[k] = m == LANES ? nf_load(x + k * WIDTH) : nf_load_first(x + k * WIDTH, part_count(m, k));
    return r;
}

INLINE void vf_store(float *y, vf x, size_t m)
{
    EACH(k)
    {
        if (m == LANES)
            nf_store(y + k * WIDTH, x.p[k]);
        else
            nf_store_first(y + k * WIDTH, x.p[k], part_count(m, k));
    }
}
#else
INLINE vf vf_load(const float *x, size_t m)
{
    float padded[LANES] = {0};
    if (m != LANES)
        x = memcpy(padded, x, m * sizeof *x);
    vf r;
    EACH(k)
    r.p[k] = nf_load(x + k * WIDTH);
    return r;
}

INLINE void vf_store(float *y, vf x, size_t m)
{
    float padded[LANES];
    float *to = m == LANES ? y : padded;
    EACH(k)
    nf_store(to + k * WIDTH, x.p[k]);
    if (m != LANES)
        memcpy(y, padded, m * sizeof *y);
}
#endif

/* The first m <= WIDTH floats, +0 in the other lanes; nothing else is read. */
INLINE nf nf_load_part(const float *x, size_t m)
{
    if (m == WIDTH)
        return nf_load(x);
#if MASKED_ACCESS
    return nf_load_first(x, m);
#else
    float padded[WIDTH] = {0};
    memcpy(padded, x, m * sizeof *x);
    return nf_load(padded);
#endif
}

/* The lowest byte of each lane's bits. */
INLINE void vf_store_low_bytes(uint8_t *y, vf x, size_t m)
{
    uint8_t padded[LANES];
    uint8_t *to = m == LANES ? y : padded;
#if PARTS == 2
    nf_store_low_bytes_of_two(to, x.p[0], x.p[1]);
#else
    EACH(k)
    nf_store_low_bytes(to + k * WIDTH, x.p[k]);
#endif
    if (m != LANES)
        memcpy(y, padded, m);
}

/* (float)(byte ^ flip) */
INLINE vf vf_load_bytes(const uint8_t *x, uint32_t flip, size_t m)
{
    uint8_t padded[LANES] = {0};
    if (m != LANES)
        x = memcpy(padded, x, m);
    vf r;
    EACH(k)
    r.p[k] = nf_bytes(x + k * WIDTH, flip);
    return r;
}

INLINE vm vm_first(size_t m)
{
    vm r;
    EACH(k)
    r.p[k] = nm_first(part_count(m, k));
    return r;
}

INLINE vm vm_bits(unsigned bits)
{
    vm r;
    EACH(k)
    r.p[k] = nm_bits(bits >> (k * WIDTH));
    return r;
}

INLINE unsigned vm_mask(vm m)
{
    unsigned bits = 0;
    EACH(k)
    bits |= nm_mask(m.p[k]) << (k * WIDTH);
    return bits;
}

#if HAS_PICK
INLINE vf vf_load_where(vm m, const float *x)
{
    vf r;
    EACH(k)
    r.p[k] = nf_load_where(m.p[k], x + k * WIDTH);
    return r;
}

/* step 1 or 2: p[step * lane] */
INLINE vf vf_bytes_where(vm m, const uint8_t *p, int step, uint32_t flip)
{
    vf r;
    EACH(k)
    r.p[k] = step == 1 ? nf_bytes_where(m.p[k], p + k * WIDTH, flip)
                       : nf_second_bytes_where(m.p[k], p + 2 * k * WIDTH, flip);
    return r;
}
#endif

/* Bits i..i+m-1 of a mask, i a multiple of 16; bytes without a bit among them are not read. */
INLINE vm vm_load(const uint8_t *bits, size_t i, size_t m)
{
    unsigned low = bits[i / 8], high = m > 8 ? bits[i / 8 + 1] : 0;
    vm r;
    EACH(k)
    r.p[k] = nm_bits((low | high << 8) >> (k * WIDTH));
    return r;
}

INLINE int vm_any(vm m)
{
    nm any = m.p[0];
    for (int k = 1; k < PARTS; k++)
        any = nm_or(any, m.p[k]);
    return nm_any(any);
}

/* What lanes beyond m computed from their zeros must not enter a sum or a count. */
INLINE vf vf_live(vf x, size_t m)
{
    return m == LANES ? x : vf_keep(vm_first(m), x);
}

INLINE vm vm_live(vm x, size_t m)
{
    return m == LANES ? x : vm_and(vm_first(m), x);
}

INLINE vc vc_zero(void)
{
    vc r;
    EACH(k)
    r.p[k] = nc_zero();
    return r;
}

INLINE int64_t vc_total(vc c)
{
    int64_t total = 0;
    EACH(k)
    total += nc_total(c.p[k]);
    return total;
}

INLINE vd vd_zero(void)
{
    vd r;
    EACH(k)
    r.p[k] = nd_zero();
    return r;
}

INLINE vd vd_from(vf x)
{
    vd r;
    EACH(k)
    r.p[k] = nd_from(x.p[k]);
    return r;
}

INLINE void vd_sum(vd *sum, vf x, size_t m)
{
    *sum = vd_add(*sum, vd_from(vf_live(x, m)));
}

#endif
