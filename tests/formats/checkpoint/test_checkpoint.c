/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots: round trips, foreign files, damage of every kind, failures and what they say. */
#include "formats/safetensors/header.h"
#include "formats/safetensors/names.h"
#include "support/files.h"
#include "support/fixture.h"
#include "support/rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* A safetensors file of that header, with `data` bytes 0, 1, 2, ... behind it. */
static void put_foreign(const char *path, const char *header, size_t data)
{
    size_t n = strlen(header);
    unsigned char *file = fx_alloc(8 + n + data, 1);
    for (int i = 0; i < 8; i++)
        file[i] = (unsigned char)((uint64_t)n >> (8 * i));
    memcpy(file + 8, header, n);
    for (size_t i = 0; i < data; i++)
        file[8 + n + i] = (unsigned char)i;
    fx_write_file(path, file, 8 + n + data);
    free(file);
}

/* Tensors of every type and of 0 to 4 dimensions. */
static float weights[2][3] = {{1, -2.5f, 3e-20f}, {NAN, INFINITY, -0.0f}};
static double stats[1] = {0.1};
static uint8_t bytes[5] = {0, 1, 2, 254, 255};
static int64_t longs[2] = {INT64_MIN, INT64_MAX};
static int32_t ints[1] = {-7};
static int8_t signs[3] = {-128, 0, 127};
static const int64_t two_three[] = {2, 3}, five[] = {5}, one_two[] = {1, 2, 1, 1}, three[] = {3},
                     none[] = {0, 4};
static const nncf_checkpoint_tensor tensors[] = {
    {"bytes", {.data = bytes, .dtype = NNCF_U8, .ndim = 1, .shape = five}},
    {"conv.weight", {.data = weights, .dtype = NNCF_F32, .ndim = 2, .shape = two_three}},
    {"longs", {.data = longs, .dtype = NNCF_I64, .ndim = 4, .shape = one_two}},
    {"scalar", {.data = ints, .dtype = NNCF_I32, .ndim = 0, .shape = NULL}},
    {"\xc3\xa4 \"quoted\\\" \x01", {.data = signs, .dtype = NNCF_S8, .ndim = 1, .shape = three}},
    {"nothing", {.data = NULL, .dtype = NNCF_F32, .ndim = 2, .shape = none}},
    {"stats", {.data = stats, .dtype = NNCF_F64, .ndim = 0, .shape = NULL}},
};
enum { N_TENSORS = sizeof tensors / sizeof *tensors };
static const nncf_checkpoint_text texts[] = {
    {"epoch", "7"}, {"note", "line\nbreak, \"quotes\", \xe2\x82\xac"}, {"empty", ""}};
enum { N_TEXTS = sizeof texts / sizeof *texts };

static size_t size_of(const nncf_tensor *t)
{
    size_t n = nncf__dtype_size(t->dtype);
    for (int i = 0; i < t->ndim; i++)
        n *= (size_t)t->shape[i];
    return n;
}

static void save(const char *path)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(nncf_checkpoint_save(NULL, path, tensors, N_TENSORS,
                      &(nncf_checkpoint_save_params){NNCF_PARAMS(nncf_checkpoint_save_params),
                          .texts = texts, .n_texts = N_TEXTS},
                      &err) == NNCF_OK,
        "%s", err.message);
}

static nncf_checkpoint *open_or_fail(const char *path)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    ck_assert_msg(nncf_checkpoint_open(NULL, path, NULL, &c, &err) == NNCF_OK, "%s", err.message);
    return c;
}

static bool holds_everything(const nncf_checkpoint *c)
{
    if (nncf_checkpoint_get_tensor_count(c) != N_TENSORS)
        return false;
    for (int i = 0; i < N_TENSORS; i++) {
        nncf_tensor t;
        const nncf_tensor *want = &tensors[i].tensor;
        if (nncf_checkpoint_get_tensor(c, tensors[i].name, &t, NULL) != NNCF_OK ||
            t.dtype != want->dtype || t.ndim != want->ndim ||
            (t.ndim && memcmp(t.shape, want->shape, (size_t)t.ndim * sizeof *t.shape) != 0) ||
            (uintptr_t)t.data % nncf__dtype_size(t.dtype) != 0 ||
            (size_of(want) && memcmp(t.data, want->data, size_of(want)) != 0))
            return false;
    }
    for (int i = 0; i < N_TEXTS; i++) {
        const char *text = nncf_checkpoint_get_text(c, texts[i].key);
        if (!text || strcmp(text, texts[i].value) != 0)
            return false;
    }
    return true;
}

