/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a layer's call is given against what the layer takes: every refusal says the tensor, what it
 * is and what it should be. Nothing is read from the tensors here but their descriptions.
 */
#include "exec/check.h"

#include "base/checked.h"
#include "base/error.h"
#include "binarization/binarizer.h"
#include "exec/kind.h"
#include "graph/kind_info.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stdio.h>
#include <string.h>

/* "(2,3,8,8)" */
const char *nncf__shape_text(const int64_t *shape, int32_t ndim, char text[NNCF__SHAPE_TEXT])
{
    size_t n = 0;
    text[n++] = '(';
    for (int32_t i = 0; i < ndim; i++)
        n += (size_t)snprintf(
            text + n, NNCF__SHAPE_TEXT - n, i ? ",%lld" : "%lld", (long long)shape[i]);
    snprintf(text + n, NNCF__SHAPE_TEXT - n, ")");
    return text;
}

static const char *tensor_text(const nncf_tensor *t, char text[NNCF__SHAPE_TEXT])
{
    return nncf__shape_text(t->shape, t->ndim, text);
}

static const char *dtype_text(int32_t dtype)
{
    static const char *const names[] = {
        "NNCF_F32", "NNCF_U8", "NNCF_S8", "NNCF_I32", "NNCF_I64", "NNCF_F64"};
    return dtype >= NNCF_F32 && dtype <= NNCF_F64 ? names[dtype] : "none of NNCF_F32 ...";
}

/* Elements of a tensor: far more than any machine holds, so few that no product of checked
 * sizes wraps. */
#define MAX_ELEMENTS ((uint64_t)1 << 48)

/* 1..NNCF_MAX_NDIM sizes >= 1 whose floats can be addressed. */
static nncf_status check_shape(const nncf__named *x, size_t *count, nncf_error *err)
{
    const nncf_tensor *t = x->tensor;
    char text[NNCF__SHAPE_TEXT];
    size_t n = 1, bytes;
    if (t->ndim < 1 || t->ndim > NNCF_MAX_NDIM)
        return nncf__fail(err, NNCF_E_SHAPE, NULL, "%s has %d dimensions, not 1..%d", x->name,
            (int)t->ndim, NNCF_MAX_NDIM);
    if (!t->shape)
        return nncf__fail(err, NNCF_E_ARG, NULL, "the shape of %s is NULL", x->name);
    for (int32_t i = 0; i < t->ndim; i++) {
        if (t->shape[i] < 1)
            return nncf__fail(err, NNCF_E_SHAPE, NULL, "%s is %s: every size must be at least 1",
                x->name, tensor_text(t, text));
        if ((uint64_t)t->shape[i] > SIZE_MAX || !nncf__mul(n, (size_t)t->shape[i], &n))
            return nncf__fail(err, NNCF_E_SHAPE, NULL, "%s is %s, more than memory can hold",
                x->name, tensor_text(t, text));
    }
    if (n > MAX_ELEMENTS || !nncf__mul(n, sizeof(double), &bytes) || bytes > PTRDIFF_MAX)
        return nncf__fail(err, NNCF_E_SHAPE, NULL, "%s is %s, more than memory can hold", x->name,
            tensor_text(t, text));
    *count = n;
    return NNCF_OK;
}

static bool c_order(const nncf_tensor *t)
{
    int64_t expected = 1;
    for (int32_t i = t->ndim - 1; i >= 0; i--) {
        if (t->shape[i] != 1 && t->strides[i] != expected)
            return false;
        expected *= t->shape[i];
    }
    return true;
}

nncf_status nncf__layer_check_tensor(
    const nncf__named *x, int32_t codes, size_t *count, nncf_error *err)
{
    const nncf_tensor *t = x->tensor;
    size_t n;
    if (t->device != 0 || t->reserved[0] != 0 || t->reserved[1] != 0)
        return nncf__fail(err, NNCF_E_ARG, NULL, "device and reserved of %s must be 0", x->name);
    if (codes == NNCF_I32 && t->dtype != NNCF_I32)
        return nncf__fail(err, NNCF_E_DTYPE, NULL,
            "%s is of the type %s; it must be numbers of words (NNCF_I32)", x->name,
            dtype_text(t->dtype));
    if (t->dtype != NNCF_F32 && t->dtype != codes)
        return nncf__fail(err, NNCF_E_DTYPE, NULL,
            codes == NNCF_F32
                ? "%s is of the type %s; it must be floats (NNCF_F32) here and now"
                : "%s is of the type %s; it must be NNCF_F32, or codes of the type %s",
            x->name, dtype_text(t->dtype), dtype_text(codes));
    nncf_status status = check_shape(x, &n, err);
    if (status != NNCF_OK)
        return status;
    size_t alignment = t->dtype == NNCF_F32 || t->dtype == NNCF_I32 ? _Alignof(float) : 1;
    if (!t->data || (uintptr_t)t->data % alignment != 0)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            t->data ? "the data of %s is not aligned as floats are" : "the data of %s is NULL",
            x->name);
    if (t->strides && !c_order(t))
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "%s has strides that are no order of all its sizes without gaps: copy it, and leave "
            "strides NULL",
            x->name);
    if (count)
        *count = n;
    return NNCF_OK;
}

