/* SPDX-License-Identifier: Apache-2.0 */
/* nncf_<struct>_init() of every struct that begins with struct_size: each byte is that of the
 * documented default. Linked with the shared library, as bindings are. */
#include "support/runner.h"

#include <check.h>
#include <nncf/nncf.h>
#include <stdlib.h>
#include <string.h>

/* The defaults that the headers' comments state; members that are left out are 0. */
#define STRUCTS(X)                                                                                 \
    X(nncf_error, .struct_size = sizeof(nncf_error))                                               \
    X(nncf_context_params, NNCF_PARAMS(nncf_context_params), .log_level = NNCF_LOG_WARNING)        \
    X(nncf_config_params, NNCF_PARAMS(nncf_config_params))                                         \
    X(nncf_batch_norm_params, NNCF_PARAMS(nncf_batch_norm_params), .eps = 1e-5f, .momentum = 0.1f, \
        .explicit_zeros = 1)                                                                       \
    X(nncf_conv2d_params, NNCF_PARAMS(nncf_conv2d_params), .stride = {1, 1}, .dilation = {1, 1},   \
        .groups = 1)                                                                               \
    X(nncf_linear_params, NNCF_PARAMS(nncf_linear_params))                                         \
    X(nncf_sum_params, NNCF_PARAMS(nncf_sum_params))                                               \
    X(nncf_activation_params, NNCF_PARAMS(nncf_activation_params))                                 \
    X(nncf_concat_params, NNCF_PARAMS(nncf_concat_params))                                         \
    X(nncf_multiply_params, NNCF_PARAMS(nncf_multiply_params))                                     \
    X(nncf_softmax_params, NNCF_PARAMS(nncf_softmax_params))                                       \
    X(nncf_upsample_params, NNCF_PARAMS(nncf_upsample_params))                                     \
    X(nncf_conv_transpose2d_params, NNCF_PARAMS(nncf_conv_transpose2d_params), .stride = {1, 1},   \
        .dilation = {1, 1}, .groups = 1)                                                           \
    X(nncf_prelu_params, NNCF_PARAMS(nncf_prelu_params))                                           \
    X(nncf_dropout_params, NNCF_PARAMS(nncf_dropout_params))                                       \
    X(nncf_group_norm_params, NNCF_PARAMS(nncf_group_norm_params), .groups = 1, .eps = 1e-5f)      \
    X(nncf_heads_params, NNCF_PARAMS(nncf_heads_params))                                           \
    X(nncf_attention_params, NNCF_PARAMS(nncf_attention_params))                                   \
    X(nncf_attention, NNCF_PARAMS(nncf_attention))                                                 \
    X(nncf_layer_norm_params, NNCF_PARAMS(nncf_layer_norm_params), .eps = 1e-5f)                   \
    X(nncf_embedding_params, NNCF_PARAMS(nncf_embedding_params))                                   \
    X(nncf_matmul_params, NNCF_PARAMS(nncf_matmul_params), .factor = 1)                            \
    X(nncf_pool2d_params, NNCF_PARAMS(nncf_pool2d_params))                                         \
    X(nncf_op_params, NNCF_PARAMS(nncf_op_params), .groups = 1, .eps = 1e-5f)                      \
    X(nncf_collective_params, NNCF_PARAMS(nncf_collective_params), .size = 1)                      \
    X(nncf_gradient, NNCF_PARAMS(nncf_gradient))                                                   \
    X(nncf_weight_params, NNCF_PARAMS(nncf_weight_params))                                         \
    X(nncf_quantizer_params, NNCF_PARAMS(nncf_quantizer_params))                                   \
    X(nncf_memory, NNCF_PARAMS(nncf_memory))                                                       \
    X(nncf_parameter, NNCF_PARAMS(nncf_parameter))                                                 \
    X(nncf_accuracy_aware_params, NNCF_PARAMS(nncf_accuracy_aware_params),                         \
        .maximal_compression_rate = 0.95)                                                          \
    X(nncf_accuracy_aware_decision, NNCF_PARAMS(nncf_accuracy_aware_decision))                     \
    X(nncf_optimizer_params, NNCF_PARAMS(nncf_optimizer_params))                                   \
    X(nncf_statistics, NNCF_PARAMS(nncf_statistics))                                               \
    X(nncf_layer_statistics, NNCF_PARAMS(nncf_layer_statistics))                                   \
    X(nncf_checkpoint_save_params, NNCF_PARAMS(nncf_checkpoint_save_params))                       \
    X(nncf_checkpoint_open_params, NNCF_PARAMS(nncf_checkpoint_open_params))                       \
    X(nncf_checkpoint_restore_params, NNCF_PARAMS(nncf_checkpoint_restore_params))                 \
    X(nncf_checkpoint_restore_report, NNCF_PARAMS(nncf_checkpoint_restore_report))                 \
    X(nncf_checkpoint_load_params, NNCF_PARAMS(nncf_checkpoint_load_params))                       \
    X(nncf_checkpoint_load_report, NNCF_PARAMS(nncf_checkpoint_load_report))                       \
    X(nncf_shrink_array, NNCF_PARAMS(nncf_shrink_array))                                           \
    X(nncf_shrink_params, NNCF_PARAMS(nncf_shrink_params))                                         \
    X(nncf_strip_params, NNCF_PARAMS(nncf_strip_params))                                           \
    X(nncf_strip_report, NNCF_PARAMS(nncf_strip_report))

