/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header: one JSON object of tensors, and of texts at "__metadata__". It is read twice by the
 * same code. The first pass checks everything and counts; so the second one, which only fills in,
 * has arrays of the right size, and a header needs at most a few times its own size, whatever is in
 * it. Names and texts stay where they are in the header, resolved in place.
 *
 * What is accepted is what the published reader accepts, less what docs/snapshots.md lists.
 */
#include "formats/safetensors/header.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/error.h"
#include "formats/safetensors/json.h"
#include "formats/safetensors/names.h"
#include "formats/safetensors/safetensors.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/tensor.h>

#include <string.h>

typedef struct dtype {
    const char *name;
    uint32_t bits;
    /* -1: nncf_tensor does not have it */
    int32_t dtype;
} dtype;

/* The published list of element types. */
static const dtype dtypes[] = {
    {"F32", 32, NNCF_F32},
    {"U8", 8, NNCF_U8},
    {"I8", 8, NNCF_S8},
    {"I32", 32, NNCF_I32},
    {"I64", 64, NNCF_I64},
    {"F64", 64, NNCF_F64},
    {"F16", 16, -1},
    {"BF16", 16, -1},
    {"BOOL", 8, -1},
    {"I16", 16, -1},
    {"U16", 16, -1},
    {"U32", 32, -1},
    {"U64", 64, -1},
    {"C64", 64, -1},
    {"F8_E5M2", 8, -1},
    {"F8_E4M3", 8, -1},
    {"F8_E8M0", 8, -1},
    {"F8_E4M3FNUZ", 8, -1},
    {"F8_E5M2FNUZ", 8, -1},
    {"F6_E2M3", 6, -1},
    {"F6_E3M2", 6, -1},
    {"F4", 4, -1},
};
enum { N_DTYPES = sizeof dtypes / sizeof *dtypes };

const char *nncf__dtype_name(int32_t type)
{
    for (size_t i = 0; i < N_DTYPES; i++)
        if (type >= 0 && dtypes[i].dtype == type)
            return dtypes[i].name;
    return NULL;
}

size_t nncf__dtype_size(int32_t type)
{
    for (size_t i = 0; i < N_DTYPES; i++)
        if (type >= 0 && dtypes[i].dtype == type)
            return dtypes[i].bits / 8;
    return 0;
}

static const char metadata[] = "__metadata__";

typedef struct reader {
    nncf_checkpoint *c;
    nncf__json json;
    uint64_t data_size;
    /* the second pass */
    bool fill;
    bool metadata_seen;
    /* so far in this pass */
    size_t n_entries, n_dims, n_texts;
    nncf_error *err;
} reader;

/* What is known of a tensor while its entry is read. */
typedef struct draft {
    nncf__json_span name;
    const dtype *type;
    bool has_shape, has_offsets;
    /* sizes in the shape */
    size_t first_dim, n_dims;
    uint64_t elements;
    uint64_t offsets[2];
} draft;

/* Bytes of a name that a message shows. */
enum { SHOWN = 64 };

/* Where the reading is. */
static nncf__source_location here(const reader *r)
{
    return (nncf__source_location){.offset = 8 + r->json.at};
}

/* A name for messages, cut; `name` has SHOWN + 1 bytes. */
static const char *shown(const reader *r, const nncf__json_span *s, char *name)
{
    name[nncf__json_decode(r->json.text, s, name, SHOWN)] = 0;
    return name;
}

static nncf_status wrong(const reader *r, const draft *d, const char *what)
{
    char name[SHOWN + 1];
    const nncf__source_location place = here(r);
    shown(r, &d->name, name);
    return nncf__fail_at(
        r->err, NNCF_E_FORMAT, &place, name, "%s: tensor \"%s\": %s", r->c->path, name, what);
}

static nncf_status wrong_header(const reader *r, const char *where, const char *what)
{
    const nncf__source_location place = here(r);
    return nncf__fail_at(
        r->err, NNCF_E_FORMAT, &place, where ? where : r->c->path, "%s: %s", r->c->path, what);
}

