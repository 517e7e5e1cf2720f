/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Initialization: ranges of quantizers from a few batches, then running statistics of batch norm,
 * recomputed with compression active. The caller runs forwards until both are done. This file
 * counts how many batches each needs, in batches or in images, as the config requests.
 */
#include "controller/init.h"

#include "base/alloc.h"
#include "base/collective.h"
#include "base/error.h"
#include "config/canonical.h"
#include "controller/bias_correction.h"
#include "controller/ctrl.h"
#include "controller/sparsity.h"
#include "controller/usage_checks.h"
#include "controller/weight.h"
#include "graph/layout.h"
#include "graph/model.h"
#include "quantization/histogram.h"
#include "quantization/layer_compression.h"
#include "quantization/merge.h"
#include "quantization/observer.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>
#include <nncf/parallel.h>
#include <nncf/tensor.h>

#include <math.h>

/* ---- ranges ---- */

static void set_ranges(
    nncf_compression_ctrl *ctrl, size_t i, nncf__quantizer *q, const float *ranges)
{
    if (!nncf__quantizer_set_ranges(q, ranges))
        nncf__usage_empty_range(ctrl, ctrl->model->layers[i], q);
}

/* Rules that need the order of the elements, not only their extremes. */
static bool needs_values(const nncf__quantizer *q)
{
    return q &&
        (q->rule.kind == NNCF__THREESIGMA || q->rule.kind == NNCF__PERCENTILE ||
            q->rule.kind == NNCF__MEAN_PERCENTILE || q->rule.kind == NNCF__RANGE_LSQ);
}

nncf_status nncf__init_reserve(nncf_compression_ctrl *ctrl)
{
    size_t most = 0;
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        const nncf__quantizer *q = ctrl->layers[i].weight_quantizer;
        if (!needs_values(q))
            continue;
        const size_t run = ctrl->model->layers[i]->weight_count / q->channels;
        most = run > most ? run : most;
    }
    if (most > 0 &&
        !(ctrl->weight_values = nncf__calloc(ctrl->context, most, sizeof *ctrl->weight_values)))
        return NNCF_E_NOMEM;
    return NNCF_OK;
}

/* A weight is known completely: nothing is estimated, and the mean_... rules see one batch. */
static void weight_ranges(const nncf_compression_ctrl *ctrl, const nncf_layer *layer,
    const nncf__quantizer *q, float *ranges)
{
    if (!needs_values(q)) {
        nncf__weight_ranges(layer, ranges);
        return;
    }
    for (size_t c = 0; c < q->channels; c++) {
        double range[2] = {(double)INFINITY, -(double)INFINITY};
        nncf__weight_values(layer, c, ctrl->weight_values);
        if (!nncf__range_of_values(
                &q->rule, ctrl->weight_values, layer->weight_count / q->channels, range))
            range[0] = (double)INFINITY;
        ranges[2 * c] = (float)range[0];
        ranges[2 * c + 1] = (float)range[1];
    }
}

void nncf__init_weight(nncf_compression_ctrl *ctrl, size_t i)
{
    nncf__quantizer *q = ctrl->layers[i].weight_quantizer;
    nncf__oscillation *known = ctrl->layers[i].oscillation;
    if (!q || q->kept || q->binarizer) /* without a rule too: the range of weights is known, and
                          a range of 1 fits none */
        return;
    nncf__quantizer_observe_begin(q);
    float *ranges = q->observed_channels ? q->observed_channels : q->observed;
    weight_ranges(ctrl, ctrl->model->layers[i], q, ranges);
    set_ranges(ctrl, i, q, ranges);
    if (known) /* its codes are other values now */
        nncf__oscillation_restart(known, known->count);
}

void nncf__init_weights(nncf_compression_ctrl *ctrl)
{
    for (size_t i = 0; i < ctrl->n_layers; i++)
        nncf__init_weight(ctrl, i);
}

/* ---- how many batches ---- */

/* Enough batches, or enough images. */
static bool enough(int64_t steps_wanted, int64_t images_wanted, int64_t steps, int64_t images)
{
    return steps_wanted >= 0 ? steps >= steps_wanted : images >= images_wanted;
}

static bool satisfied(const nncf_compression_ctrl *ctrl, const nncf__quantizer *q)
{
    return q->rule.kind == NNCF__RANGE_NONE ||
        enough(q->rule.n_steps, q->rule.n_samples, ctrl->init_begun, ctrl->init_images);
}

/* The next activation quantizer from *at on that needs a range; *at is advanced past it.
 */
