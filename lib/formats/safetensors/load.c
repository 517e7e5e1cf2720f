/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a file: the header, its entries put into the order of their data, the checksums of our
 * own files, the data. Nothing is allocated from a size that the file merely claims: the header's
 * length is bounded by the file's size first, and the data is what follows the header in the file.
 */
#include "formats/safetensors/load.h"

#include "base/alloc.h"
#include "base/error.h"
#include "formats/safetensors/crc32c.h"
#include "formats/safetensors/file.h"
#include "formats/safetensors/header.h"
#include "formats/safetensors/names.h"
#include "formats/safetensors/safetensors.h"
#include "formats/safetensors/tensors.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/context.h>

#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
    "tensors are kept in the file as they are in memory");

static bool before(const void *arg, size_t a, size_t b)
{
    const nncf__entry *e = arg;
    if (e[a].begin != e[b].begin)
        return e[a].begin < e[b].begin;
    return e[a].end != e[b].end ? e[a].end < e[b].end : a < b;
}

static bool name_before(const void *arg, size_t a, size_t b)
{
    const nncf__entry *e = arg;
    return strcmp(e[a].name, e[b].name) < 0;
}

/* Put the entries into the order of their data; check that they cover it without holes and
 * overlaps, and that no name is there twice. */
static nncf_status arrange(nncf_checkpoint *c, uint64_t data_size, nncf_error *err)
{
    const size_t n = c->n_entries;
    size_t *order = nncf__calloc(c->context, n ? n : 1, sizeof *order);
    nncf__entry *sorted = nncf__calloc(c->context, n ? n : 1, sizeof *sorted);
    if (!order || !sorted) {
        nncf__free(c->context, order);
        nncf__free(c->context, sorted);
        return nncf__fail(err, NNCF_E_NOMEM, c->path, "out of memory");
    }
    nncf__sort_indices(order, n, before, c->entries);
    for (size_t i = 0; i < n; i++)
        sorted[i] = c->entries[order[i]];
    nncf__free(c->context, c->entries);
    c->entries = sorted;
    nncf__sort_indices(order, n, name_before, c->entries);
    c->by_name = order;
    for (size_t i = 1; i < n; i++) {
        const char *name = c->entries[order[i]].name;
        if (strcmp(c->entries[order[i - 1]].name, name) == 0)
            return nncf__fail(err, NNCF_E_FORMAT, name,
                "%s: the header has the name \"%.64s\" twice", c->path, name);
    }
    uint64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const nncf__entry *e = &c->entries[i];
        if (e->begin != at)
            return nncf__fail(err, NNCF_E_FORMAT, e->name, "%s: tensor \"%.64s\" %s", c->path,
                e->name, e->begin < at ? "overlaps the one before it" : "leaves a hole before it");
        at = e->end;
    }
    if (at != data_size)
        return nncf__fail(err, NNCF_E_FORMAT, c->path, "%s: %llu bytes behind the last tensor",
            c->path, (unsigned long long)(data_size - at));
    return NNCF_OK;
}

/* Bytes from one tensor's place to the next one's. */
static size_t padded(const nncf__entry *e)
{
    return ((size_t)(e->end - e->begin) + NNCF__ALIGNMENT - 1) / NNCF__ALIGNMENT * NNCF__ALIGNMENT;
}

/* Read the tensors, each to an aligned place wherever the file has it: a view needs no copy then.
 * The memory is the file's data and at most 7 bytes a tensor. */
static nncf_status read_data(nncf_checkpoint *c, const nncf__source *source, nncf_error *err)
{
    size_t total = 0;
    nncf_status status = NNCF_OK;
    for (size_t i = 0; i < c->n_entries;
         i++) /* they cover the data, which is no larger than the file: no overflow */
        total += padded(&c->entries[i]);
    if (total > PTRDIFF_MAX || !(c->data = nncf__alloc(c->context, total)))
        return nncf__fail(
            err, NNCF_E_NOMEM, c->path, "%s: no memory for %zu bytes of tensors", c->path, total);
    char *to = c->data;
    for (size_t i = 0; status == NNCF_OK && i < c->n_entries; i++) {
        nncf__entry *e = &c->entries[i];
        e->data = to;
        status = nncf__source_read(source, to, (size_t)(e->end - e->begin), err);
        to += padded(e);
    }
    return status;
}

static bool parse_hex(const char *text, uint32_t *value)
{
    uint32_t v = 0;
    for (int i = 0; i < NNCF__HEX; i++) {
        char ch = text[i];
        if (ch >= '0' && ch <= '9')
            v = v << 4 | (uint32_t)(ch - '0');
        else if (ch >= 'a' && ch <= 'f')
            v = v << 4 | (uint32_t)(ch - 'a' + 10);
        else
            return false;
    }
    *value = v;
    return true;
}

static nncf_status damaged(
    const nncf_checkpoint *c, const char *where, const char *what, nncf_error *err)
{
    return nncf__fail(err, NNCF_E_FORMAT, where,
        "%s: %s: the file is damaged, or another program rewrote it and kept "
        "the \"nncf.\" texts",
        c->path, what);
}

/* The header's checksum and what it should be, before the header's strings are resolved in place.
 */
