/* SPDX-License-Identifier: Apache-2.0 */
/* Packing pixels and weights into the panels that microkernels read. */
#ifndef NNCF__GEMM_PACK_H
#define NNCF__GEMM_PACK_H

#include "gemm/microkernel.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One tap of a convolution's kernel. */
typedef struct nncf__tap {
    /* where the source pixel of pixel (0, 0) of the map lies; may be outside */
    int64_t y, x;
    /* index of the tap in the weight's kernel_h * kernel_w */
    int64_t weight;
} nncf__tap;

/* The taps along one axis of a kernel: n of them, equally far apart. */
typedef struct nncf__taps_axis {
    int64_t n;
    /* of the first tap: where its source pixel lies, its index in the kernel; from tap to tap */
    int64_t at, index, at_step, index_step;
} nncf__taps_axis;

/* The taps that a product sums over: all pairs, x fastest. */
typedef struct nncf__taps {
    nncf__taps_axis y, x;
    /* of the kernel: its taps in a row */
    int64_t kernel_w;
} nncf__taps;

static inline int64_t nncf__taps_count(const nncf__taps *t)
{
    return t->y.n * t->x.n;
}

static inline nncf__tap nncf__taps_at(const nncf__taps *t, int64_t i)
{
    const int64_t y = i / t->x.n, x = i % t->x.n;
    return (nncf__tap){.y = t->y.at + y * t->y.at_step,
        .x = t->x.at + x * t->x.at_step,
        .weight =
            (t->y.index + y * t->y.index_step) * t->kernel_w + t->x.index + x * t->x.index_step};
}

/* A single tap, without an offset. */
static inline bool nncf__taps_are_identity(const nncf__taps *t)
{
    return nncf__taps_count(t) == 1 && t->y.at == 0 && t->x.at == 0;
}

#define NNCF__TAPS_IDENTITY ((nncf__taps){.y.n = 1, .x.n = 1, .kernel_w = 1})

/* The pixels of one product (im2col without a buffer): rows x cols of them in each of n images,
 * where they come from and go to. */
typedef struct nncf__pixel_map {
    int64_t n, rows, cols;
    /* its channels are axis 0 of scales */
    nncf__qtensor src;
    /* codes are read as integers, floats are rounded to them; else codes are read as values */
    bool as_integers;
    /* strides in elements; src_w is also a row's stride */
    int64_t channels, src_image, src_plane, src_h, src_w;
    /* source pixels from one row, column of the map to the next */
    int64_t step_y, step_x;
    /* offset of pixel (n, r, c) from the first */
    int64_t dst_image, dst_row, dst_col;
    nncf__taps taps;
} nncf__pixel_map;

/* Join rows (and images of one pixel) that lie in one line at source and destination. */
void nncf__pixel_map_flatten(nncf__pixel_map *g);

/* Segments for pixels [first, last) seen through a tap; pixel first + j goes to (j / mr) * panel +
 * j % mr. At most one segment a pixel. */
size_t nncf__segments_source(const nncf__pixel_map *g, const nncf__tap *tap, int64_t first,
    int64_t last, int64_t mr, int64_t panel, nncf__segment *segments);
/* Segments of pixels [first, last) at the destination: src is the offset there, dst the lane. */
size_t nncf__segments_destination(
    const nncf__pixel_map *g, int64_t first, int64_t last, nncf__segment *segments);
/* The same for every mr pixels of [first, last): those of panel i are segments[starts[i]] up to
 * segments[starts[i + 1]]. */
void nncf__segments_of_panels(const nncf__pixel_map *g, int64_t first, int64_t last, int64_t mr,
    size_t *starts, nncf__segment *segments);

/* Panels of mr pixels for pixels [first, last) and k in [k0, k1). */
void nncf__pack_pixels(const nncf__microkernel *m, const nncf__pixel_map *g, int64_t first,
    int64_t last, int64_t k0, int64_t k1, nncf__segment *segments, float *panels);

