/* SPDX-License-Identifier: Apache-2.0 */
/* One layer with all that a forward and a backward of it need, and a layer that reads it. */
#ifndef NNCF_TESTS_SUPPORT_PASS_H
#define NNCF_TESTS_SUPPORT_PASS_H

#include "layers.h"

typedef struct fx_pass {
    nncf_context *context;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    /* the layer, and the one that reads it, so that its output is quantized; without a scope: none
     */
    fx_block k, next;
    int64_t in[4], out[4];
    /* r is the gradient that backward gets in dy, which it overwrites; `after` is next's output */
    float *x, *y, *r, *dy, *dx, *after;
    fx_tensor tx, ty, tdy, tdx, tafter;
} fx_pass;

/* Random weights, x and r of that seed. `next`, `config` nullable; the context is taken over. */
void fx_pass_make(fx_pass *p, const fx_block *layer, const int64_t in[4], const fx_block *next,
    const char *config, nncf_context *context, uint64_t seed);
void fx_pass_free(fx_pass *p);

/* Both must succeed; backward of the gradient r, with dx or without. */
void fx_pass_forward(fx_pass *p);
void fx_pass_backward(fx_pass *p, bool dx);

#endif
