/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Damaged snapshots, more than 100,000: cut at every byte, every bit of the header flipped, random
 * bits of the data, pieces moved about; and the same for files without checksums, where the
 * reader's bounds are all there is. A damaged file is refused or has the same content; the memory
 * that opening takes is bounded by the file's size.
 */
#include "fuzz/checkpoint_target.h"
#include "support/fixture.h"

#include <stdio.h>
#include <unistd.h>

enum { RANDOM_BITS = 80000, RANDOM_PIECES = 20000, FOREIGN_CHANGES = 30000 };

typedef struct subject {
    target_memory memory;
    nncf_context *context;
    uint8_t *file; /* as saved */
    size_t size, header;
    uint8_t *work; /* the damaged copy, of exactly its size */
    long cases, refused, same, other;
    size_t worst; /* peak memory beyond the file's size */
} subject;

static subject s;

static int32_t collect(void *user, const void *data, size_t size)
{
    (void)user;
    s.file = realloc(s.file, s.size + size);
    ck_assert_ptr_nonnull(s.file);
    memcpy(s.file + s.size, data, size);
    s.size += size;
    return 0;
}

static size_t header_of(const uint8_t *file)
{
    size_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | file[i];
    return 8 + n;
}

/* A snapshot with a controller's state and tensors of several types. */
static void save_snapshot(void)
{
    static float floats[40] = {1.5f, -2};
    static double doubles[3] = {0.1, 1e300};
    static uint8_t bytes[77] = {1, 2, 3};
    static int64_t longs[2] = {INT64_MIN, INT64_MAX};
    static const int64_t n40[] = {4, 10}, n3[] = {3}, n77[] = {7, 11, 1}, n2[] = {2}, n0[] = {0, 5};
    const nncf_checkpoint_tensor tensors[] = {
        {"features.0.0.weight", {.data = floats, .dtype = NNCF_F32, .ndim = 2, .shape = n40}},
        {"optimizer.exp_avg", {.data = doubles, .dtype = NNCF_F64, .ndim = 1, .shape = n3}},
        {"bytes", {.data = bytes, .dtype = NNCF_U8, .ndim = 3, .shape = n77}},
        {"longs", {.data = longs, .dtype = NNCF_I64, .ndim = 1, .shape = n2}},
        {"none", {.data = NULL, .dtype = NNCF_F32, .ndim = 2, .shape = n0}}};
    const nncf_checkpoint_text texts[] = {
        {"epoch", "7"}, {"note", "a \"quoted\"\n\\ text, \xe2\x82\xac"}};
    uint64_t state = 1;
    fx_block k = {.scope = "net/conv", .in_channels = 3, .out_channels = 5, .kernel = {3, 3}};
    nncf_context *context = fx_new_context(NULL, 1, 0, 42);
    nncf_model *model;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_model_create(context, &model, NULL), NNCF_OK);
    fx_register(model, &k, NULL, &state);
    nncf_compression_ctrl *ctrl = fx_ctrl(model, FX_CONFIG(FX_MAGNITUDE ", " FX_INT8));
    const nncf_checkpoint_save_params p = {
        NNCF_PARAMS(nncf_checkpoint_save_params), .texts = texts, .n_texts = 2, .write = collect};
    ck_assert_msg(
        nncf_checkpoint_save(ctrl, NULL, tensors, 5, &p, &err) == NNCF_OK, "%s", err.message);
    s.header = header_of(s.file);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    nncf_context_destroy(context);
    fx_release(&k);
}

static void begin(void)
{
    s = (subject){0};
    s.context = target_context(&s.memory);
    ck_assert_ptr_nonnull(s.context);
}

static void end(void)
{
    nncf_context_destroy(s.context);
    if (s.memory.live != 0)
        ck_abort_msg("%zu bytes are left", s.memory.live);
    free(s.file);
    free(s.work);
}

