/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights quantized in groups (`group_size`): every group of consecutive inputs of an output
 * channel has a range of its own. Compared with plain loops in double.
 */
#include "support/files.h"
#include "support/fixture.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST = 8 * 36, N = 5 };

/* A linear layer of 32 inputs, or a 3x3 convolution of 4 channels (36 inputs an output). */
static const struct form {
    bool conv;
    int out, inputs, group, bits;
    bool asymmetric;
} forms[] = {{false, 6, 32, 8, 4, false}, {false, 6, 32, 32, 4, false}, {false, 6, 32, 4, 8, false},
    {false, 3, 32, 2, 2, false}, {false, 6, 32, 8, 4, true}, {false, 5, 32, 16, 8, true},
    {true, 8, 36, 12, 4, false}, {true, 8, 36, 36, 3, false}, {true, 8, 36, 3, 8, true},
    {false, 1, 32, 32, 4, false}};
enum { FORMS = sizeof forms / sizeof *forms };

typedef struct rig {
    fx_context c;
    nncf_model *model;
    nncf_layer *layer;
    nncf_compression_ctrl *ctrl;
    float w[MOST], dw[MOST];
    float gamma[8], beta[8], dgamma[8], dbeta[8], mean[8], var[8];
    size_t count;
} rig;

static void open_rig(rig *r, const struct form *f, const char *config, int32_t threads, bool norm)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_batch_norm_params bn = {NNCF_PARAMS(nncf_batch_norm_params), .weight = r->gamma,
        .bias = r->beta, .weight_grad = r->dgamma, .bias_grad = r->dbeta, .running_mean = r->mean,
        .running_var = r->var, .eps = 1e-5f};
    const nncf_linear_params linear = {NNCF_PARAMS(nncf_linear_params), .scope = "Net/Linear[l]",
        .weight = r->w, .weight_grad = r->dw, .in_features = f->inputs, .out_features = f->out,
        .batch_norm = norm ? &bn : NULL};
    const nncf_conv2d_params conv = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[l]",
        .weight = r->w, .weight_grad = r->dw, .in_channels = f->inputs / 9, .out_channels = f->out,
        .kernel = {3, 3}, .batch_norm = norm ? &bn : NULL};
    memset(r, 0, sizeof *r);
    r->count = (size_t)(f->out * f->inputs);
    fx_fill_from(r->w, r->count, 5);
    for (size_t i = 0; i < r->count; i++) /* groups of very different sizes */
        r->w[i] *= 1 + 9 * (float)(i / (size_t)f->group % 3);
    for (int i = 0; i < 8; i++) {
        r->gamma[i] = 0.5f + 0.25f * (float)i;
        r->mean[i] = 0.1f * (float)i;
        r->var[i] = 1 + (float)i;
    }
    fx_open(&r->c, threads, 3);
    ck_assert_int_eq(nncf_model_create(r->c.context, &r->model, NULL), NNCF_OK);
    ck_assert_msg((f->conv ? nncf_model_add_conv2d(r->model, &conv, &r->layer, &err)
                           : nncf_model_add_linear(r->model, &linear, &r->layer, &err)) == NNCF_OK,
        "%s", err.message);
    r->ctrl = config ? fx_ctrl(r->model, config) : NULL;
}

/* A range that ends at the largest weight may leave it outside by a rounding: make it wider. */
static void widen(const rig *r)
{
    const nncf_parameter p = fx_parameter_at(r->ctrl, 0);
    for (size_t c = 0; c < p.count && p.kind == NNCF_PARAMETER_SCALE; c++)
        p.data[c] *= 1.0625f;
}

static void close_rig(rig *r)
{
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
    fx_close(&r->c);
}

#define CONFIG                                                                                     \
    "{\"compression\": [%s{\"algorithm\": \"quantization\", \"quantize_inputs\": false, "          \
    "\"weights\": {\"bits\": %d, \"mode\": \"%s\", \"group_size\": %d}, \"initializer\": "         \
    "{\"num_init_steps\": 0}}]}"

