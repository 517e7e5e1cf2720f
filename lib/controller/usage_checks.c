/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Common mistakes of training loops, which no single call can detect: each is logged once as a
 * warning. Nothing here changes what is computed, and each check reads a few numbers only.
 */
#include "controller/usage_checks.h"

#include "base/error.h"
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "controller/warnings.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"
#include "sparsity/schedule.h"

#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <math.h>
#include <string.h>

enum {
    /* steps of the same kind before a warning */
    PATIENCE = 8,
    /* steps in which the masks did not move towards the level */
    STANDSTILL = 64,
    /* evaluations followed by training, without an epoch_step */
    VALIDATIONS = 3,
    /* steps between two looks at weights and ranges, and looks at which weights stayed */
    STRIDE = 16,
    LOOKS = 3,
    /* parameters, and elements of each, that are looked at */
    MOST_WATCHED = 64
};
/* How far the sparsity may be from the level: the width of the loss of rb_sparsity. */
#define NEAR_THE_LEVEL 0.05
/* No activation of a trained network is so large, nor so much larger than the weights; one below
 * the second is not. */
#define LARGEST_RANGE 1e6
#define LEAST_LIMIT   1e3

#define HASH_BEGIN UINT64_C(0xcbf29ce484222325)

/* FNV-1a. */
static uint64_t add_to_hash(uint64_t hash, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (hash ^ bits) * UINT64_C(0x100000001b3);
}

bool nncf__usage_warned(const nncf_compression_ctrl *ctrl, enum nncf__usage_warning warning)
{
    return (ctrl->usage.warned & (uint32_t)warning) != 0;
}

bool nncf__usage_first(nncf_compression_ctrl *ctrl, enum nncf__usage_warning warning)
{
    const bool first = !nncf__usage_warned(ctrl, warning);
    ctrl->usage.warned |= (uint32_t)warning;
    return first;
}

/* ---- loss ---- */

static void warn_no_loss(nncf_compression_ctrl *ctrl)
{
    const bool masks = ctrl->sparsity_kind == NNCF__RB_SPARSITY && !ctrl->frozen;
    if (!nncf__usage_first(ctrl, NNCF__WARN_NO_LOSS))
        return;
    if (!masks)
        nncf__warn(ctrl,
            "nncf_compression_ctrl_loss_backward() was not called in the last %lld steps: without "
            "it weights.oscillation_damping does nothing; call it once a step, after the backward "
            "of all layers and before the optimizer",
            (long long)ctrl->usage.steps_without_loss);
    else
        nncf__warn(ctrl,
            "nncf_compression_ctrl_loss_backward() was not called in the last %lld steps: without "
            "it the "
            "masks of "
            "rb_sparsity do not move towards the sparsity level; call it once a step, before the "
            "optimizer",
            (long long)ctrl->usage.steps_without_loss);
}

void nncf__usage_loss(nncf_compression_ctrl *ctrl)
{
    ctrl->usage.loss = NNCF__LOSS_THIS_STEP;
}

static void check_loss(nncf_compression_ctrl *ctrl)
{
    nncf__usage_checks *p = &ctrl->usage;
    const bool needed =
        (ctrl->sparsity_kind == NNCF__RB_SPARSITY && !ctrl->frozen) || ctrl->damping.last > 0;
    p->steps_without_loss =
        needed && p->loss != NNCF__LOSS_THIS_STEP ? p->steps_without_loss + 1 : 0;
    if (p->loss == NNCF__LOSS_THIS_STEP)
        p->loss = NNCF__LOSS_EARLIER;
    if (p->steps_without_loss >= PATIENCE)
        warn_no_loss(ctrl);
}

void nncf__usage_distillation(nncf_compression_ctrl *ctrl)
{
    ctrl->usage.steps_without_distillation = -1; /* the step that follows makes it 0 */
}

static void check_distillation(nncf_compression_ctrl *ctrl)
{
    if (ctrl->has_distillation && ++ctrl->usage.steps_without_distillation >= PATIENCE &&
        nncf__usage_first(ctrl, NNCF__WARN_NO_DISTILLATION))
        nncf__warn(ctrl,
            "the config has knowledge_distillation, and "
            "nncf_compression_ctrl_distillation_backward() was not called in the last %d steps: "
            "call it once a step, before the backward of the layers",
            PATIENCE);
}

/* ---- masks that do not move towards the level ---- */

