/* SPDX-License-Identifier: Apache-2.0 */
/* A net with binary convolutions under a controller: its stages, its values against loops, eval by
 * bits against training by codes, snapshots, exports, and what is refused. */
#include "binarization/binarizer.h"
#include "controller/ctrl.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "support/files.h"
#include "support/fixture.h"

#include <stdbool.h>
#include <time.h>

enum { IMAGES = 3, SIDE = 6, FIRST = 40, SECOND = 66, THIRD = 8, HALF = 3, CLASSES = 4 };
enum { N_IN = IMAGES * 2 * SIDE * SIDE, N_OUT = IMAGES * CLASSES };
/* of the four layers' outputs */
enum {
    N_1 = IMAGES * FIRST * SIDE * SIDE,
    N_2 = IMAGES * SECOND * SIDE * SIDE,
    N_3 = IMAGES * THIRD * HALF * HALF
};

#define BINARY(mode, activations, weights)                                                         \
    "{\"compression\": {\"algorithm\": \"binarization\", \"mode\": \"" mode                        \
    "\", \"ignored_scopes\": [\"N/Conv2d[first]\"], \"params\": {"                                 \
    "\"activations_bin_start_epoch\": " activations ", \"weights_bin_start_epoch\": " weights      \
    "}}}"

typedef struct net {
    fx_context host;
    nncf_model *model;
    fx_block first, second, third, fc;
    nncf_compression_ctrl *ctrl;
    float x[N_IN], y1[N_1], y2[N_2], y3[N_3], out[N_OUT];
    float d1[N_1], d2[N_2], d3[N_3], dout[N_OUT];
} net;

static net *open_net_at(const char *config, int32_t threads, int32_t isa)
{
    uint64_t state = 5;
    net *n = fx_alloc(1, sizeof *n);
    n->first = (fx_block){.scope = "N/Conv2d[first]",
        .in_channels = 2,
        .out_channels = FIRST,
        .kernel = {3, 3},
        .padding = {1, 1},
        .activation = NNCF_ACTIVATION_RELU,
        .batch_norm = true};
    n->second = (fx_block){.scope = "N/Conv2d[second]",
        .in_channels = FIRST,
        .out_channels = SECOND,
        .kernel = {3, 3},
        .padding = {1, 1},
        .activation = NNCF_ACTIVATION_RELU,
        .batch_norm = true};
    n->third = (fx_block){.scope = "N/Conv2d[third]",
        .in_channels = SECOND,
        .out_channels = THIRD,
        .kernel = {3, 3},
        .padding = {1, 1},
        .stride = {2, 2},
        .groups = 2,
        .bias = true};
    n->fc = (fx_block){.scope = "N/Linear[fc]",
        .in_channels = THIRD * HALF * HALF,
        .out_channels = CLASSES,
        .linear = true};
    fx_open(&n->host, threads, 7);
    if (isa != NNCF_ISA_BEST) {
        nncf_context *at = fx_new_context(&n->host.memory, threads, isa, 7);
        nncf_context_destroy(n->host.context);
        n->host.context = at;
    }
    ck_assert_int_eq(nncf_model_create(n->host.context, &n->model, NULL), NNCF_OK);
    fx_register(n->model, &n->first, NULL, &state);
    fx_register(n->model, &n->second, n->first.layer, &state);
    fx_register(n->model, &n->third, n->second.layer, &state);
    fx_register(n->model, &n->fc, n->third.layer, &state);
    fx_fill(n->x, N_IN, 1, &state);
    if (config)
        n->ctrl = fx_ctrl(n->model, config);
    return n;
}

static net *open_net(const char *config)
{
    return open_net_at(config, 2, NNCF_ISA_BEST);
}

static void close_net(net *n)
{
    nncf_compression_ctrl_destroy(n->ctrl);
    nncf_model_destroy(n->model);
    fx_block *blocks[] = {&n->first, &n->second, &n->third, &n->fc};
    for (size_t i = 0; i < 4; i++)
        fx_release(blocks[i]);
    fx_close(&n->host);
    free(n);
}

typedef struct step {
    fx_block *block;
    float *x, *y, *dx, *dy;
    int64_t in[4], out[4];
} step;

