/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clusters of filters from the registered edges. Every convolution begins a cluster; whatever
 * passes channels on carries it along; sums and products unite the clusters of their inputs; what
 * cannot be followed fixes them, so that nothing is pruned on a guess. One pass in the order of
 * registration, in which inputs come first.
 */
#include "pruning/clusters.h"

#include "base/alloc.h"
#include "base/error.h"
#include "graph/kind_info.h"
#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>

#include <string.h>

static size_t root_of(const nncf__clusters *c, size_t i)
{
    while (c->items[i].same_as != i)
        i = c->items[i].same_as;
    return i;
}

static void fix(nncf__clusters *c, size_t i, nncf__reason why)
{
    nncf__cluster *root = &c->items[root_of(c, i)];
    if (!root->fixed.text)
        root->fixed = why;
}

static void stay(nncf__clusters *c, size_t i, nncf__reason why)
{
    nncf__cluster *root = &c->items[root_of(c, i)];
    if (!root->stays.text)
        root->stays = why;
}

static void fix_all(nncf__clusters *c, const nncf__channel_blocks *b, nncf__reason why)
{
    for (size_t i = 0; i < b->count; i++)
        fix(c, b->clusters[i], why);
}

static void unite(nncf__clusters *c, size_t a, size_t b, const nncf_layer *at)
{
    size_t x = root_of(c, a), y = root_of(c, b);
    if (x == y)
        return;
    if (x > y) {
        const size_t z = x;
        x = y;
        y = z;
    }
    nncf__cluster *first = &c->items[x], *second = &c->items[y];
    if (first->size != second->size)
        fix(c, x, (nncf__reason){"its inputs have different numbers of channels", at});
    second->same_as = x;
    if (second->fixed.text)
        fix(c, x, second->fixed);
    if (second->stays.text)
        stay(c, x, second->stays);
}

/* A new cluster; NNCF__NO_CLUSTER: no memory. */
static size_t begin_cluster(nncf__clusters *c, int64_t size)
{
    if (c->count == c->capacity) {
        const size_t capacity = 2 * c->capacity + 16;
        nncf__cluster *more = nncf__calloc(c->context, capacity, sizeof *more);
        if (!more)
            return NNCF__NO_CLUSTER;
        if (c->count)
            memcpy(more, c->items, c->count * sizeof *more);
        nncf__free(c->context, c->items);
        c->items = more;
        c->capacity = capacity;
    }
    c->items[c->count] = (nncf__cluster){.same_as = c->count, .size = size};
    return c->count++;
}

/* The output is one block, of a new cluster. */
static bool begin_output(nncf__clusters *c, const nncf_layer *layer, const char *fixed)
{
    nncf__channel_blocks *out = &c->outputs[layer->index];
    const size_t i = begin_cluster(c, layer->out_channels);
    out->clusters = nncf__alloc(c->context, sizeof *out->clusters);
    if (i == NNCF__NO_CLUSTER || !out->clusters)
        return false;
    out->clusters[0] = i;
    out->count = 1;
    if (fixed)
        fix(c, i, (nncf__reason){fixed, layer});
    return true;
}

static bool copy_blocks(nncf__clusters *c, nncf__channel_blocks *to, const nncf__channel_blocks *b)
{
    size_t *all = nncf__calloc(c->context, to->count + b->count + 1, sizeof *all);
    if (!all)
        return false;
    if (to->count)
        memcpy(all, to->clusters, to->count * sizeof *all);
    memcpy(all + to->count, b->clusters, b->count * sizeof *all);
    nncf__free(c->context, to->clusters);
    to->clusters = all;
    to->count += b->count;
    to->flat = to->flat || b->flat;
    if (!to->unclean.text)
        to->unclean = b->unclean;
    return true;
}

static const nncf__channel_blocks *input_of(
    const nncf__clusters *c, const nncf_layer *layer, size_t i)
{
    return &c->outputs[layer->inputs[i]->index];
}

