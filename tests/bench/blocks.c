/* SPDX-License-Identifier: Apache-2.0 */
/* A layer under magnitude_sparsity with blocks, against the same layer without a mask and with an
 * unstructured one: forward, and backward to the input's and the weight's gradient. */
#include "bench.h"

#include <nncf/nncf.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A convolution that keeps its planes, or a linear layer, whose planes are single pixels: a row for
 * each image, times `rows`. */
typedef struct shape {
    const char *name;
    int64_t channels, side, rows;
    int32_t kernel;
    bool transposed, quantized;
} shape;
static const shape shapes[] = {{"conv 3x3", 256, 14, 1, 3, false, false},
    {"linear", 1024, 1, 8, 1, false, false}, {"conv 3x3", 256, 28, 1, 3, false, false},
    {"transposed 3x3", 256, 14, 1, 3, true, false}, {"int8 conv 3x3", 256, 14, 1, 3, false, true},
    {"int8 linear", 1024, 1, 8, 1, false, true}};

/* size 0: no mask; 1: an unstructured one; else blocks of that size */
static const struct {
    const char *who;
    int size;
    double sparsity;
} masks[] = {{"dense", 0, 0}, {"unstructured", 1, 0.75}, {"blocks", 16, 0.5}, {"blocks", 16, 0.75},
    {"blocks", 16, 0.9}, {"blocks", 8, 0.75}, {"blocks", 12, 0.75}, {"blocks", 24, 0.75},
    {"blocks", 32, 0.75}};
enum { N_MASKS = sizeof masks / sizeof *masks };

typedef struct subject {
    nncf_context *context;
    nncf_model *model;
    nncf_layer *layer;
    nncf_compression_ctrl *ctrl;
    float *w, *dw;
    nncf_tensor x, y, dy, dx;
} subject;

/* Of all subjects; they differ in their weight only. */
static nncf_tensor tensor(size_t n, const int64_t *sizes)
{
    return (nncf_tensor){.data = bench_floats(n), .dtype = NNCF_F32, .ndim = 4, .shape = sizes};
}

static void open_subject(
    subject *s, nncf_context *context, const subject *shared, const shape *like, size_t mask)
{
    const size_t n_w = (size_t)(like->channels * like->channels * like->kernel * like->kernel);
    nncf_error err = NNCF_ERROR_INIT;
    char text[512];
    *s = *shared;
    s->context = context;
    s->w = bench_floats(n_w);
    s->dw = bench_floats(n_w);
    bench_fill(s->w, n_w, 2, -1, 1);
    const nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[a]",
        .weight = s->w, .weight_grad = s->dw, .out_channels = like->channels,
        .in_channels = like->channels, .kernel = {like->kernel, like->kernel},
        .padding = {like->kernel / 2, like->kernel / 2}};
    const nncf_conv_transpose2d_params turned = {NNCF_PARAMS(nncf_conv_transpose2d_params),
        .scope = "Net/ConvTranspose2d[a]", .weight = s->w, .weight_grad = s->dw,
        .out_channels = like->channels, .in_channels = like->channels,
        .kernel = {like->kernel, like->kernel}, .padding = {like->kernel / 2, like->kernel / 2}};
    bench_must(nncf_model_create(context, &s->model, &err), &err);
    bench_must(like->transposed
            ? nncf_model_add_conv_transpose2d(s->model, &turned, &s->layer, &err)
            : nncf_model_add_conv2d(s->model, &p, &s->layer, &err),
        &err);
    if (masks[mask].size == 0 && !like->quantized)
        return;
    const bool blocks = masks[mask].size > 1;
    int length = snprintf(text, sizeof text, "{\"compression\": [");
    if (masks[mask].size > 0)
        length += snprintf(text + length, sizeof text - (size_t)length,
            "{\"algorithm\": \"magnitude_sparsity\", \"params\": {\"schedule\": \"multistep\", "
            "\"steps\": [], \"sparsity_levels\": [%g], \"structure\": \"%s\", \"block_size\": "
            "%d}}%s",
            masks[mask].sparsity, blocks ? "block" : "unstructured", blocks ? masks[mask].size : 2,
            like->quantized ? ", " : "");
    snprintf(text + length, sizeof text - (size_t)length, "%s]}",
        like->quantized ? "{\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": "
                          "1}}"
                        : "");
    nncf_config *config;
    bench_must(nncf_config_parse(context, "blocks", text, strlen(text), NULL, &config, &err), &err);
    bench_must(nncf_compression_ctrl_create(s->model, config, &s->ctrl, &err), &err);
    nncf_config_destroy(config);
    for (int32_t more = like->quantized; more;) {
        bench_must(nncf_compression_ctrl_init_step(s->ctrl, &more, &err), &err);
        if (more)
            bench_must(nncf_layer_forward(s->layer, &s->x, 1, &s->y, &err), &err);
    }
}

