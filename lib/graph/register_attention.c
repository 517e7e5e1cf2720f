/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registration of a multi-head attention: of the layers that it consists of, one after the other,
 * by their own calls. When one is refused, those before it are taken out of the model again.
 */
#include "base/error.h"
#include "base/text.h"
#include "graph/model.h"

#include <nncf/attention.h>
#include <nncf/base.h>
#include <nncf/layer.h>
#include <nncf/layers.h>
#include <nncf/model.h>

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Linear layers come first among the parts. */
enum { LINEAR_PARTS = NNCF_ATTENTION_OUT + 1, FROM_INPUT = NNCF_ATTENTION_V + 1 };

static const char *const default_names[NNCF_ATTENTION_CAPACITY] = {
    [NNCF_ATTENTION_Q] = "Linear[q]",
    [NNCF_ATTENTION_K] = "Linear[k]",
    [NNCF_ATTENTION_V] = "Linear[v]",
    [NNCF_ATTENTION_OUT] = "Linear[out]",
    [NNCF_ATTENTION_Q_HEADS] = "transpose_0",
    [NNCF_ATTENTION_K_HEADS] = "transpose_1",
    [NNCF_ATTENTION_V_HEADS] = "transpose_2",
    [NNCF_ATTENTION_SCORES] = "matmul_0",
    [NNCF_ATTENTION_SOFTMAX] = "softmax_0",
    [NNCF_ATTENTION_DROPOUT] = "dropout_0",
    [NNCF_ATTENTION_MIXED] = "matmul_1",
    [NNCF_ATTENTION_MERGED] = "transpose_3",
};

typedef struct building {
    nncf_model *model;
    /* defaults filled in */
    nncf_attention_params p;
    nncf_attention made;
    nncf_error *err;
} building;

static nncf_status check_names(const nncf_attention_params *p, nncf_error *err)
{
    for (int i = 0; i < NNCF_ATTENTION_CAPACITY; i++)
        if (p->names[i] && (!default_names[i] || !*p->names[i]))
            return nncf__fail(err, NNCF_E_ARG, NULL,
                default_names[i] ? "names[%d] is empty; leave it NULL for the default"
                                 : "names[%d] is given, but is of no part (NNCF_ATTENTION_...)",
                i);
    return NNCF_OK;
}

/* Arrays that no layer would look at. */
static nncf_status check_arrays(const nncf_attention_params *p, nncf_error *err)
{
    for (int i = NNCF_ATTENTION_K; p->packed && i <= NNCF_ATTENTION_V; i++)
        if (p->weight[i] || p->weight_grad[i] || p->bias[i] || p->bias_grad[i])
            return nncf__fail(err, NNCF_E_ARG, NULL,
                "packed is 1, so weight[0], weight_grad[0], bias[0] and bias_grad[0] hold q, k and "
                "v; leave those of %d NULL",
                i);
    const int out = NNCF_ATTENTION_OUT;
    if (!p->weight[out] && (p->weight_grad[out] || p->bias[out] || p->bias_grad[out]))
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "weight[NNCF_ATTENTION_OUT] is NULL, so there is no such layer; leave its weight_grad, "
            "bias and bias_grad NULL");
    return NNCF_OK;
}

static nncf_status check_inputs(nncf_attention_params *p, nncf_error *err)
{
    if (p->n_inputs > 3 || (p->n_inputs > 0 && !p->inputs))
        return nncf__fail(err, NNCF_E_ARG, NULL,
            p->n_inputs > 3 ? "n_inputs is %zu; an attention reads 1 to 3 tensors"
                            : "n_inputs is %zu but inputs is NULL",
            p->n_inputs);
    if (p->n_x < 0 || p->n_x > 3)
        return nncf__fail(
            err, NNCF_E_ARG, NULL, "n_x is %d; an attention reads 1 to 3 tensors", (int)p->n_x);
    if (p->n_x == 0)
        p->n_x = p->n_inputs > 0 ? (int32_t)p->n_inputs : 1;
    if (p->n_inputs > 0 && p->n_inputs != (size_t)p->n_x)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "n_x is %d, but n_inputs is %zu; it is n_x, or 0 when edges are left out", (int)p->n_x,
            p->n_inputs);
    return NNCF_OK;
}

