/* SPDX-License-Identifier: Apache-2.0 */
/* The net of test_codes.c: a residual net with every kind of layer, its steps, and the comparison
 * of two of its runs. Included once. */
#ifndef NNCF_TESTS_EXEC_CODES_NET_H
#define NNCF_TESTS_EXEC_CODES_NET_H

#include "config/canonical.h"
#include "controller/ctrl.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "quantization/quantizer.h"
#include "support/fixture.h"
#include "support/memory.h"

#include <stdbool.h>

enum { BATCH = 3, SIDE = 10, WIDTH = 8, CLASSES = 5, BLOCKS = 6, NODES = 12, INPUT = 0 };

typedef struct node {
    nncf_layer *layer; /* NULL: the input */
    int in[2];
    int64_t shape[4];
    int32_t ndim, dtype;
    size_t count;
    float *y, *d; /* output (floats or bytes), gradient */
    float scale; /* what forward said of y */
    int32_t zero_point;
} node;

typedef struct run {
    nncf_context *context;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    fx_block block[BLOCKS];
    node node[NODES];
    int n_nodes;
    float *dx[2];
    bool codes; /* activations are passed as codes where a layer can write them */
} run;

static fx_memory *counter; /* what make_run() gives its context; NULL: malloc */

static nncf_tensor view(const node *n, bool gradient)
{
    return (nncf_tensor){.data = gradient ? n->d : n->y,
        .dtype = gradient ? NNCF_F32 : n->dtype,
        .ndim = n->ndim,
        .shape = n->shape,
        .scale = gradient ? 0 : n->scale,
        .zero_point = gradient ? 0 : n->zero_point};
}

static int put_node(run *r, nncf_layer *layer, int a, int b)
{
    node *n = &r->node[r->n_nodes];
    n->layer = layer;
    n->in[0] = a;
    n->in[1] = b;
    if (layer) {
        const nncf_tensor x[2] = {view(&r->node[a], false), view(&r->node[b], false)};
        ck_assert_int_eq(nncf_layer_get_output_shape(layer, x, layer->kind == NNCF__ADD ? 2 : 1,
                             n->shape, 4, &n->ndim, NULL),
            NNCF_OK);
    }
    n->count = 1;
    for (int i = 0; i < n->ndim; i++)
        n->count *= (size_t)n->shape[i];
    n->y = fx_alloc(n->count, sizeof(float));
    n->d = fx_alloc(n->count, sizeof(float));
    return r->n_nodes++;
}

static int put_block(run *r, int i, int input, uint64_t *state)
{
    fx_register(r->model, &r->block[i], r->node[input].layer, state);
    return put_node(r, r->block[i].layer, input, input);
}

static int put_add(run *r, const char *scope, int a, int b, int32_t activation)
{
    nncf_layer *both[] = {r->node[a].layer, r->node[b].layer}, *layer;
    nncf_sum_params p = {NNCF_PARAMS(nncf_sum_params), .scope = scope, .inputs = both,
        .n_inputs = 2, .activation = activation};
    ck_assert_int_eq(nncf_model_add_sum(r->model, &p, &layer, NULL), NNCF_OK);
    return put_node(r, layer, a, b);
}

static int put_pool(
    run *r, const char *scope, int input, int32_t kind, int32_t kernel, int32_t stride)
{
    nncf_layer *layer;
    nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = scope, .kind = kind,
        .kernel = {kernel, kernel}, .stride = {stride, stride}, .inputs = &r->node[input].layer,
        .n_inputs = 1};
    ck_assert_int_eq(nncf_model_add_pool2d(r->model, &p, &layer, NULL), NNCF_OK);
    return put_node(r, layer, input, input);
}