static nncf__quantizer *next(const nncf_compression_ctrl *ctrl, size_t *at, size_t *layer)
{
    for (; *at < ctrl->n_layers * NNCF__N_SLOTS; (*at)++) {
        const enum nncf__quantizer_slot j = (enum nncf__quantizer_slot)(*at % NNCF__N_SLOTS);
        nncf__quantizer *q = nncf__layer_quantizer(&ctrl->layers[*at / NNCF__N_SLOTS], j);
        if (j == NNCF__SLOT_WEIGHT || !q || q->kept || q->waits)
            continue;
        if (layer)
            *layer = *at / NNCF__N_SLOTS;
        (*at)++;
        return q;
    }
    return NULL;
}

bool nncf__init_wanted(const nncf_compression_ctrl *ctrl)
{
    const nncf__quantizer *q;
    for (size_t at = 0; (q = next(ctrl, &at, NULL));)
        if (q->rule.kind != NNCF__RANGE_NONE)
            return true;
    return ctrl->bias_samples > 0 && !ctrl->only_ranges;
}

static bool all_satisfied(const nncf_compression_ctrl *ctrl)
{
    const nncf__quantizer *q;
    for (size_t at = 0; (q = next(ctrl, &at, NULL));)
        if (!satisfied(ctrl, q))
            return false;
    return !nncf__bias_wants_more(ctrl);
}

nncf_status nncf__init_observers(nncf_compression_ctrl *ctrl)
{
    for (size_t at = 0; at < ctrl->n_layers * NNCF__N_SLOTS; at++) {
        nncf__quantizer *q = nncf__layer_quantizer(
            &ctrl->layers[at / NNCF__N_SLOTS], (enum nncf__quantizer_slot)(at % NNCF__N_SLOTS));
        if (!q || at % NNCF__N_SLOTS == NNCF__SLOT_WEIGHT || q->observer)
            continue;
        nncf_status status = nncf__observer_create(ctrl->context, q);
        if (status != NNCF_OK) { /* no half-made observer may remain */
            nncf__observer_destroy(ctrl->context, q);
            return status;
        }
    }
    return NNCF_OK;
}

void nncf__init_renew(nncf_compression_ctrl *ctrl)
{
    nncf__ctrl_renew_masks(ctrl);
    nncf__init_weights(ctrl);
}

/* ---- batches that are observed ---- */

/* All quantizers, those of weights too, pass values on while ranges are observed. */
static void set_observing(nncf_compression_ctrl *ctrl, bool observing)
{
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
            nncf__quantizer *q = nncf__layer_quantizer(&ctrl->layers[i], j);
            if (q)
                q->observing = observing;
        }
    }
}

/* A quantizer that observed nothing in the last batch, or NULL. */
static const nncf__quantizer *idle_quantizer(const nncf_compression_ctrl *ctrl)
{
    const nncf__quantizer *q;
    for (size_t at = 0; (q = next(ctrl, &at, NULL));)
        if (q->observing && !q->done && q->observed_count == 0)
            return q;
    return NULL;
}

static void begin_batch(nncf_compression_ctrl *ctrl)
{
    nncf__quantizer *q;
    const bool first = ctrl->init_begun == 0;
    if (first) {
        nncf__init_renew(ctrl);
        nncf__usage_init_begin(ctrl);
        nncf__bias_begin(ctrl);
    }
    for (size_t at = 0; (q = next(ctrl, &at, NULL));) {
        if (first && q->rule.kind != NNCF__RANGE_NONE)
            nncf__observer_begin(q);
        q->done = satisfied(ctrl, q);
        q->observed_count = 0;
    }
    set_observing(ctrl, true);
    for (size_t i = 0; i < ctrl->n_layers;
         i++) /* what a forward kept was computed with other ranges */
        nncf__layer_drop_state(ctrl->model->layers[i]);
    ctrl->init_begun++;
    ctrl->batch_images = 0;
    ctrl->init_phase = NNCF__PHASE_RANGES;
}

/* What the ranks have seen together, of rules that average the ranges of batches or of the others.
 */
static nncf_status reduce(nncf_compression_ctrl *ctrl, bool averaging, nncf_error *err)
{
    nncf__collective *ranks = &ctrl->model->collective;
    nncf_status status = NNCF_OK;
    nncf__quantizer *q;
    for (size_t at = 0; status == NNCF_OK && (q = next(ctrl, &at, NULL));)
        if (q->observing && nncf__rule_is_mean(q->rule.kind) == averaging &&
            !(averaging && q->done) && q->rule.kind != NNCF__RANGE_NONE)
            status = nncf__quantizer_reduce(ctrl->context, ranks, q);
    if (status == NNCF_E_CALLBACK)
        return nncf__collective_check(ranks, "observed ranges", err);
    return status == NNCF_OK
        ? NNCF_OK
        : nncf__fail(err, status, NULL, "no memory for the observed values of all ranks");
}

