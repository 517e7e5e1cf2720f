/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs of other shapes than the fixture's network, graphs that are none, and the export's parts
 * by themselves. */
#include "fixture.h"
#include "read_back.h"

#include "formats/onnx/export.h"
#include "support/runner.h"

#include <sys/mman.h>

/* ---- models ---- */

START_TEST(models_are_whole)
{
    static on_net n;
    static const size_t convs[ON_MODELS] = {1, 3}, gemms[ON_MODELS] = {3, 1};
    static const char *const turned[ON_MODELS] = {"Reshape", "Flatten"};
    for (int c = 0; c < ON_MODEL_CONFIGS; c++)
        for (int form = 0; form < 4; form++) {
            const nncf_onnx_params p = {NNCF_PARAMS(nncf_onnx_params), .opset = 13 + form,
                .format = form % 2, .fold_batch_norm = form / 2};
            nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
            on_begin(&n, on_model_configs[c], NULL);
            on_models[_i](&n);
            on_start(&n, true);
            ck_assert_int_eq(nncf_compression_ctrl_get_statistics(n.ctrl, &s, NULL), NNCF_OK);
            const size_t quantizers = (size_t)(s.activation_quantizers + s.input_quantizers),
                         weights = (size_t)s.weight_quantizers;
            Nncf__Onnx__ModelProto *m = export_to_memory(n.ctrl, &p);
            check_graph(m->graph);
            ck_assert_uint_eq(count_op(m->graph, "Conv"), convs[_i]);
            ck_assert_uint_eq(count_op(m->graph, "Gemm"), gemms[_i]);
            ck_assert_uint_eq(count_op(m->graph, turned[_i]), 1);
            ck_assert_uint_eq(count_op(m->graph, "Add"), 1);
            ck_assert_uint_eq(count_op(m->graph, "MaxPool"), 1);
            ck_assert_uint_eq(count_op(m->graph, "BatchNormalization"), form / 2 ? 0 : 1);
            ck_assert_uint_eq(count_op(m->graph, "QuantizeLinear"), form % 2 ? 0 : quantizers);
            ck_assert_uint_eq(
                count_op(m->graph, "DequantizeLinear"), form % 2 ? 0 : quantizers + weights);
            ck_assert_uint_eq(
                count_op(m->graph, "FakeQuantize"), form % 2 ? quantizers + weights : 0);
            ck_assert_int_eq(m->ir_version, p.opset < 15 ? 7 : 8);
            ck_assert_uint_eq(
                m->graph->input[0]->type->tensor_type->shape->n_dim, (size_t)n.image_ndim);
            nncf__onnx__model_proto__free_unpacked(m, NULL);
            on_destroy(&n);
        }
}
END_TEST

/* A sum that 1.3 and 1.4 quantize in front of its activation: the order of the nodes is the order
 * of the arithmetic. */
START_TEST(a_sum_is_quantized_in_front_of_its_activation)
{
    static on_net n;
    const nncf_onnx_params p = {NNCF_PARAMS(nncf_onnx_params)};
    on_begin(&n,
        "{\"hw_config_type\": \"cpu\", \"compression\": {\"algorithm\": \"quantization\", "
        "\"initializer\": {\"range\": {\"num_init_steps\": 1, \"type\": \"min_max\"}}}}",
        NULL);
    on_planes(&n);
    on_start(&n, true);
    Nncf__Onnx__ModelProto *m = export_to_memory(n.ctrl, &p);
    const char *value = "Net/__add___0::product";
    static const char *const chain[] = {"QuantizeLinear", "DequantizeLinear", "Relu"};
    for (size_t k = 0; k < sizeof chain / sizeof *chain; k++) {
        const Nncf__Onnx__NodeProto *reader = NULL;
        for (size_t i = 0; i < m->graph->n_node && !reader; i++)
            if (strcmp(m->graph->node[i]->input[0], value) == 0)
                reader = m->graph->node[i];
        ck_assert_ptr_nonnull(reader);
        ck_assert_str_eq(reader->op_type, chain[k]);
        value = reader->output[0];
    }
    ck_assert_str_eq(value, "Net/__add___0");
    nncf__onnx__model_proto__free_unpacked(m, NULL);
    on_destroy(&n);
}
END_TEST

/* ---- refused ---- */

