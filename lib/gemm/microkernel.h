/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The product engine, private to blis.c, pack.c, pixel_product.c, weight_gradient.c, microkernel.c,
 * conv2d.c and depthwise*.c.
 *
 * A product C = sum over k of A(k, .) B(k, .) is made of tiles. A tile has a vector side of v
 * elements that lie side by side in memory, and a scalar side of s: the micro-kernel multiplies a k
 * x v panel with a k x s panel. Which of the two is "rows" is the micro-kernel's affair: one that
 * writes columns (BLIS skx, 32 x 12) has its rows on the vector side, one that writes rows
 * (haswell, zen: 6 x 16) its columns.
 *
 * Forward and input gradient ("pixel products"): the vector side is pixels, all images of the batch
 * in one line; the scalar side is output channels; k runs over (tap, channel), taps outermost, so
 * that a packer handles one tap's shifts for many channels. Weight gradient: k runs over pixels,
 * which lie side by side on both sides: dot products, without the micro-kernel (weight_gradient.c).
 */
#ifndef NNCF__GEMM_MICROKERNEL_H
#define NNCF__GEMM_MICROKERNEL_H

#include "base/pool.h"
#include "kernels/kernels.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A micro-kernel: the first `used` of the s rows of c (rows of v floats) = or += panel_v * panel_s;
 * what becomes of the other rows is open. Panels are 64-byte aligned and may be read a few hundred
 * bytes past their end. */
typedef struct nncf__microkernel {
    /* tile */
    int64_t v, s;
    /* longest k for which two panels stay in the first-level cache */
    int64_t kc;
    /* vector-side elements for which kc deep panels stay in the second-level cache */
    int64_t block_v;
    void (*run)(const struct nncf__microkernel *m, int64_t k, const float *panel_v,
        const float *panel_s, int64_t used, float *c, bool add);
    const nncf__kernels *k;
    /* the rows gemm_micro and gemm_micro_store have this tile */
    bool has_builtin;
    /* for run */
    void *blis_kernel, *blis_context;
} nncf__microkernel;

/* What does not stay in caches until it is read again is written past them: no line is read before
 * it is written. So many floats of output are more than caches hold. */
enum { NNCF__STREAM_FLOATS = 4 << 20 };

enum { NNCF__SIDE_MAX = 32, NNCF__TILE_MAX = 32 * 16, NNCF__PANEL_SLACK = 1024 /* bytes */ };

/* BLIS's micro-kernel when this context may use it, else our own. */
void nncf__microkernel_get(const nncf_context *context, nncf__microkernel *m);
void nncf__microkernel_builtin(const nncf__kernels *k, nncf__microkernel *m);
/* blis.c: false when BLIS is not there, is of a version we do not know, or needs more than level
 * `isa`. */
bool nncf__blis_microkernel(const nncf_context *context, int32_t isa, nncf__microkernel *m);
const char *nncf__blis_describe(void);

/*
 * Scratch of a call: each worker has a private area; behind it lies its share of memory that all
 * workers see, handed out in equal units so that shared memory takes no more than its size over all
 * workers together.
 */
typedef struct nncf__workspace {
    const nncf_context *context;
    size_t private_bytes, unit_bytes;
    int64_t workers;
    /* of each worker's scratch, all of the above; SIZE_MAX: more than a size_t holds */
    size_t bytes;
} nncf__workspace;

size_t nncf__bytes_aligned(int64_t floats); /* to 64 */
nncf__workspace nncf__workspace_plan(
    const nncf_context *context, size_t private_bytes, size_t unit_bytes, int64_t n_units);
float *nncf__workspace_slot(const nncf__workspace *a, int64_t unit);

/* Run small work on the calling thread. */
void nncf__gemm_parallel(
    nncf_context *context, double flops, size_t n_chunks, nncf__chunk_fn *fn, void *arg);

/* BLIS version and sub-configuration in use, or "none". Static storage. */
const char *nncf__gemm_describe(const nncf_context *context);

#endif
