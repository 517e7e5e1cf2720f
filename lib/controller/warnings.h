/* SPDX-License-Identifier: Apache-2.0 */
/* What a controller warned of: in the log, and kept for hosts that have none. */
#ifndef NNCF__CONTROLLER_WARNINGS_H
#define NNCF__CONTROLLER_WARNINGS_H

#include <nncf/base.h>
#include <nncf/ctrl.h>

/* Log a warning and keep its text. The caller sees to it that each is reported once. */
void nncf__warn(nncf_compression_ctrl *ctrl, const char *format, ...) NNCF_PRINTF(2, 3);

#endif
