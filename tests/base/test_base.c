/* SPDX-License-Identifier: Apache-2.0 */
/* The ground floor: allocation, errors, text, parameters, the context. Threads: test_threads.c. */
#include "base/alloc.h"
#include "base/checked.h"
#include "base/context.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/strings.h"
#include "base/text.h"
#include "context/context.h"
#include "support/memory.h"
#include "support/runner.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>

static nncf_context *counted_context(fx_memory *counter, int32_t n_threads)
{
    nncf_context *context = NULL;
    nncf_context_params params = {
        NNCF_PARAMS(nncf_context_params), .n_threads = n_threads, FX_MEMORY(counter)};
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &context, NULL), NNCF_OK);
    return context;
}

/* ---- arithmetic and allocation ---- */

START_TEST(arithmetic_is_checked)
{
    size_t out = 7;
    ck_assert(nncf__mul(6, 7, &out) && out == 42);
    ck_assert(nncf__mul(0, SIZE_MAX, &out) && out == 0);
    ck_assert(nncf__mul(SIZE_MAX, 1, &out) && out == SIZE_MAX);
    out = 7;
    ck_assert(!nncf__mul(SIZE_MAX / 2 + 1, 2, &out) && out == 7);
    ck_assert(!nncf__add(SIZE_MAX, 1, &out) && out == 7);
    ck_assert(nncf__add(SIZE_MAX - 1, 1, &out) && out == SIZE_MAX);
}
END_TEST

START_TEST(blocks_are_aligned_and_given_back_with_their_size)
{
    fx_memory counter = {0};
    nncf_context *context = counted_context(&counter, 1);
    void *blocks[70];
    for (size_t size = 0; size < 70; size++) {
        blocks[size] = nncf__alloc(context, size);
        ck_assert_ptr_nonnull(blocks[size]);
        ck_assert_uint_eq((uintptr_t)blocks[size] % 64, 0);
        memset(blocks[size], 0xff, size);
    }
    for (size_t size = 0; size < 70; size++)
        nncf__free(context, blocks[size]);
    nncf__free(context, NULL);

    unsigned char *zeroed = nncf__calloc(context, 3, 50);
    for (size_t i = 0; i < 150; i++)
        ck_assert_uint_eq(zeroed[i], 0);
    nncf__free(context, zeroed);
    ck_assert_ptr_null(nncf__calloc(context, SIZE_MAX / 2, 3));
    ck_assert_ptr_null(nncf__alloc(context, SIZE_MAX));
    ck_assert_ptr_null(nncf__alloc(context, SIZE_MAX - 64));

    char *copy = nncf__strdup(context, "conv1");
    ck_assert_str_eq(copy, "conv1");
    nncf__free(context, copy);
    nncf_context_destroy(context);
    ck_assert_uint_eq(counter.live, 0);
    ck_assert_uint_eq(counter.bytes, 0);
    ck_assert_uint_eq(counter.mistakes, 0);
}
END_TEST

START_TEST(allocation_works_without_hooks)
{
    nncf_context *context = NULL;
    nncf_context_params params = {NNCF_PARAMS(nncf_context_params), .n_threads = 1};
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &context, NULL), NNCF_OK);
    for (size_t size = 0; size < 300; size += 37) {
        char *block = nncf__alloc(context, size);
        ck_assert_uint_eq((uintptr_t)block % 64, 0);
        memset(block, 1, size);
        nncf__free(context, block);
    }
    ck_assert_ptr_null(nncf__alloc(context, SIZE_MAX - 100));
    nncf_context_destroy(context);
}
END_TEST

static void *misaligned_alloc(void *user, size_t size, size_t align)
{
    (void)align;
    *(int *)user += 1;
    return (char *)aligned_alloc(64, (size + 127) / 64 * 64) + 8;
}

static void misaligned_free(void *user, void *ptr, size_t size)
{
    (void)size;
    *(int *)user -= 1;
    free((char *)ptr - 8);
}

