/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights out of a stripped model: codes, packed or not, sparse or not, become the floats of eval
 * mode again. "strip.layers" defines what a layer's tensors mean; any program may have
 * written it, so every size is checked here.
 */
#include "formats/strip/unstrip.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "formats/safetensors/json.h"
#include "formats/safetensors/names.h"
#include "formats/safetensors/safetensors.h"
#include "formats/safetensors/tensors.h"
#include "graph/ops.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/tensor.h>

#include <string.h>

enum { SIGN_BITS = 1, PACKED_BITS = 4, FLOAT_BITS = 32 };

static nncf_status unsound(
    const nncf_checkpoint *c, const char *scope, const char *what, nncf_error *err)
{
    return nncf__fail(err, NNCF_E_FORMAT, "strip.layers",
        "%s: strip.layers and the tensors of \"%.64s\" do not fit: %s", c->path, scope, what);
}

/* ---- one layer of strip.layers ---- */

typedef struct record {
    nncf__json_span scope;
    bool has_scope, is_signed, sparse;
    /* of the output channels; -1: it is no number that can be */
    int64_t axis;
    /* elements that share a scale; 0: those of an output channel, or all */
    int64_t group;
    int64_t shape[NNCF__MAX_WEIGHT_NDIM];
    /* 0: it has no weight */
    size_t ndim;
    int64_t bits;
} record;

/* A whole number of at most 18 digits; -1: it is not. */
static int64_t small_number(nncf__json *j)
{
    nncf__json_span s;
    char text[20];
    int64_t value;
    const char first = nncf__json_peek(j);
    if (first < '0' || first > '9') {
        nncf__json_skip(j);
        return -1;
    }
    nncf__json_number(j, &s);
    if (j->flaw || s.end - s.begin >= sizeof text)
        return -1;
    memcpy(text, j->text + s.begin, s.end - s.begin);
    text[s.end - s.begin] = 0;
    return nncf__parse_int64(text, &value) ? value : -1;
}

static void read_weight_shape(nncf__json *j, record *r)
{
    if (nncf__json_peek(j) != '[') {
        nncf__json_skip(j);
        return;
    }
    r->ndim = 0;
    nncf__json_open(j);
    while (nncf__json_more(j)) {
        const int64_t size = small_number(j);
        if (r->ndim < NNCF__MAX_WEIGHT_NDIM)
            r->shape[r->ndim] = size;
        r->ndim++;
    }
}

static bool is_true(nncf__json *j)
{
    const bool yes = nncf__json_peek(j) == 't';
    nncf__json_skip(j);
    return yes;
}

static void read_record(nncf__json *j, record *r)
{
    *r = (record){.bits = -1};
    if (nncf__json_peek(j) != '{') {
        nncf__json_skip(j);
        return;
    }
    nncf__json_open(j);
    while (nncf__json_more(j)) {
        nncf__json_span key, value;
        nncf__json_key(j, &key);
        const char first = nncf__json_peek(j);
        if (nncf__json_is(j->text, &key, "scope") && first == '"') {
            nncf__json_string(j, &r->scope);
            r->has_scope = true;
        } else if (nncf__json_is(j->text, &key, "op") && first == '"') {
            nncf__json_string(j, &value);
            if (nncf__json_is(j->text, &value, "conv_transpose1d") ||
                nncf__json_is(j->text, &value, "conv_transpose2d") ||
                nncf__json_is(j->text, &value, "conv_transpose3d"))
                r->axis = 1;
        } else if (nncf__json_is(j->text, &key, "kind") && first == '"') {
            nncf__json_string(j, &value);
            if (nncf__json_is(j->text, &value, "conv_transpose2d"))
                r->axis = 1;
        } else if (nncf__json_is(j->text, &key, "channel_axis")) {
            r->axis = small_number(j);
        } else if (nncf__json_is(j->text, &key, "weight_group")) {
            r->group = small_number(j);
        } else if (nncf__json_is(j->text, &key, "weight_shape")) {
            read_weight_shape(j, r);
        } else if (nncf__json_is(j->text, &key, "weight_bits")) {
            r->bits = small_number(j);
        } else if (nncf__json_is(j->text, &key, "weight_signed")) {
            r->is_signed = is_true(j);
        } else if (nncf__json_is(j->text, &key, "weight_sparse")) {
            r->sparse = is_true(j);
        } else {
            nncf__json_skip(j);
        }
    }
}

