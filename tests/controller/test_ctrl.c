/* SPDX-License-Identifier: Apache-2.0 */
/* The controller's life: order of calls, initialization, parameters, statistics, failures. */
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "controller/step.h"
#include "graph/model.h"
#include "quantization/quantizer.h"
#include "support/fixture.h"

#include <stdbool.h>

#define RB                                                                                         \
    "{\"algorithm\": \"rb_sparsity\", \"params\": {\"sparsity_init\": 0.1, \"sparsity_target\": "  \
    "0.5, "                                                                                        \
    "\"sparsity_steps\": 2}}"
#define INT8        "{\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 2}}"
#define CONFIG(...) "{\"compression\": [" __VA_ARGS__ "]}"

/* Two convolutions, one behind the other, with ReLU between them. */
typedef struct pair {
    fx_context c;
    nncf_model *model;
    fx_layer a, b;
} pair;

static void pair_open(pair *p, int32_t threads)
{
    fx_open(&p->c, threads, 3);
    ck_assert_int_eq(nncf_model_create(p->c.context, &p->model, NULL), NNCF_OK);
    p->a = fx_add_conv(p->model, "Net/Conv2d[a]", 4, 2, 1, NULL, NULL);
    p->b = fx_add_conv(p->model, "Net/Conv2d[b]", 3, 4, 1, NULL, p->a.layer);
}

static void pair_close(pair *p)
{
    nncf_model_destroy(p->model);
    fx_layer_free(&p->a);
    fx_layer_free(&p->b);
    fx_close(&p->c);
}

/* Input values scaled by `scale`; 2 images of 3 x 3. */
static void pair_forward(pair *p, float scale, bool both)
{
    static float x[2 * 2 * 9], y[2 * 4 * 9], z[2 * 3 * 9];
    const int64_t xs[] = {2, 2, 3, 3}, ys[] = {2, 4, 3, 3}, zs[] = {2, 3, 3, 3};
    nncf_tensor tx = {.data = x, .ndim = 4, .shape = xs}, ty = {.data = y, .ndim = 4, .shape = ys},
                tz = {.data = z, .ndim = 4, .shape = zs};
    fx_fill_from(x, 36, 11);
    for (int i = 0; i < 36; i++)
        x[i] *= scale;
    x[7] = scale; /* the largest */
    ck_assert_int_eq(nncf_layer_forward(p->a.layer, &tx, 1, &ty, NULL), NNCF_OK);
    if (both)
        ck_assert_int_eq(nncf_layer_forward(p->b.layer, &ty, 1, &tz, NULL), NNCF_OK);
}

START_TEST(a_config_without_algorithms_changes_nothing)
{
    pair p;
    pair_open(&p, 1);
    nncf_compression_ctrl *ctrl = fx_ctrl(p.model, "{\"batch_size\": 3}");
    int32_t more = 7;
    float w[8];
    ck_assert_uint_eq(nncf_compression_ctrl_get_parameter_count(ctrl), 0);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 0);
    ck_assert_double_eq(fx_loss(ctrl), 0);
    ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_zero_grad(ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(p.a.layer, w, NULL), NNCF_OK);
    ck_assert_int_eq(memcmp(w, p.a.weight, sizeof w), 0);
    nncf_statistics s = fx_statistics(ctrl);
    ck_assert_int_eq(s.compression_level, NNCF_COMPRESSION_FULL);
    ck_assert_int_eq(s.epoch, 1);
    ck_assert_int_eq(s.step, 1);
    ck_assert(isnan(s.mean_mask_probability) && isnan(s.magnitude_threshold));
    ck_assert_uint_eq(s.bytes_float, (8 + 12) * 4);
    ck_assert_uint_eq(s.bytes_compressed, s.bytes_float);
    nncf_compression_ctrl_destroy(ctrl);
    ck_assert_ptr_null(p.model->ctrl);
    ck_assert_ptr_null(p.a.layer->compression);
    ck_assert_int_eq(p.c.warnings, 0);
    pair_close(&p);
}
END_TEST