static void export_refused(
    on_net *n, const nncf_onnx_params *p, nncf_status status, const char *where, const char *word)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_onnx_export(n->ctrl, path, p, &err), status);
    ck_assert_msg(strstr(err.message, word) != NULL, "%s", err.message);
    ck_assert_str_eq(err.where, where);
    ck_assert_int_ne(access(path, F_OK), 0);
}

#define P(...)                                                                                     \
    &(nncf_onnx_params)                                                                            \
    {                                                                                              \
        NNCF_PARAMS(nncf_onnx_params), __VA_ARGS__                                                 \
    }

static void plain(on_net *n)
{
    on_begin(n, ON_CONFIG(""), NULL);
}

START_TEST(models_that_are_no_graph_are_refused)
{
    static on_net n;
    plain(&n); /* a sum of nobody knows what */
    on_linear(&n, 0, "a", -1, 2, 3, NNCF_ACTIVATION_NONE);
    on_add(&n, 1, "sum", -1, -1, NNCF_ACTIVATION_NONE);
    on_start(&n, false);
    export_refused(&n, P(.opset = 13), NNCF_E_UNSUPPORTED, "a", "connected to no other");
    on_destroy(&n);
    plain(&n);
    on_linear(&n, 0, "a", -1, 2, 3, NNCF_ACTIVATION_NONE);
    on_linear(&n, 1, "b", 0, 3, 3, NNCF_ACTIVATION_NONE);
    on_add(&n, 2, "sum", -1, -1, NNCF_ACTIVATION_NONE);
    on_start(&n, false);
    export_refused(&n, P(.opset = 13), NNCF_E_UNSUPPORTED, "sum", "without its inputs");
    on_destroy(&n);
    plain(&n); /* two readers of the input that do not agree */
    on_linear(&n, 0, "a", -1, 2, 3, NNCF_ACTIVATION_NONE);
    on_linear(&n, 1, "b", -1, 4, 3, NNCF_ACTIVATION_NONE);
    on_add(&n, 2, "sum", 0, 1, NNCF_ACTIVATION_NONE);
    on_start(&n, false);
    export_refused(&n, P(.opset = 13), NNCF_E_UNSUPPORTED, "b",
        "reads 4 channels of the model's input, but a reads 2");
    on_destroy(&n);
    plain(&n); /* two chains */
    for (int i = 0; i < 4; i++)
        on_linear(&n, i,
            i == 0       ? "a"
                : i == 1 ? "b"
                : i == 2 ? "c"
                         : "d",
            i % 2 ? i - 1 : -1, 2, 2, NNCF_ACTIVATION_NONE);
    on_start(&n, false);
    export_refused(&n, P(.opset = 13), NNCF_E_UNSUPPORTED, "a",
        "2 layers read the model's input and 2 are outputs");
    on_destroy(&n);
}
END_TEST

START_TEST(two_readers_and_two_outputs_are_exported)
{
    static on_net n;
    const nncf_onnx_params p = {NNCF_PARAMS(nncf_onnx_params)};
    plain(&n); /* both read the same input */
    on_linear(&n, 0, "a", -1, 2, 3, NNCF_ACTIVATION_NONE);
    on_linear(&n, 1, "b", -1, 2, 3, NNCF_ACTIVATION_NONE);
    on_add(&n, 2, "sum", 0, 1, NNCF_ACTIVATION_NONE);
    on_start(&n, false);
    Nncf__Onnx__ModelProto *m = export_to_memory(n.ctrl, &p);
    check_graph(m->graph);
    ck_assert_uint_eq(m->graph->n_output, 1);
    nncf__onnx__model_proto__free_unpacked(m, NULL);
    on_destroy(&n);
    plain(&n);
    on_linear(&n, 0, "a", -1, 2, 3, NNCF_ACTIVATION_NONE);
    on_linear(&n, 1, "b", 0, 3, 4, NNCF_ACTIVATION_NONE);
    on_linear(&n, 2, "c", 0, 3, 5, NNCF_ACTIVATION_NONE);
    on_start(&n, false);
    m = export_to_memory(n.ctrl, &p);
    check_graph(m->graph);
    ck_assert_uint_eq(m->graph->n_output, 2);
    ck_assert_int_eq(m->graph->output[1]->type->tensor_type->shape->dim[1]->dim_value, 5);
    nncf__onnx__model_proto__free_unpacked(m, NULL);
    /* golden_output is of one */
    const int64_t in[2] = {1, 2}, out[2] = {1, 5};
    float zeros[5] = {0};
    const nncf_tensor x = {.data = zeros, .ndim = 2, .shape = in},
                      y = {.data = zeros, .ndim = 2, .shape = out};
    export_refused(
        &n, P(.golden_input = &x, .golden_output = &y), NNCF_E_ARG, "golden_output", "2 outputs");
    on_destroy(&n);
}
END_TEST

