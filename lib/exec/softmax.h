/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax over the last dimension; see kind.h. */
#ifndef NNCF__EXEC_SOFTMAX_H
#define NNCF__EXEC_SOFTMAX_H

#include "exec/call.h"
#include "graph/block.h"

#include <nncf/model.h>

void nncf__softmax_prepare(const nncf_layer *layer, nncf__block *block);
void nncf__softmax_forward(const nncf__call *call);
void nncf__softmax_backward(const nncf__call *call);

#endif
