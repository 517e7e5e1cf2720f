/* SPDX-License-Identifier: Apache-2.0 */
/* Exports of what the host runs itself: every operator that has a form, and what is registered
 * otherwise than it is run. */
#include "fixture.h"
#include "host_nets.h"
#include "read_back.h"
#include "support/runner.h"

#include <check.h>

static const char *const configs[] = {ON_CONFIG(""), ON_PROPAGATION};
enum { CONFIGS = sizeof configs / sizeof *configs };

#define P(...)                                                                                     \
    &(nncf_onnx_params)                                                                            \
    {                                                                                              \
        NNCF_PARAMS(nncf_onnx_params), __VA_ARGS__                                                 \
    }

static oh_net net;

static void begin(int i, const char *config, oh_change change)
{
    net = oh_nets[i];
    oh_create(&net, config, change);
}

static void exported(const nncf_onnx_params *p)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(oh_export(&net, path, p, &err) == NNCF_OK, "%s", err.message);
    Nncf__Onnx__ModelProto *m = read_back();
    check_graph(m->graph);
    ck_assert_str_eq(metadata(m, "nncf.checked"), p->unchecked ? "no" : "golden");
    nncf__onnx__model_proto__free_unpacked(m, NULL);
    unlink(path);
}

static void refused(
    const nncf_onnx_params *p, nncf_status status, const char *where, const char *word)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_status got = oh_export(&net, path, p, &err);
    ck_assert_msg(got == status, "%s: %s", nncf_status_name(got), err.message);
    ck_assert_msg(strcmp(err.where, where) == 0, "%s: %s", err.where, err.message);
    ck_assert_msg(strstr(err.message, word) != NULL, "%s", err.message);
    ck_assert_int_ne(access(path, F_OK), 0);
}

START_TEST(every_operator_is_exported)
{
    for (int32_t format = 0; format < 2; format++) {
        begin(_i / CONFIGS, configs[_i % CONFIGS], NULL);
        exported(P(.format = format));
        oh_destroy(&net);
    }
}
END_TEST

/* ---- what is not registered as it is run ---- */

/* The operators `first` and `second` are not registered. */
#define WITHOUT(name, first, second)                                                               \
    static const oh_node *name(int i, const oh_node *o, oh_node *space)                            \
    {                                                                                              \
        (void)space;                                                                               \
        return i == (first) || i == (second) ? NULL : o;                                           \
    }
/* Node `node` is registered with another `member`. */
#define WITH(name, node, member, ...)                                                              \
    static const oh_node *name(int i, const oh_node *o, oh_node *space)                            \
    {                                                                                              \
        (void)o;                                                                                   \
        if (i == (node))                                                                           \
            space->member = __VA_ARGS__;                                                           \
        return space;                                                                              \
    }

WITHOUT(no_norm_and_no_activation, 1, 2)
WITHOUT(no_pool, 3, 3)
WITHOUT(no_last_activation, 14, 14)
WITHOUT(no_gelu, 19, 19)
WITHOUT(no_layer_norm, 1, 1)
WITH(not_turned, 4, flags, 0)
WITH(other_slope, 2, alpha, 0.3f)
WITH(no_bias, 7, bias, false)
WITH(counts_padding, 11, flags, 0)
WITH(bilinear, 8, flags, 0)
WITH(other_softmax, 12, axis, 1)
WITH(not_transposed, 11, flags, 0)
WITH(other_elu, 2, alpha, 0)
WITH(other_padding, 0, alpha, 0)
WITH(mul_for_div, 10, op, NNCF_OP_MUL)
WITH(sub_for_add, 1, op, NNCF_OP_SUB)
WITHOUT(no_places, 1, 1)
WITH(one_place, 1, sizes[0], 1)

static const oh_node *both_orders(int i, const oh_node *o, oh_node *space)
{
    if (i == 9) {
        space->in[0] = o->in[1];
        space->in[1] = o->in[0];
    }
    return space;
}

static const oh_node *transpose_back(int i, const oh_node *o, oh_node *space)
{
    (void)o;
    if (i == 14) { /* heads and words are not exchanged back */
        space->sizes[1] = 1;
        space->sizes[2] = 2;
    }
    return space;
}