static int64_t channels_of(const nncf__clusters *c, const nncf__channel_blocks *b)
{
    int64_t channels = 0;
    for (size_t i = 0; i < b->count; i++)
        channels += c->items[b->clusters[i]].size;
    return channels;
}

/* ---- kinds of operators ---- */

static bool is_convolution(const nncf_layer *layer)
{
    return layer->op >= NNCF_OP_CONV1D && layer->op <= NNCF_OP_CONV_TRANSPOSE3D &&
        layer->weight_count > 0;
}

static bool is_linear(const nncf_layer *layer)
{
    return layer->op == NNCF_OP_LINEAR && layer->weight_count > 0;
}

/* One filter for each input channel. */
static bool is_depthwise(const nncf_layer *layer)
{
    return layer->groups > 1 && layer->groups == layer->in_channels &&
        layer->groups == layer->out_channels && layer->weight_axis == 0;
}

/* Does it make 0 of 0? */
static bool keeps_zero(int32_t activation)
{
    return activation != NNCF_ACTIVATION_SIGMOID && activation != NNCF_ACTIVATION_HARD_SIGMOID;
}

enum role { PASSES, JOINS, MULTIPLIES, CONCATENATES, OPAQUE };

static bool averages_channels(const nncf_layer *layer)
{
    const nncf__op_attributes *a = &layer->attributes;
    if (a->n_sizes == 0)
        return a->axis < 2; /* negative axes count from an end that is not known here */
    for (size_t i = 0; i < a->n_sizes; i++)
        if (a->sizes[i] >= 0 ? a->sizes[i] < 2 : a->sizes[i] < -2)
            return true;
    return false;
}

static bool changes_order(const nncf_layer *layer)
{
    const nncf__op_attributes *a = &layer->attributes;
    return a->n_sizes < 2 || a->sizes[0] != 0 || a->sizes[1] != 1;
}

/* (n, c, h, w) to (n, c * h * w), whatever the channels. */
static bool reshapes_to_rows(const nncf_layer *layer)
{
    const nncf__op_attributes *a = &layer->attributes;
    return a->n_sizes == 2 && a->sizes[0] != -1 && a->sizes[1] == -1;
}

static enum role host_role(const nncf_layer *layer)
{
    switch (layer->op) {
    case NNCF_OP_BATCH_NORM:
    case NNCF_OP_MAX_POOL:
    case NNCF_OP_AVERAGE_POOL:
    case NNCF_OP_ADAPTIVE_AVERAGE_POOL:
    case NNCF_OP_PAD:
    case NNCF_OP_INTERPOLATE:
    case NNCF_OP_QUANTIZER:
        return layer->n_inputs == 1 ? PASSES : OPAQUE;
    case NNCF_OP_FLATTEN:
        return layer->attributes.axis == 0 || layer->attributes.axis == 1 ? PASSES : OPAQUE;
    case NNCF_OP_RESHAPE:
        return reshapes_to_rows(layer) ? PASSES : OPAQUE;
    case NNCF_OP_TRANSPOSE:
        return changes_order(layer) ? OPAQUE : PASSES;
    case NNCF_OP_MEAN:
        return averages_channels(layer) ? OPAQUE : PASSES;
    case NNCF_OP_PRELU: /* slopes that the library cannot move */
        return layer->attributes.constants[0].data && layer->attributes.constants[0].shape[0] > 1
            ? OPAQUE
            : PASSES;
    case NNCF_OP_CONCAT:
        return layer->attributes.axis == 0 || layer->attributes.axis == 1 ? CONCATENATES : OPAQUE;
    default:
        return OPAQUE;
    }
}

