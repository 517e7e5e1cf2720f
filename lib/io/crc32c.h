/* SPDX-License-Identifier: Apache-2.0 */
/* The ways to compute CRC-32C, for crc32c.c, which chooses, and for the tests. */
#ifndef NNCF__CRC32C_H
#define NNCF__CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NNCF__CRC32C_STRETCH = 2048 }; /* bytes, a multiple of 8 */

/* Eight bytes at a time by tables, on any processor. */
uint32_t nncf__crc32c_portable(uint32_t crc, const void *data, size_t size);
/* Is there a faster way here? It was built, and the processor has SSE4.2. */
bool nncf__crc32c_has_sse42(void);
/* That way; only after the above. */
uint32_t nncf__crc32c_fast(uint32_t crc, const void *data, size_t size);

/* crc32c_sse42.c. stretch[k][b]: what byte k of a CRC with value b becomes behind
 * NNCF__CRC32C_STRETCH zero bytes. */
uint32_t nncf__crc32c_sse42(uint32_t crc, const void *data, size_t size,
                            const uint32_t stretch[4][256]);

#endif
