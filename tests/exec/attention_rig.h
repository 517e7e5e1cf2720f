/* SPDX-License-Identifier: Apache-2.0 */
/* An attention that a host runs as a whole, or registers and runs layer by layer. */
#ifndef NNCF_TESTS_ATTENTION_RIG_H
#define NNCF_TESTS_ATTENTION_RIG_H

#include "support/ctrl.h"
#include "support/fixture.h"

enum {
    B = 2,
    TQ = 3,
    TK = 4,
    C = 8,
    CK = 6,
    HEADS = 2,
    MOST_ROWS = B * TK * C,
    MOST = B * HEADS * TK * TK > MOST_ROWS ? B *HEADS *TK *TK : MOST_ROWS,
    WEIGHTS = C * C,
    PARTS = NNCF_ATTENTION_MERGED + 1
};

/* As they run, and what each reads: parts, or -1 - i for tensor i of the host's. */
static const int order[PARTS] = {NNCF_ATTENTION_Q, NNCF_ATTENTION_Q_HEADS, NNCF_ATTENTION_K,
    NNCF_ATTENTION_K_HEADS, NNCF_ATTENTION_V, NNCF_ATTENTION_V_HEADS, NNCF_ATTENTION_SCORES,
    NNCF_ATTENTION_SOFTMAX, NNCF_ATTENTION_DROPOUT, NNCF_ATTENTION_MIXED, NNCF_ATTENTION_MERGED,
    NNCF_ATTENTION_OUT};

typedef struct options {
    /* tensors that are read; whether a linear layer makes the first of them */
    int n_x;
    bool fed, causal, packed, out, own_names;
    float dropout, factor;
    /* nullable */
    const char *config;
} options;

typedef struct rig {
    fx_context c;
    options o;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    nncf_attention a;
    nncf_layer *feed;
    float feed_w[C * C], feed_dw[C * C];
    float w[4 * WEIGHTS], dw[4 * WEIGHTS], b[4 * C], db[4 * C];
    float x[3][MOST_ROWS], dx[3][MOST_ROWS], input[MOST_ROWS], y[MOST_ROWS], dy[MOST_ROWS];
    /* run one by one: outputs, gradients, shapes */
    bool apart;
    float outputs[PARTS][MOST], gradients[PARTS][MOST];
    int64_t shapes[PARTS][NNCF_MAX_NDIM];
    int32_t ndims[PARTS];
} rig;

static const int64_t x_shapes[3][3] = {{B, TQ, C}, {B, TK, C}, {B, TK, CK}};

/* Of the tensor that input i is: alone, keys are as long as queries. */
static const int64_t *x_shape(const rig *r, int i)
{
    return r->o.n_x == 1 ? x_shapes[1] : x_shapes[i];
}

static inline nncf_tensor x_tensor(const rig *r, int i, float *data)
{
    return (nncf_tensor){.data = data, .ndim = 3, .shape = x_shape(r, i)};
}

static inline size_t x_count(const rig *r, int i)
{
    const int64_t *s = x_shape(r, i);
    return (size_t)(s[0] * s[1] * s[2]);
}

static inline int source(const rig *r, int part)
{
    return part < r->o.n_x ? part : r->o.n_x - 1;
}

/* ---- registration ---- */

static const char *const names[PARTS] = {"Linear[q]", "Linear[k]", "Linear[v]", "Linear[out]",
    "transpose_0", "transpose_1", "transpose_2", "matmul_0", "softmax_0", "dropout_0", "matmul_1",
    "transpose_3"};

