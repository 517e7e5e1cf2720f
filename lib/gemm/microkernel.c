/* SPDX-License-Identifier: Apache-2.0 */
/* What the products of this folder share: the microkernel of a context, and the workspace. */
#include "gemm/microkernel.h"

#include "base/checked.h"
#include "base/int_math.h"
#include "base/pool.h"
#include "kernels/kernels.h"

#include <nncf/context.h>

static void run_builtin(const nncf__microkernel *m, int64_t k, const float *panel_m,
    const float *panel_n, int64_t used, float *c, bool add)
{
    m->k->gemm_micro((size_t)k, panel_m, panel_n, (size_t)used, c, add);
}

void nncf__microkernel_builtin(const nncf__kernels *k, nncf__microkernel *m)
{
    int32_t tile[2];
    k->gemm_tile(tile);
    *m = (nncf__microkernel){.mr = tile[0],
        .nr = tile[1],
        .kc = 256,
        .mc = 384,
        .run = run_builtin,
        .k = k,
        .has_builtin = true};
}

void nncf__microkernel_get(const nncf_context *context, nncf__microkernel *m)
{
    const nncf__kernels *k = nncf__kernels_of(context);
    if (!nncf__blis_microkernel(context, k->isa, m)) {
        nncf__microkernel_builtin(k, m);
        return;
    }
    int32_t tile[2];
    k->gemm_tile(tile);
    m->k = k;
    m->has_builtin = tile[0] == m->mr && tile[1] == m->nr;
}

/* The built-in microkernel is as fast where its panels come from the second-level cache, and sums
 * of several blocks of k cost what they cost. */
enum { DEEP_K = 640 };

int64_t nncf__microkernel_k_most(const nncf__microkernel *m, int64_t k)
{
    return m->has_builtin && k <= DEEP_K ? max_i(m->kc, DEEP_K) : m->kc;
}

int64_t nncf__k_block_of(int64_t k, int64_t most)
{
    if (k <= most)
        return k;
    most = most / 4 * 4;
    return round_up(div_ceil(k, div_ceil(k, most)), 4);
}

const char *nncf__gemm_describe(const nncf_context *context)
{
    nncf__microkernel m;
    const nncf__kernels *k = nncf__kernels_of(context);
    return k->isa > NNCF_ISA_REFERENCE && nncf__blis_microkernel(context, k->isa, &m)
        ? nncf__blis_describe()
        : "none";
}

size_t nncf__bytes_aligned(int64_t floats)
{
    return nncf__round_up_64((size_t)floats * sizeof(float));
}

nncf__workspace nncf__workspace_plan(
    const nncf_context *context, size_t private_bytes, size_t unit_bytes, int64_t n_units)
{
    nncf__workspace w = {.context = context,
        .private_bytes = nncf__round_up_64(private_bytes),
        .unit_bytes = unit_bytes,
        .workers = max_i(1, context->params.n_threads)};
    size_t shared;
    if (!nncf__mul((size_t)div_ceil(n_units, w.workers), unit_bytes, &shared) ||
        !nncf__add(shared, w.private_bytes + NNCF__PANEL_SLACK, &w.bytes))
        w.bytes = SIZE_MAX;
    return w;
}

float *nncf__workspace_slot(const nncf__workspace *w, int64_t unit)
{
    char *base = nncf__scratch(w->context, (size_t)(unit % w->workers));
    return (float *)(void *)(base + w->private_bytes + (size_t)(unit / w->workers) * w->unit_bytes);
}

void nncf__gemm_parallel(
    nncf_context *context, double flops, size_t n_chunks, nncf__chunk_fn *fn, void *arg)
{
    /* Waking the others costs some microseconds: about as much as this many operations on one. */
    if (flops < 400e3) {
        for (size_t i = 0; i < n_chunks; i++)
            fn(arg, i, 0);
        return;
    }
    nncf__parallel(context, n_chunks, fn, arg);
}
