/* SPDX-License-Identifier: Apache-2.0 */
/* Values of all ranks, by the host's all_reduce. */
#ifndef NNCF__BASE_COLLECTIVE_H
#define NNCF__BASE_COLLECTIVE_H

#include <nncf/base.h>
#include <nncf/parallel.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct nncf__collective {
    /* size 0 or 1: alone */
    nncf_collective_params params;
    /* what all_reduce returned when it failed; from then on it is not called */
    int32_t failed;
    /* it returned 0, and left what cannot be a sum or the largest of what it was given */
    bool wrong;
} nncf__collective;

static inline bool nncf__has_ranks(const nncf__collective *c)
{
    return c->params.size > 1;
}

/* In place; with one rank nothing happens. NNCF_E_CALLBACK: values mean nothing. */
nncf_status nncf__all_reduce(
    nncf__collective *c, void *values, size_t count, int32_t dtype, int32_t reduction);
/* Values that are no result of it: from now on it counts as failed. */
nncf_status nncf__all_reduce_is_wrong(nncf__collective *c);
/* The message for it; `what` was reduced. NNCF_OK unless it has failed. */
nncf_status nncf__collective_check(const nncf__collective *c, const char *what, nncf_error *err);

#endif
