/* SPDX-License-Identifier: Apache-2.0 */
/* Forward and backward of single layers in train mode against PyTorch's autograd in float64
 * (golden/torch_layers.json, made by golden/gen/torch_layers.py). */
#include "support/fixture.h"
#include "support/golden.h"
#include "support/golden_formula.h"

#include <json-c/json.h>

/* Largest difference allowed, relative to the largest magnitude of the array. */
#define TOLERANCE 1e-5

enum { CASES = 128, MOST_INPUTS = 4, MOST_PARAMETERS = 4 };

typedef struct array {
    const char *name;
    int64_t shape[NNCF_MAX_NDIM];
    int32_t ndim;
    size_t count;
    float *data, *grad;
} array;

typedef struct layer_case {
    json_object *json;
    const char *name;
    array x[MOST_INPUTS], p[MOST_PARAMETERS], y;
    size_t n_x, n_p;
    /* running statistics */
    float *mean, *var;
} layer_case;

static json_object *golden;

static void set_shape(array *a, json_object *shape)
{
    a->ndim = (int32_t)json_object_array_length(shape);
    a->count = 1;
    for (int32_t i = 0; i < a->ndim; i++) {
        a->shape[i] = json_object_get_int64(json_object_array_get_idx(shape, (size_t)i));
        a->count *= (size_t)a->shape[i];
    }
    a->data = fx_alloc(a->count, sizeof(float));
    a->grad = fx_alloc(a->count, sizeof(float));
}

/* An array without a name is not there: all zero. */
static const array *parameter(const layer_case *c, const char *name)
{
    static const array none;
    for (size_t i = 0; i < c->n_p; i++)
        if (strcmp(c->p[i].name, name) == 0)
            return &c->p[i];
    return &none;
}

static const char *full_name(const layer_case *c, const char *name, char text[128])
{
    snprintf(text, 128, "%s/%s", c->name, name);
    return text;
}

static void load(layer_case *c, json_object *json)
{
    char text[128], input[16];
    double range[2] = {-3, 3};
    *c = (layer_case){.json = json, .name = fx_string(json, "name")};
    if (fx_get(json, "range"))
        fx_doubles_into(fx_get(json, "range"), range, 2);
    json_object *inputs = fx_member(json, "inputs");
    c->n_x = json_object_array_length(inputs);
    ck_assert_uint_le(c->n_x, MOST_INPUTS);
    for (size_t i = 0; i < c->n_x; i++) {
        set_shape(&c->x[i], json_object_array_get_idx(inputs, i));
        snprintf(input, sizeof input, "input%zu", i);
        golden_uniform(full_name(c, input, text), range[0], range[1], c->x[i].count, c->x[i].data);
    }
    json_object_object_foreach(fx_member(json, "parameters"), name, shape)
    {
        array *p = &c->p[c->n_p++];
        ck_assert_uint_le(c->n_p, MOST_PARAMETERS);
        p->name = name;
        set_shape(p, shape);
        golden_parameter(full_name(c, name, text), p->shape, p->ndim, p->data);
    }
    set_shape(&c->y, fx_member(json, "output_shape"));
    golden_uniform(full_name(c, "output_grad", text), -1, 1, c->y.count, c->y.grad);
}

static void release(layer_case *c)
{
    for (size_t i = 0; i < MOST_INPUTS; i++)
        free(c->x[i].data), free(c->x[i].grad);
    for (size_t i = 0; i < MOST_PARAMETERS; i++)
        free(c->p[i].data), free(c->p[i].grad);
    free(c->y.data), free(c->y.grad);
    free(c->mean), free(c->var);
}

/* A pair, or what it is where the case has none. */
static void pair(const layer_case *c, const char *key, int32_t otherwise, int32_t to[2])
{
    double values[2] = {(double)otherwise, (double)otherwise};
    if (fx_get(c->json, key))
        fx_doubles_into(fx_get(c->json, key), values, 2);
    for (int i = 0; i < 2; i++)
        to[i] = (int32_t)values[i];
}

