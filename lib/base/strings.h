/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of single strings: numbers, distance, hash, UTF-8. */
#ifndef NNCF__BASE_STRINGS_H
#define NNCF__BASE_STRINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The shortest decimal text that reads back as `value`, with a point in every locale; returns out.
 * "inf", "nan" for those. */
#define NNCF__DOUBLE_TEXT 40
char *nncf__format_double(double value, char out[NNCF__DOUBLE_TEXT]);

/* Edit distance (insert, delete, substitute, swap of neighbours), for "did you mean"; texts over 63
 * bytes count by their first 63. */
unsigned nncf__edit_distance(const char *a, const char *b);
/* FNV-1a with its halves folded together, for tables whose size is a power of two. */
uint64_t nncf__hash_text(const char *text);
/* Length of the UTF-8 sequence at `s` (left > 0 bytes), 0 when it is none (RFC 3629: shortest
 * forms, no surrogates). */
size_t nncf__utf8_length(const unsigned char *s, size_t left);
bool nncf__utf8_valid(const char *text);

#endif
