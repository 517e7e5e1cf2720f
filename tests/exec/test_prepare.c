/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers are prepared once: a step like the one before prepares nothing, and what a block depends
 * on (mode, shapes, types, controller, initialization) makes a new one. Counted per layer, in
 * nncf_layer.preparations.
 */
#include "base/context.h"
#include "exec/kind.h"
#include "graph/kind_info.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "support/fixture.h"

enum {
    LAYERS = 5,
    CHANNELS = 4,
    SIDE = 6,
    CLASSES = 3,
    MOST = 4,
    MANY = MOST * CHANNELS * SIDE * SIDE
};

/* conv + batch norm + relu -> depthwise + batch norm + relu6 -> sum -> max pool -> linear */
typedef struct net {
    nncf_context *context;
    nncf_model *model;
    fx_block conv, depthwise, linear;
    nncf_layer *layers[LAYERS];
    float x[MANY], y[LAYERS][MANY], d[LAYERS + 1][MANY];
    bool codes;
} net;

static net *new_net(void)
{
    net *n = fx_alloc(1, sizeof *n);
    uint64_t state = 7;
    nncf_error err = NNCF_ERROR_INIT;
    n->context = fx_new_context(NULL, 1, NNCF_ISA_BEST, 0);
    ck_assert_int_eq(nncf_model_create(n->context, &n->model, &err), NNCF_OK);
    n->conv = (fx_block){.scope = "N/Conv2d[a]",
        .in_channels = CHANNELS,
        .out_channels = CHANNELS,
        .kernel = {3, 3},
        .stride = {1, 1},
        .padding = {1, 1},
        .dilation = {1, 1},
        .groups = 1,
        .activation = NNCF_ACTIVATION_RELU,
        .batch_norm = true};
    n->depthwise = n->conv;
    n->depthwise.scope = "N/Conv2d[b]";
    n->depthwise.groups = CHANNELS;
    n->depthwise.activation = NNCF_ACTIVATION_RELU6;
    n->linear = (fx_block){.scope = "N/Linear[c]",
        .in_channels = CHANNELS * SIDE * SIDE / 4,
        .out_channels = CLASSES,
        .linear = true,
        .bias = true};
    fx_register(n->model, &n->conv, NULL, &state);
    fx_register(n->model, &n->depthwise, n->conv.layer, &state);
    nncf_layer *both[2] = {n->conv.layer, n->depthwise.layer};
    const nncf_sum_params sum = {
        NNCF_PARAMS(nncf_sum_params), .scope = "N/__add___0", .inputs = both, .n_inputs = 2};
    ck_assert_int_eq(nncf_model_add_sum(n->model, &sum, &n->layers[2], &err), NNCF_OK);
    const nncf_pool2d_params pool = {NNCF_PARAMS(nncf_pool2d_params), .scope = "N/MaxPool2d[p]",
        .kind = NNCF_POOL_MAX, .kernel = {2, 2}, .inputs = &n->layers[2], .n_inputs = 1};
    ck_assert_int_eq(nncf_model_add_pool2d(n->model, &pool, &n->layers[3], &err), NNCF_OK);
    fx_register(n->model, &n->linear, n->layers[3], &state);
    n->layers[0] = n->conv.layer;
    n->layers[1] = n->depthwise.layer;
    n->layers[4] = n->linear.layer;
    for (size_t i = 0; i < MANY; i++)
        n->x[i] = (float)((int)(i * 37 % 101) - 50) / 25;
    return n;
}

static void free_net(net *n)
{
    nncf_model_destroy(n->model);
    fx_release(&n->conv);
    fx_release(&n->depthwise);
    fx_release(&n->linear);
    nncf_context_destroy(n->context);
    free(n);
}

