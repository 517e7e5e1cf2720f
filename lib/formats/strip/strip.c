/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The deployable model. Layer by layer the weight of eval mode is made, turned into codes (or left
 * float), packed, and put on a list of tensors together with scales, biases, batch norm and
 * activation ranges; the list is saved as any snapshot is. The form is described in
 * docs/snapshots.md.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/strings.h"
#include "base/text.h"
#include "binarization/binarizer.h"
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "controller/sparsity.h"
#include "controller/stages.h"
#include "controller/weight.h"
#include "formats/deploy/check.h"
#include "formats/deploy/fold.h"
#include "formats/safetensors/header.h"
#include "graph/kind_info.h"
#include "graph/layout.h"
#include "graph/model.h"
#include "pruning/apply.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>
#include <nncf/strip.h>
#include <nncf/tensor.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Tensors of a layer: weight, mask, scale, zero point; bias; four of batch norm; three a quantizer
 * of activations, of a binary one two. */
enum { PACKED_BITS = 4, MOST_A_LAYER = 4 + 1 + 4 + 2 + 3 * 3 };

/* Everything that is put on the list is owned by it. */
typedef struct list {
    nncf_context *context;
    nncf_checkpoint_tensor *tensors;
    int64_t (*shapes)[NNCF__MAX_WEIGHT_NDIM];
    size_t count;
    /* JSON */
    nncf__text layers;
    /* no memory */
    bool failed;
} list;

/* A new tensor "<scope>.<suffix>" of that type; its data, zeroed, or NULL when there is no memory.
 */
static void *put(list *l, const nncf_layer *layer, const char *suffix, int32_t dtype, int32_t ndim,
    const int64_t *shape)
{
    nncf__text name = {.context = l->context};
    size_t n = 1;
    nncf__text_printf(&name, "%s.%s", layer->scope, suffix);
    for (int32_t i = 0; i < ndim; i++) {
        l->shapes[l->count][i] = shape[i];
        n *= (size_t)shape[i];
    }
    void *data = nncf__calloc(l->context, n ? n : 1, nncf__dtype_size(dtype));
    if (name.failed || !data) {
        nncf__text_free(&name);
        nncf__free(l->context, data);
        l->failed = true;
        return NULL;
    }
    l->tensors[l->count] = (nncf_checkpoint_tensor){
        name.data, {.data = data, .dtype = dtype, .ndim = ndim, .shape = l->shapes[l->count]}};
    l->count++;
    return data;
}

static void *put_row(
    list *l, const nncf_layer *layer, const char *suffix, int32_t dtype, size_t count)
{
    const int64_t shape[] = {(int64_t)count};
    return put(l, layer, suffix, dtype, 1, shape);
}

static void put_floats(list *l, const nncf_layer *layer, const char *suffix, const float *values,
    size_t count, float otherwise)
{
    float *to = put_row(l, layer, suffix, NNCF_F32, count);
    for (size_t i = 0; to && i < count; i++)
        to[i] = values ? values[i] : otherwise;
}

/* What an operator of the host's reads beside its inputs: flat, or of the second operand of a sum
 * or product its shape, by which it is broadcast. */
static void put_constants(list *l, const nncf_layer *layer)
{
    const bool norm = layer->op == NNCF_OP_LAYER_NORM || layer->op == NNCF_OP_GROUP_NORM;
    const char *const names[2] = {norm   ? "norm.weight"
            : layer->op == NNCF_OP_PRELU ? "slope"
                                         : "constant",
        "norm.bias"};
    for (size_t i = 0; layer->kind == NNCF__OPERATOR && i < 2; i++) {
        const nncf__op_constant *c = &layer->attributes.constants[i];
        int64_t count = 1;
        for (int32_t d = 0; d < c->ndim; d++)
            count *= c->shape[d];
        if (!c->data)
            continue;
        const bool shaped = strcmp(names[i], "constant") == 0 && c->ndim <= NNCF__MAX_WEIGHT_NDIM;
        void *to =
            put(l, layer, names[i], NNCF_F32, shaped ? c->ndim : 1, shaped ? c->shape : &count);
        if (to)
            memcpy(to, c->data, (size_t)count * sizeof *c->data);
    }
}

/* The same of what belongs to filters, of which the pruned ones have 0. */
static void put_kept(list *l, const nncf_layer *layer, const char *suffix, const float *values,
    const uint8_t *filters, float otherwise)
{
    const size_t count = (size_t)layer->out_channels;
    float *to = put_row(l, layer, suffix, NNCF_F32, count);
    for (size_t i = 0; to && i < count; i++)
        to[i] = filters && !filters[i] ? 0 : values ? values[i] : otherwise;
}

