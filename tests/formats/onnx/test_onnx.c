/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exports read back with protobuf-c: structure, names, codes against the library's compressed
 * weights, metadata, golden tensors; what is refused and what a failure leaves behind. What engines
 * make of the files is compare.py's business.
 */
#include "fixture.h"
#include "read_back.h"

#include "support/memory.h"
#include "support/runner.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

static int32_t measure(void *user, const void *data, size_t size)
{
    (void)data;
    *(size_t *)user += size;
    return 0;
}

/* In the file: a byte a weight, or a float. Against nncf_layer_compress_weight(), which is tested
 * against NNCF. */
static void check_weight(
    const on_net *n, const Nncf__Onnx__GraphProto *g, const char *scope, size_t count, bool codes)
{
    char name[256];
    float *w = calloc(count, sizeof *w);
    ck_assert_int_eq(
        nncf_layer_compress_weight(nncf_model_find_layer(n->model, scope), w, NULL), NNCF_OK);
    snprintf(name, sizeof name, "%s::weight%s", scope, codes ? "::codes" : "_values");
    const Nncf__Onnx__TensorProto *t = tensor(g, name), *scale, *zero;
    ck_assert_msg(t != NULL, "%s is missing", name);
    ck_assert_uint_eq(t->raw_data.len, count * (codes ? 1 : sizeof(float)));
    if (!codes) {
        ck_assert_mem_eq(t->raw_data.data, w, count * sizeof *w);
        free(w);
        return;
    }
    snprintf(name, sizeof name, "%s::weight::scale", scope);
    scale = tensor(g, name);
    snprintf(name, sizeof name, "%s::weight::zero_point", scope);
    zero = tensor(g, name);
    ck_assert_int_eq(zero->data_type, t->data_type);
    const size_t channels = scale->raw_data.len / sizeof(float), run = count / channels;
    ck_assert_uint_eq(zero->raw_data.len, channels);
    for (size_t i = 0; i < count; i++) {
        float step;
        memcpy(&step, scale->raw_data.data + i / run * sizeof step, sizeof step);
        int z = zero->raw_data.data[i / run], q = t->raw_data.data[i];
        if (t->data_type == NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__INT8) {
            z = (int8_t)z;
            q = (int8_t)q;
        }
        ck_assert_float_eq((float)(q - z) * step, w[i]);
    }
    free(w);
}

static void check_weights(const on_net *n, const Nncf__Onnx__GraphProto *g, bool codes)
{
    check_weight(n, g, "Net/Block[a]/Conv2d[0]", 8 * 2 * 9, codes);
    check_weight(n, g, "Net/Block[b]/Conv2d[0]", 8 * 9, codes);
    check_weight(n, g, "Net/Block[b]/Conv2d[1]", 8 * 8, codes);
    check_weight(n, g, "Net/Block[c]/Conv2d[0]", 16 * 4 * 9, codes);
    check_weight(n, g, "Net/Linear[0]", 16 * 12, codes);
    check_weight(n, g, "Net/Linear[1]", 12 * ON_CLASSES, codes);
}

