/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of vectors share: the loop over a row, and the operations of sigmoid.h in its
 * order. */
#ifndef NNCF__KERNELS_VEC_EXP_H
#define NNCF__KERNELS_VEC_EXP_H

#include "kernels/sigmoid.h"
#include "simd/vec.h"

/* Run `call` over [0, n), with i the block's start and m its length. */
#define BLOCKS(n, call)                                                                            \
    do {                                                                                           \
        size_t i = 0;                                                                              \
        for (; i + LANES <= (n); i += LANES) {                                                     \
            enum { m = LANES };                                                                    \
            call;                                                                                  \
        }                                                                                          \
        if (i < (n)) {                                                                             \
            const size_t m = (n)-i;                                                                \
            call;                                                                                  \
        }                                                                                          \
    } while (0)

/* Run `call` for the blocks b = 0..3 of each 64 elements, with i the block's start and m its
 * length, then `sum`. The file defines `terms`, what a call leaves for `sum`, and terms_zero(). */
#define BLOCKS_OF_FOUR(n, call, sum)                                                               \
    do {                                                                                           \
        size_t start = 0;                                                                          \
        for (; start + 4 * LANES <= (n); start += 4 * LANES) {                                     \
            terms t;                                                                               \
            for (int b = 0; b < 4; b++) {                                                          \
                enum { m = LANES };                                                                \
                const size_t i = start + (size_t)b * LANES;                                        \
                call;                                                                              \
            }                                                                                      \
            sum;                                                                                   \
        }                                                                                          \
        if (start < (n)) {                                                                         \
            terms t = terms_zero();                                                                \
            for (int b = 0; b < 4; b++) {                                                          \
                const size_t i = start + (size_t)b * LANES;                                        \
                if (i + LANES <= (n)) {                                                            \
                    enum { m = LANES };                                                            \
                    call;                                                                          \
                } else if (i < (n)) {                                                              \
                    const size_t m = (n)-i;                                                        \
                    call;                                                                          \
                }                                                                                  \
            }                                                                                      \
            sum;                                                                                   \
        }                                                                                          \
    } while (0)

/* Terms of four blocks, added in float before they are widened. */
INLINE void vd_sum_four(vd *sum, const vf t[4])
{
    *sum = vd_add(*sum, vd_from(vf_add(vf_add(t[0], t[1]), vf_add(t[2], t[3]))));
}

INLINE vf exp_negative(vf a)
{
    const vf magic = vf_set(NNCF__EXP_MAGIC);
    vf t = vf_add(vf_mul(a, vf_set(NNCF__LOG2_E)), magic);
    vf k = vf_sub(t, magic);
    vf r = vf_sub(vf_sub(a, vf_mul(k, vf_set(NNCF__LN2_HIGH))), vf_mul(k, vf_set(NNCF__LN2_LOW)));
    vf q = vf_set(NNCF__EXP_Q4);
    q = vf_add(vf_mul(q, r), vf_set(NNCF__EXP_Q3));
    q = vf_add(vf_mul(q, r), vf_set(NNCF__EXP_Q2));
    q = vf_add(vf_mul(q, r), vf_set(NNCF__EXP_Q1));
    q = vf_add(vf_mul(q, r), vf_set(NNCF__EXP_Q0));
    vf y = vf_add(vf_add(vf_mul(vf_mul(r, r), q), r), vf_set(1.0f));
    return vf_drop(vf_less(a, vf_set(NNCF__EXP_LIMIT)), vf_mul(y, vf_power(t)));
}

typedef struct sigmoid_parts {
    vf p, q, d;
} sigmoid_parts;

INLINE sigmoid_parts sigmoid_split(vf s)
{
    const vf one = vf_set(1.0f), zero = vf_set(0.0f);
    vf e = exp_negative(vf_minus_abs(s));
    vm negative = vf_less(s, zero);
    return (sigmoid_parts){
        vf_select(negative, e, one), vf_select(negative, one, e), vf_add(one, e)};
}

#endif