START_TEST(creation_refuses_null)
{
    pair p;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_compression_ctrl *ctrl = NULL;
    pair_open(&p, 1);
    nncf_config *config = fx_config(NULL, CONFIG(RB ", " INT8));
    ck_assert_int_eq(nncf_compression_ctrl_create(NULL, config, &ctrl, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_compression_ctrl_create(p.model, NULL, &ctrl, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_compression_ctrl_create(p.model, config, NULL, &err), NNCF_E_ARG);
    ck_assert_ptr_null(ctrl);
    nncf_config_destroy(config);
    pair_close(&p);
}
END_TEST

START_TEST(creation_refuses_a_model_without_layers)
{
    nncf_model *empty;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_compression_ctrl *ctrl = NULL;
    nncf_config *config = fx_config(NULL, CONFIG(RB ", " INT8));
    ck_assert_int_eq(nncf_model_create(NULL, &empty, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_create(empty, config, &ctrl, &err), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "no layers"));
    nncf_model_destroy(empty);
    nncf_config_destroy(config);
}
END_TEST

START_TEST(a_model_under_a_controller_takes_no_other_and_no_layer)
{
    pair p;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_compression_ctrl *ctrl, *second = NULL;
    nncf_layer *layer = NULL;
    const nncf_sum_params sum = {NNCF_PARAMS(nncf_sum_params), .scope = "Net/add"};
    pair_open(&p, 1);
    nncf_config *config = fx_config(NULL, CONFIG(RB ", " INT8));
    ck_assert_int_eq(nncf_compression_ctrl_create(p.model, config, &ctrl, &err), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_create(p.model, config, &second, &err), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "already"));
    ck_assert_ptr_null(second);
    ck_assert_int_eq(nncf_model_add_sum(p.model, &sum, &layer, &err), NNCF_E_STATE);
    nncf_config_destroy(config);
    nncf_compression_ctrl_destroy(ctrl);
    pair_close(&p);
}
END_TEST

START_TEST(steps_refuse_null)
{
    pair p;
    int32_t more = 5;
    pair_open(&p, 1);
    nncf_compression_ctrl *ctrl = fx_ctrl(p.model, CONFIG(RB ", " INT8));
    ck_assert_int_eq(nncf_compression_ctrl_init_step(NULL, &more, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_compression_ctrl_loss_backward(NULL, NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_compression_ctrl_step(NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_compression_ctrl_zero_grad(NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(more, 5);
    nncf_compression_ctrl_destroy(NULL);
    nncf_compression_ctrl_destroy(ctrl);
    pair_close(&p);
}
END_TEST

START_TEST(queries_refuse_null_and_unknown_indices)
{
    pair p;
    nncf_parameter parameter = {NNCF_PARAMS(nncf_parameter)};
    nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
    nncf_layer_statistics ls = {NNCF_PARAMS(nncf_layer_statistics)};
    pair_open(&p, 1);
    nncf_compression_ctrl *ctrl = fx_ctrl(p.model, CONFIG(RB ", " INT8));
    ck_assert_uint_eq(nncf_compression_ctrl_get_parameter_count(NULL), 0);
    ck_assert_int_eq(nncf_compression_ctrl_get_parameter(ctrl, 0, NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_compression_ctrl_get_parameter(NULL, 0, &parameter, NULL), NNCF_E_ARG);
    ck_assert_int_eq(
        nncf_compression_ctrl_get_parameter(ctrl, 99, &parameter, NULL), NNCF_E_NOTFOUND);
    ck_assert_int_eq(nncf_compression_ctrl_get_statistics(ctrl, NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_compression_ctrl_get_statistics(NULL, &s, NULL), NNCF_E_ARG);
    ck_assert_int_eq(
        nncf_compression_ctrl_get_layer_statistics(ctrl, 2, &ls, NULL), NNCF_E_NOTFOUND);
    ck_assert_int_eq(
        nncf_compression_ctrl_format_statistics(ctrl, NNCF_FORM_TEXT, NULL, 3, NULL, NULL),
        NNCF_E_ARG);
    ck_assert_int_eq(
        nncf_compression_ctrl_format_statistics(NULL, NNCF_FORM_JSON, NULL, 0, NULL, NULL),
        NNCF_E_ARG);
    nncf_compression_ctrl_destroy(ctrl);
    pair_close(&p);
}
END_TEST

/* In the middle of initialization there is no training. */
START_TEST(training_steps_during_initialization_are_refused)
{
    pair p;
    int32_t more = 5;
    pair_open(&p, 1);
    nncf_compression_ctrl *ctrl = fx_ctrl(p.model, CONFIG(RB ", " INT8));
    ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 1);
    ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_E_STATE);
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(ctrl, NULL), NNCF_E_STATE);
    nncf_compression_ctrl_destroy(ctrl);
    pair_close(&p);
}
END_TEST

START_TEST(init_step_wants_the_batch_that_it_asked_for)
{
    pair p;
    int32_t more = 5;
    pair_open(&p, 1);
    nncf_compression_ctrl *ctrl = fx_ctrl(p.model, CONFIG(RB ", " INT8));
    ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_OK);
    more = 5;
    ck_assert_int_eq(
        nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_E_STATE); /* nothing was run */
    ck_assert_int_eq(more, 5);
    ck_assert_ptr_nonnull(
        strstr(p.c.log, "Net/Conv2d[a].input_quantizer.scale saw no data in batch 1"));
    pair_forward(&p, 1, false);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL),
        NNCF_OK); /* b has no activation quantizer */
    ck_assert_int_eq(more, 1);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL),
        NNCF_E_STATE); /* the second batch is asked for too */
    pair_forward(&p, 1, true);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 0);
    ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_OK);
    nncf_compression_ctrl_destroy(ctrl);
    pair_close(&p);
}
END_TEST

