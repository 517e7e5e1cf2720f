/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Depthwise convolution: what depthwise.c (the order of the work), depthwise_int8.c (3 x 3 of
 * codes on integers), depthwise_3x3.c (3 x 3), depthwise_padded.c (planes, with a border of zeros)
 * and depthwise_lanes.c (sixteen channels at a time) share.
 *
 * Channels are independent, so the work is cut into groups of neighbouring channels, and one
 * worker takes the images of a group: what else is done to its planes (nncf__channel_hooks) finds
 * them in that worker's cache. Within a group the order is image by image, because the planes of
 * neighbouring channels are neighbours in memory. Sums over images have that order, too, whatever
 * the groups are.
 */
#ifndef NNCF__CONV_DEPTHWISE_H
#define NNCF__CONV_DEPTHWISE_H

#include "conv/conv2d.h"
#include "gemm/pack.h"
#include "kernels/int8.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"

#include <nncf/context.h>
#include <nncf/tensor.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* REACH: pixels from the first tap to the last one, in either direction. WIDTH: of a row, whose
 * places are 32-bit. */
enum {
    NNCF__DEPTHWISE_STRIDE = 4,
    NNCF__DEPTHWISE_TAPS = 121,
    NNCF__DEPTHWISE_REACH = 255,
    NNCF__DEPTHWISE_WIDTH = 1 << 28
};

/* One set of taps that makes output pixels (a + i * stride_h, b + j * stride_w); all of them in the
 * forward pass. */
typedef struct nncf__phase {
    /* of these pixels */
    int64_t rows, cols;
    int64_t first_tap, n_taps;
} nncf__phase;

/* From which source pixels output pixels are made. */
typedef struct nncf__stencil {
    /* a plane */
    int64_t src_h, src_w;
    /* source pixels from one of its pixels to the next */
    int64_t step_y, step_x;
    /* of the largest phase */
    int64_t map_rows, map_cols;
    /* the taps' reach */
    int64_t low_y, high_y, low_x, high_x;
    int64_t n_phases, n_taps;
    /* (a, b), b fastest */
    nncf__phase phases[NNCF__DEPTHWISE_STRIDE * NNCF__DEPTHWISE_STRIDE];
    /* sorted by phase */
    nncf__tap taps[NNCF__DEPTHWISE_TAPS];
} nncf__stencil;

/* How a product lays out a worker's scratch, and where its taps lie there; for its algorithm only.
 */
typedef struct nncf__depthwise_layout {
    /* of the taps, from a pixel's place */
    int64_t offsets[NNCF__DEPTHWISE_TAPS];
    /* depthwise_padded.c; depthwise_int8.c has the place of weights, too */
    /* columns of one remainder; a row */
    int64_t column_length, row_length;
    /* rows of the map at a time */
    int64_t strip_rows;
    nncf__segment segments[NNCF__DEPTHWISE_STRIDE];
    /* of one row */
    size_t n_segments;
    int64_t weights_at, spare_at;
    /* depthwise_lanes.c */
    /* a source plane with its border */
    int64_t rows, cols;
    int64_t bordered_at, results_at, lanes_at;
} nncf__depthwise_layout;

typedef enum nncf__depthwise_product {
    NNCF__FORWARD,
    NNCF__BACKWARD_INPUT,
    NNCF__BACKWARD_WEIGHT
} nncf__depthwise_product;

/* One of the three products. Forward: from x; input gradient: from dz; weight gradient: from x and
 * dz. */
typedef struct nncf__depthwise {
    const nncf__kernels *k;
    /* nullable */
    const nncf__int8_kernels *int8;
    const struct nncf__depthwise_algo *algo;
    const nncf__conv2d *s;
    /* forward, weight gradient */
    const nncf__qtensor *x;
    /* forward, input gradient */
    const nncf__qtensor *w;
    const float *bias;
    /* a product of integer codes; else of floats */
    bool codes;
    /* how x in codes is read */
    nncf__dequant x_codes;
    float *out;
    nncf__depthwise_product product;
    /* the output is larger than caches, its rows are whole lines, and it is not read soon */
    bool stream;
    /* dz has just been made: it need not be prefetched */
    bool dz_is_hot;
    nncf__stencil stencil;
    nncf__depthwise_layout layout;
} nncf__depthwise;

/* What a worker does now: channels [first, end), with its scratch for this product (aligned to 64
 * bytes). */
typedef struct nncf__depthwise_task {
    int64_t first, end;
    float *scratch;
    /* Forward, input gradient: the planes that are written, as nncf__channel_planes. */
    float *out;
    int64_t out_first, out_channels;
} nncf__depthwise_task;

