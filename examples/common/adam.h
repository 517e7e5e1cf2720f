/* SPDX-License-Identifier: Apache-2.0 */
/* AdamW over a graph's arrays and the controller's parameters. */
#ifndef EXAMPLES_ADAM_H
#define EXAMPLES_ADAM_H

#include "graph.h"

typedef struct adam_rates {
    double lr;
    double weight_decay; /* of weights; biases and norms have none */
    double mask_lr; /* of mask logits; not scheduled */
    double max_norm; /* gradients of the network are cut to this length; 0: never */
} adam_rates;

typedef struct adam adam;

nncf_status adam_create(
    graph *g, nncf_compression_ctrl *ctrl, const adam_rates *rates, adam **out, nncf_error *err);
void adam_destroy(adam *a);
/* One step with the rate multiplied by `factor`. */
nncf_status adam_step(adam *a, double factor, nncf_error *err);

#endif