START_TEST(initialization_sets_every_range)
{
    pair p;
    int32_t more, batches = 0;
    pair_open(&p, 2);
    nncf_compression_ctrl *ctrl = fx_ctrl(p.model, CONFIG(INT8));
    const nncf__quantizer *input = ctrl->layers[0].input_quantizer,
                          *weight = ctrl->layers[0].weight_quantizer;
    const float *input_scale = fx_parameter(ctrl, "Net/Conv2d[a].input_quantizer.scale").data,
                *weight_scale =
                    fx_parameter(ctrl, "Net/Conv2d[a].pre_ops.weight_quantizer.scale").data;
    ck_assert_float_eq(input_scale[0], 1);
    ck_assert(!input->initialized && weight->initialized);
    ck_assert_float_eq(weight->fq[0].low, -127);
    for (size_t i = 0; i < p.a.count; i++) /* loaded after the controller was made */
        p.a.weight[i] *= 3;
    const float scales[] = {2.0f, 0.5f};
    while (nncf_compression_ctrl_init_step(ctrl, &more, NULL) == NNCF_OK && more)
        pair_forward(&p, scales[batches++], true);
    ck_assert_int_eq(batches, 2); /* D4: exactly num_init_steps */
    ck_assert_float_eq(input_scale[0], 2);
    ck_assert(input->initialized && !input->observing);
    ck_assert_int_eq(input->params.sign, NNCF__SIGNED);
    float largest = 0;
    for (size_t i = 0; i < p.a.count; i++)
        largest = fmaxf(largest, fabsf(p.a.weight[i]));
    ck_assert_float_eq(weight_scale[0], largest);
    ck_assert(fx_parameter(ctrl, "Net/Conv2d[a].activation_quantizer.scale").data[0] > 0.1f);
    more = 1;
    ck_assert_int_eq(
        nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_OK); /* once is enough */
    ck_assert_int_eq(more, 0);
    ck_assert_int_eq(p.c.warnings, 0);
    pair_forward(&p, 2.5f, true);
    nncf_layer_statistics s = {NNCF_PARAMS(nncf_layer_statistics)};
    ck_assert_int_eq(nncf_compression_ctrl_get_layer_statistics(ctrl, 0, &s, NULL), NNCF_OK);
    ck_assert_double_gt(s.input_clipped, 0);
    ck_assert_double_eq(s.input_scale, 2);
    ck_assert(s.input_bits == 8 && s.input_signed == 1 && s.weight_bits == 8 && s.output_bits == 8);
    nncf_compression_ctrl_destroy(ctrl);
    pair_close(&p);
}
END_TEST

