/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of smooth.def for the vector types of gcc and clang. Statics and one table only: see
 * meson.build. */
#define MACHINE      "simd/vec_portable.h"
#define SMOOTH_TABLE nncf__smooth_portable
#define SMOOTH_NAME  "portable"
#include "kernels/vec_smooth.h"