void nncf__usage_density(nncf_compression_ctrl *ctrl, double density, double probability)
{
    ctrl->usage.density = density;
    ctrl->usage.probability = probability;
}

/* A step towards the level moves the mean probability of the logits, long before the first of them
 * passes 1/2. A host whose gradients have the other sign moves it away, up to 0 or 1.
 */
static void check_sparsity(nncf_compression_ctrl *ctrl)
{
    nncf__usage_checks *p = &ctrl->usage;
    if (ctrl->sparsity_kind != NNCF__RB_SPARSITY || ctrl->frozen || p->loss != NNCF__LOSS_THIS_STEP)
        return;
    const double missing = p->density - (1 - ctrl->schedule.level),
                 moved = p->probability - p->last_probability;
    const bool nearer = missing > 0 ? moved < 0 : moved > 0;
    const bool first = p->last_probability == 0; /* it is never 0 */
    p->last_probability = p->probability;
    if (first || nearer || fabs(missing) <= NEAR_THE_LEVEL) {
        p->standstill = 0;
        return;
    }
    if (++p->standstill >= STANDSTILL && nncf__usage_first(ctrl, NNCF__WARN_LOGITS_AWAY))
        nncf__warn(ctrl,
            "the mask logits of rb_sparsity did not move towards the level in %d steps (sparsity "
            "%.3f, level "
            "%.3f): does the optimizer expect gradients of the other sign, or of another scale? "
            "nncf_compression_ctrl_loss_backward() adds the gradient of a loss that is to be made "
            "smaller, unless nncf_compression_ctrl_set_gradient_factor() says what yours is",
            STANDSTILL, 1 - p->density, ctrl->schedule.level);
}

void nncf__usage_frozen(nncf_compression_ctrl *ctrl, double sparsity)
{
    const double level = ctrl->schedule.level;
    if (fabs(sparsity - level) > NEAR_THE_LEVEL && nncf__usage_first(ctrl, NNCF__WARN_FROZEN_AWAY))
        nncf__warn(ctrl,
            "the masks of rb_sparsity are frozen from epoch %lld on, at a sparsity of %.3f; the "
            "level is %.3f: give the mask logits a %s learning rate, or more epochs "
            "(sparsity_training_steps)",
            (long long)ctrl->epoch, sparsity, level, sparsity < level ? "higher" : "lower");
}

/* ---- weights that are compressed but not trained ---- */

static void check_gradients(nncf_compression_ctrl *ctrl)
{
    const nncf_layer *first = NULL;
    size_t count = 0;
    if (!nncf__usage_first(ctrl, NNCF__WARN_NO_GRADIENT) ||
        ctrl->model->frozen_policy != NNCF_FROZEN_WARN)
        return;
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        const nncf__layer_compression *c = &ctrl->layers[i];
        const nncf_layer *layer = ctrl->model->layers[i];
        if ((!nncf__layer_masks(c) && !c->weight_quantizer) || layer->weight_grad)
            continue;
        first = first ? first : layer;
        count++;
    }
    if (first)
        nncf__warn(ctrl,
            "%s: its weight is compressed, but it was registered without weight_grad, so it cannot "
            "be trained%s; "
            "register the gradient, leave the layer out with ignored_scopes, or say what is meant "
            "with nncf_model_set_frozen_policy()",
            first->scope, count > 1 ? " (and other layers with it)" : "");
}

/* ---- initialization ---- */

static bool all_zero(const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (x[i] != 0)
            return false;
    return true;
}

void nncf__usage_init_begin(nncf_compression_ctrl *ctrl)
{
    for (size_t i = 0; i < ctrl->n_layers && ctrl->model->mode != NNCF_MODE_TRAIN; i++) {
        const nncf_layer *layer = ctrl->model->layers[i];
        if (layer->has_batch_norm && all_zero(layer->batch_norm.running_var, layer->out_channels) &&
            nncf__usage_first(ctrl, NNCF__WARN_ZERO_VARIANCE))
            nncf__warn(ctrl,
                "%s: initialization in eval mode, but the running_var of its batch norm is 0, "
                "which makes values "
                "hundreds of times larger: load trained statistics, or initialize in "
                "NNCF_MODE_TRAIN",
                layer->scope);
    }
}

/* Some weights, evenly over all of them: a hash of them, the largest magnitude, and whether one of
 * their gradients is not zero. */
typedef struct sample {
    uint64_t hash;
    float largest;
    bool gradient;
} sample;