/* Masked weights do not count for the range: the quantizer never sees them. */
START_TEST(ranges_see_the_mask)
{
    pair p;
    int32_t more;
    pair_open(&p, 1);
    memcpy(p.a.weight, (float[8]){0.1f, 9, 0.2f, 0.3f, -0.4f, 0.1f, 0, 0}, 8 * sizeof(float));
    nncf_compression_ctrl *ctrl = fx_ctrl(p.model, CONFIG(RB ", " INT8));
    ck_assert_float_eq(
        fx_parameter(ctrl, "Net/Conv2d[a].pre_ops.weight_quantizer.scale").data[0], 9);
    fx_parameter(ctrl, "Net/Conv2d[a].pre_ops.mask").data[1] = -1;
    while (nncf_compression_ctrl_init_step(ctrl, &more, NULL) == NNCF_OK && more)
        pair_forward(&p, 1, true);
    ck_assert_float_eq(
        fx_parameter(ctrl, "Net/Conv2d[a].pre_ops.weight_quantizer.scale").data[0], 0.4f);
    nncf_compression_ctrl_destroy(ctrl);
    pair_close(&p);
}
END_TEST

START_TEST(training_without_initialization)
{
    pair p;
    pair_open(&p, 1);
    nncf_compression_ctrl *ctrl = fx_ctrl(p.model, CONFIG(INT8));
    pair_forward(&p, 1, true);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(p.c.warnings, 1);
    ck_assert_ptr_nonnull(strstr(p.c.log, "init_step"));
    ck_assert_float_eq(fx_parameter(ctrl, "Net/Conv2d[a].input_quantizer.scale").data[0], 1);
    nncf_compression_ctrl_destroy(ctrl);
    ctrl =
        fx_ctrl(p.model, CONFIG("{\"algorithm\": \"quantization\"}")); /* nothing was asked for */
    ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(p.c.warnings, 1);
    ck_assert_float_eq(fx_parameter(ctrl, "Net/Conv2d[a].input_quantizer.scale").data[0], 1);
    float largest = 0; /* of the weights the range is known without being asked for */
    for (size_t i = 0; i < p.a.count; i++)
        largest = fmaxf(largest, fabsf(p.a.weight[i]));
    ck_assert_float_eq(
        fx_parameter(ctrl, "Net/Conv2d[a].pre_ops.weight_quantizer.scale").data[0], largest);
    ck_assert_float_eq(ctrl->layers[0].weight_quantizer->fq[0].low, -127);
    nncf_compression_ctrl_destroy(ctrl);
    pair_close(&p);
}
END_TEST

START_TEST(all_zero_data_gives_scale_1_and_a_warning)
{
    pair p;
    int32_t more;
    pair_open(&p, 1);
    memset(p.a.weight, 0, p.a.count * sizeof(float));
    nncf_compression_ctrl *ctrl = fx_ctrl(p.model, CONFIG(INT8));
    ck_assert_int_eq(p.c.warnings, 1);
    ck_assert_ptr_nonnull(strstr(p.c.log, "Net/Conv2d[a].pre_ops.weight_quantizer.scale"));
    while (nncf_compression_ctrl_init_step(ctrl, &more, NULL) == NNCF_OK && more)
        pair_forward(&p, 1, true);
    ck_assert_float_eq(fx_parameter(ctrl, "Net/Conv2d[a].activation_quantizer.scale").data[0], 1);
    ck_assert_ptr_nonnull(strstr(p.c.log, "Net/Conv2d[a].activation_quantizer.scale"));
    nncf_compression_ctrl_destroy(ctrl);
    pair_close(&p);
}
END_TEST

static void expect_parameter(
    const nncf_compression_ctrl *ctrl, size_t i, const char *name, int32_t kind, size_t count)
{
    nncf_parameter p = fx_parameter_at(ctrl, i);
    ck_assert_str_eq(p.name, name);
    ck_assert_int_eq(p.kind, kind);
    ck_assert_uint_eq(p.count, count);
    ck_assert_double_eq(p.lr_multiplier, 1);
    ck_assert_int_eq(p.frozen, 0);
    ck_assert(p.data && p.grad && p.struct_size == sizeof p);
    for (size_t j = 0; j < count; j++)
        ck_assert_float_eq(p.grad[j], 0);
}

