/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights that only host-run operators have (five dimensions; output channels along the second one)
 * and the quantizer in front of a sum's activation, through what is easily forgotten: statistics,
 * snapshots, stripped models, memory.
 */
#include "controller/ctrl.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"
#include "support/files.h"
#include "support/fixture.h"

#include <unistd.h>

enum { CUBE, TRANSPOSED, KINDS, MOST = 128, CHANNELS = 3 };

static const struct {
    int32_t op, ndim;
    int64_t shape[5];
    size_t count, inner; /* elements; of them side by side in one channel */
    const char *scope;
} kinds[KINDS] = {{NNCF_OP_CONV3D, 5, {CHANNELS, 2, 3, 1, 4}, 72, 24, "Net/Conv3d[w]"},
    {NNCF_OP_CONV_TRANSPOSE2D, 4, {4, CHANNELS, 3, 3}, 108, 9, "Net/ConvTranspose2d[w]"}};

static const char config[] =
    "{\"compression\": [{\"algorithm\": \"rb_sparsity\"}, {\"algorithm\": \"quantization\", "
    "\"weights\": {\"bits\": 8, \"signed\": true, \"per_channel\": true}}]}";

typedef struct rig {
    nncf_model *model;
    nncf_layer *layer;
    nncf_compression_ctrl *ctrl;
    float weight[2 * MOST]; /* of both layers */
} rig;

static nncf_parameter find(const rig *r, const char *end)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", nncf_layer_get_scope(r->layer), end);
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(r->ctrl); i++)
        if (strcmp(fx_parameter_at(r->ctrl, i).name, name) == 0)
            return fx_parameter_at(r->ctrl, i);
    ck_abort_msg("no parameter %s", name);
}

/* A layer between two others of its kind of weight, so that what is written past an end falls on
 * something. */
static void begin(rig *r, int kind)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *input = NULL, *layer;
    ck_assert_int_eq(nncf_model_create(NULL, &r->model, NULL), NNCF_OK);
    fx_fill_from(r->weight, 2 * MOST, (uint64_t)kind + 5);
    for (int i = 0; i < 2; i++) {
        char scope[64];
        snprintf(scope, sizeof scope, "%s%s", i ? "Net/Block/" : "",
            i ? "Conv3d[last]" : kinds[kind].scope);
        const int k = i ? CUBE : kind;
        const nncf_op_params p = {NNCF_PARAMS(nncf_op_params), .scope = scope, .op = kinds[k].op,
            .weight_ndim = kinds[k].ndim, .weight_shape = kinds[k].shape,
            .weight = r->weight + i * MOST, .inputs = input ? &input : NULL,
            .n_inputs = input ? 1 : 0};
        ck_assert_msg(nncf_model_add_op(r->model, &p, &layer, &err) == NNCF_OK, "%s", err.message);
        r->layer = i ? r->layer : layer;
        input = layer;
    }
    r->ctrl = fx_ctrl(r->model, config);
    nncf_parameter scale = find(r, "pre_ops.weight_quantizer.scale"),
                   logits = find(r, "pre_ops.mask");
    ck_assert_uint_eq(scale.count, CHANNELS);
    for (size_t c = 0; c < CHANNELS; c++)
        scale.data[c] = 0.4f + 0.3f * (float)c;
    for (size_t i = 0; i < logits.count; i++)
        logits.data[i] = i % 3 == 1 ? -1.0f : 1.0f;
}

static void end(rig *r)
{
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
}

static nncf_checkpoint *open_file(const char *path)
{
    nncf_checkpoint *c = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(nncf_checkpoint_open(NULL, path, NULL, &c, &err) == NNCF_OK, "%s", err.message);
    return c;
}

static nncf_tensor get(const nncf_checkpoint *c, const char *scope, const char *what)
{
    char name[128];
    nncf_tensor t;
    snprintf(name, sizeof name, "%s.%s", scope, what);
    ck_assert_msg(
        nncf_checkpoint_get_tensor(c, name, &t, NULL) == NNCF_OK, "%s is not in the file", name);
    return t;
}

