/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of rows of products share: the levels, the reference, bits. */
#ifndef TESTS_PRODUCT_ROWS_H
#define TESTS_PRODUCT_ROWS_H

#include "kernels/kernels.h"
#include "support/require.h"

#include "support/guard.h"

#include <check.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const int32_t levels[] = {NNCF_ISA_PORTABLE, NNCF_ISA_AVX2, NNCF_ISA_AVX512};

/* How many of them this machine has. */
static int levels_here(void)
{
    int n = 0;
    while (n < (int)COUNT(levels) && nncf__kernels_get(levels[n]))
        n++;
    return n;
}

static const nncf__kernels *reference(void)
{
    return nncf__kernels_get(NNCF_ISA_REFERENCE);
}

static size_t any(size_t low, size_t high)
{
    return low + guard_random() % (uint32_t)(high - low + 1);
}

static void assert_bits(const char *what, const void *got, const void *want, size_t bytes)
{
    REQUIRE(memcmp(got, want, bytes) == 0, "%s differs from the reference", what);
}

#endif
