/* SPDX-License-Identifier: Apache-2.0 */
/* Operators that the host runs, with the library's parts: compressed weight, quantized input and
 * output. */
#include "graph.h"

/* y of an element, and its derivative for each of two inputs. */
static float element(const node *n, float a, float b, size_t channel, float d[2])
{
    d[0] = 1;
    d[1] = 0;
    switch (n->op) {
    case NNCF_OP_RELU:
        d[0] = a > 0;
        return a > 0 ? a : 0;
    case NNCF_OP_RELU6:
        d[0] = a > 0 && a < 6;
        return fminf(fmaxf(a, 0), 6);
    case NNCF_OP_SIGMOID: {
        float y = 1 / (1 + expf(-(a + 0.1f))); /* 1/2 at 0 would be a tie of many quantizers */
        d[0] = y * (1 - y);
        return y;
    }
    case NNCF_OP_TANH: {
        float y = tanhf(a);
        d[0] = 1 - y * y;
        return y;
    }
    case NNCF_OP_DROPOUT:
        d[0] = 1.25f;
        return 1.25f * a;
    case NNCF_OP_OTHER:
        d[0] = 0.5f;
        return 0.5f * a + 0.1234567f; /* no multiple of anything: 0.1 is a tie of 1 / 15 */
    case NNCF_OP_BATCH_NORM:
        d[0] = 0.5f + 0.1f * (float)channel;
        return d[0] * a - 0.2345678f;
    case NNCF_OP_MUL:
        d[0] = b;
        d[1] = a;
        return a * b;
    case NNCF_OP_ADD:
        d[1] = 1;
        return a + b;
    case NNCF_OP_SUB:
        d[1] = -1;
        return a - b;
    default:
        return a;
    }
}

/* Where an element of input i of a concatenation comes out. */
static size_t joined(const graph *g, const node *n, int input, size_t i)
{
    const size_t hw = (size_t)(n->out.d[2] * n->out.d[3]);
    const size_t first = (size_t)n->in.d[1] * hw, all = (size_t)n->out.d[1] * hw,
                 own = input ? all - first : first;
    (void)g;
    return i / own * all + (input ? first : 0) + i % own;
}

static size_t input_count(const graph *g, const node *n, int input)
{
    const shape *s = n->from[input] < 0 ? &g->input : &g->nodes[n->from[input]].out;
    return count_of(s);
}

static const shape *input_shape(const graph *g, const node *n, int input)
{
    return n->from[input] < 0 ? &g->input : &g->nodes[n->from[input]].out;
}

static size_t weight_at(const node *n, size_t channel, size_t j)
{
    if (n->axis_inner)
        return (j / n->axis_inner * n->n_channels + channel) * n->axis_inner + j % n->axis_inner;
    return channel * (n->n_weight / n->n_channels) + j;
}

static void saw(graph *g, int64_t images)
{
    g->batch_images = images > g->batch_images ? images : g->batch_images;
}

static void quantize_in(graph *g, node *n, int i, const float *x)
{
    world *w = g->world;
    const shape *s = input_shape(g, n, i);
    const size_t count = count_of(s);
    kept *k = &n->kept;
    quant *q = &n->q[INPUT];
    k->raw[i] = floats(count);
    k->used[i] = floats(count);
    memcpy(k->raw[i], x, count * sizeof *x);
    memcpy(k->used[i], x, count * sizeof *x);
    if (!q->there && sweep_one_in(w->rng, 2))
        return;
    const bool in_place = sweep_one_in(w->rng, 2);
    nncf_tensor from = view(in_place ? k->used[i] : k->raw[i], NNCF_F32, s),
                to = view(k->used[i], NNCF_F32, s);
    nncf_status status = nncf_layer_quantize_input(n->layer, &from, &to, NULL);
    CHECK(w, status == NNCF_OK, "quantize_input of %s: %d", n->scope, status);
    saw(g, s->d[0]);
    est *a = ests(count);
    for (size_t j = 0; j < count; j++)
        a[j] = exact((double)x[j]);
    check_quantized(g, "quantized input", n, q, INPUT, a, s, k->used[i], NNCF_F32);
    free(a);
    observe(g, n, INPUT, x, s);
}

static void host_product(node *n)
{
    const size_t f = n->n_weight / n->n_channels, count = count_of(&n->out);
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        for (size_t j = 0; j < f; j++)
            sum += (double)n->kept.weight[weight_at(n, i % n->n_channels, j)] *
                (double)n->kept.used[0][i / n->n_channels * f + j];
        n->kept.host[i] = (float)sum;
    }
}

