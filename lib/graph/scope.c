/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scope matching, release by release: 1.0 to 1.7.1 compare whole elements from any place
 * (in_scope_list), 2.0 and later whole strings (matches_any); from 1.2 on a pattern with {re} in it
 * is a regular expression. And the nearest scope for messages.
 */
#include "graph/scope.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/regex.h"
#include "base/strings.h"
#include "config/canonical.h"
#include "context/context.h"
#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/scope.h>

#include <string.h>

/* A registered scope has 960 bytes at most, a text of a config 4096. Longer ones could only come
 * from the public calls, and comparing elements from any place takes time in proportion to the
 * product of both lengths. */
enum { MAX_TEXT = 4096 };
/* What comparing by elements costs of a budget that counts steps of regular expressions. */
enum { COMPARE_STEPS = 4 };

static bool too_long(const char *text)
{
    return strnlen(text, MAX_TEXT + 1) > MAX_TEXT;
}

/* An element of a scope: the text between two slashes. */
typedef struct element {
    const char *text;
    size_t length;
} element;

static element element_at(const char *text)
{
    return (element){text, strcspn(text, "/")};
}

/* The text after this element's slash; NULL: it was the last one. */
static const char *next_of(element e)
{
    return e.text[e.length] == '/' ? e.text + e.length + 1 : NULL;
}

static bool equal(element a, element b)
{
    return a.length == b.length && memcmp(a.text, b.text, a.length) == 0;
}

/* "Class[field]" -> "Class" */
static element class_of(element e)
{
    const char *bracket = memchr(e.text, '[', e.length);
    if (bracket && e.text[e.length - 1] == ']')
        e.length = (size_t)(bracket - e.text);
    return e;
}

/* Classes that NNCF wraps, and the release that began with it. */
static const struct {
    const char *name;
    int32_t since;
} wrapped[] = {
    {"Conv2d", 0},
    {"Linear", 0},
    {"ConvTranspose2d", 0},
    {"Conv3d", 10100},
    {"Conv1d", 10300},
    {"Embedding", 10400},
    {"EmbeddingBag", 10600},
    {"ConvTranspose3d", 10100},
};

bool nncf__scope_class_wrapped(const char *class_name, size_t length, int32_t release)
{
    for (size_t i = 0; i < sizeof wrapped / sizeof *wrapped; i++) {
        if (release >= wrapped[i].since &&
            equal(
                (element){class_name, length}, (element){wrapped[i].name, strlen(wrapped[i].name)}))
            return true;
    }
    return false;
}

/* A wrapped module has its original's name too, in this direction only: "NNCFConv2d[0]" is called
 * by "Conv2d[0]". */
static bool is_alias(element scope, element pattern, int32_t release)
{
    if (scope.length < 4 || memcmp(scope.text, "NNCF", 4) != 0)
        return false;
    element inner = {scope.text + 4, scope.length - 4};
    if (!equal(inner, pattern))
        return false;
    element name = class_of(inner);
    return nncf__scope_class_wrapped(name.text, name.length, release);
}

/* Are the pattern's elements the first ones of the scope? The scope has at least as many. */
static bool is_prefix(
    const char *scope, const char *pattern, bool first_loses_field, int32_t release)
{
    element whole = element_at(scope), p = element_at(pattern);
    element s = first_loses_field ? class_of(whole) : whole;
    while (equal(s, p) || is_alias(s, p, release)) {
        const char *next_pattern = next_of(p), *next_scope = next_of(whole);
        if (!next_pattern || !next_scope)
            return !next_pattern;
        p = element_at(next_pattern);
        s = whole = element_at(next_scope);
    }
    return false;
}

/* Elements of a text, counted up to `most`: a pattern may have thousands where a scope has five. */
static size_t count_elements(const char *text, size_t most)
{
    size_t n = 1;
    for (; n < most && (text = strchr(text, '/')); text++)
        n++;
    return n;
}

static bool matches_by_elements(const char *scope, const char *pattern, int32_t release)
{
    size_t left = count_elements(scope, SIZE_MAX), wanted = count_elements(pattern, left + 1);
    for (bool dropped = false; scope && left >= wanted; left--) {
        if (is_prefix(scope, pattern, dropped, release))
            return true;
        scope = next_of(element_at(scope));
        dropped = true;
    }
    return false;
}

/* ---- a list of patterns ---- */

static nncf_status compile_pattern(
    nncf__scope_set *set, size_t i, const char *where, nncf_error *err)
{
    char why[NNCF__REGEX_WHY];
    if (set->release < 10200)
        return NNCF_OK;
    nncf_status status = nncf__regex_of_scope(set->work, set->items[i], &set->regexes[i], why);
    return status == NNCF_OK ? NNCF_OK : nncf__fail(err, status, where, "%s", why);
}