static int32_t number(const layer_case *c, const char *key)
{
    return (int32_t)fx_number(c->json, key);
}

/* ---- kinds ---- */

static nncf_status add_activation(
    layer_case *c, nncf_model *model, nncf_layer **layer, nncf_error *err)
{
    const nncf_activation_params p = {NNCF_PARAMS(nncf_activation_params), .scope = "Net/layer",
        .activation = number(c, "activation"),
        .activation_alpha = (float)fx_number(c->json, "alpha")};
    return nncf_model_add_activation(model, &p, layer, err);
}

static nncf_status add_sum(layer_case *c, nncf_model *model, nncf_layer **layer, nncf_error *err)
{
    const nncf_sum_params p = {NNCF_PARAMS(nncf_sum_params), .scope = "Net/layer",
        .activation = number(c, "activation"),
        .activation_alpha = (float)fx_number(c->json, "alpha")};
    return nncf_model_add_sum(model, &p, layer, err);
}

static nncf_status add_conv2d(layer_case *c, nncf_model *model, nncf_layer **layer, nncf_error *err)
{
    const array *w = parameter(c, "weight"), *b = parameter(c, "bias"),
                *gamma = parameter(c, "bn_weight"), *beta = parameter(c, "bn_bias");
    c->mean = fx_alloc((size_t)w->shape[0], sizeof(float));
    c->var = fx_alloc((size_t)w->shape[0], sizeof(float));
    const nncf_batch_norm_params norm = {NNCF_PARAMS(nncf_batch_norm_params), .weight = gamma->data,
        .weight_grad = gamma->grad, .bias = beta->data, .bias_grad = beta->grad,
        .running_mean = c->mean, .running_var = c->var};
    nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/layer",
        .weight = w->data, .weight_grad = w->grad, .bias = b->data, .bias_grad = b->grad,
        .in_channels = c->x[0].shape[1], .out_channels = w->shape[0],
        .kernel = {(int32_t)w->shape[2], (int32_t)w->shape[3]},
        .groups = (int32_t)(c->x[0].shape[1] / w->shape[1]), .activation = number(c, "activation"),
        .activation_alpha = (float)fx_number(c->json, "alpha"),
        .batch_norm = gamma->data ? &norm : NULL};
    pair(c, "padding", 1, p.padding);
    pair(c, "padding_end", 0, p.padding_end);
    pair(c, "stride", 1, p.stride);
    return nncf_model_add_conv2d(model, &p, layer, err);
}

static nncf_status add_conv_transpose2d(
    layer_case *c, nncf_model *model, nncf_layer **layer, nncf_error *err)
{
    const array *w = parameter(c, "weight"), *b = parameter(c, "bias"),
                *gamma = parameter(c, "bn_weight"), *beta = parameter(c, "bn_bias");
    const int32_t groups = fx_get(c->json, "groups") ? number(c, "groups") : 1;
    const int64_t out = w->shape[1] * groups;
    c->mean = fx_alloc((size_t)out, sizeof(float));
    c->var = fx_alloc((size_t)out, sizeof(float));
    const nncf_batch_norm_params norm = {NNCF_PARAMS(nncf_batch_norm_params), .weight = gamma->data,
        .weight_grad = gamma->grad, .bias = beta->data, .bias_grad = beta->grad,
        .running_mean = c->mean, .running_var = c->var};
    nncf_conv_transpose2d_params p = {NNCF_PARAMS(nncf_conv_transpose2d_params),
        .scope = "Net/layer", .weight = w->data, .weight_grad = w->grad, .bias = b->data,
        .bias_grad = b->grad, .in_channels = w->shape[0], .out_channels = out,
        .kernel = {(int32_t)w->shape[2], (int32_t)w->shape[3]}, .groups = groups,
        .batch_norm = gamma->data ? &norm : NULL};
    if (fx_get(c->json, "activation")) {
        p.activation = number(c, "activation");
        p.activation_alpha = (float)fx_number(c->json, "alpha");
    }
    pair(c, "padding", 0, p.padding);
    pair(c, "output_padding", 0, p.output_padding);
    pair(c, "stride", 1, p.stride);
    pair(c, "dilation", 1, p.dilation);
    return nncf_model_add_conv_transpose2d(model, &p, layer, err);
}

