/* SPDX-License-Identifier: Apache-2.0 */
/* A second model with the layers of a first one. */
#ifndef NNCF__GRAPH_CLONE_H
#define NNCF__GRAPH_CLONE_H

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>

/*
 * The same layers, edges and buffers of the caller (gradients and running statistics among them:
 * who clones gives the layers others), without a controller, and with nothing prepared or kept. Of
 * a weight with a layout there is a copy of its own. The context is not owned. NNCF_E_NOMEM.
 */
nncf_status nncf__model_clone(const nncf_model *model, nncf_context *context, nncf_model **clone);

#endif
