/* SPDX-License-Identifier: Apache-2.0 */
/* Random graphs: drawn, registered, given buffers of exactly their size. */
#include "graph.h"

nncf_tensor view(void *data, int32_t dtype, const shape *s)
{
    return (nncf_tensor){.data = data, .dtype = dtype, .ndim = s->ndim, .shape = s->d};
}

static shape make_shape(int32_t ndim, int64_t n, int64_t c, int64_t h, int64_t width)
{
    return (shape){ndim, {n, c, h, width}};
}

static int64_t features(const shape *s)
{
    return s->d[1] * s->d[2] * s->d[3];
}

static bool same(const shape *a, const shape *b)
{
    return memcmp(a->d, b->d, sizeof a->d) == 0;
}

static bool has_weight(const node *n)
{
    return n->n_weight > 0;
}

static int64_t window(
    int64_t size, int32_t kernel, int32_t stride, int32_t padding, int32_t dilation)
{
    int64_t room = size + 2 * padding - (dilation * (kernel - 1) + 1);
    return room < 0 ? 0 : room / stride + 1;
}

static const shape *source(const graph *g, int from)
{
    return from < 0 ? &g->input : &g->nodes[from].out;
}

/* Shapes of a node from those of its sources; false: they do not fit. */
static bool infer(const graph *g, node *n)
{
    const shape in = *source(g, n->from[0]);
    shape out = in;
    n->in = in;
    if (n->in_channels && n->in_channels != in.d[1])
        return false;
    if (n->n_in == 2) {
        const shape *other = source(g, n->from[1]);
        bool joins = n->kind == HOST && n->op == NNCF_OP_CONCAT;
        if (other->ndim != in.ndim || other->d[0] != in.d[0] || other->d[2] != in.d[2] ||
            other->d[3] != in.d[3] || (!joins && other->d[1] != in.d[1]))
            return false;
        if (joins)
            out.d[1] += other->d[1];
    }
    if (n->kind == LINEAR || (n->kind == HOST && has_weight(n))) {
        if ((size_t)features(&in) * n->n_channels != n->n_weight)
            return false;
        out = make_shape(2, in.d[0], (int64_t)n->n_channels, 1, 1);
    } else if (n->kind == HOST && n->op == NNCF_OP_FLATTEN) {
        out = make_shape(2, in.d[0], features(&in), 1, 1);
    } else if (n->kind == CONV ||
        (n->kind == POOL && (n->pool == NNCF_POOL_AVERAGE || n->pool == NNCF_POOL_MAX))) {
        out.ndim = 4;
        for (int i = 0; i < 2; i++) {
            out.d[2 + i] = window(in.d[2 + i], n->kernel[i], n->stride[i], n->padding[i],
                n->kind == CONV ? n->dilation[i] : 1);
            if (out.d[2 + i] < 1)
                return false;
        }
        if (n->kind == CONV)
            out.d[1] = n->out_channels;
    } else if (n->kind == POOL) {
        out.ndim = 4;
        if (n->pool != NNCF_POOL_MEAN_COLUMNS)
            out.d[2] = 1;
        if (n->pool != NNCF_POOL_MEAN_ROWS)
            out.d[3] = 1;
    }
    n->out = out;
    if (n->has_norm &&
        out.d[0] * out.d[2] * out.d[3] ==
            1) /* one value a channel: forward in train mode refuses it */
        return false;
    return features(&out) <= 4096;
}

void free_kept(kept *k)
{
    void *const all[] = {k->x[0], k->x[1], k->w, k->masked, k->z, k->v, k->a, k->mean, k->inv,
        k->keep, k->raw[0], k->raw[1], k->used[0], k->used[1], k->host, k->weight};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    *k = (kept){0};
}

/* ---- buffers ---- */

static void *exactly(void *old, size_t n_bytes)
{
    free(old);
    void *p = calloc(1, n_bytes);
    if (!p)
        abort();
    return p;
}

static void size_buffers(graph *g)
{
    g->x = exactly(g->x, count_of(&g->input) * sizeof(float));
    g->dx = exactly(g->dx, count_of(&g->input) * sizeof(float));
    fill_random(g->world->rng, g->x, count_of(&g->input), 2);
    for (int i = 0; i < g->n_nodes; i++) {
        node *n = &g->nodes[i];
        n->y = exactly(n->y, count_of(&n->out) * sizeof(float));
        n->y_dtype = NNCF_F32;
        n->dy = exactly(n->dy, count_of(&n->out) * sizeof(float));
        free_kept(&n->kept);
    }
    g->has_run = false;
}