/* Stored code of channel c = code + this. Signed codes are stored as they are, others from 0 on. */
static int32_t zero_point(const nncf__quantizer *q, size_t c)
{
    return !q->length && q->params.sign != NNCF__UNSIGNED ? 0 : (int32_t)-q->fq[c].low;
}

static bool stored_signed(const nncf__quantizer *q)
{
    return !q->length && q->params.sign != NNCF__UNSIGNED;
}

/* ---- weights ---- */

/* What is known of a weight while it is stored. */
typedef struct weight {
    const nncf_layer *layer;
    /* NULL: floats */
    const nncf__quantizer *q;
    /* [count], of eval mode; with folding multiplied where q is NULL */
    float *values;
    /* [out_channels], or NULL: not folded */
    double *factor;
    /* zeros: of mask and quantizer */
    size_t count, zeros;
    /* of what is stored: folding may make zeros of floats */
    size_t nonzeros;
    bool sparse;
} weight;

/* The set of constants that element i has. */
static size_t channel_of(const weight *w, size_t i)
{
    return w->q->channels > 1 ? i / w->q->run % w->q->channels : 0;
}

static bool is_binary(const weight *w)
{
    return w->q && w->q->binarizer;
}

/* Stored code of element i. The value is code * scale rounded once, so that the quotient is within
 * half of the code. */
static int32_t code_of(const weight *w, size_t i)
{
    size_t c = channel_of(w, i);
    return (int32_t)lrintf(w->values[i] / w->q->fq[c].scale) + zero_point(w->q, c);
}

/* Of the codes as they are stored: no zero point. */
static bool has_sign(const weight *w)
{
    return is_binary(w) || stored_signed(w->q);
}

static size_t stored_bytes(const weight *w, size_t elements)
{
    if (!w->q)
        return elements * sizeof(float);
    if (is_binary(w))
        return (elements + 7) / 8;
    return w->q->params.bits <= PACKED_BITS ? (elements + 1) / 2 : elements;
}

static void store_element(const weight *w, void *to, size_t at, size_t i)
{
    if (!w->q) {
        ((float *)to)[at] = w->values[i];
        return;
    }
    uint8_t code = (uint8_t)code_of(w, i); /* two's complement where signed */
    if (w->q->params.bits <= PACKED_BITS)
        ((uint8_t *)to)[at / 2] |= (uint8_t)((code & 15) << (at % 2 ? 4 : 0));
    else
        ((uint8_t *)to)[at] = code;
}

static void put_elements(list *l, const weight *w)
{
    const nncf_layer *layer = w->layer;
    const bool packed = w->q && w->q->params.bits <= PACKED_BITS;
    const int32_t dtype = !w->q ? NNCF_F32 : stored_signed(w->q) && !packed ? NNCF_S8 : NNCF_U8;
    const size_t elements = w->sparse ? w->nonzeros : w->count;
    uint8_t *mask =
        w->sparse ? put_row(l, layer, "weight_mask", NNCF_U8, (w->count + 7) / 8) : NULL;
    void *to = packed || w->sparse
        ? put_row(l, layer, "weight", dtype, packed ? (elements + 1) / 2 : elements)
        : put(l, layer, "weight", dtype, layer->weight_ndim, layer->weight_shape);
    size_t at = 0;
    if (!to || (w->sparse && !mask))
        return;
    for (size_t i = 0; i < w->count; i++) {
        if (w->sparse && w->values[i] == 0)
            continue;
        if (mask)
            mask[i / 8] |= (uint8_t)(1u << i % 8);
        store_element(w, to, at++, i);
    }
}

/* A bit a weight: is it scale, and not -scale? A scale of 0 has its sign, too. */
static void put_signs(list *l, const weight *w)
{
    uint8_t *to = put_row(l, w->layer, "weight", NNCF_U8, stored_bytes(w, w->count));
    for (size_t i = 0; to && i < w->count; i++)
        to[i / 8] |= (uint8_t)((signbit(w->values[i]) ? 0u : 1u) << i % 8);
}

/* Scales and zero points: one, or one an output channel; folding makes them one an output channel.
 */
