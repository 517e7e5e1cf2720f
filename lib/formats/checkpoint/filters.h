/* SPDX-License-Identifier: Apache-2.0 */
/* The masks of filters in a file. */
#ifndef NNCF__FORMATS_CHECKPOINT_FILTERS_H
#define NNCF__FORMATS_CHECKPOINT_FILTERS_H

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/ctrl.h>

#include <stdbool.h>

struct nncf__entry;

/* Of each layer of the model the mask that fits, NULL: there is none. Given back with nncf__free();
 * NNCF_E_NOMEM. */
nncf_status nncf__filters_find(const nncf_checkpoint *checkpoint, const nncf_compression_ctrl *ctrl,
    const struct nncf__entry ***masks, nncf_error *err);
/* Are those that the controller will read masks, and alike in all layers of a cluster? Shapes were
 * checked, and masks may be missing. */
nncf_status nncf__filters_check(const nncf_checkpoint *checkpoint,
    const nncf_compression_ctrl *ctrl, const struct nncf__entry *const *masks, nncf_error *err);
/* From a snapshot of another config: take all masks of the controller over. False: there are none,
 * or not all of them, and nothing was taken; what that means is logged. */
bool nncf__filters_take(const nncf_checkpoint *checkpoint, nncf_compression_ctrl *ctrl,
    const struct nncf__entry *const *masks);

#endif