static void steps_of(net *n, step steps[4])
{
    const step all[4] = {
        {&n->first, n->x, n->y1, NULL, n->d1, {IMAGES, 2, SIDE, SIDE}, {IMAGES, FIRST, SIDE, SIDE}},
        {&n->second, n->y1, n->y2, n->d1, n->d2, {IMAGES, FIRST, SIDE, SIDE},
            {IMAGES, SECOND, SIDE, SIDE}},
        {&n->third, n->y2, n->y3, n->d2, n->d3, {IMAGES, SECOND, SIDE, SIDE},
            {IMAGES, THIRD, HALF, HALF}},
        {&n->fc, n->y3, n->out, n->d3, n->dout, {IMAGES, THIRD, HALF, HALF},
            {IMAGES, CLASSES, 1, 1}}};
    memcpy(steps, all, sizeof all);
}

static void forward(net *n)
{
    step steps[4];
    steps_of(n, steps);
    for (int i = 0; i < 4; i++) {
        fx_tensor x, y;
        nncf_error err = NNCF_ERROR_INIT;
        fx_view(&x, steps[i].x, 4, steps[i].in);
        fx_view(&y, steps[i].y, i == 3 ? 2 : 4, steps[i].out);
        ck_assert_msg(nncf_layer_forward(steps[i].block->layer, &x.t, 1, &y.t, &err) == NNCF_OK,
            "%s", err.message);
    }
}

/* Of the sum of the squared outputs. */
static void backward(net *n)
{
    step steps[4];
    steps_of(n, steps);
    for (int i = 0; i < N_OUT; i++)
        n->dout[i] = 2 * n->out[i];
    for (int i = 3; i >= 0; i--) {
        fx_tensor x, dy, dx;
        nncf_error err = NNCF_ERROR_INIT;
        fx_view(&x, steps[i].x, 4, steps[i].in);
        fx_view(&dy, steps[i].dy, i == 3 ? 2 : 4, steps[i].out);
        if (steps[i].dx)
            fx_view(&dx, steps[i].dx, 4, steps[i].in);
        fx_zero_grad(steps[i].block);
        ck_assert_msg(nncf_layer_backward(steps[i].block->layer, &x.t, 1, &dy.t,
                          steps[i].dx ? &dx.t : NULL, &err) == NNCF_OK,
            "%s", err.message);
    }
}

static int initialize(net *n)
{
    int32_t more = 0;
    int batches = 0;
    while (nncf_compression_ctrl_init_step(n->ctrl, &more, NULL) == NNCF_OK && more) {
        ck_assert_int_lt(++batches, 20);
        forward(n);
    }
    return batches;
}

/* A step of gradient descent, scales and thresholds too. */
static void train_step(net *n)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_compression_ctrl_zero_grad(n->ctrl, NULL), NNCF_OK);
    forward(n);
    backward(n);
    fx_block *blocks[] = {&n->first, &n->second, &n->third, &n->fc};
    for (size_t b = 0; b < 4; b++)
        for (size_t i = 0; i < blocks[b]->weights; i++)
            blocks[b]->w[i] -= 1e-4f * blocks[b]->dw[i];
    const nncf_update_params update = {NNCF_PARAMS(nncf_update_params), .momentum = 0.9};
    ck_assert_msg(
        nncf_compression_ctrl_update(n->ctrl, &update, &err) == NNCF_OK, "%s", err.message);
    ck_assert_msg(nncf_compression_ctrl_step(n->ctrl, &err) == NNCF_OK, "%s", err.message);
}

static void epoch_step(net *n)
{
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(n->ctrl, NULL), NNCF_OK);
}

static void set_mode(net *n, int32_t mode)
{
    ck_assert_int_eq(nncf_model_set_mode(n->model, mode, NULL), NNCF_OK);
}

static const nncf__quantizer *input_of(const fx_block *b)
{
    return b->layer->compression->input_quantizer;
}

START_TEST(only_convolutions_are_binarized)
{
    net *n = open_net(BINARY("xnor", "0", "0"));
    ck_assert_uint_eq(nncf_compression_ctrl_get_parameter_count(n->ctrl), 4);
    ck_assert_ptr_null(n->first.layer->compression->weight_quantizer);
    ck_assert_ptr_null(n->fc.layer->compression->weight_quantizer);
    const nncf_statistics s = fx_statistics(n->ctrl);
    ck_assert_int_eq((int)s.weight_quantizers, 2);
    ck_assert_int_eq((int)s.input_quantizers, 2);
    close_net(n);
}
END_TEST

