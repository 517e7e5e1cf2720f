/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where two canonical configs differ. One of them comes from a file, so it is bounded: each text
 * becomes one array of nodes in its own order, 16 bytes a value, and members are found by sorting,
 * not by search.
 */
#include "formats/checkpoint/differ.h"

#include "base/alloc.h"
#include "base/text.h"
#include "formats/safetensors/json.h"
#include "formats/safetensors/names.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <stdio.h>
#include <string.h>

/* Deeper than any config goes; below, values are compared as text. */
enum { DEPTH = 24, SHOWN = 48 };

/* A value, or the name of a member, whose value is the next node. Its children follow it. */
typedef struct node {
    /* in the text; of a name without the quotes */
    uint32_t begin, end;
    /* index of the node behind this one and its children */
    uint32_t after;
    /* first character of a value: { [ " t f n - or a digit; 'k': a name */
    char kind;
} node;

typedef struct tree {
    nncf_context *context;
    char *text;
    /* NULL: only count */
    node *nodes;
    size_t count;
} tree;

static size_t add(tree *t, char kind, size_t begin)
{
    if (t->nodes)
        t->nodes[t->count] = (node){.begin = (uint32_t)begin, .kind = kind};
    return t->count++;
}

static void finish(tree *t, size_t index, size_t end)
{
    if (t->nodes) {
        t->nodes[index].end = (uint32_t)end;
        t->nodes[index].after = (uint32_t)t->count;
    }
}

static void add_name(tree *t, nncf__json *j)
{
    nncf__json_span name;
    nncf__json_key(j, &name);
    finish(t, add(t, 'k', name.begin), name.end);
}

/* All nodes of the text, in its order. */
static void read_tree(tree *t, nncf__json *j)
{
    size_t open[NNCF__JSON_DEPTH];
    t->count = 0;
    do {
        const char kind = nncf__json_peek(j);
        const size_t index = add(t, kind, j->at);
        if (kind == '{' || kind == '[') {
            open[j->depth < NNCF__JSON_DEPTH ? j->depth : 0] = index;
            nncf__json_open(j);
        } else {
            nncf__json_skip(j);
            finish(t, index, j->at);
        }
        while (!j->flaw && j->depth > 0 && !nncf__json_more(j))
            if (!j->flaw)
                finish(t, open[j->depth], j->at);
        if (!j->flaw && j->depth > 0 && nncf__json_in_object(j))
            add_name(t, j);
    } while (!j->flaw && j->depth > 0);
    nncf__json_end(j);
}

/* NNCF_E_FORMAT: the text is not JSON. */
static nncf_status make_tree(tree *t, nncf_context *context, const char *text)
{
    static const char front[] = "{\"nncf_dialect\":\"1.1\",\"compression\":";
    nncf__json j;
    nncf__text copy = {.context = context};
    /* the canonical form of NNCF 1.1 is the array of algorithms alone; the others have it at
     * "compression" */
    const bool wrap = text[0] == '[';
    nncf__text_append(&copy, front, wrap ? sizeof front - 1 : 0);
    nncf__text_append(&copy, text, strlen(text));
    nncf__text_append(&copy, "}", wrap ? 1 : 0);
    *t = (tree){.context = context, .text = copy.data};
    if (copy.failed)
        return NNCF_E_NOMEM;
    if (copy.length > UINT32_MAX)
        return NNCF_E_FORMAT;
    nncf__json_start(&j, t->text, copy.length);
    read_tree(t, &j);
    if (j.flaw)
        return NNCF_E_FORMAT;
    if (!(t->nodes = nncf__calloc(context, t->count, sizeof *t->nodes)))
        return NNCF_E_NOMEM;
    nncf__json_start(&j, t->text, copy.length);
    read_tree(t, &j);
    return NNCF_OK;
}

static void free_tree(tree *t)
{
    if (!t->context)
        return;
    nncf__free(t->context, t->nodes);
    nncf__free(t->context, t->text);
}

/* ---- comparing two trees ---- */

typedef struct comparison {
    /* ours, theirs */
    tree trees[2];
    char path[192];
    int depth;
    nncf__text *lines;
    size_t count;
    bool no_memory;
} comparison;

/* A value of either tree, as far as it is there. */
typedef struct pair {
    /* nodes */
    uint32_t at[2];
    bool there[2];
} pair;

static void differ(comparison *w, const pair *p);

static int compare_texts(const tree *s, const node *a, const tree *t, const node *b)
{
    const size_t n = a->end - a->begin, m = b->end - b->begin;
    const int order = memcmp(s->text + a->begin, t->text + b->begin, n < m ? n : m);
    return order != 0 ? order : n < m ? -1 : n > m;
}

static void show(comparison *w, const pair *p, int side, const char *where)
{
    const tree *t = &w->trees[side];
    const node *n = p->there[side] ? &t->nodes[p->at[side]] : NULL;
    size_t length = n ? n->end - n->begin : 0;
    if (length > SHOWN)
        for (length = SHOWN; ((unsigned char)t->text[n->begin + length] & 0xc0) == 0x80;)
            length--; /* not in the middle of a character */
    nncf__text_printf(
        w->lines, "%.*s %s", n ? (int)length : 7, n ? t->text + n->begin : "nothing", where);
}

static void report(comparison *w, const pair *p)
{
    if (w->count++ >= NNCF__MOST_DIFFERENCES)
        return;
    nncf__text_printf(w->lines, "%s is ", w->path[0] ? w->path : "the whole");
    show(w, p, 0, "here, ");
    show(w, p, 1, "in the snapshot\n");
}

