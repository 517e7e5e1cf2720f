/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels for NEON. Statics and one table only: see meson.build. */
#define MACHINE     "simd/vec_neon.h"
#define LEVEL_TABLE nncf__kernels_neon
#define LEVEL_NAME  "neon"
#define LEVEL_ISA   NNCF_ISA_NEON
#include "kernels/vec_elementwise.h"
