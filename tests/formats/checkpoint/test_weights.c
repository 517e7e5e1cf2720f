/* SPDX-License-Identifier: Apache-2.0 */
/* Weights from elsewhere: which names mean the same, which types are converted, what is reported.
 */
#include "fuzz/checkpoint_target.h"
#include "support/files.h"
#include "support/fixture.h"
#include "support/require.h"

#include <stdio.h>
#include <unistd.h>

/* A safetensors file in memory from lines of JSON members and its data. */
static nncf_checkpoint *make(const char *members, const void *data, size_t size)
{
    const size_t n = strlen(members) + 2;
    uint8_t *file = fx_alloc(8 + n + size, 1);
    nncf_checkpoint *c = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    for (int i = 0; i < 8; i++)
        file[i] = (uint8_t)((uint64_t)n >> (8 * i));
    file[8] = '{';
    memcpy(file + 9, members, n - 2);
    file[8 + n - 1] = '}';
    if (size > 0)
        memcpy(file + 8 + n, data, size);
    ck_assert_msg(target_open(NULL, file, 8 + n + size, &c, &err) == NNCF_OK, "%s", err.message);
    free(file);
    return c;
}

static const struct {
    const char *stored, *wanted;
    bool same;
} names[] = {
    {"features.0.0.weight", "features.0.0.weight", true},
    {"module.features.0.0.weight", "features.0.0.weight", true},
    {"module.module.features.0.0.weight", "features.0.0.weight", true},
    {"nncf_module.features.0.0.weight", "features.0.0.weight", true},
    {"module.nncf_module.features.0.module.0.weight", "features.0.0.weight", true},
    {"features.0.0.weight", "module.features.0.0.weight", true},
    {"submodule.0.weight", "0.weight", false},
    {"modules.0.weight", "0.weight", false},
    {"submodule.0.weight", "submodule.0.weight", true},
    {"features.0.weight", "features.0.0.weight", false},
    {"features.0.0.weight.more", "features.0.0.weight", false},
    {"conv.pre_ops.0.op._mask", "conv.pre_ops.1.op._mask", true},
    {"module.conv.pre_ops.0.op._mask", "conv.operation._mask", true},
    {"conv.pre_ops.x.op._mask", "conv.pre_ops.1.op._mask", false},
    {"conv.pre_ops.0._mask", "conv.pre_ops.1._mask", false},
    /* torchvision's names, and the scopes of the same modules */
    {"features.1.conv.0.0.weight",
        "MobileNetV2/Sequential[features]/InvertedResidual[1]/Sequential[conv]/ConvBNReLU[0]/"
        "Conv2d[0].weight",
        true},
    {"classifier.1.bias", "MobileNetV2/Sequential[classifier]/NNCFLinear[1].bias", true},
    {"module.layer1.0.conv1.weight",
        "ResNet/Sequential[layer1]/BasicBlock[0]/NNCFConv2d[conv1].weight", true},
    {"layer1.0.conv1.weight",
        "ResNet/Sequential[layer1]/BasicBlock[0]/NNCFConv2d[conv1]/conv2d_0.weight", true},
    {"layer2.0.downsample.0.weight",
        "ResNet/Sequential[layer2]/BasicBlock[0]/Sequential[downsample]/Conv2d[0].weight", true},
    {"fc.weight", "ResNet/Linear[fc].weight", true},
    {"fc.weight", "ResNet/Linear[fd].weight", false},
    {"layer1.0.conv1.weight", "ResNet/Sequential[layer1]/BasicBlock[1]/Conv2d[conv1].weight",
        false},
};

START_TEST(names_match_across_programs)
{
    char members[256];
    float from = 5, to = 0;
    const int64_t shape[] = {1};
    nncf_checkpoint_match m;
    const nncf_checkpoint_tensor t = {
        names[_i].wanted, {.data = &to, .dtype = NNCF_F32, .ndim = 1, .shape = shape}};
    snprintf(members, sizeof members,
        "\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}", names[_i].stored);
    nncf_checkpoint *c = make(members, &from, sizeof from);
    nncf_status status = nncf_checkpoint_load_weights(c, &t, 1, NULL, &m, NULL, NULL);
    ck_assert_msg(status == (names[_i].same ? NNCF_OK : NNCF_E_NOTFOUND), "%s and %s",
        names[_i].stored, names[_i].wanted);
    ck_assert(to == (names[_i].same ? 5 : 0));
    if (names[_i].same) {
        ck_assert_int_eq(m.state, NNCF_MATCH_LOADED);
        ck_assert_str_eq(m.source, names[_i].stored);
    }
    nncf_checkpoint_close(c);
}
END_TEST

#define ENTRY(name, type, shape, from, to)                                                         \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":[" #from "," #to "]}"