nncf_status nncf__scope_set_make(nncf__scope_set *set, const char *where, nncf_error *err)
{
    const size_t count = set->count;
    if (count == 0)
        return NNCF_OK;
    set->regexes = nncf__calloc(set->context, count, sizeof *set->regexes);
    if (!set->regexes) {
        set->count = 0;
        return nncf__fail(err, NNCF_E_NOMEM, where, "no memory for a list of scopes");
    }
    for (size_t i = 0; i < count; i++) {
        nncf_status status = compile_pattern(set, i, where, err);
        if (status != NNCF_OK) {
            nncf__scope_set_free(set);
            return status;
        }
    }
    return NNCF_OK;
}

void nncf__scope_set_free(nncf__scope_set *set)
{
    for (size_t i = 0; set->regexes && i < set->count; i++)
        nncf__regex_free(set->regexes[i]);
    nncf__free(set->context, set->regexes);
    set->regexes = NULL;
    set->count = 0;
}

int nncf__scope_set_matches_one(const nncf__scope_set *set, size_t i, const char *scope)
{
    if (set->regexes[i]) {
        int found = nncf__regex_search(set->work, set->regexes[i], scope);
        if (found != 0)
            return found;
    }
    /* plain comparisons are cheap, but there may be a hundred thousand patterns for each scope */
    if (!nncf__regex_charge(set->work, set->exact ? 1 : COMPARE_STEPS))
        return NNCF__REGEX_LIMIT;
    if (set->exact)
        return strcmp(scope, set->items[i]) == 0;
    return matches_by_elements(scope, set->items[i], set->release);
}

int nncf__scope_set_matches(const nncf__scope_set *set, const char *scope, size_t *which)
{
    for (size_t i = 0; i < set->count; i++) {
        int found = nncf__scope_set_matches_one(set, i, scope);
        if (found == 0)
            continue;
        if (which)
            *which = i;
        return found;
    }
    return 0;
}

nncf_status nncf_scope_matches(
    const char *scope, const char *pattern, int32_t release, int32_t *matches, nncf_error *err)
{
    if (!scope || !pattern || !matches || release < 0)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "nncf_scope_matches: scope, pattern and matches must not be NULL, and release "
            "is "
            "like 10100 for 1.1");
    if (too_long(scope) || too_long(pattern))
        return nncf__fail(err, NNCF_E_LIMIT, NULL,
            "nncf_scope_matches: the %s is longer than %d bytes, which no scope of a model "
            "and no "
            "text of a config is",
            too_long(scope) ? "scope" : "pattern", MAX_TEXT);
    nncf_context *context;
    nncf_status status = nncf__context_default(&context, err);
    if (status != NNCF_OK)
        return status;
    nncf__regex_work *work = nncf__regex_begin(context);
    nncf__scope_set set = {.context = context,
        .work = work,
        .release = release,
        .exact = release >= 20000,
        .items = &pattern,
        .count = 1};
    if (!work)
        status = nncf__fail(err, NNCF_E_NOMEM, pattern, "no memory for a regular expression");
    else
        status = nncf__scope_set_make(&set, pattern, err);
    if (status == NNCF_OK) {
        int found = nncf__scope_set_matches(&set, scope, NULL);
        if (found == NNCF__REGEX_NOMEM)
            status = nncf__fail(err, NNCF_E_NOMEM, pattern, "no memory for a regular expression");
        else if (found < 0)
            status = nncf__fail(err, NNCF_E_LIMIT, pattern,
                "this regular expression takes too long on \"%s\"", scope);
        else
            *matches = found;
    }
    nncf__scope_set_free(&set);
    nncf__regex_end(work);
    nncf_context_destroy(context);
    return status;
}

/* Edit distance of what differs: long scopes share their beginnings and ends, and the distance
 * looks at 63 bytes. */
static unsigned distance_of(const char *a, const char *b)
{
    char rest[2][64];
    size_t n = strlen(a), m = strlen(b);
    while (n > 0 && m > 0 && *a == *b) {
        a++, b++;
        n--, m--;
    }
    while (n > 0 && m > 0 && a[n - 1] == b[m - 1]) {
        n--, m--;
    }
    if (n >= sizeof rest[0] || m >= sizeof rest[1])
        return (unsigned)(n > m ? n : m);
    memcpy(rest[0], a, n);
    memcpy(rest[1], b, m);
    rest[0][n] = rest[1][m] = 0;
    return nncf__edit_distance(rest[0], rest[1]);
}

const nncf_layer *nncf__model_nearest(const nncf_model *model, const char *pattern)
{
    const nncf_layer *best = NULL;
    unsigned best_distance = 0;
    for (size_t i = 0; i < model->n_layers; i++) {
        unsigned distance = distance_of(pattern, model->layers[i]->scope);
        if (!best || distance < best_distance) {
            best = model->layers[i];
            best_distance = distance;
        }
    }
    /* a difference of more than half of the pattern is no typing error */
    return best && best_distance <= strlen(pattern) / 2 ? best : NULL;
}
