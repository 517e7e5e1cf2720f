/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a snapshot, in this order:
 * 1. gather the tensors: the caller's, the controller's (state.c), those carried over from an
 * earlier file; check them, their names and the texts;
 * 2. sort them into the order of the file, larger elements first;
 * 3. compose the header: checksums and texts, then name, type, shape and place of each tensor;
 * 4. hand header and data to the file, which is replaced as a whole (file.c), or to the write
 * callback.
 */
#include "base/alloc.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/strings.h"
#include "base/text.h"
#include "context/context.h"
#include "controller/ctrl.h"
#include "formats/checkpoint/state.h"
#include "formats/safetensors/crc32c.h"
#include "formats/safetensors/file.h"
#include "formats/safetensors/header.h"
#include "formats/safetensors/names.h"
#include "formats/safetensors/safetensors.h"
#include "formats/safetensors/tensors.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stdio.h>
#include <string.h>

/* One job: all tensors of the file, the caller's first, then the controller's, then those carried
 * over. */
/* What nncf_checkpoint_save() was given. */
typedef struct request {
    const nncf_compression_ctrl *ctrl;
    const char *path;
    const nncf_checkpoint_tensor *tensors;
    size_t n_tensors;
    const nncf_checkpoint_text *texts;
    size_t n_texts;
    const nncf_checkpoint *carry;
    int32_t (*write)(void *user, const void *data, size_t size);
    void *user;
    int32_t keep_previous;
} request;

typedef struct writer {
    nncf_context *context;
    const request *p;
    nncf__entry *items;
    size_t n_items;
    size_t *order;
    /* the caller's texts, sorted */
    size_t *by_key;
    /* header, then one a tensor in the order of the file */
    nncf__file_chunk *chunks;
    nncf__text header;
} writer;

static bool name_before(const void *arg, size_t a, size_t b)
{
    const nncf__entry *items = arg;
    return strcmp(items[a].name, items[b].name) < 0;
}

/* Larger elements first, as the format's own writer does: then every tensor is aligned and there
 * are no holes. */
static bool file_before(const void *arg, size_t a, size_t b)
{
    const nncf__entry *items = arg;
    return items[a].bits != items[b].bits ? items[a].bits > items[b].bits : a < b;
}

/* Borrows all of the tensor. */
static void put_item(writer *w, const nncf_checkpoint_tensor *t)
{
    size_t bytes = 0;
    (void)nncf__tensor_bytes(&t->tensor, &bytes); /* checked before */
    w->items[w->n_items++] = (nncf__entry){.name = (char *)(uintptr_t)t->name,
        .dtype = t->tensor.dtype,
        .type = nncf__dtype_name(t->tensor.dtype),
        .bits = 8 * (uint32_t)nncf__dtype_size(t->tensor.dtype),
        .ndim = (size_t)t->tensor.ndim,
        .shape = (int64_t *)(uintptr_t)t->tensor.shape,
        .end = bytes,
        .data = t->tensor.data};
}

static nncf_status check_given(const nncf_checkpoint_tensor *t, size_t i, nncf_error *err)
{
    nncf_status status = nncf__tensor_check(t, i, err);
    if (status != NNCF_OK)
        return status;
    if (strncmp(t->name, "nncf.", 5) == 0 || strncmp(t->name, "__", 2) == 0)
        return nncf__tensor_fail(
            err, NNCF_E_ARG, t, i, "names beginning with \"nncf.\" or \"__\" are the library's");
    if (!nncf__utf8_valid(t->name))
        return nncf__tensor_fail(err, NNCF_E_ARG, t, i, "the name is not UTF-8");
    return NNCF_OK;
}

static nncf_status gather_items(writer *w, const nncf__state *state, nncf_error *err)
{
    const nncf_checkpoint *carry = w->p->carry;
    for (size_t i = 0; i < w->p->n_tensors; i++) {
        nncf_status status = check_given(&w->p->tensors[i], i, err);
        if (status != NNCF_OK)
            return status;
        put_item(w, &w->p->tensors[i]);
    }
    for (size_t i = 0; i < state->n_tensors; i++)
        put_item(w, &state->tensors[i]);
    const size_t named = w->n_items;
    nncf__sort_indices(w->order, named, name_before, w->items);
    for (size_t i = 1; i < named; i++) {
        const char *name = w->items[w->order[i]].name;
        if (strcmp(name, w->items[w->order[i - 1]].name) == 0)
            return nncf__fail(err, NNCF_E_ARG, name, "two tensors have the name \"%.64s\"", name);
    }
    for (size_t i = 0; carry && i < carry->n_entries; i++) {
        const nncf__entry *e = &carry->entries[i];
        if (strncmp(e->name, "nncf.", 5) != 0 &&
            !nncf__entry_find(w->items, w->order, named, e->name)) {
            w->items[w->n_items] = *e;
            w->items[w->n_items].begin = 0;
            w->items[w->n_items++].end = e->end - e->begin;
        }
    }
    return NNCF_OK;
}

