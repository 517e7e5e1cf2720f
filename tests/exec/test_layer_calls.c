/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that differ from the call before: other shapes, other counts, a step in between. They are
 * right or refused; the sanitizers see what is read and written.
 */
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "support/ctrl.h"
#include "support/fixture.h"

#include <math.h>
#include <stdint.h>

enum { MOST = 400000 };

#define QUANTIZED_OUTPUTS                                                                          \
    "{\"input_info\": {\"sample_size\": [1, 3, 8, 8]}, \"compression\": "                          \
    "{\"algorithm\": \"quantization\", \"quantize_outputs\": true, "                               \
    "\"initializer\": {\"num_init_steps\": 1}}}"

static float xa[MOST], xb[MOST], out[MOST], gradient[MOST];

typedef struct net {
    fx_context c;
    nncf_model *model;
    nncf_layer *relu[2];
    /* nullable: what reads the layer that is tested, with 8 outputs */
    nncf_layer *reader;
} net;

/* Two activations, whose outputs quantizers can be put on. */
static void open_net(net *n)
{
    nncf_error err = NNCF_ERROR_INIT;
    *n = (net){0};
    fx_open(&n->c, 1, 3);
    ck_assert_int_eq(nncf_model_create(n->c.context, &n->model, NULL), NNCF_OK);
    for (int i = 0; i < 2; i++) {
        const nncf_activation_params p = {NNCF_PARAMS(nncf_activation_params),
            .scope = i ? "N/ReLU[b]" : "N/ReLU[a]", .activation = NNCF_ACTIVATION_RELU};
        ck_assert_msg(nncf_model_add_activation(n->model, &p, &n->relu[i], &err) == NNCF_OK, "%s",
            err.message);
    }
    for (int i = 0; i < MOST; i++)
        xa[i] = xb[i] = (float)(i % 7);
}

static void close_net(net *n)
{
    nncf_model_destroy(n->model);
    fx_close(&n->c);
}

static nncf_tensor view(float *data, int32_t ndim, const int64_t *shape)
{
    return (nncf_tensor){.data = data, .ndim = ndim, .shape = shape};
}

/* Forward of the layer with both inputs, of these shapes of three dimensions. */
static void forward(nncf_layer *layer, const int64_t a[3], const int64_t b[3], const int64_t y[3])
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_tensor x[2] = {view(xa, 3, a), view(xb, 3, b)};
    nncf_tensor ty = view(out, 3, y);
    ck_assert_msg(nncf_layer_forward(layer, x, 2, &ty, &err) == NNCF_OK, "%s", err.message);
}

/* One batch for the ranges: both activations, then the layer. */
static void initialize(net *n, nncf_compression_ctrl *ctrl, nncf_layer *layer, const int64_t a[3],
    const int64_t b[3], const int64_t y[3])
{
    nncf_error err = NNCF_ERROR_INIT;
    int32_t more = 0;
    while (nncf_compression_ctrl_init_step(ctrl, &more, &err) == NNCF_OK && more) {
        const nncf_tensor x[2] = {view(xa, 3, a), view(xb, 3, b)};
        for (int i = 0; i < 2; i++) {
            nncf_tensor ty = view(out, 3, i ? b : a);
            ck_assert_int_eq(nncf_layer_forward(n->relu[i], &x[i], 1, &ty, &err), NNCF_OK);
        }
        forward(layer, a, b, y);
        if (n->reader) {
            const int64_t shape[3] = {y[0], y[1], 8};
            const nncf_tensor ty = view(out, 3, y);
            nncf_tensor tz = view(gradient, 3, shape);
            ck_assert_int_eq(nncf_layer_forward(n->reader, &ty, 1, &tz, &err), NNCF_OK);
        }
    }
    ck_assert_msg(err.status == NNCF_OK, "%s", err.message);
}

/* A second product of other sizes needs more workspace than the first one's output has: once it was
 * written past the end. */
START_TEST(a_matrix_product_of_a_second_shape)
{
    static const int64_t many[3] = {100, 4, 4}, a[3] = {1, 28, 28}, b[3] = {1, 28, 4};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *layer;
    static float weight[32];
    net n;
    open_net(&n);
    const nncf_matmul_params p = {NNCF_PARAMS(nncf_matmul_params), .scope = "N/matmul_0",
        .transpose_a = 1, .inputs = n.relu, .n_inputs = 2};
    ck_assert_msg(nncf_model_add_matmul(n.model, &p, &layer, &err) == NNCF_OK, "%s", err.message);
    /* its reader, so that a quantizer stands between them */
    const nncf_linear_params fc = {NNCF_PARAMS(nncf_linear_params), .scope = "N/Linear[fc]",
        .weight = weight, .in_features = 4, .out_features = 8, .inputs = &layer, .n_inputs = 1};
    ck_assert_int_eq(nncf_model_add_linear(n.model, &fc, &n.reader, &err), NNCF_OK);
    nncf_compression_ctrl *ctrl = fx_ctrl(n.model, QUANTIZED_OUTPUTS);
    initialize(&n, ctrl, layer, many, many, many);
    ck_assert(layer->compression->output_quantizer != NULL);
    forward(layer, many, many, many);
    forward(layer, a, b, b);
    nncf_compression_ctrl_destroy(ctrl);
    close_net(&n);
}
END_TEST