/* What layer i reads and writes; x of the linear layer is flat, as hosts hand it over. */
static void tensors(
    net *n, int i, int64_t batch, int64_t shapes[3][4], nncf_tensor x[2], nncf_tensor *y)
{
    static const int inputs[LAYERS][2] = {{-1, -1}, {0, 0}, {0, 1}, {2, 2}, {3, 3}};
    const int64_t whole[4] = {batch, CHANNELS, SIDE, SIDE},
                  half[4] = {batch, CHANNELS, SIDE / 2, SIDE / 2},
                  flat[4] = {batch, CHANNELS * SIDE * SIDE / 4}, out[4] = {batch, CLASSES};
    memcpy(shapes[0], i == 4 ? flat : whole, sizeof whole);
    memcpy(shapes[1], i == 4 ? out : i == 3 ? half : whole, sizeof whole);
    for (int j = 0; j < 2; j++) {
        const int from = inputs[i][j];
        x[j] = (nncf_tensor){.data = from < 0 ? n->x : n->y[from],
            .ndim = i == 4 ? 2 : 4,
            .shape = shapes[0],
            .dtype =
                from >= 0 && n->codes ? nncf_layer_get_output_dtype(n->layers[from]) : NNCF_F32};
    }
    *y = (nncf_tensor){.data = n->y[i],
        .ndim = i == 4 ? 2 : 4,
        .shape = shapes[1],
        .dtype = n->codes ? nncf_layer_get_output_dtype(n->layers[i]) : NNCF_F32};
}

static size_t n_inputs(int i)
{
    return i == 2 ? 2 : 1;
}

static void forward(net *n, int64_t batch)
{
    for (int i = 0; i < LAYERS; i++) {
        int64_t shapes[3][4];
        nncf_tensor x[2], y;
        tensors(n, i, batch, shapes, x, &y);
        ck_assert_int_eq(nncf_layer_forward(n->layers[i], x, n_inputs(i), &y, NULL), NNCF_OK);
    }
}

static void backward(net *n, int64_t batch)
{
    for (int i = LAYERS - 1; i >= 0; i--) {
        int64_t shapes[3][4];
        nncf_tensor x[2], y;
        tensors(n, i, batch, shapes, x, &y);
        y.data = n->d[i + 1];
        y.dtype = NNCF_F32;
        for (size_t j = 0; j < MANY; j++)
            n->d[i + 1][j] = (float)(j % 5) - 2;
        nncf_tensor dx[2] = {x[0], x[0]};
        dx[0].dtype = dx[1].dtype = NNCF_F32;
        dx[0].data = dx[1].data = n->d[i];
        ck_assert_int_eq(
            nncf_layer_backward(n->layers[i], x, n_inputs(i), &y, i > 0 ? dx : NULL, NULL),
            NNCF_OK);
    }
}

/* Steps of training, and how often each layer was prepared in them. */
static void expect(net *n, int64_t batch, int steps, bool train, uint64_t count)
{
    uint64_t before[LAYERS];
    for (int i = 0; i < LAYERS; i++)
        before[i] = n->layers[i]->preparations;
    for (int s = 0; s < steps; s++) {
        forward(n, batch);
        if (train)
            backward(n, batch);
    }
    for (int i = 0; i < LAYERS; i++)
        ck_assert_msg(n->layers[i]->preparations - before[i] == count,
            "layer %d was prepared %d times, not %d", i,
            (int)(n->layers[i]->preparations - before[i]), (int)count);
}

static void set_mode(net *n, int32_t mode)
{
    ck_assert_int_eq(nncf_model_set_mode(n->model, mode, NULL), NNCF_OK);
}

START_TEST(a_step_prepares_only_what_is_new)
{
    net *n = new_net();
    expect(n, 2, 1, true, 1);
    expect(n, 2, 4, true, 0);
    expect(n, MOST, 1, true, 1); /* another batch */
    expect(n, MOST, 2, true, 0);
    expect(n, 2, 1, true, 1); /* the last one is remembered */
    set_mode(n, NNCF_MODE_EVAL);
    expect(n, 2, 1, false, 1);
    expect(n, 2, 3, false, 0);
    set_mode(n, NNCF_MODE_TRAIN); /* each mode has its own */
    expect(n, 2, 2, true, 0);
    set_mode(n, NNCF_MODE_EVAL);
    expect(n, 2, 2, false, 0);
    n->context->kernels = nncf__kernels_get(NNCF_ISA_REFERENCE); /* another ISA */
    expect(n, 2, 1, false, 1);
    expect(n, 2, 2, false, 0);
    free_net(n);
}
END_TEST