START_TEST(inputs_that_do_not_fit_are_refused)
{
    static on_net n;
    plain(&n);
    on_linear(&n, 0, "a", -1, 6, 3, NNCF_ACTIVATION_NONE);
    on_start(&n, false);
    export_refused(&n, P(.input_ndim = 1), NNCF_E_ARG, "input_ndim", "at least 2 are needed");
    export_refused(&n, P(.input_ndim = 2, .input_shape = {0, 6, 1}), NNCF_E_ARG, "input_shape",
        "input_shape[2] is 1");
    export_refused(
        &n, P(.input_ndim = 2, .input_shape = {0, 5}), NNCF_E_SHAPE, "a", "but the layer reads 6");
    Nncf__Onnx__ModelProto *m =
        export_to_memory(n.ctrl, P(.input_shape = {3, 2, 3, 1})); /* flattened: 2 * 3 * 1 */
    ck_assert_uint_eq(count_op(m->graph, "Flatten"), 1);
    ck_assert_int_eq(m->graph->input[0]->type->tensor_type->shape->dim[0]->dim_value, 3);
    ck_assert_int_eq(m->graph->output[0]->type->tensor_type->shape->dim[0]->dim_value, 3);
    nncf__onnx__model_proto__free_unpacked(m, NULL);
    on_destroy(&n);
    plain(&n); /* a kernel larger than its input; sizes that are open stay so */
    on_conv(&n, 0, "a", -1, 2, 3, 5, 1, 0, 1, NNCF_ACTIVATION_NONE, false, false);
    on_pool(&n, 1, "p", 0, NNCF_POOL_AVERAGE, 2, 2, 0);
    on_start(&n, false);
    export_refused(&n, P(.input_shape = {0, 2, 4, 9}), NNCF_E_SHAPE, "a", "larger than its input");
    export_refused(&n, P(.input_shape = {0, 2, 9, 5}), NNCF_E_SHAPE, "p", "larger than its input");
    export_refused(&n, P(.input_shape = {0, 0, 0, 5}), NNCF_E_SHAPE, "p", "larger than its input");
    m = export_to_memory(n.ctrl, P(.input_shape = {0, 0, 9, 0}));
    const Nncf__Onnx__TensorShapeProto *out = m->graph->output[0]->type->tensor_type->shape;
    ck_assert_int_eq(out->dim[1]->dim_value, 3);
    ck_assert_int_eq(out->dim[2]->dim_value, 2);
    ck_assert_int_eq(
        out->dim[3]->value_case, NNCF__ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE__NOT_SET);
    nncf__onnx__model_proto__free_unpacked(m, NULL);
    on_destroy(&n);
}
END_TEST

START_TEST(texts_that_are_refused)
{
    static on_net n;
    const nncf_checkpoint_text no_key = {NULL, "v"}, no_value = {"k", NULL},
                               bad_key = {"\xff", "v"}, bad_value = {"k", "\xff"},
                               twice[2] = {{"k", "1"}, {"k", "2"}};
    plain(&n);
    on_linear(&n, 0, "a", -1, 2, 2, NNCF_ACTIVATION_NONE);
    on_start(&n, false);
    const nncf_checkpoint_text *const bad[] = {&no_key, &no_value, &bad_key, &bad_value};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        export_refused(&n, P(.texts = bad[i], .n_texts = 1), NNCF_E_ARG, "texts", "both UTF-8");
    export_refused(
        &n, P(.texts = twice, .n_texts = 2), NNCF_E_ARG, "texts", "the key \"k\" is there twice");
    export_refused(&n, P(.n_texts = 1), NNCF_E_ARG, "texts", "texts is NULL");
    export_refused(&n, P(.fold_batch_norm = -1), NNCF_E_ARG, "fold_batch_norm", "0 or 1");
    export_refused(&n, P(.opset = 18), NNCF_E_ARG, "opset", "13 to 17");
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(
        nncf_onnx_export(n.ctrl, path, &(nncf_onnx_params){.struct_size = 3}, &err), NNCF_E_ARG);
    on_destroy(&n);
}
END_TEST

