/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header's JSON. json-c says whether it is JSON; what json-c lets pass and the format does not (a key twice, a NUL
 * in a string, text behind the object) is looked for here.
 */
#include "io/io.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

typedef struct dtype {
    const char *name;
    uint32_t bits;
    int32_t dtype; /* -1: nncf_tensor does not have it */
} dtype;

/* The published list of element types. */
static const dtype dtypes[] = {
    {"F32", 32, NNCF_F32}, {"U8", 8, NNCF_U8}, {"I8", 8, NNCF_S8}, {"I32", 32, NNCF_I32}, {"I64", 64, NNCF_I64},
    {"F64", 64, NNCF_F64}, {"F16", 16, -1},    {"BF16", 16, -1},   {"BOOL", 8, -1},       {"I16", 16, -1},
    {"U16", 16, -1},       {"U32", 32, -1},    {"U64", 64, -1},    {"F8_E5M2", 8, -1},    {"F8_E4M3", 8, -1},
    {"F8_E8M0", 8, -1},    {"F6_E2M3", 6, -1}, {"F6_E3M2", 6, -1}, {"F4", 4, -1},         {"C64", 64, -1},
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

/* Keys in a JSON text, each occurrence counted. json-c keeps only the last of equal keys, so this number tells whether
 * its tree is the whole text. *flaw: what json-c lets pass though it is not JSON, or cannot be held in a C string. */
static size_t count_keys(const char *text, size_t length, const char **flaw)
{
    size_t keys = 0;
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        if (!in_string) {
            in_string = text[i] == '"';
            keys += text[i] == ':';
            if (text[i] == '\'')
                *flaw = "the header is not JSON: a name in single quotes";
        } else if (text[i] == '\\') {
            i++;
            if (length - i > 4 && memcmp(text + i, "u0000", 5) == 0)
                *flaw = "the header has a NUL in a string";
        } else if (text[i] == '"') {
            in_string = false;
        }
    }
    return keys;
}

static size_t count_members(struct json_object *value)
{
    size_t keys = 0;
    if (json_object_is_type(value, json_type_object)) {
        struct json_object_iterator it = json_object_iter_begin(value), end = json_object_iter_end(value);
        for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it))
            keys += 1 + count_members(json_object_iter_peek_value(&it));
    } else if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++)
            keys += count_members(json_object_array_get_idx(value, i));
    }
    return keys;
}

static nncf_status complain(const nncf_checkpoint *c, nncf_error *err, const char *name, const char *what)
{
    return nncf__fail(err, NNCF_E_FORMAT, name, "%s: tensor \"%.64s\": %s", c->path, name, what);
}

/* A whole number >= 0 that fits int64. json-c clamps larger ones, and the clamped value is out of every bound here. */
static bool read_size(struct json_object *value, int64_t *size)
{
    if (!json_object_is_type(value, json_type_int))
        return false;
    *size = json_object_get_int64(value);
    return *size >= 0 && *size < INT64_MAX;
}

static nncf_status read_shape(nncf_checkpoint *c, nncf__entry *e, struct json_object *shape, uint64_t *elements,
                              nncf_error *err)
{
    size_t count = 1;
    bool empty = false;
    e->ndim = json_object_array_length(shape);
    e->shape = nncf__calloc(c->context, e->ndim ? e->ndim : 1, sizeof *e->shape);
    if (!e->shape)
        return nncf__fail(err, NNCF_E_NOMEM, e->name, "out of memory");
    for (size_t i = 0; i < e->ndim; i++) {
        if (!read_size(json_object_array_get_idx(shape, i), &e->shape[i]))
            return complain(c, err, e->name, "a size in the shape is not a whole number >= 0");
        empty = empty || e->shape[i] == 0;
        if (e->shape[i] > 0 && !nncf__mul(count, (size_t)e->shape[i], &count))
            return complain(c, err, e->name, "the shape has more elements than can be counted");
    }
    *elements = empty ? 0 : count;
    return NNCF_OK;
}