static nncf_status put_scales(list *l, const weight *w, size_t *bytes, nncf_error *err)
{
    const size_t out = (size_t)w->layer->out_channels,
                 channels = w->factor && w->q->params.group_size == 0 ? out : w->q->channels;
    float *scale = put_row(l, w->layer, "weight_scale", NNCF_F32, channels);
    int32_t *zero =
        has_sign(w) ? NULL : put_row(l, w->layer, "weight_zero_point", NNCF_I32, channels);
    for (size_t c = 0; !l->failed && c < channels; c++) {
        size_t own = w->q->channels > 1 ? c : 0;
        double unfolded = (double)w->q->fq[own].scale;
        scale[c] = (float)(w->factor ? unfolded * w->factor[c / (channels / out)] : unfolded);
        if (!isfinite(scale[c]))
            return nncf__fail(err, NNCF_E_UNSUPPORTED, w->layer->scope,
                "%s: batch norm folded into the weight's scale of channel %zu is not finite",
                w->layer->scope, c);
        if (zero)
            zero[c] = zero_point(w->q, own);
    }
    *bytes += channels * (zero ? 8 : 4);
    return NNCF_OK;
}

/* The weight of eval mode, whatever the mode. */
static nncf_status make_weight(weight *w, nncf_layer *layer)
{
    nncf__weight_forward(layer, NNCF_MODE_EVAL, w->values);
    for (size_t i = 0; i < w->count; i++) {
        w->zeros += w->values[i] == 0;
        if (w->factor && !w->q)
            w->values[i] = (float)((double)w->values[i] *
                w->factor[i / (w->count / (size_t)layer->out_channels)]);
        if (!isfinite(w->values[i]))
            return NNCF_E_UNSUPPORTED;
        w->nonzeros += w->values[i] != 0; /* after the product: it counts what the file gets */
    }
    return NNCF_OK;
}

static nncf_status put_weight(list *l, nncf_layer *layer, double *factor,
    const nncf_strip_params *p, nncf_strip_report *report, nncf_error *err)
{
    weight w = {.layer = layer,
        .q = layer->compression->weight_quantizer,
        .factor = factor,
        .count = layer->weight_count};
    if (!(w.values = nncf__alloc(l->context, w.count * sizeof *w.values)))
        return nncf__fail(err, NNCF_E_NOMEM, layer->scope, "out of memory");
    nncf_status status = make_weight(&w, layer);
    if (status == NNCF_OK) {
        const size_t dense = stored_bytes(&w, w.count), mask = (w.count + 7) / 8;
        size_t bytes = dense;
        w.sparse = p->sparse && !is_binary(&w) && mask + stored_bytes(&w, w.nonzeros) < dense;
        if (w.sparse)
            bytes = mask + stored_bytes(&w, w.nonzeros);
        if (is_binary(&w))
            put_signs(l, &w);
        else
            put_elements(l, &w);
        if (w.q)
            status = put_scales(l, &w, &bytes, err);
        report->weights += (int64_t)w.count;
        report->zeros += (int64_t)w.zeros;
        report->bytes_weights += bytes;
        nncf__text_printf(&l->layers, ",\"weight_shape\":[");
        for (int32_t i = 0; i < layer->weight_ndim; i++)
            nncf__text_printf(
                &l->layers, "%s%lld", i ? "," : "", (long long)layer->weight_shape[i]);
        nncf__text_printf(&l->layers,
            "],\"weight_bits\":%d,\"weight_signed\":%s,\"weight_sparse\":%s",
            w.q ? (int)w.q->params.bits : 32, !w.q || has_sign(&w) ? "true" : "false",
            w.sparse ? "true" : "false");
        if (w.q && w.q->params.group_size > 0)
            nncf__text_printf(&l->layers, ",\"weight_group\":%d", (int)w.q->params.group_size);
    } else {
        nncf__fail(err, status, layer->scope, "%s: the weight %s", layer->scope,
            status == NNCF_E_UNSUPPORTED ? "is not finite" : "could not be made");
    }
    nncf__free(l->context, w.values);
    return status;
}

/* ---- what stands around them ---- */

