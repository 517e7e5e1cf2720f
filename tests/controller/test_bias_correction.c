/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bias correction: on the batches of the initialization the mean output of each channel is that of
 * the layer before quantization, which the tests run.
 */
#include "support/files.h"
#include "support/fixture.h"

#include <stdbool.h>
#include <unistd.h>

enum { BATCHES = 2, MOST = 4 * 8 * 81 };

typedef struct form {
    int64_t in, out, groups;
    int32_t kernel, stride, padding, dilation;
    bool linear, bias, norm;
    const char *weights, *more;
} form;

static const form forms[] = {
    {4, 6, 1, 3, 1, 1, 1, false, true, false, "\"bits\": 2", ""},
    {4, 6, 2, 3, 2, 1, 1, false, true, false, "\"bits\": 3, \"per_channel\": true", ""},
    {6, 6, 6, 3, 1, 1, 1, false, true, false, "\"bits\": 2", ""},
    {3, 5, 1, 3, 2, 2, 2, false, true, false, "\"bits\": 2, \"mode\": \"asymmetric\"", ""},
    {4, 6, 1, 3, 3, 0, 1, false, false, true, "\"bits\": 2", ""},
    {4, 6, 1, 5, 2, 4, 1, false, true, true, "\"bits\": 2", ""},
    {36, 7, 1, 1, 1, 0, 1, true, true, false, "\"bits\": 2, \"group_size\": 12", ""},
    {4, 6, 1, 3, 1, 1, 1, false, true, false, "\"bits\": 2",
        ", {\"algorithm\": \"magnitude_sparsity\", \"params\": {\"sparsity_init\": 0.4, "
        "\"sparsity_target\": 0.5}}"},
};
enum { FORMS = sizeof forms / sizeof *forms };

typedef struct rig {
    fx_context c;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    fx_block block;
    int64_t in[BATCHES][4], out[BATCHES][4];
    float x[BATCHES][MOST];
} rig;

#define CONFIG                                                                                     \
    "{\"nncf_dialect\": \"1.7\", \"target_device\": \"NONE\", \"compression\": [{\"algorithm\": "  \
    "\"quantization\", \"quantize_inputs\": false, \"weights\": {%s}, \"activations\": "           \
    "{\"ignored_scopes\": [\"Net\"]}, \"initializer\": {\"bias_correction\": {\"num_samples\": "   \
    "%d}, \"batchnorm_adaptation\": {\"num_bn_adaptation_samples\": 0}}}%s]}"

static void open_rig(rig *r, const form *f, int32_t threads)
{
    uint64_t state = 3;
    memset(r, 0, sizeof *r);
    fx_open(&r->c, threads, 1);
    r->block = (fx_block){.scope = "Net/Layer[l]",
        .in_channels = f->in,
        .out_channels = f->out,
        .kernel = {f->kernel, f->kernel},
        .stride = {f->stride, f->stride},
        .padding = {f->padding, f->padding},
        .dilation = {f->dilation, f->dilation},
        .groups = (int32_t)f->groups,
        .linear = f->linear,
        .bias = f->bias,
        .batch_norm = f->norm};
    ck_assert_int_eq(nncf_model_create(r->c.context, &r->model, NULL), NNCF_OK);
    fx_register(r->model, &r->block, NULL, &state);
    for (int64_t o = 0; f->norm && o < f->out; o++) {
        r->block.mean[o] = 0.1f * (float)o;
        r->block.var[o] = 0.5f + (float)o;
    }
    for (int b = 0; b < BATCHES; b++) {
        const int64_t side = f->linear ? 1 : 9;
        const int64_t in[4] = {b + 2, f->in, side, f->linear ? 1 : 8};
        memcpy(r->in[b], in, sizeof in);
        fx_output_shape(&r->block, in, r->out[b]);
        fx_fill(r->x[b], fx_count(in), 1, &state);
        for (size_t i = 0; i < fx_count(in); i++) /* as behind a relu, of different means */
            r->x[b][i] = fabsf(r->x[b][i]) * (float)(1 + i % 3);
    }
    nncf_model_set_mode(r->model, NNCF_MODE_EVAL, NULL);
}