static bool key_before(const void *arg, size_t a, size_t b)
{
    const nncf_checkpoint_text *texts = arg;
    const int order = strcmp(texts[a].key, texts[b].key);
    return order != 0 ? order < 0 : a < b;
}

static nncf_status check_texts(writer *w, nncf_error *err)
{
    const nncf_checkpoint_text *texts = w->p->texts;
    const size_t n_texts = w->p->n_texts;
    for (size_t i = 0; i < n_texts; i++) {
        const char *key = texts[i].key, *value = texts[i].value;
        if (!key || !value)
            return nncf__fail(
                err, NNCF_E_ARG, key, "texts[%zu]: %s is NULL", i, key ? "value" : "key");
        if (strncmp(key, "nncf.", 5) == 0)
            return nncf__fail(err, NNCF_E_ARG, key,
                "texts[%zu]: keys beginning with \"nncf.\" are the library's", i);
        if (!nncf__utf8_valid(key) || !nncf__utf8_valid(value))
            return nncf__fail(err, NNCF_E_ARG, key, "texts[%zu]: not UTF-8", i);
    }
    nncf__sort_indices(w->by_key, n_texts, key_before, texts);
    for (size_t i = 1; i < n_texts; i++) {
        const char *key = texts[w->by_key[i]].key;
        if (strcmp(texts[w->by_key[i - 1]].key, key) == 0)
            return nncf__fail(err, NNCF_E_ARG, key, "texts[%zu]: the key \"%.64s\" is there twice",
                w->by_key[i], key);
    }
    return NNCF_OK;
}

static void put_text(nncf__text *h, const char *key, const char *value)
{
    nncf__text_append(h, ",", 1);
    nncf__text_json_string(h, key);
    nncf__text_append(h, ":", 1);
    nncf__text_json_string(h, value);
}

