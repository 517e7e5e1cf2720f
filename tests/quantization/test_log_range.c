/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges that are trained as their logarithms (NNCF's logarithm_scale): the same ranges and codes
 * as without, gradients by the chain rule and by central differences, snapshots and exports.
 */
#include "controller/ctrl.h"
#include "support/files.h"
#include "support/fixture.h"

#include <nncf/strip.h>

#include <stdbool.h>

enum { OUT = 4, CHANNELS = 3, SIDE = 6, N = 3, WEIGHTS = OUT * CHANNELS * 9 };
enum { X = N * CHANNELS * SIDE * SIDE, Y = N * OUT * SIDE * SIDE };

typedef struct rig {
    fx_context host;
    nncf_model *model;
    fx_block conv;
    nncf_compression_ctrl *ctrl;
    float x[X], dx[X], y[Y], dy[Y];
    fx_tensor tx, tdx, ty, tdy;
} rig;

#define CONFIG                                                                                     \
    "{\"nncf_dialect\": \"1.7\", \"target_device\": \"NONE\", \"compression\": {\"algorithm\": "   \
    "\"quantization\", \"weights\": {%s%s}, \"activations\": {%s%s}, \"initializer\": "            \
    "{\"range\": {\"num_init_samples\": 3, \"type\": \"min_max\"}, \"batchnorm_adaptation\": "     \
    "{\"num_bn_adaptation_samples\": 0}}}}"
#define LOG ", \"logarithm_scale\": true"

static void forward(rig *r)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(nncf_layer_forward(r->conv.layer, &r->tx.t, 1, &r->ty.t, &err) == NNCF_OK, "%s",
        err.message);
}

static void backward(rig *r)
{
    fx_zero_grad(&r->conv);
    ck_assert_int_eq(
        nncf_layer_backward(r->conv.layer, &r->tx.t, 1, &r->tdy.t, &r->tdx.t, NULL), NNCF_OK);
}

static rig *open_model(void)
{
    rig *r = fx_alloc(1, sizeof *r);
    uint64_t state = 7;
    const int64_t in[4] = {N, CHANNELS, SIDE, SIDE}, out[4] = {N, OUT, SIDE, SIDE};
    r->conv = (fx_block){.scope = "Net/Conv2d[c]",
        .in_channels = CHANNELS,
        .out_channels = OUT,
        .kernel = {3, 3},
        .padding = {1, 1},
        .bias = true};
    fx_open(&r->host, 2, 3);
    ck_assert_int_eq(nncf_model_create(r->host.context, &r->model, NULL), NNCF_OK);
    fx_register(r->model, &r->conv, NULL, &state);
    fx_fill(r->x, X, 1, &state);
    fx_fill(r->dy, Y, 1, &state);
    fx_view(&r->tx, r->x, 4, in);
    fx_view(&r->tdx, r->dx, 4, in);
    fx_view(&r->ty, r->y, 4, out);
    fx_view(&r->tdy, r->dy, 4, out);
    return r;
}

static void config_text(char text[800], const char *weights, const char *activations, bool log)
{
    snprintf(text, 800, CONFIG, weights, log ? LOG : "", activations, log ? LOG : "");
}

static void start(rig *r, const char *weights, const char *activations, bool log)
{
    char text[800];
    int32_t more = 0;
    config_text(text, weights, activations, log);
    r->ctrl = fx_ctrl(r->model, text);
    while (nncf_compression_ctrl_init_step(r->ctrl, &more, NULL) == NNCF_OK && more)
        forward(r);
}

static rig *open_rig(const char *weights, const char *activations, bool log)
{
    rig *r = open_model();
    start(r, weights, activations, log);
    return r;
}

static void close_rig(rig *r)
{
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
    fx_release(&r->conv);
    fx_close(&r->host);
    free(r);
}

#define SYMMETRIC   "\"bits\": 4, \"mode\": \"symmetric\""
#define CHANNELWISE SYMMETRIC ", \"per_channel\": true"
#define ASYMMETRIC  "\"bits\": 4, \"mode\": \"asymmetric\""
static const char *const weight_configs[] = {SYMMETRIC, CHANNELWISE, ASYMMETRIC},
                         *const input_configs[] = {SYMMETRIC, CHANNELWISE, ASYMMETRIC};
enum { CONFIGS = 3 };