static void close_rig(rig *r)
{
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
    fx_release(&r->block);
    fx_close(&r->c);
}

/* The sum of each channel's outputs of a batch is added; how many they are. */
static double run(rig *r, int b, double *sums)
{
    float y[MOST];
    fx_tensor tx, ty;
    const int64_t *out = r->out[b];
    const size_t hw = (size_t)(out[2] * out[3]);
    ck_assert_uint_le(fx_count(out), MOST);
    ck_assert_int_eq(nncf_layer_forward(r->block.layer, fx_view(&tx, r->x[b], 4, r->in[b]), 1,
                         fx_view(&ty, y, 4, out), NULL),
        NNCF_OK);
    for (size_t i = 0; sums && i < fx_count(out); i++)
        sums[i / hw % (size_t)out[1]] += (double)y[i];
    return (double)(out[0] * out[2] * out[3]);
}

static void means(rig *r, double *mean)
{
    double count = 0;
    memset(mean, 0, 8 * sizeof *mean);
    for (int b = 0; b < BATCHES; b++)
        count += run(r, b, mean);
    for (int o = 0; o < 8; o++)
        mean[o] /= count;
}

static void make(rig *r, const form *f, int samples)
{
    char text[1000];
    snprintf(text, sizeof text, CONFIG, f->weights, samples, f->more);
    r->ctrl = fx_ctrl(r->model, text);
}

static int initialize(rig *r)
{
    int32_t more = 0;
    int batches = 0;
    for (;;) {
        ck_assert_int_eq(nncf_compression_ctrl_init_step(r->ctrl, &more, NULL), NNCF_OK);
        if (!more)
            return batches;
        run(r, batches++ % BATCHES, NULL);
    }
}

/* What the weights are before they are quantized: masked. */
static void mask_weights(rig *r, const form *f)
{
    float masked[6 * 4 * 9];
    char text[1000];
    if (!f->more[0])
        return;
    snprintf(text, sizeof text, "{\"compression\": [%s]}", f->more + 2);
    nncf_compression_ctrl *ctrl = fx_ctrl(r->model, text);
    ck_assert_int_eq(nncf_layer_compress_weight(r->block.layer, masked, NULL), NNCF_OK);
    nncf_compression_ctrl_destroy(ctrl);
    memcpy(r->block.w, masked, r->block.weights * sizeof *masked);
}

START_TEST(means_are_those_before_quantization)
{
    const form *f = &forms[_i];
    double before[8], after[8], without[8], off = 0;
    rig r;
    open_rig(&r, f, 1);
    mask_weights(&r, f);
    means(&r, before);
    make(&r, f, 0);
    ck_assert_int_eq(initialize(&r), 0);
    means(&r, without);
    nncf_compression_ctrl_destroy(r.ctrl);
    make(&r, f, 3);
    ck_assert_int_eq(initialize(&r), 2); /* of 2 and 3 images */
    means(&r, after);
    for (int64_t o = 0; o < f->out; o++) {
        off += fabs(without[o] - before[o]);
        ck_assert_msg(fabs(after[o] - before[o]) < 2e-5 * (1 + fabs(before[o])),
            "channel %lld: %g, not %g (%g without)", (long long)o, after[o], before[o], without[o]);
    }
    ck_assert_double_gt(off, 0.1);
    close_rig(&r);
}
END_TEST