START_TEST(tensors_and_texts_come_back)
{
    const char *path = fx_path("a.safetensors");
    save(path);
    ck_assert_int_eq(fx_entries(), 1);
    nncf_checkpoint *c = open_or_fail(path);
    ck_assert(holds_everything(c));
    ck_assert_ptr_null(nncf_checkpoint_get_text(c, "no such"));
    ck_assert_ptr_null(nncf_checkpoint_get_tensor_name(c, N_TENSORS));
    nncf_tensor t;
    ck_assert_int_eq(nncf_checkpoint_get_tensor(c, "no such", &t, NULL), NNCF_E_NOTFOUND);
    ck_assert_int_eq(nncf_checkpoint_get_tensor(c, NULL, &t, NULL), NNCF_E_ARG);
    for (size_t i = 0; i < N_TENSORS; i++)
        ck_assert_int_eq(
            nncf_checkpoint_get_tensor(c, nncf_checkpoint_get_tensor_name(c, i), &t, NULL),
            NNCF_OK);
    nncf_checkpoint_close(c);
    /* again over the old file; twice the same bytes */
    size_t n, m;
    char *first = fx_read_file(path, &n);
    save(path);
    char *second = fx_read_file(path, &m);
    ck_assert(n == m && memcmp(first, second, n) == 0);
    ck_assert_int_eq(fx_entries(), 1);
    free(first);
    free(second);
    nncf_checkpoint_close(NULL);
    ck_assert_uint_eq(nncf_checkpoint_get_tensor_count(NULL), 0);
}
END_TEST

START_TEST(an_empty_snapshot_is_a_snapshot)
{
    ck_assert_int_eq(nncf_checkpoint_save(NULL, fx_path("empty"), NULL, 0, NULL, NULL), NNCF_OK);
    nncf_checkpoint *c = open_or_fail(fx_path("empty"));
    ck_assert_uint_eq(nncf_checkpoint_get_tensor_count(c), 0);
    nncf_checkpoint_close(c);
}
END_TEST

