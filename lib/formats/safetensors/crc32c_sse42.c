/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C by the instruction of SSE4.2, compiled for it alone. One instruction waits for the one
 * before it, so three stretches of the data run side by side; a table moves the first two results
 * over the zeros that the next stretch would be.
 */
#include "formats/safetensors/crc32c_sse42.h"

#include <nmmintrin.h>
#include <string.h>

enum { WORD = 8, STRETCH = NNCF__CRC32C_STRETCH };

static uint64_t load(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static uint64_t run(uint64_t crc, const uint8_t *p, size_t size)
{
    for (; size >= WORD; size -= WORD, p += WORD)
        crc = _mm_crc32_u64(crc, load(p));
    for (; size > 0; size--, p++)
        crc = _mm_crc32_u8((uint32_t)crc, *p);
    return crc;
}

static uint64_t behind_stretch(uint64_t crc, const uint32_t table[4][256])
{
    return table[0][crc & 255] ^ table[1][crc >> 8 & 255] ^ table[2][crc >> 16 & 255] ^
        table[3][crc >> 24 & 255];
}

uint32_t nncf__crc32c_sse42(
    uint32_t crc, const void *data, size_t size, const uint32_t stretch[4][256])
{
    const uint8_t *p = data;
    uint64_t a = ~crc;
    a &= UINT32_MAX;
    for (; size >= 3 * STRETCH; size -= 3 * STRETCH, p += 3 * STRETCH) {
        uint64_t b = 0, c = 0;
        for (size_t i = 0; i < STRETCH; i += WORD) {
            a = _mm_crc32_u64(a, load(p + i));
            b = _mm_crc32_u64(b, load(p + STRETCH + i));
            c = _mm_crc32_u64(c, load(p + 2 * STRETCH + i));
        }
        a = behind_stretch(behind_stretch(a, stretch) ^ b, stretch) ^ c;
    }
    return ~(uint32_t)run(a, p, size);
}