START_TEST(before_their_stages_layers_are_float)
{
    net *n = open_net(BINARY("xnor", "1", "2")), *plain = open_net(NULL);
    ck_assert_int_eq(initialize(n), 0);
    for (int epoch = 0; epoch < 3; epoch++) {
        forward(n);
        forward(plain);
        backward(n);
        backward(plain);
        ck_assert_int_eq(memcmp(n->out, plain->out, sizeof n->out) == 0, epoch == 0);
        ck_assert_int_eq(
            memcmp(n->third.dw, plain->third.dw, n->third.weights * sizeof(float)) == 0,
            epoch == 0);
        for (size_t i = 0; i < 4; i++)
            ck_assert_int_eq(fx_parameter_at(n->ctrl, i).frozen, epoch == 0);
        nncf_stage s = {NNCF_PARAMS(nncf_stage)};
        ck_assert_int_eq(nncf_compression_ctrl_get_stage(n->ctrl, 0, &s, NULL), NNCF_OK);
        ck_assert_int_eq(s.activations, epoch >= 1);
        ck_assert_int_eq(s.weights, epoch >= 2);
        epoch_step(n);
        ck_assert_int_eq(initialize(n), 0);
    }
    close_net(n);
    close_net(plain);
}
END_TEST

START_TEST(without_params_stages_begin_with_epoch_1)
{
    net *n = open_net("{\"compression\": {\"algorithm\": \"binarization\"}}");
    nncf_stage s = {NNCF_PARAMS(nncf_stage)};
    for (int epoch = 0; epoch < 2; epoch++) {
        ck_assert_int_eq(nncf_compression_ctrl_get_stage(n->ctrl, 0, &s, NULL), NNCF_OK);
        ck_assert(s.staged == 1 && s.weights == epoch && s.activations == epoch);
        epoch_step(n);
    }
    close_net(n);
}
END_TEST

/* The third layer, which has neither batch norm nor activation, and its weight's gradient, in
 * double from what binarization is. */
static void check_third(const net *n, bool xnor)
{
    const nncf__quantizer *q = input_of(&n->third);
    const double sx = exp((double)q->bound[0]);
    const size_t per_out = n->third.weights / THIRD, in_group = SECOND / 2;
    double all = 0;
    for (size_t i = 0; i < n->third.weights; i++)
        all += fabs((double)n->third.w[i]);
    for (size_t at = 0; at < N_3; at++) {
        const size_t x0 = at % HALF, y0 = at / HALF % HALF, oc = at / (HALF * HALF) % THIRD,
                     image = at / (HALF * HALF * THIRD), group = oc / (THIRD / 2);
        double sum = 0, sw = 0;
        for (size_t i = 0; i < per_out; i++) {
            const double w = (double)n->third.w[oc * per_out + i];
            const size_t kx = i % 3, ky = i / 3 % 3, c = group * in_group + i / 9, y = 2 * y0 + ky,
                         x = 2 * x0 + kx;
            sw += fabs(w) / (double)per_out;
            if (y < 1 || y > SIDE || x < 1 || x > SIDE)
                continue;
            const double v = (double)n->y2[((image * SECOND + c) * SIDE + y - 1) * SIDE + x - 1];
            const double limit = sx / (1 + exp(-(double)q->binarizer->threshold[c]));
            ck_assert(fabs(v - limit) > 1e-6); /* or rounding would decide */
            sum += v > limit ? (w > 0 ? sx : -sx) : 0;
        }
        const double want =
            sum * (xnor ? sw : all / (double)n->third.weights) + (double)n->third.b[oc];
        ck_assert_msg(fabs((double)n->y3[at] - want) < 1e-4 * (1 + fabs(want)),
            "y[%zu]: %g, not %g", at, (double)n->y3[at], want);
    }
    const size_t out = 5, i = 40, c = out / (THIRD / 2) * in_group + i / 9, ky = i / 3 % 3,
                 kx = i % 3;
    double dw = 0;
    for (size_t image = 0; image < IMAGES; image++)
        for (size_t y0 = 0; y0 < HALF; y0++)
            for (size_t x0 = 0; x0 < HALF; x0++) {
                const size_t y = 2 * y0 + ky, x = 2 * x0 + kx;
                if (y < 1 || y > SIDE || x < 1 || x > SIDE)
                    continue;
                const double v =
                    (double)n->y2[((image * SECOND + c) * SIDE + y - 1) * SIDE + x - 1];
                if (v > sx / (1 + exp(-(double)q->binarizer->threshold[c])))
                    dw += sx * (double)n->d3[((image * THIRD + out) * HALF + y0) * HALF + x0];
            }
    ck_assert_double_eq_tol((double)n->third.dw[out * per_out + i], dw, 1e-4 * (1 + fabs(dw)));
}