typedef struct header_sum {
    bool there;
    uint32_t expected, computed;
} header_sum;

static header_sum sum_header(char *header, size_t length)
{
    header_sum sum = {0};
    char *digits = header + 8 + NNCF__CHECKSUM_AT, kept[NNCF__HEX];
    if (length < 8 + NNCF__CHECKSUM_AT + NNCF__HEX ||
        memcmp(header + 8, NNCF__CHECKSUM_PREFIX, NNCF__CHECKSUM_AT) != 0 ||
        !parse_hex(digits, &sum.expected))
        return sum;
    sum.there = true;
    memcpy(kept, digits, NNCF__HEX);
    memset(digits, '0', NNCF__HEX);
    sum.computed = nncf__crc32c(0, header, length);
    memcpy(digits, kept, NNCF__HEX);
    return sum;
}

/* Files of this library have "nncf." texts, and then carry checksums of the header and of
 * every tensor. */
static nncf_status check_own_header(
    const nncf_checkpoint *c, const header_sum *sum, bool *own, nncf_error *err)
{
    *own = false;
    for (size_t i = 0; i < c->n_texts; i++)
        *own = *own || strncmp(c->texts[i].key, "nncf.", 5) == 0;
    if (!*own)
        return NNCF_OK;
    const char *format = nncf_checkpoint_get_text(c, "nncf.format");
    int64_t version;
    if (!format || !nncf__parse_int64(format, &version) || version < 1)
        return damaged(c, "nncf.format", "the format version is missing", err);
    if (version > NNCF__FORMAT_VERSION)
        return nncf__fail(err, NNCF_E_VERSION, "nncf.format",
            "%s: written by a newer library (snapshot format %lld, this one reads up to %d)",
            c->path, (long long)version, (int)NNCF__FORMAT_VERSION);
    if (!sum->there)
        return damaged(c, "nncf.header_crc32c", "the header's checksum is missing", err);
    if (sum->computed != sum->expected)
        return damaged(c, "nncf.header_crc32c", "the header does not match its checksum", err);
    return NNCF_OK;
}

static nncf_status check_own_data(const nncf_checkpoint *c, nncf_error *err)
{
    const char *sums = nncf_checkpoint_get_text(c, "nncf.crc32c");
    if (!sums || strlen(sums) / NNCF__HEX != c->n_entries || strlen(sums) % NNCF__HEX != 0)
        return damaged(c, "nncf.crc32c", "the tensors' checksums are missing", err);
    for (size_t i = 0; i < c->n_entries; i++) {
        const nncf__entry *e = &c->entries[i];
        uint32_t expected;
        if (!parse_hex(sums + NNCF__HEX * i, &expected) ||
            nncf__crc32c(0, e->data, (size_t)(e->end - e->begin)) != expected)
            return nncf__fail(err, NNCF_E_FORMAT, e->name,
                "%s: tensor \"%.64s\" does not match its checksum: the file is damaged", c->path,
                e->name);
    }
    return NNCF_OK;
}

/* The 8 bytes and the header that they announce; *length is of both. */
static nncf_status read_header(
    nncf_checkpoint *c, const nncf__source *source, size_t *length, nncf_error *err)
{
    uint8_t prefix[8];
    uint64_t announced = 0;
    if (source->size < sizeof prefix + 2)
        return nncf__fail(err, NNCF_E_FORMAT, c->path,
            "%s: %llu bytes are too few for a safetensors file", c->path,
            (unsigned long long)source->size);
    nncf_status status = nncf__source_read(source, prefix, sizeof prefix, err);
    if (status != NNCF_OK)
        return status;
    for (int i = 7; i >= 0; i--)
        announced = announced << 8 | prefix[i];
    if (announced > source->size - sizeof prefix || announced > NNCF__HEADER_LIMIT || announced < 2)
        return nncf__fail(err, NNCF_E_FORMAT, c->path,
            "%s: the first 8 bytes announce a header of %llu bytes, the file has %llu: not a "
            "safetensors "
            "file, or cut off",
            c->path, (unsigned long long)announced, (unsigned long long)source->size);
    *length = (size_t)announced + sizeof prefix;
    if (!(c->header = nncf__alloc(c->context, *length)))
        return nncf__fail(err, NNCF_E_NOMEM, c->path, "out of memory");
    memcpy(c->header, prefix, sizeof prefix);
    return nncf__source_read(source, c->header + sizeof prefix, (size_t)announced, err);
}

nncf_status nncf__safetensors_load(nncf_checkpoint *c, const nncf__source *source, nncf_error *err)
{
    size_t length = 0;
    bool own = false;
    nncf_status status = read_header(c, source, &length, err);
    if (status != NNCF_OK)
        return status;
    const uint64_t data_size = source->size - length;
    const header_sum sum = sum_header(c->header, length);
    status = nncf__header_parse(c, length - 8, data_size, err);
    if (status == NNCF_OK)
        status = arrange(c, data_size, err);
    if (status == NNCF_OK)
        status = check_own_header(c, &sum, &own, err);
    if (status == NNCF_OK)
        status = read_data(c, source, err);
    return status == NNCF_OK && own ? check_own_data(c, err) : status;
}
