/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replica is a model with the layers of its leader and a controller's state that nobody steps:
 * weights, logits, masks and ranges are the leader's arrays, which only the leader's calls write;
 * gradients, running statistics, the quantizers' constants and what they observe are its own, since
 * forwards and backwards write them. Both meet in begin and end, which one thread calls while no
 * other runs.
 */
#include "parallel/replicas.h"

#include "base/alloc.h"
#include "base/error.h"
#include "controller/bias_correction.h"
#include "controller/ctrl.h"
#include "graph/clone.h"
#include "graph/layout.h"
#include "graph/model.h"
#include "parallel/gradient_list.h"
#include "quantization/layer_compression.h"
#include "quantization/merge.h"
#include "quantization/observer.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/layer.h>
#include <nncf/model.h>
#include <nncf/parallel.h>

#include <string.h>

/* ---- what a replica owns ---- */

/* A float array of the leader becomes the next part of `floats`; NULL: only its size is added. */
typedef struct arena {
    float *floats;
    size_t used;
} arena;

static void move(arena *a, float **array, size_t count)
{
    if (!*array)
        return;
    if (a->floats)
        *array = a->floats + a->used;
    a->used += count;
}

static void move_gradients(arena *a, nncf_layer *l)
{
    const size_t channels = (size_t)l->out_channels, size = (size_t)l->norm.size;
    if (l->tied_to)
        l->weight_grad = l->tied_to->weight_grad;
    else if (l->has_layout)
        move(a, &l->layout.weight_grad, l->layout.span);
    else
        move(a, &l->weight_grad, l->weight_count);
    if (l->weight_count > 0)
        move(a, &l->bias_grad, channels);
    if (l->has_batch_norm) {
        move(a, &l->batch_norm.weight_grad, channels);
        move(a, &l->batch_norm.bias_grad, channels);
    }
    move(a, &l->norm.weight_grad, size);
    move(a, &l->norm.bias_grad, size);
    move(a, &l->compression->logit_grad, l->weight_count);
    for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
        nncf__quantizer *q = nncf__layer_own_quantizer(l->compression, j);
        if (!q)
            continue;
        move(a, &q->bound_grad, q->channels);
        move(a, &q->length_grad, q->channels);
    }
}

/* Running statistics, and the bias without that of pruned filters, which each forward makes. */
static void move_statistics(arena *a, nncf_layer *l)
{
    move(a, &l->compression->kept_bias, (size_t)l->out_channels);
    if (!l->has_batch_norm)
        return;
    move(a, &l->batch_norm.running_mean, (size_t)l->out_channels);
    move(a, &l->batch_norm.running_var, (size_t)l->out_channels);
}

/* Quantizers that have another one's parameters add to the gradients of the replica's. */
static void follow_gradients(nncf_model *replica)
{
    nncf_compression_ctrl *own = replica->ctrl;
    const nncf_compression_ctrl *model = replica->replica->leader->ctrl;
    for (size_t i = 0; i < own->n_layers; i++)
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
            nncf__quantizer *q = nncf__layer_quantizer(&own->layers[i], j);
            if (!q || !q->leader)
                continue;
            const size_t at = nncf__find_quantizer(model->layers, own->n_layers, q->leader);
            q->leader = nncf__layer_quantizer(
                &own->layers[at / NNCF__N_SLOTS], (enum nncf__quantizer_slot)(at % NNCF__N_SLOTS));
            q->bound_grad = q->leader->bound_grad;
            q->length_grad = q->leader->length_grad;
        }
}

/* The arena's size, then its parts. */
static nncf_status own_floats(nncf_model *replica)
{
    struct nncf__replica *r = replica->replica;
    arena a = {NULL, 0};
    for (int pass = 0; pass < 2; pass++) {
        a.used = 0;
        for (size_t i = 0; i < replica->n_layers; i++)
            move_gradients(&a, replica->layers[i]);
        r->gradients = a.used;
        for (size_t i = 0; i < replica->n_layers; i++)
            move_statistics(&a, replica->layers[i]);
        if (pass == 0 &&
            !(a.floats = r->floats = nncf__calloc(replica->context, a.used, sizeof *a.floats)))
            return NNCF_E_NOMEM;
    }
    return NNCF_OK;
}

