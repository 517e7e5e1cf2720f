/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The deployable model, decoded here from docs/snapshots.md alone: what comes out is what forward
 * in eval mode multiplies with, bit for bit; folded, the layer computes the same.
 */
#include "support/files.h"
#include "support/fixture.h"
#include "support/oracle.h"

#include <nncf/strip.h>

#include <stdio.h>
#include <unistd.h>

enum { IN = 3, OUT = 6 };
static const int64_t input_shape[4] = {2, IN, 7, 7};

typedef struct rig {
    nncf_context *context;
    nncf_model *model;
    fx_block conv, linear;
    nncf_compression_ctrl *ctrl;
    char path[FX_TEMPORARY];
} rig;

static rig r;

#define WEIGHTS(bits, mode, per_channel)                                                           \
    "{\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 1, \"type\": "        \
    "\"min_max\"}, \"weights\": "                                                                  \
    "{\"bits\": " #bits ", \"mode\": \"" mode "\", \"per_channel\": " per_channel                  \
    "}, \"activations\": {\"mode\": \"" mode "\"}}"

static const char *const configs[] = {
    "{}",
    FX_CONFIG(FX_RB),
    FX_CONFIG(FX_MAGNITUDE),
    FX_CONFIG(FX_RB ", " FX_INT8),
    FX_CONFIG(WEIGHTS(8, "symmetric", "true")),
    FX_CONFIG(WEIGHTS(8, "asymmetric", "false")),
    FX_CONFIG(FX_MAGNITUDE ", " WEIGHTS(8, "asymmetric", "true")),
    FX_CONFIG(FX_MAGNITUDE ", " WEIGHTS(4, "symmetric", "true")),
    FX_CONFIG(WEIGHTS(4, "asymmetric", "true")),
    FX_CONFIG(WEIGHTS(2, "symmetric", "false")),
    FX_CONFIG(WEIGHTS(5, "symmetric", "true")),
};
enum { N_CONFIGS = sizeof configs / sizeof *configs };

static void forward(float *y)
{
    float x[2 * IN * 49];
    uint64_t state = 9;
    fx_tensor tx, ty;
    int64_t out[4];
    fx_fill(x, sizeof x / sizeof *x, 1, &state);
    fx_output_shape(&r.conv, input_shape, out);
    nncf_tensor *vx = fx_view(&tx, x, 4, input_shape);
    nncf_tensor *vy = fx_view(&ty, y, 4, out);
    ck_assert_int_eq(nncf_layer_forward(r.conv.layer, vx, 1, vy, NULL), NNCF_OK);
    float z[2 * 4];
    int64_t rows[4] = {2, 4, 1, 1}, flat[4] = {2, out[1] * out[2] * out[3], 1, 1};
    const nncf_tensor *vf = fx_view(&tx, y, 2, flat);
    nncf_tensor *vz = fx_view(&ty, z, 2, rows);
    ck_assert_int_eq(nncf_layer_forward(r.linear.layer, vf, 1, vz, NULL), NNCF_OK);
}

static void begin(const char *config)
{
    uint64_t state = 4;
    int32_t more = 0;
    float y[2 * OUT * 49];
    r = (rig){
        .conv = {.scope = "Net/Conv2d[a]",
            .in_channels = IN,
            .out_channels = OUT,
            .kernel = {3, 3},
            .padding = {1, 1},
            .batch_norm = true,
            .bias = true,
            .activation = NNCF_ACTIVATION_RELU},
        .linear = {.scope = "Net/Linear[b]",
            .in_channels = OUT * 49,
            .out_channels = 4,
            .linear = true},
    };
    fx_temporary(r.path);
    r.context = fx_new_context(NULL, 1, 0, 3);
    ck_assert_int_eq(nncf_model_create(r.context, &r.model, NULL), NNCF_OK);
    fx_register(r.model, &r.conv, NULL, &state);
    fx_register(r.model, &r.linear, r.conv.layer, &state);
    r.conv.gamma[1] = -0.7f; /* so that a folded scale is negative */
    r.ctrl = fx_ctrl(r.model, config);
    while (nncf_compression_ctrl_init_step(r.ctrl, &more, NULL) == NNCF_OK && more)
        forward(y);
    /* logits on both sides of the threshold, ranges that are not the first ones */
    nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
    for (size_t i = 0; nncf_compression_ctrl_get_parameter(r.ctrl, i, &p, NULL) == NNCF_OK; i++) {
        if (p.kind == NNCF_PARAMETER_MASK_LOGIT)
            fx_fill(p.data, p.count, 2, &state);
        else if (p.kind == NNCF_PARAMETER_SCALE)
            for (size_t j = 0; j < p.count; j++)
                p.data[j] *= 0.9f;
    }
}

