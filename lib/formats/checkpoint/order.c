/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host may register its layers in another order than in the run that was saved. Tensors are
 * found by name all the same; a list of names says what is where in arrays over all of them.
 */
#include "formats/checkpoint/order.h"

#include "base/alloc.h"
#include "base/error.h"
#include "formats/safetensors/json.h"
#include "formats/safetensors/safetensors.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>

#include <limits.h>
#include <string.h>

/* The place of a name; the search begins where the one before would be followed by it. */
static size_t place_of(
    const char *name, const char *const *names, size_t n, const bool *taken, size_t from)
{
    for (size_t i = 0; i < n; i++) {
        const size_t at = (from + i) % n;
        if (!taken[at] && strcmp(names[at], name) == 0)
            return at;
    }
    return n;
}

/* name: as long as the text; taken: [n], false. */
static bool read_names(
    const char *text, const char *const *names, size_t n, char *name, bool *taken, nncf__order *o)
{
    const size_t length = strlen(text);
    nncf__json j;
    size_t count = 0, next = 0;
    nncf__json_start(&j, text, length);
    nncf__json_open(&j);
    while (nncf__json_more(&j)) {
        nncf__json_span s;
        nncf__json_string(&j, &s);
        if (j.flaw || count == n)
            return false;
        name[nncf__json_decode(text, &s, name, length)] = 0;
        const size_t at = place_of(name, names, n, taken, next);
        if (at == n)
            return false;
        taken[at] = true;
        o->same = o->same && at == count;
        o->of[count++] = (uint32_t)at;
        next = at + 1;
    }
    return !j.flaw && count == n;
}

nncf_status nncf__order_find(const nncf_checkpoint *c, const char *key, const char *const *names,
    size_t n, nncf__order *order, nncf_error *err)
{
    const char *text = nncf_checkpoint_get_text(c, key);
    nncf_status status = NNCF_OK;
    *order = (nncf__order){.same = true};
    uint32_t *of = n < UINT32_MAX ? nncf__calloc(c->context, n + 1, sizeof *of) : NULL;
    char *name = nncf__alloc(c->context, text ? strlen(text) + 1 : 1);
    bool *taken = nncf__calloc(c->context, n + 1, sizeof *taken);
    order->of = of;
    for (size_t i = 0; of && i < n; i++)
        of[i] = (uint32_t)i;
    if (!of || !name || !taken)
        status = nncf__fail(err, NNCF_E_NOMEM, c->path, "out of memory");
    else if (text && !read_names(text, names, n, name, taken, order))
        status = nncf__fail(
            err, NNCF_E_FORMAT, key, "%s: \"%s\" does not list what is there", c->path, key);
    nncf__free(c->context, name);
    nncf__free(c->context, taken);
    if (status != NNCF_OK) {
        nncf__free(c->context, of);
        order->of = NULL;
    }
    return status;
}