/* Of every quantized case: Q and DQ, or FakeQuantize, are as many as there are quantizers. */
START_TEST(export_has_the_nodes_and_weights_of_the_model)
{
    static on_net n;
    const bool quantized =
        strcmp(on_cases[_i].name, "plain") != 0 && strcmp(on_cases[_i].name, "magnitude") != 0;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
    on_create(&n, on_cases[_i].config, NULL, true);
    ck_assert_int_eq(nncf_compression_ctrl_get_statistics(n.ctrl, &s, NULL), NNCF_OK);
    const size_t activations = (size_t)(s.activation_quantizers + s.input_quantizers);
    const size_t weights = (size_t)s.weight_quantizers;
    ck_assert_uint_eq(weights, quantized ? ON_WEIGHT_LAYERS : 0);
    for (int format = 0; format < 2; format++) {
        const bool qdq = format == NNCF_ONNX_QDQ;
        if (qdq && strcmp(on_cases[_i].name, "int8_activations_per_channel") == 0) {
            ck_assert_int_eq(on_export(&n, path, format, 0, &err), NNCF_E_UNSUPPORTED);
            ck_assert_ptr_nonnull(strstr(err.message, "a range a channel"));
            ck_assert_int_ne(access(path, F_OK), 0);
            continue;
        }
        ck_assert_msg(on_export(&n, path, format, 0, &err) == NNCF_OK, "%s", err.message);
        Nncf__Onnx__ModelProto *m = read_back();
        const Nncf__Onnx__GraphProto *g = m->graph;
        check_graph(g);
        ck_assert_uint_eq(count_op(g, "QuantizeLinear"), qdq ? activations : 0);
        ck_assert_uint_eq(count_op(g, "DequantizeLinear"), qdq ? activations + weights : 0);
        ck_assert_uint_eq(count_op(g, "FakeQuantize"), qdq ? 0 : activations + weights);
        ck_assert_uint_eq(count_op(g, "Conv"), 4);
        ck_assert_uint_eq(count_op(g, "Gemm"), 2);
        ck_assert_uint_eq(count_op(g, "BatchNormalization"), 3);
        ck_assert_uint_eq(count_op(g, "Add"), 1);
        ck_assert_uint_eq(
            count_op(g, "MaxPool") + count_op(g, "AveragePool") + count_op(g, "GlobalAveragePool"),
            3);
        ck_assert_uint_eq(count_op(g, "ReduceMean"), 2);
        ck_assert_uint_eq(count_op(g, "Relu"), 3);
        ck_assert_str_eq(g->output[0]->name, "output");
        ck_assert_uint_eq(m->n_opset_import, qdq ? 1 : 2);
        ck_assert_int_eq(m->opset_import[0]->version, 13);
        ck_assert_str_eq(metadata(m, "nncf.format"), qdq ? "qdq" : "fakequantize");
        ck_assert_str_eq(metadata(m, "nncf.rounding"), "half to even");
        ck_assert_str_eq(metadata(m, "nncf.library"), nncf_version_string());
        if (quantized)
            check_weights(&n, g, qdq);
        nncf__onnx__model_proto__free_unpacked(m, NULL);
    }
    on_destroy(&n);
}
END_TEST

/* A folded factor turns the codes of its channel round where it is negative, and scales the step.
 */
START_TEST(batch_norm_folds_into_the_weights)
{
    static on_net n;
    nncf_error err = NNCF_ERROR_INIT;
    on_create(&n, on_cases[2].config, NULL, true);
    ck_assert_msg(on_export(&n, path, NNCF_ONNX_QDQ, 0, &err) == NNCF_OK, "%s", err.message);
    Nncf__Onnx__ModelProto *plain = read_back();
    ck_assert_msg(on_export(&n, path, NNCF_ONNX_QDQ, 1, &err) == NNCF_OK, "%s", err.message);
    Nncf__Onnx__ModelProto *folded = read_back();
    const char *codes = "Net/Block[a]/Conv2d[0]::weight::codes",
               *scale = "Net/Block[a]/Conv2d[0]::weight::scale";
    const Nncf__Onnx__TensorProto *a = tensor(plain->graph, codes),
                                  *b = tensor(folded->graph, codes);
    const Nncf__Onnx__TensorProto *sa = tensor(plain->graph, scale),
                                  *sb = tensor(folded->graph, scale);
    ck_assert_uint_eq(count_op(folded->graph, "BatchNormalization"), 0);
    ck_assert_uint_eq(sa->raw_data.len, sizeof(float));
    ck_assert_uint_eq(sb->raw_data.len, 8 * sizeof(float));
    int64_t turned = 0;
    for (size_t i = 0; i < a->raw_data.len; i++) {
        const int x = (int8_t)a->raw_data.data[i], y = (int8_t)b->raw_data.data[i];
        const size_t channel = i / (2 * 9); /* gamma[0] < 0, gamma[1] = 0 in the fixture */
        ck_assert_int_eq(y, channel == 0 ? -x : channel == 1 ? 0 : x);
        turned += channel == 0 && x != 0;
    }
    ck_assert_int_gt(turned, 9);
    for (size_t c = 2; c < 8; c++) { /* step * gamma / sqrt(var + eps) */
        float before, after;
        memcpy(&before, sa->raw_data.data, sizeof before);
        memcpy(&after, sb->raw_data.data + c * sizeof after, sizeof after);
        const float *gamma = n.buffers[ON_LAYERS], *var = n.buffers[ON_LAYERS + 3];
        double expected = (double)before * fabs((double)gamma[c]) / sqrt((double)var[c] + 1e-5);
        ck_assert_double_eq_tol(after, expected, 1e-6 * expected);
    }
    nncf__onnx__model_proto__free_unpacked(plain, NULL);
    nncf__onnx__model_proto__free_unpacked(folded, NULL);
    on_destroy(&n);
}
END_TEST

