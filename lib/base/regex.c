/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions of configs, which were written for Python's re: lookaheads, \d, non-greedy
 * repeats. The library is PCRE2; this file alone includes it. Configs come from anywhere, so all
 * expressions of a call share one budget: PCRE2 calls back at every item that it tries, which
 * counts the steps, and takes its memory from here.
 */
#include "base/regex.h"

#include "base/alloc.h"
#include "base/checked.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <stdio.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* Depth and memory in KiB of one search; what a search and a compilation cost in steps beside their
 * items. */
enum {
    MAX_DEPTH = 100000,
    MAX_HEAP = 4096,
    SEARCH_STEPS = 16,
    COMPILE_STEPS = 32,
    BYTES_OF_A_STEP = 16
};

struct nncf__regex_work {
    nncf_context *context;
    /* left */
    uint64_t steps;
    /* taken */
    size_t bytes;
    /* memory was refused because of the budget */
    bool too_large;
    /* where the present search was when it was last counted */
    size_t place;
    pcre2_general_context *general;
    pcre2_compile_context *options;
    pcre2_match_data *match;
    pcre2_match_context *limits;
};

/* Before each block of PCRE2, which frees blocks without their sizes. */
typedef union block_size {
    size_t size;
    max_align_t align;
} block_size;

static void *take(PCRE2_SIZE size, void *user)
{
    nncf__regex_work *work = user;
    size_t total, cost;
    if (!nncf__add(size, sizeof(block_size), &total) ||
        (cost = nncf__alloc_bytes(total)) > NNCF__REGEX_BYTES - work->bytes) {
        work->too_large = true;
        return NULL;
    }
    block_size *block = nncf__alloc(work->context, total);
    if (!block)
        return NULL;
    block->size = cost;
    work->bytes += cost;
    return block + 1;
}

static void give_back(void *ptr, void *user)
{
    nncf__regex_work *work = user;
    if (!ptr)
        return;
    block_size *block = (block_size *)ptr - 1;
    work->bytes -= block->size;
    nncf__free(work->context, block);
}

/* An item costs a step, and more where many bytes were passed to reach it. */
static int count_step(pcre2_callout_block *at, void *user)
{
    nncf__regex_work *work = user;
    uint64_t steps = 1;
    if (at->current_position > work->place)
        steps += (at->current_position - work->place) / BYTES_OF_A_STEP;
    work->place = at->current_position;
    return nncf__regex_charge(work, steps) ? 0 : PCRE2_ERROR_CALLOUT;
}

nncf__regex_work *nncf__regex_begin(nncf_context *context)
{
    nncf__regex_work *work = nncf__calloc(context, 1, sizeof *work);
    if (!work)
        return NULL;
    work->context = context;
    work->steps = NNCF__REGEX_STEPS;
    return work;
}

/* PCRE2's own objects, which a call without expressions does not need. */
static bool prepare(nncf__regex_work *work)
{
    if (!work->general)
        work->general = pcre2_general_context_create(take, give_back, work);
    if (work->general && !work->options)
        work->options = pcre2_compile_context_create(work->general);
    if (work->general && !work->match)
        work->match = pcre2_match_data_create(1, work->general);
    if (work->general && !work->limits) {
        work->limits = pcre2_match_context_create(work->general);
        if (work->limits) {
            pcre2_set_callout(work->limits, count_step, work);
            pcre2_set_match_limit(work->limits, UINT32_MAX); /* steps are counted here */
            pcre2_set_depth_limit(work->limits, MAX_DEPTH);
            pcre2_set_heap_limit(work->limits, MAX_HEAP);
        }
    }
    return work->options && work->match && work->limits;
}

