/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restoring a controller from a snapshot, in this order:
 * 1. compare the configs; if they differ, fail with all differences, or with accept_config leave
 * the rest to adopt.c;
 * 2. check every tensor and counter, and allocate what initialization will need;
 * 3. copy tensors, apply counters and quantizers: nothing fails from here on;
 * 4. nncf__ctrl_restored() makes level, masks and flags agree with them.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "controller/init.h"
#include "controller/shrink.h"
#include "controller/stages.h"
#include "controller/step.h"
#include "controller/update.h"
#include "formats/checkpoint/adopt.h"
#include "formats/checkpoint/differ.h"
#include "formats/checkpoint/filters.h"
#include "formats/checkpoint/order.h"
#include "formats/checkpoint/state.h"
#include "formats/safetensors/names.h"
#include "formats/safetensors/sha256.h"
#include "formats/safetensors/tensors.h"
#include "graph/layout.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/tensor.h>

#include <string.h>

static nncf_status read_counters(const nncf_checkpoint *c, nncf__saved *v, nncf_error *err)
{
    for (int i = 0; i < NNCF__N_COUNTERS; i++) {
        const char *text = nncf_checkpoint_get_text(c, nncf__counter_names[i]);
        if (!text && i >= NNCF__SCHEDULE_STEP) {
            v->counters[i] = 0;
            continue;
        }
        if (!text)
            return nncf__fail(err, NNCF_E_NOTFOUND, nncf__counter_names[i], "%s has no \"%s\"",
                c->path, nncf__counter_names[i]);
        v->counters[i] = 0;
        bool in_range =
            nncf__parse_int64(text, &v->counters[i]) && (i == NNCF__SEED || v->counters[i] >= 0);
        if ((i == NNCF__FROZEN || i == NNCF__INIT_DONE || i == NNCF__STEPPED ||
                i == NNCF__ARRIVED || i == NNCF__BY_HAND || i == NNCF__BITS_CHOSEN) &&
            v->counters[i] > 1)
            in_range = false;
        if (i == NNCF__SCHEDULE_COUNT && v->counters[i] > INT32_MAX)
            in_range = false;
        if (!in_range)
            return nncf__fail(err, NNCF_E_FORMAT, nncf__counter_names[i],
                "%s: \"%s\" is not a number in range", c->path, nncf__counter_names[i]);
    }
    return NNCF_OK;
}

/* Counters and levels, checked. */
static nncf_status read_saved(const nncf_checkpoint *c, nncf__saved *v, nncf_error *err)
{
    static const int64_t two[] = {2};
    const nncf_checkpoint_tensor levels = {
        "nncf.levels", {.data = v->levels, .dtype = NNCF_F64, .ndim = 1, .shape = two}};
    nncf_status status = nncf__checkpoint_verify(c, &levels, 1, err);
    if (status != NNCF_OK || (status = read_counters(c, v, err)) != NNCF_OK)
        return status;
    nncf__checkpoint_copy(c, &levels, 1);
    if (!(v->levels[0] >= 0 && v->levels[0] <= 1))
        return nncf__fail(
            err, NNCF_E_FORMAT, "nncf.levels", "%s: the sparsity level is not in 0..1", c->path);
    return NNCF_OK;
}

static nncf_status check_quantizers(
    const nncf_checkpoint *c, const nncf__state *state, nncf_error *err)
{
    const int32_t *saved = nncf__checkpoint_find(c, "nncf.quantizers")->data;
    for (size_t i = 0; i < state->n_quantizers; i++) {
        int32_t sign = saved[2 * i], initialized = saved[2 * i + 1];
        if (sign < NNCF__SIGN_AUTO || sign > NNCF__SIGNED || initialized < 0 || initialized > 1)
            return nncf__fail(err, NNCF_E_FORMAT, "nncf.quantizers",
                "%s: the state of quantizer %zu is out of range", c->path, i);
    }
    return NNCF_OK;
}

