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
#include <stdbool.h>
#include <string.h>

static nncf_status check_inputs(const nncf_op_params *p, const nncf__op_info *info, nncf_error *err)
{
    if (nncf__op_is_by_hand(p->op))
        return nncf__fail(
            err, NNCF_E_ARG, p->scope, "this kind is added with nncf_model_add_%s()", info->name);
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
        return nncf__register_check_size(
            l, "the sum of the inputs' channels", l->out_channels, 0, err);
    } else if ((l->op == NNCF_OP_RESHAPE || l->op == NNCF_OP_TRANSPOSE || l->op == NNCF_OP_MATMUL ||
                   l->op == NNCF_OP_OTHER || l->op == NNCF_OP_OPAQUE ||
                   l->op == NNCF_OP_FUNCTIONAL_LINEAR || l->op == NNCF_OP_FLATTEN) &&
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
        {"output_padding", p->output_padding}, {"dilation", p->dilation},
        {"padding_end", p->padding_end}};
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
    if (!(p->eps >= 0) || !isfinite(p->eps))
        return nncf__fail(
            err, NNCF_E_ARG, l->scope, "eps is %g, it must be at least 0", (double)p->eps);
    return NNCF_OK;
}

/* The flags that mean something to a kind. */
static int32_t flags_of(int32_t op)
{
    switch (op) {
    case NNCF_OP_GELU:
        return NNCF_OP_FLAG_GELU_TANH;
    case NNCF_OP_MAX_POOL:
        return NNCF_OP_FLAG_CEIL;
    case NNCF_OP_AVERAGE_POOL:
        return NNCF_OP_FLAG_CEIL | NNCF_OP_FLAG_EXCLUDE_PADDING;
    case NNCF_OP_MEAN:
        return NNCF_OP_FLAG_KEEP_DIMS;
    case NNCF_OP_INTERPOLATE:
        return NNCF_OP_FLAG_NEAREST;
    case NNCF_OP_MATMUL:
        return NNCF_OP_FLAG_TRANSPOSE_SECOND;
    case NNCF_OP_CONV1D:
    case NNCF_OP_CONV2D:
    case NNCF_OP_CONV3D:
        return NNCF_OP_FLAG_KERNEL_TURNED;
    default:
        return 0;
    }
}

static size_t most_constants(int32_t op)
{
    switch (op) {
    case NNCF_OP_LAYER_NORM:
    case NNCF_OP_GROUP_NORM:
        return 2;
    case NNCF_OP_PRELU:
    case NNCF_OP_ADD:
    case NNCF_OP_SUB:
    case NNCF_OP_MUL:
    case NNCF_OP_DIV:
        return 1;
    default:
        return 0;
    }
}

static nncf_status fill_constants(
    nncf_layer *l, const nncf_op_params *p, const nncf__op_info *info, nncf_error *err)
{
    const size_t most = most_constants(p->op);
    if (p->n_constants > most || (p->n_constants > 0 && !p->constants))
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            p->n_constants > most ? "n_constants is %zu; %s has at most %zu"
                                  : "n_constants is %zu, but constants is NULL",
            p->n_constants, info->name, most);
    if (p->n_constants > 0 && p->constants[0].data && p->n_inputs > 1)
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "%s has a constant as its second operand, so it reads one input, not %zu", info->name,
            p->n_inputs);
    for (size_t i = 0; i < p->n_constants; i++) {
        const nncf_tensor *t = &p->constants[i];
        nncf__op_constant *to = &l->attributes.constants[i];
        if (!t->data)
            continue;
        if (t->dtype != NNCF_F32 || t->strides || t->ndim < 1 || t->ndim > NNCF_MAX_NDIM ||
            !t->shape)
            return nncf__fail(err, NNCF_E_ARG, l->scope,
                "constants[%zu] must be floats in C order, of 1 to %d dimensions", i,
                NNCF_MAX_NDIM);
        if ((uintptr_t)t->data % _Alignof(float) != 0)
            return nncf__fail(err, NNCF_E_ARG, l->scope,
                "constants[%zu] is not aligned as floats are, to %zu bytes", i, _Alignof(float));
        *to = (nncf__op_constant){.data = t->data, .ndim = t->ndim};
        for (int32_t d = 0; d < t->ndim; d++) {
            nncf_status status =
                nncf__register_check_size(l, "a size of constants", t->shape[d], 1, err);
            if (status != NNCF_OK)
                return status;
            to->shape[d] = t->shape[d];
        }
    }
    return NNCF_OK;
}

/* Is it each of 0..n-1 once? */
static bool is_order(const int64_t *sizes, size_t n)
{
    uint32_t seen = 0;
    for (size_t i = 0; i < n; i++) {
        if (sizes[i] < 0 || sizes[i] >= (int64_t)n || (seen >> sizes[i] & 1))
            return false;
        seen |= 1u << sizes[i];
    }
    return true;
}

