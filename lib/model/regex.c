/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions of configs, which were written for Python's re: lookaheads, \d, non-greedy repeats. The library
 * is PCRE2; this file alone includes it. Work and memory of a search are bounded, since configs come from anywhere.
 */
#include "model/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* Steps of one search (a scope of 960 bytes takes some thousands with a decent pattern), and its memory in KiB. */
enum { MAX_STEPS = 1000000, MAX_DEPTH = 100000, MAX_HEAP = 4096 };

struct nncf__regex {
    nncf_context *context;
    pcre2_general_context *general;
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *limits;
};

static void *take(PCRE2_SIZE size, void *context)
{
    return nncf__alloc(context, size);
}

static void give_back(void *ptr, void *context)
{
    nncf__free(context, ptr);
}

void nncf__regex_free(nncf__regex *regex)
{
    if (!regex)
        return;
    pcre2_match_context_free(regex->limits);
    pcre2_match_data_free(regex->match);
    pcre2_code_free(regex->code);
    pcre2_general_context_free(regex->general);
    nncf__free(regex->context, regex);
}

static nncf_status compile(nncf__regex *r, const char *pattern, const char *where, nncf_error *err)
{
    int code = 0;
    PCRE2_SIZE at = 0;
    r->general = pcre2_general_context_create(take, give_back, r->context);
    pcre2_compile_context *options = r->general ? pcre2_compile_context_create(r->general) : NULL;
    if (!options)
        return nncf__fail(err, NNCF_E_NOMEM, where, "no memory for a regular expression");
    /* as Python's patterns of str: by characters, and \d and \w know all of Unicode */
    r->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C,
                            &code, &at, options);
    pcre2_compile_context_free(options);
    if (!r->code) {
        PCRE2_UCHAR text[160];
        if (code == PCRE2_ERROR_NOMEMORY || code == 121) /* 121: the compiler's own "failed to allocate" */
            return nncf__fail(err, NNCF_E_NOMEM, where, "no memory for a regular expression");
        if (pcre2_get_error_message(code, text, sizeof text) < 0)
            text[0] = 0;
        return nncf__fail(err, NNCF_E_CONFIG, where,
                          "\"%.80s\" is not a regular expression: %s (at byte %zu of it); in a scope [ and ] are "
                          "written \\\\[ and \\\\]",
                          pattern, (const char *)text, (size_t)at);
    }
    r->match = pcre2_match_data_create_from_pattern(r->code, r->general);
    r->limits = pcre2_match_context_create(r->general);
    if (!r->match || !r->limits)
        return nncf__fail(err, NNCF_E_NOMEM, where, "no memory for a regular expression");
    pcre2_set_match_limit(r->limits, MAX_STEPS);
    pcre2_set_depth_limit(r->limits, MAX_DEPTH);
    pcre2_set_heap_limit(r->limits, MAX_HEAP);
    return NNCF_OK;
}

nncf_status nncf__regex_compile(nncf_context *context, const char *pattern, const char *where, nncf__regex **regex,
                                nncf_error *err)
{
    nncf__regex *r = nncf__calloc(context, 1, sizeof *r);
    if (!r)
        return nncf__fail(err, NNCF_E_NOMEM, where, "no memory for a regular expression");
    r->context = context;
    nncf_status status = compile(r, pattern, where, err);
    if (status != NNCF_OK) {
        nncf__regex_free(r);
        return status;
    }
    *regex = r;
    return NNCF_OK;
}

int nncf__regex_search(const nncf__regex *regex, const char *text)
{
    int found = pcre2_match(regex->code, (PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0, 0, regex->match, regex->limits);
    return found >= 0 ? 1 : found == PCRE2_ERROR_NOMATCH ? 0 : -1;
}
