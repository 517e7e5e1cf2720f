/* SPDX-License-Identifier: Apache-2.0 */
/* Common mistakes of training loops, each logged once as a warning. */
#ifndef NNCF__CONTROLLER_USAGE_CHECKS_H
#define NNCF__CONTROLLER_USAGE_CHECKS_H

#include "quantization/quantizer.h"

#include <nncf/ctrl.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stdbool.h>

/* Each is logged once. */
enum nncf__usage_warning {
    NNCF__WARN_NO_LOSS = 1,
    NNCF__WARN_NO_EPOCH_STEP = 2,
    NNCF__WARN_NO_STEP = 4,
    NNCF__WARN_LOGITS_STAND = 8,
    NNCF__WARN_RANGES_STAND = 16,
    NNCF__WARN_EPOCH_STEP_FIRST = 32,
    NNCF__WARN_STEP_FIRST = 64,
    NNCF__WARN_EPOCH_STEP_MISSING = 128,
    NNCF__WARN_NO_GRADIENT = 256,
    NNCF__WARN_LARGE_RANGE = 512,
    NNCF__WARN_ZERO_VARIANCE = 1024,
    NNCF__WARN_LOGITS_AWAY = 2048,
    NNCF__WARN_FROZEN_AWAY = 4096,
    /* logged by step.c: training without initialization, a constant mask without a zero */
    NNCF__WARN_UNINITIALIZED = 8192,
    NNCF__WARN_DENSE = 16384,
    NNCF__WARN_WEIGHTS_STAND = 32768,
    NNCF__WARN_WIDTH = 65536,
    NNCF__WARN_LOST_RANGE = 131072,
    NNCF__WARN_EMPTY_RANGE = 262144,
    NNCF__WARN_EPOCH_LENGTH = 524288,
    NNCF__WARN_NO_DISTILLATION = 1048576
};
/* Was it logged? */
bool nncf__usage_warned(const nncf_compression_ctrl *ctrl, enum nncf__usage_warning warning);
/* True the first time. */
bool nncf__usage_first(nncf_compression_ctrl *ctrl, enum nncf__usage_warning warning);

void nncf__usage_loss(nncf_compression_ctrl *ctrl);
void nncf__usage_distillation(nncf_compression_ctrl *ctrl);
void nncf__usage_density(nncf_compression_ctrl *ctrl, double density, double probability);
/* Masks stop at this sparsity. */
void nncf__usage_frozen(nncf_compression_ctrl *ctrl, double sparsity);
void nncf__usage_init_begin(nncf_compression_ctrl *ctrl);
/* The range of an activation was initialized. */
void nncf__usage_range(
    nncf_compression_ctrl *ctrl, const nncf_layer *layer, const nncf__quantizer *quantizer);
/* Initialization found no range: each is logged, the first is kept as a warning. */
void nncf__usage_empty_range(
    nncf_compression_ctrl *ctrl, const nncf_layer *layer, const nncf__quantizer *quantizer);
/* The host quantizes x as the input of a layer with a weight. */
void nncf__usage_width(nncf_compression_ctrl *ctrl, const nncf_layer *layer, const nncf_tensor *x);
void nncf__usage_forward(nncf_compression_ctrl *ctrl);
void nncf__usage_backward(nncf_compression_ctrl *ctrl, const nncf_layer *layer);
void nncf__usage_step(nncf_compression_ctrl *ctrl);
void nncf__usage_epoch_step(nncf_compression_ctrl *ctrl);
void nncf__usage_end(nncf_compression_ctrl *ctrl);

#endif