void nncf__regex_end(nncf__regex_work *work)
{
    if (!work)
        return;
    pcre2_match_context_free(work->limits);
    pcre2_match_data_free(work->match);
    pcre2_compile_context_free(work->options);
    pcre2_general_context_free(work->general);
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

/* A nncf__regex is a pcre2_code, which knows its memory itself. */
void nncf__regex_free(nncf__regex *regex)
{
    pcre2_code_free((pcre2_code *)(void *)regex);
}

static nncf_status no_memory(char why[NNCF__REGEX_WHY])
{
    snprintf(why, NNCF__REGEX_WHY, "out of memory");
    return NNCF_E_NOMEM;
}

static nncf_status too_much(char why[NNCF__REGEX_WHY])
{
    snprintf(why, NNCF__REGEX_WHY,
        "the config's regular expressions take too much time or memory together; use fewer or "
        "simpler ones");
    return NNCF_E_LIMIT;
}

static nncf_status compile(
    nncf__regex_work *work, const char *pattern, nncf__regex **regex, char why[NNCF__REGEX_WHY])
{
    int code = 0;
    PCRE2_SIZE at = 0, size = 0;
    if (nncf__regex_exhausted(work))
        return too_much(why);
    work->too_large = false;
    if (!prepare(work))
        return work->too_large ? too_much(why) : no_memory(why);
    /* as Python's patterns of str: by characters, and \d and \w know all of Unicode */
    pcre2_code *made = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
        PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT, &code, &at,
        work->options);
    if (made) {
        (void)pcre2_pattern_info(made, PCRE2_INFO_SIZE, &size);
        (void)nncf__regex_charge(work, COMPILE_STEPS + size / BYTES_OF_A_STEP);
        *regex = (nncf__regex *)(void *)made;
        return NNCF_OK;
    }
    (void)nncf__regex_charge(work, COMPILE_STEPS + strlen(pattern));
    if (code == PCRE2_ERROR_NOMEMORY ||
        code == 121) /* 121: the compiler's own "failed to allocate" */
        return work->too_large ? too_much(why) : no_memory(why);
    PCRE2_UCHAR text[160];
    if (pcre2_get_error_message(code, text, sizeof text) < 0)
        text[0] = 0;
    snprintf(why, NNCF__REGEX_WHY,
        "\"%.80s\" is not a regular expression: %s (at byte %zu of it); in a scope [ and ] are "
        "written \\\\[ and "
        "\\\\]",
        pattern, (const char *)text, (size_t)at);
    return NNCF_E_CONFIG;
}

nncf_status nncf__regex_of_scope(
    nncf__regex_work *work, const char *scope, nncf__regex **regex, char why[NNCF__REGEX_WHY])
{
    static const char mark[] = "{re}";
    const char *from = scope, *found = strstr(from, mark);
    *regex = NULL;
    if (!found)
        return NNCF_OK;
    char *rest = nncf__alloc(work->context, strlen(from) + 1), *to = rest;
    if (!rest)
        return no_memory(why);
    for (; found; found = strstr(from, mark)) {
        memcpy(to, from, (size_t)(found - from));
        to += found - from;
        from = found + sizeof mark - 1;
    }
    memcpy(to, from, strlen(from) + 1);
    nncf_status status = compile(work, rest, regex, why);
    nncf__free(work->context, rest);
    return status;
}

int nncf__regex_search(nncf__regex_work *work, const nncf__regex *regex, const char *text)
{
    const size_t length = strlen(text);
    if (!nncf__regex_charge(work, SEARCH_STEPS + length / BYTES_OF_A_STEP))
        return NNCF__REGEX_LIMIT;
    work->place = 0;
    work->too_large = false;
    int found = pcre2_match((const pcre2_code *)(const void *)regex, (PCRE2_SPTR)text, length, 0, 0,
        work->match, work->limits);
    if (found >= 0)
        return 1;
    if (found == PCRE2_ERROR_NOMATCH)
        return 0;
    return found == PCRE2_ERROR_NOMEMORY && !work->too_large ? NNCF__REGEX_NOMEM
                                                             : NNCF__REGEX_LIMIT;
}
