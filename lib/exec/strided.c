/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies between an order of the host's and C order. Of (n, c, h, w) a chunk is a row of one image
 * in all channels, so that a row of channels-last pixels is read once, and stays in the cache.
 */
#include "exec/strided.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/pool.h"
#include "graph/block.h"
#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stdint.h>
#include <string.h>

static size_t size_of(const nncf_tensor *t)
{
    return t->dtype == NNCF_U8 || t->dtype == NNCF_S8 ? 1 : sizeof(float);
}

static size_t count_of(const nncf_tensor *t)
{
    size_t count = 1;
    for (int32_t d = 0; d < t->ndim; d++)
        count *= (size_t)t->shape[d];
    return count;
}

/* Another order of all sizes without gaps? The sizes from the one with stride 1 outwards must
 * multiply to the strides. */
static bool is_reordered(const nncf_tensor *t)
{
    int64_t expected = 1, c_order = 1;
    bool same = true;
    if (!t->strides || !t->shape || !t->data || t->ndim < 1 || t->ndim > NNCF_MAX_NDIM ||
        t->dtype < NNCF_F32 || t->dtype > NNCF_I32 || t->device != 0 || t->reserved[0] != 0 ||
        t->reserved[1] != 0 || (uintptr_t)t->data % size_of(t) != 0)
        return false;
    for (int32_t d = t->ndim - 1; d >= 0; d--) {
        if (t->shape[d] < 1 || t->shape[d] > INT32_MAX || c_order > INT32_MAX)
            return false; /* 2^62 elements at most; the call refuses it */
        same = same && (t->shape[d] == 1 || t->strides[d] == c_order);
        c_order *= t->shape[d];
    }
    for (uint32_t seen = 0; !same && expected < c_order;) {
        int32_t found = -1;
        for (int32_t d = 0; d < t->ndim; d++)
            if (!(seen >> d & 1) && t->shape[d] > 1 && t->strides[d] == expected)
                found = d;
        if (found < 0)
            return false;
        seen |= 1u << found;
        expected *= t->shape[found];
    }
    return !same;
}

bool nncf__is_strided(const nncf_tensor *tensors, size_t n)
{
    for (size_t i = 0; tensors && i < n && i < NNCF__MAX_INPUTS; i++)
        if (is_reordered(&tensors[i]))
            return true;
    return false;
}

/* ---- copies ---- */

typedef struct copy_job {
    const nncf_tensor *host;
    char *ordered;
    bool to_host;
    /* of the loops inside of a chunk: channels and columns */
    int32_t channel, column;
    size_t ordered_channel;
} copy_job;

/* Element (chunk's place, channel c) and those after it in its row. */
static void copy_row(const copy_job *job, char *host, char *ordered)
{
    const nncf_tensor *t = job->host;
    const size_t n = (size_t)t->shape[job->column];
    const int64_t stride = t->strides[job->column];
    if (size_of(t) == 1) {
        for (size_t i = 0; i < n; i++, host += stride)
            *(job->to_host ? host : ordered + i) = *(job->to_host ? ordered + i : host);
        return;
    }
    uint32_t *a = (uint32_t *)(void *)host, *b = (uint32_t *)(void *)ordered;
    for (size_t i = 0; i < n && job->to_host; i++)
        a[(int64_t)i * stride] = b[i];
    for (size_t i = 0; i < n && !job->to_host; i++)
        b[i] = a[(int64_t)i * stride];
}

static void copy_chunk(void *arg, size_t chunk, size_t worker)
{
    const copy_job *job = arg;
    const nncf_tensor *t = job->host;
    const size_t size = size_of(t);
    size_t host = 0, ordered = 0, each = 1, left = chunk;
    (void)worker;
    for (int32_t d = t->ndim - 1; d >= 0; d--) {
        const size_t n = (size_t)t->shape[d];
        if (d != job->channel && d != job->column) {
            host += left % n * (size_t)t->strides[d];
            ordered += left % n * each;
            left /= n;
        }
        each *= n;
    }
    const bool channels = job->channel >= 0;
    for (int64_t c = 0; c < (channels ? t->shape[job->channel] : 1); c++)
        copy_row(job,
            (char *)t->data +
                (host + (channels ? (size_t)(c * t->strides[job->channel]) : 0)) * size,
            job->ordered + (ordered + (size_t)c * job->ordered_channel) * size);
}

