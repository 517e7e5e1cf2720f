/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest thing that has a state to save: one layer under a controller. */
#ifndef NNCF_TESTS_SUPPORT_RIG_H
#define NNCF_TESTS_SUPPORT_RIG_H

#include "context.h"
#include "layers.h"

typedef struct fx_rig {
    fx_context host;
    /* that of host */
    nncf_context *context;
    nncf_model *model;
    fx_block k;
    nncf_compression_ctrl *ctrl;
} fx_rig;

/* One thread, seed 42, the layer with random weights, a controller of that config. */
void fx_rig_make(fx_rig *r, const fx_block *layer, const char *config);
/* All memory was given back. */
void fx_rig_free(fx_rig *r);

#endif
