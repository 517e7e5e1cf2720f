/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of smooth.def for NEON. Statics and one table only: see meson.build. */
#define MACHINE      "simd/vec_neon.h"
#define SMOOTH_TABLE nncf__smooth_neon
#define SMOOTH_NAME  "neon"
#include "kernels/vec_smooth.h"
