/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Propagation mode (hw_config_type, target_device): a quantizer starts at the input of every
 * operator that has quantized inputs on the device, and moves against the flow of data through
 * operators that are agnostic of quantization. Each has one or several choices (bits, mode,
 * granularity). At a fork it moves on only if one of its choices suits the first operator on each
 * branch that is not agnostic. Two that meet with the same choices are merged. It stops at the
 * output of an operator: the last one it can reach before one that has quantized inputs itself, or
 * that must stay as it is. Operators that a device runs as one are one for this.
 *
 * Places are numbered: 2 i is before operator i, 2 i + 1 after it. A quantizer leaves a trace on
 * each edge and place that it covers; the first trace shows the next quantizer what is there
 * already.
 *
 * Unified scales, from NNCF 2.0 on: what a concatenation joins for a layer with a weight, and on a
 * VPU what an elementwise operator reads, has one range. Where a quantizer becomes one for each
 * input of such an operator, these are united, and so are two that merge.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "config/canonical.h"
#include "placement/placement.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>

#include <string.h>

enum trait { AGNOSTIC = 0, WANTS, UNQUANTIZED };

/* ---- devices ---- */

enum { S = NNCF__SYMMETRIC, A = NNCF__ASYMMETRIC, TENSOR = 0, CHANNEL = 1 };
typedef nncf__device_choice choice;

static const choice tensor8[] = {{8, S, TENSOR}, {8, A, TENSOR}};
static const choice channel8[] = {{8, S, CHANNEL}, {8, A, CHANNEL}};
static const choice vpu_channel8[] = {{8, S, CHANNEL}};
static const choice vpu_mixed[] = {{8, S, TENSOR}, {8, A, TENSOR}, {4, S, TENSOR}, {4, A, TENSOR}};
static const choice any8[] = {{8, S, TENSOR}};
static const choice cpu_weights[] = {{8, S, CHANNEL}, {8, A, CHANNEL}};
static const choice vpu_weights8[] = {{8, S, CHANNEL}};
static const choice vpu_weights[] = {{8, S, CHANNEL}, {4, S, CHANNEL}};

#define GIVE(list)                                                                                 \
    do {                                                                                           \
        memcpy(choices, list, sizeof list);                                                        \
        return sizeof list / sizeof *list;                                                         \
    } while (0)

static bool is_convolution(int32_t op)
{
    return op >= NNCF_OP_CONV1D && op <= NNCF_OP_CONV_TRANSPOSE3D;
}

size_t nncf__device_weights(
    int32_t device, const nncf__op *op, nncf__device_choice choices[NNCF__MAX_CHOICES])
{
    if (device == NNCF__DEVICE_NONE)
        return 0;
    if (device != NNCF__DEVICE_VPU)
        GIVE(cpu_weights);
    if (is_convolution(op->op) && !op->is_depthwise)
        GIVE(vpu_weights);
    GIVE(vpu_weights8);
}

/* Without a device: what NNCF thinks of operators in general. */
static enum trait default_trait(const nncf__op *op)
{
    switch (op->op) {
    case NNCF_OP_RELU6:
    case NNCF_OP_LEAKY_RELU:
    case NNCF_OP_HARD_SIGMOID:
    case NNCF_OP_TANH:
    case NNCF_OP_ELU:
    case NNCF_OP_PRELU:
    case NNCF_OP_LAYER_NORM:
    case NNCF_OP_GELU:
    case NNCF_OP_SIGMOID:
    case NNCF_OP_ADD:
    case NNCF_OP_MUL:
    case NNCF_OP_DIV:
    case NNCF_OP_MATMUL:
    case NNCF_OP_MEAN:
    case NNCF_OP_LINEAR:
    case NNCF_OP_FUNCTIONAL_LINEAR:
        return WANTS;
    case NNCF_OP_EMBEDDING:
    case NNCF_OP_SOFTMAX:
    case NNCF_OP_MISH:
    case NNCF_OP_OPAQUE:
        return UNQUANTIZED;
    default:
        return is_convolution(op->op) ? WANTS : AGNOSTIC;
    }
}