bool set_input(graph *g, int64_t n, int64_t h, int64_t width)
{
    const shape before = g->input;
    g->input = make_shape(4, n, before.d[1], h, width);
    for (int i = 0; i < g->n_nodes; i++) {
        if (infer(g, &g->nodes[i]))
            continue;
        g->input = before;
        for (int j = 0; j < g->n_nodes; j++)
            infer(g, &g->nodes[j]);
        return false;
    }
    size_buffers(g);
    return true;
}

static void make_parameters(sweep_rng *r, node *n)
{
    if (has_weight(n)) {
        double scale = 1.5 / sqrt((double)(n->n_weight / n->n_channels));
        n->w = floats(n->n_weight);
        fill_random(r, n->w, n->n_weight, scale * (sweep_one_in(r, 8) ? 8 : 1));
        if (sweep_one_in(r, 3)) /* something for const_sparsity to keep */
            for (size_t i = 0; i < n->n_weight; i++)
                if (sweep_one_in(r, 3))
                    n->w[i] = 0;
        if (sweep_one_in(r, 12)) /* no sign */
            for (size_t i = 0; i < n->n_weight; i++)
                n->w[i] = fabsf(n->w[i]);
        if (!sweep_one_in(r, 8)) {
            n->dw = floats(n->n_weight);
            n->e_dw = ests(n->n_weight);
        }
        n->e_logit = ests(n->n_weight);
        n->bits = calloc(n->n_weight, 1);
        if (sweep_one_in(r, 2)) {
            n->b = floats(n->n_channels);
            fill_random(r, n->b, n->n_channels, 0.5);
            if (!sweep_one_in(r, 6)) {
                n->db = floats(n->n_channels);
                n->e_db = ests(n->n_channels);
            }
        }
    }
    if (!n->has_norm)
        return;
    const size_t c = n->n_channels;
    n->mean = floats(c);
    n->var = floats(c);
    fill_random(r, n->mean, c, 0.3);
    for (size_t i = 0; i < c; i++)
        n->var[i] = (float)(1.1 + sweep_unit(r));
    if (!sweep_one_in(r, 6)) {
        n->gamma = floats(c);
        for (size_t i = 0; i < c; i++)
            n->gamma[i] = (float)(sweep_one_in(r, 6) ? sweep_unit(r) : 1 + 0.4 * sweep_unit(r));
        if (!sweep_one_in(r, 6)) {
            n->dgamma = floats(c);
            n->e_dgamma = ests(c);
        }
    }
    if (!sweep_one_in(r, 6)) {
        n->beta = floats(c);
        fill_random(r, n->beta, c, 0.7);
        if (!sweep_one_in(r, 6)) {
            n->dbeta = floats(c);
            n->e_dbeta = ests(c);
        }
    }
    n->eps = sweep_one_in(r, 3) ? 1e-3f : 0;
    n->momentum = sweep_one_in(r, 3) ? 0.3f : 0;
}

/* ---- drawing ---- */

static int32_t draw_activation(sweep_rng *r)
{
    static const int32_t all[] = {
        NNCF_ACTIVATION_NONE, NNCF_ACTIVATION_RELU, NNCF_ACTIVATION_RELU, NNCF_ACTIVATION_RELU6};
    return SWEEP_PICK(r, all);
}

static void draw_window(sweep_rng *r, node *n)
{
    static const int32_t kernels[] = {1, 1, 2, 3, 3, 3, 5};
    bool square = !sweep_one_in(r, 3);
    for (int i = 0; i < 2; i++) {
        if (i == 1 && square) {
            n->kernel[1] = n->kernel[0];
            n->stride[1] = n->stride[0];
            n->padding[1] = n->padding[0];
            n->dilation[1] = n->dilation[0];
            break;
        }
        n->kernel[i] = SWEEP_PICK(r, kernels);
        n->stride[i] = sweep_one_in(r, 2) ? (int32_t)sweep_range(r, 1, 3) : 1;
        n->padding[i] =
            (int32_t)sweep_range(r, 0, n->kind == POOL ? n->kernel[i] / 2 : n->kernel[i]);
        n->dilation[i] = sweep_one_in(r, 6) ? 2 : 1;
    }
}