static nncf_status read_entry(nncf_checkpoint *c, nncf__entry *e, struct json_object *value, uint64_t data_size,
                              nncf_error *err)
{
    struct json_object *type, *shape, *offsets;
    int64_t range[2];
    uint64_t elements = 0;
    if (!json_object_is_type(value, json_type_object) || !json_object_object_get_ex(value, "dtype", &type) ||
        !json_object_object_get_ex(value, "shape", &shape) ||
        !json_object_object_get_ex(value, "data_offsets", &offsets) || json_object_object_length(value) != 3)
        return complain(c, err, e->name, "must be an object of dtype, shape and data_offsets");
    if (!json_object_is_type(type, json_type_string) || !json_object_is_type(shape, json_type_array) ||
        !json_object_is_type(offsets, json_type_array) || json_object_array_length(offsets) != 2)
        return complain(c, err, e->name, "dtype must be a string, shape an array, data_offsets an array of two");
    e->bits = 0;
    for (size_t i = 0; i < N_DTYPES; i++) {
        if (strcmp(json_object_get_string(type), dtypes[i].name) == 0) {
            e->dtype = dtypes[i].dtype;
            e->type = dtypes[i].name;
            e->bits = dtypes[i].bits;
        }
    }
    if (e->bits == 0)
        return complain(c, err, e->name, "dtype is not one of the format's");
    nncf_status status = read_shape(c, e, shape, &elements, err);
    if (status != NNCF_OK)
        return status;
    for (size_t i = 0; i < 2; i++)
        if (!read_size(json_object_array_get_idx(offsets, i), &range[i]))
            return complain(c, err, e->name, "data_offsets must be whole numbers >= 0");
    e->begin = (uint64_t)range[0];
    e->end = (uint64_t)range[1];
    if (e->begin > e->end || e->end > data_size)
        return complain(c, err, e->name, "data_offsets lie outside the file");
    size_t bits;
    if (!nncf__mul((size_t)elements, e->bits, &bits) || bits % 8 != 0 || bits / 8 != e->end - e->begin)
        return complain(c, err, e->name, "dtype, shape and data_offsets do not fit together");
    return NNCF_OK;
}

/* A copy in c->strings, which has as many bytes as the header: there each string has its quotes besides. */
static char *keep(nncf_checkpoint *c, const char *text)
{
    size_t n = strlen(text) + 1;
    if (n > c->strings_size - c->strings_used)
        return NULL;
    char *to = c->strings + c->strings_used;
    memcpy(to, text, n);
    c->strings_used += n;
    return to;
}

static nncf_status read_texts(nncf_checkpoint *c, struct json_object *metadata, nncf_error *err)
{
    static const char where[] = "__metadata__";
    if (!json_object_is_type(metadata, json_type_object))
        return nncf__fail(err, NNCF_E_FORMAT, where, "%s: __metadata__ is not an object", c->path);
    size_t count = (size_t)json_object_object_length(metadata);
    c->texts = nncf__calloc(c->context, count ? count : 1, sizeof *c->texts);
    if (!c->texts)
        return nncf__fail(err, NNCF_E_NOMEM, where, "out of memory");
    struct json_object_iterator it = json_object_iter_begin(metadata), end = json_object_iter_end(metadata);
    for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
        struct json_object *value = json_object_iter_peek_value(&it);
        const char *key = json_object_iter_peek_name(&it);
        if (!json_object_is_type(value, json_type_string))
            return nncf__fail(err, NNCF_E_FORMAT, where, "%s: __metadata__: \"%.64s\" is not a string", c->path, key);
        nncf__pair *pair = &c->texts[c->n_texts++];
        pair->key = keep(c, key);
        pair->value = keep(c, json_object_get_string(value));
        if (!pair->key || !pair->value)
            return nncf__fail(err, NNCF_E_INTERNAL, where, "the texts take more room than the header");
    }
    return NNCF_OK;
}

static nncf_status read_members(nncf_checkpoint *c, struct json_object *root, uint64_t data_size, nncf_error *err)
{
    size_t count = (size_t)json_object_object_length(root);
    c->entries = nncf__calloc(c->context, count ? count : 1, sizeof *c->entries);
    if (!c->entries)
        return nncf__fail(err, NNCF_E_NOMEM, c->path, "out of memory");
    struct json_object_iterator it = json_object_iter_begin(root), end = json_object_iter_end(root);
    for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
        const char *name = json_object_iter_peek_name(&it);
        struct json_object *value = json_object_iter_peek_value(&it);
        nncf_status status;
        if (strcmp(name, "__metadata__") == 0) {
            status = read_texts(c, value, err);
        } else {
            nncf__entry *e = &c->entries[c->n_entries++];
            if (!(e->name = keep(c, name)))
                return nncf__fail(err, NNCF_E_INTERNAL, c->path, "the names take more room than the header");
            status = read_entry(c, e, value, data_size, err);
        }
        if (status != NNCF_OK)
            return status;
    }
    return NNCF_OK;
}

