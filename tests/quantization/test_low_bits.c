/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Learned step sizes (Esser et al. 2020, "Learned Step Size Quantization", section 2 and appendix
 * A) and scales that are powers of two, against the formulas in plain loops in double.
 */
#include "config/canonical.h"
#include "quantization/quantizer.h"
#include "support/files.h"
#include "support/fixture.h"

#include <stdbool.h>
#include <unistd.h>

enum { OUT = 4, IN = 36, SIDE = 6, CHANNELS = 4, N = 3, X = N * CHANNELS * SIDE * SIDE };

/* A 3x3 convolution of 4 channels, or of as many channels in groups of one (depthwise). */
typedef struct rig {
    fx_context c;
    nncf_model *model;
    nncf_layer *layer;
    nncf_compression_ctrl *ctrl;
    float w[OUT * IN], dw[OUT * IN], x[X], dx[X], y[N * OUT * 16], dy[N * OUT * 16];
    fx_tensor tx, tdx, ty, tdy;
} rig;

#define CONFIG                                                                                     \
    "{\"nncf_dialect\": \"1.7\", \"target_device\": \"NONE\", \"compression\": {\"algorithm\": "   \
    "\"quantization\", \"weights\": {%s}, \"activations\": {%s}, \"initializer\": "                \
    "{\"range\": {\"num_init_samples\": 3, \"type\": \"%s\"}, \"batchnorm_adaptation\": "          \
    "{\"num_bn_adaptation_samples\": 0}}}}"

static void open_model(rig *r)
{
    const int64_t in[4] = {N, CHANNELS, SIDE, SIDE}, out[4] = {N, OUT, 4, 4};
    const nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[c]",
        .weight = r->w, .weight_grad = r->dw, .in_channels = CHANNELS, .out_channels = OUT,
        .kernel = {3, 3}};
    memset(r, 0, sizeof *r);
    fx_fill_from(r->w, OUT * IN, 5);
    for (size_t i = 0; i < OUT * IN; i++) /* channels of different sizes */
        r->w[i] *= 1 + (float)(i / IN);
    fx_fill_from(r->x, X, 6);
    fx_fill_from(r->dy, N * OUT * 16, 7);
    fx_view(&r->tx, r->x, 4, in);
    fx_view(&r->tdx, r->dx, 4, in);
    fx_view(&r->ty, r->y, 4, out);
    fx_view(&r->tdy, r->dy, 4, out);
    fx_open(&r->c, 2, 3);
    ck_assert_int_eq(nncf_model_create(r->c.context, &r->model, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_conv2d(r->model, &p, &r->layer, NULL), NNCF_OK);
}

