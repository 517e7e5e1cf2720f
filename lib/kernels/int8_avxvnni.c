/* SPDX-License-Identifier: Apache-2.0 */
/* Integer kernels for AVX-VNNI, on vectors of 256 bits. Statics and one table only: see
 * meson.build. */
#define INT8_TABLE     nncf__int8_avxvnni
#define INT8_NAME      "avxvnni"
#define DEPTHWISE      depthwise_3x3
#define DOT(acc, a, b) __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(a), "x"(b))
#include "kernels/vec_int8.h"
