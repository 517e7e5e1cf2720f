/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small residual net learns a synthetic task with the caller's own loop and Adam, compressed;
 * interrupted in the middle and resumed in fresh objects it arrives at the same bits.
 */
#include "support/files.h"
#include "support/fixture.h"
#include "support/require.h"

#include <stdio.h>
#include <unistd.h>

enum {
    BATCH = 16,
    SIDE = 8,
    WIDTH = 8,
    CLASSES = 4,
    STEPS = 24,
    LONG_STEPS = 480,
    MAX_ARRAYS = 64
};
enum { BLOCKS = 4, NODES = 8 };

typedef struct array {
    char name[96];
    float *p, *g, *m, *v; /* Adam's moments are the caller's, and go into the snapshot */
    size_t n;
} array;

typedef struct run {
    nncf_context *context;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    fx_block block[BLOCKS]; /* stem, depthwise, point, classifier */
    nncf_layer *add, *max, *mean;
    fx_tensor t[NODES], d[NODES], skip;
    array arrays[MAX_ARRAYS];
    size_t n_arrays, n_own; /* the first n_own are the caller's */
    int64_t step;
    int64_t epoch_steps;
    double losses[LONG_STEPS];
} run;

static void put_array(run *r, const char *scope, const char *name, float *p, float *g, size_t n)
{
    array *a = &r->arrays[r->n_arrays++];
    ck_assert_uint_le(r->n_arrays, MAX_ARRAYS);
    snprintf(a->name, sizeof a->name, "%s%s%s", scope, *scope ? "." : "", name);
    a->p = p;
    a->g = g;
    a->n = n;
    a->m = fx_alloc(n, sizeof(float));
    a->v = fx_alloc(n, sizeof(float));
}

static void make_run(run *r, const char *config, uint64_t weight_seed)
{
    uint64_t state = weight_seed;
    nncf_error err = NNCF_ERROR_INIT;
    memset(r, 0, sizeof *r);
    r->epoch_steps = 4;
    r->block[0] = (fx_block){.scope = "net/stem",
        .in_channels = 3,
        .out_channels = WIDTH,
        .kernel = {3, 3},
        .padding = {1, 1},
        .batch_norm = true,
        .activation = NNCF_ACTIVATION_RELU6};
    r->block[1] = (fx_block){.scope = "net/depthwise",
        .in_channels = WIDTH,
        .out_channels = WIDTH,
        .kernel = {3, 3},
        .padding = {1, 1},
        .groups = WIDTH,
        .batch_norm = true,
        .activation = NNCF_ACTIVATION_RELU6};
    r->block[2] = (fx_block){
        .scope = "net/point", .in_channels = WIDTH, .out_channels = WIDTH, .batch_norm = true};
    r->block[3] = (fx_block){.scope = "net/classifier",
        .in_channels = WIDTH,
        .out_channels = CLASSES,
        .linear = true,
        .bias = true};
    r->context = fx_new_context(NULL, 2, 0, 11);
    ck_assert_int_eq(nncf_model_create(r->context, &r->model, NULL), NNCF_OK);
    for (int i = 0; i < 3; i++)
        fx_register(r->model, &r->block[i], i ? r->block[i - 1].layer : NULL, &state);
    nncf_layer *both[] = {r->block[0].layer, r->block[2].layer};
    nncf_sum_params ap = {
        NNCF_PARAMS(nncf_sum_params), .scope = "net/add", .inputs = both, .n_inputs = 2};
    ck_assert_msg(nncf_model_add_sum(r->model, &ap, &r->add, &err) == NNCF_OK, "%s", err.message);
    nncf_pool2d_params mp = {NNCF_PARAMS(nncf_pool2d_params), .scope = "net/max",
        .kind = NNCF_POOL_MAX, .kernel = {2, 2}, .inputs = &r->add, .n_inputs = 1};
    ck_assert_msg(
        nncf_model_add_pool2d(r->model, &mp, &r->max, &err) == NNCF_OK, "%s", err.message);
    nncf_pool2d_params gp = {
        NNCF_PARAMS(nncf_pool2d_params), .scope = "net/mean", .inputs = &r->max, .n_inputs = 1};
    ck_assert_msg(
        nncf_model_add_pool2d(r->model, &gp, &r->mean, &err) == NNCF_OK, "%s", err.message);
    fx_register(r->model, &r->block[3], r->mean, &state);
    if (config)
        r->ctrl = fx_ctrl(r->model, config);

    const int64_t wide[4] = {BATCH, WIDTH, SIDE, SIDE},
                  shapes[NODES][4] = {{BATCH, 3, SIDE, SIDE}, {BATCH, WIDTH, SIDE, SIDE},
                      {BATCH, WIDTH, SIDE, SIDE}, {BATCH, WIDTH, SIDE, SIDE},
                      {BATCH, WIDTH, SIDE, SIDE}, {BATCH, WIDTH, SIDE / 2, SIDE / 2},
                      {BATCH, WIDTH, 1, 1}, {BATCH, CLASSES, 1, 1}};
    for (int i = 0; i < NODES; i++) {
        fx_view(&r->t[i], fx_alloc(fx_count(shapes[i]), sizeof(float)), i == NODES - 1 ? 2 : 4,
            shapes[i]);
        fx_view(&r->d[i], fx_alloc(fx_count(shapes[i]), sizeof(float)), i == NODES - 1 ? 2 : 4,
            shapes[i]);
    }
    fx_view(&r->skip, fx_alloc(fx_count(wide), sizeof(float)), 4, wide);

    for (int i = 0; i < BLOCKS; i++) {
        fx_block *k = &r->block[i];
        size_t c = (size_t)k->out_channels;
        put_array(r, k->scope, "weight", k->w, k->dw, k->weights);
        if (k->bias)
            put_array(r, k->scope, "bias", k->b, k->db, c);
        if (k->batch_norm) {
            put_array(r, k->scope, "bn.weight", k->gamma, k->dgamma, c);
            put_array(r, k->scope, "bn.bias", k->beta, k->dbeta, c);
        }
    }
    r->n_own = r->n_arrays;
    nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
    for (size_t i = 0;
         r->ctrl && nncf_compression_ctrl_get_parameter(r->ctrl, i, &p, NULL) == NNCF_OK; i++)
        put_array(r, "", p.name, p.data, p.grad, p.count);
}

