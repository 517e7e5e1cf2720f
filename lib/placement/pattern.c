/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pattern mode, NNCF's only one to 1.2 and the default to 1.4: operators are visited in order. The
 * longest chain that fits a pattern counts as one block that a device computes at once, and a
 * quantizer follows it.
 *
 * A chain is HEAD, HEAD TAIL, TAIL, one SINGLE operator, or one that the config names
 * (quantizable_subgraph_patterns). Later releases have more operators in each class.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "config/canonical.h"
#include "graph/kind_info.h"
#include "graph/model.h"
#include "placement/placement.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>

#include <string.h>

enum { V1_1 = 10100, V1_2 = 10200, V1_3 = 10300, V1_3_1 = 10301 };

typedef struct matcher {
    const nncf__op_graph *graph;
    const nncf__algorithm *algorithm;
    int32_t release;
    /* [count]: part of a match already */
    bool *inside;
    /* [count] */
    size_t *chain, *best;
} matcher;

bool nncf__op_is_plus(const nncf__op *op)
{
    /* a layer of the library's own is a + whatever its name */
    return op->op == NNCF_OP_ADD &&
        (!nncf__kind_info_of(op->layer->kind)->run_by_host || op->part == NNCF__PART_INNER ||
            !nncf__op_named(op, "add"));
}

bool nncf__op_is_times(const nncf__op *op, int32_t release)
{
    if (op->op != NNCF_OP_MUL || nncf__op_named(op, "mul") || nncf__op_named(op, "__imul__"))
        return false;
    return release >= V1_3 || !nncf__op_named(op, "__rmul__");
}

static bool is_head(const nncf__op *op, int32_t release)
{
    switch (op->op) {
    case NNCF_OP_CONV2D:
    case NNCF_OP_CONV_TRANSPOSE2D:
        return true;
    case NNCF_OP_ADD:
        return nncf__op_is_plus(op);
    case NNCF_OP_MUL:
        return release >= V1_1 && nncf__op_is_times(op, release);
    case NNCF_OP_CONV1D:
    case NNCF_OP_CONV3D:
    case NNCF_OP_CONV_TRANSPOSE1D:
    case NNCF_OP_CONV_TRANSPOSE3D:
    case NNCF_OP_LINEAR:
    case NNCF_OP_FUNCTIONAL_LINEAR:
        return release >= V1_1;
    default:
        return false;
    }
}

static bool is_norm(const nncf__op *op)
{
    return op->op == NNCF_OP_BATCH_NORM;
}

static bool is_activation(const nncf__op *op)
{
    /* whatever the library runs with a layer is one block with it */
    return op->part == NNCF__PART_ACTIVATION || op->op == NNCF_OP_RELU || op->op == NNCF_OP_RELU6;
}

static bool is_single(const nncf__op *op, int32_t release)
{
    switch (op->op) {
    case NNCF_OP_SIGMOID:
    case NNCF_OP_ELU:
    case NNCF_OP_PRELU:
    case NNCF_OP_AVERAGE_POOL:
    case NNCF_OP_ADAPTIVE_AVERAGE_POOL:
    case NNCF_OP_MEAN:
        return release >= V1_1;
    case NNCF_OP_MATMUL:
        return release >= V1_2;
    case NNCF_OP_LAYER_NORM:
        return release >= V1_3;
    case NNCF_OP_GELU:
        return release >= V1_3_1;
    case NNCF_OP_OPAQUE: /* NNCF has no such operator */
        return true;
    default:
        return false;
    }
}

/* ---- chains ---- */

/* Is chain[0..n-1] a TAIL? */
static bool is_tail(const matcher *m, const size_t *chain, size_t n)
{
    const nncf__op *a = &m->graph->ops[chain[0]];
    if (n == 1)
        return is_norm(a) || is_activation(a);
    if (n != 2)
        return false;
    const nncf__op *b = &m->graph->ops[chain[1]];
    return (is_norm(a) && is_activation(b)) || (is_activation(a) && is_norm(b));
}

/* Does the operator go by this name in a pattern? relu and relu_ are both RELU to NNCF. */
static bool called(const nncf__op *op, const char *name)
{
    if (op->op == NNCF_OP_RELU && (strcmp(name, "relu") == 0 || strcmp(name, "relu_") == 0))
        return true;
    return nncf__op_named(op, name);
}

/* Do the chain's operators begin the config's pattern `p`? *whole: they are all of it. */
static bool begins_custom(
    const matcher *m, const nncf__strings *p, const size_t *chain, size_t n, bool *whole)
{
    if (n > p->count)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!called(&m->graph->ops[chain[i]], p->items[i]))
            return false;
    }
    *whole = n == p->count;
    return true;
}

