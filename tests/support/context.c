/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static void append(char log[FX_LOG], const char *line)
{
    const size_t n = strlen(log);
    snprintf(log + n, FX_LOG - n, "%s\n", line);
}

void fx_log(void *user, int32_t level, const char *line)
{
    fx_context *c = user;
    c->warnings += level == NNCF_LOG_WARNING;
    c->errors += level == NNCF_LOG_ERROR;
    append(c->log, line);
    if (level <= NNCF_LOG_WARNING)
        append(c->complaints, line);
}

void fx_open(fx_context *c, int32_t threads, uint64_t seed)
{
    memset(c, 0, sizeof *c);
    nncf_context_params params = {NNCF_PARAMS(nncf_context_params), FX_MEMORY(&c->memory),
        .log = fx_log, .log_user = c, .n_threads = threads, .seed = seed};
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &c->context, NULL), NNCF_OK);
}

void fx_close(fx_context *c)
{
    nncf_context_destroy(c->context);
    ck_assert_uint_eq(c->memory.live, 0);
    ck_assert_uint_eq(c->memory.mistakes, 0);
}

nncf_context *fx_new_context(fx_memory *memory, int32_t threads, int32_t isa, uint64_t seed)
{
    nncf_context_params p = {
        NNCF_PARAMS(nncf_context_params), .n_threads = threads, .max_isa = isa, .seed = seed};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_context *context = NULL;
    if (memory) {
        p.alloc = fx_memory_alloc;
        p.free = fx_memory_free;
        p.alloc_user = memory;
    }
    ck_assert_msg(
        nncf_context_create(NNCF_API_VERSION, &p, &context, &err) == NNCF_OK, "%s", err.message);
    return context;
}
