/* SPDX-License-Identifier: Apache-2.0 */
/* Running a layer: product, batch norm, activation, quantizers. Internal to this folder; the rest of the world calls
 * include/nncf/layer.h. */
#ifndef NNCF__LAYER_H
#define NNCF__LAYER_H

#include "compression/compression.h"

#include <nncf/layer.h>

/* Shape of the input as (n, c, h, w): (n, c) counts as (n, c, 1, 1), and a linear layer flattens. */
nncf_status nncf__layer_input_shape(const nncf_layer *layer, const nncf_tensor *x, int64_t shape[4]);

/* One pair a kind of layer; dx NULL: not wanted. */
nncf_status nncf__product_forward(nncf_layer *layer, const float *x, const int64_t in[4], const int64_t out[4],
                                  float *y);
nncf_status nncf__product_backward(nncf_layer *layer, const float *x, const int64_t in[4], const int64_t out[4],
                                   float *dy, float *dx);
nncf_status nncf__add_forward(nncf_layer *layer, const float *a, const float *b, size_t n, float *y);
nncf_status nncf__add_backward(nncf_layer *layer, const float *a, const float *b, size_t n, float *dy, float *da,
                               float *db);
nncf_status nncf__pool_forward(nncf_layer *layer, const float *x, const int64_t in[4], const int64_t out[4], float *y);
nncf_status nncf__pool_backward(nncf_layer *layer, const float *x, const int64_t in[4], const int64_t out[4], float *dy,
                                float *dx);

#endif
