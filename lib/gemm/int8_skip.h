/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of zeros in products of codes. A panel of weights is packed whole; then rows of it, one
 * step of k for all of its channels, that are 0 altogether are taken out, and what is left is
 * listed. The same rows of what it is multiplied by are gathered in front of the kernel: a copy of
 * a row costs a fraction of its product with a panel. Sums of integers stay the same.
 */
#ifndef NNCF__GEMM_INT8_SKIP_H
#define NNCF__GEMM_INT8_SKIP_H

#include <stddef.h>
#include <stdint.h>

/* How many rows are left, how many runs of neighbours they are, and of each run its first row and
 * length: two numbers for two rows of the panel at most. */
typedef uint16_t nncf__int8_list;

/* Bytes of a list for n rows. */
static inline size_t nncf__int8_list_bytes(int64_t n)
{
    return (size_t)(n + 3) * sizeof(nncf__int8_list);
}

/* List the rows of a panel, n of row_bytes each, and move them together; where few are 0 all stay.
 */
void nncf__int8_list_rows(int64_t n, size_t row_bytes, void *panel, nncf__int8_list *list);
/* The listed rows of what lies as the panel did, n of row_bytes each, a multiple of 4: in `to`, or,
 * if all are listed, as they are. */
const void *nncf__int8_gather_rows(
    const nncf__int8_list *list, int64_t n, size_t row_bytes, const void *from, void *to);

#endif
