/* SPDX-License-Identifier: Apache-2.0 */
/* Quantization in stages: a quantizer that waits is not there, one that begins is as one of a
 * config without stages, and a training that was interrupted goes on as one that was not. */
#include "controller/ctrl.h"
#include "quantization/layer_compression.h"
#include "support/files.h"
#include "support/fixture.h"

#include <stdbool.h>

enum { IMAGES = 4, SIDE = 5, CHANNELS = 4, CLASSES = 3, N_IN = IMAGES * 2 * SIDE * SIDE };
enum { N_MIDDLE = IMAGES * CHANNELS * SIDE * SIDE, N_OUT = IMAGES * CLASSES };

#define QUANTIZATION(more)                                                                         \
    "{\"nncf_dialect\": \"1.4\", \"compression\": {\"algorithm\": \"quantization\", "              \
    "\"initializer\": {\"range\": {\"num_init_steps\": 2}}" more "}}"
#define STAGES(activations, weights)                                                               \
    QUANTIZATION(", \"params\": {\"activations_quant_start_epoch\": " activations                  \
                 ", \"weights_quant_start_epoch\": " weights "}")

typedef struct net {
    fx_context host;
    nncf_model *model;
    fx_block conv, fc;
    nncf_compression_ctrl *ctrl;
    float x[N_IN], middle[N_MIDDLE], out[N_OUT], dout[N_OUT], dmiddle[N_MIDDLE];
} net;

static void open_net(net *n, const char *config)
{
    uint64_t state = 5;
    *n = (net){.conv = {.scope = "N/Conv2d[conv]",
                   .in_channels = 2,
                   .out_channels = CHANNELS,
                   .kernel = {3, 3},
                   .padding = {1, 1},
                   .activation = NNCF_ACTIVATION_RELU,
                   .batch_norm = true},
        .fc = {.scope = "N/Linear[fc]",
            .in_channels = CHANNELS * SIDE * SIDE,
            .out_channels = CLASSES,
            .linear = true}};
    fx_open(&n->host, 2, 7);
    ck_assert_int_eq(nncf_model_create(n->host.context, &n->model, NULL), NNCF_OK);
    fx_register(n->model, &n->conv, NULL, &state);
    fx_register(n->model, &n->fc, n->conv.layer, &state);
    fx_fill(n->x, N_IN, 1, &state);
    if (config)
        n->ctrl = fx_ctrl(n->model, config);
}

static void close_net(net *n)
{
    nncf_compression_ctrl_destroy(n->ctrl);
    nncf_model_destroy(n->model);
    fx_release(&n->conv);
    fx_release(&n->fc);
    fx_close(&n->host);
}

static void forward(net *n)
{
    fx_tensor x, y, z;
    nncf_error err = NNCF_ERROR_INIT;
    fx_view(&x, n->x, 4, (int64_t[]){IMAGES, 2, SIDE, SIDE});
    fx_view(&y, n->middle, 4, (int64_t[]){IMAGES, CHANNELS, SIDE, SIDE});
    fx_view(&z, n->out, 2, (int64_t[]){IMAGES, CLASSES, 1, 1});
    ck_assert_msg(
        nncf_layer_forward(n->conv.layer, &x.t, 1, &y.t, &err) == NNCF_OK, "%s", err.message);
    ck_assert_msg(
        nncf_layer_forward(n->fc.layer, &y.t, 1, &z.t, &err) == NNCF_OK, "%s", err.message);
}

/* Of the sum of the squared outputs. */
static void backward(net *n)
{
    fx_tensor x, y, dy, dz;
    nncf_error err = NNCF_ERROR_INIT;
    for (int i = 0; i < N_OUT; i++)
        n->dout[i] = 2 * n->out[i];
    fx_view(&x, n->x, 4, (int64_t[]){IMAGES, 2, SIDE, SIDE});
    fx_view(&y, n->middle, 4, (int64_t[]){IMAGES, CHANNELS, SIDE, SIDE});
    fx_view(&dy, n->dmiddle, 4, (int64_t[]){IMAGES, CHANNELS, SIDE, SIDE});
    fx_view(&dz, n->dout, 2, (int64_t[]){IMAGES, CLASSES, 1, 1});
    fx_zero_grad(&n->conv);
    fx_zero_grad(&n->fc);
    ck_assert_msg(nncf_layer_backward(n->fc.layer, &y.t, 1, &dz.t, &dy.t, &err) == NNCF_OK, "%s",
        err.message);
    ck_assert_msg(nncf_layer_backward(n->conv.layer, &x.t, 1, &dy.t, NULL, &err) == NNCF_OK, "%s",
        err.message);
}

