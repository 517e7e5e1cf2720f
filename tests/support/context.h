/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts whose allocations are counted and whose log is kept. */
#ifndef NNCF_TESTS_SUPPORT_CONTEXT_H
#define NNCF_TESTS_SUPPORT_CONTEXT_H

#include "memory.h"

#include <nncf/nncf.h>

enum { FX_LOG = 8192 };

typedef struct fx_context {
    nncf_context *context;
    fx_memory memory;
    /* all lines, and those that are warnings or errors */
    char log[FX_LOG], complaints[FX_LOG];
    int warnings, errors;
} fx_context;

void fx_log(void *user, int32_t level, const char *line);

void fx_open(fx_context *c, int32_t threads, uint64_t seed);

void fx_close(fx_context *c);

/* A context without a log; `memory` NULL: malloc. */
nncf_context *fx_new_context(fx_memory *memory, int32_t threads, int32_t isa, uint64_t seed);

#endif
