/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operators that the host runs: what can be registered, weights of every kind masked and quantized
 * on the axis that is theirs, blocks with concatenation, a sum that is quantized in front of its
 * activation, and what plans say.
 */
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "exec/codes.h"
#include "graph/model.h"
#include "quantization/quantizer.h"
#include "support/fixture.h"
#include "support/zoo.h"

#include <stdbool.h>

static nncf_status add(nncf_model *model, nncf_op_params p, node *layer)
{
    nncf_error err = NNCF_ERROR_INIT;
    return nncf_model_add_op(model, &p, layer, &err);
}

/* In a chain. */
START_TEST(every_operator_without_a_weight_is_registered)
{
    nncf_model *model;
    node layer = NULL, first;
    char scope[64];
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    size_t n = 0;
    for (int32_t op = NNCF_OP_OTHER; op <= NNCF_OP_GROUP_NORM; op++) {
        nncf_op_params p = {NNCF_PARAMS(nncf_op_params), .scope = scope, .op = op, .inputs = &layer,
            .n_inputs = n > 0};
        snprintf(scope, sizeof scope, "Net/Op[%d]", (int)op);
        const bool has_weight =
            op >= NNCF_OP_CONV1D && op <= NNCF_OP_EMBEDDING && op != NNCF_OP_FUNCTIONAL_LINEAR;
        if (op == NNCF_OP_INPUT)
            p.n_inputs = 0;
        ck_assert_int_eq(add(model, p, &layer), has_weight ? NNCF_E_ARG : NNCF_OK);
        n += !has_weight;
    }
    ck_assert_uint_eq(nncf_model_get_layer_count(model), n);
    first = nncf_model_get_layer(model, 0);
    ck_assert_int_eq(nncf_layer_get_op(first), NNCF_OP_OTHER);
    ck_assert_int_eq(nncf_layer_get_op(NULL), -1);
    ck_assert_uint_eq(nncf_layer_get_input_count(first), 0);
    ck_assert_uint_eq(nncf_layer_get_input_count(layer), 1);
    ck_assert_ptr_eq(nncf_layer_get_input(layer, 0), nncf_model_get_layer(model, n - 2));
    ck_assert_ptr_null(nncf_layer_get_input(layer, 1));
    nncf_model_destroy(model);
}
END_TEST

START_TEST(wrong_operators_are_refused)
{
    nncf_model *model;
    node layer = NULL;
    float w[64] = {0};
    const int64_t shape[4] = {4, 2, 2, 2}, flat[2] = {4, 2};
    const nncf_op_params other = {
        NNCF_PARAMS(nncf_op_params), .scope = "Net/Op[0]", .op = NNCF_OP_OTHER};
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    ck_assert_int_eq(add(model, other, &layer), NNCF_OK);
    const size_t n = 1;
    const nncf_op_params good = {NNCF_PARAMS(nncf_op_params), .scope = "Net/Conv2d[w]",
        .op = NNCF_OP_CONV2D, .weight_ndim = 4, .weight_shape = shape, .weight = w};
    nncf_op_params bad[19];
    size_t n_bad = sizeof bad / sizeof *bad;
    for (size_t i = 0; i < n_bad; i++)
        bad[i] = good;
    bad[0].op = 999;
    bad[1].op = -1;
    bad[2].scope = NULL;
    bad[3].weight = NULL;
    bad[4].weight_shape = NULL;
    bad[5].weight_ndim = 3;
    bad[6].op = NNCF_OP_RELU;
    bad[7].groups = 3;
    bad[8].groups = -1;
    bad[9].reserved = 1;
    bad[10].n_inputs = 2;
    bad[11].scope = "Net/Op[0]"; /* taken */
    bad[12].kernel[0] = bad[13].stride[1] = bad[14].padding[2] = bad[15].dilation[0] =
        bad[16].output_padding[2] = -1;
    bad[17].axis = NNCF_MAX_NDIM;
    bad[18].alpha = NAN;
    for (size_t i = 0; i < n_bad; i++)
        ck_assert_msg(add(model, bad[i], &layer) == NNCF_E_ARG, "case %zu", i);
    bad[0] = good;
    bad[0].op = NNCF_OP_LINEAR;
    bad[0].weight_shape = flat;
    ck_assert_int_eq(add(model, bad[0], &layer), NNCF_E_ARG);
    ck_assert_uint_eq(nncf_model_get_layer_count(model), n);
    ck_assert_int_eq(nncf_model_add_op(NULL, &good, &layer, NULL), NNCF_E_ARG);
    nncf_model_destroy(model);
}
END_TEST

