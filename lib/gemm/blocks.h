/* SPDX-License-Identifier: Apache-2.0 */
/* How products whose k is not cut are split into tasks: each packs a block of pixels, all of k,
 * which stays in the second-level cache, and multiplies it by some panels of weights. */
#ifndef NNCF__GEMM_BLOCKS_H
#define NNCF__GEMM_BLOCKS_H

#include "base/int_math.h"

#include <stdbool.h>
#include <stdint.h>

enum { NNCF__BLOCK_BYTES = 256 << 10, NNCF__BLOCK_PIXELS = 512 };

typedef struct nncf__blocks {
    int64_t block_pixels, task_panels;
    /* tasks of one block */
    int64_t tasks_across;
} nncf__blocks;

/* Tasks that are wanted: a few for each thread. */
static inline int64_t nncf__tasks_wanted(int64_t workers)
{
    return workers > 1 ? 4 * workers : 1;
}

/* Panels are divided where there are too few blocks, as long as a task keeps four or so. */
static inline void nncf__blocks_across(
    nncf__blocks *b, int64_t n_blocks, int64_t n_panels, int64_t wanted)
{
    b->tasks_across = 1;
    while (n_blocks * b->tasks_across < wanted && b->tasks_across * 4 <= n_panels)
        b->tasks_across *= 2;
    b->task_panels = div_ceil(n_panels, b->tasks_across);
    b->tasks_across = div_ceil(n_panels, b->task_panels);
}

/*
 * Few pixels and many panels: does each thread take some panels, and all pixels, which it packs?
 * Then it packs the weights that it multiplies, and reads in the next pass over channels what it
 * wrote.
 */
static inline bool nncf__blocks_by_panels(
    int64_t n_pixels, int64_t pixel_bytes, int64_t n_panels, int64_t workers)
{
    const int64_t share = div_ceil(n_panels, workers);
    return workers > 1 && share >= 4 && 8 * share * workers <= 9 * n_panels &&
        n_pixels * pixel_bytes <= NNCF__BLOCK_BYTES;
}

/* pixel_bytes: of one packed pixel; mr: pixels of a panel. */
static inline nncf__blocks nncf__blocks_plan(
    int64_t n_pixels, int64_t pixel_bytes, int64_t mr, int64_t n_panels, int64_t workers)
{
    const int64_t wanted = nncf__tasks_wanted(workers);
    nncf__blocks b;
    int64_t pixels = min_i(NNCF__BLOCK_BYTES / pixel_bytes, NNCF__BLOCK_PIXELS);
    pixels = max_i(pixels / mr * mr, mr);
    while (pixels > 2 * mr && div_ceil(n_pixels, pixels) < wanted)
        pixels = round_up(pixels / 2, mr);
    /* equal blocks */
    b.block_pixels = round_up(div_ceil(n_pixels, div_ceil(n_pixels, pixels)), mr);
    nncf__blocks_across(&b, div_ceil(n_pixels, b.block_pixels), n_panels, wanted);
    return b;
}

#endif