START_TEST(backward_of_another_second_shape_is_refused)
{
    static const int64_t a[3] = {1, 4, 16}, y[3] = {1, 8, 16}, wide[3] = {1, 20000, 16},
                         wide_y[3] = {1, 20004, 16};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *layer;
    net n;
    open_net(&n);
    const nncf_concat_params p = {
        NNCF_PARAMS(nncf_concat_params), .scope = "N/cat_0", .inputs = n.relu, .n_inputs = 2};
    ck_assert_msg(nncf_model_add_concat(n.model, &p, &layer, &err) == NNCF_OK, "%s", err.message);
    nncf_compression_ctrl *ctrl = fx_ctrl(n.model,
        "{\"compression\": {\"algorithm\": \"quantization\", \"quantize_outputs\": true, "
        "\"quantizable_subgraph_patterns\": [\"cat\"], \"initializer\": {\"num_init_steps\": 1}}}");
    initialize(&n, ctrl, layer, a, a, y);
    forward(layer, a, a, y);
    const nncf_tensor x[2] = {view(xa, 3, a), view(xb, 3, wide)};
    nncf_tensor dy = view(gradient, 3, wide_y);
    ck_assert_int_eq(nncf_layer_backward(layer, x, 2, &dy, NULL, &err), NNCF_E_SHAPE);
    ck_assert_msg(strstr(err.message, "N/cat_0") != NULL, "%s", err.message);
    nncf_compression_ctrl_destroy(ctrl);
    close_net(&n);
}
END_TEST

/* Names of tensors end at eight. */
START_TEST(a_host_operator_of_ten_inputs_is_refused_whatever_they_are)
{
    static const int64_t shape[4] = {1, 2, 2, 2};
    nncf_layer *in[10], *layer;
    net n;
    open_net(&n);
    for (int i = 0; i < 10; i++)
        in[i] = n.relu[i % 2];
    const nncf_op_params p = {NNCF_PARAMS(nncf_op_params), .scope = "N/cat_0", .op = NNCF_OP_CONCAT,
        .inputs = in, .n_inputs = 10};
    ck_assert_int_eq(nncf_model_add_op(n.model, &p, &layer, NULL), NNCF_OK);
    for (int bad = 0; bad < 10; bad++) {
        nncf_error err = NNCF_ERROR_INIT;
        nncf_tensor x[10], y = view(out, 4, shape);
        for (int i = 0; i < 10; i++)
            x[i] = view(xa, 4, shape);
        if (bad > 0) /* the first one is looked at */
            x[bad].dtype = 77;
        ck_assert_int_eq(nncf_layer_forward(layer, x, 10, &y, &err), NNCF_E_UNSUPPORTED);
        ck_assert_int_eq(nncf_layer_backward(layer, x, 10, &y, NULL, &err), NNCF_E_UNSUPPORTED);
    }
    close_net(&n);
}
END_TEST

