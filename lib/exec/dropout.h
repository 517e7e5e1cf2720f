/* SPDX-License-Identifier: Apache-2.0 */
/* Dropout. */
#ifndef NNCF__EXEC_DROPOUT_H
#define NNCF__EXEC_DROPOUT_H

#include "exec/call.h"
#include "graph/block.h"

#include <nncf/model.h>

void nncf__dropout_prepare(const nncf_layer *layer, nncf__block *block);
void nncf__dropout_forward(const nncf__call *call);
void nncf__dropout_backward(const nncf__call *call);

#endif
