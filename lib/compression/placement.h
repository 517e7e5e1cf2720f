/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placement, step by step: registered layers become a graph of operators as NNCF sees them (placement_graph.c); a rule
 * marks the operators behind which a quantizer stands (placement_pattern.c, placement_propagation.c); the marks are put
 * back onto the layers, with what the config says about each (placement_decide.c); that is the plan, and placement.c
 * allocates what it says. Private to this folder.
 */
#ifndef NNCF__PLACEMENT_H
#define NNCF__PLACEMENT_H

#include "compression/compression.h"

/* ---- placement_graph.c ---- */

/* Which part of a layer an operator is. */
enum nncf__op_part {
    NNCF__PART_INPUT = 0,  /* what feeds a layer that was registered without inputs */
    NNCF__PART_INNER,      /* in the middle of a node that NNCF sees as several operators: nothing can stand there */
    NNCF__PART_CORE,       /* the convolution, product, sum, pool, or the whole node */
    NNCF__PART_NORM,       /* the batch norm that a layer was registered with */
    NNCF__PART_ACTIVATION, /* the activation that a layer was registered with */
};

typedef struct nncf__op {
    int32_t op; /* NNCF_OP_... */
    int32_t part;
    const nncf_layer *layer;
    bool is_module;    /* a module with a weight that NNCF wraps */
    bool is_depthwise; /* a convolution of one input channel a group */
    const char *name;  /* of the operator in NNCF's graph: "conv2d"; not terminated */
    size_t name_length;
    char *scope;                /* "Net/NNCFConv2d[a]/conv2d_0" */
    char *module;               /* "Net/NNCFConv2d[a]" */
    size_t *inputs, *consumers; /* indices; one index twice where an operator reads one tensor twice */
    size_t n_inputs, n_consumers;
} nncf__op;

typedef struct nncf__op_graph {
    nncf_context *context;
    nncf__op *ops; /* in an order in which inputs come first */
    size_t count;
    size_t *first, *last; /* [n_layers]: the layer's core, and the operator whose output is the layer's */
    size_t *edges;        /* storage of inputs and consumers */
} nncf__op_graph;

/* `release` says which classes are wrapped. */
nncf_status nncf__op_graph_make(nncf__op_graph *graph, const nncf_model *model, int32_t release, nncf_error *err);
void nncf__op_graph_free(nncf__op_graph *graph);
/* Is this the operator of that name? */
bool nncf__op_named(const nncf__op *op, const char *name);

/* ---- rules: what they mark ---- */

/* One kind of activation quantizer that a device offers. */
typedef struct nncf__device_choice {
    int32_t bits, mode, per_channel;
} nncf__device_choice;
enum { NNCF__MAX_CHOICES = 8 };

typedef struct nncf__mark {
    bool after; /* a quantizer stands behind this operator */
    bool input; /* a quantizer stands on the input of this module */
    /* propagation: what may stand there, in order of preference; 0: as the config says */
    nncf__device_choice choices[NNCF__MAX_CHOICES];
    size_t n_choices;
} nncf__mark;

/* marks[graph->count], zeroed. */
nncf_status nncf__place_by_patterns(const nncf__op_graph *graph, const nncf__algorithm *algorithm, int32_t release,
                                    nncf__mark *marks, nncf_error *err);
/* ignored[graph->count]: operators that stay as they are. */
nncf_status nncf__place_by_propagation(const nncf__op_graph *graph, int32_t device, const bool *ignored,
                                       nncf__mark *marks, nncf_error *err);
/* Weights on a device, in order of preference; a count of 0: as the config says. */
size_t nncf__device_weights(int32_t device, const nncf__op *op, nncf__device_choice choices[NNCF__MAX_CHOICES]);

/* ---- placement_scopes.c ---- */

/* Where a quantizer stands in a layer. */
enum nncf__layer_place {
    NNCF__PLACE_WEIGHT = 0,
    NNCF__PLACE_INPUT,
    NNCF__PLACE_OUTPUT,
    NNCF__PLACE_BEFORE_ACTIVATION,
    NNCF__PLACES
};

