/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights and quantizers in their two forms.
 *
 * A quantizer's codes have their zero point subtracted (nncf__fq), so they fit into int8 with zero
 * point 0 when they are signed, and into uint8 with zero point -low otherwise. A folded factor
 * multiplies the scale of its channel; a negative one negates the codes as well. FakeQuantize is
 * given the ends of the range instead: values of codes low and high.
 */
#include "base/error.h"
#include "binarization/binarizer.h"
#include "controller/weight.h"
#include "formats/onnx/export.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/model.h>
#include <nncf/onnx.h>
#include <nncf/tensor.h>

#include <math.h>
#include <string.h>

static nncf_status out_of_memory(nncf__onnx_builder *b)
{
    return nncf__fail(b->err, NNCF_E_NOMEM, NULL, "no memory for the export");
}

/* The range of codes and the scale of a channel, a folded factor included. */
typedef struct grid {
    float scale;
    int low, high;
} grid;

static bool grid_of(const nncf__quantizer *q, size_t channel, const float *factor, grid *g)
{
    const nncf__fq *fq = &q->fq[q->channels > 1 ? channel : 0];
    const double f = factor ? (double)factor[channel] : 1;
    *g = (grid){(float)((double)fq->scale * fabs(f)), (int)fq->low, (int)fq->high};
    if (f < 0)
        *g = (grid){g->scale, -(int)fq->high, -(int)fq->low};
    if (f == 0) /* all codes are 0 then, and a scale must not be */
        g->scale = fq->scale;
    return isfinite(g->scale) && g->scale > 0 && isfinite((float)g->low * g->scale) &&
        isfinite((float)g->high * g->scale);
}

/* Constants of a quantizer as arrays over its channels. */
typedef struct constants {
    size_t channels;
    bool is_signed;
    /* some range is narrower than the type's */
    bool narrow;
    float *scale, *low, *high;
    uint8_t *zero_point;
    int levels;
} constants;

static nncf_status make_constants(nncf__onnx_builder *b, const nncf_layer *layer,
    nncf__quantizer *q, const float *factor, constants *k)
{
    nncf__quantizer_refresh(q);
    *k = (constants){
        .channels = factor ? (size_t)layer->out_channels : q->channels, .is_signed = true};
    k->scale = nncf__onnx_alloc(b, k->channels * sizeof *k->scale);
    k->low = nncf__onnx_alloc(b, k->channels * sizeof *k->low);
    k->high = nncf__onnx_alloc(b, k->channels * sizeof *k->high);
    k->zero_point = nncf__onnx_alloc(b, k->channels);
    if (b->failed)
        return out_of_memory(b);
    bool negative = false;
    for (size_t c = 0; c < k->channels; c++) {
        grid g;
        if (!grid_of(q, c, factor, &g))
            return nncf__fail(b->err, NNCF_E_UNSUPPORTED, layer->scope,
                "the range of a quantizer (%s, channel %zu) is not finite, so it cannot be "
                "exported",
                q->name, c);
        k->is_signed = k->is_signed && g.low >= -128 && g.high <= 127;
        negative = negative || g.low < 0;
    }
    k->is_signed = k->is_signed && negative;
    for (size_t c = 0; c < k->channels; c++) {
        grid g;
        (void)grid_of(q, c, factor, &g);
        k->scale[c] = g.scale;
        k->low[c] = (float)g.low * g.scale;
        k->high[c] = (float)g.high * g.scale;
        k->levels = g.high - g.low + 1;
        k->zero_point[c] = k->is_signed ? 0 : (uint8_t)-g.low;
        k->narrow = k->narrow || k->levels < (k->is_signed && q->is_weight ? 255 : 256);
    }
    return NNCF_OK;
}

static char *joined(nncf__onnx_builder *b, const char *name_suffix, const char *suffix)
{
    return nncf__onnx_printf(b, "%s%s", name_suffix, suffix);
}

static int32_t code_type(const constants *k)
{
    return k->is_signed ? NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__INT8
                        : NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__UINT8;
}

static void put_constants(
    nncf__onnx_builder *b, const char *name_suffix, const constants *k, char **scale, char **zero)
{
    const int64_t n = (int64_t)k->channels;
    const size_t ndim = k->channels > 1 ? 1 : 0;
    *scale = nncf__onnx_tensor(b, joined(b, name_suffix, "::scale"),
        NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, &n, ndim, k->scale,
        k->channels * sizeof *k->scale);
    *zero = nncf__onnx_tensor(b, joined(b, name_suffix, "::zero_point"), code_type(k), &n, ndim,
        k->zero_point, k->channels);
}