/* How many choices the device has for the operator's inputs; 0: it does not care. */
static size_t device_activations(
    int32_t device, const nncf__op *op, choice choices[NNCF__MAX_CHOICES])
{
    const bool vpu = device == NNCF__DEVICE_VPU;
    if (device == NNCF__DEVICE_NONE) {
        if (default_trait(op) != WANTS)
            return 0;
        GIVE(any8);
    }
    switch (op->op) {
    case NNCF_OP_LINEAR:
    case NNCF_OP_FUNCTIONAL_LINEAR:
    case NNCF_OP_MATMUL:
    case NNCF_OP_ADD:
    case NNCF_OP_SUB:
    case NNCF_OP_MUL:
    case NNCF_OP_DIV:
    case NNCF_OP_LAYER_NORM:
    case NNCF_OP_GROUP_NORM: /* both are MVN to a device */
    case NNCF_OP_INTERPOLATE:
        GIVE(tensor8);
    case NNCF_OP_AVERAGE_POOL:
    case NNCF_OP_ADAPTIVE_AVERAGE_POOL:
    case NNCF_OP_MEAN:
        if (vpu)
            GIVE(vpu_channel8);
        GIVE(tensor8);
    default:
        break;
    }
    if (!is_convolution(op->op))
        return 0;
    if (op->is_depthwise && op->op <= NNCF_OP_CONV3D) {
        if (vpu)
            GIVE(vpu_channel8);
        GIVE(channel8);
    }
    if (vpu)
        GIVE(vpu_mixed);
    GIVE(tensor8);
}

bool nncf__propagation_wants(int32_t device, const nncf__op *op)
{
    choice unused[NNCF__MAX_CHOICES];
    return op->part != NNCF__PART_INNER && device_activations(device, op, unused) > 0;
}

bool nncf__propagation_stops(int32_t device, const nncf__op *op)
{
    if (device == NNCF__DEVICE_NONE)
        return default_trait(op) == UNQUANTIZED;
    /* no device's list has these: their default counts, or they stay float on purpose */
    return op->op == NNCF_OP_SOFTMAX || op->op == NNCF_OP_EMBEDDING || op->op == NNCF_OP_OPAQUE;
}

/* Can a place with choice `b` take what `a` offers? Not when `a` has less of anything. */
static bool is_less(const choice *a, const choice *b)
{
    return a->bits < b->bits || (a->mode == S && b->mode == A) ||
        (!a->per_channel && b->per_channel);
}

/* ---- the state ---- */

typedef struct list {
    choice items[NNCF__MAX_CHOICES];
    size_t count;
} list;

/* Which quantizers passed an edge or place: their numbers, in order. */
typedef struct trail {
    size_t *items;
    size_t count, capacity;
} trail;

typedef struct step {
    /* the edge that was crossed, and the place that it led to (SIZE_MAX: an operator) */
    size_t edge, place;
} step;

typedef struct quantizer {
    list choices;
    /* where it is; the last place after an operator, SIZE_MAX: none yet */
    size_t place, resting;
    step *path;
    size_t path_count, path_capacity;
    /* towards the one that stands for all that are united with it; itself */
    size_t united;
} quantizer;

typedef struct state {
    const nncf__op_graph *graph;
    nncf_context *context;
    int32_t device, release;
    /* [count] */
    enum trait *traits;
    /* [count] */
    list *wants;
    /* [count]: one with the operator before it */
    bool *merged;
    /* [count]: the first of the chain that ends here */
    size_t *merged_head;
    /* [count]: it begins a chain, or has a weight: its quantizers start after those of others */
    bool *starts_late;
    /* edges: in front of operator i from each input (in_edge[i] + j); into it (core); out of it
     * (out) */
    size_t *in_edge;
    trail *edges, *places;
    size_t n_edges;
    quantizer *quantizers;
    size_t n_quantizers, quantizer_capacity;
    /* first in, first out; as long as quantizers are */
    size_t *queue;
    size_t queue_begin, queue_end, queue_capacity;
    /* for forks */
    size_t *stack, *readers, *seen, stamp;
    list *left, *trial;
    bool failed;
} state;