static inline nncf_attention_params params_of(rig *r)
{
    nncf_attention_params p = {NNCF_PARAMS(nncf_attention_params), .scope = "Net/Attention[a]",
        .features = C, .heads = HEADS, .packed = r->o.packed, .causal = r->o.causal,
        .dropout = r->o.dropout, .factor = r->o.factor, .n_x = r->o.n_x};
    if (r->o.n_x == 3)
        p.value_features = CK;
    for (int i = 0; i < 4; i++) {
        if ((r->o.packed && (i == 1 || i == 2)) || (i == 3 && !r->o.out))
            continue;
        p.weight[i] = r->w + i * WEIGHTS;
        p.weight_grad[i] = r->dw + i * WEIGHTS;
        p.bias[i] = r->b + i * C;
        p.bias_grad[i] = r->db + i * C;
    }
    if (r->o.own_names)
        p.names[NNCF_ATTENTION_Q] = "Linear[query]";
    return p;
}

/* What a host does without nncf_model_add_attention(). */
static inline void add_by_hand(rig *r)
{
    nncf_error err = NNCF_ERROR_INIT;
    const float factor = r->o.factor != 0 ? r->o.factor : 1 / sqrtf((float)C / HEADS);
    nncf_layer **l = r->a.layers;
    r->a.n_x = r->o.n_x;
    for (int i = 0; i < PARTS; i++) {
        const int part = order[i];
        char scope[64];
        nncf_layer *in[2] = {NULL, NULL};
        size_t n = 0;
        nncf_status status = NNCF_OK;
        snprintf(scope, sizeof scope, "Net/Attention[a]/%s",
            r->o.own_names && part == 0 ? "Linear[query]" : names[part]);
        if ((part == NNCF_ATTENTION_DROPOUT && r->o.dropout == 0) ||
            (part == NNCF_ATTENTION_OUT && !r->o.out))
            continue;
        switch (part) {
        case NNCF_ATTENTION_Q:
        case NNCF_ATTENTION_K:
        case NNCF_ATTENTION_V:
        case NNCF_ATTENTION_OUT: {
            if (part == NNCF_ATTENTION_OUT)
                in[n++] = l[NNCF_ATTENTION_MERGED];
            else if (r->feed)
                in[n++] = r->feed;
            const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = scope,
                .weight = r->w + part * WEIGHTS, .weight_grad = r->dw + part * WEIGHTS,
                .bias = r->b + part * C, .bias_grad = r->db + part * C,
                .in_features = part == NNCF_ATTENTION_V && r->o.n_x == 3 ? CK : C,
                .out_features = C, .inputs = in, .n_inputs = n};
            status = nncf_model_add_linear(r->model, &p, &l[part], &err);
            break;
        }
        case NNCF_ATTENTION_SCORES:
        case NNCF_ATTENTION_MIXED: {
            const bool scores = part == NNCF_ATTENTION_SCORES;
            in[0] = scores         ? l[NNCF_ATTENTION_Q_HEADS]
                : r->o.dropout > 0 ? l[NNCF_ATTENTION_DROPOUT]
                                   : l[NNCF_ATTENTION_SOFTMAX];
            in[1] = l[scores ? NNCF_ATTENTION_K_HEADS : NNCF_ATTENTION_V_HEADS];
            const nncf_matmul_params p = {NNCF_PARAMS(nncf_matmul_params), .scope = scope,
                .transpose_b = scores, .factor = scores ? factor : 1, .inputs = in, .n_inputs = 2};
            status = nncf_model_add_matmul(r->model, &p, &l[part], &err);
            break;
        }
        case NNCF_ATTENTION_SOFTMAX: {
            const nncf_softmax_params p = {NNCF_PARAMS(nncf_softmax_params), .scope = scope,
                .causal = r->o.causal, .inputs = &l[NNCF_ATTENTION_SCORES], .n_inputs = 1};
            status = nncf_model_add_softmax(r->model, &p, &l[part], &err);
            break;
        }
        case NNCF_ATTENTION_DROPOUT: {
            const nncf_dropout_params p = {NNCF_PARAMS(nncf_dropout_params), .scope = scope,
                .p = r->o.dropout, .inputs = &l[NNCF_ATTENTION_SOFTMAX], .n_inputs = 1};
            status = nncf_model_add_dropout(r->model, &p, &l[part], &err);
            break;
        }
        default: {
            const nncf_heads_params p = {NNCF_PARAMS(nncf_heads_params), .scope = scope,
                .heads = HEADS, .merge = part == NNCF_ATTENTION_MERGED,
                .inputs = &l[part == NNCF_ATTENTION_MERGED ? NNCF_ATTENTION_MIXED
                                                           : part - NNCF_ATTENTION_Q_HEADS],
                .n_inputs = 1};
            status = nncf_model_add_heads(r->model, &p, &l[part], &err);
            break;
        }
        }
        ck_assert_msg(status == NNCF_OK, "%s: %s", scope, err.message);
    }
}

