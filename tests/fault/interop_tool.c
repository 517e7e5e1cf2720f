/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C half of interop.py. `write FILE` saves a snapshot with a controller's state; `read FILE`
 * lists what a file holds as the library sees it: a line a tensor (type, shape, bytes in hex,
 * name), a line a text asked for by further arguments.
 */
#include <nncf/nncf.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const nncf_error *err)
{
    fprintf(stderr, "interop_tool: %s\n", err->message);
    return EXIT_FAILURE;
}

static const char config_text[] = "{\"compression\": [{\"algorithm\": \"magnitude_sparsity\", "
                                  "\"params\": {\"sparsity_init\": 0.25, "
                                  "\"sparsity_target\": 0.5}}, {\"algorithm\": \"quantization\", "
                                  "\"initializer\": {\"num_init_steps\": 1}}]}";

static nncf_status make(
    float *weight, nncf_model **model, nncf_compression_ctrl **ctrl, nncf_error *err)
{
    nncf_config *config = NULL;
    nncf_layer *layer;
    const nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[conv]",
        .weight = weight, .in_channels = 3, .out_channels = 5, .kernel = {3, 3}};
    nncf_status status =
        nncf_config_parse(NULL, "config", config_text, sizeof config_text - 1, NULL, &config, err);
    if (status == NNCF_OK)
        status = nncf_model_create(NULL, model, err);
    if (status == NNCF_OK)
        status = nncf_model_add_conv2d(*model, &p, &layer, err);
    if (status == NNCF_OK)
        status = nncf_compression_ctrl_create(*model, config, ctrl, err);
    nncf_config_destroy(config);
    return status;
}

/* Tensors of every type, with values that interop.py computes too. */
static int write_file(const char *path)
{
    static float weight[135], f32[2][3];
    static double f64[4];
    static int64_t i64[3];
    static int32_t i32[3];
    static uint8_t u8[5];
    static int8_t s8[5];
    static const int64_t n135[] = {5, 3, 3, 3}, n23[] = {2, 3}, n4[] = {4}, n3[] = {3, 1},
                         n5[] = {5}, n0[] = {0, 7};
    nncf_model *model = NULL;
    nncf_compression_ctrl *ctrl = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    for (int i = 0; i < 135; i++)
        weight[i] = (float)(i % 16) / 16.0f - 0.5f;
    for (int i = 0; i < 6; i++)
        f32[i / 3][i % 3] = (float)i / 3.0f;
    for (int i = 0; i < 4; i++)
        f64[i] = (double)i / 7.0;
    for (int i = 0; i < 3; i++) {
        i64[i] = ((int64_t)1 << 40) * (i - 1);
        i32[i] = 1000000 * (i - 1);
    }
    for (int i = 0; i < 5; i++) {
        u8[i] = (uint8_t)(50 * i);
        s8[i] = (int8_t)(50 * i - 100);
    }
    const nncf_checkpoint_tensor tensors[] = {
        {"conv.weight", {.data = weight, .dtype = NNCF_F32, .ndim = 4, .shape = n135}},
        {"f32", {.data = f32, .dtype = NNCF_F32, .ndim = 2, .shape = n23}},
        {"f64", {.data = f64, .dtype = NNCF_F64, .ndim = 1, .shape = n4}},
        {"i64", {.data = i64, .dtype = NNCF_I64, .ndim = 2, .shape = n3}},
        {"i32", {.data = i32, .dtype = NNCF_I32, .ndim = 2, .shape = n3}},
        {"u8", {.data = u8, .dtype = NNCF_U8, .ndim = 1, .shape = n5}},
        {"s8", {.data = s8, .dtype = NNCF_S8, .ndim = 1, .shape = n5}},
        {"scalar", {.data = f64, .dtype = NNCF_F64}},
        {"empty", {.data = NULL, .dtype = NNCF_F32, .ndim = 2, .shape = n0}},
        {"\xc3\xa4 \"quoted\" \\ \n", {.data = u8, .dtype = NNCF_U8, .ndim = 1, .shape = n5}}};
    const nncf_checkpoint_text texts[] = {{"note", "line\nbreak, \"quotes\", \xe2\x82\xac"}};
    nncf_status status = make(weight, &model, &ctrl, &err);
    if (status == NNCF_OK)
        status = nncf_checkpoint_save(ctrl, path, tensors, sizeof tensors / sizeof *tensors,
            &(nncf_checkpoint_save_params){
                NNCF_PARAMS(nncf_checkpoint_save_params), .texts = texts, .n_texts = 1},
            &err);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    return status == NNCF_OK ? EXIT_SUCCESS : fail(&err);
}

static void print_tensor(const nncf_checkpoint *c, const char *name)
{
    static const char *const types[] = {"F32", "U8", "I8", "I32", "I64", "F64"};
    static const size_t sizes[] = {4, 1, 1, 4, 8, 8};
    nncf_tensor t;
    if (nncf_checkpoint_get_tensor(c, name, &t, NULL) != NNCF_OK) {
        printf("other - - %s\n", name);
        return;
    }
    size_t bytes = sizes[t.dtype];
    printf("%s [", types[t.dtype]);
    for (int32_t i = 0; i < t.ndim; i++) {
        printf("%s%" PRId64, i ? "," : "", t.shape[i]);
        bytes *= (size_t)t.shape[i];
    }
    printf("] x");
    for (size_t i = 0; i < bytes; i++)
        printf("%02x", ((const uint8_t *)t.data)[i]);
    printf(" %s\n", name);
}

int main(int argc, char **argv)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    if (argc == 3 && strcmp(argv[1], "write") == 0)
        return write_file(argv[2]);
    if (argc < 3 || strcmp(argv[1], "read") != 0)
        return EXIT_FAILURE;
    if (nncf_checkpoint_open(NULL, argv[2], NULL, &c, &err) != NNCF_OK)
        return fail(&err);
    for (size_t i = 0; i < nncf_checkpoint_get_tensor_count(c); i++)
        print_tensor(c, nncf_checkpoint_get_tensor_name(c, i));
    for (int i = 3; i < argc; i++) {
        const char *text = nncf_checkpoint_get_text(c, argv[i]);
        printf("text %s=%s\n", argv[i], text ? text : "(none)");
    }
    nncf_checkpoint_close(c);
    return EXIT_SUCCESS;
}
