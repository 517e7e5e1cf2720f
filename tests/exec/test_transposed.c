/* SPDX-License-Identifier: Apache-2.0 */
/* Transposed convolutions with quantizers against loops in double, on any number of threads, and
 * what registration refuses. Plain ones are in test_torch_layers.c, their gradients and memory in
 * test_layer_nets.c. */
#include "support/ctrl.h"
#include "support/fixture.h"

#include <math.h>
#include <string.h>

enum { N = 2, IN = 4, OUT = 6, H = 5, W = 4, KERNEL = 3, STRIDE = 2, OUT_H = 10, OUT_W = 8 };
enum { X = N * IN * H * W, Y = N * OUT * OUT_H * OUT_W, MOST_WEIGHT = IN * OUT * KERNEL * KERNEL };

static const int64_t x_shape[4] = {N, IN, H, W}, y_shape[4] = {N, OUT, OUT_H, OUT_W};

static const char *const config =
    "{\"nncf_dialect\": \"1.7\", \"target_device\": \"NONE\", \"input_info\": {\"sample_size\": "
    "[1, 4, 5, 4]}, \"compression\": {\"algorithm\": \"quantization\", \"weights\": "
    "{\"per_channel\": true}, \"initializer\": {\"range\": {\"num_init_samples\": 2, \"type\": "
    "\"min_max\"}, \"batchnorm_adaptation\": {\"num_bn_adaptation_samples\": 0}}}}";

typedef struct rig {
    nncf_context *context;
    nncf_model *model;
    nncf_layer *layer;
    nncf_compression_ctrl *ctrl;
    float x[X], y[Y], dy[Y], dx[X], w[MOST_WEIGHT], dw[MOST_WEIGHT], b[OUT], db[OUT];
} rig;

static void open_rig(rig *r, int32_t threads, int32_t groups, bool quantized)
{
    nncf_error err = NNCF_ERROR_INIT;
    uint64_t state = 3;
    memset(r, 0, sizeof *r);
    fx_fill(r->x, X, 1, &state);
    fx_fill(r->dy, Y, 1, &state);
    fx_fill(r->w, MOST_WEIGHT, 0.5, &state);
    fx_fill(r->b, OUT, 0.5, &state);
    r->context = fx_new_context(NULL, threads, NNCF_ISA_BEST, 1);
    ck_assert_int_eq(nncf_model_create(r->context, &r->model, NULL), NNCF_OK);
    const nncf_conv_transpose2d_params p = {NNCF_PARAMS(nncf_conv_transpose2d_params),
        .scope = "Net/ConvTranspose2d[a]", .weight = r->w, .weight_grad = r->dw, .bias = r->b,
        .bias_grad = r->db, .in_channels = IN, .out_channels = OUT, .kernel = {KERNEL, KERNEL},
        .stride = {STRIDE, STRIDE}, .padding = {1, 1}, .output_padding = {1, 1}, .groups = groups};
    ck_assert_msg(nncf_model_add_conv_transpose2d(r->model, &p, &r->layer, &err) == NNCF_OK, "%s",
        err.message);
    if (quantized) {
        nncf_config *parsed = fx_config(r->context, config);
        ck_assert_msg(nncf_compression_ctrl_create(r->model, parsed, &r->ctrl, &err) == NNCF_OK,
            "%s", err.message);
        nncf_config_destroy(parsed);
    }
    nncf_tensor tx = {.data = r->x, .ndim = 4, .shape = x_shape},
                ty = {.data = r->y, .ndim = 4, .shape = y_shape};
    for (int32_t more = quantized; more;) {
        ck_assert_int_eq(nncf_compression_ctrl_init_step(r->ctrl, &more, NULL), NNCF_OK);
        if (more)
            ck_assert_int_eq(nncf_layer_forward(r->layer, &tx, 1, &ty, NULL), NNCF_OK);
    }
}

static void close_rig(rig *r)
{
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
    nncf_context_destroy(r->context);
}

static void step(rig *r)
{
    nncf_error err = NNCF_ERROR_INIT;
    float dy[Y];
    memcpy(dy, r->dy, sizeof dy);
    nncf_tensor tx = {.data = r->x, .ndim = 4, .shape = x_shape},
                ty = {.data = r->y, .ndim = 4, .shape = y_shape},
                tdy = {.data = dy, .ndim = 4, .shape = y_shape},
                tdx = {.data = r->dx, .ndim = 4, .shape = x_shape};
    ck_assert_msg(nncf_layer_forward(r->layer, &tx, 1, &ty, &err) == NNCF_OK, "%s", err.message);
    ck_assert_msg(
        nncf_layer_backward(r->layer, &tx, 1, &tdy, &tdx, &err) == NNCF_OK, "%s", err.message);
}