START_TEST(half_and_double_are_converted)
{
    static const double doubles[] = {0.1, -1e300, 3};
    /* IEEE 754 binary16: 1, -2, 65504 (largest), 2^-24 (smallest), 2^-14, -0, inf, 1/3 rounded;
     * bfloat16: 1, -2.5 */
    static const uint16_t halves[] = {
        0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x8000, 0x7c00, 0x3555};
    static const float want[] = {
        1, -2, 65504, 0x1p-24f, 0x1p-14f, -0.0f, INFINITY, 0.333251953125f};
    static const uint16_t brains[] = {0x3f80, 0xc020};
    uint8_t data[24 + 16 + 4 + 8];
    const int64_t three[] = {3}, eight[] = {8}, two[] = {2}, one[] = {1};
    float d[3], h[8], b[2], i64[1] = {-3};
    nncf_checkpoint_match m[4];
    nncf_checkpoint_load_report r = {NNCF_PARAMS(nncf_checkpoint_load_report)};
    memcpy(data, doubles, 24);
    memcpy(data + 24, halves, 16);
    memcpy(data + 40, brains, 4);
    memset(data + 44, 0, 8);
    nncf_checkpoint *c =
        make(ENTRY("d", "F64", "[3]", 0, 24) "," ENTRY("h", "F16", "[8]", 24, 40) "," ENTRY(
                 "b", "BF16", "[2]", 40, 44) "," ENTRY("i", "I64", "[1]", 44, 52),
            data, sizeof data);
    const nncf_checkpoint_tensor t[] = {
        {"d", {.data = d, .dtype = NNCF_F32, .ndim = 1, .shape = three}},
        {"h", {.data = h, .dtype = NNCF_F32, .ndim = 1, .shape = eight}},
        {"b", {.data = b, .dtype = NNCF_F32, .ndim = 1, .shape = two}},
        {"i", {.data = i64, .dtype = NNCF_F32, .ndim = 1, .shape = one}}};
    ck_assert_int_eq(nncf_checkpoint_load_weights(c, t, 4, NULL, m, &r, NULL), NNCF_OK);
    ck_assert(d[0] == 0.1f && d[1] == -INFINITY && d[2] == 3);
    ck_assert_mem_eq(h, want, sizeof want);
    ck_assert(b[0] == 1 && b[1] == -2.5f);
    ck_assert_int_eq(m[3].state, NNCF_MATCH_TYPE);
    ck_assert(i64[0] == -3);
    ck_assert(r.loaded == 3 && r.wrong_type == 1 && r.missing == 0 && r.unexpected == 0);
    nncf_checkpoint_close(c);
}
END_TEST

