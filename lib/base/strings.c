/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strings.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *nncf__format_double(double value, char out[NNCF__DOUBLE_TEXT])
{
    /* The fewest digits that read back as the same number. printf and strtod follow the process's
       locale alike, so the comparison is right in any; only the decimal point has to be put back.
     */
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, NNCF__DOUBLE_TEXT, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            break;
    }
    size_t length = strspn(out, "+-0123456789");
    size_t point = strcspn(out + length, "0123456789eEinfa");
    if (point > 0) {
        memmove(out + length + 1, out + length + point, strlen(out + length + point) + 1);
        out[length] = '.';
    }
    return out;
}

uint64_t nncf__hash_text(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *p = text; *p; p++)
        hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

unsigned nncf__edit_distance(const char *a, const char *b)
{
    /* Optimal string alignment: three rows of the usual table suffice. */
    enum { MAX = 63 };
    size_t n = strnlen(a, MAX), m = strnlen(b, MAX);
    unsigned rows[3][MAX + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++)
        above[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        unsigned *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[m];
}

size_t nncf__utf8_length(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80)
        return 1;
    size_t length = s[0] >= 0xc2 && s[0] <= 0xdf ? 2 : s[0] >= 0xe0 && s[0] <= 0xef ? 3 : 0;
    if (s[0] >= 0xf0 && s[0] <= 0xf4)
        length = 4;
    if (length == 0 || length > left)
        return 0;
    unsigned char low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

bool nncf__utf8_valid(const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        size_t length = nncf__utf8_length((const unsigned char *)text, left);
        if (length == 0)
            return false;
        text += length;
        left -= length;
    }
    return true;
}
