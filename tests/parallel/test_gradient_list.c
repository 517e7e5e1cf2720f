/* SPDX-License-Identifier: Apache-2.0 */
/* The list of gradients: every buffer once, in the order in which backward finishes them. */
#include "parallel/net.h"

static nncf_gradient at(const nncf_model *model, size_t i)
{
    nncf_gradient g = {NNCF_PARAMS(nncf_gradient)};
    ck_assert_int_eq(nncf_model_get_gradient(model, i, &g, NULL), NNCF_OK);
    return g;
}

START_TEST(every_buffer_stands_once_from_the_last_layer_to_the_first)
{
    net n;
    net_make(&n, fx_new_context(NULL, 1, NNCF_ISA_BEST, 1), FX_CONFIG(FX_RB ", " FX_INT8), 0);
    const struct {
        const float *data;
        size_t count;
        nncf_gradient_kind kind;
    } registered[] = {
        {n.block[3].dw, n.block[3].weights, NNCF_GRADIENT_OF_WEIGHT},
        {n.block[3].db, NET_CLASSES, NNCF_GRADIENT_OF_BIAS},
        {n.block[2].dw, n.block[2].weights, NNCF_GRADIENT_OF_WEIGHT},
        {n.block[2].dgamma, NET_WIDTH, NNCF_GRADIENT_OF_NORM_WEIGHT},
        {n.block[2].dbeta, NET_WIDTH, NNCF_GRADIENT_OF_NORM_BIAS},
        {n.block[1].dw, n.block[1].weights, NNCF_GRADIENT_OF_WEIGHT},
        {n.block[1].dgamma, NET_WIDTH, NNCF_GRADIENT_OF_NORM_WEIGHT},
        {n.block[1].dbeta, NET_WIDTH, NNCF_GRADIENT_OF_NORM_BIAS},
        {n.block[0].dw, n.block[0].weights, NNCF_GRADIENT_OF_WEIGHT},
        {n.block[0].dgamma, NET_WIDTH, NNCF_GRADIENT_OF_NORM_WEIGHT},
        {n.block[0].dbeta, NET_WIDTH, NNCF_GRADIENT_OF_NORM_BIAS},
    };
    const size_t n_registered = sizeof registered / sizeof *registered,
                 n_parameters = nncf_compression_ctrl_get_parameter_count(n.ctrl),
                 count = nncf_model_get_gradient_count(n.model);
    ck_assert_uint_eq(count, n_registered + n_parameters);
    size_t found = 0, parameters = 0, layer = NET_LAYERS;
    for (size_t i = 0; i < count; i++) {
        const nncf_gradient g = at(n.model, i);
        ck_assert_int_eq(g.has_gaps, 0);
        while (nncf_model_get_layer(n.model, layer) != g.layer)
            ck_assert_uint_gt(layer--, 0);
        if (g.kind == NNCF_GRADIENT_OF_PARAMETER) {
            const nncf_parameter p = fx_parameter(n.ctrl, g.name);
            ck_assert(g.data == p.grad && g.count == p.count);
            ck_assert(strncmp(g.name, nncf_layer_get_scope(g.layer),
                          strlen(nncf_layer_get_scope(g.layer))) == 0);
            parameters++;
            continue;
        }
        ck_assert_uint_lt(found, n_registered);
        ck_assert(g.data == registered[found].data && g.count == registered[found].count);
        ck_assert_int_eq(g.kind, registered[found].kind);
        ck_assert_str_eq(g.name, nncf_layer_get_scope(g.layer));
        found++;
    }
    ck_assert_uint_eq(parameters, n_parameters);
    nncf_error err = NNCF_ERROR_INIT;
    nncf_gradient g = {NNCF_PARAMS(nncf_gradient)};
    ck_assert_int_eq(nncf_model_get_gradient(n.model, count, &g, &err), NNCF_E_NOTFOUND);
    ck_assert_int_eq(nncf_model_get_gradient(n.model, 0, NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_get_gradient(NULL, 0, &g, &err), NNCF_E_ARG);
    ck_assert_uint_eq(nncf_model_get_gradient_count(NULL), 0);
    net_free(&n);
}
END_TEST

/* Scales of binary weights follow from the weights: they are neither trained nor listed. */
START_TEST(scales_and_thresholds_of_binary_inputs_are_listed)
{
    net n;
    net_make(&n, fx_new_context(NULL, 1, NNCF_ISA_BEST, 1),
        FX_CONFIG("{\"algorithm\": \"binarization\"}"), 0);
    const size_t n_parameters = nncf_compression_ctrl_get_parameter_count(n.ctrl);
    size_t parameters = 0, thresholds = 0;
    ck_assert_uint_eq(n_parameters, 2 * 3); /* of three convolutions */
    for (size_t i = 0; i < nncf_model_get_gradient_count(n.model); i++) {
        const nncf_gradient g = at(n.model, i);
        if (g.kind != NNCF_GRADIENT_OF_PARAMETER)
            continue;
        const nncf_parameter p = fx_parameter(n.ctrl, g.name);
        ck_assert(g.data == p.grad && g.count == p.count);
        thresholds += p.kind == NNCF_PARAMETER_THRESHOLD ? g.count : 0;
        parameters++;
    }
    ck_assert_uint_eq(parameters, n_parameters);
    ck_assert_uint_eq(thresholds, NET_CHANNELS + 2 * NET_WIDTH);
    net_free(&n);
}
END_TEST

START_TEST(parts_are_packed_side_by_side_and_come_back_multiplied)
{
    enum { FIRST = 1, N = 4 };
    net n;
    float values[1024], want[1024];
    size_t total = 0;
    net_make(&n, fx_new_context(NULL, 1, NNCF_ISA_BEST, 1), FX_CONFIG(FX_INT8), 0);
    for (size_t i = 0; i < nncf_model_get_gradient_count(n.model); i++) {
        const nncf_gradient g = at(n.model, i);
        for (size_t j = 0; j < g.count; j++)
            g.data[j] = (float)(1000 * i + j);
        for (size_t j = 0; j < g.count && i >= FIRST && i < FIRST + N; j++)
            want[total++] = g.data[j];
    }
    values[total] = -7;
    ck_assert_int_eq(nncf_model_pack_gradients(n.model, FIRST, N, values, NULL), NNCF_OK);
    ck_assert(memcmp(values, want, total * sizeof *want) == 0);
    ck_assert(values[total] == -7);
    ck_assert_int_eq(nncf_model_unpack_gradients(n.model, FIRST, N, values, 0.5, NULL), NNCF_OK);
    for (size_t i = 0, k = 0; i < nncf_model_get_gradient_count(n.model); i++) {
        const nncf_gradient g = at(n.model, i);
        for (size_t j = 0; j < g.count; j++)
            ck_assert(g.data[j] ==
                (i >= FIRST && i < FIRST + N ? 0.5f * want[k++] : (float)(1000 * i + j)));
    }
    nncf_error err = NNCF_ERROR_INIT;
    const size_t count = nncf_model_get_gradient_count(n.model);
    ck_assert_int_eq(nncf_model_pack_gradients(n.model, 2, count - 1, values, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_pack_gradients(n.model, SIZE_MAX, 2, values, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_pack_gradients(n.model, 0, 1, NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_pack_gradients(n.model, count, 0, NULL, &err), NNCF_OK);
    ck_assert_int_eq(nncf_model_unpack_gradients(n.model, 0, 1, values, NAN, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_unpack_gradients(NULL, 0, 1, values, 1, &err), NNCF_E_ARG);
    net_free(&n);
}
END_TEST

/* Rows of 3 and a bias as the last column, which is a gradient of its own. */
START_TEST(gaps_of_a_layout_are_left_alone)
{
    float w[8] = {0}, dw[8] = {1, 2, 3, -1, 4, 5, 6, -2}, values[6];
    const float want[6] = {1, 2, 3, 4, 5, 6}, twice[8] = {2, 4, 6, -1, 8, 10, 12, -2};
    nncf_context *context = fx_new_context(NULL, 1, NNCF_ISA_BEST, 1);
    nncf_model *model;
    nncf_layer *layer;
    ck_assert_int_eq(nncf_model_create(context, &model, NULL), NNCF_OK);
    const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "a", .weight = w,
        .weight_grad = dw, .in_features = 3, .out_features = 2};
    ck_assert_int_eq(nncf_model_add_linear(model, &p, &layer, NULL), NNCF_OK);
    const nncf_weight_layout_params gaps = {
        NNCF_PARAMS(nncf_weight_layout_params), .row_stride = 4};
    ck_assert_int_eq(nncf_layer_set_weight_layout(layer, &gaps, NULL), NNCF_OK);
    const nncf_gradient g = at(model, 0);
    ck_assert(g.data == dw && g.count == 6 && g.has_gaps == 1);
    ck_assert_int_eq(nncf_model_pack_gradients(model, 0, 1, values, NULL), NNCF_OK);
    ck_assert(memcmp(values, want, sizeof want) == 0);
    ck_assert_int_eq(nncf_model_unpack_gradients(model, 0, 1, values, 2, NULL), NNCF_OK);
    ck_assert(memcmp(dw, twice, sizeof twice) == 0);
    nncf_model_destroy(model);
    nncf_context_destroy(context);
}
END_TEST

FX_MAIN("gradient_list", every_buffer_stands_once_from_the_last_layer_to_the_first,
    scales_and_thresholds_of_binary_inputs_are_listed,
    parts_are_packed_side_by_side_and_come_back_multiplied, gaps_of_a_layout_are_left_alone)
