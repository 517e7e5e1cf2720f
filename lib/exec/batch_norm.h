/* SPDX-License-Identifier: Apache-2.0 */
/* Batch norm with the activation and output quantizer that follow it. */
#ifndef NNCF__EXEC_BATCH_NORM_H
#define NNCF__EXEC_BATCH_NORM_H

#include "conv/conv2d.h"
#include "exec/call.h"
#include "exec/channels.h"
#include "graph/block.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a worker needs of scratch: planes that are small are gathered. */
size_t nncf__batch_norm_scratch(const nncf__planes *planes);

/* One batch norm in progress. */
typedef struct nncf__norm {
    const nncf__block *block;
    const nncf_batch_norm_params *params;
    /* those whose gamma and beta are 0; NULL: none */
    const uint8_t *filters;
    nncf_context *context;
    const nncf__kernels *k;
    nncf__planes planes;
    nncf__channels channels;
    nncf__channel_planes z;
    /* forward, where z is sums of codes (block->conv.only_sums): their scales, and the bias of the
     * product, nullable */
    const nncf__qtensor *x, *w;
    const float *bias;
    /* forward: output; backward: dy, then dz */
    float *y;
    /* forward: output as codes, then y is NULL */
    uint8_t *codes;
    /* the code of 0 */
    float zero;
    /* values a channel, of all ranks where statistics are */
    double count;
    /* small planes */
    bool gathers;
    /* dz goes there even where it is wanted elsewhere */
    bool in_place;
} nncf__norm;

/* Whose statistics are used, and whether the running ones follow: into the block. */
void nncf__batch_norm_prepare(const nncf_layer *layer, nncf__block *block);

/*
 * The call's y = quantizer(activation(batch norm(z))); y may be z (but not as codes). Batch
 * statistics in train mode, which then (unless the controller observes) update the running ones.
 * x and w are what the product read: where it wrote sums of codes (block->conv.only_sums), their
 * scales and the layer's bias become part of batch norm's constants, and statistics are those of
 * exact sums.
 * Either all of it, or start, each channel once, finish: the ..._channels take channels [c0, c1)
 * and nncf__batch_norm_scratch() of scratch, from any thread. `norm` is an nncf__norm; z with data
 * stands for its z.
 */
void nncf__batch_norm_forward(
    const nncf__call *call, const nncf__qtensor *x, const nncf__qtensor *w, const float *z);
nncf__norm nncf__batch_norm_forward_start(
    const nncf__call *call, const nncf__qtensor *x, const nncf__qtensor *w, const float *z);
void nncf__batch_norm_forward_channels(
    void *norm, int64_t c0, int64_t c1, const nncf__channel_planes *z, void *scratch);
void nncf__batch_norm_forward_finish(const nncf__norm *norm);

/*
 * dz in place of the call's dy; the sums stay in nncf__channels for
 * nncf__batch_norm_add_gradients(). Or, in steps: start; for channels [c0, c1) their sums; then dz
 * of each image, which is written to `to` (one plane after the other), or lies in place; the return
 * value is where it is. With in_place it is always in place.
 */
void nncf__batch_norm_backward(const nncf__call *call, const float *z);
nncf__norm nncf__batch_norm_backward_start(const nncf__call *call, const float *z, bool in_place);
void nncf__batch_norm_backward_sums(
    void *norm, int64_t c0, int64_t c1, const nncf__channel_planes *z, void *scratch);
const float *nncf__batch_norm_backward_dz(
    void *norm, int64_t n, int64_t c0, int64_t c1, const nncf__channel_planes *z, float *to);
void nncf__batch_norm_add_gradients(const nncf__call *call);

/* ---- for batch_norm_tiles.c ---- */

/* One batch norm in progress, y being forward's output or backward's dy. */
nncf__norm nncf__norm_start(const nncf__call *call, const float *z, float *y);
/* From the mean of z and that of its squares (not looked at where statistics are the running ones)
 * to the constants of channel c, and to running statistics. */
void nncf__norm_set_constants(const nncf__norm *norm, size_t c, const double means[2]);
nncf__epilogue nncf__norm_epilogue(const nncf__norm *norm, size_t c);

/* dz = k0 * da + (k1 * z + k2), the derivative of algorithm 1 through mean and variance:
 * scale * (da - mean(da) - zhat * mean(da * zhat)) */
typedef struct nncf__norm_gradient {
    float k0, k1, k2;
} nncf__norm_gradient;
/* When the channel's sums are known. */
nncf__norm_gradient nncf__norm_gradient_of(const nncf__norm *norm, size_t c);

/* Statistics of a batch need two values a channel. */
nncf_status nncf__layer_check_batch_norm(
    const nncf_layer *layer, const int64_t out[4], nncf_error *err);

#endif