static nncf_status check_sizes(nncf_attention_params *p, nncf_error *err)
{
    if (p->heads < 1 || p->features < 1 || p->features % p->heads != 0)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "features is %lld and heads is %d; heads must be at least 1 and divide features",
            (long long)p->features, (int)p->heads);
    if (p->key_features == 0)
        p->key_features = p->features;
    if (p->value_features == 0)
        p->value_features = p->features;
    if (p->packed && (p->key_features != p->features || p->value_features != p->features))
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "packed is 1, so key_features and value_features must be features, %lld",
            (long long)p->features);
    if (p->n_x < 3 && p->key_features != p->value_features)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "key_features is %lld and value_features is %lld, but keys and values are made from "
            "one tensor; for two n_x is 3",
            (long long)p->key_features, (long long)p->value_features);
    if (p->n_x == 1 && p->key_features != p->features)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "features is %lld and key_features is %lld, but queries and keys are made from one "
            "tensor; for two n_x is 2",
            (long long)p->features, (long long)p->key_features);
    return NNCF_OK;
}

/* Also fills in defaults. What a layer checks is left to it. */
static nncf_status check(nncf_attention_params *p, nncf_error *err)
{
    if (!p->scope || !*p->scope)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "the attention has no scope; give it one, such as \"Net/MultiheadAttention[attn]\"");
    if ((p->packed != 0 && p->packed != 1) || (p->causal != 0 && p->causal != 1))
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "packed is %d and causal is %d; each must be 0 or 1", (int)p->packed, (int)p->causal);
    if (!(p->dropout >= 0 && p->dropout < 1) || !isfinite(p->factor))
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "dropout is %g and factor is %g; the first must be at least 0 and less than 1, the "
            "second finite",
            (double)p->dropout, (double)p->factor);
    nncf_status status = check_inputs(p, err);
    if (status == NNCF_OK)
        status = check_sizes(p, err);
    if (status == NNCF_OK)
        status = check_names(p, err);
    if (status == NNCF_OK)
        status = check_arrays(p, err);
    if (status == NNCF_OK && p->factor == 0)
        p->factor = 1 / sqrtf((float)(p->features / p->heads));
    return status;
}

/* Which of n_x tensors a part of NNCF_ATTENTION_Q, K and V reads. */
static int source(int32_t n_x, int part)
{
    return part < n_x ? part : n_x - 1;
}

static nncf_status add_linear(
    building *b, int part, const char *scope, nncf_layer *const *inputs, size_t n)
{
    const nncf_attention_params *p = &b->p;
    const bool packed = p->packed && part <= NNCF_ATTENTION_V;
    const int from = packed ? 0 : part;
    /* behind q, whose weight was found to be of a possible size */
    const ptrdiff_t bias = packed ? part * (ptrdiff_t)p->features : 0,
                    weight = part == 0 ? 0 : bias * (ptrdiff_t)p->features;
#define AT(array, offset) (p->array[from] ? p->array[from] + (offset) : NULL)
    const nncf_linear_params linear = {NNCF_PARAMS(nncf_linear_params), .scope = scope,
        .weight = AT(weight, weight), .weight_grad = AT(weight_grad, weight),
        .bias = AT(bias, bias), .bias_grad = AT(bias_grad, bias),
        .in_features = part == NNCF_ATTENTION_K ? p->key_features
            : part == NNCF_ATTENTION_V          ? p->value_features
                                                : p->features,
        .out_features = p->features, .inputs = inputs, .n_inputs = n};
#undef AT
    return nncf_model_add_linear(b->model, &linear, &b->made.layers[part], b->err);
}

