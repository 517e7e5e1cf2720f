/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots by parameters: streams, the previous generation, tensors that are carried along or that
 * nobody knows, changed configs; and every failure of memory and of the callbacks. */
#include "controller/ctrl.h"
#include "formats/safetensors/safetensors.h"
#include "formats/safetensors/tensors.h"
#include "sparsity/schedule.h"
#include "support/files.h"
#include "support/fixture.h"
#include "support/rig.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static nncf_status open_stream(
    nncf_context *context, fx_stream *s, nncf_checkpoint **c, nncf_error *err)
{
    const nncf_checkpoint_open_params p = {NNCF_PARAMS(nncf_checkpoint_open_params),
        .read = fx_stream_read, .user = s, .size = s->size};
    return nncf_checkpoint_open(context, NULL, &p, c, err);
}

/* ---- a controller and the caller's tensors ---- */

static float weights[6] = {1, 2, 3, 4, 5, 6};
static uint8_t bytes[5] = {1, 2, 3, 4, 5};
static const int64_t two_three[] = {2, 3}, five[] = {5};
static const nncf_checkpoint_tensor tensors[] = {
    {"w", {.data = weights, .dtype = NNCF_F32, .ndim = 2, .shape = two_three}},
    {"b", {.data = bytes, .dtype = NNCF_U8, .ndim = 1, .shape = five}}};
static const nncf_checkpoint_text texts[] = {{"epoch", "3"}};

static void make_rig(fx_rig *r, const char *config)
{
    const fx_block layer = {
        .scope = "net/conv", .in_channels = 3, .out_channels = 5, .kernel = {3, 3}};
    fx_rig_make(r, &layer, config);
}

static nncf_status save_stream(const fx_rig *r, fx_stream *s, nncf_error *err)
{
    const nncf_checkpoint_save_params p = {NNCF_PARAMS(nncf_checkpoint_save_params), .texts = texts,
        .n_texts = 1, .write = fx_stream_write, .user = s};
    return nncf_checkpoint_save(r->ctrl, NULL, tensors, 2, &p, err);
}

static const char config[] = FX_CONFIG(FX_RB ", " FX_INT8);

/* The controller's whole state as the bytes of a snapshot. */
static fx_stream state_of(const fx_rig *r)
{
    fx_stream s = {0};
    ck_assert_int_eq(save_stream(r, &s, NULL), NNCF_OK);
    return s;
}