static void *grown(state *s, void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    size_t wanted = *capacity ? 2 * *capacity : 4;
    void *bigger = nncf__calloc(s->context, wanted, size);
    if (!bigger) {
        s->failed = true;
        return items;
    }
    if (count)
        memcpy(bigger, items, count * size);
    nncf__free(s->context, items);
    *capacity = wanted;
    return bigger;
}

static void leave(state *s, trail *t, size_t q)
{
    t->items = grown(s, t->items, t->count, &t->capacity, sizeof *t->items);
    if (!s->failed)
        t->items[t->count++] = q;
}

static void take_away(trail *t, size_t q)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->items[i] != q)
            continue;
        memmove(t->items + i, t->items + i + 1, (t->count - i - 1) * sizeof *t->items);
        t->count--;
        return;
    }
}

static size_t new_quantizer(state *s, const list *choices, size_t place)
{
    s->quantizers =
        grown(s, s->quantizers, s->n_quantizers, &s->quantizer_capacity, sizeof *s->quantizers);
    if (s->failed)
        return 0;
    s->quantizers[s->n_quantizers] = (quantizer){
        .choices = *choices, .place = place, .resting = SIZE_MAX, .united = s->n_quantizers};
    return s->n_quantizers++;
}

static void enqueue(state *s, size_t q)
{
    s->queue = grown(s, s->queue, s->queue_end, &s->queue_capacity, sizeof *s->queue);
    if (!s->failed)
        s->queue[s->queue_end++] = q;
}

static void go(state *s, size_t q, size_t edge, size_t place)
{
    quantizer *z = &s->quantizers[q];
    z->path = grown(s, z->path, z->path_count, &z->path_capacity, sizeof *z->path);
    if (s->failed)
        return;
    z->path[z->path_count++] = (step){edge, place};
    leave(s, &s->edges[edge], q);
    if (place == SIZE_MAX)
        return;
    leave(s, &s->places[place], q);
    z->place = place;
    if (place % 2 == 1)
        z->resting = place;
}

static size_t into(const state *s, size_t op)
{
    return s->n_edges + 2 * op;
}

static size_t out_of(const state *s, size_t op)
{
    return s->n_edges + 2 * op + 1;
}

/* ---- forks ---- */

static bool same(const list *a, const list *b)
{
    return a->count == b->count && memcmp(a->items, b->items, a->count * sizeof *a->items) == 0;
}

/* Strike from `branch` what a quantizer of choice `c` would be too little for. */
static list without_better(const list *branch, const choice *c)
{
    list left = {.count = 0};
    for (size_t i = 0; i < branch->count; i++) {
        if (!is_less(c, &branch->items[i]))
            left.items[left.count++] = branch->items[i];
    }
    return left;
}

/* The first operators on each branch after operator `op` that are not agnostic, into s->readers;
 * false: one of them stays unquantized. */
static bool collect_readers(state *s, size_t op, size_t *count)
{
    size_t waiting = 0;
    *count = 0;
    s->stack[waiting++] = op;
    s->seen[op] = ++s->stamp;
    while (waiting > 0) {
        const nncf__op *o = &s->graph->ops[s->stack[--waiting]];
        for (size_t i = 0; i < o->n_consumers; i++) {
            size_t next = o->consumers[i];
            if (s->seen[next] == s->stamp)
                continue;
            s->seen[next] = s->stamp;
            if (s->traits[next] == UNQUANTIZED)
                return false;
            if (s->traits[next] == AGNOSTIC)
                s->stack[waiting++] = next;
            else
                s->readers[(*count)++] = next;
        }
    }
    return true;
}

