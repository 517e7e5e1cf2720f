/* SPDX-License-Identifier: Apache-2.0 */
/* A small LeNet with tanh: registered and run by the library, and its loss by plain loops in
 * double.
 */
#ifndef TESTS_PRECISION_LENET_H
#define TESTS_PRECISION_LENET_H

#include "graph/model.h"
#include "support/fixture.h"

#include <stdbool.h>

enum { IMAGES = 12, SIDE = 12, CLASSES = 10, N_WEIGHTS = 4 };
enum { C1 = 4, S1 = 8, P1 = 4, C2 = 8, S2 = 2, HIDDEN = 16 };
enum { N_X = SIDE * SIDE, N_1 = C1 * S1 * S1, N_2 = C1 * P1 * P1, N_3 = C2 * S2 * S2 };

typedef struct lenet {
    fx_context host;
    nncf_model *model;
    /* conv1, conv2, fc1, fc2 */
    fx_block k[N_WEIGHTS];
    nncf_layer *pool;
    nncf_compression_ctrl *ctrl;
    int images;
    float x[IMAGES * N_X];
    int32_t labels[IMAGES];
    float y1[IMAGES * N_1], y2[IMAGES * N_2], y3[IMAGES * N_3], y4[IMAGES * HIDDEN],
        y5[IMAGES * CLASSES];
    float d1[IMAGES * N_1], d2[IMAGES * N_2], d3[IMAGES * N_3], d4[IMAGES * HIDDEN],
        d5[IMAGES * CLASSES];
} lenet;

static inline void lenet_open(lenet *n, const char *config, bool batch_norm)
{
    uint64_t state = 11;
    *n = (lenet){.images = IMAGES,
        .k = {{.scope = "LeNet/Conv2d[conv1]",
                  .in_channels = 1,
                  .out_channels = C1,
                  .kernel = {5, 5},
                  .activation = NNCF_ACTIVATION_TANH,
                  .batch_norm = batch_norm},
            {.scope = "LeNet/Conv2d[conv2]",
                .in_channels = C1,
                .out_channels = C2,
                .kernel = {3, 3},
                .activation = NNCF_ACTIVATION_TANH},
            {.scope = "LeNet/Linear[fc1]",
                .in_channels = N_3,
                .out_channels = HIDDEN,
                .activation = NNCF_ACTIVATION_TANH,
                .linear = true},
            {.scope = "LeNet/Linear[fc2]",
                .in_channels = HIDDEN,
                .out_channels = CLASSES,
                .linear = true}}};
    fx_open(&n->host, 2, 3);
    ck_assert_int_eq(nncf_model_create(n->host.context, &n->model, NULL), NNCF_OK);
    fx_register(n->model, &n->k[0], NULL, &state);
    nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = "LeNet/AvgPool2d[pool]",
        .kind = NNCF_POOL_AVERAGE, .kernel = {2, 2}, .inputs = &n->k[0].layer, .n_inputs = 1};
    ck_assert_int_eq(nncf_model_add_pool2d(n->model, &p, &n->pool, NULL), NNCF_OK);
    fx_register(n->model, &n->k[1], n->pool, &state);
    fx_register(n->model, &n->k[2], n->k[1].layer, &state);
    fx_register(n->model, &n->k[3], n->k[2].layer, &state);
    fx_fill(n->x, IMAGES * N_X, 1, &state);
    for (int i = 0; i < IMAGES; i++)
        n->labels[i] = (int32_t)(fx_next(&state) % CLASSES);
    if (config)
        n->ctrl = fx_ctrl(n->model, config);
}

static inline void lenet_close(lenet *n)
{
    nncf_compression_ctrl_destroy(n->ctrl);
    nncf_model_destroy(n->model);
    for (int i = 0; i < N_WEIGHTS; i++)
        fx_release(&n->k[i]);
    fx_close(&n->host);
}

static inline void lenet_run(nncf_layer *layer, const fx_tensor *x, fx_tensor *y)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(nncf_layer_forward(layer, &x->t, 1, &y->t, &err) == NNCF_OK, "%s", err.message);
}

static inline void lenet_run_back(
    nncf_layer *layer, const fx_tensor *x, fx_tensor *dy, fx_tensor *dx)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(nncf_layer_backward(layer, &x->t, 1, &dy->t, dx ? &dx->t : NULL, &err) == NNCF_OK,
        "%s", err.message);
}

typedef struct lenet_views {
    fx_tensor x, y[5], d[5];
} lenet_views;

static inline void lenet_view(lenet *n, lenet_views *v)
{
    const int64_t c = n->images,
                  shapes[5][4] = {{c, C1, S1, S1}, {c, C1, P1, P1}, {c, C2, S2, S2},
                      {c, HIDDEN, 1, 1}, {c, CLASSES, 1, 1}};
    float *const y[] = {n->y1, n->y2, n->y3, n->y4, n->y5},
                 *const d[] = {n->d1, n->d2, n->d3, n->d4, n->d5};
    fx_view(&v->x, n->x, 4, (int64_t[]){c, 1, SIDE, SIDE});
    for (int i = 0; i < 5; i++) {
        fx_view(&v->y[i], y[i], i < 3 ? 4 : 2, shapes[i]);
        fx_view(&v->d[i], d[i], i < 3 ? 4 : 2, shapes[i]);
    }
}

static inline void lenet_forward(lenet *n)
{
    lenet_views v;
    lenet_view(n, &v);
    lenet_run(n->k[0].layer, &v.x, &v.y[0]);
    lenet_run(n->pool, &v.y[0], &v.y[1]);
    lenet_run(n->k[1].layer, &v.y[1], &v.y[2]);
    lenet_run(n->k[2].layer, &v.y[2], &v.y[3]);
    lenet_run(n->k[3].layer, &v.y[3], &v.y[4]);
}

static inline void lenet_zero_grad(lenet *n)
{
    for (int i = 0; i < N_WEIGHTS; i++)
        fx_zero_grad(&n->k[i]);
}

/* Of the mean cross entropy, times `factor`; adds to the gradients. */
static inline void lenet_backward(lenet *n, float factor)
{
    lenet_views v;
    lenet_view(n, &v);
    for (int i = 0; i < n->images; i++) {
        const float *y = n->y5 + i * CLASSES;
        float most = y[0], sum = 0;
        for (int j = 1; j < CLASSES; j++)
            most = fmaxf(most, y[j]);
        for (int j = 0; j < CLASSES; j++)
            sum += expf(y[j] - most);
        for (int j = 0; j < CLASSES; j++)
            n->d5[i * CLASSES + j] =
                factor * (expf(y[j] - most) / sum - (j == n->labels[i])) / (float)n->images;
    }
    lenet_run_back(n->k[3].layer, &v.y[3], &v.d[4], &v.d[3]);
    lenet_run_back(n->k[2].layer, &v.y[2], &v.d[3], &v.d[2]);
    lenet_run_back(n->k[1].layer, &v.y[1], &v.d[2], &v.d[1]);
    lenet_run_back(n->pool, &v.y[0], &v.d[1], &v.d[0]);
    lenet_run_back(n->k[0].layer, &v.x, &v.d[0], NULL);
}

static inline void lenet_pass(lenet *n)
{
    lenet_forward(n);
    lenet_backward(n, 1);
}

#endif