START_TEST(params_are_taken)
{
    static on_net n;
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_checkpoint_text texts[] = {{"run", "seven"}};
    const nncf_onnx_params p = {NNCF_PARAMS(nncf_onnx_params), .opset = 17,
        .input_shape = {0, 0, 12, 12}, .input_name = "image", .output_name = "logits",
        .graph_name = "net", .texts = texts, .n_texts = 1};
    on_create(&n, on_cases[2].config, NULL, true);
    ck_assert_msg(nncf_onnx_export(n.ctrl, path, &p, &err) == NNCF_OK, "%s", err.message);
    Nncf__Onnx__ModelProto *m = read_back();
    ck_assert_int_eq(m->opset_import[0]->version, 17);
    ck_assert_str_eq(metadata(m, "run"), "seven");
    ck_assert_ptr_null((void *)(uintptr_t)metadata(m, "nncf.golden.input"));
    ck_assert_str_eq(m->graph->name, "net");
    ck_assert_str_eq(m->graph->input[0]->name, "image");
    ck_assert_str_eq(m->graph->output[0]->name, "logits");
    const Nncf__Onnx__TensorShapeProto *in = m->graph->input[0]->type->tensor_type->shape;
    const Nncf__Onnx__TensorShapeProto *out = m->graph->output[0]->type->tensor_type->shape;
    ck_assert_uint_eq(in->n_dim, 4);
    ck_assert_str_eq(in->dim[0]->dim_param, "N");
    ck_assert_int_eq(in->dim[1]->dim_value, 2);
    ck_assert_int_eq(in->dim[3]->dim_value, 12);
    ck_assert_uint_eq(out->n_dim, 2);
    ck_assert_str_eq(out->dim[0]->dim_param, "N");
    ck_assert_int_eq(out->dim[1]->dim_value, ON_CLASSES);
    nncf__onnx__model_proto__free_unpacked(m, NULL);
    on_destroy(&n);
}
END_TEST

static void refused(
    const on_net *n, const nncf_onnx_params *p, nncf_status status, const char *word)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_onnx_export(n->ctrl, path, p, &err), status);
    ck_assert_int_eq(err.status, status);
    ck_assert_msg(strstr(err.message, word) != NULL, "\"%s\" is not in: %s", word, err.message);
    ck_assert_int_ne(access(path, F_OK), 0);
}