static nncf_status add_prelu(layer_case *c, nncf_model *model, nncf_layer **layer, nncf_error *err)
{
    const array *w = parameter(c, "weight");
    const nncf_prelu_params p = {NNCF_PARAMS(nncf_prelu_params), .scope = "Net/layer",
        .weight = w->data, .weight_grad = w->grad, .count = (int64_t)w->count};
    return nncf_model_add_prelu(model, &p, layer, err);
}

static nncf_status add_group_norm(
    layer_case *c, nncf_model *model, nncf_layer **layer, nncf_error *err)
{
    const array *w = parameter(c, "weight"), *b = parameter(c, "bias");
    const nncf_group_norm_params p = {NNCF_PARAMS(nncf_group_norm_params), .scope = "Net/layer",
        .channels = c->x[0].shape[1], .weight = w->data, .weight_grad = w->grad, .bias = b->data,
        .bias_grad = b->grad, .groups = number(c, "groups"),
        .eps = (float)fx_number(c->json, "eps")};
    return nncf_model_add_group_norm(model, &p, layer, err);
}

static nncf_status add_heads(layer_case *c, nncf_model *model, nncf_layer **layer, nncf_error *err)
{
    const nncf_heads_params p = {NNCF_PARAMS(nncf_heads_params), .scope = "Net/layer",
        .heads = number(c, "heads"), .merge = number(c, "merge")};
    return nncf_model_add_heads(model, &p, layer, err);
}

static nncf_status add_pool2d(layer_case *c, nncf_model *model, nncf_layer **layer, nncf_error *err)
{
    nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = "Net/layer",
        .kind = number(c, "mode"), .flags = number(c, "flags")};
    pair(c, "kernel", 0, p.kernel);
    pair(c, "stride", 0, p.stride);
    pair(c, "padding", 0, p.padding);
    pair(c, "padding_end", 0, p.padding_end);
    return nncf_model_add_pool2d(model, &p, layer, err);
}

#define PLAIN(kind)                                                                                \
    static nncf_status add_##kind(                                                                 \
        layer_case *c, nncf_model *model, nncf_layer **layer, nncf_error *err)                     \
    {                                                                                              \
        const nncf_##kind##_params p = {NNCF_PARAMS(nncf_##kind##_params), .scope = "Net/layer"};  \
        (void)c;                                                                                   \
        return nncf_model_add_##kind(model, &p, layer, err);                                       \
    }
PLAIN(multiply)

static nncf_status add_softmax(
    layer_case *c, nncf_model *model, nncf_layer **layer, nncf_error *err)
{
    const nncf_softmax_params p = {
        NNCF_PARAMS(nncf_softmax_params), .scope = "Net/layer", .causal = number(c, "causal")};
    return nncf_model_add_softmax(model, &p, layer, err);
}

/* It knows how many it reads by its edges: relus feed it. */
static nncf_status add_concat(layer_case *c, nncf_model *model, nncf_layer **layer, nncf_error *err)
{
    nncf_layer *feeding[MOST_INPUTS];
    char scope[32];
    for (size_t i = 0; i < c->n_x; i++) {
        snprintf(scope, sizeof scope, "Net/ReLU[%zu]", i);
        const nncf_activation_params p = {NNCF_PARAMS(nncf_activation_params), .scope = scope,
            .activation = NNCF_ACTIVATION_RELU};
        ck_assert_int_eq(nncf_model_add_activation(model, &p, &feeding[i], err), NNCF_OK);
    }
    const nncf_concat_params p = {NNCF_PARAMS(nncf_concat_params), .scope = "Net/layer",
        .inputs = feeding, .n_inputs = c->n_x};
    return nncf_model_add_concat(model, &p, layer, err);
}

