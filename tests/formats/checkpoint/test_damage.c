/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots whose checksums are right and whose contents make no sense: what a program that means
 * harm, or a faulty one, can write. Each is damaged in memory behind opening. Restoring says what
 * is wrong, and changes nothing.
 */
#include "formats/checkpoint/masks.h"
#include "formats/checkpoint/state.h"
#include "formats/safetensors/safetensors.h"
#include "formats/safetensors/tensors.h"
#include "support/files.h"
#include "support/fixture.h"
#include "support/rig.h"

#include <stdbool.h>
#include <stdio.h>

#define QUANTIZATION                                                                               \
    "{\"algorithm\": \"quantization\", \"weights\": {\"mode\": \"asymmetric\"}, \"initializer\": " \
    "{\"range\": "                                                                                 \
    "{\"num_init_steps\": 1}}}"
#define CONFIG(algorithms)                                                                         \
    "{\"nncf_dialect\": \"1.3\", \"compression\": [" algorithms ", " QUANTIZATION "]}"

static void make_rig(fx_rig *r, const char *config)
{
    const fx_block layer = {
        .scope = "N/Linear[a]", .in_channels = 6, .out_channels = 8, .linear = true};
    fx_rig_make(r, &layer, config);
}

static fx_stream state_of(const fx_rig *r)
{
    fx_stream f = {0};
    const nncf_checkpoint_save_params p = {
        NNCF_PARAMS(nncf_checkpoint_save_params), .write = fx_stream_write, .user = &f};
    ck_assert_int_eq(nncf_checkpoint_save(r->ctrl, NULL, NULL, 0, &p, NULL), NNCF_OK);
    return f;
}

/* ---- the subject: a snapshot, and controllers of the same config and of another ---- */

static fx_rig source, same, other;
static fx_stream file;
static nncf_checkpoint *c;

static void begin(void)
{
    make_rig(&source, CONFIG(FX_MAGNITUDE));
    make_rig(&same, CONFIG(FX_MAGNITUDE));
    make_rig(&other, CONFIG("{\"algorithm\": \"const_sparsity\"}"));
    int32_t more = 0;
    while (nncf_compression_ctrl_init_step(source.ctrl, &more, NULL) == NNCF_OK && more) {
        static float x[2 * 6] = {1, -2, 3}, y[2 * 8];
        const nncf_tensor tx = {
            .data = x, .dtype = NNCF_F32, .ndim = 2, .shape = (const int64_t[]){2, 6}};
        nncf_tensor ty = {
            .data = y, .dtype = NNCF_F32, .ndim = 2, .shape = (const int64_t[]){2, 8}};
        ck_assert_int_eq(nncf_layer_forward(source.k.layer, &tx, 1, &ty, NULL), NNCF_OK);
    }
    ck_assert_int_eq(nncf_compression_ctrl_step(source.ctrl, NULL), NNCF_OK);
    file = state_of(&source);
    const nncf_checkpoint_open_params p = {NNCF_PARAMS(nncf_checkpoint_open_params),
        .read = fx_stream_read, .user = &file, .size = file.size};
    ck_assert_int_eq(nncf_checkpoint_open(source.context, NULL, &p, &c, NULL), NNCF_OK);
}

static void end(void)
{
    nncf_checkpoint_close(c);
    free(file.data);
    fx_rig_free(&source);
    fx_rig_free(&same);
    fx_rig_free(&other);
}

/* Restore into `r`. With an error the controller is as it was; without one it is put back. */
static void expect(fx_rig *r, nncf_status want, const char *where, const char *what)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_checkpoint_restore_params p = {
        NNCF_PARAMS(nncf_checkpoint_restore_params), .accept_config = 1};
    fx_stream before = state_of(r);
    nncf_status status = nncf_checkpoint_restore(c, r->ctrl, &p, NULL, &err);
    ck_assert_msg(status == want, "%s: %s, not %s: %s", what, nncf_status_name(status),
        nncf_status_name(want), err.message);
    if (status != NNCF_OK) {
        fx_stream after = state_of(r);
        ck_assert_msg(before.size == after.size && memcmp(before.data, after.data, after.size) == 0,
            "%s: %s", what, "the controller has changed");
        ck_assert_msg(strcmp(err.where, where) == 0, "%s: at %s", what, err.where);
        free(after.data);
        ck_assert_int_eq(nncf_checkpoint_restore(c, r->ctrl, &p, NULL, NULL), want);
    }
    free(before.data);
}

