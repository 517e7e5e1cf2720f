/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A controller's state: logits, masks and ranges as tensors, counters as texts of __metadata__. Numbers that are not
 * whole go into tensors, so that they come back bit for bit and no locale is asked for the decimal point.
 */
#include "io/io.h"

#include <stdio.h>
#include <string.h>

/* Whole-number texts of a snapshot, "nncf." in front. */
enum counter {
    EPOCH,
    STEP,
    FROZEN,
    INIT_DONE,
    SCHEDULE_EPOCH,
    SCHEDULE_COUNT,
    STEPPED,
    ARRIVED,
    SEED,
    SCHEDULE_STEP, /* from here on: absent in the first snapshots, then 0 */
    STEPS_PER_EPOCH,
    N_COUNTERS
};
static const char *const counter_names[N_COUNTERS] = {
    "nncf.epoch",          "nncf.step",           "nncf.frozen",         "nncf.init_done",
    "nncf.schedule_epoch", "nncf.schedule_count", "nncf.stepped",        "nncf.arrived_before",
    "nncf.seed",           "nncf.schedule_step",  "nncf.steps_per_epoch"};

enum { MOST_TENSORS_A_LAYER = 8, FIXED_TENSORS = 2 };

static int64_t *counter_values(const nncf_compression_ctrl *ctrl, int64_t values[N_COUNTERS])
{
    values[EPOCH] = ctrl->epoch;
    values[STEP] = ctrl->step;
    values[FROZEN] = ctrl->frozen;
    values[INIT_DONE] = ctrl->init_done;
    values[SCHEDULE_EPOCH] = ctrl->schedule.epoch;
    values[SCHEDULE_COUNT] = ctrl->schedule.bad_epochs;
    values[STEPPED] = ctrl->stepped;
    values[ARRIVED] = ctrl->arrived_before;
    values[SCHEDULE_STEP] = ctrl->schedule.step;
    values[STEPS_PER_EPOCH] = ctrl->schedule.steps_per_epoch;
    memcpy(&values[SEED], &ctrl->context->params.seed, sizeof values[SEED]);
    return values;
}

void nncf__state_texts(const nncf_compression_ctrl *ctrl, nncf__text *text)
{
    int64_t values[N_COUNTERS];
    counter_values(ctrl, values);
    for (int i = 0; i < N_COUNTERS; i++)
        nncf__text_printf(text, ",\"%s\":\"%lld\"", counter_names[i], (long long)values[i]);
    nncf__text_append(text, ",\"nncf.config\":", 15);
    nncf__json_quote(text, ctrl->canonical_config ? ctrl->canonical_config : "");
}

static nncf_tensor *put(nncf__state *s, const char *name, int32_t dtype, void *data)
{
    nncf_checkpoint_tensor *t = &s->tensors[s->n_tensors];
    t->name = name;
    t->tensor = (nncf_tensor){.data = data, .dtype = dtype, .ndim = 1, .shape = s->shapes[s->n_tensors]};
    s->n_tensors++;
    return &t->tensor;
}

/* Shape storage of the tensor that put() returned last. */
static int64_t *last_shape(nncf__state *s)
{
    return s->shapes[s->n_tensors - 1];
}

static void put_quantizer(nncf__state *s, const nncf__quantizer *q)
{
    put(s, q->name, NNCF_F32, q->scale);
    last_shape(s)[0] = (int64_t)q->channels;
    if (q->range) {
        put(s, q->range_name, NNCF_F32, q->range);
        last_shape(s)[0] = (int64_t)q->channels;
    }
    if (s->quantizers) {
        s->quantizers[2 * s->n_quantizers] = q->params.sign;
        s->quantizers[2 * s->n_quantizers + 1] = q->initialized;
    }
    s->n_quantizers++;
}

