/* SPDX-License-Identifier: Apache-2.0 */
/* Common mistakes of training loops, each logged once as a warning. */
#ifndef NNCF__CONTROLLER_USAGE_CHECKS_H
#define NNCF__CONTROLLER_USAGE_CHECKS_H

#include "quantization/quantizer.h"

#include <nncf/compression.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stdint.h>

typedef struct nncf__usage_checks {
    /* what was told */
    uint32_t said;
    int64_t steps, epoch_steps;
    /* since the last step; at all */
    bool loss_called, loss_ever;
    int64_t steps_without_loss;
    /* a forward in train mode; one in eval mode since the last step; a snapshot */
    bool trained, evaluated, resumed;
    /* evaluations followed by a step, since the last epoch_step */
    int32_t validations;
    /* of [0] logits and [1] ranges: a hash of some elements, and for how many steps it stayed with
     * gradients there */
    bool watched[2], moves[2], gradient[2];
    uint64_t hash[2];
    int32_t still[2];
    /* of rb_sparsity, at the last nncf_compression_ctrl_loss(): the share of weights that are kept,
     * and the mean probability of that; the latter also at the step before; steps in which it did
     * not come nearer to the level */
    double density, probability, last_probability;
    int32_t standstill;
} nncf__usage_checks;
void nncf__usage_loss(nncf_compression_ctrl *ctrl);
void nncf__usage_density(nncf_compression_ctrl *ctrl, double density, double probability);
void nncf__usage_frozen(
    nncf_compression_ctrl *ctrl, double sparsity); /* masks stop at this sparsity */
void nncf__usage_init_begin(nncf_compression_ctrl *ctrl);
/* The range of an activation was initialized. */
void nncf__usage_range(
    nncf_compression_ctrl *ctrl, const nncf_layer *layer, const nncf__quantizer *quantizer);
void nncf__usage_forward(nncf_compression_ctrl *ctrl);
void nncf__usage_backward(nncf_compression_ctrl *ctrl);
void nncf__usage_step(nncf_compression_ctrl *ctrl);
void nncf__usage_early_step(nncf_compression_ctrl *ctrl, const char *call);
void nncf__usage_epoch_step(nncf_compression_ctrl *ctrl);
void nncf__usage_end(nncf_compression_ctrl *ctrl);

#endif
