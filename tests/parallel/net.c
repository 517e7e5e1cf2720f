/* SPDX-License-Identifier: Apache-2.0 */
#include "parallel/net.h"

enum { LINEAR_IN = NET_WIDTH * 4 };

void net_make(net *n, nncf_context *context, const char *config, int flags)
{
    uint64_t state = 5;
    nncf_error err = NNCF_ERROR_INIT;
    const bool norm = !(flags & NET_PLAIN);
    const fx_block blocks[NET_BLOCKS] = {
        {.scope = "Net/Conv2d[a]",
            .in_channels = NET_CHANNELS,
            .out_channels = NET_WIDTH,
            .kernel = {3, 3},
            .padding = {1, 1},
            .batch_norm = norm,
            .bias = !norm,
            .activation = NNCF_ACTIVATION_RELU6},
        {.scope = "Net/Conv2d[b]",
            .in_channels = NET_WIDTH,
            .out_channels = NET_WIDTH,
            .kernel = {3, 3},
            .padding = {1, 1},
            .groups = NET_WIDTH,
            .batch_norm = norm,
            .activation = NNCF_ACTIVATION_RELU},
        {.scope = "Net/Conv2d[c]",
            .in_channels = NET_WIDTH,
            .out_channels = NET_WIDTH,
            .stride = {3, 3},
            .batch_norm = norm},
        {.scope = "Net/Linear[d]",
            .in_channels = LINEAR_IN,
            .out_channels = NET_CLASSES,
            .linear = true,
            .bias = true},
    };
    memset(n, 0, sizeof *n);
    memcpy(n->block, blocks, sizeof blocks);
    n->context = context;
    ck_assert_int_eq(nncf_model_create(context, &n->model, NULL), NNCF_OK);
    nncf_layer *last = NULL;
    for (int i = 0; i < NET_BLOCKS; i++) {
        if (i == 3) {
            const nncf_dropout_params d = {NNCF_PARAMS(nncf_dropout_params),
                .scope = "Net/Dropout[d]", .p = norm ? 0.25f : 0, .inputs = &last, .n_inputs = 1};
            ck_assert_msg(nncf_model_add_dropout(n->model, &d, &n->dropout, &err) == NNCF_OK, "%s",
                err.message);
            last = n->dropout;
        }
        fx_register(n->model, &n->block[i], last, &state);
        last = n->block[i].layer;
    }
    if (config) {
        nncf_config *parsed = fx_config(context, config);
        ck_assert_msg(nncf_compression_ctrl_create(n->model, parsed, &n->ctrl, &err) == NNCF_OK,
            "%s", err.message);
        nncf_config_destroy(parsed);
    }
}

void net_free(net *n)
{
    nncf_compression_ctrl_destroy(n->ctrl);
    nncf_model_destroy(n->model);
    nncf_context_destroy(n->context);
    for (int i = 0; i < NET_BLOCKS; i++)
        fx_release(&n->block[i]);
}

void net_zero_grad(net *n)
{
    for (int i = 0; i < NET_BLOCKS; i++)
        fx_zero_grad(&n->block[i]);
    if (n->ctrl)
        ck_assert_int_eq(nncf_compression_ctrl_zero_grad(n->ctrl, NULL), NNCF_OK);
}

static void descend(float *x, const float *g, size_t n, float rate)
{
    for (size_t i = 0; i < n; i++)
        x[i] -= rate * g[i];
}

void net_update(net *n, float rate)
{
    for (int i = 0; i < NET_BLOCKS; i++) {
        fx_block *k = &n->block[i];
        const size_t c = (size_t)k->out_channels;
        descend(k->w, k->dw, k->weights, rate);
        descend(k->b, k->db, c, rate);
        descend(k->gamma, k->dgamma, c, rate);
        descend(k->beta, k->dbeta, c, rate);
    }
    for (size_t i = 0; n->ctrl && i < nncf_compression_ctrl_get_parameter_count(n->ctrl); i++) {
        const nncf_parameter p = fx_parameter_at(n->ctrl, i);
        const bool logit = p.kind == NNCF_PARAMETER_MASK_LOGIT;
        if (!p.frozen)
            descend(p.data, p.grad, p.count, logit ? 3000 * rate : rate / 10);
    }
}