static void end(void)
{
    unlink(r.path);
    nncf_compression_ctrl_destroy(r.ctrl);
    nncf_model_destroy(r.model);
    nncf_context_destroy(r.context);
    fx_release(&r.conv);
    fx_release(&r.linear);
}

/* ---- the decoder ---- */

static bool find(const nncf_checkpoint *c, const fx_block *k, const char *what, nncf_tensor *t)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", k->scope, what);
    return nncf_checkpoint_get_tensor(c, name, t, NULL) == NNCF_OK;
}

/* A number that strip.layers gives for a layer, found by plain search. */
static int number_of(const nncf_checkpoint *c, const fx_block *k, const char *key)
{
    char text[160];
    snprintf(text, sizeof text, "\"scope\":\"%s\"", k->scope);
    const char *at = strstr(nncf_checkpoint_get_text(c, "strip.layers"), text);
    ck_assert_ptr_nonnull(at);
    snprintf(text, sizeof text, "\"%s\":", key);
    at = strstr(at, text);
    ck_assert_ptr_nonnull(at);
    return atoi(at + strlen(text));
}

static void decode(const nncf_checkpoint *c, const fx_block *k, float *to)
{
    nncf_tensor weight, scale = {0}, zero, mask;
    ck_assert(find(c, k, "weight", &weight));
    const bool quantized = find(c, k, "weight_scale", &scale),
               has_zero = find(c, k, "weight_zero_point", &zero);
    const bool sparse = find(c, k, "weight_mask", &mask);
    const int bits = number_of(c, k, "weight_bits");
    const uint8_t *raw = weight.data;
    size_t at = 0;
    for (size_t i = 0; i < k->weights; i++) {
        to[i] = 0;
        if (sparse && !(((const uint8_t *)mask.data)[i / 8] >> i % 8 & 1))
            continue;
        size_t e = at++;
        if (!quantized) {
            to[i] = ((const float *)weight.data)[e];
            continue;
        }
        int code = bits > 4 ? raw[e] : raw[e / 2] >> (e % 2 ? 4 : 0) & 15,
            half = bits > 4 ? 128 : 8;
        if (!has_zero && code >= half)
            code -= 2 * half;
        size_t ch = scale.shape[0] > 1 ? i / (k->weights / (size_t)k->out_channels) : 0;
        if (has_zero)
            code -= ((const int32_t *)zero.data)[ch];
        to[i] = (float)code * ((const float *)scale.data)[ch];
    }
}

static nncf_checkpoint *strip(const nncf_strip_params *p, nncf_strip_report *report)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    ck_assert_msg(nncf_strip_save(r.ctrl, r.path, p, report, &err) == NNCF_OK, "%s", err.message);
    ck_assert_msg(nncf_checkpoint_open(NULL, r.path, NULL, &c, &err) == NNCF_OK, "%s", err.message);
    ck_assert_str_eq(nncf_checkpoint_get_text(c, "strip.format"), "1");
    return c;
}

/* Bit for bit but for the sign of zeros, which a code does not have. */
static void expect_same(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(
            a[i] == b[i], "weight %zu is %.9g, should be %.9g", i, (double)a[i], (double)b[i]);
}