static sample sample_of(const nncf_layer *layer)
{
    enum { ELEMENTS = 16 };
    sample s = {.hash = HASH_BEGIN};
    for (size_t i = 0; i < layer->weight_count; i += layer->weight_count / ELEMENTS + 1) {
        s.hash = add_to_hash(s.hash, layer->weight[i]);
        s.largest = fmaxf(s.largest, fabsf(layer->weight[i]));
        s.gradient = s.gradient || (layer->weight_grad && layer->weight_grad[i] != 0);
    }
    return s;
}

/* The largest end of the ranges; NaN if one is. */
static double largest_end(const nncf__quantizer *quantizer)
{
    double largest = 0;
    for (size_t c = 0; c < quantizer->channels; c++) {
        const double bound = (double)nncf__quantizer_bound(quantizer, c),
                     length = quantizer->length ? (double)nncf__quantizer_length(quantizer, c) : 0,
                     end = fmax(fabs(bound), fabs(bound + length));
        largest =
            isnan(bound) || isnan(length) || isnan(largest) ? (double)NAN : fmax(largest, end);
    }
    return largest;
}

/* What a layer's range is too large beyond. What a layer reads has nothing to do with its
 * weights. */
static double range_limit(const nncf_layer *layer, enum nncf__quantizer_slot slot)
{
    const double by_weights =
        layer->weight_count > 0 ? LARGEST_RANGE * (double)sample_of(layer).largest : 0;
    if (slot == NNCF__SLOT_INPUT || by_weights == 0)
        return LARGEST_RANGE;
    return slot == NNCF__SLOT_WEIGHT ? by_weights
                                     : fmin(fmax(by_weights, LEAST_LIMIT), LARGEST_RANGE);
}

static void check_range(
    nncf_compression_ctrl *ctrl, const nncf_layer *layer, enum nncf__quantizer_slot slot)
{
    const nncf__quantizer *q = nncf__layer_own_quantizer(layer->compression, slot);
    const double largest = q ? largest_end(q) : 0;
    if (!isfinite(largest)) {
        if (nncf__usage_first(ctrl, NNCF__WARN_LOST_RANGE))
            nncf__warn(ctrl,
                "%s: parameter %s is not a finite number any more: the training diverged, or its "
                "learning rate is too high",
                layer->scope, q->name);
    } else if (largest > LEAST_LIMIT && largest > range_limit(layer, slot) &&
        nncf__usage_first(ctrl, NNCF__WARN_LARGE_RANGE)) {
        nncf__warn(ctrl,
            "%s: the range of %s is %.3g by now (parameter %s), as if the training diverged: is "
            "the learning rate of ranges too high?",
            layer->scope, q->is_weight ? "the weight" : "an activation", largest, q->name);
    }
}

static void check_ranges(nncf_compression_ctrl *ctrl)
{
    for (size_t i = 0; i < ctrl->n_layers; i++)
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++)
            check_range(ctrl, ctrl->model->layers[i], j);
}

static enum nncf__quantizer_slot slot_of(const nncf_layer *layer, const nncf__quantizer *quantizer)
{
    enum nncf__quantizer_slot slot = NNCF__SLOT_WEIGHT;
    while (nncf__layer_quantizer(layer->compression, slot) != quantizer)
        slot++;
    return slot;
}

void nncf__usage_range(
    nncf_compression_ctrl *ctrl, const nncf_layer *layer, const nncf__quantizer *quantizer)
{
    const double largest = largest_end(quantizer);
    if (largest > LEAST_LIMIT && largest > range_limit(layer, slot_of(layer, quantizer)) &&
        nncf__usage_first(ctrl, NNCF__WARN_LARGE_RANGE))
        nncf__warn(ctrl,
            "%s: the range of an activation is %.3g after initialization (parameter %s), as of a "
            "network whose "
            "values grow from layer to layer: are weights, the input's scale and batch norm's "
            "running statistics "
            "those of a trained network? Without such statistics initialize in NNCF_MODE_TRAIN",
            layer->scope, largest, quantizer->name);
}

void nncf__usage_empty_range(
    nncf_compression_ctrl *ctrl, const nncf_layer *layer, const nncf__quantizer *quantizer)
{
    static const char text[] =
        "%s: %s was all zero or not finite during initialization: its range is 1 (parameter %s)";
    const char *what = quantizer->is_weight ? "the weight, or a channel of it," : "the activation";
    if (nncf__usage_first(ctrl, NNCF__WARN_EMPTY_RANGE))
        nncf__warn(ctrl, text, layer->scope, what, quantizer->name);
    else
        nncf__log(ctrl->context, NNCF_LOG_WARNING, text, layer->scope, what, quantizer->name);
}