static nncf_status add_part(
    building *b, int part, const char *scope, nncf_layer *const *inputs, size_t n)
{
    const nncf_attention_params *p = &b->p;
    nncf_layer **layer = &b->made.layers[part];
    if (part < LINEAR_PARTS)
        return add_linear(b, part, scope, inputs, n);
    if (part == NNCF_ATTENTION_SCORES || part == NNCF_ATTENTION_MIXED) {
        const bool scores = part == NNCF_ATTENTION_SCORES;
        const nncf_matmul_params matmul = {NNCF_PARAMS(nncf_matmul_params), .scope = scope,
            .transpose_b = scores, .factor = scores ? p->factor : 1, .inputs = inputs,
            .n_inputs = n};
        return nncf_model_add_matmul(b->model, &matmul, layer, b->err);
    }
    if (part == NNCF_ATTENTION_SOFTMAX) {
        const nncf_softmax_params softmax = {NNCF_PARAMS(nncf_softmax_params), .scope = scope,
            .causal = p->causal, .inputs = inputs, .n_inputs = n};
        return nncf_model_add_softmax(b->model, &softmax, layer, b->err);
    }
    if (part == NNCF_ATTENTION_DROPOUT) {
        const nncf_dropout_params dropout = {NNCF_PARAMS(nncf_dropout_params), .scope = scope,
            .p = p->dropout, .inputs = inputs, .n_inputs = n};
        return nncf_model_add_dropout(b->model, &dropout, layer, b->err);
    }
    const nncf_heads_params heads = {NNCF_PARAMS(nncf_heads_params), .scope = scope,
        .heads = p->heads, .merge = part == NNCF_ATTENTION_MERGED, .inputs = inputs, .n_inputs = n};
    return nncf_model_add_heads(b->model, &heads, layer, b->err);
}

/* A part whose inputs are other parts (-1: none), or the attention's. */
static nncf_status add(building *b, int part, int first, int second)
{
    const char *name = b->p.names[part] ? b->p.names[part] : default_names[part];
    nncf__text scope = {.context = b->model->context};
    nncf_layer *inputs[2] = {NULL, NULL};
    size_t n = 0;
    if (part < FROM_INPUT && b->p.n_inputs > 0)
        inputs[n++] = b->p.inputs[source(b->p.n_x, part)];
    if (first >= 0)
        inputs[n++] = b->made.layers[first];
    if (second >= 0)
        inputs[n++] = b->made.layers[second];
    nncf__text_printf(&scope, "%s/%s", b->p.scope, name);
    const nncf_status status = scope.failed
        ? nncf__report(b->model->context, "nncf_model_add_attention", b->p.scope, NNCF_E_NOMEM,
              &(const nncf_error)NNCF_ERROR_INIT, b->err)
        : add_part(b, part, scope.data, inputs, n);
    nncf__text_free(&scope);
    return status;
}

static nncf_status add_all(building *b)
{
    static const struct {
        int part, first, second;
    } parts[] = {
        {NNCF_ATTENTION_Q, -1, -1},
        {NNCF_ATTENTION_Q_HEADS, NNCF_ATTENTION_Q, -1},
        {NNCF_ATTENTION_K, -1, -1},
        {NNCF_ATTENTION_K_HEADS, NNCF_ATTENTION_K, -1},
        {NNCF_ATTENTION_V, -1, -1},
        {NNCF_ATTENTION_V_HEADS, NNCF_ATTENTION_V, -1},
        {NNCF_ATTENTION_SCORES, NNCF_ATTENTION_Q_HEADS, NNCF_ATTENTION_K_HEADS},
        {NNCF_ATTENTION_SOFTMAX, NNCF_ATTENTION_SCORES, -1},
        {NNCF_ATTENTION_DROPOUT, NNCF_ATTENTION_SOFTMAX, -1},
        {NNCF_ATTENTION_MIXED, NNCF_ATTENTION_DROPOUT, NNCF_ATTENTION_V_HEADS},
        {NNCF_ATTENTION_MERGED, NNCF_ATTENTION_MIXED, -1},
        {NNCF_ATTENTION_OUT, NNCF_ATTENTION_MERGED, -1},
    };
    nncf_status status = NNCF_OK;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && status == NNCF_OK; i++) {
        const int part = parts[i].part;
        int first = parts[i].first;
        if ((part == NNCF_ATTENTION_DROPOUT && b->p.dropout == 0) ||
            (part == NNCF_ATTENTION_OUT && !b->p.weight[NNCF_ATTENTION_OUT]))
            continue;
        if (first == NNCF_ATTENTION_DROPOUT && b->p.dropout == 0)
            first = NNCF_ATTENTION_SOFTMAX;
        status = add(b, part, first, parts[i].second);
    }
    return status;
}