static bool same_stream(const fx_stream *a, const fx_stream *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

/* ---- tests ---- */

START_TEST(a_stream_is_the_file)
{
    fx_rig r;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    make_rig(&r, config);
    fx_stream s = state_of(&r);
    ck_assert_int_eq(nncf_checkpoint_save(r.ctrl, fx_path("s"), tensors, 2,
                         &(nncf_checkpoint_save_params){NNCF_PARAMS(nncf_checkpoint_save_params),
                             .texts = texts, .n_texts = 1},
                         &err),
        NNCF_OK);
    fx_stream file = {0};
    file.data = fx_read_file(fx_path("s"), &file.size);
    ck_assert(same_stream(&file, &s));
    for (size_t most = 0; most < 4; most++) { /* in pieces of any size */
        fx_stream_rewind(&s, 0);
        s.most = most;
        ck_assert_msg(open_stream(r.context, &s, &c, &err) == NNCF_OK, "%s", err.message);
        ck_assert_str_eq(nncf_checkpoint_get_text(c, "epoch"), "3");
        ck_assert_int_eq(nncf_checkpoint_restore(c, r.ctrl, NULL, NULL, &err), NNCF_OK);
        nncf_checkpoint_close(c);
    }
    fx_stream_free(&s);
    fx_stream_free(&file);
    fx_rig_free(&r);
}
END_TEST

/* The failure of every call and every allocation: told, and the controller as it was. */
/* A controller, its state, and the state of another one of the same config. */
typedef struct failing {
    fx_rig r;
    fx_stream before, changed;
} failing;

static void make_failing(failing *f)
{
    fx_rig other;
    make_rig(&f->r, config);
    f->before = state_of(&f->r);
    make_rig(&other, config);
    fx_parameter(other.ctrl, "net/conv.pre_ops.mask").data[0] = 9;
    f->changed = state_of(&other);
    fx_rig_free(&other);
}

static void drop_failing(failing *f)
{
    fx_stream_free(&f->before);
    fx_stream_free(&f->changed);
    fx_rig_free(&f->r);
}

START_TEST(a_failed_write_callback_is_told)
{
    failing f;
    int writes = 0;
    make_failing(&f);
    for (;; writes++) {
        fx_stream s = {.fail_at = writes + 1};
        nncf_error err = NNCF_ERROR_INIT;
        nncf_status status = save_stream(&f.r, &s, &err);
        fx_stream_free(&s);
        if (status == NNCF_OK)
            break;
        ck_assert_int_eq(status, NNCF_E_CALLBACK);
        ck_assert_ptr_nonnull(strstr(err.message, "write callback"));
    }
    ck_assert_int_gt(writes, 5);
    drop_failing(&f);
}
END_TEST

START_TEST(a_failed_read_callback_is_told)
{
    failing f;
    nncf_checkpoint *c = NULL;
    int reads = 0;
    make_failing(&f);
    for (;; reads++) {
        nncf_error err = NNCF_ERROR_INIT;
        fx_stream_rewind(&f.changed, reads + 1);
        nncf_status status = open_stream(f.r.context, &f.changed, &c, &err);
        if (status == NNCF_OK)
            break;
        ck_assert_int_eq(status, NNCF_E_CALLBACK);
        ck_assert_ptr_nonnull(strstr(err.message, "read callback"));
        ck_assert_ptr_null(c);
    }
    ck_assert_int_gt(reads, 5);
    nncf_checkpoint_close(c);
    drop_failing(&f);
}
END_TEST

/* _i: a save, an open, a restore; each allocation fails once. */
START_TEST(no_memory_leaves_the_controller_as_it_was)
{
    static const int at_least[] = {5, 5, 3};
    failing f;
    nncf_checkpoint *c = NULL;
    nncf_status status = NNCF_E_NOMEM;
    int failures = 0;
    make_failing(&f);
    ck_assert_int_eq(open_stream(f.r.context, &f.changed, &c, NULL), NNCF_OK);
    for (;; failures++) {
        nncf_error err = NNCF_ERROR_INIT;
        fx_stream s = {0};
        nncf_checkpoint *opened = NULL;
        const size_t live = f.r.host.memory.live;
        fx_stream_rewind(&f.changed, 0);
        f.r.host.memory.fail_at = f.r.host.memory.calls + 1 + (size_t)failures;
        status = _i == 0 ? save_stream(&f.r, &s, &err)
            : _i == 1    ? open_stream(f.r.context, &f.changed, &opened, &err)
                         : nncf_checkpoint_restore(c, f.r.ctrl, NULL, NULL, &err);
        f.r.host.memory.fail_at = 0;
        fx_stream_free(&s);
        nncf_checkpoint_close(opened);
        ck_assert_uint_eq(f.r.host.memory.live, live);
        if (status == NNCF_OK)
            break;
        ck_assert_int_eq(status, NNCF_E_NOMEM);
        ck_assert(err.message[0] != 0);
        fx_stream now = state_of(&f.r);
        ck_assert(same_stream(&f.before, &now));
        fx_stream_free(&now);
    }
    ck_assert_int_gt(failures, at_least[_i]);
    fx_stream now = state_of(&f.r);
    ck_assert(same_stream(&now, _i == 2 ? &f.changed : &f.before));
    fx_stream_free(&now);
    nncf_checkpoint_close(c);
    drop_failing(&f);
}
END_TEST

START_TEST(a_stream_that_lies_is_refused)
{
    fx_rig r;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    make_rig(&r, config);
    fx_stream s = state_of(&r);
    nncf_checkpoint_open_params p = {NNCF_PARAMS(nncf_checkpoint_open_params),
        .read = fx_stream_read, .user = &s, .size = s.size + 100};
    ck_assert_int_eq(nncf_checkpoint_open(NULL, NULL, &p, &c, &err), NNCF_E_FORMAT);
    fx_stream_rewind(&s, 0);
    p.size = s.size - 1;
    ck_assert_int_eq(nncf_checkpoint_open(NULL, NULL, &p, &c, &err), NNCF_E_FORMAT);
    ck_assert_int_eq(nncf_checkpoint_open(NULL, "x", &p, &c, &err), NNCF_E_ARG);
    p.read = NULL;
    ck_assert_int_eq(nncf_checkpoint_open(NULL, NULL, &p, &c, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_checkpoint_open(NULL, NULL, NULL, &c, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_checkpoint_save(NULL, NULL, NULL, 0, NULL, &err), NNCF_E_ARG);
    nncf_checkpoint_save_params q = {NNCF_PARAMS(nncf_checkpoint_save_params)};
    ck_assert_int_eq(nncf_checkpoint_save(NULL, NULL, NULL, 0, &q, &err), NNCF_E_ARG);
    q.write = fx_stream_write;
    q.user = &s;
    q.keep_previous = 1;
    ck_assert_int_eq(nncf_checkpoint_save(NULL, NULL, NULL, 0, &q, &err), NNCF_E_ARG);
    fx_stream_free(&s);
    fx_rig_free(&r);
}
END_TEST

static int generation_at(const char *path)
{
    nncf_checkpoint *c = NULL;
    if (nncf_checkpoint_open(NULL, path, NULL, &c, NULL) != NNCF_OK)
        return -1;
    int value = atoi(nncf_checkpoint_get_text(c, "generation"));
    nncf_checkpoint_close(c);
    return value;
}

START_TEST(the_previous_generation_is_kept)
{
    const char *path = fx_path("s"), *previous = fx_path("s.previous");
    char number[8];
    nncf_error err = NNCF_ERROR_INIT;
    for (int i = 1; i < 5; i++) {
        const nncf_checkpoint_text text = {"generation", number};
        const nncf_checkpoint_save_params p = {NNCF_PARAMS(nncf_checkpoint_save_params),
            .texts = &text, .n_texts = 1, .keep_previous = i != 3};
        snprintf(number, sizeof number, "%d", i);
        ck_assert_msg(
            nncf_checkpoint_save(NULL, path, NULL, 0, &p, &err) == NNCF_OK, "%s", err.message);
        ck_assert_int_eq(generation_at(path), i);
        ck_assert_int_eq(generation_at(previous), i == 1 ? -1 : i == 3 ? 1 : i - 1);
    }
    /* something else is in its place: nothing changes */
    const nncf_checkpoint_save_params p = {
        NNCF_PARAMS(nncf_checkpoint_save_params), .keep_previous = 1};
    unlink(previous);
    ck_assert_int_eq(mkdir(previous, 0700), 0);
    ck_assert_int_eq(nncf_checkpoint_save(NULL, path, NULL, 0, &p, &err), NNCF_E_IO);
    ck_assert_int_eq(generation_at(path), 4);
    ck_assert_int_eq(fx_entries(), 2);
}
END_TEST

/* A file with a type that we do not have, in memory. */
static fx_stream foreign(void)
{
    static const char header[] = "{\"__metadata__\":{\"format\":\"pt\",\"epoch\":\"1\"},\"h\":{"
                                 "\"dtype\":\"BF16\",\"shape\":[3],"
                                 "\"data_offsets\":[0,6]},\"w\":{\"dtype\":\"F32\",\"shape\":[1],"
                                 "\"data_offsets\":[6,10]},\"n\":{\"dtype\":"
                                 "\"F64\",\"shape\":[1],\"data_offsets\":[10,18]}}";
    fx_stream s = {.size = 8 + sizeof header - 1 + 18};
    s.data = fx_alloc(s.size, 1);
    s.data[0] = (char)(uint8_t)((sizeof header - 1) & 255);
    s.data[1] = (char)(uint8_t)((sizeof header - 1) >> 8);
    memcpy(s.data + 8, header, sizeof header - 1);
    for (int i = 0; i < 18; i++)
        s.data[8 + sizeof header - 1 + (size_t)i] = (char)('a' + i);
    return s;
}

START_TEST(unknown_tensors_are_carried_along)
{
    fx_rig r;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL, *again = NULL;
    nncf_tensor t;
    const char *names[4] = {NULL};
    size_t count = 0;
    make_rig(&r, config);
    fx_stream s = foreign(), kept = {0};
    ck_assert_msg(open_stream(NULL, &s, &c, &err) == NNCF_OK, "%s", err.message);
    ck_assert_int_eq(
        nncf_checkpoint_get_unknown_names(c, r.ctrl, tensors, 2, names, 4, &count, NULL), NNCF_OK);
    ck_assert_uint_eq(count, 2); /* "w" is one of ours */
    ck_assert_str_eq(names[0], "h");
    ck_assert_str_eq(names[1], "n");
    const nncf_checkpoint_save_params p = {NNCF_PARAMS(nncf_checkpoint_save_params), .texts = texts,
        .n_texts = 1, .carry = c, .write = fx_stream_write, .user = &kept};
    ck_assert_msg(
        nncf_checkpoint_save(r.ctrl, NULL, tensors, 2, &p, &err) == NNCF_OK, "%s", err.message);
    nncf_checkpoint_close(c);
    ck_assert_msg(open_stream(NULL, &kept, &again, &err) == NNCF_OK, "%s", err.message);
    ck_assert_str_eq(nncf_checkpoint_get_text(again, "format"), "pt");
    ck_assert_str_eq(nncf_checkpoint_get_text(again, "epoch"), "3"); /* the caller's wins */
    ck_assert_int_eq(nncf_checkpoint_get_tensor(again, "w", &t, NULL), NNCF_OK);
    ck_assert_mem_eq(t.data, weights, sizeof weights);
    ck_assert_int_eq(nncf_checkpoint_get_tensor(again, "n", &t, NULL), NNCF_OK);
    ck_assert_mem_eq(t.data, "klmnopqr", 8);
    ck_assert_mem_eq(nncf__checkpoint_find(again, "h")->data, "abcdef", 6);
    ck_assert_int_eq(nncf_checkpoint_restore(again, r.ctrl, NULL, NULL, &err), NNCF_OK);
    ck_assert_int_eq(
        nncf_checkpoint_get_unknown_names(again, r.ctrl, tensors, 2, NULL, 0, &count, NULL),
        NNCF_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(
        nncf_checkpoint_get_unknown_names(NULL, r.ctrl, tensors, 2, NULL, 0, &count, NULL),
        NNCF_E_ARG);
    nncf_checkpoint_close(again);
    fx_stream_free(&s);
    fx_stream_free(&kept);
    fx_rig_free(&r);
}
END_TEST

static const char changed_config[] =
    FX_CONFIG("{\"algorithm\": \"rb_sparsity\", \"params\": {\"sparsity_init\": 0.2, "
              "\"sparsity_target\": 0.7, "
              "\"sparsity_steps\": 5, \"sparsity_training_steps\": 10}}, " FX_INT8);

START_TEST(a_changed_config_is_refused_unless_accepted)
{
    fx_rig a, b;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    nncf_checkpoint_restore_params p = {NNCF_PARAMS(nncf_checkpoint_restore_params)};
    make_rig(&a, config);
    make_rig(&b, changed_config);
    fx_parameter(a.ctrl, "net/conv.pre_ops.mask").data[0] = 9;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(a.ctrl, NULL), NNCF_OK);
    fx_stream s = state_of(&a), before = state_of(&b);
    ck_assert_int_eq(open_stream(b.context, &s, &c, &err), NNCF_OK);
    ck_assert_int_eq(nncf_checkpoint_restore(c, b.ctrl, &p, NULL, &err), NNCF_E_CONFIG);
    ck_assert_msg(strstr(err.message, "2 differences"), "%s", err.message);
    ck_assert_msg(strstr(err.message,
                      ": compression[0].params.sparsity_init is 0.2 here, 0.1 in the snapshot; "
                      "compression[0].params.sparsity_target is 0.7 here, 0.5 in the snapshot"),
        "%s", err.message);
    ck_assert_int_eq(b.host.errors, 1); /* the message says it all */
    b.host.log[0] = 0;
    ck_assert_int_eq(nncf_checkpoint_restore(c, b.ctrl, &p, NULL, NULL), NNCF_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(b.host.log, "compression[0].params.sparsity_init is 0.2 here"));
    ck_assert_ptr_nonnull(strstr(b.host.log, err.message));
    ck_assert_int_eq(b.host.errors, 2);
    ck_assert_int_eq(b.host.warnings, 0);
    fx_stream after = state_of(&b);
    ck_assert(same_stream(&before, &after));
    b.host.complaints[0] = 0;
    b.host.errors = 0;
    p.accept_config = 1;
    ck_assert_msg(nncf_checkpoint_restore(c, b.ctrl, &p, NULL, &err) == NNCF_OK, "%s", err.message);
    ck_assert_ptr_nonnull(strstr(b.host.complaints, "the stream: config:"));
    ck_assert(b.host.warnings > 0 && b.host.errors == 0);
    ck_assert(fx_parameter(b.ctrl, "net/conv.pre_ops.mask").data[0] == 9);
    /* the counters are the snapshot's, the level the new schedule's at that epoch */
    nncf_statistics of = {NNCF_PARAMS(nncf_statistics)};
    ck_assert_int_eq(nncf_compression_ctrl_get_statistics(b.ctrl, &of, NULL), NNCF_OK);
    ck_assert_int_eq(of.epoch, 3);
    ck_assert(of.sparsity_target == nncf__schedule_level(&b.ctrl->schedule.params, 3));
    p.accept_config = 2;
    ck_assert_int_eq(nncf_checkpoint_restore(c, b.ctrl, &p, NULL, &err), NNCF_E_ARG);
    /* another dialect is a difference of its own, not of the whole config */
    fx_rig d;
    make_rig(&d, "{\"nncf_dialect\": \"1.2\", \"compression\": [" FX_RB ", " FX_INT8 "]}");
    ck_assert_int_eq(nncf_checkpoint_restore(c, d.ctrl, NULL, NULL, &err), NNCF_E_CONFIG);
    ck_assert_msg(strstr(err.message, ": nncf_dialect is \"1.2\" here, \"1.1\" in the snapshot"),
        "%s", err.message);
    ck_assert_msg(!strstr(err.message, "compression is"), "%s", err.message);
    fx_rig_free(&d);
    nncf_checkpoint_close(c);
    fx_stream_free(&s);
    fx_stream_free(&before);
    fx_stream_free(&after);
    fx_rig_free(&a);
    fx_rig_free(&b);
}
END_TEST

/* What the new config wants and the snapshot does not have is made anew, and said (test_stages.c
 * has all pairs). A file that is damaged changes nothing. */
START_TEST(a_config_that_wants_more_initializes_the_rest)
{
    fx_rig a, b;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    nncf_checkpoint_restore_report report = {NNCF_PARAMS(nncf_checkpoint_restore_report)};
    const nncf_checkpoint_restore_params p = {
        NNCF_PARAMS(nncf_checkpoint_restore_params), .accept_config = 1};
    make_rig(&a, FX_CONFIG(FX_RB));
    make_rig(&b, config);
    fx_stream s = state_of(&a), before = state_of(&b);
    ck_assert_int_eq(open_stream(b.context, &s, &c, &err), NNCF_OK);
    /* what lies in memory is not checked again; so it can be damaged here */
    nncf__entry *levels = (nncf__entry *)(uintptr_t)nncf__checkpoint_find(c, "nncf.levels");
    double *level = (double *)(uintptr_t)levels->data, good = *level;
    *level = 7;
    ck_assert_int_eq(nncf_checkpoint_restore(c, b.ctrl, &p, &report, &err), NNCF_E_FORMAT);
    *level = good;
    levels->dtype = NNCF_F32;
    ck_assert_int_eq(nncf_checkpoint_restore(c, b.ctrl, &p, &report, &err), NNCF_E_DTYPE);
    levels->dtype = NNCF_F64;
    fx_stream after = state_of(&b);
    ck_assert(same_stream(&before, &after));
    ck_assert_msg(
        nncf_checkpoint_restore(c, b.ctrl, &p, &report, &err) == NNCF_OK, "%s", err.message);
    ck_assert_uint_eq(report.masks_taken, 1);
    ck_assert_uint_eq(report.quantizers_fresh, 2);
    ck_assert_ptr_nonnull(strstr(b.host.log, "weight_quantizer.scale"));
    nncf_checkpoint_close(c);
    fx_stream_free(&s);
    fx_stream_free(&before);
    fx_stream_free(&after);
    fx_rig_free(&a);
    fx_rig_free(&b);
}
END_TEST

/* Initialize over one batch of 3 images of 5 x 5. */
static float initialized_scale(fx_rig *r)
{
    float x[225], y[3 * 5 * 9];
    const int64_t in[] = {3, 3, 5, 5}, out[] = {3, 5, 3, 3};
    nncf_tensor tx = {.data = x, .dtype = NNCF_F32, .ndim = 4, .shape = in},
                ty = {.data = y, .dtype = NNCF_F32, .ndim = 4, .shape = out};
    nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
    int32_t more = 0;
    for (int i = 0; i < 225; i++)
        x[i] = (float)i;
    while (nncf_compression_ctrl_init_step(r->ctrl, &more, NULL) == NNCF_OK && more)
        ck_assert_int_eq(nncf_layer_forward(r->k.layer, &tx, 1, &ty, NULL), NNCF_OK);
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(r->ctrl); i++) {
        ck_assert_int_eq(nncf_compression_ctrl_get_parameter(r->ctrl, i, &p, NULL), NNCF_OK);
        if (strstr(p.name, "input_quantizer"))
            return p.data[0];
    }
    ck_abort_msg("no input quantizer");
    return 0;
}

/* A snapshot from before the initialization, restored after it: the ranges are taken again, by the
 * same rule. */
START_TEST(restoring_an_earlier_state_starts_initialization_over)
{
    fx_rig r;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    make_rig(&r,
        FX_CONFIG("{\"algorithm\": \"quantization\", \"initializer\": {\"range\": {\"type\": "
                  "\"percentile\", \"num_init_steps\": 1, \"min_percentile\": 25, "
                  "\"max_percentile\": 75}}}"));
    fx_stream s = state_of(&r);
    for (int i = 0; i < 2; i++) {
        ck_assert_float_eq(
            initialized_scale(&r), 168); /* 75 % of 0..224, where min_max gives 224 */
        fx_stream_rewind(&s, 0);
        ck_assert_int_eq(open_stream(r.context, &s, &c, &err), NNCF_OK);
        ck_assert_msg(
            nncf_checkpoint_restore(c, r.ctrl, NULL, NULL, &err) == NNCF_OK, "%s", err.message);
        nncf_checkpoint_close(c);
    }
    /* and where there is no memory for it nothing changes */
    ck_assert_float_eq(initialized_scale(&r), 168);
    fx_stream before = state_of(&r);
    nncf_status status = NNCF_E_NOMEM;
    for (long i = 1; status == NNCF_E_NOMEM; i++) {
        fx_stream_rewind(&s, 0);
        ck_assert_int_eq(open_stream(r.context, &s, &c, &err), NNCF_OK);
        r.host.memory.fail_at = r.host.memory.calls + (size_t)i;
        status = nncf_checkpoint_restore(c, r.ctrl, NULL, NULL, &err);
        r.host.memory.fail_at = 0;
        nncf_checkpoint_close(c);
        fx_stream after = state_of(&r);
        ck_assert(status == NNCF_OK || same_stream(&before, &after));
        fx_stream_free(&after);
    }
    ck_assert_int_eq(status, NNCF_OK);
    ck_assert_float_eq(initialized_scale(&r), 168);
    fx_stream_free(&before);
    fx_stream_free(&s);
    fx_rig_free(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("snapshot");
    TCase *tc = fx_case(suite, "snapshot", 240);
    tcase_add_checked_fixture(tc, fx_folder_make, fx_folder_remove);
    tcase_add_test(tc, a_stream_is_the_file);
    tcase_add_test(tc, a_failed_write_callback_is_told);
    tcase_add_test(tc, a_failed_read_callback_is_told);
    tcase_add_loop_test(tc, no_memory_leaves_the_controller_as_it_was, 0, 3);
    tcase_add_test(tc, a_stream_that_lies_is_refused);
    tcase_add_test(tc, the_previous_generation_is_kept);
    tcase_add_test(tc, unknown_tensors_are_carried_along);
    tcase_add_test(tc, a_changed_config_is_refused_unless_accepted);
    tcase_add_test(tc, a_config_that_wants_more_initializes_the_rest);
    tcase_add_test(tc, restoring_an_earlier_state_starts_initialization_over);
    return fx_main(suite);
}
