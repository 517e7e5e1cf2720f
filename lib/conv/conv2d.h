/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions over a batch in NCHW, forward and both gradients. All threads of the context work on
 * one call. Linear layers are the case h = w = 1. */
#ifndef NNCF__CONV_CONV2D_H
#define NNCF__CONV_CONV2D_H

#include "gemm/int8_product.h"
#include "gemm/spans.h"
#include "kernels/qtensor.h"

#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct nncf__conv2d {
    /* input */
    int64_t n, c_in, h, w;
    /* output */
    int64_t c_out, out_h, out_w;
    int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups;
    /* Forward of codes writes z = float(exact integer sum), without scales and bias: what follows
     * has them in its constants. */
    bool only_sums;
    /* Edges of blocks (output times input channels at one tap) that may be 0 as a whole; 0: none.
     * Products of w skip those, whatever x and dz are there: 0 times NaN is 0. */
    int64_t block;
    /* With a block, which of them are not masked, numbered as in sparsity/structure.h: dw of the
     * others is not wanted, and may be 0, and w has zeros there. Linear layers skip by it alone.
     * NULL: dw of all, and linear layers skip nothing. */
    const uint8_t *kept_blocks;
    /* they are numbered as those of the transposed convolution that has this weight */
    bool blocks_are_turned;
} nncf__conv2d;

/* Columns, planes of one pixel in a row, lie in memory as rows do: as rows they are fast, for
 * kernels run along rows. The weight is the same, too. */
static inline nncf__conv2d nncf__conv2d_as_rows(nncf__conv2d s)
{
    if (s.w != 1 || s.out_w != 1 || s.kernel_w != 1 || s.pad_w != 0 || s.h == 1)
        return s;
    s.w = s.h, s.out_w = s.out_h;
    s.kernel_w = s.kernel_h, s.stride_w = s.stride_h;
    s.pad_w = s.pad_h, s.dilation_w = s.dilation_h;
    s.h = s.out_h = s.kernel_h = s.stride_h = s.dilation_h = 1;
    s.pad_h = 0;
    return s;
}

/*
 * A product is planned, then run. nncf__conv2d_..._scratch() is the plan's size: the bytes that
 * each worker needs, to be passed to nncf__scratch_reserve() before the run. It is a pure function
 * of the shape, of which operands are codes (dtype, and whether there are scales and zero points;
 * not their values or data, which may be NULL), and of the context (ISA, integer kernels, number of
 * threads): a block calls it once and keeps the largest of what its products need. SIZE_MAX: no
 * memory is large enough, and reserving fails. A run allocates nothing and cannot fail; without
 * enough scratch its behaviour is undefined.
 */

/*
 * z (n, c_out, out_h, out_w) = conv(x, w) + bias. x is (n, c_in, h, w), w is (c_out, c_in/groups,
 * kernel_h, kernel_w), bias nullable. When w is codes and x has a scale: z = float(exact integer
 * sum of codes) * (scale_x * scale_w[oc]) + bias; for that codes (zero point subtracted) must have
 * magnitude <= 255. Otherwise z is a product of floats; codes give the bits of the floats that they
 * stand for. Linear layers are the case h = w = 1.
 */
size_t nncf__conv2d_forward_scratch(const nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w);
void nncf__conv2d_forward(nncf_context *context, const nncf__conv2d *s, const nncf__qtensor *x,
    const nncf__qtensor *w, const float *bias, float *z);
/*
 * The same product of codes (s->only_sums) made tile by tile and never stored: the hooks get its
 * sums. fit: whether that is possible; then _scratch and the run are as above.
 */
bool nncf__conv2d_tiles_fit(const nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w, const nncf__spans *spans);
size_t nncf__conv2d_tiles_scratch(const nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w, const nncf__tile_hooks *hooks);
void nncf__conv2d_tiles(nncf_context *context, const nncf__conv2d *s, const nncf__qtensor *x,
    const nncf__qtensor *w, const nncf__tile_hooks *hooks);
/* Weights of -1 or 1: one where a float is above 0, or, without floats, where a bit is set, the
 * 64 of a word in order. scales (nullable, with floats): what is written there first, for each
 * output channel the mean of its magnitudes. */
typedef struct nncf__signs {
    const float *floats;
    const uint64_t *bits;
    float *scales;
} nncf__signs;