/* In the order of the controller's state. */
static nncf_status order_of_quantizers(const nncf_checkpoint *c, const nncf_compression_ctrl *ctrl,
    const nncf__state *state, nncf__order *order, nncf_error *err)
{
    const char **names = nncf__calloc(c->context, state->n_quantizers + 1, sizeof *names);
    size_t count = 0;
    if (!names)
        return nncf__fail(err, NNCF_E_NOMEM, c->path, "out of memory");
    for (size_t i = 0; i < ctrl->n_layers; i++)
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
            const nncf__quantizer *q = nncf__layer_own_quantizer(&ctrl->layers[i], j);
            if (q)
                names[count++] = q->name;
        }
    const nncf_status status = nncf__order_find(c, NNCF__QUANTIZER_NAMES, names, count, order, err);
    nncf__free(c->context, names);
    return status;
}

/* "nncf.bits", from the order of the file to that of the controller. */
static void order_bits(const nncf_checkpoint *c, const nncf__state *state, const nncf__order *order)
{
    const int32_t *saved = nncf__checkpoint_find(c, NNCF__BITS_TENSOR)->data;
    for (size_t i = 0; i < state->n_quantizers; i++)
        state->bits[order->of[i]] = saved[i];
}

static nncf_status check_bits(const nncf_checkpoint *c, const nncf_compression_ctrl *ctrl,
    const nncf__state *state, const nncf__order *order, nncf_error *err)
{
    size_t at = 0;
    if (!ctrl->precision)
        return NNCF_OK;
    order_bits(c, state, order);
    for (size_t i = 0; i < ctrl->n_layers; i++)
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
            const nncf__quantizer *q = nncf__layer_own_quantizer(&ctrl->layers[i], j);
            if (q && !nncf__precision_allows(ctrl, q, state->bits[at++]))
                return nncf__fail(err, NNCF_E_FORMAT, NNCF__BITS_TENSOR,
                    "%s: %s cannot have %d bits", c->path, q->name, (int)state->bits[at - 1]);
        }
    return NNCF_OK;
}

static void apply_bits(const int32_t *bits, nncf_compression_ctrl *ctrl)
{
    for (size_t i = 0; i < ctrl->n_layers; i++)
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
            nncf__quantizer *q = nncf__layer_own_quantizer(&ctrl->layers[i], j);
            if (q)
                q->params.bits = *bits++;
        }
}

/* states: sign and "initialized" of each, in the order of the controller. */
static void apply_quantizers(const int32_t *states, nncf_compression_ctrl *ctrl)
{
    /* which initializes all ranges again */
    const bool stage_begins = nncf__stages_begin(ctrl, ctrl->epoch);
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
            nncf__quantizer *q = nncf__layer_own_quantizer(&ctrl->layers[i], j);
            if (!q)
                continue;
            q->params.sign = states[0];
            nncf__quantizer_set_has_range(q, states[1] != 0);
            q->observing = false;
            /* a range of an activation before initialization is over can only be that of an earlier
             * stage */
            q->kept = q->initialized && !q->is_weight && ctrl->init_phase != NNCF__PHASE_DONE &&
                !stage_begins;
            states += 2;
        }
    }
}

static void warn_order(
    const nncf_checkpoint *c, const nncf_compression_ctrl *ctrl, const nncf__order *order)
{
    if (!order->same && ctrl->sparsity_kind == NNCF__RB_SPARSITY)
        nncf__log(ctrl->context, NNCF_LOG_WARNING,
            "%s was saved by a program that registers the layers in another order: random masks "
            "will differ from those of a run that was not interrupted",
            c->path);
}

static void warn_seed(
    const nncf_checkpoint *c, const nncf_compression_ctrl *ctrl, const nncf__saved *v)
{
    uint64_t seed;
    memcpy(&seed, &v->counters[NNCF__SEED], sizeof seed);
    if (seed != ctrl->context->params.seed)
        nncf__log(ctrl->context, NNCF_LOG_WARNING,
            "%s was trained with seed %llu, the context has %llu: random masks will differ from "
            "those of a run "
            "that was not interrupted",
            c->path, (unsigned long long)seed, (unsigned long long)ctrl->context->params.seed);
}

