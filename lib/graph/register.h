/* SPDX-License-Identifier: Apache-2.0 */
/* What all kinds of registration share; private to this folder. */
#ifndef NNCF__GRAPH_REGISTER_H
#define NNCF__GRAPH_REGISTER_H

#include <nncf/base.h>
#include <nncf/model.h>

#include <stddef.h>
#include <stdint.h>

/* Of norms, as PyTorch's. */
#define NNCF__DEFAULT_EPS 1e-5f

typedef struct nncf__register_common {
    /* nncf__layer_kind */
    int32_t kind;
    /* NNCF_OP_... */
    int32_t op;
    const char *scope;
    int32_t activation;
    /* nullable */
    const char *activation_scope;
    nncf_layer *const *inputs;
    size_t n_inputs;
    /* activation_alpha; 0: the activation's default */
    float alpha;
    /* nullable */
    nncf_layer *tied_to;
} nncf__register_common;

/* How layers of a kind are registered. */
typedef struct nncf__registration {
    /* "nncf_model_add_..." */
    const char *call;
    const char *params_name;
    size_t params_size;
    /* Fill in what all kinds have in common. Checks nothing. */
    void (*common)(const void *params, nncf__register_common *c);
    /* Check the parameters and fill in what the kind has of its own. */
    nncf_status (*fill)(nncf_layer *l, const void *params, nncf_error *err);
} nncf__registration;

/* The whole of nncf_model_add_...(): `params` are copied into `copy`, checked, and a layer is added
 * to the model. A refusal names the layer and goes to the context's log. */
nncf_status nncf__register(nncf_model *model, const nncf__registration *kind, const void *params,
    void *copy, nncf_layer **layer, nncf_error *err);
/* A size that must be at least `low`. */
nncf_status nncf__register_check_size(
    const nncf_layer *l, const char *name, int64_t value, int64_t low, nncf_error *err);
/* The same of two, "name[0]" and "name[1]". */
nncf_status nncf__register_check_pair(
    const nncf_layer *l, const char *name, const int64_t value[2], int64_t low, nncf_error *err);
/* groups must divide both numbers of channels. */
nncf_status nncf__register_check_groups(const nncf_layer *l, nncf_error *err);
nncf_status nncf__register_batch_norm(
    nncf_layer *l, const nncf_batch_norm_params *params, nncf_error *err);
/* in_channels against what the producer makes. 0: not known. */
nncf_status nncf__register_check_channels(nncf_layer *l, nncf_error *err);
/* nncf__registration.fill of kinds without parameters of their own. */
nncf_status nncf__register_plain(nncf_layer *l, const void *params, nncf_error *err);
/* weight_count from the shape. */
nncf_status nncf__register_weight_count(nncf_layer *l, nncf_error *err);
/* The weight (first, second, kernel) of a convolution, its batch norm, and its channels. */
nncf_status nncf__register_window_weight(nncf_layer *l, int64_t first, int64_t second,
    const nncf_batch_norm_params *batch_norm, nncf_error *err);

#endif
