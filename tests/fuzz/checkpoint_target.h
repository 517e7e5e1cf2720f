/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening bytes as a snapshot and looking at all of it, with an allocator that counts. Shared by
 * the fuzz target and by tests/fault/test_corruption.c.
 */
#ifndef CHECKPOINT_TARGET_H
#define CHECKPOINT_TARGET_H

#include <nncf/nncf.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What is allocated through a context. */
typedef struct target_memory {
    size_t live, peak;
} target_memory;

static inline void *target_alloc(void *user, size_t size, size_t align)
{
    target_memory *m = user;
    void *p = NULL;
    if (posix_memalign(&p, align, size) != 0)
        return NULL;
    m->live += size;
    m->peak = m->live > m->peak ? m->live : m->peak;
    return p;
}

static inline void target_free(void *user, void *ptr, size_t size)
{
    ((target_memory *)user)->live -= size;
    free(ptr);
}

static inline nncf_context *target_context(target_memory *memory)
{
    nncf_context_params p = {NNCF_PARAMS(nncf_context_params), .n_threads = 1,
        .alloc = target_alloc, .free = target_free, .alloc_user = memory};
    nncf_context *context = NULL;
    return nncf_context_create(NNCF_API_VERSION, &p, &context, NULL) == NNCF_OK ? context : NULL;
}

/* Bytes in memory as a stream. The copy is of exactly their size, so that a sanitizer sees what
 * reads beyond. */
typedef struct target_bytes {
    const uint8_t *data;
    size_t size, at;
} target_bytes;

static inline int32_t target_read(void *user, void *data, size_t size, size_t *n_read)
{
    target_bytes *b = user;
    size_t n = size < b->size - b->at ? size : b->size - b->at;
    if (n > 0)
        memcpy(data, b->data + b->at, n);
    b->at += n;
    *n_read = n;
    return 0;
}

static inline nncf_status target_open(
    nncf_context *context, const uint8_t *data, size_t size, nncf_checkpoint **c, nncf_error *err)
{
    target_bytes bytes = {data, size, 0};
    const nncf_checkpoint_open_params p = {NNCF_PARAMS(nncf_checkpoint_open_params),
        .read = target_read, .user = &bytes, .size = size};
    return nncf_checkpoint_open(context, NULL, &p, c, err);
}

/* A sum over every byte that the snapshot's views show, so that each is read. */
static inline unsigned target_touch(const nncf_checkpoint *c)
{
    static const size_t sizes[] = {4, 1, 1, 4, 8, 8}; /* of NNCF_F32 ... NNCF_F64 */
    unsigned sum = 0;
    for (size_t i = 0; i < nncf_checkpoint_get_tensor_count(c); i++) {
        nncf_tensor t;
        const char *name = nncf_checkpoint_get_tensor_name(c, i);
        sum += (unsigned)strlen(name);
        if (nncf_checkpoint_get_tensor(c, name, &t, NULL) != NNCF_OK)
            continue;
        size_t bytes = sizes[t.dtype];
        for (int32_t j = 0; j < t.ndim; j++)
            bytes *= (size_t)t.shape[j];
        for (size_t j = 0; j < bytes; j++)
            sum += ((const uint8_t *)t.data)[j];
    }
    return sum;
}

/* Load all that the snapshot lists, each tensor as floats of its own shape, weights as `shape`:
 * names that are found, masks that are applied and codes of stripped models that are unpacked,
 * whatever the file says of them. */
static inline void target_load(const nncf_checkpoint *c, const int64_t shape[2])
{
    enum { MOST = 64, FLOATS = 4096 };
    static float data[MOST][FLOATS];
    nncf_checkpoint_tensor t[MOST];
    size_t n = 0;
    for (size_t i = 0; i < nncf_checkpoint_get_tensor_count(c) && n < MOST; i++) {
        nncf_tensor view = {0};
        const char *name = nncf_checkpoint_get_tensor_name(c, i);
        const size_t length = strlen(name);
        int64_t count = 1;
        if (length < 1 || length > 1024)
            continue;
        (void)nncf_checkpoint_get_tensor(c, name, &view, NULL);
        for (int32_t j = 0; j < view.ndim; j++)
            count = count <= FLOATS && view.shape[j] <= FLOATS ? count * view.shape[j] : FLOATS + 1;
        const bool weight = length > 7 && strcmp(name + length - 7, ".weight") == 0;
        if (weight || count > FLOATS) {
            view.ndim = 2;
            view.shape = shape;
        }
        t[n] = (nncf_checkpoint_tensor){
            name, {.data = data[n], .dtype = NNCF_F32, .ndim = view.ndim, .shape = view.shape}};
        n++;
    }
    (void)nncf_checkpoint_load_weights(c, t, n, NULL, NULL, NULL, NULL);
}

/*
 * The most that opening `size` bytes, with a header of `header`, may have out at a time: the data
 * once, with up to 7 bytes a tensor; the header; and what it is turned into. A tensor's entry takes
 * 80 bytes, twice while they are sorted, and a size in a shape 8, a text 24; the shortest text of a
 * tensor has 50 bytes, of a size 2, of a text of
 * __metadata__ 6. Callers are promised 12 times the header.
 */
static inline size_t target_bound(size_t size, size_t header)
{
    return size + 6 * (header < size ? header : size) + 1024;
}

#endif