static nncf__pair *text_of(const char *key)
{
    for (size_t i = 0; i < c->n_texts; i++)
        if (strcmp(c->texts[i].key, key) == 0)
            return &c->texts[i];
    ck_abort_msg("no text %s", key);
}

/* A text with another value; NULL: it is not there (by a key that sorts at its place). */
static nncf__pair replace(const char *key, const char *value)
{
    static char both[2][2][512];
    static int next;
    char(*copies)[512] = both[next = !next]; /* two texts may be replaced at a time */
    nncf__pair *text = text_of(key), old = *text;
    snprintf(copies[0], sizeof copies[0], "%s!", key);
    snprintf(copies[1], sizeof copies[1], "%s", value ? value : "");
    *text = value ? (nncf__pair){old.key, copies[1]} : (nncf__pair){copies[0], old.value};
    return old;
}

static void put_back(const char *key, nncf__pair old)
{
    char changed[160];
    snprintf(changed, sizeof changed, "%s!", key);
    for (size_t i = 0; i < c->n_texts; i++)
        if (strcmp(c->texts[i].key, key) == 0 || strcmp(c->texts[i].key, changed) == 0)
            c->texts[i] = old;
}

static nncf__entry *entry_of(const char *name)
{
    const nncf__entry *e = nncf__checkpoint_find(c, name);
    ck_assert_msg(e != NULL, "no tensor %s", name);
    return &c->entries[e - c->entries];
}

START_TEST(wrong_counters_are_refused)
{
    static const char *const values[] = {
        NULL, "", "x", "1 ", "-1", "2", "9999999999", "99999999999999999999"};
    fx_rig *const rigs[] = {&same, &other};
    for (int i = 0; i < NNCF__N_COUNTERS; i++)
        for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
            const char *name = nncf__counter_names[i], *v = values[j];
            const bool flag = i == NNCF__FROZEN || i == NNCF__INIT_DONE || i == NNCF__STEPPED ||
                i == NNCF__ARRIVED || i == NNCF__BY_HAND || i == NNCF__BITS_CHOSEN;
            const bool number = v && *v && strspn(v, "-0123456789") == strlen(v) && strlen(v) < 20;
            nncf_status want = NNCF_E_FORMAT;
            if (!v)
                want = i < NNCF__SCHEDULE_STEP ? NNCF_E_NOTFOUND : NNCF_OK;
            else if (number && (v[0] != '-' || i == NNCF__SEED) &&
                !(flag && strlen(v) + (v[0] > '1') > 1) &&
                !(i == NNCF__SCHEDULE_COUNT && strlen(v) > 9))
                want = NNCF_OK;
            nncf__pair old = replace(name, v);
            for (int k = 0; k < 2; k++)
                expect(rigs[k], want, name, name);
            put_back(name, old);
        }
    /* another seed is a warning */
    same.host.complaints[0] = 0;
    nncf__pair old = replace("nncf.seed", "7");
    expect(&same, NNCF_OK, "", "seed");
    ck_assert_ptr_nonnull(strstr(same.host.complaints, "seed 7, the context has 42"));
    put_back("nncf.seed", old);
}
END_TEST

START_TEST(wrong_levels_are_refused)
{
    double *level = (double *)(uintptr_t)entry_of("nncf.levels")->data, good = *level;
    const double bad[] = {-0.1, 1.1, (double)NAN, (double)INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        *level = bad[i];
        expect(&same, NNCF_E_FORMAT, "nncf.levels", "level");
        expect(&other, NNCF_E_FORMAT, "nncf.levels", "level");
    }
    *level = good;
    nncf__entry *e = entry_of("nncf.levels");
    e->dtype = NNCF_I64;
    expect(&same, NNCF_E_DTYPE, "nncf.levels", "type");
    expect(&other, NNCF_E_DTYPE, "nncf.levels", "type");
    e->dtype = NNCF_F64;
    e->shape[0] = 1;
    expect(&same, NNCF_E_SHAPE, "nncf.levels", "shape");
    expect(&other, NNCF_E_SHAPE, "nncf.levels", "shape");
    e->shape[0] = 2;
    expect(&same, NNCF_OK, "", "put back");
    expect(&other, NNCF_OK, "", "put back");
}
END_TEST

