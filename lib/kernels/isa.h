/* SPDX-License-Identifier: Apache-2.0 */
/* The tables that dispatch.c chooses from; each is defined in the file of its name. Private to
 * these files. */
#ifndef NNCF__KERNELS_ISA_H
#define NNCF__KERNELS_ISA_H

#include "kernels/kernels.h"

extern const nncf__kernels nncf__kernels_reference; /* ref.c */
#ifdef NNCF__HAVE_PORTABLE
extern const nncf__kernels
    nncf__kernels_portable; /* isa_portable.c: needs the vector types of gcc and clang */
#endif
#ifdef NNCF__HAVE_AVX2
extern const nncf__kernels nncf__kernels_avx2; /* isa_avx2.c */
#endif
#ifdef NNCF__HAVE_AVX512
extern const nncf__kernels nncf__kernels_avx512; /* isa_avx512.c */
#endif
#ifdef NNCF__HAVE_NEON
extern const nncf__kernels nncf__kernels_neon; /* isa_neon.c */
#endif

#endif