/* ---- the width of an input ---- */

void nncf__usage_width(nncf_compression_ctrl *ctrl, const nncf_layer *layer, const nncf_tensor *x)
{
    const int64_t wanted = layer->in_channels;
    int64_t row = 1;
    /* rows may be any number of inputs long; channels may come first; a convolution's x may be
     * planes, one a row */
    for (int32_t i = 1; i < x->ndim; i++)
        row *= x->shape[i];
    if (x->ndim < 2 || row % wanted == 0 || x->shape[0] == wanted ||
        (layer->weight_ndim > 2 && x->shape[0] % wanted == 0) ||
        !nncf__usage_first(ctrl, NNCF__WARN_WIDTH))
        return;
    nncf__warn(ctrl,
        "%s: nncf_layer_quantize_input() is called with rows of %lld elements, which is no "
        "multiple of the %lld channels that the layer reads: is it another layer's input?",
        layer->scope, (long long)row, (long long)wanted);
}

/* ---- parameters that do not change ---- */

enum { LOGITS, RANGES };

static bool belongs(const nncf_parameter *parameter, int group)
{
    return (parameter->kind == NNCF_PARAMETER_MASK_LOGIT) == (group == LOGITS) &&
        !parameter->frozen;
}

/* A hash of some elements of a group's parameters; *gradient: one of their gradients is not zero.
 */
static uint64_t sample_hash(const nncf_compression_ctrl *ctrl, int group, bool *gradient)
{
    uint64_t hash = HASH_BEGIN;
    size_t watched = 0;
    for (size_t i = 0; i < ctrl->n_parameters && watched < MOST_WATCHED; i++) {
        const nncf_parameter *p = &ctrl->parameters[i];
        if (!belongs(p, group))
            continue;
        const size_t stride = p->count / MOST_WATCHED + 1;
        for (size_t j = 0; j < p->count; j += stride) {
            hash = add_to_hash(hash, p->data[j]);
            *gradient = *gradient || p->grad[j] != 0;
        }
        watched++;
    }
    return hash;
}

static void check_parameters(nncf_compression_ctrl *ctrl, int group)
{
    static const char *const names[] = {"mask logits", "ranges of the quantizers"};
    static const enum nncf__usage_warning warnings[] = {
        NNCF__WARN_LOGITS_STAND, NNCF__WARN_RANGES_STAND};
    struct nncf__usage_watch *w = &ctrl->usage.watch[group];
    if (w->state == NNCF__WATCH_ENDED)
        return;
    const uint64_t hash = sample_hash(ctrl, group, &w->gradient);
    const bool moved = w->state == NNCF__WATCH_HASHED && hash != w->hash;
    if (!moved && w->gradient)
        w->still++;
    w->state = moved ? NNCF__WATCH_ENDED : NNCF__WATCH_HASHED; /* an optimizer moves it: enough */
    w->hash = hash;
    w->gradient = false;
    if (w->still > PATIENCE && nncf__usage_first(ctrl, warnings[group])) {
        w->state = NNCF__WATCH_ENDED;
        nncf__warn(ctrl,
            "the %s have gradients but did not change in %d steps: hand the arrays of "
            "nncf_compression_ctrl_get_parameter() to the optimizer, and call "
            "nncf_compression_ctrl_step() after it",
            names[group], PATIENCE);
    }
}

/* ---- weights that do not change ---- */

/* The host has moved a buffer after registration, or trains a copy. Masked weights have gradients
 * of 0. */
static void check_weights(nncf_compression_ctrl *ctrl)
{
    const nncf_layer *first = NULL;
    size_t count = 0;
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        nncf__layer_compression *c = &ctrl->layers[i];
        const nncf_layer *layer = ctrl->model->layers[i];
        if ((!nncf__layer_masks(c) && !c->weight_quantizer) || !layer->weight_grad)
            continue;
        const sample s = sample_of(layer);
        if (s.hash != c->watch.hash)
            c->watch.still = 0;
        else
            c->watch.still += c->watch.gradient || s.gradient;
        c->watch.hash = s.hash;
        c->watch.gradient = false;
        if (c->watch.still < LOOKS)
            continue;
        first = first ? first : layer;
        count++;
    }
    if (first && nncf__usage_first(ctrl, NNCF__WARN_WEIGHTS_STAND))
        nncf__warn(ctrl,
            "%s: its weight has gradients but did not change in %d steps%s: has its buffer moved "
            "since the layer was registered, or does the optimizer train a copy? Register layers "
            "when buffers move no more; a weight that is to stay as it is needs no optimizer",
            first->scope, STRIDE * LOOKS, count > 1 ? " (as those of other layers)" : "");
}