static enum role role_of(const nncf_layer *layer)
{
    switch (layer->op) {
    case NNCF_OP_RELU:
    case NNCF_OP_RELU6:
    case NNCF_OP_HSWISH:
    case NNCF_OP_SIGMOID:
    case NNCF_OP_TANH:
    case NNCF_OP_GELU:
    case NNCF_OP_ELU:
    case NNCF_OP_LEAKY_RELU:
    case NNCF_OP_SILU:
    case NNCF_OP_MISH:
    case NNCF_OP_HARD_SIGMOID:
    case NNCF_OP_DROPOUT:
        return PASSES;
    case NNCF_OP_ADD:
    case NNCF_OP_SUB:
        return JOINS;
    case NNCF_OP_MUL:
        return MULTIPLIES;
    default:
        break;
    }
    if (layer->kind == NNCF__OPERATOR)
        return host_role(layer);
    if (layer->kind == NNCF__CONCAT)
        return CONCATENATES;
    return nncf__kind_info_of(layer->kind)->passes_channels && layer->kind != NNCF__SOFTMAX
        ? PASSES
        : OPAQUE;
}

/* Why pruned channels, zeros in the inputs, are no zeros in the output; NULL: they are. */
static const char *spoils(const nncf_layer *layer)
{
    if (layer->op == NNCF_OP_SIGMOID || layer->op == NNCF_OP_HARD_SIGMOID ||
        !keeps_zero(layer->activation))
        return "its activation makes something else of 0";
    if (layer->op == NNCF_OP_BATCH_NORM)
        return "the host runs this batch norm, which makes something else of 0";
    if (layer->op == NNCF_OP_PAD && layer->attributes.alpha != 0)
        return "it pads with something else than 0";
    return NULL;
}

/* ---- one layer ---- */

/* Are the blocks of the inputs alike, so that their clusters can be united one by one? */
static bool are_alike(const nncf__clusters *c, const nncf_layer *layer)
{
    const nncf__channel_blocks *first = input_of(c, layer, 0);
    for (size_t j = 1; j < layer->n_inputs; j++) {
        const nncf__channel_blocks *b = input_of(c, layer, j);
        if (b->count != first->count)
            return false;
        for (size_t i = 0; i < b->count; i++)
            if (c->items[b->clusters[i]].size != c->items[first->clusters[i]].size)
                return false;
    }
    return true;
}

static bool join(nncf__clusters *c, const nncf_layer *layer, bool multiplies)
{
    nncf__channel_blocks *out = &c->outputs[layer->index];
    const char *why = layer->n_inputs < 2 ? "what it is combined with is not registered"
        : !are_alike(c, layer)            ? "its inputs are composed of different channels"
                                          : NULL;
    for (size_t j = 0; j < layer->n_inputs && why; j++)
        fix_all(c, input_of(c, layer, j), (nncf__reason){why, layer});
    if (why)
        return begin_output(c, layer, why);
    if (!copy_blocks(c, out, input_of(c, layer, 0)))
        return false;
    for (size_t j = 1; j < layer->n_inputs; j++) {
        const nncf__channel_blocks *b = input_of(c, layer, j);
        for (size_t i = 0; i < b->count; i++)
            unite(c, out->clusters[i], b->clusters[i], layer);
        if (multiplies && !b->unclean.text)
            out->unclean = b->unclean; /* 0 times anything */
        else if (!multiplies && !out->unclean.text)
            out->unclean = b->unclean;
    }
    return true;
}

/* A convolution or a linear layer reads its input: whatever is pruned there has to be a column of
 * the weight, and 0. */
static void read_input(nncf__clusters *c, const nncf_layer *layer)
{
    const char *why = NULL;
    if (layer->n_inputs == 0)
        return;
    const nncf__channel_blocks *in = input_of(c, layer, 0);
    const int64_t channels = channels_of(c, in);
    if (layer->tied_to || layer->n_tied > 0)
        why = "its weight is shared between layers";
    else if (layer->groups > 1 && !is_depthwise(layer))
        why = "it is a convolution in groups";
    else if (channels <= 0 || layer->in_channels % channels != 0 ||
        (layer->in_channels != channels && !is_linear(layer)))
        why = "which of its columns belong to which channel is not known";
    else if (in->flat && in->count > 1)
        why = "which of its columns belong to which channel is not known";
    if (why)
        fix_all(c, in, (nncf__reason){why, layer});
    for (size_t i = 0; in->unclean.text && i < in->count; i++)
        stay(c, in->clusters[i], in->unclean);
}

