/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A net with all that joins filters: a residual sum, a depthwise convolution, a concatenation, a
 * linear layer that reads planes. And a host that trains it with momentum, so that a shrink has to
 * move what its optimizer keeps.
 */
#ifndef NNCF_TESTS_PRUNE_NET_H
#define NNCF_TESTS_PRUNE_NET_H

#include "support/fixture.h"
#include "support/layers.h"

#include <nncf/nncf.h>
#include <nncf/shrink.h>

#include <stdbool.h>

enum {
    NET_BLOCKS = 7,
    NET_SUM = NET_BLOCKS,
    NET_CONCAT,
    NET_LAYERS,
    NET_N = 3,
    NET_H = 6,
    NET_CLASSES = 5,
    NET_ARRAYS = 5,
    NET_MOST_INPUTS = 2
};

typedef struct net {
    nncf_context *context;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    fx_block blocks[NET_BLOCKS];
    nncf_layer *layers[NET_LAYERS];
    /* in the order of running */
    int inputs[NET_LAYERS][NET_MOST_INPUTS];
    float *momentum[NET_BLOCKS][NET_ARRAYS];
    float *y[NET_LAYERS], *dy[NET_LAYERS];
    int64_t shapes[NET_LAYERS][4];
    float x[NET_N * 3 * NET_H * NET_H];
    /* calls of net_moved(): for arrays, and for parameters of the controller */
    int moves, parameters;
} net;

enum { CONV_1, CONV_2, CONV_3, DEPTHWISE, CONV_4, CONV_5, LINEAR };

/* What runs after what: the sum follows CONV_3, the concatenation CONV_5. */
static const int net_order[NET_LAYERS] = {
    CONV_1, CONV_2, CONV_3, NET_SUM, DEPTHWISE, CONV_4, CONV_5, NET_CONCAT, LINEAR};
static const int net_inputs[NET_LAYERS][NET_MOST_INPUTS] = {[CONV_1] = {-1, -1},
    [CONV_2] = {CONV_1, -1},
    [CONV_3] = {CONV_2, -1},
    [DEPTHWISE] = {NET_SUM, -1},
    [CONV_4] = {DEPTHWISE, -1},
    [CONV_5] = {DEPTHWISE, -1},
    [LINEAR] = {NET_CONCAT, -1},
    [NET_SUM] = {CONV_3, CONV_1},
    [NET_CONCAT] = {CONV_4, CONV_5}};

static inline fx_block net_block(
    const char *scope, int64_t in, int64_t out, int32_t kernel, int32_t groups, int32_t activation)
{
    return (fx_block){.scope = scope,
        .in_channels = in,
        .out_channels = out,
        .kernel = {kernel, kernel},
        .stride = {1, 1},
        .padding = {kernel / 2, kernel / 2},
        .dilation = {1, 1},
        .groups = groups,
        .activation = activation,
        .batch_norm = true,
        .bias = true};
}