static nncf_status end_batch(nncf_compression_ctrl *ctrl, nncf_error *err)
{
    nncf__quantizer *q;
    const nncf_status status = reduce(ctrl, true, err);
    if (status != NNCF_OK)
        return status;
    ctrl->init_images += ctrl->batch_images;
    for (size_t at = 0; (q = next(ctrl, &at, NULL));)
        if (q->observing && !q->done)
            nncf__observer_end_batch(q);
    return NNCF_OK;
}

/* Of a quantizer and of those that have its parameters: the least minimum and the largest maximum,
 * each by the rule over what that one saw, as NNCF unifies them. `joint` is for the result. */
static const float *ranges_of(
    const nncf_compression_ctrl *ctrl, nncf__quantizer *leader, float joint[2])
{
    const float *ranges = nncf__observer_ranges(leader);
    nncf__quantizer *q;
    if (leader->n_followers == 0)
        return ranges;
    joint[0] = ranges[0];
    joint[1] = ranges[1];
    for (size_t at = 0; (q = next(ctrl, &at, NULL));) {
        if (q->leader != leader)
            continue;
        ranges = nncf__observer_ranges(q);
        joint[0] = ranges[0] < joint[0] ? ranges[0] : joint[0];
        joint[1] = ranges[1] > joint[1] ? ranges[1] : joint[1];
    }
    return joint;
}

static nncf_status finish_ranges(nncf_compression_ctrl *ctrl, nncf_error *err)
{
    nncf__quantizer *q;
    size_t layer;
    nncf_status status = ctrl->init_begun > 0 ? reduce(ctrl, false, err) : NNCF_OK;
    if (status == NNCF_OK && ctrl->init_begun > 0)
        status = nncf__bias_reduce(ctrl, err);
    if (status != NNCF_OK)
        return status;
    set_observing(ctrl, false);
    for (size_t at = 0; ctrl->init_begun > 0 && (q = next(ctrl, &at, &layer));) {
        float joint[2];
        if (q->rule.kind == NNCF__RANGE_NONE || q->leader)
            continue;
        set_ranges(ctrl, layer, q, ranges_of(ctrl, q, joint));
        nncf__usage_range(ctrl, ctrl->model->layers[layer], q);
    }
    for (size_t at = 0; ctrl->init_begun > 0 && (q = next(ctrl, &at, NULL));) {
        nncf__quantizer_follow(q);
        if (q->rule.kind != NNCF__RANGE_NONE)
            nncf__observer_destroy(ctrl->context, q);
    }
    if (ctrl->init_begun == 0)
        nncf__init_renew(ctrl);
    else
        nncf__init_weights(ctrl);
    nncf__bias_correct(ctrl);
    return NNCF_OK;
}

/* ---- batch norm ---- */

static bool has_batch_norm(const nncf_compression_ctrl *ctrl)
{
    for (size_t i = 0; i < ctrl->n_layers; i++)
        if (ctrl->model->layers[i]->has_batch_norm)
            return true;
    return false;
}

static void want_more(struct nncf__adaptation_part *part, int64_t steps, int64_t samples)
{
    part->steps = steps > part->steps ? steps : part->steps;
    part->samples = samples > part->samples ? samples : part->samples;
}

void nncf__init_take_adaptation(nncf_compression_ctrl *ctrl, const nncf__algorithm *algorithm)
{
    const nncf__algorithm *a = algorithm;
    if (a->bn_adaptation_steps <= 0 && a->bn_adaptation_samples <= 0)
        return;
    /* if several algorithms request it, it runs once, with the largest numbers */
    want_more(&ctrl->adaptation.adapt, a->bn_adaptation_steps, a->bn_adaptation_samples);
    want_more(&ctrl->adaptation.forget, a->bn_forget_steps, a->bn_forget_samples);
}

static bool has_ended(const struct nncf__adaptation_part *part)
{
    return part->begun >= part->steps && part->images >= part->samples;
}

static struct nncf__adaptation_part *present_part(nncf_compression_ctrl *ctrl)
{
    return ctrl->init_phase == NNCF__PHASE_FORGETTING ? &ctrl->adaptation.forget
                                                      : &ctrl->adaptation.adapt;
}

