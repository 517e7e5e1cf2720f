/* SPDX-License-Identifier: Apache-2.0 */
/* Which filters were removed, as a text of snapshots: shrink.h has its form. */
#ifndef NNCF__CONTROLLER_REMOVED_H
#define NNCF__CONTROLLER_REMOVED_H

#include "pruning/clusters.h"

#include <nncf/base.h>
#include <nncf/ctrl.h>

/* The present masks. *text is of the context. */
nncf_status nncf__removed_write(const nncf_compression_ctrl *ctrl, char **text, nncf_error *err);
/* The text's masks become those of the clusters. After an error they are half of each. */
nncf_status nncf__removed_read(nncf_compression_ctrl *ctrl, const char *text, nncf_error *err);
/* Count what the masks of the clusters keep. */
void nncf__removed_count(nncf__clusters *clusters);

#endif