START_TEST(values_and_gradients_equal_loops)
{
    static const char *const configs[] = {BINARY("xnor", "0", "0"), BINARY("dorefa", "0", "0")};
    for (int i = 0; i < 2; i++) {
        net *n = open_net(configs[i]);
        initialize(n);
        forward(n);
        float *kept = fx_alloc(N_3, sizeof(float));
        memcpy(kept, n->y3, N_3 * sizeof(float));
        /* the threshold is trained, too */
        for (int c = 0; c < SECOND; c++)
            n->third.layer->compression->input_quantizer->binarizer->threshold[c] =
                (float)(c % 7) / 4 - 1;
        forward(n);
        backward(n);
        check_third(n, i == 0);
        ck_assert(memcmp(kept, n->y3, sizeof n->y3) != 0);
        free(kept);
        close_net(n);
    }
}
END_TEST

START_TEST(the_first_batch_of_training_sets_the_scale)
{
    net *n = open_net(BINARY("xnor", "0", "0"));
    initialize(n);
    set_mode(n, NNCF_MODE_EVAL);
    forward(n);
    ck_assert(input_of(&n->second)->bound[0] == 0 && !input_of(&n->second)->binarizer->scale_known);
    set_mode(n, NNCF_MODE_TRAIN);
    forward(n);
    /* of 4320 values the fourth largest; ties are no matter */
    float largest[4] = {0};
    for (size_t i = 0; i < N_1; i++)
        for (int j = 0; j < 4; j++)
            if (n->y1[i] > largest[j]) {
                memmove(&largest[j + 1], &largest[j], (size_t)(3 - j) * sizeof(float));
                largest[j] = n->y1[i];
                break;
            }
    ck_assert_float_eq_tol(expf(input_of(&n->second)->bound[0]), largest[3], 1e-5f);
    const float before = input_of(&n->second)->bound[0];
    for (int i = 0; i < N_IN; i++)
        n->x[i] *= 2;
    forward(n);
    ck_assert(input_of(&n->second)->bound[0] == before);
    close_net(n);
}
END_TEST

START_TEST(a_batch_below_zero_is_told_and_leaves_the_scale)
{
    fx_context host;
    nncf_model *model;
    fx_open(&host, 1, 1);
    ck_assert_int_eq(nncf_model_create(host.context, &model, NULL), NNCF_OK);
    fx_layer l = fx_add_conv(model, "N/Conv2d[a]", 2, 2, 1, NULL, NULL);
    nncf_compression_ctrl *ctrl = fx_ctrl(model, BINARY("xnor", "0", "0"));
    float x[2] = {-1, -2}, y[2];
    fx_tensor tx, ty;
    fx_view(&tx, x, 4, (int64_t[]){1, 2, 1, 1});
    fx_view(&ty, y, 4, (int64_t[]){1, 2, 1, 1});
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(nncf_layer_forward(l.layer, &tx.t, 1, &ty.t, NULL), NNCF_OK);
    ck_assert(y[0] == 0 && y[1] == 0);
    ck_assert_ptr_nonnull(strstr(host.complaints, "N/Conv2d[a]"));
    const int told = host.warnings;
    x[0] = 3;
    ck_assert_int_eq(nncf_layer_forward(l.layer, &tx.t, 1, &ty.t, NULL), NNCF_OK);
    ck_assert_int_eq(host.warnings, told);
    ck_assert_float_eq_tol(expf(l.layer->compression->input_quantizer->bound[0]), 3, 1e-5f);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_layer_free(&l);
    fx_close(&host);
}
END_TEST