/* ---- an optimizer without steps ---- */

static uint64_t trained_hash(const nncf_compression_ctrl *ctrl, const nncf_layer *layer)
{
    enum { ELEMENTS = 16, PARAMETERS = 4 };
    uint64_t hash = HASH_BEGIN;
    for (size_t i = 0; i < layer->weight_count; i += layer->weight_count / ELEMENTS + 1)
        hash = add_to_hash(hash, layer->weight[i]);
    for (size_t i = 0; i < ctrl->n_parameters && i < PARAMETERS; i++) {
        const nncf_parameter *p = &ctrl->parameters[i];
        for (size_t j = 0; j < p->count; j += p->count / ELEMENTS + 1)
            hash = add_to_hash(hash, p->data[j]);
    }
    return hash;
}

/* An optimizer moves weights or parameters from batch to batch, and no step is made between them.
 * Gradients that are summed over several batches move nothing. */
static void check_steps(nncf_compression_ctrl *ctrl, const nncf_layer *layer)
{
    nncf__usage_checks *p = &ctrl->usage;
    if (p->first_backward == 0 && layer->weight_count > 0) {
        p->first_backward = layer->index + 1;
        p->trained_hash = trained_hash(ctrl, layer);
    }
    if (p->first_backward != layer->index + 1)
        return;
    const uint64_t hash = trained_hash(ctrl, layer);
    p->moves += hash != p->trained_hash;
    p->trained_hash = hash;
    if (p->moves >= PATIENCE && nncf__usage_first(ctrl, NNCF__WARN_NO_STEP))
        nncf__warn(ctrl,
            "the optimizer made %d steps, and nncf_compression_ctrl_step() was not called: call it "
            "once after each of them; without it %s",
            PATIENCE,
            ctrl->sparsity_kind == NNCF__RB_SPARSITY
                ? "the noise of rb_sparsity's masks stays the same"
                : "steps are not counted, and schedules by steps stand still");
}

void nncf__usage_backward(nncf_compression_ctrl *ctrl, const nncf_layer *layer)
{
    if (nncf__ctrl_measuring(ctrl)) /* not training */
        return;
    check_gradients(ctrl);
    check_steps(ctrl, layer);
    if (ctrl->usage.steps % STRIDE == STRIDE - 1 && !layer->compression->watch.gradient)
        layer->compression->watch.gradient = sample_of(layer).gradient;
    /* a loop may clear the gradients before step(): check them now */
    for (int group = LOGITS; group <= RANGES; group++)
        if (ctrl->usage.watch[group].state != NNCF__WATCH_ENDED &&
            !ctrl->usage.watch[group].gradient)
            sample_hash(ctrl, group, &ctrl->usage.watch[group].gradient);
}

/* ---- the order of calls ---- */

void nncf__usage_forward(nncf_compression_ctrl *ctrl)
{
    nncf__usage_checks *p = &ctrl->usage;
    if (nncf__ctrl_initializing(ctrl) || nncf__ctrl_measuring(ctrl))
        return;
    if (ctrl->model->mode == NNCF_MODE_EVAL) {
        p->evaluated = true;
        return;
    }
    if (p->trained)
        return;
    p->trained = true;
    if (p->resumed || ctrl->order != NNCF_ORDER_AFTER || !nncf__ctrl_has_schedule(ctrl))
        return;
    if (ctrl->epoch > 0 && nncf__usage_first(ctrl, NNCF__WARN_EPOCH_STEP_FIRST))
        nncf__warn(ctrl,
            "nncf_compression_ctrl_epoch_step() was called before the first batch, so the level of "
            "epoch 0 is never "
            "used: call it after each epoch, or, if the loop is made for the order of NNCF 1.6 and "
            "later (before "
            "each epoch), say nncf_compression_ctrl_set_order(ctrl, NNCF_ORDER_BEFORE)");
    else if (ctrl->step > 0 && nncf__usage_first(ctrl, NNCF__WARN_STEP_FIRST))
        nncf__warn(ctrl,
            "nncf_compression_ctrl_step() was called before the first batch: call it after each "
            "batch, or, if the "
            "loop is made for the order of NNCF 1.6 and later (before each batch), say "
            "nncf_compression_ctrl_set_order(ctrl, NNCF_ORDER_BEFORE)");
}

