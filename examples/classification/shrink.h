/* SPDX-License-Identifier: Apache-2.0 */
/* Removing pruned filters from a network, and from what the optimizer keeps. */
#ifndef CLASSIFICATION_SHRINK_H
#define CLASSIFICATION_SHRINK_H

#include "net.h"
#include "optimizer.h"

/* `removed`: which filters, as a snapshot says; NULL: those that the controller prunes. `o` may be
 * NULL. */
nncf_status shrink_network(
    nncf_compression_ctrl *ctrl, net *n, optimizer *o, const char *removed, nncf_error *err);

#endif