static void initialize(rig *r)
{
    int32_t more = 0;
    ck_assert_int_eq(nncf_compression_ctrl_init_step(r->ctrl, &more, NULL), NNCF_OK);
    while (more) {
        ck_assert_int_eq(nncf_layer_forward(r->layer, &r->tx.t, 1, &r->ty.t, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_compression_ctrl_init_step(r->ctrl, &more, NULL), NNCF_OK);
    }
}

static void open_rig(rig *r, const char *weights, const char *activations, const char *range)
{
    char text[800];
    open_model(r);
    snprintf(text, sizeof text, CONFIG, weights, activations, range);
    r->ctrl = fx_ctrl(r->model, text);
    initialize(r);
}

static void close_rig(rig *r)
{
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
    fx_close(&r->c);
}

static nncf_parameter of_weight(const rig *r)
{
    return fx_parameter(r->ctrl, "Net/Conv2d[c].pre_ops.weight_quantizer.scale");
}

static nncf_parameter of_input(const rig *r)
{
    return fx_parameter(r->ctrl, "Net/Conv2d[c].input_quantizer.scale");
}

/* ---- learned step sizes ---- */

/* One element's part of the gradient of a step s, and what is not differentiable next to it. */
static double step_gradient(double v, double s, double low, double high, double g, bool *tie)
{
    const double code = v / s;
    *tie = *tie || fabs(code - floor(code) - 0.5) < 1e-4 || fabs(code - low) < 1e-4 ||
        fabs(code - high) < 1e-4;
    return g * (code <= low ? low : code >= high ? high : rint(code) - code);
}

/* The parameter is r = high s. A step of gradient descent on r moves s by what a step on s itself
 * does: d r = high (g d s), g = 1 / sqrt(elements high). */
static void check_gradient(
    const nncf_parameter *p, size_t channel, double ds, double elements, double high, bool tie)
{
    const double wanted = high * ds / sqrt(elements * high);
    ck_assert_msg(tie || fabs((double)p->grad[channel] - wanted) < 1e-5 * (1 + fabs(wanted)),
        "channel %zu: %g, not %g", channel, (double)p->grad[channel], wanted);
    ck_assert(!tie);
}

static void weight_gradient_is_that_of_a_step(const char *weights, double high, size_t channels)
{
    rig r;
    float q[OUT * IN], g[OUT * IN];
    open_rig(&r, weights, "\"bits\": 8", "min_max");
    const nncf_parameter p = of_weight(&r);
    ck_assert_uint_eq(p.count, channels);
    const size_t run = OUT * IN / channels;
    for (size_t c = 0; c < channels; c++) /* some are outside */
        p.data[c] *= 0.61f;
    p.data[0] = -p.data[0]; /* the range is its magnitude */
    fx_fill_from(g, OUT * IN, 9);
    ck_assert_int_eq(nncf_layer_compress_weight(r.layer, q, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(r.layer, g, NULL), NNCF_OK);
    for (size_t c = 0; c < channels; c++) {
        const double s = fabs((double)p.data[c]) / high;
        double ds = 0;
        bool tie = false;
        for (size_t i = c * run; i < (c + 1) * run; i++)
            ds += step_gradient((double)r.w[i], s, -high, high, (double)g[i], &tie);
        check_gradient(&p, c, p.data[c] < 0 ? -ds : ds, (double)run, high, tie);
    }
    close_rig(&r);
}

START_TEST(weights_train_their_step)
{
    weight_gradient_is_that_of_a_step("\"bits\": 4, \"range_gradient\": \"lsq\"", 7, 1);
    weight_gradient_is_that_of_a_step("\"bits\": 2, \"range_gradient\": \"lsq\"", 1, 1);
}
END_TEST

START_TEST(weights_train_a_step_a_channel)
{
    weight_gradient_is_that_of_a_step(
        "\"bits\": 3, \"per_channel\": true, \"range_gradient\": \"lsq\"", 3, OUT);
    weight_gradient_is_that_of_a_step(
        "\"bits\": 4, \"group_size\": 18, \"range_gradient\": \"lsq\"", 7, 2 * OUT);
}
END_TEST

/* dL/dx of the layer, which the gradient of its input's step is made of: the weight as it is used.
 */
static double input_gradient(const float *w, const float *dy, size_t i)
{
    const size_t n = i / (CHANNELS * SIDE * SIDE), c = i / (SIDE * SIDE) % CHANNELS;
    const int row = (int)(i / SIDE % SIDE), column = (int)(i % SIDE);
    double sum = 0;
    for (size_t o = 0; o < OUT; o++)
        for (int ky = 0; ky < 3; ky++)
            for (int kx = 0; kx < 3; kx++) {
                const int y = row - ky, x = column - kx;
                if (y >= 0 && y < 4 && x >= 0 && x < 4)
                    sum += (double)w[((o * CHANNELS + c) * 3 + (size_t)ky) * 3 + (size_t)kx] *
                        (double)dy[((n * OUT + o) * 4 + (size_t)y) * 4 + (size_t)x];
            }
    return sum;
}

/* The elements that count are those of one image. */
static void input_trains_its_step(const char *activations, size_t channels)
{
    rig r;
    float w[OUT * IN];
    open_rig(&r, "\"bits\": 8", activations, "min_max");
    const nncf_parameter p = of_input(&r);
    ck_assert_uint_eq(p.count, channels);
    for (size_t c = 0; c < channels; c++)
        p.data[c] *= 0.73f;
    ck_assert_int_eq(nncf_layer_compress_weight(r.layer, w, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_forward(r.layer, &r.tx.t, 1, &r.ty.t, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_backward(r.layer, &r.tx.t, 1, &r.tdy.t, &r.tdx.t, NULL), NNCF_OK);
    for (size_t c = 0; c < channels; c++) {
        const double s = (double)p.data[c] / 7;
        double ds = 0;
        bool tie = false;
        for (size_t i = 0; i < X; i++)
            if (channels == 1 || i / (SIDE * SIDE) % CHANNELS == c)
                ds += step_gradient((double)r.x[i], s, -8, 7, input_gradient(w, r.dy, i), &tie);
        check_gradient(&p, c, ds, CHANNELS * SIDE * SIDE / (double)channels, 7, tie);
    }
    close_rig(&r);
}

START_TEST(activations_train_their_step)
{
    input_trains_its_step("\"bits\": 4, \"range_gradient\": \"lsq\"", 1);
    input_trains_its_step(
        "\"bits\": 4, \"per_channel\": true, \"range_gradient\": \"lsq\"", CHANNELS);
}
END_TEST

static double mean_magnitude(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += fabs((double)x[i]);
    return sum / (double)n;
}

/* s = 2 mean |v| / sqrt(high), of all batches; r is high times that. */
START_TEST(steps_start_at_twice_the_mean_magnitude)
{
    rig r;
    open_rig(&r, "\"bits\": 4, \"per_channel\": true", "\"bits\": 3", "lsq");
    const nncf_parameter w = of_weight(&r), x = of_input(&r);
    for (size_t c = 0; c < OUT; c++)
        ck_assert_double_eq_tol((double)w.data[c], 2 * mean_magnitude(r.w + c * IN, IN) * sqrt(7),
            1e-6 * (double)w.data[c]);
    ck_assert_double_eq_tol(
        (double)x.data[0], 2 * mean_magnitude(r.x, X) * sqrt(3), 1e-6 * (double)x.data[0]);
    close_rig(&r);
}
END_TEST

/* Nothing negative: codes are unsigned, and high is larger. Per channel, each channel's own. */
START_TEST(steps_of_unsigned_codes_start_so_too)
{
    char text[800];
    rig r;
    open_model(&r);
    for (size_t i = 0; i < X; i++)
        r.x[i] = fabsf(r.x[i]) * (float)(1 + i / (SIDE * SIDE) % CHANNELS);
    snprintf(text, sizeof text, CONFIG, "\"bits\": 4", "\"bits\": 4, \"per_channel\": true", "lsq");
    r.ctrl = fx_ctrl(r.model, text);
    initialize(&r);
    const nncf_parameter p = of_input(&r);
    ck_assert_uint_eq(p.count, CHANNELS);
    for (size_t c = 0; c < CHANNELS; c++) {
        double sum = 0;
        for (size_t i = 0; i < X; i++)
            sum += i / (SIDE * SIDE) % CHANNELS == c ? (double)r.x[i] : 0;
        ck_assert_double_eq_tol(
            (double)p.data[c], 2 * sum / (N * SIDE * SIDE) * sqrt(15), 1e-6 * (double)p.data[c]);
    }
    close_rig(&r);
}
END_TEST

/* More values than an observer keeps: the mean of a histogram. */
START_TEST(a_histogram_gives_nearly_the_mean_magnitude)
{
    enum { MANY = 60000 };
    static float x[MANY];
    static float y[MANY];
    fx_context c;
    nncf_model *model;
    nncf_layer *layer;
    fx_tensor tx, ty;
    float w[1] = {1}, dw[1];
    int32_t more;
    char text[800];
    const int64_t shape[4] = {3, 1, 100, 200};
    const nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[c]",
        .weight = w, .weight_grad = dw, .in_channels = 1, .out_channels = 1, .kernel = {1, 1}};
    fx_open(&c, 2, 3);
    ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_conv2d(model, &p, &layer, NULL), NNCF_OK);
    fx_fill_from(x, MANY, 11);
    for (size_t i = 0; i < MANY; i++) /* a bell, nearly */
        x[i] = x[i] * x[i] * x[i] + 0.1f * x[(i + 7) % MANY];
    snprintf(text, sizeof text, CONFIG, "\"bits\": 4", "\"bits\": 4", "lsq");
    nncf_compression_ctrl *ctrl = fx_ctrl(model, text);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 1);
    ck_assert_int_eq(
        nncf_layer_forward(layer, fx_view(&tx, x, 4, shape), 1, fx_view(&ty, y, 4, shape), NULL),
        NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 0);
    const nncf_parameter q = fx_parameter(ctrl, "Net/Conv2d[c].input_quantizer.scale");
    const double wanted = 2 * mean_magnitude(x, MANY) * sqrt(7);
    ck_assert_double_eq_tol((double)q.data[0], wanted, 1e-4 * wanted);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_close(&c);
}
END_TEST

static void refused(
    const char *weights, const char *activations, const char *range, const char *words)
{
    char text[800];
    nncf_error err = NNCF_ERROR_INIT;
    nncf_compression_ctrl *ctrl = NULL;
    rig r;
    open_model(&r);
    snprintf(text, sizeof text, CONFIG, weights, activations, range);
    nncf_config *config = fx_config(r.c.context, text);
    ck_assert_int_eq(
        nncf_compression_ctrl_create(r.model, config, &ctrl, &err), NNCF_E_UNSUPPORTED);
    ck_assert_ptr_null(ctrl);
    ck_assert_msg(strstr(err.message, words) != NULL, "%s", err.message);
    nncf_config_destroy(config);
    close_rig(&r);
}

START_TEST(asymmetric_steps_are_refused)
{
    refused("\"mode\": \"asymmetric\", \"range_gradient\": \"lsq\"", "\"bits\": 8", "min_max",
        "weights are asymmetric, and a learned step size (range_gradient lsq) has no offset");
    refused("\"bits\": 8", "\"mode\": \"asymmetric\"", "lsq",
        "activations are asymmetric, and a learned step size (initializer.range.type lsq)");
}
END_TEST

/* ---- powers of two ---- */

static bool is_power_of_two(double x)
{
    int exponent;
    return frexp(x, &exponent) == 0.5;
}

/* The nearest on a scale of logarithms, for every kind of range. */
START_TEST(scales_are_the_nearest_powers_of_two)
{
    uint64_t state = 4;
    for (int i = 0; i < 20000; i++) {
        const nncf__quantizer_params plain = {.bits = 2 + i % 7, .sign = i % 2, .mode = 0};
        nncf__quantizer_params p = plain;
        const float range = (float)exp(30 * fx_uniform(&state)), low = -range * (float)(i % 3);
        nncf__fq exact, rounded;
        p.power_of_two = 1;
        nncf__fq_symmetric(&plain, i % 5 == 0, range, &exact);
        nncf__fq_symmetric(&p, i % 5 == 0, range, &rounded);
        for (int k = 0; k < 2; k++) {
            const double off = log2((double)rounded.scale / (double)exact.scale);
            ck_assert_msg(is_power_of_two((double)rounded.scale), "%g", (double)rounded.scale);
            ck_assert_msg(
                fabs(off) <= 0.5 + 1e-6, "%g of %g", (double)rounded.scale, (double)exact.scale);
            ck_assert(rounded.low == exact.low && rounded.high == exact.high);
            nncf__fq_asymmetric(&plain, low, range, &exact);
            nncf__fq_asymmetric(&p, low, range, &rounded);
        }
    }
}
END_TEST

START_TEST(extreme_ranges_have_finite_powers)
{
    const nncf__quantizer_params p = {.bits = 2, .sign = 1, .power_of_two = 1};
    const float ranges[] = {0, 1e-45f, 1.17549435e-38f, 3.4028234e38f};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        nncf__fq fq;
        nncf__fq_symmetric(&p, true, ranges[i], &fq);
        ck_assert_msg(isfinite(fq.scale) && is_power_of_two((double)fq.scale) && fq.scale > 0,
            "%g: %g", (double)ranges[i], (double)fq.scale);
    }
}
END_TEST

