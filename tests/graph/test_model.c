/* SPDX-License-Identifier: Apache-2.0 */
/* Registration: what is taken, what is refused with which words, and that a refusal changes
 * nothing. */
#include "graph/model.h"
#include "support/fixture.h"

static float buffer[4096];

static nncf_model *new_model(void)
{
    nncf_model *model = NULL;
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    return model;
}

static nncf_conv2d_params conv(const char *scope)
{
    return (nncf_conv2d_params){NNCF_PARAMS(nncf_conv2d_params), .scope = scope, .weight = buffer,
        .in_channels = 4, .out_channels = 8, .kernel = {3, 3}};
}

START_TEST(conv2d_has_its_fields_and_defaults)
{
    nncf_model *model = new_model();
    nncf_layer *a, *b;
    float mean[8], var[8];
    nncf_batch_norm_params bn = {
        NNCF_PARAMS(nncf_batch_norm_params), .running_mean = mean, .running_var = var};
    nncf_conv2d_params p = conv("Net/a");
    p.batch_norm = &bn;
    p.groups = 2;
    p.padding[1] = 1;
    ck_assert_int_eq(nncf_model_add_conv2d(model, &p, &a, NULL), NNCF_OK);
    ck_assert_int_eq(a->stride[0], 1);
    ck_assert_int_eq(a->dilation[1], 1);
    ck_assert_int_eq(a->padding[1], 1);
    ck_assert_uint_eq(a->weight_count, 8 * 2 * 9);
    ck_assert_int_eq(a->weight_ndim, 4);
    ck_assert(a->has_batch_norm && a->batch_norm.eps == 1e-5f && a->batch_norm.momentum == 0.1f);
    p = conv("Net/b");
    p.in_channels = 8;
    p.inputs = &a;
    p.n_inputs = 1;
    ck_assert_int_eq(nncf_model_add_conv2d(model, &p, &b, NULL), NNCF_OK);
    ck_assert_uint_eq(a->n_consumers, 1);
    ck_assert_uint_eq(b->n_consumers, 0);
    ck_assert_ptr_eq(b->inputs[0], a);
    ck_assert_ptr_ne(b->inputs, p.inputs);
    ck_assert_uint_eq(nncf_model_get_layer_count(model), 2);
    ck_assert_ptr_eq(nncf_model_get_layer(model, 1), b);
    ck_assert_ptr_null(nncf_model_get_layer(model, 2));
    ck_assert_ptr_eq(nncf_model_find_layer(model, "Net/b"), b);
    ck_assert_ptr_null(nncf_model_find_layer(model, "Net/c"));
    ck_assert_str_eq(nncf_layer_get_scope(b), "Net/b");
    nncf_model_destroy(model);
}
END_TEST

