/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise products; see kind.h. */
#ifndef NNCF__EXEC_MULTIPLY_H
#define NNCF__EXEC_MULTIPLY_H

#include "exec/call.h"
#include "graph/block.h"

#include <nncf/model.h>

void nncf__multiply_prepare(const nncf_layer *layer, nncf__block *block);
void nncf__multiply_forward(const nncf__call *call);
void nncf__multiply_backward(const nncf__call *call);

#endif
