/* SPDX-License-Identifier: Apache-2.0 */
/* What gemm.c and gemm_weight.c stand on: the micro-kernel of a context's products, and their scratch. */
#include "kernels/gemm.h"

static void run_own(const nncf__micro *m, int64_t k, const float *panel_v, const float *panel_s, int64_t used, float *c,
                    bool add)
{
    m->k->gemm_micro((size_t)k, panel_v, panel_s, (size_t)used, c, add);
}

void nncf__micro_own(const nncf__kernels *k, nncf__micro *m)
{
    int32_t tile[2];
    k->gemm_tile(tile);
    *m = (nncf__micro){.v = tile[0], .s = tile[1], .kc = 256, .block_v = 384, .run = run_own, .k = k, .own_fits = true};
}

void nncf__micro_get(nncf_context *context, nncf__micro *m)
{
    const nncf__kernels *k = nncf__k(context);
    if (!nncf__blis_micro(context, k->isa, m)) {
        nncf__micro_own(k, m);
        return;
    }
    int32_t tile[2];
    k->gemm_tile(tile);
    m->k = k;
    m->own_fits = tile[0] == m->v && tile[1] == m->s;
}

const char *nncf__gemm_describe(const nncf_context *context)
{
    nncf__micro m;
    const nncf__kernels *k = nncf__k(context);
    return k->isa > NNCF_ISA_REFERENCE && nncf__blis_micro((nncf_context *)context, k->isa, &m) ? nncf__blis_describe()
                                                                                                : "none";
}

size_t nncf__bytes_aligned(int64_t floats)
{
    return ((size_t)floats * sizeof(float) + 63) / 64 * 64;
}

nncf_status nncf__areas_reserve(nncf__areas *a, nncf_context *context, size_t private_bytes, size_t unit_bytes,
                                int64_t n_units)
{
    int64_t workers = max_i(1, context->params.n_threads);
    *a = (nncf__areas){context, (private_bytes + 63) / 64 * 64, unit_bytes, workers};
    size_t shared, total;
    if (!nncf__mul((size_t)parts(n_units, workers), unit_bytes, &shared) ||
        !nncf__add(shared, a->private_bytes + NNCF__PANEL_SLACK, &total))
        return NNCF_E_NOMEM;
    return nncf__scratch_reserve(context, total);
}

float *nncf__area_unit(const nncf__areas *a, int64_t unit)
{
    char *base = nncf__scratch(a->context, (size_t)(unit % a->workers));
    return (float *)(void *)(base + a->private_bytes + (size_t)(unit / a->workers) * a->unit_bytes);
}

void nncf__gemm_parallel(nncf_context *context, double flops, size_t n_chunks, nncf__chunk_fn *fn, void *arg)
{
    /* Waking the others costs some microseconds: about as much as this many operations on one. */
    if (flops < 400e3 && !context->dry) {
        for (size_t i = 0; i < n_chunks; i++)
            fn(arg, i, 0);
        return;
    }
    nncf__parallel(context, n_chunks, fn, arg);
}
