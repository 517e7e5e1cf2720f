/* SPDX-License-Identifier: Apache-2.0 */
/* Products of 8-bit codes on integer instructions: forward of convolutions and linear layers. */
#ifndef NNCF__GEMM_INT8_PRODUCT_H
#define NNCF__GEMM_INT8_PRODUCT_H

#include "gemm/pack.h"
#include "gemm/spans.h"

#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether a product is run here: both operands are 8-bit codes, those of the weights signed; the
 * context has integer kernels; and for this shape they are faster than those of floats. The sums
 * are the same bits either way: exact, rounded once to float, then scale, then bias.
 */
bool nncf__int8_product_fits(const nncf_context *context, const nncf__pixel_product *p);
/* As nncf__pixel_product_scratch() and nncf__pixel_product_run(), which call these. */
size_t nncf__int8_product_scratch(const nncf_context *context, const nncf__pixel_product *p);
void nncf__int8_product_run(nncf_context *context, const nncf__pixel_product *p);

/* A part of a product that is never stored: sums as floats, in a worker's scratch. */
typedef struct nncf__tile {
    /* pixels, counted over images: whole spans, the first of which is `span` */
    int64_t first, last, span, n_spans;
    /* output channels, those of all groups */
    int64_t c0, c1;
    /* (c1 - c0, last - first), rows z_stride apart */
    const float *z;
    int64_t z_stride;
} nncf__tile;

/* What is done with the tiles of a product, in one or two passes over it. */
typedef struct nncf__tile_hooks {
    void *arg;
    nncf__spans spans;
    /* bytes that a call of `tile` gets, aligned to 64 */
    size_t scratch;
    size_t n_passes;
    struct {
        /* Each tile once, from any thread, in no order that may matter. */
        void (*tile)(void *arg, const nncf__tile *tile, void *scratch);
        /* Nullable. From one thread, when the tiles of channels [c0, c1) are done and before the
         * next pass over them; others may be called with other channels meanwhile. */
        void (*done)(void *arg, int64_t c0, int64_t c1);
    } passes[2];
} nncf__tile_hooks;

/* Whether a product of codes can be made tile by tile: it has integer kernels, and what a task
 * packs is not too large. */
bool nncf__int8_tiles_fit(
    const nncf_context *context, const nncf__pixel_product *p, const nncf__spans *spans);
/* Of the hooks, pointers are not read; n_passes is the most that will be made. */
size_t nncf__int8_tiles_scratch(
    const nncf_context *context, const nncf__pixel_product *p, const nncf__tile_hooks *hooks);
/* p->dst is not looked at. Channels are counted from c0 on. */
void nncf__int8_tiles_run(
    nncf_context *context, const nncf__pixel_product *p, int64_t c0, const nncf__tile_hooks *hooks);

#endif
