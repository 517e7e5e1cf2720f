/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output quantizers per channel behind every kind of layer. The oracle is the same layer of a model
 * without a controller: what it gives, quantized channel by channel here, and its own backward of
 * the gradient that passes the quantizer.
 */
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"
#include "support/fixture.h"
#include "support/oracle.h"

#include <stdbool.h>

enum { N = 2, C = 3, H = 5, W = 4, MOST = N * C * H * W };

/* RELU_SUM has its quantizer in front of the activation, as in 1.3 and 1.4. */
enum kind { NORMED, PLAIN, SUM, POOL, KINDS, RELU_SUM = KINDS, MORE_KINDS };

typedef struct chain {
    nncf_model *model;
    nncf_layer *tested;
    float weight[4][C * C], weight_grad[4][C * C];
    float gamma[C], beta[C], gamma_grad[C], beta_grad[C], mean[C], var[C];
} chain;

/* Whole weights up to 1: their quantizer, of scale 1, leaves them alone but for rounding of 1/127.
 */
static nncf_layer *conv(
    chain *m, int i, const char *scope, bool normed, int32_t groups, nncf_layer *input)
{
    nncf_layer *layer;
    nncf_error err = NNCF_ERROR_INIT;
    uint64_t seed = (uint64_t)i + 1;
    for (int j = 0; j < C * C; j++)
        m->weight[i][j] = (float)(fx_next(&seed) % 3) - 1;
    m->weight[i][0] = 1;
    for (int j = 0; j < C; j++) {
        m->gamma[j] = 1.5f + 0.25f * (float)j;
        m->beta[j] = 0.5f - 0.75f * (float)j;
        m->var[j] = 1;
    }
    const nncf_batch_norm_params bn = {NNCF_PARAMS(nncf_batch_norm_params), .weight = m->gamma,
        .bias = m->beta, .weight_grad = m->gamma_grad, .bias_grad = m->beta_grad,
        .running_mean = m->mean, .running_var = m->var};
    const nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = scope,
        .weight = m->weight[i], .weight_grad = m->weight_grad[i], .in_channels = C,
        .out_channels = C, .kernel = {1, 1}, .groups = groups,
        .activation = normed ? NNCF_ACTIVATION_RELU6 : NNCF_ACTIVATION_NONE,
        .batch_norm = normed ? &bn : NULL, .inputs = input ? &input : NULL,
        .n_inputs = input ? 1 : 0};
    ck_assert_msg(nncf_model_add_conv2d(m->model, &p, &layer, &err) == NNCF_OK, "%s", err.message);
    return layer;
}

/* Two convolutions, the layer that is tested, and one that reads it. */
static void build(chain *m, nncf_context *context, enum kind kind)
{
    nncf_error err = NNCF_ERROR_INIT;
    memset(m, 0, sizeof *m);
    ck_assert_int_eq(nncf_model_create(context, &m->model, NULL), NNCF_OK);
    nncf_layer *both[2] = {
        conv(m, 0, "Net/Conv2d[a]", false, 1, NULL), conv(m, 1, "Net/Conv2d[b]", false, 1, NULL)};
    nncf_status status = NNCF_OK;
    if (kind == SUM || kind == RELU_SUM) {
        const nncf_sum_params p = {NNCF_PARAMS(nncf_sum_params), .scope = "Net/__add___0",
            .activation = kind == SUM ? NNCF_ACTIVATION_NONE : NNCF_ACTIVATION_RELU, .inputs = both,
            .n_inputs = 2};
        status = nncf_model_add_sum(m->model, &p, &m->tested, &err);
    } else if (kind == POOL) {
        const nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = "Net/AvgPool2d[p]",
            .kind = NNCF_POOL_AVERAGE, .kernel = {2, 2}, .stride = {1, 1}, .inputs = both,
            .n_inputs = 1};
        status = nncf_model_add_pool2d(m->model, &p, &m->tested, &err);
    } else {
        m->tested = conv(m, 2, "Net/Conv2d[t]", kind == NORMED, 1, both[0]);
    }
    ck_assert_msg(status == NNCF_OK, "%s", err.message);
    /* a CPU reads what is depthwise channel by channel */
    conv(m, 3, "Net/Conv2d[sink]", false, kind == RELU_SUM ? C : 1, m->tested);
}

static nncf_parameter scale_of(const nncf_compression_ctrl *ctrl, const nncf_layer *layer)
{
    char name[128];
    snprintf(name, sizeof name, "%s.activation_quantizer.scale", nncf_layer_get_scope(layer));
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(ctrl); i++) {
        nncf_parameter p = fx_parameter_at(ctrl, i);
        if (strcmp(p.name, name) == 0)
            return p;
    }
    ck_abort_msg("no parameter %s", name);
}