START_TEST(a_hook_that_ignores_alignment_is_refused)
{
    int live = 0;
    nncf_context *context = NULL;
    nncf_context_params params = {NNCF_PARAMS(nncf_context_params), .n_threads = 1,
        .alloc = misaligned_alloc, .free = misaligned_free, .alloc_user = &live};
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &context, NULL), NNCF_E_NOMEM);
    ck_assert_ptr_null(context);
    ck_assert_int_eq(live, 0);
}
END_TEST

START_TEST(grow_keeps_what_it_had_on_failure)
{
    fx_memory counter = {0};
    nncf_context *context = counted_context(&counter, 1);
    void *ptr = NULL;
    size_t capacity = 0;
    ck_assert_int_eq(nncf__grow(context, &ptr, &capacity, 100), NNCF_OK);
    ck_assert_uint_eq(capacity, 100);
    void *before = ptr;
    ck_assert_int_eq(nncf__grow(context, &ptr, &capacity, 60), NNCF_OK);
    ck_assert(ptr == before && capacity == 100);
    counter.fail_at = counter.calls + 1;
    ck_assert_int_eq(nncf__grow(context, &ptr, &capacity, 1000), NNCF_E_NOMEM);
    ck_assert(ptr == before && capacity == 100);
    ck_assert_int_eq(nncf__grow(context, &ptr, &capacity, 1000), NNCF_OK);
    ck_assert_uint_eq(capacity, 1000);
    nncf__free(context, ptr);
    nncf_context_destroy(context);
    ck_assert_uint_eq(counter.live, 0);
}
END_TEST

/* ---- errors ---- */

START_TEST(statuses_have_names)
{
#define CHECK_STATUS(name, value, text)                                                            \
    ck_assert_str_eq(nncf_status_name(value), #name);                                              \
    ck_assert_str_eq(nncf_status_message(value), text);
    NNCF_STATUS_MAP(CHECK_STATUS)
#undef CHECK_STATUS
    ck_assert_str_eq(nncf_status_name(-1000), "NNCF_E_?");
    ck_assert_ptr_nonnull(nncf_status_message(1));
    ck_assert_uint_eq(nncf_version_number(), NNCF_API_VERSION);
    char version[32];
    snprintf(version, sizeof(version), "%d.%d.%d", NNCF_VERSION_MAJOR, NNCF_VERSION_MINOR,
        NNCF_VERSION_PATCH);
    ck_assert_str_eq(nncf_version_string(), version);
}
END_TEST

START_TEST(errors_name_status_place_and_reason)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf__fail(NULL, NNCF_E_ARG, "x", "%d", 1), NNCF_E_ARG);
    ck_assert_int_eq(nncf__fail(&err, NNCF_E_SHAPE, "conv1", "%d channels", 3), NNCF_E_SHAPE);
    ck_assert_int_eq(err.status, NNCF_E_SHAPE);
    ck_assert_str_eq(err.where, "conv1");
    ck_assert_str_eq(err.message, "3 channels");
    ck_assert_int_eq(err.line, 0);

    const nncf__source_location place = {.file = "a.json", .offset = 99, .line = 12, .column = 9};
    ck_assert_int_eq(
        nncf__fail_at(&err, NNCF_E_PARSE, &place, NULL, "unexpected %s", "']'"), NNCF_E_PARSE);
    ck_assert_str_eq(err.message, "a.json:12:9: unexpected ']'");
    ck_assert_str_eq(err.where, "");
    ck_assert_int_eq(err.line, 12);
    ck_assert_int_eq(err.column, 9);
    ck_assert_uint_eq(err.offset, 99);

    ck_assert_int_eq(
        nncf__fail_errno(&err, ENOENT, "a.json", "cannot open %s", "a.json"), NNCF_E_IO);
    ck_assert_str_eq(err.message, "cannot open a.json: No such file or directory");
    ck_assert_int_eq(err.os_errno, ENOENT);
    ck_assert_uint_eq(err.offset, 0);
    ck_assert_int_eq(nncf__fail_errno(NULL, ENOENT, "a.json", "x"), NNCF_E_IO);
}
END_TEST

