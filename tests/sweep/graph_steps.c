/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of a training program, in any order. */
#include "graph.h"

static const shape *source_shape(const graph *g, int from)
{
    return from < 0 ? &g->input : &g->nodes[from].out;
}

static size_t size_of(int32_t dtype)
{
    return dtype == NNCF_F32 ? sizeof(float) : 1;
}

/* ---- forward ---- */

/* Only layers that were registered behind this one know what its codes mean. */
static bool codes_understood(const graph *g, int index)
{
    for (int i = index + 1; i < g->n_nodes; i++)
        for (int j = 0; j < g->nodes[i].n_in; j++)
            if (g->nodes[i].from[j] == index && (g->nodes[i].kind == HOST || !g->nodes[i].edges))
                return false;
    return true;
}

static int32_t draw_dtype(graph *g, int index)
{
    node *n = &g->nodes[index];
    const quant *q = &n->q[OUTPUT];
    const int32_t codes = nncf_layer_get_output_dtype(n->layer);
    if (codes == NNCF_F32)
        return NNCF_F32;
    CHECK(g->world, !initializing(g), "%s has codes during initialization", n->scope);
    if (q->there)
        CHECK(g->world,
            q->channels == 1 && codes == (q->asymmetric || q->sign == 0 ? NNCF_U8 : NNCF_S8),
            "%s has codes of type %d", n->scope, (int)codes);
    const bool draw = sweep_one_in(g->world->rng, 2);
    if (!draw || !codes_understood(g, index))
        return NNCF_F32;
    /* a maximum has the codes of its input, or none */
    if (!q->there && (n->from[0] < 0 || g->nodes[n->from[0]].y_dtype != codes))
        return NNCF_F32;
    return codes;
}

nncf_tensor source_view(graph *g, int from)
{
    if (from < 0)
        return view(g->x, NNCF_F32, &g->input);
    return view(g->nodes[from].y, g->nodes[from].y_dtype, &g->nodes[from].out);
}

static void keep_running(node *n)
{
    if (!n->has_norm)
        return;
    n->kept.mean = ests(n->n_channels);
    n->kept.inv = ests(n->n_channels);
    for (size_t c = 0; c < n->n_channels; c++) {
        n->kept.mean[c] = exact((double)n->mean[c]);
        n->kept.inv[c] = exact((double)n->var[c]);
    }
}

/* False: it had to be refused, and those behind it have nothing to read. */
static bool forward_node(graph *g, int index)
{
    world *w = g->world;
    node *n = &g->nodes[index];
    const size_t count = count_of(&n->out);
    free_kept(&n->kept);
    n->y_dtype = n->kind == HOST ? NNCF_F32 : draw_dtype(g, index);
    free(n->y);
    n->y = malloc(count * size_of(n->y_dtype));
    memset(n->y, 0xab, count * size_of(n->y_dtype));
    nncf_tensor x[2], y = view(n->y, n->y_dtype, &n->out);
    for (int i = 0; i < n->n_in; i++)
        x[i] = source_view(g, n->from[i]);
    if (n->kind == HOST) {
        const float *const in[2] = {x[0].data, n->n_in == 2 ? x[1].data : NULL};
        host_forward(g, n, in);
    } else {
        int64_t s[NNCF_MAX_NDIM];
        int32_t ndim = 0;
        keep_running(n);
        nncf_status status = nncf_layer_get_output_shape(
            n->layer, x, (size_t)n->n_in, s, NNCF_MAX_NDIM, &ndim, NULL);
        CHECK(w,
            status == NNCF_OK && ndim == n->out.ndim &&
                memcmp(s, n->out.d, (size_t)ndim * sizeof *s) == 0,
            "output shape of %s: %d", n->scope, status);
        const bool refuses = norm_refuses(g, n);
        status = nncf_layer_forward(n->layer, x, (size_t)n->n_in, &y, NULL);
        CHECK(
            w, status == (refuses ? NNCF_E_SHAPE : NNCF_OK), "forward of %s: %d", n->scope, status);
        if (status != NNCF_OK)
            return false;
        g->batch_images = n->in.d[0] > g->batch_images ? n->in.d[0] : g->batch_images;
        check_forward(g, n, x, n->y, n->y_dtype);
    }
    hash_bytes(w, n->y, count * size_of(n->y_dtype));
    return true;
}

void run_forward(graph *g)
{
    fill_random(g->world->rng, g->x, count_of(&g->input), sweep_one_in(g->world->rng, 6) ? 20 : 2);
    g->has_run = true;
    for (int i = 0; i < g->n_nodes && !g->world->failed; i++) {
        if (g->has_run)
            g->has_run = forward_node(g, i);
        else
            g->nodes[i].kept.ready = false;
    }
}

