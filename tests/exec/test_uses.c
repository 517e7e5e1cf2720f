/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers that run several times in a step. Gradients against central differences of the loss, and,
 * where quantizers and masks make the loss a staircase, against those of the uses one after the
 * other, to the bit.
 */
#include "support/ctrl.h"
#include "support/fixture.h"

#include <math.h>

enum { N = 3, IN = 4, OUT = 4, STEPS = 5, MOST = 64 };

typedef struct rig {
    fx_context c;
    nncf_model *model;
    nncf_layer *layer;
    float w[OUT * IN], dw[OUT * IN], b[OUT], db[OUT];
    uint64_t state;
} rig;

static void open_rig(rig *r, int32_t activation)
{
    nncf_error err = NNCF_ERROR_INIT;
    *r = (rig){.state = 5};
    fx_open(&r->c, 2, 3);
    fx_fill(r->w, OUT * IN, 1, &r->state);
    fx_fill(r->b, OUT, 0.5, &r->state);
    ck_assert_int_eq(nncf_model_create(r->c.context, &r->model, NULL), NNCF_OK);
    const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "N/Linear[a]",
        .weight = r->w, .weight_grad = r->dw, .bias = r->b, .bias_grad = r->db, .in_features = IN,
        .out_features = OUT, .activation = activation};
    ck_assert_msg(
        nncf_model_add_linear(r->model, &p, &r->layer, &err) == NNCF_OK, "%s", err.message);
}

static void close_rig(rig *r)
{
    nncf_model_destroy(r->model);
    fx_close(&r->c);
}

static const int64_t shape[2] = {N, IN};

static nncf_tensor view(float *data)
{
    return (nncf_tensor){.data = data, .ndim = 2, .shape = shape};
}

static void forward(rig *r, size_t use, float *x, float *y)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_tensor tx = view(x), ty = view(y);
    ck_assert_int_eq(nncf_layer_select_use(r->layer, use, NULL), NNCF_OK);
    ck_assert_msg(nncf_layer_forward(r->layer, &tx, 1, &ty, &err) == NNCF_OK, "%s", err.message);
}

static void backward(rig *r, size_t use, float *x, float *dy, float *dx)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_tensor tx = view(x), tdy = view(dy), tdx = view(dx);
    ck_assert_int_eq(nncf_layer_select_use(r->layer, use, NULL), NNCF_OK);
    ck_assert_msg(nncf_layer_backward(r->layer, &tx, 1, &tdy, dx ? &tdx : NULL, &err) == NNCF_OK,
        "%s", err.message);
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

typedef double (*loss_of)(rig *r, void *arg);

/* The gradient that was made against central differences of the loss. */
static void check(rig *r, loss_of loss, void *arg, float *values, const float *gradient, size_t n)
{
    const float step = 1e-2f;
    for (size_t i = 0; i < n; i++) {
        const float kept = values[i];
        values[i] = kept + step;
        const double above = loss(r, arg);
        values[i] = kept - step;
        const double below = loss(r, arg);
        values[i] = kept;
        const double wanted = (above - below) / (2 * (double)step);
        ck_assert_msg(fabs(wanted - (double)gradient[i]) < 2e-3 * (1 + fabs(wanted)),
            "%zu: %g, wanted %g", i, (double)gradient[i], wanted);
    }
}

/* ---- two towers: loss = sum (f(a) - f(b))^2 ---- */

typedef struct towers {
    float a[N * IN], b[N * IN], ya[N * OUT], yb[N * OUT], da[N * IN], db[N * IN];
} towers;

static double towers_loss(rig *r, void *arg)
{
    towers *t = arg;
    double sum = 0;
    forward(r, 0, t->a, t->ya);
    forward(r, 1, t->b, t->yb);
    for (int i = 0; i < N * OUT; i++)
        sum += pow((double)t->ya[i] - (double)t->yb[i], 2);
    return sum;
}

