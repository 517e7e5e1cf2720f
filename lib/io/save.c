/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a snapshot: check everything, compose the header, then replace the file. */
#include "io/io.h"

#include <stdio.h>
#include <string.h>

static nncf_status bad_tensor(nncf_error *err, nncf_status status, const nncf_checkpoint_tensor *t, size_t index,
                              const char *what)
{
    return nncf__fail(err, status, t->name, "tensors[%zu] (\"%.64s\"): %s", index, t->name ? t->name : "", what);
}

static bool c_order(const nncf_tensor *t)
{
    int64_t expected = 1;
    for (int32_t i = t->ndim - 1; t->strides && i >= 0; i--) {
        if (t->shape[i] > 1 && t->strides[i] != expected)
            return false;
        expected *= t->shape[i];
    }
    return true;
}

/* Bytes of a tensor; false when they cannot be counted. */
static bool tensor_bytes(const nncf_tensor *t, size_t *bytes)
{
    size_t n = nncf__dtype_size(t->dtype);
    for (int32_t i = 0; i < t->ndim; i++)
        if (t->shape[i] < 0 || !nncf__mul(n, (size_t)t->shape[i], &n))
            return false;
    *bytes = n;
    return n <= PTRDIFF_MAX;
}

nncf_status nncf__io_check_tensor(const nncf_checkpoint_tensor *tensor, size_t index, nncf_error *err)
{
    const nncf_tensor *t = &tensor->tensor;
    size_t bytes, length = tensor->name ? strlen(tensor->name) : 0;
    if (length < 1 || length > NNCF__NAME_LIMIT)
        return bad_tensor(err, NNCF_E_ARG, tensor, index, "the name must have 1 to 1024 bytes");
    if (t->flags != 0 || t->reserved[0] != 0 || t->reserved[1] != 0)
        return bad_tensor(err, NNCF_E_ARG, tensor, index, "flags and reserved must be 0");
    if (!nncf__dtype_name(t->dtype))
        return bad_tensor(err, NNCF_E_DTYPE, tensor, index, "dtype is none of NNCF_F32 ...");
    if (t->ndim < 0 || t->ndim > NNCF_MAX_NDIM || (t->ndim > 0 && !t->shape) || !tensor_bytes(t, &bytes))
        return bad_tensor(err, NNCF_E_SHAPE, tensor, index, "the shape is not 0 to 8 sizes >= 0 that memory can hold");
    if (!c_order(t))
        return bad_tensor(err, NNCF_E_ARG, tensor, index, "must be in C order (strides NULL)");
    if (!t->data && bytes > 0)
        return bad_tensor(err, NNCF_E_ARG, tensor, index, "data is NULL");
    return NNCF_OK;
}

/* One job: the tensors of both sources in the order of the file. */
typedef struct writer {
    nncf_context *context;
    const nncf_checkpoint_tensor *given, *state;
    size_t n_given, n_state;
    size_t *order;
    nncf__file_piece *pieces; /* header, then one a tensor */
    nncf__text header;
} writer;

static const nncf_checkpoint_tensor *item(const writer *w, size_t index)
{
    return index < w->n_given ? &w->given[index] : &w->state[index - w->n_given];
}

/* Larger elements first, as the format's own writer does: then every tensor is aligned and there are no holes. */
static bool file_before(const void *arg, size_t a, size_t b)
{
    size_t p = nncf__dtype_size(item(arg, a)->tensor.dtype), q = nncf__dtype_size(item(arg, b)->tensor.dtype);
    return p != q ? p > q : a < b;
}

static bool name_before(const void *arg, size_t a, size_t b)
{
    return strcmp(item(arg, a)->name, item(arg, b)->name) < 0;
}

static nncf_status check_tensors(const writer *w, nncf_error *err)
{
    for (size_t i = 0; i < w->n_given; i++) {
        const nncf_checkpoint_tensor *t = &w->given[i];
        nncf_status status = nncf__io_check_tensor(t, i, err);
        if (status != NNCF_OK)
            return status;
        if (strncmp(t->name, "nncf.", 5) == 0 || strncmp(t->name, "__", 2) == 0)
            return bad_tensor(err, NNCF_E_ARG, t, i, "names beginning with \"nncf.\" or \"__\" are the library's");
        if (!nncf__utf8_valid(t->name))
            return bad_tensor(err, NNCF_E_ARG, t, i, "the name is not UTF-8");
    }
    nncf__sort_indices(w->order, w->n_given + w->n_state, name_before, w);
    for (size_t i = 1; i < w->n_given + w->n_state; i++) {
        const char *name = item(w, w->order[i])->name;
        if (strcmp(name, item(w, w->order[i - 1])->name) == 0)
            return nncf__fail(err, NNCF_E_ARG, name, "two tensors have the name \"%.64s\"", name);
    }
    return NNCF_OK;
}