/* One step deeper: to the member `name`, or the element `index`. */
static void descend(
    comparison *w, const pair *p, const char *name, size_t name_length, size_t index)
{
    const size_t length = strlen(w->path), left = sizeof w->path - length;
    if (name)
        snprintf(w->path + length, left, "%s%.*s", length ? "." : "",
            (int)(name_length < left ? name_length : left), name);
    else
        snprintf(w->path + length, left, "[%zu]", index);
    w->depth++;
    differ(w, p);
    w->depth--;
    w->path[length] = 0;
}

/* The members of an object, sorted by name. */
typedef struct members {
    const tree *tree;
    /* nodes */
    uint32_t *names;
    size_t *order, count;
} members;

static bool name_before(const void *arg, size_t a, size_t b)
{
    const members *m = arg;
    const node *nodes = m->tree->nodes;
    const int order = compare_texts(m->tree, &nodes[m->names[a]], m->tree, &nodes[m->names[b]]);
    return order != 0 ? order < 0 : a < b;
}

static void find_members(members *m, const tree *t, uint32_t object)
{
    const uint32_t end = t->nodes[object].after;
    *m = (members){.tree = t};
    for (uint32_t i = object + 1; i < end; i = t->nodes[i + 1].after)
        m->count++;
    m->names = nncf__calloc(t->context, m->count, sizeof *m->names);
    m->order = nncf__calloc(t->context, m->count, sizeof *m->order);
    if (!m->names || !m->order)
        return;
    size_t n = 0;
    for (uint32_t i = object + 1; i < end; i = t->nodes[i + 1].after)
        m->names[n++] = i;
    nncf__sort_indices(m->order, m->count, name_before, m);
}

static void differ_members(comparison *w, const members m[2])
{
    size_t next[2] = {0, 0};
    while (next[0] < m[0].count || next[1] < m[1].count) {
        pair p = {{0, 0}, {next[0] < m[0].count, next[1] < m[1].count}};
        const node *names[2] = {NULL, NULL};
        for (int side = 0; side < 2; side++)
            if (p.there[side]) {
                p.at[side] = m[side].names[m[side].order[next[side]]] + 1;
                names[side] = &m[side].tree->nodes[p.at[side] - 1];
            }
        const int order = !p.there[0] ? 1
            : p.there[1]              ? compare_texts(m[0].tree, names[0], m[1].tree, names[1])
                                      : -1;
        p.there[0] = order <= 0;
        p.there[1] = order >= 0;
        const int side = p.there[0] ? 0 : 1;
        descend(w, &p, m[side].tree->text + names[side]->begin,
            names[side]->end - names[side]->begin, 0);
        next[0] += p.there[0];
        next[1] += p.there[1];
    }
}

static void differ_objects(comparison *w, const pair *p)
{
    members m[2];
    for (int side = 0; side < 2; side++)
        find_members(&m[side], &w->trees[side], p->at[side]);
    if (m[0].names && m[0].order && m[1].names && m[1].order)
        differ_members(w, m);
    else
        w->no_memory = true;
    for (int side = 0; side < 2; side++) {
        nncf__free(w->trees[side].context, m[side].names);
        nncf__free(w->trees[side].context, m[side].order);
    }
}

static void differ_arrays(comparison *w, const pair *p)
{
    uint32_t at[2], end[2];
    for (int side = 0; side < 2; side++) {
        at[side] = p->at[side] + 1;
        end[side] = w->trees[side].nodes[p->at[side]].after;
    }
    for (size_t i = 0; at[0] < end[0] || at[1] < end[1]; i++) {
        const pair element = {{at[0], at[1]}, {at[0] < end[0], at[1] < end[1]}};
        descend(w, &element, NULL, 0, i);
        for (int side = 0; side < 2; side++)
            if (element.there[side])
                at[side] = w->trees[side].nodes[at[side]].after;
    }
}

static void differ(comparison *w, const pair *p)
{
    const tree *t = w->trees;
    if (!p->there[0] || !p->there[1]) {
        report(w, p);
        return;
    }
    const node *a = &t[0].nodes[p->at[0]], *b = &t[1].nodes[p->at[1]];
    if (a->kind == '{' && b->kind == '{' && w->depth < DEPTH)
        differ_objects(w, p);
    else if (a->kind == '[' && b->kind == '[' && w->depth < DEPTH)
        differ_arrays(w, p);
    else if (compare_texts(&t[0], a, &t[1], b) != 0)
        report(w, p);
}

nncf_status nncf__config_differences(
    const char *ours, const char *theirs, nncf__text *lines, size_t *count)
{
    *count = 0;
    if (strcmp(ours, theirs) == 0)
        return NNCF_OK;
    comparison w = {.lines = lines};
    nncf_status status = make_tree(&w.trees[0], lines->context, ours);
    if (status == NNCF_OK)
        status = make_tree(&w.trees[1], lines->context, theirs);
    if (status == NNCF_OK) {
        differ(&w, &(pair){{0, 0}, {true, true}});
        if (w.count > NNCF__MOST_DIFFERENCES)
            nncf__text_printf(
                lines, "and %zu differences more\n", w.count - NNCF__MOST_DIFFERENCES);
    }
    if (status != NNCF_E_NOMEM &&
        w.count == 0) { /* one is no JSON, or equal values are written differently */
        w.count = 1;
        nncf__text_printf(lines, "the texts differ\n");
    }
    free_tree(&w.trees[0]);
    free_tree(&w.trees[1]);
    *count = w.count;
    return status == NNCF_E_NOMEM || w.no_memory || lines->failed ? NNCF_E_NOMEM : NNCF_OK;
}
