/* SPDX-License-Identifier: Apache-2.0 */
/* The reference of the binary kernels, and which table a CPU gets. */
#include "kernels/binary.h"

#include "kernels/kernels.h"

#include <nncf/context.h>

#include <stddef.h>
#include <stdint.h>

/* binary_portable.c, binary_avx2.c, binary_avx512vpopcntdq.c, binary_neon.c */
#ifdef NNCF__HAVE_PORTABLE
extern const nncf__binary_kernels nncf__binary_portable;
#endif
#ifdef NNCF__HAVE_AVX2
extern const nncf__binary_kernels nncf__binary_avx2;
#endif
#ifdef NNCF__HAVE_AVX512VPOPCNTDQ
extern const nncf__binary_kernels nncf__binary_avx512vpopcntdq;
#endif
#ifdef NNCF__HAVE_NEON
extern const nncf__binary_kernels nncf__binary_neon;
#endif

enum { MR = 8, NR = 4 };

static int32_t bits_in(uint64_t word)
{
    int32_t n = 0;
    for (; word; word &= word - 1)
        n++;
    return n;
}

static int32_t sum_of(size_t n_words, const uint64_t *pixels, const uint64_t *weights,
    const int32_t *start, size_t i, size_t j)
{
    int32_t n = 0;
    for (size_t k = 0; k < n_words; k++)
        n += bits_in(pixels[k * MR + i] & weights[k * NR + j]);
    return start[i] + 2 * n;
}

static void starts(size_t n_words, const uint64_t *pixels, int32_t *start)
{
    for (size_t i = 0; i < MR; i++) {
        start[i] = 0;
        for (size_t k = 0; k < n_words; k++)
            start[i] -= bits_in(pixels[k * MR + i]);
    }
}

static void micro(size_t n_words, const uint64_t *pixels, const uint64_t *weights, size_t used,
    const int32_t *start, float *tile)
{
    for (size_t j = 0; j < used; j++)
        for (size_t i = 0; i < MR; i++)
            tile[j * MR + i] = (float)sum_of(n_words, pixels, weights, start, i, j);
}

static void micro_store(size_t n_words, const uint64_t *pixels, const uint64_t *weights,
    size_t used, const int32_t *start, const float *scale, const float *bias, float *z,
    int64_t z_stride)
{
    for (size_t j = 0; j < used; j++, z += z_stride)
        for (size_t i = 0; i < MR; i++)
            z[i] = (float)sum_of(n_words, pixels, weights, start, i, j) * scale[j] + bias[j];
}

static void part_nine(
    size_t n_words, const uint64_t *bits, uint64_t *to, int64_t word_stride, int64_t tap_stride)
{
    for (size_t w = 0; w < n_words; w++, bits += 9, to += word_stride)
        for (size_t tap = 0; tap < 9; tap++) {
            uint64_t word = 0;
            for (size_t bit = 0, at = tap; bit < 64; bit++, at += 9)
                word |= (bits[at / 64] >> at % 64 & 1) << bit;
            to[(int64_t)tap * tap_stride] = word;
        }
}

const nncf__binary_kernels nncf__binary_reference = {
    "reference", MR, NR, starts, micro, micro_store, part_nine};

#ifdef NNCF__HAVE_AVX512VPOPCNTDQ
/* and the extensions that came with it */
static int has_vpopcntdq(void)
{
    return nncf__kernels_get(NNCF_ISA_AVX512) && __builtin_cpu_supports("avx512vpopcntdq") &&
        __builtin_cpu_supports("avx512bitalg") && __builtin_cpu_supports("avx512vbmi") &&
        __builtin_cpu_supports("avx512vbmi2");
}
#endif

const nncf__binary_kernels *nncf__binary_kernels_get(int32_t isa)
{
#ifdef NNCF__HAVE_NEON
    if (isa == NNCF_ISA_NEON)
        return &nncf__binary_neon;
#endif
#ifdef NNCF__HAVE_AVX512VPOPCNTDQ
    if (isa >= NNCF_ISA_AVX512 && has_vpopcntdq())
        return &nncf__binary_avx512vpopcntdq;
#endif
#ifdef NNCF__HAVE_AVX2
    if (isa >= NNCF_ISA_AVX2 && nncf__kernels_get(NNCF_ISA_AVX2))
        return &nncf__binary_avx2;
#endif
#ifdef NNCF__HAVE_PORTABLE
    if (isa >= NNCF_ISA_PORTABLE)
        return &nncf__binary_portable;
#endif
    return NULL;
}

const nncf__binary_kernels *nncf__binary_kernels_at(size_t index)
{
    const nncf__binary_kernels *tables[5] = {&nncf__binary_reference};
    size_t n = 1;
    for (int32_t isa = NNCF_ISA_PORTABLE; isa <= NNCF_ISA_NEON; isa++) {
        const nncf__binary_kernels *k = nncf__binary_kernels_get(isa);
        if (k && k != tables[n - 1])
            tables[n++] = k;
    }
    return index < n ? tables[index] : NULL;
}