/* What is kept of each parameter, in the order of the controller. */
static nncf_status sort_optimizer(const nncf_checkpoint *c, const nncf_compression_ctrl *ctrl,
    nncf__optimizer *optimizer, nncf_error *err)
{
    nncf__order order = {0};
    nncf__optimizer sorted = {0};
    const char **names = nncf__calloc(c->context, ctrl->n_parameters + 1, sizeof *names);
    size_t *starts = nncf__calloc(c->context, ctrl->n_parameters + 1, sizeof *starts), from = 0;
    for (size_t i = 0; names && starts && i < ctrl->n_parameters; i++) {
        names[i] = ctrl->parameters[i].name;
        starts[i + 1] = starts[i] + ctrl->parameters[i].count;
    }
    nncf_status status = names && starts
        ? nncf__order_find(c, NNCF__OPTIMIZER_NAMES, names, ctrl->n_parameters, &order, err)
        : nncf__fail(err, NNCF_E_NOMEM, c->path, "out of memory");
    if (status == NNCF_OK && !order.same &&
        (status = nncf__optimizer_make(ctrl, optimizer->kind, &sorted)) != NNCF_OK)
        nncf__fail(err, status, c->path, "out of memory");
    for (size_t i = 0; sorted.first && i < ctrl->n_parameters; i++) {
        const size_t start = starts[order.of[i]], count = ctrl->parameters[order.of[i]].count;
        memcpy(sorted.first + start, optimizer->first + from, count * sizeof(float));
        if (sorted.second)
            memcpy(sorted.second + start, optimizer->second + from, count * sizeof(float));
        from += count;
    }
    if (sorted.first) {
        nncf__optimizer_free(ctrl, optimizer);
        *optimizer = sorted;
    }
    nncf__free(c->context, order.of);
    nncf__free(c->context, starts);
    nncf__free(c->context, names);
    return status;
}

/* The optimizer of a snapshot, NNCF__OPTIMIZER_NONE where it has none. The caller frees it. */
static nncf_status read_optimizer(const nncf_checkpoint *c, const nncf_compression_ctrl *ctrl,
    nncf__optimizer *optimizer, nncf_error *err)
{
    static const int64_t two[] = {2};
    const int64_t count[] = {(int64_t)nncf__optimizer_count(ctrl)};
    int64_t saved[2];
    const nncf_checkpoint_tensor head = {
        NNCF__OPTIMIZER_TENSOR, {.data = saved, .dtype = NNCF_I64, .ndim = 1, .shape = two}};
    *optimizer = (nncf__optimizer){0};
    if (!nncf__checkpoint_find(c, NNCF__OPTIMIZER_TENSOR))
        return NNCF_OK;
    nncf_status status = nncf__checkpoint_verify(c, &head, 1, err);
    if (status != NNCF_OK)
        return status;
    nncf__checkpoint_copy(c, &head, 1);
    if ((saved[0] != NNCF__OPTIMIZER_SGD && saved[0] != NNCF__OPTIMIZER_ADAM) || saved[1] < 0)
        return nncf__fail(err, NNCF_E_FORMAT, NNCF__OPTIMIZER_TENSOR,
            "%s: the state of the optimizer is out of range", c->path);
    if (nncf__optimizer_make(ctrl, (int32_t)saved[0], optimizer) != NNCF_OK)
        return nncf__fail(err, NNCF_E_NOMEM, c->path, "out of memory");
    const nncf_checkpoint_tensor kept[] = {
        {NNCF__FIRST_TENSOR, {.data = optimizer->first, .ndim = 1, .shape = count}},
        {NNCF__SECOND_TENSOR, {.data = optimizer->second, .ndim = 1, .shape = count}}};
    const size_t n = optimizer->second ? 2 : 1;
    status = nncf__checkpoint_verify(c, kept, n, err);
    if (status == NNCF_OK) {
        nncf__checkpoint_copy(c, kept, n);
        status = sort_optimizer(c, ctrl, optimizer, err);
    }
    if (status != NNCF_OK)
        nncf__optimizer_free(ctrl, optimizer);
    else
        optimizer->steps = saved[1];
    return status;
}

