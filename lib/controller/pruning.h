/* SPDX-License-Identifier: Apache-2.0 */
/* filter_pruning of a controller: its masks, made, renewed, restored, counted. The algorithm is in
 * pruning/. */
#ifndef NNCF__CONTROLLER_PRUNING_H
#define NNCF__CONTROLLER_PRUNING_H

#include "placement/placement.h"
#include "pruning/work.h"

#include <nncf/base.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>

/* Take the clusters over from the placement, and allocate what layers need. What is there after an
 * error is freed with the controller. */
nncf_status nncf__ctrl_start_pruning(
    nncf_compression_ctrl *ctrl, struct nncf__placement *placement, nncf_error *err);
/* NULL is fine in all of these: a controller without filter_pruning. */
void nncf__ctrl_free_pruning(nncf_compression_ctrl *ctrl);
/* Level and masks of the present epoch. Allocates nothing. */
void nncf__ctrl_prune(nncf_compression_ctrl *ctrl);
/* Masks for a level that stays from now on. There must be something to prune. */
void nncf__ctrl_prune_to(nncf_compression_ctrl *ctrl, double level);
/* The same for the next epoch, where masks are not frozen. True: they were made. */
bool nncf__ctrl_prune_epoch(nncf_compression_ctrl *ctrl);
/* The masks of the layers, which were read, become those of the clusters; level and freeze follow
 * from the epoch. */
void nncf__ctrl_filters_restored(nncf_compression_ctrl *ctrl);
/* Filters, parameters and operations: of the registered model before anything was removed, and
 * without what is pruned. *operations 0: not known. */
void nncf__ctrl_work(const nncf_compression_ctrl *ctrl, nncf__work *before, nncf__work *left);
/* Nothing is pruned any more: the model is what is left. `removed`, of the context, is kept. */
void nncf__ctrl_end_pruning(nncf_compression_ctrl *ctrl, char *removed);

#endif
