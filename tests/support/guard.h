/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays of floats between two pages that may not be touched: the array ends at the second one, or
 * begins behind the first one. Random numbers with a seed that is printed. */
#ifndef TESTS_GUARD_H
#define TESTS_GUARD_H

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t guard_state = 20211;

static uint32_t guard_random(void)
{
    guard_state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t z = guard_state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)(z >> 32);
}

/* --seed=N, else a fixed one. */
static void guard_seed(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--seed=", 7) == 0)
            guard_state = strtoull(argv[i] + 7, NULL, 10);
    printf("seed %llu\n", (unsigned long long)guard_state);
    fflush(stdout);
}

/* What main() of a program with seeds returns. */
static inline int guard_run(Suite *suite, int argc, char **argv)
{
    guard_seed(argc, argv);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static size_t guard_span(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (n * sizeof(float) + page - 1) / page * page;
}

static float *guard_alloc(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), span = guard_span(n);
    char *base =
        mmap(NULL, span + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base, page, PROT_NONE) ||
        mprotect(base + page + span, page, PROT_NONE)) {
        perror("guard_alloc");
        exit(EXIT_FAILURE);
    }
    size_t at = page + (guard_random() % 4 ? span - n * sizeof(float) : 0);
    return (float *)(void *)(base + at);
}

static void guard_free(float *x, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t base = (uintptr_t)x / page * page - page;
    munmap((void *)base, guard_span(n) + 2 * page);
}

/* The same for bytes. */
static inline uint8_t *guard_bytes(size_t n)
{
    size_t floats = (n + sizeof(float) - 1) / sizeof(float), page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *x = (uint8_t *)guard_alloc(floats);
    return (uintptr_t)x % page == 0 ? x : x + floats * sizeof(float) - n;
}

static inline void guard_free_bytes(uint8_t *x, size_t n)
{
    guard_free((float *)(void *)(x - (uintptr_t)x % sizeof(float)),
        (n + sizeof(float) - 1) / sizeof(float));
}

/* Numbers around 1, of either sign. */
static inline void guard_fill(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(int32_t)guard_random() * 0x1p-30f;
}

#endif
