/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

/* Our own record behind each block, since free(3) does not tell sizes. */
typedef struct record {
    size_t size, magic;
} record;

#define MAGIC ((size_t)0x5ca1ab1e)

void *fx_memory_alloc(void *user, size_t size, size_t align)
{
    fx_memory *c = user;
    size_t call = atomic_fetch_add(&c->calls, 1) + 1;
    if (size == 0 || align < sizeof(void *) || (align & (align - 1)) != 0)
        atomic_fetch_add(&c->mistakes, 1);
    if (c->fail_at && (call == c->fail_at || (c->fail_on && call > c->fail_at)))
        return NULL;
    size_t room = size + sizeof(record);
    unsigned char *ptr = aligned_alloc(align, (room + align - 1) / align * align);
    if (!ptr)
        return NULL;
    memset(ptr, 0xa5, size);
    const record end = {size, MAGIC};
    memcpy(ptr + size, &end, sizeof end);
    atomic_fetch_add(&c->live, 1);
    const size_t now = atomic_fetch_add(&c->bytes, size) + size;
    size_t most = atomic_load(&c->peak);
    while (now > most && !atomic_compare_exchange_weak(&c->peak, &most, now)) {
    }
    return ptr;
}

void fx_memory_free(void *user, void *ptr, size_t size)
{
    fx_memory *c = user;
    record end;
    memcpy(&end, (unsigned char *)ptr + size, sizeof end);
    if (end.size != size || end.magic != MAGIC)
        atomic_fetch_add(&c->mistakes, 1);
    memset(ptr, 0x5a, size);
    atomic_fetch_sub(&c->live, 1);
    atomic_fetch_sub(&c->bytes, size);
    free(ptr);
}
