/* SPDX-License-Identifier: Apache-2.0 */
/* Which table of kernels a context uses: the lowest of what was built, what the CPU and the system
 * have, and the ceiling of the context's parameters. */
#include "kernels/isa.h"
#include "kernels/kernels.h"

#include <nncf/context.h>

#if defined(NNCF__HAVE_AVX2) || defined(NNCF__HAVE_AVX512)
/* __builtin_cpu_supports also checks that the system saves the registers (XCR0). */
static bool cpu_has(int32_t isa)
{
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (isa == NNCF_ISA_AVX512)
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return avx2;
}
#endif

const nncf__kernels *nncf__kernels_get(int32_t isa)
{
    switch (isa) {
    case NNCF_ISA_REFERENCE:
        return &nncf__kernels_reference;
#ifdef NNCF__HAVE_PORTABLE
    case NNCF_ISA_PORTABLE:
        return &nncf__kernels_portable;
#endif
#ifdef NNCF__HAVE_AVX2
    case NNCF_ISA_AVX2:
        return cpu_has(isa) ? &nncf__kernels_avx2 : NULL;
#endif
#ifdef NNCF__HAVE_AVX512
    case NNCF_ISA_AVX512:
        return cpu_has(isa) ? &nncf__kernels_avx512 : NULL;
#endif
#ifdef NNCF__HAVE_NEON
    case NNCF_ISA_NEON:
        return &nncf__kernels_neon;
#endif
    default:
        return NULL;
    }
}

int32_t nncf__isa_ceiling(int32_t isa)
{
#ifdef NNCF__HAVE_NEON
    const bool is_foreign = isa == NNCF_ISA_AVX2 || isa == NNCF_ISA_AVX512;
    const int32_t best = NNCF_ISA_NEON;
#else
    const bool is_foreign = isa == NNCF_ISA_NEON;
    const int32_t best = NNCF_ISA_AVX512;
#endif
    return isa == NNCF_ISA_BEST ? best : is_foreign ? NNCF_ISA_PORTABLE : isa;
}
