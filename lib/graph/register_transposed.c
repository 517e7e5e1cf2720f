/* SPDX-License-Identifier: Apache-2.0 */
/* Registration of transposed convolutions. */
#include "base/error.h"
#include "graph/model.h"
#include "graph/ops.h"
#include "graph/register.h"

#include <nncf/base.h>
#include <nncf/layers.h>
#include <nncf/model.h>

#include <stdint.h>

typedef nncf__register_common common;

static nncf_status fill_windows(
    nncf_layer *l, const nncf_conv_transpose2d_params *p, nncf_error *err)
{
    nncf_status status;
    for (int i = 0; i < 2; i++) {
        l->kernel[i] = p->kernel[i];
        l->stride[i] = p->stride[i] ? p->stride[i] : 1;
        l->padding[i] = l->padding_after[i] = p->padding[i];
        l->dilation[i] = p->dilation[i] ? p->dilation[i] : 1;
        l->attributes.output_padding[1 + i] = p->output_padding[i];
    }
    if ((status = nncf__register_check_pair(l, "kernel", l->kernel, 1, err)) != NNCF_OK ||
        (status = nncf__register_check_pair(l, "stride", l->stride, 1, err)) != NNCF_OK ||
        (status = nncf__register_check_pair(l, "padding", l->padding, 0, err)) != NNCF_OK ||
        (status = nncf__register_check_pair(l, "dilation", l->dilation, 1, err)) != NNCF_OK)
        return status;
    for (int i = 0; i < 2; i++) {
        const int64_t more = p->output_padding[i];
        if (more < 0 || (more >= l->stride[i] && more >= l->dilation[i]))
            return nncf__fail(err, NNCF_E_ARG, l->scope,
                "output_padding[%d] is %lld; it must be at least 0, and less than the stride "
                "(%lld) "
                "or the dilation (%lld)",
                i, (long long)more, (long long)l->stride[i], (long long)l->dilation[i]);
    }
    return NNCF_OK;
}

static nncf_status fill(nncf_layer *l, const void *params, nncf_error *err)
{
    const nncf_conv_transpose2d_params *p = params;
    nncf_status status;
    if (p->reserved != 0)
        return nncf__fail(
            err, NNCF_E_ARG, l->scope, "nncf_conv_transpose2d_params: reserved must be 0");
    l->weight = p->weight;
    l->weight_grad = p->weight_grad;
    l->bias = p->bias;
    l->bias_grad = p->bias_grad;
    l->in_channels = p->in_channels;
    l->out_channels = p->out_channels;
    l->groups = p->groups ? p->groups : 1;
    if ((status = nncf__register_check_size(l, "in_channels", l->in_channels, 1, err)) != NNCF_OK ||
        (status = nncf__register_check_size(l, "out_channels", l->out_channels, 1, err)) !=
            NNCF_OK ||
        (status = nncf__register_check_size(l, "groups", l->groups, 1, err)) != NNCF_OK ||
        (status = nncf__register_check_groups(l, err)) != NNCF_OK ||
        (status = fill_windows(l, p, err)) != NNCF_OK)
        return status;
    l->weight_axis = nncf__op_info_of(l->op)->weight_axis;
    return nncf__register_window_weight(
        l, l->in_channels, l->out_channels / l->groups, p->batch_norm, err);
}

static void common_of(const void *params, common *c)
{
    const nncf_conv_transpose2d_params *p = params;
    *c = (common){NNCF__CONV_TRANSPOSE2D, NNCF_OP_CONV_TRANSPOSE2D, p->scope, p->activation,
        p->activation_scope, p->inputs, p->n_inputs, p->activation_alpha, p->tied_to};
}

nncf_status nncf_model_add_conv_transpose2d(nncf_model *model,
    const nncf_conv_transpose2d_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_conv_transpose2d",
        .params_name = "nncf_conv_transpose2d_params",
        .params_size = sizeof(nncf_conv_transpose2d_params),
        .common = common_of,
        .fill = fill};
    nncf_conv_transpose2d_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

NNCF__STRUCT_INIT(nncf_conv_transpose2d_params, .stride = {1, 1}, .dilation = {1, 1}, .groups = 1,
    .activation = NNCF_ACTIVATION_NONE)
