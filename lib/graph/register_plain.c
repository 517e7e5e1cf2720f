/* SPDX-License-Identifier: Apache-2.0 */
/* Registration of layers that are no product, sum or pool. */
#include "base/error.h"
#include "graph/block.h"
#include "graph/model.h"
#include "graph/ops.h"
#include "graph/register.h"

#include <nncf/base.h>
#include <nncf/layers.h>
#include <nncf/model.h>

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef nncf__register_common common;

nncf_status nncf__register_plain(nncf_layer *l, const void *params, nncf_error *err)
{
    (void)params;
    return nncf__register_check_channels(l, err);
}

static nncf_status fill_activation(nncf_layer *l, const void *params, nncf_error *err)
{
    const nncf_activation_params *p = params;
    if (p->activation == NNCF_ACTIVATION_NONE)
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "activation is 0; the layer is one of NNCF_ACTIVATION_..., but not of ..._NONE");
    return nncf__register_check_channels(l, err);
}

static void activation_common(const void *params, common *c)
{
    const nncf_activation_params *p = params;
    const bool known =
        p->activation > NNCF_ACTIVATION_NONE && p->activation <= NNCF_ACTIVATION_MISH;
    *c = (common){NNCF__ACTIVATION,
        known ? nncf__op_of_activation(p->activation) : (int32_t)NNCF_OP_OTHER, p->scope,
        p->activation, NULL, p->inputs, p->n_inputs, p->activation_alpha, NULL};
}

nncf_status nncf_model_add_activation(
    nncf_model *model, const nncf_activation_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_activation",
        .params_name = "nncf_activation_params",
        .params_size = sizeof(nncf_activation_params),
        .common = activation_common,
        .fill = fill_activation};
    nncf_activation_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

static nncf_status fill_concat(nncf_layer *l, const void *params, nncf_error *err)
{
    (void)params;
    if (l->n_inputs < 2 || l->n_inputs > NNCF__MAX_INPUTS)
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "n_inputs is %zu; a concatenation has 2 to %d, and they must be registered",
            l->n_inputs, NNCF__MAX_INPUTS);
    for (size_t i = 0; i < l->n_inputs; i++) {
        if (l->inputs[i]->out_channels == 0) { /* not known */
            l->out_channels = 0;
            break;
        }
        l->out_channels += l->inputs[i]->out_channels;
    }
    l->in_channels = l->out_channels;
    return nncf__register_check_size(l, "the sum of the inputs' channels", l->out_channels, 0, err);
}

static void concat_common(const void *params, common *c)
{
    const nncf_concat_params *p = params;
    *c = (common){NNCF__CONCAT, NNCF_OP_CONCAT, p->scope, NNCF_ACTIVATION_NONE, NULL, p->inputs,
        p->n_inputs, 0, NULL};
}

nncf_status nncf_model_add_concat(
    nncf_model *model, const nncf_concat_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_concat",
        .params_name = "nncf_concat_params",
        .params_size = sizeof(nncf_concat_params),
        .common = concat_common,
        .fill = fill_concat};
    nncf_concat_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

static void multiply_common(const void *params, common *c)
{
    const nncf_multiply_params *p = params;
    *c = (common){NNCF__MULTIPLY, NNCF_OP_MUL, p->scope, NNCF_ACTIVATION_NONE, NULL, p->inputs,
        p->n_inputs, 0, NULL};
}

nncf_status nncf_model_add_multiply(
    nncf_model *model, const nncf_multiply_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_multiply",
        .params_name = "nncf_multiply_params",
        .params_size = sizeof(nncf_multiply_params),
        .common = multiply_common,
        .fill = nncf__register_plain};
    nncf_multiply_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

static nncf_status fill_softmax(nncf_layer *l, const void *params, nncf_error *err)
{
    const nncf_softmax_params *p = params;
    if ((p->causal != 0 && p->causal != 1) || p->reserved != 0)
        return nncf__fail(
            err, NNCF_E_ARG, l->scope, "nncf_softmax_params: causal must be 0 or 1, reserved 0");
    l->causal = p->causal;
    return nncf__register_check_channels(l, err);
}

static void softmax_common(const void *params, common *c)
{
    const nncf_softmax_params *p = params;
    *c = (common){NNCF__SOFTMAX, NNCF_OP_SOFTMAX, p->scope, NNCF_ACTIVATION_NONE, NULL, p->inputs,
        p->n_inputs, 0, NULL};
}