/* FakeQuantize; the channels lie along `axis` of `ndim` dimensions. */
static char *fake_quantize(nncf__onnx_builder *b, const constants *k, char *value,
    const char *name_suffix, char *output, size_t axis, size_t ndim)
{
    int64_t shape[NNCF_MAX_NDIM] = {1, 1, 1, 1, 1, 1, 1, 1};
    shape[axis] = (int64_t)k->channels;
    if (k->channels == 1)
        ndim = 0;
    char *low = nncf__onnx_tensor(b, joined(b, name_suffix, "::low"),
        NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, shape, ndim, k->low,
        k->channels * sizeof *k->low);
    char *high = nncf__onnx_tensor(b, joined(b, name_suffix, "::high"),
        NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, shape, ndim, k->high,
        k->channels * sizeof *k->high);
    Nncf__Onnx__NodeProto *node = nncf__onnx_node(b, "FakeQuantize", output);
    nncf__onnx_input(b, node, value);
    nncf__onnx_input(b, node, low);
    nncf__onnx_input(b, node, high);
    nncf__onnx_input(b, node, low);
    nncf__onnx_input(b, node, high);
    nncf__onnx_attribute_int(b, node, "levels", k->levels);
    char *domain = nncf__onnx_printf(b, "%s", NNCF__ONNX_OPENVINO_DOMAIN);
    if (b->failed)
        return NULL;
    node->domain = domain;
    return output;
}

/* x > limit ? scale : 0. No form of QuantizeLinear or FakeQuantize of standard engines has that
 * with a limit a channel: a comparison, as a float, times the scale. */
