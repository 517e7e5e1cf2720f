/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A controller's state: logits, masks and ranges as tensors, counters as texts of __metadata__.
 * Fractional numbers go into tensors: they are restored bit for bit, independent of the locale's
 * decimal point.
 */
#include "formats/checkpoint/state.h"

#include "base/alloc.h"
#include "base/text.h"
#include "binarization/binarizer.h"
#include "controller/ctrl.h"
#include "controller/rate.h"
#include "controller/shrink.h"
#include "controller/update.h"
#include "formats/safetensors/sha256.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stdio.h>
#include <string.h>

const char *const nncf__counter_names[NNCF__N_COUNTERS] = {"nncf.epoch", "nncf.step", "nncf.frozen",
    "nncf.init_done", "nncf.schedule_epoch", "nncf.schedule_count", "nncf.stepped",
    "nncf.arrived_before", "nncf.seed", "nncf.schedule_step", "nncf.steps_per_epoch", "nncf.begun",
    "nncf.by_hand", "nncf.bits_chosen"};

enum { MOST_TENSORS_A_LAYER = 5 + 2 * NNCF__N_SLOTS, FIXED_TENSORS = 6 };

static int64_t *counter_values(const nncf_compression_ctrl *ctrl, int64_t values[NNCF__N_COUNTERS])
{
    values[NNCF__EPOCH] = ctrl->epoch;
    values[NNCF__STEP] = ctrl->step;
    values[NNCF__FROZEN] = ctrl->frozen;
    values[NNCF__INIT_DONE] = ctrl->init_phase == NNCF__PHASE_DONE;
    values[NNCF__SCHEDULE_EPOCH] = ctrl->schedule.epoch;
    values[NNCF__SCHEDULE_COUNT] = ctrl->schedule.bad_epochs;
    values[NNCF__STEPPED] = (ctrl->loop & NNCF__LOOP_IN_EPOCH) != 0;
    values[NNCF__ARRIVED] = ctrl->arrived_before;
    values[NNCF__SCHEDULE_STEP] = ctrl->schedule.step;
    values[NNCF__BEGUN] = ctrl->loop & NNCF__LOOP_BEGUN;
    values[NNCF__BY_HAND] = nncf__ctrl_rate_by_hand(ctrl);
    values[NNCF__BITS_CHOSEN] = nncf__precision_is_chosen(ctrl);
    values[NNCF__STEPS_PER_EPOCH] = ctrl->schedule.steps_per_epoch;
    memcpy(&values[NNCF__SEED], &ctrl->context->params.seed, sizeof values[NNCF__SEED]);
    return values;
}

/* Names of masks, and of the first parameter of each quantizer in the order of "nncf.quantizers":
 * for a controller that has others. */
static void put_names(const nncf_compression_ctrl *ctrl, bool masks, nncf__text *text)
{
    nncf__text names = {.context = ctrl->context}, mask = {.context = ctrl->context};
    nncf__text_append(&names, "[", 1);
    for (size_t i = 0; i < ctrl->n_layers; i++)
        for (enum nncf__quantizer_slot j = 0; j < (masks ? 1 : NNCF__N_SLOTS); j++) {
            const nncf__layer_compression *c = &ctrl->layers[i];
            const nncf__quantizer *q = nncf__layer_own_quantizer(c, j);
            if (masks ? c->mask_kind == NNCF__MASK_NONE : !q)
                continue;
            mask.length = 0;
            nncf__text_printf(&mask, "nncf.%s.mask", ctrl->model->layers[i]->scope);
            nncf__text_append(&names, ",", names.length > 1);
            if (!mask.failed)
                nncf__text_json_string(&names,
                    !masks                              ? q->name
                        : c->mask_kind == NNCF__MASK_RB ? c->logit_name
                                                        : mask.data);
        }
    nncf__text_append(&names, "]", 1);
    nncf__text_printf(text, ",\"nncf.%s_names\":", masks ? "mask" : "quantizer");
    text->failed = text->failed || names.failed || mask.failed;
    if (!text->failed)
        nncf__text_json_string(text, names.data);
    nncf__text_free(&names);
    nncf__text_free(&mask);
}