static void close_subject(subject *s)
{
    nncf_compression_ctrl_destroy(s->ctrl);
    nncf_model_destroy(s->model);
    free(s->w);
    free(s->dw);
}

static void forward(void *arg)
{
    subject *s = arg;
    nncf_error err = NNCF_ERROR_INIT;
    bench_must(nncf_layer_forward(s->layer, &s->x, 1, &s->y, &err), &err);
}

static void both(void *arg)
{
    subject *s = arg;
    nncf_error err = NNCF_ERROR_INIT;
    forward(s);
    bench_must(nncf_layer_backward(s->layer, &s->x, 1, &s->dy, &s->dx, &err), &err);
}

static void one_shape(const bench_options *o, nncf_context *context, const shape *like)
{
    const int64_t side = like->side, sizes[4] = {o->batch * like->rows, like->channels, side, side};
    const size_t n = (size_t)(sizes[0] * sizes[1] * side * side);
    subject shared = {0}, subjects[N_MASKS];
    shared.x = tensor(n, sizes);
    shared.y = tensor(n, sizes);
    shared.dx = tensor(n, sizes);
    shared.dy = tensor(n, sizes);
    bench_fill(shared.x.data, n, 1, 0, 1);
    bench_fill(shared.dy.data, n, 3, -1, 1);
    for (size_t i = 0; i < N_MASKS; i++)
        open_subject(&subjects[i], context, &shared, like, i);
    for (int pass = 0; pass < 2; pass++) {
        bench_contender c[N_MASKS];
        for (size_t i = 0; i < N_MASKS; i++)
            c[i] = (bench_contender){
                .who = masks[i].who, .run = pass ? both : forward, .arg = &subjects[i]};
        bench_contest(o, c, N_MASKS);
        for (size_t i = 0; i < N_MASKS; i++) {
            json_begin("blocks");
            json_text("who", c[i].who);
            json_text("layer", like->name);
            json_text("pass", pass ? "forward and backward" : "forward");
            json_int("block_size", masks[i].size > 1 ? masks[i].size : 0);
            json_number("sparsity", masks[i].sparsity);
            json_int("batch", sizes[0]);
            json_int("channels", like->channels);
            json_int("side", side);
            json_int("threads", o->threads);
            json_times(&c[i].times);
            json_number("times_dense", bench_median(&c[0].times) / bench_median(&c[i].times));
            json_end();
        }
        bench_times_free(c, N_MASKS);
    }
    for (size_t i = 0; i < N_MASKS; i++)
        close_subject(&subjects[i]);
    free(shared.x.data);
    free(shared.y.data);
    free(shared.dx.data);
    free(shared.dy.data);
}

int blocks_mode(const bench_options *o)
{
    nncf_context *context = bench_context(o);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes && (!o->quick || i < 2); i++)
        if (strstr(shapes[i].name, o->only))
            one_shape(o, context, &shapes[i]);
    nncf_context_destroy(context);
    return EXIT_SUCCESS;
}
