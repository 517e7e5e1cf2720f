/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a level to the masks of all clusters: the importance of a cluster's filter is the sum over
 * its layers; then a threshold in each cluster, or one over all of them, or as many filters as it
 * takes for a part of the operations. docs/formulas.md, "Filter pruning".
 */
#include "pruning/masks.h"

#include "base/alloc.h"
#include "base/error.h"
#include "graph/model.h"
#include "pruning/clusters.h"
#include "pruning/criteria.h"
#include "pruning/work.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* NNCF: at most so much of a cluster goes for a number of operations; width of the bisection. */
static const double QUOTA = 0.9, WIDTH = 0.01;

nncf_status nncf__pruning_start(nncf__pruning *p, const nncf__pruning_params *params,
    nncf__clusters *clusters, const int64_t input_size[2], nncf_error *err)
{
    nncf_context *context = clusters->context;
    size_t most = 1;
    *p = (nncf__pruning){.params = *params, .clusters = *clusters};
    *clusters = (nncf__clusters){0};
    memcpy(p->input_size, input_size, sizeof p->input_size);
    const nncf_model *model = p->clusters.model;
    for (size_t i = 0; i < model->n_layers; i++)
        if (p->clusters.pruned[i] && (size_t)model->layers[i]->out_channels > most)
            most = (size_t)model->layers[i]->out_channels;
    const size_t n = p->clusters.n_filters + 1;
    p->importance = nncf__calloc(context, n, sizeof *p->importance);
    p->sorted = nncf__calloc(context, n, sizeof *p->sorted);
    p->of_layer = nncf__calloc(context, most, sizeof *p->of_layer);
    p->order = nncf__calloc(context, n, sizeof *p->order);
    p->pixels = nncf__calloc(context, model->n_layers + 1, sizeof *p->pixels);
    if (!p->importance || !p->sorted || !p->of_layer || !p->order || !p->pixels)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for the masks of filters");
    nncf__work work;
    nncf__pixels_of(model, p->input_size, p->pixels);
    nncf__work_of(&p->clusters, p->pixels, false, &work);
    if (params->flops_target >= 0 && work.flops == 0)
        return nncf__fail(err, NNCF_E_CONFIG, "pruning_flops_target",
            "pruning_flops_target: operations depend on the size of planes, which is not known; "
            "give the shape of the model's input, \"input_info\": {\"sample_size\": [1, 3, 224, "
            "224]}, and register layers with their inputs");
    return NNCF_OK;
}

void nncf__pruning_free(nncf__pruning *p)
{
    nncf_context *context = p->clusters.context;
    void *parts[] = {p->importance, p->sorted, p->of_layer, p->order, p->pixels, p->removed};
    for (size_t i = 0; context && i < sizeof parts / sizeof *parts; i++)
        nncf__free(context, parts[i]);
    nncf__clusters_free(&p->clusters);
    *p = (nncf__pruning){0};
}

/* ---- importance ---- */

static nncf__filters filters_of(const nncf_layer *l)
{
    nncf__filters f = {
        .weight = l->weight, .inputs = 1, .count = (size_t)l->weight_shape[l->weight_axis]};
    if (l->weight_axis == 1)
        f.inputs = (size_t)l->weight_shape[0];
    f.run = l->weight_count / f.count / f.inputs;
    return f;
}

/* p->importance of all clusters, from all of their layers. */
static void add_importance(nncf__pruning *p, bool normalizes)
{
    const nncf__clusters *c = &p->clusters;
    memset(p->importance, 0, c->n_filters * sizeof *p->importance);
    for (size_t i = 0; i < c->model->n_layers; i++) {
        if (!c->pruned[i])
            continue;
        const nncf__filters f = filters_of(c->model->layers[i]);
        const double norm = normalizes ? nncf__filters_norm(&f) : 1;
        nncf__filters_importance(c->context, &f, p->params.importance,
            norm > 0 && isfinite(norm) ? 1 / norm : 1, p->of_layer);
        const float *from = p->of_layer;
        for (size_t j = 0; j < c->outputs[i].count; j++) {
            const nncf__cluster *cluster = nncf__cluster_of(c, i, j);
            for (size_t k = 0; cluster->keep && k < (size_t)cluster->size; k++)
                p->importance[cluster->first + k] += from[k];
            from += cluster->size;
        }
    }
}

/* A cluster without a filter would cut the model: the most important one stays. */
static void keep_one(const nncf__pruning *p, nncf__cluster *cluster)
{
    const float *importance = p->importance + cluster->first;
    size_t best = 0;
    for (size_t k = 1; k < (size_t)cluster->size; k++)
        best = importance[k] > importance[best] ? k : best;
    if (cluster->kept > 0)
        return;
    cluster->keep[best] = 1;
    cluster->kept = 1;
}

/* ---- in each cluster ---- */