static const struct {
    int net;
    oh_change change;
    nncf_status status;
    /* behind which they part; or that does not fit */
    const char *where;
} wrong[] = {{0, no_norm_and_no_activation, NNCF_E_STATE, "Net/Conv2d[0]"},
    {0, no_pool, NNCF_E_SHAPE, "Net/cat_0"}, {0, not_turned, NNCF_E_STATE, "Net/Conv2d[1]"},
    {0, no_last_activation, NNCF_E_STATE, "Net/Upsample[1]"},
    {0, other_slope, NNCF_E_STATE, "Net/LeakyReLU[0]"}, {0, no_bias, NNCF_E_STATE, "Net/Conv2d[2]"},
    {0, counts_padding, NNCF_E_STATE, "Net/AvgPool2d[0]"},
    {0, bilinear, NNCF_E_STATE, "Net/Upsample[0]"},
    {0, both_orders, NNCF_E_STATE, "Net/LeakyReLU[0]"},
    {1, no_gelu, NNCF_E_STATE, "Net/Linear[fc]"},
    {1, no_layer_norm, NNCF_E_STATE, "Net/Embedding[wte]"},
    {1, other_softmax, NNCF_E_STATE, "Net/softmax_0"},
    {1, transpose_back, NNCF_E_STATE, "Net/transpose_3"},
    {1, not_transposed, NNCF_E_SHAPE, "Net/matmul_0"}, {2, other_elu, NNCF_E_STATE, "Net/ELU[0]"},
    {2, other_padding, NNCF_E_STATE, "Net/pad_0"},
    {2, mul_for_div, NNCF_E_STATE, "Net/__truediv___0"},
    {5, sub_for_add, NNCF_E_STATE, "Net/__add___0"},
    {5, no_places, NNCF_E_STATE, "Net/Embedding[wte]"},
    {5, one_place, NNCF_E_STATE, "Net/__add___0"}};
enum { WRONG = sizeof wrong / sizeof *wrong };

START_TEST(what_is_run_otherwise_is_refused_with_its_layer)
{
    for (int c = 0; c < CONFIGS; c++) {
        begin(wrong[_i].net, configs[c], wrong[_i].change);
        refused(P(.opset = 13), wrong[_i].status, wrong[_i].where, "that is not registered");
        exported(P(.unchecked = 1));
        oh_destroy(&net);
    }
}
END_TEST

/* What the host last showed is of another batch, or nothing was shown: the output is named. */
START_TEST(old_values_do_not_mislead)
{
    static float golden[OH_FLOATS];
    begin(0, configs[0], other_slope);
    const int last = net.n_nodes - 1;
    memcpy(golden, net.values[last].data, sizeof golden);
    for (int64_t i = 0; i < oh_count(&net.input); i++)
        net.input.data[i] = -net.input.data[i];
    oh_forward(&net);
    for (int64_t i = 0; i < oh_count(&net.input); i++)
        net.input.data[i] = -net.input.data[i];
    memcpy(net.values[last].data, golden, sizeof golden);
    refused(P(.opset = 13), NNCF_E_STATE, "Net/sigmoid_0", "right before the export");
    oh_destroy(&net);
}
END_TEST

START_TEST(golden_tensors_are_needed)
{
    begin(0, configs[0], NULL);
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_onnx_export(net.ctrl, path, NULL, &err), NNCF_E_STATE);
    ck_assert_str_eq(err.where, "Net/Conv2d[0]");
    ck_assert_msg(strstr(err.message, "give golden_input") != NULL, "%s", err.message);
    oh_destroy(&net);
}
END_TEST

/* x of (N,C,H,W), laid channels last. */
static nncf_tensor channels_last(const oh_tensor *x, float *data, int64_t strides[4])
{
    const int64_t *s = x->shape, plane = s[2] * s[3];
    for (int64_t i = 0; i < oh_count(x); i++)
        data[i / plane / s[1] * s[1] * plane + i % plane * s[1] + i / plane % s[1]] = x->data[i];
    strides[0] = s[1] * plane;
    strides[1] = 1;
    strides[2] = s[3] * s[1];
    strides[3] = s[1];
    return (nncf_tensor){.data = data, .ndim = 4, .shape = s, .strides = strides};
}