START_TEST(export_refuses_what_it_cannot_say)
{
    static on_net n;
    nncf_error err = NNCF_ERROR_INIT;
    float x[2] = {0};
    const int64_t one[2] = {1, 2}, two[2] = {2, 1};
    const nncf_tensor a = {.data = x, .dtype = NNCF_F32, .ndim = 2, .shape = one};
    const nncf_tensor b = {.data = x, .dtype = NNCF_F32, .ndim = 2, .shape = two};
    const nncf_tensor c = {.data = x, .dtype = NNCF_U8, .ndim = 2, .shape = one};
    const nncf_checkpoint_text reserved = {"nncf.rounding", "up"};
#define P(...) &(nncf_onnx_params){NNCF_PARAMS(nncf_onnx_params), __VA_ARGS__}
    on_create(&n, on_cases[2].config, NULL, false);
    refused(&n, NULL, NNCF_E_STATE, "not initialized");
    on_destroy(&n);
    on_create(&n, on_cases[2].config, NULL, true);
    ck_assert_int_eq(nncf_onnx_export(NULL, path, NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_onnx_export(n.ctrl, "", NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_onnx_export(n.ctrl, NULL, NULL, &err), NNCF_E_ARG); /* and no callback */
    ck_assert_ptr_nonnull(strstr(err.message, "either path or params->write"));
    refused(&n, P(.write = fx_stream_write), NNCF_E_ARG, "path"); /* and a path */
    refused(&n, P(.format = 2), NNCF_E_ARG, "format");
    refused(&n, P(.opset = 12), NNCF_E_ARG, "opset");
    refused(&n, P(.fold_batch_norm = 2), NNCF_E_ARG, "fold_batch_norm");
    refused(&n, P(.input_ndim = 2), NNCF_E_ARG, "input_ndim");
    refused(&n, P(.input_shape = {0, 3, 12, 12}), NNCF_E_SHAPE, "input_shape[1]");
    refused(&n, P(.input_shape = {0, -1, 12, 12}), NNCF_E_ARG, "input_shape[1]");
    refused(&n, P(.input_name = "x", .output_name = "x"), NNCF_E_ARG, "same");
    refused(&n, P(.texts = &reserved, .n_texts = 1), NNCF_E_ARG, "nncf.");
    refused(&n, P(.golden_input = &a), NNCF_E_ARG, "go together");
    refused(&n, P(.golden_input = &a, .golden_output = &b), NNCF_E_SHAPE, "images");
    refused(&n, P(.golden_input = &c, .golden_output = &a), NNCF_E_DTYPE, "golden_input");
    const int64_t classes[2] = {1, ON_CLASSES + 1}, image[4] = {1, 2, 12, 12},
                  other[4] = {1, 3, 12, 12};
    float wide[3 * 12 * 12 + ON_CLASSES] = {0};
    const nncf_tensor in = {.data = wide, .ndim = 4, .shape = image},
                      odd = {.data = wide, .ndim = 4, .shape = other};
    const nncf_tensor out = {.data = wide, .ndim = 2, .shape = classes};
    refused(&n, P(.golden_input = &a, .golden_output = &a), NNCF_E_SHAPE,
        "golden_input has 2 dimensions");
    refused(&n, P(.golden_input = &odd, .golden_output = &a), NNCF_E_SHAPE,
        "dimension 1 of golden_input is 3");
    refused(&n, P(.golden_input = &in, .golden_output = &out), NNCF_E_SHAPE,
        "dimension 1 of golden_output");
    refused(&n, P(.input_shape = {0, 2, INT64_MAX, INT64_MAX}), NNCF_E_LIMIT, "input_shape[2]");
    n.buffers[ON_LAYERS + 3][2] = NAN; /* a running variance */
    refused(&n, NULL, NNCF_E_UNSUPPORTED, "not finite");
    n.buffers[ON_LAYERS + 3][2] = 1;
    nncf_parameter scale = {NNCF_PARAMS(nncf_parameter)};
    ck_assert_int_eq(nncf_compression_ctrl_get_parameter(n.ctrl, 0, &scale, NULL), NNCF_OK);
    const float kept = scale.data[0];
    scale.data[0] = INFINITY;
    refused(&n, NULL, NNCF_E_UNSUPPORTED, "not finite");
    scale.data[0] = kept;
    nncf_status status = nncf_onnx_export(n.ctrl, "/nowhere/model.onnx", NULL, &err);
    ck_assert_int_eq(status, NNCF_E_IO);
    ck_assert_int_ne(err.os_errno, 0);
    on_destroy(&n);
#undef P
}
END_TEST

/* Layers that nobody connected: no graph, so no export. */
START_TEST(edges_are_needed)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_model *model;
    nncf_config *config;
    nncf_compression_ctrl *ctrl;
    nncf_layer *layer;
    float w[4] = {1, 2, 3, 4};
    const char *text = ON_CONFIG("");
    ck_assert_int_eq(
        nncf_config_parse(NULL, "case", text, strlen(text), NULL, &config, &err), NNCF_OK);
    ck_assert_int_eq(nncf_model_create(NULL, &model, &err), NNCF_OK);
    for (int i = 0; i < 2; i++) {
        const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params),
            .scope = i ? "Net/Linear[b]" : "Net/Linear[a]", .weight = w, .in_features = 2,
            .out_features = 2};
        ck_assert_int_eq(nncf_model_add_linear(model, &p, &layer, &err), NNCF_OK);
    }
    ck_assert_int_eq(nncf_compression_ctrl_create(model, config, &ctrl, &err), NNCF_OK);
    ck_assert_int_eq(nncf_onnx_export(ctrl, path, NULL, &err), NNCF_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "edges"));
    ck_assert_str_eq(err.where, "Net/Linear[a]");
    nncf_model_destroy(model);
    ck_assert_int_eq(nncf_onnx_export(ctrl, path, NULL, &err), NNCF_E_STATE);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_config_destroy(config);
}
END_TEST