START_TEST(parameters_have_names_data_and_zero_gradients)
{
    pair p;
    pair_open(&p, 1);
    nncf_compression_ctrl *ctrl = fx_ctrl(p.model,
        CONFIG("{\"algorithm\": \"quantization\", \"weights\": {\"mode\": \"asymmetric\", "
               "\"per_channel\": "
               "true}}, " RB));
    expect_parameter(ctrl, 0, "Net/Conv2d[a].pre_ops.mask", NNCF_PARAMETER_MASK_LOGIT, 8);
    expect_parameter(
        ctrl, 1, "Net/Conv2d[a].pre_ops.weight_quantizer.input_low", NNCF_PARAMETER_INPUT_LOW, 4);
    expect_parameter(ctrl, 2, "Net/Conv2d[a].pre_ops.weight_quantizer.input_range",
        NNCF_PARAMETER_INPUT_RANGE, 4);
    expect_parameter(ctrl, 3, "Net/Conv2d[a].input_quantizer.scale", NNCF_PARAMETER_SCALE, 1);
    expect_parameter(ctrl, 4, "Net/Conv2d[a].activation_quantizer.scale", NNCF_PARAMETER_SCALE, 1);
    expect_parameter(ctrl, 5, "Net/Conv2d[b].pre_ops.mask", NNCF_PARAMETER_MASK_LOGIT, 12);
    expect_parameter(
        ctrl, 6, "Net/Conv2d[b].pre_ops.weight_quantizer.input_low", NNCF_PARAMETER_INPUT_LOW, 3);
    expect_parameter(ctrl, 7, "Net/Conv2d[b].pre_ops.weight_quantizer.input_range",
        NNCF_PARAMETER_INPUT_RANGE, 3);
    ck_assert_uint_eq(nncf_compression_ctrl_get_parameter_count(ctrl), 8);
    fx_loss(ctrl);
    fx_parameter_at(ctrl, 4).grad[0] = 5;
    ck_assert(fx_parameter_at(ctrl, 0).grad[3] != 0);
    ck_assert_int_eq(nncf_compression_ctrl_zero_grad(ctrl, NULL), NNCF_OK);
    ck_assert(fx_parameter_at(ctrl, 0).grad[3] == 0 && fx_parameter_at(ctrl, 4).grad[0] == 0);
    nncf_compression_ctrl_destroy(ctrl);
    pair_close(&p);
}
END_TEST

START_TEST(lr_multipliers_reach_the_parameters)
{
    pair p;
    pair_open(&p, 1);
    nncf_compression_ctrl *ctrl = fx_ctrl(p.model,
        "{\"compression_lr_multiplier\": 0.5, \"compression\": [{\"algorithm\": \"rb_sparsity\", "
        "\"sparsity_init\": 0.1}, {\"algorithm\": \"quantization\", \"compression_lr_multiplier\": "
        "4}]}");
    size_t logits = 0, scales = 0;
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(ctrl); i++) {
        nncf_parameter parameter = fx_parameter_at(ctrl, i);
        bool is_logit = parameter.kind == NNCF_PARAMETER_MASK_LOGIT;
        ck_assert_double_eq(parameter.lr_multiplier, is_logit ? 0.5 : 4);
        logits += is_logit;
        scales += !is_logit;
    }
    ck_assert(logits == 2 && scales >= 4);
    nncf_compression_ctrl_destroy(ctrl);
    pair_close(&p);
}
END_TEST

START_TEST(odd_configs_are_refused_or_warned_of)
{
    pair p;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_compression_ctrl *ctrl = NULL;
    nncf_config *config = NULL;
    pair_open(&p, 1);
    const char *const refused[] = {CONFIG("{\"algorithm\": \"bootstrapNAS\"}"),
        CONFIG("{\"algorithm\": \"binarization\"}, " INT8), CONFIG(RB ", " RB),
        CONFIG(INT8 ", " INT8),
        CONFIG("{\"algorithm\": \"quantization\", \"weights\": {\"bits\": 16}}")};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        size_t live = p.c.memory.live;
        /* the config's own check may already say it */
        nncf_status status =
            nncf_config_parse(NULL, "test", refused[i], strlen(refused[i]), NULL, &config, &err);
        if (status == NNCF_OK) {
            status = nncf_compression_ctrl_create(p.model, config, &ctrl, &err);
            nncf_config_destroy(config);
        }
        ck_assert_msg(status == NNCF_E_UNSUPPORTED || status == NNCF_E_CONFIG, "%s: %s", refused[i],
            nncf_status_name(status));
        ck_assert(strlen(err.message) > 20);
        ck_assert_uint_eq(p.c.memory.live, live);
        ck_assert_ptr_null(p.model->ctrl);
    }
    ck_assert_ptr_null(ctrl);
    ctrl = fx_ctrl(p.model,
        CONFIG("{\"algorithm\": \"rb_sparsity\", \"ignored_scopes\": [\"Net/Conv2d[a]\", "
               "\"Net/Conv2[b]\", \"Something/else/altogether\"]}"));
    ck_assert_int_eq(p.c.warnings, 2);
    ck_assert_ptr_nonnull(strstr(p.c.log,
        "ignored_scopes[1]: \"Net/Conv2[b]\" matches no registered layer; the nearest "
        "scope is \"Net/Conv2d[b]\""));
    ck_assert_ptr_nonnull(
        strstr(p.c.log, "\"Something/else/altogether\" matches no registered layer\n"));
    nncf_compression_ctrl_destroy(ctrl);
    pair_close(&p);
}
END_TEST

