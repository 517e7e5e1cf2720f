/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots by parameters: streams, the previous generation, tensors that are carried along or that
 * nobody knows, changed configs; and every failure of memory and of the callbacks. */
#include "controller/ctrl.h"
#include "formats/safetensors/open.h"
#include "formats/safetensors/safetensors.h"
#include "sparsity/schedule.h"
#include "support/fixture.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a stream in memory that fails on demand ---- */

typedef struct stream {
    char *data;
    size_t size, at;
    size_t most; /* bytes at a time when read; 0: any */
    long calls;
    long fail_at; /* the call that fails, from 1 */
} stream;

static int32_t stream_write(void *user, const void *data, size_t size)
{
    stream *s = user;
    if (++s->calls == s->fail_at)
        return 1;
    s->data = realloc(s->data, s->size + size);
    ck_assert_ptr_nonnull(s->data);
    memcpy(s->data + s->size, data, size);
    s->size += size;
    return 0;
}

static int64_t stream_read(void *user, void *data, size_t size)
{
    stream *s = user;
    if (++s->calls == s->fail_at)
        return -1;
    size_t n = size < s->size - s->at ? size : s->size - s->at;
    n = s->most && n > s->most ? s->most : n;
    memcpy(data, s->data + s->at, n);
    s->at += n;
    return (int64_t)n;
}

static void rewind_stream(stream *s, long fail_at)
{
    s->at = 0;
    s->calls = 0;
    s->fail_at = fail_at;
}

static void drop_stream(stream *s)
{
    free(s->data);
    *s = (stream){0};
}

static nncf_status open_stream(
    nncf_context *context, stream *s, nncf_checkpoint **c, nncf_error *err)
{
    const nncf_checkpoint_open_params p = {
        NNCF_PARAMS(nncf_checkpoint_open_params), .read = stream_read, .user = s, .size = s->size};
    return nncf_checkpoint_open_with(context, &p, c, err);
}

/* ---- a controller and the caller's tensors ---- */

static float weights[6] = {1, 2, 3, 4, 5, 6};
static uint8_t bytes[5] = {1, 2, 3, 4, 5};
static const int64_t two_three[] = {2, 3}, five[] = {5};
static const nncf_checkpoint_tensor tensors[] = {
    {"w", {weights, NNCF_F32, 2, 0, two_three, NULL, {0, 0}}},
    {"b", {bytes, NNCF_U8, 1, 0, five, NULL, {0, 0}}}};
static const nncf_checkpoint_text texts[] = {{"epoch", "3"}};

typedef struct rig {
    fx_memory memory;
    nncf_context *context;
    nncf_model *model;
    fx_block k;
    nncf_compression_ctrl *ctrl;
    char log[4096];
} rig;

static void on_log(void *user, int32_t level, const char *line)
{
    rig *r = user;
    size_t n = strlen(r->log);
    snprintf(r->log + n, sizeof r->log - n, "%d %s\n", (int)level, line);
}

static void make_rig(rig *r, const char *config)
{
    uint64_t state = 1;
    *r = (rig){.k = {.scope = "net/conv", .in_channels = 3, .out_channels = 5, .kernel = {3, 3}}};
    const nncf_context_params p = {NNCF_PARAMS(nncf_context_params), .n_threads = 1, .seed = 42,
        .alloc = fx_memory_alloc, .free = fx_memory_free, .alloc_user = &r->memory, .log = on_log,
        .log_user = r};
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &p, &r->context, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_create(r->context, &r->model, NULL), NNCF_OK);
    fx_register(r->model, &r->k, NULL, &state);
    r->ctrl = fx_ctrl(r->model, config);
}

static void drop_rig(rig *r)
{
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
    nncf_context_destroy(r->context);
    fx_release(&r->k);
    ck_assert_uint_eq(r->memory.live, 0);
}

static nncf_status save_stream(const rig *r, stream *s, nncf_error *err)
{
    const nncf_checkpoint_save_params p = {NNCF_PARAMS(nncf_checkpoint_save_params),
        .ctrl = r->ctrl, .tensors = tensors, .n_tensors = 2, .texts = texts, .n_texts = 1,
        .write = stream_write, .user = s};
    return nncf_checkpoint_save_with(&p, err);
}

