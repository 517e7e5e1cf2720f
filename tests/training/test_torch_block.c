/* SPDX-License-Identifier: Apache-2.0 */
/* Forward and backward of small graphs in train mode against PyTorch's autograd in float64
 * (golden/torch_block.json, made by golden/gen/torch_block.py). The file describes each graph; this
 * is the interpreter for it. */
#include "support/golden.h"
#include "support/golden_formula.h"

#include "support/runner.h"
#include <check.h>
#include <json-c/json.h>
#include <math.h>

#include <nncf/nncf.h>
#include <stdio.h>
#include <stdlib.h>

/* Largest difference allowed, relative to the largest magnitude in the array: float32 sums of some
 * hundred products, then batch norm's differences of such sums. */
#define TOLERANCE 2e-5

enum { MAX_LAYERS = 16, MAX_ARRAYS = 64 };

typedef struct array {
    char name[64]; /* as in the file's "results" */
    float *data;
    size_t count;
} array;

typedef struct node {
    nncf_layer *layer;
    int inputs[2], n_inputs;
    int64_t shape[NNCF_MAX_NDIM];
    int32_t ndim;
    size_t count;
    float *y, *dy;
} node;

typedef struct graph {
    const char *name;
    struct json_object *spec;
    nncf_context *context;
    nncf_model *model;
    int64_t input_shape[4];
    int32_t input_ndim;
    float *x, *dx;
    size_t input_count;
    node nodes[MAX_LAYERS];
    int n_nodes;
    array
        arrays[MAX_ARRAYS]; /* all that belongs to the graph and is compared or freed in the end */
    int n_arrays;
} graph;

static struct json_object *golden;

static int64_t get_int(struct json_object *o, const char *key)
{
    return json_object_get_int64(fx_member(o, key));
}

static int64_t get_at(struct json_object *o, const char *key, size_t i)
{
    return json_object_get_int64(json_object_array_get_idx(fx_member(o, key), i));
}

static float *new_array(graph *g, const char *name, size_t count)
{
    array *a = &g->arrays[g->n_arrays++];
    ck_assert_int_le(g->n_arrays, MAX_ARRAYS);
    ck_assert_int_lt(snprintf(a->name, sizeof a->name, "%s", name), (int)sizeof a->name);
    a->data = calloc(count, sizeof(float));
    ck_assert_ptr_nonnull(a->data);
    a->count = count;
    return a->data;
}

/* A parameter filled by the formula. *grad is NULL for what has no gradient. */
static float *parameter(
    graph *g, const char *layer, const char *what, const int64_t *shape, int ndim, float **grad)
{
    char name[64], full[192], grad_name[80];
    size_t count = 1;
    float *data;
    for (int i = 0; i < ndim; i++)
        count *= (size_t)shape[i];
    snprintf(name, sizeof name, "%s.%s", layer, what);
    snprintf(full, sizeof full, "%s/%s", g->name, name);
    snprintf(grad_name, sizeof grad_name, "grad.%s", name);
    data = new_array(g, name, count);
    golden_parameter(full, shape, ndim, data);
    if (grad != NULL)
        *grad = new_array(g, grad_name, count);
    return data;
}

static int32_t activation_of(struct json_object *layer)
{
    const char *text = json_object_get_string(fx_member(layer, "activation"));
    return strcmp(text, "relu6") == 0 ? NNCF_ACTIVATION_RELU6
        : strcmp(text, "relu") == 0   ? NNCF_ACTIVATION_RELU
                                      : NNCF_ACTIVATION_NONE;
}

static void add_batch_norm(graph *g, const char *layer, int64_t channels, nncf_batch_norm_params *p)
{
    *p = (nncf_batch_norm_params){NNCF_PARAMS(nncf_batch_norm_params)};
    p->weight = parameter(g, layer, "bn_weight", &channels, 1, &p->weight_grad);
    p->bias = parameter(g, layer, "bn_bias", &channels, 1, &p->bias_grad);
    p->running_mean = parameter(g, layer, "running_mean", &channels, 1, NULL);
    p->running_var = parameter(g, layer, "running_var", &channels, 1, NULL);
}

