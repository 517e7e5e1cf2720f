/* SPDX-License-Identifier: Apache-2.0 */
/* Embeddings of token ids; see kind.h. */
#ifndef NNCF__EXEC_EMBEDDING_H
#define NNCF__EXEC_EMBEDDING_H

#include "exec/call.h"
#include "graph/block.h"

#include <nncf/model.h>

void nncf__embedding_prepare(const nncf_layer *layer, nncf__block *block);
void nncf__embedding_forward(const nncf__call *call);
void nncf__embedding_backward(const nncf__call *call);

#endif