/* So with what was placed by hand, alone and beside a graph. */
START_TEST(placement_by_hand_is_no_graph)
{
    static const char text[] = "{\"compression\": {\"algorithm\": \"magnitude_sparsity\"}}";
    const int64_t shape[] = {2, 2};
    float w[4] = {1, 2, 3, 4};
    for (int way = 0; way < 3; way++) {
        nncf_error err = NNCF_ERROR_INIT;
        nncf_model *model;
        nncf_config *config;
        nncf_compression_ctrl *ctrl;
        nncf_layer *layer;
        const nncf_weight_params weight = {NNCF_PARAMS(nncf_weight_params), .scope = "alone",
            .weight = w, .ndim = 2, .shape = shape};
        const nncf_quantizer_params quantizer = {
            NNCF_PARAMS(nncf_quantizer_params), .scope = "alone"};
        const nncf_linear_params linear = {NNCF_PARAMS(nncf_linear_params),
            .scope = "Net/Linear[a]", .weight = w, .in_features = 2, .out_features = 2};
        ck_assert_int_eq(
            nncf_config_parse(NULL, "case", text, strlen(text), NULL, &config, &err), NNCF_OK);
        ck_assert_int_eq(nncf_model_create(NULL, &model, &err), NNCF_OK);
        if (way == 2)
            ck_assert_int_eq(nncf_model_add_linear(model, &linear, &layer, &err), NNCF_OK);
        ck_assert_int_eq(way == 0 ? nncf_model_add_weight(model, &weight, &layer, &err)
                                  : nncf_model_add_quantizer(model, &quantizer, &layer, &err),
            NNCF_OK);
        ck_assert_int_eq(nncf_compression_ctrl_create(model, config, &ctrl, &err), NNCF_OK);
        const nncf_status status = nncf_onnx_export(ctrl, path, NULL, &err);
        ck_assert_msg(status == NNCF_E_UNSUPPORTED, "%d: %d: %s", way, (int)status, err.message);
        ck_assert_msg(strstr(err.message, "alone was placed by hand") != NULL, "%s", err.message);
        nncf_compression_ctrl_destroy(ctrl);
        nncf_model_destroy(model);
        nncf_config_destroy(config);
    }
}
END_TEST