START_TEST(a_siamese_net_has_the_gradients_of_its_loss)
{
    static const int32_t activations[] = {
        NNCF_ACTIVATION_NONE, NNCF_ACTIVATION_SIGMOID, NNCF_ACTIVATION_TANH};
    rig r;
    towers t;
    float dya[N * OUT], dyb[N * OUT];
    open_rig(&r, activations[_i / 2]);
    fx_fill(t.a, N * IN, 1, &r.state);
    fx_fill(t.b, N * IN, 1, &r.state);
    ck_assert_int_eq(nncf_layer_set_uses(r.layer, 2, NULL), NNCF_OK);
    towers_loss(&r, &t);
    for (int i = 0; i < N * OUT; i++) {
        dya[i] = 2 * (t.ya[i] - t.yb[i]);
        dyb[i] = -dya[i];
    }
    if (_i % 2) { /* either order */
        backward(&r, 1, t.b, dyb, t.db);
        backward(&r, 0, t.a, dya, t.da);
    } else {
        backward(&r, 0, t.a, dya, t.da);
        backward(&r, 1, t.b, dyb, t.db);
    }
    check(&r, towers_loss, &t, r.w, r.dw, OUT * IN);
    check(&r, towers_loss, &t, r.b, r.db, OUT);
    check(&r, towers_loss, &t, t.a, t.da, N * IN);
    check(&r, towers_loss, &t, t.b, t.db, N * IN);
    close_rig(&r);
}
END_TEST

/* ---- h = tanh(W h + b), unrolled; loss = sum r h ---- */

typedef struct recurrent {
    float h[STEPS + 1][N * IN], r[N * IN];
} recurrent;

static double recurrent_loss(rig *r, void *arg)
{
    recurrent *n = arg;
    for (size_t t = 0; t < STEPS; t++)
        forward(r, t, n->h[t], n->h[t + 1]);
    return dot(n->h[STEPS], n->r, N * IN);
}

START_TEST(an_unrolled_net_has_the_gradients_of_its_loss)
{
    rig r;
    recurrent n;
    float d[2][N * IN];
    open_rig(&r, NNCF_ACTIVATION_TANH);
    fx_fill(n.h[0], N * IN, 1, &r.state);
    fx_fill(n.r, N * IN, 1, &r.state);
    ck_assert_int_eq(nncf_layer_set_uses(r.layer, STEPS, NULL), NNCF_OK);
    recurrent_loss(&r, &n);
    memcpy(d[STEPS % 2], n.r, sizeof n.r);
    for (size_t t = STEPS; t-- > 0;)
        backward(&r, t, n.h[t], d[(t + 1) % 2], d[t % 2]);
    check(&r, recurrent_loss, &n, r.w, r.dw, OUT * IN);
    check(&r, recurrent_loss, &n, r.b, r.db, OUT);
    check(&r, recurrent_loss, &n, n.h[0], d[0], N * IN);
    close_rig(&r);
}
END_TEST

/* ---- with everything that a block can have ---- */

static const char *const configs[] = {
    NULL, FX_CONFIG(FX_INT8), FX_CONFIG(FX_RB), FX_CONFIG(FX_RB ", " FX_INT8)};
enum { CONFIGS = sizeof configs / sizeof *configs };

typedef struct block_run {
    fx_context c;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    fx_block block;
    float x[2][2 * 3 * 25], y[2][4 * 2 * 25], dy[2][4 * 2 * 25], dx[2][2 * 3 * 25];
} block_run;

/* The first use is of one image, the second of two. */
static nncf_status run(block_run *b, size_t use, bool back)
{
    const int64_t in[4] = {(int64_t)use + 1, 3, 5, 5}, out[4] = {(int64_t)use + 1, 4, 5, 5};
    nncf_tensor x = {.data = b->x[use], .ndim = 4, .shape = in},
                y = {.data = b->y[use], .ndim = 4, .shape = out},
                dy = {.data = b->dy[use], .ndim = 4, .shape = out},
                dx = {.data = b->dx[use], .ndim = 4, .shape = in};
    return back ? nncf_layer_backward(b->block.layer, &x, 1, &dy, &dx, NULL)
                : nncf_layer_forward(b->block.layer, &x, 1, &y, NULL);
}