/* A host whose tensors lie channels last gives them as they lie; the file has C order. */
START_TEST(golden_tensors_of_another_order)
{
    static float data[2][OH_FLOATS];
    int64_t strides[2][4];
    nncf_error err = NNCF_ERROR_INIT;
    char *plain[2];
    begin(0, configs[_i], NULL);
    const nncf_tensor x = channels_last(&net.input, data[0], strides[0]),
                      y = channels_last(&net.values[net.n_nodes - 1], data[1], strides[1]),
                      x_plain = oh_view(&net.input),
                      y_plain = oh_view(&net.values[net.n_nodes - 1]);
    const nncf_tensor *const golden[3][2] = {{&x_plain, &y_plain}, {&x, &y}, {&x, &y_plain}};
    for (int i = 0; i < 3; i++) {
        const nncf_onnx_params p = {NNCF_PARAMS(nncf_onnx_params), .golden_input = golden[i][0],
            .golden_output = golden[i][1]};
        ck_assert_msg(nncf_onnx_export(net.ctrl, path, &p, &err) == NNCF_OK, "%s", err.message);
        Nncf__Onnx__ModelProto *m = read_back();
        ck_assert_str_eq(metadata(m, "nncf.checked"), "golden");
        const char *kept[2] = {metadata(m, "nncf.golden.input"), metadata(m, "nncf.golden.output")};
        for (int k = 0; k < 2; k++) {
            if (i == 0)
                plain[k] = strdup(kept[k]);
            ck_assert_str_eq(kept[k], plain[k]);
        }
        nncf__onnx__model_proto__free_unpacked(m, NULL);
        unlink(path);
    }
    free(plain[0]);
    free(plain[1]);
    strides[0][3] = net.input.shape[1] + 1; /* with gaps */
    const nncf_onnx_params p = {
        NNCF_PARAMS(nncf_onnx_params), .golden_input = &x, .golden_output = &y};
    ck_assert_int_eq(nncf_onnx_export(net.ctrl, path, &p, &err), NNCF_E_ARG);
    ck_assert_msg(strstr(err.message, "golden_input") != NULL, "%s", err.message);
    oh_destroy(&net);
}
END_TEST

/* The tolerance is what the caller says. */
START_TEST(the_tolerance_is_taken)
{
    begin(0, configs[0], NULL);
    float *y = net.values[net.n_nodes - 1].data;
    y[3] += 0.01f;
    refused(P(.opset = 13), NNCF_E_STATE, "Net/sigmoid_0", "golden_output");
    exported(P(.tolerance = 0.02f));
    refused(P(.tolerance = 0.005f), NNCF_E_STATE, "Net/sigmoid_0", "golden_output");
    y[3] = NAN;
    refused(P(.tolerance = 10), NNCF_E_ARG, "golden_output", "nothing can be compared");
    refused(P(.tolerance = -1), NNCF_E_ARG, "tolerance", "at least 0");
    refused(P(.unchecked = 2), NNCF_E_ARG, "unchecked", "0 or 1");
    refused(P(.opaque = 2), NNCF_E_ARG, "opaque", "NNCF_ONNX_OPAQUE_");
    refused(P(.reserved = 1), NNCF_E_ARG, "reserved", "must be 0");
    oh_destroy(&net);
}
END_TEST

/* ---- the library's own layers ---- */

/* Conv2d and Linear as the library's, run by a host: an activation in between is not registered. */
START_TEST(own_layers_run_by_a_host_are_checked)
{
    static on_net n;
    nncf_error err = NNCF_ERROR_INIT;
    for (int registered = 0; registered < 2; registered++) {
        on_begin(&n, ON_CONFIG(""), NULL);
        n.image_ndim = 2;
        n.image_shape[1] = 6;
        n.image_shape[2] = n.image_shape[3] = 1;
        on_linear(&n, 0, "a", -1, 6, 8, registered ? NNCF_ACTIVATION_RELU : 0);
        on_linear(&n, 1, "b", 0, 8, 3, 0);
        on_start(&n, false);
        const int64_t hidden[2] = {ON_BATCH, 8};
        nncf_tensor h = {.data = n.values[0], .ndim = 2, .shape = hidden};
        on_forward(&n, n.images, ON_BATCH);
        ck_assert_int_eq(on_export(&n, path, NNCF_ONNX_QDQ, 0, &err), NNCF_OK);
        unlink(path);
        for (int i = 0; i < ON_BATCH * 8; i++)
            n.values[0][i] = n.values[0][i] > 0 ? n.values[0][i] : 0;
        ck_assert_int_eq(nncf_layer_quantize_output(n.layers[0], &h, &h, &err), NNCF_OK);
        const int64_t out[2] = {ON_BATCH, 3};
        nncf_tensor y = {.data = n.values[1], .ndim = 2, .shape = out};
        ck_assert_int_eq(nncf_layer_forward(n.layers[1], &h, 1, &y, &err), NNCF_OK);
        const nncf_status status = on_export(&n, path, NNCF_ONNX_QDQ, 0, &err);
        ck_assert_int_eq(status, registered ? NNCF_OK : NNCF_E_STATE);
        if (!registered)
            ck_assert_str_eq(err.where, "a");
        unlink(path);
        on_destroy(&n);
    }
}
END_TEST

/* ---- what has no form ---- */

static const oh_node *opaque_gelu(int i, const oh_node *o, oh_node *space)
{
    (void)o;
    if (i == 19) {
        space->op = NNCF_OP_OPAQUE;
        space->flags = 0;
    }
    return space;
}

static const oh_node *other_gelu(int i, const oh_node *o, oh_node *space)
{
    (void)opaque_gelu(i, o, space);
    if (i == 19)
        space->op = NNCF_OP_OTHER;
    return space;
}