START_TEST(long_texts_are_cut_between_characters)
{
    nncf_error err = NNCF_ERROR_INIT;
    char text[2000];
    for (int shift = 0; shift < 4; shift++) {
        memset(text, 'x', (size_t)shift);
        for (size_t i = (size_t)shift; i + 3 < sizeof(text); i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4); /* euro sign, 3 bytes */
        nncf__fail(&err, NNCF_E_ARG, text, "%s", text);
        ck_assert_uint_le(strlen(err.message), sizeof(err.message) - 1);
        ck_assert_uint_ge(strlen(err.message), sizeof(err.message) - 3);
        ck_assert_uint_eq((strlen(err.message) - (size_t)shift) % 3, 0);
        ck_assert_uint_eq((strlen(err.where) - (size_t)shift) % 3, 0);
    }
}
END_TEST

START_TEST(short_error_records_are_not_overrun)
{
    /* A program built against an older, shorter record: everything behind it is somebody else's. */
    union {
        nncf_error err;
        unsigned char bytes[sizeof(nncf_error)];
    } u;
    memset(&u, 0x77, sizeof(u));
    u.err.struct_size = offsetof(nncf_error, where);
    ck_assert_int_eq(nncf__fail(&u.err, NNCF_E_ARG, "where", "message"), NNCF_E_ARG);
    ck_assert_int_eq(u.err.status, NNCF_E_ARG);
    ck_assert_uint_eq(u.err.struct_size, offsetof(nncf_error, where));
    for (size_t i = offsetof(nncf_error, where); i < sizeof(u); i++)
        ck_assert_uint_eq(u.bytes[i], 0x77);
}
END_TEST

typedef struct small_params {
    size_t struct_size;
    int32_t a, b;
    double c;
} small_params;

START_TEST(parameter_structs_of_other_sizes_are_read_by_their_size)
{
    nncf_error err = NNCF_ERROR_INIT;
    small_params ours, theirs = {sizeof(theirs), 1, 2, 3.0};
    ck_assert_int_eq(
        nncf__params_copy(&ours, sizeof(ours), &theirs, "small_params", &err), NNCF_OK);
    ck_assert(ours.a == 1 && ours.b == 2 && ours.c == 3.0);

    theirs.struct_size = offsetof(small_params, c); /* an older program */
    memset(&ours, 0xff, sizeof(ours));
    ck_assert_int_eq(
        nncf__params_copy(&ours, sizeof(ours), &theirs, "small_params", &err), NNCF_OK);
    ck_assert(ours.a == 1 && ours.b == 2 && ours.c == 0.0);
    ck_assert_uint_eq(ours.struct_size, sizeof(ours));

    struct {
        small_params known;
        int32_t later[2];
    } newer = {{sizeof(newer), 4, 5, 6.0}, {0, 0}};
    ck_assert_int_eq(nncf__params_copy(&ours, sizeof(ours), &newer, "small_params", &err), NNCF_OK);
    ck_assert(ours.a == 4 && ours.c == 6.0);
    newer.later[1] = 1;
    memset(&ours, 0xff, sizeof(ours));
    ck_assert_int_eq(
        nncf__params_copy(&ours, sizeof(ours), &newer, "small_params", &err), NNCF_E_ARG);
    ck_assert_int_eq(ours.a, -1); /* untouched */
    ck_assert_ptr_nonnull(strstr(err.message, "byte 28 is set"));

    theirs.struct_size =
        offsetof(small_params, b); /* no struct ends there: it could cut a pointer in half */
    ck_assert_int_eq(
        nncf__params_copy(&ours, sizeof(ours), &theirs, "small_params", &err), NNCF_E_ARG);
    theirs.struct_size = 0;
    ck_assert_int_eq(
        nncf__params_copy(&ours, sizeof(ours), &theirs, "small_params", &err), NNCF_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "NNCF_PARAMS(small_params)"));
    theirs.struct_size = SIZE_MAX;
    ck_assert_int_eq(
        nncf__params_copy(&ours, sizeof(ours), &theirs, "small_params", &err), NNCF_E_ARG);
    ck_assert_int_eq(
        nncf__params_copy(&ours, sizeof(ours), NULL, "small_params", &err), NNCF_E_ARG);

    small_params result = {sizeof(result), 7, 8, 9.0},
                 out = {offsetof(small_params, c), -1, -1, -1.0};
    ck_assert_int_eq(nncf__result_copy(&out, &result, sizeof(result)), NNCF_OK);
    ck_assert(
        out.a == 7 && out.b == 8 && out.c == -1.0 && out.struct_size == offsetof(small_params, c));
    out.struct_size = offsetof(small_params, b);
    ck_assert_int_eq(nncf__result_copy(&out, &result, sizeof(result)), NNCF_E_ARG);
    out.struct_size = 0;
    ck_assert_int_eq(nncf__result_copy(&out, &result, sizeof(result)), NNCF_E_ARG);
    ck_assert_int_eq(nncf__result_copy(NULL, &result, sizeof(result)), NNCF_E_ARG);
}
END_TEST