static void open_block(block_run *b, const char *config)
{
    uint64_t state = 9;
    int32_t more = 1;
    fx_open(&b->c, 2, 3);
    ck_assert_int_eq(nncf_model_create(b->c.context, &b->model, NULL), NNCF_OK);
    b->block = (fx_block){.scope = "N/Conv2d[a]",
        .in_channels = 3,
        .out_channels = 4,
        .kernel = {3, 3},
        .stride = {1, 1},
        .padding = {1, 1},
        .dilation = {1, 1},
        .groups = 1,
        .batch_norm = true,
        .activation = NNCF_ACTIVATION_RELU};
    fx_register(b->model, &b->block, NULL, &state);
    b->ctrl = config ? fx_ctrl(b->model, config) : NULL;
    for (int use = 0; use < 2; use++) {
        fx_fill(b->x[use], sizeof b->x[use] / sizeof(float), 1, &state);
        fx_fill(b->dy[use], sizeof b->dy[use] / sizeof(float), 1, &state);
    }
    while (b->ctrl && more) {
        ck_assert_int_eq(nncf_compression_ctrl_init_step(b->ctrl, &more, NULL), NNCF_OK);
        if (more)
            ck_assert_int_eq(run(b, 1, false), NNCF_OK);
    }
    fx_zero_grad(&b->block);
}

static void close_block(block_run *b)
{
    nncf_compression_ctrl_destroy(b->ctrl);
    nncf_model_destroy(b->model);
    fx_release(&b->block);
    fx_close(&b->c);
}

static void same(const float *a, const float *b, size_t n)
{
    ck_assert_mem_eq(a, b, n * sizeof *a);
}

START_TEST(interleaved_uses_are_those_one_after_the_other)
{
    static block_run a, b;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    open_block(&a, configs[_i]);
    open_block(&b, configs[_i]);
    for (size_t use = 0; use < 2; use++) {
        ck_assert_int_eq(run(&a, use, false), NNCF_OK);
        ck_assert_int_eq(run(&a, use, true), NNCF_OK);
    }
    ck_assert_int_eq(nncf_layer_set_uses(b.block.layer, 2, NULL), NNCF_OK);
    for (int back = 0; back < 2; back++)
        for (size_t use = 0; use < 2; use++) {
            ck_assert_int_eq(nncf_layer_select_use(b.block.layer, use, NULL), NNCF_OK);
            ck_assert_int_eq(run(&b, use, back), NNCF_OK);
        }
    same(a.block.dw, b.block.dw, a.block.weights);
    same(a.block.dgamma, b.block.dgamma, 4);
    same(a.block.dbeta, b.block.dbeta, 4);
    same(a.block.mean, b.block.mean, 4);
    same(a.dx[0], b.dx[0], 3 * 25);
    same(a.dx[1], b.dx[1], 2 * 3 * 25);
    for (size_t i = 0; a.ctrl && i < nncf_compression_ctrl_get_parameter_count(a.ctrl); i++) {
        const nncf_parameter p = fx_parameter_at(a.ctrl, i), q = fx_parameter_at(b.ctrl, i);
        same(p.grad, q.grad, p.count);
    }
    close_block(&a);
    close_block(&b);
}
END_TEST

