/* SPDX-License-Identifier: Apache-2.0 */
/* The masks of a controller. */
#ifndef NNCF__CONTROLLER_SPARSITY_H
#define NNCF__CONTROLLER_SPARSITY_H

#include "sparsity/masked_layers.h"

#include <nncf/base.h>
#include <nncf/ctrl.h>

#include <stdbool.h>
#include <stdint.h>

/* Borrowed from a controller that has a model. */
nncf__masked_layers nncf__ctrl_masked_layers(const nncf_compression_ctrl *ctrl);
/* The first masks of any algorithm. */
void nncf__ctrl_make_masks(nncf_compression_ctrl *ctrl);
/* Before any training: weights may have been loaded since the controller was made. Masks of
 * magnitude sparsity, and constant masks without a zero, are made again from them; those of a
 * snapshot stay. */
void nncf__ctrl_renew_masks(nncf_compression_ctrl *ctrl);
/* Magnitude sparsity: masks for the present level. Allocates nothing. */
void nncf__ctrl_magnitude_mask(nncf_compression_ctrl *ctrl);
/* Call the callback of nncf_compression_ctrl_set_mask_callback() for every layer with a mask. */
void nncf__ctrl_tell_masks(const nncf_compression_ctrl *ctrl);
/* Recompute ctrl->frozen, and the same flag of the parameters. */
void nncf__ctrl_update_frozen(nncf_compression_ctrl *ctrl);
/* Is this const_sparsity with no zero in any mask? *total: weights of the masked layers. */
bool nncf__ctrl_masks_nothing(const nncf_compression_ctrl *ctrl, int64_t *total);
/* Before an export: with structure n:m, is every mask so? Else NNCF_E_STATE, with the layer and the
 * cure. */
nncf_status nncf__ctrl_check_structure(
    const nncf_compression_ctrl *ctrl, const char *call, nncf_error *err);
/* Share of masked weights over the sparsified layers. */
double nncf__ctrl_sparsity(const nncf_compression_ctrl *ctrl);

#endif
