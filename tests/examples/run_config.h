/* SPDX-License-Identifier: Apache-2.0 */
/* Whole runs of the classification program, in a folder of the test's. */
#ifndef TESTS_EXAMPLES_RUN_CONFIG_H
#define TESTS_EXAMPLES_RUN_CONFIG_H

#include "options.h"

#include <nncf/base.h>

/* Train, or evaluate, and export as `o` says, with this text as the config and the data set in
 * `dir`, on one thread. *printed: what the program wrote; free() it. */
nncf_status run_config(
    const char *dir, const char *text, options o, char **printed, nncf_error *err);

#endif