static inline void add_whole(rig *r)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_attention_params p = params_of(r);
    nncf_layer *in[3] = {r->feed, r->feed, r->feed};
    if (r->feed) {
        p.inputs = in;
        p.n_inputs = (size_t)r->o.n_x;
    }
    ck_assert_msg(
        nncf_model_add_attention(r->model, &p, &r->a, &err) == NNCF_OK, "%s", err.message);
}

static inline void reserve(rig *r)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_tensor x[3];
    for (int i = 0; i < r->o.n_x; i++)
        x[i] = x_tensor(r, i, r->x[i]);
    ck_assert_msg(nncf_attention_get_sizes(&r->a, x, (size_t)r->o.n_x, NULL, NULL, &r->a.kept_size,
                      &r->a.work_size, &err) == NNCF_OK,
        "%s", err.message);
    r->a.kept = fx_alloc(r->a.kept_size, 1);
    r->a.work = fx_alloc(r->a.work_size, 1);
}

static inline void open_rig(rig *r, options o, bool by_hand)
{
    nncf_error err = NNCF_ERROR_INIT;
    uint64_t state = 11;
    *r = (rig){.o = o, .apart = by_hand, .a = {NNCF_PARAMS(nncf_attention)}};
    fx_open(&r->c, 2, 5);
    fx_fill(r->w, 4 * WEIGHTS, 0.7, &state);
    fx_fill(r->b, 4 * C, 0.3, &state);
    fx_fill(r->feed_w, C * C, 0.7, &state);
    fx_fill(r->input, MOST_ROWS, 1, &state);
    for (int i = 0; i < 3; i++)
        fx_fill(r->x[i], MOST_ROWS, 1, &state);
    ck_assert_int_eq(nncf_model_create(r->c.context, &r->model, NULL), NNCF_OK);
    if (o.fed) {
        const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "Net/Linear[feed]",
            .weight = r->feed_w, .weight_grad = r->feed_dw, .in_features = C, .out_features = C};
        ck_assert_int_eq(nncf_model_add_linear(r->model, &p, &r->feed, &err), NNCF_OK);
    }
    if (by_hand)
        add_by_hand(r);
    else
        add_whole(r);
    if (o.config)
        r->ctrl = fx_ctrl(r->model, o.config);
    reserve(r);
}

static inline void close_rig(rig *r)
{
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
    free(r->a.kept);
    free(r->a.work);
    fx_close(&r->c);
}

/* ---- one by one ---- */

static inline nncf_tensor output_of(rig *r, int part, float (*to)[MOST])
{
    return (nncf_tensor){.data = to[part], .ndim = r->ndims[part], .shape = r->shapes[part]};
}

