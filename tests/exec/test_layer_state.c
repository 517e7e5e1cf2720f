/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What forward keeps for backward belongs to one call: a backward of another call is refused, with
 * a line in the log that names the layer, and what is right is not refused. The values are those of
 * y = relu(w x), by hand.
 */
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "support/fixture.h"

enum { WIDE = 4096 };

typedef struct rig {
    fx_context c;
    nncf_model *model;
    nncf_layer *layer;
    float w, dw;
} rig;

static void open_rig(rig *r, int32_t activation)
{
    nncf_error err = NNCF_ERROR_INIT;
    *r = (rig){.w = -2};
    fx_open(&r->c, 1, 0);
    ck_assert_int_eq(nncf_model_create(r->c.context, &r->model, NULL), NNCF_OK);
    const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "N/Linear[a]",
        .weight = &r->w, .weight_grad = &r->dw, .in_features = 1, .out_features = 1,
        .activation = activation};
    ck_assert_msg(
        nncf_model_add_linear(r->model, &p, &r->layer, &err) == NNCF_OK, "%s", err.message);
}

static void close_rig(rig *r)
{
    nncf_model_destroy(r->model);
    fx_close(&r->c);
}

static const int64_t one[2] = {1, 1}, wide[2] = {WIDE, 1};

static nncf_tensor view(float *data, const int64_t *shape)
{
    return (nncf_tensor){.data = data, .ndim = 2, .shape = shape};
}

static nncf_status forward(rig *r, float *x, float *y, const int64_t *shape)
{
    nncf_tensor tx = view(x, shape), ty = view(y, shape);
    return nncf_layer_forward(r->layer, &tx, 1, &ty, NULL);
}

static nncf_status backward(rig *r, float *x, float *dy, float *dx, const int64_t *shape)
{
    nncf_tensor tx = view(x, shape), tdy = view(dy, shape), tdx = view(dx, shape);
    return nncf_layer_backward(r->layer, &tx, 1, &tdy, &tdx, NULL);
}

/* Use A is dead behind the relu, use B alive. */
START_TEST(backward_of_an_earlier_forward_is_refused)
{
    rig r;
    float a = 1, b = -3, y, d = 1, dx = 0;
    open_rig(&r, NNCF_ACTIVATION_RELU);
    ck_assert_int_eq(forward(&r, &a, &y, one), NNCF_OK);
    ck_assert_int_eq(forward(&r, &b, &y, one), NNCF_OK);
    ck_assert_int_eq(backward(&r, &a, &d, &dx, one), NNCF_E_STATE); /* the state is that of B */
    ck_assert_int_eq(r.c.errors, 1);
    ck_assert_ptr_nonnull(
        strstr(r.c.log, "nncf_layer_backward: N/Linear[a]: x is not what the last forward read"));
    ck_assert(r.dw == 0 && d == 1 && dx == 0);
    ck_assert_int_eq(backward(&r, &b, &d, &dx, one), NNCF_OK);
    ck_assert(r.dw == -3 && dx == -2);
    d = 1;
    ck_assert_int_eq(backward(&r, &a, &d, &dx, one), NNCF_E_STATE);
    ck_assert_int_eq(backward(&r, &b, &d, &dx, one), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(r.c.log, "the backward of the last forward ran already"));
    ck_assert(r.dw == -3 && d == 1);
    ck_assert_int_eq(forward(&r, &a, &y, one), NNCF_OK); /* in turn */
    ck_assert_int_eq(backward(&r, &a, &d, &dx, one), NNCF_OK);
    ck_assert(r.dw == -3 && dx == 0);
    close_rig(&r);
}
END_TEST

