/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation through the context's hooks, and arithmetic that cannot wrap. */
#include "base/alloc.h"

#include "base/checked.h"
#include "base/context.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Blocks from LARGE bytes on are requested in huge pages: a panel that is gathered over hundreds
 * of channels meets as many pages, and a network's step over small ones spends a tenth of its time
 * looking them up. */
enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20, LARGE = 2 * HUGE_PAGE };

/* Before every block: the free hook needs its size, which our callers do not
 * keep. */
typedef struct header {
    /* of the whole allocation, this header included */
    size_t size;
    size_t magic;
} header;

static_assert(sizeof(header) <= ALIGNMENT, "the header must fit in front of an aligned block");

#define HEADER_MAGIC ((size_t)0x6e6e6366u)

bool nncf__mul(size_t a, size_t b, size_t *out)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

bool nncf__add(size_t a, size_t b, size_t *out)
{
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

static void *raw_alloc(const nncf_context *context, size_t size)
{
    if (!context->params.alloc) {
        /* C11 wants a multiple of the alignment. What rounding adds to a large block is never
         * touched. */
        size_t rounded, alignment = size >= LARGE ? HUGE_PAGE : ALIGNMENT;
        if (!nncf__add(size, alignment - 1, &rounded))
            return NULL;
        rounded &= ~(alignment - 1);
        void *block = aligned_alloc(alignment, rounded);
#ifdef MADV_HUGEPAGE
        if (block && size >= LARGE)
            (void)madvise(block, size / HUGE_PAGE * HUGE_PAGE,
                MADV_HUGEPAGE); /* a hint: nothing depends on it */
#endif
        return block;
    }
    void *ptr = context->params.alloc(context->params.alloc_user, size, ALIGNMENT);
    if (ptr &&
        (uintptr_t)ptr % ALIGNMENT !=
            0) { /* a hook that ignores `align`: refuse rather than crash later */
        context->params.free(context->params.alloc_user, ptr, size);
        return NULL;
    }
    return ptr;
}

size_t nncf__alloc_bytes(size_t size)
{
    return size + ALIGNMENT;
}

void *nncf__alloc(nncf_context *context, size_t size)
{
    size_t total;
    /* No object is larger than PTRDIFF_MAX, and hooks may add to the size without looking. */
    if (!nncf__add(size, ALIGNMENT, &total) || total > PTRDIFF_MAX / 2)
        return NULL;
    unsigned char *base = raw_alloc(context, total);
    if (!base)
        return NULL;
    header head = {total, HEADER_MAGIC};
    memcpy(base, &head, sizeof(head));
    return base + ALIGNMENT;
}

void *nncf__calloc(nncf_context *context, size_t count, size_t size)
{
    size_t total;
    if (!nncf__mul(count, size, &total))
        return NULL;
    void *ptr = nncf__alloc(context, total);
    if (ptr)
        memset(ptr, 0, total);
    return ptr;
}

void nncf__free(nncf_context *context, void *ptr)
{
    if (!ptr)
        return;
    unsigned char *base = (unsigned char *)ptr - ALIGNMENT;
    header head;
    memcpy(&head, base, sizeof(head));
    assert(head.magic == HEADER_MAGIC);
    memset(base, 0, sizeof(head)); /* so that a second free is caught by the assertion */
    if (context->params.free)
        context->params.free(context->params.alloc_user, base, head.size);
    else
        free(base);
}

char *nncf__strdup(nncf_context *context, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = nncf__alloc(context, size);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

nncf_status nncf__grow(nncf_context *context, void **ptr, size_t *capacity, size_t size)
{
    if (*ptr && *capacity >= size)
        return NNCF_OK;
    void *bigger = nncf__alloc(context, size);
    if (!bigger)
        return NNCF_E_NOMEM;
    nncf__free(context, *ptr);
    *ptr = bigger;
    *capacity = size;
    return NNCF_OK;
}