START_TEST(read_checks_everything_first)
{
    save(fx_path("a"));
    nncf_checkpoint *c = open_or_fail(fx_path("a"));
    nncf_error err = NNCF_ERROR_INIT;
    float w[2][3] = {{9}}, other[6] = {0};
    uint8_t b[5] = {9};
    const int64_t six[] = {6};
    nncf_checkpoint_tensor want[] = {
        {"conv.weight", {.data = w, .dtype = NNCF_F32, .ndim = 2, .shape = two_three}},
        {"bytes", {.data = b, .dtype = NNCF_U8, .ndim = 1, .shape = five}}};
    ck_assert_int_eq(nncf_checkpoint_read(c, want, 2, &err), NNCF_OK);
    ck_assert_mem_eq(w, weights, sizeof w);
    ck_assert_mem_eq(b, bytes, sizeof b);
    nncf_checkpoint_tensor bad[] = {
        {"bytes", {.data = b, .dtype = NNCF_U8, .ndim = 1, .shape = five}},
        {"missing", {.data = other, .dtype = NNCF_F32, .ndim = 1, .shape = six}},
        {"conv.weight", {.data = other, .dtype = NNCF_F32, .ndim = 1, .shape = six}},
        {"longs", {.data = other, .dtype = NNCF_F32, .ndim = 1, .shape = six}}};
    b[0] = 77;
    ck_assert_int_eq(nncf_checkpoint_read(c, bad, 4, &err), NNCF_E_NOTFOUND);
    ck_assert_int_eq(b[0], 77);
    ck_assert_str_eq(err.where, "missing");
    ck_assert_ptr_nonnull(strstr(err.message, "3 of 4 tensors"));
    ck_assert_ptr_nonnull(strstr(err.message, "\"missing\" is not in it"));
    ck_assert_ptr_nonnull(strstr(err.message, "\"conv.weight\" has shape (2,3), not (6)"));
    ck_assert_ptr_nonnull(strstr(err.message, "\"longs\" is of type I64, not F32"));
    ck_assert_int_eq(nncf_checkpoint_read(c, bad + 2, 1, &err), NNCF_E_SHAPE);
    ck_assert_int_eq(nncf_checkpoint_read(c, bad + 3, 1, &err), NNCF_E_DTYPE);
    ck_assert_int_eq(nncf_checkpoint_read(NULL, bad, 1, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_checkpoint_read(c, NULL, 1, &err), NNCF_E_ARG);
    want[0].tensor.data = NULL;
    ck_assert_int_eq(nncf_checkpoint_read(c, want, 2, &err), NNCF_E_ARG);
    nncf_checkpoint_close(c);
}
END_TEST

/* Whatever happens to a file of ours: it opens with all its contents, or it does not open. */
static void open_damaged(const char *path, const char *what, size_t where)
{
    nncf_checkpoint *c = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status = nncf_checkpoint_open(NULL, path, NULL, &c, &err);
    if (status == NNCF_OK) {
        ck_assert_msg(holds_everything(c), "%s at %zu went unnoticed", what, where);
        nncf_checkpoint_close(c);
        return;
    }
    ck_assert_msg(status == NNCF_E_FORMAT || status == NNCF_E_VERSION, "%s at %zu: %s", what, where,
        err.message);
    ck_assert_ptr_null(c);
    ck_assert(err.message[0] != 0);
}

/* Write into a file where it is, because making a new one thousands of times is slow. */
static void poke(const char *path, size_t where, char byte)
{
    int fd = open(path, O_WRONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)where), 1);
    close(fd);
}

START_TEST(truncation_is_noticed)
{
    size_t n;
    save(fx_path("a"));
    char *file = fx_read_file(fx_path("a"), &n), *longer = fx_alloc(n + 1, 1);
    memcpy(longer, file, n);
    fx_write_file(fx_path("b"), longer, n + 1);
    open_damaged(fx_path("b"), "a byte more", n);
    for (size_t i = n; i-- > 0;) {
        nncf_checkpoint *c = NULL;
        nncf_error err = NNCF_ERROR_INIT;
        ck_assert_int_eq(truncate(fx_path("b"), (off_t)i), 0);
        ck_assert_int_eq(nncf_checkpoint_open(NULL, fx_path("b"), NULL, &c, &err), NNCF_E_FORMAT);
        ck_assert_ptr_nonnull(strstr(err.message, fx_folder()));
    }
    free(longer);
    free(file);
}
END_TEST

START_TEST(every_flipped_bit_is_noticed)
{
    size_t n;
    save(fx_path("a"));
    char *file = fx_read_file(fx_path("a"), &n);
    fx_write_file(fx_path("b"), file, n);
    for (size_t i = 0; i < 8 * n; i++) {
        nncf_checkpoint *c = NULL;
        poke(fx_path("b"), i / 8, (char)(file[i / 8] ^ 1 << i % 8));
        ck_assert_msg(nncf_checkpoint_open(NULL, fx_path("b"), NULL, &c, NULL) != NNCF_OK,
            "bit %zu of byte %zu", i % 8, i / 8);
        poke(fx_path("b"), i / 8, file[i / 8]);
    }
    /* random damage of several bytes */
    uint64_t state = 12;
    for (int i = 0; i < 2000; i++) {
        size_t where[4];
        for (int j = 0; j < 4; j++) {
            where[j] = fx_next(&state) % n;
            poke(fx_path("b"), where[j], (char)fx_next(&state));
        }
        open_damaged(fx_path("b"), "random damage", (size_t)i);
        for (int j = 0; j < 4; j++)
            poke(fx_path("b"), where[j], file[where[j]]);
    }
    nncf_checkpoint *whole = open_or_fail(fx_path("b"));
    ck_assert(holds_everything(whole));
    nncf_checkpoint_close(whole);
    free(file);
}
END_TEST

