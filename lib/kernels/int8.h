/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integer kernels: 8-bit codes of pixels times 8-bit codes of weights, summed exactly in int32.
 * They have a table beside that of kernels.def, since they need an extension (VNNI, dotprod, i8mm)
 * that only some CPUs of an ISA have. A CPU without it has no table: there the kernels for floats
 * are faster.
 *
 * A quad is four neighbours along k, which one instruction multiplies and adds. A panel of pixels
 * is (quads, mr, 4) unsigned bytes, a panel of weights (quads, nr, 4) signed ones; both are aligned
 * to 64 bytes. k is padded to whole quads: weights are 0 there, and pixels the byte that stands for
 * 0.
 * A table for an ISA without products of bytes has weights of 16 bits, in the order 0 2 1 3 in each
 * quad, as vpmaddwd wants them. Of AVX2's products of bytes two are added in 16 bits, and saturate;
 * but most weights are small. `narrow` finds the pairs of quads whose sums of four products fit 16
 * bits whatever the pixels are, and makes bytes of them: there one instruction multiplies twice as
 * many.
 *
 * A byte of a pixel is its code, or code + 128 if codes are signed (the packer flips the highest
 * bit); zero is the byte that stands for 0. Then sum (byte - zero) w = sum byte w - zero sum w. The
 * last term depends on the output channel only: it is the start of that channel's sum. A table
 * whose instruction multiplies signed bytes sums (byte - offset) w, and sums start at (offset -
 * zero) sum w.
 *
 * The zero point of an output channel's weights is subtracted from each: what is missing is its
 * `factor`, minus the zero point, times the sum of the pixel's values, (byte - zero), over k.
 *
 * Linear layers have neighbours along k side by side in memory, and so do rows of their results:
 * there the lanes are output channels (`rows`). A word is the four bytes that a lane multiplies: a
 * quad, or a pair where weights have 16 bits. A panel of weights is (words, mr) of them, k in its
 * order; a row of codes is one such word after the other, of the same type.
 */
#ifndef NNCF__KERNELS_INT8_H
#define NNCF__KERNELS_INT8_H

#include "kernels/kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    NNCF__INT8_QUAD = 4,
    /* the largest tile */
    NNCF__INT8_MR_MAX = 32,
    NNCF__INT8_NR_MAX = 12,
    NNCF__INT8_WORD = 4, /* bytes */
    /* so that a result, up to k * 255 * 255, fits int32; what it is added up from may wrap */
    NNCF__INT8_K_MAX = 32768,
    /* depthwise_3x3: of a plane's weights, three rows of three taps and a zero; bytes of scratch
     * beyond three rows; depthwise_3x3_bytes: bytes of what it keeps */
    NNCF__INT8_TAPS = 12,
    NNCF__INT8_BEYOND = 64,
    NNCF__INT8_KEPT = 512
};

/* Where bytes of pixels come from: channel c, segment s, element i is
 * src[c * channel_stride + s.src + i * step]. */
typedef struct nncf__int8_source {
    const uint8_t *src;
    int64_t channel_stride, step;
    /* 0, or 0x80 for signed codes */
    uint8_t flip;
    /* the byte, after flipping, of a pixel of padding: the code of 0 */
    uint8_t zero;
    size_t n_segments;
    /* dst: number of the first pixel, counted over all panels; in ascending order, cut where panels
     * end, without gaps; src < 0: padding */
    const nncf__segment *segments;
} nncf__int8_source;

/* What is added to the sums of a tile, what turns them into the output, and how the panel of
 * weights is packed. */
typedef struct nncf__int8_scaling {
    /* one an output channel */
    const int32_t *start;
    const float *scale, *bias;
    /* one an output channel, and one a pixel, aligned to 64 bytes: factor[j] * values[i] is added,
     * too. NULL: there are no factors, and values is not read */
    const int32_t *factor, *values;
    /* the list that the table's `narrow` made of the panel, which cannot be read without it; NULL:
     * it was not called. `rows` does not read it */
    const uint16_t *narrow;
} nncf__int8_scaling;

