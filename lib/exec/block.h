/* SPDX-License-Identifier: Apache-2.0 */
/* Preparing a layer for calls, and reserving what they take. */
#ifndef NNCF__EXEC_BLOCK_H
#define NNCF__EXEC_BLOCK_H

#include "graph/block.h"
#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stdint.h>

/* What is prepared for the model's mode, if the layer, its controller and the context are still as
 * they were then; NULL: not so. */
const nncf__block *nncf__block_current(const nncf_layer *layer);
/* The same for these checked shapes and types, prepared now where it has to be. */
const nncf__block *nncf__block_get(nncf_layer *layer, const nncf__shapes *shapes,
    const int32_t x_dtype[NNCF__MAX_INPUTS], int32_t y_dtype);
/* The key of such a block as the layer is now; and the block of a key. Pure: nothing but the block
 * changes. */
nncf__block_key nncf__block_key_of(const nncf_layer *layer, const nncf__shapes *shapes,
    const int32_t x_dtype[NNCF__MAX_INPUTS], int32_t y_dtype);
void nncf__block_prepare(const nncf_layer *layer, const nncf__block_key *key, nncf__block *block);
/* In a key: the quantizers observe, or they are initialized and do not. */
void nncf__block_key_set_observing(nncf__block_key *key, bool observing);

/* NNCF_E_NOMEM, or a pass of the block can run and cannot fail. */
nncf_status nncf__block_reserve_forward(nncf_layer *layer, const nncf__block *block);
nncf_status nncf__block_reserve_backward(nncf_layer *layer, const nncf__block *block, bool dx);

#endif