static int initialize(net *n)
{
    int32_t more = 0;
    int batches = 0;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status;
    while ((status = nncf_compression_ctrl_init_step(n->ctrl, &more, &err)) == NNCF_OK && more) {
        ck_assert_int_lt(++batches, 20);
        forward(n);
    }
    ck_assert_msg(status == NNCF_OK, "%s", err.message);
    return batches;
}

/* A step of gradient descent, ranges too. */
static void train_step(net *n)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_compression_ctrl_zero_grad(n->ctrl, NULL), NNCF_OK);
    forward(n);
    ck_assert_int_eq(nncf_compression_ctrl_loss_backward(n->ctrl, NULL, NULL), NNCF_OK);
    backward(n);
    for (size_t i = 0; i < n->conv.weights; i++)
        n->conv.w[i] -= 1e-4f * n->conv.dw[i];
    for (size_t i = 0; i < n->fc.weights; i++)
        n->fc.w[i] -= 1e-4f * n->fc.dw[i];
    ck_assert_msg(nncf_compression_ctrl_update(n->ctrl,
                      &(nncf_update_params){NNCF_PARAMS(nncf_update_params), .momentum = 0.9},
                      &err) == NNCF_OK,
        "%s", err.message);
    ck_assert_msg(nncf_compression_ctrl_step(n->ctrl, &err) == NNCF_OK, "%s", err.message);
}

static nncf_stage stage_at(const net *n, double part)
{
    nncf_stage s = {NNCF_PARAMS(nncf_stage)};
    ck_assert_int_eq(nncf_compression_ctrl_get_stage(n->ctrl, part, &s, NULL), NNCF_OK);
    return s;
}

static void epoch_step(net *n)
{
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(n->ctrl, NULL), NNCF_OK);
}

/* The weights, running statistics and the last output of both are the same. */
static void assert_same(const net *a, const net *b)
{
    ck_assert_mem_eq(a->out, b->out, sizeof a->out);
    ck_assert_mem_eq(a->middle, b->middle, sizeof a->middle);
    ck_assert_mem_eq(a->conv.w, b->conv.w, a->conv.weights * sizeof(float));
    ck_assert_mem_eq(a->fc.w, b->fc.w, a->fc.weights * sizeof(float));
    ck_assert_mem_eq(a->conv.mean, b->conv.mean, CHANNELS * sizeof(float));
    ck_assert_mem_eq(a->conv.var, b->conv.var, CHANNELS * sizeof(float));
}

/* What a network of the other config makes of the weights and statistics of `of`. */
static void assert_like(net *of, const char *config)
{
    net like;
    open_net(&like, config);
    memcpy(like.conv.w, of->conv.w, of->conv.weights * sizeof(float));
    memcpy(like.fc.w, of->fc.w, of->fc.weights * sizeof(float));
    memcpy(like.conv.mean, of->conv.mean, CHANNELS * sizeof(float));
    memcpy(like.conv.var, of->conv.var, CHANNELS * sizeof(float));
    if (config)
        initialize(&like);
    forward(&like);
    forward(of);
    backward(&like);
    backward(of);
    assert_same(of, &like);
    ck_assert_mem_eq(of->conv.dw, like.conv.dw, like.conv.weights * sizeof(float));
    ck_assert_mem_eq(of->fc.dw, like.fc.dw, like.fc.weights * sizeof(float));
    ck_assert_mem_eq(of->conv.dgamma, like.conv.dgamma, CHANNELS * sizeof(float));
    close_net(&like);
}

START_TEST(a_quantizer_that_waits_is_not_there)
{
    net n;
    open_net(&n, STAGES("2", "1"));
    ck_assert_int_eq(initialize(&n), 0);
    ck_assert_int_eq(nncf_layer_get_output_dtype(n.conv.layer), NNCF_F32);
    assert_like(&n, NULL);
    close_net(&n);
}
END_TEST

