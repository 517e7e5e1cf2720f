/* SPDX-License-Identifier: Apache-2.0 */
/* nncf-onednn [EPOCHS [STRIPPED_FILE [FOLDER_OF_IDX_FILES]]] */
#include "onednn.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    const onednn_options o = {.epochs = argc > 1 ? atoi(argv[1]) : 6,
        .stripped = argc > 2 ? argv[2] : "onednn.safetensors",
        .data = argc > 3 ? argv[3] : NULL,
        .output = stdout};
    onednn_result r = {0};
    nncf_error err = NNCF_ERROR_INIT;
    if (onednn_run(&o, &r, &err) != NNCF_OK) {
        fprintf(stderr, "nncf-onednn: %s\n", err.message);
        return 1;
    }
    printf("float       top-1 %.2f %%  %.2f s an epoch  %llu bytes\n", r.float_top1,
        r.float_seconds, r.bytes_float);
    printf("compressed  top-1 %.2f %%  %.2f s an epoch  %llu bytes, sparsity %.3f\n",
        r.compressed_top1, r.compressed_seconds, r.bytes_compressed, r.sparsity);
    printf("%s on int8 primitives  top-1 %.2f %%, the same class for %.2f %% of the images\n",
        o.stripped, r.int8_top1, r.int8_same);
    return 0;
}