/* NNCF_OK unless the text had a flaw up to here. */
static nncf_status sound(const reader *r)
{
    const nncf__source_location place = here(r);
    if (!r->json.flaw)
        return NNCF_OK;
    if (r->json.cut)
        return wrong_header(r, NULL, "the header's JSON is cut off");
    return nncf__fail_at(r->err, NNCF_E_FORMAT, &place, r->c->path,
        "%s: the header is not JSON at byte %zu: %s", r->c->path, 8 + r->json.at, r->json.flaw);
}

/* The value at hand is not of the kind that is wanted: is it none at all, which the caller of
 * sound() hears? */
static bool unreadable(reader *r)
{
    const char first = nncf__json_peek(&r->json);
    if (first == 0 || !strchr("{[\"-0123456789tfn", first))
        nncf__json_skip(&r->json);
    return r->json.flaw != NULL;
}

/* A name or text in the C string that it becomes, in place: where its closing quote was is the NUL.
 */
static char *settle(reader *r, const nncf__json_span *s)
{
    char *to = r->c->header + 8 + s->begin;
    to[nncf__json_decode(r->json.text, s, to, s->end - s->begin)] = 0;
    return to;
}

/* A NUL cannot be held in a C string. */
static nncf_status whole(reader *r, const nncf__json_span *s)
{
    nncf_status status = sound(r);
    return status == NNCF_OK && s->nul ? wrong_header(r, NULL, "the header has a NUL in a string")
                                       : status;
}

/* A whole number >= 0 of 64 bits; otherwise nothing is read. */
static bool read_size(nncf__json *j, uint64_t *size)
{
    const char first = nncf__json_peek(j);
    nncf__json_span s;
    if (first < '0' || first > '9')
        return false;
    nncf__json_number(j, &s);
    *size = 0;
    for (size_t i = s.begin; i < s.end; i++) {
        const uint64_t digit = (uint64_t)(j->text[i] - '0');
        if (digit > 9 || *size > (UINT64_MAX - digit) / 10) {
            j->at = s.begin;
            return false;
        }
        *size = 10 * *size + digit;
    }
    return !j->flaw;
}

static nncf_status read_shape(reader *r, draft *d)
{
    size_t count = 1;
    d->has_shape = true;
    d->first_dim = r->n_dims;
    if (nncf__json_peek(&r->json) != '[')
        return unreadable(r) ? sound(r) : wrong(r, d, "shape must be an array");
    nncf__json_open(&r->json);
    while (nncf__json_more(&r->json)) {
        uint64_t size;
        if (!read_size(&r->json, &size))
            return unreadable(r) ? sound(r)
                                 : wrong(r, d, "a size in the shape is not a whole number >= 0");
        if (size > INT64_MAX)
            return wrong(r, d, "a size in the shape is not a whole number below 2^63");
        if (!nncf__mul(count, (size_t)size, &count))
            return wrong(r, d, "the shape has more elements than can be counted");
        if (r->fill)
            r->c->dims[r->n_dims] = (int64_t)size;
        r->n_dims++;
        d->n_dims++;
    }
    d->elements = count;
    return sound(r);
}

static nncf_status read_offsets(reader *r, draft *d)
{
    size_t count = 0;
    d->has_offsets = true;
    if (nncf__json_peek(&r->json) != '[')
        return unreadable(r) ? sound(r) : wrong(r, d, "data_offsets must be an array of two");
    nncf__json_open(&r->json);
    for (; nncf__json_more(&r->json); count++) {
        uint64_t offset;
        if (!read_size(&r->json, &offset))
            return unreadable(r) ? sound(r)
                                 : wrong(r, d, "data_offsets must be whole numbers >= 0");
        if (count < 2)
            d->offsets[count] = offset;
    }
    if (!r->json.flaw && count != 2)
        return wrong(r, d, "data_offsets must be an array of two");
    return sound(r);
}

