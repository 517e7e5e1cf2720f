/* SPDX-License-Identifier: Apache-2.0 */
/* Integer kernels for AVX2 without VNNI. vpmaddubsw saturates, so bytes are widened, and vpmaddwd
 * multiplies the even ones of a quad, and the odd ones, as numbers of 16 bits; but for pairs of
 * quads whose weights are so small that nothing can saturate (`narrow`): those stay bytes. Statics
 * and one table only: see meson.build. */
#define INT8_WIDENED
#define INT8_TABLE nncf__int8_avx2
#define INT8_NAME  "avx2"
#define DEPTHWISE  depthwise_3x3
/* in assembly, since a compiler that adds the two products first runs out of registers */
#define ADD(acc, x) __asm__("vpaddd %1, %0, %0" : "+x"(acc) : "x"(x))
#define DOT(acc, a, b)                                                                             \
    do {                                                                                           \
        ADD(acc, _mm256_madd_epi16(a.even, b.even));                                               \
        ADD(acc, _mm256_madd_epi16(a.odd, b.odd));                                                 \
    } while (0)
#define DOT_WORD(acc, a, b) ADD(acc, _mm256_madd_epi16(a, b))
#include "kernels/vec_int8.h"
