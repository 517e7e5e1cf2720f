/* SPDX-License-Identifier: Apache-2.0 */
/* Activations that are layers of their own; see kind.h. */
#ifndef NNCF__EXEC_ACTIVATION_H
#define NNCF__EXEC_ACTIVATION_H

#include "exec/call.h"
#include "graph/block.h"

#include <nncf/model.h>

void nncf__activation_prepare(const nncf_layer *layer, nncf__block *block);
void nncf__activation_forward(const nncf__call *call);
void nncf__activation_backward(const nncf__call *call);

#endif