static void copy(nncf_context *context, const nncf_tensor *host, void *ordered, bool to_host)
{
    copy_job job = {.host = host,
        .ordered = ordered,
        .to_host = to_host,
        .channel = host->ndim >= 3 ? 1 : -1,
        .column = host->ndim - 1,
        .ordered_channel = 1};
    size_t chunks = 1;
    for (int32_t d = 0; d < host->ndim; d++) {
        if (d > job.channel)
            job.ordered_channel *= (size_t)host->shape[d];
        if (d != job.channel && d != job.column)
            chunks *= (size_t)host->shape[d];
    }
    nncf__parallel(context, chunks, copy_chunk, &job);
}

/* ---- a call ---- */

void nncf__strided_add(nncf__strided *s, const nncf_tensor *tensors, size_t n, uint32_t use)
{
    for (size_t i = 0; tensors && i < n; i++) {
        s->given[s->n] = (nncf_tensor *)(uintptr_t)&tensors[i];
        s->used[s->n] = tensors[i];
        s->copied[s->n] = is_reordered(&tensors[i]);
        s->use[s->n++] = use;
    }
}

static bool is_same(const nncf_tensor *a, const nncf_tensor *b)
{
    const size_t bytes = (size_t)a->ndim * sizeof(int64_t);
    return a->data == b->data && a->dtype == b->dtype && a->ndim == b->ndim &&
        memcmp(a->shape, b->shape, bytes) == 0 && memcmp(a->strides, b->strides, bytes) == 0;
}

/* The first of the tensors that is the same array as tensor i. */
static size_t first_of(const nncf__strided *s, size_t i)
{
    size_t j = 0;
    while (!s->copied[j] || !is_same(s->given[j], s->given[i]))
        j++;
    return j;
}

/* Its bytes in memory; 0: it is wrong, which the call finds. */
static size_t bytes_of(const nncf_tensor *t)
{
    size_t bytes = size_of(t);
    if (!t->shape || !t->data || t->ndim < 1 || t->ndim > NNCF_MAX_NDIM)
        return 0;
    for (int32_t d = 0; d < t->ndim; d++)
        if (t->shape[d] < 1 || !nncf__mul(bytes, (size_t)t->shape[d], &bytes))
            return 0;
    return bytes;
}

/* The call cannot see the overlaps of what it gets copies of. */
static nncf_status check_apart(const nncf__strided *s, size_t i, size_t j, nncf_error *err)
{
    const uintptr_t a = (uintptr_t)s->given[i]->data, b = (uintptr_t)s->given[j]->data;
    const bool both = s->copied[i] && s->copied[j];
    if (!((s->use[i] | s->use[j]) & NNCF__WRITES) || !(s->copied[i] || s->copied[j]) ||
        (both && is_same(s->given[i], s->given[j])) || a >= b + bytes_of(s->given[j]) ||
        b >= a + bytes_of(s->given[i]))
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_ARG, NULL,
        "two of the tensors overlap in memory and are not one array with the same strides: give "
        "what is written memory of its own");
}

nncf_status nncf__strided_begin(nncf__strided *s, nncf_error *err)
{
    enum { LINE = 64 };
    nncf__buffer *b = &s->model->ordered;
    size_t bytes = 0, at[NNCF__MAX_STRIDED] = {0};
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < i; j++) {
            const nncf_status status = check_apart(s, i, j, err);
            if (status != NNCF_OK)
                return status;
        }
    for (size_t i = 0; i < s->n; i++) {
        if (!s->copied[i] || first_of(s, i) != i)
            continue;
        at[i] = bytes;
        const size_t own = count_of(&s->used[i]) * size_of(&s->used[i]);
        if (own > PTRDIFF_MAX / NNCF__MAX_STRIDED)
            return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a tensor in C order");
        bytes += (own + LINE - 1) / LINE * LINE;
    }
    if (b->capacity < bytes &&
        nncf__grow(s->model->context, &b->data, &b->capacity, bytes) != NNCF_OK)
        return nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a tensor in C order");
    for (size_t i = 0; i < s->n; i++) {
        if (!s->copied[i])
            continue;
        const size_t first = first_of(s, i);
        s->used[i].data = (char *)b->data + at[first];
        s->used[i].strides = NULL;
        if (first == i && (s->use[i] & NNCF__READS))
            copy(s->model->context, s->given[i], s->used[i].data, false);
    }
    return NNCF_OK;
}

void nncf__strided_end(nncf__strided *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (!(s->use[i] & NNCF__WRITES))
            continue;
        nncf_tensor *t = s->given[i];
        t->scale = s->used[i].scale;
        t->zero_point = s->used[i].zero_point;
        t->scales = s->used[i].scales;
        t->zero_points = s->used[i].zero_points;
        t->axis = s->used[i].axis;
        if (s->copied[i])
            copy(s->model->context, t, s->used[i].data, true);
    }
}