/* A controller that outlives its model answers every call but destroy with NNCF_E_STATE. */
START_TEST(a_controller_without_its_model_answers_e_state)
{
    nncf_model *model;
    nncf_error err = NNCF_ERROR_INIT;
    int32_t more;
    char text[8];
    ck_assert_int_eq(
        nncf_model_create(NULL, &model, &err), NNCF_OK); /* with a context of its own */
    fx_layer a = fx_add_conv(model, "Net/Conv2d[a]", 2, 2, 1, NULL, NULL);
    nncf_compression_ctrl *ctrl = fx_ctrl(model, CONFIG(RB ", " INT8));
    nncf_model_destroy(model);
    nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
    nncf_layer_statistics ls = {NNCF_PARAMS(nncf_layer_statistics)};
    nncf_parameter parameter = {NNCF_PARAMS(nncf_parameter)};
    ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_E_STATE);
    double loss = 5;
    ck_assert_int_eq(nncf_compression_ctrl_loss_backward(ctrl, &loss, &err), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "the controller's model was destroyed"));
    ck_assert_double_eq(loss, 5);
    ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_E_STATE);
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(ctrl, NULL), NNCF_E_STATE);
    ck_assert_int_eq(nncf_compression_ctrl_zero_grad(ctrl, NULL), NNCF_E_STATE);
    ck_assert_int_eq(nncf_compression_ctrl_get_parameter(ctrl, 0, &parameter, NULL), NNCF_E_STATE);
    ck_assert_uint_eq(nncf_compression_ctrl_get_parameter_count(ctrl), 0);
    ck_assert_int_eq(nncf_compression_ctrl_get_statistics(ctrl, &s, NULL), NNCF_E_STATE);
    ck_assert_int_eq(nncf_compression_ctrl_get_layer_statistics(ctrl, 0, &ls, NULL), NNCF_E_STATE);
    ck_assert_int_eq(nncf_compression_ctrl_format_statistics(
                         ctrl, NNCF_FORM_TEXT, text, sizeof text, NULL, NULL),
        NNCF_E_STATE);
    ck_assert_int_eq(nncf_compression_ctrl_format_statistics(
                         ctrl, NNCF_FORM_JSON, text, sizeof text, NULL, NULL),
        NNCF_E_STATE);
    ck_assert_int_eq(nncf__ctrl_restored(ctrl), NNCF_E_STATE);
    nncf_compression_ctrl_destroy(ctrl);
    fx_layer_free(&a);
}
END_TEST

START_TEST(compression_level_follows_the_schedule)
{
    pair p;
    pair_open(&p, 1);
    nncf_compression_ctrl *ctrl = fx_ctrl(p.model, CONFIG(RB));
    ck_assert_int_eq(fx_statistics(ctrl).compression_level, NNCF_COMPRESSION_PARTIAL);
    for (int epoch = 0; epoch < 4; epoch++) { /* the target is reached in epoch 2 */
        const int32_t want = epoch < 2 ? NNCF_COMPRESSION_PARTIAL : NNCF_COMPRESSION_FULL;
        ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_OK);
        ck_assert_int_eq(fx_statistics(ctrl).compression_level, want);
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(ctrl, NULL), NNCF_OK);
        ck_assert_int_eq(
            fx_statistics(ctrl).compression_level, want); /* still the epoch that was trained */
    }
    /* a snapshot taken after epoch 1 says the same when it is restored */
    ctrl->epoch = ctrl->schedule.epoch = 2;
    ck_assert_int_eq(nncf__ctrl_restored(ctrl), NNCF_OK);
    ck_assert_double_eq(fx_statistics(ctrl).sparsity_target, 0.5);
    ck_assert_int_eq(fx_statistics(ctrl).compression_level, NNCF_COMPRESSION_PARTIAL);
    ctrl->epoch = ctrl->schedule.epoch = 100;
    ck_assert_int_eq(nncf__ctrl_restored(ctrl), NNCF_OK);
    ck_assert(fx_parameter_at(ctrl, 0).frozen && fx_statistics(ctrl).frozen);
    nncf_compression_ctrl_destroy(ctrl);
    pair_close(&p);
}
END_TEST

