/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "ctrl.h"

#include <check.h>

void fx_rig_make(fx_rig *r, const fx_block *layer, const char *config)
{
    uint64_t state = 1;
    *r = (fx_rig){.k = *layer};
    fx_open(&r->host, 1, 42);
    r->context = r->host.context;
    ck_assert_int_eq(nncf_model_create(r->context, &r->model, NULL), NNCF_OK);
    fx_register(r->model, &r->k, NULL, &state);
    r->ctrl = fx_ctrl(r->model, config);
}

void fx_rig_free(fx_rig *r)
{
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
    fx_close(&r->host);
    fx_release(&r->k);
}
