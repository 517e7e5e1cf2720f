/* SPDX-License-Identifier: Apache-2.0 */
/* Masks of filters for a level. */
#ifndef NNCF__PRUNING_MASKS_H
#define NNCF__PRUNING_MASKS_H

#include "config/canonical.h"
#include "pruning/clusters.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What filter_pruning holds. */
typedef struct nncf__pruning {
    nncf__pruning_params params;
    nncf__clusters clusters;
    /* of the present epoch */
    double level;
    bool frozen;
    /* the caller set the level: it and the masks stay */
    bool by_hand;
    /* what the model was before its filters were removed, as the lines of a snapshot; NULL: nothing
     * was removed */
    char *removed;
    /* filters, parameters, operations of the model before that, or 0 */
    int64_t before[3];
    /* height and width of the model's input; 0: not known */
    int64_t input_size[2];
    /* workspace: [n_filters] twice; of the largest layer; [n_filters]; [n_layers] */
    float *importance, *sorted, *of_layer;
    size_t *order;
    int64_t *pixels;
} nncf__pruning;

/* Takes over the clusters. NNCF_E_CONFIG: a part of the operations is to go, and sizes are not
 * known. *pruning is freed with nncf__pruning_free() in any case. */
nncf_status nncf__pruning_start(nncf__pruning *pruning, const nncf__pruning_params *params,
    nncf__clusters *clusters, const int64_t input_size[2], nncf_error *err);
void nncf__pruning_free(nncf__pruning *pruning);
/* The masks of the clusters for the level. Allocates nothing. False: the operations that are to go
 * are more than can go; then as many as can. */
bool nncf__pruning_make_masks(nncf__pruning *pruning);

#endif