/* channels: of each block's output; NULL: as they are in the whole net. */
static inline void net_open(net *n, int32_t threads, const int64_t *channels)
{
    static const int64_t whole[NET_BLOCKS] = {16, 24, 16, 16, 16, 24, NET_CLASSES};
    const int64_t *c = channels ? channels : whole;
    uint64_t state = 5;
    memset(n, 0, sizeof *n);
    n->context = fx_new_context(NULL, threads, NNCF_ISA_BEST, 3);
    ck_assert_int_eq(nncf_model_create(n->context, &n->model, NULL), NNCF_OK);
    n->blocks[CONV_1] = net_block("Net/Conv2d[c1]", 3, c[0], 3, 1, NNCF_ACTIVATION_RELU);
    n->blocks[CONV_2] = net_block("Net/Conv2d[c2]", c[0], c[1], 3, 1, NNCF_ACTIVATION_RELU);
    n->blocks[CONV_3] = net_block("Net/Conv2d[c3]", c[1], c[2], 3, 1, NNCF_ACTIVATION_NONE);
    n->blocks[DEPTHWISE] =
        net_block("Net/Conv2d[dw]", c[2], c[3], 3, (int32_t)c[3], NNCF_ACTIVATION_RELU6);
    n->blocks[CONV_4] = net_block("Net/Conv2d[c4]", c[3], c[4], 1, 1, NNCF_ACTIVATION_TANH);
    n->blocks[CONV_5] = net_block("Net/Conv2d[c5]", c[3], c[5], 3, 1, NNCF_ACTIVATION_RELU);
    n->blocks[LINEAR] = (fx_block){.scope = "Net/Linear[fc]",
        .in_channels = (c[4] + c[5]) * NET_H * NET_H,
        .out_channels = NET_CLASSES,
        .kernel = {1, 1},
        .stride = {1, 1},
        .dilation = {1, 1},
        .groups = 1,
        .linear = true,
        .bias = true};
    for (int i = 0; i < NET_LAYERS; i++) {
        const int l = net_order[i];
        nncf_error err = NNCF_ERROR_INIT;
        nncf_layer *inputs[NET_MOST_INPUTS] = {NULL, NULL};
        for (int j = 0; j < NET_MOST_INPUTS; j++)
            inputs[j] = net_inputs[l][j] >= 0 ? n->layers[net_inputs[l][j]] : NULL;
        if (l < NET_BLOCKS) {
            fx_register(n->model, &n->blocks[l], inputs[0], &state);
            n->layers[l] = n->blocks[l].layer;
        } else if (l == NET_SUM) {
            const nncf_sum_params p = {NNCF_PARAMS(nncf_sum_params), .scope = "Net/__add___0",
                .activation = NNCF_ACTIVATION_RELU, .inputs = inputs, .n_inputs = 2};
            ck_assert_int_eq(nncf_model_add_sum(n->model, &p, &n->layers[l], &err), NNCF_OK);
        } else {
            const nncf_concat_params p = {NNCF_PARAMS(nncf_concat_params), .scope = "Net/cat_0",
                .inputs = inputs, .n_inputs = 2};
            ck_assert_int_eq(nncf_model_add_concat(n->model, &p, &n->layers[l], &err), NNCF_OK);
        }
    }
    for (int b = 0; b < NET_BLOCKS; b++)
        for (int a = 0; a < NET_ARRAYS; a++)
            n->momentum[b][a] = calloc(n->blocks[b].weights + 64, sizeof(float));
    for (int l = 0; l < NET_LAYERS; l++) {
        n->y[l] = calloc(NET_N * 64 * NET_H * NET_H, sizeof(float));
        n->dy[l] = calloc(NET_N * 64 * NET_H * NET_H, sizeof(float));
    }
    fx_fill_from(n->x, sizeof n->x / sizeof *n->x, 11);
}

static inline void net_close(net *n)
{
    nncf_compression_ctrl_destroy(n->ctrl);
    nncf_model_destroy(n->model);
    nncf_context_destroy(n->context);
    for (int b = 0; b < NET_BLOCKS; b++) {
        fx_release(&n->blocks[b]);
        for (int a = 0; a < NET_ARRAYS; a++)
            free(n->momentum[b][a]);
    }
    for (int l = 0; l < NET_LAYERS; l++) {
        free(n->y[l]);
        free(n->dy[l]);
    }
}

static inline int net_views(net *n, int l, fx_tensor x[NET_MOST_INPUTS], float **data)
{
    int count = 0;
    for (int j = 0; j < NET_MOST_INPUTS; j++) {
        const int in = net_inputs[l][j];
        const int64_t whole[4] = {NET_N, 3, NET_H, NET_H};
        if (in < 0 && !(l == CONV_1 && j == 0))
            continue;
        fx_view(&x[count], in < 0 ? n->x : data[in], in == LINEAR ? 2 : 4,
            in < 0 ? whole : n->shapes[in]);
        count++;
    }
    return count;
}