/* Everything that can be asked of two snapshots gives the same answer. */
static bool same_content(const nncf_checkpoint *a, const nncf_checkpoint *b)
{
    static const size_t sizes[] = {4, 1, 1, 4, 8, 8};
    static const char *const keys[] = {
        "epoch", "note", "nncf.config", "nncf.seed", "nncf.epoch", "nncf.crc32c"};
    if (nncf_checkpoint_get_tensor_count(a) != nncf_checkpoint_get_tensor_count(b))
        return false;
    for (size_t i = 0; i < nncf_checkpoint_get_tensor_count(a); i++) {
        nncf_tensor t, u;
        const char *name = nncf_checkpoint_get_tensor_name(a, i);
        if (nncf_checkpoint_get_tensor(a, name, &t, NULL) != NNCF_OK ||
            nncf_checkpoint_get_tensor(b, name, &u, NULL) != NNCF_OK || t.dtype != u.dtype ||
            t.ndim != u.ndim || memcmp(t.shape, u.shape, (size_t)t.ndim * sizeof *t.shape) != 0)
            return false;
        size_t bytes = sizes[t.dtype];
        for (int32_t j = 0; j < t.ndim; j++)
            bytes *= (size_t)t.shape[j];
        if (memcmp(t.data, u.data, bytes) != 0)
            return false;
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *t = nncf_checkpoint_get_text(a, keys[i]),
                   *u = nncf_checkpoint_get_text(b, keys[i]);
        if (!t != !u || (t && strcmp(t, u) != 0))
            return false;
    }
    return true;
}

/* Open s.work, `size` bytes. `whole`: what its content must be when it opens; NULL: a file without
 * checksums. */
static void judge(size_t size, const nncf_checkpoint *whole, const char *what, size_t where)
{
    nncf_checkpoint *c = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    const size_t before = s.memory.live;
    s.memory.peak = before;
    nncf_status status = target_open(s.context, s.work, size, &c, &err);
    s.cases++;
    if (status == NNCF_OK) {
        volatile unsigned sum = target_touch(c);
        (void)sum;
        bool same = !whole || same_content(whole, c);
        nncf_checkpoint_close(c);
        if (!same)
            ck_abort_msg("%s at %zu went unnoticed", what, where);
        *(whole ? &s.same : &s.other) += 1;
    } else {
        if ((status != NNCF_E_FORMAT && status != NNCF_E_VERSION) || c || !err.message[0])
            ck_abort_msg("%s at %zu: status %d, %s", what, where, (int)status, err.message);
        s.refused++;
    }
    size_t peak = s.memory.peak - before;
    if (s.memory.live != before)
        ck_abort_msg("%s at %zu: %zu bytes are left", what, where, s.memory.live - before);
    if (peak > target_bound(size, size < 8 ? size : header_of(s.work)))
        ck_abort_msg("%s at %zu: %zu bytes for a file of %zu", what, where, peak, size);
    if (peak > size && peak - size > s.worst)
        s.worst = peak - size;
}

/* The working copy, made anew with exactly `size` bytes. */
static void renew(size_t size)
{
    free(s.work);
    s.work = fx_alloc(size, 1);
    memcpy(s.work, s.file, size < s.size ? size : s.size);
}