nncf_status nncf__layer_check_same(const nncf__named *x, const nncf__named *like, nncf_error *err)
{
    const nncf_tensor *a = x->tensor, *b = like->tensor;
    char found[NNCF__SHAPE_TEXT], wanted[NNCF__SHAPE_TEXT];
    if (a->ndim == b->ndim && memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) == 0)
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_SHAPE, NULL, "%s is %s, but %s is %s: they must be of one shape",
        x->name, tensor_text(a, found), like->name, tensor_text(b, wanted));
}

static nncf_status refuse_host(const nncf_layer *layer, nncf_error *err)
{
    const char *text = layer->op == NNCF_OP_WEIGHT
        ? "this is a weight alone, and the host runs what reads it: call "
          "nncf_layer_compress_weight()"
        : layer->op == NNCF_OP_QUANTIZER
        ? "this is a quantizer alone, and the host runs what is around it: call "
          "nncf_layer_quantize_output()"
        : "the host runs this layer (nncf_model_add_op()); the library has only its parts";
    return nncf__fail(err, NNCF_E_UNSUPPORTED, NULL, "%s", text);
}

nncf_status nncf__layer_input_shape(
    const nncf_layer *layer, const nncf__named *x, int64_t shape[4], nncf_error *err)
{
    const nncf_tensor *t = x->tensor;
    char text[NNCF__SHAPE_TEXT];
    size_t count;
    nncf_status status = check_shape(x, &count, err);
    if (status != NNCF_OK)
        return status;
    const nncf__kind_info *kind = nncf__kind_info_of(layer->kind);
    if (kind->run_by_host)
        return refuse_host(layer, err);
    if (t->ndim != 2 && t->ndim != 4)
        return nncf__fail(err, NNCF_E_SHAPE, NULL, "%s is %s; layers read (N,C,H,W) or (N,C)",
            x->name, tensor_text(t, text));
    int64_t s[4] = {
        t->shape[0], t->shape[1], t->ndim == 4 ? t->shape[2] : 1, t->ndim == 4 ? t->shape[3] : 1};
    if (kind->flattens) {
        s[1] = s[1] * s[2] * s[3];
        s[2] = s[3] = 1;
    }
    if (layer->weight_count > 0 && s[1] != layer->in_channels)
        return nncf__fail(err, NNCF_E_SHAPE, NULL,
            "%s is %s, which is %lld %s; the layer reads %lld", x->name, tensor_text(t, text),
            (long long)s[1], kind->flattens ? "features an image" : "channels",
            (long long)layer->in_channels);
    memcpy(shape, s, sizeof s);
    return NNCF_OK;
}

/* ---- outputs ---- */

static nncf_status output_shape(
    const nncf_layer *layer, const int64_t in[4], int64_t out[4], nncf_error *err)
{
    const nncf__kind *kind = nncf__kind_of(layer);
    int64_t s[4] = {in[0], in[1], in[2], in[3]};
    nncf_status status = kind->out_shape ? kind->out_shape(layer, in, s, err) : NNCF_OK;
    const nncf_tensor t = {.ndim = 4, .shape = s};
    size_t count; /* padding can make the output larger than the input */
    if (status == NNCF_OK)
        status = check_shape(&(nncf__named){"y", &t}, &count, err);
    if (status == NNCF_OK)
        memcpy(out, s, sizeof s);
    return status;
}

nncf_status nncf__layer_check_channels(
    const nncf__quantizer *quantizer, const char *tensor, int64_t channels, nncf_error *err)
{
    const size_t wanted = !quantizer    ? 0
        : quantizer->binarizer          ? quantizer->binarizer->channels
        : quantizer->params.per_channel ? quantizer->channels
                                        : 0;
    if (wanted == 0 || wanted == (size_t)channels)
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_SHAPE, NULL, "%s has %lld channels; its quantizer %s has %zu",
        tensor, (long long)channels, quantizer->name, wanted);
}

/* Kinds that read planes, or (n, c): all inputs of one shape. */
static nncf_status plane_shapes(
    const nncf_layer *layer, const nncf_tensor *x, nncf__shapes *s, nncf_error *err)
{
    const int32_t out_ndim = nncf__kind_of(layer)->out_ndim;
    char found[NNCF__SHAPE_TEXT], wanted[NNCF__SHAPE_TEXT];
    nncf_status status = NNCF_OK;
    for (size_t i = 0; i < s->n && status == NNCF_OK; i++)
        status = nncf__layer_input_shape(
            layer, &(nncf__named){nncf__input_name(i, s->n), &x[i]}, s->in[i], err);
    for (size_t i = 1; i < s->n && status == NNCF_OK; i++)
        if (memcmp(s->in[i], s->in[0], sizeof s->in[0]) != 0)
            status = nncf__fail(err, NNCF_E_SHAPE, NULL,
                "x[%zu] is %s, but x[0] is %s: they must be of one shape", i,
                tensor_text(&x[i], found), tensor_text(&x[0], wanted));
    if (status == NNCF_OK)
        status = output_shape(layer, s->in[0], s->out, err);
    if (status != NNCF_OK)
        return status;
    s->y.ndim = out_ndim ? out_ndim : x[0].ndim;
    memcpy(s->y.size, s->out, (size_t)s->y.ndim * sizeof *s->y.size);
    return NNCF_OK;
}