START_TEST(wrong_states_of_quantizers_are_refused)
{
    nncf__entry *e = entry_of("nncf.quantizers");
    int32_t *states = (int32_t *)(uintptr_t)e->data;
    ck_assert_int_eq(e->shape[0], 2);
    for (int i = 0; i < 4; i++) {
        const int32_t good = states[i];
        const int32_t bad[] = {-2, 3, INT32_MIN, INT32_MAX};
        for (size_t j = 0; j < sizeof bad / sizeof *bad; j++) {
            states[i] = bad[j];
            expect(&same, NNCF_E_FORMAT, "nncf.quantizers", "state");
            expect(&other, NNCF_E_FORMAT, "nncf.quantizers", "state");
        }
        states[i] = good;
    }
    e->dtype = NNCF_F32;
    expect(&other, NNCF_E_FORMAT, "nncf.quantizers", "type");
    e->dtype = NNCF_I32;
    e->ndim = 1;
    expect(&other, NNCF_E_FORMAT, "nncf.quantizers", "shape");
    e->ndim = 2;
    e->shape[1] = 1;
    expect(&other, NNCF_E_FORMAT, "nncf.quantizers", "shape");
    e->shape[1] = 2;
    char *name = e->name;
    e->name = (char[]){"nncf.quantizers!"};
    expect(&other, NNCF_E_FORMAT, "nncf.quantizers", "missing");
    e->name = name;
    /* one that was never initialized gives no range */
    const int32_t good = states[1];
    states[1] = 0;
    other.host.complaints[0] = 0;
    expect(&other, NNCF_OK, "", "not initialized");
    ck_assert_ptr_nonnull(strstr(other.host.complaints,
        "has no range for 1 quantizers: N/Linear[a].pre_ops.weight_quantizer"));
    states[1] = good;
    /* nor one whose parameters are of another kind */
    static const char *const parameters[] = {"N/Linear[a].pre_ops.weight_quantizer.input_low",
        "N/Linear[a].pre_ops.weight_quantizer.input_range"};
    for (int i = 0; i < 2; i++)
        for (int how = 0; how < 3; how++) {
            nncf__entry *p = entry_of(parameters[i]), old = *p;
            int64_t two[] = {2, 1};
            p->dtype = how == 0 ? NNCF_F64 : p->dtype;
            p->ndim = how == 1 ? 2 : p->ndim;
            p->shape = how > 0 ? two : p->shape;
            other.host.complaints[0] = 0;
            expect(&other, NNCF_OK, "", "parameters");
            ck_assert_ptr_nonnull(strstr(other.host.complaints, "has no range for 1 quantizers"));
            *p = old;
        }
}
END_TEST

START_TEST(wrong_lists_of_names_are_refused)
{
    static const char *const quantizers[] = {"", "[", "{}", "[1,2]", "[\"a\"]", "null", "[]",
        "[\"a", "[\"a\" \"b\"]", "[\"a\",\"b\",\"c\"] x"};
    for (size_t i = 0; i < sizeof quantizers / sizeof *quantizers; i++) {
        nncf__pair old = replace("nncf.quantizer_names", quantizers[i]);
        expect(&other, i + 1 < sizeof quantizers / sizeof *quantizers ? NNCF_E_FORMAT : NNCF_OK,
            "nncf.quantizer_names", quantizers[i]);
        put_back("nncf.quantizer_names", old);
    }
    /* without the list, or with other names in it, all ranges are found anew */
    for (int i = 0; i < 2; i++) {
        nncf__pair old = replace("nncf.quantizer_names", i ? "[\"nncf.levels\",\"none\"]" : NULL);
        other.host.complaints[0] = 0;
        expect(&other, NNCF_OK, "", "names");
        ck_assert_ptr_nonnull(
            strstr(other.host.complaints, "has no range for 2 quantizers; run the"));
        put_back("nncf.quantizer_names", old);
    }
}
END_TEST

