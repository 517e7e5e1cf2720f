/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics of compression, in total and by layer, computed from the present logits, masks and
 * weights. NNCF reports those of the previous epoch (D8). */
#include "base/error.h"
#include "binarization/binarizer.h"
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "controller/pruning.h"
#include "controller/sparsity.h"
#include "controller/stages.h"
#include "controller/weight.h"
#include "graph/layout.h"
#include "graph/model.h"
#include "pruning/level.h"
#include "pruning/masks.h"
#include "pruning/work.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"
#include "sparsity/masked_layers.h"
#include "sparsity/rb.h"
#include "sparsity/schedule.h"

#include <nncf/base.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>

#include <math.h>
#include <string.h>

static int64_t zeros_in(const float *x, size_t n)
{
    int64_t zeros = 0;
    for (size_t i = 0; x && i < n; i++)
        zeros += x[i] == 0;
    return zeros;
}

/* Floats of a layer besides its weight, and how many of them are zero. */
static int64_t small_parameters(const nncf_layer *layer, int64_t *zeros)
{
    const float *arrays[] = {layer->bias, layer->has_batch_norm ? layer->batch_norm.weight : NULL,
        layer->has_batch_norm ? layer->batch_norm.bias : NULL};
    int64_t count = 0;
    *zeros = 0;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        count += arrays[i] ? layer->out_channels : 0;
        *zeros += zeros_in(arrays[i], (size_t)layer->out_channels);
    }
    return count;
}

/* Bytes of a weight as a deployed model would hold it: codes at their bits; under a mask the
 * non-zeros with a bit mask, where that is smaller. Scales are counted with the quantizers. */
static int64_t weight_bytes(const nncf_layer *layer, const nncf__weight_stats *stats)
{
    const nncf__layer_compression *c = layer->compression;
    const uint64_t bits = c->weight_quantizer ? (uint64_t)c->weight_quantizer->params.bits : 32;
    const uint64_t count = layer->weight_count, left = count - (uint64_t)stats->zeros;
    const uint64_t dense = (count * bits + 7) / 8, sparse = (count + 7) / 8 + (left * bits + 7) / 8;
    return (int64_t)(nncf__layer_masks(c) && sparse < dense ? sparse : dense);
}

static int64_t quantizer_bytes(const nncf__layer_compression *c)
{
    int64_t floats = 0;
    for (enum nncf__quantizer_slot i = 0; i < NNCF__N_SLOTS; i++) {
        const nncf__quantizer *q = nncf__layer_own_quantizer(c, i);
        floats += q ? (int64_t)(q->channels * (q->length ? 2 : 1)) : 0;
        floats += q && q->binarizer ? (int64_t)q->binarizer->channels : 0;
    }
    return floats * (int64_t)sizeof(float);
}

/* Right after epoch_step the level is that of the epoch that was trained, not of the next one. */
static bool is_between(const nncf_compression_ctrl *ctrl)
{
    return !(ctrl->loop & NNCF__LOOP_IN_EPOCH) && ctrl->epoch > 0 &&
        ctrl->order == NNCF_ORDER_AFTER;
}

static bool prunes_fully(const nncf_compression_ctrl *ctrl)
{
    const nncf__pruning *p = ctrl->pruning;
    return !p || p->removed || p->by_hand ||
        nncf__pruning_level(&p->params, ctrl->epoch - is_between(ctrl)) >=
        nncf__pruning_target(&p->params);
}