START_TEST(repeated_and_split_calls_are_taken)
{
    rig r;
    static float a[WIDE], b[WIDE], copy[WIDE], y[WIDE], d[WIDE], dx[WIDE];
    fx_fill_from(a, WIDE, 1);
    fx_fill_from(b, WIDE, 2);
    open_rig(&r, NNCF_ACTIVATION_RELU);
    for (int i = 0; i < 3; i++) { /* batches whose gradients add up */
        ck_assert_int_eq(forward(&r, a, y, wide), NNCF_OK);
        ck_assert_int_eq(backward(&r, a, d, dx, wide), NNCF_OK);
    }
    ck_assert_int_eq(forward(&r, a, y, wide), NNCF_OK); /* its result is thrown away */
    ck_assert_int_eq(forward(&r, b, y, wide), NNCF_OK);
    memcpy(copy, b, sizeof b);
    ck_assert_int_eq(backward(&r, copy, d, dx, wide), NNCF_OK); /* the same contents, elsewhere */
    ck_assert_int_eq(forward(&r, a, y, wide), NNCF_OK);
    memcpy(copy, a, sizeof a);
    ck_assert_int_eq(backward(&r, copy, d, dx, wide), NNCF_OK);
    ck_assert_int_eq(
        forward(&r, a, y, wide), NNCF_OK); /* an evaluation that comes after the step */
    ck_assert_int_eq(backward(&r, a, d, dx, wide), NNCF_OK);
    ck_assert_int_eq(nncf_model_set_mode(r.model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    ck_assert_int_eq(forward(&r, b, y, wide), NNCF_OK);
    ck_assert_int_eq(nncf_model_set_mode(r.model, NNCF_MODE_TRAIN, NULL), NNCF_OK);
    ck_assert_int_eq(backward(&r, a, d, dx, wide), NNCF_E_STATE); /* but not in between */
    ck_assert_int_eq(r.c.errors, 1);
    ck_assert_ptr_nonnull(strstr(r.c.log, "there is no forward in train mode to go back through"));
    close_rig(&r);
}
END_TEST

/* Inputs that differ in a single element, which a look at some of them would miss. */
START_TEST(an_input_that_differs_in_one_element_is_refused)
{
    rig r;
    static float a[WIDE], b[WIDE], y[WIDE], d[WIDE], dx[WIDE];
    open_rig(&r, NNCF_ACTIVATION_RELU);
    for (size_t i = 0; i < WIDE; i += 7) {
        b[i] = 1;
        ck_assert_int_eq(forward(&r, a, y, wide), NNCF_OK);
        ck_assert_int_eq(forward(&r, b, y, wide), NNCF_OK);
        ck_assert_int_eq(backward(&r, a, d, dx, wide), NNCF_E_STATE);
        ck_assert_int_eq(backward(&r, b, d, dx, wide), NNCF_OK);
        b[i] = 0;
    }
    close_rig(&r);
}
END_TEST

/* A host that works in place: the input of the layer is gone when backward comes. */
START_TEST(an_input_that_was_overwritten_is_refused)
{
    rig r;
    static float a[WIDE], y[WIDE], d[WIDE], dx[WIDE];
    fx_fill_from(a, WIDE, 3);
    open_rig(&r, NNCF_ACTIVATION_RELU);
    ck_assert_int_eq(forward(&r, a, y, wide), NNCF_OK);
    for (size_t i = 0; i < WIDE; i++)
        a[i] = fmaxf(a[i], 0);
    ck_assert_int_eq(backward(&r, a, d, dx, wide), NNCF_E_STATE);
    ck_assert(r.dw == 0);
    close_rig(&r);
}
END_TEST

/* Where backward needs nothing of its forward, any order is right: a linear head without an
 * activation, say. */
START_TEST(layers_that_keep_nothing_take_any_backward)
{
    rig r;
    float a = 1, b = -3, y, d = 1, dx = 0;
    open_rig(&r, NNCF_ACTIVATION_NONE);
    ck_assert_int_eq(forward(&r, &a, &y, one), NNCF_OK);
    ck_assert_int_eq(forward(&r, &b, &y, one), NNCF_OK);
    ck_assert_int_eq(backward(&r, &b, &d, &dx, one), NNCF_OK);
    ck_assert(r.dw == -3 && dx == -2);
    d = 1;
    ck_assert_int_eq(backward(&r, &a, &d, &dx, one), NNCF_OK);
    ck_assert(r.dw == -2 && dx == -2);
    close_rig(&r);
}
END_TEST

/* With quantizers: an own input that is kept as codes, and a pool that keeps what it quantizes. */
START_TEST(layers_with_quantizers_refuse_another_input)
{
    rig r;
    nncf_layer *pool;
    float a[4] = {0.5f, 0.25f, -1, 1}, b[4] = {1, -0.5f, 0.25f, 0.75f}, y[4], d[4] = {1, 1, 1, 1},
          dx[4] = {0};
    const int64_t column[2] = {4, 1}, plane[4] = {1, 1, 2, 2}, point[4] = {1, 1, 1, 1};
    nncf_error err = NNCF_ERROR_INIT;
    open_rig(&r, NNCF_ACTIVATION_NONE);
    const nncf_pool2d_params pp = {NNCF_PARAMS(nncf_pool2d_params), .scope = "N/AvgPool2d[p]",
        .kind = NNCF_POOL_AVERAGE, .kernel = {2, 2}, .inputs = &r.layer, .n_inputs = 1};
    ck_assert_msg(nncf_model_add_pool2d(r.model, &pp, &pool, &err) == NNCF_OK, "%s", err.message);
    fx_layer reader = fx_add_conv(r.model, "N/Conv2d[c]", 1, 1, 1, NULL, pool);
    nncf_tensor pa = {.data = a, .ndim = 4, .shape = plane},
                pb = {.data = b, .ndim = 4, .shape = plane},
                py = {.data = y, .ndim = 4, .shape = point},
                pd = {.data = d, .ndim = 4, .shape = point},
                pdx = {.data = dx, .ndim = 4, .shape = plane};
    nncf_compression_ctrl *ctrl =
        fx_ctrl(r.model, "{\"compression\": {\"algorithm\": \"quantization\"}}");
    ck_assert_uint_eq(fx_parameter(ctrl, "N/Linear[a].input_quantizer.scale").count, 1);
    ck_assert_uint_eq(fx_parameter(ctrl, "N/AvgPool2d[p].activation_quantizer.scale").count, 1);
    ck_assert_int_eq(forward(&r, a, y, column), NNCF_OK);
    ck_assert_int_eq(forward(&r, b, y, column), NNCF_OK);
    ck_assert_int_eq(backward(&r, a, d, dx, column), NNCF_E_STATE);
    ck_assert_int_eq(backward(&r, b, d, dx, column), NNCF_OK);
    ck_assert_int_eq(backward(&r, b, d, dx, column), NNCF_E_STATE);
    ck_assert_int_eq(nncf_layer_forward(pool, &pa, 1, &py, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_forward(pool, &pb, 1, &py, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_backward(pool, &pa, 1, &pd, &pdx, NULL), NNCF_E_STATE);
    ck_assert_int_eq(nncf_layer_backward(pool, &pb, 1, &pd, &pdx, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_backward(pool, &pb, 1, &pd, &pdx, NULL), NNCF_E_STATE);
    nncf_compression_ctrl_destroy(ctrl);
    close_rig(&r);
    fx_layer_free(&reader);
}
END_TEST

/* A random mask is made again from the step's number: backward in another step would make another
 * one. */
START_TEST(a_mask_of_another_step_is_refused)
{
    rig r;
    float x = 1, y, d = 1, dx = 0, w, g = 1;
    open_rig(&r, NNCF_ACTIVATION_RELU);
    nncf_compression_ctrl *ctrl = fx_ctrl(r.model,
        "{\"compression\": {\"algorithm\": \"rb_sparsity\", \"params\": "
        "{\"sparsity_training_steps\": 2}}}");
    ck_assert_int_eq(nncf_layer_compress_weight_backward(r.layer, &g, NULL), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(r.c.log, "the weight was not asked for before its gradient came"));
    ck_assert_int_eq(forward(&r, &x, &y, one), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(backward(&r, &x, &d, &dx, one), NNCF_E_STATE);
    ck_assert_ptr_nonnull(
        strstr(r.c.log, "forward was in step 0, and this is step 1 with other masks"));
    ck_assert(r.dw == 0);
    /* the parts: one weight may serve several products, and evaluations may come in between */
    ck_assert_int_eq(nncf_layer_compress_weight(r.layer, &w, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(r.layer, &w, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(r.layer, &g, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_set_mode(r.model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(r.layer, &g, NULL), NNCF_E_STATE);
    ck_assert_int_eq(nncf_layer_compress_weight(r.layer, &w, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(r.layer, &g, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_set_mode(r.model, NNCF_MODE_TRAIN, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(r.layer, &g, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(r.layer, &g, NULL), NNCF_E_STATE);
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(r.layer, &w, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_compression_ctrl_epoch_step(ctrl, NULL), NNCF_OK); /* from here on masks are fixed */
    ck_assert_int_eq(nncf_layer_compress_weight_backward(r.layer, &g, NULL), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(r.c.log, "was random in forward and is fixed now"));
    ck_assert_int_eq(nncf_layer_compress_weight(r.layer, &w, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(r.layer, &g, NULL), NNCF_OK);
    nncf_compression_ctrl_destroy(ctrl);
    close_rig(&r);
}
END_TEST

/* Statistics of one value are that value: all of the layer's output would be beta, and its gradient
 * 0. */
START_TEST(batch_norm_of_one_value_is_refused)
{
    rig r;
    nncf_layer *layer;
    nncf_error err = NNCF_ERROR_INIT;
    float w[2] = {1, 2}, mean[2] = {0, 0}, var[2] = {1, 1}, x[2] = {1, 1}, y[4] = {7, 7, 7, 7};
    const int64_t two[2] = {2, 1}, out[2] = {2, 2}, single[2] = {1, 2};
    const nncf_batch_norm_params bn = {
        NNCF_PARAMS(nncf_batch_norm_params), .running_mean = mean, .running_var = var};
    open_rig(&r, NNCF_ACTIVATION_NONE);
    const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "N/Linear[b]",
        .weight = w, .in_features = 1, .out_features = 2, .batch_norm = &bn};
    ck_assert_msg(nncf_model_add_linear(r.model, &p, &layer, &err) == NNCF_OK, "%s", err.message);
    nncf_tensor tx = view(x, one), ty = view(y, single), tx2 = view(x, two), ty2 = view(y, out);
    ck_assert_int_eq(nncf_layer_forward(layer, &tx, 1, &ty, NULL), NNCF_E_SHAPE);
    ck_assert_ptr_nonnull(strstr(r.c.log, "N/Linear[b]: y has one value a channel, (1,2,1,1)"));
    ck_assert(y[0] == 7 && mean[0] == 0 && var[0] == 1);
    ck_assert_int_eq(nncf_layer_forward(layer, &tx2, 1, &ty2, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_set_mode(r.model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_forward(layer, &tx, 1, &ty, NULL), NNCF_OK);
    close_rig(&r);
}
END_TEST

/* The caller's record and the log tell the same: the layer, the tensor, what it is, what it should
 * be. */
static void check_refusal(rig *r, const char *call, nncf_status found, nncf_status wanted,
    const nncf_error *err, const char *reason)
{
    char line[700];
    ck_assert_msg(found == wanted, "%s: %s, not %s: %s", call, nncf_status_name(found),
        nncf_status_name(wanted), err->message);
    ck_assert_int_eq(err->status, wanted);
    ck_assert_str_eq(err->where, "N/Linear[a]");
    ck_assert_msg(strncmp(err->message, "N/Linear[a]: ", 13) == 0 && strstr(err->message, reason),
        "%s: no \"%s\" in \"%s\"", call, reason, err->message);
    snprintf(line, sizeof line, "%s: %s\n", call, err->message);
    ck_assert_msg(strstr(r->c.log, line) != NULL, "no \"%s\" in %s", line, r->c.log);
}

/* call is the name of a function without nncf_layer_, arguments all but err */
#define REFUSED(wanted, reason, call, ...)                                                         \
    do {                                                                                           \
        nncf_error err = NNCF_ERROR_INIT;                                                          \
        check_refusal(                                                                             \
            &r, "nncf_layer_" #call, nncf_layer_##call(__VA_ARGS__, &err), wanted, &err, reason);  \
        ck_assert_int_eq(nncf_layer_##call(__VA_ARGS__, NULL), wanted);                            \
        n_refused += 2;                                                                            \
    } while (0)

START_TEST(refusals_name_layer_tensor_and_shapes)
{
    rig r;
    float x[6] = {0}, y[6], w;
    const int64_t in[2] = {2, 3}, out[2] = {2, 1}, two[1] = {2}, empty[2] = {0, 1};
    nncf_tensor tx = view(x, out), ty = view(y, out), wrong = view(x, in), wrong_y = view(y, in),
                flat = {.data = x, .ndim = 1, .shape = two}, none = view(x, empty),
                bytes = {.data = x, .dtype = NNCF_U8, .ndim = 2, .shape = out};
    int64_t shape[NNCF_MAX_NDIM];
    int32_t ndim = 0, n_refused = 0;
    open_rig(&r, NNCF_ACTIVATION_NONE);
    nncf_layer *l = r.layer;
    REFUSED(NNCF_E_SHAPE, "x is (2,3), whose last size is 3; the layer reads 1 features", forward,
        l, &wrong, 1, &ty);
    REFUSED(NNCF_E_SHAPE, "y is (2,3); it must be (2,1)", forward, l, &tx, 1, &wrong_y);
    REFUSED(
        NNCF_E_SHAPE, "x is (2); the layer reads at least 2 dimensions", forward, l, &flat, 1, &ty);
    REFUSED(NNCF_E_SHAPE, "x is (0,1): every size must be at least 1", forward, l, &none, 1, &ty);
    REFUSED(NNCF_E_DTYPE, "x is of the type NNCF_U8; it must be floats (NNCF_F32)", forward, l,
        &bytes, 1, &ty);
    REFUSED(NNCF_E_ARG, "x is NULL", forward, l, NULL, 1, &ty);
    REFUSED(NNCF_E_ARG, "y is NULL", forward, l, &tx, 1, NULL);
    REFUSED(NNCF_E_ARG, "n_x is 0; the layer reads 1 tensor", forward, l, &tx, 0, &ty);
    REFUSED(NNCF_E_ARG, "n_x is 2; the layer reads 1 tensor", forward, l, &tx, 2, &ty);
    REFUSED(NNCF_E_ARG, "x and y overlap in memory", forward, l, &tx, 1, &tx);
    REFUSED(NNCF_E_SHAPE, "dy is (2,3); it must be (2,1)", backward, l, &tx, 1, &wrong_y, NULL);
    REFUSED(NNCF_E_ARG, "dy is NULL", backward, l, &tx, 1, NULL, NULL);
    REFUSED(NNCF_E_ARG, "n_x is 2; the layer reads 1 tensor", backward, l, &tx, 2, &ty, NULL);
    REFUSED(NNCF_E_SHAPE, "dx is (2,3); it must be", backward, l, &tx, 1, &ty, &wrong);
    REFUSED(NNCF_E_SHAPE, "x is (2,3), whose last size is 3", get_output_shape, l, &wrong, 1, shape,
        NNCF_MAX_NDIM, &ndim);
    REFUSED(NNCF_E_ARG, "shape is NULL", get_output_shape, l, &tx, 1, NULL, NNCF_MAX_NDIM, &ndim);
    REFUSED(NNCF_E_ARG, "ndim is NULL", get_output_shape, l, &tx, 1, shape, NNCF_MAX_NDIM, NULL);
    REFUSED(NNCF_E_ARG, "n_x is 2; the layer reads 1 tensor", get_output_shape, l, &tx, 2, shape,
        NNCF_MAX_NDIM, &ndim);
    REFUSED(NNCF_E_ARG, "weight is NULL", compress_weight, l, NULL);
    REFUSED(NNCF_E_ARG, "grad is NULL", compress_weight_backward, l, NULL);
    REFUSED(NNCF_E_SHAPE, "y is (2,3), but x is (2,1): they must be of one shape", quantize_input,
        l, &tx, &wrong);
    REFUSED(NNCF_E_ARG, "x is NULL", quantize_output, l, NULL, &wrong);
    REFUSED(
        NNCF_E_SHAPE, "dx is (2,3), but x is (2,1)", quantize_input_backward, l, &tx, &ty, &wrong);
    REFUSED(NNCF_E_ARG, "dx is NULL", quantize_output_backward, l, &tx, &ty, NULL);
    ck_assert_int_eq(r.c.errors, n_refused);
    ck_assert_int_eq(nncf_layer_compress_weight(l, &w, NULL), NNCF_OK);
    ck_assert_int_eq(r.c.errors, n_refused);
    close_rig(&r);
}
END_TEST

START_TEST(a_null_layer_is_refused_with_words)
{
    float x[2] = {0}, y[2] = {3, 3};
    const int64_t shape[2] = {2, 1};
    nncf_tensor tx = view(x, shape), ty = view(y, shape);
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_layer_forward(NULL, &tx, 1, &ty, &err), NNCF_E_ARG);
    ck_assert_str_eq(err.message, "nncf_layer_forward: layer is NULL");
    ck_assert_str_eq(err.where, "");
    ck_assert(y[0] == 3 && y[1] == 3);
    ck_assert_int_eq(nncf_layer_compress_weight(NULL, x, &err), NNCF_E_ARG);
    ck_assert_str_eq(err.message, "nncf_layer_compress_weight: layer is NULL");
    ck_assert_int_eq(nncf_layer_forward(NULL, &tx, 1, &ty, NULL), NNCF_E_ARG);
}
END_TEST

/* What a sum reads is counted: an array that is too short is not read behind its end. */
START_TEST(a_sum_takes_two_tensors)
{
    fx_context c;
    nncf_model *model;
    nncf_layer *sum;
    nncf_error err = NNCF_ERROR_INIT;
    float a[6] = {1, 2, 3, 4, 5, 6}, b[6] = {1, 1, 1, 1, 1, 1}, y[6] = {9, 9, 9, 9, 9, 9};
    const int64_t row[2] = {2, 3}, column[2] = {3, 2};
    int64_t shape[2] = {7, 7};
    int32_t ndim = 0;
    fx_open(&c, 1, 0);
    ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
    const nncf_sum_params p = {NNCF_PARAMS(nncf_sum_params), .scope = "N/__add___0"};
    ck_assert_int_eq(nncf_model_add_sum(model, &p, &sum, NULL), NNCF_OK);
    nncf_tensor x[2] = {view(a, row), view(b, column)}, ty = view(y, row);
    for (size_t n = 0; n <= 3; n++) {
        if (n == 2)
            continue;
        ck_assert_int_eq(nncf_layer_forward(sum, x, n, &ty, &err), NNCF_E_ARG);
        ck_assert_int_eq(nncf_layer_backward(sum, x, n, &ty, NULL, &err), NNCF_E_ARG);
        ck_assert_int_eq(nncf_layer_get_output_shape(sum, x, n, shape, 2, &ndim, &err), NNCF_E_ARG);
    }
    ck_assert_str_eq(err.message, "N/__add___0: n_x is 3; the layer reads 2 tensors");
    ck_assert_int_eq(nncf_layer_forward(sum, x, 2, &ty, &err), NNCF_E_SHAPE);
    ck_assert_str_eq(
        err.message, "N/__add___0: x[1] is (3,2), but x[0] is (2,3): they must be of one shape");
    ck_assert_int_eq(nncf_layer_get_output_shape(sum, x, 2, shape, 2, &ndim, &err), NNCF_E_SHAPE);
    ck_assert_str_eq(
        err.message, "N/__add___0: x[1] is (3,2), but x[0] is (2,3): they must be of one shape");
    ck_assert(shape[0] == 7 && ndim == 0 && y[0] == 9);
    x[1].shape = row;
    /* too small for the shape: its length is told, and nothing is written */
    ck_assert_int_eq(nncf_layer_get_output_shape(sum, x, 2, shape, 1, &ndim, &err), NNCF_E_BUFFER);
    ck_assert_str_eq(err.message, "N/__add___0: shape has 1 elements; the output has 2");
    ck_assert(shape[0] == 7 && ndim == 2);
    ck_assert_int_eq(nncf_layer_get_output_shape(sum, x, 2, NULL, 0, &ndim, NULL), NNCF_E_BUFFER);
    ck_assert_int_eq(nncf_layer_get_output_shape(sum, x, 2, shape, 2, &ndim, NULL), NNCF_OK);
    ck_assert(shape[0] == 2 && shape[1] == 3);
    ck_assert_int_eq(nncf_layer_forward(sum, x, 2, &ty, NULL), NNCF_OK);
    for (int i = 0; i < 6; i++)
        ck_assert(y[i] == a[i] + b[i]);
    nncf_model_destroy(model);
    fx_close(&c);
}
END_TEST

FX_MAIN("state of a layer", backward_of_an_earlier_forward_is_refused,
    repeated_and_split_calls_are_taken, an_input_that_differs_in_one_element_is_refused,
    an_input_that_was_overwritten_is_refused, layers_that_keep_nothing_take_any_backward,
    layers_with_quantizers_refuse_another_input, a_mask_of_another_step_is_refused,
    batch_norm_of_one_value_is_refused, refusals_name_layer_tensor_and_shapes,
    a_null_layer_is_refused_with_words, a_sum_takes_two_tensors)
