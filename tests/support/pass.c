/* SPDX-License-Identifier: Apache-2.0 */
#include "pass.h"

#include "ctrl.h"
#include "random.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

void fx_pass_make(fx_pass *p, const fx_block *layer, const int64_t in[4], const fx_block *next,
    const char *config, nncf_context *context, uint64_t seed)
{
    uint64_t state = seed;
    int64_t after[4];
    *p = (fx_pass){.context = context, .k = *layer};
    memcpy(p->in, in, sizeof p->in);
    ck_assert_int_eq(nncf_model_create(context, &p->model, NULL), NNCF_OK);
    fx_register(p->model, &p->k, NULL, &state);
    fx_output_shape(&p->k, in, p->out);
    if (next) {
        p->next = *next;
        fx_register(p->model, &p->next, p->k.layer, &state);
        fx_output_shape(&p->next, p->out, after);
        p->after = fx_alloc(fx_count(after), sizeof(float));
        fx_view(&p->tafter, p->after, p->next.linear ? 2 : 4, after);
    }
    if (config)
        p->ctrl = fx_ctrl(p->model, config);
    const size_t ni = fx_count(in), no = fx_count(p->out);
    float **ins[] = {&p->x, &p->dx}, **outs[] = {&p->y, &p->r, &p->dy};
    for (int i = 0; i < 2; i++)
        *ins[i] = fx_alloc(ni, sizeof(float));
    for (int i = 0; i < 3; i++)
        *outs[i] = fx_alloc(no, sizeof(float));
    fx_fill(p->x, ni, 1.5, &state);
    fx_fill(p->r, no, 1, &state);
    const int ndim = p->k.linear ? 2 : 4;
    fx_view(&p->tx, p->x, ndim, p->in);
    fx_view(&p->tdx, p->dx, ndim, p->in);
    fx_view(&p->ty, p->y, ndim, p->out);
    fx_view(&p->tdy, p->dy, ndim, p->out);
}

void fx_pass_free(fx_pass *p)
{
    nncf_compression_ctrl_destroy(p->ctrl);
    nncf_model_destroy(p->model);
    nncf_context_destroy(p->context);
    fx_release(&p->k);
    fx_release(&p->next);
    float *all[] = {p->x, p->y, p->r, p->dy, p->dx, p->after};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

void fx_pass_forward(fx_pass *p)
{
    ck_assert_int_eq(nncf_layer_forward(p->k.layer, &p->tx.t, 1, &p->ty.t, NULL), NNCF_OK);
}

void fx_pass_backward(fx_pass *p, bool dx)
{
    memcpy(p->dy, p->r, fx_count(p->out) * sizeof(float));
    ck_assert_int_eq(
        nncf_layer_backward(p->k.layer, &p->tx.t, 1, &p->tdy.t, dx ? &p->tdx.t : NULL, NULL),
        NNCF_OK);
}
