/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: any bytes as a snapshot. With -fsanitize=fuzzer it is libFuzzer's; replay.c has a
 * plain main for it. */
#include "checkpoint_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    target_memory memory = {0};
    nncf_context *context = target_context(&memory);
    nncf_checkpoint *c = NULL;
    if (!context)
        return 0;
    const size_t before = memory.live;
    memory.peak = before;
    nncf_status status = target_open(context, data, size, &c, NULL);
    volatile unsigned sum = status == NNCF_OK ? target_touch(c) : 0;
    (void)sum;
    const size_t peak = memory.peak; /* loading has its own arrays beside */
    static const int64_t shapes[][2] = {{2, 3}, {4, 2}}; /* of the weights in the corpus */
    for (size_t i = 0; status == NNCF_OK && i < 2; i++)
        target_load(c, shapes[i]);
    nncf_checkpoint_close(c);
    if (memory.live != before || peak - before > target_bound(size, size))
        abort();
    nncf_context_destroy(context);
    return 0;
}