static int32_t level_of(const nncf_compression_ctrl *ctrl)
{
    const bool between = is_between(ctrl);
    const int32_t quantized = nncf__stages_level(ctrl, ctrl->epoch - (between ? 1 : 0));
    const bool pruned = prunes_fully(ctrl);
    if (!nncf__ctrl_has_schedule(ctrl) && pruned)
        return quantized;
    if (!nncf__ctrl_has_schedule(ctrl))
        return ctrl->has_quantization || ctrl->pruning->level > 0 ? NNCF_COMPRESSION_PARTIAL
                                                                  : NNCF_COMPRESSION_NONE;
    const bool arrived = between ? ctrl->arrived_before : nncf__schedule_arrived(&ctrl->schedule);
    if (arrived && pruned && quantized == NNCF_COMPRESSION_FULL)
        return NNCF_COMPRESSION_FULL;
    const bool quantizes = ctrl->has_quantization && quantized != NNCF_COMPRESSION_NONE;
    return arrived || ctrl->schedule.level > 0 || quantizes ? NNCF_COMPRESSION_PARTIAL
                                                            : NNCF_COMPRESSION_NONE;
}

static void take_pruning(const nncf_compression_ctrl *ctrl, nncf_statistics *s)
{
    nncf__work before, left;
    if (!ctrl->pruning)
        return;
    nncf__ctrl_work(ctrl, &before, &left);
    s->pruning_level = ctrl->pruning->level;
    for (size_t i = 0; i < ctrl->n_layers; i++)
        s->pruned_layers += ctrl->layers[i].filters != NULL;
    s->filters = before.filters;
    s->filters_left = left.filters;
    s->parameters_before = before.parameters;
    s->parameters_left = left.parameters;
    s->flops = before.flops;
    s->flops_left = left.flops;
    if (ctrl->sparsity_kind == 0)
        s->frozen = ctrl->pruning->frozen;
}

nncf_status nncf_compression_ctrl_get_statistics(
    const nncf_compression_ctrl *ctrl, nncf_statistics *statistics, nncf_error *err)
{
    nncf_status status = nncf__ctrl_check(ctrl, "nncf_compression_ctrl_get_statistics", err);
    if (status != NNCF_OK)
        return status;
    nncf__model_pull_weights(ctrl->model);
    nncf_statistics s = {.epoch = ctrl->epoch,
        .step = ctrl->step,
        .compression_level = level_of(ctrl),
        .frozen = ctrl->frozen,
        .sparsity_target = ctrl->schedule.level,
        .mean_mask_probability = (double)NAN,
        .magnitude_threshold = ctrl->threshold};
    int64_t masked = 0, zeros = 0;
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        const nncf_layer *layer = ctrl->model->layers[i];
        const nncf__layer_compression *c = &ctrl->layers[i];
        int64_t small_zeros, small = small_parameters(layer, &small_zeros);
        s.parameters += small;
        s.bytes_compressed += (uint64_t)(small * (int64_t)sizeof(float) + quantizer_bytes(c));
        zeros += small_zeros;
        s.weight_quantizers += c->weight_quantizer != NULL;
        s.activation_quantizers += nncf__layer_own_quantizer(c, NNCF__SLOT_OUTPUT) != NULL;
        s.activation_quantizers += nncf__layer_own_quantizer(c, NNCF__SLOT_PRE_ACTIVATION) != NULL;
        s.input_quantizers += nncf__layer_own_quantizer(c, NNCF__SLOT_INPUT) != NULL;
        if (layer->weight_count == 0 || layer->tied_to) /* counted with the layer it is tied to */
            continue;
        nncf__weight_stats stats;
        nncf__weight_stats_of(layer, &stats);
        s.parameters += (int64_t)layer->weight_count;
        s.bytes_compressed += (uint64_t)weight_bytes(layer, &stats);
        zeros += stats.zeros;
        s.frozen_weights += c->oscillation ? (int64_t)nncf__oscillation_frozen(c->oscillation) : 0;
        if (c->mask_kind != NNCF__MASK_NONE) {
            s.sparsified_layers++;
            s.sparsified_weights += (int64_t)layer->weight_count;
            masked += (int64_t)layer->weight_count - stats.kept;
        }
    }
    take_pruning(ctrl, &s);
    s.bytes_float = (uint64_t)s.parameters * sizeof(float);
    s.sparsity = s.sparsified_weights ? (double)masked / (double)s.sparsified_weights : 0;
    s.sparsity_model = s.parameters ? (double)zeros / (double)s.parameters : 0;
    if (ctrl->sparsity_kind == NNCF__CONST_SPARSITY)
        s.sparsity_target = s.sparsity;
    if (ctrl->sparsity_kind == NNCF__RB_SPARSITY) {
        const nncf__masked_layers layers = nncf__ctrl_masked_layers(ctrl);
        nncf__rb_sums sums;
        nncf__rb_count(&layers, &sums);
        s.mean_mask_probability = sums.count > 0 ? sums.probability / sums.count : (double)NAN;
    }
    return nncf__result_give(statistics, &s, sizeof s, "nncf_statistics", err);
}