/* ---- backward ---- */

static void add_to_source(graph *g, int from, const float *d, size_t count)
{
    float *to = from < 0 ? g->dx : g->nodes[from].dy;
    for (size_t i = 0; i < count; i++)
        to[i] += d[i];
}

static void backward_layer(graph *g, node *n, bool wanted)
{
    world *w = g->world;
    est *expected[2] = {NULL, NULL};
    const size_t in = count_of(&n->in), out = count_of(&n->out);
    float *dy = floats(out), *dx[2] = {floats(in), floats(in)};
    nncf_tensor x[2], d[2], ty = view(dy, NNCF_F32, &n->out);
    const bool shared = n->kind == ADD && sweep_one_in(w->rng, 8);
    memcpy(dy, n->dy, out * sizeof *dy);
    for (int i = 0; i < n->n_in; i++) {
        x[i] = source_view(g, n->from[i]);
        d[i] = view(dx[shared ? 0 : i], NNCF_F32, source_shape(g, n->from[i]));
    }
    expect_backward(g, n, n->dy, expected);
    nncf_status status =
        nncf_layer_backward(n->layer, x, (size_t)n->n_in, &ty, wanted ? d : NULL, NULL);
    CHECK(w, status == NNCF_OK, "backward of %s: %d", n->scope, status);
    for (int i = 0; i < n->n_in; i++) {
        const float *got = dx[shared ? 0 : i];
        for (size_t j = 0; wanted && j < in; j++)
            check_est(w, "input gradient", n, j, (double)got[j], expected[i][j]);
        if (wanted) {
            hash_bytes(w, got, in * sizeof *got);
            add_to_source(g, n->from[i], got, in);
        }
        free(expected[i]);
    }
    free(dx[0]);
    free(dx[1]);
    free(dy);
}

void run_backward(graph *g)
{
    sweep_rng *r = g->world->rng;
    memset(g->dx, 0, count_of(&g->input) * sizeof *g->dx);
    for (int i = 0; i < g->n_nodes; i++)
        fill_random(r, g->nodes[i].dy, count_of(&g->nodes[i].out), 0.5);
    for (int i = g->n_nodes - 1; i >= 0 && !g->world->failed; i--) {
        node *n = &g->nodes[i];
        if (!n->kept.ready || sweep_one_in(r, 12))
            continue;
        if (n->kind != HOST) {
            backward_layer(g, n, !sweep_one_in(r, 6));
            continue;
        }
        float *dx[2] = {NULL, NULL};
        host_backward(g, n, n->dy, dx);
        for (int j = 0; j < n->n_in; j++) {
            add_to_source(g, n->from[j], dx[j], count_of(source_shape(g, n->from[j])));
            free(dx[j]);
        }
    }
    check_gradients(g, "after backward");
}

static void digest_gradients(graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        if (n->dw)
            hash_bytes(g->world, n->dw, n->n_weight * sizeof(float));
        if (n->dgamma)
            hash_bytes(g->world, n->dgamma, n->n_channels * sizeof(float));
    }
    for (size_t i = 0; g->ctrl && i < nncf_compression_ctrl_get_parameter_count(g->ctrl); i++) {
        nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
        nncf_compression_ctrl_get_parameter(g->ctrl, i, &p, NULL);
        hash_bytes(g->world, p.grad, p.count * sizeof(float));
    }
}

/* ---- the optimizer: moves everything a little, whatever the gradients ---- */

static void jiggle(sweep_rng *r, float *x, size_t n, double by)
{
    for (size_t i = 0; x && i < n; i++)
        x[i] += (float)(by * sweep_unit(r));
}

void optimize(graph *g)
{
    sweep_rng *r = g->world->rng;
    for (int i = 0; i < g->n_nodes; i++) {
        node *n = &g->nodes[i];
        for (size_t j = 0; n->w && j < n->n_weight; j++)
            if (n->w[j] != 0)
                n->w[j] += (float)(0.05 * sweep_unit(r)) * n->w[j];
        jiggle(r, n->b, n->n_channels, 0.05);
        jiggle(r, n->gamma, n->n_channels, 0.05);
        jiggle(r, n->beta, n->n_channels, 0.05);
    }
    for (size_t i = 0; g->ctrl && i < nncf_compression_ctrl_get_parameter_count(g->ctrl); i++) {
        nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
        nncf_compression_ctrl_get_parameter(g->ctrl, i, &p, NULL);
        const bool turn = sweep_one_in(r, 30) && p.kind != NNCF_PARAMETER_MASK_LOGIT;
        for (size_t j = 0; j < p.count && !p.frozen; j++) {
            if (p.kind == NNCF_PARAMETER_MASK_LOGIT)
                p.data[j] += (float)(3 * sweep_unit(r)) - 1;
            else
                p.data[j] *= (turn ? -1 : 1) * (1 + (float)(0.2 * sweep_unit(r)));
        }
    }
    g->has_run = false;
}