static void expect_shape(const int64_t *shape, int32_t ndim, int kind)
{
    ck_assert_int_eq(ndim, kinds[kind].ndim);
    for (int32_t i = 0; i < ndim; i++)
        ck_assert_int_eq(shape[i], kinds[kind].shape[i]);
}

START_TEST(statistics_show_the_shape_of_a_host_weight)
{
    rig r;
    char text[4096];
    nncf_layer_statistics s = {NNCF_PARAMS(nncf_layer_statistics)};
    begin(&r, _i);
    ck_assert_int_eq(nncf_compression_ctrl_get_layer_statistics(r.ctrl, 0, &s, NULL), NNCF_OK);
    expect_shape(s.shape, s.ndim, _i);
    ck_assert_int_eq(nncf_compression_ctrl_format_statistics(
                         r.ctrl, NNCF_FORM_JSON, text, sizeof text, NULL, NULL),
        NNCF_OK);
    ck_assert_ptr_nonnull(
        strstr(text, _i == CUBE ? "\"shape\":[3,2,3,1,4]" : "\"shape\":[4,3,3,3]"));
    ck_assert_int_eq(nncf_compression_ctrl_format_statistics(
                         r.ctrl, NNCF_FORM_TEXT, text, sizeof text, NULL, NULL),
        NNCF_OK);
    ck_assert_ptr_nonnull(strstr(text, _i == CUBE ? " 3 x 2 x 3 x 1 x 4 " : " 4 x 3 x 3 x 3 "));
    end(&r);
}
END_TEST

START_TEST(snapshots_restore_a_host_weight)
{
    rig r, other;
    char path[FX_TEMPORARY];
    nncf_error err = NNCF_ERROR_INIT;
    begin(&r, _i);
    begin(&other, _i);
    fx_temporary(path);
    nncf_parameter logits = find(&other, "pre_ops.mask");
    memset(logits.data, 0, logits.count * sizeof(float));
    ck_assert_msg(
        nncf_checkpoint_save(r.ctrl, path, NULL, 0, NULL, &err) == NNCF_OK, "%s", err.message);
    nncf_checkpoint *c = open_file(path);
    const nncf_tensor t = get(c, kinds[_i].scope, "pre_ops.mask");
    expect_shape(t.shape, t.ndim, _i);
    ck_assert_msg(
        nncf_checkpoint_restore(c, other.ctrl, NULL, NULL, &err) == NNCF_OK, "%s", err.message);
    ck_assert_mem_eq(logits.data, find(&r, "pre_ops.mask").data, kinds[_i].count * sizeof(float));
    nncf_checkpoint_close(c);
    unlink(path);
    end(&r);
    end(&other);
}
END_TEST

/* Code times scale of its channel is the weight of eval mode, bit for bit. */
START_TEST(stripped_host_weight_is_that_of_eval)
{
    rig r;
    char path[FX_TEMPORARY];
    float want[MOST];
    nncf_error err = NNCF_ERROR_INIT;
    size_t zeros = 0;
    begin(&r, _i);
    fx_temporary(path);
    ck_assert_msg(nncf_strip_save(r.ctrl, path, NULL, NULL, &err) == NNCF_OK, "%s", err.message);
    nncf_checkpoint *c = open_file(path);
    const nncf_tensor codes = get(c, kinds[_i].scope, "weight"),
                      scale = get(c, kinds[_i].scope, "weight_scale");
    expect_shape(codes.shape, codes.ndim, _i);
    ck_assert_int_eq(codes.dtype, NNCF_S8);
    ck_assert_int_eq(scale.shape[0], CHANNELS);
    nncf_model_set_mode(r.model, NNCF_MODE_EVAL, NULL);
    ck_assert_int_eq(nncf_layer_compress_weight(r.layer, want, NULL), NNCF_OK);
    for (size_t i = 0; i < kinds[_i].count; i++) {
        const size_t channel = i / kinds[_i].inner % CHANNELS;
        const float got =
            (float)((const int8_t *)codes.data)[i] * ((const float *)scale.data)[channel];
        ck_assert_msg(
            got == want[i], "weight %zu is %.9g, should be %.9g", i, (double)got, (double)want[i]);
        zeros += want[i] == 0;
    }
    ck_assert_uint_ge(zeros, kinds[_i].count / 3);
    ck_assert_uint_lt(zeros, kinds[_i].count / 2);
    nncf_checkpoint_close(c);
    unlink(path);
    end(&r);
}
END_TEST

