/* SPDX-License-Identifier: Apache-2.0 */
/* Initialization of ranges, and adaptation of batch norm statistics. */
#ifndef NNCF__CONTROLLER_INIT_H
#define NNCF__CONTROLLER_INIT_H

#include "config/canonical.h"

#include <nncf/base.h>
#include <nncf/compression.h>

#include <stdbool.h>
#include <stdint.h>

enum nncf__adaptation_mode { NNCF__FORGETTING = 1, NNCF__ADAPTING };

/* Running statistics of batch norm taken anew: first batches in which they forget fast, then those
 * that count. */
typedef struct nncf__adaptation {
    /* nothing wanted of adapt: none at all */
    struct nncf__adaptation_part {
        /* wanted: both; 0 or less: nothing of that kind */
        int64_t steps, samples;
        /* batches begun, images in those that ended */
        int64_t begun, images;
    } forget, adapt;
    /* nncf__adaptation_mode of the present batch, 0: not at it */
    int32_t mode;
} nncf__adaptation;

/* What weight ranges need; everything that can fail. */
nncf_status nncf__init_reserve(nncf_compression_ctrl *ctrl);
/* Observers for an initialization that starts over: the last one destroyed them. Those that exist
 * are kept. */
nncf_status nncf__init_observers(nncf_compression_ctrl *ctrl);
/* The adaptation that an algorithm asks for. */
void nncf__init_take_adaptation(nncf_compression_ctrl *ctrl, const nncf__algorithm *algorithm);
/* Ranges of the weights as their quantizers see them, by their rules: after the deterministic mask.
 */
void nncf__init_weights(nncf_compression_ctrl *ctrl);
/* Are there activation quantizers whose ranges come from batches? */
bool nncf__init_wanted(const nncf_compression_ctrl *ctrl);

#endif
