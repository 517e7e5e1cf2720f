/* SPDX-License-Identifier: Apache-2.0 */
#include "config/read/messages.h"

#include "base/strings.h"
#include "config/json/document.h"
#include "config/schema/keys.h"

#include <nncf/config.h>

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void nncf__explain(char out[NNCF__EXPLAIN_TEXT], const char *format, ...)
{
    size_t used = strlen(out);
    va_list args;
    va_start(args, format);
    vsnprintf(out + used, NNCF__EXPLAIN_TEXT - used, format, args);
    va_end(args);
}

const char *nncf__explain_value(
    const nncf__document *d, uint32_t index, char out[NNCF__EXPLAIN_TEXT])
{
    enum { LONGEST = 60 };
    const nncf__node *node = &d->nodes[index];
    out[0] = '\0';
    if (node->type == NNCF_CONFIG_ARRAY)
        nncf__explain(out, node->count == 0 ? "an empty array" : "an array");
    else if (node->type == NNCF_CONFIG_OBJECT)
        nncf__explain(out, "an object");
    else if (node->length <= LONGEST)
        nncf__explain(out, "%.*s", (int)node->length, d->text + node->offset);
    else
        nncf__explain(out, "%.*s...", (int)nncf__config_cut(d->text + node->offset, LONGEST),
            d->text + node->offset);
    return out;
}

static void add_words(char out[NNCF__EXPLAIN_TEXT], const char *words)
{
    char word[64];
    for (size_t i = 0; nncf__config_word(words, i, word, sizeof(word)); i++)
        nncf__explain(out, "%s\"%s\"", i > 0 ? ", " : "", word);
}

static void add_range(char out[NNCF__EXPLAIN_TEXT], const nncf__key *key, const char *noun)
{
    char min[NNCF__DOUBLE_TEXT], max[NNCF__DOUBLE_TEXT];
    bool open_min = key->flags & NNCF__KEY_OPEN_MIN, open_max = key->flags & NNCF__KEY_OPEN_MAX;
    nncf__format_double(key->min, min);
    nncf__format_double(key->max, max);
    if (isinf(key->max))
        nncf__explain(out, open_min ? "%s greater than %s" : "%s not less than %s", noun, min);
    else if (open_min)
        nncf__explain(out, "%s greater than %s and %s %s", noun, min,
            open_max ? "less than" : "at most", max);
    else
        nncf__explain(out, "%s from %s %s %s", noun, min, open_max ? "to less than" : "to", max);
}

const char *nncf__explain_allowed(const nncf__key *key, char out[NNCF__EXPLAIN_TEXT])
{
    out[0] = '\0';
    switch (key->type) {
    case NNCF__KEY_SECTION:
        nncf__explain(out, "an object { ... }");
        break;
    case NNCF__KEY_NUMBER:
        add_range(out, key, "a number");
        break;
    case NNCF__KEY_INTEGER:
        add_range(out, key, "an integer");
        break;
    case NNCF__KEY_FLAG:
    case NNCF__KEY_CODED_FLAG:
        nncf__explain(out, "true, false");
        break;
    case NNCF__KEY_WORD:
        add_words(out, key->words);
        break;
    case NNCF__KEY_NUMBERS:
        add_range(out, key, "an array of numbers, each");
        break;
    case NNCF__KEY_TEXT:
        nncf__explain(out, "a text in double quotes");
        break;
    case NNCF__KEY_RANGES:
        nncf__explain(out, "an object { \"type\": ... }, or an array of such objects");
        break;
    case NNCF__KEY_OVERRIDES:
        nncf__explain(out, "an object { scope: { \"bits\": ... } }");
        break;
    case NNCF__KEY_BITWIDTHS:
        nncf__explain(out, "an array of pairs [bits, \"scope\"]");
        break;
    case NNCF__KEY_LISTS:
        nncf__explain(out, "an array, each element a name or an array of names");
        break;
    default:
        nncf__explain(out, "a scope in double quotes, or an array of them");
        break;
    }
    return out;
}

void nncf__nearest_consider(nncf__nearest *n, const char *word)
{
    size_t length = strlen(n->wanted);
    unsigned limit = length <= 3 ? 1 : length <= 8 ? 2 : 3;
    unsigned distance = nncf__edit_distance(n->wanted, word);
    if (length >= 3 && strncmp(word, n->wanted, length) == 0)
        distance = 1; /* an abbreviation */
    if (distance <= limit && (n->best[0] == '\0' || distance < n->distance)) {
        n->distance = distance;
        snprintf(n->best, sizeof(n->best), "%s", word);
    }
}

void nncf__explain_nearest(char out[NNCF__EXPLAIN_TEXT], const nncf__nearest *n)
{
    if (n->best[0])
        nncf__explain(out, "; did you mean \"%s\"?", n->best);
}