nncf_status nncf_model_add_softmax(
    nncf_model *model, const nncf_softmax_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_softmax",
        .params_name = "nncf_softmax_params",
        .params_size = sizeof(nncf_softmax_params),
        .common = softmax_common,
        .fill = fill_softmax};
    nncf_softmax_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

static nncf_status fill_upsample(nncf_layer *l, const void *params, nncf_error *err)
{
    const nncf_upsample_params *p = params;
    if (p->kind < NNCF_UPSAMPLE_NEAREST || p->kind > NNCF_UPSAMPLE_BILINEAR_ALIGNED)
        return nncf__fail(
            err, NNCF_E_ARG, l->scope, "kind is %d, not one of NNCF_UPSAMPLE_...", (int)p->kind);
    if (p->reserved != 0)
        return nncf__fail(err, NNCF_E_ARG, l->scope, "nncf_upsample_params: reserved must be 0");
    l->upsample_kind = p->kind;
    for (int i = 0; i < 2; i++) {
        nncf_status status =
            nncf__register_check_size(l, i ? "factor[1]" : "factor[0]", p->factor[i], 1, err);
        if (status != NNCF_OK)
            return status;
        l->stride[i] = p->factor[i];
    }
    return nncf__register_check_channels(l, err);
}

static void upsample_common(const void *params, common *c)
{
    const nncf_upsample_params *p = params;
    *c = (common){NNCF__UPSAMPLE, NNCF_OP_INTERPOLATE, p->scope, NNCF_ACTIVATION_NONE, NULL,
        p->inputs, p->n_inputs, 0, NULL};
}

nncf_status nncf_model_add_upsample(
    nncf_model *model, const nncf_upsample_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_upsample",
        .params_name = "nncf_upsample_params",
        .params_size = sizeof(nncf_upsample_params),
        .common = upsample_common,
        .fill = fill_upsample};
    nncf_upsample_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

/* Arrays and eps, which are filled in but for an eps that is none. */
static nncf_status check_norm(const nncf_layer *l, float eps, nncf_error *err)
{
    const bool weight = l->norm.weight_grad && !l->norm.weight;
    if (weight || (l->norm.bias_grad && !l->norm.bias))
        return nncf__fail(err, NNCF_E_ARG, l->scope, "%s_grad is given, but %s is NULL",
            weight ? "weight" : "bias", weight ? "weight" : "bias");
    if (!(eps >= 0) || !isfinite(eps))
        return nncf__fail(
            err, NNCF_E_ARG, l->scope, "eps is %g, it must be at least 0", (double)eps);
    return NNCF_OK;
}

/* For the export, whose form of a norm is that of the host's operator. */
static void fill_norm_constants(nncf_layer *l)
{
    l->attributes.eps = l->norm.eps;
    l->attributes.constants[0] =
        (nncf__op_constant){.data = l->norm.weight, .ndim = 1, .shape = {l->norm.size}};
    l->attributes.constants[1] =
        (nncf__op_constant){.data = l->norm.bias, .ndim = 1, .shape = {l->norm.size}};
}

static nncf_status fill_layer_norm(nncf_layer *l, const void *params, nncf_error *err)
{
    const nncf_layer_norm_params *p = params;
    nncf_status status = nncf__register_check_size(l, "size", p->size, 1, err);
    if (status != NNCF_OK)
        return status;
    if (p->reserved != 0)
        return nncf__fail(err, NNCF_E_ARG, l->scope, "nncf_layer_norm_params: reserved must be 0");
    l->norm.size = l->in_channels = l->out_channels = p->size;
    l->norm.weight = p->weight;
    l->norm.weight_grad = p->weight_grad;
    l->norm.bias = p->bias;
    l->norm.bias_grad = p->bias_grad;
    l->norm.eps = p->eps > 0 ? p->eps : NNCF__DEFAULT_EPS;
    if ((status = check_norm(l, p->eps, err)) == NNCF_OK)
        fill_norm_constants(l);
    return status;
}

static void layer_norm_common(const void *params, common *c)
{
    const nncf_layer_norm_params *p = params;
    *c = (common){NNCF__LAYER_NORM, NNCF_OP_LAYER_NORM, p->scope, NNCF_ACTIVATION_NONE, NULL,
        p->inputs, p->n_inputs, 0, NULL};
}

nncf_status nncf_model_add_layer_norm(
    nncf_model *model, const nncf_layer_norm_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_layer_norm",
        .params_name = "nncf_layer_norm_params",
        .params_size = sizeof(nncf_layer_norm_params),
        .common = layer_norm_common,
        .fill = fill_layer_norm};
    nncf_layer_norm_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