START_TEST(statistics_count_bytes)
{
    pair p;
    pair_open(&p, 1);
    nncf_compression_ctrl *ctrl = fx_ctrl(p.model,
        CONFIG(
            "{\"algorithm\": \"quantization\", \"weights\": {\"bits\": 4, \"per_channel\": true}}, "
            "{\"algorithm\": \"magnitude_sparsity\", \"ignored_scopes\": \"Net/Conv2d[b]\", "
            "\"params\": "
            "{\"sparsity_init\": 0.75, \"sparsity_target\": 0.8}}"));
    nncf_statistics s = fx_statistics(ctrl);
    ck_assert_int_eq(s.sparsified_weights, 8);
    ck_assert_double_eq(s.sparsity, 0.75);
    /* a: 1 byte of mask + 2 codes in 1 byte, 4 + 1 + 1 scales; b: 12 codes in 6 bytes, 3 scales */
    ck_assert_uint_eq(s.bytes_compressed, 1 + 1 + 4 * 6 + 6 + 4 * 3);
    ck_assert_uint_eq(s.bytes_float, 80);
    nncf_compression_ctrl_destroy(ctrl);
    pair_close(&p);
}
END_TEST

START_TEST(statistics_are_written_as_text_and_json)
{
    pair p;
    char text[8192], small[40];
    size_t needed = 0, again = 0;
    int32_t more;
    pair_open(&p, 1);
    nncf_compression_ctrl *ctrl = fx_ctrl(p.model, CONFIG(RB ", " INT8));
    while (nncf_compression_ctrl_init_step(ctrl, &more, NULL) == NNCF_OK && more)
        pair_forward(&p, 1, true);
    ck_assert_int_eq(nncf_compression_ctrl_format_statistics(
                         ctrl, NNCF_FORM_TEXT, text, sizeof text, &needed, NULL),
        NNCF_OK);
    ck_assert_uint_eq(strlen(text) + 1, needed);
    ck_assert_ptr_nonnull(strstr(text, "4 x 2 x 1 x 1"));
    ck_assert_ptr_nonnull(strstr(text, "40.00 %"));
    ck_assert_ptr_nonnull(strstr(text, "target sparsity rate                       10.00 %"));
    ck_assert_ptr_nonnull(strstr(text, "quantizers of weights, activations, inputs 2, 1, 1"));
    ck_assert_int_eq(nncf_compression_ctrl_format_statistics(
                         ctrl, NNCF_FORM_TEXT, small, sizeof small, &again, NULL),
        NNCF_E_BUFFER);
    ck_assert_uint_eq(again, needed);
    ck_assert_int_eq(strncmp(small, text, sizeof small - 1), 0);
    ck_assert_uint_eq(strlen(small), sizeof small - 1);
    ck_assert_int_eq(
        nncf_compression_ctrl_format_statistics(ctrl, NNCF_FORM_TEXT, NULL, 0, &again, NULL),
        NNCF_E_BUFFER);
    printf("%s", text);

    ck_assert_int_eq(nncf_compression_ctrl_format_statistics(
                         ctrl, NNCF_FORM_JSON, text, sizeof text, NULL, NULL),
        NNCF_OK);
    json_object *root = json_tokener_parse(text);
    ck_assert_ptr_nonnull(root);
    nncf_statistics s = fx_statistics(ctrl);
    ck_assert_double_eq(fx_number(root, "sparsity_target"), s.sparsity_target);
    ck_assert_double_eq(fx_number(root, "mean_mask_probability"), s.mean_mask_probability);
    ck_assert(json_object_is_type(fx_get(root, "magnitude_threshold"), json_type_null));
    ck_assert_str_eq(fx_string(root, "compression_level"), "partial");
    json_object *layer = json_object_array_get_idx(fx_get(root, "layers"), 0);
    ck_assert_str_eq(fx_string(layer, "scope"), "Net/Conv2d[a]");
    ck_assert_double_eq(fx_number(fx_get(layer, "input"), "scale"), 1);
    ck_assert(json_object_is_type(
        fx_get(json_object_array_get_idx(fx_get(root, "layers"), 1), "output"), json_type_null));
    json_object_put(root);
    nncf_compression_ctrl_destroy(ctrl);
    pair_close(&p);
}
END_TEST