static void make_run(run *r, const char *config, bool codes, int32_t threads, int32_t isa)
{
    const int32_t relu6 = NNCF_ACTIVATION_RELU6, relu = NNCF_ACTIVATION_RELU;
    uint64_t state = 17;
    memset(r, 0, sizeof *r);
    r->codes = codes;
    const fx_block blocks[BLOCKS] = {{.scope = "n/stem",
                                         .in_channels = 3,
                                         .out_channels = WIDTH,
                                         .kernel = {3, 3},
                                         .padding = {1, 1},
                                         .batch_norm = true,
                                         .activation = relu6},
        {.scope = "n/depthwise",
            .in_channels = WIDTH,
            .out_channels = WIDTH,
            .kernel = {3, 3},
            .padding = {1, 1},
            .groups = WIDTH,
            .batch_norm = true,
            .activation = relu6},
        {.scope = "n/point", .in_channels = WIDTH, .out_channels = WIDTH, .batch_norm = true},
        {.scope = "n/plain",
            .in_channels = WIDTH,
            .out_channels = 2 * WIDTH,
            .kernel = {3, 3},
            .stride = {2, 2},
            .padding = {1, 1},
            .bias = true,
            .activation = relu},
        {.scope = "n/small",
            .in_channels = 2 * WIDTH,
            .out_channels = WIDTH,
            .groups = 2,
            .batch_norm = true},
        {.scope = "n/classifier",
            .in_channels = WIDTH,
            .out_channels = CLASSES,
            .linear = true,
            .bias = true}};
    memcpy(r->block, blocks, sizeof blocks);
    const nncf_context_params counted = {NNCF_PARAMS(nncf_context_params), .n_threads = threads,
        .max_isa = isa, .seed = 11, .alloc = fx_memory_alloc, .free = fx_memory_free,
        .alloc_user = counter};
    if (counter)
        ck_assert_int_eq(
            nncf_context_create(NNCF_API_VERSION, &counted, &r->context, NULL), NNCF_OK);
    else
        r->context = fx_new_context(NULL, threads, isa, 11);
    ck_assert_int_eq(nncf_model_create(r->context, &r->model, NULL), NNCF_OK);

    r->node[INPUT] = (node){.shape = {BATCH, 3, SIDE, SIDE}, .ndim = 4};
    put_node(r, NULL, 0, 0);
    int stem = put_block(r, 0, INPUT, &state);
    int pooled = put_pool(r, "n/max", stem, NNCF_POOL_MAX, 2, 2);
    int depthwise = put_block(r, 1, pooled, &state);
    int point = put_block(r, 2, depthwise, &state);
    int sum = put_add(r, "n/add", pooled, point, NNCF_ACTIVATION_NONE);
    int again = put_add(r, "n/add_relu", sum, point, relu);
    int plain = put_block(r, 3, again, &state);
    int small = put_block(r, 4, plain, &state);
    int average = put_pool(r, "n/average", small, NNCF_POOL_AVERAGE, 2, 1);
    int mean = put_pool(r, "n/mean", average, NNCF_POOL_GLOBAL_AVERAGE, 0, 0);
    fx_register(r->model, &r->block[5], r->node[mean].layer, &state);
    put_node(r, r->block[5].layer, mean, mean);
    ck_assert_int_eq(r->n_nodes, NODES);
    if (config)
        r->ctrl = fx_ctrl(r->model, config);
}

static void drop_run(run *r)
{
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
    nncf_context_destroy(r->context);
    for (int i = 0; i < BLOCKS; i++)
        fx_release(&r->block[i]);
    for (int i = 0; i < NODES; i++) {
        free(r->node[i].y);
        free(r->node[i].d);
    }
    free(r->dx[0]);
    free(r->dx[1]);
}

/* Returns how many nodes wrote codes. */
static int forward(run *r)
{
    int coded = 0;
    for (int i = 1; i < NODES; i++) {
        node *n = &r->node[i];
        n->dtype = r->codes ? nncf_layer_get_output_dtype(n->layer) : NNCF_F32;
        coded += n->dtype != NNCF_F32;
        const nncf_tensor x[2] = {view(&r->node[n->in[0]], false), view(&r->node[n->in[1]], false)};
        nncf_tensor y = view(n, false);
        ck_assert_int_eq(
            nncf_layer_forward(n->layer, x, n->layer->kind == NNCF__ADD ? 2 : 1, &y, NULL),
            NNCF_OK);
        n->scale = y.scale;
        n->zero_point = y.zero_point;
    }
    return coded;
}

/* All gradients begin at 0; node[INPUT].d is that of the input, if it is wanted. */
static void backward(run *r, bool to_input)
{
    node *last = &r->node[NODES - 1];
    for (int i = 0; i < NODES; i++)
        memset(r->node[i].d, 0, r->node[i].count * sizeof(float));
    for (int i = 0; i < BLOCKS; i++)
        fx_zero_grad(&r->block[i]);
    if (r->ctrl)
        nncf_compression_ctrl_zero_grad(r->ctrl, NULL);
    for (size_t i = 0; i < last->count; i++)
        last->d[i] = last->y[i] - (i % 3 == 0 ? 0.7f : -0.2f);
    for (int i = NODES - 1; i > 0; i--) {
        node *n = &r->node[i];
        nncf_tensor x[2], dx[2];
        nncf_tensor dy = view(n, true);
        for (int k = 0; k < 2; k++) {
            x[k] = view(&r->node[n->in[k]], false);
            dx[k] = x[k];
            dx[k].dtype = NNCF_F32;
            r->dx[k] = realloc(r->dx[k], r->node[n->in[k]].count * sizeof(float));
            ck_assert_ptr_nonnull(r->dx[k]);
            dx[k].data = r->dx[k];
        }
        const bool wanted = to_input || n->in[0] != INPUT;
        ck_assert_int_eq(nncf_layer_backward(n->layer, x, n->layer->kind == NNCF__ADD ? 2 : 1, &dy,
                             wanted ? dx : NULL, NULL),
            NNCF_OK);
        for (int k = 0; wanted && k < (n->in[0] == n->in[1] ? 1 : 2); k++)
            for (size_t j = 0; j < r->node[n->in[k]].count; j++)
                r->node[n->in[k]].d[j] += r->dx[k][j];
    }
}

