/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot of another stage of training: for example magnitude sparsity, whose zeros
 * const_sparsity then keeps. If the configs differ a controller takes over, by name, what both
 * stages have, and logs the rest. Everything is decided before anything is changed.
 * docs/snapshots.md has the table of stages.
 */
#include "formats/checkpoint/adopt.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "binarization/binarizer.h"
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "controller/init.h"
#include "controller/pruning.h"
#include "controller/sparsity.h"
#include "controller/step.h"
#include "formats/checkpoint/filters.h"
#include "formats/checkpoint/masks.h"
#include "formats/checkpoint/state.h"
#include "formats/safetensors/json.h"
#include "formats/safetensors/safetensors.h"
#include "formats/safetensors/tensors.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"
#include "quantization/quantizer_create.h"
#include "sparsity/magnitude.h"
#include "sparsity/masked_layers.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <math.h>
#include <string.h>

enum mask_action { MASK_STAYS, MASK_FRESH, MASK_TAKEN };

/* What the snapshot has of a quantizer. */
typedef struct saved_range {
    /* its parameters, `length` of asymmetric ones; NULL: there is none */
    const nncf__entry *bound, *length;
    /* one is a range and the other its logarithm */
    bool converts;
    /* of the quantizer in "nncf.quantizers", from 1 on; 0: unknown */
    uint32_t number;
} saved_range;

/* What is taken over of a layer's mask and quantizers. */
typedef struct decision {
    enum mask_action action;
    enum nncf__mask_form form;
    const nncf__entry *mask;
    bool quantizer_taken[NNCF__N_SLOTS];
    saved_range ranges[NNCF__N_SLOTS];
    /* values, turns and bits; NULL: the snapshot has none that fit */
    const nncf__entry *oscillation[3];
    /* sign, initialized */
    const int32_t *saved[NNCF__N_SLOTS];
} decision;

typedef struct adoption {
    const nncf_checkpoint *c;
    nncf_compression_ctrl *ctrl;
    /* [n_layers] */
    decision *decisions;
    /* [n_entries]: of the quantizer whose first tensor it is, from 1 on */
    uint32_t *number;
    /* [n_entries] */
    bool *used;
    const int32_t *saved;
    size_t n_saved;
    /* [n_saved], of a snapshot that has chosen bits for all quantizers of this controller, which
     * may have them; NULL: they are not taken */
    const int32_t *bits;
    /* [n_layers], of filters; NULL in it: there is none */
    const nncf__entry **filters;
    /* masks and quantizers of the snapshot that belong to a layer of the model */
    size_t related;
    nncf_checkpoint_restore_report report;
    /* names, by kind of report */
    nncf__text lines[4];
} adoption;

enum { LEFT_MASKS, LEFT_QUANTIZERS, FRESH_MASKS, FRESH_QUANTIZERS };

static void name_one(adoption *a, int kind, size_t count, const char *name)
{
    enum { NAMED = 6 };
    if (count <= NAMED)
        nncf__text_printf(&a->lines[kind], "%s%.128s", count == 1 ? "" : ", ", name);
    else if (count == NAMED + 1)
        nncf__text_printf(&a->lines[kind], ", ...");
}

static const nncf__entry *find(
    const adoption *a, nncf__text *name, const char *front, const char *scope, const char *end)
{
    name->length = 0;
    nncf__text_printf(name, "%s%s%s", front, scope, end);
    return name->failed ? NULL : nncf__checkpoint_find(a->c, name->data);
}

/* ---- what the snapshot has ---- */

