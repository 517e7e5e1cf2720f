/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels for AVX2. Statics and one table only: see meson.build. */
#define MACHINE     "simd/vec_avx2.h"
#define LEVEL_TABLE nncf__kernels_avx2
#define LEVEL_NAME  "avx2"
#define LEVEL_ISA   NNCF_ISA_AVX2
#include "kernels/vec_elementwise.h"