static const char *config_of(const struct form *f, const char *more, char text[600])
{
    snprintf(
        text, 600, CONFIG, more, f->bits, f->asymmetric ? "asymmetric" : "symmetric", f->group);
    return text;
}

/* The constants of a group: symmetric from its largest magnitude, widened; asymmetric from its
 * extremes, which enclose 0, moved so that 0 has a code, and at least 1 % of the widest group's. */
typedef struct constants {
    double scale, low, high;
} constants;

static constants constants_of(const struct form *f, const float *w, double widest)
{
    double least = (double)w[0], most = (double)w[0];
    const double codes = pow(2, f->bits) - 1;
    for (int i = 1; i < f->group; i++) {
        least = fmin(least, (double)w[i]);
        most = fmax(most, (double)w[i]);
    }
    if (!f->asymmetric) {
        const double high = pow(2, f->bits - 1) - 1;
        return (constants){1.0625 * fmax(fabs(least), fabs(most)) / high, -high, high};
    }
    const double grown = fmax(most - least, 0.01 * widest);
    double low = fmin(least - (grown - (most - least)) / 2, 0), high = fmax(low + grown, 0);
    if (least > 0)
        high = fmax(least - (grown - (most - least)) / 2 + grown, 0);
    const double zero = rint(-low * codes / (high - low));
    if (zero > 0 && zero < codes) {
        const double moved_low = zero / (zero - codes) * high,
                     moved_high = (zero - codes) / zero * low;
        if (high - moved_low > moved_high - low)
            low = moved_low;
        else
            high = moved_high;
    }
    return (constants){(high - low) / codes, -zero, codes - zero};
}

static double widest_of(const struct form *f, const float *w, size_t count)
{
    double widest = 0;
    for (size_t at = 0; at < count; at += (size_t)f->group) {
        double least = INFINITY, most = -INFINITY;
        for (int i = 0; i < f->group; i++) {
            least = fmin(least, (double)w[at + (size_t)i]);
            most = fmax(most, (double)w[at + (size_t)i]);
        }
        widest = fmax(widest, most - least);
    }
    return widest;
}

static double quantized(const constants *k, double w)
{
    return fmin(fmax(rint(w / k->scale), k->low), k->high) * k->scale;
}

/* What is next to a tie may go either way. */
static bool near_tie(const constants *k, double w)
{
    const double code = w / k->scale;
    return fabs(code - floor(code) - 0.5) < 1e-4;
}

START_TEST(each_group_has_its_range)
{
    const struct form *f = &forms[_i];
    char text[600];
    float got[MOST], g[MOST];
    rig r;
    open_rig(&r, f, config_of(f, "", text), 1, false);
    const double widest = widest_of(f, r.w, r.count);
    const nncf_parameter p = fx_parameter_at(r.ctrl, 0);
    ck_assert_uint_eq(p.count, r.count / (size_t)f->group);
    widen(&r);
    ck_assert_int_eq(nncf_layer_compress_weight(r.layer, got, NULL), NNCF_OK);
    for (size_t i = 0; i < r.count; i++)
        g[i] = (float)(i % 5) - 1.5f;
    ck_assert_int_eq(nncf_layer_compress_weight_backward(r.layer, g, NULL), NNCF_OK);
    size_t ties = 0;
    for (size_t c = 0; c < p.count; c++) {
        const float *w = r.w + c * (size_t)f->group;
        const constants k = constants_of(f, w, widest);
        double inside = 0;
        for (int i = 0; i < f->group; i++) {
            const size_t at = c * (size_t)f->group + (size_t)i;
            const double y = quantized(&k, (double)w[i]);
            ties += near_tie(&k, (double)w[i]);
            ck_assert_msg(
                fabs((double)got[at] - y) <= 1e-5 * k.scale * 255 || near_tie(&k, (double)w[i]),
                "%zu: %g, not %g", at, (double)got[at], y);
            inside += (double)g[at] * (y - (double)w[i]);
        }
        if (!f->asymmetric) { /* nothing is outside */
            ck_assert_msg(fabs((double)p.grad[c] - inside / ((k.high - k.low) * k.scale)) < 2e-4,
                "%zu: %g", c, (double)p.grad[c]);
            for (int i = 0; i < f->group; i++)
                ck_assert_float_eq(
                    r.dw[c * (size_t)f->group + (size_t)i], g[c * (size_t)f->group + (size_t)i]);
        }
    }
    ck_assert_uint_le(ties, r.count / 50);
    close_rig(&r);
}
END_TEST

