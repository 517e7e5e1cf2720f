/* SPDX-License-Identifier: Apache-2.0 */
/* Placement by hand: weights and quantizers that stand alone, without edges. */
#include "base/error.h"
#include "graph/model.h"
#include "graph/ops.h"
#include "graph/register.h"

#include <nncf/base.h>
#include <nncf/model.h>
#include <nncf/placement.h>

static nncf_status fill_weight(nncf_layer *l, const void *params, nncf_error *err)
{
    const nncf_weight_params *p = params;
    int64_t inner = 1;
    if (p->ndim < 1 || p->ndim > NNCF__MAX_WEIGHT_NDIM)
        return nncf__fail(err, NNCF_E_ARG, l->scope, "ndim is %d, it must be in 1..%d",
            (int)p->ndim, (int)NNCF__MAX_WEIGHT_NDIM);
    if (!p->shape)
        return nncf__fail(err, NNCF_E_ARG, l->scope, "ndim is %d but shape is NULL", (int)p->ndim);
    if (p->channel_axis < 0 || p->channel_axis >= p->ndim)
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "channel_axis is %d, it must be in 0..%d for a weight of %d dimensions",
            (int)p->channel_axis, (int)p->ndim - 1, (int)p->ndim);
    if (p->reserved != 0)
        return nncf__fail(err, NNCF_E_ARG, l->scope, "nncf_weight_params: reserved must be 0");
    l->weight_ndim = p->ndim;
    for (int32_t i = 0; i < p->ndim; i++) {
        nncf_status status = nncf__register_check_size(l, "a size of shape", p->shape[i], 1, err);
        if (status != NNCF_OK)
            return status;
        l->weight_shape[i] = p->shape[i];
    }
    l->weight = p->weight;
    l->weight_grad = p->weight_grad;
    l->weight_axis = p->channel_axis;
    nncf_status status = nncf__register_weight_count(l, err);
    if (status != NNCF_OK)
        return status;
    for (int32_t i = 0; i < p->ndim; i++)
        inner *= i == p->channel_axis ? 1 : p->shape[i]; /* a divisor of the count, which fits */
    if (p->group_size < 0 ||
        (p->group_size > 0 && (p->channel_axis != 0 || inner % p->group_size != 0)))
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "group_size is %d; it must divide the %lld elements of an output channel, and "
            "channel_axis must be 0",
            (int)p->group_size, (long long)inner);
    l->weight_group = p->group_size;
    l->groups = 1;
    l->in_channels = inner;
    l->out_channels = p->shape[p->channel_axis];
    return NNCF_OK;
}

static void weight_common(const void *params, nncf__register_common *c)
{
    const nncf_weight_params *p = params;
    *c = (nncf__register_common){.kind = NNCF__OPERATOR, .op = NNCF_OP_WEIGHT, .scope = p->scope};
}

nncf_status nncf_model_add_weight(
    nncf_model *model, const nncf_weight_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_weight",
        .params_name = "nncf_weight_params",
        .params_size = sizeof(nncf_weight_params),
        .common = weight_common,
        .fill = fill_weight};
    nncf_weight_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

static nncf_status fill_quantizer(nncf_layer *l, const void *params, nncf_error *err)
{
    const nncf_quantizer_params *p = params;
    l->groups = 1;
    l->in_channels = l->out_channels = p->channels;
    return nncf__register_check_size(l, "channels", p->channels, 0, err);
}

static void quantizer_common(const void *params, nncf__register_common *c)
{
    const nncf_quantizer_params *p = params;
    *c =
        (nncf__register_common){.kind = NNCF__OPERATOR, .op = NNCF_OP_QUANTIZER, .scope = p->scope};
}

nncf_status nncf_model_add_quantizer(
    nncf_model *model, const nncf_quantizer_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_quantizer",
        .params_name = "nncf_quantizer_params",
        .params_size = sizeof(nncf_quantizer_params),
        .common = quantizer_common,
        .fill = fill_quantizer};
    nncf_quantizer_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_weight_params, )
NNCF__STRUCT_INIT(nncf_quantizer_params, )