START_TEST(outputs_are_quantized_channel_by_channel)
{
    const enum kind kind = (enum kind)_i;
    const size_t n_x = kind == SUM || kind == RELU_SUM ? 2 : 1;
    fx_context c;
    chain a, b;
    uint64_t seed = 77;
    float x[2][MOST], dx[2][MOST], dy[MOST], y[MOST], want[MOST], passed[MOST], want_dx[2][MOST];
    const int64_t in[4] = {N, C, H, W},
                  out[4] = {N, C, kind == POOL ? H - 1 : H, kind == POOL ? W - 1 : W};
    const size_t hw = (size_t)(out[2] * out[3]), count = N * C * hw;
    nncf_tensor tx[2], tdx[2], twant_dx[2];
    for (int i = 0; i < 2; i++) {
        tx[i] = (nncf_tensor){.data = x[i], .ndim = 4, .shape = in};
        tdx[i] = (nncf_tensor){.data = dx[i], .ndim = 4, .shape = in};
        twant_dx[i] = (nncf_tensor){.data = want_dx[i], .ndim = 4, .shape = in};
        fx_fill_from(x[i], MOST, (uint64_t)i + 9);
    }
    nncf_tensor ty = {.data = y, .ndim = 4, .shape = out},
                twant = {.data = want, .ndim = 4, .shape = out},
                tdy = {.data = dy, .ndim = 4, .shape = out},
                tpassed = {.data = passed, .ndim = 4, .shape = out};
    fx_open(&c, 2, 0);
    build(&a, c.context, kind);
    build(&b, c.context, kind);
    nncf_compression_ctrl *ctrl = fx_ctrl(a.model,
        "{\"compression\": {\"algorithm\": \"quantization\", \"activations\": "
        "{\"per_channel\": true, \"bits\": 4, \"signed\": true}}}");
    nncf_parameter scale = scale_of(ctrl, a.tested);
    ck_assert_uint_eq(scale.count, C);
    for (size_t k = 0; k < C;
         k++) /* small, so that some are clipped; different, so that channels show */
        scale.data[k] = (kind == NORMED        ? 2.0f
                                : kind == POOL ? 0.4f
                                               : 0.8f) *
            (1 + 0.5f * (float)k);

    ck_assert_int_eq(nncf_layer_forward(b.tested, tx, n_x, &twant, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_forward(a.tested, tx, n_x, &ty, NULL), NNCF_OK);
    double grad[C] = {0};
    size_t clipped = 0, at_ties = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t k = i / hw % C;
        const double s = (double)scale.data[k], step = s / 7, v = (double)want[i];
        const double code = fmin(fmax(rint(v / step), -8), 7);
        dy[i] = (float)fx_uniform(&seed);
        const double away = fabs(fabs(v / step - floor(v / step)) - 0.5);
        const double off = fabs((double)y[i] - code * step);
        const bool other_code = off >= 1e-5;
        ck_assert_msg(!other_code || (away < 1e-4 && fabs(off - step) < 1e-5),
            "element %zu: %g, want %g", i, (double)y[i], code * step);
        at_ties += other_code;
        const bool above = v > s, below = v < -8 * step;
        passed[i] = above || below ? 0 : dy[i];
        grad[k] += (double)dy[i] *
            (above          ? 1
                    : below ? -8.0 / 7
                            : ((double)y[i] - v) / (15 * step));
        clipped += above || below;
    }
    ck_assert(clipped > count / 50 && clipped < count / 2);
    /* values are in float off by 1e-6 of at most 30 steps */
    ck_assert_uint_le(at_ties, fx_at_most(count, 2 * 30 * 1e-6));
    ck_assert_int_eq(nncf_layer_backward(b.tested, tx, n_x, &tpassed, twant_dx, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_backward(a.tested, tx, n_x, &tdy, tdx, NULL), NNCF_OK);
    for (size_t k = 0; k < C; k++)
        ck_assert_double_eq_tol((double)scale.grad[k], grad[k], 1e-4);
    for (int j = 0; j < (kind == SUM ? 2 : 1); j++)
        for (size_t i = 0; i < MOST; i++)
            ck_assert_double_eq_tol((double)dx[j][i], (double)want_dx[j][i], 1e-4);
    for (size_t i = 0; i < C * C; i++)
        ck_assert_double_eq_tol((double)a.weight_grad[2][i], (double)b.weight_grad[2][i], 1e-3);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(a.model);
    nncf_model_destroy(b.model);
    fx_close(&c);
}
END_TEST

/* A tensor has as many channels as its quantizer: in every call, also while ranges are observed.
 * The arrays of more channels would be read and written behind their ends. */
START_TEST(tensors_of_other_widths_are_refused)
{
    enum { WIDE = 64 };
    const enum kind kind = (enum kind)_i;
    const size_t n_x = kind == SUM || kind == RELU_SUM ? 2 : 1;
    fx_context c;
    chain a;
    int32_t more;
    static float data[4][N * WIDE * H * W];
    const int64_t right[4] = {N, C, H, W},
                  out[4] = {N, C, kind == POOL ? H - 1 : H, kind == POOL ? W - 1 : W};
    fx_open(&c, 1, 0);
    build(&a, c.context, kind);
    nncf_compression_ctrl *ctrl = fx_ctrl(a.model,
        kind == RELU_SUM ? "{\"hw_config_type\": \"cpu\", \"compression\": {\"algorithm\": "
                           "\"quantization\"}}"
                         : "{\"compression\": {\"algorithm\": \"quantization\", \"initializer\": "
                           "{\"num_init_steps\": 1}, \"activations\": {\"per_channel\": true}}}");
    const nncf__layer_compression *l = a.tested->compression;
    ck_assert_ptr_nonnull(kind == RELU_SUM ? l->pre_activation_quantizer : l->output_quantizer);
    for (int observing = 0; observing < 2; observing++) {
        for (int64_t width = 1; width <= WIDE; width += width == 1 ? 1 : WIDE - 2) {
            const int64_t in[4] = {N, width, H, W}, wide[4] = {N, width, out[2], out[3]};
            nncf_tensor x[2] = {{.data = data[0], .ndim = 4, .shape = in},
                {.data = data[1], .ndim = 4, .shape = in}},
                        dx[2] = {{.data = data[2], .ndim = 4, .shape = in},
                            {.data = data[2], .ndim = 4, .shape = in}},
                        y = {.data = data[3], .ndim = 4, .shape = wide};
            int64_t shape[NNCF_MAX_NDIM];
            int32_t ndim;
            ck_assert_int_eq(nncf_layer_forward(a.tested, x, n_x, &y, NULL), NNCF_E_SHAPE);
            ck_assert_int_eq(nncf_layer_backward(a.tested, x, n_x, &y, dx, NULL), NNCF_E_SHAPE);
            ck_assert_int_eq(
                nncf_layer_get_output_shape(a.tested, x, n_x, shape, NNCF_MAX_NDIM, &ndim, NULL),
                NNCF_E_SHAPE);
            if (kind ==
                RELU_SUM) /* of the parts, quantize_output is the quantizer behind the layer */
                continue;
            ck_assert_int_eq(nncf_layer_quantize_output(a.tested, &y, &y, NULL), NNCF_E_SHAPE);
            ck_assert_int_eq(
                nncf_layer_quantize_output_backward(a.tested, &y, &y, &y, NULL), NNCF_E_SHAPE);
        }
        nncf_tensor x[2] = {{.data = data[0], .ndim = 4, .shape = right},
            {.data = data[1], .ndim = 4, .shape = right}},
                    y = {.data = data[3], .ndim = 4, .shape = out};
        ck_assert_int_eq(nncf_layer_forward(a.tested, x, n_x, &y, NULL), NNCF_OK);
        if (!observing)
            ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_OK);
    }
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(a.model);
    fx_close(&c);
}
END_TEST