static nncf_status check_texts(const nncf_checkpoint_text *texts, size_t n_texts, nncf_error *err)
{
    for (size_t i = 0; i < n_texts; i++) {
        const char *key = texts[i].key, *value = texts[i].value;
        if (!key || !value)
            return nncf__fail(err, NNCF_E_ARG, key, "texts[%zu]: %s is NULL", i, key ? "value" : "key");
        if (strncmp(key, "nncf.", 5) == 0)
            return nncf__fail(err, NNCF_E_ARG, key, "texts[%zu]: keys beginning with \"nncf.\" are the library's", i);
        if (!nncf__utf8_valid(key) || !nncf__utf8_valid(value))
            return nncf__fail(err, NNCF_E_ARG, key, "texts[%zu]: not UTF-8", i);
        for (size_t j = 0; j < i; j++)
            if (strcmp(key, texts[j].key) == 0)
                return nncf__fail(err, NNCF_E_ARG, key, "texts[%zu]: the key \"%.64s\" is there twice", i, key);
    }
    return NNCF_OK;
}

static void put_metadata(writer *w, const nncf_compression_ctrl *ctrl, const nncf_checkpoint_text *texts,
                         size_t n_texts)
{
    nncf__text *h = &w->header;
    nncf__text_append(h, NNCF__CHECKSUM_PREFIX "00000000\"", NNCF__CHECKSUM_AT + NNCF__HEX + 1);
    nncf__text_printf(h, ",\"nncf.format\":\"%d\",\"nncf.library\":\"%s\",\"nncf.crc32c\":\"",
                      (int)NNCF__FORMAT_VERSION, nncf_version_string());
    for (size_t i = 0; i < w->n_given + w->n_state; i++)
        nncf__text_printf(h, "%08x", (unsigned)nncf__crc32c(0, w->pieces[1 + i].data, w->pieces[1 + i].size));
    nncf__text_append(h, "\"", 1);
    if (ctrl)
        nncf__state_texts(ctrl, h);
    for (size_t i = 0; i < n_texts; i++) {
        nncf__text_append(h, ",", 1);
        nncf__json_quote(h, texts[i].key);
        nncf__text_append(h, ":", 1);
        nncf__json_quote(h, texts[i].value);
    }
    nncf__text_append(h, "}", 1);
}

static bool put_tensors(writer *w)
{
    nncf__text *h = &w->header;
    size_t at = 0;
    for (size_t i = 0; i < w->n_given + w->n_state; i++) {
        const nncf_checkpoint_tensor *t = item(w, w->order[i]);
        size_t end;
        if (!nncf__add(at, w->pieces[1 + i].size, &end) || end > INT64_MAX)
            return false;
        nncf__text_append(h, ",", 1);
        nncf__json_quote(h, t->name);
        nncf__text_printf(h, ":{\"dtype\":\"%s\",\"shape\":[", nncf__dtype_name(t->tensor.dtype));
        for (int32_t j = 0; j < t->tensor.ndim; j++)
            nncf__text_printf(h, "%s%lld", j ? "," : "", (long long)t->tensor.shape[j]);
        nncf__text_printf(h, "],\"data_offsets\":[%zu,%zu]}", at, end);
        at = end;
    }
    nncf__text_append(h, "}", 1);
    return true;
}

