/* SPDX-License-Identifier: Apache-2.0 */
/* Products of two activations; see kind.h. */
#ifndef NNCF__EXEC_MATMUL_H
#define NNCF__EXEC_MATMUL_H

#include "exec/call.h"
#include "graph/block.h"

#include <nncf/model.h>

void nncf__matmul_prepare(const nncf_layer *layer, nncf__block *block);
void nncf__matmul_forward(const nncf__call *call);
void nncf__matmul_backward(const nncf__call *call);

#endif