/* All floats. */
static inline void net_forward(net *n)
{
    for (int i = 0; i < NET_LAYERS; i++) {
        const int l = net_order[i];
        nncf_error err = NNCF_ERROR_INIT;
        fx_tensor x[NET_MOST_INPUTS], y;
        nncf_tensor in[NET_MOST_INPUTS];
        const int count = net_views(n, l, x, n->y);
        for (int j = 0; j < count; j++)
            in[j] = x[j].t;
        int64_t channels = l == LINEAR ? NET_CLASSES
            : l == NET_SUM             ? n->shapes[CONV_1][1]
            : l == NET_CONCAT          ? n->shapes[CONV_4][1] + n->shapes[CONV_5][1]
                                       : n->blocks[l].out_channels;
        const int64_t shape[4] = {NET_N, channels, NET_H, NET_H};
        memcpy(n->shapes[l], shape, sizeof shape);
        fx_view(&y, n->y[l], l == LINEAR ? 2 : 4, shape);
        const nncf_status status = nncf_layer_forward(n->layers[l], in, (size_t)count, &y.t, &err);
        ck_assert_msg(status == NNCF_OK, "%s: %s", err.where, err.message);
    }
}

/* dy of the linear layer is y itself: the loss is half the sum of squares. */
static inline double net_backward(net *n)
{
    double loss = 0;
    for (int b = 0; b < NET_BLOCKS; b++)
        fx_zero_grad(&n->blocks[b]);
    for (int l = 0; l < NET_LAYERS; l++)
        memset(n->dy[l], 0, NET_N * 64 * NET_H * NET_H * sizeof(float));
    ck_assert_int_eq(nncf_compression_ctrl_zero_grad(n->ctrl, NULL), NNCF_OK);
    for (int i = 0; i < NET_N * NET_CLASSES; i++) {
        n->dy[LINEAR][i] = n->y[LINEAR][i];
        loss += 0.5 * (double)n->y[LINEAR][i] * (double)n->y[LINEAR][i];
    }
    for (int i = NET_LAYERS; i-- > 0;) {
        const int l = net_order[i];
        nncf_error err = NNCF_ERROR_INIT;
        fx_tensor x[NET_MOST_INPUTS], dy, d[NET_MOST_INPUTS];
        nncf_tensor in[NET_MOST_INPUTS], dx[NET_MOST_INPUTS];
        static float made[NET_MOST_INPUTS][NET_N * 64 * NET_H * NET_H];
        float *made_of[NET_LAYERS];
        const int count = net_views(n, l, x, n->y);
        for (int j = 0; j < NET_MOST_INPUTS; j++)
            if (net_inputs[l][j] >= 0)
                made_of[net_inputs[l][j]] = made[j];
        if (l != CONV_1)
            net_views(n, l, d, made_of);
        for (int j = 0; j < count; j++) {
            in[j] = x[j].t;
            dx[j] = d[j].t;
        }
        fx_view(&dy, n->dy[l], l == LINEAR ? 2 : 4, n->shapes[l]);
        const nncf_status status = nncf_layer_backward(
            n->layers[l], in, (size_t)count, &dy.t, l == CONV_1 ? NULL : dx, &err);
        ck_assert_msg(status == NNCF_OK, "%s: %s", err.where, err.message);
        for (int j = 0; j < NET_MOST_INPUTS; j++)
            for (size_t k = 0; net_inputs[l][j] >= 0 && k < fx_count(n->shapes[net_inputs[l][j]]);
                 k++)
                n->dy[net_inputs[l][j]][k] += made[j][k];
    }
    return loss;
}

/* The arrays of a block that are trained: weight, bias, gamma, beta. */
static inline size_t net_array(net *n, int b, int a, float **data, float **grad)
{
    fx_block *k = &n->blocks[b];
    float *const all[4][2] = {
        {k->w, k->dw}, {k->b, k->db}, {k->gamma, k->dgamma}, {k->beta, k->dbeta}};
    *data = all[a][0];
    *grad = all[a][1];
    if (a >= 2 && !k->batch_norm)
        return 0;
    return a == 0 ? k->weights : (size_t)k->out_channels;
}

