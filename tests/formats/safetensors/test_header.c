/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of safetensors files, from memory: what opens, what does not and why, and how two configs
 * differ. */
#include "base/text.h"
#include "formats/checkpoint/differ.h"
#include "formats/safetensors/header.h"
#include "formats/safetensors/json.h"
#include "formats/safetensors/safetensors.h"
#include "fuzz/checkpoint_target.h"
#include "support/fixture.h"

#include <stdbool.h>
#include <stdio.h>

#define T(shape, offsets) "{\"dtype\":\"U8\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define A                 "\"a\":" T("[1]", "[0,1]")
#define WITH(more)        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]," more "}}"

/* A file of that header with `data` bytes 0, 1, 2, ... behind it, opened from memory. */
static nncf_status open_header(nncf_context *context, const char *header, size_t length,
    size_t data, nncf_checkpoint **c, nncf_error *err)
{
    uint8_t *file = fx_alloc(8 + length + data, 1);
    for (int i = 0; i < 8; i++)
        file[i] = (uint8_t)((uint64_t)length >> (8 * i));
    memcpy(file + 8, header, length);
    for (size_t i = 0; i < data; i++)
        file[8 + length + i] = (uint8_t)i;
    nncf_status status = target_open(context, file, 8 + length + data, c, err);
    free(file);
    return status;
}

