/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stays float under quantization, and why: weights that the config leaves out, and inputs of
 * operators that would have quantized ones, traced back through what only passes values on. For the
 * plan; nothing is decided here.
 */
#include "placement/floats.h"

#include "base/alloc.h"
#include "base/error.h"
#include "config/canonical.h"
#include "graph/model.h"
#include "graph/ops.h"
#include "placement/placement.h"
#include "quantization/layer_compression.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <stdio.h>
#include <string.h>

static const char left_out[] = "the config's scopes leave it out",
                  not_binary[] = "binarization is of 2d convolutions";

/* Do the operator's outputs consist of quantized values where its inputs do? Zero is a code, so
 * that a ReLU keeps codes. */
static bool passes_on(const nncf__op *op)
{
    switch (op->op) {
    case NNCF_OP_OTHER:
    case NNCF_OP_RELU:
    case NNCF_OP_MAX_POOL:
    case NNCF_OP_FLATTEN:
    case NNCF_OP_RESHAPE:
    case NNCF_OP_TRANSPOSE:
    case NNCF_OP_PAD:
    case NNCF_OP_DROPOUT:
    case NNCF_OP_CONCAT:
        return true;
    default:
        return false;
    }
}

static bool is_quantized(const struct nncf__placement *p, size_t i)
{
    const nncf__op *op = &p->graph.ops[i];
    const nncf__planned *q = p->layers[op->layer->index].quantizers;
    const bool is_first = op->part == NNCF__PART_INPUT;
    return (q[NNCF__SLOT_OUTPUT].present && q[NNCF__SLOT_OUTPUT].op == i) ||
        (q[NNCF__SLOT_PRE_ACTIVATION].present && q[NNCF__SLOT_PRE_ACTIVATION].op == i) ||
        (is_first && q[NNCF__SLOT_INPUT].present && q[NNCF__SLOT_INPUT].op == i);
}

/* Does the rule want quantized inputs here? Activations, which run with what is before them, have
 * no line. */
static bool is_wanted(const struct nncf__placement *p, const nncf__op *op)
{
    if (op->part != NNCF__PART_CORE || op->op == NNCF_OP_EMBEDDING)
        return false;
    if (op->layer->weight_count > 0 || op->op == NNCF_OP_FUNCTIONAL_LINEAR ||
        op->op == NNCF_OP_MATMUL)
        return op->n_inputs > 0;
    switch (op->op) {
    case NNCF_OP_ADD:
    case NNCF_OP_SUB:
    case NNCF_OP_MUL:
    case NNCF_OP_DIV:
    case NNCF_OP_LAYER_NORM:
    case NNCF_OP_MEAN:
    case NNCF_OP_AVERAGE_POOL:
    case NNCF_OP_ADAPTIVE_AVERAGE_POOL:
    case NNCF_OP_INTERPOLATE:
        return p->setup->setup == NNCF__SETUP_PROPAGATION &&
            nncf__propagation_wants(p->setup->device, op);
    default:
        return false;
    }
}

typedef struct search {
    struct nncf__placement *p;
    /* [count]: its output consists of quantized values; propagation: it is ignored, or not
     * quantized on any device */
    bool *covered, *stops, *seen;
    /* [count] */
    size_t *stack;
} search;

static bool is_ignored(search *s, size_t i)
{
    return !nncf__scopes_take_activation(
        &s->p->scopes, s->p->quantization, &s->p->graph.ops[i], NNCF__SLOT_OUTPUT);
}

/* Which reader behind operator `from` stays float, so that no quantizer may stand there? NULL:
 * none. */
static const nncf__op *float_reader(search *s, size_t from)
{
    const nncf__op *ops = s->p->graph.ops;
    size_t waiting = 0;
    memset(s->seen, 0, s->p->graph.count * sizeof *s->seen);
    s->stack[waiting++] = from;
    while (waiting > 0) {
        const nncf__op *op = &ops[s->stack[--waiting]];
        for (size_t i = 0; i < op->n_consumers; i++) {
            const size_t next = op->consumers[i];
            if (s->stops[next])
                return &ops[next];
            if (s->seen[next] || nncf__propagation_wants(s->p->setup->device, &ops[next]))
                continue;
            s->seen[next] = true;
            s->stack[waiting++] = next;
        }
    }
    return NULL;
}