/* Marked as a mask, but nothing that can be one: then there is none. */
START_TEST(tensors_that_cannot_be_masks_are_none)
{
    nncf__entry *mask = entry_of("nncf.N/Linear[a].mask"),
                *range = entry_of("N/Linear[a].input_quantizer.scale");
    ck_assert(mask->is_mask);
    mask->dtype = NNCF_S8;
    other.host.complaints[0] = 0;
    expect(&other, NNCF_OK, "", "type");
    ck_assert_ptr_nonnull(strstr(other.host.complaints, "has no mask for 1 layers"));
    mask->dtype = NNCF_U8;
    range->is_mask = true;
    expect(&other, NNCF_OK, "", "a range");
    range->is_mask = false;
    mask->end--;
    expect(&other, NNCF_E_SHAPE, "nncf.N/Linear[a].mask", "size");
    mask->end++;
    /* the list itself */
    static const char *const lists[] = {
        "", "{}", "[1]", "[\"none\"]", "[\"none\",", "[\"nncf.N/Linear[a].mask\"]"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        nncf__pair old = replace("nncf.mask_names", lists[i]);
        mask->is_mask = false;
        ck_assert_int_eq(nncf__masks_mark(c), NNCF_OK);
        ck_assert(mask->is_mask == (i == sizeof lists / sizeof *lists - 1));
        put_back("nncf.mask_names", old);
    }
    nncf__pair old = replace("nncf.mask_names", NULL);
    ck_assert_int_eq(nncf__masks_mark(c), NNCF_OK);
    put_back("nncf.mask_names", old);
}
END_TEST

START_TEST(a_config_that_is_not_its_digest_is_refused)
{
    nncf__pair old = replace("nncf.config_sha256", "00");
    expect(&same, NNCF_E_FORMAT, "nncf.config_sha256", "digest");
    put_back("nncf.config_sha256", old);
    old = replace("nncf.config_sha256", NULL);
    expect(&same, NNCF_OK, "", "no digest");
    put_back("nncf.config_sha256", old);
    old = replace("nncf.config", NULL);
    expect(&same, NNCF_E_NOTFOUND, "nncf.config", "no config");
    put_back("nncf.config", old);
    /* more differences than a message holds: they are in the log */
    old = replace("nncf.config",
        "{\"compression\":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23]}");
    nncf__pair digest = replace("nncf.config_sha256", NULL);
    nncf_error err = NNCF_ERROR_INIT;
    same.host.complaints[0] = 0;
    ck_assert_int_eq(nncf_checkpoint_restore(c, same.ctrl, NULL, NULL, &err), NNCF_E_CONFIG);
    ck_assert_ptr_nonnull(
        strstr(same.host.complaints, "compression[2] is nothing here, 2 in the snapshot"));
    put_back("nncf.config", old);
    put_back("nncf.config_sha256", digest);
}
END_TEST