/* With ranges that are half as long: what is outside has no gradient, but moves its group's end. */
START_TEST(what_is_outside_moves_the_range_of_its_group)
{
    const struct form *f = &forms[0];
    char text[600];
    float got[MOST], g[MOST];
    rig r;
    open_rig(&r, f, config_of(f, "", text), 1, false);
    const nncf_parameter p = fx_parameter_at(r.ctrl, 0);
    for (size_t c = 0; c < p.count; c++)
        p.data[c] /= 2;
    for (size_t i = 0; i < r.count; i++)
        g[i] = (float)(i % 7) - 2.5f;
    ck_assert_int_eq(nncf_layer_compress_weight(r.layer, got, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(r.layer, g, NULL), NNCF_OK);
    for (size_t c = 0; c < p.count; c++) {
        const double end = (double)p.data[c];
        const constants k = {end / 7, -7, 7};
        double sum = 0;
        for (size_t i = c * (size_t)f->group; i < (c + 1) * (size_t)f->group; i++) {
            const double w = (double)r.w[i], y = quantized(&k, w);
            const bool is_outside = fabs(w) > end;
            ck_assert(fabs((double)got[i] - y) < 1e-5 * end || near_tie(&k, w));
            ck_assert_float_eq(r.dw[i], is_outside ? 0 : g[i]);
            sum +=
                is_outside ? (double)g[i] * (w > 0 ? 1 : -1) : (double)g[i] * (y - w) / (2 * end);
        }
        ck_assert_msg(
            fabs((double)p.grad[c] - sum) < 1e-3, "%zu: %g, not %g", c, (double)p.grad[c], sum);
    }
    close_rig(&r);
}
END_TEST

/* Forward and backward of the library's layers use that weight; with any number of threads the same
 * bits. */
START_TEST(layers_multiply_with_it)
{
    const struct form *f = &forms[_i];
    char text[600];
    float results[2][8 * N * 16 + 2 * MOST];
    const int64_t in[4] = {N, f->conv ? f->inputs / 9 : f->inputs, f->conv ? 5 : 1,
        f->conv ? 5 : 1},
                  out[4] = {N, f->out, f->conv ? 3 : 1, f->conv ? 3 : 1};
    const size_t n_in = fx_count(in), n_out = fx_count(out);
    for (int threads = 1; threads <= 2; threads++) {
        float x[N * 100], y[8 * N * 9], dy[8 * N * 9], w[MOST];
        double dw[MOST] = {0};
        fx_tensor tx, ty, tdy;
        rig r;
        open_rig(&r, f, config_of(f, "", text), threads == 1 ? 1 : 3, false);
        widen(&r);
        fx_fill_from(x, n_in, 8);
        fx_fill_from(dy, n_out, 9);
        ck_assert_int_eq(nncf_layer_compress_weight(r.layer, w, NULL), NNCF_OK);
        ck_assert_int_eq(
            nncf_layer_forward(r.layer, fx_view(&tx, x, 4, in), 1, fx_view(&ty, y, 4, out), NULL),
            NNCF_OK);
        const int k = f->conv ? 3 : 1, side = f->conv ? 5 : 1, c_in = (int)in[1];
        for (int n = 0; n < N; n++) {
            for (int o = 0; o < f->out; o++) {
                for (int q = 0; q < (int)(out[2] * out[3]); q++) {
                    const size_t at = (size_t)((n * f->out + o) * (int)(out[2] * out[3]) + q);
                    double sum = 0;
                    for (int i = 0; i < f->inputs; i++) {
                        const int c = i / (k * k), ky = i / k % k, kx = i % k,
                                  row = q / (int)out[3] + ky, column = q % (int)out[3] + kx;
                        const double v = (double)x[((n * c_in + c) * side + row) * side + column];
                        sum += v * (double)w[o * f->inputs + i];
                        dw[o * f->inputs + i] += v * (double)dy[at];
                    }
                    ck_assert_msg(fabs(sum - (double)y[at]) < 1e-3, "%zu: %g, not %g", at,
                        (double)y[at], sum);
                }
            }
        }
        memcpy(results[threads - 1], y, n_out * sizeof *y);
        ck_assert_int_eq(
            nncf_layer_backward(r.layer, &tx.t, 1, fx_view(&tdy, dy, 4, out), NULL, NULL), NNCF_OK);
        for (size_t i = 0; i < r.count && !f->asymmetric; i++)
            ck_assert_msg(
                fabs(dw[i] - (double)r.dw[i]) < 1e-3, "%zu: %g, not %g", i, (double)r.dw[i], dw[i]);
        memcpy(results[threads - 1] + n_out, r.dw, r.count * sizeof(float));
        const nncf_parameter p = fx_parameter_at(r.ctrl, 0);
        memcpy(results[threads - 1] + n_out + r.count, p.grad, p.count * sizeof(float));
        if (threads == 2)
            ck_assert_int_eq(
                memcmp(results[0], results[1], (n_out + r.count + p.count) * sizeof(float)), 0);
        close_rig(&r);
    }
}
END_TEST

/* Codes at their bits, and a float a group. */
START_TEST(statistics_and_plans_count_groups)
{
    const struct form *f = &forms[0];
    char text[600], lines[4096];
    nncf_plan *plan;
    rig r;
    open_rig(&r, f, config_of(f, "", text), 1, false);
    const nncf_statistics s = fx_statistics(r.ctrl);
    ck_assert_uint_eq(s.bytes_float, 6 * 32 * 4);
    ck_assert_uint_eq(s.bytes_compressed, 6 * 32 / 2 + 6 * 4 * 4);
    nncf_config *config = fx_config(NULL, text);
    ck_assert_int_eq(nncf_plan_create(r.model, config, &plan, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_TEXT, lines, sizeof lines, NULL, NULL), NNCF_OK);
    ck_assert_msg(strstr(lines, "4 symmetric    groups of 8 ") != NULL, "%s", lines);
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_JSON, lines, sizeof lines, NULL, NULL), NNCF_OK);
    ck_assert_msg(strstr(lines, "\"channels\":24,\"group_size\":8,") != NULL, "%s", lines);
    nncf_plan_destroy(plan);
    nncf_config_destroy(config);
    close_rig(&r);
}
END_TEST