/* Is the chain a whole pattern, and could a longer one be? */
static bool is_pattern(const matcher *m, const size_t *chain, size_t n, bool *longer)
{
    const nncf__op *first = &m->graph->ops[chain[0]];
    bool found = n == 1 && (is_head(first, m->release) || is_single(first, m->release));
    const bool head = is_head(first, m->release);
    found = found || is_tail(m, chain, n) || (head && n > 1 && is_tail(m, chain + 1, n - 1));
    *longer = n < (head ? 3 : 2) && (n == 1 || is_tail(m, chain + head, n - head));
    for (size_t i = 0; m->release >= V1_1 && i < m->algorithm->n_patterns; i++) {
        bool whole = false;
        if (!begins_custom(m, &m->algorithm->patterns[i], chain, n, &whole))
            continue;
        found = found || whole;
        *longer = *longer || !whole;
    }
    return found;
}

/* The longest pattern that begins with chain[0..n-1]; its length, best[] filled. Chains are a few
 * operators long. */
static size_t longest(const matcher *m, size_t n, size_t known)
{
    bool longer = false;
    if (is_pattern(m, m->chain, n, &longer) && n > known) {
        memcpy(m->best, m->chain, n * sizeof *m->best);
        known = n;
    }
    const nncf__op *last = &m->graph->ops[m->chain[n - 1]];
    for (size_t i = 0; longer && i < last->n_consumers; i++) {
        m->chain[n] = last->consumers[i];
        known = longest(m, n + 1, known);
    }
    return known;
}

static void add_match(const matcher *m, size_t n, nncf__insertion_point *points)
{
    for (size_t i = 0; i < n; i++) {
        const nncf__op *op = &m->graph->ops[m->best[i]];
        m->inside[m->best[i]] = true;
        if (i + 1 == n) /* to 1.0 at the model's outputs too */
            points[m->best[i]].after =
                op->n_consumers > 0 || m->release < V1_1 || m->algorithm->quantize_outputs != 0;
        else if (m->release >= V1_1 &&
            op->n_consumers > 1) /* an operator outside of the match reads it */
            points[m->best[i]].after = true;
    }
}

/* ---- the model's inputs ---- */

/* From each input of the model onwards until a module, which gets a quantizer on its input, or a
 * quantizer. */
static void add_inputs(const matcher *m, bool *carries, nncf__insertion_point *points)
{
    for (size_t i = 0; i < m->graph->count; i++) { /* inputs precede their consumers */
        const nncf__op *op = &m->graph->ops[i];
        carries[i] = op->op == NNCF_OP_INPUT;
        for (size_t j = 0; j < op->n_inputs && !carries[i]; j++)
            carries[i] = carries[op->inputs[j]];
        if (!carries[i])
            continue;
        if (op->is_module && op->op != NNCF_OP_EMBEDDING)
            points[i].input = true;
        carries[i] = !points[i].input && !points[i].after;
    }
}

nncf_status nncf__place_by_patterns(const nncf__op_graph *graph, const nncf__algorithm *algorithm,
    int32_t release, nncf__insertion_point *points, nncf_error *err)
{
    nncf_context *context = graph->context;
    matcher m = {.graph = graph, .algorithm = algorithm, .release = release};
    m.inside = nncf__calloc(context, graph->count + 1, sizeof *m.inside);
    m.chain = nncf__calloc(context, graph->count + 1, sizeof *m.chain);
    m.best = nncf__calloc(context, graph->count + 1, sizeof *m.best);
    if (!m.inside || !m.chain || !m.best) {
        nncf__free(context, m.inside);
        nncf__free(context, m.chain);
        nncf__free(context, m.best);
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for placing quantizers");
    }
    for (size_t i = 0; i < graph->count; i++) {
        if (m.inside[i])
            continue;
        m.chain[0] = i;
        size_t n = longest(&m, 1, 0);
        if (n > 0)
            add_match(&m, n, points);
    }
    if (algorithm->quantize_inputs)
        add_inputs(&m, m.inside, points);
    /* from 1.2 on a functional linear, whose weight no module holds, has its inputs quantized */
    for (size_t i = 0; release >= V1_2 && i < graph->count; i++)
        points[i].input = points[i].input || graph->ops[i].op == NNCF_OP_FUNCTIONAL_LINEAR;
    nncf__free(context, m.inside);
    nncf__free(context, m.chain);
    nncf__free(context, m.best);
    return NNCF_OK;
}