static nncf_status put_layer(nncf__state *s, const nncf_layer *layer, const nncf__layer_compression *c)
{
    if (c->mask_kind == NNCF__MASK_RB) {
        put(s, c->logit_name, NNCF_F32, c->logit)->ndim = layer->weight_ndim;
        memcpy(last_shape(s), layer->weight_shape, sizeof layer->weight_shape);
    } else if (c->mask_kind == NNCF__MASK_BITS) {
        nncf__text name = {.context = s->context};
        nncf__text_printf(&name, "nncf.%s.mask", layer->scope);
        if (name.failed) {
            nncf__text_free(&name);
            return NNCF_E_NOMEM;
        }
        char *copy = nncf__strdup(s->context, name.data);
        nncf__text_free(&name);
        if (!copy)
            return NNCF_E_NOMEM;
        s->names[s->n_tensors] = copy;
        put(s, copy, NNCF_U8, c->bits);
        last_shape(s)[0] = (int64_t)((layer->weight_count + 7) / 8);
    }
    const nncf__quantizer *quantizers[] = {c->weight_quantizer, c->input_quantizer, c->output_quantizer};
    for (size_t i = 0; i < sizeof quantizers / sizeof *quantizers; i++)
        if (quantizers[i])
            put_quantizer(s, quantizers[i]);
    return NNCF_OK;
}

nncf_status nncf__state_make(const nncf_compression_ctrl *ctrl, nncf__state *state)
{
    nncf__state s = {.context = ctrl->context};
    const size_t most = ctrl->n_layers * MOST_TENSORS_A_LAYER + FIXED_TENSORS;
    nncf_status status = NNCF_OK;
    s.tensors = nncf__calloc(s.context, most, sizeof *s.tensors);
    s.shapes = nncf__calloc(s.context, most, sizeof *s.shapes);
    s.names = nncf__calloc(s.context, most, sizeof *s.names);
    s.quantizers = nncf__calloc(s.context, 3 * ctrl->n_layers + 1, 2 * sizeof *s.quantizers);
    if (!s.tensors || !s.shapes || !s.names || !s.quantizers)
        status = NNCF_E_NOMEM;
    for (size_t i = 0; status == NNCF_OK && i < ctrl->n_layers; i++)
        status = put_layer(&s, ctrl->model->layers[i], &ctrl->layers[i]);
    if (status != NNCF_OK) {
        nncf__state_free(&s);
        return status;
    }
    *state = s; /* the next one points into it */
    state->levels[0] = ctrl->schedule.level;
    state->levels[1] = ctrl->threshold;
    put(state, "nncf.levels", NNCF_F64, state->levels);
    last_shape(state)[0] = 2;
    put(state, "nncf.quantizers", NNCF_I32, state->quantizers)->ndim = 2;
    last_shape(state)[0] = (int64_t)state->n_quantizers;
    last_shape(state)[1] = 2;
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
    memset(state, 0, sizeof *state);
}

/* The values of the snapshot's own tensors and texts, before anything is copied. */
typedef struct saved {
    int64_t counters[N_COUNTERS];
    double levels[2];
    const int32_t *quantizers; /* [n][2], in the checkpoint */
} saved;

static nncf_status read_saved(const nncf_checkpoint *c, const nncf__state *state, saved *v, nncf_error *err)
{
    for (int i = 0; i < N_COUNTERS; i++) {
        const char *text = nncf_checkpoint_text_get(c, counter_names[i]);
        if (!text && i >= SCHEDULE_STEP) {
            v->counters[i] = 0;
            continue;
        }
        if (!text)
            return nncf__fail(err, NNCF_E_NOTFOUND, counter_names[i], "%s has no \"%s\"", c->path, counter_names[i]);
        bool in_range = nncf__parse_int64(text, &v->counters[i]) && (i == SEED || v->counters[i] >= 0);
        if ((i == FROZEN || i == INIT_DONE || i == STEPPED || i == ARRIVED) && v->counters[i] > 1)
            in_range = false;
        if (i == SCHEDULE_COUNT && v->counters[i] > INT32_MAX)
            in_range = false;
        if (!in_range)
            return nncf__fail(err, NNCF_E_FORMAT, counter_names[i], "%s: \"%s\" is not a number in range", c->path,
                              counter_names[i]);
    }
    memcpy(v->levels, nncf__checkpoint_find(c, "nncf.levels")->data, sizeof v->levels);
    if (!(v->levels[0] >= 0 && v->levels[0] <= 1))
        return nncf__fail(err, NNCF_E_FORMAT, "nncf.levels", "%s: the sparsity level is not in 0..1", c->path);
    v->quantizers = nncf__checkpoint_find(c, "nncf.quantizers")->data;
    for (size_t i = 0; i < state->n_quantizers; i++) {
        int32_t sign = v->quantizers[2 * i], initialized = v->quantizers[2 * i + 1];
        if (sign < NNCF__SIGN_AUTO || sign > NNCF__SIGNED || initialized < 0 || initialized > 1)
            return nncf__fail(err, NNCF_E_FORMAT, "nncf.quantizers", "%s: the state of quantizer %zu is out of range",
                              c->path, i);
    }
    return NNCF_OK;
}