nncf_status nncf__header_parse(nncf_checkpoint *checkpoint, const char *text, size_t length, uint64_t data_size,
                               nncf_error *err)
{
    enum { MAX_DEPTH = 8 };
    const char *path = checkpoint->path;
    checkpoint->strings_size = length;
    if (!(checkpoint->strings = nncf__alloc(checkpoint->context, length)))
        return nncf__fail(err, NNCF_E_NOMEM, path, "out of memory");
    struct json_tokener *tokener = json_tokener_new_ex(MAX_DEPTH);
    if (!tokener)
        return nncf__fail(err, NNCF_E_NOMEM, path, "out of memory");
    json_tokener_set_flags(tokener,
                           JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8 | JSON_TOKENER_ALLOW_TRAILING_CHARS);
    struct json_object *root = json_tokener_parse_ex(tokener, text, (int)length);
    enum json_tokener_error problem = json_tokener_get_error(tokener);
    size_t end = json_tokener_get_parse_end(tokener);
    json_tokener_free(tokener);
    const char *flaw = NULL;
    nncf_status status = NNCF_OK;
    while (problem == json_tokener_success && end < length && text[end] == ' ')
        end++; /* writers pad so that the data is aligned */
    if (problem == json_tokener_continue)
        status = nncf__fail(err, NNCF_E_FORMAT, path, "%s: the header's JSON is cut off", path);
    else if (problem != json_tokener_success)
        status = nncf__fail(err, NNCF_E_FORMAT, path, "%s: the header is not JSON: %s", path,
                            json_tokener_error_desc(problem));
    else if (end != length || !json_object_is_type(root, json_type_object))
        status = nncf__fail(err, NNCF_E_FORMAT, path, "%s: the header is not one JSON object", path);
    else if (count_keys(text, length, &flaw) != count_members(root) || flaw)
        status =
            nncf__fail(err, NNCF_E_FORMAT, path, "%s: %s", path, flaw ? flaw : "the header has the same name twice");
    else
        status = read_members(checkpoint, root, data_size, err);
    if (status == NNCF_E_FORMAT && err && problem != json_tokener_success)
        err->offset = 8 + end;
    json_object_put(root);
    return status;
}

/* The walk over two trees at once. */
typedef struct walk {
    char path[192];
    nncf__text *lines;
    size_t count;
} walk;

static void differ(walk *w, struct json_object *a, struct json_object *b);

/* One step deeper: `format` of the key or index. */
static void descend(walk *w, struct json_object *a, struct json_object *b, const char *key, size_t index)
{
    const size_t length = strlen(w->path), left = sizeof w->path - length;
    if (key)
        snprintf(w->path + length, left, "%s%s", length ? "." : "", key);
    else
        snprintf(w->path + length, left, "[%zu]", index);
    differ(w, a, b);
    w->path[length] = 0;
}

static void differ_objects(walk *w, struct json_object *a, struct json_object *b)
{
    for (int side = 0; side < 2; side++) {
        struct json_object *from = side ? b : a, *other = side ? a : b;
        struct json_object_iterator it = json_object_iter_begin(from), end = json_object_iter_end(from);
        for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
            const char *key = json_object_iter_peek_name(&it);
            struct json_object *value = json_object_iter_peek_value(&it), *match = NULL;
            bool there = json_object_object_get_ex(other, key, &match);
            if (side == 0)
                descend(w, value, match, key, 0);
            else if (!there)
                descend(w, NULL, value, key, 0);
        }
    }
}

static void differ(walk *w, struct json_object *a, struct json_object *b)
{
    if (json_object_is_type(a, json_type_object) && json_object_is_type(b, json_type_object)) {
        differ_objects(w, a, b);
        return;
    }
    if (json_object_is_type(a, json_type_array) && json_object_is_type(b, json_type_array)) {
        size_t n = json_object_array_length(a), m = json_object_array_length(b);
        for (size_t i = 0; i < n || i < m; i++)
            descend(w, i < n ? json_object_array_get_idx(a, i) : NULL, i < m ? json_object_array_get_idx(b, i) : NULL,
                    NULL, i);
        return;
    }
    if (json_object_equal(a, b))
        return;
    w->count++;
    nncf__text_printf(w->lines, "%s is %.48s here, ", w->path, a ? json_object_to_json_string(a) : "nothing");
    nncf__text_printf(w->lines, "%.48s in the snapshot\n", b ? json_object_to_json_string(b) : "nothing");
}

/* The canonical form of NNCF 1.1 is the array of algorithms alone; the others have it at "compression". NULL: no
 * memory.
 */
static struct json_object *parse_config(const char *text)
{
    struct json_object *root = json_tokener_parse(text);
    if (!json_object_is_type(root, json_type_array))
        return root;
    struct json_object *whole = json_object_new_object(), *dialect = json_object_new_string("1.1");
    if (!whole || !dialect || json_object_object_add(whole, "nncf_dialect", dialect) != 0) {
        json_object_put(dialect);
        json_object_put(root);
    } else if (json_object_object_add(whole, "compression", root) == 0) {
        return whole;
    } else {
        json_object_put(root);
    }
    json_object_put(whole);
    return NULL;
}

size_t nncf__config_differences(const char *ours, const char *theirs, nncf__text *lines)
{
    walk w = {.lines = lines};
    if (strcmp(ours, theirs) == 0)
        return 0;
    struct json_object *a = parse_config(ours), *b = parse_config(theirs);
    if (a && b)
        differ(&w, a, b);
    if (w.count == 0) { /* an empty text, or equal values written differently */
        w.count = 1;
        nncf__text_printf(lines, "the texts differ\n");
    }
    json_object_put(a);
    json_object_put(b);
    return w.count;
}