/* An algorithm for these products. */
typedef struct nncf__depthwise_algo {
    /* channels that it takes at a time: groups are multiples of it */
    int64_t (*unit)(const nncf__conv2d *s);
    int64_t largest_group;
    /* Fill in the layout for groups of that many channels; returns floats of scratch. */
    int64_t (*plan)(nncf__depthwise *d, int64_t group);
    /* For each group: begin, planes for each image and unit, images in order, then end. */
    void (*begin)(const nncf__depthwise *d, const nncf__depthwise_task *t);
    /* The product for channels [c, end) of a unit in image n; dz: of these planes, NULL in the
     * forward pass. */
    void (*planes)(const nncf__depthwise *d, const nncf__depthwise_task *t, int64_t n, int64_t c,
        int64_t end, const float *dz);
    void (*end)(const nncf__depthwise *d, const nncf__depthwise_task *t);
} nncf__depthwise_algo;

/* Where the product's plane of channel c in image n goes. */
static inline float *nncf__depthwise_plane(
    const nncf__depthwise_task *t, int64_t n, int64_t c, int64_t plane)
{
    return t->out + (n * t->out_channels + c - t->out_first) * plane;
}

/* Must floats of x be rounded to codes? */
static inline bool nncf__depthwise_rounds(const nncf__depthwise *d)
{
    return d->codes && d->x->dtype == NNCF_F32;
}

/* 1 / scale then, else 0. */
static inline float nncf__depthwise_inverse(const nncf__depthwise *d)
{
    return nncf__depthwise_rounds(d) ? 1.0f / d->x->scale[0] : 0.0f;
}

/* What the sum of a channel's codes is multiplied by; 1 for floats. */
static inline float nncf__depthwise_scale(const nncf__depthwise *d, int64_t c)
{
    return d->codes && !d->s->only_sums ? d->x->scale[0] * nncf__qtensor_scale(d->w, c) : 1.0f;
}

static inline float nncf__depthwise_bias(const nncf__depthwise *d, int64_t c)
{
    const bool adds = d->bias && !(d->codes && d->s->only_sums);
    return adds ? d->bias[c] : -0.0f; /* x + -0 is x, for +0 and -0 too */
}

/* Weights of a channel, in the order of the kernel: integers in a product of codes, else values. */
static inline void nncf__depthwise_kernel(const nncf__depthwise *d, int64_t c, float *w)
{
    const int64_t n = d->stencil.n_taps;
    if (!nncf__qtensor_is_codes(d->w)) {
        memcpy(w, (const float *)d->w->data + c * n, (size_t)n * sizeof *w);
        return;
    }
    const nncf__dequant how = nncf__dequant_of(d->w, c, d->codes);
    d->k->dequantize((size_t)n, (const uint8_t *)d->w->data + c * n, w, &how);
}

/* The same in the order of the stencil's taps. */
static inline void nncf__depthwise_weights(const nncf__depthwise *d, int64_t c, float *w)
{
    float kernel[NNCF__DEPTHWISE_TAPS];
    nncf__depthwise_kernel(d, c, kernel);
    for (int64_t t = 0; t < d->stencil.n_taps; t++)
        w[t] = kernel[d->stencil.taps[t].weight];
}

/* Sixteen lanes, added as a tree; they are used up. */
static inline float nncf__depthwise_total(double lanes[16])
{
    for (int half = 8; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return (float)lanes[0];
}

/* Channels of a call whose planes are as they lie in memory: one, or some that share cache lines.
 */
int64_t nncf__depthwise_3x3_unit(const nncf__conv2d *s);
/* Planes of channels c .. c + n_planes - 1 of x, and those of the next image, which come next. */
nncf__plane_group nncf__depthwise_planes_of_x(
    const nncf__depthwise *d, int64_t n, int64_t c, int64_t n_planes);

/* For every product; for planes of up to so many columns; for 3 x 3; for its forward on integers,
 * in groups of any size. */
extern const nncf__depthwise_algo nncf__depthwise_padded, nncf__depthwise_lanes,
    nncf__depthwise_3x3, nncf__depthwise_int8;
/* 3 x 3 with a padding of 1 at stride 1 or 2. */
bool nncf__conv2d_is_3x3(const nncf__conv2d *s);
/* Can these be taken, and are they the fastest on this ISA? The former does not round x to codes.
 */
bool nncf__depthwise_is_3x3(const nncf__depthwise *d);
bool nncf__depthwise_is_int8(const nncf__depthwise *d);
/* Planes for which nncf__depthwise_lanes is faster than strips. */
bool nncf__depthwise_is_lanes(const nncf__conv2d *s);

bool nncf__depthwise_fits(const nncf__conv2d *s);

/* As the functions of conv2d.h; hooks are NULL where there are none. */
size_t nncf__depthwise_forward_scratch(const nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w, const nncf__channel_hooks *after);
void nncf__depthwise_forward(nncf_context *context, const nncf__conv2d *s, const nncf__qtensor *x,
    const nncf__qtensor *w, const float *bias, float *z, const nncf__channel_hooks *after);
/* From dz, or from where the hooks say. */
size_t nncf__depthwise_backward_scratch(const nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w, const nncf__channel_hooks *before,
    bool wants_dx, bool wants_dw);
void nncf__depthwise_backward(nncf_context *context, const nncf__conv2d *s, const nncf__qtensor *x,
    const nncf__qtensor *w, const float *dz, const nncf__channel_hooks *before, float *dx,
    float *dw);

#endif