START_TEST(what_has_no_form)
{
    begin(1, configs[1], other_gelu);
    refused(P(.opset = 13), NNCF_E_UNSUPPORTED, "Net/gelu_0", "register it as what it is");
    refused(P(.opaque = 1), NNCF_E_UNSUPPORTED, "Net/gelu_0", "NNCF_OP_OPAQUE");
    oh_destroy(&net);
    begin(1, configs[1], opaque_gelu);
    refused(P(.opset = 13), NNCF_E_UNSUPPORTED, "Net/gelu_0", "params->opaque");
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(oh_export(&net, path, P(.opaque = NNCF_ONNX_OPAQUE_NODE), &err) == NNCF_OK, "%s",
        err.message);
    Nncf__Onnx__ModelProto *m = read_back();
    check_graph(m->graph);
    ck_assert_str_eq(metadata(m, "nncf.checked"), "no");
    ck_assert_uint_eq(count_op(m->graph, "Opaque"), 1);
    ck_assert_uint_eq(m->n_opset_import, 2);
    ck_assert_str_eq(m->opset_import[1]->domain, "nncf");
    nncf__onnx__model_proto__free_unpacked(m, NULL);
    unlink(path);
    oh_destroy(&net);
}
END_TEST

static bool quantizes_output(const char *scope)
{
    nncf_error err = NNCF_ERROR_INIT;
    float values[8], kept[8];
    const int64_t shape[2] = {1, 8};
    const nncf_tensor t = {.data = values, .ndim = 2, .shape = shape};
    nncf_tensor y = t;
    for (int i = 0; i < 8; i++)
        values[i] = kept[i] = 0.1234f * (float)(i + 1) - 0.5f;
    nncf_layer *layer = nncf_model_find_layer(net.model, scope);
    ck_assert_msg(nncf_layer_quantize_output(layer, &t, &y, &err) == NNCF_OK, "%s", err.message);
    return memcmp(values, kept, sizeof kept) != 0;
}

/* A quantizer that the next product wants passes by an operator that is unknown and changes
 * nothing, and stays behind one that changes values. */
START_TEST(quantizers_do_not_pass_an_opaque_operator)
{
    begin(1, configs[1], other_gelu);
    ck_assert(quantizes_output("Net/Linear[fc]"));
    ck_assert(!quantizes_output("Net/gelu_0"));
    oh_destroy(&net);
    begin(1, configs[1], opaque_gelu);
    ck_assert(!quantizes_output("Net/Linear[fc]"));
    ck_assert(quantizes_output("Net/gelu_0"));
    oh_destroy(&net);
}
END_TEST

/* ---- operators by themselves ---- */

static on_net few;

static nncf_layer *op(nncf_op_params p, nncf_layer *first, nncf_layer *second)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *const inputs[2] = {first, second};
    nncf_layer *layer;
    p.struct_size = sizeof p;
    p.inputs = inputs;
    p.n_inputs = second ? 2 : first ? 1 : 0;
    on_must(nncf_model_add_op(few.model, &p, &layer, &err), &err);
    return layer;
}

#define OP(name, ...)                                                                              \
    (nncf_op_params)                                                                               \
    {                                                                                              \
        .scope = name, .op = __VA_ARGS__                                                           \
    }
#define SIZES(...)                                                                                 \
    .sizes = (const int64_t[]){__VA_ARGS__},                                                       \
    .n_sizes = sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)
#define MAX_SIZE 2147483647 /* of a dimension */

static void few_begin(const char *config)
{
    on_begin(&few, config, NULL);
}

static void few_refused(
    const nncf_onnx_params *p, nncf_status status, const char *where, const char *word)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_status got = nncf_onnx_export(few.ctrl, path, p, &err);
    ck_assert_msg(got == status && strcmp(err.where, where) == 0 && strstr(err.message, word),
        "%s: %s: %s", nncf_status_name(got), err.where, err.message);
    ck_assert_int_ne(access(path, F_OK), 0);
}

/* The file says that its output has these sizes; -1: open. */
static void few_declares(const nncf_onnx_params *p, int32_t ndim, const int64_t *sizes)
{
    Nncf__Onnx__ModelProto *m = export_to_memory(few.ctrl, p);
    const Nncf__Onnx__TensorShapeProto *s = m->graph->output[0]->type->tensor_type->shape;
    check_graph(m->graph);
    ck_assert_int_eq((int32_t)s->n_dim, ndim);
    for (int32_t i = 0; i < ndim; i++)
        ck_assert_int_eq(
            s->dim[i]->value_case == NNCF__ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE
                ? s->dim[i]->dim_value
                : -1,
            sizes[i]);
    nncf__onnx__model_proto__free_unpacked(m, NULL);
}