/* Masks whose bits are not in the order of the host's weight. */
static void put_reordered(const nncf_compression_ctrl *ctrl, nncf__text *text)
{
    nncf__text names = {.context = ctrl->context}, mask = {.context = ctrl->context};
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        const nncf__layer_compression *c = &ctrl->layers[i];
        const nncf_layer *layer = ctrl->model->layers[i];
        if (c->mask_kind == NNCF__MASK_NONE || !layer->has_layout)
            continue;
        mask.length = 0;
        nncf__text_printf(&mask, "nncf.%s.mask", layer->scope);
        nncf__text_append(&names, names.length ? "," : "[", 1);
        if (!mask.failed)
            nncf__text_json_string(
                &names, c->mask_kind == NNCF__MASK_RB ? c->logit_name : mask.data);
    }
    text->failed = text->failed || names.failed || mask.failed;
    if (names.length > 0 && !text->failed) {
        nncf__text_append(&names, "]", 1);
        nncf__text_printf(text, ",\"nncf.mask_reordered\":");
        text->failed = text->failed || names.failed;
        if (!text->failed)
            nncf__text_json_string(text, names.data);
    }
    nncf__text_free(&names);
    nncf__text_free(&mask);
}

/* The parameters of "nncf.optimizer.first" in their order. */
static void put_optimizer_names(const nncf_compression_ctrl *ctrl, nncf__text *text)
{
    nncf__text names = {.context = ctrl->context};
    if (ctrl->optimizer.kind == NNCF__OPTIMIZER_NONE)
        return;
    nncf__text_append(&names, "[", 1);
    for (size_t i = 0; i < ctrl->n_parameters; i++) {
        nncf__text_append(&names, ",", i > 0);
        nncf__text_json_string(&names, ctrl->parameters[i].name);
    }
    nncf__text_append(&names, "]", 1);
    text->failed = text->failed || names.failed;
    nncf__text_printf(text, ",\"%s\":", NNCF__OPTIMIZER_NAMES);
    if (!text->failed)
        nncf__text_json_string(text, names.data);
    nncf__text_free(&names);
}

void nncf__state_texts(const nncf_compression_ctrl *ctrl, nncf__text *text)
{
    int64_t values[NNCF__N_COUNTERS];
    counter_values(ctrl, values);
    for (int i = 0; i < NNCF__N_COUNTERS; i++)
        nncf__text_printf(text, ",\"%s\":\"%lld\"", nncf__counter_names[i], (long long)values[i]);
    put_names(ctrl, true, text);
    put_names(ctrl, false, text);
    put_reordered(ctrl, text);
    put_optimizer_names(ctrl, text);
    const char *config = ctrl->canonical_config ? ctrl->canonical_config : "";
    char digest[NNCF__DIGEST_TEXT];
    nncf__sha256_text(config, strlen(config), digest);
    if (ctrl->pruning && ctrl->pruning->removed) {
        nncf__text_printf(text, ",\"" NNCF__REMOVED "\":");
        nncf__text_json_string(text, ctrl->pruning->removed);
    }
    nncf__text_printf(text, ",\"nncf.config_sha256\":\"%s\",\"nncf.config\":", digest);
    nncf__text_json_string(text, config);
}

static nncf_tensor *put(nncf__state *s, const char *name, int32_t dtype, void *data)
{
    nncf_checkpoint_tensor *t = &s->tensors[s->n_tensors];
    t->name = name;
    t->tensor =
        (nncf_tensor){.data = data, .dtype = dtype, .ndim = 1, .shape = s->shapes[s->n_tensors]};
    s->n_tensors++;
    return &t->tensor;
}

/* Shape storage of the tensor that put() returned last. */
static int64_t *last_shape(nncf__state *s)
{
    return s->shapes[s->n_tensors - 1];
}

bool nncf__quantizer_has_range(const nncf__quantizer *q)
{
    return q->binarizer && !q->is_weight ? q->binarizer->scale_known : q->initialized;
}

void nncf__quantizer_set_has_range(nncf__quantizer *q, bool has)
{
    if (q->binarizer) /* works without, too: the scale is 1 then */
        q->binarizer->scale_known = has;
    q->initialized = has || q->binarizer;
}

static void put_quantizer(nncf__state *s, const nncf__quantizer *q)
{
    const bool is_binary_weight = q->binarizer && q->is_weight; /* follows from the weight */
    if (!is_binary_weight) {
        put(s, q->name, NNCF_F32, q->bound);
        last_shape(s)[0] = (int64_t)q->channels;
    }
    if (q->binarizer && !q->is_weight) {
        put(s, q->binarizer->threshold_name, NNCF_F32, q->binarizer->threshold);
        last_shape(s)[0] = (int64_t)q->binarizer->channels;
    }
    if (q->length) {
        put(s, q->length_name, NNCF_F32, q->length);
        last_shape(s)[0] = (int64_t)q->channels;
    }
    if (s->quantizers) {
        s->quantizers[2 * s->n_quantizers] = q->params.sign;
        s->quantizers[2 * s->n_quantizers + 1] = nncf__quantizer_has_range(q);
        s->bits[s->n_quantizers] = q->params.bits;
    }
    s->n_quantizers++;
}