static nncf_status add_conv(graph *g, struct json_object *spec, nncf_layer *const *inputs,
    size_t n_inputs, nncf_layer **layer, nncf_error *err)
{
    const char *name = json_object_get_string(fx_member(spec, "name"));
    nncf_batch_norm_params norm;
    nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = name,
        .in_channels = get_int(spec, "in_channels"), .out_channels = get_int(spec, "out_channels"),
        .groups = (int32_t)get_int(spec, "groups"), .activation = activation_of(spec),
        .inputs = inputs, .n_inputs = n_inputs};
    int64_t shape[4] = {p.out_channels, p.in_channels / p.groups, 0, 0};
    for (size_t i = 0; i < 2; i++) {
        p.kernel[i] = (int32_t)get_at(spec, "kernel", i);
        p.stride[i] = (int32_t)get_at(spec, "stride", i);
        p.padding[i] = (int32_t)get_at(spec, "padding", i);
        p.dilation[i] = (int32_t)get_at(spec, "dilation", i);
        shape[2 + i] = p.kernel[i];
    }
    p.weight = parameter(g, name, "weight", shape, 4, &p.weight_grad);
    if (json_object_get_boolean(fx_member(spec, "bias")))
        p.bias = parameter(g, name, "bias", shape, 1, &p.bias_grad);
    if (json_object_get_boolean(fx_member(spec, "batch_norm"))) {
        add_batch_norm(g, name, p.out_channels, &norm);
        p.batch_norm = &norm;
    }
    return nncf_model_add_conv2d(g->model, &p, layer, err);
}

static nncf_status add_linear(graph *g, struct json_object *spec, nncf_layer *const *inputs,
    size_t n_inputs, nncf_layer **layer, nncf_error *err)
{
    const char *name = json_object_get_string(fx_member(spec, "name"));
    nncf_batch_norm_params norm;
    nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = name,
        .in_features = get_int(spec, "in_features"), .out_features = get_int(spec, "out_features"),
        .activation = activation_of(spec), .inputs = inputs, .n_inputs = n_inputs};
    int64_t shape[2] = {p.out_features, p.in_features};
    p.weight = parameter(g, name, "weight", shape, 2, &p.weight_grad);
    if (json_object_get_boolean(fx_member(spec, "bias")))
        p.bias = parameter(g, name, "bias", shape, 1, &p.bias_grad);
    if (json_object_get_boolean(fx_member(spec, "batch_norm"))) {
        add_batch_norm(g, name, p.out_features, &norm);
        p.batch_norm = &norm;
    }
    return nncf_model_add_linear(g->model, &p, layer, err);
}

static nncf_status add_pool(graph *g, struct json_object *spec, nncf_layer *const *inputs,
    size_t n_inputs, nncf_layer **layer, nncf_error *err)
{
    const char *kind = json_object_get_string(fx_member(spec, "kind"));
    nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params),
        .scope = json_object_get_string(fx_member(spec, "name")),
        .kind = strcmp(kind, "max") == 0   ? NNCF_POOL_MAX
            : strcmp(kind, "average") == 0 ? NNCF_POOL_AVERAGE
                                           : NNCF_POOL_GLOBAL_AVERAGE,
        .inputs = inputs, .n_inputs = n_inputs};
    for (size_t i = 0; i < 2 && p.kind != NNCF_POOL_GLOBAL_AVERAGE; i++) {
        p.kernel[i] = (int32_t)get_at(spec, "kernel", i);
        p.stride[i] = (int32_t)get_at(spec, "stride", i);
        p.padding[i] = (int32_t)get_at(spec, "padding", i);
    }
    return nncf_model_add_pool2d(g->model, &p, layer, err);
}

static nncf_status add_sum(graph *g, struct json_object *spec, nncf_layer *const *inputs,
    size_t n_inputs, nncf_layer **layer, nncf_error *err)
{
    return nncf_model_add_sum(g->model,
        &(nncf_sum_params){NNCF_PARAMS(nncf_sum_params),
            .scope = json_object_get_string(fx_member(spec, "name")),
            .activation = activation_of(spec), .inputs = inputs, .n_inputs = n_inputs},
        layer, err);
}

/* The output of node i, or the input for -1. */
static nncf_tensor view(graph *g, int i, int gradient)
{
    if (i < 0)
        return (nncf_tensor){
            .data = gradient ? g->dx : g->x, .ndim = g->input_ndim, .shape = g->input_shape};
    return (nncf_tensor){.data = gradient ? g->nodes[i].dy : g->nodes[i].y,
        .ndim = g->nodes[i].ndim,
        .shape = g->nodes[i].shape};
}