static nncf__reason own_spoiler(const nncf_layer *layer, const nncf__pruning_params *p)
{
    const bool by_host = nncf__layer_is_by_host(layer);
    const char *why = by_host && layer->bias ? "the host adds its bias, pruned or not"
        : by_host && layer->has_batch_norm   ? "the host runs its batch norm"
        : layer->has_batch_norm && !p->norms
        ? "prune_batch_norms is false, so that its pruned filters give beta and not 0"
        : spoils(layer);
    return (nncf__reason){why, layer};
}

/* Why the config, or its weight, leaves a convolution's filters alone; NULL: it does not. */
static const char *leaves(const nncf_layer *layer, const nncf__pruning_params *p, bool allowed,
    bool is_first, bool is_last)
{
    const bool transposed = layer->weight_axis == 1;
    bool strided = false;
    for (int i = 0; i < 2; i++)
        strided = strided || layer->stride[i] > 1;
    for (int i = 0; i < 3; i++)
        strided = strided || layer->attributes.stride[i] > 1;
    if (!allowed)
        return "the config's scopes leave it out";
    if (is_first && !p->first)
        return "it is one of the first convolutions (prune_first_conv)";
    if (is_last && !p->last)
        return "it is one of the last convolutions (prune_last_conv)";
    if (strided && !transposed && !p->downsample)
        return "it has a stride (prune_downsample_convs)";
    if (layer->tied_to || layer->n_tied > 0)
        return "its weight is shared between layers";
    if (layer->uses)
        return "it is used more than once";
    if (layer->groups > 1 && !is_depthwise(layer))
        return "it is a convolution in groups";
    return NULL;
}

static bool add_convolution(
    nncf__clusters *c, const nncf_layer *layer, const nncf__pruning_params *p, const char *why)
{
    nncf__channel_blocks *out = &c->outputs[layer->index];
    const bool depthwise = is_depthwise(layer) && layer->n_inputs > 0;
    read_input(c, layer);
    if (depthwise && channels_of(c, input_of(c, layer, 0)) == layer->in_channels) {
        if (!copy_blocks(c, out, input_of(c, layer, 0)))
            return false;
        if (why)
            fix_all(c, out, (nncf__reason){why, layer});
    } else if (!begin_output(c, layer, depthwise ? "its input's channels are not known" : why)) {
        return false;
    }
    out->unclean = own_spoiler(layer, p);
    c->pruned[layer->index] = true; /* unless its clusters are not */
    return true;
}

static bool add_other(nncf__clusters *c, const nncf_layer *layer)
{
    nncf__channel_blocks *out = &c->outputs[layer->index];
    const enum role role = role_of(layer);
    const char *spoiler = spoils(layer);
    bool ok = true;
    if (role == OPAQUE || layer->n_inputs == 0) {
        static const char why[] = "channels cannot be followed through it";
        for (size_t j = 0; j < layer->n_inputs; j++)
            fix_all(c, input_of(c, layer, j), (nncf__reason){why, layer});
        return begin_output(c, layer, why);
    }
    if (role == JOINS || role == MULTIPLIES)
        ok = join(c, layer, role == MULTIPLIES);
    for (size_t j = 0; j < layer->n_inputs && (role == PASSES || role == CONCATENATES) && ok; j++)
        ok = copy_blocks(c, out, input_of(c, layer, j));
    if (layer->op == NNCF_OP_FLATTEN || layer->op == NNCF_OP_RESHAPE)
        out->flat = true;
    if (spoiler && !out->unclean.text)
        out->unclean = (nncf__reason){spoiler, layer};
    return ok;
}

static bool add_layer(nncf__clusters *c, const nncf_layer *layer, const nncf__pruning_params *p,
    const bool *allowed, const bool *first, const bool *last)
{
    if (is_convolution(layer))
        return add_convolution(c, layer, p,
            leaves(layer, p, allowed[layer->index], first[layer->index], last[layer->index]));
    if (is_linear(layer)) {
        read_input(c, layer);
        return begin_output(c, layer, "it is a linear layer");
    }
    return add_other(c, layer);
}

