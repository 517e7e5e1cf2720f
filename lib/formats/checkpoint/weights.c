/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights from elsewhere, found by name (lookup.c) and converted: other float types, codes of
 * stripped models (unstrip.c), and the masks that lie beside them (masks.c).
 */
#include "base/alloc.h"
#include "base/error.h"
#include "formats/checkpoint/lookup.h"
#include "formats/checkpoint/masks.h"
#include "formats/safetensors/header.h"
#include "formats/safetensors/safetensors.h"
#include "formats/safetensors/tensors.h"
#include "formats/strip/unstrip.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/context.h>
#include <nncf/tensor.h>

#include <string.h>

/* ---- values ---- */

static float from_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023,
             bits;
    float value;
    if (exponent == 0) { /* zero and subnormal: fraction * 2^-24, exact in float */
        value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static bool convertible(const nncf__entry *e, const nncf_tensor *t)
{
    if (e->dtype == t->dtype)
        return true;
    return t->dtype == NNCF_F32 &&
        (e->dtype == NNCF_F64 || strcmp(e->type, "F16") == 0 || strcmp(e->type, "BF16") == 0);
}

static void copy(const nncf__entry *e, const nncf_tensor *t)
{
    const size_t bytes = (size_t)(e->end - e->begin), n = bytes * 8 / e->bits;
    float *to = t->data;
    if (bytes == 0)
        return;
    if (e->dtype == t->dtype) {
        memcpy(t->data, e->data, bytes);
    } else if (e->dtype == NNCF_F64) {
        for (size_t i = 0; i < n; i++)
            to[i] = (float)((const double *)e->data)[i];
    } else {
        const uint16_t *from = e->data;
        const bool brain = e->type[0] == 'B';
        for (size_t i = 0; i < n; i++) {
            uint32_t bits = (uint32_t)from[i] << 16;
            if (brain)
                memcpy(&to[i], &bits, sizeof bits);
            else
                to[i] = from_half(from[i]);
        }
    }
}

static bool same_shape(const nncf_tensor *t, const int64_t *shape, size_t ndim)
{
    return ndim == (size_t)t->ndim &&
        (ndim == 0 || memcmp(shape, t->shape, ndim * sizeof *shape) == 0);
}

/* ---- all of them ---- */

/* One call: the requested tensors, what the file has, and the results. */
typedef struct loading {
    const nncf_checkpoint *c;
    const nncf_checkpoint_tensor *tensors;
    size_t n_tensors;
    nncf_checkpoint_load_params params;
    nncf_checkpoint_load_report report;
    /* [n_tensors] */
    nncf_checkpoint_match *matches;
    /* [n_tensors] */
    const nncf__entry **found;
    /* [n_entries] */
    bool *used;
    nncf__lookup lookup;
    nncf__masks masks;
    nncf__packed *packed;
} loading;

static const nncf__packed *packed_of(const loading *l, const nncf__entry *e)
{
    const nncf__packed *p = l->packed ? &l->packed[e - l->c->entries] : NULL;
    return p && p->weight ? p : NULL;
}

static void use(const loading *l, const nncf__entry *e)
{
    if (e)
        l->used[e - l->c->entries] = true;
}

static int32_t match(loading *l, size_t i)
{
    const nncf_tensor *t = &l->tensors[i].tensor;
    size_t count;
    const nncf__entry *e = l->found[i] = nncf__lookup_find(&l->lookup, l->tensors[i].name, &count);
    if (!e)
        return NNCF_MATCH_MISSING;
    const nncf__packed *p = packed_of(l, e);
    l->matches[i].source = e->name;
    use(l, e);
    if (count > 1)
        return NNCF_MATCH_AMBIGUOUS;
    if (p && t->dtype == NNCF_F32)
        return same_shape(t, p->shape, p->ndim) ? NNCF_MATCH_LOADED : NNCF_MATCH_SHAPE;
    if (!same_shape(t, e->shape, e->ndim))
        return NNCF_MATCH_SHAPE;
    return convertible(e, t) ? NNCF_MATCH_LOADED : NNCF_MATCH_TYPE;
}

static void count_matches(loading *l)
{
    nncf_checkpoint_load_report *r = &l->report;
    for (size_t i = 0; i < l->n_tensors; i++) {
        const int32_t state = l->matches[i].state = match(l, i);
        r->loaded += state == NNCF_MATCH_LOADED;
        r->missing += state == NNCF_MATCH_MISSING;
        r->wrong_shape += state == NNCF_MATCH_SHAPE;
        r->wrong_type += state == NNCF_MATCH_TYPE;
        r->ambiguous += state == NNCF_MATCH_AMBIGUOUS;
    }
}

static void take(loading *l, size_t i)
{
    const nncf_tensor *t = &l->tensors[i].tensor;
    const nncf__entry *e = l->found[i];
    const nncf__packed *p = packed_of(l, e);
    if (p && t->dtype == NNCF_F32) {
        nncf__packed_unpack(p, t->data);
        use(l, p->mask);
        use(l, p->scale);
        use(l, p->zero);
        return;
    }
    copy(e, t);
    const nncf__entry *mask = l->masks.of[e - l->c->entries];
    if (mask && l->params.masks == NNCF_MASKS_LEAVE) {
        l->report.masks_left++;
    } else if (mask) {
        const size_t n = (size_t)(e->end - e->begin) * 8 / e->bits;
        nncf__mask_apply(l->c, mask, n, nncf__dtype_size(t->dtype), t->data);
        use(l, mask);
        l->report.masks_applied++;
    }
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static nncf_status load(loading *l, nncf_error *err)
{
    nncf_checkpoint_load_report *r = &l->report;
    const char *path = l->c->path;
    count_matches(l);
    if (r->loaded == 0 && l->n_tensors > 0)
        return nncf__fail(err, NNCF_E_NOTFOUND, path,
            "%s has none of the %zu tensors (%zu names are not in it, %zu shapes and %zu types "
            "differ)",
            path, l->n_tensors, r->missing, r->wrong_shape, r->wrong_type);
    for (size_t i = 0; i < l->n_tensors; i++)
        if (l->matches[i].state == NNCF_MATCH_LOADED)
            take(l, i);
    if (r->masks_left > 0)
        nncf__log(l->c->context, NNCF_LOG_WARNING,
            "%s: %zu weights come over without the masks that lie beside them: the zeros of that "
            "training are "
            "lost",
            path, r->masks_left);
    /* PyTorch counts batches beside each batch norm; nothing here has a use for it */
    for (size_t i = 0; i < l->c->n_entries; i++)
        if (!l->used[i] && !ends_with(l->c->entries[i].name, ".num_batches_tracked")) {
            if (r->unexpected < l->params.capacity)
                l->params.unexpected_names[r->unexpected] = l->c->entries[i].name;
            r->unexpected++;
        }
    return NNCF_OK;
}

/* Everything that can fail, then the loading. */
static nncf_status prepare_and_load(loading *l, nncf_error *err)
{
    nncf_context *context = l->c->context;
    l->matches = nncf__calloc(context, l->n_tensors, sizeof *l->matches);
    l->found = nncf__calloc(context, l->n_tensors, sizeof *l->found);
    l->used = nncf__calloc(context, l->c->n_entries, sizeof *l->used);
    if (!l->matches || !l->found || !l->used || nncf__lookup_make(&l->lookup, l->c) != NNCF_OK ||
        nncf__masks_find(&l->masks, l->c, &l->lookup) != NNCF_OK)
        return nncf__fail(err, NNCF_E_NOMEM, l->c->path, "out of memory");
    nncf_status status = nncf__packed_find(&l->packed, l->c, err);
    return status == NNCF_OK ? load(l, err) : status;
}

static void release(loading *l)
{
    nncf_context *context = l->c->context;
    nncf__free(context, l->matches);
    nncf__free(context, l->found);
    nncf__free(context, l->used);
    nncf__free(context, l->packed);
    nncf__masks_free(&l->masks);
    nncf__lookup_free(&l->lookup);
}

static nncf_status take_params(nncf_checkpoint_load_params *p,
    const nncf_checkpoint_load_params *params, const nncf_checkpoint_load_report *report,
    nncf_error *err)
{
    nncf_checkpoint_load_report unused;
    nncf_status status = NNCF_OK;
    *p = (nncf_checkpoint_load_params){NNCF_PARAMS(nncf_checkpoint_load_params)};
    if (params)
        status = nncf__params_copy(p, sizeof *p, params, "nncf_checkpoint_load_params", err);
    if (status == NNCF_OK && report) /* a size that makes no sense is refused before anything */
        status =
            nncf__params_copy(&unused, sizeof unused, report, "nncf_checkpoint_load_report", err);
    if (status == NNCF_OK &&
        ((p->masks != NNCF_MASKS_APPLY && p->masks != NNCF_MASKS_LEAVE) || p->reserved != 0))
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "nncf_checkpoint_load_params: masks is none of NNCF_MASKS_..., or reserved not 0");
    if (status == NNCF_OK && !p->unexpected_names && p->capacity > 0)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "nncf_checkpoint_load_params: unexpected_names is NULL, and capacity is not 0");
    return status;
}

