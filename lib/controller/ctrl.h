/* SPDX-License-Identifier: Apache-2.0 */
/* The controller. */
#ifndef NNCF__CONTROLLER_CTRL_H
#define NNCF__CONTROLLER_CTRL_H

#include "controller/init.h"
#include "controller/layer_compression.h"
#include "controller/usage_checks.h"
#include "quantization/quantizer.h"
#include "sparsity/schedule.h"

#include <nncf/base.h>
#include <nncf/compression.h>
#include <nncf/context.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nncf_compression_ctrl {
    nncf_context *context;
    /* NULL once the model was destroyed */
    nncf_model *model;
    /* [n_layers], one a layer of the model */
    nncf__layer_compression *layers;
    size_t n_layers;
    nncf_parameter *parameters;
    size_t n_parameters;
    /* of the sparsity algorithm, if any */
    nncf__schedule schedule;
    /* nncf__algorithm_kind, 0 = none */
    int32_t sparsity_kind;
    /* nncf__importance_kind */
    int32_t importance;
    /* nncf__level_mode: one threshold over all layers, or one for each */
    int32_t level_mode;
    /* magnitude: the (largest) threshold; NaN otherwise */
    double threshold;
    bool has_quantization;
    int64_t epoch, step;
    bool frozen;
    /* initialization: batches begun for ranges, images in those that ended and in the present one
     */
    int64_t init_begun, init_images, batch_images;
    /* a batch was asked for, or more will be: masks are deterministic, nothing is kept for backward
     */
    bool initializing;
    /* adaptation is next */
    bool ranges_done;
    bool init_done;
    nncf__adaptation adaptation;
    /* work space of weight ranges; NULL: none needs it */
    float *weight_values;
    nncf__usage_checks protocol;
    /* NNCF_ORDER_... */
    int32_t order;
    /* called at all; no step since the last epoch_step */
    bool step_begun, epoch_begun, epoch_fresh;
    /* what nncf__config_canonical() said */
    char *canonical_config;
    /* storage for the schedule's arrays */
    double *multistep;
    /* taken over from a model that was destroyed first */
    bool owns_context;
    /* whether a constant mask masks anything */
    bool dense_checked;
    /* about training without initialization */
    bool warned;
    /* a step was made since the last epoch_step */
    bool stepped;
    /* the schedule had arrived in the epoch before this one */
    bool arrived_before;
};

/* RB noise of this step: key from the context's seed and the layer's index, counter = step. */
uint64_t nncf__ctrl_noise_key(const nncf_compression_ctrl *ctrl, const nncf_layer *layer);
/* A forward of n images runs: how initialization counts them. */
static inline void nncf__ctrl_count_samples(nncf_compression_ctrl *ctrl, int64_t n)
{
    if (ctrl && ctrl->initializing && n > ctrl->batch_images)
        ctrl->batch_images = n;
}
/* Quantizer `i` (0 weight, 1 input, 2 output, 3 in front of the activation) of a layer, or NULL. */
nncf__quantizer *nncf__layer_quantizer(const nncf__layer_compression *layer, int i);
/* What stands between a layer's scope and ".scale" or ".input_low" in the names of their
 * parameters. placement.c. */
extern const char *const nncf__quantizer_stems[NNCF__N_SLOTS];

/* After a snapshot was read: quantizers ready, level, masks, freeze and parameter flags as the
 * counters say. */
nncf_status nncf__ctrl_restored(nncf_compression_ctrl *ctrl);

#endif