/* Number the quantizers that "nncf.quantizer_names" lists, in the order of "nncf.quantizers". */
static nncf_status number_quantizers(adoption *a, nncf_error *err)
{
    const char *text = nncf_checkpoint_get_text(a->c, "nncf.quantizer_names");
    const nncf__entry *states = nncf__checkpoint_find(a->c, "nncf.quantizers");
    if (!states || states->dtype != NNCF_I32 || states->ndim != 2 || states->shape[1] != 2)
        return nncf__fail(err, NNCF_E_FORMAT, "nncf.quantizers",
            "%s: \"nncf.quantizers\" is missing or damaged", a->c->path);
    a->saved = states->data;
    a->n_saved = (size_t)states->shape[0];
    if (!text)
        return NNCF_OK; /* then the ranges cannot be identified: all are initialized again */
    char *name = nncf__alloc(a->c->context, strlen(text) + 1);
    nncf__json j;
    size_t n = 0;
    if (!name)
        return nncf__fail(err, NNCF_E_NOMEM, a->c->path, "out of memory");
    nncf__json_start(&j, text, strlen(text));
    nncf__json_open(&j);
    while (nncf__json_more(&j) && n < a->n_saved) {
        nncf__json_span s;
        nncf__json_string(&j, &s);
        if (j.flaw)
            break;
        name[nncf__json_decode(text, &s, name, strlen(text))] = 0;
        const nncf__entry *e = nncf__checkpoint_find(a->c, name);
        n++;
        if (e)
            a->number[e - a->c->entries] = (uint32_t)n;
    }
    nncf__free(a->c->context, name);
    if (j.flaw || n != a->n_saved)
        return nncf__fail(err, NNCF_E_FORMAT, "nncf.quantizer_names",
            "%s: \"nncf.quantizer_names\" is damaged", a->c->path);
    return NNCF_OK;
}

/* How many masks and quantizers of the snapshot belong to the layer, whatever this controller does
 * with it. */
static void count_related(adoption *a, const nncf_layer *layer, nncf__text *name)
{
    const nncf__entry *bits = find(a, name, "nncf.", layer->scope, ".mask"),
                      *logits = find(a, name, "", layer->scope, ".pre_ops.mask");
    a->related += bits || logits;
    static const char *const firsts[] = {".scale", ".input_low", ".log_scale", ".log_range"};
    enum { FIRSTS = sizeof firsts / sizeof *firsts };
    for (int i = 0; i < FIRSTS * NNCF__N_SLOTS; i++) {
        name->length = 0;
        nncf__text_printf(name, "%s%s%s", layer->scope, nncf__quantizer_name_suffixes[i / FIRSTS],
            firsts[i % FIRSTS]);
        a->related += !name->failed && nncf__checkpoint_find(a->c, name->data);
    }
}

/* ---- deciding ---- */

static nncf_status decide_mask(adoption *a, size_t i, nncf__text *name, nncf_error *err)
{
    const nncf_layer *layer = a->ctrl->model->layers[i];
    const int32_t kind = a->ctrl->layers[i].mask_kind;
    decision *f = &a->decisions[i];
    if (kind == NNCF__MASK_NONE)
        return NNCF_OK;
    const nncf__entry *bits = find(a, name, "nncf.", layer->scope, ".mask"),
                      *logits = find(a, name, "", layer->scope, ".pre_ops.mask");
    /* logits become bits, but bits cannot become logits */
    const nncf__entry *mask = kind == NNCF__MASK_BITS && bits ? bits : logits;
    f->form = mask ? nncf__mask_form_of(mask) : NNCF__FORM_NONE;
    if (f->form == NNCF__FORM_NONE) {
        f->action = MASK_FRESH;
        name_one(a, FRESH_MASKS, ++a->report.masks_fresh, layer->scope);
        return NNCF_OK;
    }
    if (!nncf__mask_fits(f->form, mask, layer->weight_count))
        return nncf__fail(err, NNCF_E_SHAPE, mask->name,
            "%s: the mask \"%.64s\" is for a weight of another size", a->c->path, mask->name);
    f->action = MASK_TAKEN;
    f->mask = mask;
    a->used[mask - a->c->entries] = true;
    a->report.masks_taken++;
    return NNCF_OK;
}

static bool holds_floats(const nncf__entry *e, size_t count)
{
    return e && e->dtype == NNCF_F32 && e->ndim == 1 && e->shape[0] == (int64_t)count;
}

/* The parameter of that name, or where there is none the range that it is the logarithm of, or its
 * logarithm. */
