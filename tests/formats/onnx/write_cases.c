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