/* A weight whose channels are its second dimension, with a rule that looks at all values of a
 * channel. */
START_TEST(a_transposed_weight_is_quantized_on_its_axis)
{
    enum { IN = 3, OUT = 2, KERNEL = 4 };
    fx_context c;
    nncf_model *model;
    nncf_layer *layer;
    nncf_error err = NNCF_ERROR_INIT;
    const int64_t shape[4] = {IN, OUT, 2, 2};
    float weight[IN * OUT * KERNEL], gradient[IN * OUT * KERNEL];
    fx_fill_from(weight, IN * OUT * KERNEL, 3);
    fx_open(&c, 1, 0);
    ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
    const nncf_op_params p = {NNCF_PARAMS(nncf_op_params), .op = NNCF_OP_CONV_TRANSPOSE2D,
        .scope = "Net/ConvTranspose2d[t]", .weight = weight, .weight_grad = gradient,
        .weight_ndim = 4, .weight_shape = shape};
    ck_assert_msg(nncf_model_add_op(model, &p, &layer, &err) == NNCF_OK, "%s", err.message);
    nncf_compression_ctrl *ctrl = fx_ctrl(model,
        "{\"nncf_dialect\": \"1.7\", \"target_device\": \"NONE\", \"compression\": {\"algorithm\": "
        "\"quantization\", \"weights\": {\"per_channel\": true}, \"initializer\": {\"range\": "
        "{\"type\": "
        "\"percentile\", \"params\": {\"min_percentile\": 0, \"max_percentile\": 100}}}}}");
    const nncf__quantizer *q = layer->compression->weight_quantizer;
    ck_assert_uint_eq(q->channels, OUT);
    for (int o = 0; o < OUT; o++) {
        float largest = 0;
        for (int i = 0; i < IN; i++)
            for (int k = 0; k < KERNEL; k++)
                largest = fmaxf(largest, fabsf(weight[(i * OUT + o) * KERNEL + k]));
        ck_assert_float_eq(q->bound[o], largest);
    }
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_close(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("per_channel");
    TCase *tcase = fx_case(suite, "per_channel", 60);
    tcase_add_loop_test(tcase, outputs_are_quantized_channel_by_channel, 0, KINDS);
    tcase_add_loop_test(tcase, tensors_of_other_widths_are_refused, 0, MORE_KINDS);
    tcase_add_test(tcase, a_transposed_weight_is_quantized_on_its_axis);
    return fx_main(suite);
}