static nncf_status fill_sizes(nncf_layer *l, const nncf_op_params *p, nncf_error *err)
{
    enum { MOST = sizeof l->attributes.sizes / sizeof *l->attributes.sizes };
    int64_t low = 0;
    size_t open = 0;
    if (p->n_sizes > MOST || (p->n_sizes > 0 && !p->sizes))
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            p->n_sizes > MOST ? "n_sizes is %zu, at most %d are allowed"
                              : "n_sizes is %zu, but sizes is NULL",
            p->n_sizes, (int)MOST);
    if (p->op == NNCF_OP_RESHAPE)
        low = -1;
    else if (p->op == NNCF_OP_MEAN)
        low = -NNCF_MAX_NDIM;
    for (size_t i = 0; i < p->n_sizes; i++) {
        nncf_status status =
            nncf__register_check_size(l, "an element of sizes", p->sizes[i], low, err);
        if (status != NNCF_OK)
            return status;
        open += p->sizes[i] == -1;
        l->attributes.sizes[i] = p->sizes[i];
    }
    if (p->op == NNCF_OP_RESHAPE && open > 1)
        return nncf__fail(err, NNCF_E_ARG, l->scope, "only one of sizes may be -1");
    if (p->op == NNCF_OP_TRANSPOSE && !is_order(p->sizes, p->n_sizes))
        return nncf__fail(err, NNCF_E_ARG, l->scope,
            "sizes must have each of the input's dimensions once, 0 to %zu", p->n_sizes - 1);
    l->attributes.n_sizes = p->n_sizes;
    return NNCF_OK;
}

static nncf_status fill_attributes(
    nncf_layer *l, const nncf_op_params *p, const nncf__op_info *info, nncf_error *err)
{
    nncf__op_attributes *a = &l->attributes;
    nncf_status status = check_attributes(l, p, err);
    if (status == NNCF_OK && (p->flags & ~flags_of(p->op)))
        status = nncf__fail(err, NNCF_E_ARG, l->scope, "flags is %d; of these %s knows %d",
            (int)p->flags, info->name, (int)flags_of(p->op));
    if (status == NNCF_OK)
        status = fill_constants(l, p, info, err);
    if (status == NNCF_OK)
        status = fill_sizes(l, p, err);
    for (int i = 0; i < 3; i++) {
        a->kernel[i] = p->kernel[i];
        a->stride[i] = p->stride[i];
        a->padding[i] = p->padding[i];
        a->padding_end[i] = p->padding_end[i];
        a->output_padding[i] = p->output_padding[i];
        a->dilation[i] = p->dilation[i];
    }
    a->axis = p->axis;
    a->alpha = p->alpha;
    a->flags = p->flags;
    a->eps = p->eps != 0 ? p->eps : NNCF__DEFAULT_EPS;
    return status;
}

static nncf_status fill(nncf_layer *l, const void *params, nncf_error *err)
{
    const nncf_op_params *p = params;
    const nncf__op_info *info = nncf__op_info_of(l->op);
    nncf_status status;
    l->bias = p->bias;
    l->bias_grad = p->bias_grad;
    if (p->reserved != 0 || p->reserved2 != 0)
        return nncf__fail(
            err, NNCF_E_ARG, l->scope, "nncf_op_params: reserved and reserved2 must be 0");
    if (p->batch_norm && p->op != NNCF_OP_BATCH_NORM)
        return nncf__fail(err, NNCF_E_ARG, l->scope, "batch_norm is for NNCF_OP_BATCH_NORM");
    if ((status = check_inputs(p, info, err)) != NNCF_OK ||
        (status = fill_weight(l, p, info, err)) != NNCF_OK ||
        (status = fill_channels(l, p, info, err)) != NNCF_OK)
        return status;
    if (p->batch_norm && (status = nncf__register_batch_norm(l, p->batch_norm, err)) != NNCF_OK)
        return status;
    l->has_batch_norm = false; /* the node itself is one */
    return fill_attributes(l, p, info, err);
}

static void op_common(const void *params, nncf__register_common *c)
{
    const nncf_op_params *p = params;
    *c = (nncf__register_common){.kind = NNCF__OPERATOR,
        .op = p->op,
        .scope = p->scope,
        .inputs = p->inputs,
        .n_inputs = p->n_inputs,
        .tied_to = p->tied_to};
}

nncf_status nncf_model_add_op(
    nncf_model *model, const nncf_op_params *params, nncf_layer **layer, nncf_error *err)
{
    static const nncf__registration kind = {.call = "nncf_model_add_op",
        .params_name = "nncf_op_params",
        .params_size = sizeof(nncf_op_params),
        .common = op_common,
        .fill = fill};
    nncf_op_params copy;
    return nncf__register(model, &kind, params, &copy, layer, err);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_op_params, .op = NNCF_OP_OTHER, .groups = 1, .eps = NNCF__DEFAULT_EPS)