/* ---- text ---- */

START_TEST(text_is_delivered_by_the_rule)
{
    fx_memory counter = {0};
    nncf_context *context = counted_context(&counter, 1);
    char buffer[8];
    size_t needed;
    for (size_t capacity = 0; capacity <= 8; capacity++) {
        nncf__text text = {.context = context};
        nncf__text_append(&text, "abc", 3);
        nncf__text_printf(&text, "%d", 45);
        memset(buffer, '#', sizeof(buffer));
        needed = 0;
        nncf_status status =
            nncf__text_finish(&text, capacity ? buffer : NULL, capacity, &needed, NULL);
        ck_assert_int_eq(status, capacity >= 6 ? NNCF_OK : NNCF_E_BUFFER);
        ck_assert_uint_eq(needed, 6);
        if (capacity > 0) {
            ck_assert_uint_eq(strlen(buffer), capacity > 5 ? 5 : capacity - 1);
            ck_assert_int_eq(strncmp(buffer, "abc45", strlen(buffer)), 0);
        }
        if (capacity < 8)
            ck_assert_int_eq(buffer[7], '#');
    }
    nncf__text empty = {.context = context};
    ck_assert_int_eq(nncf__text_finish(&empty, buffer, sizeof(buffer), NULL, NULL), NNCF_OK);
    ck_assert_str_eq(buffer, "");
    nncf__text wrong = {.context = context};
    nncf__text_append(&wrong, "x", 1);
    ck_assert_int_eq(nncf__text_finish(&wrong, NULL, 5, &needed, NULL), NNCF_E_ARG);

    nncf__text failing = {.context = context};
    nncf__text_append(&failing, "kept", 4);
    counter.fail_at = counter.calls + 1;
    for (int i = 0; i < 100; i++)
        nncf__text_printf(&failing, "%010d", i);
    ck_assert(failing.failed);
    memset(buffer, '#', sizeof(buffer));
    ck_assert_int_eq(
        nncf__text_finish(&failing, buffer, sizeof(buffer), &needed, NULL), NNCF_E_NOMEM);
    ck_assert_int_eq(buffer[0], '#');

    nncf__text large = {.context = context};
    for (int i = 0; i < 5000; i++)
        nncf__text_printf(&large, "%04d,", i);
    ck_assert(!large.failed && large.length == 25000 && strlen(large.data) == 25000);
    ck_assert_int_eq(memcmp(large.data + 5 * 1234, "1234,", 5), 0);
    nncf__text_free(&large);
    nncf_context_destroy(context);
    ck_assert_uint_eq(counter.live, 0);
}
END_TEST

START_TEST(doubles_are_written_so_that_they_read_back)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.01, "0.01"}, {0.52, "0.52"}, {5, "5"}, {1e300, "1e+300"}, {-0.0, "-0"},
        {0.1, "0.1"}, {1e-7, "1e-07"}, {1.0 / 3.0, "0.3333333333333333"},
        {5e-324, "4.94065645841247e-324"}};
    char text[NNCF__DOUBLE_TEXT];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        ck_assert_str_eq(nncf__format_double(cases[i].value, text), cases[i].text);
    uint64_t bits = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        double back = strtod(nncf__format_double(value, text), NULL);
        ck_assert(memcmp(&back, &value, sizeof(value)) == 0);
    }
    ck_assert_str_eq(nncf__format_double((double)INFINITY, text), "inf");
    /* Where the system has a locale with a decimal comma, it must not show. */
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") || setlocale(LC_NUMERIC, "fr_FR.UTF-8")) {
        ck_assert_str_eq(nncf__format_double(0.25, text), "0.25");
        ck_assert_str_eq(nncf__format_double(-1.5e-9, text), "-1.5e-09");
        setlocale(LC_NUMERIC, "C");
    }
}
END_TEST