void check_weight(graph *g, node *n)
{
    world *w = g->world;
    quant *q = &n->q[WEIGHT];
    float *got = floats(n->n_weight);
    nncf_status status = nncf_layer_compress_weight(n->layer, got, NULL);
    CHECK(w, status == NNCF_OK, "compress_weight of %s: %d", n->scope, status);
    weight_used(g);
    expect_weight(g, n);
    for (size_t i = 0; i < n->n_weight; i++) {
        const est e = n->kept.w[i];
        check_est(w, "compressed weight", n, i, (double)got[i], e);
        if (!q->there || g->phase == OBSERVING)
            continue;
        const grid of = grid_of(q, q->channels > 1 ? channel_of_weight(n, i) : 0, true);
        const double code = rint((double)got[i] / of.step);
        CHECK(w, fabs((double)got[i] - code * of.step) <= 2e-7 * fabs((double)got[i]),
            "weight of %s [%zu]: %.9g is no multiple of %.9g", n->scope, i, (double)got[i],
            of.step);
    }
    hash_bytes(w, got, n->n_weight * sizeof *got);
    free(n->kept.weight);
    n->kept.weight = got;
}

void host_forward(graph *g, node *n, const float *const x[2])
{
    world *w = g->world;
    const size_t count = count_of(&n->out);
    kept *k = &n->kept;
    for (int i = 0; i < n->n_in; i++)
        quantize_in(g, n, i, x[i]);
    k->host = floats(count);
    if (n->n_weight) {
        check_weight(g, n);
        host_product(n);
    } else if (n->op == NNCF_OP_CONCAT) {
        for (int i = 0; i < 2; i++)
            for (size_t j = 0; j < input_count(g, n, i); j++)
                k->host[joined(g, n, i, j)] = k->used[i][j];
    } else {
        float d[2];
        for (size_t i = 0; i < count; i++)
            k->host[i] = element(
                n, k->used[0][i], n->n_in == 2 ? k->used[1][i] : 0, channel_at(&n->out, i), d);
    }
    nncf_tensor from = view(k->host, NNCF_F32, &n->out), to = view(n->y, NNCF_F32, &n->out);
    nncf_status status = nncf_layer_quantize_output(n->layer, &from, &to, NULL);
    CHECK(w, status == NNCF_OK, "quantize_output of %s: %d", n->scope, status);
    saw(g, n->out.d[0]);
    est *a = ests(count);
    for (size_t i = 0; i < count; i++)
        a[i] = exact((double)k->host[i]);
    check_quantized(g, "quantized output", n, &n->q[OUTPUT], OUTPUT, a, &n->out, n->y, NNCF_F32);
    free(a);
    observe(g, n, OUTPUT, k->host, &n->out);
    k->ready = g->mode == NNCF_MODE_TRAIN && !initializing(g);
}

/* Gradient through the library's quantizer at x, checked; in place. */
static void quantizer_backward(
    graph *g, node *n, enum place place, const float *x, const shape *s, float *d)
{
    world *w = g->world;
    const size_t count = count_of(s);
    quant *q = &n->q[place];
    est *expected = ests(count);
    for (size_t i = 0; i < count; i++) {
        expected[i] = exact((double)d[i]);
        if (!q->there)
            continue;
        const size_t c = q->channels > 1 ? channel_at(s, i) : 0;
        const grid of = grid_of(q, c, false);
        expected[i] = quantize_gradient(q, c, &of, exact((double)x[i]), expected[i], false);
    }
    float *copy = floats(count);
    memcpy(copy, x, count * sizeof *x);
    nncf_tensor tx = view(copy, NNCF_F32, s), td = view(d, NNCF_F32, s);
    nncf_status status = place == INPUT
        ? nncf_layer_quantize_input_backward(n->layer, &tx, &td, &td, NULL)
        : nncf_layer_quantize_output_backward(n->layer, &tx, &td, &td, NULL);
    CHECK(w, status == NNCF_OK, "backward of a quantizer of %s: %d", n->scope, status);
    for (size_t i = 0; i < count; i++)
        check_est(w, "gradient through a quantizer", n, i, (double)d[i], expected[i]);
    free(copy);
    free(expected);
}