/*
 * The same product of bits: x is 0 or 1, and w is -1 or 1.
 * x->data are words of 64 channels each, (n, groups, words, h, w), bit i of a word being channel i
 * of its 64; x and w have scales as those of codes, and w no data; signs->scales is NULL or where
 * w->scale points. z has the bits that codes would give. fit: whether there are kernels for it.
 */
bool nncf__conv2d_bits_fit(const nncf_context *context, const nncf__conv2d *s);
/* words of an image's pixel, all groups */
int64_t nncf__conv2d_bits_words(const nncf__conv2d *s);
size_t nncf__conv2d_forward_bits_scratch(const nncf_context *context, const nncf__conv2d *s);
void nncf__conv2d_forward_bits(nncf_context *context, const nncf__conv2d *s, const nncf__qtensor *x,
    const nncf__qtensor *w, const nncf__signs *signs, const float *bias, float *z);
/* dx is written. A product of floats; w in codes gives the bits of the floats that they stand for.
 */
size_t nncf__conv2d_backward_input_scratch(const nncf_context *context, const nncf__conv2d *s);
void nncf__conv2d_backward_input(nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *w, const float *dz, float *dx);
/* dw is written, not added to. A product of floats whatever x is: the scale of x in bytes goes into
 * its values, one rounding each as in a fake-quantizer, so bytes and the floats they stand for give
 * the same bits. The sums over n and pixels have a fixed order. */
size_t nncf__conv2d_backward_weight_scratch(
    const nncf_context *context, const nncf__conv2d *s, const nncf__qtensor *x);
void nncf__conv2d_backward_weight(nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const float *dz, float *dw);

/* Planes of some channels in all images: that of channel c in image n begins at data + (n *
 * channels + c - first) * plane. */
typedef struct nncf__channel_planes {
    const float *data;
    int64_t first, channels;
} nncf__channel_planes;

/*
 * Depthwise convolutions whose channels are worked on further, or are made, by the worker that has
 * them in its cache. Hooks are called from any thread, each channel's once, in no order that may
 * matter; `scratch` is the worker's.
 */
typedef struct nncf__channel_hooks {
    void *arg;
    /* bytes, aligned to 64 */
    size_t scratch;
    /* z of a group of channels exists in its worker's scratch only: forward writes it there, and
     * backward makes it there again (of codes: s->only_sums). Else forward writes what it is given,
     * and backward has no z. */
    bool local_z;
    /* Forward: z of channels [c0, c1) is complete. Backward: calls of dz for them follow. z: as
     * above; data is NULL where there is none. */
    void (*group)(void *arg, int64_t c0, int64_t c1, const nncf__channel_planes *z, void *scratch);
    /* Backward: dz of channels [c0, c1) in image n, written to `to`, or where it lies. Images in
     * order. */
    const float *(*dz)(
        void *arg, int64_t n, int64_t c0, int64_t c1, const nncf__channel_planes *z, float *to);
} nncf__channel_hooks;

/* Whether the two below can be called: depthwise, and not the reference ISA, which has one loop for
 * all convolutions. */
bool nncf__conv2d_by_channel(const nncf_context *context, const nncf__conv2d *s);
/* nncf__conv2d_forward(), and then the hook. The bits are the same. z is not looked at where the
 * hooks' local_z is set. Of the hooks, _scratch reads this and scratch. */
size_t nncf__conv2d_forward_channels_scratch(const nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w, const nncf__channel_hooks *after);
void nncf__conv2d_forward_channels(nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w, const float *bias, float *z,
    const nncf__channel_hooks *after);
/* nncf__conv2d_backward_input() and nncf__conv2d_backward_weight() at once; either of dx and dw may
 * be NULL (not wanted), not both. The bits are the same. */
size_t nncf__conv2d_backward_channels_scratch(const nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w, const nncf__channel_hooks *before,
    bool wants_dx, bool wants_dw);
void nncf__conv2d_backward_channels(nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w, const nncf__channel_hooks *before, float *dx,
    float *dw);

/* The naive loops that the products above are tested against (double accumulators; codes in int64).
 * Single-threaded, allocate nothing. */
void nncf__conv2d_forward_ref(const nncf__conv2d *s, const nncf__qtensor *x, const nncf__qtensor *w,
    const float *bias, float *z);
void nncf__conv2d_backward_input_ref(
    const nncf__conv2d *s, const nncf__qtensor *w, const float *dz, float *dx);
void nncf__conv2d_backward_weight_ref(
    const nncf__conv2d *s, const nncf__qtensor *x, const float *dz, float *dw);

#endif
