/* SPDX-License-Identifier: Apache-2.0 */
/* Batch norm with the activation and output quantizer that follow it. */
#ifndef NNCF__EXEC_BATCH_NORM_H
#define NNCF__EXEC_BATCH_NORM_H

#include "exec/call.h"
#include "exec/channels.h"
#include "graph/block.h"
#include "kernels/kernels.h"

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
    nncf_context *context;
    const nncf__kernels *k;
    nncf__planes planes;
    nncf__channels channels;
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

/* Whose statistics are used, and whether the running ones follow: into the block. */
void nncf__batch_norm_prepare(const nncf_layer *layer, nncf__block *block);

/*
 * The call's y = quantizer(activation(batch norm(z))); y may be z (but not as codes). Batch
 * statistics in train mode, which then (unless the controller observes) update the running ones.
 * Either all of it, or start, each channel once, finish: the ..._channels take channels [c0, c1)
 * and nncf__batch_norm_scratch() of scratch, from any thread. `norm` is an nncf__norm.
 */
void nncf__batch_norm_forward(const nncf__call *call, const float *z);
nncf__norm nncf__batch_norm_forward_start(const nncf__call *call, const float *z);
void nncf__batch_norm_forward_channels(void *norm, int64_t c0, int64_t c1, void *scratch);
void nncf__batch_norm_forward_finish(const nncf__norm *norm);

/*
 * dz in place of the call's dy; the sums stay in nncf__channels for
 * nncf__batch_norm_add_gradients(). Or, in steps: start; for channels [c0, c1) their sums; then dz
 * of each image, which is written to `to` (one plane after the other), or lies in place; the return
 * value is where it is. With in_place it is always in place.
 */
void nncf__batch_norm_backward(const nncf__call *call, const float *z);
nncf__norm nncf__batch_norm_backward_start(const nncf__call *call, const float *z, bool in_place);
void nncf__batch_norm_backward_sums(void *norm, int64_t c0, int64_t c1, void *scratch);
const float *nncf__batch_norm_backward_dz(void *norm, int64_t n, int64_t c0, int64_t c1, float *to);
void nncf__batch_norm_add_gradients(const nncf__call *call);

/* Statistics of a batch need two values a channel. */
nncf_status nncf__layer_check_batch_norm(
    const nncf_layer *layer, const int64_t out[4], nncf_error *err);

#endif