START_TEST(eval_by_bits_has_the_bits_of_training)
{
    static const char *const configs[] = {BINARY("xnor", "0", "0"), BINARY("dorefa", "0", "0")};
    for (int32_t isa = NNCF_ISA_REFERENCE; isa <= NNCF_ISA_NEON; isa++)
        for (int kind = 0; kind < 4; kind++) {
            const int32_t threads = kind < 2 ? 1 : 3;
            net *n = open_net_at(configs[kind % 2], threads, isa);
            initialize(n);
            train_step(n);
            float *y2 = fx_alloc(N_2, sizeof(float)), *y3 = fx_alloc(N_3, sizeof(float));
            /* running statistics, and a backward may follow */
            set_mode(n, NNCF_MODE_TUNE);
            forward(n);
            memcpy(y2, n->y2, N_2 * sizeof(float));
            memcpy(y3, n->y3, N_3 * sizeof(float));
            set_mode(n, NNCF_MODE_EVAL);
            forward(n);
            ck_assert_mem_eq(n->y2, y2, N_2 * sizeof(float));
            ck_assert_mem_eq(n->y3, y3, N_3 * sizeof(float));
            const bool bits = n->host.context->binary != NULL;
            ck_assert_int_eq(n->second.layer->blocks[NNCF_MODE_EVAL].by_bits, bits);
            ck_assert_int_eq(n->third.layer->blocks[NNCF_MODE_EVAL].by_bits, bits);
            ck_assert(!n->third.layer->blocks[NNCF_MODE_TUNE].by_bits);
            /* and train mode's, where batch norm does not differ */
            set_mode(n, NNCF_MODE_TRAIN);
            fx_tensor tx, ty;
            memcpy(n->y2, y2, N_2 * sizeof(float));
            fx_view(&tx, n->y2, 4, (int64_t[]){IMAGES, SECOND, SIDE, SIDE});
            fx_view(&ty, n->y3, 4, (int64_t[]){IMAGES, THIRD, HALF, HALF});
            ck_assert_int_eq(nncf_layer_forward(n->third.layer, &tx.t, 1, &ty.t, NULL), NNCF_OK);
            ck_assert_mem_eq(n->y3, y3, N_3 * sizeof(float));
            free(y2);
            free(y3);
            close_net(n);
        }
}
END_TEST

START_TEST(memory_is_predicted)
{
    for (int32_t mode = NNCF_MODE_TRAIN; mode <= NNCF_MODE_TUNE; mode++) {
        net *n = open_net_at(BINARY("xnor", "0", "0"), 1, NNCF_ISA_BEST);
        initialize(n);
        set_mode(n, mode);
        forward(n);
        const nncf__block *b = &n->second.layer->blocks[mode];
        ck_assert_uint_eq(n->second.layer->now.wq.capacity >= b->forward.wq, 1);
        /* bits: an eighth of codes, in whole words; of the weight only the scales */
        if (mode == NNCF_MODE_EVAL && b->by_bits) {
            ck_assert_uint_eq(b->forward.xq, IMAGES * SIDE * SIDE * sizeof(uint64_t));
            ck_assert_uint_eq(b->forward.wq, SECOND * sizeof(float));
        }
        close_net(n);
    }
}
END_TEST

/* ---- snapshots ---- */

/* Three epochs of two steps, counting a step, a step and the epoch's end. */
static void run_from(net *n, int at, int end)
{
    for (; at < end; at++) {
        if (at % 3 == 2) {
            epoch_step(n);
        } else {
            initialize(n);
            train_step(n);
        }
    }
}