static void draw_conv(sweep_rng *r, node *n, const shape *in)
{
    const int64_t c = in->d[1];
    draw_window(r, n);
    n->groups = 1;
    n->out_channels = sweep_range(r, 1, 9);
    if (sweep_one_in(r, 3)) { /* depthwise */
        n->groups = c;
        n->out_channels = c * (sweep_one_in(r, 4) ? 2 : 1);
    } else if (sweep_one_in(r, 4) && c % 2 == 0) {
        n->groups = 2;
        n->out_channels = 2 * sweep_range(r, 1, 4);
    }
    n->weight_ndim = 4;
    const int64_t s[4] = {n->out_channels, c / n->groups, n->kernel[0], n->kernel[1]};
    memcpy(n->weight_shape, s, sizeof s);
}

static const struct {
    int32_t op;
    const char *class, *name;
} host_ops[] = {{NNCF_OP_RELU, "ReLU", "RELU"}, {NNCF_OP_RELU6, "ReLU6", "hardtanh"},
    {NNCF_OP_SIGMOID, "Sigmoid", "sigmoid"}, {NNCF_OP_TANH, "Tanh", "tanh"},
    {NNCF_OP_DROPOUT, "Dropout", "dropout"}, {NNCF_OP_OTHER, "Other", "other"},
    {NNCF_OP_FLATTEN, NULL, "flatten"}, {NNCF_OP_RESHAPE, NULL, "view"},
    {NNCF_OP_BATCH_NORM, "BatchNorm2d", "batch_norm"}, {NNCF_OP_MUL, NULL, "__mul__"},
    {NNCF_OP_ADD, NULL, "__add__"}, {NNCF_OP_SUB, NULL, "__sub__"}, {NNCF_OP_CONCAT, NULL, "cat"},
    {NNCF_OP_LINEAR, "Linear", "linear"}, {NNCF_OP_CONV1D, "Conv1d", "conv1d"},
    {NNCF_OP_CONV2D, "Conv2d", "conv2d"},
    {NNCF_OP_CONV_TRANSPOSE2D, "ConvTranspose2d", "conv_transpose2d"}};

static bool draw_host(sweep_rng *r, node *n, const shape *in, int index)
{
    const size_t k = (size_t)sweep_range(r, 0, (int64_t)(sizeof host_ops / sizeof *host_ops) - 1);
    const int64_t out = sweep_range(r, 1, 6), c = in->d[1];
    n->op = host_ops[k].op;
    if (host_ops[k].class)
        snprintf(n->scope, sizeof n->scope, "Net/%s[h%d]", host_ops[k].class, index);
    else
        snprintf(n->scope, sizeof n->scope, "Net/Block[b%d]/%s_0", index, host_ops[k].name);
    n->n_in = n->op == NNCF_OP_MUL || n->op == NNCF_OP_ADD || n->op == NNCF_OP_SUB ||
            n->op == NNCF_OP_CONCAT
        ? 2
        : 1;
    /* kernels as large as the plane */
    const int64_t linear[2] = {out, features(in)}, conv1d[3] = {out, c, in->d[2] * in->d[3]},
                  conv2d[4] = {out, c, in->d[2], in->d[3]},
                  transposed[4] = {c, out, in->d[2], in->d[3]};
    n->weight_ndim = n->op == NNCF_OP_LINEAR ? 2 : n->op == NNCF_OP_CONV1D ? 3 : 4;
    const int64_t *s = n->op == NNCF_OP_LINEAR ? linear
        : n->op == NNCF_OP_CONV1D              ? conv1d
        : n->op == NNCF_OP_CONV2D              ? conv2d
        : n->op == NNCF_OP_CONV_TRANSPOSE2D    ? transposed
                                               : NULL;
    if (s)
        memcpy(n->weight_shape, s, (size_t)n->weight_ndim * sizeof *s);
    else
        n->weight_ndim = 0;
    return n->op != NNCF_OP_LINEAR ||
        in->d[2] * in->d[3] == 1; /* a host's linear layer reads rows of features */
}

