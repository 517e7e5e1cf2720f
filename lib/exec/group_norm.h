/* SPDX-License-Identifier: Apache-2.0 */
/* Group norm. */
#ifndef NNCF__EXEC_GROUP_NORM_H
#define NNCF__EXEC_GROUP_NORM_H

#include "exec/call.h"
#include "graph/block.h"

#include <nncf/model.h>

void nncf__group_norm_prepare(const nncf_layer *layer, nncf__block *block);
void nncf__group_norm_forward(const nncf__call *call);
void nncf__group_norm_backward(const nncf__call *call);

#endif