static nncf_status add_linear(layer_case *c, nncf_model *model, nncf_layer **layer, nncf_error *err)
{
    const array *w = parameter(c, "weight"), *b = parameter(c, "bias");
    const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "Net/layer",
        .weight = w->data, .weight_grad = w->grad, .bias = b->data, .bias_grad = b->grad,
        .in_features = w->shape[1], .out_features = w->shape[0],
        .activation = number(c, "activation")};
    return nncf_model_add_linear(model, &p, layer, err);
}

static nncf_status add_upsample(
    layer_case *c, nncf_model *model, nncf_layer **layer, nncf_error *err)
{
    double factor[2];
    fx_doubles_into(fx_get(c->json, "factor"), factor, 2);
    const nncf_upsample_params p = {NNCF_PARAMS(nncf_upsample_params), .scope = "Net/layer",
        .kind = number(c, "mode"), .factor = {(int32_t)factor[0], (int32_t)factor[1]}};
    return nncf_model_add_upsample(model, &p, layer, err);
}

static nncf_status add_layer_norm(
    layer_case *c, nncf_model *model, nncf_layer **layer, nncf_error *err)
{
    const array *w = parameter(c, "weight"), *b = parameter(c, "bias");
    const nncf_layer_norm_params p = {NNCF_PARAMS(nncf_layer_norm_params), .scope = "Net/layer",
        .size = c->x[0].shape[c->x[0].ndim - 1], .weight = w->data, .weight_grad = w->grad,
        .bias = b->data, .bias_grad = b->grad, .eps = (float)fx_number(c->json, "eps")};
    return nncf_model_add_layer_norm(model, &p, layer, err);
}

static nncf_status add_embedding(
    layer_case *c, nncf_model *model, nncf_layer **layer, nncf_error *err)
{
    const array *w = parameter(c, "weight");
    const nncf_embedding_params p = {NNCF_PARAMS(nncf_embedding_params), .scope = "Net/layer",
        .weight = w->data, .weight_grad = w->grad, .words = w->shape[0], .size = w->shape[1]};
    int32_t *ids = (int32_t *)(void *)c->x[0].data;
    for (size_t i = 0; i < c->x[0].count; i++)
        ids[i] = (int32_t)c->x[0].data[i]; /* in place */
    return nncf_model_add_embedding(model, &p, layer, err);
}

static nncf_status add_matmul(layer_case *c, nncf_model *model, nncf_layer **layer, nncf_error *err)
{
    double transpose[2];
    fx_doubles_into(fx_get(c->json, "transpose"), transpose, 2);
    const nncf_matmul_params p = {NNCF_PARAMS(nncf_matmul_params), .scope = "Net/layer",
        .transpose_a = (int32_t)transpose[0], .transpose_b = (int32_t)transpose[1],
        .factor = (float)fx_number(c->json, "factor")};
    return nncf_model_add_matmul(model, &p, layer, err);
}

static const struct {
    const char *name;
    nncf_status (*add)(layer_case *c, nncf_model *model, nncf_layer **layer, nncf_error *err);
} kinds[] = {
    {"activation", add_activation},
    {"conv2d", add_conv2d},
    {"conv_transpose2d", add_conv_transpose2d},
    {"prelu", add_prelu},
    {"group_norm", add_group_norm},
    {"heads", add_heads},
    {"pool2d", add_pool2d},
    {"sum", add_sum},
    {"linear", add_linear},
    {"concat", add_concat},
    {"multiply", add_multiply},
    {"softmax", add_softmax},
    {"upsample", add_upsample},
    {"layer_norm", add_layer_norm},
    {"embedding", add_embedding},
    {"matmul", add_matmul},
};

static nncf_status add(layer_case *c, nncf_model *model, nncf_layer **layer, nncf_error *err)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, fx_string(c->json, "kind")) == 0)
            return kinds[i].add(c, model, layer, err);
    ck_abort_msg("no kind %s", fx_string(c->json, "kind"));
}

