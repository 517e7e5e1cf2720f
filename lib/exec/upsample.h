/* SPDX-License-Identifier: Apache-2.0 */
/* Nearest and bilinear upsampling; see kind.h. */
#ifndef NNCF__EXEC_UPSAMPLE_H
#define NNCF__EXEC_UPSAMPLE_H

#include "exec/call.h"
#include "graph/block.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <stdint.h>

void nncf__upsample_prepare(const nncf_layer *layer, nncf__block *block);
void nncf__upsample_forward(const nncf__call *call);
void nncf__upsample_backward(const nncf__call *call);

#endif
