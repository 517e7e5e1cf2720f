/* SPDX-License-Identifier: Apache-2.0 */
/* Writes an export of every case, in both forms, with and without folded batch norm, and of layers
 * named like other parts of the graph, for compare.py: write_cases FOLDER */
#include "fixture.h"
#include "host_nets.h"

/* In both forms, as a file <name>_<form>[_folded].onnx. */
static bool write_forms(
    const on_net *net, const char *folder, const char *name, const on_naming *names, int forms)
{
    for (int form = 0; form < forms; form++) {
        nncf_error err = NNCF_ERROR_INIT;
        char path[1024];
        snprintf(path, sizeof path, "%s/%s_%s%s.onnx", folder, name,
            form % 2 == NNCF_ONNX_QDQ ? "qdq" : "fakequantize", form >= 2 ? "_folded" : "");
        nncf_status status = on_export_named(net, path, form % 2, form / 2,
            names ? names->input : NULL, names ? names->output : NULL, &err);
        if (status != NNCF_OK)
            printf("%s: refused: %s\n", path, err.message);
        if (status != NNCF_OK && status != NNCF_E_UNSUPPORTED)
            return false;
    }
    return true;
}

enum { ROWS = 6, WIDTH = 12, BATCH = 3, FLOATS = BATCH * ROWS * WIDTH };

/* Weights of 7 bits: engines sum pairs of 8-bit products in 16 bits, which do not hold all of them,
 * where a processor has no better instruction. */
static const char *const attention_configs[] = {ON_CONFIG(""),
    "{\"nncf_dialect\":\"1.7\",\"target_device\":\"NONE\",\"input_info\":{\"sample_size\":[1,6,"
    "12]},\"compression\":{\"algorithm\":\"quantization\",\"weights\":{\"bits\":7},"
    "\"initializer\":{\"range\":{\"num_init_samples\":3,\"type\":\"min_max\"},"
    "\"batchnorm_adaptation\":{\"num_bn_adaptation_samples\":0}}}}"};

/* An attention registered as a whole, of one tensor (causal, q, k and v in one array) or of two,
 * all made from the model's input by linear layers; plain and quantized. */
static bool write_attention(const char *folder, bool cross, bool quantized)
{
    on_net net = {.random = 7};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_attention a = {NNCF_PARAMS(nncf_attention)};
    const int64_t shape[3] = {BATCH, ROWS, WIDTH};
    float *x = on_floats(&net, FLOATS, 1, 0), *y = on_floats(&net, FLOATS, 0, 0),
          *fed[2] = {on_floats(&net, FLOATS, 0, 0), on_floats(&net, FLOATS, 0, 0)};
    const nncf_tensor in = {.data = x, .ndim = 3, .shape = shape};
    nncf_tensor out = {.data = y, .ndim = 3, .shape = shape}, between[2] = {out, out};
    const size_t n = cross ? 2 : 1, weights = WIDTH * WIDTH;
    on_must(nncf_context_create(NNCF_API_VERSION, NULL, &net.context, &err), &err);
    on_must(nncf_model_create(net.context, &net.model, &err), &err);
    nncf_layer *feed[2];
    for (size_t i = 0; i < n; i++) {
        between[i].data = fed[i];
        const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params),
            .scope = i ? "Net/Linear[memory]" : "Net/Linear[query]",
            .weight = on_floats(&net, weights, 0.4, 0), .in_features = WIDTH,
            .out_features = WIDTH};
        on_must(nncf_model_add_linear(net.model, &p, &feed[i], &err), &err);
    }
    nncf_attention_params p = {NNCF_PARAMS(nncf_attention_params), .scope = "Net/Attention[a]",
        .features = WIDTH, .heads = 3, .causal = !cross, .packed = !cross, .dropout = 0.5f,
        .inputs = feed, .n_inputs = n};
    for (int i = 0; i < 4; i++)
        if (cross || i == 0 || i == NNCF_ATTENTION_OUT) {
            p.weight[i] = on_floats(&net, 3 * weights, 0.6, 0);
            p.bias[i] = on_floats(&net, 3 * WIDTH, 0.3, 0);
        }
    on_must(nncf_model_add_attention(net.model, &p, &a, &err), &err);
    on_must(nncf_attention_get_sizes(&a, between, n, NULL, NULL, &a.kept_size, &a.work_size, &err),
        &err);
    a.kept = on_floats(&net, a.kept_size / sizeof(float), 0, 0);
    const char *text = attention_configs[quantized];
    on_must(
        nncf_config_parse(net.context, NULL, text, strlen(text), NULL, &net.config, &err), &err);
    on_must(nncf_compression_ctrl_create(net.model, net.config, &net.ctrl, &err), &err);
    on_must(nncf_model_set_mode(net.model, NNCF_MODE_EVAL, &err), &err);
    for (int32_t more = 1, last = 0; !last;) {
        on_must(nncf_compression_ctrl_init_step(net.ctrl, &more, &err), &err);
        last = !more; /* then once more, with all ranges */
        for (size_t i = 0; i < n; i++)
            on_must(nncf_layer_forward(feed[i], &in, 1, &between[i], &err), &err);
        on_must(nncf_attention_forward(&a, between, n, &out, &err), &err);
    }
    bool ok = true;
    for (int form = 0; form < (quantized ? 2 : 1) && ok; form++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/attention_%s_%s_%s.onnx", folder, cross ? "cross" : "self",
            quantized ? "int8" : "plain", form == NNCF_ONNX_QDQ ? "qdq" : "fakequantize");
        const nncf_onnx_params e = {NNCF_PARAMS(nncf_onnx_params), .format = form, .input_ndim = 3,
            .input_shape = {0, ROWS, WIDTH}, .golden_input = &in, .golden_output = &out};
        ok = nncf_onnx_export(net.ctrl, path, &e, &err) == NNCF_OK;
        if (!ok)
            printf("%s: refused: %s\n", path, err.message);
    }
    nncf_compression_ctrl_destroy(net.ctrl);
    nncf_model_destroy(net.model);
    nncf_config_destroy(net.config);
    nncf_context_destroy(net.context);
    for (size_t i = 0; i < net.n_buffers; i++)
        free(net.buffers[i]);
    return ok;
}

