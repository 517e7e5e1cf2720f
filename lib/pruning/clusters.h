/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which filters of which layers go together. A cluster is a set of layers whose filter i is pruned
 * in all of them or in none: the inputs of a sum, a depthwise convolution with what feeds it. The
 * channels of a tensor are blocks, one after the other, each of which belongs to a cluster.
 */
#ifndef NNCF__PRUNING_CLUSTERS_H
#define NNCF__PRUNING_CLUSTERS_H

#include "config/canonical.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NNCF__NO_CLUSTER ((size_t)-1)

/* A reason: static text, and the layer that it is about. */
typedef struct nncf__reason {
    const char *text;
    const nncf_layer *at;
} nncf__reason;

typedef struct nncf__cluster {
    /* of the same filters; itself: it stands for all of them */
    size_t same_as;
    int64_t size;
    /* why it is not pruned; why it can be pruned, but not removed. text NULL: there is none */
    nncf__reason fixed, stays;
    /* of those that are pruned: where its filters begin in arrays over all clusters */
    size_t first;
    /* [size]; NULL: not pruned */
    uint8_t *keep;
    size_t kept;
} nncf__cluster;

/* Channels of a tensor. */
typedef struct nncf__channel_blocks {
    /* of clusters, in order */
    size_t *clusters;
    size_t count;
    /* the channels are columns, and how many of them belong to one is not known */
    bool flat;
    /* pruned channels are not 0 here: why. text NULL: they are 0 */
    nncf__reason unclean;
} nncf__channel_blocks;

typedef struct nncf__clusters {
    nncf_context *context;
    /* gone before the clusters are freed, if the host destroys it before the controller */
    const nncf_model *model;
    size_t n_layers;
    nncf__cluster *items;
    size_t count, capacity;
    /* [n_layers]: the channels of each layer's output */
    nncf__channel_blocks *outputs;
    /* [n_layers]: the layer has filters that can be pruned */
    bool *pruned;
    /* storage of all keep arrays, and filters in them */
    uint8_t *keep;
    size_t n_filters;
} nncf__clusters;

/* allowed[n_layers]: the config's scopes take the layer. */
nncf_status nncf__clusters_make(nncf__clusters *clusters, const nncf_model *model,
    const nncf__pruning_params *params, const bool *allowed, nncf_error *err);
void nncf__clusters_free(nncf__clusters *clusters);

/* The cluster of block i of a layer's output. */
nncf__cluster *nncf__cluster_of(const nncf__clusters *clusters, size_t layer, size_t i);
/* How many channels of a layer's output are kept; of its input: columns of a linear layer. */
int64_t nncf__kept_outputs(const nncf__clusters *clusters, const nncf_layer *layer);
int64_t nncf__kept_inputs(const nncf__clusters *clusters, const nncf_layer *layer);
/* The same, as indices in ascending order: `to` has place for them. */
void nncf__list_kept_outputs(const nncf__clusters *clusters, const nncf_layer *layer, int64_t *to);
void nncf__list_kept_inputs(const nncf__clusters *clusters, const nncf_layer *layer, int64_t *to);
/* Why the layer, a convolution with filters, is not pruned; NULL: it is. *at: which layer. */
const char *nncf__why_not_pruned(
    const nncf__clusters *clusters, const nncf_layer *layer, const nncf_layer **at);

#endif