START_TEST(golden_tensors_that_are_refused)
{
    static on_net n;
    float x[4] = {0};
    const int64_t one[1] = {1}, row[2] = {1, 2}, none[2] = {0, 2}, huge[2] = {1, 1 << 25},
                  odd[2] = {1, 3};
    const int64_t strides[2] = {1, 1}, wide[2] = {2, 2};
    const nncf_tensor good = {.data = x, .ndim = 2, .shape = row};
    const struct {
        nncf_tensor tensor;
        nncf_status status;
    } bad[] = {{{.data = x, .ndim = 1, .shape = one}, NNCF_E_SHAPE},
        {{.data = x, .ndim = 2, .shape = none}, NNCF_E_SHAPE},
        {{.data = x, .ndim = 2, .shape = huge}, NNCF_E_LIMIT},
        {{.data = NULL, .ndim = 2, .shape = row}, NNCF_E_ARG},
        {{.data = x, .ndim = 2, .shape = wide, .strides = strides}, NNCF_E_ARG},
        {{.data = x, .ndim = 2, .shape = odd}, NNCF_E_SHAPE}};
    plain(&n);
    on_linear(&n, 0, "a", -1, 2, 2, NNCF_ACTIVATION_NONE);
    on_start(&n, false);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nncf_error err = NNCF_ERROR_INIT;
        ck_assert_int_eq(nncf_onnx_export(n.ctrl, path,
                             P(.golden_input = &bad[i].tensor, .golden_output = &good), &err),
            bad[i].status);
        ck_assert_msg(strstr(err.message, "golden_input") != NULL, "%s", err.message);
        ck_assert_int_eq(nncf_onnx_export(n.ctrl, path,
                             P(.golden_input = &good, .golden_output = &bad[i].tensor), &err),
            bad[i].status);
        ck_assert_msg(strstr(err.message, "golden_output") != NULL, "%s", err.message);
    }
    export_refused(&n, P(.golden_output = &good), NNCF_E_ARG, "golden_input", "go together");
    ck_assert_int_ne(access(path, F_OK), 0);
    on_destroy(&n);
}
END_TEST

/* Value of a base64 digit; 64: none. */
static unsigned digit(char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned)(c - 'A')
        : c >= 'a' && c <= 'z'  ? (unsigned)(c - 'a') + 26
        : c >= '0' && c <= '9'  ? (unsigned)(c - '0') + 52
        : c == '+'              ? 62
        : c == '/'              ? 63
                                : 64;
}

/* Golden tensors come back bit for bit, with any padding: 4, 8 and 12 bytes. */
START_TEST(golden_tensors_come_back)
{
    for (int64_t width = 1; width <= 3; width++) {
        static on_net n;
        const int64_t shape[2] = {1, width};
        float x[3] = {-0.1f, 3e-39f, 12345.678f}, back[3] = {0};
        const nncf_tensor t = {.data = x, .ndim = 2, .shape = shape};
        plain(&n);
        on_linear(&n, 0, "a", -1, width, width, NNCF_ACTIVATION_NONE);
        on_start(&n, false);
        Nncf__Onnx__ModelProto *m =
            export_to_memory(n.ctrl, P(.golden_input = &t, .golden_output = &t, .unchecked = 1));
        const char *text = metadata(m, "nncf.golden.output");
        uint8_t bytes[16];
        size_t used = 0;
        ck_assert_uint_eq(strlen(text), 4 * ((4 * (size_t)width + 2) / 3));
        for (size_t i = 0; text[i]; i += 4) {
            unsigned bits = 0;
            for (int k = 0; k < 4; k++)
                bits = bits << 6 | (digit(text[i + (size_t)k]) & 63);
            for (int k = 0; k < 3; k++)
                bytes[used++] = (uint8_t)(bits >> (16 - 8 * k));
        }
        ck_assert_uint_ge(used, 4 * (size_t)width);
        for (size_t i = strlen(text) - (used - 4 * (size_t)width); text[i]; i++)
            ck_assert_int_eq(text[i], '=');
        memcpy(back, bytes, 4 * (size_t)width);
        ck_assert_mem_eq(back, x, 4 * (size_t)width);
        nncf__onnx__model_proto__free_unpacked(m, NULL);
        on_destroy(&n);
    }
}
END_TEST

