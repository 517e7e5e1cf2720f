/* SPDX-License-Identifier: Apache-2.0 */
/* The main function of a Check program. */
#ifndef NNCF_TESTS_SUPPORT_RUNNER_H
#define NNCF_TESTS_SUPPORT_RUNNER_H

#include <check.h>
#include <stddef.h>

/* A new case of the suite; `seconds` for each of its tests. */
TCase *fx_case(Suite *suite, const char *name, double seconds);

/* Runs the suite and frees it: what main() returns. */
int fx_main(Suite *suite);

/* The same for one case of plain tests. */
int fx_main_of(const char *name, const TTest *const *tests, size_t count);

#define FX_MAIN(name, ...)                                                                         \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        return fx_main_of(name, tests, sizeof tests / sizeof *tests);                              \
    }

#endif