static inline double net_step(net *n)
{
    net_forward(n);
    const double loss = net_backward(n);
    for (int b = 0; b < NET_BLOCKS; b++)
        for (int a = 0; a < 4; a++) {
            float *data, *grad;
            const size_t count = net_array(n, b, a, &data, &grad);
            for (size_t i = 0; i < count; i++) {
                n->momentum[b][a][i] = 0.9f * n->momentum[b][a][i] + grad[i];
                data[i] -= 0.0003f * n->momentum[b][a][i];
            }
        }
    ck_assert_int_eq(nncf_compression_ctrl_update(n->ctrl, NULL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_step(n->ctrl, NULL), NNCF_OK);
    return loss;
}

static inline void net_initialize(net *n)
{
    int32_t more = 1;
    while (nncf_compression_ctrl_init_step(n->ctrl, &more, NULL) == NNCF_OK && more)
        net_forward(n);
}

/* ---- a host's side of a shrink: new buffers, and momentum moves along ---- */

static inline int32_t net_resize(void *user, nncf_shrink_array *a)
{
    size_t count = 1;
    (void)user;
    for (int32_t i = 0; i < a->ndim; i++)
        count *= (size_t)a->new_shape[i];
    a->new_data = malloc(count * sizeof(float));
    a->new_grad = a->grad ? malloc(count * sizeof(float)) : NULL;
    return 0;
}

static inline void net_moved(void *user, const nncf_shrink_array *a)
{
    net *n = user;
    n->parameters += a->array == NNCF_ARRAY_PARAMETER;
    for (int b = 0; b < NET_BLOCKS; b++) {
        fx_block *k = &n->blocks[b];
        float **arrays[6][2] = {{&k->w, &k->dw}, {&k->b, &k->db}, {&k->gamma, &k->dgamma},
            {&k->beta, &k->dbeta}, {&k->mean, NULL}, {&k->var, NULL}};
        const int i = a->array - 1;
        if (k->layer != a->layer || a->array == NNCF_ARRAY_PARAMETER)
            continue;
        ck_assert_ptr_eq(*arrays[i][0], a->data);
        free(a->data);
        *arrays[i][0] = a->new_data;
        if (arrays[i][1]) {
            free(a->grad);
            *arrays[i][1] = a->new_grad;
        }
        if (i < 4)
            ck_assert_int_eq(
                nncf_shrink_gather(a, n->momentum[b][i], n->momentum[b][i], NULL), NNCF_OK);
        if (i == 0) {
            k->weights = 1;
            for (int32_t axis = 0; axis < a->ndim; axis++)
                k->weights *= (size_t)a->new_shape[axis];
            k->out_channels = a->new_shape[0];
        }
        n->moves++;
    }
}

static inline nncf_shrink_params net_shrink(net *n)
{
    return (nncf_shrink_params){
        NNCF_PARAMS(nncf_shrink_params), .resize = net_resize, .moved = net_moved, .user = n};
}

#define NET_PRUNING(more)                                                                          \
    "{\"algorithm\": \"filter_pruning\", \"params\": {\"schedule\": \"baseline\", "                \
    "\"pruning_target\": 0.5, \"prune_first_conv\": true" more "}}"
#define NET_CONFIG(algorithms)                                                                     \
    "{\"nncf_dialect\": \"2.4\", \"input_info\": {\"sample_size\": [1, 3, 6, 6]}, "                \
    "\"compression\": [" algorithms "]}"
#define NET_INT8                                                                                   \
    "{\"algorithm\": \"quantization\", \"initializer\": {\"range\": {\"num_init_steps\": 2}, "     \
    "\"batchnorm_adaptation\": {\"num_bn_adaptation_samples\": 0}}}"

#endif
