/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include "random.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t guard_span(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (n * sizeof(float) + page - 1) / page * page;
}

float *guard_alloc(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), span = guard_span(n);
    char *base =
        mmap(NULL, span + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base, page, PROT_NONE) ||
        mprotect(base + page + span, page, PROT_NONE)) {
        perror("guard_alloc");
        exit(EXIT_FAILURE);
    }
    size_t at = page + (fx_random32() % 4 ? span - n * sizeof(float) : 0);
    return (float *)(void *)(base + at);
}

void guard_free(float *x, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t base = (uintptr_t)x / page * page - page;
    munmap((void *)base, guard_span(n) + 2 * page);
}

uint8_t *guard_bytes(size_t n)
{
    size_t floats = (n + sizeof(float) - 1) / sizeof(float), page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *x = (uint8_t *)guard_alloc(floats);
    return (uintptr_t)x % page == 0 ? x : x + floats * sizeof(float) - n;
}

void guard_free_bytes(uint8_t *x, size_t n)
{
    guard_free((float *)(void *)(x - (uintptr_t)x % sizeof(float)),
        (n + sizeof(float) - 1) / sizeof(float));
}

void guard_fill(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(int32_t)fx_random32() * 0x1p-30f;
}
