/* SPDX-License-Identifier: Apache-2.0 */
/* The plan for people and programs: what placement decided, before any of it is allocated. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "graph/model.h"
#include "placement/floats.h"
#include "placement/placement.h"
#include "precision/choose.h"
#include "pruning/clusters.h"
#include "quantization/layer_compression.h"
#include "sparsity/structure.h"

#include <nncf/base.h>
#include <nncf/config.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>
#include <nncf/plan.h>

#include <stdio.h>
#include <string.h>

struct nncf_plan {
    nncf_context *context;
    char *text, *json;
};

enum { WHAT_MASK = NNCF__N_SLOTS, CELL = 64, ORIGIN = 256 };

/* One mask or quantizer. */
typedef struct entry {
    const nncf_layer *layer;
    /* NNCF's name of the place */
    const char *scope;
    /* nncf__quantizer_slot, or WHAT_MASK */
    int32_t what;
    const nncf__planned *quantizer;
    size_t bytes;
    char origin[ORIGIN];
    int32_t line;
} entry;

typedef struct writer {
    struct nncf__placement *placement;
    const nncf_config *config;
    nncf__text text, json;
    size_t count, floats, bytes, masks, quantizers[NNCF__N_SLOTS];
    /* of the scopes' column */
    size_t width;
} writer;

static const char *const whats[] = {"weight", "input", "output", "inner", "mask"};

/* ---- the columns of an entry ---- */

static size_t quantizer_channels(const nncf__planned *q)
{
    return q->rule.params.per_channel && q->channels > 0 ? (size_t)q->channels : 1;
}

static const nncf__structure *structure_of(const writer *w)
{
    return &w->placement->sparsity->algorithm->structure;
}

/* Parameters and their gradients, and what freezing keeps of each weight; of RB two floats a
 * weight, of other masks a bit, and a byte a block. */
static size_t bytes_of(const writer *w, const entry *e)
{
    if (e->quantizer && e->quantizer->rule.params.binary) /* log of the scale, thresholds */
        return e->what == NNCF__SLOT_WEIGHT
            ? 0
            : (size_t)(1 + e->quantizer->channels) * 2 * sizeof(float);
    const bool freezes = e->quantizer && e->what == NNCF__SLOT_WEIGHT && e->layer->weight_grad &&
        w->placement->quantization->algorithm->freezing > 0;
    if (e->quantizer)
        return quantizer_channels(e->quantizer) * 2 * sizeof(float) *
            (e->quantizer->rule.params.mode == NNCF__ASYMMETRIC ? 2 : 1) +
            (freezes ? nncf__oscillation_bytes(e->layer->weight_count) : 0);
    if (w->placement->sparsity->algorithm->kind == NNCF__RB_SPARSITY)
        return 2 * sizeof(float) * e->layer->weight_count;
    size_t blocks = 0;
    if (structure_of(w)->kind == NNCF__BLOCKS) {
        const nncf__blocks b = nncf__blocks_of(e->layer, (size_t)structure_of(w)->block_size);
        blocks = nncf__blocks_count(&b);
    }
    return (e->layer->weight_count + 7) / 8 + blocks;
}

/* What hawq may choose; 0: the bits are fixed. */
static uint32_t choices_of(const writer *w, const nncf__planned *q)
{
    const struct nncf__placement *p = w->placement;
    const nncf__precision_params *params = &p->quantization->algorithm->precision;
    if (params->kind != NNCF__PRECISION_HAWQ)
        return 0;
    const uint32_t choices = q->rule.allowed_bits != 0
        ? q->rule.allowed_bits
        : nncf__precision_widths(params, p->setup->release);
    return (choices & (choices - 1)) != 0 ? choices : 0;
}

/* "4", or "4|8" with what separates them. */
static void list_bits(char cell[CELL], uint32_t choices, int32_t bits, const char *between)
{
    size_t n = 0;
    if (choices == 0)
        snprintf(cell, CELL, "%d", (int)bits);
    for (int b = 0; b < 32; b++)
        if ((choices >> b) & 1u)
            n += (size_t)snprintf(cell + n, CELL - n, "%s%d", n > 0 ? between : "", b);
}