/* The same range in both: the logarithms of one are given to the other. */
static void shrink_ranges(const rig *plain, const rig *logarithm, double factor)
{
    ck_assert_uint_eq(nncf_compression_ctrl_get_parameter_count(plain->ctrl),
        nncf_compression_ctrl_get_parameter_count(logarithm->ctrl));
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(plain->ctrl); i++) {
        const nncf_parameter a = fx_parameter_at(plain->ctrl, i),
                             b = fx_parameter_at(logarithm->ctrl, i);
        for (size_t c = 0; c < a.count; c++) {
            if (b.kind == NNCF_PARAMETER_LOG_RANGE) {
                b.data[c] += (float)log(factor);
                a.data[c] = (float)exp((double)b.data[c]);
            } else {
                a.data[c] = b.data[c];
            }
        }
    }
}

START_TEST(ranges_are_those_of_plain_quantizers)
{
    rig *plain = open_rig(weight_configs[_i], input_configs[_i], false),
        *logarithm = open_rig(weight_configs[_i], input_configs[_i], true);
    size_t logarithms = 0;
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(plain->ctrl); i++) {
        const nncf_parameter a = fx_parameter_at(plain->ctrl, i),
                             b = fx_parameter_at(logarithm->ctrl, i);
        const bool is_log = b.kind == NNCF_PARAMETER_LOG_RANGE;
        ck_assert_uint_eq(a.count, b.count);
        ck_assert_int_eq(is_log, a.kind != NNCF_PARAMETER_INPUT_LOW);
        ck_assert_int_eq(is_log, strstr(b.name, ".log_range") != NULL);
        for (size_t c = 0; c < a.count; c++)
            ck_assert_double_eq_tol(is_log ? exp((double)b.data[c]) : (double)b.data[c],
                (double)a.data[c], 1e-6 * fabs((double)a.data[c]));
        logarithms += is_log;
    }
    ck_assert_uint_eq(logarithms, 2);
    nncf_layer_statistics s = {NNCF_PARAMS(nncf_layer_statistics)}, t = s;
    nncf_compression_ctrl_get_layer_statistics(plain->ctrl, 0, &s, NULL);
    nncf_compression_ctrl_get_layer_statistics(logarithm->ctrl, 0, &t, NULL);
    ck_assert_double_eq_tol(s.weight_scale, t.weight_scale, 1e-6 * s.weight_scale);
    ck_assert_double_eq_tol(s.input_scale, t.input_scale, 1e-6 * s.input_scale);
    close_rig(plain);
    close_rig(logarithm);
}
END_TEST

/* d p = r d r, and everything else is the same to the bit. */
START_TEST(gradients_follow_by_the_chain_rule)
{
    rig *plain = open_rig(weight_configs[_i], input_configs[_i], false),
        *logarithm = open_rig(weight_configs[_i], input_configs[_i], true);
    shrink_ranges(plain, logarithm, 0.7); /* some are outside */
    rig *const rigs[] = {plain, logarithm};
    for (int k = 0; k < 2; k++) {
        forward(rigs[k]);
        backward(rigs[k]);
    }
    ck_assert_mem_eq(plain->y, logarithm->y, sizeof plain->y);
    ck_assert_mem_eq(plain->dx, logarithm->dx, sizeof plain->dx);
    ck_assert_mem_eq(plain->conv.dw, logarithm->conv.dw, WEIGHTS * sizeof(float));
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(plain->ctrl); i++) {
        const nncf_parameter a = fx_parameter_at(plain->ctrl, i),
                             b = fx_parameter_at(logarithm->ctrl, i);
        const bool is_log = b.kind == NNCF_PARAMETER_LOG_RANGE;
        for (size_t c = 0; c < a.count; c++) {
            const double want = (double)a.grad[c] * (is_log ? (double)a.data[c] : 1);
            ck_assert(a.grad[c] != 0);
            ck_assert_double_eq_tol((double)b.grad[c], want, 1e-6 * fabs(want));
        }
    }
    close_rig(plain);
    close_rig(logarithm);
}
END_TEST

static double loss_of(rig *r)
{
    double loss = 0;
    forward(r);
    for (size_t i = 0; i < Y; i++)
        loss += (double)r->y[i] * (double)r->dy[i];
    return loss;
}

/* Where all values are outside, a gradient is no estimate but the slope of the loss. Weights and
 * inputs in turns; the others have 8 bits and all values inside. */