static void save_and_open(net *n, net *next, bool accept, nncf_checkpoint_restore_report *report)
{
    fx_block *from[] = {&n->first, &n->second, &n->third, &n->fc},
             *to[] = {&next->first, &next->second, &next->third, &next->fc};
    int64_t shapes[4], channels[4];
    char names[12][8];
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    nncf_checkpoint_tensor saved[12], read[12];
    for (int i = 0; i < 12; i++) {
        const int b = i % 4, what = i / 4;
        shapes[b] = (int64_t)from[b]->weights;
        channels[b] = from[b]->out_channels;
        snprintf(names[i], sizeof names[i], "%d", i);
        float *const arrays[][3] = {
            {from[b]->w, from[b]->mean, from[b]->var}, {to[b]->w, to[b]->mean, to[b]->var}};
        saved[i] = (nncf_checkpoint_tensor){names[i],
            {.data = arrays[0][what],
                .dtype = NNCF_F32,
                .ndim = 1,
                .shape = what == 0 ? &shapes[b] : &channels[b]}};
        read[i] = saved[i];
        read[i].tensor.data = arrays[1][what];
    }
    ck_assert_msg(nncf_checkpoint_save(n->ctrl, fx_path("c"), saved, 12, NULL, &err) == NNCF_OK,
        "%s", err.message);
    ck_assert_int_eq(
        nncf_checkpoint_open(next->host.context, fx_path("c"), NULL, &c, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_checkpoint_read(c, read, 12, &err), NNCF_OK);
    const nncf_checkpoint_restore_params params = {
        NNCF_PARAMS(nncf_checkpoint_restore_params), .accept_config = accept};
    ck_assert_msg(nncf_checkpoint_restore(c, next->ctrl, &params, report, &err) == NNCF_OK, "%s",
        err.message);
    nncf_checkpoint_close(c);
}

START_TEST(a_training_that_was_interrupted_goes_on_with_the_same_bits)
{
    static const char *const configs[] = {
        BINARY("xnor", "0", "0"), BINARY("xnor", "1", "2"), BINARY("dorefa", "2", "1")};
    for (size_t k = 0; k < 3; k++)
        for (int at = 0; at <= 9; at += k ? 2 : 1) {
            net *whole = open_net(configs[k]), *first = open_net(configs[k]),
                *second = open_net(configs[k]);
            run_from(whole, 0, 9);
            run_from(first, 0, at);
            save_and_open(first, second, false, NULL);
            run_from(second, at, 9);
            forward(whole);
            forward(second);
            ck_assert_mem_eq(whole->out, second->out, sizeof whole->out);
            ck_assert_mem_eq(
                whole->second.w, second->second.w, whole->second.weights * sizeof(float));
            for (size_t i = 0; i < 4; i++) {
                const nncf_parameter a = fx_parameter_at(whole->ctrl, i),
                                     b = fx_parameter_at(second->ctrl, i);
                ck_assert_mem_eq(a.data, b.data, a.count * sizeof(float));
                ck_assert(a.frozen == b.frozen && a.data[0] != 0);
            }
            close_net(whole);
            close_net(first);
            close_net(second);
        }
}
END_TEST

START_TEST(another_config_takes_scales_and_thresholds)
{
    net *n = open_net(BINARY("xnor", "0", "0")), *next = open_net(BINARY("dorefa", "0", "0")),
        *ranges = open_net(FX_CONFIG(FX_INT8));
    nncf_checkpoint_restore_report report = {NNCF_PARAMS(nncf_checkpoint_restore_report)};
    run_from(n, 0, 5);
    save_and_open(n, next, true, &report);
    ck_assert_uint_eq(report.quantizers_taken, 2);
    ck_assert_uint_eq(report.quantizers_fresh, 0);
    for (size_t i = 0; i < 4; i++) {
        const nncf_parameter a = fx_parameter_at(n->ctrl, i), b = fx_parameter_at(next->ctrl, i);
        ck_assert_mem_eq(a.data, b.data, a.count * sizeof(float));
    }
    const float before = input_of(&next->second)->bound[0];
    forward(next);
    ck_assert(input_of(&next->second)->bound[0] == before);
    /* a logarithm is no range */
    save_and_open(n, ranges, true, &report);
    ck_assert_uint_eq(report.quantizers_taken, 0);
    ck_assert_uint_eq(report.quantizers_left, 2);
    close_net(n);
    close_net(next);
    close_net(ranges);
}
END_TEST

/* ---- what is written out, what is refused ---- */

START_TEST(an_export_computes_the_same)
{
    static const int32_t formats[] = {NNCF_ONNX_QDQ, NNCF_ONNX_FAKE_QUANTIZE};
    for (int i = 0; i < 4; i++) {
        net *n = open_net(i % 2 ? BINARY("xnor", "0", "0") : BINARY("dorefa", "0", "0"));
        nncf_error err = NNCF_ERROR_INIT;
        run_from(n, 0, 3);
        set_mode(n, NNCF_MODE_EVAL);
        forward(n);
        fx_tensor x, y;
        fx_view(&x, n->x, 4, (int64_t[]){IMAGES, 2, SIDE, SIDE});
        fx_view(&y, n->out, 2, (int64_t[]){IMAGES, CLASSES, 1, 1});
        const nncf_onnx_params onnx = {NNCF_PARAMS(nncf_onnx_params), .format = formats[i / 2],
            .fold_batch_norm = i % 2, .golden_input = &x.t, .golden_output = &y.t};
        ck_assert_msg(
            nncf_onnx_export(n->ctrl, fx_path("o"), &onnx, &err) == NNCF_OK, "%s", err.message);
        ck_assert_int_eq(fx_entries(), 1);
        close_net(n);
    }
}
END_TEST

START_TEST(what_has_no_form_is_refused)
{
    net *n = open_net(BINARY("xnor", "0", "1"));
    nncf_error err = NNCF_ERROR_INIT;
    run_from(n, 0, 2);
    ck_assert_int_eq(nncf_strip_save(n->ctrl, fx_path("s"), NULL, NULL, &err), NNCF_E_STATE);
    ck_assert_int_eq(fx_entries(), 0);
    close_net(n);

    static const char *const others[] = {FX_INT8, FX_RB, FX_MAGNITUDE,
        "{\"algorithm\": \"const_sparsity\"}", "{\"algorithm\": \"filter_pruning\"}"};
    n = open_net(NULL);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char text[512];
        snprintf(text, sizeof text, "{\"compression\": [{\"algorithm\": \"binarization\"}, %s]}",
            others[i]);
        nncf_config *config = fx_config(n->host.context, text);
        ck_assert_int_lt(nncf_compression_ctrl_create(n->model, config, &n->ctrl, &err), 0);
        ck_assert_ptr_nonnull(strstr(err.message, "binarization"));
        nncf_config_destroy(config);
    }
    close_net(n);
}
END_TEST

