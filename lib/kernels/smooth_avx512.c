/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of smooth.def for AVX-512. Statics and one table only: see meson.build. */
#define MACHINE      "simd/vec_avx512.h"
#define SMOOTH_TABLE nncf__smooth_avx512
#define SMOOTH_NAME  "avx512"
#include "kernels/vec_smooth.h"
