/* SPDX-License-Identifier: Apache-2.0 */
/* Uses of a layer; private to this folder. */
#ifndef NNCF__GRAPH_USES_H
#define NNCF__GRAPH_USES_H

#include "graph/model.h"

#include <nncf/context.h>
#include <nncf/layer.h>

void nncf__use_free(nncf__use *use, nncf_context *context);
/* All but the one that is selected. */
void nncf__uses_free(nncf_layer *layer, nncf_context *context);

#endif