/* Scale, zero point, and lowest and highest stored code, a channel. */
static void put_quantizer(
    list *l, const nncf_layer *layer, const char *what, const nncf__quantizer *q)
{
    char suffix[64];
    snprintf(suffix, sizeof suffix, "%s_scale", what);
    float *scale = put_row(l, layer, suffix, NNCF_F32, q->channels);
    snprintf(suffix, sizeof suffix, "%s_zero_point", what);
    int32_t *zero = put_row(l, layer, suffix, NNCF_I32, q->channels);
    const int64_t shape[] = {(int64_t)q->channels, 2};
    snprintf(suffix, sizeof suffix, "%s_codes", what);
    int32_t *codes = put(l, layer, suffix, NNCF_I32, 2, shape);
    for (size_t c = 0; !l->failed && c < q->channels; c++) {
        scale[c] = q->fq[c].scale;
        zero[c] = zero_point(q, c);
        codes[2 * c] = (int32_t)q->fq[c].low + zero[c];
        codes[2 * c + 1] = (int32_t)q->fq[c].high + zero[c];
    }
    nncf__text_printf(&l->layers, ",\"%s_bits\":%d", what, (int)q->params.bits);
}

/* An input that is scale above the threshold of its channel, else 0. There are no codes and no zero
 * point: a reader that does not know thresholds must not round. */
static void put_thresholds(list *l, const nncf_layer *layer, const nncf__quantizer *q)
{
    put_floats(l, layer, "input_scale", q->scales, 1, 0);
    put_floats(l, layer, "input_threshold", q->binarizer->limits, q->binarizer->channels, 0);
    nncf__text_printf(&l->layers, ",\"input_bits\":1");
}

/* Of its range, and of a binary one's thresholds. */
static bool is_finite(const nncf__quantizer *q)
{
    for (size_t c = 0; c < q->channels; c++)
        if (!isfinite(q->fq[c].scale))
            return false;
    for (size_t c = 0; q->binarizer && c < q->binarizer->channels; c++)
        if (!isfinite(q->binarizer->limits[c]))
            return false;
    return true;
}

/* Check that the quantizers have finite ranges, and refresh their scales. */
static nncf_status check_quantizers(const nncf_layer *layer, nncf_error *err)
{
    for (enum nncf__quantizer_slot i = 0; i < NNCF__N_SLOTS; i++) {
        nncf__quantizer *q = nncf__layer_quantizer(layer->compression, i);
        if (!q || (q->binarizer && q->is_weight)) /* that follows from the weight */
            continue;
        if (!q->initialized && q->rule.kind != NNCF__RANGE_NONE)
            return nncf__fail(err, NNCF_E_STATE, layer->scope,
                "%s: the quantizer of %s has no range yet: initialize, or restore a snapshot",
                layer->scope, q->name);
        nncf__quantizer_refresh(q);
        if (!is_finite(q))
            return nncf__fail(err, NNCF_E_UNSUPPORTED, layer->scope,
                "%s: the range of %s is not finite; restore an earlier snapshot", layer->scope,
                q->name);
    }
    return NNCF_OK;
}

/* Factors and shifts of a folded batch norm, one after the other; they become floats in the file.
 */
static nncf_status make_fold(const list *l, const nncf_layer *layer, double **fold, nncf_error *err)
{
    const size_t channels = (size_t)layer->out_channels;
    if (!(*fold = nncf__calloc(l->context, 2 * channels, sizeof **fold)))
        return nncf__fail(err, NNCF_E_NOMEM, layer->scope, "out of memory");
    return nncf__fold_batch_norm(layer, *fold, *fold + channels, err);
}