enum nncf__list {
    NNCF__LIST_TARGETS = 0,
    NNCF__LIST_IGNORED,
    NNCF__LIST_WEIGHT_TARGETS,
    NNCF__LIST_WEIGHT_IGNORED,
    NNCF__LIST_ACTIVATION_TARGETS,
    NNCF__LIST_ACTIVATION_IGNORED,
    NNCF__LIST_OVERRIDES, /* their scopes, one each */
    NNCF__LISTS
};

/* The lists of one algorithm, ready for use. */
typedef struct nncf__algorithm_scopes {
    const nncf__algorithm *algorithm;
    size_t index; /* in the config */
    nncf__scope_set lists[NNCF__LISTS];
    const char **override_scopes;                   /* what LIST_OVERRIDES borrows */
    nncf__scope_set *range_targets, *range_ignored; /* [n_ranges] */
} nncf__algorithm_scopes;

typedef struct nncf__placement_scopes {
    nncf_context *context;
    const nncf__config_setup *setup;
    nncf__algorithm_scopes *algorithms; /* as in the config */
    size_t count;
    nncf__scope_set root_ignored, root_targets;
    nncf__regex_work *work; /* the budget of all lists */
    const char *too_long;   /* the scope on which the budget ended; sticky */
    bool no_memory;         /* a search had none; sticky */
} nncf__placement_scopes;

nncf_status nncf__scopes_make(nncf__placement_scopes *scopes, nncf_context *context, const nncf_config *config,
                              nncf_error *err);
void nncf__scopes_free(nncf__placement_scopes *scopes);
/* Is a module's weight the algorithm's business? `group`: NNCF__GROUP_WEIGHTS for quantization, else 0. */
bool nncf__scopes_take_weight(nncf__placement_scopes *scopes, const nncf__algorithm_scopes *a, const nncf__op *op);
/* May a quantizer stand behind this operator, or on the input of this module (NNCF__PLACE_INPUT)? */
bool nncf__scopes_take_activation(nncf__placement_scopes *scopes, const nncf__algorithm_scopes *a, const nncf__op *op,
                                  int32_t place);
/* Is the operator ignored, whatever targets say? For propagation. */
bool nncf__scopes_ignore(nncf__placement_scopes *scopes, const nncf__algorithm_scopes *a, const nncf__op *op);
/* What the config says about one quantizer: of the op's weight, of its input, or behind it. What it says itself, as
 * NNCF__GIVEN_... or-ed; the rest are defaults. */
int32_t nncf__scopes_rule(nncf__placement_scopes *scopes, const nncf__algorithm_scopes *a, const nncf__op *op,
                          int32_t place, nncf__quantizer_rule *rule);
/* Patterns that match nothing: reported all at once, as the config wants it. NNCF_E_CONFIG when it is strict. */
nncf_status nncf__scopes_check(nncf__placement_scopes *scopes, const nncf__op_graph *graph, const nncf_model *model,
                               nncf_error *err);

/* ---- placement_decide.c: the plan ---- */

typedef struct nncf__planned {
    bool present;
    size_t op;        /* in the graph: whose weight, whose input, or behind which it stands */
    int32_t sign;     /* until ranges are known */
    int64_t channels; /* of the tensor; 0: not known */
    int32_t given;    /* NNCF__GIVEN_...: what the config says of it itself */
    nncf__quantizer_rule rule;
} nncf__planned;

typedef struct nncf__layer_plan {
    bool masked;
    nncf__planned quantizers[NNCF__PLACES];
} nncf__layer_plan;

/* The quantizer of a place (nncf__layer_place), as it will be made. */
nncf__quantizer_wish nncf__placement_wish(const nncf_layer *layer, const nncf__planned *planned, int place);

struct nncf__placement {
    nncf_context *context;
    const nncf_model *model;
    const nncf__config_setup *setup;
    nncf__op_graph graph;
    nncf__placement_scopes scopes;
    const nncf__algorithm_scopes *sparsity, *quantization; /* nullable */
    nncf__layer_plan *layers;                              /* [n_layers] */
};

nncf_status nncf__placement_decide(struct nncf__placement *placement, const nncf_model *model,
                                   const nncf_config *config, nncf_error *err);
void nncf__placement_forget(struct nncf__placement *placement);

#endif