/* With masks, and with a folded batch norm: a snapshot restores the weight bit for bit; a stripped
 * file gives it back. */
START_TEST(files_hold_groups)
{
    const struct form *f = &forms[_i / 2];
    const bool folds = _i % 2;
    static const char sparsity[] = "{\"algorithm\": \"magnitude_sparsity\", \"params\": "
                                   "{\"sparsity_init\": 0.5, \"sparsity_target\": 0.5}}, ";
    char text[600], path[FX_TEMPORARY], stripped[FX_TEMPORARY];
    float want[MOST], got[MOST];
    const int64_t shape[4] = {f->out, f->conv ? f->inputs / 9 : f->inputs, 3, 3};
    const int32_t ndim = f->conv ? 4 : 2;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *file;
    rig r, other;
    open_rig(&r, f, config_of(f, sparsity, text), 1, folds);
    nncf_parameter p = fx_parameter_at(r.ctrl, 0);
    for (size_t c = 0; c < p.count; c++)
        p.data[c] *= 1 + 0.1f * (float)(c % 4);
    fx_temporary(path);
    fx_temporary(stripped);
    ck_assert_msg(
        nncf_checkpoint_save(r.ctrl, path, NULL, 0, NULL, &err) == NNCF_OK, "%s", err.message);
    const nncf_strip_params how = {
        NNCF_PARAMS(nncf_strip_params), .fold_batch_norm = folds, .sparse = folds};
    ck_assert_msg(
        nncf_strip_save(r.ctrl, stripped, &how, NULL, &err) == NNCF_OK, "%s", err.message);
    nncf_model_set_mode(r.model, NNCF_MODE_EVAL, NULL);
    ck_assert_int_eq(nncf_layer_compress_weight(r.layer, want, NULL), NNCF_OK);

    open_rig(&other, f, text, 1, folds);
    ck_assert_int_eq(nncf_checkpoint_open(NULL, path, NULL, &file, NULL), NNCF_OK);
    ck_assert_msg(
        nncf_checkpoint_restore(file, other.ctrl, NULL, NULL, &err) == NNCF_OK, "%s", err.message);
    nncf_checkpoint_close(file);
    nncf_model_set_mode(other.model, NNCF_MODE_EVAL, NULL);
    ck_assert_int_eq(nncf_layer_compress_weight(other.layer, got, NULL), NNCF_OK);
    ck_assert_int_eq(memcmp(want, got, r.count * sizeof *got), 0);
    close_rig(&other);

    const nncf_checkpoint_tensor tensor = {
        f->conv ? "Net/Conv2d[l].weight" : "Net/Linear[l].weight",
        {.data = got, .ndim = ndim, .shape = shape}};
    ck_assert_int_eq(nncf_checkpoint_open(NULL, stripped, NULL, &file, NULL), NNCF_OK);
    ck_assert_msg(nncf_checkpoint_load_weights(file, &tensor, 1, NULL, NULL, NULL, &err) == NNCF_OK,
        "%s", err.message);
    nncf_checkpoint_close(file);
    for (size_t i = 0; i < r.count; i++) {
        const size_t o = i / (size_t)f->inputs;
        const double factor = folds ? (double)r.gamma[o] / sqrt((double)r.var[o] + 1e-5) : 1;
        ck_assert_msg(fabs((double)got[i] - (double)want[i] * factor) <=
                1e-6 * fabs((double)want[i] * factor),
            "%zu: %g, %g", i, (double)got[i], (double)want[i] * factor);
    }
    close_rig(&r);
    unlink(path);
    unlink(stripped);
}
END_TEST

