/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks that are threads of this process. */
#ifndef NNCF_TESTS_PARALLEL_RANKS_H
#define NNCF_TESTS_PARALLEL_RANKS_H

#include "parallel/net.h"

#include <nncf/nncf.h>

#include <stddef.h>

enum { RANKS_MOST = 8 };

typedef struct ranks ranks;

/* One of them, for the function that runs on its thread. */
typedef struct rank {
    ranks *all;
    int32_t rank, size;
    /* calls of all_reduce so far; the number of the one that fails, and of all later ones; 0: none
     */
    size_t calls, fail_at;
    void *arg;
} rank;

/* Run body(&rank) on `size` threads; those of all that was sent must fit each other. */
void ranks_run(int32_t size, void (*body)(rank *self), void *arg);
/* For nncf_model_set_collective(). */
nncf_collective_params ranks_params(rank *self, nncf_collective_flags flags);

/* With one thread. */
nncf_context *ranks_context(void);
/* A net of a rank, and its part of the batch: as many rows for each. */
void ranks_net(rank *self, net *n, const char *config, int flags, nncf_collective_flags sync);
void ranks_part(const rank *self, net *n, net_pass *p);

/* A config that initializes ranges by a rule, from n; PERCENTS: what percentiles ask for. */
#define RANGE(n, rule)                                                                             \
    "{\"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"range\": {" n         \
    ", \"type\": " rule "}}}}"
#define PERCENTS ", \"params\": {\"min_percentile\": 1.5, \"max_percentile\": 99}"

#endif