/* A tensor with a name of our own. */
static nncf_status put_named(nncf__state *s, const nncf_layer *layer, const char *end,
    int32_t dtype, void *data, size_t count)
{
    nncf__text name = {.context = s->context};
    nncf__text_printf(&name, NNCF__FILTERS_FRONT "%s%s", layer->scope, end);
    char *copy = name.failed ? NULL : nncf__strdup(s->context, name.data);
    nncf__text_free(&name);
    if (!copy)
        return NNCF_E_NOMEM;
    s->names[s->n_tensors] = copy;
    put(s, copy, dtype, data);
    last_shape(s)[0] = (int64_t)count;
    return NNCF_OK;
}

static nncf_status put_bytes(
    nncf__state *s, const nncf_layer *layer, const char *end, uint8_t *bytes, size_t count)
{
    return put_named(s, layer, end, NNCF_U8, bytes, count);
}

static nncf_status put_oscillation(nncf__state *s, const nncf_layer *layer, nncf__oscillation *o)
{
    if (put_named(s, layer, NNCF__OSCILLATION_END, NNCF_F32, o->values, NNCF__OSCILLATION_VALUES) !=
        NNCF_OK)
        return NNCF_E_NOMEM;
    s->tensors[s->n_tensors - 1].tensor.ndim = 2;
    last_shape(s)[1] = (int64_t)o->count;
    if (put_named(s, layer, NNCF__TURNS_END, NNCF_S8, o->turns, o->count) != NNCF_OK)
        return NNCF_E_NOMEM;
    return put_named(s, layer, NNCF__CODE_BITS_END, NNCF_I32, &o->bits, 1);
}

static nncf_status put_layer(
    nncf__state *s, const nncf_layer *layer, const nncf__layer_compression *c, bool filters)
{
    if (filters && c->filters &&
        put_bytes(s, layer, NNCF__FILTERS_END, c->filters, (size_t)layer->out_channels) != NNCF_OK)
        return NNCF_E_NOMEM;
    if (c->mask_kind == NNCF__MASK_RB) {
        put(s, c->logit_name, NNCF_F32, c->logit)->ndim = layer->weight_ndim;
        memcpy(last_shape(s), layer->weight_shape, sizeof layer->weight_shape);
    } else if (c->mask_kind == NNCF__MASK_BITS) {
        if (put_bytes(s, layer, ".mask", c->bits, (layer->weight_count + 7) / 8) != NNCF_OK)
            return NNCF_E_NOMEM;
    }
    if (c->oscillation && put_oscillation(s, layer, c->oscillation) != NNCF_OK)
        return NNCF_E_NOMEM;
    for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++)
        if (nncf__layer_own_quantizer(c, j))
            put_quantizer(s, nncf__layer_own_quantizer(c, j));
    return NNCF_OK;
}

static void put_optimizer(nncf__state *s, const nncf_compression_ctrl *ctrl)
{
    const nncf__optimizer *o = &ctrl->optimizer;
    const int64_t count = (int64_t)nncf__optimizer_count(ctrl);
    s->optimizer[0] = o->kind;
    s->optimizer[1] = o->steps;
    put(s, NNCF__OPTIMIZER_TENSOR, NNCF_I64, s->optimizer);
    last_shape(s)[0] = 2;
    put(s, NNCF__FIRST_TENSOR, NNCF_F32, o->first);
    last_shape(s)[0] = count;
    if (!o->second)
        return;
    put(s, NNCF__SECOND_TENSOR, NNCF_F32, o->second);
    last_shape(s)[0] = count;
}

