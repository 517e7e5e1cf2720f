/* SPDX-License-Identifier: Apache-2.0 */
/* Magnitude and constant masks. */
#ifndef NNCF__SPARSITY_MAGNITUDE_H
#define NNCF__SPARSITY_MAGNITUDE_H

#include "sparsity/masked_layers.h"

#include <nncf/base.h>

#include <stddef.h>
#include <stdint.h>

/* Reserve what nncf__magnitude_mask() needs. Everything that can fail is here. */
nncf_status nncf__magnitude_reserve(const nncf__masked_layers *layers);
/* Masks for a level over all layers together, or over each of them (NNCF__LEVEL_LOCAL), of the
 * layers' structure.
 * `importance`: nncf__importance_kind. Returns the (largest) threshold. Allocates nothing: reserve
 * first. */
double nncf__magnitude_mask(
    const nncf__masked_layers *layers, double level, int32_t importance, int32_t level_mode);
/* const_sparsity: a mask of layer i that keeps the weights that are not zero. */
void nncf__const_mask(const nncf__masked_layers *layers, size_t i);

#endif
