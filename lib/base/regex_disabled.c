/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scopes in a library that was built without PCRE2: an expression is refused, never taken for plain
 * text. The budget is that of regex.c, since plain patterns take from it too.
 */
#include "base/regex.h"

#include "base/alloc.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <stdio.h>
#include <string.h>

struct nncf__regex_work {
    nncf_context *context;
    /* left */
    uint64_t steps;
};

nncf__regex_work *nncf__regex_begin(nncf_context *context)
{
    nncf__regex_work *work = nncf__calloc(context, 1, sizeof *work);
    if (!work)
        return NULL;
    work->context = context;
    work->steps = NNCF__REGEX_STEPS;
    return work;
}

void nncf__regex_end(nncf__regex_work *work)
{
    if (work)
        nncf__free(work->context, work);
}

bool nncf__regex_exhausted(const nncf__regex_work *work)
{
    return work->steps == 0;
}

bool nncf__regex_charge(nncf__regex_work *work, uint64_t steps)
{
    work->steps = steps < work->steps ? work->steps - steps : 0;
    return work->steps > 0;
}

nncf_status nncf__regex_of_scope(
    nncf__regex_work *work, const char *scope, nncf__regex **regex, char why[NNCF__REGEX_WHY])
{
    (void)work;
    *regex = NULL;
    if (!strstr(scope, "{re}"))
        return NNCF_OK;
    snprintf(why, NNCF__REGEX_WHY,
        "\"%.80s\" is a regular expression, and this library was built without PCRE2; list the "
        "scopes, or build it with -Dpcre2=enabled",
        scope);
    return NNCF_E_UNSUPPORTED;
}

/* There is never a regex to search with or to free. */
int nncf__regex_search(nncf__regex_work *work, const nncf__regex *regex, const char *text)
{
    (void)work;
    (void)regex;
    (void)text;
    return 0;
}

void nncf__regex_free(nncf__regex *regex)
{
    (void)regex;
}