static nncf_status fill_embedding(nncf_layer *l, const void *params, nncf_error *err)
{
    const nncf_embedding_params *p = params;
    nncf_status status;
    if ((status = nncf__register_check_size(l, "words", p->words, 1, err)) != NNCF_OK ||
        (status = nncf__register_check_size(l, "size", p->size, 1, err)) != NNCF_OK)
        return status;
    l->weight = p->weight;
    l->weight_grad = p->weight_grad;
    l->weight_ndim = 2;
    l->weight_shape[0] = p->words;
    l->weight_shape[1] = l->out_channels = p->size;
    l->groups = 1;
    return nncf__register_weight_count(l, err);
}

static void embedding_common(const void *params, common *c)
{
    const nncf_embedding_params *p = params;
    *c = (common){NNCF__EMBEDDING, NNCF_OP_EMBEDDING, p->scope, NNCF_ACTIVATION_NONE, NULL,
        p->inputs, p->n_inputs, 0, p->tied_to};
}

nncf_status nncf_model_add_embedding(
    nncf_model *model, const nncf_embedding_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_embedding",
        .params_name = "nncf_embedding_params",
        .params_size = sizeof(nncf_embedding_params),
        .common = embedding_common,
        .fill = fill_embedding};
    nncf_embedding_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

static nncf_status fill_matmul(nncf_layer *l, const void *params, nncf_error *err)
{
    const nncf_matmul_params *p = params;
    if ((p->transpose_a != 0 && p->transpose_a != 1) ||
        (p->transpose_b != 0 && p->transpose_b != 1))
        return nncf__fail(err, NNCF_E_ARG, l->scope, "transpose_%c is %d; it must be 0 or 1",
            p->transpose_a != 0 && p->transpose_a != 1 ? 'a' : 'b',
            (int)(p->transpose_a != 0 && p->transpose_a != 1 ? p->transpose_a : p->transpose_b));
    if (!isfinite(p->factor) || p->reserved != 0)
        return nncf__fail(
            err, NNCF_E_ARG, l->scope, "nncf_matmul_params: factor must be finite, reserved 0");
    l->transposes[0] = p->transpose_a;
    l->transposes[1] = p->transpose_b;
    l->attributes.flags = p->transpose_b ? NNCF_OP_FLAG_TRANSPOSE_SECOND : 0;
    l->factor = p->factor != 0 ? p->factor : 1;
    return NNCF_OK;
}

static void matmul_common(const void *params, common *c)
{
    const nncf_matmul_params *p = params;
    *c = (common){NNCF__MATMUL, NNCF_OP_MATMUL, p->scope, NNCF_ACTIVATION_NONE, NULL, p->inputs,
        p->n_inputs, 0, NULL};
}

nncf_status nncf_model_add_matmul(
    nncf_model *model, const nncf_matmul_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_matmul",
        .params_name = "nncf_matmul_params",
        .params_size = sizeof(nncf_matmul_params),
        .common = matmul_common,
        .fill = fill_matmul};
    nncf_matmul_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

static nncf_status fill_prelu(nncf_layer *l, const void *params, nncf_error *err)
{
    const nncf_prelu_params *p = params;
    nncf_status status = nncf__register_check_size(l, "count", p->count, 1, err);
    if (status == NNCF_OK)
        status = nncf__register_check_channels(l, err);
    if (status != NNCF_OK)
        return status;
    if (!p->weight)
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "weight is NULL; the layer needs its %lld slopes", (long long)p->count);
    if (p->count > 1 && l->in_channels > 0 && l->in_channels != p->count)
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "count is %lld, but its input has %lld channels: there is one slope, or one a channel",
            (long long)p->count, (long long)l->in_channels);
    if (p->count > 1)
        l->in_channels = l->out_channels = p->count;
    l->norm.size = p->count;
    l->norm.weight = p->weight;
    l->norm.weight_grad = p->weight_grad;
    l->attributes.constants[0] =
        (nncf__op_constant){.data = p->weight, .ndim = 1, .shape = {p->count}};
    return NNCF_OK;
}

static void prelu_common(const void *params, common *c)
{
    const nncf_prelu_params *p = params;
    *c = (common){NNCF__PRELU, NNCF_OP_PRELU, p->scope, NNCF_ACTIVATION_NONE, NULL, p->inputs,
        p->n_inputs, 0, NULL};
}

nncf_status nncf_model_add_prelu(
    nncf_model *model, const nncf_prelu_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_prelu",
        .params_name = "nncf_prelu_params",
        .params_size = sizeof(nncf_prelu_params),
        .common = prelu_common,
        .fill = fill_prelu};
    nncf_prelu_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