START_TEST(files_of_other_programs_are_read_or_refused)
{
    nncf_checkpoint *c;
    nncf_tensor t;
    /* another order, no padding, a tensor at an odd place, types that we do not have, spaces at the
     * end */
    put_foreign(fx_path("f"),
        "{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[3,11]},\"__metadata__\":{"
        "\"format\":\"pt\"},"
        "\"b\":{\"shape\":[3],\"data_offsets\":[0,3],\"dtype\":\"BOOL\"},\"h\":{\"dtype\":\"BF16\","
        "\"shape\":[1,1],"
        "\"data_offsets\":[11,13]},\"e\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[13,13]}"
        ",\"deep\":"
        "{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[13,14]}}  ",
        14);
    c = open_or_fail(fx_path("f"));
    ck_assert_uint_eq(nncf_checkpoint_get_tensor_count(c), 5);
    ck_assert_str_eq(nncf_checkpoint_get_tensor_name(c, 0), "b");
    ck_assert_str_eq(nncf_checkpoint_get_text(c, "format"), "pt");
    ck_assert_int_eq(nncf_checkpoint_get_tensor(c, "w", &t, NULL), NNCF_OK);
    ck_assert_uint_eq((uintptr_t)t.data % 4, 0);
    ck_assert_mem_eq(t.data, "\3\4\5\6\7\10\11\12", 8);
    ck_assert_int_eq(nncf_checkpoint_get_tensor(c, "b", &t, NULL), NNCF_E_DTYPE);
    ck_assert_int_eq(nncf_checkpoint_get_tensor(c, "h", &t, NULL), NNCF_E_DTYPE);
    ck_assert_int_eq(nncf_checkpoint_get_tensor(c, "e", &t, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_checkpoint_get_tensor(c, "deep", &t, NULL), NNCF_E_LIMIT);
    nncf_checkpoint_close(c);
    put_foreign(fx_path("f"), "{}", 0);
    c = open_or_fail(fx_path("f"));
    ck_assert_uint_eq(nncf_checkpoint_get_tensor_count(c), 0);
    nncf_checkpoint_close(c);
}
END_TEST

START_TEST(a_large_claim_allocates_nothing)
{
    /* a header length of 2^40 and one of just over the limit, in files that do not have it */
    fx_memory memory = {0};
    nncf_context *context = fx_new_context(&memory, 1, 0, 0);
    nncf_checkpoint *c = NULL;
    unsigned char file[64] = {0};
    file[5] = 1;
    fx_write_file(fx_path("b"), file, sizeof file);
    size_t before = memory.calls;
    ck_assert_int_eq(nncf_checkpoint_open(context, fx_path("b"), NULL, &c, NULL), NNCF_E_FORMAT);
    ck_assert_uint_le(memory.calls - before, 2); /* the object and its path */
    /* a sparse file: the header's length is in the file, but over the format's limit */
    memset(file, 0, sizeof file);
    file[3] = 8; /* 128 MiB */
    fx_write_file(fx_path("b"), file, sizeof file);
    ck_assert_int_eq(truncate(fx_path("b"), 1 << 28), 0);
    before = memory.calls;
    ck_assert_int_eq(nncf_checkpoint_open(context, fx_path("b"), NULL, &c, NULL), NNCF_E_FORMAT);
    ck_assert_uint_le(memory.calls - before, 2);
    nncf_context_destroy(context);
    ck_assert_uint_eq(memory.live, 0);
}
END_TEST

START_TEST(no_memory_leaves_file_and_objects)
{
    fx_memory memory = {0};
    nncf_context *context = fx_new_context(&memory, 1, 0, 0);
    save(fx_path("a"));
    int failures = 0;
    for (;; failures++) {
        nncf_checkpoint *c = NULL;
        nncf_error err = NNCF_ERROR_INIT;
        size_t live = memory.live;
        memory.fail_at = memory.calls + 1 + (size_t)failures;
        nncf_status status = nncf_checkpoint_open(context, fx_path("a"), NULL, &c, &err);
        memory.fail_at = 0;
        if (status == NNCF_OK) {
            nncf_checkpoint_close(c);
            break;
        }
        ck_assert_int_eq(status, NNCF_E_NOMEM);
        ck_assert_uint_eq(memory.live, live);
    }
    ck_assert_int_ge(failures, 10);
    nncf_context_destroy(context);
    ck_assert_uint_eq(memory.live, 0);
}
END_TEST

START_TEST(save_refuses_wrong_arguments)
{
    nncf_error err = NNCF_ERROR_INIT;
    const struct {
        nncf_checkpoint_tensor t;
        nncf_status want;
        const char *says;
    } bad[] = {
        {{NULL, {.data = bytes, .dtype = NNCF_U8, .ndim = 1, .shape = five}}, NNCF_E_ARG, "name"},
        {{"", {.data = bytes, .dtype = NNCF_U8, .ndim = 1, .shape = five}}, NNCF_E_ARG, "name"},
        {{"nncf.x", {.data = bytes, .dtype = NNCF_U8, .ndim = 1, .shape = five}}, NNCF_E_ARG,
            "library's"},
        {{"__metadata__", {.data = bytes, .dtype = NNCF_U8, .ndim = 1, .shape = five}}, NNCF_E_ARG,
            "library's"},
        {{"\xc3", {.data = bytes, .dtype = NNCF_U8, .ndim = 1, .shape = five}}, NNCF_E_ARG,
            "UTF-8"},
        {{"\xed\xa0\x80", {.data = bytes, .dtype = NNCF_U8, .ndim = 1, .shape = five}}, NNCF_E_ARG,
            "UTF-8"},
        {{"\xc0\x80", {.data = bytes, .dtype = NNCF_U8, .ndim = 1, .shape = five}}, NNCF_E_ARG,
            "UTF-8"},
        {{"x", {.data = bytes, .dtype = 17, .ndim = 1, .shape = five}}, NNCF_E_DTYPE, "dtype"},
        {{"x", {.data = bytes, .dtype = NNCF_U8, .ndim = 9, .shape = five}}, NNCF_E_SHAPE, "shape"},
        {{"x", {.data = bytes, .dtype = NNCF_U8, .ndim = 1, .shape = NULL}}, NNCF_E_SHAPE, "shape"},
        {{"x", {.data = bytes, .dtype = NNCF_U8, .ndim = 1, .shape = (const int64_t[]){-5}}},
            NNCF_E_SHAPE, "shape"},
        {{"x",
             {.data = bytes,
                 .dtype = NNCF_U8,
                 .ndim = 2,
                 .shape = (const int64_t[]){INT64_MAX, 4}}},
            NNCF_E_SHAPE, "shape"},
        {{"x", {.data = bytes, .dtype = NNCF_U8, .ndim = 1, .shape = five, .device = 2}},
            NNCF_E_ARG, "device"},
        {{"x", {.data = NULL, .dtype = NNCF_U8, .ndim = 1, .shape = five}}, NNCF_E_ARG,
            "data is NULL"},
        {{"x",
             {.data = bytes,
                 .dtype = NNCF_U8,
                 .ndim = 1,
                 .shape = five,
                 .strides = (const int64_t[]){2}}},
            NNCF_E_ARG, "C order"},
        {{"same", {.data = bytes, .dtype = NNCF_U8, .ndim = 1, .shape = five}}, NNCF_E_ARG,
            "two tensors"},
    };
    nncf_checkpoint_tensor pair[2] = {
        {"same", {.data = bytes, .dtype = NNCF_U8, .ndim = 1, .shape = five}}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pair[1] = bad[i].t;
        ck_assert_int_eq(
            nncf_checkpoint_save(NULL, fx_path("x"), pair, 2, NULL, &err), bad[i].want);
        ck_assert_msg(strstr(err.message, bad[i].says) != NULL, "%zu says: %s", i, err.message);
    }
    nncf_checkpoint_text text[2] = {{"a", "1"}, {"a", "2"}};
    ck_assert_int_eq(nncf_checkpoint_save(NULL, fx_path("x"), pair, 1,
                         &(nncf_checkpoint_save_params){
                             NNCF_PARAMS(nncf_checkpoint_save_params), .texts = text, .n_texts = 2},
                         &err),
        NNCF_E_ARG);
    text[1].key = "nncf.config";
    ck_assert_int_eq(nncf_checkpoint_save(NULL, fx_path("x"), pair, 1,
                         &(nncf_checkpoint_save_params){
                             NNCF_PARAMS(nncf_checkpoint_save_params), .texts = text, .n_texts = 2},
                         &err),
        NNCF_E_ARG);
    text[1] = (nncf_checkpoint_text){"b", NULL};
    ck_assert_int_eq(nncf_checkpoint_save(NULL, fx_path("x"), pair, 1,
                         &(nncf_checkpoint_save_params){
                             NNCF_PARAMS(nncf_checkpoint_save_params), .texts = text, .n_texts = 2},
                         &err),
        NNCF_E_ARG);
    ck_assert_int_eq(nncf_checkpoint_save(NULL, NULL, pair, 1, NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_checkpoint_save(NULL, fx_path("x"), NULL, 1, NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(fx_entries(), 0);
}
END_TEST

START_TEST(failures_of_the_system_are_told)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    ck_assert_int_eq(nncf_checkpoint_open(NULL, fx_path("none"), NULL, &c, &err), NNCF_E_IO);
    ck_assert_int_eq(err.os_errno, ENOENT);
    ck_assert_int_eq(nncf_checkpoint_open(NULL, fx_folder(), NULL, &c, &err), NNCF_E_IO);
    ck_assert_int_eq(mkfifo(fx_path("fifo"), 0600), 0);
    ck_assert_int_eq(nncf_checkpoint_open(NULL, fx_path("fifo"), NULL, &c, &err), NNCF_E_IO);
    unlink(fx_path("fifo"));
    ck_assert_int_eq(
        nncf_checkpoint_save(NULL, fx_path("no/such"), tensors, N_TENSORS, NULL, &err), NNCF_E_IO);
    ck_assert_int_eq(err.os_errno, ENOENT);

    /* no room for the new file: the old one is still there, the temporary one is not */
    save(fx_path("a"));
    struct rlimit limit = {100, 100};
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(nncf_checkpoint_save(NULL, fx_path("a"), tensors, 2, NULL, &err), NNCF_E_IO);
    ck_assert_int_eq(err.os_errno, EFBIG);
    ck_assert_int_eq(fx_entries(), 1);
    c = open_or_fail(fx_path("a"));
    ck_assert(holds_everything(c));
    nncf_checkpoint_close(c);
    /* a folder in the way of the rename */
    ck_assert_int_eq(mkdir(fx_path("d"), 0700), 0);
    ck_assert_int_eq(nncf_checkpoint_save(NULL, fx_path("d"), NULL, 0, NULL, &err), NNCF_E_IO);
    ck_assert_int_eq(fx_entries(), 2);
    rmdir(fx_path("d"));
}
END_TEST

/* A device, a fifo or a link is not what a snapshot is meant to take the place of. */
START_TEST(only_regular_files_are_replaced)
{
    nncf_error err = NNCF_ERROR_INIT;
    struct stat info;
    char link_path[512];
    snprintf(link_path, sizeof link_path, "%s", fx_path("link"));
    ck_assert_int_eq(symlink("nowhere", link_path), 0);
    ck_assert_int_eq(nncf_checkpoint_save(NULL, link_path, NULL, 0, NULL, &err), NNCF_E_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "not a regular file"));
    ck_assert_int_eq(lstat(link_path, &info), 0);
    ck_assert(S_ISLNK(info.st_mode));
    ck_assert_int_eq(mkfifo(fx_path("fifo"), 0600), 0);
    ck_assert_int_eq(nncf_checkpoint_save(NULL, fx_path("fifo"), NULL, 0, NULL, &err), NNCF_E_IO);
    ck_assert_int_eq(lstat(fx_path("fifo"), &info), 0);
    ck_assert(S_ISFIFO(info.st_mode));
}
END_TEST

START_TEST(integers_are_read_whole_or_not_at_all)
{
    int64_t v = 0;
    ck_assert(nncf__parse_int64("9223372036854775807", &v) && v == INT64_MAX);
    ck_assert(nncf__parse_int64("-9223372036854775808", &v) && v == INT64_MIN);
    ck_assert(nncf__parse_int64("0", &v) && v == 0);
    const char *bad[] = {
        "", "-", "9223372036854775808", "-9223372036854775809", "1 ", " 1", "1.0", "+1", "0x1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!nncf__parse_int64(bad[i], &v), "%s", bad[i]);
}
END_TEST

/* ---- a controller's state ---- */

static void make_rig(fx_rig *r, const char *config)
{
    const fx_block layer = {
        .scope = "net/conv", .in_channels = 3, .out_channels = 5, .kernel = {3, 3}};
    fx_rig_make(r, &layer, config);
}

START_TEST(state_comes_back)
{
    static const char *const configs[] = {
        FX_CONFIG(FX_RB ", " FX_INT8), FX_CONFIG(FX_MAGNITUDE), "{}"};
    fx_rig a, b;
    nncf_error err = NNCF_ERROR_INIT;
    uint64_t state = 3;
    make_rig(&a, configs[_i]);
    make_rig(&b, configs[_i]);
    nncf_parameter p = {NNCF_PARAMS(nncf_parameter)}, q = {NNCF_PARAMS(nncf_parameter)};
    for (size_t i = 0; nncf_compression_ctrl_get_parameter(a.ctrl, i, &p, NULL) == NNCF_OK; i++)
        fx_fill(p.data, p.count, 2, &state);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(nncf_compression_ctrl_step(a.ctrl, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(a.ctrl, NULL), NNCF_OK);
    }
    ck_assert_int_eq(nncf_compression_ctrl_step(a.ctrl, NULL), NNCF_OK);
    ck_assert_msg(
        nncf_checkpoint_save(a.ctrl, fx_path("s"), tensors, N_TENSORS, NULL, &err) == NNCF_OK, "%s",
        err.message);
    nncf_checkpoint *c = open_or_fail(fx_path("s"));
    ck_assert_msg(
        nncf_checkpoint_restore(c, b.ctrl, NULL, NULL, &err) == NNCF_OK, "%s", err.message);
    nncf_statistics sa = {NNCF_PARAMS(nncf_statistics)}, sb = {NNCF_PARAMS(nncf_statistics)};
    ck_assert_int_eq(nncf_compression_ctrl_get_statistics(a.ctrl, &sa, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_get_statistics(b.ctrl, &sb, NULL), NNCF_OK);
    ck_assert_mem_eq(&sa, &sb, sizeof sa);
    ck_assert_int_eq(sb.epoch, 3);
    ck_assert_int_eq(sb.step, 4);
    for (size_t i = 0; nncf_compression_ctrl_get_parameter(a.ctrl, i, &p, NULL) == NNCF_OK; i++) {
        ck_assert_int_eq(nncf_compression_ctrl_get_parameter(b.ctrl, i, &q, NULL), NNCF_OK);
        ck_assert_mem_eq(p.data, q.data, p.count * sizeof *p.data);
    }
    float wa[5 * 3 * 9], wb[5 * 3 * 9];
    ck_assert_int_eq(nncf_layer_compress_weight(a.k.layer, wa, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(b.k.layer, wb, NULL), NNCF_OK);
    ck_assert_mem_eq(wa, wb, sizeof wa);
    nncf_checkpoint_close(c);
    fx_rig_free(&a);
    fx_rig_free(&b);
}
END_TEST

START_TEST(another_config_is_named)
{
    fx_rig a, b;
    nncf_error err = NNCF_ERROR_INIT;
    make_rig(&a, FX_CONFIG(FX_RB));
    make_rig(&b,
        FX_CONFIG("{\"algorithm\": \"rb_sparsity\", \"params\": {\"sparsity_init\": 0.1, "
                  "\"sparsity_target\": 0.7, "
                  "\"sparsity_steps\": 5, \"sparsity_training_steps\": 10}}"));
    fx_parameter(a.ctrl, "net/conv.pre_ops.mask").data[0] = 9;
    ck_assert_int_eq(nncf_checkpoint_save(a.ctrl, fx_path("s"), NULL, 0, NULL, &err), NNCF_OK);
    nncf_checkpoint *c = open_or_fail(fx_path("s"));
    ck_assert_int_eq(nncf_checkpoint_restore(c, b.ctrl, NULL, NULL, &err), NNCF_E_CONFIG);
    ck_assert_msg(strstr(err.message, "sparsity_target") && strstr(err.message, "0.7") &&
            strstr(err.message, "0.5"),
        "%s", err.message);
    ck_assert(fx_parameter(b.ctrl, "net/conv.pre_ops.mask").data[0] < 9);
    ck_assert_int_eq(nncf_checkpoint_restore(NULL, b.ctrl, NULL, NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_checkpoint_restore(c, NULL, NULL, NULL, &err), NNCF_E_ARG);
    nncf_checkpoint_close(c);
    save(fx_path("plain")); /* no controller in it */
    c = open_or_fail(fx_path("plain"));
    ck_assert_int_eq(nncf_checkpoint_restore(c, a.ctrl, NULL, NULL, &err), NNCF_E_NOTFOUND);
    nncf_checkpoint_close(c);
    fx_rig_free(&a);
    fx_rig_free(&b);
}
END_TEST

START_TEST(another_model_is_noticed)
{
    fx_rig a;
    nncf_error err = NNCF_ERROR_INIT;
    uint64_t state = 1;
    nncf_model *model;
    fx_block k = {.scope = "net/other", .in_channels = 3, .out_channels = 4};
    make_rig(&a, FX_CONFIG(FX_RB));
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    fx_register(model, &k, NULL, &state);
    nncf_compression_ctrl *ctrl = fx_ctrl(model, FX_CONFIG(FX_RB));
    float before = fx_parameter(ctrl, "net/other.pre_ops.mask").data[0];
    fx_parameter(a.ctrl, "net/conv.pre_ops.mask").data[0] = -1;
    ck_assert_int_eq(nncf_checkpoint_save(a.ctrl, fx_path("s"), NULL, 0, NULL, &err), NNCF_OK);
    nncf_checkpoint *c = open_or_fail(fx_path("s"));
    ck_assert_int_eq(nncf_checkpoint_restore(c, ctrl, NULL, NULL, &err), NNCF_E_NOTFOUND);
    ck_assert_ptr_nonnull(strstr(err.message, "net/other.pre_ops.mask"));
    ck_assert(fx_parameter(ctrl, "net/other.pre_ops.mask").data[0] == before);
    nncf_checkpoint_close(c);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_release(&k);
    fx_rig_free(&a);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checkpoint");
    TCase *tc = fx_case(suite, "checkpoint", 240);
    tcase_add_checked_fixture(tc, fx_folder_make, fx_folder_remove);
    tcase_add_test(tc, tensors_and_texts_come_back);
    tcase_add_test(tc, an_empty_snapshot_is_a_snapshot);
    tcase_add_test(tc, read_checks_everything_first);
    tcase_add_test(tc, truncation_is_noticed);
    tcase_add_test(tc, every_flipped_bit_is_noticed);
    tcase_add_test(tc, files_of_other_programs_are_read_or_refused);
    tcase_add_test(tc, a_large_claim_allocates_nothing);
    tcase_add_test(tc, no_memory_leaves_file_and_objects);
    tcase_add_test(tc, save_refuses_wrong_arguments);
    tcase_add_test(tc, failures_of_the_system_are_told);
    tcase_add_test(tc, only_regular_files_are_replaced);
    tcase_add_test(tc, integers_are_read_whole_or_not_at_all);
    tcase_add_loop_test(tc, state_comes_back, 0, 3);
    tcase_add_test(tc, another_config_is_named);
    tcase_add_test(tc, another_model_is_noticed);
    return fx_main(suite);
}
