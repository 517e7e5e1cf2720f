/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An allocator for tests: it checks alignment and the size handed back, counts what is out, and
 * fails on demand. A test that uses it ends with ck_assert_uint_eq(counting.live, 0).
 */
#ifndef NNCF_TEST_COUNTING_ALLOCATOR_H
#define NNCF_TEST_COUNTING_ALLOCATOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct counting {
    atomic_size_t calls; /* allocations asked for */
    atomic_size_t live; /* allocations not given back */
    atomic_size_t bytes; /* of those */
    atomic_size_t peak; /* the most that bytes ever was */
    atomic_size_t mistakes; /* wrong size or pointer given back, odd requests */
    size_t fail_at; /* fail allocation number fail_at (from 1); 0: never */
    bool fail_on; /* and every later one */
} counting;

/* Our own record behind each block, since free(3) does not tell sizes. */
typedef struct counting_record {
    size_t size, magic;
} counting_record;

#define COUNTING_MAGIC ((size_t)0x5ca1ab1e)

static inline void *counting_alloc(void *user, size_t size, size_t align)
{
    counting *c = user;
    size_t call = atomic_fetch_add(&c->calls, 1) + 1;
    if (size == 0 || align < sizeof(void *) || (align & (align - 1)) != 0)
        atomic_fetch_add(&c->mistakes, 1);
    if (c->fail_at && (call == c->fail_at || (c->fail_on && call > c->fail_at)))
        return NULL;
    size_t room = size + sizeof(counting_record);
    unsigned char *ptr = aligned_alloc(align, (room + align - 1) / align * align);
    if (!ptr)
        return NULL;
    memset(ptr, 0xa5, size);
    const counting_record record = {size, COUNTING_MAGIC};
    memcpy(ptr + size, &record, sizeof(record));
    atomic_fetch_add(&c->live, 1);
    const size_t now = atomic_fetch_add(&c->bytes, size) + size;
    size_t most = atomic_load(&c->peak);
    while (now > most && !atomic_compare_exchange_weak(&c->peak, &most, now)) {
    }
    return ptr;
}

static inline void counting_free(void *user, void *ptr, size_t size)
{
    counting *c = user;
    counting_record record;
    memcpy(&record, (unsigned char *)ptr + size, sizeof(record));
    if (record.size != size || record.magic != COUNTING_MAGIC)
        atomic_fetch_add(&c->mistakes, 1);
    memset(ptr, 0x5a, size);
    atomic_fetch_sub(&c->live, 1);
    atomic_fetch_sub(&c->bytes, size);
    free(ptr);
}

#define COUNTING_PARAMS(counter)                                                                   \
    .alloc = counting_alloc, .free = counting_free, .alloc_user = (counter)

#endif