/* Scales by block came with opset 21. */
START_TEST(weights_in_groups_are_refused)
{
    static const char text[] = "{\"compression\": {\"algorithm\": \"quantization\", \"weights\": "
                               "{\"group_size\": 2}, \"initializer\": {\"num_init_steps\": 0}}}";
    float w[8] = {1, 2, 3, 4};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_model *model;
    nncf_config *config;
    nncf_compression_ctrl *ctrl;
    nncf_layer *layer;
    const nncf_linear_params linear = {NNCF_PARAMS(nncf_linear_params), .scope = "Net/Linear[a]",
        .weight = w, .in_features = 4, .out_features = 2};
    ck_assert_int_eq(
        nncf_config_parse(NULL, "case", text, strlen(text), NULL, &config, &err), NNCF_OK);
    ck_assert_int_eq(nncf_model_create(NULL, &model, &err), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_linear(model, &linear, &layer, &err), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_create(model, config, &ctrl, &err), NNCF_OK);
    ck_assert_int_eq(nncf_onnx_export(ctrl, path, NULL, &err), NNCF_E_UNSUPPORTED);
    ck_assert_msg(strstr(err.message, "Net/Linear[a]: its weight is quantized in groups of 2") &&
            strstr(err.message, "nncf_strip_save()"),
        "%s", err.message);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    nncf_config_destroy(config);
}
END_TEST

/* Each allocation fails once: reported, nothing written, nothing leaked. With golden tensors, and
 * with names that are made longer. */
START_TEST(no_memory_leaves_nothing_behind)
{
    static const struct {
        const char *name;
        int32_t format, fold;
        bool clash;
    } cases[] = {{"int8", NNCF_ONNX_QDQ, 0, false}, {"int4_asymmetric", NNCF_ONNX_QDQ, 1, true},
        {"int8_activations_per_channel", NNCF_ONNX_FAKE_QUANTIZE, 0, false},
        {"rb_int8", NNCF_ONNX_FAKE_QUANTIZE, 1, false}, {"magnitude", NNCF_ONNX_QDQ, 1, true}};
    static on_net n;
    fx_memory memory = {0};
    const nncf_context_params params = {
        NNCF_PARAMS(nncf_context_params), .n_threads = 1, FX_MEMORY(&memory)};
    nncf_error err = NNCF_ERROR_INIT;
    int i = 0;
    while (strcmp(on_cases[i].name, cases[_i].name) != 0)
        i++;
    on_create_named(
        &n, cases[_i].clash ? on_namings[0].scopes : on_scopes, on_cases[i].config, &params, true);
    const size_t live = memory.live;
    nncf_status status = NNCF_E_NOMEM;
    size_t failures = 0;
    while (status != NNCF_OK) {
        memory.fail_at = memory.calls + failures + 1;
        status = on_export(&n, path, cases[_i].format, cases[_i].fold, &err);
        memory.fail_at = 0;
        ck_assert_uint_eq(memory.live, live);
        ck_assert_uint_eq(memory.mistakes, 0);
        if (status == NNCF_OK)
            break;
        ck_assert_int_eq(status, NNCF_E_NOMEM);
        ck_assert_int_ne(access(path, F_OK), 0);
        failures++;
    }
    ck_assert_uint_ge(failures, 6);
    ck_assert_int_eq(access(path, F_OK), 0);
    on_destroy(&n);
    ck_assert_uint_eq(memory.live, 0);
}
END_TEST

/* A file that is there stays what it was until the new one is whole: no memory, and no room for the
 * file. */
START_TEST(the_old_file_stays)
{
    static on_net n;
    fx_memory memory = {0};
    const nncf_context_params params = {
        NNCF_PARAMS(nncf_context_params), .n_threads = 1, FX_MEMORY(&memory)};
    nncf_error err = NNCF_ERROR_INIT;
    on_create(&n, on_cases[2].config, &params, true);
    ck_assert_int_eq(on_export(&n, path, NNCF_ONNX_QDQ, 1, &err), NNCF_OK);
    const struct rlimit small = {1000, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 2; i++) {
        if (i == 0)
            memory.fail_at = memory.calls + 3;
        else
            ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        ck_assert_int_eq(
            on_export(&n, path, NNCF_ONNX_QDQ, 0, &err), i == 0 ? NNCF_E_NOMEM : NNCF_E_IO);
        ck_assert_int_eq(err.os_errno, i == 0 ? 0 : EFBIG);
        memory.fail_at = 0;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
        Nncf__Onnx__ModelProto *after = read_back();
        ck_assert_uint_eq(count_op(after->graph, "BatchNormalization"), 0); /* the folded one */
        nncf__onnx__model_proto__free_unpacked(after, NULL);
    }
    on_destroy(&n);
}
END_TEST