static void find_origin(const writer *w, entry *e)
{
    const struct nncf__placement *p = w->placement;
    const nncf__algorithm_scopes *a = e->quantizer ? p->quantization : p->sparsity;
    const char *group = e->what == NNCF__SLOT_WEIGHT ? "weights" : "activations";
    size_t taken = 0;
    if (e->quantizer && e->quantizer->rule.override_index >= 0) {
        const char *scope = a->algorithm->overrides[e->quantizer->rule.override_index].scope;
        const char *const by_group[] = {"scope_overrides", group, scope},
                          *const plain[] = {"scope_overrides", scope};
        const char *const bits[] = {"initializer", "precision", "bitwidth_per_scope"};
        e->line = nncf__config_origin(w->config, a->index, by_group, 3, e->origin, ORIGIN, &taken);
        if (taken < 3)
            e->line = nncf__config_origin(w->config, a->index, plain, 2, e->origin, ORIGIN, &taken);
        if (taken < 2)
            e->line = nncf__config_origin(w->config, a->index, bits, 3, e->origin, ORIGIN, NULL);
        return;
    }
    const char *const steps[] = {group};
    e->line = nncf__config_origin(
        w->config, a->index, steps, e->quantizer ? 1 : 0, e->origin, ORIGIN, NULL);
}

static const char *range_source(const entry *e, char cell[CELL])
{
    static const char *const names[] = {[NNCF__RANGE_NONE] = "none, scale 1",
        [NNCF__MIN_MAX] = "min_max",
        [NNCF__MEAN_MIN_MAX] = "mean_min_max",
        [NNCF__THREESIGMA] = "threesigma",
        [NNCF__PERCENTILE] = "percentile",
        [NNCF__MEAN_PERCENTILE] = "mean_percentile",
        [NNCF__MIXED_MIN_MAX] = "mixed_min_max",
        [NNCF__RANGE_LSQ] = "lsq"};
    const nncf__range_rule *r = &e->quantizer->rule.range;
    if (e->quantizer->rule.params.binary)
        snprintf(cell, CELL, "%s",
            e->what == NNCF__SLOT_WEIGHT ? "mean magnitude" : "top of the first batch");
    else if (e->what == NNCF__SLOT_WEIGHT)
        snprintf(cell, CELL, "%s of the weight",
            names[r->kind == NNCF__RANGE_NONE ? NNCF__MIN_MAX : r->kind]);
    else if (r->kind == NNCF__RANGE_NONE)
        snprintf(cell, CELL, "%s", names[r->kind]);
    else if (r->n_steps >= 0)
        snprintf(cell, CELL, "%s of %lld batch%s", names[r->kind], (long long)r->n_steps,
            r->n_steps == 1 ? "" : "es");
    else
        snprintf(cell, CELL, "%s of %lld samples", names[r->kind], (long long)r->n_samples);
    return cell;
}

static const char *mode_name(const nncf__quantizer_params *p)
{
    static const char *const binary[] = {
        [NNCF__BINARY_XNOR] = "xnor", [NNCF__BINARY_DOREFA] = "dorefa"};
    return p->binary ? binary[p->binary] : p->mode == NNCF__SYMMETRIC ? "symmetric" : "asymmetric";
}

/* "2:4", "blocks 16x16" */
static const char *structure_text(const nncf__structure *s, char cell[CELL])
{
    if (s->kind == NNCF__BLOCKS)
        snprintf(cell, CELL, "blocks %dx%d", (int)s->block_size, (int)s->block_size);
    else
        snprintf(cell, CELL, "%d:%d", (int)s->n, (int)s->m);
    return cell;
}

/* ---- writing ---- */

static void json_string(nncf__text *text, const char *key, const char *value)
{
    nncf__text_printf(text, "\"%s\":", key);
    nncf__text_json_string(text, value);
}

/* Whose range a quantizer has that is not the first of its group. */
static const nncf_layer *leader_of(const writer *w, const entry *e)
{
    return w->placement->model->layers[e->quantizer->leader];
}

