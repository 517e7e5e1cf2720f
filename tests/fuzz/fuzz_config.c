/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: any bytes as a config. With -fsanitize=fuzzer it is libFuzzer's; replay.c has a
 * plain main for it. */
#include "config_target.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static nncf_context *context;
    char why[CONFIG_TARGET_WHY];
    const nncf_context_params params = {NNCF_PARAMS(nncf_context_params), .n_threads = 1};
    if (!context && nncf_context_create(NNCF_API_VERSION, &params, &context, NULL) != NNCF_OK)
        return 0;
    if (!config_target_holds(context, (const char *)data, size, NULL, NULL, why)) {
        fprintf(stderr, "%s\nof\n%.*s\n", why, (int)size, (const char *)data);
        abort();
    }
    return 0;
}