/* ---- the tensors that belong to it ---- */

static const nncf__entry *tensor(
    const nncf_checkpoint *c, nncf__text *name, size_t scope, const char *suffix)
{
    name->length = scope;
    nncf__text_append(name, suffix, strlen(suffix));
    return name->failed ? NULL : nncf__checkpoint_find(c, name->data);
}

static size_t bytes_of(const nncf__entry *e)
{
    return (size_t)(e->end - e->begin);
}

static size_t count_bits(const uint8_t *bits, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += bits[i / 8] >> i % 8 & 1;
    return n;
}

/* NULL, or what does not fit. */
static const char *check(nncf__packed *p)
{
    const bool floats = p->bits == FLOAT_BITS, signs = p->bits == SIGN_BITS;
    size_t elements = p->count, stored;
    if (p->sparse &&
        (!p->mask || p->mask->dtype != NNCF_U8 || bytes_of(p->mask) != (p->count + 7) / 8))
        return "weight_mask";
    if (p->sparse)
        elements = count_bits(p->mask->data, p->count);
    if (!floats && (p->bits < SIGN_BITS || p->bits > 8))
        return "weight_bits";
    if (signs && (p->sparse || p->zero)) /* neither scale nor -scale is 0 */
        return p->sparse ? "weight_sparse" : "weight_zero_point";
    stored = floats              ? elements * sizeof(float)
        : signs                  ? (elements + 7) / 8
        : p->bits <= PACKED_BITS ? (elements + 1) / 2
                                 : elements;
    if (bytes_of(p->weight) != stored ||
        p->weight->dtype !=
            (floats                                         ? NNCF_F32
                    : p->is_signed && p->bits > PACKED_BITS ? NNCF_S8
                                                            : NNCF_U8))
        return "weight";
    if (floats)
        return NULL;
    if (!p->scale || p->scale->dtype != NNCF_F32)
        return "weight_scale";
    p->channels = bytes_of(p->scale) / sizeof(float);
    if (p->group == 0 && p->channels != 1 &&
        (p->axis >= p->ndim || p->channels != (size_t)p->shape[p->axis]))
        return "weight_scale";
    if (p->group > p->count || (p->group > 0 && p->channels != p->count / p->group) ||
        (p->group > 0 && p->count % p->group != 0))
        return "weight_group";
    if (p->zero &&
        (p->zero->dtype != NNCF_I32 || bytes_of(p->zero) != p->channels * sizeof(int32_t)))
        return "weight_zero_point";
    return NULL;
}

static nncf_status take_record(nncf__packed *packed, const nncf_checkpoint *c, const nncf__json *j,
    const record *r, nncf__text *name, nncf_error *err)
{
    if (!r->has_scope || r->ndim == 0)
        return NNCF_OK;
    const size_t scope = r->scope.end - r->scope.begin;
    name->length = 0;
    nncf__text_append(name, j->text + r->scope.begin, scope); /* reserves the space */
    if (name->failed)
        return nncf__fail(err, NNCF_E_NOMEM, c->path, "out of memory");
    const size_t length = nncf__json_decode(j->text, &r->scope, name->data, scope);
    const nncf__entry *weight = tensor(c, name, length, ".weight");
    if (name->failed)
        return nncf__fail(err, NNCF_E_NOMEM, c->path, "out of memory");
    if (!weight)
        return NNCF_OK;
    nncf__packed *p = &packed[weight - c->entries];
    const bool twice = p->weight != NULL; /* a large mask that is counted for each would be slow */
    *p = (nncf__packed){.weight = weight,
        .mask = tensor(c, name, length, ".weight_mask"),
        .scale = tensor(c, name, length, ".weight_scale"),
        .zero = tensor(c, name, length, ".weight_zero_point"),
        .ndim = r->ndim,
        .axis = r->axis < 0 ? NNCF__MAX_WEIGHT_NDIM : (size_t)r->axis,
        .group = r->group < 0 ? SIZE_MAX : (size_t)r->group,
        .bits = r->bits,
        .is_signed = r->is_signed,
        .sparse = r->sparse,
        .count = 1};
    name->length = length;
    nncf__text_append(name, "", 0);
    if (name->failed)
        return nncf__fail(err, NNCF_E_NOMEM, c->path, "out of memory");
    if (twice)
        return unsound(c, name->data, "the layer is there twice", err);
    if (r->ndim > NNCF__MAX_WEIGHT_NDIM)
        return unsound(c, name->data, "weight_shape has too many sizes", err);
    memcpy(p->shape, r->shape, sizeof p->shape);
    for (size_t i = 0; i < r->ndim; i++)
        if (r->shape[i] < 1 || !nncf__mul(p->count, (size_t)r->shape[i], &p->count))
            return unsound(c, name->data, "weight_shape", err);
    if (p->count > PTRDIFF_MAX / sizeof(float))
        return unsound(c, name->data, "weight_shape", err);
    const char *what = check(p);
    return what ? unsound(c, name->data, what, err) : NNCF_OK;
}

