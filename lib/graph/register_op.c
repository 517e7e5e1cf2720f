/* SPDX-License-Identifier: Apache-2.0 */
/* Registration of operators that a host runs itself. */
#include "base/error.h"
#include "graph/model.h"
#include "graph/ops.h"
#include "graph/register.h"

#include <nncf/base.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <math.h>
#include <string.h>

static nncf_status check_inputs(const nncf_op_params *p, const nncf__op_info *info, nncf_error *err)
{
    if (info->max_inputs != NNCF__ANY_INPUTS && p->n_inputs > info->max_inputs)
        return nncf__fail(err, NNCF_E_ARG, p->scope, "%s has at most %zu inputs, not %zu",
            info->name, info->max_inputs, p->n_inputs);
    return NNCF_OK;
}

static nncf_status fill_weight(
    nncf_layer *l, const nncf_op_params *p, const nncf__op_info *info, nncf_error *err)
{
    if (p->weight_ndim == 0) {
        if (info->min_weight_ndim > 0)
            return nncf__fail(
                err, NNCF_E_ARG, l->scope, "%s needs its weight: weight_ndim is 0", info->name);
        if (p->weight || p->weight_grad)
            return nncf__fail(err, NNCF_E_ARG, l->scope, "weight is given, but weight_ndim is 0");
        return NNCF_OK;
    }
    if (p->weight_ndim < info->min_weight_ndim || p->weight_ndim > info->max_weight_ndim) {
        if (info->max_weight_ndim == 0)
            return nncf__fail(err, NNCF_E_ARG, l->scope,
                "%s has no weight to compress: leave weight_ndim 0", info->name);
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "weight_ndim is %d, but the weight of %s has %d dimensions", (int)p->weight_ndim,
            info->name, (int)info->max_weight_ndim);
    }
    if (!p->weight_shape)
        return nncf__fail(err, NNCF_E_ARG, l->scope, "weight_ndim is %d but weight_shape is NULL",
            (int)p->weight_ndim);
    l->weight_ndim = p->weight_ndim;
    for (int32_t i = 0; i < p->weight_ndim; i++) {
        nncf_status status =
            nncf__register_check_size(l, "a size of weight_shape", p->weight_shape[i], 1, err);
        if (status != NNCF_OK)
            return status;
        l->weight_shape[i] = p->weight_shape[i];
    }
    l->weight = p->weight;
    l->weight_grad = p->weight_grad;
    l->weight_axis = info->weight_axis;
    return nncf__register_weight_count(l, err);
}

/* Channels from the weight if it determines them, else what the caller declares, else those of the
 * input.
 */
static nncf_status fill_channels(
    nncf_layer *l, const nncf_op_params *p, const nncf__op_info *info, nncf_error *err)
{
    l->groups = p->groups ? p->groups : 1;
    nncf_status status = nncf__register_check_size(l, "groups", l->groups, 1, err);
    if (status == NNCF_OK)
        status = nncf__register_check_size(l, "channels", p->channels, 0, err);
    if (status != NNCF_OK)
        return status;
    int64_t made = p->n_inputs > 0 ? l->inputs[0]->out_channels : 0;
    l->in_channels = made;
    l->out_channels = p->channels ? p->channels : made;
    if (l->weight_ndim > 0 && l->op != NNCF_OP_EMBEDDING) {
        const int64_t a = l->weight_shape[0],
                      b = l->weight_shape[1] * l->groups; /* both are at most 2^31 */
        l->in_channels = info->weight_axis ? a : b;
        l->out_channels = info->weight_axis ? b : a;
        if (a % l->groups != 0)
            return nncf__fail(err, NNCF_E_ARG, l->scope,
                "groups is %lld, which does not divide weight_shape[0] (%lld)",
                (long long)l->groups, (long long)a);
    } else if (l->op == NNCF_OP_EMBEDDING) {
        l->out_channels =
            p->channels; /* (n, words, dim): the second dimension is no channel of the weight */
    } else if (l->op == NNCF_OP_CONCAT && !p->channels) {
        l->out_channels =
            0; /* the sum of the inputs', when they are known and are what is concatenated */
        for (size_t i = 0; i < l->n_inputs; i++) {
            if (l->inputs[i]->out_channels == 0)
                return NNCF_OK;
        }
        for (size_t i = 0; i < l->n_inputs; i++)
            l->out_channels += l->inputs[i]->out_channels;
    } else if ((l->op == NNCF_OP_RESHAPE || l->op == NNCF_OP_TRANSPOSE || l->op == NNCF_OP_MATMUL ||
                   l->op == NNCF_OP_OTHER || l->op == NNCF_OP_FUNCTIONAL_LINEAR ||
                   l->op == NNCF_OP_FLATTEN) &&
        !p->channels) {
        l->out_channels = 0; /* not known */
    }
    return NNCF_OK;
}