typedef struct nncf__int8_kernels {
    const char *name;
    /* tile: mr pixels x nr output channels */
    size_t mr, nr;
    /* what is subtracted from each byte of pixels: 0, or 128 */
    int32_t offset;
    /* bytes of a weight in a panel: 1, or 2 */
    size_t weight_bytes;
    /* n_channels of the pixels to whole quads of n_panels panels, `panel_stride` bytes apart. Bytes
     * outside of segments are not read. */
    void (*pack)(size_t n_channels, const nncf__int8_source *source, size_t n_panels,
        uint8_t *panels, size_t panel_stride);
    /* Pairs of quads (0 and 1, 2 and 3, ..) of a packed panel, of whose products any four that are
     * added fit 16 bits whatever the pixels are, become (2, nr, 4) bytes at the beginning of their
     * place; the others, and a last odd quad, stay. list, of 1 + n_quads / 2 numbers: how many
     * became bytes, the numbers of these pairs, those of the others in any order. NULL: the table
     * multiplies bytes anyway. */
    void (*narrow)(size_t n_quads, void *weights, uint16_t *list);
    /* values[i] = start + the sum of the bytes of pixel i < mr; values is aligned to 64 bytes */
    void (*values)(size_t n_quads, const uint8_t *pixels, int32_t start, int32_t *values);
    /* tile[j * mr + i] = (float)(start[j] + factor[j] * values[i] + sum), i < mr, j < used <= nr:
     * one rounding; sum is that of (byte - offset) w. Scale and bias are not read */
    void (*micro)(size_t n_quads, const uint8_t *pixels, const void *weights, size_t used,
        const nncf__int8_scaling *scaling, float *tile);
    /* z[j * z_stride + i] = tile[j * mr + i] * scale[j] + bias[j], not fused. stream: past
     * the caches; then z is aligned to 64 bytes, z_stride a multiple of 16, and the table's
     * gemm_streams_end comes before another thread reads */
    void (*micro_store)(size_t n_quads, const uint8_t *pixels, const void *weights, size_t used,
        const nncf__int8_scaling *scaling, float *z, int64_t z_stride, bool stream);
    /* c[i * c_stride + j] = (float)(start[j] + factor[j] * values[i] + sum) * scale[j] + bias[j],
     * not fused, for rows i < used <= rows_nr and output channels j < mr. x: rows of words,
     * x_stride bytes apart, of (byte - offset): signed bytes where the table has an offset. The
     * panel, start and factor are aligned to 64 bytes. */
    size_t rows_nr;
    void (*rows)(size_t n_words, const void *x, int64_t x_stride, size_t used, const void *panel,
        const nncf__int8_scaling *scaling, float *c, int64_t c_stride);
    /* Depthwise 3 x 3 with a padding of 1 at stride 1 or 2, of planes of bytes, whose scale is not
     * used: z = (float)(sum of ((byte ^ flip) - offset) w) * scale + bias, not fused. Neither w nor
     * what is multiplied by it is beyond 255. scratch: 3 * x->w + NNCF__INT8_BEYOND bytes. stream:
     * as above, and rows of z are whole lines. NULL: the kernels for floats are faster. */
    void (*depthwise_3x3)(const nncf__plane_group *x, size_t stride, const int16_t *w,
        const float *scale, const float *bias, float *z, bool stream, void *scratch);
    /* The same with weights of a byte each, whose sums begin at `start`: -offset times the sum of a
     * plane's weights; there are no factors. scratch: NNCF__INT8_KEPT bytes, aligned to 64, of
     * which the first eight are 0 at the first of calls that differ in pointers and n only. NULL:
     * there is none. */
    void (*depthwise_3x3_bytes)(const nncf__plane_group *x, size_t stride, const int8_t *w,
        const nncf__int8_scaling *scaling, float *z, bool stream, void *scratch);
} nncf__int8_kernels;

/* One quad of weights, as it lies in memory, to its place in a panel of k. */
static inline void nncf__int8_put_weights(
    const nncf__int8_kernels *k, const int8_t quad[NNCF__INT8_QUAD], void *to)
{
    if (k->weight_bytes == 1)
        memcpy(to, quad, NNCF__INT8_QUAD);
    else
        memcpy(to, (const int16_t[]){quad[0], quad[2], quad[1], quad[3]},
            sizeof(int16_t[NNCF__INT8_QUAD]));
}

/* Words of a row of k codes. */
static inline size_t nncf__int8_words(const nncf__int8_kernels *k, size_t length)
{
    return (length * k->weight_bytes + NNCF__INT8_WORD - 1) / NNCF__INT8_WORD;
}

/* Readable loops that define the result; for tests and comparison. */
extern const nncf__int8_kernels nncf__int8_reference;
/* The fastest table that this CPU has and that is allowed up to NNCF_ISA_... `isa`; NULL: none. */
const nncf__int8_kernels *nncf__int8_kernels_get(int32_t isa);
/* Every table that this CPU can run, `index` counted from 0, for tests; NULL past the end. */
const nncf__int8_kernels *nncf__int8_kernels_at(size_t index);

#endif