/* Each use is what the memory says of one, to the byte. */
START_TEST(memory_counts_every_use)
{
    static block_run b;
    memset(&b, 0, sizeof b);
    open_block(&b, NULL);
    const int64_t in[4] = {2, 3, 5, 5};
    const nncf_tensor x = {.ndim = 4, .shape = in};
    nncf_memory one = {NNCF_PARAMS(nncf_memory)}, three = one;
    ck_assert_int_eq(nncf_model_get_memory(b.model, &x, 1, NNCF_MODE_TRAIN, &one, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_set_uses(b.block.layer, 3, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_get_memory(b.model, &x, 1, NNCF_MODE_TRAIN, &three, NULL), NNCF_OK);
    ck_assert_uint_gt(one.activations, 0);
    ck_assert_uint_eq(three.activations, 3 * one.activations);
    const size_t before = b.c.memory.bytes;
    for (int back = 0; back < 2; back++)
        for (size_t use = 0; use < 3; use++) {
            ck_assert_int_eq(nncf_layer_select_use(b.block.layer, use, NULL), NNCF_OK);
            nncf_tensor tx = {.data = b.x[1], .ndim = 4, .shape = in};
            const int64_t out[4] = {2, 4, 5, 5};
            nncf_tensor ty = {.data = b.y[1], .ndim = 4, .shape = out},
                        tdy = {.data = b.dy[1], .ndim = 4, .shape = out};
            if (back)
                ck_assert_int_eq(
                    nncf_layer_backward(b.block.layer, &tx, 1, &tdy, NULL, NULL), NNCF_OK);
            else
                ck_assert_int_eq(nncf_layer_forward(b.block.layer, &tx, 1, &ty, NULL), NNCF_OK);
        }
    ck_assert_uint_eq(b.c.memory.bytes - before, three.library);
    ck_assert_int_eq(nncf_layer_set_uses(b.block.layer, 1, NULL), NNCF_OK);
    close_block(&b);
}
END_TEST

/* ---- refused ---- */

START_TEST(what_is_refused)
{
    rig r;
    nncf_error err = NNCF_ERROR_INIT;
    float x[N * IN], y[N * OUT], dy[N * OUT] = {1};
    nncf_tensor tx = view(x), tdy = view(dy);
    open_rig(&r, NNCF_ACTIVATION_RELU);
    fx_fill(x, N * IN, 1, &r.state);
    ck_assert_int_eq(nncf_layer_select_use(r.layer, 1, &err), NNCF_E_ARG);
    ck_assert_msg(strstr(err.message, "nncf_layer_set_uses()") != NULL, "%s", err.message);
    ck_assert_str_eq(err.where, "N/Linear[a]");
    ck_assert_int_eq(nncf_layer_set_uses(r.layer, 0, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_layer_set_uses(r.layer, 65537, &err), NNCF_E_LIMIT);
    ck_assert_int_eq(nncf_layer_set_uses(NULL, 1, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_layer_select_use(NULL, 0, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_layer_set_uses(r.layer, 2, NULL), NNCF_OK);
    r.c.memory.fail_at = r.c.memory.calls + 1;
    ck_assert_int_eq(nncf_layer_set_uses(r.layer, 3, &err), NNCF_E_NOMEM);
    r.c.memory.fail_at = 0;
    forward(&r, 1, x, y); /* still two */
    ck_assert_int_eq(nncf_layer_select_use(r.layer, 0, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_backward(r.layer, &tx, 1, &tdy, NULL, &err), NNCF_E_STATE);
    backward(&r, 1, x, dy, NULL);
    forward(&r, 0, x, y); /* a backward of its own, once */
    forward(&r, 1, x, y);
    ck_assert_int_eq(nncf_model_set_mode(r.model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    forward(&r, 1, x, y);
    ck_assert_int_eq(nncf_model_set_mode(r.model, NNCF_MODE_TRAIN, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_backward(r.layer, &tx, 1, &tdy, NULL, &err), NNCF_E_STATE);
    backward(&r, 0, x, dy, NULL);
    ck_assert_int_eq(nncf_layer_backward(r.layer, &tx, 1, &tdy, NULL, &err), NNCF_E_STATE);
    forward(&r, 0, x, y); /* a controller that comes drops what all uses kept */
    forward(&r, 1, x, y);
    nncf_compression_ctrl *ctrl = fx_ctrl(r.model, FX_CONFIG(FX_RB));
    for (size_t use = 0; use < 2; use++) {
        ck_assert_int_eq(nncf_layer_select_use(r.layer, use, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_backward(r.layer, &tx, 1, &tdy, NULL, &err), NNCF_E_STATE);
    }
    nncf_compression_ctrl_destroy(ctrl);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("uses");
    TCase *tests = fx_case(suite, "uses", 60);
    tcase_add_loop_test(tests, a_siamese_net_has_the_gradients_of_its_loss, 0, 6);
    tcase_add_test(tests, an_unrolled_net_has_the_gradients_of_its_loss);
    tcase_add_loop_test(tests, interleaved_uses_are_those_one_after_the_other, 0, CONFIGS);
    tcase_add_test(tests, memory_counts_every_use);
    tcase_add_test(tests, what_is_refused);
    return fx_main(suite);
}