static void add_node(graph *g, struct json_object *spec)
{
    static const struct {
        const char *type;
        nncf_status (*add)(graph *, struct json_object *, nncf_layer *const *, size_t,
            nncf_layer **, nncf_error *);
    } types[] = {
        {"conv2d", add_conv}, {"linear", add_linear}, {"pool2d", add_pool}, {"add", add_sum}};
    const char *type = json_object_get_string(fx_member(spec, "type"));
    nncf_layer *inputs[2];
    size_t n_inputs = 0;
    node *n = &g->nodes[g->n_nodes];
    nncf_tensor in[2];
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status = NNCF_E_NOTFOUND;
    n->n_inputs = (int)json_object_array_length(fx_member(spec, "inputs"));
    for (int k = 0; k < n->n_inputs; k++) {
        n->inputs[k] = (int)get_at(spec, "inputs", (size_t)k);
        in[k] = view(g, n->inputs[k], 0);
        if (n->inputs[k] >= 0)
            inputs[n_inputs++] = g->nodes[n->inputs[k]].layer;
    }
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        if (strcmp(types[t].type, type) == 0)
            status = types[t].add(g, spec, inputs, n_inputs, &n->layer, &err);
    ck_assert_msg(status == NNCF_OK, "%s: %s", g->name, err.message);
    ck_assert_int_eq(
        nncf_layer_get_output_shape(n->layer, in, (size_t)n->n_inputs, n->shape, 4, &n->ndim, NULL),
        NNCF_OK);
    n->count = 1;
    for (int i = 0; i < n->ndim; i++)
        n->count *= (size_t)n->shape[i];
    n->y = new_array(g, "y", n->count);
    n->dy = new_array(g, "dy", n->count);
    g->n_nodes++;
}

static void build(graph *g, struct json_object *spec, int32_t isa, int32_t threads)
{
    char name[192];
    nncf_error err = NNCF_ERROR_INIT;
    struct json_object *layers = fx_member(spec, "layers");
    *g = (graph){.name = json_object_get_string(fx_member(spec, "name")), .spec = spec};
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION,
                         &(nncf_context_params){NNCF_PARAMS(nncf_context_params), .max_isa = isa,
                             .n_threads = threads},
                         &g->context, &err),
        NNCF_OK);
    ck_assert_int_eq(nncf_model_create(g->context, &g->model, &err), NNCF_OK);
    g->input_ndim = (int32_t)json_object_array_length(fx_member(spec, "input_shape"));
    g->input_count = 1;
    for (int i = 0; i < g->input_ndim; i++) {
        g->input_shape[i] = get_at(spec, "input_shape", (size_t)i);
        g->input_count *= (size_t)g->input_shape[i];
    }
    g->x = new_array(g, "x", g->input_count);
    g->dx = new_array(g, "grad.input", g->input_count);
    snprintf(name, sizeof name, "%s/input", g->name);
    golden_uniform(name, -2.0, 2.0, g->input_count, g->x);
    ck_assert_uint_le(json_object_array_length(layers), MAX_LAYERS);
    for (size_t i = 0; i < json_object_array_length(layers); i++)
        add_node(g, json_object_array_get_idx(layers, i));
}

static void destroy(graph *g)
{
    nncf_model_destroy(g->model);
    nncf_context_destroy(g->context);
    for (int i = 0; i < g->n_arrays; i++)
        free(g->arrays[i].data);
}

/* Cross entropy of softmax, mean over the samples; its gradient goes into the last node's dy. */
static double cross_entropy(graph *g, struct json_object *labels)
{
    node *last = &g->nodes[g->n_nodes - 1];
    size_t samples = json_object_array_length(labels), classes = last->count / samples;
    double loss = 0.0;
    for (size_t s = 0; s < samples; s++) {
        const float *y = last->y + s * classes;
        size_t label = (size_t)json_object_get_int64(json_object_array_get_idx(labels, s));
        double largest = y[0], sum = 0.0;
        for (size_t c = 0; c < classes; c++)
            largest = fmax(largest, (double)y[c]);
        for (size_t c = 0; c < classes; c++)
            sum += exp((double)y[c] - largest);
        loss -= ((double)y[label] - largest - log(sum)) / (double)samples;
        for (size_t c = 0; c < classes; c++)
            last->dy[s * classes + c] =
                (float)((exp((double)y[c] - largest) / sum - (c == label ? 1.0 : 0.0)) /
                    (double)samples);
    }
    return loss;
}

static void forward(graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        node *n = &g->nodes[i];
        nncf_tensor in[2], y = view(g, i, 0);
        for (int k = 0; k < n->n_inputs; k++)
            in[k] = view(g, n->inputs[k], 0);
        ck_assert_int_eq(nncf_layer_forward(n->layer, in, (size_t)n->n_inputs, &y, NULL), NNCF_OK);
    }
}

/* Consumers come after their producers, so that going backward each node's dy is complete when its
 * turn comes. */