static nncf_status load_weights(const nncf_checkpoint *checkpoint,
    const nncf_checkpoint_tensor *tensors, size_t n_tensors,
    const nncf_checkpoint_load_params *params, nncf_checkpoint_match *matches,
    nncf_checkpoint_load_report *report, nncf_error *err)
{
    if (!checkpoint || (!tensors && n_tensors > 0))
        return nncf__fail(
            err, NNCF_E_ARG, NULL, "%s is NULL", !checkpoint ? "checkpoint" : "tensors");
    loading l = {.c = checkpoint,
        .tensors = tensors,
        .n_tensors = n_tensors,
        .report = {NNCF_PARAMS(nncf_checkpoint_load_report)}};
    nncf_status status = take_params(&l.params, params, report, err);
    for (size_t i = 0; status == NNCF_OK && i < n_tensors; i++)
        status = nncf__tensor_check(&tensors[i], i, err);
    if (status != NNCF_OK)
        return status;
    status = prepare_and_load(&l, err);
    if (status == NNCF_OK && matches && n_tensors > 0)
        memcpy(matches, l.matches, n_tensors * sizeof *matches);
    release(&l);
    return status == NNCF_OK && report ? nncf__result_copy(report, &l.report, sizeof l.report)
                                       : status;
}

nncf_status nncf_checkpoint_load_weights(const nncf_checkpoint *checkpoint,
    const nncf_checkpoint_tensor *tensors, size_t n_tensors,
    const nncf_checkpoint_load_params *params, nncf_checkpoint_match *matches,
    nncf_checkpoint_load_report *report, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status =
        load_weights(checkpoint, tensors, n_tensors, params, matches, report, &reason);
    return nncf__report(checkpoint ? checkpoint->context : NULL, "nncf_checkpoint_load_weights",
        NULL, status, &reason, err);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_checkpoint_load_params, .masks = NNCF_MASKS_APPLY)
NNCF__STRUCT_INIT(nncf_checkpoint_load_report, )
