/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli, reflected 0x82f63b78); start with 0. */
#ifndef NNCF__FORMATS_SAFETENSORS_CRC32C_H
#define NNCF__FORMATS_SAFETENSORS_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint32_t nncf__crc32c(uint32_t crc, const void *data, size_t size);

/* The ways to compute it, for crc32c.c, which chooses, and for the tests. */
enum { NNCF__CRC32C_STRETCH = 2048 }; /* bytes, a multiple of 8 */

/* Eight bytes at a time by tables, on any processor. */
uint32_t nncf__crc32c_portable(uint32_t crc, const void *data, size_t size);
/* Is there a faster way here? It was built, and the processor has SSE4.2. */
bool nncf__crc32c_has_sse42(void);
/* That way; only after the above. */
uint32_t nncf__crc32c_fast(uint32_t crc, const void *data, size_t size);

/* crc32c_sse42.c. stretch[k][b]: what byte k of a CRC with value b becomes behind
 * NNCF__CRC32C_STRETCH zero bytes. */
uint32_t nncf__crc32c_sse42(
    uint32_t crc, const void *data, size_t size, const uint32_t stretch[4][256]);

#endif