/* May quantizer q pass the fork after operator op? Decided choice by choice, as NNCF does it. */
static bool may_pass_fork(state *s, size_t q, size_t op)
{
    const list *mine = &s->quantizers[q].choices;
    size_t count, usable = 0;
    if (!collect_readers(s, op, &count))
        return false;
    for (size_t j = 0; j < count; j++)
        s->left[j] = s->wants[s->readers[j]];
    for (size_t i = 0; i < mine->count; i++) {
        bool fits = true;
        for (size_t j = 0; j < count; j++) {
            s->trial[j] = without_better(&s->left[j], &mine->items[i]);
            fits = fits && s->trial[j].count > 0;
        }
        if (!fits)
            continue;
        usable++;
        memcpy(s->left, s->trial, count * sizeof *s->left);
    }
    return usable > 0;
}

/* ---- unified scales ---- */

enum { FIRST_UNIFIED = 20000 };

static size_t united_with(const state *s, size_t q)
{
    while (s->quantizers[q].united != q)
        q = s->quantizers[q].united;
    return q;
}

static void unite(state *s, size_t a, size_t b)
{
    a = united_with(s, a);
    b = united_with(s, b);
    s->quantizers[a > b ? a : b].united = a > b ? b : a;
}

static bool is_linear(const nncf__op *op)
{
    return is_convolution(op->op) || op->op == NNCF_OP_LINEAR ||
        op->op == NNCF_OP_FUNCTIONAL_LINEAR;
}

/* The device wants one range for all that it reads. */
static bool may_unify(const state *s, const nncf__op *op)
{
    if (s->device == NNCF__DEVICE_NONE || s->release < FIRST_UNIFIED || op->n_inputs < 2)
        return false;
    if (op->op == NNCF_OP_CONCAT)
        return true;
    return s->device == NNCF__DEVICE_VPU &&
        (op->op == NNCF_OP_ADD || op->op == NNCF_OP_SUB || op->op == NNCF_OP_MUL ||
            op->op == NNCF_OP_DIV);
}

/* A concatenation only where a layer with a weight reads it. */
static bool unifies(state *s, size_t op)
{
    size_t waiting = 0;
    if (!may_unify(s, &s->graph->ops[op]))
        return false;
    if (s->graph->ops[op].op != NNCF_OP_CONCAT)
        return true;
    s->stack[waiting++] = op;
    s->seen[op] = ++s->stamp;
    while (waiting > 0) {
        const nncf__op *o = &s->graph->ops[s->stack[--waiting]];
        for (size_t i = 0; i < o->n_consumers; i++) {
            const size_t next = o->consumers[i];
            if (is_linear(&s->graph->ops[next]))
                return true;
            if (s->seen[next] == s->stamp ||
                (s->traits[next] != AGNOSTIC && !s->merged[next] &&
                    !may_unify(s, &s->graph->ops[next])))
                continue;
            s->seen[next] = s->stamp;
            s->stack[waiting++] = next;
        }
    }
    return false;
}

/* Number the sets of which several are left, at different points. */
static void number_groups(const state *s, nncf__insertion_point *points)
{
    for (size_t q = 0; q < s->n_quantizers; q++) {
        const size_t place = s->quantizers[q].place, with = united_with(s, q);
        if (place != SIZE_MAX && place % 2 == 1)
            points[place / 2].group = with + 1;
    }
}

/* ---- moving ---- */

enum answer { GO, MERGE, STAY };

static enum answer look(state *s, size_t q, const trail *edge, const trail *place)
{
    const list *mine = &s->quantizers[q].choices;
    if (edge->count > 0) {
        if (!same(mine, &s->quantizers[edge->items[0]].choices))
            return STAY;
        unite(s, q, edge->items[0]);
        return MERGE;
    }
    if (place->count > 0 && same(mine, &s->quantizers[place->items[0]].choices)) {
        unite(s, q, place->items[0]);
        return MERGE;
    }
    return GO;
}

/* Move it back to where it can stay, and remove its traces on the way. */
static void settle(state *s, size_t q)
{
    quantizer *z = &s->quantizers[q];
    while (z->path_count > 0 && z->place != z->resting) {
        step last = z->path[--z->path_count];
        take_away(&s->edges[last.edge], q);
        if (last.place != SIZE_MAX)
            take_away(&s->places[last.place], q);
        z->place = SIZE_MAX;
        for (size_t i = z->path_count; i-- > 0 && z->place == SIZE_MAX;)
            z->place = z->path[i].place;
    }
    z->place = z->resting; /* SIZE_MAX: it found no place, and what it wanted is not quantized */
}