START_TEST(decoded_weights_are_those_of_eval)
{
    nncf_strip_report report = {NNCF_PARAMS(nncf_strip_report)};
    begin(configs[_i]);
    for (int sparse = 0; sparse < 2; sparse++) {
        const nncf_strip_params p = {NNCF_PARAMS(nncf_strip_params), .sparse = sparse};
        nncf_checkpoint *c = strip(&p, &report);
        size_t zeros = 0, weights = 0;
        const fx_block *blocks[] = {&r.conv, &r.linear};
        ck_assert_int_eq(nncf_model_get_mode(r.model), NNCF_MODE_TRAIN);
        for (int b = 0; b < 2; b++) {
            const fx_block *k = blocks[b];
            float *got = fx_alloc(k->weights, sizeof *got),
                  *want = fx_alloc(k->weights, sizeof *want);
            decode(c, k, got);
            nncf_model_set_mode(r.model, NNCF_MODE_EVAL, NULL);
            ck_assert_int_eq(nncf_layer_compress_weight(k->layer, want, NULL), NNCF_OK);
            nncf_model_set_mode(r.model, NNCF_MODE_TRAIN, NULL);
            expect_same(got, want, k->weights);
            for (size_t i = 0; i < k->weights; i++)
                zeros += want[i] == 0;
            weights += k->weights;
            free(got);
            free(want);
        }
        ck_assert_int_eq(report.weights, (int64_t)weights);
        ck_assert_int_eq(report.zeros, (int64_t)zeros);
        nncf_tensor t;
        ck_assert(find(c, &r.conv, "batch_norm.running_var", &t) && find(c, &r.conv, "bias", &t));
        ck_assert_mem_eq(t.data, r.conv.b, OUT * sizeof(float));
        nncf_checkpoint_close(c);
    }
    end();
}
END_TEST

/* The folded layer: act(x * decoded + bias), computed in double, against forward in eval mode. */
START_TEST(a_folded_layer_computes_the_same)
{
    float y[2 * OUT * 49], x[2 * IN * 49];
    uint64_t state = 9;
    nncf_tensor bias, t;
    const nncf_strip_params p = {NNCF_PARAMS(nncf_strip_params), .fold_batch_norm = 1, .sparse = 1};
    begin(configs[_i]);
    nncf_model_set_mode(r.model, NNCF_MODE_EVAL, NULL);
    forward(y);
    nncf_checkpoint *c = strip(&p, NULL);
    float *w = fx_alloc(r.conv.weights, sizeof *w);
    decode(c, &r.conv, w);
    ck_assert(find(c, &r.conv, "bias", &bias));
    ck_assert(!find(c, &r.conv, "batch_norm.weight", &t));
    fx_fill(x, sizeof x / sizeof *x, 1, &state);
    const bool input = find(c, &r.conv, "input_scale", &t);
    ck_assert(input == find(c, &r.conv, "output_scale", &t)); /* as quantized or not at all */
    nncf_tensor codes;
    for (size_t i = 0; input && i < sizeof x / sizeof *x; i++) {
        ck_assert(find(c, &r.conv, "input_scale", &t));
        const double step = (double)*(const float *)t.data;
        ck_assert(
            find(c, &r.conv, "input_zero_point", &t) && find(c, &r.conv, "input_codes", &codes));
        const double zero = *(const int32_t *)t.data;
        const int32_t *range = codes.data;
        x[i] = (float)((fmin(fmax(rint((double)(x[i] / (float)step)) + zero, range[0]), range[1]) -
                           zero) *
            step);
    }
    fx_oracle o = fx_oracle_make(&r.conv, input_shape, x);
    for (size_t i = 0; i < r.conv.weights; i++)
        o.w[i] = (double)w[i];
    fx_conv(&r.conv, o.in, o.out, o.x, o.w, bias.data, o.z, NULL, NULL, NULL);
    double step = 0, highest = INFINITY;
    if (input) {
        ck_assert(find(c, &r.conv, "output_scale", &t));
        step = (double)*(const float *)t.data;
        ck_assert(
            find(c, &r.conv, "output_zero_point", &t) && find(c, &r.conv, "output_codes", &codes));
        highest = (((const int32_t *)codes.data)[1] - *(const int32_t *)t.data) * step;
    }
    for (size_t i = 0; i < fx_count(o.out); i++) { /* an output quantizer rounds, a tie by a step */
        double want = fmin(fx_activate(NNCF_ACTIVATION_RELU, o.z[i]), highest);
        double slack = 0.51 * step + 1e-5 * (1 + fabs(want));
        ck_assert_msg(fabs(want - (double)y[i]) <= slack, "output %zu is %.9g, should be %.9g", i,
            want, (double)y[i]);
    }
    fx_oracle_free(&o);
    free(w);
    nncf_checkpoint_close(c);
    end();
}
END_TEST

