/* SPDX-License-Identifier: Apache-2.0 */
/* Sorted lookups, and numbers in texts. */
#ifndef NNCF__FORMATS_SAFETENSORS_NAMES_H
#define NNCF__FORMATS_SAFETENSORS_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sort indices 0..count-1 by less(); needs no memory. */
void nncf__sort_indices(size_t *indices, size_t count,
    bool (*less)(const void *arg, size_t a, size_t b), const void *arg);
/* Decimal int64, nothing else in the text. */
bool nncf__parse_int64(const char *text, int64_t *value);

#endif