static int32_t no_reduce(void *user, void *values, size_t count, int32_t dtype, int32_t reduction)
{
    (void)user, (void)values, (void)count, (void)dtype, (void)reduction;
    return 0;
}

/* Their first batches differ, and so would their scales. */
START_TEST(ranks_and_replicas_are_refused)
{
    net *n = open_net(BINARY("xnor", "0", "0"));
    nncf_error err = NNCF_ERROR_INIT;
    nncf_model *replica = NULL;
    const nncf_collective_params two = {
        NNCF_PARAMS(nncf_collective_params), .size = 2, .all_reduce = no_reduce};
    ck_assert_int_eq(nncf_model_set_collective(n->model, &two, &err), NNCF_E_UNSUPPORTED);
    ck_assert_int_eq(nncf_model_create_replica(n->model, NULL, &replica, &err), NNCF_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "binarized"));
    close_net(n);
    n = open_net(NULL);
    ck_assert_int_eq(nncf_model_set_collective(n->model, &two, &err), NNCF_OK);
    nncf_config *config = fx_config(n->host.context, BINARY("xnor", "0", "0"));
    ck_assert_int_eq(
        nncf_compression_ctrl_create(n->model, config, &n->ctrl, &err), NNCF_E_UNSUPPORTED);
    ck_assert_ptr_null(n->ctrl);
    nncf_config_destroy(config);
    close_net(n);
}
END_TEST

START_TEST(keys_of_quantizers_are_told_to_be_idle)
{
    net *n = open_net(NULL);
    nncf_config *config = fx_config(n->host.context,
        "{\"compression\": {\"algorithm\": \"binarization\", \"weights\": {\"bits\": 4}, "
        "\"initializer\": {\"range\": {\"num_init_steps\": 3}}}}");
    ck_assert_int_eq(nncf_compression_ctrl_create(n->model, config, &n->ctrl, NULL), NNCF_OK);
    nncf_config_destroy(config);
    ck_assert_ptr_nonnull(strstr(n->host.complaints, "weights"));
    ck_assert_ptr_nonnull(strstr(n->host.complaints, "initializer.range"));
    ck_assert_int_eq(initialize(n), 0);
    close_net(n);
}
END_TEST