/* ---- streams and memory ---- */

/* The file's bytes through a callback, in every form. */
START_TEST(a_stream_is_the_file)
{
    static on_net n;
    nncf_error err = NNCF_ERROR_INIT;
    on_create(&n, on_cases[_i].config, NULL, true);
    for (int32_t format = NNCF_ONNX_QDQ; format <= NNCF_ONNX_FAKE_QUANTIZE; format++) {
        fx_stream c = {0};
        const nncf_onnx_params to_file = {
            NNCF_PARAMS(nncf_onnx_params), .format = format, .input_shape = {0, 2, 12, 12}};
        nncf_onnx_params to_stream = to_file;
        to_stream.write = fx_stream_write;
        to_stream.user = &c;
        const nncf_status status = nncf_onnx_export(n.ctrl, path, &to_file, &err);
        ck_assert_int_eq(nncf_onnx_export(n.ctrl, NULL, &to_stream, &err), status);
        if (status != NNCF_OK) { /* this config has no such form */
            ck_assert_int_eq(c.calls, 0);
            continue;
        }
        size_t size;
        char *data = fx_read_file(path, &size);
        ck_assert_uint_eq(size, c.size);
        ck_assert(c.size > 0 && memcmp(data, c.data, c.size) == 0);
        free(data);
        /* a failure: told, and not called again */
        const long calls = c.calls;
        for (c.fail_at = 1; c.fail_at <= calls; c.fail_at++) {
            c.calls = 0;
            c.size = 0;
            ck_assert_int_eq(nncf_onnx_export(n.ctrl, NULL, &to_stream, &err), NNCF_E_CALLBACK);
            ck_assert_str_eq(err.message, "the write callback reported a failure");
            ck_assert_int_eq(c.calls, c.fail_at);
        }
        fx_stream_free(&c);
    }
    on_destroy(&n);
}
END_TEST

/* Two linear layers of width x width in a stream that keeps nothing: what the export takes
 * meanwhile. */
static size_t peak_of_export(int64_t width, int32_t format, size_t *size)
{
    fx_memory memory = {0};
    const nncf_context_params params = {
        NNCF_PARAMS(nncf_context_params), .n_threads = 1, FX_MEMORY(&memory)};
    const char *text = ON_CONFIG("{\"algorithm\":\"quantization\",\"initializer\":{\"num_init_"
                                 "steps\":0,\"type\":\"min_max\"}}");
    nncf_error err = NNCF_ERROR_INIT;
    nncf_context *context;
    nncf_model *model;
    nncf_config *config;
    nncf_compression_ctrl *ctrl;
    nncf_layer *layers[2];
    const size_t count = (size_t)(width * width);
    float *w = calloc(2 * count, sizeof *w);
    w[1] = w[count + 1] = 1;
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &context, &err), NNCF_OK);
    ck_assert_int_eq(
        nncf_config_parse(context, "case", text, strlen(text), NULL, &config, &err), NNCF_OK);
    ck_assert_int_eq(nncf_model_create(context, &model, &err), NNCF_OK);
    for (size_t i = 0; i < 2; i++) {
        const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params),
            .scope = i ? "Net/Linear[b]" : "Net/Linear[a]", .weight = w + i * count,
            .in_features = width, .out_features = width, .inputs = layers, .n_inputs = i};
        ck_assert_int_eq(nncf_model_add_linear(model, &p, &layers[i], &err), NNCF_OK);
    }
    ck_assert_int_eq(nncf_compression_ctrl_create(model, config, &ctrl, &err), NNCF_OK);
    const size_t before = memory.bytes;
    memory.peak = before;
    const nncf_onnx_params to = {
        NNCF_PARAMS(nncf_onnx_params), .format = format, .write = measure, .user = size};
    *size = 0;
    ck_assert_msg(nncf_onnx_export(ctrl, NULL, &to, &err) == NNCF_OK, "%s", err.message);
    const size_t peak = memory.peak - before;
    ck_assert_uint_eq(memory.bytes, before);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    nncf_config_destroy(config);
    nncf_context_destroy(context);
    ck_assert_uint_eq(memory.live, 0);
    free(w);
    return peak;
}