START_TEST(operators_run_on_the_host_only)
{
    nncf_model *model;
    node layer = NULL;
    float w[64] = {0}, x[16], y[16];
    const int64_t shape[4] = {4, 2, 2, 2};
    int64_t xs[4] = {1, 2, 2, 2}, out[NNCF_MAX_NDIM];
    int32_t ndim;
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    const nncf_op_params good = {NNCF_PARAMS(nncf_op_params), .scope = "Net/Conv2d[w]",
        .op = NNCF_OP_CONV2D, .weight_ndim = 4, .weight_shape = shape, .weight = w};
    ck_assert_int_eq(add(model, good, &layer), NNCF_OK);
    nncf_tensor tx = {.data = x, .ndim = 4, .shape = xs, .dtype = NNCF_F32},
                ty = {.data = y, .ndim = 4, .shape = xs, .dtype = NNCF_F32};
    ck_assert_int_eq(nncf_layer_forward(layer, &tx, 1, &ty, NULL), NNCF_E_UNSUPPORTED);
    ck_assert_int_eq(nncf_layer_backward(layer, &tx, 1, &ty, NULL, NULL), NNCF_E_UNSUPPORTED);
    ck_assert_int_eq(nncf_layer_get_output_shape(layer, &tx, 1, out, NNCF_MAX_NDIM, &ndim, NULL),
        NNCF_E_UNSUPPORTED);
    nncf_model_destroy(model);
}
END_TEST

static const struct {
    int32_t op, ndim;
    int64_t shape[5];
    int axis;
    const char *scope;
} kinds[] = {
    {NNCF_OP_CONV1D, 3, {3, 4, 5}, 0, "Net/Conv1d[w]"},
    {NNCF_OP_CONV2D, 4, {3, 2, 3, 5}, 0, "Net/Conv2d[w]"},
    {NNCF_OP_CONV3D, 5, {3, 2, 3, 1, 3}, 0, "Net/Conv3d[w]"},
    {NNCF_OP_CONV_TRANSPOSE1D, 3, {4, 3, 5}, 1, "Net/ConvTranspose1d[w]"},
    {NNCF_OP_CONV_TRANSPOSE2D, 4, {2, 3, 3, 3}, 1, "Net/ConvTranspose2d[w]"},
    {NNCF_OP_CONV_TRANSPOSE3D, 5, {5, 3, 1, 2, 3}, 1, "Net/ConvTranspose3d[w]"},
    {NNCF_OP_LINEAR, 2, {3, 17}, 0, "Net/Linear[w]"},
    {NNCF_OP_EMBEDDING, 2, {3, 9}, 0, "Net/Embedding[w]"},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds, MOST = 128 };

/* Per channel: each weight is its channel's nearest code, and the scales' gradients are sums over
 * their channels. */