nncf_status nncf__state_make(const nncf_compression_ctrl *ctrl, int32_t with, nncf__state *state)
{
    nncf__state s = {.context = ctrl->context};
    const size_t most = ctrl->n_layers * MOST_TENSORS_A_LAYER + FIXED_TENSORS;
    nncf_status status = NNCF_OK;
    s.tensors = nncf__calloc(s.context, most, sizeof *s.tensors);
    s.shapes = nncf__calloc(s.context, most, sizeof *s.shapes);
    s.names = nncf__calloc(s.context, most, sizeof *s.names);
    s.quantizers =
        nncf__calloc(s.context, NNCF__N_SLOTS * ctrl->n_layers + 1, 2 * sizeof *s.quantizers);
    s.bits = nncf__calloc(s.context, NNCF__N_SLOTS * ctrl->n_layers + 1, sizeof *s.bits);
    if (!s.tensors || !s.shapes || !s.names || !s.quantizers || !s.bits)
        status = NNCF_E_NOMEM;
    for (size_t i = 0; status == NNCF_OK && i < ctrl->n_layers; i++)
        status = put_layer(
            &s, ctrl->model->layers[i], &ctrl->layers[i], (with & NNCF__WITH_FILTERS) != 0);
    if (status != NNCF_OK) {
        nncf__state_free(&s);
        return status;
    }
    *state = s; /* the next one points into it */
    state->levels[0] = nncf__ctrl_rate(ctrl);
    state->levels[1] = ctrl->threshold;
    put(state, "nncf.levels", NNCF_F64, state->levels);
    last_shape(state)[0] = 2;
    put(state, "nncf.quantizers", NNCF_I32, state->quantizers)->ndim = 2;
    last_shape(state)[0] = (int64_t)state->n_quantizers;
    last_shape(state)[1] = 2;
    if (ctrl->precision) {
        put(state, NNCF__BITS_TENSOR, NNCF_I32, state->bits);
        last_shape(state)[0] = (int64_t)state->n_quantizers;
    }
    if ((with & NNCF__WITH_OPTIMIZER) && ctrl->optimizer.kind != NNCF__OPTIMIZER_NONE)
        put_optimizer(state, ctrl);
    return NNCF_OK;
}

void nncf__state_free(nncf__state *state)
{
    if (!state->context)
        return;
    for (size_t i = 0; state->names && i < state->n_tensors; i++)
        nncf__free(state->context, state->names[i]);
    nncf__free(state->context, state->tensors);
    nncf__free(state->context, state->shapes);
    nncf__free(state->context, state->names);
    nncf__free(state->context, state->quantizers);
    nncf__free(state->context, state->bits);
    memset(state, 0, sizeof *state);
}

void nncf__saved_apply(const nncf__saved *v, nncf_compression_ctrl *ctrl, bool same_sparsity)
{
    ctrl->epoch = v->counters[NNCF__EPOCH];
    ctrl->step = v->counters[NNCF__STEP];
    ctrl->frozen = v->counters[NNCF__FROZEN] != 0;
    ctrl->init_phase = v->counters[NNCF__INIT_DONE] ? NNCF__PHASE_DONE : NNCF__PHASE_PENDING;
    ctrl->init_begun = ctrl->init_images = 0; /* an initialization that was running starts again */
    ctrl->schedule.epoch = v->counters[NNCF__SCHEDULE_EPOCH];
    ctrl->schedule.step = v->counters[NNCF__SCHEDULE_STEP];
    ctrl->loop = (ctrl->loop & NNCF__LOOP_IN_EPOCH) |
        (uint32_t)(v->counters[NNCF__BEGUN] & NNCF__LOOP_BEGUN);
    if (v->counters[NNCF__STEPS_PER_EPOCH] > 0)
        ctrl->schedule.steps_per_epoch = v->counters[NNCF__STEPS_PER_EPOCH];
    const bool by_hand = same_sparsity && v->counters[NNCF__BY_HAND] != 0;
    ctrl->schedule.by_hand = by_hand && nncf__ctrl_has_schedule(ctrl);
    if (ctrl->pruning) {
        ctrl->pruning->by_hand = by_hand && !nncf__ctrl_has_schedule(ctrl);
        if (ctrl->pruning->by_hand)
            ctrl->pruning->level = v->levels[0];
    }
    if (!same_sparsity)
        return; /* the rest is the progress of that algorithm */
    ctrl->schedule.bad_epochs = (int32_t)v->counters[NNCF__SCHEDULE_COUNT];
    ctrl->schedule.level = v->levels[0];
    ctrl->threshold = v->levels[1];
}

void nncf__saved_apply_moment(const nncf__saved *v, nncf_compression_ctrl *ctrl)
{
    ctrl->loop &= ~(uint32_t)NNCF__LOOP_IN_EPOCH;
    ctrl->loop |= v->counters[NNCF__STEPPED] ? NNCF__LOOP_IN_EPOCH : 0;
    ctrl->arrived_before = v->counters[NNCF__ARRIVED] != 0;
}