static bool has_text(const writer *w, const char *key)
{
    size_t low = 0, high = w->p->n_texts;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(key, w->p->texts[w->by_key[middle]].key);
        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

static bool data_before(const void *arg, size_t a, size_t b)
{
    const nncf_checkpoint_tensor *tensors = arg;
    return (uintptr_t)tensors[a].tensor.data < (uintptr_t)tensors[b].tensor.data;
}

/* The caller's tensor that is that weight, or NULL. */
static const nncf_checkpoint_tensor *find_data(
    const nncf_checkpoint_tensor *tensors, const size_t *by_data, size_t count, const float *weight)
{
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if ((uintptr_t)tensors[by_data[middle]].tensor.data < (uintptr_t)weight)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && tensors[by_data[low]].tensor.data == (const void *)weight
        ? &tensors[by_data[low]]
        : NULL;
}

/* Which of the caller's tensors each mask belongs to: their names are the caller's, and need not be
 * like the scopes. */
static void put_masks(writer *w)
{
    const request *p = w->p;
    nncf__text pairs = {.context = w->context}, name = {.context = w->context};
    size_t *by_data = nncf__calloc(w->context, p->n_tensors, sizeof *by_data);
    if (by_data)
        nncf__sort_indices(by_data, p->n_tensors, data_before, p->tensors);
    nncf__text_append(&pairs, "{", 1);
    for (size_t i = 0; by_data && i < p->ctrl->n_layers; i++) {
        const nncf_layer *layer = p->ctrl->model->layers[i];
        const nncf__layer_compression *c = &p->ctrl->layers[i];
        const nncf_checkpoint_tensor *weight =
            find_data(p->tensors, by_data, p->n_tensors, layer->weight);
        if (c->mask_kind == NNCF__MASK_NONE || !weight)
            continue;
        name.length = 0;
        nncf__text_printf(&name, c->mask_kind == NNCF__MASK_RB ? "%s.pre_ops.mask" : "nncf.%s.mask",
            layer->scope);
        if (name.failed)
            break;
        nncf__text_append(&pairs, ",", pairs.length > 1);
        nncf__text_json_string(&pairs, weight->name);
        nncf__text_append(&pairs, ":", 1);
        nncf__text_json_string(&pairs, name.data);
    }
    nncf__text_append(&pairs, "}", 1);
    const bool failed = !by_data || pairs.failed || name.failed;
    if (!failed && pairs.length > 2)
        put_text(&w->header, "nncf.masks", pairs.data);
    w->header.failed = w->header.failed || failed;
    nncf__free(w->context, by_data);
    nncf__text_free(&pairs);
    nncf__text_free(&name);
}

static void put_metadata(writer *w)
{
    const request *p = w->p;
    nncf__text *h = &w->header;
    nncf__text_append(h, NNCF__CHECKSUM_PREFIX "00000000\"", NNCF__CHECKSUM_AT + NNCF__HEX + 1);
    nncf__text_printf(h, ",\"nncf.format\":\"%d\",\"nncf.library\":\"%s\",\"nncf.crc32c\":\"",
        (int)NNCF__FORMAT_VERSION, nncf_version_string());
    for (size_t i = 0; i < w->n_items; i++)
        nncf__text_printf(
            h, "%08x", (unsigned)nncf__crc32c(0, w->chunks[1 + i].data, w->chunks[1 + i].size));
    nncf__text_append(h, "\"", 1);
    if (p->ctrl) {
        nncf__state_texts(p->ctrl, h);
        put_masks(w);
    }
    for (size_t i = 0; i < p->n_texts; i++)
        put_text(h, p->texts[i].key, p->texts[i].value);
    for (size_t i = 0; p->carry && i < p->carry->n_texts; i++) {
        const nncf__pair *t = &p->carry->texts[i];
        if (strncmp(t->key, "nncf.", 5) != 0 && !has_text(w, t->key))
            put_text(h, t->key, t->value);
    }
    nncf__text_append(h, "}", 1);
}

static bool put_tensors(writer *w)
{
    nncf__text *h = &w->header;
    size_t at = 0;
    for (size_t i = 0; i < w->n_items; i++) {
        const nncf__entry *e = &w->items[w->order[i]];
        size_t end;
        if (!nncf__add(at, w->chunks[1 + i].size, &end) || end > INT64_MAX)
            return false;
        nncf__text_append(h, ",", 1);
        nncf__text_json_string(h, e->name);
        nncf__text_printf(h, ":{\"dtype\":\"%s\",\"shape\":[", e->type);
        for (size_t j = 0; j < e->ndim; j++)
            nncf__text_printf(h, "%s%lld", j ? "," : "", (long long)e->shape[j]);
        nncf__text_printf(h, "],\"data_offsets\":[%zu,%zu]}", at, end);
        at = end;
    }
    nncf__text_append(h, "}", 1);
    return true;
}

/* Pad so that the data is aligned, fill in the length (in front, as 8 bytes) and the header's
 * checksum. */
static nncf_status finish_header(writer *w, nncf_error *err)
{
    nncf__text *h = &w->header;
    while (h->length % NNCF__ALIGNMENT != 0 && !h->failed)
        nncf__text_append(h, " ", 1);
    if (h->failed)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "out of memory");
    const size_t length = h->length - 8;
    if (length > NNCF__HEADER_LIMIT)
        return nncf__fail(err, NNCF_E_LIMIT, NULL,
            "names and texts take %zu bytes, the format allows %d", length,
            (int)NNCF__HEADER_LIMIT);
    for (int i = 0; i < 8; i++)
        h->data[i] = (char)(uint8_t)((uint64_t)length >> (8 * i));
    char hex[NNCF__HEX + 1];
    snprintf(hex, sizeof hex, "%08x", (unsigned)nncf__crc32c(0, h->data, h->length));
    memcpy(h->data + 8 + NNCF__CHECKSUM_AT, hex, NNCF__HEX);
    return NNCF_OK;
}

static nncf_status write_out(const writer *w, nncf_error *err)
{
    const request *p = w->p;
    if (p->path)
        return (p->keep_previous ? nncf__file_replace_keeping : nncf__file_replace)(
            w->context, p->path, w->chunks, 1 + w->n_items, err);
    for (size_t i = 0; i < 1 + w->n_items; i++)
        if (w->chunks[i].size > 0 && p->write(p->user, w->chunks[i].data, w->chunks[i].size) != 0)
            return nncf__fail(err, NNCF_E_CALLBACK, NULL, "the write callback reported a failure");
    return NNCF_OK;
}