/* of 1.3 and 1.4: from 1.5 on a sum and its activation are one */
static const char by_propagation[] =
    "{\"hw_config_type\": \"cpu\", \"compression\": {\"algorithm\": \"quantization\", "
    "\"initializer\": {\"range\": {\"num_init_steps\": 1, \"type\": \"min_max\"}}}}";

/* Where the ranges of a placement by propagation stand in front of a ReLU, a deployed model has to
 * round there too. */
START_TEST(quantizer_in_front_of_an_activation_is_stripped)
{
    nncf_model *model;
    nncf_layer *sum;
    char path[FX_TEMPORARY];
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    fx_layer a = fx_add_conv(model, "Net/Conv2d[a]", 3, 3, 1, NULL, NULL),
             b = fx_add_conv(model, "Net/Conv2d[b]", 3, 3, 1, NULL, NULL);
    nncf_layer *const both[] = {a.layer, b.layer};
    const nncf_sum_params p = {NNCF_PARAMS(nncf_sum_params), .scope = "Net/__add___0",
        .inputs = both, .n_inputs = 2, .activation = NNCF_ACTIVATION_RELU};
    ck_assert_int_eq(nncf_model_add_sum(model, &p, &sum, NULL), NNCF_OK);
    fx_layer last = fx_add_conv(model, "Net/Conv2d[last]", 3, 3, 1, NULL, sum);
    nncf_compression_ctrl *ctrl = fx_ctrl(model, by_propagation);
    fx_parameter(ctrl, "Net/__add___0.pre_activation_quantizer.scale").data[0] = 12.7f;
    for (size_t i = 0; i < ctrl->n_layers; i++) /* as after an initialization */
        for (enum nncf__quantizer_slot j = 0; j < NNCF__N_SLOTS; j++)
            if (nncf__layer_quantizer(&ctrl->layers[i], j))
                nncf__layer_quantizer(&ctrl->layers[i], j)->initialized = true;
    fx_temporary(path);
    ck_assert_msg(nncf_strip_save(ctrl, path, NULL, NULL, &err) == NNCF_OK, "%s", err.message);
    nncf_checkpoint *c = open_file(path);
    ck_assert_float_eq_tol(
        *(const float *)get(c, "Net/__add___0", "inner_scale").data, 0.1f, 1e-7f);
    ck_assert_int_eq(*(const int32_t *)get(c, "Net/__add___0", "inner_zero_point").data, 0);
    const int32_t *codes = get(c, "Net/__add___0", "inner_codes").data;
    ck_assert_int_eq(codes[0], -128);
    ck_assert_int_eq(codes[1], 127);
    ck_assert_ptr_nonnull(strstr(nncf_checkpoint_get_text(c, "strip.layers"), "\"inner_bits\":8"));
    nncf_checkpoint_close(c);
    unlink(path);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_layer_free(&a);
    fx_layer_free(&b);
    fx_layer_free(&last);
}
END_TEST

/* Batch norms as nodes of their own, and what a reader needs to know of pools and of what the host
 * runs. */