/* Every pixel is spread over the output. */
static void spread(const float *x, const float *w, const float *b, int32_t groups, double *y)
{
    const int each = OUT / groups;
    for (int i = 0; i < Y; i++)
        y[i] = (double)b[i / (OUT_H * OUT_W) % OUT];
    for (int i = 0; i < X; i++) {
        const int col = i % W, row = i / W % H, c = i / (W * H) % IN, n = i / (W * H * IN),
                  group = c / (IN / groups);
        for (int o = 0; o < each; o++)
            for (int k = 0; k < KERNEL * KERNEL; k++) {
                const int to_row = row * STRIDE - 1 + k / KERNEL,
                          to_col = col * STRIDE - 1 + k % KERNEL;
                if (to_row < 0 || to_row >= OUT_H || to_col < 0 || to_col >= OUT_W)
                    continue;
                y[((n * OUT + group * each + o) * OUT_H + to_row) * OUT_W + to_col] +=
                    (double)x[i] * (double)w[(c * each + o) * KERNEL * KERNEL + k];
            }
    }
}

/* One range a channel of the second dimension; the product is that of what quantizers make. */
START_TEST(a_quantized_one_equals_loops)
{
    const int32_t groups = _i;
    static rig r;
    static double want[Y];
    static float xq[X], wq[MOST_WEIGHT];
    nncf_tensor tx = {.data = r.x, .ndim = 4, .shape = x_shape},
                txq = {.data = xq, .ndim = 4, .shape = x_shape};
    open_rig(&r, 2, groups, true);
    size_t scales = 0, changed = 0;
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(r.ctrl); i++) {
        const nncf_parameter p = fx_parameter_at(r.ctrl, i);
        if (strstr(p.name, "weight") && p.kind == NNCF_PARAMETER_SCALE)
            scales += p.count;
    }
    ck_assert_uint_eq(scales, (size_t)(OUT / groups));
    step(&r);
    ck_assert_int_eq(nncf_layer_quantize_input(r.layer, &tx, &txq, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(r.layer, wq, NULL), NNCF_OK);
    for (int i = 0; i < X; i++)
        changed += xq[i] != r.x[i];
    ck_assert_uint_gt(changed, X / 2);
    spread(xq, wq, r.b, groups, want);
    for (int i = 0; i < Y; i++)
        ck_assert_double_eq_tol((double)r.y[i], want[i], 2e-6 * (1 + fabs(want[i])));
    close_rig(&r);
}
END_TEST

START_TEST(any_number_of_threads_gives_the_same_bits)
{
    static rig one, many;
    open_rig(&one, 1, 1 + _i % 2, _i / 2);
    step(&one);
    for (int32_t threads = 2; threads <= 5; threads++) {
        open_rig(&many, threads, 1 + _i % 2, _i / 2);
        step(&many);
        ck_assert_mem_eq(one.y, many.y, sizeof one.y);
        ck_assert_mem_eq(one.dx, many.dx, sizeof one.dx);
        ck_assert_mem_eq(one.dw, many.dw, sizeof one.dw);
        ck_assert_mem_eq(one.db, many.db, sizeof one.db);
        close_rig(&many);
    }
    close_rig(&one);
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
    static rig r;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *layer;
    int64_t shape[NNCF_MAX_NDIM];
    const int64_t small[4] = {1, IN, 1, 1};
    int32_t ndim;
    open_rig(&r, 1, 1, false);
    const nncf_conv_transpose2d_params good = {NNCF_PARAMS(nncf_conv_transpose2d_params),
        .scope = "Net/b", .weight = r.w, .in_channels = 6, .out_channels = 4, .kernel = {2, 2},
        .padding = {2, 2}, .inputs = &r.layer, .n_inputs = 1};
    nncf_conv_transpose2d_params p = good;
    p.groups = 4;
    ck_assert_int_eq(nncf_model_add_conv_transpose2d(r.model, &p, &layer, &err), NNCF_E_ARG);
    ck_assert_ptr_nonnull(
        strstr(err.message, "groups is 4, which does not divide in_channels (6)"));
    p = good;
    p.output_padding[1] = 1;
    ck_assert_int_eq(nncf_model_add_conv_transpose2d(r.model, &p, &layer, &err), NNCF_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "output_padding[1] is 1"));
    p = good;
    p.in_channels = 5;
    ck_assert_int_eq(nncf_model_add_conv_transpose2d(r.model, &p, &layer, &err), NNCF_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "has 6 channels"));
    p = good;
    p.kernel[0] = 0;
    ck_assert_int_eq(nncf_model_add_conv_transpose2d(r.model, &p, &layer, &err), NNCF_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "kernel[0] is 0"));
    p = good;
    p.in_channels = IN;
    p.n_inputs = 0;
    ck_assert_int_eq(nncf_model_add_conv_transpose2d(r.model, &p, &layer, &err), NNCF_OK);
    const nncf_tensor x = {.data = r.x, .ndim = 4, .shape = small};
    ck_assert_int_eq(
        nncf_layer_get_output_shape(layer, &x, 1, shape, NNCF_MAX_NDIM, &ndim, &err), NNCF_E_SHAPE);
    ck_assert_ptr_nonnull(strstr(err.message, "makes 2 of the output, and padding leaves out 4"));
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transposed");
    TCase *tests = fx_case(suite, "transposed", 30);
    tcase_add_loop_test(tests, a_quantized_one_equals_loops, 1, 3);
    tcase_add_loop_test(tests, any_number_of_threads_gives_the_same_bits, 0, 4);
    tcase_add_test(tests, what_cannot_be_is_refused);
    return fx_main(suite);
}
