/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How each kind of layer is run: one row in exec/kinds.c, one file of functions. What else is
 * known of a kind stands in graph/kind_info.h. A layer is prepared (nncf__block), its buffers are
 * reserved, and then forward and backward run and cannot fail.
 */
#ifndef NNCF__EXEC_KIND_H
#define NNCF__EXEC_KIND_H

#include "exec/call.h"
#include "graph/block.h"
#include "graph/model.h"
#include "graph/ops.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct nncf__kind {
    /* NNCF__ANY_INPUTS: as many as it was registered with, up to NNCF__MAX_INPUTS */
    size_t n_inputs;
    /* dimensions of the output; 0: as many as the input has */
    int32_t out_ndim;
    /* Out is set to in; change what differs. -1 is open, in an export, and stays so. NULL: nothing
     * differs. */
    nncf_status (*out_shape)(
        const nncf_layer *layer, const int64_t in[4], int64_t out[4], nncf_error *err);
    /* Of a kind that reads more than planes: x and n are given, fill in the rest. Then the two
     * above are of the export only. NULL: (n, c, h, w) or (n, c). */
    nncf_status (*shapes)(const nncf_layer *layer, nncf__shapes *s, nncf_error *err);
    /* its input is NNCF_I32, numbers of rows of its weight, and has no gradient */
    bool reads_ids;
    /* its inputs get the same gradient, which may be one buffer */
    bool same_gradients;
    /* Fill in what block.c leaves open: descriptors, needs, what is kept. Pure: allocates nothing,
     * reads no tensor, changes only the block. NULL: the host runs this kind. */
    void (*prepare)(const nncf_layer *layer, nncf__block *block);
    /* Everything is checked, and block->forward or block->backward[] is reserved. */
    void (*forward)(const nncf__call *call);
    void (*backward)(const nncf__call *call);
    /* Forward takes layer->now.z in place of the model's workspace where it is large enough. */
    bool z_is_work;
} nncf__kind;

const nncf__kind *nncf__kind_of(const nncf_layer *layer);

/* How many tensors a call of the layer reads. */
static inline size_t nncf__layer_input_count(const nncf_layer *layer)
{
    const size_t n = nncf__kind_of(layer)->n_inputs;
    return n == NNCF__ANY_INPUTS ? layer->n_inputs : n;
}

#endif
