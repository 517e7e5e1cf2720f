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
        p->activation, NULL, p->inputs, p->n_inputs, p->activation_alpha};
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
        p->n_inputs, 0};
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
        p->n_inputs, 0};
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
        p->n_inputs, 0};
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
        p->inputs, p->n_inputs, 0};
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

static nncf_status fill_layer_norm(nncf_layer *l, const void *params, nncf_error *err)
{
    const nncf_layer_norm_params *p = params;
    nncf_status status = nncf__register_check_size(l, "size", p->size, 1, err);
    if (status != NNCF_OK)
        return status;
    if ((p->weight_grad && !p->weight) || (p->bias_grad && !p->bias))
        return nncf__fail(err, NNCF_E_ARG, l->scope, "%s_grad is given, but %s is NULL",
            p->weight_grad && !p->weight ? "weight" : "bias",
            p->weight_grad && !p->weight ? "weight" : "bias");
    if (!(p->eps >= 0) || !isfinite(p->eps))
        return nncf__fail(
            err, NNCF_E_ARG, l->scope, "eps is %g, it must be at least 0", (double)p->eps);
    if (p->reserved != 0)
        return nncf__fail(err, NNCF_E_ARG, l->scope, "nncf_layer_norm_params: reserved must be 0");
    l->norm.size = l->in_channels = l->out_channels = p->size;
    l->norm.weight = p->weight;
    l->norm.weight_grad = p->weight_grad;
    l->norm.bias = p->bias;
    l->norm.bias_grad = p->bias_grad;
    l->norm.eps = p->eps > 0 ? p->eps : NNCF__DEFAULT_EPS;
    /* for the export, whose form of it is that of the host's operator */
    l->attributes.eps = l->norm.eps;
    l->attributes.constants[0] =
        (nncf__op_constant){.data = p->weight, .ndim = 1, .shape = {p->size}};
    l->attributes.constants[1] =
        (nncf__op_constant){.data = p->bias, .ndim = 1, .shape = {p->size}};
    return NNCF_OK;
}

static void layer_norm_common(const void *params, common *c)
{
    const nncf_layer_norm_params *p = params;
    *c = (common){NNCF__LAYER_NORM, NNCF_OP_LAYER_NORM, p->scope, NNCF_ACTIVATION_NONE, NULL,
        p->inputs, p->n_inputs, 0};
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
        p->inputs, p->n_inputs, 0};
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
        p->n_inputs, 0};
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

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_activation_params, )
NNCF__STRUCT_INIT(nncf_concat_params, )
NNCF__STRUCT_INIT(nncf_multiply_params, )
NNCF__STRUCT_INIT(nncf_softmax_params, )
NNCF__STRUCT_INIT(nncf_upsample_params, )
NNCF__STRUCT_INIT(nncf_layer_norm_params, .eps = NNCF__DEFAULT_EPS)
NNCF__STRUCT_INIT(nncf_embedding_params, )
NNCF__STRUCT_INIT(nncf_matmul_params, .factor = 1)
