/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all matrix products share: the microkernel and the workspace.
 *
 * A product C = sum over k of A(., k) B(k, .) is made of tiles of MR x NR. The MR elements of a
 * tile lie side by side in memory (a vector), the NR do not: the microkernel multiplies a panel of
 * k x MR by one of k x NR. Which of the two is "rows" is the microkernel's affair: one that writes
 * columns (BLIS skx, 32 x 12) has its rows along MR, one that writes rows (haswell, zen: 6 x 16)
 * along NR.
 *
 * Forward and input gradient (pixel_product.c): MR are pixels, all images of the batch in one line;
 * NR are output channels; k runs over (tap, channel), taps outermost, so that packing handles one
 * tap's shifts for many channels. Weight gradient: k runs over pixels, which lie side by side in
 * both operands: dot products, without the microkernel (weight_gradient.c), or, of many channels,
 * one operand transposed into panels of MR channels (weight_panels.c).
 */
#ifndef NNCF__GEMM_MICROKERNEL_H
#define NNCF__GEMM_MICROKERNEL_H

#include "base/pool.h"
#include "kernels/kernels.h"

#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A microkernel: the first `used` of the nr rows of c (rows of mr floats) = or += panel_m *
 * panel_n; the content of the other rows is undefined. Panels are 64-byte aligned and may be read a
 * few hundred bytes past their end. */
typedef struct nncf__microkernel {
    /* tile */
    int64_t mr, nr;
    /* longest k for which two panels stay in the first-level cache */
    int64_t kc;
    /* pixels for which kc deep panels stay in the second-level cache */
    int64_t mc;
    void (*run)(const struct nncf__microkernel *m, int64_t k, const float *panel_m,
        const float *panel_n, int64_t used, float *c, bool add);
    const nncf__kernels *k;
    /* the kernels gemm_micro and gemm_micro_store have this tile */
    bool has_builtin;
    /* for run */
    void *blis_kernel, *blis_context;
} nncf__microkernel;

/* An output of so many floats or more is larger than the caches, and is written past them: then no
 * line is read before it is written. */
enum { NNCF__STREAM_FLOATS = 4 << 20 };

/* Elements of a cache line. */
enum { NNCF__LINE_BYTES = 64, NNCF__LINE_FLOATS = 16 };

enum { NNCF__TILE_EDGE_MAX = 32, NNCF__TILE_MAX = 32 * 16, NNCF__PANEL_SLACK = 1024 /* bytes */ };

/* BLIS's microkernel when this context may use it, else the built-in one. */
void nncf__microkernel_get(const nncf_context *context, nncf__microkernel *m);
void nncf__microkernel_builtin(const nncf__kernels *k, nncf__microkernel *m);
/* How many of k terms are summed at once, at most; and in equal blocks. */
int64_t nncf__microkernel_k_most(const nncf__microkernel *m, int64_t k);
int64_t nncf__k_block_of(int64_t k, int64_t most);
/* blis.c: false when the library is built without BLIS, its version is unknown, or it needs more
 * than this ISA. */
bool nncf__blis_microkernel(const nncf_context *context, int32_t isa, nncf__microkernel *m);
const char *nncf__blis_describe(void);

/*
 * The workspace of a call in the workers' scratch: each worker has private bytes; after them lies
 * its part of what all workers share, which is split into equal units, so that shared memory is
 * stored once over all workers together.
 */
typedef struct nncf__workspace {
    const nncf_context *context;
    size_t private_bytes, unit_bytes;
    int64_t workers;
    /* of each worker's scratch, in total; SIZE_MAX: more than a size_t holds */
    size_t bytes;
} nncf__workspace;

static inline size_t nncf__round_up_64(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* n, rounded up to an odd number of cache lines of so many elements each: what lies so far apart
 * shares no sets of a cache. */
static inline int64_t nncf__odd_lines(int64_t n, int64_t line)
{
    const int64_t lines = (n + line - 1) / line;
    return (lines + (lines % 2 ? 0 : 1)) * line;
}

/* Does a line of the cache begin there? */
static inline bool nncf__is_line_aligned(const void *p)
{
    return (uintptr_t)p % 64 == 0;
}

/* Of so many floats, rounded up to 64. */
size_t nncf__bytes_aligned(int64_t floats);
nncf__workspace nncf__workspace_plan(
    const nncf_context *context, size_t private_bytes, size_t unit_bytes, int64_t n_units);
float *nncf__workspace_slot(const nncf__workspace *w, int64_t unit);

/* Run small work on the calling thread. */
void nncf__gemm_parallel(
    nncf_context *context, double flops, size_t n_chunks, nncf__chunk_fn *fn, void *arg);

/* BLIS version and sub-configuration in use, or "none". Static storage. */
const char *nncf__gemm_describe(const nncf_context *context);

#endif
