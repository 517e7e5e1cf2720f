/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4) as 64 hex digits and a NUL. */
#ifndef NNCF__FORMATS_SAFETENSORS_SHA256_H
#define NNCF__FORMATS_SAFETENSORS_SHA256_H

#include <stddef.h>

enum { NNCF__DIGEST_TEXT = 65 };
void nncf__sha256_text(const void *data, size_t size, char hex[NNCF__DIGEST_TEXT]);

#endif
