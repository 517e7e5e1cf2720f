/* SPDX-License-Identifier: Apache-2.0 */
/* A few values of what a layer last read and made in eval mode. An export that does not make the
 * golden output finds with them the layer after which host and registered graph part. */
#ifndef NNCF__GRAPH_SEEN_H
#define NNCF__GRAPH_SEEN_H

#include <stddef.h>

enum { NNCF__SEEN_VALUES = 32 };

typedef struct nncf__seen {
    /* elements of the whole tensor; 0: nothing was seen */
    size_t count;
    /* those at nncf__seen_at() */
    float values[NNCF__SEEN_VALUES];
} nncf__seen;

/* How many values are kept of so many elements, and where value i lies. */
static inline size_t nncf__seen_kept(size_t count)
{
    return count < NNCF__SEEN_VALUES ? count : NNCF__SEEN_VALUES;
}

static inline size_t nncf__seen_at(size_t count, size_t i)
{
    return count < NNCF__SEEN_VALUES ? i : count / NNCF__SEEN_VALUES * i;
}

static inline void nncf__seen_take(nncf__seen *seen, size_t count, const float *x)
{
    seen->count = count;
    for (size_t i = 0; i < nncf__seen_kept(count); i++)
        seen->values[i] = x[nncf__seen_at(count, i)];
}

#endif