static void backward(graph *g)
{
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        node *n = &g->nodes[i];
        nncf_tensor in[2], dx[2], dy = view(g, i, 1);
        float *parts[2];
        for (int k = 0; k < n->n_inputs; k++) {
            size_t count = n->inputs[k] < 0 ? g->input_count : g->nodes[n->inputs[k]].count;
            in[k] = view(g, n->inputs[k], 0);
            dx[k] = in[k];
            dx[k].data = parts[k] = malloc(count * sizeof(float));
            ck_assert_ptr_nonnull(parts[k]);
        }
        ck_assert_int_eq(
            nncf_layer_backward(n->layer, in, (size_t)n->n_inputs, &dy, dx, NULL), NNCF_OK);
        for (int k = 0; k < n->n_inputs; k++) {
            float *sum = n->inputs[k] < 0 ? g->dx : g->nodes[n->inputs[k]].dy;
            size_t count = n->inputs[k] < 0 ? g->input_count : g->nodes[n->inputs[k]].count;
            for (size_t e = 0; e < count; e++)
                sum[e] += parts[k][e];
            free(parts[k]);
        }
    }
}

static void compare(const graph *g, const char *name, const float *data, size_t count)
{
    struct json_object *expected = fx_member(fx_member(g->spec, "results"), name);
    double largest = 0.0, difference = 0.0;
    size_t worst = 0;
    ck_assert_uint_eq(json_object_array_length(expected), count);
    for (size_t i = 0; i < count; i++) {
        double value = json_object_get_double(json_object_array_get_idx(expected, i));
        double d = fabs((double)data[i] - value);
        largest = fmax(largest, fabs(value));
        if (!(d <= difference)) { /* NaN is the worst of all */
            difference = d;
            worst = i;
        }
    }
    /* The gradient of a bias before a batch norm is 0: what is left is the rounding of a sum of
     * terms of about 0.1. */
    ck_assert_msg(difference <= TOLERANCE * largest + 1e-6,
        "%s: %s[%zu] is off by %g, where the largest is %g", g->name, name, worst, difference,
        largest);
}

static void check_case(struct json_object *spec, int32_t isa, int32_t threads)
{
    struct json_object *labels = NULL;
    graph g;
    node *last;
    size_t compared = 0;
    build(&g, spec, isa, threads);
    last = &g.nodes[g.n_nodes - 1];
    for (int i = 0; i < last->ndim; i++)
        ck_assert_int_eq(last->shape[i], get_at(spec, "output_shape", (size_t)i));
    forward(&g);
    compare(&g, "output", last->y, last->count);
    if (json_object_object_get_ex(spec, "labels", &labels)) {
        float loss = (float)cross_entropy(&g, labels);
        compare(&g, "loss", &loss, 1);
        compared++;
    } else {
        char name[192];
        snprintf(name, sizeof name, "%s/output_grad", g.name);
        golden_uniform(name, -1.0, 1.0, last->count, last->dy);
    }
    backward(&g);
    compared++; /* the output */
    for (int i = 0; i < g.n_arrays; i++)
        if (json_object_object_get_ex(fx_member(spec, "results"), g.arrays[i].name, NULL)) {
            compare(&g, g.arrays[i].name, g.arrays[i].data, g.arrays[i].count);
            compared++;
        }
    ck_assert_uint_eq(compared, (size_t)json_object_object_length(fx_member(spec, "results")));
    destroy(&g);
}

static void setup(void)
{
    golden = fx_golden("torch_block.json");
    ck_assert_ptr_nonnull(golden);
}

static void teardown(void)
{
    json_object_put(golden);
}

enum { CASES = 16 };

START_TEST(case_agrees_with_autograd_at_the_best_isa)
{
    check_case(json_object_array_get_idx(fx_member(golden, "cases"), (size_t)_i), NNCF_ISA_BEST, 2);
}
END_TEST

START_TEST(case_agrees_with_autograd_at_the_reference)
{
    check_case(
        json_object_array_get_idx(fx_member(golden, "cases"), (size_t)_i), NNCF_ISA_REFERENCE, 1);
}
END_TEST

START_TEST(all_cases_are_run)
{
    ck_assert_uint_eq(json_object_array_length(fx_member(golden, "cases")), CASES);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("torch_block");
    TCase *tcase = fx_case(suite, "autograd", 120);
    tcase_add_unchecked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, all_cases_are_run);
    tcase_add_loop_test(tcase, case_agrees_with_autograd_at_the_best_isa, 0, CASES);
    tcase_add_loop_test(tcase, case_agrees_with_autograd_at_the_reference, 0, CASES);
    return fx_main(suite);
}