/* ---- calls ---- */

static void call_mode(graph *g)
{
    g->mode = sweep_one_in(g->world->rng, 3) ? NNCF_MODE_EVAL : NNCF_MODE_TRAIN;
    note(g->world, " %s", g->mode == NNCF_MODE_EVAL ? "eval" : "train");
    CHECK(g->world, nncf_model_set_mode(g->model, g->mode, NULL) == NNCF_OK, "set_mode");
    CHECK(g->world, nncf_model_get_mode(g->model) == g->mode, "get_mode");
}

static void call_forward(graph *g)
{
    note(g->world, " forward");
    run_forward(g);
}

static void call_backward(graph *g)
{
    if (!g->has_run || g->mode != NNCF_MODE_TRAIN || initializing(g)) {
        call_forward(g);
        return;
    }
    note(g->world, " backward");
    run_backward(g);
    digest_gradients(g);
    /* once more would add the same again; the next call of backward comes behind another forward */
    g->has_run = false;
}

static void call_step(graph *g)
{
    if (!g->ctrl)
        return;
    note(g->world, " step");
    nncf_status status = nncf_compression_ctrl_step(g->ctrl, NULL);
    CHECK(g->world, status == (initializing(g) ? NNCF_E_STATE : NNCF_OK), "step: %d", status);
    if (status == NNCF_OK)
        expect_step(g);
    g->has_run = false;
}

static void call_epoch_step(graph *g)
{
    if (!g->ctrl)
        return;
    note(g->world, " epoch");
    nncf_status status = nncf_compression_ctrl_epoch_step(g->ctrl, NULL);
    CHECK(g->world, status == (initializing(g) ? NNCF_E_STATE : NNCF_OK), "epoch_step: %d", status);
    if (status == NNCF_OK)
        expect_epoch_step(g);
    g->has_run = false;
    check_statistics(g);
}

/* The train loop's body. */
static void call_train(graph *g)
{
    g->mode = NNCF_MODE_TRAIN;
    nncf_model_set_mode(g->model, g->mode, NULL);
    call_forward(g);
    if (g->ctrl && sweep_one_in(g->world->rng, 2)) {
        note(g->world, " loss");
        check_loss(g);
    }
    if (g->world->failed)
        return;
    call_backward(g);
    if (sweep_one_in(g->world->rng, 2)) {
        note(g->world, " optimize");
        optimize(g);
        clear_gradients(g);
    }
    call_step(g);
}

static bool call_init(graph *g)
{
    int32_t more = 7;
    if (!g->ctrl)
        return false;
    note(g->world, " init");
    const bool early =
        g->phase == OBSERVING ? saw_nothing(g) : g->phase == ADAPTING && g->batch_images == 0;
    nncf_status status = nncf_compression_ctrl_init_step(g->ctrl, &more, NULL);
    CHECK(g->world, status == (early ? NNCF_E_STATE : NNCF_OK), "init_step: %d", status);
    CHECK(g->world, status == NNCF_OK || more == 7, "init_step failed and wrote");
    if (status == NNCF_OK)
        expect_init_step(g, more);
    if (status == NNCF_OK) {
        g->has_run = false;
        for (int i = 0; i < g->n_nodes && initializing(g); i++)
            g->nodes[i].kept.ready = false;
    }
    return status == NNCF_OK && more;
}

static void call_init_all(graph *g)
{
    while (!g->world->failed && call_init(g))
        call_forward(g);
}

static void call_eval_twice(graph *g)
{
    g->mode = NNCF_MODE_EVAL;
    nncf_model_set_mode(g->model, g->mode, NULL);
    if (initializing(g))
        return;
    note(g->world, " eval-twice");
    run_forward(g);
    for (int i = 0; i < g->n_nodes && !g->world->failed; i++) {
        node *n = &g->nodes[i];
        if (n->kind == HOST)
            continue;
        const size_t n_bytes = count_of(&n->out) * size_of(n->y_dtype);
        void *again = malloc(n_bytes);
        nncf_tensor x[2], y = view(again, n->y_dtype, &n->out);
        for (int j = 0; j < n->n_in; j++)
            x[j] = source_view(g, n->from[j]);
        nncf_status status = nncf_layer_forward(n->layer, x, (size_t)n->n_in, &y, NULL);
        CHECK(g->world, status == NNCF_OK && memcmp(again, n->y, n_bytes) == 0,
            "%s: eval twice differs", n->scope);
        free(again);
    }
}