/* What the library only passes on is refused where no operator means it. */
static nncf_status check_attributes(const nncf_layer *l, const nncf_op_params *p, nncf_error *err)
{
    const struct {
        const char *name;
        const int32_t *values;
    } windows[] = {{"kernel", p->kernel}, {"stride", p->stride}, {"padding", p->padding},
        {"output_padding", p->output_padding}, {"dilation", p->dilation}};
    for (size_t w = 0; w < sizeof windows / sizeof *windows; w++)
        for (int i = 0; i < 3; i++)
            if (windows[w].values[i] < 0)
                return nncf__fail(err, NNCF_E_ARG, l->scope, "%s[%d] is %d, it must be at least 0",
                    windows[w].name, i, (int)windows[w].values[i]);
    if (p->axis < -NNCF_MAX_NDIM || p->axis >= NNCF_MAX_NDIM)
        return nncf__fail(err, NNCF_E_ARG, l->scope, "axis is %d, it must be in -%d..%d",
            (int)p->axis, NNCF_MAX_NDIM, NNCF_MAX_NDIM - 1);
    if (!isfinite(p->alpha))
        return nncf__fail(
            err, NNCF_E_ARG, l->scope, "alpha is %g, it must be finite", (double)p->alpha);
    return NNCF_OK;
}

static nncf_status fill(
    nncf_layer *l, const nncf_op_params *p, const nncf__op_info *info, nncf_error *err)
{
    nncf_status status;
    l->bias = p->bias;
    l->bias_grad = p->bias_grad;
    if (p->reserved != 0)
        return nncf__fail(err, NNCF_E_ARG, l->scope, "nncf_op_params: reserved must be 0");
    if (p->batch_norm && p->op != NNCF_OP_BATCH_NORM)
        return nncf__fail(err, NNCF_E_ARG, l->scope, "batch_norm is for NNCF_OP_BATCH_NORM");
    if ((status = fill_weight(l, p, info, err)) != NNCF_OK ||
        (status = fill_channels(l, p, info, err)) != NNCF_OK)
        return status;
    if (p->batch_norm && (status = nncf__register_batch_norm(l, p->batch_norm, err)) != NNCF_OK)
        return status;
    l->has_batch_norm = false; /* the node itself is one */
    if ((status = check_attributes(l, p, err)) != NNCF_OK)
        return status;
    for (int i = 0; i < 3; i++) {
        l->attributes.kernel[i] = p->kernel[i];
        l->attributes.stride[i] = p->stride[i];
        l->attributes.padding[i] = p->padding[i];
        l->attributes.output_padding[i] = p->output_padding[i];
        l->attributes.dilation[i] = p->dilation[i];
    }
    l->attributes.axis = p->axis;
    l->attributes.alpha = p->alpha;
    return NNCF_OK;
}

nncf_status nncf_model_add_op(
    nncf_model *model, const nncf_op_params *params, nncf_layer **layer, nncf_error *err)
{
    nncf_op_params p;
    nncf_layer *l;
    if (!model || !params || !layer)
        return nncf__fail(
            err, NNCF_E_ARG, NULL, "nncf_model_add_op: model, params and layer must not be NULL");
    nncf_status status = nncf__params_copy(&p, sizeof p, params, "nncf_op_params", err);
    if (status != NNCF_OK)
        return status;
    const nncf__op_info *info = nncf__op_info_of(p.op);
    if (!info)
        return nncf__fail(
            err, NNCF_E_ARG, p.scope ? p.scope : "", "op is %d, not one of NNCF_OP_...", (int)p.op);
    const nncf__register_common c = {
        NNCF__OPERATOR, p.op, p.scope, NNCF_ACTIVATION_NONE, NULL, p.inputs, p.n_inputs};
    if ((status = check_inputs(&p, info, err)) != NNCF_OK ||
        (status = nncf__register_begin(model, &c, &l, err)) != NNCF_OK)
        return status;
    return nncf__register_commit(model, l, fill(l, &p, info, err), layer, err);
}
