/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The product engine, private to blis.c, pack.c, gemm.c, gemm_weight.c, gemm_micro.c, conv.c and depthwise*.c.
 *
 * A product C = sum over k of A(k, .) B(k, .) is made of tiles. A tile has a vector side of v elements that lie side by
 * side in memory, and a scalar side of s: the micro-kernel multiplies a k x v panel with a k x s panel. Which of the
 * two is "rows" is the micro-kernel's affair: one that writes columns (BLIS skx, 32 x 12) has its rows on the vector
 * side, one that writes rows (haswell, zen: 6 x 16) its columns.
 *
 * Forward and input gradient ("pixel products"): the vector side is pixels, all images of the batch in one line; the
 * scalar side is output channels; k runs over (tap, channel), taps outermost, so that a packer handles one tap's shifts
 * for many channels. Weight gradient: k runs over pixels, which lie side by side on both sides: dot products, without
 * the micro-kernel (gemm_weight.c).
 */
#ifndef NNCF__GEMM_H
#define NNCF__GEMM_H

#include "kernels/kernels.h"

static inline int64_t min_i(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t max_i(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* How many parts of b make a, the last of which may be shorter; a itself, up to whole ones. */
static inline int64_t parts(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static inline int64_t ceil_to(int64_t a, int64_t b)
{
    return parts(a, b) * b;
}

/* A micro-kernel: the first `used` of the s rows of c (rows of v floats) = or += panel_v * panel_s; what becomes of the
 * other rows is open. Panels are 64-byte aligned and may be read a few hundred bytes past their end. */
typedef struct nncf__micro {
    int64_t v, s;    /* tile */
    int64_t kc;      /* longest k for which two panels stay in the first-level cache */
    int64_t block_v; /* vector-side elements for which kc deep panels stay in the second-level cache */
    void (*run)(const struct nncf__micro *m, int64_t k, const float *panel_v, const float *panel_s, int64_t used,
                float *c, bool add);
    const nncf__kernels *k;
    bool own_fits;                    /* the rows gemm_micro and gemm_micro_store have this tile */
    void *blis_kernel, *blis_context; /* for run */
} nncf__micro;

/* What does not stay in caches until it is read again is written past them: no line is read before it is written. So
 * many floats of output are more than caches hold. */
enum { NNCF__STREAM_FLOATS = 4 << 20 };

enum { NNCF__SIDE_MAX = 32, NNCF__TILE_MAX = 32 * 16, NNCF__PANEL_SLACK = 1024 /* bytes */ };

/* BLIS's micro-kernel when this context may use it, else our own. */
void nncf__micro_get(nncf_context *context, nncf__micro *m);
void nncf__micro_own(const nncf__kernels *k, nncf__micro *m);
/* blis.c: false when BLIS is not there, is of a version we do not know, or needs more than level `isa`. */
bool nncf__blis_micro(nncf_context *context, int32_t isa, nncf__micro *m);
const char *nncf__blis_describe(void);

/* ---- pack.c ---- */

typedef struct nncf__tap {
    int64_t y, x;   /* where the source pixel of grid pixel (0, 0) lies; may be outside */
    int64_t weight; /* index of the tap in the weight's kernel_h * kernel_w */
} nncf__tap;

/* The pixels of one product: a grid of rows x cols in each of n images, and where its pixels come from and go to. */
typedef struct nncf__grid {
    int64_t n, rows, cols;
    const void *src;
    bool is_bytes; /* src is bytes, which become floats as `bytes` says */
    nncf__bytes bytes;
    int64_t channels, src_image, src_plane, src_h, src_w; /* strides in elements; src_w is also a row's stride */
    int64_t step_y, step_x;                               /* source step for one grid row, column */
    int64_t dst_image, dst_row, dst_col;                  /* offset of grid pixel (n, r, c) from the first */
    const nncf__tap *taps;
    int64_t n_taps;
} nncf__grid;

/* Join rows (and images of one pixel) that lie in one line at source and destination. */
void nncf__grid_flatten(nncf__grid *g);

/* Pieces for pixels [first, last) seen through a tap; pixel first + j goes to (j / v) * panel + j % v. At most one
 * piece a pixel. */
size_t nncf__pieces_source(const nncf__grid *g, const nncf__tap *tap, int64_t first, int64_t last, int64_t v,
                           int64_t panel, nncf__piece *pieces);
/* Pieces of pixels [first, last) at the destination: piece.src is the offset there, piece.dst the lane. */
size_t nncf__pieces_destination(const nncf__grid *g, int64_t first, int64_t last, nncf__piece *pieces);

/* Panels of v pixels for pixels [first, last) and k in [k0, k1); inverse is 0 or 1 / step: then floats are packed as
 * codes. */
void nncf__pack_pixels(const nncf__micro *m, const nncf__grid *g, int64_t first, int64_t last, int64_t k0, int64_t k1,
                       float inverse, nncf__piece *pieces, float *panels);

/* The weights of a pixel product: w[j * s_stride + channel * k_stride + tap]. */
typedef struct nncf__weights {
    const float *data;
    bool rows_of_k; /* (s, channel, tap) without gaps, all taps in order */
    int64_t n_s, channels, s_stride, k_stride;
    const nncf__tap *taps;
    int64_t n_taps;
    const float *step; /* NULL: floats; else 1 or n_s steps */
    size_t n_steps;
} nncf__weights;

/* One panel of s output channels from channel s0 on, all k. */
void nncf__pack_weights(const nncf__micro *m, const nncf__weights *w, int64_t s0, float *panel);

/* The pieces of n_c channels from c on, as floats; a channel's begin `stride` after the one before. */
void nncf__gather(const nncf__kernels *k, const nncf__grid *g, int64_t c, int64_t n_c, size_t n,
                  const nncf__piece *pieces, float *to, int64_t stride);

/* ---- gemm.c ---- */

typedef struct nncf__pixel_product {
    nncf__grid grid;
    nncf__weights weights;
    float step_x;      /* 0: floats; else codes, which a grid of bytes gives by itself */
    const float *bias; /* nullable, n_s */
    float *dst;
    int64_t dst_plane; /* stride of output channels */
} nncf__pixel_product;

nncf_status nncf__pixel_product_run(nncf_context *context, const nncf__pixel_product *p);
/* Only the scratch: then the run cannot fail. For calls of several products, none of which may be done alone. */
nncf_status nncf__pixel_product_reserve(nncf_context *context, const nncf__pixel_product *p);

/* ---- gemm_weight.c ---- */

typedef struct nncf__weight_product {
    nncf__grid x, dz; /* the same pixels; dz has one tap */
    float *dst;       /* (dz channels, x channels, taps) */
} nncf__weight_product;

nncf_status nncf__weight_product_run(nncf_context *context, const nncf__weight_product *p);

/* ---- gemm_micro.c ---- */

/*
 * Scratch of a call: each worker has a private area; behind it lies its share of memory that all workers see, handed
 * out in equal units so that shared memory takes no more than its size over all workers together.
 */
typedef struct nncf__areas {
    const nncf_context *context;
    size_t private_bytes, unit_bytes;
    int64_t workers;
} nncf__areas;

size_t nncf__bytes_aligned(int64_t floats); /* to 64 */
nncf_status nncf__areas_reserve(nncf__areas *a, nncf_context *context, size_t private_bytes, size_t unit_bytes,
                                int64_t n_units);
float *nncf__area_unit(const nncf__areas *a, int64_t unit);

/* Run small work on the calling thread. */
void nncf__gemm_parallel(nncf_context *context, double flops, size_t n_chunks, nncf__chunk_fn *fn, void *arg);

/* ---- depthwise.c: groups == c_in == c_out, strides and kernel not extravagant ---- */

bool nncf__depthwise_fits(const nncf__conv2d *s);

/* As the functions of kernels.h; `after` is nullable. */
nncf_status nncf__depthwise_forward(nncf_context *context, const nncf__conv2d *s, const nncf__operand *x,
                                    const nncf__operand *w, const float *bias, float *z,
                                    const nncf__channel_hooks *after);
/* From dz, or from where the hooks say. */
nncf_status nncf__depthwise_backward(nncf_context *context, const nncf__conv2d *s, const nncf__operand *x,
                                     const float *w, const float *dz, const nncf__channel_hooks *before, float *dx,
                                     float *dw);

#endif