START_TEST(edit_distance_counts_insertions_deletions_and_changes)
{
    static const struct {
        const char *a, *b;
        unsigned distance;
    } cases[] = {{"", "", 0}, {"abc", "", 3}, {"", "abc", 3},
        {"sparsity_target", "sparsity_traget", 1}, {"kitten", "sitting", 3},
        {"schedule", "schedul", 1}, {"ab", "ba", 1}, {"ca", "abc", 3}, {"power", "power", 0},
        {"steps", "eps", 2}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_uint_eq(nncf__edit_distance(cases[i].a, cases[i].b), cases[i].distance);
        ck_assert_uint_eq(nncf__edit_distance(cases[i].b, cases[i].a), cases[i].distance);
    }
    char a[200], b[200];
    memset(a, 'a', sizeof(a));
    memset(b, 'b', sizeof(b));
    a[199] = b[199] = '\0';
    ck_assert_uint_eq(nncf__edit_distance(a, b), 63);
}
END_TEST

/* ---- context ---- */

START_TEST(another_major_version_is_refused)
{
    nncf_context *context = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    const uint32_t patch = NNCF_API_VERSION + 1, minor = NNCF_API_VERSION + (1u << 8),
                   major = NNCF_API_VERSION + (1u << 16);
    ck_assert_int_eq(nncf_context_create(patch, NULL, &context, &err), NNCF_OK);
    nncf_context_destroy(context);
    context = NULL;
    ck_assert_int_eq(nncf_context_create(minor, NULL, &context, &err), NNCF_E_VERSION);
    ck_assert_int_eq(nncf_context_create(major, NULL, &context, &err), NNCF_E_VERSION);
    ck_assert_int_eq(nncf_context_create(0, NULL, &context, &err), NNCF_E_VERSION);
    ck_assert_ptr_nonnull(strstr(err.message, nncf_version_string()));
    ck_assert_ptr_null(context);
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, NULL, NULL, &err), NNCF_E_ARG);
    nncf_context_destroy(NULL);
    ck_assert_ptr_null(nncf_context_get_description(NULL));
}
END_TEST

START_TEST(context_params_out_of_range_are_refused)
{
    static const struct {
        nncf_context_params params;
        const char *says;
    } cases[] = {
        {{NNCF_PARAMS(nncf_context_params), .n_threads = -1}, "n_threads is -1"},
        {{NNCF_PARAMS(nncf_context_params), .n_threads = 257}, "n_threads is 257"},
        {{NNCF_PARAMS(nncf_context_params), .max_isa = 6}, "max_isa is 6"},
        {{NNCF_PARAMS(nncf_context_params), .max_isa = -1}, "max_isa is -1"},
        {{NNCF_PARAMS(nncf_context_params), .alloc = fx_memory_alloc},
            "alloc is given without free"},
        {{NNCF_PARAMS(nncf_context_params), .free = fx_memory_free}, "free is given without alloc"},
        {{NNCF_PARAMS(nncf_context_params), .log_level = 5}, "log_level is 5"},
        {{NNCF_PARAMS(nncf_context_params), .log_level = -2}, "log_level is -2"},
        {{NNCF_PARAMS(nncf_context_params), .disable_int8 = 2}, "disable_int8 is 2"},
        {{.struct_size = 0}, "struct_size is 0"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        nncf_context *context = NULL;
        nncf_error err = NNCF_ERROR_INIT;
        ck_assert_int_eq(
            nncf_context_create(NNCF_API_VERSION, &cases[i].params, &context, &err), NNCF_E_ARG);
        ck_assert_msg(strstr(err.message, cases[i].says), "case %zu: %s", i, err.message);
        ck_assert_str_eq(err.where, "nncf_context_params");
        ck_assert_ptr_null(context);
        ck_assert_int_eq(
            nncf_context_create(NNCF_API_VERSION, &cases[i].params, &context, NULL), NNCF_E_ARG);
    }
}
END_TEST

START_TEST(context_params_of_other_versions_are_taken)
{
    nncf_context *context = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    /* Older: only struct_size and seed; what follows in memory is not read. */
    nncf_context_params old = {
        .struct_size = offsetof(nncf_context_params, n_threads), .seed = 5, .n_threads = -77};
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &old, &context, &err), NNCF_OK);
    ck_assert_uint_eq(context->params.seed, 5);
    ck_assert_int_ge(context->params.n_threads, 1);
    nncf_context_destroy(context);
    context = NULL;

    struct {
        nncf_context_params known;
        uint64_t later;
    } newer = {{.struct_size = sizeof(newer), .n_threads = 1}, 0};
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &newer.known, &context, &err), NNCF_OK);
    nncf_context_destroy(context);
    context = NULL;
    newer.later = 1;
    ck_assert_int_eq(
        nncf_context_create(NNCF_API_VERSION, &newer.known, &context, &err), NNCF_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "built for a newer libnncf"));
    ck_assert_ptr_null(context);
}
END_TEST