static nncf_status read_type(reader *r, draft *d)
{
    nncf__json_span s;
    if (nncf__json_peek(&r->json) != '"')
        return unreadable(r) ? sound(r) : wrong(r, d, "dtype must be a string");
    nncf__json_string(&r->json, &s);
    nncf_status status = sound(r);
    for (size_t i = 0; status == NNCF_OK && !d->type && i < N_DTYPES; i++)
        if (nncf__json_is(r->json.text, &s, dtypes[i].name))
            d->type = &dtypes[i];
    return status == NNCF_OK && !d->type ? wrong(r, d, "dtype is not one of the format's") : status;
}

/* The three members of an entry; others are read over, as the published reader does. */
static nncf_status read_member(reader *r, draft *d)
{
    nncf__json_span key;
    nncf__json_key(&r->json, &key);
    nncf_status status = sound(r);
    if (status != NNCF_OK)
        return status;
    const bool type = nncf__json_is(r->json.text, &key, "dtype"),
               shape = nncf__json_is(r->json.text, &key, "shape"),
               offsets = nncf__json_is(r->json.text, &key, "data_offsets");
    if ((type && d->type) || (shape && d->has_shape) || (offsets && d->has_offsets))
        return wrong(r, d, "dtype, shape or data_offsets is there twice");
    if (type)
        return read_type(r, d);
    if (shape)
        return read_shape(r, d);
    if (offsets)
        return read_offsets(r, d);
    nncf__json_skip(&r->json);
    return sound(r);
}

static nncf_status check_entry(reader *r, const draft *d)
{
    size_t bits;
    if (!d->type || !d->has_shape || !d->has_offsets)
        return wrong(r, d, "must be an object with dtype, shape and data_offsets");
    if (d->offsets[0] > d->offsets[1] || d->offsets[1] > r->data_size)
        return wrong(r, d, "data_offsets lie outside the file");
    if (!nncf__mul((size_t)d->elements, d->type->bits, &bits) || bits % 8 != 0 ||
        bits / 8 != d->offsets[1] - d->offsets[0])
        return wrong(r, d, "dtype, shape and data_offsets do not fit together");
    return NNCF_OK;
}

static nncf_status read_entry(reader *r, const nncf__json_span *name)
{
    draft d = {.name = *name};
    nncf_status status = NNCF_OK;
    if (nncf__json_peek(&r->json) != '{')
        return unreadable(r) ? sound(r)
                             : wrong(r, &d, "must be an object with dtype, shape and data_offsets");
    nncf__json_open(&r->json);
    while (status == NNCF_OK && nncf__json_more(&r->json))
        status = read_member(r, &d);
    if (status != NNCF_OK || (status = sound(r)) != NNCF_OK ||
        (status = check_entry(r, &d)) != NNCF_OK)
        return status;
    if (r->fill)
        r->c->entries[r->n_entries] = (nncf__entry){.name = settle(r, &d.name),
            .dtype = d.type->dtype,
            .type = d.type->name,
            .bits = d.type->bits,
            .ndim = d.n_dims,
            .shape = r->c->dims + d.first_dim,
            .begin = d.offsets[0],
            .end = d.offsets[1]};
    r->n_entries++;
    return NNCF_OK;
}

static nncf_status no_string(reader *r, const nncf__json_span *key)
{
    char name[SHOWN + 1];
    const nncf__source_location place = here(r);
    if (unreadable(r))
        return sound(r);
    return nncf__fail_at(r->err, NNCF_E_FORMAT, &place, metadata,
        "%s: __metadata__: \"%s\" is not a string", r->c->path, shown(r, key, name));
}

static nncf_status read_text(reader *r)
{
    nncf__json_span key, value;
    nncf__json_key(&r->json, &key);
    nncf_status status = whole(r, &key);
    if (status != NNCF_OK)
        return status;
    if (nncf__json_peek(&r->json) != '"')
        return no_string(r, &key);
    nncf__json_string(&r->json, &value);
    if ((status = whole(r, &value)) != NNCF_OK)
        return status;
    if (r->fill)
        r->c->texts[r->n_texts] = (nncf__pair){settle(r, &key), settle(r, &value)};
    r->n_texts++;
    return NNCF_OK;
}