/* The bias takes it where there is one, else the running mean; nothing else changes. */
START_TEST(only_the_bias_or_the_running_mean_changes)
{
    for (int i = 4; i < 6; i++) {
        const form *f = &forms[i];
        float bias[8], mean[8], gamma[8], var[8], w[6 * 4 * 25];
        rig r;
        open_rig(&r, f, 1);
        const size_t bytes = (size_t)f->out * sizeof *mean;
        memcpy(w, r.block.w, r.block.weights * sizeof *w);
        memcpy(mean, r.block.mean, bytes);
        memcpy(var, r.block.var, bytes);
        memcpy(gamma, r.block.gamma, bytes);
        if (f->bias)
            memcpy(bias, r.block.b, bytes);
        make(&r, f, 1);
        initialize(&r);
        ck_assert_mem_eq(w, r.block.w, r.block.weights * sizeof *w);
        ck_assert_mem_eq(var, r.block.var, bytes);
        ck_assert_mem_eq(gamma, r.block.gamma, bytes);
        if (f->bias)
            ck_assert_mem_ne(bias, r.block.b, bytes);
        ck_assert((memcmp(mean, r.block.mean, bytes) == 0) == f->bias);
        close_rig(&r);
    }
}
END_TEST

START_TEST(threads_change_no_bit)
{
    float bias[2][8];
    for (int32_t threads = 1; threads <= 2; threads++) {
        rig r;
        open_rig(&r, &forms[1], 2 * threads - 1);
        make(&r, &forms[1], 5);
        initialize(&r);
        memcpy(bias[threads - 1], r.block.b, 6 * sizeof(float));
        close_rig(&r);
    }
    ck_assert_mem_eq(bias[0], bias[1], 6 * sizeof(float));
}
END_TEST

/* A run that goes on from a snapshot corrects nothing again. */
START_TEST(a_restored_model_is_not_corrected_again)
{
    float bias[8];
    char path[FX_TEMPORARY];
    int32_t more = 1;
    rig r;
    open_rig(&r, &forms[0], 1);
    make(&r, &forms[0], 5);
    initialize(&r);
    memcpy(bias, r.block.b, 6 * sizeof *bias);
    fx_temporary(path);
    ck_assert_int_eq(nncf_checkpoint_save(r.ctrl, path, NULL, 0, NULL, NULL), NNCF_OK);
    nncf_compression_ctrl_destroy(r.ctrl);
    make(&r, &forms[0], 5);
    nncf_checkpoint *c;
    ck_assert_int_eq(nncf_checkpoint_open(r.c.context, path, NULL, &c, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_checkpoint_restore(c, r.ctrl, NULL, NULL, NULL), NNCF_OK);
    nncf_checkpoint_close(c);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(r.ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 0);
    ck_assert_mem_eq(bias, r.block.b, 6 * sizeof *bias);
    unlink(path);
    close_rig(&r);
}
END_TEST

/* Nor does one with another config, in which only ranges of activations are new. */
START_TEST(biases_of_known_ranges_are_not_corrected_again)
{
    float bias[8];
    char path[FX_TEMPORARY];
    const nncf_checkpoint_restore_params accept = {
        NNCF_PARAMS(nncf_checkpoint_restore_params), .accept_config = 1};
    nncf_checkpoint_restore_report report = {NNCF_PARAMS(nncf_checkpoint_restore_report)};
    rig r;
    open_rig(&r, &forms[0], 1);
    make(&r, &forms[0], 5);
    initialize(&r);
    memcpy(bias, r.block.b, 6 * sizeof *bias);
    fx_temporary(path);
    ck_assert_int_eq(nncf_checkpoint_save(r.ctrl, path, NULL, 0, NULL, NULL), NNCF_OK);
    nncf_compression_ctrl_destroy(r.ctrl);
    r.ctrl = fx_ctrl(r.model,
        "{\"nncf_dialect\": \"1.7\", \"target_device\": \"NONE\", \"compression\": "
        "[{\"algorithm\": \"quantization\", \"weights\": {\"bits\": 2}, \"initializer\": "
        "{\"bias_correction\": {\"num_samples\": 5}}}]}");
    nncf_checkpoint *c;
    ck_assert_int_eq(nncf_checkpoint_open(r.c.context, path, NULL, &c, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_checkpoint_restore(c, r.ctrl, &accept, &report, NULL), NNCF_OK);
    nncf_checkpoint_close(c);
    ck_assert(report.initialization_needed);
    ck_assert_int_gt(initialize(&r), 0);
    ck_assert_mem_eq(bias, r.block.b, 6 * sizeof *bias);
    unlink(path);
    close_rig(&r);
}
END_TEST

/* A layer without a bias and batch norm is named; others are not held up. */
START_TEST(a_layer_without_a_place_is_named)
{
    form f = forms[0];
    rig r;
    f.bias = false;
    open_rig(&r, &f, 1);
    make(&r, &f, 5);
    initialize(&r);
    ck_assert_msg(strstr(r.c.log,
                      "Net/Layer[l]: its bias is not corrected: it has neither a bias "
                      "nor a batch norm") != NULL,
        "%s", r.c.log);
    close_rig(&r);
}
END_TEST

START_TEST(weights_that_are_quantized_later_are_refused)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_compression_ctrl *ctrl = NULL;
    rig r;
    open_rig(&r, &forms[0], 1);
    nncf_config *config = fx_config(r.c.context,
        "{\"compression\": {\"algorithm\": \"quantization\", \"params\": "
        "{\"weights_quant_start_epoch\": 2}, \"initializer\": {\"bias_correction\": "
        "{\"num_samples\": 4}}}}");
    ck_assert_int_eq(
        nncf_compression_ctrl_create(r.model, config, &ctrl, &err), NNCF_E_UNSUPPORTED);
    ck_assert_msg(strstr(err.message, "from epoch 2 on") != NULL, "%s", err.message);
    nncf_config_destroy(config);
    close_rig(&r);
}
END_TEST

/* The loop would never end. */
START_TEST(a_batch_that_does_not_come_is_an_error)
{
    int32_t more = 0;
    rig r;
    open_rig(&r, &forms[0], 1);
    make(&r, &forms[0], 5);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(r.ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 1);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(r.ctrl, &more, NULL), NNCF_E_STATE);
    close_rig(&r);
}
END_TEST