/* ---- all of them ---- */

/* first: no convolution or linear layer stands between it and the model's input; last: none
 * between it and an output. */
static void find_ends(const nncf_model *model, bool *first, bool *last)
{
    for (size_t i = 0; i < model->n_layers; i++) {
        const nncf_layer *layer = model->layers[i];
        first[i] = layer->n_inputs == 0;
        for (size_t j = 0; j < layer->n_inputs; j++) {
            const nncf_layer *input = layer->inputs[j];
            first[i] =
                first[i] || (first[input->index] && !is_convolution(input) && !is_linear(input));
        }
        last[i] = layer->n_consumers == 0;
    }
    for (size_t i = model->n_layers; i-- > 0;) {
        const nncf_layer *layer = model->layers[i];
        for (size_t j = 0; j < layer->n_inputs; j++)
            if (last[i] && !is_convolution(layer) && !is_linear(layer))
                last[layer->inputs[j]->index] = true;
    }
}

/* What the host reads as the model's output has the channels that it expects. */
static void settle_outputs(nncf__clusters *c, const nncf__pruning_params *p)
{
    for (size_t i = 0; i < c->model->n_layers; i++) {
        const nncf_layer *layer = c->model->layers[i];
        const nncf__reason why = {"it makes an output of the model", layer};
        for (size_t j = 0; layer->n_consumers == 0 && j < c->outputs[i].count; j++)
            (p->last && is_convolution(layer) ? stay : fix)(c, c->outputs[i].clusters[j], why);
    }
}

/* Place for the masks of what is pruned, all ones. */
static bool make_masks(nncf__clusters *c)
{
    bool *has_filters = nncf__calloc(c->context, c->count + 1, sizeof *has_filters);
    if (!has_filters)
        return false;
    for (size_t i = 0; i < c->model->n_layers; i++) {
        bool any = false;
        for (size_t j = 0; j < c->outputs[i].count; j++) {
            const size_t root = root_of(c, c->outputs[i].clusters[j]);
            c->outputs[i].clusters[j] = root;
            if (!c->pruned[i] || c->items[root].fixed.text || c->items[root].size < 2)
                continue;
            any = has_filters[root] = true;
        }
        c->pruned[i] = c->pruned[i] && any;
    }
    for (size_t i = 0; i < c->count; i++)
        c->n_filters += has_filters[i] ? (size_t)c->items[i].size : 0;
    c->keep = nncf__alloc(c->context, c->n_filters + 1);
    for (size_t i = 0, at = 0; c->keep && i < c->count; i++) {
        nncf__cluster *cluster = &c->items[i];
        cluster->kept = (size_t)cluster->size;
        if (!has_filters[i])
            continue;
        cluster->first = at;
        cluster->keep = c->keep + at;
        memset(cluster->keep, 1, (size_t)cluster->size);
        at += (size_t)cluster->size;
    }
    nncf__free(c->context, has_filters);
    return c->keep != NULL;
}

nncf_status nncf__clusters_make(nncf__clusters *clusters, const nncf_model *model,
    const nncf__pruning_params *params, const bool *allowed, nncf_error *err)
{
    nncf__clusters *c = clusters;
    const size_t n = model->n_layers;
    *c = (nncf__clusters){.context = model->context, .model = model, .n_layers = n};
    c->outputs = nncf__calloc(c->context, n + 1, sizeof *c->outputs);
    c->pruned = nncf__calloc(c->context, n + 1, sizeof *c->pruned);
    bool *ends = nncf__calloc(c->context, 2 * n + 1, sizeof *ends);
    bool ok = c->outputs && c->pruned && ends;
    if (ok)
        find_ends(model, ends, ends + n);
    for (size_t i = 0; i < n && ok; i++)
        ok = add_layer(c, model->layers[i], params, allowed, ends, ends + n);
    if (ok)
        settle_outputs(c, params);
    ok = ok && make_masks(c);
    nncf__free(model->context, ends);
    if (ok)
        return NNCF_OK;
    nncf__clusters_free(c);
    return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for the clusters of filters");
}