static void drop_run(run *r)
{
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
    nncf_context_destroy(r->context);
    for (int i = 0; i < BLOCKS; i++)
        fx_release(&r->block[i]);
    for (int i = 0; i < NODES; i++) {
        free(r->t[i].t.data);
        free(r->d[i].t.data);
    }
    free(r->skip.t.data);
    for (size_t i = 0; i < r->n_arrays; i++) {
        free(r->arrays[i].m);
        free(r->arrays[i].v);
    }
}

/* The task: which channel is bright, and in which half of the image. A batch depends on its number
 * only. */
static void make_batch(run *r, int64_t number, int *labels)
{
    uint64_t state = 1000 + (uint64_t)number;
    float *x = r->t[0].t.data;
    for (int b = 0; b < BATCH; b++) {
        labels[b] = (int)(fx_next(&state) % CLASSES);
        for (int i = 0; i < 3 * SIDE * SIDE; i++) {
            int channel = i / (SIDE * SIDE), row = i / SIDE % SIDE;
            bool bright = channel == labels[b] % 3 && (row < SIDE / 2) == (labels[b] < 2);
            x[b * 3 * SIDE * SIDE + i] = (float)(0.3 * fx_uniform(&state) + (bright ? 1 : -0.2));
        }
    }
}

static void forward(run *r)
{
    const nncf_tensor pair[2] = {r->t[1].t, r->t[3].t};
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(
            nncf_layer_forward(r->block[i].layer, &r->t[i].t, 1, &r->t[i + 1].t, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_forward(r->add, pair, 2, &r->t[4].t, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_forward(r->max, &r->t[4].t, 1, &r->t[5].t, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_forward(r->mean, &r->t[5].t, 1, &r->t[6].t, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_layer_forward(r->block[3].layer, &r->t[6].t, 1, &r->t[7].t, NULL), NNCF_OK);
}

static void backward(run *r)
{
    nncf_tensor pair[2] = {r->t[1].t, r->t[3].t}, dpair[2] = {r->skip.t, r->d[3].t};
    ck_assert_int_eq(
        nncf_layer_backward(r->block[3].layer, &r->t[6].t, 1, &r->d[7].t, &r->d[6].t, NULL),
        NNCF_OK);
    ck_assert_int_eq(
        nncf_layer_backward(r->mean, &r->t[5].t, 1, &r->d[6].t, &r->d[5].t, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_layer_backward(r->max, &r->t[4].t, 1, &r->d[5].t, &r->d[4].t, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_backward(r->add, pair, 2, &r->d[4].t, dpair, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_layer_backward(r->block[2].layer, &r->t[2].t, 1, &r->d[3].t, &r->d[2].t, NULL),
        NNCF_OK);
    ck_assert_int_eq(
        nncf_layer_backward(r->block[1].layer, &r->t[1].t, 1, &r->d[2].t, &r->d[1].t, NULL),
        NNCF_OK);
    float *into = r->d[1].t.data;
    const float *skip = r->skip.t.data;
    for (size_t i = 0; i < fx_count(r->t[1].shape); i++)
        into[i] += skip[i];
    ck_assert_int_eq(
        nncf_layer_backward(r->block[0].layer, &r->t[0].t, 1, &r->d[1].t, NULL, NULL), NNCF_OK);
}

/* Softmax and cross entropy; the gradient goes to d[7]. */
static double cross_entropy(run *r, const int *labels)
{
    const float *y = r->t[NODES - 1].t.data;
    float *d = r->d[NODES - 1].t.data;
    double loss = 0;
    for (int b = 0; b < BATCH; b++) {
        double sum = 0;
        for (int c = 0; c < CLASSES; c++)
            sum += exp((double)y[b * CLASSES + c]);
        for (int c = 0; c < CLASSES; c++)
            d[b * CLASSES + c] =
                (float)((exp((double)y[b * CLASSES + c]) / sum - (c == labels[b] ? 1 : 0)) / BATCH);
        loss += (log(sum) - (double)y[b * CLASSES + labels[b]]) / BATCH;
    }
    return loss;
}

static void adam(run *r)
{
    const double lr = 0.01, t = (double)r->step + 1, c1 = 1 - pow(0.9, t), c2 = 1 - pow(0.999, t);
    for (size_t i = 0; i < r->n_arrays; i++) {
        array *a = &r->arrays[i];
        /* logits start at 4.6, so that they need a rate of their own to get to 0 in so few steps */
        double rate = lr * (strstr(a->name, "pre_ops.mask") ? 3 : 1);
        for (size_t j = 0; j < a->n; j++) {
            double g = (double)a->g[j], m = 0.9 * (double)a->m[j] + 0.1 * g,
                   v = 0.999 * (double)a->v[j] + 0.001 * g * g;
            a->m[j] = (float)m;
            a->v[j] = (float)v;
            a->p[j] = (float)((double)a->p[j] - rate * (m / c1) / (sqrt(v / c2) + 1e-8));
        }
    }
}

static void initialize(run *r)
{
    int labels[BATCH];
    int32_t more = 0;
    make_batch(r, 0, labels);
    while (r->ctrl && nncf_compression_ctrl_init_step(r->ctrl, &more, NULL) == NNCF_OK && more)
        forward(r);
}

static void train(run *r, int64_t until)
{
    int labels[BATCH];
    for (; r->step < until; r->step++) {
        for (size_t i = 0; i < r->n_arrays; i++)
            memset(r->arrays[i].g, 0, r->arrays[i].n * sizeof(float));
        make_batch(r, r->step, labels);
        forward(r);
        r->losses[r->step] = cross_entropy(r, labels);
        if (r->ctrl)
            r->losses[r->step] += fx_loss(r->ctrl);
        backward(r);
        adam(r);
        if (!r->ctrl)
            continue;
        ck_assert_int_eq(nncf_compression_ctrl_step(r->ctrl, NULL), NNCF_OK);
        if ((r->step + 1) % r->epoch_steps == 0)
            ck_assert_int_eq(nncf_compression_ctrl_epoch_step(r->ctrl, NULL), NNCF_OK);
    }
}

/* Cross entropy on batches that were not trained on, in eval mode. */
static double evaluate(run *r)
{
    double sum = 0;
    int labels[BATCH];
    ck_assert_int_eq(nncf_model_set_mode(r->model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    for (int i = 0; i < 4; i++) {
        make_batch(r, 5000 + i, labels);
        forward(r);
        sum += cross_entropy(r, labels) / 4;
    }
    ck_assert_int_eq(nncf_model_set_mode(r->model, NNCF_MODE_TRAIN, NULL), NNCF_OK);
    return sum;
}

static const char *const configs[] = {NULL, FX_CONFIG(FX_RB ", " FX_INT8),
    FX_CONFIG(FX_MAGNITUDE ", " FX_INT8), FX_CONFIG(FX_INT8), FX_CONFIG(FX_RB)};
enum { N_CONFIGS = sizeof configs / sizeof *configs };

/* 15 epochs: the masks settle at the level in the first ten and freeze; then, without noise, batch
 * norm follows them. Before the freeze masks in training and in evaluation differ, so that the
 * latter says little of so small a net. */
START_TEST(a_compressed_net_learns)
{
    run r;
    make_run(&r, configs[_i], 5);
    r.epoch_steps = LONG_STEPS / 15;
    initialize(&r);
    train(&r, LONG_STEPS);
    double task = evaluate(&r);
    ck_assert_msg(task < 0.1, "config %d: cross entropy %g, chance is %g", _i, task, log(CLASSES));
    if (configs[_i] && strstr(configs[_i], "sparsity")) {
        nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
        ck_assert_int_eq(nncf_compression_ctrl_get_statistics(r.ctrl, &s, NULL), NNCF_OK);
        ck_assert_double_gt(s.sparsity_target, 0.49);
        ck_assert_msg(fabs(s.sparsity - s.sparsity_target) < 0.03, "config %d: sparsity %g of %g",
            _i, s.sparsity, s.sparsity_target);
    }
    drop_run(&r);
}
END_TEST

/* The caller's part of a snapshot: weights, moments, running statistics. */
static size_t caller_tensors(
    run *r, nncf_checkpoint_tensor *list, char (*names)[128], int64_t (*shapes)[1])
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_arrays; i++) {
        array *a = &r->arrays[i];
        float *parts[] = {a->p, a->m, a->v};
        for (int j = i < r->n_own ? 0 : 1; j < 3;
             j++, n++) { /* the controller's data is the controller's to save */
            snprintf(names[n], sizeof names[n], "%s%s",
                j == 0       ? ""
                    : j == 1 ? "adam.m."
                             : "adam.v.",
                a->name);
            shapes[n][0] = (int64_t)a->n;
            list[n] = (nncf_checkpoint_tensor){
                names[n], {.data = parts[j], .dtype = NNCF_F32, .ndim = 1, .shape = shapes[n]}};
        }
    }
    for (int i = 0; i < BLOCKS; i++) {
        fx_block *k = &r->block[i];
        for (int j = 0; k->batch_norm && j < 2; j++, n++) {
            snprintf(names[n], sizeof names[n], "%s.bn.running_%s", k->scope, j ? "var" : "mean");
            shapes[n][0] = k->out_channels;
            list[n] = (nncf_checkpoint_tensor){
                names[n], {.data = j ? k->var : k->mean, .ndim = 1, .shape = shapes[n]}};
        }
    }
    return n;
}

START_TEST(a_resumed_run_has_the_same_bits)
{
    static run whole, first, second;
    static nncf_checkpoint_tensor list[4 * MAX_ARRAYS];
    static char names[4 * MAX_ARRAYS][128];
    static int64_t shapes[4 * MAX_ARRAYS][1];
    nncf_error err = NNCF_ERROR_INIT;
    const int64_t at = _i % 2 ? 10 : 12; /* within an epoch, and between two */
    const char *config = configs[1 + _i / 2];
    char path[FX_TEMPORARY];
    fx_temporary(path);

    make_run(&whole, config, 5);
    initialize(&whole);
    train(&whole, STEPS);

    make_run(&first, config, 5);
    initialize(&first);
    train(&first, at);
    size_t n = caller_tensors(&first, list, names, shapes);
    ck_assert_msg(
        nncf_checkpoint_save(first.ctrl, path, list, n, NULL, &err) == NNCF_OK, "%s", err.message);
    drop_run(&first);

    make_run(&second, config, 999); /* other weights: everything must come from the file */
    n = caller_tensors(&second, list, names, shapes);
    nncf_checkpoint *c = NULL;
    ck_assert_msg(
        nncf_checkpoint_open(second.context, path, NULL, &c, &err) == NNCF_OK, "%s", err.message);
    ck_assert_msg(nncf_checkpoint_read(c, list, n, &err) == NNCF_OK, "%s", err.message);
    ck_assert_msg(
        nncf_checkpoint_restore(c, second.ctrl, NULL, NULL, &err) == NNCF_OK, "%s", err.message);
    nncf_checkpoint_close(c);
    unlink(path);
    int32_t more = 1; /* ranges came with the snapshot */
    ck_assert_int_eq(nncf_compression_ctrl_init_step(second.ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 0);
    second.step = at;
    train(&second, STEPS);

    ck_assert_mem_eq(whole.losses + at, second.losses + at, (size_t)(STEPS - at) * sizeof(double));
    for (size_t i = 0; i < whole.n_arrays; i++)
        ck_assert_msg(
            memcmp(whole.arrays[i].p, second.arrays[i].p, whole.arrays[i].n * sizeof(float)) == 0,
            "%s differs", whole.arrays[i].name);
    ck_assert_mem_eq(whole.block[0].var, second.block[0].var, WIDTH * sizeof(float));
    nncf_statistics a = {NNCF_PARAMS(nncf_statistics)}, b = {NNCF_PARAMS(nncf_statistics)};
    ck_assert_int_eq(nncf_compression_ctrl_get_statistics(whole.ctrl, &a, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_get_statistics(second.ctrl, &b, NULL), NNCF_OK);
    ck_assert_mem_eq(&a, &b, sizeof a);
    double loss = evaluate(&whole), again = evaluate(&second);
    ck_assert(loss == again);
    drop_run(&whole);
    drop_run(&second);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("training run");
    TCase *learn = fx_case(suite, "learn", 240), *resume = fx_case(suite, "resume", 240);
    tcase_add_loop_test(
        learn, a_compressed_net_learns, sweep_rounds(0, 1), sweep_rounds(N_CONFIGS, 2));
    tcase_add_loop_test(
        resume, a_resumed_run_has_the_same_bits, 0, sweep_rounds(2 * (N_CONFIGS - 1), 2));
    return fx_main(suite);
}