START_TEST(gradients_are_central_differences)
{
    static const char *const modes[] = {SYMMETRIC, CHANNELWISE, ASYMMETRIC};
    for (int of_weight = 0; of_weight < 2; of_weight++) {
        rig *r = open_rig(
            of_weight ? modes[_i] : "\"bits\": 8", of_weight ? "\"bits\": 8" : modes[_i], true);
        const char *name = of_weight ? "pre_ops.weight_quantizer" : "input_quantizer";
        char text[96];
        for (size_t i = 0; i < WEIGHTS; i++)
            r->conv.w[i] += r->conv.w[i] < 0 ? -0.1f : 0.1f;
        for (size_t i = 0; i < X; i++)
            r->x[i] += r->x[i] < 0 ? -0.1f : 0.1f;
        snprintf(text, sizeof text, "Net/Conv2d[c].%s.log_range", name);
        const nncf_parameter p = fx_parameter(r->ctrl, text);
        if (_i == 2) { /* from 0 on: the zero point does not move */
            snprintf(text, sizeof text, "Net/Conv2d[c].%s.input_low", name);
            fx_parameter(r->ctrl, text).data[0] = 0;
        }
        for (size_t c = 0; c < p.count; c++)
            p.data[c] = (float)log(0.05) + 0.1f * (float)c;
        nncf_compression_ctrl_zero_grad(r->ctrl, NULL);
        forward(r);
        backward(r);
        for (size_t c = 0; c < p.count; c++) {
            const float kept = p.data[c], step = 0.02f;
            p.data[c] = kept + step;
            const double above = loss_of(r), by = (double)p.data[c];
            p.data[c] = kept - step;
            const double slope = (above - loss_of(r)) / (by - (double)p.data[c]);
            p.data[c] = kept;
            ck_assert_msg(fabs((double)p.grad[c] - slope) < 1e-3 * (1e-3 + fabs(slope)),
                "%s %zu: %g, by differences %g", p.name, c, (double)p.grad[c], slope);
            ck_assert(fabs(slope) > 1e-4);
        }
        close_rig(r);
    }
}
END_TEST

/* What no step of an optimizer can do is leave the positive numbers. */
START_TEST(a_large_step_leaves_a_range)
{
    rig *r = open_rig(SYMMETRIC, SYMMETRIC, true);
    const nncf_parameter p = fx_parameter(r->ctrl, "Net/Conv2d[c].input_quantizer.log_range");
    const double before = exp((double)p.data[0]);
    nncf_compression_ctrl_zero_grad(r->ctrl, NULL);
    p.grad[0] = 3;
    const nncf_update_params update = {NNCF_PARAMS(nncf_update_params), .range_lr = 1};
    ck_assert_int_eq(nncf_compression_ctrl_update(r->ctrl, &update, NULL), NNCF_OK);
    nncf_layer_statistics s = {NNCF_PARAMS(nncf_layer_statistics)};
    forward(r);
    nncf_compression_ctrl_get_layer_statistics(r->ctrl, 0, &s, NULL);
    ck_assert_double_eq_tol(s.input_scale, before * exp(-3), 1e-5 * before);
    close_rig(r);
}
END_TEST

static void train(rig *r, int steps)
{
    const nncf_update_params update = {
        NNCF_PARAMS(nncf_update_params), .range_lr = 0.01, .momentum = 0.9};
    for (int i = 0; i < steps; i++) {
        ck_assert_int_eq(nncf_compression_ctrl_zero_grad(r->ctrl, NULL), NNCF_OK);
        forward(r);
        backward(r);
        for (size_t k = 0; k < WEIGHTS; k++)
            r->conv.w[k] -= 1e-3f * r->conv.dw[k];
        ck_assert_int_eq(nncf_compression_ctrl_update(r->ctrl, &update, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_compression_ctrl_step(r->ctrl, NULL), NNCF_OK);
    }
}

static nncf_status restore(rig *from, rig *to, bool accept, nncf_checkpoint_restore_report *report)
{
    return fx_restore(from->ctrl, from->conv.w, WEIGHTS, to->ctrl, to->conv.w, accept, report);
}

START_TEST(an_interrupted_training_goes_on_with_the_same_bits)
{
    rig *whole = open_rig(weight_configs[_i], input_configs[_i], true),
        *first = open_rig(weight_configs[_i], input_configs[_i], true), *second = open_model();
    char text[800];
    train(whole, 6);
    train(first, 3);
    config_text(text, weight_configs[_i], input_configs[_i], true);
    second->ctrl = fx_ctrl(second->model, text);
    ck_assert_int_eq(restore(first, second, false, NULL), NNCF_OK);
    train(second, 3);
    ck_assert_mem_eq(whole->y, second->y, sizeof whole->y);
    ck_assert_mem_eq(whole->conv.w, second->conv.w, WEIGHTS * sizeof(float));
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(whole->ctrl); i++) {
        const nncf_parameter a = fx_parameter_at(whole->ctrl, i),
                             b = fx_parameter_at(second->ctrl, i);
        ck_assert_mem_eq(a.data, b.data, a.count * sizeof(float));
    }
    close_rig(whole);
    close_rig(first);
    close_rig(second);
}
END_TEST

