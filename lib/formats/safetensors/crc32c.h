/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli, reflected 0x82f63b78); start with 0. */
#ifndef NNCF__FORMATS_SAFETENSORS_CRC32C_H
#define NNCF__FORMATS_SAFETENSORS_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint32_t nncf__crc32c(uint32_t crc, const void *data, size_t size);

/* The two implementations, between which nncf__crc32c() chooses; for the tests. */
/* Eight bytes at a time by tables, on any processor. */
uint32_t nncf__crc32c_portable(uint32_t crc, const void *data, size_t size);
/* Is there a faster one here? It was built, and the processor has SSE4.2. */
bool nncf__crc32c_has_sse42(void);
/* The faster one; only if there is one. */
uint32_t nncf__crc32c_fast(uint32_t crc, const void *data, size_t size);

#endif
