/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling. */
#ifndef NNCF__EXEC_POOL2D_H
#define NNCF__EXEC_POOL2D_H

#include "exec/call.h"
#include "graph/block.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stdint.h>

void nncf__pool_prepare(const nncf_layer *layer, nncf__block *block);
void nncf__pool_forward(const nncf__call *call);
void nncf__pool_backward(const nncf__call *call);

#endif
