/* SPDX-License-Identifier: Apache-2.0 */
/* Initialization of ranges, and adaptation of batch norm statistics. */
#ifndef NNCF__CONTROLLER_INIT_H
#define NNCF__CONTROLLER_INIT_H

#include "config/canonical.h"

#include <nncf/base.h>
#include <nncf/ctrl.h>

#include <stdbool.h>

/* Allocate what weight ranges need. */
nncf_status nncf__init_reserve(nncf_compression_ctrl *ctrl);
/* Observers for an initialization that starts over: the last one destroyed them. Those that exist
 * are kept. */
nncf_status nncf__init_observers(nncf_compression_ctrl *ctrl);
/* Take over the adaptation that an algorithm requests. */
void nncf__init_take_adaptation(nncf_compression_ctrl *ctrl, const nncf__algorithm *algorithm);
/* Set the ranges of the weight quantizers by their rules, from the weights after the deterministic
 * mask.
 */
void nncf__init_weights(nncf_compression_ctrl *ctrl);
/* Of one layer. */
void nncf__init_weight(nncf_compression_ctrl *ctrl, size_t i);
/* Masks that nothing was trained with, and ranges of weights, from the present weights: they may
 * have been loaded since creation. */
void nncf__init_renew(nncf_compression_ctrl *ctrl);
/* Are there activation quantizers whose ranges come from batches? */
bool nncf__init_wanted(const nncf_compression_ctrl *ctrl);

#endif