void nncf__clusters_free(nncf__clusters *c)
{
    for (size_t i = 0; c->outputs && i < c->n_layers; i++)
        nncf__free(c->context, c->outputs[i].clusters);
    void *parts[] = {c->items, c->outputs, c->pruned, c->keep};
    for (size_t i = 0; c->context && i < sizeof parts / sizeof *parts; i++)
        nncf__free(c->context, parts[i]);
    *c = (nncf__clusters){0};
}

/* ---- questions ---- */

nncf__cluster *nncf__cluster_of(const nncf__clusters *c, size_t layer, size_t i)
{
    return &c->items[c->outputs[layer].clusters[i]];
}

static int64_t kept_of(const nncf__clusters *c, size_t layer)
{
    int64_t kept = 0;
    for (size_t i = 0; i < c->outputs[layer].count; i++)
        kept += (int64_t)nncf__cluster_of(c, layer, i)->kept;
    return kept;
}

/* Columns that belong to one channel of the input. */
static int64_t columns_of(const nncf__clusters *c, const nncf_layer *layer)
{
    const int64_t channels = channels_of(c, input_of(c, layer, 0));
    return channels > 0 && layer->in_channels > channels && layer->in_channels % channels == 0
        ? layer->in_channels / channels
        : 1;
}

int64_t nncf__kept_outputs(const nncf__clusters *c, const nncf_layer *layer)
{
    const nncf__channel_blocks *out = &c->outputs[layer->index];
    const int64_t all = channels_of(c, out), kept = kept_of(c, layer->index);
    if (kept == all || (out->flat && layer->out_channels % all != 0))
        return layer->out_channels;
    return out->flat ? layer->out_channels / all * kept : kept;
}

int64_t nncf__kept_inputs(const nncf__clusters *c, const nncf_layer *layer)
{
    if (layer->n_inputs == 0)
        return layer->in_channels;
    const size_t input = layer->inputs[0]->index;
    const int64_t all = channels_of(c, &c->outputs[input]), kept = kept_of(c, input);
    return kept == all ? layer->in_channels : kept * columns_of(c, layer);
}

static void list(
    const nncf__clusters *c, const nncf__channel_blocks *b, int64_t columns, int64_t *to)
{
    int64_t at = 0;
    for (size_t i = 0; i < b->count; i++) {
        const nncf__cluster *cluster = &c->items[b->clusters[i]];
        for (int64_t j = 0; j < cluster->size; j++, at += columns)
            for (int64_t k = 0; (!cluster->keep || cluster->keep[j]) && k < columns; k++)
                *to++ = at + k;
    }
}

/* All of them, of what has no blocks that say so. */
static void list_all(int64_t n, int64_t *to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = i;
}

void nncf__list_kept_outputs(const nncf__clusters *c, const nncf_layer *layer, int64_t *to)
{
    if (nncf__kept_outputs(c, layer) == layer->out_channels)
        list_all(layer->out_channels, to);
    else
        list(c, &c->outputs[layer->index], 1, to);
}

void nncf__list_kept_inputs(const nncf__clusters *c, const nncf_layer *layer, int64_t *to)
{
    if (nncf__kept_inputs(c, layer) == layer->in_channels)
        list_all(layer->in_channels, to);
    else
        list(c, input_of(c, layer, 0), columns_of(c, layer), to);
}

const char *nncf__why_not_pruned(
    const nncf__clusters *c, const nncf_layer *layer, const nncf_layer **at)
{
    const nncf__channel_blocks *out = &c->outputs[layer->index];
    *at = layer;
    if (c->pruned[layer->index])
        return NULL;
    for (size_t i = 0; i < out->count; i++) {
        const nncf__reason *why = &c->items[out->clusters[i]].fixed;
        if (why->text) {
            *at = why->at;
            return why->text;
        }
    }
    return "it has one filter";
}
