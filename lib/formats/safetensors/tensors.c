/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensors by name: views of those that an open file holds, and copies into a caller's tensors after
 * all of them were checked.
 */
#include "formats/safetensors/tensors.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "formats/safetensors/header.h"
#include "formats/safetensors/safetensors.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/context.h>
#include <nncf/tensor.h>

#include <string.h>

size_t nncf_checkpoint_get_tensor_count(const nncf_checkpoint *checkpoint)
{
    return checkpoint ? checkpoint->n_entries : 0;
}

const char *nncf_checkpoint_get_tensor_name(const nncf_checkpoint *checkpoint, size_t index)
{
    return checkpoint && index < checkpoint->n_entries ? checkpoint->entries[index].name : NULL;
}

const nncf__entry *nncf__entry_find(
    const nncf__entry *entries, const size_t *by_name, size_t count, const char *name)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const nncf__entry *e = &entries[by_name[middle]];
        int order = strcmp(name, e->name);
        if (order == 0)
            return e;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const nncf__entry *nncf__checkpoint_find(const nncf_checkpoint *checkpoint, const char *name)
{
    return nncf__entry_find(checkpoint->entries, checkpoint->by_name, checkpoint->n_entries, name);
}

nncf_status nncf_checkpoint_get_tensor(
    const nncf_checkpoint *checkpoint, const char *name, nncf_tensor *tensor, nncf_error *err)
{
    if (!checkpoint || !name || !tensor)
        return nncf__fail(err, NNCF_E_ARG, NULL, "%s is NULL",
            !checkpoint ? "checkpoint"
                : !name ? "name"
                        : "tensor");
    const nncf__entry *e = nncf__checkpoint_find(checkpoint, name);
    if (!e)
        return nncf__fail(
            err, NNCF_E_NOTFOUND, name, "%s has no tensor %.200s", checkpoint->path, name);
    if (e->dtype < 0)
        return nncf__fail(err, NNCF_E_DTYPE, name,
            "%s: the tensor %.200s is of an element type that nncf_tensor does not have",
            checkpoint->path, name);
    if (e->ndim > NNCF_MAX_NDIM)
        return nncf__fail(err, NNCF_E_LIMIT, name,
            "%s: the tensor %.200s has %u dimensions; nncf_tensor has %d", checkpoint->path, name,
            (unsigned)e->ndim, NNCF_MAX_NDIM);
    *tensor = (nncf_tensor){.data = (void *)(uintptr_t)e->data,
        .dtype = e->dtype,
        .ndim = (int32_t)e->ndim,
        .shape = e->shape};
    return NNCF_OK;
}