/* The next batch of the adaptation; false: none is needed (any more). */
static bool begin_adaptation_batch(nncf_compression_ctrl *ctrl)
{
    const nncf__adaptation *d = &ctrl->adaptation;
    if ((d->adapt.steps <= 0 && d->adapt.samples <= 0) || !has_batch_norm(ctrl))
        return false;
    if (nncf__ctrl_adapting(ctrl))
        present_part(ctrl)->images += ctrl->batch_images;
    if (has_ended(&d->forget) && has_ended(&d->adapt))
        return false;
    ctrl->init_phase = has_ended(&d->forget) ? NNCF__PHASE_ADAPTING : NNCF__PHASE_FORGETTING;
    present_part(ctrl)->begun++;
    ctrl->batch_images = 0;
    return true;
}

/* ---- the call ---- */

static nncf_status check_batch(const nncf_compression_ctrl *ctrl, nncf_error *err)
{
    static const char call[] = "nncf_compression_ctrl_init_step";
    const nncf__quantizer *idle =
        ctrl->init_phase == NNCF__PHASE_RANGES ? idle_quantizer(ctrl) : NULL;
    if (idle)
        return nncf__fail(err, NNCF_E_STATE, idle->name,
            "%s: the quantizer of %s saw no data in batch %lld; run every layer forward between "
            "two calls",
            call, idle->name, (long long)ctrl->init_begun);
    if (ctrl->init_phase == NNCF__PHASE_RANGES && ctrl->batch_images == 0 &&
        nncf__bias_wants_more(ctrl)) /* it would never end */
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "%s: no layer ran forward in batch %lld of the initialization; run every layer forward "
            "between two calls",
            call, (long long)ctrl->init_begun);
    if (nncf__ctrl_adapting(ctrl) && ctrl->batch_images == 0)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "%s: no layer ran forward in batch %lld of the adaptation of batch norm; run every "
            "layer forward between two calls",
            call, (long long)(ctrl->adaptation.forget.begun + ctrl->adaptation.adapt.begun));
    return NNCF_OK;
}

/* Images are those of all ranks, and a rank whose batch was not complete stops all. */
static nncf_status agree(nncf_compression_ctrl *ctrl, nncf_status own, nncf_error *err)
{
    nncf__collective *ranks = &ctrl->model->collective;
    int64_t sums[2] = {own != NNCF_OK, ctrl->batch_images};
    const nncf_status status = nncf__all_reduce(ranks, sums, 2, NNCF_I64, NNCF_REDUCE_SUM);
    if (own != NNCF_OK)
        return own;
    if (status != NNCF_OK)
        return nncf__collective_check(ranks, "the numbers of images", err);
    if (sums[0] != 0)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "%lld of the other ranks did not run every layer forward, and say which",
            (long long)sums[0]);
    ctrl->batch_images = sums[1];
    return NNCF_OK;
}

static nncf_status init_step(nncf_compression_ctrl *ctrl, int32_t *more, nncf_error *err)
{
    nncf_status status = nncf__ctrl_check(ctrl, "nncf_compression_ctrl_init_step", err);
    if (status != NNCF_OK)
        return status;
    if (!more)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_compression_ctrl_init_step: more is NULL");
    status = nncf__precision_check_chosen(ctrl, "nncf_compression_ctrl_init_step", err);
    if (status != NNCF_OK)
        return status;
    nncf__model_pull_weights(ctrl->model);
    if (ctrl->init_phase == NNCF__PHASE_DONE) {
        *more = 0;
        return NNCF_OK;
    }
    if (nncf__ctrl_initializing(ctrl)) { /* a batch was requested */
        status = agree(ctrl, check_batch(ctrl, err), err);
        if (status == NNCF_OK && ctrl->init_phase == NNCF__PHASE_RANGES)
            status = end_batch(ctrl, err);
        if (status != NNCF_OK)
            return status;
    }
    if (!nncf__ctrl_adapting(ctrl)) {
        if (!all_satisfied(ctrl)) {
            begin_batch(ctrl);
            *more = 1;
            return NNCF_OK;
        }
        status = finish_ranges(ctrl, err);
        if (status != NNCF_OK)
            return status;
    }
    *more = !ctrl->only_ranges && begin_adaptation_batch(ctrl);
    if (!*more)
        ctrl->init_phase = NNCF__PHASE_DONE;
    return NNCF_OK;
}

nncf_status nncf_compression_ctrl_init_step(
    nncf_compression_ctrl *ctrl, int32_t *more, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = init_step(ctrl, more, &reason);
    return nncf__report(
        ctrl ? ctrl->context : NULL, "nncf_compression_ctrl_init_step", NULL, status, &reason, err);
}