/* ---- comparison ---- */

static nncf_tensor view(array *a, float *data)
{
    return (nncf_tensor){.data = data, .dtype = NNCF_F32, .ndim = a->ndim, .shape = a->shape};
}

static void compare(const layer_case *c, const char *name, const float *got, size_t count)
{
    size_t n;
    float *want = fx_floats(fx_member(fx_member(c->json, "results"), name), &n);
    double largest = 0;
    ck_assert_uint_eq(n, count);
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)want[i]));
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - (double)want[i]) <= TOLERANCE * largest,
            "%s: %s[%zu] is %.9g, PyTorch has %.9g", c->name, name, i, (double)got[i],
            (double)want[i]);
    free(want);
}

START_TEST(layer_equals_pytorch)
{
    layer_case c;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *layer;
    nncf_model *model;
    nncf_tensor x[MOST_INPUTS], dx[MOST_INPUTS];
    int64_t shape[NNCF_MAX_NDIM];
    int32_t ndim;
    char name[80];
    load(&c, json_object_array_get_idx(fx_member(golden, "cases"), (size_t)_i));
    nncf_context *context = fx_new_context(NULL, 2, 0, 1);
    ck_assert_int_eq(nncf_model_create(context, &model, &err), NNCF_OK);
    ck_assert_msg(add(&c, model, &layer, &err) == NNCF_OK, "%s: %s", c.name, err.message);
    for (size_t i = 0; i < c.n_x; i++) {
        x[i] = view(&c.x[i], c.x[i].data);
        dx[i] = view(&c.x[i], c.x[i].grad);
    }
    const bool ids = strcmp(fx_string(c.json, "kind"), "embedding") == 0;
    if (ids)
        x[0].dtype = NNCF_I32;
    nncf_tensor y = view(&c.y, c.y.data), dy = view(&c.y, c.y.grad);
    ck_assert_msg(
        nncf_layer_get_output_shape(layer, x, c.n_x, shape, NNCF_MAX_NDIM, &ndim, &err) == NNCF_OK,
        "%s: %s", c.name, err.message);
    ck_assert_int_eq(ndim, c.y.ndim);
    ck_assert_mem_eq(shape, c.y.shape, (size_t)ndim * sizeof *shape);
    ck_assert_msg(
        nncf_layer_forward(layer, x, c.n_x, &y, &err) == NNCF_OK, "%s: %s", c.name, err.message);
    compare(&c, "output", c.y.data, c.y.count);
    ck_assert_msg(nncf_layer_backward(layer, x, c.n_x, &dy, ids ? NULL : dx, &err) == NNCF_OK,
        "%s: %s", c.name, err.message);
    for (size_t i = 0; i < c.n_x; i++) {
        snprintf(name, sizeof name, "grad.input%zu", i);
        if (fx_get(fx_member(c.json, "results"), name))
            compare(&c, name, c.x[i].grad, c.x[i].count);
    }
    for (size_t i = 0; i < c.n_p; i++) {
        snprintf(name, sizeof name, "grad.%s", c.p[i].name);
        compare(&c, name, c.p[i].grad, c.p[i].count);
    }
    nncf_model_destroy(model);
    nncf_context_destroy(context);
    release(&c);
}
END_TEST

START_TEST(all_cases_are_run)
{
    ck_assert_uint_eq(json_object_array_length(fx_member(golden, "cases")), CASES);
}
END_TEST

static void setup(void)
{
    golden = fx_golden("torch_layers.json");
}

static void teardown(void)
{
    json_object_put(golden);
}

int main(void)
{
    Suite *suite = suite_create("torch_layers");
    TCase *tests = fx_case(suite, "torch_layers", 60);
    tcase_add_unchecked_fixture(tests, setup, teardown);
    tcase_add_test(tests, all_cases_are_run);
    tcase_add_loop_test(tests, layer_equals_pytorch, 0, CASES);
    return fx_main(suite);
}
