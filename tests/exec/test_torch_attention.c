/* SPDX-License-Identifier: Apache-2.0 */
/* Forward and backward of whole attentions in train mode against nn.MultiheadAttention and
 * scaled_dot_product_attention in float64 (golden/torch_attention.json, made by
 * golden/gen/torch_attention.py). */
#include "support/fixture.h"
#include "support/golden.h"
#include "support/golden_formula.h"

#include <json-c/json.h>

/* Largest difference allowed, relative to the largest magnitude of the array. */
#define TOLERANCE 1e-5

enum { CASES = 9, INPUTS = 3, LINEAR = 4 };

typedef struct array {
    int64_t shape[NNCF_MAX_NDIM];
    int32_t ndim;
    size_t count;
    float *data, *grad;
} array;

typedef struct attention_case {
    json_object *json;
    const char *name;
    array x[INPUTS], y, weight[LINEAR], bias[LINEAR];
    size_t n_x;
} attention_case;

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

static int32_t number(const attention_case *c, const char *key)
{
    return (int32_t)fx_number(c->json, key);
}

/* Of q, k, v and the last layer; packed ones are in the first. */
static const char *parameter_name(
    const attention_case *c, int i, const char *kind, char text[static 32])
{
    static const char *const names[LINEAR] = {"q", "k", "v", "out"};
    snprintf(text, 32, "%s_proj_%s", i == 0 && fx_number(c->json, "packed") != 0 ? "in" : names[i],
        kind);
    return text;
}

static void load_parameter(attention_case *c, int i, const char *kind, array *a)
{
    char name[32], full[128];
    json_object *shape = fx_get(fx_member(c->json, "parameters"), parameter_name(c, i, kind, name));
    if (!shape)
        return;
    set_shape(a, shape);
    snprintf(full, sizeof full, "%s/%s", c->name, name);
    golden_parameter(full, a->shape, a->ndim, a->data);
}

static void load(attention_case *c, json_object *json)
{
    char text[128];
    *c = (attention_case){.json = json, .name = fx_string(json, "name")};
    json_object *inputs = fx_member(json, "inputs");
    c->n_x = json_object_array_length(inputs);
    for (size_t i = 0; i < c->n_x; i++) {
        set_shape(&c->x[i], json_object_array_get_idx(inputs, i));
        snprintf(text, sizeof text, "%s/input%zu", c->name, i);
        golden_uniform(text, -3, 3, c->x[i].count, c->x[i].data);
    }
    for (int i = 0; i < LINEAR; i++) {
        load_parameter(c, i, "weight", &c->weight[i]);
        load_parameter(c, i, "bias", &c->bias[i]);
    }
    set_shape(&c->y, fx_member(json, "output_shape"));
    snprintf(text, sizeof text, "%s/output_grad", c->name);
    golden_uniform(text, -1, 1, c->y.count, c->y.grad);
}

static void release(array *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(a[i].data), free(a[i].grad);
}

static nncf_tensor view(array *a, float *data)
{
    return (nncf_tensor){.data = data, .ndim = a->ndim, .shape = a->shape};
}

static void compare(const attention_case *c, const char *name, const float *got, size_t count)
{
    size_t n;
    float *want = fx_floats(fx_member(fx_member(c->json, "results"), name), &n);
    double largest = 0;
    ck_assert_uint_eq(n, count);
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)want[i]));
    /* this one is 0, since a softmax does not see what all scores have in common: rounding of sums
     * of terms about 1 is left */
    if (strcmp(name, "grad.k_proj_bias") == 0)
        largest = 1;
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - (double)want[i]) <= TOLERANCE * largest,
            "%s: %s[%zu] is %.9g, PyTorch has %.9g", c->name, name, i, (double)got[i],
            (double)want[i]);
    free(want);
}