START_TEST(another_config_takes_ranges_as_logarithms_and_back)
{
    for (int log = 0; log < 2; log++) {
        rig *from = open_rig(weight_configs[_i], input_configs[_i], log),
            *to = open_rig(weight_configs[_i], input_configs[_i], !log);
        nncf_checkpoint_restore_report report = {NNCF_PARAMS(nncf_checkpoint_restore_report)};
        train(from, 5); /* ranges that data would not give */
        ck_assert_int_eq(restore(from, to, false, NULL), NNCF_E_CONFIG);
        ck_assert_int_eq(restore(from, to, true, &report), NNCF_OK);
        ck_assert_uint_eq(report.quantizers_taken, 2);
        ck_assert_uint_eq(report.quantizers_fresh + report.quantizers_left, 0);
        ck_assert_int_eq(report.initialization_needed, 0);
        for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(from->ctrl); i++) {
            const nncf_parameter a = fx_parameter_at(from->ctrl, i),
                                 b = fx_parameter_at(to->ctrl, i);
            for (size_t c = 0; c < a.count; c++) {
                const double x = (double)a.data[c],
                             want = a.kind == NNCF_PARAMETER_INPUT_LOW ? x
                    : log                                              ? exp(x)
                          : (double)logf((float)fabs(x));
                ck_assert_double_eq_tol((double)b.data[c], want, 2e-6 * fabs(want));
            }
        }
        close_rig(from);
        close_rig(to);
    }
}
END_TEST

START_TEST(exports_compute_the_same)
{
    static const int32_t formats[] = {NNCF_ONNX_QDQ, NNCF_ONNX_FAKE_QUANTIZE};
    rig *r = open_rig(weight_configs[_i], _i == 1 ? SYMMETRIC : input_configs[_i], true);
    nncf_checkpoint *c = NULL;
    nncf_tensor t;
    float w[WEIGHTS];
    ck_assert_int_eq(nncf_model_set_mode(r->model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    forward(r);
    for (int i = 0; i < 2; i++) {
        nncf_error err = NNCF_ERROR_INIT;
        const nncf_onnx_params p = {NNCF_PARAMS(nncf_onnx_params), .format = formats[i],
            .golden_input = &r->tx.t, .golden_output = &r->ty.t};
        const nncf_status status = nncf_onnx_export(r->ctrl, fx_path("o"), &p, &err);
        /* QuantizeLinear has 8 bits; and a build may have no ONNX */
        if (status == NNCF_E_UNSUPPORTED && strstr(err.message, "without ONNX export"))
            break;
        ck_assert_msg(status == NNCF_OK || status == NNCF_E_UNSUPPORTED, "%s", err.message);
        ck_assert(status == NNCF_OK || formats[i] == NNCF_ONNX_QDQ);
    }
    ck_assert_int_eq(nncf_strip_save(r->ctrl, fx_path("s"), NULL, NULL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_checkpoint_open(NULL, fx_path("s"), NULL, &c, NULL), NNCF_OK);
    nncf_checkpoint_tensor weight = {"Net/Conv2d[c].weight",
        {.data = w, .dtype = NNCF_F32, .ndim = 4, .shape = (const int64_t[]){OUT, CHANNELS, 3, 3}}};
    ck_assert_int_eq(nncf_checkpoint_load_weights(c, &weight, 1, NULL, NULL, NULL, NULL), NNCF_OK);
    float *used = fx_alloc(WEIGHTS, sizeof *used);
    ck_assert_int_eq(nncf_layer_compress_weight(r->conv.layer, used, NULL), NNCF_OK);
    for (size_t i = 0; i < WEIGHTS; i++)
        ck_assert(w[i] == used[i]);
    ck_assert_int_eq(nncf_checkpoint_get_tensor(c, "Net/Conv2d[c].input_scale", &t, NULL), NNCF_OK);
    ck_assert(*(const float *)t.data > 0);
    free(used);
    nncf_checkpoint_close(c);
    close_rig(r);
}
END_TEST

/* A range of 0 has no logarithm: the length of a tensor that is one number, and what a snapshot
 * has. It starts from a number that can be trained. */
START_TEST(a_range_of_zero_is_a_number)
{
    rig *zero = open_model(), *plain = open_rig(weight_configs[_i], input_configs[_i], false);
    char text[800];
    int32_t more = 0;
    for (size_t i = 0; i < WEIGHTS; i++)
        zero->conv.w[i] = 0.25f;
    for (size_t i = 0; i < X; i++)
        zero->x[i] = 0.25f;
    config_text(text, weight_configs[_i], input_configs[_i], true);
    zero->ctrl = fx_ctrl(zero->model, text);
    while (nncf_compression_ctrl_init_step(zero->ctrl, &more, NULL) == NNCF_OK && more)
        forward(zero);
    for (int adopted = 0; adopted < 2; adopted++) {
        const double want = log(!adopted && _i < 2 ? 0.25 : 0.1);
        for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(zero->ctrl); i++) {
            const nncf_parameter p = fx_parameter_at(zero->ctrl, i);
            for (size_t c = 0; c < p.count; c++)
                if (p.kind == NNCF_PARAMETER_LOG_RANGE)
                    ck_assert_double_eq_tol((double)p.data[c], want, 1e-6);
        }
        for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(plain->ctrl); i++) {
            const nncf_parameter p = fx_parameter_at(plain->ctrl, i);
            memset(p.data, 0, p.count * sizeof(float));
        }
        ck_assert_int_eq(restore(plain, zero, true, NULL), NNCF_OK);
    }
    fx_fill(zero->x, X, 1, &(uint64_t){3});
    nncf_compression_ctrl_zero_grad(zero->ctrl, NULL);
    forward(zero);
    backward(zero);
    bool moves = false;
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(zero->ctrl); i++) {
        const nncf_parameter p = fx_parameter_at(zero->ctrl, i);
        moves = moves || (p.kind == NNCF_PARAMETER_LOG_RANGE && p.grad[0] != 0);
    }
    ck_assert(moves);
    close_rig(zero);
    close_rig(plain);
}
END_TEST

