/* SPDX-License-Identifier: Apache-2.0 */
/* What a context holds. The hooks in it serve everything above; context/context.c makes one. */
#ifndef NNCF__BASE_CONTEXT_H
#define NNCF__BASE_CONTEXT_H

#include <nncf/context.h>

#include <stddef.h>

struct nncf__pool;

struct nncf_context {
    /* n_threads resolved, max_isa resolved: never NNCF_ISA_BEST */
    nncf_context_params params;
    /* NULL: one thread, or the host's parallel_for */
    struct nncf__pool *pool;
    /* cached by nncf__kernels_get(); see kernels/kernels.h */
    const void *kernels;
    /* kernels/int8.h; NULL: products of codes run on those above */
    const void *int8;
    /* kernels/binary.h; NULL: the same for products of bits */
    const void *binary;
    /* [n_threads], each scratch_size bytes, 64-byte aligned */
    void **scratch;
    size_t scratch_size;
    char description[256];
};

#endif
