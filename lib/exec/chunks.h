/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a tensor (planes, channels, rows of a matrix) that one chunk of nncf__parallel() takes:
 * enough work to be worth it, and the same for any number of threads. */
#ifndef NNCF__EXEC_CHUNKS_H
#define NNCF__EXEC_CHUNKS_H

#include "base/int_math.h"

#include <stddef.h>

enum { NNCF__CHUNK_ELEMENTS = 16384 };

/* Rows of a chunk, where a row has `length` elements. */
static inline size_t nncf__chunk_rows(size_t length)
{
    return max_size(NNCF__CHUNK_ELEMENTS / length, 1);
}

/* Chunks of so many rows. */
static inline size_t nncf__chunk_count(size_t rows, size_t length)
{
    const size_t each = nncf__chunk_rows(length);
    return (rows + each - 1) / each;
}

#endif
