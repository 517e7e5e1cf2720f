/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kinds of layers that the library runs: one row each in exec/kinds.c, one file of functions. A
 * layer is prepared (nncf__block), its buffers are reserved, and then forward and backward run and
 * cannot fail.
 */
#ifndef NNCF__EXEC_KIND_H
#define NNCF__EXEC_KIND_H

#include "exec/call.h"
#include "graph/block.h"
#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct nncf__kind {
    /* in stripped models */
    const char *name;
    size_t n_inputs;
    /* dimensions of the output; 0: as many as the input has */
    int32_t out_ndim;
    /* (n, c, h, w) is read as (n, c * h * w) */
    bool flattens;
    /* out is set to in; change what differs. NULL: nothing does */
    nncf_status (*out_shape)(
        const nncf_layer *layer, const int64_t in[4], int64_t out[4], nncf_error *err);
    /* Does the output of this layer consist of elements of its input, so that codes stay codes?
     * NULL: no. */
    bool (*passes_codes)(const nncf_layer *layer);
    /* Fill in what block.c leaves open: descriptors, needs, what is kept. Pure: allocates nothing,
     * reads no tensor, changes only the block. NULL: the host runs this kind. */
    void (*prepare)(const nncf_layer *layer, nncf__block *block);
    /* Everything is checked, and block->forward or block->backward[] is reserved. */
    void (*forward)(const nncf__call *call);
    void (*backward)(const nncf__call *call);
} nncf__kind;

const nncf__kind *nncf__kind_of(const nncf_layer *layer);

static inline bool nncf__kind_is_run_by_host(const nncf__kind *kind)
{
    return !kind->prepare;
}

#endif
