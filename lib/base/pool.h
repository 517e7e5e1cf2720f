/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of a context, and the scratch memory of each. */
#ifndef NNCF__BASE_POOL_H
#define NNCF__BASE_POOL_H

#include <nncf/base.h>
#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nncf__pool;

/* Processors that this process may run on, at least 1. */
int32_t nncf__processor_count(void);

nncf_status nncf__pool_create(nncf_context *context, int32_t n_threads, struct nncf__pool **pool);
void nncf__pool_destroy(nncf_context *context, struct nncf__pool *pool);

/*
 * Run fn(arg, chunk, worker) for every chunk in 0..n_chunks-1, each exactly once, on up to
 * n_threads workers (worker in 0..n_threads-1, so it indexes scratch). Which worker takes which
 * chunk is not determined: results must not depend on it. One chunk or one thread runs inline.
 * Never nested.
 */
typedef void nncf__chunk_fn(void *arg, size_t chunk, size_t worker);
void nncf__parallel(nncf_context *context, size_t n_chunks, nncf__chunk_fn *fn, void *arg);

/* Give every worker at least `size` bytes of scratch; contents are lost. Call before
 * nncf__parallel(). NNCF_E_NOMEM: the scratch is as it was. */
nncf_status nncf__scratch_reserve(nncf_context *context, size_t size);
/* The bytes that each worker would have after that: scratch grows in steps and never shrinks.
 * False: more than a size_t holds. */
bool nncf__scratch_size(const nncf_context *context, size_t wanted, size_t *size);
void nncf__scratch_free(nncf_context *context);
/* This worker's scratch; NULL before the first reserve. */
void *nncf__scratch(const nncf_context *context, size_t worker);

#endif