static void refused(const struct form *f, const char *config_text, const char *message)
{
    nncf_error err = NNCF_ERROR_INIT;
    rig r;
    open_rig(&r, f, NULL, 1, false);
    nncf_config *config = fx_config(NULL, config_text);
    const nncf_status status = nncf_compression_ctrl_create(r.model, config, &r.ctrl, &err);
    ck_assert_msg(status == (message ? NNCF_E_UNSUPPORTED : NNCF_OK), "%s", err.message);
    ck_assert_msg(!message || strstr(err.message, message), "%s", err.message);
    nncf_config_destroy(config);
    close_rig(&r);
}

#define OVERRIDE(size)                                                                             \
    "{\"compression\": {\"algorithm\": \"quantization\", \"weights\": {\"group_size\": 7}, "       \
    "\"scope_overrides\": {\"weights\": {\"Net/Linear[l]\": {\"group_size\": " size "}}}}}"

START_TEST(groups_that_do_not_fit_are_refused)
{
    static const struct form linear = {false, 6, 32, 8, 4, false};
    refused(&linear,
        "{\"compression\": {\"algorithm\": \"quantization\", \"weights\": {\"group_size\": 7}}}",
        "group_size 7 does not divide the 32 inputs of an output channel; override group_size");
    refused(&linear, OVERRIDE("0"), NULL);
    refused(&linear, OVERRIDE("16"), NULL);
    refused(&linear, OVERRIDE("5"), "group_size 5 does not divide");
}
END_TEST