START_TEST(a_controller_and_its_initialization_prepare_anew)
{
    net *n = new_net();
    int32_t more = 1;
    expect(n, 2, 2, true, 1);
    nncf_compression_ctrl *ctrl = fx_ctrl(n->model, FX_CONFIG(FX_INT8));
    ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 1);
    expect(n, 2, 1, false, 1); /* ranges are observed */
    ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 0);
    expect(n, 2, 1, true, 1);
    for (int s = 0; s < 3; s++) { /* scales move: they are no part of a block */
        for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(ctrl); i++) {
            const nncf_parameter p = fx_parameter_at(ctrl, i);
            for (size_t j = 0; j < p.count; j++)
                p.data[j] *= 1.125f;
        }
        ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_OK);
        expect(n, 2, 1, true, 0);
    }
    nncf_compression_ctrl_destroy(ctrl);
    expect(n, 2, 1, true, 1);
    expect(n, 2, 2, true, 0);
    free_net(n);
}
END_TEST

/* Codes in place of floats: all layers but the last write them, all but the first read them. */
START_TEST(codes_prepare_anew)
{
    net *n = new_net();
    int32_t more = 1;
    nncf_compression_ctrl *ctrl = fx_ctrl(n->model, FX_CONFIG(FX_INT8));
    while (nncf_compression_ctrl_init_step(ctrl, &more, NULL) == NNCF_OK && more)
        forward(n, 2);
    expect(n, 2, 1, true, 1);
    n->codes = true;
    expect(n, 2, 1, true, 1);
    expect(n, 2, 3, true, 0);
    nncf_compression_ctrl_destroy(ctrl);
    free_net(n);
}
END_TEST

START_TEST(asking_for_memory_prepares_no_layer)
{
    net *n = new_net();
    const int64_t shape[4] = {MOST, CHANNELS, SIDE, SIDE};
    const nncf_tensor x = {.ndim = 4, .shape = shape};
    nncf_memory memory = {NNCF_PARAMS(nncf_memory)};
    expect(n, 2, 1, true, 1);
    for (int i = 0; i < LAYERS; i++) {
        const nncf__block before = n->layers[i]->blocks[NNCF_MODE_TRAIN];
        ck_assert_int_eq(
            nncf_model_get_memory(n->model, &x, 1, NNCF_MODE_TRAIN, &memory, NULL), NNCF_OK);
        ck_assert_mem_eq(&before, &n->layers[i]->blocks[NNCF_MODE_TRAIN], sizeof before);
    }
    expect(n, 2, 2, true, 0);
    free_net(n);
}
END_TEST

/* A backward that is refused for its shape leaves what forward prepared and kept usable. */
START_TEST(a_refused_backward_harms_nothing)
{
    net *n = new_net();
    forward(n, 2);
    int64_t shapes[3][4];
    nncf_tensor x[2], y;
    tensors(n, 0, MOST, shapes, x, &y);
    y.data = n->d[0];
    ck_assert_int_eq(nncf_layer_backward(n->layers[0], x, 1, &y, NULL, NULL), NNCF_E_SHAPE);
    backward(n, 2);
    free_net(n);
}
END_TEST

/* A kind has a row in graph/kind_info.c and one in exec/kinds.c, and they agree on who runs it. */
START_TEST(every_kind_has_a_row_in_both_tables)
{
    for (int32_t kind = NNCF__CONV2D; kind < NNCF__KIND_COUNT; kind++) {
        const nncf_layer layer = {.kind = kind};
        const nncf__kind_info *info = nncf__kind_info_of(kind);
        const nncf__kind *run = nncf__kind_of(&layer);
        ck_assert_msg(info->name, "kind %d has no row in graph/kind_info.c", (int)kind);
        ck_assert_msg(
            info->run_by_host ? !run->prepare : run->prepare && run->forward && run->backward,
            "%s: exec/kinds.c and graph/kind_info.c disagree", info->name);
        for (int32_t other = NNCF__CONV2D; other < kind; other++)
            ck_assert_str_ne(info->name, nncf__kind_info_of(other)->name);
    }
}
END_TEST

FX_MAIN("prepare", every_kind_has_a_row_in_both_tables, a_step_prepares_only_what_is_new,
    a_controller_and_its_initialization_prepare_anew, codes_prepare_anew,
    asking_for_memory_prepares_no_layer, a_refused_backward_harms_nothing)