/* Scale, or range when asymmetric; the largest of the channels. */
static double extent_of(const nncf__quantizer *q)
{
    float largest = 0;
    for (size_t c = 0; c < q->channels; c++)
        largest = fmaxf(largest,
            fabsf(q->binarizer  ? q->scales[c]
                    : q->length ? nncf__quantizer_length(q, c)
                                : nncf__quantizer_bound(q, c)));
    return (double)largest;
}

static void activation_statistics(
    const nncf__quantizer *q, int32_t *bits, double *scale, int32_t *is_signed, double *clipped)
{
    *clipped = (double)NAN;
    if (!q)
        return;
    *bits = q->params.bits;
    *scale = extent_of(q);
    *is_signed = q->fq[0].low < 0;
    if (q->total > 0)
        *clipped = (double)q->clipped / (double)q->total;
}

nncf_status nncf_compression_ctrl_get_layer_statistics(const nncf_compression_ctrl *ctrl,
    size_t index, nncf_layer_statistics *statistics, nncf_error *err)
{
    nncf_status status = nncf__ctrl_check(ctrl, "nncf_compression_ctrl_get_layer_statistics", err);
    if (status != NNCF_OK)
        return status;
    if (index >= ctrl->n_layers)
        return nncf__fail(
            err, NNCF_E_NOTFOUND, NULL, "layer %zu: the model has %zu", index, ctrl->n_layers);
    const nncf_layer *layer = ctrl->model->layers[index];
    nncf__layer_pull_weight(layer);
    const nncf__layer_compression *c = nncf__weight_owner(layer)->compression;
    nncf_layer_statistics s = {.scope = layer->scope, .ndim = layer->weight_ndim};
    memcpy(s.shape, layer->weight_shape, sizeof s.shape);
    if (layer->weight_count > 0) {
        nncf__weight_stats stats;
        nncf__weight_stats_of(layer, &stats);
        const double count = (double)layer->weight_count;
        s.sparsified = c->mask_kind != NNCF__MASK_NONE;
        s.sparsity = s.sparsified ? (count - (double)stats.kept) / count : 0;
        if (s.sparsified) {
            double all = 0;
            for (size_t i = 0; i < ctrl->n_layers; i++)
                all += ctrl->layers[i].mask_kind != NNCF__MASK_NONE
                    ? (double)ctrl->model->layers[i]->weight_count
                    : 0;
            s.weight_share = count / all;
        }
        if (c->weight_quantizer) {
            s.weight_bits = c->weight_quantizer->params.bits;
            s.weight_signed = c->weight_quantizer->fq[0].low < 0;
            s.weight_scale = extent_of(c->weight_quantizer);
            s.weight_clipped = (double)stats.clipped / count;
        }
    }
    if (c->filters) {
        s.filters = layer->out_channels;
        for (int64_t i = 0; i < s.filters; i++)
            s.filters_left += c->filters[i];
    }
    activation_statistics(
        c->input_quantizer, &s.input_bits, &s.input_scale, &s.input_signed, &s.input_clipped);
    activation_statistics(
        c->output_quantizer, &s.output_bits, &s.output_scale, &s.output_signed, &s.output_clipped);
    return nncf__result_give(statistics, &s, sizeof s, "nncf_layer_statistics", err);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_statistics, )
NNCF__STRUCT_INIT(nncf_layer_statistics, )