int64_t net_count(int layer, int64_t rows)
{
    static const int64_t counts[NET_LAYERS] = {NET_WIDTH * NET_SIDE * NET_SIDE,
        NET_WIDTH * NET_SIDE * NET_SIDE, LINEAR_IN, LINEAR_IN, NET_CLASSES};
    return rows * (layer < 0 ? NET_CHANNELS * NET_SIDE * NET_SIDE : counts[layer]);
}

void net_pass_make(net_pass *p, nncf_model *model, int64_t first, int64_t rows)
{
    memset(p, 0, sizeof *p);
    p->model = model;
    p->first = first;
    p->rows = rows;
    p->x = fx_alloc((size_t)net_count(-1, rows), sizeof(float));
    p->dx = fx_alloc((size_t)net_count(-1, rows), sizeof(float));
    for (int i = 0; i < NET_LAYERS; i++) {
        p->y[i] = fx_alloc((size_t)net_count(i, rows), sizeof(float));
        p->d[i] = fx_alloc((size_t)net_count(i, rows), sizeof(float));
    }
}

void net_pass_free(net_pass *p)
{
    free(p->x);
    free(p->dx);
    for (int i = 0; i < NET_LAYERS; i++) {
        free(p->y[i]);
        free(p->d[i]);
    }
}

/* What layer `layer` writes; -1: the input. */
static nncf_tensor *view(const net_pass *p, int layer, bool gradient, fx_tensor *t)
{
    const int64_t shapes[NET_LAYERS + 1][4] = {{p->rows, NET_CHANNELS, NET_SIDE, NET_SIDE},
        {p->rows, NET_WIDTH, NET_SIDE, NET_SIDE}, {p->rows, NET_WIDTH, NET_SIDE, NET_SIDE},
        {p->rows, NET_WIDTH, 2, 2}, {p->rows, NET_WIDTH, 2, 2}, {p->rows, NET_CLASSES, 1, 1}};
    float *data = layer < 0 ? (gradient ? p->dx : p->x) : (gradient ? p->d[layer] : p->y[layer]);
    return fx_view(t, data, layer == NET_LAYERS - 1 ? 2 : 4, shapes[layer + 1]);
}

/* Row `row` of batch `batch`, whoever has it. */
static void fill_row(float *to, int64_t n, uint64_t batch, int64_t row, uint64_t salt)
{
    uint64_t state = batch * 1000 + (uint64_t)row * 10 + salt;
    fx_fill(to, (size_t)n, 1, &state);
}

void net_forward(net_pass *p, uint64_t batch)
{
    nncf_error err = NNCF_ERROR_INIT;
    const int64_t n = net_count(-1, 1);
    fx_tensor x, y;
    for (int64_t r = 0; r < p->rows; r++)
        fill_row(p->x + r * n, n, batch, p->first + r, 1);
    for (int i = 0; i < NET_LAYERS; i++)
        ck_assert_msg(nncf_layer_forward(nncf_model_get_layer(p->model, (size_t)i),
                          view(p, i - 1, false, &x), 1, view(p, i, false, &y), &err) == NNCF_OK,
            "%s", err.message);
}

void net_backward(net_pass *p, uint64_t batch)
{
    nncf_error err = NNCF_ERROR_INIT;
    fx_tensor x, dy, dx;
    for (int64_t r = 0; r < p->rows; r++) {
        float target[NET_CLASSES];
        fill_row(target, NET_CLASSES, batch, p->first + r, 2);
        for (int64_t c = 0, at = r * NET_CLASSES; c < NET_CLASSES; c++)
            p->d[NET_LAYERS - 1][at + c] =
                (p->y[NET_LAYERS - 1][at + c] - target[c]) / (float)p->rows;
    }
    for (int i = NET_LAYERS - 1; i >= 0; i--)
        ck_assert_msg(nncf_layer_backward(nncf_model_get_layer(p->model, (size_t)i),
                          view(p, i - 1, false, &x), 1, view(p, i, true, &dy),
                          view(p, i - 1, true, &dx), &err) == NNCF_OK,
            "%s", err.message);
}