static void compare_all(attention_case *c)
{
    char name[32], full[48];
    for (size_t i = 0; i < c->n_x; i++) {
        snprintf(full, sizeof full, "grad.input%zu", i);
        compare(c, full, c->x[i].grad, c->x[i].count);
    }
    for (int i = 0; i < LINEAR; i++)
        for (int bias = 0; bias < 2; bias++) {
            const array *a = bias ? &c->bias[i] : &c->weight[i];
            if (!a->data)
                continue;
            snprintf(
                full, sizeof full, "grad.%s", parameter_name(c, i, bias ? "bias" : "weight", name));
            compare(c, full, a->grad, a->count);
        }
}

static void add(attention_case *c, nncf_model *model, nncf_attention *a)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_attention_params p = {NNCF_PARAMS(nncf_attention_params),
        .scope = "Net/MultiheadAttention[a]", .features = number(c, "features"),
        .heads = number(c, "heads"), .packed = number(c, "packed"), .causal = number(c, "causal"),
        .factor = (float)fx_number(c->json, "factor"), .n_x = (int32_t)c->n_x};
    if (c->n_x > 1) {
        p.key_features = c->x[1].shape[2];
        p.value_features = c->x[c->n_x - 1].shape[2];
    }
    for (int i = 0; i < LINEAR; i++) {
        p.weight[i] = c->weight[i].data;
        p.weight_grad[i] = c->weight[i].grad;
        p.bias[i] = c->bias[i].data;
        p.bias_grad[i] = c->bias[i].grad;
    }
    ck_assert_msg(
        nncf_model_add_attention(model, &p, a, &err) == NNCF_OK, "%s: %s", c->name, err.message);
}

START_TEST(attention_equals_pytorch)
{
    attention_case c;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_attention a = {NNCF_PARAMS(nncf_attention)};
    nncf_model *model;
    nncf_tensor x[INPUTS], dx[INPUTS];
    int64_t shape[NNCF_MAX_NDIM];
    int32_t ndim;
    load(&c, json_object_array_get_idx(fx_member(golden, "cases"), (size_t)_i));
    nncf_context *context = fx_new_context(NULL, 2, 0, 1);
    ck_assert_int_eq(nncf_model_create(context, &model, &err), NNCF_OK);
    add(&c, model, &a);
    for (size_t i = 0; i < c.n_x; i++) {
        x[i] = view(&c.x[i], c.x[i].data);
        dx[i] = view(&c.x[i], c.x[i].grad);
    }
    nncf_tensor y = view(&c.y, c.y.data), dy = view(&c.y, c.y.grad);
    ck_assert_msg(nncf_attention_get_sizes(
                      &a, x, c.n_x, shape, &ndim, &a.kept_size, &a.work_size, &err) == NNCF_OK,
        "%s: %s", c.name, err.message);
    ck_assert_int_eq(ndim, c.y.ndim);
    ck_assert_mem_eq(shape, c.y.shape, (size_t)ndim * sizeof *shape);
    a.kept = fx_alloc(a.kept_size, 1);
    a.work = fx_alloc(a.work_size, 1);
    ck_assert_msg(
        nncf_attention_forward(&a, x, c.n_x, &y, &err) == NNCF_OK, "%s: %s", c.name, err.message);
    compare(&c, "output", c.y.data, c.y.count);
    ck_assert_msg(nncf_attention_backward(&a, x, c.n_x, &dy, dx, &err) == NNCF_OK, "%s: %s", c.name,
        err.message);
    compare_all(&c);
    nncf_model_destroy(model);
    nncf_context_destroy(context);
    free(a.kept), free(a.work);
    release(c.x, INPUTS), release(c.weight, LINEAR), release(c.bias, LINEAR), release(&c.y, 1);
}
END_TEST

START_TEST(all_cases_are_run)
{
    ck_assert_uint_eq(json_object_array_length(fx_member(golden, "cases")), CASES);
}
END_TEST

static void setup(void)
{
    golden = fx_golden("torch_attention.json");
}

static void teardown(void)
{
    json_object_put(golden);
}

int main(void)
{
    Suite *suite = suite_create("torch_attention");
    TCase *t = fx_case(suite, "attention", 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, attention_equals_pytorch, 0, CASES);
    tcase_add_test(t, all_cases_are_run);
    return fx_main(suite);
}
