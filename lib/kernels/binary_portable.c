/* SPDX-License-Identifier: Apache-2.0 */
/* Binary kernels for any CPU. Statics and one table only: see meson.build. */
#define BINARY_TABLE nncf__binary_portable
#define BINARY_NAME  "portable"
#include "kernels/vec_binary.h"