static char *binarize(nncf__onnx_builder *b, nncf__quantizer *q, char *value, int32_t axis,
    int32_t ndim, const char *name_suffix, char *output)
{
    int64_t shape[NNCF_MAX_NDIM] = {1, 1, 1, 1, 1, 1, 1, 1};
    const size_t channels = q->binarizer->channels;
    nncf__quantizer_refresh(q);
    shape[axis] = (int64_t)channels;
    char *limits = nncf__onnx_tensor(b, joined(b, name_suffix, "::limit"),
        NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, shape, (size_t)ndim, q->binarizer->limits,
        channels * sizeof *q->binarizer->limits);
    char *above = joined(b, name_suffix, "::above"), *floats = joined(b, name_suffix, "::bit");
    Nncf__Onnx__NodeProto *node = nncf__onnx_node(b, "Greater", above);
    nncf__onnx_input(b, node, value);
    nncf__onnx_input(b, node, limits);
    node = nncf__onnx_node(b, "Cast", floats);
    nncf__onnx_input(b, node, above);
    nncf__onnx_attribute_int(b, node, "to", NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    node = nncf__onnx_node(b, "Mul", output);
    nncf__onnx_input(b, node, floats);
    nncf__onnx_input(
        b, node, nncf__onnx_scalar(b, joined(b, name_suffix, "::scale"), q->scales[0]));
    return output;
}

char *nncf__onnx_quantize(nncf__onnx_builder *b, const nncf_layer *layer, nncf__quantizer *q,
    char *value, int32_t axis, int32_t ndim, const char *name_suffix, char *output,
    nncf_status *status)
{
    constants k;
    if (q->binarizer)
        return binarize(b, q, value, axis, ndim, name_suffix, output);
    if ((*status = make_constants(b, layer, q, NULL, &k)) != NNCF_OK)
        return NULL;
    if (b->params.format == NNCF_ONNX_FAKE_QUANTIZE)
        return fake_quantize(b, &k, value, name_suffix, output, (size_t)axis, (size_t)ndim);
    if (k.channels >
        1) { /* the operators are there, but ONNX Runtime's integer ones do not load such a model */
        *status = nncf__fail(b->err, NNCF_E_UNSUPPORTED, layer->scope,
            "an activation quantizer with a range a channel (%s): engines that run QuantizeLinear "
            "take "
            "activations with one range only; export as FakeQuantize",
            q->name);
        return NULL;
    }
    if (k.narrow) { /* QuantizeLinear saturates at the ends of its type only */
        char *clipped = joined(b, name_suffix, "::clipped");
        Nncf__Onnx__NodeProto *clip = nncf__onnx_node(b, "Clip", clipped);
        nncf__onnx_input(b, clip, value);
        nncf__onnx_input(b, clip, nncf__onnx_scalar(b, joined(b, name_suffix, "::low"), k.low[0]));
        nncf__onnx_input(
            b, clip, nncf__onnx_scalar(b, joined(b, name_suffix, "::high"), k.high[0]));
        value = clipped;
    }
    char *scale, *zero, *codes = joined(b, name_suffix, "::codes");
    put_constants(b, name_suffix, &k, &scale, &zero);
    Nncf__Onnx__NodeProto *to = nncf__onnx_node(b, "QuantizeLinear", codes);
    nncf__onnx_input(b, to, value);
    nncf__onnx_input(b, to, scale);
    nncf__onnx_input(b, to, zero);
    Nncf__Onnx__NodeProto *from = nncf__onnx_node(b, "DequantizeLinear", output);
    nncf__onnx_input(b, from, codes);
    nncf__onnx_input(b, from, scale);
    nncf__onnx_input(b, from, zero);
    return output;
}

/* The weight of a layer as an initializer that is made while it is written. */
static char *put_source(nncf__onnx_builder *b, const nncf_layer *layer, char *name,
    const constants *codes, const float *factor)
{
    nncf__onnx_source *s = &b->sources[b->n_sources++];
    *s = (nncf__onnx_source){
        .layer = layer, .codes = codes != NULL, .factor = factor, .channels = 1};
    if (codes) {
        s->zero_point = codes->zero_point;
        s->channels = codes->channels;
    }
    return nncf__onnx_tensor(b, name,
        codes ? code_type(codes) : NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, layer->weight_shape,
        (size_t)layer->weight_ndim, s, layer->weight_count * (codes ? 1 : sizeof(float)));
}

static char *put_weight(nncf__onnx_builder *b, const nncf_layer *layer, const char *name_suffix,
    const float *factor, nncf_status *status)
{
    const nncf__layer_compression *c = layer->compression;
    nncf__quantizer *q = c ? c->weight_quantizer : NULL;
    char *name = joined(b, name_suffix, "::weight");
    constants k;
    const bool turned = layer->attributes.flags & NNCF_OP_FLAG_KERNEL_TURNED;
    if (!q && !factor && !turned &&
        (!c || !nncf__layer_masks(c))) /* as it lies in the caller's memory */
        return nncf__onnx_tensor(b, name, NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
            layer->weight_shape, (size_t)layer->weight_ndim, layer->weight,
            layer->weight_count * sizeof(float));
    if (!q || q->binarizer) {
        put_source(b, layer, name, NULL, factor);
        if (q)
            nncf__weight_binary_scales(b->model->layers[layer->index], q->scales, NULL);
        if (!b->failed && (factor || q) && !nncf__onnx_source_finite(&b->sources[b->n_sources - 1]))
            *status = nncf__fail(b->err, NNCF_E_UNSUPPORTED, layer->scope,
                "%s: a weight times its folded batch norm is not finite, so it cannot be folded",
                layer->scope);
        return *status == NNCF_OK ? name : NULL;
    }
    if ((*status = make_constants(b, layer, q, factor, &k)) != NNCF_OK)
        return NULL;
    if (b->params.format == NNCF_ONNX_FAKE_QUANTIZE) {
        char *values =
            put_source(b, layer, joined(b, name_suffix, "::weight_values"), NULL, factor);
        return fake_quantize(
            b, &k, values, name, name, (size_t)layer->weight_axis, (size_t)layer->weight_ndim);
    }
    char *scale, *zero, *codes = put_source(b, layer, joined(b, name, "::codes"), &k, factor);
    put_constants(b, name, &k, &scale, &zero);
    Nncf__Onnx__NodeProto *node = nncf__onnx_node(b, "DequantizeLinear", name);
    nncf__onnx_input(b, node, codes);
    nncf__onnx_input(b, node, scale);
    nncf__onnx_input(b, node, zero);
    if (k.channels > 1)
        nncf__onnx_attribute_int(b, node, "axis", layer->weight_axis);
    return name;
}

/* A tied weight is put where it is read first: all its readers want it alike, since nothing is
 * folded into it. */
char *nncf__onnx_weight(nncf__onnx_builder *b, const nncf_layer *layer, const char *name_suffix,
    const float *factor, nncf_status *status)
{
    const nncf_layer *owner = nncf__weight_owner(layer);
    *status = NNCF_OK;
    if (owner->n_tied == 0)
        return put_weight(b, layer, name_suffix, factor, status);
    if (!b->weights)
        b->weights = nncf__onnx_alloc(b, b->model->n_layers * sizeof *b->weights);
    if (!b->weights)
        return NULL; /* no memory: reported at the end */
    if (!b->weights[owner->index])
        b->weights[owner->index] = put_weight(b, owner, name_suffix, factor, status);
    return b->weights[owner->index];
}
