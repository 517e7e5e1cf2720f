/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C by the instruction of SSE4.2. */
#ifndef NNCF__FORMATS_SAFETENSORS_CRC32C_SSE42_H
#define NNCF__FORMATS_SAFETENSORS_CRC32C_SSE42_H

#include <stddef.h>
#include <stdint.h>

/* Bytes, a multiple of 8. */
enum { NNCF__CRC32C_STRETCH = 2048 };
/* stretch[k][b]: what byte k of a CRC with value b becomes after NNCF__CRC32C_STRETCH zero bytes.
 */
uint32_t nncf__crc32c_sse42(
    uint32_t crc, const void *data, size_t size, const uint32_t stretch[4][256]);

#endif