static void free_quantizer(nncf_context *context, nncf__quantizer *q)
{
    if (!q)
        return;
    nncf__observer_destroy(context, q);
    nncf__free(context, q->fq);
    nncf__free(context, q->scales);
    nncf__free(context, q->zero_points);
    nncf__free(context, q->observed_channels);
    nncf__free(context, q);
}

/* Another quantizer of the leader's ranges. */
static nncf_status own_quantizer(nncf_context *context, nncf__quantizer **quantizer)
{
    const nncf__quantizer *from = *quantizer;
    if (!from)
        return NNCF_OK;
    nncf__quantizer *q = nncf__alloc(context, sizeof *q);
    *quantizer = q; /* the leader's must not be freed */
    if (!q)
        return NNCF_E_NOMEM;
    *q = *from;
    q->observer = NULL;
    q->fq = nncf__calloc(context, q->channels, sizeof *q->fq);
    q->scales = nncf__calloc(context, q->channels, sizeof *q->scales);
    q->zero_points = nncf__calloc(context, q->channels, sizeof *q->zero_points);
    q->observed_channels = from->observed_channels
        ? nncf__calloc(context, q->channels, 2 * sizeof *q->observed_channels)
        : NULL;
    return q->fq && q->scales && q->zero_points &&
            (q->observed_channels || !from->observed_channels)
        ? NNCF_OK
        : NNCF_E_NOMEM;
}

static nncf__quantizer **slot_of(nncf__layer_compression *c, enum nncf__quantizer_slot slot)
{
    nncf__quantizer **slots[] = {[NNCF__SLOT_WEIGHT] = &c->weight_quantizer,
        [NNCF__SLOT_INPUT] = &c->input_quantizer,
        [NNCF__SLOT_OUTPUT] = &c->output_quantizer,
        [NNCF__SLOT_PRE_ACTIVATION] = &c->pre_activation_quantizer};
    return slots[slot];
}

static void free_state(nncf_compression_ctrl *ctrl)
{
    for (size_t i = 0; i < ctrl->n_layers; i++)
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++)
            free_quantizer(ctrl->context, *slot_of(&ctrl->layers[i], j));
    for (size_t i = 0; i < ctrl->n_layers; i++)
        nncf__free(ctrl->context, ctrl->layers[i].input_sums);
    nncf__free(ctrl->context, ctrl->layers);
    nncf__free(ctrl->context, ctrl);
}

/* The replica computes plainly from now on. */
static void drop_state(nncf_compression_ctrl *ctrl)
{
    nncf_model *replica = ctrl->model;
    for (size_t i = 0; i < replica->n_layers; i++) {
        replica->layers[i]->compression = NULL;
        nncf__layer_forget(replica->layers[i]);
    }
    replica->ctrl = NULL;
    free_state(ctrl);
}

/* A controller as far as forwards and backwards read it, attached to the replica. */
static nncf_status own_state(nncf_model *replica, const nncf_compression_ctrl *leader)
{
    nncf_context *context = replica->context;
    nncf_status status = NNCF_OK;
    nncf_compression_ctrl *c = nncf__calloc(context, 1, sizeof *c);
    if (!c)
        return NNCF_E_NOMEM;
    c->context = context;
    c->model = replica;
    c->layers = nncf__calloc(context, leader->n_layers, sizeof *c->layers);
    if (!c->layers) {
        nncf__free(context, c);
        return NNCF_E_NOMEM;
    }
    c->n_layers = leader->n_layers;
    for (size_t i = 0; i < c->n_layers; i++) {
        nncf__layer_compression *own = &c->layers[i];
        *own = leader->layers[i];
        own->ctrl = c;
        own->input_sums = NULL;
        if (leader->layers[i].input_sums && status == NNCF_OK &&
            !(own->input_sums = nncf__calloc(
                  context, nncf__bias_sums_count(replica->layers[i]), sizeof *own->input_sums)))
            status = NNCF_E_NOMEM;
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
            if (status != NNCF_OK)
                *slot_of(own, j) = NULL;
            else
                status = own_quantizer(context, slot_of(own, j));
        }
        replica->layers[i]->compression = own;
    }
    replica->ctrl = c;
    replica->detach = drop_state;
    return status;
}

