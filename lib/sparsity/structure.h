/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured sparsity: what is masked together. A weight is seen as (output channel, input channel,
 * tap); its blocks are so many output channels times so many input channels at one tap, its groups
 * M consecutive input channels of an output channel at one tap. Neither crosses the border of a
 * group of a grouped convolution: those at its end are smaller.
 */
#ifndef NNCF__SPARSITY_STRUCTURE_H
#define NNCF__SPARSITY_STRUCTURE_H

#include "config/canonical.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One axis of a weight: its size, and after how many channels blocks begin again. */
typedef struct nncf__weight_axis {
    size_t size, period, stride;
} nncf__weight_axis;

/* A weight in memory is (outer, inner, taps); which of the two are the output channels depends on
 * the layer. */
typedef struct nncf__weight_grid {
    nncf__weight_axis out, in;
    size_t taps;
    bool out_is_outer;
} nncf__weight_grid;

nncf__weight_grid nncf__weight_grid_of(const nncf_layer *layer);

/* How many weights the structure can mask: all, or of each group M - N. */
uint64_t nncf__structure_most(const nncf__structure *structure, const nncf_layer *layer);

/* ---- blocks ---- */

/* Edge blocks included. Block (o, i) at tap t is number (o * along the inputs + i) * taps + t. */
typedef struct nncf__blocks {
    nncf__weight_grid grid;
    /* of a block's edges */
    size_t size;
    size_t along_out, along_in;
} nncf__blocks;

nncf__blocks nncf__blocks_of(const nncf_layer *layer, size_t size);

static inline size_t nncf__blocks_count(const nncf__blocks *b)
{
    return b->along_out * b->along_in * b->grid.taps;
}

/* Weights of a block, which are (out, in) = [out0, out1) x [in0, in1) at its tap. */
typedef struct nncf__block_range {
    size_t out0, out1, in0, in1, tap;
} nncf__block_range;

nncf__block_range nncf__blocks_range(const nncf__blocks *b, size_t block);
/* Index of a weight. */
static inline size_t nncf__weight_grid_at(
    const nncf__weight_grid *g, size_t out, size_t in, size_t tap)
{
    return out * g->out.stride + in * g->in.stride + tap;
}
/* Numbers of the blocks of weights [begin, begin + n). */
void nncf__blocks_numbers(const nncf__blocks *b, size_t begin, size_t n, uint32_t *numbers);

/* Recompute c->blocks from c->bits: which blocks have a weight that is kept. Nothing without
 * blocks. In the calling thread. */
void nncf__structure_find_blocks(const nncf_layer *layer, nncf__layer_compression *c);

/* ---- N:M ---- */

/* What no mask reaches: above the bits of every importance, which are those of a float >= 0. */
enum { NNCF__NEVER_MASKED = 0x7fffffff };

/* importance[0] is of weight `begin`, n of them: those that an N:M mask keeps, the N largest of a
 * group, become NNCF__NEVER_MASKED. Of equal ones the last are kept. */
void nncf__structure_keep_largest(const nncf__structure *structure, const nncf_layer *layer,
    size_t begin, size_t n, uint32_t *importance);

/* The input channels are others than those that the masks were made for: of each group that keeps
 * more than N weights the least by |w| are masked, of equal ones the first. How many were. */
size_t nncf__structure_trim(
    const nncf__structure *structure, const nncf_layer *layer, nncf__layer_compression *c);

/* NNCF_E_STATE: a group of this layer has more than N weights that are kept and not 0. NNCF_OK of
 * every other structure, and of a layer without a mask. */
nncf_status nncf__structure_check(const nncf__structure *structure, const nncf_layer *layer,
    const nncf__layer_compression *c, const char *call, nncf_error *err);

#endif