static void weight_backward(graph *g, node *n, const float *d, float *dx)
{
    const size_t f = n->n_weight / n->n_channels, count = count_of(&n->out);
    float *dw = floats(n->n_weight);
    est *expected = ests(n->n_weight);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < f; j++) {
            const size_t wi = weight_at(n, i % n->n_channels, j), xi = i / n->n_channels * f + j;
            dw[wi] += d[i] * n->kept.used[0][xi];
            dx[xi] += d[i] * n->kept.weight[wi];
        }
    for (size_t i = 0; i < n->n_weight; i++)
        expected[i] = exact((double)dw[i]);
    expect_weight_backward(g, n, expected);
    nncf_status status = nncf_layer_compress_weight_backward(n->layer, dw, NULL);
    CHECK(g->world, status == NNCF_OK, "compress_weight_backward of %s: %d", n->scope, status);
    free(dw);
    free(expected);
}

/* dx: made here, of the inputs' sizes. */
void host_backward(graph *g, node *n, const float *dy, float *dx[2])
{
    const size_t count = count_of(&n->out);
    kept *k = &n->kept;
    float *d = floats(count);
    memcpy(d, dy, count * sizeof *d);
    if (n->q[OUTPUT].there || sweep_one_in(g->world->rng, 2))
        quantizer_backward(g, n, OUTPUT, k->host, &n->out, d);
    for (int i = 0; i < n->n_in; i++)
        dx[i] = floats(input_count(g, n, i));
    if (n->n_weight) {
        weight_backward(g, n, d, dx[0]);
    } else if (n->op == NNCF_OP_CONCAT) {
        for (int i = 0; i < 2; i++)
            for (size_t j = 0; j < input_count(g, n, i); j++)
                dx[i][j] = d[joined(g, n, i, j)];
    } else {
        for (size_t i = 0; i < count; i++) {
            float of[2];
            element(n, k->used[0][i], n->n_in == 2 ? k->used[1][i] : 0, channel_at(&n->out, i), of);
            for (int j = 0; j < n->n_in; j++)
                dx[j][i] = d[i] * of[j];
        }
    }
    for (int i = 0; i < n->n_in; i++)
        if (n->q[INPUT].there)
            quantizer_backward(g, n, INPUT, k->raw[i], input_shape(g, n, i), dx[i]);
    free(d);
}

/* The parts on any layer, with tensors of any number of dimensions that have its channels. */
void call_parts(graph *g)
{
    world *w = g->world;
    node *n = &g->nodes[sweep_range(w->rng, 0, g->n_nodes - 1)];
    const enum place place = sweep_one_in(w->rng, 2) ? INPUT : OUTPUT;
    shape s = place == OUTPUT ? n->out : n->in;
    const bool flat = n->kind == LINEAR &&
        place == INPUT; /* a linear layer's input is flattened: features are channels */
    if (flat)
        s.d[1] *= s.d[2] * s.d[3];
    s.d[2] = flat ? 1 : sweep_range(w->rng, 1, 5);
    s.d[3] = flat ? 1 : sweep_range(w->rng, 1, 3);
    s.ndim = (int32_t)sweep_range(w->rng, 2, 4);
    for (int i = s.ndim; i < 4; i++)
        s.d[i] = 1;
    const size_t count = count_of(&s);
    float *x = floats(count), *y = floats(count), *d = floats(count);
    est *a = ests(count);
    fill_random(w->rng, x, count, 3);
    for (size_t i = 0; i < count; i++)
        a[i] = exact((double)x[i]);
    nncf_tensor tx = view(x, NNCF_F32, &s), ty = view(y, NNCF_F32, &s);
    note(w, " part");
    nncf_status status = place == INPUT ? nncf_layer_quantize_input(n->layer, &tx, &ty, NULL)
                                        : nncf_layer_quantize_output(n->layer, &tx, &ty, NULL);
    CHECK(w, status == NNCF_OK,
        "a part of %s, place %d of %zu channels, %d dimensions, %d channels: %d", n->scope,
        (int)place, n->q[place].channels, (int)s.ndim, (int)s.d[1], status);
    saw(g, s.d[0]);
    check_quantized(g, "part", n, &n->q[place], place, a, &s, y, NNCF_F32);
    observe(g, n, place, x, &s);
    if (!initializing(g)) {
        fill_random(w->rng, d, count, 1);
        quantizer_backward(g, n, place, x, &s, d);
    }
    free(x);
    free(y);
    free(d);
    free(a);
}
