/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights that the host keeps in another order. The layer has a copy in the order of weight_shape,
 * and all of the library reads and writes that; it is taken from the host's memory where a call
 * begins to read weights, and gradients go back where it ends. Without a layout these functions do
 * nothing.
 */
#ifndef NNCF__GRAPH_LAYOUT_H
#define NNCF__GRAPH_LAYOUT_H

#include "graph/model.h"

#include <nncf/model.h>

/* The weight, of a layer or of all layers, as the host has it now. */
void nncf__layer_pull_weight(const nncf_layer *layer);
void nncf__model_pull_weights(const nncf_model *model);
/* Where the library has written the weight: to the host. */
void nncf__layer_push_weight(const nncf_layer *layer);
/* The gradient of the weight: before something is added to it, and after that. */
void nncf__layer_pull_gradient(const nncf_layer *layer);
void nncf__layer_push_gradient(const nncf_layer *layer);
/* Between an array in the order of weight_shape and one of the host's, whose gaps are left alone.
 */
void nncf__layer_gather(const nncf_layer *layer, const float *host, float *weight);
void nncf__layer_scatter(const nncf_layer *layer, const float *weight, float *host);
/* The host's place of element i of the weight. */
size_t nncf__layer_place(const nncf_layer *layer, size_t i);
/* Where the host's weight begins, and how many floats it spans. */
const float *nncf__layer_host_weight(const nncf_layer *layer);
size_t nncf__layer_host_span(const nncf_layer *layer);

#endif