/* A copy has the traces of the quantizer that it was copied from. */
static size_t copy_of(state *s, size_t q)
{
    list choices = s->quantizers[q].choices;
    size_t copy = new_quantizer(s, &choices, s->quantizers[q].place);
    if (s->failed)
        return 0;
    s->quantizers[copy].resting = s->quantizers[q].resting;
    for (size_t i = 0; i < s->quantizers[q].path_count && !s->failed; i++) {
        step at = s->quantizers[q].path[i];
        quantizer *z = &s->quantizers[copy];
        z->path = grown(s, z->path, z->path_count, &z->path_capacity, sizeof *z->path);
        if (s->failed)
            return 0;
        z->path[z->path_count++] = at;
        leave(s, &s->edges[at.edge], copy);
        if (at.place != SIZE_MAX)
            leave(s, &s->places[at.place], copy);
    }
    return copy;
}

/* From before an operator to after the one that feeds it. */
static void cross_edge(state *s, size_t q, size_t op, size_t input)
{
    size_t from = s->graph->ops[op].inputs[input];
    if (s->graph->ops[from].n_consumers > 1 && !may_pass_fork(s, q, from)) {
        settle(s, q);
        return;
    }
    size_t edge = s->in_edge[op] + input, place = 2 * from + 1;
    enum answer a = look(s, q, &s->edges[edge], &s->places[place]);
    if (a == STAY) {
        settle(s, q);
    } else if (a == MERGE) {
        s->quantizers[q].place =
            SIZE_MAX; /* its traces stay: they belong to the quantizer that was here before */
    } else {
        go(s, q, edge, place);
        enqueue(s, q);
    }
}

/* From after an operator to before it. */
static void cross_op(state *s, size_t q, size_t op)
{
    const size_t head = s->merged_head[op], place = 2 * head;
    if (s->traits[op] != AGNOSTIC || s->graph->ops[head].n_inputs == 0) {
        settle(s, q);
        return;
    }
    enum answer a = look(s, q, &s->edges[out_of(s, op)], &s->places[2 * op + 1]);
    /* this place holds at least q itself */
    if (s->edges[out_of(s, op)].count == 0)
        a = GO;
    if (a == GO)
        a = look(s, q, &s->edges[into(s, op)], &s->places[place]);
    if (a == STAY) {
        settle(s, q);
    } else if (a == MERGE) {
        s->quantizers[q].place = SIZE_MAX;
    } else {
        go(s, q, out_of(s, op), SIZE_MAX);
        go(s, q, into(s, op), place);
        enqueue(s, q);
    }
}

static void move(state *s, size_t q)
{
    size_t place = s->quantizers[q].place, op = place / 2;
    if (place % 2 == 1) {
        cross_op(s, q, op);
        return;
    }
    const size_t n = s->graph->ops[op].n_inputs, first_copy = s->n_quantizers;
    if (n == 0) {
        settle(s, q);
        return;
    }
    const bool joint = unifies(s, op);
    for (size_t i = 1; i < n && !s->failed; i++) { /* one for every input */
        const size_t copy = copy_of(s, q);
        if (joint && !s->failed)
            unite(s, q, copy);
    }
    for (size_t i = 0; i < n && !s->failed; i++) {
        size_t own = i == 0 ? q : first_copy + i - 1;
        if (s->graph->ops[s->graph->ops[op].inputs[i]].part == NNCF__PART_INNER)
            settle(s, own); /* the middle of a node */
        else
            cross_edge(s, own, op, i);
    }
}

/* ---- operators that a device runs as one ---- */

/* NNCF 1.5 has sums and products with what follows them, and batch norms with activations; before,
 * only what follows a layer with a weight. 2.1 adds quotients, 2.13 every way to call them. */
