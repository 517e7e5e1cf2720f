/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of attention, apart and together. */
#ifndef NNCF__EXEC_HEADS_H
#define NNCF__EXEC_HEADS_H

#include "exec/call.h"
#include "graph/block.h"

#include <nncf/base.h>
#include <nncf/model.h>

void nncf__heads_prepare(const nncf_layer *layer, nncf__block *block);
void nncf__heads_forward(const nncf__call *call);
void nncf__heads_backward(const nncf__call *call);

#endif