START_TEST(a_stripped_model_is_as_small_as_reported)
{
    nncf_strip_report dense = {NNCF_PARAMS(nncf_strip_report)}, sparse = dense, packed = dense;
    const nncf_strip_params p = {NNCF_PARAMS(nncf_strip_params), .sparse = 1};
    begin(FX_CONFIG(FX_RB ", " FX_INT8));
    nncf_parameter logits = fx_parameter(r.ctrl, "Net/Linear[b].pre_ops.mask");
    for (size_t i = 0; i < logits.count; i++)
        logits.data[i] = i % 10 == 0 ? 1.0f : -1.0f;
    nncf_checkpoint_close(strip(NULL, &dense));
    nncf_checkpoint_close(strip(&p, &sparse));
    const uint64_t conv = OUT * IN * 9, linear = 4 * OUT * 49;
    ck_assert_uint_eq((uint64_t)dense.weights, conv + linear);
    ck_assert_uint_eq(dense.bytes_float, 4 * (conv + linear + 5 * OUT));
    ck_assert_uint_eq(dense.bytes_weights, conv + linear + 2 * 4); /* codes and two scales */
    /* of the linear weight a tenth is left, and a bit for each */
    ck_assert_uint_le(sparse.bytes_weights, conv + 8 + (linear + 7) / 8 + (linear + 9) / 10);
    ck_assert_uint_lt(sparse.bytes_file, dense.bytes_file);
    ck_assert_int_eq(sparse.zeros, dense.zeros);
    end();
    begin(FX_CONFIG(WEIGHTS(4, "symmetric", "false")));
    nncf_checkpoint_close(strip(NULL, &packed));
    ck_assert_uint_eq(packed.bytes_weights, (conv + linear) / 2 + 2 * 4);
    end();
}
END_TEST