/* ---- making and parting ---- */

/* The first replica came, or the last one went: blocks of a rank, which has prepared for sums over
 * ranks or for none, are of no use. */
static void forget_blocks(nncf_model *leader)
{
    for (size_t i = 0; nncf__has_ranks(&leader->collective) && i < leader->n_layers; i++)
        nncf__layer_forget(leader->layers[i]);
}

static void release_replica(nncf_model *replica)
{
    struct nncf__replica *r = replica->replica;
    struct nncf__replicas *all = r->leader ? r->leader->replicas : NULL;
    for (size_t i = 0, kept = 0; all && i < all->count; i++)
        if (all->models[i] != replica)
            all->models[kept++] = all->models[i];
    if (all && (r->leader->n_replicas = --all->count) == 0)
        forget_blocks(r->leader);
    nncf__free(replica->context, r->floats);
    nncf__free(replica->context, r);
    replica->replica = NULL;
}

/* The leader or its controller goes. */
static void release_leader(nncf_model *leader)
{
    struct nncf__replicas *all = leader->replicas;
    for (size_t i = 0; i < all->count; i++) {
        all->models[i]->replica->leader = NULL;
        drop_state(all->models[i]->ctrl);
    }
    nncf__free(leader->context, all->models);
    nncf__free(leader->context, all);
    leader->replicas = NULL;
    leader->n_replicas = 0;
    leader->release = NULL;
}

/* Space for one more. */
static nncf_status reserve(nncf_model *leader)
{
    struct nncf__replicas *all = leader->replicas;
    nncf_context *context = leader->context;
    const size_t count = all ? all->count : 0;
    nncf_model **models = nncf__calloc(context, count + 1, sizeof *models);
    if (!all)
        all = nncf__calloc(context, 1, sizeof *all);
    if (!models || !all) {
        nncf__free(context, models);
        if (!leader->replicas)
            nncf__free(context, all);
        return NNCF_E_NOMEM;
    }
    if (count > 0)
        memcpy(models, all->models, count * sizeof *models);
    nncf__free(context, all->models);
    all->models = models;
    leader->replicas = all;
    leader->release = release_leader;
    return NNCF_OK;
}

/* Its own context, as the leader's, with one thread. */
static nncf_status make_context(const nncf_context *leader, nncf_context **context, nncf_error *err)
{
    nncf_context_params p = leader->params;
    p.struct_size = sizeof p;
    p.n_threads = 1;
    p.parallel_for = NULL;
    p.parallel_user = NULL;
    return nncf_context_create(NNCF_API_VERSION, &p, context, err);
}

static nncf_status make(nncf_model *leader, nncf_context *context, nncf_model **replica)
{
    nncf_model *m;
    nncf_status status = reserve(leader);
    if (status == NNCF_OK)
        status = nncf__model_clone(leader, context, &m);
    if (status != NNCF_OK)
        return status;
    m->replica = nncf__calloc(context, 1, sizeof *m->replica);
    if (!m->replica) {
        nncf_model_destroy(m);
        return NNCF_E_NOMEM;
    }
    m->release = release_replica;
    status = own_state(m, leader->ctrl);
    if (status == NNCF_OK)
        status = own_floats(m);
    if (status != NNCF_OK) {
        nncf_model_destroy(m);
        return status;
    }
    m->replica->leader = leader;
    follow_gradients(m);
    leader->replicas->models[leader->replicas->count++] = m;
    leader->n_replicas = leader->replicas->count;
    if (leader->n_replicas == 1)
        forget_blocks(leader);
    *replica = m;
    return NNCF_OK;
}