/* What a forward uses; the range itself is trained on, through the rounding. */
START_TEST(forward_and_gradient_use_the_rounded_scale)
{
    rig r;
    float q[OUT * IN], g[OUT * IN];
    open_rig(&r, "\"bits\": 4, \"per_channel\": true, \"power_of_two\": true",
        "\"bits\": 8, \"power_of_two\": true", "min_max");
    const nncf_parameter p = of_weight(&r);
    for (size_t c = 0; c < OUT; c++)
        p.data[c] *= 0.8f;
    fx_fill_from(g, OUT * IN, 9);
    ck_assert_int_eq(nncf_layer_compress_weight(r.layer, q, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(r.layer, g, NULL), NNCF_OK);
    size_t outside = 0;
    for (size_t c = 0; c < OUT; c++) {
        const double s = exp2(rint(log2((double)p.data[c] / 7)));
        double sum = 0;
        for (size_t i = c * IN; i < (c + 1) * IN; i++) {
            const double w = (double)r.w[i], y = fmin(fmax(rint(w / s), -7), 7) * s;
            const bool is_outside = fabs(w) > 7 * s;
            ck_assert_msg(fabs((double)q[i] - y) == 0, "%zu: %g, not %g", i, (double)q[i], y);
            ck_assert_float_eq(r.dw[i], is_outside ? 0 : g[i]);
            outside += is_outside;
            sum += is_outside ? (double)g[i] * (w > 0 ? 1 : -1) : (double)g[i] * (y - w) / (14 * s);
        }
        ck_assert_double_eq_tol((double)p.grad[c], sum, 1e-5);
    }
    ck_assert_uint_gt(outside, 0);
    ck_assert_int_eq(nncf_layer_forward(r.layer, &r.tx.t, 1, &r.ty.t, NULL), NNCF_OK);
    close_rig(&r);
}
END_TEST

/* Both, and that the plan and the effective config say so. */
START_TEST(plan_and_dump_have_the_words)
{
    char text[800], lines[4096], dump[4096];
    rig r;
    nncf_plan *plan;
    open_model(&r);
    snprintf(text, sizeof text, CONFIG,
        "\"bits\": 4, \"range_gradient\": \"lsq\", \"power_of_two\": true", "\"bits\": 8", "lsq");
    nncf_config *config = fx_config(r.c.context, text);
    ck_assert_int_eq(nncf_plan_create(r.model, config, &plan, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_JSON, lines, sizeof lines, NULL, NULL), NNCF_OK);
    ck_assert_msg(strstr(lines,
                      "\"range_gradient\":\"lsq\",\"power_of_two\":true,\"range\":\"lsq of the "
                      "weight\"") != NULL,
        "%s", lines);
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_TEXT, lines, sizeof lines, NULL, NULL), NNCF_OK);
    ck_assert_msg(strstr(lines, "tensor, lsq, 2^k") != NULL, "%s", lines);
    nncf_plan_destroy(plan);
    ck_assert_int_eq(nncf_config_dump(config, dump, sizeof dump, NULL, NULL), NNCF_OK);
    ck_assert_msg(strstr(dump, "\"range_gradient\": \"lsq\",\n") != NULL, "%s", dump);
    nncf_config_destroy(config);
    close_rig(&r);
}
END_TEST