static const struct {
    const char *header;
    size_t data;
    const char *says;
} bad[] = {
    {"{", 0, "too few"},
    {"{", 9, "header of 1 bytes"},
    {"  ", 0, "not one JSON object"},
    {"{}x", 0, "not one JSON object"},
    {"[]", 0, "not one JSON object"},
    {"null", 0, "not one JSON object"},
    {"{} {}", 0, "not one JSON object"},
    {"\xef\xbb\xbf{}", 0, "not one JSON object"},
    {"{\"a\":" T("[1]", "[0,1]"), 1, "cut off"},
    {"{\"a", 1, "cut off"},
    {"{\"a\":", 1, "cut off"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1", 1, "cut off"},
    {"{'a':" T("[1]", "[0,1]") "}", 1, "not JSON"},
    {"{" A ",}", 1, "not JSON"},
    {"{" A " \"b\":" T("[0]", "[1,1]") "}", 1, "not JSON"},
    {"{/**/" A "}", 1, "not JSON"},
    {"{" A "," A "}", 1, "twice"},
    {"{" A ",\"\\u0061\":" T("[1]", "[1,2]") "}", 2, "twice"},
    {"{\"a\\u0000b\":" T("[1]", "[0,1]") "}", 1, "NUL"},
    {"{\"__metadata__\":{\"a\":\"\\u0000\"}}", 0, "NUL"},
    {"{\"__metadata__\":{\"\\u0000\":\"\"}}", 0, "NUL"},
    {"{\"a\xff\":" T("[1]", "[0,1]") "}", 1, "not UTF-8"},
    {"{\"a\n\":" T("[1]", "[0,1]") "}", 1, "control character"},
    {"{\"\\ud800\":" T("[1]", "[0,1]") "}", 1, "escape"},
    {"{\"\\ud800\\u0041\":" T("[1]", "[0,1]") "}", 1, "escape"},
    {"{\"\\udc00\":" T("[1]", "[0,1]") "}", 1, "escape"},
    {"{\"\\u00g0\":" T("[1]", "[0,1]") "}", 1, "escape"},
    {"{\"\\x\":" T("[1]", "[0,1]") "}", 1, "backslash"},
    {"{\"a\":1}", 0, "must be an object"},
    {"{\"a\":?}", 0, "not JSON"},
    {"{\"a\":[\"U8\",[1],[0,1]]}", 1, "must be an object"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "must be an object"},
    {"{\"a\":{\"dtype\":8,\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "dtype must be a string"},
    {"{\"a\":{\"dtype\":{\"U8\":null},\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
        "dtype must be a string"},
    {"{\"a\":{\"dtype\":\"X8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
        "not one of the format's"},
    {"{\"a\":{\"dtype\":\"u8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
        "not one of the format's"},
    {"{\"a\":" T("{}", "[0,1]") "}", 1, "shape must be an array"},
    {"{\"a\":" T("null", "[0,1]") "}", 1, "shape must be an array"},
    {"{\"a\":" T("[1]", "[0,1,2]") "}", 1, "array of two"},
    {"{\"a\":" T("[1]", "[0]") "}", 1, "array of two"},
    {"{\"a\":" T("[1]", "{}") "}", 1, "array of two"},
    {"{\"a\":" T("[-1]", "[0,1]") "}", 1, "whole number"},
    {"{\"a\":" T("[-0]", "[0,0]") "}", 0, "whole number"},
    {"{\"a\":" T("[01]", "[0,1]") "}", 1, "not JSON"},
    {"{\"a\":" T("[1.0]", "[0,1]") "}", 1, "whole number"},
    {"{\"a\":" T("[1e0]", "[0,1]") "}", 1, "whole number"},
    {"{\"a\":" T("[\"1\"]", "[0,1]") "}", 1, "whole number"},
    {"{\"a\":" T("[99999999999999999999]", "[0,1]") "}", 1, "whole number"},
    {"{\"a\":" T("[9223372036854775808]", "[0,0]") "}", 0, "below 2^63"},
    {"{\"a\":" T("[4294967296,4294967296]", "[0,0]") "}", 0, "more elements than can be counted"},
    {"{\"a\":" T("[4294967296,4294967296,0]", "[0,0]") "}", 0, "more elements than can be counted"},
    {"{\"a\":" T("[4611686018427387904]", "[0,0]") "}", 0, "do not fit"},
    {"{\"a\":" T("[1]", "[-1,0]") "}", 1, "whole numbers"},
    {"{\"a\":" T("[1]", "[1,0]") "}", 1, "outside the file"},
    {"{\"a\":" T("[2]", "[0,2]") "}", 1, "outside the file"},
    {"{\"a\":" T("[1]", "[0,9223372036854775806]") "}", 1, "outside the file"},
    {"{\"a\":" T("[2]", "[0,1]") "}", 1, "do not fit"},
    {"{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2, "do not fit"},
    {"{\"a\":" T("[2]", "[0,2]") ",\"b\":" T("[2]", "[1,3]") "}", 3, "overlaps"},
    {"{\"a\":" T("[2]", "[0,2]") ",\"b\":" T("[1]", "[3,4]") "}", 4, "hole"},
    {"{\"a\":" T("[1]", "[1,2]") "}", 2, "hole"},
    {"{" A "}", 2, "1 bytes behind"},
    {"{\"__metadata__\":[]}", 0, "not an object"},
    {"{\"__metadata__\":{\"a\":1}}", 0, "\"a\" is not a string"},
    {"{\"__metadata__\":{\"a\":null}}", 0, "\"a\" is not a string"},
    {"{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0, "\"a\" twice"},
    {"{\"__metadata__\":null,\"__metadata__\":{}}", 0, "__metadata__ is there twice"},
    {WITH("\"dtype\":\"U8\""), 1, "is there twice"},
    {WITH("\"shape\":[1]"), 1, "is there twice"},
    {WITH("\"data_offsets\":[0,1]"), 1, "is there twice"},
    {WITH("\"more\":1e999"), 1, "out of range"},
    {WITH("\"more\":[1,]"), 1, "not JSON"},
    {WITH("\"more\":{\"a\"}"), 1, "a colon"},
    {WITH("\"more\":{1:2}"), 1, "a string in double quotes"},
    {WITH("\"more\":tru"), 1, "not JSON"},
    {WITH("\"more\":NaN"), 1, "not JSON"},
    {WITH("\"more\":-"), 1, "not JSON"},
    {WITH("\"more\":1."), 1, "not JSON"},
    {WITH("\"more\":1e+"), 1, "not JSON"},
    {WITH("\"more\":}"), 1, "not JSON"},
    {WITH("\"more\":[}"), 1, "not JSON"},
    {"{\"__metadata__\":{\"nncf.epoch\":\"1\"}}", 0, "format version is missing"},
    {"{\"__metadata__\":{\"nncf.format\":\"1\"}}", 0, "checksum is missing"},
    {"{\"__metadata__\":{\"nncf.format\":\"2\"}}", 0, "newer library"},
};

START_TEST(bad_header_is_refused)
{
    nncf_checkpoint *c = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status want = strstr(bad[_i].says, "newer") ? NNCF_E_VERSION : NNCF_E_FORMAT;
    nncf_status status =
        open_header(NULL, bad[_i].header, strlen(bad[_i].header), bad[_i].data, &c, &err);
    ck_assert_msg(status == want, "%s: %s", bad[_i].header, nncf_status_name(status));
    ck_assert_msg(
        strstr(err.message, bad[_i].says) != NULL, "%s says: %s", bad[_i].header, err.message);
    ck_assert_int_eq(err.status, want);
    ck_assert_ptr_null(c);
}
END_TEST

/* Refused by our reader until it was compared with the published one, which takes them all. */
static const struct {
    const char *header;
    size_t data, tensors;
    const char *name; /* of the first tensor */
} good[] = {
    {"{}", 0, 0, NULL},
    {" \t\r\n{ } \n\r\t", 0, 0, NULL},
    {"{\"__metadata__\":null," A "}", 1, 1, "a"},
    {"{" A ",\"__metadata__\":null}", 1, 1, "a"},
    {WITH("\"more\":1"), 1, 1, "a"},
    {WITH("\"more\":{\"a\":[1e5,-0.5E-7,null,true,false,{},[],\"\\\"\"],\"a\":{}}"), 1, 1, "a"},
    {WITH("\"more\":1,\"more\":2"), 1, 1, "a"},
    {WITH("\"more\":123456789012345678901234567890"), 1, 1, "a"},
    {"{\"a\":{\"more\":[],\"data_offsets\":[0,1],\"shape\":[1],\"dtype\":\"U8\"}}", 1, 1, "a"},
    {"{\"\\u005f_metadata__\":{\"\\u0061\":\"b\"}," A "}", 1, 1, "a"},
    {"{\"a\":{\"d\\u0074ype\":\"\\u0055\\u0038\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, 1,
        "a"},
    {"{\"\":" T("[1]", "[0,1]") "}", 1, 1, ""},
    {"{\"\\ud83d\\uDE00\\u20ac\\u00e4\\u007f\":" T("[1]", "[0,1]") "}", 1, 1,
        "\xf0\x9f\x98\x80\xe2\x82\xac\xc3\xa4\x7f"},
    {"{\"\\b\\f\\n\\r\\t\\/\\\\\\\"\":" T("[1]", "[0,1]") "}", 1, 1, "\b\f\n\r\t/\\\""},
    {"{\"b\":" T("[0,4294967296,4294967296]", "[0,0]") "," A "}", 1, 2, "b"},
    {"{" A ",\"b\":" T("[0]", "[1,1]") ",\"c\":" T("[0,9223372036854775807]", "[0,0]") "}", 1, 3,
        "c"},
};

START_TEST(good_header_is_read)
{
    nncf_checkpoint *c = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status =
        open_header(NULL, good[_i].header, strlen(good[_i].header), good[_i].data, &c, &err);
    ck_assert_msg(status == NNCF_OK, "%s: %s", good[_i].header, err.message);
    ck_assert_uint_eq(nncf_checkpoint_get_tensor_count(c), good[_i].tensors);
    if (good[_i].name)
        ck_assert_str_eq(nncf_checkpoint_get_tensor_name(c, 0), good[_i].name);
    nncf_checkpoint_close(c);
}
END_TEST

/* Names and bits as safetensors 0.8.0 lists them. Those that nncf_tensor does not have are there
 * all the same. */
START_TEST(every_type_has_its_size)
{
    static const struct {
        const char *name;
        unsigned bits;
    } types[] = {{"BOOL", 8}, {"F4", 4}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8}, {"I8", 8},
        {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8},
        {"I16", 16}, {"U16", 16}, {"F16", 16}, {"BF16", 16}, {"I32", 32}, {"U32", 32}, {"F32", 32},
        {"C64", 64}, {"F64", 64}, {"I64", 64}, {"U64", 64}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char header[160];
        nncf_error err = NNCF_ERROR_INIT;
        for (unsigned bytes = types[i].bits - 1; bytes <= types[i].bits + 1; bytes++) {
            nncf_checkpoint *c = NULL;
            nncf_tensor t;
            snprintf(header, sizeof header,
                "{\"a\":{\"dtype\":\"%s\",\"shape\":[8],\"data_offsets\":[0,%u]}}", types[i].name,
                bytes);
            nncf_status status = open_header(NULL, header, strlen(header), bytes, &c, &err);
            ck_assert_msg(
                (status == NNCF_OK) == (bytes == types[i].bits), "%s: %s", header, err.message);
            if (status != NNCF_OK)
                continue;
            status = nncf_checkpoint_get_tensor(c, "a", &t, NULL);
            ck_assert(status == NNCF_E_DTYPE ||
                (status == NNCF_OK && 8 * nncf__dtype_size(t.dtype) == types[i].bits));
            nncf_checkpoint_close(c);
        }
    }
}
END_TEST

/* Levels of arrays that are open at a time: 127 with the root and the entry, as in the published
 * reader. */
START_TEST(deep_json_is_refused)
{
    for (int levels = 124; levels < 129; levels++) {
        char nested[300] = "", header[500];
        nncf_checkpoint *c = NULL;
        nncf_error err = NNCF_ERROR_INIT;
        memset(nested, '[', (size_t)levels);
        memset(nested + levels, ']', (size_t)levels);
        snprintf(header, sizeof header, WITH("\"more\":%s"), nested);
        nncf_status status = open_header(NULL, header, strlen(header), 1, &c, &err);
        ck_assert_msg(status == (levels <= 125 ? NNCF_OK : NNCF_E_FORMAT), "%d levels: %s", levels,
            err.message);
        nncf_checkpoint_close(c);
    }
}
END_TEST

/* Every cut of a header that has everything is refused, and what is read lies within the header
 * (under ASan). */
START_TEST(a_cut_header_is_refused_everywhere)
{
    static const char header[] = "{\"__metadata__\":{\"k\\u00e4\":\"v\\n\"},\"\\ud83d\\ude00\":{"
                                 "\"dtype\":\"U8\",\"shape\":[1,1],"
                                 "\"data_offsets\":[0,1],\"more\":[-1.5e-3,true,{\"x\":null}]}}";
    for (size_t n = 2; n < sizeof header - 1; n++) {
        nncf_checkpoint *c = NULL;
        ck_assert_msg(open_header(NULL, header, n, 1, &c, NULL) == NNCF_E_FORMAT, "%zu", n);
    }
}
END_TEST

START_TEST(a_flaw_is_told_by_its_offset)
{
    nncf_checkpoint *c = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    static const char header[] = "{" A ",?}";
    ck_assert_int_eq(open_header(NULL, header, strlen(header), 1, &c, &err), NNCF_E_FORMAT);
    ck_assert_uint_eq(err.offset, 8 + strlen("{" A ","));
    /* a record of a program that was built when it ended before `offset`: that is somebody else's
     * memory */
    err.struct_size = offsetof(nncf_error, offset);
    err.offset = 77;
    ck_assert_int_eq(open_header(NULL, header, strlen(header), 1, &c, &err), NNCF_E_FORMAT);
    ck_assert_uint_eq(err.offset, 77);
}
END_TEST

/* A text is found whatever the order, and the order is kept. */
START_TEST(texts_are_unescaped)
{
    nncf_checkpoint *c = NULL;
    char *header = NULL, key[16];
    size_t length;
    enum { COUNT = 500 };
    FILE *f = open_memstream(&header, &length);
    fputs("{\"__metadata__\":{", f);
    for (int i = 0; i < COUNT; i++)
        fprintf(f, "%s\"k%d\":\"v%d\"", i ? "," : "", i * 7919 % COUNT, i);
    fputs("}}", f);
    fclose(f);
    ck_assert_int_eq(open_header(NULL, header, length, 0, &c, NULL), NNCF_OK);
    for (int i = 0; i < COUNT; i++) {
        char value[16];
        snprintf(key, sizeof key, "k%d", i * 7919 % COUNT);
        snprintf(value, sizeof value, "v%d", i);
        ck_assert_str_eq(nncf_checkpoint_get_text(c, key), value);
        ck_assert_str_eq(c->texts[i].key, key);
    }
    ck_assert_ptr_null(nncf_checkpoint_get_text(c, "k"));
    ck_assert_ptr_null(nncf_checkpoint_get_text(c, "k500"));
    nncf_checkpoint_close(c);
    free(header);
}
END_TEST

/* ---- numbers ---- */

/* Which numbers a double holds; beside the obvious the C library's strtod() is asked. */
START_TEST(numbers_beyond_their_range_are_refused)
{
    static const char *const numbers[] = {"0", "-0.0", "1e308", "1.7976931348623157e308",
        "-1.7976931348623157e308", "1.8e308", "17.97e307", "1e309", "-1e309", "0e999",
        "0.0e99999999999999999", "1e-99999999999999999", "1e99999999999999999", "0.1e309",
        "0.01e311", "0.000e400", "100e306", "100e307", "123456789e300", "0.00000000001e319",
        "0.1E+310"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        nncf__json j;
        nncf__json_span span;
        nncf__json_start(&j, numbers[i], strlen(numbers[i]));
        nncf__json_number(&j, &span);
        const bool holds = isfinite(strtod(numbers[i], NULL)) != 0;
        ck_assert_msg((j.flaw == NULL) == holds, "%s", numbers[i]);
    }
}
END_TEST

/* ---- configs ---- */

static void compare(const char *ours, const char *theirs, size_t count, const char *says)
{
    nncf_context *context = fx_new_context(NULL, 1, 0, 0);
    nncf__text lines = {.context = context};
    size_t n = 99;
    ck_assert_int_eq(nncf__config_differences(ours, theirs, &lines, &n), NNCF_OK);
    ck_assert_msg(
        n == count && strcmp(lines.data ? lines.data : "", says) == 0, "%zu: %s", n, lines.data);
    nncf__text_free(&lines);
    nncf_context_destroy(context);
}

START_TEST(differences_of_configs_are_named)
{
    compare("{\"a\":1}", "{\"a\":1}", 0, "");
    compare("{\"a\":1}", "{\"a\":2}", 1, "a is 1 here, 2 in the snapshot\n");
    compare("{\"b\":{\"c\":[1,{\"d\":\"x\"}]}}", "{\"b\":{\"c\":[1,{\"d\":\"y\"},3]}}", 2,
        "b.c[1].d is \"x\" here, \"y\" in the snapshot\nb.c[2] is nothing here, 3 in the "
        "snapshot\n");
    compare("{\"a\":1,\"b\":{}}", "{\"c\":null,\"a\":[1]}", 3,
        "a is 1 here, [1] in the snapshot\nb is {} here, nothing in the snapshot\n"
        "c is nothing here, null in the snapshot\n");
    compare("[1]", "{\"compression\":[1,2],\"nncf_dialect\":\"1.2\"}", 2,
        "compression[1] is nothing here, 2 in the snapshot\nnncf_dialect is \"1.1\" here, \"1.2\" "
        "in the snapshot\n");
    compare("1", "2", 1, "the whole is 1 here, 2 in the snapshot\n");
    /* not JSON, equal but for spaces, nothing at all */
    compare("{\"a\":1}", "{\"a\":", 1, "the texts differ\n");
    compare("{\"a\":1}", "{\"a\": 1}", 1, "the texts differ\n");
    compare("", "", 0, "");
    compare("", "{}", 1, "the texts differ\n");
    /* members in another order, and twice in a file that was tampered with */
    compare("{\"a\":1,\"b\":2}", "{\"b\":3,\"a\":1}", 1, "b is 2 here, 3 in the snapshot\n");
    compare("{\"a\":1}", "{\"a\":1,\"a\":2}", 1, "a is nothing here, 2 in the snapshot\n");
    /* long values are cut, but not within a character */
    compare("{\"a\":\"123456789012345678901234567890123456789012345\xe2\x82\xac\"}", "{\"a\":0}", 1,
        "a is \"123456789012345678901234567890123456789012345 here, 0 in the snapshot\n");
}
END_TEST

/* Whatever the file says: a bounded text, and 12 times the memory at most. */
START_TEST(a_hostile_config_is_compared_in_bounds)
{
    static const char *const parts[][3] = {{"[", "0,", "0]"}, {"[", "[],", "0]"},
        {"{", "\"\":0,", "\"\":0}"}, {"{", "\"a\":{\"b\":[]},", "\"\":0}"}};
    enum { REPEAT = 50000 };
    target_memory memory = {0};
    nncf_context *context = target_context(&memory);
    nncf__text lines = {.context = context};
    char *text = NULL;
    size_t length, count;
    FILE *f = open_memstream(&text, &length);
    fputs(parts[_i][0], f);
    for (int i = 0; i < REPEAT; i++)
        fputs(parts[_i][1], f);
    fputs(parts[_i][2], f);
    fclose(f);
    const size_t before = memory.live;
    memory.peak = before;
    ck_assert_int_eq(nncf__config_differences("{\"a\":1}", text, &lines, &count), NNCF_OK);
    ck_assert_uint_ge(count, 1);
    ck_assert_uint_lt(lines.length, 40000);
    ck_assert_msg(memory.peak - before < 12 * length + 40000, "%.1f times",
        (double)(memory.peak - before) / (double)length);
    count = 0;
    for (const char *p = lines.data; (p = strchr(p, '\n')); p++)
        count++;
    ck_assert_uint_le(count, NNCF__MOST_DIFFERENCES + 1);
    if (parts[_i][0][0] == '{')
        ck_assert_ptr_nonnull(strstr(lines.data, "differences more"));
    nncf__text_free(&lines);
    nncf_context_destroy(context);
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("header");
    TCase *tc = fx_case(suite, "header", 60);
    tcase_add_loop_test(tc, bad_header_is_refused, 0, sizeof bad / sizeof *bad);
    tcase_add_loop_test(tc, good_header_is_read, 0, sizeof good / sizeof *good);
    tcase_add_test(tc, every_type_has_its_size);
    tcase_add_test(tc, deep_json_is_refused);
    tcase_add_test(tc, a_cut_header_is_refused_everywhere);
    tcase_add_test(tc, a_flaw_is_told_by_its_offset);
    tcase_add_test(tc, texts_are_unescaped);
    tcase_add_test(tc, numbers_beyond_their_range_are_refused);
    tcase_add_test(tc, differences_of_configs_are_named);
    tcase_add_loop_test(tc, a_hostile_config_is_compared_in_bounds, 0, 4);
    return fx_main(suite);
}
