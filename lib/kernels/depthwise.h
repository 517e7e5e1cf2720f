/* SPDX-License-Identifier: Apache-2.0 */
/* What depthwise.c (planes) and depthwise_small.c (sixteen channels at a time) share. */
#ifndef NNCF__DEPTHWISE_H
#define NNCF__DEPTHWISE_H

#include "kernels/gemm.h"

enum { NNCF__DEPTHWISE_STRIDE = 4, NNCF__DEPTHWISE_TAPS = 121 };

/* One set of taps that makes output pixels (a + i * stride_h, b + j * stride_w); all of them in the forward pass. */
typedef struct nncf__phase {
    int64_t rows, cols; /* of these pixels */
    int64_t first_tap, n_taps;
} nncf__phase;

/* From which source pixels output pixels are made. */
typedef struct nncf__stencil {
    int64_t src_h, src_w;                 /* a plane */
    int64_t step_y, step_x;               /* source pixels between neighbours of the grid */
    int64_t grid_rows, grid_cols;         /* of the largest phase */
    int64_t low_y, high_y, low_x, high_x; /* the taps' reach */
    int64_t n_phases, n_taps;
    nncf__phase phases[NNCF__DEPTHWISE_STRIDE * NNCF__DEPTHWISE_STRIDE]; /* (a, b), b fastest */
    nncf__tap taps[NNCF__DEPTHWISE_TAPS];                                /* sorted by phase */
} nncf__stencil;

/* One of the three products. Forward: from x; input gradient: from dz; weight gradient: from x and dz. */
typedef struct nncf__depthwise {
    const nncf__conv2d *s;
    const nncf__operand *x; /* forward, weight gradient */
    const float *w, *bias, *dz;
    const float *step_x, *step_w; /* NULL: a product of floats */
    nncf__bytes bytes;            /* what x in bytes becomes */
    size_t n_steps_w;
    float *out;
    enum { NNCF__FORWARD, NNCF__BACKWARD_INPUT, NNCF__BACKWARD_WEIGHT } product;
    nncf__stencil stencil;
} nncf__depthwise;

/* 1 / step when floats of x have to be rounded to codes, else 0. */
float nncf__depthwise_inverse(const nncf__depthwise *d);

/* Small planes. */
bool nncf__depthwise_is_small(const nncf__conv2d *s);
nncf_status nncf__depthwise_small_run(nncf_context *context, const nncf__depthwise *d);

#endif