/* ---- oscillations ---- */

/* The loss d sum (q - w)^2 over what is inside, and its gradient for the host's -2 times the loss,
 * added to what is there. */
static void damping_is_the_formula(const char *weights, const char *more)
{
    const double d = 0.25;
    rig r;
    float q[OUT * IN], before[OUT * IN];
    double loss, wanted = 0;
    size_t outside = 0;
    open_rig(&r, weights, more, "min_max");
    const nncf_parameter p = of_weight(&r);
    for (size_t c = 0; c < p.count; c++)
        p.data[c] *= 0.83f;
    fx_fill_from(before, OUT * IN, 31);
    memcpy(r.dw, before, sizeof before);
    ck_assert_int_eq(nncf_compression_ctrl_set_gradient_factor(r.ctrl, -2, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_loss_backward(r.ctrl, &loss, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(r.layer, q, NULL), NNCF_OK);
    for (size_t i = 0; i < OUT * IN; i++) {
        const double off = (double)r.w[i] - (double)q[i];
        const bool is_outside = fabsf(r.w[i]) > p.data[p.count > 1 ? i / IN : 0];
        const double gradient = is_outside ? 0 : -2 * d * 2 * off;
        outside += is_outside;
        wanted += is_outside ? 0 : d * off * off;
        ck_assert_msg(fabs((double)r.dw[i] - (double)before[i] - gradient) < 1e-6,
            "%zu: %g, not %g", i, (double)r.dw[i] - (double)before[i], gradient);
    }
    ck_assert_double_eq_tol(loss, wanted, 1e-6 * wanted);
    ck_assert_uint_gt(outside, 0);
    ck_assert_uint_lt(outside, OUT * IN / 2);
    close_rig(&r);
}

START_TEST(damping_adds_its_gradient)
{
    damping_is_the_formula("\"bits\": 4, \"oscillation_damping\": 0.25", "\"bits\": 8");
    damping_is_the_formula(
        "\"bits\": 3, \"per_channel\": true, \"oscillation_damping\": 0.25", "\"bits\": 8");
}
END_TEST

/* Gradient descent on that loss alone: each step leaves 1 - 2 rate d of the distance. */
START_TEST(damping_draws_weights_to_their_values)
{
    rig r;
    float q[OUT * IN], now[OUT * IN], w[OUT * IN];
    double loss, before;
    open_rig(&r, "\"bits\": 3, \"oscillation_damping\": 0.5", "\"bits\": 8", "min_max");
    memcpy(w, r.w, sizeof w);
    ck_assert_int_eq(nncf_layer_compress_weight(r.layer, q, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_loss_backward(r.ctrl, &before, NULL), NNCF_OK);
    for (int step = 0; step < 10; step++) {
        for (size_t i = 0; i < OUT * IN; i++) {
            r.w[i] -= 0.1f * r.dw[i];
            r.dw[i] = 0;
        }
        ck_assert_int_eq(nncf_compression_ctrl_loss_backward(r.ctrl, &loss, NULL), NNCF_OK);
    }
    ck_assert_double_eq_tol(loss, before * pow(0.9, 20), 1e-4 * before);
    ck_assert_int_eq(nncf_layer_compress_weight(r.layer, now, NULL), NNCF_OK);
    ck_assert_mem_eq(now, q, sizeof q); /* no code has changed */
    for (size_t i = 0; i < OUT * IN; i++)
        ck_assert_double_eq_tol(
            (double)r.w[i] - (double)q[i], ((double)w[i] - (double)q[i]) * pow(0.9, 10), 1e-5);
    close_rig(&r);
}
END_TEST

/* Until weights are quantized there is nothing to draw them to. */
START_TEST(damping_waits_for_its_stage)
{
    double loss = 1;
    char text[800];
    rig r;
    open_model(&r);
    snprintf(text, sizeof text,
        "{\"compression\": {\"algorithm\": \"quantization\", \"weights\": "
        "{\"oscillation_damping\": 1}, \"params\": {\"weights_quant_start_epoch\": 1}}}");
    r.ctrl = fx_ctrl(r.model, text);
    initialize(&r);
    ck_assert_int_eq(nncf_compression_ctrl_loss_backward(r.ctrl, &loss, NULL), NNCF_OK);
    ck_assert_double_eq(loss, 0);
    ck_assert_float_eq(r.dw[0], 0);
    close_rig(&r);
}
END_TEST

FX_MAIN("low_bits", weights_train_their_step, weights_train_a_step_a_channel,
    activations_train_their_step, steps_start_at_twice_the_mean_magnitude,
    steps_of_unsigned_codes_start_so_too, a_histogram_gives_nearly_the_mean_magnitude,
    asymmetric_steps_are_refused, scales_are_the_nearest_powers_of_two,
    extreme_ranges_have_finite_powers, forward_and_gradient_use_the_rounded_scale,
    plan_and_dump_have_the_words, damping_adds_its_gradient, damping_draws_weights_to_their_values,
    damping_waits_for_its_stage)