int main(int argc, char **argv)
{
    static on_net net;
    bool ok = true;
    if (argc != 2)
        return 2;
    for (int i = 0; i < ON_CASES && ok; i++) {
        on_create(&net, on_cases[i].config, NULL, true);
        ok = write_forms(&net, argv[1], on_cases[i].name, NULL, 4);
        on_destroy(&net);
    }
    for (int i = 0; i < ON_NAMINGS && ok; i++) {
        char name[32];
        snprintf(name, sizeof name, "names_%d", i);
        on_create_named(&net, on_namings[i].scopes, on_cases[ON_NAMED_CASE].config, NULL, true);
        ok = write_forms(&net, argv[1], name, &on_namings[i], 2);
        on_destroy(&net);
    }
    for (int i = 0; i < ON_MODELS * ON_MODEL_CONFIGS && ok; i++) {
        char name[32];
        snprintf(name, sizeof name, "model_%d_%d", i / ON_MODEL_CONFIGS, i % ON_MODEL_CONFIGS);
        on_begin(&net, on_model_configs[i % ON_MODEL_CONFIGS], NULL);
        on_models[i / ON_MODEL_CONFIGS](&net);
        on_start(&net, true);
        ok = write_forms(&net, argv[1], name, NULL, 4);
        on_destroy(&net);
    }
    for (int i = 0; i < ON_SMOOTH * ON_MODEL_CONFIGS && ok; i++) {
        char name[32];
        snprintf(name, sizeof name, "smooth_%d_%d", i / ON_MODEL_CONFIGS, i % ON_MODEL_CONFIGS);
        on_begin(&net, on_smooth_configs[i % ON_MODEL_CONFIGS], NULL);
        on_smooth[i / ON_MODEL_CONFIGS](&net);
        on_start(&net, true);
        ok = write_forms(&net, argv[1], name, NULL, 2);
        on_destroy(&net);
    }
    for (int i = 0; i < 4 && ok; i++)
        ok = write_attention(argv[1], i / 2, i % 2);
    static oh_net host;
    for (int i = 0; i < 3 * OH_NETS && ok; i++) { /* plain; quantized in both forms */
        nncf_error err = NNCF_ERROR_INIT;
        char path[1024];
        const int form = i % 3 == 2;
        host = oh_nets[i / 3];
        oh_create(&host, i % 3 ? ON_PROPAGATION : ON_CONFIG(""), NULL);
        snprintf(path, sizeof path, "%s/host_%s_%s_%s.onnx", argv[1], oh_names[i / 3],
            i % 3 ? "int8" : "plain", form ? "fakequantize" : "qdq");
        const nncf_onnx_params p = {NNCF_PARAMS(nncf_onnx_params), .format = form};
        ok = oh_export(&host, path, &p, &err) == NNCF_OK;
        if (!ok)
            printf("%s: refused: %s\n", path, err.message);
        oh_destroy(&host);
    }
    return ok ? 0 : 1;
}
