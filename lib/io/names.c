/* SPDX-License-Identifier: Apache-2.0 */
/* Small helpers on names and texts. */
#include "io/io.h"

#include <string.h>

/* Heapsort: no recursion, no memory (qsort may take some), n log n also for hostile input. */
static void sift(size_t *v, size_t root, size_t count, bool (*less)(const void *, size_t, size_t), const void *arg)
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

void nncf__sort_indices(size_t *indices, size_t count, bool (*less)(const void *arg, size_t a, size_t b),
                        const void *arg)
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

/* RFC 3629: shortest forms only, no surrogates, up to U+10FFFF. */
bool nncf__utf8_valid(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p) {
        unsigned c = *p++, more, least;
        if (c < 0x80)
            continue;
        if (c >= 0xc2 && c <= 0xdf)
            more = 1, least = 0x80, c &= 0x1f;
        else if (c >= 0xe0 && c <= 0xef)
            more = 2, least = 0x800, c &= 0x0f;
        else if (c >= 0xf0 && c <= 0xf4)
            more = 3, least = 0x10000, c &= 0x07;
        else
            return false;
        for (; more > 0; more--, p++) {
            if ((*p & 0xc0) != 0x80)
                return false;
            c = c << 6 | (*p & 0x3fu);
        }
        if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
            return false;
    }
    return true;
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
