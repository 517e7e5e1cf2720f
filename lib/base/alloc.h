/* SPDX-License-Identifier: Apache-2.0 */
/* Everything the library allocates goes through these: 64-byte aligned, by the context's allocator.
 * A context is never NULL in here. */
#ifndef NNCF__BASE_ALLOC_H
#define NNCF__BASE_ALLOC_H

#include <nncf/base.h>
#include <nncf/context.h>

#include <stddef.h>

void *nncf__alloc(nncf_context *context, size_t size); /* size 0 is served too; NULL: no memory */
void *nncf__calloc(nncf_context *context, size_t count,
    size_t size); /* zeroed; NULL also when count * size overflows */
void nncf__free(nncf_context *context, void *ptr); /* NULL is fine */
char *nncf__strdup(nncf_context *context, const char *text);
size_t nncf__alloc_bytes(
    size_t size); /* what the allocator is called with for a block of that size */
/* Make *ptr hold at least `size` bytes, contents not kept; *capacity follows. On failure nothing
 * changes. */
nncf_status nncf__grow(nncf_context *context, void **ptr, size_t *capacity, size_t size);

#endif