static nncf_status finish(building *b, size_t before, nncf_attention *attention)
{
    nncf_layer *const *layers = b->made.layers;
    nncf_status status = add_all(b);
    if (status == NNCF_OK) {
        b->made.struct_size = sizeof b->made;
        b->made.n_x = b->p.n_x;
        /* backward goes from v over k to q */
        layers[NNCF_ATTENTION_K]->shares_dx = b->p.n_x < 3;
        layers[NNCF_ATTENTION_Q]->shares_dx = b->p.n_x < 2;
        status = nncf__result_copy(attention, &b->made, sizeof b->made);
    }
    if (status != NNCF_OK)
        nncf__model_truncate(b->model, before);
    return status;
}

nncf_status nncf_model_add_attention(nncf_model *model, const nncf_attention_params *params,
    nncf_attention *attention, nncf_error *err)
{
    static const char call[] = "nncf_model_add_attention";
    nncf_error reason = NNCF_ERROR_INIT;
    building b = {.model = model, .err = err};
    nncf_attention found;
    nncf_status status = !model || !params || !attention
        ? nncf__fail(
              &reason, NNCF_E_ARG, NULL, "%s: model, params and attention must not be NULL", call)
        : nncf__params_copy(&b.p, sizeof b.p, params, "nncf_attention_params", &reason);
    if (status == NNCF_OK) /* is it one that a result can go to? */
        status = nncf__params_copy(&found, sizeof found, attention, "nncf_attention", &reason);
    if (status == NNCF_OK)
        status = check(&b.p, &reason);
    if (status != NNCF_OK)
        return nncf__report(model ? model->context : NULL, call, b.p.scope, status, &reason, err);
    return finish(&b, model->n_layers, attention);
}

nncf_status nncf_model_find_attention(
    const nncf_model *model, const nncf_attention *of, nncf_attention *attention, nncf_error *err)
{
    static const char call[] = "nncf_model_find_attention";
    nncf_error reason = NNCF_ERROR_INIT;
    nncf_attention from = {0};
    const char *scope = NULL;
    nncf_status status = !model || !of || !attention
        ? nncf__fail(
              &reason, NNCF_E_ARG, NULL, "%s: model, of and attention must not be NULL", call)
        : nncf__params_copy(&from, sizeof from, of, "nncf_attention", &reason);
    nncf_attention made = {NNCF_PARAMS(nncf_attention), .n_x = from.n_x};
    for (int i = 0; i < NNCF_ATTENTION_CAPACITY && status == NNCF_OK; i++) {
        if (!from.layers[i])
            continue;
        scope = nncf_layer_get_scope(from.layers[i]);
        made.layers[i] = nncf_model_find_layer(model, scope);
        if (!made.layers[i])
            status =
                nncf__fail(&reason, NNCF_E_NOTFOUND, NULL, "the model has no layer of that scope");
    }
    if (status == NNCF_OK)
        status = nncf__result_give(attention, &made, sizeof made, "nncf_attention", &reason);
    return nncf__report(model ? model->context : NULL, call, scope, status, &reason, err);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_attention_params, )
NNCF__STRUCT_INIT(nncf_attention, )