static void write_json(writer *w, const entry *e)
{
    nncf__text *t = &w->json;
    nncf__text_printf(t, w->count ? ",{" : "{");
    json_string(t, "layer", e->layer->scope);
    nncf__text_printf(t, ",\"what\":\"%s\",", whats[e->what]);
    json_string(t, "scope", e->scope);
    if (e->quantizer) {
        const nncf__quantizer_params *p = &e->quantizer->rule.params;
        char cell[CELL];
        nncf__text_printf(t, ",\"bits\":%d,\"mode\":\"%s\"", (int)p->bits, mode_name(p));
        const uint32_t choices = choices_of(w, e->quantizer);
        if (choices != 0) {
            list_bits(cell, choices, p->bits, ",");
            nncf__text_printf(t, ",\"bits_choices\":[%s]", cell);
        }
        nncf__text_printf(t, ",\"signed\":%s,\"per_channel\":%s,\"channels\":%zu,",
            p->sign == NNCF__SIGN_AUTO ? "null"
                : p->sign              ? "true"
                                       : "false",
            p->per_channel ? "true" : "false", quantizer_channels(e->quantizer));
        if (p->group_size > 0)
            nncf__text_printf(t, "\"group_size\":%d,", (int)p->group_size);
        if (p->gradient == NNCF__GRADIENT_LSQ)
            nncf__text_printf(t, "\"range_gradient\":\"lsq\",");
        if (p->power_of_two)
            nncf__text_printf(t, "\"power_of_two\":true,");
        if (p->logarithm)
            nncf__text_printf(t, "\"logarithm_scale\":true,");
        json_string(t, "range", range_source(e, cell));
        if (e->quantizer->shared) {
            nncf__text_printf(t, ",\"shared_with\":{");
            json_string(t, "layer", leader_of(w, e)->scope);
            nncf__text_printf(t, ",\"what\":\"%s\"}", whats[e->quantizer->leader_slot]);
        }
    }
    if (!e->quantizer && structure_of(w)->kind != NNCF__UNSTRUCTURED) {
        char cell[CELL];
        nncf__text_printf(t, ",");
        json_string(t, "structure", structure_text(structure_of(w), cell));
    }
    nncf__text_printf(t, ",\"bytes\":%zu,", e->bytes);
    json_string(t, "config", e->origin);
    nncf__text_printf(t, ",\"line\":%d}", (int)e->line);
}

static void write_text(writer *w, const entry *e)
{
    char bits[CELL] = "-", granularity[CELL] = "-", range[CELL] = "-";
    const char *shared = NULL;
    if (e->quantizer) {
        const nncf__quantizer_params *p = &e->quantizer->rule.params;
        const char *sign = p->binary || p->mode == NNCF__ASYMMETRIC ? ""
            : p->sign == NNCF__SIGN_AUTO                            ? ""
            : p->sign                                               ? "s"
                                                                    : "u";
        char widths[CELL];
        list_bits(widths, choices_of(w, e->quantizer), p->bits, "|");
        snprintf(bits, CELL, "%s%.20s %s", sign, widths, mode_name(p));
        if (p->group_size > 0)
            snprintf(granularity, CELL, "groups of %d", (int)p->group_size);
        else
            snprintf(granularity, CELL, p->per_channel ? "%zu channels" : "tensor",
                quantizer_channels(e->quantizer));
        const size_t used = strlen(granularity);
        snprintf(granularity + used, CELL - used, "%s%s%s",
            p->gradient == NNCF__GRADIENT_LSQ ? ", lsq" : "", p->power_of_two ? ", 2^k" : "",
            p->logarithm ? ", log" : "");
        range_source(e, range);
        shared = e->quantizer->shared ? leader_of(w, e)->scope : NULL;
    } else if (structure_of(w)->kind != NNCF__UNSTRUCTURED) {
        structure_text(structure_of(w), granularity);
    }
    nncf__text_printf(&w->text, "%-*s  %-6s  %-13s  %-14s  %-26s  %10zu  %s (line %d)%s%s\n",
        (int)w->width, e->layer->scope, whats[e->what], bits, granularity, range, e->bytes,
        e->origin, (int)e->line, shared ? ", one range with " : "", shared ? shared : "");
}

static void write_entry(writer *w, entry *e)
{
    const bool shared = e->quantizer && e->quantizer->shared;
    e->bytes = shared ? 0 : bytes_of(w, e);
    find_origin(w, e);
    write_json(w, e);
    write_text(w, e);
    w->count++;
    w->bytes += e->bytes;
    if (e->quantizer)
        w->quantizers[e->what] += !shared;
    else
        w->masks++;
}

/* The frozen weights that stay as they are: lines of the table, an array of the object. */
static void write_left(writer *w)
{
    const struct nncf__placement *p = w->placement;
    size_t count = 0;
    nncf__text_printf(&w->json, "],\"left\":[");
    for (size_t i = 0; i < p->model->n_layers; i++) {
        if (!p->layers[i].left)
            continue;
        const char *scope = p->model->layers[i]->scope;
        nncf__text_printf(&w->json, count++ ? "," : "");
        nncf__text_json_string(&w->json, scope);
        nncf__text_printf(&w->text, "%-*s  %-6s  %-13s  its weight has no gradient\n",
            (int)w->width, scope, whats[NNCF__SLOT_WEIGHT], "float");
    }
}