nncf_status nncf__packed_find(nncf__packed **packed, const nncf_checkpoint *c, nncf_error *err)
{
    const char *text = nncf_checkpoint_get_text(c, "strip.layers");
    nncf__text name = {.context = c->context};
    nncf__json j;
    nncf_status status = NNCF_OK;
    *packed = NULL;
    if (!text)
        return NNCF_OK;
    if (!(*packed = nncf__calloc(c->context, c->n_entries, sizeof **packed)))
        return nncf__fail(err, NNCF_E_NOMEM, c->path, "out of memory");
    nncf__json_start(&j, text, strlen(text));
    if (nncf__json_peek(&j) == '[') {
        nncf__json_open(&j);
        while (status == NNCF_OK && nncf__json_more(&j)) {
            record r;
            read_record(&j, &r);
            if (!j.flaw)
                status = take_record(*packed, c, &j, &r, &name, err);
        }
    }
    if (status == NNCF_OK && (j.flaw || j.at == 0))
        status = nncf__fail(
            err, NNCF_E_FORMAT, "strip.layers", "%s: strip.layers is not a JSON array", c->path);
    nncf__text_free(&name);
    if (status != NNCF_OK) {
        nncf__free(c->context, *packed);
        *packed = NULL;
    }
    return status;
}

/* ---- values ---- */

static int32_t stored_code(const nncf__packed *p, size_t at)
{
    const uint8_t *data = p->weight->data;
    if (p->bits == SIGN_BITS)
        return (data[at / 8] >> at % 8 & 1) != 0 ? 1 : -1;
    if (p->bits > PACKED_BITS)
        return p->is_signed ? (int8_t)data[at] : data[at];
    const int32_t code = data[at / 2] >> (at % 2 ? 4 : 0) & 15;
    return p->is_signed && code > 7 ? code - 16 : code;
}

void nncf__packed_unpack(const nncf__packed *p, float *to)
{
    const uint8_t *mask = p->sparse ? p->mask->data : NULL;
    const float *floats = p->weight->data, *scale = p->scale ? p->scale->data : NULL;
    const int32_t *zero = p->zero ? p->zero->data : NULL;
    size_t inner = 1, at = 0;
    for (size_t d = p->axis + 1; d < p->ndim; d++)
        inner *= (size_t)p->shape[d];
    if (p->group > 0)
        inner = p->group;
    for (size_t i = 0; i < p->count; i++) {
        if (mask && !(mask[i / 8] >> i % 8 & 1)) {
            to[i] = 0;
            continue;
        }
        const size_t c = p->bits != FLOAT_BITS && p->channels > 1 ? i / inner % p->channels : 0;
        to[i] = p->bits == FLOAT_BITS
            ? floats[at]
            : (float)((int64_t)stored_code(p, at) - (zero ? zero[c] : 0)) * scale[c];
        at++;
    }
}