START_TEST(restore_refuses_wrong_arguments)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint_restore_report report = {NNCF_PARAMS(nncf_checkpoint_restore_report)};
    nncf_checkpoint_restore_params p = {NNCF_PARAMS(nncf_checkpoint_restore_params)};
    nncf_tensor t;
    size_t count;
    ck_assert_int_eq(nncf_checkpoint_restore(c, same.ctrl, &p, &report, &err), NNCF_OK);
    ck_assert(report.masks_taken == 1 && report.quantizers_taken == 2 &&
        report.initialization_needed == 0);
    report.struct_size = 3;
    ck_assert_int_eq(nncf_checkpoint_restore(c, same.ctrl, &p, &report, &err), NNCF_E_ARG);
    report.struct_size = sizeof report;
    p.accept_config = -1;
    ck_assert_int_eq(nncf_checkpoint_restore(c, same.ctrl, &p, &report, &err), NNCF_E_ARG);
    p.accept_config = 0;
    p.reserved = 1;
    ck_assert_int_eq(nncf_checkpoint_restore(c, same.ctrl, &p, &report, &err), NNCF_E_ARG);
    p.struct_size = 1;
    ck_assert_int_eq(nncf_checkpoint_restore(c, same.ctrl, &p, &report, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_checkpoint_restore(c, NULL, NULL, NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_checkpoint_get_tensor(NULL, "a", &t, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_checkpoint_get_tensor(c, "a", NULL, NULL), NNCF_E_ARG);
    ck_assert_ptr_null(nncf_checkpoint_get_tensor_name(NULL, 0));
    ck_assert_ptr_null(nncf_checkpoint_get_text(NULL, "a"));
    ck_assert_ptr_null(nncf_checkpoint_get_text(c, NULL));
    ck_assert_int_eq(
        nncf_checkpoint_get_unknown_names(c, NULL, NULL, 0, NULL, 0, NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(
        nncf_checkpoint_get_unknown_names(c, NULL, NULL, 1, NULL, 0, &count, NULL), NNCF_E_ARG);
    ck_assert_int_eq(
        nncf_checkpoint_get_unknown_names(c, NULL, NULL, 0, NULL, 1, &count, NULL), NNCF_E_ARG);
    const nncf_checkpoint_tensor unnamed[2] = {{.name = "a"}, {.name = NULL}};
    count = 99;
    ck_assert_int_eq(
        nncf_checkpoint_get_unknown_names(c, same.ctrl, unnamed, 2, NULL, 0, &count, &err),
        NNCF_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "tensors[1]: name is NULL"));
    ck_assert_uint_eq(count, 99);
    /* the model is gone */
    nncf_model_destroy(same.model);
    same.model = NULL;
    ck_assert_int_eq(nncf_checkpoint_restore(c, same.ctrl, NULL, NULL, &err), NNCF_E_STATE);
    ck_assert_int_eq(
        nncf_checkpoint_get_unknown_names(c, same.ctrl, NULL, 0, NULL, 0, &count, NULL),
        NNCF_E_STATE);
    const nncf_checkpoint_save_params save = {
        NNCF_PARAMS(nncf_checkpoint_save_params), .write = fx_stream_write};
    ck_assert_int_eq(nncf_checkpoint_save(same.ctrl, NULL, NULL, 0, &save, &err), NNCF_E_STATE);
}
END_TEST

START_TEST(save_refuses_wrong_arguments)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_checkpoint_text text = {"a", "b"};
    const struct {
        const char *path;
        size_t n_tensors;
        nncf_checkpoint_save_params p;
    } bad[] = {
        {NULL, 0, {NNCF_PARAMS(nncf_checkpoint_save_params)}},
        {"x", 0, {NNCF_PARAMS(nncf_checkpoint_save_params), .write = fx_stream_write}},
        {"", 0, {NNCF_PARAMS(nncf_checkpoint_save_params)}},
        {NULL, 0,
            {NNCF_PARAMS(nncf_checkpoint_save_params), .write = fx_stream_write,
                .keep_previous = 1}},
        {"x", 0, {NNCF_PARAMS(nncf_checkpoint_save_params), .keep_previous = -1}},
        {"x", 0, {NNCF_PARAMS(nncf_checkpoint_save_params), .keep_previous = 2}},
        {"x", 0, {NNCF_PARAMS(nncf_checkpoint_save_params), .reserved = 1}},
        {NULL, 1, {NNCF_PARAMS(nncf_checkpoint_save_params), .write = fx_stream_write}},
        {NULL, 0,
            {NNCF_PARAMS(nncf_checkpoint_save_params), .write = fx_stream_write, .n_texts = 1}},
        {NULL, 0, {1, .write = fx_stream_write, .texts = &text, .n_texts = 1}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(nncf_checkpoint_save(
                          NULL, bad[i].path, NULL, bad[i].n_tensors, &bad[i].p, &err) == NNCF_E_ARG,
            "%zu", i);
    ck_assert_int_eq(nncf_checkpoint_save(NULL, NULL, NULL, 0, NULL, &err), NNCF_E_ARG);
    /* texts that are no UTF-8, on either side */
    const nncf_checkpoint_text broken[] = {{"\xff", ""}, {"a", "\xff"}, {NULL, "a"}};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        fx_stream f = {0};
        const nncf_checkpoint_save_params p = {NNCF_PARAMS(nncf_checkpoint_save_params),
            .write = fx_stream_write, .user = &f, .texts = &broken[i], .n_texts = 1};
        ck_assert_int_eq(nncf_checkpoint_save(NULL, NULL, NULL, 0, &p, &err), NNCF_E_ARG);
        ck_assert_uint_eq(f.size, 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("damage");
    TCase *tc = fx_case(suite, "damage", 60);
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, wrong_counters_are_refused);
    tcase_add_test(tc, wrong_levels_are_refused);
    tcase_add_test(tc, wrong_states_of_quantizers_are_refused);
    tcase_add_test(tc, wrong_lists_of_names_are_refused);
    tcase_add_test(tc, tensors_that_cannot_be_masks_are_none);
    tcase_add_test(tc, a_config_that_is_not_its_digest_is_refused);
    tcase_add_test(tc, restore_refuses_wrong_arguments);
    tcase_add_test(tc, save_refuses_wrong_arguments);
    return fx_main(suite);
}
