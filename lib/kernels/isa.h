/* SPDX-License-Identifier: Apache-2.0 */
/* The tables that dispatch.c chooses from; each is defined in the file of its name. Private to
 * these files. */
#ifndef NNCF__KERNELS_ISA_H
#define NNCF__KERNELS_ISA_H

#include "kernels/kernels.h"

/* Those that a build has no file for are not referred to. */
extern const nncf__kernels nncf__kernels_reference; /* ref.c */
extern const nncf__kernels
    nncf__kernels_portable; /* isa_portable.c: needs the vector types of gcc and clang */
extern const nncf__kernels nncf__kernels_avx2; /* isa_avx2.c */
extern const nncf__kernels nncf__kernels_avx512; /* isa_avx512.c */
extern const nncf__kernels nncf__kernels_neon; /* isa_neon.c */

#endif