static bool draw_node(sweep_rng *r, graph *g, int index)
{
    static const enum kind kinds[] = {CONV, CONV, CONV, CONV, LINEAR, ADD, ADD, POOL, HOST, HOST};
    node *n = &g->nodes[index];
    *n = (node){.kind = SWEEP_PICK(r, kinds), .n_in = 1, .groups = 1};
    for (int i = 0; i < 2; i++)
        n->from[i] = sweep_one_in(r, 4) ? (int)sweep_range(r, -1, index - 1) : index - 1;
    const shape *in = source(g, n->from[0]);
    if (n->kind == ADD) {
        snprintf(n->scope, sizeof n->scope, "Net/Block[b%d]/__add___0", index);
        n->n_in = 2;
        n->activation = draw_activation(r);
    } else if (n->kind == CONV) {
        snprintf(n->scope, sizeof n->scope, "Net/Block[b%d]/Conv2d[c]", index);
        draw_conv(r, n, in);
    } else if (n->kind == LINEAR) {
        snprintf(n->scope, sizeof n->scope, "Net/Linear[l%d]", index);
        n->weight_ndim = 2;
        n->out_channels = sweep_range(r, 1, 7);
        n->weight_shape[0] = n->out_channels;
        n->weight_shape[1] = features(in);
    } else if (n->kind == POOL) {
        snprintf(n->scope, sizeof n->scope, "Net/Pool[p%d]", index);
        n->pool = (int32_t)sweep_range(r, NNCF_POOL_GLOBAL_AVERAGE, NNCF_POOL_MEAN_COLUMNS);
        draw_window(r, n);
    } else if (!draw_host(r, n, in, index)) {
        return false;
    }
    if (n->kind == CONV || n->kind == LINEAR) {
        n->activation = draw_activation(r);
        n->has_norm = sweep_one_in(r, 2);
    }
    if (n->weight_ndim > 0) {
        n->n_weight = 1;
        for (int i = 0; i < n->weight_ndim; i++)
            n->n_weight *= (size_t)n->weight_shape[i];
        bool second = n->kind == HOST && n->op == NNCF_OP_CONV_TRANSPOSE2D;
        n->n_channels = (size_t)n->weight_shape[second ? 1 : 0];
        n->axis_inner = second ? (size_t)(n->weight_shape[2] * n->weight_shape[3]) : 0;
    }
    if (n->n_in == 2) /* another source of the same shape, if there is one */
        for (int i = 0; i < 6 && !same(in, source(g, n->from[1])); i++)
            n->from[1] = (int)sweep_range(r, -1, index - 1);
    return infer(g, n);
}

size_t channel_of_weight(const node *n, size_t i)
{
    return n->axis_inner ? i / n->axis_inner % n->n_channels : i / (n->n_weight / n->n_channels);
}

/* ---- registering ---- */