static const nncf__entry *find_range(
    const adoption *a, const nncf__quantizer *q, const char *own, nncf__text *name, bool *converts)
{
    const nncf__entry *e = nncf__checkpoint_find(a->c, own);
    if (e || q->binarizer)
        return e;
    const size_t front = (size_t)(strrchr(own, '.') - own);
    name->length = 0;
    nncf__text_append(name, own, front);
    nncf__text_printf(name, "%s",
        !q->params.logarithm ? ".log_range"
            : q->length      ? ".input_range"
                             : ".scale");
    e = name->failed ? NULL : nncf__checkpoint_find(a->c, name->data);
    *converts = e != NULL;
    return e;
}

static saved_range saved_range_of(const adoption *a, const nncf__quantizer *q, nncf__text *name)
{
    saved_range r = {0};
    if (q->length) { /* the lower end is no logarithm */
        r.bound = nncf__checkpoint_find(a->c, q->name);
        r.length = find_range(a, q, q->length_name, name, &r.converts);
    } else {
        r.bound = find_range(a, q, q->name, name, &r.converts);
    }
    r.number = r.bound ? a->number[r.bound - a->c->entries] : 0;
    return r;
}

static nncf_status decide_quantizer(
    adoption *a, size_t i, enum nncf__quantizer_slot slot, nncf__text *name, nncf_error *err)
{
    const nncf__quantizer *q = nncf__layer_own_quantizer(&a->ctrl->layers[i], slot);
    if (!q || (q->binarizer && q->is_weight)) /* that follows from the weight */
        return NNCF_OK;
    const saved_range r = a->decisions[i].ranges[slot] = saved_range_of(a, q, name);
    const uint32_t number = r.number;
    const int32_t *saved = number ? a->saved + 2 * (number - 1) : NULL;
    if (saved &&
        (saved[0] < NNCF__SIGN_AUTO || saved[0] > NNCF__SIGNED || saved[1] < 0 || saved[1] > 1))
        return nncf__fail(err, NNCF_E_FORMAT, "nncf.quantizers",
            "%s: the state of quantizer %u is out of range", a->c->path, (unsigned)number - 1);
    const nncf__binarizer *b = q->binarizer;
    if (saved && saved[1] == 1 && holds_floats(r.bound, q->channels) &&
        (!b || holds_floats(nncf__checkpoint_find(a->c, b->threshold_name), b->channels)) &&
        (!q->length || holds_floats(r.length, q->channels))) {
        a->decisions[i].quantizer_taken[slot] = true;
        a->decisions[i].saved[slot] = saved;
        a->used[r.bound - a->c->entries] = true;
        a->report.quantizers_taken++;
    } else {
        name_one(a, FRESH_QUANTIZERS, ++a->report.quantizers_fresh, q->name);
        if (slot > 0 && q->rule.kind != NNCF__RANGE_NONE)
            a->report.initialization_needed = 1;
    }
    return NNCF_OK;
}

static void decide_oscillation(adoption *a, size_t i, nncf__text *name)
{
    const nncf_layer *layer = a->ctrl->model->layers[i];
    const nncf__oscillation *o = a->ctrl->layers[i].oscillation;
    if (!o)
        return;
    const nncf__entry *values = find(a, name, "nncf.", layer->scope, NNCF__OSCILLATION_END),
                      *turns = find(a, name, "nncf.", layer->scope, NNCF__TURNS_END),
                      *bits = find(a, name, "nncf.", layer->scope, NNCF__CODE_BITS_END);
    const int64_t count = (int64_t)o->count;
    if (values && values->dtype == NNCF_F32 && values->ndim == 2 &&
        values->shape[0] == NNCF__OSCILLATION_VALUES && values->shape[1] == count && turns &&
        turns->dtype == NNCF_S8 && turns->ndim == 1 && turns->shape[0] == count && bits &&
        bits->dtype == NNCF_I32 && bits->ndim == 1 && bits->shape[0] == 1) {
        a->decisions[i].oscillation[0] = values;
        a->decisions[i].oscillation[1] = turns;
        a->decisions[i].oscillation[2] = bits;
    }
}