START_TEST(strip_refuses_what_it_cannot_write)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_strip_params p = {NNCF_PARAMS(nncf_strip_params), .sparse = 2};
    nncf_strip_report report = {NNCF_PARAMS(nncf_strip_report), .weights = -5};
    begin(FX_CONFIG(FX_RB ", " FX_INT8));
    ck_assert_int_eq(nncf_strip_save(NULL, r.path, NULL, NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_strip_save(r.ctrl, NULL, NULL, NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_strip_save(r.ctrl, r.path, &p, NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_strip_save(r.ctrl, "/no/such/folder/x", NULL, &report, &err), NNCF_E_IO);
    ck_assert_int_eq(report.weights, -5);
    r.conv.w[3] = NAN;
    fx_parameter(r.ctrl, "Net/Conv2d[a].pre_ops.mask").data[3] = 5;
    ck_assert_int_eq(nncf_strip_save(r.ctrl, r.path, NULL, NULL, &err), NNCF_E_UNSUPPORTED);
    ck_assert_str_eq(err.where, "Net/Conv2d[a]");
    end();
}
END_TEST

/* Numbers that a broken training leaves behind, with weights that mask to 0: all of them refused,
 * nothing written. */
START_TEST(weights_that_are_not_finite_are_refused)
{
    const struct {
        const char *config, *parameter;
        float value, gamma, var;
        bool fold;
    } cases[] = {
        {FX_CONFIG(FX_MAGNITUDE), NULL, 0, INFINITY, 1,
            true}, /* 0 * inf is not 0: more elements than were counted */
        {FX_CONFIG(FX_MAGNITUDE), NULL, 0, 1, NAN, true},
        {FX_CONFIG(FX_INT8), NULL, 0, INFINITY, 1, true},
        {FX_CONFIG(WEIGHTS(8, "asymmetric", "false")), "Net/Conv2d[a].input_quantizer.input_low",
            NAN, 1, 1, false},
        {FX_CONFIG(WEIGHTS(8, "asymmetric", "false")), "Net/Conv2d[a].input_quantizer.input_low",
            -INFINITY, 1, 1, false},
        {FX_CONFIG(WEIGHTS(8, "symmetric", "false")), "Net/Conv2d[a].input_quantizer.scale",
            INFINITY, 1, 1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nncf_error err = NNCF_ERROR_INIT;
        const nncf_strip_params p = {
            NNCF_PARAMS(nncf_strip_params), .fold_batch_norm = cases[i].fold, .sparse = 1};
        begin(cases[i].config);
        unlink(r.path);
        r.conv.gamma[0] = cases[i].gamma;
        r.conv.var[0] = cases[i].var;
        if (cases[i].parameter)
            fx_parameter(r.ctrl, cases[i].parameter).data[0] = cases[i].value;
        ck_assert_int_eq(nncf_strip_save(r.ctrl, r.path, &p, NULL, &err), NNCF_E_UNSUPPORTED);
        ck_assert_str_eq(err.where, "Net/Conv2d[a]");
        ck_assert_msg(strstr(err.message, "not finite") != NULL, "%zu: %s", i, err.message);
        ck_assert_int_ne(access(r.path, F_OK), 0);
        end();
    }
}
END_TEST

/* The same without folding: each array of the layer by itself, and what folding alone makes
 * infinite. */
START_TEST(broken_numbers_of_the_host_are_refused)
{
    enum { WEIGHT, BIAS, GAMMA, BETA, MEAN, VAR, RANGE };
    static const struct {
        int array;
        float value;
        bool fold;
        const char *word;
    } cases[] = {{WEIGHT, NAN, false, "weight[0] is"},
        {WEIGHT, -INFINITY, false, "weight[0] is"}, /* which a quantizer clamps to a code */
        {BIAS, NAN, false, "bias[0] is"}, {GAMMA, NAN, false, "batch_norm.weight[0] is"},
        {BETA, INFINITY, false, "batch_norm.bias[0] is"},
        {MEAN, NAN, false, "batch_norm.running_mean[0] is"},
        {VAR, INFINITY, false, "batch_norm.running_var[0] is"},
        {VAR, -1, false, "batch_norm.running_var[0] is -1"},
        {VAR, -1, true, "batch_norm.running_var[0] is -1"},
        {VAR, -1e-5f, false, "batch_norm.running_var[0] is -1e-05"}, /* eps: the root is of 0 */
        {GAMMA, 3e38f, true, "not finite"}, {RANGE, 3e38f, true, "not finite"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nncf_error err = NNCF_ERROR_INIT;
        const nncf_strip_params p = {
            NNCF_PARAMS(nncf_strip_params), .fold_batch_norm = cases[i].fold};
        begin(FX_CONFIG(FX_INT8));
        unlink(r.path);
        r.conv.var[0] = 0.01f;
        r.conv.mean[0] = 0;
        if (cases[i].array == RANGE) {
            fx_parameter(r.ctrl, "Net/Conv2d[a].pre_ops.weight_quantizer.scale").data[0] =
                cases[i].value;
            r.conv.gamma[0] = 1e10f;
        } else {
            float *const arrays[] = {
                r.conv.w, r.conv.b, r.conv.gamma, r.conv.beta, r.conv.mean, r.conv.var};
            arrays[cases[i].array][0] = cases[i].value;
        }
        ck_assert_int_eq(nncf_strip_save(r.ctrl, r.path, &p, NULL, &err), NNCF_E_UNSUPPORTED);
        ck_assert_str_eq(err.where, "Net/Conv2d[a]");
        ck_assert_msg(strstr(err.message, cases[i].word) != NULL, "%zu: %s", i, err.message);
        ck_assert_int_ne(access(r.path, F_OK), 0);
        end();
    }
}
END_TEST

/* A factor would make its scale something else: batch norm is stored. */
START_TEST(scales_that_are_powers_of_two_are_not_folded)
{
    const nncf_strip_params p = {NNCF_PARAMS(nncf_strip_params), .fold_batch_norm = 1};
    nncf_tensor scale, t;
    begin(FX_CONFIG("{\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 1}, "
                    "\"weights\": {\"per_channel\": true, \"power_of_two\": true}, "
                    "\"activations\": {\"power_of_two\": true}}"));
    nncf_checkpoint *c = strip(&p, NULL);
    ck_assert(find(c, &r.conv, "batch_norm.weight", &t));
    const char *const names[] = {"weight_scale", "input_scale", "output_scale"};
    for (size_t i = 0; i < 3; i++) {
        ck_assert(find(c, &r.conv, names[i], &scale));
        for (int64_t j = 0; j < (i == 0 ? OUT : 1); j++) {
            int exponent;
            ck_assert_float_eq(frexpf(((const float *)scale.data)[j], &exponent), 0.5f);
        }
    }
    nncf_checkpoint_close(c);
    end();
}
END_TEST

/* A gamma of 0 folds weights to 0: the mask of a sparse weight counts what is stored, the report
 * what was masked. */
START_TEST(a_gamma_of_zero_folds_to_zero)
{
    const nncf_strip_params p = {NNCF_PARAMS(nncf_strip_params), .fold_batch_norm = 1, .sparse = 1};
    nncf_strip_report report = {NNCF_PARAMS(nncf_strip_report)};
    nncf_tensor mask, weight;
    begin(FX_CONFIG(FX_MAGNITUDE));
    for (int64_t i = 0; i < OUT - 1; i++)
        r.conv.gamma[i] = 0;
    nncf_checkpoint *c = strip(&p, &report);
    ck_assert(find(c, &r.conv, "weight_mask", &mask) && find(c, &r.conv, "weight", &weight));
    int64_t set = 0;
    for (int64_t i = 0; i < 8 * mask.shape[0]; i++)
        set += ((const uint8_t *)mask.data)[i / 8] >> i % 8 & 1;
    ck_assert_int_eq(weight.shape[0], set);
    nncf_strip_report plain = {NNCF_PARAMS(nncf_strip_report)};
    nncf_checkpoint_close(c);
    nncf_checkpoint_close(strip(NULL, &plain));
    ck_assert_int_eq(report.zeros, plain.zeros);
    end();
}
END_TEST

START_TEST(no_memory_leaves_the_file)
{
    fx_memory memory = {0};
    nncf_error err = NNCF_ERROR_INIT;
    uint64_t state = 4;
    nncf_model *model;
    fx_block k = {.scope = "net/conv", .in_channels = 2, .out_channels = 3, .batch_norm = true};
    char path[FX_TEMPORARY];
    const nncf_strip_params p = {NNCF_PARAMS(nncf_strip_params), .fold_batch_norm = 1, .sparse = 1};
    nncf_context *context = fx_new_context(&memory, 1, 0, 0);
    int failures = 0;
    fx_temporary(path);
    ck_assert_int_eq(nncf_model_create(context, &model, NULL), NNCF_OK);
    fx_register(model, &k, NULL, &state);
    nncf_compression_ctrl *ctrl = fx_ctrl(model, FX_CONFIG(FX_MAGNITUDE));
    for (;; failures++) {
        size_t live = memory.live;
        memory.fail_at = memory.calls + 1 + (size_t)failures;
        nncf_status status = nncf_strip_save(ctrl, path, &p, NULL, &err);
        memory.fail_at = 0;
        ck_assert_uint_eq(memory.live, live);
        if (status == NNCF_OK)
            break;
        ck_assert_int_eq(status, NNCF_E_NOMEM);
    }
    ck_assert_int_ge(failures, 10);
    unlink(path);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    nncf_context_destroy(context);
    fx_release(&k);
    ck_assert_uint_eq(memory.live, 0);
}
END_TEST

/* What operators of the host read beside their inputs is in the file, too. */
START_TEST(constants_of_the_host_are_stored)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_model *model;
    nncf_layer *layer;
    nncf_checkpoint *c;
    char path[FX_TEMPORARY];
    const float numbers[6] = {0.5f, -1.25f, 2, 3.5f, -4, 5};
    const int64_t two[1] = {2}, table[2] = {2, 3}, all[6] = {1, 1, 1, 1, 3, 2};
    const nncf_tensor pair[2] = {{.data = (void *)(uintptr_t)numbers, .ndim = 1, .shape = two},
        {.data = (void *)(uintptr_t)(numbers + 2), .ndim = 1, .shape = two}},
                      places = {.data = (void *)(uintptr_t)numbers, .ndim = 2, .shape = table},
                      deep = {.data = (void *)(uintptr_t)numbers, .ndim = 6, .shape = all},
                      beta[2] = {{0}, pair[1]};
    const struct {
        const char *scope;
        int32_t op;
        const nncf_tensor *constants;
        size_t n;
    } ops[] = {{"norm", NNCF_OP_LAYER_NORM, pair, 2}, {"shift", NNCF_OP_GROUP_NORM, beta, 2},
        {"prelu", NNCF_OP_PRELU, pair, 1}, {"places", NNCF_OP_ADD, &places, 1},
        {"deep", NNCF_OP_DIV, &deep, 1}};
    const struct {
        const char *name;
        const float *values;
        int32_t ndim;
        int64_t shape[2];
    } stored[] = {{"norm.norm.weight", numbers, 1, {2}}, {"norm.norm.bias", numbers + 2, 1, {2}},
        {"shift.norm.bias", numbers + 2, 1, {2}}, {"prelu.slope", numbers, 1, {2}},
        {"places.constant", numbers, 2, {2, 3}}, {"deep.constant", numbers, 1, {6}}};
    enum { OPS = sizeof ops / sizeof *ops, STORED = sizeof stored / sizeof *stored };
    fx_temporary(path);
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    for (int i = 0; i < OPS; i++) {
        const nncf_op_params p = {NNCF_PARAMS(nncf_op_params), .scope = ops[i].scope,
            .op = ops[i].op, .constants = ops[i].constants, .n_constants = ops[i].n};
        ck_assert_int_eq(nncf_model_add_op(model, &p, &layer, NULL), NNCF_OK);
    }
    nncf_compression_ctrl *ctrl = fx_ctrl(model, "{}");
    ck_assert_int_eq(nncf_strip_save(ctrl, path, NULL, NULL, &err), NNCF_OK);
    ck_assert_int_eq(nncf_checkpoint_open(NULL, path, NULL, &c, &err), NNCF_OK);
    ck_assert_uint_eq(nncf_checkpoint_get_tensor_count(c), STORED);
    for (int i = 0; i < STORED; i++) {
        nncf_tensor t;
        size_t count = 1;
        ck_assert_int_eq(nncf_checkpoint_get_tensor(c, stored[i].name, &t, &err), NNCF_OK);
        ck_assert_int_eq(t.ndim, stored[i].ndim);
        for (int32_t d = 0; d < t.ndim; d++) {
            ck_assert_int_eq(t.shape[d], stored[i].shape[d]);
            count *= (size_t)t.shape[d];
        }
        ck_assert_mem_eq(t.data, stored[i].values, count * sizeof(float));
    }
    nncf_checkpoint_close(c);
    unlink(path);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
}
END_TEST

/* Of layer norm, and of a prelu that the host runs. */
START_TEST(constants_that_are_not_finite_are_refused)
{
    static const char *const words[3] = {"norm.weight[1]", "norm.bias[1]", "constants[0][1]"};
    for (int i = 0; i < 3; i++) {
        nncf_error err = NNCF_ERROR_INIT;
        nncf_model *model;
        nncf_layer *layer;
        char path[FX_TEMPORARY];
        const int64_t two[1] = {2};
        float numbers[3][2] = {{1, 1}, {0, 0}, {0.1f, 0.2f}};
        const nncf_tensor slopes = {.data = numbers[2], .ndim = 1, .shape = two};
        const nncf_layer_norm_params norm = {NNCF_PARAMS(nncf_layer_norm_params), .scope = "norm",
            .size = 2, .weight = numbers[0], .bias = numbers[1]};
        const nncf_op_params prelu = {NNCF_PARAMS(nncf_op_params), .scope = "prelu",
            .op = NNCF_OP_PRELU, .constants = &slopes, .n_constants = 1};
        fx_temporary(path);
        ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_model_add_layer_norm(model, &norm, &layer, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_model_add_op(model, &prelu, &layer, NULL), NNCF_OK);
        nncf_compression_ctrl *ctrl = fx_ctrl(model, "{}");
        ck_assert_int_eq(nncf_strip_save(ctrl, path, NULL, NULL, &err), NNCF_OK);
        unlink(path);
        numbers[i][1] = i == 1 ? INFINITY : NAN;
        ck_assert_int_eq(nncf_strip_save(ctrl, path, NULL, NULL, &err), NNCF_E_UNSUPPORTED);
        ck_assert_str_eq(err.where, i < 2 ? "norm" : "prelu");
        ck_assert_msg(strstr(err.message, words[i]) != NULL, "%s", err.message);
        ck_assert_int_ne(access(path, F_OK), 0);
        nncf_compression_ctrl_destroy(ctrl);
        nncf_model_destroy(model);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("strip");
    TCase *tc = fx_case(suite, "strip", 120);
    tcase_add_loop_test(tc, decoded_weights_are_those_of_eval, 0, N_CONFIGS);
    tcase_add_loop_test(tc, a_folded_layer_computes_the_same, 0, N_CONFIGS);
    tcase_add_test(tc, a_stripped_model_is_as_small_as_reported);
    tcase_add_test(tc, strip_refuses_what_it_cannot_write);
    tcase_add_test(tc, weights_that_are_not_finite_are_refused);
    tcase_add_test(tc, broken_numbers_of_the_host_are_refused);
    tcase_add_test(tc, constants_of_the_host_are_stored);
    tcase_add_test(tc, constants_that_are_not_finite_are_refused);
    tcase_add_test(tc, a_gamma_of_zero_folds_to_zero);
    tcase_add_test(tc, scales_that_are_powers_of_two_are_not_folded);
    tcase_add_test(tc, no_memory_leaves_the_file);
    return fx_main(suite);
}