static const char config[] = FX_CONFIG(FX_RB ", " FX_INT8);

/* The controller's whole state as the bytes of a snapshot. */
static stream state_of(const rig *r)
{
    stream s = {0};
    ck_assert_int_eq(save_stream(r, &s, NULL), NNCF_OK);
    return s;
}

static bool same_stream(const stream *a, const stream *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

/* ---- tests ---- */

START_TEST(a_stream_is_the_file)
{
    char path[] = "/tmp/nncf-snapshot-XXXXXX";
    rig r;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    make_rig(&r, config);
    stream s = state_of(&r);
    ck_assert_int_eq(nncf_checkpoint_save(r.ctrl, path, tensors, 2, texts, 1, &err), NNCF_OK);
    stream file = {.data = fx_alloc(s.size, 1), .size = s.size};
    FILE *f = fopen(path, "rb");
    ck_assert_uint_eq(fread(file.data, 1, s.size, f), s.size);
    ck_assert_int_eq(fgetc(f), EOF);
    fclose(f);
    unlink(path);
    ck_assert(same_stream(&file, &s));
    for (size_t most = 0; most < 4; most++) { /* in pieces of any size */
        rewind_stream(&s, 0);
        s.most = most;
        ck_assert_msg(open_stream(r.context, &s, &c, &err) == NNCF_OK, "%s", err.message);
        ck_assert_str_eq(nncf_checkpoint_text_get(c, "epoch"), "3");
        ck_assert_int_eq(nncf_checkpoint_restore(c, r.ctrl, &err), NNCF_OK);
        nncf_checkpoint_close(c);
    }
    drop_stream(&s);
    drop_stream(&file);
    drop_rig(&r);
}
END_TEST

/* The failure of every call and every allocation: told, and the controller as it was. */
START_TEST(every_failure)
{
    rig r;
    nncf_checkpoint *c = NULL;
    make_rig(&r, config);
    stream before = state_of(&r), changed;
    rig other;
    make_rig(&other, config);
    fx_parameter(other.ctrl, "net/conv.pre_ops.mask").data[0] = 9;
    changed = state_of(&other);
    drop_rig(&other);
    int writes = 0, reads = 0, saves = 0, opens = 0, restores = 0;
    for (;; writes++) {
        stream s = {.fail_at = writes + 1};
        nncf_error err = NNCF_ERROR_INIT;
        nncf_status status = save_stream(&r, &s, &err);
        drop_stream(&s);
        if (status == NNCF_OK)
            break;
        ck_assert_int_eq(status, NNCF_E_CALLBACK);
        ck_assert_ptr_nonnull(strstr(err.message, "write callback"));
    }
    for (;; reads++) {
        nncf_error err = NNCF_ERROR_INIT;
        rewind_stream(&changed, reads + 1);
        nncf_status status = open_stream(r.context, &changed, &c, &err);
        if (status == NNCF_OK)
            break;
        ck_assert_int_eq(status, NNCF_E_CALLBACK);
        ck_assert_ptr_nonnull(strstr(err.message, "read callback"));
        ck_assert_ptr_null(c);
    }
    for (int what = 0; what < 3; what++) {
        int *count = what == 0 ? &saves : what == 1 ? &opens : &restores;
        for (;; ++*count) {
            nncf_error err = NNCF_ERROR_INIT;
            stream s = {0};
            nncf_checkpoint *opened = NULL;
            size_t live = r.memory.live;
            rewind_stream(&changed, 0);
            r.memory.fail_at = r.memory.calls + 1 + (size_t)*count;
            nncf_status status = what == 0 ? save_stream(&r, &s, &err)
                : what == 1                ? open_stream(r.context, &changed, &opened, &err)
                                           : nncf_checkpoint_restore(c, r.ctrl, &err);
            r.memory.fail_at = 0;
            drop_stream(&s);
            nncf_checkpoint_close(opened);
            ck_assert_uint_eq(r.memory.live, live);
            if (status == NNCF_OK)
                break;
            ck_assert_int_eq(status, NNCF_E_NOMEM);
            ck_assert(err.message[0] != 0);
            stream now = state_of(&r);
            ck_assert(same_stream(&before, &now));
            drop_stream(&now);
        }
    }
    printf(
        "failures: %d writes, %d reads, %d allocations of a save, %d of an open, %d of a restore\n",
        writes, reads, saves, opens, restores);
    ck_assert(writes > 5 && reads > 5 && saves > 5 && opens > 5 && restores > 3);
    stream now = state_of(&r);
    ck_assert(same_stream(&now, &changed)); /* what was restored in the end */
    nncf_checkpoint_close(c);
    drop_stream(&now);
    drop_stream(&before);
    drop_stream(&changed);
    drop_rig(&r);
}
END_TEST

START_TEST(a_stream_that_lies)
{
    rig r;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    make_rig(&r, config);
    stream s = state_of(&r);
    nncf_checkpoint_open_params p = {NNCF_PARAMS(nncf_checkpoint_open_params), .read = stream_read,
        .user = &s, .size = s.size + 100};
    ck_assert_int_eq(nncf_checkpoint_open_with(NULL, &p, &c, &err), NNCF_E_FORMAT);
    rewind_stream(&s, 0);
    p.size = s.size - 1;
    ck_assert_int_eq(nncf_checkpoint_open_with(NULL, &p, &c, &err), NNCF_E_FORMAT);
    p.path = "x";
    ck_assert_int_eq(nncf_checkpoint_open_with(NULL, &p, &c, &err), NNCF_E_ARG);
    p.path = NULL;
    p.read = NULL;
    ck_assert_int_eq(nncf_checkpoint_open_with(NULL, &p, &c, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_checkpoint_open_with(NULL, NULL, &c, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_checkpoint_save_with(NULL, &err), NNCF_E_ARG);
    nncf_checkpoint_save_params q = {NNCF_PARAMS(nncf_checkpoint_save_params)};
    ck_assert_int_eq(nncf_checkpoint_save_with(&q, &err), NNCF_E_ARG);
    q.write = stream_write;
    q.user = &s;
    q.keep_previous = 1;
    ck_assert_int_eq(nncf_checkpoint_save_with(&q, &err), NNCF_E_ARG);
    drop_stream(&s);
    drop_rig(&r);
}
END_TEST

static int generation_at(const char *path)
{
    nncf_checkpoint *c = NULL;
    if (nncf_checkpoint_open(NULL, path, &c, NULL) != NNCF_OK)
        return -1;
    int value = atoi(nncf_checkpoint_text_get(c, "generation"));
    nncf_checkpoint_close(c);
    return value;
}

START_TEST(the_previous_generation)
{
    char folder[] = "/tmp/nncf-snapshot-XXXXXX", path[64], previous[80], number[8];
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/s", folder);
    snprintf(previous, sizeof previous, "%s.previous", path);
    for (int i = 1; i < 5; i++) {
        const nncf_checkpoint_text text = {"generation", number};
        const nncf_checkpoint_save_params p = {NNCF_PARAMS(nncf_checkpoint_save_params),
            .path = path, .texts = &text, .n_texts = 1, .keep_previous = i != 3};
        snprintf(number, sizeof number, "%d", i);
        ck_assert_msg(nncf_checkpoint_save_with(&p, &err) == NNCF_OK, "%s", err.message);
        ck_assert_int_eq(generation_at(path), i);
        ck_assert_int_eq(generation_at(previous), i == 1 ? -1 : i == 3 ? 1 : i - 1);
    }
    /* something else is in its place: nothing changes */
    const nncf_checkpoint_save_params p = {
        NNCF_PARAMS(nncf_checkpoint_save_params), .path = path, .keep_previous = 1};
    unlink(previous);
    ck_assert_int_eq(mkdir(previous, 0700), 0);
    ck_assert_int_eq(nncf_checkpoint_save_with(&p, &err), NNCF_E_IO);
    ck_assert_int_eq(generation_at(path), 4);
    rmdir(previous);
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* A file with a type that we do not have, in memory. */
static stream foreign(void)
{
    static const char header[] = "{\"__metadata__\":{\"format\":\"pt\",\"epoch\":\"1\"},\"h\":{"
                                 "\"dtype\":\"BF16\",\"shape\":[3],"
                                 "\"data_offsets\":[0,6]},\"w\":{\"dtype\":\"F32\",\"shape\":[1],"
                                 "\"data_offsets\":[6,10]},\"n\":{\"dtype\":"
                                 "\"F64\",\"shape\":[1],\"data_offsets\":[10,18]}}";
    stream s = {.size = 8 + sizeof header - 1 + 18};
    s.data = fx_alloc(s.size, 1);
    s.data[0] = (char)(uint8_t)((sizeof header - 1) & 255);
    s.data[1] = (char)(uint8_t)((sizeof header - 1) >> 8);
    memcpy(s.data + 8, header, sizeof header - 1);
    for (int i = 0; i < 18; i++)
        s.data[8 + sizeof header - 1 + (size_t)i] = (char)('a' + i);
    return s;
}

START_TEST(what_nobody_knows)
{
    rig r;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL, *again = NULL;
    nncf_tensor t;
    const char *names[4] = {NULL};
    size_t count = 0;
    make_rig(&r, config);
    stream s = foreign(), kept = {0};
    ck_assert_msg(open_stream(NULL, &s, &c, &err) == NNCF_OK, "%s", err.message);
    ck_assert_int_eq(nncf_checkpoint_unknown(c, r.ctrl, tensors, 2, names, 4, &count), NNCF_OK);
    ck_assert_uint_eq(count, 2); /* "w" is one of ours */
    ck_assert_str_eq(names[0], "h");
    ck_assert_str_eq(names[1], "n");
    const nncf_checkpoint_save_params p = {NNCF_PARAMS(nncf_checkpoint_save_params), .ctrl = r.ctrl,
        .tensors = tensors, .n_tensors = 2, .texts = texts, .n_texts = 1, .carry = c,
        .write = stream_write, .user = &kept};
    ck_assert_msg(nncf_checkpoint_save_with(&p, &err) == NNCF_OK, "%s", err.message);
    nncf_checkpoint_close(c);
    ck_assert_msg(open_stream(NULL, &kept, &again, &err) == NNCF_OK, "%s", err.message);
    ck_assert_str_eq(nncf_checkpoint_text_get(again, "format"), "pt");
    ck_assert_str_eq(nncf_checkpoint_text_get(again, "epoch"), "3"); /* the caller's wins */
    ck_assert_int_eq(nncf_checkpoint_get(again, "w", &t), NNCF_OK);
    ck_assert_mem_eq(t.data, weights, sizeof weights);
    ck_assert_int_eq(nncf_checkpoint_get(again, "n", &t), NNCF_OK);
    ck_assert_mem_eq(t.data, "klmnopqr", 8);
    ck_assert_mem_eq(nncf__checkpoint_find(again, "h")->data, "abcdef", 6);
    ck_assert_int_eq(nncf_checkpoint_restore(again, r.ctrl, &err), NNCF_OK);
    ck_assert_int_eq(nncf_checkpoint_unknown(again, r.ctrl, tensors, 2, NULL, 0, &count), NNCF_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(
        nncf_checkpoint_unknown(NULL, r.ctrl, tensors, 2, NULL, 0, &count), NNCF_E_ARG);
    nncf_checkpoint_close(again);
    drop_stream(&s);
    drop_stream(&kept);
    drop_rig(&r);
}
END_TEST

static const char changed_config[] =
    FX_CONFIG("{\"algorithm\": \"rb_sparsity\", \"params\": {\"sparsity_init\": 0.2, "
              "\"sparsity_target\": 0.7, "
              "\"sparsity_steps\": 5, \"sparsity_training_steps\": 10}}, " FX_INT8);

START_TEST(a_changed_config)
{
    rig a, b;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    nncf_checkpoint_restore_params p = {NNCF_PARAMS(nncf_checkpoint_restore_params)};
    make_rig(&a, config);
    make_rig(&b, changed_config);
    fx_parameter(a.ctrl, "net/conv.pre_ops.mask").data[0] = 9;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(a.ctrl), NNCF_OK);
    stream s = state_of(&a), before = state_of(&b);
    ck_assert_int_eq(open_stream(b.context, &s, &c, &err), NNCF_OK);
    ck_assert_int_eq(nncf_checkpoint_restore_with(c, b.ctrl, &p, &err), NNCF_E_CONFIG);
    ck_assert_msg(strstr(err.message, "2 differences"), "%s", err.message);
    ck_assert_msg(strstr(err.message,
                      ": compression[0].params.sparsity_init is 0.2 here, 0.1 in the snapshot; "
                      "compression[0].params.sparsity_target is 0.7 here, 0.5 in the snapshot"),
        "%s", err.message);
    ck_assert_str_eq(b.log, ""); /* the message says it all */
    ck_assert_int_eq(nncf_checkpoint_restore_with(c, b.ctrl, &p, NULL), NNCF_E_CONFIG);
    ck_assert_ptr_nonnull(
        strstr(b.log, "1 the stream: config: compression[0].params.sparsity_init is 0.2 here"));
    stream after = state_of(&b);
    ck_assert(same_stream(&before, &after));
    b.log[0] = 0;
    p.accept_config = 1;
    ck_assert_msg(nncf_checkpoint_restore_with(c, b.ctrl, &p, &err) == NNCF_OK, "%s", err.message);
    ck_assert_ptr_nonnull(strstr(b.log, "2 the stream: config:"));
    ck_assert(fx_parameter(b.ctrl, "net/conv.pre_ops.mask").data[0] == 9);
    /* the counters are the snapshot's, the level the new schedule's at that epoch */
    nncf_statistics of = {NNCF_PARAMS(nncf_statistics)};
    ck_assert_int_eq(nncf_compression_ctrl_get_statistics(b.ctrl, &of), NNCF_OK);
    ck_assert_int_eq(of.epoch, 3);
    ck_assert(of.sparsity_target == nncf__schedule_level(&b.ctrl->schedule.params, 3));
    p.accept_config = 2;
    ck_assert_int_eq(nncf_checkpoint_restore_with(c, b.ctrl, &p, &err), NNCF_E_ARG);
    /* another dialect is a difference of its own, not of the whole config */
    rig d;
    make_rig(&d, "{\"nncf_dialect\": \"1.2\", \"compression\": [" FX_RB ", " FX_INT8 "]}");
    ck_assert_int_eq(nncf_checkpoint_restore(c, d.ctrl, &err), NNCF_E_CONFIG);
    ck_assert_msg(strstr(err.message, ": nncf_dialect is \"1.2\" here, \"1.1\" in the snapshot"),
        "%s", err.message);
    ck_assert_msg(!strstr(err.message, "compression is"), "%s", err.message);
    drop_rig(&d);
    nncf_checkpoint_close(c);
    drop_stream(&s);
    drop_stream(&before);
    drop_stream(&after);
    drop_rig(&a);
    drop_rig(&b);
}
END_TEST

/* What the new config wants and the snapshot does not have is made anew, and said (test_stages.c
 * has all pairs). A file that is damaged changes nothing. */
START_TEST(a_config_that_wants_more)
{
    rig a, b;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    nncf_checkpoint_restore_report report = {NNCF_PARAMS(nncf_checkpoint_restore_report)};
    const nncf_checkpoint_restore_params p = {
        NNCF_PARAMS(nncf_checkpoint_restore_params), .accept_config = 1, .report = &report};
    make_rig(&a, FX_CONFIG(FX_RB));
    make_rig(&b, config);
    stream s = state_of(&a), before = state_of(&b);
    ck_assert_int_eq(open_stream(b.context, &s, &c, &err), NNCF_OK);
    /* what lies in memory is not checked again; so it can be damaged here */
    nncf__entry *levels = (nncf__entry *)(uintptr_t)nncf__checkpoint_find(c, "nncf.levels");
    double *level = (double *)(uintptr_t)levels->data, good = *level;
    *level = 7;
    ck_assert_int_eq(nncf_checkpoint_restore_with(c, b.ctrl, &p, &err), NNCF_E_FORMAT);
    *level = good;
    levels->dtype = NNCF_F32;
    ck_assert_int_eq(nncf_checkpoint_restore_with(c, b.ctrl, &p, &err), NNCF_E_DTYPE);
    levels->dtype = NNCF_F64;
    stream after = state_of(&b);
    ck_assert(same_stream(&before, &after));
    ck_assert_msg(nncf_checkpoint_restore_with(c, b.ctrl, &p, &err) == NNCF_OK, "%s", err.message);
    ck_assert_uint_eq(report.masks_taken, 1);
    ck_assert_uint_eq(report.quantizers_fresh, 2);
    ck_assert_ptr_nonnull(strstr(b.log, "weight_quantizer.scale"));
    nncf_checkpoint_close(c);
    drop_stream(&s);
    drop_stream(&before);
    drop_stream(&after);
    drop_rig(&a);
    drop_rig(&b);
}
END_TEST

/* Initialize over one batch of 3 images of 5 x 5. */
static float initialized_scale(rig *r)
{
    float x[225], y[3 * 5 * 9];
    const int64_t in[] = {3, 3, 5, 5}, out[] = {3, 5, 3, 3};
    const nncf_tensor tx = {x, NNCF_F32, 4, 0, in, NULL, {0, 0}},
                      ty = {y, NNCF_F32, 4, 0, out, NULL, {0, 0}};
    nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
    int32_t more = 0;
    for (int i = 0; i < 225; i++)
        x[i] = (float)i;
    while (nncf_compression_ctrl_init_step(r->ctrl, &more) == NNCF_OK && more)
        ck_assert_int_eq(nncf_layer_forward(r->k.layer, &tx, &ty), NNCF_OK);
    for (size_t i = 0; i < nncf_compression_ctrl_parameter_count(r->ctrl); i++) {
        ck_assert_int_eq(nncf_compression_ctrl_get_parameter(r->ctrl, i, &p), NNCF_OK);
        if (strstr(p.name, "input_quantizer"))
            return p.data[0];
    }
    ck_abort_msg("no input quantizer");
    return 0;
}

/* A snapshot from before the initialization, restored after it: the ranges are taken again, by the
 * same rule. */
START_TEST(an_initialization_that_starts_over)
{
    rig r;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    make_rig(&r,
        FX_CONFIG("{\"algorithm\": \"quantization\", \"initializer\": {\"range\": {\"type\": "
                  "\"percentile\", \"num_init_steps\": 1, \"min_percentile\": 25, "
                  "\"max_percentile\": 75}}}"));
    stream s = state_of(&r);
    for (int i = 0; i < 2; i++) {
        ck_assert_float_eq(
            initialized_scale(&r), 168); /* 75 % of 0..224, where min_max gives 224 */
        rewind_stream(&s, 0);
        ck_assert_int_eq(open_stream(r.context, &s, &c, &err), NNCF_OK);
        ck_assert_msg(nncf_checkpoint_restore(c, r.ctrl, &err) == NNCF_OK, "%s", err.message);
        nncf_checkpoint_close(c);
    }
    /* and where there is no memory for it nothing changes */
    ck_assert_float_eq(initialized_scale(&r), 168);
    stream before = state_of(&r);
    nncf_status status = NNCF_E_NOMEM;
    for (long i = 1; status == NNCF_E_NOMEM; i++) {
        rewind_stream(&s, 0);
        ck_assert_int_eq(open_stream(r.context, &s, &c, &err), NNCF_OK);
        r.memory.fail_at = r.memory.calls + (size_t)i;
        status = nncf_checkpoint_restore(c, r.ctrl, &err);
        r.memory.fail_at = 0;
        nncf_checkpoint_close(c);
        stream after = state_of(&r);
        ck_assert(status == NNCF_OK || same_stream(&before, &after));
        drop_stream(&after);
    }
    ck_assert_int_eq(status, NNCF_OK);
    ck_assert_float_eq(initialized_scale(&r), 168);
    drop_stream(&before);
    drop_stream(&s);
    drop_rig(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("snapshot");
    TCase *tc = fx_case(suite, "snapshot", 240);
    tcase_add_test(tc, a_stream_is_the_file);
    tcase_add_test(tc, every_failure);
    tcase_add_test(tc, a_stream_that_lies);
    tcase_add_test(tc, the_previous_generation);
    tcase_add_test(tc, what_nobody_knows);
    tcase_add_test(tc, a_changed_config);
    tcase_add_test(tc, a_config_that_wants_more);
    tcase_add_test(tc, an_initialization_that_starts_over);
    return fx_main(suite);
}