static inline size_t inputs_of(
    rig *r, int part, nncf_tensor in[2], float (*to)[MOST], bool gradients)
{
    static const int reads[PARTS][2] = {[NNCF_ATTENTION_OUT] = {NNCF_ATTENTION_MERGED, -1},
        [NNCF_ATTENTION_Q_HEADS] = {NNCF_ATTENTION_Q, -1},
        [NNCF_ATTENTION_K_HEADS] = {NNCF_ATTENTION_K, -1},
        [NNCF_ATTENTION_V_HEADS] = {NNCF_ATTENTION_V, -1},
        [NNCF_ATTENTION_SCORES] = {NNCF_ATTENTION_Q_HEADS, NNCF_ATTENTION_K_HEADS},
        [NNCF_ATTENTION_SOFTMAX] = {NNCF_ATTENTION_SCORES, -1},
        [NNCF_ATTENTION_DROPOUT] = {NNCF_ATTENTION_SOFTMAX, -1},
        [NNCF_ATTENTION_MIXED] = {NNCF_ATTENTION_DROPOUT, NNCF_ATTENTION_V_HEADS},
        [NNCF_ATTENTION_MERGED] = {NNCF_ATTENTION_MIXED, -1}};
    if (part <= NNCF_ATTENTION_V) {
        const int i = source(r, part);
        in[0] = x_tensor(r, i, gradients ? r->dx[i] : r->x[i]);
        return 1;
    }
    const int first = reads[part][0] == NNCF_ATTENTION_DROPOUT && r->o.dropout == 0
        ? NNCF_ATTENTION_SOFTMAX
        : reads[part][0];
    in[0] = output_of(r, first, to);
    if (reads[part][1] < 0)
        return 1;
    in[1] = output_of(r, reads[part][1], to);
    return 2;
}

static inline int last_of(const rig *r)
{
    return r->o.out ? NNCF_ATTENTION_OUT : NNCF_ATTENTION_MERGED;
}

static inline void forward_apart(rig *r)
{
    nncf_error err = NNCF_ERROR_INIT;
    for (int i = 0; i < PARTS; i++) {
        const int part = order[i];
        nncf_tensor in[2];
        if (!r->a.layers[part])
            continue;
        const size_t n = inputs_of(r, part, in, r->outputs, false);
        ck_assert_int_eq(nncf_layer_get_output_shape(r->a.layers[part], in, n, r->shapes[part],
                             NNCF_MAX_NDIM, &r->ndims[part], &err),
            NNCF_OK);
        nncf_tensor y = output_of(r, part, r->outputs);
        ck_assert_msg(
            nncf_layer_forward(r->a.layers[part], in, n, &y, &err) == NNCF_OK, "%s", err.message);
    }
    memcpy(r->y, r->outputs[last_of(r)], sizeof r->y);
}

static inline void backward_apart(rig *r)
{
    nncf_error err = NNCF_ERROR_INIT;
    bool written[3] = {false};
    static const int back[PARTS] = {NNCF_ATTENTION_OUT, NNCF_ATTENTION_MERGED, NNCF_ATTENTION_MIXED,
        NNCF_ATTENTION_V_HEADS, NNCF_ATTENTION_V, NNCF_ATTENTION_DROPOUT, NNCF_ATTENTION_SOFTMAX,
        NNCF_ATTENTION_SCORES, NNCF_ATTENTION_K_HEADS, NNCF_ATTENTION_K, NNCF_ATTENTION_Q_HEADS,
        NNCF_ATTENTION_Q};
    memcpy(r->gradients[last_of(r)], r->dy, sizeof r->dy);
    for (int i = 0; i < PARTS; i++) {
        const int part = back[i];
        nncf_tensor in[2], dx[2], dy = output_of(r, part, r->gradients);
        float sum[MOST_ROWS];
        if (!r->a.layers[part])
            continue;
        const size_t n = inputs_of(r, part, in, r->outputs, false);
        inputs_of(r, part, dx, r->gradients, true);
        const int from = part <= NNCF_ATTENTION_V ? source(r, part) : -1;
        if (from >= 0 && written[from])
            dx[0].data = sum;
        ck_assert_msg(nncf_layer_backward(r->a.layers[part], in, n, &dy, dx, &err) == NNCF_OK, "%s",
            err.message);
        for (size_t k = 0; from >= 0 && written[from] && k < x_count(r, from); k++)
            r->dx[from][k] += sum[k];
        if (from >= 0)
            written[from] = true;
    }
}

