/* SPDX-License-Identifier: Apache-2.0 */
/* Restoring from a snapshot of another config. */
#ifndef NNCF__FORMATS_CHECKPOINT_ADOPT_H
#define NNCF__FORMATS_CHECKPOINT_ADOPT_H

#include "formats/checkpoint/state.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/ctrl.h>

/* Take over the masks, ranges and counters that both configs have. */
nncf_status nncf__adopt(const nncf_checkpoint *checkpoint, nncf_compression_ctrl *ctrl,
    const nncf__saved *saved, nncf_checkpoint_restore_report *report, nncf_error *err);

#endif