static nncf_status view_shapes(const nncf_layer *layer, nncf__shapes *s, nncf_error *err)
{
    size_t count;
    nncf_status status = nncf__kind_of(layer)->shapes(layer, s, err);
    const nncf_tensor y = {.ndim = s->y.ndim, .shape = s->y.size};
    return status == NNCF_OK ? check_shape(&(nncf__named){"y", &y}, &count, err) : status;
}

nncf_status nncf__layer_shapes(
    const nncf_layer *layer, const nncf_tensor *x, size_t n_x, nncf__shapes *s, nncf_error *err)
{
    const nncf__layer_compression *c = layer->compression;
    nncf_status status = NNCF_OK;
    memset(s, 0, sizeof *s);
    s->n = n_x;
    if (nncf__kind_info_of(layer->kind)->run_by_host || !nncf__kind_of(layer)->shapes) {
        status = plane_shapes(layer, x, s, err);
        for (size_t i = 0; i < n_x && status == NNCF_OK; i++) {
            s->x[i].ndim = x[i].ndim;
            memcpy(s->x[i].size, x[i].shape, (size_t)x[i].ndim * sizeof *x[i].shape);
        }
    } else {
        for (size_t i = 0; i < n_x && status == NNCF_OK; i++) {
            size_t count;
            status = check_shape(&(nncf__named){nncf__input_name(i, n_x), &x[i]}, &count, err);
            if (status != NNCF_OK)
                return status;
            s->x[i].ndim = x[i].ndim;
            memcpy(s->x[i].size, x[i].shape, (size_t)x[i].ndim * sizeof *x[i].shape);
        }
        status = view_shapes(layer, s, err);
    }
    if (status != NNCF_OK || !c)
        return status;
    if ((status = nncf__layer_check_channels(
             c->input_quantizer, nncf__input_name(0, n_x), s->in[0][1], err)) == NNCF_OK &&
        (status = nncf__layer_check_channels(
             c->pre_activation_quantizer, "the sum", s->out[1], err)) == NNCF_OK)
        status = nncf__layer_check_channels(c->output_quantizer, "y", s->out[1], err);
    return status;
}

const char *nncf__input_name(size_t i, size_t n)
{
    static const char *const names[NNCF__MAX_INPUTS] = {
        "x[0]", "x[1]", "x[2]", "x[3]", "x[4]", "x[5]", "x[6]", "x[7]"};
    return n == 1 ? "x" : names[i];
}

nncf_status nncf__layer_check_shape(const nncf__named *x, int32_t codes, const nncf__shape *shape,
    const int64_t view[4], nncf_error *err)
{
    const nncf_tensor *t = x->tensor;
    char found[NNCF__SHAPE_TEXT], wanted[NNCF__SHAPE_TEXT];
    bool planes = shape->ndim == 2 || shape->ndim == 4;
    for (int32_t i = 0; i < 4 && planes; i++)
        planes = (i < shape->ndim ? shape->size[i] : 1) == view[i];
    if (planes) /* (n, c) and (n, c, 1, 1) are the same */
        return nncf__layer_check_as(x, codes, view, err);
    nncf_status status = nncf__layer_check_tensor(x, codes, NULL, err);
    if (status != NNCF_OK ||
        (t->ndim == shape->ndim &&
            memcmp(t->shape, shape->size, (size_t)t->ndim * sizeof *t->shape) == 0))
        return status;
    return nncf__fail(err, NNCF_E_SHAPE, NULL, "%s is %s; it must be %s", x->name,
        tensor_text(t, found), nncf__shape_text(shape->size, shape->ndim, wanted));
}

nncf_status nncf__layer_check_as(
    const nncf__named *x, int32_t codes, const int64_t shape[4], nncf_error *err)
{
    const nncf_tensor *t = x->tensor;
    nncf_status status = nncf__layer_check_tensor(x, codes, NULL, err);
    if (status != NNCF_OK)
        return status;
    bool same = t->ndim == 2 || t->ndim == 4;
    for (int i = 0; i < 4 && same; i++)
        same = (i < t->ndim ? t->shape[i] : 1) == shape[i];
    char found[NNCF__SHAPE_TEXT], wanted[NNCF__SHAPE_TEXT];
    return same ? NNCF_OK
                : nncf__fail(err, NNCF_E_SHAPE, NULL, "%s is %s; it must be %s", x->name,
                      tensor_text(t, found),
                      nncf__shape_text(
                          shape, shape[2] == 1 && shape[3] == 1 && t->ndim == 2 ? 2 : 4, wanted));
}