/* Bits that were chosen by sensitivity are taken all together, or chosen again. */
static void decide_bits(adoption *a, const nncf__saved *saved)
{
    const nncf__entry *e = nncf__checkpoint_find(a->c, NNCF__BITS_TENSOR);
    if (!a->ctrl->precision || !saved->counters[NNCF__BITS_CHOSEN] || !e || e->dtype != NNCF_I32 ||
        e->ndim != 1 || e->shape[0] != (int64_t)a->n_saved)
        return;
    const int32_t *bits = e->data;
    for (size_t i = 0; i < a->ctrl->n_layers; i++)
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
            const nncf__quantizer *q = nncf__layer_own_quantizer(&a->ctrl->layers[i], j);
            const uint32_t number = a->decisions[i].ranges[j].number;
            if (q && (!number || !nncf__precision_allows(a->ctrl, q, bits[number - 1])))
                return;
        }
    a->bits = bits;
}

/* What the snapshot has and the controller does not. */
static void count_left(adoption *a)
{
    for (size_t i = 0; i < a->c->n_entries; i++) {
        const nncf__entry *e = &a->c->entries[i];
        if (a->used[i])
            continue;
        if (nncf__mask_form_of(e) != NNCF__FORM_NONE)
            name_one(a, LEFT_MASKS, ++a->report.masks_left, e->name);
        else if (a->number[i])
            name_one(a, LEFT_QUANTIZERS, ++a->report.quantizers_left, e->name);
    }
}

static nncf_status decide(adoption *a, const nncf__saved *saved, nncf_error *err)
{
    nncf__text name = {.context = a->ctrl->context};
    nncf_status status = number_quantizers(a, err);
    for (size_t i = 0; status == NNCF_OK && i < a->ctrl->n_layers; i++) {
        count_related(a, a->ctrl->model->layers[i], &name);
        status = decide_mask(a, i, &name, err);
        decide_oscillation(a, i, &name);
        for (enum nncf__quantizer_slot slot = 0; status == NNCF_OK && slot < NNCF__N_SLOTS; slot++)
            status = decide_quantizer(a, i, slot, &name, err);
    }
    if (status == NNCF_OK && name.failed)
        status = nncf__fail(err, NNCF_E_NOMEM, a->c->path, "out of memory");
    nncf__text_free(&name);
    if (status != NNCF_OK)
        return status;
    decide_bits(a, saved);
    count_left(a);
    const size_t left = a->report.masks_left + a->report.quantizers_left;
    if (left > 0 && a->related == 0)
        return nncf__fail(err, NNCF_E_NOTFOUND, a->c->path,
            "%s is of another model: none of its %zu masks and quantizers is of a layer of this "
            "one",
            a->c->path, left);
    const nncf__masked_layers layers = nncf__ctrl_masked_layers(a->ctrl);
    if ((a->report.masks_fresh > 0 && a->ctrl->sparsity_kind == NNCF__MAGNITUDE_SPARSITY &&
            nncf__magnitude_reserve(&layers) != NNCF_OK) ||
        (a->report.initialization_needed && nncf__init_observers(a->ctrl) != NNCF_OK))
        return nncf__fail(err, NNCF_E_NOMEM, a->c->path, "out of memory");
    return NNCF_OK;
}

/* ---- doing ---- */

/* In double, once: the range's float and that of its logarithm. */
static void take_range(const saved_range *r, bool is_log, const nncf__entry *e, size_t n, float *to)
{
    const float *from = e->data;
    for (size_t c = 0; c < n; c++)
        to[c] = !r->converts ? from[c]
            : is_log         ? nncf__range_logarithm(from[c])
                             : (float)exp((double)from[c]);
}