START_TEST(with_learned_steps_it_is_refused)
{
    char text[800];
    rig *r = open_model();
    nncf_error err = NNCF_ERROR_INIT;
    config_text(text, SYMMETRIC ", \"range_gradient\": \"lsq\"", SYMMETRIC, true);
    nncf_config *config = fx_config(r->host.context, text);
    ck_assert_int_eq(
        nncf_compression_ctrl_create(r->model, config, &r->ctrl, &err), NNCF_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "logarithm_scale"));
    nncf_config_destroy(config);
    close_rig(r);
}
END_TEST

START_TEST(plan_and_dump_have_the_words)
{
    char text[800], lines[8192];
    rig *r = open_model();
    nncf_plan *plan;
    config_text(text, SYMMETRIC, "\"bits\": 8", true);
    nncf_config *config = fx_config(r->host.context, text);
    ck_assert_int_eq(nncf_plan_create(r->model, config, &plan, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_JSON, lines, sizeof lines, NULL, NULL), NNCF_OK);
    ck_assert_msg(strstr(lines, "\"logarithm_scale\":true") != NULL, "%s", lines);
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_TEXT, lines, sizeof lines, NULL, NULL), NNCF_OK);
    ck_assert_msg(strstr(lines, "tensor, log") != NULL, "%s", lines);
    nncf_plan_destroy(plan);
    ck_assert_int_eq(nncf_config_dump(config, lines, sizeof lines, NULL, NULL), NNCF_OK);
    ck_assert_msg(strstr(lines, "\"logarithm_scale\": true") != NULL, "%s", lines);
    nncf_config_destroy(config);
    close_rig(r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log_range");
    TCase *tc = fx_case(suite, "logarithms", 60);
    tcase_add_checked_fixture(tc, fx_folder_make, fx_folder_remove);
    tcase_add_loop_test(tc, ranges_are_those_of_plain_quantizers, 0, CONFIGS);
    tcase_add_loop_test(tc, gradients_follow_by_the_chain_rule, 0, CONFIGS);
    tcase_add_loop_test(tc, gradients_are_central_differences, 0, CONFIGS);
    tcase_add_test(tc, a_large_step_leaves_a_range);
    tcase_add_loop_test(tc, an_interrupted_training_goes_on_with_the_same_bits, 0, CONFIGS);
    tcase_add_loop_test(tc, another_config_takes_ranges_as_logarithms_and_back, 0, CONFIGS);
    tcase_add_loop_test(tc, exports_compute_the_same, 0, CONFIGS);
    tcase_add_loop_test(tc, a_range_of_zero_is_a_number, 0, CONFIGS);
    tcase_add_test(tc, with_learned_steps_it_is_refused);
    tcase_add_test(tc, plan_and_dump_have_the_words);
    return fx_main(suite);
}
