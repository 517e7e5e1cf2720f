/* SPDX-License-Identifier: Apache-2.0 */
/* Regularization-based sparsity over all layers together. */
#ifndef NNCF__SPARSITY_RB_H
#define NNCF__SPARSITY_RB_H

#include "sparsity/masked_layers.h"

#include <nncf/model.h>

#include <stdint.h>

/* Philox key of a layer's noise: from the context's seed and the layer's index. The counter is the
 * step. */
uint64_t nncf__rb_noise_key(const nncf_layer *layer);
/* Set every logit to logit(0.99). */
void nncf__rb_start(const nncf__masked_layers *layers);

/* Sums over all logits. */
typedef struct nncf__rb_sums {
    /* logits whose weight is kept, all logits */
    double kept, count;
    /* sigmoid(logit), of so many logits */
    double probability, sampled;
} nncf__rb_sums;
/* All logits are sampled. */
void nncf__rb_count(const nncf__masked_layers *layers, nncf__rb_sums *sums);
/* The loss for a sparsity level; its gradient, times `factor`, is added to the logits'. Some
 * logits are sampled, the same in every step. */
double nncf__rb_loss(
    const nncf__masked_layers *layers, double level, double factor, nncf__rb_sums *sums);

#endif