/* 0/0 in the file, numbers at the host: also where quantizers let a few elements differ. */
START_TEST(nan_equals_nothing)
{
    static const char *const some[] = {ON_CONFIG(""),
        "{\"input_info\":{\"sample_size\":[1,8]},\"compression\":{\"algorithm\":\"quantization\","
        "\"initializer\":{\"range\":{\"num_init_samples\":0}}}}"};
    for (int c = 0; c < 2; c++) {
        const int64_t weight[2] = {16, 4}, in[2] = {1, 4}, out[2] = {1, 16};
        float w[64], x[4] = {0.5f, 0.5f, 0.5f, 0.25f}, y[16];
        const nncf_tensor tx = {.data = x, .ndim = 2, .shape = in},
                          ty = {.data = y, .ndim = 2, .shape = out};
        for (int i = 0; i < 64; i++)
            w[i] = i < 4 ? 0 : 0.5f + (float)(i % 7);
        for (int i = 0; i < 16; i++)
            y[i] = 1;
        few_begin(some[c]);
        nncf_layer *l =
            op(OP("fc", NNCF_OP_LINEAR, .weight = w, .weight_shape = weight, .weight_ndim = 2),
                NULL, NULL);
        op(OP("div", NNCF_OP_DIV), l, l);
        on_start(&few, false);
        few_refused(P(.golden_input = &tx, .golden_output = &ty), NNCF_E_STATE, "div",
            "does not compute golden_output");
        w[0] = w[1] = w[2] = w[3] = 1; /* the rest was equal */
        Nncf__Onnx__ModelProto *m =
            export_to_memory(few.ctrl, P(.golden_input = &tx, .golden_output = &ty));
        nncf__onnx__model_proto__free_unpacked(m, NULL);
        on_destroy(&few);
    }
}
END_TEST

START_TEST(a_mean_leaves_the_images)
{
    few_begin(ON_CONFIG(""));
    op(OP("mean", NNCF_OP_MEAN, SIZES(0, 1)), NULL, NULL);
    on_start(&few, false);
    few_refused(P(.unchecked = 1), NNCF_E_UNSUPPORTED, "mean", "axis is 0, but its input has 2");
    on_destroy(&few);
    few_begin(ON_CONFIG(""));
    op(OP("mean", NNCF_OP_MEAN, .axis = -5), NULL, NULL);
    on_start(&few, false);
    few_refused(P(.unchecked = 1, .input_ndim = 4), NNCF_E_UNSUPPORTED, "mean",
        "axis is -5, but its input has 4");
    on_destroy(&few);
}
END_TEST

/* Shapes that operators cannot have do not stop the program. */
START_TEST(golden_tensors_of_no_shape_are_refused)
{
    float x[24] = {0};
    const int64_t line[3] = {1, 1, 1}, kernel[3] = {1, 1, 2}, rows[3] = {2, 3, 3}, one[2] = {1, 4};
    const nncf_tensor tp = {.data = x, .ndim = 3, .shape = line},
                      tr = {.data = x, .ndim = 3, .shape = rows},
                      t1 = {.data = x, .ndim = 2, .shape = one};
    few_begin(ON_CONFIG(""));
    op(OP("softmax", NNCF_OP_SOFTMAX),
        op(OP("up", NNCF_OP_CONV_TRANSPOSE1D, .weight = x, .weight_shape = kernel, .weight_ndim = 3,
               .padding = {0, 0, 1}),
            NULL, NULL),
        NULL);
    on_start(&few, false);
    few_refused(
        P(.golden_input = &tp, .golden_output = &tp), NNCF_E_SHAPE, "up", "nothing is left");
    on_destroy(&few);
    few_begin(ON_CONFIG(""));
    op(OP("flat", NNCF_OP_RESHAPE, SIZES(1, -1)),
        op(OP("view", NNCF_OP_RESHAPE, SIZES((int64_t)1 << 31, (int64_t)1 << 31, 4, -1)), NULL,
            NULL),
        NULL);
    on_start(&few, false);
    few_refused(
        P(.golden_input = &t1, .golden_output = &t1), NNCF_E_SHAPE, "view", "those of no tensor");
    on_destroy(&few);
    few_begin(ON_CONFIG(ON_QUANTIZATION("\"bits\":8", "\"bits\":8,\"per_channel\":true")));
    on_linear(&few, 0, "fc", -1, 4, 3, NNCF_ACTIVATION_NONE);
    on_start(&few, false);
    int32_t more = 0;
    ck_assert_int_eq(nncf_compression_ctrl_init_step(few.ctrl, &more, NULL), NNCF_OK);
    const int64_t good[3] = {2, 3, 4};
    const nncf_tensor tg = {.data = x, .ndim = 3, .shape = good};
    nncf_tensor y = {.data = few.values[0], .ndim = 3, .shape = rows};
    for (int i = 0; i < 24; i++)
        x[i] = (float)(i % 5) - 2;
    ck_assert_int_eq(nncf_layer_forward(few.layers[0], &tg, 1, &y, NULL), NNCF_OK);
    while (more)
        ck_assert_int_eq(nncf_compression_ctrl_init_step(few.ctrl, &more, NULL), NNCF_OK);
    few_refused(P(.format = NNCF_ONNX_FAKE_QUANTIZE, .golden_input = &tr, .golden_output = &tr),
        NNCF_E_SHAPE, "fc", "its quantizer has 4 channels");
    on_destroy(&few);
}
END_TEST

