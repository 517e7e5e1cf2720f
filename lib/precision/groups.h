/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adjacent quantizers: those of the inputs of one operator, with that of its weight, and all
 * operators that read the same quantized tensor. And the bits of activations, which follow the
 * weights of their group.
 */
#ifndef NNCF__PRECISION_GROUPS_H
#define NNCF__PRECISION_GROUPS_H

#include "quantization/layer_compression.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One quantizer of the model. */
typedef struct nncf__member {
    nncf__quantizer *quantizer;
    nncf_layer *layer;
    /* in which group; the first member of it */
    size_t group;
    /* of a weight: the quantizer of the tensor that its operator reads; SIZE_MAX: none */
    size_t source;
} nncf__member;

typedef struct nncf__groups {
    nncf_context *context;
    /* in the order of layers and slots */
    nncf__member *members;
    size_t count;
    /* [count], by group: bits of the weights in it, or-ed as 1 << bits; workspace */
    uint32_t *weights;
} nncf__groups;

/* Of all quantizers of a model under a controller. NNCF_E_NOMEM. */
nncf_status nncf__groups_find(nncf__groups *groups, nncf_context *context,
    nncf_layer *const *layers, nncf__layer_compression *compression, size_t n_layers);
void nncf__groups_free(nncf__groups *groups);
/* bits[count] of weights are given, those of activations are found: the least of the weights' in
 * its group that the quantizer may have (NNCF's liberal mode), or with `strict` the one that all of
 * the group have. False: strict, and a group has weights of different bits, or bits that one of its
 * quantizers may not have. */
bool nncf__groups_follow(nncf__groups *groups, bool strict, int32_t *bits);

#endif
