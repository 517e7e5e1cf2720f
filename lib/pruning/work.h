/* SPDX-License-Identifier: Apache-2.0 */
/* Filters, parameters and operations of a model, as it is and without what is pruned. */
#ifndef NNCF__PRUNING_WORK_H
#define NNCF__PRUNING_WORK_H

#include "pruning/clusters.h"

#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct nncf__work {
    /* of all convolutions */
    int64_t filters;
    /* floats of weights, biases, gamma and beta */
    int64_t parameters;
    /* multiplications and additions of convolutions and linear layers, for one image; 0: the sizes
     * of planes are not known */
    int64_t flops;
} nncf__work;

/* pixels[n_layers]: height times width of each layer's output, from the size of the model's input,
 * or as the last forward had them; 0: not known. */
void nncf__pixels_of(const nncf_model *model, const int64_t input_size[2], int64_t *pixels);
/* kept: without what is pruned. */
void nncf__work_of(
    const nncf__clusters *clusters, const int64_t *pixels, bool kept, nncf__work *work);

#endif