/* What stays float for other reasons. */
static void write_float(void *user, const nncf__float *f)
{
    writer *w = user;
    nncf__text_printf(&w->json, w->floats++ ? ",{" : "{");
    json_string(&w->json, "layer", f->layer->scope);
    nncf__text_printf(&w->json, ",\"what\":\"%s\",\"from\":", whats[f->slot]);
    if (f->source)
        nncf__text_json_string(&w->json, f->source);
    else
        nncf__text_printf(&w->json, "null");
    nncf__text_printf(&w->json, ",");
    json_string(&w->json, "why", f->why);
    nncf__text_printf(&w->json, "}");
    nncf__text_printf(&w->text, "%-*s  %-6s  %-13s  %s\n", (int)w->width, f->layer->scope,
        whats[f->slot], "float", f->why);
}

/* The weights that are another layer's, too. */
static void write_tied(writer *w)
{
    const nncf_model *model = w->placement->model;
    size_t count = 0;
    nncf__text_printf(&w->json, "],\"tied\":[");
    for (size_t i = 0; i < model->n_layers; i++) {
        const nncf_layer *layer = model->layers[i];
        if (!layer->tied_to)
            continue;
        nncf__text_printf(&w->json, count++ ? ",{" : "{");
        json_string(&w->json, "layer", layer->scope);
        nncf__text_printf(&w->json, ",");
        json_string(&w->json, "to", layer->tied_to->scope);
        nncf__text_printf(&w->json, "}");
        nncf__text_printf(&w->text, "%-*s  %-6s  %-13s  its weight is that of %s\n", (int)w->width,
            layer->scope, whats[NNCF__SLOT_WEIGHT], "tied", layer->tied_to->scope);
    }
}

/* Convolutions: their filters, or why these are not pruned, or cannot be removed. */
static void write_filters(writer *w)
{
    const struct nncf__placement *p = w->placement;
    const nncf__clusters *c = &p->clusters;
    size_t count = 0;
    if (!p->pruning)
        return;
    nncf__text_printf(&w->json, "],\"filters\":[");
    for (size_t i = 0; i < p->model->n_layers; i++) {
        const nncf_layer *layer = p->model->layers[i], *at = layer;
        if (layer->op < NNCF_OP_CONV1D || layer->op > NNCF_OP_CONV_TRANSPOSE3D)
            continue;
        const char *why = nncf__why_not_pruned(c, layer, &at);
        const bool pruned = why == NULL;
        for (size_t j = 0; pruned && j < c->outputs[i].count && !why; j++) {
            const nncf__reason *stays = &nncf__cluster_of(c, i, j)->stays;
            why = stays->text;
            at = stays->text ? stays->at : at;
        }
        nncf__text_printf(&w->json, count++ ? ",{" : "{");
        json_string(&w->json, "layer", layer->scope);
        nncf__text_printf(&w->json,
            ",\"filters\":%lld,\"pruned\":%s,\"removable\":%s,\"cluster\":%zu",
            (long long)layer->out_channels, pruned ? "true" : "false",
            pruned && !why ? "true" : "false",
            c->outputs[i].count ? c->outputs[i].clusters[0] : (size_t)0);
        if (why) {
            nncf__text_printf(&w->json, ",");
            json_string(&w->json, "why", why);
            nncf__text_printf(&w->json, ",");
            json_string(&w->json, "at", at->scope);
        }
        nncf__text_printf(&w->json, "}");
        nncf__text_printf(&w->text, "%-*s  %-6s  ", (int)w->width, layer->scope, "filter");
        if (pruned)
            nncf__text_printf(&w->text, "%-13s  %lld filters, cluster %zu", "pruned",
                (long long)layer->out_channels, c->outputs[i].clusters[0]);
        else
            nncf__text_printf(&w->text, "%-13s  %s", "kept", why);
        if (pruned && why)
            nncf__text_printf(&w->text, ", not removable: %s", why);
        if (why && at != layer)
            nncf__text_printf(&w->text, " (%s)", at->scope);
        nncf__text_printf(&w->text, "\n");
    }
}

static void write_layers(writer *w)
{
    const struct nncf__placement *p = w->placement;
    for (size_t i = 0; i < p->model->n_layers; i++) {
        const nncf_layer *layer = p->model->layers[i];
        if (p->layers[i].masked) {
            entry e = {
                .layer = layer, .scope = p->graph.ops[p->graph.first[i]].module, .what = WHAT_MASK};
            write_entry(w, &e);
        }
        for (int32_t j = 0; j < NNCF__N_SLOTS; j++) {
            const nncf__planned *q = &p->layers[i].quantizers[j];
            if (!q->present)
                continue;
            const nncf__op *op = &p->graph.ops[q->op];
            const bool of_module =
                j == NNCF__SLOT_WEIGHT || (j == NNCF__SLOT_INPUT && op->part == NNCF__PART_CORE);
            entry e = {.layer = layer,
                .scope = of_module ? op->module : op->scope,
                .what = j,
                .quantizer = q};
            write_entry(w, &e);
        }
    }
}

