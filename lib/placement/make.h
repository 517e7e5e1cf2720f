/* SPDX-License-Identifier: Apache-2.0 */
/* Which layer gets what: allocates all of it, attaches nothing to the model yet. */
#ifndef NNCF__PLACEMENT_MAKE_H
#define NNCF__PLACEMENT_MAKE_H

#include <nncf/base.h>
#include <nncf/compression.h>
#include <nncf/config.h>
nncf_status nncf__placement_make(
    nncf_compression_ctrl *ctrl, const nncf_config *config, nncf_error *err);
/* What it allocated; fine with a controller that is half made. */
void nncf__placement_free(nncf_compression_ctrl *ctrl);

#endif