START_TEST(stripped_model_names_its_nodes)
{
    nncf_model *model;
    nncf_layer *norm, *pool;
    char path[FX_TEMPORARY];
    nncf_error err = NNCF_ERROR_INIT;
    float mean[3] = {1, 2, 3}, var[3] = {4, 5, 6}, beta[3] = {-1, 0, 1};
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    fx_layer a = fx_add_conv(model, "Net/Conv2d[a]", 3, 3, 1, NULL, NULL);
    const nncf_batch_norm_params bn = {NNCF_PARAMS(nncf_batch_norm_params), .bias = beta,
        .running_mean = mean, .running_var = var, .eps = 0.25f};
    const nncf_op_params op = {NNCF_PARAMS(nncf_op_params), .scope = "Net/BatchNorm2d[n]",
        .op = NNCF_OP_BATCH_NORM, .batch_norm = &bn, .inputs = &a.layer, .n_inputs = 1};
    ck_assert_msg(nncf_model_add_op(model, &op, &norm, &err) == NNCF_OK, "%s", err.message);
    const nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = "Net/MaxPool2d[p]",
        .kind = NNCF_POOL_MAX, .kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 0},
        .padding_end = {-1, 1}, .flags = NNCF_OP_FLAG_CEIL, .inputs = &norm, .n_inputs = 1};
    ck_assert_msg(nncf_model_add_pool2d(model, &p, &pool, &err) == NNCF_OK, "%s", err.message);
    nncf_compression_ctrl *ctrl = fx_ctrl(model, "{}");
    nncf_strip_report report = {NNCF_PARAMS(nncf_strip_report)};
    fx_temporary(path);
    ck_assert_msg(nncf_strip_save(ctrl, path, NULL, &report, &err) == NNCF_OK, "%s", err.message);
    ck_assert_uint_eq(
        report.bytes_float, (9 + 9) * sizeof(float)); /* a weight, three arrays of three */
    nncf_checkpoint *c = open_file(path);
    ck_assert_mem_eq(
        get(c, "Net/BatchNorm2d[n]", "batch_norm.running_mean").data, mean, sizeof mean);
    ck_assert_mem_eq(get(c, "Net/BatchNorm2d[n]", "batch_norm.running_var").data, var, sizeof var);
    ck_assert_mem_eq(get(c, "Net/BatchNorm2d[n]", "batch_norm.bias").data, beta, sizeof beta);
    const char *layers = nncf_checkpoint_get_text(c, "strip.layers");
    json_object *list = json_tokener_parse(layers), *second = json_object_array_get_idx(list, 1),
                *third = json_object_array_get_idx(list, 2);
    ck_assert_uint_eq(json_object_array_length(list), 3);
    ck_assert_str_eq(fx_string(second, "kind"), "other");
    ck_assert_str_eq(fx_string(second, "op"), "batch_norm");
    ck_assert_double_eq(fx_number(second, "batch_norm_eps"), 0.25);
    ck_assert_str_eq(fx_string(third, "pool"), "max");
    ck_assert(json_object_get_boolean(fx_member(third, "ceil_mode")));
    ck_assert_ptr_null(fx_get(third, "exclude_padding"));
    static const char *const keys[] = {"kernel", "stride", "padding", "padding_end"};
    static const int sizes[4][2] = {{3, 2}, {2, 1}, {1, 0}, {-1, 1}};
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 2; j++)
            ck_assert_int_eq(
                json_object_get_int(json_object_array_get_idx(fx_get(third, keys[i]), j)),
                sizes[i][j]);
    json_object_put(list);
    nncf_checkpoint_close(c);
    unlink(path);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_layer_free(&a);
}
END_TEST