START_TEST(weights_of_every_kind_are_quantized_on_their_axis)
{
    const int64_t *shape = kinds[_i].shape;
    float w[MOST], dw[MOST] = {0}, y[MOST], g[MOST];
    size_t count = 1, inner = 1, channels = (size_t)shape[kinds[_i].axis];
    nncf_model *model;
    node layer = NULL;
    for (int i = 0; i < kinds[_i].ndim; i++) {
        count *= (size_t)shape[i];
        inner *= i > kinds[_i].axis ? (size_t)shape[i] : 1;
    }
    ck_assert_uint_le(count, MOST);
    fx_fill_from(w, count, 3 + (uint64_t)_i);
    fx_fill_from(g, count, 77);
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    const nncf_op_params p = {NNCF_PARAMS(nncf_op_params), .scope = kinds[_i].scope,
        .op = kinds[_i].op, .weight_ndim = kinds[_i].ndim, .weight_shape = shape, .weight = w,
        .weight_grad = dw};
    ck_assert_int_eq(add(model, p, &layer), NNCF_OK);
    nncf_compression_ctrl *ctrl = fx_ctrl(model,
        "{\"compression\": {\"algorithm\": \"quantization\", \"weights\": "
        "{\"per_channel\": true}, \"initializer\": {\"num_init_steps\": 1}}}");
    char name[96];
    snprintf(name, sizeof name, "%s.pre_ops.weight_quantizer.scale", kinds[_i].scope);
    const nncf_parameter trained = fx_parameter(ctrl, name);
    ck_assert_uint_eq(trained.count, channels);
    ck_assert_int_eq(nncf_layer_compress_weight(layer, y, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(layer, g, NULL), NNCF_OK);
    for (size_t c = 0; c < channels; c++) {
        double scale = 0, sum = 0;
        for (size_t i = 0; i < count; i++)
            if (i / inner % channels == c)
                scale = fmax(scale, fabs((double)w[i]));
        ck_assert_float_eq(trained.data[c], (float)scale);
        for (size_t i = 0; i < count; i++) {
            if (i / inner % channels != c)
                continue;
            double step = scale / 127, nearest = rint((double)w[i] / step) * step;
            ck_assert_double_eq_tol((double)y[i], nearest, 1e-6);
            /* the ends are products in float, which may leave the largest weight outside */
            const float end = 127 * (float)step;
            const bool inside = fabsf(w[i]) <= end;
            ck_assert(inside || fabs((double)w[i]) == scale);
            ck_assert_float_eq(dw[i], inside ? g[i] : 0);
            sum += inside  ? (double)g[i] * ((double)y[i] - (double)w[i]) / (254 * step)
                : w[i] > 0 ? (double)g[i]
                           : (double)-g[i];
        }
        ck_assert_double_eq_tol((double)trained.grad[c], sum, 1e-6);
    }
    nncf_compression_ctrl_destroy(ctrl);
    ctrl = fx_ctrl(model,
        "{\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"params\": {\"schedule\": "
        "\"multistep\", \"steps\": [1], \"sparsity_levels\": [0.5, 0.6]}}}");
    ck_assert_int_eq(nncf_layer_compress_weight(layer, y, NULL), NNCF_OK);
    size_t zeros = 0;
    for (size_t i = 0; i < count; i++)
        zeros += y[i] == 0;
    ck_assert_uint_eq(zeros, count / 2);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
}
END_TEST

/* ---- plans ---- */

static json_object *plan_json(const nncf_model *model, nncf_context *context, const char *text)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_config *config = fx_config(context, text);
    nncf_plan *plan;
    static char json[1 << 16];
    ck_assert_msg(
        nncf_plan_create(model, config, &plan, &err) == NNCF_OK, "%s: %s", err.where, err.message);
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_JSON, json, sizeof json, NULL, NULL), NNCF_OK);
    nncf_plan_destroy(plan);
    nncf_config_destroy(config);
    json_object *root = json_tokener_parse(json);
    ck_assert_ptr_nonnull(root);
    return root;
}

/* The plan's activation quantizers, as "what@scope" in order, between spaces. */
static void activations(const nncf_model *model, const char *text, char out[4096])
{
    json_object *root = plan_json(model, NULL, text), *entries = fx_get(root, "entries");
    size_t n = 0;
    out[0] = 0;
    for (size_t i = 0; i < json_object_array_length(entries); i++) {
        json_object *e = json_object_array_get_idx(entries, i);
        if (strcmp(fx_string(e, "what"), "weight") != 0)
            n += (size_t)snprintf(out + n, 4096 - n, "%s%s@%s", n ? " " : "", fx_string(e, "what"),
                fx_string(e, "scope"));
        ck_assert_uint_lt(n, 4096);
    }
    json_object_put(root);
}

static node conv(zoo *z, const char *name, int64_t in, int64_t out, bool relu, node input)
{
    char scope[ZOO_NAME], activation[ZOO_NAME];
    zoo_name(scope, "Net/Conv2d[%s]", name);
    zoo_name(activation, "Net/ReLU[%s]", name);
    const zoo_conv c = {scope, NULL, relu ? activation : NULL, NNCF_OP_RELU, in, out, 1, 1};
    return zoo_add_conv(z, &c, input);
}

