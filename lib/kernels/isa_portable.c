/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels for the compiler's baseline. Statics and one table only: see meson.build. */
#define MACHINE     "simd/vec_portable.h"
#define LEVEL_TABLE nncf__kernels_portable
#define LEVEL_NAME  "portable"
#define LEVEL_ISA   NNCF_ISA_PORTABLE
#include "kernels/vec_elementwise.h"