/* Each use has the mask that its own forward drew. */
START_TEST(a_step_between_forward_and_backward_is_refused_for_each_use)
{
    static const int64_t shape[2] = {1, 8};
    static float weight[64], weight_grad[64];
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *layer;
    net n;
    open_net(&n);
    for (int i = 0; i < 64; i++)
        weight[i] = 0.1f * (float)(i % 9 - 4);
    const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "N/Linear[a]",
        .weight = weight, .weight_grad = weight_grad, .in_features = 8, .out_features = 8};
    ck_assert_int_eq(nncf_model_add_linear(n.model, &p, &layer, NULL), NNCF_OK);
    nncf_compression_ctrl *ctrl = fx_ctrl(n.model, FX_CONFIG(FX_RB));
    int32_t more = 0;
    ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_set_uses(layer, 2, NULL), NNCF_OK);
    const nncf_tensor x[2] = {view(xa, 2, shape), view(xb + 3, 2, shape)};
    nncf_tensor y = view(out, 2, shape), dy = view(gradient, 2, shape);
    ck_assert_int_eq(nncf_layer_forward(layer, &x[0], 1, &y, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_select_use(layer, 1, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_forward(layer, &x[1], 1, &y, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_select_use(layer, 0, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_backward(layer, &x[0], 1, &dy, NULL, &err), NNCF_E_STATE);
    ck_assert_msg(strstr(err.message, "other masks") != NULL, "%s", err.message);
    /* the other use belongs to this step */
    ck_assert_int_eq(nncf_layer_select_use(layer, 1, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_backward(layer, &x[1], 1, &dy, NULL, NULL), NNCF_OK);
    nncf_compression_ctrl_destroy(ctrl);
    close_net(&n);
}
END_TEST

START_TEST(nearest_upsampling_copies)
{
    static const int64_t small[4] = {1, 1, 2, 2}, large[4] = {1, 1, 4, 4};
    float x[4] = {1, INFINITY, -0.0f, 3}, y[16];
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *layer;
    net n;
    open_net(&n);
    nncf_upsample_params p = {NNCF_PARAMS(nncf_upsample_params), .scope = "N/up",
        .kind = NNCF_UPSAMPLE_NEAREST, .factor = {2, 2}};
    ck_assert_int_eq(nncf_model_add_upsample(n.model, &p, &layer, NULL), NNCF_OK);
    nncf_tensor tx = view(x, 4, small), ty = view(y, 4, large);
    ck_assert_int_eq(nncf_layer_forward(layer, &tx, 1, &ty, NULL), NNCF_OK);
    for (int i = 0; i < 16; i++)
        ck_assert(memcmp(&y[i], &x[i / 8 * 2 + i % 4 / 2], sizeof(float)) == 0);
    for (int i = 0; i < 16; i++) /* now a gradient: an infinity goes to one element */
        y[i] = i == 3 ? -INFINITY : 1;
    float dx[4];
    nncf_tensor tdx = view(dx, 4, small);
    ck_assert_int_eq(nncf_layer_backward(layer, &tx, 1, &ty, &tdx, NULL), NNCF_OK);
    ck_assert(dx[0] == 4 && dx[1] == -INFINITY && dx[2] == 4 && dx[3] == 4);

    p.scope = "N/up2";
    p.factor[0] = 1 << 30;
    ck_assert_int_eq(nncf_model_add_upsample(n.model, &p, &layer, NULL), NNCF_OK);
    const int64_t tall[4] = {1, 1, ((int64_t)1 << 34) + 1, 1};
    int64_t shape[8];
    int32_t ndim = 0;
    nncf_tensor huge = {.ndim = 4, .shape = tall};
    ck_assert_int_eq(
        nncf_layer_get_output_shape(layer, &huge, 1, shape, 8, &ndim, &err), NNCF_E_SHAPE);
    close_net(&n);
}
END_TEST

/* Where output pixel o of `of` reads an axis of `in`: the lower neighbour, and the upper's part.
 */
static double place(int32_t kind, int64_t o, int64_t factor, int64_t in, int64_t of, int64_t *at)
{
    double x = kind == NNCF_UPSAMPLE_BILINEAR ? ((double)o + 0.5) / (double)factor - 0.5
                                              : (double)o * (double)(in - 1) / (double)(of - 1);
    x = kind == NNCF_UPSAMPLE_NEAREST ? (double)(o / factor) : x < 0 ? 0 : x;
    *at = (int64_t)x;
    return x - (double)*at;
}

/* Planes wider than what is worked on at a time, by the factors 2 and 3: forward by a plain loop,
 * backward by <dy, f(x)> = <f'(dy), x>, as the layer is linear. */
START_TEST(wide_planes_are_upsampled)
{
    enum { H = 3, W = 45 };
    static const int64_t small[4] = {1, 2, H, W};
    const int32_t kind = _i % 3, factor = 2 + _i / 3;
    const int64_t large[4] = {1, 2, H * 2, W * factor}, count = 2 * large[2] * large[3];
    uint64_t state = 5;
    nncf_layer *layer;
    net n;
    open_net(&n);
    const nncf_upsample_params p = {
        NNCF_PARAMS(nncf_upsample_params), .scope = "N/up", .kind = kind, .factor = {2, factor}};
    ck_assert_int_eq(nncf_model_add_upsample(n.model, &p, &layer, NULL), NNCF_OK);
    fx_fill(xa, 2 * H * W, 1, &state);
    nncf_tensor x = view(xa, 4, small), y = view(out, 4, large), dx = view(gradient, 4, small);
    ck_assert_int_eq(nncf_layer_forward(layer, &x, 1, &y, NULL), NNCF_OK);
    for (int64_t i = 0; i < count; i++) {
        int64_t r, c;
        const double down = place(kind, i / large[3] % large[2], 2, H, large[2], &r),
                     right = place(kind, i % large[3], factor, W, large[3], &c);
        const float *row = xa + i / (large[2] * large[3]) * H * W + r * W + c;
        const int64_t below = r < H - 1 ? W : 0, beside = c < W - 1 ? 1 : 0;
        const double want =
            (1 - down) * ((1 - right) * (double)row[0] + right * (double)row[beside]) +
            down * ((1 - right) * (double)row[below] + right * (double)row[below + beside]);
        ck_assert_msg(fabs((double)out[i] - want) < 1e-5, "kind %d, factor %d, %d: %g, not %g",
            (int)kind, (int)factor, (int)i, (double)out[i], want);
    }
    double forwards = 0, backwards = 0;
    fx_fill(xb, (size_t)count, 1, &state);
    for (int64_t i = 0; i < count; i++)
        forwards += (double)xb[i] * (double)out[i];
    nncf_tensor dy = view(xb, 4, large);
    ck_assert_int_eq(nncf_layer_backward(layer, &x, 1, &dy, &dx, NULL), NNCF_OK);
    for (int i = 0; i < 2 * H * W; i++)
        backwards += (double)gradient[i] * (double)xa[i];
    ck_assert_double_eq_tol(forwards, backwards, 1e-4);
    close_net(&n);
}
END_TEST

START_TEST(channels_of_nested_concatenations_have_a_limit)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status = NNCF_OK;
    net n;
    open_net(&n);
    const nncf_linear_params fc = {NNCF_PARAMS(nncf_linear_params), .scope = "N/Linear[fc]",
        .weight = xa, .in_features = 8, .out_features = 8};
    nncf_layer *layer;
    ck_assert_int_eq(nncf_model_add_linear(n.model, &fc, &layer, NULL), NNCF_OK);
    for (int i = 0; status == NNCF_OK && i < 30; i++) {
        char scope[32];
        nncf_layer *in[8];
        for (int k = 0; k < 8; k++)
            in[k] = layer;
        snprintf(scope, sizeof scope, "N/cat_%d", i);
        const nncf_concat_params p = {
            NNCF_PARAMS(nncf_concat_params), .scope = scope, .inputs = in, .n_inputs = 8};
        status = nncf_model_add_concat(n.model, &p, &layer, &err);
    }
    ck_assert_int_ne(status, NNCF_OK);
    ck_assert_msg(strstr(err.message, "channels") != NULL, "%s", err.message);
    close_net(&n);
}
END_TEST

START_TEST(floats_of_norms_and_constants_are_aligned)
{
    static float data[8];
    float *odd = (float *)(void *)((char *)data + 1);
    nncf_error err = NNCF_ERROR_INIT;
    static const int64_t shape[1] = {2};
    nncf_layer *layer;
    net n;
    open_net(&n);
    const nncf_layer_norm_params norm = {
        NNCF_PARAMS(nncf_layer_norm_params), .scope = "N/LayerNorm[n]", .size = 2, .weight = odd};
    ck_assert_int_eq(nncf_model_add_layer_norm(n.model, &norm, &layer, &err), NNCF_E_ARG);
    const nncf_tensor constant = view(odd, 1, shape);
    const nncf_op_params op = {NNCF_PARAMS(nncf_op_params), .scope = "N/PReLU[p]",
        .op = NNCF_OP_PRELU, .constants = &constant, .n_constants = 1, .inputs = n.relu,
        .n_inputs = 1};
    ck_assert_int_eq(nncf_model_add_op(n.model, &op, &layer, &err), NNCF_E_ARG);
    ck_assert_msg(strstr(err.message, "constants[0] is not aligned") != NULL, "%s", err.message);
    close_net(&n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("layer_calls");
    TCase *tests = fx_case(suite, "calls", 60);
    tcase_add_test(tests, a_matrix_product_of_a_second_shape);
    tcase_add_test(tests, backward_of_another_second_shape_is_refused);
    tcase_add_test(tests, a_host_operator_of_ten_inputs_is_refused_whatever_they_are);
    tcase_add_test(tests, a_step_between_forward_and_backward_is_refused_for_each_use);
    tcase_add_test(tests, nearest_upsampling_copies);
    tcase_add_loop_test(tests, wide_planes_are_upsampled, 0, 6);
    tcase_add_test(tests, channels_of_nested_concatenations_have_a_limit);
    tcase_add_test(tests, floats_of_norms_and_constants_are_aligned);
    return fx_main(suite);
}