static void take_quantizer(
    const adoption *a, const decision *f, nncf__quantizer *q, enum nncf__quantizer_slot slot)
{
    q->observing = false;
    q->kept = f->quantizer_taken[slot];
    if (a->bits)
        q->params.bits = a->bits[f->ranges[slot].number - 1];
    if (!q->kept) {
        nncf__quantizer_set_has_range(q, false);
        return;
    }
    if (q->binarizer)
        memcpy(q->binarizer->threshold,
            nncf__checkpoint_find(a->c, q->binarizer->threshold_name)->data,
            q->binarizer->channels * sizeof *q->binarizer->threshold);
    const saved_range *r = &f->ranges[slot];
    const bool is_log = q->params.logarithm == 1;
    if (q->length) {
        memcpy(q->bound, r->bound->data, q->channels * sizeof *q->bound);
        take_range(r, is_log, r->length, q->channels, q->length);
    } else {
        take_range(r, is_log, r->bound, q->channels, q->bound);
    }
    q->params.sign = f->saved[slot][0];
    nncf__quantizer_set_has_range(q, true);
}

/* What is known of a weight's codes, if they are the same: of the range and the bits that the
 * snapshot has. Else all of it is unseen. */
static void take_oscillation(const decision *f, const nncf__quantizer *q, nncf__oscillation *o)
{
    nncf__oscillation_restart(o, o->count);
    o->bits = q->params.bits;
    if (!f->quantizer_taken[NNCF__SLOT_WEIGHT] || !f->oscillation[0] ||
        *(const int32_t *)f->oscillation[2]->data != o->bits)
        return;
    memcpy(o->values, f->oscillation[0]->data,
        NNCF__OSCILLATION_VALUES * o->count * sizeof *o->values);
    memcpy(o->turns, f->oscillation[1]->data, o->count);
}

static void take_layer(const adoption *a, size_t i)
{
    const decision *f = &a->decisions[i];
    nncf__layer_compression *c = &a->ctrl->layers[i];
    const size_t count = a->ctrl->model->layers[i]->weight_count;
    const nncf__masked_layers layers = nncf__ctrl_masked_layers(a->ctrl);
    if (f->action == MASK_TAKEN && c->mask_kind == NNCF__MASK_RB)
        memcpy(c->logit, f->mask->data, count * sizeof *c->logit);
    else if (f->action == MASK_TAKEN)
        nncf__mask_to_bits(a->ctrl->context, f->form, f->mask, count, c->bits);
    else if (f->action == MASK_FRESH && a->ctrl->sparsity_kind == NNCF__CONST_SPARSITY)
        nncf__const_mask(&layers, i);
    for (enum nncf__quantizer_slot slot = 0; slot < NNCF__N_SLOTS; slot++) {
        nncf__quantizer *q = nncf__layer_own_quantizer(c, slot);
        if (q)
            take_quantizer(a, f, q, slot);
    }
    if (c->oscillation)
        take_oscillation(f, c->weight_quantizer, c->oscillation);
}

/* Everything is logged: the run continues with another state than the snapshot's. */
static void log_summary(const adoption *a)
{
    const nncf_checkpoint_restore_report *r = &a->report;
    nncf_context *context = a->ctrl->context;
    const char *const names[] = {a->lines[0].data ? a->lines[0].data : "",
        a->lines[1].data ? a->lines[1].data : "", a->lines[2].data ? a->lines[2].data : "",
        a->lines[3].data ? a->lines[3].data : ""};
    if (r->masks_left > 0)
        nncf__log(context, NNCF_LOG_WARNING,
            "%s: %zu masks are not taken over, and the weights come over as stored, without their "
            "zeros; "
            "const_sparsity keeps them: %s",
            a->c->path, r->masks_left, names[LEFT_MASKS]);
    if (r->quantizers_left > 0)
        nncf__log(context, NNCF_LOG_WARNING,
            "%s: the ranges of %zu quantizers are not taken over: %s", a->c->path,
            r->quantizers_left, names[LEFT_QUANTIZERS]);
    if (r->masks_fresh > 0)
        nncf__log(context, NNCF_LOG_WARNING, "%s has no mask for %zu layers, %s: %s", a->c->path,
            r->masks_fresh,
            a->ctrl->sparsity_kind == NNCF__CONST_SPARSITY
                ? "which keep the zeros that their weights have"
                : a->ctrl->sparsity_kind == NNCF__MAGNITUDE_SPARSITY
                ? "so all masks are made anew"
                : "which begin with all weights",
            names[FRESH_MASKS]);
    if (a->ctrl->precision && !a->bits)
        nncf__log(context, NNCF_LOG_WARNING,
            "%s has no bits that all quantizers may have: run the "
            "nncf_compression_ctrl_precision_step() loop",
            a->c->path);
    if (r->quantizers_fresh > 0)
        nncf__log(context, NNCF_LOG_WARNING, "%s has no range for %zu quantizers%s: %s", a->c->path,
            r->quantizers_fresh,
            r->initialization_needed ? "; run the nncf_compression_ctrl_init_step() loop" : "",
            names[FRESH_QUANTIZERS]);
}

