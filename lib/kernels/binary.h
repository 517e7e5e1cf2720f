/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binary kernels: pixels that are 0 or 1 times weights that are -1 or 1, summed exactly by counting
 * bits. They have a table beside that of kernels.def, since the best of them needs an extension
 * (AVX-512 VPOPCNTDQ) that not every CPU of its ISA has.
 *
 * A word is 64 neighbours along k. A bit of a pixel is its value, a bit of a weight is set where
 * that is 1: with n the number of bits, sum x w = n(x & w) - n(x & ~w) = 2 n(x & w) - n(x). So what
 * lies outside of an image, and bits that fill up a word, are 0 in pixels and count nothing,
 * whatever the weight's bit. -n(x) depends on the pixel only: its sums start there.
 *
 * A panel of pixels is (words, mr), a panel of weights (words, nr), both aligned to 64 bytes.
 */
#ifndef NNCF__KERNELS_BINARY_H
#define NNCF__KERNELS_BINARY_H

#include <stddef.h>
#include <stdint.h>

enum {
    /* the largest tile */
    NNCF__BINARY_MR_MAX = 16,
    NNCF__BINARY_NR_MAX = 12,
    /* so that sums and starts fit int32: 2^30 bits */
    NNCF__BINARY_WORDS_MAX = 1 << 24
};

typedef struct nncf__binary_kernels {
    const char *name;
    /* tile: mr pixels x nr output channels */
    size_t mr, nr;
    /* start[i] = -n(words of pixel i), i < mr */
    void (*starts)(size_t n_words, const uint64_t *pixels, int32_t *start);
    /* tile[j * mr + i] = (float)(start[i] + 2 n(pixel i & weight j)), i < mr, j < used <= nr: one
     * rounding */
    void (*micro)(size_t n_words, const uint64_t *pixels, const uint64_t *weights, size_t used,
        const int32_t *start, float *tile);
    /* z[j * z_stride + i] = (float)(the same) * scale[j] + bias[j], not fused */
    void (*micro_store)(size_t n_words, const uint64_t *pixels, const uint64_t *weights,
        size_t used, const int32_t *start, const float *scale, const float *bias, float *z,
        int64_t z_stride);
    /* Weights of a 3x3 kernel, whose bits lie as the floats do, nine of a channel side by side:
     * with (tap, bit) of word w at to[w * word_stride + tap * tap_stride], it is bit 9 * bit + tap
     * of bits[9 * w ...], w < n_words: 64 channels each */
    void (*part_nine)(size_t n_words, const uint64_t *bits, uint64_t *to, int64_t word_stride,
        int64_t tap_stride);
} nncf__binary_kernels;

/* Readable loops that define the result; for tests and comparison. */
extern const nncf__binary_kernels nncf__binary_reference;
/* The fastest table that this CPU has and that is allowed up to NNCF_ISA_... `isa`; NULL: none. */
const nncf__binary_kernels *nncf__binary_kernels_get(int32_t isa);
/* Every table that this CPU can run, `index` counted from 0, for tests; NULL past the end. */
const nncf__binary_kernels *nncf__binary_kernels_at(size_t index);

#endif
