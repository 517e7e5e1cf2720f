/* SPDX-License-Identifier: Apache-2.0 */
/* Concatenation along the channels; see kind.h. */
#ifndef NNCF__EXEC_CONCAT_H
#define NNCF__EXEC_CONCAT_H

#include "exec/call.h"
#include "graph/block.h"

#include <nncf/model.h>

void nncf__concat_prepare(const nncf_layer *layer, nncf__block *block);
void nncf__concat_forward(const nncf__call *call);
void nncf__concat_backward(const nncf__call *call);

#endif