/* What is packed next, on its way to the second-level cache meanwhile: memory has no pattern there
 * that a prefetcher knows, as each channel is a page of its own. */
typedef struct nncf__ahead {
    const nncf__pixel_map *g;
    int64_t first, last, k, k_end, image;
    /* what is left of a run of bytes */
    const char *at, *end;
    int64_t lines_a_turn;
} nncf__ahead;

/* Pixels [first, last) of channels [k0, k1), counted over taps, in `turns` turns of _fetch. Nothing
 * is fetched where planes are small, so that memory has a pattern, or where a single tap leaves out
 * rows, so that too much would be. */
void nncf__ahead_start(nncf__ahead *a, const nncf__pixel_map *g, int64_t first, int64_t last,
    int64_t k0, int64_t k1, int64_t turns);
void nncf__ahead_fetch(nncf__ahead *a);

/* The weights of a pixel product: w[out * out_stride + channel * k_stride + tap]. */
typedef struct nncf__weights {
    /* axis 0 of scales: out where k_is_contiguous, else the channel */
    nncf__qtensor src;
    /* codes are packed as integers; else as values */
    bool as_integers;
    /* (out, channel, tap) without gaps, all taps in order */
    bool k_is_contiguous;
    int64_t n_out, channels, out_stride, k_stride;
    nncf__taps taps;
    /* edges of blocks, output channels times channels at one tap, that may be 0 as a whole, and
     * that products skip then; 0: none */
    int64_t block;
    /* output channels of a panel, of the nr that it has place for; 0: nr */
    int64_t width;
} nncf__weights;

static inline int64_t nncf__panel_width(const nncf__microkernel *m, const nncf__weights *w)
{
    return w->width > 0 ? w->width : m->nr;
}

/* A product over pixels: pixel_product.c, int8_product.c. */
typedef struct nncf__pixel_product {
    nncf__pixel_map map;
    nncf__weights weights;
    /* nullable, n_out */
    const float *bias;
    float *dst;
    /* stride of output channels */
    int64_t dst_plane;
    /* of codes: the sums as they are, without scales and bias */
    bool only_sums;
} nncf__pixel_product;

/* What the sums of output channels [first, end) are multiplied by, and what is added then. */
void nncf__pixel_product_scaling(
    const nncf__pixel_product *p, int64_t first, int64_t end, float *scale, float *bias);

/* One panel of nr output channels from out0 on, all k; k is contiguous. */
void nncf__pack_weights(
    const nncf__microkernel *m, const nncf__weights *w, int64_t out0, float *panel);
/* Where it is not: channels [c0, c1), all taps, of n_panels panels from panel0 on, which lie side
 * by side in memory for one channel. */
void nncf__pack_weight_channels(const nncf__microkernel *m, const nncf__weights *w, int64_t c0,
    int64_t c1, int64_t panel0, int64_t n_panels, float *const panels[]);

/* to[i * width + r] = word i of row r, 0 from n_rows on: of codes in bytes, four a word. False, and
 * nothing is done: rows do not begin, or end, with whole words. */
bool nncf__transpose_words(const nncf__kernels *k, const void *rows, int64_t stride, int64_t length,
    int64_t n_rows, int64_t width, void *to);

/* Of codes on integer kernels, whose k are neighbours: of output channels first to first + n - 1,
 * start[i] = shift times the sum of the codes, and, where there are zero points, factor[i] = minus
 * the channel's. */
void nncf__weight_starts(const nncf__weights *w, int64_t first, int64_t n, int32_t shift,
    int32_t *start, int32_t *factor);

/* The segments of n_c channels from c on, as floats; a channel's begin `stride` after the one
 * before. */
void nncf__gather(const nncf__kernels *k, const nncf__pixel_map *g, int64_t c, int64_t n_c,
    size_t n, const nncf__segment *segments, float *to, int64_t stride);

#endif