static void flip(size_t bit)
{
    s.work[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static void tell(const char *what)
{
    printf("%s: a file of %zu bytes (header %zu), %ld cases: %ld refused, %ld with the same "
           "content, %ld other; at most "
           "%zu bytes more than the file\n",
        what, s.size, s.header, s.cases, s.refused, s.same, s.other, s.worst);
}

static nncf_checkpoint *open_whole(void)
{
    nncf_checkpoint *c = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(target_open(s.context, s.file, s.size, &c, &err) == NNCF_OK, "%s", err.message);
    return c;
}

START_TEST(damaged_snapshots_are_refused)
{
    uint64_t state = 5;
    save_snapshot();
    nncf_checkpoint *whole = open_whole();
    for (size_t cut = 0; cut < s.size; cut++) {
        renew(cut);
        judge(cut, whole, "a cut", cut);
    }
    ck_assert_int_eq(s.refused, (long)s.size);
    renew(s.size + 1);
    judge(s.size + 1, whole, "a byte more", s.size);
    renew(s.size);
    for (size_t bit = 0; bit < 8 * s.header; bit++) {
        flip(bit);
        judge(s.size, whole, "a flipped bit of the header", bit);
        flip(bit);
    }
    for (int i = 0; i < RANDOM_BITS; i++) {
        size_t bit = 8 * s.header + fx_next(&state) % (8 * (s.size - s.header));
        flip(bit);
        judge(s.size, whole, "a flipped bit of the data", bit);
        flip(bit);
    }
    ck_assert_int_eq(s.same, 0); /* one bit is always noticed */
    for (int i = 0; i < RANDOM_PIECES;
         i++) { /* a piece over another place, as a torn write leaves it */
        size_t n = 1 + fx_next(&state) % 64, from = fx_next(&state) % (s.size - n),
               to = fx_next(&state) % (s.size - n);
        memcpy(s.work + to, s.file + from, n);
        judge(s.size, whole, "a moved piece", to);
        memcpy(s.work + to, s.file + to, n);
    }
    judge(s.size, whole, "nothing", 0);
    ck_assert_int_gt(s.same, 0);
    nncf_checkpoint_close(whole);
    tell("own");
    ck_assert_int_ge(s.cases, 100000);
}
END_TEST

/* The same snapshot under other names of its texts: to the reader a file of somebody else, without
 * checksums. */
START_TEST(damaged_foreign_files_are_refused_or_read)
{
    uint64_t state = 6;
    save_snapshot();
    for (size_t i = 0; i + 5 < s.header; i++)
        if (memcmp(s.file + i, "nncf.", 5) == 0)
            memcpy(s.file + i, "xxxx.", 5);
    renew(s.size);
    judge(s.size, NULL, "nothing", 0);
    ck_assert_int_eq(s.other, 1);
    for (size_t cut = 0; cut < s.size; cut++) {
        renew(cut);
        judge(cut, NULL, "a cut", cut);
    }
    renew(s.size);
    for (size_t bit = 0; bit < 8 * s.header; bit++) {
        flip(bit);
        judge(s.size, NULL, "a flipped bit", bit);
        flip(bit);
    }
    static const char letters[] = "0123456789,:[]{}\"\\ -.eEtu";
    for (int i = 0; i < FOREIGN_CHANGES; i++) { /* what JSON is made of, in a few places at once */
        size_t n = 1 + fx_next(&state) % 4, where[4];
        for (size_t j = 0; j < n; j++) {
            where[j] = 8 + fx_next(&state) % (s.header - 8);
            s.work[where[j]] = (uint8_t)letters[fx_next(&state) % (sizeof letters - 1)];
        }
        judge(s.size, NULL, "changed characters", where[0]);
        for (size_t j = 0; j < n; j++)
            s.work[where[j]] = s.file[where[j]];
    }
    tell("foreign");
}
END_TEST

/* Headers that are as greedy as JSON allows: many tensors, many sizes, many texts in few bytes. */
START_TEST(greedy_headers_allocate_nothing)
{
    static const char *const parts[][3] = {
        {"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,0],\"shape\":[", "0,", "0]}}"},
        {"{\"__metadata__\":{", "\"%d\":\"\",", "\"\":\"\"}}"},
        {"{", "\"%d\":{\"dtype\":\"U8\",\"data_offsets\":[0,0],\"shape\":[0]},",
            "\"\":{\"dtype\":\"U8\",\"data_offsets\":[0,0],\"shape\":[0]}}"},
        /* the next three: a tree of JSON values took up to 250 times the header */
        {"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,0],\"shape\":[0],\"b\":[", "{},", "{}]}}"},
        {"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,0],\"shape\":[0]", ",\"\":0", "}}"},
        {"{\"a\":[", "{},", "{}]}"},
    };
    const bool opens = _i < 5;
    enum { REPEAT = 20000 };
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    fwrite("........", 1, 8, f);
    fputs(parts[_i][0], f);
    for (int i = 0; i < REPEAT; i++)
        fprintf(f, parts[_i][1], i);
    fputs(parts[_i][2], f);
    fclose(f);
    for (int i = 0; i < 8; i++)
        text[i] = (char)(uint8_t)((uint64_t)(n - 8) >> (8 * i));
    s.file = (uint8_t *)text;
    s.size = s.header = n;
    renew(n);
    judge(n, NULL, "a greedy header", 0);
    ck_assert_int_eq(opens ? s.other : s.refused, 1);
    tell("greedy");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("corruption");
    TCase *tc = fx_case(suite, "corruption", 600);
    setvbuf(stdout, NULL, _IOLBF, 0);
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, damaged_snapshots_are_refused);
    tcase_add_test(tc, damaged_foreign_files_are_refused_or_read);
    tcase_add_loop_test(tc, greedy_headers_allocate_nothing, 0, 6);
    return fx_main(suite);
}
