/* SPDX-License-Identifier: Apache-2.0 */
/* May a layer's numbers leave the library? */
#ifndef NNCF__FORMATS_DEPLOY_CHECK_H
#define NNCF__FORMATS_DEPLOY_CHECK_H

#include <nncf/base.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>

/* Does the layer normalize: after its product, or as an operator that the host runs? */
bool nncf__has_norm(const nncf_layer *layer);
/* out = mask(weight) of eval mode for n elements from `begin`, a multiple of 8. */
void nncf__masked_weight(const nncf_layer *layer, size_t begin, size_t n, float *out);
/* Refuses, by name and index, a weight (that its mask keeps), bias or number of batch norm that is
 * not finite, and a running variance with which eval mode gives NaN. */
nncf_status nncf__check_numbers(const nncf_layer *layer, nncf_error *err);

#endif
