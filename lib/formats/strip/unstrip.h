/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of stripped models. */
#ifndef NNCF__FORMATS_STRIP_UNSTRIP_H
#define NNCF__FORMATS_STRIP_UNSTRIP_H

#include "formats/safetensors/safetensors.h"
#include "graph/ops.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct nncf__packed {
    /* NULL: this tensor is no weight of a layer */
    const nncf__entry *weight;
    /* nullable */
    const nncf__entry *mask, *scale, *zero;
    int64_t shape[NNCF__MAX_WEIGHT_NDIM];
    size_t ndim, axis, channels, count;
    /* elements that share a scale; 0: those of an output channel, or all */
    size_t group;
    /* 32: floats */
    int64_t bits;
    bool is_signed, sparse;
} nncf__packed;
/* *packed: [n_entries], for nncf__free(); NULL where the file is not a stripped model.
 * NNCF_E_FORMAT: it says what its tensors are not. */
nncf_status nncf__packed_find(
    nncf__packed **packed, const nncf_checkpoint *checkpoint, nncf_error *err);
/* The floats that forward multiplies with in eval mode; [count]. */
void nncf__packed_unpack(const nncf__packed *packed, float *to);

#endif