static void prune_each(nncf__pruning *p, double rate)
{
    nncf__clusters *c = &p->clusters;
    for (size_t i = 0; i < c->count; i++) {
        nncf__cluster *cluster = &c->items[i];
        if (!cluster->keep)
            continue;
        const size_t n = (size_t)cluster->size, pruned = nncf__filters_pruned(n, rate);
        const float *importance = p->importance + cluster->first;
        memcpy(p->sorted, importance, n * sizeof *p->sorted);
        nncf__filters_sort(p->sorted, n);
        cluster->kept = nncf__filters_keep(
            importance, n, p->sorted[pruned < n ? pruned : n - 1], cluster->keep);
    }
}

/* Operations, were each cluster pruned at that rate. */
static double flops_at(nncf__pruning *p, double rate)
{
    nncf__clusters *c = &p->clusters;
    nncf__work work;
    for (size_t i = 0; i < c->count; i++)
        if (c->items[i].keep) {
            const size_t n = (size_t)c->items[i].size, left = n - nncf__filters_pruned(n, rate);
            c->items[i].kept = left > 0 ? left : 1;
        }
    nncf__work_of(c, p->pixels, true, &work);
    return (double)work.flops;
}

static bool prune_each_by_flops(nncf__pruning *p, double target)
{
    double low = 0, high = 1;
    while (high - low > WIDTH) {
        const double middle = (low + high) / 2;
        if (flops_at(p, middle) < target)
            high = middle;
        else
            low = middle;
    }
    const bool enough = flops_at(p, high) <= target;
    prune_each(p, high);
    return enough;
}

/* ---- over all clusters ---- */

static void prune_all(nncf__pruning *p, double rate)
{
    nncf__clusters *c = &p->clusters;
    if (c->n_filters == 0)
        return;
    const size_t place = (size_t)(rate * (double)c->n_filters);
    memcpy(p->sorted, p->importance, c->n_filters * sizeof *p->sorted);
    nncf__filters_sort(p->sorted, c->n_filters);
    const float threshold = p->sorted[place < c->n_filters ? place : c->n_filters - 1];
    for (size_t i = 0; i < c->count; i++) {
        nncf__cluster *cluster = &c->items[i];
        if (!cluster->keep)
            continue;
        cluster->kept = nncf__filters_keep(
            p->importance + cluster->first, (size_t)cluster->size, threshold, cluster->keep);
        keep_one(p, cluster);
    }
}

/* Indices into p->importance, in ascending order of it: a heap sort, since qsort() passes nothing
 * on to its comparison. Equal ones in their order. */
static bool before(const float *importance, size_t a, size_t b)
{
    return importance[a] < importance[b] || (!(importance[b] < importance[a]) && a < b);
}

static void sift(const float *importance, size_t *order, size_t at, size_t n)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(importance, order[child], order[child + 1]))
            child++;
        if (!before(importance, order[at], order[child]))
            return;
        const size_t other = order[at];
        order[at] = order[child];
        order[child] = other;
    }
}

static void sort_order(const float *importance, size_t *order, size_t n)
{
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = n / 2; i-- > 0;)
        sift(importance, order, i, n);
    for (size_t i = n; i-- > 1;) {
        const size_t last = order[i];
        order[i] = order[0];
        order[0] = last;
        sift(importance, order, 0, i);
    }
}

/* The least important filters go one by one, until little enough is left to do. */
static bool prune_all_by_flops(nncf__pruning *p, double target)
{
    nncf__clusters *c = &p->clusters;
    sort_order(p->importance, p->order, c->n_filters);
    for (size_t i = 0; i < c->count; i++)
        if (c->items[i].keep) {
            memset(c->items[i].keep, 1, (size_t)c->items[i].size);
            c->items[i].kept = (size_t)c->items[i].size;
        }
    for (size_t i = 0; i < c->n_filters; i++) {
        nncf__cluster *cluster = NULL;
        for (size_t j = 0; j < c->count && !cluster; j++)
            if (c->items[j].keep && p->order[i] >= c->items[j].first &&
                p->order[i] < c->items[j].first + (size_t)c->items[j].size)
                cluster = &c->items[j];
        const size_t gone = cluster ? (size_t)cluster->size - cluster->kept : 0;
        if (!cluster || gone >= (size_t)floor((double)cluster->size * QUOTA))
            continue;
        cluster->keep[p->order[i] - cluster->first] = 0;
        cluster->kept--;
        nncf__work work;
        nncf__work_of(c, p->pixels, true, &work);
        if ((double)work.flops < target)
            return true;
    }
    return false;
}

bool nncf__pruning_make_masks(nncf__pruning *p)
{
    nncf__clusters *c = &p->clusters;
    nncf__work work;
    add_importance(p, p->params.all_weights);
    if (p->params.flops_target < 0 || p->level <= 0) {
        (p->params.all_weights ? prune_all : prune_each)(p, p->level);
        return true;
    }
    nncf__work_of(c, p->pixels, false, &work);
    const double target = (double)work.flops * (1 - p->level);
    return p->params.all_weights ? prune_all_by_flops(p, target) : prune_each_by_flops(p, target);
}