static void set_input(run *r, int step)
{
    uint64_t state = 1000 + (uint64_t)step;
    fx_fill(r->node[INPUT].y, r->node[INPUT].count, 2, &state);
}

static void initialize(run *r)
{
    int32_t more;
    for (int step = 0; r->ctrl; step++) {
        ck_assert_int_eq(nncf_compression_ctrl_init_step(r->ctrl, &more, NULL), NNCF_OK);
        if (!more)
            return;
        set_input(r, step);
        ck_assert_int_eq(forward(r), 0); /* ranges are looked for in floats */
    }
}

static void descend(float *x, const float *g, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] -= 0.01f * g[i];
}

static void train_step(run *r, int step)
{
    set_input(r, step);
    forward(r);
    if (r->ctrl)
        fx_loss(r->ctrl);
    backward(r, true);
}

static void update(run *r)
{
    for (int i = 0; i < BLOCKS; i++) {
        fx_block *k = &r->block[i];
        descend(k->w, k->dw, k->weights);
        descend(k->gamma, k->dgamma, (size_t)k->out_channels);
        descend(k->beta, k->dbeta, (size_t)k->out_channels);
        descend(k->b, k->db, (size_t)k->out_channels);
    }
    nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
    for (size_t i = 0;
         r->ctrl && nncf_compression_ctrl_get_parameter(r->ctrl, i, &p, NULL) == NNCF_OK; i++)
        descend(p.data, p.grad, p.count);
    if (r->ctrl)
        ck_assert_int_eq(nncf_compression_ctrl_step(r->ctrl, NULL), NNCF_OK);
}

static void same(const char *what, int i, const float *a, const float *b, size_t n)
{
    for (size_t j = 0; j < n; j++)
        if (memcmp(&a[j], &b[j], sizeof *a) != 0)
            ck_abort_msg("%s %d: element %zu is %a with floats, %a with codes", what, i, j,
                (double)a[j], (double)b[j]);
}

/* What node i of b holds as codes, with the scale and zero point that forward put into y, is what
 * that of a holds as floats. */
static void same_values(const run *a, const run *b, int i)
{
    const node *n = &b->node[i];
    if (n->dtype == NNCF_F32) {
        ck_assert(n->scale == 0 && n->zero_point == 0);
        same("output", i, a->node[i].y, n->y, n->count);
        return;
    }
    ck_assert(n->scale > 0);
    for (size_t j = 0; j < n->count; j++) {
        int code = n->dtype == NNCF_U8 ? ((const uint8_t *)n->y)[j] : ((const int8_t *)n->y)[j];
        const float value = (float)(code - n->zero_point) * n->scale;
        same("decoded output", i, &a->node[i].y[j], &value, 1);
    }
}

static void same_runs(const run *a, const run *b, bool gradients)
{
    for (int i = 1; i < NODES; i++)
        same_values(a, b, i);
    for (int i = 0; i < BLOCKS; i++) {
        const fx_block *k = &a->block[i], *l = &b->block[i];
        const size_t c = (size_t)k->out_channels;
        same("weight gradient", i, k->dw, l->dw, k->weights);
        same("bias gradient", i, k->db, l->db, c);
        same("gamma gradient", i, k->dgamma, l->dgamma, c);
        same("beta gradient", i, k->dbeta, l->dbeta, c);
        same("running mean", i, k->mean, l->mean, c);
        same("running variance", i, k->var, l->var, c);
    }
    for (int i = 0; gradients && i < NODES; i++)
        same("gradient of output", i, a->node[i].d, b->node[i].d, a->node[i].count);
    nncf_parameter p = {NNCF_PARAMS(nncf_parameter)}, q = {NNCF_PARAMS(nncf_parameter)};
    for (size_t i = 0;
         a->ctrl && nncf_compression_ctrl_get_parameter(a->ctrl, i, &p, NULL) == NNCF_OK; i++) {
        ck_assert_int_eq(nncf_compression_ctrl_get_parameter(b->ctrl, i, &q, NULL), NNCF_OK);
        same(p.name, (int)i, p.grad, q.grad, p.count);
    }
}

#endif