/* What an opaque operator makes is not known but for its channels. */
START_TEST(shapes_that_are_not_known_are_open)
{
    few_begin(ON_CONFIG(""));
    op(OP("relu", NNCF_OP_RELU), op(OP("detect", NNCF_OP_OPAQUE, .channels = 6), NULL, NULL), NULL);
    on_start(&few, false);
    few_declares(P(.unchecked = 1, .opaque = NNCF_ONNX_OPAQUE_NODE, .input_shape = {0, 3, 4, 4}), 4,
        (const int64_t[]){-1, 6, -1, -1});
    on_destroy(&few);
    few_begin(ON_CONFIG("")); /* channels are the last size of rows */
    on_linear(&few, 0, "fc", -1, 8, 4, NNCF_ACTIVATION_NONE);
    on_activation(&few, 1, "act", 0, NNCF_ACTIVATION_RELU);
    on_start(&few, false);
    few_declares(P(.input_shape = {0, 0, 5, 8}), 4, (const int64_t[]){-1, -1, 5, 4});
    on_destroy(&few);
}
END_TEST

/* Sizes whose product fits in no integer are open. */
START_TEST(sizes_do_not_overflow)
{
    static const int64_t open[4] = {-1, -1, -1, -1};
    const nncf_onnx_params *p =
        P(.unchecked = 1, .input_ndim = 4, .input_shape = {MAX_SIZE, MAX_SIZE, MAX_SIZE, MAX_SIZE});
    few_begin(ON_CONFIG(""));
    op(OP("view", NNCF_OP_RESHAPE, SIZES(MAX_SIZE, MAX_SIZE, 8, -1)), NULL, NULL);
    on_start(&few, false);
    few_declares(p, 4, (const int64_t[]){MAX_SIZE, MAX_SIZE, 8, -1});
    on_destroy(&few);
    few_begin(ON_CONFIG(""));
    op(OP("flatten", NNCF_OP_FLATTEN), NULL, NULL);
    on_start(&few, false);
    few_declares(p, 2, (const int64_t[]){MAX_SIZE, -1});
    on_destroy(&few);
    few_begin(ON_CONFIG(""));
    nncf_layer *l = NULL;
    static const char *const scopes[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++)
        l = op(OP(scopes[i], NNCF_OP_INTERPOLATE, .stride = {0, MAX_SIZE, MAX_SIZE}), l, NULL);
    op(OP("cat", NNCF_OP_CONCAT, .axis = 2), l, l);
    on_start(&few, false);
    few_declares(p, 4, (const int64_t[]){MAX_SIZE, MAX_SIZE, open[2], open[3]});
    on_destroy(&few);
}
END_TEST

START_TEST(operators_that_do_not_fit_are_refused)
{
    few_begin(ON_CONFIG(""));
    nncf_layer *in = op(OP("in", NNCF_OP_INPUT), NULL, NULL);
    op(OP("matmul", NNCF_OP_MATMUL, .flags = NNCF_OP_FLAG_TRANSPOSE_SECOND), in,
        op(OP("mean", NNCF_OP_MEAN, .axis = 1), in, NULL));
    on_start(&few, false);
    few_refused(P(.unchecked = 1), NNCF_E_UNSUPPORTED, "matmul", "an input has one dimension");
    on_destroy(&few);
    few_begin(ON_CONFIG(""));
    op(OP("pool", NNCF_OP_MAX_POOL, .stride = {0, 2, 2}), NULL, NULL);
    on_start(&few, false);
    few_refused(P(.unchecked = 1, .input_ndim = 4), NNCF_E_UNSUPPORTED, "pool", "say its kernel");
    on_destroy(&few);
    static float bias[1] = {1};
    few_begin(ON_CONFIG(""));
    in = op(OP("in", NNCF_OP_INPUT), NULL, NULL);
    op(OP("linear", NNCF_OP_FUNCTIONAL_LINEAR, .bias = bias), in, in);
    on_start(&few, false);
    few_refused(P(.unchecked = 1), NNCF_E_UNSUPPORTED, "linear", "say `channels`");
    on_destroy(&few);
}
END_TEST