static nncf_status put_layer(list *l, nncf_layer *layer, const nncf_strip_params *p,
    nncf_strip_report *report, nncf_error *err)
{
    const nncf__layer_compression *c = layer->compression;
    const size_t channels = (size_t)layer->out_channels;
    double *fold = NULL;
    nncf_status status = nncf__check_numbers(layer, err);
    if (status == NNCF_OK)
        status = check_quantizers(layer, err);
    if (status == NNCF_OK && layer->weight_count && p->fold_batch_norm &&
        nncf__folds_batch_norm(layer))
        status = make_fold(l, layer, &fold, err);
    if (status != NNCF_OK) {
        nncf__free(l->context, fold);
        return status;
    }
    if (layer->tied_to) {
        nncf__text_printf(&l->layers, ",\"weight_of\":");
        nncf__text_json_string(&l->layers, layer->tied_to->scope);
    } else if (layer->weight_count) {
        status = put_weight(l, layer, fold, p, report, err);
    }
    const char *const *arrays = nncf__kind_info_of(layer->kind)->arrays;
    if (arrays[0])
        put_floats(l, layer, arrays[0], layer->norm.weight, (size_t)layer->norm.size, 1);
    if (arrays[1])
        put_floats(l, layer, arrays[1], layer->norm.bias, (size_t)layer->norm.size, 0);
    put_constants(l, layer);
    if (fold) {
        float *bias = put_row(l, layer, "bias", NNCF_F32, channels);
        for (size_t i = 0; bias && i < channels; i++)
            bias[i] = (float)fold[channels + i];
    } else if (layer->bias) {
        put_floats(l, layer, "bias", nncf__kept_bias(layer), channels, 0);
    }
    if (nncf__has_norm(layer) && !fold) {
        const nncf_batch_norm_params *bn = &layer->batch_norm;
        put_kept(l, layer, "batch_norm.weight", bn->weight, nncf__norm_filters(layer), 1);
        put_kept(l, layer, "batch_norm.bias", bn->bias, nncf__norm_filters(layer), 0);
        put_floats(l, layer, "batch_norm.running_mean", bn->running_mean, channels, 0);
        put_floats(l, layer, "batch_norm.running_var", bn->running_var, channels, 1);
        char eps[NNCF__DOUBLE_TEXT];
        nncf__text_printf(
            &l->layers, ",\"batch_norm_eps\":%s", nncf__format_double((double)bn->eps, eps));
    }
    if (c->input_quantizer && c->input_quantizer->binarizer)
        put_thresholds(l, layer, c->input_quantizer);
    else if (c->input_quantizer)
        put_quantizer(l, layer, "input", c->input_quantizer);
    if (c->output_quantizer)
        put_quantizer(l, layer, "output", c->output_quantizer);
    if (c->pre_activation_quantizer)
        put_quantizer(l, layer, "inner", c->pre_activation_quantizer);
    nncf__free(l->context, fold);
    return status;
}

static void begin_layer(list *l, const nncf_layer *layer, bool first)
{
    nncf__text_printf(&l->layers, "%s{\"scope\":", first ? "" : ",");
    nncf__text_json_string(&l->layers, layer->scope);
    nncf__text_printf(&l->layers, ",\"inputs\":[");
    for (size_t i = 0; i < layer->n_inputs; i++) {
        nncf__text_append(&l->layers, ",", i ? 1 : 0);
        nncf__text_json_string(&l->layers, layer->inputs[i]->scope);
    }
    const nncf__kind_info *kind = nncf__kind_info_of(layer->kind);
    nncf__text_printf(
        &l->layers, "],\"kind\":\"%s\",\"activation\":%d", kind->name, (int)layer->activation);
    char alpha[NNCF__DOUBLE_TEXT];
    if (layer->activation_alpha != 0)
        nncf__text_printf(&l->layers, ",\"activation_alpha\":%s",
            nncf__format_double((double)layer->activation_alpha, alpha));
    if (kind->write_attributes)
        kind->write_attributes(layer, &l->layers);
}

static int64_t float_bytes(const nncf_model *model)
{
    size_t n = 0;
    for (size_t i = 0; i < model->n_layers; i++) {
        const nncf_layer *layer = model->layers[i];
        const nncf_batch_norm_params *bn = &layer->batch_norm;
        size_t rows = (layer->bias != NULL) +
            (nncf__has_norm(layer) ? (size_t)(bn->weight != NULL) + (size_t)(bn->bias != NULL) + 2u
                                   : 0u);
        n += (size_t)layer->norm.size *
            ((size_t)(layer->norm.weight != NULL) + (size_t)(layer->norm.bias != NULL));
        n += (layer->tied_to ? 0 : layer->weight_count) + rows * (size_t)layer->out_channels;
    }
    return (int64_t)(n * sizeof(float));
}

static nncf_status save_list(list *l, const char *path, const nncf_strip_params *p, nncf_error *err)
{
    nncf_checkpoint_text *texts = nncf__calloc(l->context, p->n_texts + 2, sizeof *texts);
    if (!texts)
        return nncf__fail(err, NNCF_E_NOMEM, path, "out of memory");
    texts[0] = (nncf_checkpoint_text){"strip.format", "1"};
    texts[1] = (nncf_checkpoint_text){"strip.layers", l->layers.data};
    for (size_t i = 0; i < p->n_texts; i++)
        texts[2 + i] = p->texts[i];
    nncf_status status = nncf_checkpoint_save(NULL, path, l->tensors, l->count,
        &(nncf_checkpoint_save_params){
            NNCF_PARAMS(nncf_checkpoint_save_params), .texts = texts, .n_texts = p->n_texts + 2},
        err);
    nncf__free(l->context, texts);
    return status;
}

