/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels for AVX-512 F, BW, DQ, VL. Statics and one table only: see meson.build. */
#define MACHINE     "simd/vec_avx512.h"
#define LEVEL_TABLE nncf__kernels_avx512
#define LEVEL_NAME  "avx512"
#define LEVEL_ISA   NNCF_ISA_AVX512
#include "kernels/vec_elementwise.h"
