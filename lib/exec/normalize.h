/* SPDX-License-Identifier: Apache-2.0 */
/* Layer norm over the last dimension; see kind.h. */
#ifndef NNCF__EXEC_NORMALIZE_H
#define NNCF__EXEC_NORMALIZE_H

#include "exec/call.h"
#include "graph/block.h"

#include <nncf/model.h>

void nncf__layer_norm_prepare(const nncf_layer *layer, nncf__block *block);
void nncf__layer_norm_forward(const nncf__call *call);
void nncf__layer_norm_backward(const nncf__call *call);

#endif
