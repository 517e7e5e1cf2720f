/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adjacency on the registered edges. Two nodes a layer, what it reads and what it writes, are
 * united where one tensor connects them or two quantizers have one range; a quantizer belongs to
 * the node of its tensor, that of a weight to what its layer reads.
 */
#include "precision/groups.h"

#include "base/alloc.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"

#include <nncf/base.h>
#include <nncf/model.h>

/* Is the output made of the input's values, so that a quantizer in front holds for both? */
static bool is_transparent(const nncf_layer *layer)
{
    switch (layer->op) {
    case NNCF_OP_MAX_POOL:
    case NNCF_OP_RELU:
    case NNCF_OP_RELU6:
    case NNCF_OP_FLATTEN:
    case NNCF_OP_RESHAPE:
    case NNCF_OP_TRANSPOSE:
    case NNCF_OP_PAD:
    case NNCF_OP_DROPOUT:
    case NNCF_OP_CONCAT:
        return layer->weight_count == 0;
    default:
        return false;
    }
}

static bool quantizes_output(const nncf__layer_compression *c)
{
    return c->output_quantizer || c->pre_activation_quantizer;
}

/* ---- sets of nodes ---- */

static size_t root_of(size_t *parents, size_t i)
{
    while (parents[i] != i)
        i = parents[i] = parents[parents[i]];
    return i;
}

static void unite(size_t *parents, size_t a, size_t b)
{
    a = root_of(parents, a);
    b = root_of(parents, b);
    if (a < b)
        parents[b] = a;
    else
        parents[a] = b;
}

/* Node 2 i is what layer i reads, 2 i + 1 what it writes. */
static size_t node_of(const nncf_layer *layer, enum nncf__quantizer_slot slot)
{
    const bool reads = slot == NNCF__SLOT_WEIGHT || slot == NNCF__SLOT_INPUT;
    return 2 * layer->index + (reads ? 0 : 1);
}

/* Quantizers of one range have one width, wherever they are: the config may name any. */
static void connect_shared(size_t *parents, nncf_layer *const *layers,
    const nncf__layer_compression *compression, size_t n_layers)
{
    for (size_t i = 0; i < n_layers; i++)
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
            const nncf__quantizer *q = nncf__layer_quantizer(&compression[i], j);
            if (!q || !q->leader)
                continue;
            const size_t at = nncf__find_quantizer(compression, n_layers, q->leader);
            unite(parents, node_of(layers[i], j),
                node_of(
                    layers[at / NNCF__N_SLOTS], (enum nncf__quantizer_slot)(at % NNCF__N_SLOTS)));
        }
}

static void connect(size_t *parents, nncf_layer *const *layers,
    const nncf__layer_compression *compression, size_t n_layers)
{
    for (size_t i = 0; i < 2 * n_layers; i++)
        parents[i] = i;
    for (size_t i = 0; i < n_layers; i++) {
        for (size_t k = 0; k < layers[i]->n_inputs && !compression[i].input_quantizer; k++) {
            const nncf_layer *from = layers[i]->inputs[k];
            if (quantizes_output(&compression[from->index]) || is_transparent(from))
                unite(parents, 2 * i, 2 * from->index + 1);
        }
        if (layers[i]->tied_to) /* one weight, one group */
            unite(parents, 2 * i, 2 * layers[i]->tied_to->index);
        if (is_transparent(layers[i]) && !quantizes_output(&compression[i]))
            unite(parents, 2 * i, 2 * i + 1);
    }
    connect_shared(parents, layers, compression, n_layers);
}

/* ---- what a weight's operator reads ---- */

static const nncf__quantizer *source_of(
    const nncf_layer *layer, const nncf__layer_compression *compression)
{
    const nncf__layer_compression *c = &compression[layer->index];
    if (c->input_quantizer)
        return c->input_quantizer;
    while (layer->n_inputs > 0) {
        layer = layer->inputs[0];
        c = &compression[layer->index];
        if (quantizes_output(c))
            return c->output_quantizer ? c->output_quantizer : c->pre_activation_quantizer;
        if (!is_transparent(layer))
            break;
    }
    return NULL;
}

static size_t find_member(const nncf__groups *g, const nncf__quantizer *q)
{
    for (size_t i = 0; q && i < g->count; i++)
        if (g->members[i].quantizer == q)
            return i;
    return SIZE_MAX;
}

/* ---- the groups ---- */

nncf_status nncf__groups_find(nncf__groups *groups, nncf_context *context,
    nncf_layer *const *layers, nncf__layer_compression *compression, size_t n_layers)
{
    const size_t most = NNCF__N_SLOTS * n_layers + 1;
    *groups = (nncf__groups){.context = context};
    size_t *parents = nncf__calloc(context, 2 * n_layers + 1, sizeof *parents),
           *firsts = nncf__calloc(context, 2 * n_layers + 1, sizeof *firsts);
    groups->members = nncf__calloc(context, most, sizeof *groups->members);
    groups->weights = nncf__calloc(context, most, sizeof *groups->weights);
    const bool complete = parents && firsts && groups->members && groups->weights;
    if (complete)
        connect(parents, layers, compression, n_layers);
    for (size_t i = 0; complete && i < n_layers; i++)
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
            nncf__quantizer *q = nncf__layer_quantizer(&compression[i], j);
            if (!q)
                continue;
            const size_t at = groups->count++, root = root_of(parents, node_of(layers[i], j));
            if (firsts[root] == 0)
                firsts[root] = at + 1;
            groups->members[at] = (nncf__member){
                .quantizer = q, .layer = layers[i], .group = firsts[root] - 1, .source = SIZE_MAX};
        }
    for (size_t i = 0; complete && i < groups->count; i++) {
        nncf__member *m = &groups->members[i];
        if (m->quantizer->is_weight)
            m->source = find_member(groups, source_of(m->layer, compression));
    }
    nncf__free(context, parents);
    nncf__free(context, firsts);
    if (complete)
        return NNCF_OK;
    nncf__groups_free(groups);
    return NNCF_E_NOMEM;
}

void nncf__groups_free(nncf__groups *groups)
{
    if (!groups->context)
        return;
    nncf__free(groups->context, groups->members);
    nncf__free(groups->context, groups->weights);
    *groups = (nncf__groups){0};
}

static int32_t lowest(uint32_t set)
{
    int32_t bits = 0;
    while (!((set >> bits) & 1u))
        bits++;
    return bits;
}

/* NNCF's liberal mode. Where nothing is known of either side the bits stay. */
static int32_t follow(uint32_t allowed, uint32_t weights, int32_t present)
{
    const uint32_t both = allowed & weights;
    if (both != 0)
        return lowest(both);
    return allowed != 0 ? lowest(allowed) : weights != 0 ? lowest(weights) : present;
}

bool nncf__groups_follow(nncf__groups *groups, bool strict, int32_t *bits)
{
    for (size_t i = 0; i < groups->count; i++)
        groups->weights[i] = 0;
    for (size_t i = 0; i < groups->count; i++)
        if (groups->members[i].quantizer->is_weight)
            groups->weights[groups->members[i].group] |= 1u << bits[i];
    for (size_t i = 0; i < groups->count; i++) {
        const nncf__quantizer *q = groups->members[i].quantizer;
        const uint32_t weights = groups->weights[groups->members[i].group];
        if (strict && (weights & (weights - 1)) != 0)
            return false;
        if (q->is_weight)
            continue;
        bits[i] = follow(q->allowed_bits, weights, q->params.bits);
        if (strict && weights != 0 && !((weights >> bits[i]) & 1u))
            return false;
    }
    return true;
}
