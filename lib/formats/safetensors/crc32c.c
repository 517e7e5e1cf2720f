/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C. The portable way takes eight bytes at a time: table[k][b] is the effect of byte b
 * followed by k zero bytes (Kounavis and Berry 2005).
 */
#include "formats/safetensors/crc32c.h"

#include "formats/safetensors/crc32c_sse42.h"

#include <pthread.h>

static uint32_t table[8][256], stretch[4][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint32_t behind_zeros(uint32_t crc, size_t count)
{
    for (; count > 0; count--)
        crc = (crc >> 8) ^ table[0][crc & 255];
    return crc;
}

static void make_tables(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int i = 0; i < 8; i++)
            crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
        table[0][b] = crc;
    }
    for (uint32_t b = 0; b < 256; b++)
        for (int k = 1; k < 8; k++)
            table[k][b] = (table[k - 1][b] >> 8) ^ table[0][table[k - 1][b] & 255];
    /* a CRC without its inversions is linear: the bits determine the rest */
    for (int k = 0; k < 4; k++)
        for (uint32_t b = 1; b < 256; b++)
            stretch[k][b] = b & (b - 1) ? stretch[k][b & (b - 1)] ^ stretch[k][b & -b]
                                        : behind_zeros(b << (8 * k), NNCF__CRC32C_STRETCH);
}

uint32_t nncf__crc32c_portable(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *p = data;
    pthread_once(&once, make_tables);
    crc = ~crc;
    for (; size >= 8; size -= 8, p += 8) {
        uint32_t low = crc ^
            ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
        crc = table[7][low & 255] ^ table[6][low >> 8 & 255] ^ table[5][low >> 16 & 255] ^
            table[4][low >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
    }
    for (; size > 0; size--, p++)
        crc = (crc >> 8) ^ table[0][(crc ^ *p) & 255];
    return ~crc;
}

#ifdef NNCF__HAVE_SSE42
bool nncf__crc32c_has_sse42(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2");
}

uint32_t nncf__crc32c_fast(uint32_t crc, const void *data, size_t size)
{
    pthread_once(&once, make_tables);
    return nncf__crc32c_sse42(crc, data, size, stretch);
}
#else
bool nncf__crc32c_has_sse42(void)
{
    return false;
}

uint32_t nncf__crc32c_fast(uint32_t crc, const void *data, size_t size)
{
    return nncf__crc32c_portable(crc, data, size);
}
#endif

uint32_t nncf__crc32c(uint32_t crc, const void *data, size_t size)
{
    return nncf__crc32c_has_sse42() ? nncf__crc32c_fast(crc, data, size)
                                    : nncf__crc32c_portable(crc, data, size);
}