static nncf_status take_all(adoption *a, const nncf__saved *v, nncf_error *err)
{
    nncf_compression_ctrl *ctrl = a->ctrl;
    const bool same_kind = ctrl->sparsity_kind == a->c->sparsity;
    nncf__saved_apply(v, ctrl, same_kind);
    /* a dense or a constant stage has no schedule that counts its epochs */
    if (a->c->sparsity != NNCF__RB_SPARSITY && a->c->sparsity != NNCF__MAGNITUDE_SPARSITY)
        ctrl->schedule.epoch = ctrl->epoch;
    if (a->report.initialization_needed)
        ctrl->init_phase = NNCF__PHASE_PENDING;
    for (size_t i = 0; i < ctrl->n_layers; i++)
        take_layer(a, i);
    const bool filters = nncf__filters_take(a->c, ctrl, a->filters);
    if (ctrl->precision)
        nncf__precision_restored(ctrl, a->bits != NULL);
    nncf_status status = nncf__ctrl_restored(ctrl);
    if (!filters)
        nncf__ctrl_prune(ctrl);
    if (status != NNCF_OK)
        return nncf__fail(
            err, status, a->c->path, "the controller cannot go on from %s", a->c->path);
    if (a->report.masks_fresh > 0 && ctrl->sparsity_kind == NNCF__MAGNITUDE_SPARSITY)
        nncf__ctrl_magnitude_mask(
            ctrl); /* one threshold for all: saved masks and new ones cannot be mixed */
    nncf__init_weights(ctrl);
    if (same_kind)
        nncf__saved_apply_moment(v, ctrl);
    log_summary(a);
    return NNCF_OK;
}

nncf_status nncf__adopt(const nncf_checkpoint *checkpoint, nncf_compression_ctrl *ctrl,
    const nncf__saved *saved, nncf_checkpoint_restore_report *report, nncf_error *err)
{
    nncf_context *context = ctrl->context;
    adoption a = {.c = checkpoint, .ctrl = ctrl};
    a.decisions = nncf__calloc(context, ctrl->n_layers, sizeof *a.decisions);
    a.number = nncf__calloc(context, checkpoint->n_entries, sizeof *a.number);
    a.used = nncf__calloc(context, checkpoint->n_entries, sizeof *a.used);
    for (size_t i = 0; i < sizeof a.lines / sizeof *a.lines; i++)
        a.lines[i].context = context;
    nncf_status status = a.decisions && a.number && a.used
        ? decide(&a, saved, err)
        : nncf__fail(err, NNCF_E_NOMEM, checkpoint->path, "out of memory");
    if (status == NNCF_OK)
        status = nncf__filters_find(checkpoint, ctrl, &a.filters, err);
    if (status == NNCF_OK)
        status = take_all(&a, saved, err);
    if (status == NNCF_OK)
        *report = a.report;
    nncf__free(context, a.filters);
    nncf__free(context, a.decisions);
    nncf__free(context, a.number);
    nncf__free(context, a.used);
    for (size_t i = 0; i < sizeof a.lines / sizeof *a.lines; i++)
        nncf__text_free(&a.lines[i]);
    return status;
}
