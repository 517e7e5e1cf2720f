/* SPDX-License-Identifier: Apache-2.0 */
/* Exif is a TIFF header and a directory of 12-byte entries behind "Exif\0\0", in either order of
 * bytes. */
#include "exif.h"

#include <stdbool.h>
#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, ENTRY = 12 };

typedef struct tiff {
    const uint8_t *bytes;
    size_t size;
    bool little;
} tiff;

/* `count` (2 or 4) bytes at `at`, which are there. */
static uint32_t number(const tiff *t, size_t at, int count)
{
    uint32_t n = 0;
    for (int i = 0; i < count; i++)
        n |= (uint32_t)t->bytes[at + (size_t)i] << 8 * (t->little ? i : count - 1 - i);
    return n;
}

int exif_orientation(const uint8_t *bytes, size_t size)
{
    static const char mark[6] = "Exif\0"; /* and a second NUL */
    if (size < sizeof mark + 8 || memcmp(bytes, mark, sizeof mark) != 0)
        return EXIF_UPRIGHT;
    tiff t = {bytes + sizeof mark, size - sizeof mark, bytes[sizeof mark] == 'I'};
    if (t.bytes[0] != t.bytes[1] || (t.bytes[0] != 'I' && t.bytes[0] != 'M') ||
        number(&t, 2, 2) != 42)
        return EXIF_UPRIGHT;
    size_t at = number(&t, 4, 4);
    if (at > t.size - 2)
        return EXIF_UPRIGHT;
    const size_t entries = number(&t, at, 2);
    at += 2;
    for (size_t i = 0; i < entries && t.size - at >= ENTRY; i++, at += ENTRY)
        if (number(&t, at, 2) == TAG_ORIENTATION) {
            const uint32_t type = number(&t, at + 2, 2), count = number(&t, at + 4, 4),
                           value = number(&t, at + 8, 2);
            return type == TYPE_SHORT && count == 1 && value >= EXIF_UPRIGHT && value <= EXIF_LAST
                ? (int)value
                : EXIF_UPRIGHT;
        }
    return EXIF_UPRIGHT;
}

exif_walk exif_upright(int orientation, int width, int height)
{
    /* Where the upright picture's left top corner, and its right and lower neighbour, are stored.
     */
    static const struct {
        bool right, bottom; /* the corner is at the right, at the bottom */
        bool turned; /* rows are stored as columns */
    } ways[EXIF_LAST + 1] = {[1] = {false, false, false},
        [2] = {true, false, false},
        [3] = {true, true, false},
        [4] = {false, true, false},
        [5] = {false, false, true},
        [6] = {false, true, true},
        [7] = {true, true, true},
        [8] = {true, false, true}};
    const int i =
        orientation >= EXIF_UPRIGHT && orientation <= EXIF_LAST ? orientation : EXIF_UPRIGHT;
    const ptrdiff_t x = ways[i].right ? -1 : 1, y = ways[i].bottom ? -(ptrdiff_t)width : width;
    exif_walk w = {.width = ways[i].turned ? height : width,
        .height = ways[i].turned ? width : height,
        .origin = (ways[i].right ? width - 1 : 0) +
            (ways[i].bottom ? (ptrdiff_t)(height - 1) * width : 0),
        .across = ways[i].turned ? y : x,
        .down = ways[i].turned ? x : y};
    return w;
}
