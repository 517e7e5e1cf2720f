/* SPDX-License-Identifier: Apache-2.0 */
/* The compression rate of a controller: the level of its sparsity, or of its filter pruning. */
#ifndef NNCF__CONTROLLER_RATE_H
#define NNCF__CONTROLLER_RATE_H

#include <nncf/ctrl.h>

#include <stdbool.h>

/* Does a schedule of sparsity move it? Otherwise filter pruning does, if the config has that. */
bool nncf__ctrl_has_rate(const nncf_compression_ctrl *ctrl);
double nncf__ctrl_rate(const nncf_compression_ctrl *ctrl);
/* No higher rate can be set: 1 - N / M of structure n:m, with what may be taken for it; else 1. */
double nncf__ctrl_highest_rate(const nncf_compression_ctrl *ctrl);
/* Did nncf_compression_ctrl_set_compression_rate() set it? */
bool nncf__ctrl_rate_by_hand(const nncf_compression_ctrl *ctrl);

#endif