static nncf_status check_create(const nncf_model *model, const nncf_context *context,
    nncf_model *const *replica, nncf_error *err)
{
    if (!model || !replica)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_model_create_replica: %s is NULL",
            !model ? "model" : "replica");
    if (model->replica)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the model is a replica itself: make all of them from the model that has the "
            "controller");
    if (nncf__has_ranks(&model->collective) &&
        (model->collective.params.flags & NNCF_COLLECTIVE_SYNC_BATCH_NORM))
        return nncf__fail(err, NNCF_E_UNSUPPORTED, NULL,
            "the model is rank %d of %d with NNCF_COLLECTIVE_SYNC_BATCH_NORM, and replicas "
            "normalize their parts on their own: leave out that flag, or let the context's threads "
            "work on each call of a rank",
            (int)model->collective.params.rank, (int)model->collective.params.size);
    if (!model->ctrl)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the model has no controller: make it first (a config without algorithms is plain "
            "training)");
    if (nncf__ctrl_binarizes(model->ctrl))
        return nncf__fail(err, NNCF_E_UNSUPPORTED, NULL,
            "the model is binarized, whose scales and thresholds replicas do not share yet; let "
            "the context's threads work on each call");
    if (nncf__ctrl_initializing(model->ctrl) || (model->replicas && model->replicas->running))
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "%s is under way: make replicas before initialization or after it",
            model->replicas && model->replicas->running ? "a step of other replicas"
                                                        : "initialization");
    if (context == model->context)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "context is the model's: it serves one thread at a time; make another, or pass NULL");
    if (context && context->params.seed != model->context->params.seed)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "context has the seed %llu, and the model's %llu: random masks would differ",
            (unsigned long long)context->params.seed,
            (unsigned long long)model->context->params.seed);
    return NNCF_OK;
}

static nncf_status create_replica(
    nncf_model *model, nncf_context *context, nncf_model **replica, nncf_error *err)
{
    nncf_context *own = NULL;
    nncf_status status = check_create(model, context, replica, err);
    if (status == NNCF_OK && !context)
        status = make_context(model->context, &own, err);
    if (status != NNCF_OK)
        return status;
    status = make(model, own ? own : context, replica);
    if (status != NNCF_OK) {
        nncf_context_destroy(own);
        return nncf__fail(err, status, NULL, "no memory for a replica");
    }
    (*replica)->owns_context = own != NULL;
    return NNCF_OK;
}

nncf_status nncf_model_create_replica(
    nncf_model *model, nncf_context *context, nncf_model **replica, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = create_replica(model, context, replica, &reason);
    return nncf__report(
        model ? model->context : NULL, "nncf_model_create_replica", NULL, status, &reason, err);
}

/* ---- begin ---- */

static nncf_status begin_quantizer(
    nncf_context *context, const nncf__quantizer *from, nncf__quantizer *q, bool batch)
{
    q->params = from->params;
    q->initialized = from->initialized;
    q->kept = from->kept;
    q->observing = from->observing;
    q->done = from->done;
    q->waits = from->waits;
    q->clipped = q->total = 0;
    if (!from->observer)
        nncf__observer_destroy(context, q);
    else if (!q->observer && nncf__observer_create(context, q) != NNCF_OK) {
        nncf__observer_destroy(context, q); /* no half-made one may remain */
        return NNCF_E_NOMEM;
    }
    if (batch)
        nncf__observer_begin(q);
    nncf__quantizer_refresh(q);
    return NNCF_OK;
}

