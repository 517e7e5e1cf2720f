/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An allocator for tests: it checks alignment and the size handed back, counts what is out, and
 * fails on demand. A test that uses it ends with ck_assert_uint_eq(memory.live, 0).
 */
#ifndef NNCF_TESTS_SUPPORT_MEMORY_H
#define NNCF_TESTS_SUPPORT_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct fx_memory {
    atomic_size_t calls; /* allocations asked for */
    atomic_size_t live; /* allocations not given back */
    atomic_size_t bytes; /* of those */
    atomic_size_t peak; /* the most that bytes ever was */
    atomic_size_t mistakes; /* wrong size or pointer given back, odd requests */
    size_t fail_at; /* fail allocation number fail_at (from 1); 0: never */
    bool fail_on; /* and every later one */
} fx_memory;

void *fx_memory_alloc(void *user, size_t size, size_t align);

void fx_memory_free(void *user, void *ptr, size_t size);

#define FX_MEMORY(counter) .alloc = fx_memory_alloc, .free = fx_memory_free, .alloc_user = (counter)

#endif
