/* SPDX-License-Identifier: Apache-2.0 */
/* Exported models must be finite: numbers of a layer that make eval mode infinite or NaN are errors
 * that name the layer. */
#include "formats/deploy/check.h"

#include "base/error.h"
#include "graph/kind_info.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "pruning/apply.h"
#include "quantization/layer_compression.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <math.h>

/* Elements of a block: a multiple of 8, so that it begins at a byte of a bit mask. */
enum { BLOCK = 1024 };

void nncf__masked_weight(const nncf_layer *layer, size_t begin, size_t n, float *out)
{
    const nncf__layer_compression *c = nncf__weight_owner(layer)->compression;
    const nncf__kernels *k = nncf__kernels_of(layer->model->context);
    const float *weight = layer->weight + begin;
    if (c && c->mask_kind == NNCF__MASK_RB)
        k->rb_forward_eval(n, weight, c->logit + begin, out);
    else if (c && c->mask_kind == NNCF__MASK_BITS)
        k->mask_forward(n, weight, c->bits + begin / 8, out);
    else
        for (size_t i = 0; i < n; i++)
            out[i] = weight[i];
    nncf__filters_clear(nncf__weight_owner(layer), begin, n, out);
}

static nncf_status refuse(
    const nncf_layer *layer, const char *name, size_t i, float value, nncf_error *err)
{
    return nncf__fail(err, NNCF_E_UNSUPPORTED, layer->scope,
        "%s: %s[%zu] is %g, and what is not finite cannot be exported; restore an earlier snapshot",
        layer->scope, name, i, (double)value);
}

static nncf_status check_array(
    const nncf_layer *layer, const char *name, const float *values, nncf_error *err)
{
    for (size_t i = 0; values && i < (size_t)layer->out_channels; i++)
        if (!isfinite(values[i]))
            return refuse(layer, name, i, values[i], err);
    return NNCF_OK;
}

/* A quantizer would clamp an infinity to a code; what the mask removes is a zero whatever it was.
 */
static nncf_status check_weight(const nncf_layer *layer, nncf_error *err)
{
    float block[BLOCK];
    for (size_t begin = 0; begin < layer->weight_count; begin += BLOCK) {
        const size_t n = layer->weight_count - begin < BLOCK ? layer->weight_count - begin : BLOCK;
        nncf__masked_weight(layer, begin, n, block);
        for (size_t i = 0; i < n; i++)
            if (!isfinite(block[i]))
                return refuse(layer, "weight", begin + i, block[i], err);
    }
    return NNCF_OK;
}

static nncf_status check_norm(const nncf_layer *layer, nncf_error *err)
{
    const nncf_batch_norm_params *bn = &layer->batch_norm;
    const struct {
        const char *name;
        const float *values;
    } arrays[] = {{"batch_norm.weight", bn->weight}, {"batch_norm.bias", bn->bias},
        {"batch_norm.running_mean", bn->running_mean}, {"batch_norm.running_var", bn->running_var}};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        nncf_status status = check_array(layer, arrays[i].name, arrays[i].values, err);
        if (status != NNCF_OK)
            return status;
    }
    for (size_t c = 0; c < (size_t)layer->out_channels; c++)
        if (!(bn->running_var[c] + bn->eps > 0)) /* engines add them as floats, too */
            return nncf__fail(err, NNCF_E_UNSUPPORTED, layer->scope,
                "%s: batch_norm.running_var[%zu] is %g, and with eps %g there is no root of it: a "
                "variance "
                "is not negative; restore an earlier snapshot",
                layer->scope, c, (double)bn->running_var[c], (double)bn->eps);
    return NNCF_OK;
}

bool nncf__has_norm(const nncf_layer *layer)
{
    return layer->has_batch_norm ||
        (layer->op == NNCF_OP_BATCH_NORM && layer->batch_norm.running_mean);
}

/* Of norms and of prelu, by the names that the host knows. */
static nncf_status check_constants(const nncf_layer *layer, nncf_error *err)
{
    const char *const *arrays = nncf__kind_info_of(layer->kind)->arrays;
    const char *const names[2] = {
        arrays[0] ? arrays[0] : "constants[0]", arrays[1] ? arrays[1] : "constants[1]"};
    for (size_t i = 0; i < 2; i++) {
        const nncf__op_constant *c = &layer->attributes.constants[i];
        size_t count = 1;
        for (int32_t d = 0; d < c->ndim; d++)
            count *= (size_t)c->shape[d];
        for (size_t j = 0; c->data && j < count; j++)
            if (!isfinite(c->data[j]))
                return refuse(layer, names[i], j, c->data[j], err);
    }
    return NNCF_OK;
}

nncf_status nncf__check_numbers(const nncf_layer *layer, nncf_error *err)
{
    nncf_status status = check_array(layer, "bias", layer->bias, err);
    if (status == NNCF_OK)
        status = check_constants(layer, err);
    if (status == NNCF_OK && nncf__has_norm(layer))
        status = check_norm(layer, err);
    return status == NNCF_OK ? check_weight(layer, err) : status;
}