static void free_list(list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        nncf__free(l->context, (char *)(uintptr_t)l->tensors[i].name);
        nncf__free(l->context, l->tensors[i].tensor.data);
    }
    nncf__free(l->context, l->tensors);
    nncf__free(l->context, l->shapes);
    nncf__text_free(&l->layers);
}

static nncf_status strip(list *l, const nncf_compression_ctrl *ctrl, const char *path,
    const nncf_strip_params *p, nncf_strip_report *report, nncf_error *err)
{
    const size_t most = MOST_A_LAYER * ctrl->n_layers;
    nncf_status status = NNCF_OK;
    struct stat file;
    l->tensors = nncf__calloc(l->context, most, sizeof *l->tensors);
    l->shapes = nncf__calloc(l->context, most, sizeof *l->shapes);
    if (!l->tensors || !l->shapes)
        return nncf__fail(err, NNCF_E_NOMEM, path, "out of memory");
    nncf__text_append(&l->layers, "[", 1);
    for (size_t i = 0; status == NNCF_OK && !l->failed && i < ctrl->n_layers; i++) {
        begin_layer(l, ctrl->model->layers[i], i == 0);
        status = put_layer(l, ctrl->model->layers[i], p, report, err);
        nncf__text_append(&l->layers, "}", 1);
    }
    nncf__text_append(&l->layers, "]", 1);
    if (status == NNCF_OK && (l->failed || l->layers.failed))
        status = nncf__fail(err, NNCF_E_NOMEM, path, "out of memory");
    if (status == NNCF_OK && (status = save_list(l, path, p, err)) == NNCF_OK &&
        stat(path, &file) == 0)
        report->bytes_file = (uint64_t)file.st_size;
    return status;
}

static nncf_status save(const nncf_compression_ctrl *ctrl, const char *path,
    const nncf_strip_params *params, nncf_strip_report *report, nncf_error *err)
{
    nncf_strip_params p = {NNCF_PARAMS(nncf_strip_params)};
    nncf_strip_report r = {NNCF_PARAMS(nncf_strip_report)};
    nncf_status status = NNCF_OK;
    if (!ctrl || !path)
        return nncf__fail(err, NNCF_E_ARG, NULL, "%s is NULL", !ctrl ? "ctrl" : "path");
    if (params)
        status = nncf__params_copy(&p, sizeof p, params, "nncf_strip_params", err);
    if (status == NNCF_OK &&
        report) /* a struct_size that makes no sense: before a file is written */
        status = nncf__params_copy(&r, sizeof r, report, "nncf_strip_report", err);
    if (status != NNCF_OK)
        return status;
    r = (nncf_strip_report){NNCF_PARAMS(nncf_strip_report)};
    if (p.fold_batch_norm < 0 || p.fold_batch_norm > 1 || p.sparse < 0 || p.sparse > 1 ||
        (!p.texts && p.n_texts > 0))
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "nncf_strip_params: fold_batch_norm and sparse must be 0 or 1, texts given with "
            "n_texts");
    if (!ctrl->model)
        return nncf__fail(err, NNCF_E_STATE, NULL, "the controller's model is gone");
    if (nncf__ctrl_initializing(ctrl)) /* quantizers pass on what they get, those of weights too */
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "initialization is under way: run the nncf_compression_ctrl_init_step() loop to its "
            "end "
            "first");
    if ((status = nncf__precision_check_chosen(ctrl, "nncf_strip_save", err)) != NNCF_OK)
        return status;
    if ((status = nncf__stages_check_complete(ctrl, "nncf_strip_save", err)) != NNCF_OK ||
        (status = nncf__ctrl_check_structure(ctrl, "nncf_strip_save", err)) != NNCF_OK)
        return status;
    nncf__model_pull_weights(ctrl->model);
    list l = {.context = ctrl->context};
    l.layers.context = ctrl->context;
    status = strip(&l, ctrl, path, &p, &r, err);
    free_list(&l);
    if (status != NNCF_OK)
        return status;
    r.bytes_float = (uint64_t)float_bytes(ctrl->model);
    return report ? nncf__result_copy(report, &r, sizeof r) : NNCF_OK;
}

nncf_status nncf_strip_save(const nncf_compression_ctrl *ctrl, const char *path,
    const nncf_strip_params *params, nncf_strip_report *report, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = save(ctrl, path, params, report, &reason);
    return nncf__report(ctrl ? ctrl->context : NULL, "nncf_strip_save", NULL, status, &reason, err);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_strip_params, )
NNCF__STRUCT_INIT(nncf_strip_report, )
