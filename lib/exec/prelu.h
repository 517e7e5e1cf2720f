/* SPDX-License-Identifier: Apache-2.0 */
/* PReLU. */
#ifndef NNCF__EXEC_PRELU_H
#define NNCF__EXEC_PRELU_H

#include "exec/call.h"
#include "graph/block.h"

#include <nncf/model.h>

void nncf__prelu_prepare(const nncf_layer *layer, nncf__block *block);
void nncf__prelu_forward(const nncf__call *call);
void nncf__prelu_backward(const nncf__call *call);

#endif
