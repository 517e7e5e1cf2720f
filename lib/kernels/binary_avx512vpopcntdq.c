/* SPDX-License-Identifier: Apache-2.0 */
/* Binary kernels for AVX-512 VPOPCNTDQ. Statics and one table only: see meson.build. */
#define BINARY_512
#define BINARY_TABLE nncf__binary_avx512vpopcntdq
#define BINARY_NAME  "avx512vpopcntdq"
#include "kernels/vec_binary.h"
