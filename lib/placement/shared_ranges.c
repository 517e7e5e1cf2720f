/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantizers that share one range (NNCF: unified scales): those that propagation united, and those
 * after the operators that the config names in one list. Each but the first in the order of
 * layers gets the range of the first.
 */
#include "base/error.h"
#include "config/canonical.h"
#include "graph/model.h"
#include "placement/placement.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer_create.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <string.h>

/* Quantizers of one range must be made alike, and have one range for the tensor. */
static bool alike(const nncf__planned *a, const nncf__planned *b)
{
    const nncf__quantizer_params *x = &a->rule.params, *y = &b->rule.params;
    return !x->per_channel && !y->per_channel && x->bits == y->bits && x->mode == y->mode &&
        x->sign == y->sign && x->gradient == y->gradient && x->power_of_two == y->power_of_two &&
        x->logarithm == y->logarithm && a->rule.allowed_bits == b->rule.allowed_bits &&
        a->rule.range.kind == b->rule.range.kind;
}

static const char *scope_of(const struct nncf__placement *p, const nncf__planned *planned)
{
    return p->graph.ops[planned->op].scope;
}

/* The quantizer in slot `at` of all slots of all layers; NULL: there is none, or it is of a
 * weight. */
static nncf__planned *activation_at(struct nncf__placement *p, size_t at)
{
    nncf__planned *planned = &p->layers[at / NNCF__N_SLOTS].quantizers[at % NNCF__N_SLOTS];
    return planned->present && at % NNCF__N_SLOTS != NNCF__SLOT_WEIGHT ? planned : NULL;
}

static size_t slot_count(const struct nncf__placement *p)
{
    return p->model->n_layers * NNCF__N_SLOTS;
}

/* Does the quantizer in slot `at` follow the operator of this name, as NNCF or the host has it? */
static bool follows(const struct nncf__placement *p, size_t at, const char *name)
{
    const size_t slot = at % NNCF__N_SLOTS;
    const nncf_layer *layer = p->model->layers[at / NNCF__N_SLOTS];
    const nncf__op *op = &p->graph.ops[p->layers[layer->index].quantizers[slot].op];
    if (slot == NNCF__SLOT_INPUT && op->part != NNCF__PART_INPUT)
        return false; /* in front of a module, in pattern mode */
    return strcmp(op->scope, name) == 0 ||
        (slot == NNCF__SLOT_OUTPUT && strcmp(layer->scope, name) == 0);
}

/* All of `planned`'s group join that of `first`. */
static void join(struct nncf__placement *p, const nncf__planned *first, nncf__planned *planned)
{
    const size_t group = planned->group;
    planned->group = first->group;
    for (size_t at = 0; at < slot_count(p) && group != 0; at++) {
        nncf__planned *other = activation_at(p, at);
        if (other && other->group == group)
            other->group = first->group;
    }
}

static const char *key_of(const struct nncf__placement *p)
{
    return p->setup->release < 10700 ? "linked_quantizer_scopes" : "unified_scale_ops";
}

/* What follows an operator of a list joins the first one's group. `unused`: a group that no
 * quantizer has. */
static nncf_status add(struct nncf__placement *p, const char *name, size_t unused,
    nncf__planned **first, nncf__planned *planned, nncf_error *err)
{
    if (planned->named)
        return nncf__fail(err, NNCF_E_CONFIG, name,
            "%s names this operator twice; all that have one range go into one list", key_of(p));
    planned->named = true;
    if (!*first) {
        *first = planned;
        if (planned->group == 0)
            planned->group = unused;
        return NNCF_OK;
    }
    if (!alike(*first, planned))
        return nncf__fail(err, NNCF_E_CONFIG, name,
            "%s: its quantizer is made otherwise than that of %s, or one of the two has a "
            "range a channel, so they cannot have one range; give both the same bits, mode, "
            "sign and initializer, and per_channel false",
            key_of(p), scope_of(p, *first));
    join(p, *first, planned);
    return NNCF_OK;
}

/* One list of the config. The model's input, which each of its readers quantizes, has one name. */
static nncf_status unite(
    struct nncf__placement *p, const nncf__strings *names, size_t unused, nncf_error *err)
{
    nncf__planned *first = NULL;
    nncf_status status = NNCF_OK;
    for (size_t i = 0; i < names->count && status == NNCF_OK; i++) {
        bool found = false, more = true;
        for (size_t at = 0; at < slot_count(p) && more && status == NNCF_OK; at++) {
            nncf__planned *planned = activation_at(p, at);
            if (!planned || !follows(p, at, names->items[i]))
                continue;
            found = true;
            more = p->graph.ops[planned->op].part == NNCF__PART_INPUT;
            status = add(p, names->items[i], unused, &first, planned, err);
        }
        if (!found)
            return nncf__fail(err, NNCF_E_CONFIG, names->items[i],
                "%s: no quantizer of activations follows an operator of this name; a plan "
                "(nncf_plan_create) lists those that there are",
                key_of(p));
    }
    return status;
}

static nncf_status unite_named(struct nncf__placement *p, nncf_error *err)
{
    const nncf__algorithm *a = p->quantization->algorithm;
    size_t unused = 1;
    nncf_status status = NNCF_OK;
    for (size_t at = 0; at < slot_count(p); at++) {
        const nncf__planned *planned = activation_at(p, at);
        if (planned && planned->group >= unused)
            unused = planned->group + 1;
    }
    for (size_t i = 0; i < a->n_unified && status == NNCF_OK; i++)
        status = unite(p, &a->unified[i], unused + i, err);
    return status;
}

nncf_status nncf__placement_share_ranges(struct nncf__placement *p, nncf_error *err)
{
    nncf_status status = unite_named(p, err);
    for (size_t first = 0; first < slot_count(p) && status == NNCF_OK; first++) {
        nncf__planned *a = activation_at(p, first);
        if (!a || a->group == 0 || a->shared)
            continue;
        for (size_t at = first + 1; at < slot_count(p); at++) {
            nncf__planned *b = activation_at(p, at);
            if (!b || b->group != a->group || b->shared)
                continue;
            if (!alike(a, b)) {
                nncf__log(p->context, NNCF_LOG_INFO,
                    "%s: its range is not shared with %s, as the device has it, since it is made "
                    "otherwise",
                    scope_of(p, b), scope_of(p, a));
                continue;
            }
            b->shared = true;
            b->leader = first / NNCF__N_SLOTS;
            b->leader_slot = (enum nncf__quantizer_slot)(first % NNCF__N_SLOTS);
            if (b->sign == NNCF__SIGNED)
                a->sign = NNCF__SIGNED;
        }
    }
    return status;
}