#define PATTERN "{\"compression\": {\"algorithm\": \"quantization\"}}"
#define CPU                                                                                        \
    "{\"input_info\": {\"sample_size\": [1, 3, 8, 8]}, \"hw_config_type\": \"cpu\", "              \
    "\"compression\": "                                                                            \
    "{\"algorithm\": \"quantization\"}}"

/* SqueezeNet's fire module: concat hands on what is quantized where its branches end, in both
 * modes. */
START_TEST(concat_hands_on_codes_in_a_fire_module)
{
    char text[4096];
    for (int fused = 0; fused < 2; fused++) {
        zoo *z = zoo_new(fused);
        node stem = conv(z, "stem", 3, 8, true, NULL);
        node pool = zoo_pool(z, NNCF_POOL_MAX, "Net/MaxPool2d[pool]", stem);
        node squeeze = conv(z, "squeeze", 8, 4, true, pool);
        const node branches[] = {
            conv(z, "expand1", 4, 8, true, squeeze), conv(z, "expand3", 4, 8, true, squeeze)};
        node cat = zoo_op(z, NNCF_OP_CONCAT, "Net/cat_0", 2, branches);
        node last = conv(z, "last", 16, 4, true, cat);
        zoo_unary(z, NNCF_OP_SOFTMAX, "Net/softmax_0",
            zoo_unary(z, NNCF_OP_FLATTEN, "Net/flatten_0", last));
        activations(z->model, PATTERN, text);
        /* entries come layer by layer */
        ck_assert_str_eq(text,
            "input@Net/NNCFConv2d[stem] output@Net/ReLU[stem]/RELU_0 "
            "output@Net/ReLU[squeeze]/RELU_0 "
            "output@Net/ReLU[expand1]/RELU_0 output@Net/ReLU[expand3]/RELU_0 "
            "output@Net/ReLU[last]/RELU_0");
        activations(z->model, CPU, text);
        ck_assert_str_eq(text,
            "input@/nncf_model_input_0 output@Net/ReLU[stem]/RELU_0 "
            "output@Net/ReLU[squeeze]/RELU_0 "
            "output@Net/ReLU[expand1]/RELU_0 output@Net/ReLU[expand3]/RELU_0");
        zoo_free(z);
    }
}
END_TEST

/* An inception block: a pooled branch, a branch of two convolutions, concat into a pool. */
START_TEST(pooled_branches_of_inception_are_quantized)
{
    char text[4096];
    for (int fused = 0; fused < 2; fused++) {
        zoo *z = zoo_new(fused);
        node x = conv(z, "stem", 3, 8, true, NULL);
        node a = conv(z, "a", 8, 4, true, x);
        node b = conv(z, "b2", 4, 4, true, conv(z, "b1", 8, 4, true, x));
        node average = zoo_pool(z, NNCF_POOL_AVERAGE, "Net/avg_pool2d_0", x);
        node max = zoo_pool(z, NNCF_POOL_MAX, "Net/max_pool2d_0", x);
        const node branches[] = {a, b, conv(z, "c", 8, 4, true, average), max};
        node cat = zoo_op(z, NNCF_OP_CONCAT, "Net/cat_0", 4, branches);
        conv(z, "end", 20, 4, false, cat);
        activations(z->model, PATTERN, text);
        ck_assert_str_eq(text,
            "input@Net/NNCFConv2d[stem] output@Net/ReLU[stem]/RELU_0 output@Net/ReLU[a]/RELU_0 "
            "output@Net/ReLU[b1]/RELU_0 output@Net/ReLU[b2]/RELU_0 output@Net/avg_pool2d_0 "
            "output@Net/ReLU[c]/RELU_0");
        activations(z->model, CPU, text);
        ck_assert_str_eq(text,
            "input@/nncf_model_input_0 output@Net/ReLU[stem]/RELU_0 output@Net/ReLU[a]/RELU_0 "
            "output@Net/ReLU[b1]/RELU_0 output@Net/ReLU[b2]/RELU_0 output@Net/avg_pool2d_0 "
            "output@Net/ReLU[c]/RELU_0");
        zoo_free(z);
    }
}
END_TEST

