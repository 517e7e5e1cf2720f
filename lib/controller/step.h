/* SPDX-License-Identifier: Apache-2.0 */
/* The training loop's state after a snapshot. */
#ifndef NNCF__CONTROLLER_STEP_H
#define NNCF__CONTROLLER_STEP_H

#include <nncf/base.h>
#include <nncf/ctrl.h>

/* Training calls need a controller that has a model and is not being initialized. */
nncf_status nncf__ctrl_check_running(
    const nncf_compression_ctrl *ctrl, const char *call, nncf_error *err);
/* After counters, ranges and masks were read from a snapshot: make level, quantizers, freeze and
 * parameter flags agree with them. NNCF_E_STATE: the controller has no model. */
nncf_status nncf__ctrl_restored(nncf_compression_ctrl *ctrl);

#endif