enum { FIRST_ARITHMETIC = 10500, FIRST_QUOTIENT = 20100, FIRST_BY_KIND = 21300 };

static bool is_arithmetic(const nncf__op *op, int32_t release)
{
    if (release < FIRST_ARITHMETIC || op->part == NNCF__PART_INNER)
        return false;
    if (release >= FIRST_BY_KIND)
        return op->op == NNCF_OP_ADD || op->op == NNCF_OP_SUB || op->op == NNCF_OP_MUL ||
            op->op == NNCF_OP_DIV;
    return nncf__op_is_plus(op) || nncf__op_is_times(op, release) ||
        (release >= FIRST_QUOTIENT && op->op == NNCF_OP_DIV && !nncf__op_named(op, "div"));
}

/* Does the operator belong to the chain? Before 1.5 other activations than ReLUs only right after
 * the product. */
static bool follows(const nncf__op *op, int32_t release, bool *norm, bool *activation)
{
    if (op->part == NNCF__PART_ACTIVATION) { /* the library runs it with its layer: one block */
        *activation = true;
        return true;
    }
    switch (op->op) {
    case NNCF_OP_BATCH_NORM:
        if (*norm)
            return false;
        *norm = true;
        return true;
    case NNCF_OP_RELU:
    case NNCF_OP_RELU6:
    case NNCF_OP_LEAKY_RELU:
    case NNCF_OP_SILU:
    case NNCF_OP_HARD_SIGMOID:
        if (*activation)
            return false;
        *activation = true;
        return true;
    case NNCF_OP_SIGMOID:
    case NNCF_OP_TANH:
    case NNCF_OP_ELU:
    case NNCF_OP_PRELU:
    case NNCF_OP_GELU:
        if (*activation || (*norm && release < FIRST_ARITHMETIC))
            return false;
        *activation = true;
        *norm = *norm || release < FIRST_ARITHMETIC;
        return true;
    default:
        return false;
    }
}

/* Can a chain begin with the operator? *norm, *activation: what it has of it then. */
static bool begins_chain(const nncf__op *op, int32_t release, bool *norm, bool *activation)
{
    *norm = *activation = false;
    if (is_linear(op) || is_arithmetic(op, release))
        return true;
    return release >= FIRST_ARITHMETIC && op->part != NNCF__PART_INNER &&
        follows(op, release, norm, activation);
}

/* An operator with the batch norm and activation after it is one operator, which wants what its
 * first wants. */
static void merge_chains(state *s, const bool *ignored)
{
    bool norm, activation;
    for (size_t i = 0; i < s->graph->count; i++)
        s->merged_head[i] = i;
    for (size_t i = 0; i < s->graph->count; i++) {
        if (s->merged[i] || !begins_chain(&s->graph->ops[i], s->release, &norm, &activation))
            continue;
        size_t at = i;
        while (s->graph->ops[at].n_consumers == 1) {
            size_t next = s->graph->ops[at].consumers[0];
            if (ignored[next] || !follows(&s->graph->ops[next], s->release, &norm, &activation))
                break;
            s->merged[next] = true;
            s->traits[next] = s->traits[i];
            at = next;
        }
        s->merged_head[at] = i;
        s->starts_late[i] = at != i || is_linear(&s->graph->ops[i]);
    }
}

/* ---- all of it ---- */

