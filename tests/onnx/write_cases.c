/* SPDX-License-Identifier: Apache-2.0 */
/* Writes an export of every case, in both forms, with and without folded batch norm, for compare.py: write_cases FOLDER
 */
#include "fixture.h"

int main(int argc, char **argv)
{
    static on_net net;
    if (argc != 2)
        return 2;
    for (int i = 0; i < ON_CASES; i++) {
        on_create(&net, on_cases[i].config, NULL, true);
        for (int form = 0; form < 4; form++) {
            nncf_error err = NNCF_ERROR_INIT;
            char path[1024];
            snprintf(path, sizeof path, "%s/%s_%s%s.onnx", argv[1], on_cases[i].name,
                     form % 2 == NNCF_ONNX_QDQ ? "qdq" : "fakequantize", form >= 2 ? "_folded" : "");
            nncf_status status = on_export(&net, path, form % 2, form / 2, &err);
            if (status != NNCF_OK)
                printf("%s: refused: %s\n", path, err.message);
            if (status != NNCF_OK && status != NNCF_E_UNSUPPORTED)
                return 1;
        }
        on_destroy(&net);
    }
    return 0;
}