/* What the kinds of operators are from release to release; and the config's own patterns. */
START_TEST(operators_are_quantized_as_their_release_does)
{
    static const struct {
        const char *config, *expected;
    } cases[] = {
        {"{\"compression\": {\"algorithm\": \"quantization\", \"bits\": 8}}", ""}, /* 1.0 */
        {PATTERN, "output@Net/sigmoid_0"},
        {"{\"input_info\": {}, \"compression\": {\"algorithm\": \"quantization\", \"weights\": "
         "{\"per_channel\": "
         "false}}}",
            "output@Net/sigmoid_0 output@Net/matmul_0"}, /* 1.2 */
        {"{\"input_info\": {}, \"compression\": {\"algorithm\": \"quantization\", "
         "\"export_to_onnx_standard_ops\": "
         "false}}",
            "output@Net/sigmoid_0 output@Net/matmul_0 output@Net/layer_norm_0 "
            "output@Net/gelu_0"}, /* 1.3.1 */
        {"{\"compression\": {\"algorithm\": \"quantization\", "
         "\"quantizable_subgraph_patterns\": [\"tanh\", [\"cat\", "
         "\"softmax\"]]}}",
            "output@Net/tanh_0 output@Net/sigmoid_0 output@Net/softmax_0"},
    };
    zoo *z = zoo_new(false);
    node x = zoo_op(z, NNCF_OP_INPUT, "/nncf_model_input_0", 0, NULL);
    x = zoo_unary(z, NNCF_OP_TANH, "Net/tanh_0", x);
    x = zoo_unary(z, NNCF_OP_SIGMOID, "Net/sigmoid_0", x);
    const node two[] = {x, x};
    x = zoo_op(z, NNCF_OP_MATMUL, "Net/matmul_0", 2, two);
    x = zoo_unary(z, NNCF_OP_LAYER_NORM, "Net/layer_norm_0", x);
    x = zoo_unary(z, NNCF_OP_GELU, "Net/gelu_0", x);
    x = zoo_op(z, NNCF_OP_CONCAT, "Net/cat_0", 1, &x);
    x = zoo_unary(z, NNCF_OP_SOFTMAX, "Net/softmax_0", x);
    zoo_unary(z, NNCF_OP_DROPOUT, "Net/dropout_0", x);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[4096];
        activations(z->model, cases[i].config, text);
        ck_assert_msg(strcmp(text, cases[i].expected) == 0, "case %zu: %s", i, text);
    }
    zoo_free(z);
}
END_TEST

/* ---- a sum that is quantized in front of its ReLU ---- */

