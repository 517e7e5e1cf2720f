/* SPDX-License-Identifier: Apache-2.0 */
/* What forward and backward refuse: wrong arguments, shapes, types and orders of calls. */
#include "support/fixture.h"

static const int64_t small_in[4] = {1, 3, 4, 4}, small_out[4] = {1, 2, 2, 2};

/* One small convolution and its tensors. */
typedef struct small {
    nncf_model *model;
    fx_block k;
    float x[3 * 16 + 1], y[2 * 4], dx[3 * 16];
    fx_tensor tx, ty, td;
} small;

static void make_small(small *s)
{
    uint64_t state = 2;
    *s = (small){.k = {.scope = "k", .in_channels = 3, .out_channels = 2, .kernel = {3, 3}}};
    ck_assert_int_eq(nncf_model_create(NULL, &s->model, NULL), NNCF_OK);
    fx_register(s->model, &s->k, NULL, &state);
    fx_view(&s->tx, s->x, 4, small_in);
    fx_view(&s->ty, s->y, 4, small_out);
    fx_view(&s->td, s->dx, 4, small_in);
}

static void drop_small(small *s)
{
    nncf_model_destroy(s->model);
    fx_release(&s->k);
}

START_TEST(forward_rejects_null)
{
    small s;
    make_small(&s);
    ck_assert_int_eq(nncf_layer_forward(NULL, &s.tx.t, 1, &s.ty.t, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_layer_forward(s.k.layer, NULL, 1, &s.ty.t, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_layer_forward(s.k.layer, &s.tx.t, 1, NULL, NULL), NNCF_E_ARG);
    drop_small(&s);
}
END_TEST

START_TEST(forward_takes_strides_of_c_order_only)
{
    small s;
    int64_t strides[4] = {48, 16, 4, 1};
    make_small(&s);
    s.tx.t.strides = strides;
    ck_assert_int_eq(nncf_layer_forward(s.k.layer, &s.tx.t, 1, &s.ty.t, NULL), NNCF_OK);
    strides[0] = 7; /* of a dimension of one: any will do */
    ck_assert_int_eq(nncf_layer_forward(s.k.layer, &s.tx.t, 1, &s.ty.t, NULL), NNCF_OK);
    strides[1] = 17;
    ck_assert_int_eq(nncf_layer_forward(s.k.layer, &s.tx.t, 1, &s.ty.t, NULL), NNCF_E_ARG);
    drop_small(&s);
}
END_TEST

START_TEST(forward_rejects_wrong_dtype_shape_and_data)
{
    small s;
    make_small(&s);
    struct {
        nncf_status want;
        nncf_tensor t;
    } bad[] = {{NNCF_E_ARG, {.data = s.x, .ndim = 4, .shape = small_in, .device = 1}},
        {NNCF_E_ARG, {.data = s.x, .ndim = 4, .shape = small_in, .reserved = {0, 1}}},
        {NNCF_E_ARG, {.data = NULL, .dtype = NNCF_F32, .ndim = 4, .shape = small_in}},
        {NNCF_E_ARG, {.data = (char *)s.x + 1, .ndim = 4, .shape = small_in}},
        {NNCF_E_ARG, {.data = s.x, .dtype = NNCF_F32, .ndim = 4, .shape = NULL}},
        {NNCF_E_DTYPE, {.data = s.x, .dtype = NNCF_F64, .ndim = 4, .shape = small_in}},
        {NNCF_E_DTYPE, {.data = s.x, .dtype = 99, .ndim = 4, .shape = small_in}},
        {NNCF_E_SHAPE, {.data = s.x, .dtype = NNCF_F32, .ndim = 3, .shape = small_in}},
        {NNCF_E_SHAPE, {.data = s.x, .dtype = NNCF_F32, .ndim = -1, .shape = small_in}},
        {NNCF_E_SHAPE, {.data = s.x, .dtype = NNCF_F32, .ndim = 9, .shape = small_in}},
        {NNCF_E_SHAPE, {.data = s.x, .ndim = 4, .shape = (const int64_t[]){1, 4, 4, 4}}},
        {NNCF_E_SHAPE, {.data = s.x, .ndim = 4, .shape = (const int64_t[]){1, 3, 2, 4}}},
        {NNCF_E_SHAPE, {.data = s.x, .ndim = 4, .shape = (const int64_t[]){0, 3, 4, 4}}},
        {NNCF_E_SHAPE, {.data = s.x, .ndim = 4, .shape = (const int64_t[]){-1, 3, 4, 4}}},
        {NNCF_E_SHAPE, {.data = s.x, .ndim = 4, .shape = (const int64_t[]){INT64_MAX, 3, 4, 4}}},
        {NNCF_E_SHAPE,
            {.data = s.x,
                .ndim = 4,
                .shape = (const int64_t[]){1, 3, INT64_MAX / 2, INT64_MAX / 2}}}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        s.y[0] = 42;
        ck_assert_msg(nncf_layer_forward(s.k.layer, &bad[i].t, 1, &s.ty.t, NULL) == bad[i].want,
            "bad tensor %zu", i);
        ck_assert(s.y[0] == 42);
    }
    drop_small(&s);
}
END_TEST

START_TEST(forward_rejects_an_output_of_another_shape_or_over_its_input)
{
    small s;
    fx_tensor other;
    make_small(&s);
    fx_view(&other, s.y, 4, (const int64_t[4]){1, 2, 2, 1});
    ck_assert_int_eq(nncf_layer_forward(s.k.layer, &s.tx.t, 1, &other.t, NULL), NNCF_E_SHAPE);
    fx_view(&other, s.x + 40, 4, small_out);
    ck_assert_int_eq(nncf_layer_forward(s.k.layer, &s.tx.t, 1, &other.t, NULL), NNCF_E_ARG);
    drop_small(&s);
}
END_TEST

START_TEST(backward_rejects_gradients_that_overlap_or_of_another_batch)
{
    small s;
    fx_tensor other;
    make_small(&s);
    ck_assert_int_eq(nncf_layer_forward(s.k.layer, &s.tx.t, 1, &s.ty.t, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_backward(s.k.layer, &s.tx.t, 1, &s.ty.t, &s.td.t, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_layer_backward(s.k.layer, &s.tx.t, 1, &s.ty.t, &s.tx.t, NULL), NNCF_E_ARG);
    fx_view(&other, s.x, 4, (const int64_t[4]){1, 3, 3, 4});
    fx_view(&s.td, s.y, 4, (const int64_t[4]){1, 2, 1, 2});
    ck_assert_int_eq(
        nncf_layer_backward(s.k.layer, &other.t, 1, &s.td.t, NULL, NULL), NNCF_E_SHAPE);
    drop_small(&s);
}
END_TEST

START_TEST(backward_needs_a_forward_in_train_mode)
{
    small s;
    make_small(&s);
    ck_assert_int_eq(nncf_layer_backward(s.k.layer, &s.tx.t, 1, &s.ty.t, &s.td.t, NULL),
        NNCF_E_STATE); /* none yet */
    ck_assert_int_eq(nncf_model_set_mode(s.model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_forward(s.k.layer, &s.tx.t, 1, &s.ty.t, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_backward(s.k.layer, &s.tx.t, 1, &s.ty.t, NULL, NULL), NNCF_E_STATE);
    drop_small(&s);
}
END_TEST

START_TEST(images_smaller_than_the_kernel_have_no_output_shape)
{
    small s;
    fx_tensor other;
    int64_t shape[8];
    int32_t ndim;
    make_small(&s);
    fx_view(&other, s.x, 2, (const int64_t[4]){1, 3, 1, 1});
    ck_assert_int_eq(
        nncf_layer_get_output_shape(s.k.layer, &other.t, 1, shape, NNCF_MAX_NDIM, &ndim, NULL),
        NNCF_E_SHAPE);
    drop_small(&s);
}
END_TEST

/* Also after a backward of the same shapes, which prepares the layer for them. */
START_TEST(forward_refuses_batch_norm_over_one_value_each_time)
{
    uint64_t state = 4;
    nncf_model *model;
    fx_block k = {.scope = "k", .in_channels = 3, .out_channels = 2, .batch_norm = true};
    const int64_t in[4] = {1, 3, 1, 1}, out[4] = {1, 2, 1, 1};
    float x[3] = {1, 2, 3}, y[2] = {42, 42}, dy[2] = {1, 1};
    fx_tensor tx, ty, tdy;
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    fx_register(model, &k, NULL, &state);
    fx_view(&tx, x, 4, in);
    fx_view(&ty, y, 4, out);
    fx_view(&tdy, dy, 4, out);
    ck_assert_int_eq(nncf_layer_forward(k.layer, &tx.t, 1, &ty.t, NULL), NNCF_E_SHAPE);
    ck_assert_int_eq(nncf_layer_backward(k.layer, &tx.t, 1, &tdy.t, NULL, NULL), NNCF_E_STATE);
    ck_assert_int_eq(nncf_layer_forward(k.layer, &tx.t, 1, &ty.t, NULL), NNCF_E_SHAPE);
    ck_assert(y[0] == 42 && y[1] == 42);
    nncf_model_destroy(model);
    fx_release(&k);
}
END_TEST

/* Only a capacity that is too small has ndim set. */
START_TEST(output_shape_without_an_array_leaves_ndim)
{
    small s;
    int32_t ndim = -7;
    nncf_error err = NNCF_ERROR_INIT;
    make_small(&s);
    ck_assert_int_eq(
        nncf_layer_get_output_shape(s.k.layer, &s.tx.t, 1, NULL, 4, &ndim, &err), NNCF_E_ARG);
    ck_assert_str_eq(err.message, "k: shape is NULL");
    ck_assert_int_eq(
        nncf_layer_get_output_shape(s.k.layer, &s.tx.t, 1, NULL, 3, &ndim, NULL), NNCF_E_ARG);
    ck_assert_int_eq(ndim, -7);
    ck_assert_int_eq(
        nncf_layer_get_output_shape(s.k.layer, &s.tx.t, 1, NULL, 0, &ndim, NULL), NNCF_E_BUFFER);
    ck_assert_int_eq(ndim, 4);
    drop_small(&s);
}
END_TEST

static nncf_layer *add_sum(nncf_model *model, nncf_layer *const *inputs, size_t n_inputs)
{
    nncf_layer *layer = NULL;
    const nncf_sum_params p = {
        NNCF_PARAMS(nncf_sum_params), .scope = "sum", .inputs = inputs, .n_inputs = n_inputs};
    ck_assert_int_eq(nncf_model_add_sum(model, &p, &layer, NULL), NNCF_OK);
    return layer;
}

/* forward takes (N,C) where (N,C,1,1) is meant. */
START_TEST(output_shape_of_a_sum_takes_what_forward_takes)
{
    nncf_model *model;
    const int64_t pixel[4] = {1, 3, 1, 1}, other[4] = {1, 2, 1, 1};
    float x[2][3] = {{1, 2, 3}, {4, 5, 6}}, y[3] = {0};
    fx_tensor a, b, to;
    int64_t shape[NNCF_MAX_NDIM];
    int32_t ndim = 0;
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    nncf_layer *sum = add_sum(model, NULL, 0);
    fx_view(&a, x[0], 2, pixel);
    fx_view(&b, x[1], 4, pixel);
    fx_view(&to, y, 2, pixel);
    nncf_tensor both[2] = {a.t, b.t};
    ck_assert_int_eq(nncf_layer_forward(sum, both, 2, &to.t, NULL), NNCF_OK);
    ck_assert(y[0] == 5 && y[1] == 7 && y[2] == 9);
    ck_assert_int_eq(
        nncf_layer_get_output_shape(sum, both, 2, shape, NNCF_MAX_NDIM, &ndim, NULL), NNCF_OK);
    ck_assert_int_eq(ndim, 2);
    both[1].shape = other;
    ck_assert_int_eq(nncf_layer_forward(sum, both, 2, &to.t, NULL), NNCF_E_SHAPE);
    ck_assert_int_eq(
        nncf_layer_get_output_shape(sum, both, 2, shape, NNCF_MAX_NDIM, &ndim, NULL), NNCF_E_SHAPE);
    nncf_model_destroy(model);
}
END_TEST

START_TEST(memory_query_names_the_sum_whose_inputs_differ)
{
    uint64_t state = 3;
    nncf_model *model;
    fx_block k[2] = {{.scope = "a", .in_channels = 3, .out_channels = 2, .kernel = {3, 3}},
        {.scope = "b", .in_channels = 3, .out_channels = 2}};
    nncf_memory memory = {NNCF_PARAMS(nncf_memory)};
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_tensor x = {.ndim = 4, .shape = small_in};
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    for (int i = 0; i < 2; i++)
        fx_register(model, &k[i], NULL, &state);
    add_sum(model, (nncf_layer *[]){k[0].layer, k[1].layer}, 2);
    ck_assert_int_eq(
        nncf_model_get_memory(model, &x, 1, NNCF_MODE_TRAIN, &memory, &err), NNCF_E_SHAPE);
    ck_assert_str_eq(err.where, "sum");
    ck_assert_str_eq(
        err.message, "sum: x[1] is (1,2,4,4), but x[0] is (1,2,2,2): they must be of one shape");
    ck_assert_uint_eq(memory.library, 0);
    nncf_model_destroy(model);
    for (int i = 0; i < 2; i++)
        fx_release(&k[i]);
}
END_TEST

FX_MAIN("layer_rejects", forward_rejects_null, forward_takes_strides_of_c_order_only,
    forward_rejects_wrong_dtype_shape_and_data,
    forward_rejects_an_output_of_another_shape_or_over_its_input,
    backward_rejects_gradients_that_overlap_or_of_another_batch,
    backward_needs_a_forward_in_train_mode, images_smaller_than_the_kernel_have_no_output_shape,
    forward_refuses_batch_norm_over_one_value_each_time, output_shape_without_an_array_leaves_ndim,
    output_shape_of_a_sum_takes_what_forward_takes, memory_query_names_the_sum_whose_inputs_differ)