static nncf_status compose_and_write(writer *w, const nncf__state *state, nncf_error *err)
{
    const request *p = w->p;
    const size_t most = p->n_tensors + state->n_tensors + (p->carry ? p->carry->n_entries : 0);
    w->items = nncf__calloc(w->context, most + 1, sizeof *w->items);
    w->order = nncf__calloc(w->context, most + 1, sizeof *w->order);
    w->chunks = nncf__calloc(w->context, most + 1, sizeof *w->chunks);
    w->by_key = nncf__calloc(w->context, p->n_texts, sizeof *w->by_key);
    if (!w->items || !w->order || !w->chunks || !w->by_key)
        return nncf__fail(err, NNCF_E_NOMEM, p->path, "out of memory");
    nncf_status status = gather_items(w, state, err);
    if (status != NNCF_OK || (status = check_texts(w, err)) != NNCF_OK)
        return status;
    nncf__sort_indices(w->order, w->n_items, file_before, w->items);
    for (size_t i = 0; i < w->n_items; i++) {
        const nncf__entry *e = &w->items[w->order[i]];
        w->chunks[1 + i] = (nncf__file_chunk){e->data, (size_t)e->end};
    }
    /* length and header in one write, so that an error of the device shows at once */
    nncf__text_append(&w->header, "........", 8);
    put_metadata(w);
    if (!put_tensors(w))
        return nncf__fail(err, NNCF_E_LIMIT, p->path, "the tensors are too large for one file");
    if ((status = finish_header(w, err)) != NNCF_OK)
        return status;
    w->chunks[0] = (nncf__file_chunk){w->header.data, w->header.length};
    return write_out(w, err);
}

static nncf_status check_params(const request *p, nncf_error *err)
{
    if (!p->path == !p->write)
        return nncf__fail(
            err, NNCF_E_ARG, "path", "give either a path or nncf_checkpoint_save_params::write");
    if (p->path && !*p->path)
        return nncf__fail(err, NNCF_E_ARG, "path", "path is empty");
    if (p->keep_previous < 0 || p->keep_previous > 1 || (p->keep_previous && !p->path))
        return nncf__fail(
            err, NNCF_E_ARG, "keep_previous", "keep_previous must be 0, or 1 with a path");
    if ((!p->tensors && p->n_tensors > 0) || (!p->texts && p->n_texts > 0))
        return nncf__fail(err, NNCF_E_ARG, NULL, "%s is NULL",
            !p->tensors && p->n_tensors > 0 ? "tensors" : "texts");
    if (p->ctrl && !p->ctrl->model)
        return nncf__fail(err, NNCF_E_STATE, NULL, "the controller's model is gone");
    if (p->ctrl)
        return nncf__precision_check_idle(p->ctrl, "nncf_checkpoint_save", err);
    return NNCF_OK;
}

static nncf_status save(const nncf_compression_ctrl *ctrl, const char *path,
    const nncf_checkpoint_tensor *tensors, size_t n_tensors,
    const nncf_checkpoint_save_params *params, nncf_error *err)
{
    nncf_checkpoint_save_params given = {NNCF_PARAMS(nncf_checkpoint_save_params)};
    nncf_status status = NNCF_OK;
    if (params)
        status =
            nncf__params_copy(&given, sizeof given, params, "nncf_checkpoint_save_params", err);
    if (status != NNCF_OK)
        return status;
    if (given.reserved != 0)
        return nncf__fail(
            err, NNCF_E_ARG, "reserved", "nncf_checkpoint_save_params: reserved must be 0");
    const request p = {.ctrl = ctrl,
        .path = path,
        .tensors = tensors,
        .n_tensors = n_tensors,
        .texts = given.texts,
        .n_texts = given.n_texts,
        .carry = given.carry,
        .write = given.write,
        .user = given.user,
        .keep_previous = given.keep_previous};
    if ((status = check_params(&p, err)) != NNCF_OK)
        return status;
    nncf__state state = {0};
    nncf_context *own = NULL;
    if (!p.ctrl && (status = nncf__context_small(&own, err)) != NNCF_OK)
        return status;
    writer w = {.context = p.ctrl ? p.ctrl->context : own, .p = &p};
    w.header.context = w.context;
    if (p.ctrl &&
        (status = nncf__state_make(p.ctrl, NNCF__WITH_OPTIMIZER | NNCF__WITH_FILTERS, &state)) !=
            NNCF_OK)
        nncf__fail(err, status, p.path, "out of memory");
    if (status == NNCF_OK)
        status = compose_and_write(&w, &state, err);
    nncf__free(w.context, w.items);
    nncf__free(w.context, w.order);
    nncf__free(w.context, w.chunks);
    nncf__free(w.context, w.by_key);
    nncf__text_free(&w.header);
    nncf__state_free(&state);
    nncf_context_destroy(own);
    return status;
}

nncf_status nncf_checkpoint_save(const nncf_compression_ctrl *ctrl, const char *path,
    const nncf_checkpoint_tensor *tensors, size_t n_tensors,
    const nncf_checkpoint_save_params *params, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = save(ctrl, path, tensors, n_tensors, params, &reason);
    return nncf__report(
        ctrl ? ctrl->context : NULL, "nncf_checkpoint_save", NULL, status, &reason, err);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_checkpoint_save_params, )
