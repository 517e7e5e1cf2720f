/* SPDX-License-Identifier: Apache-2.0 */
/* Binary kernels for AVX2. Statics and one table only: see meson.build. */
#define BINARY_256
#define BINARY_TABLE nncf__binary_avx2
#define BINARY_NAME  "avx2"
#include "kernels/vec_binary.h"