const char *nncf_checkpoint_get_text(const nncf_checkpoint *checkpoint, const char *key)
{
    size_t low = 0, high = checkpoint && key ? checkpoint->n_texts : 0;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const nncf__pair *text = &checkpoint->texts[checkpoint->by_key[middle]];
        const int order = strcmp(key, text->key);
        if (order == 0)
            return text->value;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

nncf_status nncf__tensor_fail(nncf_error *err, nncf_status status, const nncf_checkpoint_tensor *t,
    size_t index, const char *what)
{
    return nncf__fail(
        err, status, t->name, "tensors[%zu] (\"%.64s\"): %s", index, t->name ? t->name : "", what);
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

bool nncf__tensor_bytes(const nncf_tensor *t, size_t *bytes)
{
    size_t n = nncf__dtype_size(t->dtype);
    for (int32_t i = 0; i < t->ndim; i++)
        if (t->shape[i] < 0 || !nncf__mul(n, (size_t)t->shape[i], &n))
            return false;
    *bytes = n;
    return n <= PTRDIFF_MAX;
}

nncf_status nncf__tensor_check(const nncf_checkpoint_tensor *tensor, size_t index, nncf_error *err)
{
    const nncf_tensor *t = &tensor->tensor;
    size_t bytes, length = tensor->name ? strlen(tensor->name) : 0;
    if (length < 1 || length > NNCF__NAME_LIMIT)
        return nncf__tensor_fail(
            err, NNCF_E_ARG, tensor, index, "the name must have 1 to 1024 bytes");
    if (t->device != 0 || t->reserved[0] != 0 || t->reserved[1] != 0)
        return nncf__tensor_fail(err, NNCF_E_ARG, tensor, index, "device and reserved must be 0");
    if (!nncf__dtype_name(t->dtype))
        return nncf__tensor_fail(err, NNCF_E_DTYPE, tensor, index, "dtype is none of NNCF_F32 ...");
    if (t->ndim < 0 || t->ndim > NNCF_MAX_NDIM || (t->ndim > 0 && !t->shape) ||
        !nncf__tensor_bytes(t, &bytes))
        return nncf__tensor_fail(err, NNCF_E_SHAPE, tensor, index,
            "the shape is not 0 to 8 sizes >= 0 that memory can hold");
    if (!c_order(t))
        return nncf__tensor_fail(
            err, NNCF_E_ARG, tensor, index, "must be in C order (strides NULL)");
    if (!t->data && bytes > 0)
        return nncf__tensor_fail(err, NNCF_E_ARG, tensor, index, "data is NULL");
    return NNCF_OK;
}

static void print_shape(nncf__text *text, const int64_t *shape, size_t ndim)
{
    nncf__text_append(text, "(", 1);
    for (size_t i = 0; i < ndim; i++)
        nncf__text_printf(text, "%s%lld", i ? "," : "", (long long)shape[i]);
    nncf__text_append(text, ")", 1);
}

/* NNCF_OK, or what is wrong, with a clause about it appended to the text. */
static nncf_status verify(
    const nncf_checkpoint *c, const nncf_checkpoint_tensor *want, nncf__text *text)
{
    const nncf_tensor *t = &want->tensor;
    const nncf__entry *e = nncf__checkpoint_find(c, want->name);
    if (!e) {
        nncf__text_printf(text, "; \"%s\" is not in it", want->name);
        return NNCF_E_NOTFOUND;
    }
    if (e->dtype != t->dtype) {
        const char *name = nncf__dtype_name(e->dtype);
        nncf__text_printf(text, "; \"%s\" is of type %s, not %s", want->name, name ? name : "other",
            nncf__dtype_name(t->dtype));
        return NNCF_E_DTYPE;
    }
    if (e->ndim != (size_t)t->ndim ||
        (e->ndim && memcmp(e->shape, t->shape, e->ndim * sizeof *e->shape) != 0)) {
        nncf__text_printf(text, "; \"%s\" has shape ", want->name);
        print_shape(text, e->shape, e->ndim);
        nncf__text_append(text, ", not ", 6);
        print_shape(text, t->shape, (size_t)t->ndim);
        return NNCF_E_SHAPE;
    }
    return NNCF_OK;
}

nncf_status nncf__checkpoint_verify(const nncf_checkpoint *checkpoint,
    const nncf_checkpoint_tensor *tensors, size_t n_tensors, nncf_error *err)
{
    enum { ENOUGH = 1024 }; /* more than a message holds */
    nncf__text text = {.context = checkpoint->context};
    nncf_status first = NNCF_OK;
    size_t wrong = 0, at = 0;
    for (size_t i = 0; i < n_tensors; i++) {
        nncf__text clause = {.context = checkpoint->context};
        nncf_status status = verify(checkpoint, &tensors[i], &clause);
        if (status != NNCF_OK) {
            nncf__log(checkpoint->context, NNCF_LOG_ERROR, "%s: %s", checkpoint->path,
                clause.data ? clause.data + 2 : tensors[i].name);
            if (clause.data && text.length < ENOUGH)
                nncf__text_append(&text, clause.data, clause.length);
            if (wrong++ == 0) {
                first = status;
                at = i;
            }
        }
        nncf__text_free(&clause);
    }
    if (wrong > 0)
        nncf__fail(err, first, tensors[at].name,
            "%s does not hold what is asked for (%zu of %zu tensors)%s", checkpoint->path, wrong,
            n_tensors, text.failed || !text.data ? "" : text.data);
    nncf__text_free(&text);
    return first;
}

void nncf__checkpoint_copy(
    const nncf_checkpoint *checkpoint, const nncf_checkpoint_tensor *tensors, size_t n_tensors)
{
    for (size_t i = 0; i < n_tensors; i++) {
        const nncf__entry *e = nncf__checkpoint_find(checkpoint, tensors[i].name);
        if (e->end > e->begin)
            memcpy(tensors[i].tensor.data, e->data, (size_t)(e->end - e->begin));
    }
}

static nncf_status read_tensors(const nncf_checkpoint *checkpoint,
    const nncf_checkpoint_tensor *tensors, size_t n_tensors, nncf_error *err)
{
    if (!checkpoint || (!tensors && n_tensors > 0))
        return nncf__fail(
            err, NNCF_E_ARG, NULL, "%s is NULL", !checkpoint ? "checkpoint" : "tensors");
    for (size_t i = 0; i < n_tensors; i++) {
        nncf_status status = nncf__tensor_check(&tensors[i], i, err);
        if (status != NNCF_OK)
            return status;
    }
    nncf_status status = nncf__checkpoint_verify(checkpoint, tensors, n_tensors, err);
    if (status == NNCF_OK)
        nncf__checkpoint_copy(checkpoint, tensors, n_tensors);
    return status;
}

nncf_status nncf_checkpoint_read(const nncf_checkpoint *checkpoint,
    const nncf_checkpoint_tensor *tensors, size_t n_tensors, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = read_tensors(checkpoint, tensors, n_tensors, &reason);
    return nncf__report(checkpoint ? checkpoint->context : NULL, "nncf_checkpoint_read", NULL,
        status, &reason, err);
}
