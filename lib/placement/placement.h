/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placement: registered layers become NNCF's graph of operators (graph.c); a rule selects the
 * insertion points that get a quantizer (pattern.c, propagation.c); decide.c maps them to slots of
 * layers and adds the parameters of the config. That is the plan; controller/allocate.c allocates
 * it. Private to this folder.
 */
#ifndef NNCF__PLACEMENT_PLACEMENT_H
#define NNCF__PLACEMENT_PLACEMENT_H

#include "base/regex.h"
#include "config/canonical.h"
#include "graph/scope.h"
#include "pruning/clusters.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer_create.h"

#include <nncf/base.h>
#include <nncf/config.h>
#include <nncf/context.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- graph.c ---- */

/* Which part of a layer an operator is. */
enum nncf__op_part {
    /* what feeds a layer that was registered without inputs */
    NNCF__PART_INPUT = 0,
    /* in the middle of a node that NNCF sees as several operators: no quantizer is possible there
     */
    NNCF__PART_INNER,
    /* the convolution, product, sum, pool, or the whole node */
    NNCF__PART_CORE,
    /* the batch norm that a layer was registered with */
    NNCF__PART_NORM,
    /* the activation that a layer was registered with */
    NNCF__PART_ACTIVATION,
};

typedef struct nncf__op {
    /* NNCF_OP_... */
    int32_t op;
    int32_t part;
    const nncf_layer *layer;
    /* a module with a weight that NNCF wraps */
    bool is_module;
    /* a convolution of one input channel a group */
    bool is_depthwise;
    /* of the operator in NNCF's graph: "conv2d"; not terminated */
    const char *name;
    size_t name_length;
    /* "Net/NNCFConv2d[a]/conv2d_0" */
    char *scope;
    /* "Net/NNCFConv2d[a]" */
    char *module;
    /* indices; one index twice where an operator reads one tensor twice */
    size_t *inputs, *consumers;
    size_t n_inputs, n_consumers;
} nncf__op;

typedef struct nncf__op_graph {
    nncf_context *context;
    /* inputs precede their consumers */
    nncf__op *ops;
    size_t count;
    /* [n_layers]: the layer's core, and the operator whose output is the layer's */
    size_t *first, *last;
    /* storage of inputs and consumers */
    size_t *edges;
} nncf__op_graph;

/* `release` says which classes are wrapped. */
nncf_status nncf__op_graph_make(
    nncf__op_graph *graph, const nncf_model *model, int32_t release, nncf_error *err);
void nncf__op_graph_free(nncf__op_graph *graph);
/* Is this the operator of that name? */
bool nncf__op_named(const nncf__op *op, const char *name);
/* + and +=, never torch.add; and *, in the ways that releases know it. */
bool nncf__op_is_plus(const nncf__op *op);
bool nncf__op_is_times(const nncf__op *op, int32_t release);

/* ---- rules: insertion points ---- */

/* One kind of activation quantizer that a device offers. */
typedef struct nncf__device_choice {
    int32_t bits, mode, per_channel;
} nncf__device_choice;
enum { NNCF__MAX_CHOICES = 8 };

typedef struct nncf__insertion_point {
    /* a quantizer follows this operator */
    bool after;
    /* the input of this module is quantized */
    bool input;
    /* propagation: the possible quantizers, in order of preference; n_choices 0: as the config
     * requests */
    nncf__device_choice choices[NNCF__MAX_CHOICES];
    size_t n_choices;
    /* propagation: points of one number have one range (unified scales); 0: its own */
    size_t group;
} nncf__insertion_point;

/* points[graph->count], zeroed. */
nncf_status nncf__place_by_patterns(const nncf__op_graph *graph, const nncf__algorithm *algorithm,
    int32_t release, nncf__insertion_point *points, nncf_error *err);
/* ignored[graph->count]: operators that stay as they are. */
nncf_status nncf__place_by_propagation(const nncf__op_graph *graph, int32_t device, int32_t release,
    const bool *ignored, nncf__insertion_point *points, nncf_error *err);
/* Does it quantize this operator's inputs? Does it leave it float, so that no quantizer may stand
 * at a fork to it? */
bool nncf__propagation_wants(int32_t device, const nncf__op *op);
bool nncf__propagation_stops(int32_t device, const nncf__op *op);
/* Weight quantizers on a device, in order of preference; a count of 0: as the config requests. */
size_t nncf__device_weights(
    int32_t device, const nncf__op *op, nncf__device_choice choices[NNCF__MAX_CHOICES]);

/* ---- scopes.c ---- */

enum nncf__list {
    NNCF__LIST_TARGETS = 0,
    NNCF__LIST_IGNORED,
    NNCF__LIST_WEIGHT_TARGETS,
    NNCF__LIST_WEIGHT_IGNORED,
    NNCF__LIST_ACTIVATION_TARGETS,
    NNCF__LIST_ACTIVATION_IGNORED,
    /* their scopes, one each */
    NNCF__LIST_OVERRIDES,
    NNCF__LISTS
};