START_TEST(parameters_of_waiting_quantizers_are_frozen)
{
    net n;
    size_t weights = 0, activations = 0;
    open_net(&n, STAGES("2", "1"));
    for (int epoch = 0; epoch < 3; epoch++) {
        weights = activations = 0;
        for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(n.ctrl); i++) {
            const nncf_parameter p = fx_parameter_at(n.ctrl, i);
            const bool of_weight = strstr(p.name, "weight_quantizer") != NULL;
            ck_assert_int_eq(p.frozen, epoch < (of_weight ? 1 : 2));
            weights += of_weight;
            activations += !of_weight;
        }
        epoch_step(&n);
    }
    ck_assert_uint_eq(weights, 2);
    ck_assert_uint_eq(activations, 2);
    close_net(&n);
}
END_TEST

START_TEST(each_stage_is_like_a_config_without_stages)
{
    net n;
    open_net(&n, STAGES("2", "1"));
    initialize(&n);
    for (int i = 0; i < 3; i++)
        train_step(&n);
    epoch_step(&n);
    ck_assert_int_eq(initialize(&n), 0); /* weights need no batches */
    assert_like(&n, QUANTIZATION(", \"activations\": {\"target_scopes\": [\"none\"]}"));
    for (int i = 0; i < 3; i++)
        train_step(&n);
    epoch_step(&n);
    ck_assert_int_eq(initialize(&n), 2);
    ck_assert_int_ne(nncf_layer_get_output_dtype(n.conv.layer), NNCF_F32);
    assert_like(&n, QUANTIZATION(""));
    close_net(&n);
}
END_TEST

START_TEST(a_stage_without_initialization_is_refused)
{
    net n;
    nncf_error err = NNCF_ERROR_INIT;
    open_net(&n, STAGES("1", "3"));
    initialize(&n);
    train_step(&n);
    ck_assert_int_eq(stage_at(&n, 0).initialization_needed, 0);
    epoch_step(&n);
    ck_assert_int_eq(stage_at(&n, 0).initialization_needed, 1);
    forward(&n);
    ck_assert_int_eq(nncf_compression_ctrl_step(n.ctrl, &err), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "nncf_compression_ctrl_init_step"));
    ck_assert_int_eq(initialize(&n), 2);
    ck_assert_int_eq(stage_at(&n, 0).initialization_needed, 0);
    train_step(&n);
    close_net(&n);
}
END_TEST

START_TEST(the_level_says_how_much_is_quantized)
{
    net n;
    const int32_t levels[] = {NNCF_COMPRESSION_NONE, NNCF_COMPRESSION_PARTIAL,
        NNCF_COMPRESSION_PARTIAL, NNCF_COMPRESSION_FULL};
    open_net(&n, STAGES("3", "0.5"));
    for (int epoch = 0; epoch < 4; epoch++) {
        initialize(&n);
        train_step(&n);
        ck_assert_int_eq(fx_statistics(n.ctrl).compression_level, levels[epoch]);
        epoch_step(&n);
        ck_assert_int_eq(fx_statistics(n.ctrl).compression_level, levels[epoch]);
    }
    close_net(&n);
}
END_TEST

START_TEST(a_model_that_is_not_all_quantized_is_not_written_out)
{
    net n;
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_onnx_params onnx = {NNCF_PARAMS(nncf_onnx_params)};
    open_net(&n, STAGES("2", "0"));
    initialize(&n);
    ck_assert_int_eq(nncf_strip_save(n.ctrl, fx_path("s"), NULL, NULL, &err), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "activations_quant_start_epoch"));
    ck_assert_int_lt(nncf_onnx_export(n.ctrl, fx_path("o"), &onnx, &err), 0);
    ck_assert_int_eq(fx_entries(), 0);
    epoch_step(&n);
    epoch_step(&n);
    ck_assert_int_eq(nncf_strip_save(n.ctrl, fx_path("s"), NULL, NULL, &err), NNCF_E_STATE);
    initialize(&n);
    ck_assert_int_eq(nncf_strip_save(n.ctrl, fx_path("s"), NULL, NULL, &err), NNCF_OK);
    close_net(&n);
}
END_TEST

/* Three epochs of two steps; stopped and gone on from a snapshot before step `at` of 9, counting a
 * step, a step and the epoch's end. */
static void run_from(net *n, int at, int end)
{
    for (; at < end; at++) {
        if (at % 3 == 2)
            epoch_step(n);
        else
            initialize(n), train_step(n);
    }
}

