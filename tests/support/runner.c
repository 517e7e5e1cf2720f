/* SPDX-License-Identifier: Apache-2.0 */
#include "runner.h"

#include <stdlib.h>

TCase *fx_case(Suite *suite, const char *name, double seconds)
{
    TCase *tests = tcase_create(name);
    tcase_set_timeout(tests, seconds);
    suite_add_tcase(suite, tests);
    return tests;
}

int fx_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int fx_main_of(const char *name, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *all = fx_case(suite, name, 120);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(all, tests[i]);
    return fx_main(suite);
}