/* Every allocation of the creation fails once. */
START_TEST(no_memory_leaves_nothing_behind)
{
    char text[1000];
    for (int at = 1;; at++) {
        nncf_compression_ctrl *ctrl = NULL;
        rig r;
        open_rig(&r, &forms[0], 1);
        snprintf(text, sizeof text, CONFIG, forms[0].weights, 5, "");
        nncf_config *config = fx_config(NULL, text);
        r.c.memory.fail_at = r.c.memory.calls + (size_t)at;
        const nncf_status status = nncf_compression_ctrl_create(r.model, config, &ctrl, NULL);
        r.c.memory.fail_at = 0;
        nncf_config_destroy(config);
        nncf_compression_ctrl_destroy(ctrl);
        close_rig(&r);
        if (status == NNCF_OK)
            break;
        ck_assert_int_eq(status, NNCF_E_NOMEM);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bias_correction");
    TCase *tc = fx_case(suite, "all", 60);
    tcase_add_loop_test(tc, means_are_those_before_quantization, 0, FORMS);
    tcase_add_test(tc, only_the_bias_or_the_running_mean_changes);
    tcase_add_test(tc, threads_change_no_bit);
    tcase_add_test(tc, a_restored_model_is_not_corrected_again);
    tcase_add_test(tc, biases_of_known_ranges_are_not_corrected_again);
    tcase_add_test(tc, a_layer_without_a_place_is_named);
    tcase_add_test(tc, weights_that_are_quantized_later_are_refused);
    tcase_add_test(tc, a_batch_that_does_not_come_is_an_error);
    tcase_add_test(tc, no_memory_leaves_nothing_behind);
    return fx_main(suite);
}