START_TEST(null_arguments_are_refused_and_mode_is_kept)
{
    nncf_model *model = new_model();
    ck_assert_int_eq(nncf_model_create(NULL, NULL, NULL), NNCF_E_ARG);
    nncf_model_destroy(NULL);
    ck_assert_uint_eq(nncf_model_get_layer_count(NULL), 0);
    ck_assert_ptr_null(nncf_model_get_layer(NULL, 0));
    ck_assert_ptr_null(nncf_model_find_layer(NULL, "a"));
    ck_assert_ptr_null(nncf_model_find_layer(model, NULL));
    ck_assert_ptr_null(nncf_layer_get_scope(NULL));
    ck_assert_int_eq(nncf_model_get_mode(NULL), -1);
    ck_assert_int_eq(nncf_model_get_mode(model), NNCF_MODE_TRAIN);
    ck_assert_int_eq(nncf_model_set_mode(model, 7, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_set_mode(NULL, NNCF_MODE_EVAL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_set_mode(model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_get_mode(model), NNCF_MODE_EVAL);
    nncf_layer *layer = (nncf_layer *)buffer;
    nncf_conv2d_params p = conv("a");
    ck_assert_int_eq(nncf_model_add_conv2d(NULL, &p, &layer, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_add_conv2d(model, NULL, &layer, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_add_conv2d(model, &p, NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_add_linear(model, NULL, &layer, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_add_sum(model, NULL, &layer, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_add_pool2d(model, NULL, &layer, NULL), NNCF_E_ARG);
    ck_assert_ptr_eq(layer, (nncf_layer *)buffer);
    nncf_model_destroy(model);
}
END_TEST

/* Expect `status`, the words in the message, and an unchanged model. */
static void refused(nncf_model *model, nncf_status got, nncf_status want, const nncf_error *err,
    const char *words, size_t layers)
{
    ck_assert_msg(got == want, "%s instead of %s: %s", nncf_status_name(got),
        nncf_status_name(want), err->message);
    ck_assert_msg(
        strstr(err->message, words) != NULL, "\"%s\" is not in \"%s\"", words, err->message);
    if (strncmp(err->where, "Net/", 4) == 0) /* the message names the layer, too */
        ck_assert_msg(strncmp(err->message, err->where, strlen(err->where)) == 0 &&
                err->message[strlen(err->where)] == ':',
            "\"%s\" does not begin with %s", err->message, err->where);
    ck_assert_int_eq(err->status, want);
    ck_assert_uint_eq(nncf_model_get_layer_count(model), layers);
}

#define REFUSE_ACTIVATION(words, ...)                                                              \
    do {                                                                                           \
        nncf_activation_params p = {NNCF_PARAMS(nncf_activation_params), .scope = "Net/a",         \
            .activation = NNCF_ACTIVATION_SILU};                                                   \
        nncf_error err = NNCF_ERROR_INIT;                                                          \
        __VA_ARGS__;                                                                               \
        refused(model, nncf_model_add_activation(model, &p, &layer, &err), NNCF_E_ARG, &err,       \
            words, 0);                                                                             \
    } while (0)

START_TEST(wrong_activations_are_refused_with_words)
{
    nncf_model *model = new_model();
    nncf_layer *layer = NULL;
    REFUSE_ACTIVATION("activation is 0", p.activation = NNCF_ACTIVATION_NONE);
    REFUSE_ACTIVATION("activation is 13", p.activation = NNCF_ACTIVATION_MISH + 1);
    REFUSE_ACTIVATION("only leaky relu and elu", p.activation_alpha = 0.5f);
    REFUSE_ACTIVATION(
        "must be finite", p.activation = NNCF_ACTIVATION_ELU, p.activation_alpha = INFINITY);
    REFUSE_ACTIVATION("no scope", p.scope = NULL);
    ck_assert_int_eq(nncf_model_add_activation(model, NULL, &layer, NULL), NNCF_E_ARG);
    ck_assert_ptr_null(layer);
    nncf_model_destroy(model);
}
END_TEST

#define REFUSE_CONV(status, words, ...)                                                            \
    do {                                                                                           \
        nncf_conv2d_params p = conv("Net/x");                                                      \
        nncf_error err = NNCF_ERROR_INIT;                                                          \
        __VA_ARGS__;                                                                               \
        refused(model, nncf_model_add_conv2d(model, &p, &layer, &err), status, &err, words, 2);    \
    } while (0)

START_TEST(wrong_convolutions_are_refused_with_words)
{
    nncf_model *model = new_model(), *other = new_model();
    nncf_layer *first, *second, *foreign, *layer = NULL, *none = NULL;
    nncf_conv2d_params good = conv("Net/first");
    ck_assert_int_eq(nncf_model_add_conv2d(model, &good, &first, NULL), NNCF_OK);
    good.scope = "Net/second";
    ck_assert_int_eq(nncf_model_add_conv2d(model, &good, &second, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_conv2d(other, &good, &foreign, NULL), NNCF_OK);
    float stat[8] = {0};
    nncf_batch_norm_params bn = {
        NNCF_PARAMS(nncf_batch_norm_params), .running_mean = stat, .running_var = stat};
    nncf_layer *two[] = {first, second};
    char longest[1100];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;

    REFUSE_CONV(NNCF_E_ARG, "no scope", p.scope = NULL);
    REFUSE_CONV(NNCF_E_ARG, "no scope", p.scope = "");
    REFUSE_CONV(NNCF_E_ARG, "control character", p.scope = "a\nb");
    REFUSE_CONV(NNCF_E_ARG, "not UTF-8", p.scope = "Net/Conv2d[\xff]");
    REFUSE_CONV(NNCF_E_LIMIT, "at most", p.scope = longest);
    REFUSE_CONV(NNCF_E_ARG, "taken by layer 1", p.scope = "Net/second");
    REFUSE_CONV(
        NNCF_E_ARG, "Net/x: activation_scope has a control character", p.activation_scope = "\x7f");
    REFUSE_CONV(NNCF_E_ARG, "Net/x: weight is NULL", p.weight = NULL);
    REFUSE_CONV(NNCF_E_ARG, "in_channels is 0", p.in_channels = 0);
    REFUSE_CONV(NNCF_E_ARG, "out_channels is -1", p.out_channels = -1);
    REFUSE_CONV(NNCF_E_ARG, "kernel[1] is 0", p.kernel[1] = 0);
    REFUSE_CONV(NNCF_E_ARG, "stride[0] is -2", p.stride[0] = -2);
    REFUSE_CONV(NNCF_E_ARG, "padding[0] is -1", p.padding[0] = -1);
    REFUSE_CONV(NNCF_E_ARG, "dilation[1] is -1", p.dilation[1] = -1);
    REFUSE_CONV(NNCF_E_ARG, "groups is 3", p.groups = 3);
    REFUSE_CONV(NNCF_E_ARG, "does not divide out_channels", p.groups = 4, p.out_channels = 6);
    REFUSE_CONV(NNCF_E_ARG, "groups is -1", p.groups = -1);
    REFUSE_CONV(NNCF_E_ARG, "activation is 13", p.activation = 13);
    REFUSE_CONV(NNCF_E_ARG, "bias is NULL", p.bias_grad = buffer);
    REFUSE_CONV(NNCF_E_ARG, "inputs is NULL", p.n_inputs = 1);
    REFUSE_CONV(NNCF_E_ARG, "at most one input", p.inputs = two, p.n_inputs = 2);
    REFUSE_CONV(NNCF_E_ARG, "inputs[0] is NULL", p.inputs = &none, p.n_inputs = 1);
    REFUSE_CONV(NNCF_E_ARG, "not a layer of this model", p.inputs = &foreign, p.n_inputs = 1);
    REFUSE_CONV(NNCF_E_ARG, "Net/first has 8 channels", p.inputs = &first, p.n_inputs = 1);
    REFUSE_CONV(NNCF_E_ARG, "running_var", p.batch_norm = &bn, bn.running_var = NULL);
    bn.running_var = stat;
    void *odd = (char *)buffer + 2;
    REFUSE_CONV(NNCF_E_ARG, "Net/x: weight is not aligned", p.weight = odd);
    REFUSE_CONV(NNCF_E_ARG, "Net/x: weight_grad is not aligned", p.weight_grad = odd);
    REFUSE_CONV(NNCF_E_ARG, "Net/x: bias is not aligned", p.bias = odd);
    REFUSE_CONV(NNCF_E_ARG, "Net/x: bias_grad is not aligned", p.bias = stat, p.bias_grad = odd);
    REFUSE_CONV(
        NNCF_E_ARG, "Net/x: weight and weight_grad are one array", p.weight_grad = p.weight);
    REFUSE_CONV(
        NNCF_E_ARG, "Net/x: bias and bias_grad are one array", p.bias = stat, p.bias_grad = p.bias);
    bn.weight = bn.weight_grad = buffer;
    REFUSE_CONV(NNCF_E_ARG, "batch_norm->weight_grad are one array", p.batch_norm = &bn);
    bn.weight = bn.weight_grad = NULL;
    float **const of_norm[] = {&bn.weight, &bn.bias, &bn.running_mean, &bn.running_var};
    for (size_t i = 0; i < sizeof of_norm / sizeof *of_norm; i++) {
        float *const before = *of_norm[i];
        *of_norm[i] = odd;
        REFUSE_CONV(NNCF_E_ARG, " is not aligned as floats are", p.batch_norm = &bn);
        *of_norm[i] = before;
    }
    REFUSE_CONV(
        NNCF_E_ARG, "Net/x: batch_norm->scope is not UTF-8", p.batch_norm = &bn, bn.scope = "\xff");
    bn.scope = NULL;
    REFUSE_CONV(NNCF_E_ARG, "eps", p.batch_norm = &bn, bn.eps = -1);
    REFUSE_CONV(NNCF_E_ARG, "momentum", p.batch_norm = &bn, bn.eps = 0, bn.momentum = 1.5f);
    REFUSE_CONV(NNCF_E_ARG, "batch_norm->weight is NULL", p.batch_norm = &bn, bn.momentum = 0,
        bn.weight_grad = stat);
    REFUSE_CONV(
        NNCF_E_LIMIT, "2^32", p.in_channels = (int64_t)1 << 31, p.out_channels = (int64_t)1 << 31);
    REFUSE_CONV(NNCF_E_LIMIT, "in_channels", p.in_channels = INT64_MAX);
    REFUSE_CONV(NNCF_E_ARG, "nncf_conv2d_params", p.struct_size = 3);
    ck_assert_ptr_null(layer);
    ck_assert_uint_eq(first->n_consumers, 0);
    nncf_model_destroy(model);
    nncf_model_destroy(other);
}
END_TEST

START_TEST(wrong_sums_pools_and_linears_are_refused_with_words)
{
    nncf_model *model = new_model();
    nncf_layer *a, *b, *layer = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_conv2d_params c = conv("Net/a");
    ck_assert_int_eq(nncf_model_add_conv2d(model, &c, &a, NULL), NNCF_OK);
    c.scope = "Net/b";
    c.out_channels = 6;
    ck_assert_int_eq(nncf_model_add_conv2d(model, &c, &b, NULL), NNCF_OK);
    nncf_layer *both[] = {a, b, a};

    nncf_sum_params sum = {
        NNCF_PARAMS(nncf_sum_params), .scope = "Net/add", .inputs = both, .n_inputs = 2};
    refused(
        model, nncf_model_add_sum(model, &sum, &layer, &err), NNCF_E_ARG, &err, "Net/b has 6", 2);
    sum.n_inputs = 3;
    refused(
        model, nncf_model_add_sum(model, &sum, &layer, &err), NNCF_E_ARG, &err, "has 2 inputs", 2);
    sum.n_inputs = 1;
    refused(
        model, nncf_model_add_sum(model, &sum, &layer, &err), NNCF_E_ARG, &err, "has 2 inputs", 2);
    sum.n_inputs = 0;
    sum.activation_alpha = 1;
    refused(model, nncf_model_add_sum(model, &sum, &layer, &err), NNCF_E_ARG, &err,
        "only leaky relu", 2);

    nncf_pool2d_params pool = {NNCF_PARAMS(nncf_pool2d_params), .scope = "Net/pool", .kind = 5};
    refused(
        model, nncf_model_add_pool2d(model, &pool, &layer, &err), NNCF_E_ARG, &err, "kind is 5", 2);
    pool.kind = NNCF_POOL_MAX;
    refused(model, nncf_model_add_pool2d(model, &pool, &layer, &err), NNCF_E_ARG, &err,
        "kernel[0] is 0", 2);
    pool.kernel[0] = pool.kernel[1] = 3;
    pool.padding[1] = 2;
    refused(model, nncf_model_add_pool2d(model, &pool, &layer, &err), NNCF_E_ARG, &err,
        "half of the kernel", 2);
    pool.kind = NNCF_POOL_GLOBAL_AVERAGE;
    refused(model, nncf_model_add_pool2d(model, &pool, &layer, &err), NNCF_E_ARG, &err,
        "whole plane", 2);
    pool.kind = NNCF_POOL_AVERAGE;
    pool.padding[1] = 0;
    pool.flags = NNCF_OP_FLAG_NEAREST;
    refused(model, nncf_model_add_pool2d(model, &pool, &layer, &err), NNCF_E_ARG, &err,
        "flags is 16; a pool knows NNCF_OP_FLAG_CEIL", 2);
    pool.kind = NNCF_POOL_MAX;
    pool.flags = NNCF_OP_FLAG_EXCLUDE_PADDING;
    refused(model, nncf_model_add_pool2d(model, &pool, &layer, &err), NNCF_E_ARG, &err,
        "flags is 4", 2);
    pool.flags = 0;
    pool.padding_end[0] = 3;
    refused(model, nncf_model_add_pool2d(model, &pool, &layer, &err), NNCF_E_ARG, &err,
        "beside all pixels", 2);
    pool.padding_end[0] = -1;
    refused(model, nncf_model_add_pool2d(model, &pool, &layer, &err), NNCF_E_ARG, &err,
        "padding_end[0] is -1, with padding 0", 2);
    pool = (nncf_pool2d_params){
        NNCF_PARAMS(nncf_pool2d_params), .scope = "Net/pool", .flags = NNCF_OP_FLAG_CEIL};
    refused(model, nncf_model_add_pool2d(model, &pool, &layer, &err), NNCF_E_ARG, &err,
        "no windows", 2);
    pool.flags = 0;
    pool.padding_end[1] = 1;
    refused(model, nncf_model_add_pool2d(model, &pool, &layer, &err), NNCF_E_ARG, &err,
        "whole plane", 2);
    nncf_conv2d_params one_sided = conv("Net/one_sided");
    one_sided.padding_end[1] = -one_sided.padding[1] - 1;
    refused(model, nncf_model_add_conv2d(model, &one_sided, &layer, &err), NNCF_E_ARG, &err,
        "less than nothing", 2);

    nncf_linear_params fc = {NNCF_PARAMS(nncf_linear_params), .scope = "Net/fc", .weight = buffer,
        .in_features = 12, .out_features = 2, .inputs = &a, .n_inputs = 1};
    refused(model, nncf_model_add_linear(model, &fc, &layer, &err), NNCF_E_ARG, &err,
        "not a multiple of the 8", 2);
    fc.in_features = 0;
    refused(model, nncf_model_add_linear(model, &fc, &layer, &err), NNCF_E_ARG, &err,
        "in_features is 0", 2);
    fc.activation_alpha = 1;
    refused(model, nncf_model_add_linear(model, &fc, &layer, &err), NNCF_E_ARG, &err,
        "only leaky relu", 2);
    nncf_model_destroy(model);
}
END_TEST

START_TEST(channels_are_followed_through_sums_and_pools)
{
    nncf_model *model = new_model();
    nncf_layer *a, *b, *sum, *pool, *global, *fc, *layer;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_conv2d_params c = conv("a");
    ck_assert_int_eq(nncf_model_add_conv2d(model, &c, &a, NULL), NNCF_OK);
    c.scope = "b";
    ck_assert_int_eq(nncf_model_add_conv2d(model, &c, &b, NULL), NNCF_OK);
    nncf_layer *ab[] = {a, b};
    nncf_sum_params s = {NNCF_PARAMS(nncf_sum_params), .scope = "sum", .inputs = ab, .n_inputs = 2};
    ck_assert_int_eq(nncf_model_add_sum(model, &s, &sum, NULL), NNCF_OK);
    nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = "pool", .kind = NNCF_POOL_MAX,
        .kernel = {2, 2}, .inputs = &sum, .n_inputs = 1};
    ck_assert_int_eq(nncf_model_add_pool2d(model, &p, &pool, NULL), NNCF_OK);
    ck_assert_int_eq(pool->stride[0], 2);
    c.scope = "wrong";
    c.inputs = &pool;
    c.n_inputs = 1;
    refused(model, nncf_model_add_conv2d(model, &c, &layer, &err), NNCF_E_ARG, &err,
        "pool has 8 channels", 4);
    nncf_linear_params l = {NNCF_PARAMS(nncf_linear_params), .scope = "flat", .weight = buffer,
        .in_features = 8 * 9, .out_features = 3, .inputs = &pool, .n_inputs = 1};
    ck_assert_int_eq(nncf_model_add_linear(model, &l, &fc, NULL), NNCF_OK); /* 3 x 3 pixels */
    p = (nncf_pool2d_params){
        NNCF_PARAMS(nncf_pool2d_params), .scope = "global", .inputs = &pool, .n_inputs = 1};
    ck_assert_int_eq(nncf_model_add_pool2d(model, &p, &global, NULL), NNCF_OK);
    l.scope = "fc";
    l.inputs = &global;
    refused(model, nncf_model_add_linear(model, &l, &layer, &err), NNCF_E_ARG, &err,
        "global has 8 channels", 6);
    l.in_features = 8;
    ck_assert_int_eq(nncf_model_add_linear(model, &l, &fc, NULL), NNCF_OK);
    ck_assert_uint_eq(sum->n_consumers, 1);
    ck_assert_uint_eq(pool->n_consumers, 2);
    nncf_model_destroy(model);
}
END_TEST

/* Scopes are found and inputs are known in a model whose tables have grown many times; what a model
 * does not have is not found in it. */
START_TEST(many_layers_are_found_by_scope)
{
    enum { MANY = 5000 };
    nncf_model *model = new_model(), *other = new_model();
    nncf_layer **layers = calloc(MANY, sizeof(nncf_layer *)), *stranger, *none;
    char scope[64];
    ck_assert_ptr_nonnull(layers);
    nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = scope, .weight = buffer,
        .in_features = 2, .out_features = 2};
    snprintf(scope, sizeof scope, "Net/Linear[0]");
    ck_assert_int_eq(nncf_model_add_linear(other, &p, &stranger, NULL), NNCF_OK);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(scope, sizeof scope, "Net/Linear[%zu]", i);
        p.inputs = &layers[i / 3]; /* near and far ones */
        p.n_inputs = i > 0;
        ck_assert_int_eq(nncf_model_add_linear(model, &p, &layers[i], NULL), NNCF_OK);
    }
    for (size_t i = 0; i < MANY; i++) {
        snprintf(scope, sizeof scope, "Net/Linear[%zu]", i);
        ck_assert_ptr_eq(nncf_model_find_layer(model, scope), layers[i]);
        ck_assert_ptr_eq(nncf_model_get_layer(model, i), layers[i]);
        strcat(scope, "x");
        ck_assert_ptr_null(nncf_model_find_layer(model, scope));
    }
    ck_assert_uint_eq(layers[0]->n_consumers, 2);
    ck_assert_uint_eq(layers[1000]->n_consumers, 3);
    p.inputs = &stranger;
    ck_assert_int_eq(nncf_model_add_linear(model, &p, &none, NULL), NNCF_E_ARG);
    p.n_inputs = 0;
    for (size_t i = 0; i < MANY; i += MANY / 10) {
        snprintf(scope, sizeof scope, "Net/Linear[%zu]", i);
        ck_assert_int_eq(nncf_model_add_linear(model, &p, &none, NULL), NNCF_E_ARG);
    }
    ck_assert_uint_eq(nncf_model_get_layer_count(model), MANY);
    nncf_model_destroy(other);
    nncf_model_destroy(model);
    free(layers);
}
END_TEST

/* Every allocation of a registration fails once; the model stays as it was, and nothing leaks. */
START_TEST(failed_allocations_register_nothing)
{
    fx_context c;
    fx_open(&c, 1, 0);
    nncf_model *model;
    ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
    nncf_layer *first, *layer;
    nncf_conv2d_params p = conv("first");
    ck_assert_int_eq(nncf_model_add_conv2d(model, &p, &first, NULL), NNCF_OK);
    p = (nncf_conv2d_params){NNCF_PARAMS(nncf_conv2d_params), .scope = "x", .weight = buffer,
        .in_channels = 8, .out_channels = 1, .kernel = {1, 1}, .inputs = &first, .n_inputs = 1};
    size_t tries = 0, registered = 0;
    char scope[16];
    while (registered < 70) { /* past the growth of the list of layers */
        snprintf(scope, sizeof scope, "x%zu", registered);
        p.scope = scope;
        size_t live = c.memory.live, layers = nncf_model_get_layer_count(model),
               consumers = first->n_consumers;
        c.memory.fail_at = c.memory.calls + 1 + tries++;
        nncf_status status = nncf_model_add_conv2d(model, &p, &layer, NULL);
        c.memory.fail_at = 0;
        if (status == NNCF_OK) {
            registered++;
            tries = 0;
            continue;
        }
        ck_assert_int_eq(status, NNCF_E_NOMEM);
        ck_assert_uint_eq(c.memory.live, live);
        ck_assert_uint_eq(nncf_model_get_layer_count(model), layers);
        ck_assert_uint_eq(first->n_consumers, consumers);
    }
    c.memory.fail_at = c.memory.calls + 1;
    nncf_model *none = NULL;
    ck_assert_int_eq(nncf_model_create(c.context, &none, NULL), NNCF_E_NOMEM);
    ck_assert_ptr_null(none);
    nncf_model_destroy(model);
    fx_close(&c);
}
END_TEST

FX_MAIN("model", conv2d_has_its_fields_and_defaults, null_arguments_are_refused_and_mode_is_kept,
    wrong_activations_are_refused_with_words, wrong_convolutions_are_refused_with_words,
    wrong_sums_pools_and_linears_are_refused_with_words,
    channels_are_followed_through_sums_and_pools, many_layers_are_found_by_scope,
    failed_allocations_register_nothing)