/* The counters, and what of the controller is not arrays. */
static void copy_state(nncf_compression_ctrl *own, const nncf_compression_ctrl *leader)
{
    own->schedule = leader->schedule;
    own->sparsity_kind = leader->sparsity_kind;
    own->has_quantization = leader->has_quantization;
    own->epoch = leader->epoch;
    own->step = leader->step;
    own->frozen = leader->frozen;
    own->init_phase = leader->init_phase;
    own->init_begun = leader->init_begun;
    own->leader_measures = nncf__ctrl_measuring(leader);
    own->batch_images = 0;
    own->gradient_factor = leader->gradient_factor;
    own->usage.warned = UINT32_MAX; /* the leader's are enough */
}

/* Is what layers have prepared and kept of use? Not in another phase or stage. */
static bool goes_on(const nncf_compression_ctrl *own, const nncf_compression_ctrl *leader)
{
    bool same = own->init_phase == leader->init_phase &&
        nncf__ctrl_measuring(own) == nncf__ctrl_measuring(leader);
    for (size_t i = 0; i < own->n_layers; i++)
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++) {
            const nncf__quantizer *q = nncf__layer_quantizer(&own->layers[i], j);
            same = same && (!q || q->waits == nncf__layer_quantizer(&leader->layers[i], j)->waits);
        }
    return same;
}

static nncf_status begin(nncf_model *replica, const nncf_model *leader)
{
    nncf_compression_ctrl *c = replica->ctrl;
    const bool stays = goes_on(c, leader->ctrl);
    nncf_status status = NNCF_OK;
    copy_state(c, leader->ctrl);
    if (c->init_phase == NNCF__PHASE_RANGES)
        nncf__bias_begin(c);
    replica->mode = leader->mode;
    memset(replica->replica->floats, 0, replica->replica->gradients * sizeof(float));
    for (size_t i = 0; i < replica->n_layers && status == NNCF_OK; i++) {
        nncf_layer *l = replica->layers[i];
        const nncf_layer *from = leader->layers[i];
        const size_t channels = (size_t)l->out_channels * sizeof(float);
        l->gradients = from->gradients;
        l->drop_backwards = from->drop_backwards;
        l->drop_step = from->drop_step;
        if (l->memory != from->memory || !stays) {
            l->memory = from->memory;
            nncf__layer_forget(l);
        }
        if (l->has_batch_norm) {
            memcpy(l->batch_norm.running_mean, from->batch_norm.running_mean, channels);
            memcpy(l->batch_norm.running_var, from->batch_norm.running_var, channels);
        }
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS && status == NNCF_OK; j++)
            if (nncf__layer_quantizer(l->compression, j))
                status = begin_quantizer(replica->context,
                    nncf__layer_quantizer(from->compression, j),
                    nncf__layer_quantizer(l->compression, j), c->init_phase == NNCF__PHASE_RANGES);
    }
    return status;
}

static nncf_status begin_replicas(nncf_model *model, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    if (!model)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_model_begin_replicas: model is NULL");
    struct nncf__replicas *all = model->replicas;
    if (!all || all->count == 0)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the model has no replicas; nncf_model_create_replica() makes them");
    if (all->running)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the last batch was not ended: call nncf_model_end_replicas() when all threads are "
            "done with it");
    for (size_t i = 0; i < all->count && status == NNCF_OK; i++) {
        /* the number of its part, for the rows of dropout */
        all->models[i]->collective.params.rank =
            model->collective.params.rank * (int32_t)(all->count + 1) + (int32_t)i + 1;
        status = begin(all->models[i], model);
    }
    if (status != NNCF_OK)
        return nncf__fail(err, status, NULL, "no memory for what replicas observe");
    all->running = true;
    return NNCF_OK;
}

nncf_status nncf_model_begin_replicas(nncf_model *model, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = begin_replicas(model, &reason);
    return nncf__report(
        model ? model->context : NULL, "nncf_model_begin_replicas", NULL, status, &reason, err);
}

/* ---- end ---- */

