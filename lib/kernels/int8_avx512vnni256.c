/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of int8_avxvnni.c in the encoding of AVX-512, so that CPUs without AVX-VNNI can test
 * them. Statics and one table only: see meson.build. */
#define INT8_TABLE     nncf__int8_avx512vnni256
#define INT8_NAME      "avx512vnni256"
#define DEPTHWISE      depthwise_3x3
#define DOT(acc, a, b) __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b))
#include "kernels/vec_int8.h"
