/* SPDX-License-Identifier: Apache-2.0 */
#include "net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const scopes[LAYERS] = {"Net/Conv2d[stem]", "Net/Conv2d[depthwise]",
    "Net/Conv2d[point]", "Net/Conv2d[last]", "Net/AvgPool2d[pool]", "Net/Linear[classifier]"};
static const char *const names[LAYERS][ARRAYS] = {
#define NAMES(layer)                                                                               \
    {                                                                                              \
        layer ".weight", layer ".bias", layer ".gamma", layer ".beta", layer ".mean", layer ".var" \
    }
    NAMES("stem"), NAMES("depthwise"), NAMES("point"), NAMES("last"), NAMES("pool"),
    NAMES("classifier")};

/* splitmix64; a state that is made of the row's number gives the same row to whoever reads it */
static uint64_t next(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static float uniform(uint64_t *state) /* -1 to 1 */
{
    return (float)(next(state) >> 40) / 8388608.0f - 1.0f;
}

static int64_t count(const int64_t shape[4])
{
    return shape[0] * shape[1] * shape[2] * shape[3];
}

static float *floats(int64_t n, nncf_status *status)
{
    float *x = calloc((size_t)n, sizeof *x);
    if (!x)
        *status = NNCF_E_NOMEM;
    return x;
}

/* Memory of a layer with c output channels and outputs of h x h. */
static nncf_status make_node(net *n, int i, int64_t c, int64_t h, int64_t fan_in, uint64_t *state)
{
    node *k = &n->node[i];
    nncf_status status = NNCF_OK;
    const int64_t shape[4] = {n->rows, c, h, h};
    memcpy(k->shape, shape, sizeof shape);
    k->y = floats(count(shape), &status);
    k->dy = floats(count(shape), &status);
    k->channels = c;
    k->weights = c * fan_in;
    for (int a = 0; a < ARRAYS && fan_in > 0; a++) {
        const int64_t size = a == 0 ? k->weights : c;
        if (a == 1 ? i != LAYERS - 1 : a > 1 && i == LAYERS - 1)
            continue; /* a bias, or batch norm */
        k->array[a] = floats(size, &status);
        if (a < 4)
            k->grad[a] = floats(size, &status);
        for (int64_t j = 0; status == NNCF_OK && j < size; j++)
            k->array[a][j] = a == 0 ? uniform(state) * sqrtf(3.0f / (float)fan_in)
                : a == 2 || a == 5  ? 1.0f
                                    : 0.0f;
    }
    return status;
}

static nncf_status add_conv(
    net *n, int i, int64_t in, int kernel, int stride, int64_t groups, nncf_error *err)
{
    node *k = &n->node[i];
    const nncf_batch_norm_params bn = {NNCF_PARAMS(nncf_batch_norm_params), .weight = k->array[2],
        .bias = k->array[3], .weight_grad = k->grad[2], .bias_grad = k->grad[3],
        .running_mean = k->array[4], .running_var = k->array[5]};
    return nncf_model_add_conv2d(n->model,
        &(nncf_conv2d_params){NNCF_PARAMS(nncf_conv2d_params), .scope = scopes[i],
            .weight = k->array[0], .weight_grad = k->grad[0], .in_channels = in,
            .out_channels = k->channels, .kernel = {kernel, kernel}, .stride = {stride, stride},
            .padding = {kernel / 2, kernel / 2}, .groups = (int32_t)groups, .batch_norm = &bn,
            .activation = NNCF_ACTIVATION_RELU6, .inputs = i ? &n->node[i - 1].layer : NULL,
            .n_inputs = i ? 1 : 0},
        &k->layer, err);
}

static nncf_status add_rest(net *n, nncf_error *err)
{
    node *k = &n->node[5];
    nncf_status status = nncf_model_add_pool2d(n->model,
        &(nncf_pool2d_params){NNCF_PARAMS(nncf_pool2d_params), .scope = scopes[4],
            .kind = NNCF_POOL_GLOBAL_AVERAGE, .inputs = &n->node[3].layer, .n_inputs = 1},
        &n->node[4].layer, err);
    if (status != NNCF_OK)
        return status;
    return nncf_model_add_linear(n->model,
        &(nncf_linear_params){NNCF_PARAMS(nncf_linear_params), .scope = scopes[5],
            .weight = k->array[0], .weight_grad = k->grad[0], .bias = k->array[1],
            .bias_grad = k->grad[1], .in_features = n->node[4].channels, .out_features = CLASSES,
            .inputs = &n->node[4].layer, .n_inputs = 1},
        &k->layer, err);
}

nncf_status net_create(net *n, nncf_context *context, int64_t rows, int64_t width, nncf_error *err)
{
    const int64_t half = SIDE / 2;
    uint64_t state = 1;
    memset(n, 0, sizeof *n);
    n->rows = n->mean_rows = rows;
    const int64_t in_shape[4] = {rows, CHANNELS, SIDE, SIDE};
    memcpy(n->in_shape, in_shape, sizeof in_shape);
    n->x = calloc((size_t)count(in_shape), sizeof *n->x);
    n->label = calloc((size_t)rows, sizeof *n->label);
    if (!n->x || !n->label || make_node(n, 0, width, SIDE, CHANNELS * 9, &state) != NNCF_OK ||
        make_node(n, 1, width, SIDE, 9, &state) != NNCF_OK ||
        make_node(n, 2, 2 * width, half, width, &state) != NNCF_OK ||
        make_node(n, 3, 2 * width, half, 2 * width * 9, &state) != NNCF_OK ||
        make_node(n, 4, 2 * width, 1, 0, &state) != NNCF_OK ||
        make_node(n, 5, CLASSES, 1, 2 * width, &state) != NNCF_OK)
        return err->status = NNCF_E_NOMEM;
    nncf_status status = nncf_model_create(context, &n->model, err);
    if (status == NNCF_OK)
        status = add_conv(n, 0, CHANNELS, 3, 1, 1, err);
    if (status == NNCF_OK)
        status = add_conv(n, 1, width, 3, 1, width, err);
    if (status == NNCF_OK)
        status = add_conv(n, 2, width, 1, 2, 1, err);
    if (status == NNCF_OK)
        status = add_conv(n, 3, 2 * width, 3, 1, 1, err);
    return status == NNCF_OK ? add_rest(n, err) : status;
}

nncf_status net_create_replica(net *replica, const net *of, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    *replica = (net){.rows = of->rows, .mean_rows = of->mean_rows};
    memcpy(replica->in_shape, of->in_shape, sizeof of->in_shape);
    replica->x = floats(count(of->in_shape), &status);
    replica->label = calloc((size_t)of->rows, sizeof *replica->label);
    for (int i = 0; i < LAYERS; i++) {
        node *k = &replica->node[i];
        memcpy(k->shape, of->node[i].shape, sizeof k->shape);
        k->y = floats(count(k->shape), &status);
        k->dy = floats(count(k->shape), &status);
    }
    if (status != NNCF_OK || !replica->label)
        return err->status = NNCF_E_NOMEM;
    status = nncf_model_create_replica(of->model, NULL, &replica->model, err);
    for (int i = 0; status == NNCF_OK && i < LAYERS; i++)
        replica->node[i].layer = nncf_model_get_layer(replica->model, (size_t)i);
    return status;
}

void net_destroy(net *n)
{
    nncf_model_destroy(n->model);
    for (int i = 0; i < LAYERS; i++) {
        node *k = &n->node[i];
        free(k->y);
        free(k->dy);
        for (int a = 0; a < ARRAYS; a++)
            free(k->array[a]);
        for (int a = 0; a < 4; a++)
            free(k->grad[a]);
    }
    free(n->x);
    free(n->label);
}

/* A class is a pattern under noise. */
void net_read(net *n, int64_t batch, int64_t first)
{
    const int64_t size = CHANNELS * SIDE * SIDE;
    for (int64_t r = 0; r < n->rows; r++) {
        uint64_t noise = (uint64_t)batch * 1000003 + (uint64_t)(first + r) + 77;
        n->label[r] = (int)(next(&noise) % CLASSES);
        uint64_t pattern = (uint64_t)n->label[r] * 7919;
        for (int64_t i = 0; i < size; i++)
            n->x[r * size + i] = 0.5f * uniform(&pattern) + uniform(&noise);
    }
}

static nncf_tensor view(const net *n, int i, int gradient)
{
    const node *k = i < 0 ? NULL : &n->node[i];
    return (nncf_tensor){.data = !k ? n->x
            : gradient              ? k->dy
                                    : k->y,
        .ndim = i == LAYERS - 1 ? 2 : 4,
        .shape = k ? k->shape : n->in_shape};
}

nncf_status net_forward(net *n, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    for (int i = 0; i < LAYERS && status == NNCF_OK; i++) {
        const nncf_tensor x = view(n, i - 1, 0);
        nncf_tensor y = view(n, i, 0);
        status = nncf_layer_forward(n->node[i].layer, &x, 1, &y, err);
    }
    return status;
}

double net_loss(net *n)
{
    const float *y = n->node[LAYERS - 1].y;
    float *dy = n->node[LAYERS - 1].dy;
    double loss = 0;
    for (int64_t r = 0; r < n->rows; r++, y += CLASSES, dy += CLASSES) {
        double sum = 0;
        for (int c = 0; c < CLASSES; c++)
            sum += exp((double)y[c]);
        for (int c = 0; c < CLASSES; c++)
            dy[c] = (float)((exp((double)y[c]) / sum - (c == n->label[r])) / (double)n->mean_rows);
        loss += log(sum) - (double)y[n->label[r]];
    }
    return loss / (double)n->mean_rows;
}

nncf_status net_backward(net *n, int i, nncf_error *err)
{
    const nncf_tensor x = view(n, i - 1, 0);
    nncf_tensor dy = view(n, i, 1), dx = view(n, i - 1, 1);
    return nncf_layer_backward(n->node[i].layer, &x, 1, &dy, i > 0 ? &dx : NULL, err);
}

void net_zero_grad(net *n)
{
    for (int i = 0; i < LAYERS; i++)
        for (int a = 0; a < 4; a++)
            if (n->node[i].grad[a])
                memset(n->node[i].grad[a], 0,
                    (size_t)(a ? n->node[i].channels : n->node[i].weights) * sizeof(float));
}

void net_update(net *n, float rate)
{
    for (int i = 0; i < LAYERS; i++)
        for (int a = 0; a < 4; a++)
            for (int64_t j = 0;
                 n->node[i].grad[a] && j < (a ? n->node[i].channels : n->node[i].weights); j++)
                n->node[i].array[a][j] -= rate * n->node[i].grad[a][j];
}

size_t net_tensors(net *n, nncf_checkpoint_tensor *tensors)
{
    size_t used = 0;
    for (int i = 0; i < LAYERS; i++)
        for (int a = 0; a < ARRAYS; a++)
            if (n->node[i].array[a])
                tensors[used++] = (nncf_checkpoint_tensor){names[i][a],
                    {.data = n->node[i].array[a],
                        .ndim = 1,
                        .shape = a ? &n->node[i].channels : &n->node[i].weights}};
    return used;
}