#define CHECK_STRUCT(type, ...)                                                                    \
    {                                                                                              \
        static const type want = {__VA_ARGS__};                                                    \
        type got[2];                                                                               \
        memset(got, 0xa5, sizeof got);                                                             \
        type##_init(&got[0], sizeof(type));                                                        \
        ck_assert_msg(memcmp(&got[0], &want, sizeof want) == 0, #type);                            \
        ck_assert_msg(got[1].struct_size == (size_t)0xa5a5a5a5a5a5a5a5, #type);                    \
        n++;                                                                                       \
    }

START_TEST(every_member_has_its_documented_default)
{
    int n = 0;
    STRUCTS(CHECK_STRUCT)
    ck_assert_int_eq(n, 45);
    nncf_onnx_params onnx;
    memset(&onnx, 0xa5, sizeof onnx);
    nncf_onnx_params_init(&onnx, sizeof onnx);
    ck_assert_str_eq(onnx.input_name, "input");
    ck_assert_str_eq(onnx.output_name, "output");
    ck_assert_str_eq(onnx.graph_name, "nncf");
    ck_assert_int_eq(onnx.opset, 13);
    onnx.input_name = onnx.output_name = onnx.graph_name = NULL;
    onnx.opset = 0;
    const nncf_onnx_params rest = {NNCF_PARAMS(nncf_onnx_params)};
    ck_assert_int_eq(memcmp(&onnx, &rest, sizeof rest), 0);
}
END_TEST

/* A program with older headers has a smaller struct, one with newer headers a larger one. */
START_TEST(only_the_callers_struct_is_written)
{
    union {
        nncf_conv2d_params p;
        unsigned char bytes[sizeof(nncf_conv2d_params) + 16];
    } u;
    memset(&u, 0xa5, sizeof u);
    const size_t smaller = offsetof(nncf_conv2d_params, groups);
    nncf_conv2d_params_init(&u.p, smaller);
    ck_assert_uint_eq(u.p.struct_size, smaller);
    ck_assert_int_eq(u.p.dilation[1], 1);
    for (size_t i = smaller; i < sizeof u; i++)
        ck_assert_uint_eq(u.bytes[i], 0xa5);
    nncf_conv2d_params_init(&u.p, sizeof u);
    ck_assert_uint_eq(u.p.struct_size, sizeof u);
    ck_assert_int_eq(u.p.groups, 1);
    for (size_t i = sizeof(nncf_conv2d_params); i < sizeof u; i++)
        ck_assert_uint_eq(u.bytes[i], 0);
    memset(&u, 0xa5, sizeof u);
    nncf_conv2d_params_init(&u.p, 3); /* not even a struct_size */
    ck_assert_uint_eq(u.bytes[0], 0xa5);
    nncf_conv2d_params_init(NULL, sizeof u.p);
}
END_TEST

/* A context, a config and a model from nothing but defaults. */
START_TEST(defaults_are_taken)
{
    static const char text[] = "{\"compression\": {\"algorithm\": \"quantization\"}}";
    nncf_error err;
    nncf_context_params context_params;
    nncf_config_params config_params;
    nncf_context *context;
    nncf_config *config;
    nncf_error_init(&err, sizeof err);
    nncf_context_params_init(&context_params, sizeof context_params);
    nncf_config_params_init(&config_params, sizeof config_params);
    ck_assert_msg(nncf_context_create(NNCF_API_VERSION, &context_params, &context, &err) == NNCF_OK,
        "%s", err.message);
    ck_assert_msg(nncf_config_parse(
                      context, NULL, text, strlen(text), &config_params, &config, &err) == NNCF_OK,
        "%s", err.message);
    ck_assert_int_eq(
        nncf_config_parse(context, NULL, "{", 1, &config_params, &config, &err), NNCF_E_PARSE);
    ck_assert_int_eq(err.status, NNCF_E_PARSE);
    ck_assert_str_ne(err.message, "");
    nncf_config_destroy(config);
    nncf_context_destroy(context);
}
END_TEST

FX_MAIN("init functions", every_member_has_its_documented_default,
    only_the_callers_struct_is_written, defaults_are_taken)