typedef struct lines {
    char last[1024];
    int32_t level;
    int count;
} lines;

static void collect(void *user, int32_t level, const char *line)
{
    lines *l = user;
    snprintf(l->last, sizeof(l->last), "%s", line);
    l->level = level;
    l->count++;
}

START_TEST(log_gets_lines_up_to_its_level)
{
    lines l = {{0}, 0, 0};
    nncf_context *context = NULL;
    nncf_context_params params = {
        NNCF_PARAMS(nncf_context_params), .n_threads = 1, .log = collect, .log_user = &l};
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &context, NULL), NNCF_OK);
    int before = l.count; /* nothing above a warning is composed by default */
    nncf__log(context, NNCF_LOG_INFO, "quiet");
    ck_assert_int_eq(l.count, before);
    nncf__log(context, NNCF_LOG_WARNING, "layer %d", 3);
    ck_assert_int_eq(l.count, before + 1);
    ck_assert_int_eq(l.level, NNCF_LOG_WARNING);
    ck_assert_str_eq(l.last, "layer 3");
    nncf_context_destroy(context);

    params.log_level = NNCF_LOG_INFO;
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &context, NULL), NNCF_OK);
    ck_assert_ptr_nonnull(strstr(l.last, "libnncf "));
    nncf__log(context, NNCF_LOG_DEBUG, "no");
    ck_assert_ptr_nonnull(strstr(l.last, "libnncf "));
    nncf_context_destroy(context);

    params.log = NULL;
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &context, NULL), NNCF_OK);
    nncf__log(context, NNCF_LOG_ERROR, "nobody listens");
    nncf_context_destroy(context);
}
END_TEST

START_TEST(environment_lowers_the_instruction_set)
{
    lines l = {{0}, 0, 0};
    nncf_context *context = NULL;
    nncf_context_params params = {
        NNCF_PARAMS(nncf_context_params), .n_threads = 2, .log = collect, .log_user = &l};

    setenv("NNCF_MAX_ISA", "reference", 1);
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &context, NULL), NNCF_OK);
    ck_assert_int_eq(context->params.max_isa, NNCF_ISA_REFERENCE);
    ck_assert_ptr_nonnull(strstr(nncf_context_get_description(context), "reference"));
    nncf_context_destroy(context);

    setenv("NNCF_MAX_ISA", "avx512", 1); /* never raises */
    params.max_isa = NNCF_ISA_REFERENCE;
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &context, NULL), NNCF_OK);
    ck_assert_int_eq(context->params.max_isa, NNCF_ISA_REFERENCE);
    nncf_context_destroy(context);
    ck_assert_int_eq(l.count, 0);

    setenv("NNCF_MAX_ISA", "AVX2", 1);
    params.max_isa = NNCF_ISA_PORTABLE;
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &context, NULL), NNCF_OK);
    ck_assert_int_eq(l.count, 1);
    ck_assert_int_eq(l.level, NNCF_LOG_WARNING);
    ck_assert_ptr_nonnull(strstr(l.last, "NNCF_MAX_ISA is \"AVX2\""));
    nncf_context_destroy(context);

    unsetenv("NNCF_MAX_ISA");
    params.max_isa = NNCF_ISA_BEST;
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &context, NULL), NNCF_OK);
    ck_assert_int_ne(context->params.max_isa, NNCF_ISA_BEST);
    const char *text = nncf_context_get_description(context);
    char begin[64];
    snprintf(begin, sizeof(begin), "libnncf %s, ", nncf_version_string());
    ck_assert_int_eq(strncmp(text, begin, strlen(begin)), 0);
    ck_assert_ptr_nonnull(strstr(text, ", 2 threads"));
    nncf_context_destroy(context);
}
END_TEST

