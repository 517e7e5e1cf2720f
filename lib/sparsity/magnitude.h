/* SPDX-License-Identifier: Apache-2.0 */
/* Magnitude and constant masks. */
#ifndef NNCF__SPARSITY_MAGNITUDE_H
#define NNCF__SPARSITY_MAGNITUDE_H

#include <nncf/base.h>
#include <nncf/compression.h>

#include <stddef.h>

/* What nncf__magnitude_mask() needs. Everything that can fail is here. */
nncf_status nncf__magnitude_reserve(nncf_compression_ctrl *ctrl);
/* Masks for the present level over all sparsified layers together, or over each of them (local
 * levels); sets ctrl->threshold. Allocates nothing: reserve first. */
void nncf__magnitude_mask(nncf_compression_ctrl *ctrl);
/* const_sparsity: a mask of layer i that keeps the weights that are not zero. */
void nncf__const_mask(nncf_compression_ctrl *ctrl, size_t i);
/* Before any training: weights may have been loaded since the controller was made. Masks of
 * magnitude sparsity, and constant ones that mask nothing, are made anew from them; those of a
 * snapshot stay. ctrl.c. */
void nncf__masks_renew(nncf_compression_ctrl *ctrl);

#endif