/* The arrays of layers whose parameters are not compressed, and their attributes. */
START_TEST(stripped_model_holds_slopes_and_norms)
{
    enum { IN = 3, OUT = 4 };
    nncf_model *model;
    nncf_layer *layers[4];
    char path[FX_TEMPORARY];
    nncf_error err = NNCF_ERROR_INIT;
    float w[IN * OUT * 4], slopes[OUT] = {0.25f, -1, 2, 0}, gamma[OUT] = {1, 2, 3, 4},
                           ones[OUT] = {1, 1, 1, 1}, zeros[OUT] = {0};
    fx_fill_from(w, IN * OUT * 4, 4);
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    const nncf_batch_norm_params bn = {NNCF_PARAMS(nncf_batch_norm_params), .weight = gamma,
        .running_mean = zeros, .running_var = ones};
    const nncf_conv_transpose2d_params up = {NNCF_PARAMS(nncf_conv_transpose2d_params),
        .scope = "Net/up", .weight = w, .in_channels = IN, .out_channels = OUT, .kernel = {2, 2},
        .stride = {2, 3}, .output_padding = {1, 2}, .batch_norm = &bn};
    const nncf_group_norm_params norm = {NNCF_PARAMS(nncf_group_norm_params), .scope = "Net/norm",
        .channels = OUT, .groups = 2, .weight = gamma, .eps = 0.5f, .inputs = &layers[0],
        .n_inputs = 1};
    const nncf_dropout_params drop = {NNCF_PARAMS(nncf_dropout_params), .scope = "Net/drop",
        .p = 0.75f, .inputs = &layers[1], .n_inputs = 1};
    const nncf_prelu_params prelu = {NNCF_PARAMS(nncf_prelu_params), .scope = "Net/prelu",
        .weight = slopes, .count = OUT, .inputs = &layers[2], .n_inputs = 1};
    ck_assert_int_eq(nncf_model_add_conv_transpose2d(model, &up, &layers[0], &err), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_group_norm(model, &norm, &layers[1], &err), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_dropout(model, &drop, &layers[2], &err), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_prelu(model, &prelu, &layers[3], &err), NNCF_OK);
    nncf_compression_ctrl *ctrl = fx_ctrl(model, "{}");
    const nncf_strip_params fold = {NNCF_PARAMS(nncf_strip_params), .fold_batch_norm = 1};
    fx_temporary(path);
    ck_assert_msg(nncf_strip_save(ctrl, path, &fold, NULL, &err) == NNCF_OK, "%s", err.message);
    nncf_checkpoint *c = open_file(path);
    ck_assert_mem_eq(get(c, "Net/up", "weight").data, w, sizeof w); /* not folded */
    ck_assert_mem_eq(get(c, "Net/up", "batch_norm.weight").data, gamma, sizeof gamma);
    ck_assert_mem_eq(get(c, "Net/norm", "norm.weight").data, gamma, sizeof gamma);
    ck_assert_mem_eq(get(c, "Net/norm", "norm.bias").data, zeros, sizeof zeros);
    ck_assert_mem_eq(get(c, "Net/prelu", "slope").data, slopes, sizeof slopes);
    const char *text = nncf_checkpoint_get_text(c, "strip.layers");
    static const char *const parts[] = {"\"kind\":\"conv_transpose2d\"",
        "\"stride\":[2,3],\"padding\":[0,0],\"dilation\":[1,1]",
        "\"groups\":1,\"output_padding\":[1,2]",
        "\"kind\":\"group_norm\",\"activation\":0,\"norm_eps\":0.5,\"groups\":2",
        "\"kind\":\"dropout\",\"activation\":0,\"p\":0.75", "\"kind\":\"prelu\""};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        ck_assert_msg(strstr(text, parts[i]), "%s is not in %s", parts[i], text);
    nncf_checkpoint_close(c);
    unlink(path);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
}
END_TEST