/* The lists of one algorithm, ready for use. */
typedef struct nncf__algorithm_scopes {
    const nncf__algorithm *algorithm;
    /* in the config */
    size_t index;
    nncf__scope_set lists[NNCF__LISTS];
    /* what LIST_OVERRIDES borrows */
    const char **override_scopes;
    /* [n_ranges] */
    nncf__scope_set *range_targets, *range_ignored;
} nncf__algorithm_scopes;

typedef struct nncf__placement_scopes {
    nncf_context *context;
    const nncf__config_setup *setup;
    /* as in the config */
    nncf__algorithm_scopes *algorithms;
    size_t count;
    nncf__scope_set root_ignored, root_targets;
    /* the budget of all lists */
    nncf__regex_work *work;
    /* the scope on which the budget ended; sticky */
    const char *too_long;
    /* a search had none; sticky */
    bool no_memory;
} nncf__placement_scopes;

nncf_status nncf__scopes_make(nncf__placement_scopes *scopes, nncf_context *context,
    const nncf_config *config, nncf_error *err);
void nncf__scopes_free(nncf__placement_scopes *scopes);
/* Does the algorithm apply to a module's weight? `group`: NNCF__GROUP_WEIGHTS for quantization,
 * else 0. */
bool nncf__scopes_take_weight(
    nncf__placement_scopes *scopes, const nncf__algorithm_scopes *a, const nncf__op *op);
/* May a quantizer follow this operator, or quantize the input of this module (NNCF__SLOT_INPUT)? */
bool nncf__scopes_take_activation(nncf__placement_scopes *scopes, const nncf__algorithm_scopes *a,
    const nncf__op *op, int32_t slot);
/* Is the operator ignored, whatever targets say? For propagation. */
bool nncf__scopes_ignore(
    nncf__placement_scopes *scopes, const nncf__algorithm_scopes *a, const nncf__op *op);
/* The parameters of one quantizer: of the op's weight, of its input, or after it. Returns which of
 * them the config sets, NNCF__GIVEN_... or-ed; the rest are defaults. */
int32_t nncf__scopes_rule(nncf__placement_scopes *scopes, const nncf__algorithm_scopes *a,
    const nncf__op *op, int32_t slot, nncf__quantizer_rule *rule);
/* Report all patterns that match nothing together, as the config requests. NNCF_E_CONFIG: it is
 * strict. */
nncf_status nncf__scopes_check(nncf__placement_scopes *scopes, const nncf__op_graph *graph,
    const nncf_model *model, nncf_error *err);

/* ---- decide.c: the plan ---- */

typedef struct nncf__planned {
    bool present;
    /* in the graph: the operator whose weight or input it quantizes, or that it follows */
    size_t op;
    /* until ranges are known */
    int32_t sign;
    /* of the tensor; 0: not known */
    int64_t channels;
    /* NNCF__GIVEN_...: what the config sets for it */
    int32_t given;
    nncf__quantizer_rule rule;
    /* quantizers of one number have one range; 0: its own */
    size_t group;
    /* the config names it among those that have one range */
    bool named;
    /* its range is that of the quantizer in this slot of this layer, an earlier one */
    bool shared;
    size_t leader;
    enum nncf__quantizer_slot leader_slot;
} nncf__planned;

typedef struct nncf__layer_plan {
    bool masked;
    /* the config would compress the weight, which is frozen and left as it is */
    bool left;
    nncf__planned quantizers[NNCF__N_SLOTS];
} nncf__layer_plan;

/* What the quantizer in a slot will be created with. */
nncf__quantizer_request nncf__placement_request(
    const nncf_layer *layer, const nncf__planned *planned, enum nncf__quantizer_slot slot);

struct nncf__placement {
    nncf_context *context;
    const nncf_model *model;
    const nncf__config_setup *setup;
    nncf__op_graph graph;
    nncf__placement_scopes scopes;
    /* nullable */
    const nncf__algorithm_scopes *sparsity, *quantization, *pruning;
    /* of pruning; a controller takes them over */
    nncf__clusters clusters;
    /* [n_layers] */
    nncf__layer_plan *layers;
};

/* ---- shared_ranges.c ---- */

/* The plan's activation quantizers that have one range get a leader. NNCF_E_CONFIG: the config
 * names some that cannot. */
nncf_status nncf__placement_share_ranges(struct nncf__placement *p, nncf_error *err);

/* ---- decide.c ---- */

nncf_status nncf__placement_decide(struct nncf__placement *placement, const nncf_model *model,
    const nncf_config *config, nncf_error *err);
void nncf__placement_clear(struct nncf__placement *placement);

#endif
