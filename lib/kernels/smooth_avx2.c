/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of smooth.def for AVX2. Statics and one table only: see meson.build. */
#define MACHINE      "simd/vec_avx2.h"
#define SMOOTH_TABLE nncf__smooth_avx2
#define SMOOTH_NAME  "avx2"
#include "kernels/vec_smooth.h"