static void apply(const saved *v, nncf_compression_ctrl *ctrl)
{
    size_t next = 0;
    ctrl->epoch = v->counters[EPOCH];
    ctrl->step = v->counters[STEP];
    ctrl->frozen = v->counters[FROZEN] != 0;
    ctrl->init_done = v->counters[INIT_DONE] != 0;
    ctrl->init_begun = ctrl->init_done ? ctrl->init_wanted : 0;
    ctrl->schedule.epoch = v->counters[SCHEDULE_EPOCH];
    ctrl->schedule.bad_epochs = (int32_t)v->counters[SCHEDULE_COUNT];
    ctrl->schedule.step = v->counters[SCHEDULE_STEP];
    if (v->counters[STEPS_PER_EPOCH] > 0)
        ctrl->schedule.steps_per_epoch = v->counters[STEPS_PER_EPOCH];
    ctrl->schedule.level = v->levels[0];
    ctrl->threshold = v->levels[1];
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        const nncf__layer_compression *c = &ctrl->layers[i];
        nncf__quantizer *quantizers[] = {c->weight_quantizer, c->input_quantizer, c->output_quantizer};
        for (size_t j = 0; j < sizeof quantizers / sizeof *quantizers; j++) {
            if (!quantizers[j])
                continue;
            quantizers[j]->params.sign = v->quantizers[2 * next];
            quantizers[j]->initialized = v->quantizers[2 * next + 1] != 0;
            quantizers[j]->observing = false;
            next++;
        }
    }
}

static nncf_status restore(const nncf_checkpoint *c, nncf_compression_ctrl *ctrl, nncf__state *state, nncf_error *err)
{
    saved v;
    nncf_status status = nncf__checkpoint_verify(c, state->tensors, state->n_tensors, err);
    if (status != NNCF_OK || (status = read_saved(c, state, &v, err)) != NNCF_OK)
        return status;
    uint64_t seed;
    memcpy(&seed, &v.counters[SEED], sizeof seed);
    if (seed != ctrl->context->params.seed)
        nncf__log(ctrl->context, NNCF_LOG_WARNING,
                  "%s was trained with seed %llu, the context has %llu: random masks will differ from those of a run "
                  "that was not interrupted",
                  c->path, (unsigned long long)seed, (unsigned long long)ctrl->context->params.seed);
    nncf__checkpoint_copy(c, state->tensors, state->n_tensors);
    apply(&v, ctrl);
    if ((status = nncf__ctrl_restored(ctrl)) != NNCF_OK)
        return nncf__fail(err, status, c->path, "the controller cannot go on from %s", c->path);
    /* not derived from the counters: where within an epoch the snapshot was made */
    ctrl->stepped = v.counters[STEPPED] != 0;
    ctrl->arrived_before = v.counters[ARRIVED] != 0;
    return NNCF_OK;
}

nncf_status nncf_checkpoint_restore(const nncf_checkpoint *checkpoint, nncf_compression_ctrl *ctrl, nncf_error *err)
{
    if (!checkpoint || !ctrl)
        return nncf__fail(err, NNCF_E_ARG, NULL, "%s is NULL", !checkpoint ? "checkpoint" : "ctrl");
    if (!ctrl->model)
        return nncf__fail(err, NNCF_E_STATE, NULL, "the controller's model is gone");
    const char *config = nncf_checkpoint_text_get(checkpoint, "nncf.config");
    if (!config)
        return nncf__fail(err, NNCF_E_NOTFOUND, "nncf.config",
                          "%s holds no controller's state: save with the controller", checkpoint->path);
    char difference[320];
    if (nncf__json_difference(ctrl->canonical_config ? ctrl->canonical_config : "", config, difference,
                              sizeof difference))
        return nncf__fail(err, NNCF_E_CONFIG, "compression", "%s was made with another config: %s", checkpoint->path,
                          difference);
    nncf__state state = {0};
    nncf_status status = nncf__state_make(ctrl, &state);
    if (status != NNCF_OK)
        return nncf__fail(err, status, checkpoint->path, "out of memory");
    status = restore(checkpoint, ctrl, &state, err);
    nncf__state_free(&state);
    return status;
}