static nncf_status check_filters(
    const nncf_checkpoint *c, const nncf_compression_ctrl *ctrl, nncf_error *err)
{
    const nncf__entry **masks = NULL;
    nncf_status status = nncf__filters_find(c, ctrl, &masks, err);
    if (status == NNCF_OK)
        status = nncf__filters_check(c, ctrl, masks, err);
    nncf__free(ctrl->context, masks);
    return status;
}

/* A snapshot of the same config: all of it is there. */
static nncf_status restore_all(const nncf_checkpoint *c, nncf_compression_ctrl *ctrl,
    const nncf__state *state, nncf_checkpoint_restore_report *report, nncf_error *err)
{
    nncf__saved v;
    nncf__order order;
    nncf_status status = nncf__checkpoint_verify(c, state->tensors, state->n_tensors, err);
    if (status != NNCF_OK || (status = read_saved(c, &v, err)) != NNCF_OK ||
        (status = check_quantizers(c, state, err)) != NNCF_OK ||
        (status = check_filters(c, ctrl, err)) != NNCF_OK ||
        (status = order_of_quantizers(c, ctrl, state, &order, err)) != NNCF_OK)
        return status;
    if ((status = check_bits(c, ctrl, state, &order, err)) != NNCF_OK) {
        nncf__free(c->context, order.of);
        return status;
    }
    if (!v.counters[NNCF__INIT_DONE] && (status = nncf__init_observers(ctrl)) != NNCF_OK) {
        nncf__free(c->context, order.of);
        return nncf__fail(err, status, c->path, "out of memory");
    }
    warn_seed(c, ctrl, &v);
    warn_order(c, ctrl, &order);
    nncf__checkpoint_copy(c, state->tensors, state->n_tensors);
    nncf__saved_apply(&v, ctrl, true);
    const int32_t *saved = nncf__checkpoint_find(c, "nncf.quantizers")->data;
    for (size_t i = 0; i < state->n_quantizers; i++)
        memcpy(&state->quantizers[2 * order.of[i]], &saved[2 * i], 2 * sizeof *saved);
    if (ctrl->precision) {
        order_bits(c, state, &order);
        apply_bits(state->bits, ctrl);
        nncf__precision_restored(ctrl, v.counters[NNCF__BITS_CHOSEN] != 0);
    }
    nncf__free(c->context, order.of);
    apply_quantizers(state->quantizers, ctrl);
    if ((status = nncf__ctrl_restored(ctrl)) != NNCF_OK)
        return nncf__fail(err, status, c->path, "the controller cannot go on from %s", c->path);
    nncf__saved_apply_moment(&v, ctrl); /* not derived from the counters */
    for (size_t i = 0; i < ctrl->n_layers; i++)
        report->masks_taken += ctrl->layers[i].mask_kind != NNCF__MASK_NONE;
    report->quantizers_taken = state->n_quantizers;
    report->initialization_needed = ctrl->init_phase != NNCF__PHASE_DONE && nncf__init_wanted(ctrl);
    return NNCF_OK;
}