static nncf_status add_node(graph *g, node *n, nncf_error *err)
{
    nncf_layer *in[2] = {NULL, NULL};
    for (int i = 0; i < n->n_in && n->edges; i++)
        in[i] = g->nodes[n->from[i]].layer;
    const size_t n_inputs = n->edges ? (size_t)n->n_in : 0;
    nncf_batch_norm_params bn = {NNCF_PARAMS(nncf_batch_norm_params), .weight = n->gamma,
        .bias = n->beta, .weight_grad = n->dgamma, .bias_grad = n->dbeta, .running_mean = n->mean,
        .running_var = n->var, .eps = n->eps, .momentum = n->momentum};
    const nncf_batch_norm_params *norm = n->has_norm ? &bn : NULL;
    if (n->kind == CONV) {
        nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = n->scope, .weight = n->w,
            .weight_grad = n->dw, .bias = n->b, .bias_grad = n->db, .in_channels = n->in.d[1],
            .out_channels = n->out_channels, .kernel = {n->kernel[0], n->kernel[1]},
            .stride = {n->stride[0], n->stride[1]}, .padding = {n->padding[0], n->padding[1]},
            .dilation = {n->dilation[0], n->dilation[1]}, .groups = (int32_t)n->groups,
            .activation = n->activation, .batch_norm = norm, .inputs = in, .n_inputs = n_inputs};
        return nncf_model_add_conv2d(g->model, &p, &n->layer, err);
    }
    if (n->kind == LINEAR) {
        nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = n->scope, .weight = n->w,
            .weight_grad = n->dw, .bias = n->b, .bias_grad = n->db,
            .in_features = n->weight_shape[1], .out_features = n->out_channels,
            .activation = n->activation, .batch_norm = norm, .inputs = in, .n_inputs = n_inputs};
        return nncf_model_add_linear(g->model, &p, &n->layer, err);
    }
    if (n->kind == ADD) {
        nncf_sum_params p = {NNCF_PARAMS(nncf_sum_params), .scope = n->scope,
            .activation = n->activation, .inputs = in, .n_inputs = n_inputs};
        return nncf_model_add_sum(g->model, &p, &n->layer, err);
    }
    if (n->kind == POOL) {
        bool global = n->pool != NNCF_POOL_AVERAGE &&
            n->pool != NNCF_POOL_MAX; /* takes the whole plane, row or column */
        nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = n->scope, .kind = n->pool,
            .kernel = {global ? 0 : n->kernel[0], global ? 0 : n->kernel[1]},
            .stride = {global ? 0 : n->stride[0], global ? 0 : n->stride[1]},
            .padding = {global ? 0 : n->padding[0], global ? 0 : n->padding[1]}, .inputs = in,
            .n_inputs = n_inputs};
        return nncf_model_add_pool2d(g->model, &p, &n->layer, err);
    }
    nncf_op_params p = {NNCF_PARAMS(nncf_op_params), .scope = n->scope, .op = n->op,
        .weight_ndim = n->weight_ndim, .weight_shape = n->weight_shape, .weight = n->w,
        .weight_grad = n->dw, .channels = n->out.d[1],
        .axis = n->op == NNCF_OP_CONCAT || n->op == NNCF_OP_FLATTEN ? 1 : 0, .inputs = in,
        .n_inputs = n_inputs};
    return nncf_model_add_op(g->model, &p, &n->layer, err);
}

void register_graph(graph *g)
{
    world *w = g->world;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status = nncf_model_create(w->context, &g->model, &err);
    CHECK(w, status == NNCF_OK, "model: %s", err.message);
    for (int i = 0; i < g->n_nodes; i++) {
        status = add_node(g, &g->nodes[i], &err);
        CHECK(w, status == NNCF_OK, "registration of %s: %s", g->nodes[i].scope, err.message);
    }
}

void make_graph(world *w, graph *g)
{
    sweep_rng *r = w->rng;
    static const int64_t sizes[] = {
        1, 1, 2, 3, 4, 5, 7, 9}; /* narrow ones have corners of their own */
    static const int64_t channels[] = {1, 2, 3, 4, 4, 5, 8, 16, 17};
    g->world = w;
    const int style = (int)sweep_range(r, 0, 5); /* of edges: 0 none, 1 some, else all */
    const int wanted = (int)sweep_range(r, 2, MAX_NODES - 1);
    const int64_t h = SWEEP_PICK(r, sizes), width = SWEEP_PICK(r, sizes);
    g->input = make_shape(
        4, sweep_one_in(r, 5) ? 1 : sweep_range(r, 2, 4), SWEEP_PICK(r, channels), h, width);
    for (int tries = 0; g->n_nodes < wanted && tries < 200; tries++)
        g->n_nodes += draw_node(r, g, g->n_nodes);
    for (int i = 0; i < g->n_nodes; i++) {
        node *n = &g->nodes[i];
        n->edges = style > 1 || (style == 1 && sweep_one_in(r, 2));
        for (int j = 0; j < n->n_in; j++)
            n->edges = n->edges && n->from[j] >= 0;
        make_parameters(r, n);
    }
    size_buffers(g);
    register_graph(g);
    for (int i = 0; i < g->n_nodes; i++)
        g->nodes[i].in_channels = g->nodes[i].in.d[1];
}

void drop_graph(graph *g)
{
    detach(g);
    nncf_model_destroy(g->model);
    for (int i = 0; i < g->n_nodes; i++) {
        node *n = &g->nodes[i];
        void *const all[] = {n->w, n->b, n->gamma, n->beta, n->mean, n->var, n->dw, n->db,
            n->dgamma, n->dbeta, n->e_dw, n->e_db, n->e_dgamma, n->e_dbeta, n->e_logit, n->bits,
            n->y, n->dy};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            free(all[j]);
        free_kept(&n->kept);
    }
    free(g->x);
    free(g->dx);
    *g = (graph){0};
}
