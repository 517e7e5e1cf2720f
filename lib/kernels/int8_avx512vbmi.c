/* SPDX-License-Identifier: Apache-2.0 */
/* Integer kernels for AVX-512 VNNI with VBMI, whose permutations of bytes depthwise ones need.
 * Statics and one table only: see meson.build. */
#define INT8_512
#define INT8_TABLE      nncf__int8_avx512vbmi
#define INT8_NAME       "avx512vbmi"
#define DEPTHWISE_BYTES depthwise_3x3_bytes
#define DOT(acc, a, b)  __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b))
#include "kernels/vec_int8.h"