static void add(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

/* Both lists are of the same layer; with gaps they are added in the layers' copies. */
static void add_gradients(nncf_layer *to, nncf_layer *from)
{
    nncf__layer_gradients a, b;
    nncf__layer_gradients_of(to, &a);
    nncf__layer_gradients_of(from, &b);
    for (size_t i = 0; i < a.count; i++) {
        if (!a.items[i].has_gaps) {
            add(a.items[i].count, b.items[i].data, a.items[i].data);
            continue;
        }
        nncf__layer_pull_gradient(to);
        nncf__layer_pull_gradient(from);
        add(to->weight_count, from->weight_grad, to->weight_grad);
        nncf__layer_push_gradient(to);
    }
}

static void join_quantizer(nncf__quantizer *q, nncf__quantizer *from, bool batch)
{
    if (batch && q->observing && !q->done)
        nncf__quantizer_join(q, from);
    q->clipped += from->clipped;
    q->total += from->total;
}

static void end(nncf_model *model, nncf_model *replica)
{
    const bool batch = model->ctrl->init_phase == NNCF__PHASE_RANGES;
    for (size_t i = 0; i < model->n_layers; i++) {
        nncf_layer *to = model->layers[i], *from = replica->layers[i];
        add_gradients(to, from);
        if (batch)
            nncf__bias_join(to, from);
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++)
            if (nncf__layer_quantizer(to->compression, j))
                join_quantizer(nncf__layer_quantizer(to->compression, j),
                    nncf__layer_quantizer(from->compression, j), batch && j != NNCF__SLOT_WEIGHT);
    }
    model->ctrl->batch_images += replica->ctrl->batch_images;
}

/* In the order of the replicas, so that the result has one value. */
static void average(
    float *mean, const struct nncf__replicas *all, size_t layer, bool variance, size_t channel)
{
    double sum = (double)*mean;
    for (size_t i = 0; i < all->count; i++) {
        const nncf_batch_norm_params *bn = &all->models[i]->layers[layer]->batch_norm;
        sum += (double)(variance ? bn->running_var : bn->running_mean)[channel];
    }
    *mean = (float)(sum / (double)(all->count + 1));
}

static void average_statistics(nncf_model *model)
{
    for (size_t i = 0; i < model->n_layers; i++) {
        const nncf_layer *l = model->layers[i];
        for (size_t c = 0; l->has_batch_norm && c < (size_t)l->out_channels; c++) {
            average(&l->batch_norm.running_mean[c], model->replicas, i, false, c);
            average(&l->batch_norm.running_var[c], model->replicas, i, true, c);
        }
    }
}

/* Is initialization where it was when this replica got its state? Else what it has observed is of
 * no use. */
static bool is_of_batch(const nncf_compression_ctrl *own, const nncf_compression_ctrl *leader)
{
    return own->init_phase == leader->init_phase && own->init_begun == leader->init_begun;
}

static nncf_status end_replicas(nncf_model *model, nncf_error *err)
{
    if (!model)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_model_end_replicas: model is NULL");
    struct nncf__replicas *all = model->replicas;
    if (!all || !all->running)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "no batch is under way: call nncf_model_begin_replicas() before the threads start");
    all->running = false;
    for (size_t i = 0; i < all->count; i++)
        if (!is_of_batch(all->models[i]->ctrl, model->ctrl))
            return nncf__fail(err, NNCF_E_STATE, NULL,
                "initialization continued while a batch was under way: call "
                "nncf_model_end_replicas() before nncf_compression_ctrl_init_step(); what "
                "replicas have computed of this batch is dropped");
    for (size_t i = 0; i < all->count; i++)
        end(model, all->models[i]);
    average_statistics(model);
    return NNCF_OK;
}

nncf_status nncf_model_end_replicas(nncf_model *model, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = end_replicas(model, &reason);
    return nncf__report(
        model ? model->context : NULL, "nncf_model_end_replicas", NULL, status, &reason, err);
}
