/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of two tensors. */
#ifndef NNCF__EXEC_ADD_H
#define NNCF__EXEC_ADD_H

#include "exec/call.h"
#include "graph/block.h"

#include <nncf/model.h>

void nncf__add_prepare(const nncf_layer *layer, nncf__block *block);
void nncf__add_forward(const nncf__call *call);
void nncf__add_backward(const nncf__call *call);

#endif
