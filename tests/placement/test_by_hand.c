/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placement by hand: weights of any shape and quantizers that stand alone. What they compute is
 * compared with plain loops in double; what exists, with what was added.
 */
#include "support/files.h"
#include "support/fixture.h"

#include <math.h>
#include <unistd.h>

enum { MOST = 120 };

typedef struct host {
    fx_context c;
    nncf_model *model;
    nncf_layer *w, *q, *v;
    nncf_compression_ctrl *ctrl;
    float weight[MOST], grad[MOST];
    size_t count;
} host;

static void open_model(host *h, const int64_t *shape, int32_t ndim, int32_t axis)
{
    const nncf_quantizer_params q = {NNCF_PARAMS(nncf_quantizer_params), .scope = "gpt/0/q"},
                                v = {NNCF_PARAMS(nncf_quantizer_params), .scope = "gpt/0/v"};
    h->count = 1;
    for (int32_t i = 0; i < ndim; i++)
        h->count *= (size_t)shape[i];
    fx_fill_from(h->weight, h->count, 3);
    memset(h->grad, 0, sizeof h->grad);
    fx_open(&h->c, 1, 11);
    ck_assert_int_eq(nncf_model_create(h->c.context, &h->model, NULL), NNCF_OK);
    const nncf_weight_params w = {NNCF_PARAMS(nncf_weight_params), .scope = "gpt/0/qkv",
        .weight = h->weight, .weight_grad = h->grad, .ndim = ndim, .shape = shape,
        .channel_axis = axis};
    ck_assert_int_eq(nncf_model_add_weight(h->model, &w, &h->w, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_quantizer(h->model, &q, &h->q, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_quantizer(h->model, &v, &h->v, NULL), NNCF_OK);
    h->ctrl = NULL;
}

static void close_model(host *h)
{
    nncf_compression_ctrl_destroy(h->ctrl);
    nncf_model_destroy(h->model);
    fx_close(&h->c);
}

/* Channel of element i of a weight, by its coordinates. */
static size_t channel_at(size_t i, const int64_t *shape, int32_t ndim, int32_t axis)
{
    for (int32_t d = ndim - 1; d > axis; d--)
        i /= (size_t)shape[d];
    return i % (size_t)shape[axis];
}

#define WEIGHTS_ONLY                                                                               \
    "{\"compression\": {\"algorithm\": \"quantization\", \"weights\": {\"mode\": \"symmetric\", "  \
    "\"bits\": 5, \"per_channel\": true}, \"initializer\": {\"range\": {\"num_init_steps\": "      \
    "0}}}}"

static const struct {
    int64_t shape[5];
    int32_t ndim, axis;
} shapes[] = {{{7}, 1, 0}, {{6, 10}, 2, 0}, {{6, 10}, 2, 1}, {{2, 3, 4}, 3, 0}, {{2, 3, 4}, 3, 1},
    {{2, 3, 4}, 3, 2}, {{2, 3, 2, 2, 4}, 5, 3}, {{1, 9}, 2, 0}};

/* Each channel has the range of its largest weight, whatever the axis: forward, the straight
 * through gradient, and that of the ranges (docs/formulas.md). */
START_TEST(weights_of_any_shape_are_quantized_along_their_axis)
{
    enum { HIGH = 15 };
    host h;
    float got[MOST], g[MOST];
    double largest[MOST] = {0}, inside[MOST] = {0};
    const int64_t *shape = shapes[_i].shape;
    const int32_t ndim = shapes[_i].ndim, axis = shapes[_i].axis;
    open_model(&h, shape, ndim, axis);
    h.ctrl = fx_ctrl(h.model, WEIGHTS_ONLY);
    ck_assert_int_eq(nncf_layer_compress_weight(h.w, got, NULL), NNCF_OK);
    for (size_t i = 0; i < h.count; i++)
        largest[channel_at(i, shape, ndim, axis)] =
            fmax(largest[channel_at(i, shape, ndim, axis)], fabs((double)h.weight[i]));
    for (size_t i = 0; i < h.count; i++) {
        const size_t c = channel_at(i, shape, ndim, axis);
        const double scale = largest[c] / HIGH, y = rint((double)h.weight[i] / scale) * scale;
        ck_assert_msg(fabs((double)got[i] - y) < 1e-6, "%zu: %g, not %g", i, (double)got[i], y);
        g[i] = (float)(i % 5) - 1.5f;
        inside[c] += (double)g[i] * (y - (double)h.weight[i]) / (2 * HIGH * scale);
    }
    ck_assert_int_eq(nncf_layer_compress_weight_backward(h.w, g, NULL), NNCF_OK);
    for (size_t i = 0; i < h.count; i++)
        ck_assert_float_eq(h.grad[i], g[i]);
    const nncf_parameter p = fx_parameter(h.ctrl, "gpt/0/qkv.pre_ops.weight_quantizer.scale");
    ck_assert_uint_eq(p.count, (size_t)shape[axis]);
    for (size_t c = 0; c < p.count; c++) {
        ck_assert_float_eq(p.data[c], (float)largest[c]);
        ck_assert_msg(fabs((double)p.grad[c] - inside[c]) < 1e-5, "%zu: %g, not %g", c,
            (double)p.grad[c], inside[c]);
    }
    close_model(&h);
}
END_TEST

static void quantize(nncf_layer *layer, float *data, float *out)
{
    const int64_t shape[] = {2, 3, 2};
    nncf_tensor x = {.data = data, .ndim = 3, .shape = shape},
                y = {.data = out, .ndim = 3, .shape = shape};
    ck_assert_int_eq(nncf_layer_quantize_output(layer, &x, &y, NULL), NNCF_OK);
}

static void initialize(host *h, float *q, float *v)
{
    int32_t more;
    float out[12];
    while (nncf_compression_ctrl_init_step(h->ctrl, &more, NULL) == NNCF_OK && more) {
        quantize(h->q, q, out);
        quantize(h->v, v, out);
    }
    ck_assert_int_eq(more, 0);
}

static void fill_values(float *x, float largest)
{
    for (int i = 0; i < 12; i++)
        x[i] = largest * (float)(i - 5) / 6;
}

/* In every dialect and mode: what the config says of the scope, and nothing beside what was
 * added. */
START_TEST(configs_apply_by_scope)
{
    static const char *const heads[] = {"\"nncf_dialect\": \"1.0\"", "\"nncf_dialect\": \"1.3\"",
        "\"nncf_dialect\": \"1.4\"", "\"target_device\": \"CPU\"", "\"target_device\": \"VPU\"",
        "\"target_device\": \"TRIAL\""};
    char text[900], plan_text[2048];
    nncf_plan *plan = NULL;
    host h;
    float x[12], v[12], y[12];
    snprintf(text, sizeof text,
        "{%s, \"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"range\": "
        "{\"type\": \"min_max\", \"num_init_steps\": 1}}, \"scope_overrides\": {%s{\"gpt/0/q\": "
        "{\"bits\": 4, \"mode\": \"asymmetric\"}}%s, \"ignored_scopes\": [\"gpt/0/v\"]}}",
        heads[_i], _i < 2 ? "" : "\"activations\": ", _i < 2 ? "" : "}");
    if (_i < 2) { /* overrides by group came later */
        snprintf(text, sizeof text,
            "{%s, \"compression\": {\"algorithm\": \"quantization\", \"initializer\": {%s}, "
            "\"scope_overrides\": {\"gpt/0/q\": {\"bits\": 4, \"mode\": \"asymmetric\"}}, "
            "\"ignored_scopes\": [\"gpt/0/v\"]}}",
            heads[_i],
            _i == 0 ? "\"type\": \"min_max\", \"num_init_steps\": 1"
                    : "\"range\": {\"type\": \"min_max\", \"num_init_steps\": 1}");
    }
    open_model(&h, shapes[1].shape, 2, 0);
    nncf_config *config = fx_config(h.c.context, text);
    ck_assert_int_eq(nncf_plan_create(h.model, config, &plan, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_TEXT, plan_text, sizeof plan_text, NULL, NULL), NNCF_OK);
    ck_assert_msg(strstr(plan_text, "quantizers of weights 1, of inputs 0, of activations 1;"),
        "%s", plan_text);
    ck_assert_msg(
        strstr(plan_text, "4 asymmetric") && strstr(plan_text, "8 symmetric"), "%s", plan_text);
    nncf_plan_destroy(plan);
    ck_assert_int_eq(nncf_compression_ctrl_create(h.model, config, &h.ctrl, NULL), NNCF_OK);
    nncf_config_destroy(config);
    fill_values(x, 3);
    fill_values(v, 5);
    initialize(&h, x, v);
    const nncf_statistics s = fx_statistics(h.ctrl);
    ck_assert_uint_eq(s.weight_quantizers, 1);
    ck_assert_uint_eq(s.input_quantizers, 0);
    ck_assert_uint_eq(s.activation_quantizers, 1);
    /* 4 bits from -2.5 to 3: zero has a code, and all 16 are a step apart */
    quantize(h.q, x, y);
    const double step = (double)(x[11] - x[0]) / 15, zero = rint(2.5 / step),
                 scale = fmax(2.5 / zero, 3 / (15 - zero));
    for (int i = 0; i < 12; i++)
        ck_assert_msg(fabs((double)y[i] - rint((double)x[i] / scale) * scale) < 1e-5, "%d: %g", i,
            (double)y[i]);
    quantize(h.v, v, y); /* ignored: a copy */
    ck_assert_int_eq(memcmp(v, y, sizeof y), 0);
    ck_assert_msg(h.c.warnings == 0 && h.c.errors == 0, "%s", h.c.complaints);
    close_model(&h);
}
END_TEST

/* One scale each for q and v, one a channel where the config says so. */
START_TEST(quantizers_have_ranges_of_their_own)
{
    host h;
    float x[12], v[12], y[12];
    const nncf_quantizer_params p = {
        NNCF_PARAMS(nncf_quantizer_params), .scope = "gpt/0/k", .channels = 3};
    nncf_layer *k;
    open_model(&h, shapes[1].shape, 2, 0);
    ck_assert_int_eq(nncf_model_add_quantizer(h.model, &p, &k, NULL), NNCF_OK);
    h.ctrl = fx_ctrl(h.model,
        "{\"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"range\": "
        "{\"type\": \"min_max\", \"num_init_steps\": 1}}, \"scope_overrides\": {\"activations\": "
        "{\"gpt/0/k\": {\"per_channel\": true}}}}}");
    fill_values(x, 3);
    fill_values(v, 5);
    int32_t more;
    while (nncf_compression_ctrl_init_step(h.ctrl, &more, NULL) == NNCF_OK && more) {
        quantize(h.q, x, y);
        quantize(h.v, v, y);
        quantize(k, v, y);
    }
    ck_assert_float_eq(fx_parameter(h.ctrl, "gpt/0/q.activation_quantizer.scale").data[0], 3);
    ck_assert_float_eq(fx_parameter(h.ctrl, "gpt/0/v.activation_quantizer.scale").data[0], 5);
    const nncf_parameter of_k = fx_parameter(h.ctrl, "gpt/0/k.activation_quantizer.scale");
    ck_assert_uint_eq(of_k.count, 3);
    for (int c = 0; c < 3; c++) {
        float largest = 0;
        for (int i = 0; i < 12; i++)
            largest = i / 2 % 3 == c ? fmaxf(largest, fabsf(v[i])) : largest;
        ck_assert_float_eq(of_k.data[c], largest);
    }
    close_model(&h);
}
END_TEST

#define TRAINED                                                                                    \
    "{\"compression\": [{\"algorithm\": \"magnitude_sparsity\", \"params\": {\"sparsity_init\": "  \
    "0.5, \"sparsity_target\": 0.5}}, {\"algorithm\": \"quantization\", \"weights\": {\"bits\": "  \
    "4, \"per_channel\": true, \"mode\": \"%s\"}, \"initializer\": {\"range\": {\"type\": "        \
    "\"min_max\", \"num_init_steps\": 1}}}]}"

/* Masks too; a snapshot gives another model the same weight bit for bit, and so does a stripped
 * file. */
START_TEST(files_hold_them)
{
    char text[500], path[FX_TEMPORARY], stripped[FX_TEMPORARY];
    float x[12], v[12], want[MOST], got[MOST], y[12], z[12];
    const int64_t *shape = shapes[_i / 2].shape;
    const int32_t ndim = shapes[_i / 2].ndim, axis = shapes[_i / 2].axis;
    nncf_checkpoint *file = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    size_t zeros = 0;
    host h, other;
    snprintf(text, sizeof text, TRAINED, _i % 2 ? "asymmetric" : "symmetric");
    open_model(&h, shape, ndim, axis);
    h.ctrl = fx_ctrl(h.model, text);
    fill_values(x, 3);
    fill_values(v, 5);
    initialize(&h, x, v);
    ck_assert_int_eq(nncf_model_set_mode(h.model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(h.w, want, NULL), NNCF_OK);
    for (size_t i = 0; i < h.count; i++)
        zeros += want[i] == 0;
    ck_assert_uint_ge(zeros, h.count / 2);
    fx_temporary(path);
    fx_temporary(stripped);
    ck_assert_msg(
        nncf_checkpoint_save(h.ctrl, path, NULL, 0, NULL, &err) == NNCF_OK, "%s", err.message);
    ck_assert_msg(
        nncf_strip_save(h.ctrl, stripped, NULL, NULL, &err) == NNCF_OK, "%s", err.message);

    open_model(&other, shape, ndim, axis);
    other.ctrl = fx_ctrl(other.model, text);
    ck_assert_int_eq(nncf_checkpoint_open(NULL, path, NULL, &file, NULL), NNCF_OK);
    ck_assert_msg(
        nncf_checkpoint_restore(file, other.ctrl, NULL, NULL, &err) == NNCF_OK, "%s", err.message);
    nncf_checkpoint_close(file);
    ck_assert_int_eq(nncf_model_set_mode(other.model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(other.w, got, NULL), NNCF_OK);
    ck_assert_int_eq(memcmp(want, got, h.count * sizeof *got), 0);
    quantize(h.q, v, y);
    quantize(other.q, v, z);
    ck_assert_int_eq(memcmp(y, z, sizeof z), 0);
    close_model(&other);

    open_model(&other, shape, ndim, axis);
    ck_assert_int_eq(nncf_checkpoint_open(NULL, stripped, NULL, &file, NULL), NNCF_OK);
    ck_assert_ptr_nonnull(
        strstr(nncf_checkpoint_get_text(file, "strip.layers"), "\"op\":\"weight\""));
    const nncf_checkpoint_tensor of_weight = {
        "gpt/0/qkv.weight", {.data = other.weight, .ndim = ndim, .shape = shape}};
    ck_assert_msg(
        nncf_checkpoint_load_weights(file, &of_weight, 1, NULL, NULL, NULL, &err) == NNCF_OK, "%s",
        err.message);
    nncf_checkpoint_close(file);
    for (size_t i = 0; i < h.count; i++)
        ck_assert_msg(fabsf(other.weight[i] - want[i]) <= 1e-6f * fabsf(want[i]), "%zu: %g, %g", i,
            (double)other.weight[i], (double)want[i]);
    close_model(&other);
    close_model(&h);
    unlink(path);
    unlink(stripped);
}
END_TEST

/* Beside layers with edges: those are placed as if it were not there. */
START_TEST(a_graph_beside_it_is_placed_as_before)
{
    static const char config[] = "{\"compression\": {\"algorithm\": \"quantization\"}}";
    size_t outputs[2];
    for (int beside = 0; beside < 2; beside++) {
        fx_context c;
        nncf_model *model;
        nncf_layer *q;
        const nncf_quantizer_params p = {NNCF_PARAMS(nncf_quantizer_params), .scope = "q"};
        fx_open(&c, 1, 0);
        ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
        fx_layer a = fx_add_conv(model, "Net/Conv2d[a]", 2, 2, 1, NULL, NULL);
        if (beside)
            ck_assert_int_eq(nncf_model_add_quantizer(model, &p, &q, NULL), NNCF_OK);
        fx_layer b = fx_add_conv(model, "Net/Conv2d[b]", 2, 2, 1, NULL, a.layer);
        nncf_compression_ctrl *ctrl = fx_ctrl(model, config);
        const nncf_statistics s = fx_statistics(ctrl);
        outputs[beside] = s.activation_quantizers;
        ck_assert_uint_eq(s.input_quantizers, 1);
        nncf_compression_ctrl_destroy(ctrl);
        nncf_model_destroy(model);
        fx_layer_free(&a);
        fx_layer_free(&b);
        fx_close(&c);
    }
    ck_assert_uint_eq(outputs[1], outputs[0] + 1);
}
END_TEST

static void refused(nncf_status status, nncf_status wanted, const nncf_error *err, const char *text)
{
    ck_assert_msg(status == wanted, "%d: %s", (int)status, err->message);
    ck_assert_msg(strstr(err->message, text) != NULL, "%s", err->message);
}

START_TEST(wrong_parameters_are_refused)
{
    float w[4] = {0};
    const int64_t shape[] = {2, 2, 1, 1, 1, 1}, empty[] = {2, 0};
    const nncf_weight_params good = {
        NNCF_PARAMS(nncf_weight_params), .scope = "w", .weight = w, .ndim = 2, .shape = shape};
    nncf_weight_params bad[8];
    static const char *const texts[] = {"ndim is 0, it must be in 1..5", "ndim is 6",
        "shape is NULL", "channel_axis is 2, it must be in 0..1", "channel_axis is -1",
        "weight is NULL", "a size of shape is 0", "scope"};
    nncf_model *model;
    nncf_layer *layer = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    for (int i = 0; i < 8; i++)
        bad[i] = good;
    bad[0].ndim = 0;
    bad[1].ndim = 6;
    bad[2].shape = NULL;
    bad[3].channel_axis = 2;
    bad[4].channel_axis = -1;
    bad[5].weight = NULL;
    bad[6].shape = empty;
    bad[7].scope = NULL;
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    for (int i = 0; i < 8; i++)
        refused(nncf_model_add_weight(model, &bad[i], &layer, &err), NNCF_E_ARG, &err, texts[i]);
    const nncf_quantizer_params negative = {
        NNCF_PARAMS(nncf_quantizer_params), .scope = "q", .channels = -1};
    refused(nncf_model_add_quantizer(model, &negative, &layer, &err), NNCF_E_ARG, &err,
        "channels is -1");
    const nncf_op_params ops[] = {{NNCF_PARAMS(nncf_op_params), .scope = "w", .op = NNCF_OP_WEIGHT},
        {NNCF_PARAMS(nncf_op_params), .scope = "q", .op = NNCF_OP_QUANTIZER}};
    refused(nncf_model_add_op(model, &ops[0], &layer, &err), NNCF_E_ARG, &err,
        "nncf_model_add_weight()");
    refused(nncf_model_add_op(model, &ops[1], &layer, &err), NNCF_E_ARG, &err,
        "nncf_model_add_quantizer()");
    ck_assert_ptr_null(layer);
    ck_assert_uint_eq(nncf_model_get_layer_count(model), 0);
    nncf_model_destroy(model);
}
END_TEST

START_TEST(calls_of_other_layers_are_refused)
{
    host h;
    float x[12] = {0}, y[12];
    const int64_t shape[] = {2, 6};
    nncf_tensor tx = {.data = x, .ndim = 2, .shape = shape},
                ty = {.data = y, .ndim = 2, .shape = shape};
    nncf_error err = NNCF_ERROR_INIT;
    open_model(&h, shapes[1].shape, 2, 0);
    h.ctrl = fx_ctrl(h.model, WEIGHTS_ONLY);
    ck_assert_int_eq(nncf_layer_get_op(h.w), NNCF_OP_WEIGHT);
    ck_assert_int_eq(nncf_layer_get_op(h.q), NNCF_OP_QUANTIZER);
    refused(nncf_layer_quantize_output(h.w, &tx, &ty, &err), NNCF_E_ARG, &err,
        "gpt/0/qkv: this is a weight alone");
    refused(nncf_layer_quantize_input(h.q, &tx, &ty, &err), NNCF_E_ARG, &err,
        "gpt/0/q: this is a quantizer alone");
    refused(nncf_layer_quantize_input_backward(h.q, &tx, &ty, &ty, &err), NNCF_E_ARG, &err,
        "gpt/0/q: this is a quantizer alone");
    refused(nncf_layer_compress_weight(h.q, x, &err), NNCF_E_ARG, &err, "has no weight");
    refused(nncf_layer_forward(h.q, &tx, 1, &ty, &err), NNCF_E_UNSUPPORTED, &err,
        "call nncf_layer_quantize_output()");
    refused(nncf_layer_forward(h.w, &tx, 1, &ty, &err), NNCF_E_UNSUPPORTED, &err,
        "call nncf_layer_compress_weight()");
    close_model(&h);
}
END_TEST

START_TEST(a_quantizer_per_channel_needs_their_number)
{
    host h;
    nncf_error err = NNCF_ERROR_INIT;
    open_model(&h, shapes[1].shape, 2, 0);
    nncf_config *config = fx_config(h.c.context,
        "{\"compression\": {\"algorithm\": \"quantization\", \"activations\": {\"per_channel\": "
        "true}}}");
    refused(nncf_compression_ctrl_create(h.model, config, &h.ctrl, &err), NNCF_E_UNSUPPORTED, &err,
        "set nncf_quantizer_params.channels, or override per_channel");
    ck_assert_str_eq(err.where, "gpt/0/q");
    nncf_config_destroy(config);
    close_model(&h);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("by_hand");
    TCase *tcase = fx_case(suite, "by_hand", 60);
    const int n = (int)(sizeof shapes / sizeof *shapes);
    tcase_add_loop_test(tcase, weights_of_any_shape_are_quantized_along_their_axis, 0, n);
    tcase_add_loop_test(tcase, configs_apply_by_scope, 0, 6);
    tcase_add_test(tcase, quantizers_have_ranges_of_their_own);
    tcase_add_loop_test(tcase, files_hold_them, 0, 2 * n);
    tcase_add_test(tcase, a_graph_beside_it_is_placed_as_before);
    tcase_add_test(tcase, wrong_parameters_are_refused);
    tcase_add_test(tcase, calls_of_other_layers_are_refused);
    tcase_add_test(tcase, a_quantizer_per_channel_needs_their_number);
    return fx_main(suite);
}