static void save_and_open(net *n, net *next, const char *config)
{
    const int64_t shapes[] = {(int64_t)n->conv.weights, (int64_t)n->fc.weights, CHANNELS};
    float *const from[] = {n->conv.w, n->fc.w, n->conv.mean, n->conv.var};
    static const char *const names[] = {"a", "b", "m", "v"};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    open_net(next, config);
    float *const to[] = {next->conv.w, next->fc.w, next->conv.mean, next->conv.var};
    nncf_checkpoint_tensor saved[4], read[4];
    for (int i = 0; i < 4; i++) {
        saved[i] = (nncf_checkpoint_tensor){names[i],
            {.data = from[i], .dtype = NNCF_F32, .ndim = 1, .shape = &shapes[i < 2 ? i : 2]}};
        read[i] = saved[i];
        read[i].tensor.data = to[i];
    }
    ck_assert_msg(nncf_checkpoint_save(n->ctrl, fx_path("c"), saved, 4, NULL, &err) == NNCF_OK,
        "%s", err.message);
    ck_assert_int_eq(
        nncf_checkpoint_open(next->host.context, fx_path("c"), NULL, &c, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_checkpoint_read(c, read, 4, &err), NNCF_OK);
    ck_assert_msg(
        nncf_checkpoint_restore(c, next->ctrl, NULL, NULL, &err) == NNCF_OK, "%s", err.message);
    nncf_checkpoint_close(c);
}

START_TEST(a_training_that_was_interrupted_goes_on_with_the_same_bits)
{
    static const char *const configs[] = {STAGES("1", "2"), STAGES("2", "1"), STAGES("1", "1")};
    for (size_t k = 0; k < 3; k++)
        for (int at = 0; at <= 9; at++) {
            net whole, first, second;
            open_net(&whole, configs[k]);
            open_net(&first, configs[k]);
            run_from(&whole, 0, 9);
            run_from(&first, 0, at);
            save_and_open(&first, &second, configs[k]);
            run_from(&second, at, 9);
            initialize(&whole);
            initialize(&second);
            forward(&whole);
            forward(&second);
            assert_same(&whole, &second);
            for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(whole.ctrl); i++) {
                const nncf_parameter a = fx_parameter_at(whole.ctrl, i),
                                     b = fx_parameter_at(second.ctrl, i);
                ck_assert_mem_eq(a.data, b.data, a.count * sizeof(float));
                ck_assert_int_eq(a.frozen, b.frozen);
            }
            close_net(&whole);
            close_net(&first);
            close_net(&second);
        }
}
END_TEST

/* Adaptation of batch norm belongs to the first initialization, also after a resume. */
START_TEST(batch_norm_is_adapted_once)
{
    static const char config[] =
        "{\"nncf_dialect\": \"1.4\", \"compression\": {\"algorithm\": \"quantization\", "
        "\"initializer\": {\"range\": {\"num_init_steps\": 1}, \"batchnorm_adaptation\": "
        "{\"num_bn_adaptation_steps\": 3}}, \"params\": {\"activations_quant_start_epoch\": 1, "
        "\"weights_quant_start_epoch\": 0}}}";
    net n, next;
    open_net(&n, config);
    ck_assert_int_eq(initialize(&n), 3 + 5); /* and 5 in which statistics forget */
    train_step(&n);
    epoch_step(&n);
    save_and_open(&n, &next, config);
    ck_assert_int_eq(initialize(&n), 1);
    ck_assert_int_eq(initialize(&next), 1);
    forward(&n);
    forward(&next);
    assert_same(&n, &next);
    close_net(&n);
    close_net(&next);
}
END_TEST

START_TEST(what_the_loop_reads)
{
    net n;
    open_net(&n,
        QUANTIZATION(
            ", \"params\": {\"batch_multiplier\": 4, \"base_lr\": 0.25, \"base_wd\": 0.125, "
            "\"lr_poly_drop_start_epoch\": 1, \"lr_poly_drop_duration_epochs\": 2, "
            "\"disable_wd_start_epoch\": 1}"));
    nncf_stage s = stage_at(&n, 1);
    ck_assert_int_eq(s.staged, 1);
    ck_assert_int_eq(s.batch_multiplier, 4);
    ck_assert_double_eq(s.base_lr, 0.25);
    ck_assert_double_eq(s.weight_decay, 0.125);
    ck_assert_double_eq(s.lr_factor, 1);
    ck_assert_int_eq(s.weight_decay_off, 0);
    ck_assert_int_eq(s.activations, 0); /* by default from epoch 1 on */
    epoch_step(&n);
    s = stage_at(&n, 0.5);
    ck_assert_double_eq_tol(s.lr_factor, pow(0.75, 2.1), 1e-12);
    ck_assert_int_eq(s.weight_decay_off, 1);
    ck_assert_int_eq(s.activations, 1);
    ck_assert_int_eq(s.weights, 1);
    initialize(&n);
    epoch_step(&n);
    ck_assert_double_eq_tol(stage_at(&n, 0.25).lr_factor, pow(0.375, 2.1), 1e-12);
    epoch_step(&n);
    ck_assert_double_eq(stage_at(&n, 0.25).lr_factor, 0);
    close_net(&n);
}
END_TEST

