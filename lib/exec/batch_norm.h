/* SPDX-License-Identifier: Apache-2.0 */
/* Batch norm with the activation and output quantizer that follow it. */
#ifndef NNCF__EXEC_BATCH_NORM_H
#define NNCF__EXEC_BATCH_NORM_H

#include "exec/codes.h"
#include "exec/map_reduce.h"
#include "kernels/kernels.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Per-channel numbers that a layer keeps from forward to backward, in layer->channel. */
typedef struct nncf__channels {
    /* [c][5], as epilogue_backward; forward uses [c][0] for clipped counts */
    double *sums;
    /* [c] each: a = z * scale + shift; zhat = (z - mean) * inv_std */
    float *scale, *shift, *mean, *inv_std;
    /* [c], for integer codes */
    float *weight_scale;
} nncf__channels;
/* Reserve them, and the scratch that batch norm over small planes needs. */
size_t nncf__channels_bytes(const nncf__planes *planes);
size_t nncf__batch_norm_scratch(const nncf__planes *planes); /* a worker's */
nncf_status nncf__channels_reserve(nncf_layer *layer, const nncf__planes *planes);
nncf__channels nncf__channels_of(const nncf_layer *layer);

/* One batch norm at work. */
typedef struct nncf__norm {
    nncf_layer *layer;
    const nncf__kernels *k;
    nncf__planes planes;
    nncf__channels channels;
    nncf__quantizer *output;
    bool batch_statistics, update_running;
    double momentum;
    const float *z;
    /* forward: output; backward: dy, then dz */
    float *y;
    /* forward: output as codes, then y is NULL */
    uint8_t *codes;
    /* the code of 0 */
    float zero;
    /* small planes */
    bool gathers;
    /* dz goes there even where it is wanted elsewhere */
    bool in_place;
} nncf__norm;

/*
 * y = quantizer(activation(batch norm(z))); y may be z (but not as codes). Batch statistics in
 * train mode, which then (unless the controller observes) update the running ones. Either all of
 * it, or start, each channel once, finish: the
 * ..._channels take channels [c0, c1) and nncf__batch_norm_scratch() of room, from any thread.
 * `norm` is an nncf__norm.
 */
void nncf__batch_norm_forward(
    nncf_layer *layer, const nncf__planes *planes, const float *z, const nncf__output *y);
nncf__norm nncf__batch_norm_forward_start(
    nncf_layer *layer, const nncf__planes *planes, const float *z, const nncf__output *y);
void nncf__batch_norm_forward_channels(void *norm, int64_t c0, int64_t c1, void *room);
void nncf__batch_norm_forward_finish(const nncf__norm *norm);

/*
 * dz in place of dy; the sums stay in nncf__channels for nncf__batch_norm_add_gradients(). Or, in
 * steps: start; for channels [c0, c1) their sums; then dz of each image, which is written to `to`
 * (one plane behind the other), or lies in place: what is returned is where. With in_place it
 * always lies there.
 */
void nncf__batch_norm_backward(
    nncf_layer *layer, const nncf__planes *planes, const float *z, float *dy);
nncf__norm nncf__batch_norm_backward_start(
    nncf_layer *layer, const nncf__planes *planes, const float *z, float *dy, bool in_place);
void nncf__batch_norm_backward_sums(void *norm, int64_t c0, int64_t c1, void *room);
const float *nncf__batch_norm_backward_dz(void *norm, int64_t n, int64_t c0, int64_t c1, float *to);
void nncf__batch_norm_add_gradients(nncf_layer *layer, const nncf__planes *planes);

/* Statistics of a batch need two values a channel. */
nncf_status nncf__layer_check_batch_norm(
    const nncf_layer *layer, const int64_t out[4], nncf_error *err);

#endif