/* ---- either way ---- */

static inline void forward(rig *r)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_tensor x[3], y = x_tensor(r, 0, r->y);
    if (r->feed) {
        nncf_tensor in = x_tensor(r, 0, r->input), out = x_tensor(r, 0, r->x[0]);
        ck_assert_msg(
            nncf_layer_forward(r->feed, &in, 1, &out, &err) == NNCF_OK, "%s", err.message);
    }
    for (int i = 0; i < r->o.n_x; i++)
        x[i] = x_tensor(r, i, r->x[i]);
    if (r->apart)
        forward_apart(r);
    else
        ck_assert_msg(nncf_attention_forward(&r->a, x, (size_t)r->o.n_x, &y, &err) == NNCF_OK, "%s",
            err.message);
}

static inline void backward(rig *r)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_tensor x[3], dx[3], dy = x_tensor(r, 0, r->dy);
    for (int i = 0; i < r->o.n_x; i++) {
        x[i] = x_tensor(r, i, r->x[i]);
        dx[i] = x_tensor(r, i, r->dx[i]);
    }
    if (r->apart)
        backward_apart(r);
    else
        ck_assert_msg(nncf_attention_backward(&r->a, x, (size_t)r->o.n_x, &dy, dx, &err) == NNCF_OK,
            "%s", err.message);
    if (r->feed) {
        nncf_tensor in = x_tensor(r, 0, r->input), d = x_tensor(r, 0, r->dx[0]);
        ck_assert_msg(
            nncf_layer_backward(r->feed, &in, 1, &d, NULL, &err) == NNCF_OK, "%s", err.message);
    }
}

static inline void init(rig *r)
{
    int32_t more = 1;
    nncf_error err = NNCF_ERROR_INIT;
    while (r->ctrl) {
        ck_assert_msg(
            nncf_compression_ctrl_init_step(r->ctrl, &more, &err) == NNCF_OK, "%s", err.message);
        if (!more)
            break;
        forward(r);
    }
}

/* A step of gradient descent on everything that is trained. */
static inline void step(rig *r, uint64_t seed)
{
    fx_fill_from(r->dy, MOST_ROWS, seed);
    forward(r);
    backward(r);
    for (size_t i = 0; r->ctrl && i < nncf_compression_ctrl_get_parameter_count(r->ctrl); i++) {
        nncf_parameter p = fx_parameter_at(r->ctrl, i);
        for (size_t k = 0; k < p.count; k++)
            p.data[k] -= 0.01f * p.grad[k];
    }
    for (int i = 0; i < 4 * WEIGHTS; i++)
        r->w[i] -= 0.05f * r->dw[i];
    if (r->ctrl)
        ck_assert_int_eq(nncf_compression_ctrl_step(r->ctrl, NULL), NNCF_OK);
}

#define INT8_LEGACY                                                                                \
    "{\"input_info\": {\"sample_size\": [1, 4, 8]}, \"compression\": {\"algorithm\": "             \
    "\"quantization\", \"initializer\": {\"num_init_steps\": 1, \"type\": \"min_max\"}}}"
#define INT8_PROPAGATION                                                                           \
    "{\"nncf_dialect\": \"1.7\", \"target_device\": \"NONE\", \"input_info\": {\"sample_size\": "  \
    "[1, 4, 8]}, \"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"range\": " \
    "{\"num_init_samples\": 2, \"type\": \"min_max\"}, \"batchnorm_adaptation\": "                 \
    "{\"num_bn_adaptation_samples\": 0}}}}"

static inline void same(const char *what, int at, const void *a, const void *b, size_t bytes)
{
    ck_assert_msg(memcmp(a, b, bytes) == 0, "case %d: %s differ", at, what);
}

#endif
