/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensors found by names that other programs gave them. Two names are equal if their parts are,
 * without those that wrappers add: the parts "module" and "nncf_module" of PyTorch's and NNCF's
 * wrappers, and from a scope everything but the fields, so that
 * "ResNet/Sequential[layer1]/BasicBlock[0]/Conv2d[conv1].weight" is "layer1.0.conv1.weight". If
 * nothing is found, "pre_ops.N.op" counts as "operation", because N depends on the order of the
 * algorithms. The entries are sorted by their parts, once by each rule.
 */
#include "formats/checkpoint/lookup.h"

#include "base/alloc.h"
#include "formats/safetensors/names.h"
#include "formats/safetensors/safetensors.h"
#include "formats/safetensors/tensors.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>

#include <string.h>

/* A walk over the parts of a name. */
typedef struct parts {
    const char *at;
    /* up to here the name is a scope; NULL: no part of it is */
    const char *scope_end;
    bool map_operations;
} parts;

typedef struct part {
    const char *text;
    size_t length;
} part;

static bool is(const part *p, const char *word)
{
    return strlen(word) == p->length && memcmp(p->text, word, p->length) == 0;
}

static parts parts_of(const char *name, bool map_operations)
{
    const char *last = strrchr(name, ']');
    return (parts){name, last ? last + 1 : NULL, map_operations};
}

/* The field of the next element of a scope that has one; false at the scope's end. */
static bool next_field(parts *w, part *p)
{
    while (w->at < w->scope_end) {
        size_t n = strcspn(w->at, "/");
        const char *element = w->at, *open = memchr(element, '[', n);
        const char *close = open ? memchr(open, ']', n - (size_t)(open - element)) : NULL;
        w->at += n + (element[n] == '/' ? 1 : 0);
        if (w->at > w->scope_end)
            w->at = w->scope_end;
        if (close) {
            *p = (part){open + 1, (size_t)(close - open - 1)};
            return true;
        }
    }
    return false;
}

/* After the scope: "/conv2d_0.weight" and ".weight" both continue with "weight". */
static void leave_scope(parts *w)
{
    w->at = w->scope_end;
    w->scope_end = NULL;
    if (*w->at == '/')
        w->at += strcspn(w->at, ".");
}

static part cut(const char *text)
{
    return (part){text, strcspn(text, ".")};
}

static const char *behind(const part *p)
{
    return p->text + p->length + (p->text[p->length] == '.' ? 1 : 0);
}

static bool is_number(const part *p)
{
    return p->length > 0 && strspn(p->text, "0123456789") >= p->length;
}

static bool next_part(parts *w, part *p)
{
    if (w->scope_end) {
        if (next_field(w, p))
            return true;
        leave_scope(w);
    }
    while (*w->at) {
        *p = cut(w->at);
        w->at = behind(p);
        if (p->length == 0 || is(p, "module") || is(p, "nncf_module"))
            continue;
        if (w->map_operations && is(p, "pre_ops")) {
            part number = cut(w->at), op = cut(behind(&number));
            if (is_number(&number) && is(&op, "op")) {
                w->at = behind(&op);
                *p = (part){"operation", 9};
            }
        }
        return true;
    }
    return false;
}

/* < 0, 0, > 0, part by part. */
static int compare(const char *a, const char *b, bool map_operations)
{
    parts wa = parts_of(a, map_operations), wb = parts_of(b, map_operations);
    for (;;) {
        part pa, pb;
        const bool more_a = next_part(&wa, &pa), more_b = next_part(&wb, &pb);
        if (!more_a || !more_b)
            return (int)more_a - (int)more_b;
        const int order = memcmp(pa.text, pb.text, pa.length < pb.length ? pa.length : pb.length);
        if (order != 0)
            return order;
        if (pa.length != pb.length)
            return pa.length < pb.length ? -1 : 1;
    }
}

typedef struct sorting {
    const nncf__entry *entries;
    bool map_operations;
} sorting;

/* Equal names in the order of the file. */
static bool before(const void *arg, size_t a, size_t b)
{
    const sorting *s = arg;
    const int order = compare(s->entries[a].name, s->entries[b].name, s->map_operations);
    return order != 0 ? order < 0 : a < b;
}

nncf_status nncf__lookup_make(nncf__lookup *lookup, const nncf_checkpoint *checkpoint)
{
    const size_t n = checkpoint->n_entries;
    *lookup = (nncf__lookup){.checkpoint = checkpoint};
    for (int map = 0; map < 2; map++) {
        const sorting s = {checkpoint->entries, map != 0};
        if (!(lookup->order[map] =
                    nncf__calloc(checkpoint->context, n, sizeof *lookup->order[map]))) {
            nncf__lookup_free(lookup);
            return NNCF_E_NOMEM;
        }
        nncf__sort_indices(lookup->order[map], n, before, &s);
    }
    return NNCF_OK;
}

void nncf__lookup_free(nncf__lookup *lookup)
{
    for (int map = 0; map < 2; map++) {
        if (lookup->order[map])
            nncf__free(lookup->checkpoint->context, lookup->order[map]);
        lookup->order[map] = NULL;
    }
}

/* How many entries sort before the name, or up to and including it. */
static size_t bound(const nncf__lookup *lookup, int map, const char *name, bool behind_equal)
{
    size_t low = 0, high = lookup->checkpoint->n_entries;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order =
            compare(lookup->checkpoint->entries[lookup->order[map][middle]].name, name, map != 0);
        if (order < 0 || (order == 0 && behind_equal))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const nncf__entry *nncf__lookup_find(const nncf__lookup *lookup, const char *name, size_t *count)
{
    const nncf__entry *exact = nncf__checkpoint_find(lookup->checkpoint, name);
    *count = exact != NULL;
    for (int map = 0; *count == 0 && map < 2; map++) {
        const size_t first = bound(lookup, map, name, false);
        *count = bound(lookup, map, name, true) - first;
        if (*count > 0)
            return &lookup->checkpoint->entries[lookup->order[map][first]];
    }
    return exact;
}