/* Each allocation of a creation fails once, then it and all after it: the model stays plain, and
 * nothing leaks. */
START_TEST(failed_allocations_leave_nothing_behind)
{
    const char *const configs[] = {CONFIG(RB ", " INT8),
        CONFIG(
            "{\"algorithm\": \"magnitude_sparsity\", \"params\": {\"schedule\": \"multistep\"}}, "
            "{\"algorithm\": \"quantization\", \"weights\": {\"mode\": \"asymmetric\", "
            "\"per_channel\": true}, \"initializer\": {\"num_init_steps\": 1}}"),
        "{}"};
    size_t failures = 0;
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        for (int persistent = 0; persistent < 2; persistent++) {
            nncf_config *config = fx_config(NULL, configs[i]);
            nncf_status status = NNCF_E_NOMEM;
            for (size_t n = 1; status != NNCF_OK; n++) {
                pair p;
                nncf_error err = NNCF_ERROR_INIT;
                nncf_compression_ctrl *ctrl = NULL;
                pair_open(&p, 2);
                size_t live = p.c.memory.live;
                p.c.memory.fail_at = p.c.memory.calls + n;
                p.c.memory.fail_on = persistent != 0;
                status = nncf_compression_ctrl_create(p.model, config, &ctrl, &err);
                p.c.memory.fail_at = 0;
                if (status != NNCF_OK) {
                    ck_assert_int_eq(status, NNCF_E_NOMEM);
                    ck_assert_int_eq(err.status, NNCF_E_NOMEM);
                    ck_assert_uint_eq(p.c.memory.live, live);
                    ck_assert(!ctrl && !p.model->ctrl && !p.a.layer->compression);
                    failures++;
                }
                nncf_compression_ctrl_destroy(ctrl);
                pair_close(&p);
            }
            nncf_config_destroy(config);
        }
    }
    printf("creation failed at %zu allocations\n", failures);
    ck_assert_uint_ge(failures, 100);
}
END_TEST

START_TEST(statistics_without_memory_fail_with_nomem)
{
    pair p;
    char text[4096];
    pair_open(&p, 1);
    nncf_compression_ctrl *ctrl = fx_ctrl(p.model, CONFIG(RB));
    p.c.memory.fail_at = p.c.memory.calls + 1;
    p.c.memory.fail_on = true;
    ck_assert_int_eq(nncf_compression_ctrl_format_statistics(
                         ctrl, NNCF_FORM_TEXT, text, sizeof text, NULL, NULL),
        NNCF_E_NOMEM);
    ck_assert_int_eq(nncf_compression_ctrl_format_statistics(
                         ctrl, NNCF_FORM_JSON, text, sizeof text, NULL, NULL),
        NNCF_E_NOMEM);
    /* steps need none */
    ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(ctrl, NULL), NNCF_OK);
    ck_assert(fx_loss(ctrl) > 0);
    p.c.memory.fail_at = 0;
    nncf_compression_ctrl_destroy(ctrl);
    pair_close(&p);
}
END_TEST

FX_MAIN("ctrl", a_config_without_algorithms_changes_nothing, creation_refuses_null,
    creation_refuses_a_model_without_layers, a_model_under_a_controller_takes_no_other_and_no_layer,
    steps_refuse_null, queries_refuse_null_and_unknown_indices,
    training_steps_during_initialization_are_refused, init_step_wants_the_batch_that_it_asked_for,
    initialization_sets_every_range, ranges_see_the_mask, training_without_initialization,
    all_zero_data_gives_scale_1_and_a_warning, parameters_have_names_data_and_zero_gradients,
    lr_multipliers_reach_the_parameters, odd_configs_are_refused_or_warned_of,
    a_controller_without_its_model_answers_e_state, compression_level_follows_the_schedule,
    statistics_count_bytes, statistics_are_written_as_text_and_json,
    failed_allocations_leave_nothing_behind, statistics_without_memory_fail_with_nomem)