static nncf_status fill_dropout(nncf_layer *l, const void *params, nncf_error *err)
{
    const nncf_dropout_params *p = params;
    if (!(p->p >= 0 && p->p < 1) || p->reserved != 0)
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "p is %g; it must be at least 0 and less than 1, and reserved 0", (double)p->p);
    l->dropped = p->p;
    return nncf__register_check_channels(l, err);
}

static void dropout_common(const void *params, common *c)
{
    const nncf_dropout_params *p = params;
    *c = (common){NNCF__DROPOUT, NNCF_OP_DROPOUT, p->scope, NNCF_ACTIVATION_NONE, NULL, p->inputs,
        p->n_inputs, 0, NULL};
}

nncf_status nncf_model_add_dropout(
    nncf_model *model, const nncf_dropout_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_dropout",
        .params_name = "nncf_dropout_params",
        .params_size = sizeof(nncf_dropout_params),
        .common = dropout_common,
        .fill = fill_dropout};
    nncf_dropout_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

static nncf_status fill_group_norm(nncf_layer *l, const void *params, nncf_error *err)
{
    const nncf_group_norm_params *p = params;
    nncf_status status;
    if ((status = nncf__register_check_size(l, "channels", p->channels, 1, err)) != NNCF_OK ||
        (status = nncf__register_check_size(l, "groups", p->groups, 1, err)) != NNCF_OK)
        return status;
    l->groups = p->groups;
    l->norm.size = l->in_channels = l->out_channels = p->channels;
    l->norm.weight = p->weight;
    l->norm.weight_grad = p->weight_grad;
    l->norm.bias = p->bias;
    l->norm.bias_grad = p->bias_grad;
    l->norm.eps = p->eps > 0 ? p->eps : NNCF__DEFAULT_EPS;
    if ((status = nncf__register_check_groups(l, err)) != NNCF_OK ||
        (status = check_norm(l, p->eps, err)) != NNCF_OK)
        return status;
    fill_norm_constants(l);
    return nncf__register_check_channels(l, err);
}

static void group_norm_common(const void *params, common *c)
{
    const nncf_group_norm_params *p = params;
    *c = (common){NNCF__GROUP_NORM, NNCF_OP_GROUP_NORM, p->scope, NNCF_ACTIVATION_NONE, NULL,
        p->inputs, p->n_inputs, 0, NULL};
}

nncf_status nncf_model_add_group_norm(
    nncf_model *model, const nncf_group_norm_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_group_norm",
        .params_name = "nncf_group_norm_params",
        .params_size = sizeof(nncf_group_norm_params),
        .common = group_norm_common,
        .fill = fill_group_norm};
    nncf_group_norm_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

static nncf_status fill_heads(nncf_layer *l, const void *params, nncf_error *err)
{
    const nncf_heads_params *p = params;
    if (p->merge != 0 && p->merge != 1)
        return nncf__fail(
            err, NNCF_E_ARG, l->scope, "merge is %d; it must be 0 or 1", (int)p->merge);
    l->groups = p->heads;
    l->merges = p->merge;
    return nncf__register_check_size(l, "heads", p->heads, 1, err);
}

static void heads_common(const void *params, common *c)
{
    const nncf_heads_params *p = params;
    *c = (common){NNCF__HEADS, NNCF_OP_TRANSPOSE, p->scope, NNCF_ACTIVATION_NONE, NULL, p->inputs,
        p->n_inputs, 0, NULL};
}

nncf_status nncf_model_add_heads(
    nncf_model *model, const nncf_heads_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_heads",
        .params_name = "nncf_heads_params",
        .params_size = sizeof(nncf_heads_params),
        .common = heads_common,
        .fill = fill_heads};
    nncf_heads_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_activation_params, )
NNCF__STRUCT_INIT(nncf_concat_params, )
NNCF__STRUCT_INIT(nncf_multiply_params, )
NNCF__STRUCT_INIT(nncf_softmax_params, )
NNCF__STRUCT_INIT(nncf_upsample_params, )
NNCF__STRUCT_INIT(nncf_layer_norm_params, .eps = NNCF__DEFAULT_EPS)
NNCF__STRUCT_INIT(nncf_embedding_params, )
NNCF__STRUCT_INIT(nncf_matmul_params, .factor = 1)
NNCF__STRUCT_INIT(nncf_prelu_params, )
NNCF__STRUCT_INIT(nncf_dropout_params, )
NNCF__STRUCT_INIT(nncf_group_norm_params, .groups = 1, .eps = NNCF__DEFAULT_EPS)
NNCF__STRUCT_INIT(nncf_heads_params, )
