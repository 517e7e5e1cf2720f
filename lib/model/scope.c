/* SPDX-License-Identifier: Apache-2.0 */
/* Scope matching as NNCF 1.0 to 1.7.1 do it (in_scope_list), and the nearest scope for messages. */
#include "model/model.h"

#include <string.h>

/* A piece of a scope between two slashes. */
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

/* A wrapped module has its original's name too, in this direction only: "NNCFConv2d[0]" is called by "Conv2d[0]". */
static bool is_alias(element scope, element pattern)
{
    static const char *const wrapped[] = {"Conv2d", "Linear", "ConvTranspose2d", "Conv3d", "ConvTranspose3d"};
    if (scope.length < 4 || memcmp(scope.text, "NNCF", 4) != 0)
        return false;
    element inner = {scope.text + 4, scope.length - 4};
    if (!equal(inner, pattern))
        return false;
    element name = class_of(inner);
    for (size_t i = 0; i < sizeof wrapped / sizeof *wrapped; i++) {
        if (equal(name, (element){wrapped[i], strlen(wrapped[i])}))
            return true;
    }
    return false;
}

/* Are the pattern's elements the first ones of the scope? The scope has at least as many. */
static bool is_prefix(const char *scope, const char *pattern, bool first_loses_field)
{
    element whole = element_at(scope), p = element_at(pattern);
    element s = first_loses_field ? class_of(whole) : whole;
    while (equal(s, p) || is_alias(s, p)) {
        const char *next_pattern = next_of(p), *next_scope = next_of(whole);
        if (!next_pattern || !next_scope)
            return !next_pattern;
        p = element_at(next_pattern);
        s = whole = element_at(next_scope);
    }
    return false;
}

static size_t count_elements(const char *text)
{
    size_t n = 1;
    for (; (text = strchr(text, '/')); text++)
        n++;
    return n;
}

int32_t nncf_scope_matches(const char *scope, const char *pattern)
{
    if (!scope || !pattern)
        return 0;
    size_t wanted = count_elements(pattern), left = count_elements(scope);
    for (bool dropped = false; scope && left >= wanted; left--) {
        if (is_prefix(scope, pattern, dropped))
            return 1;
        scope = next_of(element_at(scope));
        dropped = true;
    }
    return 0;
}

bool nncf__scope_matches_any(const char *scope, const char *const *patterns, size_t count, size_t *which)
{
    for (size_t i = 0; i < count; i++) {
        if (nncf_scope_matches(scope, patterns[i])) {
            if (which)
                *which = i;
            return true;
        }
    }
    return false;
}

/* Edit distance of what differs: long scopes share their beginnings and ends, and the distance looks at 63 bytes. */
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
    /* more than half of the pattern typed anew is not a slip of the pen */
    return best && best_distance <= strlen(pattern) / 2 ? best : NULL;
}