START_TEST(a_plan_names_the_kind)
{
    net *n = open_net(NULL);
    nncf_config *config = fx_config(n->host.context, BINARY("dorefa", "0", "0"));
    nncf_plan *plan = NULL;
    char text[8192];
    ck_assert_int_eq(nncf_plan_create(n->model, config, &plan, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_plan_format(plan, NNCF_FORM_TEXT, text, sizeof text, NULL, NULL), 0);
    ck_assert_ptr_nonnull(strstr(text, "1 dorefa"));
    ck_assert_ptr_nonnull(strstr(text, "binarization is of 2d convolutions"));
    ck_assert_int_eq(nncf_plan_format(plan, NNCF_FORM_JSON, text, sizeof text, NULL, NULL), 0);
    ck_assert_ptr_nonnull(strstr(text, "\"bits\":1,\"mode\":\"dorefa\""));
    nncf_plan_destroy(plan);
    nncf_config_destroy(config);
    close_net(n);
}
END_TEST

START_TEST(batch_norm_is_adapted_with_binary_layers)
{
    net *n = open_net("{\"nncf_dialect\": \"1.4\", \"compression\": {\"algorithm\": "
                      "\"binarization\", \"initializer\": {\"batchnorm_adaptation\": "
                      "{\"num_bn_adaptation_steps\": 2, \"num_bn_forget_steps\": 1}}, \"params\": "
                      "{\"activations_quant_start_epoch\": 0, \"weights_quant_start_epoch\": 0}}}");
    const float before = n->second.mean[0];
    ck_assert_int_eq(initialize(n), 3);
    ck_assert(n->second.mean[0] != before);
    ck_assert(!input_of(&n->second)->binarizer->scale_known);
    train_step(n);
    close_net(n);
}
END_TEST

/* ---- --bench: eval forwards of 3x3 layers, float and binary, one thread ---- */

static double least_ms(const char *config, int64_t n, int64_t channels, int64_t side)
{
    const int64_t shape[4] = {n, channels, side, side};
    uint64_t state = 3;
    nncf_context *context = fx_new_context(NULL, 1, NNCF_ISA_BEST, 1);
    nncf_model *model;
    ck_assert_int_eq(nncf_model_create(context, &model, NULL), NNCF_OK);
    fx_block b = {.scope = "N/Conv2d[b]",
        .in_channels = channels,
        .out_channels = channels,
        .kernel = {3, 3},
        .padding = {1, 1}};
    fx_register(model, &b, NULL, &state);
    nncf_compression_ctrl *ctrl = fx_ctrl(model, config);
    float *x = fx_alloc(fx_count(shape), sizeof *x), *y = fx_alloc(fx_count(shape), sizeof *y);
    fx_fill(x, fx_count(shape), 1, &state);
    fx_tensor tx, ty;
    fx_view(&tx, x, 4, shape);
    fx_view(&ty, y, 4, shape);
    ck_assert_int_eq(nncf_model_set_mode(model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    double best = 1e9, spent = 0;
    for (int i = 0; i < 3 || (spent < 300 && i < 1000); i++) {
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        ck_assert_int_eq(nncf_layer_forward(b.layer, &tx.t, 1, &ty.t, NULL), NNCF_OK);
        clock_gettime(CLOCK_MONOTONIC, &to);
        const double ms =
            1e3 * (double)(to.tv_sec - from.tv_sec) + 1e-6 * (double)(to.tv_nsec - from.tv_nsec);
        best = ms < best ? ms : best;
        spent += ms;
    }
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    nncf_context_destroy(context);
    fx_release(&b);
    free(x);
    free(y);
    return best;
}

START_TEST(bench)
{
    static const int64_t shapes[][3] = {{1, 128, 28}, {16, 128, 28}, {1, 256, 14}, {16, 256, 14},
        {1, 512, 7}, {16, 512, 7}, {4, 128, 56}, {32, 256, 14}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const int64_t *s = shapes[i];
        const double plain = least_ms("{\"compression\": []}", s[0], s[1], s[2]),
                     binary = least_ms(BINARY("xnor", "0", "0"), s[0], s[1], s[2]);
        printf("%lld x %lld x %lld x %lld: float %.3f ms, binary %.3f ms, %.1f times\n",
            (long long)s[0], (long long)s[1], (long long)s[2], (long long)s[2], plain, binary,
            plain / binary);
    }
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("binarization");
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
        tcase_add_test(fx_case(suite, "bench", 600), bench);
        return fx_main(suite);
    }
    TCase *tc = fx_case(suite, "net", 120);
    tcase_add_checked_fixture(tc, fx_folder_make, fx_folder_remove);
    tcase_add_test(tc, only_convolutions_are_binarized);
    tcase_add_test(tc, before_their_stages_layers_are_float);
    tcase_add_test(tc, without_params_stages_begin_with_epoch_1);
    tcase_add_test(tc, values_and_gradients_equal_loops);
    tcase_add_test(tc, the_first_batch_of_training_sets_the_scale);
    tcase_add_test(tc, a_batch_below_zero_is_told_and_leaves_the_scale);
    tcase_add_test(tc, eval_by_bits_has_the_bits_of_training);
    tcase_add_test(tc, memory_is_predicted);
    tcase_add_test(tc, a_training_that_was_interrupted_goes_on_with_the_same_bits);
    tcase_add_test(tc, another_config_takes_scales_and_thresholds);
    tcase_add_test(tc, an_export_computes_the_same);
    tcase_add_test(tc, what_has_no_form_is_refused);
    tcase_add_test(tc, ranks_and_replicas_are_refused);
    tcase_add_test(tc, keys_of_quantizers_are_told_to_be_idle);
    tcase_add_test(tc, a_plan_names_the_kind);
    tcase_add_test(tc, batch_norm_is_adapted_with_binary_layers);
    return fx_main(suite);
}