/* (N,C,L) by (N,C), and more dimensions. */
START_TEST(a_product_takes_one_factor_a_channel)
{
    static const int64_t shapes[6][5] = {
        [3] = {2, 3, 5}, [4] = {2, 3, 5, 2}, [5] = {2, 3, 5, 2, 2}};
    for (int32_t ndim = 3; ndim <= 5; ndim++) {
        float x[120], means[6] = {0}, y[120];
        int64_t inner = 1, axes[3];
        nncf_error err = NNCF_ERROR_INIT;
        for (int32_t i = 2; i < ndim; i++) {
            inner *= shapes[ndim][i];
            axes[i - 2] = i;
        }
        few_begin(ON_CONFIG(""));
        nncf_layer *in = few.layers[0] = op(OP("in", NNCF_OP_RELU), NULL, NULL);
        few.layers[1] =
            op(OP("mean", NNCF_OP_MEAN, .sizes = axes, .n_sizes = (size_t)ndim - 2), in, NULL);
        on_multiply(&few, 2, "mul", 0, 1);
        on_start(&few, false);
        for (int64_t i = 0; i < 6 * inner; i++) {
            x[i] = (float)on_uniform(&few);
            means[i / inner] += fmaxf(x[i], 0) / (float)inner;
        }
        for (int64_t i = 0; i < 6 * inner; i++)
            y[i] = fmaxf(x[i], 0) * means[i / inner];
        const nncf_tensor tx = {.data = x, .ndim = ndim, .shape = shapes[ndim]},
                          ty = {.data = y, .ndim = ndim, .shape = shapes[ndim]};
        const nncf_onnx_params p = {
            NNCF_PARAMS(nncf_onnx_params), .golden_input = &tx, .golden_output = &ty};
        ck_assert_msg(nncf_onnx_export(few.ctrl, path, &p, &err) == NNCF_OK, "%s", err.message);
        unlink(path);
        on_destroy(&few);
    }
}
END_TEST

/* The input's dimensions are the golden one's; a third size is of planes; else it is a vector. */
START_TEST(input_shape_says_how_many_dimensions)
{
    const int64_t in[3] = {2, 3, 8}, out[3] = {2, 3, 4};
    float x[48] = {0}, y[24] = {0};
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_tensor tx = {.data = x, .ndim = 3, .shape = in};
    nncf_tensor ty = {.data = y, .ndim = 3, .shape = out};
    few_begin(ON_CONFIG(""));
    on_linear(&few, 0, "fc", -1, 8, 4, NNCF_ACTIVATION_NONE);
    on_start(&few, false);
    on_must(nncf_layer_forward(few.layers[0], &tx, 1, &ty, &err), &err);
    few_declares(P(.golden_input = &tx, .golden_output = &ty, .input_shape = {0, 3, 8}), 3,
        (const int64_t[]){-1, 3, 4});
    few_declares(P(.input_shape = {0, 8}), 2, (const int64_t[]){-1, 4});
    few_declares(P(.input_shape = {0, 2, 4, 1}), 2, (const int64_t[]){-1, 4}); /* flattened */
    few_declares(P(.input_shape = {0, 2, 4, 8}), 4, (const int64_t[]){-1, 2, 4, 4});
    on_destroy(&few);
}
END_TEST

START_TEST(constants_that_are_not_finite_are_refused)
{
    static const char *const words[3] = {"norm.weight[2]", "norm.bias[2]", "constants[0][2]"};
    for (int i = 0; i < 3; i++)
        for (int32_t format = 0; format < 2; format++) {
            const int64_t four[1] = {4};
            float slopes[4] = {0};
            const nncf_tensor t = {.data = slopes, .ndim = 1, .shape = four};
            few_begin(ON_CONFIG(""));
            on_linear(&few, 0, "fc", -1, 4, 4, NNCF_ACTIVATION_NONE);
            const size_t first = few.n_buffers;
            if (i < 2)
                on_layer_norm(&few, 1, "it", 0, 4);
            else
                op(OP("it", NNCF_OP_PRELU, .constants = &t, .n_constants = 1), few.layers[0], NULL);
            on_start(&few, false);
            (i < 2 ? few.buffers[first + (size_t)i] : slopes)[2] = format ? INFINITY : NAN;
            few_refused(P(.format = format, .unchecked = 1), NNCF_E_UNSUPPORTED, "it", words[i]);
            on_destroy(&few);
        }
}
END_TEST

/* ---- registration ---- */

static void not_registered(nncf_model *model, nncf_op_params p, const char *word)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *layer;
    p.struct_size = sizeof p;
    p.scope = "Net/op";
    ck_assert_int_eq(nncf_model_add_op(model, &p, &layer, &err), NNCF_E_ARG);
    ck_assert_msg(strstr(err.message, word) != NULL, "%s", err.message);
}