static nncf_status read_metadata(reader *r)
{
    nncf_status status = NNCF_OK;
    if (r->metadata_seen)
        return wrong_header(r, metadata, "__metadata__ is there twice");
    r->metadata_seen = true;
    const char first = nncf__json_peek(&r->json);
    if (first == 'n') { /* the published reader takes null for none */
        nncf__json_skip(&r->json);
        return sound(r);
    }
    if (first != '{')
        return unreadable(r) ? sound(r)
                             : wrong_header(r, metadata, "__metadata__ is not an object");
    nncf__json_open(&r->json);
    while (status == NNCF_OK && nncf__json_more(&r->json))
        status = read_text(r);
    return status == NNCF_OK ? sound(r) : status;
}

static nncf_status read_root(reader *r, const char *text, size_t length)
{
    nncf_status status = NNCF_OK;
    nncf__json_start(&r->json, text, length);
    r->metadata_seen = false;
    r->n_entries = r->n_dims = r->n_texts = 0;
    if (nncf__json_peek(&r->json) != '{')
        return wrong_header(r, NULL, "the header is not one JSON object");
    nncf__json_open(&r->json);
    while (status == NNCF_OK && nncf__json_more(&r->json)) {
        nncf__json_span name;
        nncf__json_key(&r->json, &name);
        if ((status = whole(r, &name)) != NNCF_OK)
            break;
        status = nncf__json_is(text, &name, metadata) ? read_metadata(r) : read_entry(r, &name);
    }
    if (status != NNCF_OK || (status = sound(r)) != NNCF_OK)
        return status;
    nncf__json_end(&r->json);
    return r->json.flaw ? wrong_header(r, NULL, "the header is not one JSON object") : NNCF_OK;
}

static bool key_before(const void *arg, size_t a, size_t b)
{
    const nncf__pair *texts = arg;
    return strcmp(texts[a].key, texts[b].key) < 0;
}

static nncf_status sort_texts(nncf_checkpoint *c, nncf_error *err)
{
    nncf__sort_indices(c->by_key, c->n_texts, key_before, c->texts);
    for (size_t i = 1; i < c->n_texts; i++) {
        const char *key = c->texts[c->by_key[i]].key;
        if (strcmp(c->texts[c->by_key[i - 1]].key, key) == 0)
            return nncf__fail(err, NNCF_E_FORMAT, metadata,
                "%s: __metadata__ has the name \"%.64s\" twice", c->path, key);
    }
    return NNCF_OK;
}

static nncf_status make_capacity(nncf_checkpoint *c, const reader *r)
{
    c->entries = nncf__calloc(c->context, r->n_entries, sizeof *c->entries);
    c->dims = nncf__calloc(c->context, r->n_dims, sizeof *c->dims);
    c->texts = nncf__calloc(c->context, r->n_texts, sizeof *c->texts);
    c->by_key = nncf__calloc(c->context, r->n_texts, sizeof *c->by_key);
    return c->entries && c->dims && c->texts && c->by_key ? NNCF_OK : NNCF_E_NOMEM;
}

nncf_status nncf__header_parse(
    nncf_checkpoint *c, size_t length, uint64_t data_size, nncf_error *err)
{
    reader r = {.c = c, .data_size = data_size, .err = err};
    const char *text = c->header + 8;
    nncf_status status = read_root(&r, text, length);
    if (status != NNCF_OK)
        return status;
    if (make_capacity(c, &r) != NNCF_OK)
        return nncf__fail(err, NNCF_E_NOMEM, c->path, "out of memory");
    r.fill = true;
    if ((status = read_root(&r, text, length)) != NNCF_OK)
        return status;
    c->n_entries = r.n_entries;
    c->n_texts = r.n_texts;
    return sort_texts(c, err);
}
