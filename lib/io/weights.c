/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights from elsewhere, found by name. Two names are the same when their parts are, after what wrappers add has been
 * taken away: the parts "module" and "nncf_module" of PyTorch's and NNCF's wrappers, and from a scope everything but
 * the fields, so that "ResNet/Sequential[layer1]/BasicBlock[0]/Conv2d[conv1].weight" is "layer1.0.conv1.weight". Where
 * nothing is found "pre_ops.N.op" counts as "operation", because N depends on the order of the algorithms.
 */
#include "io/io.h"

#include <string.h>

/* A walk over the parts of a name. */
typedef struct parts {
    const char *at;
    const char *scope_end; /* up to here the name is a scope; NULL: no part of it is */
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

/* After the scope: "/conv2d_0.weight" and ".weight" both go on with "weight". */
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

static bool same_name(const char *a, const char *b, bool map_operations)
{
    parts wa = parts_of(a, map_operations), wb = parts_of(b, map_operations);
    for (;;) {
        part pa, pb;
        bool more = next_part(&wa, &pa);
        if (more != next_part(&wb, &pb))
            return false;
        if (!more)
            return true;
        if (pa.length != pb.length || memcmp(pa.text, pb.text, pa.length) != 0)
            return false;
    }
}

/* The tensor that `name` means; *count: how many bear that name. */
static const nncf__entry *find(const nncf_checkpoint *c, const char *name, size_t *count)
{
    const nncf__entry *found = nncf__checkpoint_find(c, name);
    *count = found != NULL;
    for (int map = 0; !found && map < 2; map++) {
        *count = 0;
        for (size_t i = 0; i < c->n_entries; i++) {
            if (!same_name(c->entries[i].name, name, map))
                continue;
            found = found ? found : &c->entries[i];
            ++*count;
        }
    }
    return found;
}

/* ---- values ---- */

static float from_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023, bits;
    float value;
    if (exponent == 0) { /* zero and subnormal: fraction * 2^-24, exact in float */
        value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static bool convertible(const nncf__entry *e, const nncf_tensor *t)
{
    if (e->dtype == t->dtype)
        return true;
    return t->dtype == NNCF_F32 &&
           (e->dtype == NNCF_F64 || strcmp(e->type, "F16") == 0 || strcmp(e->type, "BF16") == 0);
}

static void take(const nncf__entry *e, const nncf_tensor *t)
{
    const size_t bytes = (size_t)(e->end - e->begin), n = bytes * 8 / e->bits;
    float *to = t->data;
    if (bytes == 0)
        return;
    if (e->dtype == t->dtype) {
        memcpy(t->data, e->data, bytes);
    } else if (e->dtype == NNCF_F64) {
        for (size_t i = 0; i < n; i++)
            to[i] = (float)((const double *)e->data)[i];
    } else {
        const uint16_t *from = e->data;
        const bool brain = e->type[0] == 'B';
        for (size_t i = 0; i < n; i++) {
            uint32_t bits = (uint32_t)from[i] << 16;
            if (brain)
                memcpy(&to[i], &bits, sizeof bits);
            else
                to[i] = from_half(from[i]);
        }
    }
}

static bool same_shape(const nncf__entry *e, const nncf_tensor *t)
{
    return e->ndim == (size_t)t->ndim && (e->ndim == 0 || memcmp(e->shape, t->shape, e->ndim * sizeof *e->shape) == 0);
}

/* ---- all of them ---- */

static void match(const nncf_checkpoint *c, const nncf_checkpoint_tensor *want, nncf_checkpoint_match *m, bool *used)
{
    size_t count;
    const nncf__entry *e = find(c, want->name, &count);
    *m = (nncf_checkpoint_match){.state = NNCF_MATCH_MISSING};
    if (!e)
        return;
    m->source = e->name;
    used[e - c->entries] = true;
    m->state = count > 1                        ? NNCF_MATCH_AMBIGUOUS
               : !same_shape(e, &want->tensor)  ? NNCF_MATCH_SHAPE
               : !convertible(e, &want->tensor) ? NNCF_MATCH_TYPE
                                                : NNCF_MATCH_LOADED;
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static nncf_status load(const nncf_checkpoint *c, const nncf_checkpoint_tensor *tensors, size_t n_tensors,
                        nncf_checkpoint_match *matches, bool *used, nncf_weights_report *r, nncf_error *err)
{
    for (size_t i = 0; i < n_tensors; i++) {
        match(c, &tensors[i], &matches[i], used);
        r->loaded += matches[i].state == NNCF_MATCH_LOADED;
        r->missing += matches[i].state == NNCF_MATCH_MISSING;
        r->wrong_shape += matches[i].state == NNCF_MATCH_SHAPE;
        r->wrong_type += matches[i].state == NNCF_MATCH_TYPE;
        r->ambiguous += matches[i].state == NNCF_MATCH_AMBIGUOUS;
    }
    if (r->loaded == 0 && n_tensors > 0)
        return nncf__fail(err, NNCF_E_NOTFOUND, c->path,
                          "%s has none of the %zu tensors (%zu names are not in it, %zu shapes and %zu types differ)",
                          c->path, n_tensors, r->missing, r->wrong_shape, r->wrong_type);
    for (size_t i = 0; i < n_tensors; i++) {
        size_t count;
        if (matches[i].state == NNCF_MATCH_LOADED)
            take(find(c, tensors[i].name, &count), &tensors[i].tensor);
    }
    /* PyTorch counts batches beside each batch norm; nothing here has a use for it */
    for (size_t i = 0; i < c->n_entries; i++)
        if (!used[i] && !ends_with(c->entries[i].name, ".num_batches_tracked")) {
            if (r->unexpected < r->capacity)
                r->unexpected_names[r->unexpected] = c->entries[i].name;
            r->unexpected++;
        }
    return NNCF_OK;
}

nncf_status nncf_checkpoint_load_weights(const nncf_checkpoint *checkpoint, const nncf_checkpoint_tensor *tensors,
                                         size_t n_tensors, nncf_checkpoint_match *matches, nncf_weights_report *report,
                                         nncf_error *err)
{
    nncf_weights_report r = {NNCF_PARAMS(nncf_weights_report)};
    if (!checkpoint || (!tensors && n_tensors > 0))
        return nncf__fail(err, NNCF_E_ARG, NULL, "%s is NULL", !checkpoint ? "checkpoint" : "tensors");
    nncf_status status = NNCF_OK;
    for (size_t i = 0; status == NNCF_OK && i < n_tensors; i++)
        status = nncf__io_check_tensor(&tensors[i], i, err);
    if (status == NNCF_OK && report)
        status = nncf__params_copy(&r, sizeof r, report, "nncf_weights_report", err);
    if (status != NNCF_OK)
        return status;
    r = (nncf_weights_report){NNCF_PARAMS(nncf_weights_report), .unexpected_names = r.unexpected_names,
                              .capacity = r.unexpected_names ? r.capacity : 0};
    nncf_context *context = checkpoint->context;
    nncf_checkpoint_match *own = nncf__calloc(context, n_tensors ? n_tensors : 1, sizeof *own);
    bool *used = nncf__calloc(context, checkpoint->n_entries + 1, sizeof *used);
    if (!own || !used)
        status = nncf__fail(err, NNCF_E_NOMEM, checkpoint->path, "out of memory");
    else
        status = load(checkpoint, tensors, n_tensors, own, used, &r, err);
    if (status == NNCF_OK && matches && n_tensors > 0)
        memcpy(matches, own, n_tensors * sizeof *own);
    nncf__free(context, own);
    nncf__free(context, used);
    if (status != NNCF_OK || !report)
        return status;
    return nncf__result_copy(report, &r, sizeof r);
}
