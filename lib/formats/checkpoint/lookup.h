/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors found by names that other programs gave them. */
#ifndef NNCF__FORMATS_CHECKPOINT_LOOKUP_H
#define NNCF__FORMATS_CHECKPOINT_LOOKUP_H

#include "formats/safetensors/safetensors.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>

#include <stddef.h>

/* Entries by the names that other programs give them. */
typedef struct nncf__lookup {
    const nncf_checkpoint *checkpoint;
    /* entries sorted by the parts of their names: as they are, and with "pre_ops.N.op" mapped */
    size_t *order[2];
} nncf__lookup;
nncf_status nncf__lookup_make(nncf__lookup *lookup, const nncf_checkpoint *checkpoint);
void nncf__lookup_free(nncf__lookup *lookup);
/* The tensor that `name` means, the first of them in the file, or NULL; *count: how many bear that
 * name. */
const nncf__entry *nncf__lookup_find(const nncf__lookup *lookup, const char *name, size_t *count);

#endif
