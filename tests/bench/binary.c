/* SPDX-License-Identifier: Apache-2.0 */
/* A 3x3 layer whose weight and input are binary, in eval mode, against the same layer in floats. */
#include "bench.h"

#include <nncf/nncf.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the residual networks that binarization is made for. */
static const struct {
    const char *name;
    int64_t channels, side;
} shapes[] = {
    {"128 channels", 128, 28},
    {"256 channels", 256, 14},
    {"512 channels", 512, 7},
};

/* The last are floats, which the others are compared with. */
static const char *const modes[] = {"xnor", "dorefa", NULL};
enum { N_MODES = sizeof modes / sizeof *modes, FLOATS = N_MODES - 1 };

typedef struct subject {
    nncf_model *model;
    nncf_layer *layer;
    nncf_compression_ctrl *ctrl;
    const nncf_tensor *x;
    nncf_tensor *y;
} subject;

static void forward(void *arg)
{
    const subject *s = arg;
    nncf_error err = NNCF_ERROR_INIT;
    bench_must(nncf_layer_forward(s->layer, s->x, 1, s->y, &err), &err);
}

/* The scale of a binary input is found in a forward in train mode. */
static void open_subject(
    subject *s, nncf_context *context, int64_t channels, float *w, const char *mode)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[a]",
        .weight = w, .out_channels = channels, .in_channels = channels, .kernel = {3, 3},
        .padding = {1, 1}};
    bench_must(nncf_model_create(context, &s->model, &err), &err);
    bench_must(nncf_model_set_frozen_policy(s->model, NNCF_FROZEN_COMPRESS, &err), &err);
    bench_must(nncf_model_add_conv2d(s->model, &p, &s->layer, &err), &err);
    if (mode) {
        char text[256];
        nncf_config *config;
        snprintf(text, sizeof text,
            "{\"compression\": {\"algorithm\": \"binarization\", \"mode\": \"%s\", \"params\": "
            "{\"activations_bin_start_epoch\": 0, \"weights_bin_start_epoch\": 0}}}",
            mode);
        bench_must(
            nncf_config_parse(context, "binary", text, strlen(text), NULL, &config, &err), &err);
        bench_must(nncf_compression_ctrl_create(s->model, config, &s->ctrl, &err), &err);
        nncf_config_destroy(config);
        forward(s);
    }
    bench_must(nncf_model_set_mode(s->model, NNCF_MODE_EVAL, &err), &err);
}

static void close_subject(subject *s)
{
    nncf_compression_ctrl_destroy(s->ctrl);
    nncf_model_destroy(s->model);
}

static void one_shape(const bench_options *o, nncf_context *context, size_t shape)
{
    const int64_t channels = shapes[shape].channels, side = shapes[shape].side;
    const int64_t sizes[4] = {o->batch, channels, side, side};
    const size_t n = (size_t)(o->batch * channels * side * side),
                 n_w = (size_t)(channels * channels * 9);
    float *w = bench_floats(n_w);
    nncf_tensor x = {.data = bench_floats(n), .dtype = NNCF_F32, .ndim = 4, .shape = sizes}, y = x;
    subject subjects[N_MODES];
    bench_contender c[N_MODES];
    y.data = bench_floats(n);
    bench_fill(w, n_w, 2, -1, 1);
    bench_fill(x.data, n, 1, 0, 1);
    for (int i = 0; i < N_MODES; i++) {
        subjects[i] = (subject){.x = &x, .y = &y};
        open_subject(&subjects[i], context, channels, w, modes[i]);
        c[i] = (bench_contender){
            .who = modes[i] ? modes[i] : "float", .run = forward, .arg = &subjects[i]};
    }
    bench_contest(o, c, N_MODES);
    for (int i = 0; i < N_MODES; i++) {
        json_begin("binary");
        json_text("who", c[i].who);
        json_text("shape", shapes[shape].name);
        json_int("batch", o->batch);
        json_int("channels", channels);
        json_int("side", side);
        json_int("threads", o->threads);
        json_times(&c[i].times);
        json_number("times_float", bench_median(&c[FLOATS].times) / bench_median(&c[i].times));
        json_end();
        close_subject(&subjects[i]);
    }
    bench_times_free(c, N_MODES);
    free(x.data);
    free(y.data);
    free(w);
}

int binary_mode(const bench_options *o)
{
    nncf_context *context = bench_context(o);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes && (!o->quick || i < 1); i++)
        if (strstr(shapes[i].name, o->only))
            one_shape(o, context, i);
    nncf_context_destroy(context);
    return EXIT_SUCCESS;
}