START_TEST(a_sum_is_quantized_in_front_of_its_relu)
{
    enum { N = 24 };
    zoo *z = zoo_new(true);
    node a = conv(z, "a", 3, 3, false, NULL), b = conv(z, "b", 3, 3, false, NULL);
    node sum = zoo_sum(z, "Net/__add___0", "Net/ReLU[relu]", a, b);
    node last = conv(z, "last", 3, 3, false, sum);
    nncf_compression_ctrl *ctrl = fx_ctrl(z->model, CPU);
    nncf__quantizer *q = ctrl->layers[sum->index].pre_activation_quantizer;
    ck_assert_ptr_nonnull(q);
    ck_assert_ptr_null(ctrl->layers[sum->index].output_quantizer);
    ck_assert_int_eq(q->params.sign, NNCF__SIGNED);
    ck_assert_str_eq(q->name, "Net/__add___0.pre_activation_quantizer.scale");
    ck_assert_ptr_eq(nncf__layer_source(last, 0).quantizer, q); /* a ReLU leaves codes codes */
    ck_assert_uint_eq(fx_statistics(ctrl).activation_quantizers, 3);
    q->initialized = true;
    q->bound[0] = 1.5f;

    float xa[N], xb[N], y[N], dy[N], da[N], db[N], g[N];
    const int64_t shape[4] = {2, 3, 2, 2};
    fx_fill_from(xa, N, 1);
    fx_fill_from(xb, N, 2);
    fx_fill_from(g, N, 3);
    memcpy(dy, g, sizeof dy);
    nncf_tensor x[2] = {{.data = xa, .dtype = NNCF_F32, .ndim = 4, .shape = shape},
        {.data = xb, .dtype = NNCF_F32, .ndim = 4, .shape = shape}},
                ty = {.data = y, .dtype = NNCF_F32, .ndim = 4, .shape = shape},
                tdy = {.data = dy, .dtype = NNCF_F32, .ndim = 4, .shape = shape},
                dx[2] = {{.data = da, .dtype = NNCF_F32, .ndim = 4, .shape = shape},
                    {.data = db, .dtype = NNCF_F32, .ndim = 4, .shape = shape}};
    ck_assert_int_eq(nncf_layer_forward(sum, x, 2, &ty, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_backward(sum, x, 2, &tdy, dx, NULL), NNCF_OK);
    const double step = 1.5 / 127;
    double grad = 0;
    for (int i = 0; i < N; i++) {
        const double s = (double)(xa[i] + xb[i]), code = fmin(fmax(rint(s / step), -128), 127),
                     v = code * step;
        const double gi = v > 0 ? (double)g[i] : 0; /* through the ReLU */
        ck_assert_double_eq_tol((double)y[i], fmax(v, 0), 1e-6);
        const bool above = s > 127 * step, below = s < -128 * step;
        ck_assert_double_eq_tol((double)da[i], above || below ? 0 : gi, 1e-6);
        ck_assert_float_eq(da[i], db[i]);
        grad += above ? gi : below ? gi * -128 / 127 : gi * (v - s) / (255 * step);
    }
    ck_assert_double_eq_tol((double)q->bound_grad[0], grad, 1e-5);
    nncf_compression_ctrl_destroy(ctrl);
    zoo_free(z);
}
END_TEST

/* ---- lists of scopes ---- */

static nncf_status create(
    nncf_model *model, nncf_context *context, const char *text, nncf_error *err)
{
    nncf_compression_ctrl *ctrl = NULL;
    nncf_config *config = fx_config(context, text);
    nncf_status status = nncf_compression_ctrl_create(model, config, &ctrl, err);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_config_destroy(config);
    return status;
}

START_TEST(scopes_that_match_nothing_are_told)
{
    fx_context c;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_model *model;
    fx_open(&c, 1, 0);
    ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
    fx_layer a = fx_add_conv(model, "Net/Conv2d[first]", 1, 1, 1, NULL, NULL);
    /* 1.x warns, and says all of them */
    ck_assert_int_eq(create(model, c.context,
                         "{\"compression\": {\"algorithm\": \"quantization\", \"ignored_scopes\": "
                         "[\"Net/Conv2d[frist]\", \"Net/Conv2d[first]\", \"Other\"]}}",
                         &err),
        NNCF_OK);
    ck_assert_int_eq(c.warnings, 2);
    ck_assert_ptr_nonnull(strstr(c.log,
        "[0]: \"Net/Conv2d[frist]\" matches no registered layer; the nearest scope is "
        "\"Net/Conv2d[first]\""));
    ck_assert_ptr_nonnull(strstr(c.log, "[2]: \"Other\" matches no registered layer"));
    /* 2.4 and later refuse */
#define STRICT(scopes, more)                                                                       \
    "{\"input_info\": {\"sample_size\": [1, 1, 4, 4]}, \"compression\": {\"algorithm\": "          \
    "\"quantization\", "                                                                           \
    "\"initializer\": {\"range\": {\"num_init_samples\": 1, \"type\": \"mixed_min_max\"}}, "       \
    "\"ignored_scopes\": " scopes more "}}"
    ck_assert_int_eq(
        create(model, c.context,
            STRICT("[\"Net/NNCFConv2d[first]\", \"{re}Conv2d.*\"]", ", \"validate_scopes\": true"),
            &err),
        NNCF_E_CONFIG);
    ck_assert_ptr_nonnull(
        strstr(err.message, "1 scope pattern of the config matches no registered layer"));
    ck_assert_ptr_nonnull(strstr(err.message, "NNCFConv2d[first]"));
    ck_assert_int_eq(
        create(model, c.context,
            STRICT("[\"Net/NNCFConv2d[first]/conv2d_0\"]", ", \"validate_scopes\": true"), &err),
        NNCF_OK);
    ck_assert_int_eq(
        create(model, c.context, STRICT("[\"nothing\"]", ", \"validate_scopes\": false"), &err),
        NNCF_OK);
    /* a bad expression is found when the config is loaded */
    const char bad[] = STRICT("[\"{re}Conv2d[\"]", ", \"validate_scopes\": true");
    nncf_config *config = NULL;
    ck_assert_int_eq(
        nncf_config_parse(c.context, "bad", bad, strlen(bad), NULL, &config, &err), NNCF_E_CONFIG);
    ck_assert_str_eq(err.where, "compression.ignored_scopes[0]");
    nncf_model_destroy(model);
    fx_layer_free(&a);
    fx_close(&c);
}
END_TEST

START_TEST(plan_says_why)
{
    zoo *z = zoo_new(true);
    conv(z, "b", 4, 4, false, conv(z, "a", 3, 4, true, NULL));
    const char config[] =
        "{\"input_info\": {\"sample_size\": [1, 3, 8, 8]},\n\"compression\": [\n{\"algorithm\": "
        "\"magnitude_sparsity\"},\n"
        "{\"algorithm\": \"quantization\",\n\"weights\": {\"bits\": 4},\n\"scope_overrides\": "
        "{\n\"Net/Conv2d[b]\": "
        "{\"bits\": 6, \"mode\": \"asymmetric\"}}}]}";
    json_object *root = plan_json(z->model, NULL, config), *entries = fx_get(root, "entries");
    static const struct {
        const char *what;
        int bits, line, bytes;
        const char *config;
    } expected[] = {{"mask", 0, 3, 2, "compression[0]"},
        {"weight", 4, 5, 8, "compression[1].weights"}, {"input", 8, 4, 8, "compression[1]"},
        {"output", 8, 4, 8, "compression[1]"}, {"mask", 0, 3, 2, "compression[0]"},
        {"weight", 6, 7, 16, "compression[1].scope_overrides.\"Net/Conv2d[b]\""}};
    ck_assert_uint_eq(json_object_array_length(entries), 6);
    for (size_t i = 0; i < 6; i++) {
        json_object *e = json_object_array_get_idx(entries, i);
        ck_assert_str_eq(fx_string(e, "what"), expected[i].what);
        ck_assert_int_eq((int)fx_number(e, "bits"), expected[i].bits);
        ck_assert_int_eq((int)fx_number(e, "line"), expected[i].line);
        ck_assert_int_eq((int)fx_number(e, "bytes"), expected[i].bytes);
        ck_assert_str_eq(fx_string(e, "config"), expected[i].config);
    }
    ck_assert_int_eq((int)fx_number(root, "masks"), 2);
    ck_assert_int_eq((int)fx_number(root, "bytes"), 44);
    json_object_put(root);

    nncf_config *parsed = fx_config(NULL, config);
    nncf_plan *plan;
    char text[4096], small[8];
    size_t needed;
    ck_assert_int_eq(nncf_plan_create(z->model, parsed, &plan, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_TEXT, text, sizeof text, &needed, NULL), NNCF_OK);
    ck_assert_uint_eq(needed, strlen(text) + 1);
    ck_assert_ptr_nonnull(strstr(text, "6 asymmetric"));
    ck_assert_ptr_nonnull(strstr(text, "compression[1].weights (line 5)"));
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_TEXT, small, sizeof small, NULL, NULL), NNCF_E_BUFFER);
    ck_assert_int_eq(
        nncf_plan_format(NULL, NNCF_FORM_TEXT, text, sizeof text, NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_plan_create(NULL, parsed, &plan, NULL), NNCF_E_ARG);
    nncf_plan_destroy(plan);
    nncf_plan_destroy(NULL);
    nncf_config_destroy(parsed);
    zoo_free(z);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ops");
    TCase *tc = fx_case(suite, "ops", 60);
    tcase_add_loop_test(tc, weights_of_every_kind_are_quantized_on_their_axis, 0, N_KINDS);
    const TTest *const tests[] = {every_operator_without_a_weight_is_registered,
        wrong_operators_are_refused, operators_run_on_the_host_only,
        concat_hands_on_codes_in_a_fire_module, pooled_branches_of_inception_are_quantized,
        operators_are_quantized_as_their_release_does, a_sum_is_quantized_in_front_of_its_relu,
        scopes_that_match_nothing_are_told, plan_says_why};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tc, tests[i]);
    return fx_main(suite);
}