START_TEST(creation_survives_every_failed_allocation)
{
    for (int persistent = 0; persistent < 2; persistent++) {
        for (size_t n = 1;; n++) {
            fx_memory counter = {.fail_at = n, .fail_on = persistent};
            nncf_context *context = NULL;
            nncf_error err = NNCF_ERROR_INIT;
            nncf_context_params params = {
                NNCF_PARAMS(nncf_context_params), .n_threads = 3, FX_MEMORY(&counter)};
            nncf_status status = nncf_context_create(NNCF_API_VERSION, &params, &context, &err);
            if (status == NNCF_OK) {
                ck_assert_int_gt((int)n, 1);
                status = nncf__scratch_reserve(context, 1000);
                ck_assert(status == NNCF_OK || status == NNCF_E_NOMEM);
                ck_assert((status == NNCF_OK) == (nncf__scratch(context, 2) != NULL));
                nncf_context_destroy(context);
            } else {
                ck_assert_int_eq(status, NNCF_E_NOMEM);
                ck_assert_int_eq(err.status, NNCF_E_NOMEM);
                ck_assert_ptr_null(context);
            }
            ck_assert_uint_eq(counter.live, 0);
            ck_assert_uint_eq(counter.mistakes, 0);
            if (counter.calls < n)
                break;
        }
    }
}
END_TEST

START_TEST(default_context_has_a_thread_for_each_processor)
{
    nncf_context *context = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf__context_default(&context, &err), NNCF_OK);
    int32_t n = nncf__processor_count();
    ck_assert_int_eq(context->params.n_threads, n < 256 ? n : 256);
    nncf_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base");
    TCase *tests = fx_case(suite, "base", 60);
    tcase_add_test(tests, arithmetic_is_checked);
    tcase_add_test(tests, blocks_are_aligned_and_given_back_with_their_size);
    tcase_add_test(tests, allocation_works_without_hooks);
    tcase_add_test(tests, a_hook_that_ignores_alignment_is_refused);
    tcase_add_test(tests, grow_keeps_what_it_had_on_failure);
    tcase_add_test(tests, statuses_have_names);
    tcase_add_test(tests, errors_name_status_place_and_reason);
    tcase_add_test(tests, long_texts_are_cut_between_characters);
    tcase_add_test(tests, short_error_records_are_not_overrun);
    tcase_add_test(tests, parameter_structs_of_other_sizes_are_read_by_their_size);
    tcase_add_test(tests, text_is_delivered_by_the_rule);
    tcase_add_test(tests, doubles_are_written_so_that_they_read_back);
    tcase_add_test(tests, edit_distance_counts_insertions_deletions_and_changes);
    tcase_add_test(tests, another_major_version_is_refused);
    tcase_add_test(tests, context_params_out_of_range_are_refused);
    tcase_add_test(tests, context_params_of_other_versions_are_taken);
    tcase_add_test(tests, log_gets_lines_up_to_its_level);
    tcase_add_test(tests, environment_lowers_the_instruction_set);
    tcase_add_test(tests, creation_survives_every_failed_allocation);
    tcase_add_test(tests, default_context_has_a_thread_for_each_processor);
    return fx_main(suite);
}
