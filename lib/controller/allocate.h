/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a controller that a config requests. */
#ifndef NNCF__CONTROLLER_ALLOCATE_H
#define NNCF__CONTROLLER_ALLOCATE_H

#include <nncf/base.h>
#include <nncf/config.h>
#include <nncf/ctrl.h>

/* Place masks and quantizers and allocate them, the schedule and the list of parameters in ctrl.
 * The model is not changed. */
nncf_status nncf__ctrl_allocate(
    nncf_compression_ctrl *ctrl, const nncf_config *config, nncf_error *err);
/* Free that. A controller for which it failed half-way is fine. */
void nncf__ctrl_free_allocated(nncf_compression_ctrl *ctrl);

#endif