static void call_weight(graph *g)
{
    node *n = &g->nodes[sweep_range(g->world->rng, 0, g->n_nodes - 1)];
    if (n->n_weight == 0 || n->kept.ready)
        return;
    note(g->world, " weight");
    check_weight(g, n);
}

static void call_plan(graph *g)
{
    nncf_plan *plan = NULL;
    if (!g->ctrl)
        return;
    note(g->world, " plan");
    nncf_status status = nncf_plan_create(g->model, g->config, &plan, NULL);
    size_t needed = 0;
    nncf_plan_format(plan, NNCF_FORM_JSON, NULL, 0, &needed, NULL);
    char *json = calloc(needed + 1, 1);
    nncf_plan_format(plan, NNCF_FORM_JSON, json, needed, NULL, NULL);
    CHECK(g->world, status == NNCF_OK && strcmp(json, g->plan) == 0, "the plan has changed: %d",
        status);
    free(json);
    nncf_plan_destroy(plan);
}

static void call_shape(graph *g)
{
    sweep_rng *r = g->world->rng;
    const int64_t n = sweep_range(r, 1, 5), h = sweep_range(r, 1, 10),
                  width = sweep_range(r, 1, 10);
    note(g->world, " shape");
    if (!set_input(g, n, h, width))
        set_input(g, n, g->input.d[2], g->input.d[3]);
}

static void call_controller(graph *g)
{
    if (g->ctrl && sweep_one_in(g->world->rng, 2)) {
        note(g->world, " detach");
        detach(g);
        return;
    }
    if (!g->ctrl)
        attach(g);
}

static void call_order(graph *g)
{
    if (!g->ctrl)
        return;
    const bool begun = g->step_begun || g->epoch_begun;
    const int32_t order = sweep_one_in(g->world->rng, 2) ? NNCF_ORDER_BEFORE : NNCF_ORDER_AFTER;
    nncf_status status = nncf_compression_ctrl_set_order(g->ctrl, order, NULL);
    if (status == NNCF_OK)
        g->before = order == NNCF_ORDER_BEFORE;
    if (!begun)
        CHECK(g->world, status == NNCF_OK, "set_order: %d", status);
}

static void call_texts(graph *g)
{
    char small[8];
    size_t needed = 0;
    if (!g->ctrl)
        return;
    check_statistics(g);
    nncf_status status = nncf_compression_ctrl_format_statistics(
        g->ctrl, NNCF_FORM_TEXT, small, sizeof small, &needed, NULL);
    CHECK(g->world,
        status == NNCF_E_BUFFER && needed > sizeof small && memchr(small, 0, sizeof small),
        "text: %d", status);
    char *all = malloc(needed);
    CHECK(g->world,
        nncf_compression_ctrl_format_statistics(g->ctrl, NNCF_FORM_TEXT, all, needed, NULL, NULL) ==
            NNCF_OK,
        "text");
    free(all);
    status =
        nncf_compression_ctrl_format_statistics(g->ctrl, NNCF_FORM_JSON, NULL, 0, &needed, NULL);
    all = malloc(needed);
    CHECK(g->world,
        nncf_compression_ctrl_format_statistics(g->ctrl, NNCF_FORM_JSON, all, needed, NULL, NULL) ==
            NNCF_OK,
        "json: %d", status);
    free(all);
}

void random_call(world *w)
{
    graph *g = &w->graphs[sweep_range(w->rng, 0, w->n_graphs - 1)];
    static const struct {
        int weight;
        void (*call)(graph *);
    } calls[] = {{14, call_train}, {8, call_forward}, {5, call_backward}, {5, call_mode},
        {6, call_step}, {4, call_epoch_step}, {8, call_init_all}, {3, call_eval_twice},
        {4, call_weight}, {3, call_parts}, {2, call_plan}, {3, call_shape}, {4, call_controller},
        {2, call_order}, {2, call_texts}, {4, call_snapshot}, {2, call_twin}, {2, call_stage},
        {1, call_strip}, {2, call_export}, {10, wrong_call}};
    int total = 0;
    if (w->n_graphs > 1)
        note(w, " %d:", g->index);
    if (sweep_one_in(w->rng, 12)) { /* one step only: what follows runs within the initialization */
        call_init(g);
        return;
    }
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        total += calls[i].weight;
    int at = (int)sweep_range(w->rng, 0, total - 1);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (at < calls[i].weight) {
            calls[i].call(g);
            return;
        }
        at -= calls[i].weight;
    }
}
