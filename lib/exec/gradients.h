/* SPDX-License-Identifier: Apache-2.0 */
/* The host's convention for gradients (nncf_gradient_flags): those of inputs added to, those of
 * parameters written. */
#ifndef NNCF__EXEC_GRADIENTS_H
#define NNCF__EXEC_GRADIENTS_H

#include "exec/call.h"
#include "graph/block.h"

#include <nncf/context.h>
#include <nncf/layer.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stddef.h>

/* Bytes of model->dx in which all gradients of a call's inputs are made before they are added. */
size_t nncf__gradients_bytes(const nncf_layer *layer, const nncf__shapes *shapes);
/* Where backward writes the gradients of the inputs: to dx (NULL: nowhere), or to model->dx. */
void nncf__gradients_start(nncf__call *call, const nncf_tensor *dx);
/* After backward: model->dx is added to dx. */
void nncf__gradients_finish(const nncf__call *call, const nncf_tensor *dx);
/* y += x, on all threads. */
void nncf__gradients_add(nncf_context *context, size_t count, const float *x, float *y);
/* Before a backward that writes them: the registered gradients of parameters are 0. */
void nncf__gradients_clear(const nncf_layer *layer);
/* That of the weight only. */
void nncf__gradients_clear_weight(const nncf_layer *layer);

#endif