START_TEST(export_during_initialization_is_refused)
{
    static on_net n;
    int32_t more = 0;
    on_begin(&n, on_model_configs[1], NULL);
    on_planes(&n);
    on_start(&n, false);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(n.ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 1);
    export_refused(&n, P(.opset = 13), NNCF_E_STATE, "", "ranges are not initialized");
    on_destroy(&n);
}
END_TEST

/* Above 2 GiB: zeros that take no memory. */
START_TEST(files_end_at_2_gib)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_model *model;
    nncf_config *c;
    nncf_compression_ctrl *ctrl;
    nncf_layer *layer;
    const size_t count = (size_t)1 << 29;
    float *w = mmap(
        NULL, count * sizeof *w, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ck_assert(w != MAP_FAILED);
    on_must(nncf_config_parse(NULL, "case", "{}", 2, NULL, &c, &err), &err);
    on_must(nncf_model_create(NULL, &model, &err), &err);
    const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "a", .weight = w,
        .in_features = (int64_t)count, .out_features = 1};
    on_must(nncf_model_add_linear(model, &p, &layer, &err), &err);
    on_must(nncf_compression_ctrl_create(model, c, &ctrl, &err), &err);
    ck_assert_int_eq(nncf_onnx_export(ctrl, path, NULL, &err), NNCF_E_LIMIT);
    ck_assert_msg(strstr(err.message, "ONNX files end at 2 GiB") != NULL, "%s", err.message);
    ck_assert_int_ne(access(path, F_OK), 0);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    nncf_config_destroy(c);
    munmap(w, count * sizeof *w);
}
END_TEST

/* ---- the arena ---- */

START_TEST(an_arena_that_failed_stays_failed)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf__onnx_builder b = {.err = &err};
    on_must(nncf_context_create(NNCF_API_VERSION, NULL, &b.context, &err), &err);
    unsigned char *large = nncf__onnx_alloc(&b, 1 << 20), *small = nncf__onnx_alloc(&b, 1);
    ck_assert(large && small);
    for (int i = 0; i < 1 << 20; i++)
        ck_assert_uint_eq(large[i], 0);
    ck_assert_ptr_null(nncf__onnx_alloc(&b, SIZE_MAX - 3)); /* would not fit with its rounding */
    ck_assert(b.failed);
    ck_assert_ptr_null(nncf__onnx_alloc(&b, 1));
    ck_assert_ptr_null(nncf__onnx_printf(&b, "%s", "x"));
    ck_assert_ptr_null(nncf__onnx_scalar(&b, "x", 1));
    ck_assert_ptr_null(nncf__onnx_node(&b, "Add", "x"));
    nncf__onnx_input(&b, NULL, "x");
    nncf__onnx_attribute_int(&b, NULL, "x", 1);
    ck_assert_ptr_null(nncf__onnx_value_info(&b, &(nncf__onnx_value){.ndim = 2}));
    ck_assert_uint_eq(b.n_nodes + b.n_tensors, 0);
    nncf__onnx_arena_free(&b);
    ck_assert_ptr_null(b.blocks);
    nncf_context_destroy(b.context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("onnx_graphs");
    TCase *tests = fx_case(suite, "graphs", 120);
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_add_loop_test(tests, models_are_whole, 0, ON_MODELS);
    tcase_add_test(tests, a_sum_is_quantized_in_front_of_its_activation);
    tcase_add_test(tests, models_that_are_no_graph_are_refused);
    tcase_add_test(tests, two_readers_and_two_outputs_are_exported);
    tcase_add_test(tests, inputs_that_do_not_fit_are_refused);
    tcase_add_test(tests, texts_that_are_refused);
    tcase_add_test(tests, golden_tensors_that_are_refused);
    tcase_add_test(tests, golden_tensors_come_back);
    tcase_add_test(tests, export_during_initialization_is_refused);
    tcase_add_test(tests, files_end_at_2_gib);
    tcase_add_test(tests, an_arena_that_failed_stays_failed);
    return fx_main(suite);
}
