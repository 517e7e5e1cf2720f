/* SPDX-License-Identifier: Apache-2.0 */
/* For tests that look at very many values. */
#ifndef NNCF_TESTS_SUPPORT_REQUIRE_H
#define NNCF_TESTS_SUPPORT_REQUIRE_H

#include <check.h>
#include <stdlib.h>

/* ck_assert_msg() notes every place it passes in a file; over millions of elements that takes
 * longer than the test. */
#define REQUIRE(condition, ...)                                                                    \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg(__VA_ARGS__);                                                             \
    } while (0)

/* How many rounds: `few` where NNCF_TEST_QUICK is set, as under valgrind and sanitizers, else
 * `all`. */
static inline int sweep_rounds(int all, int few)
{
    const char *quick = getenv("NNCF_TEST_QUICK");
    return quick != NULL && *quick != '\0' && *quick != '0' ? few : all;
}

#endif