START_TEST(without_params_all_works_from_the_start)
{
    static const char *const configs[] = {QUANTIZATION(""), QUANTIZATION(", \"params\": {}")};
    for (int i = 0; i < 2; i++) {
        net n;
        open_net(&n, configs[i]);
        const nncf_stage s = stage_at(&n, 0);
        ck_assert_int_eq(s.staged, 0);
        ck_assert_int_eq(s.weights, 1);
        ck_assert_int_eq(s.activations, 1);
        ck_assert_int_eq(s.initialization_needed, 1);
        ck_assert_int_eq(s.batch_multiplier, 1);
        ck_assert_double_eq(s.lr_factor, 1);
        ck_assert_double_lt(s.base_lr, 0);
        ck_assert_int_eq(initialize(&n), 2);
        close_net(&n);
    }
}
END_TEST

START_TEST(the_stage_is_asked_for_properly)
{
    net n;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_stage s = {NNCF_PARAMS(nncf_stage)};
    open_net(&n, STAGES("1", "1"));
    ck_assert_int_eq(nncf_compression_ctrl_get_stage(NULL, 0, &s, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_compression_ctrl_get_stage(n.ctrl, 0, NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_compression_ctrl_get_stage(n.ctrl, 1.5, &s, &err), NNCF_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "from 0 to 1"));
    ck_assert_int_eq(nncf_compression_ctrl_get_stage(n.ctrl, (double)NAN, &s, &err), NNCF_E_ARG);
    close_net(&n);
}
END_TEST

/* epoch_step allocates where a stage begins; without memory nothing has changed. */
START_TEST(a_stage_without_memory_does_not_begin)
{
    static const char config[] =
        "{\"nncf_dialect\": \"1.4\", \"compression\": {\"algorithm\": \"quantization\", "
        "\"initializer\": {\"range\": {\"num_init_steps\": 1, \"type\": \"mean_min_max\"}}, "
        "\"params\": {\"activations_quant_start_epoch\": 0, \"weights_quant_start_epoch\": 1}}}";
    net n;
    open_net(&n, config);
    initialize(&n);
    train_step(&n);
    n.host.memory.fail_at = n.host.memory.calls + 1;
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(n.ctrl, NULL), NNCF_E_NOMEM);
    n.host.memory.fail_at = 0;
    ck_assert_int_eq(stage_at(&n, 0).weights, 0);
    ck_assert_int_eq(fx_statistics(n.ctrl).epoch, 0);
    epoch_step(&n);
    ck_assert_int_eq(initialize(&n), 1);
    close_net(&n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stages");
    TCase *tests = fx_case(suite, "stages", 60);
    tcase_add_checked_fixture(tests, fx_folder_make, fx_folder_remove);
    tcase_add_test(tests, a_quantizer_that_waits_is_not_there);
    tcase_add_test(tests, parameters_of_waiting_quantizers_are_frozen);
    tcase_add_test(tests, each_stage_is_like_a_config_without_stages);
    tcase_add_test(tests, a_stage_without_initialization_is_refused);
    tcase_add_test(tests, the_level_says_how_much_is_quantized);
    tcase_add_test(tests, a_model_that_is_not_all_quantized_is_not_written_out);
    tcase_add_test(tests, a_training_that_was_interrupted_goes_on_with_the_same_bits);
    tcase_add_test(tests, batch_norm_is_adapted_once);
    tcase_add_test(tests, what_the_loop_reads);
    tcase_add_test(tests, without_params_all_works_from_the_start);
    tcase_add_test(tests, the_stage_is_asked_for_properly);
    tcase_add_test(tests, a_stage_without_memory_does_not_begin);
    return fx_main(suite);
}