static nncf_status restore_same(const nncf_checkpoint *c, nncf_compression_ctrl *ctrl,
    nncf_checkpoint_restore_report *report, nncf_error *err)
{
    nncf__state state = {0};
    nncf__optimizer optimizer = {0};
    const bool removed = nncf_checkpoint_get_text(c, NNCF__REMOVED) != NULL;
    nncf_status status = nncf__state_make(ctrl, removed ? 0 : NNCF__WITH_FILTERS, &state);
    if (status != NNCF_OK)
        return nncf__fail(err, status, c->path, "out of memory");
    status = read_optimizer(c, ctrl, &optimizer, err);
    if (status == NNCF_OK)
        status = restore_all(c, ctrl, &state, report, err);
    nncf__state_free(&state);
    /* what is not needed: the one read, or the one before */
    nncf__optimizer_free(ctrl, status == NNCF_OK ? &ctrl->optimizer : &optimizer);
    if (status == NNCF_OK)
        ctrl->optimizer = optimizer;
    return status;
}

/* A snapshot of another one: what both have. */
static nncf_status restore_other(const nncf_checkpoint *c, nncf_compression_ctrl *ctrl,
    nncf_checkpoint_restore_report *report, nncf_error *err)
{
    nncf__saved v;
    nncf_status status = read_saved(c, &v, err);
    if (status != NNCF_OK)
        return status;
    status = nncf__adopt(c, ctrl, &v, report, err);
    if (status != NNCF_OK)
        return status;
    nncf__optimizer_free(ctrl, &ctrl->optimizer); /* a new stage begins */
    warn_seed(c, ctrl, &v);
    return status;
}

/* Log every line of a text. */
static void log_lines(
    nncf_context *context, int32_t level, const char *path, const nncf__text *lines)
{
    for (const char *p = lines->data; p && *p; p += strcspn(p, "\n") + 1)
        nncf__log(context, level, "%s: config: %.*s", path, (int)strcspn(p, "\n"), p);
}

/* Fail with all lines in one message; if it cannot hold them all, log them. */
static nncf_status refuse_config(const nncf_checkpoint *c, const nncf_compression_ctrl *ctrl,
    size_t count, const nncf__text *lines, nncf_error *err)
{
    nncf__text message = {.context = ctrl->context};
    nncf__text_printf(&message, "%s was made with another config (%zu difference%s): ", c->path,
        count, count == 1 ? "" : "s");
    for (const char *p = lines->data; p && *p; p += strcspn(p, "\n") + 1)
        nncf__text_printf(
            &message, "%s%.*s", p == lines->data ? "" : "; ", (int)strcspn(p, "\n"), p);
    if (message.failed || message.length >= sizeof err->message)
        log_lines(ctrl->context, NNCF_LOG_ERROR, c->path, lines);
    nncf_status status =
        nncf__fail(err, NNCF_E_CONFIG, "compression", "%s", message.data ? message.data : c->path);
    nncf__text_free(&message);
    return status;
}

/* The snapshot's config against the controller's. With `accept` a difference is a warning. */
static nncf_status compare_configs(const nncf_checkpoint *c, const nncf_compression_ctrl *ctrl,
    bool accept, size_t *differences, nncf_error *err)
{
    const char *config = nncf_checkpoint_get_text(c, "nncf.config");
    const char *digest = nncf_checkpoint_get_text(c, "nncf.config_sha256");
    char computed[NNCF__DIGEST_TEXT];
    if (!config)
        return nncf__fail(err, NNCF_E_NOTFOUND, "nncf.config",
            "%s holds no controller's state: save with the controller", c->path);
    nncf__sha256_text(config, strlen(config), computed);
    if (digest && strcmp(digest, computed) != 0)
        return nncf__fail(err, NNCF_E_FORMAT, "nncf.config_sha256",
            "%s: the config does not match its digest", c->path);
    nncf__text lines = {.context = ctrl->context};
    nncf_status status = nncf__config_differences(
        ctrl->canonical_config ? ctrl->canonical_config : "", config, &lines, differences);
    if (status != NNCF_OK)
        status = nncf__fail(err, status, c->path, "out of memory");
    else if (*differences > 0 && accept)
        log_lines(ctrl->context, NNCF_LOG_WARNING, c->path, &lines);
    else if (*differences > 0)
        status = refuse_config(c, ctrl, *differences, &lines, err);
    nncf__text_free(&lines);
    return status;
}

