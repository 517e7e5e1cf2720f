/* SPDX-License-Identifier: Apache-2.0 */
/* Binary kernels for AArch64. Statics and one table only: see meson.build. */
#define BINARY_NEON
#define BINARY_TABLE nncf__binary_neon
#define BINARY_NAME  "neon"
#include "kernels/vec_binary.h"
