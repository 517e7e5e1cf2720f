/* SPDX-License-Identifier: Apache-2.0 */
/* Small helpers on names and texts. */
#include "formats/safetensors/names.h"

#include <string.h>

/* Heapsort: no recursion, no memory (qsort may take some), n log n also for hostile input. */
static void sift(size_t *v, size_t root, size_t count, bool (*less)(const void *, size_t, size_t),
    const void *arg)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= count)
            return;
        if (child + 1 < count && less(arg, v[child], v[child + 1]))
            child++;
        if (!less(arg, v[root], v[child]))
            return;
        size_t t = v[root];
        v[root] = v[child];
        v[child] = t;
        root = child;
    }
}

void nncf__sort_indices(size_t *indices, size_t count,
    bool (*less)(const void *arg, size_t a, size_t b), const void *arg)
{
    for (size_t i = 0; i < count; i++)
        indices[i] = i;
    for (size_t i = count / 2; i-- > 0;)
        sift(indices, i, count, less, arg);
    for (size_t n = count; n-- > 1;) {
        size_t t = indices[0];
        indices[0] = indices[n];
        indices[n] = t;
        sift(indices, 0, n, less, arg);
    }
}

bool nncf__parse_int64(const char *text, int64_t *value)
{
    bool negative = text[0] == '-';
    const char *p = text + (negative ? 1 : 0);
    uint64_t v = 0, limit = (uint64_t)INT64_MAX + (negative ? 1 : 0);
    if (!*p)
        return false;
    for (; *p; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (*p < '0' || *p > '9' || v > (limit - digit) / 10)
            return false;
        v = 10 * v + digit;
    }
    *value = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}
