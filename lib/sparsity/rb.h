/* SPDX-License-Identifier: Apache-2.0 */
/* Regularization-based sparsity over all layers together. */
#ifndef NNCF__SPARSITY_RB_H
#define NNCF__SPARSITY_RB_H

#include <nncf/compression.h>
/* Every logit to logit(0.99). */
void nncf__rb_start(nncf_compression_ctrl *ctrl);
/* Sums over all sparsified layers: [0] active, [1] sum of sigmoid(logit), [2] how many. */
void nncf__rb_count(const nncf_compression_ctrl *ctrl, double sums[3]);
/* The loss; its gradient is added to the logits'. */
double nncf__rb_loss(nncf_compression_ctrl *ctrl);

#endif
