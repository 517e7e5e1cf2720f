/* SPDX-License-Identifier: Apache-2.0 */
/* What all kinds of registration share; private to this folder. */
#ifndef NNCF__GRAPH_REGISTER_H
#define NNCF__GRAPH_REGISTER_H

#include <nncf/base.h>
#include <nncf/model.h>

#include <stddef.h>
#include <stdint.h>

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
} nncf__register_common;

/* A new layer with all that the kinds have in common; not yet in the model. */
nncf_status nncf__register_begin(
    nncf_model *model, const nncf__register_common *c, nncf_layer **layer, nncf_error *err);
/* Add it to the model, or free it if `status` is an error. */
nncf_status nncf__register_commit(
    nncf_model *model, nncf_layer *l, nncf_status status, nncf_layer **layer, nncf_error *err);
/* A size that must be at least `low`. */
nncf_status nncf__register_check_size(
    const nncf_layer *l, const char *name, int64_t value, int64_t low, nncf_error *err);
nncf_status nncf__register_batch_norm(
    nncf_layer *l, const nncf_batch_norm_params *params, nncf_error *err);
/* weight_count from the shape. */
nncf_status nncf__register_weight_count(nncf_layer *l, nncf_error *err);

#endif
