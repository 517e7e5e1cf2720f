/* SPDX-License-Identifier: Apache-2.0 */
/* Which micro-kernel a context's products use. */
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