START_TEST(memory_does_not_grow_with_weights)
{
    for (int32_t format = NNCF_ONNX_QDQ; format <= NNCF_ONNX_FAKE_QUANTIZE; format++) {
        size_t small_size, large_size;
        const size_t small = peak_of_export(16, format, &small_size);
        const size_t large = peak_of_export(1024, format, &large_size);
        const size_t bytes = 2 * 1024 * 1024 * (format == NNCF_ONNX_QDQ ? 1 : sizeof(float));
        printf("format %d: %zu bytes of memory for a file of %zu, %zu for one of %zu\n",
            (int)format, small, small_size, large, large_size);
        ck_assert_uint_gt(large_size, bytes);
        ck_assert_uint_gt(small, 0);
        ck_assert_uint_le(large, small);
    }
}
END_TEST

/* A weight of many blocks, RB-masked: the file holds what eval mode computes with, though the model
 * trains. */
START_TEST(export_is_of_eval_mode)
{
    static on_net n;
    nncf_error err = NNCF_ERROR_INIT;
    on_create(&n, on_cases[ON_CASES - 1].config, NULL, true);
    nncf_parameter logits = {NNCF_PARAMS(nncf_parameter)};
    ck_assert_int_eq(nncf_compression_ctrl_get_parameter(n.ctrl, 0, &logits, NULL), NNCF_OK);
    ck_assert_int_eq(logits.kind, NNCF_PARAMETER_MASK_LOGIT);
    for (size_t i = 0; i < logits.count; i++)
        logits.data[i] =
            i % 3 == 0 ? -2.0f : 0.5f; /* kept by chance in train mode, surely in eval mode */
    on_forward(&n, n.images, ON_BATCH);
    nncf_model_set_mode(n.model, NNCF_MODE_TRAIN, NULL);
    ck_assert_msg(on_export(&n, path, NNCF_ONNX_QDQ, 0, &err) == NNCF_OK, "%s", err.message);
    ck_assert_int_eq(nncf_model_get_mode(n.model), NNCF_MODE_TRAIN);
    Nncf__Onnx__ModelProto *m = read_back();
    const Nncf__Onnx__TensorProto *t = tensor(m->graph, "Net/Block[a]/Conv2d[0]::weight::codes");
    size_t zeros = 0;
    for (size_t i = 0; i < t->raw_data.len; i++) {
        ck_assert(i % 3 != 0 || t->raw_data.data[i] == 0);
        zeros += t->raw_data.data[i] == 0;
    }
    ck_assert_uint_lt(zeros, t->raw_data.len / 2);
    nncf_model_set_mode(n.model, NNCF_MODE_EVAL, NULL);
    check_weights(&n, m->graph, true);
    nncf__onnx__model_proto__free_unpacked(m, NULL);
    on_destroy(&n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("onnx");
    TCase *tests = fx_case(suite, "export", 120);
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_add_loop_test(tests, export_has_the_nodes_and_weights_of_the_model, 0, ON_CASES);
    tcase_add_test(tests, batch_norm_folds_into_the_weights);
    tcase_add_test(tests, params_are_taken);
    tcase_add_test(tests, export_refuses_what_it_cannot_say);
    tcase_add_test(tests, edges_are_needed);
    tcase_add_test(tests, placement_by_hand_is_no_graph);
    tcase_add_test(tests, weights_in_groups_are_refused);
    tcase_add_loop_test(tests, no_memory_leaves_nothing_behind, 0, 5);
    tcase_add_test(tests, the_old_file_stays);
    tcase_add_loop_test(tests, a_stream_is_the_file, 0, ON_CASES);
    tcase_add_test(tests, memory_does_not_grow_with_weights);
    tcase_add_test(tests, export_is_of_eval_mode);
    return fx_main(suite);
}