/* Why are the values that come from operator `from` no quantized ones? */
static void explain(search *s, size_t from, char why[NNCF__FLOAT_WHY])
{
    const nncf__op *ops = s->p->graph.ops, *op = &ops[from], *reader;
    const bool by_patterns = s->p->setup->setup == NNCF__SETUP_PATTERN;
    /* the first input that is float, of what only passes values on */
    while (by_patterns && passes_on(op) && op->n_inputs > 0) {
        size_t i = 0;
        while (i + 1 < op->n_inputs && s->covered[op->inputs[i]])
            i++;
        from = op->inputs[i];
        op = &ops[from];
    }
    if (op->op == NNCF_OP_INPUT && !s->p->quantization->algorithm->quantize_inputs)
        snprintf(why, NNCF__FLOAT_WHY, "quantize_inputs is false");
    else if (op->part == NNCF__PART_INNER)
        snprintf(why, NNCF__FLOAT_WHY, "it comes from the middle of %.400s", op->layer->scope);
    else if (by_patterns && is_ignored(s, from))
        snprintf(why, NNCF__FLOAT_WHY, "the config's scopes leave out %.400s", op->scope);
    else if (by_patterns)
        snprintf(why, NNCF__FLOAT_WHY, "no pattern of this dialect ends behind %.400s", op->scope);
    else if (op->n_consumers > 1 && (reader = float_reader(s, from)))
        snprintf(why, NNCF__FLOAT_WHY, "behind %.400s is a fork, and %.400s stays float", op->scope,
            reader->scope);
    else
        snprintf(why, NNCF__FLOAT_WHY, "readers of %.400s need different quantizers", op->scope);
}

static void find_input(
    search *s, size_t i, void (*found)(void *user, const nncf__float *f), void *user)
{
    const nncf__op *op = &s->p->graph.ops[i];
    const nncf__planned *q = s->p->layers[op->layer->index].quantizers;
    /* of a tied weight the owner's quantizer counts */
    const nncf__planned *of_weight = s->p->layers[nncf__weight_owner(op->layer)->index].quantizers;
    nncf__float f = {.layer = op->layer, .slot = NNCF__SLOT_INPUT};
    if (!is_wanted(s->p, op) || (op->is_module && !of_weight[NNCF__SLOT_WEIGHT].present) ||
        q[NNCF__SLOT_INPUT].present)
        return;
    for (size_t j = 0; j < op->n_inputs; j++) {
        const size_t from = op->inputs[j];
        if (s->covered[from])
            continue;
        f.source = s->p->graph.ops[from].layer == op->layer ? NULL : s->p->graph.ops[from].scope;
        if (s->p->setup->setup == NNCF__SETUP_PROPAGATION && s->stops[i])
            snprintf(f.why, sizeof f.why, "%s", left_out);
        else
            explain(s, from, f.why);
        found(user, &f);
    }
}

static bool binarizes(const struct nncf__placement *p)
{
    return p->quantization->algorithm->kind == NNCF__BINARIZATION;
}

static void find_weight(
    search *s, size_t i, void (*found)(void *user, const nncf__float *f), void *user)
{
    const nncf_layer *layer = s->p->model->layers[i];
    const nncf__layer_plan *plan = &s->p->layers[i];
    nncf__float f = {.layer = layer, .slot = NNCF__SLOT_WEIGHT};
    if (layer->op == NNCF_OP_QUANTIZER && !plan->quantizers[NNCF__SLOT_OUTPUT].present)
        f.slot = NNCF__SLOT_OUTPUT;
    else if (layer->weight_count == 0 || layer->tied_to ||
        plan->quantizers[NNCF__SLOT_WEIGHT].present || plan->left)
        return;
    snprintf(f.why, sizeof f.why, "%s",
        binarizes(s->p) && layer->op != NNCF_OP_CONV2D ? not_binary : left_out);
    found(user, &f);
}

static void find_all(search *s, void (*found)(void *user, const nncf__float *f), void *user)
{
    const nncf__op_graph *graph = &s->p->graph;
    for (size_t i = 0; i < graph->count; i++) {
        const nncf__op *op = &graph->ops[i];
        s->covered[i] = is_quantized(s->p, i);
        bool all = passes_on(op) && op->n_inputs > 0;
        for (size_t j = 0; j < op->n_inputs && all; j++)
            all = s->covered[op->inputs[j]];
        s->covered[i] = s->covered[i] || all;
        s->stops[i] = nncf__propagation_stops(s->p->setup->device, op) ||
            nncf__scopes_ignore(&s->p->scopes, s->p->quantization, op);
    }
    for (size_t i = 0; i < s->p->model->n_layers; i++) {
        find_weight(s, i, found, user);
        if (!binarizes(s->p)) /* an input is binary where the weight is */
            find_input(s, graph->first[i], found, user);
    }
}

nncf_status nncf__floats_find(struct nncf__placement *placement,
    void (*found)(void *user, const nncf__float *f), void *user, nncf_error *err)
{
    const size_t n = placement->graph.count + 1;
    nncf_context *context = placement->context;
    search s = {.p = placement};
    nncf_status status = NNCF_OK;
    if (!placement->quantization)
        return NNCF_OK;
    s.covered = nncf__calloc(context, n, sizeof *s.covered);
    s.stops = nncf__calloc(context, n, sizeof *s.stops);
    s.seen = nncf__calloc(context, n, sizeof *s.seen);
    s.stack = nncf__calloc(context, n, sizeof *s.stack);
    if (s.covered && s.stops && s.seen && s.stack)
        find_all(&s, found, user);
    else
        status = nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a plan");
    nncf__free(context, s.covered);
    nncf__free(context, s.stops);
    nncf__free(context, s.seen);
    nncf__free(context, s.stack);
    return status;
}