static nncf_status write_all(writer *w, nncf_error *err)
{
    const nncf_model *model = w->placement->model;
    w->width = sizeof "layer" - 1;
    for (size_t i = 0; i < model->n_layers; i++) {
        size_t n = strlen(model->layers[i]->scope);
        w->width = n > w->width && n < 120 ? n : w->width;
    }
    nncf__text_printf(&w->text, "%-*s  %-6s  %-13s  %-14s  %-26s  %10s  %s\n", (int)w->width,
        "layer", "what", "bits", "granularity", "range", "bytes", "config");
    nncf__text_printf(&w->json, "{\"entries\":[");
    write_layers(w);
    write_tied(w);
    write_left(w);
    write_filters(w);
    nncf__text_printf(&w->json, "],\"floats\":[");
    const nncf_status status = nncf__floats_find(w->placement, write_float, w, err);
    const size_t activations =
        w->quantizers[NNCF__SLOT_OUTPUT] + w->quantizers[NNCF__SLOT_PRE_ACTIVATION];
    nncf__text_printf(&w->json,
        "],\"masks\":%zu,\"weight_quantizers\":%zu,\"input_quantizers\":%zu,"
        "\"activation_quantizers\":%zu,\"bytes\":%zu}",
        w->masks, w->quantizers[NNCF__SLOT_WEIGHT], w->quantizers[NNCF__SLOT_INPUT], activations,
        w->bytes);
    nncf__text_printf(&w->text,
        "masks %zu, quantizers of weights %zu, of inputs %zu, of activations %zu; %zu bytes in "
        "training\n",
        w->masks, w->quantizers[NNCF__SLOT_WEIGHT], w->quantizers[NNCF__SLOT_INPUT], activations,
        w->bytes);
    return status;
}

/* ---- the public calls ---- */

static nncf_status create(
    const nncf_model *model, const nncf_config *config, nncf_plan **plan, nncf_error *err)
{
    if (!model || !config || !plan)
        return nncf__fail(
            err, NNCF_E_ARG, NULL, "nncf_plan_create: model, config and plan must not be NULL");
    if (model->n_layers == 0)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the model has no layers; register them with nncf_model_add_...() first");
    struct nncf__placement placement;
    nncf_status status = nncf__config_check_supported(config, err);
    if (status == NNCF_OK)
        status = nncf__placement_decide(&placement, model, config, err);
    if (status != NNCF_OK)
        return status;
    writer w = {.placement = &placement,
        .config = config,
        .text = {.context = model->context},
        .json = {.context = model->context}};
    status = write_all(&w, err);
    nncf__placement_clear(&placement);
    if (status != NNCF_OK) {
        nncf__text_free(&w.text);
        nncf__text_free(&w.json);
        return status;
    }
    nncf_plan *made =
        w.text.failed || w.json.failed ? NULL : nncf__calloc(model->context, 1, sizeof *made);
    if (!made) {
        nncf__text_free(&w.text);
        nncf__text_free(&w.json);
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a plan");
    }
    *made = (nncf_plan){.context = model->context, .text = w.text.data, .json = w.json.data};
    *plan = made;
    return NNCF_OK;
}

nncf_status nncf_plan_create(
    const nncf_model *model, const nncf_config *config, nncf_plan **plan, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = create(model, config, plan, &reason);
    return nncf__report(
        model ? model->context : NULL, "nncf_plan_create", NULL, status, &reason, err);
}

void nncf_plan_destroy(nncf_plan *plan)
{
    if (!plan)
        return;
    nncf__free(plan->context, plan->text);
    nncf__free(plan->context, plan->json);
    nncf__free(plan->context, plan);
}

nncf_status nncf_plan_format(const nncf_plan *plan, int32_t form, char *buffer, size_t capacity,
    size_t *needed, nncf_error *err)
{
    if (!plan)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_plan_format: plan is NULL");
    nncf_status status = nncf__text_check_form(form, err);
    if (status != NNCF_OK)
        return status;
    const char *from = form == NNCF_FORM_JSON ? plan->json : plan->text;
    nncf__text copy = {.context = plan->context};
    nncf__text_append(&copy, from, strlen(from));
    return nncf__text_finish(&copy, buffer, capacity, needed, err);
}
