/* SPDX-License-Identifier: Apache-2.0 */
#include "gemm/int8_skip.h"

#include "kernels/int8.h"

#include <stdbool.h>
#include <string.h>

static bool is_zero(const char *row, size_t bytes)
{
    static const char zeros[NNCF__INT8_MR_MAX * NNCF__INT8_QUAD * 2];
    return memcmp(row, zeros, bytes) == 0;
}

void nncf__int8_list_rows(int64_t n, size_t row_bytes, void *panel, nncf__int8_list *list)
{
    char *rows = panel;
    int64_t kept = 0, runs = 0, last = -2;
    for (int64_t i = 0; i < n; i++) {
        if (is_zero(rows + (size_t)i * row_bytes, row_bytes))
            continue;
        if (i != last + 1) {
            list[2 + 2 * runs] = (nncf__int8_list)i;
            list[3 + 2 * runs++] = 0;
        }
        list[1 + 2 * runs]++;
        last = i;
        kept++;
    }
    const bool all = 8 * kept > 7 * n; /* the copies would cost as much */
    list[0] = (nncf__int8_list)(all ? n : kept);
    list[1] = (nncf__int8_list)runs;
    for (int64_t r = 0; r < runs && !all; r++) {
        const size_t bytes = list[3 + 2 * r] * row_bytes;
        memmove(rows, (char *)panel + list[2 + 2 * r] * row_bytes, bytes);
        rows += bytes;
    }
}

/* Runs are short: no call. */
static inline char *copy(const char *from, size_t bytes, char *to)
{
    for (; bytes >= 64; bytes -= 64, from += 64, to += 64)
        memcpy(to, from, 64);
    for (; bytes >= 16; bytes -= 16, from += 16, to += 16)
        memcpy(to, from, 16);
    for (; bytes >= 4; bytes -= 4, from += 4, to += 4)
        memcpy(to, from, 4);
    return to;
}

const void *nncf__int8_gather_rows(
    const nncf__int8_list *list, int64_t n, size_t row_bytes, const void *from, void *to)
{
    const nncf__int8_list *run = list + 2, *end = run + 2 * list[1];
    char *at = to;
    if (list[0] == n)
        return from;
    for (; run < end; run += 2)
        at = copy((const char *)from + run[0] * row_bytes, run[1] * row_bytes, at);
    return to;
}