/* Has the epoch lasted too long? That is known if the schedule states the length of an epoch, or
 * once an epoch has ended. */
static void check_epoch_length(nncf_compression_ctrl *ctrl)
{
    const nncf__usage_checks *p = &ctrl->usage;
    const nncf__schedule *s = &ctrl->schedule;
    if (!nncf__ctrl_has_schedule(ctrl))
        return;
    const bool stated = nncf__schedule_by_steps(&s->params) && s->steps_per_epoch > 0;
    const int64_t length = stated ? s->steps_per_epoch : p->epoch_length,
                  steps = stated ? s->step + 1 : p->steps - p->epoch_began;
    if (length > 0 && steps > (stated ? length : 2 * length) + PATIENCE &&
        nncf__usage_first(ctrl, NNCF__WARN_NO_EPOCH_STEP))
        nncf__warn(ctrl,
            "%lld steps without nncf_compression_ctrl_epoch_step(), and %s has %lld: call it after "
            "each epoch; without it the sparsity level stays that of epoch %lld",
            (long long)steps, stated ? "an epoch (steps_per_epoch)" : "the longest epoch so far",
            (long long)length, (long long)ctrl->epoch);
}

void nncf__usage_step(nncf_compression_ctrl *ctrl)
{
    nncf__usage_checks *p = &ctrl->usage;
    p->moves = 0;
    check_sparsity(ctrl);
    check_loss(ctrl);
    check_distillation(ctrl);
    check_gradients(ctrl);
    check_parameters(ctrl, LOGITS);
    check_parameters(ctrl, RANGES);
    p->steps++;
    if (p->steps % STRIDE == 0) {
        check_weights(ctrl);
        check_ranges(ctrl);
    }
    check_epoch_length(ctrl);
    p->validations += p->evaluated;
    p->evaluated = false;
    if (p->validations >= VALIDATIONS && nncf__ctrl_has_schedule(ctrl) &&
        nncf__usage_first(ctrl, NNCF__WARN_NO_EPOCH_STEP))
        nncf__warn(ctrl,
            "the model was evaluated %d times between training steps, and "
            "nncf_compression_ctrl_epoch_step() was not "
            "called: without it the sparsity level stays that of epoch %lld",
            (int)p->validations, (long long)ctrl->epoch);
}

void nncf__usage_epoch_step(nncf_compression_ctrl *ctrl)
{
    nncf__usage_checks *p = &ctrl->usage;
    if (p->steps_without_loss > 0 && p->loss == NNCF__LOSS_NEVER)
        warn_no_loss(ctrl);
    if (ctrl->order == NNCF_ORDER_BEFORE && !(ctrl->loop & NNCF__LOOP_EPOCH_STEPPED) &&
        p->trained && !p->resumed && nncf__usage_first(ctrl, NNCF__WARN_EPOCH_STEP_MISSING))
        nncf__warn(ctrl,
            "training began before the first nncf_compression_ctrl_epoch_step(), which "
            "NNCF_ORDER_BEFORE promises: "
            "the epochs before it count as epoch 0");
    p->validations = 0;
    p->evaluated = false;
    if (p->steps - p->epoch_began > p->epoch_length && !(p->resumed && p->epoch_steps == 0))
        p->epoch_length = p->steps - p->epoch_began;
    p->epoch_began = p->steps;
    p->epoch_steps++;
}

void nncf__usage_end(nncf_compression_ctrl *ctrl)
{
    const nncf__usage_checks *p = &ctrl->usage;
    if (p->steps < PATIENCE || p->epoch_steps > 0 || !nncf__ctrl_has_schedule(ctrl) ||
        nncf__schedule_arrived(&ctrl->schedule))
        return;
    if (p->evaluated &&
        p->validations == 0) /* one epoch, and its test: a loop may step when the next one begins */
        return;
    if (nncf__usage_first(ctrl, NNCF__WARN_NO_EPOCH_STEP))
        nncf__warn(ctrl,
            "the controller is destroyed after %lld steps without "
            "nncf_compression_ctrl_epoch_step(): the sparsity "
            "level never moved on from that of epoch %lld",
            (long long)p->steps, (long long)ctrl->epoch);
}