/* A step of such a sum takes what nncf_model_get_memory() foretells, and the second one nothing. */
START_TEST(memory_query_knows_a_quantizer_in_front_of_an_activation)
{
    enum { N = 2 * 3 * 5 * 5 };
    const int32_t mode = _i ? NNCF_MODE_EVAL : NNCF_MODE_TRAIN;
    fx_context c;
    nncf_model *model;
    fx_layer layers[3];
    nncf_layer *sum;
    static const int64_t shape[4] = {2, 3, 5, 5};
    float x[N], y[2][N], s[N], last[N], dlast[N], ds[N], dy[2][N];
    fx_open(&c, 1, 0);
    ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
    layers[0] = fx_add_conv(model, "Net/Conv2d[a]", 3, 3, 1, NULL, NULL);
    layers[1] = fx_add_conv(model, "Net/Conv2d[b]", 3, 3, 1, NULL, NULL);
    nncf_layer *const both[] = {layers[0].layer, layers[1].layer};
    const nncf_sum_params p = {NNCF_PARAMS(nncf_sum_params), .scope = "Net/__add___0",
        .inputs = both, .n_inputs = 2, .activation = NNCF_ACTIVATION_RELU};
    ck_assert_int_eq(nncf_model_add_sum(model, &p, &sum, NULL), NNCF_OK);
    layers[2] = fx_add_conv(model, "Net/Conv2d[last]", 3, 3, 1, NULL, sum);
    nncf_compression_ctrl *ctrl = fx_ctrl(model, by_propagation);
    ck_assert_uint_eq(fx_parameter(ctrl, "Net/__add___0.pre_activation_quantizer.scale").count, 1);
    ck_assert_int_eq(nncf_model_set_mode(model, mode, NULL), NNCF_OK);

#define VIEW(to) {.data = to, .dtype = NNCF_F32, .ndim = 4, .shape = shape}
    nncf_tensor ty[2] = {VIEW(y[0]), VIEW(y[1])}, ts = VIEW(s);
    nncf_tensor tx = VIEW(x), tlast = VIEW(last), tdlast = VIEW(dlast), tds = VIEW(ds),
                tdy[2] = {VIEW(dy[0]), VIEW(dy[1])};
    nncf_memory m = {NNCF_PARAMS(nncf_memory)};
    const size_t before = c.memory.bytes;
    ck_assert_int_eq(nncf_model_get_memory(model, &tx, 1, mode, &m, NULL), NNCF_OK);
    ck_assert_uint_eq(c.memory.bytes, before);
    size_t calls = 0;
    int32_t more = 1;
    fx_fill_from(x, N, 3);
    for (int step = 0; step < 3; step++) { /* of which the first initializes */
        calls = c.memory.calls;
        ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_OK);
        ck_assert_int_eq(more, step == 0);
        for (int i = 0; i < 2; i++) {
            ty[i].dtype = nncf_layer_get_output_dtype(layers[i].layer);
            ck_assert_int_eq(ty[i].dtype, step == 0 ? NNCF_F32 : NNCF_S8);
            ck_assert_int_eq(nncf_layer_forward(layers[i].layer, &tx, 1, &ty[i], NULL), NNCF_OK);
        }
        ts.dtype = nncf_layer_get_output_dtype(sum);
        ck_assert_int_eq(nncf_layer_forward(sum, ty, 2, &ts, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_forward(layers[2].layer, &ts, 1, &tlast, NULL), NNCF_OK);
        if (step == 0 || mode == NNCF_MODE_EVAL)
            continue;
        fx_fill_from(dlast, N, 4);
        ck_assert_int_eq(
            nncf_layer_backward(layers[2].layer, &ts, 1, &tdlast, &tds, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_backward(sum, ty, 2, &tds, tdy, NULL), NNCF_OK);
        ck_assert_int_eq(
            nncf_layer_backward(layers[1].layer, &tx, 1, &tdy[1], NULL, NULL), NNCF_OK);
        ck_assert_int_eq(
            nncf_layer_backward(layers[0].layer, &tx, 1, &tdy[0], NULL, NULL), NNCF_OK);
    }
    ck_assert_uint_eq(c.memory.calls, calls);
    ck_assert_uint_eq(c.memory.bytes - before, m.library);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    for (int i = 0; i < 3; i++)
        fx_layer_free(&layers[i]);
    fx_close(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("host_weights");
    TCase *tc = fx_case(suite, "host_weights", 60);
    tcase_add_loop_test(tc, statistics_show_the_shape_of_a_host_weight, 0, KINDS);
    tcase_add_loop_test(tc, snapshots_restore_a_host_weight, 0, KINDS);
    tcase_add_loop_test(tc, stripped_host_weight_is_that_of_eval, 0, KINDS);
    tcase_add_test(tc, quantizer_in_front_of_an_activation_is_stripped);
    tcase_add_test(tc, stripped_model_names_its_nodes);
    tcase_add_test(tc, stripped_model_holds_slopes_and_norms);
    tcase_add_loop_test(tc, memory_query_knows_a_quantizer_in_front_of_an_activation, 0, 2);
    return fx_main(suite);
}