/* Filters that are gone are those of the level at their removal, wherever the schedule is. */
static void keep_level(const nncf_checkpoint *c, nncf_compression_ctrl *ctrl)
{
    const nncf__entry *levels = nncf__checkpoint_find(c, "nncf.levels");
    if (levels && ctrl->pruning && !nncf__ctrl_has_schedule(ctrl))
        memcpy(&ctrl->pruning->level, levels->data, sizeof ctrl->pruning->level);
}

static nncf_status restore(const nncf_checkpoint *checkpoint, nncf_compression_ctrl *ctrl,
    const nncf_checkpoint_restore_params *params, nncf_checkpoint_restore_report *report,
    nncf_error *err)
{
    nncf_checkpoint_restore_params p = {NNCF_PARAMS(nncf_checkpoint_restore_params)};
    nncf_status status = NNCF_OK;
    if (!checkpoint || !ctrl)
        return nncf__fail(err, NNCF_E_ARG, NULL, "%s is NULL", !checkpoint ? "checkpoint" : "ctrl");
    if (params &&
        (status = nncf__params_copy(&p, sizeof p, params, "nncf_checkpoint_restore_params", err)) !=
            NNCF_OK)
        return status;
    if (p.accept_config < 0 || p.accept_config > 1 || p.reserved != 0)
        return nncf__fail(
            err, NNCF_E_ARG, NULL, "nncf_checkpoint_restore_params: accept_config must be 0 or 1");
    if (!ctrl->model)
        return nncf__fail(err, NNCF_E_STATE, NULL, "the controller's model is gone");
    if ((status = nncf__precision_check_idle(ctrl, "nncf_checkpoint_restore", err)) != NNCF_OK)
        return status;
    nncf__model_pull_weights(ctrl->model);
    nncf_checkpoint_restore_report r = {NNCF_PARAMS(nncf_checkpoint_restore_report)};
    if (report &&
        (status = nncf__params_copy(&r, sizeof r, report, "nncf_checkpoint_restore_report", err)) !=
            NNCF_OK)
        return status;
    r = (nncf_checkpoint_restore_report){NNCF_PARAMS(nncf_checkpoint_restore_report)};
    size_t differences = 0;
    status = compare_configs(checkpoint, ctrl, p.accept_config != 0, &differences, err);
    const char *removed = nncf_checkpoint_get_text(checkpoint, NNCF__REMOVED);
    char *copy = NULL;
    if (status == NNCF_OK)
        status = nncf__removed_check(ctrl, removed, checkpoint->path, err);
    if (status == NNCF_OK && removed && !(copy = nncf__strdup(ctrl->context, removed)))
        status = nncf__fail(err, NNCF_E_NOMEM, checkpoint->path, "out of memory");
    if (status == NNCF_OK)
        status = (differences ? restore_other : restore_same)(checkpoint, ctrl, &r, err);
    if (status == NNCF_OK && copy)
        nncf__removed_take(ctrl, copy);
    else
        nncf__free(ctrl->context, copy);
    if (status == NNCF_OK && removed)
        keep_level(checkpoint, ctrl);
    /* those of dropout, in a program that begins here, are none */
    for (size_t i = 0; i < ctrl->model->n_layers && status == NNCF_OK; i++)
        ctrl->model->layers[i]->drop_backwards = 0;
    return status == NNCF_OK && report ? nncf__result_copy(report, &r, sizeof r) : status;
}

nncf_status nncf_checkpoint_restore(const nncf_checkpoint *checkpoint, nncf_compression_ctrl *ctrl,
    const nncf_checkpoint_restore_params *params, nncf_checkpoint_restore_report *report,
    nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = restore(checkpoint, ctrl, params, report, &reason);
    return nncf__report(
        ctrl ? ctrl->context : NULL, "nncf_checkpoint_restore", NULL, status, &reason, err);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_checkpoint_restore_params, )
NNCF__STRUCT_INIT(nncf_checkpoint_restore_report, )