START_TEST(groups_need_the_inputs_in_a_row)
{
    float w[36] = {0};
    const int64_t shape[] = {2, 3, 2, 3};
    nncf_model *model;
    nncf_layer *layer;
    nncf_compression_ctrl *ctrl = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_op_params p = {NNCF_PARAMS(nncf_op_params), .scope = "Net/ConvTranspose2d[t]",
        .op = NNCF_OP_CONV_TRANSPOSE2D, .weight = w, .weight_ndim = 4, .weight_shape = shape};
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_op(model, &p, &layer, NULL), NNCF_OK);
    nncf_config *config = fx_config(NULL,
        "{\"compression\": {\"algorithm\": \"quantization\", \"weights\": {\"group_size\": 6}}}");
    ck_assert_int_eq(nncf_compression_ctrl_create(model, config, &ctrl, &err), NNCF_E_UNSUPPORTED);
    ck_assert_msg(strstr(err.message, "do not lie one after the other") != NULL, "%s", err.message);
    nncf_config_destroy(config);
    nncf_model_destroy(model);
}
END_TEST

/* By hand the host says it, and the config has the last word. */
START_TEST(weights_by_hand_have_groups)
{
    static const struct {
        const char *group;
        size_t ranges;
    } cases[] = {{"", 8}, {"\"weights\": {\"group_size\": 2}, ", 16},
        {"\"weights\": {\"per_channel\": true}, ", 8}};
    const int64_t shape[] = {2, 16}, odd[] = {2, 15};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[300];
        float w[32];
        nncf_model *model;
        nncf_layer *layer;
        nncf_error err = NNCF_ERROR_INIT;
        nncf_weight_params p = {NNCF_PARAMS(nncf_weight_params), .scope = "w", .weight = w,
            .ndim = 2, .shape = shape, .group_size = 4};
        fx_fill_from(w, 32, 1);
        ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_model_add_weight(model, &p, &layer, &err), NNCF_OK);
        p.scope = "v";
        p.channel_axis = 1;
        ck_assert_int_eq(nncf_model_add_weight(model, &p, &layer, &err), NNCF_E_ARG);
        p.channel_axis = 0;
        p.shape = odd;
        ck_assert_int_eq(nncf_model_add_weight(model, &p, &layer, &err), NNCF_E_ARG);
        ck_assert_msg(strstr(err.message, "group_size is 4; it must divide the 15") != NULL, "%s",
            err.message);
        snprintf(text, sizeof text,
            "{\"compression\": {\"algorithm\": \"quantization\", %s\"initializer\": "
            "{\"num_init_steps\": 0}}}",
            cases[i].group);
        nncf_compression_ctrl *ctrl = fx_ctrl(model, text);
        ck_assert_uint_eq(fx_parameter_at(ctrl, 0).count, cases[i].ranges);
        nncf_compression_ctrl_destroy(ctrl);
        nncf_model_destroy(model);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("groups");
    TCase *tcase = fx_case(suite, "groups", 60);
    tcase_add_loop_test(tcase, each_group_has_its_range, 0, FORMS);
    tcase_add_test(tcase, what_is_outside_moves_the_range_of_its_group);
    tcase_add_loop_test(tcase, layers_multiply_with_it, 0, FORMS);
    tcase_add_test(tcase, statistics_and_plans_count_groups);
    tcase_add_loop_test(tcase, files_hold_groups, 0, 2 * FORMS);
    tcase_add_test(tcase, groups_that_do_not_fit_are_refused);
    tcase_add_test(tcase, groups_need_the_inputs_in_a_row);
    tcase_add_test(tcase, weights_by_hand_have_groups);
    return fx_main(suite);
}