static bool reserve(state *s)
{
    const size_t n = s->graph->count + 1;
    s->traits = nncf__calloc(s->context, n, sizeof *s->traits);
    s->wants = nncf__calloc(s->context, n, sizeof *s->wants);
    s->merged = nncf__calloc(s->context, n, sizeof *s->merged);
    s->merged_head = nncf__calloc(s->context, n, sizeof *s->merged_head);
    s->starts_late = nncf__calloc(s->context, n, sizeof *s->starts_late);
    s->in_edge = nncf__calloc(s->context, n, sizeof *s->in_edge);
    s->places = nncf__calloc(s->context, 2 * n, sizeof *s->places);
    s->stack = nncf__calloc(s->context, n, sizeof *s->stack);
    s->readers = nncf__calloc(s->context, n, sizeof *s->readers);
    s->seen = nncf__calloc(s->context, n, sizeof *s->seen);
    s->left = nncf__calloc(s->context, n, sizeof *s->left);
    s->trial = nncf__calloc(s->context, n, sizeof *s->trial);
    for (size_t i = 0; s->in_edge && i < s->graph->count; i++) {
        s->in_edge[i] = s->n_edges;
        s->n_edges += s->graph->ops[i].n_inputs;
    }
    s->edges = nncf__calloc(s->context, s->n_edges + 2 * n, sizeof *s->edges);
    return s->traits && s->wants && s->merged && s->merged_head && s->starts_late && s->in_edge &&
        s->places && s->edges && s->stack && s->readers && s->seen && s->left && s->trial;
}

static void release_state(state *s)
{
    for (size_t i = 0; s->edges && i < s->n_edges + 2 * (s->graph->count + 1); i++)
        nncf__free(s->context, s->edges[i].items);
    for (size_t i = 0; s->places && i < 2 * (s->graph->count + 1); i++)
        nncf__free(s->context, s->places[i].items);
    for (size_t i = 0; i < s->n_quantizers; i++)
        nncf__free(s->context, s->quantizers[i].path);
    void *parts[] = {s->traits, s->wants, s->merged, s->merged_head, s->starts_late, s->in_edge,
        s->places, s->edges, s->queue, s->quantizers, s->stack, s->readers, s->seen, s->left,
        s->trial};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        nncf__free(s->context, parts[i]);
}

/* A quantizer before each operator that wants one; those that run as one with others come
 * last, as in NNCF. */
static void start(state *s)
{
    for (int merged = 0; merged < 2; merged++) {
        for (size_t i = 0; i < s->graph->count && !s->failed; i++) {
            if (s->traits[i] != WANTS || s->merged[i] || s->graph->ops[i].n_inputs == 0 ||
                s->starts_late[i] != (merged != 0))
                continue;
            size_t q = new_quantizer(s, &s->wants[i], 2 * i);
            if (s->failed)
                return;
            leave(s, &s->places[2 * i], q);
            leave(s, &s->edges[into(s, i)], q);
            enqueue(s, q);
        }
    }
}

static void run(state *s, const bool *ignored, nncf__insertion_point *points)
{
    const int32_t device = s->device;
    for (size_t i = 0; i < s->graph->count; i++) {
        const nncf__op *op = &s->graph->ops[i];
        s->wants[i].count = device_activations(device, op, s->wants[i].items);
        s->traits[i] = s->wants[i].count ? WANTS : AGNOSTIC;
        if (op->part == NNCF__PART_INNER)
            s->traits[i] = AGNOSTIC;
        if (ignored[i] || nncf__propagation_stops(device, op))
            s->traits[i] = UNQUANTIZED;
    }
    merge_chains(s, ignored);
    start(s);
    while (s->queue_begin < s->queue_end && !s->failed)
        move(s, s->queue[s->queue_begin++]);
    for (size_t q = 0; q < s->n_quantizers && !s->failed; q++) {
        const quantizer *z = &s->quantizers[q];
        if (z->place == SIZE_MAX || z->place % 2 == 0)
            continue;
        nncf__insertion_point *point = &points[z->place / 2];
        point->after = true;
        memcpy(point->choices, z->choices.items, sizeof point->choices);
        point->n_choices = z->choices.count;
    }
    if (!s->failed)
        number_groups(s, points);
}

nncf_status nncf__place_by_propagation(const nncf__op_graph *graph, int32_t device, int32_t release,
    const bool *ignored, nncf__insertion_point *points, nncf_error *err)
{
    state s = {.graph = graph, .context = graph->context, .device = device, .release = release};
    if (reserve(&s))
        run(&s, ignored, points);
    else
        s.failed = true;
    release_state(&s);
    return s.failed ? nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for placing quantizers")
                    : NNCF_OK;
}
