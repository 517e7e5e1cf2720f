/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays of a snapshot that are in the order of a list of names, for a controller in another one.
 */
#ifndef NNCF__FORMATS_CHECKPOINT_ORDER_H
#define NNCF__FORMATS_CHECKPOINT_ORDER_H

#include "formats/safetensors/safetensors.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct nncf__order {
    /* [n]: of position i in the snapshot, the controller's; nncf__free() it */
    uint32_t *of;
    /* nothing is anywhere else */
    bool same;
} nncf__order;
/* The text `key` is a JSON array of the names, in any order; without it the order is the same.
 * NNCF_E_FORMAT: it is of other names; NNCF_E_NOMEM. */
nncf_status nncf__order_find(const nncf_checkpoint *checkpoint, const char *key,
    const char *const *names, size_t n, nncf__order *order, nncf_error *err);

#endif