/* Pad so that the data is aligned, fill in the length and the header's checksum. */
static nncf_status finish_header(writer *w, uint8_t prefix[8], nncf_error *err)
{
    nncf__text *h = &w->header;
    while (h->length % NNCF__ALIGNMENT != 0 && !h->failed)
        nncf__text_append(h, " ", 1);
    if (h->failed)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "out of memory");
    if (h->length > NNCF__HEADER_LIMIT)
        return nncf__fail(err, NNCF_E_LIMIT, NULL, "names and texts take %zu bytes, the format allows %d", h->length,
                          (int)NNCF__HEADER_LIMIT);
    for (int i = 0; i < 8; i++)
        prefix[i] = (uint8_t)((uint64_t)h->length >> (8 * i));
    char hex[NNCF__HEX + 1];
    uint32_t crc = nncf__crc32c(nncf__crc32c(0, prefix, 8), h->data, h->length);
    snprintf(hex, sizeof hex, "%08x", (unsigned)crc);
    memcpy(h->data + NNCF__CHECKSUM_AT, hex, NNCF__HEX);
    return NNCF_OK;
}

static nncf_status compose_and_write(writer *w, const nncf_compression_ctrl *ctrl, const char *path,
                                     const nncf_checkpoint_text *texts, size_t n_texts, nncf_error *err)
{
    const size_t count = w->n_given + w->n_state;
    uint8_t prefix[8];
    w->order = nncf__calloc(w->context, count ? count : 1, sizeof *w->order);
    w->pieces = nncf__calloc(w->context, count + 2, sizeof *w->pieces);
    if (!w->order || !w->pieces)
        return nncf__fail(err, NNCF_E_NOMEM, path, "out of memory");
    nncf_status status = check_tensors(w, err);
    if (status != NNCF_OK || (status = check_texts(texts, n_texts, err)) != NNCF_OK)
        return status;
    nncf__sort_indices(w->order, count, file_before, w);
    for (size_t i = 0; i < count; i++) {
        const nncf_tensor *t = &item(w, w->order[i])->tensor;
        w->pieces[1 + i].data = t->data;
        (void)tensor_bytes(t, &w->pieces[1 + i].size); /* checked before */
    }
    put_metadata(w, ctrl, texts, n_texts);
    if (!put_tensors(w))
        return nncf__fail(err, NNCF_E_LIMIT, path, "the tensors are too large for one file");
    if ((status = finish_header(w, prefix, err)) != NNCF_OK)
        return status;
    /* length and header as one piece, so that the first write shows whether the device takes anything */
    nncf__text whole = {.context = w->context};
    nncf__text_append(&whole, (const char *)prefix, sizeof prefix);
    nncf__text_append(&whole, w->header.data, w->header.length);
    if (whole.failed) {
        nncf__text_free(&whole);
        return nncf__fail(err, NNCF_E_NOMEM, path, "out of memory");
    }
    w->pieces[0] = (nncf__file_piece){whole.data, whole.length};
    status = nncf__file_replace(w->context, path, w->pieces, 1 + count, err);
    nncf__text_free(&whole);
    return status;
}

nncf_status nncf_checkpoint_save(const nncf_compression_ctrl *ctrl, const char *path,
                                 const nncf_checkpoint_tensor *tensors, size_t n_tensors,
                                 const nncf_checkpoint_text *texts, size_t n_texts, nncf_error *err)
{
    if (!path || !*path)
        return nncf__fail(err, NNCF_E_ARG, "path", "path is NULL or empty");
    if ((!tensors && n_tensors > 0) || (!texts && n_texts > 0))
        return nncf__fail(err, NNCF_E_ARG, NULL, "%s is NULL", !tensors && n_tensors > 0 ? "tensors" : "texts");
    if (ctrl && !ctrl->model)
        return nncf__fail(err, NNCF_E_STATE, NULL, "the controller's model is gone");
    nncf__state state = {0};
    nncf_context *own = NULL;
    nncf_status status = NNCF_OK;
    if (!ctrl && (status = nncf__io_context(&own, err)) != NNCF_OK)
        return status;
    writer w = {.context = ctrl ? ctrl->context : own, .given = tensors, .n_given = n_tensors};
    w.header.context = w.context;
    if (ctrl && (status = nncf__state_make(ctrl, &state)) != NNCF_OK)
        nncf__fail(err, status, path, "out of memory");
    w.state = state.tensors;
    w.n_state = state.n_tensors;
    if (status == NNCF_OK)
        status = compose_and_write(&w, ctrl, path, texts, n_texts, err);
    nncf__free(w.context, w.order);
    nncf__free(w.context, w.pieces);
    nncf__text_free(&w.header);
    nncf__state_free(&state);
    nncf_context_destroy(own);
    return status;
}