START_TEST(attributes_that_are_refused)
{
    nncf_model *model;
    float values[4] = {0};
    const int64_t four[1] = {4}, twice[2] = {1, 1}, open[2] = {-1, -1}, low[1] = {-2};
    const nncf_tensor good = {.data = values, .ndim = 1, .shape = four},
                      codes = {.data = values, .dtype = NNCF_U8, .ndim = 1, .shape = four};
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    not_registered(model, (nncf_op_params){.op = NNCF_OP_RELU, .flags = 1}, "flags is 1");
    not_registered(model, (nncf_op_params){.op = NNCF_OP_GELU, .flags = 2}, "flags is 2");
    not_registered(model,
        (nncf_op_params){.op = NNCF_OP_RELU, .constants = &good, .n_constants = 1},
        "n_constants is 1");
    not_registered(
        model, (nncf_op_params){.op = NNCF_OP_PRELU, .n_constants = 1}, "constants is NULL");
    not_registered(model,
        (nncf_op_params){.op = NNCF_OP_PRELU, .constants = &codes, .n_constants = 1},
        "must be floats");
    not_registered(model, (nncf_op_params){.op = NNCF_OP_TRANSPOSE, .sizes = twice, .n_sizes = 2},
        "each of the input's dimensions once");
    not_registered(model, (nncf_op_params){.op = NNCF_OP_RESHAPE, .sizes = open, .n_sizes = 2},
        "only one of sizes");
    not_registered(model, (nncf_op_params){.op = NNCF_OP_RESHAPE, .sizes = low, .n_sizes = 1},
        "an element of sizes is -2");
    not_registered(model, (nncf_op_params){.op = NNCF_OP_RESHAPE, .n_sizes = 1}, "sizes is NULL");
    not_registered(model, (nncf_op_params){.op = NNCF_OP_LAYER_NORM, .eps = -1}, "eps is -1");
    not_registered(
        model, (nncf_op_params){.op = NNCF_OP_MAX_POOL, .padding_end = {0, -1}}, "padding_end[1]");
    not_registered(model, (nncf_op_params){.op = NNCF_OP_RELU, .reserved2 = 1}, "reserved2");
    const float one[1] = {1};
    const int64_t single[1] = {1};
    const nncf_tensor constant = {.data = (void *)one, .ndim = 1, .shape = single};
    nncf_op_params first = {NNCF_PARAMS(nncf_op_params), .scope = "first", .op = NNCF_OP_RELU};
    nncf_layer *two[2];
    nncf_error err = NNCF_ERROR_INIT;
    on_must(nncf_model_add_op(model, &first, &two[0], &err), &err);
    two[1] = two[0];
    not_registered(model,
        (nncf_op_params){.op = NNCF_OP_ADD,
            .constants = &constant,
            .n_constants = 1,
            .inputs = two,
            .n_inputs = 2},
        "so it reads one input, not 2");
    not_registered(model,
        (nncf_op_params){.op = NNCF_OP_MUL, .constants = &constant, .n_constants = 2},
        "n_constants is 2; __mul__ has at most 1");
    nncf_model_destroy(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("onnx_host");
    TCase *tests = fx_case(suite, "host", 120);
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_add_loop_test(tests, every_operator_is_exported, 0, OH_NETS * CONFIGS);
    tcase_add_loop_test(tests, what_is_run_otherwise_is_refused_with_its_layer, 0, WRONG);
    tcase_add_test(tests, old_values_do_not_mislead);
    tcase_add_test(tests, golden_tensors_are_needed);
    tcase_add_loop_test(tests, golden_tensors_of_another_order, 0, CONFIGS);
    tcase_add_test(tests, the_tolerance_is_taken);
    tcase_add_test(tests, own_layers_run_by_a_host_are_checked);
    tcase_add_test(tests, what_has_no_form);
    tcase_add_test(tests, quantizers_do_not_pass_an_opaque_operator);
    tcase_add_test(tests, nan_equals_nothing);
    tcase_add_test(tests, a_mean_leaves_the_images);
    tcase_add_test(tests, golden_tensors_of_no_shape_are_refused);
    tcase_add_test(tests, shapes_that_are_not_known_are_open);
    tcase_add_test(tests, sizes_do_not_overflow);
    tcase_add_test(tests, operators_that_do_not_fit_are_refused);
    tcase_add_test(tests, a_product_takes_one_factor_a_channel);
    tcase_add_test(tests, input_shape_says_how_many_dimensions);
    tcase_add_test(tests, constants_that_are_not_finite_are_refused);
    tcase_add_test(tests, attributes_that_are_refused);
    return fx_main(suite);
}