START_TEST(report_counts_loaded_missing_and_unexpected)
{
    const float data[5] = {1, 2, 3, 4, 5};
    float a[1] = {-1}, b[2] = {-1, -1}, x[1] = {-1}, two[1] = {-1};
    const int64_t one[] = {1}, pair[] = {2};
    const char *unexpected[4] = {NULL};
    nncf_checkpoint_match m[4];
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint_load_report r = {NNCF_PARAMS(nncf_checkpoint_load_report)};
    nncf_checkpoint *c =
        make(ENTRY("module.a", "F32", "[1]", 0, 4) "," ENTRY("b", "F32", "[1]", 4, 8) "," ENTRY(
                 "module.two", "F32", "[1]", 8, 12) "," ENTRY("nncf_module.two", "F32", "[1]", 12,
                 16) "," ENTRY("other", "F32", "[1]", 16, 20) "," ENTRY("bn.num_batches_tracked",
                 "I64", "[0]", 20, 20),
            data, sizeof data);
    const nncf_checkpoint_tensor t[] = {
        {"a", {.data = a, .dtype = NNCF_F32, .ndim = 1, .shape = one}},
        {"b", {.data = b, .dtype = NNCF_F32, .ndim = 1, .shape = pair}},
        {"missing", {.data = x, .dtype = NNCF_F32, .ndim = 1, .shape = one}},
        {"two", {.data = two, .dtype = NNCF_F32, .ndim = 1, .shape = one}}};
    ck_assert_int_eq(nncf_checkpoint_load_weights(c, t, 4,
                         &(nncf_checkpoint_load_params){NNCF_PARAMS(nncf_checkpoint_load_params),
                             .unexpected_names = unexpected, .capacity = 4},
                         m, &r, &err),
        NNCF_OK);
    ck_assert_int_eq(m[0].state, NNCF_MATCH_LOADED);
    ck_assert_str_eq(m[0].source, "module.a");
    ck_assert_int_eq(m[1].state, NNCF_MATCH_SHAPE);
    ck_assert_int_eq(m[2].state, NNCF_MATCH_MISSING);
    ck_assert_ptr_null(m[2].source);
    ck_assert_int_eq(m[3].state, NNCF_MATCH_AMBIGUOUS);
    ck_assert(a[0] == 1 && b[0] == -1 && x[0] == -1 && two[0] == -1);
    ck_assert(r.loaded == 1 && r.missing == 1 && r.wrong_shape == 1 && r.wrong_type == 0 &&
        r.ambiguous == 1);
    ck_assert_uint_eq(r.unexpected, 2); /* the second "two" is nobody's */
    ck_assert_str_eq(unexpected[0], "nncf_module.two");
    ck_assert_str_eq(unexpected[1], "other");
    ck_assert_int_eq(
        nncf_checkpoint_load_weights(c, t + 2, 1, NULL, NULL, NULL, &err), NNCF_E_NOTFOUND);
    ck_assert_int_eq(nncf_checkpoint_load_weights(NULL, t, 1, NULL, NULL, NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_checkpoint_load_weights(c, NULL, 1, NULL, NULL, NULL, &err), NNCF_E_ARG);
    nncf_checkpoint_close(c);
}
END_TEST

/* Very many of everything: looking through all stored for each of them took minutes. */
START_TEST(thousands_of_tensors_are_found_by_name)
{
    enum { LENGTH = 40 };
    const int count = sweep_rounds(60000, 4000);
    const int64_t none[] = {0};
    char *stored = fx_alloc((size_t)count, LENGTH), *keys = fx_alloc((size_t)count, LENGTH),
         path[FX_TEMPORARY];
    nncf_checkpoint_tensor *t = fx_alloc((size_t)count, sizeof *t);
    nncf_checkpoint_text *texts = fx_alloc((size_t)count, sizeof *texts);
    nncf_checkpoint *c = NULL, *again = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    size_t unknown;
    for (int i = 0; i < count; i++) {
        char *name = stored + (size_t)i * LENGTH, *key = keys + (size_t)i * LENGTH;
        snprintf(name, LENGTH, "module.layer%d.weight", (int)(i * 7919L % count));
        snprintf(key, LENGTH, "key %d", (int)(i * 7919L % count));
        t[i] = (nncf_checkpoint_tensor){name, {.dtype = NNCF_F32, .ndim = 1, .shape = none}};
        texts[i] = (nncf_checkpoint_text){key, name};
    }
    fx_temporary(path);
    ck_assert_msg(nncf_checkpoint_save(NULL, path, t, (size_t)count,
                      &(nncf_checkpoint_save_params){NNCF_PARAMS(nncf_checkpoint_save_params),
                          .texts = texts, .n_texts = (size_t)count},
                      &err) == NNCF_OK,
        "%s", err.message);
    ck_assert_int_eq(nncf_checkpoint_open(NULL, path, NULL, &c, &err), NNCF_OK);
    ck_assert_int_eq(
        nncf_checkpoint_get_unknown_names(c, NULL, t, (size_t)count, NULL, 0, &unknown, NULL),
        NNCF_OK);
    ck_assert_uint_eq(unknown, 0);
    for (int i = 0; i < count; i++)
        ck_assert_str_eq(nncf_checkpoint_get_text(c, texts[i].key), texts[i].value);
    for (int i = 0; i < count; i++)
        t[i].name += strlen("module."); /* no name is found as it is */
    nncf_checkpoint_load_report r = {NNCF_PARAMS(nncf_checkpoint_load_report)};
    ck_assert_int_eq(
        nncf_checkpoint_load_weights(c, t, (size_t)count, NULL, NULL, &r, &err), NNCF_OK);
    ck_assert_uint_eq(r.loaded, (size_t)count);
    ck_assert_uint_eq(r.unexpected, 0);
    /* all that is not given is carried along, once */
    const nncf_checkpoint_save_params p = {NNCF_PARAMS(nncf_checkpoint_save_params), .texts = texts,
        .n_texts = (size_t)count, .carry = c};
    ck_assert_int_eq(nncf_checkpoint_save(NULL, path, t, (size_t)count, &p, &err), NNCF_OK);
    ck_assert_int_eq(nncf_checkpoint_open(NULL, path, NULL, &again, &err), NNCF_OK);
    ck_assert_uint_eq(nncf_checkpoint_get_tensor_count(again), 2 * (size_t)count);
    nncf_checkpoint_close(again);
    nncf_checkpoint_close(c);
    unlink(path);
    free(stored);
    free(keys);
    free(t);
    free(texts);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("weights");
    TCase *tc = fx_case(suite, "weights", 60);
    tcase_add_loop_test(tc, names_match_across_programs, 0, sizeof names / sizeof *names);
    tcase_add_test(tc, half_and_double_are_converted);
    tcase_add_test(tc, report_counts_loaded_missing_and_unexpected);
    tcase_add_test(tc, thousands_of_tensors_are_found_by_name);
    return fx_main(suite);
}
